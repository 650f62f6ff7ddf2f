"""What must hold between the records of one course."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from lutetia.errors import InputError
from lutetia.physics.nuclides import nuclide
from lutetia.therapy.course.findings import Lab, test_key
from lutetia.therapy.course.treatment import Administration, DoseRecord, net_administered_activity_bq

if TYPE_CHECKING:
    from lutetia.therapy.course.ledger import Course

SAME_ADMINISTRATION: Final = timedelta(days=1)
"""A dose document and the ledger may differ by this much about the time of one administration (clock, time zone)."""


def check_course(course: "Course") -> None:
    """Refuse records that contradict each other.

    Raises
    ------
    InputError
        With kind and field.
    """
    _after_birth(course)
    _one_value_at_a_time(course.labs)
    _cycles(course.administrations)
    _doses(course.doses, {given.cycle: given for given in course.administrations})


def _after_birth(course: "Course") -> None:
    born = course.patient.born
    if born is None:
        return
    for kind, record in course.records():
        for item in fields(record):
            value = getattr(record, item.name)
            if isinstance(value, date) and (value.date() if isinstance(value, datetime) else value) < born:
                raise InputError(f"{kind}.{item.name}: {value} is before birth.")


def _one_value_at_a_time(labs: Sequence[Lab]) -> None:
    seen = set()
    for lab in labs:
        what = (test_key(lab.test), lab.time, lab.method)
        if what in seen:
            raise InputError(
                f"lab.value: two values of one test and method at {lab.time}; correct the first, or give the method."
            )
        seen.add(what)


def _cycles(administrations: Sequence[Administration]) -> None:
    numbers = [given.cycle for given in administrations]
    for number in numbers:
        if numbers.count(number) > 1:
            raise InputError(f"administration.cycle: cycle {number} is given twice; expected each cycle once.")
    for earlier, later in pairwise(administrations):
        if later.cycle < earlier.cycle:
            raise InputError(
                f"administration.start: cycle {earlier.cycle} starts before cycle {later.cycle}; expected cycles in the "
                "order of time."
            )
        if (earlier.stop or earlier.start) >= later.start:
            raise InputError(
                f"administration.start: cycle {later.cycle} starts before cycle {earlier.cycle} has stopped; "
                "administrations cannot overlap."
            )
    for given in administrations:
        net_administered_activity_bq(given)


def _doses(doses: Sequence[DoseRecord], given: dict[int, Administration]) -> None:
    cycles = [dose.cycle for dose in doses]
    for cycle in cycles:
        if cycles.count(cycle) > 1:
            raise InputError(f"dose.cycle: cycle {cycle} has two dose documents; correct the first instead.")
    if len({dose.sha256 for dose in doses}) < len(doses):
        raise InputError("dose.text: the same document is given for two cycles; expected one of each.")
    if len({dose.document["subject"] for dose in doses}) > 1:
        raise InputError(
            "dose.text: documents of different subjects; expected the same subject in all of a course."
        )
    for dose in doses:
        if dose.cycle in given:
            _same_administration(dose, given[dose.cycle])


def _same_administration(dose: DoseRecord, given: Administration) -> None:
    stated = dose.document["administration"]
    if nuclide(stated["nuclide"]).name != given.nuclide:
        raise InputError(
            f"dose.text: of {stated['nuclide']}, but {given.nuclide} was administered in cycle {dose.cycle}."
        )
    if stated.get("time") is None:
        return
    try:
        at = datetime.fromisoformat(stated["time"]).replace(tzinfo=None)
    except (TypeError, ValueError):
        raise InputError("dose.text: administration.time is not a date and time.") from None
    if abs(at - given.start) > SAME_ADMINISTRATION:
        raise InputError(
            f"dose.text: of an administration on {at.date()}, but cycle {dose.cycle} was given on {given.start.date()}."
        )
