"""Many photons in step, so that each one's wait for memory is another's time to compute."""

import numpy as np
from numba import njit

from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.dose.montecarlo.photons.interactions import interact, table_place
from lutetia.dose.montecarlo.photons.walk import MATERIAL_BITS, inside, slot_at
from lutetia.dose.montecarlo.photons.woodcock import flown, judged
from lutetia.dose.montecarlo.stack import FIELDS, deposit

PHOTONS = 64
"""Of a bank: their state stays in the innermost cache."""
NOWHERE = -1
"""Material of a tentative collision that is none."""
WAITING = 16
"""Rows for the secondaries of one photon: two annihilation photons or a K line, and theirs."""


@njit(cache=True, inline="always")
def empty_bank():
    """Room for photons.

    (energy, place, direction) of each; per majorant and weight in the tables; voxel, index in the tables, material that
    it interacts in; state; secondaries; how many of these; the count that ``push`` takes.
    """
    return (
        np.zeros((PHOTONS, 7)),
        np.zeros((PHOTONS, 2)),
        np.zeros((PHOTONS, 3), np.int64),
        np.zeros(PHOTONS, np.uint64),
        np.zeros((PHOTONS * WAITING, FIELDS)),
        np.zeros(PHOTONS, np.int64),
        np.zeros(1, np.int64),
    )


@kernel
def put(bank, k, energy, x, y, z, u, v, w, state, geometry, tables, tally):
    """Make photon ``k`` of a bank: (whether it is to be followed, energy that is outside)."""
    photon, part, mark = bank[0], bank[1], bank[2]
    cell, shape = geometry[3], geometry[0].shape
    ix, iy, iz = int(np.floor(x / cell[0])), int(np.floor(y / cell[1])), int(np.floor(z / cell[2]))
    bank[3][k] = state
    if not inside(ix, iy, iz, geometry[0]):
        return False, energy
    if energy < tables[0][2]:
        deposit(tally, slot_at(geometry[2].reshape(-1), (iz * shape[1] + iy) * shape[2] + ix), energy)
        return False, 0.0
    photon[k, 0], photon[k, 1], photon[k, 2], photon[k, 3] = energy, x, y, z
    photon[k, 4], photon[k, 5], photon[k, 6] = u, v, w
    mark[k, 1], part[k, 1] = table_place(energy, tables[0], tables[1].shape[1])
    return True, 0.0


@kernel
def fly(n, bank, geometry, blocks):
    """The first photons of a bank to their next tentative collisions; no voxel is looked at."""
    photon, part, mark, states = bank[0], bank[1], bank[2], bank[3]
    shape, cell = geometry[0].shape, geometry[3]
    for k in range(n):
        x, y, z, u, v, w = photon[k, 1], photon[k, 2], photon[k, 3], photon[k, 4], photon[k, 5], photon[k, 6]
        at, length, per_most, state = flown(mark[k, 1], (x, y, z), (u, v, w), states[k], shape, cell, blocks)
        photon[k, 1], photon[k, 2], photon[k, 3] = x + u * length, y + v * length, z + w * length
        part[k, 0], mark[k, 0], states[k] = per_most, at, state


@kernel
def judge(n, bank, geometry, tables, tally):
    """Score what the tentative collisions are expected to give, and say which are interactions."""
    photon, part, mark, states = bank[0], bank[1], bank[2], bank[3]
    voxels = (geometry[0].reshape(-1), geometry[1].reshape(-1), geometry[2].reshape(-1))
    for k in range(n):
        if mark[k, 0] >= 0:
            real, states[k] = judged(
                photon[k, 0],
                mark[k, 0],
                mark[k, 1],
                part[k, 1],
                part[k, 0],
                states[k],
                voxels,
                tables[1],
                tally,
                True,
            )
            mark[k, 2] = voxels[1][np.uintp(mark[k, 0])] & MATERIAL_BITS if real else NOWHERE


@inlined
def _turn(k, bank, tables):
    """Interaction of photon ``k``; its energy after."""
    photon, part, mark, states, stack, waiting, count = bank
    count[0] = k * WAITING + waiting[k]
    energy, _, u, v, w, states[k] = interact(
        photon[k, 0], mark[k, 2], mark[k, 1], part[k, 1], photon[k, 1], photon[k, 2], photon[k, 3],
        photon[k, 4], photon[k, 5], photon[k, 6], states[k], tables, stack, count, False,
    )  # fmt: skip
    waiting[k] = count[0] - k * WAITING
    photon[k, 0], photon[k, 4], photon[k, 5], photon[k, 6] = energy, u, v, w
    mark[k, 1], part[k, 1] = table_place(energy, tables[0], tables[1].shape[1])
    return energy


@kernel
def react(n, bank, geometry, tables, tally, gone):
    """Let interact what does; number of photons that are gone, listed in ``gone``, their energies what escaped."""
    photon, mark = bank[0], bank[2]
    slots = geometry[2].reshape(-1)
    found = 0
    for k in range(n):
        if mark[k, 0] < 0:
            gone[found] = k
            found += 1
        elif mark[k, 2] != NOWHERE:
            energy = _turn(k, bank, tables)
            if energy < tables[0][2]:
                deposit(tally, slot_at(slots, mark[k, 0]), energy)
                photon[k, 0] = 0.0
                gone[found] = k
                found += 1
    return found


@kernel
def move(bank, source, target):
    """Put a photon of a bank, with its secondaries, in the place of another."""
    for c in range(7):
        bank[0][target, c] = bank[0][source, c]
    bank[1][target, 1], bank[2][target, 1], bank[3][target] = (
        bank[1][source, 1],
        bank[2][source, 1],
        bank[3][source],
    )
    bank[5][target], bank[5][source] = bank[5][source], 0
    for row in range(bank[5][target]):
        for c in range(FIELDS):
            bank[4][target * WAITING + row, c] = bank[4][source * WAITING + row, c]
