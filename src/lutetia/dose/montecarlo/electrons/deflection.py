"""The shape of multiple scattering in one step: a truncated Pareto distribution that has its first two moments.

With mu = 1 - cosine, p(mu) ~ (mu + a)^-(s + 1) on [0, 2]: s = 1 is single screened Rutherford scattering, large s
the exponential of many small deflections. Scale a and exponent s are chosen so that the means of the first and second
Legendre polynomials are exp(-K1) and exp(-K2), as Goudsmit and Saunderson found them for any elastic scattering.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

LOG_K: Final = np.linspace(np.log(1e-4), np.log(0.5), 20)
RATIO: Final = np.linspace(1.2, 3.0, 19)
LEAST_SHAPE, GREATEST_SHAPE = 0.05, 200.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def pareto(k1: NDArray[np.float64], k2: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Scale, exponent and truncation of the deflections of steps with given transport strengths.

    Parameters
    ----------
    k1, k2 : (n,) first and second transport strength of a step, the exponents of the mean Legendre polynomials

    Returns
    -------
    scale a, inverse exponent 1/s, truncation c : (n,) each; mu = a ((1 - c q)^(-1/s) - 1) for q uniform in [0, 1)

    References
    ----------
    Goudsmit, Saunderson, Phys Rev 57, 24, 1940, doi:10.1103/PhysRev.57.24.
    """
    x = np.clip((np.log(k1) - LOG_K[0]) / (LOG_K[1] - LOG_K[0]), 0.0, LOG_K.size - 1.001)
    y = np.clip((k2 / k1 - RATIO[0]) / (RATIO[1] - RATIO[0]), 0.0, RATIO.size - 1.001)
    i, j = x.astype(int), y.astype(int)
    f, g = x - i, y - j
    table = _shapes()
    log_shape = (table[i, j] * (1 - g) + table[i, j + 1] * g) * (1 - f)
    log_shape += (table[i + 1, j] * (1 - g) + table[i + 1, j + 1] * g) * f
    shape = np.exp(log_shape)
    scale = _scale(-np.expm1(-k1), shape)
    return scale, 1.0 / shape, -np.expm1(-shape * np.log1p(2.0 / scale))


def _moments(
    scale: NDArray[np.float64], shape: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of mu and mu^2, by quadrature in log(1 + mu / a)."""
    length = np.log1p(2.0 / scale)
    s = 0.5 * length * (_NODES[:, None] + 1.0)
    density = _WEIGHTS[:, None] * np.exp(-shape * s)
    mu = scale * np.expm1(s)
    total = density.sum(axis=0)
    return (density * mu).sum(axis=0) / total, (density * mu**2).sum(axis=0) / total


def _scale(mean: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale that yields a mean deflection, by bisection in its logarithm."""
    low, high = np.full(mean.shape, np.log(1e-12)), np.full(mean.shape, np.log(1e6))
    for _ in range(45):
        middle = 0.5 * (low + high)
        above = _moments(np.exp(middle), shape)[0] > mean
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return np.asarray(np.exp(0.5 * (low + high)))


@lru_cache(maxsize=1)
def _shapes() -> NDArray[np.float64]:
    """Log of the exponent by log K1 and K2/K1, by bisection: a greater exponent has a smaller second moment."""
    k1, ratio = (grid.ravel() for grid in np.meshgrid(np.exp(LOG_K), RATIO, indexing="ij"))
    mean = -np.expm1(-k1)
    square = 1.0 - 2.0 * np.exp(-k1) + (1.0 + 2.0 * np.exp(-k1 * ratio)) / 3.0
    low, high = (np.full(mean.shape, np.log(edge)) for edge in (LEAST_SHAPE, GREATEST_SHAPE))
    for _ in range(25):
        middle = 0.5 * (low + high)
        shape = np.exp(middle)
        above = _moments(_scale(mean, shape), shape)[1] > square
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(0.5 * (low + high)).reshape(LOG_K.size, RATIO.size)
