"""Nuclear medicine images: raw SPECT projections (TOMO) and reconstructed SPECT (RECON TOMO)."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.tag import Tag
from pydicom.uid import NuclearMedicineImageStorage

from lutetia.errors import GridError, InputError
from lutetia.images.acquisition import Administration, EnergyWindow, Equipment, Projections
from lutetia.images.dicom.terms import ELEMENT_NAMES
from lutetia.images.dicom.write_common import (
    MAX_UINT16,
    Identity,
    add_pixels,
    add_times,
    code_item,
    digest,
    ds_text,
    new_object,
    orientation_of,
    position_of,
    right_handed,
    save,
    to_uint16,
)
from lutetia.images.volume import Volume
from lutetia.units import KEV_PER_MEV, MBQ_PER_BQ, MS_PER_S

ANGLE_TOLERANCE_DEG = 0.01
DURATION_TOLERANCE_S = 0.5e-3
RECUMBENT = Code("102538003", "SCT", "recumbent")
LYING = {"S": Code("40199007", "SCT", "supine"), "P": Code("1240000", "SCT", "prone")}
ENTERING = {"HF": Code("102540008", "SCT", "headfirst"), "FF": Code("102541007", "SCT", "feet-first")}
TOMO_POINTER = ("EnergyWindowVector", "DetectorVector", "RotationVector", "AngularViewVector")


def write_nm_tomo(
    projections: Projections,
    path: Path,
    *,
    identity: Identity,
    nuclide: str,
    administration: Administration | None,
    description: str = "",
    patient_position: str = "HFS",
    overwrite: bool = False,
) -> Path:
    """Write raw SPECT projections as one NM object of image type TOMO.

    The views of each head must be equally spaced, in one direction, and last equally long. They are written head
    by head; a file read again has its views in that order. Image Position (Patient) is the centre of the corner
    voxel (least x, least y, head end) of the cube that would be reconstructed with the projections' pixels, and
    Image Orientation (Patient) that of the first view, as cameras of GE write it.

    Parameters
    ----------
    projections : Projections
        Whole counts, at most 65535 in a pixel.
    path : Path
    identity : Identity
    nuclide : str
        Such as "Lu-177".
    administration : Administration or None
        Its activity goes into Radionuclide Total Dose in MBq (as the NM object wants it), its date into
        Radiopharmaceutical Start DateTime, which the standard NM object lacks.
    description : str
        Series description.
    patient_position : {"HFS", "HFP", "FFS", "FFP"}
        How the patient lay in the camera; the geometry, in the patient's coordinates, does not depend on it.
    overwrite : bool

    Raises
    ------
    InputError
        When counts are not whole, negative or too many, or the views do not form equal steps.
    OutputError
        When the file exists or cannot be written.
    """
    heads = _views_by_head(projections)
    stored = _counts_uint16(projections.counts[:, np.concatenate(heads)])
    seed = f"{projections.start_time}|{description}|{projections.centre_mm}|{digest(stored)}"
    ds = new_object(
        identity,
        sop_class_uid=NuclearMedicineImageStorage,
        modality="NM",
        series_seed=seed,
        instance_seed=digest(stored),
        series_instance_uid=projections.series_instance_uid,
        description=description,
        equipment=projections.equipment,
    )
    ds.ImageType = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]
    add_times(ds, projections.start_time)
    _add_patient_orientation(ds, identity, projections.frame_of_reference_uid, patient_position)
    ds.CountsAccumulated = int(stored.sum(dtype=np.int64))
    ds.AcquisitionTerminationCondition = "TIME"
    _add_isotope(ds, projections.windows, nuclide, administration)
    _add_detectors(ds, projections, heads)
    _add_rotation(ds, projections, heads)
    _add_tomo_vectors(ds, len(projections.windows), [len(views) for views in heads])
    ds.PixelSpacing = [ds_text(projections.pixel_mm[1]), ds_text(projections.pixel_mm[0])]
    add_pixels(ds, stored.reshape(-1, *stored.shape[-2:]))
    return save(ds, path, overwrite=overwrite)


def write_nm_recon(
    volume: Volume,
    path: Path,
    *,
    identity: Identity,
    nuclide: str,
    acquisition_time: datetime | None,
    administration: Administration | None = None,
    corrections: Sequence[str] = (),
    source: Projections | None = None,
    description: str = "",
    patient_position: str = "HFS",
    overwrite: bool = False,
) -> Path:
    """Write a reconstructed SPECT image as one NM object of image type RECON TOMO.

    Values are stored as 16-bit integers with one step for all slices, given as a Real World Value Mapping
    (UCUM Bq/ml), which is the standard's way, and again as Rescale Slope, which more programs read.

    Parameters
    ----------
    volume : Volume
        [Bq/mL], [counts] or [counts/s], at least 0.
    path : Path
    identity : Identity
    nuclide : str
        Such as "Lu-177".
    acquisition_time : datetime or None
        Start of the acquisition.
    administration : Administration, optional
    corrections : sequence of str
        Corrected Image: of ATTN, SCAT, DECY, DTIM, RADL and the like.
    source : Projections, optional
        What the image was reconstructed from; gives energy windows, rotation and equipment.
    description : str
        Series description.
    patient_position : {"HFS", "HFP", "FFS", "FFP"}
        How the patient lay in the camera; the geometry, in the patient's coordinates, does not depend on it.
    overwrite : bool

    Raises
    ------
    GridError
        When the volume has another unit.
    InputError
        When a value is negative or not finite.
    OutputError
        When the file exists or cannot be written.
    """
    volume = right_handed(volume)
    unit = {
        "Bq/mL": Code("Bq/ml", "UCUM", "Bq/ml"),
        "counts": Code("{counts}", "UCUM", "counts"),
        "counts/s": Code("{counts}/s", "UCUM", "counts per second"),
    }.get(volume.unit)
    if unit is None:
        raise GridError(f"A reconstructed SPECT needs a volume in Bq/mL, counts or counts/s, got {volume.unit}.")
    stored, step = to_uint16(volume.values, f"Reconstructed SPECT ({volume.unit})")
    seed = f"{acquisition_time}|{description}|{digest(stored, volume.grid.affine)}"
    ds = new_object(
        identity,
        sop_class_uid=NuclearMedicineImageStorage,
        modality="NM",
        series_seed=seed,
        instance_seed=f"{digest(stored)}|{step!r}",
        description=description,
        equipment=source.equipment if source else Equipment(),
    )
    ds.ImageType = ["DERIVED" if source else "ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    add_times(ds, acquisition_time)
    _add_patient_orientation(ds, identity, volume.grid.frame_of_reference_uid, patient_position)
    ds.CountsAccumulated = int(source.counts.sum(dtype=np.float64)) if source else None
    if corrections:
        ds.CorrectedImage = list(corrections)
    _add_isotope(ds, source.windows if source else (), nuclide, administration)
    _add_slices(ds, volume)
    if source:
        _add_rotation(ds, source, _views_by_head(source))
    else:
        ds.NumberOfRotations = 1
        ds.RotationInformationSequence = Items([])
    _add_real_world_values(ds, step, unit)
    add_pixels(ds, stored)
    return save(ds, path, overwrite=overwrite)


def _counts_uint16(counts: NDArray[np.float32]) -> NDArray[np.uint16]:
    whole = np.rint(counts)
    if not np.all(np.abs(counts - whole) < 1e-3):
        raise InputError("Projections hold fractions of counts; NM stores whole counts. Draw or round them first.")
    if whole.min() < 0 or whole.max() > MAX_UINT16:
        raise InputError(f"Projections hold {whole.min():g} to {whole.max():g} counts; 16 bits hold 0 to 65535.")
    return whole.astype(np.uint16)


def _views_by_head(projections: Projections) -> list[NDArray[np.int64]]:
    """Indices of the views of each head, in the order of their acquisition; InputError when times differ."""
    durations = projections.frame_duration_s
    if np.ptp(durations) > DURATION_TOLERANCE_S:
        raise InputError(
            f"Views last {durations.min():g} to {durations.max():g} s; a rotation of an NM object has one duration."
        )
    return [np.flatnonzero(projections.detector == head) for head in np.unique(projections.detector)]


def _angular_step_deg(angle_rad: NDArray[np.float64], head: int) -> float:
    """Signed step between the views of a head, counter-clockwise positive. [degree]"""
    if angle_rad.size == 1:
        return 0.0
    steps = np.degrees(np.angle(np.exp(1j * np.diff(angle_rad))))
    step = float(np.median(steps))
    worst = float(np.max(np.abs(steps - step)))
    if worst > ANGLE_TOLERANCE_DEG:
        raise InputError(
            f"Views of head {head}: a step differs by {worst:.3g} degrees from the others ({step:g}); an NM object "
            "needs equal angular steps."
        )
    return float(np.mean(steps))


def _degrees(angle_rad: float) -> str:
    return ds_text(round(float(np.degrees(angle_rad)) % 360.0, 6) % 360.0)


def _add_patient_orientation(
    ds: Dataset, identity: Identity, frame_of_reference_uid: str, patient_position: str
) -> None:
    ds.FrameOfReferenceUID = frame_of_reference_uid or identity.frame_of_reference_uid
    ds.PositionReferenceIndicator = identity.position_reference_indicator
    ds.BodyPartExamined = identity.body_part_examined
    entering, lying = ENTERING.get(patient_position[:2]), LYING.get(patient_position[2:])
    if entering is None or lying is None:
        raise InputError(f"Patient position {patient_position!r}; expected HFS, HFP, FFS or FFP.")
    recumbent = code_item(RECUMBENT)
    recumbent.PatientOrientationModifierCodeSequence = Items([code_item(lying)])
    ds.PatientOrientationCodeSequence = Items([recumbent])
    ds.PatientGantryRelationshipCodeSequence = Items([code_item(entering)])


def _add_isotope(
    ds: Dataset, windows: Sequence[EnergyWindow], nuclide: str, administration: Administration | None
) -> None:
    """Fill the NM isotope module."""
    ds.NumberOfEnergyWindows = max(len(windows), 1)
    ds.EnergyWindowInformationSequence = Items([_window_item(window) for window in windows])
    drug = Dataset()
    code = nuclide_code(nuclide)
    drug.RadionuclideCodeSequence = Items([code_item(code)] if code else [])
    agent = administration.agent if administration else ""
    drug.Radiopharmaceutical = agent or nuclide
    if administration is not None:
        drug.RadionuclideTotalDose = ds_text(administration.activity_bq * MBQ_PER_BQ)
        if administration.time is not None:
            drug.RadiopharmaceuticalStartTime = administration.time.strftime("%H%M%S")
            drug.RadiopharmaceuticalStartDateTime = administration.time.strftime("%Y%m%d%H%M%S")
    ds.RadiopharmaceuticalInformationSequence = Items([drug])


def nuclide_code(nuclide: str) -> Code | None:
    """SNOMED CT code of a radionuclide ("Lu-177") from DICOM CID 18, None when it has none there."""
    element, _, mass = nuclide.partition("-")
    attribute = f"_{mass}{ELEMENT_NAMES.get(element, '')}"
    return getattr(codes.CID18, attribute) if attribute in dir(codes.CID18) else None


def _window_item(window: EnergyWindow) -> Dataset:
    limits = Dataset()
    limits.EnergyWindowLowerLimit = ds_text(round(window.lower_mev * KEV_PER_MEV, 9))
    limits.EnergyWindowUpperLimit = ds_text(round(window.upper_mev * KEV_PER_MEV, 9))
    item = Dataset()
    item.EnergyWindowRangeSequence = Items([limits])
    item.EnergyWindowName = window.name[:16]
    return item


def _add_detectors(ds: Dataset, projections: Projections, heads: list[NDArray[np.int64]]) -> None:
    """Fill the NM detector module: one item per head."""
    rows, columns = projections.counts.shape[-2:]
    dx, dz = projections.pixel_mm
    extent = np.array([(columns - 1) * dx, (columns - 1) * dx, -(rows - 1) * dz])
    corner = np.asarray(projections.centre_mm) - extent / 2
    items = []
    for views in heads:
        angle = float(projections.angle_rad[views[0]])
        across = (-np.cos(angle), np.sin(angle), 0.0, 0.0, 0.0, -1.0)
        item = Dataset()
        item.CollimatorGridName = projections.equipment.collimator[:16]
        item.CollimatorType = "PARA"
        item.FocalDistance = 0
        item.StartAngle = _degrees(angle)
        item.RadialPosition = [ds_text(round(float(r), 6)) for r in projections.radius_mm[views]]
        item.ImagePositionPatient = position_of(corner)
        item.ImageOrientationPatient = [ds_text(round(float(v), 9) + 0.0) for v in across]
        items.append(item)
    ds.NumberOfDetectors = len(items)
    ds.DetectorInformationSequence = Items(items)


def _add_rotation(ds: Dataset, projections: Projections, heads: list[NDArray[np.int64]]) -> None:
    """Fill the NM TOMO acquisition module: one rotation, described by its first head."""
    steps = [_angular_step_deg(projections.angle_rad[views], head) for head, views in enumerate(heads, start=1)]
    if len({views.size for views in heads}) > 1 or np.ptp(steps) > ANGLE_TOLERANCE_DEG:
        raise InputError(
            f"Heads have {[views.size for views in heads]} views in steps of {steps} degrees; in an NM "
            "object all heads have the same."
        )
    first = heads[0]
    item = Dataset()
    item.StartAngle = _degrees(float(projections.angle_rad[first[0]]))
    item.AngularStep = ds_text(round(abs(steps[0]), 6))
    item.RotationDirection = "CW" if steps[0] < 0 else "CC"
    item.ScanArc = ds_text(round(abs(steps[0]) * first.size, 4))
    item.ActualFrameDuration = round(float(projections.frame_duration_s[0]) * MS_PER_S)
    item.NumberOfFramesInRotation = first.size
    item.RadialPosition = [ds_text(round(float(r), 6)) for r in projections.radius_mm[first]]
    ds.NumberOfRotations = 1
    ds.RotationInformationSequence = Items([item])
    ds.TypeOfDetectorMotion = "STEP AND SHOOT"


def _add_tomo_vectors(ds: Dataset, n_windows: int, views_per_head: list[int]) -> None:
    """Frame index vectors; the last of the frame increment pointer runs fastest."""
    n_heads, n_views = len(views_per_head), views_per_head[0]
    window, head, view = np.indices((n_windows, n_heads, n_views)).reshape(3, -1) + 1
    ds.FrameIncrementPointer = [Tag(keyword) for keyword in TOMO_POINTER]
    ds.EnergyWindowVector = window.tolist()
    ds.DetectorVector = head.tolist()
    ds.RotationVector = [1] * window.size
    ds.AngularViewVector = view.tolist()


def _add_slices(ds: Dataset, volume: Volume) -> None:
    """Geometry of a reconstructed image."""
    grid = volume.grid
    detector = Dataset()
    detector.CollimatorType = ""
    detector.FocalDistance = None
    detector.ImagePositionPatient = position_of(grid.position_mm((0.0, 0.0, 0.0)))
    detector.ImageOrientationPatient = orientation_of(grid)
    ds.NumberOfDetectors = 1
    ds.DetectorInformationSequence = Items([detector])
    ds.FrameIncrementPointer = [Tag("SliceVector")]
    ds.SliceVector = list(range(1, grid.size[2] + 1))
    ds.NumberOfSlices = grid.size[2]
    ds.PixelSpacing = [ds_text(grid.spacing_mm[1]), ds_text(grid.spacing_mm[0])]
    ds.SliceThickness = ds.SpacingBetweenSlices = ds_text(grid.spacing_mm[2])


def _add_real_world_values(ds: Dataset, step: float, unit: Code) -> None:
    mapping = Dataset()
    mapping.add_new("RealWorldValueFirstValueMapped", "US", 0)
    mapping.add_new("RealWorldValueLastValueMapped", "US", MAX_UINT16)
    mapping.RealWorldValueIntercept, mapping.RealWorldValueSlope = 0.0, step
    mapping.LUTExplanation = "activity concentration" if unit.value == "Bq/ml" else "counts"
    mapping.LUTLabel = unit.value
    mapping.MeasurementUnitsCodeSequence = Items([code_item(unit)])
    ds.RealWorldValueMappingSequence = Items([mapping])
    ds.RescaleSlope, ds.RescaleIntercept = ds_text(step), "0"
