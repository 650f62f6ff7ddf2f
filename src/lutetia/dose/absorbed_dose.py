"""Absorbed dose of a region: value, standard uncertainty with its budget, method."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class UncertaintyComponent:
    """One term of an uncertainty budget: relative standard uncertainty of the absorbed dose."""

    name: str
    relative: float
    shared: bool = False
    """Whether the same error acts on all regions (a calibration factor does)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AbsorbedDose:
    """Absorbed dose of one region.

    Attributes
    ----------
    region, kind : name and kind of the region
    mass_g : mass that the energy is divided by
    mean_gy : mean absorbed dose
    standard_uncertainty_gy : None when unknown, never 0
    method : how the mean was computed, in words
    budget : relative components, combined in quadrature
    interval_95_gy : holds the mean dose with a probability of 95 %, None when unknown; it need not be symmetric
    dvh_dose_gy, dvh_volume_fraction : cumulative dose-volume histogram, empty when there is none
    cross_checks : other methods' mean doses by name. [Gy]
    """

    region: str
    kind: str
    mass_g: float
    mean_gy: float
    standard_uncertainty_gy: float | None
    method: str
    budget: tuple[UncertaintyComponent, ...] = ()
    interval_95_gy: tuple[float, float] | None = None
    dvh_dose_gy: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    dvh_volume_fraction: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    cross_checks: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
