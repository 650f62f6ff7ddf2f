"""How uncertain a department says it is, by two budgets, and how often the truth lies within."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lutetia.app.workflow.measure import REPEATABILITY
from lutetia.dose.uncertainty import combined, dose_budget
from lutetia.images.acquisition import Projections

from .quantification import (
    BOUNDARY_U_MM,
    DIAMETERS_MM,
    FWHM_U,
    HALF_LENGTH_MM,
    NO_ERROR,
    RADIUS_MM,
    REGIONS,
    REGISTRATION_U_MM,
    REMAINDER,
    SEED,
    SENSITIVITY_U,
    Assumed,
    Quantified,
    drawn,
    noisy,
    quantify,
)


def project_budget(found: Quantified, counting: Mapping[str, float], *, registered: bool) -> dict[str, float]:
    """Relative uncertainty (k=1) of each region's concentration by the terms that doses are given.

    The terms of app/workflow, with those of decay energy and density left out: they have no error here.
    """
    budget = {}
    for name, recovery in found.recovery.items():
        per_mm = surface_per_volume(name)
        motion = REGISTRATION_U_MM * per_mm / 4 if registered and name != REMAINDER else 0.0
        parts = dose_budget(
            calibration=SENSITIVITY_U,
            fit=math.hypot(counting[name], motion, REPEATABILITY),
            volume=0.0 if name == REMAINDER else BOUNDARY_U_MM * per_mm,
            recovery_coefficient=recovery,
            scatter_to_primary=found.scatter_to_primary(),
        )
        budget[name] = combined([part for part in parts if part.name not in ("decay energy", "density")])
    return budget


def surface_per_volume(name: str) -> float:
    """[1/mm]"""
    return 2 / RADIUS_MM + 1 / HALF_LENGTH_MM if name == REMAINDER else 6 / DIAMETERS_MM[name]


Terms = Mapping[str, Mapping[str, float]]
"""Term -> region -> relative uncertainty (k=1)."""


def rerun_terms(projections: Projections, *, histories: int = 1_000_000) -> tuple[Terms, Terms]:
    """Terms of the concentration in each outline, and of the activity in it: by quantifying again, inputs changed."""

    def again(assumed=NO_ERROR, **more):
        return quantify(projections, assumed, **({"histories": histories} | more))

    axes = np.vstack([np.eye(3), -np.eye(3)]) * REGISTRATION_U_MM
    runs = {
        "base": [again()],
        "resolution": [again(Assumed(fwhm=1 + sign * FWHM_U)) for sign in (1, -1)],
        "outline": [again(Assumed(growth_mm=dict.fromkeys(REGIONS, sign * BOUNDARY_U_MM))) for sign in (1, -1)],
        "registration": [again(Assumed(shift_mm=tuple(axis))) for axis in axes],
        "photons": [again(histories=200_000, seed=SEED + 1000 * k) for k in range(1, 7)],
    }
    return _terms(runs, Quantified.concentration_error), _terms(runs, Quantified.activity_error)


def _terms(runs: Mapping[str, list[Quantified]], error_of: Callable[[Quantified], dict[str, float]]) -> Terms:
    errors = {name: _table([error_of(found) for found in many]) for name, many in runs.items()}
    terms = {
        "resolution": np.abs(np.diff(errors["resolution"], axis=0)[0]) / 2,
        "outline": np.abs(np.diff(errors["outline"], axis=0)[0]) / 2,
        # a shift either way may lose: no slope, so the mean square of both directions, summed over the axes
        "registration": np.sqrt(((errors["registration"] - errors["base"]) ** 2).sum(axis=0) / 2),
        "photons of the scatter model": errors["photons"].std(axis=0, ddof=1),
    }
    return {name: dict(zip(REGIONS, map(float, row), strict=True)) for name, row in terms.items()}


def rerun_budget(terms: Terms, counting: Mapping[str, float]) -> dict[str, float]:
    """Relative uncertainty (k=1) of each region: the terms found by quantifying again, calibration and counting."""
    return {n: math.hypot(SENSITIVITY_U, counting[n], *(term[n] for term in terms.values())) for n in REGIONS}


RESOLUTION_SHARE = 0.1
"""Of a partial-volume correction, by 5 % of the widths: 0.083 to 0.102 by :func:`rerun_terms`, spheres of 17 to 37 mm."""


def closed_budget(found: Quantified, counting: Mapping[str, float]) -> dict[str, float]:
    r"""Relative uncertainty (k=1) of each region's concentration without quantifying again.

    Of an outline wrong by :math:`\delta`, :math:`\delta\,(S/V)\,p_s/R` remains in the corrected concentration: the
    activity that the thin shell adds to the assumed source is counted within the outline by a share :math:`p_s`, that
    of the whole region by R. Sharp images have :math:`p_s=1/2`, very blurred ones :math:`p_s=R`; a sphere under a Gaussian
    has :math:`p_s/R` within 4 % of :math:`1/(1+R)` throughout (tested).
    """
    budget = {}
    for name, recovery in found.recovery.items():
        volume = 0.0 if name == REMAINDER else BOUNDARY_U_MM * surface_per_volume(name)
        budget[name] = math.hypot(
            SENSITIVITY_U,
            counting[name],
            volume / (1 + min(recovery, 1.0)),
            RESOLUTION_SHARE * abs(1 - recovery),
        )
    return budget


def covered(error: Mapping[str, float], budget: Mapping[str, float], k: float = 2.0) -> dict[str, bool]:
    """Whether the truth lies within k standard uncertainties of each estimate."""
    return {n: abs(error[n]) <= k * u * (1 + error[n]) for n, u in budget.items()}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Coverage:
    """Measurements with all errors drawn: (draws, regions).

    Attributes
    ----------
    concentration, activity : relative errors
    inside : budget -> whether the truth lies within its k=2 interval
    uncertainty : budget -> relative (k=1)
    """

    concentration: np.ndarray
    activity: np.ndarray
    inside: Mapping[str, np.ndarray]
    uncertainty: Mapping[str, np.ndarray]

    def share(self, budget: str) -> float:
        """Of all draws and regions that lie inside."""
        return float(self.inside[budget].mean())

    def scaled(self, budget: str) -> np.ndarray:
        """Errors over their stated uncertainty: their standard deviation is 1 where it is right."""
        error = self.activity if "activity" in budget else self.concentration
        return error / (self.uncertainty[budget] * (1 + error))


def coverage(
    projections: Projections,
    draws: int,
    *,
    seed: int,
    share: float = 1.0,
    terms: Terms,
    activity_terms: Terms,
) -> Coverage:
    """Quantify ``draws`` times with every error of :func:`drawn` and Poisson noise, and compare with the budgets."""
    counting = quantify(replace(projections, counts=np.float32(share) * projections.counts)).propagated()
    budgets: dict[str, list[dict[str, float]]] = {}
    errors: list[tuple[dict[str, float], dict[str, float]]] = []
    for number in range(draws):
        rng = np.random.default_rng([seed, number])
        assumed = drawn(rng)
        found = quantify(noisy(projections, rng, share), assumed)
        errors.append((found.concentration_error(share), found.activity_error(share)))
        least = found.fisher()
        for name, budget in {
            "project, registered scans": project_budget(found, least, registered=True),
            "project, one scan": project_budget(found, least, registered=False),
            "project, one scan, propagated counts": project_budget(found, counting, registered=False),
            "closed forms": closed_budget(found, counting),
            "rerun": rerun_budget(terms, counting),
            "rerun, Fisher counts": rerun_budget(terms, least),
            "rerun, activity": rerun_budget(activity_terms, counting),
        }.items():
            budgets.setdefault(name, []).append(budget)
    inside = {
        name: [covered(e[1] if "activity" in name else e[0], b) for e, b in zip(errors, rows, strict=True)]
        for name, rows in budgets.items()
    }
    return Coverage(
        concentration=_table([e[0] for e in errors]),
        activity=_table([e[1] for e in errors]),
        inside={name: _table(rows) for name, rows in inside.items()},
        uncertainty={name: _table(rows) for name, rows in budgets.items()},
    )


def _table(rows: list[dict[str, float]]) -> np.ndarray:
    return np.array([[row[name] for name in REGIONS] for row in rows])
