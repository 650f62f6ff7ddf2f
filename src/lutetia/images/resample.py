"""Images and regions on another grid: interpolation, averaging that conserves, coverage.

Interpolation asks for the value at a point; averaging asks for the mean over a voxel. Going to a coarser grid,
only averaging conserves activity, mass and volume, so that is what maps of activity, density, attenuation and
regions use.
"""

from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lutetia.errors import GridError
from lutetia.images.grid import Grid
from lutetia.images.overlap import average_axes, axis_map, box_in, cropped, overlap_matrices, subgrids
from lutetia.images.regions import Regions
from lutetia.images.volume import Volume

Interpolation = Literal["linear", "nearest", "cubic"]
SitkImage: TypeAlias = Any
"""A SimpleITK.Image, whose methods carry no types."""

_INTERPOLATORS = {"linear": "sitkLinear", "nearest": "sitkNearestNeighbor", "cubic": "sitkBSpline"}
AIR_HU = -1000.0
TURNED_DENSITY = 2.0
"""Points per voxel of the regions and axis, for fractions on turned grids."""


def _sitk() -> Any:
    """SimpleITK, which is a hundred megabytes, when it is first needed."""
    import SimpleITK

    return SimpleITK


def grid_of_sitk(image: SitkImage, frame_of_reference_uid: str = "") -> Grid:
    """Grid of a 3-D SimpleITK image (both use LPS)."""
    if image.GetDimension() != 3:
        raise GridError(f"An image of {image.GetDimension()} dimensions; expected 3.")
    d = np.array(image.GetDirection(), dtype=np.float64).reshape(3, 3)
    return Grid(
        size=cast(tuple[int, int, int], tuple(int(n) for n in image.GetSize())),
        spacing_mm=cast(tuple[float, float, float], tuple(float(s) for s in image.GetSpacing())),
        origin_mm=cast(tuple[float, float, float], tuple(float(x) for x in image.GetOrigin())),
        directions=tuple((float(a), float(b), float(c)) for a, b, c in d),
        frame_of_reference_uid=frame_of_reference_uid,
    )


def array_to_sitk(values: NDArray[np.generic], grid: Grid) -> SitkImage:
    """An array (z, y, x) on a grid as SimpleITK image."""
    image = _sitk().GetImageFromArray(values)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(tuple(float(v) for row in grid.directions for v in row))
    return image


def to_sitk(volume: Volume) -> SitkImage:
    """A volume as SimpleITK image of 32-bit floats, in LPS."""
    return array_to_sitk(volume.values, volume.grid)


def from_sitk(image: SitkImage, unit: str, frame_of_reference_uid: str = "") -> Volume:
    """A SimpleITK image as volume; the unit and frame of reference are not in the image and must be said."""
    values = _sitk().GetArrayFromImage(image).astype(np.float32, copy=False)
    return Volume(grid=grid_of_sitk(image, frame_of_reference_uid), values=values, unit=unit)


def resample(
    volume: Volume, grid: Grid, *, interpolation: Interpolation = "linear", outside: float | None = None
) -> Volume:
    """Values at the voxel centres of another grid, by interpolation.

    Not for going to a coarser grid with something that must be conserved: see ``average_onto``.

    Parameters
    ----------
    volume : Volume
    grid : Grid
        In the same frame of reference.
    interpolation : {"linear", "nearest", "cubic"}
        Cubic is a B-spline, which may overshoot.
    outside : float, optional
        Value where the volume has no voxel; None means 0, or -1000 for HU.

    Raises
    ------
    GridError
        When the frames of reference contradict each other.
    """
    _require_same_frame(volume.grid, grid, "Resampling")
    if volume.grid.same_as(grid):
        return Volume(grid=grid, values=volume.values, unit=volume.unit)
    values = _resample_image(to_sitk(volume), grid, interpolation, _outside(volume, outside))
    return Volume(grid=grid, values=values.astype(np.float32, copy=False), unit=volume.unit)


def average_onto(volume: Volume, grid: Grid, *, outside: float | None = None) -> Volume:
    """Mean over each voxel of another grid: the way to take CT density or attenuation to SPECT voxels.

    Exact for grids whose axes are parallel: every voxel of the volume counts with the part of it that lies in the
    new voxel, so the integral over the common region is conserved (to rounding). For turned grids, the mean over
    a lattice of points at least as dense as the volume.

    Parameters
    ----------
    volume : Volume
    grid : Grid
        In the same frame of reference.
    outside : float, optional
        Value where the volume has no voxel; None means 0, or -1000 for HU.

    Raises
    ------
    GridError
        When the frames of reference contradict each other.
    """
    _require_same_frame(volume.grid, grid, "Averaging")
    return _average(volume, grid, _outside(volume, outside), smooth=False)


def resample_activity(volume: Volume, grid: Grid) -> Volume:
    """Activity concentration on another grid so that the total activity is conserved.

    Along axes on which the new grid is as coarse or coarser, the mean over the new voxel; along finer axes,
    linear interpolation (which conserves the total but for the outermost half voxel). Outside the volume there
    is no activity.

    Parameters
    ----------
    volume : Volume
        A concentration (Bq/mL, Bq s/mL) or anything else per volume.
    grid : Grid
        In the same frame of reference.

    Raises
    ------
    GridError
        When the frames of reference contradict each other.
    """
    _require_same_frame(volume.grid, grid, "Resampling of activity")
    return _average(volume, grid, 0.0, smooth=True)


def region_fractions(regions: Regions, grid: Grid) -> dict[str, NDArray[np.float32]]:
    """Fraction of each voxel of a grid that each region fills.

    Parameters
    ----------
    regions : Regions
        Usually on the finer grid of the CT.
    grid : Grid
        Usually that of the SPECT.

    Returns
    -------
    dict
        Region name -> (nz, ny, nx) float32 from 0 to 1. Summed and multiplied with the voxel volume it is the
        region's volume, as far as the grid covers it: exactly for parallel grids; for turned
        ones within about 0.1 % for organs and 1 % for regions of a few mL.

    Raises
    ------
    GridError
        When the frames of reference contradict each other.
    """
    _require_same_frame(regions.grid, grid, "Regions")
    boxes: list[tuple[slice, ...] | None] = list(ndimage.find_objects(regions.labels))
    if axis_map(regions.grid, grid) is None:
        return _turned_fractions(regions, grid, boxes)
    return {
        region.name: _box_fraction(regions, label, boxes[label - 1] if 0 < label <= len(boxes) else None, grid)
        for label, region in regions.table.items()
    }


def covers(outer: Grid, inner: Grid, tolerance_mm: float = 1.0) -> bool:
    """Whether the whole of one grid (to the outer faces of its voxels) lies within another.

    Parameters
    ----------
    outer, inner : Grid
    tolerance_mm : float
        How far ``inner`` may stick out. [mm]

    Raises
    ------
    GridError
        When the frames of reference contradict each other.
    """
    _require_same_frame(outer, inner, "Coverage")
    size = np.asarray(inner.size, dtype=float)
    picks = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
    index = outer.index(inner.position_mm(picks * size - 0.5))
    slack = tolerance_mm / np.asarray(outer.spacing_mm)
    return bool(np.all(index >= -0.5 - slack) and np.all(index <= np.asarray(outer.size) - 0.5 + slack))


def overlap_fraction(grid_a: Grid, grid_b: Grid) -> float:
    """Fraction of the volume of grid_a that grid_b covers: exact for parallel grids, else within about 2 %.

    Raises
    ------
    GridError
        When the frames of reference contradict each other.
    """
    _require_same_frame(grid_a, grid_b, "Overlap")
    if axis_map(grid_b, grid_a) is not None:
        weights = overlap_matrices(grid_b, grid_a)
        return float(np.prod([w.sum() / w.shape[0] for w in weights]))
    unit = (np.arange(32) + 0.5) / 32
    points = np.stack(np.meshgrid(unit, unit, unit, indexing="ij"), axis=-1).reshape(-1, 3)
    index = grid_b.index(grid_a.position_mm(points * np.asarray(grid_a.size) - 0.5))
    inside = np.all((index >= -0.5) & (index <= np.asarray(grid_b.size) - 0.5), axis=1)
    return float(inside.mean())


def _require_same_frame(first: Grid, second: Grid, what: str) -> None:
    if not first.same_frame_as(second):
        raise GridError(
            f"{what}: frames of reference {first.frame_of_reference_uid} and {second.frame_of_reference_uid} "
            "differ. Register the images, or move one grid to the other's frame when they are known to agree."
        )


def _outside(volume: Volume, outside: float | None) -> float:
    if outside is not None:
        return outside
    return AIR_HU if volume.unit == "HU" else 0.0


def _resample_image(
    image: SitkImage, target: Grid, interpolation: Interpolation, outside: float
) -> NDArray[np.generic]:
    sitk = _sitk()
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(target.size)
    resampler.SetOutputSpacing(target.spacing_mm)
    resampler.SetOutputOrigin(target.origin_mm)
    resampler.SetOutputDirection(tuple(float(v) for row in target.directions for v in row))
    resampler.SetInterpolator(getattr(sitk, _INTERPOLATORS[interpolation]))
    resampler.SetDefaultPixelValue(outside)
    result: NDArray[np.generic] = sitk.GetArrayFromImage(resampler.Execute(image))
    return result


def _average(volume: Volume, grid: Grid, outside: float, *, smooth: bool) -> Volume:
    if axis_map(volume.grid, grid) is None:
        return Volume(grid=grid, values=_turned_average(volume, grid, outside, smooth=smooth), unit=volume.unit)
    weights = overlap_matrices(volume.grid, grid, smooth=smooth)
    values = volume.values - np.float32(outside) if outside else volume.values
    result = average_axes(values, weights, volume.grid, grid)
    return Volume(grid=grid, values=result + np.float32(outside) if outside else result, unit=volume.unit)


def _turned_average(volume: Volume, grid: Grid, outside: float, *, smooth: bool) -> NDArray[np.float32]:
    interpolation: Interpolation = "linear" if smooth else "nearest"
    image = to_sitk(volume)
    result = np.empty(grid.shape, dtype=np.float32)
    for k, fine, factors in subgrids(volume.grid, grid):
        samples = _resample_image(image, fine, interpolation, outside)
        result[k] = _block_mean(samples, grid, factors)
    return result


def _block_mean(samples: NDArray[np.generic], grid: Grid, factors: tuple[int, int, int]) -> NDArray[np.float32]:
    """Mean over each voxel of one slice of a grid, of samples on its sub-grid."""
    fi, fj, fk = factors
    blocks = samples.reshape(fk, grid.size[1], fj, grid.size[0], fi)
    mean: NDArray[np.float32] = blocks.mean(axis=(0, 2, 4), dtype=np.float32)
    return mean


def _turned_fractions(
    regions: Regions, grid: Grid, boxes: list[tuple[slice, ...] | None]
) -> dict[str, NDArray[np.float32]]:
    fractions = {region.name: np.zeros(grid.shape, dtype=np.float32) for region in regions.table.values()}
    inside = _touched(regions, grid, boxes)
    if inside is None:
        return fractions
    part = cropped(grid, inside)
    image = array_to_sitk(regions.labels, regions.grid)
    for k, fine, factors in subgrids(regions.grid, part, TURNED_DENSITY):
        labels = _resample_image(image, fine, "nearest", 0)
        for label in set(np.unique(labels).tolist()) & set(regions.table):
            name = regions.table[label].name
            fractions[name][inside][k] = _block_mean(labels == label, part, factors)
    return fractions


def _touched(regions: Regions, grid: Grid, boxes: list[tuple[slice, ...] | None]) -> tuple[slice, ...] | None:
    """Box of the voxels of a grid that any region may touch."""
    used = [box for box in boxes if box is not None]
    if not used:
        return None
    around = tuple(
        slice(min(box[axis].start for box in used), max(box[axis].stop for box in used)) for axis in range(3)
    )
    return box_in(grid, cropped(regions.grid, around))


def _box_fraction(regions: Regions, label: int, box: tuple[slice, ...] | None, grid: Grid) -> NDArray[np.float32]:
    """Fraction of one region, computed in the box around it only."""
    result = np.zeros(grid.shape, dtype=np.float32)
    crop = None if box is None else cropped(regions.grid, box)
    inside = None if crop is None else box_in(grid, crop)
    if box is None or crop is None or inside is None:
        return result
    mask = (regions.labels[box] == label).astype(np.float32)
    part = cropped(grid, inside)
    result[inside] = average_axes(mask, overlap_matrices(crop, part), crop, part)
    return result
