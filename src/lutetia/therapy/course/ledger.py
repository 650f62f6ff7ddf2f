"""The course of one patient: all records in the order of time, as a whole and as known on a day."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time
from typing import Final

from lutetia.errors import InputError
from lutetia.therapy.course.consistency import check_course
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
    test_key,
)
from lutetia.therapy.course.treatment import Administration, DoseRecord, Imaging, net_administered_activity_bq

Record = (
    Diagnosis
    | SstrRead
    | RiskFactor
    | Medication
    | Lab
    | Observation
    | Administration
    | Imaging
    | DoseRecord
    | Event
    | Enrolment
    | Decision
)

KINDS: Final[dict[str, tuple[str, type[Record]]]] = {
    "diagnosis": ("diagnoses", Diagnosis),
    "sstr": ("sstr_reads", SstrRead),
    "risk": ("risk_factors", RiskFactor),
    "medication": ("medications", Medication),
    "lab": ("labs", Lab),
    "observation": ("observations", Observation),
    "administration": ("administrations", Administration),
    "imaging": ("imaging", Imaging),
    "dose": ("doses", DoseRecord),
    "event": ("events", Event),
    "enrolment": ("enrolments", Enrolment),
    "decision": ("decisions", Decision),
}
"""Kind of a record -> where a course holds it, and its class."""

_LATER_FIELDS: Final = ("end", "stop", "metastatic_since")


def kind_of(record: Record) -> str:
    """Kind of a record: its key in ``KINDS``."""
    return next(kind for kind, (_, made_of) in KINDS.items() if type(record) is made_of)


def moment_of(record: Record) -> datetime:
    """When a record begins to hold; a day counts from its first moment."""
    when: date = next(getattr(record, name) for name in ("time", "start", "date") if hasattr(record, name))
    return when if isinstance(when, datetime) else datetime.combine(when, time.min)


def end_of(when: date) -> datetime:
    """The last moment of a day; a date with time as it is."""
    return when if isinstance(when, datetime) else datetime.combine(when, time.max)


@dataclass(frozen=True, kw_only=True, slots=True)
class NetActivity:
    """Activity given in one cycle, None where it was not measured; an upper bound without a measured residual. [Bq]"""

    cycle: int
    agent: str
    activity_bq: float | None
    residual_known: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """All that is documented of one patient, each kind in the order of time.

    Raises
    ------
    InputError
        A record before birth, two administrations of one cycle or at one time, cycles that run backwards, two doses of
        one cycle or of different subjects, two different values of one test at one time; the message names kind and field.
    """

    patient: Patient
    diagnoses: tuple[Diagnosis, ...] = ()
    sstr_reads: tuple[SstrRead, ...] = ()
    risk_factors: tuple[RiskFactor, ...] = ()
    medications: tuple[Medication, ...] = ()
    labs: tuple[Lab, ...] = ()
    observations: tuple[Observation, ...] = ()
    administrations: tuple[Administration, ...] = ()
    imaging: tuple[Imaging, ...] = ()
    doses: tuple[DoseRecord, ...] = ()
    events: tuple[Event, ...] = ()
    enrolments: tuple[Enrolment, ...] = ()
    decisions: tuple[Decision, ...] = ()

    def __post_init__(self) -> None:
        for kind, (name, made_of) in KINDS.items():
            found = getattr(self, name)
            if not isinstance(found, tuple) or not all(type(record) is made_of for record in found):
                raise InputError(f"course.{name}: expected a tuple of {kind} records ({made_of.__name__}).")
            object.__setattr__(self, name, tuple(sorted(found, key=moment_of)))
        check_course(self)

    def records(self) -> Iterator[tuple[str, Record]]:
        """Every record with its kind, in the order of time."""
        found = [(kind, record) for kind, (name, _) in KINDS.items() for record in getattr(self, name)]
        return iter(sorted(found, key=lambda pair: moment_of(pair[1])))

    def with_records(self, *records: Record) -> "Course":
        """The course with more records."""
        added: dict[str, tuple[Record, ...]] = {}
        for record in records:
            name, _ = KINDS[kind_of(record)]
            added[name] = (*added.get(name, getattr(self, name)), record)
        return replace(self, **added)  # type: ignore[arg-type]

    def check_not_after(self, when: date) -> None:
        """Refuse whatever is dated later than a moment (a day: its end).

        Raises
        ------
        InputError
            With kind and field.
        """
        limit = end_of(when)
        if self.patient.born is not None and end_of(self.patient.born) > end_of(limit.date()):
            raise InputError("patient.birth_date: in the future.")
        for kind, record in self.records():
            for item in fields(record):
                value = getattr(record, item.name)
                if isinstance(value, date) and _start(value) > limit:
                    raise InputError(f"{kind}.{item.name}: {value} is in the future, seen from {when}.")

    def as_of(self, when: date) -> "Course":
        """What was the case on a day (to its end) or at a moment: later records are left out, later ends are open."""
        limit = end_of(when)
        kept = {
            name: tuple(_seen(record, limit) for record in getattr(self, name) if moment_of(record) <= limit)
            for name, _ in KINDS.values()
        }
        return replace(self, **kept)  # type: ignore[arg-type]

    def current_labs(self) -> dict[str, Lab]:
        """The last value of each test, by the test's name as written last; other names of a test are the same test."""
        last = {test_key(lab.test): lab for lab in self.labs}
        return {lab.test: lab for lab in last.values()}

    def current(self, test: str) -> Lab | None:
        """The last value of a test, None when it was never measured."""
        found = [lab for lab in self.labs if test_key(lab.test) == test_key(test)]
        return found[-1] if found else None

    def current_observations(self) -> dict[str, Observation]:
        """The last value of each observation by name; capitals do not matter."""
        last = {seen.name.casefold(): seen for seen in self.observations}
        return {seen.name: seen for seen in last.values()}

    def net_activities(self) -> tuple[NetActivity, ...]:
        """Activity given in each cycle, at its start."""
        return tuple(
            NetActivity(
                cycle=given.cycle,
                agent=given.agent,
                activity_bq=net_administered_activity_bq(given),
                residual_known=given.residual_activity_bq is not None,
            )
            for given in self.administrations
        )

    def cumulative_activity_bq(self) -> dict[str, float | None]:
        """Activity given of each agent over all cycles; None where that of a cycle is not known. [Bq]"""
        total: dict[str, float | None] = {}
        for net in self.net_activities():
            before = total.get(net.agent, 0.0)
            total[net.agent] = None if before is None or net.activity_bq is None else before + net.activity_bq
        return total


def _start(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time.min)


def _seen(record: Record, limit: datetime) -> Record:
    """A record without what came later."""
    later: dict[str, object] = {
        name: None
        for name in _LATER_FIELDS
        if (value := getattr(record, name, None)) is not None and _start(value) > limit
    }
    if isinstance(record, Administration):
        if record.residual_measured_at is not None and record.residual_measured_at > limit:
            later |= {"residual_measured_at": None, "residual_activity_bq": None}
        if record.measured_at is not None and record.measured_at > limit:
            later |= {"measured_at": None, "measured_activity_bq": None}
        later["events"] = tuple(
            replace(event, stop=None) if event.stop is not None and event.stop > limit else event
            for event in record.events
            if event.start <= limit
        )
    return replace(record, **later) if later else record  # type: ignore[arg-type]
