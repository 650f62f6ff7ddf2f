"""What the rules see of a course that is kept record by record."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from lutetia.errors import InputError
from lutetia.therapy.chronicle import findings_of, view_of
from lutetia.therapy.chronicle.of_course import facts_with_grades
from lutetia.therapy.course import (
    Administration,
    Course,
    DayEvent,
    Diagnosis,
    Event,
    Lab,
    Medication,
    Observation,
    Patient,
    SstrRead,
)
from lutetia.therapy.eligibility import evaluate
from lutetia.therapy.modification import modification_state
from lutetia.therapy.protocols import read_protocol

FIRST = datetime(2026, 3, 2, 10, 15)
TODAY = date(2026, 4, 20)
PATIENT = Patient(pseudonym="NET-1", sex="male", birth_date=date(1961, 5, 2))
LABEL = read_protocol("us-label")


def lab(test, value, unit, days=0, lower=None, upper=None, comparator=""):
    time = datetime(2026, 3, 2, 8) + timedelta(days=days)
    return Lab(
        test=test, time=time, value=value, unit=unit, lower_limit=lower, upper_limit=upper, comparator=comparator
    )


def given(cycle=1, days=0, activity_bq=7.4e9):
    at = FIRST + timedelta(days=days)
    return Administration(
        cycle=cycle,
        agent="177Lu-DOTATATE",
        nuclide="Lu-177",
        start=at,
        stop=at + timedelta(minutes=30),
        measured_activity_bq=activity_bq,
        measured_at=at,
        residual_activity_bq=0.0,
        residual_measured_at=at,
        events=(DayEvent(name="amino acids", start=at - timedelta(minutes=30)),),
    )


def facts_of(course, as_of=TODAY):
    return view_of(course, as_of).chronicle.facts


def only(course, name, as_of=TODAY):
    (fact,) = facts_of(course, as_of)[name]
    return fact.value, fact.date


def test_what_was_diagnosed():
    course = Course(
        patient=PATIENT,
        diagnoses=(
            Diagnosis(date=date(2024, 6, 3), histology="NET", primary_site="Ileum", grade="G2", ki67_percent=8,
                      metastatic_since=date(2025, 1, 1)),
        ),
        sstr_reads=(SstrRead(date=date(2026, 1, 15), tracer="68Ga-DOTATATE", krenning=4),),
    )  # fmt: skip
    assert only(course, "origin") == ("midgut", date(2024, 6, 3))
    assert only(course, "grade")[0] == "G2"
    assert only(course, "ki67")[0] == 8
    assert only(course, "histology_confirmed")[0] is True
    assert only(course, "unresectable_or_metastatic") == (True, date(2025, 1, 1))
    assert only(course, "krenning_score")[0] == 4
    assert "krenning_score" not in facts_of(course, date(2026, 1, 14))


def test_drugs_end_or_last():
    course = Course(
        patient=PATIENT,
        medications=(
            Medication(
                name="octreotide LAR", drug_class="Long-acting SSA", start=date(2025, 6, 1), end=date(2026, 2, 1)
            ),
            Medication(name="octreotide", drug_class="short-acting SSA", start=date(2026, 2, 1)),
            Medication(name="metformin", drug_class="biguanide", start=date(2020, 1, 1)),
        ),
    )
    assert only(course, "long_acting_ssa") == (True, date(2026, 2, 1))
    assert only(course, "short_acting_ssa") == (True, TODAY)
    assert any(
        "No rule knows the class of a drug begun on 2020-01-01" in told for told in view_of(course, TODAY).warnings
    )


def test_clearance_is_cockcroft_gault_with_the_last_weight():
    course = Course(
        patient=PATIENT,
        labs=(lab("creatinine", 1.0, "mg/dL"), lab("creatinine", 88.42, "µmol/L", days=10)),
        observations=(
            Observation(name="weight", time=date(2026, 2, 1), value=70, unit="kg"),
            Observation(name="weight", time=date(2026, 3, 10), value=60, unit="kg"),
        ),
    )
    # (140 - age) weight / 72 with an age of 64.83 years (64 y 304 d); 88.42 umol/L is 1 mg/dL
    values = [fact.value for fact in facts_of(course)["creatinine_clearance"]]
    assert values == pytest.approx([(140 - 64.83) * 70 / 72, (140 - 64.86) * 60 / 72], rel=1e-4)


def test_measured_clearance_counts():
    course = Course(
        patient=PATIENT,
        labs=(lab("creatinine", 1.0, "mg/dL"), lab("creatinine clearance", 55, "mL/min")),
        observations=(Observation(name="weight", time=date(2026, 2, 1), value=70, unit="kg"),),
    )
    findings = findings_of(view_of(course, TODAY).chronicle, "5.0")
    assert [fact.value for fact in findings.facts["creatinine_clearance"]] == [55]


def test_no_clearance_without_weight_is_told():
    view = view_of(Course(patient=PATIENT, labs=(lab("creatinine", 1.0, "mg/dL"),)), TODAY)
    assert view.warnings == ("No creatinine clearance is computed without weight.",)


def test_worst_of_the_events_that_last():
    course = Course(
        patient=PATIENT,
        events=(
            Event(term="nausea", grade=1, ctcae_version="5.0", start=date(2026, 3, 2), end=date(2026, 3, 4)),
            Event(term="fatigue", grade=2, ctcae_version="5.0", start=date(2026, 3, 3), end=date(2026, 3, 10)),
            Event(term="Platelet count decreased", grade=2, ctcae_version="4.03", start=date(2026, 3, 20)),
        ),
    )
    view = view_of(course, TODAY, ctcae_version="5.0")
    other = [(fact.date.day, fact.value) for fact in view.chronicle.facts["grade_other_non_haematological"]]
    assert other == [(2, 1), (3, 2), (4, 2), (10, 0)]
    assert view.chronicle.facts["grade_thrombocytopenia"][0].value == 2
    assert len(view.warnings) == 1
    assert "graded by CTCAE 4.03" in view.warnings[0]


def test_an_event_of_one_day_ends_its_hold():
    # vomiting of grade 3 on one day: other non-haematological toxicity of the label, over on the next day
    vomiting = Event(term="Vomiting", grade=3, ctcae_version="5.0", start=date(2026, 3, 4), end=date(2026, 3, 4))
    course = Course(patient=PATIENT, administrations=(given(),), events=(vomiting,))
    states = [
        modification_state(LABEL, view_of(course, when).chronicle, when).state
        for when in (date(2026, 3, 4), date(2026, 3, 5), date(2026, 8, 1))
    ]
    assert states == ["HELD", "REDUCED", "REDUCED"]
    assert [fact.date.day for fact in facts_of(course, date(2026, 3, 4))["grade_other_non_haematological"]] == [4]


def test_birth_year_gives_the_youngest_age():
    view = view_of(Course(patient=Patient(pseudonym="a", sex="female", birth_year=1961)), TODAY)
    assert view.chronicle.facts["birth_date"][0].value == date(1961, 12, 31)
    assert "youngest" in view.warnings[0]


def test_bounds_and_unknown_tests_are_told():
    course = Course(
        patient=PATIENT, labs=(lab("bilirubin", 3, "µmol/L", upper=21, comparator="<"), lab("gastrin", 40, "ng/L"))
    )
    told = view_of(course, TODAY).warnings
    assert told == (
        "bilirubin of 2026-03-02 is given as < 3 µmol/L; a rule that this does not decide is not known.",
        "No rule knows the laboratory test of 2026-03-02 08:00: gastrin.",
    )


def test_thrombocytopenia_holds_and_reduces():
    """The label's row for platelets, from stored records to the next activity: grade 2 holds, back at 1 halves."""
    start = Course(patient=PATIENT, administrations=(given(),), labs=(lab("platelets", 187, "10^9/L", lower=150),))
    low = start.with_records(lab("platelets", 62, "10^9/L", days=28, lower=150))
    back = low.with_records(lab("platelets", 110, "10^9/L", days=42, lower=150))

    def state(course):
        found = modification_state(LABEL, view_of(course, TODAY).chronicle, TODAY)
        return found.state, found.activity_bq

    assert state(start) == ("FULL", pytest.approx(7.4e9))
    assert state(low) == ("HELD", None)
    assert state(back) == ("REDUCED", pytest.approx(3.7e9))


def test_grades_answer_eligibility():
    course = Course(
        patient=PATIENT,
        administrations=(given(),),
        labs=(
            lab("platelets", 62, "10^9/L", days=28, lower=150),
            lab("haemoglobin", 9.5, "g/dL", days=28, lower=13),
        ),
    )
    findings = findings_of(view_of(course, TODAY).chronicle, "5.0")
    rules = {one.id: one.state for one in evaluate(LABEL, facts_with_grades(findings), TODAY, "retreatment").rules}
    assert (rules["platelets"], rules["anaemia"], rules["neutropenia"]) == ("not_met", "met", "unknown")


def test_unknown_activity_is_not_judged():
    nobody = Administration(cycle=1, agent="177Lu-DOTATATE", nuclide="Lu-177", start=FIRST)
    state = modification_state(
        LABEL, view_of(Course(patient=PATIENT, administrations=(nobody,)), TODAY).chronicle, TODAY
    )
    assert state.cycles_given == 1
    assert any("the activity given is not known" in told for told in state.warnings)


def test_earlier_treatment_is_not_of_the_protocol():
    course = Course(patient=PATIENT, administrations=(given(1), given(2, days=400)))
    view = view_of(course, date(2027, 5, 1), since=date(2027, 1, 1))
    assert [one.date for one in view.chronicle.administrations] == [FIRST + timedelta(days=400)]
    # an enrolment that was noted late would make a fifth cycle a first one, so it is told
    assert view.warnings == (
        "Given before the enrolment of 2027-01-01, and not counted as of the protocol: cycle 1. Correct the enrolment's "
        "date if it is of the protocol.",
    )


def test_other_nuclides_are_not_cycles_of_the_protocol():
    other = Administration(cycle=2, agent="90Y-DOTATOC", nuclide="Y-90", start=FIRST + timedelta(days=60))
    view = view_of(Course(patient=PATIENT, administrations=(given(), other)), date(2026, 9, 1), nuclide="Lu-177")
    assert [one.date for one in view.chronicle.administrations] == [FIRST]
    assert view.warnings == ("Cycle 2 of 90Y-DOTATOC is not counted as a cycle of the protocol.",)


def test_a_clearance_that_rises_a_lot_can_be_asked_about():
    course = Course(
        patient=PATIENT,
        administrations=(given(),),
        labs=(lab("creatinine clearance", 15, "mL/min"), lab("creatinine clearance", 110, "mL/min", days=20)),
    )
    findings = findings_of(view_of(course, TODAY).chronicle, "5.0")
    # of 15 to 110 mL/min: a fall of -633 %
    assert findings.facts["creatinine_clearance_fall"][0].value == pytest.approx(-100 * (110 / 15 - 1))


def test_the_day_is_seen_to_the_minute():
    events = view_of(Course(patient=PATIENT, administrations=(given(),)), TODAY).chronicle.given
    assert [(one.event, one.start) for one in events] == [
        ("agent", FIRST),
        ("amino-acids", FIRST - timedelta(minutes=30)),
    ]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Observation(name="weight", time=TODAY, value=70), "observation.unit: body_mass has no unit"),
        (lambda: Observation(name="weight", time=TODAY, value=7000, unit="kg"), "observation.value: .* cannot be believed"),
        (lambda: Observation(name="tumour", time=TODAY, value="NET"), "observation.value: .*expected one of GEP-NET"),
        (lambda: Observation(name="pregnant", time=TODAY, value=1.0), "observation.value: .*expected true or false"),
        (lambda: lab("platelets", 187000, "10^9/L"), "lab.value: .*is the unit right"),
        (lambda: lab("creatinine", 1.0, "g/dL"), "lab.unit: unknown unit of creatinine; expected one of"),
    ],
)  # fmt: skip
def test_what_a_rule_could_not_take_is_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_uptakes_give_a_score_where_no_reader_did():
    read = SstrRead(date=date(2026, 1, 15), tracer="68Ga-DOTATATE", lesion=12.0, liver=6.0, spleen=20.0)
    assert only(Course(patient=PATIENT, sstr_reads=(read,)), "krenning_score")[0] == 3
    with pytest.raises(InputError, match=r"sstr\.liver: 0 cannot be"):
        SstrRead(date=date(2026, 1, 15), tracer="68Ga-DOTATATE", lesion=12.0, liver=0.0)


@pytest.mark.parametrize(
    ("test", "value", "unit", "comparator", "held", "undecided"),
    [
        # laboratories print < 40 mL/min and > 60 mL/min; the label holds below 40, and at neutrophils below 1.0
        ("creatinine clearance", 40, "mL/min", "<", ("renal",), ()),
        ("creatinine clearance", 60, "mL/min", "<", (), ("renal",)),
        ("neutrophils", 1.0, "10^9/L", "<", ("neutropenia",), ()),
        ("neutrophils", 1.5, "10^9/L", "<", (), ("neutropenia",)),
        ("neutrophils", 1.0, "10^9/L", ">", (), ()),
        ("platelets", 75, "10^9/L", "<", ("thrombocytopenia",), ()),
    ],
)
def test_a_value_below_a_bound_is_not_the_bound(test, value, unit, comparator, held, undecided):
    course = Course(
        patient=PATIENT, administrations=(given(),),
        labs=(
            lab("creatinine clearance", 90, "mL/min", days=-1), lab("creatinine", 0.8, "mg/dL", days=-1),
            lab("creatinine", 0.8, "mg/dL", days=28), lab("creatinine clearance", 90, "mL/min", days=27),
            lab(test, value, unit, days=28, comparator=comparator),
        ),
    )  # fmt: skip
    found = modification_state(LABEL, view_of(course, TODAY).chronicle, TODAY)
    assert (found.held_by, tuple(one.rule for one in found.undecided)) == (held, undecided)


@pytest.mark.parametrize(("grade", "state"), [(3, "HELD"), (2, "FULL"), (0, "FULL")])
def test_a_grade_noted_by_a_person_is_not_undone_by_a_value_of_its_day(grade, state):
    # haemoglobin 8.5 g/dL is grade 2 by value; a transfusion makes anaemia grade 3 (CTCAE v5), which a person notes
    course = Course(
        patient=PATIENT,
        administrations=(given(),),
        labs=(lab("Hb", 8.5, "g/dL", days=28, lower=12),),
        events=(Event(term="Anemia", grade=grade, ctcae_version="5.0", start=date(2026, 3, 30)),),
    )
    chronicle = view_of(course, TODAY).chronicle
    assert modification_state(LABEL, chronicle, TODAY).state == state
    last = facts_with_grades(findings_of(chronicle, "5.0"))["grade_anaemia"][-1]
    assert last.value == max(grade, 2)


def test_one_value_in_two_spellings_is_no_contradiction():
    # a day and its first moment are one moment; two methods that agree are one value
    course = Course(
        patient=PATIENT,
        observations=(
            Observation(name="weight", time=date(2026, 3, 1), value=80, unit="kg"),
            Observation(name="weight", time=datetime(2026, 3, 1), value=80, unit="kg"),
            Observation(name="pregnant", time=datetime.combine(TODAY, datetime.min.time()), value=False),
        ),
        labs=(replace(lab("creatinine", 0.8, "mg/dL"), method="Jaffe"), lab("creatinine", 0.8, "mg/dL")),
    )
    assert len(findings_of(view_of(course, TODAY).chronicle, "5.0").facts["creatinine"]) == 1


def test_two_methods_that_differ_are_refused_with_a_way_out():
    course = Course(
        patient=PATIENT, labs=(replace(lab("creatinine", 0.9, "mg/dL"), method="Jaffe"), lab("creatinine", 0.8, "mg/dL"))
    )  # fmt: skip
    with pytest.raises(
        InputError, match=r"creatinine of 2026-03-02 08:00 has two values by different methods.*withdraw"
    ):
        view_of(course, TODAY)


def test_what_no_rule_looks_at_and_a_later_weight_are_told():
    bilirubin = Event(term="Blood bilirubin increased", grade=3, ctcae_version="5.0", start=date(2026, 3, 5))
    course = Course(
        patient=PATIENT,
        events=(bilirubin,),
        labs=(lab("creatinine", 0.8, "mg/dL"),),
        observations=(Observation(name="weight", time=date(2026, 4, 1), value=80, unit="kg"),),
    )
    told = view_of(course, TODAY).warnings
    assert told[0] == (
        "No rule looks at an event of 2026-03-05, grade 3: Blood bilirubin increased; rules judge it by laboratory values "
        "alone."
    )
    assert told[1] == "Creatinines before 2026-04-01, the first weight, are taken with that one."


def test_a_day_before_birth_is_refused():
    with pytest.raises(InputError, match="1950-01-01, is before birth"):
        view_of(Course(patient=PATIENT), date(1950, 1, 1))
