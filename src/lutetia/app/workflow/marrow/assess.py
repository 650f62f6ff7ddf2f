"""All methods of marrow dosimetry that the measurements of one patient allow."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lutetia.app.report.marrow import MarrowSection
from lutetia.dose.marrow.blood import implausible_blood
from lutetia.dose.marrow.methods import (
    Body,
    ImagedMarrow,
    marrow_dose_from_blood,
    marrow_doses_from_image,
    whole_body_dose_as_surrogate,
)
from lutetia.dose.marrow.parameters import published_marrow_doses
from lutetia.dose.marrow.ratio import (
    MarrowToBloodRatio,
    given_ratio,
    ratio_by_haematocrit_sgouros1993,
    ratio_of_dotatate_forrer2009,
)
from lutetia.dose.marrow.result import Decays, MarrowDose
from lutetia.dose.organ_level.coefficients import ReferenceTable
from lutetia.dose.organ_level.doses import REMAINDER, TOTAL_BODY
from lutetia.errors import FitError
from lutetia.kinetics.coefficients import (
    AT_ONCE_PER_S,
    COVERAGE,
    TimeIntegratedActivityCoefficient,
    bladder_coefficient_s,
    excreted_terms,
    largest_coefficient_s,
    remainder_of_body,
    require_possible_sum,
    time_integrated_activity_coefficient,
)
from lutetia.kinetics.consistency import FIELD_OF_VIEW_TOLERANCE
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.measured.excretion import (
    WHOLE_BODY,
    Excretion,
    WholeBodyRetention,
    unbalanced,
    whole_body_from_urine,
)
from lutetia.physics.nuclides import Nuclide
from lutetia.units import H_PER_S, MBQ_PER_BQ

UNSEEN: Final = 0.05
"""Share that may leave before the first measurement without a word."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MarrowMeasurements:
    """What is known of a patient that a marrow dose can be made of; all of it may be absent.

    Attributes
    ----------
    blood : activity of 1 mL of blood
    whole_body : retention
    excretion : by urine
    organs : source -> decays; ``rest`` those of the remainder in the images
    image : vertebrae or marrow in the images
    haematocrit, ratio : how marrow stands to blood; without a ratio, that of 177Lu-DOTATATE stands beside
    voiding_interval_s : of the bladder
    model : of the curves
    """

    administered_activity_bq: float
    agent: str = ""
    blood: TimeActivityCurve | None = None
    whole_body: WholeBodyRetention | None = None
    excretion: Excretion | None = None
    organs: Mapping[str, Decays] = field(default_factory=dict)
    rest: Decays | None = None
    image: ImagedMarrow | None = None
    body_mass_g: float | None = None
    haematocrit: float | None = None
    ratio: float | None = None
    voiding_interval_s: float | None = None
    model: str = "auto"


def assess_marrow(known: MarrowMeasurements, table: ReferenceTable, nuclide: Nuclide) -> MarrowSection:
    """Red marrow by blood, image and whole body, as far as there are measurements of each.

    Raises
    ------
    FitError
        A curve that cannot be fitted, or more decays than were administered.
    InputError
        A value that cannot be.
    """
    decay, warnings = nuclide.decay_constant_per_s, _about_blood(known, table, nuclide.decay_constant_per_s)
    blood = None if known.blood is None else _fitted(known.blood, decay, known.model, warnings)
    retention = _retention(known, decay, warnings)
    body_fit = None if retention is None else _fitted(retention.curve, decay, known.model, warnings)
    whole = None if body_fit is None or retention is None else _scaled(body_fit, retention)
    if whole is None and known.rest is not None:
        warnings.append(
            "The rest of the body is what the images show of it; what lay outside their field is not counted."
        )
    body = Body(organs=known.organs, whole_body=whole, rest=known.rest, mass_g=known.body_mass_g)
    coefficients = _coefficients(known, body, body_fit, decay, warnings)
    return MarrowSection(
        administered_activity_bq=known.administered_activity_bq,
        doses=_doses(known, blood, body, table),
        coefficients=coefficients,
        blood_s_per_ml=None if blood is None else _per_ml(blood, known.administered_activity_bq),
        published=published_marrow_doses(nuclide.name, known.agent),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _about_blood(known: MarrowMeasurements, table: ReferenceTable, decay: float) -> list[str]:
    """What is odd about the samples of blood; of a reference body where that of the patient is not known."""
    body_g = known.body_mass_g
    if body_g is None and TOTAL_BODY in table.targets:
        body_g = table.mass_g(TOTAL_BODY)
    if known.blood is None or body_g is None:
        return []
    return list(
        implausible_blood(
            known.blood,
            administered_activity_bq=known.administered_activity_bq,
            decay_constant_per_s=decay,
            body_mass_g=body_g,
        )
    )


def _retention(known: MarrowMeasurements, decay: float, warnings: list[str]) -> WholeBodyRetention | None:
    """Whole-body retention as measured, checked against urine, or what urine leaves where it was not measured."""
    given, found = known.administered_activity_bq, known.whole_body
    if found is not None and known.excretion is not None:
        warnings += unbalanced(
            found.curve, known.excretion, administered_activity_bq=given, decay_constant_per_s=decay
        )
    if found is None and known.excretion is not None:
        found = whole_body_from_urine(known.excretion, administered_activity_bq=given, decay_constant_per_s=decay)
    if found is not None:
        _require_given(found.curve, given, decay)
        warnings += found.warnings
    return found


def _require_given(body: TimeActivityCurve, given_bq: float, decay: float) -> None:
    """Raise where the body holds clearly more than was administered."""
    share = np.exp(decay * body.time_s) / given_bq
    held = body.activity_bq * share
    u = 0.0 if body.standard_uncertainty_bq is None else body.standard_uncertainty_bq
    least = held - COVERAGE * u * share
    worst = int(np.argmax(least))
    if least[worst] > FIELD_OF_VIEW_TOLERANCE:
        raise FitError(
            f"{body.region}: {body.activity_bq[worst] * MBQ_PER_BQ:.6g} MBq at {body.time_s[worst] * H_PER_S:.1f} h are "
            f"{held[worst]:.2f} times the administered activity, corrected for decay; at most 1 can be. Check the units "
            "and the administered activity."
        )


def _fitted(curve: TimeActivityCurve, decay: float, model: str, warnings: list[str]) -> CurveFit:
    fit = fit_curve(curve, decay_constant_per_s=decay, model=model)
    warnings += [f"{fit.region} ({fit.model}): {w}" for w in fit.warnings]
    return fit


def _decays(fit: CurveFit) -> Decays:
    return Decays(
        value_bq_s=fit.time_integrated_activity_bq_s, standard_uncertainty_bq_s=fit.standard_uncertainty_bq_s
    )


def _scaled(fit: CurveFit, retention: WholeBodyRetention) -> Decays:
    """Decays of the whole body with the uncertainty of its scale."""
    found, shared = _decays(fit), retention.shared_relative_uncertainty
    u = found.standard_uncertainty_bq_s
    both = None if u is None or shared is None else math.hypot(u, shared * found.value_bq_s)
    return Decays(value_bq_s=found.value_bq_s, standard_uncertainty_bq_s=both)


def _per_ml(fit: CurveFit, administered_bq: float) -> tuple[float, float | None]:
    u = fit.standard_uncertainty_bq_s
    return fit.time_integrated_activity_bq_s / administered_bq, None if u is None else u / administered_bq


def _ratios(known: MarrowMeasurements) -> list[MarrowToBloodRatio]:
    ratios = []
    if known.haematocrit is not None:
        ratios.append(ratio_by_haematocrit_sgouros1993(known.haematocrit))
    ratios.append(ratio_of_dotatate_forrer2009() if known.ratio is None else given_ratio(known.ratio))
    return ratios


def _doses(
    known: MarrowMeasurements, blood: CurveFit | None, body: Body, table: ReferenceTable
) -> tuple[MarrowDose, ...]:
    doses: list[MarrowDose] = []
    if blood is not None:
        doses += [marrow_dose_from_blood(_decays(blood), r, table=table, body=body) for r in _ratios(known)]
    if known.image is not None:
        doses += marrow_doses_from_image(known.image, table=table, body=body)
    if body.whole_body is not None and (TOTAL_BODY, TOTAL_BODY) in table.entries:
        doses.append(whole_body_dose_as_surrogate(body.whole_body, table=table, mass_g=body.mass_g))
    return tuple(doses)


def _coefficients(
    known: MarrowMeasurements, body: Body, body_fit: CurveFit | None, decay: float, warnings: list[str]
) -> tuple[TimeIntegratedActivityCoefficient, ...]:
    """Coefficients of organs, rest or whole body, excretion and bladder; their sums go into the warnings."""
    given = known.administered_activity_bq

    def of(region: str, decays: Decays) -> TimeIntegratedActivityCoefficient:
        return time_integrated_activity_coefficient(
            region,
            time_integrated_activity_bq_s=decays.value_bq_s,
            standard_uncertainty_bq_s=decays.standard_uncertainty_bq_s,
            administered_activity_bq=given,
        )

    parts = [of(name, decays) for name, decays in body.organs.items()]
    if body.whole_body is None and body.rest is not None:
        parts.append(of(REMAINDER, body.rest))
    warnings += require_possible_sum(parts, decay_constant_per_s=decay)
    if body.whole_body is None or body_fit is None:
        return tuple(parts)
    whole = of(WHOLE_BODY, body.whole_body)
    warnings += require_possible_sum([whole], decay_constant_per_s=decay)
    return (*parts, remainder_of_body(whole, parts), whole, *_excreted(known, whole, body_fit, decay, warnings))


def _excreted(
    known: MarrowMeasurements,
    whole: TimeIntegratedActivityCoefficient,
    body_fit: CurveFit,
    decay: float,
    warnings: list[str],
) -> list[TimeIntegratedActivityCoefficient]:
    """What does not decay in the body decays outside it; what of that decays in the bladder, if voiding is known."""
    found = [
        TimeIntegratedActivityCoefficient(
            region="excreted",
            value_s=max(largest_coefficient_s(decay) - whole.value_s, 0.0),
            standard_uncertainty_s=whole.standard_uncertainty_s,
        )
    ]
    if known.voiding_interval_s is None or not body_fit.exponentials:
        return found
    terms = excreted_terms(
        body_fit, administered_activity_bq=known.administered_activity_bq, decay_constant_per_s=decay
    )
    early = sum(share for share, rate in terms if rate == AT_ONCE_PER_S)
    if early > UNSEEN:
        warnings.append(
            f"{early:.0%} of the administered activity had left the body before the first measurement of it; the bladder's "
            "contents take it as excreted at once."
        )
    bladder = bladder_coefficient_s(terms, decay_constant_per_s=decay, voiding_interval_s=known.voiding_interval_s)
    found.append(TimeIntegratedActivityCoefficient(region="urinary bladder contents", value_s=bladder))
    warnings.append(
        "The bladder's contents take all excretion as urine, and an empty bladder every voiding interval."
    )
    return found
