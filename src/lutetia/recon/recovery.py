"""What a reconstruction makes of a known image: partial-volume factors and counting uncertainty of regions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError, InputError
from lutetia.images.grid import Grid
from lutetia.images.resample import average_onto
from lutetia.images.volume import Volume
from lutetia.recon.bed import BedReconstruction, ReconSettings, run
from lutetia.recon.channels import Channel, Part, Progress
from lutetia.recon.low_counts import third_moments
from lutetia.recon.noise import propagated_noise
from lutetia.recon.projector import Projector, spect_system
from lutetia.recon.reconstruct import Reconstruction, join_beds, usable_slices
from lutetia.recon.stitch import bed_shares, place_onto

LEAST_KEPT: Final = 0.05
"""No region is corrected to less than this share of what was measured."""
VIEW_STEP: Final = 4
"""Every so many views are projected for the counting uncertainty."""

Occupancy = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """Partial-volume correction of regions.

    Attributes
    ----------
    measured_over_true : recovery coefficient by region (with spill-in, so it may exceed 1)
    corrected : measured concentration over recovery, in the unit of the measured ones
    iterations : re-reconstructions done
    """

    measured_over_true: Mapping[str, float]
    corrected: Mapping[str, float]
    iterations: int


def region_means(values: NDArray[np.floating], occupancy: Occupancy) -> dict[str, float]:
    """Mean of an image (z, y, x) over each region, voxels weighed by the share of them that the region fills."""
    return {
        name: float(np.vdot(share, values) / max(float(share.sum(dtype=np.float64)), 1e-30))
        for name, share in occupancy.items()
    }


def recovery_by_reprojection(
    reconstruction: Reconstruction,
    occupancy: Occupancy,
    measured: Mapping[str, float],
    *,
    iterations: int = 2,
    progress: Progress | None = None,
) -> Recovery:
    """Recovery of regions by projecting and reconstructing the image that the measurement suggests.

    Each region is taken as uniform. The piecewise uniform image is projected without noise by the model of the
    reconstruction (all beds, all views), reconstructed with the same settings and the same scatter background, and
    measured over the same voxels. The correction is repeated from the corrected values, since spill-over depends on
    contrast. The forward model is its own truth here: errors of the collimator model, of motion and of contours are
    not seen.

    Parameters
    ----------
    reconstruction : of the measured projections
    occupancy : region to share of each voxel, (z, y, x) on the grid of ``reconstruction.volume``, the remainder of
        the body included
    measured : region to measured mean (by :func:`region_means`), in any unit proportional to counts/s per voxel
    iterations : 1 or 2 are enough

    Raises
    ------
    GridError
        Occupancy of another shape.
    InputError
        Regions without a measured value, empty regions, or nothing measured.

    References
    ----------
    Idea: Boening G, Pretorius PH, King MA. Study of relative quantification of Tc-99m with partial volume effect
    and spillover correction for SPECT oncology imaging. IEEE Trans Nucl Sci 53 (2006) 1205-1212.
    doi:10.1109/TNS.2006.875044 (perturbation of templates). Here the whole piecewise uniform image is used.
    """
    _require_regions(reconstruction.volume.grid, occupancy, measured)
    observed = {name: float(measured[name]) for name in occupancy}
    unit = _counts_per_unit(reconstruction, occupancy, observed)
    current = dict(observed)
    for step in range(iterations):
        image = sum((np.float32(current[n] * unit) * occupancy[n] for n in occupancy), np.float32(0))
        again = _reconstructed(reconstruction, np.asarray(image, dtype=np.float32))
        means = region_means(again, occupancy)
        for name, value in current.items():
            seen = means[name] / unit
            if value > 0 and seen > 0:
                # spill-out is a loss in proportion, spill-in an amount: the error is divided by the share kept, at most 1
                better = value + (observed[name] - seen) / min(seen / value, 1.0)
                current[name] = max(better, LEAST_KEPT * observed[name])
        if progress is not None:
            progress(f"Partial-volume correction {step + 1} of {iterations}", (step + 1) / iterations)
    recovery = {name: observed[name] / value if value > 0 else 1.0 for name, value in current.items()}
    return Recovery(measured_over_true=recovery, corrected=current, iterations=iterations)


def _require_regions(grid: Grid, occupancy: Occupancy, measured: Mapping[str, float]) -> None:
    if not occupancy or set(occupancy) - set(measured):
        raise InputError(f"Regions {sorted(occupancy)} but measured values of {sorted(measured)}.")
    for name, share in occupancy.items():
        if share.shape != grid.shape:
            raise GridError(f"Occupancy of {name} has shape {share.shape}; the reconstruction {grid.shape}.")
        if not share.any():
            raise InputError(f"Region {name} fills no voxel of the reconstruction.")
    if not max(measured[name] for name in occupancy) > 0:
        raise InputError("No region has a positive measured value.")


def _counts_per_unit(reconstruction: Reconstruction, occupancy: Occupancy, observed: Mapping[str, float]) -> float:
    """Counts/s per voxel of one unit of the measured values, so that scatter meets counts of the right size."""
    own = region_means(reconstruction.volume.values, occupancy)
    size = {name: float(share.sum(dtype=np.float64)) for name, share in occupancy.items()}
    return sum(own[n] * size[n] for n in occupancy) / sum(observed[n] * size[n] for n in occupancy)


def _reconstructed(reconstruction: Reconstruction, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image after noiseless projection and reconstruction of every bed, stitched."""
    settings = reconstruction.settings
    images = []
    for bed in reconstruction.beds:
        own = place_onto(image, reconstruction.volume.grid, bed.volume.grid) / np.float32(bed.decay_factor)
        images_of = [own, *(volume.values for volume in bed.volumes[1:])]
        windows = [replace(w, counts=w.channel.expected(images_of)) for w in bed.peaks]
        result = run(windows, _held(settings, bed), None)
        images.append(result.image)
    return join_beds(reconstruction.beds, images).values


def _held(settings: ReconSettings, bed: BedReconstruction) -> ReconSettings:
    """The same reconstruction with the scatter that was estimated, as long as the bed was run."""
    return replace(settings, scatter="none", until_change=None, iterations=bed.log.iterations)


@dataclass(frozen=True, kw_only=True, slots=True)
class CountingMoments:
    """A region's sum of the image (any unit) with variance and third central moment by counting."""

    value: float
    variance: float
    third_moment: float

    @property
    def relative(self) -> float:
        """Relative standard uncertainty; infinite where the region has no activity."""
        return float(np.sqrt(self.variance)) / self.value if self.value > 0 else np.inf


def counting_uncertainty(
    reconstruction: Reconstruction,
    occupancy: Occupancy,
    *,
    coarse: bool = True,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Relative standard uncertainty of each region's activity by counting statistics, of the image as reconstructed.

    See :func:`counting_moments`; a correction for partial volume keeps the relative uncertainty.

    Returns
    -------
    region -> relative standard uncertainty; infinite where a region has no activity
    """
    found = counting_moments(reconstruction, occupancy, coarse=coarse, progress=progress)
    return {name: moments.relative for name, moments in found.items()}


def counting_moments(
    reconstruction: Reconstruction,
    occupancy: Occupancy,
    *,
    coarse: bool = True,
    progress: Progress | None = None,
) -> dict[str, CountingMoments]:
    """Sum of the image over each region with its first moments by counting statistics.

    Propagated through every step of every bed (:func:`lutetia.recon.noise.propagated_noise`), the scatter estimate's
    variance included (not its skewness). ``coarse`` does it on voxels twice as large, which takes an eighth of the time.
    For penalised likelihood the Fisher bound of :func:`count_uncertainty` stands in, skewed as equal counts.
    """
    settings = reconstruction.settings
    if settings.algorithm == "bsrem":
        return _fisher_moments(reconstruction, occupancy)
    whole = reconstruction.volume.grid
    shares = [np.ones(whole.size[2])]
    if len(reconstruction.beds) > 1:
        beds = reconstruction.beds
        shares = bed_shares([bed.volume.grid for bed in beds], [usable_slices(bed) for bed in beds], whole)
    totals = {name: np.zeros(3) for name in occupancy}
    for number, (bed, share) in enumerate(zip(reconstruction.beds, shares, strict=True)):
        factor = np.float32(bed.decay_factor) * share[:, None, None].astype(np.float32)
        placed = {n: place_onto(o * factor, whole, bed.volume.grid) for n, o in occupancy.items()}
        seen = {name: w for name, w in placed.items() if w.any()}
        if not seen:
            continue
        for name, moments in _bed_moments(bed, seen, coarse=coarse).items():
            totals[name] += moments
        if progress is not None:
            progress("Counting uncertainty", (number + 1) / len(shares))
    return {
        n: CountingMoments(value=float(m[0]), variance=float(m[1]), third_moment=float(m[2]))
        for n, m in totals.items()
    }


def _bed_moments(bed: BedReconstruction, seen: Occupancy, *, coarse: bool) -> dict[str, NDArray[np.float64]]:
    """Sum, variance and third moment of each region in one bed."""
    channels, extra, weights = (halved if coarse else _as_they_are)(bed, seen)
    finer = bed.volume.grid.spacing_mm[0] / channels[0].parts[0].system.grid.spacing_mm[0]
    found = propagated_noise(
        channels, weights, iterations=bed.log.iterations, subsets=bed.log.subsets, scatter_variance=extra,
        scatter_smoothing_pixels=[peak.scatter.smoothing_fwhm_pixels * finer for peak in bed.peaks],
    )  # fmt: skip
    third = third_moments(found, channels)
    variance = found.by_counts + found.by_scatter
    return {name: np.array([found.sums[k], variance[k], third[name]]) for k, name in enumerate(found.regions)}


def _fisher_moments(reconstruction: Reconstruction, occupancy: Occupancy) -> dict[str, CountingMoments]:
    means = region_means(reconstruction.volume.values, occupancy)
    least, found = count_uncertainty(reconstruction, occupancy, means), {}
    for name, share in occupancy.items():
        value = max(means[name], 0.0) * float(share.sum(dtype=np.float64))
        variance = (least[name] * value) ** 2 if value > 0 else 0.0
        third = variance**2 / value if value > 0 else 0.0
        found[name] = CountingMoments(value=value, variance=variance, third_moment=third)
    return found


def activity_per_count(reconstruction: Reconstruction, share: NDArray[np.float32]) -> float:
    """Count rate of the image, even over a region, for which one unscattered count is expected. [counts/s]

    Infinite where the region is not seen.
    """
    whole = reconstruction.volume.grid
    counted = 0.0
    for bed in reconstruction.beds:
        own = place_onto(share, whole, bed.volume.grid) / np.float32(bed.decay_factor)
        counted += sum(
            peak.weight * peak.total(peak.system.forward(own)) for peak in bed.peaks if not peak.peak.image
        )
    return float(share.sum(dtype=np.float64)) / counted if counted > 0 else np.inf


Prepared = tuple[list[Channel], list[NDArray[np.float32]], Occupancy]
"""Channels, variance of the scatter in each, and the regions on the same grid."""


def _as_they_are(bed: BedReconstruction, regions: Occupancy) -> Prepared:
    return [peak.channel for peak in bed.peaks], [peak.scatter.variance for peak in bed.peaks], regions


def halved(bed: BedReconstruction, regions: Occupancy) -> Prepared:
    """A bed on pixels and voxels twice as large; as it is where columns are odd (the axis would not stay in the middle)."""
    orbit = bed.system.orbit
    if orbit.n_columns % 2:
        return _as_they_are(bed, regions)
    rows = orbit.n_rows // 2
    # an odd last row is dropped, which moves the middle
    z = orbit.centre_mm[2] + (orbit.n_rows - 2 * rows) * orbit.pixel_mm[1] / 2
    wide = replace(
        orbit,
        pixel_mm=(2 * orbit.pixel_mm[0], 2 * orbit.pixel_mm[1]),
        n_rows=rows,
        n_columns=orbit.n_columns // 2,
        centre_mm=(orbit.centre_mm[0], orbit.centre_mm[1], z),
    )
    grid = wide.grid()
    channels, extra = [], []
    for peak in bed.peaks:
        mu = None if peak.attenuation is None else average_onto(peak.attenuation, grid)
        system = spect_system(
            orbit=wide,
            camera=peak.peak.camera,
            attenuation=mu,
            support=_blocks(peak.system.support[None], np.max)[0],
            usable=_blocks(peak.system.usable[None, : 2 * rows], np.min)[0],
        )
        part = Part(system=system, image=peak.peak.image, weight=peak.weight)
        counts, scatter = (_blocks(v[:, : 2 * rows], np.sum) for v in (peak.counts, peak.scatter.counts))
        channels.append(Channel(counts=counts, additive=scatter, parts=(part,)))
        extra.append(_blocks(peak.scatter.variance[:, : 2 * rows], np.sum))
    own = bed.volume.grid
    shares = {n: average_onto(Volume(grid=own, values=w, unit="1"), grid).values for n, w in regions.items()}
    return channels, extra, shares


def _blocks(values: NDArray[Any], by: Callable[..., Any]) -> NDArray[Any]:
    """Two by two of the last two axes into one."""
    n, rows, columns = values.shape
    return np.asarray(by(values.reshape(n, rows // 2, 2, columns // 2, 2), axis=(2, 4)))


def count_uncertainty(
    reconstruction: Reconstruction,
    occupancy: Occupancy,
    measured: Mapping[str, float],
    *,
    joint: bool = True,
) -> dict[str, float]:
    r"""Relative standard uncertainty of each region's activity by counting statistics.

    With :math:`t_{ib}` the counts in bin b from region i and :math:`\lambda_b` the variance of the bin (peak counts
    and scatter estimate), the Fisher information of the relative activities is
    :math:`F_{ij} = \sum_b t_{ib} t_{jb}/\lambda_b`.
    ``joint`` returns
    :math:`\sqrt{(F^{-1})_{ii}}`, all regions being unknown;
    otherwise :math:`1/\sqrt{F_{ii}}`, all others being known.

    This is the least that any unbiased estimate from uniform regions of known outline can have; sums over regions of
    an image by OSEM have 1.5 to 2 times as much (:func:`counting_uncertainty`). Variances of smoothed scatter are those
    of sums.

    Returns
    -------
    region -> relative standard uncertainty; infinite where a region has no activity or is not seen
    """
    _require_regions(reconstruction.volume.grid, occupancy, measured)
    unit = _counts_per_unit(reconstruction, occupancy, measured)
    names = list(occupancy)
    fisher = np.zeros((len(names), len(names)))
    for bed in reconstruction.beds:
        parts = [
            np.float32(measured[n] * unit / bed.decay_factor)
            * place_onto(occupancy[n], reconstruction.volume.grid, bed.volume.grid)
            for n in names
        ]
        fisher += _fisher(bed.system, bed, parts)
    return dict(zip(names, _relative(fisher, joint=joint), strict=True))


def _fisher(system: Projector, bed: BedReconstruction, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    # information changes slowly with the angle: every VIEW_STEP-th view stands for its neighbours
    views = np.arange(0, system.n_views, VIEW_STEP if system.n_views >= 8 * VIEW_STEP else 1)
    share = views.size / system.n_views
    counts, extra = bed.scatter.counts[views].ravel(), bed.scatter.variance[views].ravel()
    # a region outside this bed has nothing to project
    empty = np.zeros(counts.size, np.float32)
    projected = [system.forward(part, views.tolist()).ravel() if part.any() else empty for part in parts]
    model = sum(projected, np.float32(0)) + counts
    # the model's own counts where bins are nearly empty: measured zeros would weigh infinitely
    variance = np.maximum(model, np.float32(1e-3)) + extra
    usable = np.broadcast_to(system.usable, bed.counts[views].shape).ravel()
    scaled = [np.where(usable, p / np.sqrt(variance), 0).astype(np.float64) for p in projected]
    stack = np.stack(scaled)
    return np.asarray(stack @ stack.T) / share


def _relative(fisher: NDArray[np.float64], *, joint: bool) -> list[float]:
    diagonal = np.diag(fisher)
    result = np.full(diagonal.size, np.inf)
    seen = diagonal > 0
    if joint and seen.any():
        scale = np.sqrt(diagonal[seen])
        # correlation form keeps small regions beside large ones well conditioned
        inverse = np.linalg.pinv(fisher[np.ix_(seen, seen)] / np.outer(scale, scale), hermitian=True)
        result[seen] = np.sqrt(np.maximum(np.diag(inverse), 1.0)) / scale
    else:
        result[seen] = 1.0 / np.sqrt(diagonal[seen])
    return [float(u) for u in result]
