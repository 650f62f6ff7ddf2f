"""Where the uncertainty of a time-integrated activity comes from."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lutetia.dose.uncertainty import combined
from lutetia.dose.uncertainty.time_course import point_sensitivities, time_course_components
from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve, fit_trapezoid
from lutetia.kinetics.single_time import (
    time_integrated_activity_haenscheid2018,
    time_integrated_activity_madsen2018,
)

DECAY = math.log(2) / (6.647 * 86400)  # 177Lu
H = 3600.0


def curve(hours=(4.0, 24.0, 72.0, 168.0), half_life_h=51.0, u=0.05):
    t = np.array(hours) * H
    activity = 2e8 * np.exp(-math.log(2) / (half_life_h * H) * t)
    return TimeActivityCurve(
        region="kidney left", time_s=t, activity_bq=activity, standard_uncertainty_bq=u * activity
    )


def mono(c):
    return fit_curve(c, decay_constant_per_s=DECAY, model="mono")


def relative(components):
    return {c.name: c.relative for c in components}


def total(fit):
    return fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s


def test_sensitivities_of_a_trapezoid_are_its_weights():
    c = curve()
    fit = fit_trapezoid(c, decay_constant_per_s=DECAY)
    found = point_sensitivities(c, fit, lambda x: fit_trapezoid(x, decay_constant_per_s=DECAY))
    t = c.time_s
    # closed form: half the neighbouring gaps, the first with what is before it, the last with its tail
    before, after = math.expm1(DECAY * t[0]) / DECAY, 1 / DECAY
    halves = np.diff(t) / 2
    weights = np.array([before + halves[0], halves[0] + halves[1], halves[1] + halves[2], halves[2] + after])
    np.testing.assert_allclose(found.total_s, weights, rtol=1e-9)
    np.testing.assert_allclose(found.tail_s, [0, 0, 0, 1 / DECAY], rtol=1e-9, atol=1e-3)


def test_components_add_up_to_what_the_fit_states():
    for hours in ((4.0, 24.0, 72.0, 168.0), (4.0, 24.0), (24.0, 72.0, 168.0)):
        c = curve(hours)
        fit = mono(c)
        parts = time_course_components(c, fit, refit=mono)
        assert combined(parts) == pytest.approx(total(fit), rel=1e-9)
        assert set(relative(parts)) <= {"count rate", "extrapolation"}


def test_causes_share_the_variance_of_the_points():
    c = curve(u=0.05)
    causes = {"count rate": np.full(4, 0.03), "registration and motion": np.full(4, 0.04)}  # 3-4-5
    parts = relative(time_course_components(c, mono(c), refit=mono, parts=causes))
    assert parts["registration and motion"] / parts["count rate"] == pytest.approx(4 / 3, rel=1e-6)
    alone = relative(time_course_components(c, mono(c), refit=mono))
    assert math.hypot(parts["count rate"], parts["registration and motion"]) == pytest.approx(
        alone["count rate"], rel=1e-6
    )
    assert parts["extrapolation"] == pytest.approx(alone["extrapolation"], rel=1e-6)


def test_early_scans_leave_more_to_extrapolation():
    shares = []
    for last in (24.0, 48.0, 96.0, 168.0):
        c = curve((2.0, 12.0, last))
        parts = relative(time_course_components(c, mono(c), refit=mono))
        shares.append(parts["extrapolation"] / total(mono(c)))
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.9  # nearly all of a curve that was seen for half a half-life
    assert shares[-1] < 0.5


def test_extrapolation_is_the_tails_variance_given_the_measured_part():
    """Numerical: refits of noisy points; the tail regressed on the measured part leaves the extrapolation."""
    c = curve((4.0, 24.0, 72.0), u=0.02)
    fit = mono(c)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(400):
        noisy = mono(replace(c, activity_bq=c.activity_bq * (1 + 0.02 * rng.standard_normal(3))))
        tail = noisy.extrapolated_fraction * noisy.time_integrated_activity_bq_s
        drawn.append((noisy.time_integrated_activity_bq_s - tail, tail))
    inside, tail = np.array(drawn).T
    rest = tail - np.polyval(np.polyfit(inside, tail, 1), inside)
    parts = relative(time_course_components(c, fit, refit=mono))
    # a standard deviation of 400 draws is known to 3.5 %; 12 % is more than three of these, for second order too
    assert parts["extrapolation"] == pytest.approx(rest.std() / fit.time_integrated_activity_bq_s, rel=0.12)


def test_residuals_beyond_the_points_uncertainty_are_the_models():
    c = curve(u=0.01)
    off = replace(c, activity_bq=c.activity_bq * np.array([1.1, 0.9, 1.1, 0.9]))
    fit = mono(off)
    parts = relative(time_course_components(off, fit, refit=mono))
    assert parts["curve model"] > 3 * parts["count rate"]
    assert math.hypot(*parts.values()) == pytest.approx(total(fit))


def test_a_half_life_from_the_population_is_the_models():
    one = curve((72.0,), u=0.04)

    def known(c):
        return time_integrated_activity_madsen2018(c, effective_half_life_s=51 * H, relative_sd=0.2, source="test")

    def haenscheid(c):
        return time_integrated_activity_haenscheid2018(c)

    for refit in (known, haenscheid):
        parts = relative(time_course_components(one, refit(one), refit=refit))
        # one activity scales all of the integral
        assert parts["count rate"] == pytest.approx(0.04)
        assert parts["curve model"] == pytest.approx(math.sqrt(total(refit(one)) ** 2 - 0.04**2))
        assert set(parts) == {"count rate", "curve model"}


def test_what_cannot_be_told_apart_is_one_component():
    c = replace(curve(), standard_uncertainty_bq=None)
    noisy = replace(c, activity_bq=c.activity_bq * np.array([1.02, 0.98, 1.02, 0.98]))
    parts = time_course_components(noisy, mono(noisy), refit=mono)
    assert [p.name for p in parts] == ["count rate, fit and extrapolation"]
    with_u = curve()

    def other(x):
        return fit_curve(x, decay_constant_per_s=DECAY, model="uptake")

    assert [p.name for p in time_course_components(with_u, mono(with_u), refit=other)] == [
        "count rate, fit and extrapolation"
    ]


def test_unknown_stays_unknown():
    c = replace(curve((4.0, 24.0)), standard_uncertainty_bq=None)
    fit = mono(c)
    assert fit.standard_uncertainty_bq_s is None
    assert time_course_components(c, fit, refit=mono) == ()


def test_points_are_needed_with_their_uncertainty_and_the_same_model():
    c = curve()
    with pytest.raises(InputError, match="kidney left: no uncertainties"):
        point_sensitivities(replace(c, standard_uncertainty_bq=None), mono(c), mono)
    with pytest.raises(FitError, match="another model fits when point 1"):
        point_sensitivities(c, mono(c), lambda x: fit_trapezoid(x, decay_constant_per_s=DECAY))
