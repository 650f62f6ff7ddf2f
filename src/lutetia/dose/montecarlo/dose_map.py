"""Absorbed dose of every voxel of a patient by Monte Carlo, to a requested uncertainty of its regions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.kernel import electron_energy_in_water_mev
from lutetia.dose.montecarlo.control_variate import THIN_G_PER_ML, Pairs
from lutetia.dose.montecarlo.deposits import Deposits
from lutetia.dose.montecarlo.follow import follow_photons, n_batches
from lutetia.dose.montecarlo.nuclide import local_energy_mev
from lutetia.dose.montecarlo.photons.tables import CUTOFF_MEV
from lutetia.dose.montecarlo.scene import Scene, voxel_scene
from lutetia.dose.montecarlo.source import Spectrum, electron_spectrum
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
LEAST_DENSITY_G_PER_ML: Final = 1e-6
"""Keeps the division defined in a vacuum, which absorbs nothing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonteCarloDose:
    """Absorbed dose by Monte Carlo.

    Attributes
    ----------
    dose : mean of the batches. [Gy]
    batches : (n_batches, z, y, x) each batch as if it were all. [Gy]
    n_photons, n_electrons : histories
    seed : as run
    reached : whether the requested uncertainty was reached
    method : in words
    """

    dose: Volume
    batches: NDArray[np.float32]
    n_photons: int
    n_electrons: int
    seed: int
    reached: bool
    method: str

    def region(self, mass_weights_g: NDArray[np.floating]) -> tuple[float, float]:
        """Mean dose of a region (voxel masses as weights) and its standard uncertainty from the batches. [Gy]"""
        return _weighted_mean(self.batches, mass_weights_g)

    def standard_uncertainty(self) -> Volume:
        """Statistical standard uncertainty of every voxel. [Gy]"""
        spread = self.batches.std(axis=0, ddof=1) / np.float32(math.sqrt(self.batches.shape[0]))
        return self.dose.with_values(spread)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Goal:
    """What uncertainty is asked for.

    Attributes
    ----------
    relative_uncertainty : of the mean dose of each region
    regions : (z, y, x) share of each voxel by region
    voxel_relative_uncertainty : of 95 % of the voxels of tissue that get over a tenth of the highest dose; None for no
        demand
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
    mass_g = np.maximum(scene.density, np.float32(LEAST_DENSITY_G_PER_ML)) * np.float32(density.grid.voxel_ml)
    batches = total.batches_mev * (np.float32(GY_PER_MEV_PER_G) / mass_g)
    return MonteCarloDose(
        dose=Volume(grid=density.grid, values=batches.mean(axis=0, dtype=np.float64), unit="Gy"),
        batches=batches,
        n_photons=total.n_photons,
        n_electrons=total.n_electrons,
        seed=seed,
        reached=total.reached,
        method=(
            "Monte Carlo in the patient's densities and materials: photons by track length, electrons by a kernel in "
            "water plus the Monte Carlo difference to the patient (control variate), bremsstrahlung included; alphas, "
            f"recoil and photons below {CUTOFF_MEV * 1e3:g} keV where emitted"
        ),
    )


class _Total:
    """Energy of all members so far, and what is asked for."""

    def __init__(self, *, scene: Scene, goal: Goal, n_members: int) -> None:
        self.scene, self.goal = scene, goal
        self.batches_mev = np.zeros((n_batches(scene.n_slots), *scene.grid.shape), np.float32)
        self.n_photons = self.n_electrons = 0
        self.reached = True
        # photons and electrons of each member share the variance
        self.share = 1.0 / (2 * n_members)

    def grow(self, run: "_Run", base_mev: NDArray[np.floating]) -> NDArray[np.float32]:
        """Histories until this run adds no more than its share to the variance; its batches. [MeV]"""
        n = run.pilot
        while True:
            run.more(n)
            batches = run.batches_mev()
            excess = _excess(batches, base_mev, self.scene, self.goal) / self.share
            room = self.goal.most_histories - run.n_histories
            if excess <= 1.0 or room <= 0:
                self.reached &= excess <= 1.0
                return batches
            n = max(min(int(run.n_histories * (min(1.1 * excess, GROWTH) - 1.0)), room), run.pilot // 4)


class _Run(Protocol):
    """Histories that can be made more."""

    pilot: int

    @property
    def n_histories(self) -> int: ...

    def more(self, n: int) -> None: ...

    def batches_mev(self) -> NDArray[np.float32]: ...


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


class _Electrons:
    """Electrons of one nuclide, kernel and difference."""

    pilot = PILOT_PAIRS

    def __init__(self, pairs: Pairs, decays: float) -> None:
        self._pairs, self._decays = pairs, decays

    @property
    def n_histories(self) -> int:
        return self._pairs.n_histories

    def more(self, n: int) -> None:
        self._pairs.follow(n)

    def batches_mev(self) -> NDArray[np.float32]:
        return self._pairs.controlled_mev() * np.float32(self._decays)


def _add_member(total: _Total, nuclide: str, activity: Volume, seed: int, progress: Progress | None) -> None:
    """All radiation of one nuclide, added to the batches."""
    found, scene = emissions(nuclide), total.scene
    decays_by_voxel = activity.values * np.float32(activity.grid.voxel_ml)
    decays = float(decays_by_voxel.sum(dtype=np.float64))
    photons = _photons_that_matter(found)
    electrons = electron_spectrum(found).above(LEAST_ELECTRON_MEV)
    still_mev = decays_by_voxel * np.float32(local_energy_mev(found, photons, electrons))
    base_mev = still_mev + decays_by_voxel * np.float32(electrons.mean_energy_per_decay_mev)
    total.batches_mev += still_mev
    if photons.total_yield > 0:
        told(progress, f"Following the photons of {nuclide}")
        run = _Photons(scene, activity.values, photons, decays, seed)
        total.batches_mev += total.grow(run, base_mev)
        total.n_photons += run.n_histories
    if electrons.total_yield > 0:
        told(progress, f"Following the electrons of {nuclide}")
        whole = electron_energy_in_water_mev(
            decays=decays_by_voxel, spacing_mm=activity.grid.spacing_mm, nuclide=nuclide
        )
        # the kernel holds the softest electrons too, at their place
        soft_mev = found.electron_energy_mev - electrons.mean_energy_per_decay_mev
        expected = (whole - decays_by_voxel * np.float32(soft_mev)) / np.float32(decays)
        pairs = _Electrons(Pairs(scene, activity.values, electrons, expected, seed + 1), decays)
        total.batches_mev += total.grow(pairs, base_mev * 0)
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


def _excess(batches: NDArray[np.float32], base_mev: NDArray[np.floating], scene: Scene, goal: Goal) -> float:
    """Variance over the variance asked for, of the worst region or of the voxel at the 95th percentile."""
    n, worst = batches.shape[0], 0.0
    for weights in goal.regions.values():
        used = np.asarray(weights) > 0
        sums = batches[:, used] @ np.asarray(weights, np.float32)[used]
        energy = float(np.dot(np.asarray(weights, np.float32)[used], base_mev[used])) + float(sums.mean())
        if energy > 0:
            worst = max(worst, float(sums.var(ddof=1)) / n / (goal.relative_uncertainty * energy) ** 2)
    if goal.voxel_relative_uncertainty is not None:
        energy_map = base_mev + batches.mean(axis=0)
        dose = np.where(scene.density > THIN_G_PER_ML, energy_map, 0) / np.maximum(scene.density, THIN_G_PER_ML)
        bright = dose > 0.1 * dose.max()
        relative = batches[:, bright].var(axis=0, ddof=1) / n / energy_map[bright] ** 2
        worst = max(worst, float(np.percentile(relative, 95)) / goal.voxel_relative_uncertainty**2)
    return worst


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
    for value in (goal.relative_uncertainty, goal.voxel_relative_uncertainty):
        if value is not None and not 1e-4 <= value <= 0.5:
            raise InputError(
                f"A relative uncertainty of {value:g}; expected between 0.0001 (0.01 %) and 0.5 (50 %)."
            )
