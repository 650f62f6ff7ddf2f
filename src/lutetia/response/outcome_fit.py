"""Complication curves from one's own patients, by maximum likelihood with profile intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import log_expit, log_ndtr

from lutetia.errors import ConvergenceError, FitError, InputError
from lutetia.kinetics.measured.curve_table import read_columns
from lutetia.response.probability import logistic_ntcp, lyman_ntcp

Array = NDArray[np.float64]
Kind = Literal["logistic", "lyman"]
Loss = Callable[[Array], float]

CHI2_95: Final = 3.841458820694124
"""0.95 quantile of chi-square with one degree of freedom."""
FEW_EVENTS: Final = 10
"""Events below which the fit carries a warning; rules of thumb ask for ten to twenty a parameter."""
FARTHEST_AT_ALL: Final = 40.0
"""Largest logarithm of a parameter that is tried; beyond it numbers overflow."""
IMPOSSIBLE: Final = 1e12
"""Loss there."""
FARTHEST: Final = 10.0
"""Largest distance (in the logarithm) at which the end of an interval is looked for; beyond it is open."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OutcomeData:
    """Patients by dose.

    Attributes
    ----------
    dose_gy : (n,) dose of each group (or patient), in one quantity. [Gy]
    patients, events : (n,) how many, and how many had the complication
    """

    dose_gy: Array
    patients: Array
    events: Array

    def __post_init__(self) -> None:
        if self.dose_gy.ndim != 1 or not self.dose_gy.shape == self.patients.shape == self.events.shape:
            raise InputError(
                f"{self.dose_gy.shape} doses, {self.patients.shape} patients, {self.events.shape} events; expected as many."
            )
        if not np.all(np.isfinite(self.dose_gy)) or np.any(self.dose_gy <= 0):
            raise InputError(f"Doses must be finite and above 0, got {self.dose_gy.tolist()} Gy.")
        if np.any(self.patients <= 0) or np.any(self.events < 0) or np.any(self.events > self.patients):
            raise InputError(
                f"Events {self.events.tolist()} of patients {self.patients.tolist()}; expected 0 to as many, and at least "
                "one patient per dose."
            )


def read_outcomes(path: Path) -> OutcomeData:
    """Patients by dose from a CSV file with the columns dose_Gy, patients (1 when there is none) and events.

    Raises
    ------
    InputError
        As ``read_rows`` (file, line and column), or values that cannot be.
    """
    table = read_columns(path, numbers=("dose_Gy", "events"), whole=("patients",))
    dose = table["dose_Gy"]
    return OutcomeData(dose_gy=dose, patients=table.get("patients", np.ones_like(dose)), events=table["events"])


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeFit:
    """A complication curve that was fitted.

    Attributes
    ----------
    model : "logistic" or "lyman"
    d50_gy, gamma50 : dose of 50 % and normalised slope there; for Lyman's model ``gamma50 = 1/(m sqrt(2 pi))``
    d50_interval_95_gy, gamma50_interval_95 : of the profile likelihood; an end that the data leave open is None
    log_likelihood : at its maximum, without the binomial coefficients
    deviance, degrees_of_freedom : against one probability per dose
    """

    model: Kind
    d50_gy: float
    gamma50: float
    d50_interval_95_gy: tuple[float | None, float | None]
    gamma50_interval_95: tuple[float | None, float | None]
    log_likelihood: float
    deviance: float
    degrees_of_freedom: int
    warnings: tuple[str, ...]

    @property
    def m(self) -> float:
        """Relative width of Lyman's model with this slope."""
        return 1 / (self.gamma50 * math.sqrt(2 * math.pi))

    def probability(self, dose_gy: Array | float) -> Array:
        """NTCP at doses. [Gy]"""
        if self.model == "logistic":
            return logistic_ntcp(dose_gy, d50_gy=self.d50_gy, gamma50=self.gamma50)
        return lyman_ntcp(dose_gy, td50_gy=self.d50_gy, m=self.m)


def fit_outcome(data: OutcomeData, *, model: Kind = "logistic") -> OutcomeFit:
    r"""Maximum-likelihood D50 and gamma50 of binomial data.

    .. math:: \ell = \sum_i e_i \ln P(D_i) + (n_i - e_i) \ln(1 - P(D_i))

    Parameters
    ----------
    data : patients and events by dose
    model : "logistic" in the logarithm of dose, or "lyman" (a normal distribution of tolerance)

    Raises
    ------
    FitError
        No event, or only events; one dose; a probability that falls with dose; or doses with and without events that
        do not overlap, for which no slope is too steep.
    ConvergenceError
        The search for the maximum did not end.

    Notes
    -----
    An interval ends where twice the log-likelihood, maximised over the other parameter, has fallen by 3.84.
    """
    _require_answer(data)
    if model not in ("logistic", "lyman"):
        raise InputError(f"Model {model!r}; expected logistic or lyman.")

    def loss(theta: Array) -> float:
        if np.abs(theta).max() > FARTHEST_AT_ALL:
            return IMPOSSIBLE
        return -_log_likelihood(model, data, math.exp(theta[0]), math.exp(theta[1]))

    best, least = _minimum(loss, np.array([math.log(float(np.average(data.dose_gy))), 0.0]))
    d50_gy, gamma50 = (float(v) for v in np.exp(best))
    centre, slope = (_profile(loss, best, least, which) for which in (0, 1))
    warnings: tuple[str, ...] = ()
    if data.events.sum() < FEW_EVENTS:
        warnings = (
            f"{data.events.sum():g} events determine two parameters; the intervals say how little that is.",
        )
    return OutcomeFit(
        model=model,
        d50_gy=d50_gy,
        gamma50=gamma50,
        d50_interval_95_gy=centre,
        gamma50_interval_95=slope,
        log_likelihood=-least,
        deviance=2 * (_saturated(data) + least),
        degrees_of_freedom=np.unique(data.dose_gy).size - 2,
        warnings=warnings,
    )


def _require_answer(data: OutcomeData) -> None:
    events, patients = float(data.events.sum()), float(data.patients.sum())
    if events in (0, patients):
        raise FitError(f"{events:g} events in {patients:g} patients; a curve needs some with and some without.")
    if np.unique(data.dose_gy).size < 2:
        raise FitError("All patients have the same dose; a curve needs different ones.")
    weights, without = data.events / events, (data.patients - data.events) / (patients - events)
    if float(weights @ np.log(data.dose_gy)) <= float(without @ np.log(data.dose_gy)):
        raise FitError(
            "Patients with events have no higher doses than those without; no rising curve describes them."
        )
    if data.dose_gy[data.events < data.patients].max() <= data.dose_gy[data.events > 0].min():
        raise FitError(
            "Doses with and without events do not overlap, so that the slope has no bound; patients between are needed."
        )


def _log_likelihood(model: Kind, data: OutcomeData, d50_gy: float, gamma50: float) -> float:
    if model == "logistic":
        x = 4 * gamma50 * np.log(data.dose_gy / d50_gy)
        yes, no = log_expit(x), log_expit(-x)
    else:
        x = math.sqrt(2 * math.pi) * gamma50 * (data.dose_gy / d50_gy - 1)
        yes, no = log_ndtr(x), log_ndtr(-x)
    return float(data.events @ yes + (data.patients - data.events) @ no)


def _saturated(data: OutcomeData) -> float:
    """Log-likelihood of one probability per dose."""
    total = 0.0
    for dose in np.unique(data.dose_gy):
        here = data.dose_gy == dose
        n, e = float(data.patients[here].sum()), float(data.events[here].sum())
        total += sum(k * math.log(k / n) for k in (e, n - e) if k > 0)
    return total


def _minimum(loss: Loss, start: Array) -> tuple[Array, float]:
    """Where the loss is least, and how much it is there."""
    best = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000})
    if not best.success or best.fun >= IMPOSSIBLE:
        raise ConvergenceError("The search for the most likely complication curve did not end; look at the data.")
    return np.asarray(best.x), float(best.fun)


def _profile(loss: Loss, best: Array, least: float, which: int) -> tuple[float | None, float | None]:
    """Interval of exp(parameter) by the profile likelihood."""
    other = float(best[1 - which])

    def above(value: float) -> float:
        """How far the loss, least in the other parameter, is above its limit."""

        def with_other(x: float) -> float:
            return loss(np.insert(np.array([x]), which, value))

        found = minimize_scalar(with_other, bracket=(other - 0.1, other + 0.1), options={"xtol": 1e-7})
        return float(found.fun) - least - CHI2_95 / 2

    return _end(above, float(best[which]), -1), _end(above, float(best[which]), +1)


def _end(above: Callable[[float], float], start: float, direction: int) -> float | None:
    """Where the profile crosses its limit on one side, None where it does not within a factor of e^10."""
    step, inner = 0.01, start
    while abs(inner - start) < FARTHEST:
        outer = inner + direction * step
        if above(outer) > 0:
            return math.exp(float(brentq(above, inner, outer, xtol=1e-6)))
        inner, step = outer, 1.5 * step
    return None
