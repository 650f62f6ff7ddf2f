"""Decay chains out of the decay data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from lutetia.errors import InputError
from lutetia.physics.chains.members import Branch, Chain, Member, readable_time
from lutetia.physics.names import nuclide_name
from lutetia.physics.nuclides import HalfLifeData, is_stable, nuclide

TOLD_FRACTION: Final = 1.0e-5
"""Missing branches from here on are told; below it the tables' own rounding begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnHalfLife:
    """A half-life from elsewhere, which must say from where. [s]"""

    half_life_s: float
    source: str

    def __post_init__(self) -> None:
        if not 0.0 < self.half_life_s < float("inf"):
            raise InputError(f"A half-life of {self.half_life_s} s; expected a positive, finite one.")
        if not self.source.strip():
            raise InputError("A half-life of one's own needs its source.")


def chain(
    name: str,
    half_life_data: HalfLifeData = "ICRP-107",
    *,
    half_lives: Mapping[str, OwnHalfLife] | None = None,
) -> Chain:
    """The decay chain of a nuclide, down to stable nuclides.

    Parameters
    ----------
    name : parent, "Ac-225"; any radionuclide of ICRP Publication 107
    half_life_data : "ICRP-107", or "newer" for later evaluations where the package has one; branches and emissions
        are those of ICRP 107 either way
    half_lives : half-lives of one's own by member; they take precedence

    Returns
    -------
    Chain
        Branches that the data leave out (0.012 % of 217At go to 217Rn) are told in ``warnings``; their daughters are
        not there.

    Raises
    ------
    InputError
        Unknown or stable nuclide; a half-life for what is no member.

    References
    ----------
    ICRP Publication 107, Ann ICRP 38(3), 2008, doi:10.1016/j.icrp.2008.10.004; branches through radioactivedecay,
    Malins and Lemoine, J Open Source Softw 7, 3318, 2022, doi:10.21105/joss.03318.

    Examples
    --------
    >>> [member.name for member in chain("Bi-213").members]
    ['Bi-213', 'Po-213', 'Tl-209', 'Pb-209']
    """
    found = _chain(nuclide_name(name), half_life_data)
    if half_lives:
        own = {found.member(member).name: value for member, value in half_lives.items()}
        members = tuple(_with_half_life(member, own.get(member.name)) for member in found.members)
        found = replace(found, members=members)
    return replace(found, warnings=_warnings(found))


def _with_half_life(member: Member, own: OwnHalfLife | None) -> Member:
    if own is None:
        return member
    return replace(member, half_life_s=own.half_life_s, half_life_source=own.source, half_life_verified=True)


@lru_cache(maxsize=64)
def _chain(name: str, half_life_data: HalfLifeData) -> Chain:
    parent = nuclide(name).name
    branches, stable = _branches(parent)
    inside = [branch for branch in branches if branch.daughter not in stable]
    yields = {parent: 1.0}
    waiting = {branch.daughter: 0 for branch in inside}
    for branch in inside:
        waiting[branch.daughter] += 1
    ready, members = [parent], []
    while ready:
        mother = max(ready, key=lambda one: (yields[one], one))
        ready.remove(mother)
        members.append(_member(mother, half_life_data, yields[mother]))
        for branch in (b for b in inside if b.mother == mother):
            yields[branch.daughter] = yields.get(branch.daughter, 0.0) + branch.fraction * yields[mother]
            waiting[branch.daughter] -= 1
            if waiting[branch.daughter] == 0:
                ready.append(branch.daughter)
    return Chain(parent=parent, members=tuple(members), branches=branches, stable=stable, warnings=())


def _branches(parent: str) -> tuple[tuple[Branch, ...], tuple[str, ...]]:
    """All branches below a parent, and the stable ends."""
    branches: list[Branch] = []
    stable: list[str] = []
    seen, waiting = {parent}, [parent]
    while waiting:
        mother = waiting.pop(0)
        for child in nuclide(mother).progeny:
            branches.append(Branch(mother=mother, daughter=child.nuclide, fraction=child.branching))
            if child.nuclide in seen:
                continue
            seen.add(child.nuclide)
            if is_stable(child.nuclide):
                stable.append(child.nuclide)
            else:
                waiting.append(child.nuclide)
    return tuple(branches), tuple(stable)


def _member(name: str, half_life_data: HalfLifeData, per_parent_decay: float) -> Member:
    data = nuclide(name, half_life_data)
    energy = data.energy_per_decay_mev
    return Member(
        name=data.name,
        half_life_s=data.half_life_s,
        half_life_source=data.half_life_source,
        half_life_verified=data.half_life_verified,
        alpha_mev=energy.alpha,
        recoil_mev=energy.recoil,
        electron_mev=energy.electron,
        photon_mev=energy.photon,
        per_parent_decay=per_parent_decay,
    )


def _warnings(found: Chain) -> tuple[str, ...]:
    told = []
    for member in found.members:
        missing = found.unfollowed_fraction(member.name)
        if missing >= TOLD_FRACTION:
            told.append(
                f"{member.name}: {100.0 * missing:.2g} % of its decays lead to a branch or to fission that the decay "
                "data leave out; what follows from them is not counted."
            )
        if member.half_life_s > found.members[0].half_life_s:
            told.append(
                f"{member.name} ({readable_time(member.half_life_s)}) outlives {found.parent} "
                f"({readable_time(found.members[0].half_life_s)}): there is no equilibrium with it."
            )
        if not member.half_life_verified:
            told.append(f"{member.name}: half-life of {member.half_life_source}.")
    return tuple(told)
