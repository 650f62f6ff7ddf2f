"""Planar nuclear medicine images: whole-body sweeps and static images from in front and from behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lutetia.errors import DicomError, MissingDataError
from lutetia.images.acquisition import ConjugateViews, EnergyWindow, Equipment
from lutetia.images.dicom.nm_header import (
    energy_windows,
    equipment_of,
    frame_duration_s,
    frame_index,
    pixel_spacing_mm,
    scaled,
    start_time,
)
from lutetia.images.dicom.open import first_item, image_type, items, number, numbers, open_dicom, pixels

View = Literal["anterior", "posterior"]
KINDS: Final = ("WHOLE BODY", "STATIC")
VIEW_CODES: Final[dict[str, View]] = {
    "399321004": "anterior",
    "G-5215": "anterior",
    "399001007": "posterior",
    "G-5216": "posterior",
}
"""SNOMED CT and its older SRT codes of CID 26."""

ANGLES_DEG: Final[dict[View, float]] = {"anterior": 180.0, "posterior": 0.0}
NEAR_DEG: Final = 20.0
"""A head is in front or behind when its Start Angle lies this near to that."""

LEAST_ALONG: Final = 0.9
"""Cosine between a row or column of pixels and the patient's axis that it is taken to follow."""

SAME_MM: Final = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Head:
    """Images (windows, rows, columns) of one head, rows from head to feet.

    ``to_left``: whether columns run to the patient's left; None when the file does not say.
    """

    view: View
    counts: NDArray[np.float32]
    windows: tuple[EnergyWindow, ...]
    to_left: bool | None
    corner_mm: tuple[float, float] | None
    pixel_mm: tuple[float, float]
    exposure_s: float
    duration_s: float
    start: datetime | None
    frame_of_reference_uid: str
    equipment: Equipment


def read_conjugate_views(
    paths: Path | Sequence[Path],
    *,
    exposure_s: float | None = None,
    heads: Sequence[View] | None = None,
) -> ConjugateViews:
    """Anterior and posterior images of one scan (image type WHOLE BODY or STATIC), in one object or in two.

    Frames are placed by their Energy Window and Detector Vectors. Which head was where follows from View Code, else
    from Start Angle (180 in front, 0 behind). Whether the posterior image was turned follows from the heads' Image
    Orientation (Patient), else it is taken as seen from behind, with a warning.

    Parameters
    ----------
    paths : one or two files
    exposure_s : how long each point of the patient was seen, instead of what the file says. A static image says it
        in Actual Frame Duration; a sweep in Scan Velocity and Field of View Dimension, and only where it has both
    heads : the view of each head in the order of the detectors (of the files), instead of what the file says

    Raises
    ------
    DicomError
        Not a planar emission image, views that cannot be told apart, frames missing, or files that differ.
    MissingDataError
        The exposure is not stated.
    """
    files = [paths] if isinstance(paths, Path) else list(paths)
    warnings: list[str] = []
    found: list[_Head] = []
    for path in files:
        told = None if heads is None else heads[len(found) :]
        found += _heads(path, exposure_s, told, warnings)
    names = ", ".join(path.name for path in files)
    by_view = {head.view: head for head in found}
    if len(found) != 2 or len(by_view) != 2:
        raise DicomError(
            f"{names}: images of {[head.view for head in found] or 'no head'}; expected one anterior and one "
            "posterior. State them with heads, or give both files of the scan."
        )
    return _joined(by_view["anterior"], by_view["posterior"], names, warnings)


def _joined(front: _Head, behind: _Head, names: str, warnings: list[str]) -> ConjugateViews:
    same_pixels = np.allclose(front.pixel_mm, behind.pixel_mm, atol=SAME_MM)
    limits = [[(w.lower_mev, w.upper_mev) for w in head.windows] for head in (front, behind)]
    if front.counts.shape != behind.counts.shape or not same_pixels or limits[0] != limits[1]:
        raise DicomError(
            f"{names}: anterior and posterior image differ in energy windows, matrix ({front.counts.shape} and "
            f"{behind.counts.shape}) or pixels ({front.pixel_mm} and {behind.pixel_mm} mm)."
        )
    if not math.isclose(front.exposure_s, behind.exposure_s, rel_tol=1e-3):
        raise DicomError(
            f"{names}: anterior image of {front.exposure_s:g} s and posterior one of {behind.exposure_s:g} s; "
            "expected views measured together."
        )
    if front.to_left is None or behind.to_left is None:
        warnings.append(
            "Image Orientation (Patient) (0020,0037) is missing: each view was taken as seen by its head, the posterior "
            "one not mirrored. Check left and right."
        )
    anterior = front.counts[:, :, ::-1] if front.to_left is False else front.counts
    starts = [head.start for head in (front, behind) if head.start is not None]
    return ConjugateViews(
        anterior=np.ascontiguousarray(anterior),
        posterior=behind.counts,
        posterior_mirrored=bool(behind.to_left),
        windows=front.windows,
        pixel_mm=front.pixel_mm,
        exposure_s=front.exposure_s,
        duration_s=max(front.duration_s, behind.duration_s),
        start_time=min(starts, default=None),
        corner_mm=front.corner_mm,
        frame_of_reference_uid=front.frame_of_reference_uid,
        equipment=front.equipment,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _heads(path: Path, exposure_s: float | None, stated: Sequence[View] | None, warnings: list[str]) -> list[_Head]:
    """All heads of one object."""
    dataset, windows, name = *_planar(path), path.name
    stored = np.asarray(pixels(dataset, path))
    frames = scaled(dataset, stored.reshape(-1, *stored.shape[-2:]).astype(np.float32), warnings)
    by_detector = _placed(dataset, frames, len(windows), name)
    described = items(dataset, "DetectorInformationSequence")
    spacing = pixel_spacing_mm(dataset, name)
    duration, exposure = _times(dataset, exposure_s, name, warnings)
    result = []
    for position, (detector, counts) in enumerate(by_detector.items()):
        item = described[detector] if detector < len(described) else Dataset()
        view = stated[position] if stated and position < len(stated) else _view(item, name, detector)
        upright, to_left, corner = _oriented(item, counts, spacing, name)
        head = _Head(
            view=view,
            counts=upright,
            windows=windows,
            to_left=to_left,
            corner_mm=corner,
            pixel_mm=spacing,
            exposure_s=exposure,
            duration_s=duration,
            start=start_time(dataset, warnings),
            frame_of_reference_uid=str(dataset.get("FrameOfReferenceUID") or ""),
            equipment=equipment_of(dataset),
        )
        result.append(head)
    return result


def _planar(path: Path) -> tuple[Any, tuple[EnergyWindow, ...]]:
    """A planar emission object and its energy windows."""
    dataset, name = open_dicom(path), path.name
    kind = image_type(dataset)
    if (
        dataset.get("Modality") != "NM"
        or kind[2] not in KINDS
        or "TRANSMISSION" in (dataset.get("ImageType") or ())
    ):
        raise DicomError(
            f"{name}: modality {dataset.get('Modality')} (0008,0060), image type {list(dataset.get('ImageType') or ())} "
            "(0008,0008); expected a planar emission image, NM with WHOLE BODY or STATIC as third value."
        )
    windows = energy_windows(dataset)
    if not windows:
        raise DicomError(
            f"{name}: Energy Window Information Sequence (0054,0012) is missing, or a window has no limits in keV or "
            "several separate ranges."
        )
    return dataset, windows


def _placed(dataset: Any, frames: NDArray[np.float32], n_windows: int, name: str) -> dict[int, NDArray[np.float32]]:
    """Images (windows, rows, columns) by detector, each window exactly once."""
    index = []
    for keyword, what in (("EnergyWindowVector", n_windows), ("DetectorVector", len(frames) // n_windows)):
        vector = frame_index(dataset, keyword, len(frames), name)
        if vector is None and what > 1:
            raise DicomError(f"{name}: {keyword} is missing, so its {len(frames)} frames cannot be told apart.")
        index.append(np.zeros(len(frames), np.int64) if vector is None else vector)
    window, detector = index
    placed: dict[int, NDArray[np.float32]] = {}
    for head in np.unique(detector):
        order = np.flatnonzero(detector == head)
        if sorted(window[order].tolist()) != list(range(n_windows)):
            raise DicomError(
                f"{name}: head {head + 1} has frames of the energy windows {(window[order] + 1).tolist()}; expected "
                f"each of 1 to {n_windows} once."
            )
        placed[int(head)] = frames[order[np.argsort(window[order])]]
    return placed


def _view(item: Any, name: str, detector: int) -> View:
    """Whether a head was in front or behind."""
    code = first_item(item, "ViewCodeSequence")
    known = VIEW_CODES.get(str(code.get("CodeValue") or ""))
    if known is not None:
        return known
    meaning = str(code.get("CodeMeaning") or "").lower().split()
    for view in ANGLES_DEG:
        if view in meaning:
            return view
    angle = number(item, "StartAngle")
    for view, expected in ANGLES_DEG.items():
        if angle is not None and not meaning and abs((angle - expected + 180) % 360 - 180) <= NEAR_DEG:
            return view
    raise DicomError(
        f"{name}: head {detector + 1} has View Code {' '.join(meaning) or 'none'} (0054,0220) and Start Angle {angle} "
        "(0054,0200), neither anterior nor posterior. State it with heads."
    )


Oriented = tuple[NDArray[np.float32], bool | None, tuple[float, float] | None]


def _oriented(item: Any, counts: NDArray[np.float32], pixel_mm: tuple[float, float], name: str) -> Oriented:
    """Counts with rows from head to feet, whether columns run to the left, and the (x, z) of the leftmost-in-x corner."""
    orientation = numbers(item, "ImageOrientationPatient", 6)
    if orientation is None:
        return counts, None, None
    across, down = orientation[0], orientation[5]
    if min(abs(across), abs(down)) < LEAST_ALONG:
        raise DicomError(
            f"{name}: Image Orientation (Patient) {list(orientation)} (0020,0037); expected rows across and columns "
            "along the patient."
        )
    rows, columns = counts.shape[1:]
    position = numbers(item, "ImagePositionPatient", 3)
    corner = None
    if position is not None and any(abs(p) > SAME_MM for p in position):
        least_x = position[0] - (columns - 1) * pixel_mm[0] if across < 0 else position[0]
        top_z = position[2] + (rows - 1) * pixel_mm[1] if down > 0 else position[2]
        corner = (least_x, top_z)
    upright = np.ascontiguousarray(counts[:, ::-1]) if down > 0 else counts
    return upright, across > 0, corner


def _times(dataset: Any, stated_exposure_s: float | None, name: str, warnings: list[str]) -> tuple[float, float]:
    """Duration of the scan, and exposure of each point of the patient. [s]"""
    duration = frame_duration_s(dataset)
    exposure = stated_exposure_s
    sweep = image_type(dataset)[2] == "WHOLE BODY"
    if exposure is None:
        exposure = _swept_s(dataset, warnings) if sweep else duration
    if exposure is None:
        wanted = (
            "Scan Velocity (0018,1300) and Field of View Dimension (0018,1149) of a sweep"
            if sweep
            else "Actual Frame Duration (0018,1242)"
        )
        raise MissingDataError(
            f"{name}: how long each point of the patient was seen is not stated: {wanted} missing. Give exposure_s (for "
            "a sweep the length of the detector's field over its speed)."
        )
    if duration is None or duration < exposure:
        warnings.append(
            f"Actual Frame Duration (0018,1242) is missing or shorter than the exposure: {exposure:g} s was taken for the "
            "whole scan."
        )
        duration = exposure
    return duration, exposure


def _swept_s(dataset: Any, warnings: list[str]) -> float | None:
    """Length of the detector's field along the patient over the speed of the sweep. [s]"""
    velocity = number(dataset, "ScanVelocity")
    field = numbers(first_item(dataset, "DetectorInformationSequence"), "FieldOfViewDimensions")
    if not velocity or velocity < 0 or not field:
        return None
    # rectangular fields state width (across) and length; a round or square one a single number
    length = field[-1]
    warnings.append(
        f"Each point was taken to be seen for {length / velocity:.1f} s: a detector's field of {length:g} mm passing at "
        f"{velocity:g} mm/s. Check with the calibration."
    )
    return length / velocity
