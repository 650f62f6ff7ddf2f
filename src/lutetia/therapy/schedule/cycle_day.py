"""The day of a cycle to the minute: what is ordered, and what was given beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from lutetia.errors import InputError, MissingDataError, ProtocolError
from lutetia.therapy.chronicle.model import Timed
from lutetia.therapy.protocols.model import DayEvent, Protocol
from lutetia.units import S_PER_MIN

AGENT: Final = "agent"
"""The infusion of the agent; other events are relative to its start or end."""
Status = Literal["as stated", "deviates", "not judged", "not noted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DayOrder:
    """One line of the order set.

    Attributes
    ----------
    event, what : name and words
    start : planned; the end of the window that lies nearest to what the event is relative to
    earliest, latest : of the start; None where no tolerance or window is stated
    end_earliest, end_latest : by the duration; None where none is stated
    source, verified : of the rule
    """

    event: str
    what: str
    start: datetime
    earliest: datetime | None
    latest: datetime | None
    end_earliest: datetime | None
    end_latest: datetime | None
    source: str
    verified: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One time or duration that was given beside what the protocol states."""

    event: str
    of: Literal["start", "duration"]
    status: Status
    found: str | None
    expected: str
    source: str
    verified: bool


def day_orders(
    protocol: Protocol, agent_start: datetime, agent_lasts_s: float | None = None
) -> tuple[DayOrder, ...]:
    """Order set of the day of a cycle.

    Parameters
    ----------
    protocol : with a day of the cycle
    agent_start : local time
    agent_lasts_s : of the infusion of the agent; None takes the one duration that the protocol states. [s]

    Raises
    ------
    MissingDataError
        The protocol states nothing of the day, or not how long the agent or another event lasts that is needed.
    InputError
        A duration that is none.
    ProtocolError
        Events that wait for each other.
    """
    if not protocol.cycle_day:
        raise MissingDataError(f"{protocol.id} states nothing of the day of a cycle.")
    if agent_lasts_s is not None and not agent_lasts_s > 0:
        raise InputError(f"the agent lasts {agent_lasts_s:g} s; expected more than 0.")
    lasts = agent_lasts_s if agent_lasts_s is not None else _stated_duration(protocol)
    ends = None if lasts is None else agent_start + timedelta(seconds=lasts)
    times: dict[str, tuple[datetime, datetime | None]] = {AGENT: (agent_start, ends)}
    orders: dict[str, DayOrder] = {}
    waiting = list(protocol.cycle_day)
    while waiting:
        ready = [event for event in waiting if _reference(event)[0] in times]
        if not ready:
            raise ProtocolError(
                f"{protocol.id}: {', '.join(event.event for event in waiting)} wait for each other."
            )
        for event in ready:
            orders[event.event] = _order(event, times, protocol)
            times[event.event] = (orders[event.event].start, orders[event.event].end_earliest)
            waiting.remove(event)
    agent = DayOrder(
        event=AGENT,
        what=protocol.agent,
        start=agent_start,
        earliest=None,
        latest=None,
        end_earliest=ends,
        end_latest=ends,
        source=protocol.activity.origin.source,
        verified=protocol.activity.origin.verified,
    )
    return tuple(sorted((agent, *orders.values()), key=lambda order: order.start))


def _stated_duration(protocol: Protocol) -> float | None:
    """Duration of the event that starts with the agent and that the protocol calls its infusion."""
    for event in protocol.cycle_day:
        if event.event == f"{AGENT}-infusion" and event.lasts_at_least_s == event.lasts_at_most_s:
            return event.lasts_at_least_s
    return None


def _reference(event: DayEvent) -> tuple[str, str]:
    name, _, end = event.relative_to.rpartition("_")
    return name, end


def _bounds(event: DayEvent) -> tuple[float | None, float | None]:
    """Seconds after the reference between which an event starts."""
    if event.at_s is None:
        return event.earliest_s, event.latest_s
    if event.tolerance_s is None:
        return None, None
    return event.at_s - event.tolerance_s, event.at_s + event.tolerance_s


def _moved(start: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else start + timedelta(seconds=seconds)


def _order(event: DayEvent, times: Mapping[str, tuple[datetime, datetime | None]], protocol: Protocol) -> DayOrder:
    name, end = _reference(event)
    zero = times[name][0] if end == "start" else times[name][1]
    if zero is None:
        raise MissingDataError(
            f"{protocol.id} does not state how long {name} lasts, from which {event.event} counts."
        )
    ends = [second for second in (event.earliest_s, event.latest_s) if second is not None]
    at_s = event.at_s if event.at_s is not None else min(ends, key=abs, default=0.0)
    start = zero + timedelta(seconds=at_s)
    low, high = _bounds(event)
    return DayOrder(
        event=event.event,
        what=event.what,
        start=start,
        earliest=_moved(zero, low),
        latest=_moved(zero, high),
        end_earliest=_moved(start, event.lasts_at_least_s),
        end_latest=_moved(start, event.lasts_at_most_s),
        source=event.origin.source,
        verified=event.origin.verified,
    )


def events_of_day(protocol: Protocol) -> frozenset[str]:
    """Names of the events of the day that a protocol knows, the infusion of the agent among them."""
    return frozenset({AGENT, *(event.event for event in protocol.cycle_day)})


def check_day(protocol: Protocol, given: Sequence[Timed]) -> tuple[Check, ...]:
    """What was given on the day of a cycle beside what the protocol states.

    Times are compared to the minute. A time that the protocol states without tolerance is told and not judged, unless it
    is met.

    Parameters
    ----------
    protocol : with a day of the cycle
    given : events of one day, by the names of the protocol, ``agent`` for the infusion of the agent

    Raises
    ------
    InputError
        An event that the protocol does not have, or one twice.
    """
    known = events_of_day(protocol)
    times: dict[str, Timed] = {}
    for one in given:
        if one.event not in known:
            raise InputError(
                f"no event {one.event!r} on the day of {protocol.id}; there are {', '.join(sorted(known))}."
            )
        if one.event in times:
            raise InputError(f"{one.event} of cycle {one.cycle} stands there twice.")
        times[one.event] = one
    if AGENT not in times and f"{AGENT}-infusion" in times:
        times[AGENT] = times[f"{AGENT}-infusion"]
    return tuple(check for event in protocol.cycle_day for check in _checks(event, times))


def _checks(event: DayEvent, times: Mapping[str, Timed]) -> list[Check]:
    checks = [_start_check(event, times)]
    if event.lasts_at_least_s is not None or event.lasts_at_most_s is not None:
        checks.append(_duration_check(event, times))
    return checks


def _start_check(event: DayEvent, times: Mapping[str, Timed]) -> Check:
    name, end = _reference(event)
    where = f"the {end} of {name}"
    low, high = _bounds(event)
    wanted = _between(low, high) if event.at_s is None or event.tolerance_s is not None else f"{_min(event.at_s)}"
    one, reference = times.get(event.event), times.get(name)
    zero = None if reference is None else reference.start if end == "start" else reference.end
    if one is None or zero is None:
        missing = event.event if one is None else where
        return _check(event, "start", "not noted", None, f"{wanted} min of {where}; {missing} is not noted")
    after_s = _minutes(one.start, zero) * S_PER_MIN
    status: Status = "as stated"
    if event.at_s is not None and event.tolerance_s is None:
        status = "as stated" if after_s == event.at_s else "not judged"
        wanted += " (no tolerance stated)"
    elif (low is not None and after_s < low) or (high is not None and after_s > high):
        status = "deviates"
    return _check(event, "start", status, f"{_min(after_s)} min", f"{wanted} min of {where}")


def _duration_check(event: DayEvent, times: Mapping[str, Timed]) -> Check:
    low, high = event.lasts_at_least_s, event.lasts_at_most_s
    lowest = None if low is None else f"at least {low / S_PER_MIN:g}"
    highest = None if high is None else f"at most {high / S_PER_MIN:g}"
    expected = f"lasts {' and '.join(filter(None, (lowest, highest)))} min"
    one = times.get(event.event)
    if one is None or one.end is None:
        return _check(event, "duration", "not noted", None, f"{expected}; the end is not noted")
    lasted_s = _minutes(one.end, one.start) * S_PER_MIN
    off = (low is not None and lasted_s < low) or (high is not None and lasted_s > high)
    return _check(event, "duration", "deviates" if off else "as stated", f"{lasted_s / S_PER_MIN:g} min", expected)


def _check(
    event: DayEvent, of: Literal["start", "duration"], status: Status, found: str | None, text: str
) -> Check:
    return Check(
        event=event.event,
        of=of,
        status=status,
        found=found,
        expected=text,
        source=event.origin.source,
        verified=event.origin.verified,
    )


def _minutes(when: datetime, zero: datetime) -> int:
    return round(
        (when.replace(second=0, microsecond=0) - zero.replace(second=0, microsecond=0)) / timedelta(minutes=1)
    )


def _min(seconds: float) -> str:
    return f"{seconds / S_PER_MIN:+g}"


def _between(low: float | None, high: float | None) -> str:
    if low is None:
        return f"until {_min(high)}" if high is not None else "any"
    return f"from {_min(low)}" if high is None else f"{_min(low)} to {_min(high)}"
