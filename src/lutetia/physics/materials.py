"""Tissues: elemental composition and density, and what a CT number says about both (Schneider 2000)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.physics.tables import read_table


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """Elements by mass and density of a tissue.

    Attributes
    ----------
    name : lower case
    density_g_per_ml : nominal density. [g/mL]
    mass_fractions : element symbol -> fraction of the mass; they sum to 1
    source : publication
    """

    name: str
    density_g_per_ml: float
    mass_fractions: Mapping[str, float]
    source: str


@lru_cache(maxsize=1)
def materials() -> Mapping[str, Material]:
    """All tissues by name (ICRP 110, ICRU 46, NIST): water, air, soft tissue, kidney, cortical bone, ..."""
    rows = read_table("icrp_110_icru_46", "tissues.csv")
    return MappingProxyType({row["material"]: _material_of(row, row["source"]) for row in rows})


def material(name: str) -> Material:
    """Look up a tissue by name.

    Raises
    ------
    InputError
        Unknown name; the message lists the known ones.
    """
    known = materials()
    if name not in known:
        raise InputError(f"No material {name!r}; there are {', '.join(sorted(known))}.")
    return known[name]


def density_from_hu(hu: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mass density from CT numbers, piecewise linear.

    Below -1000 HU the density is that of air (1.21e-3 g/mL); above 3000 HU it stays at 2.8 g/mL, which is too
    little for metal. The fit steps *down* from 1.120 to 1.076 g/mL between 100 and 101 HU, from contrasted soft
    tissue to marrow-filled bone; it is reproduced as published.

    Parameters
    ----------
    hu : any shape, finite. [HU]

    Returns
    -------
    (same shape) float32. [g/mL]

    Raises
    ------
    InputError
        When a CT number is not finite.

    References
    ----------
    Schneider, Bortfeld, Schlegel, Phys Med Biol 45, 459, 2000, doi:10.1088/0031-9155/45/2/314.
    """
    nodes, density = _density_nodes()
    interpolated: NDArray[np.float64] = np.interp(_finite(hu), nodes, density)
    return interpolated.astype(np.float32)


@lru_cache(maxsize=1)
def hu_materials() -> tuple[Material, ...]:
    """Materials that ``material_index_from_hu`` refers to, from air over lung and soft tissue to dense bone.

    The density of each is the mean of ``density_from_hu`` over its bin; transport should use the density of the
    voxel instead.
    """
    rows = read_table("schneider_2000", "materials.csv")
    edges = [float(row["lowest_hu"]) for row in rows] + [1600.0]
    centres = [0.5 * (low + high) for low, high in pairwise(edges)]
    density = density_from_hu(np.array(centres))
    named = [{**row, "density_g_per_ml": str(value)} for row, value in zip(rows, density, strict=True)]
    return tuple(_material_of(row, "Schneider 2000") for row in named)


def material_index_from_hu(hu: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Which of ``hu_materials()`` a CT number stands for.

    Everything below -950 HU is air; everything above 1500 HU is the densest bone, metal included.

    Parameters
    ----------
    hu : any shape, finite. [HU]

    Returns
    -------
    (same shape) uint8 index into ``hu_materials()``.

    References
    ----------
    Schneider, Bortfeld, Schlegel, Phys Med Biol 45, 459, 2000, table 2, doi:10.1088/0031-9155/45/2/314.
    """
    lowest = np.array([float(row["lowest_hu"]) for row in read_table("schneider_2000", "materials.csv")])
    index: NDArray[np.uint8] = np.searchsorted(lowest[1:], _finite(hu), side="right").astype(np.uint8)
    return index


@lru_cache(maxsize=1)
def _density_nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = read_table("schneider_2000", "densities.csv")
    return np.array([float(r["hu"]) for r in rows]), np.array([float(r["density_g_per_ml"]) for r in rows])


def _material_of(row: Mapping[str, str], source: str) -> Material:
    described = ("material", "density_g_per_ml", "source", "lowest_hu")
    parts = {symbol: float(text) for symbol, text in row.items() if symbol not in described and float(text) > 0.0}
    total = sum(parts.values())  # percent or fractions, off by rounding
    return Material(
        name=row["material"],
        density_g_per_ml=float(row["density_g_per_ml"]),
        mass_fractions=MappingProxyType({symbol: part / total for symbol, part in parts.items()}),
        source=source,
    )


def _finite(hu: NDArray[np.floating]) -> NDArray[np.floating]:
    hu = np.asarray(hu)
    if not np.all(np.isfinite(hu)):
        raise InputError(
            f"{np.count_nonzero(~np.isfinite(hu))} CT numbers are not finite; fill them (air is -1000 HU)."
        )
    return hu
