"""The ``cells`` command: S coefficients of cells, of their neighbours, and the dose of a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.errors import InputError
from lutetia.units import S_PER_H

if TYPE_CHECKING:
    from lutetia.dose.small_scale.cell import Cell, ChainCellDose, Source, Target
    from lutetia.dose.small_scale.cluster import ClusterDose, Packing
    from lutetia.dose.small_scale.tracks import ElectronModel

NOTE: Final = "Absorbed dose in Gy, without weighting for RBE. Research use only."


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterAsked:
    """The cluster that the command was asked for."""

    radius_um: float
    spacing_um: float | None
    packing: str
    labelled_percent: float
    decays: float | None
    alpha_per_gy: float | None
    beta_per_gy2: float
    source: str
    seed: int


def cells(
    nuclide: Annotated[str, typer.Option("--nuclide", help="For example Ac-225.")],
    radius_um: Annotated[float, typer.Option("--radius-um", help="Of the cell. [um]")],
    nucleus_radius_um: Annotated[float, typer.Option("--nucleus-radius-um", help="Of its nucleus. [um]")],
    target: Annotated[str, typer.Option("--target", help="nucleus, cytoplasm or cell.")] = "nucleus",
    distance_um: Annotated[
        list[float] | None, typer.Option("--distance-um", help="Centre of a neighbour; may be repeated. [um]")
    ] = None,
    chain: Annotated[
        bool, typer.Option("--chain/--no-chain", help="With the progeny at the same place, or the nuclide alone.")
    ] = False,
    duration_h: Annotated[
        float | None, typer.Option("--duration-h", help="Of the chain; ten half-lives of the parent by default.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Member of the chain that leaves; may be repeated.")
    ] = None,
    electrons: Annotated[
        str, typer.Option("--electrons", help="transport (scattered), cole1969 or csda (straight).")
    ] = "transport",
    cluster_radius_um: Annotated[
        float | None, typer.Option("--cluster-radius-um", help="Dose of the nuclei of a ball of cells. [um]")
    ] = None,
    spacing_um: Annotated[
        float | None, typer.Option("--spacing-um", help="Between neighbours' centres; touching by default. [um]")
    ] = None,
    packing: Annotated[str, typer.Option("--packing", help="cubic or hexagonal.")] = "hexagonal",
    labelled_percent: Annotated[float, typer.Option("--labelled-percent", help="Cells with activity. [%]")] = 100.0,
    source: Annotated[
        str, typer.Option("--source", help="Of the cluster: nucleus, cytoplasm, cell, surface.")
    ] = "surface",
    decays: Annotated[
        float | None, typer.Option("--decays", help="Of the parent in each labelled cell; with a cluster.")
    ] = None,
    alpha_per_gy: Annotated[
        float | None, typer.Option("--alpha-per-Gy", help="Survival of the cluster; yours, there is no default.")
    ] = None,
    beta_per_gy2: Annotated[float, typer.Option("--beta-per-Gy2", help="The same.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="Which cells are labelled.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Dose of a cell's nucleus per decay in, on or beside the cell, and of the nuclei of a cluster."""
    with told_errors(as_json=json):
        cluster = None
        if cluster_radius_um is not None:
            cluster = ClusterAsked(
                radius_um=cluster_radius_um, spacing_um=spacing_um, packing=packing, labelled_percent=labelled_percent,
                decays=decays, alpha_per_gy=alpha_per_gy, beta_per_gy2=beta_per_gy2, source=source, seed=seed,
            )  # fmt: skip
        document = cells_document(
            nuclide, (radius_um, nucleus_radius_um), target=target, distances_um=tuple(distance_um or ()),
            members=_members(nuclide, chain, duration_h, tuple(without or ())), electrons=electrons, cluster=cluster,
        )  # fmt: skip
        if json:
            print_json(document)
        else:
            print_cells(document)


def _members(nuclide: str, chain: bool, duration_h: float | None, without: tuple[str, ...]) -> dict[str, float]:
    from lutetia.dose.small_scale.cell import chain_members
    from lutetia.dose.small_scale.unseen import HALF_LIVES
    from lutetia.physics.nuclides import nuclide as nuclide_of

    parent = nuclide_of(nuclide)
    if not chain:
        if duration_h is not None or without:
            raise InputError("--duration-h and --without belong to a chain; give --chain as well.")
        return {parent.name: 1.0}
    duration_s = HALF_LIVES * parent.half_life_s if duration_h is None else duration_h * S_PER_H
    return chain_members(parent.name, duration_s, without=without)


def cells_document(
    nuclide: str,
    radii_um: tuple[float, float],
    *,
    target: str,
    distances_um: tuple[float, ...],
    members: Mapping[str, float],
    electrons: str,
    cluster: ClusterAsked | None,
) -> dict[str, Any]:
    """S coefficients of a cell as a JSON document; keys as in docs/reference/json.md."""
    from lutetia.dose.small_scale.cell import SOURCES, Cell, chain_cell_dose
    from lutetia.physics.emissions import emissions

    cell = Cell(radius_um=radii_um[0], nucleus_radius_um=radii_um[1])
    model, aim = cast("ElectronModel", electrons), cast("Target", target)
    rows = [
        _row(chain_cell_dose(members, cell, source=s, target=aim, distance_um=d, electrons=model), s, d)
        for d in (0.0, *distances_um)
        for s in SOURCES
    ]
    return {
        "nuclide": emissions(nuclide).name,
        "cell_radius_um": cell.radius_um,
        "nucleus_radius_um": cell.nucleus_radius_um,
        "target": target,
        "members": dict(members),
        "s_values": rows,
        "cluster": None if cluster is None else _cluster(members, cell, cluster, model),
        "electrons": electrons,
        "method": "straight alphas with the ranges of ICRU 49, recoil where it arises, chances of spheres integrated",
        "note": NOTE,
    }


def _row(dose: "ChainCellDose", source: str, distance_um: float) -> dict[str, Any]:
    from lutetia.units import KEV_PER_MEV

    kinds = ("electrons", "photons", "alpha", "recoil")
    return {
        "source": source,
        "distance_um": distance_um,
        "s_Gy_per_Bq_s": dose.s_gy_per_bq_s,
        "high_let_s_Gy_per_Bq_s": dose.high_let_gy_per_bq_s,
        "absorbed_keV_by_radiation": {
            kind: KEV_PER_MEV * sum(n * getattr(one.absorbed, kind) for n, one in dose.members) for kind in kinds
        },
        "alpha_hits_per_decay": dose.hits_per_decay,
        "by_member_Gy_per_Bq_s": {one.nuclide: n * one.s_gy_per_bq_s for n, one in dose.members},
    }


def _cluster(
    members: Mapping[str, float], cell: "Cell", asked: ClusterAsked, electrons: "ElectronModel"
) -> dict[str, Any]:
    from lutetia.dose.small_scale.cluster import Cluster, cluster_dose

    if asked.decays is None:
        raise InputError("A cluster needs --decays, those of the parent in each labelled cell.")
    spacing = 2 * cell.radius_um if asked.spacing_um is None else asked.spacing_um
    cluster = Cluster(
        cell=cell, radius_um=asked.radius_um, spacing_um=spacing, packing=cast("Packing", asked.packing)
    )
    found = cluster_dose(
        members, cluster, decays_per_labelled_cell=asked.decays, labelled_fraction=asked.labelled_percent / 100,
        source=cast("Source", asked.source), electrons=electrons, seed=asked.seed,
    )  # fmt: skip
    dose = found.dose_gy
    return {
        "radius_um": asked.radius_um,
        "spacing_um": spacing,
        "packing": asked.packing,
        "source": asked.source,
        "cells": int(dose.size),
        "labelled_cells": int(found.labelled.sum()),
        "decays_per_labelled_cell": asked.decays,
        "mean_Gy": float(dose.mean()),
        "sd_Gy": float(dose.std()),
        "lowest_Gy": float(dose.min()),
        "highest_Gy": float(dose.max()),
        "self_fraction": float(found.self_gy.sum() / dose.sum()) if dose.sum() > 0 else None,
        "mean_alpha_hits": float(found.hits.mean()),
        "unhit_fraction": found.unhit_fraction if found.hits.sum() > 0 else None,
        "specific_energy_per_hit_Gy": found.specific_energy_per_hit_gy,
        "survival": _survival(found, asked),
    }


def _survival(found: "ClusterDose", asked: ClusterAsked) -> dict[str, float] | None:
    from lutetia.dose.small_scale.cluster import mean_survival, survival_by_hits

    if asked.alpha_per_gy is None:
        return None
    alpha, beta = asked.alpha_per_gy, asked.beta_per_gy2
    return {
        "alpha_per_Gy": alpha,
        "beta_per_Gy2": beta,
        "by_mean_dose": mean_survival(found.dose_gy, alpha_per_gy=alpha, beta_per_gy2=beta),
        "by_hits": survival_by_hits(found, alpha_per_gy=alpha),
    }


def print_cells(document: dict[str, Any]) -> None:
    """Show the document of ``cells_document``."""
    from rich.console import Console
    from rich.table import Table

    from lutetia.physics.nuclides import nuclide

    console = Console()
    members = document["members"]
    progeny = ", ".join(daughter.nuclide for daughter in nuclide(document["nuclide"]).progeny)
    alone = f"alone, without {progeny} and what follows (--chain)" if progeny else "alone"
    chain = alone if len(members) == 1 else "with " + ", ".join(list(members)[1:])
    console.print(
        f"[bold]{document['nuclide']}[/bold] {chain} in a cell of {document['cell_radius_um']:g} um radius, nucleus "
        f"{document['nucleus_radius_um']:g} um",
        highlight=False,
    )
    table = Table(
        "source",
        "distance / um",
        f"S of the {document['target']} / Gy/(Bq s)",
        "alphas, recoil / %",
        "hits / decay",
    )
    for row in document["s_values"]:
        s = row["s_Gy_per_Bq_s"]
        share = f"{100 * row['high_let_s_Gy_per_Bq_s'] / s:.0f}" if s > 0 else "-"
        place = f"{row['distance_um']:g}" if row["distance_um"] else "itself"
        table.add_row(row["source"], place, f"{s:.3g}", share, f"{row['alpha_hits_per_decay']:.3g}")
    console.print(table)
    if document["cluster"] is not None:
        console.print(cluster_sentence(document["cluster"]), highlight=False)
    console.print(f"[dim]{document['method']}; electrons: {document['electrons']}. {document['note']}[/dim]")


def cluster_sentence(found: Mapping[str, Any]) -> str:
    """What the command says of a cluster."""
    text = (
        f"Cluster of {found['cells']} cells, {found['labelled_cells']} of them with {found['decays_per_labelled_cell']:g} "
        f"decays ({found['source']}): nuclei get {found['mean_Gy']:.3g} Gy (SD {found['sd_Gy']:.2g}, "
        f"{found['lowest_Gy']:.2g} to {found['highest_Gy']:.3g})"
    )
    if found["self_fraction"] is not None:
        text += f", {100 * found['self_fraction']:.0f} % from their own cell"
    if found["specific_energy_per_hit_Gy"] is not None:
        text += (
            f"; {found['mean_alpha_hits']:.2g} alphas each of {found['specific_energy_per_hit_Gy']:.2g} Gy, "
            f"{100 * found['unhit_fraction']:.2g} % untouched"
        )
    if found["survival"] is not None:
        given = found["survival"]
        text += (
            f"; survival {given['by_mean_dose']:.2g} by the mean dose and {given['by_hits']:.2g} by hits "
            f"(alpha {given['alpha_per_Gy']:g} /Gy, beta {given['beta_per_Gy2']:g} /Gy2, as given)"
        )
    return text + "."
