"""What is assumed about daughters: which leave, where they go, how they move on."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lutetia.errors import InputError
from lutetia.physics.names import nuclide_name

ALL_REGIONS: Final = "*"
"""As a region: every region with a curve that has no fraction of its own for the daughter."""
EVERY_ELEMENT: Final = "*"
"""As an element: all of them, as for the contents of bladder and bowel."""
ROUNDING: Final = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class Compartment:
    """A pool of free daughters.

    Attributes
    ----------
    name : "kidneys urinary path"
    region : what its decays are counted for: "kidneys"
    excreted : whether it lies outside the body
    """

    name: str
    region: str
    excreted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaving:
    """Fraction of the atoms of a daughter that leave a region at their birth.

    Attributes
    ----------
    member : "Bi-213"
    region : of a parent's curve, or ``ALL_REGIONS``
    fraction : of the atoms born there, from 0 to 1
    target : compartment they go to
    source : of the number
    verified : whether it was compared with the source
    """

    member: str
    region: str
    fraction: float
    target: str = "plasma"
    source: str = "set by hand"
    verified: bool = True

    def __post_init__(self) -> None:
        if nuclide_name(self.member) != self.member:
            raise InputError(f"{self.member} leaving {self.region}: write {nuclide_name(self.member)!r}.")
        if not 0.0 <= self.fraction <= 1.0:
            raise InputError(
                f"{self.member} leaving {self.region}: fraction of {self.fraction}; expected a number from 0 to 1."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """First-order transfer of an element between compartments; a region with a curve is one too.

    Attributes
    ----------
    element : "Bi", or "*" for all of them
    source, target : compartments
    rate_per_s : [1/s]
    """

    element: str
    source: str
    target: str
    rate_per_s: float

    def __post_init__(self) -> None:
        where = f"Transfer of {self.element} from {self.source} to {self.target}"
        if self.element != EVERY_ELEMENT and not re.fullmatch("[A-Z][a-z]?", self.element):
            raise InputError(f"{where}: expected the symbol of an element as in 'Bi', or '*' for all of them.")
        if not 0.0 <= self.rate_per_s < math.inf:
            raise InputError(
                f"{where}: rate of {self.rate_per_s} 1/s; expected a finite number that is not negative."
            )
        if self.source == self.target:
            raise InputError(f"{where}: leads to where it starts.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Redistribution:
    """A scenario of what daughters do.

    Attributes
    ----------
    name : that results carry as their assumption
    leaving : fractions that leave at birth; where there is none, daughters stay
    compartments, transfers : where free daughters are, and how they move
    sources : of the numbers
    warnings : what of them is not verified
    """

    name: str
    leaving: tuple[Leaving, ...] = ()
    compartments: tuple[Compartment, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    sources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _refuse_twice(self.name, "compartment", (c.name for c in self.compartments))
        _refuse_twice(self.name, "transfer", (f"{t.element} {t.source} to {t.target}" for t in self.transfers))
        _refuse_twice(
            self.name, "leaving", (f"{row.member} from {row.region} to {row.target}" for row in self.leaving)
        )
        for member, region in {(row.member, row.region) for row in self.leaving}:
            total = math.fsum(row.fraction for row in self.leaving if (row.member, row.region) == (member, region))
            if total > 1.0 + ROUNDING:
                raise InputError(
                    f"{self.name}: fractions of {member} that leave {region} add up to {total:g}; at most 1 can leave."
                )

    def leaving_of(self, member: str, region: str) -> tuple[Leaving, ...]:
        """What leaves a region of a daughter: rows of this region, or those of all regions."""
        rows = [row for row in self.leaving if row.member == member]
        own = tuple(row for row in rows if row.region == region)
        return own or tuple(row for row in rows if row.region == ALL_REGIONS)

    def rates_of(self, element: str) -> tuple[Transfer, ...]:
        """Transfers of an element."""
        return tuple(t for t in self.transfers if t.element in (element, EVERY_ELEMENT) and t.rate_per_s > 0.0)


def _refuse_twice(name: str, kind: str, items: Iterable[str]) -> None:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            raise InputError(f"{name}: {kind} {item} stands there twice.")
        seen.add(item)


EQUILIBRIUM: Final = Redistribution(name="equilibrium: every daughter decays where its parent did")
"""Nothing leaves."""
