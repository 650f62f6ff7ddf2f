"""The discharge sheet in words and tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def print_discharge(document: dict[str, Any], about: str = "") -> None:
    """Show the document of ``discharge_document``: a caution, what it is about, the sheet."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    if document["caution"]:
        console.print(f"[bold red]CAUTION:[/bold red] {escape(document['caution'])}\n", highlight=False)
    if about:
        console.print(escape(about), highlight=False, soft_wrap=True)
    console.print(
        f"[bold]Discharge sheet[/bold]: {document['activity_MBq']:g} MBq {document['agent'] or document['nuclide']}, "
        f"given at {clock(document['administered_at_h'])}",
        highlight=False,
    )
    _print_instructions(console, document)
    _print_limits(console, document["limits"])
    _print_sources(console, document)
    _print_course(console, document["course"])
    _print_contacts(console, document)
    _print_elimination(console, document["elimination"])
    _print_sewer(console, document["sewer"])
    _print_waste(console, document["waste"])
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]", soft_wrap=True)


def clock(hour: float) -> str:
    """Hour of the day as people read it."""
    minutes = round(hour * 60) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _checked(row: dict[str, Any]) -> str:
    return {None: "", True: "", False: " (not verified)"}[row["verified"]]


def _table(title: str, heads: Sequence[str]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", pad_edge=False, box=SIMPLE_HEAD)
    for head in heads:
        words = head.startswith("<")
        table.add_column(head.lstrip("<"), justify="left" if words else "right", no_wrap=not words)
    return table


def _print_sources(console: "Console", document: dict[str, Any]) -> None:
    retention, rate = document["retention"], document["dose_rate"]
    phases = ", ".join(
        f"{100 * t['fraction']:.0f} % with {t['effective_half_life_h']:.3g} h" for t in retention["terms"]
    )
    console.print(
        f"retention {retention['name']}: {phases} (effective). {retention['meaning']}. "
        f"{retention['source']}{_checked(retention)}",
        highlight=False,
    )
    u = "" if rate["u_relative"] is None else f" ± {100 * rate['u_relative']:.0f} % (k=1)"
    share = rate["over_point_source"]
    console.print(
        f"dose rate at 1 m and 0 h: {rate['at_0_h_uSv_h']:.3g} µSv/h{u}: {rate['source']}{_checked(rate)}"
        + (
            ""
            if share is None
            else f". A point source would give {rate['point_source_uSv_h']:.3g} µSv/h (H*(10)); ratio {share:.2f}"
        ),
        highlight=False,
    )


def _print_course(console: "Console", course: list[dict[str, Any]]) -> None:
    table = _table(
        "What is left in the patient",
        ["h", "in body\nMBq", "%", "excreted\n% (no decay)", "at 1 m\nµSv/h", "95 %\nµSv/h"],
    )
    for row in course:
        band = row["interval_95_uSv_h"]
        cells = [
            f"{row['time_h']:g}", f"{row['in_body_MBq']:.4g}", f"{100 * row['in_body']:.0f}",
            f"{100 * row['excreted']:.0f}", f"{row['dose_rate_1_m_uSv_h']:.3g}",
            "-" if band is None else f"{band[0]:.2g} to {band[1]:.2g}",
        ]  # fmt: skip
        table.add_row(*cells, style="bold" if row["discharge"] else None)
    console.print(table)


def _print_limits(console: "Console", limits: list[dict[str, Any]]) -> None:
    for row in limits:
        unit = row["unit"].replace("uSv", "µSv")
        head = f"[bold]{row['place']}[/bold]: {row['quantity']}, "
        if row["value"] is None:
            told = "the value is not in the table"
        elif row["withheld"]:
            told = f"{row['value']:g} {unit}: [bold red]verdict withheld[/bold red], see CAUTION{_doses(row, ':')}"
        elif row["met_from_h"] is not None:
            told = f"{row['value']:g} {unit}: met from {row['met_from_h']:.1f} h after administration on"
        else:
            over = "exceeded" if row["exceeded"] else "not exceeded"
            told = f"{row['value']:g} {unit}: {over}{_doses(row)}"
        meaning = "" if row["withheld"] else f"; {row['meaning']}"
        console.print(f"{head}{told}{meaning}. {row['source']}{_checked(row)}", highlight=False)


def _doses(row: dict[str, Any], stop: str = "") -> str:
    """Doses to another person behind a verdict, after a stop; nothing of another quantity."""
    if row["formula_mSv"] is None:
        return ""
    scaled = row["formula_measured_mSv"]
    measured = "" if scaled is None else f", {scaled:.2f} mSv scaled by the measured dose rate"
    return (
        f"{stop} by the formula without excretion ({row['formula_mSv']:.2f} mSv by the activity{measured}); with this dose "
        f"rate and retention {row['patient_mSv']:.2f} mSv"
    )


def _print_instructions(console: "Console", document: dict[str, Any]) -> None:
    """What the patient is told, in the order of the patterns: that of importance in the shipped ones."""
    rows = document["contacts"]
    if not rows:
        return
    table = _table(
        "Written instructions: apart from others after administration", ["<contact", "days", "again from"]
    )
    for row in rows:
        upper = row["upper_95_h"]
        resume = row["resume_h"] if upper is None else row["resume_upper_95_h"]
        again = document["administered_at_h"] + resume
        waits = row["delay_h"] > 0 or (upper or 0) > 0
        table.add_row(
            row["name"],
            days(row["delay_h"] if upper is None else upper),
            f"day {int(again // 24)}, {clock(again)}" if waits else "-",
        )
    console.print(table)
    sure = any(row["upper_95_h"] is not None for row in rows)
    who = (
        "for 95 of 100 such patients" if sure else "for the dose rate and retention below; how surely is not known"
    )
    console.print(f"[dim]day 0 is the day of the administration; the days do {who}[/dim]")


def _print_contacts(console: "Console", document: dict[str, Any]) -> None:
    rows = document["contacts"]
    if not rows:
        return
    many = document["treatments_per_year"]
    title = f"How the days come about; {many} treatment{'s' if many > 1 else ''} a year"
    heads = ["<contact", "limit\nmSv", "no wait\nmSv", "wait\nd", "median (95 %)\nd", "95 of\n100, d"]
    table = _table(title, heads)
    for row in rows:
        upper = row["upper_95_h"]
        table.add_row(
            row["name"],
            f"{row['constraint_mSv']:.3g}",
            f"{row['unrestricted_dose_mSv']:.2f}",
            days(row["delay_h"]),
            "-"
            if upper is None
            else f"{days(row['median_h'])} ({' to '.join(days(t) for t in row['interval_95_h'])})",
            "-" if upper is None else days(upper),
        )
    console.print(table)


def days(hours: float) -> str:
    """Waiting time in days."""
    return "0" if hours == 0 else f"{hours / 24:.1f}"


def _print_elimination(console: "Console", rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = _table(
        "What is said of elimination, and what this retention gives", ["<statement", "h", "said\n%", "here\n%"]
    )
    for row in rows:
        table.add_row(
            row["statement"] + _checked(row), f"{row['time_h']:g}", f"{100 * row['stated']:.0f}",
            f"{100 * row['by_retention']:.0f}",
        )  # fmt: skip
    console.print(table)


def _print_sewer(console: "Console", sewer: dict[str, Any] | None) -> None:
    if sewer is None:
        return
    console.print(
        f"Urine until {sewer['collected_until_h']:g} h holds {100 * sewer['excreted']:.0f} % (decay-corrected); released "
        f"{sewer['released_at_d']:.3g} d after administration:",
        highlight=False,
    )
    for name, activity in sewer["activity_MBq"].items():
        per_volume = sewer["concentration_kBq_m3"]
        told = "" if per_volume is None else f", {per_volume[name]:.3g} kBq/m³ in {sewer['volume_m3']:g} m³"
        console.print(f"  {name}: {activity:.3g} MBq{told}", highlight=False)
    _print_quoted(console, sewer["values_quoted"])


def _print_waste(console: "Console", waste: dict[str, Any] | None) -> None:
    if waste is None:
        return
    console.print(f"Waste of {waste['activity_MBq']:g} MBq to {waste['limit_kBq']:g} kBq:", highlight=False)
    for name, time_d in waste["storage_d"].items():
        console.print(f"  {name} alone: {time_d:.0f} d", highlight=False)
    for row in waste["with_impurity"]:
        console.print(
            f"  with {row['activity_kBq']:.3g} kBq {row['impurity']} of {row['half_life_d']:g} d: "
            f"[bold]{row['storage_d'] / 365.25:.1f} years[/bold]. {row['source']}",
            highlight=False,
        )
    _print_quoted(console, waste["values_quoted"])


def _print_quoted(console: "Console", rows: list[dict[str, Any]]) -> None:
    for row in rows:
        console.print(
            f"[dim]  quoted: {row['quantity']} of {row['nuclide']} {row['value']:g} {row['unit']}, {row['place']} "
            f"({row['source']})[/dim]",
            highlight=False,
        )
