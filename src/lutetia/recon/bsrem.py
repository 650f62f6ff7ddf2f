"""Penalised likelihood with a relative difference prior, by a block-sequential method that converges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.recon.channels import Channel, Progress, Subset, prepared, ratio, system_of_each
from lutetia.recon.osem import EmResult, expectation_maximisation
from lutetia.recon.projector import Projector

FLOOR_SHARE: Final = 1e-6
"""Of the image's mean: what keeps the prior smooth at zero, and voxels from sticking there."""
CEILING: Final = 50.0
"""Largest value that the scaling expects, over the largest of the starting image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Penalty:
    """Relative difference prior.

    Attributes
    ----------
    strength : weight against the likelihood, per count of the mean sensitivity of a voxel; 0 is maximum likelihood
    edge : gamma, how much large relative differences are tolerated; 2 as in the clinic

    References
    ----------
    Nuyts J, Beque D, Dupont P, Mortelmans L. A concave prior penalizing relative differences for maximum-a-posteriori
    reconstruction in emission tomography. IEEE Trans Nucl Sci 49 (2002) 56-60. doi:10.1109/TNS.2002.998681
    """

    strength: float = 0.02
    edge: float = 2.0

    def __post_init__(self) -> None:
        if self.strength < 0 or self.edge < 0 or not np.isfinite(self.strength + self.edge):
            raise InputError(f"Penalty of strength {self.strength} and edge {self.edge}; expected 0 or more.")


@njit(cache=True)
def _pair(a, b, edge, floor):  # type: ignore[no-untyped-def]
    """(value, derivative by a) of the relative difference of two neighbours."""
    difference = a - b
    size = a + b + edge * abs(difference) + floor
    value = difference * difference / size
    grow = np.float32(1.0) + (edge if difference > 0 else -edge)
    return value, (np.float32(2.0) * difference * size - difference * difference * grow) / (size * size)


@njit(cache=True, parallel=True)
def _penalty(image, support, weights, edge, floor, gradient):  # type: ignore[no-untyped-def]
    """Sum over pairs of neighbours within the support, and its gradient, of an image (y, x, z)."""
    ny, nx, nz = image.shape
    rows = np.zeros(ny)
    for y in prange(ny):
        for x in range(nx):
            if not support[y, x]:
                continue
            for z in range(nz):
                slope = np.float32(0.0)
                for dy in range(-1, 2):
                    for dx in range(-1, 2):
                        v, u = y + dy, x + dx
                        if v < 0 or u < 0 or v >= ny or u >= nx or not support[v, u]:
                            continue
                        for dz in range(-1, 2):
                            w = z + dz
                            weight = weights[dy + 1, dx + 1, dz + 1]
                            if weight == 0 or w < 0 or w >= nz:
                                continue
                            value, by = _pair(image[y, x, z], image[v, u, w], edge, floor)
                            slope += weight * by
                            rows[y] += 0.5 * weight * value
                gradient[y, x, z] = slope
    return rows.sum()


def neighbour_weights(spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Weights (y, x, z) of the 26 neighbours: smallest distance over distance, none for the voxel itself."""
    step = np.arange(-1, 2)
    dy, dx, dz = np.meshgrid(step * spacing_mm[1], step * spacing_mm[0], step * spacing_mm[2], indexing="ij")
    distance = np.sqrt(dx**2 + dy**2 + dz**2)
    weights = np.zeros((3, 3, 3), np.float32)
    np.divide(min(spacing_mm), distance, out=weights, where=distance > 0, casting="unsafe")
    return weights


def penalised_likelihood(
    channels: Sequence[Channel],
    penalty: Penalty | None = None,
    *,
    iterations: int = 30,
    subsets: int = 8,
    start: Sequence[NDArray[np.floating]] | None = None,
    relaxation: float = 0.1,
    progress: Progress | None = None,
) -> EmResult:
    r"""Image that maximises the Poisson log-likelihood minus the penalty: modified BSREM with vanishing steps.

    With the objective :math:`\Phi=\sum_m \Phi_m` over subsets,
    :math:`x \leftarrow P\left[x + \alpha_n D(x) \nabla\Phi_m(x)\right]`,
    :math:`\alpha_n = 1/(1+\eta n)`, D = x over the subset's sensitivity (or upper bound minus x, where x is above half
    of it), P onto [floor, bound]. Since :math:`\sum\alpha_n` diverges, :math:`\sum\alpha_n^2` does not and the objective
    is strictly concave, it converges to the maximum whatever the number of subsets. Starts from two iterations of OSEM.

    Parameters
    ----------
    channels : as for :func:`lutetia.recon.osem.expectation_maximisation`; the additive part is kept
    penalty : strength and edge
    iterations, subsets : through all subsets
    start : images (z, y, x), by default from OSEM
    relaxation : eta, how fast steps shrink

    Returns
    -------
    EmResult, ``watched`` holding the objective of each iteration, every subset's part as met before its step

    References
    ----------
    Ahn S, Fessler JA. Globally convergent image reconstruction for emission tomography using relaxed ordered subsets
    algorithms. IEEE Trans Med Imaging 22 (2003) 613-626. doi:10.1109/TMI.2003.812251 (modified BSREM-II)
    """
    penalty = penalty or Penalty()
    if iterations < 1 or not 0 < relaxation < 10:
        raise InputError(f"{iterations} iterations with relaxation {relaxation}; expected at least 1, and 0 to 10.")
    if start is None:
        start = expectation_maximisation(channels, iterations=2, subsets=subsets).images
    groups, n_images, scratch = prepared(channels, subsets)
    own = system_of_each(channels, n_images)
    if n_images != len(start):
        raise InputError(f"{len(start)} images to start from; the windows see {n_images}.")
    state = _State(groups, own, [s.to_native(x) for s, x in zip(own, start, strict=True)], penalty, scratch)
    log, objective = [], []
    for n in range(iterations):
        alpha = 1.0 / (1.0 + relaxation * n)
        total, explained = 0.0, 0.0
        for m in range(len(groups)):
            part, counts = state.step(m, np.float32(alpha))
            total, explained = total + part, explained + counts
            if progress is not None:
                progress(f"Iteration {n + 1} of {iterations}", (n * subsets + m + 1) / (iterations * subsets))
        log.append(explained)
        objective.append({"objective": total})
    return EmResult(
        images=tuple(s.from_native(x) for s, x in zip(own, state.images, strict=True)),
        iterations=iterations,
        subsets=subsets,
        explained_counts=tuple(log),
        measured_counts=sum(float(np.sum(channel.counts, dtype=np.float64)) for channel in channels),
        watched=tuple(objective),
        additive=tuple(channel.additive for channel in channels),
    )


class _State:
    """Images of the iteration (native), with what each step needs."""

    def __init__(
        self, groups: Sequence[Subset], own: Sequence[Projector], images: list[NDArray[np.float32]], penalty: Penalty,
        scratch: NDArray[np.float32],
    ) -> None:  # fmt: skip
        self.groups, self.images, self.scratch = groups, images, scratch
        self.supports = [np.ascontiguousarray(system.support) for system in own]
        sensitivities = [group.sensitivity(scratch) for group in groups]
        self.sensitivity = sensitivities
        whole = [sum((s[n] for s in sensitivities), np.zeros_like(images[n])) for n in range(len(images))]
        self.seen = [w > 1e-4 * float(w.max()) for w in whole]
        self.scale = [
            np.where(seen, w / len(groups), np.inf).astype(np.float32)
            for w, seen in zip(whole, self.seen, strict=True)
        ]
        self.strength = [penalty.strength * float(w[seen].mean()) for w, seen in zip(whole, self.seen, strict=True)]
        means = [float(image[seen].mean()) for image, seen in zip(images, self.seen, strict=True)]
        self.floors = [np.float32(FLOOR_SHARE * mean) for mean in means]
        self.bounds = [np.float32(CEILING * float(image.max())) for image in images]
        self.edge = np.float32(penalty.edge)
        self.weights = [neighbour_weights(system.grid.spacing_mm) for system in own]

    def step(self, m: int, alpha: np.float32) -> tuple[float, float]:
        """One subset; (its part of the objective, counts explained) before the step."""
        group = self.groups[m]
        part, explained, ratios = 0.0, 0.0, []
        for k, measured in enumerate(group.measured):
            expected = group.expected(self.images, k)
            explained += float(expected.sum(dtype=np.float64))
            logs = np.log(np.maximum(expected, 1e-30), dtype=np.float64)
            part += float((measured * logs).sum()) - float(expected.sum(dtype=np.float64))
            ratios.append(ratio(measured, expected))
        for n, gain in enumerate(group.back(ratios, self.scratch)):
            image, bound, floor = self.images[n], self.bounds[n], self.floors[n]
            slope = gain - self.sensitivity[m][n]
            if self.strength[n] > 0:
                share = self.strength[n] / len(self.groups)
                value, by_voxel = self.penalty(n)
                part -= share * value
                slope -= np.float32(share) * by_voxel
            room = np.where(image < 0.5 * bound, np.maximum(image, floor), bound - image)
            image += alpha * room / self.scale[n] * slope
            np.clip(image, floor, bound, out=image)
            image[~self.seen[n]] = 0
        return part, explained

    def penalty(self, n: int) -> tuple[float, NDArray[np.float32]]:
        """The prior of one image and its gradient."""
        gradient = np.zeros_like(self.images[n])
        value = _penalty(self.images[n], self.supports[n], self.weights[n], self.edge, self.floors[n], gradient)
        return float(value), gradient
