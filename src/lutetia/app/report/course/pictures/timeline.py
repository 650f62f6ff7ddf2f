"""Picture of a course over time: what was given, taken, imaged, suffered and decided; the laboratory below."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from lutetia.app.report.course.blocks import GRADE_COLOURS
from lutetia.app.report.course.content import CourseContent
from lutetia.app.report.course.pictures.laboratory import draw_panel, panels_of
from lutetia.app.report.slices import WIDTH, shortened
from lutetia.app.report.style import TEXT, figure_of_height
from lutetia.response.toxicity import versions
from lutetia.therapy.course import end_of, moment_of
from lutetia.therapy.facts import moment
from lutetia.units import GBQ_PER_BQ

BEFORE: Final = timedelta(days=120)
"""Of what was before the first administration this much is drawn; what began earlier comes in from the left."""
WASHOUT: Final = timedelta(days=42)
"""At least this much is drawn of it, so that the end of what had to be stopped is seen."""
ROWS: Final = 16
"""Lanes for which there is room; what is left out is in the tables."""
CYCLE: Final = "#0072B2"
DRUG: Final = "#009E73"
IMAGE: Final = "#7F4FA8"
DECISION: Final = {"give": "#1b6e3c", "reduce": "#D55E00", "hold": "#D55E00", "omit": "#D55E00", "stop": "#a32020"}
INCH: Final = {"bars": 1.0, "lane": 0.175, "panel": 0.88}
LEFT, RIGHT, BELOW = 1.3, 0.28, 0.44
"""Room for the names of the lanes, the grades and the dates. [inch]"""
ON_THE_AXIS: Final = ("administration", "lab", "event", "imaging", "decision")
"""Kinds of records that the axis must reach back to."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lane:
    """One row: its name, and marks (when, end or None, colour, word)."""

    name: str
    kind: str
    marks: tuple[tuple[datetime, datetime | None, str, str], ...]


def timeline_figure(content: CourseContent) -> Any:
    """Administrations as bars, and a lane for all else; None where nothing has a place on it."""
    lanes = lanes_of(content)
    shown, given = lanes[:ROWS], content.course.administrations
    heights = [*([INCH["bars"]] if given else []), *([0.1 + INCH["lane"] * len(shown)] if shown else [])]
    if not heights:
        return None
    figure, axes = _stacked(heights, between=0.08, above=0.06)
    ends = span_of(content)
    axes[0].set_xlim(*ends)
    if given:
        _bars(axes[0], content)
    if shown:
        _lanes(axes[-1], shown, ends, len(lanes) - len(shown))
    _common(axes, content, ends, crossed=axes[1:] if given else axes)
    return figure


def laboratory_figure(content: CourseContent) -> Any:
    """A panel for each test, on the axis of time of ``timeline_figure``; None without a result."""
    panels = panels_of(content)
    if not panels:
        return None
    figure, axes = _stacked([INCH["panel"]] * len(panels), between=0.24, above=0.22)
    ends = span_of(content)
    axes[0].set_xlim(*ends)
    version = content.protocol.ctcae_version if content.protocol is not None else None
    for axis, panel in zip(axes, panels, strict=True):
        draw_panel(axis, panel, version if version in versions() else None)
    _common(axes, content, ends, crossed=axes)
    return figure


def _stacked(heights: Sequence[float], *, between: float, above: float) -> tuple[Any, list[Any]]:
    """Axes below each other with one axis of time, at the same place across in every figure. [inch]"""
    total = above + sum(heights) + between * (len(heights) - 1) + BELOW
    figure = figure_of_height(total)
    figure.set_layout_engine("none")
    axes: list[Any] = []
    top = total - above
    for height in heights:
        box = (LEFT / WIDTH, (top - height) / total, (WIDTH - LEFT - RIGHT) / WIDTH, height / total)
        axes.append(figure.add_axes(box, sharex=axes[0] if axes else None))
        top -= height + between
    for axis in axes[:-1]:
        axis.tick_params(axis="x", labelbottom=False)
    return figure, axes


def span_of(content: CourseContent) -> tuple[datetime, datetime]:
    """First and last moment of the axis."""
    course = content.course
    starts = [one.start for one in course.administrations]
    whens = [moment_of(one) for kind, one in course.records() if kind in ON_THE_AXIS]
    earliest = min((*whens, *(moment(one.start) for one in course.medications if not whens)))
    last = min(end_of(content.as_of), datetime.combine(content.made_at.date(), time.max))
    window = _window(content)
    if window is not None:
        last = max(last, window[1])
    first = min(max(earliest, starts[0] - BEFORE), starts[0] - WASHOUT) if starts else earliest
    room = max((last - first) * 0.02, timedelta(days=2))
    return first - room, last + room


def _window(content: CourseContent) -> tuple[datetime, datetime, int] | None:
    """The window of the next cycle, where the course is not stopped."""
    windows = (content.schedule or {}).get("cycles", ())
    if not windows or (content.modification or {}).get("state") == "STOPPED":
        return None
    one = windows[0]
    ends = (one["earliest"] or one["due"], one["latest"] or one["due"])
    return datetime.fromisoformat(ends[0]), datetime.combine(date.fromisoformat(ends[1]), time.max), one["cycle"]


def lanes_of(content: CourseContent) -> list[Lane]:
    """Decisions, events, drugs, images; one lane each, in this order."""
    course = content.course
    whole = end_of(content.as_of)
    decisions = tuple((one.time, None, DECISION.get(one.action or "", "#566070"), "") for one in course.decisions)
    events: dict[str, list[tuple[datetime, datetime | None, str, str]]] = {}
    for event in course.events:
        end = whole if event.end is None else moment(event.end)
        mark = (moment(event.start), end, GRADE_COLOURS.get(event.grade, "#8A8A8A"), f"G{event.grade}")
        events.setdefault(event.term, []).append(mark)
    drugs: dict[str, list[tuple[datetime, datetime | None, str, str]]] = {}
    for drug in course.medications:
        end = whole if drug.end is None else moment(drug.end)
        drugs.setdefault(drug.name, []).append((moment(drug.start), end, DRUG, ""))
    images: dict[str, list[tuple[datetime, datetime | None, str, str]]] = {}
    for image in course.imaging:
        name = " ".join(part for part in (image.modality, image.agent) if part)
        images.setdefault(name, []).append((image.time, None, IMAGE, ""))
    found = [Lane(name="decisions", kind="decision", marks=decisions)] if decisions else []
    for kind, named in (("event", events), ("drug", drugs), ("image", images)):
        found += [Lane(name=name, kind=kind, marks=tuple(marks)) for name, marks in named.items()]
    if not found:
        return []
    first, last = span_of(content)
    return [
        lane for lane in found if any((end or start) >= first and start <= last for start, end, *_ in lane.marks)
    ]


def _bars(axis: Any, content: CourseContent) -> None:
    """A bar for each administration, its activity given; open with what was prescribed where that was not measured."""
    nets = content.course.net_activities()
    tallest = 0.0
    for given, net in zip(content.course.administrations, nets, strict=True):
        known = net.activity_bq if net.activity_bq is not None else given.prescribed_activity_bq
        gbq = 0.0 if known is None else known * GBQ_PER_BQ
        tallest = max(tallest, gbq)
        measured = net.activity_bq is not None
        axis.bar(
            given.start,
            gbq,
            width=_width(axis),
            color=CYCLE if measured else "none",
            edgecolor=CYCLE,
            lw=1.0,
            zorder=3,
        )
        said = f"{gbq:.2f}" if measured else "not measured"
        axis.annotate(
            f"cycle {given.cycle}\n{said}", (given.start, gbq), xytext=(0, 2), textcoords="offset points",
            ha="center", va="bottom", fontsize=TEXT - 1.5, color=CYCLE, linespacing=1.0,
        )  # fmt: skip
    axis.set_ylim(0, (tallest or 1.0) * 1.75)
    axis.set_ylabel("given / GBq", fontsize=TEXT - 1)
    axis.locator_params(axis="y", nbins=3)


def _width(axis: Any) -> timedelta:
    first, last = axis.get_xlim()
    return timedelta(days=0.011 * (last - first))


def _lanes(axis: Any, lanes: list[Lane], ends: tuple[datetime, datetime], more: int) -> None:
    first, last = ends
    markers = {"decision": "D", "image": "^"}
    for place, lane in enumerate(lanes):
        y = len(lanes) - 1 - place
        for start, end, colour, word in lane.marks:
            if end is None:
                if first <= start <= last:
                    axis.plot([start], [y], markers[lane.kind], color=colour, ms=4.2, zorder=3, clip_on=False)
                continue
            if end < first or start > last:
                continue
            shortest = (last - first) * 0.006
            begin = max(start, first)
            axis.barh(
                y, max(min(end, last) - begin, shortest), left=begin, height=0.62, color=colour, lw=0, zorder=2
            )
            if word:
                axis.annotate(
                    word, (min(end, last), y), xytext=(2, 0), textcoords="offset points", va="center",
                    fontsize=TEXT - 2.5, color=colour, annotation_clip=True,
                )  # fmt: skip
    names = [shortened(lane.name, 24).replace("$", r"\$") for lane in reversed(lanes)]
    axis.set_yticks(range(len(lanes)), names, fontsize=TEXT - 1.5)
    axis.set_ylim(-0.6, len(lanes) - 0.4)
    axis.tick_params(axis="y", length=0)
    if more:
        axis.set_title(f"{more} more are in the tables", loc="right", fontsize=TEXT - 1.5, pad=2)


def _common(
    axes: Sequence[Any], content: CourseContent, ends: tuple[datetime, datetime], *, crossed: Sequence[Any]
) -> None:
    """Today and the next window through all panels, cycles through those that are crossed; dates below the last."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    today = end_of(content.as_of)
    window = _window(content)
    for axis in axes:
        if today < ends[1] - timedelta(days=3):
            axis.axvline(today, color="black", lw=0.8, ls=(0, (1, 1.5)), zorder=1)
        if window is not None:
            axis.axvspan(window[0], window[1], color=CYCLE, alpha=0.10, lw=0, zorder=0)
    for axis in crossed:
        for given in content.course.administrations:
            axis.axvline(given.start, color=CYCLE, lw=0.7, alpha=0.55, zorder=1)
    if window is not None:
        middle = window[0] + (window[1] - window[0]) / 2
        axes[0].annotate(
            f"window of\ncycle {window[2]}", (middle, 1.0), xycoords=("data", "axes fraction"),
            ha="center", va="top", fontsize=TEXT - 2, color=CYCLE, linespacing=1.0,
        )  # fmt: skip
    locator = AutoDateLocator(minticks=4, maxticks=12)  # type: ignore[no-untyped-call]
    axes[-1].xaxis.set_major_locator(locator)
    dates = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axes[-1].xaxis.set_major_formatter(dates)
    years = sorted({ends[0].year, ends[1].year})
    axes[-1].set_xlabel(" to ".join(map(str, years)), loc="right", fontsize=TEXT - 1)
