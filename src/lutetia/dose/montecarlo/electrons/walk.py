"""The walk of one electron or positron through voxels: condensed history of class II with random hinges.

A step ends when the elastic scattering along its path adds up to a given first transport strength; one deflection at a
point drawn evenly in that strength stands for all of it, so that voxels of any size, density and material may lie
within a step. Collisions that transfer much energy and bremsstrahlung photons are met one by one on the way.
"""

import math

from numba import njit, uint64

from lutetia.dose.montecarlo.electrons.borrowed import borrowed
from lutetia.dose.montecarlo.electrons.hard import GONE, at, cell_of, event, place, settled_in, stays
from lutetia.dose.montecarlo.electrons.interactions import deflection, rotated
from lutetia.dose.montecarlo.electrons.tables import (
    CUTOFF,
    INVERSE_EXPONENT,
    MAJORANT,
    SCALE,
    SHIFT,
    SPREAD,
    STOPPING,
    STRENGTH,
    TRANSPORT,
    TRUNCATION,
)
from lutetia.dose.montecarlo.stack import deposit, slot_of
from lutetia.physics.transport import GOLDEN, MIX_1, MIX_2, advanced, uniform

WENT, STOPPED, ESCAPED, MET, VANISHED = 0, 1, 2, 3, 4
"""How a flight ended: strength used up, energy below the cut-off, out of the grid, hard event, annihilated."""
FAR = 1e300


@njit(cache=True)
def substream(state, n):
    """State of the n-th step of a particle: steps draw alike however much was drawn in those before."""
    z = state + uint64(n) * GOLDEN
    z = (z ^ (z >> uint64(30))) * MIX_1
    z = (z ^ (z >> uint64(27))) * MIX_2
    z = z ^ (z >> uint64(31))
    return z if z != uint64(0) else GOLDEN


@njit(cache=True)
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
    geometry = (borrowed(geometry[0]), borrowed(geometry[1]), borrowed(geometry[2]), borrowed(geometry[3]))
    tables = (borrowed(tables[0]), borrowed(tables[1]), borrowed(tables[2]), borrowed(tables[3]))
    return followed(
        kind,
        energy,
        (x, y, z),
        (u, v, w),
        state,
        geometry,
        tables,
        borrowed(tally),
        borrowed(stack),
        borrowed(count),
    )


@njit(cache=True)
def followed(kind, energy, position, direction, state, geometry, tables, tally, stack, count):
    """As ``walk_electron``, with the place and the direction as tuples."""
    after = advanced(advanced(state))
    which = 1 if kind > 0.0 else 0
    cell = cell_of(position, geometry)
    if cell[0] < 0:
        return after, energy
    optical = -math.log(1.0 - uniform(advanced(substream(state, 0))))
    pending = 0.0
    step = 0
    while True:
        step += 1
        s = advanced(substream(state, step))
        if stays(which, energy, position, cell, geometry, tables):
            settled_in(which, energy, position, cell, pending, s, geometry, tables, tally, stack, count)
            return after, 0.0
        strength, hinge, cosine, phi, spread, t, s = drawn(
            which, geometry[1][cell[2], cell[1], cell[0]], energy, s, tables
        )
        status, energy, position, direction, cell, optical, t, s, pending = leg(
            strength * hinge, which, energy, position, direction, cell, optical, t, spread, s, pending,
            geometry, tables, tally, stack, count,
        )  # fmt: skip
        if status == WENT:
            direction = rotated(direction, cosine, phi)
            status, energy, position, direction, cell, optical, t, s, pending = leg(
                strength * (1.0 - hinge), which, energy, position, direction, cell, optical, t, spread, s, pending,
                geometry, tables, tally, stack, count,
            )  # fmt: skip
        if status == ESCAPED:
            return after, energy
        if status == VANISHED:
            deposit(tally, slot_of(geometry, cell[0], cell[1], cell[2]), pending)
            return after, 0.0


@njit(cache=True)
def drawn(which, m, energy, s, tables):
    """What one step is to be: strength, share before the hinge, deflection, spread of the loss, middle of the energy."""
    rows = tables[0]
    t = place(energy, tables[3])
    hinge = uniform(s)
    s = advanced(s)
    scale, inverse = at(rows, which, m, t, SCALE), at(rows, which, m, t, INVERSE_EXPONENT)
    cosine = deflection(scale, inverse, at(rows, which, m, t, TRUNCATION), uniform(s))
    s = advanced(s)
    phi = 2.0 * math.pi * uniform(s)
    s = advanced(s)
    spread = 1.0 + at(rows, which, m, t, SPREAD) * (2.0 * uniform(s) - 1.0)
    middle = max(t - at(rows, which, m, t, SHIFT), 0.0)
    return at(rows, which, m, t, STRENGTH), hinge, cosine, phi, spread, middle, s


@njit(cache=True)
def leg(strength, which, energy, position, direction, cell, optical, t, spread, s, pending, geometry, tables, tally,
        stack, count):  # fmt: skip
    """Fly until the transport strength is used up, with the hard events on the way.

    Returns
    -------
    status (WENT, STOPPED or ESCAPED), energy, position, direction, cell, optical depth left to the next event, place
    in the energy grid, state, energy not scored yet
    """
    while True:
        status, strength, energy, position, cell, optical, pending = fly(
            strength, which, energy, position, direction, cell, optical, t, spread, pending, geometry, tables, tally
        )
        if status != MET:
            return status, energy, position, direction, cell, optical, t, s, pending
        left, direction, s, pending = event(
            which, energy, position, direction, cell, t, s, pending, geometry, tables, tally, stack, count
        )
        if left == GONE:
            return VANISHED, 0.0, position, direction, cell, optical, t, s, pending
        s = advanced(s)
        optical = -math.log(1.0 - uniform(s))
        if left != energy:
            t = place(left, tables[3])
        energy = left
        if energy <= tables[3][CUTOFF]:
            return STOPPED, energy, position, direction, cell, optical, t, s, pending


@njit(cache=True)
def fly(strength, which, energy, position, direction, cell, optical, t, spread, pending, geometry, tables, tally):
    """Straight on through the voxels until the strength or the optical depth is used up, or something ends it."""
    density, material, _, size = geometry
    u, v, w = direction
    x, y, z = position
    ix, iy, iz = cell
    while True:
        rows, m = tables[0], material[iz, iy, ix]
        rho = density[iz, iy, ix]
        tx, ty, tz = to_face(x, u, ix, size[0]), to_face(y, v, iy, size[1]), to_face(z, w, iz, size[2])
        face = max(min(tx, ty, tz), 0.0)
        transport, majorant = at(rows, which, m, t, TRANSPORT), at(rows, which, m, t, MAJORANT)
        power = at(rows, which, m, t, STOPPING) * spread
        to_hinge = strength / transport
        to_event = optical / majorant if majorant > 0.0 else FAR
        path = min(to_hinge, to_event, energy / power)
        crosses = path >= face * rho
        path, far = (face * rho, face) if crosses else (path, path / rho)
        loss = min(path * power, energy)
        energy, pending = energy - loss, pending + loss
        strength, optical = max(strength - path * transport, 0.0), max(optical - path * majorant, 0.0)
        x, y, z = x + u * far, y + v * far, z + w * far
        if not crosses:
            return ending(path, to_hinge, to_event), strength, energy, (x, y, z), (ix, iy, iz), optical, pending
        deposit(tally, slot_of(geometry, ix, iy, iz), pending)
        pending = 0.0
        ix, iy, iz = neighbour(ix, iy, iz, u, v, w, tx, ty, tz)
        if outside(ix, iy, iz, density.shape):
            return ESCAPED, strength, energy, (x, y, z), (ix, iy, iz), optical, pending
        if energy <= 0.0:
            return STOPPED, strength, energy, (x, y, z), (ix, iy, iz), optical, pending


@njit(cache=True)
def ending(path, to_hinge, to_event):
    """Which of the ends a path came to."""
    if path == to_event:
        return MET
    return WENT if path == to_hinge else STOPPED


@njit(cache=True)
def to_face(x, u, i, size):
    """Distance to the face of a voxel that a direction points at, along one axis. [cm]"""
    if u > 0.0:
        return ((i + 1) * size - x) / u
    return (i * size - x) / u if u < 0.0 else FAR


@njit(cache=True)
def neighbour(ix, iy, iz, u, v, w, tx, ty, tz):
    """Cell behind the nearest face."""
    if tx <= ty and tx <= tz:
        return (ix + 1 if u > 0.0 else ix - 1), iy, iz
    if ty <= tz:
        return ix, (iy + 1 if v > 0.0 else iy - 1), iz
    return ix, iy, (iz + 1 if w > 0.0 else iz - 1)


@njit(cache=True)
def outside(ix, iy, iz, shape):
    """Whether a cell lies out of the grid."""
    return ix < 0 or iy < 0 or iz < 0 or ix >= shape[2] or iy >= shape[1] or iz >= shape[0]
