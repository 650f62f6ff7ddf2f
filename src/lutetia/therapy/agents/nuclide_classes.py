"""By what the nuclides of the catalogue work."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from lutetia.therapy.agents.tables import cites, is_verified, rows


@dataclass(frozen=True, kw_only=True, slots=True)
class NuclideClass:
    """A nuclide, the radiation that does its work, and a remark."""

    nuclide: str
    works_by: Literal["alpha", "beta", "beta and Auger", "imaging"]
    what: str
    source: str
    verified: bool
    cites: tuple[str, ...]


@cache
def nuclide_classes() -> dict[str, NuclideClass]:
    """Class of each nuclide, by name."""
    return {
        row["nuclide"]: NuclideClass(
            nuclide=row["nuclide"],
            works_by=row["works_by"],  # type: ignore[arg-type]
            what=row["what"],
            source=row["source"],
            verified=is_verified(row),
            cites=cites(row),
        )
        for row in rows("nuclides.csv")
    }
