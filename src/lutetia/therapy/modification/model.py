"""State of a course, and the steps that led there."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

State = Literal["FULL", "HELD", "REDUCED", "STOPPED"]
CountedFrom = Literal["last_administration", "due_date"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of the trail.

    Attributes
    ----------
    date : when it took place
    rule : id of the protocol's rule; ``administration``, or ``delay``
    before, after : states
    what : in words
    found, expected : what was looked at, and what the rule asks for
    source, verified, note : of the rule
    """

    date: date
    rule: str
    before: State
    after: State
    what: str
    found: str | None
    expected: str
    source: str
    verified: bool
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Undecided:
    """A rule that cannot be judged: since when, and what is missing."""

    rule: str
    date: date
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CourseState:
    """State of a course on a day.

    Attributes
    ----------
    protocol, version, as_of, counted_from : what was asked
    state : FULL, HELD, REDUCED or STOPPED
    activity_bq : of the next administration by toxicity alone; None where none may be given or none can be told
    reason : of the activity, or of there being none
    cycles_given : administrations so far
    held_by : rules that hold
    stops_on : day on which the delay ends the course unless the hold ends before; None when nothing is held
    undecided : rules that cannot be judged
    not_noted : rules of which nothing was noted since the first administration
    steps : the trail
    warnings : departures and assumptions
    """

    protocol: str
    version: str
    as_of: date
    counted_from: CountedFrom | None
    state: State
    activity_bq: float | None
    reason: str
    cycles_given: int
    held_by: tuple[str, ...]
    stops_on: date | None
    undecided: tuple[Undecided, ...]
    not_noted: tuple[str, ...]
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]
