"""Counting uncertainty of region activities: by replicates of the counts, and by following errors through OSEM."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.recon.channels import Channel, Progress, Subset, prepared, ratio, start_images, system_of_each
from lutetia.recon.osem import expectation_maximisation
from lutetia.recon.scatter import smoothed

Shares = Mapping[str, NDArray[np.floating]]
"""Region to share of each voxel, (z, y, x)."""
Reconstruct = Callable[[Sequence[Channel]], Sequence[NDArray[np.floating]]]
"""Channels to images (z, y, x)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Replicates:
    """Region sums (replicates, regions) of one image from replicated counts, and how sure their spread is."""

    regions: tuple[str, ...]
    sums: NDArray[np.float64]

    def relative_uncertainty(self) -> dict[str, float]:
        """Relative standard deviation of each region; itself uncertain by ``1/sqrt(2 (n - 1))``."""
        mean = self.sums.mean(axis=0)
        spread = self.sums.std(axis=0, ddof=1)
        return {n: float(s / m) if m > 0 else np.inf for n, s, m in zip(self.regions, spread, mean, strict=True)}

    def covariance(self) -> NDArray[np.float64]:
        """Covariance of the region sums."""
        return np.atleast_2d(np.cov(self.sums, rowvar=False))


def bootstrap(
    channels: Sequence[Channel],
    regions: Shares,
    reconstruct: Reconstruct,
    *,
    replicates: int = 30,
    rng: np.random.Generator,
    scatter: Callable[[np.random.Generator], Sequence[NDArray[np.floating]]] | None = None,
    image: int = 0,
    progress: Progress | None = None,
) -> Replicates:
    """Spread of region activities when the counts are drawn again.

    Every count is replaced by a Poisson number of that mean, which is how a list of events drawn with replacement
    behaves, and all is reconstructed again. ``scatter`` redraws the scatter estimates too (from the scatter windows);
    without it they stay.

    Parameters
    ----------
    channels : as measured
    regions : shares on the image's grid
    reconstruct : from channels to images, with the settings in question
    replicates : at least 2; 30 give the standard deviation to 13 %
    rng : random numbers
    image : which of the images

    References
    ----------
    Haynor DR, Woods SD. Resampling estimates of precision in emission tomography. IEEE Trans Med Imaging 8 (1989)
    337-343. doi:10.1109/42.41486
    Buvat I. A non-parametric bootstrap approach for analysing the statistical properties of SPECT and PET images. Phys
    Med Biol 47 (2002) 1761-1775. doi:10.1088/0031-9155/47/10/311
    """
    if replicates < 2 or not regions:
        raise InputError(f"{replicates} replicates of {len(regions)} regions; expected at least 2 and 1.")
    sums = np.zeros((replicates, len(regions)))
    for r in range(replicates):
        fresh = [channel.with_counts(rng.poisson(channel.counts).astype(np.float32)) for channel in channels]
        if scatter is not None:
            fresh = [c.with_additive(s) for c, s in zip(fresh, scatter(rng), strict=True)]
        values = reconstruct(fresh)[image]
        sums[r] = [float(np.vdot(share, values)) for share in regions.values()]
        if progress is not None:
            progress(f"Replicate {r + 1} of {replicates}", (r + 1) / replicates)
    return Replicates(regions=tuple(regions), sums=sums)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PropagatedNoise:
    """First-order counting uncertainty of region sums after a number of OSEM iterations.

    Attributes
    ----------
    regions : names
    sums : of the image over each region
    by_counts : variance from the counts of all channels
    by_scatter : variance from the scatter estimates, when their variance was given
    sensitivity : region -> derivative of its sum by the counts of each channel, (channels, views, rows, columns)
    """

    regions: tuple[str, ...]
    sums: NDArray[np.float64]
    by_counts: NDArray[np.float64]
    by_scatter: NDArray[np.float64]
    sensitivity: Mapping[str, NDArray[np.float32]]

    def relative_uncertainty(self) -> dict[str, float]:
        """Relative standard uncertainty of each region."""
        both = np.sqrt(self.by_counts + self.by_scatter)
        return {n: float(u / s) if s > 0 else np.inf for n, u, s in zip(self.regions, both, self.sums, strict=True)}


def propagated_noise(
    channels: Sequence[Channel],
    regions: Shares,
    *,
    iterations: int,
    subsets: int,
    scatter_variance: Sequence[NDArray[np.floating]] | None = None,
    scatter_smoothing_pixels: Sequence[float] | None = None,
    image: int = 0,
    progress: Progress | None = None,
) -> PropagatedNoise:
    r"""Variance of region sums by differentiating the reconstruction itself.

    One step of EM is :math:`x' = x\,n\,A'(y/\hat y)` with n the inverse sensitivity. For a weight g on x', the weight
    on the counts is :math:`A(x n g)/\hat y`, on the scatter :math:`-y A(x n g)/\hat y^2`, and on x
    :math:`n g A'(y/\hat y) - A'\left(y A(x n g)/\hat y^2\right)`. Followed back through all steps from g = the region,
    it gives the derivative of the region's sum by every count, so that :math:`u^2=\sum_b (\partial a/\partial y_b)^2 y_b`:
    what replicates show, to first order, for the price of about one reconstruction per region, at any iteration.
    Scatter S = G s, smoothed from independent s of variance v, adds :math:`\sum_b (G'\,\partial a/\partial S)_b^2\,v_b`:
    the derivative swings from pixel to pixel, which an error that is smooth does not follow.

    Parameters
    ----------
    channels, iterations, subsets : as reconstructed (scatter estimates held)
    regions : shares on the image's grid
    scatter_variance : for each channel (views, rows, columns), of the estimate before smoothing (see ScatterEstimate)
    scatter_smoothing_pixels : for each channel the FWHM by which its estimate was smoothed; by default none was
    image : which of the images

    References
    ----------
    Qi J. A unified noise analysis for iterative image estimation. Phys Med Biol 48 (2003) 3505-3519.
    doi:10.1088/0031-9155/48/21/004 (the forward recursion; here in reverse, for regions)
    """
    groups, n_images, scratch = prepared(channels, subsets)
    own = system_of_each(channels, n_images)
    if not regions or not 0 <= image < n_images:
        raise InputError(f"{len(regions)} regions of image {image}; the windows see {n_images} images.")
    inverse = [group.inverse_sensitivity(scratch) for group in groups]
    course = _course(channels, groups, inverse, scratch, n_images, iterations)
    names = tuple(regions)
    sums = np.array([float(np.vdot(own[image].to_native(regions[n]), course[-1][image])) for n in names])
    shape = (len(channels), *channels[0].counts.shape)
    followed = []
    for name in names:
        weights = [np.zeros_like(x) for x in course[-1]]
        weights[image] = own[image].to_native(regions[name])
        followed.append(
            _Followed(
                weights=weights, to_counts=np.zeros(shape, np.float32), to_scatter=np.zeros(shape, np.float32)
            )
        )
    for step in range(len(course) - 2, -1, -1):
        k = step % len(groups)
        _back_step(groups[k], inverse[k], course[step], course[step + 1], followed, scratch)
        if progress is not None:
            progress("Counting uncertainty", 1.0 - step / (len(course) - 1))
    measured = np.stack([channel.counts for channel in channels])
    by_counts = np.array([_sum_of_squares(f.to_counts, measured) for f in followed])
    by_scatter = np.zeros(len(names))
    if scatter_variance is not None:
        widths = [0.0] * len(channels) if scatter_smoothing_pixels is None else list(scatter_smoothing_pixels)
        by_scatter = np.array([_by_scatter(f.to_scatter, scatter_variance, widths) for f in followed])
    sensitivity = {name: f.to_counts for name, f in zip(names, followed, strict=True)}
    return PropagatedNoise(
        regions=names, sums=sums, by_counts=by_counts, by_scatter=by_scatter, sensitivity=sensitivity
    )


def _course(
    channels: Sequence[Channel], groups: Sequence[Subset], inverse: Sequence[Sequence[NDArray[np.float32]]],
    scratch: NDArray[np.float32], n_images: int, iterations: int,
) -> list[list[NDArray[np.float32]]]:  # fmt: skip
    """Native images before the first and after every step."""
    course = [start_images(channels, n_images)]
    for _ in range(iterations):
        for group, norm in zip(groups, inverse, strict=True):
            images = course[-1]
            ratios = [ratio(m, group.expected(images, k)) for k, m in enumerate(group.measured)]
            gains = group.back(ratios, scratch)
            course.append([x * gain * n for x, gain, n in zip(images, gains, norm, strict=True)])
    return course


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Followed:
    """A region on its way back: weights on the native images, derivatives by counts and by scatter so far."""

    weights: list[NDArray[np.float32]]
    to_counts: NDArray[np.float32]
    to_scatter: NDArray[np.float32]


def _by_scatter(
    derivative: NDArray[np.float32], variance: Sequence[NDArray[np.floating]], fwhm_pixels: Sequence[float]
) -> float:
    channels = zip(derivative, variance, fwhm_pixels, strict=True)
    return sum(_sum_of_squares(smoothed(d, width), v) for d, v, width in channels)


def _sum_of_squares(derivative: NDArray[np.float32], variance: NDArray[np.floating]) -> float:
    return float(np.sum(derivative.astype(np.float64) ** 2 * variance))


def _back_step(
    group: Subset, inverse: Sequence[NDArray[np.float32]], before: Sequence[NDArray[np.float32]],
    after: Sequence[NDArray[np.float32]], followed: Sequence[_Followed], scratch: NDArray[np.float32],
) -> None:  # fmt: skip
    """Weights on the images after a step become weights on those before it, and on the counts (added)."""
    per_seen, ratios = [], []
    for k, measured in enumerate(group.measured):
        expected = group.expected(before, k)
        # as in ratio(): bins without counts take no part, and nothing is divided by nearly nothing
        floor = np.float32(1e-6 * max(float(expected.max()), 1e-30))
        per_seen.append(np.where(measured > 0, 1 / np.maximum(expected, floor), np.float32(0)))
        ratios.append(ratio(measured, expected))
    same = [np.divide(a, b, out=np.zeros_like(a), where=b > 0) for a, b in zip(after, before, strict=True)]
    for region in followed:
        moved = [x * n * g for x, n, g in zip(before, inverse, region.weights, strict=True)]
        back = []
        for k in range(len(ratios)):
            per_count = (group.expected(moved, k) - group.additive[k]) * per_seen[k]
            per_scatter = -ratios[k] * per_count
            region.to_counts[k, group.views] += np.swapaxes(per_count[:, :, ::-1], 1, 2)
            region.to_scatter[k, group.views] += np.swapaxes(per_scatter[:, :, ::-1], 1, 2)
            back.append(per_scatter)
        for n, slope in enumerate(group.back(back, scratch)):
            region.weights[n] = same[n] * region.weights[n] + slope


def counting_replicates(
    channels: Sequence[Channel],
    regions: Shares,
    *,
    iterations: int,
    subsets: int,
    replicates: int,
    rng: np.random.Generator,
) -> Replicates:
    """:func:`bootstrap` of a plain reconstruction by OSEM with its scatter held."""

    def again(fresh: Sequence[Channel]) -> Sequence[NDArray[np.floating]]:
        return expectation_maximisation(fresh, iterations=iterations, subsets=subsets).images

    return bootstrap(channels, regions, again, replicates=replicates, rng=rng)
