"""CT series: one file per slice."""

from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from lutetia.errors import GridError, InputError
from lutetia.images.acquisition import Equipment
from lutetia.images.dicom.write_common import (
    Identity,
    add_frame_of_reference,
    add_pixels,
    add_times,
    digest,
    ds_text,
    new_object,
    orientation_of,
    position_of,
    right_handed,
    save,
)
from lutetia.images.grid import Grid
from lutetia.images.output import require_absent
from lutetia.images.volume import Volume


def write_ct_series(
    volume: Volume,
    folder: Path,
    *,
    identity: Identity,
    acquisition_time: datetime,
    series_instance_uid: str | None = None,
    description: str = "",
    tube_voltage_kv: float | None = None,
    patient_position: str = "HFS",
    equipment: Equipment | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a CT image as a series of DICOM files.

    Values are rounded to 1 HU and stored as signed 16-bit integers, so a file read again differs by at most 0.5 HU.

    Parameters
    ----------
    volume : Volume
        [HU]
    folder : Path
        Gets files CT0001.dcm, CT0002.dcm, ... along the slice normal.
    identity : Identity
    acquisition_time : datetime
    series_instance_uid : str, optional
        None makes one from study, time, description and content.
    description : str
        Series description.
    tube_voltage_kv : float, optional
        KVP; left empty when None.
    patient_position : str
        How the patient lay in the scanner; the geometry does not depend on it.
    equipment : Equipment, optional
        The scanner; None for an image made by this software.
    overwrite : bool

    Returns
    -------
    list of Path
        In the order of the slices.

    Raises
    ------
    GridError
        When the volume is not in HU.
    InputError
        When a value does not fit 16 bits.
    OutputError
        When a file exists or cannot be written; then no file of this call is left.
    """
    volume = right_handed(volume)
    stored = _hounsfield_int16(volume)
    paths = [folder / f"CT{k + 1:04d}.dcm" for k in range(stored.shape[0])]
    require_absent(paths, overwrite=overwrite)
    seed = f"{acquisition_time}|{description}|{digest(stored, np.asarray(volume.grid.affine))}"
    written: list[Path] = []
    try:
        for k, path in enumerate(paths):
            ds = new_object(
                identity,
                sop_class_uid=CTImageStorage,
                modality="CT",
                series_seed=seed,
                series_instance_uid=series_instance_uid or "",
                instance_seed=digest(stored[k]),
                instance_number=k + 1,
                description=description,
                equipment=equipment,
            )
            add_times(ds, acquisition_time)
            add_frame_of_reference(ds, identity, volume.grid)
            ds.BodyPartExamined = identity.body_part_examined
            ds.PatientPosition = patient_position
            ds.KVP = None if tube_voltage_kv is None else ds_text(tube_voltage_kv)
            _add_slice(ds, stored[k], volume.grid, k)
            written.append(save(ds, path, overwrite=overwrite))
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def _hounsfield_int16(volume: Volume) -> NDArray[np.int16]:
    if volume.unit != "HU":
        raise GridError(f"A CT series needs a volume in HU, got {volume.unit}.")
    low, high = float(volume.values.min()), float(volume.values.max())
    if not (low >= -32768.4 and high <= 32767.4):
        raise InputError(f"HU from {low:g} to {high:g}; 16 bits hold -32768 to 32767. Clip the volume first.")
    return np.rint(volume.values).astype(np.int16)


def _add_slice(ds: Dataset, pixels: NDArray[np.int16], grid: Grid, k: int) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.AcquisitionNumber = 1
    ds.ImagePositionPatient = position_of(grid.position_mm((0.0, 0.0, float(k))))
    ds.ImageOrientationPatient = orientation_of(grid)
    ds.PixelSpacing = [ds_text(grid.spacing_mm[1]), ds_text(grid.spacing_mm[0])]
    ds.SliceThickness = ds_text(grid.spacing_mm[2])
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "40", "400"
    add_pixels(ds, pixels)
