"""Models of a time-activity curve: sums of exponentials, physical decay included.

A model is ``A(t) = sum_j a_j exp(-k_j t)``; uptake is a term of negative amplitude. Parameters are in the order of
``Model.names``: amplitudes in Bq, rates in 1/s. Every rate is effective and at least the physical decay constant, for
nothing leaves a region more slowly than it decays.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Term = tuple[float, int, int]
"""Sign of a term, which parameter is its amplitude, which its rate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A named model.

    Attributes
    ----------
    name : as in results
    names : of the parameters
    terms : one per exponential
    """

    name: str
    names: tuple[str, ...]
    terms: tuple[Term, ...]

    @property
    def rates(self) -> tuple[int, ...]:
        """Which parameters are rates."""
        return tuple(dict.fromkeys(rate for _, _, rate in self.terms))

    def activity(self, parameters: Array, time_s: Array) -> Array:
        """Activity at times. [Bq]"""
        t = np.asarray(time_s, dtype=float)
        return np.asarray(sum(s * parameters[a] * np.exp(-parameters[k] * t) for s, a, k in self.terms))

    def activity_gradient(self, parameters: Array, time_s: Array) -> Array:
        """Derivatives of the activity with respect to the parameters, shape (..., n_parameters)."""
        t = np.asarray(time_s, dtype=float)
        gradient = np.zeros((*t.shape, len(self.names)))
        for sign, a, k in self.terms:
            part = sign * np.exp(-parameters[k] * t)
            gradient[..., a] += part
            gradient[..., k] -= parameters[a] * t * part
        return gradient

    def integral(self, parameters: Array, start_s: float = 0.0) -> float:
        """Integral from ``start_s`` to infinity: ``sum_j a_j/k_j exp(-k_j start)``. [Bq s]"""
        p = parameters
        return float(sum(s * p[a] / p[k] * np.exp(-p[k] * start_s) for s, a, k in self.terms))

    def integral_gradient(self, parameters: Array) -> Array:
        """Derivatives of the integral from 0: ``1/k_j`` for amplitudes, ``-a_j/k_j^2`` for rates."""
        gradient = np.zeros(len(self.names))
        for sign, a, k in self.terms:
            gradient[a] += sign / parameters[k]
            gradient[k] -= sign * parameters[a] / parameters[k] ** 2
        return gradient

    def terminal_rate(self, parameters: Array) -> float:
        """Slowest rate of a term that is there: the one left at late times. [1/s]"""
        largest = max(abs(parameters[a]) for _, a, _ in self.terms)
        return float(min(parameters[k] for _, a, k in self.terms if abs(parameters[a]) >= 1e-9 * largest))


MONO: Final = Model(
    name="mono-exponential",
    names=("amplitude_bq", "rate_per_s"),
    terms=((1.0, 0, 1),),
)
"""``A exp(-k t)``."""

BI: Final = Model(
    name="bi-exponential",
    names=("amplitude_slow_bq", "rate_slow_per_s", "amplitude_fast_bq", "rate_fast_per_s"),
    terms=((1.0, 0, 1), (1.0, 2, 3)),
)
"""``A1 exp(-k1 t) + A2 exp(-k2 t)`` with both amplitudes positive: two phases of washout."""

UPTAKE: Final = Model(
    name="uptake and washout",
    names=("amplitude_bq", "rate_washout_per_s", "rate_uptake_per_s"),
    terms=((1.0, 0, 1), (-1.0, 0, 2)),
)
"""``A (exp(-k1 t) - exp(-k2 t))``, zero at administration."""

MODELS: Final[dict[str, Model]] = {"mono": MONO, "bi": BI, "uptake": UPTAKE}
"""By the name used on the command line."""
