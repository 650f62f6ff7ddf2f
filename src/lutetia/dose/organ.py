"""Mean absorbed dose of regions from their own decays and from all photons; the mass-scaled cross-check."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.energies import decay_energy
from lutetia.dose.sphere import least_mass_g, sphere_s_coefficient
from lutetia.errors import InputError
from lutetia.images.volume import Volume, require_same_grid
from lutetia.units import GY_PER_MEV_PER_G


def mean_absorbed_dose(
    *,
    time_integrated_activity_bq_s: float,
    mass_g: float,
    nuclide: str,
    photon_dose: Volume,
    density: Volume,
    occupancy: NDArray[np.float32],
    charged_share: float = 1.0,
    members: Mapping[str, float] | None = None,
) -> float:
    r"""Mean absorbed dose of a region. [Gy]

    :math:`D = q \tilde A E_{local}/m + \overline{D_{photon}}`: charged particles stay in the region that emits them
    (q = 1; 177Lu electrons crossing an organ's surface carry under 1 % of its dose away), photons come from everywhere
    and are averaged over the region by mass. Taking the local part from the region's own decays rather than from the
    voxel map keeps what lies in voxels cut by its edge.

    Parameters
    ----------
    time_integrated_activity_bq_s : of the region
    mass_g : of the region
    nuclide : for example "Lu-177"
    photon_dose : map of the photons' dose from all regions. [Gy]
    density : on the same grid. [g/mL]
    occupancy : (z, y, x) share of each voxel
    members : decays of each nuclide of its chain per decay, None for the nuclide alone
    charged_share : q, energy of charged particles absorbed in the region over that emitted in it
    """
    if not mass_g > 0:
        raise InputError(f"Mass of {mass_g} g; expected more than 0.")
    require_same_grid(photon_dose.grid, density.grid, "Mean absorbed dose")
    local_mev = sum(n * decay_energy(name).local_mev for name, n in (members or {nuclide: 1.0}).items())
    own = charged_share * time_integrated_activity_bq_s * local_mev * GY_PER_MEV_PER_G / mass_g
    weights = occupancy * density.values
    total = float(weights.sum(dtype=np.float64))
    photons = float(np.vdot(weights, photon_dose.values)) / total if total > 0 else 0.0
    return own + photons


def self_dose_of_sphere(
    *, time_integrated_activity_bq_s: float, mass_g: float, nuclide: str, members: Mapping[str, float] | None = None
) -> float | None:
    """Self-dose of the region as a sphere of its mass; None below the range of the sphere model. [Gy]

    Mass scaling of a self-dose S coefficient: electrons scale with 1/mass, photons with mass to the power -2/3, which
    the sphere model has built in. For organs of 100 g and more the shape matters by less than 1 % of the total for 177Lu.
    ``members`` are decays of each nuclide of its chain per decay, None for the nuclide alone.
    """
    followed = members or {nuclide: 1.0}
    if mass_g < max(least_mass_g(name) for name in followed):
        return None
    s = sum(n * sphere_s_coefficient(mass_g=mass_g, nuclide=name) for name, n in followed.items())
    return time_integrated_activity_bq_s * s
