"""The tables of this package."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lutetia.errors import MissingDataError

Row = dict[str, str]


@cache
def rows(folder: str, name: str) -> tuple[Row, ...]:
    """Rows of a table; MissingDataError where it is not installed."""
    table = files("lutetia.therapy.activity") / "data" / folder / name
    if not table.is_file():
        raise MissingDataError(f"No table {folder}/{name} in lutetia.therapy.activity; reinstall the package.")
    with table.open("r", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """A published number in the unit of its table, with its source and whether a document that states it was read."""

    value: float
    unit: str
    source: str
    verified: bool


@cache
def strategy_numbers(strategy: str) -> dict[str, Number]:
    """Parameter -> number of one strategy."""
    return {
        row["parameter"]: Number(
            value=float(row["value"]), unit=row["unit"], source=row["source"], verified=row["verified"] == "true"
        )
        for row in rows("strategies", "strategies.csv")
        if row["strategy"] == strategy
    }


def default_limits(strategy: str) -> tuple[str, ...]:
    """Names of the limits that a strategy keeps unless the user chooses others."""
    return tuple(row["limit"] for row in rows("strategies", "default_limits.csv") if row["strategy"] == strategy)


def usual_uncertainty(scans: int) -> Number:
    """Relative standard uncertainty of a cycle's kidney dose by the number of scans (Staanum 2021)."""
    table = rows("staanum_2021", "uncertainty.csv")
    row = next((row for row in table if scans >= int(row["least_scans"])), table[-1])
    return Number(
        value=float(row["relative_u"]), unit="1", source=row["source"], verified=row["verified"] == "true"
    )
