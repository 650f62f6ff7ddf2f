"""Planar NM images: counts of each energy window and head of a static acquisition."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import DicomError
from lutetia.images.acquisition import EnergyWindow, Equipment
from lutetia.images.dicom.nm_header import energy_windows, equipment_of, frame_index, start_time
from lutetia.images.dicom.open import first_item, image_type, number, open_dicom, pixels
from lutetia.images.dicom.radiopharmaceutical import nuclide_of
from lutetia.units import S_PER_MS


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlanarImage:
    """One static acquisition.

    Attributes
    ----------
    counts : (windows, heads, rows, columns) float32
    windows : energy windows, in the order of the first axis
    duration_s : of the acquisition
    start_time : local time, None when the file does not say
    nuclide : as the file names it, None when it does not
    """

    counts: NDArray[np.float32]
    windows: tuple[EnergyWindow, ...]
    duration_s: float
    start_time: datetime | None
    nuclide: str | None
    equipment: Equipment
    warnings: tuple[str, ...] = ()


def read_nm_static(path: Path) -> PlanarImage:
    """A static NM object (image type STATIC), one frame per energy window and head.

    Raises
    ------
    DicomError
        Another kind of image; energy windows, duration or pixel data are missing; or frames are missing or double.
    """
    dataset, name = open_dicom(path), path.name
    kind = image_type(dataset)
    if dataset.get("Modality") != "NM" or kind[2] != "STATIC":
        raise DicomError(
            f"{name}: modality {dataset.get('Modality')} (0008,0060), image type {list(kind)} (0008,0008); expected NM "
            "with STATIC as third value."
        )
    windows = energy_windows(dataset)
    duration_ms = number(dataset, "ActualFrameDuration")
    if not windows or duration_ms is None or duration_ms <= 0:
        raise DicomError(
            f"{name}: Energy Window Information Sequence (0054,0012) has {len(windows)} usable windows, Actual Frame "
            f"Duration (0018,1242) is {duration_ms}; expected at least one window in keV and a duration in ms."
        )
    warnings: list[str] = []
    stored = np.asarray(pixels(dataset, path))
    frames = stored.reshape(-1, *stored.shape[-2:]).astype(np.float32)
    slope = number(dataset, "RescaleSlope") or 1.0
    if slope != 1.0:
        warnings.append(f"Rescale Slope {slope:g} (0028,1053) was applied to the counts.")
    return PlanarImage(
        counts=_placed(dataset, frames * np.float32(slope), len(windows), name),
        windows=windows,
        duration_s=duration_ms * S_PER_MS,
        start_time=start_time(dataset, warnings),
        nuclide=nuclide_of(first_item(dataset, "RadiopharmaceuticalInformationSequence")),
        equipment=equipment_of(dataset),
        warnings=tuple(warnings),
    )


def _placed(dataset: Any, frames: NDArray[np.float32], n_windows: int, name: str) -> NDArray[np.float32]:
    """Frames as (windows, heads, rows, columns), each exactly once."""
    window = frame_index(dataset, "EnergyWindowVector", len(frames), name)
    head = frame_index(dataset, "DetectorVector", len(frames), name)
    window = np.zeros(len(frames), np.int64) if window is None else window
    head = np.zeros(len(frames), np.int64) if head is None else head
    heads = sorted(set(head.tolist()))
    pairs = set(zip(window.tolist(), head.tolist(), strict=True))
    if len(pairs) != len(frames) or len(frames) != n_windows * len(heads) or int(window.max()) >= n_windows:
        raise DicomError(
            f"{name}: {len(frames)} frames for {n_windows} energy windows x {len(heads)} heads; expected one of each "
            "(static, not dynamic or gated)."
        )
    counts = np.empty((n_windows, len(heads), *frames.shape[1:]), np.float32)
    for frame, w, h in zip(frames, window, head, strict=True):
        counts[int(w), heads.index(int(h))] = frame
    return counts
