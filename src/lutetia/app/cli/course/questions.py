"""Questions to a course: who may be treated, what the laboratory says, what toxicity does, and when what is due."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lutetia.app.cli.console import print_json, told_errors

if TYPE_CHECKING:
    from lutetia.app.cli.course.asked import Asked, Loaded

Pseudonym = Annotated[str, typer.Argument(help="Of the patient.")]
Store = Annotated[
    str, typer.Option("--store", envvar="LUTETIA_STORE", help="File of the store, or a PostgreSQL URL.")
]
ByProtocol = Annotated[
    str | None, typer.Option("--protocol", help="Id or YAML file; the one that the course follows.")
]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Day, or day and time; today.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
HERE = "courses.sqlite"


def with_course(asked: "Loaded", document: dict[str, Any]) -> dict[str, Any]:
    """A document of a command, of whom it is, and what had to be assumed of the course."""
    told = list(dict.fromkeys((*asked.warnings, *document["warnings"])))
    return {"pseudonym": asked.pseudonym, "course_version": asked.stored.version, **document, "warnings": told}


def eligibility(
    pseudonym: Pseudonym,
    protocol: ByProtocol = None,
    as_of: AsOf = None,
    before: Annotated[
        Literal["first", "later"] | None,
        typer.Option("--before", help="The first cycle or a later one; by what was given."),
    ] = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Whether the patient meets the rules of the protocol, each with the value that decided."""
    with told_errors(as_json=json):
        from lutetia.app.cli.course.asked import asked
        from lutetia.app.cli.eligibility import print_eligibility

        document = eligibility_answer(asked(store, pseudonym, protocol=protocol, as_of=as_of), before)
        (print_json if json else print_eligibility)(document)


def eligibility_answer(found: "Asked", before: Literal["first", "later"] | None = None) -> dict[str, Any]:
    """Document of ``course eligibility``."""
    from lutetia.app.cli.eligibility import eligibility_document

    return with_course(found, eligibility_document(found.eligibility(before)))


def labs(
    pseudonym: Pseudonym,
    protocol: ByProtocol = None,
    as_of: AsOf = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Toxicity grades of the laboratory's values, worst values, recovery, and what is overdue."""
    with told_errors(as_json=json):
        from lutetia.app.cli.course.asked import asked
        from lutetia.app.cli.course.shown import print_labs

        document = labs_answer(asked(store, pseudonym, protocol=protocol, as_of=as_of))
        (print_json if json else print_labs)(document)


def labs_answer(found: "Asked") -> dict[str, Any]:
    """Document of ``course labs``."""
    from lutetia.app.cli.grades import results_document
    from lutetia.therapy.facts import day
    from lutetia.therapy.schedule import lab_plan

    given = found.chronicle.until(found.as_of)
    document = results_document(
        [one.result for one in found.chronicle.labs],
        version=found.protocol.ctcae_version,
        baseline_until=day(given[0].date) if given else None,
    )
    plan = lab_plan(found.protocol, found.chronicle, found.findings, found.as_of)
    overdue = [f"{one.visit}, due {one.due}: {', '.join(one.missing)}" for one in plan if one.status == "overdue"]
    return with_course(found, {"protocol": found.protocol.id, **document, "overdue": overdue})


def modification(
    pseudonym: Pseudonym,
    protocol: ByProtocol = None,
    as_of: AsOf = None,
    delay_from: Annotated[
        Literal["last_administration", "due_date"] | None,
        typer.Option("--delay-from", help="From when a delay counts; the protocol's reading by default."),
    ] = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Whether toxicity holds, reduces or stops the course, with the steps that led there."""
    with told_errors(as_json=json):
        from lutetia.app.cli.course.asked import asked
        from lutetia.app.cli.modification import print_modification

        document = modification_answer(asked(store, pseudonym, protocol=protocol, as_of=as_of), delay_from)
        (print_json if json else print_modification)(document)


def modification_answer(
    found: "Asked", delay_from: Literal["last_administration", "due_date"] | None = None
) -> dict[str, Any]:
    """Document of ``course modification``."""
    from lutetia.app.cli.modification import modification_document
    from lutetia.therapy.modification import modification_state

    state = modification_state(
        found.protocol, found.chronicle, found.as_of, counted_from=delay_from, findings=found.findings
    )
    return with_course(found, modification_document(state))


def schedule(
    pseudonym: Pseudonym,
    protocol: ByProtocol = None,
    as_of: AsOf = None,
    start: Annotated[
        str | None, typer.Option("--start", help="Planned start of the agent: an order set, 2026-03-02T10:00.")
    ] = None,
    agent_minutes: Annotated[
        float | None, typer.Option("--agent-minutes", help="How long the agent is infused; the protocol's. [min]")
    ] = None,
    ics: Annotated[Path | None, typer.Option("--ics", help="Write a calendar; never replaces a file.")] = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """When cycles, washout, laboratory tests and the parts of the day are due, and what was given when."""
    with told_errors(as_json=json):
        from lutetia.app.cli.course.asked import asked
        from lutetia.app.cli.schedule import moment_of_start, print_schedule, schedule_document, write_calendar
        from lutetia.therapy.schedule import events_of_day

        found = asked(store, pseudonym, protocol=protocol, as_of=as_of)
        known = events_of_day(found.protocol)
        others = sorted({one.event for one in found.chronicle.given} - known)
        chronicle = replace(
            found.chronicle, given=tuple(one for one in found.chronicle.given if one.event in known)
        )
        document, entries = schedule_document(
            found.protocol, chronicle, found.as_of, moment_of_start(start), agent_minutes
        )
        document = with_course(found, document)
        if others:
            document["warnings"].append(f"{found.protocol.id} has no event of the day called: {', '.join(others)}.")
        if ics is not None:
            write_calendar(ics, entries, key=hashlib.sha256(pseudonym.encode()).hexdigest())
        (print_json if json else print_schedule)(document)
