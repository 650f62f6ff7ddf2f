"""From a folder to a case: which series make one scan, which CT belongs to it, what is still missing."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from lutetia.app.case.reading import read_case, require_dose_settings
from lutetia.app.case.settings import Case, DoseMethod, DoseSettings, KineticsSettings, Scan, with_times
from lutetia.app.case.writing import case_document  # fmt: skip
from lutetia.errors import DicomError, InputError
from lutetia.images.dicom.index import DicomIndex, SeriesInfo, index_dicom
from lutetia.units import BQ_PER_MBQ, MBQ_PER_BQ, S_PER_H

Progress = Callable[[str, float], None]

SAME_SCAN = timedelta(hours=2)
"""Emission series that start within this of one another are beds of one scan."""

EMISSION_ROLES = ("nm raw", "nm reconstructed", "pt")
NIFTI_HOURS = re.compile(r"(\d+(?:\.\d+)?)\s*[hH](?![a-z])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What the user gave beside the path, in the user's units; it goes before the case file and DICOM."""

    activity_mbq: float | None = None
    administered_at: datetime | None = None
    nuclide: str | None = None
    agent: str | None = None
    time_h: tuple[float, ...] = ()
    sensitivity_cps_per_mbq: float | None = None
    sensitivity_uncertainty_percent: float | None = None
    collimator: str | None = None
    calibration_record: Path | None = None
    regions: tuple[Path, ...] = ()
    reference: str | None = None
    registration: bool = True
    model: str | None = None
    effective_half_life_h: float | None = None
    half_life_sd_percent: float | None = None
    earlier: Path | None = None
    population: Path | None = None
    method: DoseMethod | None = None
    time_budget_s: float | None = None
    relative_uncertainty: float | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What a folder holds and the case proposed for it (None when nothing in it can be used)."""

    path: Path
    index: DicomIndex
    case: Case | None


def inspect_folder(path: Path, *, progress: Progress) -> Inspection:
    """Read the headers below a path and propose a case."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.")
    index = index_dicom(path, progress=progress)
    emission = [s for s in index.series if s.role in EMISSION_ROLES]
    one_patient = len({s.patient_key for s in emission}) == 1
    return Inspection(path=path, index=index, case=propose_case(path, index) if one_patient else None)


def write_proposal(found: Inspection, target: Path) -> None:
    """Write the proposed case file; an existing file is refused."""
    import os

    import yaml

    if found.case is None:
        raise InputError(f"{found.path}: no emission images of one patient here, so there is no case to propose.")
    if target.exists():
        raise InputError(f"--case {target} exists; choose another name.")
    folder = os.path.relpath(found.path.resolve(), target.resolve().parent)
    document = case_document(found.case, folder=folder)
    undated = {s.series_instance_uid for s in found.index.series if s.start_time is None}
    for scan in document["scans"]:
        if undated & set(scan["images"]):
            # the place to fill in what DICOM does not say
            scan.setdefault("time_h", None)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    head = "# Proposed by lutetia inspect: fill in what is null, check the rest. Keys: docs/reference/case.md\n"
    target.write_text(head + text, "utf-8")


def propose_case(path: Path, index: DicomIndex) -> Case:
    """The case that the series of one patient suggest; every value taken from a header becomes a warning."""
    emission = [s for s in index.series if s.role in EMISSION_ROLES]
    patients = sorted({s.patient_key for s in index.series})
    if len(patients) > 1:
        raise DicomError(
            f"{path}: images of {len(patients)} patients lie here ({', '.join(patients)}); a case is one patient. "
            "Point at one patient's folder, or name the series in a case.yaml."
        )
    if not emission:
        roles = ", ".join(sorted({s.role for s in index.series})) or "no DICOM at all"
        raise InputError(f"{path}: no SPECT or PET images here (found: {roles}).")
    groups = _scans_of(_preferred(emission))
    scans = tuple(_scan(group, i, index.series) for i, group in enumerate(groups))
    case = Case(folder=path if path.is_dir() else path.parent, scans=scans, reference=None)
    return _with_header_values(case, [s for group in groups for s in group], index)


def _preferred(emission: Sequence[SeriesInfo]) -> list[SeriesInfo]:
    """Quantitative images where there are some, else raw projections, never both."""
    quantitative = [s for s in emission if s.role != "nm raw" and s.unit in {"Bq/mL", "BQML"}]
    raw = [s for s in emission if s.role == "nm raw"]
    return raw or quantitative or list(emission)


def _scans_of(series: Sequence[SeriesInfo]) -> list[list[SeriesInfo]]:
    """Series grouped into scans by time, or by frame of reference where there is no time."""
    dated = sorted((s for s in series if s.start_time), key=lambda s: s.start_time or datetime.min)
    groups: list[list[SeriesInfo]] = []
    for item in dated:
        last = groups[-1][-1].start_time if groups else None
        if last is not None and item.start_time is not None and item.start_time - last <= SAME_SCAN:
            groups[-1].append(item)
        else:
            groups.append([item])
    by_frame: dict[str, list[SeriesInfo]] = {}
    for item in (s for s in series if not s.start_time):
        by_frame.setdefault(item.frame_of_reference_uid or item.study_instance_uid, []).append(item)
    return groups + list(by_frame.values())


def _scan(group: Sequence[SeriesInfo], position: int, series: Sequence[SeriesInfo]) -> Scan:
    first = group[0]
    cts = [s for s in series if s.role == "ct"]
    framed = [s for s in cts if s.frame_of_reference_uid == first.frame_of_reference_uid]
    studied = [s for s in cts if s.study_instance_uid == first.study_instance_uid]
    candidates = framed or studied
    ct = max(candidates, key=lambda s: s.n_files).series_instance_uid if candidates else None
    uids = tuple(dict.fromkeys(s.series_instance_uid for s in group))
    return Scan(label=f"scan {position + 1}", images=uids, ct=ct)


def _with_header_values(case: Case, used: Sequence[SeriesInfo], index: DicomIndex) -> Case:
    """Fill in what the headers agree on, each with a warning; leave open what they do not say."""
    warnings: list[str] = []
    nuclides = {s.nuclide for s in used if s.nuclide}
    activities = {round(s.administered_activity_bq) for s in used if s.administered_activity_bq}
    times = {s.administration_time for s in used if s.administration_time}
    if len(nuclides) == 1:
        warnings.append(f"Nuclide {next(iter(nuclides))} was taken from the image headers.")
    if len(activities) == 1:
        value = next(iter(activities)) * MBQ_PER_BQ
        warnings.append(
            f"Administered activity {value:g} MBq was taken from the image headers (0018,1074): confirm it."
        )
    if len(times) == 1:
        stamp = next(iter(times))
        warnings.append(
            f"Administration time {stamp:%Y-%m-%d %H:%M:%S} was taken from the image headers: confirm it."
        )
    agents = {s.agent for s in used if s.agent}
    if len(agents) == 1:
        warnings.append(f"Agent {next(iter(agents))} was taken from the image headers (0018,0031).")
    collimators = {s.collimator for s in used if s.collimator}
    contours = tuple(s.series_instance_uid for s in index.series if s.role in {"rtstruct", "seg"})
    return replace(
        case,
        nuclide=nuclides.pop() if len(nuclides) == 1 else None,
        agent=agents.pop() if len(agents) == 1 else "",
        administered_activity_bq=float(activities.pop()) if len(activities) == 1 else None,
        administration_time=times.pop() if len(times) == 1 else None,
        camera=replace(case.camera, collimator=collimators.pop() if len(collimators) == 1 else None),
        regions=contours,
        warnings=tuple(warnings),
    )


def nifti_case(path: Path) -> Case | None:
    """A case of the NIfTI images in a folder (or of one file); None when there are none."""
    files = sorted(path.glob("*.nii")) + sorted(path.glob("*.nii.gz")) if path.is_dir() else [path]
    files = [f for f in files if f.name.endswith((".nii", ".nii.gz"))]
    if not files:
        return None
    scans = []
    warnings = []
    for file in files:
        found = NIFTI_HOURS.search(file.name)
        hours = float(found.group(1)) if found else None
        if hours is not None:
            warnings.append(f"{file.name}: {hours:g} h after administration was read from the file name.")
        time_s = None if hours is None else hours * S_PER_H
        scans.append(Scan(label=file.name.split(".")[0], images=(file.name,), time_s=time_s))
    folder = path if path.is_dir() else path.parent
    return Case(folder=folder, scans=tuple(scans), registration="none", warnings=tuple(warnings))


def make_case(path: Path, given: Given, *, progress: Progress) -> tuple[Case, DicomIndex | None]:
    """The case behind a path, completed by what the user gave, and the index of its folder.

    Raises
    ------
    InputError, DicomError
        The path holds nothing usable, or images of several patients.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.")
    if path.suffix.lower() in {".yaml", ".yml"}:
        case = read_case(path)
        if not case.folder.exists():
            raise InputError(f"{path.name}: folder {case.folder} does not exist.")
        index = index_dicom(case.folder, progress=progress)
    else:
        index = index_dicom(path, progress=progress)
        as_nifti = nifti_case(path) if not index.series else None
        case = as_nifti or propose_case(path, index)
    return _with_given(case, given), index


def _with_given(case: Case, given: Given) -> Case:
    """The case with the user's options in place of what it had."""
    camera = case.camera
    if given.sensitivity_cps_per_mbq is not None:
        if given.sensitivity_cps_per_mbq <= 0:
            raise InputError(f"--sensitivity-cps-per-MBq {given.sensitivity_cps_per_mbq:g}: expected more than 0.")
        camera = replace(camera, sensitivity_cps_per_bq=given.sensitivity_cps_per_mbq / BQ_PER_MBQ)
    if given.sensitivity_uncertainty_percent is not None:
        camera = replace(camera, sensitivity_relative_uncertainty=given.sensitivity_uncertainty_percent / 100)
    if given.collimator is not None:
        camera = replace(camera, collimator=given.collimator)
    if given.calibration_record is not None:
        camera = replace(camera, record=str(given.calibration_record.resolve()))
    activity = case.administered_activity_bq
    if given.activity_mbq is not None:
        if given.activity_mbq <= 0:
            raise InputError(f"--activity-MBq {given.activity_mbq:g}: expected more than 0.")
        activity = given.activity_mbq * BQ_PER_MBQ
    case = replace(
        case,
        camera=camera,
        administered_activity_bq=activity,
        administration_time=given.administered_at or case.administration_time,
        nuclide=given.nuclide or case.nuclide,
        agent=given.agent or case.agent,
        regions=tuple(str(p.resolve()) for p in given.regions) or case.regions,
        reference=given.reference or case.reference,
        registration=case.registration if given.registration else "none",
        kinetics=_kinetics(case.kinetics, given),
        dose=_dose(case.dose, given),
        warnings=_still_true(case.warnings, given),
    )
    return with_times(case, tuple(hours * S_PER_H for hours in given.time_h))


def _kinetics(settings: KineticsSettings, given: Given) -> KineticsSettings:
    half_life, spread = given.effective_half_life_h, given.half_life_sd_percent
    return replace(
        settings,
        model=given.model or settings.model,
        effective_half_life_s=settings.effective_half_life_s if half_life is None else half_life * S_PER_H,
        half_life_relative_sd=settings.half_life_relative_sd if spread is None else spread / 100,
        earlier=settings.earlier if given.earlier is None else str(given.earlier.resolve()),
        population=settings.population if given.population is None else str(given.population.resolve()),
    )


def _dose(settings: DoseSettings, given: Given) -> DoseSettings:
    """The dose settings with the user's options in place."""
    changed = replace(
        settings,
        method=given.method or settings.method,
        time_budget_s=settings.time_budget_s if given.time_budget_s is None else given.time_budget_s,
        relative_uncertainty=(
            settings.relative_uncertainty if given.relative_uncertainty is None else given.relative_uncertainty
        ),
        seed=settings.seed if given.seed is None else given.seed,
    )
    return require_dose_settings(changed, "--uncertainty, --seed")


def _still_true(warnings: Sequence[str], given: Given) -> tuple[str, ...]:
    """Warnings about header values that the user has not replaced."""
    replaced = (
        ("Nuclide ", given.nuclide),
        ("Agent ", given.agent),
        ("Administered activity ", given.activity_mbq),
        ("Administration time ", given.administered_at),
    )
    gone = tuple(start for start, value in replaced if value is not None)
    return tuple(w for w in warnings if not gone or not w.startswith(gone))
