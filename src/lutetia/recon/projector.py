"""What a parallel-hole camera would count of an activity image, and the exact transpose of that.

The image is counted per second and voxel (as without attenuation); a projection is in counts.
Per view: bilinear rotation, attenuation by half the own voxel and all in front of it, and a Gaussian response whose
width grows with the distance from the collimator, applied as a small diffusion from plane to plane.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError, InputError
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume, require_same_grid
from lutetia.recon import kernels
from lutetia.recon.camera import Camera
from lutetia.recon.diffusion import diffusion_steps, nearest_response
from lutetia.recon.orbit import Orbit, axis_index, field_of_view
from lutetia.units import CM_PER_MM

CHUNKS: Final = 4
"""Parts into which views are split for the threads: fixed, so that sums do not depend on the threads."""

MARGIN_SIGMAS: Final = 3.5
"""How far beyond the support, in widths of the farthest plane, columns are computed."""

MU_FLOOR_PER_CM: Final = 1e-3
"""Attenuation below this is left out (air: 1.5e-4/cm at 208 keV, 0.4 % on 25 cm, which a sensitivity measured in air holds
already)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Tables:
    """Arrays that the kernels walk by: ranges of columns, and the response, per view and depth plane."""

    turns: NDArray[np.float64]
    ranges: NDArray[np.int32]
    spans: NDArray[np.int64]
    steps: NDArray[np.float32]
    passes: NDArray[np.int64]
    wide: NDArray[np.float32]


class Projector(Protocol):
    """What reconstruction needs of a forward model: project, its transpose, and the way to and from native arrays."""

    @property
    def grid(self) -> Grid:
        """Image grid."""
        ...

    @property
    def orbit(self) -> Orbit:
        """Detector positions and pixels."""
        ...

    @property
    def support(self) -> NDArray[np.bool_]:
        """(y, x) columns of voxels that may hold activity."""
        ...

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(rows, columns) detector pixels that count."""
        ...

    @property
    def n_views(self) -> int:
        """Number of views."""
        ...

    def forward(self, image: NDArray[np.floating], views: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Image (z, y, x) to expected counts (views, rows, columns)."""
        ...

    def to_native(self, image: NDArray[np.floating]) -> NDArray[np.float32]:
        """(z, y, x) to (y, x, z)."""
        ...

    def from_native(self, native: NDArray[np.float32]) -> NDArray[np.float32]:
        """(y, x, z) to (z, y, x)."""
        ...

    def to_native_projections(self, counts: NDArray[np.floating]) -> NDArray[np.float32]:
        """(views, rows, columns) to (views, columns, z)."""
        ...

    def project(self, native: NDArray[np.float32], views: NDArray[np.int64]) -> NDArray[np.float32]:
        """Native image to native counts of some views."""
        ...

    def backproject(
        self, native: NDArray[np.float32], views: NDArray[np.int64], scratch: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Transpose of project."""
        ...

    def scratch(self) -> NDArray[np.float32]:
        """Working memory of backproject."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpectSystem:
    """Forward model of one bed position and its transpose; build it with :func:`spect_system`.

    Attributes
    ----------
    grid : image grid; arrays (z, y, x)
    orbit : detector positions and pixels
    support : (y, x) columns of voxels that may hold activity; the image elsewhere is ignored
    usable : (rows, columns) detector pixels that count
    attenuates, resolves : which parts of the model are on
    component_shares : of the response: the core, and the septal tail where the camera has one
    """

    grid: Grid
    orbit: Orbit
    support: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    attenuates: bool
    resolves: bool
    through: NDArray[np.float32]
    dense: NDArray[np.bool_]
    axis: tuple[float, float]
    tables: tuple[_Tables, ...]
    component_shares: tuple[float, ...] = (1.0,)

    @property
    def n_views(self) -> int:
        """Number of views."""
        return int(self.orbit.angle_rad.size)

    def forward(self, image: NDArray[np.floating], views: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Expected counts of an image.

        Parameters
        ----------
        image : (z, y, x) count rate per voxel. [counts/s]
        views : indices of views, all by default

        Returns
        -------
        (views, rows, columns) [counts]
        """
        return self.from_native_projections(self.project(self.to_native(image), self.chosen_views(views)))

    def adjoint(self, counts: NDArray[np.floating], views: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Transpose of :meth:`forward`: (views, rows, columns) into an image (z, y, x)."""
        chosen = self.chosen_views(views)
        expected = (chosen.size, self.orbit.n_rows, self.orbit.n_columns)
        if counts.shape != expected:
            raise InputError(f"Projections of shape {counts.shape}; expected {expected} (views, rows, columns).")
        return self.from_native(self.backproject(self.to_native_projections(counts), chosen))

    def to_native(self, image: NDArray[np.floating]) -> NDArray[np.float32]:
        """(z, y, x) to the kernels' (y, x, z), zero outside the support."""
        if image.shape != self.grid.shape:
            raise GridError(f"Image of shape {image.shape} on a system of grid {self.grid.shape} (z, y, x).")
        native = np.ascontiguousarray(np.moveaxis(np.asarray(image, dtype=np.float32), 0, 2))
        native[~self.support] = 0
        return native

    @staticmethod
    def from_native(native: NDArray[np.float32]) -> NDArray[np.float32]:
        """The kernels' (y, x, z) to (z, y, x)."""
        return np.ascontiguousarray(np.moveaxis(native, 2, 0))

    @staticmethod
    def to_native_projections(counts: NDArray[np.floating]) -> NDArray[np.float32]:
        """(views, rows, columns) to the kernels' (views, columns, z); rows run from the head, z from the feet."""
        return np.ascontiguousarray(np.swapaxes(counts, 1, 2)[:, :, ::-1], dtype=np.float32)

    @staticmethod
    def from_native_projections(native: NDArray[np.float32]) -> NDArray[np.float32]:
        """The kernels' (views, columns, z) to (views, rows, columns)."""
        return np.ascontiguousarray(np.swapaxes(native[:, :, ::-1], 1, 2))

    def weights(self, views: NDArray[np.int64]) -> NDArray[np.float32]:
        """Seconds per pixel (views, columns, z), zero on pixels that are not usable."""
        usable = self.usable.T[:, ::-1].astype(np.float32)
        return np.asarray(self.orbit.frame_duration_s[views, None, None] * usable, dtype=np.float32)

    def project(self, native: NDArray[np.float32], views: NDArray[np.int64]) -> NDArray[np.float32]:
        """As :meth:`forward`, in the kernels' order of axes."""
        out = self._seen(native, views, self.tables[0])
        if len(self.tables) > 1:
            core, tail = self.component_shares
            out *= np.float32(core)
            out += np.float32(tail) * self._seen(native, views, self.tables[1])
        return np.multiply(out, self.weights(views), out=out)

    def _seen(self, native: NDArray[np.float32], views: NDArray[np.int64], t: _Tables) -> NDArray[np.float32]:
        """Through one component of the response."""
        out = np.empty((views.size, self.orbit.n_columns, self.orbit.n_rows), np.float32)
        kernels.forward(
            native, self.through, self.dense, self.resolves, self.axis, views, t.turns, t.ranges, t.spans, t.steps,
            t.passes, t.wide, min(CHUNKS, views.size), out,
        )  # fmt: skip
        return out

    def backproject(
        self, native: NDArray[np.float32], views: NDArray[np.int64], scratch: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """As :meth:`adjoint`, in the kernels' order of axes. ``scratch`` from :meth:`scratch` saves allocations."""
        parts = (self.scratch() if scratch is None else scratch)[: min(CHUNKS, views.size)]
        planes = native * self.weights(views)
        image = self._spread(planes, views, self.tables[0], parts)
        if len(self.tables) > 1:
            core, tail = self.component_shares
            image *= np.float32(core)
            image += np.float32(tail) * self._spread(planes, views, self.tables[1], parts)
        return image

    def _spread(
        self, planes: NDArray[np.float32], views: NDArray[np.int64], t: _Tables, parts: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Transpose of :meth:`_seen`."""
        nx, ny, nz = self.grid.size
        image = np.empty((ny, nx, nz), np.float32)
        kernels.adjoint(
            planes, self.through, self.dense, self.resolves, self.axis, views, t.turns, t.ranges, t.spans, t.steps,
            t.passes, t.wide, self.support, parts, image,
        )  # fmt: skip
        return image

    def scratch(self) -> NDArray[np.float32]:
        """Working memory of :meth:`backproject`."""
        nx, ny, nz = self.grid.size
        return np.empty((CHUNKS, ny, nx, nz), np.float32)

    def chosen_views(self, views: Sequence[int] | None) -> NDArray[np.int64]:
        """Indices of some views, all by default; InputError for others."""
        chosen = np.arange(self.n_views) if views is None else np.asarray(views, dtype=np.int64)
        if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= self.n_views:
            raise InputError(f"Views {chosen.tolist()}; expected some of 0 to {self.n_views - 1}.")
        return chosen


def spect_system(
    *,
    orbit: Orbit,
    camera: Camera | None,
    attenuation: Volume | None,
    grid: Grid | None = None,
    support: NDArray[np.bool_] | None = None,
    usable: NDArray[np.bool_] | None = None,
) -> SpectSystem:
    """Forward model of one bed position.

    Parameters
    ----------
    orbit : detector positions and pixels
    camera : spatial response; None for perfect resolution
    attenuation : linear attenuation coefficients on ``grid``, [1/cm]; None for none
    grid : image grid, by default :meth:`Orbit.grid`; axis-aligned, voxels as large as the detector's pixels, one
        slice per row; the axis of rotation may lie anywhere in it
    support : (y, x) columns of voxels that may hold activity, by default the cylinder that every view sees
    usable : (rows, columns) detector pixels that count, by default all

    Counts that spread past the first or last slice are lost at each plane they pass, so the outermost rows (about
    two widths of the response) come out a few percent low; beds are joined without them.

    Raises
    ------
    GridError
        The grid does not fit the detector, or the attenuation does not fit the grid.

    References
    ----------
    Zeng GL, Gullberg GT. Frequency domain implementation of the three-dimensional geometric point response
    correction in SPECT imaging. IEEE Trans Nucl Sci 39 (1992) 1444-1453. doi:10.1109/23.173222 (rotate, and blur
    incrementally from plane to plane; here in space, with three weights per step).
    Bai C, Zeng GL, Gullberg GT et al. Slice-by-slice blurring model. IEEE Trans Nucl Sci 45 (1998) 1145-1150.
    """
    grid = grid or orbit.grid()
    axis = axis_index(grid, orbit)
    if support is None:
        support = field_of_view(grid, orbit)
    if usable is None:
        usable = np.ones((orbit.n_rows, orbit.n_columns), bool)
    if support.shape != grid.shape[1:] or usable.shape != (orbit.n_rows, orbit.n_columns):
        raise GridError(f"Support {support.shape} or usable pixels {usable.shape} do not fit the grid {grid.size}.")
    through, walked, dense = np.ones((1, 1, 1), np.float32), support, np.zeros(grid.shape[1:], bool)
    if attenuation is not None:
        through = _through(grid, attenuation)
        dense = np.asarray((through < 1.0).any(axis=2))
        walked = support | dense
    return SpectSystem(
        grid=grid,
        orbit=orbit,
        support=np.ascontiguousarray(support),
        usable=usable,
        attenuates=attenuation is not None,
        resolves=camera is not None,
        through=through,
        dense=_with_neighbours(dense),
        axis=axis,
        tables=tuple(_tables(orbit, sigma, walked, axis) for sigma in _components(camera)),
        component_shares=_shares(camera),
    )


Width = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Distance from the collimator's face to the standard deviation of the response. [mm]"""


def _components(camera: Camera | None) -> tuple[Width, ...]:
    if camera is None:
        return (np.zeros_like,)
    return (camera.sigma_mm,) if camera.tail is None else (camera.sigma_mm, camera.tail.sigma_mm)


def _through(grid: Grid, attenuation: Volume) -> NDArray[np.float32]:
    """Fraction of photons that pass half a voxel, (y, x, z)."""
    require_same_grid(grid, attenuation.grid, "attenuation map and SPECT grid")
    if attenuation.unit != "1/cm":
        raise InputError(f"Attenuation map in {attenuation.unit!r}; expected '1/cm'.")
    half_cm = 0.5 * grid.spacing_mm[0] * CM_PER_MM
    mu = np.moveaxis(np.where(attenuation.values < MU_FLOOR_PER_CM, 0, attenuation.values), 0, 2)
    return np.ascontiguousarray(np.exp(-half_cm * mu), dtype=np.float32)


def _with_neighbours(columns: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Columns (y, x) that, or whose next ones in x or y, are marked: those that interpolation at (y, x) touches."""
    touched = columns.copy()
    touched[:, :-1] |= columns[:, 1:]
    touched[:-1] |= touched[1:]
    return touched


def _shares(camera: Camera | None) -> tuple[float, ...]:
    if camera is None or camera.tail is None:
        return (1.0,)
    return (1.0 - camera.tail.share, camera.tail.share)


def _tables(orbit: Orbit, width: Width, walked: NDArray[np.bool_], axis: tuple[float, float]) -> _Tables:
    turns = np.stack([np.cos(orbit.angle_rad), np.sin(orbit.angle_rad)], axis=1)
    y, x = np.nonzero(walked)
    reach = float(np.sqrt(np.max((x - axis[0]) ** 2 + (y - axis[1]) ** 2, initial=1.0)))
    n_depth = 2 * int(np.ceil(reach) + 1) + orbit.n_columns % 2
    ranges = kernels.row_ranges(
        walked,
        np.ascontiguousarray(turns[:, 0]),
        np.ascontiguousarray(turns[:, 1]),
        orbit.n_columns,
        n_depth,
        *axis,
    )
    distance = orbit.radius_mm[:, None] - (0.5 * (n_depth - 1) - np.arange(n_depth)) * orbit.pixel_mm[0]
    sigma = np.asarray(width(distance), dtype=float)
    steps, passes = diffusion_steps(sigma, orbit.pixel_mm)
    spans = _spans(ranges, sigma, orbit)
    return _Tables(
        turns=turns,
        ranges=ranges,
        spans=spans,
        steps=steps,
        passes=passes,
        wide=nearest_response(sigma[np.arange(len(sigma)), spans[:, 2]], orbit.pixel_mm),
    )


def _spans(ranges: NDArray[np.int32], sigma: NDArray[np.float64], orbit: Orbit) -> NDArray[np.int64]:
    """Per view: first and one-past-last column to compute, nearest and one-past-farthest depth plane."""
    used = ranges[:, :, 1] > ranges[:, :, 0]
    if not used.any(axis=1).all():
        raise GridError("The support of the image lies outside the view of the detector in at least one view.")
    near, far = used.argmax(axis=1), used.shape[1] - used[:, ::-1].argmax(axis=1)
    margin = np.ceil(MARGIN_SIGMAS * sigma[np.arange(len(sigma)), far - 1] / orbit.pixel_mm[0]).astype(int)
    first = np.where(used, ranges[:, :, 0], orbit.n_columns).min(axis=1) - margin
    last = ranges[:, :, 1].max(axis=1) + margin
    spans = np.stack([np.maximum(first, 0), np.minimum(last, orbit.n_columns), near, far], axis=1)
    return spans.astype(np.int64)
