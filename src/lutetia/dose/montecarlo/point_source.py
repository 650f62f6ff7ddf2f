"""Photons from a point in an infinite medium: where their energy is absorbed, by distance."""

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lutetia.dose.montecarlo.tables import CUTOFF_MEV, photon_tables
from lutetia.dose.montecarlo.voxels import FIXED_POINT, N_BATCHES
from lutetia.physics.materials import Material
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, compton, isotropic, seeded, turned, uniform


@njit(cache=True)
def _follow(x, y, z, u, v, w, energy, state, tally, edges, tables, log_least, log_step):
    """One photon until it is absorbed or beyond the last edge; expected absorption scored at every collision."""
    interaction, absorption, photo, pair = tables
    n = interaction.shape[0]
    far = edges[-1]
    pairs = 0
    while True:
        t = (math.log(energy) - log_least) / log_step
        i = min(max(int(t), 0), n - 2)
        f = t - i
        total = interaction[i] * (1 - f) + interaction[i + 1] * f
        state = advanced(state)
        step = -math.log(1.0 - uniform(state)) / total
        x, y, z = x + u * step, y + v * step, z + w * step
        r = math.sqrt(x * x + y * y + z * z)
        if r < far:
            gained = energy * (absorption[i] * (1 - f) + absorption[i + 1] * f) / total
            tally[np.searchsorted(edges, r, side="right") - 1] += int(gained * FIXED_POINT)
        elif r > 2.0 * far:
            return pairs, x, y, z, state
        state = advanced(state)
        choice = uniform(state)
        absorbed = photo[i] * (1 - f) + photo[i + 1] * f
        if choice < absorbed:
            return pairs, x, y, z, state
        if choice < absorbed + pair[i] * (1 - f) + pair[i + 1] * f:
            return 2, x, y, z, state
        energy, cosine, state = compton(energy, state)
        if energy < CUTOFF_MEV:
            if r < far:
                tally[np.searchsorted(edges, r, side="right") - 1] += int(energy * FIXED_POINT)
            return pairs, x, y, z, state
        u, v, w, state = turned(u, v, w, cosine, state)


@njit(cache=True, parallel=True)
def _shells(per_batch, energy, edges, tables, log_least, log_step, seed, tallies):
    for b in prange(tallies.shape[0]):
        for h in range(per_batch):
            state = seeded(seed, b * per_batch + h)
            pairs, x, y, z, state = _follow(
                0.0, 0.0, 0.0, 0.0, 0.0, 1.0, energy, state, tallies[b], edges, tables, log_least, log_step
            )
            if pairs:
                u, v, w, state = isotropic(state)
            for k in range(pairs):
                sign = 1.0 - 2.0 * k
                _, _, _, _, state = _follow(
                    x, y, z, sign * u, sign * v, sign * w, ELECTRON_REST_MEV, state, tallies[b], edges, tables,
                    log_least, log_step,
                )  # fmt: skip


def absorbed_by_distance(
    *, material: Material, energy_mev: float, edges_cm: NDArray[np.float64], n_histories: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fraction of a photon's energy absorbed in each spherical shell around an isotropic point source.

    Unit density; kerma approximation; physics as in :func:`photon_absorbed_dose`.

    Parameters
    ----------
    material : of the infinite medium
    energy_mev : of the photons. [MeV]
    edges_cm : (n + 1,) increasing shell radii from 0, at unit density. [cm]
    n_histories, seed : of the Monte Carlo

    Returns
    -------
    fraction, standard_uncertainty : (n,) each
    """
    tables = photon_tables([material], energy_mev)
    rows = (tables.interaction[0], tables.absorption[0], tables.photo[0], tables.pair[0])
    tallies = np.zeros((N_BATCHES, edges_cm.size - 1), np.int64)
    per_batch = n_histories // N_BATCHES
    _shells(per_batch, energy_mev, edges_cm, rows, tables.log_least, tables.log_step, np.uint64(seed), tallies)
    batches = tallies / FIXED_POINT / per_batch / energy_mev
    return batches.mean(axis=0), batches.std(axis=0, ddof=1) / math.sqrt(N_BATCHES)
