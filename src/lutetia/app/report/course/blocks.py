"""The parts that sections of a report on a course are made of, the same for PDF and HTML."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from lutetia.app.report.text import number
from lutetia.units import GBQ_PER_BQ

NOT_KNOWN: Final = "not known"
Block = dict[str, Any]
Cell = str | dict[str, str]

GRADE_COLOURS: Final = {1: "#E3B23C", 2: "#E07B26", 3: "#C0392B", 4: "#7B1E3A", 5: "#2B0A1A"}
"""Grades of toxicity from light to dark, so that they are told apart without colours too."""

GRADE_INK: Final = GRADE_COLOURS | {1: "#8A6500", 2: "#B35A0F"}
"""The same for words, dark enough to be read on white."""

TONES: Final = {
    "": "#1c2430", "soft": "#566070", "good": "#1b6e3c", "warn": "#a34700", "bad": "#a32020",
    **{f"grade{grade}": colour for grade, colour in GRADE_INK.items()},
}  # fmt: skip
"""Colour of a cell by what it says."""

STATES: Final = {"met": "good", "not_met": "bad", "unknown": "warn"}


@dataclass(kw_only=True, slots=True)
class Sources:
    """Numbers of the sources in the order in which the report names them.

    Attributes
    ----------
    known : source -> whether a document that states it was read
    """

    known: dict[str, bool] = field(default_factory=dict)

    def mark(self, source: str, verified: bool) -> str:
        """Number of a source, with a star where what it states was not compared with it."""
        if not source:
            return "–"
        self.known[source] = self.known.get(source, True) and verified
        return f"[{list(self.known).index(source) + 1}]{'' if verified else '*'}"


def cell(text: str, small: str = "", tone: str = "") -> Cell:
    """A cell with a second, smaller line, in a tone of ``TONES``."""
    return {"text": text, "small": small, "tone": tone}


def table(
    heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, widths: Sequence[float], right: Sequence[int] = ()
) -> Block:
    """A table.

    Parameters
    ----------
    heads : of the columns; a line break before the unit
    widths : share of the width of each column; 0 for as wide as its text
    right : columns of numbers
    """
    plain = [[one if isinstance(one, dict) else cell(one) for one in row] for row in rows]
    return {"kind": "table", "heads": list(heads), "rows": plain, "widths": list(widths), "right": list(right)}


def pairs(rows: Iterable[tuple[str, str]]) -> Block:
    """Names and values."""
    return {"kind": "pairs", "rows": [list(row) for row in rows]}


def note(text: str) -> Block:
    """A remark under a table."""
    return {"kind": "note", "text": text}


def box(title: str, items: Sequence[str], tone: str = "warn") -> Block:
    """A list that must be seen."""
    return {"kind": "box", "title": title, "items": list(items), "tone": tone}


def picture(name: str, caption: str) -> Block:
    """A figure by its name."""
    return {"kind": "picture", "name": name, "caption": caption}


def section(title: str, *blocks: Block | None) -> list[Block]:
    """A heading and its blocks; nothing where there are none, or only tables without rows."""
    kept = [one for one in blocks if one is not None and one.get("rows", [0]) and one.get("items", [0])]
    return [{"kind": "section", "title": title, "blocks": kept}] if kept else []


def day_text(when: date | str | None) -> str:
    """A day in ISO form."""
    if when is None:
        return NOT_KNOWN
    return (when if isinstance(when, str) else when.isoformat())[:10]


def clock_text(when: date) -> str:
    """A day, with its time where there is one."""
    if isinstance(when, datetime) and (when.hour or when.minute):
        return when.strftime("%Y-%m-%d %H:%M")
    return day_text(when)


def as_read(text: str) -> str:
    """Words of a rule or a unit as they are printed: moments as days, powers and micro as signs."""
    days = re.sub(r"(\d{4}-\d\d-\d\d)[ T]\d\d:\d\d:\d\d", r"\1", text)
    return days.replace("10^9", "10⁹").replace("10^3", "10³").replace("umol", "µmol").replace("m^2", "m²")


def gbq_text(activity_bq: float | None) -> str:
    """An activity to the MBq. [GBq]"""
    return NOT_KNOWN if activity_bq is None else f"{activity_bq * GBQ_PER_BQ:.3f}"


def gy_text(value: float | None) -> str:
    """A dose to three digits. [Gy]"""
    return NOT_KNOWN if value is None else number(value)


def of_items(names: Iterable[str]) -> str:
    """Names of items of the rules as words."""
    return ", ".join(name.replace("_", " ") for name in names)


def grade_cell(grade: int | None, at_least: int = 0, at_most: int = 0) -> Cell:
    """A grade in its colour; where it is not known, the grades it can be."""
    if grade is None:
        return cell(f"{at_least} to {at_most}" if at_most > at_least else NOT_KNOWN)
    return cell(str(grade), tone=f"grade{grade}" if grade else "")
