"""The discharge sheet as a document: what is in the patient, what others may do from when, urine and waste."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lutetia.therapy.protection.contact import ContactPattern, restriction
from lutetia.therapy.protection.dose_rate import (
    MEASURED,
    ExternalDoseRate,
    dose_rate_constant,
    published_constants,
)
from lutetia.therapy.protection.excretion import balance, elimination_statements, sewer_release
from lutetia.therapy.protection.release import (
    Limit,
    Plausibility,
    dose_to_others_of_patient_sv,
    dose_to_others_sv,
    occupancy_factor,
    plausibility,
    undiminished_sv_per_s,
)
from lutetia.therapy.protection.retention import Retention
from lutetia.therapy.protection.uncertainty import DelaySpread, delay_spreads, dose_rate_band
from lutetia.therapy.protection.waste import Content, Impurity, clearance_values, storage_time
from lutetia.units import (
    BQ_PER_KBQ,
    DAY_PER_S,
    H_PER_S,
    KBQ_PER_BQ,
    MBQ_PER_BQ,
    MSV_PER_SV,
    S_PER_H,
    SV_PER_S_PER_USV_PER_H,
    USV_PER_H_PER_SV_PER_S,
)

HOURS: Final = (0.0, 1.0, 4.0, 6.0, 24.0, 48.0, 72.0, 168.0)
NOTE: Final = (
    "Doses of external radiation alone; contamination and incorporation are not included. The law and the licence of the "
    "place decide. Research use only."
)
USV_M2_PER_H_MBQ: Final = USV_PER_H_PER_SV_PER_S * 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Tank:
    """Urine that is collected until a time, and released later: times after the administration. [s], [m3]

    ``impurity`` is a long-lived impurity and its share of the administered activity, None where none was given.
    """

    collected_until_s: float
    released_at_s: float
    volume_m3: float | None
    impurity: tuple[Impurity, float] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Residue:
    """Activity in a vial or in waste, its clearance limit, and readings of a long-lived impurity in it. [Bq]"""

    activity_bq: float
    limit_bq: float
    impurity_fraction: float | None
    readings: tuple[Impurity, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sheet:
    """All that a discharge sheet is made of; times in seconds after the administration unless named otherwise.

    ``caution`` heads the sheet: why measurements of the patient were not used as a curve; empty where they were.
    """

    nuclide: str
    half_life_s: float
    agent: str
    activity_bq: float
    administered_at_s: float
    dose_rate: ExternalDoseRate
    limits: tuple[Limit, ...]
    patterns: tuple[ContactPattern, ...]
    treatments_per_year: int
    distance_exponent: float
    discharge_s: float | None
    tank: Tank | None
    residue: Residue | None
    draws: int
    seed: int
    told: tuple[str, ...]
    caution: str = ""


def discharge_document(sheet: Sheet) -> dict[str, Any]:
    """The sheet as a JSON document; keys as in docs/reference/json.md."""
    rate, retention = sheet.dose_rate, sheet.dose_rate.retention
    contacts = _contacts(sheet)
    doubt = plausibility(rate, nuclide=sheet.nuclide, activity_bq=sheet.activity_bq)
    document: dict[str, Any] = {
        "caution": " ".join(text for text in (doubt.caution, sheet.caution) if text) or None,
        "nuclide": sheet.nuclide,
        "agent": sheet.agent or None,
        "activity_MBq": sheet.activity_bq * MBQ_PER_BQ,
        "administered_at_h": sheet.administered_at_s * H_PER_S,
        "treatments_per_year": sheet.treatments_per_year,
        "distance_exponent": sheet.distance_exponent,
        "retention": _retention(retention),
        "dose_rate": _dose_rate(sheet),
        "course": _course(sheet),
        "limits": [_limit(sheet, limit, doubt) for limit in sheet.limits],
        "contacts": contacts,
        "elimination": _elimination(sheet),
        "sewer": _sewer(sheet),
        "waste": _waste(sheet),
        "warnings": list(
            dict.fromkeys([*sheet.told, *retention.warnings, *rate.warnings, *filter(None, [doubt.warning])])
        ),
        "note": NOTE,
    }
    if all(row["median_h"] is None for row in contacts) and contacts:
        document["warnings"].append("Neither retention nor dose rate has a spread: restrictions have no interval.")
    return document


def _retention(retention: Retention) -> dict[str, Any]:
    return {
        "name": retention.name,
        "terms": [{"fraction": a, "effective_half_life_h": math.log(2) / k * H_PER_S} for a, k in retention.terms],
        "meaning": retention.meaning,
        "source": retention.source,
        "verified": retention.verified,
    }


def _elimination(sheet: Sheet) -> list[dict[str, Any]]:
    return [
        {
            "statement": s.statement,
            "reading": s.reading,
            "time_h": s.time_s * H_PER_S,
            "stated": s.stated,
            "by_retention": s.expected,
            "source": s.source,
            "verified": s.verified,
        }
        for s in elimination_statements(sheet.dose_rate.retention, agent=sheet.agent)
    ]


def _dose_rate(sheet: Sheet) -> dict[str, Any]:
    rate = sheet.dose_rate
    point = dose_rate_constant(sheet.nuclide)
    constants = [
        *(
            dose_rate_constant(sheet.nuclide, quantity=q)
            for q in ("ambient dose equivalent", "dose equivalent 1977")
        ),
        *published_constants(sheet.nuclide),
    ]
    bare = point.value_sv_m2_per_bq_s * sheet.activity_bq
    return {
        "at_0_h_uSv_h": rate.start_sv_per_s * USV_PER_H_PER_SV_PER_S,
        "u_relative": rate.relative_sd,
        "source": rate.source,
        "verified": rate.verified,
        "point_source_uSv_h": bare * USV_PER_H_PER_SV_PER_S,
        "over_point_source": rate.start_sv_per_s / bare if bare > 0 else None,
        "constants": [
            {
                "quantity": c.quantity,
                "uSv_m2_per_h_MBq": c.value_sv_m2_per_bq_s * USV_M2_PER_H_MBQ,
                "source": c.source,
                "verified": c.verified,
            }
            for c in constants
        ],
    }


def _course(sheet: Sheet) -> list[dict[str, Any]]:
    times = set(HOURS) if sheet.discharge_s is None else {*HOURS, sheet.discharge_s * H_PER_S}
    hours = np.array(sorted(times))
    band = dose_rate_band(sheet.dose_rate, hours * S_PER_H, draws=sheet.draws, seed=sheet.seed)
    found = []
    for place, hour in enumerate(hours.tolist()):
        at = balance(sheet.dose_rate.retention, hour * S_PER_H)
        found.append(
            {
                "time_h": hour,
                "discharge": sheet.discharge_s is not None and hour == sheet.discharge_s * H_PER_S,
                "in_body_MBq": at.in_body * sheet.activity_bq * MBQ_PER_BQ,
                "in_body": at.in_body,
                "excreted": at.excreted_corrected,
                "excreted_MBq": at.excreted * sheet.activity_bq * MBQ_PER_BQ,
                "dose_rate_1_m_uSv_h": float(sheet.dose_rate.at(hour * S_PER_H)) * USV_PER_H_PER_SV_PER_S,
                "interval_95_uSv_h": None
                if band is None
                else [float(b[place]) * USV_PER_H_PER_SV_PER_S for b in band],
            }
        )
    return found


def _limit(sheet: Sheet, limit: Limit, doubt: Plausibility) -> dict[str, Any]:
    document: dict[str, Any] = {
        "place": limit.place,
        "quantity": limit.quantity,
        "value": limit.value,
        "unit": limit.unit,
        "meaning": limit.meaning,
        "source": limit.source,
        "verified": limit.verified,
        "met_from_h": None,
        "formula_mSv": None,
        "formula_measured_mSv": None,
        "patient_mSv": None,
        "exceeded": None,
        "withheld": bool(doubt.caution) and limit.value is not None,
    }
    if limit.value is None:
        return document
    if limit.quantity.startswith("dose to"):
        document |= _doses_to_others(sheet)
    if doubt.caution:
        return document
    if limit.quantity == "time after administration":
        document["met_from_h"] = limit.value
    elif limit.quantity == "dose rate at 1 m":
        document["met_from_h"] = sheet.dose_rate.below_at(limit.value * SV_PER_S_PER_USV_PER_H) * H_PER_S
    else:
        document["exceeded"] = document["formula_mSv"] > limit.value
    return document


def _doses_to_others(sheet: Sheet) -> dict[str, float | None]:
    """By the formula with the first published constant (else the computed one), and with this patient's dose rate.

    A measured dose rate also takes the place of constant times activity in the formula, which knows no excretion.
    """
    occupancy, _, _ = occupancy_factor(sheet.half_life_s)
    constant = (*published_constants(sheet.nuclide), dose_rate_constant(sheet.nuclide))[0]
    formula = dose_to_others_sv(
        constant_sv_m2_per_bq_s=constant.value_sv_m2_per_bq_s,
        activity_bq=sheet.activity_bq,
        half_life_s=sheet.half_life_s,
        occupancy=occupancy,
    )
    patient = dose_to_others_of_patient_sv(sheet.dose_rate, occupancy=occupancy)
    measured = None
    if sheet.dose_rate.source == MEASURED:
        given = constant.value_sv_m2_per_bq_s * sheet.activity_bq
        measured = formula * undiminished_sv_per_s(sheet.dose_rate) / given * MSV_PER_SV
    return {
        "formula_mSv": formula * MSV_PER_SV,
        "formula_measured_mSv": measured,
        "patient_mSv": patient * MSV_PER_SV,
        "occupancy": occupancy,
    }


def _contacts(sheet: Sheet) -> list[dict[str, Any]]:
    spreads = delay_spreads(
        sheet.patterns,
        sheet.dose_rate,
        administered_at_s=sheet.administered_at_s,
        treatments_per_year=sheet.treatments_per_year,
        distance_exponent=sheet.distance_exponent,
        draws=sheet.draws,
        seed=sheet.seed,
    )
    return [_contact(sheet, pattern, spread) for pattern, spread in zip(sheet.patterns, spreads, strict=True)]


def _contact(sheet: Sheet, pattern: ContactPattern, spread: DelaySpread | None) -> dict[str, Any]:
    found = restriction(
        pattern,
        sheet.dose_rate.terms,
        administered_at_s=sheet.administered_at_s,
        treatments_per_year=sheet.treatments_per_year,
        distance_exponent=sheet.distance_exponent,
    )
    return {
        "name": pattern.name,
        "constraint_mSv": found.constraint_sv * MSV_PER_SV,
        "per": "year" if pattern.per_year else "treatment",
        "unrestricted_dose_mSv": found.unrestricted_dose_sv * MSV_PER_SV,
        "delay_h": found.delay_s * H_PER_S,
        "resume_h": found.resume_s * H_PER_S,
        "dose_mSv": found.dose_sv * MSV_PER_SV,
        "median_h": None if spread is None else spread.median_s * H_PER_S,
        "interval_95_h": None if spread is None else [t * H_PER_S for t in spread.interval_95_s],
        "upper_95_h": None if spread is None else spread.upper_95_s * H_PER_S,
        "resume_upper_95_h": None if spread is None else spread.resume_upper_95_s * H_PER_S,
        "share_that_needs_delay": None if spread is None else spread.needed,
    }


def _sewer(sheet: Sheet) -> dict[str, Any] | None:
    if sheet.tank is None:
        return None
    tank, retention = sheet.tank, sheet.dose_rate.retention
    activity, decay = {sheet.nuclide: sheet.activity_bq}, {sheet.nuclide: retention.decay_constant_per_s}
    if tank.impurity is not None:
        impurity, share = tank.impurity
        activity[impurity.impurity] = sheet.activity_bq * share
        decay[impurity.impurity] = math.log(2) / impurity.half_life_s
    fraction = balance(retention, tank.collected_until_s).excreted_corrected
    release = sewer_release(
        activity, decay, excreted_fraction=fraction, delay_s=tank.released_at_s, volume_m3=tank.volume_m3
    )
    concentration = release.concentration_bq_per_m3
    return {
        "collected_until_h": tank.collected_until_s * H_PER_S,
        "released_at_d": tank.released_at_s * DAY_PER_S,
        "volume_m3": tank.volume_m3,
        "excreted": fraction,
        "activity_MBq": {name: a * MBQ_PER_BQ for name, a in release.activity_bq.items()},
        "concentration_kBq_m3": None
        if concentration is None
        else {name: c * KBQ_PER_BQ for name, c in concentration.items()},
        "values_quoted": _clearances([*activity], "sewage"),
    }


def _waste(sheet: Sheet) -> dict[str, Any] | None:
    residue = sheet.residue
    if residue is None:
        return None
    impure = residue.impurity_fraction or 0.0
    main = Content(
        nuclide=sheet.nuclide,
        activity_bq=residue.activity_bq * (1 - impure),
        half_life_s=sheet.half_life_s,
        limit_bq=residue.limit_bq,
    )
    readings = []
    for impurity in residue.readings if residue.impurity_fraction is not None else ():
        slow = Content(
            nuclide=impurity.impurity,
            activity_bq=residue.activity_bq * impure,
            half_life_s=impurity.half_life_s,
            limit_bq=residue.limit_bq,
        )
        readings.append((impurity, storage_time([main, slow])))
    return {
        "activity_MBq": residue.activity_bq * MBQ_PER_BQ,
        "limit_kBq": residue.limit_bq / BQ_PER_KBQ,
        "impurity_fraction": residue.impurity_fraction,
        "storage_d": {sheet.nuclide: main.storage_s * DAY_PER_S},
        "with_impurity": [
            {
                "impurity": impurity.impurity,
                "half_life_d": impurity.half_life_s * DAY_PER_S,
                "source": impurity.source,
                "activity_kBq": residue.activity_bq * impure * KBQ_PER_BQ,
                "storage_d": storage.longest_s * DAY_PER_S,
                "together_d": storage.together_s * DAY_PER_S,
            }
            for impurity, storage in readings
        ],
        "values_quoted": _clearances([sheet.nuclide, *(i.impurity for i in residue.readings[:1])], ""),
    }


def _clearances(nuclides: Sequence[str], about: str) -> list[dict[str, Any]]:
    found = {
        (value.place, value.quantity, value.nuclide): value for name in nuclides for value in clearance_values(name)
    }
    return [
        {
            "place": v.place,
            "nuclide": v.nuclide,
            "quantity": v.quantity,
            "value": v.value,
            "unit": v.unit,
            "source": v.source,
            "verified": v.verified,
        }
        for v in found.values()
        if about in v.quantity
    ]
