"""Propagation of errors through any model of measurement: to first order, and by drawing them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError

Array = NDArray[np.float64]

Model = Callable[[Mapping[str, float]], Array]
"""Errors by source, in units of their standard deviation (0 where not named), to the results (m,)."""

STEP = 1e-3
"""Of a standard deviation, for derivatives."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FirstOrder:
    """Results of a model with their first-order uncertainty.

    Attributes
    ----------
    value : (m,) without errors
    sources : names of the errors
    sensitivity : (m, sources) change of each result by one standard deviation of each source
    """

    value: Array
    sources: tuple[str, ...]
    sensitivity: Array

    @property
    def covariance(self) -> Array:
        """(m, m)."""
        return np.asarray(self.sensitivity @ self.sensitivity.T)

    @property
    def standard_uncertainty(self) -> Array:
        """(m,)."""
        return np.asarray(np.linalg.norm(self.sensitivity, axis=1))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Drawn:
    """Results of a model for errors drawn at random, (draws, m)."""

    values: Array

    @property
    def mean(self) -> Array:
        """(m,)."""
        return np.asarray(self.values.mean(axis=0))

    @property
    def covariance(self) -> Array:
        """(m, m)."""
        return np.atleast_2d(np.cov(self.values, rowvar=False))

    @property
    def standard_uncertainty(self) -> Array:
        """(m,)."""
        return np.asarray(self.values.std(axis=0, ddof=1))

    def interval(self, probability: float = 0.95) -> Array:
        """(2, m): the probabilistically symmetric interval, as much beyond each end."""
        outside = (1 - probability) / 2
        return np.asarray(np.quantile(self.values, [outside, 1 - outside], axis=0))


def first_order(model: Model, sources: Sequence[str], *, step: float = STEP) -> FirstOrder:
    r"""Law of propagation of uncertainty, :math:`V = J J^T` with J by central differences of the model itself.

    References
    ----------
    JCGM 100:2008, Guide to the expression of uncertainty in measurement, 5.1; JCGM 102:2011 for several results.
    """
    _require_names(sources)
    columns = [(model({name: step}) - model({name: -step})) / (2 * step) for name in sources]
    value = np.asarray(model({}), dtype=float)
    sensitivity = np.stack(columns, axis=1) if columns else np.zeros((value.size, 0))
    return FirstOrder(value=value, sources=tuple(sources), sensitivity=sensitivity)


def monte_carlo(model: Model, sources: Sequence[str], *, draws: int, rng: np.random.Generator) -> Drawn:
    """Propagation of distributions: independent standard normal errors through the model, nonlinear as it is.

    A source named by several results errs alike in all of them. Of the draws' standard deviation the relative standard
    uncertainty is ``1/sqrt(2 (draws - 1))``.

    References
    ----------
    JCGM 101:2008, Supplement 1 to the GUM: propagation of distributions using a Monte Carlo method.
    """
    _require_names(sources)
    if draws < 2:
        raise InputError(f"{draws} draws; expected at least 2.")
    errors = rng.standard_normal((draws, len(sources)))
    values = np.stack([model(dict(zip(sources, map(float, row), strict=True))) for row in errors])
    return Drawn(values=values)


def _require_names(sources: Sequence[str]) -> None:
    twice = sorted({name for name in sources if sources.count(name) > 1})
    if twice:
        raise InputError(f"Sources named twice: {', '.join(twice)}; name each once.")


def lognormal_factor(error: float, relative: float) -> float:
    r"""Factor of median 1 and relative standard deviation u: :math:`\exp(s z)` with :math:`s^2=\ln(1+u^2)`.

    For what multiplies and cannot be negative: calibration, recovery, mass. Its inverse is of the same kind.
    """
    return math.exp(math.sqrt(math.log1p(relative**2)) * error)
