"""Weighted least squares of time-activity curves, choice of the model by AICc, uncertainty of the integral."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.models import MODELS, Model, gradient

Array = NDArray[np.float64]

LARGE_EXTRAPOLATION: Final = 0.2
"""Extrapolated fraction above which the result carries a warning (a common limit of dosimetry guidelines)."""
FASTEST_HALF_LIFE_S: Final = 600.0
"""Effective half-lives below ten minutes cannot be told from scans hours apart."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Solution:
    """Parameters of one model that fit best, with their weighted residual sum of squares."""

    model: Model
    parameters: Array
    chi2: float
    n: int
    sigma: Array
    known_sigma: bool

    @property
    def aicc(self) -> float | None:
        """Akaike's criterion corrected for few points; None where it is not defined (n <= k + 1)."""
        k = len(self.parameters) + (0 if self.known_sigma else 1)
        if self.n - k - 1 <= 0:
            return None
        score = self.chi2 if self.known_sigma else self.n * math.log(max(self.chi2 / self.n, 1e-300))
        return score + 2 * k + 2 * k * (k + 1) / (self.n - k - 1)

    @property
    def scale(self) -> float | None:
        """Factor on the covariance: Birge ratio squared, never below 1; None when nothing tells the scatter."""
        free = self.n - len(self.parameters)
        if free > 0:
            reduced = self.chi2 / free
            return max(1.0, reduced) if self.known_sigma else reduced
        return 1.0 if self.known_sigma else None


def fit_curve(curve: TimeActivityCurve, *, decay_constant_per_s: float, model: str = "auto") -> CurveFit:
    r"""Fit a sum of exponentials to a time-activity curve.

    Weighted least squares with the curve's standard uncertainties (or, where there are none, weights proportional
    to the activity). The covariance is that of the linearised model; when the residuals exceed the stated
    uncertainties it is multiplied by :math:`\chi^2/(n-p)` (Birge). The variance of the time-integrated activity
    is :math:`g^T C g` with the gradient g of the integral.

    Parameters
    ----------
    curve : activity as measured (not decay-corrected), with standard uncertainties
    decay_constant_per_s : physical decay of the nuclide; no term is slower. [1/s]
    model : "mono", "bi", "uptake", or "auto": the lowest AICc of those with at least one point more than
        parameters; mono-exponential where there are only two points

    Returns
    -------
    CurveFit

    Raises
    ------
    FitError
        More parameters than points, or no activity.
    InputError
        Unknown model.

    References
    ----------
    Hurvich CM, Tsai CL. Biometrika 76 (1989) 297-307. doi:10.1093/biomet/76.2.297 (AICc).
    Gear JI et al. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7 (uncertainty).
    """
    if not np.any(curve.activity_bq > 0):
        raise FitError(f"{curve.region}: no activity at any time, so there is nothing to fit.")
    if model == "auto":
        return _chosen(curve, decay_constant_per_s)
    if model not in MODELS:
        raise InputError(f"Model {model!r}; expected auto or one of {', '.join(MODELS)}.")
    _require_points(curve, MODELS[model])
    return _result(curve, _solve(curve, MODELS[model], decay_constant_per_s), ())


def _require_points(curve: TimeActivityCurve, model: Model) -> None:
    n, needed = curve.time_s.size, len(model.names)
    if n < needed:
        raise FitError(
            f"{curve.region}: a {model.name} fit has {needed} parameters but there "
            f"{'is 1 time point' if n == 1 else f'are {n} time points'}; choose a model with fewer, or a single-time "
            "method (haenscheid, known-half-life)."
        )


def _chosen(curve: TimeActivityCurve, decay_constant_per_s: float) -> CurveFit:
    n = curve.time_s.size
    if n < 2:
        raise FitError(f"{curve.region}: one time point cannot be fitted; use a single-time method.")
    candidates = [m for m in MODELS.values() if len(m.names) < n] or [MODELS["mono"]]
    solutions = [_solve(curve, m, decay_constant_per_s) for m in candidates]
    judged = [s for s in solutions if s.aicc is not None]
    if not judged:
        few = f"{n} time points do not allow AICc to compare models; a mono-exponential was used."
        return _result(curve, solutions[0], (few,))
    best = min(judged, key=lambda s: s.aicc if s.aicc is not None else math.inf)
    return _result(curve, best, ())


def _weights(curve: TimeActivityCurve) -> tuple[Array, bool]:
    """Standard deviation of each point for weighting, and whether it is known in absolute terms."""
    u = curve.standard_uncertainty_bq
    floor = 1e-6 * float(curve.activity_bq.max())
    if u is not None and np.any(u > 0):
        return np.maximum(u, floor), True
    return np.maximum(curve.activity_bq, 1e-3 * float(curve.activity_bq.max())), False


def _solve(curve: TimeActivityCurve, model: Model, decay_constant_per_s: float) -> _Solution:
    """Best of several starts, in logarithms of the parameters so that they stay positive and of like size."""
    from scipy.optimize import least_squares

    sigma, known = _weights(curve)
    size = float(curve.activity_bq.max())
    low = np.full(len(model.names), math.log(1e-9 * size))
    high = np.full(len(model.names), math.log(1e4 * size))
    low[list(model.rates)] = math.log(decay_constant_per_s)
    high[list(model.rates)] = math.log(math.log(2) / FASTEST_HALF_LIFE_S)

    def residuals(q: Array) -> Array:
        return (model.activity(np.exp(q), curve.time_s) - curve.activity_bq) / sigma

    best: tuple[float, Array] | None = None
    for start in _starts(curve, model, decay_constant_per_s):
        inside = np.clip(np.log(start), low + 1e-9, high - 1e-9)
        found = least_squares(residuals, inside, bounds=(low, high), x_scale="jac", max_nfev=400)
        if best is None or 2 * found.cost < best[0]:
            best = (2 * float(found.cost), np.exp(found.x))
    if best is None:
        raise FitError(f"{curve.region}: no start values for a {model.name} fit.")
    parameters = _ordered(best[1])
    return _Solution(
        model=model, parameters=parameters, chi2=best[0], n=curve.time_s.size, sigma=sigma, known_sigma=known
    )


def _ordered(parameters: Array) -> Array:
    """Slow phase first in a bi-exponential, whichever the search found first."""
    if len(parameters) == 4 and parameters[1] > parameters[3]:
        return parameters[[2, 3, 0, 1]]
    return parameters


def _starts(curve: TimeActivityCurve, model: Model, decay_constant_per_s: float) -> list[Array]:
    """A small grid of start values: rates around the physical one, amplitudes by linear non-negative regression."""
    time_s, activity = curve.time_s, curve.activity_bq
    span = float(time_s[-1])
    slow = [decay_constant_per_s * f for f in (1.05, 1.5, 3.0, 8.0)]
    fast = [math.log(2) / (span * f) for f in (0.02, 0.08, 0.25)]
    size = float(activity.max())
    if model is MODELS["mono"]:
        return [
            np.array([size * math.exp(min(k * float(time_s[int(activity.argmax())]), 5.0)), k]) for k in slow + fast
        ]
    if model is MODELS["uptake"]:
        return [np.array([size * 1.3, k, f]) for k, f in itertools.product(slow, fast) if f > k]
    starts = []
    for k, f in itertools.product(slow, fast):
        if f <= 1.5 * k:
            continue
        basis = np.stack([np.exp(-k * time_s), np.exp(-f * time_s)], axis=1)
        amplitudes = np.maximum(np.linalg.lstsq(basis, activity, rcond=None)[0], 0.02 * size)
        starts.append(np.array([amplitudes[0], k, amplitudes[1], f]))
    return starts


def _covariance(solution: _Solution, time_s: Array) -> Array | None:
    if solution.scale is None:
        return None
    jacobian = gradient(lambda p: solution.model.activity(p, time_s), solution.parameters)
    weighted = jacobian / solution.sigma[:, None]
    size = np.maximum(np.abs(solution.parameters), 1e-300)
    # in relative parameters, which have like sizes, the inverse is well conditioned
    inverse = np.linalg.pinv((weighted * size).T @ (weighted * size), rcond=1e-12, hermitian=True)
    return np.asarray(solution.scale * inverse * np.outer(size, size))


def _result(curve: TimeActivityCurve, solution: _Solution, warnings: Sequence[str]) -> CurveFit:
    model, p = solution.model, solution.parameters
    covariance = _covariance(solution, curve.time_s)
    total = model.integral(p)
    last = float(curve.time_s[-1])
    extrapolated = model.integral(p, last) / total
    told = list(warnings)
    if extrapolated > LARGE_EXTRAPOLATION:
        told.append(f"{100 * extrapolated:.0f} % of the time-integrated activity lies after the last time point.")
    before = 1.0 - model.integral(p, float(curve.time_s[0])) / total
    if before > LARGE_EXTRAPOLATION:
        told.append(f"{100 * before:.0f} % of the time-integrated activity lies before the first time point.")
    return CurveFit(
        region=curve.region,
        model=model.name,
        parameters=dict(zip(model.names, map(float, p), strict=True)),
        covariance=covariance,
        aicc=solution.aicc,
        time_integrated_activity_bq_s=total,
        standard_uncertainty_bq_s=None if covariance is None else _propagated(model.integral, p, covariance),
        effective_half_life_s=math.log(2) / model.terminal_rate(p),
        extrapolated_fraction=extrapolated,
        activity_at=lambda t: model.activity(p, t),
        band_at=None if covariance is None else _band(model, p, covariance),
        warnings=tuple(told),
    )


def _propagated(function: Callable[[Array], float], parameters: Array, covariance: Array) -> float | None:
    g = gradient(function, parameters)
    variance = float(g @ covariance @ g)
    return math.sqrt(variance) if variance > 0 else None


def _band(model: Model, parameters: Array, covariance: Array) -> Callable[[Array], Array]:
    def band(time_s: Array) -> Array:
        g = gradient(lambda p: model.activity(p, time_s), parameters)
        return np.asarray(np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", g, covariance, g), 0.0)))

    return band


def fit_trapezoid(curve: TimeActivityCurve, *, decay_constant_per_s: float) -> CurveFit:
    r"""Trapezoids between the points, with physical decay alone after the last.

    From administration to the first point the activity is taken as the first one, decay-corrected backwards: a
    region that was filled at once. The tail :math:`A_n/\lambda` is the longest that physics allows, so the result
    is an upper estimate for regions with biological washout.

    Returns
    -------
    CurveFit
        With the uncertainty of the points propagated; None when they have none.
    """
    if not np.any(curve.activity_bq > 0):
        raise FitError(f"{curve.region}: no activity at any time, so there is nothing to integrate.")
    t, a, k = curve.time_s, curve.activity_bq, decay_constant_per_s
    weight = np.zeros(t.size)
    weight[:-1] += np.diff(t) / 2
    weight[1:] += np.diff(t) / 2
    weight[0] += math.expm1(k * float(t[0])) / k
    weight[-1] += 1 / k
    total = float(weight @ a)
    u = curve.standard_uncertainty_bq
    extrapolated = float(a[-1] / k / total)
    told: tuple[str, ...] = ("The tail of the trapezoid is physical decay alone, the longest possible.",)
    if extrapolated > LARGE_EXTRAPOLATION:
        told += (f"{100 * extrapolated:.0f} % of the time-integrated activity lies after the last time point.",)
    return CurveFit(
        region=curve.region,
        model="trapezoid, physical tail",
        parameters={"decay_constant_per_s": k},
        covariance=None,
        aicc=None,
        time_integrated_activity_bq_s=total,
        standard_uncertainty_bq_s=None if u is None else float(np.sqrt(np.sum((weight * u) ** 2))),
        effective_half_life_s=math.log(2) / k,
        extrapolated_fraction=extrapolated,
        activity_at=lambda x: _trapezoid_at(curve, k, x),
        band_at=None,
        warnings=told,
    )


def _trapezoid_at(curve: TimeActivityCurve, decay_constant_per_s: float, time_s: Array) -> Array:
    t, a = curve.time_s, curve.activity_bq
    inside = np.interp(time_s, t, a)
    early = a[0] * np.exp(decay_constant_per_s * (t[0] - np.minimum(time_s, t[0])))
    late = a[-1] * np.exp(-decay_constant_per_s * (np.maximum(time_s, t[-1]) - t[-1]))
    return np.where(time_s < t[0], early, np.where(time_s > t[-1], late, inside))
