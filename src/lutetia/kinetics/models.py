"""Models of a time-activity curve: sums of exponentials, physical decay included.

A model is ``A(t) = sum_j a_j exp(-lambda_j t)``; uptake is a term of negative amplitude. Parameters are in the order
of ``Model.names``: amplitudes in Bq, rates in 1/s. Every rate is effective and at least the physical decay constant,
for nothing leaves a region more slowly than it decays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A named model.

    Attributes
    ----------
    name : as in results and on the command line
    names : of the parameters
    terms : parameters -> (amplitudes, rates), each (n_terms,)
    rates : which parameters are rates
    """

    name: str
    names: tuple[str, ...]
    terms: Callable[[Array], tuple[Array, Array]]
    rates: tuple[int, ...]

    def activity(self, parameters: Array, time_s: Array) -> Array:
        """Activity at times. [Bq]"""
        amplitudes, rates = self.terms(parameters)
        return np.asarray(np.exp(-np.multiply.outer(np.asarray(time_s, dtype=float), rates)) @ amplitudes)

    def integral(self, parameters: Array, start_s: float = 0.0) -> float:
        """Integral from ``start_s`` to infinity: ``sum_j a_j/lambda_j exp(-lambda_j start)``. [Bq s]"""
        amplitudes, rates = self.terms(parameters)
        return float(np.sum(amplitudes / rates * np.exp(-rates * start_s)))

    def terminal_rate(self, parameters: Array) -> float:
        """Slowest rate of a term that is there: the one left at late times. [1/s]"""
        amplitudes, rates = self.terms(parameters)
        present = rates[np.abs(amplitudes) > 1e-9 * max(float(np.abs(amplitudes).max()), 1e-300)]
        return float(present.min() if present.size else rates.min())


MONO: Final = Model(
    name="mono-exponential",
    names=("amplitude_bq", "rate_per_s"),
    terms=lambda p: (p[:1], p[1:2]),
    rates=(1,),
)
"""``A exp(-k t)``."""

BI: Final = Model(
    name="bi-exponential",
    names=("amplitude_slow_bq", "rate_slow_per_s", "amplitude_fast_bq", "rate_fast_per_s"),
    terms=lambda p: (p[[0, 2]], p[[1, 3]]),
    rates=(1, 3),
)
"""``A1 exp(-k1 t) + A2 exp(-k2 t)`` with both amplitudes positive: two phases of washout."""

UPTAKE: Final = Model(
    name="uptake and washout",
    names=("amplitude_bq", "rate_washout_per_s", "rate_uptake_per_s"),
    terms=lambda p: (np.array([p[0], -p[0]]), p[[1, 2]]),
    rates=(1, 2),
)
"""``A (exp(-k1 t) - exp(-k2 t))``, zero at administration."""

MODELS: Final[dict[str, Model]] = {"mono": MONO, "bi": BI, "uptake": UPTAKE}
"""By the name used on the command line."""


def gradient(function: Callable[[Array], Array | float], parameters: Array) -> Array:
    """Central differences of a function of the parameters, shape (..., n_parameters); steps scale with each."""
    columns = []
    for j, value in enumerate(parameters):
        step = 1e-6 * max(abs(float(value)), 1e-12)
        up, down = parameters.copy(), parameters.copy()
        up[j] += step
        down[j] -= step
        columns.append((np.asarray(function(up)) - np.asarray(function(down))) / (2 * step))
    return np.stack(columns, axis=-1)
