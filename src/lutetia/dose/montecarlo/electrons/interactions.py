"""Single interactions of electrons and positrons: deflection of a step, hard collisions, bremsstrahlung, annihilation."""

import math

from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, uniform


@inlined
def deflection(scale, inverse_exponent, truncation, q):
    """Cosine of the deflection in a step, from a uniform number (see ``deflection.pareto``)."""
    return 1.0 - min(scale * (math.exp(-inverse_exponent * math.log(1.0 - truncation * q)) - 1.0), 2.0)


@kernel
def azimuth(state):
    """Cosine and sine of an angle evenly drawn, and the state: a point in the unit disc at half of the angle."""
    while True:
        state = advanced(state)
        x = 2.0 * uniform(state) - 1.0
        state = advanced(state)
        y = 2.0 * uniform(state) - 1.0
        r2 = x * x + y * y
        if 0.0 < r2 <= 1.0:
            return (x * x - y * y) / r2, 2.0 * x * y / r2, state


@inlined
def rotated(direction, cosine, toward, aside):
    """Direction after a deflection of given cosine, and of given cosine and sine of the azimuth.

    References
    ----------
    Duff T, et al. Building an orthonormal basis, revisited. J Comput Graph Tech 6 (2017) 1-8.
    """
    x, y, z = direction
    sine = math.sqrt(max(0.0, 1.0 - cosine * cosine))
    c, s = sine * toward, sine * aside
    sign = math.copysign(1.0, z)
    a = -1.0 / (sign + z)
    b = x * y * a
    nx = x * cosine + (1.0 + sign * x * x * a) * c + b * s
    ny = y * cosine + sign * b * c + (sign + y * y * a) * s
    nz = z * cosine - sign * x * c - y * s
    norm = 1.5 - 0.5 * (nx * nx + ny * ny + nz * nz)  # of a length that is 1 but for rounding
    return nx * norm, ny * norm, nz * norm


@kernel
def moller_transfer(energy, least, state):
    """Energy that an electron gives to another one at rest, from ``least`` to half of its own: (transfer, state).

    The spectrum is that of ``collisions.moller_bhabha_per_mev``, by rejection from 1 / W^2.
    """
    gamma = energy / ELECTRON_REST_MEV + 1.0
    a = ((gamma - 1.0) / gamma) ** 2
    b = (2.0 * gamma - 1.0) / gamma**2
    most = max(1.0, 2.0 + 0.25 * a - b)
    while True:
        state = advanced(state)
        w = 1.0 / (1.0 / least - uniform(state) * (1.0 / least - 2.0 / energy))
        x = w / (energy - w)
        state = advanced(state)
        if uniform(state) * most <= 1.0 + x * x + a * (w / energy) ** 2 - b * x:
            return w, state


@kernel
def bhabha_transfer(energy, least, state):
    """Energy that a positron gives to an electron at rest, from ``least`` to all of its own: (transfer, state)."""
    gamma = energy / ELECTRON_REST_MEV + 1.0
    y = 1.0 / (gamma + 1.0)
    beta2 = 1.0 - 1.0 / (gamma * gamma)
    b1, b2 = 2.0 - y * y, (1.0 - 2.0 * y) * (3.0 + y * y)
    b4 = (1.0 - 2.0 * y) ** 3
    b3 = b4 + (1.0 - 2.0 * y) ** 2
    while True:
        state = advanced(state)
        w = 1.0 / (1.0 / least - uniform(state) * (1.0 / least - 1.0 / energy))
        x = w / energy
        state = advanced(state)
        if uniform(state) <= 1.0 - beta2 * x * (b1 - x * (b2 - x * (b3 - x * b4))):
            return w, state


@kernel
def collision_cosines(energy, transfer):
    """Cosines of the directions of the scattered and of the struck electron against the incoming one."""
    double = 2.0 * ELECTRON_REST_MEV
    rest = energy - transfer
    scattered = math.sqrt(max(0.0, rest * (energy + double) / (energy * (rest + double))))
    struck = math.sqrt(min(1.0, transfer * (energy + double) / (energy * (transfer + double))))
    return scattered, struck


@kernel
def highest(values):
    """Greatest of some values."""
    most = values[0]
    for i in range(1, values.size):
        most = max(most, values[i])
    return most


@kernel
def below(values, wanted):
    """Lower index of the interval of increasing values that holds the wanted one."""
    low, high = 0, values.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle
        else:
            high = middle
    return low


@kernel
def photon_energy(energy, least, spectrum, shares, state):
    """Energy of a bremsstrahlung photon above ``least``: (energy, state), by rejection from 1 / k.

    ``spectrum`` is k dn/dk at the ``shares`` of the electron's energy, in any unit.
    """
    most = highest(spectrum)
    log_span = math.log(energy / least)
    while True:
        state = advanced(state)
        k = least * math.exp(uniform(state) * log_span)
        share = min(k / energy, 1.0)
        i = below(shares, share)
        f = (share - shares[i]) / (shares[i + 1] - shares[i])
        state = advanced(state)
        if uniform(state) * most <= spectrum[i] + f * (spectrum[i + 1] - spectrum[i]):
            return min(k, energy), state


@kernel
def photon_cosine(energy, state):
    """Cosine of a bremsstrahlung photon against its electron: a dipole at rest, seen moving: (cosine, state)."""
    gamma = energy / ELECTRON_REST_MEV + 1.0
    beta = math.sqrt(1.0 - 1.0 / (gamma * gamma))
    while True:
        state = advanced(state)
        c = 2.0 * uniform(state) - 1.0
        state = advanced(state)
        if 2.0 * uniform(state) <= 1.0 + c * c:
            return (c + beta) / (1.0 + beta * c), state


@kernel
def annihilated(energy, state):
    """Two photons of a positron annihilated in flight: (energy of one, its cosine, cosine of the other, state).

    Heitler's cross section; the energies sum to that of the positron and two electron masses.
    """
    gamma = energy / ELECTRON_REST_MEV + 1.0
    root = math.sqrt(gamma * gamma - 1.0)
    least = 1.0 / (gamma + 1.0 + root)
    log_span = math.log((1.0 - least) / least)
    while True:
        state = advanced(state)
        share = least * math.exp(uniform(state) * log_span)
        state = advanced(state)
        height = 1.0 - share + (2.0 * gamma * share - 1.0) / (share * (gamma + 1.0) ** 2)
        if uniform(state) <= height:
            break
    one = (gamma + 1.0 - 1.0 / share) / root
    other = (gamma + 1.0 - 1.0 / (1.0 - share)) / root
    return share * (energy + 2.0 * ELECTRON_REST_MEV), min(max(one, -1.0), 1.0), min(max(other, -1.0), 1.0), state
