"""Absorbed dose per administered activity of a therapeutic nuclide and its daughters, by radiation."""

from collections.abc import Mapping
from dataclasses import dataclass

from lutetia.app.workflow.prediction.source import Mass
from lutetia.dose.chains import (
    Body,
    ChainAbsorbedDose,
    RadiationDose,
    RbeWeightedDose,
    chain_absorbed_doses,
    equilibrium_contributions,
    rbe_weighted,
)
from lutetia.physics.anatomy import Sex


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


def chain_doses(
    time_integrated_activity_s: Mapping[str, float],
    *,
    therapy: str,
    horizon_s: float,
    kinds: Mapping[str, str],
    masses: Mapping[str, Mass],
    sex: Sex,
) -> tuple[dict[str, RegionDose], tuple[str, ...]]:
    r"""Dose per administered activity of each region, daughters decaying where the parent does.

    :math:`D_T = \sum_m n_m \sum_S \tilde a_S\, S_m(T \leftarrow S)` over the members m of the chain with
    :math:`n_m` decays per decay of the parent within the horizon; see ``lutetia.dose.chains``.

    Parameters
    ----------
    time_integrated_activity_s : region -> decays of the parent within the horizon per administered activity. [s]
    therapy : parent nuclide
    horizon_s : as of the time-integrated activities. [s]
    kinds, masses : region -> kind, mass; an organ without a mass gets the reference person's

    Returns
    -------
    Region -> dose, without those that have neither a mass nor a reference; and what has to be told.
    """
    parts = equilibrium_contributions(therapy, time_integrated_activity_s, horizon_s=horizon_s)
    lesions = frozenset(name for name, kind in kinds.items() if kind == "lesion")
    found, told = chain_absorbed_doses(parts, body=Body(sex=sex, masses=masses, lesions=lesions))
    doses = {
        name: RegionDose(dose=dose, mass=masses.get(name) or Mass(value_g=dose.mass_g, relative_u=None))
        for name, dose in found.items()
    }
    more = [warning for dose in found.values() for warning in dose.warnings]
    hint = ["Masses are given by --mass-g REGION=..."] if any(name not in masses for name in found) else []
    return doses, (*told, *more, *hint)
