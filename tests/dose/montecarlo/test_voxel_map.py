"""Single voxels between kernel and histories: least error, nothing negative, regions that keep their energy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutetia.dose.montecarlo.voxel_map import REST, clipped, least_error, restored, with_rest

SHAPE = (16, 16, 16)


def batches(truth, sigma, seed=1):
    """Ten unbiased batches, of whose mean every voxel is off by sigma."""
    noise = np.random.default_rng(seed).normal(size=(10, *SHAPE)) * np.sqrt(10) * sigma
    return (truth + noise).astype(np.float32)


def rms(values):
    return float(np.sqrt(np.mean(values**2)))


def test_noise_is_left_out_where_the_kernel_is_right():
    truth = np.ones(SHAPE, np.float32)
    found, variance = least_error(batches(truth, 0.5), truth)
    # the mean of ten batches is off by 0.5; the kernel is right, so all of that is noise
    assert rms(found - truth) < 0.05
    assert np.all(variance >= 0)


def test_histories_win_where_they_know_more():
    truth, kernel = np.ones(SHAPE, np.float32), np.full(SHAPE, 0.7, np.float32)
    found, variance = least_error(batches(truth, 0.01), kernel)
    # least mean squared error of 0.01 and 0.3: 1 / (1 / 0.01^2 + 1 / 0.3^2)
    assert rms(found - truth) == pytest.approx(0.01, rel=0.1)
    assert np.sqrt(variance.mean()) == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.1, 0.3, 1.0])
def test_never_much_worse_than_the_better_of_the_two(sigma):
    truth = np.ones(SHAPE, np.float32)
    kernel = truth.copy()
    kernel[:, :, 8:] = 0.9
    found, _ = least_error(batches(truth, sigma), kernel)
    wrong = (slice(None), slice(None), slice(11, None))
    # standard errors by which the kernel must be wrong cost a part of what could be had: a third more at the crossing
    assert rms((found - truth)[wrong]) < 1.4 * min(sigma, 0.1)


def test_one_history_in_each_half_moves_nothing():
    # a shower in one voxel of two batches, as with few histories of great weight
    sampled = np.ones((10, *SHAPE), np.float32)
    sampled[2, 8, 8, 8] = sampled[5, 8, 8, 8] = 200.0
    found, _ = least_error(sampled, np.ones(SHAPE, np.float32))
    assert found.max() < 1.01


def test_what_is_clipped_is_told_by_region():
    energy = np.ones(SHAPE, np.float32)
    energy[0, 0, 0] = -3.0
    first = np.zeros(SHAPE)
    first[0] = 1
    kept, shares = clipped(energy, {"first": first, "other": 1 - first})
    assert kept.min() == 0
    # 3 added to 255 voxels of 1
    assert shares == {"first": pytest.approx(3 / 255), "other": 0.0}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.floats(0.2, 3.0))
def test_regions_get_the_energy_of_the_unbiased_map(seed, ratio):
    rng = np.random.default_rng(seed)
    energy = rng.exponential(size=SHAPE).astype(np.float32)
    unbiased = (energy * ratio + rng.normal(size=SHAPE) * 0.1).astype(np.float32)
    labels = rng.integers(0, 4, size=SHAPE)
    regions = with_rest({str(k): (labels == k).astype(np.float32) for k in range(3)}, SHAPE)
    assert regions[REST].sum() == np.count_nonzero(labels == 3)
    found = restored(energy, unbiased, regions)
    for weights in regions.values():
        assert float((weights * found).sum()) == pytest.approx(float((weights * unbiased).sum()), rel=1e-4)


def test_voxels_that_regions_share():
    rng = np.random.default_rng(3)
    energy = rng.exponential(size=SHAPE).astype(np.float32)
    share = np.clip(np.linspace(1.4, -0.4, 16), 0, 1).astype(np.float32) * np.ones(SHAPE, np.float32)
    regions = with_rest({"one": share}, SHAPE)
    found = restored(energy, energy * (1 + 0.2 * share), regions)
    wanted = float((share * energy * (1 + 0.2 * share)).sum())
    assert float((share * found).sum()) == pytest.approx(wanted, rel=1e-3)


def test_a_region_without_energy_stays_without():
    regions = with_rest({"none": np.eye(16)[0] * np.ones(SHAPE)}, SHAPE)
    zero = np.zeros(SHAPE, np.float32)
    np.testing.assert_array_equal(restored(zero, zero, regions), zero)
    below = np.full(SHAPE, -1.0, np.float32)
    assert restored(np.ones(SHAPE, np.float32), below, regions).max() == 0
