"""Sections on toxicity: worst laboratory values, adverse events, and how fast renal function is lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lutetia.app.report.course.blocks import (
    NOT_KNOWN,
    Block,
    Sources,
    as_read,
    box,
    cell,
    day_text,
    grade_cell,
    note,
    section,
    table,
)
from lutetia.app.report.course.content import CourseContent
from lutetia.app.report.text import number
from lutetia.errors import LutetiaError
from lutetia.response.laboratory.result import in_unit
from lutetia.response.renal.equations import filtration_rate_inker2021
from lutetia.response.renal.slope import FunctionSlope, function_slope
from lutetia.therapy.facts import birth_date, day, moment
from lutetia.units import DAYS_PER_YEAR

LEAST_POINTS: Final = 3
"""A line through two points has no interval."""
INKER: Final = "Inker 2021, N Engl J Med 385:1737 (doi:10.1056/NEJMoa2102953)"


def toxicity_sections(content: CourseContent, sources: Sources) -> list[Block]:
    """Worst values and recovery, laboratory that is overdue, adverse events."""
    labs = content.labs or {}
    rows = [_nadir(one, labs) for one in labs.get("nadirs", ())]
    head = f"worst after cycle 1\nCTCAE {labs['version']}" if labs else ""
    told = (
        f"By value alone, CTCAE {labs['version']} {sources.mark(labs['source'], _verified(labs))}; " if rows else ""
    )
    return section(
        "Toxicity",
        table(("test", "baseline", head, "grade", "on", "recovery"), rows, widths=(1, 1, 1, 0, 1, 1.4)),
        note(f"{told}clinical judgement may give another grade.") if rows else None,
        box("Laboratory overdue", labs.get("overdue", ())),
        _events(content),
    )  # fmt: skip


def _verified(labs: Mapping[str, Any]) -> bool:
    return all(one["verified"] for one in labs["grades"])


def _nadir(one: Mapping[str, Any], labs: Mapping[str, Any]) -> list[Any]:
    before = next((b for b in labs["baselines"] if b["test"] == one["test"]), None)
    graded = next((g for g in labs["grades"] if (g["test"], g["date"]) == (one["test"], one["date"])), None)
    bounds = (graded["at_least"], graded["at_most"]) if graded else (0, 4)
    back = one["recovery"]
    if one["recovery_date"] is not None:
        back = f"{back} to {one['recovered_to']} on {day_text(one['recovery_date'])}"
    return [
        cell(one["test"], one["term"]),
        NOT_KNOWN if before is None else cell(_lab(before), day_text(before["date"])),
        _lab(one),
        grade_cell(one["grade"], *bounds),
        cell(day_text(one["date"]), f"day {one['after_d']:.0f} of the course"),
        cell(back, tone="warn" if one["recovery"] == "not yet" else ""),
    ]


def _lab(one: Mapping[str, Any]) -> str:
    return as_read(f"{one['value']:g} {one['unit']}".rstrip())


def _events(content: CourseContent) -> Block:
    rows = [
        [
            one.term, grade_cell(one.grade), one.ctcae_version, day_text(one.start),
            cell("lasts", tone="warn") if one.end is None else day_text(one.end), one.causality or "not judged",
        ]
        for one in content.course.events
    ]  # fmt: skip
    heads = ("adverse event", "grade", "CTCAE", "from", "to", "related to the treatment")
    return table(heads, rows, widths=(1.5, 0, 0, 1, 1, 1.2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Filtration:
    """First and last estimate and the slope through all. [mL/min/1.73 m2]"""

    first: float
    last: float
    slope: FunctionSlope


def filtration_of(content: CourseContent) -> Filtration | None:
    """Filtration rate by CKD-EPI 2021 of every creatinine of an adult; None with fewer than three."""
    born, sex = birth_date(content.chronicle.facts), content.course.patient.sex
    if born is None or sex not in ("female", "male"):
        return None
    found = []
    for one in sorted(content.chronicle.labs, key=lambda lab: moment(lab.date)):
        if one.result.test != "creatinine":
            continue
        age_yr = (day(one.date) - born).days / DAYS_PER_YEAR
        try:
            rate = filtration_rate_inker2021(
                creatinine_mg_dl=in_unit(one.result, "mg/dL").value,
                sex="female" if sex == "female" else "male",
                age_yr=age_yr,
            )
        except LutetiaError:
            continue  # a child, or multiples of a limit: no estimate
        found.append((moment(one.date), rate))
    if len(found) < LEAST_POINTS:
        return None
    seconds = [(when - found[0][0]).total_seconds() for when, _ in found]
    return Filtration(
        first=found[0][1], last=found[-1][1], slope=function_slope(seconds, [rate for _, rate in found])
    )


def renal_sections(content: CourseContent, sources: Sources) -> list[Block]:
    """How fast renal function is lost, with its interval."""
    found = filtration_of(content)
    if found is None or found.slope.slope_ml_min_per_yr is None:
        return []
    slope = found.slope
    row = [
        number(found.first), number(found.last), str(slope.points), f"{slope.span_yr:.2f}",
        _with_interval(slope.slope_ml_min_per_yr, slope.interval_95_ml_min_per_yr),
        _with_interval(slope.slope_percent_per_yr, slope.interval_95_percent_per_yr),
        sources.mark(INKER, True),
    ]  # fmt: skip
    per_year = "change per year\n"
    heads = (
        "first eGFR\nmL/min/1.73 m²", "last eGFR\nmL/min/1.73 m²", "points", "over\nyears",
        f"{per_year}mL/min/1.73 m² (95 %)", f"{per_year}% (95 %)", "source",
    )  # fmt: skip
    return section(
        "Renal function",
        table(heads, [row], widths=(0, 0, 0, 0, 0, 0, 1), right=(0, 1, 2, 3, 4, 5)),
        note(" ".join(("CKD-EPI 2021 from creatinine; straight line and exponential.", *slope.warnings))),
    )


def _with_interval(value: float | None, ends: tuple[float, float] | None) -> str:
    if value is None:
        return NOT_KNOWN
    return f"{value:+.1f}" + ("" if ends is None else f" ({ends[0]:+.1f} to {ends[1]:+.1f})")
