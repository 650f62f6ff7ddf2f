"""Whether a condition of the criteria holds for a result: yes, no, or not to be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lutetia.response.laboratory.catalogue import convert, find_test
from lutetia.response.laboratory.result import LabResult, in_unit
from lutetia.response.toxicity.criteria import Bound, Condition, Sense

SIGNIFICANT_DIGITS: Final = 6
"""To which values are rounded before they are compared, so that 7.9999999 is not below 8; a count of 149 999 is below
150 000."""

WORDS: Final[Mapping[Sense, str]] = MappingProxyType(
    {"below": "below", "above": "above", "at_most": "at most", "at_least": "at least"}
)
NO_BASELINE: Final = "No baseline was given"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A result with what is known beside it.

    Attributes
    ----------
    baseline : the same test before treatment, in any of its units
    circumstances : what people said of this time: {"symptoms": False}
    assumed : circumstances that are taken, with a warning, where nobody said
    """

    result: LabResult
    baseline: LabResult | None
    circumstances: Mapping[str, bool]
    assumed: Mapping[str, bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether something holds (None: not to be told), why, what is missing, and what was assumed."""

    holds: bool | None
    why: str = ""
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def any_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Holds if one does; is open if none does and one is open."""
    warnings = tuple(dict.fromkeys(text for verdict in verdicts for text in verdict.warnings))
    holding = next((verdict for verdict in verdicts if verdict.holds), None)
    if holding is not None:
        return Verdict(holds=True, why=holding.why, warnings=warnings)
    open_ones = [verdict for verdict in verdicts if verdict.holds is None]
    if not open_ones:
        return Verdict(holds=False, warnings=warnings)
    missing = tuple(dict.fromkeys(text for verdict in open_ones for text in verdict.missing))
    return Verdict(holds=None, missing=missing, warnings=warnings)


def judge(condition: Condition, case: Case) -> Verdict:
    """Whether a condition holds."""
    circumstance = _circumstance(condition.when, case)
    if circumstance.holds is False:
        return circumstance
    if condition.optional and case.baseline is None:
        return Verdict(holds=False, warnings=(f"{NO_BASELINE}; only the limit of normal was used.",))
    compared = [_compare(condition.sense, bound, case) for bound in condition.bounds]
    if any(verdict.holds is False for verdict in compared):
        return Verdict(holds=False, warnings=circumstance.warnings)
    parts = [circumstance, *compared]
    missing = tuple(text for verdict in parts for text in verdict.missing)
    why = " and ".join(verdict.why for verdict in compared) + (f", {condition.when}" if condition.when else "")
    return Verdict(
        holds=None if any(verdict.holds is None for verdict in parts) else True,
        why=why,
        missing=missing,
        warnings=circumstance.warnings,
    )


def at_least_as_good(value: LabResult, baseline: LabResult, *, low_is_bad: bool) -> bool:
    """Whether a value is back at the baseline, after rounding."""
    here, there = _rounded(value.value), _rounded(in_unit(baseline, value.unit).value)
    return here >= there if low_is_bad else here <= there


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _compare(sense: Sense, bound: Bound, case: Case) -> Verdict:
    number, where, missing = _resolved(bound, case)
    if number is None:
        return Verdict(holds=None, missing=(missing,))
    value, limit = _rounded(case.result.value), _rounded(number)
    holds = {"below": value < limit, "above": value > limit, "at_most": value <= limit, "at_least": value >= limit}
    return Verdict(holds=holds[sense], why=f"{WORDS[sense]} {where}")


def _resolved(bound: Bound, case: Case) -> tuple[float | None, str, str]:
    """The bound in the unit of the result (None if not known), in words, and what is missing."""
    result = case.result
    test = find_test(result.test)
    if bound.reference == "number":
        number = bound.numbers.get(result.unit)
        if number is None:
            number = convert(test, bound.numbers[test.canonical_unit], test.canonical_unit, result.unit)
        return number, f"{number:g} {result.unit}".strip(), ""
    if bound.reference == "baseline":
        reference = None if case.baseline is None else in_unit(case.baseline, result.unit).value
        missing = "baseline"
    elif bound.reference == "LLN":
        reference, missing = result.lower_limit, "lower limit of normal"
    else:
        reference, missing = result.upper_limit, "upper limit of normal"
    if reference is None:
        return None, "", missing
    plus = convert(test, bound.plus, test.canonical_unit, result.unit) if bound.plus else 0.0
    number = bound.factor * reference + plus
    return number, f"{bound.text}, which is {number:.4g} {result.unit}".strip(), ""


def _circumstance(when: str, case: Case) -> Verdict:
    """Whether the circumstance of a condition is there."""
    if not when:
        return Verdict(holds=True)
    if when.startswith("baseline "):
        return _baseline(when.removeprefix("baseline "), case)
    name, wanted = (when.removeprefix("no "), not when.startswith("no "))
    known = case.circumstances.get(name)
    if known is not None:
        return Verdict(holds=known == wanted)
    if name in case.assumed:
        assumed = case.assumed[name]
        text = f"Nobody said whether there is {name}; {'yes' if assumed else 'no'} was taken."
        return Verdict(holds=assumed == wanted, warnings=(text,))
    return Verdict(holds=None, missing=(name,))


def _baseline(state: str, case: Case) -> Verdict:
    """Whether the baseline is "high", "not high", "low" or "not low"."""
    negated, kind = state.startswith("not "), state.removeprefix("not ")
    baseline = case.baseline
    if baseline is None:
        text = f"{NO_BASELINE}; it was taken as not {kind}, so that the limit of normal counts."
        return Verdict(holds=negated, warnings=(text,))
    own = baseline.upper_limit if kind == "high" else baseline.lower_limit
    result = case.result if own is not None else in_unit(case.result, baseline.unit)
    limit = own if own is not None else (result.upper_limit if kind == "high" else result.lower_limit)
    if limit is None:
        if kind == "low":
            text = "The baseline has no lower limit of normal; it was taken as not low."
            return Verdict(holds=negated, warnings=(text,))
        return Verdict(holds=None, missing=("upper limit of normal of the baseline",))
    value, bound = _rounded(baseline.value), _rounded(limit)
    is_so = value > bound if kind == "high" else value < bound
    return Verdict(holds=is_so != negated)
