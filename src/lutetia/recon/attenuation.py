"""Attenuation map on the SPECT grid, and where activity can be."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter1d

from lutetia.errors import GridError, InputError
from lutetia.images.grid import Grid
from lutetia.images.resample import average_onto
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import linear_attenuation_from_hu
from lutetia.recon.orbit import Orbit, field_of_view

LEAST_COVERAGE = 0.6
"""Share of the emission that the CT must cover; below it there is no reconstruction."""
FULL_COVERAGE = 0.98
BODY_PER_CM = 0.02
"""Attenuation that makes a voxel part of a body (lung: 0.03/cm)."""
DILATION_VOXELS = 3
SILHOUETTE = 0.05
"""A column of the detector sees activity when its counts exceed this share of the view's fullest column."""


def covered_voxels(inner: Grid, outer: Grid) -> NDArray[np.bool_]:
    """Voxels (z, y, x) of one grid whose centre lies in another."""
    nx, ny, nz = inner.size
    k, j, i = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij", sparse=True)
    move = np.linalg.inv(outer.affine) @ inner.affine
    covered = np.ones(inner.shape, bool)
    for axis in range(3):
        index = move[axis, 0] * i + move[axis, 1] * j + move[axis, 2] * k + move[axis, 3]
        covered &= (index >= -0.5) & (index <= outer.size[axis] - 0.5)
    return covered


def slices_near(ct: Volume, grid: Grid) -> Volume:
    """The slices of a CT that reach into a grid, with two more at either end; all where it is tilted or misses the grid."""
    own = ct.grid
    if not np.allclose(own.directions, np.eye(3), atol=1e-6):
        return ct
    z = grid.corners_mm()[:, 2]
    first = int(np.floor((z.min() - own.origin_mm[2]) / own.spacing_mm[2])) - 2
    last = int(np.ceil((z.max() - own.origin_mm[2]) / own.spacing_mm[2])) + 3
    first, last = max(first, 0), min(last, own.size[2])
    if last - first < 1 or last - first == own.size[2]:
        return ct
    origin = (own.origin_mm[0], own.origin_mm[1], own.origin_mm[2] + first * own.spacing_mm[2])
    cut = replace(own, size=(own.size[0], own.size[1], last - first), origin_mm=origin)
    return Volume(grid=cut, values=ct.values[first:last], unit=ct.unit)


def require_coverage(ct: Grid, grid: Grid, emission: NDArray[np.floating]) -> tuple[str, ...]:
    """Warning where a CT covers less than all of the emission; GridError where it covers too little."""
    share = covered_emission(covered_voxels(grid, ct), emission)
    if share < LEAST_COVERAGE:
        raise GridError(
            f"The CT does not cover the SPECT: it holds {share:.0%} of the emission (z {_extent(ct)} "
            f"against {_extent(grid)} mm); expected at least {LEAST_COVERAGE:.0%}. Check the pairing."
        )
    if share < FULL_COVERAGE:
        return (f"The CT covers {share:.1%} of the SPECT emission; air was assumed elsewhere.",)
    return ()


def attenuation_on(image: Volume, grid: Grid, photopeak_mev: float) -> Volume:
    """Linear attenuation on any grid from a CT [HU] or a map [1/cm]; air where there is no image. [1/cm]"""
    if image.unit not in ("HU", "1/cm"):
        raise InputError(f"Attenuation from an image in {image.unit!r}; expected a CT in 'HU' or a map in '1/cm'.")
    averaged = image if image.grid is grid or image.grid == grid else average_onto(image, grid)
    if image.unit == "1/cm":
        return averaged
    return averaged.with_values(linear_attenuation_from_hu(averaged.values, photopeak_mev), "1/cm")


def covered_emission(covered: NDArray[np.bool_], emission: NDArray[np.floating]) -> float:
    """Share of the emission in slices and within the width that an image covers."""
    rows = emission.sum(axis=(0, 2), dtype=np.float64)[::-1]
    columns = emission.sum(axis=(0, 1), dtype=np.float64)
    slices = covered.any(axis=(1, 2)).astype(float)
    across = covered.any(axis=(0, 1)).astype(float)
    if columns.size != across.size:
        across = np.ones_like(columns)
    total = max(float(rows.sum()), 1e-30)
    mirrored = np.minimum(across, across[::-1])
    return float(rows @ slices) / total * float(columns @ mirrored) / total


def _extent(grid: Grid) -> str:
    z = grid.corners_mm()[:, 2]
    return f"{z.min():.0f} to {z.max():.0f}"


def activity_support(
    grid: Grid, orbit: Orbit, counts: NDArray[np.floating], attenuation: Volume | None
) -> NDArray[np.bool_]:
    """Columns of voxels (y, x) that may hold activity.

    Everything that all views see; with an attenuation map only the body (and couch) with a margin, and what the
    silhouettes of the emission enclose, so that a bag or an arm outside the CT is not pressed into the body.
    """
    field = field_of_view(grid, orbit)
    if attenuation is None:
        return field
    dense = np.max(attenuation.values, axis=0) > BODY_PER_CM
    body = binary_dilation(dense, iterations=DILATION_VOXELS)
    support: NDArray[np.bool_] = field & (body | _enclosed(grid, orbit, counts))
    return support if support.any() else field


def _enclosed(grid: Grid, orbit: Orbit, counts: NDArray[np.floating]) -> NDArray[np.bool_]:
    profile = gaussian_filter1d(counts.sum(axis=1, dtype=np.float64), 2.0, axis=1)
    seen = profile > SILHOUETTE * profile.max(axis=1, keepdims=True)
    x = grid.origin_mm[0] + np.arange(grid.size[0]) * grid.spacing_mm[0] - orbit.centre_mm[0]
    y = grid.origin_mm[1] + np.arange(grid.size[1]) * grid.spacing_mm[1] - orbit.centre_mm[1]
    inside = np.ones((grid.size[1], grid.size[0]), bool)
    for view, angle in enumerate(orbit.angle_rad):
        u = (-x[None, :] * np.cos(angle) + y[:, None] * np.sin(angle)) / orbit.pixel_mm[0]
        column = np.clip(np.rint(u + (orbit.n_columns - 1) / 2).astype(int), 0, orbit.n_columns - 1)
        inside &= seen[view, column]
    return inside
