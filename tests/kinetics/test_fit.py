"""Fits of time-activity curves: exact recovery, limits, coverage, choice of model."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import chi2, norm

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve, fit_trapezoid
from lutetia.kinetics.models import BI, MODELS, MONO, UPTAKE

H = 3600.0
LU = math.log(2) / (6.647 * 86400)
TIMES = np.array([4.0, 24.0, 48.0, 72.0, 168.0]) * H


def curve(activity, time_s=TIMES, relative=0.03):
    u = None if relative is None else relative * activity
    return TimeActivityCurve(region="kidney", time_s=time_s, activity_bq=activity, standard_uncertainty_bq=u)


def half_life(hours):
    return math.log(2) / (hours * H)


def parameters_of(model, size, slow, fast):
    """Amplitudes that fall and rates that rise from term to term."""
    p = np.zeros(len(model.names))
    p[list(model.amplitudes)] = size * 0.7 ** np.arange(len(model.amplitudes))
    n = len(model.rates)
    p[list(model.rates)] = half_life(slow) if n == 1 else np.geomspace(half_life(slow), half_life(fast), n)
    return p


@pytest.mark.parametrize("model", [m.of(LU) for m in MODELS.values()], ids=MODELS)
@given(size=st.floats(1e5, 1e9), slow=st.floats(30, 150), fast=st.floats(0.5, 20))
@settings(max_examples=20, deadline=None)
def test_gradients_are_those_of_the_model(model, size, slow, fast):
    p = parameters_of(model, size, slow, fast)
    for j in range(p.size):
        step = np.zeros_like(p)
        step[j] = 1e-5 * p[j]
        activity = (model.activity(p + step, TIMES) - model.activity(p - step, TIMES)) / (2 * step[j])
        integral = (model.integral(p + step) - model.integral(p - step)) / (2 * step[j])
        # central difference: its own error is the step squared, times the cube of k t where exp(-k t) still counts
        np.testing.assert_allclose(
            model.activity_gradient(p, TIMES)[:, j] * p[j], activity * p[j], rtol=1e-6, atol=1e-7 * size
        )
        assert model.integral_gradient(p)[j] == pytest.approx(integral, rel=1e-6)


@pytest.mark.parametrize("model", [m.of(LU) for m in MODELS.values()], ids=MODELS)
def test_integral_is_that_of_the_activity(model):
    p = parameters_of(model, 1e7, 60, 5)
    numeric = quad(lambda h: float(model.activity(p, np.array(h * H))) * H, 0, 8000, limit=400)[0]
    assert model.integral(p) == pytest.approx(numeric, rel=1e-6)  # quadrature to 50 half-lives of the nuclide


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
    assert any("lies at physical decay" in w for w in fit.warnings)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(11)
    k, n, inside = half_life(55), 200, 0
    for _ in range(n):
        true = 1e7 * np.exp(-k * TIMES)
        fit = fit_curve(curve(true * rng.normal(1, 0.05, 5), relative=0.05), decay_constant_per_s=LU, model="mono")
        inside += abs(fit.time_integrated_activity_bq_s - 1e7 / k) <= 2 * fit.standard_uncertainty_bq_s
    # closed form: P(|z| <= 2 max(1, Birge)) with Birge^2 = chi^2_3 / 3 independent of z; 4 binomial deviations
    expected = quad(lambda x: chi2.pdf(x, 3) * (1 - 2 * norm.sf(2 * max(1.0, math.sqrt(x / 3)))), 0, 40)[0]
    assert inside / n == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / n))


@pytest.mark.slow
def test_interval_covers_the_truth_where_auto_chooses():
    """Uptake and washout, six scans: the choice between models may cost a little of the coverage, not more."""
    rng = np.random.default_rng(17)
    p, n, inside = np.array([1e7, half_life(60), half_life(6)]), 400, 0
    t = np.array([1, 4, 24, 48, 96, 168.0]) * H
    true = UPTAKE.activity(p, t)
    for _ in range(n):
        fit = fit_curve(curve(true * rng.normal(1, 0.05, 6), t, relative=0.05), decay_constant_per_s=LU)
        inside += abs(fit.time_integrated_activity_bq_s - UPTAKE.integral(p)) <= 2 * fit.standard_uncertainty_bq_s
    assert inside / n > 0.954 - 4 * math.sqrt(0.954 * 0.046 / n)


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


def test_uptake_that_four_points_show_is_not_forced_into_a_mono_exponential():
    """With stated uncertainties Akaike's criterion needs no correction for few points, so it compares the two."""
    p = np.array([1.3e6, half_life(62), half_life(2.5)])
    t = np.array([1, 24, 72, 168.0]) * H
    fit = fit_curve(curve(UPTAKE.activity(p, t), t), decay_constant_per_s=LU)
    assert fit.model == UPTAKE.name
    assert fit.time_integrated_activity_bq_s == pytest.approx(UPTAKE.integral(p), rel=1e-3)
    assert {c.model for c in fit.candidates} >= {MONO.name, UPTAKE.name}


def test_scatter_beyond_the_stated_uncertainty_is_told_and_paid_for():
    t = np.array([24.0, 48.0, 72.0, 168.0]) * H
    activity = 1e7 * np.exp(-half_life(60) * t) * np.array([1.08, 0.9, 1.1, 0.95])
    fit = fit_curve(curve(activity, t, relative=0.03), decay_constant_per_s=LU, model="mono")
    generous = fit_curve(curve(activity, t, relative=0.30), decay_constant_per_s=LU, model="mono")
    assert any("times their stated uncertainties" in w for w in fit.warnings)
    assert not any("misses the points" in w for w in generous.warnings)
    # same weights, so Birge's factor is the ratio of what is stated to what is scaled from the scatter
    scatter = fit_curve(curve(activity, t, relative=0.01), decay_constant_per_s=LU, model="mono")
    assert fit.standard_uncertainty_bq_s == pytest.approx(scatter.standard_uncertainty_bq_s, rel=1e-4)


def test_two_points_that_fall_too_slowly_are_not_called_certain():
    """A rate held at its limit fits nothing, so one of the two points is left to tell the scatter."""
    t = np.array([24.0, 168.0]) * H
    fit = fit_curve(curve(np.array([1e6, 0.8e6]), t), decay_constant_per_s=LU)
    assert fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s > 0.3
    assert any("misses the points" in w for w in fit.warnings)


@pytest.mark.parametrize(
    ("hours", "activity"), [([24, 72], [1e6, 2e6]), ([4, 24, 48, 168], [1e6, 2e6, 3e6, 6e6])], ids=["two", "four"]
)
def test_a_region_that_only_rises_is_refused(hours, activity):
    with pytest.raises(FitError, match=r"falls at least as fast as the nuclide decays.*MBq at 24 h"):
        fit_curve(curve(np.array(activity), np.array(hours) * H), decay_constant_per_s=LU)


def test_a_point_of_zero_does_not_rule_the_fit():
    """An uncertainty proportional to the activity is 0 there, which nobody means."""
    t = np.array([24.0, 72.0, 168.0]) * H
    k = half_life(14)
    fit = fit_curve(curve(np.array([1e6, 1e6 * math.exp(-k * 48 * H), 0.0]), t), decay_constant_per_s=LU)
    assert fit.effective_half_life_s == pytest.approx(14 * H, rel=0.02)  # 0 and 8 kBq differ by few uncertainties
    assert any("without a stated uncertainty" in w for w in fit.warnings)


def test_band_holds_the_points_uncertainty():
    """Least squares: the mean squared band at the points, in their uncertainties, is p/n (trace of the hat matrix)."""
    k = half_life(55)
    fit = fit_curve(curve(1e7 * np.exp(-k * TIMES)), decay_constant_per_s=LU, model="mono")
    ratio = fit.band_at(TIMES) / (0.03 * 1e7 * np.exp(-k * TIMES))
    assert np.sum(ratio**2) == pytest.approx(2.0, rel=1e-6)  # two parameters


def test_trapezoid_of_pure_decay_is_exact_in_the_tails():
    t = np.array([24.0]) * H
    fit = fit_trapezoid(curve(1e7 * np.exp(-LU * t), t), decay_constant_per_s=LU)
    assert fit.time_integrated_activity_bq_s == pytest.approx(1e7 / LU, rel=1e-12)  # A0/lambda


@given(hours=st.floats(20, 150), last=st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_fitted_tail_of_an_exponential_is_exact(hours, last):
    k, t = half_life(hours), TIMES[-last:]
    fit = fit_trapezoid(curve(1e7 * np.exp(-k * t), t), decay_constant_per_s=LU, tail="fitted")
    late = 1e7 * math.exp(-k * t[-1]) / k  # closed form A_n / k
    assert fit.extrapolated_fraction * fit.time_integrated_activity_bq_s == pytest.approx(late, rel=1e-9)
    longest = fit_trapezoid(curve(1e7 * np.exp(-k * t), t), decay_constant_per_s=LU)
    assert fit.time_integrated_activity_bq_s <= longest.time_integrated_activity_bq_s


def test_trapezoid_uncertainty_is_that_of_repeated_curves():
    rng = np.random.default_rng(7)
    true = 1e7 * np.exp(-half_life(60) * TIMES)
    for tail in ("physical", "fitted"):
        fits = [
            fit_trapezoid(curve(true * rng.normal(1, 0.03, 5)), decay_constant_per_s=LU, tail=tail)
            for _ in range(400)
        ]
        stated = fit_trapezoid(curve(true), decay_constant_per_s=LU, tail=tail).standard_uncertainty_bq_s
        # standard deviation of a standard deviation is 1/sqrt(2n): four of them
        assert np.std([f.time_integrated_activity_bq_s for f in fits]) == pytest.approx(
            stated, rel=4 / math.sqrt(800)
        )


@pytest.mark.parametrize("tail", ["physical", "fitted"])
def test_trapezoid_counts_the_uncertainty_of_a_point_without_activity(tail):
    t = np.array([4.0, 24, 72, 168]) * H
    a, u = np.array([15e7, 12e7, 6e7, 0.0]), np.array([0.0, 0.0, 0.0, 5e6])
    c = TimeActivityCurve(region="kidney", time_s=t, activity_bq=a, standard_uncertainty_bq=u)
    fit = fit_trapezoid(c, decay_constant_per_s=LU, tail=tail)
    # closed form: half of the last interval, and the tail at its rate
    weight = (t[3] - t[2]) / 2 + 1 / fit.parameters["tail_rate_per_s"]
    assert fit.standard_uncertainty_bq_s == pytest.approx(5e6 * weight, rel=1e-9)


def test_trapezoid_says_how_much_lies_outside():
    t = np.array([72.0, 96.0]) * H
    fit = fit_trapezoid(curve(1e7 * np.exp(-half_life(60) * t), t), decay_constant_per_s=LU)
    assert any("before the first" in w for w in fit.warnings)
    assert any("after the last" in w for w in fit.warnings)
    with pytest.raises(InputError, match="expected physical or fitted"):
        fit_trapezoid(curve(1e7 * np.exp(-half_life(60) * t), t), decay_constant_per_s=LU, tail="long")


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
