"""Absorbed doses of a patient's organs from time-integrated activities and S coefficients scaled by mass."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lutetia.dose.organ_level.coefficients import ReferenceTable
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.errors import InputError

REMAINDER: Final = "remainder"
TOTAL_BODY: Final = "total body"


@dataclass(frozen=True, kw_only=True, slots=True)
class OrganDose:
    """Absorbed dose of one target by where and what it comes from. [Gy]

    Attributes
    ----------
    target : name of the region
    self_charged_gy, self_photon_gy : of the target's own decays, scaled to the patient's mass
    cross_gy : of all other sources in the table, unscaled
    standard_uncertainty_gy : of the table's S coefficients, None when the table does not say
    left_out : sources with activity for which the table has no coefficient to this target
    """

    target: str
    self_charged_gy: float
    self_photon_gy: float
    cross_gy: float
    standard_uncertainty_gy: float | None
    left_out: tuple[str, ...]

    @property
    def mean_gy(self) -> float:
        """Mean absorbed dose. [Gy]"""
        return self.self_charged_gy + self.self_photon_gy + self.cross_gy


def scaled_to_mass(coefficient: SCoefficient, mass_g: float) -> SCoefficient:
    r"""The coefficient of an organ to itself for another mass.

    :math:`S = S_{charged}\,\frac{m_{ref}}{m} + S_{photon}\left(\frac{m_{ref}}{m}\right)^{2/3}`: charged particles are
    absorbed wherever the organ ends, the absorbed fraction of photons grows with its mean chord, the cube root of the
    mass. Coefficients between different organs come back as they are: photons from afar give a dose per mass that
    hardly depends on the size of the target, and on that of the source still less.

    Raises
    ------
    InputError
        A mass that is not positive.

    References
    ----------
    Snyder WS. Estimates of absorbed fraction of energy from photon sources in body organs. In: Medical radionuclides,
    AEC Symposium 20 (1970) 33-49. Stabin MG, Siegel JA. Health Phys 85 (2003) 294-310,
    doi:10.1097/00004032-200309000-00006 (the linear and the 2/3 power rule).
    """
    if not mass_g > 0:
        raise InputError(f"{coefficient.target}: mass of {mass_g} g; expected more than 0.")
    if coefficient.source != coefficient.target:
        return coefficient
    ratio = coefficient.target_mass_g / mass_g
    return SCoefficient(
        source=coefficient.source,
        target=coefficient.target,
        charged_gy_per_bq_s=coefficient.charged_gy_per_bq_s * ratio,
        photon_gy_per_bq_s=coefficient.photon_gy_per_bq_s * ratio ** (2 / 3),
        target_mass_g=mass_g,
        u_relative=coefficient.u_relative,
    )


def organ_absorbed_doses(
    *,
    time_integrated_activity_bq_s: Mapping[str, float],
    mass_g: Mapping[str, float],
    coefficients: ReferenceTable,
) -> dict[str, OrganDose]:
    r"""Mean absorbed dose of every target of the table that the patient's mass is known of.

    :math:`D_T = \sum_S \tilde A_S\, S(T \leftarrow S)`, with :math:`S(T \leftarrow T)` by ``scaled_to_mass``. The
    remainder (decays outside the named sources) irradiates a target with

    :math:`S(T \leftarrow R) = \left[m_B\, S(T \leftarrow B) - \sum_S m_S\, S(T \leftarrow S)\right] / m_R`,

    B being the total body of the reference person and :math:`m_R = m_B - \sum_S m_S`, where the table has B as a source
    and the remainder has no column of its own; else it is left out, and said so.

    Parameters
    ----------
    time_integrated_activity_bq_s : source -> number of decays; "remainder" for the rest of the body
    mass_g : region -> the patient's mass, by the same convention as the table's
    coefficients : of the nuclide

    Raises
    ------
    InputError
        Negative activities or masses that are not positive.

    References
    ----------
    Cloutier RJ, et al. Calculating the radiation dose to an organ. J Nucl Med 14 (1973) 53-55. MIRD Pamphlet 21,
    J Nucl Med 50 (2009) 477-484, doi:10.2967/jnumed.108.056036.
    """
    for name, decays in time_integrated_activity_bq_s.items():
        if not 0 <= decays < float("inf"):
            raise InputError(f"{name}: time-integrated activity of {decays} Bq s; expected 0 or more.")
    named = [name for name in time_integrated_activity_bq_s if name in coefficients.sources and name != REMAINDER]
    return {
        target: _dose(target, mass_g[target], time_integrated_activity_bq_s, named, coefficients)
        for target in coefficients.targets
        if target in mass_g
    }


def _dose(
    target: str, mass_g: float, activity: Mapping[str, float], named: list[str], table: ReferenceTable
) -> OrganDose:
    own_charged = own_photon = cross = variance = 0.0
    known, left_out = True, []
    for source, decays in activity.items():
        found = table.entries.get((target, source))
        if found is None and source == REMAINDER:
            found = remainder_coefficient(target, named, table)
        if found is None:
            left_out.append(source)
            continue
        found = scaled_to_mass(found, mass_g)
        known = known and found.u_relative is not None
        variance += (decays * found.total_gy_per_bq_s * (found.u_relative or 0.0)) ** 2
        if source == target:
            own_charged, own_photon = decays * found.charged_gy_per_bq_s, decays * found.photon_gy_per_bq_s
        else:
            cross += decays * found.total_gy_per_bq_s
    return OrganDose(
        target=target,
        self_charged_gy=own_charged,
        self_photon_gy=own_photon,
        cross_gy=cross,
        standard_uncertainty_gy=math.sqrt(variance) if known else None,
        left_out=tuple(left_out),
    )


def remainder_coefficient(target: str, named: list[str], table: ReferenceTable) -> SCoefficient | None:
    """S coefficient of the rest of the body, from that of the whole body less the named sources; None without one.

    Of a target that is a named source itself, no charged particles come from the rest.
    """
    whole = table.entries.get((target, TOTAL_BODY))
    targets = set(table.targets)
    if whole is None or TOTAL_BODY not in targets or not set(named) <= targets:
        return None
    parts = [(table.mass_g(name), table.entries[target, name]) for name in named if (target, name) in table.entries]
    body_g = table.mass_g(TOTAL_BODY)
    rest_g = body_g - sum(mass for mass, _ in parts)
    if len(parts) < len(named) or not rest_g > 0:
        return None
    charged = body_g * whole.charged_gy_per_bq_s - sum(m * s.charged_gy_per_bq_s for m, s in parts)
    photon = body_g * whole.photon_gy_per_bq_s - sum(m * s.photon_gy_per_bq_s for m, s in parts)
    return SCoefficient(
        source=REMAINDER,
        target=target,
        charged_gy_per_bq_s=max(0.0, charged / rest_g) if target not in named else 0.0,
        photon_gy_per_bq_s=max(0.0, photon / rest_g),
        target_mass_g=table.mass_g(target),
        u_relative=None,
    )
