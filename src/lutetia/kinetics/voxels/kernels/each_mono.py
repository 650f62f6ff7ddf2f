"""One exponential (or a region's curve, tilted) in every voxel."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lutetia.kinetics.voxels.kernels.blocks import (
    AMPLITUDE,
    BLOCK,
    CHI_SQUARE,
    GAIN,
    RATE,
    SE,
    SET,
    SETT,
    TOP,
    empty_block,
    solve_block,
)  # fmt: skip
from lutetia.kinetics.voxels.kernels.mono import ABOVE, BELOW, LOST, solve_mono
from lutetia.kinetics.voxels.kernels.shared import CHUNK, load
from lutetia.kinetics.voxels.kernels.write import (
    write_moments,
    write_mono,
    write_nothing,
    write_scaled,
    write_trapezoid,
)
from lutetia.kinetics.voxels.result import FITTED, NOT_CONVERGED, PHYSICAL_LIMIT, RISING, TOO_FAST


@njit(cache=True, error_model="numpy")
def mono_status(place, chi2, denied):
    """What a mono-exponential is worth, by where its rate lies."""
    if place == LOST:
        return NOT_CONVERGED
    if place == ABOVE:
        return TOO_FAST
    if place == BELOW:
        return RISING if chi2 > denied else PHYSICAL_LIMIT
    return FITTED


class Scratch(NamedTuple):
    """Working space for one voxel: values, weights, products and exponentials of the scans; two rows of the grid."""

    y: NDArray[np.float64]
    w: NDArray[np.float64]
    wy: NDArray[np.float64]
    ww: NDArray[np.float64]
    e: NDArray[np.float64]
    profile: NDArray[np.float64]
    norm: NDArray[np.float64]


@njit(cache=True)
def scratch(n, size):
    """Working space for n scans and a grid of this size."""
    return Scratch(np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(size), np.empty(size))


@njit(cache=True, error_model="numpy")
def fit_long(v, images, sigma, curve, fallback, s, maps, codes):
    """One exponential in a voxel that is not plain: all that can happen."""
    top = load(images, sigma, v, curve.noise, s.y, s.w)
    if not top > 0.0:
        write_nothing(v, top, maps, codes)
        return
    a, theta, chi2, place, gain = solve_mono(
        s.y, s.w, curve.base, curve.since_s, s.wy, s.ww, s.e, curve.grid, curve.exponentials, curve.squares,
        curve.penalty, curve.centre, curve.precision, s.profile, s.norm,
    )  # fmt: skip
    status = mono_status(place, chi2, fallback.denied[s.y.size - 1])
    if not a > 0.0 or gain < fallback.least_gain:
        write_scaled(v, top, s.y, s.w, fallback.shape, fallback.shape_integral, fallback.tail_rate, maps, codes)
    elif status in (FITTED, PHYSICAL_LIMIT):
        write_mono(
            v, top, status, a, math.exp(theta), chi2, s.ww, curve.since_s, s.e, curve.time_s[0], curve.shares,
            curve.shifts, curve.code, curve.precision, maps, codes,
        )  # fmt: skip
    else:
        write_trapezoid(v, top, status, s.y, s.w, fallback.weights, fallback.tail_rate, maps, codes)


@njit(cache=True, error_model="numpy")
def write_block(index, sums, plain, least_gain, first_s, shares, shifts, code, precision, n, maps, codes):
    """Results of the plain voxels of a block; what is not significant stays for the long way."""
    for b in range(index.size):
        if not plain[b] or sums[GAIN, b] < least_gain:
            plain[b] = False
            continue
        write_moments(
            index[b], sums[TOP, b], FITTED, sums[AMPLITUDE, b], sums[RATE, b], sums[CHI_SQUARE, b], sums[SE, b],
            sums[SET, b], sums[SETT, b], first_s, shares, shifts, code, precision, n, maps, codes,
        )  # fmt: skip


@njit(cache=True, parallel=True, error_model="numpy")
def fit_each_mono(images, sigma, index, curve, fallback, maps, codes):
    """Fill maps (10, voxels) and codes (model and status) of the voxels named in ``index``.

    ``images`` and ``sigma`` are (scans, voxels); no scans in ``sigma`` means none.
    """
    for chunk in prange((index.size + CHUNK - 1) // CHUNK):
        block = empty_block(curve.time_s.size)
        s = scratch(curve.time_s.size, curve.grid.size)
        end = min((chunk + 1) * CHUNK, index.size)
        for first in range(chunk * CHUNK, end, BLOCK):
            part = index[first : min(first + BLOCK, end)]
            solve_block(
                images, sigma, part, curve.noise, curve.base, curve.since_s, curve.grid, curve.exponentials,
                curve.squares, curve.penalty, curve.centre, curve.precision, block,
            )  # fmt: skip
            write_block(
                part, block.sums, block.plain, fallback.least_gain, curve.time_s[0], curve.shares, curve.shifts,
                curve.code, curve.precision, curve.time_s.size, maps, codes,
            )  # fmt: skip
            for b in range(part.size):
                if not block.plain[b]:
                    fit_long(part[b], images, sigma, curve, fallback, s, maps, codes)
