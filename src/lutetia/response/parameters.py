"""Published parameters of tissues: alpha/beta, repair, limits of dose, complication models; each with its source."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lutetia.errors import MissingDataError
from lutetia.response.repair import Repair
from lutetia.units import S_PER_H

Row = dict[str, str]


@cache
def _rows(folder: str, name: str) -> tuple[Row, ...]:
    table = files("lutetia.response") / "data" / folder / name
    if not table.is_file():
        raise MissingDataError(f"No table {folder}/{name} in lutetia.response; reinstall the package.")
    with table.open("r", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def _number(row: Row, column: str) -> float | None:
    return float(row[column]) if row[column] else None


def _organ(region: str) -> str:
    """Name of the table for a region: without side, in the singular."""
    words = [word for word in region.strip().lower().split() if word not in ("left", "right")]
    name = " ".join(words)
    synonyms = {"kidneys": "kidney", "bone marrow": "red marrow", "marrow": "red marrow", "tumour": "lesion"}
    synonyms |= {"tumor": "lesion", "parotid glands": "parotid gland", "salivary glands": "salivary gland"}
    synonyms |= {"submandibular glands": "submandibular gland", "lungs": "lung"}
    return synonyms.get(name, name)


@dataclass(frozen=True, kw_only=True, slots=True)
class TissueParameters:
    """Linear-quadratic parameters of an organ or a tumour.

    Attributes
    ----------
    region : name in the table; "lesion" is any tumour
    ligand : only for agents with this in their name; any where empty
    alpha_beta_gy : and the range of the literature, None where none was noted. [Gy]
    repair_half_life_s : None where none was noted. [s]
    alpha_per_gy : linear coefficient of cell kill, None where none was noted. [1/Gy]
    source, verified : where the row is from, and whether a document that states it was read
    """

    region: str
    ligand: str
    alpha_beta_gy: float
    alpha_beta_range_gy: tuple[float, float] | None
    repair_half_life_s: float | None
    alpha_per_gy: float | None
    source: str
    verified: bool

    @property
    def repair(self) -> Repair:
        """Repair with the half-life of the table; MissingDataError where it has none."""
        if self.repair_half_life_s is None:
            raise MissingDataError(
                f"The table has no repair half-life of {self.region}, only an alpha/beta; give one."
            )
        return Repair(half_lives_s=(self.repair_half_life_s,))


@cache
def tissue_table() -> tuple[TissueParameters, ...]:
    """All rows of the table of tissues."""
    return tuple(_tissue(row) for row in _rows("radiobiology", "tissues.csv"))


def _tissue(row: Row) -> TissueParameters:
    low, high = _number(row, "alpha_beta_low [Gy]"), _number(row, "alpha_beta_high [Gy]")
    half_life_h = _number(row, "repair_half_life [h]")
    return TissueParameters(
        region=row["region"],
        ligand=row["ligand"],
        alpha_beta_gy=float(row["alpha_beta [Gy]"]),
        alpha_beta_range_gy=None if low is None or high is None else (low, high),
        repair_half_life_s=None if half_life_h is None else half_life_h * S_PER_H,
        alpha_per_gy=_number(row, "alpha [1/Gy]"),
        source=row["source"],
        verified=row["verified"] == "true",
    )


def find_tissue(region: str, *, kind: str = "organ", agent: str = "") -> TissueParameters | None:
    """Parameters of a region, None where the table has none.

    Parameters
    ----------
    region : standard term ("kidney left", "kidneys", "liver", "lesion 2")
    kind : "lesion" takes the tumour's whatever the name
    agent : rows for an agent's ligand come before general ones
    """
    name = "lesion" if kind == "lesion" else _organ(region)
    found = [row for row in tissue_table() if row.region == name and row.ligand.upper() in agent.upper()]
    return max(found, key=lambda row: len(row.ligand), default=None)


def tissue(region: str, *, kind: str = "organ", agent: str = "") -> TissueParameters:
    """As ``find_tissue``; MissingDataError names the regions that there are."""
    found = find_tissue(region, kind=kind, agent=agent)
    if found is None:
        known = ", ".join(dict.fromkeys(row.region for row in tissue_table()))
        raise MissingDataError(
            f"No radiobiological parameters of {region!r}; there are {known}. Give alpha/beta and repair half-life."
        )
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseLimit:
    """A limit somebody uses for the cumulative dose of a course, to be chosen by the user.

    Attributes
    ----------
    region, quantity : "absorbed dose" or "BED" of what
    limit_gy, tolerance_gy : value, and the ± where the source gives one
    condition : for whom or when, empty for all
    endpoint : what the limit comes from
    """

    region: str
    quantity: str
    limit_gy: float
    tolerance_gy: float | None
    condition: str
    endpoint: str
    source: str
    verified: bool


@cache
def limit_table() -> tuple[DoseLimit, ...]:
    """All rows of the table of limits."""
    return tuple(
        DoseLimit(
            region=row["region"],
            quantity=row["quantity"],
            limit_gy=float(row["limit [Gy]"]),
            tolerance_gy=_number(row, "tolerance [Gy]"),
            condition=row["condition"],
            endpoint=row["endpoint"],
            source=row["source"],
            verified=row["verified"] == "true",
        )
        for row in _rows("dose_limits", "limits.csv")
    )


def dose_limits(region: str) -> tuple[DoseLimit, ...]:
    """Limits in use for a region; empty where the table has none, for there is no consensus."""
    return tuple(limit for limit in limit_table() if limit.region == _organ(region))


@dataclass(frozen=True, kw_only=True, slots=True)
class LogisticParameters:
    """Two anchors (dose [Gy], probability) of a logistic complication curve. ``warning`` goes with every result."""

    name: str
    region: str
    quantity: str
    anchors: tuple[tuple[float, float], tuple[float, float]]
    endpoint: str
    source: str
    verified: bool
    warning: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LymanParameters:
    """TD50 [Gy], m and n of the Lyman-Kutcher-Burman model. ``warning`` goes with every result."""

    name: str
    region: str
    quantity: str
    td50_gy: float
    m: float
    n: float
    endpoint: str
    source: str
    verified: bool
    warning: str


def _logistic(row: Row) -> LogisticParameters:
    return LogisticParameters(
        name=row["name"],
        region=row["region"],
        quantity=row["quantity"],
        anchors=(
            (float(row["first_dose [Gy]"]), float(row["first_probability"])),
            (float(row["second_dose [Gy]"]), float(row["second_probability"])),
        ),
        endpoint=row["endpoint"],
        source=row["source"],
        verified=row["verified"] == "true",
        warning=row["warning"],
    )


def _lyman(row: Row) -> LymanParameters:
    return LymanParameters(
        name=row["name"],
        region=row["region"],
        quantity=row["quantity"],
        td50_gy=float(row["td50 [Gy]"]),
        m=float(row["m"]),
        n=float(row["n"]),
        endpoint=row["endpoint"],
        source=row["source"],
        verified=row["verified"] == "true",
        warning=row["warning"],
    )


Model = LogisticParameters | LymanParameters


@cache
def complication_models() -> tuple[Model, ...]:
    """All complication models of the tables, logistic ones first."""
    readers: tuple[tuple[str, Callable[[Row], Model]], ...] = (("logistic.csv", _logistic), ("lyman.csv", _lyman))
    return tuple(read(row) for name, read in readers for row in _rows("complications", name))


def complication_model(region: str, *, name: str | None = None) -> Model:
    """A complication model of an organ, by name or the first of the table; MissingDataError names those that there are."""
    for model in complication_models():
        if model.region == _organ(region) and name in (None, model.name):
            return model
    known = "; ".join(f"{model.region}: {model.name}" for model in complication_models())
    asked = repr(region) if name is None else f"{region!r} by name {name!r}"
    raise MissingDataError(f"No complication model of {asked}; there are {known}.")
