"""Doses of an alpha emitter as a JSON document and in words."""

from typing import TYPE_CHECKING, Any, Final

from lutetia.app.report.chains import chain_keys, premises_sentence
from lutetia.units import BQ_PER_MBQ, H_PER_S, MBQ_H_PER_BQ_S

if TYPE_CHECKING:
    from lutetia.app.workflow.chains import AlphaDoses, AlphaRegion, Wanted

NOTE: Final = (
    "Research use only; the decision is the physician's. Absorbed doses are unweighted; a weighted one stands beside "
    "them and names its RBE, whose own uncertainty is not included."
)


def alpha_document(found: "AlphaDoses", wanted: "Wanted") -> dict[str, Any]:
    """Doses as a JSON document; keys as in docs/reference/json.md."""
    scenario = found.scenario
    activity_bq = wanted.activity_bq
    return {
        "nuclide": found.chain.parent,
        "activity_MBq": None if activity_bq is None else activity_bq / BQ_PER_MBQ,
        "sex": wanted.sex,
        "regions": [_region(region, activity_bq) for region in found.regions],
        "time_integrated_activity_MBq_h": _decays(found),
        "horizon_h": found.horizon_s * H_PER_S,
        "assumption": scenario.name,
        "redistribution": {
            "name": scenario.name,
            "leaving": [
                {
                    "member": row.member, "region": row.region, "fraction": row.fraction, "target": row.target,
                    "source": row.source, "verified": row.verified,
                }
                for row in scenario.leaving
            ],
            "sources": list(scenario.sources),
        },
        "half_lives": [
            {
                "nuclide": m.name, "half_life_h": m.half_life_s * H_PER_S, "source": m.half_life_source,
                "verified": m.half_life_verified,
            }
            for m in found.chain.members
        ],
        "unseen": list(found.unseen),
        "warnings": list(found.warnings),
        "note": NOTE,
    }  # fmt: skip


def _decays(found: "AlphaDoses") -> dict[str, dict[str, float]]:
    """Decays by region and member, all curves together."""
    together: dict[str, dict[str, float]] = {}
    for part in found.parts:
        for (region, member), decays in part.activities.time_integrated_activity_bq_s.items():
            row = together.setdefault(region, {})
            row[member] = row.get(member, 0.0) + decays * MBQ_H_PER_BQ_S
    return together


def _region(region: "AlphaRegion", activity_bq: float | None) -> dict[str, Any]:
    dose, fit, bed = region.dose, region.fit, region.bed
    total = dose.total_gy
    return {
        "region": dose.target,
        "kind": region.kind,
        "mass_g": dose.mass_g,
        "model": None if fit is None else fit.model,
        "absorbed_dose_Gy": total,
        "u_absorbed_dose_Gy": dose.standard_uncertainty_gy,
        "absorbed_dose_Gy_per_MBq": None if activity_bq is None else total / activity_bq * BQ_PER_MBQ,
        **chain_keys(dose, region.weighted),
        "bed_Gy": None if bed is None else bed.bed_gy,
        "bed": None
        if bed is None
        else {
            "g": bed.g, "rbe_max": bed.rbe_max, "alpha_beta_Gy": bed.tissue.alpha_beta_gy,
            "repair_half_life_h": (bed.tissue.repair_half_life_s or 0.0) * H_PER_S, "source": bed.tissue.source,
            "verified": bed.tissue.verified,
        },
        "method": dose.method,
        "warnings": [*(() if fit is None else fit.warnings), *dose.warnings],
    }  # fmt: skip


def print_alpha(document: dict[str, Any]) -> None:
    """Show the document of ``alpha_document``."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from lutetia.app.cli.results import value_text

    console = Console()
    rbe = document["regions"][0]["rbe"] if document["regions"] else None
    table = Table(
        title=f"{document['nuclide']} and its daughters: mean absorbed dose; ± is k=1", title_justify="left",
        pad_edge=False, box=SIMPLE_HEAD,
    )  # fmt: skip
    heads = ["region", "mass\ng", "dose\nGy", "alpha\nGy", "recoil\nGy", "electron\nGy", "photon\nGy"]
    for head in [*heads, "weighted\nGy" if rbe is None else f"RBE {rbe['value']:g}\nGy", "BED\nGy"]:
        table.add_column(head, justify="left" if head == "region" else "right", overflow="fold")
    for row in document["regions"]:
        table.add_row(
            row["region"], value_text(row["mass_g"], None),
            value_text(row["absorbed_dose_Gy"], row["u_absorbed_dose_Gy"]),
            *(value_text(value, None) for value in row["by_radiation_Gy"].values()),
            value_text(row["rbe_weighted_dose_Gy"], None), value_text(row["bed_Gy"], None),
        )  # fmt: skip
    console.print(table)
    console.print(_members(Table(pad_edge=False, box=SIMPLE_HEAD, title_justify="left"), document))
    console.print(premises_sentence(document, rbe), highlight=False)
    for sentence in document["unseen"]:
        console.print(sentence, highlight=False)
    for row in document["regions"]:
        for warning in row["warnings"]:
            # those of doses name the region themselves
            said = warning.removeprefix(f"{row['region']}: ")
            console.print(f"[yellow]{row['region']}:[/yellow] {said}", highlight=False)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]", soft_wrap=True)


def _members(table: Any, document: dict[str, Any]) -> Any:
    """Doses by chain member."""
    from lutetia.app.cli.results import value_text

    members = [row["nuclide"] for row in document["half_lives"]]
    table.title = "by chain member, Gy"
    for head in ["region", *members]:
        table.add_column(head, justify="left" if head == "region" else "right", overflow="fold")
    for row in document["regions"]:
        table.add_row(row["region"], *(value_text(row["by_member_Gy"].get(name), None) for name in members))
    return table
