"""All output files of a run."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lutetia.app.report.content import ReportContent
from lutetia.app.report.tables import write_tables
from lutetia.app.workflow.load import LoadedScan
from lutetia.images.dicom.open import open_dicom
from lutetia.images.dicom.write_common import Identity, identity_from_dataset
from lutetia.images.dicom.write_parametric_map import write_parametric_map
from lutetia.images.dicom.write_rtdose import write_rtdose
from lutetia.images.dicom.write_seg import write_seg
from lutetia.images.nifti import write_nifti
from lutetia.images.volume import Volume

Progress = Callable[[str, float], None]


def write_all(
    content: ReportContent,
    reference: LoadedScan,
    folder: Path,
    out: Path,
    more: Mapping[str, Volume],
    *,
    progress: Progress,
) -> dict[str, Any]:
    """Write tables, pictures, report, DICOM and NIfTI into a folder; returns the document of dose.json.

    ``more`` are maps that are written as NIfTI under their names.
    """
    from lutetia.app.report.figures import all_figures
    from lutetia.app.report.html import write_html
    from lutetia.app.report.pdf import write_pdf

    document = write_tables(content, folder, out)
    progress("Drawing", 0.1)
    figures = all_figures(content)
    pictures = folder / "figures"
    pictures.mkdir()
    for name, data in figures.items():
        suffix = "svg" if data.lstrip()[:1] == b"<" else "png"
        (pictures / f"{name}.{suffix}").write_bytes(data)
    write_html(content, figures, folder / "report.html")
    write_pdf(content, figures, folder / "report.pdf")
    progress("Writing NIfTI and DICOM", 0.6)
    _write_nifti(content, folder / "nifti", more)
    if reference.ct_files or not reference.emission_files[0].name.endswith((".nii", ".nii.gz")):
        _write_dicom(content, reference, folder / "dicom")
    provenance = {**content.provenance, "warnings": list(content.warnings)}
    (folder / "provenance.json").write_text(json.dumps(provenance, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return document


def _write_nifti(content: ReportContent, folder: Path, more: Mapping[str, Volume]) -> None:
    folder.mkdir()
    write_nifti(content.dose, folder / "absorbed_dose_Gy.nii.gz")
    write_nifti(content.time_integrated_activity, folder / "time_integrated_activity_Bq_s_per_mL.nii.gz")
    write_nifti(content.regions, folder / "regions.nii.gz")
    for name, volume in more.items():
        write_nifti(volume, folder / f"{name}.nii.gz")


def _write_dicom(content: ReportContent, reference: LoadedScan, folder: Path) -> None:
    """Dose, time-integrated activity and regions for other systems; they carry the identity of the source images."""
    folder.mkdir()
    sources = reference.ct_files or reference.emission_files
    identity: Identity = identity_from_dataset(open_dicom(sources[0]))
    write_rtdose(content.dose, folder / "absorbed_dose_rtdose.dcm", identity=identity, source_files=sources)
    write_parametric_map(
        content.dose,
        folder / "absorbed_dose_map.dcm",
        identity=identity,
        source_files=sources,
        quantity="absorbed dose",
    )
    write_parametric_map(
        content.time_integrated_activity,
        folder / "time_integrated_activity_map.dcm",
        identity=identity,
        source_files=sources,
        quantity="time-integrated activity",
    )
    write_seg(content.regions, folder / "regions_seg.dcm", identity=identity, source_files=sources)
