"""How uncertain the value of a voxel is: counts, smoothing, and scans that do not lie on each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lutetia.errors import InputError

Images = NDArray[np.float32]

FWHM_PER_SIGMA: Final = 2.3548200450309493
REACH: Final = 4.0
"""Standard deviations after which a Gaussian is cut."""
GRADIENT_MM: Final = 6.0
"""Full width of the smoothing of the mean image before its gradient is taken: less than the resolution of SPECT."""
RATIO_MM: Final = 12.0
"""The same for the ratio of a scan to the mean, which changes little from voxel to voxel."""
LEAST_SHARE: Final = 1e-3
"""Where the mean image falls below this share of its maximum, relative gradients mean nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoxelNoise:
    r"""Variance of a voxel's value y: :math:`a^2 + p\,y + (r\,y)^2`, one number for all scans or one for each.

    Attributes
    ----------
    absolute : standard uncertainty that does not depend on the value. [unit of the images]
    poisson : variance over value, as of counts. [unit of the images]
    relative : standard uncertainty over value
    """

    absolute: float | Sequence[float] = 0.0
    poisson: float | Sequence[float] = 0.0
    relative: float | Sequence[float] = 0.0

    def coefficients(self, n: int) -> NDArray[np.float64]:
        """(3, n) coefficients of the variance in powers of the value.

        Raises
        ------
        InputError
            Another number of scans, a negative size, or no noise at all.
        """
        rows = []
        for name in ("absolute", "poisson", "relative"):
            given = np.asarray(getattr(self, name), dtype=float)
            if given.size not in (1, n) or not np.all(np.isfinite(given)) or np.any(given < 0):
                raise InputError(f"Noise: {name} is {given.tolist()}; expected one number or {n}, none below 0.")
            rows.append(np.broadcast_to(given, n))
        found = np.stack([rows[0] ** 2, rows[1], rows[2] ** 2])
        if np.any(found.sum(axis=0) <= 0):
            raise InputError("Noise: a scan without any; the weights of the scans need a size above 0.")
        return found


def smoothed(images: Images, spacing_mm: Sequence[float], fwhm_mm: float) -> Images:
    """Every image (n, z, y, x) by a Gaussian of the given full width at half maximum. ``spacing_mm`` is (z, y, x)."""
    result = np.empty_like(images)
    sigma = [fwhm_mm / FWHM_PER_SIGMA / s for s in spacing_mm]
    for image, out in zip(images, result, strict=True):
        ndimage.gaussian_filter(image, sigma, output=out, mode="nearest", truncate=REACH)
    return result


def smoothed_sigma(sigma: Images, spacing_mm: Sequence[float], fwhm_mm: float) -> Images:
    r"""Standard uncertainty after smoothing of values whose errors are independent from voxel to voxel.

    :math:`\sigma_s^2 = \sum_j g_j^2 \sigma_j^2` with the kernel g, exactly as cut. Errors of reconstructed images are
    correlated over the resolution, which makes this too small; the residuals of the fits then tell the factor.
    """
    result = np.empty_like(sigma)
    for one, out in zip(sigma, result, strict=True):
        variance = one.astype(np.float64) ** 2
        for axis, spacing in enumerate(spacing_mm):
            width = fwhm_mm / FWHM_PER_SIGMA / spacing
            reach = int(REACH * width + 0.5)
            kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
            variance = ndimage.correlate1d(variance, (kernel / kernel.sum()) ** 2, axis=axis, mode="nearest")
        out[...] = np.sqrt(variance)
    return result


def noise_maps(images: Images, coefficients: NDArray[np.float64]) -> Images:
    """Standard uncertainty of every voxel, its value taken as the mean of 3 x 3 x 3.

    The mean, because a voxel that is low by chance would otherwise count for more than its neighbours: fits would come
    out too low.
    """
    result = np.empty_like(images)
    for image, out, c in zip(images, result, coefficients.T, strict=True):
        seen = np.maximum(ndimage.uniform_filter(image, 3, mode="nearest"), 0)
        floor = LEAST_SHARE * float(seen.max(initial=0.0))
        np.maximum(seen, floor if floor > 0 else 1.0, out=seen)
        np.sqrt(c[0] + seen * (c[1] + c[2] * seen), out=out)
    return result


def displacement_sigma(
    images: Images, spacing_mm: Sequence[float], displacement_mm: float | Sequence[float]
) -> Images:
    r"""Standard uncertainty of every voxel from scans displaced against each other.

    A displacement d changes a value by :math:`d \cdot \nabla y`; with a standard uncertainty u of each component,
    independent from scan to scan, :math:`\sigma_i = u_i |\nabla y_i|` to first order. The gradient is that of the mean
    image (one scan's own is mostly noise) times the local ratio of the scan to the mean.

    Parameters
    ----------
    images : (n, z, y, x)
    spacing_mm : (z, y, x)
    displacement_mm : standard uncertainty of each component of the displacement, for all scans or one for each
    """
    u = np.asarray(displacement_mm, dtype=float)
    if u.size not in (1, len(images)) or not np.all(np.isfinite(u)) or np.any(u < 0):
        raise InputError(f"displacement_mm is {u.tolist()}; expected one number or {len(images)}, none below 0.")
    weight = 1 / np.maximum(images.reshape(len(images), -1).max(axis=1), 1e-30)
    mean = np.tensordot(weight, images, axes=1).astype(np.float32)
    slope = np.zeros(mean.shape)
    sharp = smoothed(mean[None], spacing_mm, GRADIENT_MM)[0]
    for axis, spacing in enumerate(spacing_mm):
        if mean.shape[axis] > 1:
            slope += np.gradient(sharp, spacing, axis=axis) ** 2
    soft = np.maximum(smoothed(mean[None], spacing_mm, RATIO_MM)[0], 0)
    slope = np.sqrt(slope) / np.maximum(soft, LEAST_SHARE * float(soft.max()) + 1e-30)
    ratio = np.maximum(smoothed(images, spacing_mm, RATIO_MM), 0)
    return np.asarray(ratio * slope * np.broadcast_to(u, len(images))[:, None, None, None], dtype=np.float32)
