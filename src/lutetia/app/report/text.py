"""The report's numbers as people read them, for HTML and PDF alike."""

import math
from datetime import datetime
from typing import Any, Final

from lutetia import __version__
from lutetia.app.report.content import (
    RESEARCH_USE,
    MethodDose,
    PublishedRange,
    RegionBiology,
    RegionResult,
    ReportContent,
    ScanSummary,
)
from lutetia.app.report.marrow import MarrowSection
from lutetia.app.report.numbers import scaled
from lutetia.dose.marrow.methods import CAUTION
from lutetia.dose.uncertainty import in_order
from lutetia.units import H_PER_S, MBQ_H_PER_BQ_S, MBQ_PER_BQ

OVER_CT: Final = " over CT in grey"

CAPTIONS: Final = {
    "fused": f"Absorbed dose in colour{OVER_CT}, with the outlines of the regions, through a kidney and the hottest "
    "region. R, L, A, P, H, F: patient's right, left, front, back, head, feet.",
    "mip": "Coronal maximum-intensity projections of the scans, registered onto the reference, all on one scale.",
    "doses": "Absorbed dose per administered activity with 95 % intervals; grey areas are published ranges.",
    "curves": "Activity: measurements with standard uncertainty (k=1), fit with its k=1 band, dashed beyond the last scan.",
    "dvh": "Cumulative dose-volume histograms; limited resolution makes edges look shallower than they are.",
    "budget": "Where the uncertainty of each absorbed dose comes from (k=1), each error with all that it moves.",
}


BIOLOGY: Final = (
    "BED = D + G D²/(α/β) of the mean absorbed dose of this administration; G is the dose protraction (Lea–Catcheside) "
    "factor of the region's own curve; EQD2 is the dose of equal effect in fractions of 2 Gy. ± is from the absorbed dose "
    "alone: α/β and the repair half-life are uncertain by a factor and hold for one endpoint."
)


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
    if value is None or u is None or not (u > 0 and math.isfinite(u) and math.isfinite(value)):
        return number(value)
    places = 1 - math.floor(math.log10(u))
    decimals = max(0, places)
    return f"{round(value, places):.{decimals}f} ± {round(u, places):.{decimals}f}"


def percent(fraction: float | None, decimals: int = 0) -> str:
    """A fraction in per cent, without the sign of per cent."""
    return "–" if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.{decimals}f}"


def _as_published(value: float) -> str:
    """Two decimals as printed in the literature, more where the source has them."""
    return f"{value:.2f}" if round(value, 2) == value else f"{value:g}"


def _position(per_gbq: float, published: PublishedRange | None) -> tuple[str, str]:
    """Published range and where the result lies."""
    if published is None:
        return "–", "none published"
    low, high = published.low_gy_per_gbq, published.high_gy_per_gbq
    side = "below" if per_gbq < low else "above" if per_gbq > high else "within"
    return f"{_as_published(low)}–{_as_published(high)}", side


def _difference(mean: float, u: float | None, truth: float | None) -> str:
    """Deviation from the truth in per cent and in standard uncertainties."""
    if not truth or not math.isfinite(mean):
        return "–"
    text = f"{100 * (mean / truth - 1):+.1f} %".replace("-", "−")
    return text if not u else f"{text} ({abs(mean - truth) / u:.1f} u)"


def _interval(ends: tuple[float, float] | None) -> str:
    if ends is None or not math.isfinite(ends[0]):
        return "unknown"
    return f"{number(ends[0])}–{number(ends[1])}" if math.isfinite(ends[1]) else f"above {number(ends[0])}"


def _region(content: ReportContent, result: RegionResult) -> dict[str, str]:
    dose, fit = result.dose, result.fit
    u, mean = dose.standard_uncertainty_gy, dose.mean_gy
    per_gbq = mean / content.administered_gbq
    published, position = _position(per_gbq, content.range_of(result))
    truth = (content.truth_gy or {}).get(result.region)
    return {
        "region": result.region,
        "source": result.source,
        "volume": number(result.volume_ml),
        "mass": number(dose.mass_g),
        "tia": with_uncertainty(
            fit.time_integrated_activity_bq_s * MBQ_H_PER_BQ_S,
            scaled(fit.standard_uncertainty_bq_s, MBQ_H_PER_BQ_S),
        ),
        "half_life": number(scaled(fit.effective_half_life_s, H_PER_S)),
        "extrapolated": percent(fit.extrapolated_fraction),
        "dose": with_uncertainty(mean, u),
        "interval": _interval(dose.interval_95_gy),
        "per_gbq": number(per_gbq),
        "published": published,
        "position": position,
        "model": fit.model,
        "method": dose.method,
        "checks": "; ".join(f"{name}: {number(value)} Gy" for name, value in dose.cross_checks.items()) or "–",
        "recovery": ", ".join(number(r, 2) for r in result.recovery_coefficients) or "–",
        "truth": number(truth),
        "difference": _difference(mean, u, truth),
    }


def _activities(content: ReportContent) -> tuple[list[str], list[list[str]]]:
    """Hours of all scans, and per region the activity at each. [h], [MBq]"""
    times = sorted({float(t) for result in content.results for t in result.curve.time_s})
    rows = []
    for result in content.results:
        curve = result.curve
        u = curve.standard_uncertainty_bq
        cells = {
            float(time_s): with_uncertainty(
                float(curve.activity_bq[i]) * MBQ_PER_BQ, None if u is None else float(u[i]) * MBQ_PER_BQ
            )
            for i, time_s in enumerate(curve.time_s)
        }
        rows.append([result.region, *(cells.get(time, "–") for time in times)])
    return [f"{time * H_PER_S:.1f} h" for time in times], rows


def _budget(content: ReportContent) -> tuple[list[str], list[list[str]]]:
    names = in_order(c.name for r in content.results for c in r.dose.budget)
    rows = []
    for result in content.results:
        parts = {c.name: percent(c.relative, 1) for c in result.dose.budget}
        u, mean = result.dose.standard_uncertainty_gy, result.dose.mean_gy
        total = "unknown" if u is None or not mean > 0 else percent(u / mean, 1)
        rows.append([result.region, *(parts.get(name, "–") for name in names), total])
    return names, rows


def _with_statistics(dose: MethodDose) -> str:
    """Mean dose, and the standard uncertainty of its statistics where it has some. [Gy]"""
    mean, u = dose.mean_gy, dose.statistical_gy
    return number(mean) if not mean or not u else f"{number(mean)} ± {number(100 * u / mean, 2)} %"


def _parameter_source(found: RegionBiology) -> str:
    return found.tissue.source + ("" if found.tissue.verified else " (not verified)")


def _biology(content: ReportContent) -> dict[str, Any]:
    """Biologically effective doses, their parameters and the number of their source; and the sources."""
    found = [(r.region, r.dose.mean_gy, r.biology) for r in content.results if r.biology is not None]
    sources = list(dict.fromkeys(_parameter_source(b) for _, _, b in found))
    rows = [
        [
            region,
            number(mean),
            number(b.bed.g),
            with_uncertainty(b.bed.bed_gy, b.bed.standard_uncertainty_gy),
            number(b.bed.eqd2_gy),
            f"{b.bed.alpha_beta_gy:g}",
            f"{b.repair_half_life_s * H_PER_S:.3g}",
            str(sources.index(_parameter_source(b)) + 1),
        ]
        for region, mean, b in found
    ]
    return {"biology": rows, "biology_sources": sources, "biology_note": BIOLOGY}


def _chain(content: ReportContent) -> dict[str, Any]:
    """Doses by radiation where daughters are followed, the weighted ones beside; and what voxels do not show."""
    found = [(r.region, r.chain) for r in content.results if r.chain is not None]
    if not found:
        return {"chain": [], "chain_note": "", "unseen": []}
    rows = []
    for region, chain in found:
        parts, weighted = chain.dose.by_radiation, chain.weighted
        rows.append(
            [
                region, number(parts.total_gy), number(parts.alpha_gy), number(parts.recoil_gy),
                number(parts.electron_gy), number(parts.photon_gy),
                number(None if weighted is None else weighted.weighted_gy), number(chain.bed_gy),
            ]
        )  # fmt: skip
    first = found[0][1]
    note = (
        f"{', '.join(first.dose.by_member)} within {number(first.dose.horizon_s * H_PER_S)} h; {first.dose.assumption}. "
        f"By: {'; '.join(dict.fromkeys(chain.dose.method for _, chain in found))}. "
    )
    if first.weighted is not None:
        note += (
            f"Weighted: alphas and recoil by an RBE of {first.weighted.rbe:g} for {first.weighted.endpoint} "
            f"({first.weighted.source}{'' if first.weighted.verified else ', not verified'}), whose uncertainty is not "
            "included; BED with the same RBE and the protraction of electrons and photons."
        )
    return {"chain": rows, "chain_note": note.strip(), "unseen": list(content.unseen)}


def _methods(content: ReportContent) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """Heads of the methods that were computed, and per region the mean dose by each with its own statistics. [Gy]"""
    heads = {m.method: {"label": m.label, "chosen": m.chosen} for r in content.results for m in r.by_method}
    rows = []
    for result in content.results:
        cells = {m.method: _with_statistics(m) for m in result.by_method}
        rows.append([result.region, *(cells.get(method, "–") for method in heads)])
    return list(heads.values()), rows if heads else []


def _coefficients(content: ReportContent) -> list[list[str]]:
    """Per region the time-integrated activity and its coefficient. [MBq h], [h]"""
    rows = []
    for result in content.results:
        fit, c = result.fit, content.coefficient_of(result)
        total, u = fit.time_integrated_activity_bq_s, fit.standard_uncertainty_bq_s
        rows.append(
            [
                result.region,
                with_uncertainty(total * MBQ_H_PER_BQ_S, scaled(u, MBQ_H_PER_BQ_S)),
                with_uncertainty(c.value_s * H_PER_S, scaled(c.standard_uncertainty_s, H_PER_S)),
            ]
        )
    return rows


def _marrow(section: MarrowSection | None) -> dict[str, Any] | None:
    """Red marrow: a row of each method, what was published, remarks."""
    if section is None:
        return None
    rows = [
        [
            dose.description,
            number(dose.self_gy),
            number(dose.cross_gy),
            with_uncertainty(dose.mean_gy, dose.standard_uncertainty_gy),
            number(dose.mean_gy / section.administered_gbq),
            ", ".join(f"{c.name} {percent(c.relative)}" for c in dose.budget) or "–",
        ]
        for dose in section.doses
    ]
    published = [f"{p.method} {number(p.value_gy_per_gbq)} ({p.kind}; {p.source})" for p in section.published]
    remarks = [*section.warnings, *(f"{d.method}: {w}" for d in section.doses for w in d.warnings)]
    return {"caution": CAUTION, "rows": rows, "published": published, "remarks": list(dict.fromkeys(remarks))}


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


def _administration(content: ReportContent) -> list[list[str]]:
    given = content.administration
    time: datetime | None = given.time
    return [
        ["radiopharmaceutical", given.agent or "not named"],
        ["radionuclide", given.nuclide],
        ["administered activity", f"{number(given.activity_bq * MBQ_PER_BQ, 4)} MBq"],
        [
            "time of administration",
            time.strftime("%Y-%m-%d %H:%M") if time else "not given; hours per scan were given",
        ],
        ["reference scan", content.reference],
        ["computed", str(content.provenance.get("started", "not recorded")).replace("T", " ")],
    ]


def _scan(scan: ScanSummary) -> list[str]:
    counts = "–" if scan.counts is None else f"{scan.counts / 1e6:.2f}"
    return [
        scan.label, f"{scan.time_h:.1f}", scan.start, scan.equipment, str(scan.beds), counts,
        number(scan.total_activity_mbq), scan.registration,
    ]  # fmt: skip


def report_text(content: ReportContent) -> dict[str, Any]:
    """Everything that the templates print, as text."""
    names, budget = _budget(content)
    hours, activities = _activities(content)
    dose_methods, by_method = _methods(content)
    return {
        "title": "Absorbed dose report",
        "notice": RESEARCH_USE,
        "version": __version__,
        "subject": content.subject,
        "administration": _administration(content),
        "missing": list(content.missing_items),
        "warnings": list(content.warnings),
        "has_truth": bool(content.truth_gy),
        "regions": [_region(content, result) for result in content.results],
        "scans": [_scan(scan) for scan in content.scans],
        "activity_times": hours,
        "activities": activities,
        "coefficients": _coefficients(content),
        "marrow": _marrow(content.marrow),
        "budget_names": names,
        "budget": budget,
        "dose_methods": dose_methods,
        "by_method": by_method,
        **_biology(content),
        **_chain(content),
        "methods": [[key, value] for key, value in content.methods.items()],
        "fit_warnings": [
            [r.region, w] for r in content.results for w in dict.fromkeys((*r.fit.warnings, *r.dose.warnings))
        ],
        "provenance": _flat(content.provenance),
        "captions": CAPTIONS if content.ct is not None else {**CAPTIONS, "fused": CAPTIONS["fused"].replace(OVER_CT, "")},
    }  # fmt: skip
