"""CT series to a volume in Hounsfield units."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import DicomError
from lutetia.images.dicom.open import number, numbers, open_dicom, pixels
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

TWICE_MM: Final = 0.02
"""Slices nearer to each other than this are one slice that is there twice. [mm]"""

ROUNDED_MM: Final = 0.2
"""What rounding each position to 0.1 mm, as some scanners do, can at most do to ``off_lattice_mm``. [mm]"""

GAP: Final = 0.4
"""Share of the slice distance by which a missing slice is surely seen; among three it puts them off by one half."""

USED: Final = (
    "SOPClassUID", "Modality", "SeriesInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "PixelData",
)  # fmt: skip
"""Attributes of a slice that are read; decoding all the others takes longer than the pixels."""

SHARED: Final = {"Rows": 1, "Columns": 1, "PixelSpacing": 2, "ImageOrientationPatient": 6}
"""What the slices of a series have in common, and how many numbers that is."""

AIR_HU: Final = -1024.0
"""Nothing is thinner than air; lower stored values are padding."""


def slice_stack(datasets: Sequence[Any], names: Sequence[str]) -> tuple[Grid, list[int]]:
    """Grid of parallel slices and their order along its third axis.

    Raises
    ------
    DicomError
        Slices of several series, sizes or orientations, double or missing ones, or a tilted gantry.
    """
    first = datasets[0]
    for dataset, name in zip(datasets, names, strict=True):
        _require_like_first(dataset, first, name, names[0])
    across = np.array(first.ImageOrientationPatient[:3], dtype=float)
    down = np.array(first.ImageOrientationPatient[3:], dtype=float)
    normal = np.cross(across, down)
    positions = np.array([[float(v) for v in d.ImagePositionPatient] for d in datasets])
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    _require_even(along[order], [names[i] for i in order])
    # the mean, for rounded positions would add up to millimetres with the usual step
    spacing = float(np.ptp(along)) / (len(along) - 1) if len(along) > 1 else _thickness_mm(first, names[0])
    drift = positions[order] - positions[order[0]] - np.outer(along[order] - along[order[0]], normal)
    if np.abs(drift).max() > 1.0:
        raise DicomError(
            f"{names[0]}: slices are shifted by {np.abs(drift).max():.1f} mm in their plane: a tilted gantry."
        )
    rows = first.PixelSpacing
    directions = np.stack([across, down, normal], axis=1)
    x, y, z = (float(v) for v in positions[order[0]])
    grid = Grid(
        size=(int(first.Columns), int(first.Rows), len(datasets)),
        spacing_mm=(float(rows[1]), float(rows[0]), spacing),
        origin_mm=(x, y, z),
        directions=tuple((float(r[0]), float(r[1]), float(r[2])) for r in directions),
        frame_of_reference_uid=str(first.get("FrameOfReferenceUID") or ""),
    )
    return grid, [int(i) for i in order]


def _thickness_mm(dataset: Any, name: str) -> float:
    """Thickness of a single slice. [mm]"""
    thickness = number(dataset, "SliceThickness")
    if not thickness or thickness < 0:
        raise DicomError(f"{name}: a single slice without Slice Thickness (0018,0050).")
    return thickness


def _require_like_first(dataset: Any, first: Any, name: str, first_name: str) -> None:
    """Raise DicomError unless a slice has a position and shares series, size, pixels and orientation with the first."""
    if numbers(dataset, "ImagePositionPatient", 3) is None:
        raise DicomError(
            f"{name}: Image Position (Patient) (0020,0032) is missing; expected single slices with one."
        )
    if dataset.get("SeriesInstanceUID") != first.get("SeriesInstanceUID"):
        raise DicomError(
            f"{name}: SeriesInstanceUID (0020,000E) is not that of {first_name}; slices of one series share it."
        )
    for attribute, n in SHARED.items():
        value, wanted = numbers(dataset, attribute, n), numbers(first, attribute, n)
        if value is None or wanted is None or not np.allclose(value, wanted, atol=1e-4):
            raise DicomError(
                f"{name}: {attribute} is {dataset.get(attribute)}, in {first_name} {first.get(attribute)}; the slices "
                "of one series share it."
            )


def off_lattice_mm(along_mm: NDArray[np.float64]) -> float:
    """How far sorted positions stray from evenly spaced ones between the first and the last. [mm]"""
    n = along_mm.size
    return float(np.ptp(along_mm - np.linspace(along_mm[0], along_mm[-1], n))) if n > 1 else 0.0


def is_even(along_mm: NDArray[np.float64], usual_mm: float) -> bool:
    """Whether sorted positions are evenly spaced but for rounding, and none is missing."""
    return off_lattice_mm(along_mm) <= min(max(ROUNDED_MM, 0.01 * usual_mm), GAP * usual_mm)


def _require_even(along_mm: NDArray[np.float64], names: Sequence[str]) -> None:
    steps = np.diff(along_mm)
    if not steps.size:
        return
    usual = float(np.median(steps))
    if usual <= TWICE_MM:
        raise DicomError(
            f"{names[0]} and others lie at the same position: slices are double or positions are missing."
        )
    i = int(np.argmin(steps))
    if steps[i] < TWICE_MM:
        raise DicomError(f"{names[i]} and {names[i + 1]} lie at the same position; one slice is there twice.")
    if not is_even(along_mm, usual):
        i = int(np.argmax(np.abs(steps - usual)))
        raise DicomError(
            f"Between {names[i]} and {names[i + 1]} lie {steps[i]:.2f} mm where {usual:.2f} mm were expected: slices "
            "are missing or unevenly spaced."
        )


def read_ct(files: Sequence[Path]) -> Volume:
    """A CT series. [HU]

    Slices are sorted along their normal; Rescale Slope and Intercept are taken from each slice.

    Raises
    ------
    DicomError
        No files, not CT, truncated, no rescale, uneven or mixed slices; the message names the file.
    """
    if not files:
        raise DicomError("A CT series without files.")
    datasets = [open_dicom(path, only=USED) for path in files]
    names = [path.name for path in files]
    for dataset, name in zip(datasets, names, strict=True):
        slope, unit = number(dataset, "RescaleSlope"), str(dataset.get("RescaleType") or "HU")
        if dataset.get("Modality") != "CT" or slope is None or number(dataset, "RescaleIntercept") is None:
            raise DicomError(
                f"{name}: modality {dataset.get('Modality')}, Rescale Slope {slope}; expected CT with Rescale Slope "
                "(0028,1053) and Intercept (0028,1052)."
            )
        if not unit.startswith("HU"):
            raise DicomError(f"{name}: Rescale Type (0028,1054) is {unit}; expected HU.")
    grid, order = slice_stack(datasets, names)
    values = np.empty(grid.shape, np.float32)
    for k, i in enumerate(order):
        np.multiply(pixels(datasets[i], files[i]), np.float32(datasets[i].RescaleSlope), out=values[k])
        values[k] += np.float32(datasets[i].RescaleIntercept)
        datasets[i].clear()
    # scanners mark what lies outside the reconstructed circle by values such as -3024
    return Volume(grid=grid, values=np.maximum(values, np.float32(AIR_HU), out=values), unit="HU")
