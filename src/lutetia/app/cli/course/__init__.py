"""The ``course`` commands: one patient's course, kept in a store that only grows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.course import planning, protection, questions, reporting

if TYPE_CHECKING:
    from lutetia.app.store.courses import CourseStore

course = typer.Typer(
    name="course",
    help="The course of one patient: findings, labs, cycles, doses, events and decisions. Research use only.",
    no_args_is_help=True,
)

Pseudonym = Annotated[str, typer.Argument(help="Of the patient.")]
Store = Annotated[
    str, typer.Option("--store", envvar="LUTETIA_STORE", help="File of the store, or a PostgreSQL URL.")
]
By = Annotated[str, typer.Option("--by", envvar="LUTETIA_BY", help="Who says so; stands in the audit trail.")]
Reason = Annotated[str, typer.Option("--reason", help="Why.")]
IfVersion = Annotated[
    int | None, typer.Option("--if-version", help="Refuse when the course has changed since this version.")
]
AsOf = Annotated[str | None, typer.Option("--as-of", help="As it was on a day, or at a time: 2026-03-02.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
HERE = "courses.sqlite"


@contextmanager
def _store(place: str, *, create: bool = False) -> "Iterator[CourseStore]":
    from lutetia.app.store.courses import CourseStore
    from lutetia.app.store.place import Place

    opened = Place(place, create=create)
    try:
        yield CourseStore(opened)
    finally:
        opened.close()


def _version(store: "CourseStore", pseudonym: str, given: int | None) -> int:
    return store.load(pseudonym).version if given is None else given


def _changed(pseudonym: str, version: int, keys: list[str], warnings: list[str]) -> dict[str, Any]:
    from lutetia.app.store.exchange import NOTICE

    return {"notice": NOTICE, "pseudonym": pseudonym, "version": version, "keys": keys, "warnings": warnings}


def _say(text: str, document: dict[str, Any], *, json: bool) -> None:
    from lutetia.app.cli.course.shown import finish

    if json:
        print_json(document)
        return
    typer.echo(text)
    finish(document["warnings"])


@course.callback()
def _root() -> None:
    """The course of one patient: findings, labs, cycles, doses, events and decisions. Research use only."""


for _question in (
    questions.eligibility,
    questions.labs,
    questions.modification,
    questions.schedule,
    planning.plan,
    protection.discharge,
    reporting.report,
):
    course.command()(_question)


@course.command()
def new(
    pseudonym: Pseudonym,
    sex: Annotated[Literal["female", "male", "other", "unknown"], typer.Option("--sex", help="Of the patient.")],
    by: By,
    born: Annotated[str | None, typer.Option("--born", help="Day or year of birth: 1961-05-02 or 1961.")] = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Begin a course; makes the store when it is not there."""
    from lutetia.app.store.documents import record_of
    from lutetia.therapy.course import Patient

    with told_errors(as_json=json):
        given: dict[str, Any] = {"pseudonym": pseudonym, "sex": sex}
        if born is not None:
            given |= {"birth_year": int(born)} if born.isdecimal() else {"birth_date": born}
        patient = record_of("patient", given)
        assert isinstance(patient, Patient)
        with _store(store, create=True) as courses:
            stored = courses.new(patient, by=by)
        _say("Course begun.", _changed(pseudonym, stored.version, ["patient"], []), json=json)


@course.command(name="list")
def list_courses(store: Store = HERE, json: Json = False) -> None:
    """List the courses of a store."""
    from lutetia.app.store.exchange import NOTICE

    with told_errors(as_json=json), _store(store) as courses:
        found = courses.pseudonyms()
        if json:
            print_json({"notice": NOTICE, "courses": list(found)})
        else:
            typer.echo("\n".join((*found, "Research use only.")))


@course.command()
def add(
    pseudonym: Pseudonym,
    what: Annotated[
        str,
        typer.Argument(
            help="lab, observation, medication, administration, imaging, dose, event, decision, diagnosis, sstr or risk; "
            "or a file: labs.csv, records.yaml, dose.json."
        ),
    ],
    by: By,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="FIELD=VALUE", help="Fields; lutetia course fields lists them.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", help="Of a CSV: FIELD=HEADER, for each that differs.")
    ] = None,
    other_subject: Annotated[
        bool, typer.Option("--other-subject", help="Take doses whose dose.json names another subject.")
    ] = False,
    if_version: IfVersion = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Add a record, or all records of a file, or none of them."""
    with told_errors(as_json=json):
        from datetime import datetime

        from lutetia.app.cli.course.files import check_in_course, check_subjects, records_of
        from lutetia.app.cli.course.given import assignments
        from lutetia.therapy.course.doubts import doubts_of_change

        with _store(store) as courses:
            before = courses.load(pseudonym)
            version = before.version if if_version is None else if_version
            given = records_of(what, assignments(words or ()), assignments(column or ()), pseudonym)
            if not other_subject:
                check_subjects(pseudonym, given)
            if version == before.version:
                check_in_course(before.course, given, datetime.now())
            keys = courses.add(pseudonym, given.records, by=by, version=version)
            stored = courses.load(pseudonym)
        doubts = doubts_of_change(before.course, stored.course, given.records)
        document = _changed(pseudonym, stored.version, list(keys), [*given.remarks, *doubts])
        shown = keys[0] if len(keys) == 1 else f"{keys[0]} to {keys[-1]} ({len(keys)} records)"
        _say(f"Added {shown}.", document, json=json)


@course.command()
def correct(
    pseudonym: Pseudonym,
    key: Annotated[str, typer.Argument(help="Of the record, for example lab-12; patient for the patient.")],
    words: Annotated[list[str], typer.Argument(metavar="FIELD=VALUE", help="Fields that change.")],
    by: By,
    reason: Reason,
    if_version: IfVersion = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Correct a record; the old revision is kept."""
    with told_errors(as_json=json):
        from lutetia.app.cli.course.given import assignments, values_of
        from lutetia.therapy.course.doubts import doubts_of_change

        with _store(store) as courses:
            version = _version(courses, pseudonym, if_version)
            before = courses.load(pseudonym)
            kind = before.entry(key).kind
            changes = values_of(kind, assignments(words))
            new_one = courses.correct(pseudonym, key, changes, by=by, reason=reason, version=version)
            stored = courses.load(pseudonym)
        document = _changed(pseudonym, stored.version, [key], list(doubts_of_change(before.course, stored.course)))
        _say(f"Corrected {key}; it is revision {new_one.revision}, the old one is kept.", document, json=json)


@course.command()
def withdraw(
    pseudonym: Pseudonym,
    key: Annotated[str, typer.Argument(help="Of the record, for example lab-12.")],
    by: By,
    reason: Reason,
    if_version: IfVersion = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Take a record out of the course; its revisions are kept."""
    with told_errors(as_json=json), _store(store) as courses:
        version = _version(courses, pseudonym, if_version)
        courses.withdraw(pseudonym, key, by=by, reason=reason, version=version)
        document = _changed(pseudonym, version + 1, [key], [])
        _say(f"Withdrew {key}; what it said is kept.", document, json=json)


def _read(
    pseudonym: str, store: str, as_of: str | None, make: Any, show: Any, *, json: bool
) -> None:  # fmt: skip
    from lutetia.app.cli.course.given import moment_of_text

    with told_errors(as_json=json):
        when = None if as_of is None else moment_of_text(as_of, "--as-of")
        with _store(store) as courses:
            document = make(courses.load(pseudonym), when)
        if json:
            print_json(document)
        else:
            show(document)


@course.command()
def show(pseudonym: Pseudonym, as_of: AsOf = None, store: Store = HERE, json: Json = False) -> None:
    """Show where a course stands: cycles, last values, doses, drugs, events, decisions."""
    from lutetia.app.cli.course.shown import print_show, show_document

    _read(pseudonym, store, as_of, show_document, print_show, json=json)


@course.command()
def timeline(pseudonym: Pseudonym, as_of: AsOf = None, store: Store = HERE, json: Json = False) -> None:
    """Show all records in the order of time, with their keys."""
    from lutetia.app.cli.course.shown import print_timeline, timeline_document

    _read(pseudonym, store, as_of, timeline_document, print_timeline, json=json)


@course.command()
def audit(pseudonym: Pseudonym, store: Store = HERE, json: Json = False) -> None:
    """Show who changed what and when, and check that the trail is whole."""
    from lutetia.app.cli.course.shown import audit_document, print_audit

    _read(pseudonym, store, None, lambda stored, _: audit_document(stored), print_audit, json=json)


Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write; standard output without it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


def _written(document: dict[str, Any], out: Path | None, *, force: bool) -> None:
    import json as json_module

    from lutetia.errors import OutputError

    if out is None:
        print_json(document)
        return
    if out.exists() and not force:
        raise OutputError(f"{out.name} exists; give another name or --force.")
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.write_text(
            json_module.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n", "utf-8"
        )
        partial.replace(out)
    except OSError as error:
        raise OutputError(f"{out.name} cannot be written ({error.strerror}).") from None
    typer.echo(f"Written to {out.name}. Research use only.", err=True)


@course.command()
def export(
    pseudonym: Pseudonym, out: Out = None, force: Force = False, store: Store = HERE, json: Json = False
) -> None:
    """Write a whole course, with its history and audit trail, as one JSON file."""
    from lutetia.app.store.exchange import export_document

    with told_errors(as_json=json), _store(store) as courses:
        _written(export_document(courses.load(pseudonym)), out, force=force)


@course.command(name="import")
def import_course(
    file: Annotated[Path, typer.Argument(help="Of lutetia course export.")],
    by: By,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Put the course of a file into a store; makes the store when it is not there."""
    import json as json_module

    from lutetia.app.store.exchange import import_document
    from lutetia.errors import InputError, MissingDataError

    with told_errors(as_json=json):
        try:
            document = json_module.loads(file.read_text("utf-8"))
        except OSError as error:
            raise MissingDataError(f"{file.name}: cannot be read ({error.strerror}).") from None
        except ValueError:
            raise InputError(f"{file.name}: not JSON; expected the file of lutetia course export.") from None
        with _store(store, create=True) as courses:
            stored = import_document(courses, document, by=by)
        keys = [entry.key for entry in stored.entries]
        found = _changed(stored.course.patient.pseudonym, stored.version, keys, [])
        _say(f"Imported {len(keys)} records.", found, json=json)


@course.command()
def fhir(
    pseudonym: Pseudonym,
    timezone: Annotated[str, typer.Option("--timezone", help="Of the ward's clocks, for example Europe/Berlin.")],
    out: Out = None,
    force: Force = False,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Write a course as a bundle of FHIR R4 resources."""
    from lutetia.app.store.fhir import fhir_bundle

    with told_errors(as_json=json), _store(store) as courses:
        _written(fhir_bundle(courses.load(pseudonym), timezone=timezone), out, force=force)


@course.command()
def fields(
    kind: Annotated[str | None, typer.Argument(help="Of a record; all without it.")] = None,
    json: Json = False,
) -> None:
    """List the fields of the kinds of records; with --json the JSON schema of a course's file."""
    from lutetia.app.store.documents import CLASSES, annotations_of, required_of
    from lutetia.app.store.schema import course_schema
    from lutetia.errors import InputError

    with told_errors(as_json=json):
        if kind is not None and kind not in CLASSES:
            raise InputError(f"No such kind of record; expected one of {', '.join(CLASSES)}.")
        if json:
            print_json(course_schema())
            return
        for name in CLASSES if kind is None else (kind,):
            needed = required_of(CLASSES[name])
            others = [key for key in annotations_of(CLASSES[name]) if key not in needed]
            typer.echo(f"{name}: {' '.join(needed)} [{' '.join(others)}]")
