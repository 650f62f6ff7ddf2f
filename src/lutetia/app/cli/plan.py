"""The command ``plan``: the activity of the next cycle by a strategy, under limits of organ dose."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lutetia.app.cli import plan_options as options
from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.figures import draw, require_new
from lutetia.errors import InputError

if TYPE_CHECKING:
    from lutetia.therapy.activity.planning import Plan


Files = Annotated[list[Path] | None, typer.Argument(help="dose.json of each cycle so far, in their order.")]


def plan(
    files: Files = None,
    strategy: Annotated[
        str, typer.Option("--strategy", help="fixed, fixed-until-limit, p-prrt, danish, tailored-4th or forward.")
    ] = "fixed",
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", help="For example kidney-23Gy, kidney-BED-28Gy, marrow-2Gy; again for more."),
    ] = None,
    probability: Annotated[
        str | None,
        typer.Option("--probability", help="With which a limit may be passed; 5% where it can be known."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Id or YAML file: its activity, bounds and cycles.")
    ] = None,
    dose_gy: Annotated[
        list[str] | None,
        typer.Option(
            "--dose-Gy", help="Doses before the files, one per cycle: kidney=4.7,4.9; again for more organs."
        ),
    ] = None,
    activity_gbq: Annotated[
        str | None, typer.Option("--activity-GBq", help="Activities of the cycles of --dose-Gy: 7.4,7.4.")
    ] = None,
    dose_u_percent: Annotated[
        float | None, typer.Option("--dose-u-percent", min=0.0, help="Standard uncertainty of them, shared by all.")
    ] = None,
    gy_per_gbq: options.GyPerGBq = None,
    u_percent: options.UPercent = None,
    scans: options.Scans = 1,
    half_life_h: options.HalfLifeH = None,
    cycle: Annotated[
        int | None, typer.Option("--cycle", min=1, help="Number of the next; after those given.")
    ] = None,
    target_gy: options.TargetGy = None,
    reduce_percent: options.ReducePercent = 0.0,
    prior: Annotated[
        str | None, typer.Option("--prior", help="sood2026: dose of the population where there is no cycle.")
    ] = None,
    clearance: Annotated[
        float | None, typer.Option("--clearance-mL-min", help="Creatinine clearance, for the prior.")
    ] = None,
    linear: options.Linear = False,
    agent: Annotated[str | None, typer.Option("--agent", help="Of the next cycle; that of the last.")] = None,
    mass_kg: Annotated[float | None, typer.Option("--mass-kg", help="For protocols per kg.")] = None,
    plot: options.Plot = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Activity of the next cycle by a strategy, the largest that limits of organ dose allow. Research use only."""
    from lutetia.app.case.reading import parse_percent
    from lutetia.app.cli.plan_inputs import Asked
    from lutetia.app.cli.plan_text import plan_document, print_plan

    with told_errors(as_json=json):
        if plot is not None:
            require_new(plot)
        options.require_possible(target_gy=target_gy, mass_kg=mass_kg, clearance_ml_per_min=clearance, prior=prior)
        if (prior is None) != (clearance is None):
            raise InputError("--prior and --clearance-mL-min go together; give both or none.")
        asked = Asked(
            files=tuple(files or ()), strategy=strategy, limits=tuple(limit or ()), protocol=protocol,
            probability=None if probability is None else parse_percent(probability, "--probability"),
            dose_gy=tuple(dose_gy or ()), activity_gbq=activity_gbq, dose_u_percent=dose_u_percent,
            gy_per_gbq=tuple(gy_per_gbq or ()), u_percent=u_percent, scans=scans, half_life_h=tuple(half_life_h or ()),
            cycle=cycle, target_gy=target_gy, reduction=reduce_percent / 100, clearance_ml_per_min=clearance,
            linear=linear, agent=agent, mass_kg=mass_kg,
        )  # fmt: skip
        course, found = asked.planned()
        document = plan_document(asked, course, found)
        if plot is not None:
            _draw(plot, found, f"{strategy}, cycle {course.cycle}")
        document["plot"] = None if plot is None else str(plot)
        if json:
            print_json(document)
        else:
            print_plan(document)


def _draw(plot: Path, found: "Plan", title: str) -> None:
    from lutetia.app.report.activity_plan import plan_figure

    draw(plot, lambda: plan_figure(found, title=title))
