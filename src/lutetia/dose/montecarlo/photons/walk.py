"""One photon through voxels, its kerma scored along its whole track (track-length estimator)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.dose.montecarlo.photons.free_path import free_path
from lutetia.dose.montecarlo.photons.interactions import interact, table_place
from lutetia.dose.montecarlo.scene import Geometry
from lutetia.dose.montecarlo.stack import deposit, floored

NEVER: Final = 1e30
ROUNDING_CM: Final = 1e-9
"""More than the sums of paths from plane to plane are rounded."""
MATERIAL_BITS: Final = 255
"""Of a voxel's entry in the second array of a geometry, which is a material or, of ``packed``, more than that."""

Packed = tuple[NDArray[np.float32], NDArray[np.uint32], NDArray[np.int32], NDArray[np.float64]]


def packed(geometry: Geometry) -> Packed:
    """Geometry whose densities carry the material in their lowest 8 bits, so that one look-up finds both.

    The second array is the first one's bits. A density changes by up to 2^-16 of it.
    """
    density, material, slot, cell = geometry
    bits = density.view(np.uint32).astype(np.int64)
    bits = ((bits - material + 128) & ~MATERIAL_BITS) | material
    words = np.maximum(bits, material).astype(np.uint32)
    return words.view(np.float32), words, slot, cell


@inlined
def crossings(x, u, index, edge, n):
    """Along one axis: path to the next plane, from plane to plane, and to the grid's last; step of the index."""
    if u > 0.0:
        first, per = max(((index + 1) * edge - x) / u, 0.0), edge / u
        return first, per, first + (n - 1 - index) * per, 1
    if u < 0.0:
        first, per = max((index * edge - x) / u, 0.0), -edge / u
        return first, per, first + index * per, -1
    return NEVER, NEVER, NEVER, 0


@inlined
def inside(ix, iy, iz, density):
    """Whether a voxel is on the grid."""
    return 0 <= ix < density.shape[2] and 0 <= iy < density.shape[1] and 0 <= iz < density.shape[0]


@inlined
def flattened(geometry):
    """Density, material and slot of the voxels one after the other."""
    return geometry[0].reshape(-1), geometry[1].reshape(-1), geometry[2].reshape(-1)


@inlined
def slot_at(slots, at):
    """Tally of a voxel; every voxel its own where there are no slots, which spares a look-up on the way to the tally."""
    return at if slots.size == 0 else slots[at]


@inlined
def _score_second(second, tally, slot, energy, i, f, coefficients, mass):
    """Kerma in a voxel's second material: energy times its absorption times the mass thickness."""
    where = second[0][slot]
    if where >= 0:
        m = second[1][slot]
        deposit(tally, where, energy * ((1.0 - f) * coefficients[m, i, 1] + f * coefficients[m, i + 1, 1]) * mass)


@inlined
def _score(tally, slot, at, energy, i, f, coefficients, absorbed, mass, second):
    """Kerma in a voxel, and in its second material."""
    deposit(tally, slot_at(slot, at), absorbed * mass)
    if second is not None:
        _score_second(second, tally, slot_at(slot, at), energy, i, f, coefficients, mass)


@inlined
def voxel_along(x, per_cm, n):
    """Voxel of a place along one axis, kept on the grid."""
    return min(max(int(x * per_cm), 0), n - 1)


@inlined
def _fly(paths, energy, i, f, x, y, z, u, v, w, ix, iy, iz, voxels, shape, cell, coefficients, tally, second):
    """Straight on for so many mean free paths, scoring: (number of the voxel of the interaction or -1, length)."""
    density, material, slot = voxels
    nz, ny, nx = shape
    tx, per_x, end_x, step_x = crossings(x, u, ix, cell[0], nx)
    ty, per_y, end_y, step_y = crossings(y, v, iy, cell[1], ny)
    tz, per_z, end_z, step_z = crossings(z, w, iz, cell[2], nz)
    end = min(end_x, end_y, end_z) - ROUNDING_CM
    at, step_y, step_z = (iz * ny + iy) * nx + ix, step_y * nx, step_z * nx * ny
    done, last, total, absorbed = 0.0, -1, 0.0, 0.0
    while True:
        m = material[np.uintp(at)] & MATERIAL_BITS
        if m != last:
            last = m
            total = (1.0 - f) * coefficients[m, i, 0] + f * coefficients[m, i + 1, 0]
            absorbed = energy * ((1.0 - f) * coefficients[m, i, 1] + f * coefficients[m, i + 1, 1])
        rho = density[np.uintp(at)]
        nearest = min(tx, ty, tz)
        mass = rho * (nearest - done)
        if total * mass >= paths:
            mass = paths / total
            _score(tally, slot, at, energy, i, f, coefficients, absorbed, mass, second)
            return at, done + mass / rho
        _score(tally, slot, at, energy, i, f, coefficients, absorbed, mass, second)
        if nearest >= end:
            return -1, nearest
        paths -= total * mass
        done = nearest
        # without branches, which nobody could foretell; through an edge two steps are one
        on_x, on_y, on_z = tx <= nearest, ty <= nearest, tz <= nearest
        at += (step_x if on_x else 0) + (step_y if on_y else 0) + (step_z if on_z else 0)
        tx += per_x if on_x else 0.0
        ty += per_y if on_y else 0.0
        tz += per_z if on_z else 0.0


@kernel
def _stop(energy, at, voxels, coefficients, tally, second):
    """Absorb a photon below the cut-off where it is."""
    slot = slot_at(voxels[2], at)
    deposit(tally, slot, energy)
    if second is not None:
        own = coefficients[voxels[1][at] & MATERIAL_BITS, 0, 1]
        _score_second(second, tally, slot, energy, 0, 0.0, coefficients, 1.0 / own)


@kernel
def walk_photon(energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count, second=None):
    """Follow one photon; in every voxel it crosses it scores energy x absorption coefficient x mass thickness.

    K lines and annihilation photons are pushed on the stack; electrons are absorbed where they are set free.

    Parameters
    ----------
    energy, x, y, z, u, v, w : of the photon [MeV], [cm], direction
    state : of the random numbers
    geometry : as of ``Scene``; an empty array of slots means that every voxel is its own, in the order of the array
    tables : ``PhotonTables.arrays``
    tally : (n_slots + 1,) int64 fixed point
    stack, count : where secondaries go
    second : None, or (second_slot int32, second_material uint8), both (n_slots + 1,): where second_slot[slot] is not
        negative, the kerma of the second material, on the voxel's mass, is scored in that slot too

    Returns
    -------
    state, escaped_mev
    """
    cell = geometry[3]
    scale, coefficients = tables[0], tables[1]
    ix, iy, iz = floored(x / cell[0]), floored(y / cell[1]), floored(z / cell[2])
    if not inside(ix, iy, iz, geometry[0]):
        return state, energy
    voxels, shape = flattened(geometry), geometry[0].shape
    per_x, per_y, per_z = 1.0 / cell[0], 1.0 / cell[1], 1.0 / cell[2]
    at = (iz * shape[1] + iy) * shape[2] + ix
    while energy >= scale[2]:
        i, f = table_place(energy, scale, coefficients.shape[1])
        paths, state = free_path(state)
        at, length = _fly(
            paths, energy, i, f, x, y, z, u, v, w, ix, iy, iz, voxels, shape, cell, coefficients, tally, second
        )
        if at < 0:
            return state, energy
        x, y, z = x + u * length, y + v * length, z + w * length
        ix, iy, iz = (
            voxel_along(x, per_x, shape[2]),
            voxel_along(y, per_y, shape[1]),
            voxel_along(z, per_z, shape[0]),
        )
        m = voxels[1][at] & MATERIAL_BITS
        energy, _, u, v, w, state = interact(energy, m, i, f, x, y, z, u, v, w, state, tables, stack, count, False)
    _stop(energy, at, voxels, coefficients, tally, second)
    return state, 0.0
