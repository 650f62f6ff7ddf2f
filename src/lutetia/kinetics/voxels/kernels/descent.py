"""Two exponentials in one voxel: Newton's method with exact second derivatives, damped, between bounds.

Parameters are amplitudes (in units of the voxel's largest value) and logarithms of rates:

- bi-exponential ``(a1, log k1, a2, log k2)``: ``a1 exp(-k1 t) + a2 exp(-k2 t)``;
- uptake and washout ``(a, log k1, d)``: ``a (exp(-k1 t) - exp(-k2 t))`` with ``k2 = k1 exp(d)``.
"""

import math

from numba import njit

from lutetia.kinetics.voxels.result import BI

MOST_STEPS = 200
FULL_STEP = 1e-8
"""An undamped Newton step this small leaves an error of its square."""
SLOW_STEP = 1e-11
"""The same where the steps shrink only in proportion."""
NO_DAMPING = 1e-9
MOST_DAMPING = 1e10
ROUNDING = 1e-13


@njit(cache=True, error_model="numpy")
def add_bi(p, y, w, t, gradient, normal, curvature):
    """Value of half the sum of squares; its gradient, normal matrix and second-order part are added."""
    k1, k2 = math.exp(p[1]), math.exp(p[3])
    value = 0.0
    for i in range(t.size):
        x1, x2 = k1 * t[i], k2 * t[i]
        e1, e2 = math.exp(-x1), math.exp(-x2)
        r = y[i] - p[0] * e1 - p[2] * e2
        value += 0.5 * w[i] * r * r
        d1, d2 = -p[0] * x1 * e1, -p[2] * x2 * e2
        d = (e1, d1, e2, d2)
        for a in range(4):
            gradient[a] -= w[i] * r * d[a]
            for b in range(a + 1):
                normal[a, b] += w[i] * d[a] * d[b]
        curvature[1, 0] += w[i] * r * x1 * e1
        curvature[1, 1] -= w[i] * r * d1 * (1.0 - x1)
        curvature[3, 2] += w[i] * r * x2 * e2
        curvature[3, 3] -= w[i] * r * d2 * (1.0 - x2)
    return value


@njit(cache=True, error_model="numpy")
def add_uptake(p, y, w, t, gradient, normal, curvature):
    """The same for uptake and washout."""
    k1, k2 = math.exp(p[1]), math.exp(p[1] + p[2])
    value = 0.0
    for i in range(t.size):
        x1, x2 = k1 * t[i], k2 * t[i]
        e1, e2 = math.exp(-x1), math.exp(-x2)
        r = y[i] - p[0] * (e1 - e2)
        value += 0.5 * w[i] * r * r
        wash, take = -x1 * e1 + x2 * e2, x2 * e2
        d = (e1 - e2, p[0] * wash, p[0] * take)
        for a in range(3):
            gradient[a] -= w[i] * r * d[a]
            for b in range(a + 1):
                normal[a, b] += w[i] * d[a] * d[b]
        late = p[0] * x2 * e2 * (1.0 - x2)
        curvature[1, 0] -= w[i] * r * wash
        curvature[2, 0] -= w[i] * r * take
        curvature[1, 1] -= w[i] * r * (late - p[0] * x1 * e1 * (1.0 - x1))
        curvature[2, 1] -= w[i] * r * late
        curvature[2, 2] -= w[i] * r * late
    return value


@njit(cache=True, error_model="numpy")
def evaluate(kind, p, y, w, t, gradient, normal, curvature):
    """Half the sum of squares with gradient and both parts of the Hessian (lower triangles)."""
    gradient[:] = 0.0
    normal[:] = 0.0
    curvature[:] = 0.0
    if kind == BI:
        return add_bi(p, y, w, t, gradient, normal, curvature)
    return add_uptake(p, y, w, t, gradient, normal, curvature)


@njit(cache=True, error_model="numpy")
def decompose(matrix, size):
    """Cholesky factor in place of a lower triangle; False where the matrix is not positive definite."""
    for a in range(size):
        for b in range(a + 1):
            s = matrix[a, b]
            for c in range(b):
                s -= matrix[a, c] * matrix[b, c]
            if a == b:
                if not s > 1e-14 * matrix[a, a] or not s > 0.0:
                    return False
                matrix[a, a] = math.sqrt(s)
            else:
                matrix[a, b] = s / matrix[b, b]
    return True


@njit(cache=True, error_model="numpy")
def substitute(factor, size, x):
    """Solve with a Cholesky factor, in place of x."""
    for a in range(size):
        for c in range(a):
            x[a] -= factor[a, c] * x[c]
        x[a] /= factor[a, a]
    for a in range(size - 1, -1, -1):
        for c in range(a + 1, size):
            x[a] -= factor[c, a] * x[c]
        x[a] /= factor[a, a]


@njit(cache=True, error_model="numpy")
def filled(work, step, gradient, normal, curvature, share, damping, fixed, size):
    """Damped matrix and right-hand side of the step; parameters at a bound that pulls outwards stay."""
    for a in range(size):
        for b in range(a):
            work[a, b] = 0.0 if fixed[a] or fixed[b] else normal[a, b] + share * curvature[a, b]
        own = normal[a, a] + share * curvature[a, a] + damping * normal[a, a]
        work[a, a] = 1.0 if fixed[a] else own
        step[a] = 0.0 if fixed[a] else -gradient[a]


@njit(cache=True, error_model="numpy")
def find_step(work, step, gradient, normal, curvature, damping, fixed, size):
    """Newton step where the Hessian allows it (True), else that of Gauss and Newton, damped until it can be solved."""
    filled(work, step, gradient, normal, curvature, 1.0, damping, fixed, size)
    if decompose(work, size):
        substitute(work, size, step)
        return True
    while damping < MOST_DAMPING:
        filled(work, step, gradient, normal, curvature, 0.0, damping, fixed, size)
        if decompose(work, size):
            substitute(work, size, step)
            return False
        damping = max(10.0 * damping, 1e-6)
    step[:size] = 0.0
    return False


@njit(cache=True, error_model="numpy")
def advance(p, step, low, high, trial, size):
    """Point after the step, kept between the bounds; returns the largest change."""
    longest = 0.0
    for a in range(size):
        trial[a] = min(max(p[a] + step[a], low[a]), high[a])
        longest = max(longest, abs(trial[a] - p[a]))
    return longest


@njit(cache=True, error_model="numpy")
def hold(p, low, high, gradient, normal, fixed, size):
    """Which parameters stay: those at a bound whose gradient pulls outwards, and those that change nothing."""
    for a in range(size):
        outwards = (p[a] <= low[a] and gradient[a] > 0.0) or (p[a] >= high[a] and gradient[a] < 0.0)
        fixed[a] = outwards or normal[a, a] <= 0.0


@njit(cache=True, error_model="numpy")
def descend(kind, p, low, high, y, w, t, s):
    """Move p to the nearest minimum between the bounds; returns the sum of squares and whether the search ended."""
    size = 4 if kind == BI else 3
    gradient, normal, curvature, work = s.gradient, s.normal, s.curvature, s.work
    step, trial, fixed = s.step, s.trial, s.fixed
    value = evaluate(kind, p, y, w, t, gradient, normal, curvature)
    damping = 0.0
    for _ in range(MOST_STEPS):
        hold(p, low, high, gradient, normal, fixed, size)
        newton = find_step(work, step, gradient, normal, curvature, damping, fixed, size)
        longest = advance(p, step, low, high, trial, size)
        there = evaluate(kind, trial, y, w, t, gradient, normal, curvature)
        if there <= value * (1.0 + ROUNDING):
            p[:size] = trial[:size]
            value = there
            small = longest < (FULL_STEP if newton and damping == 0.0 else SLOW_STEP)
            damping = 0.1 * damping if damping > NO_DAMPING else 0.0
        else:
            evaluate(kind, p, y, w, t, gradient, normal, curvature)
            damping = max(10.0 * damping, 1e-4)
            small = damping > MOST_DAMPING or longest < SLOW_STEP
        if small:
            return 2.0 * value, True
    return 2.0 * value, False
