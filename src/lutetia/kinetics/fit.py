"""Fit of a region's time-activity curve: the model, the integral, and how certain it is."""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.fitting.choice import Comparison, Tried, attempt, compare
from lutetia.kinetics.fitting.judge import about_interval, about_model, about_points, listed
from lutetia.kinetics.fitting.linear import log_normal, rate_uncertainty
from lutetia.kinetics.fitting.profile import profile_interval
from lutetia.kinetics.fitting.shapes import Spread
from lutetia.kinetics.fitting.trapezoid import fit_trapezoid, outside_scans
from lutetia.kinetics.models import BI, MODELS, Model

Array = NDArray[np.float64]

UNKNOWN_RATE: Final = 1.0
"""Standard uncertainty of ln(rate) from which on the linearised model says nothing of the integral."""

__all__ = ["fit_curve", "fit_trapezoid", "profile_interval"]


def fit_curve(curve: TimeActivityCurve, *, decay_constant_per_s: float, model: str = "auto") -> CurveFit:
    r"""Fit a sum of exponentials to a time-activity curve.

    Weighted least squares with the curve's standard uncertainties (or, where there are none, weights proportional
    to the activity). The covariance is that of the linearised model; when the residuals exceed the stated
    uncertainties it is multiplied by :math:`\chi^2/(n-p)` (Birge; parameters held at a limit do not count in
    p). The variance of the time-integrated activity is :math:`g^T C g` with the gradient g of the integral.

    The 95 % interval of a named model is log-normal with that uncertainty where the points determine its rates;
    where they do not, the likelihood is integrated over all rates within their limits. That of "auto" and
    "average" is integrated over the models too, those with more parameters than points among them, and so says what
    the points leave open before, between and after the scans; their standard uncertainty is the root mean square
    of that distribution about the integral given, of the linearised models where no uncertainties are stated.

    Parameters
    ----------
    curve : activity as measured (not decay-corrected), with standard uncertainties
    decay_constant_per_s : physical decay of the nuclide; no term is slower. [1/s]
    model : a name in ``lutetia.kinetics.models.MODELS``; "trapezoid"; "auto": the lowest AICc of the models whose
        rates the points tell; "average": those models' curves by their Akaike weights

    Returns
    -------
    CurveFit
        Its warnings say when a rate lies at physical decay, when the points deny the model, when one of them does not
        fit the others, when much of the integral lies outside the scans, and when the interval is wide.

    Raises
    ------
    FitError
        More parameters than points, no activity, or points so far from any allowed curve that the integral is less
        certain than its size.
    InputError
        Unknown model.

    References
    ----------
    Hurvich CM, Tsai CL. Biometrika 76 (1989) 297-307. doi:10.1093/biomet/76.2.297 (AICc).
    Burnham KP, Anderson DR. Sociol Methods Res 33 (2004) 261-304. doi:10.1177/0049124104268644 (averaging).
    Gear JI et al. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7 (uncertainty).
    """
    if not np.any(curve.activity_bq > 0):
        raise FitError(f"{curve.region}: no activity at any time, so there is nothing to fit.")
    if model == "trapezoid":
        return fit_trapezoid(curve, decay_constant_per_s=decay_constant_per_s)
    if model in ("auto", "average"):
        return _compared(curve, decay_constant_per_s, average=model == "average")
    if model not in MODELS:
        raise InputError(f"Model {model!r}; expected auto or one of {', '.join(MODELS)}, average, trapezoid.")
    return _named(curve, MODELS[model], decay_constant_per_s)


def _named(curve: TimeActivityCurve, model: Model, decay_constant_per_s: float) -> CurveFit:
    n, needed = curve.time_s.size, len(model.names)
    if n < needed:
        raise FitError(
            f"{curve.region}: the {model.name} fit has {needed} parameters but there "
            f"{'is 1 time point' if n == 1 else f'are {n} time points'}; choose a model with fewer, or a single-time "
            "method (haenscheid2018, madsen2018, known, population)."
        )
    tried = attempt(curve, model, decay_constant_per_s)
    if tried is None:
        raise FitError(f"{curve.region}: no {model.name} fits these activities ({listed(curve)}).")
    _require_certain(curve, tried)
    if tried.solution.weights.known:
        found = tried.spread(tried.scale or 1.0)
        spread = found[0] if found else _linear_spread(tried, None)
    else:
        spread = _linear_spread(tried, tried.solution.free)
    uncertainty = tried.uncertainty
    lost = rate_uncertainty(tried.solution, tried.covariance) > UNKNOWN_RATE
    if lost and spread is not None and tried.solution.weights.known:
        uncertainty = _about(spread, tried.solution.total)
    return _result(curve, tried, uncertainty=uncertainty, spread=spread, warnings=())


def _linear_spread(tried: Tried, degrees: int | None) -> Spread | None:
    total, u = tried.solution.total, tried.uncertainty
    return None if u is None else log_normal(total, u / total, degrees)


def _require_certain(curve: TimeActivityCurve, tried: Tried) -> None:
    if tried.contradicted and not tried.certain:
        raise FitError(
            f"{curve.region}: no {tried.model.name} that falls at least as fast as the nuclide decays describes these "
            f"activities ({listed(curve)}); check that the scans are on one scale and registered, or leave the region out."
        )


def _compared(curve: TimeActivityCurve, decay_constant_per_s: float, *, average: bool) -> CurveFit:
    n = curve.time_s.size
    if n < 2:
        raise FitError(f"{curve.region}: one time point cannot be fitted; use a single-time method.")
    found = compare(curve, decay_constant_per_s)
    if found is None:
        raise FitError(f"{curve.region}: no model fits these activities ({listed(curve)}).")
    chosen = found.chosen
    _require_certain(curve, chosen)
    told: tuple[str, ...] = ()
    if chosen.aicc is None:
        told = (f"{n} time points do not allow AICc to compare models; a {chosen.model.name} was used.",)
    elif n < len(BI.names):
        told = (f"{n} time points cannot tell one phase of washout from two; the interval allows for both.",)
    if average:
        return _averaged(curve, found, told)
    return _result(
        curve,
        chosen,
        uncertainty=_stated(found, chosen.solution.total),
        spread=found.spread,
        warnings=told,
        comparison=found,
    )


def _about(spread: Spread, total: float) -> float:
    """Root mean square distance of a distribution from the integral that is given. [Bq s]"""
    return math.hypot(spread.standard_deviation, spread.mean - total)


def _stated(found: Comparison, total: float) -> float | None:
    """Root mean square distance of the distribution from the integral that is given. [Bq s]

    Where the scatter is estimated, that has no end (Student's distribution of a logarithm); the uncertainties of the
    linearised models and their distances are taken in its place.
    """
    if found.chosen.solution.weights.known:
        return None if found.spread is None else _about(found.spread, total)
    used = found.linearised
    if not used:
        return None
    weight = sum(w for _, w in used)
    variance = sum(w * ((t.uncertainty or 0.0) ** 2 + (t.solution.total - total) ** 2) for t, w in used) / weight
    return math.sqrt(variance)


def _result(
    curve: TimeActivityCurve,
    tried: Tried,
    *,
    uncertainty: float | None,
    spread: Spread | None,
    warnings: Sequence[str],
    comparison: Comparison | None = None,
) -> CurveFit:
    model, p = tried.model, tried.solution.parameters
    total = tried.solution.total
    after = model.integral(p, float(curve.time_s[-1])) / total
    before = 1.0 - model.integral(p, float(curve.time_s[0])) / total
    interval = None if spread is None else spread.interval()
    return CurveFit(
        region=curve.region,
        model=model.name,
        parameters=dict(zip(model.names, map(float, p), strict=True)),
        covariance=tried.covariance,
        aicc=tried.aicc,
        time_integrated_activity_bq_s=total,
        standard_uncertainty_bq_s=uncertainty,
        effective_half_life_s=math.log(2) / model.terminal_rate(p),
        extrapolated_fraction=after,
        activity_at=lambda t: model.activity(p, t),
        band_at=None if tried.covariance is None else _band(tried),
        warnings=(
            *warnings, *about_points(curve, tried), *about_model(tried), *outside_scans(before, after),
            *about_interval(interval),
        ),
        exponentials=model.exponentials(p),
        interval_95_bq_s=interval,
        candidates=() if comparison is None else comparison.candidates,
    )  # fmt: skip


def _averaged(curve: TimeActivityCurve, found: Comparison, warnings: Sequence[str]) -> CurveFit:
    """The models' curves by their Akaike weights; of one model where AICc compares nothing."""
    share = found.share if found.share.sum() > 0 else np.array([float(t is found.chosen) for t in found.tried])
    parts = [(t, float(w)) for t, w in zip(found.tried, share, strict=True) if w > 0]
    terms = tuple((w * a, k) for t, w in parts for a, k in t.model.exponentials(t.solution.parameters))
    total = sum(a / k for a, k in terms)
    after = sum(a / k * math.exp(-k * float(curve.time_s[-1])) for a, k in terms) / total
    before = 1.0 - sum(a / k * math.exp(-k * float(curve.time_s[0])) for a, k in terms) / total
    interval = None if found.spread is None else found.spread.interval()
    worries = dict.fromkeys(w for t, share in parts if share > 0.1 for w in about_model(t))
    return CurveFit(
        region=curve.region,
        model="average",
        parameters={f"weight_{t.model.name}": w for t, w in parts},
        covariance=None,
        aicc=None,
        time_integrated_activity_bq_s=total,
        standard_uncertainty_bq_s=_stated(found, total),
        effective_half_life_s=math.log(2) * sum(w / t.model.terminal_rate(t.solution.parameters) for t, w in parts),
        extrapolated_fraction=after,
        activity_at=_average_of(parts),
        band_at=None if any(t.covariance is None for t, _ in parts) else _average_band(parts),
        warnings=(
            *warnings, *about_points(curve, found.chosen), *worries, *outside_scans(before, after),
            *about_interval(interval),
        ),
        exponentials=terms,
        interval_95_bq_s=interval,
        candidates=found.candidates,
    )  # fmt: skip


def _average_of(parts: Sequence[tuple[Tried, float]]) -> Callable[[Array], Array]:
    def activity(time_s: Array) -> Array:
        return np.asarray(sum(w * t.model.activity(t.solution.parameters, time_s) for t, w in parts))

    return activity


def _average_band(parts: Sequence[tuple[Tried, float]]) -> Callable[[Array], Array]:
    """Each model's own band and its distance from the average, by the weights (Burnham and Anderson 2004, eq. 4)."""
    activity = _average_of(parts)

    def band(time_s: Array) -> Array:
        middle = activity(time_s)
        variance = sum(
            w * (_band(t)(time_s) ** 2 + (t.model.activity(t.solution.parameters, time_s) - middle) ** 2)
            for t, w in parts
        )
        return np.asarray(np.sqrt(np.asarray(variance)))

    return band


def _band(tried: Tried) -> Callable[[Array], Array]:
    covariance = np.zeros((tried.solution.k, tried.solution.k)) if tried.covariance is None else tried.covariance

    def band(time_s: Array) -> Array:
        g = tried.model.activity_gradient(tried.solution.parameters, time_s)
        return np.asarray(np.sqrt(np.maximum(np.einsum("...j,jk,...k->...", g, covariance, g), 0.0)))

    return band
