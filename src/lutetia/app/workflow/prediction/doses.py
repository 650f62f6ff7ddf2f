"""Absorbed dose per administered activity of a therapeutic nuclide and its daughters, by radiation."""

from collections.abc import Mapping
from dataclasses import dataclass

from lutetia.app.workflow.prediction.source import Mass
from lutetia.dose.organ_level.coefficients import ReferenceTable, shipped_reference_table
from lutetia.dose.organ_level.doses import REMAINDER, organ_absorbed_doses
from lutetia.dose.sphere import sphere_dose
from lutetia.errors import InputError
from lutetia.physics.anatomy import Sex
from lutetia.physics.emissions import emissions
from lutetia.physics.nuclides import decays_of_chain
from lutetia.response.bed import rbe_weighted_dose
from lutetia.units import GY_PER_MEV_PER_G

DENSITY_G_PER_ML = 1.04
"""Of soft tissue, for lesions as spheres."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RadiationDose:
    """Mean absorbed dose of a region per administered activity, by radiation. [Gy/Bq]

    ``electron`` includes photons below 10 keV; ``photon`` what comes from other regions.
    """

    alpha: float
    recoil: float
    electron: float
    photon: float

    @property
    def total(self) -> float:
        """Absorbed dose, unweighted. [Gy/Bq]"""
        return self.alpha + self.recoil + self.electron + self.photon

    def weighted(self, rbe: float) -> float:
        """Alphas and recoil by an RBE, electrons and photons by 1. [Gy/Bq]"""
        return rbe_weighted_dose(
            alpha_dose_gy=self.alpha + self.recoil, beta_gamma_dose_gy=self.electron + self.photon, rbe=rbe
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionDose:
    """Dose of a region with the mass it belongs to and how it was computed."""

    dose: RadiationDose
    mass: Mass
    method: str
    warnings: tuple[str, ...] = ()


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
    :math:`n_m` decays per decay of the parent within the horizon. Organs by the reference person's S coefficients
    scaled to their masses, lesions and what the table does not have as spheres of their own decays.

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
    members = decays_of_chain(therapy, horizon_s)
    tables = {member: shipped_reference_table(sex, member) for member in members}
    first = tables[next(iter(members))]
    named = {name: _in_table(name, kinds[name], first) for name in time_integrated_activity_s}
    organs = {name: known for name, known in named.items() if known is not None}
    _require_once(organs)
    used, told = _masses(named, masses, first)
    found = _organ_doses(time_integrated_activity_s, organs, used, members, tables)
    for name, decays in time_integrated_activity_s.items():
        if name not in organs and name in used and kinds[name] != REMAINDER:
            found[name] = _sphere(decays, used[name], members)
    return found, tuple(told)


def _in_table(region: str, kind: str, table: ReferenceTable) -> str | None:
    """Name of a region in the table of S coefficients, None for lesions and for what it does not have."""
    if kind == "lesion":
        return None
    return next((name for name in (region, f"{region}s") if name in table.sources), None)


def _require_once(organs: Mapping[str, str]) -> None:
    for name, organ in organs.items():
        other = next((n for n, o in organs.items() if o == organ and n != name), None)
        if other is not None:
            raise InputError(f"{name} and {other} are both the {organ}; expected each organ once.")


def _masses(
    named: Mapping[str, str | None], masses: Mapping[str, Mass], table: ReferenceTable
) -> tuple[dict[str, Mass], list[str]]:
    used, told = {}, []
    for region, organ in named.items():
        if region in masses:
            used[region] = masses[region]
        elif organ in table.targets and organ is not None:
            used[region] = Mass(value_g=table.mass_g(organ), relative_u=None)
            told.append(
                f"{region}: no mass was given; that of the reference person ({used[region].value_g:.0f} g) is not the "
                f"patient's, and the uncertainty of the dose is unknown (--mass-g {region}=...)."
            )
        elif organ != REMAINDER:
            told.append(f"{region}: no mass, so that it has no dose (--mass-g {region}=...).")
    return used, told


def _organ_doses(
    decays: Mapping[str, float],
    organs: Mapping[str, str],
    masses: Mapping[str, Mass],
    members: Mapping[str, float],
    tables: Mapping[str, ReferenceTable],
) -> dict[str, RegionDose]:
    found: dict[str, RegionDose] = {}
    by_member = {
        member: organ_absorbed_doses(
            time_integrated_activity_bq_s={organ: n * decays[name] for name, organ in organs.items()},
            mass_g={organ: masses[name].value_g for name, organ in organs.items() if name in masses},
            coefficients=tables[member],
        )
        for member, n in members.items()
    }
    for name, organ in organs.items():
        parts = [doses[organ] for doses in by_member.values() if organ in doses]
        if not parts:
            continue
        alpha, recoil = _local(decays[name], masses[name], members)
        electron = sum(part.self_charged_gy for part in parts) - alpha - recoil
        photon = sum(part.self_photon_gy + part.cross_gy for part in parts)
        found[name] = RegionDose(
            dose=RadiationDose(alpha=alpha, recoil=recoil, electron=max(electron, 0.0), photon=photon),
            mass=masses[name],
            method=f"S coefficients of the {next(iter(tables.values())).phantom}, scaled to the mass",
        )
    return found


def _local(decays: float, mass: Mass, members: Mapping[str, float]) -> tuple[float, float]:
    """Dose of alphas and of recoil nuclei, absorbed where they are emitted. [Gy/Bq]"""
    per_mev = decays * GY_PER_MEV_PER_G / mass.value_g
    alpha = sum(n * emissions(member).alpha_energy_mev for member, n in members.items())
    recoil = sum(n * emissions(member).recoil_energy_mev for member, n in members.items())
    return alpha * per_mev, recoil * per_mev


def _sphere(decays: float, mass: Mass, members: Mapping[str, float]) -> RegionDose:
    per_mev = decays * GY_PER_MEV_PER_G / mass.value_g
    absorbed = [
        (n, sphere_dose(nuclide=member, mass_g=mass.value_g, density_g_per_ml=DENSITY_G_PER_ML).absorbed)
        for member, n in members.items()
    ]
    return RegionDose(
        dose=RadiationDose(
            alpha=per_mev * sum(n * a.alpha for n, a in absorbed),
            recoil=per_mev * sum(n * a.recoil for n, a in absorbed),
            electron=per_mev * sum(n * a.electrons for n, a in absorbed),
            photon=per_mev * sum(n * a.photons for n, a in absorbed),
        ),
        mass=mass,
        method="sphere of its mass, its own decays alone",
    )
