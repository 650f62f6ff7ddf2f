"""The effect of a dose by the command line, good ways first, then what goes wrong."""

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

KIDNEY = ("--repair-half-life-h", 2.8, "--alpha-beta-Gy", 2.6)


def test_bed_of_one_cycle(lutetia):
    code, document, _ = lutetia("bed", "--absorbed-dose-Gy", 5, "--effective-half-life-h", 51.6, *KIDNEY)
    assert code == 0
    # T_rep/(T_rep + T_eff), and D + G D^2/(alpha/beta)
    assert document["g"] == pytest.approx(0.05147, abs=5e-6)
    assert document["bed_Gy"] == pytest.approx(5.4949, abs=5e-5)
    assert document["eqd2_Gy"] == pytest.approx(5.494910 / (1 + 2 / 2.6))
    assert document["u_bed_Gy"] is None
    assert document["parameters"]["alpha_beta_Gy"] == {
        "value": 2.6, "source": "given on the command line", "verified": None,
    }  # fmt: skip
    assert document["limits"] == []
    assert "Research use only" in document["note"]


def test_bed_of_a_course_with_the_table(lutetia):
    arguments = [
        "bed",
        "--absorbed-dose-Gy",
        5.75,
        "--effective-half-life-h",
        50,
        "--organ",
        "kidney",
        "--cycles",
        4,
    ]
    code, document, _ = lutetia(*arguments)
    assert code == 0
    assert document["bed_Gy"] == pytest.approx(25.70, abs=5e-3)
    assert document["total_absorbed_dose_Gy"] == pytest.approx(23)
    assert document["carry_over_Gy"] is None
    assert [cycle["cycle"] for cycle in document["per_cycle"]] == [1, 2, 3, 4]
    assert sum(cycle["bed_Gy"] for cycle in document["per_cycle"]) == pytest.approx(document["bed_Gy"])
    assert "complete" in document["warnings"][0]
    source = document["parameters"]["repair_half_life_h"]
    assert source["value"] == 2.8
    assert source["verified"] is True
    assert "MIRD Pamphlet 20" in source["source"]
    reached = {(limit["quantity"], limit["limit_Gy"]): limit["fraction"] for limit in document["limits"]}
    assert reached["absorbed dose", 23] == pytest.approx(1)
    assert reached["BED", 40] == pytest.approx(25.70 / 40, abs=1e-3)
    _, weekly, _ = lutetia(*arguments, "--interval-d", 7)
    # what decays and what is unrepaired after 3.4 half-lives
    assert weekly["carry_over_Gy"] == pytest.approx(weekly["bed_Gy"] - document["bed_Gy"])
    assert 0.1 < weekly["carry_over_Gy"] < 1
    assert weekly["warnings"] == []
    _, months, _ = lutetia(*arguments, "--interval-d", 56)
    assert months["bed_Gy"] == pytest.approx(document["bed_Gy"], rel=1e-7)


def test_bed_with_uncertainty(lutetia):
    code, document, _ = lutetia(
        "bed", "--absorbed-dose-Gy", 5, "--effective-half-life-h", 51.6, *KIDNEY, "--u-absorbed-dose-Gy", 0.5
    )
    assert code == 0
    assert document["u_bed_Gy"] == pytest.approx(0.598982, rel=1e-4)  # (1 + 2 G D/ab) u
    low, high = document["bed_95_Gy"]
    assert low < document["bed_Gy"] - 1 < document["bed_Gy"] + 1 < high


def test_unverified_parameters_are_told(lutetia):
    _, document, _ = lutetia("bed", "--absorbed-dose-Gy", 20, "--effective-half-life-h", 77, "--organ", "lesion")
    assert document["alpha_beta_Gy"] == 10
    assert document["bed_Gy"] == pytest.approx(20 + 1.5 / 78.5 * 40)
    assert "Not compared with a source" in document["warnings"][0]


def test_ntcp_by_the_anchor_has_its_warning(lutetia):
    code, document, _ = lutetia("ntcp", "--organ", "kidney", "--dose-Gy", 30)
    assert code == 0
    assert document["ntcp"] == pytest.approx(0.737, abs=5e-4)
    assert "323 patients" in document["warnings"][0]


def test_ntcp_of_ones_own_patients(lutetia, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("dose_Gy,patients,events\n15,40,0\n20,40,3\n25,40,9\n30,40,22\n35,40,31\n", "utf-8")
    code, document, _ = lutetia("ntcp", "--data", path, "--dose-Gy", 30)
    assert code == 0
    low, high = document["d50_95_Gy"]
    assert low < document["d50_Gy"] < high
    assert document["ntcp"] == pytest.approx(22 / 40, abs=0.08)  # binomial: one standard deviation
    assert (document["patients"], document["events"]) == (200, 65)
    path.write_text("dose_Gy,patients,events\n15,40,0\n20,40,0\n", "utf-8")
    code, document, _ = lutetia("ntcp", "--data", path)
    assert code == 6
    assert "0 events" in document["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["bed", "--absorbed-dose-Gy", "5", "--effective-half-life-h", "51.6", "--organ", "kidney"],
            "BED = 5.495 Gy",
        ),
        (["ntcp", "--organ", "kidney", "--dose-Gy", "25"], "15.5 %"),
    ],
)
def test_in_words(arguments, words):
    result = CliRunner().invoke(application, arguments)
    assert result.exit_code == 0
    assert words in result.stdout
    assert "Research use only" in " ".join(result.stdout.split())


ONE = ["--absorbed-dose-Gy", "5", "--effective-half-life-h", "50"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["bed", "--absorbed-dose-Gy", "-5", "--effective-half-life-h", "50", *map(str, KIDNEY)], 2, "-5.0 Gy"),
        (
            ["bed", "--absorbed-dose-Gy", "5", "--effective-half-life-h", "0", *map(str, KIDNEY)],
            2,
            "half-life of 0.0 h",
        ),
        (["bed", *ONE, "--repair-half-life-h", "0", "--alpha-beta-Gy", "2.6"], 2, "--repair-half-life-h of 0.0 h"),
        (["bed", *ONE, "--repair-half-life-h", "2.8", "--alpha-beta-Gy", "-1"], 2, "--alpha-beta-Gy of -1.0 Gy"),
        (["bed", *ONE, "--alpha-beta-Gy", "2.6"], 3, "No --repair-half-life-h"),
        (["bed", *ONE, "--organ", "toe"], 3, "there are kidney"),
        (["bed", *ONE, "--organ", "parotid gland"], 3, "the table has none of parotid gland"),
        (["bed", *ONE, "--organ", "kidney", "--cycles", "0"], 2, "at least 1"),
        (["bed", *ONE, "--organ", "kidney", "--cycles", "2", "--interval-d", "0"], 2, "days above 0"),
        (["bed", *ONE, "--organ", "kidney", "--u-absorbed-dose-Gy", "-1"], 2, "none below 0"),
        (["bed", *ONE, "--organ", "kidney", "--u-absorbed-dose-Gy", "1e300"], 2, "--u-absorbed-dose-Gy 1e+300"),
        (["bed", *ONE, "--organ", "kidney", "--cycles", "1000"], 2, "--cycles 1000; expected at most 100"),
        (["ntcp"], 2, "either --organ"),
        (["ntcp", "--organ", "kidney"], 3, "No --dose-Gy"),
        (["ntcp", "--organ", "spleen", "--dose-Gy", "1"], 3, "No complication model of 'spleen'"),
        (["ntcp", "--organ", "kidney", "--dose-Gy", "-1"], 2, "not negative"),
        (["ntcp", "--data", "nowhere.csv"], 2, "no such file"),
    ],
)
def test_errors_are_told(lutetia, arguments, code, said):
    found, document, messages = lutetia(*arguments)
    assert found == code
    assert said in document["error"]["message"]
    assert said in messages
