"""What the scans of one patient and the kinetics of a population say together."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.fitting.trapezoid import outside_scans
from lutetia.kinetics.population.individual import Observations, Prior, log_joint, modes, observations
from lutetia.kinetics.population.model import PopulationModel, RegionKinetics, kind_of_region
from lutetia.kinetics.population.shapes import SLOW, Shape
from lutetia.kinetics.single_time import VALID_RANGE, same_agent, single_time_gate
from lutetia.units import S_PER_H

Array = NDArray[np.float64]

DRAWS: Final = 4096
"""A power of two, as the sequence wants; quantiles then repeat within about half a percent of the interval."""
TAIL: Final = 5.0
"""Degrees of freedom of the draws' distribution, whose tails reach beyond those of the posterior."""
FEW_EFFECTIVE: Final = 0.1
"""Effective share of the draws below which their weights are said to be uneven."""
UNSTATED: Final = 0.01
"""Relative noise taken where nothing tells it, only to hold the curve; the result then has no uncertainty."""
SURPRISE: Final = 1e-3
"""Probability of a patient so far from the population below which this is said."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Posterior:
    """Weighted draws of each patient's log-parameters.

    Attributes
    ----------
    mode : (n, d)
    covariance : (n, d, d) of Laplace's normal approximation about the mode
    draws : (n, s, d)
    weight : (n, s) of sum 1 in each patient
    """

    shape: Shape
    mode: Array
    covariance: Array
    draws: Array
    weight: Array

    @property
    def effective_share(self) -> Array:
        """(n,) effective number of draws over their number."""
        return np.asarray(1 / (self.weight**2).sum(axis=1) / self.weight.shape[1])

    @property
    def integral(self) -> Array:
        """(n, s) time-integrated activity of each draw."""
        return self.shape.integral(self.draws)

    def mean_and_sd(self) -> tuple[Array, Array]:
        r"""Of the time-integrated activity, each (n,): of the lognormal with the posterior's log-mean and log-variance.

        :math:`e^{m + s^2/2}` and :math:`\sqrt{e^{s^2} - 1}` times that. Plain moments of the draws are the same where the
        posterior is lognormal; after one late scan, however, :math:`e^{kt}/k` with a lognormal k has no mean at all.
        """
        return _lognormal_moments(self.integral, self.weight)

    def quantiles(self, *probabilities: float) -> Array:
        """(n, p) of the time-integrated activity."""
        value = self.integral
        order = np.argsort(value, axis=1)
        ranked = np.take_along_axis(value, order, axis=1)
        below = np.cumsum(np.take_along_axis(self.weight, order, axis=1), axis=1)
        middle = below - 0.5 * np.take_along_axis(self.weight, order, axis=1)
        return np.array([np.interp(probabilities, m, v) for m, v in zip(middle, ranked, strict=True)])


def _lognormal_moments(value: Array, weight: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (n,) of the lognormal with the log-moments of values (n, s)."""
    log_value = np.log(value)
    mean = (weight * log_value).sum(axis=-1)
    variance = (weight * (log_value - mean[..., None]) ** 2).sum(axis=-1)
    centre = np.exp(mean + variance / 2)
    return centre, centre * np.sqrt(np.expm1(variance))


@cache
def _sequence(d: int, n: int) -> Array:
    """(n, d) even sample of Student's t with TAIL degrees of freedom, and its log-density (n, 1) in the last column."""
    from scipy.special import ndtri
    from scipy.stats import chi2, qmc

    u = qmc.Sobol(d + 1, seed=1).random(n)
    z = ndtri(u[:, :d]) / np.sqrt(chi2.ppf(u[:, d:], TAIL) / TAIL)
    log_density = -0.5 * (TAIL + d) * np.log1p((z**2).sum(axis=1) / TAIL)
    return np.column_stack([z, log_density])


def posterior(
    shape: Shape, seen: Observations, prior: Prior, *, slowest_per_s: float, n_draws: int = DRAWS
) -> Posterior:
    """Mode, Laplace's approximation, and draws from a t-distribution about it, weighted by posterior over density.

    The form of the curve is drawn first and then its scale about the one that meets the activities, for the two are
    tied by the scans (a fast washout needs a large amplitude) more closely than a normal distribution can say. Draws
    slower than physical decay get no weight: the population's normal distribution is cut there.
    """
    mode, curvature = modes(shape, seen, prior, slowest_per_s=slowest_per_s)
    covariance = np.asarray(np.linalg.inv(curvature), dtype=float)
    sequence = _sequence(shape.size, n_draws)
    z, log_density = sequence[:, :-1], sequence[:, -1]
    # form: logarithms relative to the first amplitude
    relative = np.eye(shape.size)[1:] - np.outer(shape.scale[1:], np.eye(shape.size)[0])
    root = np.linalg.cholesky(relative @ covariance @ relative.T)
    draws = np.repeat(mode[:, None, :], n_draws, axis=1)
    draws[..., 1:] += np.einsum("nij,sj->nsi", root, z[:, 1:])
    shift, width = _scale(shape, seen, prior, draws)
    draws += (shift + width * z[:, 0])[..., None] * shape.scale
    log_weight = log_joint(shape, seen, prior, draws) - log_density + np.log(width)
    log_weight = np.where(draws[..., SLOW] >= math.log(slowest_per_s), log_weight, -np.inf)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return Posterior(
        shape=shape,
        mode=mode,
        covariance=covariance,
        draws=draws,
        weight=weight / weight.sum(axis=1, keepdims=True),
    )


def _scale(shape: Shape, seen: Observations, prior: Prior, draws: Array) -> tuple[Array, Array]:
    """Logarithm of the factor by which each curve (n, s, d) meets the activities, and its standard deviation."""
    # the fastest draws would underflow; their weight vanishes anyhow
    least = 1e-100 * seen.activity.max(axis=1)[:, None, None]
    found = np.maximum(shape.activity(draws, seen.time_s[:, None, :]), least)
    variance = seen.variance + (prior.proportional * seen.activity) ** 2 + prior.additive**2
    # a point of no activity and no stated noise tells the scale nothing
    weight = np.where(seen.seen & (variance > 0), 1 / np.maximum(variance, 1e-300), 0.0)[:, None, :]
    squares = (weight * found**2).sum(axis=-1)
    factor = (weight * found * seen.activity[:, None, :]).sum(axis=-1) / squares
    precision = factor**2 * squares
    along = prior.precision @ shape.scale
    pull, stiff = -(draws - prior.mean) @ along, float(shape.scale @ along)
    total = precision + stiff
    return (precision * np.log(factor) + pull) / total, 1 / np.sqrt(total)


def posterior_fit(
    curve: TimeActivityCurve,
    *,
    population: PopulationModel,
    decay_constant_per_s: float,
    agent: str = "",
    administered_activity_bq: float | None = None,
) -> CurveFit:
    r"""Curve of a patient with one or more scans, given the kinetics of a population.

    The population's lognormal distribution is the prior of the parameters :math:`e^\varphi`; the uncertainty of its
    mean is added to its spread, and no rate is slower than physical decay. The scale of the curve is free unless the
    population is per administered activity and that is given. The mode and Laplace's approximation about it are found
    by Newton's method; the 95 % interval of the time-integrated activity is that of draws from the approximation weighted
    to the posterior (importance sampling, 4096 quasi-random draws), so that it holds where the posterior is skewed.
    Mean and standard deviation are those of the lognormal with the draws' log-mean and log-variance.

    Measurement errors are the curve's standard uncertainties, plus the residual error of the population where its
    cohort stated its own; where it did not, its residual error contains them and the larger of the two is taken.

    Parameters
    ----------
    curve : with one point or more, not decay-corrected
    population : fitted, read or shipped; its region is found by the curve's name, or is the only one, with a warning
    decay_constant_per_s : of the nuclide. [1/s]
    agent : of this patient; a warning tells if the population is another one's
    administered_activity_bq : lets a population per administered activity speak of the amplitude, too

    Returns
    -------
    CurveFit
        ``time_integrated_activity_bq_s`` is the posterior mean, ``activity_at`` and ``band_at`` are mean and standard
        deviation of the activity at each time, ``parameters`` and ``covariance`` belong to the mode. ``exponentials`` are
        the mode's, scaled to the time-integrated activity.

    Raises
    ------
    FitError
        No activity at any time.
    MissingDataError
        The population has several regions and none is the curve's.
    InputError
        A decay constant or administered activity that is not positive.
    """
    if not decay_constant_per_s > 0 or (administered_activity_bq is not None and not administered_activity_bq > 0):
        raise InputError(
            f"{curve.region}: decay constant {decay_constant_per_s} 1/s, administered activity {administered_activity_bq} "
            "Bq; both must be positive."
        )
    if not np.any(curve.activity_bq > 0):
        raise FitError(f"{curve.region}: no activity at any time, so there is nothing to fit.")
    region, told = population_region(curve.region, population, agent=agent, n_scans=curve.time_s.size)
    seen, prior, by, known = observed(curve, region, administered_activity_bq)
    if not known:
        told.append("Neither the scans nor the population state an uncertainty; none is given.")
    if region.amplitude != "free" and administered_activity_bq is None:
        told.append("Without the administered activity the population says nothing of the amplitude.")
    found = posterior(region.shape, seen, prior, slowest_per_s=decay_constant_per_s)
    told += _doubts(curve, found, prior, decay_constant_per_s)
    return _result(curve, found, by, known, tuple(told))


def observed(
    curve: TimeActivityCurve, region: RegionKinetics, administered_activity_bq: float | None = None
) -> tuple[Observations, Prior, float, bool]:
    """The curve as observations, the prior for it, what activities were divided by, and whether the noise is known."""
    per_activity = region.amplitude != "free" and administered_activity_bq is not None
    by = administered_activity_bq if per_activity and administered_activity_bq is not None else 1.0
    prior = region.prior(with_amplitude=per_activity)
    if not per_activity:
        # an additive error in units of administered activity says nothing about this curve
        prior = replace(prior, additive=prior.additive if region.amplitude == "free" else 0.0)
    seen = observations([(curve, by)])
    if not region.stated_uncertainties:
        own = (prior.proportional * seen.activity) ** 2 + prior.additive**2
        seen = replace(seen, variance=np.maximum(seen.variance - own, 0.0))
    known = bool(np.any(seen.variance > 0)) or prior.proportional > 0 or prior.additive > 0
    if not known:
        seen = replace(seen, variance=(UNSTATED * np.maximum(seen.activity, seen.activity.max() * UNSTATED)) ** 2)
    elif prior.proportional == 0 and prior.additive == 0:
        # a point without a stated uncertainty is weighted like the most certain of the others
        least = seen.variance[seen.variance > 0].min()
        seen = replace(seen, variance=np.where(seen.variance > 0, seen.variance, least))
    return seen, prior, by, known


def population_region(
    name: str, population: PopulationModel, *, agent: str, n_scans: int
) -> tuple[RegionKinetics, list[str]]:
    """What a population says of a region that a patient has so many scans of, and its doubts in words.

    Raises
    ------
    MissingDataError
        The population has several regions and none is this one.
    """
    told = []
    if kind_of_region(name) in population.regions or len(population.regions) > 1:
        region = population.of(name)
    else:
        region = next(iter(population.regions.values()))
        told.append(f"The population is that of {region.region}, not of this region.")
    if agent and population.agent and not same_agent(agent, population.agent):
        told.append(f"The population is that of {population.agent}, not of {agent}.")
    if not population.verified:
        told.append(f"The population ({population.source}) was not verified against the publication.")
    if not region.converged:
        told.append("The fit of the population had not converged.")
    gate = single_time_gate(agent=agent or population.agent, region=name, kind=region.region)
    if gate and n_scans == 1:
        told.append(gate)
    return region, told


def _doubts(curve: TimeActivityCurve, found: Posterior, prior: Prior, decay_constant_per_s: float) -> list[str]:
    from scipy.stats import chi2

    told = []
    mode = found.mode[0]
    half_life = math.log(2) / math.exp(float(mode[SLOW]))
    ratio = float(curve.time_s[0]) / half_life
    if curve.time_s.size == 1 and not VALID_RANGE[0] <= ratio <= VALID_RANGE[1]:
        told.append(
            f"The only scan ({curve.time_s[0] / S_PER_H:.0f} h) lies at {ratio:.2f} effective half-lives; 0.75 to 2.5 is "
            "where one scan tells most."
        )
    if mode[SLOW] <= math.log(decay_constant_per_s) + 1e-9:
        told.append("The slowest rate lies at physical decay, the limit.")
    off = mode - prior.mean
    distance = float(off @ prior.precision @ off)
    if chi2.sf(distance, np.linalg.matrix_rank(prior.precision)) < SURPRISE:
        told.append(
            "The scans put this patient outside the population: the population's kinetics may not be theirs."
        )
    if found.effective_share[0] < FEW_EFFECTIVE:
        told.append(f"Only {found.effective_share[0]:.0%} of the draws count; the interval is rough.")
    before = float(1 - found.shape.integral(mode, float(curve.time_s[0])) / found.shape.integral(mode))
    after = float(found.shape.integral(mode, float(curve.time_s[-1])) / found.shape.integral(mode))
    return told + (outside_scans(before, after) if curve.time_s.size > 1 else [])


def _result(curve: TimeActivityCurve, found: Posterior, by: float, known: bool, told: tuple[str, ...]) -> CurveFit:
    shape, mode = found.shape, found.mode[0] + math.log(by) * found.shape.scale
    mean, sd = (by * float(value[0]) for value in found.mean_and_sd())
    low, high = (by * float(value) for value in found.quantiles(0.025, 0.975)[0])
    total = float(shape.integral(mode))
    size = np.exp(mode)
    n = curve.time_s.size
    told = (f"{n} time point{'s' if n > 1 else ''} and the kinetics of a population ({shape.name}).", *told)
    at = _mean_activity(found, by)
    return CurveFit(
        region=curve.region,
        model=f"population posterior ({shape.name})",
        parameters=dict(zip(shape.names, map(float, size), strict=True)),
        covariance=found.covariance[0] * np.outer(size, size) if known else None,
        aicc=None,
        time_integrated_activity_bq_s=mean,
        standard_uncertainty_bq_s=sd if known else None,
        effective_half_life_s=math.log(2) / float(size[SLOW]),
        extrapolated_fraction=float(shape.integral(mode, float(curve.time_s[-1]))) / total,
        activity_at=lambda t: at(t)[0],
        band_at=(lambda t: at(t)[1]) if known else None,
        warnings=told,
        exponentials=tuple((a * mean / total, k) for a, k in shape.exponentials(mode)),
        interval_95_bq_s=(low, high) if known else None,
    )


def _mean_activity(found: Posterior, by: float) -> Callable[[Array], tuple[Array, Array]]:
    """Mean and standard deviation of the activity over the draws, taken like those of the integral."""
    draws, weight = found.draws[0], found.weight[0]

    def at(time_s: Array) -> tuple[Array, Array]:
        t = np.asarray(time_s, dtype=float)
        # a curve with uptake is 0 at administration, in every draw
        value = np.maximum(found.shape.activity(draws, t.reshape(-1)).T, 1e-300)
        mean, sd = _lognormal_moments(value, weight)
        return by * mean.reshape(t.shape), by * sd.reshape(t.shape)

    return at
