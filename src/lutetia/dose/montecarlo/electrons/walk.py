"""The walk of one electron or positron through voxels: condensed history of class II with random hinges.

A step ends when the elastic scattering along its path adds up to a given first transport strength; one deflection at a
point drawn evenly in that strength stands for all of it, so that voxels of any size, density and material may lie
within a step. Collisions that transfer much energy and bremsstrahlung photons are met one by one on the way.
"""

import math

from numba import uint64

from lutetia.dose.montecarlo.electrons.hard import GONE, at, event, place, settled, stays
from lutetia.dose.montecarlo.electrons.interactions import azimuth, deflection, rotated
from lutetia.dose.montecarlo.electrons.tables import (
    CUTOFF,
    INVERSE_EXPONENT,
    MAJORANT,
    MIDDLE,
    SCALE,
    SPREAD,
    STOPPING,
    STRENGTH,
    TRANSPORT,
    TRUNCATION,
)
from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.dose.montecarlo.stack import deposit, floored, slot_of
from lutetia.physics.transport import GOLDEN, MIX_1, MIX_2, advanced, uniform

WENT, STOPPED, ESCAPED, MET, VANISHED = 0, 1, 2, 3, 4
"""How a flight ended: strength used up, energy below the cut-off, out of the grid, hard event, annihilated."""
FAR = 1e300


@inlined
def substream(state, n):
    """State of the n-th step of a particle: steps draw alike however much was drawn in those before."""
    z = state + uint64(n) * GOLDEN
    z = (z ^ (z >> uint64(30))) * MIX_1
    z = (z ^ (z >> uint64(27))) * MIX_2
    z = z ^ (z >> uint64(31))
    return z if z != uint64(0) else GOLDEN


@kernel
def walk_electron(kind, energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count):
    """Follow one electron (kind -1) or positron (+1) until it stops or leaves the grid.

    Energy is scored in ``tally``; photons, and electrons that can leave their voxel, go to the ``stack``. A positron
    that stops or annihilates leaves photons; its rest energy and that of its partner come in addition.

    Parameters
    ----------
    kind, energy, x, y, z, u, v, w : of the particle. [MeV, cm]
    state : of the generator; it is advanced by the same two draws whatever happens
    geometry : density, material, slot, size of a voxel (see ``scene.Geometry``)
    tables : of ``electron_tables``
    tally, stack, count : see ``stack``

    Returns
    -------
    state, escaped kinetic energy [MeV]
    """
    after = advanced(advanced(state))
    which = 1 if kind > 0.0 else 0
    position, direction = (x, y, z), (u, v, w)
    cell = cell_of(position, geometry)
    if cell[0] < 0:
        return after, energy
    optical = -math.log(1.0 - uniform(advanced(substream(state, 0))))
    pending, step = 0.0, 0
    while True:
        step += 1
        s = advanced(substream(state, step))
        m, near = geometry[1][cell[2], cell[1], cell[0]], nearest(position, cell, geometry[3])
        if stays(which, m, energy, near * geometry[0][cell[2], cell[1], cell[0]], tables):
            pending += settled(which, m, energy, position, s, tables, stack, count)
            deposit(tally, slot_of(geometry, cell[0], cell[1], cell[2]), pending)
            return after, 0.0
        strength, rest, cosine, toward, aside, spread, middle, s = drawn(which, m, energy, s, tables)
        status = WENT
        for half in range(2):
            if half == 1:
                if status != WENT:
                    break
                direction, strength = rotated(direction, cosine, toward, aside), rest
            status, energy, position, direction, cell, near, optical, middle, s, pending = leg(
                strength, which, energy, position, direction, cell, near, optical, middle, spread, s, pending,
                geometry, tables, tally, stack, count,
            )  # fmt: skip
        if status == ESCAPED:
            return after, energy
        if status == VANISHED:
            deposit(tally, slot_of(geometry, cell[0], cell[1], cell[2]), pending)
            return after, 0.0


@inlined
def cell_of(position, geometry):
    """Cell (x, y, z) of a point; -1 first if it is outside, upper faces included."""
    x, y, z = position
    size, shape = geometry[3], geometry[0].shape
    ix, iy, iz = floored(x / size[0]), floored(y / size[1]), floored(z / size[2])
    ix = ix - 1 if x == shape[2] * size[0] else ix
    iy = iy - 1 if y == shape[1] * size[1] else iy
    iz = iz - 1 if z == shape[0] * size[2] else iz
    inside = 0 <= ix < shape[2] and 0 <= iy < shape[1] and 0 <= iz < shape[0]
    return (ix, iy, iz) if inside else (-1, -1, -1)


@inlined
def nearest(position, cell, size):
    """Distance to the nearest face of a voxel. [cm]"""
    x, y, z = position
    dx, dy, dz = x - cell[0] * size[0], y - cell[1] * size[1], z - cell[2] * size[2]
    return min(min(dx, size[0] - dx), min(dy, size[1] - dy), min(dz, size[2] - dz))


@kernel
def drawn(which, m, energy, s, tables):
    """What one step is to be: strength before and after the hinge, deflection, spread of the loss, energy halfway."""
    rows = tables[0]
    i, f = place(energy)
    before = at(rows, which, m, i, f, STRENGTH)
    after = before * uniform(s)
    s = advanced(s)
    scale, inverse = at(rows, which, m, i, f, SCALE), at(rows, which, m, i, f, INVERSE_EXPONENT)
    cosine = deflection(scale, inverse, at(rows, which, m, i, f, TRUNCATION), uniform(s))
    s = advanced(s)
    spread = 1.0 + at(rows, which, m, i, f, SPREAD) * (2.0 * uniform(s) - 1.0)
    toward, aside, s = azimuth(s)
    middle = energy * at(rows, which, m, i, f, MIDDLE)
    return before - after, after, cosine, toward, aside, spread, middle, s


@kernel
def leg(
    strength, which, energy, position, direction, cell, near, optical, middle, spread, s, pending, geometry, tables,
    tally, stack, count,
):  # fmt: skip
    """Fly until the transport strength is used up, with the hard events on the way.

    Returns
    -------
    status, energy, position, direction, cell, distance to the nearest face (a lower bound) [cm], optical depth left to
    the next event, energy halfway, state, energy not scored yet
    """
    rows = tables[0]
    while True:
        status, strength, energy, position, cell, near, optical, pending = fly(
            strength, which, energy, position, direction, cell, near, optical, middle, spread, pending, geometry, rows,
            tally,
        )  # fmt: skip
        if status != MET:
            return status, energy, position, direction, cell, near, optical, middle, s, pending
        m, rho = geometry[1][cell[2], cell[1], cell[0]], geometry[0][cell[2], cell[1], cell[0]]
        i, f = place(middle)
        left, direction, s, here = event(
            which, m, energy, position, direction, rho * nearest(position, cell, geometry[3]),
            at(rows, which, m, i, f, MAJORANT), s, tables, stack, count,
        )  # fmt: skip
        pending += here
        if left == GONE:
            return VANISHED, 0.0, position, direction, cell, near, optical, middle, s, pending
        s = advanced(s)
        optical = -math.log(1.0 - uniform(s))
        middle = left if left != energy else middle
        energy = left
        if energy <= tables[3][CUTOFF]:
            return STOPPED, energy, position, direction, cell, near, optical, middle, s, pending


@kernel
def fly(
    strength,
    which,
    energy,
    position,
    direction,
    cell,
    near,
    optical,
    middle,
    spread,
    pending,
    geometry,
    rows,
    tally,
):
    """Straight on through the voxels until the strength or the optical depth is used up, or something ends it."""
    x, y, z = position
    u, v, w = direction
    ix, iy, iz = cell
    size = geometry[3]
    i, f = place(middle)
    while True:
        m, rho = geometry[1][iz, iy, ix], float(geometry[0][iz, iy, ix])
        transport, majorant = at(rows, which, m, i, f, TRANSPORT), at(rows, which, m, i, f, MAJORANT)
        power = at(rows, which, m, i, f, STOPPING) * spread
        status, path = ending(strength, transport, optical, majorant, energy, power)
        if path >= near * rho:
            tx, ty, tz = to_face(x, u, ix, size[0]), to_face(y, v, iy, size[1]), to_face(z, w, iz, size[2])
            face = max(min(tx, ty, tz), 0.0)
            if path >= face * rho:
                loss = min(face * rho * power, energy)
                energy, strength = energy - loss, max(strength - face * rho * transport, 0.0)
                optical = max(optical - face * rho * majorant, 0.0)
                x, y, z, near = x + u * face, y + v * face, z + w * face, 0.0
                deposit(tally, slot_of(geometry, ix, iy, iz), pending + loss)
                pending = 0.0
                ix, iy, iz = neighbour(ix, iy, iz, u, v, w, tx, ty, tz)
                if outside(ix, iy, iz, geometry[0].shape):
                    return ESCAPED, strength, energy, (x, y, z), (ix, iy, iz), near, optical, pending
                if energy <= 0.0:
                    return STOPPED, strength, energy, (x, y, z), (ix, iy, iz), near, optical, pending
                continue
        far, loss = path / rho, min(path * power, energy)
        strength, optical = max(strength - path * transport, 0.0), max(optical - path * majorant, 0.0)
        place_then = (x + u * far, y + v * far, z + w * far)
        return status, strength, energy - loss, place_then, (ix, iy, iz), near - far, optical, pending + loss


@inlined
def ending(strength, transport, optical, majorant, energy, power):
    """What would end a path in one material, and its length. [g/cm2]"""
    status, path = WENT, strength / transport
    if path * majorant >= optical:
        status, path = MET, optical / majorant
    if path * power >= energy:
        status, path = STOPPED, energy / power
    return status, path


@inlined
def to_face(x, u, i, size):
    """Distance to the face of a voxel that a direction points at, along one axis. [cm]"""
    if u > 0.0:
        return ((i + 1) * size - x) / u
    return (i * size - x) / u if u < 0.0 else FAR


@inlined
def neighbour(ix, iy, iz, u, v, w, tx, ty, tz):
    """Cell behind the nearest face."""
    if tx <= ty and tx <= tz:
        return (ix + 1 if u > 0.0 else ix - 1), iy, iz
    if ty <= tz:
        return ix, (iy + 1 if v > 0.0 else iy - 1), iz
    return ix, iy, (iz + 1 if w > 0.0 else iz - 1)


@inlined
def outside(ix, iy, iz, shape):
    """Whether a cell lies out of the grid."""
    return ix < 0 or iy < 0 or iz < 0 or ix >= shape[2] or iy >= shape[1] or iz >= shape[0]
