"""The linear system of a chain in compartments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.kinetics.redistribution.scenario import ALL_REGIONS, EVERY_ELEMENT, Redistribution
from lutetia.physics.chains import Chain

Array = NDArray[np.float64]

Exponentials = Sequence[tuple[float, float]]
State = tuple[str, str]
"""Compartment and member of atoms; region and number of a parent's exponential."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ChainSystem:
    """One linear system: the parent's exponentials, and atoms of each daughter in each compartment it can reach.

    Attributes
    ----------
    terms : region of each of the parent's exponentials; their state is an activity [Bq]
    states : compartment and daughter of the states after them; their state is a number of atoms
    matrix : (n, n) rates from columns to rows. [1/s]
    start : (n,) at time 0
    decay_per_s : (n,) decays per unit of each state: 1 for activities, the decay constant for atoms
    """

    terms: tuple[str, ...]
    states: tuple[State, ...]
    matrix: Array
    start: Array
    decay_per_s: Array


def chain_system(chain: Chain, curves: Mapping[str, Exponentials], scenario: Redistribution) -> ChainSystem:
    """Build the system.

    Parameters
    ----------
    chain : Chain
    curves : exponentials (amplitude [Bq], effective rate [1/s]) of the parent by region
    scenario : what daughters do

    Raises
    ------
    InputError
        A fraction or transfer of what does not exist.
    """
    _refuse_unknown(chain, curves, scenario)
    terms = [(region, amplitude, rate) for region, curve in curves.items() for amplitude, rate in curve]
    births = _Births(chain, curves, scenario)
    states = _reachable(chain, curves, scenario, births)
    place = {state: len(terms) + i for i, state in enumerate(states)}
    size = len(terms) + len(states)
    matrix, start, decay = np.zeros((size, size)), np.zeros(size), np.ones(size)
    for i, (region, amplitude, rate) in enumerate(terms):
        start[i], matrix[i, i] = amplitude, -rate
        for state, fraction in births(region, chain.parent):
            matrix[place[state], i] += fraction
    for (compartment, name), i in place.items():
        member = chain.member(name)
        decay[i] = member.decay_constant_per_s
        matrix[i, i] -= member.decay_constant_per_s
        for state, fraction in births(compartment, name):
            matrix[place[state], i] += fraction * member.decay_constant_per_s
        for target, rate in _outflow(scenario, compartment, member.element):
            matrix[i, i] -= rate
            matrix[place[target, name], i] += rate
    return ChainSystem(
        terms=tuple(region for region, _, _ in terms),
        states=states,
        matrix=matrix,
        start=start,
        decay_per_s=decay,
    )


class _Births:
    """Where daughters of a member's decays in a compartment are born, with the fraction of decays."""

    def __init__(self, chain: Chain, curves: Mapping[str, Exponentials], scenario: Redistribution) -> None:
        self.chain, self.curves, self.scenario = chain, curves, scenario
        self.radioactive = {member.name for member in chain.members}

    def __call__(self, compartment: str, mother: str) -> list[tuple[State, float]]:
        born: list[tuple[State, float]] = []
        for branch in self.chain.daughters(mother):
            if branch.daughter not in self.radioactive:
                continue
            stays = 1.0
            if compartment in self.curves:
                for row in self.scenario.leaving_of(branch.daughter, compartment):
                    stays -= row.fraction
                    born.append(((row.target, branch.daughter), branch.fraction * row.fraction))
            born.append(((compartment, branch.daughter), branch.fraction * max(0.0, stays)))
        return [(state, fraction) for state, fraction in born if fraction > 0.0]


def _outflow(scenario: Redistribution, compartment: str, element: str) -> list[tuple[str, float]]:
    return [(t.target, t.rate_per_s) for t in scenario.rates_of(element) if t.source == compartment]


def _reachable(
    chain: Chain, curves: Mapping[str, Exponentials], scenario: Redistribution, births: _Births
) -> tuple[State, ...]:
    """States that atoms come to, mothers before daughters."""
    waiting = [state for region in curves for state, _ in births(region, chain.parent)]
    seen: set[State] = set()
    while waiting:
        state = waiting.pop()
        if state in seen:
            continue
        seen.add(state)
        compartment, name = state
        waiting += [born for born, _ in births(compartment, name)]
        element = chain.member(name).element
        waiting += [(target, name) for target, _ in _outflow(scenario, compartment, element)]
    order = {member.name: i for i, member in enumerate(chain.members)}
    return tuple(sorted(seen, key=lambda state: (order[state[1]], state[0])))


def _refuse_unknown(chain: Chain, curves: Mapping[str, Exponentials], scenario: Redistribution) -> None:
    known = {compartment.name for compartment in scenario.compartments}
    both = sorted(known & set(curves))
    if both:
        raise InputError(
            f"{scenario.name}: compartment {both[0]!r} has the name of a region with a curve; give it another, or name the "
            "region in transfers."
        )
    known |= set(curves)
    for row in scenario.leaving:
        where = f"{scenario.name}: {row.member} leaving {row.region}"
        if chain.member(row.member).name == chain.parent:
            raise InputError(
                f"{where}: the parent's own release is in its curve; give fractions of daughters only."
            )
        if row.region != ALL_REGIONS and row.region not in curves:
            raise InputError(f"{where}: no curve of that region; there are {', '.join(curves)}.")
        if row.target not in known:
            raise InputError(f"{where} for {row.target}: no such compartment.")
    for transfer in scenario.transfers:
        for end in (transfer.source, transfer.target):
            if end not in known:
                element = "all elements" if transfer.element == EVERY_ELEMENT else transfer.element
                raise InputError(
                    f"{scenario.name}: transfer of {element} from {transfer.source} to {transfer.target}: no "
                    f"compartment {end!r}."
                )
