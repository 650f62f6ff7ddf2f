"""One photon through voxels by tentative collisions (Woodcock), with a majorant of its own in every cell of an octree."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.dose.montecarlo.photons.free_path import free_path
from lutetia.dose.montecarlo.photons.interactions import interact, table_place
from lutetia.dose.montecarlo.photons.tables import COARSE, COARSE_BITS, TOTAL, PhotonTables
from lutetia.dose.montecarlo.photons.walk import MATERIAL_BITS, Packed, flattened, inside, slot_at
from lutetia.dose.montecarlo.scene import Geometry
from lutetia.dose.montecarlo.stack import deposit, floored
from lutetia.physics.transport import advanced, uniform

LEAST_SHIFT: Final = 3
MOST_BLOCKS: Final = 32
"""Along an axis: blocks are of 8 voxels, of 16 or more (powers of two) where the grid is larger than 256."""
LEVEL_BITS: Final = 3
LEVELS: Final = 1 << LEVEL_BITS
"""More than the binary logarithm of ``MOST_BLOCKS``, a power of two."""
REFERENCE_MEV: Final = 0.15
COLLISION_PER_CROSSING: Final = 3.0
"""Time of a tentative collision over that of going from cell to cell, with which cells are chosen."""
NUDGE_CM: Final = 1e-7
"""How far beyond the faces of cells and the grid a photon is taken, lest rounding leave it before them."""
LEAST_COSINE: Final = 1e-8

Blocks = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]
"""Majorants (energies, cells) [1/cm]; for every block (z, y, x) 8 times its cell plus the binary logarithm of the cell's
edge in blocks; binary logarithms of a block's edge in voxels along x, y, z."""


def block_majorants(geometry: Geometry | Packed, tables: PhotonTables) -> Blocks:
    """Greatest attenuation coefficient in cells of voxels, for groups of energies.

    Bone or metal in one cell does not shorten the steps in the others. Cells are cubes of blocks (powers of two along
    their edge), as large as makes photons fast: where a large one has hardly more attenuation than its parts.
    """
    density, material = geometry[0], geometry[1]
    shift = [max(LEAST_SHIFT, math.ceil(math.log2(n / MOST_BLOCKS))) for n in density.shape]
    shape = [-(-n >> s) for n, s in zip(density.shape, shift, strict=True)]
    greatest = np.zeros((tables.mass_coefficients.shape[0], *shape), np.float32)
    _densest(density, material, np.array(shift), greatest)
    total = tables.mass_coefficients[:, :, TOTAL]
    reference = total[:, np.searchsorted(tables.energy_mev, REFERENCE_MEV)]
    edges_cm = [c * (1 << s) for c, s in zip(geometry[3][::-1], shift, strict=True)]
    level = _levels((greatest * reference[:, None, None, None]).max(axis=0), edges_cm)
    corner = [at >> level << level for at in np.indices(shape)]
    _, cell = np.unique(np.ravel_multi_index(corner, shape), return_inverse=True)
    cell = cell.reshape(shape)
    starts = np.arange(0, total.shape[1], COARSE)
    coarse = np.array([total[:, s : s + COARSE + 1].max(axis=1) for s in starts])
    majorant = np.zeros((starts.size, int(cell.max()) + 1), np.float32)
    for m in range(greatest.shape[0]):
        densest = np.zeros(majorant.shape[1], np.float32)
        np.maximum.at(densest, cell.ravel(), greatest[m].ravel())
        np.maximum(majorant, coarse[:, m, None] * densest, out=majorant)
    return (
        np.maximum(majorant * np.float32(1.0 + 1e-5), np.float32(1e-30)),
        (cell * LEVELS + level).astype(np.int32),
        np.array(shift[::-1]),
    )


def _levels(mu: NDArray[np.float64], edges_cm: list[float]) -> NDArray[np.int64]:
    """Binary logarithm of the edge of each block's cell: cells are joined where that makes a path take less time."""
    size = 1 << max(n - 1 for n in mu.shape).bit_length()
    whole = np.pad(mu, [(0, size - n) for n in mu.shape], mode="edge")
    level = np.zeros(whole.shape, np.int64)
    crossings = sum(0.5 / edge for edge in edges_cm)  # per path, in any direction
    least = crossings + COLLISION_PER_CROSSING * whole
    for k in range(1, size.bit_length()):
        half = whole.shape[0] // 2
        parts = (half, 2, half, 2, half, 2)
        whole, apart = whole.reshape(parts).max(axis=(1, 3, 5)), least.reshape(parts).mean(axis=(1, 3, 5))
        joined = crossings * 0.5**k + COLLISION_PER_CROSSING * whole
        least = np.minimum(joined, apart)
        for axis in range(3):
            apart, joined = np.repeat(apart, 1 << k, axis), np.repeat(joined, 1 << k, axis)
        level[joined <= apart] = k
    return level[: mu.shape[0], : mu.shape[1], : mu.shape[2]]


@kernel
def _densest(density, material, shift, greatest):
    """Greatest density of each material in each block."""
    nz, ny, nx = density.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                at = (material[z, y, x] & MATERIAL_BITS, z >> shift[0], y >> shift[1], x >> shift[2])
                greatest[at] = max(greatest[at], density[z, y, x])


@inlined
def _axis(place, direction, edge):
    """Along one axis, in units of an edge: place, direction, its inverse, 1 where that is positive."""
    d = direction if abs(direction) > LEAST_COSINE else math.copysign(LEAST_COSINE, direction)
    return place / edge, d / edge, edge / d, 1 if d > 0.0 else 0


@inlined
def _plane(voxel, shift, ahead, place, inverse):
    """Path to the next face of a cell along one axis."""
    return ((((voxel >> shift) + ahead) << shift) - place) * inverse


@inlined
def _voxel(done, place, direction, shape):
    """Voxel x, y, z at a path along a ray in units of voxels, the last one where rounding leads out of the grid."""
    ix = min(int(place[0] + direction[0] * done), shape[2] - 1)
    iy = min(int(place[1] + direction[1] * done), shape[1] - 1)
    return ix, iy, min(int(place[2] + direction[2] * done), shape[0] - 1)


@inlined
def _cell(blocks, first, voxel):
    """Level of the cell of a voxel, and its majorant."""
    majorants, cells, shift = blocks
    ix, iy, iz = voxel
    found = cells[np.uintp(iz >> shift[2]), np.uintp(iy >> shift[1]), np.uintp(ix >> shift[0])]
    return found & (LEVELS - 1), majorants[first, found >> LEVEL_BITS]


@inlined
def _face(voxel, shift, level, ahead, place, inverse):
    """Path to the nearest face of a cell ahead."""
    tx = _plane(voxel[0], shift[0] + level, ahead[0], place[0], inverse[0])
    ty = _plane(voxel[1], shift[1] + level, ahead[1], place[1], inverse[1])
    return min(tx, ty, _plane(voxel[2], shift[2] + level, ahead[2], place[2], inverse[2]))


@inlined
def flown(i, place, direction, state, shape, cell, blocks):
    """Straight on to the next tentative collision.

    Returns the number of its voxel (-1 where the photon is out of the grid), the path [cm], the inverse of the majorant
    there [cm] and the state.
    """
    px, u, per_u, on_x = _axis(place[0], direction[0], cell[0])
    py, v, per_v, on_y = _axis(place[1], direction[1], cell[1])
    pz, w, per_w, on_z = _axis(place[2], direction[2], cell[2])
    start, along, inverse, ahead = (px, py, pz), (u, v, w), (per_u, per_v, per_w), (on_x, on_y, on_z)
    end = min((shape[2] * on_x - px) * per_u, (shape[1] * on_y - py) * per_v, (shape[0] * on_z - pz) * per_w)
    paths, state = free_path(state)
    done = 0.0
    while done < end:
        voxel = _voxel(done, start, along, shape)
        level, most = _cell(blocks, i >> COARSE_BITS, voxel)
        far = min(max(_face(voxel, blocks[2], level, ahead, start, inverse), done) + NUDGE_CM, end)
        if most * (far - done) > paths:
            per_most = 1.0 / most
            done += paths * per_most
            ix, iy, iz = _voxel(done, start, along, shape)
            return (iz * shape[1] + iy) * shape[2] + ix, done, per_most, state
        paths -= most * (far - done)
        done = far
    return -1, done, 0.0, state


@inlined
def judged(energy, at, i, f, per_most, state, voxels, coefficients, tally, expected):
    """Whether a tentative collision is an interaction, and the state.

    With ``expected`` it scores what it would give to electrons on average.
    """
    density, material, slot = voxels
    g = 1.0 - f
    m, share = material[np.uintp(at)] & MATERIAL_BITS, density[np.uintp(at)] * per_most
    if expected:
        gained = g * coefficients[m, i, 1] + f * coefficients[m, i + 1, 1]
        deposit(tally, slot_at(slot, at), energy * share * gained)
    state = advanced(state)
    return uniform(state) < share * (g * coefficients[m, i, 0] + f * coefficients[m, i + 1, 0]), state


@kernel
def _walk(energy, x, y, z, u, v, w, state, geometry, tables, blocks, tally, stack, count, expected, coupled):
    """Follow one photon, scoring what every tentative collision is expected to give or what each interaction gave."""
    shape, cell = geometry[0].shape, geometry[3]
    scale, coefficients = tables[0], tables[1]
    ix, iy, iz = floored(x / cell[0]), floored(y / cell[1]), floored(z / cell[2])
    if not inside(ix, iy, iz, geometry[0]):
        return state, energy
    at = (iz * shape[1] + iy) * shape[2] + ix
    voxels = flattened(geometry)
    i, f = table_place(energy, scale, coefficients.shape[1])
    while energy >= scale[2]:
        at, length, per_most, state = flown(i, (x, y, z), (u, v, w), state, shape, cell, blocks)
        if at < 0:
            return state, energy
        x, y, z = x + u * length, y + v * length, z + w * length
        real, state = judged(energy, at, i, f, per_most, state, voxels, coefficients, tally, expected)
        if not real:
            continue
        m = voxels[1][at] & MATERIAL_BITS
        energy, absorbed, u, v, w, state = interact(
            energy, m, i, f, x, y, z, u, v, w, state, tables, stack, count, coupled
        )
        i, f = table_place(max(energy, scale[2]), scale, coefficients.shape[1])
        if not expected:
            deposit(tally, slot_at(voxels[2], at), absorbed)
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
