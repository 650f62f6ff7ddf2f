"""Grids, bounds, curves and limits for the loop over the voxels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lutetia.errors import InputError
from lutetia.kinetics.time_integrated_map import time_weights_s
from lutetia.kinetics.voxels.kernels.shared import Curve, Fallback, Pairs, Setup
from lutetia.kinetics.voxels.result import BI, MONO, UPTAKE

Array = NDArray[np.float64]

N_RATES: Final = 28
"""Points of the grid on which one rate is looked for before Newton's method takes over."""
N_PAIRS: Final = 18
"""The same for pairs of rates."""
HALF_LIVES_BEFORE_FIRST_SCAN: Final = 3.0
"""Washout so fast that a voxel has lost seven eighths before the first scan cannot be told from the scans."""
FASTEST_UPTAKE: Final = 20.0
"""Half-lives of uptake that may have passed before the first scan; more looks like no uptake at all."""
LEAST_APART: Final = 1e-3
"""Least logarithm of uptake over washout rate; below it the two cannot be told apart in double precision."""
DENIED_PROBABILITY: Final = 1e-3
"""Residuals that chance makes larger this seldom deny the model."""
NARROWEST: Final = 1e-4
"""A prior narrower than this fixes the rate."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RegionCurve:
    """Shape of a region's activity: ``sum_j share_j exp(-k_j t)``, the slowest term first and of share 1."""

    shares: Array
    rates_per_s: Array

    @classmethod
    def of(cls, exponentials: Sequence[tuple[float, float]], where: str) -> "RegionCurve":
        """Curve of (amplitude, rate) pairs.

        Raises
        ------
        InputError
            No term, a rate that is not positive, or a slowest term that is not positive.
        """
        terms = np.array(sorted(exponentials, key=lambda term: term[1]), dtype=float).reshape(-1, 2)
        if not len(terms) or not np.all(np.isfinite(terms)) or terms[0, 0] <= 0 or terms[0, 1] <= 0:
            raise InputError(f"{where}: exponentials {list(exponentials)}; expected a slowest term above 0.")
        return cls(shares=terms[:, 0] / terms[0, 0], rates_per_s=terms[:, 1].copy())

    @property
    def code(self) -> int:
        """The model's number in the maps."""
        if len(self.shares) == 1:
            return MONO
        return BI if np.all(self.shares > 0) else UPTAKE

    def at(self, time_s: Array) -> Array:
        """Values at times."""
        return np.asarray(np.exp(-np.outer(time_s, self.rates_per_s)) @ self.shares)

    @property
    def integral_s(self) -> float:
        """Integral from 0 to infinity."""
        return float(np.sum(self.shares / self.rates_per_s))


def fastest_rate(time_s: Array, decay_constant_per_s: float, fastest_half_life_s: float | None) -> float:
    """Upper limit of rates of washout. [1/s]

    Raises
    ------
    InputError
        A fastest half-life that is not below the physical one.
    """
    half_life = (
        float(time_s[0]) / HALF_LIVES_BEFORE_FIRST_SCAN if fastest_half_life_s is None else fastest_half_life_s
    )
    rate = math.log(2) / half_life if half_life > 0 else math.inf
    if not decay_constant_per_s < rate < math.inf:
        raise InputError(
            f"The fastest effective half-life is {half_life:g} s; expected more than 0 and less than the physical "
            f"{math.log(2) / decay_constant_per_s:g} s (fastest_half_life_s)."
        )
    return rate


def make_setup(
    *,
    time_s: Array,
    noise: Array,
    decay_constant_per_s: float,
    fastest_per_s: float,
    least_significance: float,
    judged: bool,
    curve: RegionCurve | None = None,
    spread: float | None = None,
) -> Setup:
    """Everything that the voxels of a region share.

    Parameters
    ----------
    time_s : (n,) increasing
    noise : (3, n) coefficients of the variance in powers of the value
    judged : whether sums of squares mean anything, the size of the noise being known
    curve : of the region, for its tail and its shape where there is only noise
    spread : standard deviation of log(rate) between voxels; with it the curve is what is scaled and tilted
    """
    low, high = math.log(decay_constant_per_s), math.log(fastest_per_s)
    uptake = math.log(max(fastest_per_s, math.log(2) * FASTEST_UPTAKE / float(time_s[0])))
    rates, pairs, wide = (
        np.linspace(low, end, n) for end, n in ((high, N_RATES), (high, N_PAIRS), (uptake, N_PAIRS))
    )
    physical = RegionCurve(shares=np.ones(1), rates_per_s=np.array([decay_constant_per_s]))
    scaled = curve or physical
    tilted = scaled if spread is not None else physical
    shifts = tilted.rates_per_s - tilted.rates_per_s[0]
    centre = min(max(math.log(tilted.rates_per_s[0]), low), high)
    precision = 0.0 if spread is None else max(spread, NARROWEST) ** -2
    weights = time_weights_s(time_s.tolist(), decay_constant_per_s)
    weights[-1] -= 1 / decay_constant_per_s
    free = np.arange(time_s.size)
    denied = np.where((free > 0) & judged, chdtri(np.maximum(free, 1), DENIED_PROBABILITY), np.inf)
    since = time_s - time_s[0]
    return Setup(
        curve=Curve(
            time_s=time_s, since_s=since, noise=noise, base=np.exp(-np.outer(time_s, shifts)) @ tilted.shares,
            shares=tilted.shares, shifts=shifts, code=tilted.code, grid=rates, exponentials=_table(since, rates),
            squares=_table(2 * since, rates), penalty=0.5 * precision * (rates - centre) ** 2, centre=centre,
            precision=precision,
        ),
        fallback=Fallback(
            shape=scaled.at(time_s), shape_integral=scaled.integral_s, weights=weights,
            tail_rate=float(scaled.rates_per_s[0]), least_gain=least_significance**2 if judged else 0.0, denied=denied,
        ),
        pairs=Pairs(
            bi_grid=pairs, bi_exponentials=_table(time_s, pairs), bi_low=np.array([0.0, low, 0.0, low]),
            bi_high=np.array([math.inf, high, math.inf, high]), uptake_grid=wide,
            uptake_exponentials=_table(time_s, wide), uptake_low=np.array([0.0, low, LEAST_APART]),
            uptake_high=np.array([math.inf, high, uptake - low]),
        ),
    )  # fmt: skip


def _table(time_s: Array, log_rates: Array) -> Array:
    return np.ascontiguousarray(np.exp(-np.outer(time_s, np.exp(log_rates))))
