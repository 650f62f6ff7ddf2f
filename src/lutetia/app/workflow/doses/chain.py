"""Doses of a run's regions by chain member and radiation."""

from collections.abc import Mapping

from lutetia.app.case.settings import Case
from lutetia.app.report.content import RegionChain
from lutetia.app.workflow.chains.beds import two_component_bed
from lutetia.app.workflow.doses.maps import PatientMaps
from lutetia.dose.chains import ChainAbsorbedDose, RadiationDose, rbe_weighted
from lutetia.dose.energies import decay_energy
from lutetia.kinetics.curve import CurveFit
from lutetia.kinetics.redistribution import EQUILIBRIUM
from lutetia.physics.emissions import emissions
from lutetia.units import GY_PER_MEV_PER_G


def local_chain_doses(
    maps: PatientMaps, photons_of: Mapping[str, Mapping[str, float]]
) -> dict[str, ChainAbsorbedDose]:
    """Doses of regions by member: charged particles where they are emitted, photons by kernel.

    Parameters
    ----------
    maps : with the members that are followed
    photons_of : member -> region -> mean dose by photons. [Gy]
    """
    found: dict[str, ChainAbsorbedDose] = {}
    if maps.chain is None:
        return found
    for name, known in maps.regions.items():
        per_mev = known.time_integrated_activity_bq_s * GY_PER_MEV_PER_G / known.mass_g
        found[name] = ChainAbsorbedDose(
            target=name,
            by_member={
                member: _local(member, decays * per_mev, photons_of[member][name])
                for member, decays in maps.members.items()
            },
            mass_g=known.mass_g,
            horizon_s=maps.chain.horizon_s,
            assumption=EQUILIBRIUM.name,
            sources=(),
            method="charged particles where they are emitted, photons by point kernel in water",
            standard_uncertainty_gy=None,
            warnings=(),
        )
    return found


def _local(member: str, per_mev: float, photon_gy: float) -> RadiationDose:
    emitted = emissions(member)
    electron_mev = decay_energy(member).local_mev - emitted.alpha_energy_mev - emitted.recoil_energy_mev
    return RadiationDose(
        alpha_gy=per_mev * emitted.alpha_energy_mev,
        recoil_gy=per_mev * emitted.recoil_energy_mev,
        electron_gy=per_mev * electron_mev,
        photon_gy=photon_gy,
    )


def region_chain(case: Case, dose: ChainAbsorbedDose | None, *, kind: str, fit: CurveFit) -> RegionChain | None:
    """What a report says of a region's chain; weighted and BED where the case names an RBE."""
    if dose is None:
        return None
    rbe = case.chain.rbe
    if rbe is None:
        return RegionChain(dose=dose, weighted=None, bed_gy=None)
    bed = two_component_bed(dose, kind=kind, agent=case.agent, rbe_max=rbe, fit=fit)
    weighted = rbe_weighted(dose, rbe=rbe, endpoint=case.chain.rbe_endpoint)
    return RegionChain(dose=dose, weighted=weighted, bed_gy=None if bed is None else bed.bed_gy)
