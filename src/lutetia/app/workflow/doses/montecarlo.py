"""Absorbed doses by Monte Carlo in the patient's own densities and tissues, when there is time for it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.case.settings import DoseSettings
from lutetia.app.workflow.doses.maps import PatientMaps
from lutetia.app.workflow.doses.voxel_methods import MethodDoses, WaterMaps
from lutetia.app.workflow.measure import REMAINDER
from lutetia.dose.montecarlo.control_variate import Pairs
from lutetia.dose.montecarlo.dose_map import LEAST_ELECTRON_MEV, Goal, absorbed_dose_by_monte_carlo
from lutetia.dose.montecarlo.follow import follow_photons
from lutetia.dose.montecarlo.photons.tables import CUTOFF_MEV
from lutetia.dose.montecarlo.scene import voxel_scene
from lutetia.dose.montecarlo.source import Spectrum, electron_spectrum
from lutetia.images.grid import Grid
from lutetia.images.overlap import cropped
from lutetia.images.volume import Volume
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import hu_materials, material_index_from_hu
from lutetia.units import KEV_PER_MEV

Progress = Callable[[str, float], None]
Box = tuple[slice, ...]

FIRST_LOOK: Final = 0.5
"""Relative uncertainty that the engine's shortest run reaches: a look at how many histories are needed."""
RESERVE: Final = 2.4
"""Photons and electrons each get half of the variance, and the spread of a short run is only known to a quarter."""
VOXEL_GOAL: Final = 0.05
"""Relative uncertainty of single voxels where time allows: in a histogram it is lost in the spread of an organ's dose."""
MARGIN_VOXELS: Final = 1
FEW: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Transported:
    """One run of the engine over the part of the grid that holds activity.

    Attributes
    ----------
    means : region -> mean dose and its statistical standard uncertainty. [Gy]
    dose : of every voxel. [Gy]
    voxel_relative_uncertainty : that 95 % of the voxels with over a tenth of the highest dose reach
    description : in words
    record : histories, seed and cut-offs
    warnings : what the user should know of the map
    """

    means: Mapping[str, tuple[float, float]]
    dose: NDArray[np.float32]
    voxel_relative_uncertainty: float
    description: str
    record: Mapping[str, Any]
    warnings: tuple[str, ...]


def transported(
    maps: PatientMaps, box: Box, weights: Mapping[str, NDArray[np.float32]], settings: DoseSettings, goal: Goal,
    progress: Progress,
) -> Transported:  # fmt: skip
    """Run the engine; ``weights`` are the regions' shares of voxel masses in the box."""
    grid = cropped(maps.density.grid, box)
    run = absorbed_dose_by_monte_carlo(
        time_integrated_activity={
            member: Volume(
                grid=grid, values=np.float32(decays) * maps.time_integrated_activity.values[box], unit="Bq s/mL"
            )
            for member, decays in maps.followed.items()
        },
        density=Volume(grid=grid, values=maps.density.values[box], unit="g/mL"),
        material_index=maps.material_index[box],
        materials=hu_materials(),
        goal=goal,
        seed=settings.seed,
        progress=progress,
    )
    return Transported(
        means={name: run.region(weight) for name, weight in weights.items()},
        dose=run.dose.values,
        voxel_relative_uncertainty=run.voxel_relative_uncertainty,
        description=run.method,
        warnings=run.warnings,
        record={
            "photon histories": run.n_photons,
            "electron histories": run.n_electrons,
            "photon cut-off / keV": CUTOFF_MEV * KEV_PER_MEV,
            "electron cut-off / keV": LEAST_ELECTRON_MEV * KEV_PER_MEV,
        },
    )


def active_box(activity: Volume) -> Box:
    """The part of a grid that holds all activity, with a margin: what lies around it is air, or is not known."""
    box = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        used = np.flatnonzero(np.any(activity.values > 0, axis=others))
        last = activity.values.shape[axis]
        first, end = (int(used[0]), int(used[-1]) + 1) if used.size else (0, last)
        box.append(slice(max(first - MARGIN_VOXELS, 0), min(end + MARGIN_VOXELS, last)))
    return tuple(box)


def monte_carlo_method(
    maps: PatientMaps,
    water: WaterMaps,
    kernel_gy: Mapping[str, float],
    settings: DoseSettings,
    *,
    time_budget_s: float | None,
    progress: Progress,
) -> MethodDoses | str:
    r"""Doses by Monte Carlo, or in words why there are none within the time.

    :math:`D = D_{kernel} + \overline{d_{MC}} - \overline{d_{kernel}}` for a region, d being the voxel maps and the bars
    their means by mass: what transport changes, on the mean that outlines cut no voxel of. How many histories are followed
    depends on the spread of those before, so a seed gives the same doses on any machine; whether they are followed at
    all, and as many as single voxels take, depends on its speed and ``time_budget_s``. The map is that of the transport
    where there is activity, that of the kernels elsewhere.
    """
    if time_budget_s is not None and time_budget_s <= 0:
        return "no time is allowed for it (--time-budget 0)."
    box = active_box(maps.time_integrated_activity)
    shares = {name: r.occupancy[box] for name, r in maps.regions.items() if np.any(r.occupancy[box] > 0)}
    weights = {name: share * maps.density.values[box] for name, share in shares.items()}
    named = [name for name in shares if name != REMAINDER] or list(shares)
    regions = {name: shares[name] for name in named}
    for member in maps.followed:
        _compiled(member)
    progress("Monte Carlo: how many histories are needed", 0.1)
    begun = time.perf_counter()
    run = transported(
        maps, box, weights, settings, Goal(relative_uncertainty=FIRST_LOOK, regions=regions), progress
    )
    took_s = time.perf_counter() - begun
    for voxel_goal in (VOXEL_GOAL, None):
        more = _more_histories(run, named, settings.relative_uncertainty, voxel_goal)
        needed_s = RESERVE * took_s * more if more > 1 else 0.0
        if time_budget_s is None or needed_s <= time_budget_s:
            break
    else:
        return (
            f"{100 * settings.relative_uncertainty:g} % in every named region would take about {needed_s:.0f} s; "
            f"{time_budget_s:g} s are allowed (--time-budget)."
        )
    if more > 1:
        progress("Monte Carlo: following the histories", 0.3)
        goal = Goal(
            relative_uncertainty=settings.relative_uncertainty,
            regions=regions,
            voxel_relative_uncertainty=voxel_goal,
        )
        run = transported(maps, box, weights, settings, goal, progress)
    return _method(water, kernel_gy, settings, run, box, weights, _worst(run, named))


def _more_histories(run: Transported, named: Sequence[str], goal: float, voxel_goal: float | None) -> float:
    """How many times the histories of a run the goals take; up to 1 where it reached them."""
    voxels = 0.0 if voxel_goal is None else run.voxel_relative_uncertainty / voxel_goal
    return max(_worst(run, named) / goal, voxels) ** 2


def _worst(run: Transported, named: Sequence[str]) -> float:
    """Largest relative statistical uncertainty of the named regions."""
    found = [run.means[name] for name in named]
    return max((u / mean for mean, u in found if mean > 0), default=0.0)


def _method(
    water: WaterMaps, kernel_gy: Mapping[str, float], settings: DoseSettings, run: Transported,
    box: Box, weights: Mapping[str, NDArray[np.float32]], worst: float,
) -> MethodDoses:  # fmt: skip
    means, statistical = dict(kernel_gy), {}
    voxels = water.charged.values + water.photons.values
    by_kernel = voxels[box].copy()
    for name, weight in weights.items():
        by_transport, u = run.means[name]
        means[name] += by_transport - float(np.vdot(weight, by_kernel)) / float(weight.sum(dtype=np.float64))
        statistical[name] = u
    voxels[box] = run.dose
    return MethodDoses(
        name="montecarlo",
        description=run.description,
        mean_gy=means,
        statistical_gy=statistical,
        voxels=water.charged.with_values(voxels),
        record={
            **run.record,
            "voxel map": "by the Monte Carlo where there is activity, by kernels elsewhere",
            "seed": settings.seed,
            "relative uncertainty asked of named regions": settings.relative_uncertainty,
            "relative uncertainty reached": float(f"{worst:.3g}"),
            "relative uncertainty of 95 % of voxels": float(f"{run.voxel_relative_uncertainty:.3g}"),
        },
        warnings=run.warnings,
    )


def _compiled(nuclide: str) -> None:
    """Follow a few histories in a little water, so that compilation is not taken for the engine's speed."""
    grid = Grid(size=(4, 4, 4), spacing_mm=(5.0, 5.0, 5.0), origin_mm=(0.0, 0.0, 0.0))
    even, found = np.ones(grid.shape, np.float32), emissions(nuclide)
    density = Volume(grid=grid, values=even, unit="g/mL")
    scene = voxel_scene(density, material_index_from_hu(np.zeros(grid.shape)), hu_materials())
    photons = Spectrum.of_lines(found.photons).above(CUTOFF_MEV)
    electrons = electron_spectrum(found).above(LEAST_ELECTRON_MEV)
    if photons.total_yield > 0:
        follow_photons(scene=scene, strength=even, lines=photons, n_histories=FEW, seed=1)
    if electrons.total_yield > 0:
        Pairs(scene, even, electrons, np.zeros(grid.shape), 1).follow(FEW)
