"""Opening a DICOM file with errors that name it."""

from pathlib import Path
from typing import Any

import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

from lutetia.errors import DicomError


def open_dicom(path: Path) -> FileDataset:
    """Read one file whole.

    Raises
    ------
    DicomError
        It is no DICOM, or cannot be read.
    """
    try:
        return pydicom.dcmread(path)
    except (InvalidDicomError, OSError, ValueError, EOFError, KeyError, AttributeError) as error:
        raise DicomError(f"{path.name}: not readable as DICOM ({type(error).__name__}).") from error


def pixels(dataset: FileDataset, path: Path) -> NDArray[Any]:
    """Stored pixel values; the length of the pixel data is checked first.

    Raises
    ------
    DicomError
        Pixel data are missing, shorter than the header says, or cannot be decoded.
    """
    data = dataset.get("PixelData")
    if data is None:
        raise DicomError(f"{path.name}: Pixel Data (7FE0,0010) is missing.")
    expected = expected_length(dataset)
    if not dataset.file_meta.TransferSyntaxUID.is_compressed and len(data) < expected:
        raise DicomError(
            f"{path.name}: truncated: Pixel Data (7FE0,0010) holds {len(data)} bytes, expected {expected} for "
            f"{dataset.get('NumberOfFrames', 1)} frames of {dataset.Rows} x {dataset.Columns}."
        )
    try:
        return dataset.pixel_array
    except Exception as error:  # decoders raise whatever they like
        raise DicomError(f"{path.name}: pixel data cannot be decoded ({type(error).__name__}: {error}).") from error


def expected_length(dataset: pydicom.Dataset) -> int:
    """Bytes of uncompressed pixel data that the header announces."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    per_pixel = int(dataset.get("BitsAllocated") or 16) / 8 * int(dataset.get("SamplesPerPixel") or 1)
    return int(frames * int(dataset.Rows) * int(dataset.Columns) * per_pixel)
