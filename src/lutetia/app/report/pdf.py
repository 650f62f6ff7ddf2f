"""The report as PDF/A, set by typst without any network."""

import json
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from lutetia.app.report.content import ReportContent
from lutetia.app.report.text import report_text

HASH_CHARACTERS: Final = 16
"""A full SHA-256 is in provenance.json; on paper its beginning is enough to compare."""

WIDTHS: Final = {"fused": 76, "doses": 78, "histograms": 80, "budget": 80}
"""Width of figures on the page in per cent, so that two fit on one."""


def write_pdf(content: ReportContent, figures: Mapping[str, bytes], path: Path) -> None:
    """Write report.pdf."""
    import typst

    text = report_text(content)
    text["figures"], text["widths"] = list(figures), {name: WIDTHS.get(name, 100) for name in figures}
    text["provenance"] = [[key, _shortened(key, value)] for key, value in text["provenance"]]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, data in figures.items():
            (root / f"{name}.png").write_bytes(data)
        (root / "report.json").write_text(json.dumps(text), "utf-8")
        template = files("lutetia.app.report") / "templates" / "report.typ"
        (root / "report.typ").write_text(template.read_text("utf-8"), "utf-8")
        typst.compile(str(root / "report.typ"), output=str(path), root=str(root), pdf_standards=["a-2b"])


def _shortened(key: str, value: str) -> str:
    if "sha256" not in key:
        return value
    return ", ".join(part.strip()[:HASH_CHARACTERS] + "…" for part in value.split(","))
