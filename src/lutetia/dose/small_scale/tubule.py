"""Parallel tubules side by side, or one alone: who gets the energy of lumen, epithelium and what lies between."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from lutetia.dose.point_kernel import nuclide_alpha_energy_within
from lutetia.dose.sphere.geometry import absorbed_in_target
from lutetia.errors import InputError
from lutetia.physics.emissions import emissions
from lutetia.units import CM_PER_UM, GY_PER_MEV_PER_G, UM_PER_CM

TubuleSource = Literal["lumen", "epithelium", "apical surface", "interstitium"]
TubuleTarget = Literal["lumen", "epithelium", "interstitium"]
TARGETS: Final[tuple[TubuleTarget, ...]] = ("lumen", "epithelium", "interstitium")
LOG2_POINTS: Final = 13
N_RADII: Final = 200

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tubules:
    """Straight tubules in a hexagonal array, long against the range of an alpha.

    Attributes
    ----------
    lumen_radius_um, outer_radius_um : of each tubule; the epithelium lies between. [um]
    spacing_um : between the axes of neighbours; None for one alone. [um]
    density_g_per_ml : everywhere
    """

    lumen_radius_um: float
    outer_radius_um: float
    spacing_um: float | None = None
    density_g_per_ml: float = 1.05

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be."""
        fits = self.spacing_um is None or self.spacing_um >= 2 * self.outer_radius_um
        if not (0 < self.lumen_radius_um < self.outer_radius_um and fits and self.density_g_per_ml > 0):
            raise InputError(
                f"Tubules of radii {self.lumen_radius_um:g} and {self.outer_radius_um:g} um, {self.spacing_um} um apart; "
                "expected 0 < lumen < outer, twice the outer radius at least between axes, and a positive density."
            )

    def area_um2(self, region: str) -> float | None:
        """Cross-section of a region of one tubule, of the array's cell for the interstitium; None if endless. [um2]"""
        lumen, outer = np.pi * self.lumen_radius_um**2, np.pi * self.outer_radius_um**2
        if region == "interstitium":
            return None if self.spacing_um is None else float(np.sqrt(3) / 2 * self.spacing_um**2 - outer)
        return float(lumen) if region == "lumen" else float(outer - lumen)


@dataclass(frozen=True, kw_only=True, slots=True)
class TubuleDose:
    """Alpha and recoil energy of one decay by region.

    Attributes
    ----------
    nuclide, source : names; progeny are not included
    absorbed_mev : energy per decay in each region. [MeV]
    emitted_mev : of alphas and recoil. [MeV]
    to_mean : absorbed dose of each region over that of the whole tissue with this activity; None for one tubule alone
    gy_per_bq_s_and_mm : absorbed dose of lumen and epithelium of a tubule of 1 mm that holds the activity (and its
        neighbours as much); divide by the length. [Gy mm/(Bq s)]
    """

    nuclide: str
    source: TubuleSource
    absorbed_mev: dict[TubuleTarget, float]
    emitted_mev: float
    to_mean: dict[TubuleTarget, float] | None
    gy_per_bq_s_and_mm: dict[TubuleTarget, float]


def tubule_dose(nuclide: str, tubules: Tubules, source: TubuleSource) -> TubuleDose:
    """Absorbed dose by alphas and recoil of the parts of tubules that all hold the same activity in one part.

    Straight tracks by ICRU 49 over distances whose chance to lie in each part is averaged by a Sobol' sequence over source
    points and directions (some 0.3 % of the energy). Electrons are left out: those of the alpha emitters' chains travel
    further than the spacing and give what the mean of the kidney says.

    Parameters
    ----------
    nuclide : progeny are not included
    tubules : sizes and spacing
    source : the part that holds the activity evenly

    Raises
    ------
    InputError
        An unknown part; activity between tubules where there is only one.
    """
    if source not in (*TARGETS, "apical surface"):
        raise InputError(f"No part {source!r} of tubules; expected {', '.join(TARGETS)} or apical surface.")
    if source == "interstitium" and tubules.spacing_um is None:
        raise InputError("Activity between tubules needs their spacing.")
    found = emissions(nuclide)
    radii, energy = nuclide_alpha_energy_within(nuclide)
    reach_um = float(radii[-1]) * UM_PER_CM / tubules.density_g_per_ml
    r, chance = _chances(tubules, source, round(reach_um, 6))
    r_cm = r * CM_PER_UM * tubules.density_g_per_ml
    absorbed = {
        part: absorbed_in_target((r_cm, chance[:, k]), radii, energy)
        + found.recoil_energy_mev * (1.0 if part == ("lumen" if source == "apical surface" else source) else 0.0)
        for k, part in enumerate(TARGETS)
    }
    if source == "apical surface":
        # of recoil nuclei that start on a wall half go into it
        half = found.recoil_energy_mev / 2
        absorbed["lumen"] -= half
        absorbed["epithelium"] += half
    emitted = found.alpha_energy_mev + found.recoil_energy_mev
    return TubuleDose(
        nuclide=found.name,
        source=source,
        absorbed_mev=absorbed,
        emitted_mev=emitted,
        to_mean=_to_mean(tubules, absorbed, emitted),
        gy_per_bq_s_and_mm=_doses(tubules, absorbed),
    )


def _to_mean(
    tubules: Tubules, absorbed: dict[TubuleTarget, float], emitted: float
) -> dict[TubuleTarget, float] | None:
    if tubules.spacing_um is None or emitted == 0:
        return None
    areas = {part: float(tubules.area_um2(part) or 0.0) for part in TARGETS}
    whole = sum(areas.values())
    return {part: absorbed[part] / emitted / (areas[part] / whole) for part in TARGETS}


def _doses(tubules: Tubules, absorbed: dict[TubuleTarget, float]) -> dict[TubuleTarget, float]:
    found: dict[TubuleTarget, float] = {}
    for part in TARGETS:
        area = tubules.area_um2(part)
        if area is not None:
            mass_g = area * 1e3 * CM_PER_UM**3 * tubules.density_g_per_ml
            found[part] = absorbed[part] / mass_g * GY_PER_MEV_PER_G
    return found


@lru_cache(maxsize=64)
def _chances(tubules: Tubules, source: TubuleSource, reach_um: float) -> tuple[Array, Array]:
    """Distances (n,) [um] and the chance of lumen, epithelium and interstitium at each (n, 3)."""
    x, y, across, turn = _starts(tubules, source)
    r = np.linspace(0.0, reach_um, N_RADII)
    chance = np.empty((N_RADII, 3))
    for i, length in enumerate(r):
        # a touch along the track, so that points on a wall belong to the side they leave to
        step = max(float(length), 1e-6) * across
        axis = _from_axis(x + step * np.cos(turn), y + step * np.sin(turn), tubules.spacing_um)
        lumen = float(np.mean(axis < tubules.lumen_radius_um))
        tubule = float(np.mean(axis < tubules.outer_radius_um))
        chance[i] = lumen, tubule - lumen, 1 - tubule
    return r, chance


def _starts(tubules: Tubules, source: TubuleSource) -> tuple[Array, Array, Array, Array]:
    """Points of the source in the plane across, the share of a track that lies in it, and its direction there."""
    # of points between tubules many fall into these and are lost
    more = 2 if source == "interstitium" else 0
    u = qmc.Sobol(d=4, scramble=True, rng=np.random.default_rng(7)).random_base2(LOG2_POINTS + more)
    across, turn = np.sqrt(1 - (2 * u[:, 2] - 1) ** 2), 2 * np.pi * u[:, 3]
    if source == "interstitium":
        spacing = float(tubules.spacing_um or 0.0)
        x, y = spacing * u[:, 0], np.sqrt(3) * spacing * u[:, 1]
        between = _from_axis(x, y, spacing) >= tubules.outer_radius_um
        return x[between], y[between], across[between], turn[between]
    inner, outer = {
        "lumen": (0.0, tubules.lumen_radius_um),
        "epithelium": (tubules.lumen_radius_um, tubules.outer_radius_um),
        "apical surface": (tubules.lumen_radius_um, tubules.lumen_radius_um),
    }[source]
    rho = np.sqrt(inner**2 + u[:, 0] * (outer**2 - inner**2))
    around = 2 * np.pi * u[:, 1]
    return rho * np.cos(around), rho * np.sin(around), across, turn


def _from_axis(x: Array, y: Array, spacing_um: float | None) -> Array:
    """Distance from the nearest axis of the array. [um]"""
    if spacing_um is None:
        return np.hypot(x, y)
    width, height = spacing_um, np.sqrt(3) * spacing_um
    first = np.hypot(x - width * np.round(x / width), y - height * np.round(y / height))
    x, y = x - width / 2, y - height / 2
    second = np.hypot(x - width * np.round(x / width), y - height * np.round(y / height))
    return np.asarray(np.minimum(first, second))
