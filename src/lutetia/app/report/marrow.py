"""The report's part on red marrow: what it is made of, as JSON and as text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from lutetia.dose.marrow.methods import CAUTION
from lutetia.dose.marrow.parameters import PublishedMarrowDose
from lutetia.dose.marrow.result import MarrowDose
from lutetia.kinetics.coefficients import TimeIntegratedActivityCoefficient
from lutetia.units import GBQ_PER_BQ, H_PER_S

ML_PER_L: Final = 1e3


@dataclass(frozen=True, kw_only=True, slots=True)
class MarrowSection:
    """Red marrow by all methods that could be computed.

    Attributes
    ----------
    administered_activity_bq : [Bq]
    doses : one per method
    coefficients : of the regions that were used
    blood_s_per_ml : decays in 1 mL of blood per administered activity with standard uncertainty; None without samples
    published : absorbed doses in the literature
    warnings : of curves and balances
    """

    administered_activity_bq: float
    doses: tuple[MarrowDose, ...]
    coefficients: tuple[TimeIntegratedActivityCoefficient, ...] = ()
    blood_s_per_ml: tuple[float, float | None] | None = None
    published: tuple[PublishedMarrowDose, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def administered_gbq(self) -> float:
        """Administered activity. [GBq]"""
        return self.administered_activity_bq * GBQ_PER_BQ


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def coefficients_document(
    coefficients: Sequence[TimeIntegratedActivityCoefficient],
) -> dict[str, dict[str, float | None]]:
    """Coefficients by region in hours: {region: {value, u}}."""
    return {
        c.region: {
            "value": c.value_s * H_PER_S,
            "u": None if c.standard_uncertainty_s is None else c.standard_uncertainty_s * H_PER_S,
        }
        for c in coefficients
    }


def marrow_document(section: MarrowSection) -> dict[str, Any]:
    """The part ``marrow`` of dose.json; keys as in docs/reference/json.md."""
    document: dict[str, Any] = {
        "methods": [_method(dose, section.administered_gbq) for dose in section.doses],
        "time_integrated_activity_coefficients_h": coefficients_document(section.coefficients),
        "blood_coefficient_h_per_L": None,
        "published_Gy_per_GBq": [
            {
                "method": p.method,
                "value": p.value_gy_per_gbq,
                "kind": p.kind,
                "source": p.source,
                "verified": p.verified,
            }
            for p in section.published
        ],
        "caution": CAUTION,
        "warnings": list(section.warnings),
    }
    if section.blood_s_per_ml is not None:
        value, u = section.blood_s_per_ml
        scale = H_PER_S * ML_PER_L
        document["blood_coefficient_h_per_L"] = {"value": value * scale, "u": None if u is None else u * scale}
    return document


def _method(dose: MarrowDose, gbq: float) -> dict[str, Any]:
    return {
        "method": dose.method,
        "description": dose.description,
        "self_dose_Gy": _finite(dose.self_gy),
        "self_charged_Gy": _finite(dose.self_charged_gy),
        "self_photon_Gy": _finite(dose.self_photon_gy),
        "cross_dose_Gy": _finite(dose.cross_gy),
        "cross_charged_Gy": _finite(dose.cross_charged_gy),
        "cross_photon_Gy": _finite(dose.cross_photon_gy),
        "absorbed_dose_Gy": _finite(dose.mean_gy),
        "u_absorbed_dose_Gy": _finite(dose.standard_uncertainty_gy),
        "absorbed_dose_Gy_per_GBq": _finite(dose.mean_gy / gbq),
        "budget": {c.name: _finite(c.relative) for c in dose.budget},
        "source": dose.source,
        "warnings": list(dose.warnings),
    }
