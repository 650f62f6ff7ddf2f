"""The report's numbers as people read them, for HTML and PDF alike."""

import math
from datetime import datetime
from typing import Any, Final

from lutetia import __version__
from lutetia.app.report.content import RESEARCH_USE, PublishedRange, RegionResult, ReportContent
from lutetia.units import H_PER_S, MBQ_H_PER_BQ_S, MBQ_PER_BQ

CAPTIONS: Final = {
    "fused": "Absorbed dose on CT with the outlines of the regions; patient's right on the left.",
    "projections": "Coronal maximum-intensity projections of the scans, registered onto the reference, on one scale.",
    "doses": "Absorbed dose per administered activity; bars are k=2 intervals, grey areas published ranges.",
    "curves": "Activity: measurements with standard uncertainty, fit with its k=1 band, dashed beyond the last scan.",
    "histograms": "Cumulative dose-volume histograms; limited resolution makes edges look shallower than they are.",
    "budget": "Where the uncertainty of each dose comes from.",
}


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits without exponents for ordinary sizes; a dash for nothing."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def with_uncertainty(value: float | None, u: float | None) -> str:
    """Value ± standard uncertainty to two digits of the uncertainty."""
    if value is None or u is None or u <= 0 or not math.isfinite(u):
        return number(value)
    decimals = max(0, 1 - math.floor(math.log10(u)))
    return f"{value:.{decimals}f} ± {u:.{decimals}f}"


def _position(per_gbq: float, published: PublishedRange | None) -> str:
    if published is None:
        return "none published"
    low, high = published.low_gy_per_gbq, published.high_gy_per_gbq
    side = "below" if per_gbq < low else "above" if per_gbq > high else "within"
    return f"{low:g}–{high:g} ({side})"


def _region(content: ReportContent, result: RegionResult) -> dict[str, str]:
    dose, fit = result.dose, result.fit
    u, mean = dose.standard_uncertainty_gy, dose.mean_gy
    per_gbq = mean / content.administered_gbq
    half_life = fit.effective_half_life_s
    tia_u = fit.standard_uncertainty_bq_s
    row = {
        "region": result.region,
        "source": result.source,
        "mass": number(dose.mass_g),
        "tia": with_uncertainty(
            fit.time_integrated_activity_bq_s * MBQ_H_PER_BQ_S, None if tia_u is None else tia_u * MBQ_H_PER_BQ_S
        ),
        "half_life": "–" if half_life is None else f"{half_life * H_PER_S:.1f}",
        "extrapolated": f"{100 * fit.extrapolated_fraction:.0f}",
        "dose": with_uncertainty(mean, u),
        "interval": "unknown" if u is None else f"{number(max(mean - 2 * u, 0))}–{number(mean + 2 * u)}",
        "per_gbq": number(per_gbq),
        "published": _position(per_gbq, content.range_of(result)),
        "model": fit.model,
        "checks": "; ".join(f"{name}: {number(value)} Gy" for name, value in dose.cross_checks.items()),
        "recovery": ", ".join(f"{r:.2f}" for r in result.recovery_coefficients) or "–",
    }
    truth = (content.truth_gy or {}).get(result.region)
    row["truth"] = "–" if truth is None else number(truth)
    row["difference"] = "–" if truth is None else f"{100 * (mean / truth - 1):+.1f} %"
    return row


def _activities(content: ReportContent) -> list[list[str]]:
    rows = []
    for result in content.results:
        curve = result.curve
        for i, time_s in enumerate(curve.time_s):
            u = (
                None
                if curve.standard_uncertainty_bq is None
                else float(curve.standard_uncertainty_bq[i]) * MBQ_PER_BQ
            )
            activity = with_uncertainty(float(curve.activity_bq[i]) * MBQ_PER_BQ, u)
            rows.append([result.region, f"{time_s * H_PER_S:.1f}", activity])
    return rows


def _budget(content: ReportContent) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(c.name for r in content.results for c in r.dose.budget))
    rows = []
    for result in content.results:
        parts = {c.name: f"{100 * c.relative:.1f}" for c in result.dose.budget}
        u = result.dose.standard_uncertainty_gy
        total = "unknown" if u is None else f"{100 * u / result.dose.mean_gy:.1f}"
        rows.append([result.region, *(parts.get(name, "–") for name in names), total])
    return names, rows


def _flat(mapping: Any, prefix: str = "") -> list[list[str]]:
    """A nested mapping as rows of dotted key and value."""
    rows: list[list[str]] = []
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            rows += _flat(value, f"{name}: ")
        elif isinstance(value, list):
            rows.append([name, ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)])
        else:
            rows.append([name, "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)])
    return rows


def report_text(content: ReportContent) -> dict[str, Any]:
    """Everything that the templates print, as text."""
    given = content.administration
    names, budget = _budget(content)
    time: datetime | None = given.time
    return {
        "title": "Absorbed dose report",
        "notice": RESEARCH_USE,
        "version": __version__,
        "subject": content.subject,
        "administration": [
            ["radiopharmaceutical", given.agent or "not named"],
            ["radionuclide", given.nuclide],
            ["administered activity", f"{number(given.activity_bq * MBQ_PER_BQ, 4)} MBq"],
            ["time of administration", time.strftime("%Y-%m-%d %H:%M") if time else "not given; hours per scan were given"],
            ["reference scan", content.reference],
        ],
        "missing": list(content.missing_items),
        "warnings": list(content.warnings),
        "has_truth": bool(content.truth_gy),
        "regions": [_region(content, result) for result in content.results],
        "scans": [
            [s.label, f"{s.time_h:.1f}", s.start, s.equipment, str(s.beds),
             "–" if s.counts is None else f"{s.counts / 1e6:.2f}", number(s.total_activity_mbq), s.registration]
            for s in content.scans
        ],
        "activities": _activities(content),
        "budget_names": names,
        "budget": budget,
        "methods": [[key, value] for key, value in content.methods.items()],
        "fit_warnings": [[r.region, w] for r in content.results for w in (*r.fit.warnings, *r.dose.warnings)],
        "provenance": _flat(content.provenance),
        "captions": CAPTIONS,
    }  # fmt: skip
