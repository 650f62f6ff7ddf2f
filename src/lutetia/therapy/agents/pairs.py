"""Theranostic pairs: what the chemistry of imaging and therapy shares, and what was measured of the difference."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from lutetia.kinetics.pairs.uptake import pair_rows, ratio_rows
from lutetia.physics.nuclides import nuclide
from lutetia.therapy.agents.tables import cites, is_verified, number


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedRatio:
    """A published ratio of therapy to imaging, of uptake or for comparison.

    Attributes
    ----------
    vector, region : of what
    quantity : what the ratio is of
    ratio : therapy over imaging
    relative_standard_error : None where not stated
    at : when each was measured, in words
    patients : None where not stated
    """

    vector: str
    region: str
    quantity: str
    ratio: float
    relative_standard_error: float | None
    at: str
    patients: int | None
    source: str
    verified: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A nuclide for imaging and one for therapy.

    Attributes
    ----------
    imaging, therapy : nuclides
    imaging_agent, therapy_agent : examples
    chemistry : identical of the same element in the same molecule; similar or different otherwise
    differs : what to keep in mind
    cites : numbers of the statements that it holds
    ratios : what was measured
    """

    imaging: str
    therapy: str
    imaging_agent: str
    therapy_agent: str
    chemistry: Literal["identical", "similar", "different"]
    differs: str
    source: str
    verified: bool
    cites: tuple[str, ...]
    ratios: tuple[PublishedRatio, ...]

    @property
    def same_element(self) -> bool:
        """Whether both nuclides are of one element."""
        return self.imaging.split("-")[0] == self.therapy.split("-")[0]

    @property
    def half_life_ratio(self) -> float:
        """Half-life of the therapeutic nuclide over that of imaging; far above 1, late times are not seen."""
        return nuclide(self.therapy).half_life_s / nuclide(self.imaging).half_life_s


@cache
def pairs() -> tuple[Pair, ...]:
    """All theranostic pairs, in the order of the table."""
    return tuple(
        Pair(
            imaging=row["imaging"],
            therapy=row["therapy"],
            imaging_agent=row["imaging_agent"],
            therapy_agent=row["therapy_agent"],
            chemistry=row["chemistry"],  # type: ignore[arg-type]
            differs=row["differs"],
            source=row["source"],
            verified=is_verified(row),
            cites=cites(row),
            ratios=tuple(_ratios(row["imaging"], row["therapy"])),
        )
        for row in pair_rows()
    )


def _ratios(imaging: str, therapy: str) -> Iterable[PublishedRatio]:
    for row in ratio_rows():
        if (row["imaging"], row["therapy"]) == (imaging, therapy):
            # a publication states the ratio, or the two values it is of
            ratio = float(row["ratio"] or float(row["of_therapy"]) / float(row["of_imaging"]))
            error, patients = number(row, "relative_u"), number(row, "patients")
            yield PublishedRatio(
                vector=row["ligand"],
                region=row["region"],
                quantity=row["quantity"],
                ratio=ratio,
                relative_standard_error=error,
                at=row["at"],
                patients=None if patients is None else int(patients),
                source=row["source"],
                verified=is_verified(row),
            )
