"""Histories: every particle of a source followed, batch by batch, on all threads with the same result."""

from functools import lru_cache
from typing import Any, Final, Literal, get_args

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lutetia.devices import Device, on_cuda
from lutetia.dose.montecarlo.deposits import Deposits
from lutetia.dose.montecarlo.electrons.tables import HIGHEST_MEV, Tables, electron_tables
from lutetia.dose.montecarlo.electrons.walk import walk_electron
from lutetia.dose.montecarlo.photons.bank import PHOTONS, WAITING, empty_bank, fly, judge, move, put, react
from lutetia.dose.montecarlo.photons.compiled import kernel
from lutetia.dose.montecarlo.photons.tables import CUTOFF_MEV, PhotonTables, photon_tables
from lutetia.dose.montecarlo.photons.walk import packed, walk_photon
from lutetia.dose.montecarlo.photons.woodcock import (
    block_majorants,
    walk_photon_analog,
)
from lutetia.dose.montecarlo.scene import Geometry, Scene
from lutetia.dose.montecarlo.source import (
    SourceArrays,
    Spectrum,
    source_arrays,
    start_energy,
    start_place,
    start_voxel,
)
from lutetia.dose.montecarlo.stack import DEPTH, ELECTRON, FIELDS, FIXED_POINT, PHOTON, POSITRON, floored
from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.emissions import Lines
from lutetia.physics.materials import Material
from lutetia.physics.transport import advanced, isotropic, seeded, uniform

Estimator = Literal["track length", "collision", "analog", "coupled"]
"""How photons score: expected energy along their way or at every tentative collision, or what each interaction leaves
(its electrons absorbed on the spot, or followed in their turn)."""

MOST_BATCHES: Final = 16
LEAST_BATCHES: Final = 8
TALLY_BYTES: Final = 2**27
"""Batches have tallies of their own; there are fewer of them where these would take more than this."""
TABLE_ENDS_MEV: Final = (0.6, 3.0)
REST_MEV: Final = 2 * 0.51099895


def n_batches(n_slots: int) -> int:
    """Batches of a run with so many tallies."""
    return int(np.clip(TALLY_BYTES // (8 * (n_slots + 1)), LEAST_BATCHES, MOST_BATCHES))


@njit(cache=True)
def begun(h, per_batch, history, seed, source, geometry):
    """One particle as its source emits it: energy, place, direction, state."""
    voxels, cumulative, guide, low, width, threshold, alias = source
    state = advanced(seeded(seed, history))
    # a stratum of equal activity for each history of a batch
    voxel = start_voxel((h + uniform(state)) / per_batch, voxels, cumulative, guide)
    energy, state = start_energy(low, width, threshold, alias, state)
    x, y, z, state = start_place(voxel, geometry[0].shape, geometry[3], state)
    u, v, w, state = isotropic(state)
    return energy, x, y, z, u, v, w, state


@njit(cache=True)
def counted(energy):
    """Energy in the unit of the tallies."""
    return floored(energy * FIXED_POINT + 0.5)


@njit(cache=True)
def carried(kind, energy):
    """Energy that goes with a particle: a positron annihilates, at the latest where nobody looks. [MeV]"""
    return energy + REST_MEV if kind == POSITRON and energy > 0.0 else energy


@njit(cache=True)
def popped(stack, count):
    """The particle that came last."""
    count[0] -= 1
    row = stack[count[0]]
    return row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]


@njit(cache=True, parallel=True)
def _photons(
    estimator, per_batch, first, seed, source, geometry, tables, blocks, second, tallies, emitted, escaped
):
    """Photons whose electrons stay where they are set free; batch b scores into ``tallies[b]``."""
    for b in prange(tallies.shape[0]):
        stack, count, tally = np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64), tallies[b]
        for h in range(per_batch):
            history = first + b * per_batch + h
            energy, x, y, z, u, v, w, state = begun(h, per_batch, history, seed, source, geometry)
            emitted[b] += counted(energy)
            while True:
                if estimator == 0:
                    state, left = walk_photon(
                        energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count, second
                    )
                else:
                    state, left = walk_photon_analog(
                        energy, x, y, z, u, v, w, state, geometry, tables, blocks, tally, stack, count, 0
                    )
                escaped[b] += counted(left)
                if count[0] == 0:
                    break
                _, energy, x, y, z, u, v, w = popped(stack, count)


@kernel
def _refilled(k, h, b, start, bank, geometry, tables, tally, emitted, escaped):
    """Photon ``k`` of a bank anew: its own secondary, or the source's next; (whether there is one, histories begun)."""
    per_batch, first, seed, source = start
    states, stack, waiting = bank[3], bank[4], bank[5]
    while True:
        if waiting[k] > 0:
            waiting[k] -= 1
            row, state = k * WAITING + waiting[k], states[k]
            energy, x, y, z = stack[row, 1], stack[row, 2], stack[row, 3], stack[row, 4]
            u, v, w = stack[row, 5], stack[row, 6], stack[row, 7]
        elif h < per_batch:
            energy, x, y, z, u, v, w, state = begun(h, per_batch, first + b * per_batch + h, seed, source, geometry)
            emitted[b] += counted(energy)
            h += 1
        else:
            return False, h
        inside, outside = put(bank, k, energy, x, y, z, u, v, w, state, geometry, tables, tally)
        escaped[b] += counted(outside)
        if inside:
            return True, h


@njit(cache=True)
def _collision_batch(b, start, geometry, tables, blocks, tally, emitted, escaped):
    """One batch of photons, in step with each other; each history's numbers are its own, so the order is no matter."""
    bank, gone = empty_bank(), np.arange(PHOTONS)
    n, h, lost = PHOTONS, 0, PHOTONS
    while True:
        for j in range(lost - 1, -1, -1):
            k = gone[j]
            escaped[b] += counted(bank[0][k, 0])
            found, h = _refilled(k, h, b, start, bank, geometry, tables, tally, emitted, escaped)
            if not found:
                n -= 1
                move(bank, n, k)
        if n == 0:
            return
        fly(n, bank, geometry, blocks)
        judge(n, bank, geometry, tables, tally)
        lost = react(n, bank, geometry, tables, tally, gone)


@njit(cache=True, parallel=True)
def _collisions(per_batch, first, seed, source, geometry, tables, blocks, tallies, emitted, escaped):
    """Photons that score at every tentative collision; batch b scores into ``tallies[b]``."""
    for b in prange(tallies.shape[0]):
        start = (per_batch, first, seed, source)
        _collision_batch(b, start, geometry, tables, blocks, tallies[b], emitted, escaped)


@njit(cache=True, parallel=True)
def _coupled(kind, analog, per_batch, first, seed, source, geometry, tables, tallies, emitted, escaped):
    """Particles with all their secondaries; photons score by track length unless ``analog``."""
    photon_geometry, photon_arrays, blocks, electron_arrays = tables
    for b in prange(tallies.shape[0]):
        stack, count, tally = np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64), tallies[b]
        for h in range(per_batch):
            history = first + b * per_batch + h
            energy, x, y, z, u, v, w, state = begun(h, per_batch, history, seed, source, geometry)
            which = kind
            emitted[b] += counted(carried(kind, energy))
            while True:
                if which != PHOTON:
                    state, left = walk_electron(
                        which, energy, x, y, z, u, v, w, state, geometry, electron_arrays, tally, stack, count
                    )
                elif analog:
                    state, left = walk_photon_analog(
                        energy, x, y, z, u, v, w, state, photon_geometry, photon_arrays, blocks, tally, stack, count, 1,
                    )  # fmt: skip
                else:
                    state, left = walk_photon(
                        energy, x, y, z, u, v, w, state, photon_geometry, photon_arrays, tally, stack, count
                    )
                escaped[b] += counted(carried(which, left))
                if count[0] == 0:
                    break
                which, energy, x, y, z, u, v, w = popped(stack, count)


Second = tuple[NDArray[np.int32], NDArray[np.uint8]]
"""For each slot another one, and the material whose absorbed dose it gathers; -1 for none."""


def follow_photons(
    *,
    scene: Scene,
    strength: NDArray[np.floating],
    lines: Lines | Spectrum,
    n_histories: int,
    seed: int,
    estimator: Estimator = "track length",
    first: int = 0,
    second: Second | None = None,
    device: Device = "cpu",
) -> Deposits:
    """Energy absorbed from the photons of a source.

    Parameters
    ----------
    scene : voxels, materials and tallies
    strength : (z, y, x) proportional to the decays in each voxel
    lines : energies and yields per decay; all must be above the cut-off and up to 3 MeV
    n_histories : rounded up to full batches
    seed : any integer
    estimator : "coupled" follows the electrons too
    first : number of the first history; another run with the same seed goes on where one ended
    second : for each slot a second one that gathers kerma in another material, such as marrow in spongiosa
    device : "cuda" follows the same histories on a GPU; they agree but for the last bits of arithmetic

    Raises
    ------
    GridError, InputError
        A source that does not fit the scene, is negative, not finite or zero everywhere; an unknown estimator.
    OutOfRangeError
        Energies beyond the tables.
    MissingDataError
        No CUDA device can be used here.
    """
    if estimator not in get_args(Estimator):
        raise InputError(f"No estimator {estimator!r}; there are {', '.join(get_args(Estimator))}.")
    elsewhere = on_cuda(device)
    spectrum = lines if isinstance(lines, Spectrum) else Spectrum.of_lines(lines)
    deposits, source, geometry = _prepared(scene, strength, spectrum, n_histories, seed)
    tables = cached_photon_tables(scene.materials, _reach(spectrum.highest_mev))
    words = packed(geometry)
    blocks = block_majorants(words, tables)
    counts = (deposits.tallies, deposits.emitted, deposits.escaped)
    start = (deposits.per_batch, first, np.uint64(seed), source)
    electrons = cached_electron_tables(scene.materials) if estimator == "coupled" else None
    if elsewhere:
        name = f"{estimator} twice" if estimator == "track length" and second is not None else estimator
        _on_cuda(
            (name, PHOTON), first, source, geometry, (tables.arrays, blocks, electrons or second or ()), deposits
        )
    elif electrons is not None:
        _coupled(PHOTON, True, *start, geometry, (words, tables.arrays, blocks, electrons), *counts)
    elif estimator == "collision":
        _collisions(*start, words, tables.arrays, blocks, *counts)
    else:
        _photons(get_args(Estimator).index(estimator), *start, words, tables.arrays, blocks, second, *counts)
    return deposits


def follow_electrons(
    *,
    scene: Scene,
    strength: NDArray[np.floating],
    lines: Lines | Spectrum,
    n_histories: int,
    seed: int,
    positrons: bool = False,
    first: int = 0,
    device: Device = "cpu",
) -> Deposits:
    """Energy absorbed from the electrons of a source and from the bremsstrahlung they make.

    Parameters and exceptions as ``follow_photons``; energies up to 5 MeV. Positrons end in two photons of
    511 keV, which are followed, and their rest energy counts as emitted.
    """
    elsewhere, kind = on_cuda(device), POSITRON if positrons else ELECTRON
    spectrum = lines if isinstance(lines, Spectrum) else Spectrum.of_lines(lines)
    deposits, source, geometry = _prepared(scene, strength, spectrum, n_histories, seed)
    if spectrum.highest_mev > HIGHEST_MEV:
        raise OutOfRangeError(f"Electrons of {spectrum.highest_mev:g} MeV; the tables end at {HIGHEST_MEV:g} MeV.")
    # bremsstrahlung beyond the tables interacts as at their end
    photons = cached_photon_tables(scene.materials, _reach(min(spectrum.highest_mev, TABLE_ENDS_MEV[-1])))
    electrons, words = cached_electron_tables(scene.materials), packed(geometry)
    blocks = block_majorants(words, photons)
    if elsewhere:
        _on_cuda(("electrons", kind), first, source, geometry, (photons.arrays, blocks, electrons), deposits)
        return deposits
    _coupled(
        kind, False, deposits.per_batch, first, np.uint64(seed), source, geometry,
        (words, photons.arrays, blocks, electrons), deposits.tallies, deposits.emitted, deposits.escaped,
    )  # fmt: skip
    return deposits


def _on_cuda(
    walk: tuple[str, float],
    first: int,
    source: SourceArrays,
    geometry: Geometry,
    tables: tuple[Any, ...],
    deposits: Deposits,
) -> None:
    """Follow the histories of a run on a CUDA device; photons see the density that carries the material, as here."""
    from lutetia.dose.montecarlo.device.launch import run_on_device

    if walk[1] == PHOTON:
        geometry = (packed(geometry)[0], *geometry[1:])
    run_on_device(walk, first, source, geometry, tables, deposits)


def _reach(highest_mev: float) -> float:
    """Where tables for a source end: in few places, so that they are made once for many sources. [MeV]"""
    return next((end for end in TABLE_ENDS_MEV if highest_mev <= end), highest_mev)


@lru_cache(maxsize=4)
def cached_photon_tables(materials: tuple[Material, ...], highest_mev: float) -> PhotonTables:
    """Tables are made once for a run of many sources in one phantom."""
    return photon_tables(materials, highest_mev)


@lru_cache(maxsize=4)
def cached_electron_tables(materials: tuple[Material, ...]) -> Tables:
    """As ``cached_photon_tables``, with bremsstrahlung from the photons' cut-off on."""
    return electron_tables(materials, photon_cutoff_mev=CUTOFF_MEV)


def _prepared(
    scene: Scene, strength: NDArray[np.floating], spectrum: Spectrum, n_histories: int, seed: int
) -> tuple[Deposits, SourceArrays, Geometry]:
    """Empty tallies, and the source as arrays."""
    if n_histories < 1:
        raise InputError(f"{n_histories} histories; expected at least 1.")
    batches = n_batches(scene.n_slots)
    empty = Deposits(
        tallies=np.zeros((batches, scene.n_slots + 1), np.int64),
        emitted=np.zeros(batches, np.int64),
        escaped=np.zeros(batches, np.int64),
        per_batch=-(-n_histories // batches),
        yield_per_decay=spectrum.total_yield,
        seed=seed,
    )
    return empty, source_arrays(strength, scene.grid.shape, spectrum), scene.geometry
