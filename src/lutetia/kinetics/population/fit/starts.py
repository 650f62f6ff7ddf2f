"""Where the fit of a population starts: pooled curve, then each patient's own."""

import itertools
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.kinetics.population.individual import Observations, Prior, modes, started
from lutetia.kinetics.population.shapes import SLOW, Shape

Array = NDArray[np.float64]

SLOW_SPANS: Final = (0.05, 0.12, 0.3, 0.7, 1.5)
"""Slow half-lives to try, in units of the longest time of a scan."""
FAST_SPANS: Final = (0.004, 0.015, 0.05)
RATIOS: Final = (0.3, 1.0, 3.0)
"""Fast over slow amplitude."""
WIDE: Final = 0.5
"""Standard deviation of log-parameters across patients to start with; of the scale four times as much."""
FIRST_ERROR: Final = 0.1


def pooled_mean(shape: Shape, seen: Observations) -> Array:
    """Log-parameters, from a small grid, whose curve has all patients' form best, each being scaled by itself."""
    span = float(seen.time_s.max())
    slow = [math.log(math.log(2) / (span * f)) for f in SLOW_SPANS]
    fast = [math.log(math.log(2) / (span * f)) for f in FAST_SPANS] if shape.size > 2 else [0.0]
    ratio = [math.log(r) for r in RATIOS] if len(shape.amplitudes) > 1 else [0.0]
    best, least = np.zeros(shape.size), math.inf
    for k, x, r in itertools.product(slow, fast, ratio):
        mean = np.array([0.0, k, *([r] if len(shape.amplitudes) > 1 else []), *([x] if shape.size > 2 else [])])
        q = started(shape, seen, mean)
        positive = seen.seen & (seen.activity > 0)
        found = np.maximum(shape.activity(q, seen.time_s), 1e-300)
        off = np.where(positive, np.log(np.where(positive, seen.activity, 1.0) / found), 0.0)
        misfit = float(np.minimum(np.abs(off), 2.0).sum())
        if misfit < least:
            best, least = mean + shape.scale * float(np.median(q[:, 0] - mean[0])), misfit
    return best


def first_prior(shape: Shape, seen: Observations, *, additive: float, stated: bool) -> tuple[Prior, Array]:
    """Two-stage estimate: mean and covariance of the patients' own curves, found with a wide prior about the pooled one.

    Twice, so that a pooled curve far from the truth matters little.
    """
    mean = pooled_mean(shape, seen)
    wide = np.full(shape.size, WIDE**2)
    wide[list(shape.amplitudes)] = (4 * WIDE) ** 2
    prior = Prior(mean=mean, precision=np.diag(1 / wide), proportional=FIRST_ERROR, additive=additive)
    omega = np.diag(wide)
    for _ in range(2):
        q, curvature = modes(shape, seen, prior)
        omega = np.cov(q.T).reshape(shape.size, shape.size) + np.linalg.inv(curvature).mean(axis=0)
        # the middle patient does not move with one whose curve says nothing
        middle = np.median(q, axis=0)
        middle[SLOW] = float(np.mean(q[:, SLOW]))
        prior = Prior(
            mean=middle,
            precision=np.linalg.inv(omega),
            proportional=FIRST_ERROR / 3 if stated else FIRST_ERROR,
            additive=additive,
        )
    return prior, omega
