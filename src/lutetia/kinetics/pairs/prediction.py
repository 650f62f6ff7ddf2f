"""The curve of a therapeutic nuclide in one region, from scans of the imaging one."""

import math
from dataclasses import dataclass
from typing import Final

from lutetia.errors import FitError, InputError, MissingDataError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.pairs.reweighting import reweighted_curve, share_until
from lutetia.kinetics.pairs.uptake import UptakeRatio
from lutetia.kinetics.population.model import PopulationModel
from lutetia.kinetics.population.posterior import posterior_fit
from lutetia.units import H_PER_S

MUCH_UNSEEN: Final = 0.5
"""Share of the therapy's time-integrated activity after the last scan from which the prediction is an extrapolation."""
COVERAGE_95: Final = 1.959964
"""Standard deviations of a normal distribution on either side that hold 95 %."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PredictedCurve:
    """What one region will hold of the therapeutic nuclide, per administered activity.

    Attributes
    ----------
    region : name
    curve : the measured points with the therapy's decay, before the uptake ratio. [Bq]
    fit : of these points; its integral is from administration to infinity, before the uptake ratio. [Bq s]
    ratio : of uptake
    time_integrated_activity_s : decays within the horizon per administered activity, with the ratio. [s]
    relative_u : relative standard uncertainty of it, None when unknown
    interval_95_s : None when unknown. [s]
    warnings : of fit, ratio and extrapolation; they do not name the region
    """

    region: str
    curve: TimeActivityCurve
    fit: CurveFit
    ratio: UptakeRatio
    time_integrated_activity_s: float
    relative_u: float | None
    interval_95_s: tuple[float, float] | None
    warnings: tuple[str, ...]

    @property
    def log_spread(self) -> float | None:
        """Standard deviation of the logarithm, by the uncertainty or the upper end of the interval, whichever is more.

        The upper end is what a limit of dose has to fear.
        """
        if self.relative_u is None:
            return None
        own = log_spread(self.relative_u)
        if self.interval_95_s is None:
            return own
        return max(own, math.log(self.interval_95_s[1] / self.time_integrated_activity_s) / COVERAGE_95)


def predict_curve(
    curve: TimeActivityCurve,
    *,
    imaging_per_s: float,
    therapy_per_s: float,
    administered_activity_bq: float,
    ratio: UptakeRatio,
    model: str = "auto",
    population: PopulationModel | None = None,
    agent: str = "",
    horizon_s: float = math.inf,
) -> PredictedCurve:
    r"""Predict the therapeutic nuclide's curve in a region.

    The points are carried over to the therapy's decay (``reweighted_curve``) and fitted with it, so that the biological
    rates are those of the imaging fit but what lies after the last scan counts as much as the therapy makes of it: the
    95 % interval is integrated over all biological rates from 0 on that the points allow (``fit_curve``). With
    :math:`\rho` the uptake ratio and :math:`A_I` the imaging activity,

    .. math:: \tilde a_T = \frac{\rho}{A_I} \int_0^H \sum_j a_j e^{-(\lambda_T + b_j) t}\,dt

    The ratio acts on the whole curve, biological rates being those of the imaging agent. Half-widths of the interval in
    the logarithm add in quadrature with that of a lognormal ratio.

    Parameters
    ----------
    curve : of the imaging nuclide as measured, not decay-corrected
    imaging_per_s, therapy_per_s : decay constants. [1/s]
    administered_activity_bq : of the imaging nuclide. [Bq]
    ratio : uptake of therapy over imaging
    model : of ``fit_curve``, a sum of exponentials
    population : kinetics of the therapy's nuclide (``reweighted_population``), for few or early scans
    agent : of the therapy, to compare with the population's
    horizon_s : H; decays after it do not count. [s]

    Raises
    ------
    MissingDataError
        One scan and no population: how the activity falls was not seen.
    FitError
        No curve describes the points, or the model has no rates that could be carried on.
    InputError
        No administered activity.

    References
    ----------
    Miller C et al. Theranostics 12 (2022) 232-259, doi:10.7150/thno.62851 (when pairs behave alike, and when not).
    """
    if not 0 < administered_activity_bq < math.inf:
        raise InputError(f"Administered activity of {administered_activity_bq} Bq; expected more than 0.")
    moved = reweighted_curve(curve, imaging_per_s=imaging_per_s, therapy_per_s=therapy_per_s)
    fit = _fitted(moved, therapy_per_s, model, population, agent)
    if not fit.exponentials:
        raise FitError(f"{curve.region}: a {fit.model} has no rates to carry on; choose a sum of exponentials.")
    share = share_until(fit.exponentials, horizon_s)
    value = fit.time_integrated_activity_bq_s * share * ratio.value / administered_activity_bq
    return PredictedCurve(
        region=curve.region,
        curve=moved,
        fit=fit,
        ratio=ratio,
        time_integrated_activity_s=value,
        relative_u=_relative_u(fit, ratio),
        interval_95_s=_interval(fit, ratio, value),
        warnings=tuple(dict.fromkeys((*fit.warnings, *ratio.warnings, *_unseen(moved, fit, population is None)))),
    )


def _fitted(
    curve: TimeActivityCurve, decay_per_s: float, model: str, population: PopulationModel | None, agent: str
) -> CurveFit:
    if population is not None:
        return posterior_fit(curve, population=population, decay_constant_per_s=decay_per_s, agent=agent)
    if curve.time_s.size == 1:
        raise MissingDataError(
            f"{curve.region}: the only scan, at {curve.time_s[0] * H_PER_S:.3g} h, does not show how the activity falls "
            f"over the therapy's half-life of {math.log(2) / decay_per_s * H_PER_S:.3g} h: the late part is not seen. "
            "Scan again, or take a population's kinetics for it (--prior population with --agent, or --population FILE)."
        )
    return fit_curve(curve, decay_constant_per_s=decay_per_s, model=model)


def _unseen(curve: TimeActivityCurve, fit: CurveFit, own: bool) -> list[str]:
    told = []
    last_h = float(curve.time_s[-1]) * H_PER_S
    if fit.extrapolated_fraction > MUCH_UNSEEN:
        by = "by the points' own curve" if own else "by the population's kinetics"
        told.append(
            f"{fit.extrapolated_fraction:.0%} of the therapy's time-integrated activity lies after the last scan "
            f"({last_h:.3g} h): the late part was not seen and is extrapolated {by}."
        )
    if not own and curve.time_s.size == 1:
        told.append(f"The scan at {last_h:.3g} h is taken to lie on the washout: uptake to be complete by then.")
    return told


def log_spread(relative: float) -> float:
    """Standard deviation of the logarithm of a lognormal quantity with a relative standard uncertainty."""
    return math.sqrt(math.log1p(relative**2))


def _relative_u(fit: CurveFit, ratio: UptakeRatio) -> float | None:
    if fit.standard_uncertainty_bq_s is None or ratio.relative_u is None:
        return None
    return math.hypot(fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s, ratio.relative_u)


def _interval(fit: CurveFit, ratio: UptakeRatio, value: float) -> tuple[float, float] | None:
    if fit.interval_95_bq_s is None or ratio.relative_u is None:
        return None
    total, half = fit.time_integrated_activity_bq_s, COVERAGE_95 * log_spread(ratio.relative_u)
    low, high = (math.log(end / total) for end in fit.interval_95_bq_s)
    # an end on the wrong side of the estimate leaves that side to the ratio alone
    below = math.hypot(low, half) if low < 0 else (half or -low)
    above = math.hypot(high, half) if high > 0 else (half or high)
    return value * math.exp(-below), value * math.exp(above)
