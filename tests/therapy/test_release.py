"""Release limits, doses to others, and storage of waste."""

import math

import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.nuclides import nuclide
from lutetia.therapy.protection.dose_rate import dose_rate_from_measurement, published_constants
from lutetia.therapy.protection.release import (
    dose_to_others_of_patient_sv,
    dose_to_others_sv,
    occupancy_factor,
    release_limits,
)
from lutetia.therapy.protection.retention import retention_profile
from lutetia.therapy.protection.waste import (
    Content,
    clearance_values,
    impurities,
    impurity_fraction_at,
    storage_time,
)

DAY = 86400.0
LU = nuclide("Lu-177")


def test_perth_and_the_united_states():
    (perth,) = release_limits("Perth", nuclide="Lu-177")
    assert (perth.quantity, perth.value, perth.verified) == ("dose rate at 1 m", 25, True)
    assert [limit.value for limit in release_limits("us", nuclide="I-131")] == [5, 1]


def test_a_limit_that_is_not_known_is_not_invented():
    (japan,) = release_limits("Japan", nuclide="Lu-177")
    assert japan.value is None
    assert not japan.verified


def test_a_place_that_is_not_in_the_table():
    with pytest.raises(
        MissingDataError, match="No release limits of 'Atlantis' for Lu-177; there are Perth, Tehran, US"
    ):
        release_limits("Atlantis", nuclide="Lu-177")
    with pytest.raises(MissingDataError, match="for I-131"):
        release_limits("Perth", nuclide="I-131")


def test_the_formula_of_regulatory_guide_8_39():
    constant = published_constants("Lu-177")[0].value_sv_m2_per_bq_s
    found = dose_to_others_sv(
        constant_sv_m2_per_bq_s=constant, activity_bq=7.4e9, half_life_s=6.647 * DAY, occupancy=0.25
    )
    # 34.6 x 0.2825 x 200 x 6.647 x 0.25 / 100^2 rem; 34.6 stands for 24/ln 2, 0.06 % more
    assert found * 100 == pytest.approx(34.6 * 0.2825 * 200 * 6.647 * 0.25 / 1e4, rel=1e-3)
    assert found * 1e3 == pytest.approx(3.25, abs=5e-3)
    assert 1 < found * 1e3 < 5  # releasable, with written instructions


def test_occupancy_by_half_life():
    assert occupancy_factor(LU.half_life_s)[0] == 0.25
    assert occupancy_factor(6 * 3600.0)[0] == 1


def test_the_dose_with_a_patients_own_curve():
    physical = retention_profile("physical", decay_constant_per_s=LU.decay_constant_per_s)
    constant = published_constants("Lu-177")[0].value_sv_m2_per_bq_s
    bare = dose_rate_from_measurement(physical, dose_rate_sv_per_s=constant * 7.4e9, time_s=0)
    formula = dose_to_others_sv(
        constant_sv_m2_per_bq_s=constant, activity_bq=7.4e9, half_life_s=LU.half_life_s, occupancy=0.25
    )
    assert dose_to_others_of_patient_sv(bare, occupancy=0.25) == pytest.approx(formula, rel=1e-9)
    half = dose_to_others_of_patient_sv(bare, occupancy=0.25, from_s=LU.half_life_s)
    assert half == pytest.approx(formula / 2, rel=1e-9)
    assert dose_to_others_of_patient_sv(bare, occupancy=0.25, distance_m=2) == pytest.approx(formula / 4)


def test_doses_that_cannot_be():
    with pytest.raises(InputError, match="occupancy at most 1"):
        dose_to_others_sv(constant_sv_m2_per_bq_s=1e-18, activity_bq=1, half_life_s=1, occupancy=2)


def content(name, kbq, half_life_d, limit_kbq=1.0):
    return Content(nuclide=name, activity_bq=kbq * 1e3, half_life_s=half_life_d * DAY, limit_bq=limit_kbq * 1e3)


def test_a_used_vial_is_stored_for_years():
    slow = content("Lu-177m", 354, 160.4)  # 118 MBq x 0.3 %
    found = storage_time([content("Lu-177", 118e3 - 354, 6.647), slow])
    assert found.longest_s / DAY / 365.25 == pytest.approx(3.7, abs=0.05)
    assert found.longest_s == pytest.approx(160.4 * DAY / math.log(2) * math.log(354), rel=1e-12)
    assert dict(found.per_nuclide_s)["Lu-177"] / DAY == pytest.approx(112, abs=0.5)
    assert storage_time([content("Lu-177m", 354, 152)]).longest_s / DAY / 365.25 == pytest.approx(3.5, abs=0.05)


def test_two_nuclides_together_wait_longer():
    equal = [content("A", 64, 10), content("B", 64, 10)]
    found = storage_time(equal)
    assert found.longest_s == pytest.approx(60 * DAY)
    assert found.together_s == pytest.approx(70 * DAY, abs=2)  # twice the activity is one half-life more
    one = storage_time([content("A", 64, 10)])
    assert one.together_s == one.longest_s


def test_what_is_below_its_limit_need_not_wait():
    assert storage_time([content("A", 0.5, 10)]).longest_s == 0


def test_waste_that_cannot_be():
    with pytest.raises(InputError, match="expected at least one"):
        storage_time([])
    with pytest.raises(InputError, match="Lu-177: activity -1000 Bq"):
        content("Lu-177", -1, 6.6)


def test_the_impurity_doubles_in_a_week():
    readings = impurities("Lu-177")
    assert [round(r.half_life_s / DAY, 1) for r in readings] == [160.4, 152]
    assert readings[0].half_life_s == pytest.approx(nuclide("Lu-177m").half_life_s, rel=1e-3)
    later = impurity_fraction_at(
        2e-4, time_s=7 * DAY, half_life_s=LU.half_life_s, impurity_half_life_s=readings[0].half_life_s
    )
    assert later == pytest.approx(4e-4, rel=0.01)  # "doubled after a week" (ITG)
    assert pytest.approx(1.8e6) == 9e9 * 2e-4  # 1.8 MBq in 9 GBq (ITG)
    assert impurities("I-131") == ()


def test_clearance_values_are_quoted_with_their_place():
    found = {(v.place, v.unit): v.value for v in clearance_values("Lu-177m")}
    assert found == {
        ("Italy", "Bq/g"): 1,
        ("Germany", "Bq/g"): 10,
        ("Germany", "kBq/m3"): 50,
        ("Germany", "MBq"): 1,
    }
