"""Absorbed dose of a target by chain member and radiation."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from lutetia.errors import InputError

Radiation = Literal["alpha", "recoil", "electron", "photon"]
USUAL_HALF_LIVES: Final = 20
"""Of the parent, after which a millionth is left: the horizon where none is given."""
RADIATIONS: Final[tuple[Radiation, ...]] = ("alpha", "recoil", "electron", "photon")


@dataclass(frozen=True, kw_only=True, slots=True)
class RadiationDose:
    """Mean absorbed dose by radiation, unweighted. [Gy]

    Attributes
    ----------
    alpha_gy, recoil_gy : alpha particles; nuclei after their emission
    electron_gy : beta, conversion and Auger electrons, and photons below 10 keV, which go less than 3 mm
    photon_gy : other photons
    """

    alpha_gy: float = 0.0
    recoil_gy: float = 0.0
    electron_gy: float = 0.0
    photon_gy: float = 0.0

    @property
    def total_gy(self) -> float:
        """Sum. [Gy]"""
        return math.fsum((self.alpha_gy, self.recoil_gy, self.electron_gy, self.photon_gy))

    @property
    def high_let_gy(self) -> float:
        """Alpha particles and recoil. [Gy]"""
        return self.alpha_gy + self.recoil_gy

    @property
    def low_let_gy(self) -> float:
        """Electrons and photons. [Gy]"""
        return self.electron_gy + self.photon_gy

    def of(self, radiation: Radiation) -> float:
        """Of one radiation. [Gy]"""
        return float(getattr(self, f"{radiation}_gy"))

    def times(self, factor: float) -> "RadiationDose":
        """All of it by a factor."""
        return RadiationDose(
            alpha_gy=factor * self.alpha_gy,
            recoil_gy=factor * self.recoil_gy,
            electron_gy=factor * self.electron_gy,
            photon_gy=factor * self.photon_gy,
        )


def summed(parts: Iterable[RadiationDose]) -> RadiationDose:
    """Sum by radiation."""
    listed = list(parts)
    return RadiationDose(
        alpha_gy=math.fsum(part.alpha_gy for part in listed),
        recoil_gy=math.fsum(part.recoil_gy for part in listed),
        electron_gy=math.fsum(part.electron_gy for part in listed),
        photon_gy=math.fsum(part.photon_gy for part in listed),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainAbsorbedDose:
    """Mean absorbed dose of one target from a decay chain, unweighted.

    Nothing of it has a default that would hide an assumption: a dose without its horizon cannot be made.

    Attributes
    ----------
    target : name of the region
    by_member : chain member -> dose by radiation. [Gy], or [Gy/Bq] where activities were given per administered activity
    mass_g : of the target
    horizon_s : until when decays count, infinite for complete decay. [s]
    assumption : about where daughters decay
    sources : of the numbers of that assumption
    method : in words
    standard_uncertainty_gy : of curves, mass and what all curves share; None when one of them is unknown, never 0
    warnings : what a reader must know
    """

    target: str
    by_member: Mapping[str, RadiationDose]
    mass_g: float
    horizon_s: float
    assumption: str
    sources: tuple[str, ...]
    method: str
    standard_uncertainty_gy: float | None
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.horizon_s > 0.0:
            raise InputError(f"{self.target}: horizon_s of {self.horizon_s}; expected a time after 0.")
        if not self.mass_g > 0.0:
            raise InputError(f"{self.target}: mass of {self.mass_g} g; expected more than 0.")
        if not self.assumption.strip():
            raise InputError(f"{self.target}: a dose of a chain needs its assumption about the daughters.")

    @property
    def by_radiation(self) -> RadiationDose:
        """All members together."""
        return summed(self.by_member.values())

    @property
    def total_gy(self) -> float:
        """All members and radiations. [Gy]"""
        return self.by_radiation.total_gy

    def times(self, factor: float) -> "ChainAbsorbedDose":
        """The dose of ``factor`` times the activity."""
        u = self.standard_uncertainty_gy
        return replace(
            self,
            by_member={name: dose.times(factor) for name, dose in self.by_member.items()},
            standard_uncertainty_gy=None if u is None else factor * u,
        )


def combined(parts: Sequence[ChainAbsorbedDose]) -> ChainAbsorbedDose:
    """Doses of one target from chains that were measured apart, as of one course.

    Uncertainties are taken as independent.

    Raises
    ------
    InputError
        Nothing given; another target, mass, horizon or assumption; a member in two of them, which would count twice.
    """
    if not parts:
        raise InputError("No doses to combine.")
    first = parts[0]
    together: dict[str, RadiationDose] = {}
    for part in parts:
        for what in ("target", "mass_g", "horizon_s", "assumption"):
            if getattr(part, what) != getattr(first, what):
                raise InputError(
                    f"Doses of {first.target} and {part.target} differ in {what}: {getattr(first, what)} and "
                    f"{getattr(part, what)}."
                )
        for member, dose in part.by_member.items():
            if member in together:
                raise InputError(
                    f"{member} in {part.target} is counted twice: through its parent, and by itself or another parent."
                )
            together[member] = dose
    known = [part.standard_uncertainty_gy for part in parts]
    return replace(
        first,
        by_member=together,
        sources=tuple(dict.fromkeys(source for part in parts for source in part.sources)),
        method="; ".join(dict.fromkeys(part.method for part in parts)),
        standard_uncertainty_gy=None if None in known else math.hypot(*(u for u in known if u is not None)),
        warnings=tuple(dict.fromkeys(told for part in parts for told in part.warnings)),
    )
