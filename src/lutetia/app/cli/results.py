"""What ``run`` and ``demo`` say when they are done."""

from typing import Any


def value_text(value: float | None, u: float | None) -> str:
    """A number and its uncertainty as people read them: three digits, without exponents for what has up to six."""
    if value is None:
        return "-"
    shown = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return shown if u is None else f"{shown} ± {u:.0f}" if u >= 100 else f"{shown} ± {u:.2g}"


def print_result(document: dict[str, Any]) -> None:
    """Show the regions' doses with uncertainty (k=1), the truth where it is known, and where the report is."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    known = any(region.get("truth_Gy") is not None for region in document["regions"])
    heads = ["region", "mass\ng", "T½\nh", "TIA\nMBq h", "dose\nGy", "Gy per\nGBq"]
    table = Table(
        pad_edge=False, title="Mean absorbed doses; ± is the standard uncertainty (k=1)", title_justify="left"
    )
    for head in [*heads, *(["truth\nGy", "diff\n%"] if known else [])]:
        table.add_column(head, justify="left" if head == "region" else "right", no_wrap=True)
    for region in document["regions"]:
        dose, truth = region["absorbed_dose_Gy"], region.get("truth_Gy")
        row = [
            region["region"],
            value_text(region["mass_g"], None),
            value_text(region["effective_half_life_h"], None),
            value_text(region["time_integrated_activity_MBq_h"], None),
            value_text(dose, region["u_absorbed_dose_Gy"]),
            value_text(region["absorbed_dose_Gy_per_GBq"], None),
        ]
        if known:
            row += (
                ["-", "-"]
                if truth is None or dose is None
                else [value_text(truth, None), f"{100 * (dose / truth - 1):+.1f}"]
            )
        table.add_row(*row)
    console.print(table)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"Report: {document['out']}/report.html and report.pdf. Research use only.", highlight=False)
