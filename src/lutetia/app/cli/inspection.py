"""The ``inspect`` command: what a folder holds, as JSON or as tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lutetia.app.case.writing import case_document
from lutetia.app.proposal import Inspection
from lutetia.images.dicom.index import SeriesInfo
from lutetia.units import H_PER_S, KEV_PER_MEV, MBQ_PER_BQ


def _hours(series: SeriesInfo, found: Inspection) -> float | None:
    given = found.case.administration_time if found.case else None
    if given is None or series.start_time is None:
        return None
    return round((series.start_time - given).total_seconds() * H_PER_S, 3)


def _series_document(series: SeriesInfo, found: Inspection) -> dict[str, Any]:
    activity = series.administered_activity_bq
    return {
        "role": series.role,
        "modality": series.modality,
        "series_instance_uid": series.series_instance_uid,
        "study_instance_uid": series.study_instance_uid,
        "patient": series.patient_key,
        "n_files": series.n_files,
        "start_time": series.start_time.isoformat() if series.start_time else None,
        "hours_after_administration": _hours(series, found),
        "size": list(series.size) if series.size else None,
        "voxel_mm": list(series.voxel_mm) if series.voxel_mm else None,
        "energy_windows_keV": [
            [round(low * KEV_PER_MEV, 3), round(high * KEV_PER_MEV, 3)] for low, high in series.energy_windows_mev
        ],
        "unit": series.unit,
        "nuclide": series.nuclide,
        "administered_activity_MBq": None if activity is None else activity * MBQ_PER_BQ,
        "frame_of_reference_uid": series.frame_of_reference_uid or None,
        "manufacturer": series.manufacturer,
        "model": series.model,
        "collimator": series.collimator,
        "problems": list(series.problems),
    }


def inspection_document(found: Inspection) -> dict[str, Any]:
    """The inspection as a JSON document; keys as in docs/reference/json.md."""
    index = found.index
    return {
        "path": str(found.path),
        "n_files": index.n_files,
        "n_not_dicom": index.n_not_dicom,
        "unreadable": [{"file": name, "reason": reason} for name, reason in index.unreadable],
        "problems": list(index.problems),
        "series": [_series_document(series, found) for series in index.series],
        "case": None if found.case is None else case_document(found.case, folder=str(found.path)),
    }


def _windows(series: SeriesInfo) -> str:
    return ", ".join(f"{low * KEV_PER_MEV:.0f}-{high * KEV_PER_MEV:.0f}" for low, high in series.energy_windows_mev)


def _row(series: SeriesInfo, number: int, frames: dict[str, str]) -> list[str]:
    frame = frames.setdefault(series.frame_of_reference_uid, chr(ord("A") + len(frames) % 26))
    return [
        str(number),
        series.patient_key.removeprefix("patient "),
        series.role,
        f"{series.start_time:%Y-%m-%d %H:%M}" if series.start_time else "no date",
        str(series.n_files),
        "x".join(map(str, series.size)) if series.size else "-",
        "x".join(f"{v:.2f}" for v in series.voxel_mm) if series.voxel_mm else "-",
        series.unit or "-",
        frame if series.frame_of_reference_uid else "-",
    ]


def _remarks(found: Inspection) -> Iterator[str]:
    """Energy windows and problems, one line each."""
    for number, series in enumerate(found.index.series, 1):
        if series.energy_windows_mev:
            yield f"series {number}: energy windows {_windows(series)} keV"
    for problem in found.index.problems:
        yield f"[yellow]problem:[/yellow] {problem}"
    for number, series in enumerate(found.index.series, 1):
        for problem in series.problems:
            yield f"[yellow]series {number}:[/yellow] {problem}"
    for name, reason in found.index.unreadable:
        yield f"[red]unreadable:[/red] {name}: {reason}"


def print_inspection(found: Inspection, case_path: Path | None) -> None:
    """Show the series, their problems, and what to do next."""
    from rich.console import Console
    from rich.table import Table

    console, frames = Console(), dict[str, str]()
    table = Table(title=f"{found.index.n_files} files", title_justify="left", pad_edge=False)
    for head in ("#", "patient", "role", "start", "files", "size", "voxel / mm", "unit", "frame"):
        table.add_column(head, no_wrap=head in {"role", "start", "size", "unit"})
    for number, series in enumerate(found.index.series, 1):
        table.add_row(*_row(series, number, frames))
    console.print(table)
    for line in _remarks(found):
        console.print(line, highlight=False)
    if found.case is not None and case_path is None:
        console.print("Write a case file with: lutetia inspect PATH --case case.yaml", highlight=False)
    elif case_path is not None:
        console.print(f"Proposed case file: {case_path}", highlight=False)
