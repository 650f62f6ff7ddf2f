"""From the projections of one scan to its count-rate image: attenuation, scatter, resolution, beds, decay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.images.acquisition import Projections
from lutetia.images.volume import Volume
from lutetia.recon.bed import BedReconstruction, ReconSettings, reconstruct_bed_in_detail
from lutetia.recon.camera import Camera
from lutetia.recon.channels import Progress
from lutetia.recon.peaks import Peak
from lutetia.recon.stitch import stitch

EDGE_SLICES: Final = 3
"""Usable slices at either end of a bed that are left out when beds are joined: activity beyond the end blurs in."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reconstruction:
    """All beds of one time point, decay-corrected to the start of the first.

    Attributes
    ----------
    volumes : one image for each nuclide: count rate per voxel and detector. [counts/s]
    attenuation : on the same grid, None without. [1/cm]
    beds : each bed, as measured (not decay-corrected)
    start_time : to which the volume refers
    settings : as used
    """

    volumes: tuple[Volume, ...]
    attenuation: Volume | None
    beds: tuple[BedReconstruction, ...]
    start_time: datetime | None
    settings: ReconSettings
    warnings: tuple[str, ...] = ()

    @property
    def volume(self) -> Volume:
        """The first image."""
        return self.volumes[0]


def reconstruct_time_point(
    beds: Sequence[Projections],
    ct: Volume | None,
    camera: Camera | None,
    photopeak_mev: float,
    settings: ReconSettings | None = None,
    *,
    decay_constant_per_s: float,
    peaks: Sequence[Peak] = (),
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
    peaks : photopeaks in place of ``camera`` and ``photopeak_mev``, for several or for scatter from the model
    progress : called with a text and the fraction done
    """
    settings = settings or ReconSettings()
    if not beds:
        raise InputError("No bed position to reconstruct.")
    offsets, warnings = _offsets_s(beds)
    peaks = peaks or (Peak(energy_mev=photopeak_mev, camera=camera),)
    done = []
    for number, projections in enumerate(beds):
        step = _bed_progress(progress, number, len(beds))
        bed = reconstruct_bed_in_detail(projections, ct, peaks, settings, step)
        factor = decay_factor(decay_constant_per_s, projections.duration_s, offsets[number])
        done.append(replace(bed, decay_factor=factor))
        warnings += tuple(w for w in bed.warnings if w not in warnings)
    volumes = tuple(join_beds(done, [bed.volumes[n].values for bed in done]) for n in range(len(done[0].volumes)))
    maps = [bed.attenuation for bed in done if bed.attenuation is not None]
    mu = stitch(maps) if len(maps) > 1 else next(iter(maps), None)
    starts = [bed.start_time for bed in beds if bed.start_time is not None]
    return Reconstruction(
        volumes=volumes,
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
        # what lies beyond the detector is not known; what the algorithm put there is no activity
        values = volumes[0].values * _seen_slices(beds[0])[:, None, None]
        return volumes[0].with_values(values.astype(np.float32))
    return stitch(volumes, [usable_slices(bed) for bed in beds])


def _seen_slices(bed: BedReconstruction) -> NDArray[np.bool_]:
    seen: NDArray[np.bool_] = np.max(bed.system.usable, axis=1)[::-1]
    return seen


def usable_slices(bed: BedReconstruction) -> NDArray[np.bool_]:
    """Slices (nz,) of a bed that its detector saw, without those at its ends."""
    seen = np.flatnonzero(_seen_slices(bed))
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
