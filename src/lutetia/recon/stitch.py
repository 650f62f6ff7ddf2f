"""Several bed positions into one image."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from lutetia.errors import GridError, InputError
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

LATTICE_TOLERANCE_MM = 0.05


def stitched_grid(grids: Sequence[Grid]) -> Grid:
    """The first grid, lengthened along z on its own lattice until it holds all slices.

    Raises
    ------
    GridError
        Spacing, directions or frame differ.
    """
    first = grids[0]
    for grid in grids[1:]:
        same = np.allclose(grid.spacing_mm, first.spacing_mm, rtol=1e-4)
        if not same or not np.allclose(grid.directions, first.directions, atol=1e-4):
            raise GridError(
                f"Beds of spacing {first.spacing_mm} and {grid.spacing_mm} mm cannot be stitched; expected one "
                "spacing and one orientation."
            )
        if not grid.same_frame_as(first):
            raise GridError("Beds in different frames of reference cannot be stitched; register them first.")
    dz = first.spacing_mm[2]
    starts = [(grid.origin_mm[2] - first.origin_mm[2]) / dz for grid in grids]
    low = int(np.floor(min(starts) + LATTICE_TOLERANCE_MM / dz))
    ends = [s + g.size[2] for s, g in zip(starts, grids, strict=True)]
    high = int(np.ceil(max(ends) - LATTICE_TOLERANCE_MM / dz))
    return Grid(
        size=(first.size[0], first.size[1], high - low),
        spacing_mm=first.spacing_mm,
        origin_mm=(first.origin_mm[0], first.origin_mm[1], first.origin_mm[2] + low * dz),
        directions=first.directions,
        frame_of_reference_uid=next((g.frame_of_reference_uid for g in grids if g.frame_of_reference_uid), ""),
    )


def stitch(volumes: Sequence[Volume], usable_slices: Sequence[NDArray[np.bool_]] | None = None) -> Volume:
    """One image of several beds; where they overlap, each weighs by its distance from its own end.

    Beds whose slices do not lie on the first bed's lattice are interpolated linearly.

    Parameters
    ----------
    volumes : images of equal spacing, orientation and unit
    usable_slices : per volume (nz,), slices that the detector saw; all by default

    Raises
    ------
    InputError
        Nothing to stitch, different units, or no usable slice.
    """
    if not volumes or len({v.unit for v in volumes}) != 1:
        raise InputError(
            f"Stitching {len(volumes)} images in units {[v.unit for v in volumes]}; expected one unit."
        )
    usable = usable_slices or [np.ones(v.grid.size[2], bool) for v in volumes]
    if any(not u.any() for u in usable):
        raise InputError("A bed has no usable slice; leave it out.")
    grid = stitched_grid([v.grid for v in volumes])
    total = np.zeros(grid.shape, np.float32)
    for volume, share in zip(volumes, bed_shares([v.grid for v in volumes], usable, grid), strict=True):
        total += place_onto(volume.values, volume.grid, grid) * share[:, None, None].astype(np.float32)
    return Volume(grid=grid, values=total, unit=volumes[0].unit)


def bed_shares(
    grids: Sequence[Grid], usable_slices: Sequence[NDArray[np.bool_]], target: Grid
) -> list[NDArray[np.float64]]:
    """Share (nz,) of each bed in every slice of the stitched image; they add to 1 where any bed is usable."""
    weights = [_placed_weights(grid, target, usable) for grid, usable in zip(grids, usable_slices, strict=True)]
    total = np.sum(weights, axis=0)
    return [np.divide(w, total, out=np.zeros_like(w), where=total > 0) for w in weights]


def place_onto(values: NDArray[np.float32], source: Grid, target: Grid) -> NDArray[np.float32]:
    """Values (z, y, x) of one lattice cut out, or extended by zeros, onto another of equal spacing."""
    offset = _offset(source, target)
    whole = np.rint(offset).astype(int)
    if np.any(np.abs(offset - whole) * np.asarray(source.spacing_mm)[::-1] >= LATTICE_TOLERANCE_MM):
        result = affine_transform(values, np.ones(3), offset=offset, output_shape=target.shape, order=1)
        return np.asarray(result, dtype=np.float32)
    placed = np.zeros(target.shape, np.float32)
    low = [max(0, -w) for w in whole]
    high = [min(t, s - w) for t, s, w in zip(target.shape, source.shape, whole, strict=True)]
    inside = tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
    placed[inside] = values[tuple(slice(i.start + w, i.stop + w) for i, w in zip(inside, whole, strict=True))]
    return placed


def _offset(source: Grid, target: Grid) -> NDArray[np.float64]:
    """Index (k, j, i) in the source of the target's first voxel."""
    return np.asarray(source.index(target.origin_mm), dtype=float)[::-1]


def _placed_weights(source: Grid, target: Grid, usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Per slice of the target: distance in slices from the nearer end of the usable slices, 0 beyond."""
    k = np.flatnonzero(usable)
    position = np.arange(target.size[2]) + _offset(source, target)[0]
    distance = np.minimum(position - k[0], k[-1] - position) + 1.0
    # nothing beyond the outermost slices' centres: interpolation there would mix in zeros
    weights: NDArray[np.float64] = np.where(distance > 1.0 - 1e-3, distance, 0.0)
    return weights
