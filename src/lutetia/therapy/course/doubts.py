"""What in a course is allowed, but should be looked at."""

from typing import Final

from lutetia.therapy.course.exposure import is_dose_rate
from lutetia.therapy.course.ledger import Course
from lutetia.therapy.items import alike, item_of_words
from lutetia.therapy.protocols import shipped_ids
from lutetia.units import MBQ_PER_BQ

ACTIVITY_AGREES: Final = 0.05
"""Relative difference between the ledger's activity and a dose document's that is told of; a choice, no standard."""


def doubts_of(course: Course) -> tuple[str, ...]:
    """Warnings of a course: activities that were not measured, doses that do not fit, words that nothing knows."""
    return (*_activities(course), *_doses(course), *_words(course), *_protocols(course))


def _protocols(course: Course) -> list[str]:
    unknown = dict.fromkeys(one.protocol for one in course.enrolments if one.protocol not in shipped_ids())
    return [
        f"No shipped protocol {name!r}{alike(name, shipped_ids())}; one of your own is given with --protocol FILE to each "
        "question."
        for name in unknown
    ]


def _words(course: Course) -> list[str]:
    """Words that no rule knows: a slip of the pen, or something rules do not look at."""
    drugs = {one.drug_class for one in course.medications if one.drug_class}
    names = {one.name for one in course.observations if not is_dose_rate(one.name)}
    unknown = [
        *sorted(name for name in drugs if item_of_words("medication", name) is None),
        *sorted(name for name in names if item_of_words("observation", name) is None),
    ]
    return [f"No rule looks at: {', '.join(unknown)}."] if unknown else []


def _activities(course: Course) -> list[str]:
    told = []
    for net in course.net_activities():
        if net.activity_bq is None:
            told.append(f"Cycle {net.cycle}: no activity was measured, so what was given is not known.")
        elif not net.residual_known:
            told.append(f"Cycle {net.cycle}: the residual was not measured; the activity is an upper bound.")
    return told


def _doses(course: Course) -> list[str]:
    told = []
    net = {found.cycle: found.activity_bq for found in course.net_activities()}
    for dose in course.doses:
        document = dose.document
        if dose.cycle not in net:
            told.append(f"Cycle {dose.cycle}: has doses, but no administration.")
        if document["subject"] != course.patient.pseudonym:
            told.append(
                f"Cycle {dose.cycle}: dose.json names another subject than the course; is it the same patient?"
            )
        given, stated = net.get(dose.cycle), document["administration"].get("activity_MBq")
        if given and stated is not None and abs(stated / (given * MBQ_PER_BQ) - 1) > ACTIVITY_AGREES:
            told.append(
                f"Cycle {dose.cycle}: doses are for {stated:.0f} MBq, the course says {given * MBQ_PER_BQ:.0f} MBq."
            )
    return told
