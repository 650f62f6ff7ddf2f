"""Doses of people who meet a patient by a pattern, and the smallest delay that keeps them within a constraint."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.kinetics.measured.curve_table import Row, read_rows
from lutetia.therapy.protection.dose_rate import DISTANCE_EXPONENT
from lutetia.therapy.protection.retention import Drawn
from lutetia.therapy.protection.tables import path_of
from lutetia.units import S_PER_DAY, S_PER_H, S_PER_MIN, SV_PER_MSV

Array = NDArray[np.float64]

DAY_S: Final = S_PER_DAY
HOUR_S: Final = S_PER_H
"""Length of the pieces of a contact, at whose beginnings it may be taken up again."""
TOLERANCE_S: Final = 1.0
"""To which delays are found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """One stay near the patient: when on the clock (or after the delay, if once), how long, and how far away."""

    start_s: float
    duration_s: float
    distance_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactPattern:
    """How somebody meets the patient, every day or once, and the dose that must not be exceeded.

    Attributes
    ----------
    name : in words
    daily : contacts repeat every day at the same hours; else they begin once, when the delay ends
    contacts : in order of their beginnings
    constraint_sv : dose constraint. [Sv]
    per_year : the constraint is for a year and shared by its treatments; else for one treatment
    relative_sd : spread of the dose from people's habits (durations, distances); None when unknown
    """

    name: str
    daily: bool
    contacts: tuple[Contact, ...]
    constraint_sv: float
    per_year: bool
    relative_sd: float | None = None

    def __post_init__(self) -> None:
        if not self.contacts:
            raise InputError(f"{self.name}: no contacts; expected at least one.")
        for c in self.contacts:
            if not (c.start_s >= 0 and c.duration_s > 0 and 0 < c.distance_m < math.inf):
                raise InputError(
                    f"{self.name}: contact from {c.start_s / S_PER_H:g} h for {c.duration_s / S_PER_MIN:g} min at "
                    f"{c.distance_m:g} m; expected a time from 0 on, and duration and distance above 0."
                )
            if self.daily and (c.start_s >= DAY_S or c.duration_s > DAY_S):
                raise InputError(f"{self.name}: a daily contact begins before 24 h and lasts at most 24 h.")
        ends = [(c.start_s, c.start_s + c.duration_s) for c in self.contacts]
        if self.daily:
            ends.append((ends[0][0] + DAY_S, math.inf))
        for earlier, later in itertools.pairwise(ends):
            if later[0] < earlier[1] - 1e-6:
                raise InputError(
                    f"{self.name}: the contact at {(later[0] % DAY_S) / S_PER_H:g} h begins before the one at "
                    f"{earlier[0] / S_PER_H:g} h ends; contacts must be in order and apart."
                )
        if not (self.constraint_sv > 0 and math.isfinite(self.constraint_sv)):
            raise InputError(f"{self.name}: dose constraint {self.constraint_sv:g} Sv; expected above 0.")
        if self.relative_sd is not None and not 0 <= self.relative_sd < math.inf:
            raise InputError(f"{self.name}: relative spread {self.relative_sd:g} of the dose; expected 0 or more.")

    def constraint_of_one(self, treatments_per_year: int) -> float:
        """Constraint of one treatment among several in a year. [Sv]"""
        if treatments_per_year < 1:
            raise InputError(f"{treatments_per_year} treatments per year; expected at least 1.")
        return self.constraint_sv / treatments_per_year if self.per_year else self.constraint_sv


@dataclass(frozen=True, kw_only=True, slots=True)
class Restriction:
    """How long a pattern of contact must wait.

    Attributes
    ----------
    pattern, constraint_sv : and the constraint of one treatment. [Sv]
    delay_s : smallest delay after the administration with a dose below the constraint; 0 where none is needed. [s]
    resume_s : first beginning of an hour of the pattern from then on, after the administration. [s]
    dose_sv : of all contacts from ``resume_s`` on. [Sv]
    unrestricted_dose_sv : of all contacts from the administration on. [Sv]
    """

    pattern: ContactPattern
    constraint_sv: float
    delay_s: float
    resume_s: float
    dose_sv: float
    unrestricted_dose_sv: float


def contact_dose_sv(
    pattern: ContactPattern,
    terms: Drawn,
    delay_s: Array | float,
    *,
    administered_at_s: float,
    distance_exponent: float = DISTANCE_EXPONENT,
) -> Array:
    r"""Dose of all contacts from a delay after the administration on.

    With the dose rate :math:`\sum_k \dot H_k e^{-\lambda_k t}` at 1 m, p = 24 h and contact i beginning
    :math:`\theta'_i` after the delay for :math:`c_i` at the distance :math:`d_i`,

    .. math:: D = \sum_k \frac{\dot H_k}{\lambda_k}\,\frac{e^{-\lambda_k\tau}}{1 - e^{-\lambda_k p}}
                  \sum_i d_i^{-n} e^{-\lambda_k\theta'_i}(1 - e^{-\lambda_k c_i}).

    A contact that is going on when the delay ends counts with its rest, and whole from the next day on. Patterns that
    happen once lack the denominator and begin when the delay ends.

    Parameters
    ----------
    pattern : who meets the patient and how
    terms : amplitudes [Sv/s] and rates [1/s] at 1 m, each (n, terms) or (1, terms)
    delay_s : (n,) or a number. [s]
    administered_at_s : time of day of the administration, from midnight. [s]
    distance_exponent : n

    Returns
    -------
    (n,) [Sv]

    References
    ----------
    Cormack J, Shearer J. Phys Med Biol 43 (1998) 501-516. doi:10.1088/0031-9155/43/3/003
    """
    amplitude, rate = terms
    delay = np.atleast_1d(np.asarray(delay_s, dtype=float))
    total = np.zeros((np.broadcast_shapes(amplitude.shape[:1], delay.shape)[0], rate.shape[1]))
    for c in pattern.contacts:
        weight = c.distance_m**-distance_exponent
        if pattern.daily:
            wait = np.mod(c.start_s - administered_at_s - delay, DAY_S)[:, None]
            total = total + weight * _share_of_day(rate, wait, c.duration_s)
        else:
            total = total + weight * np.exp(-rate * c.start_s) * -np.expm1(-rate * c.duration_s)
    if pattern.daily:
        total = total / -np.expm1(-rate * DAY_S)
    return np.asarray((amplitude / rate * np.exp(-rate * delay[:, None]) * total).sum(axis=1))


def _share_of_day(rate: Array, wait_s: Array, duration_s: float) -> Array:
    """``rate`` times the integral of exp(-rate t) over one day's contact; what goes beyond the day began before it."""
    beyond = np.maximum(wait_s + duration_s - DAY_S, 0.0)
    return np.asarray(
        np.exp(-rate * wait_s) - np.exp(-rate * (wait_s + duration_s - beyond)) - np.expm1(-rate * beyond)
    )


def smallest_delay_s(dose_at: Callable[[Array], Array], constraint_sv: float, n: int = 1) -> Array:
    """Smallest delays at which decreasing doses are below a constraint, by bisection. (n,) [s]"""
    low, high = np.zeros(n), np.full(n, DAY_S)
    free = dose_at(low) < constraint_sv
    while np.any(dose_at(high) >= constraint_sv):
        high = np.where(dose_at(high) >= constraint_sv, 2 * high, high)
    while float(np.max(high - low)) > TOLERANCE_S:
        middle = (low + high) / 2
        below = dose_at(middle) < constraint_sv
        low, high = np.where(below, low, middle), np.where(below, middle, high)
    return np.where(free, 0.0, high)


def restriction(
    pattern: ContactPattern,
    terms: Drawn,
    *,
    administered_at_s: float,
    treatments_per_year: int = 1,
    distance_exponent: float = DISTANCE_EXPONENT,
) -> Restriction:
    """Smallest delay that keeps the dose of a pattern below its constraint; ``terms`` of one patient, (1, terms)."""

    def dose(delay_s: Array) -> Array:
        return contact_dose_sv(
            pattern, terms, delay_s, administered_at_s=administered_at_s, distance_exponent=distance_exponent
        )

    constraint = pattern.constraint_of_one(treatments_per_year)
    delay_s = float(smallest_delay_s(dose, constraint)[0])
    resume_s = float(resumed_at(pattern, np.array([delay_s]), administered_at_s=administered_at_s)[0])
    return Restriction(
        pattern=pattern,
        constraint_sv=constraint,
        delay_s=delay_s,
        resume_s=resume_s,
        dose_sv=float(dose(np.array([resume_s]))[0]),
        unrestricted_dose_sv=float(dose(np.zeros(1))[0]),
    )


def resumed_at(pattern: ContactPattern, delay_s: Array, *, administered_at_s: float) -> Array:
    """First beginning of an hour of contact from each delay on, after the administration. [s]"""
    if not pattern.daily:
        return delay_s
    begins = np.array(
        [c.start_s + hour * HOUR_S for c in pattern.contacts for hour in range(math.ceil(c.duration_s / HOUR_S))]
    )
    wait = (
        np.mod(begins[None] - administered_at_s - delay_s[:, None] + TOLERANCE_S, DAY_S).min(axis=1) - TOLERANCE_S
    )
    return np.asarray(np.maximum(delay_s + wait, 0.0))


def contact_patterns(path: Path | None = None) -> tuple[ContactPattern, ...]:
    """Patterns of a CSV file in the order of the file; the shipped ones by default.

    Columns: name, repeats (daily or once), per (year or treatment), constraint_mSv, start_h, duration_min, distance_m
    and, if known, relative_sd_percent of the dose. One row per contact; the rows of a name belong together.

    Raises
    ------
    InputError
        A missing column, a value that cannot be, or a pattern whose rows disagree; with file, line and column.
    """
    path = path or path_of("contact_patterns", "patterns.csv")
    found: dict[str, list[Row]] = {}
    for row in read_rows(
        path,
        texts=("name", "repeats", "per"),
        numbers=("constraint_mSv", "start_h", "duration_min", "distance_m"),
        optional=("relative_sd_percent",),
    ):
        _require_word(path, row, "repeats", ("daily", "once"))
        _require_word(path, row, "per", ("year", "treatment"))
        found.setdefault(row.texts["name"], []).append(row)
    return tuple(_pattern(path, name, group) for name, group in found.items())


def _require_word(path: Path, row: Row, column: str, words: Sequence[str]) -> None:
    if row.texts[column] not in words:
        raise InputError(
            f"{path.name}, line {row.line}, column {column}: {row.texts[column]!r}; expected {' or '.join(words)}."
        )


def _pattern(path: Path, name: str, group: Sequence[Row]) -> ContactPattern:
    first = group[0]

    def common(row: Row) -> tuple[object, ...]:
        numbers = row.numbers
        return (row.texts["repeats"], row.texts["per"], numbers["constraint_mSv"], numbers["relative_sd_percent"])

    for row in group[1:]:
        if common(row) != common(first):
            raise InputError(
                f"{path.name}, line {row.line}: repeats, per, constraint or spread of {name} differ from line {first.line}."
            )
    spread = first.numbers["relative_sd_percent"]
    contacts = tuple(
        Contact(
            start_s=float(row.numbers["start_h"] or 0.0) * S_PER_H,
            duration_s=float(row.numbers["duration_min"] or 0.0) * S_PER_MIN,
            distance_m=float(row.numbers["distance_m"] or 0.0),
        )
        for row in group
    )
    return ContactPattern(
        name=name,
        daily=first.texts["repeats"] == "daily",
        contacts=contacts,
        constraint_sv=float(first.numbers["constraint_mSv"] or 0.0) * SV_PER_MSV,
        per_year=first.texts["per"] == "year",
        relative_sd=None if spread is None else spread / 100,
    )
