"""Curves that cannot be: activity in the patient can only fall at least as fast as it decays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lutetia.errors import FitError, InputError
from lutetia.units import MBQ_PER_BQ, S_PER_H

TOLERANCE: Final = 1.3
"""Factor by which a total may exceed what decay allows: calibration, scatter and field of view differ by scan."""
FIELD_OF_VIEW_TOLERANCE: Final = 1.5
"""The same against the administered activity, where the calibration itself is in question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Impossible:
    """One pair of scans (or a scan and the administration) that contradict decay."""

    earlier: str
    later: str
    factor: float
    message: str


def impossible_totals(
    *,
    labels: Sequence[str],
    time_s: Sequence[float],
    total: Sequence[float],
    decay_constant_per_s: float,
    administered_activity_bq: float | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[Impossible, ...]:
    """Pairs of scans whose totals rise above what physical decay leaves.

    The total of a field of view is the same patient seen again; it may fall faster than decay (excretion), never
    slower. Totals may be in any unit that is the same for all scans, unless the administered activity is given.

    Parameters
    ----------
    labels, time_s, total : one per scan, in order of time; total activity or counts of the same field
    decay_constant_per_s : of the nuclide. [1/s]
    administered_activity_bq : also compare with what was given, totals being in Bq
    tolerance : factor allowed

    Returns
    -------
    Findings, worst first; empty when the curve is possible.
    """
    if not len(labels) == len(time_s) == len(total) or min(total, default=0) < 0:
        raise InputError("One label, one time and one non-negative total per scan expected.")
    found = []
    for i in range(len(total)):
        for j in range(i + 1, len(total)):
            left = total[i] * math.exp(-decay_constant_per_s * (time_s[j] - time_s[i]))
            if total[j] > tolerance * left:
                found.append(
                    _pair(labels[i], labels[j], total[j] / max(left, 1e-300), total[j] / max(total[i], 1e-300))
                )
        if administered_activity_bq is not None:
            left = administered_activity_bq * math.exp(-decay_constant_per_s * time_s[i])
            if total[i] > FIELD_OF_VIEW_TOLERANCE * left:
                found.append(_beyond_given(labels[i], time_s[i], total[i], left))
    return tuple(sorted(found, key=lambda item: -item.factor))


def _pair(earlier: str, later: str, factor: float, rise: float) -> Impossible:
    change = f"rises {rise:.2g}-fold" if rise > 1 else f"falls only to {rise:.0%}"
    message = f"from {earlier} to {later} the total activity {change}; physical decay alone allows {factor:.2g} times less"
    return Impossible(earlier=earlier, later=later, factor=factor, message=message)


def _beyond_given(label: str, time_s: float, total: float, left: float) -> Impossible:
    message = (
        f"{label} ({time_s / S_PER_H:.0f} h) shows {total * MBQ_PER_BQ:.0f} MBq where at most {left * MBQ_PER_BQ:.0f} "
        "MBq of the administered activity can be left"
    )
    return Impossible(earlier="administration", later=label, factor=total / left, message=message)


def require_possible(findings: Sequence[Impossible]) -> None:
    """Raise FitError that names the scans which disagree, when there are any."""
    if not findings:
        return
    listed = "; ".join(item.message for item in findings[:6])
    raise FitError(
        f"This time-activity curve is impossible: {listed}. The scans are not on one scale (each scaled by itself, "
        "another calibration, another field of view or the wrong times), so no absorbed dose is given. Export them in "
        "Bq/mL or with their scale factors."
    )
