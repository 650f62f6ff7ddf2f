"""Strategies: what activity the next cycle would have before limits are looked at.

A strategy is a function of a ``Situation`` that returns a ``Proposal``; ``STRATEGIES`` lists them by name, and a further
one is a further entry. Their numbers are in data/strategies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.activity.course import spoken
from lutetia.therapy.activity.prediction import Prediction
from lutetia.therapy.activity.tables import Number, strategy_numbers
from lutetia.units import BQ_PER_GBQ, GBQ_PER_BQ, MBQ_PER_BQ

SMALL_BQ: Final = 1e9
"""Activities below are written in MBq."""

Refusal = Literal["hold", "omit", "stop"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """What a strategy may ask.

    Attributes
    ----------
    cycle : number of the next cycle, from 1
    kidneys : region of a kidney -> predicted dose of the next cycle
    kidney_so_far_gy : region of a kidney -> sum of absorbed doses. [Gy]
    usual_bq, usual_source : activity of the protocol and where it says so, None where none is named. [Bq]
    unstated : why the protocol that is named has no usual activity
    tailored_bq : lowest and highest where the protocol tailors this cycle. [Bq]
    target_gy : dose of the next cycle to the kidney that the user assigns. [Gy]
    reduction : share by which the physician reduces for renal or marrow impairment, 0 for none
    """

    cycle: int
    kidneys: Mapping[str, Prediction]
    kidney_so_far_gy: Mapping[str, float]
    usual_bq: float | None = None
    usual_source: str = "the protocol's activity"
    unstated: str = ""
    tailored_bq: tuple[float, float] | None = None
    target_gy: float | None = None
    reduction: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What a strategy wants.

    Attributes
    ----------
    activity_bq : 0 where ``ended`` says why there is no further cycle. [Bq]
    adjustable : whether less may be given to keep a limit
    lowest_bq : least activity that is given, None for any. [Bq]
    otherwise : what follows when the activity, or the lowest, is not allowed
    reduced : whether it is already less than the strategy's own
    """

    activity_bq: float
    adjustable: bool
    lowest_bq: float | None = None
    otherwise: Refusal
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    ended: str = ""
    reduced: bool = False


Strategy = Callable[[Situation], Proposal]


def fixed(now: Situation) -> Proposal:
    """The protocol's activity whatever the doses; a limit that would be passed holds the cycle for the physician."""
    numbers = strategy_numbers("fixed")
    if now.cycle > numbers["cycles"].value and now.usual_bq is None:
        return _ended(now, numbers["cycles"])
    return _as_usual(now, numbers["activity"], otherwise="hold")


def fixed_until_limit(now: Situation) -> Proposal:
    """One activity for as many cycles as the limits allow."""
    return _as_usual(now, strategy_numbers("fixed-until-limit")["activity"], otherwise="stop")


def tailored_fourth(now: Situation) -> Proposal:
    """The usual activity three times, the fourth between a lowest and the usual, or omitted."""
    numbers = strategy_numbers("tailored-4th")
    if now.tailored_bq is not None:
        return _tailored(*now.tailored_bq)  # the protocol's bounds say so
    if now.cycle > numbers["cycles"].value:
        return _ended(now, numbers["cycles"])
    if now.cycle < numbers["tailored_cycle"].value:
        return _as_usual(now, numbers["activity"], otherwise="hold")
    _require_stated(now)
    lowest, usual = numbers["lowest"], numbers["activity"]
    said = f"Cycle {now.cycle} is tailored from {lowest.value:g} to {usual.value:g} GBq ({lowest.source})."
    return _tailored(lowest.value * BQ_PER_GBQ, usual.value * BQ_PER_GBQ, said)


def _tailored(lowest_bq: float, highest_bq: float, *said: str) -> Proposal:
    return Proposal(activity_bq=highest_bq, adjustable=True, lowest_bq=lowest_bq, otherwise="omit", reasons=said)


def p_prrt(now: Situation) -> Proposal:
    """A kidney dose for each cycle, from the dose per activity of the cycle before."""
    numbers = strategy_numbers("p-prrt")
    if now.cycle > numbers["cycles"].value:
        return _ended(now, numbers["cycles"])
    target = numbers[f"target_cycle_{now.cycle}"]
    least, most = numbers["least_reduction"].value / 100, numbers["most_reduction"].value / 100
    told: tuple[str, ...] = ()
    if now.reduction and not least <= now.reduction <= most:
        told = (f"The reduction of {now.reduction:.0%} is not within the {least:.0%} to {most:.0%} of P-PRRT.",)
    aim = (
        Number(value=now.target_gy, unit="Gy", source="assigned by the user", verified=True)
        if now.target_gy
        else target
    )
    return _to_target(now, aim, told=told)


def danish(now: Situation) -> Proposal:
    """Equal parts of what is left of the total, under a highest activity of the first and of later cycles."""
    numbers = strategy_numbers("danish")
    if now.cycle > numbers["cycles"].value:
        return _ended(now, numbers["cycles"])
    highest = numbers["highest_first" if now.cycle == 1 else "highest_later"]
    if now.cycle > 1 and not now.kidney_so_far_gy:
        raise MissingDataError(
            "The kidney dose so far is not known, so neither is what is left of the total (--dose-Gy)."
        )
    left = numbers["target_total"].value - max(now.kidney_so_far_gy.values(), default=0.0)
    parts = int(numbers["cycles"].value) - now.cycle + 1
    share, origin = numbers["equal_parts"], numbers["target_total"].source
    if left <= 0:
        return _stopped(f"The total of {numbers['target_total'].value:g} Gy is reached ({origin}).")
    target = now.target_gy or left / parts
    aim = Number(value=target, unit="Gy", source=f"{origin}; {share.source}", verified=share.verified)
    return _to_target(now, aim, highest=highest)


def forward(now: Situation) -> Proposal:
    """An assigned kidney dose, from the dose per activity of a pre-therapy image."""
    numbers = strategy_numbers("forward")
    if now.cycle > numbers["cycles"].value:
        return _ended(now, numbers["cycles"])
    if now.target_gy is None:
        raise MissingDataError("Forward planning needs the kidney dose assigned to this treatment (--target-Gy).")
    return _to_target(now, Number(value=now.target_gy, unit="Gy", source=numbers["cycles"].source, verified=True))


STRATEGIES: Final[dict[str, Strategy]] = {
    "fixed": fixed,
    "fixed-until-limit": fixed_until_limit,
    "p-prrt": p_prrt,
    "danish": danish,
    "tailored-4th": tailored_fourth,
    "forward": forward,
}


def strategy(name: str) -> Strategy:
    """A strategy by name; InputError lists those there are."""
    if name not in STRATEGIES:
        raise InputError(f"No strategy {name!r}; there are {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]


def _as_usual(now: Situation, number: Number, *, otherwise: Refusal) -> Proposal:
    _require_stated(now)
    activity = number.value * BQ_PER_GBQ if now.usual_bq is None else now.usual_bq
    source = number.source if now.usual_bq is None else now.usual_source
    reason = f"{activity_text(activity)} per cycle ({source})."
    return Proposal(activity_bq=activity, adjustable=False, otherwise=otherwise, reasons=(reason,))


def activity_text(activity_bq: float) -> str:
    """An activity in GBq, of which little is meant in MBq."""
    small = 0 < activity_bq < SMALL_BQ
    return f"{activity_bq * MBQ_PER_BQ:.4g} MBq" if small else f"{activity_bq * GBQ_PER_BQ:.4g} GBq"


def _require_stated(now: Situation) -> None:
    """A strategy's own activity is of 177Lu: it never stands in for that of a protocol that states none."""
    if now.usual_bq is None and now.unstated:
        raise MissingDataError(f"{now.unstated}; the physician decides on it.")


def _to_target(
    now: Situation, aim: Number, *, highest: Number | None = None, told: tuple[str, ...] = ()
) -> Proposal:
    """The activity with which no kidney has more than a dose, reduced as the physician asks."""
    if not now.kidneys:
        raise MissingDataError(
            f"Cycle {now.cycle}: no kidney dose per activity. The trial's regression of a first activity on renal function "
            "and body surface is not published with coefficients that could be read, and none is invented: give a dose per "
            "activity (--Gy-per-GBq kidney=...; of a pre-therapy image or a fit to your own cohort), or take the "
            "population's (--prior sood2026 --clearance-mL-min ...)."
        )
    region, prediction = min(now.kidneys.items(), key=lambda each: each[1].activity_for(aim.value))
    activity = prediction.activity_for(aim.value) * (1 - now.reduction)
    reasons = [f"{aim.value:.3g} Gy to the {spoken(region)} in cycle {now.cycle} ({aim.source})."]
    if now.reduction:
        reasons.append(f"Reduced by {now.reduction:.0%} as asked for.")
    if highest is not None and activity > highest.value * BQ_PER_GBQ:
        activity = highest.value * BQ_PER_GBQ
        reasons.append(f"At most {highest.value:g} GBq ({highest.source}).")
    warnings = told if aim.verified else (*told, f"Not read in a document: {aim.source}.")
    return Proposal(
        activity_bq=activity, adjustable=True, otherwise="hold", reasons=tuple(reasons), warnings=warnings,
        reduced=now.reduction > 0,
    )  # fmt: skip


def _ended(now: Situation, cycles: Number) -> Proposal:
    return _stopped(f"Cycle {now.cycle} is beyond the {cycles.value:g} of this strategy ({cycles.source}).")


def _stopped(reason: str) -> Proposal:
    return Proposal(activity_bq=0.0, adjustable=False, otherwise="stop", reasons=(), ended=reason)
