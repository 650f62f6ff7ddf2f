"""What is told of every region: mean dose by the chosen method, budget, histogram, warnings."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from lutetia.app.case.settings import Case
from lutetia.app.report.content import MethodDose, RegionResult
from lutetia.app.workflow.doses.biology import region_biology
from lutetia.app.workflow.doses.budget import region_budget
from lutetia.app.workflow.doses.chain import region_chain
from lutetia.app.workflow.doses.maps import PatientMaps, RegionDecays
from lutetia.app.workflow.doses.methods import DoseMethods
from lutetia.app.workflow.doses.voxel_methods import LABELS
from lutetia.app.workflow.kinetics.regions import KineticsChoice
from lutetia.app.workflow.measure import ScanMeasurement
from lutetia.dose.absorbed_dose import AbsorbedDose
from lutetia.dose.histogram import dose_volume_histogram
from lutetia.dose.organ import self_dose_of_sphere
from lutetia.dose.uncertainty import combined, interval_95
from lutetia.errors import OutOfRangeError
from lutetia.images.regions import Regions
from lutetia.images.volume import Volume
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve

SPILL_IN: Final = 1.15
"""Measured over true activity above which a region's dose carries a warning."""


def region_results(
    case: Case,
    choice: KineticsChoice,
    regions: Regions,
    maps: PatientMaps,
    methods: DoseMethods,
    measured: Sequence[ScanMeasurement],
    curves: Mapping[str, TimeActivityCurve],
    fits: Mapping[str, CurveFit],
    scatter_to_primary: float | None,
) -> tuple[RegionResult, ...]:
    """Absorbed dose of every region that has a fit, organs before lesions before the remainder."""
    results = []
    for name, known in maps.regions.items():
        found = (m.regions[name].recovery for m in measured if name in m.regions)
        recoveries = tuple(float(r) for r in found if r is not None)
        chain = region_chain(case, methods.chain.get(name), kind=known.region.kind, fit=fits[name])
        dose = _region_dose(
            case, choice, regions, maps, known, methods, curves[name], fits[name], recoveries, scatter_to_primary
        )
        results.append(
            RegionResult(
                region=name,
                kind=known.region.kind,
                side=known.region.side,
                source=known.region.source,
                volume_ml=known.volume_ml,
                curve=curves[name],
                fit=fits[name],
                dose=dose,
                recovery_coefficients=recoveries,
                by_method=_by_method(methods, name),
                # the quadratic formula of electrons and photons does not hold for alphas
                biology=None
                if maps.members
                else region_biology(dose, agent=case.agent, curve=curves[name], fit=fits[name]),
                chain=chain,
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


def _by_method(methods: DoseMethods, name: str) -> tuple[MethodDose, ...]:
    return tuple(
        MethodDose(
            method=key,
            label=LABELS[key],
            mean_gy=method.mean_gy.get(name),
            statistical_gy=method.statistical_gy.get(name),
            chosen=key == methods.chosen,
        )
        for key, method in methods.by_name.items()
    )


def _region_dose(
    case: Case,
    choice: KineticsChoice,
    regions: Regions,
    maps: PatientMaps,
    known: RegionDecays,
    methods: DoseMethods,
    curve: TimeActivityCurve,
    fit: CurveFit,
    recoveries: Sequence[float],
    scatter_to_primary: float | None,
) -> AbsorbedDose:
    name, voxels = known.region.name, methods.voxels
    mean = methods.result.mean_gy.get(name)
    if mean is None:
        raise OutOfRangeError(
            f"{name} ({known.mass_g:.3g} g): no dose by the method {methods.chosen!r}; choose another."
        )
    statistical = methods.result.statistical_gy.get(name)
    budget = region_budget(
        case, choice, regions, known.region, voxels, curve, fit, recoveries=recoveries,
        scatter_to_primary=scatter_to_primary,
        statistics=statistical / mean if statistical and mean > 0 else None,
    )  # fmt: skip
    relative = None if fit.standard_uncertainty_bq_s is None else combined(budget)
    occupancy = known.occupancy
    doses, fractions = np.zeros(0), np.zeros(0)
    if np.any(occupancy > 0.5):
        doses, fractions = dose_volume_histogram(voxels.values, np.where(occupancy > 0.5, occupancy, 0))
    return AbsorbedDose(
        region=name,
        kind=known.region.kind,
        mass_g=known.mass_g,
        mean_gy=mean,
        standard_uncertainty_gy=None if relative is None else relative * mean,
        method=f"{fit.model}; {methods.result.description}",
        budget=budget,
        interval_95_gy=_interval(mean, relative, fit),
        dvh_dose_gy=doses,
        dvh_volume_fraction=fractions,
        cross_checks=_cross_checks(maps, known, voxels),
        warnings=_dose_warnings(case, fit, relative, recoveries),
    )


def _interval(mean_gy: float, relative: float | None, fit: CurveFit) -> tuple[float, float] | None:
    """95 % interval of the dose, as skewed as that of the curve's integral."""
    u, ends, total = fit.standard_uncertainty_bq_s, fit.interval_95_bq_s, fit.time_integrated_activity_bq_s
    if relative is None or u is None:
        return None
    own = None if ends is None else (ends[0] / total, ends[1] / total)
    return interval_95(mean_gy, relative=relative, part=u / total, part_interval=own)


def _cross_checks(maps: PatientMaps, known: RegionDecays, voxels: Volume) -> dict[str, float]:
    """Mean of the voxel map, and the sphere of the region's mass. [Gy]"""
    weights = known.occupancy * maps.density.values
    total = max(float(weights.sum(dtype=np.float64)), 1e-30)
    checks = {"voxel map, averaged by mass": float(np.vdot(weights, voxels.values)) / total}
    sphere = self_dose_of_sphere(
        time_integrated_activity_bq_s=known.time_integrated_activity_bq_s,
        mass_g=known.mass_g,
        nuclide=maps.nuclide,
        members=maps.members,
    )
    if sphere is not None:
        checks["self-dose scaled by mass (sphere)"] = sphere
    return checks


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
