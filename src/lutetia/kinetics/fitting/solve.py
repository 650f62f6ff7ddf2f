"""Weighted least squares of one model to one curve."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fitting.kernels import fit, polish
from lutetia.kinetics.models import Model

Array = NDArray[np.float64]

FASTEST_HALF_LIFE_S: Final = 600.0
"""Effective half-lives below ten minutes cannot be told from scans hours apart."""
LEAST_RANGE: Final = 20.0
"""Rates reach at least this many times physical decay, where a nuclide itself lives minutes."""
EARLIEST_SHARE: Final = 0.5
"""Half-life of each of several washouts at least this share of the first scan's time: at administration such a phase
was at most four times what the first scan saw."""
GRID_RATIO: Final = 1.2
"""Step of the grid of rates: the basin of the least squares of an exponential is far wider."""
STARTS: Final = 4
"""Starts that are polished; they differ in their slowest rate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """Standard deviation of each point, whether it is known in absolute terms, and whether some had to be replaced."""

    sigma: Array
    known: bool
    replaced: bool


def weights(curve: TimeActivityCurve) -> Weights:
    """Weights of the points.

    With stated standard uncertainties their inverse squares; one of 0 is one that nobody stated and gets the smallest
    of the others, lest it outweigh the rest. Without any, uncertainties proportional to the activity with an unknown
    factor; a point of 0 is weighted like the smallest activity there is.
    """
    u, activity = curve.standard_uncertainty_bq, curve.activity_bq
    if u is not None and np.any(u > 0):
        stated = np.where(u > 0, u, u[u > 0].min())
        return Weights(sigma=stated, known=True, replaced=bool(np.any(u == 0)))
    sigma = np.maximum(activity, activity[activity > 0].min())
    return Weights(sigma=sigma, known=False, replaced=bool(np.any(activity == 0)))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Solution:
    """Parameters of one model that fit best, with their weighted residual sum of squares.

    ``held`` marks the parameters that lie at a limit, which fit nothing; ``at_decay`` the rates among them that lie at
    physical decay.
    """

    model: Model
    parameters: Array
    chi2: float
    n: int
    weights: Weights
    held: NDArray[np.bool_]
    at_decay: NDArray[np.bool_]

    @property
    def k(self) -> int:
        """Parameters of the model."""
        return len(self.parameters)

    @property
    def free(self) -> int:
        """Degrees of freedom that the residuals have."""
        return self.n - self.k + int(np.count_nonzero(self.held))

    @property
    def birge(self) -> float:
        """Size of the residuals in stated uncertainties (relative to the activity where there are none)."""
        return math.sqrt(self.chi2 / self.free) if self.free > 0 else 0.0

    @property
    def total(self) -> float:
        """Time-integrated activity. [Bq s]"""
        return self.model.integral(self.parameters)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Problem:
    """One model and one curve as the arrays that the kernels take; activities in units of the largest."""

    model: Model
    decay_constant_per_s: float
    size_bq: float
    time_s: Array
    activity: Array
    weight: Array
    low: Array
    high: Array
    rates: Array

    def solve(self) -> tuple[Array, float]:
        """Best parameters in the kernels' order and the sum of squares, infinite where no amplitude above 0 fits.

        Amplitudes are solved for every choice of rates from a grid (variable projection, amplitudes not negative), so
        that no start value can be bad; the best few choices are polished by Levenberg-Marquardt in the amplitudes and
        the logarithms of the rates.

        References
        ----------
        Golub G, Pereyra V. Inverse Problems 19 (2003) R1-R26. doi:10.1088/0266-5611/19/2/201.
        """
        mixing, slot, held = arrays(self.model)
        limits = np.exp(self.high[len(self.model.amplitudes) :]) * (1 + 1e-9)
        ends = np.searchsorted(self.rates, limits, side="right")
        found: tuple[Array, float] = fit(
            self.rates, ends, self.low, self.high, self.time_s, self.activity, self.weight, mixing, slot, held,
            2 if ends.size > 2 else 1, STARTS,
        )  # fmt: skip
        return found

    def polish(self, start: Array, *, total: float = 1.0, stiffness: float = 0.0) -> tuple[Array, float]:
        """Least squares from a start, the integral held at ``total`` where the stiffness is above 0."""
        mixing, slot, held = arrays(self.model)
        n_a = len(self.model.amplitudes)
        found: tuple[Array, float] = polish(
            start[:n_a], start[n_a:], self.low, self.high, self.time_s, self.activity, self.weight, mixing, slot,
            held, total, stiffness,
        )  # fmt: skip
        return found


@lru_cache(maxsize=256)
def arrays(model: Model) -> tuple[Array, NDArray[np.int64], Array]:
    """Mixing of the amplitudes, which free rate each term has (-1 for none), and the rates that are held."""
    mixing = np.zeros((len(model.terms), len(model.amplitudes)))
    slot, held = np.full(len(model.terms), -1), np.zeros(len(model.terms))
    for j, (sign, a, k) in enumerate(model.terms):
        mixing[j, model.amplitudes.index(a)] = sign
        if k >= 0:
            slot[j] = model.rates.index(k)
        else:
            held[j] = model.rate(np.zeros(0), k)
    return mixing, slot, held


def fastest_rate_per_s(decay_constant_per_s: float) -> float:
    """Fastest rate that is fitted. [1/s]"""
    return max(math.log(2) / FASTEST_HALF_LIFE_S, LEAST_RANGE * decay_constant_per_s)


def problem(curve: TimeActivityCurve, model: Model, decay_constant_per_s: float) -> Problem:
    """Arrays of a model and a curve."""
    of = model.of(decay_constant_per_s)
    n_a, n_q = len(of.amplitudes), len(of.rates)
    size = float(curve.activity_bq.max())
    slow, fast = decay_constant_per_s, fastest_rate_per_s(decay_constant_per_s)
    steps = math.ceil(math.log(fast / slow) / math.log(GRID_RATIO)) + 1
    return Problem(
        model=of,
        decay_constant_per_s=decay_constant_per_s,
        size_bq=size,
        time_s=np.ascontiguousarray(curve.time_s, dtype=float),
        activity=curve.activity_bq / size,
        weight=size / weights(curve).sigma,
        low=np.concatenate([np.zeros(n_a), np.full(n_q, math.log(slow))]),
        high=np.concatenate([np.full(n_a, np.inf), np.log(_fastest(of, float(curve.time_s[0]), slow, fast))]),
        rates=np.geomspace(slow, fast, steps),
    )


def _fastest(model: Model, first_s: float, slow: float, fast: float) -> Array:
    """Upper limits of the rates: each of several phases of washout must be there to be seen at the first scan.

    One with a half-life far below the time of the first scan would be extrapolated backwards by any factor.
    """
    seen = min(fast, max(math.log(2) / (EARLIEST_SHARE * first_s), 2 * slow))
    n_a = len(model.amplitudes)
    return np.array([seen if i < n_a and n_a > 1 else fast for i in range(len(model.rates))])


def solution(curve: TimeActivityCurve, task: Problem, found: Array, chi2: float) -> Solution:
    """The kernels' parameters in the order and units of the model."""
    model, n_a = task.model, len(task.model.amplitudes)
    held = np.concatenate([found[:n_a] <= 1e-12 * found[:n_a].max(), np.zeros(found.size - n_a, bool)])
    slowest = np.abs(found - task.low) < 1e-9
    slowest[:n_a] = False
    held |= slowest | (np.abs(found - task.high) < 1e-9)
    parameters, at_limit, at_decay = np.zeros(found.size), np.zeros(found.size, bool), np.zeros(found.size, bool)
    order = _order(model, found)
    where = [*model.amplitudes, *model.rates]
    parameters[where] = np.concatenate([found[:n_a] * task.size_bq, np.exp(found[n_a:])])[order]
    at_limit[where], at_decay[where] = held[order], slowest[order]
    return Solution(
        model=model, parameters=parameters, chi2=chi2, n=curve.time_s.size, weights=weights(curve),
        held=at_limit, at_decay=at_decay,
    )  # fmt: skip


def _order(model: Model, found: Array) -> list[int]:
    """Washouts from the slowest to the fastest, each with its amplitude; as they are where a rate is held."""
    n_a, n_q = len(model.amplitudes), len(model.rates)
    if n_a < 2 or n_q < n_a:
        return list(range(n_a + n_q))
    washout = sorted(range(n_a), key=lambda m: found[n_a + m])
    return [*washout, *(n_a + m for m in washout), *range(2 * n_a, n_a + n_q)]
