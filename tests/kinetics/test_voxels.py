"""Fits of voxels: exact on noiseless curves, equal to scipy's curve_fit, and told where nothing fits."""

import math

import numpy as np
import pytest
from scipy.optimize import curve_fit

from lutetia.errors import FitError, InputError
from lutetia.kinetics.voxels.fit import VoxelNoise, VoxelRegions, fit_voxels
from lutetia.kinetics.voxels.result import (
    BI,
    COLLAPSED,
    EMPTY,
    FITTED,
    MODEL_NAMES,
    MONO,
    NOISE,
    NOT_COMPARED,
    NOT_FINITE,
    OUTSIDE,
    PHYSICAL_LIMIT,
    RISING,
    SCALED,
    STATUS_MEANINGS,
    TOO_FAST,
    TRAPEZOID,
    UPTAKE,
)  # fmt: skip

H = 3600.0
DECAY = math.log(2) / (6.6443 * 86400)  # 177Lu, ICRP 107
FOUR = np.array([4.0, 24.0, 72.0, 168.0]) * H
SIX = np.array([1.0, 4.0, 24.0, 48.0, 96.0, 168.0]) * H
FLOAT32 = 1.2e-7  # two roundings of 6e-8: of the values and of the map


def terms(kind, p, t):
    """Activity of parameter rows (a, k, b, l), the second amplitude negative for uptake."""
    if kind == "mono":
        return p[:, :1] * np.exp(-p[:, 1:2] * t)
    return p[:, :1] * np.exp(-p[:, 1:2] * t) + p[:, 2:3] * np.exp(-p[:, 3:4] * t)


def draw(kind, n, seed):
    rng = np.random.default_rng(seed)
    slow, fast = math.log(2) / (rng.uniform(45, 120, n) * H), math.log(2) / (rng.uniform(2, 9, n) * H)
    a = rng.uniform(1e3, 1e5, n)
    b = {"mono": np.zeros(n), "bi": a * rng.uniform(0.4, 3, n), "uptake": -a}[kind]
    return np.stack([a, slow, b, fast], axis=1)


def integral(p):
    with np.errstate(divide="ignore", invalid="ignore"):
        return p[:, 0] / p[:, 1] + np.where(p[:, 2] != 0, p[:, 2] / p[:, 3], 0.0)


@pytest.mark.parametrize("kind", ["mono", "bi", "uptake"])
def test_noiseless_curves_are_recovered(kind):
    p = draw(kind, 2000, 1)
    y = terms(kind, p, SIX)
    found = fit_voxels(y, SIX, decay_constant_per_s=DECAY, noise=VoxelNoise(relative=0.05), model=kind)
    assert np.all(found.status == FITTED)
    # rounding of the values to float32 moves the least determined parameter of four by up to 1e-4, the integral by 1e-5
    tolerance = {"mono": 1e-6, "uptake": 1e-6, "bi": 1e-5}[kind]
    np.testing.assert_allclose(found.time_integrated_activity, integral(p), rtol=tolerance)
    np.testing.assert_allclose(found.effective_half_life_s, math.log(2) / p[:, 1], rtol=20 * tolerance)


FUNCTIONS = {
    "mono": lambda t, a, k: a * np.exp(-k * t),
    "bi": lambda t, a, k, b, m: a * np.exp(-k * t) + b * np.exp(-m * t),
    "uptake": lambda t, a, k, m: a * (np.exp(-k * t) - np.exp(-m * t)),
}


def by_scipy(kind, t, y, sigma, start):
    """Parameters, covariance and sum of squares by curve_fit, as sharply as double precision allows. Times in h."""
    f = FUNCTIONS[kind]
    q, c = curve_fit(
        f, t, y, p0=start, sigma=sigma, absolute_sigma=True, ftol=1e-15, xtol=1e-15, gtol=1e-15, maxfev=20000
    )
    return q, c, float((((f(t, *q) - y) / sigma) ** 2).sum())


def integral_of(kind, q, c):
    if kind == "mono":
        total, g = q[0] / q[1], np.array([1 / q[1], -q[0] / q[1] ** 2])
    elif kind == "uptake":
        total = q[0] * (1 / q[1] - 1 / q[2])
        g = np.array([1 / q[1] - 1 / q[2], -q[0] / q[1] ** 2, q[0] / q[2] ** 2])
    else:
        total = q[0] / q[1] + q[2] / q[3]
        g = np.array([1 / q[1], -q[0] / q[1] ** 2, 1 / q[3], -q[2] / q[3] ** 2])
    return total, math.sqrt(g @ c @ g)


@pytest.mark.parametrize(("kind", "time_s"), [("mono", FOUR), ("bi", SIX), ("uptake", SIX)])
def test_noisy_voxels_equal_curve_fit(kind, time_s):
    p = draw(kind, 150, 2)
    rng = np.random.default_rng(3)
    y = terms(kind, p, time_s)
    y = np.maximum(y * (1 + 0.05 * rng.standard_normal(y.shape)), 1.0).astype(np.float32)
    sigma = (0.05 * y).astype(np.float32)
    found = fit_voxels(y, time_s, decay_constant_per_s=DECAY, sigma=sigma, model=kind)
    same, other = 0, 0
    for v in np.flatnonzero(found.status == FITTED):
        scale = float(y[v].max())
        start = np.array([p[v, 0] / scale, p[v, 1] * H, p[v, 2] / scale, p[v, 3] * H])
        start = {"mono": start[:2], "bi": start, "uptake": start[[0, 1, 3]]}[kind]
        q, c, chi2 = by_scipy(kind, time_s / H, y[v].astype(float) / scale, sigma[v].astype(float) / scale, start)
        if chi2 > float(found.chi_square[v]) * (1 + 1e-6) + 1e-6:
            other += 1  # curve_fit stopped in a worse minimum
            continue
        # never the other way: the grid finds the lowest minimum (1e-6: chi square of residuals at float32 rounding)
        assert chi2 == pytest.approx(float(found.chi_square[v]), rel=1e-4, abs=1e-6)
        if kind == "bi" and q[1] > q[3]:
            q, c = q[[2, 3, 0, 1]], c[np.ix_([2, 3, 0, 1], [2, 3, 0, 1])]
        total, spread = integral_of(kind, q, c)
        assert float(found.time_integrated_activity[v]) == pytest.approx(total * scale * H, rel=1e-6)
        assert float(found.standard_uncertainty[v]) == pytest.approx(spread * scale * H, rel=2e-5)
        rates = found.parameters[1::2, v].astype(float) * H
        assert rates[0] == pytest.approx(q[1], rel=1e-6)
        if kind != "mono":
            assert rates[1] == pytest.approx(q[-1], rel=1e-6)
        same += 1
    assert same > 120
    assert other <= 5


def test_images_and_flat_voxels_give_the_same():
    p = draw("mono", 60, 4)
    y = terms("mono", p, FOUR)
    flat = fit_voxels(y, FOUR, decay_constant_per_s=DECAY, sigma=0.1 * y, model="mono")
    image = y.T.reshape(4, 3, 4, 5)
    there = fit_voxels(image, FOUR, decay_constant_per_s=DECAY, sigma=0.1 * image, model="mono")
    assert there.time_integrated_activity.shape == (3, 4, 5)
    np.testing.assert_array_equal(there.time_integrated_activity.ravel(), flat.time_integrated_activity)


@pytest.mark.parametrize("kind", ["mono", "bi", "uptake", "auto"])
def test_scaling_of_the_values_scales_the_result(kind):
    p = draw("bi", 300, 5)
    rng = np.random.default_rng(6)
    y = terms("bi", p, SIX) * (1 + 0.03 * rng.standard_normal((300, 6)))
    one = fit_voxels(y, SIX, decay_constant_per_s=DECAY, sigma=0.03 * np.abs(y), model=kind)
    many = fit_voxels(1024 * y, SIX, decay_constant_per_s=DECAY, sigma=1024 * 0.03 * np.abs(y), model=kind)
    # a power of two changes no rounding
    np.testing.assert_array_equal(many.time_integrated_activity, 1024 * one.time_integrated_activity)
    np.testing.assert_array_equal(many.effective_half_life_s, one.effective_half_life_s)
    np.testing.assert_array_equal(many.status, one.status)


def test_standard_uncertainty_is_the_spread_of_repeated_fits():
    rng = np.random.default_rng(7)
    p = np.array([[1e4, math.log(2) / (60 * H)]])
    truth = terms("mono", p, FOUR)
    sigma = np.broadcast_to(0.04 * truth, (20000, 4))
    found = fit_voxels(
        truth + sigma * rng.standard_normal(sigma.shape), FOUR, decay_constant_per_s=DECAY, sigma=sigma
    )
    spread = found.time_integrated_activity.std(dtype=float)
    # 20,000 repeats know their spread to 0.5 %; the curve is not quite linear in its parameters
    assert np.median(found.standard_uncertainty) == pytest.approx(spread, rel=0.03)
    half_life = found.effective_half_life_s.std(dtype=float)
    assert np.median(found.effective_half_life_uncertainty_s) == pytest.approx(half_life, rel=0.04)
    within = np.abs(found.time_integrated_activity - integral(np.c_[p, 0, 1])) < 1.96 * found.standard_uncertainty
    assert 0.93 < within.mean() < 0.97


def test_aicc_finds_the_model_that_made_the_curve():
    rng = np.random.default_rng(8)
    time_s = np.array([0.5, 2, 4, 8, 24, 48, 96, 168]) * H
    for kind, code in (("mono", MONO), ("bi", BI), ("uptake", UPTAKE)):
        y = terms(kind, draw(kind, 400, 9), time_s)
        sigma = 0.02 * y.max(axis=1, keepdims=True) * np.ones_like(y)
        found = fit_voxels(
            y + sigma * rng.standard_normal(y.shape), time_s, decay_constant_per_s=DECAY, sigma=sigma
        )
        # AICc prefers a needless term in some voxels, as every criterion with a finite penalty does
        assert np.mean(found.model == code) > 0.85, MODEL_NAMES[code]


def test_aicc_is_that_of_its_definition():
    y = terms("mono", draw("mono", 5, 10), SIX) * 1.02
    found = fit_voxels(y, SIX, decay_constant_per_s=DECAY, sigma=0.1 * y, model="mono")
    # chi2 + 2k + 2k(k+1)/(n-k-1) with k = 2, n = 6: chi2 + 4 + 4
    np.testing.assert_allclose(found.aicc, found.chi_square + 8, rtol=FLOAT32)


def fit_one(values, time_s=FOUR, sigma=None, **more):
    y = np.array([values], dtype=float)
    sigma = np.array([sigma]) if sigma is not None else np.full_like(y, 0.03 * max(y.max(), 1.0))
    return fit_voxels(y, time_s, decay_constant_per_s=DECAY, sigma=sigma, **more)


def trapezoid(values, time_s, tail):
    inner = float(np.trapezoid(values, time_s))
    return values[0] * math.expm1(DECAY * time_s[0]) / DECAY + inner + values[-1] / tail


def test_physical_decay_is_the_limit():
    k = DECAY / 1.05
    found = fit_one(1e4 * np.exp(-k * FOUR))
    assert found.status[0] == PHYSICAL_LIMIT
    assert found.effective_half_life_s[0] == pytest.approx(math.log(2) / DECAY, rel=FLOAT32)


def test_a_rising_voxel_is_integrated_by_trapezoids():
    values = [100.0, 300.0, 700.0, 900.0]
    found = fit_one(values, model="mono")
    assert (found.status[0], found.model[0]) == (RISING, TRAPEZOID)
    assert found.time_integrated_activity[0] == pytest.approx(trapezoid(values, FOUR, DECAY), rel=1e-6)
    assert "rises" in found.warnings[0]
    assert found.warnings[0].startswith("1 of 1 voxels")


def test_the_tail_is_that_of_the_region_where_one_is_given():
    values, rate = [100.0, 300.0, 700.0, 900.0], math.log(2) / (50 * H)
    regions = VoxelRegions(labels=np.array([3]), exponentials={3: ((1.0, rate),)})
    found = fit_one(values, model="mono", regions=regions)
    assert found.time_integrated_activity[0] == pytest.approx(trapezoid(values, FOUR, rate), rel=1e-6)
    assert found.effective_half_life_s[0] == pytest.approx(50 * H, rel=FLOAT32)


def test_uptake_is_seen_by_four_scans_though_aicc_is_silent():
    values = 1e4 * (np.exp(-FOUR * math.log(2) / (70 * H)) - np.exp(-FOUR * math.log(2) / (20 * H)))
    found = fit_one(values, sigma=0.03 * values)
    assert (found.status[0], found.model[0]) == (NOT_COMPARED, UPTAKE)
    assert found.time_integrated_activity[0] == pytest.approx(1e4 * 50 * H / math.log(2), rel=1e-5)  # closed form


def test_activity_of_the_first_scan_alone_falls_too_fast():
    found = fit_one([1e4, 0.01, 0.0, 0.0], sigma=[10.0, 0.01, 0.01, 0.01], model="mono")
    assert found.status[0] == TOO_FAST


def test_noise_gets_the_curve_of_the_region():
    rate = math.log(2) / (60 * H)
    regions = VoxelRegions(labels=np.array([1]), exponentials={1: ((2.0, rate),)})
    values, sigma = np.array([10.0, -4.0, 6.0, 2.0]), np.full(4, 10.0)
    found = fit_one(values, sigma=sigma, regions=regions)
    assert (found.status[0], found.model[0]) == (NOISE, SCALED)
    f = np.exp(-rate * FOUR)
    # weighted regression on the curve, closed form
    assert found.time_integrated_activity[0] == pytest.approx(f @ values / (f @ f) / rate, rel=1e-6)
    assert found.standard_uncertainty[0] == pytest.approx(10 / math.sqrt(f @ f) / rate, rel=1e-6)


def test_zeros_and_not_finite_values_are_told():
    y = np.array([[0.0, 0, 0, 0], [1e3, np.nan, 5e2, 3e2], [1e3, np.inf, 5e2, 3e2], [-1.0, -2, 0, -3]])
    found = fit_voxels(y, FOUR, decay_constant_per_s=DECAY, noise=VoxelNoise(poisson=1.0))
    assert found.status.tolist() == [EMPTY, NOT_FINITE, NOT_FINITE, EMPTY]
    assert found.time_integrated_activity[0] == 0
    assert np.isnan(found.time_integrated_activity[1])
    assert np.all(np.isnan(found.standard_uncertainty))
    assert not found.converged.any()
    assert found.counts() == {EMPTY: 2, NOT_FINITE: 2}


def test_a_bi_exponential_that_is_none_collapses():
    found = fit_one(1e4 * np.exp(-SIX * math.log(2) / (60 * H)) * [0.9, 1, 1.05, 1, 1, 1], SIX, model="bi")
    assert (found.status[0], found.model[0]) == (COLLAPSED, MONO)
    assert np.isnan(found.parameters[2, 0])


def test_only_the_mask_is_fitted():
    y = terms("mono", draw("mono", 4, 11), FOUR)
    found = fit_voxels(
        y, FOUR, decay_constant_per_s=DECAY, sigma=0.1 * y, model="mono", mask=np.array([True, False, True, False])
    )
    assert found.status.tolist() == [FITTED, OUTSIDE, FITTED, OUTSIDE]
    assert np.isnan(found.time_integrated_activity[1])
    assert found.warnings == ()


def test_every_status_and_model_has_a_meaning():
    assert sorted(STATUS_MEANINGS) == list(range(12))
    assert sorted(MODEL_NAMES) == list(range(6))


def test_unknown_noise_is_taken_from_the_residuals():
    rng = np.random.default_rng(12)
    truth = terms("mono", draw("mono", 4000, 13), FOUR)
    y = truth + np.sqrt(7.0 * truth) * rng.standard_normal(truth.shape)
    free = fit_voxels(y, FOUR, decay_constant_per_s=DECAY, model="mono")
    # lower quartile of 2000 sums of squares: 3 %; values that stand for their own variance add some
    assert free.noise_factor == pytest.approx(math.sqrt(7.0), rel=0.05)
    known = fit_voxels(y, FOUR, decay_constant_per_s=DECAY, model="mono", noise=VoxelNoise(poisson=7.0))
    assert np.median(free.standard_uncertainty / known.standard_uncertainty) == pytest.approx(1.0, rel=0.05)


def test_two_scans_tell_no_uncertainty_unless_the_noise_is_known():
    y = terms("mono", draw("mono", 50, 14), FOUR[1:3])
    found = fit_voxels(y, FOUR[1:3], decay_constant_per_s=DECAY, model="mono")
    assert np.all(np.isnan(found.standard_uncertainty))
    assert np.isnan(found.noise_factor)
    assert "noise is unknown" in found.warnings[0]
    known = fit_voxels(y, FOUR[1:3], decay_constant_per_s=DECAY, model="mono", sigma=0.05 * y)
    assert np.all(known.standard_uncertainty > 0)


ONE = np.ones((2, 4))


@pytest.mark.parametrize(
    ("error", "message", "changed"),
    [
        (InputError, "expected one of mono, bi", {"model": "tri"}),
        (InputError, "expected increasing times", {"time_s": FOUR[::-1]}),
        (InputError, "expected increasing times", {"time_s": [0.0, 1, 2, 3]}),
        (InputError, "expected increasing times", {"time_s": [1.0, 2, 2, 3]}),
        (InputError, "expected \\(times, z, y, x\\) or \\(voxels, times\\)", {"time_s": FOUR[:3]}),
        (InputError, "decay_constant_per_s is 0", {"decay_constant_per_s": 0}),
        (InputError, "every voxel needs one above 0", {"sigma": 0 * ONE}),
        (InputError, "sigma has shape", {"sigma": np.ones((3, 4))}),
        (InputError, "Both sigma and noise", {"sigma": ONE, "noise": VoxelNoise(poisson=1.0)}),
        (InputError, "none below 0", {"noise": VoxelNoise(relative=-0.1)}),
        (InputError, "expected one number or 4", {"noise": VoxelNoise(relative=[0.1, 0.2])}),
        (InputError, "a scan without any", {"noise": VoxelNoise()}),
        (InputError, "The mask has shape", {"mask": np.ones(3, bool)}),
        (InputError, "need images", {"smoothing_mm": 5.0}),
        (InputError, "The fastest effective half-life", {"fastest_half_life_s": 1e9}),
        (FitError, "needs regions", {"model": "shrunk"}),
        (InputError, "labels of the regions", {"regions": VoxelRegions(labels=np.ones(3, int))}),
        (
            InputError,
            "slowest term above 0",
            {"regions": VoxelRegions(labels=np.ones(2, int), exponentials={1: ((-1.0, 1e-6),)})},
        ),
        (FitError, "to know the noise", {"model": "shrunk", "regions": VoxelRegions(labels=np.ones(2, int))}),
    ],
)
def test_what_cannot_be_is_refused(error, message, changed):
    given = {"images": ONE, "time_s": FOUR, "decay_constant_per_s": DECAY, **changed}
    with pytest.raises(error, match=message):
        fit_voxels(given.pop("images"), given.pop("time_s"), **given)


@pytest.mark.parametrize(("model", "n", "needed"), [("bi", 2, 4), ("uptake", 2, 3), ("mono", 1, 2), ("auto", 1, 2)])
def test_too_few_scans_are_refused(model, n, needed):
    with pytest.raises(FitError, match=f"A {model} fit of voxels needs {needed} scans"):
        fit_voxels(np.ones((2, n)), FOUR[:n], decay_constant_per_s=DECAY, model=model)


@pytest.mark.parametrize("model", ["mono", "uptake", "auto"])
def test_a_voxel_that_only_the_first_scan_covers_is_not_fitted(model):
    found = fit_one([20.0, 0.0, 0.0, 0.0], sigma=[2.0, 0.2, 0.2, 0.1], model=model)
    assert (found.status[0], found.model[0]) == (TOO_FAST, TRAPEZOID)
    assert found.time_integrated_activity[0] == pytest.approx(trapezoid([20.0, 0, 0, 0], FOUR, DECAY), rel=1e-6)
