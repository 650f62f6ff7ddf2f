"""Dose rates near a patient: observations whose names hold the distance (dose rate 1 m, dose rate 2 m)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from lutetia.units import SV_PER_S_PER_USV_PER_H

if TYPE_CHECKING:
    from lutetia.therapy.course.findings import Observation
    from lutetia.therapy.course.ledger import Course
    from lutetia.therapy.course.treatment import Administration

UNIT: Final = "µSv/h"
_SPELLINGS: Final = (UNIT, "uSv/h", "μSv/h")  # micro sign, u, Greek letter
_NAME: Final = re.compile(r"dose rate\s+(?:at\s+)?(\d{1,2}(?:\.\d{1,3})?)\s*m")


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseRate:
    """One measurement: local time, distance from the patient [m], dose rate [Sv/s]."""

    time: datetime
    distance_m: float
    sv_per_s: float


def is_dose_rate(name: str) -> bool:
    """Whether an observation of this name is of a dose rate, with or without a distance."""
    return " ".join(name.split()).casefold().startswith("dose rate")


def distance_m(name: str) -> float | None:
    """Distance in the name of an observation of a dose rate; None without one that can be. [m]"""
    found = _NAME.fullmatch(" ".join(name.split()).casefold())
    return float(found[1]) or None if found else None


def spelled_unit(unit: str) -> str | None:
    """The unit of dose rates as it is kept; None for another one."""
    return UNIT if "".join(unit.split()) in _SPELLINGS else None


def dose_rates_after(course: "Course", given: "Administration") -> tuple[DoseRate, ...]:
    """Measurements after the start of an administration and before the next one, in the order of time."""
    later = [one.start for one in course.administrations if one.start > given.start]
    end = min(later, default=datetime.max)
    return tuple(_measured(seen) for seen in course.observations if _is_between(seen, given.start, end))


def _is_between(seen: "Observation", start: datetime, end: datetime) -> bool:
    return is_dose_rate(seen.name) and isinstance(seen.time, datetime) and start < seen.time < end


def _measured(seen: "Observation") -> DoseRate:
    distance = distance_m(seen.name)
    # an observation of a dose rate is refused without them
    assert isinstance(seen.time, datetime)
    assert distance is not None
    return DoseRate(time=seen.time, distance_m=distance, sv_per_s=float(seen.value) * SV_PER_S_PER_USV_PER_H)
