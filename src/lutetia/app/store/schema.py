"""The JSON schema of a course's file, made from the classes that read it."""

from dataclasses import is_dataclass
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from lutetia.app.store.documents import CLASSES, annotations_of, required_of
from lutetia.app.store.exchange import NOTICE, SCHEMA
from lutetia.therapy.course import KINDS

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time", "description": "local time without zone"},
    NoneType: {"type": "null"},
}


def course_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the file of ``lutetia course export``."""
    records = {name: {"type": "array", "items": _ref(kind)} for kind, (name, _) in KINDS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        "description": f"{NOTICE} What must hold between records is checked when the file is read.",
        **_object(
            {
                "schema": {"const": SCHEMA},
                "notice": {"type": "string"},
                "version": {"type": "integer", "minimum": 1},
                "course": _object({"patient": _ref("patient"), **records}, ("patient",)),
                "history": {"type": "array", "items": {"oneOf": [_revision(kind) for kind in CLASSES]}},
                "audit": {"type": "array", "items": _audit()},
            },
            ("schema", "course"),
        ),
        "$defs": {kind: record_schema(kind) for kind in CLASSES},
    }


def record_schema(kind: str) -> dict[str, Any]:
    """JSON Schema of one kind of record."""
    return _of_class(CLASSES[kind])


def _of_class(made_of: type) -> dict[str, Any]:
    hints = annotations_of(made_of)
    return _object({key: _of_hint(hint) for key, hint in hints.items()}, required_of(made_of))


def _of_hint(hint: Any) -> dict[str, Any]:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [_of_hint(part) for part in get_args(hint)]}
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin is tuple:
        return {"type": "array", "items": _of_hint(get_args(hint)[0])}
    return _of_class(hint) if is_dataclass(hint) else dict(_PLAIN[hint])  # type: ignore[arg-type]


def _object(properties: dict[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _ref(kind: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{kind}"}


def _revision(kind: str) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 1}
    properties = {
        "kind": {"const": kind},
        "number": number,
        "revision": number,
        "audit": {**number, "description": "position in the audit trail"},
        "record": {"anyOf": [_ref(kind), {"type": "null", "description": "withdrawn"}]},
    }
    return _object(properties, tuple(properties))


def _audit() -> dict[str, Any]:
    text = {"type": "string"}
    properties = {
        "position": {"type": "integer", "minimum": 1},
        "at": {**text, "format": "date-time", "description": "UTC"},
        "who": text,
        "action": {"enum": ["new", "add", "correct", "withdraw", "import"]},
        "entry": text,
        "old": {"type": ["object", "null"]},
        "new": {"type": ["object", "null"]},
        "reason": text,
        "hash": {**text, "pattern": "^[0-9a-f]{64}$"},
    }
    return _object(properties, tuple(properties))
