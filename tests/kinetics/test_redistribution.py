"""Daughters that leave: chain and compartments as one linear system."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from lutetia.errors import InputError, MissingDataError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.redistribution import (
    ALL_REGIONS,
    EQUILIBRIUM,
    Compartment,
    Leaving,
    MemberActivities,
    Redistribution,
    Transfer,
    icrp_redistribution,
    joined,
    member_activities,
    published_releases,
)
from lutetia.kinetics.redistribution.exponential import propagated
from lutetia.physics.chains import chain, chain_activities, chain_decays

H, DAY = 3600.0, 86400.0
LN2 = math.log(2.0)


@dataclass(frozen=True)
class Curve:
    """A parent's curve as a fit has it."""

    region: str
    exponentials: tuple[tuple[float, float], ...]


def effective(parent, biological_half_life_s):
    return chain(parent).members[0].decay_constant_per_s + LN2 / biological_half_life_s


def curves(parent):
    """Kidneys that lose, a tumour that takes up and loses, blood in two phases."""
    return (
        Curve("kidneys", ((1.0e5, effective(parent, 2 * DAY)),)),
        Curve("tumour", ((2.0e5, effective(parent, 6 * DAY)), (-2.0e5, effective(parent, 1 * H)))),
        Curve("blood", ((3.0e5, effective(parent, 2 * H)), (0.5e5, effective(parent, 20 * H)))),
    )


def scenario(member, fraction, element):
    """A small one: what comes free goes through plasma to kidneys, tissue and urine."""
    return Redistribution(
        name="small",
        leaving=(
            Leaving(member=member, region=ALL_REGIONS, fraction=fraction),
            Leaving(member=member, region="tumour", fraction=0.1 * fraction),
        ),
        compartments=(
            Compartment(name="plasma", region="blood"),
            Compartment(name="kidney cells", region="kidneys"),
            Compartment(name="tissue", region="remainder"),
            Compartment(name="urine", region="excreted", excreted=True),
        ),
        transfers=(
            Transfer(element=element, source="plasma", target="kidney cells", rate_per_s=3.0e-4),
            Transfer(element=element, source="plasma", target="tissue", rate_per_s=1.0e-3),
            Transfer(element=element, source="tissue", target="plasma", rate_per_s=5.0e-4),
            Transfer(element=element, source="kidney cells", target="urine", rate_per_s=4.0e-5),
            Transfer(element=element, source="tumour", target="plasma", rate_per_s=1.0e-5),
        ),
    )


def by_ode_solver(parent, member, fraction, element, horizon_s):
    """The same system written out compartment by compartment, with an implicit Runge-Kutta method.

    Returns decays by region and member. Independent of the code under test but for chain data and curves.
    """
    found = chain(parent)
    names = [m.name for m in found.members[1:]]
    constants = {m.name: m.decay_constant_per_s for m in found.members}
    places = ("kidneys", "tumour", "blood", "plasma", "kidney cells", "tissue", "urine")
    region = {"plasma": "blood", "kidney cells": "kidneys", "tissue": "remainder", "urine": "excreted"}
    leaves = {"kidneys": fraction, "tumour": 0.1 * fraction, "blood": fraction}
    moves = (
        ("plasma", "kidney cells", 3.0e-4),
        ("plasma", "tissue", 1.0e-3),
        ("tissue", "plasma", 5.0e-4),
        ("kidney cells", "urine", 4.0e-5),
        ("tumour", "plasma", 1.0e-5),
    )
    measured = {curve.region: curve.exponentials for curve in curves(parent)}
    at = {(p, n): i for i, (p, n) in enumerate((p, n) for n in names for p in places)}
    size = len(at)

    def slopes(time_s, state):
        change = np.zeros(2 * size)
        for place in places:
            rate = {n: constants[n] * state[at[place, n]] for n in names}
            terms = measured.get(place, ())
            rate[parent] = sum(a * math.exp(-k * time_s) for a, k in terms)
            for name in names:
                born = sum(b.fraction * rate[b.mother] for b in found.branches if b.daughter == name)
                gone = born * leaves.get(place, 0.0) if name == member else 0.0
                change[at[place, name]] += born - gone - rate[name]
                change[at["plasma", name]] += gone
                change[size + at[place, name]] = rate[name]
                for source, target, k in moves:
                    if source == place and name.startswith(element + "-"):
                        flow = k * state[at[place, name]]
                        change[at[place, name]] -= flow
                        change[at[target, name]] += flow
        return change

    # linear: one Jacobian for all times
    columns = np.eye(2 * size)
    rest = slopes(0.0, np.zeros(2 * size))
    jacobian = np.array([slopes(0.0, column) - rest for column in columns]).T
    solved = solve_ivp(
        slopes, (0.0, horizon_s), np.zeros(2 * size), method="Radau", rtol=1e-8, atol=1e-4, jac=jacobian
    )
    assert solved.success
    decays: dict[tuple[str, str], float] = {}
    for (place, name), i in at.items():
        key = (region.get(place, place), name)
        decays[key] = decays.get(key, 0.0) + solved.y[size + i, -1]
    return decays


@pytest.mark.parametrize(
    ("parent", "member", "fraction", "element"),
    [("Pb-212", "Bi-212", 0.36, "Bi"), ("Ac-225", "Bi-213", 0.8, "Bi"), ("At-211", "Po-211", 0.5, "Po")],
)
def test_decays_against_an_ode_solver(parent, member, fraction, element):
    horizon_s = 3.0 * DAY
    ours = member_activities(
        chain(parent), curves(parent), horizon_s=horizon_s, scenario=scenario(member, fraction, element)
    ).time_integrated_activity_bq_s
    theirs = by_ode_solver(parent, member, fraction, element, horizon_s)
    largest = max(theirs.values())
    for key, decays in theirs.items():
        # Radau at 1e-8 of each step and 1e-4 atoms
        assert ours.get(key, 0.0) == pytest.approx(decays, rel=1e-6, abs=1e-9 * largest), key


def test_equilibrium_is_the_default_and_says_so():
    found = chain("Ac-225")
    result = member_activities(found, curves("Ac-225"), horizon_s=math.inf)
    assert result.assumption == "equilibrium: every daughter decays where its parent did" == EQUILIBRIUM.name
    assert result.horizon_s == math.inf
    for curve in curves("Ac-225"):
        parent = sum(a / k for a, k in curve.exponentials)
        assert result.time_integrated_activity_bq_s[curve.region, "Ac-225"] == pytest.approx(parent, rel=1e-14)
        for member in found.members:
            # closed form: with nothing leaving, members decay per decay of the parent as in the chain
            assert result.time_integrated_activity_bq_s[curve.region, member.name] == pytest.approx(
                parent * member.per_parent_decay, rel=1e-13
            )


@pytest.mark.parametrize("horizon_s", [1.0, H, 5 * DAY, 100 * DAY])
def test_nothing_that_leaves_is_the_chain_of_decays(horizon_s):
    # a curve that only decays: Bateman's solution
    found = chain("Ac-225")
    curve = Curve("vial", ((4.0e5, found.members[0].decay_constant_per_s),))
    result = member_activities(found, [curve], horizon_s=horizon_s)
    expected = chain_decays(found, horizon_s=horizon_s, activity_bq=4.0e5).decays
    for name, decays in expected.items():
        assert result.time_integrated_activity_bq_s["vial", name] == pytest.approx(decays, rel=1e-12), name


def test_activities_at_times_are_those_of_the_chain():
    found = chain("Pb-212")
    curve = Curve("vial", ((4.0e5, found.members[0].decay_constant_per_s),))
    result = member_activities(found, [curve], horizon_s=DAY)
    # up to 200 half-lives of 212Pb: every digit lost to cancellation would show
    times = np.array([60.0, H, DAY, 10 * DAY, 88 * DAY])
    expected = chain_activities(found, times, activity_bq=4.0e5)
    for i, time_s in enumerate(times):
        for name, activity in result.activities_at(time_s).items():
            assert activity == pytest.approx(expected[name[1]][i], rel=1e-10), (name, time_s)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([("Pb-212", "Bi-212"), ("Ac-225", "Fr-221"), ("Ac-225", "Bi-213"), ("Ra-223", "Pb-211")]),
    st.floats(min_value=0.0, max_value=1.0),
    st.floats(min_value=1.0, max_value=1e8),
)
def test_atoms_are_kept(which, fraction, horizon_s):
    parent, member = which
    leaving = (Leaving(member=member, region=ALL_REGIONS, fraction=fraction),)
    result = member_activities(
        chain(parent), curves(parent), horizon_s=horizon_s, scenario=icrp_redistribution(leaving)
    )
    for balance in result.balance.values():
        # conservation
        assert balance.decayed + balance.present + balance.excreted == pytest.approx(balance.born, rel=1e-12)
        assert min(balance.present, balance.excreted, balance.decayed) >= 0.0


def test_one_megabecquerel_decays_to_the_last_member():
    # 1 MBq of 225Ac in blood that is never lost but by decay, all daughters free
    found = chain("Ac-225")
    curve = Curve("blood", ((1.0e6, found.members[0].decay_constant_per_s),))
    result = member_activities(
        found, [curve], horizon_s=math.inf, scenario=icrp_redistribution(published_releases("Ac-225", "recoil"))
    )
    whole = {m.name: 0.0 for m in found.members}
    for (_, name), decays in result.time_integrated_activity_bq_s.items():
        whole[name] += decays
    for member in found.members:
        assert whole[member.name] == pytest.approx(1.0e6 * 864000.0 / LN2 * member.per_parent_decay, rel=1e-12)


def test_infinity_is_the_limit_of_long_horizons():
    arguments = {"scenario": scenario("Bi-212", 0.36, "Bi")}
    for_ever = member_activities(chain("Pb-212"), curves("Pb-212"), horizon_s=math.inf, **arguments)
    long = member_activities(chain("Pb-212"), curves("Pb-212"), horizon_s=60 * DAY, **arguments)
    # 60 d are 135 half-lives of 212Pb
    assert dict(long.time_integrated_activity_bq_s) == pytest.approx(
        dict(for_ever.time_integrated_activity_bq_s), rel=1e-12
    )


def test_decays_are_linear_in_the_activity_and_grow_with_the_horizon():
    small = scenario("Bi-213", 0.5, "Bi")
    one = member_activities(chain("Ac-225"), curves("Ac-225"), horizon_s=DAY, scenario=small)
    twice = tuple(Curve(c.region, tuple((2.0 * a, k) for a, k in c.exponentials)) for c in curves("Ac-225"))
    two = member_activities(chain("Ac-225"), twice, horizon_s=DAY, scenario=small)
    later = member_activities(chain("Ac-225"), curves("Ac-225"), horizon_s=2 * DAY, scenario=small)
    for key, decays in one.time_integrated_activity_bq_s.items():
        assert two.time_integrated_activity_bq_s[key] == pytest.approx(2.0 * decays, rel=1e-12)
        assert later.time_integrated_activity_bq_s[key] > decays


def test_what_leaves_a_tumour_is_missing_there():
    found, fraction = chain("Pb-212"), 0.36
    stays = member_activities(found, curves("Pb-212"), horizon_s=math.inf).time_integrated_activity_bq_s
    leaves = member_activities(
        found,
        curves("Pb-212"),
        horizon_s=math.inf,
        scenario=icrp_redistribution(published_releases("Pb-212", "DOTA")),
    ).time_integrated_activity_bq_s
    # closed form: what stays decays there, and with it what follows
    for name in ("Bi-212", "Po-212", "Tl-208"):
        assert leaves["tumour", name] == pytest.approx((1.0 - fraction) * stays["tumour", name], rel=1e-12)
    assert leaves["tumour", "Pb-212"] == stays["tumour", "Pb-212"]
    assert leaves["liver", "Bi-212"] > 0.0
    assert ("liver", "Bi-212") not in stays


def test_splitting_between_pools_follows_the_rates():
    # closed form: of an atom in plasma k/(sum of rates + decay) goes on each way; no way back
    found = chain("Pb-212")
    k_kidney, k_urine = 2.0e-3, 3.0e-3
    small = Redistribution(
        name="one way",
        leaving=(Leaving(member="Bi-212", region="blood", fraction=1.0),),
        compartments=(Compartment(name="plasma", region="blood"), Compartment(name="cells", region="kidneys"),
                      Compartment(name="urine", region="excreted", excreted=True)),
        transfers=(Transfer(element="Bi", source="plasma", target="cells", rate_per_s=k_kidney),
                   Transfer(element="Bi", source="plasma", target="urine", rate_per_s=k_urine)),
    )  # fmt: skip
    rate = effective("Pb-212", 5 * H)
    result = member_activities(found, [Curve("blood", ((1.0, rate),))], horizon_s=math.inf, scenario=small)
    constant = found.member("Bi-212").decay_constant_per_s
    away = constant + k_kidney + k_urine
    decays = result.time_integrated_activity_bq_s
    assert decays["blood", "Bi-212"] == pytest.approx(constant / away / rate, rel=1e-13)
    assert decays["kidneys", "Bi-212"] == pytest.approx(k_kidney / away / rate, rel=1e-13)
    assert decays["excreted", "Bi-212"] == pytest.approx(k_urine / away / rate, rel=1e-13)


def test_the_bismuth_model_against_the_volunteer():
    # 207Bi citrate in a volunteer (Newton et al., Hum Exp Toxicol 20, 601, 2001, abstract): 1 % of it in blood at 7 h,
    # 55 % lost within 47 h. Here 207Bi is born free from 211At that decays within a second.
    found = chain("At-211")
    rate = 10.0
    atoms = 1.0e6 * found.member("Bi-207").per_parent_decay / rate
    leaving = (Leaving(member="Bi-207", region="blood", fraction=1.0),)
    result = member_activities(
        found, [Curve("blood", ((1.0e6, rate),))], horizon_s=47 * H, scenario=icrp_redistribution(leaving)
    )
    constant = found.member("Bi-207").decay_constant_per_s
    in_blood = result.activities_at(7 * H)["blood", "Bi-207"] / constant / atoms
    assert 0.005 < in_blood < 0.02  # "only 1 %"
    lost = result.activities_at(47 * H)["excreted", "Bi-207"] / constant / atoms
    # the model of ICRP is of several volunteers, and its urine waits in the bladder
    assert lost == pytest.approx(0.55, abs=0.1)


def test_a_fitted_curve_can_be_given():
    times = np.array([4.0, 24.0, 96.0, 168.0]) * H
    rate = effective("Ac-225", 3 * DAY)
    measured = TimeActivityCurve(region="kidneys", time_s=times, activity_bq=1e5 * np.exp(-rate * times))
    fit = fit_curve(measured, model="mono", decay_constant_per_s=chain("Ac-225").members[0].decay_constant_per_s)
    result = member_activities(chain("Ac-225"), [fit], horizon_s=math.inf)
    assert result.time_integrated_activity_bq_s["kidneys", "Ac-225"] == pytest.approx(
        fit.time_integrated_activity_bq_s, rel=1e-12
    )


def test_a_fitted_curve_without_exponentials_is_refused():
    with pytest.raises(InputError, match="kidneys: the curve of Ac-225 is no sum of exponentials"):
        member_activities(chain("Ac-225"), [Curve("kidneys", ())], horizon_s=DAY)


def test_bismuth_207_is_not_integrated_to_infinity():
    with pytest.raises(InputError, match=r"to infinity: Bi-207 \(32.9 y\)"):
        member_activities(chain("At-211"), curves("At-211"), horizon_s=math.inf)
    result = member_activities(chain("At-211"), curves("At-211"), horizon_s=30 * DAY)
    assert result.time_integrated_activity_bq_s["tumour", "Bi-207"] > 0.0


def test_a_result_without_horizon_cannot_be_made():
    with pytest.raises(TypeError, match="horizon_s"):
        member_activities(chain("Ac-225"), curves("Ac-225"))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="horizon_s"):
        MemberActivities(  # type: ignore[call-arg]
            parent="Ac-225",
            time_integrated_activity_bq_s={},
            assumption="x",
            sources=(),
            warnings=(),
            balance={},
            activities_at=None,
        )


def test_a_daughter_is_not_counted_twice():
    actinium = member_activities(chain("Ac-225"), [curves("Ac-225")[0]], horizon_s=DAY)
    bismuth = member_activities(chain("Bi-213"), [Curve("kidneys", ((1.0e4, 3.0e-4),))], horizon_s=DAY)
    with pytest.raises(InputError, match="Bi-213 in kidneys is counted twice"):
        joined([actinium, bismuth])
    elsewhere = member_activities(chain("Bi-213"), [Curve("liver", ((1.0e4, 3.0e-4),))], horizon_s=DAY)
    together = joined([actinium, elsewhere])
    assert together.parent == "Ac-225 and Bi-213"
    assert len(together.time_integrated_activity_bq_s) == 7 + 4
    with pytest.raises(InputError, match=r"differ in horizon_s: 86400\.0 and 3600\.0"):
        joined([actinium, member_activities(chain("Bi-213"), [Curve("liver", ((1.0, 3e-4),))], horizon_s=H)])
    with pytest.raises(InputError, match="No activities"):
        joined([])


def test_a_parent_is_not_counted_twice():
    kidneys = curves("Ac-225")[0]
    with pytest.raises(InputError, match="kidneys: two curves of Ac-225"):
        member_activities(chain("Ac-225"), [kidneys, kidneys], horizon_s=DAY)
    with pytest.raises(InputError, match="whole body holds the other regions"):
        member_activities(chain("Ac-225"), [kidneys, Curve("whole body", ((1.0, 1e-5),))], horizon_s=DAY)


def test_what_a_reader_must_know_is_told():
    result = member_activities(
        chain("Ac-225"),
        [Curve("tumour", ((1.0e5, 1.0e-7),))],
        horizon_s=DAY,
        scenario=icrp_redistribution((*published_releases("Ac-225", "recoil"),)),
    )
    told = " ".join(result.warnings)
    assert "At-217: 0.012 %" in told
    assert "read in a transcription" in told
    assert "100% of Fr-221 leaving every region: not checked" in told
    assert "more slowly than Ac-225 decays" in told
    assert "Free Fr-221 decays where it comes free" in told
    assert "kidneys" in told.split("Daughters decay in")[1]
    assert any("de Kruijff" in source for source in result.sources)


def test_a_scenario_in_which_nothing_leaves_is_told():
    result = member_activities(chain("Pb-212"), curves("Pb-212"), horizon_s=DAY, scenario=icrp_redistribution(()))
    assert any("no daughter comes free" in told for told in result.warnings)
    assert not member_activities(chain("Pb-212"), curves("Pb-212"), horizon_s=DAY).warnings


def test_published_releases():
    (row,) = published_releases("Pb-212", "DOTA")
    assert (row.member, row.fraction, row.verified) == ("Bi-212", 0.36, False)
    with pytest.raises(MissingDataError, match="Pb-212 with DOTA"):
        published_releases("Pb-212", "TCMC")


def test_outflow_of_plasma_in_the_published_models():
    # ICRP 137: 400 per day of bismuth, 70 of lead and of radium, the sum of the rates rounded there
    shipped = icrp_redistribution(())
    for element, per_day in (("Bi", 400.0), ("Pb", 70.0), ("Ra", 70.0)):
        out = math.fsum(t.rate_per_s for t in shipped.rates_of(element) if t.source == "plasma")
        assert out * DAY == pytest.approx(per_day, rel=1e-3)


GOOD = scenario("Bi-213", 0.5, "Bi")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Leaving(member="Bi-213", region="*", fraction=1.2),
            "fraction of 1.2; expected a number from 0 to 1",
        ),
        (lambda: Leaving(member="Bi-213", region="*", fraction=math.nan), "fraction of nan"),
        (lambda: Leaving(member="213Bi", region="*", fraction=0.1), "213Bi leaving .*: write 'Bi-213'"),
        (
            lambda: Transfer(element="bi", source="a", target="b", rate_per_s=1.0),
            "expected the symbol of an element",
        ),
        (lambda: Transfer(element="Bi", source="a", target="b", rate_per_s=-1.0), "rate of -1.0 1/s"),
        (lambda: Transfer(element="Bi", source="a", target="a", rate_per_s=1.0), "leads to where it starts"),
        (
            lambda: Redistribution(
                name="mine",
                leaving=(
                    Leaving(member="Bi-213", region="tumour", fraction=0.7, target="a"),
                    Leaving(member="Bi-213", region="tumour", fraction=0.6, target="b"),
                ),
            ),
            "mine: fractions of Bi-213 that leave tumour add up to 1.3; at most 1",
        ),
        (
            lambda: replace(GOOD, transfers=(*GOOD.transfers, GOOD.transfers[0])),
            "transfer Bi plasma to kidney cells st",
        ),
        (
            lambda: replace(GOOD, compartments=(*GOOD.compartments, GOOD.compartments[0])),
            "compartment plasma stands",
        ),
        (
            lambda: replace(GOOD, leaving=(*GOOD.leaving, GOOD.leaving[0])),
            r"leaving Bi-213 from \* to plasma stands",
        ),
    ],
)
def test_scenarios_refuse(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"leaving": (Leaving(member="Bi-212", region="*", fraction=0.1),)}, "Bi-212 is no member of the chain"),
        ({"leaving": (Leaving(member="Ac-225", region="*", fraction=0.1),)}, "own release is in its curve"),
        (
            {"leaving": (Leaving(member="Bi-213", region="lung", fraction=0.1),)},
            "no curve of that region; there are",
        ),
        (
            {"leaving": (Leaving(member="Bi-213", region="*", fraction=0.1, target="bile"),)},
            "for bile: no such compartment",
        ),
        (
            {"compartments": (*GOOD.compartments, Compartment(name="tumour", region="tumour"))},
            "compartment 'tumour' has the name of a region with a curve",
        ),
        (
            {"transfers": (Transfer(element="*", source="plasma", target="bile", rate_per_s=1.0),)},
            "transfer of all elements from plasma to bile: no compartment 'bile'",
        ),
    ],
)
def test_a_scenario_for_other_regions_is_refused(changed, message):
    with pytest.raises(InputError, match=message):
        member_activities(
            chain("Ac-225"), curves("Ac-225"), horizon_s=DAY, scenario=replace(GOOD, **{"leaving": (), **changed})
        )


@pytest.mark.parametrize(
    ("given_curves", "horizon_s", "message"),
    [
        ([], DAY, "No curve of Pb-212"),
        ([Curve("kidneys", ((1.0, 1e-5),))], 0.0, "horizon_s of 0.0"),
        ([Curve("kidneys", ((1.0, 1e-5),))], math.nan, "horizon_s of nan"),
        ([Curve("kidneys", ((math.nan, 1e-5),))], DAY, "kidneys: term of nan Bq"),
        ([Curve("kidneys", ((1.0, -1e-5),))], DAY, "rate of -1e-05 1/s"),
        ([Curve("kidneys", ((1.0, 0.0),))], math.inf, "kidneys: a term of its curve does not fall"),
    ],
)
def test_curves_refuse(given_curves, horizon_s, message):
    with pytest.raises(InputError, match=message):
        member_activities(chain("Pb-212"), given_curves, horizon_s=horizon_s)


def test_times_refuse():
    result = member_activities(chain("Pb-212"), curves("Pb-212"), horizon_s=DAY)
    with pytest.raises(InputError, match=r"at -1\.0 s"):
        result.activities_at(-1.0)


def test_the_exponential_keeps_slow_modes_beside_fast_ones():
    # closed form: 1e6 mean lives of the fast one, 1 of the slow one, and what passes between them
    fast, slow = 1.0e6, 1.0
    state, integral = propagated(np.array([[-slow, 0.0], [slow, -fast]]), np.array([1.0, 0.0]), 1.0)
    left = math.exp(-1.0)
    assert state == pytest.approx([left, slow / (fast - slow) * left], rel=1e-14)
    assert integral[0] == pytest.approx(1.0 - left, rel=1e-14)
    assert integral[1] * fast == pytest.approx(1.0 - left - state[1], rel=1e-13)


def test_the_exponential_of_nothing():
    state, integral = propagated(np.zeros((2, 2)), np.array([1.0, 2.0]), 5.0)
    assert state.tolist() == [1.0, 2.0]
    assert integral.tolist() == [5.0, 10.0]
