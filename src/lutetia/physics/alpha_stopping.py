"""Alpha particles in tissues: mass stopping power and range by continuous slowing down (ICRU 49)."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lutetia.errors import OutOfRangeError
from lutetia.physics.materials import Material
from lutetia.physics.tables import read_table

LOWEST_MEV: Final = 0.001
HIGHEST_MEV: Final = 10.0
ALPHA_MASS_U: Final = 4.0015
AVOGADRO_PER_MOL: Final = 6.02214076e23
N_GRID: Final = 1600
PARTS: Final = ("H", "C", "N", "O", "mineral")
"""Elements whose stopping power is told apart; all that is heavier than oxygen counts as bone mineral."""


def alpha_stopping_power_mev_cm2_per_g(energy_mev: ArrayLike, material: Material) -> NDArray[np.float64]:
    """Mass stopping power of alpha particles, electronic and nuclear. [MeV cm2/g]

    Water as ASTAR tabulates it. Other tissues by additivity (Bragg) from tables of condensed matter: carbon is graphite,
    hydrogen what polyethylene has beside carbon, oxygen what water has beside hydrogen, nitrogen the mean of carbon and
    oxygen, heavier elements what is left of cortical bone. The tables of skeletal muscle, adipose tissue and compact bone,
    which are not used, are met within 0.5 % above 2 MeV and within 3 % from 0.1 to 2 MeV.

    Parameters
    ----------
    energy_mev : 0.001 to 10, any shape. [MeV]
    material : its composition; the density does not matter

    Raises
    ------
    OutOfRangeError
        An energy outside the tables.

    References
    ----------
    ICRU Report 49 (1993), doi:10.1093/jicru/os25.2.Report49; NIST ASTAR. Nuclear part: Ziegler, Biersack and Littmark,
    The stopping and range of ions in solids, Pergamon 1985 (universal potential).
    """
    energy = _checked(energy_mev)
    log_energy, log_electronic = _electronic(tuple(_parts(material)))
    electronic = np.exp(np.interp(np.log(energy), log_energy, log_electronic))
    return np.asarray(electronic + _nuclear(energy, material))


def alpha_csda_range_g_per_cm2(energy_mev: ArrayLike, material: Material) -> NDArray[np.float64]:
    """Path of an alpha particle until it stops, by continuous slowing down. [g/cm2]

    Below 1 keV, where a path is some 0.02 um long, the stopping power is taken to stay as it is there.

    Raises
    ------
    OutOfRangeError
        An energy outside 0.001 to 10 MeV.
    """
    energy, reach = alpha_ranges(material)
    return np.asarray(np.exp(np.interp(np.log(_checked(energy_mev)), np.log(energy), np.log(reach))))


def alpha_ranges(material: Material) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies from 0.001 to 10 MeV and the range of each: (n,) [MeV], (n,) [g/cm2], read-only."""
    return _ranges(tuple(sorted(material.mass_fractions.items())), material)


# two materials of one composition share a table; the first of them is kept along
_TABLES: Final[dict[tuple[tuple[str, float], ...], tuple[NDArray[np.float64], NDArray[np.float64]]]] = {}


def _ranges(
    composition: tuple[tuple[str, float], ...], material: Material
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if composition not in _TABLES:
        energy = np.geomspace(LOWEST_MEV, HIGHEST_MEV, N_GRID)
        energy[[0, -1]] = LOWEST_MEV, HIGHEST_MEV
        per_log = energy / alpha_stopping_power_mev_cm2_per_g(energy, material)
        steps = 0.5 * (per_log[1:] + per_log[:-1]) * np.diff(np.log(energy))
        reach = per_log[0] + np.r_[0.0, np.cumsum(steps)]
        for array in (energy, reach):
            array.flags.writeable = False
        _TABLES[composition] = (energy, reach)
    return _TABLES[composition]


def _parts(material: Material) -> NDArray[np.float64]:
    """Mass fractions of H, C, N, O and of all that is heavier."""
    fractions = [material.mass_fractions.get(symbol, 0.0) for symbol in PARTS[:4]]
    return np.array([*fractions, 1.0 - sum(fractions)])


@lru_cache(maxsize=64)
def _electronic(parts: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of the energies and of the electronic stopping power of a mixture of ``PARTS``."""
    rows = read_table("icru_49", "alpha_electronic.csv")
    known = {row["material"]: row for row in read_table("icru_49", "compositions.csv")}

    def column(name: str) -> NDArray[np.float64]:
        return np.array([float(row[name]) for row in rows])

    def rest(name: str, *others: tuple[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        left = column(name)
        for part, stopping in others:
            left = left - float(known[name][part]) * stopping
        (missing,) = [p for p in PARTS if float(known[name][p]) > 0 and p not in {part for part, _ in others}]
        return np.asarray(left / float(known[name][missing]))

    carbon = column("carbon")
    hydrogen = rest("polyethylene", ("C", carbon))
    oxygen = rest("water", ("H", hydrogen))
    nitrogen = (carbon + oxygen) / 2
    four = (("H", hydrogen), ("C", carbon), ("N", nitrogen), ("O", oxygen))
    mineral = rest("cortical bone", *four)
    total = np.array(parts) @ np.stack([hydrogen, carbon, nitrogen, oxygen, mineral])
    return np.log(column("energy_mev")), np.log(total)


def _nuclear(energy_mev: NDArray[np.float64], material: Material) -> NDArray[np.float64]:
    """Energy given to nuclei as wholes, universal potential: 0.1 % of the stopping at 1 MeV, 8 % at 10 keV. [MeV cm2/g]"""
    total = np.zeros_like(energy_mev)
    elements = {row["symbol"]: row for row in read_table("nist_xcom", "elements.csv")}
    for symbol, fraction in material.mass_fractions.items():
        z, mass = float(elements[symbol]["z"]), float(elements[symbol]["atomic_weight"])
        size = 2.0**0.23 + z**0.23
        share = ALPHA_MASS_U + mass
        reduced = 32.53 * mass * energy_mev * 1e3 / (2.0 * z * share * size)
        slow = np.log1p(1.1383 * reduced) / (
            2 * (reduced + 0.01321 * reduced**0.21226 + 0.19593 * np.sqrt(reduced))
        )
        fast = np.log(np.maximum(reduced, 1.0)) / (2 * reduced)
        # 1e-15 eV cm2 per atom
        cross_section = 8.462 * 2.0 * z * ALPHA_MASS_U / (share * size) * np.where(reduced <= 30, slow, fast)
        total += fraction * AVOGADRO_PER_MOL / mass * cross_section * 1e-21
    return total


def _checked(energy_mev: ArrayLike) -> NDArray[np.float64]:
    energy = np.asarray(energy_mev, dtype=np.float64)
    if not np.all((energy >= LOWEST_MEV) & (energy <= HIGHEST_MEV)):
        raise OutOfRangeError(
            f"Alpha energies from {np.min(energy):g} to {np.max(energy):g} MeV; stopping power and range are known from "
            f"{LOWEST_MEV} to {HIGHEST_MEV:g} MeV."
        )
    return energy
