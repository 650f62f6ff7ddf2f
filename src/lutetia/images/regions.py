"""Organs and lesions: one label volume and a table of names in standard terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError, InputError
from lutetia.images.grid import Grid

Kind = Literal["organ", "lesion", "remainder", "other"]
Side = Literal["", "left", "right"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """Name and origin of one region.

    Attributes
    ----------
    name : standard term in lower case ("kidney left", "liver", "lesion 1", "remainder")
    kind : organ, lesion, remainder or other (targets, external contours and the like)
    side : left, right or empty
    source : where it came from ("RTSTRUCT", "SEG", "label map", "automatic")
    original_name : the name in the source
    """

    name: str
    kind: Kind
    side: Side = ""
    source: str = ""
    original_name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Regions:
    """Regions on one grid; every voxel belongs to at most one (0 = none).

    Attributes
    ----------
    grid : Grid
    labels : (nz, ny, nx) int16
    table : label -> Region
    """

    grid: Grid
    labels: NDArray[np.int16]
    table: Mapping[int, Region]
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.labels.shape != self.grid.shape:
            raise GridError(f"Labels of shape {self.labels.shape} on a grid of shape {self.grid.shape} (z, y, x).")
        names = [region.name for region in self.table.values()]
        if len(set(names)) != len(names) or 0 in self.table:
            raise InputError(f"Region names must be unique and labels not 0, got {dict(self.table)}.")

    def label_of(self, name: str) -> int:
        """Label of a region by name; InputError names the regions there are."""
        for label, region in self.table.items():
            if region.name == name:
                return label
        raise InputError(f"No region {name!r}; there are {sorted(r.name for r in self.table.values())}.")

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Voxels of a region, shape (nz, ny, nx)."""
        mask: NDArray[np.bool_] = self.labels == self.label_of(name)
        return mask

    def volume_ml(self, name: str) -> float:
        """Volume of a region. [mL]"""
        return float(np.count_nonzero(self.mask(name))) * self.grid.voxel_ml
