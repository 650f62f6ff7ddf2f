"""Conditions on what is known of a patient, and the words for what they expect."""

from dataclasses import dataclass
from typing import Final, Literal

from lutetia.therapy.items import item

Of = Literal["value", "xULN", "xLLN"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """An end of the values that a condition allows; inclusive or not."""

    value: float
    inclusive: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """A number between bounds, in ``unit``; with ``of`` xULN or xLLN in multiples of the laboratory's limit."""

    item: str
    lower: Bound | None
    upper: Bound | None
    unit: str
    of: Of


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """True or false, as wanted."""

    item: str
    wanted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One of some choices."""

    item: str
    wanted: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A stretch of the calendar: h, d, weeks or months."""

    value: float
    unit: Literal["h", "d", "weeks", "months"]

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Since:
    """Time since an event: at least, at most, or both; never is long enough ago and never recent."""

    item: str
    least: Span | None
    most: Span | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AllOf:
    """All parts hold."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Condition"


Leaf = Number | Flag | Choice | Since
Condition = Leaf | AnyOf | AllOf | Not

_LIMIT: Final = {"xULN": "× upper limit of normal", "xLLN": "× lower limit of normal"}


def items_of(condition: Condition) -> tuple[str, ...]:
    """Names of all items a condition asks for, each once."""
    if isinstance(condition, AnyOf | AllOf):
        return tuple(dict.fromkeys(name for part in condition.parts for name in items_of(part)))
    return items_of(condition.part) if isinstance(condition, Not) else (condition.item,)


def expected(condition: Condition) -> str:
    """What a condition expects, in words."""
    if isinstance(condition, Number):
        return f"{item(condition.item).label} {_bounds(condition)}"
    if isinstance(condition, Flag):
        return f"{item(condition.item).label}: {'yes' if condition.wanted else 'no'}"
    if isinstance(condition, Choice):
        return f"{item(condition.item).label}: {' or '.join(condition.wanted)}"
    if isinstance(condition, Since):
        return f"{item(condition.item).label} {_since(condition)}"
    if isinstance(condition, Not):
        return f"not ({expected(condition.part)})"
    joint = " or " if isinstance(condition, AnyOf) else " and "
    return joint.join(_bracketed(part) for part in condition.parts)


def _bracketed(part: Condition) -> str:
    return f"({expected(part)})" if isinstance(part, AnyOf | AllOf) else expected(part)


def _bounds(condition: Number) -> str:
    unit = _LIMIT.get(condition.of, condition.unit)
    signs = []
    if condition.lower is not None:
        signs.append(f"{'≥' if condition.lower.inclusive else '>'} {condition.lower.value:g}")
    if condition.upper is not None:
        signs.append(f"{'≤' if condition.upper.inclusive else '<'} {condition.upper.value:g}")
    return f"{' and '.join(signs)} {unit}".strip()


def _since(condition: Since) -> str:
    ends = [f"at least {condition.least}"] if condition.least else []
    ends += [f"at most {condition.most}"] if condition.most else []
    return f"{' and '.join(ends)} ago"
