"""Cumulative fraction of a particle's energy absorbed within a distance, one energy at a time.

Water comes from the tables that are shipped, other media are transported when they are first asked for.
"""

import csv
from functools import lru_cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.electrons.point import electron_absorbed_by_distance
from lutetia.dose.montecarlo.photons.point import absorbed_by_distance
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.physics.materials import material
from lutetia.physics.stopping import csda_range_g_per_cm2

Column = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Distances from 0, increasing, and the fraction absorbed within each."""

PHOTON_HISTORIES: Final = 100_000
"""For each energy in media other than water: 0.3 % of the fraction within one mean free path."""
ELECTRON_HISTORIES: Final = 20_000
"""The same of electrons: 0.2 % of the energy within any distance."""
SEED: Final = 20260303


@lru_cache(maxsize=2)
def _water_table(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Distances from 0 (n,), energies in MeV (m,), cumulative absorbed fraction (n, m).

    Less than 1e-5 of the energy gets beyond the last distance. Photons: each column is made to end at 1, which takes the
    Monte Carlo noise (up to 3e-4) out of the energy balance. Electrons: it ends where bremsstrahlung leaves off.
    """
    path = files("lutetia.dose") / "data" / name / "absorbed_fraction.csv"
    with path.open("r", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    energies = np.array([float(head.split()[0]) for head in rows[0][1:]])
    values = np.array(rows[1:], dtype=float)
    ends = values[-1, 1:] if "photon" in name else np.ones(energies.size)
    fractions = np.vstack([np.zeros(energies.size), values[:, 1:] / ends])
    return np.r_[0.0, values[:, 0]], energies, fractions


def interaction_cm2_per_g(energy_mev: float, medium: str) -> float:
    """Mass attenuation without coherent scattering, which is not followed. [cm2/g]"""
    of = material(medium)
    coherent = mass_attenuation_cm2_per_g(of, energy_mev, process="coherent")
    return float(mass_attenuation_cm2_per_g(of, energy_mev) - coherent)


@lru_cache(maxsize=256)
def _photon_column(j: int, medium: str) -> NDArray[np.float64]:
    distances, energies, table = _water_table("water_photon_kernel")
    if medium == "water":
        return table[:, j]
    energy = float(energies[j])
    edges = distances / interaction_cm2_per_g(energy, medium)
    fraction, _ = absorbed_by_distance(
        material=material(medium), energy_mev=energy, edges_cm=edges, n_histories=PHOTON_HISTORIES, seed=SEED
    )
    cumulative = np.r_[0.0, np.cumsum(fraction)]
    return np.asarray(cumulative / cumulative[-1])


def _between(energies: NDArray[np.float64], energy_mev: float) -> tuple[int, float]:
    """Column below an energy and the share of the next one, linear in the logarithm; the nearest column outside."""
    j = int(np.clip(np.searchsorted(energies, energy_mev) - 1, 0, energies.size - 2))
    t = float(np.clip(np.log(energy_mev / energies[j]) / np.log(energies[j + 1] / energies[j]), 0, 1))
    return j, t


def photon_column(energy_mev: float, medium: str) -> Column:
    """Distances in mean free paths and cumulative fraction for photons of one energy."""
    distances, energies, _ = _water_table("water_photon_kernel")
    j, t = _between(energies, energy_mev)
    low = _photon_column(j, medium) if t < 1 else 0.0
    high = _photon_column(j + 1, medium) if t > 0 else 0.0
    return distances, np.asarray((1 - t) * low + t * high)


def electron_range_g_per_cm2(energy_mev: float, medium: str) -> float:
    """Range of electrons by continuous slowing down. [g/cm2]"""
    return float(csda_range_g_per_cm2(material(medium), energy_mev))


@lru_cache(maxsize=256)
def _electron_column(j: int, medium: str) -> NDArray[np.float64]:
    distances, energies, table = _water_table("water_electron_kernel")
    if medium == "water":
        return table[:, j]
    fraction, _, radiated = electron_absorbed_by_distance(
        material=material(medium),
        energy_mev=float(energies[j]),
        edges=distances,
        n_histories=ELECTRON_HISTORIES,
        seed=SEED,
    )
    cumulative = np.r_[0.0, np.cumsum(fraction)]
    return np.asarray(cumulative / cumulative[-1] * (1 - radiated))


def electron_column(energy_mev: float, medium: str) -> Column:
    """Distances in ranges and cumulative fraction for electrons of one energy; what is missing to 1 is bremsstrahlung."""
    distances, energies, _ = _water_table("water_electron_kernel")
    j, t = _between(energies, energy_mev)
    low = _electron_column(j, medium) if t < 1 else 0.0
    high = _electron_column(j + 1, medium) if t > 0 else 0.0
    return distances, np.asarray((1 - t) * low + t * high)
