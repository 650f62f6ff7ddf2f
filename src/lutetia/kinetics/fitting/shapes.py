"""Time-integrated activity over all shapes that the points allow, where they do not determine one."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.kinetics.fitting.shape_kernels import NEGLIGIBLE, deposit, explore
from lutetia.kinetics.fitting.solve import Problem
from lutetia.kinetics.models import BI, MONO, UPTAKE, UPTAKE_BI

Array = NDArray[np.float64]

SHAPED: Final = frozenset(m.name for m in (MONO, BI, UPTAKE, UPTAKE_BI))
"""Models whose shapes are summed over."""
CELLS: Final = (48, 10, 14)
"""Cells of the slow, the fast and the uptake rate."""
RANGE_LOG: Final = 8.0
"""Integrals further from the time scale of the scans than e^8 are put at the end of the histogram."""
STEP_LOG: Final = 0.002
"""Width of the histogram's bins in ln(integral): far below the least uncertainty of an activity."""
ZOOMS: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spread:
    """Probability of the logarithm of the time-integrated activity [ln(Bq s)], on a fine grid of values."""

    log_total: Array
    probability: Array

    def quantile(self, probability: float) -> float:
        """Time-integrated activity below which it lies with a probability. [Bq s]"""
        order = np.argsort(self.log_total, kind="stable")
        p = self.probability[order]
        cumulated = np.cumsum(p) - p / 2
        return math.exp(float(np.interp(probability, cumulated / p.sum(), self.log_total[order])))

    def interval(self, probability: float = 0.95) -> tuple[float, float]:
        """Interval with equal tails. [Bq s]"""
        return self.quantile((1 - probability) / 2), self.quantile((1 + probability) / 2)

    @property
    def mean(self) -> float:
        """[Bq s]"""
        return float(np.sum(self.probability * np.exp(self.log_total)))

    @property
    def standard_deviation(self) -> float:
        """[Bq s]"""
        values = np.exp(self.log_total)
        return math.sqrt(float(np.sum(self.probability * (values - self.mean) ** 2)))


def mixture(spreads: list[Spread], share: Array) -> Spread:
    """Average of distributions."""
    return Spread(
        log_total=np.concatenate([s.log_total for s in spreads]),
        probability=np.concatenate([w * s.probability for s, w in zip(spreads, share, strict=True)]),
    )


def _cells(low: float, high: float, n: int) -> Array:
    """Middles of n cells of equal width in the logarithm."""
    edges = np.geomspace(low, high, n + 1)
    return np.asarray(np.sqrt(edges[1:] * edges[:-1]))


def _zoomed(window: tuple[float, float], least: Array) -> tuple[tuple[float, float], bool]:
    """Window around the cells that are not negligible, one more on either side; whether it was much too wide."""
    inside = np.flatnonzero(least <= least.min() + NEGLIGIBLE)
    if inside.size == 0 or least.size == 1:
        return window, False
    ratio = (window[1] / window[0]) ** (1 / least.size)
    low = max(window[0], window[0] * ratio ** float(inside[0] - 1))
    high = min(window[1], window[0] * ratio ** float(inside[-1] + 2))
    return (low, high), math.log(high / low) < 0.6 * math.log(window[1] / window[0])


def integrate_shapes(task: Problem, scale: float, *, second_uptake: bool = False) -> tuple[Spread, float] | None:
    r"""Distribution of the integral over a model's shapes, and the logarithm of the integrated likelihood.

    The likelihood :math:`e^{-\chi^2/2s}` is integrated over amplitude and rates on a grid that narrows to where it is
    not negligible. What is assumed before any scan: the logarithm of the amplitude and the slowest rate
    uniform (the location parameters of a line through ln A, for which a uniform weight makes the interval cover
    as often as it says); the faster rates, of which scans may say nothing, uniform in their logarithms within the
    limits of the fit; the share of a fast washout uniform between 0 and 1.

    Parameters
    ----------
    task : model and points
    scale : s, the square of Birge's ratio where all models miss the points, otherwise 1
    second_uptake : of a model with uptake and two washouts, take shapes with two uptakes and one washout too, with equal
        weight: what an organ does that blood feeds in phases

    Returns
    -------
    None where no shape has a positive amplitude.
    """
    n_a, n_q = len(task.model.amplitudes), len(task.model.rates)
    has_fast, has_up = n_a > 1, n_q > n_a
    smallest = -1.0 if second_uptake and has_fast and has_up else 0.0
    lows, highs = np.exp(task.low[n_a:]), np.exp(task.high[n_a:])
    whole = [(lows[0], highs[0]), (lows[0], highs[1 if has_fast else 0]), (lows[0], highs[-1])]
    there = (True, has_fast, has_up)
    windows = list(whole)
    w = task.weight / math.sqrt(scale)
    for _ in range(ZOOMS):
        grids = [_cells(*e, n) if on else np.zeros(0) for e, n, on in zip(windows, CELLS, there, strict=True)]
        least = explore(task.time_s, task.activity, w, grids[0], grids[1], grids[2], smallest)
        zooms = [_zoomed(e, v) if on else (e, False) for e, v, on in zip(windows, least, there, strict=True)]
        if not any(wide for _, wide in zooms):
            break
        windows = [e for e, _ in zooms]
    if not np.isfinite(least[0].min()):
        return None
    return _summed(task, w, grids, smallest, float(least[0].min()), _density(windows, whole, there))


def _density(
    windows: list[tuple[float, float]], whole: list[tuple[float, float]], there: tuple[bool, ...]
) -> float:
    """Logarithm of the share of the prior that one cell holds; the slow rate's has no end and cancels."""
    total = math.log(math.log(windows[0][1] / windows[0][0]) / CELLS[0])
    for i in (1, 2):
        if there[i]:
            narrowed = math.log(windows[i][1] / windows[i][0]) / math.log(whole[i][1] / whole[i][0])
            total += math.log(narrowed / CELLS[i])
    return total


def _summed(
    task: Problem, w: Array, grids: list[Array], smallest: float, least: float, density: float
) -> tuple[Spread, float] | None:
    middle_s = float(task.time_s[-1])
    histogram = np.zeros(2 * round(RANGE_LOG / STEP_LOG))
    slow, fast, up = (g * middle_s for g in grids)
    # times in units of the last scan, so that the integral is of the order of 1
    deposit(task.time_s / middle_s, task.activity, w, slow, fast, up, smallest, least, STEP_LOG, histogram)
    total = float(histogram.sum())
    if total <= 0:
        return None
    filled = np.flatnonzero(histogram)
    log_total = np.asarray(
        (filled - histogram.size // 2 + 0.5) * STEP_LOG + math.log(task.size_bq * middle_s), float
    )
    # the slow rates were in units of the last scan, 2 pi is that of the amplitude's Gaussian
    evidence = math.log(total / middle_s) + density - least / 2 + 0.5 * math.log(2 * math.pi)
    return Spread(log_total=log_total, probability=histogram[filled] / total), evidence
