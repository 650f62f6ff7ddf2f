"""How all pictures with axes look, and how they become files."""

import io
from typing import Any, Final

from lutetia.app.report.slices import WIDTH

DPI: Final = 180
TEXT: Final = 8.5

STYLE: Final[Any] = {
    "font.family": "DejaVu Sans", "font.size": TEXT, "axes.titlesize": TEXT, "axes.labelsize": TEXT,
    "legend.fontsize": TEXT - 1, "xtick.labelsize": TEXT - 0.5, "ytick.labelsize": TEXT - 0.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7, "xtick.major.width": 0.7,
    "ytick.major.width": 0.7, "axes.axisbelow": True,
}  # fmt: skip

MOST: Final = 40
"""Regions in one figure; what is left out is named in it and is in the tables."""


def figure_of_height(height: float) -> Any:
    """An empty figure as wide as the text on A4. [inch]"""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def say_how_many(figure: Any, number: int) -> None:
    """Head a figure that has no room for all regions."""
    if number > MOST:
        figure.suptitle(f"the first {MOST} of {number} regions; all are in the tables", fontsize=8)


_DATES: Final = {"png": "Software", "pdf": "CreationDate", "svg": "Date"}
"""What would make the bytes of a file depend on when or by what it was written."""


def encoded(figure: Any, form: str = "png") -> bytes:
    """A figure as a file: png, pdf or svg."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=DPI, metadata={_DATES[form]: None})
    return buffer.getvalue()
