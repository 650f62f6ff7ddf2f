"""Single-time-point methods against their closed forms and the published ratio table."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import norm

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve, fit_trapezoid
from lutetia.kinetics.single_time import (
    population_half_life,
    same_agent,
    single_time_gate,
    time_integrated_activity_haenscheid2018,
    time_integrated_activity_madsen2018,
    time_integrated_activity_own_kinetics,
)

H = 3600.0
LU = math.log(2) / (6.647 * 86400)


def point(hours, activity=1e6, relative=0.05):
    return TimeActivityCurve(
        region="kidney left",
        time_s=np.array([hours * H]),
        activity_bq=np.array([activity]),
        standard_uncertainty_bq=None if relative is None else np.array([relative * activity]),
    )


def rate(hours):
    return math.log(2) / (hours * H)


# ratio of the rule to a mono-exponential, 2 x 2^-x (closed form; the same table in Haenscheid 2018, figure 1)
@pytest.mark.parametrize(
    ("x", "ratio"),
    [(0.5, 0.7071), (0.75, 0.8919), (1, 1.0), (1.5, 1.0607), (2, 1.0), (2.5, 0.8839), (3, 0.75)],
)
def test_haenscheid_against_a_mono_exponential(x, ratio):
    half_life_h = 50.0
    truth = half_life_h * H / math.log(2)
    fit = time_integrated_activity_haenscheid2018(point(x * half_life_h, 2.0**-x))
    assert round(fit.time_integrated_activity_bq_s / truth, 4) == ratio  # four digits


def test_haenscheid_curve_integrates_to_the_rule():
    fit = time_integrated_activity_haenscheid2018(point(72, 3e6))
    ((amplitude, k),) = fit.exponentials
    assert amplitude / k == pytest.approx(2 * 72 * H * 3e6 / math.log(2), rel=1e-12)  # 2 t A/ln 2
    assert float(fit.activity_at(np.array(72 * H))) == pytest.approx(3e6, rel=1e-12)  # through the point
    assert fit.time_integrated_activity_bq_s == pytest.approx(amplitude / k, rel=1e-12)


def test_haenscheid_interval_reaches_up_because_the_rule_falls_short():
    # without noise: truth/rule = 2^x/(2x) is never below 1/1.0615 (x = 1/ln 2), and far above at x = 0.5
    fit = time_integrated_activity_haenscheid2018(
        point(25, relative=0.0), effective_half_life_s=50 * H, half_life_relative_sd=0.2
    )
    low, high = (v / fit.time_integrated_activity_bq_s for v in fit.interval_95_bq_s)
    assert low > 1 / 1.0615 - 0.005
    spread = math.sqrt(math.log1p(0.04))
    # the 97.5 % quantile of a function that falls with x, at the 2.5 % quantile of x = 0.5/factor (closed form)
    x = 0.5 * math.sqrt(1.04) / math.exp(norm.ppf(0.975) * spread)
    assert high == pytest.approx(2**x / (2 * x), rel=0.005)  # steps of the sample: 0.01 standard deviations
    assert any("0.50 effective half-lives" in w for w in fit.warnings)


def test_known_half_life_is_exact_for_a_mono_exponential():
    k = rate(51.6)
    fit = time_integrated_activity_madsen2018(
        point(24, 1e6 * math.exp(-k * 24 * H)), effective_half_life_s=51.6 * H, relative_sd=0.2, source="test"
    )
    assert fit.time_integrated_activity_bq_s == pytest.approx(1e6 / k, rel=1e-12)  # A0/k
    assert fit.exponentials[0] == pytest.approx((1e6, k), rel=1e-12)
    assert any("0.47 effective half-lives" in w for w in fit.warnings)


def test_uncertainty_of_the_half_life_is_propagated():
    # first order |1 - k t| u(T)/T, checked by a finite difference of A exp(kt)/k
    def tia(half_life_h):
        return math.exp(rate(half_life_h) * 150 * H) / rate(half_life_h)

    step = 0.01
    numeric = abs(tia(50 * (1 + step)) - tia(50 * (1 - step))) / (2 * step) / tia(50) * 0.02
    fit = time_integrated_activity_madsen2018(
        point(150, relative=0.0), effective_half_life_s=50 * H, relative_sd=0.02, source="test"
    )
    u = fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s
    assert u == pytest.approx(numeric, rel=0.02)  # the second-order term adds less than 2 % at a spread of 2 %


@pytest.mark.parametrize("hours", [4, 24, 150])
def test_madsen_interval_is_the_quantile_of_lognormal_half_lives(hours):
    # without noise and away from 1/k the integral is monotone in T, so that its quantiles are those of T (closed form)
    mean, cv = 51.6, 0.2
    sigma = math.sqrt(math.log1p(cv**2))
    edges = mean / math.sqrt(1 + cv**2) * np.exp(norm.ppf([0.025, 0.975]) * sigma)
    expected = sorted(1e6 * math.exp(rate(t) * hours * H) / rate(t) for t in edges)
    fit = time_integrated_activity_madsen2018(
        point(hours, relative=0.0), effective_half_life_s=mean * H, relative_sd=cv, source="test"
    )
    # steps of the sample: 0.01 standard deviations; at 150 h a hundredth of sigma is 2 % of the upper quantile
    assert fit.interval_95_bq_s == pytest.approx(expected, rel=0.01)


def test_interval_covers_noise_alone():
    fit = time_integrated_activity_madsen2018(
        point(72, relative=0.1), effective_half_life_s=50 * H, relative_sd=0.0, source="test"
    )
    # lognormal noise: exp(+-1.96 sqrt(ln(1 + 0.1^2))) (closed form)
    factor = math.exp(norm.ppf(0.975) * math.sqrt(math.log1p(0.01)))
    tia = fit.time_integrated_activity_bq_s
    assert fit.interval_95_bq_s == pytest.approx((tia / factor, tia * factor), rel=1e-6)


def test_physical_decay_cuts_the_interval():
    curve = point(24, relative=0.001)
    free, cut = (
        time_integrated_activity_madsen2018(
            curve, effective_half_life_s=77 * H, relative_sd=0.6, source="test", physical_half_life_s=limit
        )
        for limit in (None, 159.5 * H)
    )
    longest = 1e6 * math.exp(rate(159.5) * 24 * H) / rate(159.5)
    assert free.interval_95_bq_s[1] > longest
    assert cut.interval_95_bq_s[1] < 1.001 * longest


@pytest.mark.parametrize(
    "method",
    [
        time_integrated_activity_haenscheid2018,
        lambda c: time_integrated_activity_madsen2018(c, effective_half_life_s=5e5, relative_sd=0.1, source="test"),
    ],
)
def test_unknown_noise_leaves_everything_unknown(method):
    fit = method(point(72, relative=None))
    assert fit.standard_uncertainty_bq_s is None
    assert fit.interval_95_bq_s is None


def earlier(model="mono", relative=0.04):
    t = np.array([4.0, 24.0, 72.0, 168.0]) * H
    shape = {
        "mono": ((5e7, rate(52)),),
        "bi": ((4e7, rate(60)), (3e7, rate(8))),
        "uptake": ((5e7, rate(52)), (-5e7, rate(3))),
    }[model]
    activity = sum(a * np.exp(-k * t) for a, k in shape)
    curve = TimeActivityCurve(
        region="kidney left", time_s=t, activity_bq=activity, standard_uncertainty_bq=relative * activity
    )
    fit = fit_curve(curve, decay_constant_per_s=LU, model=model)
    return dataclasses.replace(fit, exponentials=shape)


@pytest.mark.parametrize("model", ["mono", "bi", "uptake"])
@pytest.mark.parametrize("hours", [4, 24, 96])
def test_own_kinetics_scale_the_earlier_curve(model, hours):
    fit = earlier(model)
    at = float(sum(a * math.exp(-k * hours * H) for a, k in fit.exponentials))
    found = time_integrated_activity_own_kinetics(
        point(hours, 0.7 * at), earlier=fit, between_cycles_relative_sd=0.05
    )
    truth = 0.7 * sum(a / k for a, k in fit.exponentials)  # the same curve, 0.7 times as high (closed form)
    assert found.time_integrated_activity_bq_s == pytest.approx(truth, rel=1e-12)
    assert found.interval_95_bq_s[0] < truth < found.interval_95_bq_s[1]
    assert found.exponentials[0][1] == fit.exponentials[0][1]


def test_own_kinetics_of_a_mono_exponential_vary_as_its_half_life():
    # with an exact earlier curve and no noise: |1 - kt| times the spread, as Madsen's (second order below 1 %)
    fit = dataclasses.replace(earlier(), covariance=np.zeros((2, 2)))
    found = time_integrated_activity_own_kinetics(
        point(4, relative=0.0), earlier=fit, between_cycles_relative_sd=0.03
    )
    u = found.standard_uncertainty_bq_s / found.time_integrated_activity_bq_s
    assert u == pytest.approx(abs(1 - rate(52) * 4 * H) * 0.03, rel=0.01)
    sigma = math.sqrt(math.log1p(0.03**2))
    low, high = 52 * np.exp(norm.ppf([0.025, 0.975]) * sigma)
    expected = [1e6 * math.exp(rate(t) * 4 * H) / rate(t) for t in (low, high)]
    assert found.interval_95_bq_s == pytest.approx(expected, rel=2e-3)


def test_own_kinetics_carry_the_covariance_of_the_earlier_form():
    # mono: u(ln(integral/activity)) = |t - 1/k| u(k), the amplitude cancels (closed form)
    fit = earlier(relative=0.1)
    found = time_integrated_activity_own_kinetics(
        point(24, relative=0.0), earlier=fit, between_cycles_relative_sd=0.0
    )
    u = found.standard_uncertainty_bq_s / found.time_integrated_activity_bq_s
    k = fit.parameters["rate_per_s"]
    assert u == pytest.approx(abs(24 * H - 1 / k) * math.sqrt(fit.covariance[1, 1]), rel=1e-9)


def test_own_kinetics_without_their_uncertainty_have_none():
    fit = dataclasses.replace(earlier(), covariance=None, standard_uncertainty_bq_s=None)
    found = time_integrated_activity_own_kinetics(point(24), earlier=fit, between_cycles_relative_sd=0.05)
    assert found.standard_uncertainty_bq_s is None
    assert found.interval_95_bq_s is None
    assert any("no uncertainty" in w for w in found.warnings)
    fit = dataclasses.replace(earlier(), model="a mean of models")
    found = time_integrated_activity_own_kinetics(point(24), earlier=fit, between_cycles_relative_sd=0.05)
    assert any("taken as independent" in w for w in found.warnings)


def test_own_kinetics_need_exponentials_and_the_same_region():
    curve = TimeActivityCurve(
        region="kidney left", time_s=np.array([24.0, 72.0]) * H, activity_bq=np.array([2e6, 1e6])
    )
    with pytest.raises(FitError, match="is no sum of exponentials"):
        time_integrated_activity_own_kinetics(
            point(24), earlier=fit_trapezoid(curve, decay_constant_per_s=LU), between_cycles_relative_sd=0.05
        )
    found = time_integrated_activity_own_kinetics(
        point(24), earlier=dataclasses.replace(earlier(), region="liver"), between_cycles_relative_sd=0.05
    )
    assert any("that of liver, not of this region" in w for w in found.warnings)
    nothing = dataclasses.replace(earlier(), exponentials=((1e7, 1e-5), (-1e7, 1e-5)))
    with pytest.raises(FitError, match=r"kidney left: the earlier curve shows no activity at 24\.0 h"):
        time_integrated_activity_own_kinetics(point(24), earlier=nothing, between_cycles_relative_sd=0.05)


def test_population_table_knows_kidneys_and_lesions():
    assert population_half_life(
        agent="177Lu-DOTATATE", region="kidney left", kind="organ"
    ).effective_half_life_s == (pytest.approx(51.6 * H))
    assert population_half_life(agent="Lutathera DOTATATE", region="lesion 3", kind="lesion") is not None
    assert population_half_life(agent="", region="kidney left", kind="organ") is None
    assert population_half_life(agent="177Lu-DOTATATE", region="brain", kind="organ") is None


def test_marrow_and_psma_lesions_are_not_for_one_scan():
    # Hou 2021, abstract: accuracy compromised in bone marrow and in tumours for 177Lu-PSMA
    assert "marrow" in single_time_gate(agent="177Lu-DOTATATE", region="red marrow", kind="organ")
    assert "PSMA" in single_time_gate(agent="177Lu-PSMA-617", region="lesion 2", kind="lesion")
    assert single_time_gate(agent="177Lu-DOTATATE", region="lesion 2", kind="lesion") is None
    assert single_time_gate(agent="177Lu-PSMA-617", region="kidney left", kind="organ") is None


def test_agents_are_told_apart_by_their_ligand():
    assert same_agent("177Lu-DOTATATE", "Lutathera (DOTATATE)")
    assert same_agent("[177Lu]Lu-PSMA-617", "177Lu-PSMA")
    assert not same_agent("177Lu-DOTATATE", "177Lu-PSMA-617")


def test_what_cannot_be_is_refused():
    several = TimeActivityCurve(region="liver", time_s=np.array([H, 2 * H]), activity_bq=np.ones(2))
    with pytest.raises(FitError, match="takes one time point, this curve has 2"):
        time_integrated_activity_haenscheid2018(several)
    with pytest.raises(FitError, match="no activity at the time point"):
        time_integrated_activity_haenscheid2018(point(24, 0.0, None))
    with pytest.raises(InputError, match=r"relative standard deviation -0\.1"):
        time_integrated_activity_haenscheid2018(point(24), half_life_relative_sd=-0.1)
    with pytest.raises(InputError, match="Mean 0"):
        time_integrated_activity_madsen2018(point(24), effective_half_life_s=0.0, relative_sd=0.1, source="test")
