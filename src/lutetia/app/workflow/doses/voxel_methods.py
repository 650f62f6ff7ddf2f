"""Absorbed doses by voxel maps: charged particles where they are emitted or by kernel, photons by kernel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.app.workflow.doses.chain import local_chain_doses
from lutetia.app.workflow.doses.maps import PatientMaps
from lutetia.dose.chains import ChainAbsorbedDose
from lutetia.dose.kernel import charged_dose_by_kernel, photon_dose_by_kernel
from lutetia.dose.local import local_absorbed_dose
from lutetia.dose.organ import mean_absorbed_dose
from lutetia.images.volume import Volume

MethodName = Literal["local", "kernel", "montecarlo", "organ"]

LABELS: Final[Mapping[MethodName, str]] = {
    "local": "local", "kernel": "kernel", "montecarlo": "Monte Carlo", "organ": "organ S",
}  # fmt: skip
"""Heads of the columns that show the methods side by side."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MethodDoses:
    """Doses of all regions by one method.

    Attributes
    ----------
    name : of the method
    description : in words
    mean_gy : region -> mean absorbed dose; a region that the method does not reach is left out
    statistical_gy : region -> standard uncertainty of the method's own statistics, empty where there are none
    voxels : absorbed dose of every voxel, None where the method has no map
    record : for provenance
    warnings : what the user should know of its doses
    chain : region -> dose by chain member and radiation, empty where daughters are not followed
    """

    name: MethodName
    description: str
    mean_gy: Mapping[str, float]
    statistical_gy: Mapping[str, float] = field(default_factory=dict)
    voxels: Volume | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    chain: Mapping[str, ChainAbsorbedDose] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WaterMaps:
    """Absorbed dose of every voxel by what water does. [Gy]

    Attributes
    ----------
    local : charged particles absorbed where they are emitted
    charged : charged particles by kernel
    photons : photons by kernel
    photons_of : chain member -> region -> mean of its photons' dose
    """

    local: Volume
    charged: Volume
    photons: Volume
    photons_of: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def water_maps(maps: PatientMaps) -> WaterMaps:
    """All maps that need no transport, of the nuclide and of the daughters that are followed."""
    given = {"time_integrated_activity": maps.time_integrated_activity, "density": maps.density}
    kinds = {"local": local_absorbed_dose, "charged": charged_dose_by_kernel, "photons": photon_dose_by_kernel}
    found: dict[str, Volume] = {}
    photons_of = {}
    for member, decays in maps.followed.items():
        own = {kind: compute(**given, nuclide=member) for kind, compute in kinds.items()}
        photons_of[member] = {
            name: decays * _mean(own["photons"], maps, region.occupancy) for name, region in maps.regions.items()
        }
        for kind, volume in own.items():
            values = volume.values if decays == 1.0 else np.float32(decays) * volume.values
            before = found.get(kind)
            found[kind] = volume.with_values(values if before is None else before.values + values)
    return WaterMaps(
        local=found["local"], charged=found["charged"], photons=found["photons"], photons_of=photons_of
    )


def _mean(volume: Volume, maps: PatientMaps, occupancy: NDArray[np.float32]) -> float:
    """Mean over a region by mass."""
    weights = occupancy * maps.density.values
    total = float(weights.sum(dtype=np.float64))
    return float(np.vdot(weights, volume.values)) / total if total > 0 else 0.0


def local_method(maps: PatientMaps, water: WaterMaps) -> MethodDoses:
    """Charged particles by mass where they are emitted, photons by a kernel in water."""
    return MethodDoses(
        name="local",
        description="charged particles of the region's own decays by mass, photons by point kernel in water",
        mean_gy=region_means(maps, water, charged=water.local),
        voxels=water.local.with_values(water.local.values + water.photons.values),
        record={"charged particles": "absorbed where emitted", "photons": "water_photon_kernel"},
        chain=local_chain_doses(maps, water.photons_of) if maps.members else {},
    )


def kernel_method(maps: PatientMaps, water: WaterMaps) -> MethodDoses:
    """All radiation by kernels in water, corrected for density."""
    return MethodDoses(
        name="kernel",
        description="charged particles and photons by point kernels in water, corrected for the density of the voxel",
        mean_gy=region_means(maps, water, charged=water.charged),
        voxels=water.charged.with_values(water.charged.values + water.photons.values),
        record={"charged particles": "water_electron_kernel", "photons": "water_photon_kernel"},
    )


def region_means(maps: PatientMaps, water: WaterMaps, *, charged: Volume) -> dict[str, float]:
    r"""Mean dose of every region. [Gy]

    :math:`\tilde A E_{charged}/m \times q + \overline{D_{photon}}`, with q the mean of the charged particles' map over
    that of the map in which they stay where they are emitted: what leaves the region and what comes in, without the
    blur that voxels cut by the outline would add.
    """
    means = {}
    for name, known in maps.regions.items():
        share = 1.0
        if charged is not water.local:
            weights = known.occupancy * maps.density.values
            stays = float(np.vdot(weights, water.local.values))
            share = float(np.vdot(weights, charged.values)) / stays if stays > 0 else 1.0
        means[name] = mean_absorbed_dose(
            time_integrated_activity_bq_s=known.time_integrated_activity_bq_s,
            mass_g=known.mass_g,
            nuclide=maps.nuclide,
            members=maps.members,
            photon_dose=water.photons,
            density=maps.density,
            occupancy=known.occupancy,
            charged_share=share,
        )
    return means
