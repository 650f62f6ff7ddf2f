"""Truth of a rule where a grade is known only as a range."""

from dataclasses import dataclass
from datetime import date
from itertools import product

from lutetia.therapy.chronicle.findings import Findings, GradeRange
from lutetia.therapy.chronicle.model import is_after
from lutetia.therapy.facts import Fact, moment
from lutetia.therapy.rules.conditions import Condition, items_of
from lutetia.therapy.rules.judge import Known, Truth, found_text, judge


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Truth of a condition, what was looked at, and what is missing."""

    truth: Truth
    found: str | None
    missing: tuple[str, ...]


def find(condition: Condition, findings: Findings, when: date, *, since: date | None = None) -> Finding:
    """Judge a condition at a moment.

    Of a grade that is known as a range every value is tried; the condition is true or false where all agree.

    Parameters
    ----------
    condition : trigger, or end of a hold
    findings : all of a course
    when : what is later is not known yet
    since : only what is later than this counts; None for all
    """
    facts: dict[str, list[Fact]] = {"birth_date": list(findings.facts.get("birth_date", ()))}
    ranges: dict[str, GradeRange] = {}
    for name in items_of(condition):
        facts[name] = [fact for fact in findings.facts.get(name, ()) if since is None or is_after(fact.date, since)]
        latest = _latest_range(findings, name, when, since)
        noted = Known(facts=facts, as_of=when).past(name)
        if latest is not None and (not noted or moment(latest.date) > moment(noted[-1].date)):
            ranges[name] = latest
    judged = [judge(condition, Known(facts={**facts, **trial}, as_of=when)) for trial in _trials(ranges)]
    truths = {one.truth for one in judged}
    texts = [ranges[name].text for name in ranges]
    others = found_text([pair for pair in judged[0].found if pair[0] not in ranges])
    found = "; ".join(filter(None, (*texts, others))) or None
    if len(truths) == 1 and None not in truths:
        return Finding(truth=truths.pop(), found=found, missing=())
    missing = [text for one in judged for text in one.missing]
    missing += [one.text for one in ranges.values() if one.at_least != one.at_most]
    return Finding(truth=None, found=found, missing=tuple(dict.fromkeys(missing)))


def _latest_range(findings: Findings, name: str, when: date, since: date | None) -> GradeRange | None:
    known = [
        one
        for one in findings.grades.get(name, ())
        if not is_after(one.date, when) and (since is None or is_after(one.date, since))
    ]
    return max(known, key=lambda one: moment(one.date), default=None)


def _trials(ranges: dict[str, GradeRange]) -> list[dict[str, list[Fact]]]:
    """All combinations of the grades that are possible."""
    choices = [
        [(name, Fact(value=grade, date=one.date)) for grade in range(one.at_least, one.at_most + 1)]
        for name, one in ranges.items()
    ]
    return [{name: [fact] for name, fact in combination} for combination in product(*choices)]
