"""What in a course is allowed, but should be looked at."""

from collections.abc import Iterable
from typing import Final

from lutetia.therapy.course.exposure import is_dose_rate
from lutetia.therapy.course.findings import Enrolment, Medication, Observation
from lutetia.therapy.course.ledger import Course, Record
from lutetia.therapy.items import alike, item_of_words, near_words
from lutetia.therapy.protocols import shipped_ids, shipped_protocols
from lutetia.units import MBQ_PER_BQ

ACTIVITY_AGREES: Final = 0.05
"""Relative difference between the ledger's activity and a dose document's that is told of; a choice, no standard."""


def doubts_of(course: Course) -> tuple[str, ...]:
    """Warnings of a course: activities that were not measured, doses that do not fit, words that nothing knows."""
    return (
        *_activities(course),
        *_doses(course),
        *_words((*course.medications, *course.observations)),
        *_protocols(course.enrolments),
    )


def doubts_of_change(before: Course, after: Course, added: Iterable[Record] = ()) -> tuple[str, ...]:
    """Warnings that a change brought, or that are of the records it added: not those that were there before."""
    added = tuple(added)
    of_added = {*_words(added), *_protocols(added)}
    known = set(doubts_of(before)) - of_added
    return tuple(told for told in doubts_of(after) if told not in known)


def _protocols(records: Iterable[Record]) -> list[str]:
    """Protocols, or versions of them, that do not ship."""
    versions = {protocol.id: protocol.version for protocol in shipped_protocols()}
    told = []
    for one in records:
        if not isinstance(one, Enrolment):
            continue
        if one.protocol not in versions:
            told.append(
                f"No shipped protocol {one.protocol!r}{alike(one.protocol, shipped_ids())}; one of your own is given with "
                "--protocol FILE to each question."
            )
        elif one.version and one.version != versions[one.protocol]:
            told.append(
                f"enrolment.version: {one.version!r} of {one.protocol} does not ship; questions are answered by the "
                f"shipped version {versions[one.protocol]}."
            )
    return list(dict.fromkeys(told))


def _words(records: Iterable[Record]) -> list[str]:
    """Words that no rule knows: a slip of the pen, or something rules do not look at."""
    words = set()
    for one in records:
        if isinstance(one, Medication) and one.drug_class:
            words.add(("medication", one.drug_class))
        elif isinstance(one, Observation) and not is_dose_rate(one.name):
            words.add(("observation", one.name))
    return [
        f"No rule looks at: {name}{near_words(kind, name)}"
        for kind, name in sorted(words)
        if item_of_words(kind, name) is None
    ]


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
