"""Dead time of a camera from count rates: decaying source, known activities, or two sources."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.images.calibration import measured_rate, paralysable_rate
from lutetia.recon.calibrate.conditions import Conditions

Array = NDArray[np.float64]
DeadTimeMethod = Literal["decaying source", "known activities", "two sources"]

MISFIT_PROBABILITY: Final = 1e-3
"""Residuals that chance makes larger this seldom deny the model."""
PARALYSABLE_GAIN: Final = 9.0
"""Fall of chi2 by which a paralysable detector is said to describe the rates better (3 sigma)."""
DETERMINED: Final = 2.0
"""A dead time of less than so many standard uncertainties is not told from none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadTimeMeasurement:
    """Non-paralysable dead time per event.

    Attributes
    ----------
    conditions : under which it was measured
    dead_time_s, u_dead_time_s : as fitted, so it may be below 0 within its uncertainty. [s]
    method : how
    measured_at : date of the measurement
    largest_loss : share of the events lost at the highest rate
    true_rate_cps : true rate at time 0, or at the highest activity; None with two sources. [counts/s]
    covariance : of (true_rate_cps, dead_time_s), None with two sources
    chi2, degrees_of_freedom : of the fit
    paralysable_chi2 : of a paralysable detector fitted to the same rates
    warnings : what the rates do not tell, or deny
    """

    conditions: Conditions
    dead_time_s: float
    u_dead_time_s: float
    method: DeadTimeMethod
    measured_at: datetime
    largest_loss: float
    true_rate_cps: float | None = None
    covariance: tuple[tuple[float, float], tuple[float, float]] | None = None
    chi2: float | None = None
    degrees_of_freedom: int = 0
    paralysable_chi2: float | None = None
    source_sha256: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def dead_time_of_decaying_source(
    *,
    time_s: Array,
    rate_cps: Array,
    u_rate_cps: Array,
    half_life_s: float,
    conditions: Conditions,
    measured_at: datetime,
    background_cps: float = 0.0,
    source_sha256: tuple[str, ...] = (),
) -> DeadTimeMeasurement:
    r"""Dead time from the rates of one source that decays: true rate :math:`n_0 e^{-\lambda t} + b`.

    Weighted least squares for n_0 and the dead time; the covariance is multiplied by chi2 over degrees of freedom
    when that exceeds 1. Each rate is that of a short acquisition against the half-life (its mean, at its middle).

    Parameters
    ----------
    time_s : (n,) middle of each acquisition. [s]
    rate_cps, u_rate_cps : (n,) observed in the whole spectrum of one head, with standard uncertainties. [counts/s]
    half_life_s : of the nuclide. [s]
    background_cps : true rate of the room; measured without source. [counts/s]

    Raises
    ------
    InputError
        Fewer than three rates, or numbers that cannot be.
    FitError
        The rates rise faster than the source: no dead time does that.

    References
    ----------
    Knoll GF. Radiation detection and measurement, 4th ed. (2010), section 4.7 (decaying source method).
    """
    times = np.asarray(time_s, dtype=float)
    if not half_life_s > 0 or not np.all(np.isfinite(times)):
        raise InputError(f"Half-life {half_life_s} s and times {times.tolist()} s; expected finite times.")
    shape = np.exp(-math.log(2) * times / half_life_s)
    found = _fitted(
        shape, rate_cps, u_rate_cps, background_cps, conditions, measured_at, "decaying source", relative=None
    )
    return replace(found, source_sha256=source_sha256)


def dead_time_of_known_activities(
    *,
    activity_bq: Array,
    rate_cps: Array,
    u_rate_cps: Array,
    conditions: Conditions,
    measured_at: datetime,
    activity_relative_uncertainty: float | None = None,
    background_cps: float = 0.0,
    source_sha256: tuple[str, ...] = (),
) -> DeadTimeMeasurement:
    """Dead time from the rates of sources of known activity in the same geometry.

    Parameters
    ----------
    activity_bq : (n,) at the middle of each acquisition. [Bq]
    activity_relative_uncertainty : of each activity on its own (an error they share drops out); None for none

    Notes
    -----
    As :func:`dead_time_of_decaying_source` otherwise; ``true_rate_cps`` is that of the largest activity.
    """
    activity = np.asarray(activity_bq, dtype=float)
    if activity.size == 0 or not np.all(np.isfinite(activity)) or np.any(activity <= 0):
        raise InputError(f"Activities {activity.tolist()} Bq; expected more than 0.")
    found = _fitted(
        activity / activity.max(),
        rate_cps,
        u_rate_cps,
        background_cps,
        conditions,
        measured_at,
        "known activities",
        relative=activity_relative_uncertainty,
    )
    return replace(found, source_sha256=source_sha256)


def dead_time_of_two_sources(
    *,
    first_cps: tuple[float, float],
    second_cps: tuple[float, float],
    both_cps: tuple[float, float],
    background_cps: tuple[float, float] = (0.0, 0.0),
    conditions: Conditions,
    measured_at: datetime,
) -> DeadTimeMeasurement:
    r"""Dead time from two sources counted one after the other and together, in closed form.

    With :math:`X = m_1 m_2 - m_b m_{12}`, :math:`Y = m_1 m_2 (m_{12} + m_b) - m_b m_{12}(m_1 + m_2)` and
    :math:`Z = Y (m_1 + m_2 - m_{12} - m_b)/X^2`: :math:`\tau = X(1-\sqrt{1-Z})/Y`. The uncertainty is first order in
    those of the four rates, which are taken as independent.

    Parameters
    ----------
    first_cps, second_cps, both_cps, background_cps : observed rate and its standard uncertainty. [counts/s]

    Raises
    ------
    InputError
        Rates that cannot be.
    FitError
        Rates that no dead time explains.

    References
    ----------
    Knoll GF. Radiation detection and measurement, 4th ed. (2010), section 4.7 (two-source method).
    Sorenson JA. Deadtime characteristics of Anger cameras. J Nucl Med 16 (1975) 284-288.
    """
    measured = (first_cps, second_cps, both_cps, background_cps)
    if (
        any(not (math.isfinite(m) and m >= 0 and 0 <= u < math.inf) for m, u in measured)
        or min(first_cps[0], second_cps[0], both_cps[0]) <= background_cps[0]
    ):
        raise InputError(
            f"Rates {measured} per s; expected sources above background and uncertainties of at least 0."
        )
    m1, m2, m12, mb = (m for m, _ in measured)
    x = m1 * m2 - mb * m12
    y = m1 * m2 * (m12 + mb) - mb * m12 * (m1 + m2)
    # together not more than one alone: Z would pass 1, or the root belong to a camera that is always dead
    if m12 <= max(m1, m2) or x <= 0 or y <= 0:
        raise FitError(
            f"Two-source rates {m1:g}, {m2:g}, together {m12:g}, background {mb:g} per s: no non-paralysable dead time "
            "gives these. Check that the geometry was the same in all."
        )
    z = y * (m1 + m2 - m12 - mb) / x**2
    tau = x * (1 - math.sqrt(max(1 - z, 0.0))) / y
    u = _two_source_uncertainty(tau, measured)
    largest = m12 * tau
    return DeadTimeMeasurement(
        conditions=conditions,
        dead_time_s=tau,
        u_dead_time_s=u,
        method="two sources",
        measured_at=measured_at,
        largest_loss=largest,
        warnings=_undetermined(tau, u, largest),
    )


def _two_source_uncertainty(tau: float, measured: tuple[tuple[float, float], ...]) -> float:
    """From the implicit derivative of n12 + nb = n1 + n2 with n = m/(1 - m tau): dn/dm and dn/dtau = n^2."""
    signs = (-1.0, -1.0, 1.0, 1.0)
    live = [1.0 - m * tau for m, _ in measured]
    slope = sum(s * (m / v) ** 2 for s, (m, _), v in zip(signs, measured, live, strict=True))
    return math.sqrt(sum((u / v**2) ** 2 for (_, u), v in zip(measured, live, strict=True))) / abs(slope)


def _fitted(
    shape: Array,
    rate_cps: Array,
    u_rate_cps: Array,
    background_cps: float,
    conditions: Conditions,
    measured_at: datetime,
    method: DeadTimeMethod,
    *,
    relative: float | None,
) -> DeadTimeMeasurement:
    """Dead time and scale of true rates ``scale * shape + background`` from observed ones."""
    rate, u = np.asarray(rate_cps, dtype=float), np.asarray(u_rate_cps, dtype=float)
    _require_rates(shape, rate, u, background_cps)
    if relative:
        u = np.hypot(u, relative * rate)  # the observed rate changes at most as much as the true one
    scale, tau, covariance, chi2 = _solve(shape, rate, u, background_cps, paralysable=False)
    other = _solve(shape, rate, u, background_cps, paralysable=True)[3]
    free = rate.size - 2
    if not np.all(np.isfinite(covariance)):
        raise FitError("The count rates determine no dead time; check times or activities, and the background.")
    covariance = covariance * max(1.0, chi2 / free)
    u_tau = math.sqrt(float(covariance[1, 1]))
    if tau < -3 * u_tau:
        raise FitError(
            f"The count rates rise faster than the source (dead time {tau * 1e6:.3g} us with uncertainty "
            f"{u_tau * 1e6:.2g} us). Check times or activities, and the background."
        )
    largest = float(rate.max() * tau)
    return DeadTimeMeasurement(
        conditions=conditions,
        dead_time_s=tau,
        u_dead_time_s=u_tau,
        method=method,
        measured_at=measured_at,
        largest_loss=largest,
        true_rate_cps=scale,
        covariance=_pairs(covariance),
        chi2=chi2,
        degrees_of_freedom=free,
        paralysable_chi2=other,
        warnings=(*_undetermined(tau, u_tau, largest), *_denied(shape, rate, u, chi2, other, free)),
    )


def _pairs(matrix: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    (a, b), (c, d) = matrix.tolist()
    return (a, b), (c, d)


def _require_rates(shape: Array, rate: Array, u: Array, background_cps: float) -> None:
    if not shape.shape == rate.shape == u.shape or rate.ndim != 1 or rate.size < 3:
        raise InputError(
            f"{rate.size} count rates, {u.size} uncertainties, {shape.size} times or activities; expected the same "
            "number of each, at least 3 (two unknowns)."
        )
    finite = np.all(np.isfinite(rate)) and np.all(np.isfinite(u))
    if not finite or np.any(rate <= 0) or np.any(u <= 0) or not 0 <= background_cps < rate.min():
        raise InputError(
            f"Count rates from {rate.min():g} with uncertainties from {u.min():g} and a background of {background_cps:g} "
            "per s; expected rates above the background and uncertainties above 0."
        )
    if np.unique(shape).size < 3:
        raise InputError("Fewer than three different times or activities; the dead time needs rates far apart.")


def _start(shape: Array, net: Array, u: Array, *, paralysable: bool) -> tuple[float, float]:
    """Scale and scale times dead time, from the straight line that the rates obey without background.

    Non-paralysable: 1/m = 1/n + tau. Paralysable: ln(m/n) = -n tau.
    """
    if paralysable:
        design, seen, weight = np.stack([np.ones_like(shape), -shape], axis=1), np.log(net / shape), net / u
    else:
        design, seen, weight = np.stack([1 / shape, np.ones_like(shape)], axis=1), 1 / net, net**2 / u
    line = np.linalg.lstsq(design * weight[:, None], seen * weight, rcond=None)[0]
    first, second = (float(v) for v in line)
    if paralysable:
        return math.exp(first), second
    return (1 / first, max(second / first, 0.0)) if first > 0 else (float((net / shape).max()), 1.0)


def _solve(
    shape: Array, rate: Array, u: Array, background_cps: float, *, paralysable: bool
) -> tuple[float, float, Array, float]:
    """Scale [counts/s], dead time [s], their covariance and chi2."""
    from scipy.optimize import least_squares

    model = paralysable_rate if paralysable else measured_rate
    scale, scaled_tau = _start(shape, rate - background_cps, u, paralysable=paralysable)

    def residuals(p: Array) -> Array:
        # the rate as a logarithm and the dead time in units of 1/rate, so that both weigh alike; n tau > -1/2
        # keeps trial steps away from the pole
        n = scale * np.exp(np.clip(p[0], -20, 20)) * shape + background_cps
        return np.asarray((model(n, max(p[1] / scale, -0.5 / float(n.max()))) - rate) / u)

    found = least_squares(residuals, np.array([0.0, scaled_tau]), method="lm", xtol=1e-12, ftol=1e-12)
    fitted = scale * math.exp(float(found.x[0]))
    size = np.array([fitted, 1 / scale])
    jacobian = np.asarray(found.jac, dtype=float)
    try:
        covariance = np.linalg.inv(jacobian.T @ jacobian) * np.outer(size, size)
    except np.linalg.LinAlgError:
        covariance = np.full((2, 2), np.inf)
    return fitted, float(found.x[1]) / scale, np.asarray(covariance), float(2 * found.cost)


def _undetermined(tau: float, u_tau: float, largest_loss: float) -> tuple[str, ...]:
    if tau >= DETERMINED * u_tau:
        return ()
    return (
        f"The losses (at most {max(largest_loss, 0.0):.2%}) are too small to tell the dead time from none: "
        f"{tau * 1e6:.2g} us with uncertainty {u_tau * 1e6:.2g} us, below {max(tau, 0) * 1e6 + 2 * u_tau * 1e6:.2g} us "
        "(k=2). Measure at higher rates.",
    )


def _denied(shape: Array, rate: Array, u: Array, chi2: float, paralysable: float, free: int) -> tuple[str, ...]:
    """What speaks against a non-paralysable detector."""
    from scipy.special import gammaincc

    found = []
    order = np.argsort(shape)
    r, v = rate[order], u[order] ** 2
    top = int(np.argmax(r))
    if np.any(r[top] - r[top + 1 :] > 3 * np.sqrt(v[top] + v[top + 1 :])):
        found.append(
            "The observed rate falls while the true one rises: the camera is paralysable there. Leave out the highest "
            "rates; a non-paralysable dead time does not hold for them."
        )
    if chi2 - paralysable > PARALYSABLE_GAIN:
        found.append(
            f"A paralysable detector describes the rates better (chi2 {paralysable:.3g} against {chi2:.3g} with {free} "
            "degrees of freedom); use the dead time only at the lower rates."
        )
    if float(gammaincc(free / 2, chi2 / 2)) < MISFIT_PROBABILITY:
        found.append(
            f"The rates deny the model beyond their uncertainties (chi2 {chi2:.3g} with {free} degrees of freedom); the "
            "uncertainty was widened accordingly."
        )
    return tuple(found)
