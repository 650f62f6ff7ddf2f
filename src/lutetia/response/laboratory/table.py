"""Laboratory results from a CSV file, one a line."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from lutetia.errors import InputError, MissingDataError
from lutetia.response.laboratory.catalogue import find_test
from lutetia.response.laboratory.result import LabResult

NEEDED: Final = ("test", "date", "value", "unit")
OPTIONAL: Final = ("lower_limit", "upper_limit")
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class LabTable:
    """Results of a file in its order, and what was left out."""

    results: tuple[LabResult, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """Where a line stands in the file (the heading is 1), and its fields by column."""

    number: int
    fields: Mapping[str, str]


def read_lab_table(
    path: Path,
    *,
    names: Mapping[str, str] = NOTHING,
    until: datetime | None = None,
    born: date | None = None,
) -> LabTable:
    """Laboratory results from a CSV file with the columns test, date, value, unit and, if known, the limits of normal.

    Columns are separated by commas, or by semicolons, and then numbers may have decimal commas. Other columns are
    ignored, as are empty lines and those that begin with #. Dates are ISO (2026-03-02, or 2026-03-02T10:15, local).
    A test that the table does not know is left out with a warning.

    Parameters
    ----------
    names : what the file calls a column or a test, to what Lutetia calls it
    until : no result is later than this, when given
    born : no result is earlier than this, when given

    Raises
    ------
    InputError
        A file that cannot be read, a column that is missing or there twice, a field that is empty or no number or
        date, a unit that the test does not have, a number that it cannot have in this unit, a date in the future or
        before birth, no known test at all; with the file's name, the line and the column.
    """
    known = {theirs.casefold(): ours for theirs, ours in names.items()}
    results, unknown = [], dict[str, list[int]]()
    for line in _table(path, known):
        where = f"{path.name}, line {line.number}"
        name = known.get(line.fields["test"].casefold(), line.fields["test"])
        try:
            find_test(name)
        except MissingDataError:
            unknown.setdefault(name, []).append(line.number)
            continue
        results.append(_result(name, line, where, until=until, born=born))
    warnings = tuple(
        f"{path.name}, line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}: left out, the test "
        f"{name!r} is not in the table."
        for name, lines in unknown.items()
    )
    if not results:
        raise InputError(
            f"{path.name}: no test of the table; the file has {', '.join(map(repr, unknown)) or 'a heading and no rows'}."
        )
    return LabTable(results=tuple(results), warnings=warnings)


def _table(path: Path, known: Mapping[str, str]) -> Iterator[_Line]:
    lines = list(_lines(path))
    if not lines:
        raise InputError(f"{path.name}: the file is empty; expected the columns {', '.join(NEEDED)}.")
    separator = ";" if ";" in lines[0][1] else ","
    rows = csv.reader((text for _, text in lines), delimiter=separator, skipinitialspace=True)
    heading = [known.get(name.strip().casefold(), name.strip()) for name in next(rows)]
    _require_columns(path, heading)
    for (number, _), fields in zip(lines[1:], rows, strict=True):
        if len(fields) != len(heading):
            hint = " A decimal comma needs semicolons between the columns." if separator == "," else ""
            raise InputError(
                f"{path.name}, line {number}: {len(fields)} fields, the heading has {len(heading)}.{hint}"
            )
        stripped = (field.strip() for field in fields)
        if separator == ";":
            yield _Line(number=number, fields=_decimal_points(dict(zip(heading, stripped, strict=True))))
        else:
            yield _Line(number=number, fields=dict(zip(heading, stripped, strict=True)))


def _decimal_points(fields: dict[str, str]) -> dict[str, str]:
    return {n: f.replace(",", ".") if n in ("value", *OPTIONAL) else f for n, f in fields.items()}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path.name}: no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise InputError(f"{path.name}: cannot be read: {reason}.") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip(" ,;\t") and not line.startswith("#"):
            yield number, line


def _require_columns(path: Path, heading: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in heading]
    if missing:
        raise InputError(
            f"{path.name}: no column {', '.join(missing)} in the heading {', '.join(heading)!r}; expected "
            f"{', '.join(NEEDED)} and, if known, {', '.join(OPTIONAL)}."
        )
    twice = [name for name in (*NEEDED, *OPTIONAL) if heading.count(name) > 1]
    if twice:
        raise InputError(
            f"{path.name}: the column {twice[0]} is there {heading.count(twice[0])} times; once expected."
        )


def _result(name: str, line: _Line, where: str, *, until: datetime | None, born: date | None) -> LabResult:
    fields = line.fields
    time = _time(fields["date"], f"{where}, column date")
    if until is not None and time > until:
        raise InputError(f"{where}, column date: {fields['date']} is in the future (after {until:%Y-%m-%d}).")
    if born is not None and time.date() < born:
        raise InputError(f"{where}, column date: {fields['date']} is before the date of birth that was given.")
    limits = [
        _number(fields[n], f"{where}, column {n}") if fields.get(n) else None
        for n in ("lower_limit", "upper_limit")
    ]
    try:
        return LabResult(
            test=name,
            time=time,
            value=_number(fields["value"], f"{where}, column value"),
            unit=fields["unit"],
            lower_limit=limits[0],
            upper_limit=limits[1],
        )
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(where) else f"{where}, column {text}") from None


def _time(text: str, where: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{where}: {text!r} is not an ISO date; expected for example 2026-03-02 or 2026-03-02T10:15."
        ) from None
    if time.tzinfo is not None:
        raise InputError(f"{where}: {text!r} has an offset; expected local time without one.")
    return time


def _number(text: str, where: str) -> float:
    if not text:
        raise InputError(f"{where}: empty; a value is needed in every row.")
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{where}: {text!r} is not a number.") from None
    if not math.isfinite(value):
        raise InputError(f"{where}: {text!r}; expected a finite number.")
    return value
