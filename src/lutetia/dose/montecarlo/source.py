"""Where histories start: voxels drawn in strata of equal activity, energies by alias table."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lutetia.errors import GridError, InputError
from lutetia.physics.emissions import Emissions, Lines
from lutetia.physics.transport import advanced, uniform

N_BETA = 400
"""Parts of equal width that a beta spectrum is cut into; the energy is drawn evenly within its part."""

SourceArrays = tuple[
    NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64],
    NDArray[np.float64], NDArray[np.int64],
]  # fmt: skip
"""Voxels, their cumulative share, guide; lowest energies, widths, thresholds and aliases of the spectrum's parts."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spectrum:
    """Energies of emitted particles: parts of some width, or lines of none.

    Attributes
    ----------
    low_mev, width_mev : (n,) edges of the parts. [MeV]
    yield_per_decay : (n,) particles per decay
    """

    low_mev: NDArray[np.float64]
    width_mev: NDArray[np.float64]
    yield_per_decay: NDArray[np.float64]

    @staticmethod
    def of_lines(lines: Lines) -> "Spectrum":
        """Discrete energies."""
        return Spectrum(
            low_mev=np.asarray(lines.energy_mev, float),
            width_mev=np.zeros(lines.energy_mev.size),
            yield_per_decay=np.asarray(lines.yield_per_decay, float),
        )

    @property
    def total_yield(self) -> float:
        """Particles per decay."""
        return float(self.yield_per_decay.sum())

    @property
    def mean_energy_per_decay_mev(self) -> float:
        """Energy of the particles of a decay. [MeV]"""
        return float(self.yield_per_decay @ (self.low_mev + self.width_mev / 2))

    @property
    def highest_mev(self) -> float:
        """The highest energy. [MeV]"""
        return float((self.low_mev + self.width_mev).max(initial=0.0))

    def above(self, energy_mev: float) -> "Spectrum":
        """Only the parts that begin at this energy or above. [MeV]"""
        keep = self.low_mev >= energy_mev
        return Spectrum(
            low_mev=self.low_mev[keep],
            width_mev=self.width_mev[keep],
            yield_per_decay=self.yield_per_decay[keep],
        )


def electron_spectrum(found: Emissions) -> Spectrum:
    """Conversion and Auger electrons and beta particles of both signs, carrying exactly the tabulated energy."""
    lines = Spectrum.of_lines(found.discrete_electrons)
    spectrum = found.beta_spectrum
    if spectrum.energy_mev.size < 2 or found.beta_energy_mev <= 0.0:
        return lines
    edges = np.linspace(0.0, float(spectrum.energy_mev[-1]), N_BETA + 1)
    low, width = edges[:-1], np.diff(edges)
    weight = np.interp(low + width / 2, spectrum.energy_mev, spectrum.per_mev_per_decay) * width
    weight *= found.beta_energy_mev / float(weight @ (low + width / 2))
    return Spectrum(
        low_mev=np.r_[lines.low_mev, low],
        width_mev=np.r_[lines.width_mev, width],
        yield_per_decay=np.r_[lines.yield_per_decay, weight],
    )


def source_arrays(strength: NDArray[Any], shape: tuple[int, ...], spectrum: Spectrum) -> SourceArrays:
    """Arrays from which histories are started.

    Parameters
    ----------
    strength : (z, y, x) proportional to the decays in each voxel, 0 or more
    shape : of the scene
    spectrum : of the particles

    Raises
    ------
    GridError
        Strength on another grid than the scene.
    InputError
        Strength negative, not finite or zero everywhere; a spectrum without particles.
    """
    require_strength(strength, shape)
    if not spectrum.total_yield > 0.0:
        raise InputError("There are no particles to follow: the spectrum is empty.")
    flat = np.asarray(strength).ravel()
    voxels = np.flatnonzero(flat)
    cumulative = np.cumsum(flat[voxels], dtype=np.float64)
    cumulative /= cumulative[-1]
    guide = np.searchsorted(cumulative, np.arange(voxels.size) / voxels.size, side="right")
    threshold, alias = alias_table(spectrum.yield_per_decay)
    return (
        voxels, cumulative, np.minimum(guide, voxels.size - 1).astype(np.int64),
        np.ascontiguousarray(spectrum.low_mev, float), np.ascontiguousarray(spectrum.width_mev, float), threshold, alias,
    )  # fmt: skip


def require_strength(strength: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse a source of another shape, or one that is not finite, negative or zero everywhere."""
    if strength.shape != tuple(shape):
        raise GridError(f"The source has shape {strength.shape}, the scene {tuple(shape)}.")
    if not np.all(np.isfinite(strength)):
        raise InputError(f"The source is not finite in {np.count_nonzero(~np.isfinite(strength))} voxels.")
    if float(strength.min(initial=0.0)) < 0.0:
        raise InputError(
            f"The source is negative in {np.count_nonzero(strength < 0)} voxels; expected 0 or more everywhere."
        )
    if not np.any(strength):
        raise InputError("There is no activity, so there is no dose to compute.")


def alias_table(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Thresholds and aliases, with which one random number draws from any discrete distribution.

    References
    ----------
    Walker AJ. An efficient method for generating discrete random variables with general distributions. ACM Trans Math
    Softw 3 (1977) 253-256, doi:10.1145/355744.355749.
    """
    n = weights.size
    scaled = weights / weights.sum() * n
    threshold, alias = np.ones(n), np.arange(n)
    small = [i for i in range(n) if scaled[i] < 1.0]
    large = [i for i in range(n) if scaled[i] >= 1.0]
    while small and large:
        less, more = small.pop(), large[-1]
        threshold[less], alias[less] = scaled[less], more
        scaled[more] -= 1.0 - scaled[less]
        if scaled[more] < 1.0:
            small.append(large.pop())
    return threshold, alias


@njit(cache=True)
def start_voxel(stratum, voxels, cumulative, guide):
    """Voxel at a place in [0, 1) of the cumulative activity."""
    i = guide[min(int(stratum * voxels.size), voxels.size - 1)]
    while i < voxels.size - 1 and cumulative[i] <= stratum:
        i += 1
    return voxels[i]


@njit(cache=True)
def start_energy(low, width, threshold, alias, state):
    """Energy drawn from the spectrum, and the state."""
    state = advanced(state)
    place = uniform(state) * threshold.size
    part = min(int(place), threshold.size - 1)
    if place - part >= threshold[part]:
        part = alias[part]
    energy = low[part]
    if width[part] > 0.0:
        state = advanced(state)
        energy += width[part] * uniform(state)
    return energy, state


@njit(cache=True)
def start_place(voxel, shape, cell, state):
    """Place within a voxel, evenly drawn [cm], and the state."""
    ny, nx = shape[1], shape[2]
    state = advanced(state)
    x = (voxel % nx + uniform(state)) * cell[0]
    state = advanced(state)
    y = ((voxel // nx) % ny + uniform(state)) * cell[1]
    state = advanced(state)
    z = (voxel // (nx * ny) + uniform(state)) * cell[2]
    return x, y, z, state
