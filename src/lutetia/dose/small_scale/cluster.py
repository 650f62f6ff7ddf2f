"""Clusters of equal cells of which some carry activity: dose, hits and survival of the nuclei."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.small_scale.cell import Cell, ChainCellDose, Source, chain_cell_dose
from lutetia.dose.small_scale.tracks import ElectronModel
from lutetia.errors import InputError, OutOfRangeError

Packing = Literal["cubic", "hexagonal"]
MOST_CELLS: Final = 20_000
"""Every pair of cells is visited."""
N_DISTANCES: Final = 48
N_FAR: Final = 24
NEAR_UM: Final = 100.0
ROWS_AT_ONCE: Final = 500

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A ball of equal cells on a lattice.

    Attributes
    ----------
    cell : sizes
    radius_um : cells whose centres lie within it belong to the cluster. [um]
    spacing_um : between the centres of nearest neighbours. [um]
    packing : simple cubic (6 nearest neighbours) or hexagonal closest (12)
    """

    cell: Cell
    radius_um: float
    spacing_um: float
    packing: Packing = "hexagonal"

    def __post_init__(self) -> None:
        """Refuse cells that overlap and clusters without a cell."""
        if not (self.spacing_um >= 2 * self.cell.radius_um * (1 - 1e-9) and self.radius_um > 0):
            raise InputError(
                f"Cells of radius {self.cell.radius_um:g} um, {self.spacing_um:g} um apart in a cluster of "
                f"{self.radius_um:g} um; expected a spacing of at least {2 * self.cell.radius_um:g} um."
            )
        if self.packing not in ("cubic", "hexagonal"):
            raise InputError(f"Packing {self.packing!r}; expected cubic or hexagonal.")

    def centres_um(self) -> Array:
        """Centres of the cells, the first one in the middle: (n, 3). [um]"""
        n = int(np.ceil(self.radius_um / self.spacing_um * 1.3)) + 2
        if (2 * n + 1) ** 3 > 400 * MOST_CELLS:
            raise OutOfRangeError(self._too_many("far more"))
        i, j, k = (g.ravel().astype(float) for g in np.meshgrid(*[np.arange(-n, n + 1)] * 3, indexing="ij"))
        if self.packing == "cubic":
            points = np.stack([i, j, k], axis=1)
        else:
            odd = np.mod(k, 2)
            x = i + 0.5 * np.mod(j + odd, 2)
            points = np.stack([x, np.sqrt(3) / 2 * (j + odd / 3), np.sqrt(6) / 3 * k], axis=1)
        points *= self.spacing_um
        away = np.linalg.norm(points, axis=1)
        inside = away <= self.radius_um * (1 + 1e-9)
        if int(inside.sum()) > MOST_CELLS:
            raise OutOfRangeError(self._too_many(f"{int(inside.sum())}"))
        return np.asarray(points[inside][np.argsort(away[inside], kind="stable")])

    def _too_many(self, found: str) -> str:
        return (
            f"A cluster of {self.radius_um:g} um with cells {self.spacing_um:g} um apart has {found} cells; at most "
            f"{MOST_CELLS} are followed. Larger ones are spheres (lutetia sphere)."
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClusterDose:
    """Nuclei of a cluster.

    Attributes
    ----------
    labelled : (n,) cells that carry activity
    self_gy, cross_gy : (n,) mean absorbed dose of each nucleus by its own cell and by all others. [Gy]
    high_let_gy : (n,) of it by alphas and recoil. [Gy]
    hits : (n,) mean number of alphas that touch each nucleus
    """

    labelled: NDArray[np.bool_]
    self_gy: Array
    cross_gy: Array
    high_let_gy: Array
    hits: Array

    @property
    def dose_gy(self) -> Array:
        """Mean absorbed dose of each nucleus. [Gy]"""
        return self.self_gy + self.cross_gy

    @property
    def unhit_fraction(self) -> float:
        """Share of nuclei that no alpha touches, their number being Poisson: mean of exp(-hits)."""
        return float(np.mean(np.exp(-self.hits)))

    @property
    def specific_energy_per_hit_gy(self) -> float | None:
        """Mean specific energy of a nucleus by one alpha that touches it, recoil included; None without alphas. [Gy]"""
        total = float(self.hits.sum())
        return float(self.high_let_gy.sum()) / total if total > 0 else None


def cluster_dose(
    members: Mapping[str, float],
    cluster: Cluster,
    *,
    decays_per_labelled_cell: float,
    labelled_fraction: float = 1.0,
    source: Source = "surface",
    electrons: ElectronModel = "transport",
    seed: int = 1,
) -> ClusterDose:
    """Dose and alpha hits of all nuclei of a cluster.

    Parameters
    ----------
    members : decays of each nuclide per decay of the parent (``chain_members``), all at the same place
    cluster : cells and lattice
    decays_per_labelled_cell : of the parent
    labelled_fraction : share of the cells that carry activity, drawn by ``seed``
    source : region that holds it
    electrons : how electrons travel

    Raises
    ------
    InputError
        A fraction outside 0 to 1, negative decays.
    OutOfRangeError
        More cells than are followed.
    """
    if not (0 < labelled_fraction <= 1 and decays_per_labelled_cell >= 0):
        raise InputError(
            f"{decays_per_labelled_cell:g} decays in a share of {labelled_fraction:g} of the cells; expected none "
            "negative and a share over 0, at most 1."
        )
    centres = cluster.centres_um()
    n = len(centres)
    labelled = np.zeros(n, dtype=bool)
    labelled[np.random.default_rng(seed).choice(n, max(round(labelled_fraction * n), 1), replace=False)] = True
    own = _three(chain_cell_dose(members, cluster.cell, source=source, electrons=electrons))
    cross = _cross(members, cluster, centres, labelled, source, electrons)
    self_part = labelled[:, None] * own
    total = (self_part + cross) * decays_per_labelled_cell
    return ClusterDose(
        labelled=labelled,
        self_gy=self_part[:, 0] * decays_per_labelled_cell,
        cross_gy=cross[:, 0] * decays_per_labelled_cell,
        high_let_gy=total[:, 1],
        hits=total[:, 2],
    )


def mean_survival(dose_gy: Array, *, alpha_per_gy: float, beta_per_gy2: float = 0.0) -> float:
    r"""Share of cells that survive, mean over cells of :math:`e^{-\alpha D - \beta D^2}`.

    The spread of the dose between cells counts, that of the specific energy in one cell does not (``survival_by_hits``).
    """
    if not (alpha_per_gy >= 0 and beta_per_gy2 >= 0):
        raise InputError(f"alpha {alpha_per_gy:g} /Gy and beta {beta_per_gy2:g} /Gy2; expected none negative.")
    return float(np.mean(np.exp(-alpha_per_gy * dose_gy - beta_per_gy2 * dose_gy**2)))


def survival_by_hits(dose: ClusterDose, *, alpha_per_gy: float) -> float:
    r"""Share of cells that survive alphas whose number in a nucleus is Poisson, each of the mean specific energy.

    Mean over cells of :math:`\exp(-n (1 - e^{-\alpha z}))` times :math:`e^{-\alpha D}` of the rest of the dose: never
    less than by the mean dose, since nuclei without a hit survive.
    """
    if not alpha_per_gy >= 0:
        raise InputError(f"alpha {alpha_per_gy:g} /Gy; expected none negative.")
    low = dose.dose_gy - dose.high_let_gy
    z = np.divide(dose.high_let_gy, dose.hits, out=np.zeros_like(low), where=dose.hits > 0)
    killed = -np.expm1(-alpha_per_gy * z)
    return float(np.mean(np.exp(-dose.hits * killed - alpha_per_gy * low)))


def _three(dose: ChainCellDose) -> Array:
    return np.array([dose.s_gy_per_bq_s, dose.high_let_gy_per_bq_s, dose.hits_per_decay])


def _cross(
    members: Mapping[str, float],
    cluster: Cluster,
    centres: Array,
    labelled: NDArray[np.bool_],
    source: Source,
    electrons: ElectronModel,
) -> Array:
    """Dose, dose by alphas and recoil, and hits of each nucleus by the decays of all other cells: (n, 3) per decay."""
    if len(centres) == 1:
        return np.zeros((1, 3))
    reach = 2 * float(np.linalg.norm(centres, axis=1).max())
    grid = np.unique(np.r_[cluster.spacing_um * np.array([1.0, np.sqrt(2)]), _grid(cluster.spacing_um, reach)])
    # times the square of the distance the dose hardly changes before a track ends
    found = [
        _three(chain_cell_dose(members, cluster.cell, source=source, distance_um=float(d), electrons=electrons))
        for d in grid
    ]
    table = np.array(found) * grid[:, None] ** 2
    total = np.zeros((len(centres), 3))
    sources = centres[labelled]
    for start in range(0, len(centres), ROWS_AT_ONCE):
        rows = centres[start : start + ROWS_AT_ONCE]
        d2 = np.maximum(((rows[:, None, :] - sources) ** 2).sum(axis=2), 0)
        other = d2 > (0.5 * cluster.spacing_um) ** 2
        d = np.sqrt(d2)
        for column in range(3):
            near = np.interp(d, grid, table[:, column])
            total[start : start + ROWS_AT_ONCE, column] = np.divide(
                near, d2, out=np.zeros_like(near), where=other
            ).sum(axis=1)
    return total


def _grid(spacing_um: float, reach_um: float) -> Array:
    """Even steps of at most 2 um up to where the last alphas end, wider ones beyond."""
    ends = max(spacing_um, min(reach_um, NEAR_UM))
    near = np.linspace(spacing_um, ends, N_DISTANCES)
    return near if reach_um <= ends else np.r_[near, np.geomspace(ends, reach_um, N_FAR)[1:]]
