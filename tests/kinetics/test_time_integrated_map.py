"""The map sums to the regions' fits, whatever the images look like."""

import numpy as np
import pytest

from lutetia.errors import InputError
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.kinetics.time_integrated_map import time_integrated_activity_map, time_weights_s

GRID = Grid(size=(6, 5, 4), spacing_mm=(4.8, 4.8, 4.8), origin_mm=(0, 0, 0))


def make(images, occupancy, wanted):
    return time_integrated_activity_map(
        images=[Volume(grid=GRID, values=i, unit="Bq/mL") for i in images],
        time_s=[86400.0 * (1 + n) for n in range(len(images))],
        occupancy=occupancy,
        time_integrated_activity_bq_s=wanted,
        decay_constant_per_s=1.2e-6,
    )


def test_each_region_has_its_time_integrated_activity():
    rng = np.random.default_rng(1)
    share = rng.random(GRID.shape).astype(np.float32)
    occupancy = {"liver": share, "remainder": 1 - share}
    wanted = {"liver": 3e12, "remainder": 7e12}
    found = make(rng.random((3, *GRID.shape)).astype(np.float32), occupancy, wanted)
    assert found.values.sum(dtype=float) * GRID.voxel_ml == pytest.approx(1e13, rel=1e-5)


def test_a_region_without_counts_is_spread_evenly():
    one = np.ones(GRID.shape, np.float32)
    found = make([0 * one], {"liver": one}, {"liver": 5e9})
    assert np.ptp(found.values) == 0
    assert found.values.sum(dtype=float) * GRID.voxel_ml == pytest.approx(5e9, rel=1e-5)


def test_weights_integrate_pure_decay_in_the_tails():
    k = 1.2e-6
    assert time_weights_s([86400.0], k)[0] * np.exp(-k * 86400) == pytest.approx(1 / k, rel=1e-12)  # closed form


def test_regions_must_match():
    with pytest.raises(InputError, match="One time-integrated activity per region"):
        make([np.ones(GRID.shape, np.float32)], {"liver": np.ones(GRID.shape, np.float32)}, {})
