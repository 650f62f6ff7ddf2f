"""Absorbed doses by Monte Carlo in the patient's own densities and tissues, when there is time for it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.case import DoseSettings
from lutetia.app.workflow.doses.maps import PatientMaps
from lutetia.app.workflow.doses.voxel_methods import MethodDoses, WaterMaps
from lutetia.app.workflow.measure import REMAINDER
from lutetia.dose.montecarlo.tables import CUTOFF_MEV
from lutetia.dose.montecarlo.voxels import photon_absorbed_dose
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.materials import hu_materials
from lutetia.units import KEV_PER_MEV

Progress = Callable[[str, float], None]

PILOT: Final = 200_000
GREATEST: Final = 100_000_000
RESERVE: Final = 1.2
"""More histories than the pilot says are needed, as its own spread is only known to a quarter."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Transported:
    """One run of the engine.

    Attributes
    ----------
    dose : of all radiation. [Gy]
    region : mass weights (z, y, x) -> mean dose and its statistical standard uncertainty. [Gy]
    description : in words
    record : histories, seed and cut-offs
    """

    dose: Volume
    region: Callable[[NDArray[np.floating]], tuple[float, float]]
    description: str
    record: Mapping[str, Any]


def transported(
    maps: PatientMaps, water: WaterMaps, settings: DoseSettings, n_histories: int, progress: Progress
) -> Transported:
    """Run the engine over the patient."""
    charged = water.charged
    run = photon_absorbed_dose(
        time_integrated_activity=maps.time_integrated_activity,
        density=maps.density,
        material_index=maps.material_index,
        materials=hu_materials(),
        nuclide=maps.nuclide,
        n_histories=n_histories,
        seed=settings.seed,
        progress=progress,
    )

    def region(weights: NDArray[np.floating]) -> tuple[float, float]:
        mean, u = run.region(weights)
        return mean + float(np.vdot(weights, charged.values)) / float(weights.sum(dtype=np.float64)), u

    return Transported(
        dose=charged.with_values(charged.values + run.dose.values),
        region=region,
        description="photons by Monte Carlo in the patient's densities and tissues, charged particles by kernel",
        record={"photon histories": run.n_histories, "photon cut-off / keV": CUTOFF_MEV * KEV_PER_MEV},
    )


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
    their means by mass: what transport changes, on the mean that outlines cut no voxel of. The histories needed follow
    from a pilot run of fixed length, so a seed gives the same doses on any machine; only whether they are followed within
    ``time_budget_s`` depends on its speed.
    """
    if time_budget_s is not None and time_budget_s <= 0:
        return "no time is allowed for it (--time-budget 0)."
    weights = {
        name: r.occupancy * maps.density.values for name, r in maps.regions.items() if np.any(r.occupancy > 0)
    }
    named = {name: weight for name, weight in weights.items() if name != REMAINDER} or weights
    _compiled(maps.nuclide)
    progress("Monte Carlo, first histories", 0.1)
    begun = time.perf_counter()
    run, n = transported(maps, water, settings, PILOT, progress), PILOT
    took_s = time.perf_counter() - begun
    worst = _worst(run, named)
    if worst > settings.relative_uncertainty:
        n = int(RESERVE * PILOT * (worst / settings.relative_uncertainty) ** 2)
        needed_s = took_s * (1 + n / PILOT)
        if time_budget_s is not None and needed_s > time_budget_s:
            return (
                f"{100 * settings.relative_uncertainty:g} % in every named region needs {n:.2g} histories, about "
                f"{needed_s:.0f} s; {time_budget_s:g} s are allowed (--time-budget)."
            )
        progress(f"Monte Carlo, {n:.1e} histories", 0.3)
        run = transported(maps, water, settings, min(n, GREATEST), progress)
        worst = _worst(run, named)
    return _method(water, kernel_gy, settings, run, weights, worst)


def _worst(run: Transported, named: Mapping[str, NDArray[np.floating]]) -> float:
    """Largest relative statistical uncertainty of the named regions."""
    found = [run.region(weight) for weight in named.values()]
    return max((u / mean for mean, u in found if mean > 0), default=0.0)


def _method(
    water: WaterMaps,
    kernel_gy: Mapping[str, float],
    settings: DoseSettings,
    run: Transported,
    weights: Mapping[str, NDArray[np.floating]],
    worst: float,
) -> MethodDoses:
    means, statistical = dict(kernel_gy), {}
    by_kernel = water.charged.values + water.photons.values
    for name, weight in weights.items():
        by_transport, u = run.region(weight)
        change = by_transport - float(np.vdot(weight, by_kernel)) / float(weight.sum(dtype=np.float64))
        means[name] = kernel_gy[name] + change
        statistical[name] = u
    return MethodDoses(
        name="montecarlo",
        description=run.description,
        mean_gy=means,
        statistical_gy=statistical,
        voxels=run.dose,
        record={
            **run.record,
            "seed": settings.seed,
            "relative uncertainty asked of named regions": settings.relative_uncertainty,
            "relative uncertainty reached": float(f"{worst:.3g}"),
        },
    )


def _compiled(nuclide: str) -> None:
    """Run the engine once over a few voxels of water, so that its compilation is not taken for its speed."""
    grid = Grid(size=(4, 4, 4), spacing_mm=(5.0, 5.0, 5.0), origin_mm=(0.0, 0.0, 0.0))
    photon_absorbed_dose(
        time_integrated_activity=Volume(grid=grid, values=np.ones(grid.shape, np.float32), unit="Bq s/mL"),
        density=Volume(grid=grid, values=np.ones(grid.shape, np.float32), unit="g/mL"),
        material_index=np.full(grid.shape, 7, np.uint8),
        materials=hu_materials(),
        nuclide=nuclide,
        n_histories=1000,
        seed=1,
    )
