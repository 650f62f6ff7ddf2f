"""What the rules see of a course, as plain frozen data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from lutetia.errors import InputError
from lutetia.response.laboratory.result import LabResult
from lutetia.therapy.facts import Fact, birth_date, check_facts, day


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """One administration: day, or day and local time, and what was given, None where nobody measured it. [Bq]"""

    date: date
    activity_bq: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A laboratory result and its date; ``date`` has no time where only the day is known.

    ``comparator`` is <, <=, > or >= where the laboratory says no more than that.
    """

    date: date
    result: LabResult
    comparator: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """What was given on the day of a cycle; ``end`` is None where it was not noted."""

    cycle: int
    event: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chronicle:
    """What was given, measured and noted.

    Attributes
    ----------
    administrations : in any order
    labs : laboratory results; grades follow from them (``findings_of``)
    facts : all else that is known by item, medication among it
    given : the days of cycles
    """

    administrations: tuple[Given, ...] = ()
    labs: tuple[Measured, ...] = ()
    facts: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)
    given: tuple[Timed, ...] = ()

    def until(self, as_of: date) -> tuple[Given, ...]:
        """Administrations up to a day or a moment, in order."""
        return tuple(
            sorted(
                (one for one in self.administrations if not is_after(one.date, as_of)),
                key=lambda one: (day(one.date), one.date.isoformat()),
            )
        )


def is_after(when: date, reference: date) -> bool:
    """Whether a moment is later: by day where either has no time."""
    if isinstance(when, datetime) and isinstance(reference, datetime):
        return when > reference
    return day(when) > day(reference)


def check_chronicle(course: Chronicle) -> None:
    """Refuse a course that cannot be.

    Raises
    ------
    InputError
        Two administrations on one day, an activity that is none, dates before birth or with a time zone; facts that
        ``check_facts`` refuses.
    """
    check_facts(course.facts)
    born = birth_date(course.facts)
    days: set[date] = set()
    for one in course.administrations:
        if one.activity_bq is not None and not (math.isfinite(one.activity_bq) and one.activity_bq > 0):
            raise InputError(f"administration of {one.date}: {one.activity_bq:g} Bq; expected more than 0.")
        if day(one.date) in days:
            raise InputError(f"two administrations on {day(one.date)}; expected one a day.")
        days.add(day(one.date))
    for what, when in (
        *(("administration", one.date) for one in course.administrations),
        *((one.result.test, one.date) for one in course.labs),
        *((one.event, one.start) for one in course.given),
    ):
        if isinstance(when, datetime) and when.tzinfo is not None:
            raise InputError(f"{what} of {when}: has a time zone; expected local time without one.")
        if born is not None and day(when) < born:
            raise InputError(f"{what} of {when}: the date is before birth.")
