"""Limits of cumulative organ dose, and the activity that each of them allows."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.uncertainty.correlated import correlation, standard_uncertainty
from lutetia.errors import InputError, MissingDataError
from lutetia.response.bed import biologically_effective_dose, dose_with_bed
from lutetia.response.parameters import DoseLimit, limit_table, tissue, tissue_table
from lutetia.response.protraction import lea_catcheside_exponentials
from lutetia.therapy.activity.course import Cycles
from lutetia.therapy.activity.prediction import Prediction
from lutetia.therapy.activity.probability import Spread, largest_upcoming, probability_exceeded

Array = NDArray[np.float64]
GIVEN_BY_USER: Final = "given by the user"
MOST_GY: Final = 1000.0
"""No limit of an organ is higher."""
_FORM: Final = re.compile(r"(?P<organ>[a-z]+(-[a-z]+)*?)(?P<bed>-bed)?-(?P<limit>[0-9]+(\.[0-9]+)?)gy")
ONLY_WARNS = "red marrow"
"""Its dose depends on the method by up to a factor of 3 and did not predict toxicity: it warns and never decides."""


def name_of(limit: DoseLimit) -> str:
    """Name of a limit for people to choose by: kidney-23Gy, kidney-BED-40Gy, marrow-2Gy."""
    return f"{_short(limit.region)}{'-BED' if limit.quantity == 'BED' else ''}-{limit.limit_gy:g}Gy"


def find_limits(name: str) -> tuple[DoseLimit, ...]:
    """Rows of the table of limits by name; several where sources share a number.

    A name of the same form with another number (kidney-25Gy, kidney-BED-30Gy) is the user's own limit, without source.

    Raises
    ------
    InputError
        Another form, or an organ of which no table knows; the message lists the limits and organs there are.
    """
    found = tuple(limit for limit in limit_table() if name_of(limit).lower() == name.strip().lower())
    return found or (_own_limit(name),)


def _own_limit(name: str) -> DoseLimit:
    known = ", ".join(dict.fromkeys(name_of(limit) for limit in limit_table()))
    form = _FORM.fullmatch(name.strip().lower())
    if form is None:
        raise InputError(
            f"No limit {name!r}; there are {known}, and your own in the same form, for example kidney-25Gy."
        )
    organs = {_short(organ): organ for organ in known_organs()}
    organ = organs.get(form["organ"].removeprefix("red-").removesuffix("s"))
    if organ is None:
        raise InputError(f"No limit {name!r}: no such organ; expected one of {', '.join(organs)}.")
    value = float(form["limit"])
    if not 0.01 <= value <= MOST_GY:
        raise InputError(f"The limit {name!r} cannot be meant; expected 0.01 to {MOST_GY:g} Gy.")
    return DoseLimit(
        region=organ, quantity="BED" if form["bed"] else "absorbed dose", limit_gy=value, tolerance_gy=None, condition="",
        endpoint="", source=GIVEN_BY_USER, verified=False,
    )  # fmt: skip


def known_organs() -> tuple[str, ...]:
    """Organs that the tables of limits and of tissues know, tumours left out."""
    names = (*(limit.region for limit in limit_table()), *(row.region for row in tissue_table()))
    return tuple(name for name in dict.fromkeys(names) if name != "lesion")


def _short(organ: str) -> str:
    return organ.removeprefix("red ").replace(" ", "-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Protraction:
    """Lea-Catcheside factor of the next cycle, and alpha/beta of the tissue. [1], [Gy]"""

    g: float
    alpha_beta_gy: float

    def bed_of(self, dose_gy: float) -> float:
        """BED of one cycle. [Gy]"""
        return float(biologically_effective_dose(np.asarray(dose_gy), g=self.g, alpha_beta_gy=self.alpha_beta_gy))

    def dose_of(self, bed_gy: Array) -> Array:
        """Absorbed dose of one cycle with a BED. [Gy]"""
        return dose_with_bed(bed_gy, g=self.g, alpha_beta_gy=self.alpha_beta_gy)


def protraction_of(organ: str, effective_half_life_s: float | None, *, agent: str = "") -> Protraction:
    """Protraction of a cycle by the patient's effective half-life; MissingDataError where it is not known. [s]"""
    if effective_half_life_s is None:
        raise MissingDataError(f"{organ}: a BED needs the effective half-life of each cycle (--half-life-h).")
    parameters = tissue(organ, agent=agent)
    g = lea_catcheside_exponentials(((1.0, math.log(2) / effective_half_life_s),), parameters.repair)
    return Protraction(g=g, alpha_beta_gy=parameters.alpha_beta_gy)


def cycles_within(limit_gy: float, *, dose_per_cycle_gy: float, protraction: Protraction | None = None) -> float:
    """Equal cycles until a limit of absorbed dose, or of BED with the protraction of each; not a whole number."""
    each = dose_per_cycle_gy if protraction is None else protraction.bed_of(dose_per_cycle_gy)
    if not each > 0:
        raise InputError(f"A dose of {dose_per_cycle_gy} Gy per cycle; expected above 0.")
    return limit_gy / each


@dataclass(frozen=True, kw_only=True, slots=True)
class _OfRegion:
    """A limit, with all rows of the table that have its number, of one region of its organ."""

    limits: tuple[DoseLimit, ...]
    region: str

    @property
    def limit(self) -> DoseLimit:
        """The limit, by its first source."""
        return self.limits[0]

    @property
    def decides(self) -> bool:
        """Whether this limit may change what is given."""
        return self.limit.region != ONLY_WARNS


@dataclass(frozen=True, kw_only=True, slots=True)
class Margin(_OfRegion):
    """One limit of one region before the next cycle.

    Attributes
    ----------
    limits : rows of the table with this number
    region : of the limit's organ
    so_far_gy, u_so_far_gy : of the limited quantity, uncertainty None when unknown. [Gy]
    prediction : dose of the next cycle
    spread : None where an uncertainty is unknown
    protraction : of the next cycle, None for limits of absorbed dose
    """

    so_far_gy: float
    u_so_far_gy: float | None
    prediction: Prediction
    spread: Spread | None
    protraction: Protraction | None = None

    @property
    def _dose_of(self) -> Callable[[Array], Array] | None:
        return None if self.protraction is None else self.protraction.dose_of

    def after(self, activity_bq: float, *, cycles: int = 1) -> float:
        """The limited quantity after the next cycle (or equal ones) of an activity, best estimate. [Gy]"""
        dose = self.prediction.dose_at(activity_bq) if activity_bq > 0 else 0.0
        return self.so_far_gy + cycles * (dose if self.protraction is None else self.protraction.bed_of(dose))

    def probability(self, activity_bq: float, *, cycles: int = 1) -> float | None:
        """P(limit exceeded) after the next cycle, or several equal ones; None where an uncertainty is unknown."""
        if self.spread is None:
            return None
        return probability_exceeded(
            limit=self.limit.limit_gy,
            given=self.so_far_gy,
            upcoming=self.prediction.dose_at(activity_bq) if activity_bq > 0 else 0.0,
            spread=self.spread,
            dose_of=self._of_cycles(cycles),
        )

    def _of_cycles(self, cycles: int) -> Callable[[Array], Array]:
        """Absorbed dose of each of several equal cycles that together have an amount of the limited quantity."""
        inverse = self._dose_of
        return lambda amount: amount / cycles if inverse is None else inverse(amount / cycles)

    def allows_by_estimate(self) -> float:
        """Activity with which the best estimate comes to the limit; 0 where it is passed. [Bq]"""
        left = np.array([max(self.limit.limit_gy - self.so_far_gy, 0.0)])
        return self.prediction.activity_for(float(left[0] if self._dose_of is None else self._dose_of(left)[0]))

    def allows(self, probability: float) -> float:
        """Largest activity with P(limit exceeded) at most a probability; by estimate where that is unknown. [Bq]"""
        if self.spread is None:
            return self.allows_by_estimate()
        most = largest_upcoming(
            limit=self.limit.limit_gy,
            given=self.so_far_gy,
            spread=self.spread,
            probability=probability,
            dose_of=self._dose_of,
        )
        return min(self.prediction.activity_for(most), self.allows_by_estimate())


@dataclass(frozen=True, kw_only=True, slots=True)
class Unjudged(_OfRegion):
    """A limit of a region that cannot be judged: why, and the least that was given so far. [Gy]"""

    why: str
    at_least_gy: float

    @property
    def passed(self) -> bool:
        """Whether what is known alone comes to the limit; BED is at least the absorbed dose."""
        return self.at_least_gy >= self.limit.limit_gy


def margins_of(
    names: Sequence[str],
    cycles: Cycles,
    predictions: Callable[[str], Prediction | None],
    *,
    half_life_s: Callable[[str], float | None] = lambda _region: None,
    agent: str = "",
) -> tuple[tuple[Margin, ...], tuple[str, ...]]:
    """Every limit for every region of its organ, and warnings about those that could not be judged.

    Parameters and errors as of ``judged_margins``, but that MissingDataError is raised where an organ that decides has no
    dose, no prediction, or for a BED no half-life.
    """
    found, unjudged = judged_margins(names, cycles, predictions, half_life_s=half_life_s, agent=agent)
    for each in unjudged:
        if each.decides:
            raise MissingDataError(each.why)
    return found, tuple(f"{name_of(each.limit)} was not judged: {each.why}" for each in unjudged)


def judged_margins(
    names: Sequence[str],
    cycles: Cycles,
    predictions: Callable[[str], Prediction | None],
    *,
    half_life_s: Callable[[str], float | None] = lambda _region: None,
    agent: str = "",
) -> tuple[tuple[Margin, ...], tuple[Unjudged, ...]]:
    """Every limit for every region of its organ, those that can be judged and those that cannot.

    Parameters
    ----------
    names : of limits
    cycles : given so far
    predictions : region -> dose of the next cycle, None where there is nothing to predict from
    half_life_s : region -> effective half-life in the next cycle. [s]
    agent : of the next cycle

    Raises
    ------
    InputError
        No such limit.
    """
    found: list[Margin] = []
    unjudged: list[Unjudged] = []
    for name in {name.strip().lower(): name for name in names}.values():
        limits = find_limits(name)
        for region in cycles.regions(limits[0].region) or (limits[0].region,):
            try:
                found.append(_margin(limits, region, cycles, predictions(region), half_life_s(region), agent))
            except MissingDataError as error:
                least = cycles.at_least_gy(region)
                unjudged.append(Unjudged(limits=limits, region=region, why=str(error), at_least_gy=least))
    return tuple(found), tuple(unjudged)


def _margin(
    limits: tuple[DoseLimit, ...],
    region: str,
    cycles: Cycles,
    prediction: Prediction | None,
    half_life_s: float | None,
    agent: str,
) -> Margin:
    if prediction is None:
        unmeasured = cycles.without_dose(region)
        also = f"no absorbed dose in cycle {', '.join(unmeasured)}, and " if unmeasured else ""
        raise MissingDataError(
            f"{region}: {also}nothing to predict the next dose from; give a dose.json or dose and activity of an earlier "
            "cycle with the same agent, a dose per activity (--Gy-per-GBq), or for a first cycle the population's (--prior "
            "sood2026)."
        )
    doses = cycles.quantities(region)
    protraction, given = None, doses
    if limits[0].quantity == "BED":
        organ = limits[0].region
        protraction = protraction_of(organ, half_life_s, agent=agent)
        own = [protraction_of(organ, each.effective_half_life_s, agent=agent) for each in cycles.of(region)]
        # first order: the errors of each cycle's dose grow by the slope of its BED
        given = tuple(d + p.g * d * d / p.alpha_beta_gy for d, p in zip(doses, own, strict=True))
    total = sum(given)
    so_far = float(getattr(total, "nominal_value", total))
    known = all(hasattr(dose, "nominal_value") for dose in doses)
    return Margin(
        limits=limits,
        region=region,
        so_far_gy=so_far,
        u_so_far_gy=standard_uncertainty(total) if known and doses else None,
        prediction=prediction,
        spread=_spread(total, so_far, prediction, cycles) if known else None,
        protraction=protraction,
    )


def _spread(total: object, so_far: float, prediction: Prediction, cycles: Cycles) -> Spread | None:
    """Relative uncertainties and their correlation by the names of the errors; None where the next is unknown."""
    if prediction.relative_u is None:
        return None
    if so_far == 0:
        return Spread(given=0.0, next=prediction.relative_u)
    shared = cycles.sources.quantity(1.0, prediction.named)
    relative = standard_uncertainty(total) / so_far
    # what the prediction has more than the shared errors is its own
    share = min(shared.std_dev / prediction.relative_u, 1.0) if prediction.relative_u > 0 else 0.0
    rho = correlation(total, shared) * share if hasattr(total, "std_dev") else 0.0
    return Spread(given=relative, next=prediction.relative_u, correlation=max(-1.0, min(1.0, rho)))
