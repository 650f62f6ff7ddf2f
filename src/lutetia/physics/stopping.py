"""Electrons and positrons: collision and radiative stopping power and range in any material."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lutetia.errors import OutOfRangeError
from lutetia.physics.electrons.bremsstrahlung import radiative_stopping_power_mev_cm2_per_g
from lutetia.physics.electrons.excitation import Electrons, electrons_of
from lutetia.physics.materials import Material, material

ELECTRON_REST_ENERGY_MEV: Final = 0.51099895
BETHE_CONSTANT_MEV_CM2_PER_MOL: Final = 0.15353745
"""2 pi r_e^2 m c^2 N_A, half of the constant usual for heavy particles (CODATA 2018)."""

LOWEST_MEV: Final = 0.001
HIGHEST_MEV: Final = 5.0


def collision_stopping_power_mev_cm2_per_g(
    substance: Material, energy_mev: ArrayLike, *, below_mev: float | None = None, positron: bool = False
) -> NDArray[np.float64]:
    r"""Mass collision stopping power, of all collisions or of those that transfer less than an energy.

    With tau the kinetic energy in electron rest energies, b = v/c, I the mean excitation energy, delta the density
    effect, D the greatest energy transfer in electron rest energies::

        S/rho = k Z/A / b^2 [ln(2 (tau + 2) / (I / m c^2)^2) + F(tau, D) - delta]

    with F of Moller scattering for electrons (at most half of the energy is transferred) and of Bhabha scattering for
    positrons. Without shell corrections: trustworthy from 10 keV, an extrapolation from there down to 1 keV.

    Parameters
    ----------
    substance : material; its nominal density enters the density effect
    energy_mev : kinetic energy, any shape, 0.001 to 5. [MeV]
    below_mev : greatest energy transfer; all collisions if None. [MeV]
    positron : whether the particle is one

    Returns
    -------
    (same shape) float64. [MeV cm2/g]

    Raises
    ------
    OutOfRangeError
        An energy outside this range.
    MissingDataError
        An element that is not tabulated.

    References
    ----------
    ICRU Report 37, 1984; Rohrlich, Carlson, Phys Rev 93, 38, 1954, doi:10.1103/PhysRev.93.38; Sternheimer et al., At
    Data Nucl Data Tables 30, 261, 1984, doi:10.1016/0092-640X(84)90002-0.
    """
    energy = _checked(energy_mev)
    electrons = electrons_of(substance)
    tau = energy / ELECTRON_REST_ENERGY_MEV
    most = tau if positron else 0.5 * tau
    transfer = most if below_mev is None else np.minimum(most, below_mev / ELECTRON_REST_ENERGY_MEV)
    return _restricted(electrons, tau, transfer, positron)


def restricted_by_each_mev_cm2_per_g(
    substance: Material, energy_mev: NDArray[np.float64], below_mev: NDArray[np.float64], *, positron: bool
) -> NDArray[np.float64]:
    """As ``collision_stopping_power_mev_cm2_per_g`` with a limit of its own for each energy."""
    tau = _checked(energy_mev) / ELECTRON_REST_ENERGY_MEV
    transfer = np.minimum(tau if positron else 0.5 * tau, below_mev / ELECTRON_REST_ENERGY_MEV)
    return _restricted(electrons_of(substance), tau, transfer, positron)


def collision_stopping_power_water_mev_cm2_per_g(energy_mev: ArrayLike) -> NDArray[np.float64]:
    """Mass collision stopping power of liquid water for electrons. [MeV cm2/g]"""
    return collision_stopping_power_mev_cm2_per_g(material("water"), energy_mev)


def csda_range_g_per_cm2(
    substance: Material, energy_mev: ArrayLike, *, positron: bool = False
) -> NDArray[np.float64]:
    """Mean path length until an electron stops, by collisions and bremsstrahlung.

    The integral of the inverse stopping power from 1 keV on; the little path below 1 keV (6e-6 g/cm2 in water) is
    added as for a stopping power that falls with the root of the energy.

    Parameters
    ----------
    substance : material
    energy_mev : kinetic energy, any shape, 0.001 to 5. [MeV]
    positron : whether the particle is one

    Returns
    -------
    (same shape) float64. [g/cm2]

    References
    ----------
    ICRU Report 37, 1984.
    """
    energy = _checked(energy_mev)
    key = tuple(sorted(substance.mass_fractions.items()))
    grid, length = _ranges(substance.name, substance.density_g_per_ml, key, positron)
    return np.exp(np.interp(np.log(energy), np.log(grid), np.log(length)))


def csda_range_water_g_per_cm2(energy_mev: ArrayLike) -> NDArray[np.float64]:
    """Mean path length of electrons in liquid water until they stop. [g/cm2]"""
    return csda_range_g_per_cm2(material("water"), energy_mev)


@lru_cache(maxsize=128)
def _ranges(
    name: str, density_g_per_ml: float, fractions: tuple[tuple[str, float], ...], positron: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    substance = Material(
        name=name, density_g_per_ml=density_g_per_ml, mass_fractions=dict(fractions), source="as asked"
    )
    grid = np.geomspace(LOWEST_MEV, HIGHEST_MEV, 1001)
    grid[[0, -1]] = LOWEST_MEV, HIGHEST_MEV
    power = collision_stopping_power_mev_cm2_per_g(substance, grid, positron=positron)
    per_log = grid / (power + radiative_stopping_power_mev_cm2_per_g(substance, grid, positron=positron))
    steps = 0.5 * (per_log[1:] + per_log[:-1]) * np.diff(np.log(grid))
    below = per_log[0] * 2.0 / 3.0
    return grid, below + np.concatenate([[0.0], np.cumsum(steps)])


def _restricted(
    electrons: Electrons, tau: NDArray[np.float64], transfer: NDArray[np.float64], positron: bool
) -> NDArray[np.float64]:
    beta2 = tau * (tau + 2.0) / (tau + 1.0) ** 2
    excitation = electrons.mean_excitation_ev * 1.0e-6 / ELECTRON_REST_ENERGY_MEV
    f = _bhabha(tau, transfer, beta2) if positron else _moller(tau, transfer, beta2)
    bracket = np.log(2.0 * (tau + 2.0)) - 2.0 * np.log(excitation) + f - electrons.density_effect(tau)
    power: NDArray[np.float64] = BETHE_CONSTANT_MEV_CM2_PER_MOL * electrons.z_over_a / beta2 * bracket
    return power


def _moller(tau: NDArray[np.float64], d: NDArray[np.float64], beta2: NDArray[np.float64]) -> NDArray[np.float64]:
    last = (0.5 * d * d + (2.0 * tau + 1.0) * np.log1p(-d / tau)) / (tau + 1.0) ** 2
    return np.asarray(-1.0 - beta2 + np.log(d * (tau - d)) + tau / (tau - d) + last)


def _bhabha(tau: NDArray[np.float64], d: NDArray[np.float64], beta2: NDArray[np.float64]) -> NDArray[np.float64]:
    y = 1.0 / (tau + 2.0)
    series = (
        tau + 2.0 * d - 1.5 * d**2 * y - (d - d**3 / 3.0) * y**2
        - (d**2 / 2.0 - tau * d**3 / 3.0 + d**4 / 4.0) * y**3
    )  # fmt: skip
    return np.asarray(np.log(tau * d) - beta2 / tau * series)


def _checked(energy_mev: ArrayLike) -> NDArray[np.float64]:
    energy = np.asarray(energy_mev, dtype=np.float64)
    if not np.all((energy >= LOWEST_MEV) & (energy <= HIGHEST_MEV)):
        raise OutOfRangeError(
            f"Electron energies from {np.min(energy):g} to {np.max(energy):g} MeV; stopping power and range are "
            f"known from {LOWEST_MEV} to {HIGHEST_MEV} MeV."
        )
    return energy
