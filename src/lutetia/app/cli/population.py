"""The ``population`` commands: kinetics of a cohort, and advice from them on when to scan."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lutetia.app.cli.advice import advise
from lutetia.app.cli.console import print_json, told_errors
from lutetia.errors import OutputError

population = typer.Typer(
    name="population",
    help="Kinetics of a population, fitted to a cohort, for patients with one or two scans.",
    no_args_is_help=True,
)


population.command()(advise)


@population.callback()
def _root() -> None:
    """Kinetics of a population, fitted to a cohort, for patients with one or two scans."""


@population.command()
def fit(
    curves: Annotated[
        Path,
        typer.Argument(
            help="CSV: patient, region, time_h, activity_MBq and, where known, u_MBq, administered_MBq."
        ),
    ],
    nuclide: Annotated[str, typer.Option("--nuclide", help="For example Lu-177.")],
    agent: Annotated[str, typer.Option("--agent", help="For example 177Lu-DOTATATE; kept in the file.")] = "",
    model: Annotated[
        Literal["auto", "mono", "uptake", "bi"], typer.Option("--model", help="auto: lowest BIC of the others.")
    ] = "auto",
    residual: Annotated[
        Literal["proportional", "combined"],
        typer.Option("--residual", help="Error of activities about the curves; combined: and a constant."),
    ] = "proportional",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the model here (JSON, no patients).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Fit the kinetics of each kind of region to the curves of a cohort (nonlinear mixed effects)."""
    from lutetia import __version__
    from lutetia.kinetics.population.cohort import read_cohort
    from lutetia.kinetics.population.files import population_document, write_population
    from lutetia.kinetics.population.fit import fit_population
    from lutetia.physics.nuclides import nuclide as nuclide_data

    with told_errors(as_json=json):
        if out is not None and out.exists() and not force:
            raise OutputError(f"{out.name} exists; give another name or --force.")
        found = nuclide_data(nuclide)
        cohort = read_cohort(
            curves,
            nuclide=found.name,
            decay_constant_per_s=found.decay_constant_per_s,
            agent=agent,
            provenance={"lutetia": __version__},
        )
        fitted = fit_population(
            cohort, models=("mono", "uptake", "bi") if model == "auto" else (model,), residual=residual
        )
        if out is not None:
            write_population(fitted, out)
        document = population_document(fitted)
        if json:
            print_json(document)
        else:
            print_population(document, out)


def print_population(document: dict[str, Any], out: Path | None) -> None:
    """Show half-lives with their spread, the residual error, what was tried, and warnings."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(pad_edge=False, title="Kinetics of the population; ± is the standard error", title_justify="left")
    for head in ("region", "model", "patients", "points", "T½ eff\nh", "CV of T½\n%", "residual\n%"):
        table.add_column(head, justify="left" if head in ("region", "model") else "right", no_wrap=True)
    for region in document["regions"]:
        table.add_row(
            region["region"],
            region["model"],
            str(region["n_patients"]),
            str(region["n_points"]),
            _half_life(region),
            _spread(region),
            f"{100 * region['residual_proportional']:.1f}",
        )
    console.print(table)
    for region in document["regions"]:
        tried = ", ".join(
            f"{t['model']} {t['bic']:.1f}" if t["bic"] is not None else f"{t['model']}: {t['reason']}"
            for t in region["tried"]
        )
        console.print(f"{region['region']}: BIC {tried}", highlight=False)
        for warning in region["warnings"]:
            console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    where = f"Written to {out.name}. " if out is not None else ""
    console.print(f"{where}Research use only.", highlight=False)


def _half_life(region: dict[str, Any]) -> str:
    value, u = region["effective_half_life_h"], region["u_mean_log"]
    return f"{value:.1f}" if u is None else f"{value:.1f} ± {value * u[1]:.1f}"


def _spread(region: dict[str, Any]) -> str:
    value, u = 100 * region["effective_half_life_cv"], region["u_sd_log"]
    return f"{value:.0f}" if u is None else f"{value:.0f} ± {100 * u[1]:.0f}"
