"""Results of one voxel into the maps: a fit, or what stands for one."""

import math

from numba import njit

from lutetia.kinetics.voxels.kernels.mono import mono_uncertainty
from lutetia.kinetics.voxels.kernels.pairs import pair_uncertainty
from lutetia.kinetics.voxels.kernels.shared import (
    A1,
    A2,
    AICC,
    CHI2,
    HALF_LIFE,
    K1,
    K2,
    LN2,
    TIA,
    U_HALF_LIFE,
    U_TIA,
)
from lutetia.kinetics.voxels.result import BI, EMPTY, NOISE, NOT_FINITE, SCALED, TRAPEZOID


@njit(cache=True, error_model="numpy")
def aicc_of(chi2, k, n):
    """Akaike's criterion corrected for few points; NaN where it is not defined."""
    return chi2 + 2.0 * k + 2.0 * k * (k + 1) / (n - k - 1) if n - k - 1 > 0 else math.nan


@njit(cache=True, error_model="numpy")
def write_blank(v, maps):
    """Nothing known of a model."""
    for row in range(maps.shape[0]):
        maps[row, v] = math.nan


@njit(cache=True, error_model="numpy")
def write_fit(v, top, total, spread, relative, rate, maps):
    """Integral and half-life with their uncertainties."""
    maps[TIA, v] = top * total
    maps[U_TIA, v] = top * spread
    maps[HALF_LIFE, v] = LN2 / rate
    maps[U_HALF_LIFE, v] = relative * LN2 / rate


@njit(cache=True, error_model="numpy")
def write_trapezoid(v, top, status, y, w, weights, tail_rate, maps, codes):
    """Trapezoids between the scans, decay before the first, the tail after the last; linear in the values."""
    write_blank(v, maps)
    total = square = 0.0
    for i in range(y.size):
        weight = weights[i] + (1.0 / tail_rate if i == y.size - 1 else 0.0)
        total += weight * max(y[i], 0.0)
        square += weight * weight / w[i]
    write_fit(v, top, total, math.sqrt(square), math.nan, tail_rate, maps)
    codes[0, v], codes[1, v] = TRAPEZOID, status


@njit(cache=True, error_model="numpy")
def write_scaled(v, top, y, w, shape, integral, tail_rate, maps, codes):
    """The given curve with the best amplitude, not below 0."""
    write_blank(v, maps)
    sy = se = 0.0
    for i in range(y.size):
        sy += w[i] * y[i] * shape[i]
        se += w[i] * shape[i] * shape[i]
    write_fit(v, top, max(sy / se, 0.0) * integral, integral / math.sqrt(se), math.nan, tail_rate, maps)
    codes[0, v], codes[1, v] = SCALED, NOISE


@njit(cache=True, error_model="numpy")
def write_nothing(v, top, maps, codes):
    """Status of a voxel without activity, or with a value that is not finite."""
    write_blank(v, maps)
    codes[1, v] = EMPTY if top == 0.0 else NOT_FINITE
    maps[TIA, v] = top


@njit(cache=True, error_model="numpy")
def write_moments(
    v, top, status, a, k, chi2, se, set_, sett, first_s, shares, shifts, code, precision, n, maps, codes
):
    """One exponential, or the region's curve tilted, from the moments of the norm."""
    grown = math.exp(k * first_s)
    total, spread, relative = mono_uncertainty(a, k, se, set_, sett, first_s, shares, shifts, precision)
    write_fit(v, top * grown, total, spread, relative, k, maps)
    a *= grown
    maps[A1, v], maps[K1, v] = top * a, k
    maps[A2, v] = maps[K2, v] = math.nan
    if shares.size == 2:
        maps[A2, v], maps[K2, v] = top * a * shares[1], k + shifts[1]
    maps[CHI2, v], maps[AICC, v] = chi2, aicc_of(chi2, 2, n)
    codes[0, v], codes[1, v] = code, status


@njit(cache=True, error_model="numpy")
def write_mono(v, top, status, a, k, chi2, ww, t, e, first_s, shares, shifts, code, precision, maps, codes):
    """The same from weights and exponentials."""
    se = set_ = sett = 0.0
    for i in range(t.size):
        q = ww[i] * e[i] * e[i]
        se += q
        set_ += q * t[i]
        sett += q * t[i] * t[i]
    write_moments(
        v, top, status, a, k, chi2, se, set_, sett, first_s, shares, shifts, code, precision, t.size, maps, codes
    )


@njit(cache=True, error_model="numpy")
def write_pair(v, top, kind, status, chi2, n, p, normal, work, slope, maps, codes):
    """Two exponentials with their information matrix."""
    total, spread, relative = pair_uncertainty(kind, p, normal, work, slope)
    k1 = math.exp(p[1])
    write_fit(v, top, total, spread, relative, k1, maps)
    maps[A1, v], maps[K1, v] = top * p[0], k1
    if kind == BI:
        maps[A2, v], maps[K2, v] = top * p[2], math.exp(p[3])
    else:
        maps[A2, v], maps[K2, v] = -top * p[0], k1 * math.exp(p[2])
    maps[CHI2, v], maps[AICC, v] = chi2, aicc_of(chi2, 4 if kind == BI else 3, n)
    codes[0, v], codes[1, v] = kind, status
