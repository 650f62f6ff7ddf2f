"""Advice on scan times against closed forms of the mono-exponential."""

import dataclasses
import math

import numpy as np
import pytest
from tests.kinetics.population_cases import LU, H, population, region

from lutetia.errors import InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.population.design import best_next_time, loss_of_dropping
from lutetia.kinetics.population.posterior import posterior_fit

GRID = np.arange(10.0, 200.0, 0.5) * H


def mono(median_h=52.0, spread=0.2):
    return dataclasses.replace(
        region("mono", noise=0.0),
        mean_log=np.array([18.0, math.log(math.log(2) / (median_h * H))]),
        omega=np.diag([0.2, spread**2]),
    )


@pytest.mark.parametrize("median_h", [35.0, 52.0])
def test_one_scan_is_best_at_the_mean_life(median_h):
    # patients alike: Madsen 2018, the half-life acts least at 1/k
    found = best_next_time(region=mono(median_h, 0.01), times_s=GRID, decay_constant_per_s=LU)
    assert found.time_s == pytest.approx(median_h * H / math.log(2), abs=0.5 * H)  # step of the grid
    assert found.relative_sd == pytest.approx(0.05, rel=1e-3)  # only the scan's own uncertainty is left
    assert found.without is None


def test_spread_draws_the_best_time_forward():
    # E[rho^2 + s^2 (1 - kt)^2] is least at E[k]/E[k^2] = exp(-1.5 s^2)/k for lognormal k (closed form)
    found = best_next_time(region=mono(spread=0.3), times_s=GRID, decay_constant_per_s=LU)
    k, s = math.log(2) / (52 * H), 0.3
    assert found.time_s == pytest.approx(math.exp(-1.5 * s**2) / k, abs=1.0 * H)  # 512 patients, step 0.5 h
    second = math.exp(2 * s**2)
    expected = math.sqrt(0.05**2 + s**2 * (1 - math.exp(s**2) / second))  # at the optimum: 1 - E[k]^2/E[k^2]
    assert found.relative_sd == pytest.approx(expected, rel=0.02)


def test_every_time_against_the_closed_form():
    found = best_next_time(
        region=mono(spread=0.02), times_s=GRID, decay_constant_per_s=LU, relative_uncertainty=0.03
    )
    x = math.log(2) / 52 * GRID / H
    np.testing.assert_allclose(found.relative_sds, np.sqrt(0.03**2 + 0.02**2 * (1 - x) ** 2), rtol=2e-3)


def test_a_second_scan_of_unlike_patients_tells_the_half_life():
    # nothing known of the rate: u(ln TIA) = rho sqrt((1 + c)^2 + c^2), c = (kt1 - 1)/(k(t2 - t1)) (least squares of ln A)
    k, hours = math.log(2) / (52 * H), np.array([24.0, 168.0])
    first = TimeActivityCurve(
        region="kidney", time_s=hours[:1] * H, activity_bq=np.array([1e8]), standard_uncertainty_bq=np.array([1e5])
    )
    wide = dataclasses.replace(mono(spread=0.02), omega=np.diag([1.0, 0.02**2]))
    c = (k * 24 * H - 1) / (k * 144 * H)
    least_squares = 0.001 * math.hypot(1 + c, c)
    found = best_next_time(
        region=wide, times_s=[168 * H], decay_constant_per_s=LU, relative_uncertainty=0.001, scans=first
    )
    # the prior of 2 % adds information about the rate of a few percent of that of the scans
    assert found.relative_sd == pytest.approx(least_squares, rel=0.05)
    assert found.without == pytest.approx(math.hypot(0.001, 0.02 * (1 - k * 24 * H)), rel=0.01)


def test_the_linear_forecast_is_what_the_posterior_then_has():
    prior = population("mono", noise=0.0)
    k = math.log(2) / (52 * H)
    curve = TimeActivityCurve(
        region="kidney left",
        time_s=np.array([24.0, 96.0]) * H,
        activity_bq=1e8 * np.exp(-k * np.array([24.0, 96.0]) * H),
        standard_uncertainty_bq=3e6 * np.exp(-k * np.array([24.0, 96.0]) * H),
    )
    first = TimeActivityCurve(
        region="kidney left",
        time_s=curve.time_s[:1],
        activity_bq=curve.activity_bq[:1],
        standard_uncertainty_bq=curve.standard_uncertainty_bq[:1],
    )
    ahead = best_next_time(
        region=prior.regions["kidney"],
        times_s=[96 * H],
        decay_constant_per_s=LU,
        relative_uncertainty=0.03,
        scans=first,
    )
    after = posterior_fit(curve, population=prior, decay_constant_per_s=LU)
    u = after.standard_uncertainty_bq_s / after.time_integrated_activity_bq_s
    assert ahead.relative_sd == pytest.approx(u, rel=0.1)  # forecast over all patients, result of the middle one


def test_noise_that_grows_draws_the_scan_forward():
    flat = best_next_time(region=mono(), times_s=GRID, decay_constant_per_s=LU, relative_uncertainty=0.05)
    growing = best_next_time(
        region=mono(), times_s=GRID, decay_constant_per_s=LU, relative_uncertainty=lambda t: 0.05 * np.exp(LU * t)
    )
    assert growing.time_s < flat.time_s


@pytest.mark.parametrize(("stated", "scatter"), [(True, math.hypot(0.03, 0.04)), (False, 0.04)])
def test_the_residual_error_of_the_population_counts_for_scans_to_come(stated, scatter):
    # closed form at the mean life: only the scan's scatter is left; added to stated uncertainties, else the larger
    made = dataclasses.replace(mono(spread=0.01), proportional=0.04, stated_uncertainties=stated)
    found = best_next_time(region=made, times_s=GRID, decay_constant_per_s=LU, relative_uncertainty=0.03)
    assert found.relative_sd == pytest.approx(scatter, rel=1e-3)
    far = loss_of_dropping(
        region=made,
        times_s=[GRID[0], found.time_s],
        decay_constant_per_s=LU,
        relative_uncertainty=0.03,
    )
    assert far[0].relative_sd_without == pytest.approx(scatter, rel=1e-3)


def test_loss_of_each_scan():
    times = np.array([4.0, 24.0, 72.0, 168.0]) * H
    losses = loss_of_dropping(region=mono(spread=0.3), times_s=times, decay_constant_per_s=LU)
    assert [loss.time_s for loss in losses] == times.tolist()
    assert all(loss.ratio >= 1 for loss in losses)  # less data never tells more
    assert max(losses, key=lambda loss: loss.ratio).time_s == 168 * H  # the tail
    # a protocol of two: what is left is one scan (closed form as above)
    pair = loss_of_dropping(region=mono(spread=0.02), times_s=[24 * H, 96 * H], decay_constant_per_s=LU)
    x = math.log(2) / 52 * 96
    assert pair[0].relative_sd_without == pytest.approx(math.sqrt(0.05**2 + 0.02**2 * (1 - x) ** 2), rel=2e-3)


def test_a_dose_loses_less_than_a_curve():
    times = [4 * H, 24 * H, 72 * H, 168 * H]
    curve, dose = (
        loss_of_dropping(region=mono(), times_s=times, decay_constant_per_s=LU, other_relative_uncertainty=other)
        for other in (0.0, 0.1)
    )
    assert all(d.ratio < c.ratio for c, d in zip(curve, dose, strict=True))
    assert dose[0].relative_sd_without == pytest.approx(math.hypot(curve[0].relative_sd_without, 0.1), rel=1e-9)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="must be after administration"):
        best_next_time(region=mono(), times_s=[0.0], decay_constant_per_s=LU)
    with pytest.raises(InputError, match="at least two times"):
        loss_of_dropping(region=mono(), times_s=[H], decay_constant_per_s=LU)
    with pytest.raises(InputError, match="must be positive"):
        best_next_time(region=mono(), times_s=[H], decay_constant_per_s=LU, relative_uncertainty=0.0)
    with pytest.raises(InputError, match="longer than the nuclide lives"):
        best_next_time(region=mono(median_h=1e5, spread=0.01), times_s=[H], decay_constant_per_s=LU)
