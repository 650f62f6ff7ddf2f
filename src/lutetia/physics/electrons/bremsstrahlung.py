"""Bremsstrahlung: the scaled cross sections of Seltzer and Berger, and what they add up to."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lutetia.physics.electrons.excitation import atoms
from lutetia.physics.materials import Material
from lutetia.physics.tables import read_table

ELECTRON_REST_ENERGY_MEV: Final = 0.51099895
AVOGADRO_CM2_PER_MILLIBARN: Final = 6.02214076e-4
"""Avogadro's number times a millibarn. [cm2/mol]"""


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Energies [MeV], photon energies k/T, and per element (energies, photon energies) in mb."""
    rows = read_table("seltzer_berger_1986", "scaled.csv")
    kappa = [name for name in rows[0] if name not in ("symbol", "energy_mev")]
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        found.setdefault(row["symbol"], []).append([float(row[name]) for name in kappa])
    energies = np.array([float(row["energy_mev"]) for row in rows if row["symbol"] == "H"])
    return energies, np.array([float(k) for k in kappa]), {s: np.array(v) for s, v in found.items()}


def photon_shares() -> NDArray[np.float64]:
    """Photon energies in shares of the electron's, at which the spectra are tabulated."""
    return _tables()[1]


def scaled_spectrum_cm2_per_g(
    material: Material, energy_mev: ArrayLike, *, positron: bool = False
) -> NDArray[np.float64]:
    r"""Number spectrum of the photons per log photon energy, k dn/dk, per mass thickness.

    :math:`k\,\frac{d\Sigma}{dk} = \sum_Z \frac{N_A w_Z}{A_Z} \frac{Z^2}{\beta^2}\chi_Z(T, k/T)`, linear in log energy
    between the tabulated ones; positrons by the ratio of Kim et al. as fitted by Salvat.

    Parameters
    ----------
    material : composition
    energy_mev : (n,) electron energies. [MeV]
    positron : whether the particle is one

    Returns
    -------
    (n, m) at the m ``photon_shares()``. [cm2/g]

    References
    ----------
    Seltzer, Berger, At Data Nucl Data Tables 35, 345, 1986, doi:10.1016/0092-640X(86)90014-8; Kim, Pratt, Seltzer,
    Berger, Phys Rev A 33, 3002, 1986, doi:10.1103/PhysRevA.33.3002.
    """
    energy = np.atleast_1d(np.asarray(energy_mev, dtype=np.float64))
    grid, shares, elements = _tables()
    tau = energy / ELECTRON_REST_ENERGY_MEV
    beta2 = tau * (tau + 2.0) / (tau + 1.0) ** 2
    total = np.zeros((energy.size, shares.size))
    for symbol, fraction in material.mass_fractions.items():
        z, weight = atoms()[symbol]
        table = elements[symbol]
        chi = np.stack([np.interp(np.log(energy), np.log(grid), column) for column in table.T], axis=1)
        ratio = _positron_ratio(tau, z) if positron else np.ones_like(tau)
        total += AVOGADRO_CM2_PER_MILLIBARN * fraction / weight * z**2 * chi * (ratio / beta2)[:, None]
    return total


def radiative_stopping_power_mev_cm2_per_g(
    material: Material, energy_mev: ArrayLike, *, below_mev: float | None = None, positron: bool = False
) -> NDArray[np.float64]:
    """Mean energy radiated per mass thickness, in all photons or in those below an energy. [MeV cm2/g]"""
    energy = np.atleast_1d(np.asarray(energy_mev, dtype=np.float64))
    spectrum = scaled_spectrum_cm2_per_g(material, energy, positron=positron)
    fine = np.linspace(0.0, 1.0, 401)
    dense = np.stack([np.interp(fine, photon_shares(), row) for row in spectrum])
    cumulative = np.concatenate(
        [np.zeros((energy.size, 1)), np.cumsum(0.5 * (dense[:, 1:] + dense[:, :-1]), axis=1) / 400.0], axis=1
    )
    upto = np.ones_like(energy) if below_mev is None else np.minimum(below_mev / energy, 1.0)
    shares = np.array([np.interp(u, fine, row) for u, row in zip(upto, cumulative, strict=True)])
    return np.asarray(energy * shares).reshape(np.shape(energy_mev))


def photons_above_cm2_per_g(
    material: Material, energy_mev: NDArray[np.float64], least_mev: float, *, positron: bool = False
) -> NDArray[np.float64]:
    """Photons above an energy per mass thickness; 0 where the electron has less. (n,) [cm2/g]"""
    spectrum = scaled_spectrum_cm2_per_g(material, energy_mev, positron=positron)
    total = np.zeros(energy_mev.size)
    for i, energy in enumerate(energy_mev):
        if energy > least_mev:
            log_share = np.linspace(np.log(least_mev / energy), 0.0, 200)
            total[i] = np.trapezoid(np.interp(np.exp(log_share), photon_shares(), spectrum[i]), log_share)
    return total


def _positron_ratio(tau: NDArray[np.float64], z: int) -> NDArray[np.float64]:
    t = np.log1p(1.0e6 * tau / z**2)
    powers = (-1.2359e-1, 6.1274e-2, -3.1516e-2, 7.7446e-3, -1.0595e-3, 7.0568e-5, -1.8080e-6)
    return 1.0 - np.exp(sum(c * t ** (n + 1) for n, c in enumerate(powers)))
