"""Whether a preparation may still be used when it is given: time since preparation, and radiochemical purity."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.agents.model import Agent, Purity, Setting, Stability
from lutetia.units import H_PER_S

OF_PREPARATION: tuple[Setting, ...] = ("shelf life", "in vitro")
"""Statements on a vial; stability in vivo says nothing of how long it may wait."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UsableUntil:
    """Until when stability is stated, by which statement."""

    until: datetime
    statement: Stability


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check of a preparation; ``passed`` is None where nothing is stated."""

    what: str
    passed: bool | None
    found: str
    expected: str
    source: str
    verified: bool


def usable_until(agent: Agent, prepared: datetime) -> UsableUntil:
    """The end of the time for which an agent's preparation is stated to be stable.

    A shelf life decides before a stability in vitro, which is a time for which it was shown and not a limit.

    Raises
    ------
    MissingDataError
        Nothing is stated of this agent.
    """
    found = [each for setting in OF_PREPARATION for each in agent.stability if each.setting == setting]
    if not found:
        raise MissingDataError(f"No stability or shelf life of {agent.name} is in the catalogue; use the label.")
    return UsableUntil(until=prepared + timedelta(seconds=found[0].duration_s), statement=found[0])


def check_preparation(
    agent: Agent, *, prepared: datetime, administered: datetime, purity: float | None = None
) -> tuple[Check, ...]:
    """Check a preparation at the time of administration.

    Parameters
    ----------
    agent : with its stability and least purity
    prepared, administered : local times, both with or both without a time zone
    purity : radiochemical purity as a fraction, None when it was not measured

    Raises
    ------
    InputError
        Given before it was prepared, one time with and one without a zone, or a purity outside 0 to 1.
    """
    if (prepared.tzinfo is None) != (administered.tzinfo is None):
        raise InputError("One of the times of preparation and administration has a time zone, the other has none.")
    age_s = (administered - prepared).total_seconds()
    if age_s < 0.0:
        raise InputError(f"Administered {administered:%Y-%m-%d %H:%M}, before it was prepared.")
    if purity is not None and not (math.isfinite(purity) and 0.0 <= purity <= 1.0):
        raise InputError(f"Radiochemical purity {purity}; expected a fraction from 0 to 1.")
    return (_age(agent, prepared, age_s), *(_purity(limit, purity, age_s) for limit in agent.purity))


def _age(agent: Agent, prepared: datetime, age_s: float) -> Check:
    found = f"{age_s * H_PER_S:.3g} h after preparation"
    try:
        usable = usable_until(agent, prepared)
    except MissingDataError as reason:
        return Check(what="age", passed=None, found=found, expected=str(reason), source="", verified=False)
    statement = usable.statement
    hours, limit = f"{statement.duration_s * H_PER_S:g} h", statement.setting == "shelf life"
    # a shelf life is a limit; a stability that was shown says nothing of later times
    late = False if limit else None
    return Check(
        what="age",
        passed=True if age_s <= statement.duration_s else late,
        found=found,
        expected=f"at most {hours} (shelf life)"
        if limit
        else f"stable for {hours} {statement.setting}, no more is known",
        source=statement.origin.source,
        verified=statement.origin.verified,
    )


def _purity(limit: Purity, purity: float | None, age_s: float) -> Check:
    expected = f"at least {100 * limit.at_least:g} %"
    passed = None if purity is None else purity >= limit.at_least
    if limit.until_s is not None:
        expected += f", until {limit.until_s * H_PER_S:g} h after preparation"
        # the limit was set up to then; later a purity that meets it is not covered by it
        passed = None if passed and age_s > limit.until_s else passed
    return Check(
        what="radiochemical purity",
        passed=passed,
        found="not measured" if purity is None else f"{100 * purity:g} %",
        expected=expected,
        source=limit.origin.source,
        verified=limit.origin.verified,
    )
