"""Blood samples that cannot be those of the administered activity."""

import math

import numpy as np
import pytest

from lutetia.dose.marrow.blood import blood_volume_ml, implausible_blood, least_share_in_blood
from lutetia.kinetics.curve import TimeActivityCurve

H = 3600.0
LAMBDA = math.log(2) / (159.528 * H)
GIVEN_BQ = 7.4e9
BODY_G = 60e3
VOLUME_ML = 0.073 * 60e3 / 1.06  # share of body mass, density


def warnings_of(shares, hours, body_mass_g=BODY_G, factor=1.0):
    """Warnings of samples that hold these shares of the administered activity, corrected for decay."""
    time_s = np.array(hours) * H
    held = np.array(shares) * GIVEN_BQ * np.exp(-LAMBDA * time_s) / blood_volume_ml(body_mass_g)
    curve = TimeActivityCurve(region="blood", time_s=time_s, activity_bq=factor * held)
    return implausible_blood(
        curve, administered_activity_bq=GIVEN_BQ, decay_constant_per_s=LAMBDA, body_mass_g=body_mass_g
    )


def test_volume_of_blood():
    assert blood_volume_ml(BODY_G) == pytest.approx(VOLUME_ML)
    # ICRP 89: 5.3 and 3.9 L of reference man and woman, from which one share for both is 6 % off
    assert blood_volume_ml(73e3) == pytest.approx(5600 / 1.06, rel=0.07)
    assert blood_volume_ml(60e3) == pytest.approx(4100 / 1.06, rel=0.07)


def test_least_share_by_hand():
    # 0.1 * 0.25 at once; 12 L of extracellular fluid cleared by 7.2 L/h
    assert least_share_in_blood(0, BODY_G) == pytest.approx(0.025)
    assert least_share_in_blood(2 * H, BODY_G) == pytest.approx(0.025 * math.exp(-2 * 7.2 / 12))
    times = np.linspace(0, 48, 20) * H
    assert np.all(np.diff([least_share_in_blood(t, BODY_G) for t in times]) < 0)


@pytest.mark.parametrize("hours", [0.05, 1.0, 4.0])
def test_the_lower_bound_from_both_sides(hours):
    least = least_share_in_blood(hours * H, BODY_G)
    assert warnings_of([least * 1.001], [hours]) == ()
    (text,) = warnings_of([least * 0.999], [hours])
    assert f"at least {least:.2g} is expected" in text
    assert f"at {hours:g} h" in text


@pytest.mark.parametrize("hours", [0.05, 24.0, 168.0])
def test_the_upper_bound_from_both_sides(hours):
    assert warnings_of([1.249], [hours]) == ()
    (text,) = warnings_of([1.251], [hours])
    assert "at most 1.25 can be" in text


# 177Lu-DOTATATE: 300 MBq/L with 1.5 h and 10 MBq/L with 43 h (tests/journeys/test_marrow.py), of 7.4 GBq
DOTATATE_H = (0.05, 0.75, 2.0, 4.0, 7.5, 24.0, 96.0)


def dotatate(first):
    hours = DOTATATE_H[first:]
    per_ml = np.array([(300 * 2 ** (-h / 1.5) + 10 * 2 ** (-h / 43)) * 1e3 for h in hours])
    shares = per_ml * VOLUME_ML / GIVEN_BQ * np.exp(LAMBDA * np.array(hours) * H)
    return shares, hours


@pytest.mark.parametrize("first", range(len(DOTATATE_H)))
def test_measured_curves_pass_whenever_they_begin(first):
    assert warnings_of(*dotatate(first)) == ()


@pytest.mark.parametrize("first", range(5))
def test_a_thousandth_is_told_where_sampling_begins_within_hours(first):
    # up to 7.5 h the bound is above a thousandth of what is measured
    (text,) = warnings_of(*dotatate(first), factor=1e-3)
    assert "unit of concentration" in text


def test_a_thousandfold_is_told_whenever_sampling_begins():
    for first in range(6):
        (text,) = warnings_of(*dotatate(first), factor=1e3)
        assert "at most 1.25" in text


def test_the_numbers_are_in_the_warning():
    shares, hours = dotatate(0)
    (text,) = warnings_of(shares, hours, factor=1e-3)
    kbq = (300 * 2 ** (-0.05 / 1.5) + 10 * 2 ** (-0.05 / 43)) * 1e-3
    assert f"{kbq:.3g} kBq/mL at 0.05 h in 4132 mL of blood (60 kg)" in text
    assert "of the 7400 MBq administered" in text


def test_a_body_twice_as_heavy_holds_twice_the_share():
    assert blood_volume_ml(2 * BODY_G) == pytest.approx(2 * blood_volume_ml(BODY_G))
    assert least_share_in_blood(0, 2 * BODY_G) == least_share_in_blood(0, BODY_G)
    # more fluid is cleared more slowly
    assert least_share_in_blood(4 * H, 2 * BODY_G) > least_share_in_blood(4 * H, BODY_G)
