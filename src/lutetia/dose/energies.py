"""Which energy of a decay stays where it is, and which travels."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lutetia.physics.emissions import Lines, emissions

TRAVELLING_MEV: Final = 0.01
"""Photons from here on are followed by kernels in water; softer ones count as absorbed where they are emitted.

Their mean free path in water is under 2 mm, less than half a voxel of SPECT, and kernels in water begin at this energy.
"""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DecayEnergy:
    """Energy of a decay by what becomes of it.

    Attributes
    ----------
    local_mev : electrons, alphas, recoil and photons below 10 keV, absorbed in the voxel. [MeV]
    photons : lines that travel
    """

    local_mev: float
    photons: Lines


@lru_cache(maxsize=64)
def decay_energy(nuclide: str) -> DecayEnergy:
    """Energy per decay of a nuclide (without progeny), split into local and travelling."""
    found = emissions(nuclide)
    travelling = found.photons.above(TRAVELLING_MEV)
    soft = found.photons.mean_energy_per_decay_mev - travelling.mean_energy_per_decay_mev
    charged = found.electron_energy_mev + found.alpha_energy_mev + found.recoil_energy_mev
    return DecayEnergy(local_mev=charged + soft, photons=travelling)
