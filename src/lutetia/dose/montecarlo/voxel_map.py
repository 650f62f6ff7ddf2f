"""The dose of single voxels where histories are few: the kernel shared by density, corrected as far as histories can tell.

Regions take few histories, single voxels a thousand times more. Between a kernel P that is a little wrong everywhere and
a controlled estimate C that is right on average but noisy, the mean squared error is least for::

    D = P + gamma (C - P),    gamma = d2 / (d2 + v)

with v the variance of C and d2 the square of what the kernel is wrong by, both estimated over each voxel's neighbours; d2
as the product of two halves of the histories, which noise leaves at zero on average (Wiener's filter). Regions are then
scaled to the energy that C has in them, so that they stay without bias.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

NEIGHBOURS: Final = 5
"""Voxels along each edge of the block over which errors are compared."""
SURE: Final = 2.0
"""Standard errors by which the kernel must be seen to be wrong."""
ROUNDS: Final = 4
"""Voxels that regions share are scaled a little by each; so often, until all regions have their energy to 1e-4."""
REST: Final = "what belongs to no region"

Floats = NDArray[np.float32]


def least_error(batches: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """The estimate of least mean squared error and that error as far as histories can tell it, (z, y, x) each.

    Parameters
    ----------
    batches : (n_batches, z, y, x) of the unbiased estimate
    prior : (z, y, x) of the kernel
    """
    # squares of squares of energies in MeV leave single precision behind; shares of the greatest do not
    scale = np.float32(max(float(np.abs(prior).max(initial=0.0)), float(np.abs(batches).max(initial=0.0)), 1e-30))
    batches, prior = batches / scale, prior / scale
    variance = variance_of_mean(batches)
    # running sums leave a trace of the largest values, of either sign
    noise = np.maximum(uniform_filter(variance, NEIGHBOURS), 0)
    first, second = batches[0::2].mean(axis=0) - prior, batches[1::2].mean(axis=0) - prior
    product = first * second
    spread = np.sqrt(np.maximum(uniform_filter(product**2, NEIGHBOURS), 0) / np.float32(NEIGHBOURS**3))
    # one history in each half would look like an error of the kernel: only what many voxels agree on counts
    seen = uniform_filter(product, NEIGHBOURS)
    wrong = np.maximum(seen - SURE * spread, 0)
    tiny = np.float32(1e-12) * max(float(noise.max(initial=0.0)), 1e-30)
    gamma = wrong / (wrong + noise + tiny)
    mean = batches.mean(axis=0)
    error = gamma**2 * noise + (1 - gamma) ** 2 * np.maximum(seen, 0)
    return ((prior + gamma * (mean - prior)) * scale).astype(np.float32), (error * scale**2).astype(np.float32)


def variance_of_mean(batches: Floats) -> Floats:
    """Variance of the mean of batches. (z, y, x)"""
    return np.asarray(batches.var(axis=0, ddof=1) / np.float32(batches.shape[0]), np.float32)


def clipped(energy: Floats, regions: Mapping[str, NDArray[np.floating]]) -> tuple[Floats, dict[str, float]]:
    """Energy of voxels at least 0, and what that added to each region, as a share of its energy."""
    kept = np.maximum(energy, 0)
    added = kept - energy
    shares = {}
    for name, weights in regions.items():
        total = _sum(weights, kept)
        shares[name] = _sum(weights, added) / total if total > 0 else 0.0
    return kept, shares


def restored(energy: Floats, unbiased: Floats, regions: Mapping[str, NDArray[np.floating]]) -> Floats:
    """Energy of voxels scaled so that each region has the energy of the unbiased map."""
    parts = [(np.asarray(share, np.float32), max(_sum(share, unbiased), 0.0)) for share in regions.values()]
    for _ in range(ROUNDS):
        factor = np.ones_like(energy)
        for w, wanted in parts:
            found = _sum(w, energy)
            if found > 0:
                factor += w * np.float32(wanted / found - 1)
        energy = energy * np.maximum(factor, 0)
    return energy


def with_rest(
    regions: Mapping[str, NDArray[np.floating]], shape: tuple[int, ...]
) -> dict[str, NDArray[np.floating]]:
    """The regions, and the share of every voxel that belongs to none."""
    covered = sum((np.asarray(share, np.float32) for share in regions.values()), np.zeros(shape, np.float32))
    return {**regions, REST: np.maximum(1 - covered, 0)}


def _sum(weights: NDArray[np.floating], values: Floats) -> float:
    return float((np.asarray(weights, np.float32) * values).sum(dtype=np.float64))
