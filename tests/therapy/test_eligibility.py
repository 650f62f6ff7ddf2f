"""Rules of the shipped protocols at their thresholds, what is missing, and the verdict.

The cases are made from the YAML files themselves, without the code that is tested: each condition is met and missed by
a hair while the conditions beside it are held so that it decides.
"""

from datetime import date, datetime, timedelta
from importlib.resources import files

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lutetia.errors import InputError
from lutetia.therapy.eligibility import evaluate, rules_of
from lutetia.therapy.facts import Fact
from lutetia.therapy.items import items
from lutetia.therapy.protocols import read_protocol, shipped_protocols
from lutetia.therapy.rules.conditions import items_of

AS_OF = date(2026, 3, 2)
HAIR = 1e-6
"""Relative, above the nine digits that are compared."""
PROFILES = files("lutetia.therapy.protocols") / "profiles"
DOCUMENTS = {
    document["id"]: document
    for document in (
        yaml.safe_load(path.read_text("utf-8")) for path in PROFILES.iterdir() if path.name.endswith(".yaml")
    )
}
DAYS = {"d": 1, "weeks": 7}


def months_before(day, months):
    month = day.month - 1 - months
    return date(day.year + month // 12, month % 12 + 1, day.day)


def ago(value, unit):
    """Moment that lies a span before AS_OF; hours count from midnight."""
    if unit == "months":
        return months_before(AS_OF, int(value))
    if unit == "h":
        return datetime(AS_OF.year, AS_OF.month, AS_OF.day) - timedelta(hours=value)
    return AS_OF - timedelta(days=DAYS[unit] * value)


def number_facts(condition):
    """(fact, whether it is met) on both sides of each bound, and on it."""
    unit = str(condition.get("unit", ""))
    limit = 10.0 if unit in ("xULN", "xLLN") else 1.0
    bounds = {key: condition[key] * limit for key in ("at_least", "above", "at_most", "below") if key in condition}
    for key, bound in bounds.items():
        step = max(abs(bound), 1.0) * HAIR
        inside = 1 if key in ("at_least", "above") else -1
        for value, met in (
            (bound, key.startswith("at_")),
            (bound + inside * step, True),
            (bound - inside * step, False),
        ):
            if value < 0:
                continue
            limits = {"upper_limit": 10.0, "lower_limit": 10.0} if limit != 1 else {}
            given = unit if limit == 1 else default_unit(condition["item"])
            yield Fact(value=value, unit=given, date=AS_OF, **limits), met


def default_unit(name):
    return items()[name].reference_unit


def leaf_facts(condition):
    """(facts, whether the leaf is met) for one condition without parts."""
    name = condition["item"]
    if "is" in condition:
        for value in (True, False):
            yield [Fact(value=value, date=AS_OF)], value is condition["is"]
    elif "one_of" in condition:
        for value in items()[name].choices:
            yield [Fact(value=value, date=AS_OF)], value in condition["one_of"]
    elif "since" in condition:
        since = condition["since"]
        for key in ("at_least", "at_most"):
            if key in since:
                on = ago(since[key], since["unit"])
                small = timedelta(minutes=1) if since["unit"] == "h" else timedelta(days=1)
                sign = 1 if key == "at_least" else -1
                yield [Fact(value=True, date=on)], True
                yield [Fact(value=True, date=on - sign * small)], True
                yield [Fact(value=True, date=on + sign * small)], False
        yield [Fact(value=False, date=AS_OF)], "at_most" not in since
    else:
        for fact, met in number_facts(condition):
            # the age is known on the day whatever its date
            yield [fact], met


def settle(condition, wanted):
    """Facts that make a condition true or false."""
    for joint in ("all_of", "any_of"):
        if joint in condition:
            return {k: v for part in condition[joint] for k, v in settle(part, wanted).items()}
    if "not" in condition:
        return settle(condition["not"], not wanted)
    return next({condition["item"]: facts} for facts, met in leaf_facts(condition) if met is wanted)


def cases(condition):
    """(facts by item, whether the condition is met) with every leaf on both sides while it decides."""
    for joint in ("all_of", "any_of"):
        if joint in condition:
            for i, part in enumerate(condition[joint]):
                others = {
                    k: v
                    for j, other in enumerate(condition[joint])
                    if j != i
                    for k, v in settle(other, joint == "all_of").items()
                }
                for facts, met in cases(part):
                    yield {**others, **facts}, met
            return
    if "not" in condition:
        yield from ((facts, not met) for facts, met in cases(condition["not"]))
        return
    for facts, met in leaf_facts(condition):
        yield {condition["item"]: facts}, met


def all_rules():
    """(protocol, kind, rule, its condition) of every rule of every shipped file."""
    for key, document in DOCUMENTS.items():
        for part, kind in (("eligibility", "baseline"), ("retreatment", "retreatment")):
            for rule in document.get(part, ()):
                yield key, kind, rule["id"], rule["require"]
            for rule in document.get("washout", ()):
                if kind == "baseline" or rule["before"] == "each":
                    since = {"at_least": rule["at_least"], "unit": rule["unit"]}
                    yield key, kind, rule["id"], {"item": rule["item"], "since": since}


RULES = list(all_rules())


def state_of(result, rule):
    return next(r for r in result.rules if r.id == rule)


@pytest.mark.parametrize(
    ("protocol", "kind", "rule", "condition"), RULES, ids=[f"{p}-{k}-{r}" for p, k, r, _ in RULES]
)
def test_every_rule_on_both_sides_of_its_threshold(protocol, kind, rule, condition):
    as_of = datetime(AS_OF.year, AS_OF.month, AS_OF.day)  # with a time, for hours of washout
    found = list(cases(condition))
    assert {met for _, met in found} == {True, False}
    for facts, met in found:
        result = state_of(evaluate(read_protocol(protocol), facts, as_of, kind), rule)
        assert result.state == ("met" if met else "not_met"), (facts, result.expected)
        assert result.missing == ()
        assert result.found


@pytest.mark.parametrize(
    ("protocol", "kind", "rule", "condition"), RULES, ids=[f"{p}-{k}-{r}" for p, k, r, _ in RULES]
)
def test_without_facts_every_rule_is_unknown_and_names_its_items(protocol, kind, rule, condition):
    result = state_of(evaluate(read_protocol(protocol), {}, AS_OF, kind), rule)
    assert result.state == "unknown"
    assert result.found is None
    required = next(r.require for r in rules_of(read_protocol(protocol), kind) if r.id == rule)
    assert result.missing == items_of(required)


@pytest.mark.parametrize("protocol", DOCUMENTS)
def test_a_patient_who_meets_all_rules_is_eligible_and_one_failure_ends_it(protocol):
    facts, as_of = {}, datetime(AS_OF.year, AS_OF.month, AS_OF.day)
    for rule in DOCUMENTS[protocol]["eligibility"]:
        facts |= settle(rule["require"], True)
    # one value may serve several rules of one protocol (washout aside); never given serves all washouts
    facts |= {w["item"]: [Fact(value=False, date=AS_OF)] for w in DOCUMENTS[protocol].get("washout", ())}
    result = evaluate(read_protocol(protocol), facts, as_of)
    assert result.verdict == "eligible", [r for r in result.rules if r.state != "met"]
    for rule in DOCUMENTS[protocol]["eligibility"]:
        worse = evaluate(read_protocol(protocol), facts | settle(rule["require"], False), as_of)
        assert worse.verdict == "not_eligible"
        assert state_of(worse, rule["id"]).state == "not_met"


def lab(value, unit="", day=AS_OF, **limits):
    return [Fact(value=value, unit=unit, date=day, **limits)]


@pytest.mark.parametrize(
    ("item", "value", "unit", "protocol", "state"),
    [
        ("haemoglobin", 90, "g/L", "application-note", "not_met"),  # 9 g/dL is not above 9 g/dL
        ("haemoglobin", 90.1, "g/L", "application-note", "met"),
        ("haemoglobin", 5.6, "mmol/L", "application-note", "met"),  # 9.02 g/dL: 1 mmol/L = 1.611 g/dL
        ("haemoglobin", 5.58, "mmol/L", "application-note", "not_met"),  # 8.99 g/dL
        ("haemoglobin", 8.86, "g/dL", "lutia", "not_met"),  # 5.4997 mmol/L
        ("haemoglobin", 8.8605, "g/dL", "lutia", "met"),  # 5.5 mmol/L
        ("creatinine", 1.7, "mg/dL", "netter-1", "not_met"),  # 150.3 µmol/L
        ("creatinine", 1.69, "mg/dL", "netter-1", "met"),  # 149.4 µmol/L
        ("platelets", 75, "10^3/µL", "netter-1", "met"),
        ("platelets", 74000, "/µL", "netter-1", "not_met"),
        ("platelets", 75, "x 10^9/l", "netter-1", "met"),
        ("albumin", 25, "g/L", "start-net", "not_met"),
        ("albumin", 2.6, "g/dl", "start-net", "met"),
        ("creatinine", 150, "umol/L", "netter-1", "met"),
    ],
)
def test_units_are_converted(item, value, unit, protocol, state):
    assert state_of(evaluate(read_protocol(protocol), {item: lab(value, unit)}, AS_OF), item).state == state


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"haemoglobin": lab(9, "mg/dL")}, "unit 'mg/dL'; expected g/dL or g/100mL or g/L or mmol/L"),
        ({"haemoglobin": lab(9)}, "no unit"),
        ({"haemoglobin": lab(140, "g/dL")}, "cannot be believed; is the unit right"),
        ({"platelet": lab(100, "10^9/L")}, "No item 'platelet'; is it platelets"),
        ({"platelets": lab("many", "10^9/L")}, "expected a number"),
        ({"platelets": lab(float("nan"), "10^9/L")}, "expected a number"),
        ({"ecog": lab(True)}, "expected a number"),
        ({"pregnant": lab(0)}, "expected true or false"),
        ({"grade": lab("2")}, "expected one of G1; G2; G3"),
        ({"platelets": lab(100, "10^9/L") + lab(90, "10^9/L")}, "two different values"),
        ({"bilirubin": lab(9, "µmol/L", lower_limit=20, upper_limit=10)}, "above the upper limit"),
        (
            {
                "birth_date": [Fact(value=date(2000, 1, 1), date=date(2000, 1, 1))],
                "ecog": lab(1, day=date(1999, 1, 1)),
            },
            "before birth",
        ),
    ],
)
def test_facts_that_cannot_be_are_refused(facts, message):
    with pytest.raises(InputError, match=message):
        evaluate(read_protocol("us-label"), facts, AS_OF)


def test_the_latest_value_not_after_the_day_counts():
    platelets = [
        Fact(value=60, unit="10^9/L", date=AS_OF - timedelta(days=20)),
        Fact(value=110, unit="10^9/L", date=AS_OF - timedelta(days=5)),
        Fact(value=50, unit="10^9/L", date=AS_OF + timedelta(days=1)),
    ]
    result = evaluate(read_protocol("application-note"), {"platelets": platelets}, AS_OF)
    assert state_of(result, "platelets").state == "met"
    assert "2026-02-25" in state_of(result, "platelets").found
    assert "Dated after 2026-03-02 and left out: platelets." in result.warnings


def test_a_value_older_than_the_window_is_missing():
    protocol = read_protocol("eu-smpc")  # 28 days
    for age_d, state in ((28, "met"), (29, "unknown")):
        facts = {"platelets": lab(150, "10^9/L", AS_OF - timedelta(days=age_d))}
        assert state_of(evaluate(protocol, facts, AS_OF), "platelets").state == state
    assert "older than 28 d" in state_of(evaluate(protocol, facts, AS_OF), "platelets").missing[0]


def test_without_the_limit_of_normal_the_rule_is_unknown():
    result = evaluate(read_protocol("us-label"), {"bilirubin": lab(40, "µmol/L")}, AS_OF, "retreatment")
    assert state_of(result, "bilirubin").missing == ("upper_limit of bilirubin",)


def test_age_follows_from_the_birth_date():
    for born, state in (
        (date(2014, 3, 2), "met"),
        (date(2014, 3, 3), "not_met"),
    ):  # 12 years on the day, or tomorrow
        facts = {"birth_date": [Fact(value=born, date=born)]}
        result = state_of(evaluate(read_protocol("us-label"), facts, AS_OF), "age")
        assert result.state == state
        assert str(born) not in result.found


def test_hours_of_washout_need_the_time_of_day():
    protocol = read_protocol("us-label")

    def state(given, as_of):
        facts = {"short_acting_ssa": [Fact(value=True, date=given)]}
        return state_of(evaluate(protocol, facts, as_of), "short-acting-ssa")

    assert state(datetime(2026, 3, 1, 9), datetime(2026, 3, 2, 9)).state == "met"
    assert state(datetime(2026, 3, 1, 9, 1), datetime(2026, 3, 2, 9)).state == "not_met"
    assert state(date(2026, 3, 1), date(2026, 3, 2)).state == "unknown"  # between 0 and 48 h
    assert "time of day" in state(date(2026, 3, 1), date(2026, 3, 2)).missing[0]
    assert state(date(2026, 2, 28), date(2026, 3, 2)).state == "met"  # more than 24 h whatever the time
    assert state(date(2026, 3, 2), date(2026, 3, 2)).state == "not_met"


def test_never_given_is_washed_out_and_a_later_never_does_not_undo_a_dose():
    protocol = read_protocol("us-label")
    never = {"long_acting_ssa": [Fact(value=False, date=AS_OF)]}
    assert state_of(evaluate(protocol, never, AS_OF), "long-acting-ssa").state == "met"
    dose = {"long_acting_ssa": [Fact(value=True, date=AS_OF - timedelta(days=27)), Fact(value=False, date=AS_OF)]}
    assert state_of(evaluate(protocol, dose, AS_OF), "long-acting-ssa").state == "not_met"


def test_one_branch_decides_whatever_the_other():
    protocol = read_protocol("application-note")
    for facts, state in (
        ({"kps": lab(60, "%")}, "met"),
        ({"ecog": lab(2)}, "met"),
        ({"ecog": lab(3)}, "unknown"),
        ({"ecog": lab(3), "kps": lab(50, "%")}, "not_met"),
    ):
        assert state_of(evaluate(protocol, facts, AS_OF), "performance").state == state
    for facts, state in (
        ({"progression_on_ssa": lab(True)}, "met"),
        ({"first_line": lab(True), "grade": lab("G3")}, "met"),
        ({"first_line": lab(True), "grade": lab("G1")}, "unknown"),
        ({"first_line": lab(True), "grade": lab("G1"), "progression_on_ssa": lab(False)}, "not_met"),
    ):
        assert state_of(evaluate(protocol, facts, AS_OF), "progression-or-first-line").state == state


def test_baseline_and_later_cycles_have_rules_of_their_own():
    facts = {"platelets": lab(80, "10^9/L")}
    lutia = read_protocol("lutia")  # 100 at baseline, 75 for cycles 2 to 4 (X2)
    assert state_of(evaluate(lutia, facts, AS_OF, "baseline"), "platelets").state == "not_met"
    assert state_of(evaluate(lutia, facts, AS_OF, "retreatment"), "platelets").state == "met"


def test_a_protocol_without_rules_for_later_cycles_makes_nobody_eligible():
    never = {name: [Fact(value=False, date=AS_OF)] for name in ("long_acting_ssa", "short_acting_ssa")}
    result = evaluate(read_protocol("application-note"), never, AS_OF, "retreatment")
    assert {rule.state for rule in result.rules} == {"met"}
    assert result.verdict == "unknown"
    assert "states no rules before a later cycle but washout" in result.reason
    none = evaluate(read_protocol("alphamedix"), {}, AS_OF, "retreatment")
    assert (none.verdict, none.rules) == ("unknown", ())
    assert none.reason == (
        "Unknown: the protocol alphamedix states no rules before a later cycle, so nothing can be judged by it."
    )


def test_the_reason_names_the_rules_that_decided():
    label = read_protocol("us-label")
    result = evaluate(label, {"ecog": lab(1), "tumour": [Fact(value="other", date=AS_OF)]}, AS_OF)
    assert result.reason == "Not met: tumour."
    left = evaluate(label, {}, AS_OF)
    assert left.reason.startswith("Not known: age, tumour, receptor")


def test_unchecked_rules_are_told():
    result = evaluate(read_protocol("netter-1"), {}, AS_OF)
    unchecked = [rule.id for rule in result.rules if not rule.verified]
    assert f"Not compared with their source: {', '.join(unchecked)}." in result.warnings
    assert state_of(result, "performance").verified
    assert "memory" in state_of(result, "ki67").source


def test_another_kind_is_refused():
    with pytest.raises(InputError, match="expected baseline or retreatment"):
        evaluate(read_protocol("us-label"), {}, AS_OF, "follow-up")


@st.composite
def known(draw):
    """A protocol, a kind, facts at random sides of its thresholds, and one of the items left out."""
    protocol = draw(st.sampled_from(sorted(DOCUMENTS)))
    kind = draw(st.sampled_from(["baseline", "retreatment"]))
    choices = {}
    for key, of, _, condition in RULES:
        if (key, of) == (protocol, kind):
            for facts, _ in cases(condition):
                for name, values in facts.items():
                    choices.setdefault(name, []).append(values)
    names = draw(st.lists(st.sampled_from(sorted(choices)), unique=True)) if choices else []
    return protocol, kind, {name: draw(st.sampled_from(choices[name])) for name in names}


@settings(max_examples=150, deadline=None)
@given(known(), st.data())
def test_more_knowledge_never_makes_a_verdict_unknown(case, data):
    protocol, kind, facts = case
    result = evaluate(read_protocol(protocol), facts, AS_OF, kind)
    states = [rule.state for rule in result.rules]
    # the verdict follows from the states
    if "not_met" in states:
        assert result.verdict == "not_eligible"
    elif "unknown" in states or not DOCUMENTS[protocol].get({"baseline": "eligibility"}.get(kind, kind)):
        assert result.verdict == "unknown"
    else:
        assert result.verdict == "eligible"
    assert all(bool(rule.missing) == (rule.state == "unknown") for rule in result.rules)
    if not facts:
        return
    left_out = data.draw(st.sampled_from(sorted(facts)))
    less = evaluate(read_protocol(protocol), {k: v for k, v in facts.items() if k != left_out}, AS_OF, kind)
    for before, after in zip(less.rules, result.rules, strict=True):
        assert before.state in ("unknown", after.state)
    assert less.verdict in ("unknown", result.verdict)


def test_shipped_protocols_are_the_files():
    assert {protocol.id for protocol in shipped_protocols()} == set(DOCUMENTS)
