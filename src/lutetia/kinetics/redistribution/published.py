"""Published transfer coefficients and fractions of daughters that come free."""

import csv
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from lutetia.errors import MissingDataError
from lutetia.kinetics.redistribution.scenario import ALL_REGIONS, Compartment, Leaving, Redistribution, Transfer
from lutetia.units import S_PER_DAY

ICRP_SOURCE = "ICRP Publication 137, tables 9.3, 10.3 and 13.3; Publications 130 and 141"


@cache
def _rows(publication: str, name: str) -> tuple[dict[str, str], ...]:
    table = files("lutetia.kinetics") / "data" / publication / name
    with table.open("r", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def icrp_redistribution(leaving: Iterable[Leaving], *, name: str = "ICRP 137 systemic models") -> Redistribution:
    """Scenario in which free bismuth, lead, radium and radon move as in the systemic models of ICRP.

    Free francium, astatine, polonium and thallium decay where they come free, as ICRP assumes for short-lived ones
    (Publication 141, paragraph 564). What comes free at all is for the caller to say.

    Parameters
    ----------
    leaving : fractions that leave at birth
    name : of the scenario

    References
    ----------
    ICRP Publication 137, Ann ICRP 46(3/4), 2017, doi:10.1177/0146645317734963. Human data: Newton et al., Hum Exp
    Toxicol 20, 601, 2001 (207Bi in a volunteer).
    """
    rows = tuple(leaving)
    transfers = _rows("icrp_137_systemic", "transfer.csv")
    warnings = [f"Transfer coefficients of {ICRP_SOURCE}: read in a transcription, not in the publications."]
    warnings += [
        f"{row.fraction:.0%} of {row.member} leaving {'every region' if row.region == ALL_REGIONS else row.region}: "
        f"not checked against {row.source}."
        for row in rows
        if not row.verified
    ]
    return Redistribution(
        name=name,
        leaving=rows,
        compartments=tuple(
            Compartment(name=row["compartment"], region=row["region"], excreted=row["excreted"] == "true")
            for row in _rows("icrp_137_systemic", "compartments.csv")
        ),
        transfers=tuple(
            Transfer(
                element=row["element"],
                source=row["source"],
                target=row["target"],
                rate_per_s=float(row["rate [1/d]"]) / S_PER_DAY,
            )
            for row in transfers
        ),
        sources=(ICRP_SOURCE, *dict.fromkeys(row.source for row in rows)),
        warnings=tuple(warnings),
    )


def published_members(parent: str) -> tuple[str, ...]:
    """Daughters of a parent for which there is a fraction that comes free at birth."""
    rows = _rows("daughter_release", "fractions.csv")
    found = (row["member"] for row in rows if row["parent"] == parent)
    return tuple(dict.fromkeys(found))


def published_releases(parent: str, setting: str) -> tuple[Leaving, ...]:
    """Fractions of daughters that come free at birth, of every region, as published.

    Parameters
    ----------
    parent : "Pb-212"
    setting : chelate ("DOTA"), or "recoil" for the upper limit that an alpha decay sets all free

    Raises
    ------
    MissingDataError
        The table has none; the message names what it has.
    """
    table = _rows("daughter_release", "fractions.csv")
    found = [row for row in table if (row["parent"], row["setting"]) == (parent, setting)]
    if not found:
        known = ", ".join(f"{row['parent']} with {row['setting']}" for row in table)
        raise MissingDataError(
            f"No fraction of daughters of {parent} that come free with {setting!r}; there are {known}."
        )
    return tuple(
        Leaving(
            member=row["member"],
            region=ALL_REGIONS,
            fraction=float(row["fraction"]),
            source=row["source"],
            verified=row["verified"] == "true",
        )
        for row in found
    )
