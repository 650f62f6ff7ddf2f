"""Random numbers by history: the same history draws the same numbers on any thread."""

import numpy as np
from numba import njit, uint64

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
STAR = np.uint64(0x2545F4914F6CDD1D)
SCALE = 1.0 / 9007199254740992.0  # 2^-53


@njit(cache=True, inline="always")
def seeded(seed, history):
    """State of one history's generator (splitmix64 of seed and history; never zero)."""
    z = uint64(seed) * MIX_1 + (uint64(history) + uint64(1)) * GOLDEN
    z = (z ^ (z >> uint64(30))) * MIX_1
    z = (z ^ (z >> uint64(27))) * MIX_2
    z = z ^ (z >> uint64(31))
    return z if z != uint64(0) else GOLDEN


@njit(cache=True, inline="always")
def advanced(state):
    """Next state (xorshift64)."""
    state ^= state >> uint64(12)
    state ^= state << uint64(25)
    state ^= state >> uint64(27)
    return state


@njit(cache=True, inline="always")
def uniform(state):
    """Number in [0, 1) of a state (xorshift64*, the upper 53 bits)."""
    return float((state * STAR) >> uint64(11)) * SCALE
