"""RTDOSE to a volume in Gy."""

import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from lutetia.errors import DicomError
from lutetia.images.dicom.open import number, numbers, open_dicom, pixels
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

UNEVEN_MM: Final = 0.02
"""Frame distances may differ by this, for offsets are rounded in DICOM. [mm]"""


def read_rtdose(path: Path) -> Volume:
    """Dose grid with its scaling applied. [Gy]

    Raises
    ------
    DicomError
        No RTDOSE in Gy, no scaling, or frames at uneven distances.
    """
    dataset = open_dicom(path)
    if dataset.get("Modality") != "RTDOSE" or dataset.get("DoseUnits") != "GY":
        raise DicomError(
            f"{path.name}: modality {dataset.get('Modality')}, Dose Units {dataset.get('DoseUnits')}; expected GY."
        )
    scaling = number(dataset, "DoseGridScaling")
    if scaling is None or scaling <= 0:
        raise DicomError(f"{path.name}: Dose Grid Scaling (3004,000E) is {scaling}; expected a positive number.")
    stored = np.asarray(pixels(dataset, path), dtype=np.float64)
    values = stored.reshape(-1, *stored.shape[-2:]) * scaling
    return Volume(grid=_grid(dataset, values.shape, path.name), values=values.astype(np.float32), unit="Gy")


def _grid(dataset: Any, shape: tuple[int, ...], name: str) -> Grid:
    """Grid of the frames; their offsets are relative or absolute, up or down, and only the distance is used."""
    position = numbers(dataset, "ImagePositionPatient", 3)
    orientation = numbers(dataset, "ImageOrientationPatient", 6)
    spacing = numbers(dataset, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        raise DicomError(
            f"{name}: Image Position (0020,0032), Image Orientation (0020,0037) or Pixel Spacing (0028,0030) is missing."
        )
    step = _frame_step_mm(dataset, shape[0], name)
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(across, down) * math.copysign(1.0, step)
    return Grid(
        size=(shape[2], shape[1], shape[0]),
        spacing_mm=(spacing[1], spacing[0], abs(step)),
        origin_mm=(position[0], position[1], position[2]),
        directions=tuple((float(a), float(b), float(c)) for a, b, c in np.stack([across, down, normal], axis=1)),
        frame_of_reference_uid=str(dataset.get("FrameOfReferenceUID") or ""),
    )


def _frame_step_mm(dataset: Any, n_frames: int, name: str) -> float:
    """Signed distance between frames along row x column. [mm]"""
    if n_frames == 1:
        return number(dataset, "SliceThickness") or 1.0
    offsets = numbers(dataset, "GridFrameOffsetVector", n_frames)
    if offsets is None:
        raise DicomError(
            f"{name}: Grid Frame Offset Vector (3004,000C) has not one number for each of {n_frames} frames."
        )
    steps = np.diff(offsets)
    if np.ptp(steps) > UNEVEN_MM or abs(steps[0]) <= UNEVEN_MM:
        raise DicomError(
            f"{name}: Grid Frame Offset Vector (3004,000C) is uneven, {steps.min()} to {steps.max()} mm."
        )
    return float(np.mean(steps))
