"""Parametric maps: absorbed dose or time-integrated activity as 32-bit floats with coded quantity and unit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import highdicom
import numpy as np
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from lutetia import __version__
from lutetia.errors import GridError, InputError
from lutetia.images.dicom.enhanced import finish, source_headers, to_highdicom_volume
from lutetia.images.dicom.write_common import SOFTWARE, Identity, digest, right_handed, save, uid_from
from lutetia.images.volume import Volume

Quantity = Literal["absorbed dose", "absorbed dose rate", "time-integrated activity", "activity concentration"]

PRIVATE_SCHEME: Final = "99RPT"
"""Coding scheme of quantities of radiopharmaceutical therapy for which DICOM has no code."""

QUANTITIES: Final[dict[str, tuple[str, Code, Code]]] = {
    "absorbed dose": ("Gy", codes.DCM.AbsorbedDose, Code("Gy", "UCUM", "Gy")),
    "absorbed dose rate": (
        "Gy/s",
        Code("RPT0003", PRIVATE_SCHEME, "Absorbed Dose Rate"),
        Code("Gy/s", "UCUM", "Gy/s"),
    ),
    "time-integrated activity": (
        "Bq s/mL",
        Code("RPT0001", PRIVATE_SCHEME, "Time-integrated activity concentration"),
        Code("Bq.s/ml", "UCUM", "Bq.s/ml"),
    ),
    "activity concentration": (
        "Bq/mL",
        Code("RPT0002", PRIVATE_SCHEME, "Activity concentration"),
        Code("Bq/ml", "UCUM", "Bq/ml"),
    ),
}
"""Quantity -> unit of the volume, code of the quantity, UCUM code of the unit."""


def write_parametric_map(
    volume: Volume,
    path: Path,
    *,
    identity: Identity,
    source_files: Sequence[Path],
    quantity: Quantity,
    description: str = "",
    overwrite: bool = False,
) -> Path:
    """Write a map of a quantity as DICOM parametric map: 32-bit floats, no rounding.

    Parameters
    ----------
    volume : Volume
        In the unit of the quantity: Gy, Gy/s, Bq s/mL or Bq/mL.
    path : Path
    identity : Identity
    source_files : sequence of Path
        The CT series, or the reconstructed NM image, that the map belongs to.
    quantity : {"absorbed dose", "absorbed dose rate", "time-integrated activity", "activity concentration"}
    description : str
        Series description; empty takes the quantity.
    overwrite : bool

    Raises
    ------
    GridError
        When the volume has another unit than the quantity, or the source another frame of reference.
    InputError
        When values are not finite, the quantity is unknown, or there is no source.
    OutputError
        When the file exists or cannot be written.
    """
    mapping, window = _meaning(volume, quantity)
    volume = right_handed(volume)
    frame = identity.frame_of(volume.grid)
    sources = source_headers(source_files, identity, frame)
    title = description or quantity
    series_uid = uid_from(f"series|{identity.study_instance_uid}|PMAP|{sources[0].SeriesInstanceUID}|{title}")
    parametric_map = highdicom.pm.ParametricMap(
        source_images=sources,
        pixel_array=to_highdicom_volume(np.ascontiguousarray(volume.values), volume.grid, frame),
        series_instance_uid=series_uid,
        series_number=301,
        sop_instance_uid=uid_from(f"instance|{series_uid}|{digest(volume.values, volume.grid.affine)}"),
        instance_number=1,
        manufacturer=SOFTWARE,
        manufacturer_model_name=SOFTWARE,
        software_versions=__version__,
        device_serial_number="0",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[window],
        content_label="RPT_MAP",
        content_description=title[:64],
    )
    return save(finish(parametric_map, identity, title), path, overwrite=overwrite)


def _meaning(
    volume: Volume, quantity: Quantity
) -> tuple[highdicom.pm.RealWorldValueMapping, highdicom.VOILUTTransformation]:
    """What the values are, and the window to show them in."""
    if quantity not in QUANTITIES:
        raise InputError(f"Quantity {quantity!r} is not one of {sorted(QUANTITIES)}.")
    unit, quantity_code, unit_code = QUANTITIES[quantity]
    if volume.unit != unit:
        raise GridError(f"A map of {quantity} needs a volume in {unit}, got {volume.unit}.")
    if not np.all(np.isfinite(volume.values)):
        raise InputError(f"The map of {quantity} has values that are not finite.")
    low, high = float(volume.values.min()), float(volume.values.max())
    mapping = highdicom.pm.RealWorldValueMapping(
        lut_label=unit_code.value,
        lut_explanation=quantity_code.meaning,
        unit=unit_code,
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=quantity_code,
    )
    window = highdicom.VOILUTTransformation(window_center=(low + high) / 2, window_width=max(high - low, 1e-6))
    return mapping, window
