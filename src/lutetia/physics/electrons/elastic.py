"""Elastic scattering of electrons and positrons by atoms: transport cross sections of ELSEPA."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.physics.electrons.excitation import atoms
from lutetia.physics.materials import Material
from lutetia.physics.tables import read_table

AVOGADRO_PER_MOL: Final = 6.02214076e23


@lru_cache(maxsize=2)
def _tables(particle: str) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Energies [MeV] and per element (energies, 2) the first and second transport cross sections. [cm2]"""
    rows = read_table("elsepa_2005", "transport.csv")
    names = (f"first_{particle}_cm2", f"second_{particle}_cm2")
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        found.setdefault(row["symbol"], []).append([float(row[name]) for name in names])
    energies = np.array([float(row["energy_mev"]) for row in rows if row["symbol"] == "H"])
    return energies, {symbol: np.array(values) for symbol, values in found.items()}


def transport_cm2_per_g(
    material: Material, energy_mev: NDArray[np.float64], *, positron: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Mean of :math:`1 - \cos\theta` and of :math:`\frac{3}{2}(1 - \cos^2\theta)` gathered per mass thickness.

    Deflections by atoms as they are; those by their electrons are not included.

    Parameters
    ----------
    material : composition
    energy_mev : (n,) 0.001 to 5. [MeV]
    positron : whether the particle is one

    Returns
    -------
    first, second : (n,) each, inverse transport mean free paths. [cm2/g]

    References
    ----------
    Salvat, Jablonski, Powell, Comput Phys Commun 165, 157, 2005, doi:10.1016/j.cpc.2004.09.006.
    """
    grid, elements = _tables("positron" if positron else "electron")
    total = np.zeros((2, energy_mev.size))
    for symbol, fraction in material.mass_fractions.items():
        per_cm2 = AVOGADRO_PER_MOL * fraction / atoms()[symbol][1]
        for moment in range(2):
            logs = np.interp(np.log(energy_mev), np.log(grid), np.log(elements[symbol][:, moment]))
            total[moment] += per_cm2 * np.exp(logs)
    return total[0], total[1]
