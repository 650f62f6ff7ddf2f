"""Nuclear medicine images: raw projections and reconstructed slices."""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import DicomError
from lutetia.images.acquisition import EnergyWindow, Equipment, Projections
from lutetia.images.dicom.open import open_dicom, pixels
from lutetia.images.dicom.times import acquisition_start
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.units import MEV_PER_KEV, S_PER_MS


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NmImage:
    """A reconstructed SPECT image as stored; the unit is "Bq/mL" only where the file says so."""

    volume: Volume
    start_time: datetime | None
    equipment: Equipment
    warnings: tuple[str, ...] = ()


def energy_windows(dataset: Any) -> tuple[EnergyWindow, ...]:
    """Energy windows of an NM object, empty when it names none."""
    windows = []
    for item in dataset.get("EnergyWindowInformationSequence") or []:
        ranges = item.get("EnergyWindowRangeSequence") or []
        if not ranges or ranges[0].get("EnergyWindowLowerLimit") is None:
            return ()
        windows.append(
            EnergyWindow(
                lower_mev=float(ranges[0].EnergyWindowLowerLimit) * MEV_PER_KEV,
                upper_mev=float(ranges[-1].EnergyWindowUpperLimit) * MEV_PER_KEV,
                name=str(item.get("EnergyWindowName") or ""),
            )
        )
    return tuple(windows)


def equipment_of(dataset: Any) -> Equipment:
    """Camera and collimator of an object."""
    detectors = dataset.get("DetectorInformationSequence") or [{}]
    return Equipment(
        manufacturer=str(dataset.get("Manufacturer") or ""),
        model=str(dataset.get("ManufacturerModelName") or ""),
        collimator=str(detectors[0].get("CollimatorGridName") or ""),
        software=" ".join(map(str, np.atleast_1d(dataset.get("SoftwareVersions") or ""))),
    )


def _vector(dataset: Any, keyword: str, n: int, name: str) -> NDArray[np.int64]:
    """A frame index vector, zero-based; one constant index when the object has none."""
    value = dataset.get(keyword)
    if value is None:
        return np.zeros(n, np.int64)
    vector = np.atleast_1d(np.asarray(value, dtype=np.int64)) - 1
    if vector.size != n or vector.min() < 0:
        raise DicomError(f"{name}: {keyword} has {vector.size} entries for {n} frames.")
    return vector


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
    index = {
        k: _vector(dataset, f"{k}Vector", len(frames), name) for k in ("EnergyWindow", "Detector", "AngularView")
    }
    rotation = _first(dataset, "RotationInformationSequence", name)
    heads = list(dataset.get("DetectorInformationSequence") or [])
    views = sorted(set(zip(index["Detector"].tolist(), index["AngularView"].tolist(), strict=True)))
    warnings: list[str] = []
    counts = _placed(frames, index, views, len(windows), name)
    slope = float(dataset.get("RescaleSlope") or 1.0)
    if slope != 1.0:
        counts = counts * np.float32(slope)
        warnings.append(f"Rescale Slope {slope:g} (0028,1053) was applied to the raw counts.")
    counts, centre = _oriented(dataset, heads, counts, rotation, warnings, name)
    spacing = [float(v) for v in dataset.PixelSpacing]
    duration = float(rotation.get("ActualFrameDuration") or 0) * S_PER_MS
    if duration <= 0:
        raise DicomError(
            f"{name}: Actual Frame Duration (0018,1242) is missing; the live time of a view is needed."
        )
    n_heads = len({head for head, _ in views})
    return Projections(
        counts=counts,
        windows=windows,
        angle_rad=_angles(rotation, heads, views, name),
        radius_mm=_radii(rotation, heads, views, name),
        frame_duration_s=np.full(len(views), duration),
        pixel_mm=(spacing[1], spacing[0]),
        centre_mm=centre,
        detector=np.array([head for head, _ in views], dtype=np.int64),
        start_time=acquisition_start(dataset),
        duration_s=duration * len(views) / max(n_heads, 1),
        frame_of_reference_uid=str(dataset.get("FrameOfReferenceUID") or ""),
        series_instance_uid=str(dataset.get("SeriesInstanceUID") or ""),
        equipment=equipment_of(dataset),
        warnings=tuple(warnings),
    )


def _tomo(path: Path) -> tuple[Any, tuple[EnergyWindow, ...]]:
    """A raw tomographic object and its energy windows."""
    dataset, name = open_dicom(path), path.name
    kind = list(dataset.get("ImageType") or [])
    if dataset.get("Modality") != "NM" or "TOMO" not in kind[2:3]:
        raise DicomError(
            f"{name}: image type {kind} (0008,0008); expected raw projections, NM with TOMO as third value."
        )
    windows = energy_windows(dataset)
    if not windows:
        raise DicomError(
            f"{name}: Energy Window Information Sequence (0054,0012) is missing or has no limits in keV."
        )
    return dataset, windows


def _first(dataset: Any, keyword: str, name: str) -> Any:
    items = dataset.get(keyword) or []
    if len(items) != 1:
        raise DicomError(f"{name}: {keyword} has {len(items)} items; one rotation was expected.")
    return items[0]


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


def _angles(rotation: Any, heads: list[Any], views: list[tuple[int, int]], name: str) -> NDArray[np.float64]:
    """Detector angle of each view. [rad]"""
    step, direction = rotation.get("AngularStep"), str(rotation.get("RotationDirection") or "")
    if step is None or direction not in {"CW", "CC"}:
        raise DicomError(
            f"{name}: Angular Step (0018,1144) {step!r}, Rotation Direction (0018,1140) {direction!r}; expected a number "
            "and CW or CC."
        )
    sign = 1.0 if direction == "CC" else -1.0
    angles = []
    for head, view in views:
        start = heads[head].get("StartAngle") if head < len(heads) else None
        start = rotation.get("StartAngle") if start is None else start
        if start is None:
            raise DicomError(f"{name}: Start Angle (0054,0200) is missing for head {head + 1}.")
        angles.append(math.radians(float(start) + sign * float(step) * view))
    return np.asarray(angles)


def _radii(rotation: Any, heads: list[Any], views: list[tuple[int, int]], name: str) -> NDArray[np.float64]:
    """Distance of the collimator from the axis of rotation for each view. [mm]"""
    radii = []
    for head, view in views:
        value = heads[head].get("RadialPosition") if head < len(heads) else None
        value = rotation.get("RadialPosition") if value is None else value
        listed = np.atleast_1d(np.asarray([] if value is None else value, dtype=float))
        if listed.size == 0 or (listed.size > 1 and view >= listed.size):
            raise DicomError(
                f"{name}: Radial Position (0018,1142) has {listed.size} values; one, or one per view expected."
            )
        radii.append(float(listed[0] if listed.size == 1 else listed[view]))
    if min(radii) <= 0:
        raise DicomError(f"{name}: Radial Position (0018,1142) {min(radii):g} mm; expected more than 0.")
    return np.asarray(radii)


def _oriented(
    dataset: Any, heads: list[Any], counts: NDArray[np.float32], rotation: Any, warnings: list[str], name: str
) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    """Counts with rows from the head to the feet, and the middle of the matrix on the axis of rotation. [mm]

    Cameras of GE give the position of the corner of the cube to be reconstructed, the same for every start angle; a
    position of (0, 0) in the plane means that the camera does not know, and the isocentre is taken.
    """
    rows, columns = counts.shape[-2:]
    dz, dx = (float(v) for v in dataset.PixelSpacing)
    head = heads[0] if heads else {}
    position = head.get("ImagePositionPatient")
    orientation = [float(v) for v in head.get("ImageOrientationPatient") or []]
    down = orientation[5] if len(orientation) == 6 else -1.0
    if abs(down) < 0.99:
        raise DicomError(
            f"{name}: Image Orientation (Patient) {orientation}; rows along the patient's axis expected."
        )
    if position is None or len(position) != 3:
        warnings.append("Image Position (Patient) is missing: the middle of the matrix was taken as the origin.")
        return (counts if down < 0 else counts[:, :, ::-1]), (0.0, 0.0, 0.0)
    x, y, z = (float(v) for v in position)
    middle_z = z + math.copysign((rows - 1) / 2 * dz, down)
    if abs(x) < 1e-6 and abs(y) < 1e-6:
        table = float(rotation.get("TableHeight") or 0.0)
        warnings.append(
            "Image Position (Patient) is 0 in the plane: the axis of rotation was taken at x = y = 0 of it."
        )
        centre = (0.0, -table if table else 0.0, middle_z)
    else:
        centre = (x + (columns - 1) / 2 * dx, y + (columns - 1) / 2 * dx, middle_z)
    return (counts if down < 0 else np.ascontiguousarray(counts[:, :, ::-1])), centre


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
    kind = list(dataset.get("ImageType") or [])
    if dataset.get("Modality") != "NM" or "RECON TOMO" not in [*kind, ""][2:3]:
        raise DicomError(f"{name}: image type {kind} (0008,0008); expected NM with RECON TOMO as third value.")
    warnings: list[str] = []
    stored = np.asarray(pixels(dataset, path))
    values = stored.reshape(-1, *stored.shape[-2:]).astype(np.float32)
    order = _vector(dataset, "SliceVector", len(values), name)
    if dataset.get("SliceVector") is not None:
        values = values[np.argsort(order, kind="stable")]
    slope, intercept, unit = _real_world(dataset, warnings)
    return NmImage(
        volume=Volume(
            grid=_grid(dataset, values.shape, warnings, name), values=values * slope + intercept, unit=unit
        ),
        start_time=acquisition_start(dataset),
        equipment=equipment_of(dataset),
        warnings=tuple(warnings),
    )


def _real_world(dataset: Any, warnings: list[str]) -> tuple[np.float32, np.float32, str]:
    """Slope, intercept and unit of the stored values, by precedence."""
    for item in dataset.get("RealWorldValueMappingSequence") or []:
        codes = item.get("MeasurementUnitsCodeSequence") or [{}]
        code = str(codes[0].get("CodeValue") or "").lower()
        slope = float(item.get("RealWorldValueSlope") or 1.0)
        plain = dataset.get("RescaleSlope")
        if plain is not None and not math.isclose(float(plain), slope, rel_tol=1e-3):
            warnings.append(
                f"Rescale Slope {float(plain):g} and Real World Value Slope {slope:g} differ; the latter is used."
            )
        unit = {"bq/ml": "Bq/mL", "{counts}": "counts"}.get(code)
        if unit is not None:
            return np.float32(slope), np.float32(item.get("RealWorldValueIntercept") or 0.0), unit
    slope, intercept = float(dataset.get("RescaleSlope") or 1.0), float(dataset.get("RescaleIntercept") or 0.0)
    if str(dataset.get("Units") or "").upper() == "BQML":
        return np.float32(slope), np.float32(intercept), "Bq/mL"
    warnings.append("No unit is stored (real world value mapping or Units): the values are counts.")
    return np.float32(slope), np.float32(intercept), "counts"


def _grid(dataset: Any, shape: tuple[int, ...], warnings: list[str], name: str) -> Grid:
    """Grid of a slice stack from the detector's geometry and the signed slice spacing."""
    detectors = dataset.get("DetectorInformationSequence") or [{}]
    position = detectors[0].get("ImagePositionPatient") or dataset.get("ImagePositionPatient")
    orientation = detectors[0].get("ImageOrientationPatient") or dataset.get("ImageOrientationPatient")
    spacing = dataset.get("PixelSpacing")
    if orientation is None or spacing is None:
        raise DicomError(
            f"{name}: Image Orientation (Patient) (0020,0037) or Pixel Spacing (0028,0030) is missing."
        )
    if position is None:
        warnings.append("Image Position (Patient) is missing: the first voxel was put at the origin.")
    step = dataset.get("SpacingBetweenSlices")
    if step is None:
        step = dataset.get("SliceThickness")
        if step is None:
            raise DicomError(
                f"{name}: neither Spacing Between Slices (0018,0088) nor Slice Thickness (0018,0050) is there."
            )
        warnings.append(
            f"Spacing Between Slices (0018,0088) is missing; Slice Thickness {float(step):g} mm was used."
        )
    across, down = np.array(orientation[:3], dtype=float), np.array(orientation[3:], dtype=float)
    normal = np.cross(across, down) * math.copysign(1.0, float(step))
    directions = np.stack([across, down, normal], axis=1)
    origin = [0.0, 0.0, 0.0] if position is None else [float(v) for v in position]
    return Grid(
        size=(shape[2], shape[1], shape[0]),
        spacing_mm=(float(spacing[1]), float(spacing[0]), abs(float(step))),
        origin_mm=(origin[0], origin[1], origin[2]),
        directions=tuple((float(r[0]), float(r[1]), float(r[2])) for r in directions),
        frame_of_reference_uid=str(dataset.get("FrameOfReferenceUID") or ""),
    )
