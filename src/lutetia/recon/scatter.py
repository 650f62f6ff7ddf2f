"""Scattered photons in the photopeak window, estimated from the windows beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.recon.camera import FWHM_PER_SIGMA
from lutetia.units import KEV_PER_MEV

ScatterMethod = Literal["tew", "dew", "model", "none"]

GAP_FRACTION: Final = 0.05
"""A scatter window may overlap the peak window, or stay apart from it, by this fraction of the photopeak energy."""

SMOOTHING_FWHM_PIXELS: Final = 3.0
"""Of the scatter estimate: scatter is smooth, its window is noisy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowRoles:
    """Which energy windows are the peak and the scatter windows beside it (indices, None when absent)."""

    peak: int
    lower: int | None
    upper: int | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScatterEstimate:
    """Scattered counts in the peak window.

    Attributes
    ----------
    counts : (views, rows, columns) expected scattered counts, smoothed, not negative
    variance : (views, rows, columns) variance of the estimate before smoothing, itself smoothed. Smoothing
        correlates neighbours; over regions larger than it, sums have this variance, and other weighted sums that of
        their smoothed weights.
    smoothing_fwhm_pixels : of the Gaussian by which the estimate was smoothed
    """

    counts: NDArray[np.float32]
    variance: NDArray[np.float32]
    smoothing_fwhm_pixels: float = 0.0


def classify_windows(windows: Sequence[EnergyWindow], photopeak_mev: float) -> WindowRoles:
    """Find the peak window of a photopeak, and its neighbours, by energy.

    The peak is the window that holds the photopeak most centrally; lower and upper scatter windows are those whose
    edge lies nearest to the peak's, at most GAP_FRACTION of the photopeak energy away. Names and order do
    not matter.

    Raises
    ------
    MissingDataError
        No window holds the photopeak.
    """
    holding = [i for i, w in enumerate(windows) if w.lower_mev <= photopeak_mev <= w.upper_mev]
    if not holding:
        raise MissingDataError(
            f"No energy window holds the photopeak of {photopeak_mev * KEV_PER_MEV:g} keV; there are "
            f"{describe(windows)}. Choose another photopeak or check the acquisition."
        )
    peak = min(holding, key=lambda i: abs(windows[i].centre_mev - photopeak_mev))
    gap = GAP_FRACTION * photopeak_mev
    lower_edge, upper_edge = windows[peak].lower_mev, windows[peak].upper_mev
    others = [i for i in range(len(windows)) if i != peak]
    below = [i for i in others if windows[i].upper_mev < photopeak_mev]
    above = [i for i in others if windows[i].lower_mev > photopeak_mev]
    return WindowRoles(
        peak=peak,
        lower=_nearest(below, [abs(windows[i].upper_mev - lower_edge) for i in below], gap),
        upper=_nearest(above, [abs(windows[i].lower_mev - upper_edge) for i in above], gap),
    )


def _nearest(indices: Sequence[int], gaps: Sequence[float], largest: float) -> int | None:
    if not indices or min(gaps) > largest:
        return None
    return indices[int(np.argmin(gaps))]


def describe(windows: Sequence[EnergyWindow]) -> str:
    """Windows in words, for messages."""
    return ", ".join(f"{w.lower_mev * KEV_PER_MEV:.1f}-{w.upper_mev * KEV_PER_MEV:.1f} keV" for w in windows)


def triple_energy_window(
    *,
    lower: NDArray[np.floating],
    upper: NDArray[np.floating],
    lower_width_mev: float,
    upper_width_mev: float,
    peak_width_mev: float,
    smoothing_fwhm_pixels: float = SMOOTHING_FWHM_PIXELS,
) -> ScatterEstimate:
    r"""Trapezoid under the peak between two narrow windows: :math:`S = (C_l/w_l + C_u/w_u)\,w_p/2`.

    References
    ----------
    Ogawa K, Harata Y, Ichihara T, Kubo A, Hashimoto S. A practical method for position-dependent Compton-scatter
    correction in single photon emission CT. IEEE Trans Med Imaging 10 (1991) 408-412. doi:10.1109/42.97591
    """
    half = peak_width_mev / 2
    a, b = half / lower_width_mev, half / upper_width_mev
    return _smoothed(a * lower + b * upper, a**2 * lower + b**2 * upper, smoothing_fwhm_pixels)


def dual_energy_window(
    *,
    lower: NDArray[np.floating],
    lower_width_mev: float,
    peak_width_mev: float,
    factor: float = 0.5,
    smoothing_fwhm_pixels: float = SMOOTHING_FWHM_PIXELS,
) -> ScatterEstimate:
    r"""Scatter from the lower window alone: :math:`S = k\,C_l\,w_p/w_l`; k = 1/2: a triangle ending with the peak.

    Too low where photons of higher energy scatter down into the peak.

    References
    ----------
    Jaszczak RJ, Greer KL, Floyd CE et al. Improved SPECT quantification using compensation for scattered photons.
    J Nucl Med 25 (1984) 893-900 (k = 0.5 of the counts there; here of the counts per energy).
    """
    a = factor * peak_width_mev / lower_width_mev
    return _smoothed(a * lower, a**2 * lower, smoothing_fwhm_pixels)


def _smoothed(counts: NDArray[np.floating], variance: NDArray[np.floating], fwhm_pixels: float) -> ScatterEstimate:
    return ScatterEstimate(
        counts=np.maximum(smoothed(counts, fwhm_pixels), np.float32(0)),
        variance=np.maximum(smoothed(variance, fwhm_pixels), np.float32(0)),
        smoothing_fwhm_pixels=fwhm_pixels,
    )


def smoothed(values: NDArray[np.floating], fwhm_pixels: float) -> NDArray[np.float32]:
    """Projections (views, rows, columns), each view smoothed as scatter estimates are; a symmetric operation."""
    values = np.asarray(values, dtype=np.float32)
    if fwhm_pixels > 0:
        sigma = fwhm_pixels / FWHM_PER_SIGMA
        # 'mirror' rather than zeros: scatter does not end where the detector does
        values = np.asarray(gaussian_filter(values, (0.0, sigma, sigma), mode="mirror", truncate=3.0), np.float32)
    return values


def estimate_scatter(
    counts: NDArray[np.floating],
    windows: Sequence[EnergyWindow],
    roles: WindowRoles,
    method: ScatterMethod,
    *,
    smoothing_fwhm_pixels: float = SMOOTHING_FWHM_PIXELS,
) -> ScatterEstimate:
    """Scatter in the peak window of projections (windows, views, rows, columns).

    Raises
    ------
    MissingDataError
        The method needs a window that was not acquired.
    InputError
        The method is not known.
    """
    peak = windows[roles.peak]
    if method == "none":
        nothing = np.zeros(counts.shape[1:], np.float32)
        return ScatterEstimate(counts=nothing, variance=nothing)
    if method not in ("tew", "dew"):
        raise InputError(f"Scatter method {method!r}; expected 'tew', 'dew', 'model' or 'none'.")
    if roles.lower is None or (method == "tew" and roles.upper is None):
        wanted = "below" if roles.lower is None else "above"
        raise MissingDataError(
            f"Scatter method {method!r} needs an energy window next {wanted} the peak {describe([peak])}; there "
            f"are {describe(windows)}. Use scatter='dew' (lower window only) or 'none'."
        )
    lower = windows[roles.lower]
    if method == "dew" or roles.upper is None:
        return dual_energy_window(
            lower=counts[roles.lower],
            lower_width_mev=lower.width_mev,
            peak_width_mev=peak.width_mev,
            smoothing_fwhm_pixels=smoothing_fwhm_pixels,
        )
    return triple_energy_window(
        lower=counts[roles.lower],
        upper=counts[roles.upper],
        lower_width_mev=lower.width_mev,
        upper_width_mev=windows[roles.upper].width_mev,
        peak_width_mev=peak.width_mev,
        smoothing_fwhm_pixels=smoothing_fwhm_pixels,
    )
