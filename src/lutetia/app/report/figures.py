"""The pictures of a report, each as PNG."""

import io
import math
from typing import Any, Final

import numpy as np

from lutetia.app.report.colours import colours_of
from lutetia.app.report.content import RegionResult, ReportContent
from lutetia.app.report.slices import fused_figure, projection_figure
from lutetia.units import H_PER_S, MBQ_PER_BQ

DPI: Final = 160
TEXT: Final = 8.5
MOST_CURVES: Final = 24


def all_figures(content: ReportContent) -> dict[str, bytes]:
    """Name -> PNG of every figure, in the order of the report."""
    import matplotlib
    from matplotlib import rc_context

    matplotlib.use("Agg")
    style: Any = {
        "font.size": TEXT, "axes.titlesize": TEXT + 0.5, "axes.labelsize": TEXT, "legend.fontsize": TEXT - 1,
        "axes.spines.top": False, "axes.spines.right": False, "figure.constrained_layout.use": True,
    }  # fmt: skip
    with rc_context(style):
        return {
            "fused": _png(fused_figure(content)),
            "projections": _png(projection_figure(content)),
            "doses": _png(_dose_figure(content)),
            "curves": _png(_curve_figure(content)),
            "histograms": _png(_histogram_figure(content)),
            "budget": _png(_budget_figure(content)),
        }


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _shown(content: ReportContent) -> list[RegionResult]:
    return list(content.results[:MOST_CURVES])


def _curve_figure(content: ReportContent) -> Any:
    """Small multiples: points with k=1 bars, fit with its band, dashed where extrapolated."""
    results, colours = _shown(content), colours_of(content)
    columns = min(3, len(results))
    rows = math.ceil(len(results) / columns)
    figure = _figure(7.2, 1.75 * rows + 0.3)
    for number, result in enumerate(results):
        axis = figure.add_subplot(rows, columns, number + 1)
        _curve(axis, result, colours[result.region])
        if number % columns == 0:
            axis.set_ylabel("activity / MBq")
        if number >= len(results) - columns:
            axis.set_xlabel("time after administration / h")
    return figure


def _curve(axis: Any, result: RegionResult, colour: str) -> None:
    curve, fit = result.curve, result.fit
    last = float(curve.time_s[-1])
    end = last * (1.45 if curve.time_s.size > 1 else 3.0)
    time_s = np.linspace(0, end, 300)
    hours, model = time_s * H_PER_S, fit.activity_at(time_s) * MBQ_PER_BQ
    inside = time_s <= last
    axis.plot(hours[inside], model[inside], color=colour, lw=1.4)
    axis.plot(hours[~inside], model[~inside], color=colour, lw=1.2, ls="--")
    if fit.band_at is not None:
        band = fit.band_at(time_s) * MBQ_PER_BQ
        axis.fill_between(hours, np.maximum(model - band, 0), model + band, color=colour, alpha=0.22, lw=0)
    u = None if curve.standard_uncertainty_bq is None else curve.standard_uncertainty_bq * MBQ_PER_BQ
    axis.errorbar(
        curve.time_s * H_PER_S,
        curve.activity_bq * MBQ_PER_BQ,
        yerr=u,
        fmt="o",
        ms=3.4,
        color="black",
        lw=1,
        capsize=2,
    )
    top = 1.25 * max(float(curve.activity_bq.max()) * MBQ_PER_BQ, 1e-12)
    axis.set_ylim(0, max(top, min(float(model.max()) * 1.05, 2.5 * top)))
    axis.set_xlim(0, end * H_PER_S)
    half_life = "" if fit.effective_half_life_s is None else f", T½ {fit.effective_half_life_s * H_PER_S:.0f} h"
    axis.set_title(f"{result.region}{half_life}", loc="left")


def _histogram_figure(content: ReportContent) -> Any:
    """Cumulative dose-volume histograms, legend beside the axes."""
    figure, colours = _figure(7.2, 3.2), colours_of(content)
    axis = figure.add_subplot()
    drawn = [r for r in _shown(content) if r.kind != "remainder" and r.dose.dvh_dose_gy.size]
    for result in drawn:
        axis.plot(
            result.dose.dvh_dose_gy,
            100 * result.dose.dvh_volume_fraction,
            color=colours[result.region],
            ls="--" if result.kind == "lesion" else "-",
            lw=1.5,
            label=result.region,
        )
    axis.set(xlabel="absorbed dose / Gy", ylabel="volume / %", ylim=(0, 102))
    axis.set_xlim(left=0)
    axis.grid(alpha=0.25)
    if drawn:
        axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=1 + len(drawn) // 14)
    else:
        axis.text(0.5, 0.5, "no region fills a whole voxel", ha="center", transform=axis.transAxes)
    return figure


def _dose_figure(content: ReportContent) -> Any:
    """Dose per administered activity with k=2 bars, published range behind, truth where known."""
    results = [r for r in _shown(content) if r.kind != "remainder"] or _shown(content)
    figure, colours = _figure(7.2, 0.34 * len(results) + 1.1), colours_of(content)
    axis = figure.add_subplot()
    gbq = content.administered_gbq
    for y, result in enumerate(results):
        published = content.range_of(result)
        if published is not None:
            low, high = published.low_gy_per_gbq, published.high_gy_per_gbq
            axis.barh(y, high - low, left=low, height=0.72, color="#DDDDDD", lw=0, zorder=1)
        value, u = result.dose.mean_gy / gbq, result.dose.standard_uncertainty_gy
        bar = None if u is None else 2 * u / gbq
        axis.errorbar(value, y, xerr=bar, fmt="o", ms=5, color=colours[result.region], capsize=3, lw=1.6, zorder=3)
        truth = (content.truth_gy or {}).get(result.region)
        if truth is not None:
            axis.plot(truth / gbq, y, marker="D", ms=5, mfc="white", mec="black", zorder=4, ls="none")
    axis.set_yticks(range(len(results)), [r.region for r in results])
    axis.set_ylim(len(results) - 0.4, -0.6)
    axis.set_xscale("log")
    axis.set_xlabel("absorbed dose per administered activity / (Gy/GBq); bars k=2, grey: published range")
    axis.xaxis.set_major_formatter(_plain())
    axis.grid(axis="x", which="both", alpha=0.25)
    if content.truth_gy:
        axis.plot([], [], marker="D", mfc="white", mec="black", ls="none", label="truth")
        axis.legend(loc="lower left", frameon=True)
    return figure


def _plain() -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _position: f"{value:g}")


def _budget_figure(content: ReportContent) -> Any:
    """Stacked bars: each component's share of the variance, scaled to the total relative uncertainty."""
    results = [r for r in _shown(content) if r.dose.budget]
    figure = _figure(7.2, 0.34 * max(len(results), 1) + 1.3)
    axis = figure.add_subplot()
    names = list(dict.fromkeys(c.name for r in results for c in r.dose.budget))
    palette = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"]
    left = np.zeros(len(results))
    for name, colour in zip(names, palette * 2, strict=False):
        width = np.array([_share(result, name) for result in results])
        axis.barh(range(len(results)), width, left=left, color=colour, label=name, height=0.7)
        left += width
    axis.set_yticks(range(len(results)), [r.region for r in results])
    axis.set_ylim(len(results) - 0.4, -0.6)
    axis.set_xlabel("relative standard uncertainty of the absorbed dose / % (lengths: shares of the variance)")
    if names:
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure


def _share(result: RegionResult, name: str) -> float:
    variance = sum(c.relative**2 for c in result.dose.budget)
    own = sum(c.relative**2 for c in result.dose.budget if c.name == name)
    return 100 * math.sqrt(variance) * own / variance if variance > 0 else 0.0
