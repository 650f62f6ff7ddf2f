"""The command ``schedule``: cycles, washout, laboratory and the day of a cycle, as a table or a calendar."""

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.eligibility import parse_as_of
from lutetia.app.cli.modification import shown
from lutetia.errors import InputError, OutputError
from lutetia.units import S_PER_MIN

if TYPE_CHECKING:
    from lutetia.therapy.chronicle import Chronicle
    from lutetia.therapy.protocols.model import Protocol
    from lutetia.therapy.schedule import CycleWindow, DayOrder, Entry, LabDue, WashoutDate

NOTE: Final = "Times are local. Research use only."


def schedule(
    course: Annotated[Path, typer.Argument(help="YAML with administrations, laboratory results and medications.")],
    protocol: Annotated[str, typer.Option("--protocol", help="Id (lutetia protocols lists them) or a YAML file.")],
    as_of: Annotated[str | None, typer.Option("--as-of", help="Day, or day and time; today.")] = None,
    start: Annotated[
        str | None, typer.Option("--start", help="Planned start of the agent: an order set, 2026-03-02T10:00.")
    ] = None,
    agent_minutes: Annotated[
        float | None, typer.Option("--agent-minutes", help="How long the agent is infused; the protocol's. [min]")
    ] = None,
    ics: Annotated[Path | None, typer.Option("--ics", help="Write a calendar; never replaces a file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """When cycles, laboratory tests and the parts of the day are due, and what is overdue. Research use only."""
    from lutetia.therapy.chronicle import read_chronicle
    from lutetia.therapy.protocols import read_protocol

    with told_errors(as_json=json):
        today = datetime.now().date()
        when = today if as_of is None else parse_as_of(as_of)
        rules, known = read_protocol(protocol), read_chronicle(course, today=today)
        document, entries = schedule_document(rules, known, when, moment_of_start(start), agent_minutes)
        if ics is not None:
            write_calendar(ics, entries, key=hashlib.sha256(course.read_bytes()).hexdigest())
        (print_json if json else print_schedule)(document)


def moment_of_start(text: str | None) -> datetime | None:
    """The local day and time of ``--start``; None without one."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"--start {text!r}: expected for example 2026-03-02T10:00.") from None
    if when.tzinfo is not None or len(text.strip()) <= len("2026-03-02"):
        raise InputError(f"--start {text!r}: expected a local day and time, for example 2026-03-02T10:00.")
    return when


def write_calendar(path: Path, entries: "list[Entry]", *, key: str) -> None:
    """Write entries as a calendar file that must not exist."""
    from lutetia import __version__
    from lutetia.therapy.schedule import calendar_text

    text = calendar_text(entries, stamp=datetime.now(UTC), key=key, product=f"lutetia {__version__}")
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(f"{path.name}: not written ({error.__class__.__name__}).") from error


def schedule_document(
    protocol: "Protocol",
    course: "Chronicle",
    as_of: date,
    start: datetime | None = None,
    agent_minutes: float | None = None,
) -> "tuple[dict[str, Any], list[Entry]]":
    """Schedule as a JSON document (keys as in docs/reference/json.md), and as entries of a calendar."""
    from lutetia.therapy.chronicle import findings_of
    from lutetia.therapy.modification import modification_state
    from lutetia.therapy.schedule import cycle_windows, day_orders, earliest_date, lab_plan, washout_dates

    state = modification_state(protocol, course, as_of)
    going = protocol.interval is not None and state.state != "STOPPED"
    windows = cycle_windows(protocol, course, as_of) if going else ()
    washouts = washout_dates(protocol, course, as_of)
    labs = lab_plan(protocol, course, findings_of(course, protocol.ctcae_version), as_of)
    lasts_s = None if agent_minutes is None else agent_minutes * S_PER_MIN
    orders = () if start is None else day_orders(protocol, start, lasts_s)
    document = {
        "protocol": protocol.id,
        "version": protocol.version,
        "as_of": as_of.isoformat(),
        "state": state.state,
        "reason": state.reason,
        "earliest": None if state.state in ("HELD", "STOPPED") else shown(earliest_date(windows, washouts)),
        "cycles": [_plain(window) for window in windows],
        "washout": [_plain(washout) for washout in washouts],
        "labs": [_plain(lab) for lab in labs],
        "overdue": [
            f"{lab.visit}, due {lab.due}: {', '.join(lab.missing)}" for lab in labs if lab.status == "overdue"
        ],
        "order_set": [_plain(order) for order in orders],
        "days": _days(protocol, course),
        "warnings": list(dict.fromkeys((*state.warnings, *_warnings(protocol, windows, washouts, labs, orders)))),
        "note": NOTE,
    }
    return document, _entries(protocol, () if state.state == "HELD" else windows, labs, orders)


def _warnings(
    protocol: "Protocol",
    windows: "tuple[CycleWindow, ...]",
    washouts: "tuple[WashoutDate, ...]",
    labs: "tuple[LabDue, ...]",
    orders: "tuple[DayOrder, ...]",
) -> list[str]:
    """What is not stated, not noted, or not compared with its source."""
    unnoted = [one.item for one in washouts if not one.noted]
    unverified = dict.fromkeys(
        name
        for name, verified in (
            *(("interval", window.verified) for window in windows),
            *((washout.id, washout.verified) for washout in washouts),
            *((f"laboratory {lab.visit}", lab.verified) for lab in labs),
            *((order.event, order.verified) for order in orders),
        )
        if not verified
    )
    return [
        *([f"{protocol.id} states no interval between cycles."] if protocol.interval is None else []),
        *([f"Nothing noted of: {', '.join(unnoted)}; washout is not known."] if unnoted else []),
        *([f"Not compared with their source: {', '.join(unverified)}."] if unverified else []),
    ]


def _plain(result: Any) -> dict[str, Any]:
    """Fields of a result as JSON has them."""
    from dataclasses import asdict

    return {
        key: value.isoformat() if isinstance(value, date) else list(value) if isinstance(value, tuple) else value
        for key, value in asdict(result).items()
    }


def _days(protocol: "Protocol", course: "Chronicle") -> list[dict[str, Any]]:
    from lutetia.therapy.schedule import check_day

    cycles = sorted({one.cycle for one in course.given})
    return [
        {
            "cycle": cycle,
            "checks": [
                _plain(check) for check in check_day(protocol, [one for one in course.given if one.cycle == cycle])
            ],
        }
        for cycle in cycles
    ]


def _entries(
    protocol: "Protocol",
    windows: "tuple[CycleWindow, ...]",
    labs: "tuple[LabDue, ...]",
    orders: "tuple[DayOrder, ...]",
) -> "list[Entry]":
    """What goes into a calendar: windows and due days, laboratory visits to come, the order set."""
    from lutetia.therapy.schedule import Entry

    entries = []
    for window in windows:
        ends = f"window {window.earliest or 'not stated'} to {window.latest or 'not stated'}"
        said = "planned from a due day" if window.planned else f"counted from {window.after}"
        text = f"{protocol.id}: {ends}, {said}. Research use only."
        entries.append(Entry(summary=f"Cycle {window.cycle} due", description=text, start=window.due))
    for lab in labs:
        if lab.status != "measured" and lab.status != "missed":
            text = f"{', '.join(lab.missing)}; until {lab.closes}. Research use only."
            entries.append(Entry(summary=f"Laboratory {lab.visit}", description=text, start=lab.due))
    for order in orders:
        text = f"{order.what}; local time. Research use only."
        entries.append(Entry(summary=order.event, description=text, start=order.start, end=order.end_earliest))
    return entries


def print_schedule(document: dict[str, Any]) -> None:
    """Show the document of ``schedule``."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    nothing = "none can be told" if document["earliest"] is None else f"not before {document['earliest']}"
    console.print(f"[bold]Next administration: {nothing}[/bold]", highlight=False)
    console.print(
        f"{document['protocol']} {document['version']}, {document['as_of']}; {document['state']} "
        f"({document['reason']})",
        highlight=False,
    )
    for title, columns, rows in _tables(document):
        if rows:
            table = Table(title=title, title_justify="left", header_style="bold")
            for column in columns:
                table.add_column(column, overflow="fold", no_wrap=column in UNBROKEN)
            for row in rows:
                table.add_row(*("-" if cell is None else _cell(cell) for cell in row))
            console.print(table)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]")


def _cell(value: Any) -> str:
    """A value as people read it; moments to the minute."""
    text = str(value)
    return text[:16].replace("T", " ") if len(text) == len("2026-03-02T10:00:00") and text[10] == "T" else text


def _tables(document: dict[str, Any]) -> list[tuple[str, tuple[str, ...], list[list[Any]]]]:
    cycles, labs = document["cycles"], document["labs"]
    extended = ("cycle", "due", "earliest", "latest", "extended_from_last", "extended_from_due")
    heads = tuple(key.replace("_", " ") for key in extended)
    order = [
        [
            one["start"], one["event"], one["what"], _span(one["earliest"], one["latest"]),
            _span(one["end_earliest"], one["end_latest"]),
        ]
        for one in document["order_set"]
    ]  # fmt: skip
    checks = [
        [day["cycle"], f"{c['event']}\n{c['of']}", c["status"], c["found"], c["expected"]]
        for day in document["days"]
        for c in day["checks"]
    ]
    return [
        ("Cycles", heads, [[window[key] for key in extended] for window in cycles]),
        (
            "Washout",
            ("item", "least", "last", "earliest"),
            [[one[key] for key in ("item", "least", "last", "earliest")] for one in document["washout"]],
        ),
        (
            "Laboratory",
            ("visit", "due", "status", "missing"),
            [[lab["visit"], lab["due"], lab["status"], ", ".join(lab["missing"])] for lab in labs],
        ),
        ("Day of the cycle", ("start", "event", "what", "starts within", "ends"), order),
        ("What was given", ("cycle", "event", "status", "found", "expected"), checks),
    ]


def _span(earliest: Any, latest: Any) -> str | None:
    """From when to when; one moment where both are it."""
    ends = list(dict.fromkeys(_cell(end) for end in (earliest, latest) if end is not None))
    if len(ends) == 1 and earliest != latest:
        return f"{'from' if latest is None else 'until'} {ends[0]}"
    return " to ".join(ends) or None


UNBROKEN: Final = ("event", "item", "visit")
"""Columns of names that are typed again somewhere: never broken."""
