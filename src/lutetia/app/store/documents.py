"""Records as JSON, for the store, for files and for people: MBq, ISO dates, the fields' own names."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from lutetia.errors import InputError
from lutetia.therapy.course import KINDS, Patient, Record
from lutetia.units import BQ_PER_MBQ

CLASSES: Final[dict[str, type]] = {"patient": Patient, **{kind: made_of for kind, (_, made_of) in KINDS.items()}}
"""Kind -> class, the patient with them."""

LONGEST_NAME: Final = 40


def canonical(document: Any) -> str:
    """One text for one content: what is stored and hashed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def key_of(name: str) -> str:
    """JSON key of a field: people write MBq."""
    return name.removesuffix("_bq") + "_MBq" if name.endswith("_bq") else name


@cache
def annotations_of(made_of: type) -> dict[str, Any]:
    """JSON key -> type of each field."""
    hints = get_type_hints(made_of)
    return {key_of(item.name): hints[item.name] for item in fields(made_of)}


@cache
def _names(made_of: type) -> dict[str, str]:
    return {key_of(item.name): item.name for item in fields(made_of)}


@cache
def required_of(made_of: type) -> tuple[str, ...]:
    """JSON keys that must be given."""
    return tuple(key_of(f.name) for f in fields(made_of) if f.default is MISSING and f.default_factory is MISSING)


def document_of(record: Any) -> dict[str, Any]:
    """A record as JSON; fields that hold their default are left out."""
    return {
        key_of(item.name): _out(item.name, getattr(record, item.name))
        for item in fields(record)
        if item.default is MISSING or getattr(record, item.name) != item.default
    }


def _out(name: str, value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [document_of(part) if is_dataclass(part) else part for part in value]
    return value / BQ_PER_MBQ if name.endswith("_bq") and value is not None else value


def record_of(kind: str, document: object, where: str = "") -> Patient | Record:
    """A record from JSON.

    Raises
    ------
    InputError
        Unknown kind, unknown or missing key, a value of the wrong kind; with kind and key, and ``where`` before it.
    """
    if kind not in CLASSES:
        raise InputError(f"{where}unknown kind of record; expected one of {', '.join(CLASSES)}.")
    return _built(CLASSES[kind], document, kind, where)  # type: ignore[no-any-return]


def _built(made_of: type, document: object, kind: str, where: str) -> Any:
    hints = annotations_of(made_of)
    if not isinstance(document, Mapping):
        raise InputError(f"{where}{kind}: expected a table of {', '.join(hints)}.")
    for key in document:
        if key not in hints:
            raise InputError(f"{where}{kind}{shown_key(key)}: no such field; expected {', '.join(hints)}.")
    for key in required_of(made_of):
        if document.get(key) is None:
            raise InputError(f"{where}{kind}.{key}: missing.")
    names = _names(made_of)
    values = {names[key]: _in(hints[key], value, f"{kind}.{key}", where) for key, value in document.items()}
    try:
        return made_of(**values)
    except InputError as error:
        raise InputError(f"{where}{error}") from None


def shown_key(key: object) -> str:
    """A key that can be the name of a field; others may hold anything, and are not repeated."""
    return f".{key}" if isinstance(key, str) and key.isidentifier() and len(key) <= LONGEST_NAME else ""


def _in(hint: Any, value: object, field: str, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        if value is None and NoneType in get_args(hint):
            return None
        return _one_of([part for part in get_args(hint) if part is not NoneType], value, field, where)
    if origin is tuple:
        return _list(get_args(hint)[0], value, field, where)
    if origin is Literal or hint in (str, bool):
        return value
    if hint in (date, datetime):
        return _date(hint, value, field, where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where}{field}: expected a number.")
    return value * BQ_PER_MBQ if field.endswith("_MBq") else value


def _one_of(parts: Sequence[Any], value: object, field: str, where: str) -> Any:
    """A value that may be of several kinds: a day or a moment, a number or a word."""
    if set(parts) == {date, datetime}:
        exact = isinstance(value, datetime) or (isinstance(value, str) and len(value) > len("2026-03-02"))
        return _date(datetime if exact else date, value, field, where)
    if len(parts) == 1 or (isinstance(value, int | float) and not isinstance(value, bool)):
        return _in(parts[0], value, field, where)
    if type(value) not in parts:
        raise InputError(f"{where}{field}: expected a number, true, false or a text.")
    return value


def _list(part: Any, value: object, field: str, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}{field}: expected a list.")
    if is_dataclass(part):
        return tuple(_built(part, item, field, where) for item in value)  # type: ignore[arg-type]
    return tuple(value)


def _date(hint: Any, value: object, field: str, where: str) -> date:
    example = "2026-03-02T10:15" if hint is datetime else "2026-03-02"
    if isinstance(value, date) and type(value) is hint:
        return value
    try:
        # a day is no moment: 2026-03-02 alone is refused where a time is needed
        if not isinstance(value, str) or (hint is datetime) != (len(value) > len("2026-03-02")):
            raise ValueError
        return hint.fromisoformat(value)  # type: ignore[no-any-return]
    except ValueError:
        what = "date and time" if hint is datetime else "day"
        raise InputError(f"{where}{field}: expected a {what}, for example {example}.") from None
