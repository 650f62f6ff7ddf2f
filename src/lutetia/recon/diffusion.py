"""The response as small diffusion steps from plane to plane, and whole at the nearest one."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ive

MAX_STEP: Final = 0.25
"""Largest weight of a neighbour in one diffusion step; larger steps are split."""


def diffusion_steps(
    sigma: NDArray[np.float64], pixel_mm: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Weight of each neighbour (column, row) from plane k + 1 to plane k, and into how many passes it is split."""
    gained = np.zeros_like(sigma)
    gained[:, :-1] = np.diff(sigma**2, axis=1)
    weight = gained[:, :, None] / (2.0 * np.asarray(pixel_mm) ** 2)
    passes = np.maximum(1, np.ceil(weight.max(axis=2) / MAX_STEP)).astype(np.int64)
    return (weight / passes[:, :, None]).astype(np.float32), passes


def nearest_response(sigma: NDArray[np.float64], pixel_mm: tuple[float, float]) -> NDArray[np.float32]:
    """Weights (views, column | row, taps) of the response at the nearest plane.

    The discrete Gaussian ``exp(-t) I_n(t)`` has variance t exactly, which a sampled one below one pixel has not.
    Lindeberg T. IEEE Trans Pattern Anal 12 (1990) 234-254. doi:10.1109/34.49051
    """
    variance = (sigma[:, None] / np.asarray(pixel_mm)) ** 2
    radius = int(np.ceil(5.0 * np.sqrt(variance.max(initial=0.0)))) + 2
    taps = ive(np.abs(np.arange(-radius, radius + 1)), variance[:, :, None])
    return np.asarray(taps / taps.sum(axis=2, keepdims=True), dtype=np.float32)
