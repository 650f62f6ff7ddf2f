"""Records from what people type and from the files they have."""

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import yaml

from lutetia.app.store.documents import CLASSES, annotations_of, record_of
from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.course import KINDS, DoseRecord, Record

_YES_NO = {"true": True, "yes": True, "false": False, "no": False}
_PATIENT_COLUMNS = ("patient", "pseudonym", "subject")


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
            raise InputError(f"{where}{kind}: no field of that name; expected {', '.join(hints)}.")
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
        return hint(text)
    except ValueError:
        what = "a whole number" if hint is int else "a number with a decimal point"
        raise InputError(f"{field}: expected {what}.") from None


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


def records_of(what: str, given: Mapping[str, str], columns: Mapping[str, str], pseudonym: str) -> tuple[
    tuple[Record, ...], tuple[str, ...]
]:  # fmt: skip
    """Records and remarks from a kind with field=value words, or from a file.

    Parameters
    ----------
    what : a kind of record, or the path of a .csv (one kind), .yaml (any kinds), or .json (dose.json)
    given : field -> text; of a table it holds for all rows
    columns : field -> header, of a table whose headers are not the fields' names
    pseudonym : that a column of patients must hold
    """
    path = Path(what)
    if what in KINDS:
        return (_record(what, values_of(what, given)),), ()
    if path.suffix.lower() == ".csv":
        return _table(path, dict(given), columns, pseudonym)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _collection(path), ()
    if path.suffix.lower() == ".json":
        return (_dose(path, given),), ()
    raise InputError(f"Expected one of {', '.join(KINDS)}, or a file .csv, .yaml or .json.")


def _record(kind: str, values: Mapping[str, Any], where: str = "") -> Record:
    found = record_of(kind, values, where)
    assert not isinstance(found, CLASSES["patient"])
    return found  # type: ignore[return-value]


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig" if path.suffix.lower() == ".csv" else "utf-8")
    except OSError as error:
        raise MissingDataError(f"{path.name}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise InputError(f"{path.name}: not UTF-8 text.") from None


def _table(
    path: Path, given: dict[str, str], columns: Mapping[str, str], pseudonym: str
) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    kind = given.pop("kind", "lab")
    if kind not in KINDS:
        raise InputError(f"kind: expected one of {', '.join(KINDS)}.")
    lines = _text(path).splitlines()
    separator = max(",;\t", key=(lines[0] if lines else "").count)
    rows = list(csv.reader(lines, delimiter=separator))
    heads = [head.strip() for head in rows[0]] if rows else []
    place = _places(path, kind, heads, columns, given)
    _one_patient(path, heads, rows[1:], pseudonym)
    records = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path.name} line {number}: "
        if len(row) != len(heads):
            raise InputError(f"{where}{len(row)} cells, but {len(heads)} columns.")
        cells = given | {name: row[i].strip() for name, i in place.items() if row[i].strip()}
        records.append(_record(kind, values_of(kind, _compared(kind, cells), where), where))
    if not records:
        raise InputError(f"{path.name}: no rows.")
    unused = [
        head for i, head in enumerate(heads) if i not in place.values() and head.lower() not in _PATIENT_COLUMNS
    ]
    return tuple(records), (f"Columns of {path.name} not used: {', '.join(unused)}.",) if unused else ()


def _places(
    path: Path, kind: str, heads: Sequence[str], columns: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, int]:
    """Field -> position of its column."""
    hints = annotations_of(CLASSES[kind])
    if len(set(heads)) < len(heads):
        raise InputError(f"{path.name}: two columns of one name.")
    for name, head in columns.items():
        if name not in hints:
            raise InputError(f"--column: {kind} has no such field; expected {', '.join(hints)}.")
        if head not in heads:
            raise MissingDataError(f"{path.name}: no column for {name}; the columns are {', '.join(heads)}.")
    named = {name: columns.get(name, name) for name in hints if name not in given}
    return {name: heads.index(head) for name, head in named.items() if head in heads}


def _one_patient(path: Path, heads: Sequence[str], rows: Sequence[Sequence[str]], pseudonym: str) -> None:
    for i, head in enumerate(heads):
        others = [row for row in rows if len(row) > i and row[i].strip() not in ("", pseudonym)]
        if head.lower() in _PATIENT_COLUMNS and others:
            raise InputError(
                f"{path.name}: {len(others)} of {len(rows)} rows are of another patient by the column {head}; give the "
                "rows of one."
            )


def _compared(kind: str, cells: dict[str, str]) -> dict[str, str]:
    """A laboratory's < 0.3 as comparator and value."""
    value = cells.get("value", "")
    if kind != "lab" or not value.startswith(("<", ">")):
        return cells
    sign = value[:2] if value[1:2] == "=" else value[:1]
    return cells | {"comparator": sign, "value": value[len(sign) :].strip()}


def _collection(path: Path) -> tuple[Record, ...]:
    try:
        document = yaml.safe_load(_text(path))
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"{path.name}{line}: not YAML.") from None
    kinds = {name: kind for kind, (name, _) in KINDS.items()}
    if not isinstance(document, Mapping) or set(document) - set(kinds):
        raise InputError(f"{path.name}: expected lists named {', '.join(kinds)}.")
    found = []
    for name, items in document.items():
        if not isinstance(items, list):
            raise InputError(f"{path.name}: {name} is expected to be a list.")
        found += [_record(kinds[name], item, f"{path.name}: {name}[{i}]: ") for i, item in enumerate(items)]
    return tuple(found)


def _dose(path: Path, given: Mapping[str, str]) -> DoseRecord:
    """dose.json as it is; its cycle from the words, its time from there or from provenance.json beside it."""
    values = values_of("dose", given)
    if "text" in values:
        raise InputError("dose.text: is the file itself.")
    if "cycle" not in values:
        raise MissingDataError("dose.cycle: missing; say of which cycle the file is, for example cycle=1.")
    if "time" not in values:
        values["time"] = _computed_at(path)
    found = _record("dose", {**values, "text": _text(path)}, f"{path.name}: ")
    assert isinstance(found, DoseRecord)
    return found


def _computed_at(path: Path) -> str:
    beside = path.with_name("provenance.json")
    try:
        return str(json.loads(beside.read_text("utf-8"))["started"])
    except (OSError, ValueError, KeyError, TypeError):
        raise MissingDataError(
            "dose.time: missing; there is no provenance.json with the time of the run beside the file, so say it, for "
            "example time=2026-03-06T14:00."
        ) from None


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
