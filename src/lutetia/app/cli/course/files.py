"""Records from words and from the files that people have, and where in them each stands."""

import csv
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args

from lutetia.app.cli.course.given import compared, values_of
from lutetia.app.store.documents import CLASSES, annotations_of, record_of, required_of
from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.course import KINDS, Course, DoseRecord, Record
from lutetia.therapy.documents import Document, read_document

_PATIENT_COLUMNS: Final = ("patient", "pseudonym", "subject")
_DECIMAL_COMMA: Final = re.compile(r"([<>]=?\s*)?-?\d+,\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """Records that were given.

    Attributes
    ----------
    records : in the order in which they were given
    where : number of a record and a message about it -> file and line, to stand before the message; empty for words
    remarks : on the file
    """

    records: tuple[Record, ...]
    where: Callable[[int, str], str]
    remarks: tuple[str, ...] = ()


def records_of(what: str, given: Mapping[str, str], columns: Mapping[str, str], pseudonym: str) -> Given:
    """Records from a kind with field=value words, or from a file.

    Parameters
    ----------
    what : a kind of record, or the path of a .csv (one kind), .yaml (any kinds), or .json (dose.json)
    given : field -> text; of a table it holds for all rows
    columns : field -> header, of a table whose headers are not the fields' names
    pseudonym : that a column of patients must hold

    Raises
    ------
    InputError
        With field, and in a file with its name and line.
    MissingDataError
        No such file, or something that it needs is missing.
    """
    path = Path(what)
    if what in KINDS:
        record = _record(what, values_of(what, compared(what, given)))
        return Given(records=(record,), where=lambda _number, _message: "")
    if path.suffix.lower() == ".csv":
        return _table(path, dict(given), columns, pseudonym)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _collection(path, given)
    if path.suffix.lower() == ".json":
        return Given(records=(_dose(path, given),), where=lambda _number, _message: f"{path.name}: ")
    raise InputError(f"Expected one of {', '.join(KINDS)}, or a file .csv, .yaml or .json.")


def check_in_course(course: Course, given: Given, now: datetime) -> None:
    """Refuse the first record that cannot stand beside those of the course and those before it, with its place.

    Raises
    ------
    InputError
        What the course or the day refuses, after file and line.
    """
    error = _refusal(course, given.records, now)
    if error is None:
        return
    # of the first n records: fine below, refused from above on
    fine, refused = 0, len(given.records)
    while refused - fine > 1:
        middle = (fine + refused) // 2
        found = _refusal(course, given.records[:middle], now)
        if found is None:
            fine = middle
        else:
            refused, error = middle, found
    raise InputError(f"{given.where(refused - 1, str(error))}{error}")


def check_subjects(pseudonym: str, given: Given) -> None:
    """Refuse doses whose document is of another subject than the course, without naming either.

    Raises
    ------
    InputError
        After file and line.
    """
    for number, record in enumerate(given.records):
        if isinstance(record, DoseRecord) and record.document["subject"] != pseudonym:
            message = (
                "dose.subject: the doses are of another subject than the course; give those of its patient, or "
                "--other-subject if it is the same one under another name."
            )
            raise InputError(f"{given.where(number, message)}{message}")


def _refusal(course: Course, records: Sequence[Record], now: datetime) -> InputError | None:
    try:
        course.with_records(*records).check_not_after(now)
    except InputError as error:
        return error
    return None


def _record(kind: str, values: Any, where: str = "") -> Record:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lines:
    """Cells of a table with the number of each line; the heading's is the first that says something."""

    heads: tuple[str, ...]
    decimal_commas: bool
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def _lines(path: Path) -> _Lines:
    """Cells of a table, line by line: a quote that is left open ends with its line."""
    texts = [
        (number, text)
        for number, text in enumerate(re.split(r"\r\n|\n|\r", _text(path)), 1)
        if text.strip(" ,;\t") and not text.startswith("#")
    ]
    if len(texts) < 2:
        raise InputError(f"{path.name}: no rows.")
    separator = max(",;\t", key=texts[0][1].count)
    rows = [(number, _cells(path, number, text, separator)) for number, text in texts]
    return _Lines(heads=rows[0][1], decimal_commas=separator != ",", rows=tuple(rows[1:]))


def _require_all_cells(path: Path, lines: _Lines) -> None:
    for number, row in lines.rows:
        if len(row) != len(lines.heads):
            hint = "" if lines.decimal_commas else " A decimal comma needs semicolons between the columns."
            raise InputError(f"{path.name}, line {number}: {len(row)} cells, but {len(lines.heads)} columns.{hint}")


def _cells(path: Path, number: int, text: str, separator: str) -> tuple[str, ...]:
    if text.count('"') % 2:
        raise InputError(f"{path.name}, line {number}: a quotation mark is left open.")
    try:
        return tuple(cell.strip() for cell in next(csv.reader([text], delimiter=separator, skipinitialspace=True)))
    except csv.Error as error:
        raise InputError(f"{path.name}, line {number}: cannot be cut into cells ({error}).") from None


def _table(path: Path, given: dict[str, str], columns: Mapping[str, str], pseudonym: str) -> Given:
    kind = given.pop("kind", "lab")
    if kind not in KINDS:
        raise InputError(f"kind: expected one of {', '.join(KINDS)}.")
    lines = _lines(path)
    place = _places(path, kind, lines.heads, columns, given)
    _require_all_cells(path, lines)
    _one_patient(path, lines, pseudonym)
    numeric = {name for name, hint in annotations_of(CLASSES[kind]).items() if float in (hint, *get_args(hint))}
    records = []
    for number, row in lines.rows:
        where = f"{path.name}, line {number}: "
        cells = given | {name: row[i] for name, i in place.items() if row[i]}
        if lines.decimal_commas:
            cells = {name: _decimal_point(text) if name in numeric else text for name, text in cells.items()}
        records.append(_record(kind, values_of(kind, compared(kind, cells), where), where))
    taken = place.values()
    unused = [head for i, head in enumerate(lines.heads) if i not in taken and head.lower() not in _PATIENT_COLUMNS]
    return Given(
        records=tuple(records),
        where=lambda i, _message: f"{path.name}, line {lines.rows[i][0]}: ",
        remarks=(f"Columns of {path.name} not used: {', '.join(unused)}.",) if unused else (),
    )


def _decimal_point(text: str) -> str:
    return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text


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
    found = {name: heads.index(head) for name, head in named.items() if head in heads}
    missing = [name for name in required_of(CLASSES[kind]) if name not in found and name not in given]
    if missing:
        free = [head for head in heads if head and head not in named.values()]
        example = shlex.quote(f"{missing[0]}={free[0] if free else 'HEADER'}")
        raise InputError(
            f"{path.name}: no column for {', '.join(missing)}; the columns are {', '.join(heads)}. Name each that is "
            f"called otherwise, for example --column {example}."
        )
    return found


def _one_patient(path: Path, lines: _Lines, pseudonym: str) -> None:
    for i, head in enumerate(lines.heads):
        others = [number for number, row in lines.rows if row[i] not in ("", pseudonym)]
        if head.lower() in _PATIENT_COLUMNS and others:
            raise InputError(
                f"{path.name}, line {others[0]}: of another patient by the column {head} ({len(others)} of "
                f"{len(lines.rows)} rows); give the rows of one."
            )


def _collection(path: Path, given: Mapping[str, str]) -> Given:
    if given:
        raise InputError(f"{path.name}: holds all fields itself; expected no FIELD=VALUE words.")
    if not path.is_file():
        raise MissingDataError(f"{path.name}: cannot be read; there is no such file.")
    document = read_document(path, error=InputError)
    kinds = {name: kind for kind, (name, _) in KINDS.items()}
    if not isinstance(document.content, dict):
        raise document.refusal((), f"expected lists named {', '.join(kinds)}.")
    records: list[Record] = []
    places: list[tuple[str, int]] = []
    for name, items in document.content.items():
        if name not in kinds:
            raise document.refusal((name,), f"no such list; expected {', '.join(kinds)}.")
        if not isinstance(items, list):
            raise document.refusal((name,), "expected a list.")
        for i, item in enumerate(items):
            try:
                records.append(_record(kinds[name], item))
            except InputError as error:
                raise InputError(f"{_line(document, (name, i), str(error))}{error}") from None
            places.append((name, i))
    return Given(records=tuple(records), where=lambda i, message: _line(document, places[i], message))


def _line(document: Document, place: tuple[str, int], message: str) -> str:
    """File and line of the field that a message begins with; of the record where it does not hold it."""
    named = re.match(r"\w+\.(\w+)", message)
    field = (*place, named[1]) if named else place
    return f"{document.file}, line {document.lines.get(field, document.lines[place])}: "


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
