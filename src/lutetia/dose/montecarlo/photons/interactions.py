"""What becomes of a photon where it interacts, and what it sets free; scalar functions."""

import math

import numpy as np

from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.dose.montecarlo.photons.tables import COARSE, COARSE_BITS
from lutetia.dose.montecarlo.stack import ELECTRON, PHOTON, POSITRON, push
from lutetia.physics.atoms import PER_ANGSTROM_PER_MEV
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, isotropic, turned, uniform


@inlined
def table_place(energy, scale, n):
    """Lower index in the tables and the weight of the upper one."""
    at = (math.log(energy) - scale[0]) * scale[1]
    i = min(max(int(at), 0), n - 2)
    return i, min(max(at - i, 0.0), 1.0)


@inlined
def bound_share(x, m, scattering):
    """Scattering function of a material between 0 and 1 at x [1/angstrom]."""
    at = x / (x + 1.0) * (scattering.shape[1] - 1)
    i = np.uintp(int(at))
    low = scattering[m, i]
    return low + (at - i) * (scattering[m, i + np.uintp(1)] - low)


@inlined
def compton_bound(energy, m, i, f, scattering, quantiles, state):
    """Incoherent scattering: (scattered energy, cosine of the angle, state).

    The angle on a free electron by its inverse cumulative distribution, between two energies of the table; rejected
    with the scattering function. Energies are those of scattering on a free electron at rest (no Doppler broadening).
    """
    row, share = np.uintp(i >> COARSE_BITS), ((i & (COARSE - 1)) + f) * (1.0 / COARSE)
    top = PER_ANGSTROM_PER_MEV * energy
    most = bound_share(top, m, scattering)
    while True:
        state = advanced(state)
        at = uniform(state) * (quantiles.shape[1] - 1)
        k = np.uintp(at)
        low = quantiles[row, k] + share * (quantiles[row + np.uintp(1), k] - quantiles[row, k])
        high = quantiles[row, k + np.uintp(1)] + share * (
            quantiles[row + np.uintp(1), k + np.uintp(1)] - quantiles[row, k + np.uintp(1)]
        )
        t = low + (at - k) * (high - low)
        state = advanced(state)
        if uniform(state) * most <= bound_share(top * math.sqrt(0.5 * t), m, scattering):
            return energy / (1.0 + energy * (1.0 / ELECTRON_REST_MEV) * t), 1.0 - t, state


@kernel
def _below(values, row, wanted, last):
    """Greatest index under ``last`` whose value in the row is not above the wanted one."""
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if values[row, middle] > wanted:
            high = middle
        else:
            low = middle
    return low


@kernel
def coherent_cosine(energy, m, coherent, state):
    """Cosine of coherent scattering: x^2 from the integral of F^2, kept with (1 + cos^2)/2; and the state."""
    last = coherent.shape[1] - 1
    top = (PER_ANGSTROM_PER_MEV * energy) ** 2
    end = _below(coherent, 0, top, last)
    share = min((top - coherent[0, end]) / (coherent[0, end + 1] - coherent[0, end]), 1.0)
    whole = coherent[m + 1, end] + share * (coherent[m + 1, end + 1] - coherent[m + 1, end])
    while True:
        state = advanced(state)
        wanted = uniform(state) * whole
        i = _below(coherent, m + 1, wanted, end + 1)
        part = (wanted - coherent[m + 1, i]) / (coherent[m + 1, i + 1] - coherent[m + 1, i])
        squared = coherent[0, i] + part * (coherent[0, i + 1] - coherent[0, i])
        cosine = max(1.0 - 2.0 * squared / top, -1.0)
        state = advanced(state)
        if 2.0 * uniform(state) <= 1.0 + cosine * cosine:
            return cosine, state


@kernel
def sauter_cosine(energy, state):
    """Cosine between a photon and its photoelectron of kinetic ``energy``, and the state.

    Sauter's distribution for the K shell, drawn as in Salvat, PENELOPE-2018, NEA/MBDAV/R(2019)1, section 2.2.
    """
    gamma = 1.0 + energy / ELECTRON_REST_MEV
    beta = math.sqrt(energy * (energy + 2.0 * ELECTRON_REST_MEV)) / (energy + ELECTRON_REST_MEV)
    a = 1.0 / beta - 1.0
    flat = 0.5 * beta * gamma * (gamma - 1.0) * (gamma - 2.0)
    while True:
        state = advanced(state)
        q = uniform(state)
        nu = 2.0 * a / ((a + 2.0) ** 2 - 4.0 * q) * (2.0 * q + (a + 2.0) * math.sqrt(q))
        state = advanced(state)
        if uniform(state) * 2.0 * (1.0 / a + flat) <= (2.0 - nu) * (1.0 / (a + nu) + flat):
            return 1.0 - nu, state


@kernel
def ionised_shell(energy, m, i, f, shells, shell_share, first_shell, state):
    """K shell that a photoelectric event ionises, -1 for another shell; and the state."""
    if first_shell[m] == first_shell[m + 1]:
        return -1, state
    state = advanced(state)
    choice = uniform(state)
    for k in range(first_shell[m], first_shell[m + 1]):
        choice -= (1.0 - f) * shell_share[k, i] + f * shell_share[k, i + 1]
        if choice < 0.0:
            return (k if energy > shells[k, 0] else -1), state
    return -1, state


@kernel
def k_line(k, shells, state):
    """Energy of the K line emitted when the shell is filled, 0 where Auger electrons are; and the state. [MeV]"""
    state = advanced(state)
    if uniform(state) >= shells[k, 1]:
        return 0.0, state
    state = advanced(state)
    choice = uniform(state)
    if choice < shells[k, 6]:
        return shells[k, 2], state
    return (shells[k, 3] if choice < shells[k, 7] else shells[k, 4]), state


@kernel
def leave_electron(kind, energy, place, u, v, w, cutoff, state, stack, count):
    """Push an electron or positron above the cut-off; energy absorbed here instead, and the state.

    A positron below it annihilates here.
    """
    if energy >= cutoff:
        push(stack, count, kind, energy, place[0], place[1], place[2], u, v, w)
        return 0.0, state
    if kind == POSITRON:
        state = annihilate(place, state, stack, count)
    return energy, state


@kernel
def annihilate(place, state, stack, count):
    """Push two photons of 511 keV, back to back in any direction."""
    u, v, w, state = isotropic(state)
    x, y, z = place
    push(stack, count, PHOTON, ELECTRON_REST_MEV, x, y, z, u, v, w)
    push(stack, count, PHOTON, ELECTRON_REST_MEV, x, y, z, -u, -v, -w)
    return state


@kernel
def photoelectric(energy, m, i, f, place, u, v, w, state, tables, stack, count, coupled):
    """Absorption by an atom: (energy absorbed here, state).

    Where a K shell is ionised and filled with a K line above the cut-off, that is pushed, isotropic. In coupled
    transport the electron of a K shell has the photon's energy less the edge, along Sauter's distribution, and the
    KLL Auger electron, where there is no line, goes anywhere; what is left of the binding energy is absorbed here.
    An electron of another shell has the whole energy: its binding is small and becomes soft electrons here.
    """
    scale, shells = tables[0], tables[4]
    k, state = ionised_shell(energy, m, i, f, shells, tables[5], tables[6], state)
    kinetic, left, line = energy, 0.0, 0.0
    if k >= 0:
        kinetic, left = energy - shells[k, 0], shells[k, 0]
        line, state = k_line(k, shells, state)
        if line >= scale[2]:
            a, b, c, state = isotropic(state)
            push(stack, count, PHOTON, line, place[0], place[1], place[2], a, b, c)
            left -= line
    if not coupled:
        return kinetic + left, state
    if k >= 0 and line == 0.0 and shells[k, 5] >= scale[3]:
        a, b, c, state = isotropic(state)
        kept, state = leave_electron(ELECTRON, shells[k, 5], place, a, b, c, scale[3], state, stack, count)
        left -= shells[k, 5] - kept
    if kinetic < scale[3]:
        return kinetic + left, state
    cosine, state = sauter_cosine(kinetic, state)
    a, b, c, state = turned(u, v, w, cosine, state)
    kept, state = leave_electron(ELECTRON, kinetic, place, a, b, c, scale[3], state, stack, count)
    return kept + left, state


@kernel
def pair(energy, place, u, v, w, state, scale, stack, count, coupled):
    """Pair production, triplets alike: (energy absorbed here, state).

    The kinetic energy is divided evenly at random, which the cross section below 3 MeV nearly is. Without coupled
    transport it is absorbed here and two annihilation photons are pushed; with it, electron and positron are pushed,
    each at the characteristic angle m c2 / total energy to the photon, with azimuths of their own.
    """
    kinetic = energy - 2.0 * ELECTRON_REST_MEV
    if not coupled:
        return kinetic, annihilate(place, state, stack, count)
    state = advanced(state)
    first = kinetic * uniform(state)
    absorbed = 0.0
    for kind, own in ((ELECTRON, first), (POSITRON, kinetic - first)):
        angle = ELECTRON_REST_MEV / (own + ELECTRON_REST_MEV)
        a, b, c, state = turned(u, v, w, math.cos(angle), state)
        kept, state = leave_electron(kind, own, place, a, b, c, scale[3], state, stack, count)
        absorbed += kept
    return absorbed, state


@kernel
def recoil(energy, u, v, w, scattered, a, b, c):
    """Direction of the electron that took what a photon lost, from the momenta."""
    x, y, z = energy * u - scattered * a, energy * v - scattered * b, energy * w - scattered * c
    norm = math.sqrt(x * x + y * y + z * z)
    if norm < 1e-12 * energy:
        return u, v, w
    return x / norm, y / norm, z / norm


@kernel
def absorbed_or_coherent(choice, energy, m, i, f, place, u, v, w, state, tables, stack, count, coupled):
    """What else than incoherent scattering happens; arguments and results as of ``interact``."""
    scale, coefficients = tables[0], tables[1]
    g = 1.0 - f
    if choice < g * coefficients[m, i, 3] + f * coefficients[m, i + 1, 3]:
        absorbed, state = photoelectric(energy, m, i, f, place, u, v, w, state, tables, stack, count, coupled)
        return 0.0, absorbed, u, v, w, state
    if choice < g * coefficients[m, i, 4] + f * coefficients[m, i + 1, 4]:
        absorbed, state = pair(energy, place, u, v, w, state, scale, stack, count, coupled)
        return 0.0, absorbed, u, v, w, state
    cosine, state = coherent_cosine(energy, m, tables[3], state)
    u, v, w, state = turned(u, v, w, cosine, state)
    return energy, 0.0, u, v, w, state


@inlined
def interact(energy, m, i, f, x, y, z, u, v, w, state, tables, stack, count, coupled):
    """A photon's interaction in material ``m``: (its energy after, energy absorbed here, u, v, w, state).

    The energy after is 0 where the photon is gone and may be below the cut-off. Photons set free are pushed, and in
    coupled transport the electrons above their cut-off.
    """
    scale, coefficients = tables[0], tables[1]
    g = 1.0 - f
    state = advanced(state)
    choice = uniform(state) * (g * coefficients[m, i, 0] + f * coefficients[m, i + 1, 0])
    if choice < g * coefficients[m, i, 2] + f * coefficients[m, i + 1, 2]:
        scattered, cosine, state = compton_bound(energy, m, i, f, tables[2], tables[7], state)
        a, b, c, state = turned(u, v, w, cosine, state)
        absorbed = energy - scattered
        if coupled and absorbed >= scale[3]:
            p, q, r = recoil(energy, u, v, w, scattered, a, b, c)
            push(stack, count, ELECTRON, absorbed, x, y, z, p, q, r)
            absorbed = 0.0
        return scattered, absorbed, a, b, c, state
    return absorbed_or_coherent(choice, energy, m, i, f, (x, y, z), u, v, w, state, tables, stack, count, coupled)
