"""Absorbed dose of red marrow by decays in organs and in the rest of the body."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lutetia.dose.marrow.parameters import parameter
from lutetia.dose.marrow.result import Decays
from lutetia.dose.organ_level.coefficients import ReferenceTable
from lutetia.dose.organ_level.doses import REMAINDER, TOTAL_BODY, remainder_coefficient
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.errors import InputError

RED_MARROW: Final = "red marrow"


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossDose:
    """Absorbed dose of red marrow by all decays outside it. [Gy]

    Attributes
    ----------
    charged_gy, photon_gy : by radiation
    by_source_gy : source -> both together
    u_activity_gy : by the uncertainty of the numbers of decays; None when one is unknown
    u_coefficients_gy : by that of the S coefficients between organs
    warnings : what was assumed or left out
    """

    charged_gy: float
    photon_gy: float
    by_source_gy: Mapping[str, float]
    u_activity_gy: float | None
    u_coefficients_gy: float
    warnings: tuple[str, ...]


def rest_coefficient(table: ReferenceTable, named: list[str], body_mass_g: float | None) -> SCoefficient | None:
    r"""S coefficient of the rest of the body to red marrow, scaled to the patient's body.

    :math:`S(RM \leftarrow R) = [m_B\, S(RM \leftarrow B) - m_{RM}\, S(RM \leftarrow RM) -
    \sum_h m_h S(RM \leftarrow h)] / m_R \cdot m_B / m_{B,patient}`, photons alone: the marrow is a source of its own, and
    what remains of the charged part of a body filled evenly is an artefact (Stabin 2001). Sources that are no target of
    the table (contents) have no mass and are not subtracted. None where the table has no total body.

    References
    ----------
    Hindorf C, et al. Eur J Nucl Med Mol Imaging 37 (2010) 1238-1250, doi:10.1007/s00259-010-1422-4. Stabin MG, Siegel JA,
    Sparks RB, Eckerman KF, Breitz HB. J Nucl Med 42 (2001) 492-498. Cloutier RJ, et al. J Nucl Med 14 (1973) 53-55.
    """
    with_mass = [name for name in named if name in table.targets]
    found = remainder_coefficient(RED_MARROW, [*with_mass, RED_MARROW], table)
    if found is None or body_mass_g is None:
        return found
    ratio = table.mass_g(TOTAL_BODY) / body_mass_g
    return SCoefficient(
        source=found.source,
        target=found.target,
        charged_gy_per_bq_s=found.charged_gy_per_bq_s * ratio,
        photon_gy_per_bq_s=found.photon_gy_per_bq_s * ratio,
        target_mass_g=found.target_mass_g,
    )


def cross_absorbed_dose(
    sources: Mapping[str, Decays], *, table: ReferenceTable, body_mass_g: float | None
) -> CrossDose:
    """Absorbed dose of red marrow by every source but itself; "remainder" is the rest of the body.

    Sources that the table does not know (lesions, muscles) count as rest of the body, with a warning. Coefficients
    between organs are not scaled to the patient; that of the rest is, where the body's mass is given.

    Raises
    ------
    InputError
        The table has no red marrow, or a body mass that is not positive.
    """
    if RED_MARROW not in table.targets:
        raise InputError(f"The S coefficients of {table.phantom} have no red marrow.")
    if body_mass_g is not None and not body_mass_g > 0:
        raise InputError(f"Body mass of {body_mass_g} g; expected more than 0.")
    others = {name: decays for name, decays in sources.items() if name != RED_MARROW}
    named = [name for name in others if name != REMAINDER and (RED_MARROW, name) in table.entries]
    rest = rest_coefficient(table, named, body_mass_g)
    charged, photon, by_source, variance, known = 0.0, 0.0, dict[str, float](), 0.0, True
    left_out, as_rest = [], []
    for name, decays in others.items():
        s = table.entries[RED_MARROW, name] if name in named else rest
        if s is None:
            left_out.append(name)
            continue
        if name not in named and name != REMAINDER:
            as_rest.append(name)
        charged += decays.value_bq_s * s.charged_gy_per_bq_s
        photon += decays.value_bq_s * s.photon_gy_per_bq_s
        by_source[name] = decays.value_bq_s * s.total_gy_per_bq_s
        known = known and (decays.standard_uncertainty_bq_s is not None or decays.value_bq_s == 0)
        variance += ((decays.standard_uncertainty_bq_s or 0.0) * s.total_gy_per_bq_s) ** 2
    relative = parameter("relative uncertainty of cross-organ S coefficients").known_uncertainty
    return CrossDose(
        charged_gy=charged,
        photon_gy=photon,
        by_source_gy=by_source,
        u_activity_gy=math.sqrt(variance) if known else None,
        u_coefficients_gy=relative * (charged + photon),
        warnings=_told(as_rest, left_out, rest is not None and body_mass_g is None and len(others) > len(named)),
    )


def _told(as_rest: list[str], left_out: list[str], unscaled: bool) -> tuple[str, ...]:
    told = []
    if as_rest:
        told.append(f"Without S coefficients of their own, counted as rest of the body: {', '.join(as_rest)}.")
    if left_out:
        told.append(f"Cross-dose leaves out {', '.join(left_out)}: the table has no total body.")
    if unscaled:
        told.append(
            "The cross-dose of the rest of the body is that of the reference person: no body mass was given."
        )
    return tuple(told)
