"""How photons move: random numbers by history, Klein-Nishina and coherent scattering, directions; scalar functions."""

# mypy: disable-error-code="no-untyped-def"
import math

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


ELECTRON_REST_MEV = 0.51099895


@njit(cache=True)
def compton(energy, state):
    """Scatter on a free electron at rest: (scattered energy, cosine of the angle, state).

    Composition and rejection after Kahn as in Butcher and Messel, Nucl Phys 20 (1960) 15.
    """
    alpha = energy / ELECTRON_REST_MEV
    least = 1.0 / (1.0 + 2.0 * alpha)
    a1 = -math.log(least)
    a2 = 0.5 * (1.0 - least * least)
    while True:
        state = advanced(state)
        branch = uniform(state)
        state = advanced(state)
        u = uniform(state)
        ratio = (
            math.exp(-a1 * u) if branch * (a1 + a2) < a1 else math.sqrt(least * least + (1.0 - least * least) * u)
        )
        t = (1.0 - ratio) / (alpha * ratio)
        state = advanced(state)
        if uniform(state) <= 1.0 - ratio * t * (2.0 - t) / (1.0 + ratio * ratio):
            return energy * ratio, 1.0 - t, state


@njit(cache=True, inline="always")
def in_disc(state):
    """Point (a, b) uniform in the unit disc without its centre, the square of its distance, and the state.

    Marsaglia G. Choosing a point from the surface of a sphere. Ann Math Stat 43 (1972) 645,
    doi:10.1214/aoms/1177692644.
    """
    while True:
        state = advanced(state)
        a = 2.0 * uniform(state) - 1.0
        state = advanced(state)
        b = 2.0 * uniform(state) - 1.0
        squared = a * a + b * b
        if 1e-12 < squared <= 1.0:
            return a, b, squared, state


@njit(cache=True)
def isotropic(state):
    """Direction (x, y, z) uniform over the sphere, and the state (Marsaglia 1972, from a point in the disc)."""
    a, b, squared, state = in_disc(state)
    across = 2.0 * math.sqrt(1.0 - squared)
    return a * across, b * across, 1.0 - 2.0 * squared, state


@njit(cache=True)
def turned(x, y, z, cosine, state):
    """Direction after a deflection by a polar angle of given cosine and a random azimuth.

    The azimuth is twice that of a point in the disc; it turns in a frame without a singular direction.

    References
    ----------
    Duff T, Burgess J, Christensen P et al. Building an orthonormal basis, revisited. J Comput Graph Tech 6 (2017) 1-8.
    """
    a, b, squared, state = in_disc(state)
    sine = math.sqrt(max(0.0, 1.0 - cosine * cosine)) / squared
    c, s = sine * (a * a - b * b), 2.0 * sine * a * b
    sign = math.copysign(1.0, z)
    most = -1.0 / (sign + z)
    both = x * y * most
    nx = x * cosine + (1.0 + sign * x * x * most) * c + both * s
    ny = y * cosine + sign * both * c + (sign + y * y * most) * s
    nz = z * cosine - sign * x * c - y * s
    return nx, ny, nz, state
