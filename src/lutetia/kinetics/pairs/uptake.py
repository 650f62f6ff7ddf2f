"""What is known of pairs: which there are, and by how much the uptake of the two differs."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from lutetia.errors import InputError
from lutetia.kinetics.population.model import kind_of_region
from lutetia.physics.nuclides import nuclide

SAME: Final = "same substance"
ASSUMED: Final = "assumed"


@dataclass(frozen=True, kw_only=True, slots=True)
class UptakeRatio:
    """Uptake of the therapeutic over that of the imaging agent, both per administered activity.

    Attributes
    ----------
    value : median
    relative_u : relative standard uncertainty, 0 for one and the same substance, None when unknown
    source, verified : where it is from, and whether a document that states it was read
    """

    value: float
    relative_u: float | None
    source: str
    verified: bool
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.value < 1e3:
            raise InputError(f"An uptake ratio of {self.value:g}; expected above 0 and below 1000.")
        if self.relative_u is not None and not 0 <= self.relative_u <= 2:
            raise InputError(f"An uptake ratio with {self.relative_u:.0%} uncertainty; expected from 0 to 200 %.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """An imaging and a therapeutic nuclide on one ligand.

    Attributes
    ----------
    imaging, therapy : for example "Pb-203", "Pb-212"
    without_ratio : what is taken where no ratio is published: "same substance", "assumed", "none"
    source, verified : of that
    """

    imaging: str
    therapy: str
    without_ratio: str
    source: str
    verified: bool

    @property
    def name(self) -> str:
        """For people: Pb-203/Pb-212."""
        return f"{self.imaging}/{self.therapy}"


@cache
def _rows(folder: str, name: str) -> tuple[Mapping[str, str], ...]:
    with (files("lutetia.kinetics") / "data" / folder / name).open("r", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def pair_rows() -> tuple[Mapping[str, str], ...]:
    """The table of pairs as text: what is assumed of uptake, and what agents and chemistry they have."""
    return _rows("theranostic_pairs", "pairs.csv")


def ratio_rows() -> tuple[Mapping[str, str], ...]:
    """The table of published ratios as text; only those ``used_for`` uptake multiply a curve."""
    return _rows("uptake_ratios", "uptake_ratios.csv")


@cache
def known_pairs() -> tuple[Pair, ...]:
    """The table of pairs."""
    return tuple(
        Pair(
            imaging=row["imaging"], therapy=row["therapy"], without_ratio=row["without_ratio"],
            source=row["ratio_source"], verified=row["ratio_verified"] == "true",
        )
        for row in pair_rows()
    )  # fmt: skip


def pair_of(imaging: str, therapy: str, *, given: bool = False) -> Pair:
    """The pair of two nuclides; one that is in no table has no ratios but the user's.

    Parameters
    ----------
    imaging, therapy : nuclides in any usual spelling; the same twice is one substance
    given : whether the user gives uptake ratios, with which any two nuclides make a pair

    Raises
    ------
    InputError
        Unknown nuclides, or a pair that is not known without ratios; the known ones are named.
    """
    one, two = nuclide(imaging).name, nuclide(therapy).name
    if one == two:
        return Pair(imaging=one, therapy=two, without_ratio=SAME, source="one nuclide", verified=True)
    for pair in known_pairs():
        if (pair.imaging, pair.therapy) == (one, two):
            return pair
    if not given:
        known = ", ".join(pair.name for pair in known_pairs())
        raise InputError(
            f"The pair {one}/{two} is not known; there are {known}. With an uptake ratio of your own for each region "
            "(--uptake-ratio kidney=1.0,20%) any two nuclides make a pair."
        )
    return Pair(imaging=one, therapy=two, without_ratio="none", source="chosen by the user", verified=True)


def uptake_ratio(
    pair: Pair, region: str, *, kind: str = "organ", agent: str = "", given: Mapping[str, UptakeRatio] | None = None
) -> UptakeRatio | None:
    """Uptake ratio of a region: the user's, a published one, or what the pair says; None where there is none.

    Parameters
    ----------
    pair : of nuclides
    region : standard name, "kidney left"
    kind : "lesion" finds the tumours' ratio whatever the region is called
    agent : its ligand must be that of a published ratio; empty takes it with a warning
    given : region or organ -> ratio of the user
    """
    organ = "lesion" if kind == "lesion" else kind_of_region(region)
    own = {name.strip().lower(): ratio for name, ratio in (given or {}).items()}
    stated = own.get(region.lower()) or own.get(kind_of_region(region)) or own.get(organ)
    if stated is not None:
        return stated
    published = _published(pair, organ, agent)
    if published is not None:
        return published
    if pair.without_ratio == SAME:
        return UptakeRatio(value=1.0, relative_u=0.0, source=pair.source, verified=pair.verified)
    if pair.without_ratio == ASSUMED:
        told = f"Equal uptake of {pair.imaging} and {pair.therapy} is an assumption of unknown uncertainty."
        return UptakeRatio(value=1.0, relative_u=None, source=pair.source, verified=pair.verified, warnings=(told,))
    return None


def _published(pair: Pair, organ: str, agent: str) -> UptakeRatio | None:
    for row in (row for row in ratio_rows() if row["used_for"] == "uptake"):
        same = (row["imaging"], row["therapy"], row["region"]) == (pair.imaging, pair.therapy, organ)
        if not same or (agent and row["ligand"].upper() not in agent.upper()):
            continue
        told = [
            "The uncertainty of the uptake ratio is that of the population's mean, without the spread "
            "between patients."
        ]
        if not agent:
            told.append(f"The uptake ratio is that of {row['ligand']}; the agent was not named (--agent).")
        return UptakeRatio(
            value=float(row["ratio"]), relative_u=float(row["relative_u"]), source=row["source"],
            verified=row["verified"] == "true", warnings=tuple(told),
        )  # fmt: skip
    return None
