"""Nuclear medicine images: raw projections and reconstructed slices."""

import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lutetia.errors import DicomError
from lutetia.images.acquisition import EnergyWindow, Equipment, Projections
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
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

CORNER_OF_CUBE: Final = re.compile(r"(GE|simulated)\b", re.IGNORECASE)
"""Makers whose projections give the position of the corner of the cube to be reconstructed."""

LEAST_AGREEMENT: Final = 0.9
"""Cosine between the columns' direction as stored and as the start angle gives it."""

UCUM: Final = {
    "Bq/ml": ("Bq/mL", 1.0),
    "Bq/mL": ("Bq/mL", 1.0),
    "kBq/ml": ("Bq/mL", 1e3),
    "kBq/mL": ("Bq/mL", 1e3),
    "MBq/ml": ("Bq/mL", 1e6),
    "MBq/mL": ("Bq/mL", 1e6),
    "{counts}": ("counts", 1.0),
    "{counts}/s": ("counts/s", 1.0),
}
"""Codes of UCUM for what a reconstructed SPECT holds, and their factor to our unit."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NmImage:
    """A reconstructed SPECT image as stored; the unit is "Bq/mL" only where the file says so.

    ``duration_s`` is the sum of the live times of the views of one head, None when the file does not say.
    """

    volume: Volume
    start_time: datetime | None
    duration_s: float | None
    equipment: Equipment
    warnings: tuple[str, ...] = ()


def read_projections(path: Path) -> Projections:
    """Raw projections of one bed position (image type TOMO).

    Frames are placed by their index vectors; angles follow from Start Angle, Angular Step and Rotation Direction of
    each head. Live time of a view is Actual Frame Duration of the rotation.

    Raises
    ------
    DicomError
        Not an NM TOMO object, truncated, or without energy windows, angles, radii or frame duration; the message names
        the file, the attribute, what was found and what was expected.
    """
    dataset, windows, name = *_tomo(path), path.name
    stored = np.asarray(pixels(dataset, path))
    frames = stored.reshape(-1, *stored.shape[-2:]).astype(np.float32)
    rotation = _only_rotation(dataset, name)
    heads = items(dataset, "DetectorInformationSequence")
    index = {
        k: _index(dataset, f"{k}Vector", len(frames), name) for k in ("EnergyWindow", "Detector", "AngularView")
    }
    views = sorted(set(zip(index["Detector"].tolist(), index["AngularView"].tolist(), strict=True)))
    duration = frame_duration_s(rotation)
    if duration is None:
        raise DicomError(
            f"{name}: Actual Frame Duration (0018,1242) is missing; the live time of a view is needed."
        )
    warnings: list[str] = []
    counts = scaled(dataset, _placed(frames, index, views, len(windows), name), warnings)
    pixel_mm = pixel_spacing_mm(dataset, name)
    angles = _angles(rotation, heads, views, name)
    counts, centre = _oriented(dataset, counts, rotation, pixel_mm, warnings, name)
    _check_orientation(heads, float(angles[0]), warnings)
    return Projections(
        counts=counts,
        windows=windows,
        angle_rad=angles,
        radius_mm=_radii(rotation, heads, views, name),
        frame_duration_s=np.full(len(views), duration),
        pixel_mm=pixel_mm,
        centre_mm=centre,
        detector=np.array([head for head, _ in views], dtype=np.int64),
        start_time=start_time(dataset, warnings),
        duration_s=duration * len(views) / len({head for head, _ in views}),
        frame_of_reference_uid=str(dataset.get("FrameOfReferenceUID") or ""),
        series_instance_uid=str(dataset.get("SeriesInstanceUID") or ""),
        equipment=equipment_of(dataset),
        warnings=tuple(warnings),
    )


def _tomo(path: Path) -> tuple[Any, tuple[EnergyWindow, ...]]:
    """A raw tomographic object and its energy windows."""
    dataset, name = open_dicom(path), path.name
    kind = image_type(dataset)
    if dataset.get("Modality") != "NM" or kind[2] != "TOMO":
        raise DicomError(
            f"{name}: modality {dataset.get('Modality')} (0008,0060), image type {list(kind)} (0008,0008); expected raw "
            "projections, NM with TOMO as third value."
        )
    windows = energy_windows(dataset)
    if not windows:
        raise DicomError(
            f"{name}: Energy Window Information Sequence (0054,0012) is missing, or a window has no limits in keV or "
            "several separate ranges."
        )
    return dataset, windows


def _only_rotation(dataset: Any, name: str) -> Any:
    found = items(dataset, "RotationInformationSequence")
    if len(found) != 1:
        raise DicomError(
            f"{name}: RotationInformationSequence has {len(found)} items (0054,0052); one rotation was expected."
        )
    return found[0]


def _index(dataset: Any, keyword: str, n: int, name: str) -> NDArray[np.int64]:
    """A frame index vector; the first index for all frames when the object has none."""
    vector = frame_index(dataset, keyword, n, name)
    return np.zeros(n, np.int64) if vector is None else vector


def _placed(
    frames: NDArray[np.float32],
    index: dict[str, NDArray[np.int64]],
    views: list[tuple[int, int]],
    n: int,
    name: str,
) -> NDArray[np.float32]:
    """Frames as (windows, views, rows, columns), each exactly once."""
    place = {view: position for position, view in enumerate(views)}
    counts = np.full((n, len(views), *frames.shape[-2:]), np.nan, np.float32)
    for frame, window, head, view in zip(
        frames, index["EnergyWindow"], index["Detector"], index["AngularView"], strict=True
    ):
        if window >= n:
            raise DicomError(f"{name}: Energy Window Vector names window {window + 1} of {n}.")
        counts[window, place[int(head), int(view)]] = frame
    if len(frames) != n * len(views) or np.isnan(counts[:, :, 0, 0]).any():
        raise DicomError(
            f"{name}: {len(frames)} frames for {n} energy windows x {len(views)} views; some are missing."
        )
    return counts


def _of_head(heads: list[Any], head: int) -> Any:
    return heads[head] if head < len(heads) else Dataset()


def _angles(rotation: Any, heads: list[Any], views: list[tuple[int, int]], name: str) -> NDArray[np.float64]:
    """Detector angle of each view. [rad]"""
    step, direction = number(rotation, "AngularStep"), str(rotation.get("RotationDirection") or "")
    if step is None or direction not in {"CW", "CC"}:
        raise DicomError(
            f"{name}: Angular Step (0018,1144) {step!r}, Rotation Direction (0018,1140) {direction!r}; expected a number "
            "and CW or CC."
        )
    sign = 1.0 if direction == "CC" else -1.0
    angles = []
    for head, view in views:
        start = number(_of_head(heads, head), "StartAngle")
        start = number(rotation, "StartAngle") if start is None else start
        if start is None:
            raise DicomError(f"{name}: Start Angle (0054,0200) is missing for head {head + 1}.")
        angles.append(math.radians(start + sign * step * view))
    return np.asarray(angles)


def _radii(rotation: Any, heads: list[Any], views: list[tuple[int, int]], name: str) -> NDArray[np.float64]:
    """Distance of the collimator from the axis of rotation for each view. [mm]"""
    radii = []
    for head, view in views:
        listed = numbers(_of_head(heads, head), "RadialPosition") or numbers(rotation, "RadialPosition") or ()
        if len(listed) != 1 and view >= len(listed):
            raise DicomError(
                f"{name}: Radial Position (0018,1142) has {len(listed)} values; one, or one per view expected."
            )
        radii.append(listed[0] if len(listed) == 1 else listed[view])
    if min(radii) <= 0:
        raise DicomError(f"{name}: Radial Position (0018,1142) {min(radii):g} mm; expected more than 0.")
    return np.asarray(radii, dtype=np.float64)


Placed = tuple[NDArray[np.float32], tuple[float, float, float]]


def _oriented(
    dataset: Any,
    counts: NDArray[np.float32],
    rotation: Any,
    pixel_mm: tuple[float, float],
    warnings: list[str],
    name: str,
) -> Placed:
    """Counts with rows from the head to the feet, and the middle of the matrix on the axis of rotation. [mm]

    Cameras of GE give the position of the corner of the cube to be reconstructed, the same for every start angle; a
    position of (0, 0) in the plane means that the camera does not know, and the isocentre is taken.
    """
    rows, columns = counts.shape[-2:]
    head = first_item(dataset, "DetectorInformationSequence")
    orientation = numbers(head, "ImageOrientationPatient", 6)
    down = -1.0 if orientation is None else orientation[5]
    if abs(down) < 0.99:
        raise DicomError(
            f"{name}: Image Orientation (Patient) {orientation}; rows along the patient's axis expected."
        )
    if orientation is None:
        warnings.append("Image Orientation (Patient) (0020,0037) is missing: rows were taken from head to feet.")
    counts = counts if down < 0 else np.ascontiguousarray(counts[:, :, ::-1])
    position = numbers(head, "ImagePositionPatient", 3)
    if position is None:
        warnings.append("Image Position (Patient) is missing: the middle of the matrix was taken as the origin.")
        return counts, (0.0, 0.0, 0.0)
    x, y, z = position
    middle_z = z + math.copysign((rows - 1) / 2 * pixel_mm[1], down)
    if abs(x) < 1e-6 and abs(y) < 1e-6:
        table = number(rotation, "TableHeight") or 0.0
        warnings.append(
            "Image Position (Patient) is 0 in the plane: the axis of rotation was taken at x = 0 mm, "
            f"y = {-table:g} mm (minus the Table Height (0018,1130))."
        )
        return counts, (0.0, 0.0 - table, middle_z)
    if not CORNER_OF_CUBE.match(str(dataset.get("Manufacturer") or "")):
        warnings.append(
            "Image Position (Patient) was taken for the corner of the cube to be reconstructed, as cameras of GE mean it."
        )
    half = (columns - 1) / 2 * pixel_mm[0]
    return counts, (x + half, y + half, middle_z)


def _check_orientation(heads: list[Any], angle_rad: float, warnings: list[str]) -> None:
    """Warn when the columns of the first view do not run as its start angle says."""
    orientation = numbers(_of_head(heads, 0), "ImageOrientationPatient", 6)
    if orientation is None:
        return
    agreement = -math.cos(angle_rad) * orientation[0] + math.sin(angle_rad) * orientation[1]
    if agreement < LEAST_AGREEMENT:
        warnings.append(
            f"Image Orientation (Patient) {list(orientation[:3])} is not that of a detector at "
            f"{math.degrees(angle_rad) % 360:.1f} degrees; the angle was believed. Check left and right."
        )


def read_nm_reconstructed(path: Path) -> NmImage:
    """A reconstructed SPECT image (image type RECON TOMO).

    The unit comes from the Real World Value Mapping, else from Units with Rescale Slope, else the values are counts.
    Spacing Between Slices keeps its sign: negative means stacked the other way.

    Raises
    ------
    DicomError
        Another kind of image, missing geometry, or truncated pixel data.
    """
    dataset, name = open_dicom(path), path.name
    kind = image_type(dataset)
    if dataset.get("Modality") != "NM" or kind[2] != "RECON TOMO":
        raise DicomError(
            f"{name}: modality {dataset.get('Modality')} (0008,0060), image type {list(kind)} (0008,0008); expected NM "
            "with RECON TOMO as third value."
        )
    warnings: list[str] = []
    stored = np.asarray(pixels(dataset, path))
    values = stored.reshape(-1, *stored.shape[-2:]).astype(np.float32)
    order = frame_index(dataset, "SliceVector", len(values), name)
    if order is not None:
        values = values[np.argsort(order, kind="stable")]
    slope, intercept, unit = _real_world(dataset, warnings, name)
    return NmImage(
        volume=Volume(
            grid=_grid(dataset, values.shape, warnings, name), values=values * slope + intercept, unit=unit
        ),
        start_time=start_time(dataset, warnings),
        duration_s=_duration_s(dataset),
        equipment=equipment_of(dataset),
        warnings=tuple(warnings),
    )


def _duration_s(dataset: Any) -> float | None:
    """Live times of the views of one head together. [s]"""
    rotation = first_item(dataset, "RotationInformationSequence")
    duration, views = frame_duration_s(rotation), number(rotation, "NumberOfFramesInRotation")
    return duration * views if duration is not None and views else None


def _real_world(dataset: Any, warnings: list[str], name: str) -> tuple[np.float32, np.float32, str]:
    """Slope, intercept and unit of the stored values, by precedence."""
    plain = number(dataset, "RescaleSlope")
    for item in items(dataset, "RealWorldValueMappingSequence"):
        code = str(first_item(item, "MeasurementUnitsCodeSequence").get("CodeValue") or "")
        if code not in UCUM:
            warnings.append(f"A real world value mapping in {code!r} (0040,9096) was passed over.")
            continue
        unit, factor = UCUM[code]
        slope = number(item, "RealWorldValueSlope")
        if slope is None:
            raise DicomError(f"{name}: the real world value mapping in {code} has no slope (0040,9225).")
        if plain is not None and not math.isclose(plain, slope, rel_tol=1e-3):
            warnings.append(
                f"Rescale Slope {plain:g} and Real World Value Slope {slope:g} differ; the latter is used."
            )
        intercept = number(item, "RealWorldValueIntercept") or 0.0
        return np.float32(slope * factor), np.float32(intercept * factor), unit
    slope, intercept = plain or 1.0, number(dataset, "RescaleIntercept") or 0.0
    if str(dataset.get("Units") or "").upper() == "BQML":
        return np.float32(slope), np.float32(intercept), "Bq/mL"
    warnings.append("No unit is stored (real world value mapping or Units): the values are counts.")
    return np.float32(slope), np.float32(intercept), "counts"


def _grid(dataset: Any, shape: tuple[int, ...], warnings: list[str], name: str) -> Grid:
    """Grid of a slice stack from the detector's geometry and the signed slice spacing."""
    detector = first_item(dataset, "DetectorInformationSequence")
    position = numbers(detector, "ImagePositionPatient", 3) or numbers(dataset, "ImagePositionPatient", 3)
    orientation = numbers(detector, "ImageOrientationPatient", 6) or numbers(dataset, "ImageOrientationPatient", 6)
    if orientation is None:
        raise DicomError(f"{name}: Image Orientation (Patient) (0020,0037) is missing.")
    if position is None:
        warnings.append("Image Position (Patient) is missing: the first voxel was put at the origin.")
        position = (0.0, 0.0, 0.0)
    column_mm, row_mm = pixel_spacing_mm(dataset, name)
    step = _slice_step_mm(dataset, warnings, name)
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(across, down) * math.copysign(1.0, step)
    directions = np.stack([across, down, normal], axis=1)
    return Grid(
        size=(shape[2], shape[1], shape[0]),
        spacing_mm=(column_mm, row_mm, abs(step)),
        origin_mm=(position[0], position[1], position[2]),
        directions=tuple((float(r[0]), float(r[1]), float(r[2])) for r in directions),
        frame_of_reference_uid=str(dataset.get("FrameOfReferenceUID") or ""),
    )


def _slice_step_mm(dataset: Any, warnings: list[str], name: str) -> float:
    """Signed distance from slice to slice along row x column. [mm]"""
    step = number(dataset, "SpacingBetweenSlices")
    if step:
        return step
    thickness = number(dataset, "SliceThickness")
    if not thickness:
        raise DicomError(
            f"{name}: neither Spacing Between Slices (0018,0088) nor Slice Thickness (0018,0050) is there."
        )
    warnings.append(f"Spacing Between Slices (0018,0088) is missing; Slice Thickness {thickness:g} mm was used.")
    return thickness
