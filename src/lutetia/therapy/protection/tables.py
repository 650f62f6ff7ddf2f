"""The tables of this package as rows of text, and what a row says of its source."""

import csv
from functools import cache
from importlib.resources import files
from pathlib import Path

from lutetia.errors import MissingDataError

Row = dict[str, str]


@cache
def rows(folder: str, name: str) -> tuple[Row, ...]:
    """Rows of a table; MissingDataError where it is not installed."""
    with path_of(folder, name).open("r", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def path_of(folder: str, name: str) -> Path:
    """Where a table is on disk; MissingDataError where it is not installed."""
    table = Path(str(files("lutetia.therapy.protection"))) / "data" / folder / name
    if not table.is_file():
        raise MissingDataError(f"No table {folder}/{name} in lutetia.therapy.protection; reinstall the package.")
    return table


def number(row: Row, column: str) -> float | None:
    """Number in a column, None where it is empty."""
    return float(row[column]) if row[column] else None


def is_verified(row: Row) -> bool:
    """Whether a document that states the row was read."""
    return row["verified"] == "true"
