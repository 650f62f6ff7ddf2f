"""Eligibility by the command line, good ways first, then what goes wrong."""

import json
import shutil
from datetime import date, timedelta
from importlib.resources import as_file, files

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

FACTS = """\
birth_date: 1960-05-02
facts:
  tumour: {value: GEP-NET, date: 2025-06-10}
  sstr_positive: {value: true, date: 2025-12-20}
  pregnant: {value: false, date: 2026-01-20}
  long_acting_ssa: {value: true, date: 2025-12-20}
  short_acting_ssa: {value: false, date: 2026-01-20}
"""


@pytest.fixture
def facts(tmp_path):
    path = tmp_path / "facts.yaml"
    path.write_text(FACTS, "utf-8")
    return path


def test_eligible_by_the_label(lutetia, facts):
    code, document, _ = lutetia("eligibility", facts, "--protocol", "us-label", "--as-of", "2026-01-22")
    assert code == 0
    assert document["verdict"] == "eligible"
    assert (document["kind"], document["as_of"]) == ("baseline", "2026-01-22")
    age = document["rules"][0]
    assert (age["id"], age["state"], age["expected"], age["verified"]) == ("age", "met", "age ≥ 12 years", True)
    assert age["values"] == [{"item": "age", "value": 65, "unit": "years", "date": "2026-01-22"}]
    assert "prescribing information" in age["source"]
    assert "Research use only" in document["note"]
    assert "1960" not in json.dumps(document)


def test_too_early_after_the_analogue(lutetia, facts):
    # 27 days after 2025-12-20; 4 weeks are asked for
    _, document, _ = lutetia("eligibility", facts, "--protocol", "us-label", "--as-of", "2026-01-16")
    assert document["verdict"] == "not_eligible"
    (failed,) = [rule for rule in document["rules"] if rule["state"] == "not_met"]
    assert failed["id"] == "long-acting-ssa"
    assert failed["found"] == "last long-acting somatostatin analogue on 2025-12-20"


def test_before_a_later_cycle_laboratory_is_missing(lutetia, facts):
    _, document, _ = lutetia(
        "eligibility", facts, "--protocol", "us-label", "--as-of", "2026-01-22", "--retreatment"
    )
    assert (document["kind"], document["verdict"]) == ("retreatment", "unknown")
    platelets = document["rules"][0]
    assert (platelets["state"], platelets["found"], platelets["missing"]) == (
        "unknown",
        None,
        ["grade_thrombocytopenia"],
    )
    assert "Not compared with their source" in document["warnings"][0]


def test_a_planned_hour_may_lie_ahead(lutetia, facts):
    ahead = (date.today() + timedelta(days=7)).isoformat()
    code, document, _ = lutetia("eligibility", facts, "--protocol", "us-label", "--as-of", f"{ahead}T09:00")
    assert code == 0
    assert document["as_of"] == f"{ahead}T09:00:00"


def test_text_output(facts):
    result = CliRunner().invoke(
        application, ["eligibility", str(facts), "--protocol", "us-label", "--as-of", "2026-01-22"]
    )
    assert result.exit_code == 0
    assert "Eligible: all rules are met." in result.stdout
    assert "Research use only" in result.stdout


def test_a_protocol_without_rules_for_later_cycles_says_so(lutetia, facts):
    words = ["eligibility", str(facts), "--protocol", "netter-1", "--retreatment", "--as-of", "2026-01-22"]
    code, document, _ = lutetia(*words)
    assert (code, document["verdict"], document["rules"]) == (0, "unknown", [])
    shown = CliRunner().invoke(application, words, env={"COLUMNS": "80"}).stdout
    assert " ".join(shown.split()).startswith(
        "Unknown: the protocol netter-1 states no rules before a later cycle, so nothing can be judged by it."
    )
    assert "rule" not in shown.split("cycle, 2026-01-22")[1].split("Sources")[0]  # no empty table


def test_ids_are_whole_in_eighty_columns(lutetia, facts, tmp_path):
    shown = CliRunner().invoke(application, ["protocols"], env={"COLUMNS": "80"}).stdout
    assert all(line["id"] in shown for line in lutetia("protocols")[1]["protocols"])
    assert max(map(len, shown.splitlines())) <= 80
    words = ["eligibility", str(facts), "--protocol", "us-label", "--retreatment", "--as-of", "2026-01-22"]
    shown = CliRunner().invoke(application, words, env={"COLUMNS": "80"}).stdout
    assert all(rule["id"] in shown for rule in lutetia(*words)[1]["rules"])
    course = tmp_path / "course.yaml"
    course.write_text("administrations:\n  - {date: 2026-01-05T10:00, activity_MBq: 7400}\n", "utf-8")
    words = ["schedule", str(course), "--protocol", "us-label", "--as-of", "2026-01-22", "--start", "2026-03-02T10:00",
             "--agent-minutes", "30"]  # fmt: skip
    shown = CliRunner().invoke(application, words, env={"COLUMNS": "80"}).stdout
    assert max(map(len, shown.splitlines())) <= 80
    document = lutetia(*words)[1]
    for name in [*(o["event"] for o in document["order_set"]), *(w["item"] for w in document["washout"])]:
        assert name in shown
    assert "…" not in shown


def test_limits_are_whole_in_eighty_columns(lutetia):
    words = ["plan", "--strategy", "tailored-4th", "--dose-Gy", "kidney left=6.12,6.23,6.21", "--activity-GBq",
             "7.4,7.4,7.4", "--Gy-per-GBq", "kidney left=0.64", "--limit", "kidney-BED-28Gy", "--half-life-h",
             "kidney left=50"]  # fmt: skip
    shown = CliRunner().invoke(application, words, env={"COLUMNS": "80"}).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "kidney-BED-28Gy" in shown
    assert "…" not in shown


def test_protocols_are_listed_and_shown(lutetia):
    code, document, _ = lutetia("protocols")
    assert code == 0
    assert {"us-label", "eu-smpc", "netter-1", "netter-2"} <= {line["id"] for line in document["protocols"]}
    _, label, _ = lutetia("protocols", "bordet-phase-3")
    assert label["activity"]["activity_MBq"] == 7400
    assert label["activity"]["tolerance_percent"] == 5
    assert label["tailored_cycles"][0]["lowest_MBq"] == 4600
    assert label["interval"]["earliest_days"] == 49
    for one in (line["id"] for line in document["protocols"]):
        shown = CliRunner().invoke(application, ["protocols", one])
        assert shown.exit_code == 0
        assert "Research use only" in shown.stdout
    assert "Research use only" in CliRunner().invoke(application, ["protocols"]).stdout


def test_a_protocol_of_ones_own(lutetia, facts, tmp_path):
    ours = tmp_path / "ours.yaml"
    with as_file(files("lutetia.therapy.protocols") / "profiles" / "us-label.yaml") as shipped:
        shutil.copy(shipped, ours)
    ours.write_text(
        ours.read_text("utf-8").replace("at_least: 12, unit: years", "at_least: 70, unit: years"), "utf-8"
    )
    _, document, _ = lutetia("eligibility", facts, "--protocol", ours, "--as-of", "2026-01-22")
    assert document["verdict"] == "not_eligible"
    ours.write_text(ours.read_text("utf-8").replace("basis: fixed", "basis: flat"), "utf-8")
    code, document, _ = lutetia("eligibility", facts, "--protocol", ours)
    assert code == 9
    assert document["error"]["kind"] == "ProtocolError"
    assert "ours.yaml, line 15, activity.basis: 'flat'; expected one of fixed" in document["error"]["message"]


@pytest.mark.parametrize(
    ("change", "arguments", "code", "message"),
    [
        (("2026-01-20}", "2999-01-20}"), (), 2, "line 5, facts.pregnant.date: 2999-01-20 is in the future"),
        (
            ("value: GEP-NET", "value: NET"),
            (),
            2,
            "line 3, facts.tumour: the value is 'NET'; expected one of GEP-NET",
        ),
        (("", ""), ("--as-of", "soon"), 2, "--as-of: 'soon' is not a day"),
        (("", ""), ("--as-of", "2026-01-22T09:00Z"), 2, "has a time zone"),
        (("", ""), ("--protocol", "netter-4"), 9, "No protocol 'netter-4'; there are"),
    ],
)
def test_what_goes_wrong(lutetia, facts, change, arguments, code, message):
    facts.write_text(FACTS.replace(*change, 1), "utf-8")
    found, document, _ = lutetia("eligibility", facts, "--protocol", "us-label", *arguments)
    assert found == code
    assert message in document["error"]["message"]
