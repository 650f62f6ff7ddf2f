"""One colour per region in every picture, told apart by colour-blind eyes."""

from collections.abc import Sequence
from typing import Final

from lutetia.app.report.content import ReportContent

FIXED: Final = {
    "kidney left": "#0072B2",
    "kidney right": "#56B4E9",
    "liver": "#D55E00",
    "spleen": "#009E73",
    "red marrow": "#CC79A7",
    "remainder": "#8A8A8A",
}
"""Okabe and Ito's palette for the organs that every report has."""

OTHERS: Final = (
    "#E69F00", "#882255", "#332288", "#44AA99", "#AA4499", "#999933", "#661100", "#6699CC", "#117733", "#B8A000",
)  # fmt: skip
"""Okabe and Ito's and Paul Tol's remaining colours, in turn."""

COMPONENTS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
"""Okabe and Ito's palette for the parts of an uncertainty budget."""

DASHES: Final = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
"""Line styles, one per turn through OTHERS, so that no two of forty further regions look the same."""

LineStyle = str | tuple[int, tuple[float, ...]]


def colours_of(content: ReportContent) -> dict[str, str]:
    """Region -> colour, in the order of the results."""
    return colours_of_names([result.region for result in content.results])


def colours_of_names(names: Sequence[str]) -> dict[str, str]:
    """Region -> colour, in the order of the names."""
    turns = _turns(names)
    return {name: FIXED.get(name) or OTHERS[turns[name] % len(OTHERS)] for name in names}


def line_styles_of(content: ReportContent) -> dict[str, LineStyle]:
    """Region -> line style of matplotlib; colour and style together belong to one region."""
    names = [result.region for result in content.results]
    turns = _turns(names)
    return {name: DASHES[turns.get(name, 0) // len(OTHERS) % len(DASHES)] for name in names}


def _turns(names: Sequence[str]) -> dict[str, int]:
    """Place of each region without a fixed colour among its like."""
    return {name: place for place, name in enumerate(name for name in names if name not in FIXED)}


def is_dark(colour: str) -> bool:
    """Whether a colour (#RRGGBB) needs a light rim on a dark picture (relative luminance of Rec. 709)."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luminance: float = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return luminance < 0.12
