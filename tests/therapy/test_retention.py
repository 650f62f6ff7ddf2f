"""Retention from profiles and from measurements, what left, and what is said of it."""

import math

import numpy as np
import pytest

from lutetia.errors import FitError, InputError, MissingDataError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.physics.nuclides import nuclide
from lutetia.therapy.protection.excretion import balance, elimination_statements, sewer_release
from lutetia.therapy.protection.measurements import read_measurements
from lutetia.therapy.protection.retention import (
    profile_names,
    retention_from_activity,
    retention_from_dose_rates,
    retention_profile,
)

H = 3600.0
LU = nuclide("Lu-177")
DECAY = LU.decay_constant_per_s
TIMES = np.array([1.0, 4.0, 24.0, 48.0, 96.0, 168.0]) * H


def profile(name):
    return retention_profile(name, decay_constant_per_s=DECAY)


@pytest.mark.parametrize("name", profile_names())
def test_profiles_begin_with_all_and_only_fall(name):
    found = profile(name)
    assert float(found.left_at(0)) == pytest.approx(1)
    left = found.left_at(np.linspace(0, 1000 * H, 500))
    assert np.all(np.diff(left) < 0)
    assert np.all(np.diff(found.excreted_at(np.linspace(0, 1000 * H, 500))) >= -1e-12)
    assert found.meaning
    assert found.source


@pytest.mark.parametrize(
    ("name", "time_h", "excreted"),
    [
        ("dotatate-label", 5, 0.44), ("dotatate-label", 24, 0.58), ("dotatate-label", 48, 0.65),
        ("dotatate-perth", 4, 0.46), ("dotatate-60-biological", 24, 0.60),
        ("psma-617-rostock", 4, 0.50), ("psma-617-rostock", 12, 0.70),
    ],
)  # fmt: skip
def test_profiles_say_what_their_sources_say(name, time_h, excreted):
    # the percentages in the profile's own row; its numbers have four digits
    assert float(profile(name).excreted_at(time_h * H)) == pytest.approx(excreted, abs=5e-4)


def test_sixty_percent_in_24_h_has_two_readings():
    biological, total = (balance(profile(f"dotatate-60-{w}"), 24 * H) for w in ("biological", "total"))
    assert biological.excreted_corrected == pytest.approx(0.60, abs=5e-4)
    assert 1 - total.in_body == pytest.approx(0.60, abs=5e-4)
    # decay alone takes 9.9 % in 24 h
    assert biological.decayed == pytest.approx(0.099, abs=5e-4)
    assert 1 - biological.in_body == pytest.approx(0.64, abs=5e-4)
    assert total.excreted_corrected == pytest.approx(0.556, abs=5e-4)


def test_the_mean_effective_half_life_of_psma_patients():
    slow = min(rate for _, rate in profile("psma-617-rostock").terms)
    assert math.log(2) / slow / H == pytest.approx(40.5, abs=0.05)  # Kurth 2018


def test_nothing_leaves_by_physical_decay():
    physical = profile("physical")
    assert float(physical.excreted_at(100 * H)) == pytest.approx(0, abs=1e-12)
    assert float(physical.left_at(LU.half_life_s)) == pytest.approx(0.5)
    assert physical.drawn is None


def test_shares_sum_to_one():
    for time_h in (0, 4, 24, 200):
        at = balance(profile("dotatate-label"), time_h * H)
        assert at.in_body + at.excreted + at.decayed == pytest.approx(1)


def test_another_nuclide_on_the_same_ligand():
    tb = nuclide("Tb-161")
    one = retention_profile("dotatate-label", decay_constant_per_s=tb.decay_constant_per_s)
    assert float(one.excreted_at(24 * H)) == pytest.approx(0.58, abs=5e-4)


def test_drawn_patients_scatter_about_the_profile():
    fraction, rate = profile("dotatate-label").drawn(np.random.default_rng(3), 20_000)
    assert fraction.sum(axis=1) == pytest.approx(np.ones(20_000))
    assert fraction[:, 0].mean() == pytest.approx(0.504, abs=0.004)  # 0.15/sqrt(20000) is 0.001
    assert fraction[:, 0].std() == pytest.approx(0.15, abs=0.003)
    half_lives_h = math.log(2) / (rate[:, 0] - DECAY) / H
    assert np.median(half_lives_h) == pytest.approx(91.3, rel=0.01)
    assert np.all(rate > DECAY)


def test_statements_stand_beside_a_retention():
    found = elimination_statements(profile("dotatate-label"), agent="177Lu-DOTATATE (Lutathera)")
    assert len(found) == 6
    by_time = {(s.time_s / H, s.reading, s.stated): s.expected for s in found}
    assert by_time[4, "biological", 0.46] == pytest.approx(0.402, abs=1e-3)  # the two sources do not agree
    assert by_time[24, "total", 0.60] == pytest.approx(0.622, abs=1e-3)
    assert elimination_statements(profile("dotatate-label"), agent="") == ()


def test_measured_activity_is_recovered():
    a0 = 7.4e9
    truth = a0 * (0.6 * 2 ** (-TIMES / (2.5 * H)) + 0.4 * 2 ** (-TIMES / (71 * H)))
    curve = TimeActivityCurve(
        region="whole body", time_s=TIMES, activity_bq=truth, standard_uncertainty_bq=0.01 * truth
    )
    found = retention_from_activity(curve, administered_activity_bq=a0, decay_constant_per_s=DECAY)
    assert float(found.left_at(0)) == pytest.approx(1, rel=1e-3)
    assert float(found.left_at(10 * H)) == pytest.approx(0.6 * 2**-4 + 0.4 * 2 ** (-10 / 71), rel=1e-3)
    fraction, rate = found.drawn(np.random.default_rng(1), 4000)
    there = (fraction * np.exp(-rate * 96 * H)).sum(axis=1)
    assert there.mean() == pytest.approx(float(found.left_at(96 * H)), rel=0.01)
    assert 0.001 < there.std() / there.mean() < 0.02  # points of 1 %


def test_a_curve_that_begins_late_says_what_it_missed():
    truth = 7.4e9 * 0.4 * 2 ** (-TIMES / (71 * H))
    curve = TimeActivityCurve(region="whole body", time_s=TIMES, activity_bq=truth)
    found = retention_from_activity(curve, administered_activity_bq=7.4e9, decay_constant_per_s=DECAY)
    assert float(found.left_at(0)) == pytest.approx(0.4, rel=1e-3)
    assert any("begins at 0.40 of the administered activity" in w for w in found.warnings)


def test_more_than_was_given():
    curve = TimeActivityCurve(region="whole body", time_s=TIMES, activity_bq=9e9 * 2 ** (-TIMES / (71 * H)))
    with pytest.raises(FitError, match=r"begins at 1.22 of the administered activity"):
        retention_from_activity(curve, administered_activity_bq=7.4e9, decay_constant_per_s=DECAY)


def test_dose_rates_give_the_dose_rate_at_0_h():
    truth = (18 * 0.6 * 2 ** (-TIMES / (2.5 * H)) + 18 * 0.4 * 2 ** (-TIMES / (71 * H))) / 3.6e9
    found, start = retention_from_dose_rates(
        time_s=TIMES,
        dose_rate_sv_per_s=truth,
        standard_uncertainty_sv_per_s=0.02 * truth,
        decay_constant_per_s=DECAY,
    )
    assert start * 3.6e9 == pytest.approx(18, rel=1e-3)
    assert float(found.left_at(24 * H)) * start == pytest.approx(truth[2], rel=1e-3)
    assert "extrapolated from the first measurement at 1.0 h" in found.warnings[-1]


def test_urine_to_the_sewer():
    # A f exp(-lambda t)/V
    one = sewer_release(
        {"Lu-177": 7.4e9}, {"Lu-177": DECAY}, excreted_fraction=0.46, delay_s=60 * 86400, volume_m3=5
    )
    expected = 7.4e9 * 0.46 * 2 ** (-60 / 6.647)
    assert one.activity_bq["Lu-177"] == pytest.approx(expected, rel=1e-6)
    assert one.concentration_bq_per_m3["Lu-177"] == pytest.approx(expected / 5, rel=1e-6)
    slow = sewer_release(
        {"Lu-177": 7.4e9, "Lu-177m": 1.48e6}, {"Lu-177": DECAY, "Lu-177m": math.log(2) / (160.4 * 86400)},
        excreted_fraction=0.46, delay_s=120 * 86400,
    )  # fmt: skip
    # after four months the impurity of 0.02 % is more than the nuclide
    assert slow.activity_bq["Lu-177m"] > slow.activity_bq["Lu-177"]
    assert slow.concentration_bq_per_m3 is None
    with pytest.raises(InputError, match=r"Excreted fraction 1\.2"):
        sewer_release({}, {}, excreted_fraction=1.2, delay_s=0)


def test_an_unknown_profile():
    with pytest.raises(
        MissingDataError, match="No retention profile 'dotatoc'; there are physical, dotatate-label"
    ):
        profile("dotatoc")


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "whole_body.csv"
        path.write_text(text)
        return path

    return write


def read(path):
    return read_measurements(path, administered_activity_bq=7.4e9, decay_constant_per_s=DECAY)


def test_files_of_both_kinds(table):
    rows = "\n".join(f"{t:g},{7400 * 0.5 * 2 ** (-t / 58):.6g}" for t in (96, 24, 48, 168))
    assert read(table(f"time_h,activity_MBq\n{rows}\n")).dose_rate is None
    rows = "\n".join(f"{t:g},{10 * 2 ** (-t / 58):.6g},0.1" for t in (2, 24, 48, 168))
    found = read(table(f"time_h,dose_rate_uSv_h,u_uSv_h\n{rows}\n"))
    assert found.dose_rate.start_sv_per_s * 3.6e9 == pytest.approx(10, rel=1e-3)
    assert found.retention.drawn is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_h\n4\n", "found no measurements; expected activity_MBq or dose_rate_uSv_h"),
        ("time_h,activity_MBq,dose_rate_uSv_h\n4,1,1\n", "found activity_MBq and dose_rate_uSv_h"),
        ("time_h,activity_MBq\n4,1\n8,\n", "line 3, column activity_MBq: empty"),
        ("time_h,activity_MBq\n4,1\n4,2\n", "lines 2 and 3: both at 4 h"),
        ("time_h,activity_MBq\n4,1\n8,0\n", "line 3: time_h and activity_MBq must be above 0"),
        ("time_h,dose_rate_uSv_h\n0,20\n8,9\n", "line 2: time_h and dose_rate_uSv_h must be above 0"),
    ],
)
def test_files_that_cannot_be(table, text, message):
    with pytest.raises(InputError, match=message):
        read(table(text))


# fits that must not decide


def course(values, u=None):
    """Dose rates or activities at hours, as a file."""
    return "\n".join(f"{t:g},{v:.6g}" + ("" if u is None else f",{u * v:.6g}") for t, v in values.items())


DOSE_RATES = "time_h,dose_rate_uSv_h\n"
HALF_LIFE_H = 58.0


def falling(*hours):
    return {t: 10 * 2 ** (-t / HALF_LIFE_H) for t in hours}


@pytest.mark.parametrize(
    ("factor", "refused"),
    # at 72 h; the decay-corrected measurement at 24 h is the earlier one, 10 * 2**(-24 (1/58 - 1/159.5))
    [(1.0, False), (1.25, False), (2.5, True)],
)
def test_a_rise_is_not_fitted_away(table, factor, refused):
    values = falling(2, 24, 48, 72)
    values[72] *= factor
    found = read(table(DOSE_RATES + course(values)))
    assert bool(found.caution) is refused
    if refused:
        assert "they rise" in found.caution
        assert found.retention.drawn is None
        assert found.retention.terms == ((1.0, DECAY),)
        # nowhere below a measurement, and equal to the highest decay-corrected one
        at = {t: float(found.dose_rate.at(t * H)) * 3.6e9 for t in values}
        assert min(at[t] / values[t] for t in values) == pytest.approx(1, abs=1e-6)  # six digits in the file
        assert "Before the first measurement at 2.0 h" in found.caution


def test_the_bound_of_a_rise_from_both_sides(table):
    # two points are all that a line through both needs: only the rise can be seen
    first = 10.0
    for rise, refused in ((1.299, False), (1.301, True)):
        second = first * rise * math.exp(-DECAY * 22 * H)
        found = read(table(DOSE_RATES + course({2: first, 24: second})))
        assert ("they rise" in found.caution) is refused


def test_a_rise_within_the_stated_uncertainties_is_scatter(table):
    second = 10 * 1.5 * math.exp(-DECAY * 22 * H)
    text = "time_h,dose_rate_uSv_h,u_uSv_h\n"
    # 5 above with 0.2 of each (10, 15): 2 * hypot(2, 3) = 7.2 covers it; with 0.05 1.8 does not
    assert "they rise" not in read(table(text + course({2: 10, 24: second}, u=0.2))).caution
    assert "they rise" in read(table(text + course({2: 10, 24: second}, u=0.05))).caution


def test_points_that_lie_off_with_small_uncertainties(table):
    values = falling(2, 24, 48, 72)
    scattered = {t: v * (1.04 if i % 2 else 1 / 1.04) for i, (t, v) in enumerate(values.items())}
    text = "time_h,dose_rate_uSv_h,u_uSv_h\n"
    assert "reduced chi-square" in read(table(text + course(scattered, u=0.02))).caution
    assert read(table(text + course(scattered, u=0.2))).caution == ""
    assert read(table(text + course(values, u=0.02))).caution == ""


def test_rising_activities_leave_all_that_was_given(table):
    found = read(table("time_h,activity_MBq\n4,2000\n24,4000\n48,4200\n"))
    # 4200 MBq at 48 h are 5170 at 0 h: less than was given, which nobody can exceed
    assert found.retention.terms == ((1.0, DECAY),)
    assert "they rise" in found.caution
    with pytest.raises(FitError, match=r"a measurement is 1\.33 of the administered activity"):
        read(table("time_h,activity_MBq\n4,2000\n24,4000\n48,8000\n"))  # 8000 e^(48 ln2/159.5)/7400


def test_rising_dose_rates(table):
    found = read(table("time_h,dose_rate_uSv_h,u_uSv_h\n1,5,0.1\n24,10,0.1\n48,20,0.1\n72,40,0.1\n"))
    assert "they rise: 40 at 72.0 h" in found.caution
    assert "no sum of exponentials that falls" in found.caution
    assert found.dose_rate.start_sv_per_s * 3.6e9 == pytest.approx(40 * math.exp(DECAY * 72 * H))


@pytest.mark.parametrize("name", ["Po-212", "Lu-177"])
def test_nothing_leaves_by_decay_alone_however_short_lived(name):
    """Physical decay excretes nothing at any time; warnings (overflow) are errors."""
    decay = nuclide(name).decay_constant_per_s
    kept = retention_profile("physical", decay_constant_per_s=decay)
    assert kept.excreted_at(np.array([0.0, 3600.0, 1e6])).tolist() == [0.0, 0.0, 0.0]
