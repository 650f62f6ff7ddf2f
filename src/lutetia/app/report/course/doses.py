"""Section on absorbed doses: by region and cycle, summed, beside the limits that are used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lutetia.app.report.course.blocks import NOT_KNOWN, Block, Cell, Sources, cell, note, picture, section, table
from lutetia.app.report.course.content import CourseContent
from lutetia.app.report.course.rules import after
from lutetia.app.report.text import number, with_uncertainty
from lutetia.response.parameters import DoseLimit
from lutetia.therapy.activity.course import organ_of
from lutetia.therapy.activity.limits import ONLY_WARNS, find_limits, name_of
from lutetia.therapy.activity.tables import default_limits
from lutetia.therapy.course import Course, DoseRecord, RegionDose, cumulative_doses
from lutetia.units import MBQ_PER_BQ

STANDARD: Final = "fixed"
"""The strategy whose limits stand beside the doses where nobody planned with others."""

KINDS_IN_ORDER: Final = ("organ", "lesion")
BELOW: Final = (
    "Below each dose: Gy/GBq of the activity that its dose.json states. ≥: cycles without a dose are named."
)
MOST_CYCLES: Final = 6
"""Columns for which there is room on a page; further cycles follow in a table below."""
CAPTION: Final = (
    "Absorbed dose summed over the cycles with its standard uncertainty (k=1), and limits. Open: a cycle before it has no "
    "dose of the region, so that the sum is too low."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """A limit beside a region's dose so far; ``limits`` are rows of the table with one number."""

    limits: tuple[DoseLimit, ...]
    dose: RegionDose

    @property
    def limit(self) -> DoseLimit:
        """By its first source."""
        return self.limits[0]


def limits_beside(content: CourseContent) -> tuple[Beside, ...]:
    """Limits of absorbed dose that the plan used, else those of the label's strategy, for each region of their organ."""
    plan = content.plan or {}
    names = list(dict.fromkeys(row["name"] for row in plan.get("limits", ()) if "name" in row)) or default_limits(
        STANDARD
    )
    doses = cumulative_doses(content.course)
    found = [find_limits(name) for name in names]
    return tuple(
        Beside(limits=limits, dose=dose)
        for limits in found
        if limits[0].quantity == "absorbed dose"
        for dose in doses
        if dose.by_cycle_gy and dose.kind != "lesion" and organ_of(dose.region) == limits[0].region
    )


def doses_sections(content: CourseContent, sources: Sources, figures: Mapping[str, bytes]) -> list[Block]:
    """Doses by cycle and summed, and how far the limits are."""
    doses = sorted(cumulative_doses(content.course), key=_order)
    beside = [_beside(one, sources) for one in limits_beside(content)]
    stars = "" if content.next_plan is None else f" Stars: {after(content.next_plan)} in the next cycle."
    heads = ("limit", "region", "so far\nGy", "of the limit", "comes from", "source")
    return section(
        "Absorbed doses, ± u (k=1)",
        *_by_cycle(doses, content.course),
        note(BELOW) if doses else None,
        picture("limits", f"{CAPTION}{stars}") if "limits" in figures else None,
        table(heads, beside, widths=(1.2, 1, 0, 0, 2, 0), right=(2, 3)),
    )


def _by_cycle(doses: Sequence[RegionDose], course: Course) -> list[Block]:
    """A table of as many cycles as there is room for, and the next; the sum stands in the last."""
    cycles = sorted({cycle for dose in doses for cycle in (*dose.by_cycle_gy, *dose.missing_cycles)})
    records = {record.cycle: record for record in course.doses}
    found = []
    for first in range(0, len(cycles), MOST_CYCLES):
        shown, last = cycles[first : first + MOST_CYCLES], first + MOST_CYCLES >= len(cycles)
        rows = [
            [
                dose.region,
                *(_in_cycle(dose, records.get(cycle), cycle, course) for cycle in shown),
                *([_sum(dose)] * last),
            ]
            for dose in doses
        ]
        heads = ("region", *(f"cycle {cycle}\nGy" for cycle in shown), *(["all cycles\nGy"] * last))
        widths = (1.6, *(1 for _ in shown), *([1.2] * last))
        found.append(table(heads, rows, widths=widths, right=range(1, len(heads))))
    return found


def _order(dose: RegionDose) -> int:
    return KINDS_IN_ORDER.index(dose.kind) if dose.kind in KINDS_IN_ORDER else len(KINDS_IN_ORDER)


def _in_cycle(dose: RegionDose, record: DoseRecord | None, cycle: int, course: Course) -> Cell:
    gy = dose.by_cycle_gy.get(cycle)
    if gy is None or record is None:
        return cell(NOT_KNOWN, tone="warn")
    document = record.document
    row = next(row for row in document["regions"] if row["region"] == dose.region)
    mbq = document["administration"].get("activity_MBq") or _ledger_mbq(course, cycle)
    per_gbq = f"{number(gy / mbq * 1000)} Gy/GBq" if mbq else "activity not known"
    return cell(with_uncertainty(gy, row["u_absorbed_dose_Gy"]), per_gbq)


def _ledger_mbq(course: Course, cycle: int) -> float | None:
    known = {net.cycle: net.activity_bq for net in course.net_activities()}
    return None if known.get(cycle) is None else known[cycle] * MBQ_PER_BQ  # type: ignore[operator]


def _sum(dose: RegionDose) -> Cell:
    if not dose.by_cycle_gy:
        return cell(NOT_KNOWN, tone="warn")
    text = with_uncertainty(dose.sum_gy, dose.standard_uncertainty_gy)
    if not dose.missing_cycles:
        return cell(text, "" if dose.standard_uncertainty_gy is not None else "u not known")
    missing = ", ".join(map(str, dose.missing_cycles))
    return cell(f"≥ {text}", f"without cycle {missing}", "warn")


def _beside(one: Beside, sources: Sources) -> list[Any]:
    share = one.dose.sum_gy / one.limit.limit_gy
    marks = " ".join(sources.mark(row.source, row.verified) for row in one.limits)
    least = "≥ " if one.dose.missing_cycles else ""
    comes = " ".join(filter(None, (one.limit.endpoint, f"({one.limit.condition})" if one.limit.condition else "")))
    warns = "warns, never decides" if one.limit.region == ONLY_WARNS else ""
    return [
        cell(name_of(one.limit), warns), one.dose.region,
        least + with_uncertainty(one.dose.sum_gy, one.dose.standard_uncertainty_gy),
        cell(f"{least}{100 * share:.0f} %", tone="bad" if share >= 1 else ""), comes, marks,
    ]  # fmt: skip


def running_sums(course: Course, region: str) -> list[RegionDose]:
    """Dose of a region after each cycle that has one."""
    found = []
    for last in sorted({given.cycle for given in course.administrations} | {dose.cycle for dose in course.doses}):
        until = replace(
            course,
            administrations=tuple(one for one in course.administrations if one.cycle <= last),
            doses=tuple(one for one in course.doses if one.cycle <= last),
        )
        found += [one for one in cumulative_doses(until) if one.region == region and last in one.by_cycle_gy]
    return found
