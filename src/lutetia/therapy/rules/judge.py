"""Truth of a condition on what is known on a day, in Kleene's logic of true, false and unknown."""

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from lutetia.therapy.facts import Fact, Facts, birth_date, day, moment
from lutetia.therapy.items import in_reference_unit, item, rounded
from lutetia.therapy.rules.conditions import (
    AllOf,
    AnyOf,
    Bound,
    Choice,
    Condition,
    Flag,
    Leaf,
    Not,
    Number,
    Since,
    Span,
)

Truth = bool | None
"""None is unknown."""


def all_of(truths: Iterable[Truth]) -> Truth:
    """Kleene's and: false where any is false, else unknown where any is unknown."""
    found = list(truths)
    return False if False in found else None if None in found else True


def any_of(truths: Iterable[Truth]) -> Truth:
    """Kleene's or: true where any is true, else unknown where any is unknown."""
    found = list(truths)
    return True if True in found else None if None in found else False


def negation(truth: Truth) -> Truth:
    """Kleene's not."""
    return None if truth is None else not truth


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is known on a day.

    Attributes
    ----------
    facts : all that was ever noted
    as_of : day, or day and local time; what is dated later is not known yet
    window_days : how old numbers, flags and choices may be; None for any age. Events have no such age.
    since : where there is a window, what is not later than this day is too old as well; None for no such day
    """

    facts: Facts
    as_of: date
    window_days: int | None = None
    since: date | None = None

    def past(self, name: str) -> list[Fact]:
        """Facts of an item not after the day, latest last."""
        known = [fact for fact in self.facts.get(name, ()) if _not_after(fact.date, self.as_of)]
        return sorted(known, key=lambda fact: moment(fact.date))


def _not_after(when: date, as_of: date) -> bool:
    if isinstance(when, datetime) and isinstance(as_of, datetime):
        return when <= as_of
    return day(when) <= day(as_of)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """Truth of a condition, the facts that it was found on by item, and what is missing for it to be known."""

    truth: Truth
    found: tuple[tuple[str, Fact], ...]
    missing: tuple[str, ...]


def judge(condition: Condition, known: Known) -> Judgement:
    """Whether a condition holds; unknown where what is missing could decide either way."""
    if isinstance(condition, Not):
        part = judge(condition.part, known)
        return Judgement(truth=negation(part.truth), found=part.found, missing=part.missing)
    if isinstance(condition, AnyOf | AllOf):
        parts = [judge(part, known) for part in condition.parts]
        truth = (any_of if isinstance(condition, AnyOf) else all_of)(part.truth for part in parts)
        missing = dict.fromkeys(name for part in parts if part.truth is None for name in part.missing)
        found = tuple(dict.fromkeys(pair for part in parts for pair in part.found))
        return Judgement(truth=truth, found=found, missing=tuple(missing) if truth is None else ())
    return _since(condition, known) if isinstance(condition, Since) else _valued(condition, known)


def _valued(condition: Number | Flag | Choice, known: Known) -> Judgement:
    """Truth of a condition on the latest value of an item."""
    if condition.item == "age" and birth_date(known.facts) is not None:
        fact = _age(known)
    else:
        past = known.past(condition.item)
        if not past:
            return _unknown(condition, condition.item)
        fact = past[-1]
        age_d = (day(known.as_of) - day(fact.date)).days
        if known.window_days is not None and age_d > known.window_days:
            old = f"{condition.item} (the last, of {day(fact.date)}, is older than {known.window_days} d)"
            return _unknown(condition, old, fact)
        if known.window_days is not None and known.since is not None and day(fact.date) <= day(known.since):
            before = f"the last, of {day(fact.date)}, is not later than the cycle of {day(known.since)}"
            return _unknown(condition, f"{condition.item} ({before})", fact)
    if isinstance(condition, Flag):
        return _certain(condition, fact, fact.value is condition.wanted)
    if isinstance(condition, Choice):
        return _certain(condition, fact, fact.value in condition.wanted)
    return _number(condition, fact)


def _certain(condition: Leaf, fact: Fact, truth: bool) -> Judgement:
    return Judgement(truth=truth, found=((condition.item, fact),), missing=())


def _unknown(condition: Leaf, missing: str, fact: Fact | None = None) -> Judgement:
    found = () if fact is None else ((condition.item, fact),)
    return Judgement(truth=None, found=found, missing=(missing,))


def _number(condition: Number, fact: Fact) -> Judgement:
    assert isinstance(fact.value, int | float)
    if condition.of == "value":
        value = in_reference_unit(condition.item, float(fact.value), fact.unit)
        ends = [
            None if end is None else in_reference_unit(condition.item, end.value, condition.unit)
            for end in (condition.lower, condition.upper)
        ]
    else:
        limit, name = (fact.upper_limit, "upper") if condition.of == "xULN" else (fact.lower_limit, "lower")
        if limit is None:
            return _unknown(condition, f"{name}_limit of {condition.item}", fact)
        value = rounded(float(fact.value))
        ends = [None if end is None else rounded(end.value * limit) for end in (condition.lower, condition.upper)]
    low, high = ends
    truth = all_of(
        (
            True
            if low is None or condition.lower is None
            else _above(value, fact.comparator, low, condition.lower),
            True
            if high is None or condition.upper is None
            else _below(value, fact.comparator, high, condition.upper),
        )
    )
    if truth is None:
        return _unknown(
            condition, f"{condition.item} (of {day(fact.date)} only {_number_text(fact)} is known)", fact
        )
    return _certain(condition, fact, truth)


def _above(value: float, comparator: str, end: float, bound: Bound) -> Truth:
    """Whether a number, or all that a comparator leaves possible, is above a lower bound."""
    reached = value > end or (value == end and (bound.inclusive or comparator == ">"))
    if comparator in ("<", "<="):
        return None if reached and not (comparator == "<" and value == end) else False
    return True if reached else None if comparator else False


def _below(value: float, comparator: str, end: float, bound: Bound) -> Truth:
    """The same for an upper bound: numbers and comparators with their signs turned."""
    return _above(-value, comparator.translate(str.maketrans("<>", "><")), -end, bound)


def _age(known: Known) -> Fact:
    born, today = birth_date(known.facts), day(known.as_of)
    assert born is not None
    return Fact(value=age_in_years(born, today), date=today, unit="years")


def age_in_years(born: date, today: date) -> int:
    """Birthdays that a person had."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _since(condition: Since, known: Known) -> Judgement:
    """Truth of a condition on the time since an event; the last that took place counts, whatever was noted later."""
    past = known.past(condition.item)
    took_place = [fact for fact in past if fact.value is True]
    if not past:
        return _unknown(condition, condition.item)
    if not took_place:
        return _certain(condition, past[-1], condition.most is None)
    fact = took_place[-1]
    least = True if condition.least is None else _passed(fact.date, known.as_of, condition.least)
    most = True if condition.most is None else _within(fact.date, known.as_of, condition.most)
    truth = all_of((least, most))
    if truth is None:
        return _unknown(condition, f"time of day of {condition.item}", fact)
    return _certain(condition, fact, truth)


def _passed(event: date, as_of: date, span: Span) -> Truth:
    """Whether at least a span has passed; hours are unknown where only the days are known and both are possible."""
    if span.unit != "h":
        return day(as_of) >= later(day(event), span)
    least, most = _elapsed(event, as_of)
    return True if least >= timedelta(hours=span.value) else None if most >= timedelta(hours=span.value) else False


def _within(event: date, as_of: date, span: Span) -> Truth:
    """Whether at most a span has passed."""
    if span.unit != "h":
        return day(as_of) <= later(day(event), span)
    least, most = _elapsed(event, as_of)
    return True if most <= timedelta(hours=span.value) else None if least <= timedelta(hours=span.value) else False


def _elapsed(event: date, as_of: date) -> tuple[timedelta, timedelta]:
    """Least and most time between two moments of which only the day may be known."""
    first, last = _ends(event), _ends(as_of)
    return max(last[0] - first[1], timedelta(0)), last[1] - first[0]


def _ends(when: date) -> tuple[datetime, datetime]:
    if isinstance(when, datetime):
        return when, when
    return datetime.combine(when, time.min), datetime.combine(when, time.max)


def later(start: date, span: Span) -> date:
    """A day some calendar span later; the same day of the month, or the last there is, for months."""
    if span.unit == "months":
        month = start.month - 1 + int(span.value)
        year, month = start.year + month // 12, month % 12 + 1
        return date(year, month, min(start.day, calendar.monthrange(year, month)[1]))
    days = {"d": 1, "weeks": 7}[span.unit]
    return start + timedelta(days=days * int(span.value))


def found_text(found: Sequence[tuple[str, Fact]]) -> str | None:
    """Facts in words, None where there are none."""
    return "; ".join(f"{item(name).label} {_value_text(fact, name)}" for name, fact in found) or None


def _number_text(fact: Fact) -> str:
    return f"{fact.comparator} {fact.value:g}".strip()


def _value_text(fact: Fact, name: str) -> str:
    if item(name).kind == "event":
        return f"on {_when(fact.date)}" if fact.value is True else f"never before {_when(fact.date)}"
    if isinstance(fact.value, bool):
        text = "yes" if fact.value else "no"
    else:
        text = _number_text(fact) if isinstance(fact.value, int | float) else str(fact.value)
    limits = [
        f"{name} limit {limit:g}"
        for name, limit in (("lower", fact.lower_limit), ("upper", fact.upper_limit))
        if limit is not None
    ]
    return " ".join(part for part in (text, fact.unit, f"({', '.join([_when(fact.date), *limits])})") if part)


def _when(when: date) -> str:
    """A day, or a moment to the minute."""
    return when.isoformat(" ", "minutes") if isinstance(when, datetime) else when.isoformat()
