"""Two exponentials in every voxel that has one already, and the choice of the model."""

import math

import numpy as np
from numba import njit, prange

from lutetia.kinetics.voxels.kernels.pairs import solve_pair
from lutetia.kinetics.voxels.kernels.shared import AUTO, CHI2, CHUNK, load
from lutetia.kinetics.voxels.kernels.write import aicc_of, write_pair, write_trapezoid
from lutetia.kinetics.voxels.result import (
    BI,
    COLLAPSED,
    EMPTY,
    FASTEST_LIMIT,
    FITTED,
    NOISE,
    NOT_COMPARED,
    NOT_CONVERGED,
    NOT_FINITE,
    PHYSICAL_LIMIT,
    RISING,
    TOO_FAST,
    UPTAKE,
)  # fmt: skip

NO_GAIN = 1e-6
"""A sum of squares that a second term lowers by less than this share is not lowered: maps keep seven digits."""


@njit(cache=True)
def is_tried(one, kind, n, by_misfit):
    """Whether a model is one that is asked for, or that AICc can judge (or, by misfit, uptake)."""
    if kind != AUTO:
        return kind == one
    return n > (5 if one == BI else 4) or (by_misfit and one == UPTAKE)


@njit(cache=True)
def is_better(chi2, one, mono_chi2, kind, n, by_misfit, score, denied):
    """Whether the second term helps: at all, by AICc, or (by misfit) enough to meet the points."""
    if not chi2 < mono_chi2 * (1.0 - NO_GAIN):
        return False
    if kind != AUTO:
        return True
    return chi2 <= denied[1] if by_misfit else aicc_of(chi2, 4 if one == BI else 3, n) < score


@njit(cache=True)
def pair_status(one, p, low, high, chi2, denied, ended):
    """What two exponentials are worth, by where their rates lie."""
    if p[1] >= high[1]:
        return TOO_FAST
    if not ended:
        return NOT_CONVERGED
    if p[1] <= low[1]:
        return RISING if chi2 > denied else PHYSICAL_LIMIT
    return FASTEST_LIMIT if one == BI and p[3] >= high[3] else FITTED


@njit(cache=True, error_model="numpy")
def accept(
    v, top, one, kind, before, by_misfit, both, ended, chi2, mono_chi2, score, y, w, p, normal, work, step, low, high,
    denied, weights, tail_rate, maps, codes,
):  # fmt: skip
    """Write the pair where it is better and good; returns the score to beat."""
    n = y.size
    better = both and is_better(chi2, one, mono_chi2, kind, n, by_misfit, score, denied)
    status = pair_status(one, p, low, high, chi2, denied[n - 1], ended)
    if not better:
        if kind != AUTO and before in (FITTED, PHYSICAL_LIMIT):
            codes[1, v] = COLLAPSED
        return score
    if status in (RISING, TOO_FAST, NOT_CONVERGED):
        if kind != AUTO:
            write_trapezoid(v, top, status, y, w, weights, tail_rate, maps, codes)
        return score
    status = NOT_COMPARED if kind == AUTO and by_misfit else status
    write_pair(v, top, one, status, chi2, n, p, normal, work, step, maps, codes)
    return aicc_of(chi2, 4 if one == BI else 3, n)


@njit(cache=True, parallel=True, error_model="numpy")
def fit_each_pair(kind, images, sigma, index, curve, fallback, pairs, maps, codes):
    """Replace the mono-exponentials in maps and codes where two exponentials (AUTO: of either kind) do better."""
    for chunk in prange((index.size + CHUNK - 1) // CHUNK):
        # taken out of their tuples once: each access counts a reference, which costs as much as a fit
        t, noise, denied = curve.time_s, curve.noise, fallback.denied
        weights, tail_rate = fallback.weights, fallback.tail_rate
        bi_grid, bi_e, bi_low, bi_high, uptake_grid, uptake_e, uptake_low, uptake_high = pairs
        n, size = t.size, max(bi_grid.size, uptake_grid.size)
        y, w, sy, gram = np.empty(n), np.empty(n), np.empty(size), np.empty((size, size))
        p, gradient, step, trial, fixed = np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(4, np.bool_)
        normal, curvature, work = np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((4, 4))
        for m in range(chunk * CHUNK, min((chunk + 1) * CHUNK, index.size)):
            v = index[m]
            before = codes[1, v]
            if before in (NOISE, EMPTY, NOT_FINITE):
                continue
            top = load(images, sigma, v, noise, y, w)
            mono_chi2 = float(maps[CHI2, v]) if before in (FITTED, PHYSICAL_LIMIT) else math.inf
            by_misfit = n == 4 and mono_chi2 > denied[2] and before != TOO_FAST
            score = aicc_of(mono_chi2, 2, n)
            for one in (UPTAKE, BI):
                if not is_tried(one, kind, n, by_misfit):
                    continue
                grid, e, low, high = bi_grid, bi_e, bi_low, bi_high
                if one == UPTAKE:
                    grid, e, low, high = uptake_grid, uptake_e, uptake_low, uptake_high
                chi2, both, ended = solve_pair(
                    one, y, w, t, grid, e, low, high, sy, gram, p, gradient, normal, curvature, work, step, trial, fixed,
                )  # fmt: skip
                score = accept(
                    v, top, one, kind, before, by_misfit, both, ended, chi2, mono_chi2, score, y, w, p, normal, work,
                    step, low, high, denied, weights, tail_rate, maps, codes,
                )  # fmt: skip
