"""What a protocol says of the activity of one cycle: the usual, the least and the most."""

from dataclasses import dataclass

from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.protocols.model import ActivityRule, Protocol
from lutetia.units import GBQ_PER_BQ, MBQ_PER_BQ


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Usual, lowest and highest activity of the next cycle, None where nothing is said. [Bq]

    ``source`` is the protocol and its source, ``unstated`` why it has no usual activity, ``tailored`` whether it tailors
    this cycle by absorbed dose, ``clipped_by`` a sentence on what else lowers ``highest_bq``, ``ended`` why there is no
    further cycle; all empty where there is nothing to say.
    """

    usual_bq: float | None = None
    source: str = ""
    unstated: str = ""
    tailored: bool = False
    lowest_bq: float | None = None
    highest_bq: float | None = None
    clipped_by: str = ""
    ended: str = ""
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def bounds_of(protocol: Protocol, *, cycle: int, given_bq: float | None, mass_kg: float | None = None) -> Bounds:
    """Bounds of a protocol before a cycle.

    Parameters
    ----------
    protocol : with its activity, tailored cycles, number of cycles and highest sum
    cycle : number of the next one, from 1
    given_bq : sum of the activities given by this protocol, None when unknown. [Bq]
    mass_kg : body mass, for activities per kg

    Raises
    ------
    InputError
        A cycle below 1.
    MissingDataError
        An activity per kg without a body mass, or a highest sum without the activities given.
    """
    if cycle < 1:
        raise InputError(f"Cycle {cycle}; expected 1 or more.")
    usual, lowest, highest = _of_rule(protocol.activity, mass_kg, protocol.id)
    reasons = []
    tailored = next((each for each in protocol.tailored_cycles if each.cycle == cycle), None)
    if tailored is not None:
        lowest, highest = tailored.lowest_bq, tailored.highest_bq
        reasons.append(
            f"{protocol.id} tailors cycle {cycle} between {lowest * GBQ_PER_BQ:g} and {highest * GBQ_PER_BQ:g} GBq "
            f"({tailored.origin.source})."
        )
    if protocol.cumulative is not None:
        if given_bq is None:
            raise MissingDataError(f"{protocol.id} limits the sum of activities; give that of every cycle.")
        left = max(protocol.cumulative.at_most_bq - given_bq, 0.0)
        if highest is None or left < highest:
            highest = left
            most_gbq, source = protocol.cumulative.at_most_bq * GBQ_PER_BQ, protocol.cumulative.origin.source
            reasons.append(
                f"{protocol.id} allows {left * GBQ_PER_BQ:.4g} GBq more of {most_gbq:g} GBq in all ({source})."
            )
    return Bounds(
        usual_bq=usual,
        source=_source(protocol, mass_kg),
        unstated="" if usual is not None else _unstated(protocol),
        tailored=tailored is not None,
        lowest_bq=lowest,
        highest_bq=highest,
        ended=_ended(protocol, cycle, highest),
        reasons=tuple(reasons),
        warnings=_unread(protocol),
    )


def _of_rule(
    rule: ActivityRule, mass_kg: float | None, name: str
) -> tuple[float | None, float | None, float | None]:
    """Usual, lowest and highest of a rule on activity."""
    if rule.basis == "individual":
        return None, None, None
    if rule.basis == "range":
        return None, rule.lowest_bq, rule.highest_bq
    per_kg = (*rule.levels_bq_per_kg, *filter(None, [rule.activity_bq_per_kg]))
    if per_kg and mass_kg is None:
        raise MissingDataError(f"{name} gives activity per kg of body mass; give the mass (--mass-kg).")
    levels = (*rule.levels_bq, *filter(None, [rule.activity_bq]), *(each * (mass_kg or 0.0) for each in per_kg))
    single = rule.activity_bq
    if rule.activity_bq_per_kg is not None:
        single = rule.activity_bq_per_kg * (mass_kg or 0.0)
    return single, None, max(levels, default=None)


def _source(protocol: Protocol, mass_kg: float | None) -> str:
    rule = protocol.activity
    scaled = rule.activity_bq_per_kg is not None and mass_kg is not None
    how = f" {(rule.activity_bq_per_kg or 0.0) * MBQ_PER_BQ:g} MBq/kg for {mass_kg:g} kg," if scaled else ""
    return f"{protocol.id}:{how} {rule.origin.source}"


def _unstated(protocol: Protocol) -> str:
    """Why a protocol has no usual activity."""
    rule, source = protocol.activity, protocol.activity.origin.source
    if rule.basis == "range" and rule.lowest_bq is not None and rule.highest_bq is not None:
        found = f"a range, {rule.lowest_bq * GBQ_PER_BQ:g} to {rule.highest_bq * GBQ_PER_BQ:g} GBq"
    elif rule.levels_bq:
        found = f"levels, {', '.join(f'{level * MBQ_PER_BQ:g}' for level in rule.levels_bq)} MBq"
    elif rule.levels_bq_per_kg:
        found = f"levels, {', '.join(f'{level * MBQ_PER_BQ:g}' for level in rule.levels_bq_per_kg)} MBq/kg"
    else:
        found = "an individual activity without a number"
    return f"{protocol.id} states {found}, and not which is this patient's ({source})"


def _ended(protocol: Protocol, cycle: int, highest_bq: float | None) -> str:
    most = protocol.cycles.at_most
    if most is not None and cycle > most:
        source = protocol.cycles.origin.source
        said = f"it has at most {most} cycles; this would be cycle {cycle}"
        return f"By {protocol.id} all cycles are given: {said} ({source})."
    if highest_bq is not None and highest_bq <= 0 and protocol.cumulative is not None:
        most_gbq, source = protocol.cumulative.at_most_bq * GBQ_PER_BQ, protocol.cumulative.origin.source
        return f"{protocol.id} has no activity left under its highest sum, {most_gbq:g} GBq ({source})."
    return ""


def _unread(protocol: Protocol) -> tuple[str, ...]:
    if protocol.activity.origin.verified:
        return ()
    return (f"The activity of {protocol.id} was noted from memory ({protocol.activity.origin.source}).",)
