"""The numbers that marrow dosimetry takes from the literature, and what others found."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from lutetia.errors import MissingDataError

FOLDER: Final = ("data", "red_marrow")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One number with its standard uncertainty and where it comes from; None where the table has none."""

    name: str
    value: float | None
    standard_uncertainty: float | None
    source: str
    doi: str
    verified: bool

    @property
    def known_value(self) -> float:
        """The value of a parameter that must have one."""
        if self.value is None:
            raise MissingDataError(f"The table of marrow parameters has no value of {self.name!r}.")
        return self.value

    @property
    def known_uncertainty(self) -> float:
        """The standard uncertainty of a parameter that must have one."""
        if self.standard_uncertainty is None:
            raise MissingDataError(f"The table of marrow parameters has no uncertainty of {self.name!r}.")
        return self.standard_uncertainty


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedMarrowDose:
    """Absorbed dose of red marrow per administered activity in the literature. [Gy/GBq]"""

    nuclide: str
    ligand: str
    method: str
    value_gy_per_gbq: float
    low_gy_per_gbq: float | None
    high_gy_per_gbq: float | None
    kind: str
    source: str
    verified: bool


def _rows(name: str) -> list[dict[str, str]]:
    with files("lutetia.dose").joinpath(*FOLDER, name).open("r", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _number(text: str) -> float | None:
    return float(text) if text else None


@cache
def _parameters() -> dict[str, Parameter]:
    return {
        row["name"]: Parameter(
            name=row["name"],
            value=_number(row["value"]),
            standard_uncertainty=_number(row["standard_uncertainty"]),
            source=row["source"],
            doi=row["doi"],
            verified=row["verified"] == "true",
        )
        for row in _rows("parameters.csv")
    }


def parameter(name: str) -> Parameter:
    """A parameter of the shipped table.

    Raises
    ------
    MissingDataError
        The table has no such parameter.
    """
    found = _parameters().get(name)
    if found is None:
        raise MissingDataError(f"No marrow parameter {name!r}; there are {', '.join(_parameters())}.")
    return found


def published_marrow_doses(nuclide: str, agent: str) -> tuple[PublishedMarrowDose, ...]:
    """Published absorbed doses of red marrow for a nuclide and an agent; empty when there are none."""
    return tuple(
        PublishedMarrowDose(
            nuclide=row["nuclide"],
            ligand=row["ligand"],
            method=row["method"],
            value_gy_per_gbq=float(row["value [Gy/GBq]"]),
            low_gy_per_gbq=_number(row["low [Gy/GBq]"]),
            high_gy_per_gbq=_number(row["high [Gy/GBq]"]),
            kind=row["kind"],
            source=row["source"],
            verified=row["verified"] == "true",
        )
        for row in _rows("published_doses.csv")
        if row["nuclide"] == nuclide and row["ligand"] in agent.upper()
    )
