"""A treatment protocol as plain frozen data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lutetia.therapy.rules.conditions import Condition, Span


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a rule is from.

    Attributes
    ----------
    source : citation
    verified : whether a document that states the rule was read
    conflicts : numbers of the table of conflicts between sources
    note : how it was read, empty for nothing to say
    """

    source: str
    verified: bool
    conflicts: tuple[str, ...]
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivityRule:
    """How much is given per cycle: ``basis`` says which of the others counts. [Bq], [Bq/kg]

    ``tolerance`` is relative, None where none is stated. ``levels`` are those of an escalation or de-escalation, in its
    order; ``individual`` has no number.
    """

    basis: Literal["fixed", "per_kg", "range", "levels", "individual"]
    activity_bq: float | None
    activity_bq_per_kg: float | None
    lowest_bq: float | None
    highest_bq: float | None
    levels_bq: tuple[float, ...]
    levels_bq_per_kg: tuple[float, ...]
    tolerance: float | None
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class TailoredCycle:
    """A cycle whose activity keeps organ limits: between two activities [Bq], and omitted where less would be needed."""

    cycle: int
    lowest_bq: float
    highest_bq: float
    limited_by: tuple[str, ...]
    below_lowest: Literal["omit"]
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleRule:
    """Number of cycles planned and at most, None where not stated."""

    planned: int | None
    at_most: int | None
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Cumulative:
    """Highest sum of administered activities. [Bq]"""

    at_most_bq: float
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """Days from one administration to the next; ``extended_days`` for toxicity; None where not stated."""

    planned_days: int
    earliest_days: int | None
    latest_days: int | None
    extended_days: int | None
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A rule of eligibility; ``window_days`` is how old its values may be, None for any age."""

    id: str
    require: Condition
    window_days: int | None
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Washout:
    """How long before the first or each administration something was last given."""

    id: str
    item: str
    least: Span
    before: Literal["first", "each"]
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class DayEvent:
    """An event of the day of a cycle.

    Attributes
    ----------
    event, what : name, and words
    relative_to : start or end of another event; ``agent`` is the infusion of the agent
    at_s, tolerance_s : time after it, negative for before, and how far off it may be; None where not stated. [s]
    earliest_s, latest_s : or the window. [s]
    lasts_at_least_s, lasts_at_most_s : duration. [s]
    """

    event: str
    what: str
    relative_to: str
    at_s: float | None
    tolerance_s: float | None
    earliest_s: float | None
    latest_s: float | None
    lasts_at_least_s: float | None
    lasts_at_most_s: float | None
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class LabVisit:
    """Items to be measured, from and until when, and how often; None where not stated."""

    items: tuple[str, ...]
    relative_to: Literal["before_each", "after_each", "after_course"]
    first: Span | None
    last: Span | None
    every: Span | None
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Delay:
    """A delay that ends the course, and from when it is counted."""

    stop_at_days: int
    counted_from: Literal["last_administration", "due_date"]
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Modification:
    """What a toxicity does to the course.

    Attributes
    ----------
    id, what : name, and words
    trigger : condition that starts it
    action : withhold, stop for good, or none (an exemption that is stated)
    withhold_until : condition that ends it
    resume_bq, then_bq : next activity, and that after it when the trigger stays away; None where not stated. [Bq]
    recurrence : what a second trigger at the reduced activity does
    delay_stops : whether the course ends with the protocol's delay
    """

    id: str
    what: str
    trigger: Condition
    action: Literal["withhold", "stop", "none"]
    withhold_until: Condition | None
    resume_bq: float | None
    then_bq: float | None
    recurrence: Literal["stop"] | None
    delay_stops: bool
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagingVisit:
    """When images are taken; ``then_every`` goes on after the last."""

    modality: str
    purpose: str
    relative_to: Literal["administration", "start", "randomisation"]
    at: tuple[Span, ...]
    then_every: Span | None
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """One version of one protocol.

    Attributes
    ----------
    id, version, title, indication, agent, nuclide, route : what it is; ``accompanied_by`` another treatment, empty for none
    ctcae_version, ctcae_origin : version of the grades that it pins
    eligibility, retreatment : rules before the first cycle, and before each later one
    warnings : go with every result
    """

    id: str
    version: str
    title: str
    indication: str
    agent: str
    nuclide: str
    accompanied_by: str
    route: Literal["intravenous", "intra-arterial"]
    ctcae_version: str
    ctcae_origin: Origin
    activity: ActivityRule
    tailored_cycles: tuple[TailoredCycle, ...]
    cycles: CycleRule
    cumulative: Cumulative | None
    interval: Interval | None
    eligibility: tuple[Rule, ...]
    retreatment: tuple[Rule, ...]
    washout: tuple[Washout, ...]
    cycle_day: tuple[DayEvent, ...]
    labs: tuple[LabVisit, ...]
    delay: Delay | None
    modifications: tuple[Modification, ...]
    imaging: tuple[ImagingVisit, ...]
    warnings: tuple[str, ...]
    sources: Mapping[str, str]
