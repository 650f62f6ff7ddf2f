"""Renal function and toxicity grades by the command line."""

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

LABS = """\
Parameter,date,value,unit,lower_limit,upper_limit
Thrombos,2026-01-05,210,G/L,150,400
Hb,2026-01-05,7.9,mmol/L,7.4,9.9
ALT,2026-01-05,100,U/L,,40
Thrombos,2026-02-09,48,G/L,150,400
MCV,2026-02-09,90,fL,,
ALT,2026-02-09,310,U/L,,40
Thrombos,2026-03-09T08:30,90,10^3/µL,150,400
ANC,2026-03-09,0.7,G/L,,
"""
MAP = ("--map", "Parameter=test", "--map", "Thrombos=platelets")


@pytest.fixture
def labs(tmp_path):
    path = tmp_path / "labs.csv"
    path.write_text(LABS, "utf-8")
    return path


def test_renal_function(lutetia):
    code, document, _ = lutetia(
        "renal", "--creatinine", 1.0, "--unit", "mg/dL", "--sex", "F", "--age", 63, "--weight-kg", 70
    )
    assert code == 0
    # R nephro
    assert document["cockcroft_gault_ml_min"] == pytest.approx(63.63194, abs=5e-6)
    assert document["ckd_epi_2021_ml_min_1_73m2"] == pytest.approx(63.30282, abs=5e-6)
    assert document["ckd_epi_2021_cystatin_ml_min_1_73m2"] is None
    assert document["ckd_epi_2021_ml_min"] is None
    assert list(document["sources"]) == ["cockcroft_gault_ml_min", "ckd_epi_2021_ml_min_1_73m2"]
    assert document["warnings"] == []
    assert "Research use only" in document["note"]


def test_renal_function_in_other_units_with_all_there_is(lutetia):
    _, document, _ = lutetia(
        "renal", "--creatinine", 88.42, "--unit", "µmol/L", "--sex", "female", "--age", 63, "--weight-kg", 70,
        "--height-cm", 170, "--cystatin-mg-L", 1.1,
    )  # fmt: skip
    assert document["creatinine_mg_dL"] == pytest.approx(1.0)
    assert document["ckd_epi_2021_cystatin_ml_min_1_73m2"] == pytest.approx(65.34, abs=5e-6)
    assert document["ckd_epi_2012_cystatin_ml_min_1_73m2"] == pytest.approx(63.087, abs=5e-6)
    assert document["body_surface_formula"] == "dubois1916"
    assert document["ckd_epi_2021_ml_min"] == pytest.approx(63.30282 * 1.80971 / 1.73, rel=1e-5)


def test_grades(lutetia, labs):
    code, document, _ = lutetia("grades", labs, *MAP, "--baseline-before", "2026-01-06")
    assert code == 0
    found = {(row["test"], row["date"]): row for row in document["grades"]}
    assert {key: row["grade"] for key, row in found.items()} == {
        ("platelets", "2026-01-05"): 0,
        ("haemoglobin", "2026-01-05"): 0,
        ("ALT", "2026-01-05"): 1,  # above the upper limit; it is the baseline itself
        ("platelets", "2026-02-09"): 3,
        ("ALT", "2026-02-09"): 2,  # > 3 x the abnormal baseline; by the upper limit it were 3
        ("platelets", "2026-03-09T08:30"): 1,
        ("neutrophils", "2026-03-09"): 3,
    }
    assert {row["version"] for row in document["grades"]} == {document["version"]} == {"5.0"}
    assert found["platelets", "2026-02-09"]["reason"] == "48 G/L is below 50 G/L."
    assert document["warnings"] == [
        "labs.csv, line 6: left out, the test 'MCV' is not in the table.",
        "neutrophils: no result before 2026-01-06, so no baseline.",
    ]
    nadir = next(row for row in document["nadirs"] if row["test"] == "platelets")
    assert (nadir["value"], nadir["grade"], nadir["after_d"]) == (48, 3, 34)
    assert (nadir["recovery"], nadir["recovered_to"]) == ("recovered", "grade 0 or 1")
    assert nadir["recovery_date"] == "2026-03-09T08:30"


def test_another_version_is_asked_for_by_name(lutetia, labs):
    _, four, _ = lutetia("grades", labs, *MAP, "--ctcae", "4.03", "--baseline-before", "2026-01-06")
    assert {row["version"] for row in four["grades"]} == {"4.03"}
    found = {(row["test"], row["date"]): row["grade"] for row in four["grades"]}
    assert found["ALT", "2026-02-09"] == 3  # > 5 x the upper limit; 4.03 has no abnormal baseline
    _, document, _ = lutetia("grades", labs, *MAP, "--ctcae", "6.0")
    found = {(row["test"], row["date"]): row["grade"] for row in document["grades"]}
    assert found["neutrophils", "2026-03-09"] == 2
    assert document["nadirs"] == []
    assert document["version"] == "6.0"


def test_what_cannot_be_told_is_null(lutetia, labs):
    labs.write_text("test,date,value,unit\nPLT,2026-03-09,120,G/L\n", "utf-8")
    _, document, _ = lutetia("grades", labs)
    (row,) = document["grades"]
    assert (row["grade"], row["at_least"], row["at_most"]) == (None, 0, 1)
    assert "lower limit of normal" in row["reason"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["renal", "--creatinine", "1", "--unit", "mg/dL", "--sex", "F", "--age", "63", "--weight-kg", "70"],
            "63.6",
        ),
        (["renal", "--creatinine", "1", "--unit", "mg/dL", "--sex", "M", "--age", "63"], "no Cockcroft-Gault"),
        (["grades", "LABS", *MAP, "--baseline-before", "2026-01-06"], "48 G/L is below 50 G/L"),
    ],
)
def test_in_words(labs, arguments, words):
    result = CliRunner().invoke(application, [str(labs) if a == "LABS" else a for a in arguments])
    assert result.exit_code == 0
    assert words in " ".join(result.stdout.split())
    assert "Research use only" in " ".join(result.stdout.split())


RENAL = ["renal", "--unit", "mg/dL", "--sex", "F"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([*RENAL, "--creatinine", "88", "--age", "63"], 2, "possible in umol/L"),
        ([*RENAL, "--creatinine", "1", "--age", "12"], 8, "adults"),
        ([*RENAL[:3], "--sex", "X", "--creatinine", "1", "--age", "63"], 2, "--sex 'X'"),
        (["renal", "--unit", "g/L", "--sex", "F", "--creatinine", "1", "--age", "63"], 2, "expected one of umol/L"),
        ([*RENAL, "--creatinine", "1", "--age", "63", "--cystatin-mg-L", "90"], 2, "of cystatin c"),
        ([*RENAL, "--creatinine", "1", "--age", "63", "--weight-kg", "700"], 2, "25 to 350 kg"),
        (["grades", "none.csv"], 2, "no such file"),
        (["grades", "LABS"], 2, "no column test"),
        (["grades", "LABS", "--ctcae", "3.0"], 2, "there are 4.03, 5.0, 6.0"),
        (["grades", "LABS", "--map", "Thrombos"], 2, "expected 'their name=platelets'"),
        (["grades", "LABS", "--map", "Thrombos=MCV"], 3, "No laboratory test 'MCV'"),
        (["grades", "LABS", *MAP, "--baseline-before", "6.1.2026"], 2, "--baseline-before '6.1.2026'"),
        (["grades", "LABS", *MAP, "--born", "2026-01-20"], 2, "line 2, column date: 2026-01-05 is before"),
    ],
)
def test_errors_are_told(lutetia, labs, arguments, code, said):
    found, document, messages = lutetia(*[labs if a == "LABS" else a for a in arguments])
    assert found == code
    assert said in document["error"]["message"]
    assert said in messages


def test_results_of_the_future_are_refused(lutetia, labs):
    labs.write_text("test,date,value,unit\nPLT,2999-01-01,120,G/L\n", "utf-8")
    code, document, _ = lutetia("grades", labs)
    assert code == 2
    assert "line 2, column date: 2999-01-01 is in the future" in document["error"]["message"]
