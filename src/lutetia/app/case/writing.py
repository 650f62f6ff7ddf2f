"""A case as a document, to be filled in and read again."""

from typing import Any

from lutetia.app.case.settings import Case, KineticsSettings, Scan
from lutetia.units import BQ_PER_MBQ, S_PER_H


def case_document(case: Case, *, folder: str) -> dict[str, Any]:
    """The document that ``read_case`` reads, with empty values where something must still be filled in."""
    activity, sensitivity = case.administered_activity_bq, case.camera.sensitivity_cps_per_bq
    uncertainty = case.camera.sensitivity_relative_uncertainty
    document: dict[str, Any] = {
        "subject": case.subject,
        "folder": folder,
        "administration": {
            "nuclide": case.nuclide,
            "agent": case.agent or None,
            "activity_MBq": None if activity is None else round(activity / BQ_PER_MBQ, 4),
            "time": None if case.administration_time is None else case.administration_time.isoformat(),
        },
        "camera": {
            "collimator": case.camera.collimator,
            "sensitivity_cps_per_MBq": None if sensitivity is None else round(sensitivity * BQ_PER_MBQ, 6),
            "sensitivity_uncertainty_percent": None if uncertainty is None else round(uncertainty * 100, 4),
            "dead_time_us": round(case.camera.dead_time_s * 1e6, 4),
        },
        "reference": case.reference,
        "registration": case.registration,
        "regions": list(case.regions),
        "segmentation": case.segmentation,
        "kinetics": _kinetics_document(case.kinetics),
        "dose": {"method": case.dose.method},
        "scans": [_scan_document(scan) for scan in case.scans],
    }
    return document


def _scan_document(scan: Scan) -> dict[str, Any]:
    entry: dict[str, Any] = {"label": scan.label, "images": list(scan.images), "ct": scan.ct}
    if scan.time_s is not None:
        entry["time_h"] = round(scan.time_s / S_PER_H, 4)
    if scan.unit is not None:
        entry["unit"] = scan.unit
    return entry


def _kinetics_document(settings: KineticsSettings) -> dict[str, Any]:
    half_life, spread = settings.effective_half_life_s, settings.half_life_relative_sd
    given = {
        "effective_half_life_h": None if half_life is None else round(half_life / S_PER_H, 4),
        "half_life_sd_percent": None if spread is None else round(spread * 100, 4),
        "earlier": settings.earlier,
        "population": settings.population,
    }
    return {
        "model": settings.model,
        "voxels": settings.voxels,
        **{key: value for key, value in given.items() if value is not None},
    }
