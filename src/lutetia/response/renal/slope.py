"""How fast renal function is lost, with an interval."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import linregress, t

from lutetia.errors import InputError
from lutetia.units import S_PER_DAY

S_PER_YR: Final = 365.25 * S_PER_DAY
SHORT_YR: Final = 1.0
"""Follow-up below which a yearly rate is an extrapolation."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionSlope:
    """Change of a clearance or filtration rate with time; a loss is negative.

    Attributes
    ----------
    slope_ml_min_per_yr, interval_95_ml_min_per_yr : of a straight line; the slope is None with fewer than two times, the
        interval with fewer than three points
    slope_percent_per_yr, interval_95_percent_per_yr : of an exponential, the same part every year
    start_ml_min : of the straight line at the first time
    residual_sd_ml_min : scatter about the straight line; None with fewer than three points
    points, span_yr : how many, and from the first to the last
    warnings : where the rate says little
    """

    slope_ml_min_per_yr: float | None
    interval_95_ml_min_per_yr: tuple[float, float] | None
    slope_percent_per_yr: float | None
    interval_95_percent_per_yr: tuple[float, float] | None
    start_ml_min: float | None
    residual_sd_ml_min: float | None
    points: int
    span_yr: float
    warnings: tuple[str, ...]


def function_slope(time_s: ArrayLike, rate_ml_min: ArrayLike) -> FunctionSlope:
    """Yearly change of a clearance or filtration rate by linear regression, with 95 % t-intervals.

    In mL/min a year by a straight line through the values; in per cent a year by one through their logarithms, b:
    ``100 (e^b - 1)``, which is the monoexponential course of Valkema et al. Both intervals are exact for independent
    errors of one size (of the values, or of their logarithms). Values indexed to 1.73 m2 give indexed slopes.

    Parameters
    ----------
    time_s : (n,) in any order. [s]
    rate_ml_min : (n,) above 0. [mL/min]

    Raises
    ------
    InputError
        No points, unequal lengths, numbers that are not finite, rates not above 0.

    References
    ----------
    Valkema R, Pauwels SA, Kvols LK, et al. Long-term follow-up of renal function after peptide receptor radiation
    therapy. J Nucl Med 46 Suppl 1 (2005) 83S-91S.
    """
    time, rate = np.asarray(time_s, dtype=np.float64), np.asarray(rate_ml_min, dtype=np.float64)
    if time.ndim != 1 or time.shape != rate.shape or time.size == 0:
        raise InputError(f"{time.shape} times and {rate.shape} rates; expected as many of both, at least one.")
    if not (np.all(np.isfinite(time)) and np.all(np.isfinite(rate)) and np.all(rate > 0)):
        raise InputError(f"Rates {rate.tolist()} mL/min at {time.tolist()} s; expected finite rates above 0.")
    year = (time - time.min()) / S_PER_YR
    span, n = float(np.ptp(year)), int(year.size)
    if span == 0.0:
        return FunctionSlope(
            slope_ml_min_per_yr=None,
            interval_95_ml_min_per_yr=None,
            slope_percent_per_yr=None,
            interval_95_percent_per_yr=None,
            start_ml_min=None,
            residual_sd_ml_min=None,
            points=n,
            span_yr=span,
            warnings=("One time only: no slope is known.",),
        )
    slope, interval, start = _line(year, rate)
    log_slope, log_interval, _ = _line(year, np.log(rate))
    return FunctionSlope(
        slope_ml_min_per_yr=slope,
        interval_95_ml_min_per_yr=interval,
        slope_percent_per_yr=_percent(log_slope),
        interval_95_percent_per_yr=None
        if log_interval is None
        else (_percent(log_interval[0]), _percent(log_interval[1])),
        start_ml_min=start,
        residual_sd_ml_min=_scatter(rate - start - slope * year),
        points=n,
        span_yr=span,
        warnings=tuple(_warnings(n, span)),
    )


def _line(x: Array, y: Array) -> tuple[float, tuple[float, float] | None, float]:
    """Slope, its 95 % interval and the value at 0 of a straight line."""
    found = linregress(x, y)
    slope = float(found.slope)
    if x.size < 3:
        return slope, None, float(found.intercept)
    half = float(t.ppf(0.975, x.size - 2)) * float(found.stderr)
    return slope, (slope - half, slope + half), float(found.intercept)


def _scatter(residual: Array) -> float | None:
    return None if residual.size < 3 else float(np.sqrt(np.sum(residual**2) / (residual.size - 2)))


def _percent(log_slope: float) -> float:
    return float(100.0 * np.expm1(log_slope))


def _warnings(n: int, span_yr: float) -> list[str]:
    told = []
    if n < 3:
        told.append("Two points: the slope has no interval.")
    if span_yr < SHORT_YR:
        told.append(f"Follow-up of {span_yr:.2g} years: the yearly rate is an extrapolation.")
    return told
