"""What NM objects share in their headers: energy windows, equipment, frame indices, pixel size, times."""

from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import DicomError
from lutetia.images.acquisition import EnergyWindow, Equipment
from lutetia.images.dicom.open import first_item, items, number, numbers
from lutetia.images.dicom.times import acquisition_start
from lutetia.units import MEV_PER_KEV, S_PER_MS

TOUCHING_KEV: Final = 0.01
"""Ranges of one window that lie closer than this are one range; DICOM rounds decimal strings. [keV]"""


def energy_windows(dataset: Any) -> tuple[EnergyWindow, ...]:
    """Energy windows of an NM object.

    Empty when it has none, or when one of them has no limits or consists of separate ranges: its counts could then
    not be told apart by energy.
    """
    windows = [_window(item) for item in items(dataset, "EnergyWindowInformationSequence")]
    known = tuple(w for w in windows if w is not None)
    return known if len(known) == len(windows) else ()


def _window(item: Any) -> EnergyWindow | None:
    limits = [
        (number(r, "EnergyWindowLowerLimit"), number(r, "EnergyWindowUpperLimit"))
        for r in items(item, "EnergyWindowRangeSequence")
    ]
    ranges = sorted((low, high) for low, high in limits if low is not None and high is not None and 0 < low < high)
    if not ranges or len(ranges) < len(limits):
        return None
    reached = ranges[0][1]
    for low, high in ranges[1:]:
        if low > reached + TOUCHING_KEV:
            return None
        reached = max(reached, high)
    name = str(item.get("EnergyWindowName") or "")
    return EnergyWindow(lower_mev=ranges[0][0] * MEV_PER_KEV, upper_mev=reached * MEV_PER_KEV, name=name)


def equipment_of(dataset: Any) -> Equipment:
    """Camera and collimator of an object."""
    software = dataset.get("SoftwareVersions") or ""
    return Equipment(
        manufacturer=str(dataset.get("Manufacturer") or ""),
        model=str(dataset.get("ManufacturerModelName") or ""),
        collimator=str(first_item(dataset, "DetectorInformationSequence").get("CollimatorGridName") or ""),
        software=software if isinstance(software, str) else " ".join(str(v) for v in software),
    )


def frame_index(dataset: Any, keyword: str, n: int, name: str) -> NDArray[np.int64] | None:
    """A frame index vector, zero-based; None when the object has none.

    Raises
    ------
    DicomError
        Its length is not the number of frames, or it holds something other than positive whole numbers.
    """
    if dataset.get(keyword) is None:
        return None
    values = numbers(dataset, keyword) or ()
    vector = np.asarray(values, dtype=np.int64) - 1
    if vector.size != n or vector.min() < 0:
        raise DicomError(f"{name}: {keyword} has {vector.size} entries from 1 on for {n} frames.")
    return vector


def start_time(dataset: Any, warnings: list[str]) -> datetime | None:
    """Start of the acquisition; one that cannot be read is missing, and told."""
    try:
        return acquisition_start(dataset)
    except DicomError as error:
        warnings.append(f"The start of the acquisition is unknown: {error}")
        return None


def frame_duration_s(rotation: Any) -> float | None:
    """Live time of each view of a rotation (0018,1242), None when it is not there. [s]"""
    duration_ms = number(rotation, "ActualFrameDuration")
    return duration_ms * S_PER_MS if duration_ms is not None and duration_ms > 0 else None


def scaled(dataset: Any, counts: NDArray[np.float32], warnings: list[str]) -> NDArray[np.float32]:
    """Raw counts times Rescale Slope, which is told where it is not 1."""
    slope = number(dataset, "RescaleSlope") or 1.0
    if slope == 1.0:
        return counts
    warnings.append(f"Rescale Slope {slope:g} (0028,1053) was applied to the raw counts.")
    return counts * np.float32(slope)


def pixel_spacing_mm(dataset: Any, name: str) -> tuple[float, float]:
    """Column and row spacing. [mm]"""
    spacing = numbers(dataset, "PixelSpacing", 2)
    if spacing is None or min(spacing) <= 0:
        raise DicomError(
            f"{name}: Pixel Spacing (0028,0030) is {dataset.get('PixelSpacing')}; expected two lengths in mm."
        )
    return spacing[1], spacing[0]
