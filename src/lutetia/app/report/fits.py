"""Fits of time-activity curves as numbers for other programs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lutetia import __version__
from lutetia.app.report.numbers import finite, interval, scaled
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.units import H_PER_S, MBQ_H_PER_BQ_S, MBQ_PER_BQ, S_PER_H

UNITS = (("_bq", "_MBq", MBQ_PER_BQ), ("_per_s", "_per_h", S_PER_H), ("_s", "_h", H_PER_S))
"""Endings of the names of parameters, inside and for people, and the factor between them."""


def fit_document(
    fitted: Sequence[tuple[TimeActivityCurve, CurveFit]],
    *,
    nuclide: str,
    administered_mbq: float | None = None,
    told: Sequence[str] = (),
) -> dict[str, Any]:
    """The document of ``lutetia fit --json``; keys as in docs/reference/json.md."""
    return {
        "software": f"Lutetia {__version__}",
        "nuclide": nuclide,
        "administered_activity_MBq": administered_mbq,
        "curves": [_row(curve, fit, administered_mbq) for curve, fit in fitted],
        "warnings": list(told),
        "note": "Activities as measured, not decay-corrected; times from administration. Research use only.",
    }


def _row(curve: TimeActivityCurve, fit: CurveFit, administered_mbq: float | None) -> dict[str, Any]:
    total = fit.time_integrated_activity_bq_s * MBQ_H_PER_BQ_S
    return {
        "region": curve.region,
        "model": fit.model,
        **curve_for_people(fit),
        "aicc": finite(fit.aicc),
        "time_integrated_activity_MBq_h": finite(total),
        "u_time_integrated_activity_MBq_h": scaled(fit.standard_uncertainty_bq_s, MBQ_H_PER_BQ_S),
        "effective_half_life_h": scaled(fit.effective_half_life_s, H_PER_S),
        "extrapolated_fraction": finite(fit.extrapolated_fraction),
        "time_integrated_activity_coefficient_h": finite(total / administered_mbq) if administered_mbq else None,
        "candidates": [
            {
                "model": c.model,
                "aicc": finite(c.aicc),
                "weight": finite(c.weight),
                "time_integrated_activity_MBq_h": finite(c.time_integrated_activity_bq_s * MBQ_H_PER_BQ_S),
            }
            for c in fit.candidates
        ],
        "points": _points(curve, fit),
        "warnings": list(fit.warnings),
    }


def curve_for_people(fit: CurveFit) -> dict[str, Any]:
    """What another program, or a later cycle, needs to draw the curve again and to know how certain it is."""
    return {
        "parameters": _parameters(fit.parameters),
        "covariance": _covariance(fit),
        "exponentials": [{"amplitude_MBq": a * MBQ_PER_BQ, "rate_per_h": k * S_PER_H} for a, k in fit.exponentials],
        "interval_95_MBq_h": interval(fit.interval_95_bq_s, MBQ_H_PER_BQ_S),
    }


def _parameters(parameters: Mapping[str, float]) -> dict[str, float | None]:
    """Parameters of a model in MBq and h, with the unit in their names; those without a unit stay."""
    return {
        shown: finite(value * factor)
        for (shown, factor), value in zip(map(for_people, parameters), parameters.values(), strict=True)
    }


def _covariance(fit: CurveFit) -> list[list[float]] | None:
    """Covariance of the parameters, in their order and units; None where it is not known."""
    if fit.covariance is None or len(fit.covariance) != len(fit.parameters):
        return None
    factor = np.array([for_people(name)[1] for name in fit.parameters])
    shown: list[list[float]] = (fit.covariance * np.outer(factor, factor)).tolist()
    return shown


def for_people(name: str) -> tuple[str, float]:
    """Name of a parameter with the unit of people, and the factor to it."""
    for ending, people, factor in UNITS:
        if name.endswith(ending):
            return name.removesuffix(ending) + people, factor
    return name, 1.0


def _points(curve: TimeActivityCurve, fit: CurveFit) -> list[dict[str, float | None]]:
    u = curve.standard_uncertainty_bq
    fitted = fit.activity_at(curve.time_s)
    return [
        {
            "time_h": float(time_s) * H_PER_S,
            "activity_MBq": float(curve.activity_bq[i]) * MBQ_PER_BQ,
            "u_MBq": None if u is None else float(u[i]) * MBQ_PER_BQ,
            "fitted_MBq": finite(float(fitted[i]) * MBQ_PER_BQ),
        }
        for i, time_s in enumerate(curve.time_s)
    ]
