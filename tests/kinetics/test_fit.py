"""Fits of time-activity curves: exact recovery, limits, coverage, choice of model."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve, fit_trapezoid
from lutetia.kinetics.models import BI, MONO, UPTAKE

H = 3600.0
LU = math.log(2) / (6.647 * 86400)
TIMES = np.array([4.0, 24.0, 48.0, 72.0, 168.0]) * H


def curve(activity, time_s=TIMES, relative=0.03):
    u = None if relative is None else relative * activity
    return TimeActivityCurve(region="kidney", time_s=time_s, activity_bq=activity, standard_uncertainty_bq=u)


def half_life(hours):
    return math.log(2) / (hours * H)


@given(size=st.floats(1e5, 1e9), hours=st.floats(20, 150))
@settings(max_examples=40, deadline=None)
def test_mono_exponential_is_recovered(size, hours):
    k = half_life(hours)
    fit = fit_curve(curve(size * np.exp(-k * TIMES)), decay_constant_per_s=LU, model="mono")
    assert fit.time_integrated_activity_bq_s == pytest.approx(size / k, rel=1e-5)  # closed form A/k
    assert fit.effective_half_life_s == pytest.approx(hours * H, rel=1e-5)
    last = math.exp(-k * TIMES[-1])
    assert fit.extrapolated_fraction == pytest.approx(last, rel=1e-4)  # closed form


@given(hours=st.floats(40, 90), fast=st.floats(2, 10), share=st.floats(0.3, 0.7))
@settings(max_examples=15, deadline=None)
def test_bi_exponential_is_recovered(hours, fast, share):
    p = np.array([1e7 * (1 - share), half_life(hours), 1e7 * share, half_life(fast)])
    t = np.array([1, 4, 8, 24, 48, 96, 168.0]) * H
    fit = fit_curve(curve(BI.activity(p, t), t), decay_constant_per_s=LU, model="bi")
    assert fit.time_integrated_activity_bq_s == pytest.approx(BI.integral(p), rel=5e-3)


def test_uptake_is_recovered_and_chosen():
    p = np.array([1e7, half_life(60), half_life(6)])
    t = np.array([1, 4, 10, 24, 48, 96, 168.0]) * H
    fit = fit_curve(curve(UPTAKE.activity(p, t), t), decay_constant_per_s=LU)
    assert fit.model == UPTAKE.name
    assert fit.time_integrated_activity_bq_s == pytest.approx(
        1e7 * (60 - 6) * H / math.log(2), rel=1e-3
    )  # closed form


def test_auto_prefers_the_simple_model_where_it_is_true():
    rng = np.random.default_rng(5)
    names = []
    for _ in range(30):
        true = 1e7 * np.exp(-half_life(55) * TIMES)
        names.append(fit_curve(curve(true * rng.normal(1, 0.03, 5)), decay_constant_per_s=LU).model)
    assert names.count(MONO.name) >= 24  # AICc errs in a minority of noisy cases


def test_no_term_is_slower_than_physical_decay():
    activity = 1e7 * np.exp(-0.6 * LU * TIMES)  # slower than decay: a calibration that drifts
    fit = fit_curve(curve(activity), decay_constant_per_s=LU, model="mono")
    assert fit.effective_half_life_s <= math.log(2) / LU * (1 + 1e-9)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(11)
    k, n, inside = half_life(55), 200, 0
    for _ in range(n):
        true = 1e7 * np.exp(-k * TIMES)
        fit = fit_curve(curve(true * rng.normal(1, 0.05, 5), relative=0.05), decay_constant_per_s=LU, model="mono")
        inside += abs(fit.time_integrated_activity_bq_s - 1e7 / k) <= 2 * fit.standard_uncertainty_bq_s
    # k=2 covers 95.4 %; Birge's factor (never below 1) makes it a little more; 4 binomial deviations either way
    assert 0.954 - 4 * math.sqrt(0.954 * 0.046 / n) <= inside / n <= 1.0


def test_uncertainty_agrees_with_the_scatter_of_repeated_fits():
    rng = np.random.default_rng(3)
    k = half_life(55)
    fits = [
        fit_curve(
            curve(1e7 * np.exp(-k * TIMES) * rng.normal(1, 0.02, 5), relative=0.02),
            decay_constant_per_s=LU,
            model="mono",
        )
        for _ in range(150)
    ]
    scatter = np.std([f.time_integrated_activity_bq_s for f in fits])
    stated = np.median([f.standard_uncertainty_bq_s for f in fits])
    assert stated == pytest.approx(scatter, rel=4 / math.sqrt(2 * 150) + 0.1)  # sd of a sd, and Birge's factor


@given(factor=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_integral_scales_with_activity(factor):
    activity = np.array([5e6, 4e6, 2.6e6, 1.9e6, 5e5])
    one = fit_curve(curve(activity), decay_constant_per_s=LU)
    many = fit_curve(curve(factor * activity), decay_constant_per_s=LU)
    assert many.time_integrated_activity_bq_s == pytest.approx(factor * one.time_integrated_activity_bq_s, rel=1e-4)


def test_trapezoid_of_pure_decay_is_exact_in_the_tails():
    t = np.array([24.0]) * H
    fit = fit_trapezoid(curve(1e7 * np.exp(-LU * t), t), decay_constant_per_s=LU)
    assert fit.time_integrated_activity_bq_s == pytest.approx(1e7 / LU, rel=1e-12)  # A0/lambda


def test_two_points_without_uncertainty_say_that_it_is_unknown():
    t = np.array([24.0, 72.0]) * H
    fit = fit_curve(curve(1e7 * np.exp(-half_life(60) * t), t, relative=None), decay_constant_per_s=LU)
    assert fit.standard_uncertainty_bq_s is None
    assert any("AICc" in w for w in fit.warnings)


def test_one_time_point_with_a_bi_exponential_is_refused():
    with pytest.raises(FitError, match=r"bi-exponential fit has 4 parameters but there is 1 time point"):
        fit_curve(curve(np.array([1e6]), np.array([24 * H])), decay_constant_per_s=LU, model="bi")


@pytest.mark.parametrize("model", ["auto", "mono"])
def test_a_curve_without_activity_is_refused(model):
    with pytest.raises(FitError, match="no activity"):
        fit_curve(curve(np.zeros(5), relative=None), decay_constant_per_s=LU, model=model)


def test_unknown_model():
    with pytest.raises(InputError, match="expected auto or one of mono"):
        fit_curve(curve(np.ones(5)), decay_constant_per_s=LU, model="cubic")


@pytest.mark.parametrize("time_s", [[-1.0, 2.0], [2.0, 2.0], [0.0, 1.0]])
def test_negative_or_unordered_times_are_refused(time_s):
    with pytest.raises(InputError):
        TimeActivityCurve(region="liver", time_s=np.array(time_s), activity_bq=np.ones(2))
