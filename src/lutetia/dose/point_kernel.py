"""Photon energy absorbed around a point in water, for any energy and nuclide."""

import csv
from functools import lru_cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.energies import decay_energy
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.physics.materials import material

LONGEST_CM: Final = 150.0
N_RADII: Final = 1200


@lru_cache(maxsize=1)
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean free paths (n,), energies in MeV (m,), cumulative absorbed fraction (n, m).

    Less than 1e-5 of the energy gets beyond the last distance, so each column is made to end at 1, which takes the
    Monte Carlo noise (up to 3e-4) out of the energy balance.
    """
    path = files("lutetia.dose") / "data" / "water_photon_kernel" / "absorbed_fraction.csv"
    with path.open("r", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    energies = np.array([float(head.split()[0]) for head in rows[0][1:]])
    values = np.array(rows[1:], dtype=float)
    return values[:, 0], energies, values[:, 1:] / values[-1, 1:]


def absorbed_fraction_within(energy_mev: float, radius_cm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fraction of a photon's energy absorbed within distances from its source in water of unit density.

    Interpolated in the logarithm of the energy at equal numbers of mean free paths.
    """
    paths, energies, table = _table()
    water = material("water")
    mu = float(
        mass_attenuation_cm2_per_g(water, energy_mev)
        - mass_attenuation_cm2_per_g(water, energy_mev, process="coherent")
    )
    j = int(np.clip(np.searchsorted(energies, energy_mev) - 1, 0, energies.size - 2))
    t = float(np.clip(np.log(energy_mev / energies[j]) / np.log(energies[j + 1] / energies[j]), 0, 1))
    column = table[:, j] * (1 - t) + table[:, j + 1] * t
    return np.interp(mu * np.asarray(radius_cm), np.r_[0.0, paths], np.r_[0.0, column])


@lru_cache(maxsize=32)
def nuclide_energy_within(nuclide: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Photon energy of a decay absorbed within a radius in water: radii [cm], cumulative energy [MeV]."""
    radii = np.r_[0.0, np.geomspace(1e-3, LONGEST_CM, N_RADII)]
    lines = decay_energy(nuclide).photons
    total = np.zeros_like(radii)
    for energy, probability in zip(lines.energy_mev, lines.yield_per_decay, strict=True):
        total += energy * probability * absorbed_fraction_within(float(energy), radii)
    for array in (radii, total):
        array.setflags(write=False)
    return radii, total
