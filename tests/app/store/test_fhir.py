"""Resources and codes of the FHIR bundle of a course, one kind of record after the other."""

import csv
import json
from datetime import date, datetime
from importlib.resources import files

import pytest

from lutetia.app.store.codes import KINDS_OF_UNIT, body_site, grade_coding, measured_coding, term_coding
from lutetia.app.store.fhir import fhir_bundle
from lutetia.response.laboratory import find_test, laboratory_tests
from lutetia.response.toxicity import criteria
from lutetia.therapy.course import (
    Administration,
    Decision,
    Diagnosis,
    DoseRecord,
    Event,
    Lab,
    Medication,
    Observation,
    RiskFactor,
    SstrRead,
)
from lutetia.therapy.course.checks import ucum_codes

DAY = datetime(2026, 3, 2, 8)


@pytest.fixture
def where(tmp_path):
    """One kind of store: which data base it is makes no difference here."""
    return str(tmp_path / "courses.sqlite")


@pytest.fixture
def bundle_of(store, patient):
    """The bundle of a course of some records."""

    def make(*records):
        store.new(patient, by="nurse")
        store.add("P-001", records, by="nurse", version=1)
        return fhir_bundle(store.load("P-001"), timezone="Europe/Berlin")

    return make


@pytest.fixture
def resources_of(bundle_of):
    """All resources but the patient, which are validated while the bundle is made."""
    return lambda *records: [entry["resource"] for entry in bundle_of(*records)["entry"][1:]]


def lab(test, value, unit):
    return Lab(test=test, time=DAY, value=value, unit=unit)


def code_of(resource):
    (coding,) = resource["code"].get("coding", [{"system": None, "code": None}])
    return coding["system"], coding["code"]


# loinc.org numbers as the sources of the table name them
@pytest.mark.parametrize(
    ("test", "unit", "code"),
    [("PLT", "G/L", "777-3"), ("platelets", "10^3/uL", "777-3"), ("Hb", "g/dL", "718-7"),
     ("haemoglobin", "mmol/L", "59260-0"), ("WBC", "/nL", "6690-2"), ("ANC", "cells/uL", "751-8"),
     ("lymphocytes", "/mm3", "731-0"), ("creatinine", "mg/dL", "2160-0"), ("Kreatinin", "µmol/L", "14682-9"),
     ("bilirubin", "mg/dL", "1975-2"), ("bilirubin", "umol/L", "14631-6"), ("albumin", "g/L", "1751-7"),
     ("ASAT", "U/L", "1920-8"), ("ALT", "µkat/L", "1742-6"), ("ALT", "IU/L", "1742-6"), ("K", "mEq/L", "2823-3"),
     ("INR", "", "6301-6"), ("aPTT", "sec", "14979-9"),
     # another quantity than the code's, or none that fits: words only
     ("ALT", "x ULN", None), ("calcium", "mmol/L", None), ("egfr", "mL/min/1.73 m2", None),
     ("magnesium", "mEq/L", None), ("chromogranin A", "ng/mL", None)],
)  # fmt: skip
def test_laboratory_tests_have_the_code_of_their_quantity(resources_of, test, unit, code):
    plausible = {"cells/uL": 3000, "/mm3": 3000, "µmol/L": 80, "g/L": 40, "sec": 30}
    (found,) = resources_of(lab(test, plausible.get(unit, 3), unit))
    assert code_of(found) == (("http://loinc.org", code) if code else (None, None))
    assert found["code"]["text"] == test
    assert found["valueQuantity"]["code"] == ucum_codes()[unit]


@pytest.mark.parametrize(
    ("name", "value", "unit", "code"),
    [("weight", 71, "kg", "29463-7"), ("Body  weight", 71, "kg", "29463-7"), ("height", 172, "cm", "8302-2"),
     ("ECOG", 1, "", "89247-1"), ("KPS", 90, "%", "89243-0"), ("heart rate", 66, "/min", "8867-4"),
     ("systolic blood pressure", 120, "mmHg", "8480-6"), ("mood", 3, "", None)],
)  # fmt: skip
def test_observations_have_their_code(resources_of, name, value, unit, code):
    (found,) = resources_of(Observation(name=name, time=DAY, value=value, unit=unit))
    assert code_of(found)[1] == code


def test_a_diagnosis_is_a_condition_with_its_grade_and_ki67(bundle_of):
    bundle = bundle_of(Diagnosis(date=date(2025, 5, 1), histology="NET", primary_site="ileum", grade="G2",
                                 ki67_percent=4, metastatic_since=date(2025, 6, 1), note="seen by Zyx"))  # fmt: skip
    tumour, spread, ki67 = (entry["resource"] for entry in bundle["entry"][1:])
    assert (tumour["resourceType"], tumour["code"]["text"]) == ("Condition", "NET")
    assert (tumour["recordedDate"], tumour["bodySite"]) == ("2025-05-01", [{"text": "ileum"}])
    assert tumour["stage"][0]["summary"]["text"] == "G2"
    assert tumour["verificationStatus"]["coding"][0]["code"] == "confirmed"
    assert (spread["code"]["text"], spread["onsetDateTime"]) == ("metastatic disease", "2025-06-01")
    assert (ki67["valueQuantity"]["value"], ki67["valueQuantity"]["code"]) == (4, "%")
    assert ki67["focus"] == [{"reference": bundle["entry"][1]["fullUrl"]}]
    assert "Zyx" not in json.dumps(bundle)


def test_what_is_not_known_of_a_tumour_is_not_there(resources_of):
    (tumour,) = resources_of(Diagnosis(date=date(2025, 5, 1), histology="NET"))
    assert set(tumour) == {"resourceType", "verificationStatus", "code", "subject", "recordedDate"}


def test_drugs_are_medication_statements(resources_of):
    taken, over = resources_of(
        Medication(name="octreotide LAR", start=date(2025, 1, 1), drug_class="long-acting SSA", dose="30 mg"),
        Medication(name="ramipril", start=date(2025, 1, 1), end=date(2025, 9, 1)),
    )
    assert (taken["resourceType"], taken["status"]) == ("MedicationStatement", "active")
    assert taken["medicationCodeableConcept"]["text"] == "octreotide LAR"
    assert (taken["category"]["text"], taken["dosage"]) == ("long-acting SSA", [{"text": "30 mg"}])
    assert taken["effectivePeriod"] == {"start": "2025-01-01"}
    assert (over["status"], over["effectivePeriod"]["end"]) == ("completed", "2025-09-01")
    assert "dosage" not in over


def given(cycle, day):
    return Administration(cycle=cycle, agent="177Lu-DOTATATE", nuclide="Lu-177", start=day)


def event(**fields):
    return Event(**{"term": "Platelet count decreased", "grade": 3, "ctcae_version": "5.0",
                    "start": date(2026, 4, 1), **fields})  # fmt: skip


def test_an_adverse_event_has_term_grade_version_and_cause(bundle_of):
    bundle = bundle_of(given(1, datetime(2026, 3, 3, 10)), given(2, datetime(2026, 5, 4, 10)),
                       event(end=date(2026, 4, 20), causality="probable", note="told Zyx"))  # fmt: skip
    found = bundle["entry"][-1]["resource"]
    assert found["event"]["coding"] == [
        {"system": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl", "code": "C143764",
         "display": "Platelet count decreased"}]  # fmt: skip
    assert (found["actuality"], found["date"]) == ("actual", "2026-04-01")
    grade, resolved = found["extension"]
    assert grade["valueCodeableConcept"]["text"] == "CTCAE 5.0 grade 3"
    assert grade["valueCodeableConcept"]["coding"][0]["version"] == "5.0"
    assert grade["valueCodeableConcept"]["coding"][0]["code"] == "3"
    assert resolved["valueDateTime"] == "2026-04-20"
    assert found["outcome"]["coding"][0]["code"] == "resolved"
    (cause,) = found["suspectEntity"]  # the second cycle was later
    drugs = [entry["fullUrl"] for entry in bundle["entry"]
             if entry["resource"]["resourceType"] == "MedicationAdministration"]  # fmt: skip
    assert cause["instance"]["reference"] == drugs[0]
    assert cause["causality"][0]["assessment"]["coding"][0]["code"] == "C53259"
    assert "Zyx" not in json.dumps(bundle)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [({}, "ongoing"), ({"grade": 5}, "fatal"), ({"grade": 0}, "resolved"), ({"end": date(2026, 4, 2)}, "resolved")],
)
def test_outcome_of_an_adverse_event(resources_of, fields, outcome):
    found = resources_of(given(1, datetime(2026, 3, 3, 10)), event(**fields))[-1]
    assert found["outcome"]["coding"][0]["code"] == outcome
    assert "suspectEntity" not in found  # nobody judged the cause


def test_codes_of_one_version_are_not_given_to_another():
    assert term_coding("anemia", "v5.0")["code"] == "C143283"
    assert term_coding("Anemia", "4.03") is None
    assert term_coding("something else", "5.0") is None
    assert [grade_coding(g, "4.03")["code"] for g in range(6)] == list("012345")


def test_receptor_imaging_is_an_observation(resources_of):
    scored, told = resources_of(
        SstrRead(date=date(2026, 1, 5), tracer="68Ga-DOTATOC", krenning=3, text="for Zyx"),
        SstrRead(date=date(2026, 1, 6), tracer="68Ga-DOTATOC", text="all lesions above the liver"),
    )
    assert (scored["valueInteger"], scored["method"]["text"]) == (3, "68Ga-DOTATOC")
    assert "Zyx" not in json.dumps(scored)
    assert told["valueString"] == "all lesions above the liver"
    assert told["effectiveDateTime"] == "2026-01-06"


def test_absorbed_doses_have_organ_and_uncertainty(resources_of):
    rows = [("kidney left", "organ", 4.0, 0.2), ("liver", "organ", 2.0, None), ("lesion 1", "lesion", 90.0, 9.0)]
    text = json.dumps({
        "schema": "lutetia dose 1", "subject": "P-001", "administration": {"nuclide": "Lu-177"},
        "regions": [{"region": r, "kind": k, "absorbed_dose_Gy": d, "u_absorbed_dose_Gy": u} for r, k, d, u in rows],
    })  # fmt: skip
    kidney, liver, lesion = resources_of(DoseRecord(cycle=1, time=DAY, text=text))
    assert kidney["valueQuantity"] == {
        "value": 4.0,
        "unit": "Gy",
        "system": "http://unitsofmeasure.org",
        "code": "Gy",
    }
    assert kidney["component"][0]["valueQuantity"]["value"] == 0.2
    assert kidney["bodySite"]["coding"][0] == {
        "system": "http://snomed.info/sct", "code": "64033007", "display": "Kidney"}  # fmt: skip
    assert liver["bodySite"]["coding"][0]["code"] == "10200004"
    assert "component" not in liver
    assert lesion["bodySite"] == {"text": "lesion 1"}
    assert body_site({"region": "body", "kind": "other"}) == {"text": "body"}


def test_the_bundle_is_the_same_every_time_and_says_what_is_left_out(bundle_of, store):
    records = (
        given(1, datetime(2026, 3, 3, 10)), lab("Hb", 12, "g/dL"), event(causality="possible"),
        SstrRead(date=date(2026, 1, 5), tracer="68Ga-DOTATOC", krenning=3),
        RiskFactor(date=date(2026, 1, 5), name="diabetes"),
        Decision(time=DAY, question="Cycle 1?", answer="yes", who="Dr Zyx", source="minutes"),
    )  # fmt: skip
    bundle = bundle_of(*records)
    assert json.dumps(bundle) == json.dumps(fhir_bundle(store.load("P-001"), timezone="Europe/Berlin"))
    assert "Zyx" not in json.dumps(bundle)
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert kinds == {"Patient", "Procedure", "MedicationAdministration", "Observation", "AdverseEvent"}
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)


# the tables


def rows(name):
    table = files("lutetia.app") / "store" / "data" / "fhir_codes" / name
    return list(csv.DictReader(table.read_text("utf-8").splitlines()))


def test_every_code_of_the_table_is_well_made_and_reached():
    for row in rows("loinc.csv"):
        digits, check = row["code"].split("-")
        assert luhn(digits) == int(check), row["name"]  # LOINC's check digit (mod 10)
        assert row["source"]
        assert row["quantity"] in KINDS_OF_UNIT
        units = find_test(row["name"]).factors if row["of"] == "laboratory" else ucum_codes()
        found = {(measured_coding(row["of"], row["name"], ucum_codes()[unit]) or {}).get("code") for unit in units}
        assert (row["code"] in found) is (row["verified"] == "true")


def luhn(digits):
    doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits))]
    return -sum(d // 10 + d % 10 for d in doubled) % 10


def test_no_test_has_two_codes_in_one_unit():
    for test in laboratory_tests():
        mine = [row for row in rows("loinc.csv") if row["of"] == "laboratory" and row["name"] == test.name]
        assert len({row["quantity"] for row in mine}) == len(mine)


def test_terms_of_the_criteria_have_codes():
    assert {term.term for term in criteria("5.0")} <= {r["name"] for r in rows("ctcae.csv") if r["of"] == "term"}
