"""Dose by dose rates, and by time-integrated activity."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.dose.dose_rate import (
    DoseRateCurve,
    dose_rate_map,
    dose_rates,
    integrate_dose_rate,
    mean_dose_rate,
)
from lutetia.dose.energies import decay_energy
from lutetia.dose.kernel import absorbed_dose_map
from lutetia.dose.local import local_absorbed_dose
from lutetia.errors import FitError, InputError
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve, fit_trapezoid
from lutetia.units import GY_PER_MEV_PER_G

H, DAY = 3600.0, 86400.0
DECAY = math.log(2) / (6.647 * DAY)  # 177Lu
SCANS = np.array([4.0, 24.0, 72.0, 168.0]) * H


def curve(half_life_h=77.0, u=0.04, noise=0.0):
    activity = 5e7 * np.exp(-math.log(2) / (half_life_h * H) * SCANS)
    activity = activity * (1 + noise * np.array([1, -1, 1, -1]))
    return TimeActivityCurve(
        region="lesion 1", time_s=SCANS, activity_bq=activity, standard_uncertainty_bq=u * activity
    )


def mono(c):
    return fit_curve(c, decay_constant_per_s=DECAY, model="mono")


def bi(c):
    return fit_curve(c, decay_constant_per_s=DECAY, model="bi")


def trapezoid(c):
    return fit_trapezoid(c, decay_constant_per_s=DECAY)


S_10_G = decay_energy("Lu-177").local_mev * GY_PER_MEV_PER_G / 10.0


@pytest.mark.parametrize("fit", [mono, trapezoid])
def test_with_a_mass_that_stays_both_orders_agree(fit):
    c = curve(noise=0.05)
    activity_first = fit(c)
    rates_first = integrate_dose_rate(dose_rates(c, s_gy_per_bq_s=np.full(4, S_10_G)), fit=fit)
    # linearity; 1e-6 for where the search of a least-squares fit stops
    assert rates_first.absorbed_dose_gy == pytest.approx(
        activity_first.time_integrated_activity_bq_s * S_10_G, rel=1e-6
    )
    assert rates_first.standard_uncertainty_gy == pytest.approx(
        activity_first.standard_uncertainty_bq_s * S_10_G, rel=1e-4
    )
    np.testing.assert_allclose(
        rates_first.dose_rate_at(SCANS), activity_first.activity_at(SCANS) * S_10_G, rtol=1e-5
    )
    assert rates_first.fit.model == activity_first.model


@given(st.floats(1e-15, 1e-3))
def test_the_dose_is_proportional_to_the_rates(factor):
    rates = dose_rates(curve(), s_gy_per_bq_s=np.full(4, S_10_G))
    scaled = DoseRateCurve(
        region="lesion 1", time_s=SCANS, dose_rate_gy_per_s=factor * rates.dose_rate_gy_per_s / S_10_G
    )
    found = integrate_dose_rate(scaled, fit=trapezoid).absorbed_dose_gy
    whole = integrate_dose_rate(rates, fit=trapezoid).absorbed_dose_gy
    assert found == pytest.approx(factor * whole / S_10_G, rel=1e-9)


def test_of_a_tumour_that_shrinks_the_dose_rate_is_right_and_one_mass_is_not():
    # A and m fall as exponentials, so that the dose rate A E/m is one too: closed form D = A0 E/m0 / (k - g)
    half_life_h, halving_d, mass_g = 60.0, 15.0, 10.0
    k, g = math.log(2) / (half_life_h * H), math.log(2) / (halving_d * DAY)
    c = curve(half_life_h)
    mass = mass_g * np.exp(-g * SCANS)
    energy = decay_energy("Lu-177").local_mev * GY_PER_MEV_PER_G
    truth = 5e7 * energy / mass_g / (k - g)
    by_rates = integrate_dose_rate(dose_rates(c, s_gy_per_bq_s=energy / mass), fit=mono).absorbed_dose_gy
    assert by_rates == pytest.approx(truth, rel=1e-6)
    tia = mono(c).time_integrated_activity_bq_s
    assert tia * energy / mass_g == pytest.approx(truth * (k - g) / k, rel=1e-6)  # 17 % low with the first mass
    assert tia * energy / mass[-1] > 1.1 * truth  # and too high with the last


def test_uncertain_outlines_of_each_scan_add_to_the_counts():
    rates = dose_rates(curve(u=0.03), s_gy_per_bq_s=np.full(4, S_10_G), s_relative_uncertainty=np.full(4, 0.04))
    np.testing.assert_allclose(rates.standard_uncertainty_gy_per_s / rates.dose_rate_gy_per_s, 0.05)  # 3-4-5


GRID = Grid(size=(9, 9, 9), spacing_mm=(4.8, 4.8, 4.8), origin_mm=(0.0, 0.0, 0.0))


@pytest.mark.parametrize("method", [absorbed_dose_map, local_absorbed_dose])
def test_maps_of_dose_rate_are_the_dose_of_one_second(method):
    rng = np.random.default_rng(0)
    activity = Volume(grid=GRID, values=rng.uniform(0, 1e6, GRID.shape).astype(np.float32), unit="Bq/mL")
    density = Volume(grid=GRID, values=np.full(GRID.shape, 1.04, np.float32), unit="g/mL")
    rate = dose_rate_map(activity=activity, density=density, nuclide="Lu-177", dose=method)
    assert rate.unit == "Gy/s"
    decays = activity.with_values(activity.values * 100.0, "Bq s/mL")
    whole = method(time_integrated_activity=decays, density=density, nuclide="Lu-177")
    # float32, and a Fourier transform in it: 1e-5 of the largest value
    np.testing.assert_allclose(100 * rate.values, whole.values, atol=1e-5 * float(whole.values.max()))
    inside = np.zeros(GRID.shape, np.float32)
    inside[3:6, 3:6, 3:6] = 1
    mean = mean_dose_rate(rate=rate, density=density, occupancy=inside)
    assert mean == pytest.approx(float(rate.values[inside > 0].mean()), rel=1e-5)


def test_what_cannot_be_a_dose_rate():
    with pytest.raises(InputError, match="lesion 1: 4 times and dose rates"):
        DoseRateCurve(region="lesion 1", time_s=SCANS, dose_rate_gy_per_s=np.array([1.0, np.nan, 1.0, 1.0]))
    with pytest.raises(InputError, match="no dose rate at any time"):
        DoseRateCurve(region="lesion 1", time_s=SCANS, dose_rate_gy_per_s=np.zeros(4))
    with pytest.raises(InputError, match="one non-negative standard uncertainty"):
        DoseRateCurve(
            region="lesion 1",
            time_s=SCANS,
            dose_rate_gy_per_s=np.ones(4),
            standard_uncertainty_gy_per_s=-np.ones(4),
        )
    with pytest.raises(InputError, match="one S coefficient above 0 per scan"):
        dose_rates(curve(), s_gy_per_bq_s=np.ones(3))
    two = DoseRateCurve(region="lesion 1", time_s=SCANS[:2], dose_rate_gy_per_s=np.array([2.0, 1.0]))
    with pytest.raises(FitError, match=r"lesion 1: .*parameters but there are 2"):
        integrate_dose_rate(two, fit=bi)
    volume = Volume(grid=GRID, values=np.zeros(GRID.shape, np.float32), unit="Gy")
    with pytest.raises(InputError, match="expected 'Bq/mL'"):
        dose_rate_map(activity=volume, density=volume, nuclide="Lu-177")
    with pytest.raises(InputError, match="no mass"):
        mean_dose_rate(rate=volume, density=volume, occupancy=np.zeros(GRID.shape, np.float32))
