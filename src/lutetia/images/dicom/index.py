"""What a folder holds: every DICOM series below it, its role, and what is wrong or missing."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from lutetia.errors import DicomError, InputError
from lutetia.images.dicom.nm import energy_windows
from lutetia.images.dicom.open import expected_length
from lutetia.images.dicom.terms import ELEMENT_NAMES
from lutetia.images.dicom.times import acquisition_start, injection_time
from lutetia.physics.names import nuclide_name
from lutetia.units import BQ_PER_MBQ

Progress = Callable[[str, float], None]

ROLES: Final = {"PT": "pt", "CT": "ct", "RTSTRUCT": "rtstruct", "SEG": "seg", "RTDOSE": "rtdose"}
MOST_MBQ: Final = 1e5
"""A total dose above this cannot be MBq (100 GBq); it was written in Bq."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesInfo:
    """One series, from its headers.

    ``patient_key`` is "patient 1", "patient 2", ... in the order of appearance, never an identifier. Activity and time
    of the administration are what the headers hint at; None where they say nothing.
    """

    role: str
    modality: str
    series_instance_uid: str
    study_instance_uid: str
    patient_key: str
    files: tuple[Path, ...]
    n_files: int
    start_time: datetime | None
    frame_of_reference_uid: str
    size: tuple[int, ...] | None
    voxel_mm: tuple[float, ...] | None
    energy_windows_mev: tuple[tuple[float, float], ...]
    unit: str | None
    nuclide: str | None
    agent: str
    administered_activity_bq: float | None
    administration_time: datetime | None
    manufacturer: str
    model: str
    collimator: str
    description: str
    z_range_mm: tuple[float, float] | None
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DicomIndex:
    """All series below a folder; ``unreadable`` lists (relative name, reason) of broken DICOM files."""

    series: tuple[SeriesInfo, ...]
    n_files: int
    n_not_dicom: int
    unreadable: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Header:
    path: Path
    dataset: Any
    truncated: bool


def index_dicom(path: Path, progress: Progress | None = None) -> DicomIndex:
    """Read the headers of every file below a folder (or of one file).

    Nothing is written; files that are no DICOM are counted, broken DICOM files are named.

    Raises
    ------
    InputError
        The path does not exist.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.")
    root = path if path.is_dir() else path.parent
    files = sorted(_files(path))
    groups: dict[str, list[_Header]] = {}
    unreadable: list[tuple[str, str]] = []
    n_not_dicom = 0
    for number, file in enumerate(files):
        if progress is not None and number % 50 == 0:
            progress(f"Reading headers ({number} of {len(files)})", number / len(files))
        try:
            header = _header(file)
        except DicomError as error:
            unreadable.append((str(file.relative_to(root)), str(error)))
            continue
        if header is None:
            n_not_dicom += 1
        else:
            groups.setdefault(str(header.dataset.get("SeriesInstanceUID") or file.name), []).append(header)
    patients: dict[tuple[str, str], str] = {}
    series = [_series(headers, patients) for headers in groups.values()]
    series.sort(key=lambda s: (s.patient_key, s.start_time or datetime.max, s.role, s.series_instance_uid))
    series = _with_coverage(series)
    return DicomIndex(
        series=tuple(series),
        n_files=len(files),
        n_not_dicom=n_not_dicom,
        unreadable=tuple(unreadable),
        problems=_problems(series, unreadable),
    )


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, _, names in os.walk(path):
        for name in names:
            if name != "DICOMDIR" and not name.startswith("."):
                yield Path(folder) / name


def _header(file: Path) -> _Header | None:
    """Header of a DICOM file; None for another file. DicomError for a broken one."""
    try:
        with file.open("rb") as stream:
            start = stream.read(132)
            size = stream.seek(0, os.SEEK_END)
    except OSError as error:
        raise DicomError(f"cannot be read ({error.strerror})") from error
    if len(start) < 132 or start[128:] != b"DICM":
        return None
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        missing = "SOPClassUID" not in dataset
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise DicomError(f"broken DICOM header ({type(error).__name__})") from error
    if missing:
        raise DicomError("broken DICOM header (no SOP Class UID)")
    truncated = False
    if dataset.get("Rows") and not dataset.file_meta.TransferSyntaxUID.is_compressed:
        truncated = size < expected_length(dataset)
    return _Header(path=file, dataset=dataset, truncated=truncated)


def _role(dataset: Any) -> str:
    modality = str(dataset.get("Modality") or "")
    if modality != "NM":
        return ROLES.get(modality, "other")
    kind = [*(dataset.get("ImageType") or []), "", "", ""][2]
    return {"TOMO": "nm raw", "RECON TOMO": "nm reconstructed"}.get(str(kind), "nm other")


def _series(headers: list[_Header], patients: dict[tuple[str, str], str]) -> SeriesInfo:
    """One series from the headers of its files."""
    headers.sort(key=lambda h: (int(h.dataset.get("InstanceNumber") or 0), h.path.name))
    first = headers[0].dataset
    who = (str(first.get("PatientID") or ""), str(first.get("PatientName") or ""))
    role = _role(first)
    starts = [s for s in (_start_of(h.dataset) for h in headers[:2000]) if s is not None]
    start = min(starts) if starts else None
    windows = tuple((w.lower_mev, w.upper_mev) for w in energy_windows(first)) if role.startswith("nm") else ()
    size, voxel, z_range, geometry = _geometry(headers, role)
    nuclide, activity, given, told = _administration(first, role, start)
    detectors = first.get("DetectorInformationSequence") or [{}]
    return SeriesInfo(
        role=role,
        modality=str(first.get("Modality") or ""),
        series_instance_uid=str(first.get("SeriesInstanceUID") or ""),
        study_instance_uid=str(first.get("StudyInstanceUID") or ""),
        patient_key=patients.setdefault(who, f"patient {len(patients) + 1}"),
        files=tuple(h.path for h in headers),
        n_files=len(headers),
        start_time=start,
        frame_of_reference_uid=_frame(first),
        size=size,
        voxel_mm=voxel,
        energy_windows_mev=windows,
        unit=_unit(first, role),
        nuclide=nuclide,
        agent=_agent(first),
        administered_activity_bq=activity,
        administration_time=given,
        manufacturer=str(first.get("Manufacturer") or ""),
        model=str(first.get("ManufacturerModelName") or ""),
        collimator=str(detectors[0].get("CollimatorGridName") or ""),
        description=str(first.get("SeriesDescription") or ""),
        z_range_mm=z_range,
        problems=(*geometry, *told, *_missing(headers, role, start, windows, nuclide)),
    )


def _start_of(dataset: Any) -> datetime | None:
    try:
        return acquisition_start(dataset)
    except DicomError:
        return None


def _frame(dataset: Any) -> str:
    own = dataset.get("FrameOfReferenceUID")
    if own is None and dataset.get("ReferencedFrameOfReferenceSequence"):
        own = dataset.ReferencedFrameOfReferenceSequence[0].get("FrameOfReferenceUID")
    return str(own or "")


def _unit(dataset: Any, role: str) -> str | None:
    if role == "ct":
        return "HU"
    if role == "nm raw":
        return "counts"
    for item in dataset.get("RealWorldValueMappingSequence") or []:
        codes = item.get("MeasurementUnitsCodeSequence") or [{}]
        code = str(codes[0].get("CodeValue") or "")
        return {"bq/ml": "Bq/mL", "{counts}": "counts"}.get(code.lower(), code)
    stated = str(dataset.get("Units") or "")
    if role == "rtdose":
        return "Gy" if dataset.get("DoseUnits") == "GY" else str(dataset.get("DoseUnits") or "") or None
    return {"BQML": "Bq/mL"}.get(stated, stated) or None


Geometry = tuple[tuple[int, ...] | None, tuple[float, ...] | None, tuple[float, float] | None, tuple[str, ...]]


def _geometry(headers: Sequence[_Header], role: str) -> Geometry:
    """Size, voxel size, extent along z and what is wrong with the slices."""
    first = headers[0].dataset
    if not first.get("Rows"):
        return None, None, None, ()
    plane = (int(first.Columns), int(first.Rows))
    pixel = tuple(float(v) for v in first.get("PixelSpacing") or ())[::-1]
    if role in {"ct", "pt"} and len(headers) > 1:
        z, problems = _slices(headers)
        step = float(np.median(np.diff(z))) if len(z) > 1 else 0.0
        extent = (float(min(z)), float(max(z))) if len(z) else None
        return (*plane, len(headers)), (*pixel, step) if step else pixel, extent, problems
    frames = int(first.get("NumberOfFrames") or 1)
    step_value = first.get("SpacingBetweenSlices") or first.get("SliceThickness")
    if role == "nm raw":
        return (*plane, frames), pixel, _emission_extent(first, pixel), ()
    return (*plane, frames), (*pixel, abs(float(step_value))) if step_value else pixel, None, ()


def _slices(headers: Sequence[_Header]) -> tuple[list[float], tuple[str, ...]]:
    """Positions along the normal in order, and problems of their spacing."""
    try:
        orientation = np.array(headers[0].dataset.ImageOrientationPatient, dtype=float)
        normal = np.cross(orientation[:3], orientation[3:])
        along = sorted(float(np.dot([float(v) for v in h.dataset.ImagePositionPatient], normal)) for h in headers)
    except (AttributeError, TypeError, ValueError):
        return [], ("slices without Image Position or Orientation (Patient)",)
    steps = np.diff(along)
    usual = float(np.median(steps))
    problems = []
    if np.any(steps < 0.02):
        problems.append(f"{int(np.sum(steps < 0.02))} slices are there twice")
    gaps = int(np.sum(steps > 1.5 * usual)) if usual > 0 else 0
    if gaps:
        problems.append(f"missing slices: {gaps} gaps, up to {steps.max():.1f} mm where {usual:.2f} mm is usual")
    elif usual > 0 and np.ptp(steps) > max(0.02, 0.01 * usual) and not problems:
        problems.append(f"uneven slice spacing, {steps.min():.2f} to {steps.max():.2f} mm")
    return along, tuple(problems)


def _emission_extent(dataset: Any, pixel: tuple[float, ...]) -> tuple[float, float] | None:
    detectors = dataset.get("DetectorInformationSequence") or [{}]
    position = detectors[0].get("ImagePositionPatient")
    if not position or len(pixel) < 2:
        return None
    top = float(position[2])
    return top - (int(dataset.Rows) - 1) * pixel[1], top


Hints = tuple[str | None, float | None, datetime | None, tuple[str, ...]]


def _administration(dataset: Any, role: str, start: datetime | None) -> Hints:
    """Nuclide, activity [Bq] and time of the administration as the headers have them."""
    if role not in {"nm raw", "nm reconstructed", "pt"}:
        return None, None, None, ()
    items = dataset.get("RadiopharmaceuticalInformationSequence") or [{}]
    item = items[0]
    stated = float(item.get("RadionuclideTotalDose") or 0.0)
    problems: list[str] = []
    activity = None
    if stated > 0:
        in_mbq = role != "pt" if stated < MOST_MBQ else False
        if role == "pt" and stated < MOST_MBQ:
            in_mbq = True
            problems.append(
                f"Radionuclide Total Dose {stated:g} (0018,1074) is too small for Bq and was read as MBq"
            )
        elif role != "pt" and stated >= MOST_MBQ:
            problems.append(
                f"Radionuclide Total Dose {stated:g} (0018,1074) is too large for MBq and was read as Bq"
            )
        activity = stated * BQ_PER_MBQ if in_mbq else stated
    else:
        problems.append("no administered activity (0018,1074)")
    try:
        given = injection_time(item, start if role == "pt" else None)
    except DicomError as error:
        given = None
        problems.append(str(error))
    return _nuclide(item), activity, given, tuple(problems)


def _agent(dataset: Any) -> str:
    items = dataset.get("RadiopharmaceuticalInformationSequence") or [{}]
    return str(items[0].get("Radiopharmaceutical") or "")


CODED: Final = re.compile(r"\^(\d+m?)\^\s*([A-Za-z]+)")
"""The meaning of a radionuclide code: ^177^Lutetium."""


def _nuclide(item: Any) -> str | None:
    """Radionuclide of a radiopharmaceutical item, as "Lu-177"."""
    symbols = {name.lower(): symbol for symbol, name in ELEMENT_NAMES.items()}
    for code in item.get("RadionuclideCodeSequence") or []:
        text = str(code.get("CodeMeaning") or "").strip()
        coded = CODED.match(text)
        if coded and coded[2].lower() in symbols:
            return f"{symbols[coded[2].lower()]}-{coded[1]}"
        try:
            return nuclide_name(text.strip("^").split(" ")[0])
        except InputError:
            continue
    return None


def _missing(
    headers: Sequence[_Header], role: str, start: datetime | None, windows: Sequence[Any], nuclide: str | None
) -> Iterable[str]:
    """Problems by absence, and truncated files."""
    cut = [h.path.name for h in headers if h.truncated]
    if cut:
        yield f"truncated pixel data in {', '.join(cut[:3])}{' and others' if len(cut) > 3 else ''}"
    if role in {"nm raw", "nm reconstructed", "pt"}:
        if start is None:
            yield "no acquisition date or time (0008,0022), (0008,0032)"
        if nuclide is None:
            yield "no radionuclide (0054,0300)"
    if role == "nm raw" and not windows:
        yield "no energy windows (0054,0012)"
    if role in {"nm reconstructed", "pt"} and _unit(headers[0].dataset, role) is None:
        yield "no unit: neither a real world value mapping nor Units (0054,1001)"


def _with_coverage(series: Sequence[SeriesInfo]) -> list[SeriesInfo]:
    """Say of raw emission series when no CT of their frame of reference covers them along the patient."""
    found = []
    for item in series:
        cts = [s for s in series if s.role == "ct" and s.frame_of_reference_uid == item.frame_of_reference_uid]
        extent = item.z_range_mm
        if item.role == "nm raw" and not cts:
            item = replace(item, problems=(*item.problems, "no CT in its frame of reference"))
        elif item.role == "nm raw" and extent is not None:
            low = min((c.z_range_mm[0] for c in cts if c.z_range_mm), default=extent[0])
            high = max((c.z_range_mm[1] for c in cts if c.z_range_mm), default=extent[1])
            covered = (min(high, extent[1]) - max(low, extent[0])) / (extent[1] - extent[0])
            if covered < 0.6:
                item = replace(
                    item, problems=(*item.problems, f"its CT covers only {max(covered, 0):.0%} of it along z")
                )
        found.append(item)
    return found


def _problems(series: Sequence[SeriesInfo], unreadable: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What is wrong with the folder as a whole."""
    problems = []
    patients = {s.patient_key for s in series}
    if len(patients) > 1:
        problems.append(f"images of {len(patients)} patients")
    frames: dict[str, set[str]] = {}
    for item in series:
        if item.frame_of_reference_uid and item.role in {"nm raw", "nm reconstructed", "ct", "pt"}:
            frames.setdefault(item.study_instance_uid, set()).add(item.frame_of_reference_uid)
    several = sum(1 for found in frames.values() if len(found) > 1)
    if several:
        problems.append(f"{several} studies with more than one frame of reference: their images need registration")
    if unreadable:
        problems.append(f"{len(unreadable)} broken DICOM files")
    if not any(s.role in {"nm raw", "nm reconstructed", "pt"} for s in series):
        problems.append("no SPECT or PET images")
    return tuple(problems)
