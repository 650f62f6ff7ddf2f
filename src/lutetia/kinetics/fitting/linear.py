"""What a linearised model says of its uncertainty, and whether that can be trusted."""

import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.kinetics.fitting.shapes import Spread
from lutetia.kinetics.fitting.solve import Problem, Solution

Array = NDArray[np.float64]

DETERMINED: Final = 0.2
"""Standard uncertainty of ln(rate) up to which a curve is a straight enough function of its rates: the quadratic term of
exp(-k t) is then at most a tenth of the linear one at k t = 1."""
LARGEST: Final = 3.0
"""Relative standard uncertainty beyond which a linearised one says no more than that nothing is known."""

DEVIATES: Final = 1000
"""Points of a normal distribution: its 2.5 % quantile is exact to 1e-5 of a standard deviation."""


def covariance(solution: Solution, time_s: Array, scale: float | None) -> Array | None:
    """Covariance of the parameters of the linearised model, times ``scale``; None where that is not known.

    A rate held at physical decay keeps its column, for the points may allow it to be faster; what is held at another
    limit (an amplitude of 0, a rate too fast to be seen) fits nothing and has no variance.
    """
    if scale is None:
        return None
    size = np.maximum(np.abs(solution.parameters), 1e-300)
    used = ~solution.held | solution.at_decay
    weighted = (
        solution.model.activity_gradient(solution.parameters, time_s) / solution.weights.sigma[:, None] * size
    )
    weighted[:, ~used] = 0.0
    # in relative parameters, which have like sizes, the inverse is well conditioned
    inverse = np.linalg.pinv(weighted.T @ weighted, rcond=1e-12, hermitian=True)
    return np.asarray(scale * inverse * np.outer(size, size))


def propagated(gradient: Array, matrix: Array) -> float | None:
    """Standard uncertainty of a linear function; None when the points give none."""
    variance = float(gradient @ matrix @ gradient)
    return math.sqrt(variance) if variance > 0 else None


def rate_uncertainty(solution: Solution, matrix: Array | None) -> float:
    """Largest standard uncertainty of the logarithm of a fitted rate; infinite where one lies at a limit."""
    rates = list(solution.model.rates)
    if matrix is None or np.any(solution.held) or solution.k > solution.n:
        return math.inf
    if not rates:
        return 0.0
    return float(np.max(np.sqrt(np.maximum(np.diag(matrix)[rates], 0)) / solution.parameters[rates]))


def log_normal(total: float, relative: float, degrees: int | None) -> Spread:
    """Normal distribution of ln(integral), Student's with as many degrees of freedom as tell the scatter."""
    z = _deviates(degrees)
    spread = math.log(total) + np.clip(z * min(relative, LARGEST), -20.0, 20.0)
    return Spread(log_total=spread, probability=np.full(z.size, 1 / z.size))


@cache
def _deviates(degrees: int | None) -> Array:
    """Standard deviates of equal weight, of a normal or of Student's distribution."""
    from scipy.stats import norm, t

    p = (np.arange(DEVIATES) + 0.5) / DEVIATES
    return np.asarray(norm.ppf(p) if degrees is None else t.ppf(p, degrees))


def evidence(
    solution: Solution, task: Problem, matrix: Array, scale: float, *, second_uptake: bool = False
) -> float:
    """Logarithm of the integrated likelihood of a model that the points determine (Laplace's approximation).

    With the same weights of amplitudes and rates as in the sum over shapes.
    """
    p, model = solution.parameters, solution.model
    a, q = list(model.amplitudes), list(model.rates)
    size = np.array([1.0 if i in a else p[i] for i in range(p.size)])
    used = sorted(a + q)
    log_det = float(np.linalg.slogdet((matrix / np.outer(size, size))[np.ix_(used, used)])[1])
    prior = math.lgamma(len(a)) - len(a) * math.log(float(p[a].sum())) + (math.log(p[q[0]]) if q else 0.0)
    n_a = len(a)
    if second_uptake and 1 < n_a < len(q):
        prior -= math.log(2)  # the other half of the shares stands for a second uptake (shapes)
    for i in range(1, len(q)):
        prior -= math.log(float(task.high[n_a + i] - task.low[n_a + i]))
    return -solution.chi2 / (2 * scale) + 0.5 * log_det + 0.5 * len(used) * math.log(2 * math.pi) + prior
