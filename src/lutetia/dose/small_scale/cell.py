"""S coefficients of cells: nucleus, cytoplasm and whole cell from activity in, on or beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from lutetia.dose.small_scale.distances import SourcePoints, chances, source_points
from lutetia.dose.small_scale.hits import hits_per_decay
from lutetia.dose.small_scale.tracks import ElectronModel, absorbed_by_radiation
from lutetia.dose.sphere import ByRadiation
from lutetia.errors import InputError
from lutetia.physics.chains import Member, chain, chain_decays
from lutetia.physics.emissions import emissions
from lutetia.units import CM_PER_UM, GY_PER_MEV_PER_G

Source = Literal["nucleus", "cytoplasm", "cell", "surface"]
Target = Literal["nucleus", "cytoplasm", "cell"]
SOURCES: Final[tuple[Source, ...]] = ("nucleus", "cytoplasm", "cell", "surface")
TARGETS: Final[tuple[Target, ...]] = ("nucleus", "cytoplasm", "cell")
KINDS: Final = ("electrons", "photons", "alpha", "recoil")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A spherical cell with a nucleus in its middle.

    Attributes
    ----------
    radius_um, nucleus_radius_um : [um]
    density_g_per_ml : of the cell and of all around it; water otherwise
    """

    radius_um: float
    nucleus_radius_um: float
    density_g_per_ml: float = 1.0

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be."""
        if not (0 < self.nucleus_radius_um < self.radius_um and self.density_g_per_ml > 0):
            raise InputError(
                f"Cell of radius {self.radius_um:g} um, nucleus {self.nucleus_radius_um:g} um, "
                f"{self.density_g_per_ml:g} g/mL; expected 0 < nucleus < cell and a positive density."
            )

    def shell_um(self, region: str) -> tuple[float, float]:
        """Inner and outer radius of a region; equal for the surface. [um]"""
        radii = {
            "nucleus": (0.0, self.nucleus_radius_um),
            "cytoplasm": (self.nucleus_radius_um, self.radius_um),
            "cell": (0.0, self.radius_um),
            "surface": (self.radius_um, self.radius_um),
        }
        if region not in radii:
            raise InputError(f"No region {region!r} of a cell; expected one of {', '.join(radii)}.")
        return radii[region]

    def mass_g(self, region: str) -> float:
        """Mass of a region. [g]"""
        inner, outer = self.shell_um(region)
        return float(4 / 3 * np.pi * (outer**3 - inner**3) * CM_PER_UM**3 * self.density_g_per_ml)

    def points(self, source: str, target_radius_um: float, distance_um: float) -> SourcePoints:
        """Distances of the points of a region from the centre of a target."""
        inner, outer = self.shell_um(source)
        return source_points(
            inner_um=inner, outer_um=outer, distance_um=distance_um, target_radius_um=target_radius_um
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CellDose:
    """What one decay in a region of a cell leaves in a region of the same cell or of another.

    Attributes
    ----------
    nuclide, source, target : names; progeny are not included
    distance_um : between the centres, 0 for the cell itself. [um]
    absorbed : energy per decay by radiation
    target_mass_g : [g]
    hits_per_decay : alphas per decay that touch the target; of the cytoplasm, that touch the whole cell
    """

    nuclide: str
    source: Source
    target: Target
    distance_um: float
    absorbed: ByRadiation
    target_mass_g: float
    hits_per_decay: float

    @property
    def s_gy_per_bq_s(self) -> float:
        """S coefficient, absorbed dose per decay without weighting. [Gy/(Bq s)]"""
        return self.absorbed.total / self.target_mass_g * GY_PER_MEV_PER_G

    @property
    def high_let_gy_per_bq_s(self) -> float:
        """S coefficient of alphas and recoil. [Gy/(Bq s)]"""
        return (self.absorbed.alpha + self.absorbed.recoil) / self.target_mass_g * GY_PER_MEV_PER_G


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainCellDose:
    """The members of a chain that decay at one place, and their sum.

    Attributes
    ----------
    members : decays per decay of the parent, and the dose of a decay
    """

    members: tuple[tuple[float, CellDose], ...]

    @property
    def s_gy_per_bq_s(self) -> float:
        """Absorbed dose per decay of the parent. [Gy/(Bq s)]"""
        return sum(n * dose.s_gy_per_bq_s for n, dose in self.members)

    @property
    def high_let_gy_per_bq_s(self) -> float:
        """Absorbed dose of alphas and recoil per decay of the parent. [Gy/(Bq s)]"""
        return sum(n * dose.high_let_gy_per_bq_s for n, dose in self.members)

    @property
    def hits_per_decay(self) -> float:
        """Alphas per decay of the parent that touch the target."""
        return sum(n * dose.hits_per_decay for n, dose in self.members)


def cell_dose(
    nuclide: str,
    cell: Cell,
    *,
    source: Source,
    target: Target = "nucleus",
    distance_um: float = 0.0,
    electrons: ElectronModel = "transport",
) -> CellDose:
    r"""Absorbed dose of a region of a cell per decay in a region of it, or of an equal cell beside it.

    .. math:: S = \frac{1}{m} \sum_i y_i \int_0^{R_i} \frac{dE_i}{dx}(R_i - r)\, \psi(r)\, dr

    with :math:`\psi` the share of the sphere of radius r around a point of the source that lies in the target, averaged
    over the source. Alphas go straight by ICRU 49. Electrons by ``electrons``: kernels of our own transport (default), or
    straight with the range of Cole 1969, as the published cellular S values, or of ICRU 37.

    Parameters
    ----------
    nuclide : progeny are not included (``chain_cell_dose``)
    cell : sizes
    source, target : regions; the activity fills the source evenly
    distance_um : between the centres, 0 for self-dose, at least twice the radius otherwise. [um]
    electrons : how electrons travel

    Raises
    ------
    InputError
        Unknown names, cells that overlap.

    References
    ----------
    Goddu SM, Rao DV, Howell RW, J Nucl Med 35 (1994) 303-316 and 521-530; Goddu et al., MIRD Cellular S Values, Society
    of Nuclear Medicine 1997; Vaziri et al. (MIRD 25), J Nucl Med 55 (2014) 1557, doi:10.2967/jnumed.113.131037.
    """
    if distance_um and not distance_um >= 2 * cell.radius_um * (1 - 1e-9):
        raise InputError(f"Cells of radius {cell.radius_um:g} um, {distance_um:g} um apart, overlap.")
    return _cell_dose(emissions(nuclide).name, cell, source, target, distance_um, electrons)


@lru_cache(maxsize=4096)
def _cell_dose(
    nuclide: str, cell: Cell, source: Source, target: Target, distance_um: float, electrons: ElectronModel
) -> CellDose:
    inner, outer = cell.shell_um(target)
    if inner == outer:
        raise InputError(f"A {target} has no mass; expected one of {', '.join(TARGETS)} as the target.")
    absorbed = _in_sphere(nuclide, cell, source, outer, distance_um, electrons)
    hits = hits_per_decay(nuclide, cell.points(source, outer, distance_um), outer, cell.density_g_per_ml)
    if inner > 0:
        hole = _in_sphere(nuclide, cell, source, inner, distance_um, electrons)
        absorbed = ByRadiation(**{k: max(getattr(absorbed, k) - getattr(hole, k), 0.0) for k in KINDS})
    return CellDose(
        nuclide=nuclide,
        source=source,
        target=target,
        distance_um=distance_um,
        absorbed=absorbed,
        target_mass_g=cell.mass_g(target),
        hits_per_decay=hits,
    )


def _in_sphere(
    nuclide: str, cell: Cell, source: Source, radius_um: float, distance_um: float, electrons: ElectronModel
) -> ByRadiation:
    r, psi = chances(cell.points(source, radius_um, distance_um), radius_um)
    return absorbed_by_radiation((r * CM_PER_UM * cell.density_g_per_ml, psi), nuclide, electrons)


def chain_members(parent: str, duration_s: float, *, without: tuple[str, ...] = ()) -> dict[str, float]:
    """Decays of a nuclide and its progeny within a time, per decay of the parent, at the place of the parent.

    Parameters
    ----------
    parent : nuclide
    duration_s : from a pure parent on; infinity only where no member that stays lives longer than a year. [s]
    without : daughters that leave before they decay; what follows from them alone leaves with them

    Raises
    ------
    InputError
        A name in ``without`` that is no daughter; infinity with 207Bi or its like.
    """
    whole = chain(parent)
    gone = {whole.member(name).name for name in without}
    if whole.parent in gone:
        raise InputError(f"{whole.parent} is the parent; only daughters can leave before they decay.")
    kept: dict[str, Member] = {}
    for member in whole.members:
        mothers = {branch.mother for branch in whole.branches if branch.daughter == member.name}
        if member.name not in gone and (member.name == whole.parent or mothers & set(kept)):
            kept[member.name] = member
    branches = tuple(b for b in whole.branches if b.mother in kept and b.daughter not in gone)
    staying = replace(whole, members=tuple(kept.values()), branches=branches)
    found = chain_decays(staying, horizon_s=duration_s, activity_bq=1.0).per_parent_decay
    return {name: decays for name, decays in found.items() if decays > 0}


def chain_cell_dose(
    members: Mapping[str, float],
    cell: Cell,
    *,
    source: Source,
    target: Target = "nucleus",
    distance_um: float = 0.0,
    electrons: ElectronModel = "transport",
) -> ChainCellDose:
    """As ``cell_dose`` for several nuclides at one place.

    Parameters
    ----------
    members : decays of each nuclide per decay of the parent, for example by ``chain_members``; what is not named is not
        counted
    """
    if not members or any(not n >= 0 for n in members.values()):
        raise InputError(f"Decays per decay of the parent: {dict(members)}; expected some, none negative.")
    doses = (
        (n, cell_dose(name, cell, source=source, target=target, distance_um=distance_um, electrons=electrons))
        for name, n in members.items()
    )
    return ChainCellDose(members=tuple(doses))
