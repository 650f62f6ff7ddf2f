"""Courses in a store: made, added to, corrected and read; whatever was written stays."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lutetia.app.store.audit import FIRST, AuditEntry, chained_hash
from lutetia.app.store.documents import canonical, document_of, record_of
from lutetia.app.store.models import AuditRow, CourseRow, RevisionRow
from lutetia.app.store.place import Place
from lutetia.errors import ConflictError, InputError, MissingDataError
from lutetia.therapy.course import KINDS, Course, Patient, Record, kind_of

PATIENT: Final = "patient"


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """One revision of one record; ``record`` is None from where it is withdrawn."""

    kind: str
    number: int
    revision: int
    record: Patient | Record | None
    audit_position: int

    @property
    def key(self) -> str:
        """What the record is called, for example lab-12; of the patient just that."""
        return self.kind if self.kind == PATIENT else f"{self.kind}-{self.number}"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredCourse:
    """A course as it was at one version.

    Attributes
    ----------
    version : says what was seen to whoever changes the course later
    entries : newest revision of each record that is not withdrawn
    history : all revisions, oldest first
    audit : the whole trail
    """

    course: Course
    version: int
    entries: tuple[Revision, ...]
    history: tuple[Revision, ...]
    audit: tuple[AuditEntry, ...]

    def entry(self, key: str) -> Revision:
        """The newest revision of a record by its key.

        Raises
        ------
        MissingDataError
            No such record, or a withdrawn one.
        """
        for found in self.entries:
            if found.key == key:
                return found
        raise MissingDataError(
            f"No record {key!r} in the course; lutetia course timeline shows the keys."
            if len(key) < 40
            else "No record of that key in the course; lutetia course timeline shows the keys."
        )


class CourseStore:
    """All courses of a store.

    Every change is one transaction with its audit entries, and names the version it builds on.

    Parameters
    ----------
    place : where the store is
    now : local time; nothing may be dated later
    """

    def __init__(self, place: Place, *, now: Callable[[], datetime] = datetime.now) -> None:
        self.place = place
        self._now = now

    def pseudonyms(self) -> tuple[str, ...]:
        """Of all courses, sorted."""
        with self.place.reading() as session:
            return tuple(sorted(session.scalars(select(CourseRow.pseudonym))))

    def load(self, pseudonym: str) -> StoredCourse:
        """A course with its history.

        Raises
        ------
        MissingDataError
            No such course.
        """
        with self.place.reading() as session:
            return _loaded(session, _row(session, pseudonym))

    def new(self, patient: Patient, *, by: str) -> StoredCourse:
        """Begin a course.

        Raises
        ------
        ConflictError
            There is one of this pseudonym.
        """
        self._checked(Course(patient=patient), by)
        with self.place.writing() as session:
            row = begin(session, patient.pseudonym)
            trail = Trail(session, row.id, by=by)
            trail.write("new", PATIENT, 1, 1, None, document_of(patient))
            return _loaded(session, row)

    def add(self, pseudonym: str, records: Sequence[Record], *, by: str, version: int) -> tuple[str, ...]:
        """Add records, all or none; gives their keys.

        Raises
        ------
        InputError
            The course would not be valid; nothing is added.
        ConflictError
            The course was changed since ``version``.
        """
        if not records:
            raise InputError("No records to add.")
        with self.place.writing() as session:
            row = self._claimed(session, pseudonym, version)
            stored = _loaded(session, row)
            self._checked(stored.course.with_records(*records), by)
            trail = Trail(session, row.id, by=by)
            last = {kind: _last_number(stored.history, kind) for kind in KINDS}
            keys = []
            for record in records:
                kind = kind_of(record)
                last[kind] += 1
                trail.write("add", kind, last[kind], 1, None, document_of(record))
                keys.append(f"{kind}-{last[kind]}")
            return tuple(keys)

    def correct(
        self, pseudonym: str, key: str, changes: Mapping[str, Any], *, by: str, reason: str, version: int
    ) -> Revision:
        """A new revision of a record in which the JSON keys of ``changes`` have new values; the old one is kept.

        Raises
        ------
        InputError
            No reason, nothing changed, or the course would not be valid.
        MissingDataError
            No such record.
        ConflictError
            The course was changed since ``version``.
        """
        return self._revise(pseudonym, key, changes, by=by, reason=reason, version=version)

    def withdraw(self, pseudonym: str, key: str, *, by: str, reason: str, version: int) -> Revision:
        """Take a record out of the course from now on; its revisions are kept. Raises as ``correct``."""
        return self._revise(pseudonym, key, None, by=by, reason=reason, version=version)

    def _revise(
        self, pseudonym: str, key: str, changes: Mapping[str, Any] | None, *, by: str, reason: str, version: int
    ) -> Revision:
        if not reason.strip():
            raise InputError("reason: missing; a correction says why.")
        with self.place.writing() as session:
            row = self._claimed(session, pseudonym, version)
            stored = _loaded(session, row)
            old = stored.entry(key)
            record = _changed(old, changes)
            others = [entry for entry in stored.entries if entry.key != key]
            new = replace(old, record=record, revision=old.revision + 1, audit_position=len(stored.audit) + 1)
            self._checked(course_of([*others, new]), by)
            action = "withdraw" if record is None else "correct"
            trail = Trail(session, row.id, by=by, reason=reason)
            document = None if record is None else document_of(record)
            trail.write(action, old.kind, old.number, new.revision, document_of(old.record), document)
            return new

    def _claimed(self, session: Session, pseudonym: str, version: int) -> CourseRow:
        """The row of a course whose version was counted up: nobody else can do so before this transaction ends."""
        done = session.execute(
            update(CourseRow)
            .where(CourseRow.pseudonym == pseudonym, CourseRow.version == version)
            .values(version=version + 1)
            .execution_options(synchronize_session=False)
        )
        row = _row(session, pseudonym)
        if cast(Any, done).rowcount != 1:
            raise ConflictError(
                f"The course was changed by somebody else: it is at version {row.version}, this change builds on version "
                f"{version}. Nothing was written; look again, then repeat it."
            )
        return row

    def _checked(self, course: Course, by: str) -> None:
        if not by.strip():
            raise InputError("by: missing; the audit trail needs who.")
        course.check_not_after(self._now())


class Trail:
    """Writes revisions and their audit entries together, in one transaction."""

    def __init__(self, session: Session, course_id: int, *, by: str, reason: str = "") -> None:
        self._session, self._course_id, self._by, self._reason = session, course_id, by, reason
        last = session.scalars(
            select(AuditRow).where(AuditRow.course_id == course_id).order_by(AuditRow.position.desc()).limit(1)
        ).first()
        self._position, self._hash = (0, FIRST) if last is None else (last.position, last.hash)

    def say(self, action: str, entry: str, old: str | None = None, new: str | None = None) -> AuditRow:
        """One audit entry."""
        self._position += 1
        said: dict[str, Any] = {
            "position": self._position,
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "who": self._by,
            "action": action,
            "entry": entry,
            "old": old,
            "new": new,
            "reason": self._reason,
        }
        self._hash = chained_hash(self._hash, **said)
        row = AuditRow(course_id=self._course_id, hash=self._hash, **said)
        self._session.add(row)
        self._session.flush()
        return row

    def write(
        self,
        action: str,
        kind: str,
        number: int,
        revision: int,
        old: dict[str, Any] | None,
        new: dict[str, Any] | None,
    ) -> None:
        """One revision and its audit entry."""
        content = None if new is None else canonical(new)
        entry = kind if kind == PATIENT else f"{kind}-{number}"
        said = self.say(action, entry, None if old is None else canonical(old), content)
        self._session.add(
            RevisionRow(
                course_id=self._course_id,
                audit_id=said.id,
                kind=kind,
                number=number,
                revision=revision,
                content=content,
            )
        )
        self._session.flush()


def begin(session: Session, pseudonym: str) -> CourseRow:
    """The row of a new course.

    Raises
    ------
    ConflictError
        There is one of this pseudonym.
    """
    row = CourseRow(pseudonym=pseudonym, version=1)
    session.add(row)
    try:
        session.flush()
    except IntegrityError:
        raise ConflictError("The store has a course of this pseudonym; nothing was written.") from None
    return row


def course_of(entries: Sequence[Revision]) -> Course:
    """The course that revisions make, withdrawn ones left out."""
    found: dict[str, list[Any]] = {kind: [] for kind in (PATIENT, *KINDS)}
    for entry in entries:
        if entry.record is not None:
            found[entry.kind].append(entry.record)
    if len(found[PATIENT]) != 1:
        raise InputError(f"patient: found {len(found[PATIENT])}; a course has one.")
    return Course(patient=found[PATIENT][0], **{name: tuple(found[kind]) for kind, (name, _) in KINDS.items()})


def _row(session: Session, pseudonym: str) -> CourseRow:
    row = session.scalars(
        select(CourseRow).where(CourseRow.pseudonym == pseudonym).execution_options(populate_existing=True)
    ).first()
    if row is None:
        raise MissingDataError(
            "No course of this pseudonym in the store; lutetia course list shows those there are."
        )
    return row


def _loaded(session: Session, row: CourseRow) -> StoredCourse:
    trail = session.scalars(select(AuditRow).where(AuditRow.course_id == row.id).order_by(AuditRow.position)).all()
    position = {said.id: said.position for said in trail}
    revisions = session.scalars(
        select(RevisionRow).where(RevisionRow.course_id == row.id).order_by(RevisionRow.id)
    ).all()
    history = tuple(
        Revision(
            kind=r.kind,
            number=r.number,
            revision=r.revision,
            record=None if r.content is None else record_of(r.kind, json.loads(r.content)),
            audit_position=position[r.audit_id],
        )
        for r in revisions
    )
    newest = {entry.key: entry for entry in history}
    entries = tuple(entry for entry in newest.values() if entry.record is not None)
    columns = [item.name for item in fields(AuditEntry)]
    audit = tuple(AuditEntry(**{name: getattr(said, name) for name in columns}) for said in trail)
    return StoredCourse(
        course=course_of(entries), version=row.version, entries=entries, history=history, audit=audit
    )


def _last_number(history: Sequence[Revision], kind: str) -> int:
    return max((entry.number for entry in history if entry.kind == kind), default=0)


def _changed(old: Revision, changes: Mapping[str, Any] | None) -> Patient | Record | None:
    """The record with new values; None when it is withdrawn."""
    if changes is None:
        if old.kind == PATIENT:
            raise InputError("patient: cannot be withdrawn; correct it.")
        return None
    if old.kind == PATIENT and "pseudonym" in changes:
        raise InputError("patient.pseudonym: cannot be corrected, the course is found by it; begin another course.")
    record = record_of(old.kind, {**document_of(old.record), **changes})
    if record == old.record:
        raise InputError(f"{old.kind}: the record says so already; nothing to correct.")
    return record
