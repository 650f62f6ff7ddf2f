"""RT dose: an absorbed dose map for radiotherapy software."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import RTDoseStorage

from lutetia.errors import GridError
from lutetia.images.dicom.write_common import (
    Identity,
    add_frame_of_reference,
    add_pixels,
    da,
    digest,
    ds_text,
    new_object,
    orientation_of,
    position_of,
    read_headers,
    reference_item,
    right_handed,
    save,
    tm,
    to_uint16,
)
from lutetia.images.volume import Volume

COMMENT = "Radiopharmaceutical therapy, research use only"


def write_rtdose(
    dose: Volume,
    path: Path,
    *,
    identity: Identity,
    source_files: Sequence[Path] = (),
    summation: Literal["PLAN_OVERVIEW", "PLAN"] = "PLAN_OVERVIEW",
    plan_label: str = "RPT cycle",
    description: str = "Absorbed dose",
    overwrite: bool = False,
) -> Path:
    """Write an absorbed dose map as RT dose with 16-bit pixels.

    A stored value is wrong by at most 1/131070 of the maximum; the float parametric map has no such step. No
    Dose Summation Type fits a therapy without an RT plan: PLAN_OVERVIEW is the term that needs none; older
    programs may know PLAN only, which by the standard would need one.

    Parameters
    ----------
    dose : Volume
        [Gy], at least 0.
    path : Path
    identity : Identity
    source_files : sequence of Path
        Images that the map was made from.
    summation : {"PLAN_OVERVIEW", "PLAN"}
    plan_label : str
        RT Plan Label in the plan overview, up to 16 characters.
    description : str
        Series description.
    overwrite : bool

    Raises
    ------
    GridError
        When the volume is not in Gy.
    InputError
        When a value is negative or not finite.
    OutputError
        When the file exists or cannot be written.
    """
    if dose.unit != "Gy":
        raise GridError(f"An RT dose needs a volume in Gy, got {dose.unit}.")
    dose = right_handed(dose)
    stored, step_gy = to_uint16(dose.values, "Absorbed dose (Gy)")
    ds = new_object(
        identity,
        sop_class_uid=RTDoseStorage,
        modality="RTDOSE",
        series_seed=f"{description}|{digest(dose.grid.affine)}|{plan_label}",
        instance_seed=f"{digest(stored)}|{step_gy!r}",
        description=description,
    )
    ds.OperatorsName = ""
    ds.InstanceCreationDate, ds.InstanceCreationTime = da(identity.created_at), tm(identity.created_at)
    ds.ContentDate, ds.ContentTime = da(identity.created_at), tm(identity.created_at)
    add_frame_of_reference(ds, identity, dose.grid)
    _add_geometry(ds, dose)
    ds.DoseUnits, ds.DoseType, ds.DoseComment = "GY", "PHYSICAL", COMMENT
    ds.DoseSummationType = summation
    if summation == "PLAN_OVERVIEW":
        ds.PlanOverviewSequence = Items([_plan_overview(plan_label)])
    ds.DoseGridScaling = ds_text(step_gy)
    if source_files:
        ds.ReferencedImageSequence = Items([reference_item(image) for image in read_headers(source_files)])
    add_pixels(ds, stored)
    return save(ds, path, overwrite=overwrite)


def _add_geometry(ds: Dataset, dose: Volume) -> None:
    grid = dose.grid
    ds.ImagePositionPatient = position_of(grid.position_mm((0.0, 0.0, 0.0)))
    ds.ImageOrientationPatient = orientation_of(grid)
    ds.PixelSpacing = [ds_text(grid.spacing_mm[1]), ds_text(grid.spacing_mm[0])]
    ds.SliceThickness = ds_text(grid.spacing_mm[2])
    ds.FrameIncrementPointer = Tag("GridFrameOffsetVector")
    ds.GridFrameOffsetVector = [ds_text(round(k * grid.spacing_mm[2], 6)) for k in range(grid.size[2])]


def _plan_overview(plan_label: str) -> Dataset:
    item = Dataset()
    item.PlanOverviewIndex = 1
    item.RTPlanLabel = plan_label[:16]
    item.NumberOfFractionsIncluded = 1
    item.TreatmentSite = ""
    return item
