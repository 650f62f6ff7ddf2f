r"""Probability that what was given and what will be given together pass a limit.

Both are lognormal about their estimates as medians, :math:`S = \hat S e^{\sigma_S X}` and
:math:`F = \hat F e^{\sigma_F Y}`, with standard normal X and Y of correlation :math:`\rho`; the spread of a logarithm is
:math:`\sqrt{\ln(1+u^2)}` of a relative standard uncertainty u.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from lutetia.errors import InputError

Array = NDArray[np.float64]

_REACH = 9.0
"""Standard deviations beyond which nothing is left of a normal distribution (1e-19)."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def log_spread(relative: float) -> float:
    """Standard deviation of the logarithm of a lognormal quantity with a relative standard uncertainty."""
    return math.sqrt(math.log1p(relative**2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Relative standard uncertainties of what was given and of what will be, and their correlation (-1 to 1)."""

    given: float
    next: float
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.given < math.inf and 0 <= self.next < math.inf and -1 <= self.correlation <= 1):
            raise InputError(
                f"Relative uncertainties {self.given}, {self.next} with correlation {self.correlation}; expected none "
                "below 0, and a correlation from -1 to 1."
            )

    @property
    def log_correlation(self) -> float:
        """Correlation of the logarithms."""
        both = log_spread(self.given) * log_spread(self.next)
        if both == 0:
            return 0.0
        product = max(1 + self.correlation * self.given * self.next, 1e-12)
        return max(-1.0, min(1.0, math.log(product) / both))


_LEVELS: Final = (1e-9, 0.5, 1 - 1e-9)
"""Of the conditional probability: foot, middle and top of its rise, between which it is smooth."""


def probability_exceeded(
    *, limit: float, given: float, upcoming: float, spread: Spread, dose_of: Callable[[Array], Array] | None = None
) -> float:
    r"""P(S + F > limit); exact but for a quadrature, and in closed form where nothing was given.

    .. math:: P = \int \varphi(x)\, \Phi\!\left(-\frac{\ln(L - \hat S e^{\sigma_S x}) - \ln\hat F - \rho\sigma_F x}
              {\sigma_F \sqrt{1-\rho^2}}\right) dx, \qquad
              P = \Phi\!\left(-\frac{\ln(L/\hat F)}{\sigma_F}\right) \; (\hat S = 0)

    Parameters
    ----------
    limit, given : L and the estimate of S, in the quantity that is limited. [Gy]
    upcoming : estimate of the absorbed dose of what will be given. [Gy]
    spread : relative standard uncertainties of S and F
    dose_of : absorbed dose [Gy] that makes an amount of the limited quantity; none where that is the absorbed dose
    """
    if not (limit > 0 and given >= 0 and upcoming >= 0):
        raise InputError(
            f"Limit {limit} Gy, given {given} Gy, next {upcoming} Gy; expected a limit above 0, none below 0."
        )
    inverse = (lambda amount: amount) if dose_of is None else dose_of
    wide, rho = log_spread(spread.next), spread.log_correlation
    if given == 0:
        return float(_beyond(inverse(np.array([limit])), upcoming, 0.0, wide)[0])
    narrow = log_spread(spread.given)
    if narrow == 0:
        left = limit - given
        return 1.0 if left <= 0 else float(_beyond(inverse(np.array([left])), upcoming, 0.0, wide)[0])
    # beyond the edge what was given passes the limit by itself
    edge = min(max(math.log(limit / given) / narrow, -_REACH), _REACH)

    def conditional(x: Array) -> Array:
        left = np.maximum(limit - given * np.exp(narrow * x), 0.0)
        return _beyond(inverse(left), upcoming, rho * wide * x, wide * math.sqrt(1 - rho**2))

    steps = sorted({-_REACH, *(_crossing(conditional, edge, level) for level in _LEVELS), edge})
    parts = [_expected(conditional, low, high) for low, high in pairwise(steps)]
    return float(min(ndtr(-edge) + sum(parts), 1.0))


def _crossing(conditional: Callable[[Array], Array], edge: float, level: float) -> float:
    """Where the conditional probability passes a level; it may rise in a step, around which the integral is split."""

    def excess(x: float) -> float:
        return float(conditional(np.array([x]))[0]) - level

    if excess(-_REACH) >= 0:
        return -_REACH
    return edge if excess(edge) <= 0 else float(brentq(excess, -_REACH, edge, xtol=1e-13))


def _expected(conditional: Callable[[Array], Array], low: float, high: float) -> float:
    """Integral of a conditional probability over a stretch of the standard normal distribution."""
    half = 0.5 * (high - low)
    x = half * _NODES + 0.5 * (high + low)
    density = np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
    return half * float(np.sum(_WEIGHTS * density * conditional(x)))


def _beyond(threshold: Array, median: float, shift: Array | float, spread: float) -> Array:
    """P(F > threshold) of a lognormal F whose logarithm is shifted."""
    if median == 0:
        return np.zeros_like(threshold)
    with np.errstate(divide="ignore"):
        distance = np.log(threshold / median) - shift
    if spread < 1e-12:
        return np.asarray(distance < 0, dtype=float)
    return np.asarray(ndtr(-distance / spread))


def largest_upcoming(
    *,
    limit: float,
    given: float,
    spread: Spread,
    probability: float,
    dose_of: Callable[[Array], Array] | None = None,
) -> float:
    """Largest estimate of the next absorbed dose with P(S + F > limit) at most a probability; 0 where there is none. [Gy]

    Raises
    ------
    InputError
        A probability that is not between 0 and 0.5.
    """
    if not 0 < probability <= 0.5:
        raise InputError(f"A probability of {probability:g}; expected above 0 and at most 0.5.")

    def excess(upcoming: float) -> float:
        found = probability_exceeded(limit=limit, given=given, upcoming=upcoming, spread=spread, dose_of=dose_of)
        return found - probability

    inverse = (lambda amount: amount) if dose_of is None else dose_of
    if given == 0:
        return float(inverse(np.array([limit]))[0]) * math.exp(log_spread(spread.next) * float(ndtri(probability)))
    if excess(0.0) >= 0:
        return 0.0
    # a dose alone that passes the limit half of the time passes it at least as often with what was given
    top = float(inverse(np.array([limit]))[0])
    smallest = 1e-9 * top
    if excess(smallest) >= 0:
        return 0.0
    return float(brentq(excess, smallest, 2 * top, xtol=1e-12 * top, rtol=1e-12))
