"""The red marrow of a run: samples that the case names, the images' regions, and what they give together."""

import re
from collections.abc import Sequence
from typing import Final

from lutetia.app.case.settings import Case
from lutetia.app.report.content import RegionResult
from lutetia.app.report.marrow import MarrowSection
from lutetia.app.workflow.marrow.assess import MarrowMeasurements, assess_marrow
from lutetia.app.workflow.marrow.samples import read_blood, read_whole_body
from lutetia.app.workflow.measure import REMAINDER
from lutetia.dose.marrow.cross import RED_MARROW
from lutetia.dose.marrow.methods import ImagedMarrow
from lutetia.dose.marrow.parameters import published_marrow_doses
from lutetia.dose.marrow.result import Decays, MarrowDose
from lutetia.dose.organ_level.coefficients import ReferenceTable
from lutetia.errors import MissingDataError
from lutetia.images.acquisition import Administration
from lutetia.kinetics.coefficients import impossible_sum, time_integrated_activity_coefficient
from lutetia.physics.nuclides import Nuclide

LUMBAR: Final = re.compile(r"^vertebra L[1-5]$")
DOSE_MAP: Final = "image, as the other regions"


def require_marrow_inputs(case: Case) -> None:
    """Raise before any work when samples are given that no S coefficients could use.

    Raises
    ------
    MissingDataError
        Blood or whole body without the sex of the reference person, or a file that is not there.
    """
    settings = case.marrow
    for key, name in (("blood", settings.blood), ("whole_body", settings.whole_body)):
        if name is None:
            continue
        if case.dose.sex is None:
            raise MissingDataError(f"{key} needs dose: sex (male or female), whose S coefficients to take.")
        if not (case.folder / name).is_file():
            raise MissingDataError(f"{key}: there is no file {name} in the case's folder.")


def marrow_section(
    case: Case,
    nuclide: Nuclide,
    table: ReferenceTable | None,
    given: Administration,
    results: Sequence[RegionResult],
) -> MarrowSection | None:
    """Red marrow by all methods that the case allows; None when it allows none."""
    mapped = [_as_reported(result) for result in results if result.region == RED_MARROW]
    with_daughters = any(result.chain is not None for result in results)
    if table is None or RED_MARROW not in table.targets or with_daughters:
        if not mapped:
            return None
        why = "Other methods need dose: sex, and blood samples (blood) for the blood-based ones."
        if with_daughters:
            why = "Other methods do not follow daughters, and are not given for alpha emitters."
        return MarrowSection(
            administered_activity_bq=given.activity_bq,
            doses=tuple(mapped),
            published=published_marrow_doses(nuclide.name, given.agent),
            warnings=(why,),
        )
    found = assess_marrow(_measurements(case, nuclide, given, results), table, nuclide)
    if not mapped and not found.doses:
        return None
    return MarrowSection(
        administered_activity_bq=given.activity_bq,
        doses=(*mapped, *found.doses),
        coefficients=found.coefficients,
        blood_s_per_ml=found.blood_s_per_ml,
        published=found.published,
        warnings=found.warnings,
    )


def _measurements(
    case: Case, nuclide: Nuclide, given: Administration, results: Sequence[RegionResult]
) -> MarrowMeasurements:
    settings = case.marrow
    image = [r for r in results if r.region == RED_MARROW] or [r for r in results if LUMBAR.match(r.region)]
    used = {r.region for r in image}
    organs = {r.region: _decays(r) for r in results if r.region not in used and r.region != REMAINDER}
    return MarrowMeasurements(
        administered_activity_bq=given.activity_bq,
        agent=given.agent,
        blood=None if settings.blood is None else read_blood(case.folder / settings.blood),
        whole_body=None
        if settings.whole_body is None
        else read_whole_body(
            case.folder / settings.whole_body,
            administered_activity_bq=given.activity_bq,
            decay_constant_per_s=nuclide.decay_constant_per_s,
        ),
        organs=organs,
        rest=next((_decays(r) for r in results if r.region == REMAINDER), None),
        image=_imaged(image),
        body_mass_g=settings.body_mass_g,
        haematocrit=settings.haematocrit,
        ratio=settings.ratio,
    )


def _decays(result: RegionResult) -> Decays:
    fit = result.fit
    return Decays(
        value_bq_s=fit.time_integrated_activity_bq_s, standard_uncertainty_bq_s=fit.standard_uncertainty_bq_s
    )


def _imaged(regions: Sequence[RegionResult]) -> ImagedMarrow | None:
    """Marrow or lumbar vertebrae as one region; their errors are taken to be common."""
    if not regions:
        return None
    us = [r.fit.standard_uncertainty_bq_s for r in regions]
    return ImagedMarrow(
        region=", ".join(r.region for r in regions),
        decays=Decays(
            value_bq_s=sum(r.fit.time_integrated_activity_bq_s for r in regions),
            standard_uncertainty_bq_s=None if any(u is None for u in us) else sum(u or 0.0 for u in us),
        ),
        volume_ml=sum(r.volume_ml for r in regions),
        whole_l2_l4={r.region for r in regions} == {"vertebra L2", "vertebra L3", "vertebra L4"},
        corrected=all(bool(r.recovery_coefficients) for r in regions),
    )


def _as_reported(result: RegionResult) -> MarrowDose:
    """The dose of the imaged region by the method of all regions, which does not part its own decays from others'."""
    dose = result.dose
    return MarrowDose(
        method=DOSE_MAP,
        description=f"region {result.region} of the images, {dose.method}",
        marrow_decays_bq_s=result.fit.time_integrated_activity_bq_s,
        self_charged_gy=None,
        self_photon_gy=None,
        cross_charged_gy=None,
        cross_photon_gy=None,
        mean_gy=dose.mean_gy,
        standard_uncertainty_gy=dose.standard_uncertainty_gy,
        budget=dose.budget,
        source="the images of this run",
        warnings=("Mean of the whole region, bone and fat included; marrow cavities are not resolved.",),
    )


def impossible_coefficients(
    nuclide: Nuclide, given: Administration, results: Sequence[RegionResult]
) -> tuple[str, ...]:
    """A warning when all regions and the remainder together hold more decays than the administered activity has."""
    told = impossible_sum(
        [
            time_integrated_activity_coefficient(
                r.region,
                time_integrated_activity_bq_s=r.fit.time_integrated_activity_bq_s,
                standard_uncertainty_bq_s=r.fit.standard_uncertainty_bq_s,
                administered_activity_bq=given.activity_bq,
            )
            for r in results
        ],
        decay_constant_per_s=nuclide.decay_constant_per_s,
    )
    return () if told is None else (told,)
