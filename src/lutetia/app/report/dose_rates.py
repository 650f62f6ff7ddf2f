"""Picture of a patient's dose rate over the days after an administration, with the limits in use."""

from typing import Any

import numpy as np

from lutetia.app.report.discharge import Sheet
from lutetia.app.report.style import TEXT, figure_of_height
from lutetia.therapy.protection.uncertainty import dose_rate_band
from lutetia.units import DAY_PER_S, S_PER_DAY, S_PER_H, SV_PER_S_PER_USV_PER_H, USV_PER_H_PER_SV_PER_S

COLOUR = "#0072B2"
LIMITS = ("#D55E00", "#CC79A7", "#E69F00")
LEAST_DAYS = 7.0
MOST_DAYS = 42.0


def dose_rate_figure(sheet: Sheet) -> Any:
    """Dose rate at 1 m with its 95 % band, the limits of dose rate as lines, and the discharge."""
    rate = sheet.dose_rate
    floor = 0.5 * SV_PER_S_PER_USV_PER_H
    days = min(max(LEAST_DAYS, rate.below_at(floor) * DAY_PER_S), MOST_DAYS)
    # dense where the first hours fall fast
    time_s = np.unique(np.concatenate([np.linspace(0, S_PER_DAY, 97), np.linspace(0, days * S_PER_DAY, 300)]))
    figure = figure_of_height(3.0)
    axis = figure.add_subplot(1, 1, 1)
    band = dose_rate_band(rate, time_s, draws=sheet.draws, seed=sheet.seed)
    if band is not None:
        low, high = (b * USV_PER_H_PER_SV_PER_S for b in band)
        axis.fill_between(time_s * DAY_PER_S, low, high, color=COLOUR, alpha=0.2, lw=0, label="95 % of patients")
    axis.plot(time_s * DAY_PER_S, rate.at(time_s) * USV_PER_H_PER_SV_PER_S, color=COLOUR, lw=1.6, label="expected")
    if rate.measured_at_s is not None:
        measured = float(rate.at(rate.measured_at_s)) * USV_PER_H_PER_SV_PER_S
        axis.plot(
            [rate.measured_at_s * DAY_PER_S], [measured], "o", color="black", ms=4, label="measured", clip_on=False
        )
    _limits(axis, sheet, days)
    if sheet.discharge_s is not None:
        axis.axvline(sheet.discharge_s * DAY_PER_S, color="0.35", lw=1, ls=(0, (1.2, 1.2)))
        axis.annotate(
            f" discharge, {sheet.discharge_s / S_PER_H:g} h", (sheet.discharge_s * DAY_PER_S, 0.03),
            xycoords=("data", "axes fraction"), fontsize=TEXT - 1, color="0.35",
        )  # fmt: skip
    axis.set(yscale="log", xlim=(0, days), xlabel="days after administration", ylabel="dose rate at 1 m / (µSv/h)")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_ylim(top=3.5 * axis.get_ylim()[1])  # room for the legend above the limits
    axis.legend(frameon=False, loc="upper right", ncols=3)
    axis.set_title(
        f"{sheet.nuclide}, {sheet.activity_bq * 1e-6:g} MBq, retention {rate.retention.name}; research use only",
        loc="left",
    )
    return figure


def _limits(axis: Any, sheet: Sheet, days: float) -> None:
    found = [x for x in sheet.limits if x.quantity == "dose rate at 1 m" and x.value is not None]
    for limit, colour in zip(found, LIMITS, strict=False):
        axis.axhline(limit.value, color=colour, lw=1.1, ls=(0, (5, 1.5)))
        axis.annotate(
            f"{limit.value:g} µSv/h ({limit.place})", (0.55 * days, limit.value), xytext=(0, 2),
            textcoords="offset points", color=colour, fontsize=TEXT - 1,
        )  # fmt: skip
