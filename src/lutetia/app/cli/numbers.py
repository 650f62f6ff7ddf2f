"""Numbers that people give by options or in a dose.json, checked before anything is computed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lutetia.errors import InputError

LARGEST: Final = 1e9
"""Beyond this no option or number in a dose.json of any command is meant, in whatever unit it has."""


def require_option(value: float | None, option: str, unit: str, *, most: float = LARGEST) -> None:
    """Refuse the value of an option that is not above 0, or too large to be meant; None was not given.

    Raises
    ------
    InputError
        Names the option.
    """
    if value is not None and not 1 / LARGEST <= value <= most:
        raise InputError(f"{option} {value:g} {unit}; expected above 0 and at most {most:g} {unit}.")


def number_in(row: Mapping[str, Any], key: str, where: str, *, least: float = 0.0) -> float:
    """A number of a file, at least ``least``.

    Raises
    ------
    InputError
        It is not there, or no such number; names the file, the place and the key.
    """
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LARGEST:
        raise InputError(f"{where}: {key} is {value!r}; expected a number from {least:g} to {LARGEST:g}.")
    return float(value)


def number_or_none_in(row: Mapping[str, Any], key: str, where: str, *, least: float = 0.0) -> float | None:
    """A number of a file, or None where the file says null; the key must be there."""
    if key in row and row[key] is None:
        return None
    return number_in(row, key, where, least=least)


def regions_in(document: Mapping[str, Any], file: str) -> dict[str, dict[str, Any]]:
    """Regions of a dose.json by name, in its order.

    Raises
    ------
    InputError
        No list of regions that have a name and a kind, or a name twice.
    """
    found: dict[str, dict[str, Any]] = {}
    rows = document.get("regions")
    if not isinstance(rows, list):
        raise InputError(
            f"{file}: regions is {type(rows).__name__}; expected a list, as in the dose.json of lutetia run."
        )
    for number, row in enumerate(rows, start=1):
        if not (isinstance(row, dict) and isinstance(row.get("region"), str) and isinstance(row.get("kind"), str)):
            raise InputError(f"{file}, region {number}: expected an object with region and kind in words.")
        if row["region"] in found:
            raise InputError(f"{file}: {row['region']} is there twice; expected each region once.")
        found[row["region"]] = row
    return found


def named_values(given: Sequence[str], option: str, example: str) -> dict[str, tuple[float, float | None]]:
    """region=value or region=value,15% of an option: value and relative standard uncertainty.

    Raises
    ------
    InputError
        Another form, a value that is no number above 0, or a region twice.
    """
    from lutetia.app.case.reading import parse_percent

    found: dict[str, tuple[float, float | None]] = {}
    for text in given:
        name, sign, rest = text.partition("=")
        number, comma, percent = rest.partition(",")
        region = name.strip().lower()
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if not (sign and region and 0 < value < float("inf")):
            raise InputError(f"{option} {text!r}: expected a region and a number above 0, as in kidney={example}.")
        if region in found:
            raise InputError(f"{option}: {region} is given twice; expected once.")
        u = parse_percent(percent, f"{option} {region}") if comma else None
        if u is not None and not 0 <= u <= 2:
            raise InputError(f"{option} {text!r}: expected an uncertainty from 0% to 200%.")
        found[region] = (value, u)
    return found
