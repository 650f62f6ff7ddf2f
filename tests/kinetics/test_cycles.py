"""Several cycles: what earlier ones left, and the sum."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.cycles import USUAL_INTERVAL_S, Course, residual_activity, without_carry_over
from lutetia.kinetics.fit import fit_curve

H, DAY = 3600.0, 86400.0
PHYSICAL_H = 6.647 * 24  # 177Lu, ICRP 107
DECAY = math.log(2) / (PHYSICAL_H * H)
SCANS = np.array([4.0, 24.0, 72.0, 168.0]) * H


def known(start_bq=2e8, half_life_h=51.0, *, relative=0.05, region="kidney left", band=True):
    k = math.log(2) / (half_life_h * H)

    def activity(t):
        return start_bq * np.exp(-k * np.asarray(t))

    return CurveFit(
        region=region, model="mono-exponential", parameters={"amplitude_bq": start_bq, "rate_per_s": k},
        covariance=None, aicc=None, time_integrated_activity_bq_s=start_bq / k,
        standard_uncertainty_bq_s=None if relative is None else relative * start_bq / k,
        effective_half_life_s=half_life_h * H, extrapolated_fraction=0.1, activity_at=activity,
        band_at=(lambda t: 0.1 * activity(t)) if band else None, exponentials=((start_bq, k),),
    )  # fmt: skip


def measured(activity, u=0.03, region="kidney left"):
    return TimeActivityCurve(
        region=region, time_s=SCANS, activity_bq=activity, standard_uncertainty_bq=u * activity
    )


@given(st.floats(20.0, 300.0), st.floats(30.0, 150.0), st.floats(0.3, 3.0))
def test_what_is_left_is_subtracted_exactly(interval_h, half_life_h, ratio):
    first, second = known(half_life_h=half_life_h), known(2e8 * ratio, half_life_h)
    both = measured(second.activity_at(SCANS) + first.activity_at(SCANS + interval_h * H))
    found = without_carry_over(both, earlier=[(first, interval_h * H)])
    np.testing.assert_allclose(found.curve.activity_bq, second.activity_at(SCANS), rtol=1e-9)
    # closed form: the residual falls by 2^(-interval/T)
    left = first.activity_at(SCANS) * 2 ** (-interval_h / half_life_h)
    np.testing.assert_allclose(found.residual_bq, left, rtol=1e-9)
    np.testing.assert_allclose(found.u_residual_bq, 0.1 * left, rtol=1e-9)
    np.testing.assert_allclose(
        found.curve.standard_uncertainty_bq, np.hypot(both.standard_uncertainty_bq, 0.1 * left), rtol=1e-9
    )


def test_the_fit_of_the_corrected_curve_is_that_of_the_cycle_alone():
    first = known()
    second = known(1.5e8)
    both = measured(second.activity_at(SCANS) + first.activity_at(SCANS + 3 * DAY))
    alone = without_carry_over(both, earlier=[(first, 3 * DAY)]).curve
    fit = fit_curve(alone, decay_constant_per_s=DECAY, model="mono")
    assert fit.time_integrated_activity_bq_s == pytest.approx(second.time_integrated_activity_bq_s, rel=1e-6)
    # without it the second cycle is 1 + (2/1.5) 2^(-72/51) = 1.50 times too high: closed form for one half-life
    raw = fit_curve(both, decay_constant_per_s=DECAY, model="mono")
    expected = second.time_integrated_activity_bq_s * (1 + 2 / 1.5 * 2 ** (-72 / 51))
    assert raw.time_integrated_activity_bq_s == pytest.approx(expected, rel=1e-6)


def test_eight_weeks_leave_nothing_of_lutetium_and_three_days_a_third():
    hour_of_scan = np.array([24.0]) * H

    def share(half_life_h, interval_s):
        fit = known(half_life_h=half_life_h)
        left, _, _ = residual_activity([(fit, interval_s)], hour_of_scan)
        return float(left[0] / fit.activity_at(hour_of_scan)[0])

    # closed form 2^(-1344/T): 0.3 % if nothing but decay removes it, 1e-8 in a kidney (51 h)
    assert share(PHYSICAL_H, USUAL_INTERVAL_S) == pytest.approx(2 ** (-1344 / PHYSICAL_H))
    assert share(PHYSICAL_H, USUAL_INTERVAL_S) < 0.003
    assert share(51.0, USUAL_INTERVAL_S) < 2e-8
    assert share(51.0, 3 * DAY) == pytest.approx(0.376, abs=5e-4)
    quiet = without_carry_over(measured(known().activity_at(SCANS)), earlier=[(known(), USUAL_INTERVAL_S)])
    assert quiet.warnings == ()


def test_several_earlier_cycles_add_up():
    fits = [(known(), 6 * DAY), (known(1e8), 3 * DAY)]
    left, u, sure = residual_activity(fits, SCANS)
    parts = [fit.activity_at(SCANS + interval) for fit, interval in fits]
    np.testing.assert_allclose(left, parts[0] + parts[1])
    np.testing.assert_allclose(u, np.hypot(0.1 * parts[0], 0.1 * parts[1]))
    assert sure


def test_a_large_residual_is_told_of_and_an_unknown_one_taken_whole():
    first = known(band=False)
    both = measured(known().activity_at(SCANS) + first.activity_at(SCANS + 3 * DAY))
    found = without_carry_over(both, earlier=[(first, 3 * DAY)])
    np.testing.assert_allclose(found.u_residual_bq, found.residual_bq)
    # closed form: 2^(-72/51) / (1 + 2^(-72/51)) of what is seen
    assert "Up to 27% of the measured activity is left from earlier cycles" in found.warnings[0]
    assert "all of the residual was taken as its uncertainty" in found.warnings[1]


def test_unknown_uncertainties_of_the_points_stay_unknown():
    both = replace(measured(known().activity_at(SCANS)), standard_uncertainty_bq=None)
    assert without_carry_over(both, earlier=[(known(), 3 * DAY)]).curve.standard_uncertainty_bq is None


def test_a_point_below_the_residual_becomes_zero_and_is_named():
    first = known(half_life_h=150.0)
    activity = known(half_life_h=30.0).activity_at(SCANS)
    found = without_carry_over(measured(activity), earlier=[(first, 7 * DAY)])
    assert found.curve.activity_bq[-1] == 0
    assert "more than was measured at 72, 168 h" in found.warnings[0]


def test_nothing_left_is_refused():
    with pytest.raises(FitError, match=r"kidney left: earlier cycles leave .* nothing is left for this cycle"):
        without_carry_over(measured(known(1e6).activity_at(SCANS)), earlier=[(known(), 1 * DAY)])


@pytest.mark.parametrize("interval_s", [0.0, -5.0, math.nan, math.inf])
def test_impossible_intervals(interval_s):
    with pytest.raises(InputError, match="interval of"):
        without_carry_over(measured(known().activity_at(SCANS)), earlier=[(known(), interval_s)])


def test_another_region_is_refused():
    with pytest.raises(InputError, match="fits of liver; expected the same region"):
        without_carry_over(measured(known().activity_at(SCANS)), earlier=[(known(region="liver"), DAY)])


def test_the_courses_curve_integrates_to_the_sum_of_its_cycles():
    course = Course(fits=(known(), known(1e8, 60.0), known(3e8)), start_s=(0.0, 3 * DAY, 9 * DAY))
    edges = [0.0, 3 * DAY, 9 * DAY, 150 * DAY]  # 70 half-lives after the last
    total = sum(
        quad(lambda t: float(course.activity_at(np.array([t]))[0]), a, b, limit=200)[0] for a, b in pairwise(edges)
    )
    assert course.time_integrated_activity_bq_s == pytest.approx(
        total, rel=1e-6
    )  # quad's own 1.5e-8, a tail of 2^-66
    # just before and after an administration it rises by that cycle's first activity
    before, after = course.activity_at(np.array([3 * DAY - 1e-3, 3 * DAY]))
    assert after - before == pytest.approx(1e8, rel=1e-6)


@given(st.integers(1, 8), st.floats(0.01, 0.2), st.floats(0.01, 0.2))
def test_shared_errors_keep_their_size_and_own_ones_lose_by_the_root(n, own, shared):
    course = Course(
        fits=tuple(known(relative=own) for _ in range(n)),
        start_s=tuple(i * USUAL_INTERVAL_S for i in range(n)),
        shared_relative=shared,
    )
    relative = course.standard_uncertainty_bq_s / course.time_integrated_activity_bq_s
    assert relative == pytest.approx(math.hypot(shared, own / math.sqrt(n)))


def test_one_unknown_cycle_makes_the_courses_uncertainty_unknown():
    course = Course(fits=(known(), known(relative=None)), start_s=(0.0, DAY))
    assert course.standard_uncertainty_bq_s is None


def test_impossible_courses():
    with pytest.raises(InputError, match="1 fits but 2 administrations"):
        Course(fits=(known(),), start_s=(0.0, 1.0))
    with pytest.raises(InputError, match="expected 0 first"):
        Course(fits=(known(), known()), start_s=(0.0, 0.0))
    with pytest.raises(InputError, match="expected one region"):
        Course(fits=(known(), known(region="liver")), start_s=(0.0, 1.0))
