"""Activity of the therapy under limits of organ dose, from predicted doses per activity."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lutetia.app.workflow.prediction.doses import RegionDose
from lutetia.errors import InputError, MissingDataError
from lutetia.kinetics.pairs.prediction import COVERAGE_95, PredictedCurve, log_spread
from lutetia.response.parameters import DoseLimit
from lutetia.therapy.activity.course import organ_of, spoken
from lutetia.therapy.activity.limits import Margin, find_limits, name_of, protraction_of
from lutetia.therapy.activity.prediction import Prediction
from lutetia.therapy.activity.probability import Spread
from lutetia.therapy.activity.tables import usual_uncertainty
from lutetia.units import BQ_PER_MBQ

LARGEST_SPREAD: Final = 2.0
"""Standard deviation of the logarithm of a dose, a factor of 50 either way at 95 %: more says that nothing is known."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RegionPrediction:
    """What is predicted of one region.

    Attributes
    ----------
    curve : the therapy's curve
    kind : organ, lesion, remainder or other
    dose : per administered activity, None without a mass
    other_u : relative standard uncertainty beside that of the curve, None when unknown
    """

    curve: PredictedCurve
    kind: str
    dose: RegionDose | None
    other_u: float | None

    @property
    def dose_log_spread(self) -> float | None:
        """Standard deviation of the logarithm of the dose, None when unknown."""
        own = self.curve.log_spread
        if own is None or self.other_u is None:
            return None
        return math.hypot(own, log_spread(self.other_u))

    @property
    def relative_u(self) -> float | None:
        """Relative standard uncertainty of the dose, None when unknown."""
        own = self.curve.relative_u
        return None if own is None or self.other_u is None else math.hypot(own, self.other_u)

    def interval_95(self, gy_per_bq: float) -> tuple[float, float] | None:
        """About a dose of the region: half-widths of curve and the rest in quadrature. [Gy/Bq]"""
        ends = self.curve.interval_95_s
        if ends is None or self.other_u is None:
            return None
        value, rest = self.curve.time_integrated_activity_s, COVERAGE_95 * log_spread(self.other_u)
        low, high = (math.log(end / value) for end in ends)
        return (
            gy_per_bq * math.exp(-math.hypot(min(low, 0.0), rest)),
            gy_per_bq * math.exp(math.hypot(max(high, 0.0), rest)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighting:
    """How alphas count: the RBE with its endpoint, and whether limits are of the weighted dose."""

    rbe: float
    endpoint: str
    limits_weighted: bool

    def __post_init__(self) -> None:
        if not 1 <= self.rbe <= 100:
            raise InputError(f"--rbe {self.rbe:g}; expected from 1 to 100.")

    def limited(self, dose: RegionDose) -> float:
        """The dose that is limited. [Gy/Bq]"""
        return dose.weighted(self.rbe, self.endpoint).weighted_gy if self.limits_weighted else dose.parts.total_gy


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedLimit:
    """One limit in one region, and the activities that it allows. [Bq]

    ``interval_95_bq`` are the activities with which the ends of the dose's interval come to the limit.
    """

    margin: Margin
    allows_bq: float
    allows_by_estimate_bq: float
    interval_95_bq: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The largest activity that all limits allow, None without a limit that decides. [Bq]"""

    limits: tuple[JudgedLimit, ...]
    probability: float
    tightest: JudgedLimit | None
    warnings: tuple[str, ...]


def asked_limits(names: Sequence[str], kidney_gy: float | None) -> tuple[tuple[DoseLimit, ...], ...]:
    """Limits of the table by name, and one for the kidneys by its number, each with its sources."""
    found = [find_limits(name) for name in {name.strip().lower(): name for name in names}.values()]
    if kidney_gy is not None:
        if not 0 < kidney_gy <= 1000:
            raise InputError(f"--kidney-limit {kidney_gy:g} Gy; expected above 0 and at most 1000.")
        own = DoseLimit(
            region="kidney", quantity="absorbed dose", limit_gy=kidney_gy, tolerance_gy=None, condition="",
            endpoint="given by the user", source="given by the user", verified=True,
        )  # fmt: skip
        found.append((own,))
    return tuple(found)


def activity_for_limits(
    limits: Sequence[tuple[DoseLimit, ...]],
    regions: Mapping[str, RegionPrediction],
    *,
    weighting: Weighting,
    probability: float,
    agent: str = "",
) -> Answer:
    """The largest activity with which each limit is passed with at most a probability.

    The dose is lognormal about its estimate, with the spread of the prediction or, if that is less, the one that is
    usual between a patient's cycles (a second administration is not the first). The red marrow warns and never decides.

    Raises
    ------
    MissingDataError
        An organ with a limit has no predicted dose.
    InputError
        A limit of BED for a nuclide with alphas, or a dose too uncertain to plan with.
    """
    judged, told = [], []
    for rows in limits:
        inside = {name: r for name, r in regions.items() if r.dose is not None and organ_of(name) == rows[0].region}
        if not inside:
            there = ", ".join(name for name, r in regions.items() if r.dose is not None) or "none"
            raise MissingDataError(
                f"{name_of(rows[0])}: no {rows[0].region} has a predicted dose (there are: {there}); image it, give its "
                "uptake ratio or its mass, or leave out the limit."
            )
        judged += [_judged(_margin(rows, region, weighting, agent), region, weighting, probability)
                   for region in inside.values()]  # fmt: skip
    deciding = [each for each in judged if each.margin.decides]
    tightest = min(deciding, key=lambda each: each.allows_bq, default=None)
    for each in judged:
        told += _told(each)
    if tightest is not None:
        told += _weighted(tightest, weighting, regions[tightest.margin.region])
    return Answer(
        limits=tuple(judged), probability=probability, tightest=tightest, warnings=tuple(dict.fromkeys(told))
    )


def _margin(rows: tuple[DoseLimit, ...], region: RegionPrediction, weighting: Weighting, agent: str) -> Margin:
    name, dose = region.curve.region, region.dose
    if dose is None:
        raise MissingDataError(f"{name}: no dose.")
    protraction = None
    if rows[0].quantity == "BED":
        if dose.parts.alpha_gy > 0 or weighting.limits_weighted:
            raise InputError(
                f"{name_of(rows[0])}: a BED of the linear-quadratic model does not hold for alpha particles or weighted "
                "doses; give a limit of absorbed dose."
            )
        protraction = protraction_of(rows[0].region, region.curve.fit.effective_half_life_s, agent=agent)
    spread = region.dose_log_spread
    scans = int(region.curve.curve.time_s.size)
    relative, source = None, "predicted from the imaging nuclide"
    if spread is not None:
        if spread > LARGEST_SPREAD:
            raise InputError(
                f"{name}: the dose is open by a factor of {math.exp(COVERAGE_95 * spread):.0f} either way; no activity can "
                "be planned with it. Scan later, or take a population's kinetics (--prior population)."
            )
        usual = usual_uncertainty(scans)
        relative = max(math.sqrt(math.expm1(spread**2)), usual.value)
        source += f"; spread at least {usual.value:.0%} ({usual.source})"
    prediction = Prediction(
        dose_gy=weighting.limited(dose) * BQ_PER_MBQ, activity_bq=BQ_PER_MBQ, relative_u=relative, source=source,
    )  # fmt: skip
    return Margin(
        limits=rows, region=name, so_far_gy=0.0, u_so_far_gy=None, prediction=prediction,
        spread=None if relative is None else Spread(given=0.0, next=relative), protraction=protraction,
    )  # fmt: skip


def _judged(margin: Margin, region: RegionPrediction, weighting: Weighting, probability: float) -> JudgedLimit:
    estimate = margin.allows_by_estimate()
    interval = None if region.dose is None else region.interval_95(weighting.limited(region.dose))
    ends = None
    if interval is not None and region.dose is not None:
        # what the estimate allows, were the dose per activity that of either end
        value = weighting.limited(region.dose)
        ends = (estimate * value / interval[1], estimate * value / interval[0])
    return JudgedLimit(
        margin=margin, allows_bq=margin.allows(probability), allows_by_estimate_bq=estimate, interval_95_bq=ends
    )


def _told(each: JudgedLimit) -> list[str]:
    margin, told = each.margin, []
    name = f"{name_of(margin.limit)}, {margin.region}"
    if margin.spread is None:
        told.append(
            f"{name}: an uncertainty is not known, so that the best estimate alone was kept under the limit; the "
            "probability of passing it may be one half."
        )
    if not margin.limit.verified:
        told.append(f"{name_of(margin.limit)} was noted from memory ({margin.limit.source}).")
    if not margin.decides:
        told.append(f"{name}: does not decide; the dose of the marrow predicted no toxicity.")
    return told


def _weighted(each: JudgedLimit, weighting: Weighting, region: RegionPrediction) -> list[str]:
    """What an absorbed-dose limit, which comes from electrons and photons, lets pass of alphas."""
    dose = region.dose
    if dose is None or not dose.parts.alpha_gy > 0 or weighting.limits_weighted:
        return []
    weighted_gy = dose.weighted(weighting.rbe, weighting.endpoint).weighted_gy * each.allows_bq
    absorbed_gy = dose.parts.total_gy * each.allows_bq
    return [
        f"{name_of(each.margin.limit)} comes from electrons and photons. With the activity that it allows in absorbed "
        f"dose, {absorbed_gy:.3g} Gy in {spoken(each.margin.region)} are {weighted_gy:.3g} Gy RBE-weighted (RBE "
        f"{weighting.rbe:g} for {weighting.endpoint}); --limit-is rbe-weighted keeps that under the limit."
    ]
