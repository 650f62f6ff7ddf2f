"""What happens to an electron or positron at one point: hard events, and the end of its walk."""

import math

from numba import njit

from lutetia.dose.montecarlo.electrons.interactions import (
    annihilated,
    bhabha_transfer,
    collision_cosines,
    moller_transfer,
    photon_cosine,
    photon_energy,
    rotated,
)
from lutetia.dose.montecarlo.electrons.tables import (
    COLLISIONS,
    CUTOFF,
    EMITTED,
    HARD,
    HARD_MOST,
    HARD_SHARE,
    LEAST_TRANSFER_MEV,
    LOG_LEAST,
    MAJORANT,
    PER_LOG,
    PHOTON_CUTOFF,
    PHOTONS,
    RANGE,
    REJECT,
)
from lutetia.dose.montecarlo.stack import ELECTRON, PHOTON, deposit, floored, push, slot_of
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, isotropic, uniform

GONE = -1.0
"""Energy of a positron that has annihilated in flight."""
MOST_EMITTED = 0.5
"""An electron that is expected to radiate more photons than this is followed to its end."""


@njit(cache=True)
def place(energy, settings):
    """Place of an energy in the grid, in grid steps; energies outside count as the ends."""
    return max((math.log(energy) - settings[LOG_LEAST]) * settings[PER_LOG], 0.0)


@njit(cache=True)
def at(table, which, m, t, column):
    """Value of a column at a place in the grid."""
    i = min(int(t), table.shape[2] - 2)
    low = table[which, m, i, column]
    return low + (t - i) * (table[which, m, i + 1, column] - low)


@njit(cache=True)
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


@njit(cache=True)
def to_nearest(x, i, size):
    """Distance to the nearer of two faces. [cm]"""
    return min(x - i * size, (i + 1) * size - x)


@njit(cache=True)
def stays(which, energy, position, cell, geometry, tables):
    """Whether a particle ends in its voxel: below the cut-off, or of less range than the nearest face is far."""
    settings = tables[3]
    if energy <= settings[CUTOFF]:
        return True
    if settings[REJECT] == 0.0:
        return False
    ix, iy, iz = cell
    density, material, _, size = geometry
    near = min(
        to_nearest(position[0], ix, size[0]),
        to_nearest(position[1], iy, size[1]),
        to_nearest(position[2], iz, size[2]),
    )
    rows, m = tables[0], material[iz, iy, ix]
    t = place(energy, settings)
    return (
        at(rows, which, m, t, RANGE) < near * density[iz, iy, ix] and at(rows, which, m, t, EMITTED) < MOST_EMITTED
    )


@njit(cache=True)
def settled_in(which, energy, position, cell, pending, state, geometry, tables, tally, stack, count):
    """End a particle where it is: its energy stays there but for a photon that it would have radiated.

    At most one photon is drawn, with the probability of the number expected until it stops, from the spectrum at the
    energy where it would be emitted and in any direction: the mean energy radiated is right, the place is within the
    range. A positron annihilates at rest.
    """
    ix, iy, iz = cell
    x, y, z = position
    material = geometry[1][iz, iy, ix]
    rows, m, settings = tables[0], material, tables[3]
    state = advanced(state)
    q = uniform(state)
    if energy > settings[PHOTON_CUTOFF] and q < at(rows, which, m, place(energy, settings), EMITTED):
        emitting = math.exp(settings[LOG_LEAST] + place_of_emission(rows[which, m], q) / settings[PER_LOG])
        emitting = min(max(emitting, 1.000001 * settings[PHOTON_CUTOFF]), energy)
        k, state = radiated(which, emitting, material, tables, state)
        u, v, w, state = isotropic(state)
        push(stack, count, PHOTON, k, x, y, z, u, v, w)
        energy -= k
    deposit(tally, slot_of(geometry, ix, iy, iz), energy + pending)
    if which == 1:
        u, v, w, state = isotropic(state)
        push(stack, count, PHOTON, ELECTRON_REST_MEV, x, y, z, u, v, w)
        push(stack, count, PHOTON, ELECTRON_REST_MEV, x, y, z, -u, -v, -w)


@njit(cache=True)
def place_of_emission(rows, emitted):
    """Place in the grid at which a number of photons is still to be emitted, by bisection."""
    low, high = 0, rows.shape[0] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if rows[middle, EMITTED] > emitted:
            high = middle
        else:
            low = middle
    span = rows[high, EMITTED] - rows[low, EMITTED]
    return low + ((emitted - rows[low, EMITTED]) / span if span > 0.0 else 0.0)


@njit(cache=True)
def radiated(which, energy, material, tables, state):
    """Energy of a photon from an electron: (energy, state); the spectrum of the upper or lower energy by chance."""
    t = place(energy, tables[3])
    i = min(int(t), tables[1].shape[2] - 2)
    state = advanced(state)
    i = i + 1 if uniform(state) < t - i else i
    return photon_energy(energy, tables[3][PHOTON_CUTOFF], tables[1][which, material, i], tables[2], state)


@njit(cache=True)
def collided(which, energy, position, direction, cell, state, pending, geometry, tables, tally, stack, count):
    """A Moller or Bhabha collision; the struck electron stops here or goes to the stack. Returns as ``event``."""
    settings = tables[3]
    least = max(min(settings[HARD_SHARE] * energy, settings[HARD_MOST]), LEAST_TRANSFER_MEV)
    if least >= (energy if which == 1 else 0.5 * energy):
        return energy, direction, state, pending
    if which == 1:
        transfer, state = bhabha_transfer(energy, least, state)
    else:
        transfer, state = moller_transfer(energy, least, state)
    scattered, struck = collision_cosines(energy, transfer)
    state = advanced(state)
    phi = 2.0 * math.pi * uniform(state)
    u, v, w = rotated(direction, struck, phi + math.pi)
    if stays(0, transfer, position, cell, geometry, tables):
        settled_in(0, transfer, position, cell, 0.0, state, geometry, tables, tally, stack, count)
    else:
        push(stack, count, ELECTRON, transfer, position[0], position[1], position[2], u, v, w)
    return energy - transfer, rotated(direction, scattered, phi), state, pending


@njit(cache=True)
def braked(which, energy, position, direction, cell, state, pending, geometry, tables, stack, count):
    """A bremsstrahlung photon; the electron goes straight on. Returns as ``event``."""
    if energy <= tables[3][PHOTON_CUTOFF]:
        return energy, direction, state, pending
    k, state = radiated(which, energy, geometry[1][cell[2], cell[1], cell[0]], tables, state)
    cosine, state = photon_cosine(energy, state)
    state = advanced(state)
    u, v, w = rotated(direction, cosine, 2.0 * math.pi * uniform(state))
    push(stack, count, PHOTON, k, position[0], position[1], position[2], u, v, w)
    return energy - k, direction, state, pending


@njit(cache=True)
def in_flight(energy, position, direction, state, pending, stack, count):
    """A positron annihilates in flight into two photons. Returns as ``event``, with the energy ``GONE``."""
    k, one, other, state = annihilated(energy, state)
    state = advanced(state)
    phi = 2.0 * math.pi * uniform(state)
    x, y, z = position
    u, v, w = rotated(direction, one, phi)
    push(stack, count, PHOTON, k, x, y, z, u, v, w)
    u, v, w = rotated(direction, other, phi + math.pi)
    push(stack, count, PHOTON, energy + 2.0 * ELECTRON_REST_MEV - k, x, y, z, u, v, w)
    return GONE, direction, state, pending


@njit(cache=True)
def event(which, energy, position, direction, cell, t, state, pending, geometry, tables, tally, stack, count):
    """A hard event, or none (the rate was a majorant): (energy, direction, state, energy not scored yet).

    ``t`` is the place in the grid for which the majorant was taken. A positron that has annihilated is ``GONE``.
    """
    rows, m = tables[0], geometry[1][cell[2], cell[1], cell[0]]
    now = place(energy, tables[3])
    state = advanced(state)
    choice = uniform(state) * at(rows, which, m, t, MAJORANT)
    if energy <= tables[3][CUTOFF] or choice >= at(rows, which, m, now, HARD):
        return energy, direction, state, pending
    collisions = at(rows, which, m, now, COLLISIONS)
    if choice < collisions:
        return collided(
            which, energy, position, direction, cell, state, pending, geometry, tables, tally, stack, count
        )
    if choice < collisions + at(rows, which, m, now, PHOTONS):
        return braked(which, energy, position, direction, cell, state, pending, geometry, tables, stack, count)
    return in_flight(energy, position, direction, state, pending, stack, count)
