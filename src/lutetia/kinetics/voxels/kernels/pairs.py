"""Two exponentials in one voxel: where the search starts, where it ends, and how sure the result is."""

import math

from numba import njit

from lutetia.kinetics.voxels.kernels.descent import decompose, descend, evaluate
from lutetia.kinetics.voxels.result import BI


@njit(cache=True, error_model="numpy")
def projections(y, w, exponentials, sy, gram):
    """Weighted products of the grid's exponentials with the values and with each other (lower triangle)."""
    n, size = exponentials.shape
    for j in range(size):
        sy[j] = 0.0
        for m in range(j + 1):
            gram[j, m] = 0.0
    for i in range(n):
        for j in range(size):
            e = w[i] * exponentials[i, j]
            sy[j] += e * y[i]
            for m in range(j + 1):
                gram[j, m] += e * exponentials[i, m]


@njit(cache=True, error_model="numpy")
def start_bi(sy, gram, grid, p):
    """Best pair of the grid with two positive amplitudes; False where there is none."""
    best = 0.0
    for j in range(1, grid.size):
        for m in range(j):
            det = gram[j, j] * gram[m, m] - gram[j, m] * gram[j, m]
            fast = gram[m, m] * sy[j] - gram[j, m] * sy[m]
            slow = gram[j, j] * sy[m] - gram[j, m] * sy[j]
            if fast <= 0.0 or slow <= 0.0 or det <= 0.0:
                continue
            gain = (fast * sy[j] + slow * sy[m]) / det
            if gain > best:
                best = gain
                p[0], p[1], p[2], p[3] = slow / det, grid[m], fast / det, grid[j]
    return best > 0.0


@njit(cache=True, error_model="numpy")
def start_uptake(sy, gram, grid, p):
    """Best pair of the grid as difference with a positive amplitude; False where there is none."""
    best = 0.0
    for j in range(1, grid.size):
        for m in range(j):
            product = sy[m] - sy[j]
            square = gram[j, j] + gram[m, m] - 2.0 * gram[j, m]
            if product <= 0.0 or square <= 0.0:
                continue
            gain = product * product / square
            if gain > best:
                best = gain
                p[0], p[1], p[2] = product / square, grid[m], grid[j] - grid[m]
    return best > 0.0


@njit(cache=True, error_model="numpy")
def solve_pair(
    kind, y, w, t, grid, exponentials, low, high,
    sy, gram, p, gradient, normal, curvature, work, step, trial, fixed,
):  # fmt: skip
    """Fit into ``p``, the slow term first; sum of squares, whether both terms are there, whether the search ended."""
    projections(y, w, exponentials, sy, gram)
    if not (start_bi(sy, gram, grid, p) if kind == BI else start_uptake(sy, gram, grid, p)):
        return math.inf, False, True
    for a in range(4 if kind == BI else 3):
        p[a] = min(max(p[a], low[a]), high[a])
    chi2, ended = descend(kind, p, low, high, y, w, t, gradient, normal, curvature, work, step, trial, fixed)
    if kind == BI and p[1] > p[3]:
        p[0], p[1], p[2], p[3] = p[2], p[3], p[0], p[1]
        evaluate(kind, p, y, w, t, gradient, normal, curvature)
    return chi2, p[0] > 0.0 and (kind != BI or p[2] > 0.0), ended


@njit(cache=True, error_model="numpy")
def pair_integral(kind, p, slope):
    """Integral to infinity; ``slope`` is filled with its derivatives."""
    k1 = math.exp(p[1])
    if kind == BI:
        k2 = math.exp(p[3])
        slope[0], slope[1], slope[2], slope[3] = 1.0 / k1, -p[0] / k1, 1.0 / k2, -p[2] / k2
        return p[0] / k1 + p[2] / k2
    k2 = math.exp(p[1] + p[2])
    unit = 1.0 / k1 - 1.0 / k2
    slope[0], slope[1], slope[2] = unit, -p[0] * unit, p[0] / k2
    return p[0] * unit


@njit(cache=True, error_model="numpy")
def spread_of(factor, size, slope):
    """Standard uncertainty of a quantity with these derivatives, from the factor of the information matrix (decompose)."""
    square = 0.0
    for a in range(size):
        x = slope[a]
        for c in range(a):
            x -= factor[a, c] * slope[c]
        slope[a] = x * factor[a, a]
        square += slope[a] * slope[a]
    return math.sqrt(square)


@njit(cache=True, error_model="numpy")
def pair_uncertainty(kind, p, normal, work, slope):
    """Integral, its standard uncertainty and the relative one of the slow rate; NaN where the points tell none."""
    size = 4 if kind == BI else 3
    total = pair_integral(kind, p, slope)
    work[:] = normal
    if not decompose(work, size):
        return total, math.nan, math.nan
    spread = spread_of(work, size, slope)
    slope[:] = 0.0
    slope[1] = 1.0
    return total, spread, spread_of(work, size, slope)
