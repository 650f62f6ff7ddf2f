"""What a material is to a fast electron: electrons per gram, mean excitation energy, density effect."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import MissingDataError
from lutetia.physics.materials import Material
from lutetia.physics.tables import read_table

PUBLISHED_EXCITATION_EV: Final = {"soft tissue": 74.9, "soft tissue icrp": 72.3}
"""Compositions of ICRU 37 whose density effect is left to the general recipe. [eV]"""
GAS_G_PER_ML: Final = 0.02
"""Materials lighter than this are taken as gases (the lightest tissue, inflated lung, has 0.2 g/mL)."""
FOAM_G_PER_ML: Final = 0.9
"""Between gas and this, a material is tissue of 1.05 g/mL beside air, whose density effect is that of the tissue."""

NEAR: Final = 0.2
"""How near a published material's high-energy limit must be for its shape to be taken."""
GASES: Final = (
    (10.0, 1.6, 4.0), (10.5, 1.7, 4.0), (11.0, 1.8, 4.0), (11.5, 1.9, 4.0), (12.25, 2.0, 4.0), (13.804, 2.0, 5.0),
)  # fmt: skip
"""Limit of C, beginning and completion of the density effect of gases (Sternheimer and Peierls)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Electrons:
    """Electrons of a material as a fast electron meets them.

    Attributes
    ----------
    z_over_a : electrons per molar mass. [mol/g]
    mean_excitation_ev : of the material
    c, x0, x1, a, k : Sternheimer's parameters of the density effect
    """

    z_over_a: float
    mean_excitation_ev: float
    c: float
    x0: float
    x1: float
    a: float
    k: float

    def density_effect(self, tau: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density effect delta at kinetic energies ``tau`` in electron rest energies."""
        x = 0.5 * np.log10(tau * (tau + 2.0))  # log10 of momentum in units of m c
        delta = 2.0 * np.log(10.0) * x - self.c
        delta += np.where(x < self.x1, self.a * np.maximum(self.x1 - x, 0.0) ** self.k, 0.0)
        return np.where(x < self.x0, 0.0, delta)


@lru_cache(maxsize=1)
def atoms() -> dict[str, tuple[int, float]]:
    """Atomic number and weight of the elements that cross sections are tabulated for."""
    return {r["symbol"]: (int(r["z"]), float(r["atomic_weight"])) for r in read_table("nist_xcom", "elements.csv")}


def electrons_of(material: Material) -> Electrons:
    """Electrons per gram, I value and density effect.

    Water and air as published; elsewhere the I value of Bragg additivity with the condensed elements of ICRU 37 (or
    the published one). The density effect depends on the nominal density through its high-energy limit; its approach
    to it has the shape published for the tissue nearest to it in that limit, or, far from all of them, that of
    Sternheimer and Peierls.

    Raises
    ------
    MissingDataError
        An element that is not tabulated.

    References
    ----------
    ICRU Report 37, 1984; Sternheimer, Peierls, Phys Rev B 3, 3681, 1971, doi:10.1103/PhysRevB.3.3681.
    """
    for row in read_table("sternheimer_1984", "materials.csv"):
        if row["material"] == material.name:
            names = ("z_over_a", "mean_excitation_ev", "c", "x0", "x1", "a", "k")
            return Electrons(**{name: float(row[name]) for name in names})
    known = atoms()
    missing = sorted(set(material.mass_fractions) - (set(known) & set(_excitation_ev("element_ev"))))
    if missing:
        raise MissingDataError(f"No electron data for {', '.join(missing)} in {material.name!r}.")
    z_over_a = sum(w * known[s][0] / known[s][1] for s, w in material.mass_fractions.items())
    excitation = PUBLISHED_EXCITATION_EV.get(material.name) or _bragg_ev(material, z_over_a)
    return _general(material.density_g_per_ml, z_over_a, excitation)


def _excitation_ev(column: str) -> dict[str, float]:
    """I values of elements."""
    return {row["symbol"]: float(row[column]) for row in read_table("icru_37", "mean_excitation.csv")}


def _bragg_ev(material: Material, z_over_a: float) -> float:
    gas = material.density_g_per_ml < GAS_G_PER_ML or len(material.mass_fractions) == 1
    column = "element_ev" if gas else "condensed_ev"
    table, known = _excitation_ev(column), atoms()
    logs = sum(w * known[s][0] / known[s][1] * np.log(table[s]) for s, w in material.mass_fractions.items())
    return float(np.exp(logs / z_over_a))


def _general(density_g_per_ml: float, z_over_a: float, excitation_ev: float) -> Electrons:
    foam = GAS_G_PER_ML < density_g_per_ml < FOAM_G_PER_ML
    plasma_ev = 28.816 * np.sqrt((1.05 if foam else density_g_per_ml) * z_over_a)
    c = float(1.0 + 2.0 * np.log(excitation_ev / plasma_ev))
    x0, x1, k = _shape(density_g_per_ml, c, excitation_ev)
    a = float((c - 2.0 * np.log(10.0) * x0) / (x1 - x0) ** k)
    return Electrons(z_over_a=z_over_a, mean_excitation_ev=excitation_ev, c=c, x0=x0, x1=x1, a=a, k=k)


def _shape(density_g_per_ml: float, c: float, excitation_ev: float) -> tuple[float, float, float]:
    """Where the density effect begins and is complete, and its exponent."""
    rows = read_table("sternheimer_1984", "materials.csv")
    nearest = min(rows, key=lambda row: abs(float(row["c"]) - c))
    if abs(float(nearest["c"]) - c) < NEAR:
        return float(nearest["x0"]), float(nearest["x1"]), float(nearest["k"])
    if density_g_per_ml < GAS_G_PER_ML:
        return next(((low, high, 3.0) for limit, low, high in GASES if c < limit), (0.326 * c - 2.5, 5.0, 3.0))
    if excitation_ev < 100.0:
        return (0.2 if c < 3.681 else 0.326 * c - 1.0), 2.0, 3.0
    return (0.2 if c < 5.215 else 0.326 * c - 1.5), 3.0, 3.0
