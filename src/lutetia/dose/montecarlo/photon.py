"""What happens to a photon, as scalar functions: Klein-Nishina scattering, isotropic directions, rotation."""

import math

from numba import njit

from lutetia.dose.montecarlo.random import advanced, uniform

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


@njit(cache=True)
def isotropic(state):
    """Direction (x, y, z) uniform over the sphere, and the state."""
    state = advanced(state)
    z = 2.0 * uniform(state) - 1.0
    state = advanced(state)
    phi = 2.0 * math.pi * uniform(state)
    s = math.sqrt(max(0.0, 1.0 - z * z))
    return s * math.cos(phi), s * math.sin(phi), z, state


@njit(cache=True)
def turned(x, y, z, cosine, state):
    """Direction after a deflection by a polar angle of given cosine and a random azimuth."""
    state = advanced(state)
    phi = 2.0 * math.pi * uniform(state)
    sine = math.sqrt(max(0.0, 1.0 - cosine * cosine))
    c, s = sine * math.cos(phi), sine * math.sin(phi)
    across = math.sqrt(max(0.0, 1.0 - z * z))
    if across < 1e-9:
        return c, s, cosine if z > 0 else -cosine, state
    nx = x * cosine + (x * z * c - y * s) / across
    ny = y * cosine + (y * z * c + x * s) / across
    nz = z * cosine - across * c
    norm = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * norm, ny * norm, nz * norm, state
