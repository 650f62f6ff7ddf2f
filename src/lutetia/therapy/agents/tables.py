"""The tables of agents as rows of text, and what a row says of its source."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

Row = Mapping[str, str]


@cache
def rows(name: str) -> tuple[Row, ...]:
    """Rows of a table of the catalogue."""
    text = (files("lutetia.therapy") / "data" / "agents" / name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def number(row: Row, column: str) -> float | None:
    """Number in a column, None where it is empty."""
    return float(row[column]) if row[column] else None


def is_verified(row: Row) -> bool:
    """Whether a document that states the row was read."""
    return row["verified"] == "true"


def cites(row: Row) -> tuple[str, ...]:
    """Numbers of the statements that a row holds."""
    return tuple(row["cites"].split())
