"""Did the patient move between views? Each view is compared with what the reconstruction expects of it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

SMOOTHING_PIXELS: Final = 1.5
SHARE_OF_PIXEL: Final = 0.9
"""Shifts smaller than this share of a pixel are not told: they are below what attenuation and scatter explain."""
SIGNIFICANT: Final = 4.0
"""Standard errors."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Motion:
    """Shift of each view against the expected one.

    Attributes
    ----------
    shift_mm : (views, 2) along the columns, and along the patient towards the head
    u_mm : (views, 2) standard error by counting
    moved : (views,) whether the shift is significant and larger than that share of a pixel
    """

    shift_mm: NDArray[np.float64]
    u_mm: NDArray[np.float64]
    moved: NDArray[np.bool_]

    @property
    def largest_mm(self) -> float:
        """Length of the largest shift among the views that moved; 0 where none did. [mm]"""
        lengths = np.linalg.norm(self.shift_mm, axis=1)[self.moved]
        return float(lengths.max()) if lengths.size else 0.0

    def warnings(self) -> tuple[str, ...]:
        """One sentence that names the views, or nothing."""
        if not self.moved.any():
            return ()
        views = np.flatnonzero(self.moved) + 1
        named = ", ".join(map(str, views[:8])) + (", ..." if views.size > 8 else "")
        return (
            f"Motion: {views.size} of {self.moved.size} views (number {named}) are shifted by up to "
            f"{self.largest_mm:.0f} mm against the others; activities of small regions may be too low. Look at the "
            "projections as a film.",
        )


def detect_motion(
    measured: NDArray[np.floating],
    expected: NDArray[np.floating],
    *,
    pixel_mm: tuple[float, float],
    usable: NDArray[np.bool_] | None = None,
) -> Motion:
    r"""Shift of each view by weighted least squares on the gradient of the expected one.

    To first order a view shifted by d is :math:`y = a\,(\hat y - d\cdot\nabla\hat y)`; a and d of each view minimise
    :math:`\sum (y-\ldots)^2/\hat y`. After a few iterations a reconstruction shows the mean position, so that views
    on both sides of a movement are shifted against it, by up to the movement itself.

    Parameters
    ----------
    measured, expected : (views, rows, columns) counts
    pixel_mm : (column spacing, row spacing)
    usable : (rows, columns), all by default
    """
    usable = np.ones(measured.shape[1:], bool) if usable is None else usable
    n = measured.shape[0]
    shift, error = np.zeros((n, 2)), np.full((n, 2), np.inf)
    smooth = (0.0, SMOOTHING_PIXELS, SMOOTHING_PIXELS)
    y = gaussian_filter(np.asarray(measured, dtype=np.float64), smooth)
    model = gaussian_filter(np.asarray(expected, dtype=np.float64), smooth)
    rows: NDArray[np.float64] = np.gradient(model, pixel_mm[1], axis=1)
    columns: NDArray[np.float64] = np.gradient(model, pixel_mm[0], axis=2)
    for view in range(n):
        inside = usable & (model[view] > 0.02 * model[view].max())
        if np.count_nonzero(inside) < 50 or not measured[view].any():
            continue
        design = np.stack([model[view][inside], -columns[view][inside], -rows[view][inside]], axis=1)
        weight = 1.0 / model[view][inside]
        normal = design.T @ (design * weight[:, None])
        inverse: NDArray[np.float64] = np.linalg.pinv(normal)
        solution: NDArray[np.float64] = np.dot(inverse @ design.T, weight * y[view][inside])
        # rows run from head to feet
        shift[view] = solution[1] / max(solution[0], 1e-9), -solution[2] / max(solution[0], 1e-9)
        # smoothing makes neighbours alike: fewer independent pixels, and as much less noise in each
        error[view] = np.sqrt(np.diag(inverse)[1:])
    limit = SHARE_OF_PIXEL * np.asarray(pixel_mm)
    moved = np.any((np.abs(shift) > SIGNIFICANT * error) & (np.abs(shift) > limit), axis=1)
    return Motion(shift_mm=shift, u_mm=error, moved=moved)
