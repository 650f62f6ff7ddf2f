"""Grades of laboratory results, each with its version, its reason, and what could not be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from lutetia.errors import InputError, MissingDataError
from lutetia.response.laboratory.result import LabResult
from lutetia.response.toxicity.criteria import Term, criteria
from lutetia.response.toxicity.criteria import circumstances as asked_circumstances
from lutetia.response.toxicity.evaluation import Case, any_of, judge

DEFAULT_VERSION: Final = "5.0"
"""Of the criteria. Labels that say "current" do not move it: a new version changes grades of the same values."""
WORST: Final = 4
"""Death, grade 5, is no laboratory value."""
NOBODY_SAID: Final[Mapping[str, bool]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Grade:
    """The grade of one result by its value.

    Attributes
    ----------
    test, time, value, unit : of the result
    term : of the criteria; empty where the version grades nothing of this test
    grade : 0 to 4, None where it cannot be told
    at_least, at_most : the grades it can be; both are ``grade`` where that is known
    version : of the criteria
    reason : which condition decided, or what is missing; and which grades need judgement
    warnings : what was assumed
    source, verified : of the criteria
    """

    test: str
    term: str
    time: datetime
    value: float
    unit: str
    grade: int | None
    at_least: int
    at_most: int
    version: str
    reason: str
    warnings: tuple[str, ...]
    source: str
    verified: bool


def grade(
    result: LabResult,
    *,
    baseline: LabResult | None = None,
    version: str = DEFAULT_VERSION,
    term: str | None = None,
    circumstances: Mapping[str, bool] = NOBODY_SAID,
) -> Grade:
    """Grade of a laboratory result: the worst of the terms that the criteria have for its test.

    Conditions are tried from grade 4 down, after rounding to six significant digits. Where a limit of normal is missing
    the grade is None and the limit is named, unless a worse grade is certain; ``at_least`` and ``at_most`` say what is
    known all the same (platelets of 120 10^9/L without a lower limit: 0 to 1). Without a baseline it is taken as
    normal, with a warning.

    Parameters
    ----------
    baseline : the same test before treatment, for criteria that compare with it
    version : of CTCAE
    term : only this term of the criteria
    circumstances : what no value tells: "symptoms", "anticoagulation", "fasting", each True or False

    Raises
    ------
    InputError
        An unknown version or circumstance; a baseline of another test, later than the result, or in a unit
        that does not convert.
    MissingDataError
        A term that the version does not have for this test.

    References
    ----------
    U.S. National Cancer Institute. Common Terminology Criteria for Adverse Events, versions 4.03 (2010),
    5.0 (2017) and 6.0.
    """
    found = grades_by_term(result, baseline=baseline, version=version, term=term, circumstances=circumstances)
    if not found:
        return _ungraded(result, criteria(version)[0])
    certain = [(each, one) for each, one in found if one.at_least > 0]
    if certain:
        return max(certain, key=lambda pair: pair[1].at_least)[1]
    needed = [one for each, one in found if not each.secondary]
    unknown = [one for one in needed or [one for _, one in found] if one.grade is None]
    if unknown:
        return _merged(unknown)
    left = [f"{one.term}: {one.reason}" for each, one in found if each.secondary and one.grade is None and needed]
    return _merged(needed or [one for _, one in found], more=left)


def grades_by_term(
    result: LabResult,
    *,
    baseline: LabResult | None = None,
    version: str = DEFAULT_VERSION,
    term: str | None = None,
    circumstances: Mapping[str, bool] = NOBODY_SAID,
) -> tuple[tuple[Term, Grade], ...]:
    """The terms that the criteria have for the test of a result, and its grade by each; arguments as of ``grade``."""
    terms = [each for each in criteria(version) if each.test == result.test]
    if term is not None:
        there = ", ".join(each.term for each in terms) or "none"
        terms = [each for each in terms if each.term.casefold() == term.casefold()]
        if not terms:
            raise MissingDataError(f"CTCAE {version} has no term {term!r} of {result.test}; there are {there}.")
    _require_baseline(result, baseline)
    unknown = sorted(set(circumstances) - asked_circumstances())
    if unknown:
        raise InputError(
            f"Circumstance {', '.join(unknown)}; the criteria ask for {', '.join(sorted(asked_circumstances()))}."
        )
    return tuple((each, _by_term(each, result, baseline, circumstances)) for each in terms)


def _require_baseline(result: LabResult, baseline: LabResult | None) -> None:
    if baseline is None:
        return
    if baseline.test != result.test:
        raise InputError(f"A baseline of {baseline.test} for a result of {result.test}; expected the same test.")
    if baseline.time > result.time:
        raise InputError(
            f"The baseline of {result.test} ({baseline.time:%Y-%m-%d}) is later than the result "
            f"({result.time:%Y-%m-%d})."
        )


def _by_term(term: Term, result: LabResult, baseline: LabResult | None, circumstances: Mapping[str, bool]) -> Grade:
    case = Case(result=result, baseline=baseline, circumstances=circumstances, assumed=term.assumed)
    verdicts = {
        g: any_of([judge(condition, case) for condition in conditions]) for g, conditions in term.grades.items()
    }
    at_least = max((g for g, verdict in verdicts.items() if verdict.holds), default=0)
    possible = [g for g, verdict in verdicts.items() if verdict.holds is None and g > at_least]
    at_most = max(possible, default=at_least)
    why = verdicts[at_least].why if at_least else "no condition of a grade holds"
    value = f"{result.value:g} {result.unit}".strip()
    reason = f"{value} is {why}." if at_least else f"{value}: {why}."
    if possible:
        missing = dict.fromkeys(text for g in possible for text in verdicts[g].missing)
        reason = f"Grade {_choices([at_least, *possible])}: not known without {', '.join(missing)}."
    warnings = [text for verdict in verdicts.values() for text in verdict.warnings]
    return Grade(
        test=result.test,
        term=term.term,
        time=result.time,
        value=result.value,
        unit=result.unit,
        grade=None if possible else at_least,
        at_least=at_least,
        at_most=at_most,
        version=term.version,
        reason=" ".join([reason, *_judgement(term, at_least), *([term.note] if term.note else [])]),
        warnings=tuple(dict.fromkeys([*warnings, *_inside_normal(result, term, at_least), *_unchecked(term)])),
        source=term.source,
        verified=term.verified,
    )


def _choices(grades: Sequence[int]) -> str:
    first, last = min(grades), max(grades)
    together = len(grades) > 2 and len(set(grades)) == last - first + 1
    return f"{first} to {last}" if together else " or ".join(map(str, sorted(grades)))


def _judgement(term: Term, at_least: int) -> list[str]:
    """What else gives a worse grade; told from grade 2 on, or where that grade is the next."""
    worse = [
        f"{g} ({text})" for g, text in sorted(term.judgement.items()) if g > at_least and (at_least > 1 or g == 2)
    ]
    return [f"By the value alone; grade {' and '.join(worse)}: clinical judgement."] if worse and at_least else []


def _inside_normal(result: LabResult, term: Term, at_least: int) -> list[str]:
    limit = result.lower_limit if term.direction == "low" else result.upper_limit
    if at_least == 0 or limit is None:
        return []
    normal = result.value >= limit if term.direction == "low" else result.value <= limit
    return [f"The value lies within the limits of normal of its laboratory ({limit:g})."] if normal else []


def _unchecked(term: Term) -> list[str]:
    return [] if term.verified else [f"The criteria of {term.term} were not compared with their source."]


def _merged(grades: Sequence[Grade], more: Sequence[str] = ()) -> Grade:
    """Several terms of one test as one: both directions are 0, or both are not known."""
    return replace(
        grades[0],
        term=" / ".join(one.term for one in grades),
        at_most=max(one.at_most for one in grades),
        reason=" ".join(dict.fromkeys(one.reason for one in grades)),
        warnings=tuple(dict.fromkeys([*(text for one in grades for text in one.warnings), *more])),
        verified=all(one.verified for one in grades),
    )


def _ungraded(result: LabResult, any_term: Term) -> Grade:
    return Grade(
        test=result.test,
        term="",
        time=result.time,
        value=result.value,
        unit=result.unit,
        grade=None,
        at_least=0,
        at_most=WORST,
        version=any_term.version,
        reason=f"No grades of {result.test} in the criteria of CTCAE {any_term.version}.",
        warnings=(),
        source=any_term.source,
        verified=True,
    )
