"""The Lea-Catcheside factor: published values, laws, limits, and three ways that must agree."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutetia.errors import ConvergenceError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve, fit_trapezoid
from lutetia.response.protraction import (
    cycle_of,
    exponentials_by_half_life,
    factor_by_half_life,
    lea_catcheside_course,
    lea_catcheside_exponentials,
    lea_catcheside_factor,
)
from lutetia.response.repair import Repair
from lutetia.response.segments import lea_catcheside_numerical, lea_catcheside_trapezoid

H = 3600.0
LN2 = math.log(2)


def terms(*pairs):
    """(amplitude, half-life [h]) as (amplitude, rate [1/s])."""
    return tuple((a, LN2 / (t * H)) for a, t in pairs)


def rate_of(exponentials):
    return lambda t: sum(a * np.exp(-k * t) for a, k in exponentials)


BI = terms((0.7, 8), (0.3, 60))
UPTAKE = terms((1.0, 52), (-1.0, 1.3))
TRI = terms((0.7, 8), (0.3, 60), (-0.6, 1.5))


@pytest.mark.parametrize(
    ("exponentials", "repair_h", "g"),
    [
        (terms((1, 51.6)), 2.8, 0.05147),  # T_rep/(T_rep + T_eff)
        (terms((1, 77)), 1.5, 0.01911),  # the same
        (terms((1, 50)), 2.8, 0.053030),  # the same
        (BI, 2.8, 0.065815),  # the double sum by hand
    ],
)
def test_known_factors(exponentials, repair_h, g):
    assert lea_catcheside_exponentials(exponentials, repair_h * H) == pytest.approx(
        g, abs=0.6 * 10 ** -len(str(g)[2:])
    )


@pytest.mark.parametrize("exponentials", [terms((3, 50)), BI, UPTAKE, TRI], ids=["mono", "bi", "uptake", "tri"])
@pytest.mark.parametrize("repair_h", [0.2, 2.8, 40.0])
def test_numbers_agree_with_the_closed_form(exponentials, repair_h):
    exact = lea_catcheside_exponentials(exponentials, repair_h * H)
    found = lea_catcheside_numerical(rate_of(exponentials), repair_h * H, scale_s=50 * H)
    assert found == pytest.approx(exact, rel=1e-8)


positive = st.floats(0.1, 100)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=4), st.floats(0.05, 200), st.floats(0.01, 100))
def test_laws(pairs, repair_h, scale):
    exponentials = terms(*pairs)
    g = lea_catcheside_exponentials(exponentials, repair_h * H)
    assert 0 < g < 1
    # neither the unit of the dose rate nor the order of its terms matters, nor the unit of time
    assert lea_catcheside_exponentials(
        [(scale * a, k) for a, k in exponentials[::-1]], repair_h * H
    ) == pytest.approx(g)
    slower = [(a, k / scale) for a, k in exponentials]
    assert lea_catcheside_exponentials(slower, scale * repair_h * H) == pytest.approx(g)
    # slower repair leaves more
    assert lea_catcheside_exponentials(exponentials, 1.1 * repair_h * H) > g


@pytest.mark.parametrize("exponentials", [terms((3, 50)), BI, UPTAKE, TRI])
def test_limits_of_repair(exponentials):
    assert lea_catcheside_exponentials(exponentials, 1e12 * H) == pytest.approx(1, abs=1e-9)
    assert lea_catcheside_exponentials(exponentials, math.inf) == pytest.approx(1, abs=1e-12)
    assert lea_catcheside_exponentials(exponentials, 1e-9 * H) == pytest.approx(0, abs=1e-9)


def test_equal_rates_are_one_term():
    once = lea_catcheside_exponentials(terms((1.0, 50)), 2.8 * H)
    assert lea_catcheside_exponentials(terms((0.4, 50), (0.6, 50)), 2.8 * H) == pytest.approx(once, rel=1e-14)
    # the rate of decay may equal that of repair: T/(T + T)
    assert lea_catcheside_exponentials(terms((1.0, 2.8)), 2.8 * H) == pytest.approx(0.5, rel=1e-14)


def test_uptake_close_to_washout():
    # the limit is t exp(-k t), integrated numerically
    k, half_life = LN2 / (50 * H), 2.8 * H
    limit = lea_catcheside_numerical(lambda t: t * np.exp(-k * t), half_life, scale_s=50 * H)
    close = lea_catcheside_exponentials(((1.0, k), (-1.0, k * 1.001)), half_life)
    # moves by about the difference of the rates, and loses digits as its square: 1e-16/1e-6
    assert close == pytest.approx(limit, rel=2e-3)
    with pytest.raises(InputError, match="positive dose"):
        lea_catcheside_exponentials(((1.0, k), (-1.0, k)), half_life)


def test_two_components_of_repair_are_weighted():
    fast, slow = (lea_catcheside_exponentials(BI, t * H) for t in (0.3, 4.0))
    repair = Repair(half_lives_s=(0.3 * H, 4.0 * H), weights=(0.25, 0.75))
    expected = 0.25 * fast + 0.75 * slow  # G is linear in what is left unrepaired
    assert lea_catcheside_exponentials(BI, repair) == pytest.approx(expected, rel=1e-14)
    assert lea_catcheside_numerical(rate_of(BI), repair, scale_s=50 * H) == pytest.approx(expected, rel=1e-8)


TIME_S = np.array([4.0, 24.0, 72.0, 168.0]) * H
ACTIVITY = np.array([5.0, 4.1, 2.0, 0.6]) * 1e6


def test_trapezoids_are_exact():
    rates = {"early_rate_per_s": LN2 / (160 * H), "tail_rate_per_s": LN2 / (60 * H)}
    early, tail = rates.values()

    def curve(t):
        first = ACTIVITY[0] * np.exp(early * (TIME_S[0] - t))
        last = ACTIVITY[-1] * np.exp(-tail * (t - TIME_S[-1]))
        return np.where(t < TIME_S[0], first, np.where(t > TIME_S[-1], last, np.interp(t, TIME_S, ACTIVITY)))

    for repair_h in (0.1, 2.8, 30.0, 1e5):
        exact = lea_catcheside_trapezoid(TIME_S, ACTIVITY, **rates, repair_half_life_s=repair_h * H)
        found = lea_catcheside_numerical(curve, repair_h * H, scale_s=60 * H, breaks_s=TIME_S)
        assert found == pytest.approx(exact, rel=1e-8)
    assert exact > 0.999


def test_trapezoid_of_an_exponential_is_that_exponential():
    # points on one exponential, very close, before, between and after
    k = LN2 / (50 * H)
    t = np.linspace(1, 300, 3000) * H
    exact = lea_catcheside_exponentials(((1.0, k),), 2.8 * H)
    found = lea_catcheside_trapezoid(
        t, np.exp(-k * t), early_rate_per_s=k, tail_rate_per_s=k, repair_half_life_s=2.8 * H
    )
    # straight lines between points 0.1 h apart are off by (k h)^2/12 = 2e-7
    assert found == pytest.approx(exact, rel=1e-6)


def test_series_meets_closed_form():
    """Short and long pieces, by turns of the series and the closed form, are one line."""
    rates = {"early_rate_per_s": 1e-6, "tail_rate_per_s": 1e-5, "repair_half_life_s": H}
    whole = lea_catcheside_trapezoid(np.array([1.0, 9.0]) * H, np.array([8.0, 0.0]), **rates)
    cut = np.array([1.0, 1.5, 3.0, 4.4, 4.5, 9.0])
    parts = lea_catcheside_trapezoid(cut * H, 9 - cut, **rates)
    assert parts == pytest.approx(whole, rel=1e-13)


def test_steady_rate_is_the_textbook_formula():
    # constant rate over T: G = 2/x^2 (x - 1 + exp(-x)), x = mu T; Dale 1985
    x = LN2 / 2.8 * 20
    expected = 2 / x**2 * (x - 1 + math.exp(-x))
    found = lea_catcheside_numerical(
        lambda t: np.where(t < 20 * H, 1.0, 0.0), 2.8 * H, scale_s=10 * H, breaks_s=(20 * H,)
    )
    assert found == pytest.approx(expected, rel=1e-10)


def curve_of(activity):
    return TimeActivityCurve(region="kidney left", time_s=TIME_S, activity_bq=activity)


def test_factor_of_fits():
    k = LN2 / (50 * H)
    mono = fit_curve(curve_of(1e7 * np.exp(-k * TIME_S)), decay_constant_per_s=1.2e-6, model="mono")
    # a fit of noiseless points is good to its tolerance, far below 1e-6
    assert lea_catcheside_factor(mono, 2.8 * H) == pytest.approx(2.8 / 52.8, rel=1e-6)
    curve = curve_of(ACTIVITY)
    trapezoid = fit_trapezoid(curve, decay_constant_per_s=1.2e-6)
    exact = lea_catcheside_trapezoid(
        TIME_S, ACTIVITY, early_rate_per_s=1.2e-6, tail_rate_per_s=1.2e-6, repair_half_life_s=2.8 * H
    )
    assert lea_catcheside_factor(trapezoid, 2.8 * H, curve=curve) == pytest.approx(exact, rel=1e-8)
    assert lea_catcheside_factor(trapezoid, 2.8 * H) == pytest.approx(exact, rel=1e-8)


def test_many_half_lives_at_once():
    half_life_s = np.array([0.5, 2.8, 9.0]) * H
    each = [lea_catcheside_exponentials(TRI, t) for t in half_life_s]
    np.testing.assert_allclose(exponentials_by_half_life(TRI)(half_life_s), each, rtol=1e-13)
    curve = curve_of(ACTIVITY)
    trapezoid = fit_trapezoid(curve, decay_constant_per_s=1.2e-6)
    each = [lea_catcheside_factor(trapezoid, t, curve=curve) for t in half_life_s]
    np.testing.assert_allclose(factor_by_half_life(trapezoid, curve=curve)(half_life_s), each, rtol=1e-5)


# courses


def course(gap_h, **shape):
    doses, shapes = (5.0, 3.0, 4.0), (BI, terms((1, 40)), UPTAKE)
    return [
        cycle_of(absorbed_dose_gy=d, exponentials=e, start_s=i * gap_h * H)
        for i, (d, e) in enumerate(zip(doses, shapes, strict=True))
    ]


@pytest.mark.parametrize("gap_h", [0.0, 10.0, 100.0])
@pytest.mark.parametrize("repair_h", [2.8, 40.0])
def test_course_is_one_irradiation(gap_h, repair_h):
    cycles = course(gap_h)

    def rate(t):
        return sum(
            np.where(t >= c.start_s, rate_of(c.exponentials)(np.maximum(t - c.start_s, 0)), 0) for c in cycles
        )

    found = lea_catcheside_numerical(rate, repair_h * H, scale_s=60 * H, breaks_s=(gap_h * H, 2 * gap_h * H))
    assert lea_catcheside_course(cycles, repair_h * H) == pytest.approx(found, rel=1e-8)


def test_cycles_far_apart_add_their_quadratic_effects():
    cycles = course(56 * 24)
    parts = sum(c.absorbed_dose_gy**2 * lea_catcheside_exponentials(c.exponentials, 2.8 * H) for c in cycles)
    assert lea_catcheside_course(cycles, 2.8 * H) * 12.0**2 == pytest.approx(parts, rel=1e-6)
    near = lea_catcheside_course(course(24), 2.8 * H) * 12.0**2
    assert near > 1.1 * parts


def test_cycles_at_once_are_one_cycle():
    one = cycle_of(absorbed_dose_gy=8.0, exponentials=BI)
    halves = [cycle_of(absorbed_dose_gy=4.0, exponentials=BI)] * 2
    alone = lea_catcheside_exponentials(BI, 2.8 * H)
    assert lea_catcheside_course(halves, 2.8 * H) == pytest.approx(alone, rel=1e-13)
    assert lea_catcheside_course([one], 2.8 * H) == pytest.approx(alone, rel=1e-13)


def test_course_where_decay_and_repair_have_one_rate():
    cycles = [cycle_of(absorbed_dose_gy=4.0, exponentials=terms((1, 5)), start_s=s * H) for s in (0, 8)]
    same, beside = (lea_catcheside_course(cycles, t * H) for t in (5.0, 5.0 * (1 + 1e-9)))
    assert same == pytest.approx(beside, rel=1e-7)


# what cannot be


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: lea_catcheside_exponentials((), 1.0), "positive rates"),
        (lambda: lea_catcheside_exponentials(((1.0, 0.0),), 1.0), "positive rates"),
        (lambda: lea_catcheside_exponentials(((math.nan, 1.0),), 1.0), "positive rates"),
        (lambda: lea_catcheside_exponentials(((-1.0, 1.0),), 1.0), "positive dose"),
        (lambda: lea_catcheside_exponentials(((1.0, 1.0),), 0.0), "positive values"),
        (lambda: lea_catcheside_exponentials(((1.0, 1.0),), math.nan), "positive values"),
        (lambda: Repair(half_lives_s=(1.0, 2.0), weights=(0.5, 0.6)), "add up to 1"),
        (lambda: Repair(half_lives_s=(1.0, 2.0)), "one each"),
        (lambda: cycle_of(absorbed_dose_gy=0.0, exponentials=BI), "more than 0"),
        (lambda: lea_catcheside_course([], 1.0), "at least one cycle"),
        (lambda: lea_catcheside_numerical(np.exp, 1.0, scale_s=0.0), "time scale"),
        (lambda: trapezoid(np.array([2.0, 1.0]), np.ones(2)), "times that increase"),
        (lambda: trapezoid(np.array([1.0, 2.0]), np.array([1.0, -1.0])), "no negative rate"),
        (lambda: trapezoid(np.array([1.0, 2.0]), np.zeros(2)), "positive absorbed dose"),
    ],
)
def test_what_cannot_be(call, said):
    with pytest.raises(InputError, match=said):
        call()


def trapezoid(t, r):
    return lea_catcheside_trapezoid(t, r, early_rate_per_s=1.0, tail_rate_per_s=1.0, repair_half_life_s=1.0)


def test_a_dose_rate_that_stays_is_refused():
    with pytest.raises(ConvergenceError, match="not died away"):
        lea_catcheside_numerical(np.ones_like, H, scale_s=H)
    with pytest.raises(ConvergenceError, match="not died away"):
        lea_catcheside_numerical(np.zeros_like, H, scale_s=H)
