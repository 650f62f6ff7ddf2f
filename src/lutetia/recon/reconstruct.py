"""From the projections of one scan to its count-rate image: attenuation, scatter, resolution, beds, decay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import Projections
from lutetia.images.volume import Volume
from lutetia.recon.attenuation import activity_support, attenuation_map, attenuation_on
from lutetia.recon.camera import Camera
from lutetia.recon.channels import Progress
from lutetia.recon.orbit import Orbit
from lutetia.recon.osem import EmResult, osem
from lutetia.recon.projector import SpectSystem, spect_system
from lutetia.recon.scatter import ScatterEstimate, ScatterMethod, WindowRoles, classify_windows, estimate_scatter
from lutetia.recon.stitch import stitch

DARK_SHARE: Final = 1e-3
"""A row of the detector with less than this share of the fullest row's counts is dark."""

HALF_LIT_ROWS: Final = 3
"""Rows between dark and full ones at the edge of a detector (seen on a GE Discovery 670: 0.1, 1, 25, 60 %)."""

EDGE_SLICES: Final = 3
"""Usable slices at either end of a bed that are left out when beds are joined: activity beyond the end blurs in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReconSettings:
    """How to reconstruct.

    Attributes
    ----------
    iterations, subsets : of OSEM
    scatter : "tew" (two scatter windows), "dew" (lower window only) or "none"
    attenuation, resolution : whether the model has them
    """

    iterations: int = 6
    subsets: int = 8
    scatter: ScatterMethod = "tew"
    attenuation: bool = True
    resolution: bool = True


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BedReconstruction:
    """One bed position.

    Attributes
    ----------
    volume : count rate per voxel and detector, mean over the acquisition. [counts/s]
    attenuation : the map used, None without. [1/cm]
    system : the forward model used
    scatter : estimated scatter and its variance
    counts : (views, rows, columns) of the peak window
    roles : which windows were used
    log : the course of OSEM
    start_time, duration_s : of the acquisition
    count_rate_cps : mean count rate per detector in all windows, for the dead time
    decay_factor : by which the image has been (in a Reconstruction: its share in the whole was) multiplied
    """

    volume: Volume
    attenuation: Volume | None
    system: SpectSystem
    scatter: ScatterEstimate
    counts: NDArray[np.float32]
    roles: WindowRoles
    log: EmResult
    start_time: datetime | None
    duration_s: float
    count_rate_cps: float
    decay_factor: float = 1.0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reconstruction:
    """All beds of one time point, decay-corrected to the start of the first.

    Attributes
    ----------
    volume : count rate per voxel and detector. [counts/s]
    attenuation : on the same grid, None without. [1/cm]
    beds : each bed, as measured (not decay-corrected)
    start_time : to which the volume refers
    settings : as used
    """

    volume: Volume
    attenuation: Volume | None
    beds: tuple[BedReconstruction, ...]
    start_time: datetime | None
    settings: ReconSettings
    warnings: tuple[str, ...] = ()


def reconstruct_bed(
    projections: Projections,
    ct: Volume | None,
    camera: Camera | None,
    photopeak_mev: float,
    settings: ReconSettings | None = None,
    progress: Progress | None = None,
) -> Volume:
    """Count-rate image of one bed; :func:`reconstruct_bed_in_detail` also tells how.

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
    return reconstruct_bed_in_detail(projections, ct, camera, photopeak_mev, settings, progress).volume


def reconstruct_bed_in_detail(
    projections: Projections,
    ct: Volume | None,
    camera: Camera | None,
    photopeak_mev: float,
    settings: ReconSettings | None = None,
    progress: Progress | None = None,
) -> BedReconstruction:
    """As :func:`reconstruct_bed`, with the forward model, the scatter estimate and the course.

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
    _require(ct, camera, settings)
    roles = classify_windows(projections.windows, photopeak_mev)
    counts = projections.counts[roles.peak]
    if not np.any(counts > 0):
        raise InputError("The projections of the peak window hold no counts; check the window and the file.")
    orbit = Orbit.of(projections)
    mu, warnings = None, projections.warnings + (camera.warnings if camera else ())
    if settings.attenuation and ct is not None:
        mu, told = attenuation_map(ct, orbit.grid(), photopeak_mev, counts)
        warnings += told
    system = spect_system(
        orbit=orbit,
        camera=camera if settings.resolution else None,
        attenuation=mu,
        support=activity_support(orbit.grid(), orbit, counts, mu),
        usable=usable_pixels(projections),
    )
    scatter = estimate_scatter(projections.counts, projections.windows, roles, settings.scatter)
    result = osem(
        system,
        counts,
        scatter=scatter.counts,
        iterations=settings.iterations,
        subsets=min(settings.subsets, system.n_views),
        progress=progress,
    )
    return BedReconstruction(
        volume=Volume(grid=system.grid, values=result.image, unit="counts/s"),
        attenuation=mu,
        system=system,
        scatter=scatter,
        counts=counts,
        roles=roles,
        log=result,
        start_time=projections.start_time,
        duration_s=projections.duration_s,
        count_rate_cps=_count_rate_cps(projections),
        warnings=warnings,
    )


def _require(ct: Volume | None, camera: Camera | None, settings: ReconSettings) -> None:
    if settings.attenuation and ct is None:
        raise MissingDataError(
            "Attenuation correction needs a CT (HU) or an attenuation map (1/cm); none was given. Give one, or set "
            "attenuation=False, which makes the image unfit for activities."
        )
    if settings.resolution and camera is None:
        raise MissingDataError(
            "Resolution recovery needs a camera (collimator or measured resolution); none was given. Give one, or "
            "set resolution=False."
        )


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


def _count_rate_cps(projections: Projections) -> float:
    return float(projections.counts.sum(dtype=np.float64) / projections.frame_duration_s.sum())


def reconstruct_time_point(
    beds: Sequence[Projections],
    ct: Volume | None,
    camera: Camera | None,
    photopeak_mev: float,
    settings: ReconSettings | None = None,
    *,
    decay_constant_per_s: float,
    progress: Progress | None = None,
) -> Reconstruction:
    r"""One image of all beds, decay-corrected to the start of the first bed.

    Each bed is multiplied by :math:`\lambda T/(1-e^{-\lambda T})\; e^{\lambda \Delta t}`: T its duration, Δt its
    start after the first bed's. Physical decay only: redistribution between beds stays.

    Parameters
    ----------
    beds : projections of the bed positions of one scan, in any order
    ct, camera, photopeak_mev, settings : as for :func:`reconstruct_bed`
    decay_constant_per_s : of the nuclide; 0 for no decay correction. [1/s]
    progress : called with a text and the fraction done
    """
    settings = settings or ReconSettings()
    if not beds:
        raise InputError("No bed position to reconstruct.")
    offsets, warnings = _offsets_s(beds)
    done = []
    for number, projections in enumerate(beds):
        step = _bed_progress(progress, number, len(beds))
        bed = reconstruct_bed_in_detail(projections, ct, camera, photopeak_mev, settings, step)
        factor = decay_factor(decay_constant_per_s, projections.duration_s, offsets[number])
        done.append(replace(bed, decay_factor=factor))
        warnings += tuple(w for w in bed.warnings if w not in warnings)
    volume = join_beds(done, [bed.volume.values for bed in done])
    mu = None
    if settings.attenuation and ct is not None:
        mu = attenuation_on(ct, volume.grid, photopeak_mev)
    starts = [bed.start_time for bed in beds if bed.start_time is not None]
    return Reconstruction(
        volume=volume,
        attenuation=mu,
        beds=tuple(done),
        start_time=min(starts) if len(starts) == len(beds) else None,
        settings=settings,
        warnings=warnings,
    )


def decay_factor(decay_constant_per_s: float, duration_s: float, offset_s: float) -> float:
    """From the mean over an acquisition to the activity ``offset_s`` before its start."""
    exponent = decay_constant_per_s * duration_s
    during = exponent / -np.expm1(-exponent) if exponent > 0 else 1.0
    return float(during * np.exp(decay_constant_per_s * offset_s))


def join_beds(beds: Sequence[BedReconstruction], images: Sequence[NDArray[np.float32]]) -> Volume:
    """Images (z, y, x) of the beds, decay-corrected by their factors, stitched into one. [counts/s]"""
    volumes = [
        bed.volume.with_values(image * np.float32(bed.decay_factor))
        for bed, image in zip(beds, images, strict=True)
    ]
    if len(volumes) == 1:
        return volumes[0]
    return stitch(volumes, [_usable_slices(bed) for bed in beds])


def _usable_slices(bed: BedReconstruction) -> NDArray[np.bool_]:
    seen = np.flatnonzero(np.max(bed.system.usable, axis=1)[::-1])
    usable = np.zeros(bed.volume.grid.size[2], bool)
    usable[seen[0] + EDGE_SLICES : seen[-1] + 1 - EDGE_SLICES] = True
    return usable


def _offsets_s(beds: Sequence[Projections]) -> tuple[list[float], tuple[str, ...]]:
    """Start of each bed after the first one. [s]"""
    starts = [bed.start_time for bed in beds if bed.start_time is not None]
    if len(starts) == len(beds):
        return [(start - min(starts)).total_seconds() for start in starts], ()
    if len(beds) == 1:
        return [0.0], ()
    offsets = np.cumsum([0.0, *(bed.duration_s for bed in beds[:-1])]).tolist()
    return offsets, ("Start times of the beds are not known; they were taken to follow each other as given.",)


def _bed_progress(progress: Progress | None, number: int, total: int) -> Progress | None:
    if progress is None:
        return None

    def step(text: str, fraction: float) -> None:
        progress(f"Bed {number + 1} of {total}: {text}", (number + fraction) / total)

    return step
