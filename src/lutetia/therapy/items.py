"""What can be known of a patient for a decision: names, kinds, units and their conversion."""

import csv
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, cast

from lutetia.errors import InputError
from lutetia.response.laboratory.catalogue import LabTest, convert, find_test, find_unit

Kind = Literal["number", "flag", "choice", "event", "date"]

DIGITS: Final = 9
"""Significant digits that are compared: 9 g/dL converted to g/L is 90 g/L, whatever binary fractions make of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """Something that can be known of a patient.

    Attributes
    ----------
    name, label : in files, and in words
    kind : number, flag (true or false), choice, event (a date, or never), date
    quantity : of a number, key to its units; empty otherwise, and of what a laboratory measures
    laboratory_test : whose units the item has; empty for what no laboratory measures
    reference_unit : of an item with a laboratory test; of a quantity it is the unit worth 1
    choices : of a choice
    lowest, highest : between which a number can be believed, in the reference unit; None where all are
    """

    name: str
    label: str
    kind: Kind
    quantity: str
    laboratory_test: str
    reference_unit: str
    choices: tuple[str, ...]
    lowest: float | None
    highest: float | None


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("lutetia.therapy") / "data" / "clinical_items" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def items() -> dict[str, Item]:
    """All items by name."""
    return {
        row["item"]: Item(
            name=row["item"],
            label=row["label"],
            kind=cast(Kind, row["kind"]),
            quantity=row["quantity"],
            laboratory_test=row["laboratory_test"],
            reference_unit=row["reference_unit"],
            choices=tuple(choice for choice in row["choices"].split(";") if choice),
            lowest=float(row["lowest"]) if row["lowest"] else None,
            highest=float(row["highest"]) if row["highest"] else None,
        )
        for row in _rows("items.csv")
    }


@cache
def _factors() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in _rows("units.csv"):
        found.setdefault(row["quantity"], {})[row["unit"]] = float(row["in_reference_unit"])
    return found


def item(name: str) -> Item:
    """An item by name; InputError names those that are alike."""
    if name in items():
        return items()[name]
    raise InputError(f"No item {name!r}{alike(name, items())}.")


def alike(name: str, known: Iterable[str]) -> str:
    """Words for a refusal: what the name may have meant, or all there is."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"; is it {' or '.join(close)}?" if close else f"; there are {', '.join(names)}"


def near_words(kind: str, words: str) -> str:
    """What words of a record that stand for nothing known may have meant, as a question; empty where nothing is alike."""
    known = [written for of, written in _written() if of == kind]
    if kind == "observation":
        known += [name.replace("_", " ") for name in items()]
    plain = " ".join(words.replace("_", " ").split()).casefold()
    close = difflib.get_close_matches(plain, known, n=1, cutoff=0.7)
    return f"; is it {close[0]}?" if close else "."


@cache
def _written() -> dict[tuple[str, str], tuple[str, str]]:
    rows = _rows("written.csv")
    return {(row["kind"], row["written"].casefold()): (row["item"], row["value"]) for row in rows}


def item_of_words(kind: str, words: str) -> tuple[str, str] | None:
    """The item, and of a choice its value, that words of a record stand for.

    Parameters
    ----------
    kind : medication (its class), observation (its name), event (its term), site (of the primary)
        or day (an event of a cycle's day)
    words : as written; capitals do not matter

    Returns
    -------
    None for words that the table does not have, an empty item for those that no rule looks at.
    """
    plain = " ".join(words.split()).casefold()
    known = _written().get((kind, plain))
    if known is None and kind == "observation" and plain.replace(" ", "_") in items():
        return plain.replace(" ", "_"), ""
    return known


def units_of(name: str) -> tuple[str, ...]:
    """Units in which an item can be given; ("",) for a number without unit."""
    test = _test(name)
    return tuple(_factors()[item(name).quantity] if test is None else test.factors)


def _test(name: str) -> LabTest | None:
    known = item(name).laboratory_test
    return find_test(known) if known else None


def unit_as_spelled(name: str, unit: str) -> str | None:
    """A unit as the table of the item's units spells it; None for a unit of something else."""
    test = _test(name)
    if test is None:
        return {_bare(known): known for known in units_of(name)}.get(_bare(unit))
    try:
        found = find_unit(test, unit)
    except InputError:
        return None
    return found if found in test.factors else None


def in_reference_unit(name: str, value: float, unit: str) -> float:
    """A value of an item in the reference unit of its quantity.

    Parameters
    ----------
    name : of the item
    value : in ``unit``
    unit : one of ``units_of``; blanks, a leading x, u and the two Greek and micro signs are alike

    Raises
    ------
    InputError
        A unit of something else, or none where one is needed.
    """
    spelled = unit_as_spelled(name, unit)
    if spelled is None:
        given = f"the unit {unit!r}" if unit else "no unit"
        wanted = " or ".join(known or "none" for known in units_of(name))
        raise InputError(f"{name} has {given}; expected {wanted}.")
    test = _test(name)
    if test is None:
        return rounded(value * _factors()[item(name).quantity][spelled])
    return rounded(convert(test, value, spelled, item(name).reference_unit))


def _bare(unit: str) -> str:
    return unit.replace(" ", "").replace("²", "2")


def rounded(value: float) -> float:
    """A number with as many digits as are compared."""
    return float(f"{value:.{DIGITS}g}")
