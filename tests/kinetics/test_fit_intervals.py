"""Intervals of one model: profile likelihood, linearised, summed over shapes."""

import math

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve, profile_interval
from lutetia.kinetics.fitting.choice import attempt
from lutetia.kinetics.fitting.linear import evidence, rate_uncertainty
from lutetia.kinetics.fitting.shapes import integrate_shapes
from lutetia.kinetics.models import MODELS, PHYSICAL

from .virtual_kinetics import LU, H

MANY = np.array([1.0, 2, 4, 8, 12, 24, 48, 72, 120, 168]) * H
FOUR = np.array([4.0, 24, 72, 168]) * H


def k(hours):
    return math.log(2) / (hours * H)


def curve(activity, time_s, u):
    return TimeActivityCurve(
        region="kidney", time_s=time_s, activity_bq=activity, standard_uncertainty_bq=u * activity if u else None
    )


def test_profile_of_a_linear_model_is_that_of_the_normal_distribution():
    """One amplitude: the integral is linear in the points, so the profile is a parabola."""
    rng = np.random.default_rng(1)
    e = np.exp(-LU * FOUR)
    y, u = 1e7 * e * rng.normal(1, 0.03, 4), 0.03 * 1e7 * e
    c = TimeActivityCurve(region="kidney", time_s=FOUR, activity_bq=y, standard_uncertainty_bq=u)
    amplitude = np.sum(y * e / u**2) / np.sum(e**2 / u**2)
    scale = max(1.0, np.sum(((y - amplitude * e) / u) ** 2) / 3)
    half = norm.ppf(0.975) * math.sqrt(scale / np.sum(e**2 / u**2)) / LU
    low, high = profile_interval(c, "physical", LU)
    assert PHYSICAL.of(LU).integral(np.array([amplitude])) - half == pytest.approx(low, rel=1e-7)
    assert amplitude / LU + half == pytest.approx(high, rel=1e-7)


def test_profile_of_a_mono_exponential_is_that_of_a_search():
    """The amplitude is integral times rate; the rate is searched for on a fine grid."""
    rng = np.random.default_rng(2)
    y = 1e7 * np.exp(-k(60) * FOUR) * rng.normal(1, 0.03, 4)
    c = curve(y, FOUR, 0.1)
    rates = np.geomspace(LU, k(15), 40001)
    shapes = rates[:, None] * np.exp(-np.outer(rates, FOUR)) / (0.1 * y)

    def chi2(total):
        return float(np.min(np.sum((total * shapes - 10.0) ** 2, axis=1)))

    best = fit_curve(c, decay_constant_per_s=LU, model="mono").time_integrated_activity_bq_s
    for end in profile_interval(c, "mono", LU):
        # grid of 7e-5 in ln k: the least chi2 is off by its square
        assert chi2(end) - chi2(best) == pytest.approx(norm.ppf(0.975) ** 2, abs=1e-4)


def test_profile_of_a_curve_that_ends_in_nothing_is_that_of_a_search():
    """Far from straight: least squares with the integral held have to follow a curved valley."""
    time_s = np.array([4.0, 24, 72]) * H
    c = TimeActivityCurve(
        region="x", time_s=time_s, activity_bq=np.array([5e6, 3e6, 0.0]), standard_uncertainty_bq=np.full(3, 1e6)
    )
    rates = np.geomspace(LU, k(1 / 6), 40001)
    shapes = rates[:, None] * np.exp(-np.outer(rates, time_s)) / 1e6

    def chi2(total):
        return float(np.min(np.sum((total * shapes - [5.0, 3.0, 0.0]) ** 2, axis=1)))

    best = fit_curve(c, decay_constant_per_s=LU, model="mono").time_integrated_activity_bq_s
    for end in profile_interval(c, "mono", LU):
        # grid of 1.4e-4 in ln k: the least chi2 is off by its square
        assert chi2(end) - chi2(best) == pytest.approx(norm.ppf(0.975) ** 2, abs=1e-4)


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_profile_of_two_washouts_is_that_of_a_search(seed):
    """Rates on a grid, the share of the integral in closed form; a slow, small phase takes over at the upper end."""
    y = MODELS["bi"].activity(np.array([6e6, k(80), 4e6, k(8)]), FOUR)
    y, u = y * np.random.default_rng(seed).normal(1, 0.1, 4), 0.1 * y
    c = TimeActivityCurve(region="kidney", time_s=FOUR, activity_bq=y, standard_uncertainty_bq=u)
    rates = np.geomspace(LU, k(2), 600)  # no half-life below half of the first scan's time (4 h)
    shapes = rates[:, None] * np.exp(-np.outer(rates, FOUR)) / u
    one, two = shapes[:, None, :], shapes[None, :, :]

    def chi2(total):
        change = total * (two - one)
        off = total * one - y / u
        size = np.maximum(np.sum(change**2, axis=2), 1e-300)
        share = np.clip(-np.sum(off * change, axis=2) / size, 0, 1)
        return float(np.min(np.sum((off + share[:, :, None] * change) ** 2, axis=2)))

    # seed 6 has a rate at physical decay, and so one degree of freedom and a Birge ratio above 1
    tried = attempt(c, MODELS["bi"], LU)
    low, high = profile_interval(c, "bi", LU)
    assert low < high
    for end in (low, high):
        # grid of 0.7 % in the rates: chi2 is off by (0.0035/0.1)^2 a point at most
        assert chi2(end) - tried.solution.chi2 == pytest.approx(norm.ppf(0.975) ** 2 * tried.scale, abs=5e-3)


@pytest.mark.parametrize(
    ("name", "p"),
    [
        ("mono", [1e7, k(50)]),
        ("uptake", [1e7, k(60), k(3)]),
        ("bi", [6e6, k(80), 4e6, k(6)]),
        ("uptake-bi", [6e6, k(100), 6e6, k(14), k(1)]),
    ],
)
def test_three_ways_to_an_interval_agree_where_the_points_are_many(name, p):
    """Linearised, profile likelihood and the sum over shapes differ in the order of the relative uncertainty."""
    model = MODELS[name]
    c = curve(model.activity(np.array(p), MANY), MANY, 0.02)
    tried = attempt(c, model, LU)
    relative = tried.uncertainty / tried.solution.total
    spread, summed = integrate_shapes(tried.task, 1.0)
    low, high = profile_interval(c, name, LU)
    true = model.integral(np.array(p))
    for found in (math.log(high / low), math.log(spread.interval()[1] / spread.interval()[0])):
        assert found == pytest.approx(2 * norm.ppf(0.975) * relative, rel=0.15)
    assert spread.mean == pytest.approx(true, rel=relative / 4)
    # Laplace's approximation errs in the order of the square of the uncertainty of the rates
    assert rate_uncertainty(tried.solution, tried.covariance) < 0.2
    assert evidence(tried.solution, tried.task, tried.covariance, 1.0) == pytest.approx(summed, abs=0.1)


def test_profile_stops_where_physics_does():
    """A rate at physical decay: the integral can be no larger than the amplitude over decay allows."""
    y = 1e7 * np.exp(-LU * FOUR)
    c = curve(y, FOUR, 0.1)
    low, high = profile_interval(c, "mono", LU)
    kept_low, kept_high = profile_interval(c, "physical", LU)
    best = 1e7 / LU
    # above, only the amplitude is free; below, the rate is too
    assert high == pytest.approx(kept_high, rel=1e-6)
    assert best - low > 1.5 * (best - kept_low)
    assert fit_curve(c, decay_constant_per_s=LU, model="mono").interval_95_bq_s[0] < best


def test_profile_of_a_scale_that_is_estimated():
    rng = np.random.default_rng(4)
    y = 1e7 * np.exp(-k(60) * MANY) * rng.normal(1, 0.02, MANY.size)
    c = curve(y, MANY, None)
    fit = fit_curve(c, decay_constant_per_s=LU, model="mono")
    relative = fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s
    low, high = profile_interval(c, "mono", LU)
    expected = 2 * student.ppf(0.975, MANY.size - 2) * relative  # linear limit, F(1, n-p) = t^2
    assert math.log(high / low) == pytest.approx(expected, rel=0.02)
    assert math.log(fit.interval_95_bq_s[1] / fit.interval_95_bq_s[0]) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("model", ["auto", "average"])
@pytest.mark.parametrize("hours", [(24.0, 72, 168), (4.0, 24, 168), (4.0, 24, 72, 168)])
def test_uncertainty_of_few_points_whose_scatter_is_estimated_is_that_of_the_linearised_model(hours, model):
    """One degree of freedom: Student's interval is wide, and the mean square of its exponential has no end."""
    t = np.array(hours) * H
    y = 1e7 * np.exp(-k(52) * t) * np.random.default_rng(3).normal(1, 0.05, t.size)
    fit = fit_curve(curve(y, t, None), decay_constant_per_s=LU, model=model)
    one = fit_curve(curve(y, t, None), decay_constant_per_s=LU, model="mono")
    assert fit.standard_uncertainty_bq_s == pytest.approx(one.standard_uncertainty_bq_s, rel=1e-9)
    low, high = fit.interval_95_bq_s
    relative = one.standard_uncertainty_bq_s / one.time_integrated_activity_bq_s
    expected = 2 * student.ppf(0.975, t.size - 2) * relative
    # 1000 quantiles of even weight: the last is that of 0.0005, and 0.975 lies between two of them
    assert math.log(high / low) == pytest.approx(expected, rel=0.01)


def test_profile_grows_with_the_probability():
    c = curve(1e7 * np.exp(-k(60) * FOUR), FOUR, 0.05)
    ends = [profile_interval(c, "mono", LU, probability) for probability in (0.5, 0.9, 0.99)]
    assert ends[2][0] < ends[1][0] < ends[0][0] < 1e7 / k(60) < ends[0][1] < ends[1][1] < ends[2][1]


def test_profile_of_what_cannot_be_known_is_refused():
    t = FOUR[:2]
    with pytest.raises(FitError, match="2 time points do not give a bi fit an uncertainty"):
        profile_interval(curve(1e7 * np.exp(-k(60) * t), t, 0.05), "bi", LU)
    with pytest.raises(FitError, match="state the uncertainties"):
        profile_interval(curve(1e7 * np.exp(-k(60) * t), t, None), "mono", LU)
    with pytest.raises(InputError, match="expected one of mono"):
        profile_interval(curve(1e7 * np.exp(-k(60) * t), t, 0.05), "cubic", LU)


def test_interval_scales_with_activity():
    rng = np.random.default_rng(5)
    y = 1e7 * np.exp(-k(60) * FOUR) * rng.normal(1, 0.05, 4)
    one, many = (fit_curve(curve(f * y, FOUR, 0.05), decay_constant_per_s=LU) for f in (1.0, 1e3))
    # bins of 0.002 in ln(integral) are read by interpolation
    np.testing.assert_allclose(np.array(many.interval_95_bq_s) / 1e3, one.interval_95_bq_s, rtol=2e-3)


def test_interval_shrinks_with_the_noise():
    y = 1e7 * np.exp(-k(60) * FOUR)
    widths = []
    for u in (0.003, 0.01, 0.03, 0.1):
        low, high = fit_curve(curve(y, FOUR, u), decay_constant_per_s=LU).interval_95_bq_s
        widths.append(math.log(high / low))
    assert widths == sorted(widths)
    assert widths[0] > 2 * 1.96 * 0.003 / 2  # never below half a point's own uncertainty: four of them in all
