"""Overlapping structures to one label volume: the smaller one keeps the voxels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import DicomError
from lutetia.images.grid import Grid
from lutetia.images.region_names import standard_region, unique_name
from lutetia.images.regions import Region, Regions

LEAST_LEFT: Final = 0.05
"""A structure of which less than this share is its own (both lungs beside left and right lung) is left out."""


def merged_regions(
    grid: Grid,
    masks: Sequence[tuple[str, NDArray[np.bool_]]],
    *,
    source: str,
    warnings: Sequence[str] = (),
    path: Path,
) -> Regions:
    """One label volume of named masks, largest first, so that smaller structures lie on top.

    Parameters
    ----------
    grid : of the masks
    masks : (original name, (z, y, x) mask) each
    source : "RTSTRUCT" or "SEG"

    Raises
    ------
    DicomError
        No structure has a voxel on the grid.
    """
    told = list(warnings)
    filled = [(name, mask) for name, mask in masks if mask.any()]
    told += [
        f"Structure {name!r} has no voxel on the image and was left out." for name, mask in masks if not mask.any()
    ]
    if not filled:
        raise DicomError(f"{path.name}: none of its {len(masks)} structures lies on the image.")
    named = _named(filled, source)
    # what is neither organ nor lesion (planning targets) yields to all; then the smaller lies on top
    named.sort(key=lambda item: (item[0].kind != "other", -int(np.count_nonzero(item[1]))))
    labels = np.zeros(grid.shape, np.int16)
    table: dict[int, Region] = {}
    for label, (region, mask) in enumerate(named, 1):
        table[label] = region
        lost = _counts(labels[mask])
        labels[mask] = label
        told += [
            f"{table[under].name!r} gave {n * grid.voxel_ml:.1f} mL to {region.name!r}, which overlaps it."
            for under, n in lost.items()
            if table[under].kind != "other" and n * grid.voxel_ml > 0.05
        ]
    left = _counts(labels)
    for label, (region, mask) in enumerate(named, 1):
        if left.get(label, 0) < LEAST_LEFT * np.count_nonzero(mask):
            labels[labels == label] = 0
            del table[label]
            told.append(f"{region.name!r} lies within other structures and was left out.")
    return Regions(grid=grid, labels=labels, table=table, warnings=tuple(told))


def _named(masks: Sequence[tuple[str, NDArray[np.bool_]]], source: str) -> list[tuple[Region, NDArray[np.bool_]]]:
    taken: set[str] = set()
    named = []
    for name, mask in masks:
        region = unique_name(standard_region(name, source), taken)
        taken.add(region.name)
        named.append((region, mask))
    return named


def _counts(values: NDArray[np.int16]) -> dict[int, int]:
    labels, numbers = np.unique(values[values > 0], return_counts=True)
    return {int(label): int(n) for label, n in zip(labels, numbers, strict=True)}
