"""Electrons from a point in an infinite medium: where their energy is absorbed, by distance."""

import math
from typing import Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lutetia.dose.montecarlo.electrons.borrowed import borrowed
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
from lutetia.dose.montecarlo.electrons.walk import FAR, drawn, substream
from lutetia.dose.montecarlo.stack import DEPTH, ELECTRON, FIELDS, FIXED_POINT, deposit
from lutetia.physics.materials import Material
from lutetia.physics.stopping import csda_range_g_per_cm2
from lutetia.physics.transport import advanced, isotropic, seeded, uniform

N_BATCHES: Final = 10
CUTOFF_SHARE: Final = 0.01
"""Energy at which electrons stop, as a share of what they start with: a thousandth of the range."""
LOSS_PER_STEP: Final = 0.05


@njit(cache=True)
def _score(position, energy, edges, shells):
    x, y, z = position
    i = np.searchsorted(edges, math.sqrt(x * x + y * y + z * z), side="right") - 1
    deposit(shells, min(i, edges.size - 1), energy)


@njit(cache=True)
def _leg(
    strength, energy, position, direction, optical, t, spread, s, medium, tables, edges, shells, here, stack, count
):
    """Fly until the strength is used up; as ``walk.leg`` in one medium, scored by distance from the origin."""
    rows = tables[0]
    while True:
        transport, majorant = at(rows, 0, 0, t, TRANSPORT), at(rows, 0, 0, t, MAJORANT)
        power = at(rows, 0, 0, t, STOPPING) * spread
        to_event = optical / majorant if majorant > 0.0 else FAR
        path = min(strength / transport, to_event, energy / power)
        met = path == to_event
        x, y, z = position
        u, v, w = direction
        s = advanced(s)
        where = path * uniform(s)
        loss = min(path * power, energy)
        _score((x + u * where, y + v * where, z + w * where), loss, edges, shells)
        position = (x + u * path, y + v * path, z + w * path)
        energy, strength, optical = energy - loss, strength - path * transport, max(optical - path * majorant, 0.0)
        if not met:
            return energy, position, direction, optical, t, s
        energy, direction, s, _ = event(
            0, energy, position, direction, (0, 0, 0), t, s, 0.0, medium, tables, here, stack, count
        )
        _score(position, here[0] / FIXED_POINT, edges, shells)
        here[0] = 0
        s = advanced(s)
        optical = -math.log(1.0 - uniform(s))
        if energy <= tables[3][CUTOFF]:
            return energy, position, direction, optical, t, s
        t = place(energy, tables[3])


@njit(cache=True)
def _follow(energy, position, direction, state, medium, tables, edges, shells, here, stack, count):
    """One electron to its end; what it sets free goes to the stack."""
    optical = -math.log(1.0 - uniform(advanced(substream(state, 0))))
    step = 0
    while energy > tables[3][CUTOFF]:
        step += 1
        s = advanced(substream(state, step))
        strength, hinge, cosine, phi, spread, t, s = drawn(0, 0, energy, s, tables)
        energy, position, direction, optical, t, s = _leg(
            strength * hinge, energy, position, direction, optical, t, spread, s, medium, tables, edges, shells, here,
            stack, count,
        )  # fmt: skip
        if energy > tables[3][CUTOFF]:
            direction = rotated(direction, cosine, phi)
            energy, position, direction, optical, t, s = _leg(
                strength * (1.0 - hinge), energy, position, direction, optical, t, spread, s, medium, tables, edges,
                shells, here, stack, count,
            )  # fmt: skip
    _score(position, energy, edges, shells)
    return advanced(advanced(state))


@njit(cache=True)
def _history(energy, state, medium, tables, edges, shells, here, stack, count):
    """One electron from the origin with all that it sets free; photons leave for ever: energy radiated. [MeV]"""
    u, v, w, state = isotropic(state)
    state = _follow(energy, (0.0, 0.0, 0.0), (u, v, w), state, medium, tables, edges, shells, here, stack, count)
    radiated = 0.0
    while count[0] > 0:
        count[0] -= 1
        row = stack[count[0]]
        if row[0] == ELECTRON:
            state = _follow(
                row[1], (row[2], row[3], row[4]), (row[5], row[6], row[7]), state, medium, tables, edges, shells, here,
                stack, count,
            )  # fmt: skip
        else:
            radiated += row[1]
    return radiated


@njit(cache=True, parallel=True)
def _shells(per_batch, energy, seed, medium, tables, edges, tallies, radiated):
    for b in prange(tallies.shape[0]):
        stack, count, here = np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64), np.zeros(2, np.int64)
        one = (borrowed(medium[0]), borrowed(medium[1]), borrowed(medium[2]), borrowed(medium[3]))
        held = (borrowed(tables[0]), borrowed(tables[1]), borrowed(tables[2]), borrowed(tables[3]))
        for h in range(per_batch):
            state = seeded(seed, b * per_batch + h)
            radiated[b] += _history(
                energy, state, one, held, borrowed(edges), borrowed(tallies[b]), borrowed(here), borrowed(stack),
                borrowed(count),
            )  # fmt: skip


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
    medium = (
        np.ones((1, 1, 1), np.float32),
        np.zeros((1, 1, 1), np.uint8),
        np.zeros((1, 1, 1), np.int32),
        np.full(3, FAR),
    )
    reach = float(csda_range_g_per_cm2(material, energy_mev))
    tallies, radiated = np.zeros((N_BATCHES, edges.size), np.int64), np.zeros(N_BATCHES)
    per_batch = n_histories // N_BATCHES
    edges_g_per_cm2 = np.asarray(edges, np.float64) * reach
    _shells(per_batch, energy_mev, np.uint64(seed), medium, tables, edges_g_per_cm2, tallies, radiated)
    batches = tallies[:, :-1] / FIXED_POINT / per_batch / energy_mev
    spread = batches.std(axis=0, ddof=1) / math.sqrt(N_BATCHES)
    return batches.mean(axis=0), spread, float(radiated.sum()) / (per_batch * N_BATCHES * energy_mev)
