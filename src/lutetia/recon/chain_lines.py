"""Photon lines of a whole decay chain, which member an image at one of them shows, and what that says of the parent."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.physics.chains import Chain, chain, chain_activities
from lutetia.physics.chains.members import readable_time
from lutetia.physics.nuclides import nuclide
from lutetia.recon.scatter_model import accepted
from lutetia.units import KEV_PER_MEV, S_PER_H

SHORT_LIVED: Final = 0.1
"""A daughter whose half-life is at most this share of the parent's is taken to be in equilibrium with it."""
EQUILIBRIUM_HALF_LIVES: Final = 6.0
"""After so many half-lives of the slowest daughter 98.4 % of the equilibrium has grown in."""
SAME_PEAK: Final = 0.03
"""Lines closer than this share of their energy are one to a camera."""
LEAST_YIELD: Final = 1.0e-3
"""Photons per decay of the parent below which no image is made of a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainLine:
    """A photon line of a member.

    Attributes
    ----------
    member : that emits it
    energy_mev : [MeV]
    yield_per_member_decay, yield_per_parent_decay : photons; the second with the activities in question
    """

    member: str
    energy_mev: float
    yield_per_member_decay: float
    yield_per_parent_decay: float


@lru_cache(maxsize=32)
def equilibrium_activities(name: str) -> Mapping[str, float]:
    r"""Activity of each member per activity of the parent once all short-lived daughters have grown in.

    :math:`a_d = \sum_m a_m b_{md}\, \lambda_d / (\lambda_d - \lambda_p)`, so that 212Bi stands 10.5 % above 212Pb. Members
    that live longer than a tenth of the parent's half-life, and what follows from them only, are left out: they are
    not in equilibrium in any scan.

    References
    ----------
    Transient equilibrium: Evans RD. The atomic nucleus (1955), chapter 15.
    """
    whole = chain(name)
    parent = whole.members[0]
    found = {parent.name: 1.0}
    for member in whole.members[1:]:
        if member.half_life_s > SHORT_LIVED * parent.half_life_s:
            continue
        fed = sum(found.get(b.mother, 0.0) * b.fraction for b in whole.branches if b.daughter == member.name)
        if fed > 0.0:
            rate = member.decay_constant_per_s
            found[member.name] = fed * rate / (rate - parent.decay_constant_per_s)
    return MappingProxyType(found)


def grown_activities(name: str, time_s: float) -> dict[str, float]:
    """Activity of each member per activity of the parent, a time after the parent was pure.

    Raises
    ------
    InputError
        A negative time.
    """
    found = chain_activities(chain(name), np.array([float(time_s)]), activity_bq=1.0)
    parent = float(found[nuclide(name).name][0])
    return {member: float(values[0]) / parent for member, values in found.items()}


def chain_lines(name: str, activities: Mapping[str, float] | None = None) -> tuple[ChainLine, ...]:
    """Photon lines of a nuclide and its daughters, by decreasing yield per decay of the parent.

    Parameters
    ----------
    name : parent
    activities : of each member per activity of the parent; in equilibrium by default
    """
    present = equilibrium_activities(name) if activities is None else activities
    lines = [
        ChainLine(
            member=member,
            energy_mev=line.energy_mev,
            yield_per_member_decay=line.yield_per_decay,
            yield_per_parent_decay=line.yield_per_decay * ratio,
        )
        for member, ratio in present.items()
        for line in nuclide(member).photon_lines
    ]
    return tuple(sorted(lines, key=lambda line: -line.yield_per_parent_decay))


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowLine:
    """What of a line a window counts: photons within it per decay of the parent, before attenuation and crystal."""

    line: ChainLine
    accepted_per_parent_decay: float


def window_lines(
    name: str,
    window: EnergyWindow,
    *,
    activities: Mapping[str, float] | None = None,
    energy_fwhm_at_140_kev: float = 0.098,
    least: float = LEAST_YIELD,
) -> tuple[WindowLine, ...]:
    """Lines of a chain whose unscattered photons a window counts, the strongest first.

    Scatter of lines above the window is not in it. ``least`` is in photons per decay of the parent.
    """
    found = [
        WindowLine(
            line=line,
            accepted_per_parent_decay=line.yield_per_parent_decay
            * float(accepted(window, line.energy_mev, energy_fwhm_at_140_kev)),
        )
        for line in chain_lines(name, activities)
    ]
    kept = [one for one in found if one.accepted_per_parent_decay >= least]
    return tuple(sorted(kept, key=lambda one: -one.accepted_per_parent_decay))


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagedMember:
    """Which member an image of a photopeak holds, and what stands between it and the parent.

    Attributes
    ----------
    parent, member : names; the same where the parent itself emits the line
    photopeak_mev : of the image. [MeV]
    yield_per_parent_decay : photons of the peak per decay of the parent, in equilibrium
    equilibrium_ratio : activity of the member per activity of the parent, in equilibrium
    ratio : the same at the time of the image; where daughters stay, activity of the member over it is the parent's
    time_s : since the parent was pure (separated from its daughters); None: not known, taken as in equilibrium
    needed_s : from when on equilibrium is taken to hold
    warnings : what the image does not say
    """

    parent: str
    member: str
    photopeak_mev: float
    yield_per_parent_decay: float
    equilibrium_ratio: float
    ratio: float
    time_s: float | None
    needed_s: float
    warnings: tuple[str, ...]

    @property
    def is_parent(self) -> bool:
        """Whether the image shows the parent itself."""
        return self.parent == self.member

    @property
    def in_equilibrium(self) -> bool | None:
        """Whether equilibrium is reached; None where the time is not known."""
        if self.is_parent:
            return True
        return None if self.time_s is None else self.time_s >= self.needed_s

    def parent_activity_bq(self, member_activity_bq: float) -> float:
        """Activity of the parent where daughters stay with it. [Bq]"""
        return member_activity_bq / self.ratio

    def member_activity_bq(self, as_parent_bq: float) -> float:
        """Activity of the member from an image calibrated per activity of the parent in equilibrium. [Bq]"""
        return as_parent_bq * self.equilibrium_ratio


def imaged_member(parent: str, photopeak_mev: float, *, time_s: float | None = None) -> ImagedMember:
    """Which member emits a photopeak, and how far its equilibrium with the parent has come.

    Parameters
    ----------
    parent : nuclide that was given
    photopeak_mev : [MeV]
    time_s : since separation of the parent from its daughters (at the latest the administration, where daughters of
        the syringe part from the agent at once); None where it is not known

    Raises
    ------
    MissingDataError
        No line of the chain at this energy.
    InputError
        A time before the separation, or so short that nothing of the member has grown in.
    """
    if time_s is not None and not time_s >= 0.0:
        raise InputError(f"{time_s} s since {parent} was separated from its daughters; expected 0 or more.")
    whole = chain(parent)
    near = [x for x in chain_lines(parent) if abs(x.energy_mev - photopeak_mev) <= SAME_PEAK * photopeak_mev]
    if not near or near[0].yield_per_parent_decay < LEAST_YIELD:
        raise MissingDataError(
            f"No photons of {whole.parent} or its daughters at {photopeak_mev * KEV_PER_MEV:.0f} keV (at least "
            f"{LEAST_YIELD:g} per decay); the strongest are at {_strongest(parent)} keV."
        )
    member = near[0].member
    ratio = equilibrium_activities(parent)[member]
    now = ratio if time_s is None else grown_activities(parent, time_s)[member]
    if now <= 0.0:
        raise InputError(
            f"No {member} has grown in {time_s} s after {whole.parent} was pure; there is no image of it."
        )
    slowest = _slowest(whole, member)
    needed = EQUILIBRIUM_HALF_LIVES * whole.member(slowest).half_life_s if member != whole.parent else 0.0
    return ImagedMember(
        parent=whole.parent,
        member=member,
        photopeak_mev=photopeak_mev,
        yield_per_parent_decay=sum(x.yield_per_parent_decay for x in near if x.member == member),
        equilibrium_ratio=ratio,
        ratio=now,
        time_s=time_s,
        needed_s=needed,
        warnings=_told(whole, member, slowest, needed, time_s, now / ratio, near, photopeak_mev),
    )


def _strongest(parent: str) -> str:
    lines = [x for x in chain_lines(parent) if x.energy_mev >= 0.05][:4]
    return ", ".join(f"{x.energy_mev * KEV_PER_MEV:.0f} ({x.member})" for x in lines) or "no"


def _slowest(whole: Chain, member: str) -> str:
    """The longest-lived of the daughters on the way from the parent to a member, the member included."""
    above, waiting = {member}, [member]
    while waiting:
        name = waiting.pop()
        for branch in whole.branches:
            if branch.daughter == name and branch.mother not in above:
                above.add(branch.mother)
                waiting.append(branch.mother)
    daughters = [name for name in above if name != whole.parent] or [whole.parent]
    return max(daughters, key=lambda name: whole.member(name).half_life_s)


def _told(
    whole: Chain, member: str, slowest: str, needed_s: float, time_s: float | None, grown: float,
    near: list[ChainLine], photopeak_mev: float,
) -> tuple[str, ...]:  # fmt: skip
    told: list[str] = []
    energy = f"{photopeak_mev * KEV_PER_MEV:.0f} keV"
    others = {x.member: x.yield_per_parent_decay for x in reversed(near) if x.member != member}
    own = near[0].yield_per_parent_decay
    mixed = [f"{name} ({value / own:.0%})" for name, value in others.items() if value > 0.01 * own]
    if mixed:
        told.append(f"The peak at {energy} holds photons of {', '.join(mixed)} beside those of {member}.")
    if member == whole.parent:
        return tuple(told)
    told.append(
        f"The image at {energy} shows {member}, not {whole.parent}: it is that of {whole.parent} only where "
        f"{_between(whole, member)} decay where {whole.parent} does."
    )
    if time_s is None:
        told.append(
            f"The time since {whole.parent} was separated from its daughters is not known; equilibrium, after "
            f"{needed_s / S_PER_H:.1f} h, was assumed."
        )
    elif time_s < needed_s:
        told.append(
            f"{member} is not in equilibrium with {whole.parent} {time_s / S_PER_H:.2f} h after separation: "
            f"{grown:.1%} has grown in if {whole.parent} was pure. {slowest} ("
            f"{readable_time(whole.member(slowest).half_life_s)}) takes {needed_s / S_PER_H:.1f} h."
        )
    return tuple(told)


def _between(whole: Chain, member: str) -> str:
    """Daughters from the parent down to a member, in words."""
    names = [m.name for m in whole.members[1:]]
    return ", ".join(names[: names.index(member) + 1])


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberDifference:
    """Two daughters in one region, each as activity of the parent in equilibrium.

    Attributes
    ----------
    ratio : second over first
    low, high : its interval for k = 2 (Fieller); None: no such end
    k : difference over its standard uncertainty
    differ : whether the interval leaves 1 out
    text : in words
    """

    ratio: float
    low: float | None
    high: float | None
    k: float
    differ: bool
    text: str


def member_difference(
    *,
    first_bq: float,
    u_first_bq: float,
    second_bq: float,
    u_second_bq: float,
    correlation: float = 0.0,
    calibration_relative: float = 0.0,
    names: tuple[str, str] = ("Fr-221", "Bi-213"),
    region: str = "region",
) -> MemberDifference:
    r"""Whether two daughters of a region differ by more than counting and calibration explain.

    The ratio r of second b to first a has the k = 2 interval of all values with
    :math:`(b - r a)^2 \le 4\,(u_b^2 - 2 r \varrho u_a u_b + r^2 u_a^2)`, exact for normal errors and open where a is not
    sure to be there.

    Parameters
    ----------
    first_bq, second_bq, u_first_bq, u_second_bq : activities of the parent that each image gives, standard
        uncertainties by counting. [Bq]
    correlation : of the two errors; images of one fit are correlated by their cross-talk
    calibration_relative : standard uncertainty of the ratio of the two sensitivities (and scatter corrections)
    names, region : for the text

    Raises
    ------
    InputError
        No uncertainties, or a correlation outside -1 to 1.

    References
    ----------
    Fieller EC. Some problems in interval estimation. J R Stat Soc B 16 (1954) 175-185.
    """
    if not (min(u_first_bq, u_second_bq) > 0.0 and -1.0 < correlation < 1.0 and calibration_relative >= 0.0):
        raise InputError(
            f"{region}: uncertainties {u_first_bq} and {u_second_bq} Bq, correlation {correlation}, calibration "
            f"{calibration_relative}; expected uncertainties above 0, -1 to 1 and 0 or more."
        )
    own = (second_bq * calibration_relative) ** 2 + u_second_bq**2
    shared = correlation * u_first_bq * u_second_bq
    k = (second_bq - first_bq) / float(np.sqrt(own + u_first_bq**2 - 2.0 * shared))
    low, high = _fieller(first_bq, second_bq, u_first_bq**2, own, shared)
    differ = (low is not None and low > 1.0) or (high is not None and high < 1.0)
    ratio = second_bq / first_bq if first_bq != 0.0 else float("inf")
    return MemberDifference(
        ratio=ratio,
        low=low,
        high=high,
        k=k,
        differ=differ,
        text=_difference_text(region, names, ratio, low, high, differ),
    )


def _fieller(a: float, b: float, va: float, vb: float, vab: float) -> tuple[float | None, float | None]:
    """Ends of the ratio b / a for k = 2."""
    square, cross, rest = a * a - 4.0 * va, a * b - 4.0 * vab, b * b - 4.0 * vb
    root = cross * cross - square * rest
    if square > 0.0:
        return (cross - root**0.5) / square, (cross + root**0.5) / square
    # the first is not sure to be there: all ratios above one end, or any
    if root <= 0.0 or a <= 0.0:
        return None, None
    ends = sorted(((cross - root**0.5) / square, (cross + root**0.5) / square))
    return ends[1], None


def _difference_text(
    region: str, names: tuple[str, str], ratio: float, low: float | None, high: float | None, differ: bool
) -> str:
    first, second = names
    ends = (
        f"{'no lower end' if low is None else f'{low:.2f}'} to {'no upper end' if high is None else f'{high:.2f}'}"
    )
    said = f"{region}: {second} over {first} {ratio:.2f} ({ends}, k = 2)."
    if differ:
        return (
            f"{said} More than counting explains; it may be redistribution of {second}, or an error of a sensitivity, of "
            "scatter or of partial volume, which differ between the windows."
        )
    return f"{said} No sign of redistribution, but a difference of less than the interval would not have been seen."
