"""Photon transport in a voxel volume: Woodcock tracking, energy scored at every tentative collision.

Kerma approximation: the energy that a photon gives to electrons is absorbed where it is given (a Compton electron of
208 keV photons travels less than 0.4 mm in tissue).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lutetia.dose.montecarlo.tables import CUTOFF_MEV, photon_tables
from lutetia.errors import GridError, InputError
from lutetia.images.volume import Volume, require_same_grid
from lutetia.physics.emissions import Lines, emissions
from lutetia.physics.materials import Material
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, compton, isotropic, seeded, turned, uniform
from lutetia.units import CM_PER_MM, GY_PER_MEV_PER_G

N_BATCHES: Final = 10
FIXED_POINT: Final = float(2**34)
"""Tallies are integers of 2^-34 MeV: sums do not depend on their order, and 5e8 MeV fit in a voxel."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PhotonDose:
    """Photon part of the absorbed dose.

    Attributes
    ----------
    dose : mean of the batches. [Gy]
    batches : (n_batches, z, y, x) each batch as if it were all. [Gy]
    emitted_mev, absorbed_mev, escaped_mev : per history on average; absorbed and escaped make up the emitted energy
        but for statistics and the spread of the source lines as sampled
    n_histories, seed : as run
    """

    dose: Volume
    batches: NDArray[np.float32]
    emitted_mev: float
    absorbed_mev: float
    escaped_mev: float
    n_histories: int
    seed: int

    def region(self, mass_weights_g: NDArray[np.floating]) -> tuple[float, float]:
        """Mean dose of a region (voxel masses as weights) and its standard uncertainty from the batches. [Gy]"""
        weights = np.asarray(mass_weights_g, dtype=np.float64)
        means = np.array([np.vdot(weights, batch) for batch in self.batches]) / weights.sum()
        return float(means.mean()), float(means.std(ddof=1) / math.sqrt(means.size))


@njit(cache=True)
def _bin(energy, log_least, log_step, n):
    """Lower table index and weight of the upper one."""
    x = (math.log(energy) - log_least) / log_step
    i = min(max(int(x), 0), n - 2)
    return i, min(max(x - i, 0.0), 1.0)


@njit(cache=True)
def _walk(start, energy, state, tally, density, material, tables, majorant, log_least, log_step, cell, carry):
    """Follow one photon until it is absorbed or leaves.

    ``carry`` holds the place and number of annihilation photons still to follow, and last the energy that left.
    """
    interaction, absorption, photo, pair = tables
    nz, ny, nx = density.shape
    n = interaction.shape[1]
    x, y, z = start[0], start[1], start[2]
    u, v, w, state = isotropic(state)
    while True:
        i, f = _bin(energy, log_least, log_step, n)
        most = majorant[i] * (1 - f) + majorant[i + 1] * f
        state = advanced(state)
        step = -math.log(1.0 - uniform(state)) / most
        x, y, z = x + u * step, y + v * step, z + w * step
        ix, iy, iz = math.floor(x / cell[0]), math.floor(y / cell[1]), math.floor(z / cell[2])
        if ix < 0 or iy < 0 or iz < 0 or ix >= nx or iy >= ny or iz >= nz:
            carry[4] += energy
            return state
        rho, m = density[iz, iy, ix], material[iz, iy, ix]
        gained = energy * rho * (absorption[m, i] * (1 - f) + absorption[m, i + 1] * f) / most
        tally[iz, iy, ix] += int(gained * FIXED_POINT)
        state = advanced(state)
        if uniform(state) * most > rho * (interaction[m, i] * (1 - f) + interaction[m, i + 1] * f):
            continue
        state = advanced(state)
        choice = uniform(state)
        absorbed = photo[m, i] * (1 - f) + photo[m, i + 1] * f
        if choice < absorbed:
            return state
        if choice < absorbed + pair[m, i] * (1 - f) + pair[m, i + 1] * f:
            carry[0], carry[1], carry[2], carry[3] = x, y, z, 2.0
            return state
        energy, cosine, state = compton(energy, state)
        if energy < CUTOFF_MEV:
            tally[iz, iy, ix] += int(energy * FIXED_POINT)
            return state
        u, v, w, state = turned(u, v, w, cosine, state)


@njit(cache=True, parallel=True)
def _transport(
    counts,
    source,
    cumulative,
    energies,
    line_cdf,
    density,
    material,
    tables,
    majorant,
    grid,
    seed,
    tallies,
    escaped,
):
    """All histories: batch b follows ``counts`` histories and scores into ``tallies[b]``."""
    log_least, log_step = grid[3], grid[4]
    _nz, ny, nx = density.shape
    for b in prange(tallies.shape[0]):
        cell, carry, start = grid[:3].copy(), np.zeros(5), np.zeros(3)
        for h in range(counts):
            history = b * counts + h
            state = seeded(seed, history)
            state = advanced(state)
            # strata of equal activity, one history in each, for a batch
            s = np.searchsorted(cumulative, (h + uniform(state)) / counts * cumulative[-1])
            voxel = source[min(s, source.size - 1)]
            state = advanced(state)
            energy = energies[min(np.searchsorted(line_cdf, uniform(state)), energies.size - 1)]
            ix, iy, iz = voxel % nx, (voxel // nx) % ny, voxel // (nx * ny)
            state = advanced(state)
            start[0] = (ix + uniform(state)) * cell[0]
            state = advanced(state)
            start[1] = (iy + uniform(state)) * cell[1]
            state = advanced(state)
            start[2] = (iz + uniform(state)) * cell[2]
            carry[3] = 0.0
            state = _walk(
                start, energy, state, tallies[b], density, material, tables, majorant,
                log_least, log_step, cell, carry,
            )  # fmt: skip
            while carry[3] > 0.0:
                carry[3] -= 1.0
                start[0], start[1], start[2] = carry[0], carry[1], carry[2]
                left = carry[3]
                state = _walk(
                    start, ELECTRON_REST_MEV, state, tallies[b], density, material, tables, majorant,
                    log_least, log_step, cell, carry,
                )  # fmt: skip
                carry[3] = left
        escaped[b] = carry[4]


def photon_absorbed_dose(
    *,
    time_integrated_activity: Volume,
    density: Volume,
    material_index: NDArray[np.integer[Any]],
    materials: Sequence[Material],
    nuclide: str,
    n_histories: int,
    seed: int,
    progress: Callable[[str, float], None] | None = None,
) -> PhotonDose:
    """Absorbed dose of all photons of a nuclide above 10 keV, by Monte Carlo.

    Woodcock tracking; photoelectric absorption, incoherent scattering (Klein-Nishina angles, tabulated cross
    sections) and pair production with annihilation; no coherent scattering; kerma approximation with the expected
    energy scored at every tentative collision. Every history is seeded by its number and tallies are integers, so the
    result does not depend on the number of threads.

    Parameters
    ----------
    time_integrated_activity : [Bq s/mL]
    density : on the same grid. [g/mL]
    material_index : (z, y, x) index into ``materials``
    materials : compositions
    nuclide : for example "Lu-177"
    n_histories : photons to follow (rounded to full batches)
    seed : any integer

    Raises
    ------
    GridError
        Different grids.
    InputError
        Wrong units, no activity, or a nuclide without photons above 10 keV.
    """
    _require(time_integrated_activity, density, material_index, materials)
    lines = emissions(nuclide).photons.above(CUTOFF_MEV)
    if lines.total_yield <= 0:
        raise InputError(f"{nuclide} emits no photons above {CUTOFF_MEV * 1000:g} keV.")
    per_batch = max(1, n_histories // N_BATCHES)
    if progress is not None:
        progress(f"Following {per_batch * N_BATCHES:.1e} photons", 0.0)
    tallies, escaped = _followed(
        time_integrated_activity, density, material_index, materials, lines, per_batch, seed
    )
    voxel_ml = density.grid.voxel_ml
    decays = float(np.maximum(time_integrated_activity.values, 0).sum(dtype=np.float64)) * voxel_ml
    # a voxel of no mass absorbs nothing; the floor only keeps the division defined
    mass_g = np.maximum(density.values, np.float32(1e-6)) * np.float32(voxel_ml)
    scale = decays * lines.total_yield / per_batch / FIXED_POINT * GY_PER_MEV_PER_G
    batches = np.stack([tally.astype(np.float32) * np.float32(scale) / mass_g for tally in tallies])
    if progress is not None:
        progress(f"Followed {per_batch * N_BATCHES:.1e} photons", 1.0)
    return PhotonDose(
        dose=Volume(grid=density.grid, values=batches.mean(axis=0, dtype=np.float64), unit="Gy"),
        batches=batches,
        emitted_mev=lines.mean_energy_per_decay_mev / lines.total_yield,
        absorbed_mev=float(tallies.sum(dtype=np.float64)) / FIXED_POINT / (per_batch * N_BATCHES),
        escaped_mev=float(escaped.sum()) / (per_batch * N_BATCHES),
        n_histories=per_batch * N_BATCHES,
        seed=seed,
    )


def _followed(
    activity: Volume,
    density: Volume,
    material_index: NDArray[np.integer[Any]],
    materials: Sequence[Material],
    lines: Lines,
    per_batch: int,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Tallies (batches, z, y, x) and escaped energy (batches,) of all histories: objects become arrays here."""
    tables = photon_tables(materials, float(lines.energy_mev.max()))
    mass_density = np.ascontiguousarray(density.values, dtype=np.float32)
    index = np.ascontiguousarray(material_index, dtype=np.uint8)
    densest = [float(mass_density[index == m].max(initial=0.0)) for m in range(len(materials))]
    majorant = np.max(tables.interaction * np.asarray(densest)[:, None], axis=0)
    strength = np.maximum(activity.values, 0).ravel()
    source = np.flatnonzero(strength)
    cumulative = np.cumsum(strength[source], dtype=np.float64)
    line_cdf = np.cumsum(lines.yield_per_decay) / lines.total_yield
    spacing_cm = np.asarray(density.grid.spacing_mm) * CM_PER_MM
    tallies = np.zeros((N_BATCHES, *mass_density.shape), np.int64)
    escaped = np.zeros(N_BATCHES)
    _transport(
        per_batch, source, cumulative, lines.energy_mev.astype(np.float64), line_cdf, mass_density, index,
        (tables.interaction, tables.absorption, tables.photo, tables.pair), majorant,
        np.array([*spacing_cm, tables.log_least, tables.log_step]), np.uint64(seed), tallies, escaped,
    )  # fmt: skip
    return tallies, escaped


def _require(
    activity: Volume, density: Volume, index: NDArray[np.integer[Any]], materials: Sequence[Material]
) -> None:
    require_same_grid(activity.grid, density.grid, "Photon dose")
    if activity.unit != "Bq s/mL" or density.unit != "g/mL":
        raise InputError(
            f"Activity in {activity.unit!r}, density in {density.unit!r}; expected 'Bq s/mL' and 'g/mL'."
        )
    least, greatest = int(index.min(initial=0)), int(index.max(initial=0))
    if index.shape != density.grid.shape or least < 0 or greatest >= len(materials):
        raise GridError(
            f"Material indices of shape {index.shape} from {least} to {greatest} for {len(materials)} materials on a grid "
            f"of shape {density.grid.shape}."
        )
    if not (np.all(np.isfinite(activity.values)) and np.all(np.isfinite(density.values))):
        raise InputError(
            "Activity or density is not finite in some voxels; no photon can be followed through them."
        )
    if not np.any(activity.values > 0):
        raise InputError("There is no activity, so there is no dose to compute.")
