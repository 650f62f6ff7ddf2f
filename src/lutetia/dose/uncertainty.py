"""Uncertainty budget of a region's mean absorbed dose, after the EANM guidance.

Gear JI, Cox MG, Gustafsson J, et al. EANM practical guidance on uncertainty analysis for molecular radiotherapy absorbed
dose calculations. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.absorbed_dose import UncertaintyComponent

RECOVERY_SHARE: Final = 0.1
"""Standard uncertainty of a partial-volume correction as a share of the correction, where none was measured: what a width
of the response that is wrong by 5 % does to spheres of 17 to 37 mm (0.083 to 0.102)."""
DECAY_ENERGY_RELATIVE: Final = 0.005
"""Of the energy per decay: ICRP 107 against newer evaluations for 177Lu (electrons 0.5 %)."""
SCATTER_SHARE: Final = 0.1
"""Standard uncertainty of an energy-window scatter estimate as a share of it."""
DENSITY_RELATIVE: Final = 0.01
"""Of a mean density from CT numbers of soft tissue."""


def combined(components: Sequence[UncertaintyComponent]) -> float:
    """Relative standard uncertainty of independent components: root of the sum of squares."""
    return math.sqrt(sum(c.relative**2 for c in components))


def surface_area_mm2(mask: NDArray[np.bool_], spacing_mm: Sequence[float]) -> float:
    """Surface of a voxel mask (z, y, x), faces counted and divided by 1.5. [mm2]

    A surface of random direction shows 1.5 times its area in the faces of cubes.
    """
    sx, sy, sz = spacing_mm
    area = 0.0
    for axis, face in ((0, sx * sy), (1, sx * sz), (2, sy * sz)):
        padded = np.pad(mask, [(1, 1) if a == axis else (0, 0) for a in range(3)])
        area += float(np.count_nonzero(np.diff(padded.astype(np.int8), axis=axis))) * face
    return area / 1.5


def volume_relative_uncertainty(*, surface_mm2: float, volume_mm3: float, boundary_mm: float) -> float:
    """Relative uncertainty of a volume whose boundary is uncertain by a distance: ``u_d S / V`` (Gear 2018, eq. 5)."""
    return boundary_mm * surface_mm2 / volume_mm3


def dose_budget(
    *,
    calibration: float | None,
    fit: float | None,
    volume: float,
    recovery_coefficient: float | None,
    scatter_to_primary: float | None,
) -> tuple[UncertaintyComponent, ...]:
    """Components of a region's dose, relative standard uncertainties (k=1).

    The mass in the dose and the outline of the activity share the volume's error: an outline drawn too wide takes in more
    counts as well as more mass. With a partial-volume correction by the same outline, a share p/R of the volume's change
    remains in the concentration: p of the counts of a shell at the surface are measured inside, R (recovery) of those
    of the whole. For a sphere under a Gaussian response p/R is 1/(1 + R) within 4 %: half for a large region, all for a
    small one. Without correction all remains.

    Parameters
    ----------
    calibration : of the sensitivity; shared by all regions and scans
    fit : of the time-integrated activity (counting, model, extrapolation)
    volume : of the volume
    recovery_coefficient : measured over true, None where no correction was made
    scatter_to_primary : scattered over unscattered counts that were subtracted, None where none were
    """
    parts: list[tuple[str, float | None, bool]] = [
        ("calibration", calibration, True),
        ("counting, fit and extrapolation", fit, False),
        ("scatter correction", None if scatter_to_primary is None else SCATTER_SHARE * scatter_to_primary, True),
        ("decay energy", DECAY_ENERGY_RELATIVE, True),
        ("density", DENSITY_RELATIVE, True),
    ]
    if recovery_coefficient is None:
        parts.append(("volume", volume, False))
    else:
        parts.append(("volume", volume / (1.0 + min(recovery_coefficient, 1.0)), False))
        parts.append(("partial-volume correction", RECOVERY_SHARE * abs(1 - recovery_coefficient), False))
    return tuple(UncertaintyComponent(name=n, relative=v, shared=s) for n, v, s in parts if v is not None and v > 0)
