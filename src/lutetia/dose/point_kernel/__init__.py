"""Energy of photons, electrons and alpha particles absorbed around a point, for any energy and nuclide.

Media are named as in ``lutetia.physics.materials`` and have unit density here: distances in g/cm2 are lengths in cm at
1 g/mL.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.energies import TRAVELLING_MEV, decay_energy
from lutetia.dose.point_kernel.columns import (
    electron_column,
    electron_range_g_per_cm2,
    interaction_cm2_per_g,
    photon_column,
)
from lutetia.physics.alpha_stopping import alpha_ranges
from lutetia.physics.emissions import Emissions, emissions
from lutetia.physics.materials import material

LONGEST_CM: Final = 150.0
N_RADII: Final = 1200
N_BETA: Final = 200
LEAST_ELECTRON_MEV: Final = 0.002
FARTHEST_RANGES: Final = 1.25
"""Electrons that lose less than the mean get beyond their range by continuous slowing down."""
LEAST_PHOTON_MEV: Final = 0.001
LONGEST_SOFT_CM: Final = 10.0
"""Twenty mean free paths in water of a photon of 10 keV, and more."""

Cumulative = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Radii from 0 [cm at unit density] and the energy absorbed within each [MeV], both read-only."""


def absorbed_fraction_within(
    energy_mev: float, radius_cm: NDArray[np.float64], medium: str = "water"
) -> NDArray[np.float64]:
    """Fraction of a photon's energy absorbed within distances from its source in a medium of unit density.

    Interpolated in the logarithm of the energy at equal numbers of mean free paths.
    """
    mu = interaction_cm2_per_g(energy_mev, medium)
    return np.interp(mu * np.asarray(radius_cm), *photon_column(energy_mev, medium))


def electron_absorbed_fraction_within(
    energy_mev: float, radius_cm: NDArray[np.float64], medium: str = "water"
) -> NDArray[np.float64]:
    """Fraction of an electron's energy absorbed within distances from its source in a medium of unit density.

    Without that of its bremsstrahlung, which leaves (0.04 % at 0.1 MeV, 0.4 % at 1 MeV in water).

    Interpolated in the logarithm of the energy at equal shares of the range; below 10 keV, where ranges are under
    3 um, as at 10 keV.
    """
    reach = electron_range_g_per_cm2(energy_mev, medium)
    return np.interp(np.asarray(radius_cm) / reach, *electron_column(energy_mev, medium))


def alpha_absorbed_fraction_within(
    energy_mev: float, radius_cm: NDArray[np.float64], medium: str = "water"
) -> NDArray[np.float64]:
    """Fraction of an alpha particle's energy absorbed within distances from its source in a medium of unit density.

    A straight track that slows down continuously. Straggling of the range (about 1 %) and delta rays (under 0.2 um for
    alphas of 9 MeV, a few of them longer) are left out.

    Raises
    ------
    OutOfRangeError
        Above 10 MeV, the end of the stopping-power tables.
    """
    energy, reach = alpha_ranges(material(medium))
    left = np.interp(energy_mev, energy, reach) - np.asarray(radius_cm)
    # the last nanometres below the tables count as reached: 1e-4 of an alpha's energy
    remaining = np.where(
        left > reach[0], np.interp(left, reach, energy), energy[0] * np.maximum(left, 0) / reach[0]
    )
    return np.asarray(1 - remaining / energy_mev)


@lru_cache(maxsize=64)
def nuclide_energy_within(nuclide: str, medium: str = "water") -> Cumulative:
    """Photon energy of a decay absorbed within a radius: radii [cm], cumulative energy [MeV].

    Photons below 10 keV are not among them.
    """
    radii = np.r_[0.0, np.geomspace(1e-3, LONGEST_CM, N_RADII)]
    lines = decay_energy(nuclide).photons
    total = np.zeros_like(radii)
    for energy, probability in zip(lines.energy_mev, lines.yield_per_decay, strict=True):
        total += energy * probability * absorbed_fraction_within(float(energy), radii, medium)
    return _frozen(radii, total)


@lru_cache(maxsize=64)
def soft_photon_energy_within(nuclide: str, medium: str = "water") -> Cumulative:
    """Energy of photons below 10 keV absorbed within a radius: radii [cm], cumulative energy [MeV].

    They are absorbed where they first interact; those below 1 keV, whose way is under 3 um, where they are emitted.
    """
    lines = emissions(nuclide).photons
    soft = lines.energy_mev < TRAVELLING_MEV
    radii = np.r_[0.0, np.geomspace(1e-4, LONGEST_SOFT_CM, N_RADII)]
    total = np.zeros_like(radii)
    for energy, probability in zip(lines.energy_mev[soft], lines.yield_per_decay[soft], strict=True):
        known = energy >= LEAST_PHOTON_MEV
        mu = interaction_cm2_per_g(float(energy), medium) if known else np.inf
        within = np.where(radii > 0, -np.expm1(-mu * np.maximum(radii, 1e-12)), 0.0 if known else 1.0)
        total += energy * probability * within
    return _frozen(radii, total)


@lru_cache(maxsize=64)
def nuclide_electron_energy_within(nuclide: str, medium: str = "water") -> Cumulative:
    """Electron energy of a decay absorbed within a radius: radii [cm], cumulative energy [MeV].

    Beta, conversion and Auger electrons; those below 2 keV (range under 0.2 um) stay at the point.
    """
    found = emissions(nuclide)
    energy, probability = electron_spectrum(found)
    travelling = energy > LEAST_ELECTRON_MEV
    farthest = electron_range_g_per_cm2(max(float(energy.max(initial=0.0)), LEAST_ELECTRON_MEV), medium)
    radii = np.r_[0.0, np.geomspace(1e-6, FARTHEST_RANGES * farthest, N_RADII)]
    total = np.full(radii.size, float(energy[~travelling] @ probability[~travelling]))
    for e, p in zip(energy[travelling], probability[travelling], strict=True):
        total += e * p * electron_absorbed_fraction_within(float(e), radii, medium)
    return _frozen(radii, total)


@lru_cache(maxsize=64)
def nuclide_alpha_energy_within(nuclide: str, medium: str = "water") -> Cumulative:
    """Alpha energy of a decay absorbed within a radius: radii [cm], cumulative energy [MeV]; recoil is not included."""
    lines = emissions(nuclide).alpha
    energy, reach = alpha_ranges(material(medium))
    farthest = float(np.interp(lines.energy_mev.max(initial=energy[0]), energy, reach))
    # even steps: a track spends its energy all along, most of it near the end
    radii = np.linspace(0.0, farthest, N_RADII)
    total = np.zeros_like(radii)
    for e, p in zip(lines.energy_mev, lines.yield_per_decay, strict=True):
        total += e * p * alpha_absorbed_fraction_within(float(e), radii, medium)
    return _frozen(radii, total)


def nuclide_charged_energy_within(nuclide: str, medium: str = "water") -> Cumulative:
    """Energy of electrons and alphas of a decay absorbed within a radius: radii [cm], cumulative energy [MeV]."""
    radii, energy = nuclide_electron_energy_within(nuclide, medium)
    if emissions(nuclide).alpha_energy_mev == 0:
        return radii, energy
    alpha_radii, alpha_energy = nuclide_alpha_energy_within(nuclide, medium)
    every = np.unique(np.r_[radii, alpha_radii])
    return _frozen(every, np.interp(every, radii, energy) + np.interp(every, alpha_radii, alpha_energy))


def _frozen(radii: NDArray[np.float64], total: NDArray[np.float64]) -> Cumulative:
    for array in (radii, total):
        array.setflags(write=False)
    return radii, total


def electron_spectrum(found: Emissions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
