"""Red marrow: hand-computed doses, laws, published S coefficients and kinetics, what cannot be."""

import math

import pytest

from lutetia.dose.marrow.cross import cross_absorbed_dose, rest_coefficient
from lutetia.dose.marrow.methods import (
    CAUTION,
    SELF_ONLY,
    Body,
    ImagedMarrow,
    marrow_dose_from_blood,
    marrow_doses_from_image,
    marrow_mass_g,
    rest_of_body,
    whole_body_dose_as_surrogate,
)
from lutetia.dose.marrow.parameters import parameter, published_marrow_doses
from lutetia.dose.marrow.ratio import (
    given_ratio,
    ratio_by_haematocrit_sgouros1993,
    ratio_of_dotatate_forrer2009,
)
from lutetia.dose.marrow.result import Decays, budget_of
from lutetia.dose.organ_level.coefficients import reference_table, shipped_reference_table
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.errors import FitError, InputError, MissingDataError

H = 3600.0
MGY = 1e9  # Gy/(Bq s) to mGy/(MBq s)
A0 = 7.4e9

# a small body in round numbers: masses [g], S [Gy/(Bq s)] as (charged, photon)
MASSES = {"red marrow": 1000.0, "kidneys": 300.0, "total body": 70_000.0}
S = {
    ("red marrow", "red marrow"): (1.0e-14, 2.0e-16),
    ("red marrow", "kidneys"): (0.0, 4.0e-17),
    ("red marrow", "total body"): (3.0e-16, 3.0e-17),
    ("total body", "total body"): (3.4e-16, 1.0e-16),
}


@pytest.fixture
def table():
    entries = [
        SCoefficient(
            source=source, target=target, charged_gy_per_bq_s=c, photon_gy_per_bq_s=p, target_mass_g=MASSES[target]
        )
        for (target, source), (c, p) in S.items()
    ]
    entries.append(
        SCoefficient(
            source="liver", target="kidneys", charged_gy_per_bq_s=0, photon_gy_per_bq_s=1e-17, target_mass_g=300.0
        )
    )
    return reference_table(
        entries, nuclide="Lu-177", phantom="round numbers", convention="without blood", origin="made up"
    )


def decays(value, relative=0.1):
    return Decays(value_bq_s=value, standard_uncertainty_bq_s=None if relative is None else relative * value)


NOBODY = Body(organs={})


def test_ratio_by_haematocrit_is_that_of_the_publication():
    # Sgouros 1993, abstract: haematocrit 0.47 and fraction 0.19 give 0.36
    assert ratio_by_haematocrit_sgouros1993(0.47).value == pytest.approx(0.36, abs=0.005)
    assert ratio_by_haematocrit_sgouros1993(0.38).value == pytest.approx(0.19 / 0.62, rel=1e-12)


def test_uncertainty_of_the_ratio_is_that_of_both_parts():
    # u(0.19) = 0.03, u(Hct) = 0.02: relative hypot(0.03/0.19, 0.02/0.62)
    found = ratio_by_haematocrit_sgouros1993(0.38, standard_uncertainty=0.02)
    assert found.relative == pytest.approx(math.hypot(0.03 / 0.19, 0.02 / 0.62), rel=1e-12)
    assert given_ratio(0.5).relative is None
    assert ratio_of_dotatate_forrer2009().value == 1.0


@pytest.mark.parametrize("bad", [38.0, 0.0, 0.05, math.nan])
def test_haematocrit_in_per_cent_is_refused(bad):
    with pytest.raises(InputError, match=r"0\.38, not 38"):
        ratio_by_haematocrit_sgouros1993(bad)


def test_ratio_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="more than 0 and at most 10"):
        given_ratio(0)


def test_blood_based_dose_by_hand(table):
    # 1e9 Bq s/mL, ratio 0.5, 1000 g: 5e11 decays; charged 5e11 * 1e-14 = 5 mGy, photons 5e11 * 2e-16 = 0.1 mGy
    found = marrow_dose_from_blood(decays(1e9), given_ratio(0.5), table=table, body=NOBODY)
    assert found.marrow_decays_bq_s == pytest.approx(5e11)
    assert found.self_charged_gy == pytest.approx(5e-3)
    assert found.self_photon_gy == pytest.approx(1e-4)
    assert found.cross_gy is None
    assert found.mean_gy == pytest.approx(5.1e-3)
    assert found.warnings == (SELF_ONLY,)
    assert found.standard_uncertainty_gy is None  # the ratio's own uncertainty was not given


def test_charged_self_dose_does_not_depend_on_the_patients_mass(table):
    light, heavy = (
        marrow_dose_from_blood(decays(1e9), given_ratio(0.5), table=table, body=Body(organs={}, mass_g=m))
        for m in (35e3, 140e3)
    )
    assert light.self_charged_gy == pytest.approx(heavy.self_charged_gy, rel=1e-12)
    # a concentration in m grams: m * m^(-2/3)
    assert heavy.self_photon_gy / light.self_photon_gy == pytest.approx(4 ** (1 / 3), rel=1e-12)
    assert heavy.marrow_decays_bq_s == pytest.approx(4 * light.marrow_decays_bq_s)
    assert marrow_mass_g(table, 35e3) == pytest.approx(500.0)


def test_rest_of_body_coefficient_by_hand(table):
    # photons: (70000 * 3e-17 - 1000 * 2e-16 - 300 * 4e-17) / 68700 = 1.888e-12/68700; no charged part
    found = rest_coefficient(table, ["kidneys"], None)
    assert found.charged_gy_per_bq_s == 0.0
    assert found.photon_gy_per_bq_s == pytest.approx((2.1e-12 - 2e-13 - 1.2e-14) / 68_700, rel=1e-12)
    # a patient half as heavy gets twice of it
    assert rest_coefficient(table, ["kidneys"], 35e3).photon_gy_per_bq_s == pytest.approx(
        2 * found.photon_gy_per_bq_s, rel=1e-12
    )


def test_cross_dose_by_hand(table):
    body = {"kidneys": decays(1e14), "remainder": decays(5e14)}
    found = cross_absorbed_dose(body, table=table, body_mass_g=70e3)
    rest = 5e14 * (2.1e-12 - 2e-13 - 1.2e-14) / 68_700
    assert found.by_source_gy["kidneys"] == pytest.approx(1e14 * 4e-17)
    assert found.photon_gy == pytest.approx(4e-3 + rest, rel=1e-12)
    assert found.charged_gy == 0
    assert found.u_activity_gy == pytest.approx(0.1 * math.hypot(4e-3, rest), rel=1e-12)
    assert found.u_coefficients_gy == pytest.approx(0.25 * found.photon_gy)
    assert found.warnings == ()


def test_sources_without_coefficients_count_as_rest_of_the_body(table):
    found = cross_absorbed_dose({"lesion 1": decays(1e13)}, table=table, body_mass_g=None)
    as_rest = cross_absorbed_dose({"remainder": decays(1e13)}, table=table, body_mass_g=None)
    assert found.photon_gy == pytest.approx(as_rest.photon_gy, rel=1e-12)
    assert "lesion 1" in found.warnings[0]
    assert "no body mass" in found.warnings[1]


def test_without_a_total_body_the_rest_is_left_out_and_said_so(table):
    entries = [e for (t, s), e in table.entries.items() if "total body" not in (t, s)]
    less = reference_table(entries, nuclide="Lu-177", phantom="p", convention="without blood", origin="o")
    found = cross_absorbed_dose({"remainder": decays(1e13)}, table=less, body_mass_g=None)
    assert found.photon_gy == 0
    assert "leaves out remainder" in found.warnings[0]


def test_rest_is_whole_body_less_organs_and_marrow():
    body = Body(organs={"kidneys": decays(2e13, 0.5)}, whole_body=decays(1e14, 0.1))
    found = rest_of_body(body, 1e13)
    assert found.value_bq_s == pytest.approx(7e13)
    assert found.standard_uncertainty_bq_s == pytest.approx(math.hypot(1e13, 1e13))
    assert rest_of_body(Body(organs={}, rest=decays(3.0)), 1.0).value_bq_s == 3.0
    assert rest_of_body(NOBODY, 1.0) is None


def test_organs_beyond_the_whole_body_are_an_error():
    body = Body(organs={"kidneys": decays(2e14, None)}, whole_body=decays(1e14, None))
    with pytest.raises(FitError, match=r"kidneys.*hold 100% more decays than the whole body"):
        rest_of_body(body, 0.0)


def test_budget_is_in_quadrature_and_unknown_parts_make_it_unknown():
    parts, u = budget_of([("a", 3.0), ("b", 4.0)], 10.0)
    assert u == pytest.approx(5.0)
    assert [p.relative for p in parts] == pytest.approx([0.3, 0.4])
    assert budget_of([("a", 3.0), ("b", None)], 10.0)[1] is None


def test_total_uncertainty_has_every_part(table):
    body = Body(organs={"kidneys": decays(1e14)}, mass_g=70e3)
    found = marrow_dose_from_blood(decays(1e9), ratio_of_dotatate_forrer2009(), table=table, body=body)
    names = {c.name for c in found.budget}
    assert names == {
        "blood curve", "marrow to blood ratio", "1 mL of blood as 1 g", "S coefficient of marrow to itself",
        "decays in organs and body", "S coefficients from organs and body",
    }  # fmt: skip
    own, cross = found.self_gy, found.cross_gy
    expected = math.hypot(own * math.sqrt(0.1**2 + 0.2**2 + 0.06**2 / 3 + 0.14**2), cross * math.hypot(0.1, 0.25))
    assert found.standard_uncertainty_gy == pytest.approx(expected, rel=1e-9)
    assert found.mean_gy == pytest.approx(own + cross)


def test_dose_is_linear_in_activity(table):
    one, three = (
        marrow_dose_from_blood(
            decays(f * 1e9), ratio_of_dotatate_forrer2009(), table=table,
            body=Body(organs={"kidneys": decays(f * 1e14)}, whole_body=decays(f * 5e14)),
        )
        for f in (1, 3)
    )  # fmt: skip
    assert three.mean_gy == pytest.approx(3 * one.mean_gy, rel=1e-12)
    assert three.standard_uncertainty_gy == pytest.approx(3 * one.standard_uncertainty_gy, rel=1e-12)


def test_image_based_doses_by_hand(table):
    # 1.03e11 decays in 100 mL: 1e9 per g of marrow; in active marrow alone 1e9 / (0.87 * 0.70)
    image = ImagedMarrow(region="vertebra L3", decays=decays(1.03e11), volume_ml=100.0, whole_l2_l4=True)
    even, active, share = marrow_doses_from_image(image, table=table, body=NOBODY)
    assert even.self_charged_gy == pytest.approx(1e9 * 1000 * 1e-14)
    assert active.self_charged_gy / even.self_charged_gy == pytest.approx(1 / (0.87 * 0.70), rel=1e-12)
    assert share.marrow_decays_bq_s == pytest.approx(1.03e11 / 0.067)
    assert "spills in" in even.warnings[0]
    assert [d.method for d in (even, active, share)] == ["image, even", "image, active marrow", "image, share"]


def test_part_of_the_vertebrae_has_no_share(table):
    image = ImagedMarrow(region="vertebra L3", decays=decays(1e11), volume_ml=50.0, corrected=True)
    found = marrow_doses_from_image(image, table=table, body=NOBODY)
    assert [d.method for d in found] == ["image, even", "image, active marrow"]
    assert found[0].warnings == (SELF_ONLY,)
    with pytest.raises(InputError, match="volume of 0"):
        marrow_doses_from_image(
            ImagedMarrow(region="x", decays=decays(1.0), volume_ml=0.0), table=table, body=NOBODY
        )


def test_even_marrow_at_the_concentration_of_blood_agrees_with_blood(table):
    # the same concentration per gram by both ways
    blood = marrow_dose_from_blood(decays(1e9), ratio_of_dotatate_forrer2009(), table=table, body=NOBODY)
    image = ImagedMarrow(region="marrow", decays=decays(1e9 * 1.03 * 80), volume_ml=80.0)
    assert marrow_doses_from_image(image, table=table, body=NOBODY)[0].mean_gy == pytest.approx(blood.mean_gy)


def test_whole_body_surrogate_by_hand(table):
    # 1e15 decays: charged 0.34 Gy * 70/35, photons 0.1 Gy * 2^(2/3)
    found = whole_body_dose_as_surrogate(decays(1e15), table=table, mass_g=35e3)
    assert found.mean_gy == pytest.approx(0.68 + 0.1 * 2 ** (2 / 3), rel=1e-12)
    assert whole_body_dose_as_surrogate(decays(1e15), table=table, mass_g=None).mean_gy == pytest.approx(0.44)


def test_tables_without_marrow_are_refused(table):
    entries = [e for (t, s), e in table.entries.items() if "red marrow" not in (t, s)]
    less = reference_table(entries, nuclide="Lu-177", phantom="p", convention="without blood", origin="o")
    with pytest.raises(InputError, match="red marrow"):
        marrow_dose_from_blood(decays(1e9), given_ratio(1), table=less, body=NOBODY)
    with pytest.raises(InputError, match="have no red marrow"):
        cross_absorbed_dose({"liver": decays(1.0)}, table=less, body_mass_g=None)


def test_parameters_name_their_sources():
    assert parameter("extracellular fluid fraction").verified
    assert not parameter("share of active marrow in L2-L4").verified
    with pytest.raises(MissingDataError, match="No marrow parameter"):
        parameter("weight of the soul")
    with pytest.raises(MissingDataError, match="no value"):
        _ = parameter("haematocrit").known_value
    with pytest.raises(MissingDataError, match="no uncertainty"):
        _ = parameter("density of blood").known_uncertainty


def test_published_doses_spread_by_more_than_a_factor_of_two():
    found = [p.value_gy_per_gbq for p in published_marrow_doses("Lu-177", "177Lu-DOTATATE")]
    assert max(found) / min(found) > 2
    assert published_marrow_doses("Lu-177", "177Lu-PSMA-617") == ()
    assert "factor of 3" in CAUTION


# OLINDA/EXM 2 with photons, and skeletal electron fractions alone (Hough 2011, male) [mGy/(MBq s)]
@pytest.mark.parametrize(("sex", "with_photons"), [("male", 1.15e-5), ("female", 1.49e-5)])
def test_shipped_coefficients_of_marrow_to_itself(sex, with_photons):
    s = shipped_reference_table(sex, "Lu-177").entries["red marrow", "red marrow"]
    # two skeletal models of one skeleton: they were seen to agree within 3 %
    assert s.total_gy_per_bq_s * MGY == pytest.approx(with_photons, rel=0.03)
    if sex == "male":
        # 1.112e-5 from the tables of all sites; ours takes lumbar vertebrae at each site's cellularity (0.550 for 0.547)
        assert s.charged_gy_per_bq_s * MGY == pytest.approx(1.112e-5, rel=0.006)


def test_blood_kinetics_of_a_population_give_the_published_magnitude():
    # two compartments (Sood 2026: CL 4.95 L/h, Vc 21.59 L, Q 4.78 L/h, Vp 202.15 L) with decay, Laplace transform at
    # lambda: [(l + k21) / (l^2 + l (k10 + k12 + k21) + k10 k21)] / Vc = 0.1728 h/L
    decay = math.log(2) / 159.528
    k10, k12, k21 = 4.95 / 21.59, 4.78 / 21.59, 4.78 / 202.15
    blood_h_per_l = (decay + k21) / (decay**2 + decay * (k10 + k12 + k21) + k10 * k21) / 21.59
    assert blood_h_per_l == pytest.approx(0.1728, rel=5e-4)
    table = shipped_reference_table("male", "Lu-177")
    per_ml = decays(blood_h_per_l * 1e-3 * H * A0)
    # organs and body of a typical patient: 2.5, 6 and 2 h of 40 h
    organs = {n: decays(h * H * A0) for n, h in (("kidneys", 2.5), ("liver", 6.0), ("spleen", 2.0))}
    body = Body(organs=organs, whole_body=decays(40 * H * A0), mass_g=73e3)
    found = marrow_dose_from_blood(per_ml, ratio_of_dotatate_forrer2009(), table=table, body=body)
    # self by hand: 0.1728 h/L * 3600 s/h * 1.124e-5 mGy/(MBq s) * 1.17 kg (1 L as 1 kg) = 8.2e-3 Gy/GBq
    assert found.self_gy / 7.4 == pytest.approx(0.1728 * 3600 * 1.1245e-5 * 1.17, rel=0.005)
    # medians of 131 treatments by blood are 0.0153 (mono) to 0.0283 (tri-exponential) Gy/GBq: the same magnitude, a
    # factor of 2 allowed because kinetics, cross-dose and S coefficients are other patients' and programs'
    assert 0.0153 / 2 < found.mean_gy / 7.4 < 0.0283 * 2
    # photons from elsewhere are a considerable part (Forrer 2009)
    assert 0.2 < found.cross_gy / found.mean_gy < 0.6
