"""Dose around a point source in an endless medium, and the radii that hold a share of its energy."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.point_kernel import nuclide_charged_energy_within, nuclide_energy_within
from lutetia.errors import InputError
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import material
from lutetia.units import GY_PER_MEV_PER_G

N_SHELLS: Final = 120


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PointKernel:
    """Dose around a point.

    Attributes
    ----------
    nuclide, medium : names; progeny are not included
    density_g_per_ml : of the medium
    radius_cm : (n,) outer radii of shells that begin at the point. [cm]
    charged_fraction : (n,) share of the energy of electrons and alphas absorbed within each radius
    dose_gy_per_bq_s : (n,) dose of electrons, alphas and photons from 10 keV in each shell; recoil nuclei, 0.1 um, and
        softer photons are left out. [Gy/(Bq s)]
    charged_mev : energy of electrons and alphas per decay. [MeV]
    """

    nuclide: str
    medium: str
    density_g_per_ml: float
    radius_cm: NDArray[np.float64]
    charged_fraction: NDArray[np.float64]
    dose_gy_per_bq_s: NDArray[np.float64]
    charged_mev: float


def radius_of_share_cm(
    share: float, *, nuclide: str, medium: str = "water", density_g_per_ml: float | None = None
) -> float:
    """Radius around a point source that holds a share of the energy of its electrons and alphas (X90 for 0.9). [cm]

    Raises
    ------
    InputError
        A share outside 0 to 1, unknown names, a density that is not positive.
    """
    if not 0 < share < 1:
        raise InputError(f"Share of {share}; expected more than 0 and less than 1.")
    radii, energy = nuclide_charged_energy_within(nuclide, medium)
    return float(np.interp(share * energy[-1], energy, radii)) / _density(medium, density_g_per_ml)


def point_kernel(*, nuclide: str, medium: str = "water", density_g_per_ml: float | None = None) -> PointKernel:
    """Dose around a point source in shells that grow evenly, as far as its electrons and alphas go.

    Parameters
    ----------
    nuclide : for example "Y-90"
    medium : name of a material
    density_g_per_ml : of the medium; by default the material's nominal one

    Raises
    ------
    InputError
        Unknown names, a density that is not positive.
    """
    density = _density(medium, density_g_per_ml)
    radii, energy = nuclide_charged_energy_within(nuclide, medium)
    if not energy[-1] > 0:
        raise InputError(f"{nuclide} emits neither electrons nor alphas; there is no kernel of them.")
    edges = np.linspace(0.0, float(radii[-1]), N_SHELLS + 1)
    within = np.interp(edges, radii, energy)
    absorbed = within + np.interp(edges, *nuclide_energy_within(nuclide, medium))
    # the electrons that stay at the point belong to the first shell
    shells = np.diff(absorbed, prepend=0.0)[1:]
    shells[0] += absorbed[0]
    edges = edges / density
    mass_g = 4 / 3 * np.pi * np.diff(edges**3) * density
    return PointKernel(
        nuclide=emissions(nuclide).name,
        medium=medium,
        density_g_per_ml=density,
        radius_cm=edges[1:],
        charged_fraction=within[1:] / within[-1],
        dose_gy_per_bq_s=shells / mass_g * GY_PER_MEV_PER_G,
        charged_mev=float(within[-1]),
    )


def _density(medium: str, density_g_per_ml: float | None) -> float:
    density = material(medium).density_g_per_ml if density_g_per_ml is None else density_g_per_ml
    if not density > 0:
        raise InputError(f"Density of {density} g/mL; expected more than 0.")
    return density
