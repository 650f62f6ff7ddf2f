"""The report as PDF/A-2b on A4, set by typst without any network."""

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from lutetia.app.report.content import ReportContent
from lutetia.app.report.text import report_text

HASH_CHARACTERS: Final = 16
"""A full SHA-256 is in provenance.json; on paper its beginning is enough to compare."""

WIDTHS_MM: Final = {"fused": 150.0, "doses": 150.0, "mip": 165.0, "dvh": 150.0, "budget": 150.0}
TEXT_WIDTH_MM: Final = 178.0
HIGHEST_MM: Final = 232.0
"""Tallest figure that leaves room for a heading and its caption on a page of A4."""


def write_pdf(content: ReportContent, figures: Mapping[str, bytes], path: Path) -> None:
    """Write report.pdf.

    Parameters
    ----------
    content : the report
    figures : name -> PNG, as from ``figures.all_figures``; those that are missing are left out
    path : file to write
    """
    text = report_text(content)
    text["widths_mm"] = {name: width_mm(name, data) for name, data in figures.items()}
    text["provenance"] = [[key, _shortened(key, value)] for key, value in text["provenance"]]
    text["made"] = _made(content)
    path.write_bytes(typeset("report.typ", text, figures))


def typeset(
    template: str, text: Mapping[str, Any], figures: Mapping[str, bytes], *, package: str = "lutetia.app.report"
) -> bytes:
    """A PDF from a template of a package, which finds ``look.typ``, the text as report.json and the figures beside it."""
    import typst

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, data in figures.items():
            (root / f"{name}.png").write_bytes(data)
        (root / "report.json").write_text(json.dumps(text), "utf-8")
        for source, name in (("lutetia.app.report", "look.typ"), (package, template)):
            (root / name).write_text((files(source) / "templates" / name).read_text("utf-8"), "utf-8")
        made: bytes = typst.compile(str(root / template), root=str(root), format="pdf", pdf_standards=["a-2b"])
        return made


def _made(content: ReportContent) -> dict[str, int] | None:
    """When the run began, as the date of the document, so that the same content gives the same bytes."""
    try:
        at = datetime.fromisoformat(str(content.provenance["started"]))
    except (KeyError, ValueError):
        return None
    parts = ("year", "month", "day", "hour", "minute", "second")
    return {part: getattr(at, part) for part in parts}


def width_mm(name: str, png: bytes) -> float:
    """Width on the page; the header of a PNG has its width and height in bytes 16 to 24."""
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    return min(WIDTHS_MM.get(name, TEXT_WIDTH_MM), HIGHEST_MM * width / height)


def _shortened(key: str, value: str) -> str:
    if "sha256" not in key:
        return value
    return ", ".join(part.strip()[:HASH_CHARACTERS] + "…" for part in value.split(","))
