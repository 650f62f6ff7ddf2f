r"""How much the voxels of a region truly differ: empirical Bayes for the logarithm of their rates.

Prior :math:`\log k_v \sim N(\log k_r, \tau^2)` with the region's fitted rate :math:`k_r`. :math:`\tau` maximises the
likelihood of all voxels, each with its rate integrated out over a grid (its amplitude at its best for each rate):

.. math:: L(\tau) = \prod_v \int \exp(-\chi_v^2(\theta)/2)\, N(\theta; \log k_r, \tau^2)\, d\theta

Nothing is assumed about the form of a voxel's likelihood, which is far from normal where there are few counts. Noise that
is correlated between voxels makes the maximum broader than it looks, not biased.

References
----------
Morris CN. J Am Stat Assoc 78 (1983) 47-55. doi:10.1080/01621459.1983.10477920 (parametric empirical Bayes).
"""

import math
from typing import Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.special import ndtr

from lutetia.kinetics.voxels.kernels.shared import CHUNK, Curve, load

Array = NDArray[np.float64]

N_GRID: Final = 160
SPREADS: Final = (0.0, *(0.01 * 1.15**i for i in range(36)))
"""Candidates of the standard deviation of log(rate) between voxels, to 1.3."""


@njit(cache=True, error_model="numpy")
def likelihoods(y, w, base, exponentials, values):
    """Likelihood of each rate of the grid over that of the best, the amplitude at its best."""
    n, size = exponentials.shape
    best = -math.inf
    for j in range(size):
        sy = 0.0
        se = 0.0
        for i in range(n):
            f = base[i] * exponentials[i, j]
            sy += w[i] * y[i] * f
            se += w[i] * f * f
        values[j] = 0.5 * sy * sy / se if sy > 0.0 else 0.0
        best = max(best, values[j])
    for j in range(size):
        values[j] = math.exp(values[j] - best)


@njit(cache=True, parallel=True, error_model="numpy")
def evidence(images, sigma, index, noise, base, exponentials, priors):
    """Logarithm of the likelihood of each candidate (rows of ``priors``, masses on the grid), summed over the voxels."""
    n_chunks = (index.size + CHUNK - 1) // CHUNK
    sums = np.zeros((n_chunks, priors.shape[0]))
    for chunk in prange(n_chunks):
        y, w, values = np.empty(base.size), np.empty(base.size), np.empty(exponentials.shape[1])
        for m in range(chunk * CHUNK, min((chunk + 1) * CHUNK, index.size)):
            if not load(images, sigma, index[m], noise, y, w) > 0.0:
                continue
            likelihoods(y, w, base, exponentials, values)
            for c in range(priors.shape[0]):
                s = 0.0
                for j in range(values.size):
                    s += priors[c, j] * values[j]
                sums[chunk, c] += math.log(max(s, 1e-300))
    return sums


def prior_masses(grid: Array, centre: int) -> Array:
    """(candidates, grid) share of each candidate's prior in each cell, cut at the ends of the grid."""
    edges = np.concatenate([[grid[0]], (grid[1:] + grid[:-1]) / 2, [grid[-1]]]) - grid[centre]
    rows = np.zeros((len(SPREADS), grid.size))
    rows[0, centre] = 1.0
    for row, spread in zip(rows[1:], SPREADS[1:], strict=True):
        row[:] = np.diff(ndtr(edges / spread))
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def spread_between_voxels(
    images: NDArray[np.float32], sigma: NDArray[np.float32], index: NDArray[np.int64], curve: Curve
) -> float:
    """Standard deviation of log(rate) between the voxels of a region that makes their values most likely.

    Parameters
    ----------
    images, sigma : (scans, voxels)
    index : voxels of the region
    curve : of the region, as base, its rate as centre
    """
    low, high = curve.grid[0], curve.grid[-1]
    step = (high - low) / (N_GRID - 1)
    # a point of the grid lies on the region's rate, where the narrow candidates have all their mass
    centre = int(np.clip(round((curve.centre - low) / step), 0, N_GRID - 1))
    grid = np.clip(curve.centre + (np.arange(N_GRID) - centre) * step, low, high)
    exponentials = np.ascontiguousarray(np.exp(-np.outer(curve.time_s, np.exp(grid))))
    sums = evidence(images, sigma, index, curve.noise, curve.base, exponentials, prior_masses(grid, centre))
    return float(SPREADS[int(np.argmax(sums.sum(axis=0)))])
