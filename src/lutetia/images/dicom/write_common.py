"""What all DICOM objects written here share: identity, unique identifiers, general modules, saving."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lutetia import __version__
from lutetia.errors import DicomError, InputError
from lutetia.images.acquisition import Equipment
from lutetia.images.grid import Grid
from lutetia.images.output import write_whole
from lutetia.images.volume import Volume

SOFTWARE = "Lutetia"
MAX_UINT16 = 65535
T = TypeVar("T", bound=np.generic)


def uid_from(text: str) -> str:
    """A DICOM UID made from a text: the same text gives the same UID, on every machine.

    Parameters
    ----------
    text : str
        Whatever makes the object unique.

    Returns
    -------
    str
        ``2.25.`` and the first 128 bits of SHA-256 as a version-8 UUID (RFC 9562) in decimal.
    """
    bits = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
    bits = bits & ~(0xF << 76) | (0x8 << 76)
    bits = bits & ~(0x3 << 62) | (0x2 << 62)
    return f"2.25.{bits}"


def digest(*arrays: NDArray[np.generic]) -> str:
    """Hash of arrays' values, to make identifiers that change when the content does."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(np.ascontiguousarray(array).view(np.uint8).data)
    return sha.hexdigest()[:32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Whose image it is, and to which study and frame of reference it belongs.

    Attributes
    ----------
    patient_id : pseudonym
    patient_name : never a real name in what Lutetia makes by itself
    patient_sex : "M", "F", "O" or empty when unknown
    patient_birth_date : YYYYMMDD, empty for research data
    weight_kg, height_m : None when unknown
    study_instance_uid, frame_of_reference_uid : made from ``patient_id`` and ``study_datetime`` when empty
    study_datetime : start of the study in local time, None when unknown
    body_part_examined : DICOM defined term; saves readers from asking for a laterality
    created : when derived objects were made; None means now
    """

    patient_id: str
    patient_name: str = "Research^Anonymous"
    patient_sex: str = ""
    patient_birth_date: str = ""
    weight_kg: float | None = None
    height_m: float | None = None
    study_instance_uid: str = ""
    study_datetime: datetime | None = None
    study_id: str = ""
    study_description: str = ""
    accession_number: str = ""
    referring_physician: str = ""
    frame_of_reference_uid: str = ""
    position_reference_indicator: str = ""
    body_part_examined: str = "ABDOMEN"
    patient_identity_removed: bool = True
    created: datetime | None = None

    def __post_init__(self) -> None:
        if self.patient_sex not in ("", "M", "F", "O"):
            raise InputError(f"Patient's sex {self.patient_sex!r}; DICOM knows M, F, O or an empty value.")
        seed = f"{self.patient_id}|{self.study_datetime}"
        if not self.study_instance_uid:
            object.__setattr__(self, "study_instance_uid", uid_from(f"study|{seed}"))
        if not self.frame_of_reference_uid:
            object.__setattr__(self, "frame_of_reference_uid", uid_from(f"frame|{seed}"))

    @property
    def created_at(self) -> datetime:
        """When derived objects were made."""
        return self.created or datetime.now()

    def frame_of(self, grid: Grid) -> str:
        """Frame of reference of a grid, or the identity's own when the grid does not say."""
        return grid.frame_of_reference_uid or self.frame_of_reference_uid


def identity_from_dataset(ds: Dataset, *, created: datetime | None = None) -> Identity:
    """Patient and study of a source image, for the objects derived from it.

    Parameters
    ----------
    ds : Dataset
        Any image of the study.
    created : datetime, optional
        When the derived objects are made; None means now.

    Raises
    ------
    DicomError
        When the source has no Study Instance UID.
    """
    if not ds.get("StudyInstanceUID"):
        raise DicomError("The source image has no Study Instance UID (0020,000D); nothing can be attached to it.")
    sex = str(ds.get("PatientSex") or "")
    weight, height = ds.get("PatientWeight"), ds.get("PatientSize")
    return Identity(
        patient_id=str(ds.get("PatientID") or ""),
        patient_name=str(ds.get("PatientName") or ""),
        patient_sex=sex if sex in ("M", "F", "O") else "",
        patient_birth_date=str(ds.get("PatientBirthDate") or ""),
        weight_kg=float(weight) if weight else None,
        height_m=float(height) if height else None,
        study_instance_uid=str(ds.StudyInstanceUID),
        study_datetime=_datetime_of(ds.get("StudyDate"), ds.get("StudyTime")),
        study_id=str(ds.get("StudyID") or ""),
        study_description=str(ds.get("StudyDescription") or ""),
        accession_number=str(ds.get("AccessionNumber") or ""),
        referring_physician=str(ds.get("ReferringPhysicianName") or ""),
        frame_of_reference_uid=str(ds.get("FrameOfReferenceUID") or ""),
        position_reference_indicator=str(ds.get("PositionReferenceIndicator") or ""),
        body_part_examined=str(ds.get("BodyPartExamined") or "ABDOMEN"),
        patient_identity_removed=str(ds.get("PatientIdentityRemoved") or "") == "YES",
        created=created,
    )


def _datetime_of(date: object, time: object) -> datetime | None:
    """Date and time of two DICOM values; midnight when the time is missing, None without a date."""
    if not date:
        return None
    digits = str(time or "").split(".")[0].replace(":", "").ljust(6, "0")
    try:
        return datetime.strptime(f"{date}{digits}", "%Y%m%d%H%M%S")
    except ValueError:
        return None


def da(when: datetime | None) -> str:
    """DICOM date (DA); empty when unknown."""
    return "" if when is None else when.strftime("%Y%m%d")


def tm(when: datetime | None) -> str:
    """DICOM time (TM) to the millisecond; empty when unknown."""
    return "" if when is None else f"{when.strftime('%H%M%S')}.{when.microsecond // 1000:03d}"


def ds_text(value: float) -> str:
    """A decimal string of at most 16 characters with all the digits that fit."""
    for digits in range(16, 5, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    raise InputError(f"{value!r} does not fit a DICOM decimal string of 16 characters.")


def code_item(code: Code) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def reference_item(source: Dataset) -> Dataset:
    """An item that refers to an instance."""
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    return item


def new_object(
    identity: Identity,
    *,
    sop_class_uid: str,
    modality: str,
    series_seed: str,
    instance_seed: str,
    description: str = "",
    series_number: int = 1,
    instance_number: int = 1,
    series_instance_uid: str = "",
    equipment: Equipment | None = None,
) -> Dataset:
    """A dataset with the patient, study, series, equipment and SOP common modules filled.

    Parameters
    ----------
    identity : Identity
    sop_class_uid, modality : str
    series_seed, instance_seed : str
        What makes series and instance unique; both UIDs follow from them.
    description : str
        Series description.
    series_number, instance_number : int
    series_instance_uid : str
        Instead of the one made from ``series_seed``.
    equipment : Equipment, optional
        The machine; None for what this software made.
    """
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = sop_class_uid
    series_uid = series_instance_uid or uid_from(f"series|{identity.study_instance_uid}|{modality}|{series_seed}")
    ds.SOPInstanceUID = uid_from(f"instance|{series_uid}|{instance_number}|{instance_seed}")
    add_patient_and_study(ds, identity)
    ds.Modality = modality
    ds.SeriesInstanceUID = series_uid
    ds.SeriesNumber = series_number
    ds.InstanceNumber = instance_number
    if description:
        ds.SeriesDescription = description[:64]
    _add_equipment(ds, equipment)
    return ds


def add_patient_and_study(ds: Dataset, identity: Identity) -> None:
    """Fill the patient, patient study and general study modules."""
    ds.PatientName = identity.patient_name
    ds.PatientID = identity.patient_id
    ds.PatientBirthDate = identity.patient_birth_date
    ds.PatientSex = identity.patient_sex
    if identity.patient_identity_removed:
        ds.PatientIdentityRemoved = "YES"
        ds.DeidentificationMethod = "made for research with a pseudonym"
    if identity.weight_kg is not None:
        ds.PatientWeight = ds_text(identity.weight_kg)
    if identity.height_m is not None:
        ds.PatientSize = ds_text(identity.height_m)
    ds.StudyInstanceUID = identity.study_instance_uid
    ds.StudyDate, ds.StudyTime = da(identity.study_datetime), tm(identity.study_datetime)
    ds.StudyID = identity.study_id
    ds.AccessionNumber = identity.accession_number
    ds.ReferringPhysicianName = identity.referring_physician
    if identity.study_description:
        ds.StudyDescription = identity.study_description


def _add_equipment(ds: Dataset, equipment: Equipment | None) -> None:
    made_here = equipment is None
    machine = equipment or Equipment(manufacturer=SOFTWARE, model=SOFTWARE, software=__version__)
    ds.Manufacturer = machine.manufacturer
    if machine.model:
        ds.ManufacturerModelName = machine.model
    if machine.software:
        ds.SoftwareVersions = machine.software
    if made_here:
        ds.DeviceSerialNumber = "0"


def add_frame_of_reference(ds: Dataset, identity: Identity, grid: Grid) -> None:
    """Fill the frame of reference module."""
    ds.FrameOfReferenceUID = identity.frame_of(grid)
    ds.PositionReferenceIndicator = identity.position_reference_indicator


def add_times(ds: Dataset, when: datetime | None) -> None:
    """Series, acquisition and content date and time of an image."""
    for prefix in ("Series", "Acquisition", "Content"):
        setattr(ds, f"{prefix}Date", da(when))
        setattr(ds, f"{prefix}Time", tm(when))


def add_pixels(ds: Dataset, stored: NDArray[np.uint16] | NDArray[np.int16]) -> None:
    """Fill the image pixel module with 16-bit values of shape (rows, columns) or (frames, rows, columns)."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = int(stored.dtype == np.int16)
    if stored.ndim == 3:
        ds.NumberOfFrames = stored.shape[0]
    ds.PixelData = np.ascontiguousarray(stored).astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()


def orientation_of(grid: Grid) -> list[str]:
    """Image Orientation (Patient): directions of the column and the row index."""
    directions = np.asarray(grid.directions)
    return [ds_text(round(float(v), 9) + 0.0) for v in (*directions[:, 0], *directions[:, 1])]


def position_of(position_mm: NDArray[np.float64]) -> list[str]:
    """Image Position (Patient). [mm]"""
    return [ds_text(round(float(v), 6) + 0.0) for v in position_mm]


def right_handed(volume: Volume) -> Volume:
    """The same image with its slices ordered along the cross product of row and column directions, as in DICOM."""
    grid, values = right_handed_array(volume.grid, volume.values)
    return Volume(grid=grid, values=values, unit=volume.unit)


def right_handed_array(grid: Grid, values: NDArray[T]) -> tuple[Grid, NDArray[T]]:
    """Grid and values (z, y, x) with the slice axis reversed if need be to make the index axes right-handed."""
    directions = np.asarray(grid.directions)
    if np.linalg.det(directions) > 0:
        return grid, values
    last = grid.position_mm((0.0, 0.0, grid.size[2] - 1.0))
    turned = directions * np.array([1.0, 1.0, -1.0])
    flipped = Grid(
        size=grid.size,
        spacing_mm=grid.spacing_mm,
        origin_mm=(float(last[0]), float(last[1]), float(last[2])),
        directions=tuple((float(a), float(b), float(c)) for a, b, c in turned),
        frame_of_reference_uid=grid.frame_of_reference_uid,
    )
    return flipped, values[::-1]


def to_uint16(values: NDArray[np.float32], what: str) -> tuple[NDArray[np.uint16], float]:
    """Non-negative values as 16-bit integers and the step they are multiples of.

    The step is exactly a decimal string of 16 characters, so that every way to store it gives the same image;
    a stored value is wrong by at most half a step, 1/131070 of the maximum.

    Raises
    ------
    InputError
        When values are negative or not finite.
    """
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0:
        raise InputError(f"{what} from {low:g} to {high:g}; expected finite values of at least 0.")
    step = float(ds_text(high / MAX_UINT16 * (1 + 1e-9))) if high > 0 else 1.0
    return np.rint(values / np.float32(step)).clip(0, MAX_UINT16).astype(np.uint16), step


def save(ds: Dataset, path: Path, *, overwrite: bool = False, implicit_vr: bool = False) -> Path:
    """Write a dataset as a DICOM file, whole or not at all.

    Raises
    ------
    OutputError
        When the file exists and may not be replaced, or cannot be written.
    """
    if not hasattr(ds, "file_meta"):
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit_vr else ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.ImplementationClassUID = UID(uid_from("Lutetia"))
    ds.file_meta.ImplementationVersionName = f"LUTETIA_{__version__}"[:16]
    return write_whole(path, lambda part: pydicom.dcmwrite(part, ds, enforce_file_format=True), overwrite=overwrite)


def read_headers(files: Sequence[Path]) -> list[Dataset]:
    """Headers (no pixels) of source images.

    Raises
    ------
    InputError
        When there are none.
    """
    if not files:
        raise InputError("No source images were given; a derived object must say which images it belongs to.")
    return [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
