"""Energy absorbed in regions per decay of a nuclide: all its radiation, to a requested uncertainty."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.devices import Device
from lutetia.dose.montecarlo.deposits import Deposits
from lutetia.dose.montecarlo.follow import Second, follow_electrons, follow_photons
from lutetia.dose.montecarlo.photons.tables import CUTOFF_MEV
from lutetia.dose.montecarlo.scene import Scene
from lutetia.dose.montecarlo.source import Spectrum, electron_spectrum, require_strength
from lutetia.errors import InputError
from lutetia.physics.emissions import Emissions, emissions
from lutetia.physics.stopping import csda_range_water_g_per_cm2
from lutetia.units import CM_PER_MM

PILOT: Final = 40_000
"""Histories from which the number needed is judged."""
GROWTH: Final = 8
"""A further run is at most so many times as long as what is there."""
STAY_SHARE: Final = 0.002
"""Electrons whose range is under this share of a voxel's mean chord are absorbed where they are emitted."""
LEAST_ELECTRON_MEV: Final = 0.002


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NuclideDeposits:
    """Energy absorbed in each slot per decay.

    Attributes
    ----------
    photons, electrons : what the runs counted; None where the nuclide emits none that travel
    local_mev : (n_slots,) alphas, recoil, and the photons and electrons too soft to travel
    method : in words
    """

    photons: Deposits | None
    electrons: Deposits | None
    local_mev: NDArray[np.float64]
    method: str

    @property
    def energy_mev(self) -> NDArray[np.float64]:
        """(n_slots,) all radiation. [MeV per decay]"""
        total = self.local_mev.copy()
        for part in (self.photons, self.electrons):
            if part is not None:
                total += part.energy_mev
        return total

    @property
    def standard_uncertainty_mev(self) -> NDArray[np.float64]:
        """(n_slots,) statistical. [MeV per decay]"""
        variance = np.zeros_like(self.local_mev)
        for part in (self.photons, self.electrons):
            if part is not None:
                variance += part.standard_uncertainty_mev**2
        return np.sqrt(variance)

    @property
    def n_histories(self) -> int:
        """Histories of all runs."""
        return sum(part.n_histories for part in (self.photons, self.electrons) if part is not None)


def staying_electron_mev(scene: Scene) -> float:
    """Energy below which electrons may be absorbed where they are emitted.

    Their range there is under 0.2 % of the mean chord 4V/S of a voxel at the highest density of a body's soft parts, so
    that less than 0.1 % of their energy changes voxel, and far less leaves a region of many voxels. At least 2 keV.
    """
    sx, sy, sz = (float(s) * CM_PER_MM for s in scene.grid.spacing_mm)
    chord_cm = 2.0 / (1.0 / sx + 1.0 / sy + 1.0 / sz)
    energy = np.geomspace(LEAST_ELECTRON_MEV, 0.2, 400)
    stays = csda_range_water_g_per_cm2(energy) <= STAY_SHARE * chord_cm
    return float(energy[stays].max(initial=LEAST_ELECTRON_MEV))


def nuclide_deposits(
    *,
    scene: Scene,
    strength: NDArray[Any],
    nuclide: str,
    relative_uncertainty: float,
    targets: NDArray[np.floating] | None = None,
    seed: int = 1,
    most_histories: int = 200_000_000,
    second: Second | None = None,
    device: Device = "cpu",
) -> NuclideDeposits:
    """Energy absorbed in every slot per decay of a nuclide spread over a scene.

    Photons by the track-length estimator, electrons (beta particles of both signs, conversion and Auger electrons) by
    condensed history with their bremsstrahlung, alphas and recoil where they are emitted. Runs grow until the weighted
    energy of each target is known to the requested relative standard uncertainty, or until ``most_histories``.

    Parameters
    ----------
    scene, strength : voxels, and a map proportional to the decays in them
    nuclide : for example "Lu-177"; progeny are not included
    relative_uncertainty : of the targets' energies, between 0.0001 and 0.5
    targets : (n_targets, n_slots) weights of the slots in each; each slot for itself when None
    seed : any integer
    most_histories : of photons, and of electrons
    second : for each slot a second one that gathers the photons' kerma in another material
    device : "cpu", or "cuda" for a GPU

    Raises
    ------
    InputError
        A relative uncertainty out of range; a source without activity, negative or not finite; targets of other slots.
    MissingDataError
        No CUDA device can be used here.
    """
    if not 1e-4 <= relative_uncertainty <= 0.5:
        raise InputError(
            f"A relative uncertainty of {relative_uncertainty:g}; expected between 0.0001 (0.01 %) and 0.5 (50 %)."
        )
    weights = np.eye(scene.n_slots) if targets is None else np.asarray(targets, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[1] != scene.n_slots:
        raise InputError(f"Weights of targets of shape {weights.shape}; expected (targets, {scene.n_slots} slots).")
    require_strength(strength, scene.grid.shape)
    found = emissions(nuclide)
    staying_mev = staying_electron_mev(scene)
    photons = Spectrum.of_lines(found.photons).above(CUTOFF_MEV)
    electrons = electron_spectrum(found).above(staying_mev)
    run = _Run(scene=scene, strength=strength, seed=seed, second=second, device=device)
    local = local_energy_mev(found, photons, electrons) * _share_by_slot(scene, strength)
    parts = {"photons": photons, "electrons": electrons}
    kept = {name: spectrum for name, spectrum in parts.items() if spectrum.total_yield > 0}
    result = _grown(run, kept, local, weights, relative_uncertainty, most_histories)
    return NuclideDeposits(
        photons=result.get("photons"),
        electrons=result.get("electrons"),
        local_mev=local,
        method=(
            "Monte Carlo: photons by track length, electrons by condensed history with bremsstrahlung; alphas, recoil, "
            f"electrons below {staying_mev * 1e3:.0f} keV and photons below {CUTOFF_MEV * 1e3:g} keV where emitted"
        ),
    )


def local_energy_mev(found: Emissions, photons: Spectrum, electrons: Spectrum) -> float:
    """Energy of a decay that none of the travelling particles carries. [MeV]"""
    emitted = found.electron_energy_mev + found.photon_energy_mev + found.alpha_energy_mev + found.recoil_energy_mev
    return emitted - photons.mean_energy_per_decay_mev - electrons.mean_energy_per_decay_mev


def _share_by_slot(scene: Scene, strength: NDArray[Any]) -> NDArray[np.float64]:
    """Share of the decays in each slot."""
    counted = scene.summed(strength)
    return np.asarray(counted[:-1] / counted.sum())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Run:
    """What all runs of a nuclide have in common."""

    scene: Scene
    strength: NDArray[Any]
    seed: int
    second: Second | None
    device: Device

    def more(self, name: str, spectrum: Spectrum, n: int, first: int) -> Deposits:
        if name == "photons":
            return follow_photons(
                scene=self.scene, strength=self.strength, lines=spectrum, n_histories=n, seed=self.seed, first=first,
                second=self.second, device=self.device,
            )  # fmt: skip
        # annihilation radiation is among the photon lines; positrons stop as electrons do
        return follow_electrons(
            scene=self.scene, strength=self.strength, lines=spectrum, n_histories=n, seed=self.seed + 1, first=first,
            device=self.device,
        )  # fmt: skip


def _grown(
    run: _Run,
    spectra: dict[str, Spectrum],
    local: NDArray[np.float64],
    weights: NDArray[np.float64],
    goal: float,
    most: int,
) -> dict[str, Deposits]:
    """Runs long enough for the goal: the part that adds most to the variance of the worst target grows."""
    found = {name: run.more(name, spectrum, PILOT, 0) for name, spectrum in spectra.items()}
    while found and weights.size:
        batches = {name: part.batches_mev @ weights.T for name, part in found.items()}
        energy = weights @ local + sum(b.mean(axis=0) for b in batches.values())
        variance = {name: b.var(axis=0, ddof=1) / b.shape[0] for name, b in batches.items()}
        total = np.sum(list(variance.values()), axis=0)
        relative = np.where(energy > 0, np.sqrt(total) / np.maximum(energy, 1e-300), 0.0)
        worst = int(np.argmax(relative))
        if relative[worst] <= goal:
            break
        open_ = {name: v[worst] for name, v in variance.items() if found[name].n_histories < most}
        if not open_:
            break
        name = max(open_, key=lambda key: open_[key])
        done = found[name].n_histories
        wanted = done * min((relative[worst] / goal) ** 2 * 1.1, GROWTH)
        n = max(int(min(wanted, most)) - done, PILOT)
        found[name] = found[name].plus(run.more(name, spectra[name], n, done))
    return found
