"""The ``reconstruct`` command: raw NM projections to a quantitative image."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lutetia.app.cli.console import print_json, progress_bar, told_errors


def reconstruct(
    emission: Annotated[
        list[Path], typer.Argument(metavar="NM...", help="Raw NM files or folders: the beds of one scan.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made when all is done.")],
    ct: Annotated[Path | None, typer.Option("--ct", help="Folder with the CT of the session.")] = None,
    camera: Annotated[
        str | None,
        typer.Option("--camera", help="Camera file (YAML), or a collimator of the table; else by the header."),
    ] = None,
    nuclide: Annotated[
        list[str] | None, typer.Option("--nuclide", help="Else by the header; several: one image each.")
    ] = None,
    photopeak: Annotated[
        list[float] | None,
        typer.Option("--photopeak-keV", help="Several are reconstructed together; default: one."),
    ] = None,
    scatter: Annotated[
        Literal["auto", "tew", "dew", "model", "none"], typer.Option("--scatter", help="auto: by the windows.")
    ] = "auto",
    algorithm: Annotated[Literal["osem", "mlem", "bsrem"], typer.Option("--algorithm")] = "osem",
    iterations: Annotated[int, typer.Option("--iterations", min=1)] = 6,
    subsets: Annotated[int, typer.Option("--subsets", min=1)] = 6,
    until_change: Annotated[
        float | None, typer.Option("--until-change-percent", help="Stop when hot parts change less per iteration.")
    ] = None,
    penalty: Annotated[float, typer.Option("--penalty", min=0.0, help="Strength of the prior of bsrem.")] = 0.02,
    sensitivity: Annotated[
        list[float] | None, typer.Option("--sensitivity-cps-per-MBq", help="Per head; one for each nuclide.")
    ] = None,
    sensitivity_uncertainty: Annotated[
        float | None, typer.Option("--sensitivity-uncertainty-percent", help="Standard uncertainty (k=1).")
    ] = None,
    calibration_record: Annotated[
        Path | None, typer.Option("--calibration-record", help="Take the sensitivity from a record (calibrate).")
    ] = None,
    dead_time_us: Annotated[
        float, typer.Option("--dead-time-us", min=0.0, help="Of the whole spectrum. [us]")
    ] = 0.0,
    parent: Annotated[
        str | None, typer.Option("--parent", help="Nuclide by which daughters decay (Ac-225).")
    ] = None,
    trust_frames: Annotated[
        bool, typer.Option("--trust-frames", help="Emission and CT lie in one frame though they name two.")
    ] = False,
    device: Annotated[Literal["cpu", "cuda"], typer.Option("--device", help="Where to project.")] = "cpu",
    force: Annotated[bool, typer.Option("--force", help="Replace the output folder if Lutetia made it.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """From raw NM projections to a quantitative SPECT image (DICOM, NIfTI, picture)."""
    from lutetia.app.case.settings import CameraSettings, Case, ReconstructionSettings
    from lutetia.app.workflow.reconstruct import Request, reconstruct_to_folder, sensitivities

    with told_errors(as_json=json):
        case = Case(
            folder=Path(),
            camera=CameraSettings(
                collimator=camera,
                record=str(calibration_record.resolve()) if calibration_record else None,
                sensitivity_relative_uncertainty=sensitivity_uncertainty / 100 if sensitivity_uncertainty else None,
                dead_time_s=dead_time_us * 1e-6,
            ),
            reconstruction=ReconstructionSettings(
                algorithm=algorithm,
                iterations=iterations,
                subsets=subsets,
                scatter=scatter,
                photopeaks_mev=tuple(energy / 1000 for energy in photopeak or ()),
                until_change=until_change / 100 if until_change else None,
                penalty=penalty,
                device=device,
            ),
        )
        request = Request(
            emission=tuple(emission),
            ct=ct,
            case=case,
            nuclides=tuple(nuclide or ()),
            sensitivities_cps_per_bq=sensitivities(sensitivity or ()),
            parent=parent,
            trust_frames=trust_frames,
        )
        with progress_bar(quiet=quiet or json) as progress:
            document = reconstruct_to_folder(request, out, force=force, progress=progress)
        if json:
            print_json(document)
        else:
            _print(document)


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=document["method"], title_justify="left", pad_edge=False)
    for head in ("bed", "photopeak\nkeV", "window\nkeV", "counts", "scatter\n%", "weight", "views"):
        table.add_column(head, justify="right")
    for number, bed in enumerate(document["beds"], 1):
        for peak in bed["peaks"]:
            low, high = peak["window_keV"]
            table.add_row(
                str(number),
                f"{peak['photopeak_keV']:.0f}",
                f"{low:.0f}-{high:.0f}",
                f"{peak['counts']:.3g}",
                f"{100 * peak['scatter_share']:.1f}",
                f"{peak['weight']:.2f}",
                str(bed["views_used"]),
            )
    console.print(table)
    for image in document["images"]:
        total = image["total_activity_MBq"]
        known = f"{total:.4g} MBq in the field of view" if total is not None else "counts/s, not calibrated"
        console.print(f"{image['nuclide']}: {known}; {', '.join(image['files'])}", highlight=False)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"Results: {document['out']}. Research use only.", highlight=False)
