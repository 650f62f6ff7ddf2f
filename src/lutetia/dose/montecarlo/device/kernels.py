"""Kernels that follow histories on a CUDA device, each thread one after the other. Imported on demand only.

The physics is that of the processor (see ``port``); what differs is how a tally is added to, for many threads share it.
Tallies are whole numbers, so that their sums do not depend on the order of the threads. Arithmetic is without the
freedoms that the processor's photons have, so that single histories may differ in the last bits.
"""

import math
from typing import Any, Final

import numpy as np
from numba import cuda

from lutetia.dose.montecarlo import follow
from lutetia.dose.montecarlo.device.port import Port
from lutetia.dose.montecarlo.electrons.walk import walk_electron
from lutetia.dose.montecarlo.photons.walk import walk_photon
from lutetia.dose.montecarlo.photons.woodcock import walk_photon_analog, walk_photon_collision
from lutetia.dose.montecarlo.stack import DEPTH, FIELDS, FIXED_POINT, PHOTON

PHOTON_DEPTH: Final = 16
"""Rows of a stack where photons alone are followed: none leaves more than two, and pairs make pairs no more than once."""

device = cuda.jit(device=True)


@device
def floored(value):
    """As ``stack.floored``; on devices ``math.floor`` gives no whole number."""
    return np.int64(math.floor(value))


@device
def deposit(tally, slot, energy):
    """As ``stack.deposit``, for many threads."""
    cuda.atomic.add(tally, slot if slot >= 0 else tally.size - 1, floored(energy * FIXED_POINT + 0.5))


@device
def flattened(geometry):
    """As ``photons.walk.flattened``; the host laid the arrays out."""
    return geometry[4]


ported: Final = Port(device, {"floored": floored, "deposit": deposit, "flattened": flattened})
begun, counted, carried, popped = (ported(f) for f in (follow.begun, follow.counted, follow.carried, follow.popped))
photon, electron = ported(walk_photon), ported(walk_electron)
photon_by_collision, photon_analog = ported(walk_photon_collision), ported(walk_photon_analog)


@device
def by_track_length(_kind, energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count):
    """One photon."""
    return photon(energy, x, y, z, u, v, w, state, geometry, tables[0], tally, stack, count, None)


@device
def by_track_length_twice(_kind, energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count):
    """One photon that scores kerma in a second material too."""
    return photon(energy, x, y, z, u, v, w, state, geometry, tables[0], tally, stack, count, tables[2])


@device
def by_collision(_kind, energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count):
    """One photon."""
    return photon_by_collision(energy, x, y, z, u, v, w, state, geometry, tables[0], tables[1], tally, stack, count)


@device
def analog(_kind, energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count):
    """One photon."""
    return photon_analog(energy, x, y, z, u, v, w, state, geometry, tables[0], tables[1], tally, stack, count, 0)


@device
def coupled(kind, energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count):
    """One particle of any kind; photons leave their electrons to be followed."""
    if kind == PHOTON:
        return photon_analog(
            energy, x, y, z, u, v, w, state, geometry, tables[0], tables[1], tally, stack, count, 1
        )
    return electron(kind, energy, x, y, z, u, v, w, state, geometry, tables[2], tally, stack, count)


@device
def charged(kind, energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count):
    """One particle of any kind; photons score by track length."""
    if kind == PHOTON:
        return photon(energy, x, y, z, u, v, w, state, geometry, tables[0], tally, stack, count, None)
    return electron(kind, energy, x, y, z, u, v, w, state, geometry, tables[2], tally, stack, count)


def _kernel(walk: Any, depth: int) -> Any:
    """Kernel of histories that follow their particles by a walk."""

    @cuda.jit
    def run(kind, start, stop, per_batch, first, seed, source, geometry, tables, tallies, emitted, escaped):
        """Histories from ``start`` to ``stop``; batch b scores into ``tallies[b]``, neighbours into different ones."""
        stack = cuda.local.array((depth, FIELDS), np.float64)
        count = cuda.local.array(1, np.int64)
        count[0] = 0
        n = start + cuda.grid(1)
        while n < stop:
            b, h = n % tallies.shape[0], n // tallies.shape[0]
            energy, x, y, z, u, v, w, state = begun(h, per_batch, first + b * per_batch + h, seed, source, geometry)
            which = kind
            cuda.atomic.add(emitted, b, counted(carried(kind, energy)))
            while True:
                state, left = walk(
                    which, energy, x, y, z, u, v, w, state, geometry, tables, tallies[b], stack, count
                )
                cuda.atomic.add(escaped, b, counted(carried(which, left)))
                if count[0] == 0:
                    break
                which, energy, x, y, z, u, v, w = popped(stack, count)
            n += cuda.gridsize(1)

    return run


KERNELS: Final = {
    "track length": _kernel(by_track_length, PHOTON_DEPTH),
    "track length twice": _kernel(by_track_length_twice, PHOTON_DEPTH),
    "collision": _kernel(by_collision, PHOTON_DEPTH),
    "analog": _kernel(analog, PHOTON_DEPTH),
    "coupled": _kernel(coupled, DEPTH),
    "electrons": _kernel(charged, DEPTH),
}
"""By estimator of the photons; "electrons" are those of ``follow_electrons``."""
