"""The table of laboratory tests: names, units with their factors, and bounds that tell a slip of the unit."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

from lutetia.errors import InputError, MissingDataError

TIMES_ULN: Final = "x ULN"
"""The unit of results that are given as multiples of the upper limit of normal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabTest:
    """A laboratory test.

    Attributes
    ----------
    name : as Lutetia calls it
    synonyms : other names
    factors : value of one of each unit in the first one, which is the canonical unit
    plausible : bounds of a result. [canonical unit]
    zero_possible : whether 0 is a result although below the bounds (a count below detection)
    lower_limit_bounds, upper_limit_bounds : of the limits of normal. [canonical unit]
    relative : whether results may be multiples of the upper limit of normal
    verified : whether a document that states the factors was read
    """

    name: str
    synonyms: tuple[str, ...]
    factors: Mapping[str, float]
    plausible: tuple[float, float]
    zero_possible: bool
    lower_limit_bounds: tuple[float, float]
    upper_limit_bounds: tuple[float, float]
    relative: bool
    verified: bool

    @property
    def canonical_unit(self) -> str:
        """The unit in which the table has its bounds."""
        return next(iter(self.factors))


@cache
def laboratory_tests() -> tuple[LabTest, ...]:
    """All tests of the table."""
    path = files("lutetia.response") / "data" / "laboratory" / "tests.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    families: dict[str, dict[str, float]] = document["units"]
    return tuple(_test(str(name), row, families) for name, row in document["tests"].items())


def _test(name: str, row: Mapping[str, Any], families: Mapping[str, Mapping[str, float]]) -> LabTest:
    units = row["units"]
    factors = families[units] if isinstance(units, str) else units
    return LabTest(
        name=name,
        synonyms=tuple(str(synonym) for synonym in row["synonyms"]),
        factors={str(unit): float(factor) for unit, factor in factors.items()},
        plausible=(float(row["plausible"][0]), float(row["plausible"][1])),
        zero_possible=bool(row.get("zero", False)),
        lower_limit_bounds=(float(row["lower_limit"][0]), float(row["lower_limit"][1])),
        upper_limit_bounds=(float(row["upper_limit"][0]), float(row["upper_limit"][1])),
        relative=bool(row.get("relative", False)),
        verified=bool(row["verified"]),
    )


@cache
def _by_name() -> Mapping[str, LabTest]:
    return {_plain(name): test for test in laboratory_tests() for name in (test.name, *test.synonyms)}


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()


def find_test(name: str) -> LabTest:
    """The test of a name or synonym, whatever its case; MissingDataError lists the tests that there are."""
    found = _by_name().get(_plain(name))
    if found is None:
        known = ", ".join(test.name for test in laboratory_tests())
        raise MissingDataError(f"No laboratory test {name!r} in the table; there are {known}.")
    return found


def find_unit(test: LabTest, unit: str) -> str:
    """A unit as the table spells it: µL and uL, 10^9/L, 10⁹/l, x10*9/L and 10E9/L are read alike.

    Small and capital letters are alike but for G/L, which is 10^9/L where g/L is a mass.

    Raises
    ------
    InputError
        A unit that the test does not have; those that it has are named.
    """
    wanted = _plain_unit(unit)
    if test.relative and wanted in ("xuln", "uln", "timesuln"):
        return TIMES_ULN
    for known in test.factors:
        if _plain_unit(known) == wanted:
            return known
    units = [known or "(empty)" for known in test.factors] + ([TIMES_ULN] if test.relative else [])
    raise InputError(f"unit {unit!r} of {test.name}; expected one of {', '.join(units)}.")


def _plain_unit(unit: str) -> str:
    powers = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
    raised = re.sub(r"([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda found: "^" + found[1].translate(powers), unit)
    giga = re.sub(r"^\s*G\s*/", "giga/", raised)
    text = giga.casefold().replace("µ", "u").replace("μ", "u").replace("×", "x").replace("·", "")
    text = re.sub(r"\s+", "", text)
    return re.sub(r"^x?10(?:\*|e|\^)\+?0?(\d)", r"10^\1", text)


def convert(test: LabTest | str, value: float, unit: str, to_unit: str) -> float:
    """A value of a test in another of its units.

    Not between absolute units and multiples of the upper limit of normal: see ``lutetia.response.laboratory.in_unit``.

    Raises
    ------
    InputError
        A unit that the test does not have, or of which one is a multiple of the upper limit.
    """
    known = find_test(test) if isinstance(test, str) else test
    source, target = find_unit(known, unit), find_unit(known, to_unit)
    if source == target:
        return value
    if TIMES_ULN in (source, target):
        raise InputError(f"{known.name} in {source} is not known in {target} without the upper limit of normal.")
    factor, other = known.factors[source], known.factors[target]
    # 80 g/L are 8 g/dL and not 8.000000000000002
    return value if factor == other else float(f"{value * factor / other:.15g}")


def require_plausible(test: LabTest, value: float, unit: str, *, what: str = "value") -> None:
    """Refuse a number that the test cannot have in this unit.

    Parameters
    ----------
    what : "value", "lower_limit" or "upper_limit"

    Raises
    ------
    InputError
        Not finite, negative, or outside the bounds; units in which the number would be possible are named.
    """
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{what} {value:g} {unit} of {test.name}; expected a number that is not negative.")
    if unit == TIMES_ULN or (what == "value" and value == 0 and test.zero_possible):
        return
    bounds = {
        "value": test.plausible,
        "lower_limit": test.lower_limit_bounds,
        "upper_limit": test.upper_limit_bounds,
    }[what]
    if _within(value * test.factors[unit], bounds):
        return
    factor = test.factors[unit]
    low, high = (float(f"{bound / factor:.4g}") for bound in bounds)
    others: dict[float, str] = {}
    for other, scale in test.factors.items():
        if not math.isclose(scale, factor) and _within(value * scale, bounds):
            others.setdefault(scale, other)
    hint = f" It would be possible in {' or '.join(others.values())}: is the unit right?" if others else ""
    raise InputError(f"{what} {value:g} {unit} of {test.name}; expected {low:g} to {high:g} {unit}.{hint}")


def _within(value: float, bounds: tuple[float, float]) -> bool:
    low, high = bounds
    return (low <= value <= high) or math.isclose(value, low) or math.isclose(value, high)
