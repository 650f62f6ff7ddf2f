"""Tables as people save them: commas, or semicolons with decimal commas, remarks and empty lines."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lutetia.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvLines:
    """A table whose heading was read.

    Attributes
    ----------
    heading : names of the columns
    decimal_commas : whether semicolons separate the columns, so that numbers may have decimal commas
    rows : number of the line in the file (the heading's is 1) and fields by column, read while they are asked for
    """

    heading: tuple[str, ...]
    decimal_commas: bool
    rows: Iterator[tuple[int, dict[str, str]]]


def read_csv_lines(path: Path, *, needed: Sequence[str], renamed: Callable[[str], str]) -> CsvLines:
    """A CSV file with a heading, line by line, so that a quote left open ends with its line.

    Parameters
    ----------
    path : the file; empty lines and those that begin with # are skipped
    needed : columns to name where the file is empty
    renamed : heading in the file -> name of the column

    Raises
    ------
    InputError
        A file that cannot be read or is empty; while rows are read, one with another number of fields.
    """
    lines = list(_lines(path))
    if not lines:
        raise InputError(f"{path.name}: the file is empty; expected the columns {', '.join(needed)}.")
    separator = ";" if ";" in lines[0][1] else ","
    heading = tuple(renamed(name) for name in _fields(lines[0][1], separator))
    return CsvLines(
        heading=heading, decimal_commas=separator == ";", rows=_rows(path, lines[1:], heading, separator)
    )


def require_columns(path: Path, heading: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> None:
    """Raise InputError where a needed column is missing, or a known one is there twice."""
    missing = [name for name in needed if name not in heading]
    if missing:
        raise InputError(
            f"{path.name}: no column {', '.join(missing)} in the heading {', '.join(heading)!r}; expected "
            f"{', '.join(needed)}" + (f" and, if known, {', '.join(optional)}." if optional else ".")
        )
    twice = [name for name in (*needed, *optional) if heading.count(name) > 1]
    if twice:
        raise InputError(
            f"{path.name}: the column {twice[0]} is there {heading.count(twice[0])} times; once expected."
        )


def _rows(
    path: Path, lines: Sequence[tuple[int, str]], heading: Sequence[str], separator: str
) -> Iterator[tuple[int, dict[str, str]]]:
    for number, text in lines:
        fields = _fields(text, separator)
        if len(fields) != len(heading):
            raise InputError(
                f"{path.name}, line {number}: {len(fields)} fields, the heading has {len(heading)}."
                + (" A decimal comma needs semicolons between the columns." if separator == "," else "")
            )
        yield number, dict(zip(heading, fields, strict=True))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path.name}: no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise InputError(f"{path.name}: cannot be read: {reason}.") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip(" ,;\t") and not line.startswith("#"):
            yield number, line


def _fields(line: str, separator: str) -> list[str]:
    return [field.strip() for field in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]
