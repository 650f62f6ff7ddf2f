"""Renal function against the R package nephro, and slopes against closed forms and simulated patients."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from lutetia.errors import InputError, OutOfRangeError
from lutetia.response.renal import (
    absolute_filtration_rate,
    body_surface_dubois1916,
    body_surface_mosteller1987,
    creatinine_clearance_cockcroft1976,
    filtration_rate_inker2012_cystatin,
    filtration_rate_inker2021,
    filtration_rate_inker2021_cystatin,
    function_slope,
    renal_function,
)
from lutetia.response.renal.slope import S_PER_YR

# creatinine mg/dL, sex, age, weight, cystatin mg/L; CKD-EPI 2021, Cockcroft-Gault, both 2021, cystatin 2012: R nephro
NEPHRO = [
    (0.6, "female", 45, 60, 0.7, 112.73472, 112.15278, 117.75656, 110.63073),
    (0.8, "male", 58, 80, 0.9, 102.58361, 113.88889, 99.87886, 90.14937),
    (1.0, "female", 63, 70, 1.1, 63.30282, 63.63194, 65.34000, 63.08700),
    (1.4, "male", 70, 90, 1.4, 54.06985, 62.50000, 52.24807, 47.78051),
    (2.0, "male", 75, 75, 2.0, 34.16393, 33.85417, 31.97456, 29.16337),
]


@pytest.mark.parametrize(("scr", "sex", "age", "weight", "cys", "epi", "cg", "both", "cystatin"), NEPHRO)
def test_equations_agree_with_nephro(scr, sex, age, weight, cys, epi, cg, both, cystatin):
    who = {"sex": sex, "age_yr": age}
    half = 0.5e-5 + 1e-9  # half of the last printed digit
    assert filtration_rate_inker2021(creatinine_mg_dl=scr, **who) == pytest.approx(epi, abs=half)
    assert creatinine_clearance_cockcroft1976(creatinine_mg_dl=scr, weight_kg=weight, **who) == pytest.approx(
        cg, abs=half
    )
    assert filtration_rate_inker2021_cystatin(creatinine_mg_dl=scr, cystatin_mg_l=cys, **who) == pytest.approx(
        both, abs=half
    )
    assert filtration_rate_inker2012_cystatin(cystatin_mg_l=cys, **who) == pytest.approx(cystatin, abs=half)


@pytest.mark.parametrize("sex", ["female", "male"])
def test_ckd_epi_has_no_step_at_its_knot(sex):
    knot = {"female": 0.7, "male": 0.9}[sex]
    below, above = (
        filtration_rate_inker2021(creatinine_mg_dl=knot * (1 + e), sex=sex, age_yr=60) for e in (-1e-9, 1e-9)
    )
    assert below == pytest.approx(above, rel=1e-8)


@given(st.floats(0.2, 15), st.floats(18, 110), st.sampled_from(["female", "male"]))
def test_less_function_with_more_creatinine_and_age(creatinine, age, sex):
    def rate(c, a):
        return filtration_rate_inker2021(creatinine_mg_dl=c, sex=sex, age_yr=a)

    assert rate(creatinine * 1.01, age) < rate(creatinine, age)
    assert rate(creatinine, age + 1) < rate(creatinine, age)


def test_body_surface_and_absolute_rate():
    # 0.007184 x 70^0.425 x 170^0.725, and sqrt(70 x 170 / 3600)
    assert body_surface_dubois1916(weight_kg=70, height_cm=170) == pytest.approx(1.80971, abs=1e-5)
    assert body_surface_mosteller1987(weight_kg=70, height_cm=170) == pytest.approx(math.sqrt(3.3055556))
    assert absolute_filtration_rate(60.0, 1.73) == pytest.approx(60.0)
    assert absolute_filtration_rate(60.0, 2.0) == pytest.approx(60 * 2 / 1.73)


def test_renal_function_gives_what_it_can():
    alone = renal_function(creatinine_mg_dl=1.0, sex="female", age_yr=63)
    assert alone.cockcroft_gault_ml_min is None
    assert alone.ckd_epi_2012_cystatin_ml_min_1_73m2 is None
    assert alone.body_surface_formula is None
    full = renal_function(
        creatinine_mg_dl=1.0, sex="female", age_yr=63, weight_kg=70, height_cm=170, cystatin_mg_l=1.1,
        body_surface_formula="mosteller1987",
    )  # fmt: skip
    assert full.body_surface_formula == "mosteller1987"
    assert full.ckd_epi_2021_ml_min == pytest.approx(63.30282 * math.sqrt(70 * 170 / 3600) / 1.73, rel=1e-6)
    assert full.warnings == ()


def test_where_equations_hold_less_well():
    heavy = renal_function(creatinine_mg_dl=1.0, sex="male", age_yr=95, weight_kg=110, height_cm=170)
    assert "92 years" in heavy.warnings[0]
    assert "38.1 kg/m2" in heavy.warnings[1]
    thin = renal_function(creatinine_mg_dl=0.5, sex="male", age_yr=60, weight_kg=48, height_cm=175)
    assert "little muscle" in thin.warnings[0]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"age_yr": 17.9}, OutOfRangeError, "adults"),
        ({"age_yr": -1}, InputError, "age of -1"),
        ({"age_yr": math.nan}, InputError, "age of nan"),
        ({"creatinine_mg_dl": 0}, InputError, "creatinine of 0 mg/dL"),
        ({"cystatin_mg_l": -1.0}, InputError, "cystatin of -1 mg/L"),
        ({"weight_kg": 700}, InputError, "25 to 350 kg"),
        ({"height_cm": 1.7}, InputError, "100 to 250 cm"),
        ({"sex": "x"}, InputError, "female or male"),
        ({"body_surface_formula": "haycock"}, InputError, "mosteller1987"),
    ],
)
def test_what_cannot_be_is_refused(change, error, said):
    good = {"creatinine_mg_dl": 1.0, "sex": "male", "age_yr": 60, "weight_kg": 70, "height_cm": 170}
    with pytest.raises(error, match=said):
        renal_function(**{**good, **change})


# slopes


def test_slope_of_a_line_and_of_an_exponential():
    year = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    line = function_slope(year * S_PER_YR, 100 - 8.4 * year)
    assert line.slope_ml_min_per_yr == pytest.approx(-8.4)
    assert line.start_ml_min == pytest.approx(100)
    assert line.residual_sd_ml_min == pytest.approx(0, abs=1e-9)
    curve = function_slope(year * S_PER_YR, 108 * 0.966**year)
    assert curve.slope_percent_per_yr == pytest.approx(-3.4)
    assert curve.interval_95_percent_per_yr == pytest.approx((-3.4, -3.4), abs=1e-6)
    assert curve.warnings == ()


def test_interval_is_that_of_the_closed_form():
    year, rate = np.array([0.0, 1.0, 2.0, 3.0]), np.array([100.0, 93.0, 95.0, 85.0])
    found = function_slope(year[::-1] * S_PER_YR, rate[::-1])
    # b = Sxy/Sxx = -21.5/5; s^2 = (Syy - b Sxy)/(n - 2), Syy = 116.75; s_b = s/sqrt(Sxx)
    b, s = -21.5 / 5, math.sqrt((116.75 - 21.5**2 / 5) / 2)
    half = t.ppf(0.975, 2) * s / math.sqrt(5)
    assert found.slope_ml_min_per_yr == pytest.approx(b)
    assert found.residual_sd_ml_min == pytest.approx(s)
    assert found.interval_95_ml_min_per_yr == pytest.approx((b - half, b + half))


def test_a_shift_in_time_and_a_scale_change_what_they_should():
    year, rate = np.array([0.0, 1.0, 2.0, 3.0]), np.array([100.0, 93.0, 95.0, 85.0])
    found, other = function_slope(year * S_PER_YR, rate), function_slope((year + 40) * S_PER_YR, 2 * rate)
    assert other.slope_ml_min_per_yr == pytest.approx(2 * found.slope_ml_min_per_yr)
    assert other.slope_percent_per_yr == pytest.approx(found.slope_percent_per_yr)


def test_few_points_say_what_they_do_not_know():
    one = function_slope([0.0], [90.0])
    assert one.slope_ml_min_per_yr is None
    assert one.slope_percent_per_yr is None
    same = function_slope([5.0, 5.0, 5.0], [90.0, 91.0, 89.0])
    assert same.slope_ml_min_per_yr is None
    two = function_slope([0.0, S_PER_YR / 2], [100.0, 95.0])
    assert two.slope_ml_min_per_yr == pytest.approx(-10)
    assert two.interval_95_ml_min_per_yr is None
    assert two.residual_sd_ml_min is None
    assert "no interval" in two.warnings[0]
    assert "0.5 years" in two.warnings[1]


@pytest.mark.parametrize(
    ("time", "rate", "said"),
    [
        ([], [], "at least one"),
        ([0.0, 1.0], [90.0], "as many"),
        ([0.0, 1.0], [90.0, 0.0], "above 0"),
        ([0.0, math.nan], [90.0, 80.0], "finite"),
    ],
)
def test_slopes_of_what_cannot_be_are_refused(time, rate, said):
    with pytest.raises(InputError, match=said):
        function_slope(time, rate)


@pytest.mark.parametrize("relative", [False, True])
def test_intervals_hold_the_truth_in_95_of_100_patients(relative):
    rng, year, patients = np.random.default_rng(7), np.array([0.0, 0.25, 0.5, 1.0, 2.0]), 2000
    held = 0
    for _ in range(patients):
        if relative:
            rate = 108 * 0.966**year * np.exp(rng.normal(0, 0.08, 5))
            low, high = function_slope(year * S_PER_YR, rate).interval_95_percent_per_yr
            held += low < -3.4 < high
        else:
            low, high = function_slope(
                year * S_PER_YR, 100 - 8.4 * year + rng.normal(0, 6, 5)
            ).interval_95_ml_min_per_yr
            held += low < -8.4 < high
    # binomial: three standard deviations of 2000 patients
    assert held / patients == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / patients))
