import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import FitError, InputError
from lutetia.images.calibration import dead_time_factor, measured_rate, paralysable_rate
from lutetia.recon.calibrate.conditions import Conditions
from lutetia.recon.calibrate.dead_time import (
    dead_time_of_decaying_source,
    dead_time_of_known_activities,
    dead_time_of_two_sources,
)

WHEN = datetime(2026, 3, 2, 12)
CONDITIONS = Conditions(camera="Camera 1", collimator="MEGP", nuclide="Tc-99m", window_mev=(0.126, 0.154))
HALF_LIFE_S = 21624.0
TIME_S = np.arange(12) * 3600.0
TRUE_CPS = 2.0e5 * np.exp(-math.log(2) * TIME_S / HALF_LIFE_S)
TAU_S = 1.5e-6


def _decaying(rate, u=None, time_s=TIME_S, **changes):
    given = {
        "time_s": time_s,
        "rate_cps": rate,
        "u_rate_cps": np.sqrt(rate / 10.0) if u is None else u,
        "half_life_s": HALF_LIFE_S,
        "conditions": CONDITIONS,
        "measured_at": WHEN,
    }
    return dead_time_of_decaying_source(**(given | changes))


@pytest.mark.parametrize("background", [0.0, 300.0])
def test_rates_without_noise_give_the_dead_time_back(background):
    found = _decaying(measured_rate(TRUE_CPS + background, TAU_S), background_cps=background)
    assert found.dead_time_s == pytest.approx(TAU_S, rel=1e-6)  # law
    assert found.true_rate_cps == pytest.approx(2.0e5, rel=1e-6)
    assert found.largest_loss == pytest.approx(1 - 1 / (1 + (2.0e5 + background) * TAU_S), rel=1e-6)
    assert found.chi2 == pytest.approx(0, abs=1e-6)
    assert found.degrees_of_freedom == 10
    assert not found.warnings


def test_the_dead_time_corrects_the_rates_it_came_from():
    found = _decaying(measured_rate(TRUE_CPS, TAU_S))
    for true, observed in zip(TRUE_CPS, measured_rate(TRUE_CPS, TAU_S), strict=True):
        factor = dead_time_factor(measured_rate_cps=observed, dead_time_s=found.dead_time_s)
        assert observed * factor == pytest.approx(true, rel=1e-6)


def test_uncertainty_covers_the_truth_as_often_as_it_says():
    rng, pulls = np.random.default_rng(11), []
    expected = measured_rate(TRUE_CPS, TAU_S) * 10.0
    for _ in range(400):
        rate = rng.poisson(expected) / 10.0
        # of what is expected: a scatter known beforehand, so that chi2 is one
        found = _decaying(rate, np.sqrt(expected) / 10.0)
        pulls.append((found.dead_time_s - TAU_S) / found.u_dead_time_s)
    # the covariance is never made smaller by chi2 below its mean, so pulls are at most as wide as 1:
    # E[1/max(1, chi2/10)] = 0.88 for 10 degrees of freedom, a width of 0.94
    assert np.mean(pulls) == pytest.approx(0, abs=4 / math.sqrt(400))  # 4 sigma
    assert np.std(pulls) == pytest.approx(0.94, abs=0.13)  # 4 sigma of 0.94/sqrt(800)


def test_known_activities_in_any_order():
    activity = np.array([300e6, 50e6, 900e6, 1500e6, 10e6])
    rate = measured_rate(120e-6 * activity, TAU_S)
    found = dead_time_of_known_activities(
        activity_bq=activity,
        rate_cps=rate,
        u_rate_cps=0.002 * rate,
        conditions=CONDITIONS,
        measured_at=WHEN,
        activity_relative_uncertainty=0.01,
    )
    assert found.dead_time_s == pytest.approx(TAU_S, rel=1e-6)
    assert found.true_rate_cps == pytest.approx(120e-6 * 1500e6, rel=1e-6)
    sharper = dead_time_of_known_activities(
        activity_bq=activity, rate_cps=rate, u_rate_cps=0.002 * rate, conditions=CONDITIONS, measured_at=WHEN
    )
    assert found.u_dead_time_s > 3 * sharper.u_dead_time_s
    with pytest.raises(InputError, match="expected more than 0"):
        dead_time_of_known_activities(
            activity_bq=-activity, rate_cps=rate, u_rate_cps=rate, conditions=CONDITIONS, measured_at=WHEN
        )


@given(n1=st.floats(5e3, 1e5), n2=st.floats(5e3, 1e5), nb=st.floats(0, 500), tau_us=st.floats(0.1, 5))
def test_two_sources_in_closed_form(n1, n2, nb, tau_us):
    tau = tau_us * 1e-6
    m1, m2, m12, mb = (float(measured_rate(n, tau)) for n in (n1 + nb, n2 + nb, n1 + n2 + nb, nb))
    found = dead_time_of_two_sources(
        first_cps=(m1, 0.0),
        second_cps=(m2, 0.0),
        both_cps=(m12, 0.0),
        background_cps=(mb, 0.0),
        conditions=CONDITIONS,
        measured_at=WHEN,
    )
    assert found.dead_time_s == pytest.approx(tau, rel=1e-6)  # law; the losses are differences of large rates


def test_uncertainty_of_two_sources_is_that_of_repeated_counts():
    rng = np.random.default_rng(3)
    true = np.array([6e4 + 200, 4e4 + 200, 1e5 + 200, 200.0])
    counts = rng.poisson(measured_rate(true, TAU_S) * 300.0, size=(2000, 4)) / 300.0

    def measure(rates):
        first, second, both, empty = ((float(r), math.sqrt(r / 300.0)) for r in rates)
        return dead_time_of_two_sources(
            first_cps=first,
            second_cps=second,
            both_cps=both,
            background_cps=empty,
            conditions=CONDITIONS,
            measured_at=WHEN,
        )

    spread = np.std([measure(row).dead_time_s for row in counts])
    assert measure(measured_rate(true, TAU_S)).u_dead_time_s == pytest.approx(spread, rel=0.065)  # 4/sqrt(2 n)


def test_two_sources_that_cannot_be():
    def measure(*rates):
        first, second, both, empty = ((r, 1.0) for r in rates)
        return dead_time_of_two_sources(
            first_cps=first,
            second_cps=second,
            both_cps=both,
            background_cps=empty,
            conditions=CONDITIONS,
            measured_at=WHEN,
        )

    with pytest.raises(FitError, match="no non-paralysable dead time"):
        measure(1e5, 1e5, 9e4, 0.0)
    with pytest.raises(InputError, match="sources above background"):
        measure(10.0, 1e5, 1e5, 20.0)
    assert "too small to tell" in measure(1000.0, 1000.0, 1999.9, 0.0).warnings[0]


def test_losses_too_small_are_told():
    low = TRUE_CPS / 1e3
    rate = np.random.default_rng(2).poisson(low * 10) / 10
    found = _decaying(rate, np.sqrt(low / 10))
    assert any("too small to tell the dead time from none" in w for w in found.warnings)
    assert abs(found.dead_time_s) < 3 * found.u_dead_time_s


def test_a_paralysable_camera_is_recognised():
    rising = TRUE_CPS * 2
    found = _decaying(paralysable_rate(rising, TAU_S))
    assert found.paralysable_chi2 == pytest.approx(0, abs=1e-3)
    told = " ".join(found.warnings)
    assert "paralysable detector describes the rates better" in told
    assert "deny the model" in told
    beyond = _decaying(paralysable_rate(TRUE_CPS * 6, TAU_S))
    assert any("falls while the true one rises" in w for w in beyond.warnings)


def test_paralysable_rate_turns_at_one_over_dead_time():
    n = np.linspace(1e3, 2e6, 4001)
    assert n[np.argmax(paralysable_rate(n, TAU_S))] == pytest.approx(1 / TAU_S, rel=2e-3)  # closed form; grid
    assert paralysable_rate(1e3, TAU_S) == pytest.approx(measured_rate(1e3, TAU_S), rel=2e-6)  # (n tau)^2 / 2


def test_rates_that_cannot_be():
    rate = measured_rate(TRUE_CPS, TAU_S)
    with pytest.raises(FitError, match="rise faster than the source"):
        _decaying(TRUE_CPS * (1 + TRUE_CPS * 1e-6))
    with pytest.raises(FitError, match="determine no dead time"):
        _decaying(TRUE_CPS**3 / 1e9)
    with pytest.raises(InputError, match="at least 3"):
        _decaying(rate[:2], time_s=TIME_S[:2])
    with pytest.raises(InputError, match="same number of each"):
        _decaying(rate[:-1])
    with pytest.raises(InputError, match="rates above the background"):
        _decaying(rate, background_cps=1e6)
    with pytest.raises(InputError, match="three different times"):
        _decaying(rate[:3], time_s=np.array([0.0, 0.0, 3600.0]))
    with pytest.raises(InputError, match="expected finite times"):
        _decaying(rate, half_life_s=0.0)
