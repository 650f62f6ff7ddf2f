"""Conditions from a document, each refusal with its line."""

from typing import Any, Final, Literal, cast, get_args

from lutetia.therapy.documents import Document, Place, at
from lutetia.therapy.items import alike, item, items, unit_as_spelled, units_of
from lutetia.therapy.rules.conditions import AllOf, AnyOf, Bound, Choice, Condition, Flag, Not, Number, Since, Span

BOUNDS: Final = ("at_least", "above", "at_most", "below")
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "number": ("item", *BOUNDS, "unit"),
    "flag": ("item", "is"),
    "choice": ("item", "one_of"),
    "event": ("item", "since"),
}


def parse_condition(document: Document, place: Place) -> Condition:
    """The condition that stands at a place.

    Raises
    ------
    LutetiaError
        Of the document's class: an unknown item or unit, an operator that the kind of item does not have, no operator.
    """
    entry = at(document.content, place)
    if not isinstance(entry, dict):
        raise document.refusal(place, f"{entry!r}; expected a condition (item, any_of, all_of or not).")
    for key, kind in (("any_of", AnyOf), ("all_of", AllOf)):
        if key in entry:
            _only(document, place, entry, (key,))
            if not isinstance(entry[key], list) or not entry[key]:
                raise document.refusal((*place, key), "expected a list of conditions.")
            parts = tuple(parse_condition(document, (*place, key, i)) for i in range(len(entry[key])))
            return kind(parts=parts)
    if "not" in entry:
        _only(document, place, entry, ("not",))
        return Not(part=parse_condition(document, (*place, "not")))
    return _leaf(document, place, entry)


def _leaf(document: Document, place: Place, entry: dict[str, Any]) -> Condition:
    name = entry.get("item")
    if not isinstance(name, str) or name not in items():
        told = alike(name, items()) if isinstance(name, str) else ""
        raise document.refusal((*place, "item"), f"no item {name!r}{told}.")
    kind = item(name).kind
    if kind not in _KEYS:
        raise document.refusal((*place, "item"), f"{name} is a {kind}, on which no rule can be made.")
    _only(document, place, entry, _KEYS[kind])
    if kind == "number":
        return _number(document, place, entry, name)
    if kind == "event":
        return _since(document, place, entry, name)
    if kind == "flag":
        if not isinstance(entry.get("is"), bool):
            raise document.refusal((*place, "is"), f"{entry.get('is')!r}; expected true or false.")
        return Flag(item=name, wanted=entry["is"])
    wanted = entry.get("one_of")
    if not isinstance(wanted, list) or not wanted or not set(map(str, wanted)) <= set(item(name).choices):
        raise document.refusal((*place, "one_of"), f"{wanted!r}; expected some of {'; '.join(item(name).choices)}.")
    return Choice(item=name, wanted=tuple(wanted))


def _only(document: Document, place: Place, entry: dict[str, Any], allowed: tuple[str, ...]) -> None:
    for key in entry:
        if key not in allowed:
            raise document.refusal((*place, key), f"does not go here; expected {', '.join(allowed)}.")


def _number(document: Document, place: Place, entry: dict[str, Any], name: str) -> Number:
    found = [key for key in BOUNDS if key in entry]
    if not found:
        raise document.refusal(place, f"no bound of {name}; expected {', '.join(BOUNDS)}.")
    for one, other in (("at_least", "above"), ("at_most", "below")):
        if one in found and other in found:
            raise document.refusal((*place, other), f"stands beside {one}; expected one of them.")
    for key in found:
        if isinstance(entry[key], bool) or not isinstance(entry[key], int | float):
            raise document.refusal((*place, key), f"{entry[key]!r}; expected a number.")
    unit = str(entry.get("unit", ""))
    of = cast(Literal["value", "xULN", "xLLN"], unit if unit in ("xULN", "xLLN") else "value")
    if of == "value" and unit_as_spelled(name, unit) is None:
        known = ", ".join(u or "none" for u in units_of(name))
        raise document.refusal((*place, "unit"), f"{unit!r}; expected {known}, xULN or xLLN.")
    return Number(
        item=name,
        lower=_bound(entry, "at_least", "above"),
        upper=_bound(entry, "at_most", "below"),
        unit="" if of != "value" else unit,
        of=of,
    )


def _bound(entry: dict[str, Any], inclusive: str, exclusive: str) -> Bound | None:
    for key in (inclusive, exclusive):
        if key in entry:
            return Bound(value=float(entry[key]), inclusive=key == inclusive)
    return None


def _since(document: Document, place: Place, entry: dict[str, Any], name: str) -> Since:
    since = entry.get("since")
    if not isinstance(since, dict) or not {"at_least", "at_most"} & set(since):
        raise document.refusal((*place, "since"), f"{since!r}; expected at_least or at_most, and unit.")
    _only(document, (*place, "since"), since, ("at_least", "at_most", "unit"))
    spans = {
        key: parse_span(document, (*place, "since"), since[key], since.get("unit"))
        for key in ("at_least", "at_most")
        if key in since
    }
    return Since(item=name, least=spans.get("at_least"), most=spans.get("at_most"))


def parse_span(document: Document, place: Place, value: object, unit: object) -> Span:
    """A stretch of the calendar from its number and unit."""
    units = get_args(Span.__annotations__["unit"])
    if unit not in units:
        raise document.refusal((*place, "unit"), f"{unit!r}; expected {', '.join(units)}.")
    whole = unit == "h" or (isinstance(value, int | float) and float(value).is_integer())
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or not whole:
        raise document.refusal(place, f"{value!r} {unit}; expected a number of at least 0, whole unless of hours.")
    return Span(value=float(value), unit=cast(Literal["h", "d", "weeks", "months"], unit))
