"""Where the detector was, how it is divided, and the image grid that goes with it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError
from lutetia.images.acquisition import Projections
from lutetia.images.grid import Grid


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Orbit:
    """Where the detector was and how it is divided, per view. Conventions are those of Projections."""

    angle_rad: NDArray[np.float64]
    radius_mm: NDArray[np.float64]
    frame_duration_s: NDArray[np.float64]
    pixel_mm: tuple[float, float]
    centre_mm: tuple[float, float, float]
    n_rows: int
    n_columns: int
    frame_of_reference_uid: str = ""

    @classmethod
    def of(cls, projections: Projections) -> "Orbit":
        """The orbit of measured projections."""
        return cls(
            angle_rad=projections.angle_rad,
            radius_mm=projections.radius_mm,
            frame_duration_s=projections.frame_duration_s,
            pixel_mm=projections.pixel_mm,
            centre_mm=projections.centre_mm,
            n_rows=projections.counts.shape[2],
            n_columns=projections.counts.shape[3],
            frame_of_reference_uid=projections.frame_of_reference_uid,
        )

    def divided(self, factor: int) -> "Orbit":
        """The same detector with every pixel divided into factor x factor."""
        return replace(
            self,
            pixel_mm=(self.pixel_mm[0] / factor, self.pixel_mm[1] / factor),
            n_rows=self.n_rows * factor,
            n_columns=self.n_columns * factor,
        )

    def grid(self) -> Grid:
        """The natural image grid: voxels as the detector's pixels, axis of rotation in the middle."""
        size = (self.n_columns, self.n_columns, self.n_rows)
        spacing = (self.pixel_mm[0], self.pixel_mm[0], self.pixel_mm[1])
        origin = np.asarray(self.centre_mm) - (np.asarray(size) - 1) / 2 * np.asarray(spacing)
        return Grid(
            size=size,
            spacing_mm=spacing,
            origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
            frame_of_reference_uid=self.frame_of_reference_uid,
        )


def field_of_view(grid: Grid, orbit: Orbit) -> NDArray[np.bool_]:
    """Columns of voxels (y, x) inside the cylinder that every view sees."""
    x, y = axis_index(grid, orbit)
    dy, dx = np.ogrid[: grid.size[1], : grid.size[0]]
    half = orbit.n_columns / 2 - 0.5
    inside: NDArray[np.bool_] = (dx - x) ** 2 + (dy - y) ** 2 <= half**2
    return inside


def axis_index(grid: Grid, orbit: Orbit) -> tuple[float, float]:
    """Index (x, y) of the axis of rotation; GridError unless the grid fits the detector."""
    wanted = (orbit.pixel_mm[0], orbit.pixel_mm[0], orbit.pixel_mm[1])
    if not np.allclose(grid.spacing_mm, wanted, rtol=1e-4) or not np.allclose(
        grid.directions, np.eye(3), atol=1e-5
    ):
        raise GridError(
            f"SPECT grid of spacing {grid.spacing_mm} mm and directions {grid.directions}; the projector needs an "
            f"axis-aligned one of {wanted} mm."
        )
    x, y, z = (float(c) for c in grid.index(orbit.centre_mm))
    if grid.size[2] != orbit.n_rows or abs(z - (orbit.n_rows - 1) / 2) > 0.01:
        raise GridError(
            f"SPECT grid of {grid.size[2]} slices with the detector's middle at slice {z:.2f}; expected one slice "
            f"per detector row ({orbit.n_rows}), the middle at {(orbit.n_rows - 1) / 2}."
        )
    return x, y
