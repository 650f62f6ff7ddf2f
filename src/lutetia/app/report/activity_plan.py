"""Picture of the activity that each limit allows, with that of the plan."""

from typing import Any

from lutetia.app.report.style import TEXT, figure_of_height
from lutetia.therapy.activity.limits import name_of
from lutetia.therapy.activity.planning import Judged, Plan, rounded_down
from lutetia.units import GBQ_PER_BQ

DECIDES = "#0072B2"
WARNS = "#CC79A7"
CHOSEN = "#D55E00"
SAID = {"give": "given:", "reduce": "reduced to"}


def plan_figure(plan: Plan, *, title: str, action: str = "") -> Any:
    """One bar for each limit: what it allows with the chosen probability, and by best estimate; the plan as a line.

    ``action`` is that of the answer where more than limits decided.
    """
    action = action or plan.action
    n = len(plan.limits) + len(plan.unjudged)
    figure = figure_of_height(1.35 + 0.4 * max(n, 1))
    axis = figure.add_subplot(1, 1, 1)
    # bars end with the picture where a limit allows far more than anybody would give
    right = 1.6 * max(plan.considered_bq, plan.wanted_bq, plan.bounds.highest_bq or 0.0) * GBQ_PER_BQ or 10.0
    for place, judged in enumerate(plan.limits):
        _bar(axis, n - 1 - place, judged, right, f"{plan.probability:.2g}")
    for place, unjudged in enumerate(reversed(plan.unjudged)):
        said = f"not known; at least {unjudged.at_least_gy:.3g} Gy so far"
        axis.annotate(said, (0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=TEXT - 1)
    low, high = plan.bounds.lowest_bq, plan.bounds.highest_bq
    if low is not None and high is not None:
        axis.axvspan(low * GBQ_PER_BQ, high * GBQ_PER_BQ, color="0.92", lw=0, zorder=0, label="protocol's range")
    considered = plan.considered_bq * GBQ_PER_BQ
    taken = action in ("give", "reduce")
    label = (
        f"{SAID[action]} {rounded_down(considered):g} GBq"
        if taken
        else f"{action}; {rounded_down(considered):g} GBq was considered"
    )
    axis.axvline(considered, color=CHOSEN, lw=1.6, ls="-" if taken else (0, (4, 2)), label=label)
    labels = [*map(_label, plan.limits), *(f"{name_of(each.limit)}, {each.region}" for each in plan.unjudged)]
    axis.set_yticks(range(n), labels[::-1])
    axis.set(xlim=(0, right), ylim=(-0.6, max(n, 1) - 0.4), xlabel="activity of the next cycle / GBq")
    axis.set_title(f"{title}; research use only", loc="left")
    handles, labels = axis.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    figure.legend(named.values(), named.keys(), frameon=False, loc="outside lower center", ncols=2)
    return figure


def _bar(axis: Any, y: int, judged: Judged, right: float, p: str) -> None:
    decides = judged.margin.decides
    colour = DECIDES if decides else WARNS
    what = "" if decides else ", only warns"
    estimate, allows = judged.allows_by_estimate_bq * GBQ_PER_BQ, judged.allows_bq * GBQ_PER_BQ
    axis.barh(
        y, min(estimate, right), height=0.62, color=colour, alpha=0.25, label=f"allowed by best estimate{what}"
    )
    if judged.probability_exceeded is not None:
        axis.barh(y, min(allows, right), height=0.34, color=colour, label=f"allowed with P(passed) ≤ {p}{what}")
    shown = allows if judged.probability_exceeded is not None else estimate
    inside = shown > 0.12 * right
    axis.annotate(
        f"{rounded_down(shown):g} GBq{' →' if shown > right else ''}", (min(shown, right) if inside else 0, y),
        xytext=(-4 if inside else 4, 0), textcoords="offset points", ha="right" if inside else "left", va="center",
        color="white" if inside and judged.probability_exceeded is not None else "black", fontsize=TEXT - 1,
    )  # fmt: skip


def _label(judged: Judged) -> str:
    chance = judged.probability_exceeded
    passed = "" if chance is None else "; P < 0.001" if chance < 1e-3 else f"; P = {chance:.2g}"
    return f"{name_of(judged.margin.limit)}, {judged.margin.region}\n{judged.predicted_gy:.3g} Gy after it{passed}"
