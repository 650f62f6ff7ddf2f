"""Electrons in a patient by a kernel in water and a Monte Carlo of what the kernel gets wrong.

Each history runs twice from the same random numbers, in the patient and in uniform water. The mean of the water runs is
known: it is the kernel, convolved with the source. So only the difference, which is small where tissue is like water,
has to be sampled::

    E = mean(A - beta (B - E_kernel))

with A the energy that a voxel gets in the patient, B in water. Any beta that does not depend on the same histories
leaves the mean right; the best one is cov(A, B) / var(B). It is estimated from the other half of the batches, over each
voxel's neighbours, so the result is never noticeably worse than A alone.
"""

from typing import Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from lutetia.dose.montecarlo.deposits import Deposits
from lutetia.dose.montecarlo.electrons.walk import walk_electron
from lutetia.dose.montecarlo.follow import (
    begun,
    cached_electron_tables,
    cached_photon_tables,
    counted,
    n_batches,
    popped,
)
from lutetia.dose.montecarlo.photons.walk import walk_photon
from lutetia.dose.montecarlo.scene import Geometry, Scene
from lutetia.dose.montecarlo.source import Spectrum, source_arrays
from lutetia.dose.montecarlo.stack import DEPTH, ELECTRON, FIELDS
from lutetia.physics.materials import material
from lutetia.physics.stopping import csda_range_water_g_per_cm2

NEIGHBOURS: Final = 5
"""Voxels along each edge of the block over which beta is estimated."""
THIN_G_PER_ML: Final = 0.1
"""In voxels thinner than this (air) beta is zero: water says nothing of them."""
MOST_BETA: Final = 1.5


@njit(cache=True, parallel=True)
def _pairs(per_batch, first, seed, source, geometries, margin, tables, in_patient, in_water, emitted, escaped):
    """Each history in the patient with all its secondaries, then in water with its electrons alone.

    ``margin`` (3,) is the water around the patient's grid along x, y and z. [cm]
    """
    photon_arrays, electron_arrays = tables
    patient, water = geometries
    for b in prange(in_patient.shape[0]):
        stack, count = np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64)
        for h in range(2 * per_batch):
            real = h % 2 == 0
            tally = in_patient[b] if real else in_water[b]
            geometry = patient if real else water
            history = first + b * per_batch + h // 2
            energy, x, y, z, u, v, w, state = begun(h // 2, per_batch, history, seed, source, patient)
            if real:
                emitted[b] += counted(energy)
            else:
                x, y, z = x + margin[0], y + margin[1], z + margin[2]
            which = ELECTRON
            while True:
                left = 0.0
                if which == ELECTRON:
                    state, left = walk_electron(
                        which, energy, x, y, z, u, v, w, state, geometry, electron_arrays, tally, stack, count
                    )
                elif real:
                    state, left = walk_photon(
                        energy, x, y, z, u, v, w, state, geometry, photon_arrays, tally, stack, count
                    )
                if real:
                    escaped[b] += counted(left)
                if count[0] == 0:
                    break
                which, energy, x, y, z, u, v, w = popped(stack, count)


class Pairs:
    """Paired histories of electrons, as many as are asked for.

    Parameters
    ----------
    scene : voxels, each a tally of its own
    strength : (z, y, x) proportional to the decays
    spectrum : energies and yields of the electrons
    expected_mev : (z, y, x) energy per decay in water, by the kernel
    seed : any integer
    """

    def __init__(
        self,
        scene: Scene,
        strength: NDArray[np.floating],
        spectrum: Spectrum,
        expected_mev: NDArray[np.floating],
        seed: int,
    ) -> None:
        self._scene, self._seed, self._expected = scene, seed, expected_mev
        self._source = source_arrays(strength, scene.grid.shape, spectrum)
        self._yield = spectrum.total_yield
        materials = (*scene.materials, material("water"))
        self._tables = (
            cached_photon_tables(materials, max(spectrum.highest_mev, 0.1)).arrays,
            cached_electron_tables(materials),
        )
        margin = _margin_voxels(scene, spectrum)
        self._geometries = (scene.geometry, _uniform_water(scene, len(materials) - 1, margin))
        self._margin_cm = margin * scene.geometry[3]
        batches = n_batches(scene.n_slots)
        self._tallies = np.zeros((2, batches, scene.n_slots + 1), np.int64)
        self._ends = np.zeros((2, batches), np.int64)
        self._per_batch = 0

    @property
    def n_histories(self) -> int:
        """Pairs followed."""
        return self._per_batch * self._tallies.shape[1]

    def follow(self, n_histories: int) -> None:
        """Follow so many more pairs."""
        batches = self._tallies.shape[1]
        per_batch = -(-n_histories // batches)
        _pairs(
            per_batch, self.n_histories, np.uint64(self._seed), self._source, self._geometries, self._margin_cm,
            self._tables, self._tallies[0], self._tallies[1], self._ends[0], self._ends[1],
        )  # fmt: skip
        self._per_batch += per_batch

    def analog(self) -> Deposits:
        """The histories in the patient on their own."""
        return self._as_deposits(0)

    def controlled_mev(self) -> NDArray[np.float32]:
        """Batches of the controlled estimate. (n_batches, z, y, x) [MeV per decay]"""
        shape = self._scene.grid.shape
        patient, water = (self._as_deposits(k).batches_mev.astype(np.float32).reshape(-1, *shape) for k in (0, 1))
        halves = (slice(0, None, 2), slice(1, None, 2))
        tissue = self._scene.density > THIN_G_PER_ML
        betas = [_best_beta(patient[half], water[half], tissue) for half in halves]
        expected = self._expected.astype(np.float32)
        for half, beta in zip(halves, reversed(betas), strict=True):
            water[half] = patient[half] - beta * (water[half] - expected)
        return water

    def _as_deposits(self, which: int) -> Deposits:
        return Deposits(
            tallies=self._tallies[which],
            emitted=self._ends[0],
            escaped=self._ends[1],
            per_batch=max(self._per_batch, 1),
            yield_per_decay=self._yield,
            seed=self._seed,
        )


def _margin_voxels(scene: Scene, spectrum: Spectrum) -> NDArray[np.int64]:
    """Voxels (x, y, z) of water around the grid from which electrons can still come back: half their range. (3,)"""
    reach_cm = float(csda_range_water_g_per_cm2(np.array([spectrum.highest_mev]))[0]) / 2
    return np.ceil(reach_cm / scene.geometry[3]).astype(np.int64)


def _uniform_water(scene: Scene, water: int, margin: NDArray[np.int64]) -> Geometry:
    """The scene's voxels filled with water of unit density, and water around them that no tally belongs to."""
    nx, ny, nz = (int(m) for m in margin)
    own = np.arange(scene.n_slots, dtype=np.int32).reshape(scene.grid.shape)
    slot = np.pad(own, ((nz, nz), (ny, ny), (nx, nx)), constant_values=-1)
    return np.ones(slot.shape, np.float32), np.full(slot.shape, water, np.uint8), slot, scene.geometry[3]


def _best_beta(
    patient: NDArray[np.float32], in_water: NDArray[np.float32], tissue: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Covariance over variance of batches around each voxel of tissue; 1 where hardly any history came. (z, y, x)"""
    away = (in_water - in_water.mean(axis=0)) * tissue
    variance = uniform_filter((away**2).mean(axis=0), NEIGHBOURS)
    covariance = uniform_filter(((patient - patient.mean(axis=0)) * away).mean(axis=0), NEIGHBOURS)
    floor = np.float32(1e-6) * max(float(variance.max()), 1e-30)
    beta = (covariance + floor) / (variance + floor)
    return np.asarray(np.clip(beta, 0.0, MOST_BETA) * tissue, np.float32)
