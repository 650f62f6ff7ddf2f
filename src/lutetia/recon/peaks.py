"""From the projections of one bed to the energy windows that a reconstruction fits, and the images seen in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.devices import Device
from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow, Projections
from lutetia.images.resample import average_onto
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.recon.attenuation import activity_support, attenuation_on, require_coverage, slices_near
from lutetia.recon.camera import Camera
from lutetia.recon.channels import Channel, Part
from lutetia.recon.cuda import on_device
from lutetia.recon.orbit import Orbit
from lutetia.recon.projector import Projector, spect_system
from lutetia.recon.scatter import ScatterEstimate, ScatterMethod, WindowRoles, classify_windows, estimate_scatter
from lutetia.recon.scatter_model import SAME_MEV, Emission, accepted, simulate_scatter, unscattered_share
from lutetia.units import KEV_PER_MEV

DARK_SHARE: Final = 1e-3
"""A row of the detector with less than this share of the fullest row's counts is dark."""
HALF_LIT_ROWS: Final = 3
"""Rows between dark and full ones at the edge of a detector (seen on a GE Discovery 670: 0.1, 1, 25, 60 %)."""
MARGIN_ROWS: Final = 5
"""Dark rows that are kept beside the usable ones, for the response reaches out there."""
EMPTY_SHARE: Final = 0.02
"""A view with less than this share of the usual counts was not taken."""
WIDE_GAP: Final = 2.5
"""Angles between neighbouring views larger than this many usual ones are a gap."""
LEAST_ACCEPTED: Final = 0.85
"""A peak window that counts less than this share of its line lies off the peak."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """A photopeak to use.

    Attributes
    ----------
    energy_mev : of the line
    camera : spatial response at this energy; None without resolution recovery
    emissions : all lines of the nuclide that scatter into its window, their yields relative to the line that the image
        is scaled by (that of the first peak of the image); needed for scatter from the model
    weight : unscattered counts here for each one in the first peak of the same image, without attenuation; None: from
        the data, as a recorded assumption
    image : number of the image that is seen here (0 but for several nuclides)
    """

    energy_mev: float
    camera: Camera | None
    emissions: tuple[Emission, ...] = ()
    weight: float | None = None
    image: int = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PeakWindow:
    """A photopeak of one bed, ready to be fitted: its counts, its scatter, its forward model."""

    peak: Peak
    roles: WindowRoles
    window: EnergyWindow
    counts: NDArray[np.float32]
    scatter: ScatterEstimate
    attenuation: Volume | None
    system: Projector
    weight: float = 1.0

    @property
    def channel(self) -> Channel:
        """As the algorithms take it."""
        part = Part(system=self.system, image=self.peak.image, weight=self.weight)
        return Channel(counts=self.counts, additive=self.scatter.counts, parts=(part,))

    def total(self, counts: NDArray[np.floating]) -> float:
        """Sum of counts (views, rows, columns) over the pixels that the forward model knows."""
        return float(np.sum(counts, dtype=np.float64, where=self.system.usable))


def sound_views(projections: Projections) -> tuple[Projections, tuple[str, ...]]:
    """Projections without the views that were not taken, and what is to be said about the views.

    Raises
    ------
    InputError
        No view with counts.
    """
    per_view = projections.counts.sum(axis=(0, 2, 3), dtype=np.float64) / projections.frame_duration_s
    usual = float(np.median(per_view[per_view > 0])) if np.any(per_view > 0) else 0.0
    if usual == 0:
        raise InputError("The projections hold no counts; check the window and the file.")
    taken = per_view > EMPTY_SHARE * usual
    warnings: tuple[str, ...] = ()
    if not taken.all():
        named = ", ".join(str(v + 1) for v in np.flatnonzero(~taken)[:10])
        warnings = (
            f"{np.count_nonzero(~taken)} of {taken.size} views hold (nearly) no counts (number {named}) and were left "
            "out; counts per view should be alike.",
        )
        projections = replace(
            projections,
            counts=np.ascontiguousarray(projections.counts[:, taken]),
            angle_rad=projections.angle_rad[taken],
            radius_mm=projections.radius_mm[taken],
            frame_duration_s=projections.frame_duration_s[taken],
            detector=projections.detector[taken],
        )
    return projections, warnings + _gaps(projections.angle_rad)


def _gaps(angle_rad: NDArray[np.float64]) -> tuple[str, ...]:
    angle = np.unique(np.round(np.rad2deg(np.mod(angle_rad, 2 * np.pi)), 3))
    steps = np.diff(np.concatenate([angle, [angle[0] + 360.0]]))
    usual, widest = float(np.median(steps)), float(steps.max())
    if widest <= max(WIDE_GAP * usual, 12.0):
        return ()
    start = float(angle[int(steps.argmax())])
    return (
        f"No views between {start:.0f} and {(start + widest) % 360:.0f} degrees ({widest:.0f} degrees; {usual:.1f} are "
        "usual): the image is less sharp and less sure in that direction.",
    )


def without_dark_rows(projections: Projections) -> Projections:
    """Projections without most of the rows that are dark at both ends alike: there is nothing to reconstruct from.

    MARGIN_ROWS of them stay.
    """
    rows = np.flatnonzero(usable_pixels(projections).any(axis=1))
    cut = int(rows[0]) - MARGIN_ROWS
    if cut <= 0:
        return projections
    return replace(projections, counts=np.ascontiguousarray(projections.counts[:, :, cut:-cut]))


def usable_pixels(projections: Projections) -> NDArray[np.bool_]:
    """Detector pixels (rows, columns) inside the part that counts.

    Many detectors are shorter than their matrix (400 mm of 540 mm). Rows that are dark at both ends alike, and
    the half-lit ones next to them, are left out; columns are not, as the body seldom reaches them. A phantom that
    lies within the field looks the same, but loses no more than the tails of its blurred ends.
    """
    rows = projections.counts.sum(axis=(0, 1, 3), dtype=np.float64)
    lit = np.flatnonzero(rows >= DARK_SHARE * rows.max())
    usable = np.ones(projections.counts.shape[2:], bool)
    dark = min(int(lit[0]), rows.size - 1 - int(lit[-1]))
    if dark > 0 and rows.size > 2 * (dark + HALF_LIT_ROWS):
        usable[: dark + HALF_LIT_ROWS] = False
        usable[rows.size - dark - HALF_LIT_ROWS :] = False
    return usable


def peak_windows(
    projections: Projections,
    ct: Volume | None,
    peaks: Sequence[Peak],
    *,
    scatter: ScatterMethod,
    device: Device = "cpu",
) -> tuple[tuple[PeakWindow, ...], tuple[str, ...]]:
    """The windows of all peaks with their counts, first scatter estimates and forward models, and what is to be said.

    With scatter "model" the estimate starts from nothing; see :func:`modelled_scatter`. A map in 1/cm is that of the
    first peak.

    Raises
    ------
    MissingDataError
        A peak without window.
    InputError
        A peak window without counts.
    """
    orbit = Orbit.of(projections)
    usable = usable_pixels(projections)
    support: NDArray[np.bool_] | None = None
    found: list[PeakWindow] = []
    warnings: tuple[str, ...] = ()
    averaged = None if ct is None else average_onto(slices_near(ct, orbit.grid()), orbit.grid())
    for peak in peaks:
        roles = classify_windows(projections.windows, peak.energy_mev)
        window, counts = projections.windows[roles.peak], projections.counts[roles.peak]
        if not np.any(counts > 0):
            raise InputError("The projections of the peak window hold no counts; check the window and the file.")
        mu = None
        if ct is not None and averaged is not None:
            own, scaled = _at_energy(averaged, peaks[0].energy_mev, peak.energy_mev)
            warnings += scaled + require_coverage(ct.grid, orbit.grid(), counts)
            mu = attenuation_on(own, orbit.grid(), peak.energy_mev)
        if support is None:
            support = activity_support(orbit.grid(), orbit, counts, mu)
        system = spect_system(orbit=orbit, camera=peak.camera, attenuation=mu, support=support, usable=usable)
        method: ScatterMethod = "none" if scatter == "model" else scatter
        warnings += _misses(window, peak) + (peak.camera.warnings if peak.camera else ())
        found.append(
            PeakWindow(
                peak=peak,
                roles=roles,
                window=window,
                counts=counts,
                scatter=estimate_scatter(projections.counts, projections.windows, roles, method),
                attenuation=mu,
                system=on_device(system, device),
            )
        )
    return tuple(found), tuple(dict.fromkeys(warnings))


def _at_energy(ct: Volume, first_mev: float, energy_mev: float) -> tuple[Volume, tuple[str, ...]]:
    """A map that holds at the first photopeak, at another one; a CT as it is."""
    if ct.unit != "1/cm" or energy_mev == first_mev:
        return ct, ()
    ratio = mass_attenuation_cm2_per_g("water", energy_mev) / mass_attenuation_cm2_per_g("water", first_mev)
    return ct.with_values(ct.values * np.float32(ratio)), (
        f"The attenuation map was taken to hold at {first_mev * KEV_PER_MEV:.0f} keV and scaled like water to "
        f"{energy_mev * KEV_PER_MEV:.0f} keV; a CT in HU needs no such assumption.",
    )


def _misses(window: EnergyWindow, peak: Peak) -> tuple[str, ...]:
    """What to say about a window that holds the line but not its peak."""
    share = float(accepted(window, peak.energy_mev, _resolution(peak)))
    if share >= LEAST_ACCEPTED:
        return ()
    low, high = window.lower_mev * KEV_PER_MEV, window.upper_mev * KEV_PER_MEV
    return (
        f"The energy window {low:.1f}-{high:.1f} keV counts {share:.0%} of the photopeak at "
        f"{peak.energy_mev * KEV_PER_MEV:.0f} keV: it lies off the peak. A sensitivity measured with another window "
        "does not hold.",
    )


def _resolution(peak: Peak) -> float:
    return (peak.camera or _ANY).energy_fwhm_at_140_kev


_ANY: Final = Camera(name="any", intrinsic_fwhm_mm=1.0, intercept_mm=1.0, slope=0.0)


def expected_weight(window: EnergyWindow, peak: Peak, first_window: EnergyWindow, first: Peak) -> float:
    """Unscattered counts in a peak's window for each in the first one's, by yield, window, crystal and collimator.

    All lines that a window takes count (465 keV of 209Tl are 8 % of what is seen at 440 keV). Where the collimator is
    known its holes and septa are; else the holes go by the slope of the resolution, and the septal tails as given.
    Electronics and dead layers are left out: a measured ratio is better.

    Raises
    ------
    MissingDataError
        The line is not among the emissions of its peak.
    """
    if not any(abs(e.energy_mev - peak.energy_mev) < SAME_MEV for e in peak.emissions):
        raise MissingDataError(
            f"The yield of the line at {peak.energy_mev * KEV_PER_MEV:.0f} keV is not among the emissions of its peak."
        )
    own = unscattered_share(window, peak.emissions, peak.camera or _ANY)
    unit = unscattered_share(first_window, first.emissions, first.camera or _ANY)
    return own / unit * _holes(peak.camera, first.camera)


def _holes(own: Camera | None, first: Camera | None) -> float:
    """What a collimator of unknown geometry lets through, by its two responses; 1 where the geometry is known."""
    if own is None or first is None or first.slope == 0 or (own.collimator and first.collimator):
        return 1.0
    # a hole's solid angle goes with (diameter / effective length)^2, which is the slope of the resolution
    return (own.slope / first.slope) ** 2 * _beside(first) / _beside(own)


def _beside(camera: Camera) -> float:
    """Share of the photons that came through one hole."""
    return 1.0 if camera.tail is None else 1.0 - camera.tail.share


def with_weights(
    windows: Sequence[PeakWindow],
    images: Sequence[NDArray[np.floating]],
    scatter: Sequence[NDArray[np.floating]] | None,
) -> tuple[tuple[PeakWindow, ...], tuple[str, ...]]:
    """Weights of all windows: as given, or such that the images explain the counts.

    Parameters
    ----------
    windows : of one bed
    images : (z, y, x) by image number, on the scale of the first window that sees each
    scatter : of those images in each window, by the model for the expected weights; None: as estimated from windows
    """
    done: list[PeakWindow] = []
    warnings: tuple[str, ...] = ()
    first: dict[int, PeakWindow] = {}
    for k, window in enumerate(windows):
        reference = first.setdefault(window.peak.image, window)
        if reference is window:
            done.append(window)
            continue
        weight = window.peak.weight
        if weight is None:
            weight = _fitted_weight(
                window, reference, images[window.peak.image], None if scatter is None else scatter[k]
            )
            line, other = window.peak.energy_mev * KEV_PER_MEV, reference.peak.energy_mev * KEV_PER_MEV
            warnings += (
                f"The sensitivity at {line:.0f} keV was taken to be {weight:.2f} times that at {other:.0f} keV, which "
                "explains the counts of both; no measured ratio was given.",
            )
        done.append(replace(window, weight=weight))
    return tuple(done), warnings


def _fitted_weight(
    window: PeakWindow, first: PeakWindow, image: NDArray[np.floating], scatter: NDArray[np.floating] | None
) -> float:
    """Measured counts over those expected of the image per unit weight, its scatter included."""
    counted = window.total(window.counts)
    seen = window.total(window.system.forward(image))
    if scatter is None:
        counted -= window.total(window.scatter.counts)
    else:
        expected = expected_weight(window.window, window.peak, first.window, first.peak)
        seen += window.total(scatter) / expected
    return max(counted, 1.0) / max(seen, 1e-30)


def modelled_scatter(
    windows: Sequence[PeakWindow],
    images: Sequence[NDArray[np.floating]],
    *,
    histories: int,
    seed: int,
    weighed: bool = True,
) -> tuple[NDArray[np.float32], ...]:
    """Scatter in every window from all images, by transport; see :func:`lutetia.recon.scatter_model.simulate_scatter`.

    The scatter of an image into another window than its first is scaled as that window's own peak was found to be
    (once the windows are ``weighed``).

    Raises
    ------
    MissingDataError
        Scatter from the model without attenuation map or camera.
    """
    total = [np.zeros_like(window.counts) for window in windows]
    energy_windows = [window.window for window in windows]
    for number, image in enumerate(images):
        first = next(w for w in windows if w.peak.image == number)
        if first.attenuation is None or first.peak.camera is None:
            raise MissingDataError("Scatter from the model needs the attenuation map and the camera; give both.")
        scattered = simulate_scatter(
            image=image,
            attenuation=first.attenuation,
            photopeak_mev=first.peak.energy_mev,
            orbit=first.system.orbit,
            camera=first.peak.camera,
            windows=energy_windows,
            emissions=first.peak.emissions or None,
            histories=histories,
            seed=seed + 1000 * number,
        )
        for k, window in enumerate(windows):
            ratio = 1.0
            if weighed and window.peak.image == number and window is not first and window.peak.emissions:
                ratio = window.weight / expected_weight(window.window, window.peak, first.window, first.peak)
            total[k] += np.float32(ratio) * scattered.counts[k]
    return tuple(total)


def balanced_scatter(
    windows: Sequence[PeakWindow], images: Sequence[NDArray[np.floating]], scatter: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], ...]:
    """Scatter of the images scaled to where images and scatter together explain the counts.

    An image that was fitted with too little scatter is too hot, and so is its scatter; without this the two would
    approach each other in swings.
    """
    scale = balance(windows, images, scatter)
    return tuple(scale * own for own in scatter)


def balance(
    windows: Sequence[PeakWindow], images: Sequence[NDArray[np.floating]], scatter: Sequence[NDArray[np.float32]]
) -> np.float32:
    """Counts of all windows over those that images and their scatter explain."""
    counted = sum(window.total(window.counts) for window in windows)
    explained = 0.0
    for window, own in zip(windows, scatter, strict=True):
        seen = window.system.forward(images[window.peak.image])
        explained += window.weight * window.total(seen) + window.total(own)
    return np.float32(counted / max(explained, 1e-30))
