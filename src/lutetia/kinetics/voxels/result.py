"""What the fits of all voxels give: maps, and what became of each voxel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MONO: Final = 1
BI: Final = 2
UPTAKE: Final = 3
TRAPEZOID: Final = 4
SCALED: Final = 5

MODEL_NAMES: Final[Mapping[int, str]] = {
    0: "none",
    MONO: "mono-exponential",
    BI: "bi-exponential",
    UPTAKE: "uptake and washout",
    TRAPEZOID: "trapezoid with a tail",
    SCALED: "curve of the region, scaled",
}
"""Values of ``VoxelFits.model``."""

OUTSIDE: Final = 0
FITTED: Final = 1
PHYSICAL_LIMIT: Final = 2
FASTEST_LIMIT: Final = 3
COLLAPSED: Final = 4
NOT_COMPARED: Final = 5
RISING: Final = 6
TOO_FAST: Final = 7
NOISE: Final = 8
NOT_CONVERGED: Final = 9
EMPTY: Final = 10
NOT_FINITE: Final = 11

STATUS_MEANINGS: Final[Mapping[int, str]] = {
    OUTSIDE: "outside the mask; not looked at",
    FITTED: "fitted",
    PHYSICAL_LIMIT: "fitted; the slowest rate lies at physical decay, its limit",
    FASTEST_LIMIT: "fitted; the fast rate lies at its upper limit",
    COLLAPSED: "no second term helps; mono-exponential",
    NOT_COMPARED: "a mono-exponential is denied by the points; uptake and washout, which AICc cannot compare, meets them",
    RISING: "rises or falls more slowly than the nuclide decays; trapezoids with a tail",
    TOO_FAST: "falls faster than the first scan can show; trapezoids with a tail",
    NOISE: "too little activity for a rate; the region's curve (physical decay without one), scaled",
    NOT_CONVERGED: "the search did not end; trapezoids with a tail",
    EMPTY: "no activity in any scan; 0, uncertainty unknown",
    NOT_FINITE: "a value is not finite; nothing computed",
}
"""Values of ``VoxelFits.status``. The tail is that of the region where one is given, else physical decay."""

FITTED_STATUSES: Final = (FITTED, PHYSICAL_LIMIT, FASTEST_LIMIT, COLLAPSED, NOT_COMPARED)

PARAMETERS: Final = ("amplitude_1", "rate_1_per_s", "amplitude_2", "rate_2_per_s")
"""Rows of ``VoxelFits.parameters``: the slow (washout) term first; the second of "uptake" has a negative amplitude."""

FloatMap = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VoxelFits:
    """Maps of the kinetics, all of the images' spatial shape; a is the unit of the images (Bq/mL, say).

    Attributes
    ----------
    time_integrated_activity : from administration to infinity, NaN where nothing was computed. [a s]
    standard_uncertainty : of it; NaN where unknown. [a s]
    effective_half_life_s : of the last phase; that of the tail where voxels were not fitted
    effective_half_life_uncertainty_s : NaN where unknown
    parameters : (4, ...) rows as PARAMETERS, NaN where the model has no such term
    aicc : corrected Akaike criterion of the chosen model, NaN where it is not defined
    chi_square : weighted residual sum of squares, NaN where voxels were not fitted
    model : see MODEL_NAMES
    status : see STATUS_MEANINGS
    noise_factor : what the given noise was multiplied with after the residuals of all voxels, 1 where it was known
    between_voxels : region -> standard deviation of log(rate) between its voxels, for shrunk fits
    warnings : how many voxels could not be fitted, and what was done
    """

    time_integrated_activity: FloatMap
    standard_uncertainty: FloatMap
    effective_half_life_s: FloatMap
    effective_half_life_uncertainty_s: FloatMap
    parameters: FloatMap
    aicc: FloatMap
    chi_square: FloatMap
    model: NDArray[np.uint8]
    status: NDArray[np.uint8]
    noise_factor: float
    between_voxels: Mapping[int, float]
    warnings: tuple[str, ...]

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Where a model was fitted, at a limit or not."""
        return np.isin(self.status, FITTED_STATUSES)

    def counts(self) -> dict[int, int]:
        """Number of voxels of each status that occurs."""
        found = np.bincount(self.status.ravel(), minlength=len(STATUS_MEANINGS))
        return {code: int(n) for code, n in enumerate(found) if n}


def status_warnings(status: NDArray[np.uint8]) -> tuple[str, ...]:
    """One line for each status but the good ones."""
    found = np.bincount(status.ravel(), minlength=len(STATUS_MEANINGS))
    inside = int(found.sum() - found[OUTSIDE])
    return tuple(
        f"{found[code]} of {inside} voxels ({found[code] / inside:.1%}): {meaning}."
        for code, meaning in STATUS_MEANINGS.items()
        if found[code] and code not in (OUTSIDE, FITTED)
    )
