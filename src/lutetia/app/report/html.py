"""The report as one HTML file that needs nothing else."""

import base64
from collections.abc import Mapping
from pathlib import Path

from lutetia.app.report.content import ReportContent
from lutetia.app.report.text import report_text


def write_html(content: ReportContent, figures: Mapping[str, bytes], path: Path) -> None:
    """Write report.html with its pictures and style inside.

    Parameters
    ----------
    content : the report
    figures : name -> PNG, as from ``figures.all_figures``; those that are missing are left out
    path : file to write
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lutetia.app.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = {name: base64.b64encode(data).decode() for name, data in figures.items()}
    page = environment.get_template("report.html").render(figures=pictures, **report_text(content))
    path.write_text(page.lstrip(), "utf-8")
