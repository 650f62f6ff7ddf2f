"""Protocols behind regimens: those that ship, and what is known of a regimen that no protocol states."""

from typing import Any

from lutetia.therapy.protocols import shipped_protocols
from lutetia.therapy.protocols.model import (
    ActivityRule,
    Cumulative,
    CycleRule,
    Interval,
    Origin,
    Protocol,
)
from lutetia.units import BQ_PER_MBQ

DAYS_PER_WEEK = 7
DAYS_PER_MONTH = 365.25 / 12


def protocol_with_id(name: str) -> Protocol | None:
    """A protocol that ships, None where there is none of this id."""
    return next((protocol for protocol in shipped_protocols() if protocol.id == name), None)


def own_protocol(agent: dict[str, Any], found: dict[str, Any], origin: Origin) -> Protocol:
    """Activity, cycles, interval and highest sum of a regimen as a protocol that states nothing else."""
    most = found.get("cumulative_MBq")
    return Protocol(
        id=found["id"],
        version="",
        title="",
        indication="",
        agent=agent["name"],
        nuclide=agent["nuclide"],
        accompanied_by="",
        route=found["route"],
        ctcae_version="",
        ctcae_origin=origin,
        activity=_activity(found, origin),
        tailored_cycles=(),
        cycles=CycleRule(planned=found.get("cycles"), at_most=found.get("at_most_cycles"), origin=origin),
        cumulative=None if most is None else Cumulative(at_most_bq=most * BQ_PER_MBQ, origin=origin),
        interval=_interval(found, origin),
        eligibility=(),
        retreatment=(),
        washout=(),
        cycle_day=(),
        labs=(),
        delay=None,
        modifications=(),
        imaging=(),
        warnings=(),
        sources={},
    )


def _activity(found: dict[str, Any], origin: Origin) -> ActivityRule:
    per_kg, fixed = found.get("activity_MBq_per_kg"), found.get("activity_MBq")
    return ActivityRule(
        basis=found["basis"],
        activity_bq=None if fixed is None else fixed * BQ_PER_MBQ,
        activity_bq_per_kg=None if per_kg is None else per_kg * BQ_PER_MBQ,
        lowest_bq=None,
        highest_bq=None,
        levels_bq=tuple(level * BQ_PER_MBQ for level in found.get("levels_MBq", ())),
        levels_bq_per_kg=(),
        tolerance=None,
        origin=origin,
    )


def _interval(found: dict[str, Any], origin: Origin) -> Interval | None:
    days = found.get("every_weeks", 0.0) * DAYS_PER_WEEK + found.get("every_months", 0.0) * DAYS_PER_MONTH
    if not days:
        return None
    return Interval(
        planned_days=round(days), earliest_days=None, latest_days=None, extended_days=None, origin=origin
    )
