"""Photon attenuation and energy absorption of tissues, and attenuation maps from CT numbers."""

from functools import lru_cache
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.materials import Material, material
from lutetia.physics.tables import read_table

Process = Literal["total", "photoelectric", "incoherent", "coherent", "pair"]
"""Interactions of photons; "pair" is pair production in the field of nuclei and of electrons."""

ELECTRON_REST_ENERGY_MEV: Final = 0.51099895
LOWEST_MEV: Final = 0.001
HIGHEST_MEV: Final = 3.0
EFFECTIVE_CT_ENERGY_MEV: Final = 0.075
"""Energy at which a monoenergetic CT sees bone as one at 120 kV does; 0.07 to 0.08 in the literature."""


def mass_attenuation_cm2_per_g(
    material: Material | str, energy_mev: ArrayLike, process: Process = "total"
) -> NDArray[np.float64]:
    """Mass attenuation coefficient of a material, mixed from its elements by mass.

    Parameters
    ----------
    material : Material, or the name of one
    energy_mev : any shape, between 0.001 and 3. [MeV]
    process : one of ``Process``; "total" includes coherent scattering.

    Returns
    -------
    (shape of energy_mev) float64. [cm2/g]

    Raises
    ------
    OutOfRangeError
        An energy outside the tables.
    InputError
        Unknown material, process, or an element without table.

    References
    ----------
    Berger et al., XCOM, NIST Standard Reference Database 8, doi:10.18434/T48G6X.
    """
    if process not in get_args(Process):
        raise InputError(f"No process {process!r}; there are {', '.join(get_args(Process))}.")
    energy = _checked(energy_mev)
    columns = {"pair": ("pair_nuclear", "pair_electron"), "total": _PARTIAL}.get(process, (process,))
    total = np.zeros_like(energy)
    for symbol, fraction in _as_material(material).mass_fractions.items():
        for column in columns:
            total += fraction * _interpolated(symbol, column, energy)
    return total


def mass_energy_absorption_cm2_per_g(material: Material | str, energy_mev: ArrayLike) -> NDArray[np.float64]:
    """Mass energy-absorption coefficient: energy given to electrons, per photon energy and mass thickness.

    With E the photon energy::

        mu_en = mu_photo (1 - X/E) + mu_incoherent f + mu_pair (1 - 2 m c2 / E)

    X is the mean energy of K fluorescence per photoelectric event above the K edge, f the mean fraction of the
    energy transferred in incoherent scattering with bound electrons. Bremsstrahlung of the electrons (1 - g) is
    left out: 0.4 % at 1.5 MeV and 0.9 % at 3 MeV in water.

    Parameters
    ----------
    material : Material, or the name of one
    energy_mev : any shape, between 0.001 and 3. [MeV]

    Returns
    -------
    (shape of energy_mev) float64. [cm2/g]

    References
    ----------
    Definition: Attix, Introduction to Radiological Physics, 1986, chapter 7, doi:10.1002/9783527617135.
    Agrees with Hubbell and Seltzer, NIST SRD 126, doi:10.18434/T4D01F, for water: 0.2 % from 10 keV to 1.5 MeV.
    """
    energy = _checked(energy_mev)
    pair_fraction = np.clip(1.0 - 2.0 * ELECTRON_REST_ENERGY_MEV / energy, 0.0, 1.0)
    total = np.zeros_like(energy)
    for symbol, fraction in _as_material(material).mass_fractions.items():
        edge, fluorescence = _k_fluorescence(symbol)
        kept = np.where(energy > edge, 1.0 - fluorescence / energy, 1.0)
        scattered = _interpolated(symbol, "incoherent_transfer_fraction", energy)
        pairs = _interpolated(symbol, "pair_nuclear", energy) + _interpolated(symbol, "pair_electron", energy)
        total += fraction * (
            _interpolated(symbol, "photoelectric", energy) * kept
            + _interpolated(symbol, "incoherent", energy) * scattered
            + pairs * pair_fraction
        )
    return total


def linear_attenuation_per_cm(material: Material, energy_mev: ArrayLike) -> NDArray[np.float64]:
    """Linear attenuation coefficient at the material's nominal density. [1/cm]"""
    return mass_attenuation_cm2_per_g(material, energy_mev) * material.density_g_per_ml


def linear_attenuation_from_hu(
    hu: NDArray[np.floating], energy_mev: float, *, effective_ct_energy_mev: float = EFFECTIVE_CT_ENERGY_MEV
) -> NDArray[np.float32]:
    """Attenuation map for one photon energy from CT numbers, by the bilinear conversion.

    With mu at the photon energy, mu' at the effective energy of the CT; w water, a air, b cortical bone;
    h = HU/1000::

        h <= 0:  mu = mu_w + h (mu_w - mu_a)
        h > 0:   mu = mu_w + h mu'_w (mu_b - mu_w) / (mu'_b - mu'_w)

    Voxels below 0 HU are mixtures of air and water, those above mixtures of water and bone. Contrast medium and
    metal are taken for bone, so their attenuation comes out too high for contrast medium. Never negative.

    Parameters
    ----------
    hu : any shape, finite. [HU]
    energy_mev : photon energy, for example 0.2084 for 177Lu. [MeV]
    effective_ct_energy_mev : effective energy of the CT beam; the default is for 120 kV. [MeV]

    Returns
    -------
    (same shape) float32. [1/cm]

    Raises
    ------
    InputError
        CT numbers that are not finite.
    OutOfRangeError
        Energy outside the tables.

    References
    ----------
    Form: Blankespoor et al., IEEE Trans Nucl Sci 43, 2263, 1996, doi:10.1109/23.531891; Burger et al., Eur J Nucl
    Med 29, 922, 2002, doi:10.1007/s00259-002-0796-3; measured for SPECT: Brown et al., Appl Radiat Isot 66, 1206,
    2008, doi:10.1016/j.apradiso.2008.01.002. Slopes here are computed, not fitted.
    """
    hu = np.asarray(hu)
    if not np.all(np.isfinite(hu)):
        raise InputError(
            f"{np.count_nonzero(~np.isfinite(hu))} CT numbers are not finite; fill them (air is -1000 HU)."
        )
    water, air, bone = (_linear(name, energy_mev) for name in ("water", "air", "cortical bone"))
    water_ct, bone_ct = (_linear(name, effective_ct_energy_mev) for name in ("water", "cortical bone"))
    below = (water - air) * 1.0e-3
    above = water_ct * (bone - water) / (bone_ct - water_ct) * 1.0e-3
    clipped = np.maximum(hu, -1000.0).astype(np.float32)
    mu: NDArray[np.float32] = clipped * np.where(clipped > 0.0, np.float32(above), np.float32(below))
    mu += np.float32(water)
    return mu


_PARTIAL: Final = ("photoelectric", "incoherent", "coherent", "pair_nuclear", "pair_electron")


def _linear(name: str, energy_mev: float) -> float:
    return float(linear_attenuation_per_cm(material(name), energy_mev))


def _as_material(given: Material | str) -> Material:
    return material(given) if isinstance(given, str) else given


def _checked(energy_mev: ArrayLike) -> NDArray[np.float64]:
    energy = np.asarray(energy_mev, dtype=np.float64)
    if not np.all((energy >= LOWEST_MEV) & (energy <= HIGHEST_MEV)):
        low, high = (float(f(energy)) for f in (np.min, np.max))
        raise OutOfRangeError(
            f"Photon energies from {low:g} to {high:g} MeV; the attenuation tables hold from {LOWEST_MEV} MeV to "
            f"{HIGHEST_MEV} MeV. Leave out lines below, they are absorbed on the spot."
        )
    return energy


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, NDArray[np.float64]]]:
    """Element -> column -> values over increasing energy."""
    grouped: dict[str, list[dict[str, str]]] = {}
    for row in read_table("nist_xcom", "cross_sections.csv"):
        grouped.setdefault(row["symbol"], []).append(row)
    return {
        symbol: {name: np.array([float(r[name]) for r in rows]) for name in rows[0] if name != "symbol"}
        for symbol, rows in grouped.items()
    }


def _interpolated(symbol: str, column: str, energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-log between the energies of the table; zero below the threshold of pair production."""
    tables = _tables()
    if symbol not in tables:
        raise InputError(f"No photon cross sections for element {symbol!r}; there are {', '.join(tables)}.")
    values = tables[symbol][column]
    positive = values > 0.0
    logs = np.interp(np.log(energy), np.log(tables[symbol]["energy_mev"][positive]), np.log(values[positive]))
    threshold = tables[symbol]["energy_mev"][positive][0]
    return np.where(energy < threshold * (1.0 - 1e-12), 0.0, np.exp(logs))


@lru_cache(maxsize=128)
def _k_fluorescence(symbol: str) -> tuple[float, float]:
    for row in read_table("nist_xcom", "elements.csv"):
        if row["symbol"] == symbol:
            return float(row["k_edge_mev"]), float(row["k_fluorescence_mev_per_event"])
    raise InputError(f"No element {symbol!r} in the table of photon cross sections.")
