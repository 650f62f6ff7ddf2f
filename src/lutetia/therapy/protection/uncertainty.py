"""How certain a restriction is: delays of patients that might be, by Monte Carlo."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.therapy.protection.contact import ContactPattern, contact_dose_sv, resumed_at, smallest_delay_s
from lutetia.therapy.protection.dose_rate import DISTANCE_EXPONENT, ExternalDoseRate
from lutetia.therapy.protection.retention import Drawn

Array = NDArray[np.float64]

DRAWS: Final = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class DelaySpread:
    """Distribution of the smallest delay of a pattern.

    Attributes
    ----------
    median_s, interval_95_s, upper_95_s : of the delay; ``upper_95_s`` holds for 95 of 100 patients. [s]
    resume_upper_95_s : first beginning of an hour of the pattern from ``upper_95_s`` on. [s]
    needed : share of the patients that need any delay
    """

    median_s: float
    interval_95_s: tuple[float, float]
    upper_95_s: float
    resume_upper_95_s: float
    needed: float


def delay_spreads(
    patterns: Sequence[ContactPattern],
    dose_rate: ExternalDoseRate,
    *,
    administered_at_s: float,
    treatments_per_year: int = 1,
    distance_exponent: float = DISTANCE_EXPONENT,
    draws: int = DRAWS,
    seed: int = 1,
) -> tuple[DelaySpread | None, ...]:
    """Distributions of the delays of several patterns over the same patients that might be.

    Drawn are the retention, the dose rate it begins with, and, where a pattern has one, the spread of its dose (log-normal
    about the dose of the pattern). None for a pattern of which nothing has a spread.

    Raises
    ------
    InputError
        Fewer than 100 draws.
    """
    if draws < 100:
        raise InputError(f"{draws} draws; a 95 % interval needs at least 100.")
    generator = np.random.default_rng(seed)
    terms = dose_rate.drawn(generator, draws)
    found: list[DelaySpread | None] = []
    for pattern in patterns:
        habit = _habits(pattern, generator, draws)
        mine = terms if terms is not None else dose_rate.terms
        if terms is None and habit is None:
            found.append(None)
            continue
        constraint = pattern.constraint_of_one(treatments_per_year)
        delays = _delays(pattern, mine, habit, constraint, draws, administered_at_s, distance_exponent)
        found.append(_spread(pattern, delays, administered_at_s))
    return tuple(found)


def _habits(pattern: ContactPattern, generator: np.random.Generator, draws: int) -> Array | None:
    # drawn for every pattern, so that the numbers of one do not depend on the others' spreads
    z = generator.standard_normal(draws)
    if pattern.relative_sd is None:
        return None
    return np.asarray(np.exp(math.sqrt(math.log1p(pattern.relative_sd**2)) * z))


def _delays(
    pattern: ContactPattern,
    terms: Drawn,
    habit: Array | None,
    constraint_sv: float,
    draws: int,
    administered_at_s: float,
    distance_exponent: float,
) -> Array:
    def dose(delay_s: Array) -> Array:
        plain = contact_dose_sv(
            pattern, terms, delay_s, administered_at_s=administered_at_s, distance_exponent=distance_exponent
        )
        return plain if habit is None else plain * habit

    return smallest_delay_s(dose, constraint_sv, draws)


def _spread(pattern: ContactPattern, delays_s: Array, administered_at_s: float) -> DelaySpread:
    low, median, upper, high = np.percentile(delays_s, [2.5, 50, 95, 97.5]).tolist()
    return DelaySpread(
        median_s=median,
        interval_95_s=(low, high),
        upper_95_s=upper,
        resume_upper_95_s=float(resumed_at(pattern, np.array([upper]), administered_at_s=administered_at_s)[0]),
        needed=float(np.mean(delays_s > 0)),
    )


def dose_rate_band(
    dose_rate: ExternalDoseRate, time_s: Array, *, draws: int = DRAWS, seed: int = 1
) -> tuple[Array, Array] | None:
    """95 % interval of the dose rate at 1 m over time. [Sv/s]"""
    terms = dose_rate.drawn(np.random.default_rng(seed), draws)
    if terms is None:
        return None
    amplitude, rate = terms
    values = (amplitude[:, :, None] * np.exp(-rate[:, :, None] * time_s[None, None])).sum(axis=1)
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    return np.asarray(low), np.asarray(high)
