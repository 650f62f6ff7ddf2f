"""Ordered-subsets expectation maximisation with additive scatter."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.recon.projector import Projector

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OsemResult:
    """Image (z, y, x) in counts/s per voxel, and after each iteration the counts that it explains."""

    image: NDArray[np.float32]
    iterations: int
    subsets: int
    explained_counts: tuple[float, ...]
    measured_counts: float


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


def osem(
    system: Projector,
    counts: NDArray[np.floating],
    *,
    scatter: NDArray[np.floating] | None = None,
    iterations: int = 4,
    subsets: int = 8,
    progress: Progress | None = None,
) -> OsemResult:
    """Maximise the Poisson likelihood of the counts, subset by subset.

    ``x <- x / (A' 1) * A' (y / (A x + s))`` with A of one subset's views. Stopped early it is smoother than the
    maximum; how far it came differs from region to region (see :mod:`lutetia.recon.recovery`).

    Parameters
    ----------
    system : forward model
    counts : (views, rows, columns) measured in the peak window
    scatter : (views, rows, columns) expected scattered counts among them
    iterations, subsets : how long; iterations x subsets updates
    progress : called with a text and the fraction done

    Raises
    ------
    InputError
        No counts, negative or not finite counts, or shapes that do not fit.

    References
    ----------
    Hudson HM, Larkin RS. Accelerated image reconstruction using ordered subsets of projection data. IEEE Trans Med
    Imaging 13 (1994) 601-609. doi:10.1109/42.363108
    """
    scatter = np.zeros_like(counts, dtype=np.float32) if scatter is None else scatter
    _require_counts(system, counts, scatter, iterations)
    groups = ordered_subsets(system.orbit.angle_rad, subsets)
    scratch = system.scratch()
    measured = [system.to_native_projections(counts[g]) for g in groups]
    additive = [system.to_native_projections(scatter[g]) for g in groups]
    inverse = [_inverse_sensitivity(system, g, scratch) for g in groups]
    image = _start(system, counts)
    log = []
    for iteration in range(iterations):
        explained = 0.0
        for k, group in enumerate(groups):
            expected = system.project(image, group)
            expected += additive[k]
            explained += float(expected.sum(dtype=np.float64))
            image *= system.backproject(_ratio(measured[k], expected), group, scratch)
            image *= inverse[k]
            if progress is not None:
                done = iteration * subsets + k + 1
                progress(f"OSEM iteration {iteration + 1} of {iterations}", done / (iterations * subsets))
        log.append(explained)
    return OsemResult(
        image=system.from_native(image),
        iterations=iterations,
        subsets=subsets,
        explained_counts=tuple(log),
        measured_counts=float(np.sum(counts, dtype=np.float64)),
    )


def _require_counts(
    system: Projector, counts: NDArray[np.floating], scatter: NDArray[np.floating], iterations: int
) -> None:
    expected = (system.n_views, system.orbit.n_rows, system.orbit.n_columns)
    if counts.shape != expected or scatter.shape != expected:
        raise InputError(
            f"Counts of shape {counts.shape} and scatter of {scatter.shape}; the system has {expected} "
            "(views, rows, columns)."
        )
    if not (np.all(np.isfinite(counts)) and np.all(np.isfinite(scatter))) or counts.min() < 0 or scatter.min() < 0:
        raise InputError("Projections hold negative or non-finite counts; expected counts of at least 0.")
    if not np.any(counts > 0):
        raise InputError("The projections of the peak window hold no counts; check the window and the file.")
    if iterations < 1:
        raise InputError(f"{iterations} iterations; expected at least 1.")


def _start(system: Projector, counts: NDArray[np.floating]) -> NDArray[np.float32]:
    """Uniform image with about the measured count rate."""
    nx, ny, nz = system.grid.size
    rate = float(np.sum(counts, dtype=np.float64)) / float(system.orbit.frame_duration_s.sum())
    image = np.zeros((ny, nx, nz), np.float32)
    image[system.support] = rate / max(1, int(system.support.sum()) * nz)
    return image


def _inverse_sensitivity(
    system: Projector, views: NDArray[np.int64], scratch: NDArray[np.float32]
) -> NDArray[np.float32]:
    """1 / (A' 1) of a subset; 0 where it sees (nearly) nothing."""
    shape = (views.size, system.orbit.n_columns, system.orbit.n_rows)
    sensitivity = system.backproject(np.ones(shape, np.float32), views, scratch)
    floor = 1e-4 * float(sensitivity.max())
    inverse = np.zeros_like(sensitivity)
    np.divide(1.0, sensitivity, out=inverse, where=sensitivity > floor)
    return inverse


def _ratio(measured: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measured over expected; 0 where nothing was measured, so that empty bins make no noise of 0/0."""
    ratio = np.zeros_like(measured)
    floor = np.float32(1e-6 * max(float(expected.max()), 1e-30))
    np.divide(measured, np.maximum(expected, floor), out=ratio, where=measured > 0)
    return ratio
