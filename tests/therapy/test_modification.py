"""The dose modifications of the US label, row by row, all from the shipped protocol."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from lutetia.errors import InputError, ProtocolError
from lutetia.response.laboratory.result import LabResult
from lutetia.therapy.chronicle import Chronicle, Given, Measured
from lutetia.therapy.facts import Fact
from lutetia.therapy.modification import modification_state
from lutetia.therapy.protocols import read_protocol

LABEL = read_protocol("us-label")
EU = read_protocol("eu-smpc")
START = date(2026, 1, 5)


def week(number, day=0):
    return START + timedelta(weeks=number, days=day)


def given(number, activity_mbq=7400.0):
    return Given(date=week(number), activity_bq=activity_mbq * 1e6)


def lab(test, number, value, unit="10^9/L", *, lower=None, upper=None):
    day = week(number)
    result = LabResult(
        test=test, time=datetime(day.year, day.month, day.day), value=value, unit=unit, lower_limit=lower,
        upper_limit=upper,
    )  # fmt: skip
    return Measured(date=day, result=result)


def platelets(number, value, lower=150):
    return lab("platelets", number, value, lower=lower)


def noted(**values):
    """Facts by item: pairs of week and value."""
    return {
        name: tuple(
            Fact(value=value, date=week(at), unit="%" if "prothrombin" in name else "") for at, value in pairs
        )
        for name, pairs in values.items()
    }


def moves(result):
    return [(step.rule, step.before, step.after) for step in result.steps if step.before != step.after]


def test_i_held_reduced_and_full_again():
    # spec/clinical.md 2.1 test (i): 60 at week 7 is grade 2, 80 with LLN 150 is grade 1
    course = Chronicle(administrations=(given(0),), labs=(platelets(7, 60), platelets(10, 80)))
    held = modification_state(LABEL, course, week(8))
    assert (held.state, held.activity_bq, held.held_by) == ("HELD", None, ("thrombocytopenia",))
    assert held.steps[-1].found == "platelets 60 10^9/L of 2026-02-23, grade 2"
    assert held.steps[-1].expected == "CTCAE grade of thrombocytopenia ≥ 2"
    reduced = modification_state(LABEL, course, week(10))
    assert (reduced.state, reduced.activity_bq) == ("REDUCED", 3.7e9)
    course = replace(course, administrations=(given(0), given(10, 3700)), labs=(*course.labs, platelets(15, 140)))
    # nothing is known after the reduced administration yet
    assert modification_state(LABEL, course, week(14)).activity_bq == 3.7e9
    full = modification_state(LABEL, course, week(18))
    assert (full.state, full.activity_bq) == ("FULL", 7.4e9)
    assert moves(full) == [
        ("thrombocytopenia", "FULL", "HELD"),
        ("thrombocytopenia", "HELD", "REDUCED"),
        ("thrombocytopenia", "REDUCED", "FULL"),
    ]


@pytest.mark.parametrize("after", [(15,), (14, 17)])
def test_ii_again_after_the_reduced_activity_stops(after):
    # spec/clinical.md 2.1 test (ii); also where a good value in between led back to full
    later = [platelets(number, 160) for number in after[:-1]] + [platelets(after[-1], 60)]
    course = Chronicle(
        administrations=(given(0), given(10, 3700)), labs=(platelets(7, 60), platelets(10, 80), *later)
    )
    result = modification_state(LABEL, course, week(30))
    assert (result.state, result.activity_bq) == ("STOPPED", None)
    assert "again after an administration that followed its hold" in result.steps[-1].what


def test_relapse_before_the_reduced_administration_is_the_same_episode():
    course = Chronicle(
        administrations=(given(0),), labs=(platelets(7, 60), platelets(9, 80), platelets(10, 60), platelets(12, 90))
    )
    assert [move[2] for move in moves(modification_state(LABEL, course, week(12)))] == [
        "HELD", "REDUCED", "HELD", "REDUCED",
    ]  # fmt: skip


def test_iii_lymphopenia_alone_modifies_nothing():
    # spec/clinical.md 2.1 test (iii): lymphocytes 0.1 are grade 4
    course = Chronicle(administrations=(given(0),), labs=(lab("lymphocytes", 5, 0.1, lower=1.0),))
    result = modification_state(LABEL, course, week(8))
    assert (result.state, result.activity_bq, moves(result)) == ("FULL", 7.4e9, [])
    (step,) = [step for step in result.steps if step.rule == "lymphopenia"]
    assert step.what.endswith("modifies nothing")
    assert step.found == "lymphocytes 0.1 10^9/L of 2026-02-09, grade 4"


@pytest.mark.parametrize(("creatinine", "state"), [(1.13, "HELD"), (1.12, "HELD"), (1.119, "FULL")])
def test_iv_rise_of_creatinine(creatinine, state):
    # spec/clinical.md 2.1 test (iv): 0.8 to 1.13 mg/dL is +41.25 %; 1.12 is +40 %, the threshold itself
    course = Chronicle(
        administrations=(given(0),),
        labs=(
            lab("creatinine", 0, 0.8, "mg/dL"),
            lab("creatinine", 5, creatinine, "mg/dL"),
            lab("creatinine clearance", 0, 90, "mL/min"),
            lab("creatinine clearance", 5, 70, "mL/min"),
        ),
    )
    assert modification_state(LABEL, course, week(6)).state == state


G = "grade_other_non_haematological"
ROWS = [  # rule, trigger, just not, resolved, not yet resolved; spec/clinical.md 2.1, table, by CTCAE 5.0 of 2.9
    ("thrombocytopenia", platelets(5, 74), platelets(5, 75), platelets(8, 75), platelets(8, 74)),
    (
        "anaemia",
        lab("haemoglobin", 5, 7.9, "g/dL", lower=12),
        lab("haemoglobin", 5, 8.0, "g/dL", lower=12),
        lab("haemoglobin", 8, 8.0, "g/dL", lower=12),
        lab("haemoglobin", 8, 7.9, "g/dL", lower=12),
    ),
    (
        "neutropenia",
        lab("neutrophils", 5, 0.99, lower=1.8),
        lab("neutrophils", 5, 1.0, lower=1.8),
        lab("neutrophils", 8, 1.0, lower=1.8),
        lab("neutrophils", 8, 0.9, lower=1.8),
    ),
    (
        "renal",
        lab("creatinine clearance", 5, 39.9, "mL/min"),
        None,
        {"renal_toxicity_resolved": [(8, True)]},
        {"renal_toxicity_resolved": [(8, False)]},
    ),
    (
        "hepatic",
        lab("bilirubin", 5, 64, "µmol/L", upper=21),
        # 63 = 3 x 21 is not above; albumin says the rest
        (lab("bilirubin", 5, 63, "µmol/L", upper=21), lab("albumin", 5, 40, "g/L")),
        {"hepatic_toxicity_resolved": [(8, True)]},
        {"hepatic_toxicity_resolved": [(8, False)]},
    ),
    ("other", {G: [(5, 3)]}, {G: [(5, 2)]}, {G: [(8, 2)]}, {G: [(8, 3)]}),
]


def course_of(*entries):
    labs, facts = [], {}
    for entry in entries:
        if isinstance(entry, dict):
            for name, values in noted(**entry).items():
                facts[name] = (*facts.get(name, ()), *values)
        elif isinstance(entry, tuple):
            labs += entry
        elif entry is not None:
            labs.append(entry)
    return Chronicle(administrations=(given(0),), labs=tuple(labs), facts=facts)


@pytest.mark.parametrize("protocol", [LABEL, EU], ids=lambda protocol: protocol.id)
@pytest.mark.parametrize(("rule", "trigger", "below", "resolved", "lasting"), ROWS, ids=[row[0] for row in ROWS])
def test_every_row_of_the_table(protocol, rule, trigger, below, resolved, lasting):
    held = modification_state(protocol, course_of(trigger), week(9))
    assert (held.state, held.held_by, held.stops_on) == ("HELD", (rule,), week(16))
    assert modification_state(protocol, course_of(below), week(9)).state == "FULL"
    assert modification_state(protocol, course_of(trigger, lasting), week(9)).state == "HELD"
    resumed = modification_state(protocol, course_of(trigger, resolved), week(9))
    assert (resumed.state, resumed.activity_bq) == ("REDUCED", 3.7e9)
    assert modification_state(protocol, course_of(trigger), week(16)).state == "STOPPED"
    (step,) = [step for step in held.steps if step.rule == rule]
    (row,) = [row for row in protocol.modifications if row.id == rule]
    assert (step.source, step.verified) == (row.origin.source, row.origin.verified)


def test_hepatic_by_synthesis():
    # albumin < 30 g/L with prothrombin ratio < 70 %, label table 2
    labs = (lab("albumin", 5, 29, "g/L"), lab("bilirubin", 5, 10, "µmol/L", upper=21))
    low = modification_state(LABEL, course_of(labs, {"prothrombin_ratio": [(5, 69)]}), week(6))
    assert low.held_by == ("hepatic",)
    good = modification_state(LABEL, course_of(labs, {"prothrombin_ratio": [(5, 70)]}), week(6))
    assert good.state == "FULL"


def test_hypersensitivity_never_again():
    course = course_of({"hypersensitivity_grade": [(0, 3)]})
    result = modification_state(LABEL, course, week(1))
    assert (result.state, moves(result)) == ("STOPPED", [("hypersensitivity", "FULL", "STOPPED")])
    assert modification_state(LABEL, course_of({"hypersensitivity_grade": [(0, 2)]}), week(1)).state == "FULL"


@pytest.mark.parametrize(
    ("reading", "last_day"),
    [
        # 16 weeks since the administration: stopped on day 112
        (None, 112),
        ("last_administration", 112),
        # 16 weeks since the due day, 8 weeks after the administration: stopped on day 168
        ("due_date", 168),
    ],
)
def test_both_readings_of_the_delay_at_their_days(reading, last_day):
    course = Chronicle(administrations=(given(0),), labs=(platelets(7, 60),))
    before = modification_state(LABEL, course, week(0, last_day - 1), counted_from=reading)
    assert (before.state, before.stops_on) == ("HELD", week(0, last_day))
    after = modification_state(LABEL, course, week(0, last_day), counted_from=reading)
    assert (after.state, after.stops_on) == ("STOPPED", None)
    assert after.counted_from == (reading or "last_administration")
    assert (after.steps[-1].rule, after.steps[-1].date) == ("delay", week(0, last_day))
    assert f"counted from the {after.counted_from.replace('_', ' ')}" in after.steps[-1].what
    # resolved on the last day it goes on, a day later it does not
    for day, state in ((last_day - 1, "REDUCED"), (last_day, "STOPPED")):
        at = week(0, day)
        good = Measured(date=at, result=replace(platelets(0, 160).result, time=datetime(at.year, at.month, at.day)))
        late = replace(course, labs=(*course.labs, good))
        assert modification_state(LABEL, late, at, counted_from=reading).state == state


def test_an_open_grade_is_unknown_and_named():
    # 120 without a lower limit is grade 0 or 1: no trigger at 2, but undecided for one at 1
    course = Chronicle(administrations=(given(0),), labs=(platelets(5, 120, lower=None),))
    assert modification_state(LABEL, course, week(6)).state == "FULL"
    assert modification_state(LABEL, course, week(6)).undecided == ()
    strict = replace(
        LABEL,
        modifications=tuple(
            replace(rule, trigger=replace(rule.trigger, lower=replace(rule.trigger.lower, value=1)))
            if rule.id == "thrombocytopenia"
            else rule
            for rule in LABEL.modifications
        ),
    )
    result = modification_state(strict, course, week(6))
    assert (result.state, result.activity_bq) == ("FULL", None)
    assert result.reason == "thrombocytopenia cannot be judged"
    (undecided,) = result.undecided
    assert "platelets 120 10^9/L of 2026-02-09, grade 0 to 1" in undecided.missing[0]


def test_an_open_grade_ends_no_hold():
    # 120 without a lower limit is grade 0 or 1: enough for "at most 1", not for "at most 0"
    course = Chronicle(administrations=(given(0),), labs=(platelets(5, 60), platelets(8, 120, lower=None)))
    assert modification_state(LABEL, course, week(9)).state == "REDUCED"
    strict = replace(
        LABEL,
        modifications=tuple(
            replace(
                rule, withhold_until=replace(rule.withhold_until, upper=replace(rule.withhold_until.upper, value=0))
            )
            if rule.id == "thrombocytopenia"
            else rule
            for rule in LABEL.modifications
        ),
    )
    result = modification_state(strict, course, week(9))
    assert result.state == "HELD"
    assert "platelets 120 10^9/L of 2026-03-02, grade 0 to 1" in result.undecided[0].missing[0]


def test_a_grade_by_a_person_comes_before_the_computed_one():
    course = course_of(platelets(5, 60), {"grade_thrombocytopenia": [(5, 1)]})
    assert modification_state(LABEL, course, week(6)).state == "FULL"


def test_what_is_missing_is_named_and_what_was_never_noted():
    course = Chronicle(administrations=(given(0),), labs=(lab("bilirubin", 5, 60, "µmol/L"),))
    result = modification_state(LABEL, course, week(6))
    assert result.activity_bq is None
    assert result.undecided[0].missing[0] == "upper_limit of bilirubin"
    assert set(result.not_noted) == {
        "thrombocytopenia",
        "anaemia",
        "neutropenia",
        "renal",
        "hypersensitivity",
        "other",
    }


def test_a_resolution_noted_before_the_trigger_ends_no_hold():
    course = course_of(
        {"renal_toxicity_resolved": [(4, True)]}, lab("creatinine clearance", 5, 39, "mL/min"), platelets(6, 160)
    )
    assert modification_state(LABEL, course, week(9)).held_by == ("renal",)


def test_a_clearance_from_before_the_end_of_the_hold_is_no_recurrence():
    # 35 mL/min (< 40, spec/clinical.md 2.1) held and was resolved; a creatinine alone says nothing of the clearance now
    course = Chronicle(
        administrations=(given(0), given(8, 3700)),
        labs=(
            lab("creatinine", 0, 0.8, "mg/dL"), lab("creatinine clearance", 4, 35, "mL/min"),
            lab("creatinine", 12, 0.8, "mg/dL"),
        ),
        facts=noted(renal_toxicity_resolved=[(6, True)]),
    )  # fmt: skip
    found = modification_state(LABEL, course, week(12))
    assert moves(found) == [("renal", "FULL", "HELD"), ("renal", "HELD", "REDUCED")]
    assert [each.missing for each in found.undecided] == [("creatinine_clearance", "creatinine_clearance_fall")]
    assert found.activity_bq is None
    # measured again and low: a recurrence; measured again and normal: none
    for clearance, state in ((35, "STOPPED"), (90, "REDUCED")):
        again = replace(course, labs=(*course.labs, lab("creatinine clearance", 13, clearance, "mL/min")))
        assert modification_state(LABEL, again, week(13)).state == state


def test_two_holds_end_with_the_later():
    course = course_of(platelets(5, 60), {G: [(6, 3), (9, 1)]}, platelets(8, 160))
    assert modification_state(LABEL, course, week(8)).held_by == ("other",)
    result = modification_state(LABEL, course, week(9))
    assert (result.state, result.reason) == ("REDUCED", "reduced by thrombocytopenia, other")


def test_departures_are_told():
    course = Chronicle(administrations=(given(0), given(8)), labs=(platelets(7, 60),))
    result = modification_state(LABEL, course, week(9))
    assert result.state == "HELD"
    assert "2026-03-02: 7400 MBq given, but held by thrombocytopenia." in result.warnings
    half = modification_state(LABEL, Chronicle(administrations=(given(0, 3700),)), week(1))
    assert "2026-01-05: 3700 MBq given, 7400 MBq allowed." in half.warnings
    # NCT01860742 states 5 %: 7.03 to 7.77 GBq (spec/clinical.md E05)
    phase3 = read_protocol("bordet-phase-3")
    for activity, fine in ((7030, True), (7770, True), (7029, False), (7771, False)):
        told = modification_state(phase3, Chronicle(administrations=(given(0, activity),)), week(1)).warnings
        assert any("allowed" in text for text in told) is not fine


def test_all_cycles_given_and_what_other_protocols_say():
    course = Chronicle(administrations=tuple(given(8 * number) for number in range(4)))
    done = modification_state(LABEL, course, week(40))
    assert (done.activity_bq, done.reason) == (None, "all 4 administrations are given")
    third = replace(course, administrations=course.administrations[:3])
    tailored = modification_state(read_protocol("bordet-phase-3"), third, week(30))
    assert tailored.reason == "cycle 4 is tailored by absorbed dose, 4600 to 7400 MBq"
    by_mass = modification_state(read_protocol("ac225-dotatate"), Chronicle(), week(0))
    assert by_mass.activity_bq is None
    assert "states no dose modifications" in by_mass.warnings[-1]


def test_before_the_first_administration_nothing_is_modified():
    course = Chronicle(administrations=(given(2),), labs=(platelets(0, 60), platelets(1, 160)))
    assert modification_state(LABEL, course, week(3)).state == "FULL"


def test_times_tell_the_order_of_a_day():
    morning, noon = datetime(2026, 3, 2, 8), datetime(2026, 3, 2, 12)
    for first, second, warned in ((morning, noon, True), (noon, morning, False)):
        course = Chronicle(
            administrations=(given(0), Given(date=second, activity_bq=7.4e9)),
            labs=(replace(platelets(8, 60), date=first),),
        )
        warnings = modification_state(LABEL, course, week(9)).warnings
        assert any("but held" in text for text in warnings) is warned


def test_refusals():
    with pytest.raises(InputError, match="counted_from 'today'; expected last_administration or due_date"):
        modification_state(LABEL, Chronicle(), START, counted_from="today")
    with pytest.raises(InputError, match="two administrations on 2026-01-05"):
        modification_state(LABEL, Chronicle(administrations=(given(0), given(0))), START)
    with pytest.raises(InputError, match="expected more than 0"):
        modification_state(LABEL, Chronicle(administrations=(given(0, -1),)), START)
    with pytest.raises(ProtocolError, match="no interval, so that no delay counts from a due date"):
        modification_state(replace(LABEL, interval=None), Chronicle(), START, counted_from="due_date")
