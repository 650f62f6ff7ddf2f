"""Energy that the charged particles of a nuclide leave within a distance, by three models of the electron."""

from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lutetia.dose.point_kernel import (
    Cumulative,
    electron_spectrum,
    nuclide_alpha_energy_within,
    nuclide_electron_energy_within,
    nuclide_energy_within,
    soft_photon_energy_within,
)
from lutetia.dose.sphere import ByRadiation
from lutetia.dose.sphere.geometry import Chances, absorbed_in_target
from lutetia.errors import InputError
from lutetia.physics.emissions import emissions
from lutetia.physics.stopping import csda_range_water_g_per_cm2
from lutetia.units import CM_PER_UM, KEV_PER_MEV, MEV_PER_KEV, UM_PER_CM

ElectronModel = Literal["transport", "cole1969", "csda"]
"""How electrons travel: by transported kernels that scatter, or straight with the range of Cole 1969 or of ICRU 37."""

MODELS: Final[tuple[ElectronModel, ...]] = ("transport", "cole1969", "csda")
LEAST_KEV: Final = {"cole1969": 0.06, "csda": 1.0}
"""Slower electrons (range under 0.005 and 0.06 um) stay where they are emitted."""
LONGEST_COLE_UM: Final = 2.0e4
N_RADII: Final = 1500
N_ENERGIES: Final = 3000


def cole_energy_kev(range_um: ArrayLike) -> NDArray[np.float64]:
    r"""Energy of an electron whose range in unit-density matter is given. [keV]

    :math:`E = 5.9 (R + 0.007)^{0.565} + 0.00413 R^{1.33} - 0.367`, not less than 0; from some 0.4 keV to 20 MeV, below an
    extrapolation.

    References
    ----------
    Cole A. Absorption of 20-eV to 50,000-eV electron beams in air and plastic. Radiat Res 38 (1969) 7-33,
    doi:10.2307/3572630; the relation of the cellular S values of MIRD (Goddu et al. 1997).
    """
    reach = np.asarray(range_um, dtype=np.float64)
    return np.maximum(5.9 * (reach + 0.007) ** 0.565 + 0.00413 * reach**1.33 - 0.367, 0.0)


@lru_cache(maxsize=1)
def _cole() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    reach = np.r_[0.0, np.geomspace(1e-4, LONGEST_COLE_UM, N_ENERGIES)]
    energy = cole_energy_kev(reach)
    first = int(np.argmax(energy > 0)) - 1
    return energy[first:], reach[first:]


@lru_cache(maxsize=1)
def _icru() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    energy = np.geomspace(LEAST_KEV["csda"], 5000.0, N_ENERGIES)
    energy[-1] = 5000.0
    reach = csda_range_water_g_per_cm2(energy * MEV_PER_KEV) * UM_PER_CM
    # below 1 keV the range falls with the energy as for a stopping power that falls with its root
    low = np.linspace(0.0, 1.0, 30)[:-1]
    return np.r_[low * energy[0], energy], np.r_[low**1.5 * reach[0], reach]


def electron_ranges(model: ElectronModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies from 0, increasing, and the range of each in water: (n,) [keV], (n,) [um]."""
    if model not in LEAST_KEV:
        raise InputError(f"Electron model {model!r} has no ranges of straight tracks; expected cole1969 or csda.")
    return _cole() if model == "cole1969" else _icru()


@lru_cache(maxsize=128)
def straight_electron_energy_within(nuclide: str, model: ElectronModel) -> Cumulative:
    """Electron energy of a decay left within a radius by straight tracks: radii [cm at 1 g/mL], energy [MeV]."""
    table_kev, reach_um = electron_ranges(model)
    energy, probability = electron_spectrum(emissions(nuclide))
    kev = energy * KEV_PER_MEV
    travelling = kev > LEAST_KEV[model]
    local = float(energy[~travelling] @ probability[~travelling])
    if not np.any(travelling):
        return np.array([0.0, CM_PER_UM]), np.array([local, local])
    farthest = float(np.interp(kev[travelling], table_kev, reach_um).max())
    radii = np.r_[0.0, np.geomspace(1e-3, farthest, N_RADII)]
    total = np.full(radii.size, local * KEV_PER_MEV)
    for e, p in zip(kev[travelling], probability[travelling], strict=True):
        left = np.interp(e, table_kev, reach_um) - radii
        total += p * (e - np.interp(left, reach_um, table_kev))
    return _frozen(radii * CM_PER_UM, total * MEV_PER_KEV)


def electron_energy_within(nuclide: str, model: ElectronModel) -> Cumulative:
    """Electron energy of a decay left within a radius: radii [cm at 1 g/mL], energy [MeV]."""
    if model not in MODELS:
        raise InputError(f"Electron model {model!r}; expected one of {', '.join(MODELS)}.")
    if model == "transport":
        return nuclide_electron_energy_within(nuclide)
    return straight_electron_energy_within(nuclide, model)


def absorbed_by_radiation(chances: Chances, nuclide: str, electrons: ElectronModel) -> ByRadiation:
    """Energy per decay absorbed in a target that points at a distance lie in with some chance. [MeV]

    Parameters
    ----------
    chances : distances from 0 [cm at 1 g/mL] and the chance at each; the first one holds for recoil nuclei
    nuclide : progeny are not included
    electrons : how they travel
    """
    photons = absorbed_in_target(chances, *nuclide_energy_within(nuclide))
    return ByRadiation(
        electrons=absorbed_in_target(chances, *electron_energy_within(nuclide, electrons)),
        photons=photons + absorbed_in_target(chances, *soft_photon_energy_within(nuclide)),
        alpha=absorbed_in_target(chances, *nuclide_alpha_energy_within(nuclide)),
        recoil=emissions(nuclide).recoil_energy_mev * float(chances[1][0]),
    )


def _frozen(radii: NDArray[np.float64], total: NDArray[np.float64]) -> Cumulative:
    for array in (radii, total):
        array.setflags(write=False)
    return radii, total
