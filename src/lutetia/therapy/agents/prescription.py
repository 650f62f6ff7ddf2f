"""Activity of the next cycle of a regimen, what is left of its sum, and what was seen at such activities."""

import math
from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.activity.bounds import bounds_of
from lutetia.therapy.agents.model import Agent, Regimen, Tolerance
from lutetia.therapy.course import Course
from lutetia.therapy.rules.conditions import Span
from lutetia.units import MBQ_PER_BQ

MONTHS_PER_YEAR = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """An administration of the agent: day and net activity. [Bq]"""

    when: date
    activity_bq: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that a rule says of a prescription, with the rule and its source."""

    rule: str
    kind: Literal["sum", "cycles", "interval", "tolerance", "rule"]
    message: str
    source: str
    verified: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Prescription:
    """What a regimen gives on a day.

    Attributes
    ----------
    rule, source, verified : the regimen, and where its activity is from
    cycle : number of this cycle, from 1
    activity_bq : at most what is left of the sum; None where the regimen sets no single number. [Bq]
    usual_bq : by the rule alone. [Bq]
    given_bq, left_bq : given so far, and left of the highest sum, None without one. [Bq]
    cycles_left : how many usual activities are left of the sum, this one included, as a fraction; None without a sum
    cycles_left_by_number : how many are left of the highest number of cycles, this one included; None without one
    due : earliest day by the regimen's interval, None for the first cycle or without an interval
    findings : departures and tolerances passed
    """

    rule: str
    source: str
    verified: bool
    cycle: int
    activity_bq: float | None
    usual_bq: float | None
    given_bq: float
    left_bq: float | None
    cycles_left: float | None
    cycles_left_by_number: int | None
    due: date | None
    findings: tuple[Finding, ...]


def given_in(course: Course, agent: Agent) -> tuple[Given, ...]:
    """Administrations of an agent in a patient's course, by any of its names, with net activities.

    Without a measured residual an activity is an upper bound.

    Raises
    ------
    MissingDataError
        The activity of a cycle was not measured.
    """
    names = {name.casefold() for name in (agent.id, agent.name, *agent.other_names)}
    found = []
    for administration, net in zip(course.administrations, course.net_activities(), strict=True):
        if administration.agent.casefold() in names:
            if net.activity_bq is None:
                raise MissingDataError(f"Cycle {net.cycle} of {agent.name}: its activity was not measured.")
            found.append(Given(when=administration.start.date(), activity_bq=net.activity_bq))
    return tuple(found)


def prescribed_activity(
    agent: Agent,
    regimen: Regimen,
    *,
    when: date,
    mass_kg: float | None = None,
    given: Sequence[Given] = (),
) -> Prescription:
    """Activity of the next cycle by a regimen, and what is left of it.

    A tolerance of repeated administrations counts what is given within its stretch of time before ``when``, this
    activity included, and only after an earlier administration; one exactly as long ago as the stretch is outside.

    Parameters
    ----------
    agent : whose tolerances are looked at
    regimen : of the agent
    when : planned day
    mass_kg : body mass, for an activity per kg
    given : all earlier administrations of the agent, in any order

    Raises
    ------
    InputError
        A body mass or an activity that cannot be, or an administration on or after ``when``.
    MissingDataError
        An activity per kg without a body mass.
    """
    earlier = _checked(given, when, mass_kg)
    protocol, given_bq = regimen.protocol, math.fsum(each.activity_bq for each in earlier)
    cycle = len(earlier) + 1
    bounds = bounds_of(protocol, cycle=cycle, given_bq=given_bq, mass_kg=mass_kg)
    left = None if protocol.cumulative is None else max(protocol.cumulative.at_most_bq - given_bq, 0.0)
    most = protocol.cycles.at_most
    activity = None if bounds.ended else bounds.usual_bq
    if activity is not None and left is not None:
        activity = min(activity, left)
    return Prescription(
        rule=regimen.id,
        source=protocol.activity.origin.source,
        verified=protocol.activity.origin.verified,
        cycle=cycle,
        activity_bq=activity,
        usual_bq=bounds.usual_bq,
        given_bq=given_bq,
        left_bq=left,
        cycles_left=None if left is None or not bounds.usual_bq else left / bounds.usual_bq,
        cycles_left_by_number=None if most is None else max(most - cycle + 1, 0),
        due=_due(regimen, earlier),
        findings=(
            *_of_regimen(regimen, bounds.usual_bq, left, bounds.ended),
            *_of_interval(regimen, earlier, when),
            *_of_tolerances(agent.tolerances, activity, earlier, when),
        ),
    )


def _checked(given: Iterable[Given], when: date, mass_kg: float | None) -> tuple[Given, ...]:
    if mass_kg is not None and not (math.isfinite(mass_kg) and mass_kg > 0.0):
        raise InputError(f"Body mass {mass_kg} kg; expected more than 0.")
    earlier = tuple(sorted(given, key=lambda each: each.when))
    for each in earlier:
        if not (math.isfinite(each.activity_bq) and each.activity_bq > 0.0):
            raise InputError(f"Activity given on {each.when}: {each.activity_bq} Bq; expected more than 0.")
        if each.when >= when:
            raise InputError(f"An administration on {each.when} is not before the planned day, {when}.")
    return earlier


def _due(regimen: Regimen, earlier: Sequence[Given]) -> date | None:
    interval = regimen.protocol.interval
    if interval is None or not earlier:
        return None
    days = interval.planned_days if interval.earliest_days is None else interval.earliest_days
    return earlier[-1].when + timedelta(days=days)


def _of_regimen(regimen: Regimen, usual_bq: float | None, left_bq: float | None, ended: str) -> Iterable[Finding]:
    protocol = regimen.protocol
    if ended:
        # what ended is the sum where nothing of it is left, else the number of cycles
        sum_spent = protocol.cumulative is not None and left_bq == 0.0
        origin = protocol.cumulative.origin if protocol.cumulative and sum_spent else protocol.cycles.origin
        yield Finding(
            rule=regimen.id,
            kind="sum" if sum_spent else "cycles",
            message=ended,
            source=origin.source,
            verified=origin.verified,
        )
    elif usual_bq is None:
        origin = protocol.activity.origin
        told = f"{regimen.id} sets no single activity ({protocol.activity.basis}); {origin.note or 'see the protocol'}."
        yield Finding(rule=regimen.id, kind="rule", message=told, source=origin.source, verified=origin.verified)
    elif left_bq is not None and protocol.cumulative is not None and left_bq < usual_bq:
        origin = protocol.cumulative.origin
        told = f"{_mbq(left_bq)} of {_mbq(protocol.cumulative.at_most_bq)} are left, less than {_mbq(usual_bq)}."
        yield Finding(rule=regimen.id, kind="sum", message=told, source=origin.source, verified=origin.verified)


def _of_interval(regimen: Regimen, earlier: Sequence[Given], when: date) -> Iterable[Finding]:
    due, interval = _due(regimen, earlier), regimen.protocol.interval
    if due is not None and interval is not None and when < due:
        told = f"{(when - earlier[-1].when).days} days after the last administration; due from {due}."
        yield Finding(
            rule=regimen.id,
            kind="interval",
            message=told,
            source=interval.origin.source,
            verified=interval.origin.verified,
        )


def _of_tolerances(
    tolerances: Iterable[Tolerance], activity_bq: float | None, earlier: Sequence[Given], when: date
) -> Iterable[Finding]:
    if activity_bq is None:
        return
    for tolerance in tolerances:
        load, told = _load(tolerance, activity_bq, earlier, when)
        if load > tolerance.activity_bq * (1.0 + 1e-12):
            yield Finding(
                rule=tolerance.id,
                kind="tolerance",
                message=f"{_mbq(load)} {told}, above {_mbq(tolerance.activity_bq)} of {tolerance.agent}: "
                f"{tolerance.what}.",
                source=tolerance.origin.source,
                verified=tolerance.origin.verified,
            )


def _load(tolerance: Tolerance, activity_bq: float, earlier: Sequence[Given], when: date) -> tuple[float, str]:
    if tolerance.within is not None:
        start = _before(when, tolerance.within)
        recent = [each.activity_bq for each in earlier if each.when > start]
        # a first administration is not a repeated one
        return math.fsum((*recent, activity_bq)) if earlier else 0.0, f"within {tolerance.within}"
    if tolerance.kind == "cumulative":
        return math.fsum((*(each.activity_bq for each in earlier), activity_bq)), "in all"
    return activity_bq, "at once"


def _before(when: date, span: Span) -> date:
    """The day some months earlier; of a month that is too short its last day."""
    months = when.year * MONTHS_PER_YEAR + when.month - 1 - round(span.value)
    year, month = divmod(months, MONTHS_PER_YEAR)
    return date(year, month + 1, min(when.day, monthrange(year, month + 1)[1]))


def _mbq(activity_bq: float) -> str:
    return f"{activity_bq * MBQ_PER_BQ:.4g} MBq"
