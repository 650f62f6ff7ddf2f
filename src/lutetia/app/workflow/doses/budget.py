"""The uncertainty budget of a region in a case: which error is how large, and what follows from it."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.case.settings import Case
from lutetia.app.workflow.kinetics.regions import KineticsChoice, fit_region
from lutetia.app.workflow.measure import REGISTRATION_MM, REMAINDER, REPEATABILITY
from lutetia.dose.absorbed_dose import UncertaintyComponent
from lutetia.dose.uncertainty import dose_budget
from lutetia.dose.uncertainty.time_course import Refit, time_course_components
from lutetia.dose.uncertainty.volume import (
    displacement_relative_uncertainty,
    surface_area_mm2,
    volume_relative_uncertainty,
)
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.fit import fit_curve, fit_trapezoid
from lutetia.kinetics.models import KEYS
from lutetia.physics.nuclides import nuclide

DRAWN_BOUNDARY_MM: Final = 0.5
"""Systematic error assumed of a drawn outline (k=1)."""
AUTOMATIC_BOUNDARY_VOXELS: Final = 0.5
"""The same of an outline found from SPECT, in SPECT voxels."""

Array = NDArray[np.float64]


def region_budget(
    case: Case,
    choice: KineticsChoice,
    regions: Regions,
    region: Region,
    voxels: Volume,
    curve: TimeActivityCurve,
    fit: CurveFit,
    *,
    recoveries: Sequence[float],
    scatter_to_primary: float | None,
    statistics: float | None,
) -> tuple[UncertaintyComponent, ...]:
    """Components of a region's absorbed dose.

    Parameters
    ----------
    voxels : the dose map, whose voxels are those of the SPECT
    recoveries : of the scans that were corrected for partial volume
    scatter_to_primary : of the reference scan, None where nothing was subtracted
    statistics : relative, of a Monte Carlo calculation of the dose
    """
    surface = 0.0
    if region.name != REMAINDER:
        surface = surface_area_mm2(regions.mask(region.name), regions.grid.spacing_mm)
    parts = _point_parts(curve, regions, region, surface)
    return dose_budget(
        calibration=case.camera.sensitivity_relative_uncertainty,
        fit=time_course_components(curve, fit, refit=_refit(case, choice, fit, region), parts=parts) or None,
        volume=_volume_uncertainty(case, regions, region, surface, voxels),
        # the scan that needed the largest correction
        recovery_coefficient=max(recoveries, key=lambda r: abs(1 - r)) if recoveries else None,
        scatter_to_primary=scatter_to_primary,
        statistics=statistics,
    )


def _refit(case: Case, choice: KineticsChoice, fit: CurveFit, region: Region) -> Refit:
    """The fit that was made, its model held."""
    element = nuclide(str(case.nuclide))
    if fit.model.startswith("trapezoid"):
        return lambda curve: fit_trapezoid(curve, decay_constant_per_s=element.decay_constant_per_s)
    key = KEYS.get(fit.model)
    if key is not None:
        return lambda curve: fit_curve(curve, decay_constant_per_s=element.decay_constant_per_s, model=key)
    return lambda curve: fit_region(curve, nuclide=element, kind=region.kind, choice=choice)


def _point_parts(
    curve: TimeActivityCurve, regions: Regions, region: Region, surface_mm2: float
) -> Mapping[str, Array] | None:
    """Relative uncertainty of each point by cause; None where that of the points is unknown.

    Repeatability and, with several scans, motion between them are part of each point's (``measure``); what remains is
    counting.
    """
    u = curve.standard_uncertainty_bq
    if u is None:
        return None
    own = np.divide(u, curve.activity_bq, out=np.zeros_like(u), where=curve.activity_bq > 0)
    motion = 0.0
    if surface_mm2 > 0 and curve.time_s.size > 1:
        motion = displacement_relative_uncertainty(
            surface_mm2=surface_mm2,
            volume_mm3=regions.volume_ml(region.name) * 1e3,
            displacement_mm=REGISTRATION_MM,
        )
    camera = np.minimum(REPEATABILITY, own)
    moved = np.minimum(motion, np.sqrt(own**2 - camera**2))
    counting = np.sqrt(np.maximum(own**2 - camera**2 - moved**2, 0.0))
    return {"count rate": counting, "registration and motion": moved, "repeatability": camera}


def _volume_uncertainty(case: Case, regions: Regions, region: Region, surface_mm2: float, dose: Volume) -> float:
    """Relative uncertainty of a region's volume, from its surface unless the case gives it."""
    if region.name == REMAINDER:
        return 0.0
    if case.volume_relative_uncertainty is not None:
        return case.volume_relative_uncertainty
    boundary = DRAWN_BOUNDARY_MM
    if region.source == "automatic":
        boundary = AUTOMATIC_BOUNDARY_VOXELS * math.prod(dose.grid.spacing_mm) ** (1 / 3)
    return volume_relative_uncertainty(
        surface_mm2=surface_mm2, volume_mm3=regions.volume_ml(region.name) * 1e3, boundary_mm=boundary
    )
