"""Scenario of daughters that leave, from a YAML file; each refusal names file, line and field.

::

    name: 225Ac, daughters free in blood
    models: ICRP 137                # systemic models of free bismuth, lead, radium and radon; or compartments of
    one's own leaving:
      - {member: Fr-221, region: blood, fraction: 1.0, target: plasma, source: assumption, verified: false}
    compartments:
      - {name: tumour bed, region: tumour}
    transfers:
      - {element: Bi, source: tumour bed, target: plasma, rate_per_h: 0.5}
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from lutetia.errors import InputError
from lutetia.kinetics.redistribution import Compartment, Leaving, Redistribution, Transfer, icrp_redistribution
from lutetia.therapy.documents import Document, Place, read_document
from lutetia.units import S_PER_H

Entry = TypeVar("Entry")
Kinds = Mapping[str, tuple[type | tuple[type, ...], bool]]
"""Type of each field, and whether it must be there."""

ICRP: Final = "ICRP 137"
FIELDS: Final[Kinds] = {
    "name": (str, True),
    "models": (str, False),
    "leaving": (list, False),
    "compartments": (list, False),
    "transfers": (list, False),
}
LEAVING: Final[Kinds] = {
    "member": (str, True),
    "region": (str, True),
    "fraction": ((int, float), True),
    "target": (str, True),
    "source": (str, True),
    "verified": (bool, False),
}
COMPARTMENT: Final[Kinds] = {
    "name": (str, True),
    "region": (str, True),
    "excreted": (bool, False),
}
TRANSFER: Final[Kinds] = {
    "element": (str, True),
    "source": (str, True),
    "target": (str, True),
    "rate_per_h": ((int, float), True),
}
KINDS: Final = {str: "a text", list: "a list", bool: "true or false", (int, float): "a number"}


def read_redistribution(path: Path) -> Redistribution:
    """Read a scenario.

    Parameters
    ----------
    path : YAML file; rates in 1/h, fractions from 0 to 1, a source for every fraction

    Raises
    ------
    InputError
        With file, line and field: a field that is missing, unknown or of another kind, fractions above 1 in sum.
    """
    document = read_document(path, error=InputError)
    top = _fields(document, document.content, (), FIELDS)
    models = top.get("models")
    if models not in (None, ICRP):
        raise document.refusal(("models",), f"{models!r}; expected {ICRP!r}, or no such field.")
    leaving = _entries(document, top, "leaving", LEAVING, lambda row: Leaving(**{"verified": False, **row}))
    compartments = _entries(document, top, "compartments", COMPARTMENT, lambda row: Compartment(**row))
    transfers = _entries(document, top, "transfers", TRANSFER, _transfer)
    shipped = icrp_redistribution(leaving) if models == ICRP else Redistribution(name=top["name"])
    told = () if models == ICRP else tuple(_unchecked(row) for row in leaving if not row.verified)
    try:
        return replace(
            shipped,
            name=top["name"],
            leaving=leaving,
            compartments=(*shipped.compartments, *compartments),
            transfers=(*shipped.transfers, *transfers),
            sources=tuple(dict.fromkeys((*shipped.sources, *(row.source for row in leaving)))),
            warnings=(*shipped.warnings, *told),
        )
    except InputError as reason:
        raise document.refusal((), str(reason)) from None


def _unchecked(row: Leaving) -> str:
    return f"{row.fraction:.0%} of {row.member} leaving {row.region}: not checked against {row.source}."


def _transfer(row: Mapping[str, Any]) -> Transfer:
    return Transfer(
        element=row["element"],
        source=row["source"],
        target=row["target"],
        rate_per_s=row["rate_per_h"] / S_PER_H,
    )


def _entries(
    document: Document,
    top: Mapping[str, Any],
    key: str,
    fields: Kinds,
    make: Callable[[Mapping[str, Any]], Entry],
) -> tuple[Entry, ...]:
    """Entries of a list, each made into what it stands for."""
    found = []
    for i, content in enumerate(top.get(key) or []):
        row = _fields(document, content, (key, i), fields)
        try:
            found.append(make(row))
        except InputError as reason:
            raise document.refusal((key, i), str(reason)) from None
    return tuple(found)


def _fields(document: Document, content: Any, place: Place, fields: Kinds) -> dict[str, Any]:
    """Fields of a mapping, of the kinds that are expected."""
    if not isinstance(content, dict):
        raise document.refusal(place, f"expected the fields {', '.join(fields)}.")
    for key, value in content.items():
        if key not in fields:
            raise document.refusal((*place, key), f"unknown; expected one of {', '.join(fields)}.")
        kind = fields[key][0]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise document.refusal((*place, key), f"{value!r}; expected {KINDS[kind]}.")
    for key, (_, needed) in fields.items():
        if needed and key not in content:
            raise document.refusal((*place, key), "is missing.")
    return content
