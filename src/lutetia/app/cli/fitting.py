"""The ``fit`` command: time-integrated activity of curves that were measured elsewhere."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.figures import draw, require_new
from lutetia.app.cli.numbers import require_option
from lutetia.app.cli.results import value_text
from lutetia.errors import InputError
from lutetia.units import BQ_PER_MBQ, S_PER_H

if TYPE_CHECKING:
    from lutetia.kinetics.curve import CurveFit, TimeActivityCurve

LARGEST_SD_PERCENT = 200.0
"""A spread of half-lives beyond this says that nothing is known of them."""

Method = Literal["haenscheid2018", "madsen2018", "known", "population"]


def fit(
    curves: Annotated[
        Path, typer.Argument(help="CSV with the columns region, time_h, activity_MBq and, if known, u_MBq.")
    ],
    nuclide: Annotated[str, typer.Option("--nuclide", help="For example Lu-177.")],
    model: Annotated[
        str | None,
        typer.Option("--model", help="auto (by AICc), average, mono, bi, tri, uptake, uptake-bi, trapezoid, ..."),
    ] = None,
    method: Annotated[Method | None, typer.Option("--method", help="For one scan per region.")] = None,
    scan_h: Annotated[
        float | None, typer.Option("--scan-h", help="Of curves with several times take this one alone. [h]")
    ] = None,
    effective_half_life_h: Annotated[
        float | None, typer.Option("--effective-half-life-h", help="For madsen2018 and known. [h]")
    ] = None,
    half_life_sd_percent: Annotated[
        float | None,
        typer.Option(
            "--half-life-sd-percent", help="Spread (k=1) of that half-life; 20 for madsen2018, 5 for known."
        ),
    ] = None,
    earlier: Annotated[
        Path | None, typer.Option("--earlier", help="known: JSON of fit or dose.json of run, an earlier cycle.")
    ] = None,
    population: Annotated[
        Path | None, typer.Option("--population", help="population: a model made by lutetia population fit.")
    ] = None,
    agent: Annotated[
        str, typer.Option("--agent", help="For example 177Lu-DOTATATE: whose published half-lives to take.")
    ] = "",
    administered_mbq: Annotated[
        float | None, typer.Option("--activity-MBq", help="Administered: gives coefficients in h. [MBq]")
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="95 % intervals by profile likelihood (slower, no linearisation).")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the curves: a file .png, .pdf or .svg that must not exist.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Fit time-activity curves from a table: time-integrated activity with its uncertainty, and a plot."""
    with told_errors(as_json=json):
        _require_numbers(administered_mbq, effective_half_life_h, half_life_sd_percent)
        if plot is not None:
            require_new(plot)
        if method is not None and model is not None:
            raise InputError(f"--model {model} and --method {method}: one of them, please.")
        from lutetia.app.report.curves import curves_figure
        from lutetia.app.report.fits import fit_document
        from lutetia.app.workflow.kinetics.regions import KineticsChoice, fit_region, one_scan, read_earlier_fits
        from lutetia.kinetics.measured.curve_table import read_curves
        from lutetia.kinetics.population.files import read_population
        from lutetia.physics.nuclides import nuclide as nuclide_called

        choice = KineticsChoice(
            model=method or model or "auto",
            agent=agent,
            effective_half_life_s=None if effective_half_life_h is None else effective_half_life_h * S_PER_H,
            half_life_relative_sd=None if half_life_sd_percent is None else half_life_sd_percent / 100,
            earlier={} if earlier is None else read_earlier_fits(earlier),
            population=None if population is None else read_population(population),
            administered_activity_bq=None if administered_mbq is None else administered_mbq * BQ_PER_MBQ,
        )
        table = read_curves(curves)
        element = nuclide_called(nuclide)
        given = [c if scan_h is None else one_scan(c, scan_h * S_PER_H) for c in table.curves]
        if choice.administered_activity_bq is not None:
            _require_given(given, choice.administered_activity_bq, element.decay_constant_per_s)
        fitted = [(c, fit_region(c, nuclide=element, kind=kind_called(c.region), choice=choice)) for c in given]
        if profile:
            fitted = [(c, _profiled(c, f, element.decay_constant_per_s)) for c, f in fitted]
        document = fit_document(
            fitted, nuclide=element.name, administered_mbq=administered_mbq, told=table.warnings
        )
        if plot is not None:
            draw(plot, lambda: curves_figure(fitted))
            document["plot"] = str(plot)
        if json:
            print_json(document)
        else:
            _print(document)


def _require_given(curves: "Sequence[TimeActivityCurve]", given_bq: float, decay_constant_per_s: float) -> None:
    """Raise where a region shows clearly more than can be left of the administered activity.

    A single region may rise (uptake), so that its points are not compared with each other.
    """
    from lutetia.kinetics.consistency import impossible_totals, require_possible

    for curve in curves:
        found = impossible_totals(
            labels=[curve.region] * curve.time_s.size, time_s=curve.time_s.tolist(), total=curve.activity_bq.tolist(),
            decay_constant_per_s=decay_constant_per_s, administered_activity_bq=given_bq, tolerance=math.inf,
        )  # fmt: skip
        require_possible(found)


def kind_called(region: str) -> str:
    """Lesions are told by their names; the published half-lives of organs are found by theirs."""
    return (
        "lesion" if any(word in region.lower() for word in ("lesion", "tumour", "tumor", "metastas")) else "organ"
    )


def _profiled(curve: "TimeActivityCurve", found: "CurveFit", decay_constant_per_s: float) -> "CurveFit":
    """The fit with the interval of its model's profile likelihood."""
    from lutetia.kinetics.fitting.profile import profile_interval
    from lutetia.kinetics.models import KEYS

    key = KEYS.get(found.model)
    if key is None:
        raise InputError(
            f"{found.region}: --profile needs a sum of exponentials; {found.model!r} has no likelihood."
        )
    return replace(found, interval_95_bq_s=profile_interval(curve, key, decay_constant_per_s))


def _require_numbers(activity_mbq: float | None, half_life_h: float | None, sd_percent: float | None) -> None:
    """Refuse options that cannot be, by their name."""
    require_option(activity_mbq, "--activity-MBq", "MBq")
    require_option(half_life_h, "--effective-half-life-h", "h")
    if sd_percent is not None and not 0 <= sd_percent <= LARGEST_SD_PERCENT:
        raise InputError(f"--half-life-sd-percent {sd_percent:g}; expected from 0 to {LARGEST_SD_PERCENT:g}.")


def _print(document: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    title = f"{document['nuclide']}: time-integrated activity; ± is k=1"
    table = Table(title=title, title_justify="left", pad_edge=False, box=SIMPLE_HEAD)
    heads = ["region", "model", "T½\nh", "TIA\nMBq h", "95 %\nMBq h", "after\nlast %"]
    if any(row["time_integrated_activity_coefficient_h"] is not None for row in document["curves"]):
        heads.append("coeff.\nh")
    for head in heads:
        table.add_column(head, justify="left" if head in ("region", "model") else "right", overflow="fold")
    for row in document["curves"]:
        low_high = row["interval_95_MBq_h"]
        cells = [
            row["region"],
            row["model"],
            value_text(row["effective_half_life_h"], None),
            value_text(row["time_integrated_activity_MBq_h"], row["u_time_integrated_activity_MBq_h"]),
            "-" if low_high is None else f"{value_text(low_high[0], None)} to {value_text(low_high[1], None)}",
            f"{100 * row['extrapolated_fraction']:.0f}",
        ]
        if len(heads) > len(cells):
            cells.append(value_text(row["time_integrated_activity_coefficient_h"], None))
        table.add_row(*cells)
    console.print(table)
    for row in document["curves"]:
        for warning in row["warnings"]:
            console.print(f"[yellow]{row['region']}:[/yellow] {warning}", highlight=False)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]", soft_wrap=True)
