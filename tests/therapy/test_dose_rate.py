"""Dose-rate constants and the dose rate of a patient over time."""

import math

import numpy as np
import pytest

from lutetia.errors import InputError
from lutetia.physics.emissions import emissions
from lutetia.physics.nuclides import nuclide
from lutetia.therapy.protection.dose_rate import (
    CUTOFF_MEV,
    dose_rate_constant,
    dose_rate_from_measurement,
    dose_rate_of_patients,
    patient_dose_rates,
    published_constants,
)
from lutetia.therapy.protection.retention import retention_profile

H = 3600.0
USV_H = 1 / 3.6e9
LU = nuclide("Lu-177")
PER_H_MBQ = 3.6e15
"""Sv m2/(Bq s) -> uSv m2/(h MBq)."""


def label():
    return retention_profile("dotatate-label", decay_constant_per_s=LU.decay_constant_per_s)


def test_the_published_constant_of_177lu_is_of_the_factors_of_1977():
    published = published_constants("Lu-177")[0].value_sv_m2_per_bq_s * PER_H_MBQ
    assert published == pytest.approx(7.636e-3)  # Unger and Trubey 1982
    assert published * 37 == pytest.approx(0.2825, abs=5e-5)  # the R cm2/(mCi h) of release calculations
    # emissions of today with their factors; yields of 177Lu changed by about 1 % since
    assert dose_rate_constant(
        "Lu-177", quantity="dose equivalent 1977"
    ).value_sv_m2_per_bq_s * PER_H_MBQ == pytest.approx(published, rel=0.01)
    # H*(10) is what a meter shows: 18 % less
    assert dose_rate_constant("Lu-177").value_sv_m2_per_bq_s * PER_H_MBQ == pytest.approx(
        0.823 * published, rel=0.005
    )


@pytest.mark.parametrize(
    ("name", "msv_m2_per_h_mbq"),
    # Unger and Trubey 1982 as widely tabulated; yields and X-ray groups changed since
    [("I-131", 7.647e-5), ("F-18", 1.879e-4), ("Co-60", 3.703e-4), ("Tc-99m", 3.317e-5)],
)
def test_constants_of_1982(name, msv_m2_per_h_mbq):
    found = dose_rate_constant(name, quantity="dose equivalent 1977").value_sv_m2_per_bq_s * PER_H_MBQ * 1e-3
    assert found == pytest.approx(msv_m2_per_h_mbq, rel=0.03)


def test_air_kerma_as_exposure():
    # 0.181 R cm2/(mCi h) of 177Lu, Smith and Stabin 2012 (15 keV), with 0.00876 Gy per R
    kerma = dose_rate_constant("Lu-177", quantity="air kerma").value_sv_m2_per_bq_s
    assert kerma * 1e4 * 3600 * 3.7e7 / 0.00876 == pytest.approx(0.181, rel=0.005)


@pytest.mark.parametrize("name", ["Lu-177", "I-131", "Co-60", "Lu-177m"])
def test_ambient_dose_equivalent_by_its_closed_form_over_air_kerma(name):
    # H*(10)/K(E) = x/(1.465 x^2 - 4.414 x + 4.789) + 0.7006 atan(0.6519 x), x = ln(E/10 keV): another way to ICRP 74
    lines = emissions(name).photons.above(CUTOFF_MEV)
    from lutetia.physics.attenuation import mass_energy_absorption_cm2_per_g

    x = np.log(lines.energy_mev / 0.010)
    ratio = x / (1.465 * x**2 - 4.414 * x + 4.789) + 0.7006 * np.arctan(0.6519 * x)
    kerma = lines.energy_mev * mass_energy_absorption_cm2_per_g("air", lines.energy_mev) * 1.602176634e-10
    expected = float((lines.yield_per_decay * kerma * ratio).sum()) / (4 * math.pi * 1e4)
    # the form is good to 2 %, interpolation between 0.05 and 0.06 MeV to 1 %
    assert dose_rate_constant(name).value_sv_m2_per_bq_s == pytest.approx(expected, rel=0.03)


def test_progeny_are_told():
    assert dose_rate_constant("Lu-177").warnings == ()
    assert "Fr-221" in dose_rate_constant("Ac-225").warnings[0]


def test_no_such_quantity():
    with pytest.raises(InputError, match="there are ambient dose equivalent"):
        dose_rate_constant("Lu-177", quantity="exposure")


def test_patients_are_half_of_a_point():
    first = patient_dose_rates("Lu-177")[0]
    # Bellamy 2022: mean 3.7, 95 % 2.4 to 5.8 uSv/(h GBq); a log-normal with these ends
    spread = math.sqrt(math.log1p(first.relative_sd**2))
    ends = [first.at_1_m_sv_per_bq_s * 3.6e18 * math.exp(z * spread) for z in (-1.96, 1.96)]
    assert ends == pytest.approx([2.4, 5.8], rel=0.02)
    assert first.at_1_m_sv_per_bq_s * 3.6e18 * math.exp(spread**2 / 2) == pytest.approx(3.7, rel=0.04)
    rate = dose_rate_of_patients(label(), nuclide="Lu-177", administered_activity_bq=7.4e9)
    assert float(rate.at(0.0)) / USV_H == pytest.approx(27.6, abs=0.05)  # 7.4 x 3.73
    assert "measured patients" in rate.warnings[0]


def test_a_nuclide_without_patients_is_a_point():
    retention = retention_profile("physical", decay_constant_per_s=nuclide("I-131").decay_constant_per_s)
    rate = dose_rate_of_patients(retention, nuclide="I-131", administered_activity_bq=1e9)
    assert float(rate.at(0.0)) == pytest.approx(dose_rate_constant("I-131").value_sv_m2_per_bq_s * 1e9)
    assert rate.drawn(np.random.default_rng(1), 10) is None
    assert "without attenuation" in rate.warnings[0]


def test_the_curve_goes_through_the_measurement():
    rate = dose_rate_from_measurement(label(), dose_rate_sv_per_s=9 * USV_H, time_s=5 * H)
    assert float(rate.at(5 * H)) == pytest.approx(9 * USV_H, rel=1e-12)
    assert "uncertainty of the measured dose rate was not given" in rate.warnings[0]
    # and so do all patients that might be
    amplitude, k = rate.drawn(np.random.default_rng(2), 500)
    there = (amplitude * np.exp(-k * 5 * H)).sum(axis=1)
    assert there == pytest.approx(np.full(500, 9 * USV_H), rel=1e-12)


def test_a_measurement_at_2_m():
    rate = dose_rate_from_measurement(label(), dose_rate_sv_per_s=4 * USV_H, time_s=0, distance_m=2)
    assert rate.start_sv_per_s == pytest.approx(4 * 2**1.5 * USV_H)
    rate = dose_rate_from_measurement(
        label(), dose_rate_sv_per_s=4 * USV_H, time_s=0, distance_m=2, distance_exponent=2, relative_uncertainty=0.1
    )
    assert rate.start_sv_per_s == pytest.approx(16 * USV_H)


def test_when_a_limit_is_met():
    physical = retention_profile("physical", decay_constant_per_s=LU.decay_constant_per_s)
    rate = dose_rate_from_measurement(physical, dose_rate_sv_per_s=50 * USV_H, time_s=0)
    assert rate.below_at(25 * USV_H) == pytest.approx(LU.half_life_s, abs=1)
    assert rate.below_at(50 * USV_H) == 0
    assert rate.below_at(60 * USV_H) == 0
    two = dose_rate_from_measurement(label(), dose_rate_sv_per_s=50 * USV_H, time_s=0)
    assert float(two.at(two.below_at(25 * USV_H))) == pytest.approx(25 * USV_H, rel=1e-5)
    assert two.below_at(25 * USV_H) < rate.below_at(25 * USV_H)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dose_rate_sv_per_s": 0.0}, "dose rate and a distance above 0"),
        ({"distance_m": -1.0}, "dose rate and a distance above 0"),
        ({"time_s": -1.0}, "a time from 0 on"),
        ({"relative_uncertainty": 1.5}, "expected from 0 to 1"),
    ],
)
def test_measurements_that_cannot_be(changes, message):
    given = {"dose_rate_sv_per_s": USV_H, "time_s": 0.0, **changes}
    with pytest.raises(InputError, match=message):
        dose_rate_from_measurement(label(), **given)
