"""Largest marginal likelihood of one shape of curve: packing of the parameters, score, search, information."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.kinetics.population.fit.starts import first_prior
from lutetia.kinetics.population.individual import Observations, Prior, expected
from lutetia.kinetics.population.shapes import Shape

Array = NDArray[np.float64]
Residual = Literal["proportional", "combined"]

LOWEST_LOG_SPREAD: Final = math.log(1e-3)
"""Of a parameter between patients, and of the residual error: zero cannot be reached in logarithms."""
LARGEST_SPREAD: Final = 5.0
"""Of the logarithm of a parameter: a factor of 150 between patients."""
NEWTON_STEPS: Final = 4
ENOUGH: Final = 1e-6
"""Gain in log-likelihood not worth another Newton step."""
FIRST_STEPS: Final = 15
"""Expectation-maximisation steps before the quasi-Newton search."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Search:
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


def largest_likelihood(shape: Shape, seen: Observations, residual: Residual, stated: bool) -> Search:
    """Expectation-maximisation, then L-BFGS-B on mean, Cholesky factor of the covariance, and residual errors."""
    from scipy.optimize import minimize

    size = float(np.median(seen.activity[seen.seen & (seen.activity > 0)]))
    prior, omega = first_prior(shape, seen, additive=0.02 * size if residual == "combined" else 0.0, stated=stated)
    for _ in range(FIRST_STEPS):
        prior, omega = _improved(shape, seen, prior)
    score, start = _score(shape, seen, residual), _packed(prior, omega, residual)
    low, high = _limits(shape.size, start.size, size)
    start = np.clip(start, low, high)
    search = minimize(
        score,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options={"maxiter": 150, "ftol": 1e-12, "gtol": 1e-5},
    )
    at = np.asarray(search.x)
    return Search(
        shape=shape,
        score=score,
        at=at,
        free=(at > low + 1e-6) & (at < high - 1e-6),
        log_likelihood=-float(search.fun),
    )


def _limits(d: int, n: int, size: float) -> tuple[Array, Array]:
    """Least and largest packed parameters, far from what a cohort can have, so that no step leaves what can be computed."""
    low, high = np.full(n, -60.0), np.full(n, 60.0)
    rows, columns = np.tril_indices(d)
    factor = slice(d, d + rows.size)
    low[factor] = np.where(rows == columns, LOWEST_LOG_SPREAD, -LARGEST_SPREAD)
    high[factor] = np.where(rows == columns, math.log(LARGEST_SPREAD), LARGEST_SPREAD)
    low[d + rows.size] = LOWEST_LOG_SPREAD
    high[d + rows.size] = math.log(LARGEST_SPREAD)
    low[d + rows.size + 1 :] = math.log(1e-4 * size)
    return low, high


def _packed(prior: Prior, omega: Array, residual: Residual) -> Array:
    d = prior.mean.size
    root = np.linalg.cholesky(omega)
    root[np.diag_indices(d)] = np.log(root[np.diag_indices(d)])
    errors = [math.log(max(prior.proportional, 1e-3))] + (
        [math.log(prior.additive)] if residual == "combined" else []
    )
    return np.concatenate([prior.mean, root[np.tril_indices(d)], errors])


def unpacked(at: Array, d: int) -> tuple[Prior, Array, Array]:
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
        prior, _, root = unpacked(at, d)
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


def certainty(search: Search) -> tuple[Search, Array | None, float]:
    """The search after a few Newton steps on the score, the covariance of its parameters, and what one more would gain.

    Quadrature makes likelihood and score disagree a little, on which a line search stumbles; the root of the score does
    not. The covariance is the inverse of the observed information, None where that is not positive.
    """
    covariance, gain = _covariance(search)
    for _ in range(NEWTON_STEPS):
        if covariance is None or gain < ENOUGH or gain > 1.0:
            break
        at = search.at - covariance @ search.score(search.at)[1]
        after = replace(search, at=at, log_likelihood=-search.score(at)[0])
        new_covariance, new_gain = _covariance(after)
        if new_covariance is None or new_gain > gain:
            break
        search, covariance, gain = after, new_covariance, new_gain
    return search, covariance, gain


def _covariance(search: Search) -> tuple[Array | None, float]:
    """Inverse of the observed information (by differences of the score), and the gain by a Newton step."""
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


def spread_error(omega: Array, covariance: Array) -> Array:
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
