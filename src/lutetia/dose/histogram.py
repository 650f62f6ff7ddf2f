"""Dose-volume histograms."""

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError


def dose_volume_histogram(
    dose_gy: NDArray[np.floating], volume_weights: NDArray[np.floating], n_points: int = 200
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cumulative histogram: fraction of the volume that receives at least each dose.

    Parameters
    ----------
    dose_gy : doses of voxels, any shape. [Gy]
    volume_weights : share of each voxel (or volume), same shape
    n_points : dose steps from 0 to the maximum

    Returns
    -------
    dose_gy, volume_fraction : (n_points,) each; the fraction falls from 1

    Raises
    ------
    InputError
        Different shapes, doses that are not finite, negative weights, or no volume.
    """
    if dose_gy.shape != volume_weights.shape or np.any(volume_weights < 0) or not volume_weights.sum() > 0:
        raise InputError("A dose-volume histogram needs one non-negative weight per dose, and some volume.")
    chosen = volume_weights > 0
    doses = np.asarray(dose_gy[chosen], dtype=np.float64)
    if not np.all(np.isfinite(doses)):
        raise InputError(f"{np.count_nonzero(~np.isfinite(doses))} doses within the volume are not finite.")
    weights = np.asarray(volume_weights[chosen], dtype=np.float64)
    order = np.argsort(doses)
    doses, above = doses[order], np.cumsum(weights[order][::-1])[::-1]
    steps = np.linspace(0, doses[-1], n_points)
    first = np.searchsorted(doses, steps, side="left")
    return steps, np.where(first < doses.size, above[np.minimum(first, doses.size - 1)], 0.0) / above[0]


def dose_at_volume(dose_gy: NDArray[np.float64], volume_fraction: NDArray[np.float64], fraction: float) -> float:
    """Least dose of the hottest ``fraction`` of the volume (D98 is fraction 0.98) from a cumulative histogram. [Gy]"""
    if not 0 < fraction <= 1:
        raise InputError(f"Volume fraction {fraction}; expected more than 0 and at most 1.")
    return float(np.interp(-fraction, -volume_fraction, dose_gy))
