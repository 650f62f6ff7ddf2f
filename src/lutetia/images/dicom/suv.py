"""Standardised uptake values: factors by body weight and by lean body mass."""

import math
from typing import Literal

from lutetia.errors import InputError
from lutetia.units import G_PER_KG

Sex = Literal["M", "F", "O"]
"""Patient's Sex (0010,0040); "O" takes the mean of men and women."""

JAMES = {"M": (1.10, 128.0), "F": (1.07, 148.0)}
JANMAHASATIAN = {"M": (6680.0, 216.0), "F": (8780.0, 244.0)}


def suv_factor_body_weight(
    *, weight_kg: float, activity_bq: float, half_life_s: float, since_injection_s: float
) -> float:
    r"""Factor from activity concentration to SUV by body weight. [g/Bq]

    .. math:: \mathrm{SUV} = c \, W / (A_0 e^{-\lambda t})

    with the concentration :math:`c` decay-corrected to the time :math:`t` after the injection.

    Raises
    ------
    InputError
        Weight, activity or half-life is not positive.
    """
    if min(weight_kg, activity_bq, half_life_s) <= 0:
        raise InputError(
            f"SUV of {weight_kg:g} kg, {activity_bq:g} Bq and a half-life of {half_life_s:g} s; expected positive values."
        )
    return weight_kg * G_PER_KG / (activity_bq * math.exp(-math.log(2) / half_life_s * since_injection_s))


def lean_body_mass_james1976_kg(*, weight_kg: float, height_m: float, sex: Sex) -> float:
    r"""Lean body mass, :math:`a W - b (W/H)^2` with the height in cm; falls again in obesity, where it does not hold.

    References
    ----------
    James WPT. Research on obesity. HMSO, London 1976; as used in the QIBA FDG-PET/CT Profile.
    """

    def mass(a: float, b: float) -> float:
        return a * weight_kg - b * (weight_kg / (height_m * 100.0)) ** 2

    return _by_sex({s: mass(*constants) for s, constants in JAMES.items()}, sex)


def lean_body_mass_janmahasatian2005_kg(*, weight_kg: float, height_m: float, sex: Sex) -> float:
    r"""Lean body mass, :math:`9270 W / (a + b\,\mathrm{BMI})`, also in obesity.

    References
    ----------
    Janmahasatian S et al. Quantification of lean bodyweight. Clin Pharmacokinet 2005;44:1051-1065.
    doi:10.2165/00003088-200544100-00004, abstract.
    """
    body_mass_index = weight_kg / height_m**2

    def mass(a: float, b: float) -> float:
        return 9270.0 * weight_kg / (a + b * body_mass_index)

    return _by_sex({s: mass(*constants) for s, constants in JANMAHASATIAN.items()}, sex)


def _by_sex(mass_kg: dict[str, float], sex: Sex) -> float:
    return (mass_kg["M"] + mass_kg["F"]) / 2 if sex == "O" else mass_kg[sex]
