"""A course of four cycles with thrombocytopenia, made up for tests: no patient."""

import json
from datetime import datetime, timedelta
from typing import Any

from lutetia.app.store.courses import CourseStore
from lutetia.app.store.documents import record_of
from lutetia.app.store.place import Place

NOW = datetime(2026, 10, 1, 12, 0)
STARTS = ("2026-01-12", "2026-03-09", "2026-05-04", "2026-07-13")
AGENT = "177Lu-DOTATATE"
PRESCRIBED_MBQ = (7400, 7400, 7400, 3700)
GIVEN_MBQ = (7460, 7432, 7445, 3725)
LEFT_MBQ = (38, 41, None, 22)
GY_PER_GBQ = {
    ("kidney left", "organ"): (0.66, 0.63, 0.61, 0.64),
    ("kidney right", "organ"): (0.60, 0.58, 0.57, 0.58),
    ("liver", "organ"): (0.31, 0.29, 0.27, 0.28),
    ("spleen", "organ"): (0.85, 0.83, 0.80, 0.82),
    ("red marrow", "organ"): (0.045, 0.041, 0.047, 0.044),
    ("lesion 1 (liver S7)", "lesion"): (6.2, 4.9, 3.8, 3.1),
    ("lesion 2 (mesenteric node)", "lesion"): (4.1, None, 2.9, 2.2),
}
BUDGET = {"calibration": 0.04, "recovery": 0.06, "mass": 0.05, "curve": 0.05}
PLATELETS = (
    ("2026-01-08", 212), ("2026-01-26", 178), ("2026-02-09", 121), ("2026-02-23", 139), ("2026-03-05", 186),
    ("2026-03-23", 150), ("2026-04-06", 96), ("2026-04-20", 118), ("2026-04-30", 168), ("2026-05-18", 121),
    ("2026-06-01", 62), ("2026-06-15", 71), ("2026-06-29", 88), ("2026-07-09", 126), ("2026-07-27", 104),
    ("2026-08-10", 81), ("2026-08-24", 97),
)  # fmt: skip
OTHERS = {
    "haemoglobin": ("g/dL", 13.5, 17.5, (
        13.9, 13.4, 12.9, 12.8, 13.1, 12.7, 12.0, 12.1, 12.6, 12.0, 11.1, 11.0, 11.4, 12.0, 11.8, 11.5, 11.7,
    )),
    "neutrophils": ("10^9/L", 1.8, 7.5, (
        4.1, 3.6, 2.6, 2.8, 3.7, 3.1, 2.1, 2.5, 3.3, 2.6, 1.4, 1.7, 2.2, 3.0, 2.7, 2.1, 2.4,
    )),
    "lymphocytes": ("10^9/L", 1.0, 4.0, (
        1.9, 1.1, 0.7, 0.8, 1.1, 0.8, 0.6, 0.7, 0.9, 0.6, 0.4, 0.5, 0.6, 0.7, 0.6, 0.5, 0.6,
    )),
    "creatinine": ("µmol/L", 60, 105, (84, 85, 83, 86, 84, 87, 85, 86, 84, 88, 87, 86, 89, 87, 88, 90, 88)),
}  # fmt: skip


def dose_text(cycle: int, subject: str = "NET-017") -> str:
    """The dose.json of a cycle."""
    given_mbq = GIVEN_MBQ[cycle - 1] - (LEFT_MBQ[cycle - 1] or 0)
    u = sum(part**2 for part in BUDGET.values()) ** 0.5
    regions = []
    for (region, kind), per_gbq in GY_PER_GBQ.items():
        if per_gbq[cycle - 1] is None:
            continue
        gy = per_gbq[cycle - 1] * given_mbq / 1000
        regions.append(
            {
                "region": region,
                "kind": kind,
                "absorbed_dose_Gy": gy,
                "u_absorbed_dose_Gy": u * gy,
                "absorbed_dose_Gy_per_GBq": per_gbq[cycle - 1],
                "effective_half_life_h": 52.0,
                "uncertainty_budget": BUDGET,
                "uncertainty_shared": ["calibration"],
            }
        )
    given = {"nuclide": "Lu-177", "activity_MBq": given_mbq, "time": f"{STARTS[cycle - 1]}T10:15:00"}
    return json.dumps(
        {
            "schema": "lutetia dose 1",
            "subject": subject,
            "administration": given,
            "calibration": {"sensitivity_cps_per_MBq": 9.2},
            "regions": regions,
        }
    )


def documents(*, doses: bool = True) -> list[tuple[str, dict[str, Any]]]:
    """Records of the course, kind and fields."""
    return [*_patient(), *_cycles(), *_labs(), *_events(), *(_doses() if doses else [])]


def _patient() -> list[tuple[str, dict[str, Any]]]:
    return [
        ("enrolment", {"date": "2026-01-05", "protocol": "us-label", "version": "2024-04"}),
        ("diagnosis", {"date": "2024-06-03", "histology": "neuroendocrine tumour", "primary_site": "ileum", "grade": "G2",
                       "ki67_percent": 8, "metastatic_since": "2024-06-20"}),
        ("sstr", {"date": "2025-12-15", "tracer": "68Ga-DOTATATE", "krenning": 4}),
        ("risk", {"date": "2025-12-15", "name": "hypertension"}),
        ("risk", {"date": "2025-12-15", "name": "diabetes", "present": False}),
        ("medication", {"name": "octreotide LAR", "drug_class": "long-acting SSA", "start": "2024-07-01",
                        "end": "2025-12-05", "dose": "30 mg i.m. every 4 weeks"}),
        ("medication", {"name": "amlodipine", "start": "2025-03-01", "dose": "5 mg"}),
        ("observation", {"name": "weight", "value": 71, "unit": "kg", "time": "2026-01-12T08:00"}),
        ("observation", {"name": "sstr_positive", "value": True, "time": "2025-12-15"}),
        ("observation", {"name": "tumour", "value": "GEP-NET", "time": "2024-06-03"}),
        ("imaging", {"time": "2025-12-15T11:00", "modality": "PT", "agent": "68Ga-DOTATATE"}),
        ("imaging", {"time": "2025-12-18T09:00", "modality": "CT"}),
        ("imaging", {"time": "2026-06-22T10:00", "modality": "CT"}),
    ]  # fmt: skip


def _cycles() -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for cycle, start in enumerate(STARTS, start=1):
        day = datetime.fromisoformat(start)
        found += [("administration", _administration(cycle, start)), ("decision", _decision(cycle, day))]
        found += [
            (
                "imaging",
                {"time": (day + timedelta(days=days, hours=10)).isoformat(), "modality": "NM", "agent": AGENT},
            )
            for days in (1, 4, 7)
        ]
    held = {
        "time": "2026-06-02T16:00", "question": "Cycle 4?", "answer": "wait for platelets", "who": "tumour board",
        "source": "minutes of 2 June", "action": "hold", "cycle": 4, "reasons": ["platelets 62 on 1 June"],
    }  # fmt: skip
    return [*found, ("decision", held)]


def _administration(cycle: int, start: str) -> dict[str, Any]:
    left = LEFT_MBQ[cycle - 1]
    residual = {} if left is None else {"residual_activity_MBq": left, "residual_measured_at": f"{start}T10:15"}
    return {
        "cycle": cycle, "agent": AGENT, "nuclide": "Lu-177", "start": f"{start}T10:15", "stop": f"{start}T10:45",
        "prescribed_activity_MBq": PRESCRIBED_MBQ[cycle - 1], "measured_activity_MBq": GIVEN_MBQ[cycle - 1],
        "measured_at": f"{start}T10:15", "batch": f"L-22{30 + cycle}", "purity_percent": 99.1, **residual,
        "events": [{"name": "amino acids", "amount": "1 L", "start": f"{start}T09:45", "stop": f"{start}T13:45"}],
    }  # fmt: skip


def _decision(cycle: int, day: datetime) -> dict[str, Any]:
    reduced = cycle == 4
    return {
        "time": (day - timedelta(days=3)).replace(hour=16).isoformat(), "question": f"Cycle {cycle}?",
        "answer": "at half the activity" if reduced else "as planned", "who": "tumour board",
        "source": "Lutathera prescribing information (text of 4/2024)", "rule": "thrombocytopenia" if reduced else "",
        "reasons": ["platelets 62 on 1 June, recovered to 88 on 29 June"] if reduced else [],
        "action": "reduce" if reduced else "give", "cycle": cycle, "activity_MBq": PRESCRIBED_MBQ[cycle - 1],
    }  # fmt: skip


def _labs() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for place, (date, platelets) in enumerate(PLATELETS):
        rows = {"platelets": ("10^9/L", 150, 400, platelets)} | {
            name: (unit, low, high, values[place]) for name, (unit, low, high, values) in OTHERS.items()
        }
        for name, (unit, low, high, value) in rows.items():
            found.append(("lab", {"test": name, "time": f"{date}T08:10", "value": value, "unit": unit,
                                  "lower_limit": low, "upper_limit": high}))  # fmt: skip
    return found


def _events() -> list[tuple[str, dict[str, Any]]]:
    return [
        ("event", {"term": "nausea", "grade": 2, "ctcae_version": "5.0", "start": "2026-01-12", "end": "2026-01-14",
                   "causality": "probable"}),
        ("event", {"term": "nausea", "grade": 1, "ctcae_version": "5.0", "start": "2026-03-09", "end": "2026-03-10",
                   "causality": "probable"}),
        ("event", {"term": "fatigue", "grade": 1, "ctcae_version": "5.0", "start": "2026-05-10", "causality": "possible"}),
    ]  # fmt: skip


def _doses() -> list[tuple[str, dict[str, Any]]]:
    return [
        ("dose", {"cycle": cycle, "time": f"{(datetime.fromisoformat(start) + timedelta(days=9)).date()}T15:00",
                  "text": dose_text(cycle)}) for cycle, start in enumerate(STARTS, start=1)
    ]  # fmt: skip


def store_at(place: str, *, doses: bool = True, empty: bool = False, pseudonym: str = "NET-017") -> None:
    """A store with the course, or with nothing but its patient."""
    opened = Place(place, create=True)
    try:
        courses = CourseStore(opened, now=lambda: NOW)
        patient = record_of("patient", {"pseudonym": pseudonym, "sex": "male", "birth_date": "1961-05-02"})
        stored = courses.new(patient, by="nurse")  # type: ignore[arg-type]
        if not empty:
            records = [record_of(kind, fields) for kind, fields in documents(doses=doses)]
            courses.add(pseudonym, records, by="nurse", version=stored.version)  # type: ignore[arg-type]
    finally:
        opened.close()
