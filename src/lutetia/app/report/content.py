"""What a dose report is made of: filled in by the workflow, drawn and printed by the other modules here."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

from lutetia.app.report.marrow import MarrowSection
from lutetia.dose.absorbed_dose import AbsorbedDose
from lutetia.dose.chains import ChainAbsorbedDose, RbeWeightedDose
from lutetia.images.acquisition import Administration, TimePoint
from lutetia.images.regions import Regions
from lutetia.images.volume import Volume
from lutetia.kinetics.coefficients import TimeIntegratedActivityCoefficient, time_integrated_activity_coefficient
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.response.bed import BiologicallyEffectiveDose
from lutetia.response.parameters import TissueParameters
from lutetia.units import GBQ_PER_BQ

RESEARCH_USE: Final = "Research use only. Not a medical device."


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedRange:
    """Absorbed dose per administered activity in the literature. [Gy/GBq]"""

    median_gy_per_gbq: float
    low_gy_per_gbq: float
    high_gy_per_gbq: float
    source: str


@cache
def _published() -> tuple[dict[str, str], ...]:
    table = files("lutetia.app.report") / "data" / "application_note" / "published_doses.csv"
    with table.open("r", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def published_range(region: str, kind: str, agent: str) -> PublishedRange | None:
    """Published range beside a region; only for 177Lu-DOTATATE, None where there is none."""
    if "DOTATATE" not in agent.upper():
        return None
    for row in _published():
        if (kind == "lesion" and row["kind"] == "lesion") or (
            kind != "lesion" and region.startswith(row["region"])
        ):
            return PublishedRange(
                median_gy_per_gbq=float(row["median [Gy/GBq]"]),
                low_gy_per_gbq=float(row["low [Gy/GBq]"]),
                high_gy_per_gbq=float(row["high [Gy/GBq]"]),
                source=row["source"],
            )
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodDose:
    """Mean dose of one region by one of the methods that were computed.

    Attributes
    ----------
    method : key, as in the case file
    label : for people
    mean_gy : None where the method does not reach the region. [Gy]
    statistical_gy : standard uncertainty of the method's own statistics, None where it has none. [Gy]
    chosen : whether it is the result
    """

    method: str
    label: str
    mean_gy: float | None
    statistical_gy: float | None = None
    chosen: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionBiology:
    """Biologically effective dose of a region's mean dose, and the parameters behind it (with a repair half-life)."""

    bed: BiologicallyEffectiveDose
    tissue: TissueParameters
    repair_half_life_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionChain:
    """Dose of a region by chain member and radiation; weighted and BED [Gy] where an RBE was named."""

    dose: ChainAbsorbedDose
    weighted: RbeWeightedDose | None
    bed_gy: float | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RegionResult:
    """All that is known about one region; ``recovery_coefficients`` are measured over true, one per scan."""

    region: str
    kind: str
    side: str
    source: str
    volume_ml: float
    curve: TimeActivityCurve
    fit: CurveFit
    dose: AbsorbedDose
    recovery_coefficients: tuple[float, ...] = ()
    by_method: tuple[MethodDose, ...] = ()
    biology: RegionBiology | None = None
    chain: RegionChain | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanSummary:
    """One scan in the report's table of acquisitions."""

    label: str
    time_h: float
    start: str
    equipment: str
    beds: int
    counts: float | None
    total_activity_mbq: float
    registration: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReportContent:
    """The whole report.

    Attributes
    ----------
    subject : pseudonym
    time_points : images registered onto the grid of the maps. [Bq/mL]
    ct : of the reference scan. [HU]
    regions : on the CT's grid, or the image's where there is no CT
    time_integrated_activity, dose : maps on one grid. [Bq s/mL], [Gy]
    methods : step -> what was done
    checklist : item of the reporting guideline -> whether it is there
    truth_gy : region -> true mean absorbed dose, for virtual patients
    marrow : red marrow by several methods, None where no method can be computed
    unseen : what voxels do not show of alphas, in sentences
    """

    subject: str
    administration: Administration
    scans: tuple[ScanSummary, ...]
    time_points: tuple[TimePoint, ...]
    reference: str
    ct: Volume | None
    regions: Regions
    time_integrated_activity: Volume
    dose: Volume
    results: tuple[RegionResult, ...]
    methods: Mapping[str, str]
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]
    checklist: Mapping[str, bool] = field(default_factory=dict)
    truth_gy: Mapping[str, float] | None = None
    marrow: MarrowSection | None = None
    unseen: tuple[str, ...] = ()

    @property
    def administered_gbq(self) -> float:
        """Administered activity. [GBq]"""
        return self.administration.activity_bq * GBQ_PER_BQ

    def coefficient_of(self, result: RegionResult) -> TimeIntegratedActivityCoefficient:
        """Time-integrated activity coefficient of one of the results."""
        fit = result.fit
        return time_integrated_activity_coefficient(
            result.region,
            time_integrated_activity_bq_s=fit.time_integrated_activity_bq_s,
            standard_uncertainty_bq_s=fit.standard_uncertainty_bq_s,
            administered_activity_bq=self.administration.activity_bq,
        )

    @property
    def missing_items(self) -> tuple[str, ...]:
        """Items of the checklist that are not there; any makes the report INCOMPLETE."""
        return tuple(item for item, there in self.checklist.items() if not there)

    def range_of(self, result: RegionResult) -> PublishedRange | None:
        """Published range beside one of the results."""
        return published_range(result.region, result.kind, self.administration.agent)
