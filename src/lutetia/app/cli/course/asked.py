"""What a question about a course is asked of: the course on a day, its protocol, and what the rules see of it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from lutetia.app.cli.course.given import moment_of_text
from lutetia.app.store.courses import CourseStore, StoredCourse
from lutetia.app.store.place import Place
from lutetia.errors import MissingDataError, ProtocolError
from lutetia.therapy.chronicle import Chronicle, Findings, findings_of, view_of
from lutetia.therapy.chronicle.of_course import facts_with_grades
from lutetia.therapy.course import Course, Enrolment
from lutetia.therapy.eligibility import Eligibility, evaluate
from lutetia.therapy.facts import day
from lutetia.therapy.protocols import read_protocol
from lutetia.therapy.protocols.model import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A course on a day, whatever it follows.

    Attributes
    ----------
    stored, course : the course with its history, and as of the day
    as_of : day, or day and local time
    warnings : what was assumed
    """

    stored: StoredCourse
    course: Course
    as_of: date
    warnings: tuple[str, ...]

    @property
    def pseudonym(self) -> str:
        """Of the patient."""
        return self.course.patient.pseudonym


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked(Loaded):
    """A course on a day, under a protocol.

    Attributes
    ----------
    protocol : that is followed on the day, or was asked for
    chronicle, findings : what the rules see, grades by the protocol's CTCAE among it
    """

    protocol: Protocol
    chronicle: Chronicle
    findings: Findings

    def eligibility(self, before: Literal["first", "later"] | None = None) -> Eligibility:
        """Verdict before the first cycle or a later one, by what was given unless said."""
        given = self.chronicle.until(self.as_of)
        later = bool(given) if before is None else before == "later"
        return evaluate(
            self.protocol,
            facts_with_grades(self.findings),
            self.as_of,
            "retreatment" if later else "baseline",
            since=day(given[-1].date) if later and given else None,
        )


def loaded(place: str, pseudonym: str, *, as_of: str | None) -> Loaded:
    """The course of a patient on a day (today by default).

    Raises
    ------
    MissingDataError
        No store, or no such course.
    InputError
        The day is none.
    """
    opened = Place(place)
    try:
        stored = CourseStore(opened).load(pseudonym)
    finally:
        opened.close()
    when = datetime.now().date() if as_of is None else moment_of_text(as_of, "--as-of")
    return Loaded(stored=stored, course=stored.course.as_of(when), as_of=when, warnings=())


def asked(place: str, pseudonym: str, *, protocol: str | None, as_of: str | None) -> Asked:
    """The course of a patient on a day (today by default) under the protocol that it follows, or another.

    Raises
    ------
    MissingDataError
        No store, no such course, or no protocol.
    ProtocolError
        The protocol cannot be read.
    InputError
        The day is none, or records that the rules cannot take.
    """
    return asked_of(loaded(place, pseudonym, as_of=as_of), protocol)


def asked_of(found: Loaded, protocol: str | None) -> Asked:
    """A course on a day under the protocol that it follows, or another; raises as ``asked``."""
    course, when = found.course, found.as_of
    enrolled = course.enrolments[-1] if course.enrolments else None
    rules, since, told = _protocol(protocol, enrolled)
    view = view_of(course, when, since=since, nuclide=rules.nuclide, ctcae_version=rules.ctcae_version)
    findings = findings_of(view.chronicle, rules.ctcae_version)
    return Asked(
        stored=found.stored,
        course=course,
        as_of=when,
        protocol=rules,
        chronicle=view.chronicle,
        findings=findings,
        warnings=tuple(dict.fromkeys((*told, *view.warnings))),
    )


def _protocol(wanted: str | None, enrolled: Enrolment | None) -> tuple[Protocol, date | None, list[str]]:
    """The protocol, the day from which administrations are of it, and warnings."""
    if wanted is None and enrolled is None:
        raise MissingDataError(
            "The course follows no protocol; add one, for example enrolment protocol=us-label date=2026-01-10, or give "
            "--protocol."
        )
    if wanted is None:
        assert enrolled is not None
        try:
            rules = read_protocol(enrolled.protocol)
        except ProtocolError as error:
            raise ProtocolError(
                f"enrolment.protocol: {error} A protocol of your own is given with --protocol FILE."
            ) from None
    else:
        rules = read_protocol(wanted)
    if enrolled is None:
        return rules, None, [f"The course follows no protocol; it is looked at by {rules.id}."]
    if enrolled.protocol != rules.id:
        return rules, None, [f"The course follows {enrolled.protocol}; it is looked at by {rules.id}."]
    if enrolled.version and enrolled.version != rules.version:
        told = f"The course was enrolled in version {enrolled.version} of {rules.id}; these are rules of {rules.version}."
        return rules, day(enrolled.date), [told]
    return rules, day(enrolled.date), []
