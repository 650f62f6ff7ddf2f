"""Hybrid series: the shape of the curve from planar images, its height from SPECT."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.units import H_PER_S, S_PER_H

Array = NDArray[np.float64]

COINCIDENT_S: Final = 3 * S_PER_H
"""A planar image and a SPECT this close show the same activity: 4 % of change at an effective half-life of 50 h."""
DISAGREEMENT_PROBABILITY: Final = 0.01
"""Ratios that chance spreads as much this seldom are said to disagree."""

PLANAR_ONLY: Final = (
    "Planar images alone: overlying activity, background and attenuation are only estimated; organ doses from planar "
    "images without SPECT were about 60 % low in the SNMMI 177Lu dosimetry challenge (Brosch-Lenz 2023, "
    "doi:10.2967/jnumed.122.265094). One SPECT/CT sets the scale."
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HybridCurve:
    """A planar series on the scale of SPECT.

    Attributes
    ----------
    curve : planar activities times the scale; uncertainties are those of the planar points alone
    scale : SPECT over planar, 1 without SPECT
    systematic_relative_uncertainty : of the scale, common to all points: add it once to the time-integrated activity; None
        when unknown
    ratio : (m,) SPECT over planar at the coincident times
    probability : of ratios that differ as much by chance; None with fewer than two or without uncertainties
    """

    curve: TimeActivityCurve
    scale: float
    systematic_relative_uncertainty: float | None
    ratio: Array
    probability: float | None
    warnings: tuple[str, ...] = ()

    def with_scale(self, relative: float | None) -> float | None:
        """Relative uncertainty of what is proportional to the curve, its scale included; None where either is unknown."""
        if relative is None or self.systematic_relative_uncertainty is None:
            return None
        return math.hypot(relative, self.systematic_relative_uncertainty)


def hybrid_curve(
    planar: TimeActivityCurve, spect: TimeActivityCurve, *, tolerance_s: float = COINCIDENT_S
) -> HybridCurve:
    r"""Scale a planar series to the SPECT activities of the same region.

    The scale is the mean of the ratios :math:`r_i = A_{SPECT}(t_i)/A_{planar}(t_i)`, weighted by their
    :math:`1/u^2(r_i)`, where :math:`u^2(r)/r^2` is the sum of both relative variances. If the ratios spread more than that
    (chi-squared with m − 1 degrees of freedom), the uncertainty of the scale is enlarged by the Birge ratio, and where
    chance seldom does so there is a warning: the overlying activity then changes with time and one factor does not hold.
    Without uncertainties the mean is unweighted and its uncertainty that of the spread, unknown for one ratio.

    Parameters
    ----------
    planar : conjugate-view activities, right up to a factor
    spect : of the same region, one point or more
    tolerance_s : largest difference of times that count as coincident; each SPECT is compared with the nearest planar image

    Raises
    ------
    MissingDataError
        No SPECT coincides with a planar image.
    InputError
        Another region, or no activity where both were measured.

    References
    ----------
    Brosch-Lenz J et al. J Nucl Med 64 (2023). doi:10.2967/jnumed.122.265094 (planar, hybrid and SPECT in one data set).
    """
    if planar.region != spect.region:
        raise InputError(f"Planar series of {planar.region}, SPECT of {spect.region}; expected the same region.")
    pairs = _coincident(planar, spect, tolerance_s)
    ratio = np.array([spect.activity_bq[j] / planar.activity_bq[i] for i, j in pairs])
    u = _ratio_uncertainty(planar, spect, pairs, ratio)
    scale, relative, probability = _mean_ratio(ratio, u)
    scaled = None if planar.standard_uncertainty_bq is None else scale * planar.standard_uncertainty_bq
    return HybridCurve(
        curve=replace(planar, activity_bq=scale * planar.activity_bq, standard_uncertainty_bq=scaled),
        scale=scale,
        systematic_relative_uncertainty=relative,
        ratio=ratio,
        probability=probability,
        warnings=_told(planar.region, ratio, relative, probability),
    )


def planar_only(planar: TimeActivityCurve) -> HybridCurve:
    """A planar series as it is, with its warning: nothing says how far its scale is off."""
    return HybridCurve(
        curve=planar,
        scale=1.0,
        systematic_relative_uncertainty=None,
        ratio=np.zeros(0),
        probability=None,
        warnings=(f"{planar.region}: {PLANAR_ONLY}",),
    )


def _coincident(planar: TimeActivityCurve, spect: TimeActivityCurve, tolerance_s: float) -> list[tuple[int, int]]:
    """Indices of planar images and SPECT of the same time."""
    pairs = []
    for j, time_s in enumerate(spect.time_s):
        i = int(np.argmin(np.abs(planar.time_s - time_s)))
        if abs(planar.time_s[i] - time_s) <= tolerance_s:
            pairs.append((i, j))
    if not pairs:
        raise MissingDataError(
            f"{planar.region}: planar images at {_hours(planar.time_s)} h, SPECT at {_hours(spect.time_s)} h; expected at "
            f"least one pair within {tolerance_s * H_PER_S:.3g} h to set the scale."
        )
    for i, j in pairs:
        if not (planar.activity_bq[i] > 0 and spect.activity_bq[j] > 0):
            raise InputError(
                f"{planar.region}: no activity at {planar.time_s[i] * H_PER_S:.0f} h in the planar image or the SPECT, so "
                "they have no ratio."
            )
    return pairs


def _hours(time_s: Array) -> str:
    return ", ".join(f"{t * H_PER_S:.0f}" for t in time_s)


def _ratio_uncertainty(
    planar: TimeActivityCurve, spect: TimeActivityCurve, pairs: Sequence[tuple[int, int]], ratio: Array
) -> Array | None:
    if planar.standard_uncertainty_bq is None or spect.standard_uncertainty_bq is None:
        return None
    i, j = (np.array(index) for index in zip(*pairs, strict=True))
    relative = np.hypot(
        planar.standard_uncertainty_bq[i] / planar.activity_bq[i],
        spect.standard_uncertainty_bq[j] / spect.activity_bq[j],
    )
    return np.asarray(relative * ratio) if np.all(relative > 0) else None


def _mean_ratio(ratio: Array, u: Array | None) -> tuple[float, float | None, float | None]:
    """Mean, its relative standard uncertainty, and the probability of as much spread."""
    m = ratio.size
    if u is None:
        mean = float(ratio.mean())
        return mean, None if m < 2 else float(ratio.std(ddof=1)) / math.sqrt(m) / mean or None, None
    weight = 1 / u**2
    mean = float(np.sum(weight * ratio) / weight.sum())
    own = 1 / math.sqrt(float(weight.sum())) / mean
    if m < 2:
        return mean, own, None
    from scipy.special import gammaincc

    chi2 = float(np.sum(weight * (ratio - mean) ** 2))
    return mean, own * math.sqrt(max(1.0, chi2 / (m - 1))), float(gammaincc((m - 1) / 2, chi2 / 2))


def _told(region: str, ratio: Array, relative: float | None, probability: float | None) -> tuple[str, ...]:
    told = []
    if probability is not None and probability < DISAGREEMENT_PROBABILITY:
        told.append(
            f"{region}: SPECT over planar is {', '.join(f'{r:.2f}' for r in ratio)} at the coincident times, more spread "
            f"than the uncertainties allow (p = {probability:.1g}); the overlying activity changes, so one factor does "
            "not hold."
        )
    if relative is None:
        told.append(f"{region}: the uncertainty of the scale is unknown.")
    return tuple(told)
