"""Activity of the next cycle: published numbers, the lognormal probability, laws of the plan."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from lutetia.dose.uncertainty.course import CycleDose
from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.activity.bounds import bounds_of
from lutetia.therapy.activity.course import Cycles, GivenCycle, RegionDose, Upcoming, completed
from lutetia.therapy.activity.limits import (
    cycles_within,
    find_limits,
    judged_margins,
    margins_of,
    name_of,
    protraction_of,
)
from lutetia.therapy.activity.planning import plan_activity, rounded_down
from lutetia.therapy.activity.prediction import Observed, predicted_from, stated_prediction
from lutetia.therapy.activity.prior import population_dose_sood2026
from lutetia.therapy.activity.probability import Spread, largest_upcoming, probability_exceeded
from lutetia.therapy.activity.strategies import STRATEGIES, Situation, strategy
from lutetia.therapy.protocols import read_protocol
from lutetia.units import BQ_PER_GBQ, S_PER_H

LUTETIUM = {"nuclide": "Lu-177", "agent": "177Lu-DOTATATE"}


def course(*doses, organ="kidney", relative=None, activity_gbq=7.4, half_life_h=50.0):
    return Cycles(
        given=tuple(
            GivenCycle(
                activity_bq=activity_gbq * BQ_PER_GBQ, **LUTETIUM,
                regions={
                    organ: RegionDose(
                        dose=CycleDose(
                            absorbed_dose_gy=dose, relative=relative, shared=frozenset({"calibration"})
                        ),
                        effective_half_life_s=half_life_h * S_PER_H,
                    )
                },
            )
            for dose in doses
        )
    )  # fmt: skip


def planned(name, cycles, *, cycle, limits=("kidney-23Gy",), k=0.64, u=None, p=0.05, bounds=None, **situation):
    prediction = stated_prediction(gy_per_gbq=k, relative_u=u)
    margins, _ = margins_of(limits, cycles, lambda _region: prediction, half_life_s=lambda _region: 50 * S_PER_H)
    now = Situation(
        cycle=cycle, kidneys={"kidney": prediction},
        kidney_so_far_gy={"kidney": sum(d.dose.absorbed_dose_gy for d in cycles.of("kidney"))} if cycles.given else {},
        **situation,
    )  # fmt: skip
    return plan_activity(strategy(name)(now), margins, probability=p, bounds=bounds)


# A4 = (23 - D)/0.64 of spec/clinical 3.3, to the digits given there
@pytest.mark.parametrize(
    ("so_far", "allows", "action", "activity"),
    [
        (14.2, 13.75, "give", 7.4),
        (17.0, 9.38, "give", 7.4),
        (18.5, 7.03, "reduce", 7.03),
        (20.5, 3.91, "omit", 0.0),
    ],
)
def test_fourth_cycle_is_tailored(so_far, allows, action, activity):
    plan = planned("tailored-4th", course(*[so_far / 3] * 3), cycle=4)
    assert plan.limits[0].allows_by_estimate_bq / BQ_PER_GBQ == pytest.approx(allows, abs=0.0051)
    assert plan.action == action
    assert plan.activity_bq / BQ_PER_GBQ == pytest.approx(activity, abs=0.005)


# spec/clinical 3.2: cycles of 7.4 GBq at T_eff 50 h until 23 Gy, BED 27 and BED 40
@pytest.mark.parametrize(
    ("k", "bed", "expected"),
    [(0.47, 3.7247, (6.6, 7.2, 10.7)), (0.64, 5.1935, (4.86, 5.20, 7.70)), (0.90, 7.5647, (3.45, 3.57, 5.29))],
)
def test_cycles_until_a_limit(k, bed, expected):
    protraction = protraction_of("kidney", 50 * S_PER_H)
    assert protraction.g == pytest.approx(2.8 / 52.8, rel=1e-9)
    assert protraction.bed_of(7.4 * k) == pytest.approx(bed, abs=5e-5)
    found = (
        cycles_within(23, dose_per_cycle_gy=7.4 * k),
        cycles_within(27, dose_per_cycle_gy=7.4 * k, protraction=protraction),
        cycles_within(40, dose_per_cycle_gy=7.4 * k, protraction=protraction),
    )
    digit = 0.05 if k == 0.47 else 0.005
    assert found == pytest.approx(expected, abs=digit)


# spec/clinical 3.3: check values of the published population model (activity, clearance) -> kidney, marrow
@pytest.mark.parametrize(
    ("gbq", "clearance", "kidney", "marrow"),
    [(7.4, 99, 4.37, 0.24), (7.4, 50, 6.363, 0.537), (7.4, 40, 7.194, 0.699),
     (3.7, 50, 4.055, 0.375), (7.4, 120, 3.931, 0.191)],
)  # fmt: skip
def test_population_dose(gbq, clearance, kidney, marrow):
    for organ, expected in (("kidney", kidney), ("red marrow", marrow)):
        found = population_dose_sood2026(organ, creatinine_clearance_ml_per_min=clearance)
        assert found.dose_at(gbq * BQ_PER_GBQ) == pytest.approx(expected, abs=6e-4)
        assert found.activity_for(found.dose_at(gbq * BQ_PER_GBQ)) == pytest.approx(gbq * BQ_PER_GBQ)
    linear = population_dose_sood2026("kidney", creatinine_clearance_ml_per_min=clearance, linear=True)
    assert linear.dose_at(3.7e9) == pytest.approx(linear.dose_at(7.4e9) / 2)


def test_population_dose_refuses():
    with pytest.raises(InputError, match="clearance of 0 mL/min"):
        population_dose_sood2026("kidney", creatinine_clearance_ml_per_min=0)
    with pytest.raises(MissingDataError, match="there are kidney, red marrow"):
        population_dose_sood2026("liver", creatinine_clearance_ml_per_min=90)


@pytest.mark.parametrize("rho", [0.0, 0.6, 1.0])
@pytest.mark.parametrize(("u_given", "u_next"), [(0.05, 0.13), (0.15, 0.19), (0.3, 0.05)])
def test_probability_against_drawing(rho, u_given, u_next):
    spread = Spread(given=u_given, next=u_next, correlation=rho)
    rng, n = np.random.default_rng(1), 400_000
    x, y = rng.standard_normal((2, n))
    r = spread.log_correlation
    total = 17 * np.exp(math.sqrt(math.log1p(u_given**2)) * x)
    total += 4.5 * np.exp(math.sqrt(math.log1p(u_next**2)) * (r * x + math.sqrt(1 - r**2) * y))
    drawn = np.mean(total > 23)
    found = probability_exceeded(limit=23, given=17, upcoming=4.5, spread=spread)
    # four standard errors of the drawing
    assert found == pytest.approx(drawn, abs=4 * math.sqrt(drawn * (1 - drawn) / n) + 1e-6)


def test_probability_of_a_bed_against_drawing():
    protraction, spread = protraction_of("kidney", 50 * S_PER_H), Spread(given=0.1, next=0.19, correlation=0.3)
    rng, n = np.random.default_rng(2), 400_000
    x, y = rng.standard_normal((2, n))
    r = spread.log_correlation
    dose = 7 * np.exp(math.sqrt(math.log1p(0.19**2)) * (r * x + math.sqrt(1 - r**2) * y))
    total = (
        18 * np.exp(math.sqrt(math.log1p(0.01)) * x) + dose + protraction.g * dose**2 / protraction.alpha_beta_gy
    )
    drawn = np.mean(total > 28)
    found = probability_exceeded(limit=28, given=18, upcoming=7, spread=spread, dose_of=protraction.dose_of)
    assert found == pytest.approx(drawn, abs=4 * math.sqrt(drawn * (1 - drawn) / n))  # four standard errors


def test_probability_in_closed_form():
    spread = Spread(given=0, next=0.19)
    sigma = math.sqrt(math.log1p(0.19**2))
    found = probability_exceeded(limit=23, given=0, upcoming=18, spread=spread)
    assert found == pytest.approx(norm.sf(math.log(23 / 18) / sigma), rel=1e-12)
    most = largest_upcoming(limit=23, given=0, spread=spread, probability=0.05)
    assert most == pytest.approx(23 * math.exp(-1.644854 * sigma), rel=1e-6)  # z of 5 %
    assert probability_exceeded(limit=23, given=0, upcoming=most, spread=spread) == pytest.approx(0.05)
    # nearly nothing given is nothing given
    near = probability_exceeded(limit=23, given=1e-9, upcoming=18, spread=Spread(given=0.1, next=0.19))
    assert near == pytest.approx(found, rel=1e-6)


def test_fully_shared_errors_in_closed_form():
    # S and F move as one: P(S + F > L) is that of one lognormal of their sum
    spread = Spread(given=0.1, next=0.1, correlation=1.0)
    found = probability_exceeded(limit=23, given=15, upcoming=5, spread=spread)
    assert found == pytest.approx(norm.sf(math.log(23 / 20) / math.sqrt(math.log1p(0.01))), rel=1e-6)


def test_what_is_allowed_has_the_probability():
    cycles = course(6, 6, relative={"calibration": 0.05, "count rate": 0.03})
    plan = planned("p-prrt", cycles, cycle=3, u=0.13, target_gy=30.0)
    assert plan.action == "reduce"
    assert plan.limits[0].probability_exceeded == pytest.approx(0.05, abs=1e-6)
    assert plan.activity_bq < plan.limits[0].allows_by_estimate_bq
    assert "23 Gy to the kidney allows" in plan.reasons[-1]


def test_shared_calibration_allows_less_than_independent_errors():
    cycles = course(6, 6, 6, relative={"calibration": 0.10})
    alone = predicted_from([Observed(dose_gy=6.0, activity_bq=7.4e9, named={})], scans=3, relative_u=0.13)
    own = Upcoming(**LUTETIUM, relative_u=0.13).prediction("kidney", cycles)
    assert own.named == pytest.approx({"calibration": 0.10})
    both = [margins_of(["kidney-23Gy"], cycles, lambda _r, k=k: k)[0][0] for k in (alone, own)]
    assert both[1].spread.correlation == pytest.approx(0.10 / 0.13)  # the shared part of 13 %
    assert both[1].allows(0.05) < both[0].allows(0.05)


def test_bed_of_what_was_given_and_will_be():
    cycles = course(4.736, 4.736, 4.736)
    plan = planned("tailored-4th", cycles, cycle=4, limits=("kidney-BED-28Gy",))
    assert plan.limits[0].margin.so_far_gy == pytest.approx(3 * 5.1935, abs=2e-4)  # spec/clinical 3.2
    activity = plan.limits[0].allows_by_estimate_bq
    assert plan.limits[0].margin.after(activity) == pytest.approx(28)


@settings(max_examples=60, deadline=None)
@given(
    so_far=st.floats(0.1, 20), k=st.floats(0.2, 1.0), u=st.floats(0.02, 0.3), more=st.floats(0.0, 0.2),
    past=st.floats(0.01, 0.25), p=st.sampled_from([0.01, 0.05, 0.1]), bed=st.booleans(),
)  # fmt: skip
@example(so_far=13.28125, k=1.0, u=0.125, more=0.0625, past=0.2265625, p=0.01, bed=True)
def test_more_uncertainty_or_a_lower_limit_never_allows_more(so_far, k, u, more, past, p, bed):
    names = ("kidney-BED-27Gy", "kidney-BED-28Gy") if bed else ("kidney-23Gy", "kidney-24Gy")

    def allowed(u_next, u_past):
        cycles = course(so_far / 2, so_far / 2, relative={"calibration": u_past})
        prediction = stated_prediction(gy_per_gbq=k, relative_u=u_next)
        margins, _ = margins_of(names, cycles, lambda _r: prediction, half_life_s=lambda _r: 50 * S_PER_H)
        return [margin.allows(p) for margin in margins]

    low, high = allowed(u, past)
    assert low <= high * (1 + 1e-6)
    for other in (allowed(u + more, past), allowed(u, past + more)):
        assert all(b <= a * (1 + 1e-6) + 1 for a, b in zip((low, high), other, strict=True))


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(STRATEGIES)), so_far=st.floats(0, 30), k=st.floats(0.1, 2), cycle=st.integers(1, 5),
    u=st.one_of(st.none(), st.floats(0.01, 0.5)), protocol=st.sampled_from([None, "bordet-phase-3", "us-label"]),
)  # fmt: skip
def test_bounds_of_every_plan(name, so_far, k, cycle, u, protocol):
    cycles = course(*[so_far / 3] * 3, relative={"calibration": 0.05})
    bounds = protocol and bounds_of(read_protocol(protocol), cycle=cycle, given_bq=22.2e9)
    plan = planned(name, cycles, cycle=cycle, k=k, u=u, bounds=bounds or None, target_gy=5.0)
    assert plan.action in ("give", "reduce", "omit", "hold", "stop")
    assert (plan.activity_bq is None) == (plan.action == "hold")
    if plan.action in ("give", "reduce"):
        assert 0 < plan.activity_bq <= plan.wanted_bq
        assert all(j.probability_exceeded is None or j.probability_exceeded <= 0.05 + 1e-6 for j in plan.limits)
        assert all(j.predicted_gy <= j.margin.limit.limit_gy * (1 + 1e-9) for j in plan.limits)
        if bounds:
            assert plan.activity_bq <= bounds.highest_bq
        if name == "tailored-4th":
            assert plan.activity_bq >= 4.6e9
    elif plan.action != "hold":
        assert plan.activity_bq == 0
    assert plan.reasons


def test_marrow_warns_and_never_decides():
    given_doses = GivenCycle(
        activity_bq=7.4e9, **LUTETIUM,
        regions={
            "kidney": RegionDose(dose=CycleDose(absorbed_dose_gy=3.0, relative={"calibration": 0.05})),
            "red marrow": RegionDose(dose=CycleDose(absorbed_dose_gy=2.5, relative={"calibration": 0.05})),
        },
    )  # fmt: skip
    cycles, upcoming = Cycles(given=(given_doses,)), Upcoming(**LUTETIUM)
    margins, _ = margins_of(["kidney-23Gy", "marrow-2Gy"], cycles, lambda r: upcoming.prediction(r, cycles))
    proposal = strategy("fixed-until-limit")(Situation(cycle=2, kidneys={}, kidney_so_far_gy={}))
    plan = plan_activity(proposal, margins, probability=0.05)
    assert plan.action == "give"
    assert [judged.margin.decides for judged in plan.limits] == [True, False]
    assert plan.limits[1].probability_exceeded > 0.99
    assert any("red marrow would by itself allow 0 GBq. It does not decide" in text for text in plan.warnings)


def test_marrow_without_a_dose_does_not_stand_in_the_way():
    cycles = course(4.0)
    _, told = margins_of(["marrow-2Gy"], cycles, lambda _r: None)
    assert "marrow-2Gy was not judged" in told[0]
    with pytest.raises(MissingDataError, match="liver: no absorbed dose in cycle 1, and nothing to predict"):
        margins_of(["liver-30Gy"], cycles, lambda _r: None)


def test_fixed_activity_until_a_limit():
    # 3 x 4.736 Gy leave 8.79 of 23 Gy: one more cycle of 4.736 Gy by estimate
    plan = planned("fixed-until-limit", course(*[4.736] * 3), cycle=4)
    assert (plan.action, plan.further_cycles) == ("give", 1)
    plan = planned("fixed-until-limit", course(*[4.736] * 4), cycle=5)
    assert (plan.action, plan.further_cycles, plan.activity_bq) == ("stop", 0, 0)
    assert "would pass 23 Gy to the kidney" in plan.reasons[-2]
    # from nothing 23/4.736 = 4.86 cycles, spec/clinical 3.2
    assert planned("fixed-until-limit", Cycles(), cycle=1).further_cycles == 4


def test_fixed_holds_where_a_limit_would_be_passed():
    plan = planned("fixed", course(*[6.2] * 3), cycle=4)
    assert (plan.action, plan.activity_bq, plan.considered_bq) == ("hold", None, 7.4e9)


def test_prescribed_dose_per_cycle():
    # 5 Gy first, then 6; k = 0.5: 10 and 12 GBq
    first = planned("p-prrt", Cycles(), cycle=1, k=0.5)
    assert first.activity_bq == pytest.approx(10e9)
    assert any("memory" in text for text in first.warnings)
    assert planned("p-prrt", course(5.0), cycle=2, k=0.5).activity_bq == pytest.approx(12e9)
    reduced = planned("p-prrt", course(5.0), cycle=2, k=0.5, reduction=0.25)
    assert (reduced.action, reduced.activity_bq) == ("reduce", pytest.approx(9e9))
    odd = planned("p-prrt", course(5.0), cycle=2, k=0.5, reduction=0.1)
    assert any("not within the 25% to 50%" in text for text in odd.warnings)
    assert planned("p-prrt", course(*[5.5] * 4), cycle=5, k=0.5).action == "stop"


def test_less_than_the_protocols_lowest_is_held():
    # 2 Gy left of 24 at 1 Gy/GBq, below the 4.6 GBq of the protocol
    bounds = bounds_of(read_protocol("bordet-phase-3"), cycle=4, given_bq=22.2e9)
    plan = planned("danish", course(7, 7, 8), cycle=4, k=1.0, limits=("kidney-24Gy",), bounds=bounds)
    assert (plan.action, plan.activity_bq) == ("hold", None)
    assert "Less than the lowest activity of 4.6 GBq." in plan.reasons


def test_what_was_given_leaves_nothing():
    plan = planned("tailored-4th", course(8, 8, 8), cycle=4)
    assert (plan.action, plan.activity_bq) == ("stop", 0.0)
    assert "leaves nothing under 23 Gy to the kidney (best estimate 24 Gy; kidney-23Gy, " in plan.reasons[-1]


@pytest.mark.parametrize(
    ("exact", "shown"), [(7.039, 7.03), (7.4, 7.4), (0.12567, 0.125), (0.0, 0.0), (12.0, 12.0)]
)
def test_activities_are_rounded_down(exact, shown):
    assert rounded_down(exact) == pytest.approx(shown, rel=1e-12)


def test_danish_trial():
    # a quarter of 24 Gy at 0.25 Gy/GBq is 24 GBq: 20 at most in cycle 1, 25 later
    limits = ("kidney-24Gy",)
    assert planned("danish", Cycles(), cycle=1, k=0.25, limits=limits).activity_bq == pytest.approx(20e9)
    # (24 - 5)/3 = 6.333 Gy at 0.5 Gy/GBq
    second = planned("danish", course(5.0), cycle=2, k=0.5, limits=limits)
    assert second.activity_bq == pytest.approx(19 / 3 / 0.5 * 1e9)
    assert planned("danish", course(5.0), cycle=2, k=0.2, limits=limits).activity_bq == pytest.approx(25e9)


@pytest.mark.parametrize("name", ["p-prrt", "danish"])
def test_no_regression_on_renal_function_is_invented(name):
    with pytest.raises(
        MissingDataError, match="not published with coefficients that could be read, and none is invented"
    ):
        strategy(name)(Situation(cycle=1, kidneys={}, kidney_so_far_gy={}))


def test_forward_planning_needs_its_dose():
    with pytest.raises(MissingDataError, match="--target-Gy"):
        planned("forward", Cycles(), cycle=1)
    # 212Pb by the image of 203Pb: 5 Gy at 40 Gy/GBq is 0.125 GBq
    assert planned("forward", Cycles(), cycle=1, k=40.0, target_gy=5.0, limits=()).activity_bq == pytest.approx(
        0.125e9
    )


def test_the_population_when_there_is_no_scan():
    cycles, upcoming = Cycles(), Upcoming(**LUTETIUM, clearance_ml_per_min=50)
    prediction = upcoming.prediction("kidney", cycles)
    margins, _ = margins_of(["kidney-23Gy"], cycles, lambda r: upcoming.prediction(r, cycles))
    plan = plan_activity(
        strategy("p-prrt")(Situation(cycle=1, kidneys={"kidney": prediction}, kidney_so_far_gy={})),
        margins,
        probability=0.05,
    )
    # 5 = 6.363 (A/7.4)^0.65
    assert plan.activity_bq == pytest.approx(7.4e9 * (5 / 6.363) ** (1 / 0.65), rel=1e-3)
    assert any("population's" in text for text in plan.warnings)


def test_prediction_from_own_cycles():
    cycles = [Observed(dose_gy=d, activity_bq=7.4e9, named={"calibration": 0.05}) for d in (4.0, 4.4, 4.2)]
    one, three = predicted_from(cycles[:1], scans=1), predicted_from(cycles[:1], scans=3)
    assert (one.relative_u, three.relative_u) == pytest.approx((0.19, 0.13))  # Staanum 2021
    assert predicted_from(cycles, scans=3).dose_gy == 4.2  # the last
    wild = [Observed(dose_gy=d, activity_bq=7.4e9, named={}) for d in (3.0, 6.0, 4.0)]
    spread = np.std(np.log([3.0, 6.0, 4.0]), ddof=1) * math.sqrt(4 / 3)
    assert predicted_from(wild, scans=3).relative_u == pytest.approx(math.sqrt(math.expm1(spread**2)))
    with pytest.raises(MissingDataError, match="dose per activity"):
        predicted_from([], scans=1)


def test_unknown_uncertainty_is_told_or_refused():
    plan = planned("tailored-4th", course(6, 6, 6), cycle=4, u=0.13)
    assert plan.limits[0].probability_exceeded is None
    assert any("may be one half" in text for text in plan.warnings)
    prediction = stated_prediction(gy_per_gbq=0.64, relative_u=None)
    margins, _ = margins_of(["kidney-23Gy"], course(6.0), lambda _r: prediction)
    proposal = strategy("fixed")(Situation(cycle=2, kidneys={}, kidney_so_far_gy={}))
    with pytest.raises(MissingDataError, match="uncertainty of a dose is not known"):
        plan_activity(proposal, margins, probability=0.05, demanded=True)
    with pytest.raises(InputError, match="at most 50 %"):
        plan_activity(proposal, margins, probability=0.6)


def test_bounds_of_protocols():
    bordet = read_protocol("bordet-phase-3")
    fourth = bounds_of(bordet, cycle=4, given_bq=22.2e9)
    assert (fourth.lowest_bq, fourth.highest_bq) == (4.6e9, 7.4e9)
    assert "at most 4 cycles" in bounds_of(bordet, cycle=5, given_bq=29.6e9).ended
    # NETTER-2: 29.6 GBq in all
    assert bounds_of(read_protocol("netter-2"), cycle=4, given_bq=24e9).highest_bq == pytest.approx(5.6e9)
    with pytest.raises(MissingDataError, match="sum of activities"):
        bounds_of(read_protocol("netter-2"), cycle=4, given_bq=None)
    with pytest.raises(MissingDataError, match="--mass-kg"):
        bounds_of(read_protocol("alphamedix"), cycle=1, given_bq=0.0)
    # 2.5 MBq/kg
    assert bounds_of(read_protocol("alphamedix"), cycle=1, given_bq=0.0, mass_kg=80).usual_bq == pytest.approx(
        200e6
    )


def test_limits_by_name():
    assert name_of(find_limits("Kidney-23Gy")[0]) == "kidney-23Gy"
    assert len(find_limits("kidney-BED-40Gy")) == 2  # Bodei and ILUMINET
    for name in ("kidney", "kidney-23Sv", "kidney-Gy", "kidney--5Gy", "kidney-1e3Gy"):
        with pytest.raises(InputError, match=f"No limit '{name}'; there are kidney-23Gy"):
            find_limits(name)
    with pytest.raises(InputError, match="no such organ; expected one of kidney"):
        find_limits("knee-10Gy")
    for name in ("kidney-0Gy", "kidney-1001Gy"):
        with pytest.raises(InputError, match=r"cannot be meant; expected 0\.01 to 1000 Gy"):
            find_limits(name)


@pytest.mark.parametrize(
    ("name", "organ", "quantity", "value", "shown"),
    [
        ("kidney-25Gy", "kidney", "absorbed dose", 25.0, "kidney-25Gy"),
        ("Kidneys-BED-30.5Gy", "kidney", "BED", 30.5, "kidney-BED-30.5Gy"),
        ("red-marrow-1.5Gy", "red marrow", "absorbed dose", 1.5, "marrow-1.5Gy"),
        ("liver-25Gy", "liver", "absorbed dose", 25.0, "liver-25Gy"),
    ],
)
def test_a_limit_of_ones_own(name, organ, quantity, value, shown):
    (limit,) = find_limits(name)
    assert (limit.region, limit.quantity, limit.limit_gy, limit.verified) == (organ, quantity, value, False)
    assert (limit.source, name_of(limit)) == ("given by the user", shown)
    # said in the answer
    plan = planned("tailored-4th", Cycles(), cycle=4, limits=("kidney-25Gy",))
    assert any("kidney-25Gy is the user's own limit" in text for text in plan.warnings)


def test_sides_and_doses_that_are_missing():
    both = GivenCycle(
        activity_bq=7.4e9, **LUTETIUM,
        regions={side: RegionDose(dose=CycleDose(absorbed_dose_gy=d, relative=None)) for side, d in
                 (("kidney left", 4.0), ("kidney right", 5.0))},
    )  # fmt: skip
    earlier = GivenCycle(
        activity_bq=None, regions={"kidney": RegionDose(dose=CycleDose(absorbed_dose_gy=10.0, relative=None))}
    )
    cycles = Cycles(given=(earlier, both))
    assert cycles.regions("kidney") == ("kidney left", "kidney right")
    assert [d.dose.absorbed_dose_gy for d in cycles.of("kidney right")] == [10.0, 5.0]
    assert cycles.activity_bq is None
    with pytest.raises(MissingDataError, match="liver: no absorbed dose in cycle 1, 2"):
        cycles.of("liver")
    with pytest.raises(InputError, match="there are fixed"):
        strategy("by-feel")


def without_doses(*gbq, **which):
    return tuple(GivenCycle(activity_bq=each * BQ_PER_GBQ, regions={}, **{**LUTETIUM, **which}) for each in gbq)


def test_doses_that_nobody_measured_are_those_of_a_next_cycle():
    measured = course(4.0, 5.0, relative={"calibration": 0.05, "counts": 0.03})
    upcoming = Upcoming(**LUTETIUM, scans=3)
    found = completed(Cycles(given=(*measured.given, *without_doses(3.7))), upcoming, ["kidney"])
    # half the activity of the last, 5 Gy per 7.4 GBq
    assert [dose.dose.absorbed_dose_gy for dose in found.of("kidney")] == [4.0, 5.0, pytest.approx(2.5)]
    assert found.estimated("kidney") == (3,)
    assert found.of("kidney")[2].effective_half_life_s == 50 * S_PER_H
    # calibration whole; counts of cycle 2 also those of the estimate; 13 % of three scans in all
    own = math.sqrt(0.13**2 - 0.05**2 - 0.03**2) * 2.5
    u = math.hypot(0.05 * 11.5, 0.03 * 4.0, 0.03 * 7.5, own)
    assert sum(found.quantities("kidney")).std_dev == pytest.approx(u)
    # an estimate predicts nothing
    assert upcoming.prediction("kidney", found) == upcoming.prediction("kidney", measured)
    # no dose of this agent, or an activity that is not known: still not known, never 0
    other = completed(
        Cycles(given=(*measured.given, *without_doses(3.7, agent="90Y-DOTATOC"))), upcoming, ["kidney"]
    )
    assert other.without_dose("kidney") == ("3",)
    unknown = GivenCycle(activity_bq=None, regions={}, **LUTETIUM)
    assert completed(Cycles(given=(*measured.given, unknown)), upcoming, ["kidney"]).without_dose("kidney") == (
        "3",
    )


def test_an_estimate_from_the_population_errs_with_the_prediction():
    upcoming = Upcoming(**LUTETIUM, clearance_ml_per_min=99.0)
    cycles = completed(Cycles(given=without_doses(7.4, 7.4)), upcoming, ["kidney"])
    (margin,), _ = margins_of(["kidney-23Gy"], cycles, lambda region: upcoming.prediction(region, cycles))
    # two cycles of 4.37 Gy, 48 % of one error
    assert margin.so_far_gy == pytest.approx(2 * 4.37)
    assert margin.u_so_far_gy == pytest.approx(0.48 * 2 * 4.37)
    assert margin.spread.correlation == pytest.approx(1.0)


def test_the_population_is_of_one_agent():
    for agent, nuclide in (("225Ac-DOTATATE", "Ac-225"), ("177Lu-PSMA-617", "Lu-177")):
        upcoming = Upcoming(nuclide=nuclide, agent=agent, clearance_ml_per_min=99.0)
        assert upcoming.prediction("kidney", Cycles()) is None


def test_cycles_that_cannot_be_of_one_kidney_predict_nothing():
    far = [Observed(dose_gy=d, activity_bq=7.4e9, named=None) for d in (0.01, 4.0, 4.0)]
    with pytest.raises(MissingDataError, match="differs so much"):
        predicted_from(far, scans=3)


def test_limits_that_are_not_known_never_let_pass_what_is():
    cycles = Cycles(given=(*course(12.0).given, *without_doses(7.4)))
    found, unjudged = judged_margins(["kidney-23Gy", "kidney-10Gy", "marrow-2Gy"], cycles, lambda _region: None)
    assert not found
    assert [(each.at_least_gy, each.passed, each.decides) for each in unjudged] == [
        (12.0, False, True), (12.0, True, True), (0.0, False, False),
    ]  # fmt: skip
    proposal = strategy("fixed")(Situation(cycle=3, kidneys={}, kidney_so_far_gy={}))

    def action(*which, required):
        plan = plan_activity(
            proposal, (), probability=0.05, unjudged=[unjudged[i] for i in which], required=required
        )
        assert plan.activity_bq == {"give": 7.4e9, "hold": None, "stop": 0}[plan.action]
        return plan.action

    assert [action(0, required=False), action(0, required=True), action(0, 1, required=False)] == [
        "give",
        "hold",
        "stop",
    ]
    # the marrow neither holds nor stops
    assert action(2, required=True) == "give"
    tailored = strategy("tailored-4th")(Situation(cycle=4, kidneys={}, kidney_so_far_gy={}))
    assert plan_activity(tailored, (), probability=0.05, unjudged=unjudged[:1], required=False).action == "hold"


def test_what_toxicity_lowers_is_a_reduction():
    bounds = replace(
        bounds_of(read_protocol("us-label"), cycle=2, given_bq=7.4e9), highest_bq=3.7e9, clipped_by="Platelets."
    )
    plan = planned("fixed", course(4.0), cycle=2, bounds=bounds, usual_bq=7.4e9)
    assert (plan.action, plan.activity_bq) == ("reduce", 3.7e9)
    assert "Platelets." in plan.reasons


@pytest.mark.parametrize("protocol", ["bi213-dotatoc", "at211-mabg", "vmt-alpha-net"])
@pytest.mark.parametrize("name", ["fixed", "fixed-until-limit", "tailored-4th"])
def test_a_strategys_activity_never_stands_in_for_a_protocols(protocol, name):
    bounds = bounds_of(read_protocol(protocol), cycle=1, given_bq=0.0, mass_kg=70.0)
    for cycle in (1, 4):
        with pytest.raises(MissingDataError, match="the physician decides on it"):
            planned(name, Cycles(), cycle=cycle, bounds=bounds, unstated=bounds.unstated)
