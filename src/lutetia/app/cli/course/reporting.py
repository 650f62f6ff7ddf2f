"""The command ``course report``: everything that is known of a course in one PDF or HTML file."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.course.questions import (
    HERE,
    ByProtocol,
    Json,
    Pseudonym,
    Store,
    eligibility_answer,
    labs_answer,
    modification_answer,
)

if TYPE_CHECKING:
    from lutetia.app.cli.course.asked import Asked, Loaded
    from lutetia.app.report.course import CourseContent

NO_PROTOCOL = "The course follows no protocol: no grades, no rules, no dates; add an enrolment or give --protocol."


def report(
    pseudonym: Pseudonym,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .pdf or .html.")],
    protocol: ByProtocol = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Day, or day and time; today.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Write the whole course as one report: PDF, or HTML. Research use only."""
    with told_errors(as_json=json):
        from lutetia.app.store.exchange import NOTICE

        _check_out(out, force=force)
        content = gathered(store, pseudonym, protocol=protocol, as_of=as_of, now=datetime.now())
        write_report(out, content, force=force)
        if json:
            print_json({
                "notice": NOTICE, "pseudonym": pseudonym, "version": content.version, "as_of": content.as_of.isoformat(),
                "file": out.name, "warnings": list(content.warnings),
            })  # fmt: skip
        else:
            typer.echo(f"Written to {out.name}. Research use only.")


def _check_out(out: Path, *, force: bool) -> None:
    from lutetia.errors import InputError, OutputError

    if out.suffix.lower() not in (".pdf", ".html"):
        raise InputError(f"--out {out.name}: expected a name that ends in .pdf or .html.")
    if out.exists() and not force:
        raise OutputError(f"{out.name} exists; give another name or --force.")


def write_report(out: Path, content: "CourseContent", *, force: bool) -> None:
    """Write the file whole or not at all.

    Raises
    ------
    InputError
        A name that is neither .pdf nor .html.
    OutputError
        The file exists, or cannot be written.
    """
    from lutetia.app.report.course import html_bytes, pdf_bytes
    from lutetia.errors import OutputError

    _check_out(out, force=force)
    made = html_bytes(content) if out.suffix.lower() == ".html" else pdf_bytes(content)
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.write_bytes(made)
        partial.replace(out)
    except OSError as error:
        raise OutputError(f"{out.name} cannot be written ({error.strerror}).") from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def gathered(
    place: str, pseudonym: str, *, protocol: str | None, as_of: str | None, now: datetime
) -> "CourseContent":
    """All that the report is made of; a course that follows no protocol has no answers of rules."""
    from lutetia.app.cli.course.asked import asked_of, loaded

    found = loaded(place, pseudonym, as_of=now.date().isoformat() if as_of is None else as_of)
    if protocol is None and not found.course.enrolments:
        return _without_protocol(found, now)
    return content_of(asked_of(found, protocol), now=now)


def _without_protocol(found: "Loaded", now: datetime) -> "CourseContent":
    from lutetia.app.report.course import CourseContent
    from lutetia.therapy.chronicle import view_of
    from lutetia.therapy.course.doubts import doubts_of

    view = view_of(found.course, found.as_of)
    return CourseContent(
        course=found.course,
        as_of=found.as_of,
        made_at=now,
        version=found.stored.version,
        audit_hash=found.stored.audit[-1].hash,
        chronicle=view.chronicle,
        warnings=tuple(dict.fromkeys((NO_PROTOCOL, *doubts_of(found.course), *view.warnings))),
    )


def content_of(found: "Asked", *, now: datetime) -> "CourseContent":
    """Content of a report from a course under its protocol, with the plan by the protocol's own strategy."""
    from lutetia.app.cli.plan_course import Wanted, plan_answer
    from lutetia.app.cli.schedule import schedule_document
    from lutetia.app.report.course import CourseContent
    from lutetia.therapy.course.doubts import doubts_of

    schedule, _ = schedule_document(found.protocol, found.chronicle, found.as_of)
    return CourseContent(
        course=found.course,
        as_of=found.as_of,
        made_at=now,
        version=found.stored.version,
        audit_hash=found.stored.audit[-1].hash,
        chronicle=found.chronicle,
        protocol=found.protocol,
        eligibility=eligibility_answer(found),
        labs=labs_answer(found),
        modification=modification_answer(found),
        schedule=schedule,
        plan=plan_answer(found, Wanted()).document,
        warnings=tuple(dict.fromkeys((*doubts_of(found.course), *found.warnings))),
    )
