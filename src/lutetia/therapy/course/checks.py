"""Checks of the fields of a record; each refusal names the record's kind and the field, and never quotes free text."""

import csv
import math
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, NoReturn, Self

from lutetia.errors import InputError

LONGEST_TEXT: Final = 4000
EARLIEST_YEAR: Final = 1880
"""No patient of today was born earlier; a year like 206 or 1026 is a slip."""


@cache
def ucum_codes() -> dict[str, str]:
    """Units as people write them and their UCUM codes; the empty unit is that of scores."""
    text = (files("lutetia.therapy") / "data" / "ucum" / "units.csv").read_text(encoding="utf-8")
    return {row["unit"]: row["ucum"] for row in csv.DictReader(text.splitlines())}


def _as_written(field: str) -> str:
    """A field's name in files and on the command line, where activities are in MBq."""
    return field.removesuffix("_bq") + "_MBq" if field.endswith("_bq") else field


class Fields:
    """Checks on the fields of one record while it is built; they chain."""

    def __init__(self, record: object, kind: str) -> None:
        self.record = record
        self.kind = kind

    def refuse(self, field: str, reason: str) -> NoReturn:
        """Raise the error that names the field, activities as people write them."""
        raise InputError(f"{self.kind}.{_as_written(field)}: {reason}")

    def _get(self, field: str) -> Any:
        return getattr(self.record, field)

    def _set(self, field: str, value: object) -> None:
        object.__setattr__(self.record, field, value)

    def text(self, *names: str) -> Self:
        """Texts that must say something."""
        for name in names:
            if not isinstance(self._get(name), str) or not self._get(name).strip():
                self.refuse(name, "missing; expected a text.")
        return self.note(*names)

    def note(self, *names: str) -> Self:
        """Texts that may be empty."""
        for name in names:
            self._plain(name, self._get(name))
        return self

    def notes(self, *names: str) -> Self:
        """Tuples of texts."""
        for name in names:
            values = self._get(name)
            if not isinstance(values, tuple):
                self.refuse(name, "expected a list of texts.")
            for value in values:
                self._plain(name, value)
        return self

    def _plain(self, name: str, value: object) -> None:
        if not isinstance(value, str):
            self.refuse(name, f"expected a text, got {type(value).__name__}.")
        if len(value) > LONGEST_TEXT:
            self.refuse(name, f"{len(value)} characters; expected at most {LONGEST_TEXT}.")
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in value):
            self.refuse(name, "holds control characters; expected plain text.")

    def number(
        self, name: str, *, least: float | None = None, most: float | None = None, optional: bool = False
    ) -> Self:
        """A finite number within bounds."""
        value = self._get(name)
        if value is None and optional:
            return self
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.refuse(name, "missing or not a finite number.")
        if least is not None and value < least:
            self.refuse(name, f"{value:g} cannot be; expected at least {least:g}.")
        if most is not None and value > most:
            self.refuse(name, f"{value:g} cannot be; expected at most {most:g}.")
        self._set(name, float(value))
        return self

    def whole(self, name: str, *, least: int, most: int, optional: bool = False) -> Self:
        """A whole number within bounds."""
        value = self._get(name)
        if value is None and optional:
            return self
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            shown = f"{value} cannot be; " if isinstance(value, int) else ""
            self.refuse(name, f"{shown}expected a whole number from {least} to {most}.")
        return self

    def activity(self, name: str, measured_at: str | None = None, *, optional: bool = True) -> Self:
        """An activity in Bq, kept to the whole becquerel, and the moment it is of."""
        self.number(name, optional=optional)
        value = self._get(name)
        if value is not None and value < 0:
            self.refuse(name, "below 0; no activity can be.")
        if value is not None:
            self._set(name, float(round(value)))
        if measured_at is not None:
            self.moment(measured_at, optional=True)
            if (value is None) != (self._get(measured_at) is None):
                missing, there = (name, measured_at) if value is None else (measured_at, name)
                self.refuse(missing, f"missing beside {_as_written(there)}; an activity needs its time.")
        return self

    def day(self, name: str, *, optional: bool = False) -> Self:
        """A calendar day."""
        value = self._get(name)
        if value is None and optional:
            return self
        if type(value) is not date:
            self.refuse(name, "missing or not a day; expected for example 2026-03-02.")
        return self._century(name, value)

    def moment(self, name: str, *, optional: bool = False) -> Self:
        """A local date and time without zone."""
        value = self._get(name)
        if value is None and optional:
            return self
        if not isinstance(value, datetime):
            self.refuse(name, "missing or not a date and time; expected for example 2026-03-02T10:15.")
        if value.tzinfo is not None:
            self.refuse(name, "has a time zone; expected local time without one.")
        return self._century(name, value)

    def when(self, name: str) -> Self:
        """A day, or a local date and time without zone."""
        value = self._get(name)
        return self.moment(name) if isinstance(value, datetime) else self.day(name)

    def _century(self, name: str, value: date) -> Self:
        if value.year < EARLIEST_YEAR:
            self.refuse(name, f"the year {value.year} cannot be.")
        return self

    def ordered(self, first: str, second: str) -> Self:
        """The second of two dates or numbers is not below the first, where both are known."""
        low, high = self._get(first), self._get(second)
        if low is not None and high is not None and high < low:
            self.refuse(second, f"before {first}." if isinstance(low, date) else f"below {first}.")
        return self

    def choice(self, name: str, allowed: Sequence[str], *, optional: bool = False) -> Self:
        """One of some words."""
        value = self._get(name)
        if not (value is None and optional) and value not in allowed:
            self.refuse(name, f"expected one of {', '.join(word or '(nothing)' for word in allowed)}.")
        return self

    def flag(self, name: str) -> Self:
        """True or false."""
        if not isinstance(self._get(name), bool):
            self.refuse(name, "expected true or false.")
        return self

    def unit(self, name: str) -> Self:
        """A unit that is known."""
        value = self._get(name)
        if not isinstance(value, str) or value not in ucum_codes():
            known = ", ".join(unit for unit in ucum_codes() if unit)
            self.refuse(name, f"unknown unit; expected one of {known}, or none for a score.")
        return self
