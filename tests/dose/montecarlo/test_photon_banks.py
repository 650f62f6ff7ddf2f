"""Photons that go in step score what they score one by one, on any number of threads."""

import numba
import numpy as np
import pytest
from numba import njit

from lutetia.dose.montecarlo.follow import begun, cached_photon_tables, follow_photons, n_batches
from lutetia.dose.montecarlo.photons.walk import packed
from lutetia.dose.montecarlo.photons.woodcock import block_majorants, walk_photon_collision
from lutetia.dose.montecarlo.scene import region_scene
from lutetia.dose.montecarlo.source import Spectrum, source_arrays
from lutetia.dose.montecarlo.stack import DEPTH, FIELDS, FIXED_POINT
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.emissions import Lines
from lutetia.physics.materials import Material, material


@pytest.fixture(scope="module")
def scene():
    """Water, lung and gold, whose K lines and annihilation photons make secondaries wait."""
    materials = [
        material("water"),
        material("lung"),
        Material(name="gold", density_g_per_ml=19.3, mass_fractions={"Au": 1.0}, source="test"),
    ]
    density, index = np.ones((20, 24, 28), np.float32), np.zeros((20, 24, 28), np.uint8)
    density[5:9, 4:20, 3:12], index[5:9, 4:20, 3:12] = 0.3, 1
    density[10:14, 8:16, 8:16], index[10:14, 8:16, 8:16] = 19.3, 2
    grid = Grid(size=(28, 24, 20), spacing_mm=(4.0, 5.0, 6.0), origin_mm=(0.0, 0.0, 0.0))
    return region_scene(Volume(grid=grid, values=density, unit="g/mL"), index, materials, index.astype(int) - 1, 2)


@njit(cache=False)
def one_by_one(batch, per_batch, seed, source, geometry, tables, blocks, tally):
    stack, count = np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64)
    escaped = 0.0
    for h in range(per_batch):
        energy, x, y, z, u, v, w, state = begun(h, per_batch, batch * per_batch + h, seed, source, geometry)
        while True:
            state, left = walk_photon_collision(
                energy, x, y, z, u, v, w, state, geometry, tables, blocks, tally, stack, count
            )
            escaped += left
            if count[0] == 0:
                break
            count[0] -= 1
            row = stack[count[0]]
            energy, x, y, z, u, v, w = row[1], row[2], row[3], row[4], row[5], row[6], row[7]
    return escaped


# from photons that end where they begin to pairs; fewer histories than a bank holds, and more
@pytest.mark.parametrize(("energy_mev", "per_batch"), [(0.004, 5), (0.09, 5), (0.208, 700), (2.6, 700)])
def test_in_step_as_one_by_one(scene, energy_mev, per_batch):
    lines = Lines(energy_mev=np.array([energy_mev]), yield_per_decay=np.array([1.0]))
    strength = np.ones(scene.grid.shape)
    batches = n_batches(scene.n_slots)
    found = follow_photons(
        scene=scene, strength=strength, lines=lines, n_histories=per_batch * batches, seed=5, estimator="collision"
    )
    source = source_arrays(strength, scene.grid.shape, Spectrum.of_lines(lines))
    tables, geometry = (
        cached_photon_tables(scene.materials, 0.6 if energy_mev < 0.6 else 3.0),
        packed(scene.geometry),
    )
    blocks = block_majorants(geometry, tables)
    tallies, escaped = np.zeros((batches, scene.n_slots + 1), np.int64), 0.0
    for b in range(batches):
        escaped += one_by_one(b, per_batch, np.uint64(5), source, geometry, tables.arrays, blocks, tallies[b])
    # the same numbers in the same order: to the rounding of places, compiled in two ways
    np.testing.assert_allclose(found.tallies, tallies, rtol=1e-9, atol=2)
    assert found.escaped.sum() / FIXED_POINT == pytest.approx(escaped, rel=1e-6, abs=1e-9)
    assert found.emitted.sum() / FIXED_POINT == pytest.approx(energy_mev * per_batch * batches, rel=1e-8)


def test_the_same_bits_on_any_number_of_threads(scene):
    lines = Lines(energy_mev=np.array([0.4]), yield_per_decay=np.array([1.0]))
    before, runs = numba.get_num_threads(), []
    for threads in {1, numba.config.NUMBA_NUM_THREADS}:
        numba.set_num_threads(threads)
        runs.append(
            follow_photons(
                scene=scene, strength=np.ones(scene.grid.shape), lines=lines, n_histories=5_000, seed=2,
                estimator="collision",
            ).tallies
        )  # fmt: skip
    numba.set_num_threads(before)
    assert all(np.array_equal(runs[0], run) for run in runs)
