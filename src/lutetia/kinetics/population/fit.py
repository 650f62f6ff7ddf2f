"""Nonlinear mixed-effects fit of a cohort's curves by maximum likelihood."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.population.cohort import Cohort, CohortCurve
from lutetia.kinetics.population.individual import (
    Observations,
    Prior,
    expected,
    observations,
)
from lutetia.kinetics.population.model import PopulationModel, RegionKinetics, Tried, kind_of_region
from lutetia.kinetics.population.review import reviewed
from lutetia.kinetics.population.shapes import SHAPES, Shape
from lutetia.kinetics.population.starts import first_prior

Array = NDArray[np.float64]
Residual = Literal["proportional", "combined"]

LEAST_PATIENTS: Final = 3
"""Below this a spread between patients is not a spread."""
LOWEST_LOG_SPREAD: Final = math.log(1e-3)
"""Of a parameter between patients, and of the residual error: zero cannot be reached in logarithms."""
FIRST_STEPS: Final = 15
"""Expectation-maximisation steps before the quasi-Newton search."""
DECREMENT: Final = 1e-3
"""Expected gain in log-likelihood by one more Newton step, below which the search has converged."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Search:
    """Where the search for the largest likelihood of one shape ended.

    ``at`` are the packed parameters (mean, Cholesky factor, residual errors), ``free`` those not at a limit.
    """

    shape: Shape
    score: Callable[[Array], tuple[float, Array]]
    at: Array
    free: NDArray[np.bool_]
    log_likelihood: float

    def criteria(self, n_patients: int) -> tuple[float, float]:
        """AIC and BIC."""
        deviance = -2 * self.log_likelihood
        return deviance + 2 * self.at.size, deviance + self.at.size * math.log(n_patients)


def fit_population(
    cohort: Cohort, *, models: Sequence[str] = tuple(SHAPES), residual: Residual = "proportional"
) -> PopulationModel:
    r"""Kinetics of each kind of region in a cohort.

    :math:`A_i(t) = f(t; e^{\varphi_i})(1 + b\,\epsilon)`, :math:`\varphi_i \sim N(\mu, \Omega)` with a full
    covariance. :math:`\mu, \Omega, b` have the largest marginal likelihood, the integral over :math:`\varphi_i` being
    done by adaptive Gauss-Hermite quadrature; expectation-maximisation from two-stage estimates, then quasi-Newton
    with the analytic score. Standard errors are those of the observed information. Of several shapes the one with the
    lowest BIC (with the number of patients) is taken.

    Amplitudes are per administered activity where the whole cohort states it. Curves of one patient (two kidneys,
    lesions) count as independent, with a warning.

    Parameters
    ----------
    cohort : curves of at least three patients for each region
    models : shapes to try: "mono", "uptake", "bi"; one is tried where half the curves have as many points as it has
        parameters
    residual : "proportional" to the activity, or "combined" with a constant; stated uncertainties are added to it

    Raises
    ------
    FitError
        Too few patients or points in a region.
    InputError
        Unknown model.

    References
    ----------
    Lindstrom MJ, Bates DM. Biometrics 46 (1990) 673-687. doi:10.2307/2532087
    Pinheiro JC, Bates DM. J Comput Graph Stat 4 (1995) 12-35. doi:10.1080/10618600.1995.10474663
    Devasia TP et al. J Nucl Med 62 (2021) 1118-1125. doi:10.2967/jnumed.120.256255 (mixed model, kidneys).
    """
    unknown = [m for m in models if m not in SHAPES]
    if unknown or not models:
        raise InputError(f"Model {', '.join(unknown) or '(none)'}; expected one or more of {', '.join(SHAPES)}.")
    kinds = list(dict.fromkeys(kind_of_region(c.curve.region) for c in cohort.curves))
    regions = {
        kind: _region(kind, [c for c in cohort.curves if kind_of_region(c.curve.region) == kind], models, residual)
        for kind in kinds
    }
    slowest = cohort.decay_constant_per_s
    return PopulationModel(
        agent=cohort.agent,
        nuclide=cohort.nuclide,
        regions={kind: reviewed(found, slowest) for kind, found in regions.items()},
        source=cohort.source,
        provenance=dict(cohort.provenance),
    )


def _region(kind: str, curves: list[CohortCurve], models: Sequence[str], residual: Residual) -> RegionKinetics:
    n_patients = len({c.patient for c in curves})
    if n_patients < LEAST_PATIENTS:
        raise FitError(
            f"{kind}: {n_patients} patient{'s' if n_patients > 1 else ''}; a population needs at least {LEAST_PATIENTS}."
        )
    per_activity = all(c.administered_activity_bq is not None for c in curves)
    seen = observations([(c.curve, (c.administered_activity_bq or 1.0) if per_activity else 1.0) for c in curves])
    stated = all(c.curve.standard_uncertainty_bq is not None for c in curves)
    if not stated:
        seen = replace(seen, variance=np.zeros_like(seen.variance))
    tried, best = _compared(kind, seen, models, residual, stated, n_patients)
    prior, omega, _ = _unpacked(best.at, best.shape.size)
    covariance, decrement = _certainty(best)
    aic, bic = best.criteria(n_patients)
    modes = expected(best.shape, seen, prior).modes
    return RegionKinetics(
        region=kind,
        model=best.shape.key,
        mean_log=prior.mean,
        omega=omega,
        proportional=prior.proportional,
        additive=prior.additive,
        stated_uncertainties=stated,
        amplitude="per administered activity" if per_activity else "free",
        n_patients=n_patients,
        n_curves=len(curves),
        n_points=int(seen.seen.sum()),
        log_likelihood=best.log_likelihood,
        aic=aic,
        bic=bic,
        converged=decrement < DECREMENT,
        mean_covariance=None if covariance is None else covariance[: prior.mean.size, : prior.mean.size],
        spread_standard_error=None if covariance is None else _spread_error(omega, covariance),
        shrinkage=1 - modes.std(axis=0, ddof=1) / np.sqrt(np.diagonal(omega)),
        tried=tuple(tried),
    )


def _compared(
    kind: str, seen: Observations, models: Sequence[str], residual: Residual, stated: bool, n_patients: int
) -> tuple[list[Tried], _Search]:
    """All shapes the points allow, and the one of lowest BIC."""
    tried, found = [], []
    for shape in (SHAPES[m] for m in models):
        enough = float(np.mean((seen.seen & (seen.activity > 0)).sum(axis=1) >= shape.size))
        if enough < 0.5:
            reason = f"only {enough:.0%} of the curves have the {shape.size} points it needs"
            tried.append(Tried(model=shape.key, log_likelihood=None, aic=None, bic=None, reason=reason))
            continue
        one = _largest(shape, seen, residual, stated)
        aic, bic = one.criteria(n_patients)
        tried.append(Tried(model=shape.key, log_likelihood=one.log_likelihood, aic=aic, bic=bic))
        found.append((bic, one))
    if not found:
        raise FitError(f"{kind}: no model can be fitted: {'; '.join(f'{t.model}: {t.reason}' for t in tried)}.")
    return tried, min(found, key=lambda pair: pair[0])[1]


def _largest(shape: Shape, seen: Observations, residual: Residual, stated: bool) -> _Search:
    """Expectation-maximisation, then L-BFGS-B on mean, Cholesky factor of the covariance, and residual errors."""
    from scipy.optimize import minimize

    size = float(np.median(seen.activity[seen.seen & (seen.activity > 0)]))
    prior, omega = first_prior(shape, seen, additive=0.02 * size if residual == "combined" else 0.0, stated=stated)
    for _ in range(FIRST_STEPS):
        prior, omega = _improved(shape, seen, prior)
    score, start = _score(shape, seen, residual), _packed(prior, omega, residual)
    low = np.full(start.size, -np.inf)
    d = shape.size
    low[d + np.cumsum(np.arange(1, d + 1)) - 1] = LOWEST_LOG_SPREAD
    n_tri = d + d * (d + 1) // 2
    low[n_tri] = LOWEST_LOG_SPREAD
    low[n_tri + 1 :] = math.log(1e-4 * size)
    start = np.maximum(start, low)
    bounds = [(x if np.isfinite(x) else None, None) for x in low]
    search = minimize(
        score, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 150, "ftol": 1e-12, "gtol": 1e-5}
    )
    at = np.asarray(search.x)
    return _Search(shape=shape, score=score, at=at, free=at > low + 1e-6, log_likelihood=-float(search.fun))


def _packed(prior: Prior, omega: Array, residual: Residual) -> Array:
    d = prior.mean.size
    root = np.linalg.cholesky(omega)
    root[np.diag_indices(d)] = np.log(root[np.diag_indices(d)])
    errors = [math.log(max(prior.proportional, 1e-3))] + ([math.log(prior.additive)] if residual == "combined" else [])
    return np.concatenate([prior.mean, root[np.tril_indices(d)], errors])


def _unpacked(at: Array, d: int) -> tuple[Prior, Array, Array]:
    """Prior, covariance between patients, and its Cholesky factor."""
    n_tri = d * (d + 1) // 2
    root = np.zeros((d, d))
    root[np.tril_indices(d)] = at[d : d + n_tri]
    root[np.diag_indices(d)] = np.exp(root[np.diag_indices(d)])
    omega = root @ root.T
    errors = np.exp(at[d + n_tri :])
    additive = float(errors[1]) if errors.size > 1 else 0.0
    inverse = np.linalg.inv(root)
    prior = Prior(mean=at[:d], precision=inverse.T @ inverse, proportional=float(errors[0]), additive=additive)
    return prior, omega, root


def _score(shape: Shape, seen: Observations, residual: Residual) -> Callable[[Array], tuple[float, Array]]:
    r"""Negative log-likelihood and its gradient by Fisher's identity.

    :math:`\partial \ln L_i/\partial\theta` is the posterior mean of :math:`\partial \ln p(y_i, \varphi_i)/\partial\theta`.
    The modes are kept from one call to the next, where they start.
    """
    kept: list[Array] = []

    def negative(at: Array) -> tuple[float, Array]:
        d = shape.size
        prior, _, root = _unpacked(at, d)
        done = expected(shape, seen, prior, start=kept[-1] if kept else None)
        kept[:] = [done.modes]
        off = done.nodes - prior.mean
        second = np.einsum("nq,nqi,nqj->ij", done.weight, off, off)
        by_mean = prior.precision @ np.einsum("nq,nqi->i", done.weight, off)
        by_omega = 0.5 * (prior.precision @ second @ prior.precision - off.shape[0] * prior.precision)
        by_root = 2 * by_omega @ root
        by_root[np.diag_indices(d)] *= root[np.diag_indices(d)]
        by_errors = _residual_score(shape, seen, prior, done.nodes, done.weight)
        errors = by_errors if residual == "combined" else by_errors[:1]
        gradient = np.concatenate([by_mean, by_root[np.tril_indices(d)], errors])
        return -float(done.log_marginal.sum()), -gradient

    return negative


def _residual_parts(
    shape: Shape, seen: Observations, prior: Prior, nodes: Array
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Squared proportional error, squared residual over the squared variance and so on, at the nodes."""
    found = shape.activity(nodes, seen.time_s[:, None, :])
    variance = seen.variance[:, None, :] + (prior.proportional * found) ** 2 + prior.additive**2
    off = seen.activity[:, None, :] - found
    return (prior.proportional * found) ** 2, off**2 / np.maximum(variance, 1e-300), seen.seen[:, None, :]


def _residual_score(shape: Shape, seen: Observations, prior: Prior, nodes: Array, weight: Array) -> Array:
    """Derivatives with respect to the logarithms of the proportional and the additive error."""
    proportional, relative, there = _residual_parts(shape, seen, prior, nodes)
    variance = np.maximum(seen.variance[:, None, :] + proportional + prior.additive**2, 1e-300)
    by_variance = np.where(there, (relative - 1) / variance, 0.0)
    return np.array(
        [
            np.einsum("nq,nqm->", weight, by_variance * proportional),
            np.einsum("nq,nqm->", weight, by_variance) * prior.additive**2,
        ]
    )


def _improved(shape: Shape, seen: Observations, prior: Prior) -> tuple[Prior, Array]:
    """One step of expectation-maximisation."""
    done = expected(shape, seen, prior)
    n = done.nodes.shape[0]
    mean = np.einsum("nq,nqi->i", done.weight, done.nodes) / n
    off = done.nodes - mean
    omega = np.einsum("nq,nqi,nqj->ij", done.weight, off, off) / n
    # a little of the diagonal keeps the first steps away from a singular covariance
    omega += 1e-6 * np.eye(mean.size)
    proportional, relative, there = _residual_parts(shape, seen, prior, done.nodes)
    variance = np.maximum(seen.variance[:, None, :] + proportional + prior.additive**2, 1e-300)

    def factor(part: Array) -> float:
        share = np.where(there, part / variance, 0.0)
        return math.sqrt(
            float(np.einsum("nq,nqm->", done.weight, share * relative))
            / max(float(np.einsum("nq,nqm->", done.weight, share)), 1e-300)
        )

    additive = prior.additive * factor(np.full_like(variance, prior.additive**2)) if prior.additive > 0 else 0.0
    new = Prior(
        mean=mean,
        precision=np.linalg.inv(omega),
        proportional=max(prior.proportional * factor(proportional), 1e-3),
        additive=additive,
    )
    return new, omega


def _certainty(search: _Search) -> tuple[Array | None, float]:
    """Covariance of the packed parameters, and the gain in log-likelihood that one more Newton step would bring.

    The observed information is by differences of the score; the covariance is None where it is not positive.
    """
    at, free = search.at, search.free
    gradient = search.score(at)[1]
    information = np.zeros((at.size, at.size))
    for j in range(at.size):
        step = np.zeros(at.size)
        step[j] = 1e-4
        information[j] = (search.score(at + step)[1] - search.score(at - step)[1]) / 2e-4
    part = np.ix_(free, free)
    inner = 0.5 * (information + information.T)[part]
    if np.linalg.eigvalsh(inner).min() <= 1e-8 * np.abs(inner).max():
        return None, math.inf
    covariance = np.zeros_like(information)
    covariance[part] = np.linalg.inv(inner)
    return covariance, 0.5 * float(gradient @ covariance @ gradient)


def _spread_error(omega: Array, covariance: Array) -> Array:
    """Standard errors of the standard deviations between patients, by first-order propagation from the factor."""
    d = omega.shape[0]
    root, spread = np.linalg.cholesky(omega), np.sqrt(np.diagonal(omega))
    rows, columns = np.tril_indices(d)
    jacobian = np.zeros((d, rows.size))
    for j, (r, c) in enumerate(zip(rows, columns, strict=True)):
        # the diagonal of the factor was searched in logarithms
        jacobian[r, j] = root[r, c] / spread[r] * (root[r, c] if r == c else 1.0)
    part = covariance[d : d + rows.size, d : d + rows.size]
    return np.asarray(np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", jacobian, part, jacobian), 0.0)))
