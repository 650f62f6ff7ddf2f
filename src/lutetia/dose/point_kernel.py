"""Energy of photons and of electrons absorbed around a point in water, for any energy and nuclide."""

import csv
from functools import lru_cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.energies import decay_energy
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.physics.emissions import Emissions, emissions
from lutetia.physics.materials import material
from lutetia.physics.stopping import csda_range_water_g_per_cm2

LONGEST_CM: Final = 150.0
N_RADII: Final = 1200
N_BETA: Final = 200
LEAST_ELECTRON_MEV: Final = 0.002
PHOTONS: Final = "water_photon_kernel"


@lru_cache(maxsize=2)
def _table(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Distances from 0 (n,), energies in MeV (m,), cumulative absorbed fraction (n, m).

    Less than 1e-5 of the energy gets beyond the last distance. A column of photons is made to end at 1, which takes the
    Monte Carlo noise (up to 3e-4) out of the energy balance; one of electrons ends at 1 less what they radiate.
    """
    path = files("lutetia.dose") / "data" / name / "absorbed_fraction.csv"
    with path.open("r", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    energies = np.array([float(head.split()[0]) for head in rows[0][1:]])
    values = np.array(rows[1:], dtype=float)
    whole = values[-1, 1:] if name == PHOTONS else 1.0
    fractions = np.vstack([np.zeros(energies.size), values[:, 1:] / whole])
    return np.r_[0.0, values[:, 0]], energies, fractions


def _column(name: str, energy_mev: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances and cumulative fraction at one energy, linear in its logarithm; the nearest column outside."""
    distances, energies, table = _table(name)
    j = int(np.clip(np.searchsorted(energies, energy_mev) - 1, 0, energies.size - 2))
    t = float(np.clip(np.log(energy_mev / energies[j]) / np.log(energies[j + 1] / energies[j]), 0, 1))
    return distances, table[:, j] * (1 - t) + table[:, j + 1] * t


def absorbed_fraction_within(energy_mev: float, radius_cm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fraction of a photon's energy absorbed within distances from its source in water of unit density.

    Interpolated in the logarithm of the energy at equal numbers of mean free paths.
    """
    water = material("water")
    mu = float(
        mass_attenuation_cm2_per_g(water, energy_mev)
        - mass_attenuation_cm2_per_g(water, energy_mev, process="coherent")
    )
    return np.interp(mu * np.asarray(radius_cm), *_column(PHOTONS, energy_mev))


def electron_absorbed_fraction_within(energy_mev: float, radius_cm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fraction of an electron's energy absorbed within distances from its source in water of unit density.

    Interpolated in the logarithm of the energy at equal shares of the range; below 10 keV, where ranges are under
    3 um, as at 10 keV. What is radiated as bremsstrahlung (0.06 % at 0.1 MeV, 0.7 % at 2 MeV) is not absorbed.
    """
    reach = float(csda_range_water_g_per_cm2(energy_mev))
    return np.interp(np.asarray(radius_cm) / reach, *_column("water_electron_kernel", energy_mev))


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


@lru_cache(maxsize=32)
def nuclide_electron_energy_within(nuclide: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Electron energy of a decay absorbed within a radius in water: radii [cm], cumulative energy [MeV].

    Beta, conversion and Auger electrons; those below 2 keV (range under 0.2 um) stay at the point. Bremsstrahlung is
    not in it: the whole is the emitted energy less what is radiated (0.5 % of the energy of 90Y).
    """
    found = emissions(nuclide)
    energy, probability = _electron_spectrum(found)
    travelling = energy > LEAST_ELECTRON_MEV
    farthest = csda_range_water_g_per_cm2(max(float(energy.max(initial=0.0)), LEAST_ELECTRON_MEV))
    radii = np.r_[0.0, np.geomspace(1e-6, 1.2 * float(farthest), N_RADII)]
    total = np.full(radii.size, float(energy[~travelling] @ probability[~travelling]))
    for e, p in zip(energy[travelling], probability[travelling], strict=True):
        total += e * p * electron_absorbed_fraction_within(float(e), radii)
    for array in (radii, total):
        array.setflags(write=False)
    return radii, total


def _electron_spectrum(found: Emissions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies [MeV] and yields per decay of all electrons, the beta spectrum in 200 parts.

    Scaled so that the parts carry exactly the tabulated energy.
    """
    spectrum, lines = found.beta_spectrum, found.discrete_electrons
    energy, probability = lines.energy_mev, lines.yield_per_decay
    if spectrum.energy_mev.size > 1:
        grid = np.linspace(0, spectrum.energy_mev[-1], N_BETA + 1)
        middle = (grid[1:] + grid[:-1]) / 2
        weight = np.interp(middle, spectrum.energy_mev, spectrum.per_mev_per_decay) * np.diff(grid)
        weight *= found.beta_energy_mev / float(middle @ weight)
        energy, probability = np.r_[energy, middle], np.r_[probability, weight]
    return energy, probability
