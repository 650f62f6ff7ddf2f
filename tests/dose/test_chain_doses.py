"""Doses of decay chains by member and radiation: closed forms, published spheres, and traps."""

import math
from dataclasses import dataclass, fields, replace

import pytest

from lutetia.dose.chains import (
    RADIATIONS,
    Body,
    ChainAbsorbedDose,
    Contribution,
    RadiationDose,
    chain_absorbed_doses,
    combined,
    contributions,
    rbe_weighted,
)
from lutetia.dose.chains.pools import pools
from lutetia.dose.organ_level.coefficients import shipped_reference_table
from lutetia.dose.organ_level.doses import organ_absorbed_doses
from lutetia.errors import InputError
from lutetia.kinetics.redistribution import (
    EQUILIBRIUM,
    Leaving,
    MemberActivities,
    Redistribution,
    icrp_redistribution,
    member_activities,
    published_releases,
)
from lutetia.physics.chains import chain

H, DAY = 3600.0, 86400.0
MEV_PER_G = 1.602176634e-10
INFINITE = math.inf


@dataclass(frozen=True)
class Curve:
    region: str
    exponentials: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Grams:
    value_g: float
    relative_u: float | None = 0.0


def curves(parent, *regions, activity_bq=1.0e6, biological_h=60.0):
    rate = chain(parent).members[0].decay_constant_per_s + math.log(2.0) / (biological_h * H)
    return tuple(Curve(region, ((activity_bq, rate),)) for region in regions)


def doses(parent, given, *, horizon_s=INFINITE, scenario=EQUILIBRIUM, u=0.04, **body):
    parts = contributions(
        chain(parent), given, horizon_s=horizon_s, scenario=scenario, relative_u={c.region: u for c in given}
    )
    return chain_absorbed_doses(parts, body=Body(sex="female", **body))


def by_hand(decays, *, parent="Bi-213", horizon_s=INFINITE):
    """Activities that nobody has fitted."""
    return MemberActivities(
        parent=parent, time_integrated_activity_bq_s=decays, horizon_s=horizon_s, assumption="by hand", sources=(),
        warnings=(), balance={}, activities_at=None,
    )  # fmt: skip


@pytest.mark.parametrize("nuclide", ["Lu-177", "Y-90"])
def test_a_beta_emitter_has_the_dose_that_organ_level_gives(nuclide):
    decays = {"kidneys": 2.0e14, "liver": 5.0e14, "red marrow": 1.0e13, "remainder": 3.0e15}
    masses = {"kidneys": 310.0, "liver": 1500.0, "red marrow": 800.0}
    expected = organ_absorbed_doses(
        time_integrated_activity_bq_s=decays, mass_g=masses, coefficients=shipped_reference_table("female", nuclide)
    )
    parts = [
        Contribution(origin=region, activities=by_hand({(region, nuclide): n}, parent=nuclide), relative_u=None)
        for region, n in decays.items()
    ]
    found, _ = chain_absorbed_doses(
        parts, body=Body(sex="female", masses={name: Grams(mass) for name, mass in masses.items()})
    )
    assert list(found) == ["kidneys", "liver", "red marrow"]
    for name, dose in found.items():
        # the same sum in another order: some units in the last place
        assert dose.total_gy == pytest.approx(expected[name].mean_gy, rel=1e-14)
        assert dose.by_radiation.high_let_gy == 0.0


def test_members_and_radiations_add_up_to_the_total():
    found, _ = doses(
        "Ac-225", curves("Ac-225", "kidneys", "lesion 1", "remainder"),
        scenario=icrp_redistribution(published_releases("Ac-225", "recoil")), lesions=frozenset({"lesion 1"}),
        masses={"lesion 1": Grams(5.0)},
    )  # fmt: skip
    for dose in found.values():
        parts = [part.of(kind) for part in dose.by_member.values() for kind in RADIATIONS]
        assert min(parts) >= 0.0
        assert math.fsum(parts) == pytest.approx(dose.total_gy, rel=1e-12)
        assert dose.by_radiation.high_let_gy + dose.by_radiation.low_let_gy == pytest.approx(
            dose.total_gy, rel=1e-12
        )


# equilibrium energies per decay of the parent, spec/physics.md 1.3 (ICRP 107) [MeV]
EQUILIBRIUM_MEV = {
    "Ac-225": (27.481, 0.513, 0.690), "Bi-213": (8.324, 0.159, 0.656), "Pb-212": (7.802, 0.150, 0.901),
    "Ra-223": (26.377, 0.496, 1.043), "Th-227": (32.259, 0.602, 1.119),
}  # fmt: skip


@pytest.mark.parametrize("parent", list(EQUILIBRIUM_MEV))
def test_one_compartment_in_equilibrium_has_the_energy_of_the_chain_over_its_mass(parent):
    given = curves(parent, "liver")
    amplitude, rate = given[0].exponentials[0]
    found, _ = doses(parent, given, masses={"liver": Grams(1700.0)})
    per_mev = amplitude / rate * MEV_PER_G / 1700.0
    parts = found["liver"].by_radiation
    alpha, recoil, electron = EQUILIBRIUM_MEV[parent]
    assert parts.alpha_gy == pytest.approx(alpha * per_mev, rel=1e-3)
    assert parts.recoil_gy == pytest.approx(recoil * per_mev, rel=5e-3)  # printed with three digits
    # a few per cent of the betas' energy leave a liver; soft photons come on top
    assert 0.95 < parts.electron_gy / (electron * per_mev) < 1.01
    assert found["liver"].assumption == EQUILIBRIUM.name


def test_211at_needs_a_horizon_and_has_one():
    given = curves("At-211", "liver")
    with pytest.raises(InputError, match="Bi-207"):
        doses("At-211", given)
    found, _ = doses("At-211", given, horizon_s=30 * DAY, masses={"liver": Grams(1700.0)})
    assert found["liver"].horizon_s == 30 * DAY
    amplitude, rate = given[0].exponentials[0]
    # 6.784 MeV of alphas without 207Bi (spec/physics.md 1.3), of which 30 d of 32.9 y bring next to nothing
    assert found["liver"].by_radiation.alpha_gy == pytest.approx(
        6.784 * amplitude / rate * MEV_PER_G / 1700.0, rel=1e-3
    )
    assert found["liver"].by_member["Bi-207"].total_gy < 1e-3 * found["liver"].total_gy


# Olguin et al. 2020, doi:10.1088/1361-6560/abbc7e, 225Ac alone, alpha and recoil [g], [Gy/(Bq s)] (spec/physics.md 4.2)
OLGUIN_AC225 = [(0.11649, 8.10e-9), (2.209, 4.28e-10), (34.5156, 2.74e-11), (539.307, 1.76e-12)]


@pytest.mark.parametrize(("mass_g", "s"), OLGUIN_AC225)
def test_spheres_of_225ac(mass_g, s):
    given = curves("Ac-225", "lesion 1")
    amplitude, rate = given[0].exponentials[0]
    found, _ = doses("Ac-225", given, lesions=frozenset({"lesion 1"}), masses={"lesion 1": Grams(mass_g)})
    own = found["lesion 1"].by_member["Ac-225"]
    assert own.high_let_gy / (amplitude / rate) == pytest.approx(s, rel=0.015)


def test_alphas_escape_from_small_lesions():
    shares = {}
    for mass_g in (1.0, 1e-3, 1e-5):
        given = curves("Ac-225", "lesion 1")
        amplitude, rate = given[0].exponentials[0]
        found, _ = doses("Ac-225", given, lesions=frozenset({"lesion 1"}), masses={"lesion 1": Grams(mass_g)})
        emitted = 27.481 * amplitude / rate * MEV_PER_G / mass_g
        shares[mass_g] = found["lesion 1"].by_radiation.alpha_gy / emitted
    # of what is deposited at a distance d from its source 3 d / 4 r leaves a sphere of radius r (far above d); the mean
    # of d is 0.5 to 0.6 of the ranges, 41 to 85 um, for the energy is lost evenly or, rather, towards the end
    for mass_g, share in shares.items():
        radius_um = 1e4 * (3 * mass_g / (4 * math.pi * 1.04)) ** (1 / 3)
        assert 0.75 * 0.5 * 41 / radius_um < 1 - share < 0.75 * 0.6 * 85 / radius_um
    assert 1 - shares[1e-3] > 0.03


def test_members_compare_as_in_a_published_table():
    # 225Ac antibody in liver, mGy/MBq at RBE 1: Ac 15.3, Fr 16.6, At 18.6 (EJNMMI Phys 8:65, table 5); a digit is 0.6 %
    found, _ = doses("Ac-225", curves("Ac-225", "liver"))
    own = {name: dose.total_gy for name, dose in found["liver"].by_member.items()}
    assert own["Fr-221"] / own["Ac-225"] == pytest.approx(16.6 / 15.3, rel=0.01)
    assert own["At-217"] / own["Ac-225"] == pytest.approx(18.6 / 15.3, rel=0.01)


def test_dose_goes_with_activity_and_against_mass():
    one, _ = doses("Pb-212", curves("Pb-212", "kidneys"), masses={"kidneys": Grams(300.0)})
    two, _ = doses("Pb-212", curves("Pb-212", "kidneys", activity_bq=2.0e6), masses={"kidneys": Grams(300.0)})
    heavy, _ = doses("Pb-212", curves("Pb-212", "kidneys"), masses={"kidneys": Grams(600.0)})
    assert two["kidneys"].total_gy == pytest.approx(2 * one["kidneys"].total_gy, rel=1e-12)
    a, b = one["kidneys"].by_radiation, heavy["kidneys"].by_radiation
    assert b.alpha_gy == pytest.approx(a.alpha_gy / 2, rel=1e-12)
    assert b.photon_gy == pytest.approx(a.photon_gy / 2 ** (2 / 3), rel=1e-12)  # Snyder 1970
    assert one["kidneys"].times(3.0).total_gy == pytest.approx(3 * one["kidneys"].total_gy, rel=1e-12)


def test_members_of_one_parent_are_uncertain_together():
    given = curves("Ac-225", "lesion 1")
    body = {"lesions": frozenset({"lesion 1"}), "masses": {"lesion 1": Grams(20.0, 0.03)}}
    found, _ = doses("Ac-225", given, u=0.04, **body)
    dose = found["lesion 1"]
    # seven members with 4 % each would have less together if they were independent
    assert dose.standard_uncertainty_gy == pytest.approx(dose.total_gy * math.hypot(0.04, 0.03), rel=1e-12)


def test_curves_are_independent_and_what_they_share_is_not():
    given = curves("Lu-177", "kidneys", "liver")
    parts = contributions(chain("Lu-177"), given, horizon_s=INFINITE, relative_u={"kidneys": 0.05, "liver": 0.08})
    masses = {"kidneys": Grams(275.0), "liver": Grams(1400.0)}
    alone = {
        part.origin: chain_absorbed_doses(
            [part], body=Body(sex="female", masses=masses), targets=("kidneys", "liver")
        )[0]["liver"].total_gy
        for part in parts
    }
    found, _ = chain_absorbed_doses(parts, body=Body(sex="female", masses=masses), shared_relative_u=0.02)
    dose = found["liver"]
    assert sum(alone.values()) == pytest.approx(dose.total_gy, rel=1e-12)
    expected = math.hypot(0.05 * alone["kidneys"], 0.08 * alone["liver"], 0.02 * dose.total_gy)
    assert dose.standard_uncertainty_gy == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("u", "mass"), [(None, Grams(300.0)), (0.05, Grams(300.0, None))])
def test_an_unknown_uncertainty_stays_unknown(u, mass):
    found, _ = doses("Ac-225", curves("Ac-225", "kidneys"), u=u, masses={"kidneys": mass})
    assert found["kidneys"].standard_uncertainty_gy is None


def test_parts_by_curve_are_the_whole():
    given = curves("Ac-225", "kidneys", "lesion 1", "remainder")
    scenario = icrp_redistribution(published_releases("Ac-225", "recoil"))
    whole = member_activities(chain("Ac-225"), given, horizon_s=100 * DAY, scenario=scenario)
    parts = contributions(chain("Ac-225"), given, horizon_s=100 * DAY, scenario=scenario)
    for key, decays in whole.time_integrated_activity_bq_s.items():
        together = sum(part.activities.time_integrated_activity_bq_s.get(key, 0.0) for part in parts)
        assert together == pytest.approx(decays, rel=1e-9)


def test_daughters_that_leave_are_missed_where_they_were_born_and_found_elsewhere():
    given = curves("Ac-225", "lesion 1", "remainder")
    body = {"lesions": frozenset({"lesion 1"}), "masses": {"lesion 1": Grams(20.0), "kidneys": Grams(275.0)}}
    free = icrp_redistribution(published_releases("Ac-225", "recoil"))
    parts = contributions(chain("Ac-225"), given, horizon_s=INFINITE, scenario=free)
    found, told = chain_absorbed_doses(parts, body=Body(sex="female", **body), targets=("kidneys", "red marrow"))
    stay, _ = doses("Ac-225", given, **body)
    assert set(found["lesion 1"].by_member) == {"Ac-225"}
    assert found["lesion 1"].total_gy == pytest.approx(stay["lesion 1"].by_member["Ac-225"].total_gy, rel=1e-12)
    decays = {
        key: sum(part.activities.time_integrated_activity_bq_s.get(key, 0.0) for part in parts)
        for key in [("kidneys", "Po-213"), ("blood", "Po-213")]
    }
    # 8.376 MeV of alphas of 213Po (ICRP 107); 2 % of blood is in kidneys (ICRP 89)
    expected = (decays["kidneys", "Po-213"] + 0.02 * decays["blood", "Po-213"]) * 8.376 * MEV_PER_G / 275.0
    assert found["kidneys"].by_member["Po-213"].alpha_gy == pytest.approx(expected, rel=1e-3)
    assert found["red marrow"].by_radiation.alpha_gy > 0.0
    assert any("Decays in blood count in red marrow (0.04)" in warning for warning in told)
    assert any("no curve of its own" in warning for warning in found["kidneys"].warnings)
    assert found["kidneys"].assumption == free.name
    assert found["kidneys"].sources == free.sources


def test_pools_count_every_decay_once():
    for name, pool in pools().items():
        assert sum(share for _, share in pool.shares) == pytest.approx(1.0, abs=1e-12), name


def test_what_is_excreted_irradiates_nobody():
    parts = [Contribution(origin="liver", activities=by_hand({("excreted", "Bi-213"): 1e15}), relative_u=0.0)]
    found, _ = chain_absorbed_doses(parts, body=Body(sex="male", masses={"liver": Grams(1800.0)}))
    assert found["liver"].total_gy == 0.0


def test_free_daughters_go_to_both_kidneys_where_each_has_a_curve():
    decays = {("kidneys", "Bi-213"): 3.0e12}
    parts = [
        Contribution(origin=side, activities=by_hand(decays if side == "kidney left" else {}), relative_u=0.0)
        for side in ("kidney left", "kidney right")
    ]
    masses = {"kidney left": Grams(160.0), "kidney right": Grams(140.0)}
    found, _ = chain_absorbed_doses(parts, body=Body(sex="male", masses=masses))
    left, right = (found[side].by_radiation.alpha_gy for side in masses)
    assert left == pytest.approx(right, rel=1e-5)  # fractions of the table have six digits


@pytest.mark.parametrize("sides", [("kidney left", "kidney right"), ("kidney left",)])
def test_free_daughters_reach_small_kidneys_by_their_own_mass_whatever_is_asked_for(sides):
    decays = {("kidneys", "Po-213"): 3.0e12}
    parts = [
        Contribution(origin=side, activities=by_hand(decays if side == "kidney left" else {}), relative_u=0.0)
        for side in sides
    ]
    small = dict.fromkeys(sides, Grams(75.0))
    asked = (*sides, "kidneys", "red marrow")
    found, told = chain_absorbed_doses(parts, body=Body(sex="male", masses=small), targets=asked)
    assert set(found) == {*sides, "red marrow"}
    assert any(text.startswith("kidneys: no dose of both together") for text in told)
    # all alphas of 213Po (8.3765 MeV, ICRP 107) in both sides; the other one, where not drawn, has 157.0 g
    both_g = 150.0 if len(sides) == 2 else 75.0 + 157.0
    for side in sides:
        assert found[side].by_radiation.alpha_gy == pytest.approx(3.0e12 * 8.3765 * MEV_PER_G / both_g, rel=5e-4)


def test_both_kidneys_beside_one_of_them_count_twice():
    given = curves("Ac-225", "kidneys", "kidney left")
    with pytest.raises(InputError, match="kidneys holds its sides, which stand there too"):
        doses("Ac-225", given, horizon_s=100 * DAY)
    parts = contributions(chain("Ac-225"), given[:1], horizon_s=100 * DAY)
    with pytest.raises(InputError, match="kidneys holds its sides"):
        chain_absorbed_doses(parts, body=Body(sex="male"), targets=("kidney left",))


def test_a_dose_without_its_horizon_cannot_be_made():
    needed = {
        "target": "liver", "by_member": {"At-211": RadiationDose(alpha_gy=1.0)}, "mass_g": 1800.0, "horizon_s": DAY,
        "assumption": "by hand", "sources": (), "method": "by hand", "standard_uncertainty_gy": None, "warnings": (),
    }  # fmt: skip
    ChainAbsorbedDose(**needed)
    assert set(needed) == {field.name for field in fields(ChainAbsorbedDose)}
    for name in needed:
        with pytest.raises(TypeError, match=name):
            ChainAbsorbedDose(**{key: value for key, value in needed.items() if key != name})
    with pytest.raises(InputError, match="horizon_s of 0"):
        ChainAbsorbedDose(**{**needed, "horizon_s": 0.0})
    with pytest.raises(InputError, match="assumption"):
        ChainAbsorbedDose(**{**needed, "assumption": " "})
    with pytest.raises(InputError, match="mass"):
        ChainAbsorbedDose(**{**needed, "mass_g": 0.0})


def test_a_daughter_counted_twice_is_refused():
    # 213Bi through 225Ac in equilibrium, and as imaged by its own line
    through = contributions(chain("Ac-225"), curves("Ac-225", "kidneys"), horizon_s=100 * DAY)
    imaged = contributions(chain("Bi-213"), curves("Bi-213", "kidneys"), horizon_s=100 * DAY)
    with pytest.raises(InputError, match="Bi-213 in kidneys is counted twice"):
        chain_absorbed_doses([*through, *imaged], body=Body(sex="male"))
    first, second = (
        chain_absorbed_doses(parts, body=Body(sex="male"))[0]["kidneys"] for parts in (through, imaged)
    )
    with pytest.raises(InputError, match="Bi-213 in kidneys is counted twice"):
        combined([first, second])
    with pytest.raises(InputError, match="two curves of Ac-225"):
        chain_absorbed_doses([*through, *through], body=Body(sex="male"))


def test_doses_of_chains_that_were_measured_apart_add_up():
    parts = {
        name: chain_absorbed_doses(
            contributions(chain(name), curves(name, "kidneys"), horizon_s=100 * DAY, relative_u={"kidneys": u}),
            body=Body(sex="male", masses={"kidneys": Grams(310.0)}),
        )[0]["kidneys"]
        for name, u in (("Lu-177", 0.05), ("Pb-212", 0.1))
    }
    both = combined(list(parts.values()))
    assert both.total_gy == pytest.approx(sum(part.total_gy for part in parts.values()), rel=1e-12)
    assert both.standard_uncertainty_gy == pytest.approx(
        math.hypot(*(part.standard_uncertainty_gy for part in parts.values())), rel=1e-12
    )
    assert combined([replace(parts["Lu-177"], standard_uncertainty_gy=None)]).standard_uncertainty_gy is None
    with pytest.raises(InputError, match="differ in mass_g"):
        combined([parts["Lu-177"], replace(parts["Pb-212"], mass_g=300.0)])
    with pytest.raises(InputError, match="No doses"):
        combined([])


def test_weighted_beside_absorbed_and_only_once():
    found, _ = doses("Pb-212", curves("Pb-212", "kidneys"), masses={"kidneys": Grams(310.0)})
    dose = found["kidneys"]
    parts = dose.by_radiation
    weighted = rbe_weighted(dose)
    assert (weighted.rbe, weighted.endpoint, weighted.verified) == (5.0, "deterministic effects", False)
    assert "Sgouros" in weighted.source
    assert weighted.absorbed is dose
    expected = 5 * (parts.alpha_gy + parts.recoil_gy) + parts.electron_gy + parts.photon_gy
    assert weighted.weighted_gy == pytest.approx(expected, rel=1e-12)
    assert rbe_weighted(dose, rbe=1.0, endpoint="none").weighted_gy == pytest.approx(dose.total_gy, rel=1e-12)
    assert rbe_weighted(dose, rbe=3.0, endpoint="renal function").source == "given by the user"
    with pytest.raises(InputError, match=r"holds a factor of 5; it cannot be weighted again"):
        rbe_weighted(weighted)


def test_a_table_value_that_holds_an_rbe_is_not_weighted_again():
    from lutetia.therapy.agents.doses import Absorbed, coefficient_of

    with pytest.raises(InputError, match=r"Weighted holds a factor of 5; it cannot be weighted again"):
        rbe_weighted(coefficient_of(8.1, 5.0))
    with pytest.raises(InputError, match="Absorbed is no absorbed dose of a chain"):
        rbe_weighted(Absorbed(gy_per_mbq=1.0))


@pytest.mark.parametrize(
    ("given", "message"),
    [({"rbe": 0.5}, "RBE of 0.5"), ({"rbe": math.nan}, "RBE of nan"), ({"endpoint": " "}, "endpoint")],
)
def test_an_rbe_that_says_nothing_is_refused(given, message):
    found, _ = doses("Pb-212", curves("Pb-212", "kidneys"))
    with pytest.raises(InputError, match=message):
        rbe_weighted(found["kidneys"], **given)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="both the kidneys"):
        doses("Lu-177", curves("Lu-177", "kidney", "kidneys"))
    parts = contributions(chain("Lu-177"), curves("Lu-177", "liver"), horizon_s=INFINITE)
    with pytest.raises(InputError, match="no target of the ICRP 110"):
        chain_absorbed_doses(parts, body=Body(sex="male"), targets=("third kidney",))
    negative = Contribution(origin="liver", activities=by_hand({("liver", "Lu-177"): -1.0}), relative_u=None)
    with pytest.raises(InputError, match="expected a number of 0 or more"):
        chain_absorbed_doses([negative], body=Body(sex="male"))
    with pytest.raises(InputError, match="No decays"):
        chain_absorbed_doses([], body=Body(sex="male"))
    other = contributions(chain("Pb-212"), curves("Pb-212", "spleen"), horizon_s=DAY)
    with pytest.raises(InputError, match="horizon of 86400 s"):
        chain_absorbed_doses([*parts, *other], body=Body(sex="male"))


def test_regions_without_a_dose_are_told():
    given = curves("Ac-225", "lesion 1", "liver", "blood")
    found, told = doses("Ac-225", given, lesions=frozenset({"lesion 1"}))
    assert list(found) == ["liver"]
    text = " ".join(told)
    assert "lesion 1: no mass was given" in text
    assert "it counts twice" in text
    assert "reference person (1400 g)" in found["liver"].warnings[0]


def test_daughters_of_a_scenario_stay_where_no_fraction_leaves():
    given = curves("Pb-212", "liver")
    nothing = Redistribution(name="nothing leaves", leaving=(Leaving(member="Bi-212", region="liver", fraction=0.0,
                             target="liver"),))  # fmt: skip
    stay, _ = doses("Pb-212", given)
    same, _ = doses("Pb-212", given, scenario=nothing)
    assert same["liver"].total_gy == pytest.approx(stay["liver"].total_gy, rel=1e-12)
