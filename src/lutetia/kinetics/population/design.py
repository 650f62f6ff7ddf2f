"""When to scan: what a scan would add, and what each scan of a protocol is worth."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.population.model import RegionKinetics
from lutetia.kinetics.population.posterior import observed, posterior
from lutetia.kinetics.population.shapes import SLOW, Shape

Array = NDArray[np.float64]

Noise = float | Callable[[Array], Array]
"""Relative standard uncertainty of a scan, or a function of its time [s]."""

VIRTUAL: Final = 512
"""Patients over whom an expected uncertainty is averaged."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NextTime:
    """Expected relative standard deviation of the time-integrated activity (or dose) by time of the next scan.

    Attributes
    ----------
    time_s : the best of the feasible times. [s]
    relative_sd : expected with a scan then
    times_s, relative_sds : (n,) of all feasible times
    without : expected without another scan, None where the scans so far leave the scale unknown
    """

    time_s: float
    relative_sd: float
    times_s: Array
    relative_sds: Array
    without: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """What a protocol loses with one scan: expected relative standard deviation without it, and its ratio to that with."""

    time_s: float
    relative_sd_without: float
    ratio: float


def best_next_time(
    *,
    region: RegionKinetics,
    times_s: Sequence[float],
    decay_constant_per_s: float,
    relative_uncertainty: Noise = 0.05,
    scans: TimeActivityCurve | None = None,
    other_relative_uncertainty: float = 0.0,
) -> NextTime:
    r"""The feasible time at which one more scan leaves the time-integrated activity least uncertain.

    For parameters :math:`\varphi` the variance of :math:`\ln\tilde A` after scans at t is
    :math:`g^T (P + \sum_j J_j J_j^T/\rho_j^2)^{-1} g` with the prior's precision P and the gradients J of
    :math:`\ln A(t_j)` and g of :math:`\ln\tilde A`. It is averaged over the population, or over the patient's
    posterior given the scans already made. For a mono-exponential with free amplitude it is
    :math:`\rho^2 + \sigma^2 (1 - kt)^2`: best at :math:`E[k]/E[k^2]`, Madsen's 1/k where patients are alike.

    Parameters
    ----------
    region : kinetics of the population, amplitude free
    times_s : feasible times of the scan. [s]
    decay_constant_per_s : of the nuclide. [1/s]
    relative_uncertainty : of the next scan, and of those made where they state none; the population's residual error
        is added where its cohort stated uncertainties, and is the least that is taken where not
    scans : made already on this patient
    other_relative_uncertainty : of the dose beside the curve (mass, calibration), added in quadrature

    Raises
    ------
    InputError
        Times or uncertainties that are not positive; a population that outlives its nuclide.
    FitError
        Scans without any activity.

    References
    ----------
    Madsen MT et al. Med Phys 45 (2018) 2318-2324. doi:10.1002/mp.12886 (one scan).
    Chaloner K, Verdinelli I. Stat Sci 10 (1995) 273-304. doi:10.1214/ss/1177009939 (Bayesian design).
    """
    times = _times(times_s)
    shape, prior = region.shape, region.prior()
    q, weight = _patients(region, decay_constant_per_s, scans)
    made, noise = _made(region, scans, relative_uncertainty)
    base = prior.precision + _information(shape, q, made, noise)
    each = _with_residual(region, _rho(relative_uncertainty, times))
    total = np.empty(times.size)
    for i, time_s in enumerate(times):
        more = _information(shape, q, np.array([time_s]), each[i : i + 1])
        total[i] = _expected_sd(shape, q, weight, base + more, other_relative_uncertainty)
    best = int(np.argmin(total))
    without = _expected_sd(shape, q, weight, base, other_relative_uncertainty) if made.size else None
    return NextTime(
        time_s=float(times[best]),
        relative_sd=float(total[best]),
        times_s=times,
        relative_sds=total,
        without=without,
    )


def loss_of_dropping(
    *,
    region: RegionKinetics,
    times_s: Sequence[float],
    decay_constant_per_s: float,
    relative_uncertainty: Noise = 0.05,
    other_relative_uncertainty: float = 0.0,
) -> tuple[Loss, ...]:
    """Expected uncertainty of the time-integrated activity (or dose) when each scan of a protocol in turn is left out.

    Parameters as in `best_next_time`; the protocol has at least two scans.
    """
    times = _times(times_s)
    if times.size < 2:
        raise InputError("A protocol of one scan cannot lose it; give at least two times.")
    shape, prior = region.shape, region.prior()
    q, weight = _patients(region, decay_constant_per_s, None)
    rho = _with_residual(region, _rho(relative_uncertainty, times))

    def left(keep: NDArray[np.bool_]) -> float:
        precision = prior.precision + _information(shape, q, times[keep], rho[keep])
        return _expected_sd(shape, q, weight, precision, other_relative_uncertainty)

    everything = left(np.ones(times.size, bool))
    losses = []
    for i, time_s in enumerate(times):
        without = left(np.arange(times.size) != i)
        losses.append(Loss(time_s=float(time_s), relative_sd_without=without, ratio=without / everything))
    return tuple(losses)


def _times(times_s: Sequence[float]) -> Array:
    times = np.asarray(times_s, dtype=float)
    if times.ndim != 1 or times.size == 0 or not np.all(np.isfinite(times)) or np.any(times <= 0):
        raise InputError(f"Times of scans must be after administration, got {times.tolist()} s.")
    return times


def _rho(noise: Noise, times: Array) -> Array:
    rho = np.broadcast_to(np.asarray(noise(times) if callable(noise) else noise, dtype=float), times.shape)
    if np.any(rho <= 0) or not np.all(np.isfinite(rho)):
        raise InputError(f"Relative uncertainties of scans must be positive, got {rho.tolist()}.")
    return rho


@cache
def _normal(d: int) -> Array:
    from scipy.special import ndtri
    from scipy.stats import qmc

    return np.asarray(ndtri(qmc.Sobol(d, seed=2).random(VIRTUAL)))


def _patients(
    region: RegionKinetics, decay_constant_per_s: float, scans: TimeActivityCurve | None
) -> tuple[Array, Array]:
    """Log-parameters (s, d) of virtual patients and their weights: of the population, or of the posterior."""
    if scans is not None:
        if not np.any(scans.activity_bq > 0):
            raise FitError(f"{scans.region}: no activity at any time, so the scans say nothing of the next one.")
        seen, prior, _, _ = observed(scans, region)
        found = posterior(region.shape, seen, prior, slowest_per_s=decay_constant_per_s, n_draws=VIRTUAL)
        return found.draws[0], found.weight[0]
    spread = region.omega if region.mean_covariance is None else region.omega + region.mean_covariance
    q = region.mean_log + _normal(region.shape.size) @ np.linalg.cholesky(spread).T
    weight = (q[:, SLOW] >= math.log(decay_constant_per_s)).astype(float)
    if not weight.any():
        raise InputError(f"{region.region}: the population keeps activity longer than the nuclide lives.")
    return q, weight / weight.sum()


def _made(region: RegionKinetics, scans: TimeActivityCurve | None, noise: Noise) -> tuple[Array, Array]:
    """Times of the scans already made, and their relative uncertainties with the residual error."""
    if scans is None:
        return np.empty(0), np.empty(0)
    seen = scans.activity_bq > 0
    times = scans.time_s[seen]
    u = scans.standard_uncertainty_bq
    rho = _rho(noise, times) if u is None or np.any(u[seen] == 0) else u[seen] / scans.activity_bq[seen]
    return times, _with_residual(region, rho)


def _with_residual(region: RegionKinetics, rho: Array) -> Array:
    """Scatter of scans about the curve: residual errors add to stated uncertainties, else they contain them."""
    return (
        np.hypot(rho, region.proportional) if region.stated_uncertainties else np.maximum(rho, region.proportional)
    )


def _information(shape: Shape, q: Array, times: Array, rho: Array) -> Array:
    """(s, d, d) that scans give about the logarithms of the parameters."""
    if times.size == 0:
        return np.zeros((q.shape[0], shape.size, shape.size))
    activity = np.maximum(shape.activity(q, times), 1e-300)
    jacobian = shape.activity_gradient(q, times) / activity[..., None] / rho[:, None]
    return np.asarray(np.einsum("smi,smj->sij", jacobian, jacobian))


def _expected_sd(shape: Shape, q: Array, weight: Array, precision: Array, other: float) -> float:
    """Root of the mean variance of the logarithm of the time-integrated activity."""
    gradient = shape.integral_gradient(q) / shape.integral(q)[:, None]
    variance = np.einsum("si,si->s", gradient, np.linalg.solve(precision, gradient[..., None])[..., 0])
    return math.sqrt(float(weight @ variance) + other**2)


__all__ = ["Loss", "NextTime", "best_next_time", "loss_of_dropping"]
