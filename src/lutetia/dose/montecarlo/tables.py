"""Interaction data of materials as arrays for the kernels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.physics.attenuation import mass_attenuation_cm2_per_g, mass_energy_absorption_cm2_per_g
from lutetia.physics.materials import Material

CUTOFF_MEV: Final = 0.01
"""Photons below this are absorbed where they are: they travel under 2 mm in water."""
N_ENERGIES: Final = 512


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PhotonTables:
    """Mass coefficients on a logarithmic energy grid, (materials, energies). [cm2/g]

    ``interaction`` is photoelectric + incoherent + pair; coherent scattering, which moves no energy and mostly points
    forward, is left out. ``absorption`` is the mass energy-absorption coefficient. ``photo`` and ``pair`` are shares of
    ``interaction``.
    """

    log_least: float
    log_step: float
    interaction: NDArray[np.float64]
    absorption: NDArray[np.float64]
    photo: NDArray[np.float64]
    pair: NDArray[np.float64]


def photon_tables(materials: Sequence[Material], highest_mev: float) -> PhotonTables:
    """Tables from the cut-off to the highest energy of a source."""
    energy = np.geomspace(CUTOFF_MEV * 0.99, highest_mev * 1.01, N_ENERGIES)
    rows = []
    for material in materials:
        photo = mass_attenuation_cm2_per_g(material, energy, process="photoelectric")
        incoherent = mass_attenuation_cm2_per_g(material, energy, process="incoherent")
        pair = mass_attenuation_cm2_per_g(material, energy, process="pair")
        total = photo + incoherent + pair
        rows.append((total, mass_energy_absorption_cm2_per_g(material, energy), photo / total, pair / total))
    stacked = [np.ascontiguousarray(np.stack(column)) for column in zip(*rows, strict=True)]
    return PhotonTables(
        log_least=float(np.log(energy[0])),
        log_step=float(np.log(energy[1] / energy[0])),
        interaction=stacked[0],
        absorption=stacked[1],
        photo=stacked[2],
        pair=stacked[3],
    )
