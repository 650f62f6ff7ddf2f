"""What all voxels of a call share, the working space of a thread, and reading a voxel."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lutetia.kinetics.voxels.kernels.blocks import LEAST_SHARE

AUTO = 0
CHUNK = 1024
TIA, U_TIA, HALF_LIFE, U_HALF_LIFE, A1, K1, A2, K2, AICC, CHI2 = range(10)
"""Rows of the maps."""
LN2 = math.log(2.0)


class Curve(NamedTuple):
    """What is scaled and tilted (mono.py), as arrays and numbers.

    ``since_s``: times after the first scan; ``noise`` (3, n): variance = noise[0] + noise[1] y + noise[2] y^2; ``base``,
    ``shares``, ``shifts``: the curve, ``code`` its name; ``grid``, ``exponentials``, ``squares``: logarithms of rates,
    exp(-k since) and its square; ``penalty``, ``centre``, ``precision``: of the prior.
    """

    time_s: NDArray[np.float64]
    since_s: NDArray[np.float64]
    noise: NDArray[np.float64]
    base: NDArray[np.float64]
    shares: NDArray[np.float64]
    shifts: NDArray[np.float64]
    code: int
    grid: NDArray[np.float64]
    exponentials: NDArray[np.float64]
    squares: NDArray[np.float64]
    penalty: NDArray[np.float64]
    centre: float
    precision: float


class Fallback(NamedTuple):
    """What is done where nothing fits, and when that is.

    ``shape``, ``shape_integral``: scaled where there is only noise; ``weights``, ``tail_rate``: of the trapezoids;
    ``least_gain``: square of the least significance; ``denied``: sum of squares that chance seldom exceeds, by degrees of
    freedom.
    """

    shape: NDArray[np.float64]
    shape_integral: float
    weights: NDArray[np.float64]
    tail_rate: float
    least_gain: float
    denied: NDArray[np.float64]


class Pairs(NamedTuple):
    """Grids and bounds of two exponentials."""

    bi_grid: NDArray[np.float64]
    bi_exponentials: NDArray[np.float64]
    bi_low: NDArray[np.float64]
    bi_high: NDArray[np.float64]
    uptake_grid: NDArray[np.float64]
    uptake_exponentials: NDArray[np.float64]
    uptake_low: NDArray[np.float64]
    uptake_high: NDArray[np.float64]


class Setup(NamedTuple):
    """What all voxels of a call share."""

    curve: Curve
    fallback: Fallback
    pairs: Pairs


@njit(cache=True, error_model="numpy")
def load(images, sigma, v, noise, y, w):
    """Values over their largest and weights; returns the largest, 0 where none is positive, NaN where one is not finite."""
    top = 0.0
    for i in range(y.size):
        y[i] = images[i, v]
        if not math.isfinite(y[i]):
            return math.nan
        top = max(top, y[i])
    if top <= 0.0:
        return 0.0
    for i in range(y.size):
        seen = max(y[i], LEAST_SHARE * top)
        variance = noise[0, i] + seen * (noise[1, i] + seen * noise[2, i])
        if sigma.shape[0] > 0:
            variance += float(sigma[i, v]) ** 2
        w[i] = top * top / variance
        y[i] /= top
    return top
