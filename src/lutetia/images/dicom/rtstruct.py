"""Contours of an RTSTRUCT to regions on the voxels of its images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lutetia.errors import DicomError, GridError
from lutetia.images.dicom.open import items, number, numbers, open_dicom
from lutetia.images.dicom.overlay import merged_regions
from lutetia.images.grid import Grid
from lutetia.images.regions import Regions

CLOSED: Final = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR", ""})
"""Geometric types that enclose voxels; points and open lines do not."""

NO_TISSUE: Final = frozenset({"EXTERNAL", "SUPPORT", "MARKER", "ISOCENTER", "REGISTRATION"})
"""Interpreted types of structures that are neither organs nor lesions."""

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
    a hole. Structures of interpreted type EXTERNAL, SUPPORT and markers, and those drawn in other frames of reference,
    are left out. Where structures overlap, the smaller one keeps the voxels. Nothing is interpolated between contours:
    slices without one are told.

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
    names = _names(dataset, grid, path)
    masks: list[tuple[str, NDArray[np.bool_]]] = []
    warnings: list[str] = []
    for item in items(dataset, "ROIContourSequence"):
        roi = number(item, "ReferencedROINumber")
        if roi not in names:
            continue
        mask, off = _filled(item, grid, f"{path.name}: structure {names[roi]!r}")
        masks.append((names[roi], mask))
        warnings += _told(names[roi], mask, off)
    return merged_regions(grid, masks, source="RTSTRUCT", warnings=warnings, path=path)


def _names(dataset: Any, grid: Grid, path: Path) -> dict[float | None, str]:
    """Names of the structures that may be tissue and lie in the grid's frame of reference, by ROI number."""
    skipped = {
        number(o, "ReferencedROINumber")
        for o in items(dataset, "RTROIObservationsSequence")
        if str(o.get("RTROIInterpretedType") or "") in NO_TISSUE
    }
    structures = items(dataset, "StructureSetROISequence")
    if not structures:
        raise DicomError(f"{path.name}: Structure Set ROI Sequence (3006,0020) is missing or empty.")
    own = grid.frame_of_reference_uid
    near = [s for s in structures if not own or str(s.get("ReferencedFrameOfReferenceUID") or own) == own]
    if not near:
        raise GridError(
            f"{path.name}: its contours are in another frame of reference (3006,0024) than the image; give the contours "
            "that were drawn on this CT."
        )
    numbered = {number(s, "ROINumber"): str(s.get("ROIName") or "") for s in near}
    return {n: name or f"ROI {n:g}" for n, name in numbered.items() if n is not None and n not in skipped}


def _told(name: str, mask: NDArray[np.bool_], off: int) -> Iterator[str]:
    """Warnings about the contours of one structure."""
    if off:
        yield f"Structure {name!r}: {off} contours lie between or outside the slices."
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    empty = int(filled[-1] - filled[0] + 1 - filled.size) if filled.size else 0
    if empty:
        yield (
            f"Structure {name!r}: {empty} slices between its contours have none and count as outside; its volume may be "
            "too small."
        )


def _filled(item: Any, grid: Grid, where: str) -> tuple[NDArray[np.bool_], int]:
    """Mask of one structure, and the number of contours that fit no slice."""
    mask = np.zeros(grid.shape, np.bool_)
    off = 0
    for contour in items(item, "ContourSequence"):
        if str(contour.get("ContourGeometricType") or "") not in CLOSED:
            continue
        data = numbers(contour, "ContourData") or ()
        if len(data) % 3:
            raise DicomError(
                f"{where}: Contour Data (3006,0050) has {len(data)} numbers; expected triplets x, y, z."
            )
        index = grid.index(np.asarray(data, dtype=float).reshape(-1, 3))
        k = round(float(index[:, 2].mean())) if len(index) else -1
        if len(index) < 3 or not 0 <= k < grid.size[2] or np.ptp(index[:, 2]) > PLANE_TOLERANCE:
            off += 1
            continue
        _toggle_inside(mask[k], np.ascontiguousarray(index[:, 0]), np.ascontiguousarray(index[:, 1]))
    return mask, off
