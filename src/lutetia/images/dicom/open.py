"""Opening DICOM files with errors that name them, and values of headers that are not what they should be."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items

from lutetia.errors import DicomError


def open_dicom(path: Path, *, only: Sequence[str] | None = None) -> FileDataset:
    """Read one file whole, or some of its attributes; those that cannot be decoded are dropped and count as missing.

    Raises
    ------
    DicomError
        It is no DICOM, or cannot be read.
    """
    try:
        dataset = pydicom.dcmread(path, specific_tags=None if only is None else list(only))
    except Exception as error:  # a broken header makes the parser raise whatever it likes
        raise DicomError(f"{path.name}: not readable as DICOM ({type(error).__name__}).") from error
    drop_undecodable(dataset)
    return dataset


def drop_undecodable(dataset: Dataset) -> tuple[str, ...]:
    """Delete the elements, at any depth, whose bytes are no value of their type; their tags.

    Makers' private elements, which no reader here looks at, are left undecoded: they are half of many headers.
    """
    return tuple(_drop(dataset))


def _drop(dataset: Dataset) -> Iterator[str]:
    for tag in list(dataset.keys()):
        if tag.is_private:
            continue
        try:
            value = dataset[tag].value
        except Exception:  # as above: values are decoded when they are first touched
            del dataset[tag]
            yield f"({tag.group:04X},{tag.element:04X})"
            continue
        if isinstance(value, Items):
            for item in value:
                yield from _drop(item)


def number(dataset: Any, keyword: str) -> float | None:
    """A single finite number; None when it is missing, empty or something else."""
    found = numbers(dataset, keyword, 1)
    return None if found is None else found[0]


def numbers(dataset: Any, keyword: str, n: int | None = None) -> tuple[float, ...] | None:
    """``n`` finite numbers (any count when None); None when they are missing, empty or something else."""
    value = dataset.get(keyword)
    if value is None or isinstance(value, bytes):
        return None
    listed = [value] if isinstance(value, str) or not isinstance(value, Sequence) else value
    try:
        found = tuple(float(v) for v in listed)
    except (TypeError, ValueError):
        return None
    if not found or not np.all(np.isfinite(found)) or (n is not None and len(found) != n):
        return None
    return found


def items(dataset: Any, keyword: str) -> list[Any]:
    """Items of a sequence; none when it is missing or no sequence."""
    value = dataset.get(keyword)
    return list(value) if isinstance(value, Items) else []


def first_item(dataset: Any, keyword: str) -> Any:
    """First item of a sequence; an empty data set when there is none."""
    return (items(dataset, keyword) or [Dataset()])[0]


def image_type(dataset: Any) -> tuple[str, str, str]:
    """First three values of Image Type (0008,0008), empty where it has fewer."""
    value = dataset.get("ImageType") or ()
    listed = [str(value)] if isinstance(value, str) else [str(v) for v in value]
    padded = [*listed, "", "", ""]
    return padded[0], padded[1], padded[2]


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
    if expected is None:
        raise DicomError(f"{path.name}: Rows (0028,0010) or Columns (0028,0011) is missing.")
    if is_plain(dataset) and len(data) < expected:
        raise DicomError(
            f"{path.name}: truncated: Pixel Data (7FE0,0010) holds {len(data)} bytes, expected {expected} for "
            f"{dataset.get('NumberOfFrames', 1)} frames of {dataset.Rows} x {dataset.Columns}."
        )
    try:
        return dataset.pixel_array
    except Exception as error:  # decoders raise whatever they like
        raise DicomError(f"{path.name}: pixel data cannot be decoded ({type(error).__name__}: {error}).") from error


def is_plain(dataset: FileDataset) -> bool:
    """Whether pixel data lie in the file as they are, neither compressed nor deflated; no when it does not say."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    try:
        return bool(syntax is not None and not syntax.is_compressed and not syntax.is_deflated)
    except (ValueError, AttributeError):
        return False


def expected_length(dataset: pydicom.Dataset) -> int | None:
    """Bytes of uncompressed pixel data that the header announces; None when it does not say."""
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    if not rows or not columns:
        return None
    frames = number(dataset, "NumberOfFrames") or 1.0
    bits = (number(dataset, "BitsAllocated") or 16.0) * (number(dataset, "SamplesPerPixel") or 1.0)
    return int(frames * rows * columns * bits / 8)
