"""The pictures of a report, each as PNG; here those with axes, in slices.py those of the patient."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from lutetia.app.report.colours import COMPONENTS, colours_of, line_styles_of
from lutetia.app.report.content import RegionResult, ReportContent
from lutetia.app.report.curves import curves_figure
from lutetia.app.report.slices import fused_figure, mip_figure, round_below, shortened
from lutetia.app.report.style import MOST, STYLE, encoded, figure_of_height, say_how_many
from lutetia.dose.uncertainty import combined, in_order

BAND: Final = "#DADADA"

SMALL: Final = 0.03
"""Share of the variance below which a part of a budget has no colour of its own."""
SMALLER: Final = "smaller ones"


def all_figures(content: ReportContent) -> dict[str, bytes]:
    """Name -> PNG of every figure, in the order of the report.

    "fused" (slices), "mip" (projections of the scans), "doses", "curves", "dvh" (dose-volume histograms) and
    "budget" (of the uncertainty). All are as wide as the text on A4; none draws on the screen.
    """
    from matplotlib import rc_context

    drawings = {
        "fused": fused_figure,
        "mip": mip_figure,
        "doses": _dose_figure,
        "curves": _curve_figure,
        "dvh": _dvh_figure,
        "budget": _budget_figure,
    }
    with rc_context(STYLE):
        return {name: encoded(draw(content)) for name, draw in drawings.items()}


def _nothing(figure: Any, text: str) -> Any:
    axis = figure.add_subplot()
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center", color="#555555", transform=axis.transAxes)
    return figure


def _curve_figure(content: ReportContent) -> Any:
    return curves_figure([(result.curve, result.fit) for result in content.results])


def _dvh_figure(content: ReportContent) -> Any:
    """Cumulative dose-volume histograms, legend beside the axes."""
    drawn = [r for r in content.results if r.kind in ("organ", "lesion") and r.dose.dvh_dose_gy.size]
    figure = figure_of_height(max(3.3, 0.165 * min(len(drawn), MOST) + 0.3))
    if not drawn:
        return _nothing(figure, "no dose-volume histogram: no region fills a whole voxel")
    say_how_many(figure, len(drawn))
    drawn = drawn[:MOST]
    colours, styles = colours_of(content), line_styles_of(content)
    axis = figure.add_subplot()
    for result in drawn:
        axis.plot(
            result.dose.dvh_dose_gy, 100 * result.dose.dvh_volume_fraction,
            color=colours[result.region], ls=styles[result.region], lw=1.6, label=shortened(result.region),
        )  # fmt: skip
    largest = max(_nearly_all(r) for r in drawn)
    axis.set(xlabel="absorbed dose / Gy", ylabel="volume that gets at least this dose / %", ylim=(0, 102))
    # organs of a few Gy must stay apart beside lesions of a hundred
    if largest > 12 * float(np.median([r.dose.mean_gy for r in drawn])) > 0:
        axis.set_xscale("function", functions=(np.sqrt, np.square))
        ticks = sorted({round_below(largest * share) for share in (0, 0.01, 0.04, 0.16, 0.36, 0.64, 1)})
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_xlabel("absorbed dose / Gy (axis by square root)")
    axis.set_xlim(0, largest)
    axis.grid(alpha=0.25)
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, handlelength=2.4, labelspacing=0.3)
    return figure


def _nearly_all(result: RegionResult) -> float:
    """Dose above which less than one in two hundred of the volume lies. [Gy]"""
    above = result.dose.dvh_dose_gy[result.dose.dvh_volume_fraction > 0.005]
    return max(float(above.max(initial=0.0)), 1e-6)


def _dose_figure(content: ReportContent) -> Any:
    """Dose per administered activity with 95 % bars, published range behind, truth where known."""
    chosen = [r for r in content.results if r.kind != "remainder"] or list(content.results)
    figure = figure_of_height(0.29 * min(len(chosen), MOST) + 1.25)
    say_how_many(figure, len(chosen))
    results = chosen[:MOST]
    colours = colours_of(content)
    axis = figure.add_subplot()
    for y, result in enumerate(results):
        _dose_row(axis, y, content, result, colours[result.region])
    axis.set_yticks(range(len(results)), [shortened(r.region) for r in results])
    axis.set_ylim(len(results) - 0.4, -0.6)
    _logarithmic(axis)
    axis.set_xlabel("absorbed dose per administered activity / (Gy/GBq)")
    _dose_legend(figure, content, results)
    return figure


def _dose_row(axis: Any, y: int, content: ReportContent, result: RegionResult, colour: str) -> None:
    gbq = content.administered_gbq
    published = content.range_of(result)
    if published is not None:
        low, high = published.low_gy_per_gbq, published.high_gy_per_gbq
        axis.barh(y, high - low, left=low, height=0.76, color=BAND, lw=0, zorder=1)
    value, ends = result.dose.mean_gy / gbq, result.dose.interval_95_gy
    if value > 0:
        # on a logarithmic axis a bar down to zero has no end
        bar = None
        if ends is not None and math.isfinite(ends[1]):
            bar = [[min(value - ends[0] / gbq, 0.98 * value)], [ends[1] / gbq - value]]
        axis.errorbar(value, y, xerr=bar, fmt="o", ms=5, color=colour, capsize=3, lw=1.6, zorder=3)
    truth = (content.truth_gy or {}).get(result.region)
    if truth is not None and truth > 0:
        axis.plot(truth / gbq, y, marker="D", ms=4.2, mfc="none", mec="black", zorder=4, ls="none")


def _logarithmic(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(low * 0.9, high * 1.1)
    subs = (1, 1.5, 2, 3, 4, 5, 7) if high / low < 12 else (1, 2, 5) if high / low < 3000 else (1,)
    axis.xaxis.set_major_locator(LogLocator(subs=subs))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(axis="x", which="major", alpha=0.3)


def _dose_legend(figure: Any, content: ReportContent, results: Sequence[RegionResult]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    known = any(r.dose.standard_uncertainty_gy is not None for r in results)
    label = "result with 95 % interval" if known else "result, uncertainty unknown"
    handles: list[Any] = [Line2D([], [], marker="o", color="#444444", lw=1.6 if known else 0, label=label)]
    if any(content.range_of(r) is not None for r in results):
        handles.append(Patch(color=BAND, label="published range"))
    if content.truth_gy:
        handles.append(Line2D([], [], marker="D", ms=4.2, mfc="none", mec="black", ls="none", label="truth"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)


def _budget_figure(content: ReportContent) -> Any:
    """Stacked bars: each component's share of the variance, scaled to the total relative uncertainty.

    Components that are small in every region are drawn as one; the table has them all.
    """
    chosen = [r for r in content.results if r.dose.budget]
    names = in_order(c.name for r in chosen for c in r.dose.budget)
    large = [name for name in names if any(_share_percent(r, name) > SMALL * _relative_percent(r) for r in chosen)]
    groups: list[tuple[str, Sequence[str]]] = [(name, (name,)) for name in large]
    if len(large) < len(names):
        groups.append((SMALLER, [name for name in names if name not in large]))
    figure = figure_of_height(0.27 * min(len(chosen), MOST) + 1.0 + 0.18 * math.ceil(len(groups) / 3))
    if not chosen:
        return _nothing(figure, "the uncertainty is unknown: no budget")
    say_how_many(figure, len(chosen))
    results = chosen[:MOST]
    axis = figure.add_subplot()
    left = np.zeros(len(results))
    for turn, (name, parts) in enumerate(groups):
        width = np.array([sum(_share_percent(result, part) for part in parts) for result in results])
        axis.barh(
            range(len(results)), width, left=left, label=name, height=0.7, edgecolor="white", lw=0.6,
            **_filling(name, turn),
        )  # fmt: skip
        left += width
    for y, total in enumerate(left):
        axis.text(total, y, f" {total:.2g} %", va="center", fontsize=7.5)
    axis.set_yticks(range(len(results)), [shortened(r.region) for r in results])
    axis.set(ylim=(len(results) - 0.4, -0.6), xlim=(0, 1.1 * max(float(left.max()), 1e-3)))
    axis.set_xlabel("relative standard uncertainty of the absorbed dose / %; areas are shares of the variance")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure


def _filling(name: str, turn: int) -> dict[str, Any]:
    """Colour and hatch of a part of the budget; each pair once in 24."""
    if name == SMALLER:
        return {"color": BAND}
    hatch = (None, "///", "...")[turn // len(COMPONENTS) % 3]
    return {"color": COMPONENTS[turn % len(COMPONENTS)], "hatch": hatch}


def _relative_percent(result: RegionResult) -> float:
    """Relative standard uncertainty of the absorbed dose. [%]"""
    return 100 * combined(result.dose.budget)


def _share_percent(result: RegionResult, name: str) -> float:
    """A component's share of the variance, times the relative standard uncertainty. [%]"""
    variance = sum(c.relative**2 for c in result.dose.budget)
    own = sum(c.relative**2 for c in result.dose.budget if c.name == name)
    return 100 * math.sqrt(variance) * own / variance if variance > 0 and math.isfinite(variance) else 0.0
