"""The command line: each command reads its options, calls one function and prints what comes back."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from lutetia.app.cli.agents import agents
from lutetia.app.cli.alpha import alpha
from lutetia.app.cli.biology import bed, ntcp
from lutetia.app.cli.calibration import calibrate
from lutetia.app.cli.cells import cells
from lutetia.app.cli.console import print_json, progress_bar, told_errors
from lutetia.app.cli.course import course
from lutetia.app.cli.cycles import cycles
from lutetia.app.cli.discharge import discharge
from lutetia.app.cli.eligibility import eligibility, protocols
from lutetia.app.cli.fitting import fit
from lutetia.app.cli.grades import grades
from lutetia.app.cli.kernels import kernel
from lutetia.app.cli.marrow import marrow
from lutetia.app.cli.modification import modification
from lutetia.app.cli.plan import plan
from lutetia.app.cli.population import population as population_commands
from lutetia.app.cli.predict import predict
from lutetia.app.cli.reads import dual_tracer, krenning
from lutetia.app.cli.reconstruction import reconstruct
from lutetia.app.cli.renal import renal
from lutetia.app.cli.s_values import svalues
from lutetia.app.cli.schedule import schedule
from lutetia.app.cli.spheres import sphere

application = typer.Typer(
    name="lutetia",
    help="From a scanner's DICOM folder to organ and lesion absorbed doses with uncertainty. Research use only.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

application.add_typer(calibrate)
application.add_typer(population_commands)
application.add_typer(course)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output folder if it exists.")]


def _version(asked: bool) -> None:
    if asked:
        from lutetia import __version__

        typer.echo(f"lutetia {__version__} (research use only)")
        raise typer.Exit


@application.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """From a scanner's DICOM folder to absorbed doses with uncertainty. Research use only."""


@application.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A folder (any tree) of DICOM files, or one file.")],
    case: Annotated[
        Path | None, typer.Option("--case", help="Write the proposed case file here (must not exist).")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the series in a folder, what is wrong or missing, and propose a case.yaml."""
    from lutetia.app.cli.inspection import inspection_document, print_inspection
    from lutetia.app.proposal import inspect_folder, write_proposal

    with told_errors(as_json=json):
        with progress_bar(quiet=quiet or json) as progress:
            found = inspect_folder(path, progress=progress)
        if case is not None:
            write_proposal(found, case)
        if json:
            print_json(inspection_document(found))
        else:
            print_inspection(found, case)


@application.command()
def run(
    path: Annotated[Path, typer.Argument(help="A DICOM folder, a folder of NIfTI images, or a case.yaml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made when all is done.")],
    activity_mbq: Annotated[
        float | None, typer.Option("--activity-MBq", help="Administered activity (net, at administration). [MBq]")
    ] = None,
    administered_at: Annotated[
        str | None, typer.Option("--administered-at", help="Local time, for example 2026-03-02T10:15.")
    ] = None,
    nuclide: Annotated[str | None, typer.Option("--nuclide", help="For example Lu-177.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="For example 177Lu-DOTATATE.")] = None,
    time_h: Annotated[
        list[float] | None,
        typer.Option("--time-h", help="Hours after administration of each scan, in order, if DICOM has no dates."),
    ] = None,
    sensitivity: Annotated[
        float | None, typer.Option("--sensitivity-cps-per-MBq", help="Of one detector head, peak window.")
    ] = None,
    sensitivity_uncertainty: Annotated[
        float | None, typer.Option("--sensitivity-uncertainty-percent", help="Standard uncertainty (k=1).")
    ] = None,
    collimator: Annotated[
        str | None, typer.Option("--collimator", help="Name in the collimator table, or a YAML file.")
    ] = None,
    calibration_record: Annotated[
        Path | None, typer.Option("--calibration-record", help="Take the sensitivity from a record (calibrate).")
    ] = None,
    regions: Annotated[
        list[Path] | None, typer.Option("--regions", help="RTSTRUCT, SEG or NIfTI label file(s) to use.")
    ] = None,
    reference: Annotated[str | None, typer.Option("--reference", help="Label of the reference scan.")] = None,
    registration: Annotated[
        bool, typer.Option("--registration/--no-registration", help="Register scans, or trust their frames.")
    ] = True,
    model: Annotated[
        str | None,
        typer.Option("--model", help="auto, average, mono, bi, ..., trapezoid, known, population, haenscheid2018."),
    ] = None,
    earlier: Annotated[
        Path | None, typer.Option("--earlier", help="dose.json of an earlier cycle: the patient's own kinetics.")
    ] = None,
    population: Annotated[
        Path | None, typer.Option("--population", help="Kinetics of a cohort (lutetia population fit).")
    ] = None,
    effective_half_life_h: Annotated[
        float | None, typer.Option("--effective-half-life-h", min=1e-6, help="Of all regions, for one scan. [h]")
    ] = None,
    half_life_sd_percent: Annotated[
        float | None, typer.Option("--half-life-sd-percent", min=0.0, help="Standard deviation of that half-life.")
    ] = None,
    method: Annotated[
        Literal["auto", "local", "kernel", "montecarlo", "organ"] | None,
        typer.Option("--method", help="Absorbed dose; auto: Monte Carlo if it fits the time budget, else kernel."),
    ] = None,
    time_budget: Annotated[
        float | None, typer.Option("--time-budget", min=0.0, help="For the Monte Carlo of auto; default 30. [s]")
    ] = None,
    uncertainty: Annotated[
        str | None, typer.Option("--uncertainty", help="Statistical (k=1), of named regions, for example 1%.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the Monte Carlo; default 1.")] = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """From images to the dose report."""
    from lutetia.app.case.reading import parse_percent, parse_time
    from lutetia.app.cli.results import print_result
    from lutetia.app.proposal import Given, make_case
    from lutetia.app.workflow import run_case

    with told_errors(as_json=json):
        when: datetime | None = parse_time(administered_at, "--administered-at") if administered_at else None
        given = Given(
            activity_mbq=activity_mbq,
            administered_at=when,
            nuclide=nuclide,
            agent=agent,
            time_h=tuple(time_h or ()),
            sensitivity_cps_per_mbq=sensitivity,
            sensitivity_uncertainty_percent=sensitivity_uncertainty,
            collimator=collimator,
            calibration_record=calibration_record,
            regions=tuple(regions or ()),
            reference=reference,
            registration=registration,
            model=model,
            effective_half_life_h=effective_half_life_h,
            half_life_sd_percent=half_life_sd_percent,
            earlier=earlier,
            population=population,
            method=method,
            time_budget_s=time_budget,
            relative_uncertainty=parse_percent(uncertainty, "--uncertainty") if uncertainty else None,
            seed=seed,
        )
        with progress_bar(quiet=quiet or json) as progress:
            case, index = make_case(path, given, progress=progress)
            document = run_case(case, index, out, force=force, progress=progress)
        if json:
            print_json(document)
        else:
            print_result(document)


application.command()(fit)
application.command()(reconstruct)
application.command()(sphere)
application.command()(cells)
application.command()(kernel)


@application.command()
def demo(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the results; a temporary one by default.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which virtual patient.")] = 1,
    sex: Annotated[str, typer.Option("--sex", help="male or female.")] = "male",
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Image a virtual patient, compute the doses from the raw DICOM, and compare them with the truth."""
    from lutetia.app.cli.results import print_result
    from lutetia.app.demo import run_demo

    with told_errors(as_json=json):
        with progress_bar(quiet=quiet or json) as progress:
            document = run_demo(out, seed=seed, sex=sex, force=force, progress=progress)
        if json:
            print_json(document)
        else:
            print_result(document)


@application.command()
def nuclide(
    name: Annotated[str, typer.Argument(help="For example Lu-177.")],
    json: Json = False,
) -> None:
    """Half-life, energies per decay, photon lines and progeny of a radionuclide."""
    from lutetia.app.cli.nuclides import nuclide_document, print_nuclide

    with told_errors(as_json=json):
        document = nuclide_document(name)
        if json:
            print_json(document)
        else:
            print_nuclide(document)


application.command()(svalues)
application.command()(marrow)
application.command()(bed)
application.command()(ntcp)
application.command()(cycles)
application.command()(renal)
application.command()(krenning)
application.command()(dual_tracer)
application.command()(grades)
application.command()(discharge)
application.command()(eligibility)
application.command()(protocols)
application.command()(agents)
application.command()(alpha)
application.command()(plan)
application.command()(predict)
application.command()(modification)
application.command()(schedule)


def main() -> None:
    """Entry point of the ``lutetia`` command."""
    application()
