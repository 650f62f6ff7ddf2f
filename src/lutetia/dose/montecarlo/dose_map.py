"""Absorbed dose of every voxel of a patient by Monte Carlo, to a requested uncertainty of its regions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.kernel import electron_energy_by_density_mev, electron_energy_in_water_mev
from lutetia.dose.kernel.convolution import AIR_G_PER_ML
from lutetia.dose.montecarlo.control_variate import THIN_G_PER_ML, Pairs
from lutetia.dose.montecarlo.deposits import Deposits
from lutetia.dose.montecarlo.follow import follow_photons, n_batches
from lutetia.dose.montecarlo.nuclide import local_energy_mev
from lutetia.dose.montecarlo.photons.tables import CUTOFF_MEV
from lutetia.dose.montecarlo.scene import Scene, voxel_scene
from lutetia.dose.montecarlo.source import Spectrum, electron_spectrum, require_strength
from lutetia.dose.montecarlo.voxel_map import Floats, clipped, least_error, restored, variance_of_mean, with_rest
from lutetia.errors import InputError
from lutetia.images.volume import Volume, require_same_grid
from lutetia.physics.emissions import Emissions, emissions
from lutetia.physics.materials import Material
from lutetia.units import GY_PER_MEV_PER_G

Progress = Callable[[str, float], None]

PILOT_PHOTONS: Final = 200_000
PILOT_PAIRS: Final = 100_000
GROWTH: Final = 8
LEAST_ELECTRON_MEV: Final = 0.002
NEGLIGIBLE_SHARE: Final = 1e-4
MOST_CLIPPED: Final = 1e-3
"""Share of a region's energy from which raising negative voxels to 0 is told."""
LEAST_DENSITY_G_PER_ML: Final = 1e-6
"""Keeps the division defined in a vacuum, which absorbs nothing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonteCarloDose:
    """Absorbed dose by Monte Carlo.

    Attributes
    ----------
    dose : of every voxel, never negative, 0 in air: the estimate of least error
        (:mod:`lutetia.dose.montecarlo.voxel_map`), with the energy of ``batches`` in each region of the goal. [Gy]
    uncertainty : standard uncertainty of every voxel, its statistics and the kernel's error where it stands in. [Gy]
    batches : (n_batches, z, y, x) each batch as if it were all, unbiased, with air; what regions are judged by. [Gy]
    voxel_relative_uncertainty : reached by 95 % of the voxels of tissue that get over a tenth of the highest dose
    clipped : region -> share of its energy that was added by raising negative voxels to 0, before scaling
    n_photons, n_electrons : histories
    seed : as run
    reached : whether the requested uncertainty was reached
    method : in words
    warnings : what the user should know of the map
    """

    dose: Volume
    uncertainty: Volume
    batches: Floats
    voxel_relative_uncertainty: float
    clipped: Mapping[str, float]
    n_photons: int
    n_electrons: int
    seed: int
    reached: bool
    method: str
    warnings: tuple[str, ...] = ()

    def region(self, mass_weights_g: NDArray[np.floating]) -> tuple[float, float]:
        """Mean dose of a region (voxel masses as weights) and its standard uncertainty from the batches. [Gy]"""
        return _weighted_mean(self.batches, mass_weights_g)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Goal:
    """What uncertainty is asked for.

    Attributes
    ----------
    relative_uncertainty : of the mean dose of each region
    regions : (z, y, x) share of each voxel by region
    voxel_relative_uncertainty : of 95 % of the voxels of tissue that get over a tenth of the highest dose (0.05 is
        enough for a histogram: noise adds in squares to a spread that is ten times wider); None for no demand
    most_histories : of each kind of particle
    """

    relative_uncertainty: float = 0.01
    regions: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    voxel_relative_uncertainty: float | None = None
    most_histories: int = 50_000_000


def absorbed_dose_by_monte_carlo(
    *,
    time_integrated_activity: Mapping[str, Volume],
    density: Volume,
    material_index: NDArray[np.integer[Any]],
    materials: Sequence[Material],
    goal: Goal,
    seed: int = 1,
    progress: Progress | None = None,
) -> MonteCarloDose:
    """Absorbed dose of all radiation, transported through the patient.

    Photons by the track-length estimator; electrons by a kernel in water plus a Monte Carlo of what the kernel gets wrong
    (:mod:`lutetia.dose.montecarlo.control_variate`); alphas, recoil and soft radiation where they are emitted. The same
    seed gives the same dose on any number of threads.

    Parameters
    ----------
    time_integrated_activity : map of each nuclide, a parent and its progeny each with its own. [Bq s/mL]
    density : on the same grid. [g/mL]
    material_index : (z, y, x) index into ``materials``
    materials : compositions
    goal : uncertainty to reach
    seed : any integer
    progress : told what is being done

    Raises
    ------
    GridError, OutOfRangeError
        Different grids; densities or voxels out of range.
    InputError
        Wrong units, maps without activity, negative or not finite, or a relative uncertainty out of range.
    """
    _require(time_integrated_activity, density, goal)
    scene = voxel_scene(density, material_index, materials)
    total = _Total(scene=scene, goal=goal, n_members=len(time_integrated_activity))
    for k, (name, volume) in enumerate(time_integrated_activity.items()):
        _add_member(total, name, volume, seed + 10 * k, progress)
    return _as_dose(total, seed)


def _as_dose(total: "_Total", seed: int) -> MonteCarloDose:
    """Energies over masses, and what the map lost and gained."""
    scene, grid = total.scene, total.scene.grid
    mass_g = np.maximum(scene.density, np.float32(LEAST_DENSITY_G_PER_ML)) * np.float32(grid.voxel_ml)
    gy_per_mev = np.float32(GY_PER_MEV_PER_G) / mass_g
    solid = scene.density >= AIR_G_PER_ML
    regions = with_rest(total.goal.regions, grid.shape)
    kept, shares = clipped(total.map_mev * solid, regions)
    energy = restored(kept, total.batches_mev.mean(axis=0) * solid, regions)
    return MonteCarloDose(
        dose=Volume(grid=grid, values=energy * gy_per_mev, unit="Gy"),
        uncertainty=Volume(grid=grid, values=np.sqrt(total.variance_mev2) * gy_per_mev * solid, unit="Gy"),
        batches=total.batches_mev * gy_per_mev,
        voxel_relative_uncertainty=math.sqrt(_voxel_variance(total.variance_mev2, energy, scene)),
        clipped=shares,
        warnings=tuple(
            f"Monte Carlo: raising negative voxels to 0 added {100 * share:.2g} % to the energy of {name} before it was "
            "scaled back; more histories would help."
            for name, share in shares.items()
            if share > MOST_CLIPPED
        ),
        n_photons=total.n_photons,
        n_electrons=total.n_electrons,
        seed=seed,
        reached=total.reached,
        method=(
            "Monte Carlo in the patient's densities and materials: photons by track length, electrons by a kernel in "
            "water plus the Monte Carlo difference to the patient (control variate), bremsstrahlung included; alphas, "
            f"recoil and photons below {CUTOFF_MEV * 1e3:g} keV where emitted; in single voxels the difference as far as "
            f"histories can tell it from noise; no dose in voxels of air (below {AIR_G_PER_ML:g} g/mL)"
        ),
    )


class _Total:
    """Energy of all members so far, and what is asked for."""

    def __init__(self, *, scene: Scene, goal: Goal, n_members: int) -> None:
        self.scene, self.goal = scene, goal
        self.batches_mev = np.zeros((n_batches(scene.n_slots), *scene.grid.shape), np.float32)
        self.map_mev = np.zeros(scene.grid.shape, np.float32)
        self.variance_mev2 = np.zeros(scene.grid.shape, np.float32)
        self.n_photons = self.n_electrons = 0
        self.reached = True
        # photons and electrons of each member share the variance
        self.share = 1.0 / (2 * n_members)

    def add(self, energy_mev: Floats) -> None:
        """What is known without histories."""
        self.batches_mev += energy_mev
        self.map_mev += energy_mev

    def grow(self, run: "_Run", base_mev: Floats) -> None:
        """Histories until this run adds no more than its share to the variance; ``base_mev`` is the other energy."""
        n = run.pilot
        while True:
            run.more(n)
            batches = run.batches_mev()
            energy, variance = run.map_mev(batches)
            excess = _excess(batches, energy, variance, base_mev, self.scene, self.goal) / self.share
            room = self.goal.most_histories - run.n_histories
            if excess <= 1.0 or room <= 0:
                break
            n = max(min(int(run.n_histories * (min(1.1 * excess, GROWTH) - 1.0)), room), run.pilot // 4)
        self.reached &= excess <= 1.0
        self.batches_mev += batches
        self.map_mev += energy
        self.variance_mev2 += variance


class _Run(Protocol):
    """Histories that can be made more."""

    pilot: int

    @property
    def n_histories(self) -> int: ...

    def more(self, n: int) -> None: ...

    def batches_mev(self) -> Floats: ...

    def map_mev(self, batches: Floats) -> tuple[Floats, Floats]:
        """Energy of every voxel and its variance."""
        ...


class _Photons:
    """Photons of one nuclide."""

    pilot = PILOT_PHOTONS

    def __init__(self, scene: Scene, strength: NDArray[np.floating], spectrum: Spectrum, decays: float, seed: int):
        self._scene, self._strength, self._spectrum = scene, strength, spectrum
        self._decays, self._seed = decays, seed
        self._found: Deposits | None = None

    @property
    def n_histories(self) -> int:
        return 0 if self._found is None else self._found.n_histories

    def more(self, n: int) -> None:
        found = follow_photons(
            scene=self._scene, strength=self._strength, lines=self._spectrum, n_histories=n, seed=self._seed,
            first=self.n_histories,
        )  # fmt: skip
        self._found = found if self._found is None else self._found.plus(found)

    def batches_mev(self) -> NDArray[np.float32]:
        assert self._found is not None
        return self._found.scaled_batches(self._decays).reshape(-1, *self._scene.grid.shape)

    def map_mev(self, batches: Floats) -> tuple[Floats, Floats]:
        return batches.mean(axis=0), variance_of_mean(batches)


class _Electrons:
    """Electrons of one nuclide, kernel and difference."""

    pilot = PILOT_PAIRS

    def __init__(self, pairs: Pairs, decays: float, prior_mev: Floats) -> None:
        self._pairs, self._decays, self._prior = pairs, decays, prior_mev

    @property
    def n_histories(self) -> int:
        return self._pairs.n_histories

    def more(self, n: int) -> None:
        self._pairs.follow(n)

    def batches_mev(self) -> NDArray[np.float32]:
        return self._pairs.controlled_mev() * np.float32(self._decays)

    def map_mev(self, batches: Floats) -> tuple[Floats, Floats]:
        return least_error(batches, self._prior)


def _add_member(total: _Total, nuclide: str, activity: Volume, seed: int, progress: Progress | None) -> None:
    """All radiation of one nuclide, added to the batches."""
    found, scene = emissions(nuclide), total.scene
    decays_by_voxel = activity.values * np.float32(activity.grid.voxel_ml)
    decays = float(decays_by_voxel.sum(dtype=np.float64))
    photons = _photons_that_matter(found)
    electrons = electron_spectrum(found).above(LEAST_ELECTRON_MEV)
    total.add(decays_by_voxel * np.float32(local_energy_mev(found, photons, electrons)))
    if photons.total_yield > 0:
        told(progress, f"Following the photons of {nuclide}")
        run = _Photons(scene, activity.values, photons, decays, seed)
        total.grow(run, total.map_mev + decays_by_voxel * np.float32(electrons.mean_energy_per_decay_mev))
        total.n_photons += run.n_histories
    if electrons.total_yield > 0:
        told(progress, f"Following the electrons of {nuclide}")
        spacing_mm = activity.grid.spacing_mm
        water = electron_energy_in_water_mev(decays=decays_by_voxel, spacing_mm=spacing_mm, nuclide=nuclide)
        shared = electron_energy_by_density_mev(
            decays=decays_by_voxel, density=scene.density, spacing_mm=spacing_mm, nuclide=nuclide
        )
        # the kernels hold the softest electrons too, at their place
        soft_mev = np.float32(found.electron_energy_mev - electrons.mean_energy_per_decay_mev) * decays_by_voxel
        pairs = Pairs(scene, activity.values, electrons, (water - soft_mev) / np.float32(decays), seed + 1)
        total.grow(_Electrons(pairs, decays, np.maximum(shared - soft_mev, 0)), total.map_mev)
        total.n_electrons += pairs.n_histories


def _photons_that_matter(found: Emissions) -> Spectrum:
    """Photons above the cut-off; none where they carry under 1e-4 of the energy (90Y)."""
    photons = Spectrum.of_lines(found.photons).above(CUTOFF_MEV)
    charged = found.electron_energy_mev + found.alpha_energy_mev
    return photons if photons.mean_energy_per_decay_mev > NEGLIGIBLE_SHARE * charged else photons.above(np.inf)


def told(progress: Progress | None, text: str) -> None:
    """Report what begins."""
    if progress is not None:
        progress(text, 0.0)


def _excess(batches: Floats, energy: Floats, variance: Floats, base_mev: Floats, scene: Scene, goal: Goal) -> float:
    """Variance over the variance asked for, of the worst region or of the voxel at the 95th percentile."""
    n, worst = batches.shape[0], 0.0
    for weights in goal.regions.values():
        used = np.asarray(weights) > 0
        share = np.asarray(weights, np.float32)[used]
        sums = batches[:, used] @ share
        total = float(np.dot(share, base_mev[used])) + float(sums.mean())
        if total > 0:
            worst = max(worst, float(sums.var(ddof=1)) / n / (goal.relative_uncertainty * total) ** 2)
    if goal.voxel_relative_uncertainty is not None:
        relative = _voxel_variance(variance, base_mev + energy, scene)
        worst = max(worst, relative / goal.voxel_relative_uncertainty**2)
    return worst


def _voxel_variance(variance: Floats, energy: Floats, scene: Scene) -> float:
    """Relative variance that 95 % of the voxels of tissue with over a tenth of the highest dose stay below."""
    dose = np.where(scene.density > THIN_G_PER_ML, energy, 0) / np.maximum(scene.density, THIN_G_PER_ML)
    bright = dose > 0.1 * dose.max()
    return float(np.percentile(variance[bright] / energy[bright] ** 2, 95)) if np.any(bright) else 0.0


def _weighted_mean(batches: NDArray[np.float32], weights: NDArray[np.floating]) -> tuple[float, float]:
    used = np.asarray(weights) > 0
    flat = np.asarray(weights, dtype=np.float64)[used]
    means = batches[:, used] @ flat / flat.sum()
    return float(means.mean()), float(means.std(ddof=1) / math.sqrt(means.size))


def _require(activities: Mapping[str, Volume], density: Volume, goal: Goal) -> None:
    if not activities:
        raise InputError("No map of time-integrated activity, so there is no dose to compute.")
    for nuclide, volume in activities.items():
        require_same_grid(volume.grid, density.grid, f"Dose of {nuclide}")
        if volume.unit != "Bq s/mL":
            raise InputError(f"Time-integrated activity of {nuclide} in {volume.unit!r}; expected 'Bq s/mL'.")
        require_strength(volume.values, density.grid.shape)
    for value in (goal.relative_uncertainty, goal.voxel_relative_uncertainty):
        if value is not None and not 1e-4 <= value <= 0.5:
            raise InputError(
                f"A relative uncertainty of {value:g}; expected between 0.0001 (0.01 %) and 0.5 (50 %)."
            )
