"""Marrow in a spherical cavity of bone: alphas from the bone's surface, from the bone and from the marrow itself."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.physics.alpha_stopping import alpha_ranges
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import material
from lutetia.units import CM_PER_UM, GY_PER_MEV_PER_G

CavitySource = Literal["surface", "bone", "marrow"]
BONE: Final = "cortical bone"
MARROW: Final = "red marrow"
N_START: Final = 96
N_DIRECTION: Final = 400

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cavity:
    """A sphere of marrow in bone.

    Attributes
    ----------
    radius_um : of the marrow. [um]
    layer_um : thickness of the shallow marrow (or endosteum) next to the bone, for example 50 or 10. [um]
    bone_um : thickness of the bone around it that holds activity; what lies deeper than a range does not reach. [um]
    """

    radius_um: float
    layer_um: float
    bone_um: float = 0.0

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be."""
        if not (0 < self.layer_um <= self.radius_um and self.bone_um >= 0):
            raise InputError(
                f"Cavity of radius {self.radius_um:g} um with a layer of {self.layer_um:g} um in {self.bone_um:g} um of "
                "bone; expected 0 < layer <= radius, and no negative thickness."
            )

    @property
    def core_um(self) -> float:
        """Radius of the marrow within the layer. [um]"""
        return self.radius_um - self.layer_um

    @property
    def marrow_mass_g(self) -> float:
        """Mass of all marrow. [g]"""
        return float(4 / 3 * np.pi * (self.radius_um * CM_PER_UM) ** 3 * material(MARROW).density_g_per_ml)

    @property
    def layer_mass_g(self) -> float:
        """Mass of the layer. [g]"""
        return self.marrow_mass_g * (1 - (self.core_um / self.radius_um) ** 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class CavityDose:
    """Alpha and recoil energy of one decay in the marrow of a cavity.

    Attributes
    ----------
    nuclide, source : names; progeny are not included
    marrow_mev, layer_mev, emitted_mev : energy per decay in all marrow, in the layer, and emitted. [MeV]
    marrow_gy_per_bq_s, layer_gy_per_bq_s : absorbed dose per decay. [Gy/(Bq s)]
    """

    nuclide: str
    source: CavitySource
    marrow_mev: float
    layer_mev: float
    emitted_mev: float
    marrow_gy_per_bq_s: float
    layer_gy_per_bq_s: float

    @property
    def layer_to_marrow(self) -> float:
        """Dose of the layer over the mean dose of the marrow."""
        return self.layer_gy_per_bq_s / self.marrow_gy_per_bq_s


def cavity_dose(nuclide: str, cavity: Cavity, source: CavitySource) -> CavityDose:
    """Absorbed dose by alphas and recoil of a cavity's marrow and of its outermost layer.

    Straight tracks that slow down continuously, in cortical bone by its own ranges, then in red marrow. Of tracks that
    start on the surface half go into the bone and are lost, and so is half of the recoil.

    Parameters
    ----------
    nuclide : progeny are not included
    cavity : sizes
    source : "surface" of the bone, "bone" (evenly in ``bone_um`` of it), or "marrow"

    Raises
    ------
    InputError
        An unknown source; activity in bone of no thickness; a nuclide without alphas.
    """
    found = emissions(nuclide)
    if found.alpha_energy_mev == 0:
        raise InputError(f"{found.name} emits no alphas; electrons reach all marrow (lutetia marrow).")
    marrow = layer = 0.0
    s, weight = _starts(cavity, source)
    for energy, count in zip(found.alpha.energy_mev, found.alpha.yield_per_decay, strict=True):
        whole, core = _left(float(energy), cavity, s, weight)
        marrow += count * whole
        layer += count * (whole - core)
    recoil = found.recoil_energy_mev * {"surface": 0.5, "bone": 0.0, "marrow": 1.0}[source]
    recoil_layer = recoil * (1 - (cavity.core_um / cavity.radius_um) ** 3 if source == "marrow" else 1.0)
    marrow, layer = float(marrow + recoil), float(layer + recoil_layer)
    return CavityDose(
        nuclide=found.name,
        source=source,
        marrow_mev=marrow,
        layer_mev=layer,
        emitted_mev=found.alpha_energy_mev + found.recoil_energy_mev,
        marrow_gy_per_bq_s=marrow / cavity.marrow_mass_g * GY_PER_MEV_PER_G,
        layer_gy_per_bq_s=layer / cavity.layer_mass_g * GY_PER_MEV_PER_G,
    )


def _starts(cavity: Cavity, source: CavitySource) -> tuple[Array, Array]:
    """Distances of source points from the centre [um] and their shares."""
    if source == "surface":
        return np.array([cavity.radius_um]), np.ones(1)
    if source not in ("bone", "marrow"):
        raise InputError(f"Source {source!r} of a cavity; expected surface, bone or marrow.")
    if source == "bone" and cavity.bone_um == 0:
        raise InputError("Activity in bone needs its thickness (bone_um).")
    bone = source == "bone"
    ends = (cavity.radius_um, cavity.radius_um + cavity.bone_um) if bone else (0.0, cavity.radius_um)
    node, width = np.polynomial.legendre.leggauss(N_START)
    # several panels, since tracks of a given range start to reach somewhere between
    edges = np.linspace(*ends, 9)
    half = np.diff(edges) / 2
    s = ((edges[:-1] + half)[:, None] + half[:, None] * node).ravel()
    weight = (half[:, None] * width).ravel() * s**2
    return s, weight / weight.sum()


def _left(energy_mev: float, cavity: Cavity, s: Array, weight: Array) -> tuple[float, float]:
    """Mean energy that an alpha leaves in all marrow and in what lies within the layer. [MeV]"""
    # cosine to the outward direction; from outside only tracks within the cone of the cavity count
    widest = np.where(s > cavity.radius_um, np.sqrt(np.maximum(1 - (cavity.radius_um / s) ** 2, 0)), -1.0)
    node, width = np.polynomial.legendre.leggauss(N_DIRECTION)
    low, high = -1.0, np.where(s > cavity.radius_um, -widest, np.where(s < cavity.radius_um, 1.0, 0.0))
    half = (high - low) / 2
    u = (low + half)[:, None] + half[:, None] * node
    share = half[:, None] * width / 2
    middle = -s[:, None] * u
    across2 = (s[:, None] ** 2) * (1 - u**2)
    chord = np.sqrt(np.maximum(cavity.radius_um**2 - across2, 0))
    inner = np.sqrt(np.maximum(cavity.core_um**2 - across2, 0))
    enters = np.maximum(middle - chord, 0)
    in_bone = np.where(s[:, None] > cavity.radius_um, enters, 0.0)
    start = _after_bone(energy_mev, in_bone)
    ways = (middle + chord - enters, np.maximum(middle - inner - enters, 0), np.maximum(middle + inner - enters, 0))
    out, core_in, core_out = (_in_marrow(start, way) for way in ways)
    mean = weight[:, None] * share
    return float((mean * (start - out)).sum()), float((mean * (core_in - core_out)).sum())


def _after_bone(energy_mev: float, way_um: Array) -> Array:
    energy, reach = alpha_ranges(material(BONE))
    left = np.interp(energy_mev, energy, reach) - way_um * CM_PER_UM * material(BONE).density_g_per_ml
    return np.asarray(np.interp(left, np.r_[0.0, reach], np.r_[0.0, energy]))


def _in_marrow(start_mev: Array, way_um: Array) -> Array:
    energy, reach = (np.r_[0.0, column] for column in alpha_ranges(material(MARROW)))
    left = np.interp(start_mev, energy, reach) - way_um * CM_PER_UM * material(MARROW).density_g_per_ml
    return np.asarray(np.interp(left, reach, energy))
