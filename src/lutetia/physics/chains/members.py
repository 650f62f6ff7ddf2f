"""A decay chain: members, branches, ends."""

import math
from dataclasses import dataclass
from typing import Final

from lutetia.errors import InputError
from lutetia.physics.names import nuclide_name
from lutetia.physics.nuclides import EnergyPerDecay
from lutetia.units import S_PER_DAY, S_PER_H, S_PER_MIN

LONG_LIVED_S: Final = 365.2422 * S_PER_DAY
"""A half-life above which decays are not integrated to infinity: 1 y. No patient keeps 207Bi for its 32.9 y."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One radioactive nuclide of a chain.

    Attributes
    ----------
    name : "Bi-213"
    half_life_s : [s]
    half_life_source, half_life_verified : data set, and whether the value was compared with it
    alpha_mev, recoil_mev, electron_mev, photon_mev : mean energy emitted per decay of this member (ICRP Publication
        107); alpha particles without recoil; beta, conversion and Auger electrons; gamma, X and annihilation
        radiation. [MeV]
    per_parent_decay : atoms of it that are made per decay of the parent, over all paths; 1 for the parent. As many
        decay if one waits long enough.
    """

    name: str
    half_life_s: float
    half_life_source: str
    half_life_verified: bool
    alpha_mev: float
    recoil_mev: float
    electron_mev: float
    photon_mev: float
    per_parent_decay: float

    @property
    def decay_constant_per_s(self) -> float:
        """[1/s]"""
        return math.log(2.0) / self.half_life_s

    @property
    def element(self) -> str:
        """Symbol: "Bi"."""
        return self.name.partition("-")[0]

    @property
    def is_long_lived(self) -> bool:
        """Whether it lives too long to be integrated to infinity."""
        return self.half_life_s > LONG_LIVED_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """Share of the decays of one nuclide that lead to another."""

    mother: str
    daughter: str
    fraction: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A parent and all that follows from it.

    Attributes
    ----------
    parent : "Ac-225"
    members : radioactive nuclides, every one after all of its mothers; the parent first
    branches : between members, and from members to stable ends
    stable : the ends; 209Bi is one
    warnings : branches that the data leave out, members that outlive the parent, half-lives not checked
    """

    parent: str
    members: tuple[Member, ...]
    branches: tuple[Branch, ...]
    stable: tuple[str, ...]
    warnings: tuple[str, ...]

    def member(self, name: str) -> Member:
        """The member of a name.

        Raises
        ------
        InputError
            No member; the message names them.
        """
        wanted = nuclide_name(name)
        for member in self.members:
            if member.name == wanted:
                return member
        raise InputError(
            f"{wanted} is no member of the chain of {self.parent}: {', '.join(m.name for m in self.members)}."
        )

    @property
    def needs_horizon(self) -> tuple[str, ...]:
        """Members for which an integral to infinity is refused."""
        return tuple(member.name for member in self.members if member.is_long_lived)

    def daughters(self, name: str) -> tuple[Branch, ...]:
        """Branches out of a member."""
        return tuple(branch for branch in self.branches if branch.mother == name)

    def unfollowed_fraction(self, name: str) -> float:
        """Share of a member's decays that lead to nothing in the data: small branches, fission, rounding.

        Below 0 where rounded branches add up to more than 1 (210Bi: by 1.3e-6).
        """
        return 1.0 - math.fsum(branch.fraction for branch in self.daughters(name))

    @property
    def in_equilibrium(self) -> tuple[Member, ...]:
        """Members down to, and without, the first daughter that lives too long to be integrated to infinity."""
        out = {member.name for member in self.members[1:] if member.is_long_lived}
        for member in self.members[1:]:
            mothers = {branch.mother for branch in self.branches if branch.daughter == member.name}
            if mothers <= out:
                out.add(member.name)
        return tuple(member for member in self.members if member.name not in out)

    @property
    def equilibrium_energy_mev(self) -> EnergyPerDecay:
        """Energy per decay of the parent when every member in equilibrium decays with it. [MeV]"""
        members = self.in_equilibrium
        return EnergyPerDecay(
            electron=math.fsum(m.per_parent_decay * m.electron_mev for m in members),
            photon=math.fsum(m.per_parent_decay * m.photon_mev for m in members),
            alpha=math.fsum(m.per_parent_decay * m.alpha_mev for m in members),
            recoil=math.fsum(m.per_parent_decay * m.recoil_mev for m in members),
        )

    def refuse_infinity(self, what: str) -> None:
        """Refuse an integral to infinity where a member lives too long for it.

        Raises
        ------
        InputError
            With the member, its half-life and what to give instead.
        """
        long_lived = [member for member in self.members if member.is_long_lived]
        if long_lived:
            named = ", ".join(f"{m.name} ({readable_time(m.half_life_s)})" for m in long_lived)
            raise InputError(
                f"{what} of {self.parent} to infinity: {named} lives for longer than a year, and a patient does not "
                "keep it until it has decayed; give a finite horizon_s."
            )


def readable_time(time_s: float) -> str:
    """A half-life in the unit people use for it: "45.59 min"."""
    units = (
        (LONG_LIVED_S, "y"),
        (S_PER_DAY, "d"),
        (S_PER_H, "h"),
        (S_PER_MIN, "min"),
        (1.0, "s"),
        (1.0e-3, "ms"),
        (0.0, "us"),
    )
    size, unit = next((size, unit) for size, unit in units if time_s >= size)
    return f"{time_s / (size or 1.0e-6):.4g} {unit}"
