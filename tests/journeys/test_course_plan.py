"""The next cycle of a course that is kept, asked on the command line."""

import json
import math

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

BUDGET = {"calibration": 0.04, "count rate": 0.03, "volume": 0.05}
DAYS = {1: "2026-01-05", 2: "2026-03-02", 3: "2026-04-27", 4: "2026-06-22"}
NEXT = "2026-06-22"
FINE = {
    "histology_confirmed": "yes", "sstr_positive": "yes", "pregnant": "no", "tumour": "GEP-NET",
    "hypersensitivity_grade": 0, "grade_other_non_haematological": 0,
}  # fmt: skip
"""What the label asks for besides laboratory tests and drugs."""


@pytest.fixture
def course(lutetia, tmp_path, monkeypatch):
    """``lutetia course WORD NET-017 ... --json`` on a course that follows nothing yet: the document, with its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUTETIA_BY", "A. Physicist")
    monkeypatch.delenv("LUTETIA_STORE", raising=False)

    def call(word, *words, expect=0):
        code, document, messages = lutetia("course", word, "NET-017", *words)
        assert code == expect, (document, messages)
        return document

    call("new", "--sex", "male", "--born", "1961-05-02")
    return call


@pytest.fixture
def follow(course):
    def begin(protocol):
        course("add", "enrolment", f"protocol={protocol}", "date=2026-01-02")

    return begin


@pytest.fixture
def give(course):
    """One cycle with an activity measured, 7400 MBq less 20 MBq left."""

    def administer(cycle, *, agent="177Lu-DOTATATE", nuclide="Lu-177", day=None, activity=7400):
        at = f"{day or DAYS[cycle]}T10:00"
        course(
            "add", "administration", f"cycle={cycle}", f"agent={agent}", f"nuclide={nuclide}", f"start={at}",
            f"stop={at}", f"measured_activity_MBq={activity}", f"measured_at={at}", "residual_activity_MBq=20",
            f"residual_measured_at={at}",
        )  # fmt: skip

    return administer


@pytest.fixture
def image(course, tmp_path):
    """The doses of one cycle, from a dose.json."""

    def store(cycle, doses, *, marrow=None, budget=BUDGET, nuclide="Lu-177", day=None):
        def region(name, dose):
            u = None if budget is None else dose * math.hypot(*budget.values())
            return {
                "region": name, "kind": "organ", "absorbed_dose_Gy": dose, "u_absorbed_dose_Gy": u,
                "effective_half_life_h": 50.0, "uncertainty_budget": budget, "uncertainty_shared": ["calibration"],
            }  # fmt: skip

        document = {
            "schema": "lutetia dose 1", "subject": "NET-017",
            "administration": {"nuclide": nuclide, "activity_MBq": 7380.0, "time": f"{day or DAYS[cycle]}T10:00:00"},
            "calibration": {"sensitivity_cps_per_MBq": 9.3},
            "regions": [region(name, dose) for name, dose in doses.items()],
            "marrow": None if marrow is None else {"methods": marrow},
        }  # fmt: skip
        (tmp_path / f"c{cycle}.json").write_text(json.dumps(document), "utf-8")
        course("add", f"c{cycle}.json", f"cycle={cycle}", f"time={day or DAYS[cycle]}T18:00")

    return store


@pytest.fixture
def measure(course):
    def add(test, value, unit, day, *limits):
        course("add", "lab", f"test={test}", f"value={value}", f"unit={unit}", f"time={day}T08:00", *limits)

    return add


@pytest.fixture
def fine(course, measure, without_drugs):
    """All that the label asks for before a cycle on a day is met, but what is left out."""

    def note(day, *, without=()):
        for name, value in FINE.items():
            if name not in without:
                course("add", "observation", f"name={name}", f"value={value}", f"time={day}T07:00")
        for test, value, unit, limits in (
            ("platelets", 180, "10^9/L", ("lower_limit=150",)),
            ("haemoglobin", 13, "g/dL", ("lower_limit=12",)),
            ("neutrophils", 4, "10^9/L", ("lower_limit=1.8",)),
            ("creatinine clearance", 90, "mL/min", ()),
            ("creatinine", 0.9, "mg/dL", ("upper_limit=1.2",)),
            ("bilirubin", 10, "µmol/L", ("upper_limit=21",)),
            ("albumin", 42, "g/L", ("lower_limit=35",)),
        ):
            if test not in without:
                measure(test, value, unit, day, *limits)
        if day == DAYS[1]:
            without_drugs()

    return note


@pytest.fixture
def without_drugs(course):
    """Somatostatin analogues ended long ago."""

    def note():
        for drug, end in (("long-acting SSA", "2025-10-01"), ("short-acting SSA", "2025-12-01")):
            course("add", "medication", "name=drug", f"drug_class={drug}", "start=2025-01-01", f"end={end}")

    return note


KIDNEYS = {1: (4.4, 5.0), 2: (4.6, 5.1), 3: (4.5, 5.2)}


@pytest.fixture
def three(follow, give, image, without_drugs):
    """Three cycles of the protocol that tailors the fourth, each with its doses."""
    follow("bordet-phase-3")
    without_drugs()
    for cycle, (left, right) in KIDNEYS.items():
        give(cycle)
        image(cycle, {"kidney left": left, "kidney right": right, "red marrow": 0.3})


def test_fourth_cycle_from_the_store_is_that_of_the_files(three, course, lutetia, tmp_path):
    found = course("plan", "--as-of", NEXT, "--scans", "3", "--plot", "p.png")
    files = [str(tmp_path / f"c{n}.json") for n in KIDNEYS]
    # the same activities, 7.38 GBq, agent and doses
    words = ("--strategy", "tailored-4th", "--protocol", "bordet-phase-3", "--scans", "3")
    _, alone, _ = lutetia("plan", *files, *words)
    assert (found["action"], found["strategy"], found["cycle"]) == ("reduce", "tailored-4th", 4)
    assert found["activity_GBq"] == pytest.approx(alone["activity_GBq"])
    assert 4.6 <= found["activity_GBq"] < 7.4
    for row, other in zip(found["limits"], alone["limits"], strict=True):
        for key in ("organ", "so_far_Gy", "u_so_far_Gy", "predicted_Gy", "probability_exceeded", "allows_GBq"):
            assert row[key] == pytest.approx(other[key])
    assert found["given_GBq"] == pytest.approx(3 * 7.38)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert found["eligibility"]["verdict"] == "unknown"
    assert found["reasons"][0].startswith("Eligibility before a later cycle is unknown: bordet-phase-3")
    assert any("4.6 and 7.4 GBq (Institut Jules Bordet" in text for text in found["reasons"])
    assert "kidney-23Gy, P-PRRT" in found["reasons"][-1]
    assert "Research use only" in found["note"]
    # as it was before the third cycle: full activity
    before = course("plan", "--as-of", "2026-04-26")
    assert (before["action"], before["activity_GBq"], before["cycle"]) == ("give", 7.4, 3)


def test_a_cycle_without_doses_is_estimated_and_told(follow, give, image, course):
    follow("bordet-phase-3")
    for cycle in (1, 2, 3):
        give(cycle, activity=7400 if cycle != 2 else 3720)
    image(1, {"kidney": 5.0})
    image(3, {"kidney": 5.2})
    (kidney, marrow) = course("plan", "--as-of", NEXT)["limits"]
    # cycle 2 had half the activity of cycle 3
    assert kidney["so_far_Gy"] == pytest.approx(5.0 + 5.2 * 3700 / 7380 + 5.2)
    assert kidney["estimated_cycles"] == [2]
    # errors of cycle 3 return in the estimate; what a cycle of one scan has beyond them (19 %) is its own
    half = 3700 / 7380
    common = math.hypot(0.04, 0.05) * (5.0 + 5.2 * half + 5.2)
    own = math.hypot(
        0.03 * 5.0, 0.03 * 5.2 * (1 + half), math.sqrt(0.19**2 - 0.04**2 - 0.03**2 - 0.05**2) * 5.2 * half
    )
    assert kidney["u_so_far_Gy"] == pytest.approx(math.hypot(common, own))
    assert (marrow["so_far_Gy"], marrow["not_known"] is not None) == (None, True)
    warnings = course("plan", "--as-of", NEXT)["warnings"]
    assert any("Cycle 2: no dose of the kidney is known; 2.61 Gy were estimated" in text for text in warnings)


def test_doses_that_cannot_be_known_are_never_zero(follow, give, image, course):
    follow("bordet-phase-3")
    give(1, agent="90Y-DOTATOC", nuclide="Y-90")
    for cycle in (2, 3):
        give(cycle)
        image(cycle, {"kidney": 5.0})
    # the fourth cycle is tailored by the kidneys' dose, whose sum is not known
    found = course("plan", "--as-of", NEXT, "--limit", "kidney-23Gy")
    (kidney,) = found["limits"]
    assert (kidney["so_far_Gy"], kidney["at_least_Gy"]) == (None, 10.0)
    assert "no absorbed dose in cycle 1" in kidney["not_known"]
    assert (found["action"], found["activity_GBq"]) == ("hold", None)
    assert any(text.startswith("Unknown: ") for text in found["reasons"])
    # at least 10 Gy are above 9 Gy, whatever the first cycle was
    stopped = course("plan", "--as-of", NEXT, "--limit", "kidney-9Gy")
    assert (stopped["action"], stopped["activity_GBq"]) == ("stop", 0)
    assert "At least 10 Gy was given to the kidney" in " ".join(stopped["reasons"])


def test_doses_of_another_agent_years_ago_count(follow, give, image, course):
    give(1, agent="90Y-DOTATOC", nuclide="Y-90", day="2021-05-03")
    image(1, {"kidney": 9.0}, nuclide="Y-90", day="2021-05-03")
    follow("us-label")
    give(2)
    image(2, {"kidney": 4.0})
    found = course("plan", "--as-of", "2026-04-27")
    assert (found["cycle"], found["protocol_cycle"]) == (3, 2)
    kidney = found["limits"][0]
    assert kidney["so_far_Gy"] == pytest.approx(13.0)
    assert kidney["prediction"]["Gy_per_GBq"] == pytest.approx(4.0 / 7.38)
    assert any("without weights of their radiation" in text for text in found["warnings"])


def test_marrow_of_the_section_warns_and_never_decides(follow, give, image, fine, course):
    follow("us-label")
    fine(DAYS[1])
    fine("2026-04-26")
    methods = [
        {"method": "blood, as blood", "absorbed_dose_Gy": 2.5, "u_absorbed_dose_Gy": 0.5, "budget": {"blood": 0.2}},
        {"method": "whole body", "absorbed_dose_Gy": 0.1, "u_absorbed_dose_Gy": None, "budget": {}},
    ]
    give(1)
    image(1, {"kidney": 4.0}, marrow=methods)
    give(2)
    image(2, {"kidney": 4.0}, marrow=methods[:1])
    found = course("plan", "--as-of", DAYS[3])
    marrow = found["limits"][1]
    # the method that both cycles have
    assert (marrow["name"], marrow["so_far_Gy"], marrow["decides"]) == ("marrow-2Gy", 5.0, False)
    assert marrow["probability_exceeded"] > 0.99
    assert (found["action"], found["activity_GBq"]) == ("give", 7.4)
    assert any("is by the method: blood, as blood" in text for text in found["warnings"])
    assert any("It does not decide" in text for text in found["warnings"])


def test_toxicity_holds_then_reduces_then_ends(follow, give, fine, measure, course):
    follow("us-label")
    fine(DAYS[1])
    give(1)
    measure("platelets", 40, "10^9/L", "2026-02-10", "lower_limit=150")
    held = course("plan", "--as-of", "2026-02-12")
    assert (held["action"], held["activity_GBq"], held["modification"]["state"]) == ("hold", None, "HELD")
    assert held["modification"]["held_by"] == ["thrombocytopenia"]
    assert held["modification"]["stops_on"] == "2026-04-27"  # 112 days after 5 January
    reason = next(text for text in held["reasons"] if text.startswith("thrombocytopenia, 2026-02-10"))
    assert "platelets 40 10^9/L" in reason
    assert "prescribing information" in reason
    fine("2026-03-01", without=("platelets",))
    measure("platelets", 160, "10^9/L", "2026-03-01", "lower_limit=150")
    reduced = course("plan", "--as-of", "2026-03-02")
    assert (reduced["action"], reduced["activity_GBq"]) == ("reduce", 3.7)
    assert any("allows at most 3.7 GBq: reduced by thrombocytopenia" in text for text in reduced["reasons"])
    give(2, activity=3720)
    measure("platelets", 35, "10^9/L", "2026-04-01", "lower_limit=150")
    stopped = course("plan", "--as-of", "2026-04-02")
    assert (stopped["action"], stopped["activity_GBq"], stopped["modification"]["state"]) == ("stop", 0, "STOPPED")
    assert "stop for good" in stopped["reasons"][0] + stopped["reasons"][1]


def test_what_is_not_judged_holds_and_says_what_is_missing(follow, give, measure, course):
    follow("us-label")
    give(1)
    # more than three times the upper limit, which nobody noted
    measure("bilirubin", 70, "µmol/L", "2026-02-10")
    found = course("plan", "--as-of", "2026-02-12")
    assert (found["action"], found["activity_GBq"]) == ("hold", None)
    assert any(
        text.startswith("Unknown: hepatic cannot be judged since 2026-02-10") and "bilirubin" in text
        for text in found["reasons"]
    )


def test_all_cycles_are_given(follow, give, course):
    follow("us-label")
    for cycle in (1, 2, 3, 4):
        give(cycle)
    found = course("plan", "--as-of", "2026-08-17")
    assert (found["action"], found["activity_GBq"]) == ("stop", 0)
    assert any("all cycles are given: 4 of 4" in text for text in found["reasons"])


def test_not_eligible_holds_and_names_the_rules(follow, fine, measure, course):
    follow("us-label")
    fine(DAYS[1], without=("pregnant",))
    course("add", "observation", "name=pregnant", "value=yes", f"time={DAYS[1]}T07:00")
    found = course("plan", "--as-of", DAYS[1])
    assert (found["action"], found["activity_GBq"]) == ("hold", None)
    assert [rule["id"] for rule in found["eligibility"]["not_met"]] == ["not-pregnant"]
    (reason,) = [text for text in found["reasons"] if text.startswith("Not eligible by not-pregnant")]
    assert "found pregnant yes" in reason


def test_eligible_first_cycle(follow, fine, course):
    follow("us-label")
    fine(DAYS[1])
    found = course("plan", "--as-of", DAYS[1])
    assert found["eligibility"] == {"verdict": "eligible", "kind": "baseline", "not_met": [], "unknown": []}
    assert (found["action"], found["activity_GBq"], found["cycle"]) == ("give", 7.4, 1)
    assert found["reasons"][0].startswith("7.4 GBq per cycle (us-label: Lutathera prescribing information")
    # 4.37 Gy (90/99)^-0.55 of the population, with the clearance that is kept
    prior = course("plan", "--as-of", DAYS[1], "--prior", "sood2026")["limits"][0]
    assert prior["predicted_Gy"] == pytest.approx(4.37 * (90 / 99) ** -0.55)


def test_the_prior_is_of_adults_from_the_18th_birthday(lutetia, course):
    # 6574 days are 17.9986 years of 365.25 d, and 18 birthdays all the same
    lutetia("course", "new", "NET-018", "--sex", "female", "--born", "2008-05-02")
    asked = (
        "course",
        "plan",
        "NET-018",
        "--protocol",
        "us-label",
        "--prior",
        "sood2026",
        "--clearance-mL-min",
        "90",
    )
    code, document, _ = lutetia(*asked, "--as-of", "2026-05-01")
    assert code == 8
    assert "is not 18" in document["error"]["message"]
    assert lutetia(*asked, "--as-of", "2026-05-02")[0] == 0


def test_activity_by_the_weight_that_is_kept(follow, course):
    follow("ac225-dotatate")
    for words in (
        "name=tumour value=GEP-NET",
        "name=lu177_status value=refractory",
        "name=unresectable_or_metastatic value=yes",
    ):
        course("add", "observation", *words.split(), f"time={DAYS[1]}T07:00")
    found = course("plan", "--as-of", DAYS[1])
    assert (found["action"], found["activity_GBq"]) == ("hold", None)
    assert any("give the mass" in text for text in found["reasons"])
    course("add", "observation", "name=weight", "value=71", "unit=kg", f"time={DAYS[1]}T07:00")
    found = course("plan", "--as-of", DAYS[1])
    # 0.1 MBq/kg for 71 kg
    assert (found["action"], found["activity_GBq"]) == ("give", pytest.approx(7.1e-3))
    assert any(
        text.startswith("7.1 MBq per cycle (ac225-dotatate: 0.1 MBq/kg for 71 kg") for text in found["reasons"]
    )


def test_a_protocol_without_an_activity_is_held_not_given_another_nuclides(follow, course):
    follow("bi213-dotatoc")
    found = course("plan", "--as-of", DAYS[1])
    assert (found["action"], found["activity_GBq"]) == ("hold", None)
    assert any("an individual activity without a number" in text for text in found["reasons"])


def test_a_limit_of_ones_own_is_kept_and_said(three, course):
    found = course("plan", "--as-of", NEXT, "--limit", "kidney-20Gy")
    assert {row["name"] for row in found["limits"]} == {"kidney-20Gy"}
    assert found["limits"][0]["sources"][0] == {
        "source": "given by the user", "condition": None, "endpoint": "", "verified": False,
    }  # fmt: skip
    assert any("kidney-20Gy is the user's own limit" in text for text in found["warnings"])


def test_the_answer_is_kept_as_a_decision(three, course):
    found = course("plan", "--as-of", NEXT, "--record", "--question", "Fourth cycle?")
    assert found["recorded"] == "decision-1"
    (kept,) = course("export")["course"]["decisions"]
    assert (kept["question"], kept["who"], kept["action"], kept["cycle"]) == (
        "Fourth cycle?", "A. Physicist", "reduce", 4,
    )  # fmt: skip
    # rounded down to 10 MBq, as it is told
    assert kept["activity_MBq"] == pytest.approx(math.floor(found["activity_GBq"] * 100) * 10)
    assert kept["reasons"] == found["reasons"]
    assert "bordet-phase-3 2013" in kept["source"]
    assert "kidney-23Gy: P-PRRT and Uppsala" in kept["source"]
    assert kept["time"] == f"{NEXT}T23:59:00"
    # of an older version
    refused = course("plan", "--as-of", NEXT, "--record", "--if-version", "3", expect=11)
    assert refused["error"]["kind"] == "ConflictError"
    assert found["course_version"] == course("show")["version"]


def test_a_held_course_is_recorded_without_an_activity(follow, give, measure, course):
    follow("us-label")
    give(1)
    measure("platelets", 40, "10^9/L", "2026-02-10", "lower_limit=150")
    course("plan", "--as-of", "2026-02-12", "--record", "--by", "board")
    (kept,) = course("export")["course"]["decisions"]
    assert (kept["action"], kept.get("activity_MBq"), kept["rule"]) == ("hold", None, "thrombocytopenia, platelets")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--as-of", NEXT), 3, "The course follows no protocol"),
        (("--protocol", "nobody"), 9, "No protocol 'nobody'"),
        (("--protocol", "us-label", "--strategy", "feeling"), 2, "there are fixed"),
        (("--protocol", "us-label", "--limit", "knee-9Gy"), 2, "No limit 'knee-9Gy'"),
        (("--protocol", "us-label", "--prior", "other"), 2, "expected sood2026"),
        (("--protocol", "us-label", "--prior", "sood2026"), 3, "needs a creatinine clearance"),
        (("--protocol", "us-label", "--clearance-mL-min", "50"), 2, "is for --prior"),
        (("--protocol", "us-label", "--question", "?"), 2, "give --record with it"),
        (("--protocol", "us-label", "--record", "--by", " "), 2, "--by: missing"),
        (("--protocol", "us-label", "--plot", "p.txt"), 2, "expected a file that ends"),
        (("--protocol", "us-label", "--Gy-per-GBq", "kidney"), 2, "expected an organ and its value"),
    ],
)
def test_what_goes_wrong(course, words, code, message):
    assert message in course("plan", *words, expect=code)["error"]["message"]


def test_what_people_read(three, course, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    activity = course("plan", "--as-of", NEXT)["activity_GBq"]
    found = CliRunner().invoke(application, ["course", "plan", "NET-017", "--as-of", NEXT, "--record"])
    assert found.exit_code == 0
    assert max(map(len, found.stdout.splitlines())) <= 80
    text = " ".join(found.stdout.split())
    for words in (
        f"Give a reduced activity, {math.floor(activity * 100) / 100:g} GBq.",
        "by bordet-phase-3 2013 on 2026-06-22", "It does not decide", "Recorded as decision-1.", "Research use only",
    ):  # fmt: skip
        assert words in text
