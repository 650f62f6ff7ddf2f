"""Decay chains: members, energies, decays until a horizon, activities."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutetia.errors import ConvergenceError, InputError
from lutetia.physics.chains import OwnHalfLife, chain, chain_activities, chain_decays
from lutetia.physics.chains.bateman import bateman
from lutetia.physics.nuclides import decays_of_chain, is_stable, nuclide

DAY_S, HOUR_S, YEAR_S = 86400.0, 3600.0, 365.2422 * 86400.0
THERAPEUTIC = ("Ac-225", "Bi-213", "Pb-212", "At-211", "Ra-223", "Th-227")


def radioactivedecay():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import radioactivedecay as library
    return library


@pytest.mark.parametrize(
    ("parent", "members", "stable"),  # ICRP 107
    [
        ("225Ac", ["Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213", "Tl-209", "Pb-209"], ["Bi-209"]),
        ("Bi-213", ["Bi-213", "Po-213", "Tl-209", "Pb-209"], ["Bi-209"]),
        ("Pb-212", ["Pb-212", "Bi-212", "Po-212", "Tl-208"], ["Pb-208"]),
        ("At-211", ["At-211", "Po-211", "Bi-207"], ["Pb-207"]),
        ("Ra-223", ["Ra-223", "Rn-219", "Po-215", "Pb-211", "Bi-211", "Tl-207", "Po-211"], ["Pb-207"]),
        ("Th-227", ["Th-227", "Ra-223", "Rn-219", "Po-215", "Pb-211", "Bi-211", "Tl-207", "Po-211"], ["Pb-207"]),
        ("Lu-177", ["Lu-177"], ["Hf-177"]),
    ],
)
def test_members_and_ends(parent, members, stable):
    found = chain(parent)
    assert [member.name for member in found.members] == members
    assert list(found.stable) == stable


@pytest.mark.parametrize("parent", [*THERAPEUTIC, "Ra-226", "Tb-149", "U-238"])
def test_every_member_stands_after_its_mothers(parent):
    found = chain(parent)
    place = {member.name: i for i, member in enumerate(found.members)}
    assert place[found.parent] == 0
    inside = [branch for branch in found.branches if branch.daughter in place]
    assert all(place[branch.mother] < place[branch.daughter] for branch in inside)


def test_a_member_reached_on_two_paths_is_counted_once():
    found = chain("Ac-225")
    # closed form: 209Pb by 213Po (0.9791) and by 209Tl (0.0209), of the 0.99988 of 217At that go to 213Bi
    assert found.member("Pb-209").per_parent_decay == pytest.approx(0.99988 * (0.9791 + 0.0209), rel=1e-12)
    assert [member.name for member in found.members].count("Pb-209") == 1
    decays = chain_decays(found, horizon_s=math.inf, atoms=1.0).decays
    assert decays["Pb-209"] == pytest.approx(0.99988, rel=1e-12)


def test_the_branch_that_the_data_leave_out_is_told():
    (told,) = chain("Ac-225").warnings
    assert "At-217: 0.012 %" in told
    assert chain("Ac-225").unfollowed_fraction("At-217") == pytest.approx(1.2e-4, rel=1e-9)
    assert not chain("Pb-212").warnings
    assert chain("Ra-226").unfollowed_fraction("Bi-210") == pytest.approx(
        -1.32e-6, rel=1e-6
    )  # ICRP 107: 1 and 1.32e-6


@pytest.mark.parametrize(
    (
        "parent",
        "alpha",
        "recoil",
        "electron",
    ),  # MeV per decay of the parent in equilibrium, from the ICRP 107 package
    [
        ("Ac-225", 27.481, 0.513, 0.690),
        ("Pb-212", 7.802, 0.150, 0.901),
        ("At-211", 6.784, 0.131, 0.006),  # without 207Bi
        ("Bi-213", 8.324, 0.159, 0.656),
        ("Ra-223", 26.377, 0.496, 1.043),
    ],
)
def test_energy_in_equilibrium(parent, alpha, recoil, electron):
    energy = chain(parent).equilibrium_energy_mev
    # 0.1 %, and half of the last digit given
    assert energy.alpha == pytest.approx(alpha, rel=1e-3, abs=5e-4)
    assert energy.recoil == pytest.approx(recoil, rel=1e-3, abs=5e-4)
    assert energy.electron == pytest.approx(electron, rel=1e-3, abs=5e-4)


def test_energies_are_those_of_the_nuclide():
    member, energy = chain("Ac-225").member("Bi-213"), nuclide("Bi-213").energy_per_decay_mev
    assert (member.alpha_mev, member.recoil_mev) == (energy.alpha, energy.recoil)
    assert (member.electron_mev, member.photon_mev) == (energy.electron, energy.photon)


def test_complete_decay_emits_the_energy_in_equilibrium():
    found = chain("Ac-225")
    emitted = chain_decays(found, horizon_s=math.inf, atoms=2.0e9).emitted_energy_mev
    assert emitted.alpha == pytest.approx(2.0e9 * found.equilibrium_energy_mev.alpha, rel=1e-12)
    assert emitted.photon == pytest.approx(2.0e9 * found.equilibrium_energy_mev.photon, rel=1e-12)


def test_one_megabecquerel_decays_mean_life_times():
    decays = chain_decays(chain("Ac-225"), horizon_s=math.inf, activity_bq=1e6).decays
    assert decays["Ac-225"] == pytest.approx(1e6 * 10.0 * DAY_S / math.log(2.0), rel=1e-12)  # closed form
    assert decays["Ac-225"] == pytest.approx(1.24649e12, rel=1e-5)
    lead = chain_decays(chain("Pb-212"), horizon_s=math.inf, activity_bq=1e6).decays
    assert lead["Pb-212"] == pytest.approx(5.52610e10, rel=1e-5)
    assert lead["Tl-208"] == pytest.approx(1.98608e10, rel=1e-5)


def test_activities_against_the_high_precision_decays_of_radioactivedecay():
    # other code: radioactivedecay 0.6.1, InventoryHP (320 digits)
    times = [1e-3, 60.0, HOUR_S, 10.0 * DAY_S]
    ours = chain_activities(chain("Ac-225"), times, activity_bq=1e6)
    inventory = radioactivedecay().InventoryHP({"Ac-225": 1e6}, "Bq")
    for i, time_s in enumerate(times):
        theirs = inventory.decay(time_s, "s").activities("Bq")
        for name, activity in ours.items():
            assert activity[i] == pytest.approx(float(theirs[name]), rel=1e-9), (name, time_s)


@pytest.mark.parametrize("parent", [*THERAPEUTIC, "Tb-149"])
def test_activities_and_decays_against_radioactivedecay(parent):
    # other code: radioactivedecay 0.6.1 in double precision, after its cancellation at early times has passed
    times = [DAY_S, 10.0 * DAY_S, 40.0 * DAY_S]
    found = chain(parent)
    ours = chain_activities(found, times, activity_bq=1e6)
    inventory = radioactivedecay().Inventory({parent: 1e6}, "Bq")
    for i, time_s in enumerate(times):
        theirs = inventory.decay(time_s, "s").activities("Bq")
        assert {k: v[i] for k, v in ours.items()} == pytest.approx({k: theirs[k] for k in ours}, rel=1e-9)
    decays = inventory.cumulative_decays(10.0 * DAY_S, "s")
    counted = chain_decays(found, horizon_s=10.0 * DAY_S, activity_bq=1e6).decays
    assert counted == pytest.approx({k: decays[k] for k in counted}, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("parent", [*THERAPEUTIC, "Ra-226", "U-238"])
def test_every_chain_against_the_high_precision_decays(parent):
    times = [1e-3, 1.0, HOUR_S, 10.0 * DAY_S, 100.0 * DAY_S]
    ours = chain_activities(chain(parent), times, activity_bq=1e6)
    inventory = radioactivedecay().InventoryHP({parent: 1e6}, "Bq")
    for i, time_s in enumerate(times):
        theirs = inventory.decay(time_s, "s").activities("Bq")
        for name, activity in ours.items():
            assert activity[i] == pytest.approx(float(theirs[name]), rel=1e-9), (name, time_s)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["Ac-225", "Pb-212", "At-211", "Th-227", "Ra-226"]),
    st.floats(min_value=1e-3, max_value=1e10),
    st.floats(min_value=1.0, max_value=1e12),
)
def test_atoms_are_kept(parent, horizon_s, activity_bq):
    found = chain_decays(chain(parent), horizon_s=horizon_s, activity_bq=activity_bq)
    parts = [*found.atoms_left.values(), *found.stable_atoms.values(), found.unfollowed_atoms]
    # conservation; each part is right to a float's last digit
    assert math.fsum(parts) == pytest.approx(found.initial_atoms, rel=1e-14)


@settings(max_examples=20, deadline=None)
@given(st.floats(min_value=1e-3, max_value=1e9))
def test_the_parent_follows_the_exponential(horizon_s):
    constant = nuclide("Ac-225").decay_constant_per_s
    found = chain_decays(chain("Ac-225"), horizon_s=horizon_s, activity_bq=7.0)
    assert found.decays["Ac-225"] == pytest.approx(7.0 / constant * -math.expm1(-constant * horizon_s), rel=1e-13)
    assert all(decays <= found.decays["Ac-225"] for decays in found.decays.values())


def test_decays_are_the_integral_of_the_activity():
    found = chain("Pb-212")
    edges = np.linspace(0.0, 20.0 * HOUR_S, 2001)
    activity = chain_activities(found, edges, activity_bq=1e6)["Bi-212"]
    integral = np.trapezoid(activity, edges)
    # trapezium: h^2/12 times the change of slope, under 1e-5 of the integral
    assert chain_decays(found, horizon_s=edges[-1], activity_bq=1e6).decays["Bi-212"] == pytest.approx(
        integral, rel=1e-5
    )


def test_members_present_at_the_start_add_up():
    found, horizon_s = chain("Ac-225"), 3.0 * HOUR_S
    both = chain_decays(found, horizon_s=horizon_s, activity_bq={"Ac-225": 5.0, "Bi-213": 9.0}).decays
    parent = chain_decays(found, horizon_s=horizon_s, activity_bq=5.0).decays
    daughter = chain_decays(chain("Bi-213"), horizon_s=horizon_s, activity_bq=9.0).decays
    for name, decays in both.items():
        assert decays == pytest.approx(parent[name] + daughter.get(name, 0.0), rel=1e-13)


def test_start_and_complete_decay():
    found = chain("Ac-225")
    at_start = chain_activities(found, np.array([0.0]), activity_bq=3.0)
    assert at_start["Ac-225"][0] == pytest.approx(3.0, rel=1e-15)
    assert all(at_start[name][0] == 0.0 for name in at_start if name != "Ac-225")
    late = chain_decays(
        found, horizon_s=60.0 * 10.0 * DAY_S, activity_bq=3.0
    ).decays  # 60 half-lives: 1e-18 are left
    assert late == pytest.approx(chain_decays(found, horizon_s=math.inf, activity_bq=3.0).decays, rel=1e-14)


def test_no_activity_no_decays():
    found = chain_decays(chain("Lu-177"), horizon_s=1.0, activity_bq=0.0)
    assert found.decays == {"Lu-177": 0.0}
    with pytest.raises(InputError, match="nothing to count"):
        _ = found.per_parent_decay


def test_bismuth_207_is_not_integrated_to_infinity():
    found = chain("At-211")
    assert found.needs_horizon == ("Bi-207",)
    with pytest.raises(InputError, match=r"Decays of At-211 to infinity: Bi-207 \(32.9 y\).*finite horizon_s"):
        chain_decays(found, horizon_s=math.inf, activity_bq=1e6)
    assert [member.name for member in found.in_equilibrium] == ["At-211", "Po-211"]
    decays = chain_decays(found, horizon_s=30.0 * DAY_S, activity_bq=1e6).per_parent_decay
    # closed form: constant number of Bi-207 atoms 0.418, times decay constant, times 30 d less one mean life of At
    constant = nuclide("Bi-207").decay_constant_per_s
    mean_life_s = nuclide("At-211").half_life_s / math.log(2.0)
    # the number falls by 1 - exp(-30 d constant) = 0.17 % within the time
    assert decays["Bi-207"] == pytest.approx(0.418 * constant * (30.0 * DAY_S - mean_life_s), rel=2e-3)
    assert decays["Po-211"] == pytest.approx(0.582, rel=1e-6)


def test_what_lies_below_a_long_lived_daughter_is_in_no_equilibrium():
    names = [member.name for member in chain("Ra-226").in_equilibrium]
    assert "Po-214" in names
    assert not {"Pb-210", "Bi-210", "Po-210", "Hg-206", "Tl-206"} & set(names)


def test_the_short_way():
    assert decays_of_chain("Pb-212", math.inf) == pytest.approx(
        {member.name: member.per_parent_decay for member in chain("Pb-212").members}, rel=1e-15
    )
    assert decays_of_chain("Ac-225", DAY_S, activity_bq=5.0) == chain_decays(
        chain("Ac-225"), horizon_s=DAY_S, activity_bq=5.0
    ).decays  # fmt: skip
    assert decays_of_chain("Lu-177", 1.0, activity_bq=0.0) == {"Lu-177": 0.0}
    with pytest.raises(InputError, match="Bi-207"):
        decays_of_chain("At-211", math.inf)


def test_bismuth_209_counts_as_stable():
    assert is_stable("Bi-209")
    assert not is_stable("Bi-207")


def test_a_daughter_that_outlives_its_parent_is_told():
    assert any("Bi-207 (32.9 y) outlives At-211 (7.214 h)" in told for told in chain("At-211").warnings)


def test_newer_half_lives_and_ones_own():
    newer = chain("Ac-225", "newer")
    assert newer.member("Ac-225").half_life_s == pytest.approx(9.920 * DAY_S, rel=1e-12)  # Pomme 2012
    assert not newer.member("Ac-225").half_life_verified
    assert any("not checked" in told for told in newer.warnings)
    assert newer.member("Bi-213").half_life_s == pytest.approx(45.62 * 60.0, rel=1e-12)  # Suliman 2013
    own = chain("Ac-225", half_lives={"213Bi": OwnHalfLife(half_life_s=2740.0, source="this laboratory")})
    assert own.member("Bi-213").half_life_s == 2740.0
    assert own.member("Bi-213").half_life_source == "this laboratory"
    assert chain("Ac-225").member("Bi-213").half_life_s == pytest.approx(45.59 * 60.0, rel=1e-12)  # ICRP 107


def test_two_equal_half_lives():
    # closed form: N2 = lambda t exp(-lambda t)
    (found,) = bateman([10.0, 10.0], [[], [(0, 1.0)]], [1.0, 0.0], [7.0])
    x = 7.0 * math.log(2.0) / 10.0
    assert found.atoms[1] == pytest.approx(x * math.exp(-x), rel=1e-14)
    assert found.decays[1] == pytest.approx(1.0 - math.exp(-x) * (1.0 + x), rel=1e-14)


def test_early_daughters_are_right():
    # closed form: the first term of the series, lambda_1 lambda_2 lambda_3 t^3 / 3!, the next one smaller by lambda t
    names, time_s = ("Ac-225", "Fr-221", "At-217", "Bi-213"), 1e-9
    constants = [nuclide(name).decay_constant_per_s for name in names[:-1]]
    found = chain_activities(chain("Ac-225"), np.array([time_s]), atoms=1.0)["Bi-213"][0]
    first = 0.99988 * math.prod(constants) * time_s**3 / 6.0 * nuclide("Bi-213").decay_constant_per_s
    assert found == pytest.approx(first, rel=1e-7)


def test_a_time_that_is_nothing_is_refused():
    # the 20th member after 1e-300 half-lives is of the order of 1e-5700
    inflow = [[], *([(m, 1.0)] for m in range(19))]
    with pytest.raises(ConvergenceError, match="4000 digits"):
        bateman([1.0 + m for m in range(20)], inflow, [1.0] + [0.0] * 19, [1e-300])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon_s": 0.0, "activity_bq": 1.0}, "horizon_s of 0.0; expected a time after 0"),
        ({"horizon_s": math.nan, "activity_bq": 1.0}, "horizon_s of nan"),
        ({"horizon_s": 1.0}, "either activity_bq or atoms"),
        ({"horizon_s": 1.0, "activity_bq": 1.0, "atoms": 1.0}, "either activity_bq or atoms"),
        ({"horizon_s": 1.0, "activity_bq": -1.0}, "Ac-225: activity_bq of -1.0"),
        ({"horizon_s": 1.0, "atoms": {"Bi-213": math.inf}}, "Bi-213: atoms of inf"),
        (
            {"horizon_s": 1.0, "activity_bq": {"Bi-212": 1.0}},
            "Bi-212 is no member of the chain of Ac-225: Ac-225, Fr",
        ),
    ],
)
def test_decays_refuse(arguments, message):
    with pytest.raises(InputError, match=message):
        chain_decays(chain("Ac-225"), **arguments)


def test_a_result_without_horizon_cannot_be_made():
    with pytest.raises(TypeError, match="horizon_s"):
        chain_decays(chain("Ac-225"), activity_bq=1.0)  # type: ignore[call-arg]


def test_refusals_of_the_chain():
    with pytest.raises(InputError, match="'Xx-12'"):
        chain("Xx-12")
    with pytest.raises(InputError, match="no member of the chain of Pb-212"):
        chain("Pb-212", half_lives={"Bi-213": OwnHalfLife(half_life_s=1.0, source="x")})
    with pytest.raises(InputError, match="needs its source"):
        OwnHalfLife(half_life_s=1.0, source=" ")
    with pytest.raises(InputError, match="positive, finite"):
        OwnHalfLife(half_life_s=0.0, source="x")
    with pytest.raises(InputError, match="finite times from 0"):
        chain_activities(chain("Pb-212"), np.array([-1.0]), activity_bq=1.0)
