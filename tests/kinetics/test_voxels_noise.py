"""Noise of voxels: shrinkage towards the region, smoothing, and scans that do not lie on each other."""

import math

import numpy as np
import pytest
from scipy import ndimage

from lutetia.errors import InputError
from lutetia.kinetics.time_integrated_map import time_weights_s
from lutetia.kinetics.voxels.fit import VoxelNoise, VoxelRegions, fit_voxels
from lutetia.kinetics.voxels.noise import displacement_sigma, noise_maps, smoothed_sigma
from lutetia.kinetics.voxels.result import BI, MONO

H = 3600.0
DECAY = math.log(2) / (6.6443 * 86400)  # 177Lu, ICRP 107
FOUR = np.array([4.0, 24.0, 72.0, 168.0]) * H
N = 6000


def region(between, seed):
    """Voxels of one region: rates log-normal around a half-life of 60 h, counts that leave 20 % at the first scan."""
    rng = np.random.default_rng(seed)
    rate = math.log(2) / (60 * H) * np.exp(between * rng.standard_normal(N))
    rate = np.maximum(rate, DECAY)
    amplitude = 1e4 * np.exp(0.4 * rng.standard_normal(N))
    truth = amplitude[:, None] * np.exp(-rate[:, None] * FOUR)
    sigma = np.sqrt(truth * 400.0)
    return truth + sigma * rng.standard_normal(truth.shape), sigma, amplitude / rate, rate


def errors(found, truth_tia, rate):
    """Root mean square errors of the integral (over its mean) and of the logarithm of the half-life."""
    tia = np.sqrt(np.mean((found[0] - truth_tia) ** 2)) / truth_tia.mean()
    return float(tia), float(np.sqrt(np.mean(np.log(found[1] * rate / math.log(2)) ** 2)))


def three_ways(between, seed):
    """Voxels by themselves, shrunk, and the region's curve with the scans' weighted sum as shape."""
    y, sigma, tia, rate = region(between, seed)
    regions = VoxelRegions(labels=np.ones(N, int))
    given = {"decay_constant_per_s": DECAY, "sigma": sigma, "regions": regions, "least_significance": 0.0}
    alone = fit_voxels(y, FOUR, model="mono", **given)
    shrunk = fit_voxels(y, FOUR, model="shrunk", **given)
    shape = np.maximum(y, 0) @ time_weights_s(FOUR.tolist(), DECAY)
    whole = fit_voxels(y.sum(axis=0)[None], FOUR, model="mono", decay_constant_per_s=DECAY, sigma=np.ones((1, 4)))
    scaled = shape * float(whole.time_integrated_activity[0]) / shape.sum()
    half_life = np.full(N, float(whole.effective_half_life_s[0]))
    return {
        "alone": errors((alone.time_integrated_activity, alone.effective_half_life_s), tia, rate),
        "shrunk": errors((shrunk.time_integrated_activity, shrunk.effective_half_life_s), tia, rate),
        "scaled": errors((scaled, half_life), tia, rate),
    }, shrunk


def test_shrunk_voxels_are_nearer_to_the_truth_than_free_ones_and_than_the_region():
    found, shrunk = three_ways(0.35, 1)
    for which in (0, 1):
        assert found["shrunk"][which] < 0.97 * found["alone"][which]
        assert found["shrunk"][which] < 0.97 * found["scaled"][which]
    # candidates are 15 % apart; 6000 voxels know their spread to some per cent, and rates are cut at physical decay
    assert shrunk.between_voxels[1] == pytest.approx(0.35, rel=0.2)


def test_voxels_that_do_not_differ_get_the_curve_of_the_region():
    found, shrunk = three_ways(0.0, 2)
    assert shrunk.between_voxels[1] <= 0.04  # of noise that leaves 0.3 in the single voxel
    spread = shrunk.effective_half_life_s.std(dtype=float) / shrunk.effective_half_life_s.mean(dtype=float)
    assert spread < 0.02
    assert found["shrunk"][1] < 0.1 * found["alone"][1]
    assert found["shrunk"][0] < 0.7 * found["alone"][0]
    assert found["shrunk"][0] <= 1.02 * found["scaled"][0]


def test_without_noise_nothing_is_shrunk():
    rng = np.random.default_rng(3)
    rate = math.log(2) / (rng.uniform(40, 90, 500) * H)
    y = 1e4 * np.exp(-rate[:, None] * FOUR)
    given = {"decay_constant_per_s": DECAY, "sigma": 1e-4 * y, "regions": VoxelRegions(labels=np.ones(500, int))}
    shrunk = fit_voxels(y, FOUR, model="shrunk", **given)
    np.testing.assert_allclose(shrunk.effective_half_life_s, math.log(2) / rate, rtol=1e-4)


def test_a_region_of_two_phases_is_tilted():
    rng = np.random.default_rng(4)
    terms = ((1.0, math.log(2) / (80 * H)), (0.8, math.log(2) / (6 * H)))
    tilt = DECAY * 0.3 * rng.standard_normal(800)
    y = np.zeros((800, 4))
    total = np.zeros(800)
    for a, k in terms:
        y += 1e4 * a * np.exp(-(k + tilt)[:, None] * FOUR)
        total += 1e4 * a / (k + tilt)
    regions = VoxelRegions(labels=np.full(800, 5), exponentials={5: terms})
    found = fit_voxels(y, FOUR, decay_constant_per_s=DECAY, sigma=1e-4 * y, regions=regions, model="shrunk")
    assert np.all(found.model == BI)
    np.testing.assert_allclose(found.time_integrated_activity, total, rtol=1e-4)
    np.testing.assert_allclose(found.parameters[2] / found.parameters[0], 0.8, rtol=1e-5)


def test_regions_are_shrunk_each_to_its_own():
    y1, s1, *_ = region(0.3, 5)
    y2, s2, *_ = region(0.0, 6)
    labels = np.repeat([1, 2], N)
    found = fit_voxels(
        np.r_[y1, y2], FOUR, decay_constant_per_s=DECAY, sigma=np.r_[s1, s2], regions=VoxelRegions(labels=labels),
        model="shrunk",
    )  # fmt: skip
    assert found.between_voxels[1] > 0.2 > 0.05 > found.between_voxels[2]


def test_smoothing_lowers_the_uncertainty_as_independent_errors_do():
    rng = np.random.default_rng(7)
    shape, spacing, fwhm = (16, 18, 20), (4.0, 4.0, 5.0), 9.0
    clean = 1e4 * np.exp(-math.log(2) / (60 * H) * FOUR)[:, None, None, None] * np.ones((4, *shape))
    sigma = 0.2 * clean
    found = fit_voxels(
        clean + sigma * rng.standard_normal(clean.shape), FOUR, decay_constant_per_s=DECAY, sigma=sigma, model="mono",
        spacing_mm=spacing, smoothing_mm=fwhm,
    )  # fmt: skip
    # away from the borders, where the same voxel counts more than once
    inner = (slice(5, -5),) * 3
    spread = found.time_integrated_activity[inner].std(dtype=float)
    # some 15 independent parts in the inner region know a spread to a few per cent each way: 600 voxels, 8 together
    assert np.median(found.standard_uncertainty[inner]) == pytest.approx(spread, rel=0.2)
    one = np.zeros((1, *shape), np.float32) + 1
    width = fwhm / 2.3548
    wanted = math.prod(1 / math.sqrt(2 * math.sqrt(math.pi) * width / s) for s in spacing)  # sum of g^2, continuous
    assert smoothed_sigma(one, spacing, fwhm)[0, 8, 9, 10] == pytest.approx(wanted, rel=0.02)


def blob(shift_mm, spacing):
    """A Gaussian of 12 mm standard deviation on a floor, displaced: closed form, no interpolation."""
    z, y, x = np.indices((20, 20, 20)) * spacing
    centre = 9.5 * spacing + np.asarray(shift_mm)
    square = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
    return 0.05 + np.exp(-square / (2 * 12.0**2))


def test_displacement_enters_as_in_simulated_shifts():
    rng = np.random.default_rng(8)
    spacing, u, rate = 4.0, 1.0, math.log(2) / (60 * H)
    decay = 1e4 * np.exp(-rate * FOUR)
    still = np.stack([a * blob((0, 0, 0), spacing) for a in decay])
    sigma = 1e-4 * still.max() * np.ones_like(still)
    given = {"decay_constant_per_s": DECAY, "model": "mono", "spacing_mm": (spacing,) * 3}
    told = fit_voxels(still, FOUR, sigma=sigma, displacement_mm=u, **given)
    many = []
    for _ in range(60):
        moved = np.stack([a * blob(u * rng.standard_normal(3), spacing) for a in decay])
        weights = np.hypot(sigma, displacement_sigma(still.astype(np.float32), (spacing,) * 3, u))
        many.append(fit_voxels(moved, FOUR, sigma=weights, **given).time_integrated_activity)
    spread = np.std(many, axis=0, dtype=float)
    # the flank, where a displacement acts to first order; gradients are taken after smoothing by 6 mm, which makes them
    # 10 % smaller on a blob of 28 mm, and 60 repeats know a spread to 9 % in one voxel
    flank = (blob((0, 0, 0), spacing) > 0.3) & (blob((0, 0, 0), spacing) < 0.85)
    ratio = told.standard_uncertainty[flank] / spread[flank]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)
    assert np.all((ratio > 0.6) & (ratio < 1.6))
    without = fit_voxels(still, FOUR, sigma=sigma, **given)
    assert np.median(without.standard_uncertainty[flank] / spread[flank]) < 0.1


def test_displacement_is_linear_and_may_differ_between_scans():
    images = np.stack([blob((0, 0, 0), 4.0)] * 3).astype(np.float32)
    one = displacement_sigma(images, (4.0,) * 3, 1.0)
    np.testing.assert_allclose(displacement_sigma(images, (4.0,) * 3, (0.0, 1.0, 2.5))[2], 2.5 * one[2], rtol=1e-5)
    assert not displacement_sigma(images, (4.0,) * 3, (0.0, 1.0, 2.5))[0].any()
    with pytest.raises(InputError, match="expected one number or 3"):
        displacement_sigma(images, (4.0,) * 3, (1.0, 2.0))


def test_noise_of_images_is_taken_of_the_neighbours_mean():
    rng = np.random.default_rng(9)
    images = rng.poisson(25.0, (2, 12, 12, 12)).astype(np.float32)
    sigma = noise_maps(images, VoxelNoise(poisson=1.0).coefficients(2))
    wanted = np.sqrt(ndimage.uniform_filter(images[0], 3, mode="nearest"))
    np.testing.assert_allclose(sigma[0], wanted, rtol=1e-5)
    assert sigma.std() < 0.15  # of a mean of 27 counts of 25: sqrt(25/27)/(2 sqrt(25)) = 0.096


def test_low_voxels_do_not_pull_the_result_down():
    rng = np.random.default_rng(10)
    truth = 60.0 * np.exp(-math.log(2) / (60 * H) * FOUR)[:, None, None, None] * np.ones((4, 20, 20, 20))
    images = rng.poisson(truth).astype(np.float32)
    found = fit_voxels(images, FOUR, decay_constant_per_s=DECAY, noise=VoxelNoise(poisson=1.0), model="mono")
    mean = found.time_integrated_activity.mean(dtype=float)
    # weights by the voxel's own counts would give some 4 % less at 10 to 60 counts; 8000 voxels know their mean to 0.2 %
    assert mean == pytest.approx(60 * 60 * H / math.log(2), rel=0.02)
    assert np.mean(found.model == MONO) > 0.95
