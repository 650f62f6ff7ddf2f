"""S coefficients of a reference person, split by radiation, with the masses they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from lutetia.errors import InputError

MassConvention = Literal["without blood", "with blood"]

CONVENTIONS: Final[Mapping[MassConvention, str]] = {
    "without blood": "organ masses without their blood (ICRP 89, ICRP 110)",
    "with blood": "organ masses with their blood (ICRP 133)",
}
"""What a reference mass counts. The adult male kidneys weigh 310 g without and 422 g with their blood: an S coefficient
of the one divided by a mass of the other is a third wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SCoefficient:
    """Mean absorbed dose to a target per decay in a source, for a reference person.

    Attributes
    ----------
    source, target : names of regions in standard terms
    charged_gy_per_bq_s : by electrons, alphas, recoil and photons below 10 keV. [Gy/(Bq s)]
    photon_gy_per_bq_s : by photons. [Gy/(Bq s)]
    target_mass_g : of the reference person. [g]
    u_relative : relative standard uncertainty (statistics of the table), None when unknown
    """

    source: str
    target: str
    charged_gy_per_bq_s: float
    photon_gy_per_bq_s: float
    target_mass_g: float
    u_relative: float | None = None

    def __post_init__(self) -> None:
        where = f"S({self.target} <- {self.source})"
        if not self.target_mass_g > 0:
            raise InputError(f"{where}: reference mass of {self.target_mass_g} g; expected more than 0.")
        for name, value in (("charged", self.charged_gy_per_bq_s), ("photon", self.photon_gy_per_bq_s)):
            if not 0 <= value < float("inf"):
                raise InputError(f"{where}: {name} part of {value} Gy/(Bq s); expected 0 or more.")

    @property
    def total_gy_per_bq_s(self) -> float:
        """Of all radiation, unscaled. [Gy/(Bq s)]"""
        return self.charged_gy_per_bq_s + self.photon_gy_per_bq_s


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SCoefficients:
    """All S coefficients of one nuclide in one reference person.

    Attributes
    ----------
    nuclide : for example "Lu-177"; progeny are not included
    phantom : which reference person, for people
    convention : whether the reference masses count blood
    origin : where the table comes from, for people
    entries : (target, source) -> coefficient
    """

    nuclide: str
    phantom: str
    convention: MassConvention
    origin: str
    entries: Mapping[tuple[str, str], SCoefficient]

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, in the table's order."""
        return tuple(dict.fromkeys(source for _, source in self.entries))

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets, in the table's order."""
        return tuple(dict.fromkeys(target for target, _ in self.entries))

    def mass_g(self, target: str) -> float:
        """Reference mass of a target. [g]

        Raises
        ------
        InputError
            The table has no such target.
        """
        for (name, _), entry in self.entries.items():
            if name == target:
                return entry.target_mass_g
        raise InputError(
            f"No target {target!r} in the S coefficients of {self.phantom}; there are {', '.join(self.targets)}."
        )


def s_coefficients_of(
    entries: list[SCoefficient], *, nuclide: str, phantom: str, convention: MassConvention, origin: str
) -> SCoefficients:
    """A table from its entries.

    Raises
    ------
    InputError
        An entry stands twice, or a target has two masses.
    """
    table: dict[tuple[str, str], SCoefficient] = {}
    masses: dict[str, float] = {}
    for entry in entries:
        pair = (entry.target, entry.source)
        if pair in table:
            raise InputError(f"S({entry.target} <- {entry.source}) stands twice in the table of {phantom}.")
        mass_g = masses.setdefault(entry.target, entry.target_mass_g)
        if mass_g != entry.target_mass_g:
            raise InputError(
                f"{entry.target} of {phantom} has two masses, {mass_g:g} and {entry.target_mass_g:g} g."
            )
        table[pair] = entry
    return SCoefficients(nuclide=nuclide, phantom=phantom, convention=convention, origin=origin, entries=table)
