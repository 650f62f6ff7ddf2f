"""Photons from a point in an infinite medium: where their energy is absorbed, by distance."""

import math
from typing import Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lutetia.dose.montecarlo.photons.compiled import kernel
from lutetia.dose.montecarlo.photons.interactions import interact, table_place
from lutetia.dose.montecarlo.photons.tables import photon_tables
from lutetia.dose.montecarlo.stack import DEPTH, FIELDS, FIXED_POINT, PHOTON, deposit, push
from lutetia.physics.materials import Material
from lutetia.physics.transport import advanced, seeded, uniform

N_BATCHES: Final = 10


@kernel
def _shell(x, y, z, edges):
    """Shell of a place; the one behind the last for all beyond."""
    return np.searchsorted(edges, math.sqrt(x * x + y * y + z * z), side="right") - 1


@kernel
def _follow(energy, x, y, z, u, v, w, state, edges, tables, tally, stack, count):
    """One photon until it is absorbed or far beyond the last edge; its expected absorption at every collision."""
    scale, coefficients = tables[0], tables[1]
    far2 = 4.0 * edges[-1] * edges[-1]
    while energy >= scale[2]:
        i, f = table_place(energy, scale, coefficients.shape[1])
        total = (1.0 - f) * coefficients[0, i, 0] + f * coefficients[0, i + 1, 0]
        state = advanced(state)
        step = -math.log(1.0 - uniform(state)) / total
        x, y, z = x + u * step, y + v * step, z + w * step
        if x * x + y * y + z * z > far2:
            return state
        gained = (1.0 - f) * coefficients[0, i, 1] + f * coefficients[0, i + 1, 1]
        deposit(tally, _shell(x, y, z, edges), energy * gained / total)
        energy, _, u, v, w, state = interact(energy, 0, i, f, x, y, z, u, v, w, state, tables, stack, count, False)
    deposit(tally, _shell(x, y, z, edges), energy)
    return state


@njit(cache=True, parallel=True)
def _shells(per_batch, energy, edges, tables, seed, tallies):
    for b in prange(tallies.shape[0]):
        stack, count = np.empty((DEPTH, FIELDS)), np.zeros(1, np.int64)
        for h in range(per_batch):
            state = seeded(seed, b * per_batch + h)
            push(stack, count, PHOTON, energy, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
            while count[0] > 0:
                count[0] -= 1
                p = stack[count[0]]
                state = _follow(
                    p[1], p[2], p[3], p[4], p[5], p[6], p[7], state, edges, tables, tallies[b], stack, count
                )


def absorbed_by_distance(
    *, material: Material, energy_mev: float, edges_cm: NDArray[np.float64], n_histories: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fraction of a photon's energy absorbed in each spherical shell around an isotropic point source.

    Unit density; kerma approximation, so bremsstrahlung is absorbed where its electron is; photons of twice the last
    radius and beyond are given up.

    Parameters
    ----------
    material : of the infinite medium
    energy_mev : of the photons, 0.005 to 3. [MeV]
    edges_cm : (n + 1,) increasing shell radii from 0, at unit density. [cm]
    n_histories, seed : of the Monte Carlo

    Returns
    -------
    fraction, standard_uncertainty : (n,) each
    """
    tables = photon_tables([material], energy_mev).arrays
    edges = np.ascontiguousarray(edges_cm, dtype=np.float64)
    tallies = np.zeros((N_BATCHES, edges.size), np.int64)
    per_batch = n_histories // N_BATCHES
    _shells(per_batch, energy_mev, edges, tables, np.uint64(seed), tallies)
    batches = tallies[:, :-1] / FIXED_POINT / per_batch / energy_mev
    return batches.mean(axis=0), batches.std(axis=0, ddof=1) / math.sqrt(N_BATCHES)
