"""The whole way from images to a dose report, as a list of steps."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from lutetia.app.case.settings import Case
from lutetia.app.report.content import ReportContent
from lutetia.app.workflow.chains.followed import followed_chain
from lutetia.app.workflow.delineate import choose_reference, contour_sources, find_regions, register_scans
from lutetia.app.workflow.doses.maps import patient_maps, registered_time_points
from lutetia.app.workflow.doses.methods import compute_methods
from lutetia.app.workflow.doses.organs import coefficients_of
from lutetia.app.workflow.doses.results import region_results
from lutetia.app.workflow.kinetics.regions import kinetics_choice
from lutetia.app.workflow.kinetics.voxels import voxel_maps
from lutetia.app.workflow.load import LoadedScan, load_scans, require_known, require_times
from lutetia.app.workflow.marrow.section import impossible_coefficients, marrow_section, require_marrow_inputs
from lutetia.app.workflow.measure import curves_of, fit_all, measure_scans
from lutetia.app.workflow.output import finished_folder, refuse_unsafe_output
from lutetia.app.workflow.quantify import QuantifiedScan, calibrated, quantify_scan
from lutetia.app.workflow.summary import checklist_of, methods_of, provenance_of, scan_summaries
from lutetia.app.workflow.write import write_all
from lutetia.errors import InputError
from lutetia.images.acquisition import Administration
from lutetia.images.dicom.index import DicomIndex
from lutetia.kinetics.consistency import impossible_totals, require_possible
from lutetia.physics.nuclides import Nuclide, nuclide

Progress = Callable[[str, float], None]

__all__ = ["run_case"]


def run_case(
    case: Case,
    index: DicomIndex | None,
    out: Path,
    *,
    force: bool = False,
    truth_gy: Mapping[str, float] | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Compute the doses of a case and write the report.

    Parameters
    ----------
    case : what belongs together, and what DICOM does not say
    index : of the case's DICOM folder, None for NIfTI only
    out : folder for the results; it appears when all is done
    force : replace ``out`` if Lutetia made it
    truth_gy : true doses of a virtual patient, to stand beside the computed ones
    progress : called with a text and the fraction done

    Returns
    -------
    The document of dose.json.

    Raises
    ------
    LutetiaError
        One of its kinds, with a message that says what to do; nothing is left in ``out``.
    """
    started = datetime.now()
    refuse_unsafe_output(out, inputs=(case.folder,), force=force)
    require_times(case, index)
    element = nuclide(str(case.nuclide))
    require_marrow_inputs(case)
    choice = kinetics_choice(case)
    chain = followed_chain(case, element)
    table = coefficients_of(case, element.name, chain)
    loaded = load_scans(case, index, progress=_part(progress, 0.0, 0.08))
    _require_possible_counts(element, loaded)
    case = calibrated(case, element, loaded)
    given = require_known(case, index)
    choice = replace(choice, administered_activity_bq=given.activity_bq)
    scans = _quantified(case, element, loaded, _part(progress, 0.08, 0.45))
    _require_possible_activities(element, scans, given)
    sources = contour_sources(case, index)
    reference = choose_reference(case, loaded, sources)
    registrations = register_scans(case, loaded, reference, progress=_part(progress, 0.45, 0.55))
    regions = find_regions(case, scans[reference], sources, progress=_part(progress, 0.55, 0.58))
    step = _part(progress, 0.58, 0.85)
    measured = measure_scans(case, scans, regions, registrations, reference, progress=step)
    curves = curves_of(scans, measured)
    fits, unfitted = fit_all(choice, element, curves, regions)
    progress("Absorbed dose", 0.86)
    summaries, scatter = scan_summaries(scans, registrations), scans[reference].scatter_to_primary
    # counts and models of the reconstructions have done their work; they are a third of the memory
    scans = [replace(scan, reconstruction=None) for scan in scans]
    points = registered_time_points(scans, registrations, reference)
    occupancy = measured[reference].occupancy
    voxels = voxel_maps(case, element, points, reference, occupancy, fits)
    maps = patient_maps(
        element,
        regions,
        scans[reference],
        points,
        occupancy,
        fits,
        None if voxels is None else voxels.shape,
        chain,
    )
    parts = () if chain is None else chain.parts(fits, curves)
    methods = compute_methods(case.dose, maps, table, parts=parts, progress=_part(progress, 0.86, 0.9))
    results = region_results(case, choice, regions, maps, methods, measured, curves, fits, scatter)
    warnings = (
        *case.warnings, *_of(loaded), *_of(scans), *(w for r in registrations for w in r.warnings), *regions.warnings,
        *(w for m in measured for w in m.warnings), *unfitted, *maps.warnings, *methods.warnings,
        *impossible_coefficients(element, given, results),
        *(() if voxels is None else voxels.warnings),
        *(() if chain is None else (*chain.warnings, *methods.result.warnings)),
    )  # fmt: skip
    content = ReportContent(
        subject=case.subject,
        administration=given,
        scans=summaries,
        time_points=points,
        reference=loaded[reference].label,
        ct=loaded[reference].ct,
        regions=regions,
        time_integrated_activity=maps.time_integrated_activity,
        dose=methods.voxels,
        results=results,
        methods=methods_of(case, scans, registrations, regions, results, methods),
        warnings=tuple(dict.fromkeys(warnings)),
        provenance=provenance_of(case, loaded, started, methods.record()),
        checklist=checklist_of(case, loaded),
        truth_gy=truth_gy,
        marrow=marrow_section(case, element, table, given, results),
        unseen=() if chain is None else chain.unseen(max(maps.density.grid.spacing_mm)),
    )
    progress("Writing the report", 0.9)
    with finished_folder(out) as folder:
        more = {} if voxels is None else voxels.files(maps.time_integrated_activity)
        return write_all(
            content, loaded[reference], folder, out.resolve(), more, progress=_part(progress, 0.9, 1.0)
        )


def _part(progress: Progress, start: float, end: float) -> Progress:
    return lambda text, fraction: progress(text, start + fraction * (end - start))


def _of(items: Any) -> list[str]:
    return [warning for item in items for warning in item.warnings]


def _quantified(
    case: Case, element: Nuclide, loaded: tuple[LoadedScan, ...], progress: Progress
) -> list[QuantifiedScan]:
    scans = []
    for number, scan in enumerate(loaded):
        part = _part(progress, number / len(loaded), (number + 1) / len(loaded))
        part(f"Reconstructing {scan.label}", 0.0)
        scans.append(quantify_scan(case, element, scan, progress=part))
    return scans


def _require_possible_counts(element: Nuclide, loaded: tuple[LoadedScan, ...]) -> None:
    """Stop before anything else when images that are given as such rise faster than decay allows."""
    images = [scan for scan in loaded if scan.image is not None]
    totals = [float(scan.image.values.sum(dtype="float64")) for scan in images if scan.image is not None]
    units = {scan.image.unit for scan in images if scan.image is not None}
    if len(images) != len(loaded) or len(units) > 1:
        return
    if not max(totals) > 0:
        raise InputError("All images hold zero counts; check that the right series were exported.")
    require_possible(
        impossible_totals(
            labels=[scan.label for scan in images],
            time_s=[scan.time_s for scan in images],
            total=totals,
            decay_constant_per_s=element.decay_constant_per_s,
        )
    )


def _require_possible_activities(element: Nuclide, scans: list[QuantifiedScan], given: Administration) -> None:
    require_possible(
        impossible_totals(
            labels=[scan.loaded.label for scan in scans],
            time_s=[scan.loaded.time_s for scan in scans],
            total=[scan.total_activity_bq for scan in scans],
            decay_constant_per_s=element.decay_constant_per_s,
            administered_activity_bq=given.activity_bq,
        )
    )
