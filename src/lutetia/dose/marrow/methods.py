"""The red marrow's absorbed dose by all methods that the measurements allow, side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lutetia.dose.marrow.cross import RED_MARROW, CrossDose, cross_absorbed_dose
from lutetia.dose.marrow.parameters import parameter
from lutetia.dose.marrow.ratio import MarrowToBloodRatio
from lutetia.dose.marrow.result import Decays, MarrowDose, Part, budget_of
from lutetia.dose.organ_level.coefficients import ReferenceTable
from lutetia.dose.organ_level.doses import REMAINDER, TOTAL_BODY, scaled_to_mass
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.errors import FitError, InputError

HINDORF: Final = "Hindorf C et al. 2010, doi:10.1007/s00259-010-1422-4"
CAUTION: Final = (
    "Absorbed doses of red marrow by different methods differ by up to a factor of 3, and none predicts toxicity of a "
    "patient: read the methods side by side with their uncertainties, and stop or change no treatment on this number alone."
)
SELF_ONLY: Final = (
    "Self-dose alone: without the decays in organs and body the cross-dose is unknown; it is often as large."
)
NO_RECOVERY: Final = "Activity that spills in from organs and lesions beside the vertebrae is not subtracted here."


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """Where the decays outside the marrow are.

    Attributes
    ----------
    organs : source -> decays, without red marrow
    whole_body : decays in all the body; the rest of it is what organs and marrow leave
    rest : decays in the rest of the body where the whole is not known
    mass_g : of the patient
    """

    organs: Mapping[str, Decays]
    whole_body: Decays | None = None
    rest: Decays | None = None
    mass_g: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagedMarrow:
    """A region of vertebrae (or marrow) in quantitative images.

    ``whole_l2_l4`` says that it is all of the vertebrae L2 to L4, ``corrected`` that spill-in was corrected for.
    """

    region: str
    decays: Decays
    volume_ml: float
    whole_l2_l4: bool = False
    corrected: bool = False


def marrow_mass_g(table: ReferenceTable, body_mass_g: float | None) -> float:
    """Mass of the patient's red marrow: that of the reference person in proportion to the body. [g]"""
    reference = table.mass_g(RED_MARROW)
    if body_mass_g is None or TOTAL_BODY not in table.targets:
        return reference
    return reference * body_mass_g / table.mass_g(TOTAL_BODY)


def rest_of_body(body: Body, marrow_bq_s: float) -> Decays | None:
    r"""Decays in the rest, :math:`\tilde A_{WB} - \sum_h \tilde A_h - \tilde A_{RM}`; None when nothing is known of it.

    Raises
    ------
    FitError
        Organs and marrow hold more than the whole body by over twice the uncertainty.
    """
    if body.whole_body is None:
        return body.rest
    parts = list(body.organs.values())
    value = body.whole_body.value_bq_s - sum(d.value_bq_s for d in parts) - marrow_bq_s
    us = [d.standard_uncertainty_bq_s for d in (body.whole_body, *parts)]
    u = None if any(x is None for x in us) else math.sqrt(sum((x or 0.0) ** 2 for x in us))
    if value < -2 * (u or 0.0) - 1e-9 * body.whole_body.value_bq_s:
        raise FitError(
            f"Organs ({', '.join(body.organs) or 'none'}) and red marrow hold {-value / body.whole_body.value_bq_s:.0%} "
            "more decays than the whole body; they are not on one scale."
        )
    return Decays(value_bq_s=max(0.0, value), standard_uncertainty_bq_s=u)


def _dose(
    *,
    method: str,
    description: str,
    source: str,
    concentration_bq_s_per_g: float,
    own: Sequence[tuple[str, float | None]],
    table: ReferenceTable,
    body: Body,
    warnings: Sequence[str],
) -> MarrowDose:
    """Self-dose by a concentration in marrow, cross-dose by the body; ``own`` are relative components of the former."""
    mass_g = marrow_mass_g(table, body.mass_g)
    decays = concentration_bq_s_per_g * mass_g
    s = scaled_to_mass(_entry(table, RED_MARROW, RED_MARROW), mass_g)
    charged, photon = decays * s.charged_gy_per_bq_s, decays * s.photon_gy_per_bq_s
    self_gy = charged + photon
    relative = parameter("relative uncertainty of the marrow's own S coefficient").known_uncertainty
    parts: list[Part] = [(name, None if r is None else r * self_gy) for name, r in own]
    parts.append(("S coefficient of marrow to itself", relative * self_gy))
    cross = _cross(body, decays, table)
    told = [*warnings, SELF_ONLY] if cross is None else [*warnings, *cross.warnings]
    if cross is not None:
        parts += [
            ("decays in organs and body", cross.u_activity_gy),
            ("S coefficients from organs and body", cross.u_coefficients_gy),
        ]
    mean = self_gy + (0.0 if cross is None else cross.charged_gy + cross.photon_gy)
    budget, u = budget_of(parts, mean)
    return MarrowDose(
        method=method,
        description=description,
        marrow_decays_bq_s=decays,
        self_charged_gy=charged,
        self_photon_gy=photon,
        cross_charged_gy=None if cross is None else cross.charged_gy,
        cross_photon_gy=None if cross is None else cross.photon_gy,
        mean_gy=mean,
        standard_uncertainty_gy=u,
        budget=budget,
        source=f"{source}; S coefficients: {table.phantom}, {table.origin}",
        warnings=tuple(told),
    )


def _entry(table: ReferenceTable, target: str, source: str) -> SCoefficient:
    found = table.entries.get((target, source))
    if found is None:
        raise InputError(f"The S coefficients of {table.phantom} have no {target} <- {source}.")
    return found


def _cross(body: Body, marrow_bq_s: float, table: ReferenceTable) -> CrossDose | None:
    rest = rest_of_body(body, marrow_bq_s)
    sources = dict(body.organs) if rest is None else {**body.organs, REMAINDER: rest}
    return cross_absorbed_dose(sources, table=table, body_mass_g=body.mass_g) if sources else None


def marrow_dose_from_blood(
    blood_bq_s_per_ml: Decays, ratio: MarrowToBloodRatio, *, table: ReferenceTable, body: Body
) -> MarrowDose:
    r"""Blood-based absorbed dose of red marrow.

    :math:`D = [\tilde A]_{blood}\, RMBLR\, m_{RM}\, S(RM \leftarrow RM) + \sum_h \tilde A_h S(RM \leftarrow h) +
    \tilde A_R S(RM \leftarrow R)`. The charged part of the first term does not depend on the patient's marrow mass
    (:math:`S \propto 1/m`); the photons' grows with its cube root. 1 mL of blood counts as 1 g, as in the publications.

    Parameters
    ----------
    blood_bq_s_per_ml : decays in 1 mL of whole blood. [Bq s/mL]
    ratio : marrow over blood
    table : S coefficients of the reference person and nuclide
    body : organs, whole body or rest, mass

    Raises
    ------
    InputError
        The table has no red marrow as a source.
    FitError
        The organs hold more than the whole body.

    References
    ----------
    Hindorf C, et al. Eur J Nucl Med Mol Imaging 37 (2010) 1238-1250, doi:10.1007/s00259-010-1422-4. Sgouros G. J Nucl Med
    34 (1993) 689-694. Sjögreen Gleisner K, et al. Eur J Nucl Med Mol Imaging 49 (2022) 1778,
    doi:10.1007/s00259-022-05727-7.
    """
    density = parameter("density of blood").known_value
    own = [
        ("blood curve", blood_bq_s_per_ml.relative),
        ("marrow to blood ratio", ratio.relative),
        ("1 mL of blood as 1 g", (density - 1) / math.sqrt(3)),
    ]
    return _dose(
        method=f"blood, {ratio.key}",
        description=f"blood-based, marrow to blood {ratio.value:.3g}",
        source=f"{HINDORF}; {ratio.source}",
        concentration_bq_s_per_g=blood_bq_s_per_ml.value_bq_s * ratio.value,
        own=own,
        table=table,
        body=body,
        warnings=(),
    )


def marrow_doses_from_image(image: ImagedMarrow, *, table: ReferenceTable, body: Body) -> tuple[MarrowDose, ...]:
    """Image-based absorbed doses of red marrow, by what is assumed of where a vertebra's activity is.

    Evenly in all of the region (marrow has the region's concentration: the lower), or in its active marrow alone (the
    region's volume times the marrow's share of spongiosa times cellularity: the higher); and, of all of L2 to L4, by
    the share of the body's active marrow that they hold.

    Raises
    ------
    InputError
        A volume that is not positive.

    References
    ----------
    Hindorf C, et al. 2010, doi:10.1007/s00259-010-1422-4. Hagmarker L, et al. J Nucl Med 60 (2019) 1406-1413,
    doi:10.2967/jnumed.118.225235.
    """
    if not image.volume_ml > 0:
        raise InputError(f"{image.region}: volume of {image.volume_ml} mL; expected more than 0.")
    filled = parameter("marrow volume fraction of vertebral spongiosa")
    active = parameter("cellularity of lumbar vertebrae")
    part = filled.known_value * active.known_value
    u_part = math.hypot(
        filled.known_uncertainty / filled.known_value, active.known_uncertainty / active.known_value
    )
    even = image.decays.value_bq_s / image.volume_ml / parameter("density of red marrow").known_value
    share = parameter("share of active marrow in L2-L4")
    cases: list[tuple[str, str, float, list[tuple[str, float | None]]]] = [
        ("image, even", "marrow at the concentration of the whole region", even, []),
        ("image, active marrow", f"all activity in active marrow, {part:.2f} of the region", even / part,
         [("active marrow in the region", u_part)]),
    ]  # fmt: skip
    if image.whole_l2_l4:
        whole = image.decays.value_bq_s / share.known_value / marrow_mass_g(table, body.mass_g)
        own: list[tuple[str, float | None]] = [("share of L2-L4", share.known_uncertainty / share.known_value)]
        cases.append(("image, share", f"L2 to L4 hold {share.known_value:.1%} of the active marrow", whole, own))
    return tuple(
        _dose(
            method=method,
            description=f"image-based ({image.region}), {words}",
            source=f"{HINDORF}; Hagmarker L et al. 2019, doi:10.2967/jnumed.118.225235",
            concentration_bq_s_per_g=concentration,
            own=[("activity of the region", image.decays.relative), *own_parts],
            table=table,
            body=body,
            warnings=() if image.corrected else (NO_RECOVERY,),
        )
        for method, words, concentration, own_parts in cases
    )


def whole_body_dose_as_surrogate(whole_body: Decays, *, table: ReferenceTable, mass_g: float | None) -> MarrowDose:
    r"""Mean absorbed dose of the whole body in place of the marrow's, :math:`\tilde A_{WB}\, S(WB \leftarrow WB)`.

    As if the activity were spread evenly; no more than a bound for agents that neither bones nor blood hold back.
    """
    s = _entry(table, TOTAL_BODY, TOTAL_BODY)
    scaled = s if mass_g is None else scaled_to_mass(s, mass_g)
    charged, photon = (
        whole_body.value_bq_s * scaled.charged_gy_per_bq_s,
        whole_body.value_bq_s * scaled.photon_gy_per_bq_s,
    )
    mean = charged + photon
    u = whole_body.relative
    budget, u_gy = budget_of([("whole-body curve", None if u is None else u * mean)], mean)
    told = "As if activity were spread evenly over the body; how far it is not is no part of the uncertainty."
    reference = () if mass_g is not None else ("The body is that of the reference person: no body mass was given.",)
    return MarrowDose(
        method="whole body",
        description="mean absorbed dose of the whole body as a surrogate",
        marrow_decays_bq_s=None,
        self_charged_gy=None,
        self_photon_gy=None,
        cross_charged_gy=None,
        cross_photon_gy=None,
        mean_gy=mean,
        standard_uncertainty_gy=u_gy,
        budget=budget,
        source=f"{HINDORF}; S coefficients: {table.phantom}, {table.origin}",
        warnings=(told, *reference),
    )
