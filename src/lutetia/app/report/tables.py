"""Numbers for other programs: dose.json and tidy CSV files."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from lutetia import __version__
from lutetia.app.report.chains import chain_keys
from lutetia.app.report.content import RESEARCH_USE, RegionBiology, RegionChain, RegionResult, ReportContent
from lutetia.app.report.fits import curve_for_people
from lutetia.app.report.marrow import marrow_document
from lutetia.app.report.numbers import finite, interval, scaled
from lutetia.errors import MissingDataError
from lutetia.units import H_PER_S, MBQ_H_PER_BQ_S, MBQ_PER_BQ

SCHEMA: Final = "lutetia dose 1"

NOT_TABULAR: Final = (
    "parameters", "covariance", "exponentials", "interval_95_MBq_h", "interval_95_Gy",
    "recovery_coefficients", "uncertainty_budget", "uncertainty_shared", "by_method_Gy", "cross_checks_Gy",
    "published_range_Gy_per_GBq", "biology", "warnings",
    "by_radiation_Gy", "by_member_Gy", "by_member_and_radiation_Gy", "rbe", "assumption_sources",
)  # fmt: skip
"""Keys of a region that hold lists or tables and so are no columns of doses.csv."""


def _biology(found: RegionBiology | None) -> dict[str, Any] | None:
    """Biologically effective dose, None for a region without parameters."""
    if found is None:
        return None
    return {
        "g": finite(found.bed.g),
        "bed_Gy": finite(found.bed.bed_gy),
        "u_bed_Gy": finite(found.bed.standard_uncertainty_gy),
        "eqd2_Gy": finite(found.bed.eqd2_gy),
        "alpha_beta_Gy": found.bed.alpha_beta_gy,
        "repair_half_life_h": found.repair_half_life_s * H_PER_S,
        "source": found.tissue.source,
        "verified": found.tissue.verified,
    }


def _chain(found: RegionChain) -> dict[str, Any]:
    """Keys of a region whose daughters are followed."""
    return {
        **chain_keys(found.dose, found.weighted),
        "bed_Gy": finite(found.bed_gy),
        "chain_method": found.dose.method,
        "horizon_h": found.dose.horizon_s * H_PER_S,
        "assumption": found.dose.assumption,
        "assumption_sources": list(found.dose.sources),
    }


def region_row(content: ReportContent, result: RegionResult) -> dict[str, Any]:
    """One region of dose.json; keys as in docs/reference/json.md."""
    dose, fit = result.dose, result.fit
    published = content.range_of(result)
    per_gbq = dose.mean_gy / content.administered_gbq
    coefficient = content.coefficient_of(result)
    row: dict[str, Any] = {
        "region": result.region,
        "kind": result.kind,
        "mass_g": finite(dose.mass_g),
        "time_integrated_activity_MBq_h": scaled(fit.time_integrated_activity_bq_s, MBQ_H_PER_BQ_S),
        "u_time_integrated_activity_MBq_h": scaled(fit.standard_uncertainty_bq_s, MBQ_H_PER_BQ_S),
        "time_integrated_activity_coefficient_h": scaled(coefficient.value_s, H_PER_S),
        "u_time_integrated_activity_coefficient_h": scaled(coefficient.standard_uncertainty_s, H_PER_S),
        "effective_half_life_h": scaled(fit.effective_half_life_s, H_PER_S),
        "extrapolated_fraction": finite(fit.extrapolated_fraction),
        "absorbed_dose_Gy": finite(dose.mean_gy),
        "u_absorbed_dose_Gy": finite(dose.standard_uncertainty_gy),
        "interval_95_Gy": interval(dose.interval_95_gy, 1.0),
        "absorbed_dose_Gy_per_GBq": finite(per_gbq),
        "method": dose.method,
        "mass_convention": content.methods.get("masses"),
        "volume_mL": finite(result.volume_ml),
        "source": result.source,
        "model": fit.model,
        **curve_for_people(fit),
        "recovery_coefficients": [finite(c) for c in result.recovery_coefficients],
        "uncertainty_budget": {c.name: finite(c.relative) for c in dose.budget},
        "uncertainty_shared": [c.name for c in dose.budget if c.shared],
        "dose_method": next((m.method for m in result.by_method if m.chosen), None),
        "by_method_Gy": {
            m.method: {"mean": finite(m.mean_gy), "u_statistical": finite(m.statistical_gy)} for m in result.by_method
        },
        "cross_checks_Gy": {name: finite(value) for name, value in dose.cross_checks.items()},
        "published_range_Gy_per_GBq": None if published is None else [published.low_gy_per_gbq, published.high_gy_per_gbq],
        "biology": _biology(result.biology),
        "warnings": [*fit.warnings, *dose.warnings],
        **({} if result.chain is None else _chain(result.chain)),
    }  # fmt: skip
    if content.truth_gy is not None:
        row["truth_Gy"] = finite(content.truth_gy.get(result.region))
    return row


def dose_document(content: ReportContent, out: Path) -> dict[str, Any]:
    """The document of ``lutetia run --json`` and dose.json."""
    given = content.administration
    return {
        "schema": SCHEMA,
        "software": f"Lutetia {__version__}",
        "notice": RESEARCH_USE,
        "out": str(out),
        "subject": content.subject,
        "administration": {
            "nuclide": given.nuclide,
            "agent": given.agent or None,
            "activity_MBq": given.activity_bq * MBQ_PER_BQ,
            "time": given.time.isoformat() if given.time else None,
        },
        "calibration": {
            key: finite(content.provenance.get("parameters", {}).get(key))
            for key in ("sensitivity_cps_per_MBq", "sensitivity_relative_uncertainty")
        },
        "incomplete": list(content.missing_items),
        "warnings": list(content.warnings),
        "methods": dict(content.methods),
        "regions": [region_row(content, result) for result in content.results],
        "unseen": list(content.unseen),
        "marrow": None if content.marrow is None else marrow_document(content.marrow),
    }


def write_tables(content: ReportContent, folder: Path, out: Path) -> dict[str, Any]:
    """Write dose.json and the CSV files into a folder; returns the document.

    Parameters
    ----------
    content : the report
    folder : where to write now
    out : where the user will find it, for the document's ``out``

    Raises
    ------
    MissingDataError
        There is no region to report.
    """
    document = dose_document(content, out)
    if not document["regions"]:
        raise MissingDataError("The report has no region; expected at least one with an activity and a dose.")
    text = json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / "dose.json").write_text(text + "\n", "utf-8")
    # a value that is missing in the first region may be a list in the next
    columns = [key for key in document["regions"][0] if key not in NOT_TABULAR]
    _csv(folder / "doses.csv", columns, ([row.get(key) for key in columns] for row in document["regions"]))
    _csv(
        folder / "curves.csv",
        ["region", "time_h", "activity_MBq", "u_activity_MBq", "fitted_activity_MBq"],
        _curve_rows(content.results),
    )
    _csv(folder / "dvh.csv", ["region", "absorbed_dose_Gy", "volume_fraction"], _dvh_rows(content.results))
    _csv(
        folder / "uncertainty_budget.csv",
        ["region", "component", "relative_standard_uncertainty", "shared_by_all_regions"],
        ([r.region, c.name, c.relative, c.shared] for r in content.results for c in r.dose.budget),
    )
    _csv(
        folder / "methods.csv",
        ["region", "method", "absorbed_dose_Gy", "u_statistical_Gy", "chosen"],
        ([r.region, m.method, m.mean_gy, m.statistical_gy, m.chosen] for r in content.results for m in r.by_method),
    )
    return document


def _csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _curve_rows(results: Iterable[RegionResult]) -> Iterable[list[Any]]:
    for result in results:
        curve = result.curve
        fitted = result.fit.activity_at(curve.time_s)
        u = curve.standard_uncertainty_bq
        for i, time_s in enumerate(curve.time_s):
            spread = None if u is None else float(u[i]) * MBQ_PER_BQ
            measured, model = float(curve.activity_bq[i]) * MBQ_PER_BQ, float(fitted[i]) * MBQ_PER_BQ
            yield [result.region, float(time_s) * H_PER_S, measured, spread, model]


def _dvh_rows(results: Iterable[RegionResult]) -> Iterable[list[Any]]:
    for result in results:
        doses, fractions = result.dose.dvh_dose_gy, result.dose.dvh_volume_fraction
        for dose, fraction in zip(np.asarray(doses), np.asarray(fractions), strict=True):
            yield [result.region, float(dose), float(fraction)]
