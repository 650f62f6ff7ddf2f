"""What is known of the red marrow's absorbed dose by one method."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lutetia.dose.absorbed_dose import UncertaintyComponent
from lutetia.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Decays:
    """Number of decays in a source, and its standard uncertainty; None when unknown. [Bq s]"""

    value_bq_s: float
    standard_uncertainty_bq_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.value_bq_s < math.inf:
            raise InputError(f"{self.value_bq_s} decays in a source; expected 0 or more.")

    @property
    def relative(self) -> float | None:
        """Relative standard uncertainty; None when unknown or without decays."""
        u = self.standard_uncertainty_bq_s
        return None if u is None or not self.value_bq_s > 0 else u / self.value_bq_s


@dataclass(frozen=True, kw_only=True, slots=True)
class MarrowDose:
    """Mean absorbed dose of red marrow by one method. [Gy]

    Attributes
    ----------
    method : short name
    description : the method in words
    marrow_decays_bq_s : decays in the marrow, None where the method has none
    self_charged_gy, self_photon_gy : of the marrow's own decays; None where the method does not part them
    cross_charged_gy, cross_photon_gy : of decays elsewhere; None where nothing is known of them
    mean_gy : sum of what is known
    standard_uncertainty_gy : None when unknown, never 0
    budget : relative to the mean
    source : of method and numbers
    """

    method: str
    description: str
    marrow_decays_bq_s: float | None
    self_charged_gy: float | None
    self_photon_gy: float | None
    cross_charged_gy: float | None
    cross_photon_gy: float | None
    mean_gy: float
    standard_uncertainty_gy: float | None
    budget: tuple[UncertaintyComponent, ...]
    source: str
    warnings: tuple[str, ...] = ()

    @property
    def self_gy(self) -> float | None:
        """By the marrow's own decays. [Gy]"""
        return _sum(self.self_charged_gy, self.self_photon_gy)

    @property
    def cross_gy(self) -> float | None:
        """By decays elsewhere. [Gy]"""
        return _sum(self.cross_charged_gy, self.cross_photon_gy)


def _sum(charged: float | None, photon: float | None) -> float | None:
    return None if charged is None or photon is None else charged + photon


Part = tuple[str, float | None]
"""Name of a component, and what it contributes to the absolute standard uncertainty (None: unknown). [Gy]"""


def budget_of(parts: Sequence[Part], mean_gy: float) -> tuple[tuple[UncertaintyComponent, ...], float | None]:
    """Relative components and the standard uncertainty; None when that of any component is unknown. [Gy]"""
    known = [(name, u) for name, u in parts if u is not None]
    components = tuple(
        UncertaintyComponent(name=n, relative=u / mean_gy) for n, u in known if u > 0 and mean_gy > 0
    )
    total = math.sqrt(sum(u**2 for _, u in known))
    return components, total if len(known) == len(parts) and total > 0 else None
