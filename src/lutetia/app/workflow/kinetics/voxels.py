"""Kinetics of the voxels where the case asks for them: the shape of the activity map, and maps to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lutetia.app.case.settings import Case
from lutetia.app.workflow.measure import REGISTRATION_MM, Occupancy
from lutetia.images.acquisition import TimePoint
from lutetia.images.volume import Volume
from lutetia.kinetics.curve import CurveFit
from lutetia.physics.nuclides import Nuclide
from lutetia.units import H_PER_S

LEAST_SHARE = 0.01
"""Voxels of which all regions together fill less are outside."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VoxelMaps:
    """Fits of the voxels on the grid of the dose.

    Attributes
    ----------
    shape : time-integrated activity of each voxel by itself, before it is scaled to the regions. [Bq s/mL]
    relative_uncertainty : of it; NaN where unknown
    effective_half_life : [h]
    status : see ``lutetia.kinetics.voxels.result.STATUS_MEANINGS``
    """

    shape: Volume
    relative_uncertainty: Volume
    effective_half_life: Volume
    status: Volume
    warnings: tuple[str, ...]

    def files(self, time_integrated_activity: Volume) -> dict[str, Volume]:
        """File name -> map, the uncertainty that of the scaled map."""
        spread = time_integrated_activity.values * self.relative_uncertainty.values
        return {
            "time_integrated_activity_uncertainty_Bq_s_per_mL": time_integrated_activity.with_values(spread),
            "effective_half_life_h": self.effective_half_life,
            "voxel_kinetics_status": self.status,
        }


def voxel_maps(
    case: Case,
    nuclide: Nuclide,
    points: Sequence[TimePoint],
    reference: int,
    occupancy: Occupancy,
    fits: Mapping[str, CurveFit],
) -> VoxelMaps | None:
    """Fits of all voxels in regions as the case wants them, None where the regions' curves are to do.

    The noise is taken from the residuals, the displacement between scans as for the regions.

    Raises
    ------
    FitError
        Too few scans.
    """
    if case.kinetics.voxels == "region":
        return None
    # numba and its loops only where they are asked for
    from lutetia.kinetics.voxels.fit import VoxelRegions, fit_voxels

    grid = points[reference].image.grid
    names = [name for name in occupancy if name in fits]
    shares = np.stack([occupancy[name] for name in names])
    found = fit_voxels(
        np.stack([point.image.values for point in points]),
        [point.time_s for point in points],
        decay_constant_per_s=nuclide.decay_constant_per_s,
        model=case.kinetics.voxels,
        mask=shares.sum(axis=0) >= LEAST_SHARE,
        regions=VoxelRegions(labels=shares.argmax(axis=0), exponentials=_exponentials(names, fits)),
        spacing_mm=grid.spacing_mm[::-1],
        displacement_mm=[0.0 if number == reference else REGISTRATION_MM for number in range(len(points))],
    )
    tia = np.nan_to_num(found.time_integrated_activity)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(tia > 0, found.standard_uncertainty / tia, np.nan)
    half_life_h = found.effective_half_life_s * np.float32(H_PER_S)
    return VoxelMaps(
        shape=Volume(grid=grid, values=tia, unit="Bq s/mL"),
        relative_uncertainty=Volume(grid=grid, values=relative, unit="1"),
        effective_half_life=Volume(grid=grid, values=half_life_h, unit="h"),
        status=Volume(grid=grid, values=found.status.astype(np.float32), unit="1"),
        warnings=tuple(f"Kinetics of voxels: {text}" for text in found.warnings),
    )


def _exponentials(names: Sequence[str], fits: Mapping[str, CurveFit]) -> dict[int, tuple[tuple[float, float], ...]]:
    """Label -> terms of the region's fit, or its last phase alone where the fit is no sum of exponentials."""
    found: dict[int, tuple[tuple[float, float], ...]] = {}
    for label, name in enumerate(names):
        half_life_s = fits[name].effective_half_life_s
        if fits[name].exponentials:
            found[label] = fits[name].exponentials
        elif half_life_s is not None and not fits[name].model.startswith("trapezoid"):
            found[label] = ((1.0, float(np.log(2)) / half_life_s),)
    return found
