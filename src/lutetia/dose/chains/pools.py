"""Which sources of the reference person the regions of a chain's decays are."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from lutetia.dose.organ_level.coefficients import ReferenceTable
from lutetia.dose.organ_level.doses import REMAINDER
from lutetia.dose.organ_level.folding import PAIRED

EXCRETED: Final = "excreted"
BLOOD: Final = "blood"
Shares = tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Sources that stand for a pool, with the share of its decays; and where the shares are from."""

    shares: Shares
    reference: str
    verified: bool


@cache
def pools() -> Mapping[str, Pool]:
    """Pools of free daughters that are no source of the reference person themselves.

    Blood lies in organs by their share of all blood; of decays on and in bone the share that irradiates red marrow
    with alphas counts there. The rest of each counts in the remainder.

    References
    ----------
    ICRP Publication 89, Ann ICRP 32(3-4), 2002, table 2.14; ICRP Publication 30 part 1, Ann ICRP 2(3-4), 1979.
    """
    table = files("lutetia.dose") / "data" / "daughter_pools" / "pools.csv"
    with table.open("r", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        name: Pool(
            shares=_complete([(row["source"], float(row["share"])) for row in rows if row["pool"] == name]),
            reference=next(row["reference"] for row in rows if row["pool"] == name),
            verified=all(row["verified"] == "true" for row in rows if row["pool"] == name),
        )
        for name in dict.fromkeys(row["pool"] for row in rows)
    }


def _complete(shares: list[tuple[str, float]]) -> Shares:
    rest = 1.0 - sum(share for _, share in shares)
    return (*shares, (REMAINDER, rest)) if rest > 0.0 else tuple(shares)


def organ_in(table: ReferenceTable, region: str) -> str | None:
    """The source of a table that a region is, also from its singular; None where there is none."""
    return next((name for name in (region, f"{region}s") if name in table.sources), None)


def shares_of(region: str, table: ReferenceTable, sides: Mapping[str, float]) -> Shares | None:
    """Sources with their share of a region's decays; none for what is excreted, None for what the table does not have.

    Parameters
    ----------
    region : of decays
    table : of the reference person
    sides : masses [g] of both of each pair of which one or both have a curve; the pair's decays go to them by mass
    """
    if region == EXCRETED:
        return ()
    organ = organ_in(table, region)
    shares: Shares | None = ((organ, 1.0),) if organ is not None else None
    if shares is None and region in pools():
        shares = pools()[region].shares
    if shares is None:
        return None
    return tuple(part for source, share in shares for part in _by_side(source, share, sides))


def _by_side(source: str, share: float, sides: Mapping[str, float]) -> Shares:
    both = PAIRED.get(source, ())
    if not both or not all(side in sides for side in both):
        return ((source, share),)
    total = sum(sides[side] for side in both)
    return tuple((side, share * sides[side] / total) for side in both)
