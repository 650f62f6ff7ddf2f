"""Absorbed dose of a cycle expected from the population, before there is a scan of the patient."""

import math
from dataclasses import dataclass

from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.activity.prediction import Prediction
from lutetia.therapy.activity.tables import Row, rows
from lutetia.units import BQ_PER_GBQ, GBQ_PER_BQ


@dataclass(frozen=True, kw_only=True, slots=True)
class _Coefficients:
    dose_gy: float
    reference_bq: float
    activity_exponent: float
    reference_clearance_ml_per_min: float
    clearance_exponent: float
    relative_sd: float
    source: str
    verified: bool


def population_dose_sood2026(
    organ: str, *, creatinine_clearance_ml_per_min: float, linear: bool = False
) -> Prediction:
    r"""Absorbed dose of one cycle of 177Lu-DOTATATE in an adult.

    .. math:: D = D_0 \left(\frac{A}{7.4\,\mathrm{GBq}}\right)^a \left(\frac{\mathrm{CrCl}}{99\,\mathrm{mL/min}}\right)^c

    with D0, a, c of 4.37 Gy, 0.65, -0.55 for the kidney and 0.24 Gy, 0.52, -1.18 for the marrow; one patient's cycle has a
    proportional standard deviation of 0.48 and 0.63. 47 adults; not for adolescents, in whom c had the other sign.

    Parameters
    ----------
    organ : kidney or red marrow
    creatinine_clearance_ml_per_min : CrCl, more than 0. [mL/min]
    linear : a = 1. The fitted exponents are below 1 because activities hardly varied; above 7.4 GBq they promise less dose
        than proportion does

    Raises
    ------
    MissingDataError
        Another organ.
    InputError
        A clearance that cannot be.

    References
    ----------
    Sood 2026, J Nucl Med 67:887
    """
    found = _coefficients(organ)
    clearance = creatinine_clearance_ml_per_min
    if not (math.isfinite(clearance) and 0 < clearance <= 500):
        raise InputError(f"A creatinine clearance of {clearance:g} mL/min; expected above 0 and at most 500.")
    dose = found.dose_gy * (clearance / found.reference_clearance_ml_per_min) ** found.clearance_exponent
    exponent = 1.0 if linear else found.activity_exponent
    how = "linear in the activity" if linear else f"activity to the power {exponent:g}"
    at = f"{dose:.3g} Gy at {found.reference_bq * GBQ_PER_BQ:g} GBq and {clearance:g} mL/min"
    return Prediction(
        dose_gy=dose,
        activity_bq=found.reference_bq,
        exponent=exponent,
        relative_u=found.relative_sd,
        named={f"population's dose per activity, {organ}": found.relative_sd},
        source=f"{found.source}: {at}, {how}",
        verified=found.verified,
        warnings=("The dose per activity is the population's (47 adults), not this patient's.",),
    )


def _coefficients(organ: str) -> _Coefficients:
    table = rows("sood_2026", "coefficients.csv")
    row: Row | None = next((row for row in table if row["organ"] == organ), None)
    if row is None:
        known = ", ".join(row["organ"] for row in table)
        raise MissingDataError(f"No population dose of {organ!r}; there are {known}.")
    return _Coefficients(
        dose_gy=float(row["dose [Gy]"]),
        reference_bq=float(row["reference_activity [GBq]"]) * BQ_PER_GBQ,
        activity_exponent=float(row["activity_exponent"]),
        reference_clearance_ml_per_min=float(row["reference_clearance [mL/min]"]),
        clearance_exponent=float(row["clearance_exponent"]),
        relative_sd=float(row["relative_sd"]),
        source=row["source"],
        verified=row["verified"] == "true",
    )
