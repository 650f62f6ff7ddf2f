"""What cannot be is refused with field and line, and nothing is half written."""

import json

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application
from lutetia.therapy.protocols import shipped_ids, shipped_protocols

LAB = ("lab", "test=platelets", "value=187", "unit=10^9/L")
GIVEN = {
    "cycle": "1", "agent": "177Lu-DOTATATE", "nuclide": "Lu-177", "start": "2026-01-05T10:00", "stop": "2026-01-05T10:30",
    "measured_activity_MBq": "7450", "measured_at": "2026-01-05T10:00", "residual_activity_MBq": "50",
    "residual_measured_at": "2026-01-05T11:00",
}  # fmt: skip
HEAD = "test,time,value,unit\n"


def administration(**changes):
    """Words of the first cycle with changes; None leaves a field out."""
    fields = {**GIVEN, **changes}
    return ("administration", *(f"{name}={value}" for name, value in fields.items() if value is not None))


def dose(subject="P-001", nuclide="Lu-177", time="2026-01-05T10:00:00", gray=4.0, activity=7400.0):
    region = {"region": "kidney left", "kind": "organ", "absorbed_dose_Gy": gray, "u_absorbed_dose_Gy": 0.2}
    given = {"nuclide": nuclide, "activity_MBq": activity, "time": time}
    return {"schema": "lutetia dose 1", "subject": subject, "administration": given, "regions": [region]}


@pytest.fixture
def course(lutetia, tmp_path, monkeypatch):
    """``lutetia course ... --json`` of a course with one cycle, its doses and two laboratory values."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUTETIA_BY", "nurse")
    monkeypatch.delenv("LUTETIA_STORE", raising=False)

    def call(*words):
        return lutetia("course", *words)

    assert call("new", "P-001", "--sex", "female", "--born", "1961-05-02")[0] == 0
    assert call("add", "P-001", *administration())[0] == 0
    (tmp_path / "first.json").write_text(json.dumps(dose()))
    assert call("add", "P-001", "first.json", "cycle=1", "time=2026-01-12T10:00")[0] == 0
    for day, value in ((2, 187), (20, 150)):
        assert call("add", "P-001", *LAB[:2], f"value={value}", LAB[3], f"time=2026-01-{day:02d}T08:00")[0] == 0
    return call


WORDS = [
    # units
    ((*LAB[:3], "unit=thousand", "time=2026-02-02T08:00"), "lab.unit: unknown unit of platelets; expected one of 10^9/L"),
    ((*LAB[:3], "unit=mmol/L", "time=2026-02-02T08:00"), "lab.unit: unknown unit of platelets"),
    (("lab", "test=chromogranin A", "value=90", "unit=thousand", "time=2026-02-02T08:00"), "lab.unit: unknown"),
    ((*LAB[:2], "value=187000", LAB[3], "time=2026-02-02T08:00"), "lab.value: value 187000 10^9/L of platelets"),
    (("observation", "name=weight", "value=71", "unit=stone", "time=2026-02-02"), "observation.unit: body_mass has"),
    # numbers
    ((*LAB[:2], "value=NaN", LAB[3], "time=2026-02-02T08:00"), "lab.value: missing or not a finite number"),
    ((*LAB[:2], "value=1e400", LAB[3], "time=2026-02-02T08:00"), "lab.value: missing or not a finite number"),
    ((*LAB[:2], "value=1_87", LAB[3], "time=2026-02-02T08:00"), "lab.value: expected a number with a decimal point"),
    ((*LAB[:2], "value=-1", LAB[3], "time=2026-02-02T08:00"), "lab.value: -1 cannot be; expected at least 0"),
    (("observation", "name=weight", "value=NaN", "unit=kg", "time=2026-02-02"), "observation.value: the value is nan"),
    (("event", "term=nausea", "grade=6", "ctcae_version=5.0", "start=2026-01-06"), "event.grade: 6 cannot be"),
    (administration(cycle="2.5", start="2026-03-02T10:00"), "administration.cycle: expected a whole number"),
    # dates
    ((*LAB, "time=2999-02-02T08:00"), "lab.time: 2999-02-02 08:00:00 is in the future"),
    ((*LAB, "time=1960-02-02T08:00"), "lab.time: 1960-02-02 08:00:00 is before birth"),
    ((*LAB, "time=2026-02-30T08:00"), "lab.time: expected a date and time"),
    ((*LAB, "time=2026-02-02T08:00+01:00"), "lab.time: has a time zone; expected local time without one"),
    ((*LAB, "time=2026-02-02T08:00Z"), "lab.time: has a time zone"),
    (("medication", "name=octreotide", "start=2026-02-02", "end=2026-02-01"), "medication.end: before start"),
    (("enrolment", "date=2999-01-01", "protocol=us-label"), "enrolment.date: 2999-01-01 is in the future"),
    # cycles and activities
    (administration(start="2026-03-02T10:00", stop=None, measured_at="2026-03-02T10:00",
                    residual_measured_at="2026-03-02T10:00"), "administration.cycle: cycle 1 is given twice"),
    (administration(cycle="2", start="2026-01-05T10:20", stop=None, residual_measured_at="2026-01-05T12:00"),
     "administration.start: cycle 2 starts before cycle 1 has stopped; administrations cannot overlap"),
    (administration(cycle="2", start="2025-11-05T10:00", stop=None, measured_at="2025-11-05T10:00",
                    residual_measured_at="2025-11-05T11:00"), "administration.start: cycle 2 starts"),
    (administration(cycle="2", measured_activity_MBq="-5"), "administration.measured_activity_MBq: below 0"),
    (administration(cycle="2", residual_activity_MBq="7451"), "administration.residual_activity_MBq: above measured"),
    (administration(cycle="2", start="2026-01-30T10:00", stop=None, measured_activity_MBq="100", residual_activity_MBq="99",
                    residual_measured_at="2026-01-30T10:00"),
     "administration.residual_activity_MBq: in cycle 2 more was left, decay-corrected, than was measured"),
    (administration(cycle="2", measured_at=None), "administration.measured_at: missing beside measured_activity_MBq"),
    (administration(cycle="2", nuclide="Lu-777"), "administration.nuclide: "),
    (administration(cycle="2", stop="2026-01-05T09:00"), "administration.stop: before start"),
    # the same twice, and what nothing knows
    ((*LAB, "time=2026-01-02T08:00"), "lab.value: two values of one test"),
    (("lab", "test=PLT", *LAB[2:], "time=2026-01-02T08:00"), "lab.value: two values of one test"),
    ((*LAB, "time=2026-02-02T08:00", "colour=red"), "lab.colour: no such field; expected test, time"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WORDS, ids=[f"{i}-{m[:36]}" for i, (_, m) in enumerate(WORDS)])
def test_words_that_cannot_be(course, words, message):
    before = course("export", "P-001")[1]
    code, document, messages = course("add", "P-001", *words)
    assert (code, document["error"]["kind"]) == (2, "InputError")
    assert document["error"]["message"].startswith(message)
    assert messages == f"InputError: {document['error']['message']}\n"
    assert course("export", "P-001")[1] == before


FINE = "platelets,2026-02-02 08:00,187,10^9/L\n"
TABLES = [
    (FINE + "platelets,2026-02-03 08:00,187,thousand\n", "labs.csv, line 3: lab.unit: unknown unit of platelets"),
    (FINE + "platelets,2026-02-03 08:00,many,10^9/L\n", "labs.csv, line 3: lab.value: expected a number"),
    (FINE + "platelets,2026-02-03 08:00,NaN,10^9/L\n", "labs.csv, line 3: lab.value: missing or not a finite number"),
    (FINE + "platelets,03.02.2026 08:00,187,10^9/L\n", "labs.csv, line 3: lab.time: expected a date and time"),
    (FINE + "\n# remark\nplatelets,2999-02-03 08:00,187,10^9/L\n" + FINE, "labs.csv, line 5: lab.time: 2999-02-03"),
    (FINE + "platelets,1960-02-03 08:00,187,10^9/L\n", "labs.csv, line 3: lab.time: 1960-02-03 08:00:00 is before birth"),
    (FINE + "bilirubin,2026-02-02 08:00,8,µmol/L\n" + FINE, "labs.csv, line 4: lab.value: two values of one test"),
    (FINE + "platelets,2026-01-20 08:00,151,10^9/L\n", "labs.csv, line 3: lab.value: two values of one test"),
    (FINE + "platelets,2026-02-03 08:00,18,7,10^9/L\n", "labs.csv, line 3: 5 cells, but 4 columns. A decimal comma needs"),
    (FINE + 'platelets,2026-02-03 08:00,187,"10^9/L\n', "labs.csv, line 3: a quotation mark is left open"),
    (FINE + "platelets,2026-02-03 08:00,,10^9/L\n", "labs.csv, line 3: lab.value: missing"),
    (FINE + "platelets,2026-02-03 08:00,-4,10^9/L\n", "labs.csv, line 3: lab.value: -4 cannot be"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "message"), TABLES, ids=[f"{i}-{m[18:44]}" for i, (_, m) in enumerate(TABLES)])
def test_a_bad_row_of_a_table(course, tmp_path, rows, message):
    (tmp_path / "labs.csv").write_text(HEAD + rows, "utf-8")
    before = course("export", "P-001")[1]
    code, document, _ = course("add", "P-001", "labs.csv")
    assert code == 2
    assert document["error"]["message"].startswith(message)
    assert course("export", "P-001")[1] == before


FINE_YAML = "labs:\n  - {test: platelets, time: 2026-02-02T08:00, value: 187, unit: 10^9/L}\n"
COLLECTIONS = [
    (FINE_YAML + "  - test: platelets\n    time: 2026-02-03T08:00\n    value: 187\n    unit: thousand\n",
     "records.yaml, line 6: lab.unit: unknown unit of platelets"),
    (FINE_YAML + "  - test: platelets\n    time: 2999-02-03T08:00\n    value: 187\n    unit: 10^9/L\n",
     "records.yaml, line 4: lab.time: 2999-02-03 08:00:00 is in the future"),
    (FINE_YAML + "  - test: platelets\n    time: 1960-02-03T08:00\n    value: 187\n    unit: 10^9/L\n",
     "records.yaml, line 4: lab.time: 1960-02-03 08:00:00 is before birth"),
    (FINE_YAML + "  - test: platelets\n    value: 187\n    unit: 10^9/L\n", "records.yaml, line 3: lab.time: missing"),
    (FINE_YAML + "  - test: platelets\n    time: 2026-02-03T08:00:00+01:00\n    value: 187\n    unit: 10^9/L\n",
     "records.yaml, line 4: lab.time: has a time zone"),
    (FINE_YAML + "  - test: platelets\n    time: 2026-02-03T08:00\n    value: .nan\n    unit: 10^9/L\n",
     "records.yaml, line 5: lab.value: missing or not a finite number"),
    (FINE_YAML + "  - test: platelets\n    time: 2026-02-03T08:00\n    value: 1e400\n    unit: 10^9/L\n",
     "records.yaml, line 5: lab.value: expected a number"),
    (FINE_YAML + "  - test: platelets\n    colour: red\n", "records.yaml, line 4: lab.colour: no such field"),
    (FINE_YAML + "  - test: platelets\n    test: leukocytes\n", "records.yaml, line 4, labs[1].test: stands there twice"),
    (FINE_YAML + "  - platelets\n", "records.yaml, line 3: lab: expected a table of"),
    (FINE_YAML + "weights: []\n", "records.yaml, line 3, weights: no such list; expected diagnoses"),
    (FINE_YAML + "events: {term: nausea}\n", "records.yaml, line 3, events: expected a list"),
    (FINE_YAML + "events: [\n", "records.yaml, line 4: not YAML"),
    (FINE_YAML + "events:\n  - {term: nausea, grade: 1, ctcae_version: '5.0', start: 2026-02-31}\n",
     "records.yaml, line 4, events[0].start: "),
    (FINE_YAML + "administrations:\n  - {cycle: 1, agent: a, nuclide: Lu-177, start: 2026-03-05T10:00}\n",
     "records.yaml, line 4: administration.cycle: cycle 1 is given twice"),
    (FINE_YAML + "administrations:\n  - cycle: 2\n    agent: a\n    nuclide: Lu-177\n    start: 2026-03-05T10:00\n"
     "    measured_activity_MBq: -1\n    measured_at: 2026-03-05T10:00\n",
     "records.yaml, line 8: administration.measured_activity_MBq: below 0"),
    ("- a\n", "records.yaml, line 1, the whole file: expected lists named diagnoses"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"), COLLECTIONS, ids=[f"{i}-{m[14:40]}" for i, (_, m) in enumerate(COLLECTIONS)]
)
def test_a_bad_record_of_a_file(course, tmp_path, text, message):
    (tmp_path / "records.yaml").write_text(text, "utf-8")
    before = course("export", "P-001")[1]
    code, document, _ = course("add", "P-001", "records.yaml")
    assert code == 2
    assert document["error"]["message"].startswith(message)
    assert course("export", "P-001")[1] == before


TRUNCATED = json.dumps(dose(), indent=1)[:120]
DOSES = [
    (json.dumps(dose(subject="P-002", gray=5.0)), "dose.json: dose.text: documents of different subjects"),
    (json.dumps(dose(nuclide="I-131")), "dose.json: dose.text: of I-131, but Lu-177 was administered in cycle 2"),
    (
        json.dumps(dose(time="2026-01-05T10:00:00")),
        "dose.json: dose.text: the same document is given for two cycles",
    ),
    (json.dumps(dose(gray=5.0)), "dose.json: dose.text: of an administration on 2026-01-05, but cycle 2"),
    (json.dumps(dose(activity=-1.0)), "dose.json: dose.text: administration.activity_MBq is no number from 0 on"),
    (json.dumps(dose()).replace("4.0", "1e400"), "dose.json: dose.text: regions missing, or one without"),
    (json.dumps(dose()).replace("4.0", "NaN"), "dose.json: dose.text: not JSON"),
    (TRUNCATED, f"dose.json: dose.text: not JSON (line {TRUNCATED.count(chr(10)) + 1})"),
    ("", "dose.json: dose.text: not JSON (line 1)"),
]


@pytest.mark.parametrize(("text", "message"), DOSES, ids=[f"{i}-{m[22:50]}" for i, (_, m) in enumerate(DOSES)])
def test_a_bad_dose_json(course, tmp_path, text, message):
    second = administration(
        cycle="2",
        start="2026-03-02T10:00",
        stop=None,
        measured_at="2026-03-02T10:00",
        residual_measured_at="2026-03-02T11:00",
    )
    assert course("add", "P-001", *second)[0] == 0
    (tmp_path / "dose.json").write_text(text, "utf-8")
    before = course("export", "P-001")[1]
    code, document, _ = course("add", "P-001", "dose.json", "cycle=2", "time=2026-03-12T10:00", "--other-subject")
    assert code == 2
    assert document["error"]["message"].startswith(message)
    assert course("export", "P-001")[1] == before


def test_a_protocol_that_is_not_shipped_is_doubted(course):
    code, document, _ = course("add", "P-001", "enrolment", "protocol=us-lable", "date=2026-01-02")
    assert code == 0
    (told,) = [warning for warning in document["warnings"] if "us-lable" in warning]
    assert "is it us-label?" in told
    assert "--protocol FILE" in told
    code, document, _ = course("eligibility", "P-001")
    assert (code, document["error"]["kind"]) == (9, "ProtocolError")
    assert "enrolment.protocol: " in document["error"]["message"]


def test_ids_of_protocols_are_the_names_of_their_files():
    assert sorted(shipped_ids()) == sorted(protocol.id for protocol in shipped_protocols())


SPELLINGS = [
    ("PLT", "187", "10*9/l", "10^9/L"),
    ("thrombocytes", "187", "x10^9/l", "10^9/L"),
    ("platelets", "187", "10⁹/L", "10^9/L"),
    ("platelets", "187", "G/l", "G/L"),
    ("creatinine", "84,5", "umol/l", "µmol/L"),
    ("Hb", "8,1", "mmol/l", "mmol/L"),
]


def test_a_laboratory_table_is_read_as_lutetia_grades_reads_it(course, lutetia, tmp_path):
    """One table for both: tests, units and decimal commas are spelled alike."""
    rows = [f"{test};2026-02-{i:02d} 08:00;{value};{unit}" for i, (test, value, unit, _) in enumerate(SPELLINGS, 1)]
    (tmp_path / "labs.csv").write_text("\n".join(["test;time;value;unit", *rows]) + "\n", "utf-8")
    assert course("add", "P-001", "labs.csv")[0] == 0
    exported = course("export", "P-001")[1]["course"]["labs"][-len(SPELLINGS) :]
    for lab, (test, value, _, unit) in zip(exported, SPELLINGS, strict=True):
        # the name is kept as written
        assert (lab["test"], lab["value"]) == (test, float(value.replace(",", ".")))
        assert lab["unit"].replace("u", "µ") == unit.replace("u", "µ")
    (tmp_path / "grades.csv").write_text("\n".join(["test;date;value;unit", *rows]) + "\n", "utf-8")
    code, document, _ = lutetia("grades", "grades.csv")
    assert (code, len({row["test"] for row in document["grades"]}) >= 1) == (0, True)


def test_a_value_below_a_bound_in_words_and_in_a_table(course, tmp_path):
    fields = ("lab", "test=bilirubin", "unit=µmol/L")
    assert course("add", "P-001", *fields, "value=< 3", "time=2026-02-02T08:00")[0] == 0
    (tmp_path / "labs.csv").write_text("test;time;value;unit\nbilirubin;2026-02-03 08:00;< 3,5;µmol/L\n", "utf-8")
    assert course("add", "P-001", "labs.csv")[0] == 0
    labs = course("export", "P-001")[1]["course"]["labs"]
    assert [(lab["comparator"], lab["value"]) for lab in labs if lab["test"] == "bilirubin"] == [
        ("<", 3),
        ("<", 3.5),
    ]


def test_names_of_one_test_are_one_test(course):
    assert course("add", "P-001", "lab", "test=PLT", *LAB[2:], "time=2026-02-02T08:00")[0] == 0
    (shown,) = course("show", "P-001")[1]["labs"]
    assert (shown["test"], shown["time"]) == ("PLT", "2026-02-02T08:00:00")


QUESTIONS = ("eligibility", "labs", "modification", "schedule", "plan")
ANSWERED = [
    ("list",), ("show", "P-001"), ("timeline", "P-001"), ("audit", "P-001"), ("export", "P-001"), ("fields",),
    ("fhir", "P-001", "--timezone", "UTC"), ("discharge", "P-001"), ("new", "P-002", "--sex", "male"),
    ("add", "P-001", *LAB, "time=2026-02-02T08:00"), ("correct", "P-001", "lab-1", "value=180", "--reason", "read wrongly"),
    ("withdraw", "P-001", "lab-1", "--reason", "of another patient"), ("import", "p.json", "--store", "other.sqlite"),
    ("report", "P-001", "--out", "p.pdf"),
    *((question, "P-001", "--protocol", "us-label") for question in QUESTIONS),
]  # fmt: skip
REFUSED = [
    ("show", "P-9"), ("timeline", "P-9"), ("audit", "P-9"), ("export", "P-9"),
    ("fields", "weight"),
    ("fhir", "P-001", "--timezone", "Moon"), ("discharge", "P-001", "--cycle", "7"), ("new", "P 2", "--sex", "male"),
    ("add", "P-001", "lab"), ("correct", "P-001", "lab-9", "value=1", "--reason", "x"),
    ("list", "--store", "absent.sqlite"), ("withdraw", "P-001", "lab-9", "--reason", "x"), ("import", "absent.json"),
    ("report", "P-9", "--out", "p.pdf"),
    *((question, "P-001") for question in QUESTIONS),
]  # fmt: skip


def test_every_command_of_a_course_is_asked_here():
    from lutetia.app.cli.course import course as commands

    names = {command.name or command.callback.__name__ for command in commands.registered_commands}
    assert {words[0] for words in ANSWERED} == {words[0] for words in REFUSED} == names


@pytest.mark.parametrize("words", ANSWERED, ids=[words[0] for words in ANSWERED])
def test_json_is_one_document(course, tmp_path, words):
    CliRunner().invoke(application, ["course", "export", "P-001", "--out", "p.json"])
    result = CliRunner().invoke(application, ["course", *words, "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout, parse_constant=pytest.fail)
    said = {"fields", "fhir"}  # a JSON schema and a FHIR bundle, whose keys are not ours
    assert words[0] in said or "Research use only" in str(document.get("notice") or document.get("note"))


@pytest.mark.parametrize("words", REFUSED, ids=[words[0] for words in REFUSED])
def test_an_error_is_one_document_too(course, words):
    result = CliRunner().invoke(application, ["course", *words, "--json"])
    document = json.loads(result.stdout)
    assert set(document) == {"error"}
    assert set(document["error"]) == {"kind", "message", "exit_code"}
    assert document["error"]["exit_code"] == result.exit_code != 0
    assert result.stderr == f"{document['error']['kind']}: {document['error']['message']}\n"


def test_a_table_of_other_headers_names_them_and_shows_how(course, tmp_path):
    (tmp_path / "labs.csv").write_text("Analyte,time,Result,unit\nplatelets,2026-02-02 08:00,187,10^9/L\n", "utf-8")
    code, document, _ = course("add", "P-001", "labs.csv")
    assert code == 2
    assert document["error"]["message"] == (
        "labs.csv: no column for test, value; the columns are Analyte, time, Result, unit. Name each that is called "
        "otherwise, for example --column test=Analyte."
    )
    assert course("add", "P-001", "labs.csv", "--column", "test=Analyte", "--column", "value=Result")[0] == 0


def test_a_doubt_is_told_with_its_record_and_in_show(course):
    typo = ("observation", "name=wieght", "value=71", "unit=kg", "time=2026-02-02")
    told = "No rule looks at: wieght; is it weight?"
    assert told in course("add", "P-001", *typo)[1]["warnings"]
    assert (
        course("add", "P-001", "event", "term=nausea", "grade=1", "ctcae_version=5.0", "start=2026-02-03")[1][
            "warnings"
        ]
        == []
    )
    assert told in course("add", "P-001", *typo[:-1], "time=2026-02-04")[1]["warnings"]
    assert told in course("show", "P-001")[1]["warnings"]


def test_a_version_that_does_not_ship_is_doubted(course):
    words = ("add", "P-001", "enrolment", "protocol=us-label", "date=2026-01-02")
    (told,) = course(*words, "version=2019-01")[1]["warnings"]
    # the version of profiles/us-label.yaml
    assert told.startswith("enrolment.version: '2019-01' of us-label does not ship; ")
    assert told.endswith("the shipped version 2024-04.")
    assert (
        course("add", "P-001", "enrolment", "protocol=us-label", "date=2026-01-03", "version=2024-04")[1][
            "warnings"
        ]
        == []
    )
