"""Particles that wait their turn, and the tallies in fixed point that all of them score into."""

import math
from typing import Final

from numba import njit

PHOTON: Final = 0.0
ELECTRON: Final = -1.0
POSITRON: Final = 1.0
FIELDS: Final = 8
"""Columns of a stack: kind, energy [MeV], place x, y, z [cm], direction u, v, w."""
DEPTH: Final = 512
"""Rows of a stack; secondaries are followed last in, first out, so a shower of 3 MeV needs few of them."""
FIXED_POINT: Final = float(2**34)
"""Tallies are integers of 2^-34 MeV: sums do not depend on their order; 5e8 MeV fit in one."""


@njit(cache=True, inline="always")
def floored(value):
    """Greatest whole number that is not above a value."""
    return math.floor(value)


@njit(cache=True, inline="always")
def deposit(tally, slot, energy):
    """Count energy [MeV] in a slot; slot -1 is the last one."""
    tally[slot] += int(energy * FIXED_POINT + 0.5)  # energies are not negative: towards 0 is downwards


@njit(cache=True, inline="always")
def slot_of(geometry, ix, iy, iz):
    """Tally of a voxel; every voxel its own where there are no slots, which spares a look-up on the way to the tally."""
    if geometry[2].size == 0:
        shape = geometry[0].shape
        return (iz * shape[1] + iy) * shape[2] + ix
    return geometry[2][iz, iy, ix]


@njit(cache=True)
def push(stack, count, kind, energy, x, y, z, u, v, w):
    """Leave a particle for later; ``count`` (1,) says how many wait."""
    n = count[0]
    stack[n, 0], stack[n, 1] = kind, energy
    stack[n, 2], stack[n, 3], stack[n, 4] = x, y, z
    stack[n, 5], stack[n, 6], stack[n, 7] = u, v, w
    count[0] = n + 1
