"""The chain of an administered nuclide that a run follows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from lutetia.app.case.settings import Case
from lutetia.app.workflow.chains import relative_u, scenario_of
from lutetia.dose.chains import USUAL_HALF_LIVES, Contribution, contributions, equilibrium_contributions
from lutetia.dose.small_scale.unseen import unseen
from lutetia.errors import InputError, MissingDataError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.redistribution import EQUILIBRIUM, Redistribution
from lutetia.physics.chains import chain
from lutetia.physics.nuclides import Nuclide, decays_of_chain

PUBLISHED: Final = "published"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FollowedChain:
    """The chain of an administered nuclide that emits alphas, itself or by its daughters.

    Attributes
    ----------
    parent : nuclide
    horizon_s : until when decays count. [s]
    members : decays of each per decay of the parent, all staying together
    scenario : what daughters do
    """

    parent: str
    horizon_s: float
    members: Mapping[str, float]
    scenario: Redistribution

    @property
    def leaves(self) -> bool:
        """Whether daughters leave where they were born, which voxel maps cannot follow."""
        return self.scenario is not EQUILIBRIUM

    def parts(
        self, fits: Mapping[str, CurveFit], curves: Mapping[str, TimeActivityCurve]
    ) -> tuple[Contribution, ...]:
        """Decays of all members by region and curve.

        Where daughters leave, a curve that is no sum of exponentials (the remainder's) is taken as one that is fitted to
        its points and has its integral.
        """
        known = relative_u(fits)
        if not self.leaves:
            decays = {name: fit.time_integrated_activity_bq_s for name, fit in fits.items()}
            return equilibrium_contributions(self.parent, decays, horizon_s=self.horizon_s, relative_u=known)
        family = chain(self.parent)
        rate = family.members[0].decay_constant_per_s
        followed = [_as_exponentials(fit, curves[name], rate) for name, fit in fits.items()]
        return contributions(family, followed, horizon_s=self.horizon_s, scenario=self.scenario, relative_u=known)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the decay data leave out of it, and members that are in no equilibrium."""
        return chain(self.parent).warnings

    def unseen(self, voxel_mm: float) -> tuple[str, ...]:
        """What voxels do not show."""
        return unseen(voxel_mm, self.parent).sentences


def followed_chain(case: Case, element: Nuclide) -> FollowedChain | None:
    """The chain that a case's doses follow; None where neither the nuclide nor a daughter emits alphas.

    Raises
    ------
    InputError
        A redistribution for a nuclide without alphas, or with another method than that of organs.
    MissingDataError
        A redistribution without the sex of the reference person, or a file that is not there.
    """
    asked, family = case.chain, chain(element.name)
    if not any(member.alpha_mev > 0 for member in family.in_equilibrium):
        if asked.redistribution is not None or asked.rbe is not None:
            raise InputError(f"{element.name} and its daughters emit no alphas; leave out redistribution and rbe.")
        return None
    scenario = _scenario(case, element.name)
    horizon_s = USUAL_HALF_LIVES * element.half_life_s if asked.horizon_s is None else asked.horizon_s
    return FollowedChain(
        parent=element.name, horizon_s=horizon_s, members=decays_of_chain(element.name, horizon_s),
        scenario=scenario,
    )  # fmt: skip


def _scenario(case: Case, parent: str) -> Redistribution:
    name = case.chain.redistribution
    if name is None:
        return EQUILIBRIUM
    if case.dose.method not in ("auto", "organ"):
        raise InputError(
            f"redistribution: daughters that leave are followed by organs, not by voxels; dose: method is "
            f"{case.dose.method}, expected organ or auto."
        )
    if case.dose.sex is None:
        raise MissingDataError("redistribution needs dose: sex (male or female), whose S coefficients to take.")
    if name == PUBLISHED:
        return scenario_of(parent, file=None, released=PUBLISHED)
    if not (case.folder / name).is_file():
        raise MissingDataError(f"redistribution: there is no file {name} in the case's folder.")
    return scenario_of(parent, file=case.folder / name, released=None)


def _as_exponentials(fit: CurveFit, curve: TimeActivityCurve, decay_constant_per_s: float) -> CurveFit:
    if fit.exponentials:
        return fit
    shape = fit_curve(curve, decay_constant_per_s=decay_constant_per_s, model="auto")
    scale = fit.time_integrated_activity_bq_s / shape.time_integrated_activity_bq_s
    return replace(shape, exponentials=tuple((scale * a, rate) for a, rate in shape.exponentials))
