"""Weights with which voxels of one grid count in voxels of another."""

from collections.abc import Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lutetia.errors import GridError
from lutetia.images.grid import POSITION_TOLERANCE_MM, Grid


def axis_map(source: Grid, target: Grid) -> tuple[int, int, int] | None:
    """Which axis of ``source`` each axis of ``target`` runs along; None when the grids are turned.

    Grids count as parallel when no voxel of the target is displaced by more than POSITION_TOLERANCE_MM by taking
    them so.
    """
    cosines = np.asarray(source.directions).T @ np.asarray(target.directions)
    axes = np.argmax(np.abs(cosines), axis=0)
    if len(set(axes.tolist())) < 3:
        return None
    rest = cosines.copy()
    rest[axes, range(3)] -= np.sign(cosines[axes, range(3)])
    extent = np.asarray(target.size) * np.asarray(target.spacing_mm)
    if np.max(np.abs(rest) @ extent) > POSITION_TOLERANCE_MM:
        return None
    return cast(tuple[int, int, int], tuple(int(a) for a in axes))


def overlap_matrices(source: Grid, target: Grid, *, smooth: bool = False) -> list[sparse.csr_array]:
    """For each axis of ``target``, the (target voxels, source voxels) matrix of the part of a voxel filled.

    Rows sum to 1 inside the source and to less where the target voxel sticks out.

    Parameters
    ----------
    source, target : Grid
        Parallel (``axis_map`` is not None).
    smooth : bool
        Along axes on which the target is finer: weights of linear interpolation instead.
    """
    axes = axis_map(source, target)
    if axes is None:
        raise GridError("Overlap of voxels is defined here for parallel grids only.")
    middle = (np.asarray(target.size, dtype=float) - 1) / 2
    start = source.index(target.position_mm(middle))
    scale = np.linalg.inv(source.affine[:3, :3]) @ target.affine[:3, :3]
    matrices = []
    for axis, along in enumerate(axes):
        step = float(scale[along, axis])
        centres = start[along] + step * (np.arange(target.size[axis]) - middle[axis])
        width = max(abs(step), 1.0) if smooth else abs(step)
        if smooth and abs(step) < 1.0 - 1e-6:
            matrices.append(_interpolation_matrix(centres, source.size[along]))
        else:
            matrices.append(_overlap_matrix(centres, width, source.size[along]))
    return matrices


def average_axes(
    values: NDArray[np.float32], weights: list[sparse.csr_array], source: Grid, target: Grid
) -> NDArray[np.float32]:
    """Apply one matrix per target axis to an array (z, y, x) on the source grid.

    Parameters
    ----------
    values : (nz, ny, nx) float32 on ``source``
    weights : from ``overlap_matrices``
    source, target : Grid

    Returns
    -------
    (nz, ny, nx) float32 on ``target``
    """
    axes = axis_map(source, target)
    if axes is None:
        raise GridError("Averaging by axes is defined for parallel grids only.")
    by_source = {along: weights[axis] for axis, along in enumerate(axes)}
    slabs = _along_first(np.ascontiguousarray(values), by_source[2])
    rows = np.stack([_along_first(slab, by_source[1]) for slab in slabs])
    columns = _along_last(rows, by_source[0])
    order = [2 - axes[2 - array_axis] for array_axis in range(3)]
    return np.ascontiguousarray(columns.transpose(order))


def subgrids(source: Grid, target: Grid, density: float = 1.0) -> Iterator[tuple[int, Grid, tuple[int, int, int]]]:
    """Finer grids, one per slice of ``target``, ``density`` times as dense as ``source``, for turned voxels.

    Yields
    ------
    k : number of the slice
    fine : the sub-grid of that slice
    factors : how many points per voxel along i, j, k
    """
    cosines = np.abs(np.asarray(source.directions).T @ np.asarray(target.directions))
    reach = np.min(np.asarray(source.spacing_mm)[:, None] / np.maximum(cosines, 1e-3), axis=0)
    dense = np.ceil(density * np.asarray(target.spacing_mm) / reach - 1e-6).astype(int).clip(2, 24)
    factors = cast(tuple[int, int, int], tuple(int(f) for f in dense))
    spacing = np.asarray(target.spacing_mm) / dense
    for k in range(target.size[2]):
        origin = target.position_mm(np.array([0.0, 0.0, float(k)]) - 0.5 + 0.5 / dense)
        fine = Grid(
            size=(target.size[0] * factors[0], target.size[1] * factors[1], factors[2]),
            spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
            origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
            directions=target.directions,
        )
        yield k, fine, factors


def _overlap_matrix(centres: NDArray[np.float64], width: float, n_source: int) -> sparse.csr_array:
    """Part of each interval (centre, width in source voxels) that each source voxel fills."""
    low, high = centres - width / 2, centres + width / 2
    index = np.floor(low + 0.5).astype(int)[:, None] + np.arange(int(np.ceil(width)) + 1)
    overlap = np.minimum(high[:, None], index + 0.5) - np.maximum(low[:, None], index - 0.5)
    return _csr(index, overlap / width, n_source)


def _interpolation_matrix(centres: NDArray[np.float64], n_source: int) -> sparse.csr_array:
    """Weights of linear interpolation; the outermost value reaches to the face of its voxel."""
    inside = (centres >= -0.5) & (centres <= n_source - 0.5)
    held = centres.clip(0, n_source - 1)
    low = np.floor(held).astype(int).clip(0, max(n_source - 2, 0))
    part = held - low
    weight = np.stack([1 - part, part], axis=1) * inside[:, None]
    return _csr(low[:, None] + np.arange(2), weight, n_source)


def _csr(index: NDArray[np.int64], weight: NDArray[np.float64], n_source: int) -> sparse.csr_array:
    keep = (weight > 1e-9) & (index >= 0) & (index < n_source)
    row = np.broadcast_to(np.arange(index.shape[0])[:, None], index.shape)[keep]
    entries = (weight[keep].astype(np.float32), (row, index[keep]))
    return sparse.csr_array(entries, shape=(index.shape[0], n_source))


def _along_first(values: NDArray[np.float32], matrix: sparse.csr_array) -> NDArray[np.float32]:
    flat = matrix @ values.reshape(values.shape[0], -1)
    result: NDArray[np.float32] = np.asarray(flat, dtype=np.float32).reshape(matrix.shape[0], *values.shape[1:])
    return result


def _along_last(values: NDArray[np.float32], matrix: sparse.csr_array) -> NDArray[np.float32]:
    flat = matrix @ np.ascontiguousarray(values.reshape(-1, values.shape[-1]).T)
    result: NDArray[np.float32] = np.asarray(flat, dtype=np.float32).T.reshape(*values.shape[:-1], matrix.shape[0])
    return result


def cropped(grid: Grid, box: tuple[slice, ...]) -> Grid:
    """The part of a grid in a box of array slices (z, y, x)."""
    first = np.array([float(part.start) for part in reversed(box)])
    origin = grid.position_mm(first)
    return Grid(
        size=cast(tuple[int, int, int], tuple(part.stop - part.start for part in reversed(box))),
        spacing_mm=grid.spacing_mm,
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        directions=grid.directions,
        frame_of_reference_uid=grid.frame_of_reference_uid,
    )


def box_in(target: Grid, source: Grid) -> tuple[slice, ...] | None:
    """Array slices (z, y, x) of the voxels of ``target`` that may touch ``source``; None when there are none."""
    picks = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
    index = target.index(source.position_mm(picks * np.asarray(source.size, dtype=float) - 0.5))
    low = np.floor(index.min(axis=0) + 0.5).astype(int).clip(0)
    high = np.minimum(np.ceil(index.max(axis=0) - 0.5).astype(int) + 1, target.size)
    if np.any(high <= low):
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
