"""Time-integrated activity of every voxel, consistent with the fits of the regions."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError, InputError
from lutetia.images.volume import Volume, require_same_grid


def time_weights_s(time_s: Sequence[float], decay_constant_per_s: float) -> NDArray[np.float64]:
    """Weights of the scans in the integral: trapezoids, decay before the first and after the last. [s]"""
    t = np.asarray(time_s, dtype=float)
    weight = np.zeros(t.size)
    weight[:-1] += np.diff(t) / 2
    weight[1:] += np.diff(t) / 2
    weight[0] += np.expm1(decay_constant_per_s * t[0]) / decay_constant_per_s
    weight[-1] += 1 / decay_constant_per_s
    return weight


def time_integrated_activity_map(
    *,
    images: Sequence[Volume],
    time_s: Sequence[float],
    occupancy: Mapping[str, NDArray[np.float32]],
    time_integrated_activity_bq_s: Mapping[str, float],
    decay_constant_per_s: float,
) -> Volume:
    r"""Map whose sum over each region is the region's fitted time-integrated activity.

    The shape within a region is the weighted sum of the scans, which holds more counts than any one of them; its
    size is the region's fit, which knows the kinetics: :math:`\tilde a_v = \sum_r f_{rv}\, s_r \sum_k w_k c_{kv}`
    with the share f of voxel v that region r fills and s so that each region's integral is right. A region without
    counts in the images gets its activity spread evenly.

    Parameters
    ----------
    images : one per scan on one grid. [Bq/mL]
    time_s : of the scans after administration. [s]
    occupancy : region -> (z, y, x) share of each voxel
    time_integrated_activity_bq_s : region -> its fit. [Bq s]
    decay_constant_per_s : of the nuclide. [1/s]

    Returns
    -------
    Volume [Bq s/mL]

    Raises
    ------
    GridError, InputError
        Images on different grids, or regions without a fit.
    """
    if not images or len(images) != len(time_s):
        raise InputError("One time per image expected.")
    grid = images[0].grid
    shape = np.zeros(grid.shape, np.float32)
    for image, weight in zip(images, time_weights_s(time_s, decay_constant_per_s), strict=True):
        require_same_grid(grid, image.grid, "Time-integrated activity map")
        if image.unit != "Bq/mL":
            raise InputError(f"An image is in {image.unit!r}; expected 'Bq/mL'.")
        shape += np.float32(weight) * np.maximum(image.values, 0)
    return scaled_to_regions(
        Volume(grid=grid, values=shape, unit="Bq s/mL"),
        occupancy=occupancy,
        time_integrated_activity_bq_s=time_integrated_activity_bq_s,
    )


def scaled_to_regions(
    shape: Volume,
    *,
    occupancy: Mapping[str, NDArray[np.float32]],
    time_integrated_activity_bq_s: Mapping[str, float],
) -> Volume:
    """A map of any scale so that its sum over each region is the region's time-integrated activity.

    Raises
    ------
    GridError, InputError
        Shares on another grid, or regions without a fit.
    """
    if set(occupancy) != set(time_integrated_activity_bq_s):
        raise InputError("One time-integrated activity per region expected.")
    grid = shape.grid
    total = np.zeros(grid.shape, np.float32)
    for name, share in occupancy.items():
        if share.shape != grid.shape:
            raise GridError(f"Occupancy of {name} has shape {share.shape}; the images have {grid.shape}.")
        total += _region_part(shape.values, share, time_integrated_activity_bq_s[name], grid.voxel_ml)
    return Volume(grid=grid, values=total, unit="Bq s/mL")


def _region_part(
    shape: NDArray[np.float32], share: NDArray[np.float32], wanted_bq_s: float, voxel_ml: float
) -> NDArray[np.float32]:
    part = share * shape
    own = float(part.sum(dtype=np.float64)) * voxel_ml
    if own <= 0:
        part, own = share, float(share.sum(dtype=np.float64)) * voxel_ml
    scaled: NDArray[np.float32] = part * np.float32(wanted_bq_s / own if own > 0 else 0.0)
    return scaled
