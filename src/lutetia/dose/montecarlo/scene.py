"""What particles are followed through: voxels of density and material, and where their energy is counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError, InputError, OutOfRangeError
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.materials import Material
from lutetia.units import CM_PER_MM

LEAST_SPACING_MM = 0.05
GREATEST_SPACING_MM = 50.0
DENSEST_G_PER_ML = 25.0
MOST_VOXEL_TALLIES = 2**26
"""Voxels that can each be a tally: eight batches of them take 4 GiB, and twice that for pairs of electrons."""

Geometry = tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.int32], NDArray[np.float64]]
"""Arrays as the kernels take them: density [g/mL], material, slot (all (z, y, x)), edges of a voxel (x, y, z) [cm].

The origin of the kernels' coordinates is the outer corner of voxel (0, 0, 0).
"""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scene:
    """Voxels that particles are followed through.

    Attributes
    ----------
    grid : size and spacing
    density : (z, y, x) float32. [g/mL]
    material : (z, y, x) uint8 index into ``materials``
    materials : compositions; their own densities are not used
    slot : (z, y, x) int32, which tally a voxel's energy goes to; -1 for the last one, which gathers the rest. Empty
        (0, 0, 0) where every voxel is a tally of its own
    n_slots : tallies, without the last
    """

    grid: Grid
    density: NDArray[np.float32]
    material: NDArray[np.uint8]
    materials: tuple[Material, ...]
    slot: NDArray[np.int32]
    n_slots: int

    @property
    def geometry(self) -> Geometry:
        """The arrays of the kernels."""
        spacing_cm = np.asarray(self.grid.spacing_mm, dtype=np.float64) * CM_PER_MM
        return self.density, self.material, self.slot, spacing_cm

    def summed(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum of (z, y, x) values in every slot and, last, in the rest. (n_slots + 1,)"""
        flat = np.asarray(values, dtype=np.float64).ravel()
        if self.slot.size == 0:
            return np.append(flat, 0.0)
        slot = np.where(self.slot < 0, self.n_slots, self.slot).ravel()
        return np.asarray(np.bincount(slot, weights=flat, minlength=self.n_slots + 1))

    @property
    def mass_g(self) -> NDArray[np.float64]:
        """Mass of every slot and, last, of the rest. (n_slots + 1,) [g]"""
        return self.summed(self.density) * self.grid.voxel_ml


def voxel_scene(density: Volume, material_index: NDArray[np.integer[Any]], materials: Sequence[Material]) -> Scene:
    """Scene whose every voxel is a tally of its own, in the order of the array.

    Raises
    ------
    GridError, InputError, OutOfRangeError
        As ``region_scene``; more than 2^26 voxels.
    """
    if density.values.size > MOST_VOXEL_TALLIES:
        raise OutOfRangeError(
            f"{density.values.size} voxels; at most {MOST_VOXEL_TALLIES} fit in memory. Crop or resample the maps."
        )
    _require(density, ("material", material_index, len(materials)))
    return Scene(
        grid=density.grid,
        density=np.ascontiguousarray(density.values, dtype=np.float32),
        material=np.ascontiguousarray(material_index, dtype=np.uint8),
        materials=tuple(materials),
        slot=np.zeros((0, 0, 0), np.int32),
        n_slots=density.values.size,
    )


def region_scene(
    density: Volume,
    material_index: NDArray[np.integer[Any]],
    materials: Sequence[Material],
    slot: NDArray[np.integer[Any]],
    n_slots: int,
) -> Scene:
    """Scene whose tallies are regions.

    Parameters
    ----------
    density : [g/mL]
    material_index : (z, y, x) index into ``materials``
    materials : compositions
    slot : (z, y, x) number of the region, -1 for none
    n_slots : regions

    Raises
    ------
    GridError
        An array of another shape than the density's, or a material or slot out of range.
    InputError
        Another unit than g/mL, densities that are negative or not finite.
    OutOfRangeError
        Voxels thinner than 0.05 mm or thicker than 50 mm, density above 25 g/mL.
    """
    _require(density, ("material", material_index, len(materials)), ("slot", slot, n_slots))
    return Scene(
        grid=density.grid,
        density=np.ascontiguousarray(density.values, dtype=np.float32),
        material=np.ascontiguousarray(material_index, dtype=np.uint8),
        materials=tuple(materials),
        slot=np.ascontiguousarray(slot, dtype=np.int32),
        n_slots=n_slots,
    )


def _require(density: Volume, *indices: tuple[str, NDArray[np.integer[Any]], int]) -> None:
    """Arrays that particles can be followed through: (name, values, number of kinds) of each."""
    _require_density(density)
    for name, array, count in indices:
        least, greatest = int(array.min(initial=0)), int(array.max(initial=0))
        lowest = 0 if name == "material" else -1
        if array.shape != density.grid.shape or least < lowest or greatest >= count:
            raise GridError(
                f"The {name} array has shape {array.shape} and values from {least} to {greatest}; expected shape "
                f"{density.grid.shape} and values from {lowest} to {count - 1}."
            )


def _require_density(density: Volume) -> None:
    if density.unit != "g/mL":
        raise InputError(f"Density in {density.unit!r}; expected 'g/mL'.")
    values = density.values
    wrong = ~np.isfinite(values)
    if np.any(wrong):
        raise InputError(
            f"The density is not finite in {np.count_nonzero(wrong)} voxels; no particle can be followed there."
        )
    if float(values.min(initial=0.0)) < 0.0:
        raise InputError(f"A density of {float(values.min()):g} g/mL; expected 0 or more.")
    if float(values.max(initial=0.0)) > DENSEST_G_PER_ML:
        raise OutOfRangeError(
            f"A density of {float(values.max()):g} g/mL; nothing above {DENSEST_G_PER_ML:g} is known. Is it in kg/m3?"
        )
    thin, thick = min(density.grid.spacing_mm), max(density.grid.spacing_mm)
    if thin < LEAST_SPACING_MM or thick > GREATEST_SPACING_MM:
        raise OutOfRangeError(
            f"Voxels of {thin:g} to {thick:g} mm; transport holds from {LEAST_SPACING_MM} to {GREATEST_SPACING_MM} mm."
        )
