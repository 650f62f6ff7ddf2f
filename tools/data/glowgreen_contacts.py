"""Restrictions of glowgreen 0.1.1, the reference of tests/therapy/test_contact.py.

Run in an environment of its own, since Lutetia does not depend on it:
``python -m venv V && V/bin/pip install glowgreen==0.1.1 && V/bin/python tools/data/glowgreen_contacts.py``.
"""

import csv
from datetime import datetime
from pathlib import Path

from glowgreen import Clearance_1m, ContactPatternRepeating, cs_restrictions

TARGET = Path(__file__).parents[2] / "tests" / "reference" / "radiation_protection" / "glowgreen.csv"
CLEARANCES = {
    "10/1/55": ("exponential", [10.0, 55.0]),
    "18/0.6/2.5/71": ("biexponential", [18.0, 0.6, 2.5, 71.0]),
    "30/0.5/1.8/58": ("biexponential", [30.0, 0.5, 1.8, 58.0]),
}
"""Dose rate at 1 m [uSv/h] / fraction and half-life [h] of the first component / half-life of the second."""


def rows():
    """One row per clearance, hour of the administration, treatments per year and pattern."""
    for name, (model, parameters) in CLEARANCES.items():
        clearance = Clearance_1m(model, parameters, 1.0)
        for hour in (0, 9, 12, 20):
            administered = datetime(2026, 3, 2, hour)
            for treatments in (1, 4):
                found = cs_restrictions(clearance, treatments, administered)
                for place, (_, row) in enumerate(found.iterrows()):
                    yield name, hour, treatments, place, row["restriction_period"], row["dose"]
        night = ContactPatternRepeating(0.0, 8.0, 0.3)
        noon = datetime(2026, 3, 2, 12)
        yield name, 12, 1, "night, from 0 h", 0.0, night.get_dose(clearance, 0.0, noon)[0]
        hours, dose, _ = night.get_restriction(clearance, 1.0, noon)
        yield name, 12, 1, "night, 1 mSv", hours, dose


with TARGET.open("w", encoding="utf-8", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["clearance", "administered_h", "treatments_per_year", "pattern", "restriction_h", "dose_mSv"])
    for clearance, hour, treatments, pattern, hours, dose in rows():
        writer.writerow([clearance, hour, treatments, pattern, f"{hours:.9g}", f"{dose:.8g}"])
