"""Electrons in water: collision stopping power (Bethe, Berger and Seltzer) and range."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lutetia.errors import OutOfRangeError
from lutetia.physics.tables import read_table

ELECTRON_REST_ENERGY_MEV: Final = 0.51099895
BETHE_CONSTANT_MEV_CM2_PER_MOL: Final = 0.15353745
"""2 pi r_e^2 m c^2 N_A, half of the constant usual for heavy particles (CODATA 2018)."""

LOWEST_MEV: Final = 0.001
HIGHEST_MEV: Final = 10.0


def collision_stopping_power_water_mev_cm2_per_g(energy_mev: ArrayLike) -> NDArray[np.float64]:
    """Mass collision stopping power of liquid water for electrons.

    With tau the kinetic energy in electron rest energies, b = v/c, I the mean excitation energy, delta the density
    effect::

        S/rho = k Z/A / b^2 [ln(T/I)^2 + ln(1 + tau/2) + F - delta],
        F = (1 - b^2) [1 + tau^2/8 - (2 tau + 1) ln 2]

    Without shell corrections: trustworthy from 10 keV, an extrapolation from there down to 1 keV.

    Parameters
    ----------
    energy_mev : kinetic energy, any shape, 0.001 to 10. [MeV]

    Returns
    -------
    (same shape) float64. [MeV cm2/g]

    Raises
    ------
    OutOfRangeError
        An energy outside this range.

    References
    ----------
    ICRU Report 37, 1984; Sternheimer et al., At Data Nucl Data Tables 30, 261, 1984,
    doi:10.1016/0092-640X(84)90002-0.
    """
    energy = _checked(energy_mev)
    row = read_table("sternheimer_1984", "materials.csv")[0]
    tau = energy / ELECTRON_REST_ENERGY_MEV
    beta_squared = tau * (tau + 2.0) / (tau + 1.0) ** 2
    excitation_mev = float(row["mean_excitation_ev"]) * 1.0e-6
    f = (1.0 - beta_squared) * (1.0 + tau**2 / 8.0 - (2.0 * tau + 1.0) * np.log(2.0))
    bracket = 2.0 * np.log(energy / excitation_mev) + np.log1p(tau / 2.0) + f - _density_effect(tau)
    power: NDArray[np.float64] = BETHE_CONSTANT_MEV_CM2_PER_MOL * float(row["z_over_a"]) / beta_squared * bracket
    return power


def csda_range_water_g_per_cm2(energy_mev: ArrayLike) -> NDArray[np.float64]:
    """Mean path length of electrons in liquid water until they stop, by collisions alone.

    The integral of the inverse stopping power from 1 keV on; the little path below 1 keV (6e-6 g/cm2) is added as
    for a stopping power that falls with the root of the energy. Bremsstrahlung, which shortens the path by 0.1 % at
    0.1 MeV, 0.8 % at 1 MeV and 1.5 % at 2 MeV, is left out.

    Parameters
    ----------
    energy_mev : kinetic energy, any shape, 0.001 to 10. [MeV]

    Returns
    -------
    (same shape) float64. [g/cm2]

    References
    ----------
    ICRU Report 37, 1984.
    """
    energy = _checked(energy_mev)
    grid, length = _ranges()
    return np.exp(np.interp(np.log(energy), np.log(grid), np.log(length)))


@lru_cache(maxsize=1)
def _ranges() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grid = np.geomspace(LOWEST_MEV, HIGHEST_MEV, 2001)
    grid[[0, -1]] = LOWEST_MEV, HIGHEST_MEV
    per_log = grid / collision_stopping_power_water_mev_cm2_per_g(grid)
    steps = 0.5 * (per_log[1:] + per_log[:-1]) * np.diff(np.log(grid))
    below = per_log[0] * 2.0 / 3.0
    return grid, below + np.concatenate([[0.0], np.cumsum(steps)])


def _density_effect(tau: NDArray[np.float64]) -> NDArray[np.float64]:
    row = read_table("sternheimer_1984", "materials.csv")[0]
    c, x0, x1, a, k = (float(row[name]) for name in ("c", "x0", "x1", "a", "k"))
    x = 0.5 * np.log10(tau * (tau + 2.0))  # log10 of momentum in units of m c
    delta = 2.0 * np.log(10.0) * x - c + np.where(x < x1, a * np.maximum(x1 - x, 0.0) ** k, 0.0)
    return np.where(x < x0, 0.0, delta)


def _checked(energy_mev: ArrayLike) -> NDArray[np.float64]:
    energy = np.asarray(energy_mev, dtype=np.float64)
    if not np.all((energy >= LOWEST_MEV) & (energy <= HIGHEST_MEV)):
        raise OutOfRangeError(
            f"Electron energies from {np.min(energy):g} to {np.max(energy):g} MeV; stopping power and range are "
            f"known from {LOWEST_MEV} to {HIGHEST_MEV} MeV."
        )
    return energy
