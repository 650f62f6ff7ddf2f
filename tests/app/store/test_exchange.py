"""A whole course as one file and back; schema; FHIR."""

import copy
import itertools
import json
from datetime import date, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lutetia.app.store.documents import annotations_of, document_of, record_of
from lutetia.app.store.exchange import SCHEMA, export_document, import_document
from lutetia.app.store.fhir import check_bundle, fhir_bundle
from lutetia.app.store.schema import course_schema
from lutetia.errors import ConflictError, InputError
from lutetia.therapy.course import (
    Administration,
    Course,
    DayEvent,
    Decision,
    Diagnosis,
    DoseRecord,
    Enrolment,
    Event,
    Imaging,
    Lab,
    Medication,
    Observation,
    Patient,
    RiskFactor,
    SstrRead,
    kind_of,
    net_administered_activity_bq,
    uid_hash,
)

ROOT = Path(__file__).resolve().parents[3]
NUMBERS = itertools.count(1)

days = st.dates(date(1990, 1, 1), date(2025, 12, 31))
times = st.datetimes(datetime(1990, 1, 1), datetime(2025, 12, 31))
notes = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=30)
words = notes.filter(str.strip)
values = st.floats(0, 1e9)
units = st.sampled_from(["10^9/L", "µmol/L", "g/dL", "%", ""])


spans = st.timedeltas(timedelta(0), timedelta(hours=12))


@st.composite
def administrations(draw):
    start, cycle = draw(times), draw(st.integers(1, 999))
    measured_bq = draw(st.none() | st.floats(1e6, 1e11))
    left_bq = None if measured_bq is None else draw(st.none() | st.floats(0, measured_bq / 10))
    events = draw(st.lists(st.builds(DayEvent, name=words, start=times, amount=notes), max_size=2))
    return Administration(
        cycle=cycle,
        agent=draw(words),
        nuclide="Lu-177",
        start=start,
        stop=draw(st.none() | spans.map(lambda span: start + span)),
        prescribed_activity_bq=draw(st.none() | st.floats(0, 1e11)),
        measured_activity_bq=measured_bq,
        measured_at=None if measured_bq is None else start - draw(spans),
        residual_activity_bq=left_bq,
        residual_measured_at=None if left_bq is None else start + draw(spans),
        batch=draw(notes),
        purity_percent=draw(st.none() | st.floats(0, 100)),
        events=tuple(events),
    )


findings = st.one_of(
    st.builds(Diagnosis, date=days, histology=words, grade=st.sampled_from([None, "G1", "G3"]), note=notes,
              ki67_percent=st.none() | st.floats(0, 100)),
    st.builds(SstrRead, date=days, tracer=words, krenning=st.integers(0, 4), text=notes),
    st.builds(RiskFactor, date=days, name=words, present=st.booleans(), note=notes),
    st.builds(Medication, name=words, start=days, drug_class=notes, dose=notes),
    st.builds(Lab, test=words, time=times, value=values, unit=units, lower_limit=st.none() | st.floats(0, 1),
              upper_limit=st.none() | st.floats(1, 2), comparator=st.sampled_from(["", "<", ">="]), method=notes),
    st.builds(Observation, name=words, time=days | times, value=values | st.booleans() | words, unit=units),
    st.builds(Enrolment, date=days, protocol=words, version=notes),
    st.builds(Event, term=words, grade=st.integers(0, 5), ctcae_version=words, start=days, note=notes),
    st.builds(Imaging, time=times, modality=st.sampled_from(["NM", "PT", "CT"]), agent=notes, note=notes,
              uid_sha256=st.sampled_from(["", uid_hash("1.2")])),
    st.builds(Decision, time=times, question=words, answer=words, who=words, source=words,
              action=st.sampled_from([None, "give", "reduce"]), cycle=st.none() | st.integers(1, 9),
              activity_bq=st.none() | st.floats(0, 1e11), reasons=st.lists(notes, max_size=3).map(tuple)),
)  # fmt: skip


def through_json(document):
    return json.loads(json.dumps(document, allow_nan=False, ensure_ascii=False))


@given(st.one_of(findings, administrations()))
def test_every_record_comes_back_exactly(record):
    kind = kind_of(record)
    assert record_of(kind, through_json(document_of(record))) == record
    jsonschema.validate(through_json(document_of(record)), {**course_schema()["$defs"][kind]})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(st.one_of(findings, administrations()), st.data())
def test_whatever_stands_in_a_field_is_taken_or_refused(record, data):
    kind = kind_of(record)
    field = data.draw(st.sampled_from(sorted(annotations_of(type(record)))))
    document = {**document_of(record), field: data.draw(json_values)}
    try:
        found = record_of(kind, document)
    except InputError as error:
        found, refusal = None, str(error)
    if found is None:
        assert refusal.startswith(f"{kind}.")
    else:
        assert record_of(kind, through_json(document_of(found))) == found


def once(records):
    """Records of which a course may have many, and one administration."""
    seen = {(r.test.casefold(), r.time, r.method) if isinstance(r, Lab) else id(r): r for r in records}
    return list(seen.values())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(records=st.lists(findings, max_size=6).map(once), cycle=st.none() | administrations())
def test_every_course_comes_back_exactly(opened_once, records, cycle):
    here, there = opened_once
    patient = Patient(pseudonym=f"P-{next(NUMBERS)}", sex="other")
    found = [*records, *([] if cycle is None else [cycle])]
    here.new(patient, by="one")
    if found:
        here.add(patient.pseudonym, found, by="one", version=1)
    stored = here.load(patient.pseudonym)
    assert stored.course == Course(patient=patient).with_records(*found)
    document = through_json(export_document(stored))
    jsonschema.validate(document, course_schema())
    again = import_document(there, document, by="two")
    assert (again.course, again.history, again.audit[:-1]) == (stored.course, stored.history, stored.audit)
    assert (again.audit[-1].who, again.audit[-1].action) == ("two", "import")
    once_more = through_json(export_document(again))
    assert {**once_more, "audit": once_more["audit"][:-1]} == document


@pytest.fixture
def opened_once(opened, tmp_path):
    return opened(str(tmp_path / "here.sqlite")), opened(str(tmp_path / "there.sqlite"))


@pytest.fixture
def stored(store, patient, platelets):
    """A course with a correction and a withdrawal, administrations, images and doses."""
    store.new(patient, by="nurse")
    text = json.dumps({
        "schema": "lutetia dose 1", "subject": "P-001",
        "administration": {"nuclide": "Lu-177", "time": "2026-03-03T10:00:00"},
        "regions": [
            {"region": "kidney left", "kind": "organ", "absorbed_dose_Gy": 4.0, "u_absorbed_dose_Gy": 0.2,
             "method": "kernel"},
            {"region": "lesion 1", "kind": "lesion", "absorbed_dose_Gy": None, "u_absorbed_dose_Gy": None},
        ],
    }, indent=3)  # fmt: skip
    given = Administration(
        cycle=1, agent="177Lu-DOTATATE", nuclide="Lu-177", start=datetime(2026, 3, 3, 10),
        stop=datetime(2026, 3, 3, 10, 30), measured_activity_bq=7.4e9, measured_at=datetime(2026, 3, 3, 9), batch="B-17",
    )  # fmt: skip
    records = [
        platelets(187, lower_limit=150, upper_limit=400, method="impedance"),
        platelets(30, 5, comparator="<"),
        Observation(name="ECOG", time=datetime(2026, 3, 2, 8), value=1),
        given,
        Imaging(time=datetime(2026, 3, 4, 10), modality="NM", agent="177Lu-DOTATATE", uid_sha256=uid_hash("1.2.3")),
        DoseRecord(cycle=1, time=datetime(2026, 3, 9, 14), text=text),
    ]
    store.add("P-001", records, by="nurse", version=1)
    store.correct("P-001", "lab-1", {"value": 178}, by="doctor", reason="digits", version=2)
    store.withdraw("P-001", "lab-2", by="doctor", reason="not this patient", version=3)
    return store.load("P-001")


def test_history_travels_from_one_data_base_to_the_other(stored, opened_once):
    document = through_json(export_document(stored))
    again = import_document(opened_once[1], document, by="two")
    assert (again.course, again.version) == (stored.course, stored.version)
    assert [(r.key, r.revision, r.record is None) for r in again.history[-2:]] == [
        ("lab-1", 2, False),
        ("lab-2", 2, True),
    ]
    assert again.course.doses[0].text == stored.course.doses[0].text
    with pytest.raises(ConflictError, match="has a course of this pseudonym"):
        import_document(opened_once[1], document, by="two")


def test_course_without_history_begins_its_own(opened_once):
    document = {"schema": SCHEMA, "course": {"patient": {"pseudonym": "X1", "sex": "male"}, "labs": [
        {"test": "platelets", "time": "2026-03-02T08:00", "value": 187, "unit": "10^9/L"}]}}  # fmt: skip
    stored = import_document(opened_once[0], document, by="two")
    assert [(said.action, said.entry) for said in stored.audit] == [("import", "patient"), ("import", "lab-1")]


def _change(document, *path_and_value):
    *path, last, value = path_and_value
    place = document
    for step in path:
        place = place[step]
    place[last] = value


BAD_FILES = [
    (("schema", "lutetia course 2"), "schema: expected"),
    (("course", None), "course: missing"),
    (("more", 1), "course: missing, or unknown keys"),
    (("course", "labs", {}), r"course\.labs: expected a list"),
    (("course", "weights", []), "course: unknown keys"),
    (("course", "patient", {"sex": "male"}), r"patient\.pseudonym: missing"),
    (("course", "labs", 0, "unit", "thousand"), r"labs\[0\]: lab\.unit: unknown unit"),
    (("course", "labs", 0, "time", "2026-03-02"), r"labs\[0\]: lab\.time: expected a date and time"),
    (("course", "labs", 0, "time", "2999-03-02T08:00"), r"lab\.time: .* in the future"),
    (("course", "labs", 0, "value", "187"), r"labs\[0\]: lab\.value: expected a number"),
    (("course", "labs", 0, "value", 200.0), "newest revisions are not the course"),
    (("course", "administrations", 0, "measured_activity_MBq", -1), "measured_activity_MBq: below 0"),
    (("history", 1, "record", "value", 188.0), "revision 1 of lab-1 is not what the audit trail says"),
    (("history", 1, "revision", 2), "revisions of lab-1 do not count up"),
    (("history", 1, "number", 0), r"history\[1\]: number, revision and audit"),
    (("history", 1, "kind", "weight"), r"history\[1\]: unknown kind"),
    (("history", {}), "history: expected a list"),
    (("audit", 1, "who", "somebody else"), "does not hold from entry 2 on"),
    (("audit", 2, "new", "value", 1.0), "does not hold from entry 3 on"),
    (("audit", 1, {}), "audit: an entry lacks a key"),
]


@pytest.mark.parametrize(("change", "match"), BAD_FILES, ids=[str(i) for i in range(len(BAD_FILES))])
@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
def test_bad_file_is_refused(stored, opened_once, change, match):
    document = copy.deepcopy(export_document(stored))
    _change(document, *change)
    with pytest.raises(InputError, match=match):
        import_document(opened_once[1], document, by="two")
    assert opened_once[1].pseudonyms() == ()


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
def test_history_and_audit_go_together(stored, opened_once):
    document = export_document(stored)
    del document["audit"]
    with pytest.raises(InputError, match="one without the other"):
        import_document(opened_once[1], document, by="two")


def test_published_schema_is_that_of_the_program():
    published = json.loads((ROOT / "docs" / "reference" / "course.schema.json").read_text("utf-8"))
    assert published == course_schema()
    jsonschema.Draft202012Validator.check_schema(published)


def test_fhir_says_what_the_course_says(stored):
    bundle = fhir_bundle(stored, timezone="Europe/Berlin")
    resources = [entry["resource"] for entry in bundle["entry"]]
    kinds = [resource["resourceType"] for resource in resources]
    assert sorted(kinds) == ["ImagingStudy", "MedicationAdministration", "Observation", "Observation", "Observation",
                             "Patient", "Procedure"]  # fmt: skip
    by_kind = {resource["resourceType"]: resource for resource in resources}
    lab, ecog, dose = (r for r in resources if r["resourceType"] == "Observation")
    assert lab["valueQuantity"] == {
        "value": 178.0,
        "unit": "10^9/L",
        "system": "http://unitsofmeasure.org",
        "code": "10*9/L",
    }
    assert lab["effectiveDateTime"] == "2026-03-02T08:00:00+01:00"  # winter time
    assert lab["referenceRange"][0]["low"]["value"] == 150.0
    assert ecog["valueQuantity"]["code"] == "1"
    assert (dose["bodySite"]["text"], dose["valueQuantity"]["value"]) == ("kidney left", 4.0)
    assert dose["component"][0]["valueQuantity"]["value"] == 0.2
    given = by_kind["MedicationAdministration"]
    net_mbq = net_administered_activity_bq(stored.course.administrations[0]) / 1e6
    assert given["dosage"]["dose"]["value"] == pytest.approx(net_mbq, abs=5e-4)  # rounded to kBq
    assert "upper bound" in given["dosage"]["text"]
    assert by_kind["Patient"]["birthDate"] == "1961"
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    assert given["partOf"][0]["reference"] in urls
    assert {r["subject"]["reference"] for r in resources if "subject" in r} == {urls[kinds.index("Patient")]}


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
def test_fhir_refuses(stored):
    with pytest.raises(InputError, match="timezone: unknown"):
        fhir_bundle(stored, timezone="Mars/Olympus")
    with pytest.raises(InputError, match=r"not valid FHIR at entry\.0\.resource") as refused:
        check_bundle({"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": {"resourceType": "Observation", "status": "final", "valueString": "Zyx"}}]})  # fmt: skip
    assert "Zyx" not in str(refused.value)
