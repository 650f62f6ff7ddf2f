"""Absorbed dose that an activity is expected to give in the next cycle."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.activity.tables import usual_uncertainty
from lutetia.units import BQ_PER_GBQ

MOST_SPREAD = 2.0
"""Relative spread between a patient's own cycles beyond which they are not of one kidney, or not in one unit."""
ENOUGH_CYCLES = 3
"""Cycles from which the spread between them is taken as known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    r"""Median absorbed dose of the next cycle, :math:`D (A/A_0)^b`, lognormal.

    Attributes
    ----------
    dose_gy, activity_bq, exponent : D, A0 and b (1: in proportion). [Gy], [Bq]
    relative_u : relative standard uncertainty of the dose of one cycle, None when unknown
    named : source of error -> relative part of it that doses given share, because they are of the same camera, or were
        estimated from the same dose per activity
    source, verified, warnings : where it is from
    """

    dose_gy: float
    activity_bq: float
    exponent: float = 1.0
    relative_u: float | None = None
    named: Mapping[str, float] = field(default_factory=dict)
    source: str
    verified: bool = True
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = (self.dose_gy, self.activity_bq, self.exponent)
        if not all(math.isfinite(value) and value > 0 for value in values):
            raise InputError(
                f"{self.dose_gy} Gy of {self.activity_bq} Bq to the power {self.exponent}; expected values above 0."
            )
        if self.relative_u is not None and not 0 <= self.relative_u < 10:
            raise InputError(f"A relative uncertainty of {self.relative_u} of a predicted dose; expected 0 to 10.")

    def dose_at(self, activity_bq: float) -> float:
        """Median absorbed dose of an activity. [Gy]"""
        return self.dose_gy * math.pow(activity_bq / self.activity_bq, self.exponent)

    def activity_for(self, dose_gy: float) -> float:
        """Activity with a median absorbed dose. [Bq]"""
        return self.activity_bq * math.pow(max(dose_gy, 0.0) / self.dose_gy, 1 / self.exponent)

    @property
    def gy_per_gbq(self) -> float:
        """Dose per activity at the reference activity. [Gy/GBq]"""
        return self.dose_gy / self.activity_bq * BQ_PER_GBQ


def stated_prediction(
    *, gy_per_gbq: float, relative_u: float | None, named: Mapping[str, float] | None = None, region: str = ""
) -> Prediction:
    """A dose per activity that the user states: of a pre-therapy image, or of another system. [Gy/GBq]

    ``named`` are the errors it shares with the doses given (their calibration), parts of ``relative_u``; the rest is that
    of the statement for the ``region``.
    """
    if not (math.isfinite(gy_per_gbq) and gy_per_gbq > 0):
        raise InputError(f"A dose of {gy_per_gbq} Gy/GBq; expected above 0.")
    shared = dict(named or {})
    if relative_u is not None:
        own = max(relative_u**2 - math.fsum(u**2 for u in shared.values()), 0.0)
        shared[f"dose per activity as stated, {region}"] = math.sqrt(own)
    return Prediction(
        dose_gy=gy_per_gbq,
        activity_bq=BQ_PER_GBQ,
        relative_u=relative_u,
        named=shared,
        source="dose per activity given by the user",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """Absorbed dose of one cycle and its activity. [Gy], [Bq]; ``named`` as in ``Prediction``, None when unknown."""

    dose_gy: float
    activity_bq: float
    named: Mapping[str, float] | None


def predicted_from(cycles: Sequence[Observed], *, scans: int, relative_u: float | None = None) -> Prediction:
    r"""The patient's last dose per activity, with the spread that three parts make.

    Its own budget (correlated with the doses given); the spread between the patient's cycles, :math:`s\sqrt{1 + 1/n}` of
    the logarithms, from three cycles on; and at least the 13 % (three scans) or 19 % (one) that are usual for one cycle.

    Parameters
    ----------
    cycles : of the agent that will be given, in their order
    scans : per cycle
    relative_u : in place of what is usual and of the spread between cycles

    Raises
    ------
    MissingDataError
        No cycle, the last without dose, or cycles that differ by more than a prediction can be made from.
    """
    if not cycles:
        raise MissingDataError("No cycle of this agent to predict from; give a dose per activity.")
    last = cycles[-1]
    if not last.dose_gy > 0:
        raise MissingDataError(
            "The last cycle has no absorbed dose, so none can be predicted; give a dose per activity."
        )
    named = dict(last.named or {})
    measured = math.hypot(*named.values()) if named else 0.0
    usual = usual_uncertainty(scans)
    told: tuple[str, ...] = ()
    if relative_u is not None:
        least, own, source = relative_u, 0.0, "spread given by the user"
    else:
        own = _between(cycles)
        least, source = usual.value, f"spread at least {usual.value:.0%} ({usual.source})"
    if last.named is None:
        told = (
            "The uncertainty of the last dose is not known; that of its prediction is the usual one, uncorrelated.",
        )
    if own > MOST_SPREAD:
        raise MissingDataError(
            f"The dose per activity of the {len(cycles)} cycles differs so much (relative spread {own:.2g}) that none can "
            "be predicted; check the doses, or give a dose per activity."
        )
    extra = math.sqrt(max(own**2, least**2 - measured**2, 0.0))
    return Prediction(
        dose_gy=last.dose_gy,
        activity_bq=last.activity_bq,
        relative_u=math.hypot(measured, extra),
        named=named,
        source=f"dose per activity of the last of {len(cycles)} cycle(s); {source}",
        warnings=told,
    )


def _between(cycles: Sequence[Observed]) -> float:
    """Relative spread of the next cycle about the patient's own; 0 where there are too few."""
    n = len(cycles)
    if n < ENOUGH_CYCLES or any(not cycle.dose_gy > 0 for cycle in cycles):
        return 0.0
    logarithms = np.log([cycle.dose_gy / cycle.activity_bq for cycle in cycles])
    spread = float(np.std(logarithms, ddof=1)) * math.sqrt(1 + 1 / n)
    return math.sqrt(math.expm1(spread**2))
