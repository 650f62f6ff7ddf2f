"""The catalogue of agents at the command line."""

from importlib.resources import files

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

ACTINIUM = ("agents", "ac225-dotatate", "--regimen", "ac225-dotatate", "--mass-kg", "70", "--on", "2026-04-27")


def test_agents_are_listed_and_shown(lutetia):
    code, document, _ = lutetia("agents")
    assert code == 0
    assert len(document["agents"]) == 19
    for one in document["agents"]:
        shown = CliRunner().invoke(application, ["agents", one["id"]])
        assert shown.exit_code == 0
        assert "Research use only" in shown.stdout
    assert "Research use only" in CliRunner().invoke(application, ["agents"]).stdout
    _, found, _ = lutetia("agents", "213Bi-DOTATOC")
    assert found["regimens"][0]["artery"] == "hepatic"
    assert found["note"] == "Research use only."


def test_activity_of_the_next_cycle(lutetia):
    code, document, _ = lutetia(*ACTINIUM, "--given", "2026-01-05=7.0", "--given", "2026-03-02=7.0")
    assert code == 0
    found = document["prescription"]
    # 70 kg at 100 kBq/kg; 55.5 - 14 = 41.5 MBq are 5.93 cycles of 7 MBq
    assert (found["cycle"], found["activity_MBq"], found["left_MBq"]) == (3, 7.0, 41.5)
    assert found["cycles_left"] == pytest.approx(41.5 / 7)
    assert found["due"] == "2026-04-27"
    assert [finding["rule"] for finding in found["findings"]] == ["repeated-20"]
    shown = CliRunner().invoke(application, [*ACTINIUM, "--given", "2026-01-05=19"], env={"COLUMNS": "200"})
    assert "Cycle 2 on 2026-04-27 by ac225-dotatate: 7 MBq; 36.5 MBq left of the sum, 5.2 cycles" in shown.stdout
    assert "warning: 26 MBq within 4 months" in shown.stdout


def test_a_preparation_is_checked(lutetia):
    times = ("--prepared", "2026-03-02T08:00", "--administered", "2026-03-02T12:00")
    _, document, _ = lutetia("agents", "161Tb-DOTATOC", *times, "--purity-percent", "94")
    assert [check["passed"] for check in document["preparation"]] == [True, False]
    shown = CliRunner().invoke(application, ["agents", "161Tb-DOTATOC", *times], env={"COLUMNS": "200"})
    assert "radiochemical purity: open; not measured, at least 95 %" in shown.stdout


def test_pairs_and_doses(lutetia):
    _, document, _ = lutetia("agents", "--pairs")
    lead = next(pair for pair in document["pairs"] if pair["therapy"] == "Pb-212")
    assert (lead["same_element"], lead["chemistry"]) == (True, "identical")
    _, document, _ = lutetia("agents", "--doses")
    bismuth = next(row for row in document["doses"] if row["agent"] == "213Bi-PSMA-617")
    assert (bismuth["absorbed_dose_mGy_per_MBq"], bismuth["rbe_inside"]) == (None, 5.0)
    assert bismuth["weighted_dose_mGy_per_MBq"] == pytest.approx(8.1)
    for option in ("--pairs", "--doses"):
        assert "Research use only" in CliRunner().invoke(application, ["agents", option]).stdout


def test_an_agent_of_ones_own(lutetia, tmp_path):
    text = (files("lutetia.therapy") / "data" / "agents" / "profiles" / "cu67-sar-tate.yaml").read_text("utf-8")
    ours = tmp_path / "ours.yaml"
    ours.write_text(text.replace("role: agonist", "role: friend"), "utf-8")
    code, document, _ = lutetia("agents", ours)
    assert code == 9
    assert "ours.yaml, line 10, role: 'friend'; expected one of agonist" in document["error"]["message"]
    ours.write_text(text.replace("id: cu67-sar-tate", "id: ours"), "utf-8")
    assert lutetia("agents", ours)[1]["id"] == "ours"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("no-such",), 9, "No agent 'no-such'; there are ac225-dotatate"),
        (("--regimen", "x"), 2, "of one agent; give its id"),
        (("ac225-dotatate", "--regimen", "x"), 2, "has no regimen 'x'; it has ac225-dotatate"),
        (("ac225-dotatate", "--regimen", "ac225-dotatate"), 3, "give the mass"),
        (("ac225-dotatate", "--pairs"), 2, "without an id"),
        (("--doses", "--pairs"), 2, "give one of them"),
        (("ac225-dotatate", "--prepared", "2026-03-02T08:00"), 2, "give --prepared and --administered"),
        ((*ACTINIUM[1:], "--given", "7.0"), 2, "--given: '7.0'"),
        ((*ACTINIUM[1:], "--given", "2026-01-05=much"), 2, "expected a day and MBq"),
        ((*ACTINIUM[1:-1], "soon"), 2, "--on: 'soon' is not a day"),
    ],
)
def test_what_goes_wrong(lutetia, arguments, code, message):
    found, document, _ = lutetia("agents", *arguments)
    assert found == code
    assert message in document["error"]["message"]
