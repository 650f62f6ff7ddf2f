"""Nonlinear mixed-effects fit of a cohort's curves by maximum likelihood."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from lutetia.errors import FitError, InputError
from lutetia.kinetics.population.cohort import Cohort, CohortCurve
from lutetia.kinetics.population.fit.likelihood import (
    Residual,
    Search,
    certainty,
    largest_likelihood,
    spread_error,
    unpacked,
)
from lutetia.kinetics.population.fit.review import reviewed
from lutetia.kinetics.population.individual import Observations, expected, observations
from lutetia.kinetics.population.model import PopulationModel, RegionKinetics, Tried, kind_of_region
from lutetia.kinetics.population.shapes import SHAPES

LEAST_PATIENTS: Final = 3
"""Below this a spread between patients is not a spread."""
DECREMENT: Final = 1e-3
"""Expected gain in log-likelihood by one more Newton step, below which the search has converged."""


def fit_population(
    cohort: Cohort, *, models: Sequence[str] = tuple(SHAPES), residual: Residual = "proportional"
) -> PopulationModel:
    r"""Kinetics of each kind of region in a cohort.

    :math:`A_i(t) = f(t; e^{\varphi_i})(1 + b\,\epsilon)`, :math:`\varphi_i \sim N(\mu, \Omega)` with a full
    covariance. :math:`\mu, \Omega, b` have the largest marginal likelihood, the integral over :math:`\varphi_i` being
    done by adaptive Gauss-Hermite quadrature; expectation-maximisation from two-stage estimates, then quasi-Newton
    with the analytic score. Standard errors are those of the observed information. Of several shapes the one with the
    lowest BIC (with the number of patients) is taken.

    Amplitudes are per administered activity where the whole cohort states it. Curves of one patient (two kidneys,
    lesions) count as independent, with a warning.

    Parameters
    ----------
    cohort : curves of at least three patients for each region
    models : shapes to try: "mono", "uptake", "bi"; one is tried where half the curves have as many points as it has
        parameters
    residual : "proportional" to the activity, or "combined" with a constant; stated uncertainties are added to it

    Raises
    ------
    FitError
        Too few patients or points in a region.
    InputError
        Unknown model.

    References
    ----------
    Lindstrom MJ, Bates DM. Biometrics 46 (1990) 673-687. doi:10.2307/2532087
    Pinheiro JC, Bates DM. J Comput Graph Stat 4 (1995) 12-35. doi:10.1080/10618600.1995.10474663
    Devasia TP et al. J Nucl Med 62 (2021) 1118-1125. doi:10.2967/jnumed.120.256255 (mixed model, kidneys).
    """
    unknown = [m for m in models if m not in SHAPES]
    if unknown or not models:
        raise InputError(f"Model {', '.join(unknown) or '(none)'}; expected one or more of {', '.join(SHAPES)}.")
    kinds = list(dict.fromkeys(kind_of_region(c.curve.region) for c in cohort.curves))
    regions = {
        kind: _region(kind, [c for c in cohort.curves if kind_of_region(c.curve.region) == kind], models, residual)
        for kind in kinds
    }
    slowest = cohort.decay_constant_per_s
    return PopulationModel(
        agent=cohort.agent,
        nuclide=cohort.nuclide,
        regions={kind: reviewed(found, slowest) for kind, found in regions.items()},
        source=cohort.source,
        provenance=dict(cohort.provenance),
    )


def _region(kind: str, curves: list[CohortCurve], models: Sequence[str], residual: Residual) -> RegionKinetics:
    n_patients = len({c.patient for c in curves})
    if n_patients < LEAST_PATIENTS:
        raise FitError(
            f"{kind}: {n_patients} patient{'s' if n_patients > 1 else ''}; a population needs at least {LEAST_PATIENTS}."
        )
    per_activity = all(c.administered_activity_bq is not None for c in curves)
    seen = observations([(c.curve, (c.administered_activity_bq or 1.0) if per_activity else 1.0) for c in curves])
    stated = all(c.curve.standard_uncertainty_bq is not None for c in curves)
    if not stated:
        seen = replace(seen, variance=np.zeros_like(seen.variance))
    tried, best = _compared(kind, seen, models, residual, stated, n_patients)
    best, covariance, gain = certainty(best)
    prior, omega, _ = unpacked(best.at, best.shape.size)
    aic, bic = best.criteria(n_patients)
    modes = expected(best.shape, seen, prior).modes
    return RegionKinetics(
        region=kind,
        model=best.shape.key,
        mean_log=prior.mean,
        omega=omega,
        proportional=prior.proportional,
        additive=prior.additive,
        stated_uncertainties=stated,
        amplitude="per administered activity" if per_activity else "free",
        n_patients=n_patients,
        n_curves=len(curves),
        n_points=int(seen.seen.sum()),
        log_likelihood=best.log_likelihood,
        aic=aic,
        bic=bic,
        converged=gain < DECREMENT,
        mean_covariance=None if covariance is None else covariance[: prior.mean.size, : prior.mean.size],
        spread_standard_error=None if covariance is None else spread_error(omega, covariance),
        shrinkage=1 - modes.std(axis=0, ddof=1) / np.sqrt(np.diagonal(omega)),
        tried=tuple(tried),
    )


def _compared(
    kind: str, seen: Observations, models: Sequence[str], residual: Residual, stated: bool, n_patients: int
) -> tuple[list[Tried], Search]:
    """All shapes the points allow, and the one of lowest BIC."""
    tried, found = [], []
    for shape in (SHAPES[m] for m in models):
        enough = float(np.mean((seen.seen & (seen.activity > 0)).sum(axis=1) >= shape.size))
        if enough < 0.5:
            reason = f"only {enough:.0%} of the curves have the {shape.size} points it needs"
            tried.append(Tried(model=shape.key, log_likelihood=None, aic=None, bic=None, reason=reason))
            continue
        one = largest_likelihood(shape, seen, residual, stated)
        aic, bic = one.criteria(n_patients)
        tried.append(Tried(model=shape.key, log_likelihood=one.log_likelihood, aic=aic, bic=bic))
        found.append((bic, one))
    if not found:
        raise FitError(f"{kind}: no model can be fitted: {'; '.join(f'{t.model}: {t.reason}' for t in tried)}.")
    return tried, min(found, key=lambda pair: pair[0])[1]
