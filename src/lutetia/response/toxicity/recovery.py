"""The worst value after treatment, and when it was better again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal

from lutetia.errors import InputError, MissingDataError
from lutetia.response.laboratory.result import LabResult, in_unit
from lutetia.response.toxicity.criteria import Term, criteria
from lutetia.response.toxicity.evaluation import at_least_as_good
from lutetia.response.toxicity.grading import DEFAULT_VERSION, NOBODY_SAID, Grade, grades_by_term

State = Literal["not needed", "recovered", "not yet", "cannot tell"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NadirRecovery:
    """The worst result of a series and the first one that was better again.

    Attributes
    ----------
    nadir : grade of the worst value (the lowest, or the highest where the term grades high values), the first of equals
    nadir_after_s : after ``start``; None where that was not given
    state : "not needed" where the worst value is of grade 0 or 1; "not yet" by the last result; "cannot tell" where a
        grade could be 1 or 2
    recovered_to : "grade 0 or 1" or "baseline"; None where not recovered
    recovery_time, recovery_after_nadir_s : of the first result that was better; the recovery itself lies between
        ``last_not_recovered_time`` and it
    warnings : of the grades, and of relapses
    """

    nadir: Grade
    nadir_after_s: float | None
    state: State
    recovered_to: Literal["grade 0 or 1", "baseline"] | None
    recovery_time: datetime | None
    recovery_after_nadir_s: float | None
    last_not_recovered_time: datetime | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Point:
    """A result with its grade; ``better`` is None where grade 1 and 2 cannot be told apart."""

    result: LabResult
    grade: Grade
    better: bool | None
    at_baseline: bool


def nadir_and_recovery(
    series: Sequence[LabResult],
    *,
    baseline: LabResult | None = None,
    start: datetime | None = None,
    version: str = DEFAULT_VERSION,
    term: str | None = None,
    circumstances: Mapping[str, bool] = NOBODY_SAID,
) -> NadirRecovery:
    """Worst value of one test, and when it came back to grade 0 or 1 or to the baseline.

    Parameters
    ----------
    series : results of one test, in any order and unit
    baseline : before treatment; being as good again is a recovery whatever the grade
    start : the treatment; earlier results are left out
    version, circumstances : as of ``grade``
    term : of the criteria; the first of the test by default (the low counts, the high potassium)

    Raises
    ------
    InputError
        No result after ``start``, or results of several tests.
    MissingDataError
        A test or term that the version does not grade.
    """
    results = sorted((r for r in series if start is None or r.time >= start), key=lambda r: r.time)
    if not results:
        raise InputError("No laboratory result" + (f" after {start:%Y-%m-%d}." if start else "."))
    if len({r.test for r in results}) > 1:
        raise InputError(f"Results of {', '.join(sorted({r.test for r in results}))}; expected one test.")
    chosen = _term(results[0], version, term)
    low = chosen.direction == "low"
    points = [_point(r, chosen, baseline, circumstances) for r in results]
    common = [in_unit(r, results[0].unit).value for r in results]
    at = common.index(min(common) if low else max(common))
    later = points[at + 1 :]
    found = _recovery(points[at], later)
    nadir, back = points[at].grade, found[1]
    warnings = dict.fromkeys(text for point in points for text in point.grade.warnings)
    return NadirRecovery(
        nadir=nadir,
        nadir_after_s=None if start is None else (nadir.time - start).total_seconds(),
        state=found[0],
        recovered_to=None if back is None else ("baseline" if _by_baseline(back) else "grade 0 or 1"),
        recovery_time=None if back is None else back.result.time,
        recovery_after_nadir_s=None if back is None else (back.result.time - nadir.time).total_seconds(),
        last_not_recovered_time=None if back is None else _before(back, points[at:]).result.time,
        warnings=(*warnings, *_relapses(back, later)),
    )


def _term(result: LabResult, version: str, term: str | None) -> Term:
    terms = [each for each in criteria(version) if each.test == result.test]
    wanted = terms if term is None else [each for each in terms if each.term.casefold() == term.casefold()]
    if not wanted:
        there = ", ".join(each.term for each in terms) or "none"
        raise MissingDataError(f"CTCAE {version} has no term {term or ''!r} of {result.test}; there are {there}.")
    return wanted[0]


def _point(result: LabResult, term: Term, baseline: LabResult | None, circumstances: Mapping[str, bool]) -> _Point:
    ((_, found),) = grades_by_term(
        result, baseline=baseline, version=term.version, term=term.term, circumstances=circumstances
    )
    back = baseline is not None and at_least_as_good(result, baseline, low_is_bad=term.direction == "low")
    known = True if found.at_most <= 1 else (False if found.at_least > 1 else None)
    return _Point(result=result, grade=found, better=True if back else known, at_baseline=back)


def _recovery(nadir: _Point, later: Sequence[_Point]) -> tuple[State, _Point | None]:
    if nadir.better:
        return "not needed", None
    back = next((point for point in later if point.better), None)
    if nadir.better is None:
        return "cannot tell", None
    if back is not None:
        return "recovered", back
    return ("cannot tell" if any(point.better is None for point in later) else "not yet"), None


def _by_baseline(point: _Point) -> bool:
    return point.at_baseline and point.grade.at_most > 1


def _before(back: _Point, points: Sequence[_Point]) -> _Point:
    return next(earlier for earlier, point in pairwise(points) if point is back)


def _relapses(back: _Point | None, later: Sequence[_Point]) -> list[str]:
    """What the single time of recovery does not say."""
    if back is None:
        return []
    at = list(later).index(back)
    unsure = [p.result.time for p in later[:at] if p.better is None]
    again = [p for p in later[at:] if p.better is False]
    return [
        *(f"The recovery may have been earlier: the grade of {time:%Y-%m-%d} is not known." for time in unsure[:1]),
        *(f"After the recovery, grade {p.grade.at_least} on {p.result.time:%Y-%m-%d}." for p in again[:1]),
    ]
