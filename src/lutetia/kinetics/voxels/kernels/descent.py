"""Two exponentials in one voxel: Newton's method with exact second derivatives, damped, between bounds.

Parameters are amplitudes (in units of the voxel's largest value) and logarithms of rates:

- bi-exponential ``(a1, log k1, a2, log k2)``: ``a1 exp(-k1 t) + a2 exp(-k2 t)``;
- uptake and washout ``(a, log k1, d)``: ``a (exp(-k1 t) - exp(-k2 t))`` with ``k2 = k1 exp(d)``.
"""

import math

from numba import njit

from lutetia.kinetics.voxels.kernels.mono import FUSED
from lutetia.kinetics.voxels.result import BI

MOST_STEPS = 200
FULL_STEP = 5e-5
"""An undamped Newton step this small leaves an error of its square."""
SLOW_STEP = 1e-11
"""The same where the steps shrink only in proportion."""
FARTHEST = 0.4
"""Largest change of the logarithm of a rate in one step: the minimum lies about a point of the grid away."""
NO_DAMPING = 1e-9
MOST_DAMPING = 1e10
ROUNDING = 1e-13


@njit(cache=True, error_model="numpy", fastmath=FUSED, forceinline=True)
def bi_terms(p, y, w, t, gradient, normal, curvature):
    """Half the sum of squares of a bi-exponential; its gradient, and both parts of its Hessian (lower triangles)."""
    k1, k2, a1, a2 = math.exp(p[1]), math.exp(p[3]), p[0], p[2]
    value = g0 = g1 = g2 = g3 = 0.0
    n00 = n10 = n11 = n20 = n21 = n22 = n30 = n31 = n32 = n33 = 0.0
    c10 = c11 = c32 = c33 = 0.0
    for i in range(t.size):
        x1, x2 = k1 * t[i], k2 * t[i]
        e1, e2 = math.exp(-x1), math.exp(-x2)
        d1, d2 = -a1 * x1 * e1, -a2 * x2 * e2
        r = y[i] - a1 * e1 - a2 * e2
        wr, w0, w1, w2 = w[i] * r, w[i] * e1, w[i] * d1, w[i] * e2
        value += 0.5 * wr * r
        g0, g1, g2, g3 = g0 - wr * e1, g1 - wr * d1, g2 - wr * e2, g3 - wr * d2
        n00, n10, n20, n30 = n00 + w0 * e1, n10 + w0 * d1, n20 + w0 * e2, n30 + w0 * d2
        n11, n21, n31 = n11 + w1 * d1, n21 + w1 * e2, n31 + w1 * d2
        n22, n32, n33 = n22 + w2 * e2, n32 + w2 * d2, n33 + w[i] * d2 * d2
        c10, c11 = c10 + wr * x1 * e1, c11 - wr * d1 * (1.0 - x1)
        c32, c33 = c32 + wr * x2 * e2, c33 - wr * d2 * (1.0 - x2)
    gradient[0], gradient[1], gradient[2], gradient[3] = g0, g1, g2, g3
    normal[0, 0], normal[1, 0], normal[1, 1], normal[2, 0], normal[2, 1] = n00, n10, n11, n20, n21
    normal[2, 2], normal[3, 0], normal[3, 1], normal[3, 2], normal[3, 3] = n22, n30, n31, n32, n33
    curvature[1, 0], curvature[1, 1], curvature[3, 2], curvature[3, 3] = c10, c11, c32, c33
    curvature[0, 0] = curvature[2, 0] = curvature[2, 1] = curvature[2, 2] = curvature[3, 0] = curvature[3, 1] = 0.0
    return value


@njit(cache=True, error_model="numpy", fastmath=FUSED, forceinline=True)
def uptake_terms(p, y, w, t, gradient, normal, curvature):
    """The same for uptake and washout."""
    k1, a = math.exp(p[1]), p[0]
    k2 = k1 * math.exp(p[2])
    value = g0 = g1 = g2 = 0.0
    n00 = n10 = n11 = n20 = n21 = n22 = 0.0
    c10 = c11 = c20 = c21 = 0.0
    for i in range(t.size):
        x1, x2 = k1 * t[i], k2 * t[i]
        f1, f2 = x1 * math.exp(-x1), x2 * math.exp(-x2)
        e = f1 / x1 - f2 / x2
        wash = f2 - f1
        d1, d2 = a * wash, a * f2
        r = y[i] - a * e
        wr, w0, w1 = w[i] * r, w[i] * e, w[i] * d1
        value += 0.5 * wr * r
        g0, g1, g2 = g0 - wr * e, g1 - wr * d1, g2 - wr * d2
        n00, n10, n20 = n00 + w0 * e, n10 + w0 * d1, n20 + w0 * d2
        n11, n21, n22 = n11 + w1 * d1, n21 + w1 * d2, n22 + w[i] * d2 * d2
        late = wr * a * f2 * (1.0 - x2)
        c10, c20 = c10 - wr * wash, c20 - wr * f2
        c11, c21 = c11 - late + wr * a * f1 * (1.0 - x1), c21 - late
    gradient[0], gradient[1], gradient[2] = g0, g1, g2
    normal[0, 0], normal[1, 0], normal[1, 1], normal[2, 0], normal[2, 1], normal[2, 2] = (
        n00,
        n10,
        n11,
        n20,
        n21,
        n22,
    )
    curvature[0, 0], curvature[1, 0], curvature[1, 1], curvature[2, 0] = 0.0, c10, c11, c20
    curvature[2, 1] = curvature[2, 2] = c21
    return value


@njit(cache=True, error_model="numpy", forceinline=True)
def evaluate(kind, p, y, w, t, gradient, normal, curvature):
    """Half the sum of squares with gradient and both parts of the Hessian."""
    if kind == BI:
        return bi_terms(p, y, w, t, gradient, normal, curvature)
    return uptake_terms(p, y, w, t, gradient, normal, curvature)


@njit(cache=True, error_model="numpy", fastmath=FUSED, forceinline=True)
def decompose(matrix, size):
    """Cholesky factor in place of a lower triangle, its diagonal inverted; False where it is not positive definite."""
    for a in range(size):
        for b in range(a):
            s = matrix[a, b]
            for c in range(b):
                s -= matrix[a, c] * matrix[b, c]
            matrix[a, b] = s * matrix[b, b]
        s = matrix[a, a]
        for c in range(a):
            s -= matrix[a, c] * matrix[a, c]
        if not s > 1e-14 * matrix[a, a] or not s > 0.0:
            return False
        matrix[a, a] = 1.0 / math.sqrt(s)
    return True


@njit(cache=True, error_model="numpy", fastmath=FUSED, forceinline=True)
def substitute(factor, size, x):
    """Solve with a Cholesky factor of inverted diagonal, in place of x."""
    for a in range(size):
        s = x[a]
        for c in range(a):
            s -= factor[a, c] * x[c]
        x[a] = s * factor[a, a]
    for a in range(size - 1, -1, -1):
        s = x[a]
        for c in range(a + 1, size):
            s -= factor[c, a] * x[c]
        x[a] = s * factor[a, a]


@njit(cache=True, error_model="numpy", forceinline=True)
def filled(work, step, gradient, normal, curvature, share, damping, fixed, size):
    """Damped matrix and right-hand side of the step; parameters at a bound that pulls outwards stay."""
    for a in range(size):
        for b in range(a):
            work[a, b] = 0.0 if fixed[a] or fixed[b] else normal[a, b] + share * curvature[a, b]
        own = normal[a, a] + share * curvature[a, a] + damping * normal[a, a]
        work[a, a] = 1.0 if fixed[a] else own
        step[a] = 0.0 if fixed[a] else -gradient[a]


@njit(cache=True, error_model="numpy", forceinline=True)
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


@njit(cache=True, error_model="numpy", forceinline=True)
def advance(p, step, low, high, trial, size):
    """Point after the step, cut to what the rates can be trusted to go and to the bounds; returns the largest change."""
    far = max(abs(step[1]), abs(step[3] if size == 4 else step[2]))
    share = FARTHEST / far if far > FARTHEST else 1.0
    longest = 0.0
    for a in range(size):
        trial[a] = min(max(p[a] + share * step[a], low[a]), high[a])
        longest = max(longest, abs(trial[a] - p[a]))
    return longest


@njit(cache=True, error_model="numpy", forceinline=True)
def hold(p, low, high, gradient, normal, fixed, size):
    """Which parameters stay: those at a bound whose gradient pulls outwards, and those that change nothing."""
    for a in range(size):
        outwards = (p[a] <= low[a] and gradient[a] > 0.0) or (p[a] >= high[a] and gradient[a] < 0.0)
        fixed[a] = outwards or normal[a, a] <= 0.0


@njit(cache=True, error_model="numpy", forceinline=True)
def descend(kind, p, low, high, y, w, t, gradient, normal, curvature, work, step, trial, fixed):
    """Move p to the nearest minimum between the bounds; returns the sum of squares and whether the search ended."""
    size = 4 if kind == BI else 3
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
