"""All S coefficients of a reference person, with the masses they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.dose.s_values.table import shipped_table, table_s_coefficients
from lutetia.errors import InputError
from lutetia.physics.anatomy import Sex

MassConvention = Literal["without blood", "with blood"]

CONVENTIONS: Final[Mapping[MassConvention, str]] = {
    "without blood": "organ masses without their blood (ICRP 89, ICRP 110)",
    "with blood": "organ masses with their blood (ICRP 133)",
}
"""What a reference mass counts. The adult male kidneys weigh 310 g without and 422 g with their blood: an S coefficient
of the one divided by a mass of the other is a third wrong."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReferenceTable:
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


def reference_table(
    entries: list[SCoefficient], *, nuclide: str, phantom: str, convention: MassConvention, origin: str
) -> ReferenceTable:
    """A table from its entries.

    Raises
    ------
    InputError
        An entry stands twice, a target has two masses, or a value cannot be.
    """
    table: dict[tuple[str, str], SCoefficient] = {}
    masses: dict[str, float] = {}
    for entry in entries:
        _require_possible(entry)
        pair = (entry.target, entry.source)
        if pair in table:
            raise InputError(f"S({entry.target} <- {entry.source}) stands twice in the table of {phantom}.")
        mass_g = masses.setdefault(entry.target, entry.target_mass_g)
        if mass_g != entry.target_mass_g:
            raise InputError(
                f"{entry.target} of {phantom} has two masses, {mass_g:g} and {entry.target_mass_g:g} g."
            )
        table[pair] = entry
    return ReferenceTable(nuclide=nuclide, phantom=phantom, convention=convention, origin=origin, entries=table)


def _require_possible(entry: SCoefficient) -> None:
    where = f"S({entry.target} <- {entry.source})"
    if not entry.target_mass_g > 0:
        raise InputError(f"{where}: reference mass of {entry.target_mass_g} g; expected more than 0.")
    for name, value in (("charged", entry.charged_gy_per_bq_s), ("photon", entry.photon_gy_per_bq_s)):
        if not 0 <= value < float("inf"):
            raise InputError(f"{where}: {name} part of {value} Gy/(Bq s); expected 0 or more.")


def shipped_reference_table(sex: Sex, nuclide: str) -> ReferenceTable:
    """S coefficients of the adult phantom whose absorbed fractions come with Lutetia; masses without blood.

    Raises
    ------
    MissingDataError
        This installation has no such table.
    """
    table = shipped_table(sex)
    pairs = set(table.photon)
    entries = [
        coefficient
        for source in table.sources
        for coefficient in table_s_coefficients(
            table, source=source, nuclide=nuclide, targets=[t for t in table.targets if (source, t) in pairs]
        )
    ]
    return reference_table(
        entries, nuclide=nuclide, phantom=f"{table.name} ({sex})", convention="without blood",
        origin=str(table.source.get("title", "specific absorbed fractions computed by Lutetia")),
    )  # fmt: skip
