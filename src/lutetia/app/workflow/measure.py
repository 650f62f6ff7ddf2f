"""Activity of every region in every scan, with partial-volume correction and uncertainty, and the fits."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.case.settings import Case
from lutetia.app.workflow.counting import NoiseShape, few_counts, region_intervals
from lutetia.app.workflow.kinetics.regions import KineticsChoice, fit_region
from lutetia.app.workflow.quantify import QuantifiedScan
from lutetia.dose.uncertainty.volume import displacement_relative_uncertainty, surface_area_mm2
from lutetia.errors import InputError
from lutetia.images.body import body_mask
from lutetia.images.regions import Regions
from lutetia.images.register import Registration, moved_back
from lutetia.images.resample import average_onto, region_fractions
from lutetia.images.volume import Volume
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.fit import fit_trapezoid
from lutetia.physics.nuclides import Nuclide
from lutetia.recon.low_counts import CountingInterval
from lutetia.recon.recovery import recovery_by_reprojection, region_means

Progress = Callable[[str, float], None]
Occupancy = dict[str, NDArray[np.float32]]

REMAINDER: Final = "remainder"
LEAST_IN_FIELD: Final = 0.5
"""A region of which less than this share lies in the field of view is not measured."""
REPEATABILITY: Final = 0.01
"""Relative spread between scans that no other term covers (uniformity, stability of the camera)."""
REGISTRATION_MM: Final = 1.0
"""Standard uncertainty of the displacement between registered scans."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RegionActivity:
    """One region in one scan: activity, its per-scan uncertainty, measured over true, and what counting allows.

    ``standard_uncertainty_bq`` is None when the counts are not known; of a region without any count it is the activity
    for which one is expected.
    """

    activity_bq: float
    standard_uncertainty_bq: float | None
    recovery: float | None
    counting: CountingInterval | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScanMeasurement:
    """All regions of one scan on its own grid.

    ``noise``: how each region's noise exceeds the least possible one, for other scans of the patient.
    """

    occupancy: Occupancy
    regions: Mapping[str, RegionActivity]
    warnings: tuple[str, ...]
    noise: Mapping[str, NoiseShape]


def occupancy_of(regions: Regions, scan: QuantifiedScan, registration: Registration) -> Occupancy:
    """Share of each voxel of a scan's image that each region fills, the remainder of the body included."""
    grid = scan.image.grid
    ct = scan.loaded.ct
    own = regions
    if not (np.array_equal(registration.matrix, np.eye(4)) and registration.displacement is None):
        target = ct.grid if ct is not None else grid
        labels = Volume(grid=regions.grid, values=regions.labels.astype(np.float32), unit="1")
        moved = moved_back(labels, registration, target)
        own = Regions(grid=moved.grid, labels=np.rint(moved.values).astype(np.int16), table=regions.table)
    elif not regions.grid.same_frame_as(grid):
        own = Regions(
            grid=regions.grid.moved_to_frame(grid.frame_of_reference_uid),
            labels=regions.labels,
            table=regions.table,
        )
    occupancy = region_fractions(own, grid)
    inside = np.ones(grid.shape, np.float32) if ct is None else body_mask(average_onto(ct, grid)).astype(np.float32)
    named = sum(occupancy.values(), np.zeros(grid.shape, np.float32))
    occupancy[REMAINDER] = np.clip(inside - named, 0, 1).astype(np.float32)
    return occupancy


def measure_scans(
    case: Case,
    scans: Sequence[QuantifiedScan],
    regions: Regions,
    registrations: Sequence[Registration],
    reference: int,
    *,
    progress: Progress,
) -> list[ScanMeasurement]:
    """All scans, the reference first, whose counting uncertainty tells how far the others' lies above the least."""
    done: dict[int, ScanMeasurement] = {}
    for number, i in enumerate([reference, *(i for i in range(len(scans)) if i != reference)]):
        progress(f"Measuring {scans[i].loaded.label}", number / len(scans))
        done[i] = measure_scan(
            case, scans[i], regions, registrations[i], registered=len(scans) > 1,
            noise=done[reference].noise or None if number else None, progress=progress,
        )  # fmt: skip
    return [done[i] for i in range(len(scans))]


def measure_scan(
    case: Case,
    scan: QuantifiedScan,
    regions: Regions,
    registration: Registration,
    *,
    registered: bool,
    noise: Mapping[str, NoiseShape] | None = None,
    progress: Progress,
) -> ScanMeasurement:
    """Activity of each region of one scan.

    Where the image was reconstructed here, each mean is divided by what the reconstruction makes of a uniform region
    (partial-volume correction). Counting uncertainty is propagated through the reconstruction, or, with the
    ``noise`` of another scan of the same patient, in proportion to the Fisher bound, which is quick. Regions with few
    counts are named with their asymmetric interval, those with none with an upper limit.
    """
    occupancy = occupancy_of(regions, scan, registration)
    voxel_ml = scan.image.grid.voxel_ml
    volumes = {name: float(share.sum(dtype=np.float64)) * voxel_ml for name, share in occupancy.items()}
    seen, warnings = _in_field(occupancy, volumes, regions, scan.loaded.label)
    means = region_means(np.maximum(scan.image.values, 0), seen)
    recovery: dict[str, float] = {}
    counting: dict[str, CountingInterval] = {}
    if scan.reconstruction is not None and max(means.values()) > 0:
        if case.partial_volume_correction:
            found = recovery_by_reprojection(scan.reconstruction, seen, means, iterations=2)
            recovery, means = dict(found.measured_over_true), dict(found.corrected)
        rate = float(scan.reconstruction.volume.values.sum(dtype=np.float64))
        counting, noise = region_intervals(
            scan.reconstruction,
            seen,
            means,
            volumes_ml=volumes,
            bq_per_count_rate=scan.total_activity_bq / rate,
            shape=noise,
        )
        warnings += few_counts(counting, scan.loaded.label)
    progress(f"Measured {scan.loaded.label}", 1.0)
    motion = _motion(regions) if registered else {}
    return ScanMeasurement(
        occupancy=occupancy,
        regions={
            name: RegionActivity(
                activity_bq=means[name] * volumes[name],
                standard_uncertainty_bq=_uncertainty(
                    means[name] * volumes[name], counting.get(name), motion.get(name, 0.0)
                ),
                recovery=recovery.get(name),
                counting=counting.get(name),
            )
            for name in seen
        },
        warnings=tuple(warnings),
        noise=noise or {},
    )


def _in_field(
    occupancy: Occupancy, volumes_ml: dict[str, float], regions: Regions, label: str
) -> tuple[Occupancy, list[str]]:
    """Regions that are mostly in the field of view, and what to say of those that are not wholly; their volume is set."""
    seen: Occupancy = {}
    warnings: list[str] = []
    for name, share in occupancy.items():
        whole = volumes_ml[name] if name == REMAINDER else regions.volume_ml(name)
        if volumes_ml[name] > LEAST_IN_FIELD * whole and volumes_ml[name] > 0:
            seen[name] = share
            if volumes_ml[name] < 0.97 * whole:
                warnings.append(
                    f"{label}: {name}: only {volumes_ml[name] / whole:.0%} of it is in the field of view; its "
                    "concentration there was taken for all of it."
                )
                volumes_ml[name] = whole
    return seen, warnings


def _motion(regions: Regions) -> dict[str, float]:
    """Relative error of each region's activity by a displacement."""
    return {
        region.name: displacement_relative_uncertainty(
            surface_mm2=surface_area_mm2(regions.mask(region.name), regions.grid.spacing_mm),
            volume_mm3=regions.volume_ml(region.name) * 1e3,
            displacement_mm=REGISTRATION_MM,
        )
        for region in regions.table.values()
    }


def _uncertainty(activity_bq: float, counting: CountingInterval | None, motion: float) -> float | None:
    """Per-scan standard uncertainty; None when the counts are not known, at most the activity where there is any. [Bq]"""
    if counting is None:
        return None
    if activity_bq <= 0:
        return counting.standard_uncertainty
    own = math.hypot(counting.standard_uncertainty, motion * activity_bq, REPEATABILITY * activity_bq)
    return min(activity_bq, own)


def curves_of(scans: Sequence[QuantifiedScan], measured: Sequence[ScanMeasurement]) -> dict[str, TimeActivityCurve]:
    """One time-activity curve per region, of the scans in which it was measured."""
    names = dict.fromkeys(name for m in measured for name in m.regions)
    curves = {}
    for name in names:
        points = [
            (scan.loaded.time_s, m.regions[name])
            for scan, m in zip(scans, measured, strict=True)
            if name in m.regions
        ]
        activity = np.array([p.activity_bq for _, p in points])
        known = [p.standard_uncertainty_bq for _, p in points if p.standard_uncertainty_bq is not None]
        u = np.array(known) if len(known) == len(points) else None
        time_s = np.array([t for t, _ in points])
        curves[name] = TimeActivityCurve(
            region=name, time_s=time_s, activity_bq=activity, standard_uncertainty_bq=u
        )
    return curves


def fit_all(
    choice: KineticsChoice, nuclide: Nuclide, curves: Mapping[str, TimeActivityCurve], regions: Regions
) -> tuple[dict[str, CurveFit], list[str]]:
    """Fits of all regions; one without activity is left out, the remainder is integrated by trapezoids."""
    kinds = {r.name: r.kind for r in regions.table.values()}
    fits, warnings = {}, []
    for name, curve in curves.items():
        if not np.any(curve.activity_bq > 0):
            warnings.append(f"{name}: no activity in any scan, so no dose.")
            continue
        if name == REMAINDER and curve.time_s.size > 1:
            # a mixture of tissues, blood and urine: no single model stands for it
            fits[name] = fit_trapezoid(curve, decay_constant_per_s=nuclide.decay_constant_per_s)
            continue
        kind = kinds.get(name, REMAINDER)
        fits[name] = fit_region(curve, nuclide=nuclide, kind=kind, choice=choice)
    if not fits:
        raise InputError("No region holds any activity; check the images, their unit and the regions.")
    return fits, warnings
