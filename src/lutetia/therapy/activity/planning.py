"""The plan of the next cycle: what the strategy wants, what the limits and the protocol allow, and what follows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.activity.bounds import Bounds
from lutetia.therapy.activity.course import spoken
from lutetia.therapy.activity.limits import GIVEN_BY_USER, Margin, Unjudged, name_of
from lutetia.therapy.activity.strategies import Proposal, activity_text
from lutetia.units import BQ_PER_GBQ, GBQ_PER_BQ

Action = Literal["give", "reduce", "omit", "hold", "stop"]
MOST_CYCLES = 50
"""Further cycles are counted up to here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One limit with what it allows, and the probability of passing it with the activity that was considered. [Bq]"""

    margin: Margin
    allows_bq: float
    allows_by_estimate_bq: float
    predicted_gy: float
    probability_exceeded: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Activity of the next cycle.

    Attributes
    ----------
    action : give (what the strategy wants), reduce, omit (this cycle), hold (the physician decides), stop (the course)
    activity_bq : 0 where nothing is given, None for hold. [Bq]
    considered_bq : the activity whose consequences ``limits`` shows: that given, or that which was refused. [Bq]
    unjudged : limits of which something is not known
    further_cycles : equal cycles that all limits allow, this one included; None for strategies that change the activity
    """

    action: Action
    activity_bq: float | None
    considered_bq: float
    wanted_bq: float
    probability: float
    reasons: tuple[str, ...]
    limits: tuple[Judged, ...]
    unjudged: tuple[Unjudged, ...] = ()
    further_cycles: int | None
    bounds: Bounds
    warnings: tuple[str, ...]


def plan_activity(
    proposal: Proposal,
    margins: Sequence[Margin],
    *,
    probability: float,
    bounds: Bounds | None = None,
    demanded: bool = False,
    unjudged: Sequence[Unjudged] = (),
    required: bool = True,
) -> Plan:
    """The largest activity that the strategy wants, every deciding limit allows and the protocol permits.

    The red marrow's limits warn and never decide.

    Parameters
    ----------
    proposal : of the strategy
    margins : of the limits, from ``limits.margins_of``
    probability : with which each limit may at most be exceeded, above 0 and at most 0.5
    bounds : of the protocol
    demanded : refuse rather than warn where the probability cannot be known
    unjudged : limits of which something is not known; one that what is known already passes stops the course
    required : hold where a limit that decides is not known; where False that of a fixed activity is told only. An
        activity that limits tailor needs them in any case

    Raises
    ------
    InputError
        A probability out of range.
    MissingDataError
        ``demanded``, and an uncertainty is unknown.
    """
    if not 0 < probability <= 0.5:
        raise InputError(f"A probability of {probability:g}; expected above 0 and at most 50 %.")
    unknown = [margin for margin in margins if margin.spread is None]
    if demanded and unknown:
        raise MissingDataError(
            f"{_named(unknown[0])}: the uncertainty of a dose is not known, so neither is the probability of passing the "
            "limit. Give it (--dose-u-percent, --u-percent)."
        )
    inside = bounds or Bounds()
    wanted = proposal.activity_bq
    highest = wanted if inside.highest_bq is None else min(wanted, inside.highest_bq)
    allowed = {id(margin): margin.allows(probability) for margin in margins}
    deciding = [margin for margin in margins if margin.decides]
    tightest = min(deciding, key=lambda margin: allowed[id(margin)], default=None)
    most = highest if tightest is None else min(highest, allowed[id(tightest)])
    action, considered, reasons = _decide(proposal, inside, tightest, highest=highest, most=most, p=probability)
    judged = tuple(_judged(margin, allowed[id(margin)], considered) for margin in margins)
    action, more = _without_limits(action, unjudged, needed=required or proposal.adjustable)
    given = {"give": considered, "reduce": considered, "hold": None}.get(action, 0.0)
    return Plan(
        action=action,
        activity_bq=given,
        considered_bq=considered,
        wanted_bq=wanted,
        probability=probability,
        reasons=(*proposal.reasons, *inside.reasons, *reasons, *more),
        limits=judged,
        unjudged=tuple(unjudged),
        further_cycles=None if proposal.adjustable or proposal.ended else _further(deciding, highest, probability),
        bounds=inside,
        warnings=(*proposal.warnings, *inside.warnings, *_warnings(judged, unknown, tightest, unjudged)),
    )


def _judged(margin: Margin, allows_bq: float, considered_bq: float) -> Judged:
    return Judged(
        margin=margin,
        allows_bq=allows_bq,
        allows_by_estimate_bq=margin.allows_by_estimate(),
        predicted_gy=margin.after(considered_bq),
        probability_exceeded=margin.probability(considered_bq),
    )


def _without_limits(action: Action, unjudged: Sequence[Unjudged], *, needed: bool) -> tuple[Action, list[str]]:
    """What follows from limits that cannot be judged, and why."""
    told = [each for each in unjudged if each.decides]
    passed = [each for each in told if each.passed]
    if passed and action != "stop":
        found = [
            f"At least {each.at_least_gy:.3g} Gy was given to the {spoken(each.region)}, which leaves nothing under "
            f"{_limit(each)}."
            for each in passed
        ]
        return "stop", found
    said = [f"Unknown: {_limit(each)} cannot be judged. {each.why}" for each in told]
    return "hold" if told and needed and action in ("give", "reduce", "omit") else action, said


def _decide(
    proposal: Proposal, bounds: Bounds, tightest: Margin | None, *, highest: float, most: float, p: float
) -> tuple[Action, float, list[str]]:
    """Action, the activity that was considered, and why."""
    ended = proposal.ended or bounds.ended
    if ended:
        return "stop", highest, [ended]
    if tightest is not None and most <= 0:
        return (
            "stop",
            highest,
            [
                f"What was given leaves nothing under {_named(tightest)} ({_chance(tightest, 0.0, p)}; {_limit(tightest)})."
            ],
        )
    clipped = (
        [bounds.clipped_by or f"The protocol allows at most {_gbq(highest)}."]
        if highest < proposal.activity_bq
        else []
    )
    lowered = bool(clipped and bounds.clipped_by)
    if not proposal.adjustable:
        if tightest is None or most >= highest:
            return "reduce" if lowered else "give", highest, clipped
        why = (
            f"{_gbq(highest)} would pass {_named(tightest)} ({_chance(tightest, highest, p)}; {_limit(tightest)})."
        )
        return proposal.otherwise, highest, [*clipped, why, *_meaning(proposal.otherwise)]
    floor = max(proposal.lowest_bq or 0.0, bounds.lowest_bq or 0.0)
    limited = (
        [f"{_named(tightest)} allows {_gbq(most)} ({_rule(tightest, p)}; {_limit(tightest)})."]
        if tightest and most < highest
        else []
    )
    if most < floor:
        refusal = [f"Less than the lowest activity of {_gbq(floor)}.", *_meaning(proposal.otherwise)]
        return proposal.otherwise, most, [*clipped, *limited, *refusal]
    return "reduce" if limited or lowered or proposal.reduced else "give", most, [*clipped, *limited]


def _meaning(refusal: str) -> list[str]:
    meanings = {
        "hold": "The strategy foresees nothing less: the physician decides.",
        "omit": "This cycle is omitted.",
        "stop": "No further cycle.",
    }
    return [meanings[refusal]]


def _further(deciding: Sequence[Margin], activity_bq: float, probability: float) -> int | None:
    """Equal cycles that all limits allow; None without a limit."""
    if not deciding:
        return None

    def passes(cycles: int) -> bool:
        found = [(margin, margin.probability(activity_bq, cycles=cycles)) for margin in deciding]
        return any(
            margin.after(activity_bq, cycles=cycles) > margin.limit.limit_gy or (p is not None and p > probability)
            for margin, p in found
        )

    return next((n - 1 for n in range(1, MOST_CYCLES + 1) if passes(n)), MOST_CYCLES)


def _warnings(
    judged: Sequence[Judged], unknown: Sequence[Margin], tightest: Margin | None, unjudged: Sequence[Unjudged]
) -> list[str]:
    told = [
        f"{_named(margin)}: an uncertainty is not known, so that the best estimate alone was kept under the limit; the "
        "probability of passing it may be one half."
        for margin in unknown
    ]
    told += [f"{name_of(each.limit)} was not judged: {each.why}" for each in unjudged if not each.decides]
    for each in judged:
        told += _of_limit(each)
    told += dict.fromkeys(text for each in judged for text in each.margin.prediction.warnings)
    if tightest is None:
        told.append("No limit decided on the activity.")
    return list(dict.fromkeys(told))


def _of_limit(each: Judged) -> list[str]:
    margin = each.margin
    told = []
    if margin.limit.source == GIVEN_BY_USER:
        told.append(f"{name_of(margin.limit)} is the user's own limit, without a source that was read.")
    elif not margin.limit.verified:
        told.append(f"{name_of(margin.limit)} was noted from memory ({margin.limit.source}).")
    if not margin.decides:
        told.append(
            f"{_named(margin)} would by itself allow {_gbq(each.allows_bq)}. It does not decide: marrow doses differ "
            "by up to a factor of 3 with the method and predicted no toxicity; judge by blood counts."
        )
    return told


def _named(margin: Margin) -> str:
    quantity = " BED" if margin.limit.quantity == "BED" else ""
    return f"{margin.limit.limit_gy:g} Gy{quantity} to the {spoken(margin.region)}"


def _limit(of: Margin | Unjudged) -> str:
    """Name of a limit and its sources."""
    return f"{name_of(of.limit)}, {'; '.join(dict.fromkeys(limit.source for limit in of.limits))}"


def _gbq(activity_bq: float) -> str:
    return activity_text(rounded_down(activity_bq * GBQ_PER_BQ) * BQ_PER_GBQ)


def rounded_down(activity_gbq: float) -> float:
    """To 0.01 GBq (to three digits below 1), so that what is read is not more than what is allowed."""
    if not activity_gbq > 0:
        return 0.0
    digits = max(2, 2 - math.floor(math.log10(activity_gbq)))
    return math.floor(activity_gbq * 10.0**digits * (1 + 1e-9)) / 10.0**digits


def _chance(margin: Margin, activity_bq: float, allowed: float) -> str:
    found = margin.probability(activity_bq)
    if found is None:
        return f"best estimate {margin.after(activity_bq):.3g} Gy"
    return f"probability of passing it {found:.1%}, allowed {allowed:.3g}"


def _rule(margin: Margin, allowed: float) -> str:
    return "best estimate" if margin.spread is None else f"probability of passing it at most {allowed:.1%}"
