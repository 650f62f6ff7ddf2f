"""Activity of the next administration in a state, and how one that was given compares with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from lutetia.therapy.chronicle.model import Given
from lutetia.therapy.items import rounded
from lutetia.therapy.modification.model import State
from lutetia.therapy.protocols.model import Modification, Protocol
from lutetia.units import MBQ_PER_BQ


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """Activity of the next administration [Bq], None where none may be given or none can be told, and why."""

    activity_bq: float | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """An administration beside what was allowed: in words, a warning or none, and whether it was at the reduced level."""

    expected: str
    warning: str
    at_reduced: bool


def cycles_left(protocol: Protocol, given: Sequence[Given]) -> int | None:
    """Administrations that the protocol still allows, None where it states no number."""
    most = protocol.cycles.at_most if protocol.cycles.at_most is not None else protocol.cycles.planned
    return None if most is None else max(most - len(given), 0)


def allowed_activity(
    protocol: Protocol,
    *,
    state: State,
    given: Sequence[Given],
    reduced_by: Sequence[Modification],
    full_bq: float | None,
    held_by: Sequence[str],
    undecided: Sequence[str],
) -> Allowed:
    """Activity of the next administration by toxicity alone.

    Parameters
    ----------
    protocol : whose numbers they are
    state : of the course
    given : administrations so far
    reduced_by : rules whose hold ended in a reduction
    full_bq : full activity after a reduction, None before any. [Bq]
    held_by, undecided : ids of rules
    """
    if state == "STOPPED":
        return Allowed(activity_bq=None, reason="the course is stopped for good")
    if state == "HELD":
        return Allowed(activity_bq=None, reason=f"held by {', '.join(held_by)}")
    if cycles_left(protocol, given) == 0:
        return Allowed(activity_bq=None, reason=f"all {len(given)} administrations are given")
    if undecided:
        return Allowed(activity_bq=None, reason=f"{', '.join(undecided)} cannot be judged")
    if state == "REDUCED":
        resumes = [rule.resume_bq for rule in reduced_by]
        known = [resume for resume in resumes if resume is not None]
        if len(known) < len(resumes):
            return Allowed(activity_bq=None, reason="the protocol does not state the reduced activity")
        allowed = Allowed(activity_bq=min(known), reason=f"reduced by {', '.join(rule.id for rule in reduced_by)}")
    else:
        allowed = _full(protocol, len(given) + 1, full_bq)
    return _within_sum(protocol, given, allowed)


def _full(protocol: Protocol, cycle: int, full_bq: float | None) -> Allowed:
    for tailored in protocol.tailored_cycles:
        if tailored.cycle == cycle:
            ends = f"{tailored.lowest_bq * MBQ_PER_BQ:g} to {tailored.highest_bq * MBQ_PER_BQ:g} MBq"
            return Allowed(activity_bq=None, reason=f"cycle {cycle} is tailored by absorbed dose, {ends}")
    if full_bq is not None:
        return Allowed(activity_bq=full_bq, reason="full activity after a reduction")
    if protocol.activity.basis == "fixed" and protocol.activity.activity_bq is not None:
        return Allowed(activity_bq=protocol.activity.activity_bq, reason="full activity")
    return Allowed(activity_bq=None, reason=f"full activity; it is no fixed one ({protocol.activity.basis})")


def _within_sum(protocol: Protocol, given: Sequence[Given], allowed: Allowed) -> Allowed:
    if protocol.cumulative is None or allowed.activity_bq is None:
        return allowed
    known = [one.activity_bq for one in given if one.activity_bq is not None]
    if len(known) < len(given):
        return Allowed(activity_bq=None, reason="an activity that was given is not known, so that its sum is not")
    total = sum(known) + allowed.activity_bq
    if rounded(total) <= rounded(protocol.cumulative.at_most_bq):
        return allowed
    most = f"{protocol.cumulative.at_most_bq * MBQ_PER_BQ:g} MBq"
    return Allowed(activity_bq=None, reason=f"the next would exceed the sum allowed, {most}")


def judged_activity(
    protocol: Protocol,
    state: State,
    one: Given,
    allowed: Allowed,
    reduced_by: Sequence[Modification],
) -> Verdict:
    """What was given beside what was allowed.

    Without a stated tolerance a difference is told but not judged, except that what lies nearer to another level of the
    protocol is a departure.
    """
    if one.activity_bq is None:
        unknown = f"{one.date}: the activity given is not known"
        return Verdict(expected=allowed.reason, warning=f"{unknown}, and is not judged.", at_reduced=False)
    told = f"{one.date}: {one.activity_bq * MBQ_PER_BQ:g} MBq given"
    levels = {rule.resume_bq for rule in protocol.modifications if rule.resume_bq is not None}
    levels |= {protocol.activity.activity_bq} if protocol.activity.activity_bq is not None else set()
    given_bq = one.activity_bq
    nearest = min(levels, key=lambda level: abs(level - given_bq), default=None)
    at_reduced = state == "REDUCED" and nearest in {rule.resume_bq for rule in reduced_by}
    if allowed.activity_bq is None:
        forbidden = state in ("HELD", "STOPPED") or not allowed.reason.startswith(("full", "cycle"))
        warning = f"{told}, but {allowed.reason}." if forbidden else ""
        return Verdict(expected=allowed.reason, warning=warning, at_reduced=at_reduced)
    shown = f"{allowed.activity_bq * MBQ_PER_BQ:g} MBq"
    tolerance = protocol.activity.tolerance
    difference = rounded(one.activity_bq / allowed.activity_bq - 1)
    if tolerance is None:
        off = nearest is not None and nearest != allowed.activity_bq and allowed.activity_bq in levels
        expected = f"{shown} ({difference:+.1%}; no tolerance is stated)"
    else:
        off, expected = abs(difference) > rounded(tolerance), f"{shown} ± {tolerance:.0%} ({difference:+.1%})"
    return Verdict(expected=expected, warning=f"{told}, {shown} allowed." if off else "", at_reduced=at_reduced)
