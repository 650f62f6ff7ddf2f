"""One photon through voxels by tentative collisions (Woodcock), with a majorant of its own in every block of voxels."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.dose.montecarlo.photons.interactions import interact, table_place
from lutetia.dose.montecarlo.photons.tables import TOTAL, PhotonTables
from lutetia.dose.montecarlo.photons.walk import crossings, inside
from lutetia.dose.montecarlo.scene import Geometry
from lutetia.dose.montecarlo.stack import deposit
from lutetia.physics.transport import advanced, uniform

LEAST_BLOCK: Final = 8
MOST_BLOCKS: Final = 32
"""Along an axis: blocks are of 8 voxels, more where the grid is larger than 256."""
COARSE: Final = 8
"""Energies of the tables that share one majorant."""

Blocks = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Majorants (energies, z, y, x) [1/cm], voxels of a block along (x, y, z)."""


def block_majorants(geometry: Geometry, tables: PhotonTables) -> Blocks:
    """Greatest attenuation coefficient in blocks of voxels, for groups of energies.

    Bone or metal in one block does not shorten the steps in the others.
    """
    density, material = geometry[0], geometry[1]
    edge = [max(LEAST_BLOCK, math.ceil(n / MOST_BLOCKS)) for n in density.shape]
    shape = [math.ceil(n / e) for n, e in zip(density.shape, edge, strict=True)]
    greatest = np.zeros((tables.mass_coefficients.shape[0], *shape), np.float32)
    _densest(density, material, np.array(edge), greatest)
    total = tables.mass_coefficients[:, :, TOTAL]
    starts = np.arange(0, total.shape[1], COARSE)
    coarse = np.array([total[:, s : s + COARSE + 1].max(axis=1) for s in starts])
    majorant = np.zeros((starts.size, *shape), np.float32)
    for m in range(greatest.shape[0]):
        np.maximum(majorant, coarse[:, m, None, None, None] * greatest[m], out=majorant)
    return np.ascontiguousarray(majorant * np.float32(1.0 + 1e-5)), np.array(edge[::-1])


@kernel
def _densest(density, material, edge, greatest):
    """Greatest density of each material in each block."""
    nz, ny, nx = density.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                at = (material[z, y, x], z // edge[0], y // edge[1], x // edge[2])
                greatest[at] = max(greatest[at], density[z, y, x])


@inlined
def _within(x, edge, block, length, n):
    """Voxel of a place along an axis, kept in its block."""
    return min(max(int(x / edge), block * length), min((block + 1) * length, n) - 1)


@kernel
def _fly(energy, i, f, x, y, z, u, v, w, ix, iy, iz, state, geometry, coefficients, blocks, tally, expected):
    """Straight on to the next interaction: (whether there is one, ix, iy, iz, length, state).

    With ``expected`` every tentative collision scores what it would give to electrons on average.
    """
    density, material, slot, cell = geometry
    majorant, edge = blocks
    kx, ky, kz = edge
    bx, by, bz = ix // kx, iy // ky, iz // kz
    tx, per_x, step_x = crossings(x, u, bx, cell[0] * kx)
    ty, per_y, step_y = crossings(y, v, by, cell[1] * ky)
    tz, per_z, step_z = crossings(z, w, bz, cell[2] * kz)
    done, coarse, g = 0.0, i // COARSE, 1.0 - f
    most = majorant[coarse, bz, by, bx]
    while True:
        state = advanced(state)
        paths = -math.log(1.0 - uniform(state))
        nearest = min(tx, ty, tz)
        while most * (nearest - done) <= paths:
            paths -= most * (nearest - done)
            done = nearest
            if nearest == tx:
                bx, tx = bx + step_x, tx + per_x
            elif nearest == ty:
                by, ty = by + step_y, ty + per_y
            else:
                bz, tz = bz + step_z, tz + per_z
            if not inside(bx, by, bz, majorant[0]):
                return False, ix, iy, iz, done, state
            most = majorant[coarse, bz, by, bx]
            nearest = min(tx, ty, tz)
        done += paths / most
        ix = _within(x + u * done, cell[0], bx, kx, density.shape[2])
        iy = _within(y + v * done, cell[1], by, ky, density.shape[1])
        iz = _within(z + w * done, cell[2], bz, kz, density.shape[0])
        share = density[iz, iy, ix] / most
        m = material[iz, iy, ix]
        if expected:
            gained = g * coefficients[m, i, 1] + f * coefficients[m, i + 1, 1]
            deposit(tally, slot[iz, iy, ix], energy * share * gained)
        state = advanced(state)
        if uniform(state) < share * (g * coefficients[m, i, 0] + f * coefficients[m, i + 1, 0]):
            return True, ix, iy, iz, done, state


@kernel
def _walk(energy, x, y, z, u, v, w, state, geometry, tables, blocks, tally, stack, count, expected, coupled):
    """Follow one photon, scoring what every tentative collision is expected to give or what each interaction gave."""
    cell = geometry[3]
    scale, coefficients = tables[0], tables[1]
    ix, iy, iz = math.floor(x / cell[0]), math.floor(y / cell[1]), math.floor(z / cell[2])
    if not inside(ix, iy, iz, geometry[0]):
        return state, energy
    while energy >= scale[2]:
        i, f = table_place(energy, scale, coefficients.shape[1])
        met, ix, iy, iz, length, state = _fly(
            energy, i, f, x, y, z, u, v, w, ix, iy, iz, state, geometry, coefficients, blocks, tally, expected
        )
        if not met:
            return state, energy
        x, y, z = x + u * length, y + v * length, z + w * length
        m = geometry[1][iz, iy, ix]
        energy, absorbed, u, v, w, state = interact(
            energy, m, i, f, x, y, z, u, v, w, state, tables, stack, count, coupled
        )
        if not expected:
            deposit(tally, geometry[2][iz, iy, ix], absorbed)
    deposit(tally, geometry[2][iz, iy, ix], energy)
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
