"""Time-integrated activities of the members of a chain in every region."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import ConvergenceError, InputError
from lutetia.kinetics.redistribution.exponential import exhausted, propagated
from lutetia.kinetics.redistribution.scenario import EQUILIBRIUM, Redistribution
from lutetia.kinetics.redistribution.system import ChainSystem, chain_system
from lutetia.physics.chains import Chain

Array = NDArray[np.float64]
ByRegionAndMember = Mapping[tuple[str, str], float]

LEAST_BALANCE: Final = 1e-9
"""Relative difference of atoms born and accounted for from which a solution is refused."""
MOVING_S: Final = 60.0
"""Half-life from which it is told that a free daughter has no transfer coefficients."""
WHOLE_BODY: Final = frozenset({"whole body", "total body", "body"})
SAME_RATE: Final = 1e-6


class ParentCurve(Protocol):
    """What is asked of a parent's curve; ``CurveFit`` has it."""

    @property
    def region(self) -> str:
        """Name of the region."""

    @property
    def exponentials(self) -> tuple[tuple[float, float], ...]:
        """Amplitude [Bq] and effective rate [1/s] of each term."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberBalance:
    """What became of the atoms of a daughter until the horizon.

    Attributes
    ----------
    born : by decays of its mothers, everywhere
    decayed : in the body and outside
    present, excreted : not yet decayed, in the body and outside
    """

    born: float
    decayed: float
    present: float
    excreted: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MemberActivities:
    """Decays of each member of a chain in each region, from administration to a horizon.

    Attributes
    ----------
    parent : "Ac-225"
    time_integrated_activity_bq_s : by region and member; "excreted" lies outside the body. [Bq s]
    horizon_s : until when, infinite for complete decay. [s]
    assumption : about where daughters decay
    sources : of the numbers of the assumption
    warnings : what a reader must know
    balance : by daughter, empty where results were joined
    activities_at : activity [Bq] at a time [s], by region and member; None where results were joined
    """

    parent: str
    time_integrated_activity_bq_s: ByRegionAndMember
    horizon_s: float
    assumption: str
    sources: tuple[str, ...]
    warnings: tuple[str, ...]
    balance: Mapping[str, MemberBalance]
    activities_at: Callable[[float], ByRegionAndMember] | None


def member_activities(
    chain: Chain,
    curves: Iterable[ParentCurve],
    *,
    horizon_s: float,
    scenario: Redistribution = EQUILIBRIUM,
) -> MemberActivities:
    """Time-integrated activity of every member of a chain in every region.

    The parent is where its curves say, its biological release included. Its decays drive the daughters: at birth some
    leave for a compartment of the scenario, and move on by first-order transfers of their element; those that stay
    decay in place. Chain, compartments and integrals are one linear system, solved by its exponential, or for
    complete decay by its inverse; no member is approximated.

    Parameters
    ----------
    chain : Chain
    curves : of the parent, one per region, none of which holds another
    horizon_s : until when; infinite only where every curve falls and no member lives longer than a year. [s]
    scenario : what daughters do; that they all stay if nothing is given

    Raises
    ------
    InputError
        No curves, a region twice, a whole body beside its parts, a curve that is no sum of exponentials; a scenario
        for members, regions or compartments that are not there; infinity with 207Bi or its like.
    ConvergenceError
        When atoms are not kept to 1e-9.

    References
    ----------
    Leggett et al., Radiat Prot Dosim 53, 205, 1994 (chain members with compartments of their own).
    """
    by_region = _by_region(chain, curves)
    if not horizon_s > 0.0:
        raise InputError(f"Activities of {chain.parent}: horizon_s of {horizon_s}; expected a time after 0.")
    system = chain_system(chain, by_region, scenario)
    if math.isinf(horizon_s):
        chain.refuse_infinity("Time-integrated activities")
        _refuse_lasting(by_region)
        left, integral = np.zeros(system.start.size), exhausted(system.matrix, system.start)
    else:
        left, integral = propagated(system.matrix, system.start, horizon_s)
    decays = system.decay_per_s * integral
    regions = _regions(system, scenario)

    def activities_at(time_s: float) -> ByRegionAndMember:
        if not 0.0 <= time_s < math.inf:
            raise InputError(f"Activities of {chain.parent} at {time_s} s; expected a finite time from 0 on.")
        state, _ = propagated(system.matrix, system.start, time_s)
        return _summed(chain, system, regions, system.decay_per_s * state)

    return MemberActivities(
        parent=chain.parent,
        time_integrated_activity_bq_s=_summed(chain, system, regions, decays),
        horizon_s=horizon_s,
        assumption=scenario.name,
        sources=scenario.sources,
        warnings=_warnings(chain, by_region, scenario, system),
        balance=_balance(chain, system, scenario, decays, left),
        activities_at=activities_at,
    )


def joined(parts: Sequence[MemberActivities]) -> MemberActivities:
    """Results of one course in one, as of chains measured apart; no member may be counted twice in a region.

    Raises
    ------
    InputError
        Nothing given, other horizons or assumptions, or a member of a region in two of them.
    """
    if not parts:
        raise InputError("No activities to join.")
    together: dict[tuple[str, str], float] = {}
    for part in parts:
        for what in ("horizon_s", "assumption"):
            if getattr(part, what) != getattr(parts[0], what):
                raise InputError(
                    f"Activities of {parts[0].parent} and {part.parent} differ in {what}: {getattr(parts[0], what)} and "
                    f"{getattr(part, what)}."
                )
        for (region, member), value in part.time_integrated_activity_bq_s.items():
            if (region, member) in together:
                raise InputError(
                    f"{member} in {region} is counted twice: as a member of the chain of {part.parent}, and of another "
                    "that was given before."
                )
            together[region, member] = value
    return MemberActivities(
        parent=" and ".join(dict.fromkeys(part.parent for part in parts)),
        time_integrated_activity_bq_s=together,
        horizon_s=parts[0].horizon_s,
        assumption=parts[0].assumption,
        sources=tuple(dict.fromkeys(source for part in parts for source in part.sources)),
        warnings=tuple(dict.fromkeys(told for part in parts for told in part.warnings)),
        balance={},
        activities_at=None,
    )


def _by_region(chain: Chain, curves: Iterable[ParentCurve]) -> dict[str, tuple[tuple[float, float], ...]]:
    by_region: dict[str, tuple[tuple[float, float], ...]] = {}
    for curve in curves:
        if curve.region in by_region:
            raise InputError(f"{curve.region}: two curves of {chain.parent}; its decays would be counted twice.")
        if not curve.exponentials:
            raise InputError(
                f"{curve.region}: the curve of {chain.parent} is no sum of exponentials; fit a model to follow daughters."
            )
        for amplitude, rate in curve.exponentials:
            if not (math.isfinite(amplitude) and 0.0 <= rate < math.inf):
                raise InputError(
                    f"{curve.region}: term of {amplitude} Bq with a rate of {rate} 1/s; expected finite ones."
                )
        by_region[curve.region] = tuple(curve.exponentials)
    if not by_region:
        raise InputError(f"No curve of {chain.parent}.")
    whole = [region for region in by_region if region.lower() in WHOLE_BODY]
    if whole and len(by_region) > 1:
        raise InputError(
            f"{whole[0]} holds the other regions, whose decays would be counted twice; give the remainder instead."
        )
    return by_region


def _refuse_lasting(by_region: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for region, curve in by_region.items():
        if any(rate <= 0.0 for _, rate in curve):
            raise InputError(f"{region}: a term of its curve does not fall; give a finite horizon_s.")


def _regions(system: ChainSystem, scenario: Redistribution) -> list[str]:
    """Region of each state."""
    of = {compartment.name: compartment.region for compartment in scenario.compartments}
    return [*system.terms, *(of.get(compartment, compartment) for compartment, _ in system.states)]


def _summed(
    chain: Chain, system: ChainSystem, regions: Sequence[str], values: Array
) -> dict[tuple[str, str], float]:
    """Values of states added by region and member."""
    members = [*(chain.parent for _ in system.terms), *(member for _, member in system.states)]
    keys = list(zip(regions, members, strict=True))
    return {
        key: math.fsum(value for other, value in zip(keys, values.tolist(), strict=True) if other == key)
        for key in dict.fromkeys(keys)
    }


def _balance(
    chain: Chain, system: ChainSystem, scenario: Redistribution, decays: Array, left: Array
) -> dict[str, MemberBalance]:
    excreted = {compartment.name for compartment in scenario.compartments if compartment.excreted}
    first = len(system.terms)
    gone = {chain.parent: math.fsum(decays[:first].tolist())}
    found: dict[str, MemberBalance] = {}
    for member in chain.members[1:]:
        own = [(i, place) for i, (place, name) in enumerate(system.states, start=first) if name == member.name]
        gone[member.name] = math.fsum(float(decays[i]) for i, _ in own)
        balance = MemberBalance(
            born=math.fsum(b.fraction * gone[b.mother] for b in chain.branches if b.daughter == member.name),
            decayed=gone[member.name],
            present=math.fsum(float(left[i]) for i, place in own if place not in excreted),
            excreted=math.fsum(float(left[i]) for i, place in own if place in excreted),
        )
        missing = balance.born - balance.decayed - balance.present - balance.excreted
        if abs(missing) > LEAST_BALANCE * abs(balance.born):
            raise ConvergenceError(
                f"{member.name}: {balance.born:.6g} atoms are born, of which {missing:.3g} are not accounted for."
            )
        found[member.name] = balance
    return found


def _warnings(
    chain: Chain,
    by_region: Mapping[str, Sequence[tuple[float, float]]],
    scenario: Redistribution,
    system: ChainSystem,
) -> tuple[str, ...]:
    told = [*chain.warnings, *scenario.warnings]
    constant = chain.members[0].decay_constant_per_s
    for region, curve in by_region.items():
        slowest = min(rate for _, rate in curve)
        if slowest < constant * (1.0 - SAME_RATE):
            told.append(
                f"{region}: a term of the curve falls with {slowest:.4g} 1/s, more slowly than {chain.parent} decays "
                f"({constant:.4g} 1/s)."
            )
    free = [(place, name) for place, name in system.states if place not in by_region]
    if scenario is not EQUILIBRIUM and not free:
        told.append(
            f"{scenario.name}: no daughter comes free; all decay where their parent did, or in another region."
        )
    for name in dict.fromkeys(name for _, name in free):
        member = chain.member(name)
        known = any(transfer.element == member.element for transfer in scenario.transfers)
        if not known and member.half_life_s > MOVING_S:
            told.append(f"Free {name} decays where it comes free: no transfer of {member.element} is given.")
    of = {compartment.name: compartment.region for compartment in scenario.compartments if not compartment.excreted}
    elsewhere = sorted({of[place] for place, _ in free if place in of} - set(by_region))
    if elsewhere:
        told.append(f"Daughters decay in {', '.join(elsewhere)}, of which {chain.parent} has no curve.")
    return tuple(told)
