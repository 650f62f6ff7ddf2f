"""Distributions of restrictions."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lutetia.errors import InputError
from lutetia.physics.nuclides import nuclide
from lutetia.therapy.protection.contact import Contact, ContactPattern, contact_patterns, restriction
from lutetia.therapy.protection.dose_rate import dose_rate_from_measurement, dose_rate_of_patients
from lutetia.therapy.protection.retention import retention_profile
from lutetia.therapy.protection.uncertainty import delay_spreads, dose_rate_band

H = 3600.0
REFERENCE = Path(__file__).parents[1] / "reference" / "radiation_protection"
LU = nuclide("Lu-177")
JOURNEY = ContactPattern(
    name="journey",
    daily=False,
    contacts=(Contact(start_s=0, duration_s=24 * H, distance_m=0.3),),
    constraint_sv=1e-3,
    per_year=True,
)


def rate(name="dotatate-label", **options):
    retention = retention_profile(name, decay_constant_per_s=LU.decay_constant_per_s)
    if not options:
        return dose_rate_of_patients(retention, nuclide="Lu-177", administered_activity_bq=7.4e9)
    return dose_rate_from_measurement(retention, dose_rate_sv_per_s=18 / 3.6e9, time_s=0, **options)


def spread_of(pattern, of, **options):
    return delay_spreads([pattern], of, administered_at_s=12 * H, **options)[0]


def test_the_spread_of_a_delay_by_its_closed_form():
    # physical decay with a log-normal dose rate: delay = ln(D0/limit)/lambda, so normal with sd sigma/lambda
    of = rate("physical", relative_uncertainty=0.2)
    found = spread_of(JOURNEY, of, draws=20_000)
    sigma = math.sqrt(math.log1p(0.2**2)) / LU.decay_constant_per_s
    centre = restriction(JOURNEY, of.terms, administered_at_s=0).delay_s
    # standard errors of the sample's median and 95 % ends: 1.25 and 2.7 sigma/sqrt(20000)
    assert found.median_s == pytest.approx(centre, abs=4 * 1.25 * sigma / 141)
    assert found.interval_95_s == pytest.approx(
        (centre - 1.96 * sigma, centre + 1.96 * sigma), abs=4 * 2.7 * sigma / 141
    )
    assert found.upper_95_s == pytest.approx(centre + 1.645 * sigma, abs=4 * 2.2 * sigma / 141)
    assert found.needed == 1


def test_habits_of_people_are_a_spread_of_their_own():
    certain = rate("physical", relative_uncertainty=None)
    assert spread_of(JOURNEY, certain) is None
    habits = replace(JOURNEY, relative_sd=0.2)
    found = spread_of(habits, certain, draws=20_000)
    assert found.median_s == pytest.approx(
        restriction(JOURNEY, certain.terms, administered_at_s=0).delay_s, rel=0.02
    )
    both = spread_of(habits, rate("physical", relative_uncertainty=0.2), draws=20_000)
    width, wider = (s.interval_95_s[1] - s.interval_95_s[0] for s in (found, both))
    assert wider == pytest.approx(math.sqrt(2) * width, rel=0.05)


def test_all_patterns_with_a_published_profile():
    patterns = contact_patterns()
    of = rate()
    found = delay_spreads(patterns, of, administered_at_s=12 * H)
    for pattern, spread in zip(patterns, found, strict=True):
        low, high = spread.interval_95_s
        assert 0 <= low <= spread.median_s <= spread.upper_95_s <= high
        assert spread.resume_upper_95_s >= spread.upper_95_s - 1
        one = restriction(pattern, of.terms, administered_at_s=12 * H).delay_s
        assert abs(spread.median_s - one) < 24 * H
    again = delay_spreads(patterns, of, administered_at_s=12 * H)
    assert [s.median_s for s in again] == [s.median_s for s in found]


SIMILAR = {
    "sleeping with a partner": "sleeping and the day with another person",
    "child below 2 years": "infant, demanding or sick",
}


def test_days_are_of_the_size_of_a_published_table():
    # Kalogianni 2019, table 5, outpatients: 9 (95 %: 16 and 17) d; other contacts and hours, so of one size only
    patterns = contact_patterns()
    found = delay_spreads(patterns, rate(), administered_at_s=12 * H)
    by_name = {pattern.name: spread for pattern, spread in zip(patterns, found, strict=True)}
    with (REFERENCE / "kalogianni_2019.csv").open() as file:
        rows = {row["contact"]: row for row in csv.DictReader(file)}
    for theirs, ours in SIMILAR.items():
        mean, upper = (float(rows[theirs][column]) for column in ("mean_d", "upper_95_d"))
        assert mean / 3 < by_name[ours].median_s / 86400 < mean
        assert upper / 3 < by_name[ours].upper_95_s / 86400 < upper


def test_more_treatments_and_a_measurement_narrow_or_lengthen():
    sleeping = next(p for p in contact_patterns() if p.name == "sleeping with another person")
    one, four = (spread_of(sleeping, rate(), treatments_per_year=n) for n in (1, 4))
    assert four.median_s > one.median_s
    # a measurement at 24 h tells the slow phase, which decides
    retention = retention_profile("dotatate-label", decay_constant_per_s=LU.decay_constant_per_s)
    start = 27.6 / 3.6e9
    early, late = (
        dose_rate_from_measurement(
            retention,
            dose_rate_sv_per_s=start * float(retention.left_at(t * H)),
            time_s=t * H,
            relative_uncertainty=0.05,
        )
        for t in (0, 24)
    )
    widths = [(s := spread_of(sleeping, of)).interval_95_s[1] - s.interval_95_s[0] for of in (early, late)]
    assert widths[1] < 0.8 * widths[0]


def test_the_band_of_the_dose_rate_holds_it():
    times = np.array([0.0, 5, 24, 100]) * H
    of = rate()
    low, high = dose_rate_band(of, times)
    assert np.all(low < of.at(times))
    assert np.all(of.at(times) < high)
    # Bellamy 2022: 2.4 to 5.8 uSv/(h GBq) at the administration
    assert (low[0] * 3.6e9 / 7.4, high[0] * 3.6e9 / 7.4) == pytest.approx((2.4, 5.8), rel=0.06)
    assert dose_rate_band(rate("physical", relative_uncertainty=None), times) is None


def test_too_few_draws():
    with pytest.raises(InputError, match="50 draws"):
        spread_of(JOURNEY, rate(), draws=50)
