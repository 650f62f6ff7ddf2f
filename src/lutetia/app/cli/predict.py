"""The command ``predict``: doses and activity of a therapeutic nuclide from images of its imaging partner."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lutetia.app.cli.console import print_json, progress_bar, told_errors
from lutetia.app.cli.numbers import named_values, require_option
from lutetia.units import BQ_PER_MBQ, S_PER_H

if TYPE_CHECKING:
    from lutetia.app.workflow.prediction.source import Beside
    from lutetia.kinetics.pairs.uptake import UptakeRatio


def predict(
    source: Annotated[
        Path,
        typer.Option("--from", help="Output folder of lutetia run, a case.yaml, or a CSV of curves as for fit."),
    ],
    imaging: Annotated[str, typer.Option("--imaging", help="Nuclide of the images, for example Pb-203.")],
    therapy: Annotated[str, typer.Option("--therapy", help="Nuclide of the therapy, for example Pb-212.")],
    activity_mbq: Annotated[
        float | None,
        typer.Option("--imaging-activity-MBq", help="Administered for the images; a run knows it. [MBq]"),
    ] = None,
    agent: Annotated[
        str, typer.Option("--agent", help="For example 177Lu-HA-DOTATATE: its ratios and half-lives.")
    ] = "",
    limit: Annotated[
        list[str] | None, typer.Option("--limit", help="As of plan: kidney-23Gy, marrow-2Gy; again for more.")
    ] = None,
    kidney_limit_gy: Annotated[
        float | None, typer.Option("--kidney-limit", help="Limit of the dose to each kidney. [Gy]")
    ] = None,
    limit_is: Annotated[
        Literal["absorbed", "rbe-weighted"], typer.Option("--limit-is", help="The dose that limits are of.")
    ] = "absorbed",
    probability: Annotated[str, typer.Option("--probability", help="With which a limit may be passed.")] = "5%",
    rbe: Annotated[float, typer.Option("--rbe", help="Of alpha particles and recoil nuclei.")] = 5.0,
    rbe_endpoint: Annotated[
        str, typer.Option("--rbe-endpoint", help="Effect that the RBE is for.")
    ] = "deterministic effects",
    ratio: Annotated[
        list[str] | None,
        typer.Option("--uptake-ratio", help="Therapy over imaging: kidney=0.49,15%; again for more regions."),
    ] = None,
    mass_g: Annotated[
        list[str] | None, typer.Option("--mass-g", help="kidneys=310,10%; again for more regions. [g]")
    ] = None,
    calibration_u_percent: Annotated[
        float | None,
        typer.Option("--calibration-u-percent", min=0.0, max=100.0, help="Shared by all points of a CSV."),
    ] = None,
    model: Annotated[str, typer.Option("--model", help="auto, average, mono, bi, uptake, uptake-bi, ...")] = "auto",
    prior: Annotated[
        Literal["none", "population"],
        typer.Option("--prior", help="population: shipped half-lives of the agent for what scans did not see."),
    ] = "none",
    population: Annotated[
        Path | None, typer.Option("--population", help="Kinetics of a cohort (lutetia population fit) for that.")
    ] = None,
    horizon_h: Annotated[
        float | None, typer.Option("--horizon-h", help="Decays after it do not count; 20 half-lives. [h]")
    ] = None,
    redistribution: Annotated[
        Path | None, typer.Option("--redistribution", help="YAML file of what daughters of the therapy do.")
    ] = None,
    leaving: Annotated[
        Literal["published"] | None,
        typer.Option("--leaving", help="published: shipped fractions that come free, then ICRP 137."),
    ] = None,
    sex: Annotated[Literal["male", "female"] | None, typer.Option("--sex", help="Of the reference person.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Doses and activity of a therapeutic nuclide from images of its imaging partner. Research use only."""
    with told_errors(as_json=json):
        require_option(activity_mbq, "--imaging-activity-MBq", "MBq")
        require_option(horizon_h, "--horizon-h", "h")
        from lutetia.app.case.reading import parse_percent
        from lutetia.app.cli.predict_text import prediction_document, print_prediction
        from lutetia.app.workflow.chains import scenario_of
        from lutetia.app.workflow.prediction import Wanted
        from lutetia.app.workflow.prediction import predict as predicted
        from lutetia.app.workflow.prediction.limits import Weighting

        wanted = Wanted(
            source=source, imaging=imaging, therapy=therapy,
            beside=_beside(activity_mbq, mass_g or (), calibration_u_percent, agent), ratios=_ratios(ratio or ()),
            limits=tuple(limit or ()), kidney_limit_gy=kidney_limit_gy,
            probability=parse_percent(probability, "--probability"),
            weighting=Weighting(rbe=rbe, endpoint=rbe_endpoint, limits_weighted=limit_is == "rbe-weighted"),
            model=model, prior=prior == "population", population=population,
            horizon_s=None if horizon_h is None else horizon_h * S_PER_H, sex=sex,
            scenario=scenario_of(therapy, file=redistribution, released=leaving),
        )  # fmt: skip
        with progress_bar(quiet=quiet or json) as progress:
            found = predicted(wanted, progress=progress)
        document = prediction_document(found, wanted)
        if json:
            print_json(document)
        else:
            print_prediction(document)


def _beside(activity_mbq: float | None, mass_g: Sequence[str], calibration: float | None, agent: str) -> "Beside":
    from lutetia.app.workflow.prediction.source import Beside, Mass

    masses = {
        name: Mass(value_g=value, relative_u=u)
        for name, (value, u) in named_values(mass_g, "--mass-g", "310,10%").items()
    }
    return Beside(
        activity_bq=None if activity_mbq is None else activity_mbq * BQ_PER_MBQ, masses=masses,
        calibration_u=None if calibration is None else calibration / 100, agent=agent,
    )  # fmt: skip


def _ratios(given: Sequence[str]) -> "dict[str, UptakeRatio]":
    from lutetia.kinetics.pairs.uptake import UptakeRatio

    return {
        name: UptakeRatio(
            value=value, relative_u=u, source="given by the user", verified=True,
            warnings=() if u is not None else (
                "The uncertainty of the uptake ratio was not given, so that of the dose is unknown.",
            ),
        )
        for name, (value, u) in named_values(given, "--uptake-ratio", "0.49,15%").items()
    }  # fmt: skip
