"""Charged particles in spongiosa: which share of their energy reaches the active marrow that emits them.

Cavities and fat cells of spongiosa are far below the size of a voxel, so that this share comes from published models of
its micro-structure.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.emissions import Emissions, emissions

BETA_POINTS: Final = 4000
"""Energies at which a beta spectrum is folded; twice as many change the energy by less than 1e-5."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MarrowSite:
    """A bone's active marrow.

    Attributes
    ----------
    name : of the bone
    mass_g : of its active marrow. [g]
    cellularity : share of the marrow that is active
    """

    name: str
    mass_g: float
    cellularity: float


@lru_cache(maxsize=1)
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Energies [MeV], cellularities (increasing), fractions (energy, cellularity)."""
    path = files("lutetia.dose") / "data" / "marrow_absorbed_fractions" / "electrons.csv"
    with path.open("r", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file))
    values = np.array(rows, dtype=np.float64)
    cellularity = np.array(head[1:], dtype=np.float64)
    order = np.argsort(cellularity)
    return values[:, 0], cellularity[order], np.minimum(values[:, 1:][:, order], 1.0)


def marrow_electron_fraction(energy_mev: NDArray[np.float64], sites: Sequence[MarrowSite]) -> NDArray[np.float64]:
    r"""Share of an electron's energy absorbed in the active marrow of the bone that emits it, mean over bones.

    :math:`\bar\phi(E) = \sum_s m_s \phi(E, c_s) / \sum_s m_s` with the fractions of lumbar vertebrae at the cellularity
    :math:`c_s` of each site; interpolated linearly in cellularity and in log energy, 1 below 1 keV.

    Parameters
    ----------
    energy_mev : any shape. [MeV]
    sites : bones with their active marrow

    Raises
    ------
    OutOfRangeError
        Cellularity outside 0.1 to 1, or an energy above 10 MeV.

    References
    ----------
    Hough et al., Phys Med Biol 56 (2011) 2309, doi:10.1088/0031-9155/56/8/001. We apply its lumbar vertebrae to all sites,
    which gives 0.550 for 177Lu in place of the 0.547 of all its tables (male).
    """
    energy, cellularity, fraction = _table()
    total = sum(site.mass_g for site in sites)
    if total <= 0.0:
        raise InputError("No active marrow: the sites' masses sum to 0.")
    mean = np.zeros(energy.size)
    for site in sites:
        if not cellularity[0] <= site.cellularity <= cellularity[-1]:
            raise OutOfRangeError(
                f"Cellularity {site.cellularity:g} of {site.name}; expected {cellularity[0]:g} to {cellularity[-1]:g}."
            )
        mean += site.mass_g / total * np.array([np.interp(site.cellularity, cellularity, row) for row in fraction])
    asked = np.asarray(energy_mev, dtype=np.float64)
    if np.any(asked > energy[-1]):
        raise OutOfRangeError(f"Electrons of {asked.max():g} MeV; the fractions end at {energy[-1]:g} MeV.")
    found: NDArray[np.float64] = np.interp(np.log(np.maximum(asked, energy[0])), np.log(energy), mean)
    return found


def marrow_charged_energy_mev(nuclide: str, sites: Sequence[MarrowSite]) -> float:
    """Energy of a decay in active marrow that charged particles leave in active marrow. [MeV]

    Electrons by ``marrow_electron_fraction``, beta spectra by their shape; alphas and recoil wholly, as in OLINDA/EXM 2,
    which is the most it can be: of electrons with the range of a 5.8 MeV alpha about a fifth leaves the active marrow for
    fat cells and bone.
    """
    found = emissions(nuclide)
    lines = found.discrete_electrons
    weight = lines.energy_mev * lines.yield_per_decay
    electrons = float(weight @ marrow_electron_fraction(lines.energy_mev, sites)) if weight.size else 0.0
    energy, per_mev = fine_beta_spectrum(found)
    if energy.size:
        fraction = marrow_electron_fraction(energy, sites)
        electrons += float(np.trapezoid(energy * per_mev * fraction, energy))
    return electrons + found.alpha_energy_mev + found.recoil_energy_mev


def fine_beta_spectrum(found: Emissions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Beta spectrum on even, fine energies, scaled to the energy of the branches: energies [MeV], [1/MeV]."""
    spectrum = found.beta_spectrum
    if spectrum.energy_mev.size == 0 or found.beta_energy_mev <= 0.0:
        return np.zeros(0), np.zeros(0)
    energy = np.linspace(0.0, spectrum.energy_mev[-1], BETA_POINTS)
    per_mev = np.interp(energy, spectrum.energy_mev, spectrum.per_mev_per_decay)
    scale = found.beta_energy_mev / float(np.trapezoid(energy * per_mev, energy))
    return energy, per_mev * scale
