"""When a patient may leave: limits by country or site, and the dose to others of US release calculations."""

import math
from dataclasses import dataclass

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.names import nuclide_name
from lutetia.therapy.protection.dose_rate import ExternalDoseRate
from lutetia.therapy.protection.tables import Row, is_verified, number, rows
from lutetia.units import S_PER_DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """A criterion somebody releases patients by.

    Attributes
    ----------
    place : country or site
    quantity : "dose rate at 1 m", "dose to another person" or "time after administration"
    value, unit : in people's units, as published; the value is None where it is not in the table
    meaning : what follows from it
    """

    place: str
    quantity: str
    value: float | None
    unit: str
    meaning: str
    source: str
    verified: bool


def places() -> tuple[str, ...]:
    """Countries and sites in the table."""
    return tuple(dict.fromkeys(row["place"] for row in rows("limits", "limits.csv")))


def release_limits(place: str, *, nuclide: str) -> tuple[Limit, ...]:
    """Limits of a country or site for a nuclide.

    Raises
    ------
    MissingDataError
        None in the table; the message lists the places.
    """
    name = nuclide_name(nuclide)
    found = [
        _limit(row)
        for row in rows("limits", "limits.csv")
        if row["place"].lower() == place.strip().lower() and row["nuclide"] in ("any", name)
    ]
    if not found:
        raise MissingDataError(
            f"No release limits of {place!r} for {name}; there are {', '.join(places())}. Give a limit of your own."
        )
    return tuple(found)


def _limit(row: Row) -> Limit:
    return Limit(
        place=row["place"],
        quantity=row["quantity"],
        value=number(row, "value"),
        unit=row["unit"],
        meaning=row["meaning"],
        source=row["source"],
        verified=is_verified(row),
    )


def occupancy_factor(half_life_s: float) -> tuple[float, str, bool]:
    """Occupancy factor at 1 m by the physical half-life, its source, and whether that was read."""
    days = half_life_s / S_PER_DAY
    row = next(row for row in rows("limits", "occupancy.csv") if days > float(row["half_life_above [d]"]))
    return float(row["occupancy"]), row["source"], is_verified(row)


def dose_to_others_sv(
    *,
    constant_sv_m2_per_bq_s: float,
    activity_bq: float,
    half_life_s: float,
    occupancy: float,
    distance_m: float = 1.0,
) -> float:
    r"""Dose of another person until complete decay, without excretion or attenuation.

    :math:`D(\infty) = \Gamma A_0 \frac{T}{\ln 2} E / r^2`; in days, mCi and cm this is the formula of Regulatory Guide
    8.39 with 34.6 = 24/ln 2.

    Parameters
    ----------
    constant_sv_m2_per_bq_s : dose-rate constant. [Sv m2/(Bq s)]
    activity_bq, half_life_s : administered, and physical half-life. [Bq], [s]
    occupancy : share of the time at the distance
    distance_m : [m]

    Returns
    -------
    [Sv]

    Raises
    ------
    InputError
        A number that is not above 0, or an occupancy above 1.

    References
    ----------
    NRC Regulatory Guide 8.39; 10 CFR 35.75.
    """
    numbers = (constant_sv_m2_per_bq_s, activity_bq, half_life_s, occupancy, distance_m)
    if not all(x > 0 and math.isfinite(x) for x in numbers) or occupancy > 1:
        raise InputError(
            f"Constant, activity, half-life, occupancy and distance {numbers}; expected all above 0, occupancy at most 1."
        )
    return constant_sv_m2_per_bq_s * activity_bq * half_life_s / math.log(2) * occupancy / distance_m**2


def dose_to_others_of_patient_sv(
    dose_rate: ExternalDoseRate, *, occupancy: float, from_s: float = 0.0, distance_m: float = 1.0
) -> float:
    """The same with a patient's own dose rate and retention, from a time after the administration on. [Sv]"""
    if not 0 < occupancy <= 1 or not distance_m > 0 or not from_s >= 0:
        raise InputError(
            f"Occupancy {occupancy:g}, distance {distance_m:g} m, from {from_s:g} s; expected 0 to 1, above 0, from 0."
        )
    amplitude, rate = dose_rate.terms
    total = sum(a / k * math.exp(-k * from_s) for a, k in zip(amplitude[0], rate[0], strict=True))
    return float(total) * occupancy / distance_m**2
