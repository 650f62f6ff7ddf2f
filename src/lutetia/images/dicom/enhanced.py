"""What segmentations and parametric maps share: source images as highdicom wants them, geometry, finish."""

from collections.abc import Sequence
from pathlib import Path

import highdicom
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from lutetia.errors import DicomError, GridError
from lutetia.images.dicom.write_common import (
    Identity,
    add_patient_and_study,
    da,
    ds_text,
    position_of,
    read_headers,
    tm,
)
from lutetia.images.grid import Grid


def source_headers(files: Sequence[Path], identity: Identity, frame_of_reference_uid: str) -> list[Dataset]:
    """Headers of the source images, with the patient and study that the derived object shall carry.

    Raises
    ------
    InputError
        When there are none.
    GridError
        When one has another frame of reference.
    """
    headers = read_headers(files)
    other = {str(ds.get("FrameOfReferenceUID", "")) for ds in headers} - {frame_of_reference_uid}
    if other:
        raise GridError(
            f"The object is in frame of reference {frame_of_reference_uid}, its source images in {sorted(other)}; "
            "register first, or give images of the same frame."
        )
    for ds in headers:
        add_patient_and_study(ds, identity)
        if ds.Modality == "NM":
            _add_functional_groups(ds)
    return headers


def to_highdicom_volume(values: NDArray[np.generic], grid: Grid, frame_of_reference_uid: str) -> highdicom.Volume:
    """An array (z, y, x) on a grid for highdicom, whose index axes are slice, row and column."""
    affine = grid.affine
    affine[:3, :3] = affine[:3, 2::-1]
    return highdicom.Volume(
        values, affine, coordinate_system="PATIENT", frame_of_reference_uid=frame_of_reference_uid
    )


def finish(ds: Dataset, identity: Identity, description: str) -> Dataset:
    """Series description and the time the object was made, as the identity says."""
    ds.SeriesDescription = description[:64]
    for prefix in ("Series", "Content", "InstanceCreation"):
        setattr(ds, f"{prefix}Date", da(identity.created_at))
        setattr(ds, f"{prefix}Time", tm(identity.created_at))
    ds.BodyPartExamined = identity.body_part_examined
    return ds


def _add_functional_groups(ds: Dataset) -> None:
    """Geometry of a reconstructed NM image as functional groups, which NM lacks and highdicom looks for."""
    detectors = ds.get("DetectorInformationSequence")
    if "RECON TOMO" not in str(ds.ImageType) or not detectors or not detectors[0].get("ImagePositionPatient"):
        raise DicomError(
            "An NM source image must be reconstructed (RECON TOMO) and have a position in the patient."
        )
    first = np.asarray(detectors[0].ImagePositionPatient, dtype=float)
    across, down = np.asarray(detectors[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    step = np.cross(across, down) * float(ds.SpacingBetweenSlices)
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = ds.PixelSpacing
    measures.SliceThickness = measures.SpacingBetweenSlices = ds_text(abs(float(ds.SpacingBetweenSlices)))
    orientation.ImageOrientationPatient = detectors[0].ImageOrientationPatient
    shared.PixelMeasuresSequence = Items([measures])
    shared.PlaneOrientationSequence = Items([orientation])
    ds.SharedFunctionalGroupsSequence = Items([shared])
    ds.PerFrameFunctionalGroupsSequence = Items()
    for k in range(int(ds.NumberOfFrames)):
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = position_of(first + k * step)
        frame.PlanePositionSequence = Items([position])
        ds.PerFrameFunctionalGroupsSequence.append(frame)
