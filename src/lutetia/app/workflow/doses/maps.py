"""What every dose method starts from: time-integrated activity, density and tissue of every voxel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.workflow.chains.followed import FollowedChain
from lutetia.app.workflow.measure import REMAINDER, Occupancy
from lutetia.app.workflow.quantify import QuantifiedScan
from lutetia.images.acquisition import TimePoint
from lutetia.images.regions import Region, Regions
from lutetia.images.register import Registration, moved_onto
from lutetia.images.resample import average_onto
from lutetia.images.volume import Volume
from lutetia.kinetics.curve import CurveFit
from lutetia.kinetics.time_integrated_map import scaled_to_regions, time_integrated_activity_map
from lutetia.physics.materials import density_from_hu, material_index_from_hu
from lutetia.physics.nuclides import Nuclide

SOFT_TISSUE_G_PER_ML: Final = 1.04
SOFT_TISSUE_HU: Final = 40.0

MASS_CONVENTION: Final = (
    "patient's own masses: volume of the outline and density by CT, blood in the organ included"
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RegionDecays:
    """A region as the dose methods see it.

    Attributes
    ----------
    region : name, kind and source
    time_integrated_activity_bq_s : decays in it
    mass_g, volume_ml : of the region
    occupancy : (z, y, x) share of each voxel
    """

    region: Region
    time_integrated_activity_bq_s: float
    mass_g: float
    volume_ml: float
    occupancy: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PatientMaps:
    """Maps on the reference image's grid, and the regions.

    Attributes
    ----------
    nuclide : for example "Lu-177"
    time_integrated_activity : [Bq s/mL]
    density : [g/mL]
    material_index : (z, y, x) index into ``physics.materials.hu_materials``
    regions : name -> what is known, in the order of the fits
    warnings : what was assumed
    chain : of the nuclide, where it or a daughter emits alphas; else None, and daughters are not followed
    """

    nuclide: str
    time_integrated_activity: Volume
    density: Volume
    material_index: NDArray[np.uint8]
    regions: Mapping[str, RegionDecays]
    warnings: tuple[str, ...]
    chain: FollowedChain | None = None

    @property
    def members(self) -> Mapping[str, float]:
        """Decays of each member of the chain per decay of the nuclide; none where daughters are not followed."""
        return {} if self.chain is None else self.chain.members

    @property
    def followed(self) -> Mapping[str, float]:
        """Decays per decay of the nuclide of all that is followed: it alone, or its chain."""
        return self.members or {self.nuclide: 1.0}


def registered_time_points(
    scans: Sequence[QuantifiedScan], registrations: Sequence[Registration], reference: int
) -> tuple[TimePoint, ...]:
    """Every image on the reference image's grid."""
    grid = scans[reference].image.grid
    points = []
    for number, (scan, registration) in enumerate(zip(scans, registrations, strict=True)):
        image = scan.image
        if number != reference and not image.grid.same_as(grid):
            image = moved_onto(image, registration, grid)
        points.append(TimePoint(label=scan.loaded.label, time_s=scan.loaded.time_s, image=image))
    return tuple(points)


def patient_maps(
    nuclide: Nuclide,
    regions: Regions,
    reference: QuantifiedScan,
    points: Sequence[TimePoint],
    occupancy: Occupancy,
    fits: Mapping[str, CurveFit],
    shape: Volume | None = None,
    chain: FollowedChain | None = None,
) -> PatientMaps:
    """Time-integrated activity, density and tissue of every voxel, and decays and mass of every region with a fit.

    ``shape`` is the time-integrated activity of voxels that were fitted by themselves; None takes the scans' weighted sum.
    """
    grid, warnings = reference.image.grid, []
    kept = {name: share for name, share in occupancy.items() if name in fits}
    decays = {name: fits[name].time_integrated_activity_bq_s for name in fits}
    activity = _activity(nuclide, points, kept, {name: decays[name] for name in kept}, shape)
    ct = reference.loaded.ct
    if ct is None:
        warnings.append(f"No CT: a density of {SOFT_TISSUE_G_PER_ML} g/mL was assumed everywhere.")
        hu = np.full(grid.shape, SOFT_TISSUE_HU, np.float32)
        values = np.full(grid.shape, SOFT_TISSUE_G_PER_ML, np.float32)
    else:
        hu = average_onto(ct, grid).values
        values = density_from_hu(hu)
    density = Volume(grid=grid, values=values, unit="g/mL")
    sizes = _sizes(regions, reference, density, occupancy)
    table = {r.name: r for r in regions.table.values()}
    table[REMAINDER] = Region(name=REMAINDER, kind="remainder", source="body less regions")
    return PatientMaps(
        nuclide=nuclide.name,
        time_integrated_activity=activity,
        density=density,
        material_index=material_index_from_hu(hu),
        regions={
            name: RegionDecays(
                region=table[name],
                time_integrated_activity_bq_s=total,
                mass_g=sizes[name][0],
                volume_ml=sizes[name][1],
                occupancy=occupancy[name],
            )
            for name, total in decays.items()
        },
        warnings=tuple(warnings),
        chain=chain,
    )


def _activity(
    nuclide: Nuclide,
    points: Sequence[TimePoint],
    occupancy: Occupancy,
    decays: Mapping[str, float],
    shape: Volume | None,
) -> Volume:
    if shape is not None:
        return scaled_to_regions(shape, occupancy=occupancy, time_integrated_activity_bq_s=decays)
    return time_integrated_activity_map(
        images=[point.image for point in points],
        time_s=[point.time_s for point in points],
        occupancy=occupancy,
        time_integrated_activity_bq_s=decays,
        decay_constant_per_s=nuclide.decay_constant_per_s,
    )


def _sizes(
    regions: Regions, reference: QuantifiedScan, density: Volume, occupancy: Occupancy
) -> dict[str, tuple[float, float]]:
    """Mass [g] and volume [mL] of each region: on the CT's voxels where there is one."""
    ct = reference.loaded.ct
    voxel = density.grid.voxel_ml
    result = {}
    for region in regions.table.values():
        mask = regions.mask(region.name)
        volume = regions.volume_ml(region.name)
        if ct is not None and ct.grid.same_as(regions.grid):
            mass = float(density_from_hu(ct.values[mask]).sum(dtype=np.float64)) * regions.grid.voxel_ml
        else:
            share = occupancy[region.name]
            mass = volume * float(np.vdot(share, density.values)) / max(float(share.sum()), 1e-30)
        result[region.name] = (mass, volume)
    rest = occupancy[REMAINDER]
    result[REMAINDER] = (
        float(np.vdot(rest, density.values)) * voxel,
        float(rest.sum(dtype=np.float64)) * voxel,
    )
    return result
