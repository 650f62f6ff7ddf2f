"""Planar series on the scale of SPECT."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import InputError, MissingDataError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.measured.hybrid import hybrid_curve, planar_only

H = 3600.0
DECAY = math.log(2) / (6.647 * 86400)  # 177Lu
RATE = math.log(2) / (51 * H)


def curve(hours, factor=1.0, u=0.05, region="kidney left"):
    t = np.array(hours, dtype=float) * H
    activity = factor * 2e8 * np.exp(-RATE * t)
    return TimeActivityCurve(
        region=region, time_s=t, activity_bq=activity, standard_uncertainty_bq=None if u is None else u * activity
    )


PLANAR = (4, 24, 72, 168)


@given(st.floats(0.1, 10.0), st.sampled_from([(24,), (24, 168), PLANAR]))
def test_any_planar_bias_is_taken_out_by_spect(bias, times):
    found = hybrid_curve(curve(PLANAR, bias), curve(times))
    assert found.scale == pytest.approx(1 / bias)
    np.testing.assert_allclose(found.curve.activity_bq, curve(PLANAR).activity_bq, rtol=1e-9)
    fit = fit_curve(found.curve, decay_constant_per_s=DECAY, model="mono")
    assert fit.time_integrated_activity_bq_s == pytest.approx(2e8 / RATE, rel=1e-6)
    assert found.warnings == ()


@pytest.mark.parametrize("m", [1, 2, 4])
def test_the_scale_is_as_certain_as_its_ratios(m):
    found = hybrid_curve(curve(PLANAR, 1.6, u=0.04), curve(PLANAR[:m], u=0.03))
    # closed form: each ratio 5 %, equal weights in relative terms
    assert found.systematic_relative_uncertainty == pytest.approx(0.05 / math.sqrt(m))
    # the error of the scale is one for all points, so it is not in those of the points
    np.testing.assert_allclose(found.curve.standard_uncertainty_bq / found.curve.activity_bq, 0.04)
    assert found.with_scale(0.02) == pytest.approx(math.hypot(0.02, 0.05 / math.sqrt(m)))


def test_a_better_spect_weighs_more():
    planar, spect = curve((24, 72), u=0.01), curve((24, 72), u=0.01)
    activity = spect.activity_bq * np.array([1.0, 1.1])
    spect = replace(spect, activity_bq=activity, standard_uncertainty_bq=activity * np.array([0.02, 0.2]))
    u = np.array([1.0, 1.1]) * np.hypot(0.01, [0.02, 0.2])
    assert hybrid_curve(planar, spect).scale == pytest.approx(np.sum([1.0, 1.1] / u**2) / np.sum(1 / u**2))


def test_ratios_that_disagree_are_told_and_make_the_scale_less_certain():
    spect = curve((4, 72), u=0.02)
    drift = replace(spect, activity_bq=spect.activity_bq * np.array([1.0, 1.5]))
    found, same = hybrid_curve(curve(PLANAR, u=0.02), drift), hybrid_curve(curve(PLANAR, u=0.02), spect)
    assert found.probability < 1e-6
    assert same.probability == pytest.approx(1.0)
    assert found.systematic_relative_uncertainty > 5 * same.systematic_relative_uncertainty
    assert "1.00, 1.50 at the coincident times" in found.warnings[0]


def test_the_test_of_ratios_warns_as_seldom_as_it_says():
    rng = np.random.default_rng(3)
    warned = 0
    for _ in range(1000):
        spect = curve((4, 24, 72), u=0.05)
        noisy = replace(spect, activity_bq=spect.activity_bq * (1 + 0.05 * rng.standard_normal(3)))
        warned += bool(hybrid_curve(curve(PLANAR, u=1e-6), noisy).warnings)
    assert 1 <= warned <= 30  # 10 expected; the weights follow the noise, which doubles it at most


def test_without_uncertainties_the_spread_tells():
    planar, spect = curve(PLANAR, u=None), curve((24, 72), u=None)
    spread = replace(spect, activity_bq=spect.activity_bq * np.array([0.9, 1.1]))
    found = hybrid_curve(planar, spread)
    assert found.scale == pytest.approx(1.0)
    assert found.systematic_relative_uncertainty == pytest.approx(0.1)  # closed form: 0.1414/sqrt(2)
    assert found.curve.standard_uncertainty_bq is None
    one = hybrid_curve(planar, curve((24,), u=None))
    assert one.systematic_relative_uncertainty is None
    assert one.with_scale(0.05) is None
    assert "scale is unknown" in one.warnings[0]


def test_times_need_not_be_equal_within_the_tolerance():
    found = hybrid_curve(curve(PLANAR), curve((25.0,)))
    assert found.scale == pytest.approx(2 ** (-1 / 51))  # the hour of washout between them stays in the ratio
    with pytest.raises(MissingDataError, match=r"planar images at 4, 24, 72, 168 h, SPECT at 25 h.*within 0.5 h"):
        hybrid_curve(curve(PLANAR), curve((25.0,)), tolerance_s=0.5 * H)


def test_planar_alone_warns_with_its_source():
    found = planar_only(curve(PLANAR))
    assert "60 % low" in found.warnings[0]
    assert "10.2967/jnumed.122.265094" in found.warnings[0]
    assert found.systematic_relative_uncertainty is None
    assert found.with_scale(0.05) is None


def test_what_has_no_ratio_is_refused():
    with pytest.raises(InputError, match="SPECT of liver"):
        hybrid_curve(curve(PLANAR), curve((24,), region="liver"))
    dark = replace(curve(PLANAR), activity_bq=np.array([1e8, 0.0, 1e7, 1e6]))
    with pytest.raises(InputError, match="no activity at 24 h"):
        hybrid_curve(dark, curve((24,)))
