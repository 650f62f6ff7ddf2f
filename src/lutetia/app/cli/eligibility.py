"""The commands ``eligibility`` and ``protocols``: what a protocol asks for, and whether a patient meets it."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.errors import InputError

if TYPE_CHECKING:
    from lutetia.therapy.eligibility import Eligibility

NOTE = "Research use only; the decision is the physician's."
VERDICTS = {
    "eligible": "Eligible: all rules are met.",
    "not_eligible": "Not eligible: not all rules are met.",
    "unknown": "Unknown: something that decides is missing.",
}

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def eligibility(
    facts: Annotated[Path, typer.Argument(help="YAML with the dated values of one patient.")],
    protocol: Annotated[str, typer.Option("--protocol", help="Id (lutetia protocols lists them) or a YAML file.")],
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Day, or day and time, of the decision or planned administration; today."),
    ] = None,
    retreatment: Annotated[
        bool, typer.Option("--retreatment", help="Before a later cycle, in place of before the first.")
    ] = False,
    json: Json = False,
) -> None:
    """Whether a patient meets the rules of a protocol, each rule with the value that decided. Research use only."""
    from lutetia.therapy.eligibility import evaluate
    from lutetia.therapy.facts import read_facts
    from lutetia.therapy.protocols import read_protocol

    with told_errors(as_json=json):
        today = datetime.now().date()
        when = today if as_of is None else parse_as_of(as_of)
        rules = read_protocol(protocol)
        known = read_facts(facts, today=today)
        document = eligibility_document(evaluate(rules, known, when, "retreatment" if retreatment else "baseline"))
        if json:
            print_json(document)
        else:
            print_eligibility(document)


def parse_as_of(text: str) -> date:
    """A day, or a day and time where one is given."""
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"--as-of: {text!r} is not a day; expected for example 2026-03-02.") from error
    if when.tzinfo is not None:
        raise InputError(f"--as-of: {text!r} has a time zone; expected local time without one.")
    return when.date() if len(text.strip()) <= len("2026-03-02") else when


def eligibility_document(result: "Eligibility") -> dict[str, Any]:
    """A verdict as a JSON document; keys as in docs/reference/json.md."""
    return {
        "protocol": result.protocol,
        "version": result.version,
        "kind": result.kind,
        "as_of": result.as_of.isoformat(),
        "verdict": result.verdict,
        "reason": result.reason,
        "rules": [
            {
                "id": rule.id,
                "state": rule.state,
                "found": rule.found,
                "expected": rule.expected,
                "source": rule.source,
                "verified": rule.verified,
                "conflicts": list(rule.conflicts),
                "note": rule.note or None,
                "missing": list(rule.missing),
                "values": [
                    {"item": name, "value": fact.value, "unit": fact.unit or None, "date": fact.date.isoformat()}
                    for name, fact in rule.values
                ],
            }
            for rule in result.rules
        ],
        "warnings": list(result.warnings),
        "note": NOTE,
    }


def print_eligibility(document: dict[str, Any]) -> None:
    """Show the document of ``eligibility``."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    before = "before the first cycle" if document["kind"] == "baseline" else "before a later cycle"
    unjudged = document["reason"].startswith("Unknown:")
    said = document["reason"] if unjudged else VERDICTS[document["verdict"]]
    console.print(f"[bold]{said}[/bold]", highlight=False)
    console.print(f"{document['protocol']} {document['version']}, {before}, {document['as_of']}", highlight=False)
    table = Table(header_style="bold")
    for column in ("rule", "state", "found", "expected"):
        table.add_column(column, overflow="fold", no_wrap=column in ("rule", "state"))
    colours = {"met": "green", "not_met": "red", "unknown": "yellow"}
    for rule in document["rules"]:
        state = f"[{colours[rule['state']]}]{rule['state'].replace('_', ' ')}[/]"
        found = rule["found"] or ""
        missing = f"missing: {', '.join(rule['missing'])}" if rule["missing"] else ""
        table.add_row(rule["id"], state, "; ".join(filter(None, (found, missing))), rule["expected"])
    if document["rules"]:
        console.print(table)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]Sources of the rules: lutetia protocols ID --json. {document['note']}[/dim]")


def protocols(
    protocol: Annotated[str | None, typer.Argument(metavar="[ID]", help="Id, or a YAML file of your own.")] = None,
    json: Json = False,
) -> None:
    """List the treatment protocols, or show one as a sheet. Research use only."""
    from lutetia.app.cli.protocol_sheet import (
        NOTE,
        print_protocol,
        print_protocols,
        protocol_document,
        protocol_line,
    )
    from lutetia.therapy.protocols import read_protocol, shipped_protocols

    with told_errors(as_json=json):
        if protocol is not None:
            document = protocol_document(read_protocol(protocol))
            (print_json if json else print_protocol)(document)
        else:
            document = {"protocols": [protocol_line(known) for known in shipped_protocols()], "note": NOTE}
            (print_json if json else print_protocols)(document)
