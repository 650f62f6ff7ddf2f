"""What photons pass on their way through the body from back to front, for planar images."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lutetia.errors import GridError, InputError, MissingDataError
from lutetia.images.acquisition import ConjugateViews
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import linear_attenuation_per_cm
from lutetia.physics.materials import material
from lutetia.recon.attenuation import BODY_PER_CM, attenuation_on, covered_voxels
from lutetia.recon.camera import FWHM_PER_SIGMA
from lutetia.recon.scatter import SMOOTHING_FWHM_PIXELS
from lutetia.units import CM_PER_MM, KEV_PER_MEV, MM_PER_CM

WATER_EQUIVALENT: Final = (
    "The body's thickness was taken from its attenuation as if it were water: too small over the lungs, too large "
    "over bone."
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BodyPath:
    """The way through the body along the detectors' axis, for each pixel of the anterior image.

    Attributes
    ----------
    mu_t : (rows, columns) line integral of the attenuation coefficient at the photopeak; NaN where unknown. [1]
    thickness_mm : (rows, columns) of the body. [mm]
    relative_uncertainty : standard uncertainty of ``mu_t`` over it, the same in all pixels; None when unknown
    variance : (rows, columns) variance of ``mu_t`` by counting, None when it was not counted
    """

    mu_t: NDArray[np.float64]
    thickness_mm: NDArray[np.float64]
    relative_uncertainty: float | None
    variance: NDArray[np.float64] | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.mu_t, self.thickness_mm, self.variance) if a is not None}
        if len(shapes) > 1 or self.mu_t.ndim != 2:
            raise GridError(f"Path through the body with arrays of shapes {sorted(shapes)}; expected one, 2-D.")
        if np.any(self.mu_t < 0) or np.any(self.thickness_mm < 0):
            raise InputError("Path through the body: negative attenuation or thickness; expected at least 0.")
        if self.relative_uncertainty is not None and self.relative_uncertainty < 0:
            raise InputError(f"Relative uncertainty {self.relative_uncertainty} of the attenuation; expected >= 0.")


def path_of_thickness(
    thickness_mm: NDArray[np.floating], *, attenuation_per_cm: float, relative_uncertainty: float | None
) -> BodyPath:
    """A body of known thickness and one effective attenuation coefficient.

    Parameters
    ----------
    thickness_mm : (rows, columns). [mm]
    attenuation_per_cm : narrow-beam where scatter is corrected, else the measured broad-beam one. [1/cm]
    """
    thickness = np.asarray(thickness_mm, dtype=np.float64)
    return BodyPath(
        mu_t=thickness * CM_PER_MM * attenuation_per_cm,
        thickness_mm=thickness,
        relative_uncertainty=relative_uncertainty,
    )


def path_from_ct(
    image: Volume,
    views: ConjugateViews,
    *,
    photopeak_mev: float,
    relative_uncertainty: float | None,
    corner_mm: tuple[float, float] | None = None,
) -> BodyPath:
    """Line integrals of the attenuation from back to front through a CT [HU] or an attenuation map [1/cm].

    A couch in the CT is taken to lie under the patient in the planar scan too. The thickness is that of all that
    attenuates as a body (lungs included).

    Parameters
    ----------
    image : CT or map in the patient's coordinates
    views : pixels of the planar images
    photopeak_mev : photon energy. [MeV]
    relative_uncertainty : of the line integrals, by the conversion of CT numbers and the alignment
    corner_mm : LPS (x, z) of the centre of the anterior image's first pixel, instead of that of ``views``

    Raises
    ------
    MissingDataError
        The place of the planar image in the patient is not known.
    GridError
        The frames of reference contradict each other, or CT and image do not meet.
    """
    corner = corner_mm or views.corner_mm
    if corner is None:
        raise MissingDataError(
            "The place of the planar image in the patient's coordinates is not known (no Image Position (Patient)); "
            "give corner_mm, the x and z of the centre of its first pixel."
        )
    grid = _columns_of(image.grid, views, corner)
    covered = np.any(covered_voxels(grid, image.grid), axis=1)[::-1]
    if not covered.any():
        raise GridError(f"The CT and the planar image with its first pixel at {corner} mm (x, z) do not meet.")
    mu = attenuation_on(image, grid, photopeak_mev).values[::-1].astype(np.float64)
    step_mm = grid.spacing_mm[1]
    return BodyPath(
        mu_t=np.where(covered, mu.sum(axis=1) * step_mm * CM_PER_MM, np.nan),
        thickness_mm=np.count_nonzero(mu > BODY_PER_CM, axis=1) * step_mm,
        relative_uncertainty=relative_uncertainty,
    )


def _columns_of(ct: Grid, views: ConjugateViews, corner_mm: tuple[float, float]) -> Grid:
    """Grid whose x and z are the pixels of the anterior image and whose y runs through the whole CT."""
    rows, columns = views.anterior.shape[1:]
    heights = ct.corners_mm()[:, 1]
    step = float(min(ct.spacing_mm))
    n = round((float(heights.max()) - float(heights.min())) / step) + 1
    return Grid(
        size=(columns, n, rows),
        spacing_mm=(views.pixel_mm[0], step, views.pixel_mm[1]),
        origin_mm=(corner_mm[0], float(heights.min()), corner_mm[1] - (rows - 1) * views.pixel_mm[1]),
        frame_of_reference_uid=views.frame_of_reference_uid,
    )


def path_from_scout(
    values: NDArray[np.floating],
    *,
    points: tuple[tuple[float, float], tuple[float, float]],
    photopeak_mev: float,
    relative_uncertainty: float | None,
) -> BodyPath:
    """Water-equivalent thickness from a CT scout whose pixel values were calibrated with water of two thicknesses.

    Scouts store the logarithm of the transmission, so that the value is a straight line in the thickness of water.

    Parameters
    ----------
    values : (rows, columns) of an anterior-posterior scout, resampled to the pixels of the anterior image
    points : (value, thickness of water [mm]) twice
    photopeak_mev : photon energy. [MeV]
    relative_uncertainty : of the water-equivalent thickness

    Raises
    ------
    InputError
        The two points are one, or the values are not finite.

    References
    ----------
    Minarik D, Sjogreen K, Ljungberg M. A new method to obtain transmission images for planar whole-body activity
    quantification. Cancer Biother Radiopharm 20 (2005) 72-76. doi:10.1089/cbr.2005.20.72
    """
    (first, first_mm), (second, second_mm) = points
    if first == second or first_mm == second_mm or min(first_mm, second_mm) < 0:
        raise InputError(
            f"Scout calibration points {points}; expected two different values of two different water thicknesses [mm]."
        )
    seen = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(seen)):
        raise InputError("The scout holds values that are not finite; fill them with that of air.")
    thickness = first_mm + (seen - first) * (second_mm - first_mm) / (second - first)
    beyond = float(np.mean(thickness > max(first_mm, second_mm)))
    warnings: tuple[str, ...] = (WATER_EQUIVALENT,)
    if beyond > 0:
        warnings += (
            f"{beyond:.0%} of the scout's pixels are thicker than the {max(first_mm, second_mm):g} mm of water it was "
            "calibrated with; the straight line was carried on.",
        )
    thickness = np.maximum(thickness, 0.0)
    mu_t = thickness * CM_PER_MM * _water_per_cm(photopeak_mev)
    return BodyPath(mu_t=mu_t, thickness_mm=thickness, relative_uncertainty=relative_uncertainty, warnings=warnings)


def path_from_transmission(
    *,
    blank: NDArray[np.floating],
    transmission: NDArray[np.floating],
    source_mev: float,
    photopeak_mev: float,
    relative_uncertainty: float | None,
    blank_over_transmission_time: float = 1.0,
    smoothing_fwhm_pixels: float = SMOOTHING_FWHM_PIXELS,
) -> BodyPath:
    r"""Attenuation from the counts of a flood source with and without the patient: :math:`\mu t = \ln(N_0/N)`.

    Scaled from the source's energy to the photopeak's as water. Scatter and the patient's own activity must have
    been subtracted from the transmission image.

    Parameters
    ----------
    blank, transmission : (rows, columns) counts, on the pixels of the anterior image
    source_mev, photopeak_mev : photon energies of the flood source and of the emission. [MeV]
    relative_uncertainty : of the line integrals, besides counting (residual scatter, scaling)
    blank_over_transmission_time : ratio of the two scans' durations, with the source's decay between them
    smoothing_fwhm_pixels : of both images before the logarithm

    Raises
    ------
    InputError
        Shapes differ, or counts are negative.
    """
    if blank.shape != transmission.shape or blank.ndim != 2:
        raise InputError(
            f"Blank of shape {blank.shape} and transmission of {transmission.shape}; expected one shape."
        )
    if min(float(blank.min()), float(transmission.min())) < 0 or not blank_over_transmission_time > 0:
        raise InputError("Negative transmission counts, or a ratio of times that is not positive.")
    water = _water_per_cm(photopeak_mev)
    scale = water / _water_per_cm(source_mev)
    sigma = smoothing_fwhm_pixels / FWHM_PER_SIGMA
    through, open_field = (
        gaussian_filter(a.astype(np.float64), sigma, mode="nearest") for a in (transmission, blank)
    )
    known = (through > 0) & (open_field > 0)
    mu_t = np.full(blank.shape, np.nan)
    mu_t[known] = scale * np.log(open_field[known] / (through[known] * blank_over_transmission_time))
    variance = np.full(blank.shape, np.nan)
    variance[known] = scale**2 * (1.0 / through[known] + 1.0 / open_field[known])
    # beside the patient noise makes the logarithm negative
    mu_t = np.maximum(mu_t, 0.0)
    told = (
        f"Attenuation was scaled from {source_mev * KEV_PER_MEV:g} to {photopeak_mev * KEV_PER_MEV:g} keV as water."
    )
    return BodyPath(
        mu_t=mu_t,
        thickness_mm=np.nan_to_num(mu_t / water * MM_PER_CM),
        relative_uncertainty=relative_uncertainty,
        variance=variance,
        warnings=(WATER_EQUIVALENT, *((told,) if source_mev != photopeak_mev else ())),
    )


def _water_per_cm(energy_mev: float) -> float:
    return float(linear_attenuation_per_cm(material("water"), energy_mev))
