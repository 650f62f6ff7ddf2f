"""A course from a YAML file, each refusal with its line."""

import math
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from lutetia.errors import InputError, LutetiaError
from lutetia.response.laboratory.catalogue import TIMES_ULN
from lutetia.response.laboratory.result import LabResult
from lutetia.therapy.chronicle.model import Chronicle, Given, Measured, Timed, check_chronicle
from lutetia.therapy.documents import Document, Place, read_document
from lutetia.therapy.facts import Fact, day, fault_of, moment
from lutetia.therapy.items import alike, item, items
from lutetia.units import BQ_PER_MBQ

T = TypeVar("T")

PARTS: Final = ("birth_date", "administrations", "labs", "medications", "events", "days")


def read_chronicle(path: Path, *, today: date | None = None) -> Chronicle:
    """The course of one patient.

    Parameters
    ----------
    path : YAML with any of ``birth_date``, ``administrations`` (date, activity_MBq), ``labs`` (test, date, value, unit,
        lower_limit, upper_limit), ``medications`` (item, date), ``events`` (item, date, value, unit) and ``days`` (cycle,
        event, start, end)
    today : nothing may be dated later; None to allow it

    Raises
    ------
    InputError
        A field that is unknown, missing or cannot be, a date in the future or before birth; with file, line, field.
    """
    document = read_document(path, error=InputError)
    if not isinstance(document.content, dict):
        raise document.refusal((), f"expected a mapping with any of {', '.join(PARTS)}.")
    for key in document.content:
        if key not in PARTS:
            raise document.refusal((key,), f"unknown; expected {', '.join(PARTS)}.")
    course = _Reader(document, today).course()
    try:
        check_chronicle(course)
    except InputError as error:
        raise InputError(f"{document.file}: {error}") from error
    return course


class _Reader:
    """Turns the places of one document into the parts of a course."""

    def __init__(self, document: Document, today: date | None) -> None:
        self.document = document
        self.today = today
        born = document.content.get("birth_date")
        self.born = None if born is None else day(self.when(("birth_date",), born))

    def course(self) -> Chronicle:
        facts: dict[str, tuple[Fact, ...]] = {}
        if self.born is not None:
            facts["birth_date"] = (Fact(value=self.born, date=self.born),)
        for name, fact in (*self.each("medications", self.medication), *self.each("events", self.event)):
            facts[name] = (*facts.get(name, ()), fact)
        return Chronicle(
            administrations=self.each("administrations", self.administration),
            labs=self.each("labs", self.lab),
            facts=facts,
            given=self.each("days", self.timed),
        )

    def each(self, key: str, read: Callable[[Place, dict[str, Any]], T]) -> tuple[T, ...]:
        entries = self.document.content.get(key)
        if entries is None:
            return ()
        if not isinstance(entries, list):
            raise self.document.refusal((key,), "expected a list.")
        return tuple(read((key, i), entry) for i, entry in enumerate(entries))

    def fields(self, place: Place, entry: Any, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        if not isinstance(entry, dict):
            raise self.document.refusal(place, f"{entry!r}; expected a mapping with {', '.join(needed)}.")
        for key in entry:
            if key not in (*needed, *optional):
                raise self.document.refusal((*place, key), f"unknown; expected {', '.join((*needed, *optional))}.")
        for key in needed:
            if entry.get(key) is None:
                raise self.document.refusal((*place, key), "missing.")

    def when(self, place: Place, value: Any) -> date:
        """A day, or a day and a local time."""
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.strip())
            except ValueError:
                told = f"{value!r}; expected a date, for example 2026-03-02 or 2026-03-02T09:30."
                raise self.document.refusal(place, told) from None
        if not isinstance(value, date):
            raise self.document.refusal(place, f"{value!r}; expected a date, for example 2026-03-02.")
        if isinstance(value, datetime) and value.tzinfo is not None:
            raise self.document.refusal(place, f"{value} has a time zone; expected local time without one.")
        if self.today is not None and day(value) > self.today:
            raise self.document.refusal(place, f"{value} is in the future.")
        if place != ("birth_date",) and self.born is not None and day(value) < self.born:
            raise self.document.refusal(place, "the date is before birth.")
        return value

    def time(self, place: Place, value: Any) -> datetime:
        when = self.when(place, value)
        if not isinstance(when, datetime):
            raise self.document.refusal(place, f"{when} has no time; expected for example {when}T09:30.")
        return when

    def number(self, place: Place, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.document.refusal(place, f"{value!r}; expected a number.")
        return float(value)

    def administration(self, place: Place, entry: Any) -> Given:
        self.fields(place, entry, ("date", "activity_MBq"))
        activity = self.number((*place, "activity_MBq"), entry["activity_MBq"])
        if activity <= 0:
            raise self.document.refusal((*place, "activity_MBq"), f"{activity:g}; expected more than 0.")
        return Given(date=self.when((*place, "date"), entry["date"]), activity_bq=activity * BQ_PER_MBQ)

    def lab(self, place: Place, entry: Any) -> Measured:
        self.fields(place, entry, ("test", "date", "value", "unit"), ("lower_limit", "upper_limit"))
        when = self.when((*place, "date"), entry["date"])
        numbers = {
            key: self.number((*place, key), entry[key])
            for key in ("value", "lower_limit", "upper_limit")
            if entry.get(key) is not None
        }
        try:
            result = LabResult(
                test=str(entry["test"]),
                time=moment(when),
                value=numbers["value"],
                unit=str(entry["unit"]),
                lower_limit=numbers.get("lower_limit"),
                upper_limit=numbers.get("upper_limit"),
            )
        except LutetiaError as error:
            raise self.document.refusal(place, str(error)) from error
        if result.unit == TIMES_ULN:
            raise self.document.refusal((*place, "unit"), "a multiple; expected the value with its upper_limit.")
        return Measured(date=when, result=result)

    def medication(self, place: Place, entry: Any) -> tuple[str, Fact]:
        self.fields(place, entry, ("item", "date"))
        events = [name for name, known in items().items() if known.kind == "event"]
        if entry["item"] not in events:
            told = alike(str(entry["item"]), events)
            raise self.document.refusal((*place, "item"), f"no medication {entry['item']!r}{told}.")
        return entry["item"], Fact(value=True, date=self.when((*place, "date"), entry["date"]))

    def event(self, place: Place, entry: Any) -> tuple[str, Fact]:
        self.fields(place, entry, ("item", "date", "value"), ("unit", "lower_limit", "upper_limit"))
        name = str(entry["item"])
        if name not in items() or item(name).kind == "date":
            raise self.document.refusal((*place, "item"), f"no such item{alike(name, items())}.")
        fact = Fact(
            value=entry["value"],
            date=self.when((*place, "date"), entry["date"]),
            unit=str(entry.get("unit") or ""),
            lower_limit=entry.get("lower_limit"),
            upper_limit=entry.get("upper_limit"),
        )
        fault = fault_of(name, fact, self.born)
        if fault:
            raise self.document.refusal(place, fault)
        return name, fact

    def timed(self, place: Place, entry: Any) -> Timed:
        self.fields(place, entry, ("cycle", "event", "start"), ("end",))
        cycle = entry["cycle"]
        if isinstance(cycle, bool) or not isinstance(cycle, int) or cycle < 1:
            raise self.document.refusal((*place, "cycle"), f"{cycle!r}; expected 1, 2, ...")
        start = self.time((*place, "start"), entry["start"])
        end = None if entry.get("end") is None else self.time((*place, "end"), entry["end"])
        if end is not None and end < start:
            raise self.document.refusal((*place, "end"), f"{end} is before the start, {start}.")
        return Timed(cycle=cycle, event=str(entry["event"]), start=start, end=end)
