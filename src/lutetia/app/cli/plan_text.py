"""A plan of activity as a JSON document and in words."""

from typing import TYPE_CHECKING, Any

from lutetia.units import GBQ_PER_BQ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lutetia.app.cli.plan_inputs import Asked, Course
    from lutetia.response.parameters import DoseLimit
    from lutetia.therapy.activity.limits import Unjudged
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
        "limits": [
            *(_limit(judged, course) for judged in found.limits),
            *(_unjudged(each) for each in found.unjudged),
        ],
        "bounds": {
            "usual_GBq": _gbq(found.bounds.usual_bq),
            "lowest_GBq": _gbq(found.bounds.lowest_bq),
            "highest_GBq": _gbq(found.bounds.highest_bq),
        },
        "warnings": list(dict.fromkeys((*course.warnings, *found.warnings))),
        "note": NOTE,
    }


def _gbq(activity_bq: float | None) -> float | None:
    return None if activity_bq is None else activity_bq * GBQ_PER_BQ


def _sources(limits: "Sequence[DoseLimit]") -> list[dict[str, Any]]:
    return [
        {
            "source": row.source,
            "condition": row.condition or None,
            "endpoint": row.endpoint,
            "verified": row.verified,
        }
        for row in limits
    ]


def _unjudged(found: "Unjudged") -> dict[str, Any]:
    """A limit of which something is not known: what is not known is null."""
    from lutetia.therapy.activity.limits import name_of

    unknown = (
        "so_far_Gy", "u_so_far_Gy", "predicted_Gy", "probability_exceeded", "allows_GBq", "allows_by_estimate_GBq",
        "prediction",
    )  # fmt: skip
    return {
        "name": name_of(found.limit),
        "organ": found.region,
        "quantity": found.limit.quantity,
        "limit_Gy": found.limit.limit_gy,
        "sources": _sources(found.limits),
        "decides": found.decides,
        "at_least_Gy": found.at_least_gy,
        "not_known": found.why,
        "estimated_cycles": [],
    } | dict.fromkeys(unknown)


def _limit(judged: "Judged", course: "Course") -> dict[str, Any]:
    from lutetia.therapy.activity.limits import name_of

    margin, limit = judged.margin, judged.margin.limit
    prediction = margin.prediction
    return {
        "name": name_of(limit),
        "organ": margin.region,
        "quantity": limit.quantity,
        "limit_Gy": limit.limit_gy,
        "sources": _sources(margin.limits),
        "decides": margin.decides,
        "at_least_Gy": margin.so_far_gy,
        "not_known": None,
        "estimated_cycles": list(course.cycles.estimated(margin.region)),
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


def said(document: dict[str, Any]) -> str:
    """What is to be done, in one sentence."""
    from lutetia.therapy.activity.planning import rounded_down
    from lutetia.therapy.activity.strategies import activity_text
    from lutetia.units import BQ_PER_GBQ

    activity = document["activity_GBq"]
    shown = "" if activity is None else activity_text(rounded_down(activity) * BQ_PER_GBQ)
    return SAID[document["action"]].format(activity=shown)


def print_plan(document: dict[str, Any]) -> None:
    """Show the document of ``plan_document``."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(
        f"[bold]{said(document)}[/bold] {cycle_text(document)}, strategy {document['strategy']}{_by(document)}.",
        highlight=False,
    )
    for reason in document["reasons"]:
        console.print(f"  {escape(reason)}", highlight=False)
    if document["limits"]:
        console.print(_table(Table(pad_edge=False, title_justify="left", box=SIMPLE_HEAD), document))
    if document["further_cycles"] is not None:
        console.print(f"Cycles like this that the limits allow: {document['further_cycles']}.", highlight=False)
    for warning in document["warnings"]:
        if warning not in document["reasons"]:
            console.print(f"[yellow]warning:[/yellow] {escape(warning)}", highlight=False)
    if document.get("recorded"):
        console.print(f"Recorded as {document['recorded']}.", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]")


def cycle_text(document: dict[str, Any]) -> str:
    """The number of the next cycle: by the protocol, and in the course where that is another."""
    own, most = document.get("protocol_cycle"), document.get("protocol_cycles")
    if own is None:
        return f"Cycle {document['cycle']}"
    of = "" if most is None else f" of {most}"
    record = "" if own == document["cycle"] else f" (cycle {document['cycle']} of the course)"
    return f"Cycle {own}{of}{record}"


def _by(document: dict[str, Any]) -> str:
    """Protocol and day of a course that is kept."""
    as_of = document.get("as_of")
    return "" if as_of is None else f", by {document['protocol']} {document['version']} on {as_of}"


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
        if row["not_known"] is not None:
            table.add_row(row["name"], row["organ"], f"≥ {row['at_least_Gy']:.3g}", *["-"] * 4)
            continue
        u, chance = row["u_so_far_Gy"], row["probability_exceeded"]
        about = "~" if row["estimated_cycles"] else ""
        table.add_row(
            row["name"],
            row["organ"],
            f"{about}{row['so_far_Gy']:.3g}" + ("" if u is None else f" ± {u:.2g}"),
            f"{row['predicted_Gy']:.3g}",
            "unknown" if chance is None else "<0.001" if chance < 1e-3 else f"{chance:.2g}",
            "unknown" if chance is None else f"{rounded_down(row['allows_GBq']):g}",
            f"{rounded_down(row['allows_by_estimate_GBq']):g}",
        )
    return table
