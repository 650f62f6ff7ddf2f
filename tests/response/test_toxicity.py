"""Toxicity grades: the printed table, every bound of the data from both sides, and what cannot be told."""

from datetime import datetime, timedelta

import pytest

from lutetia.errors import InputError, MissingDataError, ProtocolError
from lutetia.response.laboratory import LabResult, convert, find_test, laboratory_tests
from lutetia.response.toxicity import criteria, grade, grades_by_term, nadir_and_recovery, versions
from lutetia.response.toxicity.criteria import read_criteria

DAY = datetime(2026, 3, 2)


def lab(test, value, unit, low=None, high=None, day=0):
    return LabResult(
        test=test, time=DAY + timedelta(days=day), value=value, unit=unit, lower_limit=low, upper_limit=high
    )


# the printed table of CTCAE 5.0: grade at the value, with limits of normal

COUNTS = [("platelets", 150, (75, 50, 25)), ("neutrophils", 2.0, (1.5, 1.0, 0.5)), ("lymphocytes", 1.1, (0.8, 0.5, 0.2)),
          ("leukocytes", 4.0, (3.0, 2.0, 1.0))]  # fmt: skip
HIGH = [("creatinine", "umol/L", 100, (1.5, 3, 6)), ("ALT", "U/L", 40, (3, 5, 20)), ("AST", "U/L", 40, (3, 5, 20)),
        ("bilirubin", "umol/L", 20, (1.5, 3, 10)), ("ALP", "U/L", 120, (2.5, 5, 20))]  # fmt: skip


@pytest.mark.parametrize(("test", "lower", "bounds"), COUNTS)
def test_counts_of_the_printed_table(test, lower, bounds):
    def of(value):
        return grade(lab(test, value, "10^9/L", lower)).grade

    assert (of(lower), of(lower * 0.99)) == (0, 1)
    for g, bound in enumerate(bounds, start=2):
        assert (of(bound), of(bound * 0.99)) == (g - 1, g)


@pytest.mark.parametrize(("test", "unit", "upper", "factors"), HIGH)
def test_multiples_of_the_upper_limit_of_the_printed_table(test, unit, upper, factors):
    def of(value):
        return grade(lab(test, value, unit, None, upper), baseline=lab(test, upper, unit, None, upper)).grade

    assert (of(upper), of(upper * 1.01)) == (0, 1)
    for g, factor in enumerate(factors, start=2):
        assert (of(factor * upper), of(factor * upper * 1.01)) == (g - 1, g)


@pytest.mark.parametrize(
    ("value", "unit", "low", "expected"),
    [(13.0, "g/dL", 12.0, 0), (11.9, "g/dL", 12.0, 1), (10.0, "g/dL", 12.0, 1), (9.9, "g/dL", 12.0, 2),
     (8.0, "g/dL", 12.0, 2), (7.9, "g/dL", 12.0, 3), (4.0, "g/dL", 12.0, 3), (80, "g/L", 120, 2), (79, "g/L", 120, 3),
     # CTCAE prints 6.2 and 4.9 mmol/L, which are 9.99 and 7.89 g/dL: in mmol/L its own numbers count
     (6.2, "mmol/L", 7.4, 1), (6.1, "mmol/L", 7.4, 2), (4.9, "mmol/L", 7.4, 2), (4.8, "mmol/L", 7.4, 3)],
)  # fmt: skip
def test_haemoglobin(value, unit, low, expected):
    assert grade(lab("Hb", value, unit, low)).grade == expected


@pytest.mark.parametrize(
    ("test", "value", "unit", "expected"),
    [("albumin", 30, "g/L", 1), ("albumin", 2.9, "g/dL", 2), ("albumin", 20, "g/L", 2), ("albumin", 1.9, "g/dL", 3),
     ("potassium", 5.5, "mmol/L", 1), ("potassium", 5.6, "mmol/L", 2), ("potassium", 6.1, "mEq/L", 3),
     ("potassium", 7.0, "mmol/L", 3), ("potassium", 7.1, "mmol/L", 4), ("potassium", 4.4, "mmol/L", 0),
     ("INR", 1.2, "1", 0), ("INR", 1.3, "", 1), ("INR", 2.5, "ratio", 2), ("INR", 2.6, "1", 3)],
)  # fmt: skip
def test_chemistry(test, value, unit, expected):
    low, high = {"albumin": (35, 50), "potassium": (3.5, 5.1), "INR": (0.9, 1.2)}[test]
    if unit == "g/dL":
        low, high = low / 10, high / 10
    assert grade(lab(test, value, unit, low, high)).grade == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(100, 0), (149, 0), (150, 1), (300, 1), (301, 2), (500, 2), (501, 3), (2001, 4)]
)
def test_transaminase_with_an_abnormal_baseline(value, expected):
    # 1.5-3, > 3-5, > 5-20, > 20 x baseline of 100, upper limit 40
    assert grade(lab("ALT", value, "U/L", None, 40), baseline=lab("ALT", 100, "U/L", None, 40)).grade == expected


def test_creatinine_compares_with_the_baseline_too():
    # 0.5 to 1.6 mg/dL, upper limit 1.2: > 3 x baseline, only 1.33 x the limit
    found = grade(lab("crea", 1.6, "mg/dL", None, 1.2), baseline=lab("crea", 44.21, "umol/L"))
    assert found.grade == 3
    assert "3 x baseline, which is 1.5 mg/dL" in found.reason


# CTCAE 6.0


def test_version_six_is_another_scale():
    neutrophils = lab("ANC", 0.7, "G/L", 2.0)
    assert grade(neutrophils).grade == 3
    assert grade(neutrophils).version == "5.0"
    assert grade(neutrophils, version="6.0").grade == 2
    assert grade(neutrophils, version="6").version == "6.0"
    assert grade(lab("PLT", 20, "G/L", 150)).grade == 4
    assert grade(lab("PLT", 20, "G/L", 150), version="6.0").grade == 3
    assert grade(lab("PLT", 9, "G/L", 150), version="v6").grade == 4
    # no limit of normal is needed for the neutrophils of 6.0
    assert grade(lab("ANC", 1.5, "G/L"), version="6.0").grade == 0
    assert grade(lab("ANC", 1.4, "G/L"), version="6.0").grade == 1


@pytest.mark.parametrize(
    ("value", "expected"), [(99, 0), (100, 1), (150, 1), (151, 2), (200, 2), (201, 3), (400, 3), (401, 4)]
)
def test_transaminase_of_version_six(value, expected):
    # 1.0-1.5, > 1.5-2, > 2-4, > 4 x baseline
    found = grade(lab("ALT", value, "U/L", None, 40), baseline=lab("ALT", 100, "U/L", None, 40), version="6.0")
    assert found.grade == expected


@pytest.mark.parametrize(("value", "expected"), [(50, 0), (49, 2), (26, 2), (25, 3), (10, 3), (9.9, None)])
def test_creatinine_clearance_of_version_six(value, expected):
    found = grade(lab("CrCl", value, "mL/min"), version="6.0")
    assert found.grade == expected
    assert "24-hour urine" in found.reason


def test_few_lymphocytes_have_no_criteria_in_version_six():
    found = grade(lab("ALC", 0.3, "G/L", 1.1), version="6.0")
    assert (found.grade, found.at_least, found.at_most) == (None, 0, 4)
    assert "which were not found" in found.reason
    assert grade(lab("ALC", 1.2, "G/L", 1.1), version="6.0").grade == 0
    assert grade(lab("ALC", 25, "G/L", 1.1), version="6.0").grade == 3


def test_alkaline_phosphatase_of_version_six_needs_both():
    base = lab("ALP", 200, "U/L", None, 120)
    assert grade(lab("ALP", 190, "U/L", None, 120), baseline=base, version="6.0").grade == 0
    assert grade(lab("ALP", 210, "U/L", None, 120), baseline=base, version="6.0").grade == 1
    assert grade(lab("ALP", 110, "U/L", None, 120), version="6.0").grade == 0
    unknown = grade(lab("ALP", 210, "U/L", None, 120), version="6.0")
    assert (unknown.grade, unknown.reason) == (None, "Grade 0 or 1: not known without baseline.")


# CTCAE 4.03


@pytest.mark.parametrize(("test", "lower", "bounds"), COUNTS)
def test_counts_of_version_four_are_those_of_five(test, lower, bounds):
    for edge in (lower, *bounds):
        for value in (edge, edge * 0.99):
            found = [grade(lab(test, value, "10^9/L", lower), version=v).grade for v in ("4.03", "5.0")]
            assert found[0] == found[1]


# printed table of 4.03: > ULN, then > factor x ULN, whatever the baseline
FOUR = [("ALT", "U/L", 40, (3, 5, 20)), ("AST", "U/L", 40, (3, 5, 20)), ("ALP", "U/L", 120, (2.5, 5, 20)),
        ("GGT", "U/L", 60, (2.5, 5, 20)), ("bilirubin", "umol/L", 20, (1.5, 3, 10)), ("lipase", "U/L", 60, (1.5, 2, 5)),
        ("amylase", "U/L", 100, (1.5, 2, 5)), ("creatine kinase", "U/L", 170, (2.5, 5, 10)),
        ("INR", "1", 1.2, (1.5, 2.5)), ("aPTT", "s", 36, (1.5, 2.5))]  # fmt: skip


@pytest.mark.parametrize("times_limit", [0.8, 1.0, 2.5])
@pytest.mark.parametrize(("test", "unit", "upper", "factors"), FOUR)
def test_version_four_knows_no_abnormal_baseline(test, unit, upper, factors, times_limit):
    base = lab(test, times_limit * upper, unit, None, upper)

    def of(value):
        return grade(lab(test, value, unit, None, upper), baseline=base, version="v4.03").grade

    assert (of(upper * 0.9), of(upper), of(upper * 1.01)) == (0, 0, 1)
    for g, factor in enumerate(factors, start=2):
        assert (of(factor * upper), of(factor * upper * 1.01)) == (g - 1, g)


@pytest.mark.parametrize(
    ("value", "upper", "baseline", "expected"),
    [
        # > 1 to 1.5 x baseline is grade 1 of 4.03, inside the limits of normal too; 5.0 begins at 1.5 x baseline
        (60, 100, 60, 0), (61, 100, 60, 1), (90, 100, 60, 1), (91, 100, 60, 2), (180, 150, 60, 2), (181, 150, 60, 3),
        # > ULN, 1.5 x, 3 x, 6 x ULN with a baseline that is never passed
        (100, 100, 700, 0), (101, 100, 700, 1), (150, 100, 700, 1), (151, 100, 700, 2), (300, 100, 700, 2),
        (301, 100, 700, 3), (600, 100, 700, 3), (601, 100, 700, 4),
    ],
)  # fmt: skip
def test_creatinine_of_version_four(value, upper, baseline, expected):
    base = lab("crea", baseline, "umol/L", None, upper)
    found = grade(lab("crea", value, "umol/L", None, upper), baseline=base, version="4.03")
    assert (found.grade, found.version) == (expected, "4.03")
    if value == 61:
        assert "within the limits of normal" in found.warnings[0]
        assert grade(lab("crea", value, "umol/L", None, upper), baseline=base).grade == 0


@pytest.mark.parametrize(("value", "four", "five"), [(135, 0, 0), (134, 1, 1), (130, 1, 1), (129, 3, 2), (125, 3, 2),
                                                     (124, 3, 3), (120, 3, 3), (119, 4, 4)])  # fmt: skip
def test_sodium_of_version_four_has_no_grade_two(value, four, five):
    people = {"symptoms": False}
    found = [
        grade(lab("Na", value, "mmol/L", 135, 145), version=v, circumstances=people).grade for v in ("4.03", "5.0")
    ]
    assert found == [four, five]


# every bound of the data, from both sides

BOUNDS = [
    pytest.param(
        term, g, condition, bound, unit,
        id=f"{version}-{term.term}-{term.test}-{g}-{condition.sense} {bound.text} {condition.when} {unit}",
    )
    for version in versions()
    for term in criteria(version)
    for g, conditions in term.grades.items()
    for condition in conditions
    for bound in condition.bounds
    for unit in (bound.numbers or {find_test(term.test).canonical_unit: 0.0})
]  # fmt: skip


def situation(condition, bound, test, unit):
    """Limits of normal, baseline and circumstances in which this condition decides at this bound; all in ``unit``."""
    known = find_test(test)
    low, high = (
        convert(known, sum(pair) / 2, known.canonical_unit, unit)
        for pair in (known.lower_limit_bounds, known.upper_limit_bounds)
    )
    base = high
    if condition.when == "baseline high":
        base = 1.2 * high
    elif condition.when == "baseline low":
        base = low / 2
    elif bound.reference == "baseline":
        base = high / 2 if len(condition.bounds) == 1 else 1.5 * high
    elif len(condition.bounds) > 1:
        base = high / 2
    name = condition.when.removeprefix("no ")
    people = {} if not name or name.startswith("baseline") else {name: name == condition.when}
    return low, high, base, {"symptoms": False, "fasting": False, "anticoagulation": False, **people}


@pytest.mark.parametrize(("term", "g", "condition", "bound", "unit"), BOUNDS)
def test_every_bound_from_both_sides(term, g, condition, bound, unit):
    low, high, base, people = situation(condition, bound, term.test, unit)
    reference = {"LLN": low, "ULN": high, "baseline": base, "number": 0}[bound.reference]
    known = find_test(term.test)
    edge = bound.numbers[unit] if bound.reference == "number" else bound.factor * reference
    edge += convert(known, bound.plus, known.canonical_unit, unit) if bound.plus else 0

    def holds(value):
        found = grade(
            lab(term.test, value, unit, low, high),
            baseline=lab(term.test, base, unit, low, high),
            version=term.version,
            term=term.term,
            circumstances=people,
        )
        assert found.grade is not None
        return found.grade >= g

    downwards = condition.sense in ("below", "at_most")
    further, nearer = (
        (edge * (1 - 1e-4), edge * (1 + 1e-4)) if downwards else (edge * (1 + 1e-4), edge * (1 - 1e-4))
    )
    inclusive = condition.sense in ("at_most", "at_least")
    assert holds(further)
    assert not holds(nearer)
    # what differs in the eighth digit is the bound itself
    assert {holds(edge), holds(edge * (1 - 1e-8)), holds(edge * (1 + 1e-8))} == {inclusive}


def test_the_data_have_their_terms():
    assert versions() == ("4.03", "5.0", "6.0")
    assert {term.test for term in criteria("4.03")} >= {term.test for term in criteria("5.0")}
    assert {term.test for term in criteria("5.0")} >= {
        "platelets", "neutrophils", "lymphocytes", "leukocytes", "haemoglobin", "creatinine", "ALT", "AST", "bilirubin",
        "ALP", "albumin", "potassium", "INR", "lipase",
    }  # fmt: skip
    for version in ("4.03", "5.0"):
        assert [term.term for term in criteria(version) if not term.verified] == ["Chronic kidney disease"]
    assert all(term.source for version in versions() for term in criteria(version))


# what cannot be told


def test_no_limit_no_grade_unless_a_worse_one_is_certain():
    found = grade(lab("PLT", 120, "G/L"))
    assert (found.grade, found.at_least, found.at_most) == (None, 0, 1)
    assert found.reason == "Grade 0 or 1: not known without lower limit of normal."
    # grade 1 could be far below the usual limits, and grade 0 is not given for any value
    assert grade(lab("PLT", 75, "G/L")).grade is None
    assert grade(lab("PLT", 74, "G/L")).grade == 2
    assert grade(lab("ALT", 500, "U/L")).grade is None
    assert grade(lab("ALT", 500, "U/L")).at_most == 4


def test_a_missing_limit_that_leaves_worse_grades_open_is_told():
    found = grade(lab("crea", 3.0, "mg/dL"), baseline=lab("crea", 0.8, "mg/dL"))
    assert (found.grade, found.at_least, found.at_most) == (None, 3, 4)
    assert "upper limit of normal" in found.reason


def test_symptoms_are_asked_for():
    potassium = lab("K", 3.2, "mmol/L", 3.5, 5.1)
    assert (grade(potassium).at_least, grade(potassium).at_most) == (1, 2)
    assert "not known without symptoms" in grade(potassium).reason
    assert grade(potassium, circumstances={"symptoms": False}).grade == 1
    assert grade(potassium, circumstances={"symptoms": True}).grade == 2


def test_judgement_and_assumptions_are_told():
    anaemia = grade(lab("Hb", 7.0, "g/dL", 12, 16))
    assert anaemia.grade == 3
    assert "grade 4 (life-threatening consequences): clinical judgement" in anaemia.reason
    assert "taken as not high" in grade(lab("ALT", 50, "U/L", None, 40)).warnings[0]
    assert "only the limit of normal" in grade(lab("crea", 50, "umol/L", None, 100)).warnings[0]
    assert "anticoagulation; no was taken" in grade(lab("INR", 1.0, "1")).warnings[0]
    on = grade(lab("INR", 2.6, "1"), baseline=lab("INR", 2.5, "1"), circumstances={"anticoagulation": True})
    assert on.grade == 1
    assert "not compared with their source" in grade(lab("eGFR", 55, "mL/min/1.73 m2", 90)).warnings[0]
    low_normal = grade(lab("ANC", 1.45, "G/L", 1.4))
    assert low_normal.grade == 2
    assert "within the limits of normal of its laboratory (1.4)" in low_normal.warnings[0]


def test_both_directions_of_a_test():
    assert grade(lab("K", 4.2, "mmol/L", 3.5, 5.1)).term == "Hyperkalemia / Hypokalemia"
    assert grade(lab("K", 5.7, "mmol/L")).grade == 2
    assert grade(lab("K", 4.2, "mmol/L")).grade is None
    # too much haemoglobin is not what is looked for: without its limit the anaemia is known all the same
    found = grade(lab("Hb", 13, "g/dL", 12))
    assert (found.grade, found.term) == (0, "Anemia")
    assert found.warnings[-1].startswith("Hemoglobin increased: Grade 0 to 3")
    assert grade(lab("Hb", 18.6, "g/dL", 12, 16)).term == "Hemoglobin increased"
    assert grade(lab("Hb", 13, "g/dL"), term="hemoglobin increased").grade is None


def test_what_the_criteria_do_not_grade():
    found = grade(lab("LDH", 400, "U/L", None, 250))
    assert (found.grade, found.term) == (None, "")
    assert "No grades of LDH in the criteria of CTCAE 5.0" in found.reason
    assert grades_by_term(lab("LDH", 400, "U/L", None, 250)) == ()
    assert grade(lab("LDH", 400, "U/L", None, 250), version="6.0").grade == 1


def test_a_grade_does_not_depend_on_the_unit():
    pairs = [("PLT", 60, "G/L", 60000, "/uL"), ("ANC", 1.2, "G/L", 1200, "/mm3"), ("Hb", 9.5, "g/dL", 95, "g/L"),
             ("albumin", 25, "g/L", 2.5, "g/dL")]  # fmt: skip
    for test, value, unit, other, other_unit in pairs:
        assert grade(lab(test, value, unit)).grade == grade(lab(test, other, other_unit)).grade == 2
    ratio = grade(lab("ALT", 3.5, "x ULN"), baseline=lab("ALT", 30, "U/L", None, 40))
    assert ratio.grade == 2


@pytest.mark.parametrize(
    ("keywords", "error", "said"),
    [
        ({"circumstances": {"symptom": True}}, InputError, "Circumstance symptom; .*fasting.*symptoms"),
        ({"version": "4"}, InputError, "'4'; there are 4.03, 5.0, 6.0"),
        ({"term": "Anemia"}, MissingDataError, "there are Platelet count decreased"),
        ({"baseline": lab("Hb", 13, "g/dL")}, InputError, "expected the same test"),
        ({"baseline": lab("PLT", 200, "G/L", day=1)}, InputError, "later than the result"),
    ],
)
def test_wrong_questions_are_refused(keywords, error, said):
    with pytest.raises(error, match=said):
        grade(lab("PLT", 60, "G/L", 150), **keywords)


def test_baselines_in_units_that_do_not_convert_are_refused():
    with pytest.raises(InputError, match="without the upper limit"):
        grade(lab("ALT", 300, "U/L", None, 40), baseline=lab("ALT", 2.5, "x ULN"))


START = "version: '9'\nsource: s\nterms:\n"
TERM = "  - {term: T, test: platelets, direction: low, verified: true, grades: {1: [%s]}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("terms: [\n", r"mine.yaml, line 2: not YAML"),
        ("a: 1\n", "no list 'terms'"),
        (START + "  - {term: T, test: platelets, direction: low}\n", "term 'T': no 'grades'"),
        (START + "  - 3\n", "term 'number 1'"),
        (START + TERM.replace("platelets", "MCV") % "{below: 1}", "term 'T': No laboratory test 'MCV'"),
        (START + TERM.replace("low", "down") % "{below: 1}", "direction 'down'"),
        (START + TERM.replace("1: [", "5: [") % "{below: 1}", r"grades \[5\]"),
        (START + TERM % "{under: 1}", "expected one of below, above"),
        (START + TERM % "{below: 2 x LNN}", "bound '2 x LNN'"),
        (START + TERM % "{below: {mg/dL: 3}}", "unit 'mg/dL' of platelets"),
        (START + TERM % "{below: {/uL: 3}}", r"expected 10\^9/L first"),
    ],
)
def test_malformed_criteria_are_told(text, said):
    with pytest.raises(ProtocolError, match=said):
        read_criteria(text, "mine.yaml")


def test_a_good_criteria_file_is_read():
    (term,) = read_criteria(START + TERM % "{below: {10^9/L: 3, /uL: 2999}}", "mine.yaml")
    assert (term.version, term.grades[1][0].bounds[0].numbers) == ("9", {"10^9/L": 3.0, "/uL": 2999.0})
    assert len(laboratory_tests()) >= 25


# nadir and recovery


def platelets(*values, lower=150):
    return [lab("PLT", value, "G/L", lower, day=day) for day, value in values]


def test_nadir_and_recovery():
    # nadir 5.1 weeks after the dose, as the median of the label
    series = platelets((-7, 220), (14, 120), (36, 45), (57, 60), (85, 90), (120, 160))
    found = nadir_and_recovery(series[::-1], start=DAY)
    assert (found.nadir.value, found.nadir.grade) == (45, 3)
    assert found.nadir_after_s == 36 * 86400
    assert (found.state, found.recovered_to) == ("recovered", "grade 0 or 1")
    assert found.recovery_time == DAY + timedelta(days=85)
    assert found.last_not_recovered_time == DAY + timedelta(days=57)
    assert found.recovery_after_nadir_s == 49 * 86400


def test_recovery_to_a_baseline_that_was_low():
    series = platelets((14, 60), (28, 40), (56, 68), (80, 72))
    found = nadir_and_recovery(series, baseline=lab("PLT", 70000, "/uL", day=-1), start=DAY)
    assert (found.state, found.recovered_to) == ("recovered", "baseline")
    assert found.recovery_time == DAY + timedelta(days=80)
    assert nadir_and_recovery(series).state == "not yet"
    assert nadir_and_recovery(series).nadir_after_s is None


def test_recoveries_that_are_none_or_not_known():
    mild = nadir_and_recovery(platelets((14, 120), (28, 90)))
    assert (mild.state, mild.recovery_time) == ("not needed", None)
    # grade 0 or 1 is enough to know, and needs no limit
    assert nadir_and_recovery(platelets((14, 60), (28, 90), lower=None)).state == "recovered"
    enzymes = [lab("ALT", 150, "U/L", None, 40), lab("ALT", 90, "U/L", day=7)]
    assert nadir_and_recovery(enzymes).state == "cannot tell"
    assert nadir_and_recovery([lab("ALT", 150, "U/L")]).state == "cannot tell"
    later = [*enzymes, lab("ALT", 50, "U/L", None, 40, day=14), lab("ALT", 130, "U/L", None, 40, day=21)]
    found = nadir_and_recovery(later)
    assert found.state == "recovered"
    assert any("may have been earlier: the grade of 2026-03-09" in text for text in found.warnings)
    assert any("After the recovery, grade 2 on 2026-03-23" in text for text in found.warnings)


def test_the_worst_of_a_high_test_is_its_peak():
    found = nadir_and_recovery([lab("crea", 90, "umol/L", None, 100), lab("crea", 2.0, "mg/dL", None, 1.2, day=5)])
    assert (found.nadir.value, found.nadir.unit, found.nadir.grade) == (2.0, "mg/dL", 2)
    low = [lab("K", v, "mmol/L", 3.5, 5.1, day=d) for d, v in ((1, 5.6), (2, 2.9))]
    assert nadir_and_recovery(low).nadir.term == "Hyperkalemia"
    assert nadir_and_recovery(low, term="hypokalemia").nadir.grade == 3


@pytest.mark.parametrize(
    ("series", "keywords", "error", "said"),
    [
        ([], {}, InputError, "No laboratory result"),
        (platelets((1, 200)), {"start": DAY + timedelta(days=9)}, InputError, "after 2026-03-11"),
        ([*platelets((1, 200)), lab("Hb", 12, "g/dL")], {}, InputError, "expected one test"),
        ([lab("LDH", 200, "U/L")], {}, MissingDataError, "there are none"),
        (platelets((1, 200)), {"term": "Anemia"}, MissingDataError, "Platelet count decreased"),
    ],
)
def test_series_that_cannot_be(series, keywords, error, said):
    with pytest.raises(error, match=said):
        nadir_and_recovery(series, **keywords)
