"""Laboratory results from a CSV file, one a line."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from lutetia.errors import InputError, MissingDataError
from lutetia.kinetics.measured.csv_lines import read_csv_lines, require_columns
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
    table = read_csv_lines(path, needed=NEEDED, renamed=lambda name: known.get(name.casefold(), name))
    require_columns(path, table.heading, NEEDED, OPTIONAL)
    for number, fields in table.rows:
        yield _Line(number=number, fields=_decimal_points(fields) if table.decimal_commas else fields)


def _decimal_points(fields: dict[str, str]) -> dict[str, str]:
    return {n: f.replace(",", ".") if n in ("value", *OPTIONAL) else f for n, f in fields.items()}


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
