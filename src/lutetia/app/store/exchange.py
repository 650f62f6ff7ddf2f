"""A whole course as one JSON file, with its history and its audit trail, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from lutetia.app.store.audit import AuditEntry, check_chain
from lutetia.app.store.courses import PATIENT, CourseStore, Revision, StoredCourse, Trail, begin, course_of
from lutetia.app.store.documents import CLASSES, canonical, document_of, record_of
from lutetia.app.store.models import AuditRow, RevisionRow
from lutetia.errors import InputError
from lutetia.therapy.course import KINDS, Course

SCHEMA: Final = "lutetia course 1"
NOTICE: Final = "Research use only. Not a medical device."
_TOP: Final = ("schema", "notice", "version", "course", "history", "audit")


def course_document(course: Course) -> dict[str, Any]:
    """A course as people read it: the patient, and each kind of record in the order of time; empty kinds left out."""
    document: dict[str, Any] = {PATIENT: document_of(course.patient)}
    for name, _ in KINDS.values():
        if getattr(course, name):
            document[name] = [document_of(record) for record in getattr(course, name)]
    return document


def export_document(stored: StoredCourse) -> dict[str, Any]:
    """The file of a course: as it is now (``course``), every revision (``history``), and the trail (``audit``)."""
    return {
        "schema": SCHEMA,
        "notice": NOTICE,
        "version": stored.version,
        "course": course_document(stored.course),
        "history": [
            {
                "kind": entry.kind,
                "number": entry.number,
                "revision": entry.revision,
                "audit": entry.audit_position,
                "record": None if entry.record is None else document_of(entry.record),
            }
            for entry in stored.history
        ],
        "audit": [
            {**asdict(said), "old": _parsed(said.old), "new": _parsed(said.new)}
            for said in stored.audit
        ],
    }  # fmt: skip


def import_document(store: CourseStore, document: object, *, by: str) -> StoredCourse:
    """Put a course from a file into the store, with its history and trail as they are, and one entry that says so.

    A document without ``history`` and ``audit`` (written by another program) begins its own.

    Raises
    ------
    InputError
        Not such a document, records that cannot be, a trail that does not hold, or a history that gives another course.
    ConflictError
        The store has a course of this pseudonym.
    """
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise InputError(f"schema: expected {SCHEMA!r}, the file of lutetia course export.")
    if set(document) - set(_TOP) or not isinstance(document.get("course"), Mapping):
        raise InputError(f"course: missing, or unknown keys beside it; expected {', '.join(_TOP)}.")
    course = _course(document["course"])
    store._checked(course, by)
    if ("history" in document) != ("audit" in document):
        raise InputError("history, audit: one without the other; expected both or none.")
    if "history" not in document:
        return _begun(store, course, by)
    trail, history = _trail(document["audit"]), _history(document["history"])
    check_history(course, history, trail)
    return _kept(store, course, history, trail, document.get("version"), by)


def _course(document: Mapping[str, Any]) -> Course:
    names = {name: kind for kind, (name, _) in KINDS.items()}
    if set(document) - set(names) - {PATIENT}:
        raise InputError(f"course: unknown keys; expected {PATIENT}, {', '.join(names)}.")
    records = {}
    for name, kind in names.items():
        found = document.get(name, [])
        if not isinstance(found, list):
            raise InputError(f"course.{name}: expected a list.")
        records[name] = tuple(record_of(kind, r, f"{name}[{i}]: ") for i, r in enumerate(found))
    patient = record_of(PATIENT, document.get(PATIENT))
    return Course(patient=patient, **records)  # type: ignore[arg-type]


def _trail(document: object) -> tuple[AuditEntry, ...]:
    try:
        found = tuple(
            AuditEntry(**{**said, "old": _unparsed(said["old"]), "new": _unparsed(said["new"])})
            for said in document  # type: ignore[attr-defined]
        )
    except (TypeError, KeyError, AttributeError):
        raise InputError("audit: an entry lacks a key or has an unknown one.") from None
    check_chain(found)
    return found


def _history(document: object) -> tuple[Revision, ...]:
    if not isinstance(document, list):
        raise InputError("history: expected a list.")
    found = []
    for i, item in enumerate(document):
        where = f"history[{i}]: "
        if not isinstance(item, Mapping) or set(item) != {"kind", "number", "revision", "audit", "record"}:
            raise InputError(f"{where}expected kind, number, revision, audit, record.")
        if not all(type(item[key]) is int and item[key] > 0 for key in ("number", "revision", "audit")):
            raise InputError(f"{where}number, revision and audit are expected to be whole and positive.")
        if item["kind"] not in CLASSES:
            raise InputError(f"{where}unknown kind; expected one of {', '.join(CLASSES)}.")
        record = None if item["record"] is None else record_of(item["kind"], item["record"], where)
        found.append(
            Revision(
                kind=str(item["kind"]),
                number=item["number"],
                revision=item["revision"],
                record=record,
                audit_position=item["audit"],
            )
        )
    return tuple(found)


def check_history(course: Course, history: tuple[Revision, ...], trail: tuple[AuditEntry, ...]) -> None:
    """Refuse revisions that the trail does not say, that do not count up, or that make another course.

    Raises
    ------
    InputError
        With the key of the record.
    """
    seen: dict[str, int] = {}
    for entry in history:
        said = trail[entry.audit_position - 1] if entry.audit_position <= len(trail) else None
        content = None if entry.record is None else canonical(document_of(entry.record))
        if said is None or (said.entry, said.new) != (entry.key, content):
            raise InputError(f"history: revision {entry.revision} of {entry.key} is not what the audit trail says.")
        if entry.revision != seen.get(entry.key, 0) + 1:
            raise InputError(f"history: revisions of {entry.key} do not count up from 1.")
        seen[entry.key] = entry.revision
    newest = {entry.key: entry for entry in history}
    if course_of(list(newest.values())) != course:
        raise InputError("history: its newest revisions are not the course of the file.")


def _begun(store: CourseStore, course: Course, by: str) -> StoredCourse:
    with store.place.writing() as session:
        row = begin(session, course.patient.pseudonym)
        trail = Trail(session, row.id, by=by)
        trail.write("import", PATIENT, 1, 1, None, document_of(course.patient))
        numbers = dict.fromkeys(KINDS, 0)
        for kind, record in course.records():
            numbers[kind] += 1
            trail.write("import", kind, numbers[kind], 1, None, document_of(record))
    return store.load(course.patient.pseudonym)


def _kept(
    store: CourseStore,
    course: Course,
    history: tuple[Revision, ...],
    trail: tuple[AuditEntry, ...],
    version: object,
    by: str,
) -> StoredCourse:
    with store.place.writing() as session:
        row = begin(session, course.patient.pseudonym)
        row.version = version if type(version) is int and version > 0 else 1
        ids = {}
        for said in trail:
            kept = AuditRow(course_id=row.id, **asdict(said))
            session.add(kept)
            session.flush()
            ids[said.position] = kept.id
        for entry in history:
            session.add(
                RevisionRow(
                    course_id=row.id,
                    audit_id=ids[entry.audit_position],
                    kind=entry.kind,
                    number=entry.number,
                    revision=entry.revision,
                    content=None if entry.record is None else canonical(document_of(entry.record)),
                )
            )
            session.flush()
        Trail(session, row.id, by=by).say("import", "")
    return store.load(course.patient.pseudonym)


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _unparsed(document: Any) -> str | None:
    return None if document is None else canonical(document)
