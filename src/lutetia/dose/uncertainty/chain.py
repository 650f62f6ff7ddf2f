"""One region from count rates to absorbed dose, as a model of measurement whose errors can be propagated."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.uncertainty.propagation import Model, lognormal_factor
from lutetia.dose.uncertainty.time_course import Refit
from lutetia.errors import InputError
from lutetia.kinetics.curve import TimeActivityCurve

Array = NDArray[np.float64]

CALIBRATION = "calibration"
SCATTER = "scatter correction"
ENERGY = "decay energy"
DENSITY = "density"

LEAST_RADIUS = 0.05
"""Share of a radius that an outline drawn too tight keeps at least."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MeasuredRegion:
    r"""What was measured of a region, and with which uncertainties (k=1, relative unless said).

    .. math:: A_i = \frac{C_i(V)}{Q\,R(V)}, \qquad D = \tilde A[A_1 \dots A_n]\; S(\rho V)

    Calibration, scatter, decay energy and density have one error for all regions; outline, recovery and counts of each scan
    one for each region. The outline's error is a distance: the volume is that of a sphere with its radius changed. Factors
    err log-normally with median 1, count rates normally, never below 0.

    Attributes
    ----------
    region : name
    time_s, count_rate_cps : (n,) of the scans, counts inside the outline
    count_relative : (n,) of the count rates
    sensitivity_cps_per_bq, sensitivity_relative : Q
    volume_ml, boundary_mm : V, and u of its boundary. [mL], [mm]
    recovery, recovery_relative : R by volume [mL], and u of the curve
    counts_power : d ln C / d ln V of an outline that errs, p/R (``volume.volume_sensitivity``)
    density_g_per_ml, density_relative : ρ
    s_gy_per_bq_s, energy_relative : S by mass [g], and u of the energy per decay
    scatter_relative : of the count rates by their scatter correction
    refit : the fit of a curve
    """

    region: str
    time_s: Array
    count_rate_cps: Array
    count_relative: Array
    sensitivity_cps_per_bq: float
    volume_ml: float
    recovery: Callable[[float], float]
    counts_power: float
    s_gy_per_bq_s: Callable[[float], float]
    refit: Refit
    density_g_per_ml: float = 1.04
    sensitivity_relative: float = 0.0
    boundary_mm: float = 0.0
    recovery_relative: float = 0.0
    density_relative: float = 0.0
    energy_relative: float = 0.0
    scatter_relative: float = 0.0

    def __post_init__(self) -> None:
        if not self.time_s.shape == self.count_rate_cps.shape == self.count_relative.shape:
            raise InputError(f"{self.region}: times, count rates and their uncertainties differ in number.")
        if not (self.volume_ml > 0 and self.sensitivity_cps_per_bq > 0 and self.density_g_per_ml > 0):
            raise InputError(f"{self.region}: expected a volume, a sensitivity and a density above 0.")

    @property
    def sources(self) -> tuple[str, ...]:
        """Errors that act on this region's dose; those with its name are its own."""
        sizes = {
            CALIBRATION: self.sensitivity_relative,
            SCATTER: self.scatter_relative,
            ENERGY: self.energy_relative,
            DENSITY: self.density_relative,
            self._own("outline"): self.boundary_mm,
            self._own("recovery"): self.recovery_relative,
        }
        sizes |= {self._own(f"counts {i + 1}"): float(u) for i, u in enumerate(self.count_relative)}
        return tuple(name for name, u in sizes.items() if u > 0)

    def _own(self, what: str) -> str:
        return f"{self.region}: {what}"

    def volume_with(self, errors: Mapping[str, float]) -> float:
        """Volume of an outline that errs. [mL]"""
        radius_mm = (3 * self.volume_ml * 1e3 / (4 * math.pi)) ** (1 / 3)
        change = self.boundary_mm * errors.get(self._own("outline"), 0.0) / radius_mm
        return self.volume_ml * float(max(1 + change, LEAST_RADIUS)) ** 3

    def curve_with(self, errors: Mapping[str, float]) -> TimeActivityCurve:
        """Time-activity curve that these errors would have given; their uncertainties are those of the counts."""
        volume = self.volume_with(errors)
        noise = np.array([errors.get(self._own(f"counts {i + 1}"), 0.0) for i in range(self.time_s.size)])
        counts = self.count_rate_cps * np.maximum(1 + self.count_relative * noise, 0.0)
        factor = (
            lognormal_factor(errors.get(SCATTER, 0.0), self.scatter_relative)
            * (volume / self.volume_ml) ** self.counts_power
            / self.sensitivity_cps_per_bq
            / lognormal_factor(errors.get(CALIBRATION, 0.0), self.sensitivity_relative)
            / self.recovery(volume)
            / lognormal_factor(errors.get(self._own("recovery"), 0.0), self.recovery_relative)
        )
        u = factor * self.count_rate_cps * self.count_relative
        return TimeActivityCurve(
            region=self.region,
            time_s=self.time_s,
            activity_bq=counts * factor,
            standard_uncertainty_bq=u if np.all(u > 0) else None,
        )

    def absorbed_dose_gy(self, errors: Mapping[str, float] | None = None) -> float:
        """Absorbed dose that these errors would have given, in units of their standard deviations by source. [Gy]"""
        errors = errors or {}
        fit = self.refit(self.curve_with(errors))
        density = self.density_g_per_ml * lognormal_factor(errors.get(DENSITY, 0.0), self.density_relative)
        energy = lognormal_factor(errors.get(ENERGY, 0.0), self.energy_relative)
        mass_g = density * self.volume_with(errors)
        return fit.time_integrated_activity_bq_s * self.s_gy_per_bq_s(mass_g) * energy


def doses_model(regions: Sequence[MeasuredRegion]) -> tuple[Model, tuple[str, ...]]:
    """Absorbed doses of several regions as one model, and all its sources, those that are shared named once."""
    sources = tuple(dict.fromkeys(name for region in regions for name in region.sources))

    def model(errors: Mapping[str, float]) -> Array:
        return np.array([region.absorbed_dose_gy(errors) for region in regions])

    return model, sources
