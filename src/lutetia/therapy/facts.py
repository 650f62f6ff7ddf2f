"""What is known of a patient: dated values with unit, from a file or from anything that makes them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from lutetia.errors import InputError
from lutetia.therapy.documents import Document, Place, read_document
from lutetia.therapy.items import alike, in_reference_unit, item, items

Value = float | bool | str | date


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A dated value.

    Attributes
    ----------
    value : number, true or false, one of the choices of the item, or a date (birth_date); of an event true for
        "took place on ``date``", false for "never before ``date``"
    unit : of a number and its limits, empty for scores
    date : day, or day and local time
    lower_limit, upper_limit : of normal, by the laboratory that measured; None when unknown
    comparator : <, <=, > or >= where a number is only known to be below or above ``value``
    """

    value: Value
    date: date
    unit: str = ""
    lower_limit: float | None = None
    upper_limit: float | None = None
    comparator: str = ""


Facts = Mapping[str, Sequence[Fact]]


def moment(when: date) -> datetime:
    """A day as its first moment, a day with time as it is."""
    return when if isinstance(when, datetime) else datetime(when.year, when.month, when.day)


def day(when: date) -> date:
    """A date without its time."""
    return when.date() if isinstance(when, datetime) else when


def birth_date(facts: Facts) -> date | None:
    """Birth date, None when unknown."""
    known = facts.get("birth_date", ())
    return day(known[0].value) if known and isinstance(known[0].value, date) else None


def check_facts(facts: Facts) -> None:
    """Refuse facts that cannot be.

    Raises
    ------
    InputError
        An unknown item, a wrong unit, a value of the wrong kind or not to be believed, a date before birth, two
        different values at one time; with item and date.
    """
    born = birth_date(facts)
    for name, values in facts.items():
        if name not in items():
            raise InputError(f"No item {name!r}{alike(name, items())}.")
        for fact in values:
            fault = fault_of(name, fact, born)
            if fault:
                raise InputError(f"{name} of {fact.date}: {fault}")
        contradiction = _contradiction(values)
        if contradiction is not None:
            raise InputError(
                f"{name}: two different values on {values[contradiction].date}; give the time of each."
            )


def _contradiction(values: Sequence[Fact]) -> int | None:
    """Position of a fact that contradicts an earlier one of the same moment."""
    seen: dict[date, Fact] = {}
    for i, fact in enumerate(values):
        # a day, and the first moment of it, are one moment
        at_moment = replace(fact, date=moment(fact.date))
        if seen.setdefault(at_moment.date, at_moment) != at_moment:
            return i
    return None


def fault_of(name: str, fact: Fact, born: date | None) -> str | None:
    """What is wrong with a fact, None when nothing is."""
    if isinstance(fact.date, datetime) and fact.date.tzinfo is not None:
        return f"the time {fact.date} has a time zone; expected local time without one."
    if born is not None and day(fact.date) < born:
        return "the date is before birth."
    kind, value = item(name).kind, fact.value
    if kind == "number":
        return _number_fault(name, fact)
    if kind in ("flag", "event") and not isinstance(value, bool):
        return f"the value is {value!r}; expected true or false."
    if kind == "choice" and value not in item(name).choices:
        return f"the value is {value!r}; expected one of {'; '.join(item(name).choices)}."
    if kind == "date" and not isinstance(value, date):
        return f"the value is {value!r}; expected a date, for example 1960-05-02."
    return f"the unit is {fact.unit!r}; expected none." if fact.unit else None


def _number_fault(name: str, fact: Fact) -> str | None:
    numbers = (fact.value, fact.lower_limit, fact.upper_limit)
    for number in numbers:
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            return f"the value is {number!r}; expected a number."
    try:
        value = in_reference_unit(name, float(fact.value), fact.unit)  # type: ignore[arg-type]
    except InputError as error:
        return str(error)
    known = item(name)
    if (known.lowest is not None and value < known.lowest) or (known.highest is not None and value > known.highest):
        return f"{fact.value:g} {fact.unit} cannot be believed; is the unit right?"
    if fact.lower_limit is not None and fact.upper_limit is not None and fact.lower_limit > fact.upper_limit:
        return f"the lower limit {fact.lower_limit:g} is above the upper limit {fact.upper_limit:g}."
    return None


def read_facts(path: Path, *, today: date | None = None) -> dict[str, tuple[Fact, ...]]:
    """Facts of one patient from a YAML file.

    Parameters
    ----------
    path : a mapping ``facts`` of item to one dated value or a list of them, each a mapping with ``value``, ``date``
        and, as needed, ``unit``, ``lower_limit``, ``upper_limit``; ``birth_date`` beside it gives the age
    today : no value may be dated later; None to allow it

    Raises
    ------
    InputError
        What ``check_facts`` refuses, an unknown or missing field, or a date in the future; with file, line and field.
    """
    document = read_document(path, error=InputError)
    content = document.content
    if not isinstance(content, dict) or not isinstance(content.get("facts"), dict):
        raise document.refusal(("facts",), "missing; expected a mapping of items to dated values.")
    unknown = sorted(set(content) - {"facts", "birth_date"})
    if unknown:
        raise document.refusal((unknown[0],), "unknown; expected facts and birth_date.")
    born = _birth(document, today)
    facts: dict[str, tuple[Fact, ...]] = {}
    if born is not None:
        facts["birth_date"] = (Fact(value=born, date=born),)
    for name in content["facts"]:
        facts[name] = _facts_of(document, name, born, today)
    return facts


def _birth(document: Document, today: date | None) -> date | None:
    born = document.content.get("birth_date")
    if born is None:
        return None
    if not isinstance(born, date):
        raise document.refusal(("birth_date",), f"{born!r}; expected a date, for example 1960-05-02.")
    if today is not None and day(born) > today:
        raise document.refusal(("birth_date",), "is in the future.")
    return day(born)


def _facts_of(document: Document, name: str, born: date | None, today: date | None) -> tuple[Fact, ...]:
    place: Place = ("facts", name)
    if name not in items() or name == "birth_date":
        raise document.refusal(place, f"no such item{alike(name, items())}.")
    entry = document.content["facts"][name]
    places = [(*place, i) for i in range(len(entry))] if isinstance(entry, list) else [place]
    found = [
        _fact(document, p, e) for p, e in zip(places, entry if isinstance(entry, list) else [entry], strict=True)
    ]
    for at, fact in zip(places, found, strict=True):
        if today is not None and day(fact.date) > today:
            raise document.refusal((*at, "date"), f"{fact.date} is in the future.")
        fault = fault_of(name, fact, born)
        if fault:
            raise document.refusal(at, fault)
    contradiction = _contradiction(found)
    if contradiction is not None:
        raise document.refusal(places[contradiction], "another value at the same time; give the time of each.")
    return tuple(found)


def _fact(document: Document, place: Place, entry: Any) -> Fact:
    allowed = ("value", "date", "unit", "lower_limit", "upper_limit")
    if not isinstance(entry, dict):
        raise document.refusal(place, f"{entry!r}; expected a mapping with value and date.")
    for key in entry:
        if key not in allowed:
            raise document.refusal((*place, key), f"unknown; expected {', '.join(allowed)}.")
    for key in ("value", "date"):
        if entry.get(key) is None:
            raise document.refusal((*place, key), "missing; every value needs a date.")
    if not isinstance(entry["date"], date):
        raise document.refusal((*place, "date"), f"{entry['date']!r}; expected a date, for example 2026-03-02.")
    unit = entry.get("unit")
    return Fact(
        value=entry["value"],
        date=entry["date"],
        unit="" if unit is None else str(unit),
        lower_limit=entry.get("lower_limit"),
        upper_limit=entry.get("upper_limit"),
    )
