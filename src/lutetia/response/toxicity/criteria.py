"""The criteria as data: which values have which grade, by version."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, Literal

import yaml

from lutetia.errors import InputError, LutetiaError, ProtocolError
from lutetia.response.laboratory.catalogue import find_test, find_unit

Sense = Literal["below", "above", "at_most", "at_least"]
Reference = Literal["number", "LLN", "ULN", "baseline"]

SENSES: Final[tuple[Sense, ...]] = ("below", "above", "at_most", "at_least")
BOUND: Final = re.compile(r"(?:(?P<factor>[\d.]+) x )?(?P<what>LLN|ULN|baseline)(?: \+ (?P<plus>[\d.]+))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """What a value is compared with: ``factor`` times the reference, plus ``plus``.

    Attributes
    ----------
    reference : a number, a limit of normal, or the patient's baseline
    factor, plus : of the reference; ``plus`` in the test's canonical unit
    numbers : {unit: number} where the reference is a number; the canonical unit comes first
    """

    reference: Reference
    factor: float = 1.0
    plus: float = 0.0
    numbers: Mapping[str, float]

    @property
    def text(self) -> str:
        """The bound in words, without unit."""
        if self.reference == "number":
            return f"{next(iter(self.numbers.values())):g}"
        return (
            (f"{self.factor:g} x " if self.factor != 1 else "")
            + self.reference
            + (f" + {self.plus:g}" if self.plus else "")
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Holds where the value is on that side of all bounds, in the circumstance ``when``.

    Attributes
    ----------
    when : "baseline high", "baseline not high", "baseline low", "baseline not low", or what only people know
        ("symptoms", "no anticoagulation"); empty for always
    optional : left out, with a warning, where the baseline is not known
    """

    sense: Sense
    bounds: tuple[Bound, ...]
    when: str
    optional: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One term of the criteria for one test.

    Attributes
    ----------
    term, test, direction : CTCAE's name, the test, and whether low or high values are graded
    grades : conditions by grade; a grade holds where any of its conditions does
    judgement : what else gives a grade, and no value tells
    secondary : whether not knowing this term leaves the test's grade known
    assumed : circumstances that are taken, with a warning, where nobody said
    note, version, source, verified : of the term
    """

    term: str
    test: str
    direction: Literal["low", "high"]
    grades: Mapping[int, tuple[Condition, ...]]
    judgement: Mapping[int, str]
    secondary: bool
    assumed: Mapping[str, bool]
    note: str
    version: str
    source: str
    verified: bool


def _folder() -> Traversable:
    return files("lutetia.response") / "data" / "ctcae"


@cache
def versions() -> tuple[str, ...]:
    """The versions that there are."""
    return tuple(sorted(p.name.removesuffix(".yaml") for p in _folder().iterdir() if p.name.endswith(".yaml")))


@cache
def criteria(version: str) -> tuple[Term, ...]:
    """All terms of a version ("4.03", "5.0", "6.0"; "5" and "v5" are read alike).

    Raises
    ------
    InputError
        A version that is not there.
    """
    bare = version.strip().lower().removeprefix("ctcae").strip().removeprefix("v").strip()
    name = bare if "." in bare else f"{bare}.0"
    if name not in versions():
        raise InputError(f"CTCAE version {version!r}; there are {', '.join(versions())}.")
    return read_criteria((_folder() / f"{name}.yaml").read_text("utf-8"), f"ctcae/{name}.yaml")


@cache
def circumstances() -> frozenset[str]:
    """What the criteria of any version ask people: symptoms, anticoagulation, fasting, ..."""
    asked = (
        condition.when.removeprefix("no ")
        for version in versions()
        for term in criteria(version)
        for conditions in term.grades.values()
        for condition in conditions
    )
    return frozenset(name for name in asked if name and not name.startswith("baseline "))


def read_criteria(text: str, where: str) -> tuple[Term, ...]:
    """Terms from the text of a criteria file.

    Raises
    ------
    ProtocolError
        No YAML, or a key, grade, bound, test or unit that cannot be; with the line or the term.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        raise ProtocolError(f"{where}{line}: not YAML ({getattr(error, 'problem', error)}).") from error
    if not isinstance(document, dict) or not isinstance(document.get("terms"), list):
        raise ProtocolError(f"{where}: no list 'terms'; expected version, source, assumed and terms.")
    found = []
    for number, row in enumerate(document["terms"], start=1):
        name = row.get("term", f"number {number}") if isinstance(row, dict) else f"number {number}"
        try:
            found.append(_term(row, document))
        except (KeyError, TypeError, ValueError, AttributeError, LutetiaError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ProtocolError(f"{where}, term {name!r}: {reason}") from error
    return tuple(found)


def _term(row: Mapping[str, Any], document: Mapping[str, Any]) -> Term:
    test = find_test(row["test"]).name
    if row["direction"] not in ("low", "high"):
        raise ValueError(f"direction {row['direction']!r}; expected low or high.")
    if not set(row["grades"]) <= {1, 2, 3, 4}:
        raise ValueError(f"grades {sorted(row['grades'])}; expected 1 to 4.")
    return Term(
        term=str(row["term"]),
        test=test,
        direction=row["direction"],
        grades={
            int(grade): tuple(_condition(condition, test) for condition in conditions)
            for grade, conditions in row["grades"].items()
        },
        judgement={int(grade): str(text) for grade, text in row.get("judgement", {}).items()},
        secondary=bool(row.get("secondary", False)),
        assumed={str(name): bool(value) for name, value in document.get("assumed", {}).items()},
        note=str(row.get("note", "")),
        version=str(document["version"]),
        source=str(document["source"]),
        verified=bool(row["verified"]),
    )


def _condition(row: Mapping[str, Any], test: str) -> Condition:
    senses = [sense for sense in SENSES if sense in row]
    unknown = set(row) - {*SENSES, "when", "optional"}
    if len(senses) != 1 or unknown:
        raise ValueError(f"condition {dict(row)}; expected one of {', '.join(SENSES)}, and when or optional.")
    given = row[senses[0]]
    return Condition(
        sense=senses[0],
        bounds=tuple(_bound(bound, test) for bound in (given if isinstance(given, list) else [given])),
        when=str(row.get("when", "")),
        optional=bool(row.get("optional", False)),
    )


def _bound(given: object, test: str) -> Bound:
    known = find_test(test)
    if isinstance(given, int | float):
        return Bound(reference="number", numbers={known.canonical_unit: float(given)})
    if isinstance(given, dict):
        numbers = {find_unit(known, str(unit)): float(number) for unit, number in given.items()}
        if next(iter(numbers)) != known.canonical_unit:
            raise ValueError(f"bound {given}; expected {known.canonical_unit} first.")
        return Bound(reference="number", numbers=numbers)
    match = BOUND.fullmatch(str(given))
    if match is None:
        raise ValueError(f"bound {given!r}; expected a number, LLN, ULN, 1.5 x ULN, 2 x baseline or ULN + 2.")
    named: Mapping[str, Reference] = {"LLN": "LLN", "ULN": "ULN", "baseline": "baseline"}
    return Bound(
        reference=named[match["what"]],
        factor=float(match["factor"] or 1),
        plus=float(match["plus"] or 0),
        numbers={},
    )
