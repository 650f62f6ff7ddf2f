"""The published JSON schema of protocol files, and the check of a document against it.

Only the words of JSON Schema that the schema uses are known; an unknown word is an error rather than passed over.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from lutetia.therapy.documents import Document, Place

MOST_FAULTS: Final = 8
"""How many faults one refusal tells."""


class Fault(NamedTuple):
    """Where a document departs from the schema, and how."""

    place: Place
    message: str


Schema = Mapping[str, Any]

_TYPES: Final[dict[str, Callable[[object], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}
_SILENT: Final = {"$schema", "$defs", "title", "description"}


@cache
def protocol_schema() -> Schema:
    """The JSON schema (2020-12) of protocol files."""
    text = (files("lutetia.therapy.protocols") / "schema.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def faults(value: object, schema: Schema, *, root: Schema, place: Place = ()) -> Iterator[Fault]:
    """All departures of a value from a schema.

    Parameters
    ----------
    value : as YAML or JSON give it
    schema : for this value
    root : schema with the ``$defs`` that references point to
    place : of the value in its document

    Raises
    ------
    KeyError
        The schema has a word that is not known here.
    """
    if "$ref" in schema:
        yield from faults(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root=root, place=place)
        return
    if "type" in schema and not _TYPES[schema["type"]](value):
        yield Fault(
            place, f"{_short(value)}; expected {'an' if schema['type'][0] in 'aoi' else 'a'} {schema['type']}."
        )
        return
    for word in schema:
        if word not in _SILENT and word != "type":
            yield from _WORDS[word](value, schema, root, place)


def check_document(document: Document, schema: Schema) -> None:
    """Refuse a document that departs from a schema.

    Raises
    ------
    LutetiaError
        Of the document's own kind; the first places with line and field, and how many more there are.
    """
    found = [document.told(fault.place, fault.message) for fault in faults(document.content, schema, root=schema)]
    if found:
        more = f"\nand {len(found) - MOST_FAULTS} more." if len(found) > MOST_FAULTS else ""
        raise document.error("\n".join(found[:MOST_FAULTS]) + more)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


Words = Callable[[Any, Schema, Schema, Place], Iterator[Fault]]


def _const(value: Any, schema: Schema, _root: Schema, place: Place) -> Iterator[Fault]:
    if value != schema["const"]:
        yield Fault(place, f"{_short(value)}; expected {schema['const']!r}.")


def _enum(value: Any, schema: Schema, _root: Schema, place: Place) -> Iterator[Fault]:
    if value not in schema["enum"]:
        yield Fault(place, f"{_short(value)}; expected one of {', '.join(map(str, schema['enum']))}.")


def _pattern(value: Any, schema: Schema, _root: Schema, place: Place) -> Iterator[Fault]:
    if not re.search(schema["pattern"], value):
        yield Fault(place, f"{_short(value)}; expected a text like {schema['pattern']}.")


def _minimum(value: Any, schema: Schema, _root: Schema, place: Place) -> Iterator[Fault]:
    if not value >= schema["minimum"]:
        yield Fault(place, f"{value}; expected at least {schema['minimum']}.")


def _above(value: Any, schema: Schema, _root: Schema, place: Place) -> Iterator[Fault]:
    if not value > schema["exclusiveMinimum"]:
        yield Fault(place, f"{value}; expected more than {schema['exclusiveMinimum']}.")


def _not_empty(value: Any, _schema: Schema, _root: Schema, place: Place) -> Iterator[Fault]:
    if not value:
        yield Fault(place, "is empty.")


def _required(value: Any, schema: Schema, _root: Schema, place: Place) -> Iterator[Fault]:
    for key in schema["required"]:
        if key not in value:
            yield Fault((*place, key), "missing.")


def _properties(value: Any, schema: Schema, root: Schema, place: Place) -> Iterator[Fault]:
    for key, below in schema["properties"].items():
        if key in value:
            yield from faults(value[key], below, root=root, place=(*place, key))


def _others(value: Any, schema: Schema, root: Schema, place: Place) -> Iterator[Fault]:
    known, rule = schema.get("properties", {}), schema["additionalProperties"]
    for key in value:
        if key not in known and rule is False:
            yield Fault((*place, key), f"unknown; expected {', '.join(known)}.")
        elif key not in known:
            yield from faults(value[key], rule, root=root, place=(*place, key))


def _items(value: Any, schema: Schema, root: Schema, place: Place) -> Iterator[Fault]:
    for i, entry in enumerate(value):
        yield from faults(entry, schema["items"], root=root, place=(*place, i))


def _all_of(value: Any, schema: Schema, root: Schema, place: Place) -> Iterator[Fault]:
    for part in schema["allOf"]:
        if next(faults(value, part["if"], root=root), None) is None:
            yield from faults(value, part["then"], root=root, place=place)


_WORDS: Final[dict[str, Words]] = {
    "const": _const,
    "enum": _enum,
    "pattern": _pattern,
    "minimum": _minimum,
    "exclusiveMinimum": _above,
    "minLength": _not_empty,
    "minItems": _not_empty,
    "minProperties": _not_empty,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _others,
    "items": _items,
    "allOf": _all_of,
}
