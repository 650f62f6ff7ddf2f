"""Where the uncertainty of a time-integrated activity comes from: counts, motion, the curve's model, the tail."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.absorbed_dose import UncertaintyComponent
from lutetia.dose.uncertainty.budget import CURVE_MODEL, EXTRAPOLATION, TIME_COURSE
from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve

Array = NDArray[np.float64]
Refit = Callable[[TimeActivityCurve], CurveFit]
"""The same fit of another curve."""

STEP: Final = 0.1
"""Of a point's standard uncertainty, by which it is moved to see what the fit does."""
NUMERICAL: Final = 0.02
"""Relative difference of two variances that the derivatives of a fit do not tell from none."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PointSensitivities:
    """Derivatives of a fit by its points, each (n,): of the time-integrated activity, and of its part after the last
    scan. [s]
    """

    total_s: Array
    tail_s: Array


def point_sensitivities(curve: TimeActivityCurve, fit: CurveFit, refit: Refit) -> PointSensitivities:
    """Derivatives of the time-integrated activity by each activity, by central differences of the fit itself.

    Raises
    ------
    InputError
        The curve has no uncertainties, which say how far points may be moved.
    FitError
        A point moved by a tenth of its uncertainty gets another model, or none.
    """
    u = curve.standard_uncertainty_bq
    if u is None:
        raise InputError(f"{curve.region}: no uncertainties of the points.")
    total, tail = np.zeros(u.size), np.zeros(u.size)
    for i in np.flatnonzero((u > 0) & (curve.activity_bq > 0)):
        step = np.zeros(u.size)
        step[i] = min(STEP * u[i], 0.5 * curve.activity_bq[i])
        ends = [refit(replace(curve, activity_bq=curve.activity_bq + sign * step)) for sign in (1, -1)]
        if any(end.model != fit.model for end in ends):
            raise FitError(f"{curve.region}: another model fits when point {i + 1} moves within its uncertainty.")
        up, down = (end.time_integrated_activity_bq_s for end in ends)
        late_up, late_down = (end.extrapolated_fraction * end.time_integrated_activity_bq_s for end in ends)
        total[i] = (up - down) / (2 * step[i])
        tail[i] = (late_up - late_down) / (2 * step[i])
    return PointSensitivities(total_s=total, tail_s=tail)


def time_course_components(
    curve: TimeActivityCurve, fit: CurveFit, *, refit: Refit, parts: Mapping[str, Array] | None = None
) -> tuple[UncertaintyComponent, ...]:
    r"""Relative components of a time-integrated activity T; their squares add up to that of its standard uncertainty.

    The points' errors are followed through the fit. T is a part I up to the last scan and a tail X after it. By the law of
    total variance, for each cause of errors in the points,

    .. math:: \operatorname{var} T = \frac{\operatorname{cov}^2(T, I)}{\operatorname{var} I}
        + \operatorname{var} X\,(1-\rho^2_{XI})

    The first term is what the cause does to T through the part that was measured, the second what would remain of the tail
    were that part known: it is given as "extrapolation". What the fit states beyond the errors of its points (residuals
    larger than their uncertainties, half-lives taken from a population, several models) is "curve model"; where it states
    less (a rate held at a limit) all are reduced in proportion.

    Parameters
    ----------
    curve, fit : the points with their uncertainties, and their fit
    refit : how it was fitted, model held
    parts : cause -> relative uncertainty of each point by it, (n,), in quadrature that of the points; "count rate" alone
        where it is not given

    Returns
    -------
    Components, empty where the uncertainty is unknown; one of all causes together where the points have none or the fit
    cannot be followed.
    """
    if fit.standard_uncertainty_bq_s is None:
        return ()
    total = fit.time_integrated_activity_bq_s
    relative = fit.standard_uncertainty_bq_s / total
    if curve.standard_uncertainty_bq is None or not relative > 0:
        return _as_one(relative)
    if parts is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.where(curve.activity_bq > 0, curve.standard_uncertainty_bq / curve.activity_bq, 0.0)
        parts = {"count rate": own}
    try:
        slope = point_sensitivities(curve, fit, refit)
    except FitError:
        return _as_one(relative)
    inside, outside = {}, 0.0
    for name, share in parts.items():
        inside[name], tail = _through(slope, share * curve.activity_bq)
        outside += tail
    return _components(inside | {EXTRAPOLATION: outside}, total, relative)


def _as_one(relative: float) -> tuple[UncertaintyComponent, ...]:
    return (UncertaintyComponent(name=TIME_COURSE, relative=relative),)


def _through(slope: PointSensitivities, u_bq: Array) -> tuple[float, float]:
    """Variance of T that goes through its measured part, and what is left of it. [Bq2 s2]"""
    total, tail = slope.total_s * u_bq, slope.tail_s * u_bq
    measured = total - tail
    whole, known, common = float(total @ total), float(measured @ measured), float(total @ measured)
    if not known > 1e-12 * whole:
        return whole, 0.0
    through = common**2 / known
    return through, max(whole - through, 0.0)


def _components(variances: Mapping[str, float], total: float, relative: float) -> tuple[UncertaintyComponent, ...]:
    points = sum(variances.values()) / total**2
    if not points > 0:
        return _as_one(relative)
    stated = relative**2
    rest = stated - points if stated > points * (1 + NUMERICAL) else 0.0
    scale = (stated - rest) / points
    found = {name: math.sqrt(scale * v) / total for name, v in variances.items()} | {CURVE_MODEL: math.sqrt(rest)}
    return tuple(UncertaintyComponent(name=name, relative=u) for name, u in found.items() if u > 1e-4 * relative)
