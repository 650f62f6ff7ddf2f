"""Flat cuts through images on any grid, as drawn: patient's right on the left, head or front on top."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lutetia.images.grid import Grid
from lutetia.images.resample import AIR_HU, resample
from lutetia.images.volume import Volume

Array = NDArray[np.float32]
View = Literal["axial", "coronal", "sagittal"]

VIEWS: Final[tuple[View, ...]] = ("axial", "coronal", "sagittal")
ACROSS: Final = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}
"""Axes of LPS that run to the right and up or down in each picture."""

LETTERS: Final = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "H", "F"), "sagittal": ("A", "P", "H", "F")}
"""Left, right, upper and lower edge of each picture: the patient is seen from the feet, the front and the left."""

SKIN_HU: Final = -400.0
COARSE_MM: Final = 4.0
FAINT: Final = 0.005
MARGIN_MM: Final = 14.0
LONGEST_PIXELS: Final = 420


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """What is worth drawing, in LPS. [mm]"""

    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]

    def extent_mm(self, view: View) -> tuple[float, float]:
        """Width and height of a picture of the box. [mm]"""
        a, b = ACROSS[view]
        return self.high_mm[a] - self.low_mm[a], self.high_mm[b] - self.low_mm[b]


def body_box(ct: Volume | None, image: Volume) -> Box:
    """Box around the patient where the image has voxels: without CT, around what is not quite dark in the image.

    Parameters
    ----------
    ct : in HU, may be None
    image : the map that will be drawn; nothing outside it is
    """
    shown = image.grid.corners_mm()
    low, high = shown.min(axis=0), shown.max(axis=0)
    mask, grid = (image, image.grid) if ct is None else (ct, ct.grid)
    threshold = FAINT * float(image.values.max()) if ct is None else SKIN_HU
    around = _bounds(mask.values, grid, threshold, largest=ct is not None)
    if around is not None:
        inner_low, inner_high = np.maximum(low, around[0] - MARGIN_MM), np.minimum(high, around[1] + MARGIN_MM)
        if np.all(inner_high - inner_low > MARGIN_MM):
            low, high = inner_low, inner_high
    # a single slice still has a thickness
    high = np.maximum(high, low + max(image.grid.spacing_mm))
    return Box(low_mm=_triple(low), high_mm=_triple(high))


def _bounds(
    values: NDArray[np.float32], grid: Grid, threshold: float, *, largest: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Corners of what exceeds a threshold, on a coarse grid; on request of its largest part (the couch is another)."""
    steps = [max(1, int(COARSE_MM / s)) for s in grid.spacing_mm]
    mask = values[:: steps[2], :: steps[1], :: steps[0]] > threshold
    if largest:
        mask = _largest_part(mask)
    if not mask.any():
        return None
    k, j, i = ndimage.find_objects(mask.astype(np.int8))[0]
    ends = [(s.start * step, (s.stop - 1) * step) for s, step in zip((i, j, k), steps, strict=True)]
    corners = np.array(np.meshgrid(*ends, indexing="ij"), dtype=float).reshape(3, -1).T
    position_mm = grid.position_mm(corners)
    return position_mm.min(axis=0), position_mm.max(axis=0)


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    opened = ndimage.binary_opening(mask) if min(mask.shape) > 2 else mask
    parts, count = ndimage.label(opened if opened.any() else mask)
    if count == 0:
        return mask
    part: NDArray[np.bool_] = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return part


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def pixel_mm(box: Box) -> float:
    """Side of the square pixels of all pictures of a box. [mm]"""
    return max(b - a for a, b in zip(box.low_mm, box.high_mm, strict=True)) / LONGEST_PIXELS


def plane_points(box: Box, view: View, at_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """LPS positions (rows, columns, 3) of the pixels of a cut through a point. [mm]"""
    across, down = ACROSS[view]
    side = pixel_mm(box)
    axes = [np.arange(box.low_mm[axis], box.high_mm[axis] + side / 2, side) for axis in (across, down)]
    # z runs to the head, which is on top; y runs to the back, which is below
    rows = axes[1][::-1] if down == 2 else axes[1]
    points = np.empty((rows.size, axes[0].size, 3))
    points[...] = at_mm
    points[..., across] = axes[0][None, :]
    points[..., down] = rows[:, None]
    return points


def cut(volume: Volume, points_mm: NDArray[np.float64]) -> Array:
    """Values at points, by linear interpolation; air or 0 outside."""
    index = np.moveaxis(volume.grid.index(points_mm)[..., ::-1], -1, 0)
    outside = AIR_HU if volume.unit == "HU" else 0.0
    values: Array = ndimage.map_coordinates(volume.values, index, order=1, mode="grid-constant", cval=outside)
    return values


def cut_labels(labels: NDArray[np.int16], grid: Grid, points_mm: NDArray[np.float64]) -> NDArray[np.int16]:
    """Labels at points; 0 outside."""
    index = np.rint(grid.index(points_mm)).astype(np.int64)
    inside = np.all((index >= 0) & (index < np.asarray(grid.size)), axis=-1)
    i, j, k = np.moveaxis(np.where(inside[..., None], index, 0), -1, 0)
    found: NDArray[np.int16] = np.where(inside, labels[k, j, i], 0).astype(np.int16)
    return found


def soft_mask(labels: NDArray[np.int16], label: int, blur_pixels: float) -> Array:
    """A region on a cut with its steps smoothed, so that its outline at one half looks like the region."""
    mask = (labels == label).astype(np.float32)
    # a blur wider than the region would make it vanish
    widest = 0.25 * float(np.sqrt(mask.sum()))
    blurred: Array = ndimage.gaussian_filter(mask, min(blur_pixels, widest))
    return blurred


def coronal_projection(image: Volume) -> tuple[Array, tuple[float, float, float, float]]:
    """Maximum along the line of sight from the front, with its outer edges: right, left, feet, head. [mm]"""
    grid = upright_grid(image.grid)
    upright = resample(image, grid)
    (sx, _, sz), (x, _, z), (nx, _, nz) = grid.spacing_mm, grid.origin_mm, grid.size
    edges_mm = x - sx / 2, x + (nx - 0.5) * sx, z - sz / 2, z + (nz - 0.5) * sz
    return upright.values.max(axis=1)[::-1], edges_mm


def upright_grid(grid: Grid) -> Grid:
    """Grid along the axes of the patient around another one, with about its voxels."""
    low, high = grid.corners_mm().min(axis=0), grid.corners_mm().max(axis=0)
    turned = np.abs(np.asarray(grid.directions))
    spacing = turned @ np.asarray(grid.spacing_mm) / turned.sum(axis=1)
    size = np.rint((high - low) / spacing).astype(int) + 1
    return Grid(
        size=(int(size[0]), int(size[1]), int(size[2])),
        spacing_mm=_triple(spacing),
        origin_mm=_triple(low),
        frame_of_reference_uid=grid.frame_of_reference_uid,
    )
