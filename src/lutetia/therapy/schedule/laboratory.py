"""Laboratory visits of a course, and what of them is overdue."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from lutetia.therapy.chronicle.findings import Findings
from lutetia.therapy.chronicle.model import Chronicle
from lutetia.therapy.facts import day
from lutetia.therapy.modification.activity import cycles_left
from lutetia.therapy.protocols.model import LabVisit, Protocol
from lutetia.therapy.rules.conditions import Span
from lutetia.therapy.rules.judge import later

Status = Literal["measured", "planned", "due", "overdue", "missed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LabDue:
    """One visit.

    Attributes
    ----------
    visit : before, after, or after the course, in words
    opens, due, closes : results from ``opens`` (None for any earlier) to ``closes`` count; overdue after ``due``, missed
        after ``closes``
    status : measured, planned, due, overdue, missed
    missing : items without a result in the visit
    source, verified : of the rule
    """

    visit: str
    opens: date | None
    due: date
    closes: date
    status: Status
    missing: tuple[str, ...]
    source: str
    verified: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Slot:
    visit: str
    opens: date | None
    due: date
    closes: date


def lab_plan(protocol: Protocol, course: Chronicle, findings: Findings, as_of: date) -> tuple[LabDue, ...]:
    """Laboratory visits up to a day, and of every rule the next one after it.

    Protocols state no tolerance of repeated visits; a result counts for the nearest. A rule before an administration
    without a time of its own is fulfilled since the administration before.

    Parameters
    ----------
    protocol : with rules of laboratory
    course : of one patient
    findings : of the course (``findings_of``)
    as_of : day
    """
    found = []
    for rule in protocol.labs:
        for slot in _slots(rule, protocol, course, day(as_of)):
            found.append(_judged(rule, slot, findings, day(as_of)))
    return tuple(sorted(found, key=lambda one: (one.due, one.visit)))


def _judged(rule: LabVisit, slot: _Slot, findings: Findings, today: date) -> LabDue:
    last = min(slot.closes, today)
    missing = tuple(
        name
        for name in rule.items
        if not any(
            (slot.opens is None or slot.opens <= day(fact.date)) and day(fact.date) <= last
            for fact in findings.facts.get(name, ())
        )
    )
    status: Status = "measured"
    if missing:
        status = "planned" if slot.opens is not None and today < slot.opens else "due"
        if today > slot.due:
            status = "overdue" if today <= slot.closes else "missed"
    return LabDue(
        visit=slot.visit,
        opens=slot.opens,
        due=slot.due,
        closes=slot.closes,
        status=status,
        missing=missing,
        source=rule.origin.source,
        verified=rule.origin.verified,
    )


def _slots(rule: LabVisit, protocol: Protocol, course: Chronicle, today: date) -> Iterator[_Slot]:
    given = [day(one.date) for one in course.until(today)]
    left = cycles_left(protocol, course.until(today))
    if rule.relative_to == "before_each":
        yield from _before(rule, protocol, given, left)
    elif rule.relative_to == "after_each":
        for number, start in enumerate(given):
            end = given[number + 1] if number + 1 < len(given) else None
            yield from _after(rule, start, end, today, f"after cycle {number + 1}")
    elif given and left == 0:
        yield from _after(rule, given[-1], None, today, "after the course")


def _before(rule: LabVisit, protocol: Protocol, given: list[date], left: int | None) -> Iterator[_Slot]:
    planned = [*given]
    if given and protocol.interval is not None and left != 0:
        planned.append(given[-1] + timedelta(days=protocol.interval.planned_days))
    for number, administration in enumerate(planned):
        due = administration if rule.first is None else _back(administration, rule.first)
        opens: date | None = planned[number - 1] + timedelta(days=1) if number else None
        if rule.last is not None:
            opens = _back(administration, rule.last)
        yield _Slot(visit=f"before cycle {number + 1}", opens=opens, due=due, closes=administration)


def _back(start: date, span: Span) -> date:
    return (
        start - timedelta(hours=span.value) if span.unit == "h" else later(start, replace(span, value=-span.value))
    )


def _after(rule: LabVisit, start: date, end: date | None, today: date, visit: str) -> Iterator[_Slot]:
    """Visits from the first until the last, the next administration, or one beyond today."""
    due = start if rule.first is None else _ahead(start, rule.first)
    if rule.first is None and rule.every is not None:
        due = _ahead(start, rule.every)
    last = None if rule.last is None else _ahead(start, rule.last)
    if rule.every is None:
        closes = due if last is None else last
        yield _Slot(visit=visit, opens=due, due=closes, closes=closes)
        return
    base, number = due, 0
    while (last is None or due <= last) and (end is None or due < end):
        after = _ahead(base, replace(rule.every, value=rule.every.value * (number + 1)))
        half = (after - due) / 2
        yield _Slot(
            visit=visit, opens=due - timedelta(days=half.days), due=due, closes=due + timedelta(days=half.days)
        )
        if due > today:
            return
        due, number = after, number + 1


def _ahead(start: date, span: Span) -> date:
    return start + timedelta(hours=span.value) if span.unit == "h" else later(start, span)
