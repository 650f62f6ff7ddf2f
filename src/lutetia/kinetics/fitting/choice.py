"""Models tried on a curve: their scores, their weights, and what they say together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.kinetics.curve import Candidate, TimeActivityCurve
from lutetia.kinetics.fitting.linear import (
    DETERMINED,
    covariance,
    evidence,
    log_normal,
    propagated,
    rate_uncertainty,
)
from lutetia.kinetics.fitting.shapes import SHAPED, Spread, integrate_shapes, mixture
from lutetia.kinetics.fitting.solve import Problem, Solution, problem, solution, weights
from lutetia.kinetics.models import BI, MONO, TRI, UPTAKE, UPTAKE_BI, Model

Array = NDArray[np.float64]

CANDIDATES: Final = (MONO, UPTAKE, BI, UPTAKE_BI, TRI)
"""Compared by "auto" and "average"; every other model is a limit of one of them and would win by the certainty that it
assumes."""
ACCEPTABLE: Final = 0.5
"""Standard uncertainty of ln(rate) up to which a model may be chosen: coefficients of variation of fitted parameters
below 50 % are the usual criterion (Hardiansyah 2021, doi:10.1186/s40658-021-00427-x)."""
MISFIT_PROBABILITY: Final = 1e-3
"""Residuals that chance makes larger this seldom are said to contradict the model."""
MISFIT_RELATIVE: Final = 0.3
"""The same where no uncertainties are given: relative scatter about the curve."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One model fitted to one curve, with what its points say of its uncertainty."""

    task: Problem
    solution: Solution

    @property
    def model(self) -> Model:
        """With its held rates filled in."""
        return self.solution.model

    @cached_property
    def aicc(self) -> float | None:
        r"""Akaike's criterion: :math:`\chi^2 + 2k` where the uncertainties are stated.

        With them known there is no variance to estimate, so the expected deviance of new points exceeds that of the
        fitted ones by exactly 2k in a linear model, however few they are; the correction for few points belongs to
        an estimated variance: :math:`n \ln(\chi^2/n) + 2k' + 2k'(k'+1)/(n-k'-1)`, k' = k + 1. None where that is
        not defined.
        """
        s = self.solution
        if s.weights.known:
            return s.chi2 + 2 * s.k
        k = s.k + 1
        if s.n - k - 1 <= 0:
            return None
        return s.n * math.log(max(s.chi2 / s.n, 1e-300)) + 2 * k + 2 * k * (k + 1) / (s.n - k - 1)

    @cached_property
    def scale(self) -> float | None:
        """Factor on the covariance: Birge ratio squared, never below 1; None when nothing tells the scatter."""
        s = self.solution
        if s.free > 0:
            return max(1.0, s.birge**2) if s.weights.known else s.birge**2
        return 1.0 if s.weights.known else None

    @cached_property
    def contradicted(self) -> bool:
        """Whether the points deny the model."""
        s = self.solution
        if s.free <= 0:
            return False
        if not s.weights.known:
            return s.birge > MISFIT_RELATIVE
        from scipy.special import gammaincc

        return float(gammaincc(s.free / 2, s.chi2 / 2)) < MISFIT_PROBABILITY

    @cached_property
    def covariance(self) -> Array | None:
        """Of the linearised model, scaled by the residuals."""
        return covariance(self.solution, self.task.time_s, self.scale)

    @cached_property
    def uncertainty(self) -> float | None:
        """Standard uncertainty of the integral of the linearised model. [Bq s]"""
        s = self.solution
        return (
            None
            if self.covariance is None
            else propagated(s.model.integral_gradient(s.parameters), self.covariance)
        )

    @property
    def certain(self) -> bool:
        """Whether the integral is more certain than its size."""
        return self.uncertainty is None or self.uncertainty <= self.solution.total

    @property
    def acceptable(self) -> bool:
        """Whether the points tell the rates of the model well enough to speak of them."""
        s = self.solution
        return s.k <= s.n and rate_uncertainty(s, self.covariance) <= ACCEPTABLE

    def spread(self, scale: float, *, second_uptake: bool = False) -> tuple[Spread, float] | None:
        """Distribution of the integral and the logarithm of the integrated likelihood, for stated uncertainties.

        Linearised where the points determine every rate, summed over the shapes where they do not; None for a model
        for which neither can be said.
        """
        s = self.solution
        matrix = covariance(s, self.task.time_s, scale)
        if matrix is not None and rate_uncertainty(s, matrix) <= DETERMINED:
            u = propagated(s.model.integral_gradient(s.parameters), matrix)
            if u is not None:
                weight = evidence(s, self.task, matrix, scale, second_uptake=second_uptake)
                return log_normal(s.total, u / s.total, None), weight
        if s.model.name not in SHAPED:
            return None
        return integrate_shapes(self.task, scale, second_uptake=second_uptake)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Models tried on one curve, the one chosen, Akaike weights, and the distribution that they give together."""

    tried: tuple[Tried, ...]
    chosen: Tried
    share: Array
    spread: Spread | None

    @property
    def linearised(self) -> list[tuple[Tried, float]]:
        """Models that know their uncertainty where the scatter is estimated, with their weights."""
        return _linearised(self.tried, self.share)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """As in results."""
        return tuple(
            Candidate(
                model=t.model.name,
                aicc=t.aicc,
                weight=float(w),
                time_integrated_activity_bq_s=t.solution.total,
            )
            for t, w in zip(self.tried, self.share, strict=True)
        )


def attempt(curve: TimeActivityCurve, model: Model, decay_constant_per_s: float) -> Tried | None:
    """One model on one curve; None where no amplitude above 0 fits."""
    task = problem(curve, model, decay_constant_per_s)
    found, chi2 = task.solve()
    return Tried(task=task, solution=solution(curve, task, found, chi2)) if math.isfinite(chi2) else None


def compare(curve: TimeActivityCurve, decay_constant_per_s: float) -> Comparison | None:
    """Try all candidates that the number of points allows, and weigh them; None where none can be fitted."""
    n, known = curve.time_s.size, weights(curve).known
    # shapes with more parameters than points cannot be chosen, but belong to what the points leave open
    models = [m for m in CANDIDATES if len(m.names) <= n - (0 if known else 3) or (known and m is not TRI)]
    attempts = (attempt(curve, m, decay_constant_per_s) for m in models or [MONO])
    tried = [t for t in attempts if t is not None]
    if not tried:
        return None
    fitted = [t for t in tried if t.solution.k <= n]
    chosen = _chosen(fitted)
    # what AICc is compared with: models that may be chosen
    share = _akaike([t.aicc if t is chosen or (t in fitted and t.acceptable) else None for t in tried])
    return Comparison(
        tried=tuple(tried),
        chosen=chosen,
        share=share,
        spread=_together(tried) if known else _student(tried, share),
    )


def _chosen(fitted: Sequence[Tried]) -> Tried:
    """Lowest AICc of the models whose rates the points tell.

    When the points deny that one: of those that they do not deny, or, there being none, of those whose integral they
    tell.
    """

    def score(t: Tried) -> float:
        return math.inf if t.aicc is None else t.aicc

    simple = [t for t in fitted if t.acceptable or t.model is MONO]
    best = min(simple or fitted, key=score)
    if not best.contradicted:
        return best
    met, certain = [t for t in fitted if not t.contradicted], [t for t in fitted if t.certain]
    return min(met or certain or fitted, key=score)


def _akaike(scores: Sequence[float | None]) -> Array:
    judged = [s for s in scores if s is not None]
    if not judged:
        return np.zeros(len(scores))
    best = min(judged)
    share = np.array([0.0 if s is None else math.exp(-(s - best) / 2) for s in scores])
    return np.asarray(share / share.sum())


def _together(tried: Sequence[Tried]) -> Spread | None:
    """Average of the models' distributions, weighted by their integrated likelihoods.

    AIC charges each parameter as if the points told it; the integrated likelihood charges what they tell.
    """
    # chance misfits are in the intervals already; only residuals that deny every model enlarge them
    denied = all(t.contradicted for t in tried if t.solution.free > 0)
    scales = [t.scale for t in tried if t.scale is not None and t.solution.free > 0]
    scale = min(scales) if denied and scales else 1.0
    found = [s for s in (t.spread(scale, second_uptake=True) for t in tried) if s is not None]
    if not found:
        return None
    score = np.array([e for _, e in found])
    share = np.exp(score - score.max())
    return mixture([s for s, _ in found], share / share.sum())


def _student(tried: Sequence[Tried], share: Array) -> Spread | None:
    """The same with an unknown scatter: Student's distributions of the linearised models, by Akaike weights."""
    used = _linearised(tried, share)
    if not used:
        return None
    parts = np.array([w for _, w in used])
    spreads = [
        log_normal(t.solution.total, (t.uncertainty or 0.0) / t.solution.total, t.solution.free) for t, _ in used
    ]
    return mixture(spreads, parts / parts.sum())


def _linearised(tried: Sequence[Tried], share: Array) -> list[tuple[Tried, float]]:
    used = [
        (t, float(w))
        for t, w in zip(tried, share, strict=True)
        if t.uncertainty is not None and (w > 0 or len(tried) == 1)
    ]
    return [(used[0][0], 1.0)] if len(used) == 1 else used
