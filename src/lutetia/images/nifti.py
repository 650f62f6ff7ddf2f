"""NIfTI: volumes and label maps for research software.

NIfTI axes point right, anterior, superior; everything here is in DICOM's left, posterior, superior. SimpleITK
converts both ways.
"""

import csv
import gzip
import struct
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from lutetia.errors import GridError, InputError, MissingDataError
from lutetia.images.grid import Grid
from lutetia.images.output import write_whole
from lutetia.images.regions import Region, Regions
from lutetia.images.resample import SitkImage, array_to_sitk, from_sitk, grid_of_sitk
from lutetia.images.volume import Volume

_sitk: Any = SimpleITK
HEADER_BYTES = 348
CARET_CODE = 30
"""Code of the extension that holds an XML label table (NIfTI registry: CARET)."""


def write_nifti(image: Volume | Regions, path: Path, *, overwrite: bool = False) -> Path:
    """Write a volume (32-bit floats) or regions (16-bit labels with their names in the header) as NIfTI.

    Parameters
    ----------
    image : Volume or Regions
    path : Path
        Ending in .nii or .nii.gz.
    overwrite : bool

    Raises
    ------
    InputError
        When the name ends otherwise.
    OutputError
        When the file exists or cannot be written.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"{path.name}: a NIfTI file's name ends in .nii or .nii.gz.")
    values = image.values if isinstance(image, Volume) else image.labels
    picture = array_to_sitk(np.ascontiguousarray(values), image.grid)
    table = None if isinstance(image, Volume) else image.table

    def write(part: Path) -> None:
        try:
            _sitk.WriteImage(picture, str(part))
        except RuntimeError as error:
            raise OSError(str(error).strip().splitlines()[-1]) from error
        if table is not None:
            _insert_names(part, table)

    return write_whole(path, write, overwrite=overwrite)


def read_nifti_volume(path: Path, unit: str, *, frame_of_reference_uid: str = "") -> Volume:
    """Read a NIfTI image.

    Parameters
    ----------
    path : Path
    unit : str
        Unit of the values, which the file does not say.
    frame_of_reference_uid : str
        When known.

    Raises
    ------
    InputError
        When the file is no 3-D NIfTI image.
    MissingDataError
        When it does not say how it lies in the patient.
    """
    return from_sitk(_read(path), unit, frame_of_reference_uid)


def read_nifti_labels(
    path: Path, names: Mapping[int, str] | None = None, grid: Grid | None = None, *, source: str = "label map"
) -> Regions:
    """Read a NIfTI label map.

    Parameters
    ----------
    path : Path
    names : mapping, optional
        Label -> name; None takes the names embedded in the file (TotalSegmentator's and Lutetia's have them).
        Labels without a name get "label <n>".
    grid : Grid, optional
        Grid that the labels must be on; its frame of reference is taken over.
    source : str
        Where the regions come from, for their table.

    Raises
    ------
    InputError
        When the file is no 3-D NIfTI image or holds other values than whole numbers from 0 to 32767.
    MissingDataError
        When it does not say how it lies in the patient, or names no labels and none are given.
    GridError
        When the labels are not on ``grid``.
    """
    image = _read(path)
    found = grid_of_sitk(image, grid.frame_of_reference_uid if grid else "")
    if grid is not None and not found.same_as(grid):
        raise GridError(
            f"{path.name}: labels on {found.size} voxels of {found.spacing_mm} mm at {found.origin_mm} mm; "
            f"expected {grid.size} of {grid.spacing_mm} mm at {grid.origin_mm} mm. Was it drawn on another image?"
        )
    labels = _whole_labels(_sitk.GetArrayFromImage(image), path)
    known = dict(names) if names is not None else embedded_names(path)
    if not known and labels.any():
        raise MissingDataError(
            f"{path.name} names none of its labels {np.unique(labels[labels != 0]).tolist()}; give their names."
        )
    labels, table, warnings = _named(labels, known, source)
    return Regions(grid=found, labels=labels, table=table, warnings=tuple(warnings))


def totalsegmentator_names() -> dict[int, str]:
    """Label -> name of TotalSegmentator v2, task "total", for its label maps without embedded names.

    References
    ----------
    Wasserthal et al. 2023, doi:10.1148/ryai.230024; see data/totalsegmentator_v2/SOURCE.toml.
    """
    text = (resources.files("lutetia.images") / "data/totalsegmentator_v2/labels.csv").read_text()
    return {int(row["label"]): row["name"] for row in csv.DictReader(text.splitlines())}


def embedded_names(path: Path) -> dict[int, str]:
    """Label names in the header extension of a NIfTI-1 file; empty when there are none.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        Label -> name as in the file.
    """
    data = _header_with_extensions(path)
    position = HEADER_BYTES + 4
    while len(data) >= position + 8:
        size, code = struct.unpack_from("<ii", data, position)
        if size < 8:
            break
        if code == CARET_CODE or b"<LabelTable" in data[position : position + size]:
            return _parse_names(data[position + 8 : position + size])
        position += size
    return {}


def _read(path: Path) -> SitkImage:
    if not path.exists():
        raise InputError(f"{path.name} is not in {path.parent}.")
    reader = _sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NiftiImageIO")
    try:
        reader.ReadImageInformation()
        header = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
        placed = any(
            header.get(key, "0") not in ("0", "NIFTI_XFORM_UNKNOWN") for key in ("qform_code", "sform_code")
        )
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(f"{path.name} is not a readable NIfTI image: {str(error).splitlines()[-1]}") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{path.name} has {image.GetDimension()} dimensions; expected one 3-D image.")
    if not placed:
        raise MissingDataError(
            f"{path.name} does not say how it lies in the patient (qform_code and sform_code are 0); set its sform."
        )
    return image


def _whole_labels(values: NDArray[Any], path: Path) -> NDArray[np.int16]:
    labels = values.astype(np.int16)
    if not np.array_equal(labels, values) or labels.min(initial=0) < 0:
        raise InputError(
            f"{path.name} holds values from {values.min()} to {values.max()}, not all of them labels (whole "
            "numbers from 0 to 32767). Is it an image?"
        )
    return labels


def _named(
    labels: NDArray[np.int16], known: Mapping[int, str], source: str
) -> tuple[NDArray[np.int16], dict[int, Region], list[str]]:
    """Labels and table of regions; labels of one standard name (the lobes of a lung) become one region."""
    from lutetia.images.region_names import standard_region

    table: dict[int, Region] = {}
    first: dict[str, int] = {}
    warnings = []
    merged = np.arange(int(labels.max(initial=0)) + 1, dtype=np.int16)
    for label in np.unique(labels[labels != 0]).tolist():
        if label not in known:
            warnings.append(f"Label {label} has no name and is called 'label {label}'.")
        region = standard_region(known.get(label, f"label {label}"), source)
        merged[label] = first.setdefault(region.name, label)
        if merged[label] == label:
            table[label] = region
        else:
            warnings.append(f"Labels {merged[label]} and {label} are both {region.name!r} and were joined.")
    return merged[labels], table, warnings


def _header_with_extensions(path: Path) -> bytes:
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
        header = file.read(HEADER_BYTES + 4)
        if len(header) < HEADER_BYTES + 4 or struct.unpack_from("<i", header)[0] != HEADER_BYTES:
            return b""
        has_extension = header[HEADER_BYTES] != 0
        offset = int(struct.unpack_from("<f", header, 108)[0])
        return header + file.read(offset - HEADER_BYTES - 4) if has_extension else header


def _parse_names(xml: bytes) -> dict[int, str]:
    try:
        root = ElementTree.fromstring(xml.strip(b"\x00 \n\r\t"))
    except ElementTree.ParseError:
        return {}
    labels = root.iter("Label")
    return {int(item.get("Key", "0")): (item.text or "").strip() for item in labels if item.get("Key") != "0"}


def _insert_names(path: Path, table: Mapping[int, Region]) -> None:
    """Put a label table into the header of a NIfTI-1 file that has no extension."""
    zipped = path.name.endswith(".gz")
    data = gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()
    root = ElementTree.Element("CaretExtension")
    labels = ElementTree.SubElement(ElementTree.SubElement(root, "VolumeInformation", Index="0"), "LabelTable")
    for label, region in sorted(table.items()):
        ElementTree.SubElement(labels, "Label", Key=str(label)).text = region.name
    xml = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    size = -(-(len(xml) + 8) // 16) * 16
    extension = struct.pack("<ii", size, CARET_CODE) + xml.ljust(size - 8, b"\x00")
    header = bytearray(data[: HEADER_BYTES + 4])
    start = int(struct.unpack_from("<f", header, 108)[0])
    struct.pack_into("<f", header, 108, float(HEADER_BYTES + 4 + size))
    header[HEADER_BYTES] = 1
    whole = bytes(header) + extension + data[start:]
    path.write_bytes(gzip.compress(whole, compresslevel=6, mtime=0) if zipped else whole)
