"""Charged particles absorbed in the voxel where they are emitted."""

from typing import Final

import numpy as np

from lutetia.dose.energies import decay_energy
from lutetia.errors import InputError
from lutetia.images.volume import Volume, require_same_grid
from lutetia.units import GY_PER_MEV_PER_G

LEAST_DENSITY_G_PER_ML: Final = 0.2
"""Below this (air, the thinnest lung) a voxel's own density would turn noise into huge doses; it is raised to it."""


def local_absorbed_dose(*, time_integrated_activity: Volume, density: Volume, nuclide: str) -> Volume:
    r"""Absorbed dose of electrons, alphas and recoil, absorbed where they are emitted. [Gy]

    :math:`D = \tilde a\, E / \rho`. Holds where voxels and the image's resolution are larger than the electrons' reach: a
    voxel of 4.8 mm in water keeps 93 % of the 177Lu electrons' energy and gets most of the rest from its neighbours. Of
    90Y it keeps 44 %.

    Parameters
    ----------
    time_integrated_activity : [Bq s/mL]
    density : on the same grid. [g/mL]
    nuclide : for example "Lu-177"; progeny are not included

    Raises
    ------
    GridError, InputError
        Different grids, wrong units.
    """
    require_same_grid(time_integrated_activity.grid, density.grid, "Local absorbed dose")
    require_units(time_integrated_activity, density)
    factor = np.float32(decay_energy(nuclide).local_mev * GY_PER_MEV_PER_G)
    rho = np.maximum(density.values, np.float32(LEAST_DENSITY_G_PER_ML))
    return time_integrated_activity.with_values(time_integrated_activity.values * factor / rho, "Gy")


def require_units(time_integrated_activity: Volume, density: Volume) -> None:
    """Raise InputError unless the maps are in Bq s/mL and g/mL."""
    if time_integrated_activity.unit != "Bq s/mL" or density.unit != "g/mL":
        raise InputError(
            f"Time-integrated activity in {time_integrated_activity.unit!r} and density in {density.unit!r}; expected "
            "'Bq s/mL' and 'g/mL'."
        )
