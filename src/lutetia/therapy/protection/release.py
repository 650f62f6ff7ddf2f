"""When a patient may leave: limits, the dose to others of US release calculations, and dose rates that cannot be."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.emissions import emissions
from lutetia.physics.names import nuclide_name
from lutetia.physics.nuclides import nuclide as nuclide_called
from lutetia.therapy.protection.dose_rate import (
    CUTOFF_MEV,
    MEASURED,
    DoseRateConstant,
    ExternalDoseRate,
    dose_rate_constant,
)
from lutetia.therapy.protection.tables import Row, is_verified, number, rows
from lutetia.units import H_PER_S, S_PER_DAY, USV_PER_H_PER_SV_PER_S


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Plausibility:
    """A measured dose rate beside an unattenuated point source of all that was given.

    ``caution`` says why no release may be read from it; ``warning`` what was not judged, or is within uncertainty.
    """

    caution: str = ""
    warning: str = ""


def undiminished_sv_per_s(dose_rate: ExternalDoseRate) -> float:
    """Dose rate at 1 m and 0 h that a measured one tells without excretion: decay-corrected alone. [Sv/s]"""
    at_s = dose_rate.measured_at_s
    if at_s is None:
        return dose_rate.start_sv_per_s
    return float(dose_rate.at(at_s)) * math.exp(dose_rate.retention.decay_constant_per_s * at_s)


def plausibility(dose_rate: ExternalDoseRate, *, nuclide: str, activity_bq: float) -> Plausibility:
    """Whether a patient can give a measured dose rate: attenuated, it is below that of a point source in vacuum.

    Compared at 1 m and 0 h, where the retention takes a measurement. Dose rates of other patients are not judged, nor
    nuclides whose progeny or bremsstrahlung the constant leaves out (``data/fit_quality``).

    Parameters
    ----------
    dose_rate : of the patient
    nuclide, activity_bq : all that was given. [Bq]
    """
    if dose_rate.source != MEASURED:
        return Plausibility()
    most = {row["criterion"]: float(row["at_most"]) for row in rows("fit_quality", "criteria.csv")}
    constant = dose_rate_constant(nuclide)
    if not _photons_decide(constant, most):
        return Plausibility(
            warning=f"Whether {constant.nuclide} can give the measured dose rate was not judged: the constant of a point "
            "source leaves out progeny and bremsstrahlung."
        )
    bare = constant.value_sv_m2_per_bq_s * activity_bq
    ratio, u = dose_rate.start_sv_per_s / bare, dose_rate.relative_sd or 0.0
    if ratio <= 1:
        return Plausibility()
    if ratio <= most["over_point_source"] or ratio * (1 - most["standard_deviations"] * u) <= 1:
        return Plausibility(
            warning=f"The measured dose rate is {ratio:.2f} times that of an unattenuated point source of all that was "
            "given, within the uncertainty that is allowed; patients are below it: check distance, unit and background."
        )
    return Plausibility(caution=_beyond(dose_rate, ratio, bare))


def _photons_decide(constant: DoseRateConstant, most: Mapping[str, float]) -> bool:
    """Whether the nuclide's own photons make its dose rate, not those of progeny or of bremsstrahlung."""
    radiation = emissions(constant.nuclide)
    photons_mev = radiation.photons.above(CUTOFF_MEV).mean_energy_per_decay_mev
    if radiation.beta_energy_mev > most["beta_over_photons"] * photons_mev:
        return False
    return _of_progeny(constant.nuclide) <= most["progeny"] * constant.value_sv_m2_per_bq_s


def _of_progeny(name: str) -> float:
    """Dose-rate constant of what a nuclide decays to, in equilibrium. [Sv m2/(Bq s)]"""
    total = 0.0
    for child in nuclide_called(name).progeny:
        try:
            own = dose_rate_constant(child.nuclide).value_sv_m2_per_bq_s
        except InputError:
            continue  # stable
        total += child.branching * (own + _of_progeny(child.nuclide))
    return total


def _beyond(dose_rate: ExternalDoseRate, ratio: float, bare_sv_per_s: float) -> str:
    told = (
        f"The measured dose rate is above an unattenuated source of the activity given: {ratio:.2f} times its "
        f"{bare_sv_per_s * USV_PER_H_PER_SV_PER_S:.3g} µSv/h at 1 m and 0 h. Check distance, unit, background and the "
        "activity, and measure again. No verdict on release is given."
    )
    alone = undiminished_sv_per_s(dose_rate) / bare_sv_per_s
    if dose_rate.measured_at_s is not None and alone < 0.995 * ratio:
        told += (
            f" At {dose_rate.measured_at_s * H_PER_S:.1f} h it is {alone:.2f} times that of all that was given; the rest "
            f"is what the retention {dose_rate.retention.name} takes as excreted by then."
        )
    return told
