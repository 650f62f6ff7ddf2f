"""Measurements as JSON documents in the units people use, and back."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from lutetia.errors import InputError
from lutetia.recon.calibrate.conditions import Conditions
from lutetia.recon.calibrate.dead_time import DeadTimeMeasurement
from lutetia.recon.calibrate.recovery_curve import RecoveryCurve, SphereRecovery
from lutetia.recon.calibrate.sensitivity import SensitivityMeasurement
from lutetia.units import BQ_PER_MBQ, KEV_PER_MEV, MBQ_PER_BQ, MEV_PER_KEV

Measurement = SensitivityMeasurement | DeadTimeMeasurement | RecoveryCurve
Document = dict[str, Any]

PERCENT: Final = 100.0
US_PER_S: Final = 1.0e6
S_PER_US: Final = 1.0e-6
WINDOW_DIGITS: Final = 4
"""Decimals of window limits in keV; DICOM gives fewer, and the way back must not add any."""


def kind_of(measurement: Measurement) -> str:
    """Which of the three kinds: "sensitivity", "dead_time" or "recovery"."""
    if isinstance(measurement, SensitivityMeasurement):
        return "sensitivity"
    return "dead_time" if isinstance(measurement, DeadTimeMeasurement) else "recovery"


def measurement_document(measurement: Measurement) -> Document:
    """A measurement as a JSON document; the unit is in the key."""
    conditions = measurement.conditions
    shared: Document = {
        "kind": kind_of(measurement),
        "camera": conditions.camera,
        "collimator": conditions.collimator,
        "nuclide": conditions.nuclide,
        "window_keV": [round(limit * KEV_PER_MEV, WINDOW_DIGITS) for limit in conditions.window_mev],
        "measured_at": measurement.measured_at.isoformat(),
    }
    if isinstance(measurement, SensitivityMeasurement):
        own = _sensitivity_document(measurement)
    elif isinstance(measurement, DeadTimeMeasurement):
        own = _dead_time_document(measurement)
    else:
        own = _recovery_document(measurement)
    ending = {"source_sha256": list(measurement.source_sha256), "warnings": list(measurement.warnings)}
    return shared | own | ending


def measurement_of(document: Mapping[str, Any], where: str) -> Measurement:
    """The measurement that a document describes.

    Raises
    ------
    InputError
        The kind is not known, or a key is missing or holds something else; ``where`` names the place.
    """
    readers: dict[str, Callable[[Mapping[str, Any], Document], Measurement]] = {
        "sensitivity": _sensitivity_of,
        "dead_time": _dead_time_of,
        "recovery": _recovery_of,
    }
    try:
        kind = str(document["kind"])
        if kind not in readers:
            raise InputError(f"{where}: kind {kind!r}; expected one of {', '.join(readers)}.")
        return readers[kind](document, _shared_of(document))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: {error} is missing or not what it should be.") from error
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(f"{where}: {error}.") from error


def _shared_of(document: Mapping[str, Any]) -> Document:
    low, high = document["window_keV"]
    return {
        "conditions": Conditions(
            camera=document["camera"],
            collimator=document["collimator"],
            nuclide=document["nuclide"],
            window_mev=(float(low) * MEV_PER_KEV, float(high) * MEV_PER_KEV),
        ),
        "measured_at": datetime.fromisoformat(document["measured_at"]),
        "source_sha256": tuple(document["source_sha256"]),
        "warnings": tuple(document["warnings"]),
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else share * PERCENT


def _share(percent: float | None) -> float | None:
    return None if percent is None else float(percent) / PERCENT


def _sensitivity_document(found: SensitivityMeasurement) -> Document:
    return {
        "method": found.method,
        "sensitivity_cps_per_MBq": found.value_cps_per_bq * BQ_PER_MBQ,
        "uncertainty_percent": _percent(found.relative_uncertainty),
        "budget_percent": {name: _percent(term) for name, term in found.budget.items()},
        "activity_meter": found.meter,
        "per_head_cps_per_MBq": [value * BQ_PER_MBQ for value in found.per_head_cps_per_bq],
        "reconstruction": found.reconstruction,
    }


def _sensitivity_of(document: Mapping[str, Any], shared: Document) -> SensitivityMeasurement:
    return SensitivityMeasurement(
        value_cps_per_bq=float(document["sensitivity_cps_per_MBq"]) * MBQ_PER_BQ,
        relative_uncertainty=_share(document["uncertainty_percent"]),
        budget={name: _share(term) for name, term in document["budget_percent"].items()},
        method=document["method"],
        meter=document["activity_meter"],
        per_head_cps_per_bq=tuple(float(v) * MBQ_PER_BQ for v in document["per_head_cps_per_MBq"]),
        reconstruction=document["reconstruction"],
        **shared,
    )


def _dead_time_document(found: DeadTimeMeasurement) -> Document:
    return {
        "method": found.method,
        "dead_time_us": found.dead_time_s * US_PER_S,
        "u_dead_time_us": found.u_dead_time_s * US_PER_S,
        "largest_loss_percent": found.largest_loss * PERCENT,
        "true_rate_cps": found.true_rate_cps,
        "covariance_rate_cps_dead_time_s": None
        if found.covariance is None
        else [list(r) for r in found.covariance],
        "chi2": found.chi2,
        "degrees_of_freedom": found.degrees_of_freedom,
        "paralysable_chi2": found.paralysable_chi2,
    }


def _dead_time_of(document: Mapping[str, Any], shared: Document) -> DeadTimeMeasurement:
    rows = document["covariance_rate_cps_dead_time_s"]
    return DeadTimeMeasurement(
        dead_time_s=float(document["dead_time_us"]) * S_PER_US,
        u_dead_time_s=float(document["u_dead_time_us"]) * S_PER_US,
        method=document["method"],
        largest_loss=float(document["largest_loss_percent"]) / PERCENT,
        true_rate_cps=document["true_rate_cps"],
        covariance=None if rows is None else ((rows[0][0], rows[0][1]), (rows[1][0], rows[1][1])),
        chi2=document["chi2"],
        degrees_of_freedom=int(document["degrees_of_freedom"]),
        paralysable_chi2=document["paralysable_chi2"],
        **shared,
    )


def _recovery_document(found: RecoveryCurve) -> Document:
    return {
        "model": found.model,
        "alpha_mL": found.alpha_ml,
        "beta": found.beta,
        "plateau": found.plateau,
        "covariance_ln_alpha_ln_beta_plateau": [list(row) for row in found.covariance],
        "common_uncertainty_percent": found.common_relative_uncertainty * PERCENT,
        "spheres": [
            {"volume_mL": s.volume_ml, "measured_over_true": s.recovery, "u": s.u_recovery} for s in found.spheres
        ],
        "sphere_to_background": found.sphere_to_background,
        "reconstruction": found.reconstruction,
        "chi2": found.chi2,
        "degrees_of_freedom": found.degrees_of_freedom,
    }


def _recovery_of(document: Mapping[str, Any], shared: Document) -> RecoveryCurve:
    return RecoveryCurve(
        model=document["model"],
        alpha_ml=float(document["alpha_mL"]),
        beta=float(document["beta"]),
        plateau=float(document["plateau"]),
        covariance=tuple(tuple(float(v) for v in row) for row in document["covariance_ln_alpha_ln_beta_plateau"]),
        common_relative_uncertainty=float(document["common_uncertainty_percent"]) / PERCENT,
        spheres=tuple(
            SphereRecovery(volume_ml=s["volume_mL"], recovery=s["measured_over_true"], u_recovery=s["u"])
            for s in document["spheres"]
        ),
        sphere_to_background=document["sphere_to_background"],
        reconstruction=document["reconstruction"],
        chi2=float(document["chi2"]),
        degrees_of_freedom=int(document["degrees_of_freedom"]),
        **shared,
    )
