"""A protocol as a JSON document in people's units, and as a sheet to read."""

from typing import TYPE_CHECKING, Any

from lutetia.units import MBQ_PER_BQ, S_PER_MIN

if TYPE_CHECKING:
    from lutetia.therapy.protocols.model import ActivityRule, DayEvent, Interval, Modification, Origin, Protocol
    from lutetia.therapy.rules.conditions import Span

NOTE = "Research use only."


def _origin(origin: "Origin") -> dict[str, Any]:
    return {
        "source": origin.source,
        "verified": origin.verified,
        "conflicts": list(origin.conflicts),
        "note": origin.note or None,
    }


def _mbq(activity_bq: float | None) -> float | None:
    # 10.2 MBq in the file is 10.2 MBq on the screen
    return None if activity_bq is None else round(activity_bq * MBQ_PER_BQ, 9)


def _min(time_s: float | None) -> float | None:
    return None if time_s is None else time_s / S_PER_MIN


def _span(span: "Span | None") -> dict[str, Any] | None:
    return None if span is None else {"value": span.value, "unit": span.unit}


def protocol_document(protocol: "Protocol") -> dict[str, Any]:
    """All of a protocol as a JSON document; keys as in docs/reference/json.md."""
    from lutetia.therapy.rules.conditions import expected

    return {
        **protocol_line(protocol),
        "indication": protocol.indication,
        "ctcae": {"version": protocol.ctcae_version, **_origin(protocol.ctcae_origin)},
        "activity": _activity(protocol.activity),
        "tailored_cycles": [
            {
                "cycle": cycle.cycle,
                "lowest_MBq": _mbq(cycle.lowest_bq),
                "highest_MBq": _mbq(cycle.highest_bq),
                "limited_by": list(cycle.limited_by),
                "below_lowest": cycle.below_lowest,
                **_origin(cycle.origin),
            }
            for cycle in protocol.tailored_cycles
        ],
        "cycles": {
            "planned": protocol.cycles.planned,
            "at_most": protocol.cycles.at_most,
            **_origin(protocol.cycles.origin),
        },
        "cumulative": protocol.cumulative
        and {"at_most_MBq": _mbq(protocol.cumulative.at_most_bq), **_origin(protocol.cumulative.origin)},
        "interval": protocol.interval and _interval(protocol.interval),
        **{
            key: [
                {"id": r.id, "expected": expected(r.require), "window_days": r.window_days, **_origin(r.origin)}
                for r in rules
            ]
            for key, rules in (("eligibility", protocol.eligibility), ("retreatment", protocol.retreatment))
        },
        **_practice(protocol),
        "warnings": list(protocol.warnings),
        "note": NOTE,
    }


def protocol_line(protocol: "Protocol") -> dict[str, Any]:
    """What a protocol is, in one line of a list."""
    return {
        "id": protocol.id,
        "version": protocol.version,
        "title": protocol.title,
        "agent": protocol.agent,
        "nuclide": protocol.nuclide,
        "with": protocol.accompanied_by or None,
        "route": protocol.route,
    }


def _activity(activity: "ActivityRule") -> dict[str, Any]:
    return {
        "basis": activity.basis,
        "activity_MBq": _mbq(activity.activity_bq),
        "activity_MBq_per_kg": _mbq(activity.activity_bq_per_kg),
        "lowest_MBq": _mbq(activity.lowest_bq),
        "highest_MBq": _mbq(activity.highest_bq),
        "levels_MBq": [_mbq(level) for level in activity.levels_bq],
        "levels_MBq_per_kg": [_mbq(level) for level in activity.levels_bq_per_kg],
        "tolerance_percent": None if activity.tolerance is None else round(100 * activity.tolerance, 9),
        **_origin(activity.origin),
    }


def _interval(interval: "Interval") -> dict[str, Any]:
    return {
        "planned_days": interval.planned_days,
        "earliest_days": interval.earliest_days,
        "latest_days": interval.latest_days,
        "extended_days": interval.extended_days,
        **_origin(interval.origin),
    }


def _practice(protocol: "Protocol") -> dict[str, Any]:
    """Washout, the day of a cycle, what is measured when, and what toxicities do."""
    return {
        "washout": [
            {"id": w.id, "item": w.item, "at_least": _span(w.least), "before": w.before, **_origin(w.origin)}
            for w in protocol.washout
        ],
        "cycle_day": [_event(event) for event in protocol.cycle_day],
        "labs": [
            {
                "items": list(lab.items),
                "relative_to": lab.relative_to,
                "from": _span(lab.first),
                "until": _span(lab.last),
                "every": _span(lab.every),
                **_origin(lab.origin),
            }
            for lab in protocol.labs
        ],
        "delay": protocol.delay
        and {
            "stop_at_days": protocol.delay.stop_at_days,
            "counted_from": protocol.delay.counted_from,
            **_origin(protocol.delay.origin),
        },
        "modifications": [_modification(modification) for modification in protocol.modifications],
        "imaging": [
            {
                "modality": visit.modality,
                "purpose": visit.purpose or None,
                "relative_to": visit.relative_to,
                "at": [_span(span) for span in visit.at],
                "then_every": _span(visit.then_every),
                **_origin(visit.origin),
            }
            for visit in protocol.imaging
        ],
    }


def _event(event: "DayEvent") -> dict[str, Any]:
    return {
        "event": event.event,
        "what": event.what or None,
        "relative_to": event.relative_to,
        "at_min": _min(event.at_s),
        "tolerance_min": _min(event.tolerance_s),
        "earliest_min": _min(event.earliest_s),
        "latest_min": _min(event.latest_s),
        "lasts_at_least_min": _min(event.lasts_at_least_s),
        "lasts_at_most_min": _min(event.lasts_at_most_s),
        **_origin(event.origin),
    }


def _modification(modification: "Modification") -> dict[str, Any]:
    from lutetia.therapy.rules.conditions import expected

    until = modification.withhold_until
    return {
        "id": modification.id,
        "what": modification.what,
        "trigger": expected(modification.trigger),
        "action": modification.action,
        "withhold_until": None if until is None else expected(until),
        "resume_MBq": _mbq(modification.resume_bq),
        "then_MBq": _mbq(modification.then_bq),
        "recurrence": modification.recurrence,
        "delay_stops": modification.delay_stops,
        **_origin(modification.origin),
    }


def activity_text(activity: dict[str, Any]) -> str:
    """Activity of one cycle in words."""
    per_kg = activity["levels_MBq_per_kg"]
    levels = f"{_listed(per_kg)} MBq/kg" if per_kg else f"{_listed(activity['levels_MBq'])} MBq"
    text = {
        "fixed": f"{_number(activity['activity_MBq'])} MBq",
        "per_kg": f"{_number(activity['activity_MBq_per_kg'])} MBq/kg",
        "range": f"{_number(activity['lowest_MBq'])} to {_number(activity['highest_MBq'])} MBq",
        "levels": f"levels {levels}",
        "individual": "individual, no number stated",
    }[activity["basis"]]
    tolerance = activity["tolerance_percent"]
    return text if tolerance is None else f"{text} ± {tolerance:g} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _listed(values: list[float]) -> str:
    return ", ".join(map(_number, values))


def cycles_text(cycles: dict[str, Any]) -> str:
    """Number of cycles in words."""
    planned, most = cycles["planned"], cycles["at_most"]
    if planned is None:
        return "no number stated" if most is None else f"at most {most}"
    return f"{planned}" if most in (None, planned) else f"{planned}, at most {most}"


def interval_text(interval: dict[str, Any] | None) -> str:
    """Interval between cycles in words."""
    if interval is None:
        return "not stated"
    text = f"{interval['planned_days'] / 7:g} weeks"
    if interval["earliest_days"] is not None:
        text += f" ({interval['earliest_days'] / 7:g} to {interval['latest_days'] / 7:g})"
    return text if interval["extended_days"] is None else f"{text}, up to {interval['extended_days'] / 7:g}"


def event_text(event: dict[str, Any]) -> str:
    """Time and duration of an event of the day in words."""
    where = event["relative_to"].replace("_", " ").replace("-", " ")
    low, high = event["earliest_min"], event["latest_min"]
    if event["at_min"] is not None:
        text = f"{event['at_min']:+g} min of {where}"
    else:
        ends = [f"{end:+g}" for end in (low, high) if end is not None]
        text = f"{' to '.join(ends)} min of {where}" if low is not None else f"until {high:+g} min of {where}"
    least, most = event["lasts_at_least_min"], event["lasts_at_most_min"]
    if least is None:
        return text
    lasts = (
        f"{least:g}" if least == most else f"{least:g} to {most:g}" if most is not None else f"{least:g} or more"
    )
    return f"{text}, for {lasts} min"


def print_protocols(document: dict[str, Any]) -> None:
    """Show the list of protocols."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Protocols", header_style="bold")
    for column in ("id", "version", "agent", "title"):
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for line in document["protocols"]:
        table.add_row(line["id"], line["version"], line["agent"], line["title"])
    console = Console()
    console.print(table)
    console.print(f"[dim]lutetia protocols ID shows one. {document['note']}[/dim]")


def print_protocol(document: dict[str, Any]) -> None:
    """Show one protocol as a sheet; what was not compared with its source has an asterisk."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"[bold]{document['title']}[/bold] ({document['id']}, version {document['version']})", highlight=False
    )
    console.print(document["indication"], highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in sheet_rows(document):
        table.add_row(name, text)
    console.print(table)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]* not compared with its source. {document['note']}[/dim]")


def sheet_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the sheet: heading, empty where it goes on, and text."""
    agent = f"{document['agent']}, {document['route']}"
    rows = [
        ("agent", f"{agent}, with {document['with']}" if document["with"] else agent),
        ("activity", activity_text(document["activity"]) + _star(document["activity"])),
        ("cycles", cycles_text(document["cycles"]) + _star(document["cycles"])),
        ("interval", interval_text(document["interval"]) + _star(document["interval"])),
        ("CTCAE", document["ctcae"]["version"] + _star(document["ctcae"])),
    ]
    if document["cumulative"]:
        text = f"at most {document['cumulative']['at_most_MBq']:g} MBq{_star(document['cumulative'])}"
        rows.append(("in all", text))
    for cycle in document["tailored_cycles"]:
        ends = f"{cycle['lowest_MBq']:g} to {cycle['highest_MBq']:g} MBq by {', '.join(cycle['limited_by'])}"
        rows.append((f"cycle {cycle['cycle']}", f"{ends}; below: {cycle['below_lowest']}{_star(cycle)}"))
    parts = {
        "eligibility": [(rule["expected"], rule) for rule in document["eligibility"]],
        "later cycles": [(rule["expected"], rule) for rule in document["retreatment"]],
        "washout": [(_washout_text(washout), washout) for washout in document["washout"]],
        "day of cycle": [(f"{e['event'].replace('-', ' ')}: {event_text(e)}", e) for e in document["cycle_day"]],
        "laboratory": [(_lab_text(lab), lab) for lab in document["labs"]],
        "toxicity": [(_modification_text(m), m) for m in document["modifications"]],
        "delay": [(_delay_text(document["delay"]), document["delay"])] if document["delay"] else [],
        "imaging": [(_imaging_text(visit), visit) for visit in document["imaging"]],
    }
    for heading, lines in parts.items():
        rows += [(heading if i == 0 else "", text + _star(entry)) for i, (text, entry) in enumerate(lines)]
    return rows


def _star(entry: dict[str, Any] | None) -> str:
    return "" if entry is None or entry["verified"] else " *"


def _span_text(span: dict[str, Any]) -> str:
    return f"{span['value']:g} {span['unit']}"


def _washout_text(washout: dict[str, Any]) -> str:
    return f"{washout['item'].replace('_', ' ')}: {_span_text(washout['at_least'])} before {washout['before']}"


def _lab_text(lab: dict[str, Any]) -> str:
    when = [lab["relative_to"].replace("_", " ")]
    when += [f"{key} {_span_text(lab[key])}" for key in ("from", "until", "every") if lab[key]]
    return f"{', '.join(lab['items']).replace('_', ' ')}: {', '.join(when)}"


def _delay_text(delay: dict[str, Any]) -> str:
    return f"stop at {delay['stop_at_days'] / 7:g} weeks since {delay['counted_from'].replace('_', ' ')}"


def _modification_text(modification: dict[str, Any]) -> str:
    text = f"{modification['what']}: {modification['action']}"
    if modification["withhold_until"]:
        text += f" until {modification['withhold_until']}"
    if modification["resume_MBq"] is not None:
        text += f", then {modification['resume_MBq']:g} MBq"
    if modification["then_MBq"] is not None:
        text += f", then {modification['then_MBq']:g} MBq"
    return text


def _imaging_text(visit: dict[str, Any]) -> str:
    at = ", ".join(f"{span['value']:g}" for span in visit["at"])
    unit = visit["at"][0]["unit"] if visit["at"] else ""
    text = f"{visit['modality']}: {at} {unit} after {visit['relative_to']}"
    return f"{text}, then every {_span_text(visit['then_every'])}" if visit["then_every"] else text
