"""Contours of an RTSTRUCT to regions on the voxels of its images."""

import math
from collections.abc import Iterator, Sequence
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

Contour = NDArray[np.float64]
"""Points of a contour as indices (i, j, k) of a grid, shape (n, 3)."""

CLOSED: Final = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR", ""})
"""Geometric types that enclose voxels; points and open lines do not."""

NO_TISSUE: Final = frozenset({"EXTERNAL", "SUPPORT", "MARKER", "ISOCENTER", "REGISTRATION"})
"""Interpreted types of structures that are neither organs nor lesions."""

PLANE_TOLERANCE: Final = 0.5
"""A contour whose points spread over more than this share of the slice distance is parallel to no slice."""

ONE_PLANE_MM: Final = 0.1
"""Contours nearer to each other than this along the slices' normal were drawn in one plane. [mm]"""

OFF_CENTRE: Final = 0.1
"""Contours farther from the centre of their slice than this share of the slice distance are told."""


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
    a hole. Contours between slices count for the nearest slice, and where several planes of contours fall on one slice
    (they were drawn on a finer image) the one nearest its centre is taken; both are told. Structures of interpreted
    type EXTERNAL, SUPPORT and markers, and those drawn in other frames of reference, are left out. Where structures
    overlap, the smaller one keeps the voxels. Nothing is interpolated between contours: slices without one are told.

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
        contours, off = _contours(item, grid, f"{path.name}: structure {names[roi]!r}")
        planes = _planes(contours, grid)
        mask = _filled(planes, grid)
        masks.append((names[roi], mask))
        warnings += [f"Structure {names[roi]!r}: {what}" for what in _told(planes, mask, off, grid)]
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


def _contours(item: Any, grid: Grid, where: str) -> tuple[list[Contour], int]:
    """Closed contours of one structure in indices of the grid, and the number that is parallel to no slice."""
    found = []
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
        if len(index) < 3 or np.ptp(index[:, 2]) > PLANE_TOLERANCE:
            off += 1
        else:
            found.append(index)
    return found, off


def _planes(contours: Sequence[Contour], grid: Grid) -> list[tuple[float, list[Contour]]]:
    """Contours by the plane they were drawn in: (height as index along the slices, contours), upwards."""
    planes: list[tuple[float, list[Contour]]] = []
    for contour in sorted(contours, key=lambda c: float(c[:, 2].mean())):
        height = float(contour[:, 2].mean())
        if planes and (height - planes[-1][0]) * grid.spacing_mm[2] <= ONE_PLANE_MM:
            planes[-1][1].append(contour)
        else:
            planes.append((height, [contour]))
    return planes


def _slice_of(height: float) -> int:
    """Nearest slice; halfway the upper one, so that planes one slice apart never share one."""
    return math.floor(height + 0.5)


def _filled(planes: Sequence[tuple[float, list[Contour]]], grid: Grid) -> NDArray[np.bool_]:
    """Mask of one structure: each slice from the plane nearest its centre."""
    nearest: dict[int, tuple[float, list[Contour]]] = {}
    for height, contours in planes:
        k = _slice_of(height)
        if k not in nearest or abs(height - k) < abs(nearest[k][0] - k):
            nearest[k] = (height, contours)
    mask = np.zeros(grid.shape, np.bool_)
    for k, (_, contours) in nearest.items():
        if 0 <= k < grid.size[2]:
            for contour in contours:
                _toggle_inside(mask[k], np.ascontiguousarray(contour[:, 0]), np.ascontiguousarray(contour[:, 1]))
    return mask


def _told(
    planes: Sequence[tuple[float, list[Contour]]], mask: NDArray[np.bool_], off: int, grid: Grid
) -> Iterator[str]:
    """What had to be assumed about the contours of one structure."""
    inside = [(height, contours) for height, contours in planes if 0 <= _slice_of(height) < grid.size[2]]
    off += sum(len(contours) for _, contours in planes) - sum(len(contours) for _, contours in inside)
    if off:
        yield f"{off} contours lie outside the slices or are parallel to none."
    unused = len(inside) - len({_slice_of(height) for height, _ in inside})
    if unused:
        yield (
            f"its contours are denser than the slices; {unused} planes of them were left out for others nearer to a "
            "slice's centre. Give the image they were drawn on."
        )
    farthest = max((abs(height - _slice_of(height)) for height, _ in inside), default=0.0)
    if farthest > OFF_CENTRE:
        yield (
            f"its contours lie up to {farthest * grid.spacing_mm[2]:.1f} mm from the slices' centres and count for the "
            "nearest slice."
        )
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    empty = int(filled[-1] - filled[0] + 1 - filled.size) if filled.size else 0
    if empty:
        yield (f"{empty} slices between its contours have none and count as outside; its volume may be too small.")
