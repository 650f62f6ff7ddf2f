"""Time-integrated activity coefficients: limits, sums, and the bladder that is emptied."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from lutetia.errors import FitError, InputError
from lutetia.kinetics.coefficients import (
    AT_ONCE_PER_S,
    TimeIntegratedActivityCoefficient,
    bladder_coefficient_s,
    excreted_terms,
    impossible_sum,
    largest_coefficient_s,
    remainder_of_body,
    require_possible_sum,
    time_integrated_activity_coefficient,
)
from lutetia.kinetics.curve import CurveFit

H = 3600.0
T_LU = 159.528 * H  # 6.647 d
LU = math.log(2) / T_LU


def coefficient(region, hours, u=None):
    return TimeIntegratedActivityCoefficient(
        region=region, value_s=hours * H, standard_uncertainty_s=None if u is None else u * H
    )


def excreted_coefficient_s(terms, *, decay_constant_per_s):
    """Decays of all that was excreted, closed form: sum of f (1/lambda - 1/(lambda + b))."""
    return sum(f * (1 / decay_constant_per_s - 1 / (decay_constant_per_s + b)) for f, b in terms)


def fit_of(terms, activity=7.4e9):
    """A curve ``A0 sum f exp(-k t)``."""
    return CurveFit(
        region="whole body",
        model="bi-exponential",
        parameters={},
        covariance=None,
        aicc=None,
        time_integrated_activity_bq_s=sum(activity * f / k for f, k in terms),
        standard_uncertainty_bq_s=None,
        effective_half_life_s=None,
        extrapolated_fraction=0.0,
        activity_at=lambda t: np.asarray(sum(activity * f * np.exp(-k * t) for f, k in terms)),
        band_at=None,
        exponentials=tuple((activity * f, k) for f, k in terms),
    )


def test_all_decays_are_the_half_life_over_ln2():
    # 159.528 h / ln 2 = 230.15 h
    assert largest_coefficient_s(LU) / H == pytest.approx(159.528 / math.log(2), rel=1e-12)


def test_coefficient_is_decays_over_activity_with_both_uncertainties():
    found = time_integrated_activity_coefficient(
        "kidneys",
        time_integrated_activity_bq_s=7.4e9 * 3 * H,
        standard_uncertainty_bq_s=7.4e9 * 0.3 * H,
        administered_activity_bq=7.4e9,
        administered_relative_uncertainty=0.05,
    )
    assert found.value_s / H == pytest.approx(3, rel=1e-12)
    assert found.standard_uncertainty_s / H == pytest.approx(math.hypot(0.3, 0.15), rel=1e-12)


def test_unknown_uncertainty_stays_unknown():
    found = time_integrated_activity_coefficient(
        "liver", time_integrated_activity_bq_s=1e12, administered_activity_bq=1e9
    )
    assert found.standard_uncertainty_s is None


@pytest.mark.parametrize(("decays", "activity", "message"), [(-1.0, 1e9, "decays"), (1e9, 0.0, "Administered")])
def test_what_cannot_be_is_refused(decays, activity, message):
    with pytest.raises(InputError, match=message):
        time_integrated_activity_coefficient(
            "liver", time_integrated_activity_bq_s=decays, administered_activity_bq=activity
        )


def test_possible_sums_say_nothing():
    parts = [coefficient("kidneys", 3), coefficient("liver", 7), coefficient("remainder", 220.1)]
    assert impossible_sum(parts, decay_constant_per_s=LU) is None
    assert impossible_sum([], decay_constant_per_s=LU) is None


def test_a_sum_beyond_all_decays_names_the_largest():
    parts = [coefficient("kidneys", 3), coefficient("remainder", 240)]
    told = impossible_sum(parts, decay_constant_per_s=LU)
    assert "243.0 h" in told
    assert "230.2 h" in told
    assert "remainder with 240.0 h" in told
    assert require_possible_sum(parts, decay_constant_per_s=LU) == (told,)


def test_a_sum_within_its_uncertainty_is_possible_and_far_beyond_it_an_error():
    # 243 h exceeds 230.15 h by less than twice hypot(0.3, 10) h
    parts = [coefficient("kidneys", 3, 0.3), coefficient("remainder", 240, 10)]
    assert impossible_sum(parts, decay_constant_per_s=LU) is None
    with pytest.raises(FitError, match="sum to 400"):
        require_possible_sum([coefficient("liver", 400)], decay_constant_per_s=LU)


def test_no_uncertainty_excuses_far_more_decays_than_there_are():
    # 1.25 and 1.35 times 230.15 h; 1.3 is what calibration and fields of view may do
    wide = coefficient("liver", 1.25 * 230.15, 1e6)
    assert impossible_sum([wide], decay_constant_per_s=LU) is None
    with pytest.raises(FitError, match="sum to 310"):
        require_possible_sum([coefficient("liver", 1.35 * 230.15, 1e6)], decay_constant_per_s=LU)


def test_remainder_is_what_the_organs_leave():
    rest = remainder_of_body(coefficient("whole body", 40, 2), [coefficient("liver", 6, 1.5)])
    assert rest.value_s / H == pytest.approx(34)
    assert rest.standard_uncertainty_s / H == pytest.approx(2.5)
    assert (
        remainder_of_body(coefficient("whole body", 40), [coefficient("liver", 6)]).standard_uncertainty_s is None
    )


def test_organs_beyond_the_whole_body_are_an_error_unless_uncertainty_covers_it():
    with pytest.raises(FitError, match=r"liver.* hold 5\.00 h more"):
        remainder_of_body(coefficient("whole body", 40), [coefficient("liver", 45)])
    assert remainder_of_body(coefficient("whole body", 40, 3), [coefficient("liver", 45, 1)]).value_s == 0


TERMS = st.lists(st.tuples(st.floats(0.05, 0.5), st.floats(0.5, 500)), min_size=1, max_size=2)


@given(terms=TERMS, interval_h=st.floats(0.5, 12))
@settings(max_examples=15, deadline=None)
def test_bladder_is_the_integral_of_what_flows_in(terms, interval_h):
    rates = [(f, math.log(2) / (hours * H)) for f, hours in terms]
    slowest = min(b for _, b in rates)
    n_voids = int(min(40 / (slowest + LU), 2e8) / (interval_h * H)) + 1

    def content(t):
        start = math.floor(t / interval_h) * interval_h * H
        return math.exp(-LU * t * H) * sum(f * (math.exp(-b * start) - math.exp(-b * t * H)) for f, b in rates)

    n = min(n_voids, 60)
    numeric = sum(quad(content, i * interval_h, (i + 1) * interval_h)[0] for i in range(n))
    # a quadrature of the first n intervals; of each phase exp(-k n T) is left, which the geometric sum gives
    left = sum(
        math.exp(-(b + LU) * n * interval_h * H)
        * bladder_coefficient_s([(f, b)], decay_constant_per_s=LU, voiding_interval_s=interval_h * H)
        for f, b in rates
    )
    found = bladder_coefficient_s(rates, decay_constant_per_s=LU, voiding_interval_s=interval_h * H)
    assert found / H == pytest.approx(numeric + left / H, rel=1e-6)


def test_bladder_never_emptied_holds_all_that_was_excreted():
    terms = [(0.7, math.log(2) / (8 * H)), (0.3, math.log(2) / (150 * H))]
    kept = bladder_coefficient_s(terms, decay_constant_per_s=LU, voiding_interval_s=1000 * T_LU)
    assert kept == pytest.approx(excreted_coefficient_s(terms, decay_constant_per_s=LU), rel=1e-9)


def test_bladder_of_four_hours_by_hand():
    # one phase, half-life 8 h, all of it, voided every 4 h: k = ln2/8 + ln2/159.528 = 0.0909888 1/h,
    # (1 - exp(-0.0043450*4))/0.0043450 = 3.965441; q = 1 - exp(-0.3639551) = 0.3050778; q/k = 3.3529156 h
    # (3.965441 - 3.352916)/0.3050778 = 2.00777 h
    found = bladder_coefficient_s([(1.0, math.log(2) / (8 * H))], decay_constant_per_s=LU, voiding_interval_s=4 * H)
    assert found / H == pytest.approx(2.00777, rel=2e-5)


def test_bladder_needs_an_interval():
    with pytest.raises(InputError, match="Voiding interval"):
        bladder_coefficient_s([(1.0, 1e-5)], decay_constant_per_s=LU, voiding_interval_s=0)


def test_body_and_excretion_are_all_decays():
    fit = fit_of([(0.7, LU + 2e-5), (0.3, LU + 1e-6)])
    terms = excreted_terms(fit, administered_activity_bq=7.4e9, decay_constant_per_s=LU)
    body_s = fit.time_integrated_activity_bq_s / 7.4e9
    assert body_s + excreted_coefficient_s(terms, decay_constant_per_s=LU) == pytest.approx(1 / LU, rel=1e-9)


def test_what_only_decays_is_not_excreted_and_other_curves_have_no_rates():
    assert excreted_terms(fit_of([(1.0, LU)]), administered_activity_bq=7.4e9, decay_constant_per_s=LU) == ()
    with pytest.raises(InputError, match="no sum of exponentials"):
        excreted_terms(fit_of([]), administered_activity_bq=7.4e9, decay_constant_per_s=LU)


def test_what_left_before_the_first_measurement_was_excreted_too():
    """Phases that add up to 0.4 of what was given: 0.6 left at once, and all decays are shared out."""
    fit = fit_of([(0.3, LU + 1e-5), (0.1, LU)])
    terms = excreted_terms(fit, administered_activity_bq=7.4e9, decay_constant_per_s=LU)
    assert terms == ((pytest.approx(0.3), pytest.approx(1e-5)), (pytest.approx(0.6), AT_ONCE_PER_S))
    body_s = 0.3 / (LU + 1e-5) + 0.1 / LU
    # a minute's half-life is not nothing: 0.6 * 87 s of 8e5 s
    assert body_s + excreted_coefficient_s(terms, decay_constant_per_s=LU) == pytest.approx(1 / LU, rel=1e-4)
    # phases above 1 are scaled, so that no more leaves than was given
    more = excreted_terms(fit_of([(1.2, LU + 1e-5)]), administered_activity_bq=7.4e9, decay_constant_per_s=LU)
    assert more == ((pytest.approx(1.0), pytest.approx(1e-5)),)
