"""What happens to an electron or positron at one point: hard events, and the end of its walk."""

import numpy as np

from lutetia.dose.montecarlo.electrons.interactions import (
    annihilated,
    azimuth,
    bhabha_transfer,
    collision_cosines,
    moller_transfer,
    photon_cosine,
    photon_energy,
    rotated,
)
from lutetia.dose.montecarlo.electrons.tables import (
    BIT_BASE,
    BITS_PER_PLACE,
    COLLISIONS,
    CUTOFF,
    EMITTED,
    HARD,
    HARD_MOST,
    HARD_SHARE,
    LEAST_TRANSFER_MEV,
    N_ENERGIES,
    PHOTON_CUTOFF,
    PHOTONS,
    RANGE,
    REJECT,
)
from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.dose.montecarlo.stack import ELECTRON, PHOTON, push
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, isotropic, uniform

GONE = -1.0
"""Energy of a positron that has annihilated in flight."""
MOST_EMITTED = 0.5
"""An electron that is expected to radiate more photons than this is followed to its end."""
LAST_PLACE = N_ENERGIES - 1.000001
PLACE_PER_BIT = 1.0 / BITS_PER_PLACE


@inlined
def place(energy):
    """Row of the grid at or below an energy, and how far the energy is on the way to the next one.

    The bits of a number grow with it, evenly within an octave. Energies outside count as the ends.
    """
    bits = int(np.float64(energy).view(np.int64))
    t = min(max(PLACE_PER_BIT * (bits - BIT_BASE), 0.0), LAST_PLACE)
    i = int(t)
    return i, t - i


@inlined
def at(rows, which, m, i, f, column):
    """Value of a column at a place in the grid."""
    low = float(rows[which, m, i, column])
    return low + f * (float(rows[which, m, i + 1, column]) - low)


@kernel
def stays(which, m, energy, near, tables):
    """Whether a particle ends in its voxel: below the cut-off, or of less range than the nearest face is far.

    ``near`` is the distance to the nearest face. [g/cm2]
    """
    rows, settings = tables[0], tables[3]
    if energy <= settings[CUTOFF]:
        return True
    if settings[REJECT] == 0.0:
        return False
    i, f = place(energy)
    return at(rows, which, m, i, f, RANGE) < near and at(rows, which, m, i, f, EMITTED) < MOST_EMITTED


@kernel
def settled(which, m, energy, position, state, tables, stack, count):
    """End a particle where it is; its energy that stays there but for a photon that it would have radiated. [MeV]

    At most one photon is drawn, with the probability of the number expected until it stops, from the spectrum at the
    energy where it would be emitted and in any direction: the mean energy radiated is right, the place is within the
    range. A positron annihilates at rest.
    """
    x, y, z = position
    rows, settings = tables[0], tables[3]
    state = advanced(state)
    q = uniform(state)
    if energy > settings[PHOTON_CUTOFF]:
        i, f = place(energy)
        if q < at(rows, which, m, i, f, EMITTED):
            emitting = min(max(energy_of_emission(rows, which, m, q), 1.000001 * settings[PHOTON_CUTOFF]), energy)
            k, state = radiated(which, emitting, m, tables, state)
            u, v, w, state = isotropic(state)
            push(stack, count, PHOTON, k, x, y, z, u, v, w)
            energy -= k
    if which == 1:
        u, v, w, state = isotropic(state)
        push(stack, count, PHOTON, ELECTRON_REST_MEV, x, y, z, u, v, w)
        push(stack, count, PHOTON, ELECTRON_REST_MEV, x, y, z, -u, -v, -w)
    return energy


@kernel
def energy_of_emission(rows, which, m, emitted):
    """Energy at which a number of photons is still to be emitted, by bisection. [MeV]"""
    low, high = 0, N_ENERGIES - 1
    while high - low > 1:
        middle = (low + high) // 2
        if rows[which, m, middle, EMITTED] > emitted:
            high = middle
        else:
            low = middle
    below = float(rows[which, m, low, EMITTED])
    span = rows[which, m, high, EMITTED] - below
    t = low + ((emitted - below) / span if span > 0.0 else 0.0)
    return np.int64(BIT_BASE + t * BITS_PER_PLACE).view(np.float64)


@kernel
def radiated(which, energy, m, tables, state):
    """Energy of a photon from an electron: (energy, state); the spectrum of the upper or lower energy by chance."""
    i, f = place(energy)
    state = advanced(state)
    i = i + 1 if uniform(state) < f else i
    return photon_energy(energy, tables[3][PHOTON_CUTOFF], tables[1][which, m, i], tables[2], state)


@kernel
def collided(which, m, energy, position, direction, near, state, tables, stack, count):
    """A Moller or Bhabha collision; the struck electron stops here or goes to the stack. Returns as ``event``."""
    settings = tables[3]
    least = max(min(settings[HARD_SHARE] * energy, settings[HARD_MOST]), LEAST_TRANSFER_MEV)
    if least >= (energy if which == 1 else 0.5 * energy):
        return energy, direction, state, 0.0
    if which == 1:
        transfer, state = bhabha_transfer(energy, least, state)
    else:
        transfer, state = moller_transfer(energy, least, state)
    scattered, struck = collision_cosines(energy, transfer)
    c, s, state = azimuth(state)
    here = 0.0
    if stays(0, m, transfer, near, tables):
        here = settled(0, m, transfer, position, state, tables, stack, count)
    else:
        x, y, z = position
        u, v, w = rotated(direction, struck, -c, -s)
        push(stack, count, ELECTRON, transfer, x, y, z, u, v, w)
    return energy - transfer, rotated(direction, scattered, c, s), state, here


@kernel
def braked(which, m, energy, position, direction, state, tables, stack, count):
    """A bremsstrahlung photon; the electron goes straight on. Returns as ``event``."""
    if energy <= tables[3][PHOTON_CUTOFF]:
        return energy, direction, state, 0.0
    k, state = radiated(which, energy, m, tables, state)
    cosine, state = photon_cosine(energy, state)
    c, s, state = azimuth(state)
    x, y, z = position
    u, v, w = rotated(direction, cosine, c, s)
    push(stack, count, PHOTON, k, x, y, z, u, v, w)
    return energy - k, direction, state, 0.0


@kernel
def in_flight(energy, position, direction, state, stack, count):
    """A positron annihilates in flight into two photons. Returns as ``event``, with the energy ``GONE``."""
    k, one, other, state = annihilated(energy, state)
    c, s, state = azimuth(state)
    x, y, z = position
    u, v, w = rotated(direction, one, c, s)
    push(stack, count, PHOTON, k, x, y, z, u, v, w)
    u, v, w = rotated(direction, other, -c, -s)
    push(stack, count, PHOTON, energy + 2.0 * ELECTRON_REST_MEV - k, x, y, z, u, v, w)
    return GONE, direction, state, 0.0


@kernel
def event(which, m, energy, position, direction, near, majorant, state, tables, stack, count):
    """A hard event, or none (the rate was a majorant): (energy, direction, state, energy left at the place).

    ``near`` is the distance to the nearest face [g/cm2]. A positron that has annihilated is ``GONE``.
    """
    rows = tables[0]
    i, f = place(energy)
    state = advanced(state)
    choice = uniform(state) * majorant
    if energy <= tables[3][CUTOFF] or choice >= at(rows, which, m, i, f, HARD):
        return energy, direction, state, 0.0
    collisions = at(rows, which, m, i, f, COLLISIONS)
    if choice < collisions:
        return collided(which, m, energy, position, direction, near, state, tables, stack, count)
    if choice < collisions + at(rows, which, m, i, f, PHOTONS):
        return braked(which, m, energy, position, direction, state, tables, stack, count)
    return in_flight(energy, position, direction, state, stack, count)
