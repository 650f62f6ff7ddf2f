"""A prediction as a JSON document and in words."""

import math
from typing import TYPE_CHECKING, Any, Final

from lutetia.app.report.chains import RADIATIONS, premises_sentence, rbe_keys
from lutetia.units import BQ_PER_MBQ, H_PER_S, MBQ_PER_BQ

if TYPE_CHECKING:
    from lutetia.app.workflow.prediction import Prediction, Wanted
    from lutetia.app.workflow.prediction.limits import JudgedLimit, RegionPrediction, Weighting

NOTE: Final = (
    "Research use only; the decision is the physician's. Absorbed doses are unweighted; a weighted one stands beside "
    "them and names its RBE."
)


def prediction_document(found: "Prediction", wanted: "Wanted") -> dict[str, Any]:
    """A prediction as a JSON document; keys as in docs/reference/json.md."""
    study, answer = found.study, found.answer
    tightest = answer.tightest
    activity = None if tightest is None else tightest.allows_bq * MBQ_PER_BQ
    return {
        "pair": found.pair.name,
        "imaging": {
            "nuclide": found.pair.imaging, "activity_MBq": study.activity_bq * MBQ_PER_BQ,
            "agent": study.agent or None, "origin": study.origin,
        },
        "therapy": {
            "nuclide": found.pair.therapy,
            "chain": [{"nuclide": name, "decays_per_parent_decay": n} for name, n in found.members.items()],
        },
        "activity_MBq": activity,
        "activity_by_estimate_MBq": None if tightest is None else tightest.allows_by_estimate_bq * MBQ_PER_BQ,
        "activity_interval_95_MBq": None if tightest is None else _scaled(tightest.interval_95_bq, MBQ_PER_BQ),
        "limited_by": None if tightest is None else _limit_name(tightest),
        "probability": answer.probability,
        "limit_is": "rbe-weighted" if wanted.weighting.limits_weighted else "absorbed",
        "regions": [_region(region, wanted.weighting) for region in found.regions.values()],
        "limits": [_limit(judged, found.regions[judged.margin.region], activity) for judged in answer.limits],
        "horizon_h": found.horizon_s * H_PER_S,
        "assumption": wanted.scenario.name,
        "warnings": list(found.warnings),
        "note": NOTE,
    }  # fmt: skip


def _scaled(ends: tuple[float, float] | None, factor: float) -> list[float] | None:
    return None if ends is None else [ends[0] * factor, ends[1] * factor]


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _region(region: "RegionPrediction", weighting: "Weighting") -> dict[str, Any]:
    curve = region.curve
    value = curve.time_integrated_activity_s
    half_life = curve.fit.effective_half_life_s
    return {
        "region": curve.region,
        "kind": region.kind,
        "model": curve.fit.model,
        "effective_half_life_h": _times(half_life, H_PER_S),
        "extrapolated_fraction": curve.fit.extrapolated_fraction,
        "time_integrated_activity_per_activity_h": value * H_PER_S,
        "u_time_integrated_activity_per_activity_h": _times(curve.relative_u, value * H_PER_S),
        "interval_95_h": _scaled(curve.interval_95_s, H_PER_S),
        "uptake_ratio": {
            "value": curve.ratio.value, "u_relative": curve.ratio.relative_u, "source": curve.ratio.source,
            "verified": curve.ratio.verified,
        },
        **_dose(region, weighting),
        "warnings": list(curve.warnings),
    }  # fmt: skip


def _dose(region: "RegionPrediction", weighting: "Weighting") -> dict[str, Any]:
    if region.dose is None:
        empty = ("mass_g", "absorbed_dose_Gy_per_MBq", "u_absorbed_dose_Gy_per_MBq", "interval_95_Gy_per_MBq",
                 "by_radiation_Gy_per_MBq", "rbe", "rbe_weighted_Gy_per_MBq", "method")  # fmt: skip
        return dict.fromkeys(empty)
    parts, weighted = region.dose.parts, region.dose.weighted(weighting.rbe, weighting.endpoint)
    total = parts.total_gy
    return {
        "mass_g": region.dose.mass.value_g,
        "absorbed_dose_Gy_per_MBq": total * BQ_PER_MBQ,
        "u_absorbed_dose_Gy_per_MBq": _times(region.relative_u, total * BQ_PER_MBQ),
        "interval_95_Gy_per_MBq": _scaled(region.interval_95(total), BQ_PER_MBQ),
        "by_radiation_Gy_per_MBq": {kind: getattr(parts, f"{kind}_gy") * BQ_PER_MBQ for kind in RADIATIONS},
        "rbe": rbe_keys(weighted),
        "rbe_weighted_Gy_per_MBq": weighted.weighted_gy * BQ_PER_MBQ,
        "method": region.dose.dose.method,
    }


def _limit_name(judged: "JudgedLimit") -> str:
    from lutetia.therapy.activity.limits import name_of

    return f"{name_of(judged.margin.limit)}, {judged.margin.region}"


def _limit(judged: "JudgedLimit", region: "RegionPrediction", activity_mbq: float | None) -> dict[str, Any]:
    from lutetia.therapy.activity.limits import name_of

    margin = judged.margin
    limit, prediction = margin.limit, margin.prediction
    activity = (activity_mbq or 0.0) * BQ_PER_MBQ
    return {
        "name": name_of(limit),
        "organ": margin.region,
        "quantity": limit.quantity,
        "limit_Gy": limit.limit_gy,
        "sources": [
            {
                "source": row.source, "condition": row.condition or None, "endpoint": row.endpoint,
                "verified": row.verified,
            }
            for row in margin.limits
        ],
        "decides": margin.decides,
        "predicted_Gy": None if activity_mbq is None else margin.after(activity),
        "predicted_absorbed_Gy": None
        if activity_mbq is None or region.dose is None
        else region.dose.parts.total_gy * activity,
        "probability_exceeded": None if activity_mbq is None else margin.probability(activity),
        "allows_MBq": judged.allows_bq * MBQ_PER_BQ,
        "allows_by_estimate_MBq": judged.allows_by_estimate_bq * MBQ_PER_BQ,
        "interval_95_MBq": _scaled(judged.interval_95_bq, MBQ_PER_BQ),
        "prediction": {
            "Gy_per_MBq": prediction.dose_gy / prediction.activity_bq * BQ_PER_MBQ,
            "u_relative": prediction.relative_u,
            "source": prediction.source,
        },
    }  # fmt: skip


def print_prediction(document: dict[str, Any]) -> None:
    """Show the document of ``prediction_document``."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(_sentence(document), highlight=False)
    console.print(premises_sentence(document, _rbe(document)), highlight=False)
    console.print(_regions(Table(pad_edge=False, title_justify="left", box=SIMPLE_HEAD), document))
    for row in document["regions"]:
        for warning in row["warnings"]:
            console.print(f"[yellow]{row['region']}:[/yellow] {warning}", highlight=False)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]", soft_wrap=True)


def _rbe(document: dict[str, Any]) -> dict[str, Any] | None:
    """The RBE of all regions' weighted doses, None where no region has a dose."""
    return next((row["rbe"] for row in document["regions"] if row["rbe"] is not None), None)


def _sentence(document: dict[str, Any]) -> str:
    from lutetia.app.cli.results import value_text

    therapy, activity = document["therapy"]["nuclide"], document["activity_MBq"]
    if activity is None:
        return f"[bold]{therapy}[/bold] predicted from {document['imaging']['nuclide']}; no limit decides on an activity."
    ends = document["activity_interval_95_MBq"]
    between = "" if ends is None else f" (95 %: {value_text(ends[0], None)} to {value_text(ends[1], None)})"
    estimate = value_text(document["activity_by_estimate_MBq"], None)
    tight = next(row for row in document["limits"] if f"{row['name']}, {row['organ']}" == document["limited_by"])
    kept = (
        "by best estimate alone" if tight["probability_exceeded"] is None
        else f"probability of passing it at most {document['probability']:.2g}"
    )  # fmt: skip
    weighted = ""
    if document["limit_is"] == "rbe-weighted":
        rbe, absorbed = _rbe(document) or {}, value_text(tight["predicted_absorbed_Gy"], None)
        weighted = f", RBE-weighted (RBE {rbe['value']:g} for {rbe['endpoint']}; {absorbed} Gy absorbed)"
    return (
        f"[bold]{therapy}: at most {rounded_down(activity)} MBq[/bold] by {document['limited_by']}{weighted} ({kept}); "
        f"by best estimate {estimate} MBq{between}."
    )


def rounded_down(activity_mbq: float) -> str:
    """Three digits, none of them up, so that what is read is not more than what is allowed."""
    if not activity_mbq > 0:
        return "0"
    step = 10.0 ** (math.floor(math.log10(activity_mbq)) - 2)
    return f"{math.floor(activity_mbq / step * (1 + 1e-9)) * step:.6g}"


def _regions(table: Any, document: dict[str, Any]) -> Any:
    from lutetia.app.cli.results import value_text

    rbe = _rbe(document)
    table.title = f"{document['therapy']['nuclide']} per administered activity; ± is k=1"
    heads = [
        "region",
        "T½\nh",
        "TIA/A\nh",
        "after\nlast %",
        "absorbed\nmGy/MBq",
        "of it\nalpha %",
    ]
    for head in [*heads, f"RBE {rbe['value']:g}\nmGy/MBq" if rbe is not None else "RBE\n-"]:
        table.add_column(head, justify="left" if head == "region" else "right", no_wrap=True)
    for row in document["regions"]:
        parts, dose = row["by_radiation_Gy_per_MBq"], row["absorbed_dose_Gy_per_MBq"]
        share = None if not dose else 100 * (parts["alpha"] + parts["recoil"]) / dose
        table.add_row(
            row["region"], value_text(row["effective_half_life_h"], None),
            value_text(
                row["time_integrated_activity_per_activity_h"], row["u_time_integrated_activity_per_activity_h"]
            ),
            f"{100 * row['extrapolated_fraction']:.0f}",
            value_text(_times(dose, 1e3), _times(row["u_absorbed_dose_Gy_per_MBq"], 1e3)),
            "-" if share is None else f"{share:.0f}", value_text(_times(row["rbe_weighted_Gy_per_MBq"], 1e3), None),
        )  # fmt: skip
    return table
