"""What an outline that is wrong by a distance does to volume, counts, recovery, mass and absorbed dose."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError

FWHM_PER_SIGMA: Final = 2 * math.sqrt(2 * math.log(2))


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
    """Relative uncertainty of a volume whose boundary is uncertain by a distance: ``u_d S / V``.

    Of a sphere this is 3 u(r)/r, the form of the EANM guidance (Gear 2018, doi:10.1007/s00259-018-4136-7).
    """
    return boundary_mm * surface_mm2 / volume_mm3


def displacement_relative_uncertainty(*, surface_mm2: float, volume_mm3: float, displacement_mm: float) -> float:
    """Relative change of a region's counts by a displacement: what leaves it is the displacement times the mean area of
    its shadow, a quarter of the surface of a convex body (Cauchy).
    """
    return displacement_mm * surface_mm2 / 4 / volume_mm3


def volume_components_gear2018(
    *, diameter_mm: float, voxel_mm: float, fwhm_mm: float, delineation_mm: float = 0.0
) -> dict[str, float]:
    r"""Relative standard uncertainty of a volume by voxel size, resolution and delineation.

    .. math:: \frac{u(V)}{V} = 3\,\frac{u(d)}{d}, \qquad u^2(d) = \frac{a^2}{6} + \frac{w^2}{4\ln 2} + 4 u_o^2

    A diameter has two ends. Each lies within a voxel of width a with equal chance (a²/12), and each edge is blurred by a
    Gaussian of full width w (variance w²/(8 ln 2)). Both take the whole outline to be wrong by one error, as when it is
    drawn on the image by its diameter; an outline that follows hundreds of voxels averages over them, and one drawn on CT
    has the resolution of the CT.

    Parameters
    ----------
    diameter_mm, voxel_mm, fwhm_mm : d, a, w of the image that was drawn on. [mm]
    delineation_mm : u_o, of where a person or a rule puts the boundary; the same error at both ends doubles. [mm]

    Returns
    -------
    "voxel size", "resolution", "delineation" -> relative uncertainty; those that are 0 are left out.

    References
    ----------
    Gear JI et al. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7 (the first two terms). The
    delineation of one boundary error for the whole surface, 3 u_o/(d/2), is ours.
    """
    if not diameter_mm > 0 or min(voxel_mm, fwhm_mm, delineation_mm) < 0:
        raise InputError(
            f"Diameter {diameter_mm} mm, voxel {voxel_mm}, resolution {fwhm_mm} and delineation {delineation_mm} mm; "
            "expected a diameter above 0 and the others of at least 0."
        )
    ends = {
        "voxel size": voxel_mm / math.sqrt(6),
        "resolution": math.sqrt(2) * fwhm_mm / FWHM_PER_SIGMA,
        "delineation": 2 * delineation_mm,
    }
    return {name: 3 * u / diameter_mm for name, u in ends.items() if u > 0}


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeSensitivity:
    r"""Powers with which an outline's volume error acts: ``d ln x / d ln V``.

    Attributes
    ----------
    counts : of the counts inside the outline, p/R
    recovery : of the recovery coefficient that they are divided by
    s_coefficient : of the energy deposited per decay and mass, negative
    """

    counts: float
    recovery: float
    s_coefficient: float

    @property
    def activity(self) -> float:
        """Of the activity, counts over recovery."""
        return self.counts - self.recovery

    @property
    def dose(self) -> float:
        """Of the absorbed dose, activity times S coefficient."""
        return self.activity + self.s_coefficient

    def covariance(self, volume_relative: float) -> NDArray[np.float64]:
        """Relative covariance of (V, counts, R, S), which one error moves together: of rank one, negative with S."""
        power = np.array([1.0, self.counts, self.recovery, self.s_coefficient])
        return np.outer(power, power) * volume_relative**2


def volume_sensitivity(
    *,
    recovery: float,
    surface_share: float | None = None,
    recovery_slope: float | None = None,
    mass_exponent: float = 1.0,
) -> VolumeSensitivity:
    r"""How counts, recovery and S coefficient follow an outline's volume.

    With :math:`A = C/(Q R)` and :math:`D = \tilde A S`, an outline whose volume is wrong by dV/V = v gives

    .. math:: d\ln D = \left(\frac{p}{R} - \eta - \beta\right) v

    The shell that it takes in holds the share p of the true concentration (the blurred image at the surface), so counts
    change by p/R; R, read for the volume V, by :math:`\eta = d\ln R/d\ln V`; S, by :math:`-\beta`. Where R is what
    the reconstruction makes of the outline itself, moving object and outline together, :math:`\eta = 2p/R - 1` (a kernel is
    symmetric). With β = 1 there remains −p/R: a wide outline lowers the dose by half of its volume's error for a large
    region, by all of it for a vanishing one. For a sphere under a Gaussian p/R is 1/(1 + R) within 4 %.

    Parameters
    ----------
    recovery : R, measured over true; values above 1 (spill-in) count as 1
    surface_share : p; R/(1 + R) by default
    recovery_slope : η, for example of a recovery curve, β_c (1 − R/P); the outline's own by default; 0 without correction
    mass_exponent : β, ``−d ln S/d ln m``: 1 for charged particles, 2/3 for the photons of a sphere

    References
    ----------
    Gear JI et al. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7 (volume acts on recovery,
    count rate and S, with covariances).
    """
    if not recovery > 0:
        raise InputError(f"Recovery {recovery}; expected more than 0.")
    kept = min(recovery, 1.0)
    counts = 1.0 / (1.0 + kept) if surface_share is None else surface_share / recovery
    slope = 2 * counts - 1 if recovery_slope is None else recovery_slope
    return VolumeSensitivity(counts=counts, recovery=slope, s_coefficient=-mass_exponent)


def sphere_under_gaussian(*, radius_mm: float, fwhm_mm: float) -> tuple[float, float]:
    r"""Recovery R and surface share p of a uniform sphere of radius r blurred by a Gaussian, in cold surroundings.

    .. math:: p = \tfrac12 \operatorname{erf}\frac{2r}{\sqrt2\sigma}
        - \frac{\sigma}{\sqrt{2\pi}\,r}\left(1 - e^{-2r^2/\sigma^2}\right), \qquad
        R = \frac{3}{r^3}\int_0^r 2 p(x)\,x^2\,dx

    R is the share of the counts inside the sphere, p the blurred concentration at its surface over the true one.
    """
    if not radius_mm > 0 or fwhm_mm < 0:
        raise InputError(f"Radius {radius_mm} mm, resolution {fwhm_mm} mm; expected above 0, and at least 0.")
    if fwhm_mm == 0:
        return 1.0, 0.5
    u = 2 * radius_mm * FWHM_PER_SIGMA / fwhm_mm
    if u < 0.05:
        # the closed forms cancel; the sphere's volume times the middle of the Gaussian
        share = u**3 / (12 * math.sqrt(2 * math.pi))
        return share, share
    edge, norm = math.exp(-(u**2) / 2), math.sqrt(2 / math.pi)
    own = 0.5 * math.erf(u / math.sqrt(2)) - norm / u * (1 - edge)
    # moments of the Gaussian's distance up to the diameter, times the sphere's chance to hold both ends
    first = norm * (2 - (u**2 + 2) * edge)
    third = norm * (8 - (u**4 + 4 * u**2 + 8) * edge)
    whole = math.erf(u / math.sqrt(2)) - norm * u * edge
    return whole - 1.5 * first / u + 0.5 * third / u**3, own
