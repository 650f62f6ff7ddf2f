"""One exponential in many voxels at once: the loops run over voxels, which the processor takes several at a time.

The same steps as mono.py for voxels that need no more: a rate between the limits that three Newton steps find. What is left
over (rates at a limit, no activity, values that are not finite) is told by ``plain`` and goes the long way.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lutetia.kinetics.voxels.kernels.mono import FUSED, NEWTON_STEP, SERIES, even_part, odd_part

BLOCK = 128
"""Voxels taken together: few enough for the fastest memory, enough to be worth a loop."""
LEAST_SHARE = 0.02
"""For noise that depends on the value, values below this share of the voxel's largest count as that share."""

NEWTON_STEPS = 3
"""From the vertex of the parabola, two leave 1e-8 and three rounding."""

TOP, RATE, LOG_RATE, AMPLITUDE, CHI_SQUARE, GAIN, LEFT, LEAST, RIGHT, LAST = range(10)
SY, SE, SYT, SET, SYTT, SETT, STEP, CHANGE = range(10, 18)


class Block(NamedTuple):
    """Working space for BLOCK voxels: (scans, voxels), (quantities, voxels) by the numbers above, (voxels,)."""

    y: NDArray[np.float64]
    w: NDArray[np.float64]
    wy: NDArray[np.float64]
    ww: NDArray[np.float64]
    e: NDArray[np.float64]
    sums: NDArray[np.float64]
    best: NDArray[np.int64]
    plain: NDArray[np.bool_]


@njit(cache=True)
def empty_block(n):
    """Working space for n scans."""
    shape = (n, BLOCK)
    return Block(
        np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape), np.zeros((18, BLOCK)),
        np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.bool_),
    )  # fmt: skip


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def load_block(images, sigma, index, noise, base, y, w, wy, ww, top, plain):
    """Values over the largest, weights, and their products with the base curve."""
    n, size = y.shape[0], index.size
    top[:size] = 0.0
    plain[:size] = True
    for i in range(n):
        for b in range(size):
            value = float(images[i, index[b]])
            y[i, b] = value
            plain[b] &= abs(value) < math.inf
            top[b] = value if value > top[b] else top[b]
    plain[:size] &= top[:size] > 0.0
    for i in range(n):
        n0, n1, n2 = noise[0, i], noise[1, i], noise[2, i]
        for b in range(size):
            seen = max(y[i, b], LEAST_SHARE * top[b])
            w[i, b] = n0 + seen * (n1 + seen * n2)
        if sigma.shape[0] > 0:
            for b in range(size):
                w[i, b] += float(sigma[i, index[b]]) * float(sigma[i, index[b]])
        for b in range(size):
            w[i, b] = top[b] * top[b] / w[i, b]
            y[i, b] /= top[b]
        for b in range(size):
            wy[i, b] = w[i, b] * base[i] * y[i, b]
            ww[i, b] = w[i, b] * base[i] * base[i]


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def search_block(size, wy, ww, exponentials, squares, penalty, sums, best):
    """Rate of the grid with the least F for each voxel, and F there and beside it."""
    sy, se, least, left, right, last = sums[SY], sums[SE], sums[LEAST], sums[LEFT], sums[RIGHT], sums[LAST]
    least[:size] = math.inf
    last[:size] = math.inf
    best[:size] = 0
    for j in range(penalty.size):
        for b in range(size):
            sy[b] = wy[0, b] * exponentials[0, j]
            se[b] = ww[0, b] * squares[0, j]
        for i in range(1, wy.shape[0]):
            e, q = exponentials[i, j], squares[i, j]
            for b in range(size):
                sy[b] += wy[i, b] * e
                se[b] += ww[i, b] * q
        for b in range(size):
            gain = max(sy[b], 0.0)
            sy[b] = penalty[j] - 0.5 * gain * gain / se[b]
        for b in range(size):
            right[b] = sy[b] if best[b] == j - 1 else right[b]
        for b in range(size):
            better = sy[b] < least[b]
            left[b] = last[b] if better else left[b]
            least[b] = sy[b] if better else least[b]
            best[b] = j if better else best[b]
        last[:size] = sy[:size]


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def start_block(size, t, grid, exponentials, sums, best, plain, e):
    """From the grid's best to the vertex of the parabola; rates at an end of the grid are left to the long way."""
    spacing = grid[1] - grid[0]
    for b in range(size):
        j = best[b]
        plain[b] &= 0 < j < grid.size - 1
        left, right = sums[LEFT, b] - sums[LEAST, b], sums[RIGHT, b] - sums[LEAST, b]
        sums[STEP, b] = 0.5 * spacing * (left - right) / (left + right)
        sums[LOG_RATE, b] = grid[j]
        sums[RATE, b] = math.exp(grid[j])
        for i in range(t.size):
            e[i, b] = exponentials[i, j]


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def move_block(size, t, spacing, grid, best, sums, plain, e):
    """Take the step: rates, their logarithms and exponentials, all by series."""
    step, change, rate, log_rate = sums[STEP], sums[CHANGE], sums[RATE], sums[LOG_RATE]
    longest = t[t.size - 1]
    for b in range(size):
        x = step[b]
        q = x * x
        change[b] = rate[b] * (x * (1.0 + q * (1 / 6 + q * (1 / 120))) + q * (1 / 2 + q * (1 / 24 + q * (1 / 720))))
        rate[b] += change[b]
        log_rate[b] += x
    for b in range(size):
        plain[b] &= abs(change[b]) * longest < SERIES and abs(log_rate[b] - grid[best[b]]) <= spacing
    for i in range(t.size):
        for b in range(size):
            x = change[b] * t[i]
            e[i, b] *= even_part(x * x) - x * odd_part(x * x)


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def sum_block(size, t, wy, ww, e, sums):
    """Moments of the values and of the norm in time."""
    sy, se, syt, set_, sytt, sett = sums[SY], sums[SE], sums[SYT], sums[SET], sums[SYTT], sums[SETT]
    sums[SY : SETT + 1, :size] = 0.0
    for i in range(t.size):
        ti, tt = t[i], t[i] * t[i]
        for b in range(size):
            part = wy[i, b] * e[i, b]
            sy[b] += part
            syt[b] += part * ti
            sytt[b] += part * tt
        for b in range(size):
            part = ww[i, b] * e[i, b] * e[i, b]
            se[b] += part
            set_[b] += part * ti
            sett[b] += part * tt


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def newton_block(size, centre, precision, sums, plain):
    """Newton's step of every voxel."""
    for b in range(size):
        k, se, syt, set_ = sums[RATE, b], sums[SE, b], sums[SYT, b], sums[SET, b]
        a = sums[SY, b] / se
        cross = syt - a * set_
        first = k * a * cross
        second = k * k * (2.0 * a * a * sums[SETT, b] - a * sums[SYTT, b] - (cross - a * set_) ** 2 / se) + first
        first += precision * (sums[LOG_RATE, b] - centre)
        second += precision
        sums[STEP, b] = -first / second
        plain[b] &= second > 0.0 and a > 0.0


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def finish_block(size, y, w, base, e, sums, plain):
    """Amplitude, residual sum of squares and gain; the moments become those at the rate found."""
    a, chi2, gain = sums[AMPLITUDE], sums[CHI_SQUARE], sums[GAIN]
    for b in range(size):
        plain[b] &= abs(sums[STEP, b]) < NEWTON_STEP
        a[b] = sums[SY, b] / sums[SE, b]
        gain[b] = a[b] * sums[SY, b]
        chi2[b] = 0.0
    for i in range(y.shape[0]):
        for b in range(size):
            residual = y[i, b] - a[b] * base[i] * e[i, b]
            chi2[b] += w[i, b] * residual * residual


@njit(cache=True, error_model="numpy")
def solve_block(
    images, sigma, index, noise, base, t, grid, exponentials, squares, penalty, centre, precision, block
):
    """Fits of the voxels named in ``index``, as far as they are plain, left in the block."""
    size, spacing = index.size, grid[1] - grid[0]
    y, w, wy, ww, e, sums, best, plain = block
    load_block(images, sigma, index, noise, base, y, w, wy, ww, sums[TOP], plain)
    search_block(size, wy, ww, exponentials, squares, penalty, sums, best)
    start_block(size, t, grid, exponentials, sums, best, plain, e)
    move_block(size, t, spacing, grid, best, sums, plain, e)
    for _ in range(NEWTON_STEPS):
        sum_block(size, t, wy, ww, e, sums)
        newton_block(size, centre, precision, sums, plain)
        move_block(size, t, spacing, grid, best, sums, plain, e)
    sum_block(size, t, wy, ww, e, sums)
    finish_block(size, y, w, base, e, sums, plain)
