"""A course as a bundle of FHIR R4 resources, validated by ``fhir.resources``.

Its models are those of R4B (4.3.0), in which the resources used here are those of R4 (4.0.1). Codes: ``codes``, units in
UCUM, modalities in DICOM; agents, drugs and histology are words (``text``). Notes that people wrote stay behind, since
nobody can promise that no name is in them.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lutetia.app.store.codes import (
    Coding,
    body_site,
    causality_coding,
    grade_coding,
    measured_coding,
    term_coding,
)
from lutetia.app.store.courses import StoredCourse
from lutetia.errors import InputError
from lutetia.therapy.course import (
    Administration,
    Diagnosis,
    DoseRecord,
    Event,
    Imaging,
    Lab,
    Medication,
    Observation,
    Patient,
    SstrRead,
    net_administered_activity_bq,
)
from lutetia.therapy.course.checks import ucum_codes
from lutetia.units import BQ_PER_MBQ

UCUM: Final = "http://unitsofmeasure.org"
DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
IDENTIFIERS: Final = "urn:lutetia"
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
CTCAE_EXTENSIONS: Final = "http://hl7.org/fhir/us/ctcae/StructureDefinition"
_LABORATORY: Final = ("laboratory", "http://terminology.hl7.org/CodeSystem/observation-category")


class _Course:
    """Resources of one course; references between them are made of pseudonym and key."""

    def __init__(self, stored: StoredCourse, zone: ZoneInfo) -> None:
        self._stored, self._zone = stored, zone

    def _urn(self, key: str) -> str:
        return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{IDENTIFIERS}:{self._stored.course.patient.pseudonym}:{key}')}"

    def _reference(self, key: str) -> dict[str, str]:
        return {"reference": self._urn(key)}

    def _at(self, when: date) -> str:
        if not isinstance(when, datetime):
            return when.isoformat()
        return when.replace(tzinfo=self._zone).isoformat(timespec="seconds")

    def entries(self) -> Iterator[dict[str, Any]]:
        """One bundle entry after the other."""
        for entry in self._stored.entries:
            for key, resource in self._resources(entry.key, entry.record):
                yield {"fullUrl": self._urn(key), "resource": resource}

    def _resources(self, key: str, record: object) -> Iterator[tuple[str, dict[str, Any]]]:
        match record:
            case Diagnosis():
                yield from self._diagnosis(key, record)
            case Administration():
                yield key, self._procedure(record)
                yield f"{key}/drug", self._drug(key, record)
            case DoseRecord():
                for number, row in enumerate(record.document["regions"], start=1):
                    if row["absorbed_dose_Gy"] is not None:
                        yield f"{key}/{number}", self._dose(record, row)
            case _:
                makers: dict[type, Callable[[Any], dict[str, Any]]] = {
                    Patient: _patient,
                    SstrRead: self._sstr,
                    Medication: self._medication,
                    Lab: self._lab,
                    Observation: self._observation,
                    Imaging: self._study,
                    Event: self._event,
                }
                if type(record) in makers:
                    yield key, makers[type(record)](record)

    def _measured(self, name: str, when: date, coding: Coding | None = None) -> dict[str, Any]:
        return {
            "resourceType": "Observation",
            "status": "final",
            "code": _concept(name, coding),
            "subject": self._reference("patient"),
            "effectiveDateTime": self._at(when) if isinstance(when, datetime) else when.isoformat(),
        }

    def _diagnosis(self, key: str, found: Diagnosis) -> Iterator[tuple[str, dict[str, Any]]]:
        """The tumour, its metastases since when they are known, and Ki-67."""
        tumour: dict[str, Any] = {
            "resourceType": "Condition",
            "verificationStatus": {
                "coding": [{"system": f"{TERMINOLOGY}/condition-ver-status", "code": "confirmed"}]
            },
            "code": {"text": found.histology},
            "subject": self._reference("patient"),
            "recordedDate": found.date.isoformat(),
        }
        if found.primary_site:
            tumour["bodySite"] = [{"text": found.primary_site}]
        if found.grade:
            tumour["stage"] = [{"summary": {"text": found.grade}, "type": {"text": "grade of the tumour"}}]
        yield key, tumour
        if found.metastatic_since is not None:
            yield (
                f"{key}/metastatic",
                {
                    "resourceType": "Condition",
                    "verificationStatus": tumour["verificationStatus"],
                    "code": {"text": "metastatic disease"},
                    "subject": self._reference("patient"),
                    "onsetDateTime": found.metastatic_since.isoformat(),
                },
            )
        if found.ki67_percent is not None:
            yield (
                f"{key}/ki67",
                {
                    **self._measured("Ki-67", found.date),
                    "focus": [self._reference(key)],
                    "valueQuantity": _quantity(found.ki67_percent, "%"),
                },
            )

    def _sstr(self, read: SstrRead) -> dict[str, Any]:
        """A reader's judgement: the Krenning score, or his words where there is none."""
        found = self._measured("Krenning score of somatostatin receptor imaging", read.date)
        found["method"] = {"text": read.tracer}
        if read.krenning is None:
            return {**found, "code": {"text": "somatostatin receptor imaging"}, "valueString": read.text}
        return {**found, "valueInteger": read.krenning}

    def _medication(self, drug: Medication) -> dict[str, Any]:
        period = {"start": drug.start.isoformat()}
        found: dict[str, Any] = {
            "resourceType": "MedicationStatement",
            "status": "active" if drug.end is None else "completed",
            "medicationCodeableConcept": {"text": drug.name},
            "subject": self._reference("patient"),
            "effectivePeriod": period if drug.end is None else {**period, "end": drug.end.isoformat()},
        }
        if drug.drug_class:
            found["category"] = {"text": drug.drug_class}
        if drug.dose:
            found["dosage"] = [{"text": drug.dose}]
        return found

    def _event(self, event: Event) -> dict[str, Any]:
        """An adverse event; the administrations up to its start are what was judged as its cause."""
        grade = grade_coding(event.grade, event.ctcae_version)
        text = f"CTCAE {event.ctcae_version} grade {event.grade}"
        extensions: list[dict[str, Any]] = [
            {"url": f"{CTCAE_EXTENSIONS}/ctcae-grade", "valueCodeableConcept": _concept(text, grade)}
        ]
        if event.end is not None:
            resolved = f"{CTCAE_EXTENSIONS}/adverse-event-resolved-date"
            extensions.append({"url": resolved, "valueDateTime": event.end.isoformat()})
        over = "resolved" if event.grade == 0 or event.end is not None else "ongoing"
        outcome = "fatal" if event.grade == 5 else over
        found: dict[str, Any] = {
            "resourceType": "AdverseEvent",
            "extension": extensions,
            "actuality": "actual",
            "event": _concept(event.term, term_coding(event.term, event.ctcae_version)),
            "subject": self._reference("patient"),
            "date": event.start.isoformat(),
            "outcome": {"coding": [{"system": f"{TERMINOLOGY}/adverse-event-outcome", "code": outcome}]},
        }
        suspected = self._suspected(event)
        return {**found, "suspectEntity": suspected} if suspected else found

    def _suspected(self, event: Event) -> list[dict[str, Any]]:
        if event.causality is None or event.grade == 0:
            return []
        judged = _concept(event.causality, causality_coding(event.causality))
        last = datetime.combine(event.start, time.max)
        return [
            {"instance": self._reference(f"{entry.key}/drug"), "causality": [{"assessment": judged}]}
            for entry in self._stored.entries
            if isinstance(entry.record, Administration) and entry.record.start <= last
        ]

    def _lab(self, lab: Lab) -> dict[str, Any]:
        value = _quantity(lab.value, lab.unit)
        if lab.comparator:
            value["comparator"] = lab.comparator
        coding = measured_coding("laboratory", lab.test, ucum_codes()[lab.unit])
        found = self._measured(lab.test, lab.time, coding)
        found |= {"category": [_category(*_LABORATORY)], "valueQuantity": value}
        limits = {"low": lab.lower_limit, "high": lab.upper_limit}
        known = {side: _quantity(limit, lab.unit) for side, limit in limits.items() if limit is not None}
        if known:
            found["referenceRange"] = [known]
        if lab.method:
            found["method"] = {"text": lab.method}
        return found

    def _observation(self, seen: Observation) -> dict[str, Any]:
        coding = measured_coding("observation", seen.name, ucum_codes().get(seen.unit, ""))
        found = self._measured(seen.name, seen.time, coding)
        if isinstance(seen.value, bool):
            return {**found, "valueBoolean": seen.value}
        if isinstance(seen.value, str):
            return {**found, "valueString": seen.value}
        return {**found, "valueQuantity": _quantity(seen.value, seen.unit)}

    def _dose(self, dose: DoseRecord, row: dict[str, Any]) -> dict[str, Any]:
        found = self._measured(f"mean absorbed dose, cycle {dose.cycle}", dose.time)
        found |= {"bodySite": body_site(row), "valueQuantity": _quantity(row["absorbed_dose_Gy"], "Gy")}
        if row["u_absorbed_dose_Gy"] is not None:
            standard = {"text": "standard uncertainty (k=1)"}
            found["component"] = [{"code": standard, "valueQuantity": _quantity(row["u_absorbed_dose_Gy"], "Gy")}]
        if row.get("method"):
            found["method"] = {"text": row["method"]}
        return found

    def _period(self, given: Administration) -> dict[str, str]:
        period = {"start": self._at(given.start)}
        return period if given.stop is None else {**period, "end": self._at(given.stop)}

    def _procedure(self, given: Administration) -> dict[str, Any]:
        return {
            "resourceType": "Procedure",
            "status": "completed" if given.stop is not None else "unknown",
            "code": {"text": f"Radiopharmaceutical therapy with {given.agent}, cycle {given.cycle}"},
            "subject": self._reference("patient"),
            "performedPeriod": self._period(given),
        }

    def _drug(self, key: str, given: Administration) -> dict[str, Any]:
        found: dict[str, Any] = {
            "resourceType": "MedicationAdministration",
            "status": "completed" if given.stop is not None else "unknown",
            "medicationCodeableConcept": {"text": f"{given.agent} ({given.nuclide})"},
            "subject": self._reference("patient"),
            "effectivePeriod": self._period(given),
            "partOf": [self._reference(key)],
        }
        net_bq = net_administered_activity_bq(given)
        if net_bq is not None:
            dose = _quantity(round(net_bq / BQ_PER_MBQ, 3), "MBq")
            found["dosage"] = {"route": {"text": given.route}, "dose": dose}
            if given.residual_activity_bq is None:
                found["dosage"]["text"] = "residual not measured: the activity is an upper bound"
        if given.batch:
            found["note"] = [{"text": f"batch {given.batch}"}]
        return found

    def _study(self, image: Imaging) -> dict[str, Any]:
        found: dict[str, Any] = {
            "resourceType": "ImagingStudy",
            "status": "available",
            "subject": self._reference("patient"),
            "started": self._at(image.time),
            "modality": [{"system": DICOM, "code": image.modality}],
        }
        if image.uid_sha256:
            found["identifier"] = [{"system": f"{IDENTIFIERS}:study-uid-sha256", "value": image.uid_sha256}]
        if image.agent:
            found["description"] = image.agent
        return found


def fhir_bundle(stored: StoredCourse, *, timezone: str) -> dict[str, Any]:
    """A course as a FHIR R4 collection: patient, diagnoses, receptor imaging, drugs, labs, observations, administrations,
    images, doses and adverse events.

    Risk factors and decisions are not in it: they have no resource of their own in R4 that says what they say.

    Parameters
    ----------
    stored : the course
    timezone : of the clocks on the ward, for example Europe/Berlin; FHIR takes no time without one

    Raises
    ------
    InputError
        Unknown time zone, or a course that FHIR cannot say (which would be a fault of ours).
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            "timezone: unknown; expected a name of the IANA data base, for example Europe/Berlin."
        ) from None
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "meta": {"tag": [{"system": IDENTIFIERS, "display": "Research use only. Not a medical device."}]},
        "entry": list(_Course(stored, zone).entries()),
    }
    check_bundle(bundle)
    return bundle


def check_bundle(bundle: dict[str, Any]) -> None:
    """Refuse what is no FHIR bundle.

    Raises
    ------
    InputError
        With the places that are wrong, without their values.
    """
    from fhir.resources.R4B.bundle import Bundle
    from pydantic import ValidationError

    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:
        places = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
        raise InputError(f"The bundle is not valid FHIR at {', '.join(places[:5])}.") from None


def _patient(patient: Patient) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "Patient",
        "identifier": [{"system": f"{IDENTIFIERS}:pseudonym", "value": patient.pseudonym}],
        "gender": patient.sex,
    }
    born: date | int | None = patient.birth_date or patient.birth_year
    if born is not None:
        found["birthDate"] = born.isoformat() if isinstance(born, date) else str(born)
    return found


def _quantity(value: float, unit: str) -> dict[str, Any]:
    code = ucum_codes().get(unit)
    coded = {} if code is None else {"system": UCUM, "code": code}
    return {"value": value, "unit": unit or "1", **coded}


def _concept(text: str, coding: Coding | None) -> dict[str, Any]:
    return {"text": text} if coding is None else {"coding": [coding], "text": text}


def _category(code: str, system: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
