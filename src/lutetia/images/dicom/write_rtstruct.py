"""RT structure sets: regions as contours on the slices of a CT."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast

import contourpy
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import RTStructureSetStorage

from lutetia.errors import GridError
from lutetia.images.dicom.terms import colour_rgb, rt_type
from lutetia.images.dicom.write_common import (
    Identity,
    add_frame_of_reference,
    da,
    digest,
    new_object,
    read_headers,
    reference_item,
    right_handed_array,
    save,
    tm,
)
from lutetia.images.grid import Grid
from lutetia.images.regions import Region, Regions

Outer = tuple[list[NDArray[np.float64]], list[NDArray[np.int64]]]
"""Points of each polygon, and where its outline and holes begin and end among them."""

STUDY_MANAGEMENT_SOP_CLASS = "1.2.840.10008.3.1.2.3.1"
COPLANAR_FRACTION = 0.1
"""A contour refers to an image whose plane is nearer than this fraction of the spacing of the slices."""


def write_rtstruct(
    regions: Regions,
    path: Path,
    *,
    identity: Identity,
    ct_files: Sequence[Path],
    label: str = "Lutetia",
    overwrite: bool = False,
) -> Path:
    """Write regions as an RT structure set.

    The contours of each slice pass halfway between voxels inside and outside, so that testing voxel centres gives
    back every voxel, and the area is that of the voxels less half a pixel's quarter at each corner. Holes are
    joined to their outline by a channel of no width, as the standard asks (PS3.3 C.8.8.6.3).

    Parameters
    ----------
    regions : Regions
        On a grid with the slices of the CT.
    path : Path
    identity : Identity
    ct_files : sequence of Path
        The CT series that the contours are drawn on.
    label : str
        Structure Set Label, up to 16 characters.
    overwrite : bool

    Raises
    ------
    InputError
        When no CT file is given.
    GridError
        When the CT has another frame of reference, or no slice where the regions are.
    OutputError
        When the file exists or cannot be written.
    """
    grid, labels = right_handed_array(regions.grid, regions.labels)
    images = read_headers(ct_files)
    images_by_slice = _images_by_slice(grid, images, identity)
    ds = new_object(
        identity,
        sop_class_uid=RTStructureSetStorage,
        modality="RTSTRUCT",
        series_seed=f"{images[0].SeriesInstanceUID}|{label}",
        instance_seed=f"{digest(labels, grid.affine)}|{sorted(r.name for r in regions.table.values())}",
        description=label,
    )
    ds.OperatorsName = ""
    ds.StructureSetLabel = label[:16]
    ds.StructureSetDate, ds.StructureSetTime = da(identity.created_at), tm(identity.created_at)
    add_frame_of_reference(ds, identity, grid)
    ds.ReferencedFrameOfReferenceSequence = Items([_referenced_frame(ds.FrameOfReferenceUID, images)])
    ds.StructureSetROISequence = Items()
    ds.ROIContourSequence = Items()
    ds.RTROIObservationsSequence = Items()
    for number, (value, region) in enumerate(sorted(regions.table.items()), start=1):
        ds.StructureSetROISequence.append(_roi(number, region, ds.FrameOfReferenceUID))
        ds.ROIContourSequence.append(_roi_contour(number, region, labels == value, grid, images_by_slice))
        ds.RTROIObservationsSequence.append(_observation(number, region))
    ds.ApprovalStatus = "UNAPPROVED"
    return save(ds, path, overwrite=overwrite, implicit_vr=True)


def outlines(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """Closed outlines of a 2-D mask in fractional pixel indices (column, row), without repeated last point.

    Parameters
    ----------
    mask : (rows, columns) bool

    Yields
    ------
    (n, 2) float64
        One per connected part, its holes joined to it.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return
    part = np.pad(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1).astype(np.float64)
    generator = contourpy.contour_generator(z=part, fill_type=contourpy.FillType.OuterOffset)
    shift = np.array([columns[0] - 1.0, rows[0] - 1.0])
    polygons, offsets = cast(Outer, generator.filled(0.5, np.inf))
    for points, ends in zip(polygons, offsets, strict=True):
        rings = [_without_collinear(points[a : b - 1]) for a, b in pairwise(ends.tolist())]
        yield _keyhole(rings) + shift


def _without_collinear(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """A closed ring without points on a straight line between their neighbours."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9
    return ring[turns] if np.count_nonzero(turns) >= 3 else ring


def _keyhole(rings: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One ring out of an outline and its holes, joined between nearest points."""
    joined = rings[0]
    for hole in rings[1:]:
        distance = np.linalg.norm(joined[:, None] - hole[None], axis=-1)
        at, start = np.unravel_index(int(np.argmin(distance)), distance.shape)
        loop = np.roll(hole, -int(start), axis=0)
        joined = np.concatenate([joined[: at + 1], loop, loop[:1], joined[at:]])
    return joined


def _images_by_slice(grid: Grid, images: list[Dataset], identity: Identity) -> dict[int, Dataset]:
    """The image in the plane of each slice of the grid."""
    frame = identity.frame_of(grid)
    other = {str(image.FrameOfReferenceUID) for image in images} - {frame}
    if other:
        raise GridError(f"Regions are in frame of reference {frame}, the CT in {sorted(other)}; register first.")
    normal = np.asarray(grid.directions)[:, 2]
    found: dict[int, Dataset] = {}
    for image in images:
        across = np.cross(*np.asarray(image.ImageOrientationPatient, dtype=float).reshape(2, 3))
        offset = np.asarray(image.ImagePositionPatient, dtype=float) - np.asarray(grid.origin_mm)
        k = float(offset @ normal) / grid.spacing_mm[2]
        if abs(k - round(k)) <= COPLANAR_FRACTION and abs(float(across @ normal)) > 0.999:
            found[round(k)] = image
    if not found.keys() & set(range(grid.size[2])):
        raise GridError(
            f"None of {len(images)} CT slices lies in a slice of the regions' grid ({grid.size[2]} slices of "
            f"{grid.spacing_mm[2]} mm from {grid.origin_mm} mm). Resample the regions onto the CT's grid."
        )
    return found


def _referenced_frame(frame_of_reference_uid: str, images: list[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = Items([reference_item(image) for image in images])
    study = Dataset()
    study.ReferencedSOPClassUID = STUDY_MANAGEMENT_SOP_CLASS
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = Items([series])
    frame = Dataset()
    frame.FrameOfReferenceUID = frame_of_reference_uid
    frame.RTReferencedStudySequence = Items([study])
    return frame


def _roi(number: int, region: Region, frame_of_reference_uid: str) -> Dataset:
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = frame_of_reference_uid
    item.ROIName = region.name[:64]
    item.ROIGenerationAlgorithm = "AUTOMATIC" if region.source == "automatic" else ""
    return item


def _roi_contour(
    number: int, region: Region, mask: NDArray[np.bool_], grid: Grid, images: dict[int, Dataset]
) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = list(colour_rgb(region))
    item.ContourSequence = Items()
    for k in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        for outline in outlines(mask[k]):
            item.ContourSequence.append(_contour(outline, k, grid, images.get(k)))
    return item


def _contour(outline: NDArray[np.float64], k: int, grid: Grid, image: Dataset | None) -> Dataset:
    index = np.column_stack([outline, np.full(len(outline), float(k))])
    item = Dataset()
    if image is not None:
        item.ContourImageSequence = Items([reference_item(image)])
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(outline)
    item.ContourData = [f"{value:.4f}" for value in (grid.position_mm(index) + 0.0).ravel().tolist()]
    return item


def _observation(number: int, region: Region) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    item.ROIObservationDescription = region.kind
    item.RTROIInterpretedType = rt_type(region)
    item.ROIInterpreter = ""
    return item
