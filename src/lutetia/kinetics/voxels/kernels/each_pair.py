"""Two exponentials in every voxel, and the choice of the model."""

import math

from numba import njit, prange

from lutetia.kinetics.voxels.kernels.each_mono import mono_status
from lutetia.kinetics.voxels.kernels.mono import solve_mono
from lutetia.kinetics.voxels.kernels.pairs import solve_pair
from lutetia.kinetics.voxels.kernels.shared import AUTO, CHUNK, load, scratch
from lutetia.kinetics.voxels.kernels.write import (
    aicc_of,
    write_mono,
    write_nothing,
    write_pair,
    write_scaled,
    write_trapezoid,
)
from lutetia.kinetics.voxels.result import (
    BI,
    COLLAPSED,
    FASTEST_LIMIT,
    FITTED,
    MONO,
    NOT_COMPARED,
    NOT_CONVERGED,
    PHYSICAL_LIMIT,
    RISING,
    UPTAKE,
)  # fmt: skip


@njit(cache=True, error_model="numpy")
def fit_pair(kind, t, pairs, mono_chi2, s):
    """Two exponentials of one kind; see ``solve_pair``."""
    if kind == BI:
        grid, exponentials, low, high = pairs.bi_grid, pairs.bi_exponentials, pairs.bi_low, pairs.bi_high
    else:
        grid, exponentials = pairs.uptake_grid, pairs.uptake_exponentials
        low, high = pairs.uptake_low, pairs.uptake_high
    return solve_pair(kind, s.y, s.w, t, grid, exponentials, low, high, mono_chi2, s)


@njit(cache=True, error_model="numpy")
def pair_status(kind, pairs, s):
    """Whether a rate of the pair lies at its limit."""
    if s.p[1] <= pairs.bi_low[1]:
        return PHYSICAL_LIMIT
    if kind == BI and s.p[3] >= pairs.bi_high[3]:
        return FASTEST_LIMIT
    return FITTED


@njit(cache=True, error_model="numpy")
def chosen_pair(kind, mono_chi2, t, fallback, pairs, s):
    """Model that is chosen, its sum of squares, whether the search ended, whether AICc could compare; left in ``s``.

    With AUTO the model with the lowest AICc; where only the mono-exponential can be judged and the points deny it, uptake
    and washout if it meets them.
    """
    n = t.size
    best, score, chi2, ended, last = MONO, aicc_of(mono_chi2, 2, n), mono_chi2, True, MONO
    by_misfit = kind == AUTO and n == 4 and mono_chi2 > fallback.denied[2]
    for one in (UPTAKE, BI):
        k = 4 if one == BI else 3
        if kind == AUTO and n - k - 1 <= 0 and not (by_misfit and one == UPTAKE):
            continue
        if kind not in (AUTO, one):
            continue
        found, helps, here = fit_pair(one, t, pairs, mono_chi2, s)
        last = one
        better = found <= fallback.denied[1] if by_misfit else aicc_of(found, k, n) < score
        if helps and (kind == one or (here and better)):
            best, score, chi2, ended = one, aicc_of(found, k, n), found, here
    if best not in (MONO, last):
        fit_pair(best, t, pairs, mono_chi2, s)
    return best, chi2, ended, not by_misfit


@njit(cache=True, error_model="numpy")
def finish_pair(v, top, kind, mono, curve, fallback, pairs, s, maps, codes):
    """Two exponentials where they help, one where they do not."""
    best, chi2, ended, compared = chosen_pair(kind, mono[2], curve.time_s, fallback, pairs, s)
    if best == MONO:
        status = mono_status(mono[3], mono[2], fallback.denied[s.y.size - 1])
        if status in (FITTED, PHYSICAL_LIMIT):
            status = status if kind == AUTO else COLLAPSED
            write_mono(
                v, top, status, mono[0], math.exp(mono[1]), mono[2], s.ww, curve.time_s, s.e, curve.shares, curve.shifts,
                curve.code, curve.precision, maps, codes,
            )  # fmt: skip
            return
    else:
        status = pair_status(best, pairs, s) if ended else NOT_CONVERGED
        if status == PHYSICAL_LIMIT and chi2 > fallback.denied[s.y.size - 1]:
            status = RISING
        if status != RISING and status != NOT_CONVERGED:
            write_pair(v, top, best, status if compared else NOT_COMPARED, chi2, s, maps, codes)
            return
    write_trapezoid(v, top, status, s.y, s.w, fallback.weights, fallback.tail_rate, maps, codes)


@njit(cache=True, parallel=True, error_model="numpy")
def fit_each_pair(kind, images, sigma, index, curve, fallback, pairs, maps, codes):
    """The same for two exponentials of one kind, or (AUTO) for the best model of each voxel."""
    for chunk in prange((index.size + CHUNK - 1) // CHUNK):
        s = scratch(curve.time_s.size, curve.grid.size, max(pairs.bi_grid.size, pairs.uptake_grid.size))
        for m in range(chunk * CHUNK, min((chunk + 1) * CHUNK, index.size)):
            v = index[m]
            top = load(images, sigma, v, curve.noise, s.y, s.w)
            if not top > 0.0:
                write_nothing(v, top, maps, codes)
                continue
            mono = solve_mono(
                s.y, s.w, curve.base, curve.time_s, s.wy, s.ww, s.e, curve.grid, curve.exponentials, curve.squares,
                curve.penalty, curve.centre, curve.precision, s.profile, s.norm,
            )  # fmt: skip
            if mono[0] > 0.0 and mono[4] >= fallback.least_gain:
                finish_pair(v, top, kind, mono, curve, fallback, pairs, s, maps, codes)
            else:
                write_scaled(
                    v, top, s.y, s.w, fallback.shape, fallback.shape_integral, fallback.tail_rate, maps, codes
                )
