"""One patient given the population: log-probability of the parameters, its mode and its integral; many at once."""

import itertools
import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.population.shapes import SLOW, Shape

Array = NDArray[np.float64]

LOG_2PI: Final = math.log(2 * math.pi)
LOG_STEPS: Final = 12
"""Gauss-Newton steps on logarithms of the activities, in which an exponential is a straight line."""
STEPS: Final = 60
"""Damped Newton steps at most; ten are usual."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Observations:
    """Curves of n patients, padded to the longest one.

    Attributes
    ----------
    time_s : (n, m), 0 where there is no scan. [s]
    activity : (n, m), 0 where there is no scan. [Bq, or per administered activity]
    variance : (n, m) of the measurement, where it is stated, else 0
    seen : (n, m) whether there is a scan
    """

    time_s: Array
    activity: Array
    variance: Array
    seen: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prior:
    r"""Normal distribution of log-parameters, and the residual error of activities about the curve.

    The precision may be singular along the scale of the curve, of which then nothing is known. The variance of an
    activity is :math:`u^2 + b^2 A(t)^2 + c^2` with the stated u, ``proportional`` b and ``additive`` c.
    """

    mean: Array
    precision: Array
    proportional: float
    additive: float = 0.0


def observations(curves: list[tuple[TimeActivityCurve, float]]) -> Observations:
    """Pad curves, each divided by a number (administered activity, or 1)."""
    m = max(curve.time_s.size for curve, _ in curves)
    shape = (len(curves), m)
    time_s, activity, variance = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    seen = np.zeros(shape, bool)
    for i, (curve, by) in enumerate(curves):
        part = slice(0, curve.time_s.size)
        time_s[i, part], activity[i, part], seen[i, part] = curve.time_s, curve.activity_bq / by, True
        if curve.standard_uncertainty_bq is not None:
            variance[i, part] = (curve.standard_uncertainty_bq / by) ** 2
    return Observations(time_s=time_s, activity=activity, variance=variance, seen=seen)


def without_scale(prior: Prior, shape: Shape) -> Prior:
    r"""The same prior of the curve's form, with nothing known of its scale.

    :math:`P - P v v^T P / (v^T P v)` with v along the scale is the limit of ever wider variances along v; the
    distribution of everything else stays.
    """
    pv = prior.precision @ shape.scale
    return replace(prior, precision=prior.precision - np.outer(pv, pv) / float(shape.scale @ pv))


def log_likelihood(shape: Shape, seen: Observations, prior: Prior, log_parameters: Array) -> Array:
    """Of the activities of each patient, for parameters (n, q, d): shape (n, q)."""
    found = shape.activity(log_parameters, seen.time_s[:, None, :])
    variance = seen.variance[:, None, :] + (prior.proportional * found) ** 2 + prior.additive**2
    variance = np.where(seen.seen[:, None, :], np.maximum(variance, 1e-300), 1.0)
    off = np.where(seen.seen[:, None, :], seen.activity[:, None, :] - found, 0.0)
    terms = off**2 / variance + np.log(variance) + LOG_2PI
    return np.asarray(-0.5 * np.where(seen.seen[:, None, :], terms, 0.0).sum(axis=-1))


def log_prior(prior: Prior, log_parameters: Array) -> Array:
    """Quadratic part of the prior's logarithm, without its constant: shape (n, q)."""
    off = log_parameters - prior.mean
    return np.asarray(-0.5 * np.einsum("nqi,ij,nqj->nq", off, prior.precision, off))


def log_joint(shape: Shape, seen: Observations, prior: Prior, log_parameters: Array) -> Array:
    """Logarithm of likelihood times prior, but for the prior's constant: shape (n, q)."""
    return log_likelihood(shape, seen, prior, log_parameters) + log_prior(prior, log_parameters)


def _slope(shape: Shape, seen: Observations, prior: Prior, q: Array) -> tuple[Array, Array]:
    """Gradient (n, d) of the log-joint, and its expected curvature (n, d, d), which is never negative."""
    found = shape.activity(q, seen.time_s)
    jacobian = shape.activity_gradient(q, seen.time_s)
    b2 = prior.proportional**2
    variance = np.maximum(seen.variance + b2 * found**2 + prior.additive**2, 1e-300)
    off, change = seen.activity - found, 2 * b2 * found
    by_activity = off / variance + 0.5 * (off**2 / variance - 1) / variance * change
    weight = 1 / variance + 0.5 * (change / variance) ** 2
    by_activity, weight = np.where(seen.seen, by_activity, 0.0), np.where(seen.seen, weight, 0.0)
    gradient = np.einsum("nm,nmi->ni", by_activity, jacobian) - (q - prior.mean) @ prior.precision
    return gradient, np.einsum("nm,nmi,nmj->nij", weight, jacobian, jacobian) + prior.precision


def started(shape: Shape, seen: Observations, mean: Array) -> Array:
    """The population's curve, scaled to each patient's activities: (n, d)."""
    q = np.tile(mean, (seen.time_s.shape[0], 1))
    positive = seen.seen & (seen.activity > 0)
    ratio = np.log(np.where(positive, seen.activity, 1.0)) - np.log(
        np.where(positive, np.maximum(shape.activity(q, seen.time_s), 1e-300), 1.0)
    )
    shift = np.where(positive, ratio, 0.0).sum(axis=1) / np.maximum(positive.sum(axis=1), 1)
    return np.asarray(q + shift[:, None] * shape.scale)


def _near(shape: Shape, seen: Observations, prior: Prior, q: Array) -> Array:
    """Where the search of the modes starts: least squares of the logarithms of the activities and the prior.

    An error proportional to the curve forgives a curve far above an activity as much as one farther above: a search
    that starts there has no slope to go down.
    """
    positive = seen.seen & (seen.activity > 0)
    y = np.where(positive, seen.activity, 1.0)
    relative = prior.proportional**2 + (seen.variance + prior.additive**2) / y**2
    weight = np.where(positive, 1 / np.maximum(relative, 1e-6), 0.0)
    for _ in range(LOG_STEPS):
        found = np.maximum(shape.activity(q, seen.time_s), 1e-200)
        jacobian = shape.activity_gradient(q, seen.time_s) / found[..., None]
        off = np.where(positive, np.log(y / found), 0.0)
        right = np.einsum("nm,nmi->ni", weight * off, jacobian) - (q - prior.mean) @ prior.precision
        curvature = np.einsum("nm,nmi,nmj->nij", weight, jacobian, jacobian) + prior.precision
        curvature += 1e-6 * np.eye(shape.size) * curvature.diagonal(0, 1, 2).max(axis=1)[:, None, None]
        q = q + np.clip(np.linalg.solve(curvature, right[..., None])[..., 0], -1.0, 1.0)
    return q


def _best_start(shape: Shape, seen: Observations, prior: Prior) -> Array:
    """The more probable of the population's curve, scaled, and of the least squares of logarithms from there."""
    one = started(shape, seen, prior.mean)
    two = _near(shape, seen, prior, one)
    values = log_joint(shape, seen, prior, np.stack([one, two], axis=1))
    better = np.nan_to_num(values[:, 1], nan=-np.inf) > values[:, 0]
    return np.where(better[:, None], two, one)


def modes(
    shape: Shape, seen: Observations, prior: Prior, *, start: Array | None = None, slowest_per_s: float = 0.0
) -> tuple[Array, Array]:
    """Most probable log-parameters (n, d) of each patient, and the curvature (n, d, d) there.

    Newton steps with the expected curvature, damped where the log-probability would fall. No rate gets below
    ``slowest_per_s``.
    """
    floor = math.log(slowest_per_s) if slowest_per_s > 0 else -math.inf
    q = _best_start(shape, seen, prior) if start is None else start.copy()
    q[:, SLOW] = np.maximum(q[:, SLOW], floor)
    value = log_joint(shape, seen, prior, q[:, None, :])[:, 0]
    damping = np.full(q.shape[0], 1e-4)
    identity = np.eye(shape.size)
    for _ in range(STEPS):
        gradient, curvature = _slope(shape, seen, prior, q)
        held = (q[:, SLOW] <= floor) & (gradient[:, SLOW] < 0)
        gradient[held, SLOW] = 0.0
        damped = (
            curvature + damping[:, None, None] * identity * np.maximum(curvature.diagonal(0, 1, 2), 1e-9)[:, None]
        )
        damped[held, SLOW, :] = damped[held, :, SLOW] = 0.0
        damped[held, SLOW, SLOW] = 1.0
        step = np.clip(np.linalg.solve(damped, gradient[..., None])[..., 0], -2.0, 2.0)
        trial = q + step
        trial[:, SLOW] = np.maximum(trial[:, SLOW], floor)
        new = log_joint(shape, seen, prior, trial[:, None, :])[:, 0]
        better = new >= value
        q, value = np.where(better[:, None], trial, q), np.where(better, new, value)
        damping = np.clip(np.where(better, damping / 10, damping * 10), 1e-9, 1e9)
        if np.all(np.abs(step).max(axis=1) < 1e-9):
            break
    return q, _slope(shape, seen, prior, q)[1]


@cache
def _nodes(d: int) -> tuple[Array, Array]:
    """Product Gauss-Hermite nodes (q, d) for a standard normal, and the logarithms of their weights (q,)."""
    z, w = np.polynomial.hermite_e.hermegauss({1: 9, 2: 7, 3: 5}.get(d, 4))
    points = np.array(list(itertools.product(z, repeat=d)))
    weight = np.array([math.prod(p) for p in itertools.product(w, repeat=d)])
    return points, np.log(weight / weight.sum())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Expected:
    """Integral over each patient's parameters.

    Attributes
    ----------
    modes : (n, d)
    log_marginal : (n,) logarithm of the probability of each patient's activities
    nodes : (n, q, d)
    weight : (n, q) posterior weight of the nodes, of sum 1
    """

    modes: Array
    log_marginal: Array
    nodes: Array
    weight: Array


def expected(shape: Shape, seen: Observations, prior: Prior, *, start: Array | None = None) -> Expected:
    r"""Adaptive Gauss-Hermite quadrature about each mode.

    :math:`L_i = \int p(y_i|\varphi)\,p(\varphi)\,d\varphi`; one node is Laplace's approximation, more are exact for
    what a polynomial times that normal describes. The prior must be proper.

    References
    ----------
    Pinheiro JC, Bates DM. J Comput Graph Stat 4 (1995) 12-35. doi:10.1080/10618600.1995.10474663
    """
    q, curvature = modes(shape, seen, prior, start=start)
    z, log_weight = _nodes(shape.size)
    # the factor of the inverse, without inverting: L^-T of curvature L L^T
    factor = np.linalg.cholesky(curvature)
    root = np.swapaxes(np.linalg.solve(factor, np.broadcast_to(np.eye(shape.size), factor.shape)), 1, 2)
    nodes = q[:, None, :] + np.einsum("nij,qj->nqi", root, z)
    log_volume = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    constant = 0.5 * float(np.linalg.slogdet(prior.precision)[1])
    terms = log_joint(shape, seen, prior, nodes) + 0.5 * (z**2).sum(axis=1) + log_weight
    top = terms.max(axis=1, keepdims=True)
    weight = np.exp(terms - top)
    total = weight.sum(axis=1)
    return Expected(
        modes=q,
        log_marginal=top[:, 0] + np.log(total) + log_volume + constant,
        nodes=nodes,
        weight=weight / total[:, None],
    )
