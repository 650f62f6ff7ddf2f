"""From fits to absorbed doses: maps, means, histograms, uncertainty."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.case import Case
from lutetia.app.report.content import RegionResult
from lutetia.app.workflow.measure import REMAINDER, Occupancy, ScanMeasurement
from lutetia.app.workflow.quantify import QuantifiedScan
from lutetia.dose.absorbed_dose import AbsorbedDose
from lutetia.dose.histogram import dose_volume_histogram
from lutetia.dose.kernel import photon_dose_by_kernel
from lutetia.dose.local import local_absorbed_dose
from lutetia.dose.organ import mean_absorbed_dose, self_dose_of_sphere
from lutetia.dose.uncertainty import combined, dose_budget, surface_area_mm2, volume_relative_uncertainty
from lutetia.images.acquisition import TimePoint
from lutetia.images.regions import Region, Regions
from lutetia.images.register import Registration, moved_onto
from lutetia.images.resample import average_onto
from lutetia.images.volume import Volume
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.time_integrated_map import time_integrated_activity_map
from lutetia.physics.materials import density_from_hu
from lutetia.physics.nuclides import Nuclide

Progress = Callable[[str, float], None]

SOFT_TISSUE_G_PER_ML: Final = 1.04
DRAWN_BOUNDARY_MM: Final = 0.5
"""Systematic error assumed of a drawn outline (k=1)."""
AUTOMATIC_BOUNDARY_VOXELS: Final = 0.5
"""The same of an outline found from SPECT, in SPECT voxels."""
SPILL_IN: Final = 1.15
"""Measured over true activity above which a region's dose carries a warning."""
METHOD: Final = "charged particles of the region's own decays by mass, photons by point kernel in water"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DoseMaps:
    """Maps on the reference image's grid."""

    time_integrated_activity: Volume
    dose: Volume
    photons: Volume
    density: Volume
    warnings: tuple[str, ...]


def registered_time_points(
    scans: Sequence[QuantifiedScan], registrations: Sequence[Registration], reference: int
) -> tuple[TimePoint, ...]:
    """Every image on the reference image's grid."""
    grid = scans[reference].image.grid
    points = []
    for number, (scan, registration) in enumerate(zip(scans, registrations, strict=True)):
        image = scan.image
        if number != reference and not image.grid.same_as(grid):
            image = moved_onto(image, registration, grid)
        points.append(TimePoint(label=scan.loaded.label, time_s=scan.loaded.time_s, image=image))
    return tuple(points)


def dose_maps(
    nuclide: Nuclide,
    reference: QuantifiedScan,
    points: Sequence[TimePoint],
    occupancy: Occupancy,
    fits: Mapping[str, CurveFit],
) -> DoseMaps:
    """Time-integrated activity and absorbed dose of every voxel."""
    grid, warnings = reference.image.grid, []
    kept = {name: share for name, share in occupancy.items() if name in fits}
    activity = time_integrated_activity_map(
        images=[point.image for point in points],
        time_s=[point.time_s for point in points],
        occupancy=kept,
        time_integrated_activity_bq_s={name: fits[name].time_integrated_activity_bq_s for name in kept},
        decay_constant_per_s=nuclide.decay_constant_per_s,
    )
    ct = reference.loaded.ct
    if ct is None:
        warnings.append(f"No CT: a density of {SOFT_TISSUE_G_PER_ML} g/mL was assumed everywhere.")
        values = np.full(grid.shape, SOFT_TISSUE_G_PER_ML, np.float32)
    else:
        values = density_from_hu(average_onto(ct, grid).values)
    density = Volume(grid=grid, values=values, unit="g/mL")
    photons = photon_dose_by_kernel(time_integrated_activity=activity, density=density, nuclide=nuclide.name)
    local = local_absorbed_dose(time_integrated_activity=activity, density=density, nuclide=nuclide.name)
    return DoseMaps(
        time_integrated_activity=activity,
        dose=local.with_values(local.values + photons.values),
        photons=photons,
        density=density,
        warnings=tuple(warnings),
    )


def region_results(
    case: Case,
    nuclide: Nuclide,
    regions: Regions,
    reference: QuantifiedScan,
    maps: DoseMaps,
    measured: Sequence[ScanMeasurement],
    reference_index: int,
    curves: Mapping[str, TimeActivityCurve],
    fits: Mapping[str, CurveFit],
) -> tuple[RegionResult, ...]:
    """Absorbed dose of every region that has a fit, organs before lesions before the remainder."""
    table = {r.name: r for r in regions.table.values()}
    table[REMAINDER] = Region(name=REMAINDER, kind="remainder", source="body less regions")
    scatter = reference.scatter_to_primary
    masses = _masses(regions, reference, maps, measured[reference_index].occupancy)
    results = []
    for name, fit in fits.items():
        region = table[name]
        occupancy = measured[reference_index].occupancy[name]
        recoveries = tuple(
            m.regions[name].recovery for m in measured if name in m.regions and m.regions[name].recovery is not None
        )
        dose = _region_dose(case, nuclide, regions, region, maps, occupancy, masses[name], fit, recoveries, scatter)
        volume = masses[name][1]
        results.append(
            RegionResult(
                region=name,
                kind=region.kind,
                side=region.side,
                source=region.source,
                volume_ml=volume,
                curve=curves[name],
                fit=fit,
                dose=dose,
                recovery_coefficients=tuple(float(r) for r in recoveries if r is not None),
            )
        )
    order = {"organ": 0, "lesion": 1, "other": 2, "remainder": 3}
    return tuple(sorted(results, key=lambda r: (order[r.kind], _rank(r.region), r.region)))


def _rank(name: str) -> int:
    """Order within a kind: leading organs first, lesions by their number."""
    leading = ("kidney", "liver", "spleen", "red marrow")
    number = name.rsplit(" ", 1)[-1]
    if number.isdigit():
        return int(number)
    return next((i for i, word in enumerate(leading) if name.startswith(word)), len(leading))


def _masses(
    regions: Regions, reference: QuantifiedScan, maps: DoseMaps, occupancy: Occupancy
) -> dict[str, tuple[float, float]]:
    """Mass [g] and volume [mL] of each region: on the CT's voxels where there is one."""
    ct = reference.loaded.ct
    voxel = maps.density.grid.voxel_ml
    result = {}
    for region in regions.table.values():
        mask = regions.mask(region.name)
        volume = regions.volume_ml(region.name)
        same = ct is not None and ct.grid.same_as(regions.grid)
        if same and ct is not None:
            mass = float(density_from_hu(ct.values[mask]).sum(dtype=np.float64)) * regions.grid.voxel_ml
        else:
            share = occupancy[region.name]
            mass = volume * float(np.vdot(share, maps.density.values)) / max(float(share.sum()), 1e-30)
        result[region.name] = (mass, volume)
    rest = occupancy[REMAINDER]
    result[REMAINDER] = (
        float(np.vdot(rest, maps.density.values)) * voxel,
        float(rest.sum(dtype=np.float64)) * voxel,
    )
    return result


def _region_dose(
    case: Case,
    nuclide: Nuclide,
    regions: Regions,
    region: Region,
    maps: DoseMaps,
    occupancy: NDArray[np.float32],
    mass_volume: tuple[float, float],
    fit: CurveFit,
    recoveries: Sequence[float | None],
    scatter: float | None,
) -> AbsorbedDose:
    mass, _ = mass_volume
    tia = fit.time_integrated_activity_bq_s
    mean = mean_absorbed_dose(
        time_integrated_activity_bq_s=tia,
        mass_g=mass,
        nuclide=nuclide.name,
        photon_dose=maps.photons,
        density=maps.density,
        occupancy=occupancy,
    )
    known = [r for r in recoveries if r is not None]
    budget = dose_budget(
        calibration=case.camera.sensitivity_relative_uncertainty,
        fit=None if fit.standard_uncertainty_bq_s is None else fit.standard_uncertainty_bq_s / tia,
        volume=_volume_uncertainty(case, regions, region, maps.dose),
        # the scan that needed the largest correction
        recovery_coefficient=max(known, key=lambda r: abs(1 - r)) if known else None,
        scatter_to_primary=scatter,
    )
    relative = None if fit.standard_uncertainty_bq_s is None else combined(budget)
    checks = {"voxel map, averaged by mass": _voxel_mean(maps, occupancy)}
    sphere = self_dose_of_sphere(time_integrated_activity_bq_s=tia, mass_g=mass, nuclide=nuclide.name)
    if sphere is not None:
        checks["self-dose scaled by mass (sphere)"] = sphere
    doses, fractions = dose_volume_histogram(maps.dose.values, np.where(occupancy > 0.5, occupancy, 0))\
        if np.any(occupancy > 0.5) else (np.zeros(0), np.zeros(0))  # fmt: skip
    return AbsorbedDose(
        region=region.name,
        kind=region.kind,
        mass_g=mass,
        mean_gy=mean,
        standard_uncertainty_gy=None if relative is None else relative * mean,
        method=f"{fit.model}; {METHOD}",
        budget=budget,
        dvh_dose_gy=doses,
        dvh_volume_fraction=fractions,
        cross_checks=checks,
        warnings=_dose_warnings(case, fit, relative, known),
    )


def _dose_warnings(
    case: Case, fit: CurveFit, relative: float | None, recoveries: Sequence[float]
) -> tuple[str, ...]:
    told = []
    spill = max(recoveries, default=1.0)
    if spill > SPILL_IN:
        told.append(
            f"Up to {100 * (1 - 1 / spill):.0f} % of what was measured in it came from its neighbours; judge with care."
        )
    if relative is None:
        told.append("The uncertainty of this dose is unknown, since that of its activities is.")
    elif case.camera.sensitivity_relative_uncertainty is None and fit.standard_uncertainty_bq_s is not None:
        told.append("The uncertainty leaves out the calibration, whose own was not given.")
    return tuple(told)


def _voxel_mean(maps: DoseMaps, occupancy: NDArray[np.float32]) -> float:
    weights = occupancy * maps.density.values
    return float(np.vdot(weights, maps.dose.values)) / max(float(weights.sum(dtype=np.float64)), 1e-30)


def _volume_uncertainty(case: Case, regions: Regions, region: Region, dose: Volume) -> float:
    """Relative uncertainty of a region's volume, from its surface unless the case gives it."""
    if region.name == REMAINDER:
        return 0.0
    if case.volume_relative_uncertainty is not None:
        return case.volume_relative_uncertainty
    surface = surface_area_mm2(regions.mask(region.name), regions.grid.spacing_mm)
    boundary = DRAWN_BOUNDARY_MM
    if region.source == "automatic":
        boundary = AUTOMATIC_BOUNDARY_VOXELS * math.prod(dose.grid.spacing_mm) ** (1 / 3)
    return volume_relative_uncertainty(
        surface_mm2=surface, volume_mm3=regions.volume_ml(region.name) * 1e3, boundary_mm=boundary
    )
