"""What the voxels of an image cannot see, in numbers and in sentences."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lutetia.dose.point_kernel import nuclide_electron_energy_within
from lutetia.dose.small_scale.cell import chain_members
from lutetia.dose.small_scale.hits import alpha_ranges_um, hits_in_even_activity
from lutetia.dose.small_scale.kidney import kidney_part_masses_g, nephron_dose
from lutetia.errors import InputError
from lutetia.physics.emissions import emissions
from lutetia.physics.nuclides import nuclide as nuclide_of
from lutetia.units import MM_PER_CM, UM_PER_MM

NUCLEUS_RADIUS_UM: Final = 4.0
"""Of the nucleus that hits are told of; Koniar et al. 2023 take the same, doi:10.1186/s40658-023-00564-5."""
EXAMPLE_GY: Final = 1.0
HALF_LIVES: Final = 10.0
LEAST_YIELD: Final = 1e-3
"""Rarer alphas and members do not set the range that is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unseen:
    """What an image with voxels of some size leaves unsaid about a nuclide.

    Attributes
    ----------
    nuclide : and its progeny within ten half-lives, decaying where the parent did
    voxel_mm : side of the voxel. [mm]
    alphas_per_decay : of the parent
    alpha_range_um : shortest and longest; None without alphas. [um]
    voxel_in_ranges : side of the voxel over the longest range of an alpha; None without alphas
    electron_half_mm : radius within which half of the parent's electron energy is left; None without electrons. [mm]
    nucleus_hits_per_gy : mean number of alphas that touch a nucleus of 4 um per gray of alphas; None without alphas. [1/Gy]
    unhit_at_1_gy : share of such nuclei that none touches at 1 Gy of alphas; None without alphas
    tubule_to_mean : dose of the wall of human proximal tubules over the mean dose, activity on the luminal side of the
        wall, in the wall and in the lumen; None without alphas
    """

    nuclide: str
    voxel_mm: float
    alphas_per_decay: float
    alpha_range_um: tuple[float, float] | None
    voxel_in_ranges: float | None
    electron_half_mm: float | None
    nucleus_hits_per_gy: float | None
    unhit_at_1_gy: float | None
    tubule_to_mean: dict[str, float] | None

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a report says about it."""
        if self.alpha_range_um is None:
            return (self._electrons(),)
        return (self._alphas(), *self._parts())

    def _electrons(self) -> str:
        if self.electron_half_mm is None:
            return f"{self.nuclide} emits no charged particles that leave a cell."
        return (
            f"Electrons of {self.nuclide} leave half of their energy within {self.electron_half_mm:.2g} mm; the dose of a "
            f"voxel of {self.voxel_mm:.2g} mm is a mean over what is uneven within it."
        )

    def _alphas(self) -> str:
        low, high = self.alpha_range_um or (0.0, 0.0)
        ranges = f"{low:.0f} um" if round(low) == round(high) else f"{low:.0f} to {high:.0f} um"
        return (
            f"Alphas of {self.nuclide} and its progeny end after {ranges}; a voxel of {self.voxel_mm:.2g} mm is "
            f"{self.voxel_in_ranges or 0:.0f} times as wide and shows a mean, not the dose of cells."
        )

    def _parts(self) -> tuple[str, ...]:
        wall = self.tubule_to_mean or {}
        low, high = min(wall.values(), default=0.0), max(wall.values(), default=0.0)
        return (
            f"At a mean of {EXAMPLE_GY:g} Gy of evenly spread alphas a cell nucleus of {NUCLEUS_RADIUS_UM:g} um radius is "
            f"touched {self.nucleus_hits_per_gy or 0:.1f} times on average, and {100 * (self.unhit_at_1_gy or 0):.2g} % of "
            "nuclei not at all; activity on some cells only makes the spread larger.",
            f"Where a kidney's activity is in or on the proximal tubules, their wall gets {low:.2f} to {high:.2f} times "
            "the mean dose of the cortex (sizes of the nephron unverified); the cortex gets "
            f"{1 / kidney_part_masses_g(1.0)['cortex']:.1f} times the mean dose of the kidney if it holds all activity.",
        )


def unseen(voxel_size_mm: float, nuclide: str) -> Unseen:
    """Numbers and sentences about what voxels of an image cannot see, for the report of a dose.

    Parameters
    ----------
    voxel_size_mm : side of a voxel, or the resolution of the image if that is larger. [mm]
    nuclide : with its progeny

    Raises
    ------
    InputError
        A voxel that is not larger than 0, an unknown nuclide.
    """
    if not voxel_size_mm > 0:
        raise InputError(f"Voxel of {voxel_size_mm:g} mm; expected more than 0.")
    parent = nuclide_of(nuclide)
    members = chain_members(parent.name, HALF_LIVES * parent.half_life_s)
    ranges = [
        (float(reach), float(decays * yields))
        for name, decays in members.items()
        for reach, yields in zip(alpha_ranges_um(name), emissions(name).alpha.yield_per_decay, strict=True)
    ]
    counted = [reach for reach, number in ranges if number >= LEAST_YIELD]
    hits = hits_in_even_activity(members, NUCLEUS_RADIUS_UM) if counted else None
    return Unseen(
        nuclide=parent.name,
        voxel_mm=voxel_size_mm,
        alphas_per_decay=sum(number for _, number in ranges),
        alpha_range_um=(min(counted), max(counted)) if counted else None,
        voxel_in_ranges=voxel_size_mm * UM_PER_MM / max(counted) if counted else None,
        electron_half_mm=_electron_half_mm(parent.name),
        nucleus_hits_per_gy=hits.per_gy if hits else None,
        unhit_at_1_gy=hits.unhit_fraction(EXAMPLE_GY) if hits else None,
        tubule_to_mean=_wall(members) if counted else None,
    )


def _wall(members: dict[str, float]) -> dict[str, float]:
    return {
        source: nephron_dose(members, source).to_mean["epithelium"]
        for source in ("apical surface", "epithelium", "lumen")
    }


def _electron_half_mm(nuclide: str) -> float | None:
    if emissions(nuclide).electron_energy_mev == 0:
        return None
    radii, energy = nuclide_electron_energy_within(nuclide)
    return float(np.interp(0.5 * energy[-1], energy, radii)) * MM_PER_CM
