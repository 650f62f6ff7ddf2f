"""Panels of laboratory values over the course, with limits of normal and the grades that a value would have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.report.course.blocks import GRADE_COLOURS, GRADE_INK, as_read
from lutetia.app.report.course.content import CourseContent
from lutetia.app.report.style import TEXT
from lutetia.errors import LutetiaError
from lutetia.response.laboratory.catalogue import find_test
from lutetia.response.laboratory.result import LabResult, in_unit
from lutetia.response.toxicity import grade
from lutetia.therapy.facts import day, moment

SHOWN: Final = ("platelets", "haemoglobin", "neutrophils", "lymphocytes", "creatinine", "creatinine clearance")
LINE: Final = "#24487a"
LIMIT: Final = "#566070"
FloatArray = NDArray[np.float64]
LEVELS: Final = 400
"""Values of an axis at which the grade is asked for: finer than a pixel of the panel."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Panel:
    """One test over time, in its canonical unit.

    Attributes
    ----------
    times, values : in the order of time
    lower, upper : limits of normal of the last result that has them
    baseline : last result up to the day of the first administration
    last : the latest result; None of a clearance that is computed
    worst : time, value and grade of the worst value after the start, None without one
    """

    test: str
    unit: str
    times: tuple[datetime, ...]
    values: tuple[float, ...]
    lower: float | None
    upper: float | None
    baseline: LabResult | None
    last: LabResult | None
    worst: tuple[datetime, float, int | None] | None


def panels_of(content: CourseContent) -> tuple[Panel, ...]:
    """Panels of the tests that were measured."""
    return tuple(panel for test in SHOWN if (panel := _panel(content, test)) is not None)


def _panel(content: CourseContent, test: str) -> Panel | None:
    measured = [one.result for one in content.chronicle.labs if one.result.test == test]
    unit = find_test(test).canonical_unit
    results = []
    for one in sorted(measured, key=lambda result: result.time):
        try:
            results.append(in_unit(one, unit))
        except LutetiaError:
            continue  # multiples of a limit that is not known have no place on the axis
    if not results:
        return _computed_clearance(content) if test == "creatinine clearance" else None
    start = min((day(one.date) for one in content.chronicle.administrations), default=None)
    before = [one for one in results if start is not None and one.time.date() <= start]
    return Panel(
        test=test,
        unit=unit,
        times=tuple(one.time for one in results),
        values=tuple(one.value for one in results),
        lower=next((one.lower_limit for one in reversed(results) if one.lower_limit is not None), None),
        upper=next((one.upper_limit for one in reversed(results) if one.upper_limit is not None), None),
        baseline=before[-1] if before else None,
        last=results[-1],
        worst=_worst(content.labs or {}, test, unit),
    )


def _computed_clearance(content: CourseContent) -> Panel | None:
    facts = content.chronicle.facts.get("creatinine_clearance", ())
    if not facts:
        return None
    return Panel(
        test="creatinine clearance (Cockcroft-Gault)",
        unit="mL/min",
        times=tuple(moment(fact.date) for fact in facts),
        values=tuple(float(fact.value) for fact in facts),  # type: ignore[arg-type]
        lower=None,
        upper=None,
        baseline=None,
        last=None,
        worst=None,
    )


def _worst(labs: Mapping[str, Any], test: str, unit: str) -> tuple[datetime, float, int | None] | None:
    row = next((one for one in labs.get("nadirs", ()) if one["test"] == test), None)
    if row is None:
        return None
    when = datetime.fromisoformat(row["date"])
    try:
        value = in_unit(LabResult(test=test, time=when, value=row["value"], unit=row["unit"]), unit).value
    except LutetiaError:
        return None
    return when, value, row["grade"]


def draw_panel(axis: Any, panel: Panel, version: str | None) -> None:
    """Draw a panel; with a version of CTCAE its grades are bands."""
    bottom, top = _ends(panel)
    axis.set_ylim(bottom, top)
    if version is not None:
        _draw_bands(axis, bands_of(panel, version, np.linspace(bottom, top, LEVELS)))
    for limit in (panel.lower, panel.upper):
        if limit is not None and bottom < limit < top:
            axis.axhline(limit, color=LIMIT, lw=0.8, ls=(0, (4, 2)), zorder=1.5)
    axis.plot(panel.times, panel.values, "o-", color=LINE, lw=1.1, ms=3.2, zorder=3)
    if panel.worst is not None:
        _mark(axis, *panel.worst, low=panel.test != "creatinine")
    axis.set_title(as_read(f"{panel.test} / {panel.unit}"), loc="left", fontsize=TEXT - 0.5, pad=2)
    axis.locator_params(axis="y", nbins=4)


def _ends(panel: Panel) -> tuple[float, float]:
    """Ends of the axis: all values and the limit of normal that matters, from 0 where that is near."""
    limit = panel.upper if panel.test == "creatinine" else panel.lower
    shown = [*panel.values, *([] if limit is None else [limit])]
    low, high = min(shown), max(shown)
    room = 0.18 * (high - low or high or 1.0)
    return (0.0 if low < 0.5 * high else low - room), high + room


def bands_of(panel: Panel, version: str, levels: FloatArray) -> list[tuple[float, float, int]]:
    """Where the criteria give a grade to a value of today, by the last limits of normal: from, to, grade."""
    if panel.last is None:
        return []
    model = replace(panel.last, lower_limit=panel.lower, upper_limit=panel.upper)
    grades = [_grade(_with_value(model, float(level)), panel.baseline, version) for level in levels]
    half = (levels[1] - levels[0]) / 2
    return [
        (float(levels[first] - half), float(levels[last] + half), found)
        for (first, last), found in _runs(grades)
        if found
    ]


def _draw_bands(axis: Any, bands: Sequence[tuple[float, float, int]]) -> None:
    bottom, top = axis.get_ylim()
    for start, end, found in bands:
        axis.axhspan(start, end, color=GRADE_COLOURS[found], alpha=0.16 + 0.05 * found, lw=0, zorder=0)
        if end - start > 0.09 * (top - bottom):
            axis.text(
                1.004, (start + end) / 2, f"G{found}", transform=axis.get_yaxis_transform(), va="center",
                fontsize=TEXT - 2.5, color=GRADE_INK[found],
            )  # fmt: skip


def _with_value(result: LabResult, value: float) -> LabResult | None:
    """The result with another value; None where the test cannot have it."""
    try:
        return replace(result, value=value)
    except LutetiaError:
        return None


def _grade(result: LabResult | None, baseline: LabResult | None, version: str) -> int:
    """The grade that is certain; 0 where none is."""
    return 0 if result is None else grade(result, baseline=baseline, version=version).at_least


def _runs(grades: Sequence[int]) -> list[tuple[tuple[int, int], int]]:
    """First and last place of each run of one grade."""
    edges = [0, *(i for i in range(1, len(grades)) if grades[i] != grades[i - 1]), len(grades)]
    return [((edges[i], edges[i + 1] - 1), grades[edges[i]]) for i in range(len(edges) - 1)]


def _mark(axis: Any, when: datetime, value: float, found: int | None, *, low: bool) -> None:
    from matplotlib.patheffects import withStroke

    colour = GRADE_INK.get(found or 0, LINE)
    first, last = axis.get_xlim()
    at_the_end = axis.convert_xunits(when) > last - 0.12 * (last - first)
    axis.plot([when], [value], "o", ms=7.5, mfc="none", mec=colour, mew=1.4, zorder=4)
    axis.annotate(
        f"{value:.3g}{f' (G{found})' if found else ''}", (when, value), xytext=(-6 if at_the_end else 6, -5 if low else 6),
        ha="right" if at_the_end else "left",
        textcoords="offset points", fontsize=TEXT - 1.5, va="center", color=colour, weight="bold", zorder=5,
        path_effects=[withStroke(linewidth=2, foreground="white")],
    )  # fmt: skip
