"""How many of each member decay until a horizon, and their activities at times."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.physics.chains.bateman import bateman
from lutetia.physics.chains.members import Chain
from lutetia.physics.nuclides import EnergyPerDecay

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainDecays:
    """Decays of the members of a chain until a horizon, all members staying together.

    Attributes
    ----------
    chain : Chain
    horizon_s : until when; infinite for complete decay. [s]
    decays : by member
    atoms_left : by member, at the horizon
    stable_atoms : made of each stable end
    unfollowed_atoms : that went into branches which the data leave out; below 0 where rounded branches add up to more
        than 1
    initial_atoms : at time 0, of all members. Equal to all that is left, made and unfollowed.
    """

    chain: Chain
    horizon_s: float
    decays: Mapping[str, float]
    atoms_left: Mapping[str, float]
    stable_atoms: Mapping[str, float]
    unfollowed_atoms: float
    initial_atoms: float

    @property
    def per_parent_decay(self) -> dict[str, float]:
        """Decays of each member per decay of the parent within the same time.

        Raises
        ------
        InputError
            When the parent does not decay.
        """
        parent = self.decays[self.chain.parent]
        if not parent > 0.0:
            raise InputError(f"{self.chain.parent} does not decay; there is nothing to count per decay of it.")
        return {name: decays / parent for name, decays in self.decays.items()}

    @property
    def emitted_energy_mev(self) -> EnergyPerDecay:
        """Energy emitted until the horizon, by radiation, all members together. [MeV]"""
        pairs = [(self.decays[member.name], member) for member in self.chain.members]
        return EnergyPerDecay(
            electron=math.fsum(n * m.electron_mev for n, m in pairs),
            photon=math.fsum(n * m.photon_mev for n, m in pairs),
            alpha=math.fsum(n * m.alpha_mev for n, m in pairs),
            recoil=math.fsum(n * m.recoil_mev for n, m in pairs),
        )


def chain_decays(
    chain: Chain,
    *,
    horizon_s: float,
    activity_bq: float | Mapping[str, float] | None = None,
    atoms: float | Mapping[str, float] | None = None,
) -> ChainDecays:
    """Decays of every member until a horizon, from what is there at time 0.

    Parameters
    ----------
    chain : Chain
    horizon_s : until when; infinite only where no member lives longer than a year. [s]
    activity_bq, atoms : of the parent, or by member; one of the two. [Bq]

    Raises
    ------
    InputError
        No horizon above 0; infinity with 207Bi or its like in the chain; neither or both of activity and atoms, or
        negative.

    Examples
    --------
    >>> from lutetia.physics.chains import chain
    >>> found = chain_decays(chain("Pb-212"), horizon_s=float("inf"), activity_bq=1.0e6)
    >>> f"{found.decays['Pb-212']:.4e}"
    '5.5261e+10'
    """
    if not horizon_s > 0.0:
        raise InputError(
            f"Decays of {chain.parent}: horizon_s of {horizon_s}; expected a time after 0, or infinity."
        )
    start = _start_atoms(chain, activity_bq, atoms)
    if math.isinf(horizon_s):
        chain.refuse_infinity("Decays")
        left, gone = {name: 0.0 for name in start}, _all_decays(chain, start)
    else:
        (found,) = bateman(*_numbers(chain), list(start.values()), [horizon_s])
        left, gone = (dict(zip(start, values, strict=True)) for values in (found.atoms, found.decays))
    stable = {
        end: math.fsum(gone[b.mother] * b.fraction for b in chain.branches if b.daughter == end)
        for end in chain.stable
    }
    return ChainDecays(
        chain=chain,
        horizon_s=horizon_s,
        decays=gone,
        atoms_left=left,
        stable_atoms=stable,
        unfollowed_atoms=math.fsum(decays * chain.unfollowed_fraction(name) for name, decays in gone.items()),
        initial_atoms=math.fsum(start.values()),
    )


def chain_activities(
    chain: Chain,
    time_s: Array,
    *,
    activity_bq: float | Mapping[str, float] | None = None,
    atoms: float | Mapping[str, float] | None = None,
) -> dict[str, Array]:
    """Activity of every member at times, from what is there at time 0. [Bq]

    Parameters
    ----------
    chain : Chain
    time_s : (k,) finite, from 0 on. [s]
    activity_bq, atoms : of the parent, or by member; one of the two. [Bq]

    Raises
    ------
    InputError
        A time before 0 or not finite; neither or both of activity and atoms, or negative.
    """
    times = np.atleast_1d(np.asarray(time_s, dtype=float))
    if not np.all(np.isfinite(times)) or np.any(times < 0.0):
        raise InputError(f"Activities of {chain.parent}: expected finite times from 0 on, got {times.tolist()} s.")
    start = _start_atoms(chain, activity_bq, atoms)
    solutions = bateman(*_numbers(chain), list(start.values()), times.tolist())
    return {
        member.name: member.decay_constant_per_s * np.array([one.atoms[m] for one in solutions])
        for m, member in enumerate(chain.members)
    }


def _numbers(chain: Chain) -> tuple[list[float], list[list[tuple[int, float]]]]:
    """Half-lives, and mothers by position."""
    position = {member.name: m for m, member in enumerate(chain.members)}
    inflow: list[list[tuple[int, float]]] = [[] for _ in chain.members]
    for branch in chain.branches:
        if branch.daughter in position:
            inflow[position[branch.daughter]].append((position[branch.mother], branch.fraction))
    return [member.half_life_s for member in chain.members], inflow


def _start_atoms(
    chain: Chain, activity_bq: float | Mapping[str, float] | None, atoms: float | Mapping[str, float] | None
) -> dict[str, float]:
    """Atoms of each member at time 0."""
    given, kind = (atoms, "atoms") if activity_bq is None else (activity_bq, "activity_bq")
    if given is None or (activity_bq is not None and atoms is not None):
        raise InputError(f"Decays of {chain.parent}: give either activity_bq or atoms.")
    by_member = given if isinstance(given, Mapping) else {chain.parent: given}
    start = dict.fromkeys((member.name for member in chain.members), 0.0)
    for name, value in by_member.items():
        member = chain.member(name)
        if not 0.0 <= value < math.inf:
            raise InputError(f"{member.name}: {kind} of {value}; expected a finite number that is not negative.")
        start[member.name] = value if kind == "atoms" else value / member.decay_constant_per_s
    return start


def _all_decays(chain: Chain, start: Mapping[str, float]) -> dict[str, float]:
    """Decays of each member when all have decayed."""
    gone: dict[str, float] = {}
    for member in chain.members:
        born = math.fsum(gone[b.mother] * b.fraction for b in chain.branches if b.daughter == member.name)
        gone[member.name] = start[member.name] + born
    return gone
