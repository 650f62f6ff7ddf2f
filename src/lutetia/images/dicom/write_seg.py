"""DICOM segmentations: regions with coded names on the grid they are defined on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import highdicom
import numpy as np
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from lutetia import __version__
from lutetia.errors import InputError
from lutetia.images.dicom.enhanced import finish, source_headers, to_highdicom_volume
from lutetia.images.dicom.terms import category_and_type, colour_rgb, laterality
from lutetia.images.dicom.write_common import (
    SOFTWARE,
    Identity,
    code_item,
    digest,
    right_handed_array,
    save,
    uid_from,
)
from lutetia.images.regions import Region, Regions


def write_seg(
    regions: Regions,
    path: Path,
    *,
    identity: Identity,
    source_files: Sequence[Path],
    kind: Literal["BINARY", "LABELMAP"] = "BINARY",
    description: str = "Regions",
    overwrite: bool = False,
) -> Path:
    """Write regions as a DICOM segmentation.

    Parameters
    ----------
    regions : Regions
        On any grid in the frame of reference of the source.
    path : Path
    identity : Identity
    source_files : sequence of Path
        The CT series, or the reconstructed NM image, that the regions were drawn on.
    kind : {"BINARY", "LABELMAP"}
        One bit per voxel and region, which every reader knows, or one number per voxel, which is smaller.
    description : str
        Series description.
    overwrite : bool

    Raises
    ------
    InputError
        When there are no regions or no source.
    GridError
        When the source has another frame of reference.
    OutputError
        When the file exists or cannot be written.
    """
    grid, labels = right_handed_array(regions.grid, regions.labels)
    ordered = sorted(regions.table.items())
    numbered = _numbered(labels, [label for label, _ in ordered])
    frame = identity.frame_of(grid)
    sources = source_headers(source_files, identity, frame)
    series_uid = uid_from(f"series|{identity.study_instance_uid}|SEG|{sources[0].SeriesInstanceUID}|{description}")
    names = [region.name for _, region in ordered]
    segmentation = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=to_highdicom_volume(numbered, grid, frame),
        segmentation_type=kind,
        segment_descriptions=[_segment(n, region, identity) for n, (_, region) in enumerate(ordered, start=1)],
        series_instance_uid=series_uid,
        series_number=300,
        sop_instance_uid=uid_from(f"instance|{series_uid}|{kind}|{names}|{digest(labels, grid.affine)}"),
        instance_number=1,
        manufacturer=SOFTWARE,
        manufacturer_model_name=SOFTWARE,
        software_versions=__version__,
        device_serial_number="0",
        content_label="REGIONS",
        content_description=description[:64],
    )
    return save(finish(segmentation, identity, description), path, overwrite=overwrite)


def tracking_uid(patient_id: str, region_name: str) -> str:
    """Tracking UID of a region of a patient: the same in all cycles and objects."""
    return uid_from(f"tracking|{patient_id}|{region_name}")


def _numbered(labels: NDArray[np.int16], order: list[int]) -> NDArray[np.uint16]:
    """Labels renumbered 1, 2, ... in a given order; others are 0."""
    if not order or not np.isin(labels, order).any():
        raise InputError("There are no regions with voxels to write as a segmentation.")
    low = min(int(labels.min()), *order)
    numbers = np.zeros(max(int(labels.max()), *order) - low + 1, dtype=np.uint16)
    numbers[np.asarray(order) - low] = np.arange(1, len(order) + 1)
    result: NDArray[np.uint16] = numbers[labels.astype(np.int64) - low] if low else numbers[labels]
    return result


def _segment(number: int, region: Region, identity: Identity) -> highdicom.seg.SegmentDescription:
    category, kind = category_and_type(region)
    automatic = region.source == "automatic"
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="automatic segmentation", family=codes.DCM.ArtificialIntelligence, version="unknown"
    )
    segment = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=region.name[:64],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="AUTOMATIC" if automatic else "MANUAL",
        algorithm_identification=algorithm if automatic else None,
        tracking_uid=tracking_uid(identity.patient_id, region.name),
        tracking_id=region.name[:64],
        display_color=highdicom.color.CIELabColor.from_rgb(*colour_rgb(region)),
    )
    side = laterality(region)
    if side is not None:
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [code_item(side)]
    return segment
