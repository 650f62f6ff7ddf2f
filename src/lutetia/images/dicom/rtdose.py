"""RTDOSE to a volume in Gy."""

from pathlib import Path

import numpy as np

from lutetia.errors import DicomError
from lutetia.images.dicom.open import open_dicom, pixels
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume


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
    if dataset.get("DoseGridScaling") is None:
        raise DicomError(f"{path.name}: Dose Grid Scaling (3004,000E) is missing.")
    stored = np.asarray(pixels(dataset, path), dtype=np.float64)
    values = stored.reshape(-1, *stored.shape[-2:]) * float(dataset.DoseGridScaling)
    offsets = np.atleast_1d(np.asarray(dataset.get("GridFrameOffsetVector") or [0.0], dtype=float))
    steps = np.diff(offsets)
    if steps.size and np.ptp(steps) > 0.02:
        raise DicomError(
            f"{path.name}: Grid Frame Offset Vector (3004,000C) is uneven, {steps.min()} to {steps.max()} mm."
        )
    step = float(steps[0]) if steps.size else float(dataset.get("SliceThickness") or 1.0)
    across, down = (np.array(dataset.ImageOrientationPatient[s], dtype=float) for s in (slice(0, 3), slice(3, 6)))
    normal = np.cross(across, down) * np.sign(step)
    x, y, z = (float(v) for v in dataset.ImagePositionPatient)
    grid = Grid(
        size=(values.shape[2], values.shape[1], values.shape[0]),
        spacing_mm=(float(dataset.PixelSpacing[1]), float(dataset.PixelSpacing[0]), abs(step)),
        origin_mm=(x, y, z),
        directions=tuple((float(a), float(b), float(c)) for a, b, c in np.stack([across, down, normal], axis=1)),
        frame_of_reference_uid=str(dataset.get("FrameOfReferenceUID") or ""),
    )
    return Volume(grid=grid, values=values.astype(np.float32), unit="Gy")
