"""External dose rate at a distance: constants of point sources, what patients give, and how it falls with time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.attenuation import HIGHEST_MEV, mass_energy_absorption_cm2_per_g
from lutetia.physics.emissions import emissions
from lutetia.physics.names import nuclide_name
from lutetia.therapy.protection.retention import Drawn, Retention
from lutetia.therapy.protection.tables import is_verified, number, rows
from lutetia.units import GY_PER_MEV_PER_G, SV_PER_S_PER_USV_PER_H

Array = NDArray[np.float64]

Quantity = Literal["ambient dose equivalent", "dose equivalent 1977", "air kerma"]
"""H*(10) by ICRP 74; dose equivalent by ANSI/ANS-6.1.1-1977; collision kerma of air in Gy."""

CUTOFF_MEV: Final = 0.015
"""Photons below do not leave a vial or a patient; the convention of tabulated constants."""
DISTANCE_EXPONENT: Final = 1.5
"""Dose rates near a person fall as the distance to this power (Cormack and Shearer 1998); 2 is that of a point."""
MEASURED: Final = "measured"
"""Source of a dose rate of this patient."""
PER_CM2_AT_1_M: Final = 1 / (4 * math.pi * 1e4)

_TABLES = {"ambient dose equivalent": "icrp_74.csv", "dose equivalent 1977": "ansi_ans_1977.csv"}


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseRateConstant:
    """Dose rate of a point source times distance squared, per activity. [Sv m2/(Bq s)]"""

    nuclide: str
    quantity: str
    value_sv_m2_per_bq_s: float
    source: str
    verified: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientDoseRate:
    """Dose rate at 1 m per activity in a patient, attenuated as measured. [Sv/(Bq s)]"""

    at_1_m_sv_per_bq_s: float
    relative_sd: float | None
    patients: int
    source: str
    verified: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ExternalDoseRate:
    """Dose rate at 1 m of a patient over time.

    Attributes
    ----------
    retention : how it falls
    start_sv_per_s : at 1 m where all of the administered activity is in the body. [Sv/s]
    relative_sd : standard uncertainty of that number over it; None when unknown
    source, verified : of that number; verified is None of a measurement of this patient
    measured_at_s : when this patient was measured: patients that might be pass through that point; None without. [s]
    warnings : what was assumed
    """

    retention: Retention
    start_sv_per_s: float
    relative_sd: float | None
    source: str
    verified: bool | None
    measured_at_s: float | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.start_sv_per_s > 0 and math.isfinite(self.start_sv_per_s)):
            raise InputError(f"Dose rate at 1 m {self.start_sv_per_s:g} Sv/s; expected above 0.")

    @property
    def terms(self) -> Drawn:
        """Amplitudes [Sv/s] and rates [1/s], each (1, terms)."""
        amplitude, rate = np.array(self.retention.terms).T
        return self.start_sv_per_s * amplitude[None], rate[None]

    def at(self, time_s: Array | float) -> Array:
        """Dose rate at 1 m. [Sv/s]"""
        return self.start_sv_per_s * self.retention.left_at(time_s)

    def below_at(self, limit_sv_per_s: float) -> float:
        """Earliest time from which the dose rate at 1 m stays at or below a limit. [s]"""
        if not limit_sv_per_s > 0:
            raise InputError(f"Limit of the dose rate {limit_sv_per_s:g} Sv/s; expected above 0.")
        amplitude, rate = self.terms
        late = math.log(max(float(np.abs(amplitude).sum()) / limit_sv_per_s, 1.0)) / float(rate.min())
        times = np.linspace(0.0, late, 2001) if late > 0 else np.zeros(1)
        above = np.flatnonzero(self.at(times) > limit_sv_per_s)
        if above.size == 0:
            return 0.0
        from scipy.optimize import brentq

        low, high = times[above[-1]], times[min(above[-1] + 1, times.size - 1)]
        if self.at(float(high)) > limit_sv_per_s:  # rounding at the last time, where both are equal
            return float(high)
        return float(brentq(lambda t: float(self.at(t)) - limit_sv_per_s, low, high, xtol=1e-3))

    def drawn(self, generator: np.random.Generator, n: int) -> Drawn | None:
        """Terms of patients that might be, (n, terms); None where neither retention nor dose rate has a spread."""
        if self.retention.drawn is None and self.relative_sd is None:
            return None
        amplitude, rate = self.terms
        if self.retention.drawn is None:
            shares, rates = np.repeat(amplitude / self.start_sv_per_s, n, axis=0), np.repeat(rate, n, axis=0)
        else:
            shares, rates = self.retention.drawn(generator, n)
        if self.measured_at_s is not None:
            left = (shares * np.exp(-rates * self.measured_at_s)).sum(axis=1, keepdims=True)
            shares = shares * float(self.retention.left_at(self.measured_at_s)) / left
        spread = math.sqrt(math.log1p((self.relative_sd or 0.0) ** 2))
        start = self.start_sv_per_s * np.exp(spread * generator.standard_normal(n))
        return start[:, None] * shares, rates


def dose_rate_constant(nuclide: str, *, quantity: Quantity = "ambient dose equivalent") -> DoseRateConstant:
    r"""Dose-rate constant of a point source in vacuum, from the photons of one decay.

    :math:`\Gamma = \frac{1}{4\pi} \sum_i y_i h(E_i)` over photons from 15 keV on, with the dose coefficient h per fluence
    (log-log between the energies of its table); for air kerma :math:`h = E \mu_{en}/\rho`. Progeny and bremsstrahlung are
    left out, and a warning names radioactive progeny.

    Parameters
    ----------
    nuclide : "Lu-177"
    quantity : what a survey meter for H*(10) shows is the ambient dose equivalent

    Raises
    ------
    InputError
        Unknown nuclide or quantity.

    References
    ----------
    ICRP Publication 74, Ann ICRP 26(3-4), 1996, table A.21. ANSI/ANS-6.1.1-1977, table 3.

    Examples
    --------
    >>> round(dose_rate_constant("Lu-177").value_sv_m2_per_bq_s * 3.6e15, 5)  # uSv m2/(h MBq)
    0.00629
    """
    if quantity not in get_args(Quantity):
        raise InputError(f"No quantity {quantity!r}; there are {', '.join(get_args(Quantity))}.")
    name = nuclide_name(nuclide)
    lines = emissions(name).photons.above(CUTOFF_MEV)
    energy = np.minimum(lines.energy_mev, HIGHEST_MEV)
    if quantity == "air kerma":
        coefficient = energy * mass_energy_absorption_cm2_per_g("air", energy) * GY_PER_MEV_PER_G
        source = "ICRP 107 emissions, NIST XCOM"
    else:
        table = rows("photon_dose_coefficients", _TABLES[quantity])
        nodes, values = (
            np.log([float(row[column]) for row in table]) for column in ("energy [MeV]", "coefficient [pSv cm2]")
        )
        coefficient = np.exp(np.interp(np.log(energy), nodes, values)) * 1e-12
        source = f"ICRP 107 emissions, {'ICRP 74' if quantity.startswith('ambient') else 'ANSI/ANS-6.1.1-1977'}"
    return DoseRateConstant(
        nuclide=name,
        quantity=quantity,
        value_sv_m2_per_bq_s=float(lines.yield_per_decay @ coefficient) * PER_CM2_AT_1_M,
        source=source,
        verified=True,
        warnings=_about_progeny(name),
    )


def _about_progeny(name: str) -> tuple[str, ...]:
    from lutetia.physics.nuclides import nuclide as nuclide_called

    told = []
    for child in nuclide_called(name).progeny:
        try:
            emissions(child.nuclide)
        except InputError:
            continue  # stable
        told.append(child.nuclide)
    if not told:
        return ()
    return (f"The dose-rate constant of {name} leaves out its progeny ({', '.join(told)}).",)


def published_constants(nuclide: str) -> tuple[DoseRateConstant, ...]:
    """Published dose-rate constants of a nuclide; empty where the table has none."""
    name = nuclide_name(nuclide)
    return tuple(
        DoseRateConstant(
            nuclide=name,
            quantity=row["quantity"],
            value_sv_m2_per_bq_s=float(row["constant [uSv m2/(h MBq)]"]) * SV_PER_S_PER_USV_PER_H * 1e-6,
            source=row["source"],
            verified=is_verified(row),
        )
        for row in rows("dose_rates", "constants.csv")
        if row["nuclide"] == name
    )


def patient_dose_rates(nuclide: str) -> tuple[PatientDoseRate, ...]:
    """Measured dose rates at 1 m of patients per activity; empty where the table has none."""
    name = nuclide_name(nuclide)
    return tuple(
        PatientDoseRate(
            at_1_m_sv_per_bq_s=float(row["at_1_m [uSv/(h GBq)]"]) * SV_PER_S_PER_USV_PER_H * 1e-9,
            relative_sd=number(row, "relative_sd"),
            patients=int(row["patients"]),
            source=row["source"],
            verified=is_verified(row),
        )
        for row in rows("dose_rates", "patients.csv")
        if row["nuclide"] == name
    )


def dose_rate_of_patients(
    retention: Retention, *, nuclide: str, administered_activity_bq: float
) -> ExternalDoseRate:
    """Dose rate as patients with this nuclide were measured; of an unattenuated point source where none were."""
    if not (administered_activity_bq > 0 and math.isfinite(administered_activity_bq)):
        raise InputError(f"Administered activity {administered_activity_bq:g} Bq; expected above 0.")
    measured = patient_dose_rates(nuclide)
    if measured:
        first = measured[0]
        told = "No dose rate was given: that of measured patients was taken; a measurement of this one is better."
        return ExternalDoseRate(
            retention=retention,
            start_sv_per_s=first.at_1_m_sv_per_bq_s * administered_activity_bq,
            relative_sd=first.relative_sd,
            source=first.source,
            verified=first.verified,
            warnings=(told,),
        )
    constant = dose_rate_constant(nuclide)
    if not constant.value_sv_m2_per_bq_s > 0:
        raise MissingDataError(
            f"{constant.nuclide} emits no photons of at least 15 keV; give a measured dose rate."
        )
    told = "No dose rate was given, nor measured in patients: that of a point source without attenuation was taken."
    return ExternalDoseRate(
        retention=retention,
        start_sv_per_s=constant.value_sv_m2_per_bq_s * administered_activity_bq,
        relative_sd=None,
        source=constant.source,
        verified=constant.verified,
        warnings=(told, *constant.warnings),
    )


def dose_rate_from_measurement(
    retention: Retention,
    *,
    dose_rate_sv_per_s: float,
    time_s: float,
    distance_m: float = 1.0,
    distance_exponent: float = DISTANCE_EXPONENT,
    relative_uncertainty: float | None = None,
) -> ExternalDoseRate:
    """Dose rate that passes through one measurement of this patient and falls as the retention does.

    Raises
    ------
    InputError
        A dose rate or distance that is not above 0, or a time before the administration.
    """
    if not (dose_rate_sv_per_s > 0 and math.isfinite(dose_rate_sv_per_s) and distance_m > 0 and time_s >= 0):
        raise InputError(
            f"Dose rate {dose_rate_sv_per_s:g} Sv/s at {distance_m:g} m, {time_s:g} s after the administration; expected a "
            "dose rate and a distance above 0 and a time from 0 on."
        )
    if relative_uncertainty is not None and not 0 <= relative_uncertainty < 1:
        raise InputError(f"Relative uncertainty of the dose rate {relative_uncertainty:g}; expected from 0 to 1.")
    told: Sequence[str] = ()
    if relative_uncertainty is None:
        told = ["The uncertainty of the measured dose rate was not given and is left out."]
    if distance_m != 1.0:
        told = [*told, f"The dose rate was taken to 1 m from {distance_m:g} m by its power {distance_exponent:g}."]
    left = float(retention.left_at(time_s))
    return ExternalDoseRate(
        retention=retention,
        start_sv_per_s=dose_rate_sv_per_s * distance_m**distance_exponent / left,
        relative_sd=relative_uncertainty,
        source=MEASURED,
        verified=None,
        measured_at_s=time_s,
        warnings=tuple(told),
    )
