"""Records to build courses from."""

import json
from datetime import date, datetime

import pytest

from lutetia.therapy.course import Administration, DoseRecord, Patient


@pytest.fixture
def patient():
    return Patient(pseudonym="P-001", sex="female", birth_date=date(1961, 5, 2))


@pytest.fixture
def cycle():
    """One administration; cycle n on the first of the 2n-th month, 7400 MBq measured half an hour before."""

    def make(number=1, **given):
        day = datetime(2026, 2 * number, 1)
        values = {
            "cycle": number,
            "agent": "177Lu-DOTATATE",
            "nuclide": "Lu-177",
            "start": day.replace(hour=10),
            "stop": day.replace(hour=10, minute=30),
            "measured_activity_bq": 7.4e9,
            "measured_at": day.replace(hour=9, minute=30),
            "residual_activity_bq": 5.0e7,
            "residual_measured_at": day.replace(hour=11),
        }
        return Administration(**{**values, **given})

    return make


@pytest.fixture
def dose_text():
    """A dose.json with one or more regions: name -> dose in Gy; calibration 5 % shared, counting 2 % own."""

    def make(regions, /, *, day="2026-02-01", subject="P-001", **changes):
        document = {
            "schema": "lutetia dose 1",
            "subject": subject,
            "administration": {"nuclide": "Lu-177", "activity_MBq": 7350.0, "time": f"{day}T10:00:00"},
            "calibration": {"sensitivity_cps_per_MBq": 9.2},
            "regions": [
                {
                    "region": name,
                    "kind": "organ",
                    "absorbed_dose_Gy": dose,
                    "u_absorbed_dose_Gy": None if dose is None else dose * (0.05**2 + 0.02**2) ** 0.5,
                    "uncertainty_budget": {"calibration": 0.05, "counts": 0.02},
                    "uncertainty_shared": ["calibration"],
                }
                for name, dose in regions.items()
            ],
        }
        return json.dumps({**document, **changes}, indent=1)

    return make


@pytest.fixture
def dose(dose_text):
    def make(number, regions, **given):
        day = f"2026-{2 * number:02d}-01"
        time = datetime(2026, 2 * number, 9, 14)
        return DoseRecord(cycle=number, time=time, text=dose_text(regions, day=day, **given))

    return make
