"""How much of an administration is still in the body: sums of exponentials from profiles or from measurements."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError, MissingDataError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.models import MODELS, model_of
from lutetia.therapy.protection.tables import Row, is_verified, number, rows
from lutetia.units import H_PER_S, S_PER_H

Array = NDArray[np.float64]

LN2: Final = math.log(2.0)
PHYSICAL: Final = "physical"
BEYOND_ALL: Final = 1.1
"""Retained over administered activity above which a measurement is said to be wrong."""
MOST_BEFORE: Final = 0.1
"""Share of the administered activity that may be gone at once before a warning says so."""

Drawn = tuple[Array, Array]
"""Fractions and rates [1/s] of patients that might be, each (patients, terms)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Retention:
    r"""Share of the administered activity in the body, :math:`r(t) = \sum_k a_k e^{-\lambda_k t}`, decay included.

    Attributes
    ----------
    name : of the profile, or what was measured
    terms : (fraction, effective rate [1/s]) of each exponential
    decay_constant_per_s : of the nuclide. [1/s]
    drawn : (generator, number) -> fractions and rates of patients that might be; None where the spread is unknown
    meaning : in words, what the numbers stand for
    source, verified : where they are from, and whether a document that states them was read; None of measurements
    warnings : what was assumed
    """

    name: str
    terms: tuple[tuple[float, float], ...]
    decay_constant_per_s: float
    drawn: Callable[[np.random.Generator, int], Drawn] | None
    meaning: str
    source: str
    verified: bool | None
    warnings: tuple[str, ...] = ()

    def left_at(self, time_s: Array | float) -> Array:
        """Share of the administered activity still in the body, decay included."""
        t = np.asarray(time_s, dtype=float)
        return np.asarray(sum(a * np.exp(-k * t) for a, k in self.terms))

    def excreted_at(self, time_s: Array | float) -> Array:
        r"""Share that has left the body, decay-corrected: :math:`1 - r(t) e^{\lambda t}`, never below 0."""
        t = np.asarray(time_s, dtype=float)
        # term by term: decay and its correction would overflow for a nuclide of seconds
        kept = sum(a * np.exp(-(k - self.decay_constant_per_s) * t) for a, k in self.terms)
        return np.maximum(1.0 - np.asarray(kept), 0.0)


def profile_names() -> tuple[str, ...]:
    """Names of the shipped profiles."""
    return tuple(row["profile"] for row in rows("retention", "profiles.csv"))


def profile_agent(name: str) -> str:
    """Agent a profile was made for; empty where it is for any, or unknown."""
    agents = {row["profile"]: row["agent"] for row in rows("retention", "profiles.csv")}
    return agents.get(name, "any").replace("any", "")


def retention_profile(name: str, *, decay_constant_per_s: float) -> Retention:
    """A shipped profile with the decay of a nuclide.

    Its half-lives are biological, so that it can be used with another nuclide on the same ligand. The fraction is drawn
    from a beta distribution, half-lives from log-normal ones.

    Raises
    ------
    MissingDataError
        No such profile; the message lists them.
    """
    row = next((row for row in rows("retention", "profiles.csv") if row["profile"] == name), None)
    if row is None:
        raise MissingDataError(f"No retention profile {name!r}; there are {', '.join(profile_names())}.")
    slow = float(row["slow_fraction"])
    pairs = [(slow, _rate(row, "slow", decay_constant_per_s))]
    if slow < 1:
        pairs.append((1 - slow, _rate(row, "fast", decay_constant_per_s)))
    told = () if is_verified(row) else (f"The retention profile {name} was not compared with a source.",)
    return Retention(
        name=name,
        terms=tuple(pairs),
        decay_constant_per_s=decay_constant_per_s,
        drawn=_profile_draws(row, decay_constant_per_s),
        meaning=row["meaning"],
        source=row["source"],
        verified=is_verified(row),
        warnings=told,
    )


def _rate(row: Row, phase: str, decay_constant_per_s: float) -> float:
    half_life_h = number(row, f"{phase}_half_life [h]")
    return decay_constant_per_s + (0.0 if half_life_h is None else LN2 / (half_life_h * S_PER_H))


def _profile_draws(row: Row, decay_constant_per_s: float) -> Callable[[np.random.Generator, int], Drawn] | None:
    slow, u = float(row["slow_fraction"]), number(row, "u_slow_fraction")
    spreads = [number(row, f"{phase}_relative_sd") for phase in ("slow", "fast")]
    half_lives_h = [number(row, f"{phase}_half_life [h]") for phase in ("slow", "fast")]
    if u is None or None in spreads or None in half_lives_h:
        return None
    scale = slow * (1 - slow) / u**2 - 1

    def drawn(generator: np.random.Generator, n: int) -> Drawn:
        fraction = generator.beta(slow * scale, (1 - slow) * scale, n)
        columns = []
        for half_life_h, spread in zip(half_lives_h, spreads, strict=True):
            z = generator.standard_normal(n)
            factor = np.exp(math.sqrt(math.log1p(float(spread or 0.0) ** 2)) * z)
            columns.append(decay_constant_per_s + LN2 / (float(half_life_h or math.inf) * S_PER_H * factor))
        return np.column_stack([fraction, 1 - fraction]), np.column_stack(columns)

    return drawn


def retention_from_activity(
    curve: TimeActivityCurve, *, administered_activity_bq: float, decay_constant_per_s: float, model: str = "auto"
) -> Retention:
    """Retention fitted to the activity of the whole body.

    Raises
    ------
    FitError
        No model fits, or the curve begins above 1.1 of the administered activity.
    InputError
        An administered activity that is not above 0.
    """
    if not (administered_activity_bq > 0 and math.isfinite(administered_activity_bq)):
        raise InputError(f"Administered activity {administered_activity_bq:g} Bq; expected above 0.")
    fit = _declining_fit(curve, decay_constant_per_s, model)
    start = sum(a for a, _ in fit.exponentials) / administered_activity_bq
    if start > BEYOND_ALL:
        raise FitError(
            f"{curve.region}: the fitted curve begins at {start:.2f} of the administered activity; at most 1 can be. "
            "Check the administered activity and that activities are in MBq."
        )
    told = list(fit.warnings)
    if start < 1 - MOST_BEFORE:
        told.append(
            f"The fitted curve begins at {start:.2f} of the administered activity: what left before the first point at "
            f"{float(curve.time_s[0]) * H_PER_S:.1f} h counts as gone at once, and contacts before that are underestimated."
        )
    return _measured(
        fit, decay_constant_per_s, administered_activity_bq, "activity of the whole body, fitted", told
    )


def retention_from_dose_rates(
    *,
    time_s: Array,
    dose_rate_sv_per_s: Array,
    standard_uncertainty_sv_per_s: Array | None,
    decay_constant_per_s: float,
    model: str = "auto",
) -> tuple[Retention, float]:
    """Retention fitted to dose rates at one distance, and the dose rate it begins with. [Sv/s]

    The dose rate is taken to follow the activity, though activity moves in the body; the share at time 0 is 1 by
    definition, so that what left before the first measurement is only told by the curve's own extrapolation.

    Raises
    ------
    FitError
        No model fits.
    """
    scale = float(np.max(dose_rate_sv_per_s)) or 1.0
    u = None if standard_uncertainty_sv_per_s is None else standard_uncertainty_sv_per_s / scale
    curve = TimeActivityCurve(
        region="dose rate", time_s=time_s, activity_bq=dose_rate_sv_per_s / scale, standard_uncertainty_bq=u
    )
    fit = _declining_fit(curve, decay_constant_per_s, model)
    start = sum(a for a, _ in fit.exponentials)
    told = [
        *fit.warnings,
        f"Retention is relative to the dose rate at 0 h, extrapolated from the first measurement at "
        f"{float(time_s[0]) * H_PER_S:.1f} h; the dose rate is taken to follow the activity.",
    ]
    return _measured(fit, decay_constant_per_s, start, "dose rates, fitted", told), start * scale


def _declining_fit(curve: TimeActivityCurve, decay_constant_per_s: float, model: str) -> CurveFit:
    """Fit without uptake: what is in the whole body can only fall."""
    fit = fit_curve(curve, decay_constant_per_s=decay_constant_per_s, model=model)
    if all(a > 0 for a, _ in fit.exponentials) and fit.exponentials:
        return fit
    if model != "auto":
        raise FitError(
            f"{curve.region}: the model {fit.model} rises or is no sum of exponentials; take mono or bi."
        )
    names = ("mono", "bi") if curve.time_s.size > len(MODELS["bi"].names) else ("mono",)
    fits = [fit_curve(curve, decay_constant_per_s=decay_constant_per_s, model=name) for name in names]
    return min(fits, key=lambda f: math.inf if f.aicc is None else f.aicc)


def _measured(
    fit: CurveFit, decay_constant_per_s: float, start: float, name: str, told: Sequence[str]
) -> Retention:
    drawn = _fit_draws(fit, decay_constant_per_s, start)
    if drawn is None:
        told = [*told, "The fit has no covariance, so that its uncertainty is unknown and left out."]
    return Retention(
        name=name,
        terms=tuple((a / start, k) for a, k in fit.exponentials),
        decay_constant_per_s=decay_constant_per_s,
        drawn=drawn,
        meaning=f"{fit.model} fit of measurements of this patient",
        source="measured",
        verified=None,
        warnings=tuple(told),
    )


def _fit_draws(
    fit: CurveFit, decay_constant_per_s: float, start: float
) -> Callable[[np.random.Generator, int], Drawn] | None:
    """Parameters as log-normal with the fit's covariance; no rate is slower than decay."""
    found = model_of(fit.model)
    if found is None or fit.covariance is None:
        return None
    model = found.of(decay_constant_per_s)
    p = np.array([fit.parameters[name] for name in model.names])
    if np.any(p <= 0):
        return None
    spread = fit.covariance / np.outer(p, p)

    def drawn(generator: np.random.Generator, n: int) -> Drawn:
        values = np.exp(generator.multivariate_normal(np.log(p), spread, n, method="eigh"))
        fractions = [s * values[:, a] / start for s, a, _ in model.terms]
        rates = [values[:, k] if k >= 0 else np.full(n, model.rate(p, k)) for _, _, k in model.terms]
        return np.column_stack(fractions), np.maximum(np.column_stack(rates), decay_constant_per_s)

    return drawn
