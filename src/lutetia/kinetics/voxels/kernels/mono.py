r"""One exponential in one voxel: amplitude by linear regression, rate by Newton's method on what is left.

With weights :math:`w_i = 1/\sigma_i^2`, a base curve :math:`b_i` (1, or a region's curve without its last phase) and
:math:`e_i = \exp(-k t_i)`, the best amplitude is :math:`a(k) = S_y/S_e`, :math:`S_y = \sum w b y e`,
:math:`S_e = \sum w b^2 e^2`; what is left to minimise is :math:`F(\theta) = -S_y^2/(2 S_e) + p(\theta - \mu)^2/2` with
:math:`\theta = \log k` and the precision p of a prior, 0 without one.

Exponentials cost most of the time, so those of the grid are tabled and those of the next rate are the last ones times
``exp(-dk t)``, a short series. Times count from the first scan, so that the amplitude is the activity there: the two
parameters then hardly depend on each other where most of what is known comes from one scan.
"""

import math

from numba import njit

NEWTON_STEP = 1e-4
"""Newton's method squares the error: after a step this small, 1e-8 is left."""
BISECTION_STEP = 1e-10
MOST_STEPS = 60
SERIES = 0.8
"""Largest argument of the series; its error is 0.8^14/14! = 5e-13."""

FUSED = {"contract"}
"""Products and sums in one instruction."""

BELOW, BETWEEN, ABOVE, LOST = -1, 0, 1, 2
"""Where the rate lies: at physical decay, inside, at the upper limit; or nowhere, the search having failed."""


@njit(cache=True, error_model="numpy", inline="always", fastmath=FUSED)
def even_part(q):
    """Hyperbolic cosine of the square root of q."""
    high = 1 / 40320 + q * (1 / 3628800 + q * (1 / 479001600))
    return 1.0 + q * (1 / 2 + q * (1 / 24 + q * (1 / 720 + q * high)))


@njit(cache=True, error_model="numpy", inline="always", fastmath=FUSED)
def odd_part(q):
    """Hyperbolic sine of the square root of q, over it."""
    high = 1 / 362880 + q * (1 / 39916800 + q * (1 / 6227020800))
    return 1.0 + q * (1 / 6 + q * (1 / 120 + q * (1 / 5040 + q * high)))


@njit(cache=True, error_model="numpy", inline="always", fastmath=FUSED)
def decay(x):
    """``exp(-x)``, by its series where x is small."""
    if abs(x) > SERIES:
        return math.exp(-x)
    return even_part(x * x) - x * odd_part(x * x)


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def best_on_grid(wy, ww, exponentials, squares, penalty, profile, norm):
    """Index of the grid's rate with the least F; ``profile`` is filled with F."""
    n, size = exponentials.shape
    for j in range(size):
        profile[j] = wy[0] * exponentials[0, j]
        norm[j] = ww[0] * squares[0, j]
    for i in range(1, n):
        y, q = wy[i], ww[i]
        for j in range(size):
            profile[j] += y * exponentials[i, j]
            norm[j] += q * squares[i, j]
    for j in range(size):
        gain = max(profile[j], 0.0)
        profile[j] = penalty[j] - 0.5 * gain * gain / norm[j]
    best = 0
    least = profile[0]
    for j in range(1, size):
        if profile[j] < least:
            best, least = j, profile[j]
    return best


@njit(cache=True, error_model="numpy", inline="always", fastmath=FUSED)
def slopes(wy, ww, t, e, k, pull, precision):
    """First and second derivative of F with respect to theta, at the rate whose exponentials are ``e``."""
    sy = se = syt = set_ = sytt = sett = 0.0
    for i in range(t.size):
        y, q = wy[i] * e[i], ww[i] * e[i] * e[i]
        yt, qt = y * t[i], q * t[i]
        sy += y
        se += q
        syt += yt
        set_ += qt
        sytt += yt * t[i]
        sett += qt * t[i]
    a = max(sy / se, 0.0)
    cross = syt - a * set_
    first = k * a * cross
    second = k * k * (2.0 * a * a * sett - a * sytt - (cross - a * set_) ** 2 / se) + first
    if a == 0.0:
        second = 0.0
    return first + pull, second + precision


@njit(cache=True, error_model="numpy", inline="always", fastmath=FUSED)
def start_between(profile, best, spacing):
    """From the best point of the grid to the vertex of the parabola through it and its neighbours."""
    if best == 0 or best == profile.size - 1:
        return 0.0
    left, right = profile[best - 1] - profile[best], profile[best + 1] - profile[best]
    return 0.5 * spacing * (left - right) / (left + right)


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def best_rate(wy, ww, t, e, theta, step, low, high, centre, precision):
    """Logarithm of the rate where F is least in a bracket, and whether the search ended; ``e`` follows."""
    k = math.exp(theta)
    for _ in range(MOST_STEPS):
        change = k * (decay(-step) - 1.0)
        theta += step
        k += change
        for i in range(t.size):
            e[i] *= decay(change * t[i])
        first, second = slopes(wy, ww, t, e, k, precision * (theta - centre), precision)
        if first > 0.0:
            high = theta
        else:
            low = theta
        step = -first / second if second > 0.0 else math.inf
        newton = low <= theta + step <= high
        if not newton:
            step = 0.5 * (low + high) - theta
        if abs(step) < (NEWTON_STEP if newton else BISECTION_STEP):
            change = k * (decay(-step) - 1.0)
            for i in range(t.size):
                e[i] *= decay(change * t[i])
            return theta + step, True
    return theta, False


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def solve_mono(y, w, base, t, wy, ww, e, grid, exponentials, squares, penalty, centre, precision, profile, norm):
    """Amplitude, logarithm of the rate, residual sum of squares, place of the rate, gain of the amplitude.

    The gain is what the amplitude takes off the sum of squares (the square of its significance). ``e`` holds exp(-k t).
    """
    for i in range(t.size):
        ww[i] = w[i] * base[i] * base[i]
        wy[i] = w[i] * base[i] * y[i]
    best = best_on_grid(wy, ww, exponentials, squares, penalty, profile, norm)
    last = grid.size - 1
    theta, place = grid[best], BETWEEN
    for i in range(t.size):
        e[i] = exponentials[i, best]
    if best == 0 or best == last:
        slope = slopes(wy, ww, t, e, math.exp(theta), precision * (theta - centre), precision)[0]
        if best == 0 and slope >= 0.0:
            place = BELOW
        elif best == last and slope <= 0.0:
            place = ABOVE
    if place == BETWEEN:
        step = start_between(profile, best, grid[1] - grid[0])
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, last)]
        theta, ended = best_rate(wy, ww, t, e, theta, step, low, high, centre, precision)
        place = BETWEEN if ended else LOST
    sy = se = 0.0
    for i in range(t.size):
        sy += wy[i] * e[i]
        se += ww[i] * e[i] * e[i]
    a = sy / se
    chi2 = 0.0
    for i in range(t.size):
        chi2 += w[i] * (y[i] - a * base[i] * e[i]) ** 2
    return a, theta, chi2, place, sy * a


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def mono_uncertainty(a, k, se, set_, sett, first_s, shares, shifts, precision):
    """Integral, its standard uncertainty and the relative one of the rate, from the information matrix.

    The integral is ``a exp(k first) sum_j shares_j / (shifts_j + k)``, the factor ``exp(k first)`` left to the caller;
    ``se``, ``set_``, ``sett`` are the moments of the norm in time; the prior adds its precision to that of the rate.
    """
    unit = slope = 0.0
    for j in range(shares.size):
        part = shares[j] / (shifts[j] + k)
        unit += part
        slope -= part * k / (shifts[j] + k)
    slope += k * first_s * unit
    cross, own = -a * k * set_, a * a * k * k * sett + precision
    det = se * own - cross * cross
    if not det > 0.0:
        return a * unit, math.nan, math.nan
    variance = (own * unit * unit - 2.0 * cross * unit * a * slope + se * a * a * slope * slope) / det
    return a * unit, math.sqrt(max(variance, 0.0)), math.sqrt(se / det)
