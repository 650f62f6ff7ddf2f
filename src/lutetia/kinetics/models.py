"""Models of a time-activity curve: sums of exponentials, physical decay included.

A model is ``A(t) = sum_j s_j a_j exp(-k_j t)``; uptake is a term of negative sign that shares an amplitude with a washout.
Every rate is effective, ``k = lambda + b`` with the physical decay constant ``lambda`` and a biological rate ``b >= 0``:
nothing leaves a region more slowly than it decays. A rate is free, shared by several terms, or held at a constant
(physical decay where activity is taken up and only decays).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError

Array = NDArray[np.float64]

Term = tuple[float, int, int]
"""Sign of a term, which parameter is its amplitude, which its rate; a rate of -1 - m is the m-th held one."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A named model.

    Attributes
    ----------
    name : as in results
    names : of the parameters, amplitudes in Bq and rates in 1/s
    terms : one per exponential
    held_per_s : rates that are not fitted; None stands for physical decay until ``of`` fills it in. [1/s]
    """

    name: str
    names: tuple[str, ...]
    terms: tuple[Term, ...]
    held_per_s: tuple[float | None, ...] = ()

    def of(self, decay_constant_per_s: float) -> "Model":
        """The model of a nuclide: rates held at physical decay have their number."""
        if None not in self.held_per_s:
            return self
        held = tuple(decay_constant_per_s if k is None else k for k in self.held_per_s)
        return replace(self, held_per_s=held)

    @cached_property
    def amplitudes(self) -> tuple[int, ...]:
        """Which parameters are amplitudes."""
        return tuple(dict.fromkeys(a for _, a, _ in self.terms))

    @cached_property
    def rates(self) -> tuple[int, ...]:
        """Which parameters are rates, slowest first."""
        return tuple(sorted({k for _, _, k in self.terms if k >= 0}))

    def rate(self, parameters: Array, k: int) -> float:
        """Rate of a term, fitted or held. [1/s]"""
        if k >= 0:
            return float(parameters[k])
        held = self.held_per_s[-1 - k]
        if held is None:
            raise InputError(f"The {self.name} holds a rate at physical decay; give the nuclide with of(...).")
        return held

    def activity(self, parameters: Array, time_s: Array) -> Array:
        """Activity at times. [Bq]"""
        t = np.asarray(time_s, dtype=float)
        p = parameters
        return np.asarray(sum(s * p[a] * np.exp(-self.rate(p, k) * t) for s, a, k in self.terms))

    def activity_gradient(self, parameters: Array, time_s: Array) -> Array:
        """Derivatives of the activity with respect to the parameters, shape (..., n_parameters)."""
        t = np.asarray(time_s, dtype=float)
        gradient = np.zeros((*t.shape, len(self.names)))
        for sign, a, k in self.terms:
            part = sign * np.exp(-self.rate(parameters, k) * t)
            gradient[..., a] += part
            if k >= 0:
                gradient[..., k] -= parameters[a] * t * part
        return gradient

    def integral(self, parameters: Array, start_s: float = 0.0) -> float:
        """Integral from ``start_s`` to infinity: ``sum_j a_j/k_j exp(-k_j start)``. [Bq s]"""
        p = parameters
        return float(sum(s * p[a] / self.rate(p, k) * np.exp(-self.rate(p, k) * start_s) for s, a, k in self.terms))

    def integral_gradient(self, parameters: Array) -> Array:
        """Derivatives of the integral from 0: ``1/k_j`` for amplitudes, ``-a_j/k_j^2`` for rates."""
        gradient = np.zeros(len(self.names))
        for sign, a, k in self.terms:
            rate = self.rate(parameters, k)
            gradient[a] += sign / rate
            if k >= 0:
                gradient[k] -= sign * parameters[a] / rate**2
        return gradient

    def exponentials(self, parameters: Array) -> tuple[tuple[float, float], ...]:
        """Amplitude [Bq] and effective rate [1/s] of each term; terms of one rate are added."""
        found: dict[float, float] = {}
        for sign, a, k in self.terms:
            rate = self.rate(parameters, k)
            found[rate] = found.get(rate, 0.0) + sign * float(parameters[a])
        return tuple((amplitude, rate) for rate, amplitude in found.items() if amplitude != 0)

    def terminal_rate(self, parameters: Array) -> float:
        """Slowest rate of a term that is there: the one left at late times. [1/s]"""
        largest = max(abs(parameters[a]) for _, a, _ in self.terms)
        there = [k for _, a, k in self.terms if abs(parameters[a]) >= 1e-9 * largest]
        return min(self.rate(parameters, k) for k in there)


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

TRI: Final = Model(
    name="tri-exponential",
    names=(
        "amplitude_slow_bq", "rate_slow_per_s", "amplitude_middle_bq", "rate_middle_per_s",
        "amplitude_fast_bq", "rate_fast_per_s",
    ),
    terms=((1.0, 0, 1), (1.0, 2, 3), (1.0, 4, 5)),
)  # fmt: skip
"""Three phases of washout, all amplitudes positive."""

UPTAKE: Final = Model(
    name="uptake and washout",
    names=("amplitude_bq", "rate_washout_per_s", "rate_uptake_per_s"),
    terms=((1.0, 0, 1), (-1.0, 0, 2)),
)
"""``A (exp(-k1 t) - exp(-k2 t))``, zero at administration."""

UPTAKE_BI: Final = Model(
    name="uptake and two washouts",
    names=("amplitude_slow_bq", "rate_slow_per_s", "amplitude_fast_bq", "rate_fast_per_s", "rate_uptake_per_s"),
    terms=((1.0, 0, 1), (1.0, 2, 3), (-1.0, 0, 4), (-1.0, 2, 4)),
)
"""``A1 exp(-k1 t) + A2 exp(-k2 t) - (A1 + A2) exp(-k3 t)``, zero at administration."""

RETENTION: Final = Model(
    name="uptake and retention",
    names=("amplitude_bq", "rate_uptake_per_s"),
    terms=((1.0, 0, -1), (-1.0, 0, 1)),
    held_per_s=(None,),
)
"""``A (exp(-lambda t) - exp(-k t))``: what is taken up stays and only decays (trapping)."""

PHYSICAL: Final = Model(
    name="physical decay",
    names=("amplitude_bq",),
    terms=((1.0, 0, -1),),
    held_per_s=(None,),
)
"""``A exp(-lambda t)``: taken up at once, and kept."""

MODELS: Final[dict[str, Model]] = {
    "mono": MONO,
    "bi": BI,
    "tri": TRI,
    "uptake": UPTAKE,
    "uptake-bi": UPTAKE_BI,
    "retention": RETENTION,
    "physical": PHYSICAL,
}
"""By the name used on the command line."""

KEYS: Final[dict[str, str]] = {model.name: key for key, model in MODELS.items()}
"""Key of a model by the name that results carry; averages, trapezoids and methods for one scan are no models."""


def model_of(fit_model: str) -> Model | None:
    """The model that a result names, None where it is no sum of exponentials of its own."""
    key = KEYS.get(fit_model)
    return None if key is None else MODELS[key]
