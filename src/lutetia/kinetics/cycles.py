"""Several cycles: what earlier ones left at the scans of a later one, and the activity of the whole course."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.units import H_PER_S, S_PER_DAY

Array = NDArray[np.float64]

USUAL_INTERVAL_S: Final = 56 * S_PER_DAY
"""Eight weeks between cycles of 177Lu-DOTATATE (NETTER-1, doi:10.1056/NEJMoa1607427)."""
NEGLIGIBLE: Final = 0.01
"""Share of a measured activity below which what earlier cycles left needs no correction."""

Earlier = Sequence[tuple[CurveFit, float]]
"""Fits of earlier cycles, each with the time from its administration to that of the cycle in question. [s]"""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CarryOver:
    """A curve without what earlier cycles left.

    Attributes
    ----------
    curve : of this cycle alone
    residual_bq : (n,) subtracted at each scan. [Bq]
    u_residual_bq : (n,) standard uncertainty of it, part of the curve's; the same error lies on all scans of one earlier
        cycle, but the curve counts it as one of each scan. [Bq]
    """

    curve: TimeActivityCurve
    residual_bq: Array
    u_residual_bq: Array
    warnings: tuple[str, ...] = ()


def residual_activity(earlier: Earlier, time_s: Array) -> tuple[Array, Array, bool]:
    """Activity that earlier cycles leave at times after this administration, and its standard uncertainty. [Bq]

    The third value says whether all uncertainties were known. Where a fit knows none for its curve, as much as all of what
    it leaves is taken: a residual lies between nothing and what the longest tail leaves.
    """
    activity, variance, known = np.zeros_like(time_s), np.zeros_like(time_s), True
    for fit, interval_s in earlier:
        if not (math.isfinite(interval_s) and interval_s > 0):
            raise InputError(
                f"{fit.region}: an interval of {interval_s * H_PER_S:.3g} h to an earlier cycle; expected above 0."
            )
        left = np.maximum(fit.activity_at(time_s + interval_s), 0.0)
        known = known and fit.band_at is not None
        u = left if fit.band_at is None else fit.band_at(time_s + interval_s)
        activity = activity + left
        variance = variance + u**2
    return activity, np.sqrt(variance), known


def without_carry_over(curve: TimeActivityCurve, *, earlier: Earlier) -> CarryOver:
    r"""Subtract from a cycle's measurements what earlier cycles left: :math:`A_i - \sum_c A_c(t_i + \Delta_c)`.

    Each earlier fit must be that of its own cycle alone (its own residuals subtracted), or the sum counts decays twice. The
    uncertainty of the residual is added in quadrature to that of the points. A point that holds less than the residual
    becomes 0, with a warning.

    Parameters
    ----------
    curve : as measured in this cycle, times after its own administration
    earlier : the fits of the same region in earlier cycles, and the time from their administration to this one

    Raises
    ------
    InputError
        An interval that is not positive, or fits of another region.
    FitError
        No point holds more than what earlier cycles left.
    """
    others = sorted({fit.region for fit, _ in earlier} - {curve.region})
    if others:
        raise InputError(
            f"{curve.region}: fits of {', '.join(others)}; expected the same region in earlier cycles."
        )
    residual, u_residual, known = residual_activity(earlier, curve.time_s)
    own = curve.activity_bq - residual
    if not np.any(own > 0):
        raise FitError(
            f"{curve.region}: earlier cycles leave {_largest_share(residual, curve):.0%} of what was measured, so nothing "
            "is left for this cycle; check the intervals and the calibration of the cycles."
        )
    u = curve.standard_uncertainty_bq
    corrected = replace(
        curve,
        activity_bq=np.maximum(own, 0.0),
        standard_uncertainty_bq=None if u is None else np.hypot(u, u_residual),
    )
    told = _told(curve, residual, own, known)
    return CarryOver(curve=corrected, residual_bq=residual, u_residual_bq=u_residual, warnings=told)


def _largest_share(residual: Array, curve: TimeActivityCurve) -> float:
    return float(np.max(residual / np.maximum(curve.activity_bq, 1e-300), initial=0.0))


def _told(curve: TimeActivityCurve, residual: Array, own: Array, known: bool) -> tuple[str, ...]:
    told = []
    hours = ", ".join(f"{t * H_PER_S:.0f}" for t in curve.time_s[own < 0])
    if hours:
        told.append(f"Earlier cycles leave more than was measured at {hours} h; 0 was taken there.")
    share = _largest_share(residual, curve)
    if share > NEGLIGIBLE:
        told.append(
            f"Up to {min(share, 1.0):.0%} of the measured activity is left from earlier cycles; it was subtracted."
        )
        if not known:
            told.append(
                "The uncertainty of what earlier cycles left is unknown; all of the residual was taken as its uncertainty."
            )
    return tuple(told)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Course:
    """One region over all cycles.

    Attributes
    ----------
    fits : of each cycle alone
    start_s : administration of each after the first. [s]
    shared_relative : relative standard uncertainty of an error that is the same in all cycles, not part of the fits'
    """

    fits: tuple[CurveFit, ...]
    start_s: tuple[float, ...]
    shared_relative: float = 0.0

    def __post_init__(self) -> None:
        if len(self.fits) != len(self.start_s) or not self.fits:
            raise InputError(
                f"{len(self.fits)} fits but {len(self.start_s)} administrations; give one of each per cycle."
            )
        if self.start_s[0] != 0 or any(b <= a for a, b in zip(self.start_s, self.start_s[1:], strict=False)):
            raise InputError(
                f"Administrations at {list(self.start_s)} s; expected 0 first and then increasing times."
            )
        if len({fit.region for fit in self.fits}) > 1:
            raise InputError(f"Fits of {', '.join(sorted({f.region for f in self.fits}))}; expected one region.")

    def activity_at(self, time_s: Array) -> Array:
        """Activity at times after the first administration, all cycles together. [Bq]"""
        t = np.asarray(time_s, dtype=float)
        total = np.zeros_like(t)
        for fit, start in zip(self.fits, self.start_s, strict=True):
            total += np.where(t >= start, fit.activity_at(np.maximum(t - start, 0.0)), 0.0)
        return total

    @property
    def time_integrated_activity_bq_s(self) -> float:
        """Of all cycles: the sum, since decays of one do not depend on the others. [Bq s]"""
        return sum(fit.time_integrated_activity_bq_s for fit in self.fits)

    @property
    def standard_uncertainty_bq_s(self) -> float | None:
        r"""``sqrt(sum u_c^2 + (s sum A_c)^2)``; None when one of the cycles' is unknown. [Bq s]

        The fits' own errors are independent and lose weight in the sum, the shared one does not.
        """
        parts = [fit.standard_uncertainty_bq_s for fit in self.fits]
        known = [u for u in parts if u is not None]
        if len(known) < len(parts):
            return None
        return math.hypot(*known, self.shared_relative * self.time_integrated_activity_bq_s)
