"""The next cycle of a course that is kept: toxicity, cycles left, eligibility, then the activity under limits of dose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lutetia.app.cli.plan_inputs import Asked, Stored
from lutetia.app.cli.plan_store import documents_of, latest
from lutetia.app.cli.plan_text import NOTE, plan_document, said
from lutetia.errors import MissingDataError, OutOfRangeError
from lutetia.therapy.activity.strategies import activity_text
from lutetia.therapy.eligibility import Eligibility
from lutetia.therapy.facts import birth_date, day
from lutetia.therapy.modification import CourseState, Step, modification_state
from lutetia.therapy.protocols.model import Protocol
from lutetia.therapy.rules.conditions import expected, items_of
from lutetia.therapy.rules.judge import age_in_years
from lutetia.therapy.schedule import cycle_windows
from lutetia.units import GBQ_PER_BQ

if TYPE_CHECKING:
    from lutetia.app.cli.course.asked import Asked as AskedCourse
    from lutetia.therapy.activity.planning import Plan

SEVERITY: Final = ("give", "reduce", "omit", "hold", "stop")
ADULT_YEARS: Final = 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The options, as of ``lutetia plan``; what is None is of the protocol, or of the store."""

    strategy: str | None = None
    limits: tuple[str, ...] = ()
    probability: float | None = None
    gy_per_gbq: tuple[str, ...] = ()
    u_percent: float | None = None
    scans: int = 1
    half_life_h: tuple[str, ...] = ()
    target_gy: float | None = None
    reduction: float = 0.0
    prior: bool = False
    clearance_ml_per_min: float | None = None
    linear: bool = False
    mass_kg: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The document of ``course plan``, and the plan of the activity, None where none could be made."""

    document: dict[str, Any]
    plan: "Plan | None"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gate:
    """What forbids an activity whatever the doses are: an action, or empty, and sentences.

    ``open`` where nothing is known to forbid it, and something that decides is missing.
    """

    action: str = ""
    reasons: tuple[str, ...] = ()
    open: bool = False


def plan_answer(found: "AskedCourse", wanted: Wanted) -> Answer:
    """Action and activity of the next cycle from the course alone.

    Raises
    ------
    InputError
        An option or a record that cannot be.
    MissingDataError
        A prior without a clearance.
    OutOfRangeError
        A prior of adults for somebody younger.
    """
    state = modification_state(found.protocol, found.chronicle, found.as_of, findings=found.findings)
    judged = found.eligibility()
    gates = (_stopped(state, found.protocol), _cycles(state, found.protocol), _held(state, found.protocol),
             _not_eligible(judged), _not_known(judged))  # fmt: skip
    asked, told = _asked(found, wanted, state)
    plan, document = None, _nothing(asked)
    unknown: tuple[str, ...] = ()
    try:
        course, plan = asked.planned()
        document = plan_document(asked, course, plan)
    except MissingDataError as error:
        unknown = (f"Unknown: {error}",)
    document |= _together(gates, plan, unknown, document)
    when = _window(found, state)
    document["reasons"] = [*when, *_unstated(judged), *_reduced(state, found.protocol), *document["reasons"]]
    warnings = (*found.warnings, *told, *document["warnings"], *state.warnings, *_unstated(judged))
    assert asked.stored is not None
    numbers = [each["cycle"] for each in asked.stored.documents]
    return Answer(
        plan=plan,
        document={
            "pseudonym": found.pseudonym,
            "course_version": found.stored.version,
            "as_of": found.as_of.isoformat(),
            **document,
            "protocol": found.protocol.id,
            "version": found.protocol.version,
            "cycle": max(numbers, default=0) + 1,
            "protocol_cycle": state.cycles_given + 1,
            "protocol_cycles": _most(found.protocol),
            "modification": _modification_document(state),
            "eligibility": _eligibility_document(judged),
            "sources": _sources(found.protocol, state, judged, document["limits"]),
            "warnings": list(dict.fromkeys(warnings)),
            "note": NOTE,
        },
    )


# what forbids


def _stopped(state: CourseState, protocol: Protocol) -> _Gate:
    if state.state != "STOPPED":
        return _Gate()
    step = next(step for step in reversed(state.steps) if step.after == "STOPPED" and step.before != "STOPPED")
    return _Gate(action="stop", reasons=(_said(step, protocol),))


def _cycles(state: CourseState, protocol: Protocol) -> _Gate:
    rule, most = protocol.cycles, _most(protocol)
    if most is None or state.cycles_given < most:
        return _Gate()
    given = f"By {protocol.id} all cycles are given: {state.cycles_given} of {most} ({rule.origin.source})."
    return _Gate(action="stop", reasons=(given,))


def _most(protocol: Protocol) -> int | None:
    return protocol.cycles.at_most if protocol.cycles.at_most is not None else protocol.cycles.planned


def _held(state: CourseState, protocol: Protocol) -> _Gate:
    reasons = [
        _said(next(step for step in reversed(state.steps) if step.rule == rule), protocol) for rule in state.held_by
    ]
    ends = {rule.id: rule.withhold_until for rule in protocol.modifications}
    for rule in state.held_by:
        until = ends.get(rule)
        if until is not None:
            items = ", ".join(dict.fromkeys(items_of(until)))
            reasons.append(
                f"The hold by {rule} ends with: {expected(until)}, noted later than that (items: {items})."
            )
    if state.stops_on is not None:
        assert protocol.delay is not None
        reasons.append(
            f"The course stops on {state.stops_on} if it is held until then: delay of {protocol.delay.stop_at_days} days "
            f"({protocol.id}, {protocol.delay.origin.source})."
        )
    origins = {rule.id: rule.origin for rule in protocol.modifications}
    reasons += [
        f"Unknown: {each.rule} cannot be judged since {each.date} without {', '.join(each.missing)} ({protocol.id}, "
        f"{origins[each.rule].source})."
        for each in state.undecided
    ]
    if state.state == "REDUCED" and state.activity_bq is None and not state.undecided:
        source = protocol.activity.origin.source
        reasons.append(f"Unknown: {state.reason} ({protocol.id}, {source}).")
    return _Gate(action="hold" if reasons else "", reasons=tuple(reasons))


def _not_eligible(judged: Eligibility) -> _Gate:
    reasons = tuple(
        f"Not eligible by {rule.id}: found {rule.found or 'nothing'}; expected {rule.expected} ({judged.protocol}, "
        f"{rule.source})."
        for rule in judged.rules
        if rule.state == "not_met"
    )
    return _Gate(action="hold" if reasons else "", reasons=reasons)


def _not_known(judged: Eligibility) -> _Gate:
    """What decides and is missing holds: an unknown rule may be one that is not met."""
    missing = [
        f"{rule.id} ({', '.join(rule.missing)})" if rule.missing else rule.id
        for rule in judged.rules
        if rule.state == "unknown"
    ]
    if not missing:
        return _Gate()
    unknown = (
        f"Unknown whether eligible before {_cycle(judged)} by {judged.protocol}; missing: {'; '.join(missing)}."
    )
    return _Gate(action="hold", reasons=(unknown,), open=True)


def _unstated(judged: Eligibility) -> list[str]:
    """That the protocol states no rules to be judged, or nothing."""
    if judged.verdict != "unknown" or any(rule.state == "unknown" for rule in judged.rules):
        return []
    return [
        f"Eligibility before {_cycle(judged)} is unknown: {judged.protocol} states no rules for it but washout."
    ]


def _cycle(judged: Eligibility) -> str:
    return "the first cycle" if judged.kind == "baseline" else "a later cycle"


def _window(found: "AskedCourse", state: CourseState) -> list[str]:
    """Whether the day asked for lies before or after the window of the next cycle."""
    protocol, today = found.protocol, day(found.as_of)
    if state.state == "STOPPED" or protocol.interval is None:
        return []
    windows = cycle_windows(protocol, found.chronicle, found.as_of)
    if not windows:
        return []
    window, source = windows[0], f"({protocol.id}, {windows[0].source})"
    if window.earliest is not None and today < window.earliest:
        return [f"Not before {window.earliest}: due on {window.due}, from {window.after} {source}."]
    latest = window.latest
    if latest is not None and today > latest:
        longer = window.extended_from_last
        extended = "" if longer is None else f", for toxicity until {longer}"
        return [
            f"The window of this cycle closed on {latest}{extended}: due on {window.due}, from {window.after} {source}."
        ]
    return []


def _reduced(state: CourseState, protocol: Protocol) -> list[str]:
    if state.state != "REDUCED":
        return []
    step = next(step for step in reversed(state.steps) if step.after == "REDUCED" and step.rule != "administration")
    return [_said(step, protocol)]


def _said(step: Step, protocol: Protocol) -> str:
    """A step of the trail as one sentence: rule, what it does, numbers, source."""
    found = "" if step.found is None else f"; found {step.found}"
    return f"{step.rule}, {day(step.date)}: {step.what}{found}; expected {step.expected} ({protocol.id}, {step.source})."


def _together(
    gates: Sequence[_Gate], plan: "Plan | None", unknown: Sequence[str], document: dict[str, Any]
) -> dict[str, Any]:
    """The severest of all actions with its reasons; an activity only where nothing forbids it."""
    shut = [gate for gate in gates if gate.action]
    planned = "hold" if plan is None else plan.action
    action = max((planned, *(gate.action for gate in shut)), key=SEVERITY.index)
    reasons = [text for gate in shut for text in gate.reasons]
    if shut and all(gate.open for gate in shut) and plan is not None and plan.action in ("give", "reduce"):
        reasons += [f"Were it met: {said(document)}"]
    if all(gate.open for gate in shut) or planned in ("omit", "hold", "stop"):
        reasons += [*(() if plan is None else plan.reasons), *unknown]
    activity = {"hold": None, "omit": 0.0, "stop": 0.0}.get(action, document["activity_GBq"])
    return {"action": action, "activity_GBq": activity, "reasons": list(dict.fromkeys(reasons))}


# what is asked of the activity


def _asked(found: "AskedCourse", wanted: Wanted, state: CourseState) -> tuple[Asked, list[str]]:
    protocol, number = found.protocol, state.cycles_given + 1
    tailored = any(each.cycle == number for each in protocol.tailored_cycles)
    given = [one.activity_bq for one in found.chronicle.until(found.as_of)]
    known = [activity for activity in given if activity is not None]
    documents, told = documents_of(found.course, protocol)
    mass = wanted.mass_kg or latest(found, "body_mass")
    return Asked(
        strategy=wanted.strategy or ("tailored-4th" if tailored else "fixed"),
        protocol=protocol.id, limits=wanted.limits, probability=wanted.probability, gy_per_gbq=wanted.gy_per_gbq,
        u_percent=wanted.u_percent, scans=wanted.scans, half_life_h=wanted.half_life_h, target_gy=wanted.target_gy,
        reduction=wanted.reduction, clearance_ml_per_min=_clearance(found, wanted), linear=wanted.linear, mass_kg=mass,
        stored=Stored(
            documents=documents, protocol=protocol, protocol_cycle=number,
            protocol_given_bq=sum(known) if len(known) == len(given) else None,
            highest_bq=state.activity_bq, clipped_by=_cap(state, protocol),
        ),
    ), told  # fmt: skip


def _cap(state: CourseState, protocol: Protocol) -> str:
    if state.activity_bq is None:
        return ""
    activity = activity_text(state.activity_bq)
    return (
        f"By toxicity {protocol.id} allows at most {activity}: {state.reason} ({protocol.activity.origin.source})."
    )


def _clearance(found: "AskedCourse", wanted: Wanted) -> float | None:
    if not wanted.prior:
        return None
    born = birth_date(found.findings.facts)
    if born is not None and age_in_years(born, day(found.as_of)) < ADULT_YEARS:
        raise OutOfRangeError(
            f"--prior sood2026 is of adults; the patient is not {ADULT_YEARS} on {day(found.as_of)}."
        )
    clearance = wanted.clearance_ml_per_min or latest(found, "creatinine_clearance")
    if clearance is None:
        raise MissingDataError(
            "--prior sood2026 needs a creatinine clearance, and the course has none; add a lab, or weight and creatinine, "
            "or give --clearance-mL-min."
        )
    return clearance


# what is said


def _nothing(asked: Asked) -> dict[str, Any]:
    """The keys of a plan that could not be made."""
    unknown = (
        "activity_GBq",
        "considered_GBq",
        "wanted_GBq",
        "agent",
        "given_GBq",
        "probability",
        "further_cycles",
    )
    assert asked.stored is not None
    return dict.fromkeys(unknown) | {
        "action": "hold",
        "strategy": asked.strategy,
        "agent": asked.stored.protocol.agent,
        "given_cycles": len(asked.stored.documents),
        "reasons": [],
        "limits": [],
        "bounds": {"usual_GBq": None, "lowest_GBq": None, "highest_GBq": None},
        "warnings": [],
    }


def _modification_document(state: CourseState) -> dict[str, Any]:
    return {
        "state": state.state,
        "held_by": list(state.held_by),
        "stops_on": None if state.stops_on is None else state.stops_on.isoformat(),
        "activity_GBq": None if state.activity_bq is None else state.activity_bq * GBQ_PER_BQ,
    }


def _eligibility_document(judged: Eligibility) -> dict[str, Any]:
    def rows(state: str) -> list[dict[str, Any]]:
        return [
            {"id": rule.id, "found": rule.found, "expected": rule.expected, "missing": list(rule.missing),
             "source": rule.source, "verified": rule.verified}
            for rule in judged.rules
            if rule.state == state
        ]  # fmt: skip

    return {
        "verdict": judged.verdict,
        "kind": judged.kind,
        "not_met": rows("not_met"),
        "unknown": rows("unknown"),
    }


def _sources(
    protocol: Protocol, state: CourseState, judged: Eligibility, limits: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Where everything is from that the answer rests on, each once."""
    rows = [(f"{protocol.id}, activity", protocol.activity.origin.source, protocol.activity.origin.verified)]
    rows.append((f"{protocol.id}, cycles", protocol.cycles.origin.source, protocol.cycles.origin.verified))
    rows += [(step.rule, step.source, step.verified) for step in state.steps if step.rule != "administration"]
    rows += [(rule.id, rule.source, rule.verified) for rule in judged.rules if rule.state != "met"]
    rows += [(limit["name"], row["source"], row["verified"]) for limit in limits for row in limit["sources"]]
    return [
        {"rule": rule, "source": source, "verified": verified} for rule, source, verified in dict.fromkeys(rows)
    ]
