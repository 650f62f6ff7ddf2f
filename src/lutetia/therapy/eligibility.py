"""Whether a patient meets the rules of a protocol, each rule with the numbers that decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from lutetia.errors import InputError
from lutetia.therapy.facts import Fact, check_facts, day
from lutetia.therapy.protocols.model import Origin, Protocol, Rule
from lutetia.therapy.rules.conditions import Since, expected
from lutetia.therapy.rules.judge import Known, Truth, all_of, found_text, judge

Kind = Literal["baseline", "retreatment"]
State = Literal["met", "not_met", "unknown"]
Verdict = Literal["eligible", "not_eligible", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleResult:
    """One rule on one patient.

    Attributes
    ----------
    id : of the rule in its protocol
    state : met, not met, or unknown because something is missing that could decide either way
    found : facts that were looked at, None where there are none
    expected : what the rule asks for
    source, verified, conflicts, note : where the rule is from
    missing : items that would have to be known, empty unless unknown
    values : the facts that were looked at, by item
    """

    id: str
    state: State
    found: str | None
    expected: str
    source: str
    verified: bool
    conflicts: tuple[str, ...]
    note: str
    missing: tuple[str, ...]
    values: tuple[tuple[str, Fact], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Eligibility:
    """Verdict on all rules of a protocol: eligible when all are met, not eligible when one is not, else unknown.

    A protocol without rules of that kind (washout aside) makes nobody eligible: the verdict stays unknown. ``reason``
    says in a sentence what made the verdict.
    """

    protocol: str
    version: str
    kind: Kind
    as_of: date
    verdict: Verdict
    reason: str
    rules: tuple[RuleResult, ...]
    warnings: tuple[str, ...]


def evaluate(
    protocol: Protocol,
    facts: Mapping[str, Sequence[Fact]],
    as_of: date,
    kind: Kind = "baseline",
    *,
    since: date | None = None,
) -> Eligibility:
    """Compare what is known of a patient with the rules of a protocol.

    Of every item the latest value counts that is not after ``as_of`` and not older than the rule's window. What is
    missing makes a rule unknown only where it could decide (Kleene's three-valued logic).

    Parameters
    ----------
    protocol : with rules before the first cycle and before each later one
    facts : dated values by item
    as_of : day of the decision, or the planned day of the administration; with a time where hours of washout count
    kind : "baseline" before the first cycle, "retreatment" before a later one
    since : day of the last administration: rules with a window look at what is later, for what was before says nothing
        of its effect; None for no such day

    Raises
    ------
    InputError
        Facts that cannot be (``check_facts``), or another kind.

    References
    ----------
    Kleene, Introduction to Metamathematics, 1952, section 64 (the strong tables).
    """
    if kind not in ("baseline", "retreatment"):
        raise InputError(f"kind {kind!r}; expected baseline or retreatment.")
    check_facts(facts)
    results = tuple(_result(rule, facts, as_of, since) for rule in rules_of(protocol, kind))
    # washout alone does not make anybody eligible
    stated = protocol.eligibility if kind == "baseline" else protocol.retreatment
    truth = all_of([*(_TRUTHS[result.state] for result in results), *(() if stated else (None,))])
    return Eligibility(
        protocol=protocol.id,
        version=protocol.version,
        kind=kind,
        as_of=as_of,
        verdict="unknown" if truth is None else "eligible" if truth else "not_eligible",
        reason=_reason(protocol, results, kind),
        rules=results,
        warnings=(*protocol.warnings, *_warnings(results, facts, as_of)),
    )


_TRUTHS: dict[State, Truth] = {"met": True, "not_met": False, "unknown": None}


def rules_of(protocol: Protocol, kind: Kind) -> tuple[Rule, ...]:
    """Rules before the first cycle or before a later one, those of washout among them."""
    washouts = tuple(
        Rule(
            id=washout.id,
            require=Since(item=washout.item, least=washout.least, most=None),
            window_days=None,
            origin=washout.origin,
        )
        for washout in protocol.washout
        if kind == "baseline" or washout.before == "each"
    )
    return (protocol.eligibility if kind == "baseline" else protocol.retreatment) + washouts


def _result(rule: Rule, facts: Mapping[str, Sequence[Fact]], as_of: date, since: date | None) -> RuleResult:
    judgement = judge(rule.require, Known(facts=facts, as_of=as_of, window_days=rule.window_days, since=since))
    origin: Origin = rule.origin
    window = "" if rule.window_days is None else f", not older than {rule.window_days} d"
    return RuleResult(
        id=rule.id,
        state="unknown" if judgement.truth is None else "met" if judgement.truth else "not_met",
        found=found_text(judgement.found),
        expected=expected(rule.require) + window,
        source=origin.source,
        verified=origin.verified,
        conflicts=origin.conflicts,
        note=origin.note,
        missing=judgement.missing,
        values=judgement.found,
    )


def _reason(protocol: Protocol, results: tuple[RuleResult, ...], kind: Kind) -> str:
    named = {state: [r.id for r in results if r.state == state] for state in ("not_met", "unknown")}
    if named["not_met"]:
        return f"Not met: {', '.join(named['not_met'])}."
    if not (protocol.eligibility if kind == "baseline" else protocol.retreatment):
        when = "the first cycle" if kind == "baseline" else "a later cycle"
        washout = " but washout" if results else ""
        none = f"the protocol {protocol.id} states no rules before {when}{washout}"
        return f"Unknown: {none}, so nothing can be judged by it."
    if named["unknown"]:
        return f"Not known: {', '.join(named['unknown'])}."
    return "All rules are met."


def _warnings(results: tuple[RuleResult, ...], facts: Mapping[str, Sequence[Fact]], as_of: date) -> list[str]:
    warnings = []
    unchecked = [result.id for result in results if not result.verified]
    if unchecked:
        warnings.append(f"Not compared with their source: {', '.join(unchecked)}.")
    later = sorted(name for name, values in facts.items() if any(day(fact.date) > day(as_of) for fact in values))
    if later:
        warnings.append(f"Dated after {day(as_of)} and left out: {', '.join(later)}.")
    return warnings
