"""Interval of the time-integrated activity by profile likelihood."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fitting.choice import Tried, attempt
from lutetia.kinetics.fitting.solve import arrays
from lutetia.kinetics.models import MODELS

Array = NDArray[np.float64]

STIFFENING: Final = (1.0, 10.0, 1e2, 1e3, 1e4, 1e5)
"""Weights of the row that holds the integral, one after the other: held hard at once, least squares creep along a curved
valley and stop too early. With the last it gives way by less than the fall of chi2 over 1e10."""
SPREAD: Final = (0.02, 0.5, 0.98)
"""Starts of each rate between its limits (of the logarithm): a small, slow phase may take over far from the best."""
FARTHEST_LOG: Final = 12.0
"""Integrals further than e^12 from the best are called unbounded."""


def profile_interval(
    curve: TimeActivityCurve, model: str, decay_constant_per_s: float, probability: float = 0.95
) -> tuple[float, float]:
    r"""Integrals whose best curve is not significantly worse than the best of all.

    All :math:`\tilde A` with :math:`\min_{\theta: \tilde A(\theta) = \tilde A}\chi^2(\theta) \le \chi^2_{min} + s\,q`,
    where q is the quantile of chi-squared with one degree of freedom and s the square of Birge's ratio (at least 1);
    where the scatter is estimated, q is that of F(1, n - p) and s the scatter. Limits of the rates are those of the fit,
    so the interval stops where physics does: an end that no rise of chi2 marks is the farthest the limits allow.

    Parameters
    ----------
    curve : activity as measured, with standard uncertainties
    model : one of the names in ``lutetia.kinetics.models.MODELS``
    decay_constant_per_s : of the nuclide. [1/s]
    probability : of the interval

    Returns
    -------
    Lower and upper end. [Bq s]

    Raises
    ------
    InputError
        Unknown model or a probability outside (0, 1).
    FitError
        More parameters than points, or no degree of freedom where the scatter has to be estimated.

    References
    ----------
    Venzon DJ, Moolgavkar SH. J R Stat Soc C 37 (1988) 87-94. doi:10.2307/2347496.
    """
    if model not in MODELS or not 0 < probability < 1:
        raise InputError(
            f"Model {model!r} with probability {probability}; expected one of {', '.join(MODELS)}, 0 to 1."
        )
    tried = attempt(curve, MODELS[model], decay_constant_per_s)
    if tried is None or tried.solution.k > tried.solution.n or tried.scale is None:
        raise FitError(
            f"{curve.region}: {curve.time_s.size} time points do not give a {model} fit an uncertainty; "
            "choose a model with fewer parameters, or state the uncertainties of the points."
        )
    return _end(tried, _rise(tried, probability), -1), _end(tried, _rise(tried, probability), 1)


def _rise(tried: Tried, probability: float) -> float:
    """Rise of the sum of squares at the ends."""
    from scipy.stats import chi2, f

    s = tried.solution
    quantile = chi2.ppf(probability, 1) if s.weights.known else f.ppf(probability, 1, s.free)
    return float(quantile) * (tried.scale or 1.0)


def _end(tried: Tried, rise: float, side: int) -> float:
    """Where the constrained least squares have risen enough, on one side of the best."""
    from scipy.optimize import brentq

    best = math.log(tried.solution.total)
    found: dict[float, tuple[Array, float]] = {0.0: (_kernel_order(tried), tried.solution.chi2)}

    def excess(distance: float) -> float:
        if distance not in found:
            near = min(found, key=lambda d: abs(d - distance))
            found[distance] = _held(tried, found[near][0], best + side * distance)
        return found[distance][1] - tried.solution.chi2 - rise

    u = tried.uncertainty
    step = min(max(1e-6, (u or 0.0) / tried.solution.total), 0.5)
    last, here = 0.0, step
    while excess(here) < 0:
        if here > FARTHEST_LOG:
            return 0.0 if side < 0 else math.inf
        last, here = here, here + min(here, 0.25)
    return math.exp(best + side * float(brentq(excess, last, here, xtol=1e-9)))


def _held(tried: Tried, near: Array, log_total: float) -> tuple[Array, float]:
    """Least squares with the integral held: from a neighbour, the best and rates all over, whichever ends lowest."""
    total = math.exp(log_total) / tried.task.size_bq
    ends = []
    for begin in (near, _kernel_order(tried), *_spread_out(tried, total)):
        x, cost = begin, math.inf
        for stiffness in STIFFENING:
            x, cost = tried.task.polish(x, total=total, stiffness=stiffness)
        ends.append((x, cost))
    return min(ends, key=lambda end: end[1])


def _spread_out(tried: Tried, total: float) -> Iterator[Array]:
    """Rates between their limits, with amplitudes that share the integral evenly."""
    mixing, slot, held = arrays(tried.model)
    n_a = mixing.shape[1]
    low, high = tried.task.low[n_a:], tried.task.high[n_a:]
    for share in product(SPREAD, repeat=low.size):
        q = low + (high - low) * np.array(share)
        rate = np.where(slot >= 0, np.exp(q)[slot], held) if q.size else held
        each = np.sum(mixing / rate[:, None], axis=0)
        if np.all(each > 0):
            yield np.concatenate([total / each / n_a, q])


def _kernel_order(tried: Tried) -> Array:
    """Parameters as the kernels take them."""
    p, model = tried.solution.parameters, tried.model
    return np.concatenate([p[list(model.amplitudes)] / tried.task.size_bq, np.log(p[list(model.rates)])])
