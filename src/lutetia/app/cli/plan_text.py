"""A plan of activity as a JSON document and in words."""

from typing import TYPE_CHECKING, Any

from lutetia.units import GBQ_PER_BQ

if TYPE_CHECKING:
    from lutetia.app.cli.plan_inputs import Asked, Course
    from lutetia.therapy.activity.planning import Judged, Plan

NOTE = "Research use only; the decision is the physician's."
SAID = {
    "give": "Give {activity}.", "reduce": "Give a reduced activity, {activity}.", "omit": "Omit this cycle.",
    "hold": "Hold: the physician decides.", "stop": "Stop: no further cycle.",
}  # fmt: skip


def plan_document(asked: "Asked", course: "Course", found: "Plan") -> dict[str, Any]:
    """A plan as a JSON document; keys as in docs/reference/json.md."""
    given = course.cycles.activity_bq
    return {
        "action": found.action,
        "activity_GBq": None if found.activity_bq is None else found.activity_bq * GBQ_PER_BQ,
        "considered_GBq": found.considered_bq * GBQ_PER_BQ,
        "wanted_GBq": found.wanted_bq * GBQ_PER_BQ,
        "strategy": asked.strategy,
        "protocol": asked.protocol,
        "agent": course.next.agent or None,
        "cycle": course.cycle,
        "given_cycles": len(course.cycles.given),
        "given_GBq": None if given is None else given * GBQ_PER_BQ,
        "probability": found.probability,
        "further_cycles": found.further_cycles,
        "reasons": list(found.reasons),
        "limits": [_limit(judged) for judged in found.limits],
        "warnings": list(dict.fromkeys((*course.warnings, *found.warnings))),
        "note": NOTE,
    }


def _limit(judged: "Judged") -> dict[str, Any]:
    from lutetia.therapy.activity.limits import name_of

    margin, limit = judged.margin, judged.margin.limit
    prediction = margin.prediction
    return {
        "name": name_of(limit),
        "organ": margin.region,
        "quantity": limit.quantity,
        "limit_Gy": limit.limit_gy,
        "sources": [
            {
                "source": row.source,
                "condition": row.condition or None,
                "endpoint": row.endpoint,
                "verified": row.verified,
            }
            for row in margin.limits
        ],
        "decides": margin.decides,
        "so_far_Gy": margin.so_far_gy,
        "u_so_far_Gy": margin.u_so_far_gy,
        "predicted_Gy": judged.predicted_gy,
        "probability_exceeded": judged.probability_exceeded,
        "allows_GBq": judged.allows_bq * GBQ_PER_BQ,
        "allows_by_estimate_GBq": judged.allows_by_estimate_bq * GBQ_PER_BQ,
        "prediction": {
            "Gy_per_GBq": prediction.gy_per_gbq,
            "activity_exponent": prediction.exponent,
            "u_relative": prediction.relative_u,
            "correlation_with_given": None if margin.spread is None else margin.spread.correlation,
            "source": prediction.source,
            "verified": prediction.verified,
        },
    }


def print_plan(document: dict[str, Any]) -> None:
    """Show the document of ``plan_document``."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from lutetia.therapy.activity.planning import rounded_down

    console = Console()
    activity = document["activity_GBq"]
    shown = "" if activity is None else f"{rounded_down(activity):g} GBq"
    said = SAID[document["action"]].format(activity=shown)
    console.print(
        f"[bold]{said}[/bold] Cycle {document['cycle']}, strategy {document['strategy']}.", highlight=False
    )
    for reason in document["reasons"]:
        console.print(f"  {reason}", highlight=False)
    if document["limits"]:
        console.print(_table(Table(pad_edge=False, title_justify="left", box=SIMPLE_HEAD), document))
    if document["further_cycles"] is not None:
        console.print(f"Cycles like this that the limits allow: {document['further_cycles']}.", highlight=False)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]")


def _table(table: Any, document: dict[str, Any]) -> Any:
    from lutetia.therapy.activity.planning import rounded_down

    considered, most = rounded_down(document["considered_GBq"]), document["probability"]
    table.title = (
        f"Gy after {considered:g} GBq, P of passing the limit, GBq with P ≤ {most:.2g} and by best estimate"
    )
    for head in ("limit", "region"):
        table.add_column(head, overflow="fold")
    for head in ("so far", "after", "P", "allows", "est."):
        table.add_column(head, justify="right", no_wrap=True)
    for row in document["limits"]:
        u, chance = row["u_so_far_Gy"], row["probability_exceeded"]
        table.add_row(
            row["name"],
            row["organ"],
            f"{row['so_far_Gy']:.3g}" + ("" if u is None else f" ± {u:.2g}"),
            f"{row['predicted_Gy']:.3g}",
            "unknown" if chance is None else "<0.001" if chance < 1e-3 else f"{chance:.2g}",
            "unknown" if chance is None else f"{rounded_down(row['allows_GBq']):g}",
            f"{rounded_down(row['allows_by_estimate_GBq']):g}",
        )
    return table
