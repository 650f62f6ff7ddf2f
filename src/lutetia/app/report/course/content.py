"""What a report on a course is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from lutetia.therapy.chronicle import Chronicle
from lutetia.therapy.course import Course
from lutetia.therapy.protocols.model import Protocol

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CourseContent:
    """A course on a day, and what its rules answered; documents have the keys of docs/reference/json.md.

    Attributes
    ----------
    course : as of the day
    as_of : day, or day and local time
    made_at : when the report is made, local time
    version, audit_hash : of the stored course, and the last link of its audit trail
    protocol : that is followed or was asked for; None where the course follows none
    chronicle : what the rules see
    eligibility, labs, modification, schedule, plan : answers; None where there is none
    warnings : what was assumed of the course
    """

    course: Course
    as_of: date
    made_at: datetime
    version: int
    audit_hash: str
    chronicle: Chronicle
    protocol: Protocol | None = None
    eligibility: Document | None = None
    labs: Document | None = None
    modification: Document | None = None
    schedule: Document | None = None
    plan: Document | None = None
    warnings: tuple[str, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether a further cycle may follow."""
        state = self.modification
        return state is not None and (state["state"] == "HELD" or state["activity_MBq"] is not None)

    @property
    def next_plan(self) -> Document | None:
        """The plan of a cycle that may follow."""
        return self.plan if self.goes_on else None
