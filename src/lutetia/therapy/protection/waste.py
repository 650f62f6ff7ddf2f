"""How long waste must be stored, with long-lived impurities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lutetia.errors import InputError
from lutetia.physics.names import nuclide_name
from lutetia.therapy.protection.tables import Row, is_verified, number, rows
from lutetia.units import S_PER_DAY

LN2 = math.log(2.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """One nuclide in waste: activity, half-life, and the activity (or concentration) it may be cleared at. [Bq], [s]"""

    nuclide: str
    activity_bq: float
    half_life_s: float
    limit_bq: float

    def __post_init__(self) -> None:
        if not (self.activity_bq >= 0 and self.half_life_s > 0 and self.limit_bq > 0):
            raise InputError(
                f"{self.nuclide}: activity {self.activity_bq:g} Bq, half-life {self.half_life_s:g} s, limit "
                f"{self.limit_bq:g} Bq; expected 0 or more, above 0, above 0."
            )

    @property
    def storage_s(self) -> float:
        """Time until this nuclide alone is at its limit, ``T/ln 2 ln(A/L)``; 0 where it is below. [s]"""
        if self.activity_bq <= self.limit_bq:
            return 0.0
        return self.half_life_s / LN2 * math.log(self.activity_bq / self.limit_bq)


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Time waste is stored.

    Attributes
    ----------
    per_nuclide_s : (nuclide, time) of each alone. [s]
    longest_s : the largest of them. [s]
    together_s : until the activities over their limits sum to 1, never before ``longest_s``. [s]
    """

    per_nuclide_s: tuple[tuple[str, float], ...]
    longest_s: float
    together_s: float


def storage_time(contents: Sequence[Content]) -> Storage:
    """How long waste is stored until every nuclide, and all together, may be cleared.

    Progeny that grow in are left out: 177mLu in equilibrium brings 0.226 of its activity as 177Lu.

    Raises
    ------
    InputError
        Nothing in the waste.
    """
    if not contents:
        raise InputError("No nuclide in the waste; expected at least one.")
    alone = tuple((c.nuclide, c.storage_s) for c in contents)
    longest = max(time for _, time in alone)

    def excess(time_s: float) -> float:
        return sum(c.activity_bq / c.limit_bq * 2 ** (-time_s / c.half_life_s) for c in contents) - 1

    together = longest
    if excess(longest) > 1e-9:
        from scipy.optimize import brentq

        # with n nuclides at most n times their limit, log2(n) of the longest half-life is enough
        most = longest + max(c.half_life_s for c in contents) * (math.log2(len(contents)) + 1)
        together = float(brentq(excess, longest, most, xtol=1.0))
    return Storage(per_nuclide_s=alone, longest_s=longest, together_s=together)


@dataclass(frozen=True, kw_only=True, slots=True)
class Impurity:
    """A long-lived impurity: fractions of the activity of the nuclide, and when they hold."""

    nuclide: str
    impurity: str
    half_life_s: float
    fraction_low: float
    fraction_high: float
    when: str
    source: str
    verified: bool


def impurities(nuclide: str) -> tuple[Impurity, ...]:
    """Long-lived impurities of a nuclide, each reading of the half-life its own row; empty where none is known."""
    name = nuclide_name(nuclide)
    return tuple(
        Impurity(
            nuclide=name,
            impurity=row["impurity"],
            half_life_s=float(row["half_life [d]"]) * S_PER_DAY,
            fraction_low=float(row["fraction_low"]),
            fraction_high=float(row["fraction_high"]),
            when=row["when"],
            source=row["source"],
            verified=is_verified(row),
        )
        for row in rows("waste", "impurities.csv")
        if row["nuclide"] == name
    )


def impurity_fraction_at(
    fraction: float, *, time_s: float, half_life_s: float, impurity_half_life_s: float
) -> float:
    """Activity of the impurity over that of the nuclide, a time after the fraction was given."""
    if not (0 <= fraction < math.inf and half_life_s > 0 and impurity_half_life_s > 0):
        raise InputError(f"Fraction {fraction:g} of an impurity; expected 0 or more, and half-lives above 0.")
    return fraction * 2 ** (time_s / half_life_s - time_s / impurity_half_life_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clearance:
    """A clearance value that was quoted for a place, in people's units."""

    place: str
    nuclide: str
    quantity: str
    value: float
    unit: str
    source: str
    verified: bool


def clearance_values(nuclide: str) -> tuple[Clearance, ...]:
    """Clearance values of a nuclide, and those for any."""
    name = nuclide_name(nuclide)
    return tuple(_clearance(row) for row in rows("waste", "clearance.csv") if row["nuclide"] in ("any", name))


def _clearance(row: Row) -> Clearance:
    return Clearance(
        place=row["place"],
        nuclide=row["nuclide"],
        quantity=row["quantity"],
        value=number(row, "value") or 0.0,
        unit=row["unit"],
        source=row["source"],
        verified=is_verified(row),
    )
