"""What was counted in each energy window, and which images are seen in it: the data of every reconstruction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.recon.projector import Projector

Progress = Callable[[str, float], None]
Images = Sequence[NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Part:
    """One image as seen in one energy window: ``weight`` counts there for each count of the image's own scale."""

    system: Projector
    image: int = 0
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Channel:
    """One energy window.

    Attributes
    ----------
    counts : (views, rows, columns) measured
    additive : (views, rows, columns) expected counts that no image explains: scatter
    parts : the images seen in it; several for nuclides that share a window
    """

    counts: NDArray[np.floating]
    additive: NDArray[np.floating]
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise InputError("An energy window needs at least one image that is seen in it.")
        system = self.parts[0].system
        expected = (system.n_views, system.orbit.n_rows, system.orbit.n_columns)
        if self.counts.shape != expected or self.additive.shape != expected:
            raise InputError(
                f"Counts of shape {self.counts.shape} and scatter of {self.additive.shape}; the system has {expected} "
                "(views, rows, columns)."
            )
        finite = np.all(np.isfinite(self.counts)) and np.all(np.isfinite(self.additive))
        if not finite or self.counts.min() < 0 or self.additive.min() < 0:
            raise InputError("Projections hold negative or non-finite counts; expected counts of at least 0.")

    def with_counts(self, counts: NDArray[np.floating]) -> "Channel":
        """The same window with other counts."""
        return replace(self, counts=counts)

    def with_additive(self, additive: NDArray[np.floating]) -> "Channel":
        """The same window with another scatter estimate."""
        return replace(self, additive=additive)

    def expected(self, images: Images) -> NDArray[np.float32]:
        """Expected counts (views, rows, columns) of images (z, y, x)."""
        total = np.array(self.additive, dtype=np.float32)
        for part in self.parts:
            total += np.float32(part.weight) * part.system.forward(images[part.image])
        return total


def ordered_subsets(angle_rad: NDArray[np.float64], n_subsets: int) -> tuple[NDArray[np.int64], ...]:
    """Split views into subsets evenly spread in angle, in an order in which neighbours differ most.

    Views are dealt in order of their angle; subsets follow each other in bit-reversed order, so that each brings
    directions far from those of the one before.

    Raises
    ------
    InputError
        More subsets than views, or less than one.
    """
    if not 1 <= n_subsets <= angle_rad.size:
        raise InputError(f"{n_subsets} subsets of {angle_rad.size} views; expected 1 to {angle_rad.size}.")
    order = np.argsort(np.mod(angle_rad, 2 * np.pi), kind="stable")
    bits = max(1, int(np.ceil(np.log2(n_subsets))))
    reversed_bits = [int(f"{i:0{bits}b}"[::-1], 2) for i in range(2**bits)]
    return tuple(np.sort(order[start::n_subsets]) for start in reversed_bits if start < n_subsets)


class Subset:
    """Views that are worked on together, over all channels, in the kernels' order of axes.

    ``gradient`` gives, for every image, what the measured-over-expected ratios say: ``A' (y / (A x + s))``.
    """

    def __init__(self, channels: Sequence[Channel], views: NDArray[np.int64], n_images: int) -> None:
        self.views = views
        self.parts = [channel.parts for channel in channels]
        self.n_images = n_images
        native = channels[0].parts[0].system.to_native_projections
        self.measured = [native(channel.counts[views]) for channel in channels]
        self.set_additive([channel.additive for channel in channels])

    def set_additive(self, additive: Sequence[NDArray[np.floating]]) -> None:
        """Take over new scatter estimates, one (views, rows, columns) for each channel."""
        native = self.parts[0][0].system.to_native_projections
        self.additive = [native(values[self.views]) for values in additive]

    def expected(self, images: Images, channel: int) -> NDArray[np.float32]:
        """Expected counts of native images in one channel."""
        total: NDArray[np.float32] | None = None
        for part in self.parts[channel]:
            seen = part.system.project(images[part.image], self.views)
            if part.weight != 1.0:
                seen *= np.float32(part.weight)
            total = seen if total is None else np.add(total, seen, out=total)
        assert total is not None
        total += self.additive[channel]
        return total

    def back(
        self, planes: Sequence[NDArray[np.float32]], scratch: NDArray[np.float32]
    ) -> list[NDArray[np.float32]]:
        """Transpose of ``expected`` without the additive part, over all channels: one native image each."""
        images: list[NDArray[np.float32] | None] = [None] * self.n_images
        for parts, plane in zip(self.parts, planes, strict=True):
            for part in parts:
                seen = part.system.backproject(plane, self.views, scratch)
                if part.weight != 1.0:
                    seen *= np.float32(part.weight)
                known = images[part.image]
                images[part.image] = seen if known is None else np.add(known, seen, out=known)
        return [image for image in images if image is not None]

    def sensitivity(self, scratch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """``A' 1`` for every image."""
        return self.back([np.ones_like(m) for m in self.measured], scratch)

    def inverse_sensitivity(self, scratch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """1 / (A' 1) for every image; 0 where the subset sees (nearly) nothing."""
        return [
            np.divide(1.0, s, out=np.zeros_like(s), where=s > 1e-4 * float(s.max()))
            for s in self.sensitivity(scratch)
        ]


def prepared(channels: Sequence[Channel], n_subsets: int) -> tuple[tuple[Subset, ...], int, NDArray[np.float32]]:
    """Subsets over all channels, the number of images, and working memory.

    Raises
    ------
    InputError
        No channel, an image that is seen in none, no counts at all, or too many subsets.
    """
    if not channels:
        raise InputError("There is no energy window to reconstruct.")
    seen = sorted({part.image for channel in channels for part in channel.parts})
    if seen != list(range(len(seen))):
        raise InputError(f"The windows see images {seen}; expected 0 to {len(seen) - 1} without a gap.")
    if not any(np.any(channel.counts > 0) for channel in channels):
        raise InputError("The projections of the peak window hold no counts; check the window and the file.")
    system = channels[0].parts[0].system
    groups = ordered_subsets(system.orbit.angle_rad, n_subsets)
    return tuple(Subset(channels, group, len(seen)) for group in groups), len(seen), system.scratch()


def system_of_each(channels: Sequence[Channel], n_images: int) -> list[Projector]:
    """The forward model by which each image is first seen."""
    return [next(p.system for c in channels for p in c.parts if p.image == n) for n in range(n_images)]


def start_images(channels: Sequence[Channel], n_images: int) -> list[NDArray[np.float32]]:
    """Uniform native images with about the measured count rate of the first window that sees each."""
    images = []
    for number in range(n_images):
        channel, part = next((c, p) for c in channels for p in c.parts if p.image == number)
        system = part.system
        nx, ny, nz = system.grid.size
        rate = float(np.sum(channel.counts, dtype=np.float64)) / float(system.orbit.frame_duration_s.sum())
        image = np.zeros((ny, nx, nz), np.float32)
        image[system.support] = max(rate, 1e-6) / (part.weight * max(1, int(system.support.sum()) * nz))
        images.append(image)
    return images


def ratio(measured: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measured over expected; 0 where nothing was measured, so that empty bins make no noise of 0/0."""
    result = np.zeros_like(measured)
    floor = np.float32(1e-6 * max(float(expected.max()), 1e-30))
    np.divide(measured, np.maximum(expected, floor), out=result, where=measured > 0)
    return result
