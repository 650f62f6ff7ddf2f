"""Creatinine clearance, filtration rate and body surface by published equations, of adults."""

import csv
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from lutetia.errors import InputError, OutOfRangeError

Sex = Literal["female", "male"]
ADULT_YR: Final = 18.0
OLDEST_YR: Final = 120.0
SURFACE_M2: Final = 1.73
"""Body surface to which filtration rates are indexed."""


def creatinine_clearance_cockcroft1976(
    *, creatinine_mg_dl: float, sex: Sex, age_yr: float, weight_kg: float
) -> float:
    """Creatinine clearance after Cockcroft and Gault. [mL/min]

    ``clearance = (140 - age) weight / (72 creatinine) (0.85 in women)``, with the actual body weight, as the label of
    177Lu-DOTATATE uses it. Not indexed to body surface. Found in men of 18 to 92 years, before creatinine was
    standardised; too high in obesity and oedema.

    Parameters
    ----------
    creatinine_mg_dl : in serum. [mg/dL]

    Raises
    ------
    InputError
        A quantity that is not above 0 and finite, an unknown sex.
    OutOfRangeError
        Under 18 years.

    References
    ----------
    Cockcroft DW, Gault MH. Nephron 16 (1976) 31-41. doi:10.1159/000180580
    """
    _require_adult(age_yr)
    _require_positive(creatinine_mg_dl, "creatinine", "mg/dL")
    _require_positive(weight_kg, "body weight", "kg")
    _require_sex(sex)
    return (140.0 - age_yr) * weight_kg / (72.0 * creatinine_mg_dl) * (0.85 if sex == "female" else 1.0)


def filtration_rate_inker2021(*, creatinine_mg_dl: float, sex: Sex, age_yr: float) -> float:
    """Glomerular filtration rate by CKD-EPI 2021 from creatinine. [mL/min/1.73 m2]

    ``142 min(Scr/k, 1)^a max(Scr/k, 1)^-1.2 0.9938^age (1.012 in women)``, k = 0.7 (women) or 0.9 mg/dL, a = -0.241 or
    -0.302; arguments and errors as of ``creatinine_clearance_cockcroft1976``.

    References
    ----------
    Inker LA, Eneanya ND, Coresh J, et al. N Engl J Med 385 (2021) 1737-1749. doi:10.1056/NEJMoa2102953
    """
    return _ckd_epi("creatinine 2021", sex, age_yr, creatinine_mg_dl, None)


def filtration_rate_inker2021_cystatin(
    *, creatinine_mg_dl: float, cystatin_mg_l: float, sex: Sex, age_yr: float
) -> float:
    """Glomerular filtration rate by CKD-EPI 2021 from creatinine and cystatin C. [mL/min/1.73 m2]

    Parameters
    ----------
    cystatin_mg_l : in serum, by a standardised assay. [mg/L]

    References
    ----------
    As ``filtration_rate_inker2021``.
    """
    return _ckd_epi("creatinine and cystatin 2021", sex, age_yr, creatinine_mg_dl, cystatin_mg_l)


def filtration_rate_inker2012_cystatin(*, cystatin_mg_l: float, sex: Sex, age_yr: float) -> float:
    """Glomerular filtration rate by CKD-EPI 2012 from cystatin C. [mL/min/1.73 m2]

    References
    ----------
    Inker LA, Schmid CH, Tighiouart H, et al. N Engl J Med 367 (2012) 20-29. doi:10.1056/NEJMoa1114248
    """
    return _ckd_epi("cystatin 2012", sex, age_yr, None, cystatin_mg_l)


def body_surface_dubois1916(*, weight_kg: float, height_cm: float) -> float:
    """Body surface: ``0.007184 weight^0.425 height^0.725``. [m2]

    References
    ----------
    Du Bois D, Du Bois EF. Arch Intern Med 17 (1916) 863-871. doi:10.1001/archinte.1916.00080130010002
    """
    _require_positive(weight_kg, "body weight", "kg")
    _require_positive(height_cm, "height", "cm")
    return float(0.007184 * weight_kg**0.425 * height_cm**0.725)


def body_surface_mosteller1987(*, weight_kg: float, height_cm: float) -> float:
    """Body surface: ``sqrt(weight height / 3600)``. [m2]

    References
    ----------
    Mosteller RD. N Engl J Med 317 (1987) 1098. doi:10.1056/NEJM198710223171717
    """
    _require_positive(weight_kg, "body weight", "kg")
    _require_positive(height_cm, "height", "cm")
    return math.sqrt(weight_kg * height_cm / 3600.0)


def absolute_filtration_rate(filtration_rate_ml_min_1_73m2: float, body_surface_m2: float) -> float:
    """Filtration rate of this body, no longer indexed: ``rate surface / 1.73``. [mL/min]"""
    _require_positive(filtration_rate_ml_min_1_73m2, "filtration rate", "mL/min/1.73 m2")
    _require_positive(body_surface_m2, "body surface", "m2")
    return filtration_rate_ml_min_1_73m2 * body_surface_m2 / SURFACE_M2


@cache
def _coefficients() -> Mapping[tuple[str, str], Mapping[str, float | None]]:
    path = files("lutetia.response") / "data" / "renal_function" / "ckd_epi.csv"
    with path.open("r", encoding="utf-8") as file:
        return {
            (row["equation"], row["sex"]): {
                name.split(" ")[0]: float(text) if text else None
                for name, text in row.items()
                if name not in ("equation", "sex", "source", "verified")
            }
            for row in csv.DictReader(file)
        }


def _ckd_epi(
    equation: str, sex: Sex, age_yr: float, creatinine_mg_dl: float | None, cystatin_mg_l: float | None
) -> float:
    _require_adult(age_yr)
    _require_sex(sex)
    row = _coefficients()[equation, sex]
    rate = _given(row, "scale") * _given(row, "age_base") ** age_yr * _given(row, "sex_factor")
    for name, unit, value in (("creatinine", "mg/dL", creatinine_mg_dl), ("cystatin", "mg/L", cystatin_mg_l)):
        if value is not None:
            _require_positive(value, name, unit)
            ratio = value / _given(row, f"{name}_k")
            rate *= min(ratio, 1.0) ** _given(row, f"{name}_below") * max(ratio, 1.0) ** _given(
                row, f"{name}_above"
            )
    return float(rate)


def _given(row: Mapping[str, float | None], name: str) -> float:
    value = row[name]
    if value is None:
        raise InputError(f"The equation has no {name}.")
    return value


def _require_adult(age_yr: float) -> None:
    if not math.isfinite(age_yr) or not 0 <= age_yr <= OLDEST_YR:
        raise InputError(f"An age of {age_yr:g} years; expected 18 to {OLDEST_YR:g}.")
    if age_yr < ADULT_YR:
        raise OutOfRangeError(
            f"An age of {age_yr:g} years; Cockcroft-Gault and CKD-EPI hold for adults (18 years and more)."
        )


def _require_positive(value: float, what: str, unit: str) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise InputError(f"A {what} of {value:g} {unit}; expected a number above 0.")


def _require_sex(sex: str) -> None:
    if sex not in ("female", "male"):
        raise InputError(f"Sex {sex!r}; expected female or male (the equations know no other).")
