"""Every model: exact recovery without noise, limits, choice among models, bad input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.models import MODELS, PHYSICAL, RETENTION, UPTAKE, Model

from .virtual_kinetics import LU, H

TIMES = np.array([0.5, 1, 2, 4, 8, 24, 48, 72, 120, 168]) * H


def k(hours):
    return math.log(2) / (hours * H)


TRUE = {
    "mono": [1e7, k(50)],
    "bi": [6e6, k(60), 4e6, k(8)],
    "tri": [5e6, k(80), 3e6, k(20), 2e6, k(2)],
    "uptake": [1e7, k(60), k(3)],
    "uptake-bi": [6e6, k(70), 4e6, k(12), k(1)],
    "retention": [1e7, k(5)],
    "physical": [1e7],
}


def curve(activity, time_s=TIMES, relative=0.03):
    u = None if relative is None else relative * activity
    return TimeActivityCurve(region="kidney", time_s=time_s, activity_bq=activity, standard_uncertainty_bq=u)


@pytest.mark.parametrize("relative", [0.03, None], ids=["stated", "unstated"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_recovered_exactly(name, relative):
    model, p = MODELS[name].of(LU), np.array(TRUE[name])
    fit = fit_curve(curve(model.activity(p, TIMES), relative=relative), decay_constant_per_s=LU, model=name)
    # residuals of a noiseless curve vanish with the step, so rounding is all that is left
    np.testing.assert_allclose(list(fit.parameters.values()), p, rtol=1e-6)
    assert fit.time_integrated_activity_bq_s == pytest.approx(model.integral(p), rel=1e-8)
    assert not any("misses" in w for w in fit.warnings)


@given(
    slow=st.floats(40, 110), ratio=st.floats(3, 8), share=st.floats(0.2, 0.6), size=st.floats(1e4, 1e10),
    uptake=st.floats(0.3, 1.5),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_uptake_and_two_washouts_are_recovered_whatever_they_are(slow, ratio, share, size, uptake):
    p = np.array([(1 - share) * size, k(slow), share * size, k(slow / ratio), k(uptake)])
    model = MODELS["uptake-bi"]
    fit = fit_curve(curve(model.activity(p, TIMES)), decay_constant_per_s=LU, model="uptake-bi")
    np.testing.assert_allclose(list(fit.parameters.values()), p, rtol=1e-6)
    assert fit.time_integrated_activity_bq_s == pytest.approx(model.integral(p), rel=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_exponentials_are_the_curve(name):
    model, p = MODELS[name].of(LU), np.array(TRUE[name])
    fit = fit_curve(curve(model.activity(p, TIMES)), decay_constant_per_s=LU, model=name)
    total = sum(a * np.exp(-rate * TIMES) for a, rate in fit.exponentials)
    np.testing.assert_allclose(total, fit.activity_at(TIMES), rtol=1e-12)
    assert sum(a / rate for a, rate in fit.exponentials) == pytest.approx(
        fit.time_integrated_activity_bq_s, rel=1e-12
    )
    assert all(rate >= LU * (1 - 1e-12) for _, rate in fit.exponentials)


def test_retention_never_falls_when_corrected_for_decay():
    p = np.array(TRUE["retention"])
    t = np.linspace(0.1, 500, 200) * H
    corrected = RETENTION.of(LU).activity(p, t) * np.exp(LU * t)
    assert np.all(np.diff(corrected) >= -1e-15 * 1e7 * 10)  # rounding of the largest
    # closed form: trapped A, less what decays before it is taken up
    assert RETENTION.of(LU).integral(p) == pytest.approx(1e7 * (1 / LU - 1 / k(5)), rel=1e-12)


def test_uptake_becomes_retention_and_mono_becomes_physical_at_their_limits():
    late = np.array([2.0, 4, 24, 72, 168]) * H
    trapped = RETENTION.of(LU).activity(np.array([1e7, k(5)]), late)
    fit = fit_curve(curve(trapped, late), decay_constant_per_s=LU, model="uptake")
    assert fit.parameters["rate_washout_per_s"] == pytest.approx(LU, rel=1e-6)
    assert any("lies at physical decay" in w for w in fit.warnings)
    kept = fit_curve(curve(1e7 * np.exp(-LU * late), late), decay_constant_per_s=LU, model="mono")
    assert kept.time_integrated_activity_bq_s == pytest.approx(PHYSICAL.of(LU).integral(np.array([1e7])), rel=1e-8)


def test_a_rate_held_at_a_constant_of_ones_own():
    fast = Model(
        name="bi-exponential, fast phase held",
        names=("amplitude_slow_bq", "rate_per_s", "amplitude_fast_bq"),
        terms=((1.0, 0, 1), (1.0, 2, -1)),
        held_per_s=(k(4),),
    )
    p = np.array([6e6, k(60), 4e6])
    from lutetia.kinetics.fitting.choice import attempt

    found = attempt(curve(fast.activity(p, TIMES)), fast, LU)
    np.testing.assert_allclose(found.solution.parameters, p, rtol=1e-9)


def test_a_model_with_a_rate_at_decay_needs_its_nuclide():
    with pytest.raises(InputError, match="holds a rate at physical decay"):
        RETENTION.activity(np.array([1e7, k(5)]), TIMES)


def test_other_nuclides():
    for half_life_h, hours in ((1.128, [0.5, 1, 2, 3]), (192.5, [4, 24, 96, 168]), (6.01, [1, 3, 6, 24])):
        decay = k(half_life_h)
        t, rate = np.array(hours) * H, 1.4 * decay
        fit = fit_curve(curve(1e7 * np.exp(-rate * t), t), decay_constant_per_s=decay)
        assert fit.time_integrated_activity_bq_s == pytest.approx(1e7 / rate, rel=1e-8)  # A/k
        assert fit.interval_95_bq_s[0] < 1e7 / rate < fit.interval_95_bq_s[1]


def test_candidates_carry_akaike_weights():
    fit = fit_curve(curve(UPTAKE.activity(np.array(TRUE["uptake"]), TIMES)), decay_constant_per_s=LU)
    weights = np.array([c.weight for c in fit.candidates])
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    judged = [c for c in fit.candidates if c.weight > 0]
    best = min(judged, key=lambda c: c.aicc)
    assert fit.model == best.model == UPTAKE.name
    for c in judged:  # w_i / w_best = exp(-(AICc_i - AICc_best)/2)
        assert c.weight / best.weight == pytest.approx(math.exp(-(c.aicc - best.aicc) / 2), rel=1e-9)


def test_aicc_with_stated_and_with_estimated_uncertainty():
    rng = np.random.default_rng(1)
    measured = 1e7 * np.exp(-k(50) * TIMES) * rng.normal(1, 0.03, TIMES.size)
    stated = fit_curve(curve(measured), decay_constant_per_s=LU, model="mono")
    chi2 = np.sum(((stated.activity_at(TIMES) - measured) / (0.03 * measured)) ** 2)
    assert stated.aicc == pytest.approx(chi2 + 2 * 2, rel=1e-12)  # known variance: chi2 + 2k
    free = fit_curve(curve(measured, relative=None), decay_constant_per_s=LU, model="mono")
    n, kk = TIMES.size, 3  # amplitude, rate, variance
    rss = np.sum(((free.activity_at(TIMES) - measured) / measured) ** 2)
    expected = n * math.log(rss / n) + 2 * kk + 2 * kk * (kk + 1) / (n - kk - 1)  # Hurvich and Tsai 1989
    assert free.aicc == pytest.approx(expected, rel=1e-9)


def test_average_is_the_weighted_sum_of_its_models():
    t = np.array([4.0, 24, 72, 168]) * H
    activity = np.array([0.92, 0.78, 0.4, 0.1]) * 1e7
    auto = fit_curve(curve(activity, t, 0.05), decay_constant_per_s=LU)
    average = fit_curve(curve(activity, t, 0.05), decay_constant_per_s=LU, model="average")
    expected = sum(c.weight * c.time_integrated_activity_bq_s for c in average.candidates)
    assert average.time_integrated_activity_bq_s == pytest.approx(expected, rel=1e-12)
    assert average.interval_95_bq_s == auto.interval_95_bq_s
    band = average.band_at(t)
    assert band.shape == t.shape
    assert np.all(band > 0)


@pytest.mark.parametrize(
    ("name", "hours", "message"),
    [
        ("bi", [4, 24], "bi-exponential fit has 4 parameters but there are 2 time points"),
        ("tri", [4, 24, 72, 168], "tri-exponential fit has 6 parameters but there are 4 time points"),
        ("uptake-bi", [4, 24, 72, 168], "uptake and two washouts fit has 5 parameters"),
    ],
)
def test_more_parameters_than_points_are_refused(name, hours, message):
    t = np.array(hours, float) * H
    with pytest.raises(FitError, match=message):
        fit_curve(curve(1e7 * np.exp(-k(50) * t), t), decay_constant_per_s=LU, model=name)


def test_as_many_parameters_as_points_are_told():
    t = np.array([24.0, 96]) * H
    fit = fit_curve(curve(1e7 * np.exp(-k(50) * t), t), decay_constant_per_s=LU, model="mono")
    assert any("as many parameters as there are time points" in w for w in fit.warnings)


def test_an_outlier_is_named_and_kept():
    activity = 1e7 * np.exp(-k(50) * TIMES)
    activity[6] *= 1.5  # 48 h
    fit = fit_curve(curve(activity), decay_constant_per_s=LU, model="mono")
    assert any(w.startswith("The point at 48 h") and w.endswith("It was kept.") for w in fit.warnings)
    clean = fit_curve(curve(1e7 * np.exp(-k(50) * TIMES)), decay_constant_per_s=LU, model="mono")
    assert not any("The point at" in w for w in clean.warnings)
    assert fit.time_integrated_activity_bq_s != pytest.approx(clean.time_integrated_activity_bq_s, rel=1e-3)


def test_points_are_seldom_called_outliers_by_chance():
    rng = np.random.default_rng(9)
    flagged = 0
    for _ in range(100):
        true = 1e7 * np.exp(-k(50) * TIMES)
        c = TimeActivityCurve(
            region="kidney",
            time_s=TIMES,
            activity_bq=true * rng.normal(1, 0.03, TIMES.size),
            standard_uncertainty_bq=0.03 * true,
        )
        flagged += any("The point at" in w for w in fit_curve(c, decay_constant_per_s=LU, model="mono").warnings)
    assert flagged <= 5  # 1 % by construction: P(more than 5 of 100) < 1e-3


def test_a_curve_that_rises_at_its_end_says_so():
    t = np.array([2.0, 6, 12, 24]) * H
    activity = UPTAKE.activity(np.array([1e7, k(80), k(12)]), t)
    fit = fit_curve(curve(activity, t), decay_constant_per_s=LU, model="uptake")
    assert any("does not fall between the last two time points" in w for w in fit.warnings)


def test_zero_activity_without_stated_uncertainty_is_told():
    t = np.array([4.0, 24, 72, 168]) * H
    fit = fit_curve(curve(np.array([1e6, 3e5, 1e4, 0.0]), t, relative=None), decay_constant_per_s=LU, model="mono")
    assert any("Points of zero activity were weighted" in w for w in fit.warnings)


def test_trapezoid_by_name():
    fit = fit_curve(curve(1e7 * np.exp(-k(50) * TIMES)), decay_constant_per_s=LU, model="trapezoid")
    low, high = fit.interval_95_bq_s
    u = fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s
    assert math.log(high / low) == pytest.approx(2 * 1.959964 * u, rel=1e-6)  # log-normal
