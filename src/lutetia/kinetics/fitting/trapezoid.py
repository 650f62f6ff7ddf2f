"""Time-integrated activity by trapezoids, without a model between the scans."""

import math
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve

Array = NDArray[np.float64]

LARGE_EXTRAPOLATION: Final = 0.2
"""Extrapolated fraction above which the result carries a warning (a common limit of dosimetry guidelines)."""

NORMAL_95: Final = 1.959964
"""Standard deviations of a normal distribution that hold 95 %."""


def outside_scans(before: float, after: float) -> list[str]:
    """Warnings about parts of the integral that no scan saw."""
    parts = ((after, "after the last"), (before, "before the first"))
    return [
        f"{100 * part:.0f} % of the time-integrated activity lies {where} time point."
        for part, where in parts
        if part > LARGE_EXTRAPOLATION
    ]


def fit_trapezoid(
    curve: TimeActivityCurve, *, decay_constant_per_s: float, tail: Literal["physical", "fitted"] = "physical"
) -> CurveFit:
    r"""Trapezoids between the points and an exponential tail.

    From administration to the first point the activity is taken as the first one, decay-corrected backwards: a
    region that was filled at once. After the last, :math:`A_n/k`: with k the physical decay constant this is the longest
    tail that physics allows, an upper estimate for regions with biological washout; a fitted one takes k from a line
    through the logarithms of the last three points (two where there are no more), never below physical decay.

    Returns
    -------
    CurveFit
        With the uncertainty of the points propagated, and an interval that is log-normal with it; None when they have
        none. Neither knows of what happens between the scans or how the tail goes on.
    """
    if not np.any(curve.activity_bq > 0):
        raise FitError(f"{curve.region}: no activity at any time, so there is nothing to integrate.")
    activity = curve.activity_bq
    rate = _tail_rate(curve.time_s, activity, decay_constant_per_s, tail)
    early, inner, late = _trapezoid_parts(curve.time_s, activity, decay_constant_per_s, rate)
    total = early + inner + late
    uncertainty = _trapezoid_uncertainty(curve, decay_constant_per_s, tail)
    words = (
        "physical decay alone, the longest possible" if rate == decay_constant_per_s else "that of the last points"
    )
    return CurveFit(
        region=curve.region,
        model=f"trapezoid, {tail} tail",
        parameters={"decay_constant_per_s": decay_constant_per_s, "tail_rate_per_s": rate},
        covariance=None,
        aicc=None,
        time_integrated_activity_bq_s=total,
        standard_uncertainty_bq_s=uncertainty,
        effective_half_life_s=math.log(2) / rate,
        extrapolated_fraction=late / total,
        activity_at=lambda x: _trapezoid_at(curve, decay_constant_per_s, rate, x),
        band_at=None,
        warnings=(f"The tail of the trapezoid is {words}.", *outside_scans(early / total, late / total)),
        interval_95_bq_s=None if uncertainty is None else _log_normal_interval(total, uncertainty / total),
    )


def _log_normal_interval(total: float, relative: float) -> tuple[float, float]:
    factor = math.exp(NORMAL_95 * relative)
    return total / factor, total * factor


def _tail_rate(time_s: Array, activity: Array, decay_constant_per_s: float, tail: str) -> float:
    if tail not in ("physical", "fitted"):
        raise InputError(f"Tail {tail!r}; expected physical or fitted.")
    last = np.flatnonzero(activity > 0)[-3:]
    if tail == "physical" or last.size < 2:
        return decay_constant_per_s
    slope = float(np.polyfit(time_s[last] - time_s[last[-1]], np.log(activity[last]), 1)[0])
    return max(decay_constant_per_s, -slope)


def _trapezoid_parts(time_s: Array, activity: Array, decay: float, rate: float) -> tuple[float, float, float]:
    """Integral before the first, between, and after the last point."""
    early = float(activity[0]) * math.expm1(decay * float(time_s[0])) / decay
    return early, float(np.trapezoid(activity, time_s)), float(activity[-1]) / rate


def _trapezoid_uncertainty(curve: TimeActivityCurve, decay: float, tail: str) -> float | None:
    """Uncertainty of the points through the integral, its tail included, by central differences."""
    u = curve.standard_uncertainty_bq
    if u is None:
        return None

    def total(activity: Array) -> float:
        return sum(_trapezoid_parts(curve.time_s, activity, decay, _tail_rate(curve.time_s, activity, decay, tail)))

    rate = _tail_rate(curve.time_s, curve.activity_bq, decay, tail)
    variance = 0.0
    for i in np.flatnonzero(u > 0):
        step = np.zeros_like(u)
        if curve.activity_bq[i] > 0:
            step[i] = 1e-4 * curve.activity_bq[i]
            slope = (total(curve.activity_bq + step) - total(curve.activity_bq - step)) / (2 * step[i])
        else:
            # without activity it takes no part in the tail's rate, and the rest is linear
            step[i] = 1.0
            slope = sum(_trapezoid_parts(curve.time_s, step, decay, rate))
        variance += float(slope * u[i]) ** 2
    return math.sqrt(variance) if variance > 0 else None


def _trapezoid_at(curve: TimeActivityCurve, decay: float, rate: float, time_s: Array) -> Array:
    t, a = curve.time_s, curve.activity_bq
    inside = np.interp(time_s, t, a)
    early = a[0] * np.exp(decay * (t[0] - np.minimum(time_s, t[0])))
    late = a[-1] * np.exp(-rate * (np.maximum(time_s, t[-1]) - t[-1]))
    return np.asarray(np.where(time_s < t[0], early, np.where(time_s > t[-1], late, inside)))
