"""Doses of organs and lesions from the decays of a chain."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from lutetia.dose.chains.coefficients import reference_table_of, s_by_radiation, sphere_s_by_radiation
from lutetia.dose.chains.model import ChainAbsorbedDose, RadiationDose, summed
from lutetia.dose.chains.origins import Contribution, require_once
from lutetia.dose.chains.pools import BLOOD, organ_in, pools, shares_of
from lutetia.dose.organ_level.coefficients import ReferenceTable
from lutetia.dose.organ_level.doses import REMAINDER, TOTAL_BODY
from lutetia.dose.organ_level.folding import PAIRED
from lutetia.errors import InputError
from lutetia.physics.anatomy import Sex

PHOTON_POWER: Final = 2.0 / 3.0
"""Of the mass ratio, by which an organ's dose by its own photons scales."""
NOT_ORGANS: Final = frozenset({REMAINDER, TOTAL_BODY})


class Mass(Protocol):
    """Mass of a region and its relative standard uncertainty, None when unknown. [g]"""

    @property
    def value_g(self) -> float:
        """[g]"""

    @property
    def relative_u(self) -> float | None:
        """Standard, relative."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """Whose doses these are.

    Attributes
    ----------
    sex : of the reference person, whose S coefficients are scaled to the patient's masses
    masses : region -> the patient's mass, without blood in organs as of the reference person
    lesions : regions that are spheres whatever their name
    """

    sex: Sex
    masses: Mapping[str, Mass] = field(default_factory=dict)
    lesions: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """Dose of a target from one member of one curve's chain; by how much it falls with the target's mass."""

    origin: str
    member: str
    dose: RadiationDose
    falls_gy: float


def chain_absorbed_doses(
    parts: Iterable[Contribution],
    *,
    body: Body,
    targets: Sequence[str] = (),
    shared_relative_u: float | None = None,
) -> tuple[dict[str, ChainAbsorbedDose], tuple[str, ...]]:
    r"""Mean absorbed doses by chain member and radiation.

    .. math:: D_T = \sum_m \sum_S \tilde A_{S,m}\, S_m(T \leftarrow S)

    over the members m of the chain and the sources S. Regions that are sources of the reference person are organs, by
    its S coefficients scaled to the patient's masses; lesions and other regions are spheres of soft tissue that
    irradiate themselves alone. Pools of free daughters are sources by ``lutetia.dose.chains.pools``; what is excreted
    irradiates nobody.

    With :math:`D^{(r)}` what follows from the parent's curve in region r, all of its members included, the uncertainty is
    :math:`u^2 = \sum_r (u_r D^{(r)})^2 + (u_m\, m\,\partial D/\partial m)^2 + (u_{shared} D)^2`: of one curve fully
    correlated, between curves independent. S coefficients, fractions and rates of the scenario, and half-lives are not in
    it.

    Parameters
    ----------
    parts : decays by curve (``contributions``)
    body : whose
    targets : organs beside those that have curves; a pair whose sides have doses of their own is left out, and told
    shared_relative_u : relative standard uncertainty that all curves share (calibration); None leaves it out

    Returns
    -------
    Region -> dose, in the order of the curves, then ``targets``; without regions that have neither a mass nor a
    reference. And what has to be told of them all.

    Raises
    ------
    InputError
        Decays that count twice, an organ that two curves are, a target that the reference person does not have, decays
        that are negative or not finite.
    OutOfRangeError
        A lesion too small for the sphere model.
    """
    listed = require_once(parts)
    _require_decays(listed)
    table = reference_table_of(body.sex, _any_member(listed))
    organs = _organs(listed, body, table, targets)
    told = list(dict.fromkeys(warning for part in listed for warning in part.activities.warnings))
    told += _of_pools(listed, organs, body, table) + _of_sides(targets, organs)
    found: dict[str, ChainAbsorbedDose] = {}
    for name, organ in organs.items():
        mass_g, u_mass, warnings = _mass(name, organ, body, table)
        if mass_g is None:
            told += warnings
            continue
        if organ is not None:
            doses, missing = _organ_parts(listed, organ, mass_g, organs, body, table)
            method = f"S coefficients of the {table.phantom}, scaled to the mass"
        else:
            doses, missing, method = _sphere_parts(listed, name, mass_g), [], "sphere of its mass, own decays alone"
        first = listed[0].activities
        found[name] = ChainAbsorbedDose(
            target=name,
            by_member=_by_member(doses),
            mass_g=mass_g,
            horizon_s=first.horizon_s,
            assumption=first.assumption,
            sources=tuple(dict.fromkeys(source for part in listed for source in part.activities.sources)),
            method=method,
            standard_uncertainty_gy=_uncertainty(listed, doses, u_mass, shared_relative_u),
            warnings=(*warnings, *missing),
        )
    return found, tuple(told)


def _any_member(parts: Sequence[Contribution]) -> str:
    """A nuclide whose table has the regions, which are those of all."""
    members = (member for part in parts for _, member in part.activities.time_integrated_activity_bq_s)
    return next(members, parts[0].activities.parent)


def _require_decays(parts: Sequence[Contribution]) -> None:
    for part in parts:
        for (region, member), decays in part.activities.time_integrated_activity_bq_s.items():
            if not 0.0 <= decays < math.inf:
                raise InputError(f"{member} in {region}: {decays:g} decays; expected a number of 0 or more.")


def _organs(
    parts: Sequence[Contribution], body: Body, table: ReferenceTable, targets: Sequence[str]
) -> dict[str, str | None]:
    """Regions with a dose and the organ of the table that each is; None for spheres."""
    organs: dict[str, str | None] = {}
    for region in dict.fromkeys(part.origin for part in parts):
        organ = None if region in body.lesions else organ_in(table, region)
        if organ is not None and organ not in table.targets:
            continue
        if region not in body.lesions and (organ in NOT_ORGANS or region in pools()):
            continue
        other = next((name for name, known in organs.items() if organ is not None and known == organ), None)
        if other is not None:
            raise InputError(f"{other} and {region} are both the {organ}; expected each organ once.")
        organs[region] = organ
    for target in targets:
        organ = target if target in table.targets else f"{target}s"
        if organ not in table.targets:
            raise InputError(f"{target}: no target of the {table.phantom}; there are {', '.join(table.targets)}.")
        if organ not in organs.values() and not _holds_sides(organ, organs):
            organs[target] = organ
    _require_sides_or_both(organs)
    return organs


def _holds_sides(organ: str, organs: Mapping[str, str | None]) -> bool:
    """Whether sides of a pair have doses of their own, by their own masses."""
    return any(side in organs.values() for side in PAIRED.get(organ, ()))


def _require_sides_or_both(organs: Mapping[str, str | None]) -> None:
    for name, organ in organs.items():
        if organ is not None and _holds_sides(organ, organs):
            raise InputError(f"{name} holds its sides, which stand there too; give the sides or both together.")


def _mass(
    name: str, organ: str | None, body: Body, table: ReferenceTable
) -> tuple[float | None, float | None, list[str]]:
    """Mass, its relative uncertainty, and what is to be told."""
    given = body.masses.get(name)
    if given is not None:
        return given.value_g, given.relative_u, []
    if organ is None:
        return None, None, [f"{name}: no mass was given, so that it has no dose."]
    mass = table.mass_g(organ)
    return mass, None, [
        f"{name}: no mass was given; that of the reference person ({mass:.0f} g) is not the patient's, and the "
        "uncertainty of the dose is unknown."
    ]  # fmt: skip


def _sides(organs: Mapping[str, str | None], body: Body, table: ReferenceTable) -> dict[str, float]:
    """Masses of both of each pair of which one or both have a curve; of a side without, the reference mass. [g]"""
    named = {organ: name for name, organ in organs.items() if organ is not None}
    found = {}
    for side in (side for both in PAIRED.values() if not named.keys().isdisjoint(both) for side in both):
        given = body.masses.get(named[side]) if side in named else None
        if given is not None or side in table.targets:
            found[side] = table.mass_g(side) if given is None else given.value_g
    return found


def _organ_parts(
    parts: Sequence[Contribution],
    target: str,
    mass_g: float,
    organs: Mapping[str, str | None],
    body: Body,
    table: ReferenceTable,
) -> tuple[list[_Part], list[str]]:
    """Dose of an organ from every source, and which sources it has none of."""
    sides = _sides(organs, body, table)
    found, without = [], set()
    for part in parts:
        for (region, member), decays in part.activities.time_integrated_activity_bq_s.items():
            shares = () if region in body.lesions else shares_of(region, table, sides)
            if shares is None:
                without.add(region)
                continue
            for source, share in shares:
                s = s_by_radiation(body.sex, member, target=target, source=source, mass_g=mass_g)
                if s is None:
                    without.add(source)
                    continue
                dose = s.times(decays * share)
                own = source == target
                falls = dose.total_gy - (1.0 - PHOTON_POWER) * dose.photon_gy if own else 0.0
                found.append(_Part(origin=part.origin, member=member, dose=dose, falls_gy=falls))
    told = [f"Nothing is counted from {name}: no S coefficient to the {target}." for name in sorted(without)]
    if all(organs.get(part.origin) != target for part in parts):
        told.append(
            f"{target}: no curve of its own, so that what the molecule brings into it is not counted; only what comes "
            "from other regions and free daughters is."
        )
    return found, told


def _sphere_parts(parts: Sequence[Contribution], region: str, mass_g: float) -> list[_Part]:
    """Dose of a sphere from its own decays."""
    found = []
    for part in parts:
        for (place, member), decays in part.activities.time_integrated_activity_bq_s.items():
            if place == region:
                dose = sphere_s_by_radiation(member, mass_g).times(decays)
                found.append(_Part(origin=part.origin, member=member, dose=dose, falls_gy=dose.total_gy))
    return found


def _by_member(parts: Sequence[_Part]) -> dict[str, RadiationDose]:
    return {
        member: summed(part.dose for part in parts if part.member == member)
        for member in dict.fromkeys(part.member for part in parts)
    }


def _uncertainty(
    listed: Sequence[Contribution], parts: Sequence[_Part], u_mass: float | None, shared: float | None
) -> float | None:
    if u_mass is None:
        return None
    terms = [u_mass * math.fsum(part.falls_gy for part in parts)]
    if shared is not None:
        terms.append(shared * math.fsum(part.dose.total_gy for part in parts))
    for contribution in listed:
        own = math.fsum(part.dose.total_gy for part in parts if part.origin == contribution.origin)
        if own == 0.0:
            continue
        if contribution.relative_u is None:
            return None
        terms.append(contribution.relative_u * own)
    return math.hypot(*terms)


def _of_sides(targets: Sequence[str], organs: Mapping[str, str | None]) -> list[str]:
    """Targets that are left out because their sides have doses."""
    return [
        f"{target}: no dose of both together, since each side with a curve has its own by its own mass."
        for target in targets
        if target not in organs and _holds_sides(target, organs)
    ]


def _of_pools(
    parts: Sequence[Contribution], organs: Mapping[str, str | None], body: Body, table: ReferenceTable
) -> list[str]:
    """What is told of regions that are no organ of their own."""
    regions = {region for part in parts for region, _ in part.activities.time_integrated_activity_bq_s}
    told = [
        f"Decays in {name} count in {', '.join(f'{source} ({share:.3g})' for source, share in pool.shares)} "
        f"({pool.reference}, not verified)."
        for name, pool in pools().items()
        if name in regions and organ_in(table, name) is None and not pool.verified
    ]
    with_blood = [name for name, organ in organs.items() if organ is not None]
    if any(part.origin == BLOOD for part in parts) and with_blood:
        told.append(
            f"Blood has a curve of its own and counts in the organs that hold it: the curves of {', '.join(with_blood)} "
            "must be without their blood, or it counts twice."
        )
    alone = sorted(name for name in regions if name in body.lesions)
    if alone and with_blood:
        told.append(f"Decays in {', '.join(alone)} irradiate no organ here.")
    return told
