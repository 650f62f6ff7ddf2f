"""Values of fields from what people type."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import yaml

from lutetia.app.store.documents import CLASSES, annotations_of, shown_key
from lutetia.errors import InputError

_YES_NO = {"true": True, "yes": True, "false": False, "no": False}


def assignments(words: Sequence[str]) -> dict[str, str]:
    """field=value words as a table.

    Raises
    ------
    InputError
        A word without =, or a field twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError("Expected field=value words, for example test=platelets value=187.")
        if name in found:
            raise InputError(f"{name}: given twice.")
        found[name] = value
    return found


def values_of(kind: str, given: Mapping[str, str], where: str = "") -> dict[str, Any]:
    """Texts as the values that the fields of a kind of record hold; an empty text is None.

    Raises
    ------
    InputError
        Unknown field, or a text that is no such value; with the field.
    """
    hints = annotations_of(CLASSES[kind])
    values = {}
    for name, text in given.items():
        if name not in hints:
            raise InputError(f"{where}{kind}{shown_key(name)}: no such field; expected {', '.join(hints)}.")
        values[name] = _value(hints[name], text.strip(), f"{where}{kind}.{name}")
    return values


def _value(hint: Any, text: str, field: str) -> Any:
    if get_origin(hint) in (Union, UnionType):
        parts = get_args(hint)
        if not text and NoneType in parts:
            return None
        known = [part for part in parts if part is not NoneType]
        return _value(known[0], text, field) if len(known) == 1 or date in known else _any(text)
    if get_origin(hint) is tuple:
        return _list(text, field)
    if hint is bool:
        if text.lower() not in _YES_NO:
            raise InputError(f"{field}: expected yes or no.")
        return _YES_NO[text.lower()]
    if hint not in (int, float):
        return text
    try:
        if "_" in text:  # 1_000 is a number to Python alone
            raise ValueError
        return hint(text)
    except ValueError:
        what = "a whole number" if hint is int else "a number with a decimal point"
        raise InputError(f"{field}: expected {what}.") from None


def compared(kind: str, given: Mapping[str, str]) -> dict[str, str]:
    """A laboratory's < 0.3 as comparator and value."""
    value = given.get("value", "").strip()
    if kind != "lab" or not value.startswith(("<", ">")):
        return dict(given)
    sign = value[:2] if value[1:2] == "=" else value[:1]
    return {**given, "comparator": sign, "value": value[len(sign) :].strip()}


def _any(text: str) -> float | bool | str:
    """A number, yes or no, or the text."""
    if text.lower() in _YES_NO:
        return _YES_NO[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text


def _list(text: str, field: str) -> list[Any]:
    try:
        found = yaml.safe_load(text) if text else []
    except (yaml.YAMLError, ValueError):
        found = None
    if not isinstance(found, list):
        raise InputError(
            f"{field}: expected a YAML list, for example '[{{name: amino acids, start: 2026-03-02T08:30}}]'."
        )
    return found


def moment_of_text(text: str, where: str) -> date:
    """A day, or a day with time.

    Raises
    ------
    InputError
        Neither.
    """
    try:
        return date.fromisoformat(text) if len(text) <= len("2026-03-02") else datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{where}: expected a day or a time, for example 2026-03-02 or 2026-03-02T10:15."
        ) from None
