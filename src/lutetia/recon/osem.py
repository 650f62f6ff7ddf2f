"""Expectation maximisation, with all views at once (MLEM) or subset by subset (OSEM), for one or several windows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.recon.channels import Channel, Part, Progress, Subset, prepared, ratio, start_images, system_of_each
from lutetia.recon.projector import Projector

Rescatter = Callable[[int, Sequence[NDArray[np.float32]]], Sequence[NDArray[np.floating]] | None]
"""After each iteration: (its number, images (z, y, x)) to new scatter estimates for each channel, or None."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EmResult:
    """Images and how they came about.

    Attributes
    ----------
    images : (z, y, x) each, counts/s per voxel on the image's own scale
    iterations, subsets : done
    explained_counts : after each iteration, the counts that the images and the scatter explain
    measured_counts : over all windows
    watched : after each iteration, the sum of the first image over each watched region
    converged : whether the watched regions had settled; None when nothing was asked
    additive : the scatter estimates used in the last iteration
    """

    images: tuple[NDArray[np.float32], ...]
    iterations: int
    subsets: int
    explained_counts: tuple[float, ...]
    measured_counts: float
    watched: tuple[Mapping[str, float], ...] = ()
    converged: bool | None = None
    additive: tuple[NDArray[np.floating], ...] = ()

    @property
    def image(self) -> NDArray[np.float32]:
        """The first image."""
        return self.images[0]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Until:
    """Stop when no watched region changes by more than a share from one iteration to the next.

    Attributes
    ----------
    regions : name to share of each voxel (z, y, x)
    relative_change : per iteration
    """

    regions: Mapping[str, NDArray[np.floating]]
    relative_change: float = 0.01

    def __post_init__(self) -> None:
        if not self.regions or not 0 < self.relative_change < 1:
            raise InputError(
                f"Stopping on {len(self.regions)} regions at a change of {self.relative_change}; expected regions and "
                "a share between 0 and 1."
            )

    def sums(self, image: NDArray[np.float32]) -> dict[str, float]:
        """Sum of an image (z, y, x) over each region."""
        return {name: float(np.vdot(share, image)) for name, share in self.regions.items()}

    def settled(self, course: Sequence[Mapping[str, float]]) -> bool:
        """Whether the last iteration changed none of the regions by more than allowed."""
        if len(course) < 2:
            return False
        before, now = course[-2], course[-1]
        return all(abs(now[n] - before[n]) <= self.relative_change * max(abs(now[n]), 1e-30) for n in now)


def osem(
    system: Projector,
    counts: NDArray[np.floating],
    *,
    scatter: NDArray[np.floating] | None = None,
    iterations: int = 4,
    subsets: int = 8,
    progress: Progress | None = None,
) -> EmResult:
    """One image from one window; see :func:`expectation_maximisation`.

    Parameters
    ----------
    system : forward model
    counts : (views, rows, columns) measured in the peak window
    scatter : (views, rows, columns) expected scattered counts among them
    iterations, subsets : how long; iterations x subsets updates
    """
    scatter = np.zeros_like(counts, dtype=np.float32) if scatter is None else scatter
    channel = Channel(counts=counts, additive=scatter, parts=(Part(system=system),))
    return expectation_maximisation([channel], iterations=iterations, subsets=subsets, progress=progress)


def expectation_maximisation(
    channels: Sequence[Channel],
    *,
    iterations: int = 4,
    subsets: int = 8,
    start: Sequence[NDArray[np.floating]] | None = None,
    until: Until | None = None,
    rescatter: Rescatter | None = None,
    progress: Progress | None = None,
) -> EmResult:
    r"""Maximise the Poisson likelihood of all windows together, subset by subset.

    .. math:: x_j \leftarrow x_j\, \sum_i w_{ij} A_{ij}'\frac{y_i}{\sum_k w_{ik} A_{ik} x_k + s_i}
              \Big/ \sum_i w_{ij} A_{ij}' 1

    over windows i and images j. With one subset it is MLEM and converges to the maximum of the likelihood; stopped
    early it is smoother than the maximum, and how far it came differs from region to region (see
    :mod:`lutetia.recon.recovery`). More than one subset cycles near the maximum.

    Parameters
    ----------
    channels : windows with the images that are seen in each
    iterations : at most; each runs through all subsets
    subsets : 1 for MLEM
    start : images (z, y, x) to start from, uniform ones by default
    until : regions whose sums end it early once they have settled
    rescatter : gives new scatter estimates after an iteration
    progress : called with a text and the fraction done

    Raises
    ------
    InputError
        No counts, negative or not finite counts, or shapes that do not fit.

    References
    ----------
    Shepp LA, Vardi Y. IEEE Trans Med Imaging 1 (1982) 113-122. doi:10.1109/TMI.1982.4307558
    Hudson HM, Larkin RS. Accelerated image reconstruction using ordered subsets of projection data. IEEE Trans Med
    Imaging 13 (1994) 601-609. doi:10.1109/42.363108
    """
    if iterations < 1:
        raise InputError(f"{iterations} iterations; expected at least 1.")
    groups, n_images, scratch = prepared(channels, subsets)
    own = system_of_each(channels, n_images)
    images = start_images(channels, n_images)
    if start is not None:
        if len(start) != n_images:
            raise InputError(f"{len(start)} images to start from; the windows see {n_images}.")
        images = [system.to_native(image) for system, image in zip(own, start, strict=True)]
    inverse = [group.inverse_sensitivity(scratch) for group in groups]
    additive: Sequence[NDArray[np.floating]] = [channel.additive for channel in channels]
    log: list[float] = []
    watched: list[dict[str, float]] = []
    for iteration in range(iterations):
        explained = 0.0
        for k, group in enumerate(groups):
            explained += _update(images, group, inverse[k], scratch)
            if progress is not None:
                done = iteration * subsets + k + 1
                progress(f"Iteration {iteration + 1} of {iterations}", done / (iterations * subsets))
        log.append(explained)
        if until is not None:
            watched.append(until.sums(own[0].from_native(images[0])))
            if until.settled(watched):
                break
        if rescatter is not None and iteration + 1 < iterations:
            current = [s.from_native(x) for s, x in zip(own, images, strict=True)]
            additive = _renewed(groups, rescatter(iteration + 1, current), additive)
    return EmResult(
        images=tuple(system.from_native(image) for system, image in zip(own, images, strict=True)),
        iterations=len(log),
        subsets=subsets,
        explained_counts=tuple(log),
        measured_counts=sum(float(np.sum(channel.counts, dtype=np.float64)) for channel in channels),
        watched=tuple(watched),
        converged=until.settled(watched) if until is not None else None,
        additive=tuple(additive),
    )


def _renewed(
    groups: Sequence[Subset], fresh: Sequence[NDArray[np.floating]] | None, known: Sequence[NDArray[np.floating]]
) -> Sequence[NDArray[np.floating]]:
    """The scatter to go on with, handed to all subsets when it is new."""
    if fresh is None:
        return known
    for group in groups:
        group.set_additive(fresh)
    return fresh


def _update(
    images: list[NDArray[np.float32]],
    group: Subset,
    inverse: Sequence[NDArray[np.float32]],
    scratch: NDArray[np.float32],
) -> float:
    """One subset's step in place; the counts that the images before it explain."""
    explained, ratios = 0.0, []
    for k, measured in enumerate(group.measured):
        expected = group.expected(images, k)
        explained += float(expected.sum(dtype=np.float64))
        ratios.append(ratio(measured, expected))
    for image, gain, norm in zip(images, group.back(ratios, scratch), inverse, strict=True):
        image *= gain
        image *= norm
    return explained
