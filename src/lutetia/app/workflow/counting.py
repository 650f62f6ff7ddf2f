"""How sure the counts of a scan make each region's activity, few counts and none included."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.recon.low_counts import CountingInterval, counting_interval, empty_interval
from lutetia.recon.reconstruct import Reconstruction
from lutetia.recon.recovery import activity_per_count, count_uncertainty, counting_moments
from lutetia.units import MBQ_PER_BQ

USUAL_EXCESS = 2.0
"""Of regions that the scan from which the excess is taken does not show; 1.5 to 2 were seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseShape:
    """What one scan of a patient tells of a region's noise in the others.

    Attributes
    ----------
    excess : counting uncertainty of the region's sum over the least possible one (Fisher information)
    skewness : of the sum, over that of as many equal counts
    """

    excess: float = USUAL_EXCESS
    skewness: float = 1.0


def region_intervals(
    reconstruction: Reconstruction,
    seen: Mapping[str, NDArray[np.float32]],
    means_bq_per_ml: Mapping[str, float],
    *,
    volumes_ml: Mapping[str, float],
    bq_per_count_rate: float,
    shape: Mapping[str, NoiseShape] | None,
) -> tuple[dict[str, CountingInterval], Mapping[str, NoiseShape]]:
    """Interval of each region's activity by counting, and the shape of its noise. [Bq]

    Parameters
    ----------
    reconstruction : of the scan
    seen : region -> share of each voxel
    means_bq_per_ml, volumes_ml : of each region, corrected for partial volume, which keeps the relative uncertainty
    bq_per_count_rate : activity for a count rate of the image, for regions in which nothing was seen. [Bq s]
    shape : from another scan of the same patient, which is quick; None: propagated through this reconstruction
    """
    least = count_uncertainty(reconstruction, seen, means_bq_per_ml)
    if shape is None:
        shape = _shape(reconstruction, seen, least)
    found = {}
    for name, share in seen.items():
        own, value = shape.get(name, NoiseShape()), means_bq_per_ml[name] * volumes_ml[name]
        if value > 0:
            relative = least[name] * own.excess if math.isfinite(least[name]) else 1.0
            variance = (relative * value) ** 2
            found[name] = counting_interval(value, variance, own.skewness * variance**2 / value, region=name)
            continue
        one_count = activity_per_count(reconstruction, share) * bq_per_count_rate
        if math.isfinite(one_count):
            found[name] = empty_interval(one_count, region=name)
    return found, shape


def _shape(
    reconstruction: Reconstruction, seen: Mapping[str, NDArray[np.float32]], least: Mapping[str, float]
) -> dict[str, NoiseShape]:
    moments = counting_moments(reconstruction, seen)
    return {
        n: NoiseShape(excess=max(m.relative / least[n], 1.0), skewness=m.third_moment * m.value / m.variance**2)
        for n, m in moments.items()
        if m.value > 0 and m.variance > 0 and 0 < least[n] < math.inf
    }


def few_counts(intervals: Mapping[str, CountingInterval], label: str) -> list[str]:
    """What to say of regions whose counts are too few for the normal interval."""
    return [_told(name, one, label) for name, one in intervals.items() if one.method == "gamma"]


def _told(name: str, one: CountingInterval, label: str) -> str:
    low, value, high = (f"{x * MBQ_PER_BQ:.3g}" for x in (one.low, one.value, one.high))
    if one.effective_counts == 0:
        return f"{label}: {name}: no count was seen; its activity is at most {high} MBq (95 %, counting alone)."
    return (
        f"{label}: {name}: as sure as {one.effective_counts:.2g} counts: {value} MBq, by counting alone {low} to {high} "
        "MBq (95 %). An image of so few counts is too low itself, by about a tenth at 20 and a third at 2."
    )
