"""Atoms as photons see them: form factors, scattering functions, and the K shells that answer with X rays."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.physics.materials import Material
from lutetia.physics.tables import read_table

PER_ANGSTROM_PER_MEV = 80.6554394
"""Energy over h c: x = sin(theta/2) E / (h c). [1/(angstrom MeV)]"""


@dataclass(frozen=True, kw_only=True, slots=True)
class KShell:
    """What a vacancy in the K shell of an element leads to.

    Attributes
    ----------
    edge_mev : binding energy. [MeV]
    share : of photoelectric absorption above the edge that ionises the K shell
    fluorescence_yield : chance that a vacancy is filled with a K line, not with Auger electrons
    lines_mev : energies of K-alpha1, K-alpha2 and, averaged, K-beta. [MeV]
    line_shares : chances of these three; they sum to 1
    """

    edge_mev: float
    share: float
    fluorescence_yield: float
    lines_mev: tuple[float, float, float]
    line_shares: tuple[float, float, float]


@lru_cache(maxsize=1)
def k_shells() -> Mapping[str, KShell]:
    """K shells by element, of those whose K lines are above 3 keV.

    References
    ----------
    Schoonjans et al., Spectrochim Acta B 66, 776, 2011, doi:10.1016/j.sab.2011.09.011.
    """
    lines = ("k_alpha1", "k_alpha2", "k_beta")
    found = {}
    for row in read_table("xraylib_k_shells", "k_shells.csv"):
        energies = tuple(float(row[f"{line}_mev"]) for line in lines)
        shares = np.array([float(row[f"{line}_share"]) for line in lines])
        first, second, third = (shares / shares.sum()).tolist()
        found[row["symbol"]] = KShell(
            edge_mev=float(row["k_edge_mev"]),
            share=float(row["k_share"]),
            fluorescence_yield=float(row["fluorescence_yield"]),
            lines_mev=(energies[0], energies[1], energies[2]),
            line_shares=(first, second, third),
        )
    return MappingProxyType(found)


@lru_cache(maxsize=1)
def atomic_weights() -> Mapping[str, tuple[int, float]]:
    """Atomic number and weight [g/mol] by element."""
    rows = read_table("nist_xcom", "elements.csv")
    return MappingProxyType({row["symbol"]: (int(row["z"]), float(row["atomic_weight"])) for row in rows})


def form_factor_squared(material: Material, x_per_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Mean square of the form factor per mass of a material of free atoms, :math:`\sum_i w_i F_i^2(x) / A_i`.

    Parameters
    ----------
    material : elements by mass
    x_per_angstrom : sin(theta/2) over the wavelength; from 25 on the value there. [1/angstrom]

    Returns
    -------
    (shape of x) float64. [mol/g]

    References
    ----------
    Cullen, Hubbell, Kissel, EPDL97, UCRL-50400 vol. 6 rev. 5, 1997, doi:10.2172/295438.
    """
    total = np.zeros_like(x_per_angstrom)
    for symbol, fraction in material.mass_fractions.items():
        x, factor = _column("form_factors.csv", symbol)
        # log-log, as the form factors fall by powers; the first interval, from 0, is flat
        logs = np.interp(
            np.log(np.maximum(x_per_angstrom, x[1])), np.log(x[1:]), np.log(np.maximum(factor[1:], 1e-12))
        )
        inner = np.interp(x_per_angstrom, x[:2], factor[:2])
        values = np.where(x_per_angstrom < x[1], inner, np.exp(logs))
        total += fraction / atomic_weights()[symbol][1] * values**2
    return total


def scattering_function(material: Material, x_per_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Share of the electrons of a material that scatter incoherently, :math:`\sum w S(x)/A / \sum w Z/A`.

    Parameters
    ----------
    material : elements by mass
    x_per_angstrom : sin(theta/2) over the wavelength. [1/angstrom]

    Returns
    -------
    (shape of x) float64, from 0 to 1, never falling

    References
    ----------
    Cullen, Hubbell, Kissel, EPDL97, UCRL-50400 vol. 6 rev. 5, 1997, doi:10.2172/295438.
    """
    total, electrons = np.zeros_like(x_per_angstrom), 0.0
    for symbol, fraction in material.mass_fractions.items():
        z, weight = atomic_weights()[symbol]
        x, free = _column("scattering_functions.csv", symbol)
        # even in x / (x + 1); 128 parts of it
        values = np.interp(x_per_angstrom / (x_per_angstrom + 1.0), x / (x + 1.0), np.maximum.accumulate(free))
        total += fraction / weight * values
        electrons += fraction * z / weight
    return total / electrons


@lru_cache(maxsize=128)
def _column(name: str, symbol: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = read_table("epdl97_form_factors", name)
    if symbol not in rows[0]:
        known = [key for key in rows[0] if key != "x_per_angstrom"]
        raise InputError(f"No form factors of element {symbol!r}; there are {', '.join(known)}.")
    x = np.array([float(row["x_per_angstrom"]) for row in rows])
    return x, np.array([float(row[symbol]) for row in rows])
