"""The command ``modification``: what toxicity does to a course, with the trail that led there."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.eligibility import parse_as_of
from lutetia.units import MBQ_PER_BQ

if TYPE_CHECKING:
    from lutetia.therapy.modification import CourseState

NOTE: Final = "By toxicity alone; see eligibility --retreatment for the rest. Research use only."


def modification(
    course: Annotated[Path, typer.Argument(help="YAML with administrations, laboratory results and events.")],
    protocol: Annotated[str, typer.Option("--protocol", help="Id (lutetia protocols lists them) or a YAML file.")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Day, or day and time, of the decision; today.")
    ] = None,
    delay_from: Annotated[
        Literal["last_administration", "due_date"] | None,
        typer.Option("--delay-from", help="From when a delay counts; the protocol's reading by default."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Whether a course goes on at full activity, is held, reduced or stopped, and why. Research use only."""
    from lutetia.therapy.chronicle import read_chronicle
    from lutetia.therapy.modification import modification_state
    from lutetia.therapy.protocols import read_protocol

    with told_errors(as_json=json):
        today = datetime.now().date()
        when = today if as_of is None else parse_as_of(as_of)
        rules = read_protocol(protocol)
        known = read_chronicle(course, today=today)
        document = modification_document(modification_state(rules, known, when, counted_from=delay_from))
        (print_json if json else print_modification)(document)


def modification_document(state: "CourseState") -> dict[str, Any]:
    """State of a course as a JSON document; keys as in docs/reference/json.md."""
    return {
        "protocol": state.protocol,
        "version": state.version,
        "as_of": state.as_of.isoformat(),
        "delay_counted_from": state.counted_from,
        "state": state.state,
        "activity_MBq": None if state.activity_bq is None else state.activity_bq * MBQ_PER_BQ,
        "reason": state.reason,
        "cycles_given": state.cycles_given,
        "held_by": list(state.held_by),
        "stops_on": shown(state.stops_on),
        "undecided": [
            {"rule": one.rule, "date": one.date.isoformat(), "missing": list(one.missing)}
            for one in state.undecided
        ],
        "not_noted": list(state.not_noted),
        "steps": [
            {
                "date": step.date.isoformat(),
                "rule": step.rule,
                "before": step.before,
                "after": step.after,
                "what": step.what,
                "found": step.found,
                "expected": step.expected,
                "source": step.source,
                "verified": step.verified,
                "note": step.note or None,
            }
            for step in state.steps
        ],
        "warnings": list(state.warnings),
        "note": NOTE,
    }


def shown(when: date | None) -> str | None:
    """A day or moment in ISO form, None where there is none."""
    return None if when is None else when.isoformat()


def print_modification(document: dict[str, Any]) -> None:
    """Show the document of ``modification``."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    activity = document["activity_MBq"]
    following = "no next activity" if activity is None else f"next {activity:g} MBq"
    console.print(f"[bold]{document['state']}: {following}[/bold] ({document['reason']})", highlight=False)
    console.print(f"{document['protocol']} {document['version']}, {document['as_of']}", highlight=False)
    if document["stops_on"]:
        reading = document["delay_counted_from"].replace("_", " ")
        console.print(
            f"Stops for good on {document['stops_on']} if still held (from the {reading}).", highlight=False
        )
    table = Table(header_style="bold")
    for column in ("date", "state", "what", "found"):
        table.add_column(column, overflow="fold", no_wrap=column in ("date", "state"))
    for step in document["steps"]:
        moved = step["after"] if step["before"] == step["after"] else f"{step['before']} → {step['after']}"
        table.add_row(step["date"][:16].replace("T", " "), moved, step["what"], step["found"] or "")
    console.print(table)
    for one in document["undecided"]:
        console.print(f"[yellow]unknown:[/yellow] {one['rule']}: {', '.join(one['missing'])}", highlight=False)
    if document["not_noted"]:
        console.print(f"Nothing noted of: {', '.join(document['not_noted'])}", highlight=False)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]Sources of the steps: --json. {document['note']}[/dim]")
