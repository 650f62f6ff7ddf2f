"""The ``calibrate`` commands: measure sensitivity, dead time and recovery, and keep them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lutetia.app.cli.console import print_json, progress_bar, told_errors

calibrate = typer.Typer(
    name="calibrate",
    help="Calibrate a gamma camera: sensitivity, dead time, recovery; and keep the measurements in a record.",
    no_args_is_help=True,
)

Camera = Annotated[str | None, typer.Option("--camera", help="Name in the record; by default that of the file.")]
Collimator = Annotated[str | None, typer.Option("--collimator", help="Name in the record; by default the file's.")]
Nuclide = Annotated[str, typer.Option("--nuclide", help="For example Lu-177.")]
Window = Annotated[
    tuple[float, float] | None, typer.Option("--window-keV", help="Lower and upper limit, where no file says it.")
]
Activity = Annotated[float, typer.Option("--activity-MBq", help="Net activity of the source. [MBq]")]
ActivityAt = Annotated[str, typer.Option("--activity-at", help="Local time of it, for example 2026-03-02T10:15.")]
ActivityPercent = Annotated[
    float | None, typer.Option("--activity-uncertainty-percent", help="Standard uncertainty (k=1).")
]
Clocks = Annotated[
    float | None, typer.Option("--clock-uncertainty-s", help="Standard difference of the clocks; else 60 s, told.")
]
Meter = Annotated[str, typer.Option("--meter", help="Which activity meter; the same one's error cancels in drift.")]
Date = Annotated[str | None, typer.Option("--date", help="Start of the acquisition, where no file says it.")]
Peak = Annotated[float | None, typer.Option("--photopeak-keV", help="Default: the strongest line with a window.")]
DeadTime = Annotated[float, typer.Option("--dead-time-us", help="Of the whole spectrum; corrected for. [us]")]
Record = Annotated[Path | None, typer.Option("--record", help="Append to this calibration record (JSON).")]
By = Annotated[str, typer.Option("--by", help="Who adds it; needed with --record.")]
Supersedes = Annotated[str, typer.Option("--supersedes", help="Entry that this one corrects, for example 0003.")]
Note = Annotated[str, typer.Option("--note", help="Why.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]


@calibrate.command()
def planar(
    nuclide: Nuclide,
    activity_mbq: Activity,
    activity_at: ActivityAt,
    file: Annotated[
        Path | None, typer.Argument(help="Static NM image of the source; else give the numbers.")
    ] = None,
    counts: Annotated[float | None, typer.Option("--counts", help="In the window, of all heads together.")] = None,
    duration_s: Annotated[float | None, typer.Option("--duration-s", help="Of the acquisition. [s]")] = None,
    heads: Annotated[int, typer.Option("--heads", help="Number of heads whose counts these are.")] = 1,
    background_counts: Annotated[float | None, typer.Option("--background-counts", help="Without source.")] = None,
    background_duration_s: Annotated[float | None, typer.Option("--background-duration-s", help="[s]")] = None,
    background: Annotated[Path | None, typer.Option("--background", help="Static NM image without source.")] = None,
    head: Annotated[int | None, typer.Option("--head", help="Use this head of the file only, from 1.")] = None,
    scatter: Annotated[
        Literal["auto", "tew", "dew", "none"], typer.Option("--scatter", help="Taken out by; auto: by the windows.")
    ] = "auto",
    depth_mm: Annotated[float, typer.Option("--depth-mm", help="Depth of liquid the photons leave. [mm]")] = 0.0,
    depth_percent: Annotated[
        float | None, typer.Option("--depth-uncertainty-percent", help="Uncertainty (k=1) of that correction.")
    ] = None,
    activity_percent: ActivityPercent = None,
    clocks_s: Clocks = None,
    meter: Meter = "",
    camera: Camera = None,
    collimator: Collimator = None,
    window_kev: Window = None,
    photopeak_kev: Peak = None,
    dead_time_us: DeadTime = 0.0,
    date: Date = None,
    record: Record = None,
    by: By = "",
    supersedes: Supersedes = "",
    note: Note = "",
    json: Json = False,
) -> None:
    """Sensitivity of one head from a source in front of the camera."""
    from lutetia.app.cli.calibration_given import Given, planar_measurement
    from lutetia.app.cli.calibration_text import keep, print_measurement, require_ready

    with told_errors(as_json=json):
        require_ready(record, by)
        given = Given(
            nuclide=nuclide,
            activity_mbq=activity_mbq,
            activity_at=activity_at,
            activity_percent=activity_percent,
            clocks_s=clocks_s,
            meter=meter,
            camera=camera,
            collimator=collimator,
            window_kev=window_kev,
            photopeak_kev=photopeak_kev,
            dead_time_us=dead_time_us,
            date=date,
        )
        measured = planar_measurement(
            given,
            file=file,
            background=background,
            numbers=(counts, duration_s, heads, background_counts, background_duration_s),
            head=head,
            scatter=scatter,
            depth_mm=depth_mm,
            depth_percent=depth_percent,
        )
        document = keep(measured, record, by=by, supersedes=supersedes, note=note)
        print_json(document) if json else print_measurement(document, record)


@calibrate.command()
def tomographic(
    file: Annotated[Path, typer.Argument(help="Raw NM tomo of the phantom, one bed.")],
    ct: Annotated[Path, typer.Option("--ct", help="Folder with the phantom's CT.")],
    nuclide: Nuclide,
    activity_mbq: Activity,
    activity_at: ActivityAt,
    collimator: Annotated[str, typer.Option("--collimator", help="Name in the collimator table, or a YAML file.")],
    phantom_ml: Annotated[
        float | None, typer.Option("--phantom-mL", help="Volume of a uniform phantom: its inside counts. [mL]")
    ] = None,
    phantom_percent: Annotated[
        float | None, typer.Option("--phantom-uncertainty-percent", help="Of that volume (k=1).")
    ] = None,
    margin_mm: Annotated[float, typer.Option("--margin-mm", help="How far inside. [mm]")] = 25.0,
    iterations: Annotated[int, typer.Option("--iterations", help="As for patients.")] = 6,
    subsets: Annotated[int, typer.Option("--subsets", help="As for patients.")] = 6,
    scatter: Annotated[Literal["tew", "dew", "none"], typer.Option("--scatter", help="As for patients.")] = "tew",
    activity_percent: ActivityPercent = None,
    clocks_s: Clocks = None,
    meter: Meter = "",
    camera: Camera = None,
    photopeak_kev: Peak = None,
    dead_time_us: DeadTime = 0.0,
    date: Date = None,
    record: Record = None,
    by: By = "",
    supersedes: Supersedes = "",
    note: Note = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Sensitivity of one head from a phantom, reconstructed as patients are."""
    from lutetia.app.cli.calibration_given import Given, tomographic_measurement
    from lutetia.app.cli.calibration_text import keep, print_measurement, require_ready

    with told_errors(as_json=json):
        require_ready(record, by)
        given = Given(
            nuclide=nuclide,
            activity_mbq=activity_mbq,
            activity_at=activity_at,
            activity_percent=activity_percent,
            clocks_s=clocks_s,
            meter=meter,
            camera=camera,
            collimator=collimator,
            photopeak_kev=photopeak_kev,
            dead_time_us=dead_time_us,
            date=date,
        )
        with progress_bar(quiet=quiet or json) as progress:
            measured = tomographic_measurement(
                given,
                file,
                ct,
                settings=(iterations, subsets, scatter),
                phantom=(phantom_ml, phantom_percent, margin_mm),
                progress=progress,
            )
        document = keep(measured, record, by=by, supersedes=supersedes, note=note)
        print_json(document) if json else print_measurement(document, record)


@calibrate.command("dead-time")
def dead_time(
    nuclide: Nuclide,
    camera: Camera,
    collimator: Collimator,
    window_kev: Window,
    date: Date,
    table: Annotated[
        Path | None, typer.Argument(help="CSV: time_h or activity_MBq, rate_cps, u_rate_cps or duration_s.")
    ] = None,
    two_sources: Annotated[
        tuple[float, float, float] | None,
        typer.Option("--two-sources-cps", help="Rates of the first, the second, and both together."),
    ] = None,
    duration_s: Annotated[
        float | None, typer.Option("--duration-s", help="Of each of the two-source counts.")
    ] = None,
    background_cps: Annotated[float, typer.Option("--background-cps", help="Rate without source.")] = 0.0,
    activity_percent: ActivityPercent = None,
    record: Record = None,
    by: By = "",
    supersedes: Supersedes = "",
    note: Note = "",
    json: Json = False,
) -> None:
    """Non-paralysable dead time from count rates in the whole spectrum of one head."""
    from lutetia.app.cli.calibration_given import Given, dead_time_measurement
    from lutetia.app.cli.calibration_text import keep, print_measurement, require_ready

    with told_errors(as_json=json):
        require_ready(record, by)
        given = Given(
            nuclide=nuclide,
            camera=camera,
            collimator=collimator,
            window_kev=window_kev,
            date=date,
            activity_percent=activity_percent,
        )
        measured = dead_time_measurement(
            given, table, two_sources=two_sources, duration_s=duration_s, background_cps=background_cps
        )
        document = keep(measured, record, by=by, supersedes=supersedes, note=note)
        print_json(document) if json else print_measurement(document, record)


@calibrate.command()
def recovery(
    table: Annotated[Path, typer.Argument(help="CSV: diameter_mm or volume_mL, measured_over_true, u.")],
    nuclide: Nuclide,
    camera: Camera,
    collimator: Collimator,
    window_kev: Window,
    date: Date,
    model: Annotated[
        Literal["logistic", "plateau"], typer.Option("--model", help="Curve up to 1, or to a fitted plateau.")
    ] = "logistic",
    common_percent: Annotated[
        float, typer.Option("--common-uncertainty-percent", help="Of what all spheres share (k=1).")
    ] = 0.0,
    contrast: Annotated[
        float | None, typer.Option("--sphere-to-background", help="Ratio of concentrations; none for cold.")
    ] = None,
    reconstruction: Annotated[str, typer.Option("--reconstruction", help="Iterations, corrections, filter.")] = "",
    record: Record = None,
    by: By = "",
    supersedes: Supersedes = "",
    note: Note = "",
    json: Json = False,
) -> None:
    """Recovery curve from spheres of known concentration."""
    from lutetia.app.cli.calibration_given import Given, recovery_measurement
    from lutetia.app.cli.calibration_text import keep, print_measurement, require_ready

    with told_errors(as_json=json):
        require_ready(record, by)
        given = Given(nuclide=nuclide, camera=camera, collimator=collimator, window_kev=window_kev, date=date)
        measured = recovery_measurement(
            given,
            table,
            model=model,
            common_percent=common_percent,
            sphere_to_background=contrast,
            reconstruction=reconstruction,
        )
        document = keep(measured, record, by=by, supersedes=supersedes, note=note)
        print_json(document) if json else print_measurement(document, record)


@calibrate.command()
def show(
    record: Annotated[Path, typer.Argument(help="A calibration record.")],
    nuclide: Annotated[str | None, typer.Option("--nuclide", help="Show the factor in force for this one.")] = None,
    collimator: Collimator = None,
    window_kev: Window = None,
    camera: Camera = None,
    at: Annotated[str | None, typer.Option("--at", help="On this day; today by default.")] = None,
    valid_days: Annotated[float, typer.Option("--valid-days", help="Older factors are told of.")] = 365.0,
    json: Json = False,
) -> None:
    """List a calibration record, and the factor that holds on a day."""
    from lutetia.app.cli.calibration_given import Given, factor_asked_for
    from lutetia.app.cli.calibration_text import print_record, record_document
    from lutetia.recon.calibrate.record import read_record

    with told_errors(as_json=json):
        held = read_record(record)
        given = Given(nuclide=nuclide or "", camera=camera, collimator=collimator, window_kev=window_kev)
        document = record_document(held, factor_asked_for(held, given, at=at, valid_days=valid_days))
        print_json(document) if json else print_record(document)
