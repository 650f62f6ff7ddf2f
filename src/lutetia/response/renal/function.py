"""The renal function of one patient by all equations for which there is what they need."""

from dataclasses import dataclass
from typing import Final, Literal

from lutetia.errors import InputError
from lutetia.response.renal.equations import (
    Sex,
    absolute_filtration_rate,
    body_surface_dubois1916,
    body_surface_mosteller1987,
    creatinine_clearance_cockcroft1976,
    filtration_rate_inker2012_cystatin,
    filtration_rate_inker2021,
    filtration_rate_inker2021_cystatin,
)

SurfaceFormula = Literal["dubois1916", "mosteller1987"]
OLDEST_OF_COCKCROFT_YR: Final = 92.0
OBESE_KG_M2: Final = 30.0
THIN_KG_M2: Final = 18.5
WEIGHTS_KG: Final = (25.0, 350.0)
HEIGHTS_CM: Final = (100.0, 250.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class RenalFunction:
    """Clearance and filtration rates of one patient; None where a quantity was not given.

    Attributes
    ----------
    cockcroft_gault_ml_min : creatinine clearance, actual body weight, not indexed. [mL/min]
    ckd_epi_2021_ml_min_1_73m2, ckd_epi_2021_cystatin_ml_min_1_73m2, ckd_epi_2012_cystatin_ml_min_1_73m2 : from
        creatinine, from both, from cystatin C. [mL/min/1.73 m2]
    ckd_epi_2021_ml_min, ckd_epi_2021_cystatin_ml_min, ckd_epi_2012_cystatin_ml_min : of this body. [mL/min]
    body_surface_m2, body_surface_formula : with which they were de-indexed
    warnings : where an equation holds less well
    """

    cockcroft_gault_ml_min: float | None
    ckd_epi_2021_ml_min_1_73m2: float
    ckd_epi_2021_cystatin_ml_min_1_73m2: float | None
    ckd_epi_2012_cystatin_ml_min_1_73m2: float | None
    ckd_epi_2021_ml_min: float | None
    ckd_epi_2021_cystatin_ml_min: float | None
    ckd_epi_2012_cystatin_ml_min: float | None
    body_surface_m2: float | None
    body_surface_formula: SurfaceFormula | None
    warnings: tuple[str, ...]


def renal_function(
    *,
    creatinine_mg_dl: float,
    sex: Sex,
    age_yr: float,
    weight_kg: float | None = None,
    height_cm: float | None = None,
    cystatin_mg_l: float | None = None,
    body_surface_formula: SurfaceFormula = "dubois1916",
) -> RenalFunction:
    """Renal function by Cockcroft-Gault and CKD-EPI, and the latter in mL/min where height and weight are known.

    Raises
    ------
    InputError, OutOfRangeError
        As the equations, and: a weight outside 25 to 350 kg, a height outside 100 to 250 cm.
    """
    _require_within(weight_kg, WEIGHTS_KG, "body weight", "kg")
    _require_within(height_cm, HEIGHTS_CM, "height", "cm")
    surface = _surface(weight_kg, height_cm, body_surface_formula)

    def absolute(rate: float | None) -> float | None:
        return None if rate is None or surface is None else absolute_filtration_rate(rate, surface)

    by_creatinine = filtration_rate_inker2021(creatinine_mg_dl=creatinine_mg_dl, sex=sex, age_yr=age_yr)
    by_both = by_cystatin = clearance = None
    if cystatin_mg_l is not None:
        by_both = filtration_rate_inker2021_cystatin(
            creatinine_mg_dl=creatinine_mg_dl, cystatin_mg_l=cystatin_mg_l, sex=sex, age_yr=age_yr
        )
        by_cystatin = filtration_rate_inker2012_cystatin(cystatin_mg_l=cystatin_mg_l, sex=sex, age_yr=age_yr)
    if weight_kg is not None:
        clearance = creatinine_clearance_cockcroft1976(
            creatinine_mg_dl=creatinine_mg_dl, sex=sex, age_yr=age_yr, weight_kg=weight_kg
        )
    return RenalFunction(
        cockcroft_gault_ml_min=clearance,
        ckd_epi_2021_ml_min_1_73m2=by_creatinine,
        ckd_epi_2021_cystatin_ml_min_1_73m2=by_both,
        ckd_epi_2012_cystatin_ml_min_1_73m2=by_cystatin,
        ckd_epi_2021_ml_min=absolute(by_creatinine),
        ckd_epi_2021_cystatin_ml_min=absolute(by_both),
        ckd_epi_2012_cystatin_ml_min=absolute(by_cystatin),
        body_surface_m2=surface,
        body_surface_formula=None if surface is None else body_surface_formula,
        warnings=tuple(_warnings(age_yr, weight_kg, height_cm)),
    )


def _require_within(value: float | None, bounds: tuple[float, float], what: str, unit: str) -> None:
    if value is not None and not bounds[0] <= value <= bounds[1]:
        raise InputError(f"A {what} of {value:g} {unit}; expected {bounds[0]:g} to {bounds[1]:g} {unit}.")


def _surface(weight_kg: float | None, height_cm: float | None, formula: SurfaceFormula) -> float | None:
    if weight_kg is None or height_cm is None:
        return None
    if formula == "dubois1916":
        return body_surface_dubois1916(weight_kg=weight_kg, height_cm=height_cm)
    if formula == "mosteller1987":
        return body_surface_mosteller1987(weight_kg=weight_kg, height_cm=height_cm)
    raise InputError(f"Body surface formula {formula!r}; expected dubois1916 or mosteller1987.")


def _warnings(age_yr: float, weight_kg: float | None, height_cm: float | None) -> list[str]:
    told = []
    if age_yr > OLDEST_OF_COCKCROFT_YR:
        told.append(f"Cockcroft-Gault was found in patients up to {OLDEST_OF_COCKCROFT_YR:g} years of age.")
    if weight_kg is None or height_cm is None:
        return told
    index = weight_kg / (height_cm / 100.0) ** 2
    if index >= OBESE_KG_M2:
        told.append(
            f"Body mass index {index:.1f} kg/m2: Cockcroft-Gault with the actual weight is too high in obesity."
        )
    if index < THIN_KG_M2:
        told.append(f"Body mass index {index:.1f} kg/m2: with little muscle, rates from creatinine are too high.")
    return told
