"""Alphas that touch a nucleus: their number per decay or per dose, and the specific energy of one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.small_scale.distances import SourcePoints, hit_chance
from lutetia.errors import InputError
from lutetia.physics.alpha_stopping import alpha_csda_range_g_per_cm2
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import material
from lutetia.units import CM_PER_UM, GY_PER_MEV_PER_G, UM_PER_CM


@dataclass(frozen=True, kw_only=True, slots=True)
class Hits:
    """Alphas in a sphere whose surroundings hold activity evenly.

    Attributes
    ----------
    per_gy : mean number that touch the sphere per gray of alphas and recoil. [1/Gy]
    specific_energy_gy : mean of one. [Gy]
    """

    per_gy: float
    specific_energy_gy: float

    def unhit_fraction(self, dose_gy: float) -> float:
        """Share of spheres without a hit at a mean dose of alphas, their number being Poisson."""
        return float(np.exp(-self.per_gy * dose_gy))


def alpha_ranges_um(nuclide: str, density_g_per_ml: float = 1.0) -> NDArray[np.float64]:
    """Range of each alpha line of a nuclide in water. [um]"""
    energies = emissions(nuclide).alpha.energy_mev
    if energies.size == 0:
        return np.zeros(0)
    return alpha_csda_range_g_per_cm2(energies, material("water")) / density_g_per_ml * UM_PER_CM


def hits_per_decay(
    nuclide: str, points: SourcePoints, target_radius_um: float, density_g_per_ml: float = 1.0
) -> float:
    """Alphas per decay that touch a spherical target, as straight tracks of their range in water."""
    reach = alpha_ranges_um(nuclide, density_g_per_ml)
    chance = [hit_chance(points, target_radius_um, float(r)) for r in reach]
    return float(np.array(chance) @ emissions(nuclide).alpha.yield_per_decay) if chance else 0.0


def hits_in_even_activity(
    members: Mapping[str, float], target_radius_um: float, density_g_per_ml: float = 1.0
) -> Hits:
    r"""Hits of a sphere in endless tissue with evenly spread activity.

    A track of length R touches a sphere of radius b if it starts in the volume that the sphere sweeps along it,
    :math:`V = \frac{4}{3}\pi b^3 + \pi b^2 R`; the dose is the emitted energy per mass. One hit leaves
    :math:`z = \frac{E}{m} / (1 + \frac{3 R}{4 b})` on average, for one line.

    Parameters
    ----------
    members : decays of each nuclide per decay of the parent
    target_radius_um : b. [um]
    density_g_per_ml : of the tissue

    Raises
    ------
    InputError
        No alphas, or a radius that is not positive.
    """
    if not target_radius_um > 0:
        raise InputError(f"Target of radius {target_radius_um:g} um; expected more than 0.")
    energy = tracks = 0.0
    for name, decays in members.items():
        lines = emissions(name).alpha
        swept = 1 + 0.75 * alpha_ranges_um(name, density_g_per_ml) / target_radius_um
        energy += decays * (lines.mean_energy_per_decay_mev + emissions(name).recoil_energy_mev)
        tracks += decays * float(lines.yield_per_decay @ swept)
    if tracks == 0:
        raise InputError(f"{', '.join(members) or 'Nothing'} emits no alphas.")
    mass_g = 4 / 3 * np.pi * (target_radius_um * CM_PER_UM) ** 3 * density_g_per_ml
    z_gy = float(energy / tracks / mass_g * GY_PER_MEV_PER_G)
    return Hits(per_gy=1 / z_gy, specific_energy_gy=z_gy)
