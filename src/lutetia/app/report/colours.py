"""One colour per region in every picture, told apart by colour-blind eyes."""

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


def colours_of(content: ReportContent) -> dict[str, str]:
    """Region -> colour, in the order of the results."""
    colours = {}
    turn = 0
    for result in content.results:
        if result.region in FIXED:
            colours[result.region] = FIXED[result.region]
        else:
            colours[result.region] = OTHERS[turn % len(OTHERS)]
            turn += 1
    return colours
