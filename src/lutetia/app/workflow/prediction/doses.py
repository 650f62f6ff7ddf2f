"""Absorbed dose per administered activity of a therapeutic nuclide and its daughters, by radiation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lutetia.app.workflow.prediction.source import Mass
from lutetia.dose.chains import (
    Body,
    ChainAbsorbedDose,
    RadiationDose,
    RbeWeightedDose,
    chain_absorbed_doses,
    contributions,
    equilibrium_contributions,
    rbe_weighted,
)
from lutetia.kinetics.pairs.prediction import PredictedCurve
from lutetia.kinetics.redistribution import EQUILIBRIUM, Redistribution
from lutetia.physics.anatomy import Sex
from lutetia.physics.chains import chain


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionDose:
    """Dose of a region per administered activity, with the mass it belongs to and how it was computed. [Gy/Bq]"""

    dose: ChainAbsorbedDose
    mass: Mass

    @property
    def parts(self) -> RadiationDose:
        """By radiation. [Gy/Bq]"""
        return self.dose.by_radiation

    def weighted(self, rbe: float, endpoint: str) -> RbeWeightedDose:
        """Alphas and recoil by an RBE, electrons and photons by 1. [Gy/Bq]"""
        return rbe_weighted(self.dose, rbe=rbe, endpoint=endpoint)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Followed:
    """The parent's curve per administered activity, as terms that end at the predicted decays."""

    region: str
    exponentials: tuple[tuple[float, float], ...]


def _followed(curve: PredictedCurve, horizon_s: float) -> _Followed:
    terms = curve.fit.exponentials
    # the mean of several models has another integral than the terms of the best
    scale = curve.time_integrated_activity_s / math.fsum(
        a / rate * -math.expm1(-rate * horizon_s) for a, rate in terms
    )
    return _Followed(region=curve.region, exponentials=tuple((a * scale, rate) for a, rate in terms))


def chain_doses(
    curves: Mapping[str, PredictedCurve],
    *,
    therapy: str,
    horizon_s: float,
    kinds: Mapping[str, str],
    masses: Mapping[str, Mass],
    sex: Sex,
    scenario: Redistribution = EQUILIBRIUM,
) -> tuple[dict[str, RegionDose], tuple[str, ...]]:
    r"""Dose per administered activity of each region, daughters decaying where the parent does or leaving.

    :math:`D_T = \sum_m n_m \sum_S \tilde a_S\, S_m(T \leftarrow S)` over the members m of the chain with
    :math:`n_m` decays per decay of the parent within the horizon; see ``lutetia.dose.chains``.

    Parameters
    ----------
    curves : region -> curve of the parent, per administered activity
    therapy : parent nuclide
    horizon_s : as of the time-integrated activities. [s]
    kinds, masses : region -> kind, mass; an organ without a mass gets the reference person's
    scenario : what daughters do

    Returns
    -------
    Region -> dose, without those that have neither a mass nor a reference; and what has to be told.
    """
    if scenario is EQUILIBRIUM:
        decays = {name: curve.time_integrated_activity_s for name, curve in curves.items()}
        parts = equilibrium_contributions(therapy, decays, horizon_s=horizon_s)
    else:
        followed = [_followed(curve, horizon_s) for curve in curves.values()]
        parts = contributions(chain(therapy), followed, horizon_s=horizon_s, scenario=scenario)
    lesions = frozenset(name for name, kind in kinds.items() if kind == "lesion")
    found, told = chain_absorbed_doses(parts, body=Body(sex=sex, masses=masses, lesions=lesions))
    doses = {
        name: RegionDose(dose=dose, mass=masses.get(name) or Mass(value_g=dose.mass_g, relative_u=None))
        for name, dose in found.items()
    }
    more = [warning for dose in found.values() for warning in dose.warnings]
    hint = ["Masses are given by --mass-g REGION=..."] if any(name not in masses for name in found) else []
    return doses, (*told, *more, *hint)
