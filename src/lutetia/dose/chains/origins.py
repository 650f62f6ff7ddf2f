"""Decays of a chain, kept apart by the curve of the parent that they follow from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lutetia.errors import InputError
from lutetia.kinetics.redistribution import EQUILIBRIUM, MemberActivities, Redistribution, member_activities
from lutetia.kinetics.redistribution.activities import ParentCurve
from lutetia.physics.chains import Chain
from lutetia.physics.chains import chain as chain_of
from lutetia.physics.nuclides import decays_of_chain

ROUNDING: Final = 1e-13
"""Of the most decays of a member in a region, below which others are what the linear system leaves of 0."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Contribution:
    """All decays that follow from the parent's curve in one region, wherever the daughters decay.

    They scale with that curve, so that its relative uncertainty is that of all of them, fully correlated.

    Attributes
    ----------
    origin : region of the parent's curve
    activities : by region and member
    relative_u : standard, of the curve's integral; None when unknown
    """

    origin: str
    activities: MemberActivities
    relative_u: float | None


@dataclass(frozen=True, slots=True)
class _Curve:
    region: str
    exponentials: tuple[tuple[float, float], ...]


def contributions(
    chain: Chain,
    curves: Iterable[ParentCurve],
    *,
    horizon_s: float,
    scenario: Redistribution = EQUILIBRIUM,
    relative_u: Mapping[str, float | None] | None = None,
) -> tuple[Contribution, ...]:
    """Decays of all members by region, apart for the curve of each region.

    The system is linear in the parent's curves: each is solved with the others at no activity, and their sum is what
    ``lutetia.kinetics.redistribution.member_activities`` gives.

    Parameters
    ----------
    chain, curves, horizon_s, scenario : as of ``member_activities``
    relative_u : region -> relative standard uncertainty of the curve's integral; missing when unknown

    Raises
    ------
    InputError
        What ``member_activities`` refuses.
    """
    given = tuple(curves)
    together = member_activities(chain, given, horizon_s=horizon_s, scenario=scenario)
    known = relative_u or {}
    if len(given) == 1:
        return (
            Contribution(
                origin=given[0].region, activities=_there(together), relative_u=known.get(given[0].region)
            ),
        )
    found = []
    for own in given:
        alone = [
            _Curve(c.region, tuple((a if c is own else 0.0, rate) for a, rate in c.exponentials)) for c in given
        ]
        part = member_activities(chain, alone, horizon_s=horizon_s, scenario=scenario)
        # what is told of all curves is told by all of them
        part = replace(_there(part), warnings=together.warnings)
        found.append(Contribution(origin=own.region, activities=part, relative_u=known.get(own.region)))
    return tuple(found)


def equilibrium_contributions(
    parent: str,
    decays_bq_s: Mapping[str, float],
    *,
    horizon_s: float,
    relative_u: Mapping[str, float | None] | None = None,
) -> tuple[Contribution, ...]:
    """Decays of all members where the parent decays, in the numbers of a source that was pure parent at time 0.

    For curves of any form; ``contributions`` follows sums of exponentials.

    Parameters
    ----------
    parent : nuclide
    decays_bq_s : region -> decays of the parent within the horizon
    horizon_s : [s]
    relative_u : region -> relative standard uncertainty; missing when unknown

    Raises
    ------
    InputError
        No horizon above 0; infinity with 207Bi or its like in the chain.
    """
    members, known = decays_of_chain(parent, horizon_s), relative_u or {}
    told = chain_of(parent).warnings
    return tuple(
        Contribution(
            origin=region,
            activities=MemberActivities(
                parent=parent,
                time_integrated_activity_bq_s={(region, member): n * decays for member, n in members.items()},
                horizon_s=horizon_s,
                assumption=EQUILIBRIUM.name,
                sources=(),
                warnings=told,
                balance={},
                activities_at=None,
            ),
            relative_u=known.get(region),
        )
        for region, decays in decays_bq_s.items()
    )


def _there(activities: MemberActivities) -> MemberActivities:
    """Without regions and members that nothing reaches."""
    decays = activities.time_integrated_activity_bq_s
    least = ROUNDING * max(decays.values(), default=0.0)
    kept = {key: value for key, value in decays.items() if abs(value) > least}
    return replace(activities, time_integrated_activity_bq_s=kept)


def require_once(parts: Iterable[Contribution]) -> tuple[Contribution, ...]:
    """The contributions, where no decay counts twice.

    Raises
    ------
    InputError
        None; a curve twice; a member of a region through one parent and through another, or by itself; horizons or
        assumptions that differ.
    """
    listed = tuple(parts)
    if not listed:
        raise InputError("No decays to make a dose from.")
    curves: set[tuple[str, str]] = set()
    parents: dict[tuple[str, str], str] = {}
    first = listed[0].activities
    for part in listed:
        own = part.activities
        if (own.horizon_s, own.assumption) != (first.horizon_s, first.assumption):
            raise InputError(
                f"{part.origin}: horizon of {own.horizon_s:g} s, {own.assumption!r}; expected {first.horizon_s:g} s, "
                f"{first.assumption!r}, as of {listed[0].origin}."
            )
        if (part.origin, own.parent) in curves:
            raise InputError(f"{part.origin}: two curves of {own.parent}; its decays would be counted twice.")
        curves.add((part.origin, own.parent))
        for key in own.time_integrated_activity_bq_s:
            other = parents.setdefault(key, own.parent)
            if other != own.parent:
                raise InputError(
                    f"{key[1]} in {key[0]} is counted twice: as a member of the chain of {other}, and of {own.parent}."
                )
    return listed
