"""One photon through voxels by tentative collisions (Woodcock), with a majorant of its own in every block of voxels."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.dose.montecarlo.photons.interactions import interact, table_place
from lutetia.dose.montecarlo.photons.tables import TOTAL, PhotonTables
from lutetia.dose.montecarlo.photons.walk import crossings, flattened, inside, slot_at
from lutetia.dose.montecarlo.scene import Geometry
from lutetia.dose.montecarlo.stack import deposit, floored
from lutetia.physics.transport import advanced, uniform

LEAST_SHIFT: Final = 3
MOST_BLOCKS: Final = 32
"""Along an axis: blocks are of 8 voxels, of 16 or more (powers of two) where the grid is larger than 256."""
COARSE: Final = 8
"""Energies of the tables that share one majorant."""

Blocks = tuple[NDArray[np.float32], tuple[int, int, int], tuple[int, int, int]]
"""Majorants (energies x blocks, with x fastest) [1/cm]; binary logarithms of the voxels of a block along x, y, z; number
of blocks along x, y, z."""


def block_majorants(geometry: Geometry, tables: PhotonTables) -> Blocks:
    """Greatest attenuation coefficient in blocks of voxels, for groups of energies.

    Bone or metal in one block does not shorten the steps in the others.
    """
    density, material = geometry[0], geometry[1]
    shift = [max(LEAST_SHIFT, math.ceil(math.log2(n / MOST_BLOCKS))) for n in density.shape]
    shape = [-(-n >> s) for n, s in zip(density.shape, shift, strict=True)]
    greatest = np.zeros((tables.mass_coefficients.shape[0], *shape), np.float32)
    _densest(density, material, np.array(shift), greatest)
    total = tables.mass_coefficients[:, :, TOTAL]
    starts = np.arange(0, total.shape[1], COARSE)
    coarse = np.array([total[:, s : s + COARSE + 1].max(axis=1) for s in starts])
    majorant = np.zeros((starts.size, *shape), np.float32)
    for m in range(greatest.shape[0]):
        np.maximum(majorant, coarse[:, m, None, None, None] * greatest[m], out=majorant)
    return (
        (majorant * np.float32(1.0 + 1e-5)).ravel(),
        (shift[2], shift[1], shift[0]),
        (shape[2], shape[1], shape[0]),
    )


@kernel
def _densest(density, material, shift, greatest):
    """Greatest density of each material in each block."""
    nz, ny, nx = density.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                at = (material[z, y, x], z >> shift[0], y >> shift[1], x >> shift[2])
                greatest[at] = max(greatest[at], density[z, y, x])


@inlined
def within(at, block, shift):
    """Voxel of a place along an axis (in voxels), kept in its block, whose end may lie outside the grid."""
    return min(max(int(at), block << shift), ((block + 1) << shift) - 1)


@inlined
def _voxel(done, place, direction, block, per_cm, shift):
    """Voxel at a path along a ray, within its block."""
    ix = within((place[0] + direction[0] * done) * per_cm[0], block[0], shift[0])
    iy = within((place[1] + direction[1] * done) * per_cm[1], block[1], shift[1])
    iz = within((place[2] + direction[2] * done) * per_cm[2], block[2], shift[2])
    return ix, iy, iz


@kernel
def _fly(energy, i, f, place, direction, voxel, state, voxels, shape, cell, coefficients, blocks, tally, expected):
    """Straight on to the next interaction: (whether there is one, its voxel x, y, z, length, state).

    With ``expected`` every tentative collision scores what it would give to electrons on average.
    """
    density, material, slot = voxels
    majorant, shift, (mx, my, mz) = blocks
    first, g = i // COARSE * mz, 1.0 - f
    bx, by, bz = voxel[0] >> shift[0], voxel[1] >> shift[1], voxel[2] >> shift[2]
    tx, per_x, step_x = crossings(place[0], direction[0], bx, cell[0] * (1 << shift[0]))
    ty, per_y, step_y = crossings(place[1], direction[1], by, cell[1] * (1 << shift[1]))
    tz, per_z, step_z = crossings(place[2], direction[2], bz, cell[2] * (1 << shift[2]))
    per_cm = (1.0 / cell[0], 1.0 / cell[1], 1.0 / cell[2])
    done, most = 0.0, majorant[((first + bz) * my + by) * mx + bx]
    while True:
        state = advanced(state)
        paths = -math.log(1.0 - uniform(state))
        nearest = min(tx, ty, tz)
        while most * (nearest - done) <= paths:
            paths, done = paths - most * (nearest - done), nearest
            if nearest == tx:
                bx, tx = bx + step_x, tx + per_x
            elif nearest == ty:
                by, ty = by + step_y, ty + per_y
            else:
                bz, tz = bz + step_z, tz + per_z
            if not (0 <= bx < mx and 0 <= by < my and 0 <= bz < mz):
                return False, voxel, done, state
            most = majorant[((first + bz) * my + by) * mx + bx]
            nearest = min(tx, ty, tz)
        done += paths / most
        ix, iy, iz = _voxel(done, place, direction, (bx, by, bz), per_cm, shift)
        if ix >= shape[2] or iy >= shape[1] or iz >= shape[0]:
            return False, voxel, done, state
        at = (iz * shape[1] + iy) * shape[2] + ix
        m, share = material[at], density[at] / most
        if expected:
            gained = g * coefficients[m, i, 1] + f * coefficients[m, i + 1, 1]
            deposit(tally, slot_at(slot, at), energy * share * gained)
        state = advanced(state)
        if uniform(state) < share * (g * coefficients[m, i, 0] + f * coefficients[m, i + 1, 0]):
            return True, (ix, iy, iz), done, state


@kernel
def _walk(energy, x, y, z, u, v, w, state, geometry, tables, blocks, tally, stack, count, expected, coupled):
    """Follow one photon, scoring what every tentative collision is expected to give or what each interaction gave."""
    shape, cell = geometry[0].shape, geometry[3]
    scale, coefficients = tables[0], tables[1]
    voxel = (floored(x / cell[0]), floored(y / cell[1]), floored(z / cell[2]))
    if not inside(voxel[0], voxel[1], voxel[2], geometry[0]):
        return state, energy
    voxels = flattened(geometry)
    while energy >= scale[2]:
        i, f = table_place(energy, scale, coefficients.shape[1])
        ray = (x, y, z), (u, v, w)
        met, voxel, length, state = _fly(
            energy, i, f, ray[0], ray[1], voxel, state, voxels, shape, cell, coefficients, blocks, tally, expected
        )
        if not met:
            return state, energy
        x, y, z = x + u * length, y + v * length, z + w * length
        at = (voxel[2] * shape[1] + voxel[1]) * shape[2] + voxel[0]
        m = voxels[1][at]
        energy, absorbed, u, v, w, state = interact(
            energy, m, i, f, x, y, z, u, v, w, state, tables, stack, count, coupled
        )
        if not expected:
            deposit(tally, slot_at(voxels[2], at), absorbed)
    at = (voxel[2] * shape[1] + voxel[1]) * shape[2] + voxel[0]
    deposit(tally, slot_at(voxels[2], at), energy)
    return state, 0.0


@kernel
def walk_photon_collision(energy, x, y, z, u, v, w, state, geometry, tables, blocks, tally, stack, count):
    """Follow one photon; every tentative collision scores the energy it gives to electrons on average.

    As ``walk_photon`` otherwise; ``blocks`` of ``block_majorants``. The fastest where tallies are large.
    """
    return _walk(energy, x, y, z, u, v, w, state, geometry, tables, blocks, tally, stack, count, True, False)


@kernel
def walk_photon_analog(energy, x, y, z, u, v, w, state, geometry, tables, blocks, tally, stack, count, secondaries):
    """Follow one photon; energy is scored where it is given to electrons that end there.

    Absorbed, pushed and escaped energy make up the photon's, history by history; a pushed positron counts with its
    rest energy and an electron's. ``secondaries`` 0: all electrons end where they are set free, annihilation photons are
    pushed; 1: electrons and positrons above the electron cut-off of the tables are pushed.
    """
    return _walk(
        energy, x, y, z, u, v, w, state, geometry, tables, blocks, tally, stack, count, False, secondaries == 1
    )
