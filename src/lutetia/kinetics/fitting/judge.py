"""What a fit gives to worry about, in words."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fitting.choice import Tried, attempt
from lutetia.units import H_PER_S, MBQ_PER_BQ

Array = NDArray[np.float64]

WIDE: Final = 2.0
"""Ratio of the ends of a 95 % interval from which the fit is said to leave the integral open."""
OUTLIER_PROBABILITY: Final = 0.01
"""Chance, over all points of a curve, that one is flagged although nothing is wrong with it."""


def listed(curve: TimeActivityCurve) -> str:
    """The points of a curve for a message."""
    points = zip(curve.time_s * H_PER_S, curve.activity_bq * MBQ_PER_BQ, strict=True)
    return ", ".join(f"{activity:.3g} MBq at {hours:.0f} h" for hours, activity in points)


def about_points(curve: TimeActivityCurve, tried: Tried) -> list[str]:
    """Weights that had to be replaced, activities that do not fall, points that the others contradict."""
    told = []
    if tried.solution.weights.replaced:
        told.append(
            "Points without a stated uncertainty were weighted like the most certain of the others."
            if tried.solution.weights.known
            else "Points of zero activity were weighted like the smallest of the others."
        )
    a = curve.activity_bq
    if a.size > 1 and a[-1] >= a[-2]:
        told.append("The activity does not fall between the last two time points, so no scan saw how it ends.")
    return [*told, *outliers(curve, tried)]


def about_model(tried: Tried) -> list[str]:
    """A rate at its limit, residuals too large, nothing left to tell a misfit."""
    told, s = [], tried.solution
    if np.any(s.at_decay):
        told.append(
            "The slowest rate lies at physical decay, the limit: the points fall no faster than the nuclide decays."
        )
    if tried.contradicted:
        by = (
            f"{s.birge:.1f} times their stated uncertainties"
            if s.weights.known
            else f"{s.birge:.0%} of the activity"
        )
        told.append(f"The {s.model.name} misses the points by {by}; the uncertainty was enlarged accordingly.")
    if s.k >= s.n and s.n > 1:
        told.append(f"The {s.model.name} has as many parameters as there are time points: no misfit could show.")
    return told


def about_interval(interval: tuple[float, float] | None) -> list[str]:
    """An interval that leaves the integral open, or none."""
    if interval is None or interval[1] <= WIDE * interval[0]:
        return []
    return [
        f"The time points leave the time-integrated activity open by a factor of {interval[1] / interval[0]:.2g} "
        "(95 % interval): they are too few, too early or too uncertain for these kinetics."
    ]


def outliers(curve: TimeActivityCurve, tried: Tried) -> list[str]:
    """Points that a fit of the others does not expect; they are named, and stay in the fit.

    Each is left out in turn and predicted by the same model. Without it, at least one degree of freedom must be left,
    or nothing would speak for the others; the chance of a false flag is shared among the points (Bonferroni).
    """
    n, k = curve.time_s.size, tried.solution.k
    if n - 1 - k < 1:
        return []
    from scipy.stats import norm, t

    known = tried.solution.weights.known
    tail = OUTLIER_PROBABILITY / (2 * n)
    limit = float(norm.isf(tail) if known else t.isf(tail, n - 1 - k))
    sizes = np.array([_deleted(curve, tried, i) for i in range(n)])
    worst = int(np.argmax(sizes))
    if not sizes[worst] > limit:
        return []
    return [
        f"The point at {curve.time_s[worst] * H_PER_S:.0f} h ({curve.activity_bq[worst] * MBQ_PER_BQ:.3g} MBq) lies "
        f"{sizes[worst]:.1f} standard uncertainties from what the other points expect; check its scan. It was kept."
    ]


def _deleted(curve: TimeActivityCurve, tried: Tried, i: int) -> float:
    """Distance of a point from the fit of the others, in standard uncertainties of the difference."""
    rest = np.arange(curve.time_s.size) != i
    u = curve.standard_uncertainty_bq
    others = TimeActivityCurve(
        region=curve.region,
        time_s=curve.time_s[rest],
        activity_bq=curve.activity_bq[rest],
        standard_uncertainty_bq=None if u is None else u[rest],
    )
    if not np.any(others.activity_bq > 0):
        return 0.0
    found = attempt(others, tried.model, tried.task.decay_constant_per_s)
    # where the others contradict one another, none of them can be called wrong
    if found is None or found.covariance is None or found.scale is None or found.contradicted:
        return 0.0
    at = curve.time_s[i : i + 1]
    g = found.model.activity_gradient(found.solution.parameters, at)[0]
    sigma = float(tried.solution.weights.sigma[i])
    variance = sigma**2 * (1.0 if tried.solution.weights.known else found.scale) + float(g @ found.covariance @ g)
    return abs(float(curve.activity_bq[i] - found.model.activity(found.solution.parameters, at)[0])) / math.sqrt(
        max(variance, 1e-300)
    )
