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
from lutetia.kinetics.models import MODELS, Model
from lutetia.kinetics.trapezoid import fit_trapezoid, outside_scans
from lutetia.units import H_PER_S, MBQ_PER_BQ

Array = NDArray[np.float64]

__all__ = ["fit_curve", "fit_trapezoid"]

FASTEST_HALF_LIFE_S: Final = 600.0
"""Effective half-lives below ten minutes cannot be told from scans hours apart."""
MISFIT_PROBABILITY: Final = 1e-3
"""Residuals that chance makes larger this seldom are said to contradict the model."""
MISFIT_RELATIVE: Final = 0.3
"""The same where no uncertainties are given: relative scatter about the curve."""
GROSS_MISFIT: Final = 5.0
"""Birge ratio that no understated uncertainty explains: the model is wrong, and AICc need not be asked."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Solution:
    """Parameters of one model that fit best, with their weighted residual sum of squares.

    ``n_held`` counts the parameters held at a limit, which fit nothing.
    """

    model: Model
    parameters: Array
    chi2: float
    n: int
    sigma: Array
    known_sigma: bool
    n_held: int
    at_physical_decay: bool

    @property
    def aicc(self) -> float | None:
        """Akaike's criterion corrected for few points; None where it is not defined (n <= k + 1)."""
        k = len(self.parameters) + (0 if self.known_sigma else 1)
        if self.n - k - 1 <= 0:
            return None
        score = self.chi2 if self.known_sigma else self.n * math.log(max(self.chi2 / self.n, 1e-300))
        return score + 2 * k + 2 * k * (k + 1) / (self.n - k - 1)

    @property
    def free(self) -> int:
        """Degrees of freedom that the residuals have."""
        return self.n - len(self.parameters) + self.n_held

    @property
    def scale(self) -> float | None:
        """Factor on the covariance: Birge ratio squared, never below 1; None when nothing tells the scatter."""
        if self.free > 0:
            reduced = self.chi2 / self.free
            return max(1.0, reduced) if self.known_sigma else reduced
        return 1.0 if self.known_sigma else None

    @property
    def birge(self) -> float:
        """Size of the residuals in stated uncertainties (relative to the activity where there are none)."""
        return math.sqrt(self.chi2 / self.free) if self.free > 0 else 0.0

    @property
    def contradicted(self) -> bool:
        """Whether the points deny the model."""
        if self.free <= 0:
            return False
        if not self.known_sigma:
            return self.birge > MISFIT_RELATIVE
        from scipy.special import gammaincc

        return float(gammaincc(self.free / 2, self.chi2 / 2)) < MISFIT_PROBABILITY


def fit_curve(curve: TimeActivityCurve, *, decay_constant_per_s: float, model: str = "auto") -> CurveFit:
    r"""Fit a sum of exponentials to a time-activity curve.

    Weighted least squares with the curve's standard uncertainties (or, where there are none, weights proportional
    to the activity). The covariance is that of the linearised model; when the residuals exceed the stated
    uncertainties it is multiplied by :math:`\chi^2/(n-p)` (Birge; parameters held at a limit do not count in
    p). The variance of the time-integrated activity is :math:`g^T C g` with the gradient g of the integral.

    A point whose standard uncertainty is 0 (an activity of 0, say) gets the smallest of the others.

    Parameters
    ----------
    curve : activity as measured (not decay-corrected), with standard uncertainties
    decay_constant_per_s : physical decay of the nuclide; no term is slower. [1/s]
    model : "mono", "bi", "uptake", or "auto": the lowest AICc of those with at least one point more than parameters;
        mono-exponential where AICc compares nothing. Where that one is off by more than GROSS_MISFIT stated
        uncertainties, the simplest other model that meets the points, with a warning

    Returns
    -------
    CurveFit
        Its warnings say when a rate lies at physical decay, when the points deny the model, and when much of the integral
        lies outside the scans.

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
    told: tuple[str, ...] = ()
    if judged:
        best = min(judged, key=lambda s: s.aicc if s.aicc is not None else math.inf)
    else:
        best = solutions[0]
        told = (f"{n} time points do not allow AICc to compare models; a {best.model.name} was used.",)
    if best.known_sigma and best.birge > GROSS_MISFIT:
        other = _meeting(curve, best.model, decay_constant_per_s)
        if other is not None:
            told = (
                f"A {best.model.name} misses the points by {best.birge:.0f} times their uncertainties; {other.model.name} "
                f"meets them and was used, though {n} time points do not allow AICc to compare the two.",
            )
            best = other
    return _result(curve, best, told)


def _meeting(curve: TimeActivityCurve, refused: Model, decay_constant_per_s: float) -> _Solution | None:
    """Simplest other model with no more parameters than points that the points do not deny."""
    rest = [m for m in MODELS.values() if m is not refused and len(m.names) <= curve.time_s.size]
    for model in sorted(rest, key=lambda m: len(m.names)):
        solution = _solve(curve, model, decay_constant_per_s)
        # without degrees of freedom a model meets the points when it goes through them
        if not solution.contradicted and solution.chi2 <= max(1, solution.free) * GROSS_MISFIT**2:
            return solution
    return None


def _weights(curve: TimeActivityCurve) -> tuple[Array, bool]:
    """Standard deviation of each point for weighting, and whether it is known in absolute terms."""
    u, activity = curve.standard_uncertainty_bq, curve.activity_bq
    if u is not None and np.any(u > 0):
        # an uncertainty of 0 is one that nobody stated: it must not outweigh the rest
        stated = np.where(u > 0, u, u[u > 0].min())
        return np.maximum(stated, 1e-6 * float(activity.max())), True
    return np.maximum(activity, activity[activity > 0].min()), False


def _solve(curve: TimeActivityCurve, model: Model, decay_constant_per_s: float) -> _Solution:
    """Best of several starts, in logarithms of the parameters so that they stay positive and of like size."""
    from scipy.optimize import least_squares

    sigma, known = _weights(curve)
    low, high = _limits(curve, model, decay_constant_per_s)

    def residuals(q: Array) -> Array:
        return (model.activity(np.exp(q), curve.time_s) - curve.activity_bq) / sigma

    def jacobian(q: Array) -> Array:
        p = np.exp(q)
        return np.asarray(model.activity_gradient(p, curve.time_s) * p / sigma[:, None])

    best: tuple[float, Array] | None = None
    for start in _starts(curve, model, decay_constant_per_s):
        inside = np.clip(np.log(start), low + 1e-9, high - 1e-9)
        found = least_squares(residuals, inside, jac=jacobian, bounds=(low, high), x_scale="jac", max_nfev=400)
        if best is None or 2 * found.cost < best[0]:
            best = (2 * float(found.cost), found.x)
    if best is None:
        raise FitError(f"{curve.region}: no start values for a {model.name} fit.")
    chi2, q = best
    held = (q - low < 1e-6) | (high - q < 1e-6)
    return _Solution(
        model=model,
        parameters=_ordered(np.exp(q)),
        chi2=chi2,
        n=curve.time_s.size,
        sigma=sigma,
        known_sigma=known,
        n_held=int(np.count_nonzero(held)),
        at_physical_decay=bool(np.any(q[list(model.rates)] - low[list(model.rates)] < 1e-6)),
    )


def _limits(curve: TimeActivityCurve, model: Model, decay_constant_per_s: float) -> tuple[Array, Array]:
    """Logarithms of the least and largest parameters: nothing slower than physical decay."""
    size = float(curve.activity_bq.max())
    low = np.full(len(model.names), math.log(1e-9 * size))
    high = np.full(len(model.names), math.log(1e4 * size))
    low[list(model.rates)] = math.log(decay_constant_per_s)
    high[list(model.rates)] = math.log(math.log(2) / FASTEST_HALF_LIFE_S)
    return low, high


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
    jacobian = solution.model.activity_gradient(solution.parameters, time_s)
    weighted = jacobian / solution.sigma[:, None]
    size = np.maximum(np.abs(solution.parameters), 1e-300)
    # in relative parameters, which have like sizes, the inverse is well conditioned
    inverse = np.linalg.pinv((weighted * size).T @ (weighted * size), rcond=1e-12, hermitian=True)
    return np.asarray(solution.scale * inverse * np.outer(size, size))


def _result(curve: TimeActivityCurve, solution: _Solution, warnings: Sequence[str]) -> CurveFit:
    model, p = solution.model, solution.parameters
    covariance = _covariance(solution, curve.time_s)
    total = model.integral(p)
    uncertainty = None if covariance is None else _propagated(model.integral_gradient(p), covariance)
    if solution.contradicted and uncertainty is not None and uncertainty > total:
        raise FitError(
            f"{curve.region}: no {model.name} that falls at least as fast as the nuclide decays describes these "
            f"activities ({_listed(curve)}); check that the scans are on one scale and registered, or leave the region out."
        )
    extrapolated = model.integral(p, float(curve.time_s[-1])) / total
    before = 1.0 - model.integral(p, float(curve.time_s[0])) / total
    return CurveFit(
        region=curve.region,
        model=model.name,
        parameters=dict(zip(model.names, map(float, p), strict=True)),
        covariance=covariance,
        aicc=solution.aicc,
        time_integrated_activity_bq_s=total,
        standard_uncertainty_bq_s=uncertainty,
        effective_half_life_s=math.log(2) / model.terminal_rate(p),
        extrapolated_fraction=extrapolated,
        activity_at=lambda t: model.activity(p, t),
        band_at=None if covariance is None else _band(model, p, covariance),
        warnings=(*warnings, *_judged(curve, solution), *outside_scans(before, extrapolated)),
    )


def _judged(curve: TimeActivityCurve, solution: _Solution) -> list[str]:
    """What the fit itself gives to worry about."""
    told = []
    u = curve.standard_uncertainty_bq
    if u is not None and np.any(u > 0) and np.any(u == 0):
        told.append("Points without a stated uncertainty were weighted like the most certain of the others.")
    if solution.at_physical_decay:
        told.append(
            "The slowest rate lies at physical decay, the limit: the points fall no faster than the nuclide decays."
        )
    if solution.contradicted:
        by = (
            f"{solution.birge:.1f} times their stated uncertainties"
            if solution.known_sigma
            else f"{solution.birge:.0%} of the activity"
        )
        told.append(
            f"The {solution.model.name} misses the points by {by}; the uncertainty was enlarged accordingly."
        )
    return told


def _listed(curve: TimeActivityCurve) -> str:
    points = zip(curve.time_s * H_PER_S, curve.activity_bq * MBQ_PER_BQ, strict=True)
    return ", ".join(f"{activity:.3g} MBq at {hours:.0f} h" for hours, activity in points)


def _propagated(gradient: Array, covariance: Array) -> float | None:
    variance = float(gradient @ covariance @ gradient)
    return math.sqrt(variance) if variance > 0 else None


def _band(model: Model, parameters: Array, covariance: Array) -> Callable[[Array], Array]:
    def band(time_s: Array) -> Array:
        g = model.activity_gradient(parameters, time_s)
        return np.asarray(np.sqrt(np.maximum(np.einsum("...j,jk,...k->...", g, covariance, g), 0.0)))

    return band
