"""An image: values on a grid, with their unit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError
from lutetia.images.grid import Grid

UNITS = frozenset({"HU", "counts", "counts/s", "Bq/mL", "Bq s/mL", "Gy", "Gy/s", "g/mL", "1/cm", "SUV", "h", "1"})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Volume:
    """Values on a grid.

    Attributes
    ----------
    grid : Grid
    values : (nz, ny, nx) float32
    unit : str
        One of UNITS.
    """

    grid: Grid
    values: NDArray[np.float32]
    unit: str

    def __post_init__(self) -> None:
        if self.values.shape != self.grid.shape:
            raise GridError(f"Values of shape {self.values.shape} on a grid of shape {self.grid.shape} (z, y, x).")
        if self.values.dtype != np.float32:
            object.__setattr__(self, "values", self.values.astype(np.float32))
        if self.unit not in UNITS:
            raise GridError(f"Unit {self.unit!r} is not one of {sorted(UNITS)}.")

    def with_values(self, values: NDArray[np.floating], unit: str | None = None) -> "Volume":
        """Other values on the same grid."""
        return Volume(grid=self.grid, values=np.asarray(values, dtype=np.float32), unit=unit or self.unit)


def require_same_grid(first: Grid, second: Grid, what: str) -> None:
    """Raise GridError, naming what was to meet, unless both grids are the same."""
    if not first.same_as(second):
        raise GridError(
            f"{what}: the grids differ ({first.size} at {first.origin_mm} mm, spacing {first.spacing_mm}; "
            f"{second.size} at {second.origin_mm} mm, spacing {second.spacing_mm}). Resample one onto the other."
        )
