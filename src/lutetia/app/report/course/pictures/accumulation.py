"""Picture of organ doses as they add up over the cycles, against the limits that are used."""

from collections.abc import Mapping, Sequence
from typing import Any

from lutetia.app.report.colours import colours_of_names
from lutetia.app.report.course.content import CourseContent
from lutetia.app.report.course.doses import Beside, limits_beside, running_sums
from lutetia.app.report.slices import shortened
from lutetia.app.report.style import TEXT, figure_of_height
from lutetia.therapy.activity.limits import ONLY_WARNS
from lutetia.therapy.course import RegionDose

LIMIT = "#a32020"


def accumulation_figure(content: CourseContent) -> Any:
    """A panel for each organ that has a limit and doses; None without one."""
    beside = limits_beside(content)
    organs = list(dict.fromkeys(one.limit.region for one in beside))
    if not organs:
        return None
    figure = figure_of_height(2.5)
    axes = figure.subplots(1, len(organs), squeeze=False)[0]
    for axis, organ in zip(axes, organs, strict=True):
        _panel(axis, content, [one for one in beside if one.limit.region == organ])
    axes[0].set_ylabel("absorbed dose, all cycles / Gy")
    return figure


def _panel(axis: Any, content: CourseContent, beside: Sequence[Beside]) -> None:
    regions = list(dict.fromkeys(one.dose.region for one in beside))
    colours = colours_of_names(regions)
    limits = sorted({one.limit.limit_gy for one in beside})
    cycles = sorted(
        {one.cycle for one in content.course.administrations} | {one.cycle for one in content.course.doses}
    )
    for place, region in enumerate(regions):
        shift = 0.07 * (place - (len(regions) - 1) / 2)
        sums = running_sums(content.course, region)
        _curve(axis, sums, shift, colours[region], region)
        if sums:
            _planned(axis, content.next_plan or {}, sums[-1], shift, cycles[-1] + 1, colours[region])
    for limit in limits:
        axis.axhline(limit, color=LIMIT, lw=1.1, ls=(0, (5, 2)), zorder=1)
        axis.annotate(
            f"{limit:g} Gy", (0, limit), xycoords=("axes fraction", "data"), xytext=(3, 2), textcoords="offset points",
            fontsize=TEXT - 1.5, color=LIMIT,
        )  # fmt: skip
    ahead = content.next_plan is not None
    shown = [*cycles, cycles[-1] + 1] if ahead else cycles
    axis.set_xticks(shown, [str(cycle) if cycle in cycles else f"{cycle}\nnext" for cycle in shown])
    axis.set(xlim=(cycles[0] - 0.5, shown[-1] + 0.5), xlabel="after cycle")
    axis.set_ylim(0, max(axis.get_ylim()[1], limits[-1] * 1.12))
    organ = beside[0].limit.region
    axis.set_title(f"{organ}{' (warns, never decides)' if organ == ONLY_WARNS else ''}", loc="left")
    axis.grid(axis="y", alpha=0.25)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 0.9), handlelength=1.6)


def _curve(axis: Any, sums: Sequence[RegionDose], shift: float, colour: str, region: str) -> None:
    at = [max(one.by_cycle_gy) + shift for one in sums]
    axis.plot(
        at, [one.sum_gy for one in sums], "-", lw=1.3, color=colour, label=shortened(region).replace("$", r"\$")
    )
    for place, one in zip(at, sums, strict=True):
        u = one.standard_uncertainty_gy
        axis.errorbar(
            [place], [one.sum_gy], yerr=None if u is None else [u], fmt="o", ms=4.5, capsize=2.5, lw=1.1, color=colour,
            mfc="white" if one.missing_cycles else colour,
        )  # fmt: skip


def _planned(
    axis: Any, plan: Mapping[str, Any], now: RegionDose, shift: float, following: int, colour: str
) -> None:
    """What the plan predicts after the next cycle, by the limits of absorbed dose."""
    rows = [
        one for one in plan.get("limits", ()) if (one["organ"], one["quantity"]) == (now.region, "absorbed dose")
    ]
    if rows and rows[0]["predicted_Gy"] is not None:
        at = (max(now.by_cycle_gy) + shift, following + shift)
        axis.plot(at, [now.sum_gy, rows[0]["predicted_Gy"]], ":", lw=1.1, color=colour)
        axis.plot(at[1:], [rows[0]["predicted_Gy"]], "*", ms=8, mfc="white", color=colour)
