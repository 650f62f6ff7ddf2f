"""A course of therapy kept on the command line."""

import json
import sys

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

RUO = "Research use only"


@pytest.fixture
def course(lutetia, tmp_path, monkeypatch):
    """``lutetia course ... --json`` in a fresh folder, by one who is named: (exit code, document, messages)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUTETIA_BY", "nurse")
    monkeypatch.delenv("LUTETIA_STORE", raising=False)
    return lambda *words: lutetia("course", *words)


@pytest.fixture
def begun(course):
    assert course("new", "P-001", "--sex", "female", "--born", "1961-05-02")[0] == 0
    return course


@pytest.fixture
def said(begun):
    """The same for people: what is printed."""

    def call(*words):
        result = CliRunner().invoke(application, ["course", *words])
        assert result.exit_code == 0, result.stderr
        return result.stdout

    return call


CYCLE = (
    "administration", "cycle=1", "agent=177Lu-DOTATATE", "nuclide=177Lu", "start=2026-03-03T10:00", "stop=2026-03-03T10:30",
    "measured_activity_MBq=7400", "measured_at=2026-03-03T10:00", "residual_activity_MBq=50",
    "residual_measured_at=2026-03-03T10:00", "events=[{name: amino acids, start: 2026-03-03T09:30, amount: 1 L}]",
)  # fmt: skip
LAB = ("lab", "test=platelets", "unit=10^9/L")


def dose_json(folder, subject="P-001"):
    region = {"region": "kidney left", "kind": "organ", "absorbed_dose_Gy": 4.0, "u_absorbed_dose_Gy": 0.2,
              "uncertainty_budget": {"calibration": 0.05}, "uncertainty_shared": ["calibration"]}  # fmt: skip
    given = {"nuclide": "Lu-177", "activity_MBq": 7350.0, "time": "2026-03-03T10:00:00"}
    document = {"schema": "lutetia dose 1", "subject": subject, "administration": given, "regions": [region]}
    path = folder / "dose.json"
    path.write_bytes(json.dumps(document, indent=1).replace("\n", "\r\n").encode())
    return path


def test_reading_makes_no_store(course, tmp_path):
    add = ["add", "P-001", *LAB, "value=1", "time=2026-03-02T08:10"]
    reading = [[word, "P-001"] for word in ("show", "timeline", "audit", "export")]
    for words in (["list"], *reading, ["fhir", "P-001", "--timezone", "UTC"], add):
        code, document, _ = course(*words)
        assert (code, document["error"]["kind"]) == (3, "MissingDataError")
    assert list(tmp_path.iterdir()) == []


def test_from_the_first_lab_to_the_dose(begun, tmp_path):
    code, added, _ = begun(
        "add", "P-001", *LAB, "value=187", "time=2026-03-02T08:10", "lower_limit=150", "upper_limit=400"
    )
    assert (code, added["keys"], added["version"]) == (0, ["lab-1"], 2)
    assert begun("add", "P-001", *CYCLE)[1]["warnings"] == []
    (tmp_path / "provenance.json").write_text('{"started": "2026-03-09T14:00:00"}')
    path = dose_json(tmp_path)
    assert begun("add", "P-001", str(path), "cycle=1")[1]["keys"] == ["dose-1"]
    assert begun("add", "P-001", *LAB, "value=90", "time=2026-04-02T08:10", "lower_limit=150")[0] == 0
    _, shown, _ = begun("show", "P-001")
    assert shown["activity_MBq"] == {"177Lu-DOTATATE": 7350.0}
    (lab,) = shown["labs"]
    assert (lab["value"], lab["flag"]) == (90.0, "low")
    (dose,) = shown["doses"]
    # one cycle: 5 % of 4 Gy
    assert (dose["absorbed_dose_Gy"], dose["u_known_Gy"]) == (4.0, pytest.approx(0.2))
    assert RUO in shown["notice"]
    _, then, _ = begun("show", "P-001", "--as-of", "2026-03-02")
    assert (then["labs"][0]["flag"], then["cycles"], then["doses"]) == ("normal", [], [])
    _, line, _ = begun("timeline", "P-001")
    assert [(entry["key"], entry["text"]) for entry in line["timeline"]] == [
        ("lab-1", "platelets 187 10^9/L"),
        ("administration-1", "cycle 1: 177Lu-DOTATATE, 7350 MBq"),
        ("dose-1", "doses of cycle 1: 1 region"),
        ("lab-2", "platelets 90 10^9/L, low"),
    ]
    _, exported, _ = begun("export", "P-001")
    assert exported["course"]["doses"][0]["text"].encode() == path.read_bytes()


def test_correction_and_audit(begun):
    begun("add", "P-001", *LAB, "value=187", "time=2026-03-02T08:10")
    assert begun("correct", "P-001", "lab-1", "value=178", "--reason", "digits exchanged", "--by", "doctor")[0] == 0
    assert begun("withdraw", "P-001", "lab-1", "--reason", "of another patient")[0] == 0
    _, audit, _ = begun("audit", "P-001")
    assert audit["holds"] is True
    assert [(said["who"], said["action"], said["reason"]) for said in audit["audit"]] == [
        ("nurse", "new", ""),
        ("nurse", "add", ""),
        ("doctor", "correct", "digits exchanged"),
        ("nurse", "withdraw", "of another patient"),
    ]
    assert (audit["audit"][2]["old"]["value"], audit["audit"][2]["new"]["value"]) == (187.0, 178.0)


def test_of_a_version_that_is_gone(begun):
    begun("add", "P-001", *LAB, "value=187", "time=2026-03-02T08:10", "--if-version", "1")
    code, document, _ = begun("correct", "P-001", "lab-1", "value=1", "--reason", "x", "--if-version", "1")
    assert (code, document["error"]["kind"]) == (11, "ConflictError")


def test_labs_from_a_table_with_headers_of_its_own(begun, tmp_path):
    (tmp_path / "labs.csv").write_text(
        "\ufeffPatient;Analyte;Taken;Result;Unit;Low;Comment\n"
        "P-001;platelets;2026-03-02 08:10;187;10^9/L;150;fine\n"
        "\n"
        "P-001;bilirubin;2026-03-02 08:10;< 3;µmol/L;;\n",
        "utf-8",
    )
    columns = ["test=Analyte", "time=Taken", "value=Result", "unit=Unit", "lower_limit=Low"]
    code, added, _ = begun(
        "add", "P-001", "labs.csv", *(w for c in columns for w in ("--column", c)), "method=as routine"
    )
    assert (code, added["keys"]) == (0, ["lab-1", "lab-2"])
    assert added["warnings"] == ["Columns of labs.csv not used: Comment."]
    labs = {lab["test"]: lab for lab in begun("show", "P-001")[1]["labs"]}
    assert (labs["bilirubin"]["comparator"], labs["bilirubin"]["value"], labs["bilirubin"]["flag"]) == (
        "<",
        3.0,
        None,
    )
    assert labs["platelets"]["method"] == "as routine"
    # a second time it is the same blood
    code, again, _ = begun(
        "add", "P-001", "labs.csv", *(w for c in columns for w in ("--column", c)), "method=as routine"
    )
    assert (code, again["error"]["message"][:41]) == (2, "labs.csv, line 2: lab.value: two values o")


def test_records_of_every_kind_from_yaml(begun, tmp_path):
    (tmp_path / "records.yaml").write_text("""
diagnoses: [{date: 2024-06-03, histology: NET, primary_site: ileum, grade: G2, ki67_percent: 8}]
sstr_reads: [{date: 2026-01-15, tracer: 68Ga-DOTATATE, krenning: 4}]
risk_factors: [{date: 2026-01-15, name: diabetes, present: false}]
medications:
  - {name: octreotide LAR, drug_class: long-acting SSA, start: 2025-06-01, end: 2026-02-01}
  - {name: ramipril, start: 2020-01-01}
observations: [{name: weight, time: 2026-03-02 08:00:00, value: 71, unit: kg}]
imaging: [{time: 2026-03-04T10:00, modality: NM, agent: 177Lu-DOTATATE}]
events: [{term: nausea, grade: 1, ctcae_version: "5.0", start: 2026-03-03, end: 2026-03-04, causality: possible}]
decisions:
  - {time: 2026-03-01T15:00, question: "Cycle 1?", answer: "yes", who: board, source: SOP, rule: plt,
     reasons: [platelets 187]}
""")
    code, added, _ = begun("add", "P-001", "records.yaml")
    assert (code, len(added["keys"])) == (0, 9)
    _, line, _ = begun("timeline", "P-001")
    assert [entry["text"] for entry in line["timeline"]] == [
        "ramipril begun",
        "NET, ileum, G2, Ki-67 8 %",
        "octreotide LAR (long-acting SSA) begun, until 2026-02-01",
        "68Ga-DOTATATE: Krenning 4",
        "diabetes: no",
        "Cycle 1? yes (plt), board",
        "weight 71 kg",
        "nausea, grade 1 (CTCAE 5.0), until 2026-03-04",
        "NM 177Lu-DOTATATE",
    ]
    _, shown, _ = begun("show", "P-001")
    assert [drug["name"] for drug in shown["medications"]] == ["ramipril"]


def test_file_of_a_course_and_fhir(begun, tmp_path):
    begun("add", "P-001", *CYCLE)
    result = CliRunner().invoke(application, ["course", "export", "P-001", "--out", "p.json"])
    assert (result.exit_code, result.stdout) == (0, "")
    code, document, _ = begun("import", "p.json", "--store", "other.sqlite")
    assert (code, document["keys"]) == (0, ["patient", "administration-1"])
    assert begun("list", "--store", "other.sqlite")[1]["courses"] == ["P-001"]
    code, document, _ = begun("import", "p.json", "--store", "other.sqlite")
    assert (code, document["error"]["kind"]) == (11, "ConflictError")
    _, bundle, _ = begun("fhir", "P-001", "--timezone", "Europe/Berlin")
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]] == [
        "Patient",
        "Procedure",
        "MedicationAdministration",
    ]
    CliRunner().invoke(application, ["course", "fhir", "P-001", "--timezone", "UTC", "--out", "f.json"])
    assert json.loads((tmp_path / "f.json").read_text())["resourceType"] == "Bundle"
    refused = CliRunner().invoke(application, ["course", "export", "P-001", "--out", "p.json"])
    assert (refused.exit_code, refused.stderr) == (
        10,
        "OutputError: p.json exists; give another name or --force.\n",
    )


def test_what_people_read(said, tmp_path):
    assert said("add", "P-001", *LAB, "value=90", "time=2026-03-02T08:10", "lower_limit=150").startswith(
        "Added lab-1.\n"
    )
    said("add", "P-001", *CYCLE[:-1])
    said("add", "P-001", str(dose_json(tmp_path, "another")), "cycle=1", "time=2026-03-09T14:00", "--other-subject")
    said("add", "P-001", "event", "term=nausea", "grade=1", "ctcae_version=5.0", "start=2026-03-03")
    said("add", "P-001", "medication", "name=ramipril", "start=2020-01-01")
    said("add", "P-001", "diagnosis", "date=2024-06-03", "histology=NET")
    said(
        "add",
        "P-001",
        "decision",
        "time=2026-03-01T15:00",
        "question=Cycle 1?",
        "answer=yes",
        "who=board",
        "source=minutes",
    )
    corrected = said("correct", "P-001", "lab-1", "value=95", "--reason", "read wrongly")
    assert corrected.startswith("Corrected lab-1; it is revision 2, the old one is kept.")
    shown = said("show", "P-001")
    for words in ("P-001: female, born 1961-05-02; version 9", "7350", "low", "kidney left", "4 ± 0.2", "Takes ramipril",
                  "nausea, grade 1", "Cycle 1? yes", "names another subject", RUO):  # fmt: skip
        assert words in shown
    assert "dose-1" in said("timeline", "P-001")
    audit = said("audit", "P-001")
    assert "nurse: correct lab-1: read wrongly" in audit
    assert "value: 90.0 -> 95.0" in audit
    assert said("withdraw", "P-001", "lab-1", "--reason", "x").startswith("Withdrew lab-1; what it said is kept.")
    assert said("list") == "P-001\nResearch use only.\n"
    assert "lab: test time value unit [comparator lower_limit upper_limit method]" in said("fields")
    assert said("fields", "risk") == "risk: date name [present note]\n"


BAD = [
    (("new", "Jane Doe", "--sex", "female"), 2, "patient.pseudonym: expected up to 64 letters"),
    (("new", "P-2", "--sex", "female", "--born", "02.05.1961"), 2, "patient.birth_date: expected a day"),
    (("new", "P-2", "--sex", "female", "--born", "2999"), 2, "patient.birth_year: 2999 cannot be"),
    (("new", "P-2", "--sex", "female", "--by", " "), 2, "by: missing"),
    (("add", "P-001", "weight", "value=1"), 2, "Expected one of diagnosis"),
    (("add", "P-001", "lab", "platelets"), 2, "Expected field=value words"),
    (("add", "P-001", "lab", "value=1", "value=2"), 2, "value: given twice"),
    (("add", "P-001", "lab", "name=platelets"), 2, "lab.name: no such field; expected test, time"),
    (("add", "P-001", *LAB, "time=2026-03-02T08:10"), 2, "lab.value: missing"),
    (("add", "P-001", *LAB, "value=4,5", "time=2026-03-02T08:10"), 2, "lab.value: expected a number with a decimal point"),
    (("add", "P-001", *LAB, "value=1", "time=02.03.2026 08:10"), 2, "lab.time: expected a date and time"),
    (("add", "P-001", *LAB, "value=1", "time=2999-03-02T08:10"), 2, "lab.time: 2999-03-02 08:10:00 is in the future"),
    (("add", "P-001", *LAB, "value=1", "time=1960-03-02T08:10"), 2, "lab.time: 1960-03-02 08:10:00 is before birth"),
    (("add", "P-001", *CYCLE, "nuclide=x"), 2, "nuclide: given twice"),
    (("add", "P-001", *CYCLE[:-1], "events=amino acids"), 2, "administration.events: expected a YAML list"),
    (("add", "P-001", *CYCLE[:-1], "events=[{name: a, start: soon}]"), 2, "administration.events.start: expected a date"),
    (("add", "P-001", "risk", "date=2026-01-01", "name=diabetes", "present=maybe"), 2, "risk.present: expected yes or no"),
    (("add", "P-001", "nothing.csv"), 3, "nothing.csv: cannot be read"),
    (("add", "P-001", "dose.json"), 3, "dose.cycle: missing"),
    (("add", "P-001", "dose.json", "cycle=1"), 3, "dose.time: missing"),
    (("add", "P-001", "wrong.json", "cycle=1", "time=2026-03-09T14:00"), 2, "wrong.json: dose.text: expected the schema"),
    (("add", "P-001", "wrong.yaml"), 2, "wrong.yaml, line 2: not YAML"),
    (("add", "P-001", "kinds.yaml"), 2, "kinds.yaml, line 1, weights: no such list; expected diagnoses"),
    (("add", "P-001", "other.csv"), 2, "other.csv, line 3: of another patient by the column patient (1 of 2 rows)"),
    (("add", "P-001", "unit.csv"), 2, "unit.csv, line 2: lab.unit: unknown unit"),
    (("add", "P-001", "cells.csv"), 2, "cells.csv, line 3: 3 cells, but 4 columns"),
    (("add", "P-001", "cells.csv", "--column", "test=Analyte"), 3, "cells.csv: no column for test; the columns are test"),
    (("add", "P-001", "cells.csv", "--column", "mass=test"), 2, "--column: lab has no such field"),
    (("add", "P-001", "empty.csv"), 2, "empty.csv: no rows"),
    (("add", "P-999", *LAB, "value=1", "time=2026-03-02T08:10"), 3, "No course of this pseudonym"),
    (("correct", "P-001", "lab-7", "value=1", "--reason", "x"), 3, "No record 'lab-7'"),
    (("correct", "P-001", "patient", "sex=male", "--reason", " "), 2, "reason: missing"),
    (("show", "P-001", "--as-of", "yesterday"), 2, "--as-of: expected a day or a time"),
    (("import", "wrong.yaml"), 2, "wrong.yaml: not JSON"),
    (("import", "nothing.json"), 3, "nothing.json: cannot be read"),
    (("fields", "weight"), 2, "No such kind of record"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "message"), BAD, ids=[message[:40] for _, _, message in BAD])
def test_refused_with_its_place(begun, tmp_path, words, code, message):
    dose_json(tmp_path)
    files = {
        "wrong.json": "{}",
        "wrong.yaml": "a: 1\n b: [\n",
        "kinds.yaml": "weights: []\n",
        "other.csv": "patient,test,time,value,unit\nP-001,a,2026-03-02 08:00,1,g/L\nP-002,a,2026-03-03 08:00,1,g/L\n",
        "unit.csv": "test,time,value,unit\na,2026-03-02 08:00,1,thousand\n",
        "cells.csv": "test,time,value,unit\na,2026-03-02 08:00,1,g/L\na,2026-03-03 08:00,1\n",
        "empty.csv": "test,time,value,unit\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    before = begun("export", "P-001")[1]
    found, document, messages = begun(*words)
    assert (found, document["error"]["message"][: len(message)]) == (code, message)
    assert "P-001" not in messages
    assert begun("export", "P-001")[1] == before


@pytest.mark.skipif(sys.platform == "win32", reason="a folder of the file system cannot be closed so")
def test_help_reads_as_sentences():
    result = CliRunner().invoke(application, ["course", "--help"])
    for sentence in (
        "Begin a course",
        "Add a record, or all records of a file",
        "Correct a record; the old revision is kept",
    ):
        assert sentence in result.stdout


def test_doses_of_another_subject_are_refused(begun, tmp_path):
    assert begun("add", "P-001", *CYCLE)[0] == 0
    words = ("add", "P-001", dose_json(tmp_path, "Z-999"), "cycle=1", "time=2026-03-09T14:00")
    code, document, messages = begun(*words)
    assert code == 2
    told = document["error"]["message"]
    assert told.startswith("dose.json: dose.subject: the doses are of another subject than the course")
    assert "--other-subject" in told
    assert "Z-999" not in messages
    assert "P-001" not in messages
    assert begun("export", "P-001")[1]["course"].get("doses", []) == []
    code, document, _ = begun(*words, "--other-subject")
    assert code == 0
    assert any("names another subject" in warning for warning in document["warnings"])
