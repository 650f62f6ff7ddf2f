"""Absorbed dose of each region over the course, with errors that return in each cycle kept as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from lutetia.dose.uncertainty.correlated import ErrorSources
from lutetia.dose.uncertainty.course import CycleDose, cumulative_dose
from lutetia.therapy.course.ledger import Course
from lutetia.therapy.course.treatment import DoseRecord

SHARED_UNLESS_SAID: Final = ("calibration", "scatter correction", "decay energy", "density")
"""Components that are shared in documents which do not say so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionDose:
    """Dose of one region over the course.

    Attributes
    ----------
    by_cycle_gy : cycle -> mean absorbed dose of the cycles that have it. [Gy]
    sum_gy, standard_uncertainty_gy : of those cycles; the uncertainty None when that of one is unknown. [Gy]
    missing_cycles : cycles that were given, or have doses of other regions, without one of this region: the sum is then
        a part of the whole
    """

    region: str
    kind: str
    by_cycle_gy: dict[int, float]
    sum_gy: float
    standard_uncertainty_gy: float | None
    missing_cycles: tuple[int, ...]

    @property
    def absorbed_dose_gy(self) -> float | None:
        """Of the whole course; None while a cycle is missing. [Gy]"""
        return None if self.missing_cycles else self.sum_gy


def cumulative_doses(course: Course) -> tuple[RegionDose, ...]:
    """Absorbed dose of each region over all cycles, in the order in which regions are first met.

    Uncertainties are added as ``lutetia.dose.uncertainty.course.cumulative_dose`` says: cycles that were measured with one
    calibration share its error.
    """
    cycles = sorted({given.cycle for given in course.administrations} | {dose.cycle for dose in course.doses})
    rows = [(dose, row) for dose in course.doses for row in dose.document["regions"]]
    sources = ErrorSources()
    return tuple(
        _region_dose(name, [(d, r) for d, r in rows if r["region"] == name], cycles, sources)
        for name in dict.fromkeys(row["region"] for _, row in rows)
    )


def _region_dose(
    name: str, rows: Sequence[tuple[DoseRecord, dict[str, Any]]], cycles: Sequence[int], sources: ErrorSources
) -> RegionDose:
    known = sorted(
        ((dose, row) for dose, row in rows if row["absorbed_dose_Gy"] is not None), key=lambda pair: pair[0].cycle
    )
    total = cumulative_dose(name, [_cycle_dose(dose, row) for dose, row in known], sources) if known else None
    by_cycle = {dose.cycle: float(row["absorbed_dose_Gy"]) for dose, row in known}
    return RegionDose(
        region=name,
        kind=str(rows[0][1]["kind"]),
        by_cycle_gy=by_cycle,
        sum_gy=sum(by_cycle.values()),
        standard_uncertainty_gy=None if total is None else float(total.std_dev),
        missing_cycles=tuple(cycle for cycle in cycles if cycle not in by_cycle),
    )


def _cycle_dose(dose: DoseRecord, row: dict[str, Any]) -> CycleDose:
    document = dose.document
    nuclide = document["administration"]["nuclide"]
    sensitivity = (document.get("calibration") or {}).get("sensitivity_cps_per_MBq")
    calibration = f"of {nuclide}" if sensitivity is None else f"{sensitivity:.6g} cps/MBq of {nuclide}"
    budget = row.get("uncertainty_budget")
    known = row["u_absorbed_dose_Gy"] is not None and budget is not None and None not in budget.values()
    return CycleDose(
        absorbed_dose_gy=float(row["absorbed_dose_Gy"]),
        relative=budget if known else None,
        shared=frozenset(row.get("uncertainty_shared", SHARED_UNLESS_SAID)),
        group={"calibration": calibration},
    )
