"""Contours of an RTSTRUCT to regions on the voxels of its images."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lutetia.errors import DicomError, GridError
from lutetia.images.dicom.open import open_dicom
from lutetia.images.dicom.overlay import merged_regions
from lutetia.images.grid import Grid
from lutetia.images.regions import Regions

PLANE_TOLERANCE: Final = 0.5
"""A contour belongs to the slice whose centre lies within this share of the slice distance."""


@njit(cache=True)
def _toggle_inside(mask, x, y):  # type: ignore[no-untyped-def]
    """Flip the pixels whose centre lies in a polygon (even-odd rule), row by row."""
    n = x.size
    rows, columns = mask.shape
    crossings = np.empty(n, np.float64)
    for row in range(max(0, int(np.ceil(y.min()))), min(rows - 1, int(np.floor(y.max()))) + 1):
        found = 0
        for i in range(n):
            j = (i + 1) % n
            if (y[i] <= row) != (y[j] <= row):
                crossings[found] = x[i] + (row - y[i]) * (x[j] - x[i]) / (y[j] - y[i])
                found += 1
        line = np.sort(crossings[:found])
        for k in range(0, found - 1, 2):
            first, last = max(0, int(np.ceil(line[k]))), min(columns - 1, int(np.ceil(line[k + 1])) - 1)
            for column in range(first, last + 1):
                mask[row, column] = not mask[row, column]


def read_rtstruct(path: Path, grid: Grid) -> Regions:
    """Regions of an RTSTRUCT on a grid whose slices are parallel to the contours.

    A voxel belongs to a structure when its centre lies within the contours of its plane; a contour within another cuts
    a hole. Structures of interpreted type EXTERNAL, SUPPORT and markers are left out. Where structures overlap, the
    smaller one keeps the voxels.

    Raises
    ------
    DicomError
        No RTSTRUCT, or no structure with contours on the grid.
    GridError
        Another frame of reference than the grid's.
    """
    dataset = open_dicom(path)
    if dataset.get("Modality") != "RTSTRUCT":
        raise DicomError(f"{path.name}: modality {dataset.get('Modality')}; expected RTSTRUCT.")
    _require_frame(dataset, grid, path)
    names = {
        int(s.ROINumber): str(s.get("ROIName") or f"ROI {s.ROINumber}") for s in dataset.StructureSetROISequence
    }
    skipped = {
        int(o.ReferencedROINumber)
        for o in dataset.get("RTROIObservationsSequence") or []
        if str(o.get("RTROIInterpretedType") or "")
        in {"EXTERNAL", "SUPPORT", "MARKER", "ISOCENTER", "REGISTRATION"}
    }
    masks, warnings = [], []
    for item in dataset.get("ROIContourSequence") or []:
        number = int(item.ReferencedROINumber)
        if number in skipped or number not in names:
            continue
        mask, off = _filled(item, grid)
        masks.append((names[number], mask))
        if off:
            warnings.append(f"Structure {names[number]!r}: {off} contours lie between or outside the slices.")
    return merged_regions(grid, masks, source="RTSTRUCT", warnings=warnings, path=path)


def _require_frame(dataset: Any, grid: Grid, path: Path) -> None:
    frames = {
        str(s.get("ReferencedFrameOfReferenceUID") or "") for s in dataset.get("StructureSetROISequence") or []
    }
    own = grid.frame_of_reference_uid
    if own and frames - {""} and own not in frames:
        raise GridError(
            f"{path.name}: its contours are in another frame of reference (3006,0024) than the image; give the contours "
            "that were drawn on this CT."
        )


def _filled(item: Any, grid: Grid) -> tuple[NDArray[np.bool_], int]:
    """Mask of one structure, and the number of contours that fit no slice."""
    mask = np.zeros(grid.shape, np.bool_)
    off = 0
    for contour in item.get("ContourSequence") or []:
        if contour.get("ContourGeometricType") not in {"CLOSED_PLANAR", "CLOSED_PLANAR_XOR", None}:
            continue
        points = np.asarray(contour.ContourData, dtype=float).reshape(-1, 3)
        index = grid.index(points)
        depth = float(index[:, 2].mean())
        k = round(depth)
        if len(points) < 3 or not 0 <= k < grid.size[2] or np.ptp(index[:, 2]) > PLANE_TOLERANCE:
            off += 1
            continue
        _toggle_inside(mask[k], np.ascontiguousarray(index[:, 0]), np.ascontiguousarray(index[:, 1]))
    return mask, off
