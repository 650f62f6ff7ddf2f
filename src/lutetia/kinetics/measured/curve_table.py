"""Tables that somebody measured elsewhere, from CSV files, and the time-activity curves in them."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.measured.csv_lines import read_csv_lines, require_columns
from lutetia.units import BQ_PER_MBQ, S_PER_H

OTHER_NAMES: Final[Mapping[str, str]] = {"u_activity_MBq": "u_MBq"}
"""Headings that mean a column of another name: those of the curves.csv that ``lutetia run`` writes."""

LARGEST: Final = 1e12
"""Hours or MBq beyond this are a slip of the pen, and their squares leave the range of numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a table: its number in the file (the heading is 1), its texts and its numbers by column.

    An empty field of a column that may be empty is None.
    """

    line: int
    texts: Mapping[str, str]
    numbers: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveTable:
    """The curves of a file in the order in which their regions appear, and what was assumed."""

    curves: tuple[TimeActivityCurve, ...]
    warnings: tuple[str, ...]


def read_rows(
    path: Path,
    *,
    texts: Sequence[str] = (),
    numbers: Sequence[str] = (),
    optional: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> tuple[Row, ...]:
    """Rows of a CSV file with a heading; other columns are ignored.

    Columns are separated by commas, or by semicolons, and then numbers may have decimal commas. Lines that are empty
    or begin with # are skipped.

    Parameters
    ----------
    path : the file
    texts, numbers : columns that must be there and be filled
    optional : columns of numbers that may be missing, or be empty in a row
    whole : columns of numbers that may be missing, but are filled in every row where they are there

    Raises
    ------
    InputError
        A file that cannot be read, a column that is missing, there twice or named nearly as one that may be there, a
        field that is empty or no finite number; with the file's name, the line and the column.
    """
    table = read_csv_lines(path, needed=[*texts, *numbers], renamed=lambda name: OTHER_NAMES.get(name, name))
    require_columns(path, table.heading, [*texts, *numbers], [*optional, *whole])
    _refuse_misspelt(path, table.heading, [*optional, *whole])
    filled = [*numbers, *(name for name in whole if name in table.heading)]
    rows = []
    for line, field in table.rows:
        where = f"{path.name}, line {line}"
        found = {
            n: _number(field[n], where, n, table.decimal_commas) if field.get(n) else None
            for n in [*optional, *whole]
        }
        found |= {n: _number(_filled(field[n], where, n), where, n, table.decimal_commas) for n in filled}
        rows.append(Row(line=line, texts={n: _filled(field[n], where, n) for n in texts}, numbers=found))
    if not rows:
        raise InputError(f"{path.name}: a heading and no rows below it; expected at least one.")
    return tuple(rows)


def read_columns(
    path: Path, *, numbers: Sequence[str], whole: Sequence[str] = ()
) -> Mapping[str, NDArray[np.float64]]:
    """Columns (n,) of numbers of a CSV file, read as by ``read_rows``; one that is not there is no key.

    Raises
    ------
    InputError
        As ``read_rows``.
    """
    rows = read_rows(path, numbers=numbers, whole=whole)
    there = [name for name in (*numbers, *whole) if rows[0].numbers[name] is not None]
    return {name: np.array([row.numbers[name] for row in rows], dtype=np.float64) for name in there}


def read_curves(path: Path) -> CurveTable:
    """Time-activity curves from a CSV file with the columns region, time_h, activity_MBq and, if known, u_MBq.

    Activities are as measured, not decay-corrected; times are hours after administration; u_MBq is the standard
    uncertainty of one point. Rows may be in any order. A region in which only some points have an uncertainty is
    taken as one without, with a warning.

    Raises
    ------
    InputError
        As ``read_rows``, and: a time at or before the administration, a negative activity or uncertainty, the same
        time twice for one region.
    """
    regions: dict[str, list[Row]] = {}
    for row in read_rows(path, texts=("region",), numbers=("time_h", "activity_MBq"), optional=("u_MBq",)):
        _require_possible(row, f"{path.name}, line {row.line}")
        regions.setdefault(row.texts["region"], []).append(row)
    curves, warnings = [], []
    for region, rows in regions.items():
        rows.sort(key=_time_h)
        for earlier, later in itertools.pairwise(rows):
            if _time_h(earlier) == _time_h(later):
                raise InputError(
                    f"{path.name}, lines {earlier.line} and {later.line}: {region} has two activities at "
                    f"{_time_h(later):g} h; give one per time (a mean of repeated measurements, say)."
                )
        stated = [row.numbers["u_MBq"] for row in rows]
        known = [u for u in stated if u is not None]
        if 0 < len(known) < len(stated):
            warnings.append(
                f"{region}: u_MBq is given for {len(known)} of {len(stated)} points and was not used for any."
            )
        curves.append(_curve(region, rows, known if len(known) == len(stated) else None))
    return CurveTable(curves=tuple(curves), warnings=tuple(warnings))


def _refuse_misspelt(path: Path, heading: Sequence[str], optional: Sequence[str]) -> None:
    for name in optional:
        alike = [h for h in heading if h != name and _plain(h) == _plain(name)]
        if name not in heading and alike:
            raise InputError(f"{path.name}: the column {alike[0]!r} would be ignored; expected {name}.")


def _plain(name: str) -> str:
    """Letters and digits of a heading, in lower case: what misspellings of units have in common."""
    return "".join(c for c in name.casefold() if c.isalnum())


def _filled(field: str, where: str, column: str) -> str:
    if not field:
        raise InputError(f"{where}, column {column}: empty; a value is needed in every row.")
    return field


def _number(field: str, where: str, column: str, decimal_commas: bool) -> float:
    try:
        value = float(field.replace(",", ".") if decimal_commas else field)
    except ValueError:
        raise InputError(f"{where}, column {column}: {field!r} is not a number.") from None
    if not math.isfinite(value):
        raise InputError(f"{where}, column {column}: {field!r}; expected a finite number.")
    if abs(value) > LARGEST:
        raise InputError(f"{where}, column {column}: {field!r}; expected at most {LARGEST:g}.")
    return value


def _require_possible(row: Row, where: str) -> None:
    time_h, activity, u = (row.numbers[name] for name in ("time_h", "activity_MBq", "u_MBq"))
    if time_h is not None and time_h <= 0:
        raise InputError(
            f"{where}, column time_h: {time_h:g} h; times count from the administration and are after it."
        )
    if activity is not None and activity < 0:
        raise InputError(
            f"{where}, column activity_MBq: {activity:g} MBq; an activity is not negative (0 where the background "
            "exceeds the counts)."
        )
    if u is not None and u < 0:
        raise InputError(f"{where}, column u_MBq: {u:g} MBq; a standard uncertainty is not negative.")


def _time_h(row: Row) -> float:
    return float(row.numbers["time_h"] or 0.0)


def _curve(region: str, rows: Sequence[Row], u_mbq: Sequence[float] | None) -> TimeActivityCurve:
    return TimeActivityCurve(
        region=region,
        time_s=np.array([_time_h(row) for row in rows]) * S_PER_H,
        activity_bq=np.array([float(row.numbers["activity_MBq"] or 0.0) for row in rows]) * BQ_PER_MBQ,
        standard_uncertainty_bq=None if u_mbq is None else np.array(u_mbq) * BQ_PER_MBQ,
    )
