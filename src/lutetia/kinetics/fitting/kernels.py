"""Least squares of sums of exponentials in compiled code: search on a grid of rates, then Levenberg-Marquardt.

A model is ``A(t) = sum_j (C a)_j exp(-k_j t)`` with amplitudes ``a >= 0``; ``slot[j]`` says which free rate the term j
has, -1 for one that is fixed at ``fixed[j]``. Free rates enter as logarithms q, so that they stay positive and steps
are relative.
"""

import math

import numpy as np
from numba import njit

MAX_STEPS = 300
"""Levenberg-Marquardt steps; curves that the points determine need under ten."""
CONVERGED = 1e-14
"""Relative step below which nothing changes in double precision."""


@njit(cache=True)
def reflect(matrix, right, j):
    """Householder reflection that clears column j below the diagonal, of a matrix and its right side in place."""
    m, n = matrix.shape
    norm = 0.0
    for i in range(j, m):
        norm += matrix[i, j] ** 2
    if norm == 0.0:
        return
    alpha = -math.sqrt(norm) if matrix[j, j] > 0 else math.sqrt(norm)
    matrix[j, j] -= alpha
    scale = 1.0 / (alpha * matrix[j, j])
    for c in range(j + 1, n + 1):
        dot = 0.0
        for i in range(j, m):
            dot += matrix[i, j] * (matrix[i, c] if c < n else right[i])
        for i in range(j, m):
            if c < n:
                matrix[i, c] += scale * dot * matrix[i, j]
            else:
                right[i] += scale * dot * matrix[i, j]
    matrix[j, j] = alpha


@njit(cache=True)
def least_squares_step(matrix, right):
    """Solution of ``min |matrix x - right|`` by Householder reflections; both are overwritten."""
    n = matrix.shape[1]
    for j in range(n):
        reflect(matrix, right, j)
    x = np.zeros(n)
    for j in range(n - 1, -1, -1):
        total = right[j]
        for c in range(j + 1, n):
            total -= matrix[j, c] * x[c]
        x[j] = total / matrix[j, j] if matrix[j, j] != 0.0 else 0.0
    return x


@njit(cache=True)
def amplitude(mixing, j, a):
    """Amplitude of a term."""
    size = 0.0
    for m in range(a.size):
        size += mixing[j, m] * a[m]
    return size


@njit(cache=True)
def hold_integral(a, q, mixing, slot, fixed, target, stiffness, r, jacobian):
    """Last row of the least squares: ``stiffness (integral/target - 1)`` and its derivatives."""
    last, integral = r.size - 1, 0.0
    for j in range(slot.size):
        k = math.exp(q[slot[j]]) if slot[j] >= 0 else fixed[j]
        size = amplitude(mixing, j, a)
        integral += size / k
        for m in range(a.size):
            jacobian[last, m] += stiffness * mixing[j, m] / k / target
        if slot[j] >= 0:
            jacobian[last, a.size + slot[j]] -= stiffness * size / k / target
    r[last] = stiffness * (integral / target - 1.0)


@njit(cache=True)
def linearise(a, q, t, y, w, mixing, slot, fixed, target, stiffness, r, jacobian):
    """Weighted residuals r and their derivatives by (a, q); returns the sum of squares.

    With a stiffness above 0 one more row holds the integral to ``target``.
    """
    n, n_a = t.size, a.size
    r[:] = 0.0
    jacobian[:, :] = 0.0
    if stiffness > 0:
        hold_integral(a, q, mixing, slot, fixed, target, stiffness, r, jacobian)
    for i in range(n):
        r[i] = -y[i] * w[i]
    for j in range(slot.size):
        k = math.exp(q[slot[j]]) if slot[j] >= 0 else fixed[j]
        size = amplitude(mixing, j, a)
        for i in range(n):
            e = math.exp(-k * t[i]) * w[i]
            r[i] += size * e
            for m in range(n_a):
                jacobian[i, m] += mixing[j, m] * e
            if slot[j] >= 0:
                jacobian[i, n_a + slot[j]] -= size * k * t[i] * e
    cost = 0.0
    for value in r:
        cost += value * value
    return cost


@njit(cache=True)
def damped_step(r, jacobian, free, damping):
    """Levenberg-Marquardt step in the free parameters."""
    rows, size = jacobian.shape
    n_free = 0
    for p in range(size):
        n_free += free[p]
    matrix = np.zeros((rows + n_free, n_free))
    right = np.zeros(rows + n_free)
    c = 0
    for p in range(size):
        if free[p]:
            norm = 0.0
            for i in range(rows):
                matrix[i, c] = jacobian[i, p]
                norm += jacobian[i, p] ** 2
            matrix[rows + c, c] = math.sqrt(damping * norm) if norm > 0 else 1.0
            c += 1
    for i in range(rows):
        right[i] = -r[i]
    found = least_squares_step(matrix, right)
    step = np.zeros(size)
    c = 0
    for p in range(size):
        if free[p]:
            step[p] = found[c]
            c += 1
    return step


@njit(cache=True)
def free_parameters(p, low, high, r, jacobian):
    """1 for parameters inside their limits or pulled inwards by the points, 0 for those held at a limit."""
    free = np.ones(p.size, np.int64)
    for m in range(p.size):
        slope = 0.0
        for i in range(r.size):
            slope += jacobian[i, m] * r[i]
        if (p[m] <= low[m] and slope >= 0) or (p[m] >= high[m] and slope <= 0):
            free[m] = 0
    return free


@njit(cache=True)
def polish(a, q, low, high, t, y, w, mixing, slot, fixed, target, stiffness):
    """Least squares from a start, within limits of (a, q): parameters and sum of squares."""
    n_a, n_q = a.size, q.size
    rows = t.size + (1 if stiffness > 0 else 0)
    r, trial_r = np.zeros(rows), np.zeros(rows)
    jacobian, trial_jacobian = np.zeros((rows, n_a + n_q)), np.zeros((rows, n_a + n_q))
    p = np.concatenate((a, q))
    p = np.minimum(np.maximum(p, low), high)
    cost = linearise(p[:n_a], p[n_a:], t, y, w, mixing, slot, fixed, target, stiffness, r, jacobian)
    damping, idle = 1e-3, 0
    for _ in range(MAX_STEPS):
        free = free_parameters(p, low, high, r, jacobian)
        if free.sum() == 0:
            break
        step = damped_step(r, jacobian, free, damping)
        trial = np.minimum(np.maximum(p + step, low), high)
        change = 0.0
        for m in range(p.size):
            scale = abs(p[m]) if m < n_a else 1.0
            change = max(change, abs(trial[m] - p[m]) / max(scale, 1e-30))
        new = linearise(
            trial[:n_a], trial[n_a:], t, y, w, mixing, slot, fixed, target, stiffness, trial_r, trial_jacobian
        )
        if new < cost:
            gain = cost - new
            p, cost = trial, new
            r[:], jacobian[:, :] = trial_r, trial_jacobian
            damping = max(damping * 0.1, 1e-16)
            idle = idle + 1 if gain < 1e-13 * cost else 0
        else:
            damping *= 8.0
            idle += 1 if new <= cost * (1 + 1e-14) else 0
        if change < CONVERGED or damping > 1e12 or idle > 3:
            break
    return p, cost


@njit(cache=True)
def eliminate(work, least):
    """Gauss elimination of a small symmetric system in place; False where a pivot is not above ``least`` of its own."""
    count = work.shape[0]
    own = np.zeros(count)
    for i in range(count):
        own[i] = work[i, i]
    for i in range(count):
        if work[i, i] <= least * own[i]:
            return False
        for row in range(i + 1, count):
            factor = work[row, i] / work[i, i]
            for j in range(i, count + 1):
                work[row, j] -= factor * work[i, j]
    return True


@njit(cache=True)
def small_solve(gram, right, members, count, x):
    """Solve the normal equations of up to three columns in place; False where they are singular."""
    work = np.zeros((count, count + 1))
    for i in range(count):
        for j in range(count):
            work[i, j] = gram[members[i], members[j]]
        work[i, count] = right[members[i]]
    if not eliminate(work, 1e-13):
        return False
    for i in range(count - 1, -1, -1):
        total = work[i, count]
        for j in range(i + 1, count):
            total -= work[i, j] * x[j]
        x[i] = total / work[i, i]
    return True


@njit(cache=True)
def non_negative(gram, right, x):
    """Amplitudes >= 0 of least squares by trying every subset of columns; returns the fall of the sum of squares."""
    n = right.size
    best = 0.0
    x[:] = 0.0
    members, part = np.zeros(n, np.int64), np.zeros(n)
    for subset in range(1, 1 << n):
        count = 0
        for m in range(n):
            if subset & (1 << m):
                members[count] = m
                count += 1
        if not small_solve(gram, right, members, count, part):
            continue
        gain, inside = 0.0, True
        for c in range(count):
            inside = inside and part[c] > 0
            gain += part[c] * right[members[c]]
        if inside and gain > best:
            best = gain
            x[:] = 0.0
            for c in range(count):
                x[members[c]] = part[c]
    return best


@njit(cache=True)
def grid_gain(index, gram_all, right_all, mixing, slot, gram, right, x):
    """Fall of the sum of squares for one choice of rates from the grid; amplitudes go to x.

    Rates that are held come after the grid, one for each term.
    """
    n_a, n_grid = x.size, right_all.size - slot.size
    gram[:, :] = 0.0
    right[:] = 0.0
    for j in range(slot.size):
        row = index[slot[j]] if slot[j] >= 0 else n_grid + j
        for m in range(n_a):
            right[m] += mixing[j, m] * right_all[row]
        for other in range(slot.size):
            column = index[slot[other]] if slot[other] >= 0 else n_grid + other
            for m in range(n_a):
                for o in range(n_a):
                    gram[m, o] += mixing[j, m] * mixing[other, o] * gram_all[row, column]
    return non_negative(gram, right, x)


@njit(cache=True)
def weighted_columns(rates, fixed, t, w):
    """Weighted exponentials of the grid's rates and of those that are held, shape (rates, times)."""
    out = np.zeros((rates.size + fixed.size, t.size))
    for g in range(out.shape[0]):
        k = rates[g] if g < rates.size else fixed[g - rates.size]
        for i in range(t.size):
            out[g, i] = math.exp(-k * t[i]) * w[i]
    return out


@njit(cache=True)
def combinations(ends, stride):
    """Increasing choices of up to three places in the grid, one a row."""
    n_q = ends.size
    first, second, third = 1, 1, 1
    if n_q > 0:
        first = ends[0]
    if n_q > 1:
        second = ends[1]
    if n_q > 2:
        third = ends[2]
    out = np.zeros((first * second * third // stride**n_q + first + second * third + 1, 3), np.int64)
    count = 0
    for i in range(0, first, stride):
        for j in range(i + stride if n_q > 1 else 0, second, stride):
            for k in range(j + stride if n_q > 2 else 0, third, stride):
                out[count, 0], out[count, 1], out[count, 2] = i, j, k
                count += 1
    return out[:count]


@njit(cache=True)
def search(rates, ends, t, y, w, mixing, slot, fixed, stride, starts):
    """Best increasing choices of rates from a grid, one for each slowest rate: (start, amplitudes and log rates).

    ``ends`` holds how many of the grid's rates each free rate may take. Returns the ``starts`` best choices in the
    order of merit, and how many there are.
    """
    n_a, n_q = mixing.shape[1], ends.size
    columns = weighted_columns(rates, fixed, t, w)
    gram_all, right_all = columns @ columns.T, columns @ (y * w)
    gram, right, x = np.zeros((n_a, n_a)), np.zeros(n_a), np.zeros(n_a)
    gains, kept = np.full(rates.size, -1.0), np.zeros((rates.size, n_a + n_q))
    for index in combinations(ends, stride):
        gain = grid_gain(index, gram_all, right_all, mixing, slot, gram, right, x)
        if gain > gains[index[0]]:
            gains[index[0]] = gain
            kept[index[0], :n_a] = x
            for f in range(n_q):
                kept[index[0], n_a + f] = math.log(rates[index[f]])
    order = np.argsort(-gains)
    found = min(starts, int(np.sum(gains > 0)))
    return kept[order[:found]], found


@njit(cache=True)
def fit(rates, ends, low, high, t, y, w, mixing, slot, fixed, stride, starts):
    """Best of several polished starts: parameters (a, q) and the weighted sum of squares."""
    n_a = mixing.shape[1]
    begin, found = search(rates, ends, t, y, w, mixing, slot, fixed, stride, starts)
    best, cost = np.zeros(n_a + ends.size), np.inf
    for s in range(found):
        p, value = polish(begin[s, :n_a], begin[s, n_a:], low, high, t, y, w, mixing, slot, fixed, 1.0, 0.0)
        if value < cost:
            best, cost = p, value
    return best, cost
