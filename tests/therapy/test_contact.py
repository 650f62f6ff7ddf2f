"""Doses of contacts and restrictions: laws, then glowgreen, then what goes wrong."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from lutetia.errors import InputError
from lutetia.therapy.protection.contact import (
    Contact,
    ContactPattern,
    contact_dose_sv,
    contact_patterns,
    restriction,
    smallest_delay_s,
)

H = 3600.0
USV_H = 1 / 3.6e9
NOON = 12 * H
REFERENCE = Path(__file__).parents[1] / "reference" / "radiation_protection"


def terms(dose_rate_usv_h, *phases):
    """Dose rate at 1 m that falls with (fraction, half-life in h)."""
    return (
        np.array([[dose_rate_usv_h * USV_H * a for a, _ in phases]]),
        np.array([[math.log(2) / (t * H) for _, t in phases]]),
    )


MONO = terms(10, (1.0, 55))
BI = terms(18, (0.6, 2.5), (0.4, 71))


def pattern(*contacts, daily=True, constraint_msv=1.0, per_year=True, relative_sd=None):
    return ContactPattern(
        name="somebody",
        daily=daily,
        contacts=tuple(Contact(start_s=a * H, duration_s=b * H, distance_m=d) for a, b, d in contacts),
        constraint_sv=constraint_msv * 1e-3,
        per_year=per_year,
        relative_sd=relative_sd,
    )


NIGHT = pattern((0, 8, 0.3))


def dose(who, of, delay_h=0.0, **options):
    return float(contact_dose_sv(who, of, delay_h * H, administered_at_s=NOON, **options)[0])


@pytest.mark.parametrize("delay_h", [0.0, 3.3, 13.0, 17.5, 61.2])
def test_the_dose_is_the_integral_of_the_dose_rate_over_the_hours_of_contact(delay_h):
    who = pattern((1, 2.5, 0.4), (9, 0.5, 1.0), (22, 2.0, 0.3))

    def rate(t_h):
        return 18 * USV_H * H * (0.6 * 2 ** (-t_h / 2.5) + 0.4 * 2 ** (-t_h / 71))

    total = 0.0
    for day in range(60):  # 2^(-1440/71) of the slow part is left: 8e-7
        for start, duration, distance in ((1, 2.5, 0.4), (9, 0.5, 1.0), (22, 2.0, 0.3)):
            begin = day * 24 + start - 12  # the clock at the administration is noon
            low, high = max(begin, delay_h), max(begin + duration, delay_h)
            total += distance**-1.5 * quad(rate, low, high)[0]
    assert dose(who, BI, delay_h) == pytest.approx(total, rel=3e-6)


def test_one_number_of_glowgreen_each():
    # glowgreen 0.1.1: 8 h a night at 0.3 m from noon on
    assert 1e3 * dose(NIGHT, MONO) == pytest.approx(1.525354, abs=5e-7)
    assert 1e3 * dose(NIGHT, BI) == pytest.approx(1.443480, abs=5e-7)
    for of, hours in ((MONO, 40), (BI, 41)):
        found = restriction(NIGHT, of, administered_at_s=NOON)
        assert found.resume_s == pytest.approx(hours * H, abs=1)
        assert hours - 1 < found.delay_s / H <= hours


def test_the_dose_is_linear_in_the_dose_rate_and_in_contacts():
    assert dose(NIGHT, terms(20, (1.0, 55))) == pytest.approx(2 * dose(NIGHT, MONO), rel=1e-12)
    both = pattern((0, 8, 0.3), (10, 2, 1.0))
    assert dose(both, BI) == pytest.approx(dose(NIGHT, BI) + dose(pattern((10, 2, 1.0)), BI), rel=1e-12)


def test_hours_of_contact_in_pieces_are_one_contact():
    pieces = pattern(*((hour, 1, 0.3) for hour in range(8)))
    for delay_h in (0, 14.4, 33.0):
        assert dose(pieces, BI, delay_h) == pytest.approx(dose(NIGHT, BI, delay_h), rel=1e-12)


def test_a_contact_over_midnight_is_two():
    over = pattern((22, 8, 0.3))
    split = pattern((0, 6, 0.3), (22, 2, 0.3))
    for delay_h in (0, 11.0, 15.5, 40.0):
        assert dose(over, MONO, delay_h) == pytest.approx(dose(split, MONO, delay_h), rel=1e-12)


def test_all_day_at_1_m_is_the_whole_integral():
    always = pattern((0, 24, 1.0))
    expected = 18 * USV_H * H * (0.6 * 2.5 + 0.4 * 71) / math.log(2)  # the area under the dose rate
    assert dose(always, BI) == pytest.approx(expected, rel=1e-12)


def test_distance_by_its_power():
    near, far = pattern((0, 8, 0.5)), pattern((0, 8, 1.0))
    assert dose(near, MONO) / dose(far, MONO) == pytest.approx(2**1.5, rel=1e-12)
    assert dose(near, MONO, distance_exponent=2.0) / dose(far, MONO) == pytest.approx(4, rel=1e-12)


def test_the_dose_falls_with_the_delay_and_the_delay_with_the_constraint():
    delays = np.linspace(0, 200 * H, 401)
    doses = np.array([dose(NIGHT, BI, d / H) for d in delays])
    assert np.all(np.diff(doses) <= 1e-15)
    found = [
        restriction(replace(NIGHT, constraint_sv=c * 1e-3), BI, administered_at_s=NOON).delay_s
        for c in (0.2, 0.5, 1)
    ]
    assert found[0] > found[1] > found[2] > 0


def test_the_smallest_delay_meets_the_constraint():
    found = restriction(NIGHT, BI, administered_at_s=NOON)
    assert dose(NIGHT, BI, found.delay_s / H) < 1e-3
    assert dose(NIGHT, BI, found.delay_s / H - 2 / 3600) > 1e-3  # found to 1 s
    assert found.resume_s >= found.delay_s
    assert found.dose_sv <= 1e-3 < found.unrestricted_dose_sv


def test_no_delay_where_none_is_needed():
    found = restriction(pattern((8, 1, 1.0)), MONO, administered_at_s=NOON)
    assert found.delay_s == 0
    assert found.resume_s == pytest.approx(20 * H, abs=1)  # the next contact, which need not wait
    assert found.dose_sv == pytest.approx(found.unrestricted_dose_sv)


def test_a_year_is_shared_by_its_treatments():
    once, four = (restriction(NIGHT, BI, administered_at_s=NOON, treatments_per_year=n) for n in (1, 4))
    assert four.constraint_sv == pytest.approx(once.constraint_sv / 4)
    # two halvings more of the slow part, to the next hours of contact
    assert four.delay_s - once.delay_s == pytest.approx(2 * 71 * H, abs=24 * H)
    per_treatment = replace(NIGHT, per_year=False)
    assert restriction(per_treatment, BI, administered_at_s=NOON, treatments_per_year=4).delay_s == once.delay_s


def test_a_journey_once():
    journey = pattern((0, 24, 0.3), daily=False)
    found = restriction(journey, MONO, administered_at_s=NOON)
    rate = math.log(2) / 55
    whole = 10e-3 * 0.3**-1.5 / rate * (1 - math.exp(-rate * 24))  # mSv
    assert found.unrestricted_dose_sv * 1e3 == pytest.approx(whole, rel=1e-9)
    assert found.delay_s / H == pytest.approx(math.log(whole) / rate, abs=1 / 3600)


def test_delays_of_many_patients_at_once():
    amplitude = np.array([[10.0], [20.0], [1.0]]) * USV_H
    rate = np.full((3, 1), math.log(2) / (55 * H))

    def doses(delay_s):
        return contact_dose_sv(NIGHT, (amplitude, rate), delay_s, administered_at_s=NOON)

    found = smallest_delay_s(doses, 1e-3, 3)
    assert found[0] == pytest.approx(restriction(NIGHT, MONO, administered_at_s=NOON).delay_s, abs=2)
    assert found[1] > found[0] > found[2] == 0


def glowgreen():
    with (REFERENCE / "glowgreen.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["pattern"].isdigit()]


GLOWGREEN_ORDER = (
    "infant, normal care",
    "infant, demanding or sick",
    "child of 2 to 5 years",
    "child of 5 to 15 years",
    "sleeping with another person",
    "sleeping with an informed supporter",
    "sleeping and the day with another person",
    "sleeping and the day with an informed supporter",
    "household, adult",
    "household, pregnant",
    "informed carer of the patient",
    "cinema, theatre, visits",
    "public transport to and from work",
    "work near others",
    "work apart from others",
    "work with radiosensitive materials",
    "school",
    "one journey of 24 h by public transport",
)
"""The rows of the reference name patterns by their place there."""


def test_all_patterns_as_glowgreen_has_them():
    # glowgreen 0.1.1: three clearances, four hours of the administration, one and four treatments, 18 patterns
    rows, named = glowgreen(), {pattern.name: pattern for pattern in contact_patterns()}
    patterns = [named[name] for name in GLOWGREEN_ORDER]
    assert len(rows) == 3 * 4 * 2 * 18
    assert len(patterns) == 18
    for row in rows:
        start, *rest = (float(x) for x in row["clearance"].split("/"))
        phases = [(rest[0], rest[1])] + ([(1 - rest[0], rest[2])] if len(rest) == 3 else [])
        found = restriction(
            patterns[int(row["pattern"])],
            terms(start, *phases),
            administered_at_s=float(row["administered_h"]) * H,
            treatments_per_year=int(row["treatments_per_year"]),
        )
        assert found.resume_s / H == pytest.approx(float(row["restriction_h"]), abs=1.5 / 3600), row  # found to 1 s
        # 1 s of delay changes a dose by at most ln 2/1.8 h, 1e-4; daily contacts begin at the hour, to rounding
        tolerance = 1e-7 if found.pattern.daily else 1e-4
        assert found.dose_sv * 1e3 == pytest.approx(float(row["dose_mSv"]), rel=tolerance), row


SPEC = {
    "infant, demanding or sick": (47, 51), "sleeping with another person": (42, 59),
    "sleeping and the day with another person": (64, 79), "sleeping with an informed supporter": (7, 7),
    "cinema, theatre, visits": (21, 21), "public transport to and from work": (5, 5),
    "work with radiosensitive materials": (75, 96), "one journey of 24 h by public transport": (18.4, 3.4),
}  # fmt: skip
"""Hours from noon on until contact, 10 uSv/h with 55 h and 18 uSv/h with 0.6 of 2.5 h and 0.4 of 71 h; glowgreen 0.1.1."""


@pytest.mark.parametrize("name", SPEC)
def test_hours_until_contact(name):
    who = next(p for p in contact_patterns() if p.name == name)
    found = [restriction(who, of, administered_at_s=NOON).resume_s / H for of in (MONO, BI)]
    assert found == pytest.approx(SPEC[name], abs=0.05)


def test_patterns_of_ones_own(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        "name;repeats;per;constraint_mSv;start_h;duration_min;distance_m;relative_sd_percent\n"
        "dog;daily;treatment;0,3;7;30;0,5;40\ndog;daily;treatment;0,3;18;60;0,5;40\n"
    )
    (dog,) = contact_patterns(path)
    assert dog.name == "dog"
    assert not dog.per_year
    assert dog.constraint_sv == pytest.approx(0.3e-3)
    assert dog.relative_sd == pytest.approx(0.4)
    assert [c.duration_s for c in dog.contacts] == [1800, 3600]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cat,weekly,year,1,7,30,0.5", "line 2, column repeats: 'weekly'; expected daily or once"),
        ("cat,daily,month,1,7,30,0.5", "line 2, column per: 'month'; expected year or treatment"),
        ("cat,daily,year,1,7,30,", "line 2, column distance_m: empty"),
        ("cat,daily,year,1,7,30,0", "duration and distance above 0"),
        ("cat,daily,year,0,7,30,1", "dose constraint 0 Sv; expected above 0"),
        ("cat,daily,year,1,25,30,1", "begins before 24 h"),
        (
            "cat,daily,year,1,7,90,1\ncat,daily,year,1,8,30,1",
            "the contact at 8 h begins before the one at 7 h ends",
        ),
        ("cat,daily,year,1,2,30,1\ncat,daily,year,1,22,300,1", "contacts must be in order and apart"),
        (
            "cat,daily,year,1,7,30,1\ncat,daily,year,2,9,30,1",
            "line 3: repeats, per, constraint or spread of cat differ",
        ),
    ],
)
def test_what_is_no_pattern_is_told_with_its_place(tmp_path, line, message):
    path = tmp_path / "own.csv"
    path.write_text(f"name,repeats,per,constraint_mSv,start_h,duration_min,distance_m\n{line}\n")
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        contact_patterns(path)


def test_less_than_one_treatment():
    with pytest.raises(InputError, match="0 treatments per year"):
        restriction(NIGHT, MONO, administered_at_s=NOON, treatments_per_year=0)
