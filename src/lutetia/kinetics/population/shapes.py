"""Curves in logarithms of their parameters, many patients at once.

All parameters are positive, so that they are normal across patients in their logarithms. The fast rate is the slow one
plus an excess, which keeps the activity positive and the phases in order whatever is drawn.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Term = tuple[float, int, tuple[int, ...]]
"""Sign of a term, which parameter is its amplitude, which ones add up to its rate."""

SLOW: Final = 1
"""Which parameter is the slowest rate, in every shape."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A sum of exponentials ``A(t) = sum_j s_j a_j exp(-k_j t)`` by its logarithms.

    Attributes
    ----------
    key : on the command line and in files
    name : as in results
    names : of the parameters
    amplitudes : which parameters are amplitudes
    terms : one per exponential
    """

    key: str
    name: str
    names: tuple[str, ...]
    amplitudes: tuple[int, ...]
    terms: tuple[Term, ...]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.names)

    @property
    def scale(self) -> Array:
        """(d,) direction in which the whole curve is multiplied."""
        direction = np.zeros(self.size)
        direction[list(self.amplitudes)] = 1.0
        return direction

    def activity(self, log_parameters: Array, time_s: Array) -> Array:
        """Activity of parameters (..., d) at times (..., m), shape (..., m)."""
        p = np.exp(log_parameters)[..., None, :]
        total = np.zeros(np.broadcast_shapes(p.shape[:-1], time_s.shape))
        for sign, a, rates in self.terms:
            total += sign * p[..., a] * np.exp(-p[..., list(rates)].sum(axis=-1) * time_s)
        return total

    def activity_gradient(self, log_parameters: Array, time_s: Array) -> Array:
        """Derivatives with respect to the logarithms, shape (..., m, d)."""
        p = np.exp(log_parameters)[..., None, :]
        gradient = np.zeros((*np.broadcast_shapes(p.shape[:-1], time_s.shape), self.size))
        for sign, a, rates in self.terms:
            part = sign * p[..., a] * np.exp(-p[..., list(rates)].sum(axis=-1) * time_s)
            gradient[..., a] += part
            for k in rates:
                gradient[..., k] -= part * time_s * p[..., k]
        return gradient

    def integral(self, log_parameters: Array, start_s: float = 0.0) -> Array:
        """Integral from ``start_s`` to infinity of parameters (..., d), shape (...)."""
        p = np.exp(log_parameters)
        total = np.zeros(p.shape[:-1])
        for sign, a, rates in self.terms:
            rate = p[..., list(rates)].sum(axis=-1)
            total += sign * p[..., a] / rate * np.exp(-rate * start_s)
        return total

    def integral_gradient(self, log_parameters: Array) -> Array:
        """Derivatives of the integral from 0 with respect to the logarithms, shape (..., d)."""
        p = np.exp(log_parameters)
        gradient = np.zeros(p.shape)
        for sign, a, rates in self.terms:
            rate = p[..., list(rates)].sum(axis=-1)
            gradient[..., a] += sign * p[..., a] / rate
            for k in rates:
                gradient[..., k] -= sign * p[..., a] * p[..., k] / rate**2
        return gradient

    def exponentials(self, log_parameters: Array) -> tuple[tuple[float, float], ...]:
        """(amplitude, rate) of each term for one set of parameters (d,)."""
        p = np.exp(log_parameters)
        return tuple((float(sign * p[a]), float(p[list(rates)].sum())) for sign, a, rates in self.terms)


MONO: Final = Shape(
    key="mono",
    name="mono-exponential",
    names=("amplitude_bq", "rate_per_s"),
    amplitudes=(0,),
    terms=((1.0, 0, (1,)),),
)
"""``a exp(-k t)``."""

UPTAKE: Final = Shape(
    key="uptake",
    name="uptake and washout",
    names=("amplitude_bq", "rate_washout_per_s", "rate_uptake_excess_per_s"),
    amplitudes=(0,),
    terms=((1.0, 0, (1,)), (-1.0, 0, (1, 2))),
)
"""``a (exp(-k t) - exp(-(k + x) t))``: bi-exponential, zero at administration."""

BI: Final = Shape(
    key="bi",
    name="bi-exponential",
    names=("amplitude_slow_bq", "rate_slow_per_s", "amplitude_fast_bq", "rate_fast_excess_per_s"),
    amplitudes=(0, 2),
    terms=((1.0, 0, (1,)), (1.0, 2, (1, 3))),
)
"""``a exp(-k t) + b exp(-(k + x) t)``: two phases of washout."""

SHAPES: Final[dict[str, Shape]] = {shape.key: shape for shape in (MONO, UPTAKE, BI)}
"""By key."""
