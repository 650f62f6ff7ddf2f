"""One DICOM series as its headers describe it: role, geometry, time, unit, and what is wrong or missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from lutetia.errors import DicomError
from lutetia.images.dicom.ct import TWICE_MM, is_even
from lutetia.images.dicom.nm_header import energy_windows
from lutetia.images.dicom.open import first_item, image_type, items, number, numbers
from lutetia.images.dicom.radiopharmaceutical import AdministrationHints, administration_hints
from lutetia.images.dicom.times import acquisition_start

STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
ROLES: Final = {
    f"{STORAGE}2": "ct",
    f"{STORAGE}128": "pt",
    f"{STORAGE}481.2": "rtdose",
    f"{STORAGE}481.3": "rtstruct",
    f"{STORAGE}66.4": "seg",
    f"{STORAGE}66.7": "seg",
}
"""Role by SOP class; dose reports and screen saves carry the modality of the images but another class."""

NM_ROLES: Final = {
    "TOMO": "nm raw",
    "RECON TOMO": "nm reconstructed",
    "WHOLE BODY": "nm planar",
    "STATIC": "nm planar",
}
MULTI_FRAME: Final = {
    f"{STORAGE}2.1": "enhanced CT",
    f"{STORAGE}2.2": "legacy converted enhanced CT",
    f"{STORAGE}130": "enhanced PET",
    f"{STORAGE}128.1": "legacy converted enhanced PET",
}
EMISSION: Final = frozenset({"nm raw", "nm reconstructed", "pt"})
QUANTITATIVE: Final = frozenset({"Bq/mL", "counts", "CNTS"})


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesInfo:
    """One series, from its headers.

    ``patient_key`` is "patient 1", "patient 2", ... in the order of appearance, never an identifier. Activity and time
    of the administration are what the headers hint at; None where they say nothing. ``z_range_mm`` reaches from the
    centre of the lowest to that of the highest slice or row.
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


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Header:
    """Header of one file; ``truncated`` when its pixel data are shorter than announced."""

    path: Path
    size_bytes: int
    dataset: Any
    truncated: bool
    undecodable: tuple[str, ...] = ()


def role_of(dataset: Any) -> str:
    """What an object is to dosimetry: one of the values of ROLES and NM_ROLES, "nm other" or "other"."""
    kind = image_type(dataset)[2]
    uid = str(dataset.get("SOPClassUID") or "")
    if uid == f"{STORAGE}20":
        return NM_ROLES.get(kind, "nm other")
    if uid == f"{STORAGE}2" and kind == "LOCALIZER":
        return "other"
    return ROLES.get(uid, "other")


def series_info(headers: Sequence[Header], patient_key: str) -> SeriesInfo:
    """Describe one series; all headers are of one role, series and patient."""
    headers = sorted(headers, key=lambda h: (number(h.dataset, "InstanceNumber") or 0.0, h.path.name))
    first = headers[0].dataset
    role, modality = role_of(first), str(first.get("Modality") or "")
    start = _start(headers)
    size, voxel, problems = _geometry(headers, role)
    windows = tuple((w.lower_mev, w.upper_mev) for w in energy_windows(first)) if role.startswith("nm") else ()
    hints = administration_hints(first, modality, start) if role in EMISSION else AdministrationHints()
    unit = _unit(first, role)
    return SeriesInfo(
        role=role,
        modality=modality,
        series_instance_uid=str(first.get("SeriesInstanceUID") or ""),
        study_instance_uid=str(first.get("StudyInstanceUID") or ""),
        patient_key=patient_key,
        files=tuple(h.path for h in headers),
        n_files=len(headers),
        start_time=start,
        frame_of_reference_uid=frame_of(first),
        size=size,
        voxel_mm=voxel,
        energy_windows_mev=windows,
        unit=unit,
        nuclide=hints.nuclide,
        agent=hints.agent,
        administered_activity_bq=hints.activity_bq,
        administration_time=hints.time,
        manufacturer=str(first.get("Manufacturer") or ""),
        model=str(first.get("ManufacturerModelName") or ""),
        collimator=str(first_item(first, "DetectorInformationSequence").get("CollimatorGridName") or ""),
        description=str(first.get("SeriesDescription") or ""),
        z_range_mm=_z_range(headers, role),
        problems=(
            *problems,
            *hints.problems,
            *_broken(headers),
            *(_missing(first, role, start, windows, hints.nuclide, unit) if role in EMISSION else ()),
        ),
    )


def frame_of(dataset: Any) -> str:
    """Frame of reference of an image, or the first that a structure set refers to."""
    own = dataset.get("FrameOfReferenceUID")
    if not own:
        own = first_item(dataset, "ReferencedFrameOfReferenceSequence").get("FrameOfReferenceUID")
    return str(own or "")


def _start(headers: Sequence[Header]) -> datetime | None:
    starts = []
    for header in headers:
        try:
            starts.append(acquisition_start(header.dataset))
        except DicomError:
            continue
    return min((s for s in starts if s is not None), default=None)


def _unit(dataset: Any, role: str) -> str | None:
    """Unit of the values as the object states it; None when it does not."""
    fixed = {"ct": "HU", "nm raw": "counts", "nm planar": "counts"}.get(role)
    if fixed is not None:
        return fixed
    if role == "rtdose":
        stated = str(dataset.get("DoseUnits") or "")
        return {"GY": "Gy"}.get(stated, stated) or None
    for item in items(dataset, "RealWorldValueMappingSequence"):
        code = str(first_item(item, "MeasurementUnitsCodeSequence").get("CodeValue") or "")
        return {"bq/ml": "Bq/mL", "{counts}": "counts"}.get(code.lower(), code) or None
    stated = str(dataset.get("Units") or "")
    return {"BQML": "Bq/mL"}.get(stated, stated) or None


Geometry = tuple[tuple[int, ...] | None, tuple[float, ...] | None, tuple[str, ...]]


def _geometry(headers: Sequence[Header], role: str) -> Geometry:
    """Size, voxel size and what is wrong with the slices."""
    first = headers[0].dataset
    rows, columns = number(first, "Rows"), number(first, "Columns")
    if not rows or not columns:
        return None, None, ()
    plane = (int(columns), int(rows))
    pixel = (numbers(first, "PixelSpacing", 2) or ())[::-1]
    if role in {"ct", "pt"} and len(headers) > 1:
        step, problems = _slices(headers)
        return (*plane, len(headers)), (*pixel, step) if step else pixel, problems
    frames = int(number(first, "NumberOfFrames") or 1)
    step = number(first, "SpacingBetweenSlices") or number(first, "SliceThickness")
    return (*plane, frames), (*pixel, abs(step)) if step and role != "nm raw" else pixel, ()


def _slices(headers: Sequence[Header]) -> tuple[float | None, tuple[str, ...]]:
    """Usual distance of the slices along their normal, and problems of their order."""
    orientation = numbers(headers[0].dataset, "ImageOrientationPatient", 6)
    positions = [numbers(h.dataset, "ImagePositionPatient", 3) for h in headers]
    placed = [p for p in positions if p is not None]
    if orientation is None or len(placed) < len(positions):
        return None, ("slices without Image Position or Orientation (Patient)",)
    normal = np.cross(orientation[:3], orientation[3:])
    along = np.sort(np.asarray(placed) @ normal)
    steps = np.diff(along)
    usual = float(np.median(steps))
    problems = []
    twice = int(np.sum(steps < TWICE_MM))
    if twice:
        problems.append(f"{twice} slices are there twice")
    gaps = int(np.sum(steps > 1.5 * usual)) if usual > 0 else 0
    if gaps:
        problems.append(f"missing slices: {gaps} gaps, up to {steps.max():.1f} mm where {usual:.2f} mm is usual")
    elif usual > 0 and not is_even(along, usual) and not problems:
        problems.append(f"uneven slice spacing, {steps.min():.2f} to {steps.max():.2f} mm")
    return usual or None, tuple(problems)


def _z_range(headers: Sequence[Header], role: str) -> tuple[float, float] | None:
    """Extent along the patient. [mm]"""
    if role in {"ct", "pt"}:
        placed = [numbers(h.dataset, "ImagePositionPatient", 3) for h in headers]
        heights = [p[2] for p in placed if p is not None]
        return (min(heights), max(heights)) if heights else None
    if role not in EMISSION:
        return None
    first = headers[0].dataset
    detector = first_item(first, "DetectorInformationSequence")
    ends = [_emission_ends(h.dataset, role) for h in headers] if numbers(detector, "ImagePositionPatient") else []
    known = [z for pair in ends if pair is not None for z in pair]
    return (min(known), max(known)) if known else None


def _emission_ends(dataset: Any, role: str) -> tuple[float, float] | None:
    """Heights of the first and last row of projections, or of the first and last slice. [mm]"""
    detector = first_item(dataset, "DetectorInformationSequence")
    position = numbers(detector, "ImagePositionPatient", 3)
    orientation = numbers(detector, "ImageOrientationPatient", 6) or (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    if position is None:
        return None
    if role == "nm raw":
        n, spacing = number(dataset, "Rows"), (numbers(dataset, "PixelSpacing", 2) or (None,))[0]
        along = orientation[5]
    else:
        n = number(dataset, "NumberOfFrames")
        spacing = number(dataset, "SpacingBetweenSlices") or number(dataset, "SliceThickness")
        along = float(np.cross(orientation[:3], orientation[3:])[2])
    if n is None or spacing is None:
        return None
    return position[2], position[2] + along * spacing * (n - 1)


def _broken(headers: Sequence[Header]) -> Iterator[str]:
    """Files of the series that are damaged or of a kind that is not read."""
    cut = [h.path.name for h in headers if h.truncated]
    if cut:
        yield f"truncated pixel data in {', '.join(cut[:3])}{' and others' if len(cut) > 3 else ''}"
    tags = sorted({tag for h in headers for tag in h.undecodable})
    if tags:
        yield f"elements that cannot be decoded: {', '.join(tags[:5])}{' and others' if len(tags) > 5 else ''}"
    uid = str(headers[0].dataset.get("SOPClassUID") or "")
    if uid in MULTI_FRAME:
        yield f"{MULTI_FRAME[uid]} (multi-frame) is not read; export it as single slices"


def _missing(
    dataset: Any, role: str, start: datetime | None, windows: Sequence[Any], nuclide: str | None, unit: str | None
) -> Iterator[str]:
    """What an emission series does not say."""
    if start is None:
        yield "no acquisition date or time (0008,0022), (0008,0032)"
    if nuclide is None:
        yield "no radionuclide (0054,0300)"
    if role == "nm raw" and not windows:
        yield "no energy windows (0054,0012)"
    if unit is None:
        yield "no unit: neither a real world value mapping nor Units (0054,1001)"
    elif unit not in QUANTITATIVE:
        yield f"unit {unit!r} (0054,1001) is neither Bq/mL nor counts"
    if role == "pt" and not dataset.get("DecayCorrection"):
        yield "no decay correction (0054,1102)"
