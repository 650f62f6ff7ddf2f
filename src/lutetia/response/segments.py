r"""Protraction of any dose rate, piece by piece.

With :math:`r` the dose rate and :math:`\mu` the rate of repair, a piece of length h is told by

.. math:: D = \int r, \quad E = \int r(\tau) e^{-\mu\tau}, \quad L = \int r(\tau) e^{-\mu(h-\tau)}, \quad
          J = \int_0^h \int_0^\tau r(\tau) r(\sigma) e^{-\mu(\tau-\sigma)} d\sigma d\tau, \quad q = e^{-\mu h},

and two pieces that follow each other make one with :math:`J = J_1 + J_2 + L_1 E_2`, since what the first leaves
unrepaired (:math:`L_1`) meets the second. The Lea-Catcheside factor of the whole is :math:`2J/D^2`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import exprel

from lutetia.errors import ConvergenceError, InputError
from lutetia.response.repair import Repair, repair_of

Array = NDArray[np.float64]
DoseRate = Callable[[Array], Array]

ORDER: Final = 12
"""Gauss-Legendre nodes along a piece that is integrated numerically."""
DEEPEST: Final = 60
"""Halvings of a piece before the integration is given up."""
NEGLIGIBLE: Final = 1e-14
"""Share of the dose below which a late piece ends the integration."""
LONGEST: Final = 80
"""Doublings of the piece in search of the end of a dose rate."""
SERIES_BELOW: Final = 1.0
"""Repair over a piece below which the closed forms cancel, and their power series serve."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A stretch of time: D, E, L, J and q as in the head of this module, for one rate of repair."""

    dose: float
    early: float
    late: float
    inner: float
    remaining: float

    def then(self, other: "Piece") -> "Piece":
        """Join with the piece that follows."""
        return Piece(
            dose=self.dose + other.dose,
            early=self.early + self.remaining * other.early,
            late=self.late * other.remaining + other.late,
            inner=self.inner + other.inner + self.late * other.early,
            remaining=self.remaining * other.remaining,
        )


def _together(pieces: Iterable[Piece]) -> Piece:
    return reduce(Piece.then, pieces)


def factor_of(piece: Piece) -> float:
    """Lea-Catcheside factor of a piece that holds the whole irradiation."""
    if not piece.dose > 0:
        raise InputError(f"The dose rate integrates to {piece.dose:.3g}; expected a positive absorbed dose.")
    return 2 * piece.inner / piece.dose**2


def linear_piece(*, duration_s: float, first: float, last: float, repair_per_s: float) -> Piece:
    """A dose rate that goes from ``first`` to ``last`` in a straight line."""
    h, x, change = duration_s, repair_per_s * duration_s, last - first
    one, two = float(exprel(-x)), _first_moment(x)
    same, product = _kernels(x)
    return Piece(
        dose=0.5 * h * (first + last),
        early=h * (first * one + change * two),
        late=h * (last * one - change * two),
        inner=h**2 * ((first**2 + first * change) * same + change**2 * product),
        remaining=math.exp(-x),
    )


def _first_moment(x: float) -> float:
    """Integral of ``y exp(-x y)`` over 0 to 1."""
    if x < SERIES_BELOW:
        return sum((-x) ** n / (math.factorial(n) * (n + 2)) for n in range(20))
    return (1 - (1 + x) * math.exp(-x)) / x**2


def _kernels(x: float) -> tuple[float, float]:
    """Integrals of ``exp(-x (y-z))`` and of ``y z exp(-x (y-z))`` over 0 < z < y < 1.

    That of ``y + z`` equals the first, for the triangle is its own mirror image.
    """
    if x < SERIES_BELOW:
        terms = [(-x) ** n / math.factorial(n + 2) for n in range(20)]
        return sum(terms), sum(term / (n + 4) for n, term in enumerate(terms))
    return (x + math.expm1(-x)) / x**2, (x / 3 - 0.5 + _first_moment(x)) / x**2


def exponential_piece(*, duration_s: float, first: float, rate_per_s: float, repair_per_s: float) -> Piece:
    """A dose rate that falls as ``exp(-k t)`` from ``first``; ``rate_per_s`` k must be positive."""
    h, k, mu = duration_s, rate_per_s, repair_per_s
    early = first * h * float(exprel(-(k + mu) * h))
    slower = min(k, mu)
    return Piece(
        dose=first * h * float(exprel(-k * h)),
        early=early,
        late=first * h * math.exp(-slower * h) * float(exprel(-abs(k - mu) * h)),
        inner=first / (2 * k) * (early - first * h * math.exp(-2 * k * h) * float(exprel((k - mu) * h))),
        remaining=math.exp(-mu * h),
    )


def endless_piece(*, first: float, rate_per_s: float, repair_per_s: float) -> Piece:
    """A dose rate that falls as ``exp(-k t)`` from ``first`` for ever."""
    k, mu = rate_per_s, repair_per_s
    early = first / (k + mu)
    return Piece(dose=first / k, early=early, late=0.0, inner=first * early / (2 * k), remaining=0.0)


def lea_catcheside_trapezoid(
    time_s: Array,
    dose_rate: Array,
    *,
    early_rate_per_s: float,
    tail_rate_per_s: float,
    repair_half_life_s: float | Repair,
) -> float:
    """Lea-Catcheside factor of straight lines between points, an exponential before and one after; exact.

    Parameters
    ----------
    time_s : (n,) increasing, not negative. [s]
    dose_rate : (n,) at the points, in any unit, not negative
    early_rate_per_s : rate of the exponential from 0 to the first point (physical decay). [1/s]
    tail_rate_per_s : rate of the exponential after the last point. [1/s]
    repair_half_life_s : one half-life, or a ``Repair`` of several components. [s]

    Raises
    ------
    InputError
        Lengths that differ, times that do not increase, negative rates, or no dose at all.
    """
    t, r = np.asarray(time_s, dtype=float), np.asarray(dose_rate, dtype=float)
    if t.ndim != 1 or t.shape != r.shape or not t.size or np.any(np.diff(t) <= 0) or t[0] < 0 or np.any(r < 0):
        raise InputError(
            f"Times {t.tolist()} s with dose rates {r.tolist()}; expected as many, times that increase from 0 or later, "
            "and no negative rate."
        )
    if not (early_rate_per_s > 0 and tail_rate_per_s > 0):
        raise InputError(f"Rates {early_rate_per_s} and {tail_rate_per_s} /s before and after; expected above 0.")

    def factor(mu: float) -> float:
        before = exponential_piece(
            duration_s=t[0],
            first=r[0] * math.exp(early_rate_per_s * t[0]),
            rate_per_s=early_rate_per_s,
            repair_per_s=mu,
        )
        inside = (
            linear_piece(duration_s=t[i + 1] - t[i], first=r[i], last=r[i + 1], repair_per_s=mu)
            for i in range(t.size - 1)
        )
        after = endless_piece(first=r[-1], rate_per_s=tail_rate_per_s, repair_per_s=mu)
        return factor_of(_together((before, *inside, after)))

    return sum(weight * factor(mu) for weight, mu in repair_of(repair_half_life_s).components)


def lea_catcheside_numerical(
    dose_rate: DoseRate,
    repair_half_life_s: float | Repair,
    *,
    scale_s: float,
    breaks_s: Sequence[float] = (),
    tolerance: float = 1e-11,
) -> float:
    """Lea-Catcheside factor of any dose rate, by adaptive Gauss-Legendre integration.

    Parameters
    ----------
    dose_rate : gives the rate [any unit] at times after administration (n,) [s]; it must die away
    repair_half_life_s : one half-life, or a ``Repair`` of several components. [s]
    scale_s : a time in which the dose rate changes; the first piece after the last break. [s]
    breaks_s : times at which the dose rate has kinks or jumps, which makes it faster. [s]
    tolerance : of each piece, as a share of the whole

    Raises
    ------
    InputError
        No dose, or a scale that is not positive.
    ConvergenceError
        The dose rate does not die away, or is not finite, or too rough.
    """
    if not (scale_s > 0 and math.isfinite(scale_s)):
        raise InputError(f"A time scale of {scale_s} s; expected a positive one.")
    edges = [0.0, *(float(t) for t in breaks_s if t > 0)]
    edges += _edges_to_the_end(dose_rate, edges, scale_s)
    return sum(
        weight * _numerical_factor(dose_rate, edges, mu, tolerance)
        for weight, mu in repair_of(repair_half_life_s).components
    )


def _edges_to_the_end(dose_rate: DoseRate, edges: list[float], scale_s: float) -> list[float]:
    """Ends of ever longer pieces until two in a row hold nothing."""
    spans = pairwise(edges)
    total = sum(_numerical_piece(dose_rate, a, b, 0.0).dose for a, b in spans)
    last, length, found, nothing = edges[-1], scale_s, [], 0
    for _ in range(LONGEST):
        part = _numerical_piece(dose_rate, last, last + length, 0.0).dose
        total, last = total + part, last + length
        found.append(last)
        nothing = nothing + 1 if total > 0 and abs(part) <= NEGLIGIBLE * total else 0
        if nothing == 2:
            return found
        length *= 2
    raise ConvergenceError(
        f"The dose rate has not died away after {last:.3g} s (or is zero or not finite everywhere); expected one that does."
    )


def _numerical_factor(dose_rate: DoseRate, edges: list[float], mu: float, tolerance: float) -> float:
    spans = list(pairwise(edges))
    scale = sum(abs(_numerical_piece(dose_rate, a, b, 0.0).dose) for a, b in spans)
    pieces = (
        _adaptive_piece(dose_rate, a, b, mu, tolerance * scale, tolerance * scale**2, DEEPEST) for a, b in spans
    )
    return factor_of(_together(pieces))


def _adaptive_piece(
    dose_rate: DoseRate, start: float, end: float, mu: float, error: float, error_inner: float, depth: int
) -> Piece:
    """A piece that its two halves confirm; ``error`` is allowed for D, E, L, ``error_inner`` for J."""
    middle = 0.5 * (start + end)
    whole = _numerical_piece(dose_rate, start, end, mu)
    halves = _numerical_piece(dose_rate, start, middle, mu).then(_numerical_piece(dose_rate, middle, end, mu))
    off = max(abs(whole.dose - halves.dose), abs(whole.early - halves.early), abs(whole.late - halves.late))
    if off <= error and abs(whole.inner - halves.inner) <= error_inner:
        return halves
    if depth == 0 or not math.isfinite(halves.inner):
        raise ConvergenceError(f"The dose rate between {start:.6g} and {end:.6g} s is not finite, or too rough.")
    return _adaptive_piece(dose_rate, start, middle, mu, error, error_inner, depth - 1).then(
        _adaptive_piece(dose_rate, middle, end, mu, error, error_inner, depth - 1)
    )


_NODES, _WEIGHTS = (0.5 * part for part in np.polynomial.legendre.leggauss(ORDER))
_NODES = _NODES + 0.5


def _numerical_piece(dose_rate: DoseRate, start: float, end: float, mu: float) -> Piece:
    """One piece by Gauss-Legendre; the triangle of J is made a square by the earlier time as a share of the later."""
    h = end - start
    x = mu * h
    rate = np.asarray(dose_rate(start + h * _NODES), dtype=float)
    weighted = h * _WEIGHTS * rate
    shares = np.outer(_NODES, _NODES)
    before = np.asarray(dose_rate((start + h * shares).ravel()), dtype=float).reshape(shares.shape)
    unrepaired = (before * np.exp(-x * (_NODES[:, None] - shares))) @ _WEIGHTS
    return Piece(
        dose=float(weighted.sum()),
        early=float(weighted @ np.exp(-x * _NODES)),
        late=float(weighted @ np.exp(-x * (1 - _NODES))),
        inner=float(weighted @ (h * _NODES * unrepaired)),
        remaining=math.exp(-x),
    )
