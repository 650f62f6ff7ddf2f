"""Electrons from a point in an infinite medium: where their energy is absorbed, by distance."""

import math
from typing import Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lutetia.dose.montecarlo.electrons.hard import at, event, place
from lutetia.dose.montecarlo.electrons.interactions import rotated
from lutetia.dose.montecarlo.electrons.tables import (
    CUTOFF,
    LOWEST_MEV,
    MAJORANT,
    STOPPING,
    TRANSPORT,
    electron_tables,
)
from lutetia.dose.montecarlo.electrons.walk import FAR, MET, drawn, ending, substream
from lutetia.dose.montecarlo.photons.compiled import kernel
from lutetia.dose.montecarlo.stack import DEPTH, ELECTRON, FIELDS, FIXED_POINT, deposit
from lutetia.physics.materials import Material
from lutetia.physics.stopping import csda_range_g_per_cm2
from lutetia.physics.transport import advanced, isotropic, seeded, uniform

N_BATCHES: Final = 10
CUTOFF_SHARE: Final = 0.01
"""Energy at which electrons stop, as a share of what they start with: a thousandth of the range."""
LOSS_PER_STEP: Final = 0.05


@kernel
def _score(position, energy, edges, shells):
    x, y, z = position
    i = np.searchsorted(edges, math.sqrt(x * x + y * y + z * z), side="right") - 1
    deposit(shells, min(i, edges.size - 1), energy)


@kernel
def _leg(strength, energy, position, direction, optical, middle, spread, s, tables, edges, shells, stack, count):
    """Fly until the strength is used up; as ``walk.leg`` in one medium, scored by distance from the origin."""
    rows = tables[0]
    while True:
        i, f = place(middle)
        transport, majorant = at(rows, 0, 0, i, f, TRANSPORT), at(rows, 0, 0, i, f, MAJORANT)
        power = at(rows, 0, 0, i, f, STOPPING) * spread
        status, path = ending(strength, transport, optical, majorant, energy, power)
        x, y, z = position
        u, v, w = direction
        s = advanced(s)
        where = path * uniform(s)
        loss = min(path * power, energy)
        _score((x + u * where, y + v * where, z + w * where), loss, edges, shells)
        position = (x + u * path, y + v * path, z + w * path)
        energy, strength, optical = energy - loss, strength - path * transport, max(optical - path * majorant, 0.0)
        if status != MET:
            return energy, position, direction, optical, middle, s
        energy, direction, s, here = event(
            0, 0, energy, position, direction, FAR, majorant, s, tables, stack, count
        )
        _score(position, here, edges, shells)
        s = advanced(s)
        optical = -math.log(1.0 - uniform(s))
        middle = energy
        if energy <= tables[3][CUTOFF]:
            return energy, position, direction, optical, middle, s


@kernel
def _follow(energy, position, direction, state, tables, edges, shells, stack, count):
    """One electron to its end; what it sets free goes to the stack."""
    optical = -math.log(1.0 - uniform(advanced(substream(state, 0))))
    step = 0
    while energy > tables[3][CUTOFF]:
        step += 1
        s = advanced(substream(state, step))
        strength, rest, cosine, toward, aside, spread, middle, s = drawn(0, 0, energy, s, tables)
        energy, position, direction, optical, middle, s = _leg(
            strength, energy, position, direction, optical, middle, spread, s, tables, edges, shells, stack, count
        )
        if energy > tables[3][CUTOFF]:
            direction = rotated(direction, cosine, toward, aside)
            energy, position, direction, optical, middle, s = _leg(
                rest, energy, position, direction, optical, middle, spread, s, tables, edges, shells, stack, count
            )
    _score(position, energy, edges, shells)
    return advanced(advanced(state))


@kernel
def _history(energy, state, tables, edges, shells, stack, count):
    """One electron from the origin with all that it sets free; photons leave for ever: energy radiated. [MeV]"""
    u, v, w, state = isotropic(state)
    state = _follow(energy, (0.0, 0.0, 0.0), (u, v, w), state, tables, edges, shells, stack, count)
    radiated = 0.0
    while count[0] > 0:
        count[0] -= 1
        n = count[0]
        if stack[n, 0] == ELECTRON:
            state = _follow(
                stack[n, 1], (stack[n, 2], stack[n, 3], stack[n, 4]), (stack[n, 5], stack[n, 6], stack[n, 7]), state,
                tables, edges, shells, stack, count,
            )  # fmt: skip
        else:
            radiated += stack[n, 1]
    return radiated


@njit(cache=True, parallel=True)
def _shells(per_batch, energy, seed, tables, edges, tallies, radiated):
    for b in prange(tallies.shape[0]):
        stack, count = np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64)
        for h in range(per_batch):
            state = seeded(seed, b * per_batch + h)
            radiated[b] += _history(energy, state, tables, edges, tallies[b], stack, count)


def electron_absorbed_by_distance(
    *, material: Material, energy_mev: float, edges: NDArray[np.float64], n_histories: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Fraction of an electron's energy absorbed in spherical shells around an isotropic point source.

    Condensed history as in ``walk``: energy-loss straggling, secondary electrons and multiple scattering; the
    bremsstrahlung above 1 keV leaves.

    Parameters
    ----------
    material : of the infinite medium
    energy_mev : of the electrons, 0.002 to 4. [MeV]
    edges : (n + 1,) increasing radii from 0, in ranges of the electron (``csda_range_g_per_cm2``)
    n_histories, seed : of the Monte Carlo

    Returns
    -------
    fraction, standard_uncertainty : (n,) each
    radiated : fraction of the energy that leaves as photons; what is missing to 1 lies beyond the last edge
    """
    cutoff = max(LOWEST_MEV, CUTOFF_SHARE * energy_mev)
    tables = electron_tables(
        [material],
        cutoff_mev=cutoff,
        photon_cutoff_mev=LOWEST_MEV,
        loss_per_step=LOSS_PER_STEP,
        range_rejection=False,
    )
    reach = float(csda_range_g_per_cm2(material, energy_mev))
    tallies, radiated = np.zeros((N_BATCHES, edges.size), np.int64), np.zeros(N_BATCHES)
    per_batch = n_histories // N_BATCHES
    edges_g_per_cm2 = np.asarray(edges, np.float64) * reach
    _shells(per_batch, energy_mev, np.uint64(seed), tables, edges_g_per_cm2, tallies, radiated)
    batches = tallies[:, :-1] / FIXED_POINT / per_batch / energy_mev
    spread = batches.std(axis=0, ddof=1) / math.sqrt(N_BATCHES)
    return batches.mean(axis=0), spread, float(radiated.sum()) / (per_batch * N_BATCHES * energy_mev)
