"""DICOM segmentations to regions on a grid."""

from pathlib import Path

import numpy as np

from lutetia.errors import DicomError
from lutetia.images.dicom.open import open_dicom
from lutetia.images.dicom.overlay import merged_regions
from lutetia.images.grid import Grid
from lutetia.images.regions import Regions
from lutetia.images.resample import resample
from lutetia.images.volume import Volume


def read_seg(path: Path, grid: Grid) -> Regions:
    """Segments of a SEG (binary, fractional above one half, or label map), brought onto a grid by nearest neighbour.

    Raises
    ------
    DicomError
        Not a regularly spaced segmentation, or none of its segments lies on the grid.
    GridError
        Another frame of reference than the grid's.
    """
    import highdicom

    if open_dicom(path).get("Modality") != "SEG":
        raise DicomError(f"{path.name}: not a segmentation (modality SEG).")
    try:
        segmentation = highdicom.seg.segread(path)
        found = segmentation.get_volume(combine_segments=False)
    except (RuntimeError, ValueError, AttributeError, KeyError) as error:
        raise DicomError(f"{path.name}: segmentation without a regular grid ({error}).") from error
    masks = []
    geometry = _grid_of(found)
    for position, number in enumerate(segmentation.segment_numbers):
        label = str(segmentation.get_segment_description(number).segment_label)
        own = Volume(
            grid=geometry, values=(np.asarray(found.array)[..., position] > 0.5).astype(np.float32), unit="1"
        )
        # frame of reference and overlap are checked in the resampling
        masks.append((label, resample(own, grid, interpolation="nearest", outside=0.0).values > 0.5))
    return merged_regions(grid, masks, source="SEG", path=path)


def _grid_of(volume: object) -> Grid:
    """Grid of a highdicom volume, whose array runs (slice, row, column)."""
    affine = np.asarray(volume.affine)  # type: ignore[attr-defined]
    shape = volume.spatial_shape  # type: ignore[attr-defined]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = (affine[:3, :3] / spacing)[:, ::-1]
    return Grid(
        size=(int(shape[2]), int(shape[1]), int(shape[0])),
        spacing_mm=(float(spacing[2]), float(spacing[1]), float(spacing[0])),
        origin_mm=(float(affine[0, 3]), float(affine[1, 3]), float(affine[2, 3])),
        directions=tuple((float(r[0]), float(r[1]), float(r[2])) for r in directions),
        frame_of_reference_uid=str(getattr(volume, "frame_of_reference_uid", "") or ""),
    )
