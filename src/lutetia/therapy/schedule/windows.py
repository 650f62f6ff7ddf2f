"""Windows of the cycles that are left, and the earliest date that washout allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from lutetia.errors import MissingDataError
from lutetia.therapy.chronicle.model import Chronicle
from lutetia.therapy.facts import day
from lutetia.therapy.modification.activity import cycles_left
from lutetia.therapy.protocols.model import Protocol, Washout
from lutetia.therapy.rules.judge import Known, later


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleWindow:
    """When a cycle is due.

    Attributes
    ----------
    cycle : its number
    after : administration that it is counted from, or the due date of the cycle before
    planned : whether ``after`` is only planned
    due : planned day
    earliest, latest : ends of the window, None where not stated
    extended_from_last, extended_from_due : last day for toxicity, counted from ``after`` or from the due day
    stops_from_last, stops_from_due : day on which a delay for toxicity ends the course, by both readings
    source, verified, conflicts : of the interval
    """

    cycle: int
    after: date
    planned: bool
    due: date
    earliest: date | None
    latest: date | None
    extended_from_last: date | None
    extended_from_due: date | None
    stops_from_last: date | None
    stops_from_due: date | None
    source: str
    verified: bool
    conflicts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WashoutDate:
    """Earliest time after a medication.

    Attributes
    ----------
    id, item, least : rule, medication and its span in words
    last : last time it was given, None where it never was or nobody said
    noted : whether anything is noted
    earliest : day, or day and time for hours; None without ``last``. Where only the day is known it counts to its end
    source, verified : of the rule
    """

    id: str
    item: str
    least: str
    last: date | None
    noted: bool
    earliest: date | None
    source: str
    verified: bool


def cycle_windows(protocol: Protocol, course: Chronicle, as_of: date) -> tuple[CycleWindow, ...]:
    """Windows of the cycles that are left; each beyond the next is counted from the due day of the one before.

    Raises
    ------
    MissingDataError
        The protocol states no interval.
    """
    if protocol.interval is None:
        raise MissingDataError(f"{protocol.id} states no interval between cycles.")
    given = course.until(as_of)
    left = cycles_left(protocol, given)
    if not given or left == 0:
        return ()
    windows: list[CycleWindow] = []
    after = day(given[-1].date)
    for number in range(1 if left is None else left):
        windows.append(_window(protocol, len(given) + 1 + number, after, planned=number > 0))
        after = windows[-1].due
    return tuple(windows)


def _window(protocol: Protocol, cycle: int, after: date, *, planned: bool) -> CycleWindow:
    interval, delay = protocol.interval, protocol.delay
    assert interval is not None
    due = after + timedelta(days=interval.planned_days)
    stop_days = delay.stop_at_days if delay else None
    return CycleWindow(
        cycle=cycle,
        after=after,
        planned=planned,
        due=due,
        earliest=_plus(after, interval.earliest_days),
        latest=_plus(after, interval.latest_days),
        extended_from_last=_plus(after, interval.extended_days),
        extended_from_due=_plus(due, interval.extended_days),
        stops_from_last=_plus(after, stop_days),
        stops_from_due=_plus(due, stop_days),
        source=interval.origin.source,
        verified=interval.origin.verified,
        conflicts=interval.origin.conflicts,
    )


def _plus(start: date, days: int | None) -> date | None:
    return None if days is None else start + timedelta(days=days)


def washout_dates(protocol: Protocol, course: Chronicle, as_of: date) -> tuple[WashoutDate, ...]:
    """Earliest date of the next administration by each rule of washout that applies to it."""
    first = not course.until(as_of)
    known = Known(facts=course.facts, as_of=as_of)
    return tuple(_washout(rule, known) for rule in protocol.washout if rule.before == "each" or first)


def _washout(rule: Washout, known: Known) -> WashoutDate:
    past = known.past(rule.item)
    last = next((fact.date for fact in reversed(past) if fact.value is True), None)
    return WashoutDate(
        id=rule.id,
        item=rule.item,
        least=str(rule.least),
        last=last,
        noted=bool(past),
        earliest=None if last is None else _earliest(last, rule),
        source=rule.origin.source,
        verified=rule.origin.verified,
    )


def _earliest(last: date, rule: Washout) -> date:
    if rule.least.unit != "h":
        return later(day(last), rule.least)
    start = last if isinstance(last, datetime) else datetime.combine(last + timedelta(days=1), time.min)
    return start + timedelta(hours=rule.least.value)


def earliest_date(windows: Sequence[CycleWindow], washouts: Sequence[WashoutDate]) -> date | None:
    """Latest of the earliest dates that the window of the next cycle and washout allow, None where neither states one."""
    ends = [window.earliest for window in windows[:1] if window.earliest is not None]
    ends += [washout.earliest for washout in washouts if washout.earliest is not None]
    return max(ends, key=lambda when: (day(when), isinstance(when, datetime), when.isoformat()), default=None)
