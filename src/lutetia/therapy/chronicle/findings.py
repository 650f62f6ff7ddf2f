"""Facts and grades that follow from the laboratory results of a course, by the criteria that a protocol pins."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

from lutetia.response.laboratory.catalogue import find_test
from lutetia.response.laboratory.result import LabResult, in_unit
from lutetia.response.toxicity import grade, versions
from lutetia.therapy.chronicle.model import Chronicle, Measured
from lutetia.therapy.facts import Fact, Facts, check_facts, day, moment
from lutetia.therapy.items import in_reference_unit, rounded

WORST: Final = 4
"""Worst grade that a value can have; 5 is death."""
NUDGE: Final = 1e-5
"""Relative step to the next number that six significant digits, which grades are compared with, tell apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GradeRange:
    """The grades that a result can be; both ends are equal where it is known.

    Attributes
    ----------
    date : of the result
    at_least, at_most : grades
    text : value, and why
    source, verified : of the criteria
    """

    date: date
    at_least: int
    at_most: int
    text: str
    source: str
    verified: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """All that is known: facts, and grades by item, each in order of time."""

    facts: Facts
    grades: Mapping[str, tuple[GradeRange, ...]]
    warnings: tuple[str, ...]

    def dates(self, name: str) -> tuple[date, ...]:
        """When something of an item was noted or graded."""
        noted = tuple(fact.date for fact in self.facts.get(name, ()))
        return noted + tuple(one.date for one in self.grades.get(name, ()))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    item: str
    graded_item: str
    term: str


@cache
def _rows() -> dict[str, _Row]:
    """Items by laboratory test."""
    text = (files("lutetia.therapy") / "data" / "clinical_items" / "laboratory.csv").read_text(encoding="utf-8")
    return {
        row["test"]: _Row(item=row["item"], graded_item=row["graded_item"], term=row["term"])
        for row in csv.DictReader(text.splitlines())
    }


def findings_of(course: Chronicle, ctcae_version: str) -> Findings:
    """Facts of a course, and grades of its laboratory results.

    The rise of creatinine and the fall of creatinine clearance are relative to the last result up to the day of the
    first administration; without one they stay unknown. A grade noted by a person stands beside the computed one; at
    the same time it comes first, and one noted of a day without a time is the least of what is computed on that day.

    Parameters
    ----------
    course : as given
    ctcae_version : that the protocol pins; without its criteria no grade is computed, with a warning

    Raises
    ------
    InputError
        Results that contradict each other at one time.
    """
    labs = sorted(course.labs, key=lambda lab: moment(lab.date))
    facts: dict[str, list[Fact]] = {name: list(values) for name, values in course.facts.items()}
    for lab in labs:
        row = _rows().get(lab.result.test)
        if row is not None:
            facts.setdefault(row.item, []).append(_fact(lab))
    check_facts(facts)
    start = min((day(one.date) for one in course.administrations), default=None)
    for name, source, sign in (
        ("creatinine_rise", "creatinine", 1.0),
        ("creatinine_clearance_fall", "creatinine_clearance", -1.0),
    ):
        # of one moment the last counts: what somebody noted rather than what is computed
        facts[name] = [*_changes(facts.get(source, ()), start, sign), *facts.get(name, ())]
    known = {name: tuple(values) for name, values in facts.items() if values}
    grades, warnings = _grades(labs, start, ctcae_version)
    worst = {name: tuple(_with_noted(one, known.get(name, ())) for one in found) for name, found in grades.items()}
    return Findings(facts=known, grades=worst, warnings=tuple(dict.fromkeys(warnings)))


def _with_noted(computed: GradeRange, noted: Sequence[Fact]) -> GradeRange:
    """A computed grade, not below one that a person noted of the same day without a time."""
    same = [int(f.value) for f in noted if f.date == day(computed.date) and not isinstance(f.value, str | date)]
    if not same or max(same) <= computed.at_least:
        return computed
    return replace(
        computed,
        at_least=max(same),
        at_most=max(*same, computed.at_most),
        text=f"{computed.text}; grade {max(same)} noted on that day",
    )


def _fact(lab: Measured) -> Fact:
    result = in_unit(lab.result, find_test(lab.result.test).canonical_unit)
    return Fact(
        value=result.value,
        unit=result.unit,
        date=lab.date,
        lower_limit=result.lower_limit,
        upper_limit=result.upper_limit,
        comparator=lab.comparator,
    )


def reversed_comparator(comparator: str) -> str:
    """Comparator of a quantity that falls as another rises."""
    return comparator.translate(str.maketrans("<>", "><"))


def _changes(values: Sequence[Fact], start: date | None, sign: float) -> list[Fact]:
    """Change from the baseline in percent, of every later value that has the baseline's unit or one that converts."""
    name = "creatinine" if sign > 0 else "creatinine_clearance"
    if start is None:
        return []
    ordered = sorted(values, key=lambda fact: moment(fact.date))
    numbers = [(fact, in_reference_unit(name, float(fact.value), fact.unit)) for fact in ordered]  # type: ignore[arg-type]
    before = [(number, fact.comparator) for fact, number in numbers if day(fact.date) <= start]
    if not before or before[-1][0] <= 0 or before[-1][1]:
        return []
    baseline = before[-1][0]
    return [
        Fact(
            value=rounded(sign * 100 * (number / baseline - 1)),
            unit="%",
            date=fact.date,
            comparator=fact.comparator if sign > 0 else reversed_comparator(fact.comparator),
        )
        for fact, number in numbers
        if day(fact.date) > start
    ]


def _grades(
    labs: Sequence[Measured], start: date | None, version: str
) -> tuple[dict[str, tuple[GradeRange, ...]], list[str]]:
    graded = [(lab, row) for lab in labs if (row := _rows().get(lab.result.test)) is not None and row.graded_item]
    if graded and version not in versions():
        return {}, [f"No criteria of CTCAE {version} here; note the grades themselves."]
    found: dict[str, list[GradeRange]] = {}
    warnings: list[str] = []
    baselines: dict[str, list[LabResult]] = {}
    for lab, row in graded:
        # in the order of time: what is of the first day or before it stands here when a later one comes
        before = [one for one in baselines.get(lab.result.test, ()) if one.time < lab.result.time]
        one = grade(_surest(lab), baseline=before[-1] if before else None, version=version, term=row.term)
        if start is not None and day(lab.date) <= start:
            baselines.setdefault(lab.result.test, []).append(lab.result)
        low, high = _possible(one.at_least, one.at_most, lab.comparator)
        warnings += [f"{one.test} of {lab.date}: {text}" for text in one.warnings]
        found.setdefault(row.graded_item, []).append(
            GradeRange(
                date=lab.date,
                at_least=low,
                at_most=high,
                text=_text(one.test, low, high, lab, one.reason),
                source=one.source,
                verified=one.verified,
            )
        )
    return {name: tuple(values) for name, values in found.items()}, warnings


def _surest(lab: Measured) -> LabResult:
    """The result itself; for < the least below it that grading tells apart, for > the least above."""
    nudge = {"<": 1 - NUDGE, ">": 1 + NUDGE}.get(lab.comparator, 1.0)
    return lab.result if nudge == 1 else replace(lab.result, value=lab.result.value * nudge)


def _possible(low: int, high: int, comparator: str) -> tuple[int, int]:
    """Grades of all values that a comparator leaves possible; every graded test here is worse the lower it is."""
    if comparator in ("<", "<="):
        return low, WORST
    return (0 if comparator else low), high


def _text(test: str, low: int, high: int, lab: Measured, reason: str) -> str:
    number = f"{lab.comparator} {lab.result.value:g}".strip()
    value = f"{test} {number} {lab.result.unit} of {day(lab.date)}"
    return f"{value}, grade {low}" if low == high else f"{value}, grade {low} to {high} ({reason.rstrip('.')})"
