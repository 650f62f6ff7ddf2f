"""Pictures of time-activity curves."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lutetia.app.report.colours import colours_of_names
from lutetia.app.report.slices import shortened
from lutetia.app.report.style import MOST, TEXT, figure_of_height, say_how_many
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.units import H_PER_S, MBQ_PER_BQ


def curves_figure(fitted: Sequence[tuple[TimeActivityCurve, CurveFit]]) -> Any:
    """Small multiples: points with k=1 bars, fit with its band, dashed where extrapolated."""
    colours = colours_of_names([curve.region for curve, _ in fitted])
    number = min(len(fitted), MOST)
    columns = max(1, min(number, 3 if number <= 12 else 4 if number <= 24 else 5))
    rows = math.ceil(number / columns)
    # one or two curves may be larger than a whole page of them
    figure = figure_of_height(max(1.9, min(1.75 if rows > 1 else 2.6, 9.6 / rows) * rows + 0.45))
    say_how_many(figure, len(fitted))
    for place, (curve, fit) in enumerate(fitted[:MOST]):
        axis = figure.add_subplot(rows, columns, place + 1)
        _curve(axis, curve, fit, colours[curve.region], small=columns > 3)
    figure.supylabel("activity / MBq", fontsize=TEXT)
    figure.supxlabel("time after administration / h", fontsize=TEXT)
    return figure


def _curve(axis: Any, curve: TimeActivityCurve, fit: CurveFit, colour: str, *, small: bool) -> None:
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
    axis.set_title(_title(curve.region, fit, small=small), loc="left", fontsize=6.5 if small else TEXT)


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


def _title(region: str, fit: CurveFit, *, small: bool) -> str:
    if fit.effective_half_life_s is None or not math.isfinite(fit.effective_half_life_s):
        return shortened(region, 22 if small else 32)
    half_life = f"T½ {fit.effective_half_life_s * H_PER_S:.3g} h"
    return f"{shortened(region, 22)}\n{half_life}" if small else f"{shortened(region, 22)}, {half_life}"
