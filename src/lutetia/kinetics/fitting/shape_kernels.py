"""Sums over the shapes a curve may have between and outside its scans, in compiled code.

A shape is ``a ((1 - f) exp(-k_s t) + f exp(-k_f t) - exp(-k_u t))``, with a second washout; a negative share stands for a
second, slower uptake, ``a (exp(-k_s t) - |f| exp(-k_f t) - (1 - |f|) exp(-k_u t))``. An empty array of ``fast`` rates means
one washout (f = 0), an empty one of ``up`` rates activity that is there at once.
"""

import math

import numpy as np
from numba import njit

NODES = np.array([-1.7, -1.0, -0.5, 0.0, 0.5, 1.0, 1.7]) / 0.9892
"""Standard normal deviates of equal weight, with a variance of 1."""
SHARES = 8
"""Shares of the fast washout, spread over what the points leave open of it."""
NEGLIGIBLE = 30.0
"""Rise of the sum of squares at which a shape is as good as excluded, e^-15."""


@njit(cache=True)
def columns(rates, t, w):
    """Weighted exponentials, shape (rates, times); one row of zeros for no rates."""
    out = np.zeros((max(rates.size, 1), t.size))
    for g in range(rates.size):
        for i in range(t.size):
            out[g, i] = math.exp(-rates[g] * t[i]) * w[i]
    return out


@njit(cache=True)
def linear_fit(y, slow, share, fast, up):
    """Amplitude, its weight and the sum of squares of a shape, columns already weighted."""
    g, h, yy = 0.0, 0.0, 0.0
    first, third = (1.0 - share, 1.0) if share >= 0.0 else (1.0, 1.0 + share)
    for i in range(y.size):
        b = first * slow[i] + share * fast[i] - third * up[i]
        g += b * b
        h += b * y[i]
        yy += y[i] * y[i]
    if h <= 0.0 or g <= 0.0:
        return 0.0, 1.0, np.inf
    return h / g, g, max(yy - h * h / g, 0.0)


@njit(cache=True)
def share_window(y, slow, fast, up, least):
    """Shares of the fast phase that the points leave open, and the best of them; ``least`` is the smallest allowed."""
    aa, ab, bb, ya, yb = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(y.size):
        a, b = slow[i] - up[i], fast[i] - up[i]
        aa += a * a
        ab += a * b
        bb += b * b
        ya += a * y[i]
        yb += b * y[i]
    det = aa * bb - ab * ab
    if det <= 1e-12 * aa * bb:
        return least, 1.0, 0.5
    p, q = (ya * bb - yb * ab) / det, (yb * aa - ya * ab) / det
    # the share is that of two washouts, or of two uptakes where the fast amplitude is negative
    total = p + q if q >= 0.0 else p
    if total <= 0.0:
        return least, 1.0, 1.0 if q > p else 0.0
    best = q / total
    variance = (q * q * bb + 2 * p * q * ab + p * p * aa) / det / total**4
    reach = 5.0 * math.sqrt(max(variance, 0.0))
    low, high = min(max(best - reach, least), 1.0), min(max(best + reach, least), 1.0)
    if high <= low:
        low, high = (least, min(1.0, least + reach)) if best < least else (max(least, 1.0 - reach), 1.0)
    return low, high, min(max(best, least), 1.0)


@njit(cache=True)
def ordered(slow, fast, up, f, u):
    """Whether the rates rise from washout to uptake, so that no shape counts twice and none is negative."""
    fastest = slow
    if fast.size > 0:
        if fast[f] <= slow:
            return False
        fastest = fast[f]
    return up.size == 0 or up[u] > fastest


@njit(cache=True)
def shape_integral(slow, share, fast, up, f, u):
    """Integral of a shape of amplitude 1."""
    first, third = (1.0 - share, 1.0) if share >= 0.0 else (1.0, 1.0 + share)
    total = first / slow
    if fast.size > 0:
        total += share / fast[f]
    if up.size > 0:
        total -= third / up[u]
    return total


@njit(cache=True)
def explore(t, y, w, slow, fast, up):
    """Least sum of squares for each slow, each fast and each uptake rate."""
    c_slow, c_fast, c_up = columns(slow, t, w), columns(fast, t, w), columns(up, t, w)
    yw, smallest = y * w, -1.0 if up.size > 0 else 0.0
    by_slow = np.full(slow.size, np.inf)
    by_fast, by_up = np.full(c_fast.shape[0], np.inf), np.full(c_up.shape[0], np.inf)
    for s in range(slow.size):
        for f in range(c_fast.shape[0]):
            for u in range(c_up.shape[0]):
                if not ordered(slow[s], fast, up, f, u):
                    continue
                share = 0.0
                if fast.size > 0:
                    share = share_window(yw, c_slow[s], c_fast[f], c_up[u], smallest)[2]
                chi2 = linear_fit(yw, c_slow[s], share, c_fast[f], c_up[u])[2]
                by_slow[s] = min(by_slow[s], chi2)
                by_fast[f] = min(by_fast[f], chi2)
                by_up[u] = min(by_up[u], chi2)
    return by_slow, by_fast, by_up


@njit(cache=True)
def deposit(t, y, w, slow, fast, up, least, step, histogram):
    """Add every shape's likelihood to a histogram of ln(integral) around 0, in units of ``step``.

    The amplitude is integrated in closed form, uniform in its logarithm; the weight is uniform in the slow rate, in
    the logarithms of the others, and in the share.
    """
    c_slow, c_fast, c_up = columns(slow, t, w), columns(fast, t, w), columns(up, t, w)
    yw, half, bins = y * w, histogram.size // 2, histogram.size
    smallest = -1.0 if up.size > 0 else 0.0
    count = SHARES if fast.size > 0 else 1
    for s in range(slow.size):
        for f in range(c_fast.shape[0]):
            for u in range(c_up.shape[0]):
                if not ordered(slow[s], fast, up, f, u):
                    continue
                low, high = 0.0, 0.0
                if fast.size > 0:
                    low, high, _ = share_window(yw, c_slow[s], c_fast[f], c_up[u], smallest)
                for p in range(count):
                    share = low + (high - low) * (p + 0.5) / count
                    a, g, chi2 = linear_fit(yw, c_slow[s], share, c_fast[f], c_up[u])
                    if a <= 0.0 or chi2 > least + NEGLIGIBLE:
                        continue
                    relative = 1.0 / (a * math.sqrt(g))
                    weight = slow[s] * relative * math.exp(-(chi2 - least) / 2)
                    if fast.size > 0:
                        weight *= (high - low) / count / (1.0 - smallest)
                    middle = math.log(a * shape_integral(slow[s], share, fast, up, f, u))
                    for z in NODES:
                        b = half + math.floor((middle + z * relative) / step)
                        histogram[min(max(b, 0), bins - 1)] += weight / NODES.size
