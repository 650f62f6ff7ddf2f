"""What the report says about how it was made: methods, scans, provenance, checklist."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from lutetia import __version__
from lutetia.app.case.settings import Case
from lutetia.app.report.content import RegionResult, ScanSummary
from lutetia.app.workflow.doses.maps import MASS_CONVENTION
from lutetia.app.workflow.doses.methods import DoseMethods
from lutetia.app.workflow.doses.voxel_methods import LABELS
from lutetia.app.workflow.load import LoadedScan
from lutetia.app.workflow.quantify import QuantifiedScan
from lutetia.images.regions import Regions
from lutetia.images.register import Registration
from lutetia.units import H_PER_S, MBQ_PER_BQ

PACKAGES = (
    "numpy", "scipy", "numba", "pydicom", "highdicom", "SimpleITK", "radioactivedecay", "icrp107-database", "matplotlib",
    "typst",
)  # fmt: skip


def scan_summaries(
    scans: Sequence[QuantifiedScan], registrations: Sequence[Registration]
) -> tuple[ScanSummary, ...]:
    """One row per scan for the report's table of acquisitions."""
    rows = []
    for scan, registration in zip(scans, registrations, strict=True):
        beds = scan.loaded.beds
        machine = " ".join((beds[0].equipment.manufacturer, beds[0].equipment.model)) if beds else ""
        start = scan.reconstruction.start_time if scan.reconstruction is not None else None
        moved = registration.method
        if registration.shift_mm > 0:
            moved += f": moved by {registration.shift_mm:.1f} mm, outlines within {registration.residual_mm:.1f} mm"
        counts = None
        if scan.reconstruction is not None:
            counts = float(sum(bed.counts.sum(dtype="float64") for bed in scan.reconstruction.beds))
        rows.append(
            ScanSummary(
                label=scan.loaded.label,
                time_h=scan.loaded.time_s * H_PER_S,
                start=start.strftime("%Y-%m-%d %H:%M") if start else "not in the file",
                equipment=machine.strip() or "not in the file",
                beds=max(1, len(beds)),
                counts=counts,
                total_activity_mbq=scan.total_activity_bq * MBQ_PER_BQ,
                registration=moved,
            )
        )
    return tuple(rows)


def methods_of(
    case: Case,
    scans: Sequence[QuantifiedScan],
    registrations: Sequence[Registration],
    regions: Regions,
    results: Sequence[RegionResult],
    doses: DoseMethods,
) -> dict[str, str]:
    """Each step in words."""
    corrected = any(r.recovery_coefficients for r in results)
    sources = ", ".join(sorted({r.source for r in regions.table.values()}))
    return {
        "images": "; ".join(dict.fromkeys(scan.method for scan in scans)),
        "partial volume": (
            "mean of each region divided by what the same reconstruction makes of uniform regions"
            if corrected
            else "none"
        ),
        "registration": "; ".join(dict.fromkeys(r.method for r in registrations)),
        "regions": f"{sources}; overlapping structures: the smaller keeps the voxels",
        "kinetics": (
            f"{case.kinetics.model}; used: {', '.join(dict.fromkeys(r.fit.model for r in results))}; "
            f"voxels: {case.kinetics.voxels}"
        ),
        "absorbed dose": (
            f"{doses.result.description} ({doses.reason}); decay data ICRP Publication 107; no RBE weighting, "
            f"{_progeny(results)}"
        ),
        "masses": MASS_CONVENTION,
        "other methods": "; ".join(
            f"{LABELS[name]}: {method.description}"
            for name, method in doses.by_name.items()
            if name != doses.chosen
        ),
        "uncertainty": (
            "standard uncertainties (k=1) after EANM 2018 (Gear et al.), first order, components in quadrature; not "
            "included: errors of the collimator model, of attenuation, and of activity moving during a scan"
        ),
    }


def provenance_of(
    case: Case, loaded: Sequence[LoadedScan], started: datetime, dose: Mapping[str, Any]
) -> dict[str, Any]:
    """Software, platform, parameters and hashes of the input files (by content; file names may identify)."""
    return {
        "software": f"Lutetia {__version__}",
        "started": started.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: version(name) for name in PACKAGES},
        "data": {
            "decay": "ICRP Publication 107",
            "attenuation": "NIST XCOM",
            "photon kernel": "water_photon_kernel",
        },
        "parameters": {
            "nuclide": case.nuclide,
            "administered_activity_MBq": (case.administered_activity_bq or 0.0) * MBQ_PER_BQ,
            "sensitivity_cps_per_MBq": _per_mbq(case.camera.sensitivity_cps_per_bq),
            "sensitivity_relative_uncertainty": case.camera.sensitivity_relative_uncertainty,
            "dead_time_s": case.camera.dead_time_s,
            "collimator": case.camera.collimator,
            "iterations": case.reconstruction.iterations,
            "subsets": case.reconstruction.subsets,
            "scatter": case.reconstruction.scatter,
            "registration": case.registration,
            "model": case.kinetics.model,
            "earlier_cycle": case.kinetics.earlier,
            "population": case.kinetics.population,
            "voxels": case.kinetics.voxels,
            "partial_volume_correction": case.partial_volume_correction,
            "times_h": [scan.time_s * H_PER_S for scan in loaded],
        },
        "dose": dict(dose),
        "inputs": {scan.label: _hashes(scan) for scan in loaded},
    }


def _progeny(results: Sequence[RegionResult]) -> str:
    """What the doses hold of daughters, in words."""
    found = next((r.chain.dose for r in results if r.chain is not None), None)
    if found is None:
        return "progeny not included"
    return f"progeny included ({', '.join(found.by_member)}) within {found.horizon_s * H_PER_S:.4g} h, {found.assumption}"


def _per_mbq(sensitivity_cps_per_bq: float | None) -> float | None:
    return None if sensitivity_cps_per_bq is None else sensitivity_cps_per_bq / MBQ_PER_BQ


def _hashes(scan: LoadedScan) -> dict[str, Any]:
    emission = [hashlib.sha256(path.read_bytes()).hexdigest() for path in scan.emission_files]
    together = hashlib.sha256()
    for path in scan.ct_files:
        together.update(hashlib.sha256(path.read_bytes()).digest())
    ct = {"files": len(scan.ct_files), "sha256": together.hexdigest()} if scan.ct_files else None
    return {"emission_sha256": emission, "ct": ct}


def checklist_of(case: Case, loaded: Sequence[LoadedScan]) -> dict[str, bool]:
    """Items of the EANM reporting guidance and whether the case has them (Lassmann 2011, doi:10.1007/s00259-010-1549-3)."""
    raw = any(scan.beds for scan in loaded)
    return {
        "radiopharmaceutical named": bool(case.agent),
        "administered activity": case.administered_activity_bq is not None,
        "administration time": case.administration_time is not None,
        "acquisition dates in the images": all(bed.start_time is not None for scan in loaded for bed in scan.beds),
        "calibration factor with uncertainty": not raw or case.camera.sensitivity_relative_uncertainty is not None,
        "CT of every scan": all(scan.ct is not None for scan in loaded),
        "three or more time points": len(loaded) >= 3,
    }
