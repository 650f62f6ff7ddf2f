"""The command ``alpha``: doses of an alpha emitter and its daughters by radiation, from curves."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.figures import draw, require_new
from lutetia.app.cli.numbers import named_values, require_option
from lutetia.units import BQ_PER_MBQ, S_PER_H


def alpha(
    curves: Annotated[
        Path, typer.Argument(help="CSV with region, time_h, activity_MBq and, if known, u_MBq, of the parent.")
    ],
    nuclide: Annotated[str, typer.Option("--nuclide", help="Administered, for example Ac-225.")],
    sex: Annotated[Literal["male", "female"], typer.Option("--sex", help="Of the reference person.")],
    activity_mbq: Annotated[
        float | None, typer.Option("--activity-MBq", help="Administered: gives Gy per MBq. [MBq]")
    ] = None,
    mass_g: Annotated[
        list[str] | None,
        typer.Option("--mass-g", "--mass", help="kidneys=310 or kidneys=310,10%; again for more regions. [g]"),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="An organ without a curve; again for more.")
    ] = None,
    horizon_h: Annotated[
        float | None, typer.Option("--horizon-h", help="Decays after it do not count; 20 half-lives. [h]")
    ] = None,
    redistribution: Annotated[
        Path | None, typer.Option("--redistribution", help="YAML file of what daughters do.")
    ] = None,
    leaving: Annotated[
        Literal["published"] | None,
        typer.Option("--leaving", help="published: shipped fractions that come free, then ICRP 137."),
    ] = None,
    rbe: Annotated[float, typer.Option("--rbe", help="Of alpha particles and recoil nuclei.")] = 5.0,
    endpoint: Annotated[
        str, typer.Option("--endpoint", help="Effect that the RBE is for.")
    ] = "deterministic effects",
    model: Annotated[str, typer.Option("--model", help="auto, average, mono, bi, uptake, uptake-bi, ...")] = "auto",
    agent: Annotated[str, typer.Option("--agent", help="For parameters of its tissues.")] = "",
    half_lives: Annotated[
        Literal["ICRP-107", "newer"], typer.Option("--half-lives", help="Set of half-lives.")
    ] = "ICRP-107",
    calibration_u_percent: Annotated[
        float | None, typer.Option("--calibration-u-percent", min=0.0, max=100.0, help="Shared by all points.")
    ] = None,
    voxel_mm: Annotated[float, typer.Option("--voxel-mm", help="Of the images behind the curves. [mm]")] = 4.8,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the doses: a file .png, .pdf or .svg that must not exist.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Absorbed doses of an alpha emitter by radiation and chain member, RBE-weighted beside. Research use only."""
    with told_errors(as_json=json):
        require_option(activity_mbq, "--activity-MBq", "MBq")
        require_option(horizon_h, "--horizon-h", "h")
        require_option(voxel_mm, "--voxel-mm", "mm")
        if plot is not None:
            require_new(plot)
        from lutetia.app.cli.alpha_text import alpha_document, print_alpha
        from lutetia.app.workflow.chains import Wanted, alpha_doses, scenario_of
        from lutetia.app.workflow.prediction.source import Mass

        masses = {
            name: Mass(value_g=value, relative_u=u)
            for name, (value, u) in named_values(mass_g or (), "--mass-g", "310,10%").items()
        }
        wanted = Wanted(
            curves=curves, nuclide=nuclide, sex=sex, masses=masses, targets=tuple(target or ()),
            activity_bq=None if activity_mbq is None else activity_mbq * BQ_PER_MBQ,
            horizon_s=None if horizon_h is None else horizon_h * S_PER_H,
            scenario=scenario_of(nuclide, file=redistribution, released=leaving), rbe=rbe, endpoint=endpoint,
            model=model, agent=agent, half_life_data=half_lives, voxel_mm=voxel_mm,
            calibration_u=None if calibration_u_percent is None else calibration_u_percent / 100,
        )  # fmt: skip
        found = alpha_doses(wanted)
        document = alpha_document(found, wanted)
        if plot is not None:
            from lutetia.app.report.chains import chain_figure

            title = f"{found.chain.parent}, {found.scenario.name}"
            draw(
                plot,
                lambda: chain_figure(
                    [(title, [(region.dose.target, region.weighted) for region in found.regions])]
                ),
            )
            document["plot"] = str(plot)
        if json:
            print_json(document)
        else:
            print_alpha(document)
