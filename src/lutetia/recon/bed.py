"""From the projections of one bed position to its count-rate image: algorithm, windows, scatter, motion."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label

from lutetia.devices import Device
from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import Projections
from lutetia.images.volume import Volume
from lutetia.recon.bsrem import Penalty, penalised_likelihood
from lutetia.recon.camera import Camera
from lutetia.recon.channels import Channel, Progress
from lutetia.recon.motion import Motion, detect_motion
from lutetia.recon.osem import EmResult, Until, expectation_maximisation
from lutetia.recon.peaks import (
    Peak,
    PeakWindow,
    balance,
    balanced_scatter,
    modelled_scatter,
    peak_windows,
    sound_views,
    with_weights,
    without_dark_rows,
)
from lutetia.recon.projector import Projector
from lutetia.recon.scatter import ScatterEstimate, ScatterMethod, WindowRoles

SEED: Final = 20240101
"""Of the photons of scatter from the model."""
PREVIEW_ITERATIONS: Final = 2
RESCATTER_AFTER: Final = {1: 0.5, 2: 0.5, 4: 1.0}
"""Iterations after which scatter from the model is estimated anew, and the share of the histories; later it hardly
changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReconSettings:
    """How to reconstruct.

    Attributes
    ----------
    algorithm : "osem", "mlem" (all views at once) or "bsrem" (penalised likelihood, run to convergence)
    iterations, subsets : through all views; with ``until_change`` at most so many
    scatter : "tew" (two scatter windows), "dew" (lower window only), "model" (photons followed through the attenuation
        map) or "none"
    attenuation, resolution : whether the model has them
    until_change : stop when no hot part of the image changes by more than this share in an iteration; None: never
    penalty : of "bsrem"
    histories : photons followed for each estimate of "model"
    device : "cpu" or "cuda"
    """

    algorithm: Literal["osem", "mlem", "bsrem"] = "osem"
    iterations: int = 6
    subsets: int = 8
    scatter: ScatterMethod = "tew"
    attenuation: bool = True
    resolution: bool = True
    until_change: float | None = None
    penalty: Penalty = field(default_factory=Penalty)
    histories: int = 400_000
    device: Device = "cpu"

    def __post_init__(self) -> None:
        if self.algorithm not in ("osem", "mlem", "bsrem") or self.device not in ("cpu", "cuda"):
            raise InputError(
                f"Algorithm {self.algorithm!r} on {self.device!r}; expected osem, mlem or bsrem, on cpu or cuda."
            )
        if self.iterations < 1 or self.subsets < 1 or self.histories < 1000:
            raise InputError(
                f"{self.iterations} iterations, {self.subsets} subsets, {self.histories} histories; expected at least 1, "
                "1 and 1000."
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BedReconstruction:
    """One bed position.

    Attributes
    ----------
    volumes : one image for each nuclide: count rate per voxel and detector, mean over the acquisition. [counts/s]
    peaks : the windows used, with counts, scatter estimate and forward model
    log : the course of the algorithm
    motion : shift of each view against the image
    start_time, duration_s : of the acquisition
    count_rate_cps : mean count rate per detector in all windows, for the dead time
    decay_factor : by which the image has been (in a Reconstruction: its share in the whole was) multiplied
    """

    volumes: tuple[Volume, ...]
    peaks: tuple[PeakWindow, ...]
    log: EmResult
    motion: Motion
    start_time: datetime | None
    duration_s: float
    count_rate_cps: float
    decay_factor: float = 1.0
    warnings: tuple[str, ...] = ()

    @property
    def volume(self) -> Volume:
        """The first image."""
        return self.volumes[0]

    @property
    def attenuation(self) -> Volume | None:
        """The map of the first peak, None without. [1/cm]"""
        return self.peaks[0].attenuation

    @property
    def system(self) -> Projector:
        """The forward model of the first peak."""
        return self.peaks[0].system

    @property
    def scatter(self) -> ScatterEstimate:
        """Of the first peak."""
        return self.peaks[0].scatter

    @property
    def counts(self) -> NDArray[np.float32]:
        """(views, rows, columns) of the first peak's window."""
        return self.peaks[0].counts

    @property
    def roles(self) -> WindowRoles:
        """Which windows the first peak used."""
        return self.peaks[0].roles


def reconstruct_bed(
    projections: Projections,
    ct: Volume | None,
    camera: Camera | None,
    photopeak_mev: float,
    settings: ReconSettings | None = None,
    progress: Progress | None = None,
) -> Volume:
    """Count-rate image of one bed from one photopeak; :func:`reconstruct_bed_in_detail` also tells how.

    Parameters
    ----------
    projections : as measured
    ct : CT in HU, or attenuation map at the photopeak in 1/cm; None without attenuation correction
    camera : spatial response; None without resolution recovery
    photopeak_mev : photon energy of the peak to use. [MeV]
    settings : see ReconSettings

    Returns
    -------
    Volume [counts/s] per voxel and detector, as without attenuation, mean over the acquisition
    """
    peaks = [Peak(energy_mev=photopeak_mev, camera=camera)]
    return reconstruct_bed_in_detail(projections, ct, peaks, settings, progress).volume


def reconstruct_bed_in_detail(
    projections: Projections,
    ct: Volume | None,
    peaks: Sequence[Peak],
    settings: ReconSettings | None = None,
    progress: Progress | None = None,
) -> BedReconstruction:
    """One bed from one or several photopeaks, of one nuclide (one image) or of several.

    Raises
    ------
    MissingDataError
        A window, the CT or the camera is missing that the settings need.
    GridError
        The CT does not cover the SPECT.
    InputError
        No counts.
    """
    settings = settings or ReconSettings()
    _require(ct, peaks, settings)
    if not settings.resolution:
        peaks = [replace(peak, camera=None) for peak in peaks]
    count_rate = _count_rate_cps(projections)
    projections, told = sound_views(projections)
    projections = without_dark_rows(projections)
    windows, more = peak_windows(
        projections, ct if settings.attenuation else None, peaks, scatter=settings.scatter, device=settings.device
    )
    windows, extra = _weighed(windows, settings)
    log = run(windows, settings, progress)
    windows = tuple(
        replace(w, scatter=replace(w.scatter, counts=np.asarray(s, dtype=np.float32)))
        for w, s in zip(windows, log.additive, strict=True)
    )
    first = windows[0]
    motion = detect_motion(
        first.counts,
        first.channel.expected(log.images),
        pixel_mm=projections.pixel_mm,
        usable=first.system.usable,
    )
    return BedReconstruction(
        volumes=tuple(Volume(grid=first.system.grid, values=image, unit="counts/s") for image in log.images),
        peaks=windows,
        log=log,
        motion=motion,
        start_time=projections.start_time,
        duration_s=projections.duration_s,
        count_rate_cps=count_rate,
        warnings=tuple(dict.fromkeys((*projections.warnings, *told, *more, *extra, *motion.warnings()))),
    )


def _require(ct: Volume | None, peaks: Sequence[Peak], settings: ReconSettings) -> None:
    if not peaks:
        raise InputError("No photopeak to reconstruct from.")
    if settings.attenuation and ct is None:
        raise MissingDataError(
            "Attenuation correction needs a CT (HU) or an attenuation map (1/cm); none was given. Give one, or set "
            "attenuation=False, which makes the image unfit for activities."
        )
    if settings.resolution and any(peak.camera is None for peak in peaks):
        raise MissingDataError(
            "Resolution recovery needs a camera (collimator or measured resolution); none was given. Give one, or "
            "set resolution=False."
        )
    if settings.scatter == "model" and not (settings.attenuation and settings.resolution):
        raise MissingDataError("Scatter from the model needs attenuation and resolution in the model too.")


def _weighed(
    windows: tuple[PeakWindow, ...], settings: ReconSettings
) -> tuple[tuple[PeakWindow, ...], tuple[str, ...]]:
    """Windows with their weights, from a quick image of the first windows where they are not given."""
    firsts = {w.peak.image: w for w in reversed(windows)}
    if len(firsts) == len(windows):
        return windows, ()
    model = settings.scatter == "model"
    quick = replace(settings, algorithm="osem", iterations=PREVIEW_ITERATIONS, until_change=None)
    alone = tuple(firsts[n] for n in sorted(firsts))
    images = run(alone, replace(quick, scatter="none") if model else quick, None).images
    if not model:
        return with_weights(windows, images, None)
    found = modelled_scatter(windows, images, histories=settings.histories // 2, seed=SEED, weighed=False)
    # fitted without scatter, the images are too hot, and so is their scatter
    scale = balance(alone, images, [found[windows.index(w)] for w in alone])
    return with_weights(windows, [scale * image for image in images], [scale * s for s in found])


def run(windows: Sequence[PeakWindow], settings: ReconSettings, progress: Progress | None) -> EmResult:
    """The algorithm of the settings on the windows of one bed, scatter from the model renewed on the way."""
    channels = [window.channel for window in windows]
    n_views = windows[0].system.n_views
    subsets = 1 if settings.algorithm == "mlem" else min(settings.subsets, n_views)
    model = settings.scatter == "model"

    def rescatter(iteration: int, images: Sequence[NDArray[np.float32]]) -> Sequence[NDArray[np.floating]] | None:
        if iteration not in RESCATTER_AFTER:
            return None
        histories = int(settings.histories * RESCATTER_AFTER[iteration])
        found = modelled_scatter(windows, images, histories=histories, seed=SEED + iteration)
        return balanced_scatter(windows, images, found)

    penalised = settings.algorithm == "bsrem"
    result = expectation_maximisation(
        channels,
        iterations=max(PREVIEW_ITERATIONS, max(RESCATTER_AFTER) + 1 if model else 0)
        if penalised
        else settings.iterations,
        subsets=subsets,
        until=None if penalised else _until(channels, settings, subsets),
        rescatter=rescatter if model else None,
        progress=progress,
    )
    if not penalised:
        return result
    settled = [channel.with_additive(s) for channel, s in zip(channels, result.additive, strict=True)]
    return penalised_likelihood(
        settled,
        settings.penalty,
        iterations=settings.iterations,
        subsets=subsets,
        start=result.images,
        progress=progress,
    )


def _until(channels: Sequence[Channel], settings: ReconSettings, subsets: int) -> Until | None:
    """Hot parts of a quick image, to watch."""
    if settings.until_change is None:
        return None
    quick = expectation_maximisation(channels, iterations=1, subsets=subsets).image
    return Until(regions=hot_parts(quick), relative_change=settings.until_change)


def hot_parts(image: NDArray[np.floating], *, largest: int = 8) -> dict[str, NDArray[np.float32]]:
    """Parts of an image that stand out: connected voxels above a fifth of the (smoothed) maximum, largest first."""
    smooth = gaussian_filter(np.asarray(image, dtype=np.float32), 1.0)
    labels, n = label(smooth > 0.2 * smooth.max())
    sizes = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    order = np.argsort(-sizes)[:largest]
    return {f"part {k + 1}": (labels == index + 1).astype(np.float32) for k, index in enumerate(order)}


def _count_rate_cps(projections: Projections) -> float:
    return float(projections.counts.sum(dtype=np.float64) / projections.frame_duration_s.sum())
