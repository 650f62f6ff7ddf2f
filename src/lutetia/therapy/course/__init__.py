"""The course of therapy of one patient: what was found, given, imaged, computed and decided, in the order of time."""

from lutetia.therapy.course.doses import RegionDose, cumulative_doses
from lutetia.therapy.course.findings import (
    Decision,
    Diagnosis,
    Enrolment,
    Event,
    Lab,
    Medication,
    Observation,
    Patient,
    RiskFactor,
    SstrRead,
)
from lutetia.therapy.course.ledger import KINDS, Course, NetActivity, Record, end_of, kind_of, moment_of
from lutetia.therapy.course.treatment import (
    Administration,
    DayEvent,
    DoseRecord,
    Imaging,
    net_administered_activity_bq,
    uid_hash,
)

__all__ = [
    "KINDS",
    "Administration",
    "Course",
    "DayEvent",
    "Decision",
    "Diagnosis",
    "DoseRecord",
    "Enrolment",
    "Event",
    "Imaging",
    "Lab",
    "Medication",
    "NetActivity",
    "Observation",
    "Patient",
    "Record",
    "RegionDose",
    "RiskFactor",
    "SstrRead",
    "cumulative_doses",
    "end_of",
    "kind_of",
    "moment_of",
    "net_administered_activity_bq",
    "uid_hash",
]
