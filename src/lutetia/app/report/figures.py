"""The pictures of a report, each as PNG; here those with axes, in slices.py those of the patient."""

import io
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.report.colours import COMPONENTS, colours_of, line_styles_of
from lutetia.app.report.content import RegionResult, ReportContent
from lutetia.app.report.slices import WIDTH, fused_figure, mip_figure, round_below, shortened
from lutetia.dose.uncertainty import combined, in_order
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.units import H_PER_S, MBQ_PER_BQ

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
        return {name: _png(draw(content)) for name, draw in drawings.items()}


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _figure(height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def _shown(figure: Any, results: Sequence[RegionResult]) -> list[RegionResult]:
    if len(results) > MOST:
        figure.suptitle(f"the first {MOST} of {len(results)} regions; all are in the tables", fontsize=8)
    return list(results[:MOST])


def _nothing(figure: Any, text: str) -> Any:
    axis = figure.add_subplot()
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center", color="#555555", transform=axis.transAxes)
    return figure


def _curve_figure(content: ReportContent) -> Any:
    """Small multiples: points with k=1 bars, fit with its band, dashed where extrapolated."""
    colours = colours_of(content)
    number = min(len(content.results), MOST)
    columns = max(1, min(number, 3 if number <= 12 else 4 if number <= 24 else 5))
    rows = math.ceil(number / columns)
    figure = _figure(max(1.9, min(1.75, 9.6 / rows) * rows + 0.45))
    for place, result in enumerate(_shown(figure, content.results)):
        axis = figure.add_subplot(rows, columns, place + 1)
        _curve(axis, result, colours[result.region], small=columns > 3)
    figure.supylabel("activity / MBq", fontsize=TEXT)
    figure.supxlabel("time after administration / h", fontsize=TEXT)
    return figure


def _curve(axis: Any, result: RegionResult, colour: str, *, small: bool) -> None:
    curve, fit = result.curve, result.fit
    last = float(curve.time_s[-1])
    time_s = np.linspace(0, last * (1.45 if curve.time_s.size > 1 else 3.0), 300)
    hours, model = time_s * H_PER_S, np.asarray(fit.activity_at(time_s), dtype=float) * MBQ_PER_BQ
    inside = time_s <= last
    axis.plot(hours[inside], model[inside], color=colour, lw=1.4)
    axis.plot(hours[~inside], model[~inside], color=colour, lw=1.2, ls=(0, (3, 1.5)))
    high = np.zeros(1)
    if fit.band_at is not None:
        band = np.nan_to_num(np.asarray(fit.band_at(time_s), dtype=float)) * MBQ_PER_BQ
        high = (model + band)[inside]
        axis.fill_between(hours, np.maximum(model - band, 0), model + band, color=colour, alpha=0.22, lw=0)
    peak = float(_points(axis, curve).max())
    # a fit that shoots up before the first scan must not flatten the points
    top = min(max(peak, float(model.max(initial=0)), float(high.max())), 2.5 * peak) if peak > 0 else 1.0
    axis.set(ylim=(0, 1.06 * top), xlim=(0, hours[-1]))
    axis.locator_params(axis="y", nbins=4)
    axis.locator_params(axis="x", nbins=3 if small else 5)
    axis.set_title(_curve_title(result.region, fit, small=small), loc="left", fontsize=6.5 if small else TEXT)


def _points(axis: Any, curve: TimeActivityCurve) -> NDArray[np.float64]:
    """Draw the measurements; returns their upper ends. [MBq]"""
    u = np.zeros(curve.time_s.size)
    if curve.standard_uncertainty_bq is not None:
        u = curve.standard_uncertainty_bq * MBQ_PER_BQ
    activity = curve.activity_bq * MBQ_PER_BQ
    axis.errorbar(
        curve.time_s * H_PER_S, activity, yerr=u if u.any() else None, fmt="o", ms=3.2, color="black", lw=0.9,
        capsize=2, clip_on=False, zorder=4,
    )  # fmt: skip
    upper: NDArray[np.float64] = activity + u
    return upper


def _curve_title(region: str, fit: CurveFit, *, small: bool) -> str:
    if fit.effective_half_life_s is None or not math.isfinite(fit.effective_half_life_s):
        return shortened(region, 22 if small else 32)
    half_life = f"T½ {fit.effective_half_life_s * H_PER_S:.3g} h"
    return f"{shortened(region, 22)}\n{half_life}" if small else f"{shortened(region, 22)}, {half_life}"


def _dvh_figure(content: ReportContent) -> Any:
    """Cumulative dose-volume histograms, legend beside the axes."""
    drawn = [r for r in content.results if r.kind in ("organ", "lesion") and r.dose.dvh_dose_gy.size]
    figure = _figure(max(3.3, 0.165 * min(len(drawn), MOST) + 0.3))
    if not drawn:
        return _nothing(figure, "no dose-volume histogram: no region fills a whole voxel")
    drawn = _shown(figure, drawn)
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
    """Dose per administered activity with k=2 bars, published range behind, truth where known."""
    chosen = [r for r in content.results if r.kind != "remainder"] or list(content.results)
    figure = _figure(0.29 * min(len(chosen), MOST) + 1.25)
    results = _shown(figure, chosen)
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
    value, u = result.dose.mean_gy / gbq, result.dose.standard_uncertainty_gy
    if value > 0:
        # on a logarithmic axis a bar down to zero has no end
        bar = None if u is None else [[min(2 * u / gbq, 0.98 * value)], [2 * u / gbq]]
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
    label = "result with k=2 interval" if known else "result, uncertainty unknown"
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
    figure = _figure(0.27 * min(len(chosen), MOST) + 1.0 + 0.18 * math.ceil(len(groups) / 3))
    if not chosen:
        return _nothing(figure, "the uncertainty is unknown: no budget")
    results = _shown(figure, chosen)
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
