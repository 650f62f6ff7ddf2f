"""Electrons from a point in water: where their energy is absorbed, by distance."""

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lutetia.dose.montecarlo.voxels import FIXED_POINT, N_BATCHES
from lutetia.physics.stopping import csda_range_water_g_per_cm2
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, isotropic, seeded, turned, uniform

CLASSICAL_RADIUS_CM: Final = 2.8179403e-13
FINE_STRUCTURE: Final = 1 / 137.035999
AVOGADRO_PER_MOL: Final = 6.02214076e23
WATER: Final = ((1, 0.111894, 1.008), (8, 0.888106, 15.999))
"""Atomic number, fraction of the mass, molar mass. [g/mol]"""
LOWEST_MEV: Final = 0.001
HIGHEST_MEV: Final = 4.0
STEP: Final = 0.02
"""Share of the residual range covered between two deflections; 0.01 moves the mean distance by 0.1 %."""
N_TABLE: Final = 600


def inverse_transport_path_cm2_per_g(energy_mev: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Inverse first transport mean free path of electrons in water: mean of 1 - cosine per path.

    Screened Rutherford cross sections with Moliere's screening and Z (Z + 1) for the electrons' part::

        1/lambda = sum_Z (N w / A) 2 pi r_e^2 Z (Z + 1) (m c^2)^2 / (p c beta)^2 [ln(1 + 1/eta) - 1/(1 + eta)]

    References
    ----------
    Berger MJ. Monte Carlo calculation of the penetration and diffusion of fast charged particles. Methods Comput Phys 1
    (1963) 135-215.
    """
    momentum2 = energy_mev * (energy_mev + 2 * ELECTRON_REST_MEV)
    beta2 = momentum2 / (energy_mev + ELECTRON_REST_MEV) ** 2
    total = np.zeros_like(energy_mev)
    for z, fraction, mass in WATER:
        screening = 0.25 * (FINE_STRUCTURE * z ** (1 / 3) / 0.885) ** 2 * ELECTRON_REST_MEV**2 / momentum2
        eta = screening * (1.13 + 3.76 * (FINE_STRUCTURE * z) ** 2 / beta2)
        rutherford = 2 * np.pi * CLASSICAL_RADIUS_CM**2 * z * (z + 1) * ELECTRON_REST_MEV**2 / (momentum2 * beta2)
        total += AVOGADRO_PER_MOL * fraction / mass * rutherford * (np.log1p(1 / eta) - 1 / (1 + eta))
    return total


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """On even logarithms of the residual range: those logarithms, log energy, log inverse transport path.

    Last, on even logarithms of the mean of 1 - cosine from 1e-6 to 0.999: log of the screening that yields it.
    """
    energy = np.geomspace(LOWEST_MEV, HIGHEST_MEV, 2000)
    log_range = np.log(csda_range_water_g_per_cm2(energy))
    grid = np.linspace(log_range[0], log_range[-1], N_TABLE)
    log_energy = np.interp(grid, log_range, np.log(energy))
    eta = np.geomspace(1e-10, 1e4, 8000)
    mean = 2 * eta * ((1 + eta) * np.log1p(1 / eta) - 1)
    screening = np.interp(np.linspace(math.log(1e-6), math.log(0.999), N_TABLE), np.log(mean), np.log(eta))
    return grid, log_energy, np.log(inverse_transport_path_cm2_per_g(np.exp(log_energy))), screening


@njit(cache=True)
def _at(x, first, last, values):
    """Linear interpolation on an even grid."""
    t = (x - first) / (last - first) * (values.size - 1)
    i = min(max(int(t), 0), values.size - 2)
    return values[i] + (t - i) * (values[i + 1] - values[i])


@njit(cache=True)
def _follow(full, state, edges, log_range, log_energy, log_path, screening, tally):
    """One electron of range ``full`` to its end: deflected at a random point of each step (random hinge)."""
    first, last = log_range[0], log_range[-1]
    least = max(1e-3 * full, math.exp(first))
    rest = full
    energy = math.exp(_at(math.log(rest), first, last, log_energy))
    x, y, z = 0.0, 0.0, 0.0
    u, v, w, state = isotropic(state)
    while rest > least:
        step = STEP * rest
        middle = math.log(rest - 0.5 * step)
        mean = 1.0 - math.exp(-step * math.exp(_at(middle, first, last, log_path)))
        eta = math.exp(_at(math.log(mean), math.log(1e-6), math.log(0.999), screening))
        state = advanced(state)
        q = uniform(state)
        cosine = 1.0 - 2.0 * eta * q / (1.0 - q + eta)
        state = advanced(state)
        hinge = step * uniform(state)
        state = advanced(state)
        where = step * uniform(state)
        a = min(where, hinge)
        px, py, pz = x + u * a, y + v * a, z + w * a
        x, y, z = x + u * hinge, y + v * hinge, z + w * hinge
        u, v, w, state = turned(u, v, w, cosine, state)
        if where > hinge:
            px, py, pz = x + u * (where - hinge), y + v * (where - hinge), z + w * (where - hinge)
        x, y, z = x + u * (step - hinge), y + v * (step - hinge), z + w * (step - hinge)
        rest -= step
        left = math.exp(_at(math.log(rest), first, last, log_energy))
        bin_ = np.searchsorted(edges, math.sqrt(px * px + py * py + pz * pz) / full, side="right") - 1
        tally[bin_] += int((energy - left) * FIXED_POINT)
        energy = left
    bin_ = np.searchsorted(edges, math.sqrt(x * x + y * y + z * z) / full, side="right") - 1
    tally[bin_] += int(energy * FIXED_POINT)


@njit(cache=True, parallel=True)
def _shells(per_batch, full, seed, edges, log_range, log_energy, log_path, screening, tallies):
    for b in prange(tallies.shape[0]):
        for h in range(per_batch):
            state = seeded(seed, b * per_batch + h)
            _follow(full, state, edges, log_range, log_energy, log_path, screening, tallies[b])


def electron_absorbed_by_distance(
    *, energy_mev: float, edges: NDArray[np.float64], n_histories: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fraction of an electron's energy absorbed in spherical shells around an isotropic point source in water.

    Energy is lost continuously along the path; deflections of many elastic collisions are drawn together, with the mean
    cosine of the first transport path and the shape of single screened scattering. No energy straggling, no secondary
    electrons, no bremsstrahlung: the tail beyond 0.9 of the range is a little short.

    Parameters
    ----------
    energy_mev : of the electrons, 0.005 to 4. [MeV]
    edges : (n + 1,) increasing radii from 0 to 1 or more, in ranges of the electron (continuous slowing down)
    n_histories, seed : of the Monte Carlo

    Returns
    -------
    fraction, standard_uncertainty : (n,) each
    """
    tables = _tables()
    full = float(csda_range_water_g_per_cm2(energy_mev))
    tallies = np.zeros((N_BATCHES, edges.size - 1), np.int64)
    per_batch = n_histories // N_BATCHES
    _shells(per_batch, full, np.uint64(seed), np.asarray(edges, np.float64), *tables, tallies)
    batches = tallies / FIXED_POINT / per_batch / energy_mev
    return batches.mean(axis=0), batches.std(axis=0, ddof=1) / math.sqrt(N_BATCHES)
