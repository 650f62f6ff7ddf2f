"""Agents, pairs and prescriptions as tables to read."""

from typing import Any

from lutetia.app.cli.protocol_sheet import activity_text, cycles_text, interval_text


def print_list(document: dict[str, Any]) -> None:
    """Show the list of agents."""
    columns = ("id", "name", "purpose", "works_by", "target", "role")
    rows = [[line[key] or "–" for key in columns] for line in document["agents"]]
    _print_table("Agents", [column.replace("_", " ") for column in columns], rows)
    _print_note(f"lutetia agents ID shows one. {document['note']}")


def print_pairs(document: dict[str, Any]) -> None:
    """Show the theranostic pairs."""
    rows = [
        [f"{pair['imaging']} / {pair['therapy']}", pair["chemistry"], pair["differs"], _ratios_text(pair["ratios"])]
        for pair in document["pairs"]
    ]
    _print_table("Theranostic pairs", ["pair", "chemistry", "to keep in mind", "therapy over imaging"], rows)
    _print_note(document["note"])


def _ratios_text(ratios: list[dict[str, Any]]) -> str:
    return "; ".join(f"{r['vector']} {r['region']} {r['ratio']:.3g} ({r['at']})" for r in ratios) or "–"


def print_doses(document: dict[str, Any]) -> None:
    """Show the published dose coefficients."""
    rows = [
        [line["agent"], dose_text(line) + _star(line), "–" if line["patients"] is None else str(line["patients"])]
        for line in document["doses"]
    ]
    _print_table("Published dose coefficients", ["agent", "dose", "patients"], rows)
    _print_note(f"* not compared with its source. {document['note']}")


def print_agent(document: dict[str, Any]) -> None:
    """Show one agent as a sheet; what was not compared with its source has an asterisk."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(f"[bold]{escape(document['name'])}[/bold] ({document['id']})", highlight=False)
    _print_table("", [], [list(row) for row in sheet_rows(document)])
    if "prescription" in document:
        _print_prescription(document["prescription"])
    for check in document.get("preparation", ()):
        verdict = {True: "passed", False: "[red]failed[/red]", None: "[yellow]open[/yellow]"}[check["passed"]]
        console.print(
            f"{check['what']}: {verdict}; {check['found']}, {check['expected']}{_star(check)}", highlight=False
        )
    _print_note(f"* not compared with its source. {document['note']}")


def _print_prescription(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    activity = "no number" if found["activity_MBq"] is None else f"{found['activity_MBq']:.4g} MBq"
    text = f"[bold]Cycle {found['cycle']} on {found['on']} by {found['regimen']}: {activity}[/bold]{_star(found)}"
    if found["left_MBq"] is not None:
        text += f"; {found['left_MBq']:.4g} MBq left of the sum"
        text += "" if found["cycles_left"] is None else f", {found['cycles_left']:.1f} cycles"
    console.print(f"{text} ({escape(found['source'])})", highlight=False)
    for finding in found["findings"]:
        told = f"{finding['message']} ({finding['rule']}{_star(finding)}, {finding['source']})"
        console.print(f"[yellow]warning:[/yellow] {escape(told)}", highlight=False)


def sheet_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the sheet: heading, empty where it goes on, and text."""
    held = f"{document['vector']}, {document['chelator']}" if document["chelator"] else document["vector"]
    what = f"{document['nuclide']} ({document['works_by'] or 'not classed'}), {held}"
    rows = [("what", what + _star(document)), ("target", f"{document['target']}, {document['role']}")]
    parts = {
        "regimen": [(regimen_text(each), each) for each in document["regimens"]],
        "tolerance": [(_tolerance_text(each), each) for each in document["tolerances"]],
        "stability": [(f"{each['duration_h']:g} h {each['setting']}", each) for each in document["stability"]],
        "purity": [(_purity_text(each), each) for each in document["purity"]],
        "imaging": [(_imaging_text(each), each) for each in document["imaging"]],
        "study": [(study_text(each), each) for each in document["studies"]],
        "caution": [(each["text"], each) for each in document["cautions"]],
        "published dose": [(dose_text(each), each) for each in document["published_doses"]],
    }
    for heading, lines in parts.items():
        rows += [(heading if i == 0 else "", text + _star(entry)) for i, (text, entry) in enumerate(lines)]
    return rows


def regimen_text(regimen: dict[str, Any]) -> str:
    """A regimen in words; each number of its protocol has its own asterisk."""
    route = f"{regimen['route']}, {regimen['artery']} artery" if regimen["artery"] else regimen["route"]
    text = f"{regimen['id']}: {route}, {activity_text(regimen['activity'])}{_star(regimen['activity'])}"
    if regimen["cycles"]["planned"] is not None:
        text += f" x {cycles_text(regimen['cycles'])}{_star(regimen['cycles'])}"
    interval, total = regimen["interval"], regimen["cumulative"]
    if interval:
        days = interval["planned_days"]
        # months are whole days and seldom whole weeks
        text += f" every {f'{days} days' if days % 7 else interval_text(interval)}{_star(interval)}"
    return f"{text}, at most {total['at_most_MBq']:g} MBq{_star(total)} in all" if total else text


def _tolerance_text(found: dict[str, Any]) -> str:
    within = f" within {found['within_months']:g} months" if found["within_months"] else ""
    return f"{found['kind']}, {found['activity_MBq']:g} MBq{within} of {found['agent']}: {found['what']}"


def _purity_text(found: dict[str, Any]) -> str:
    until = "" if found["until_h"] is None else f" until {found['until_h']:g} h"
    return f"at least {found['at_least_percent']:g} %{until}"


def _imaging_text(found: dict[str, Any]) -> str:
    parts = [found["modality"]]
    parts += [f"with {found['partner']}"] if found["partner"] else []
    lines = ", ".join(f"{line:g}" for line in found["line_keV"])
    parts += [f"{lines} keV{' of ' + found['member'] if found['member'] else ''}"] if lines else []
    parts += [f"at {', '.join(f'{at:g}' for at in found['at_h'])} h"] if found["at_h"] else []
    return f"{', '.join(parts)}: {found['purpose'] or 'not stated'}"


def study_text(study: dict[str, Any]) -> str:
    """A study in one line: who, how many, and the responses."""
    text = str(study["design"])
    text += f", with {study['with']}" if study["with"] else ""
    text += f" ({study['trial']})" if study["trial"] else ""
    if study["patients"]:
        text += f", {study['patients']} patient{'s' if study['patients'] > 1 else ''}"
    for found in study["responses"]:
        if found["objective"] is not None:
            of = f" of {found['assessed']}" if found["assessed"] else ""
            text += f"; response in {found['objective']}{of}"
        elif found["percent"] or found["responders_percent"] is not None:
            percent = found["percent"] or {"response": found["responders_percent"]}
            text += "; " + ", ".join(f"{kind} {value:g} %" for kind, value in percent.items())
    return text


def dose_text(found: dict[str, Any]) -> str:
    """A published dose in words, with the factor inside."""
    factor = found["rbe_inside"]
    if factor is None:
        inside = "factor for alpha particles not stated"
    else:
        inside = "absorbed dose" if factor == 1.0 else f"alpha particles count {factor:g} times in it"
    member = f" from {found['member']}" if found["member"] else ""
    return f"{found['region']}{member} {found['printed']}, {inside} ({found['source']})"


def _star(entry: dict[str, Any]) -> str:
    return "" if entry["verified"] else " *"


def _print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if columns:
        table = Table(title=title, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
    else:
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
    for row in rows:
        # [177Lu]... is a name here, and no style
        table.add_row(*map(escape, row))
    Console().print(table)


def _print_note(text: str) -> None:
    from rich.console import Console

    Console().print(f"[dim]{text}[/dim]")
