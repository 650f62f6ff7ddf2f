r"""The Lea-Catcheside factor: how much of the quadratic effect is left when dose comes slowly and damage is repaired.

.. math:: G = \frac{2}{D^2} \int_0^\infty r(t) \int_0^t r(s)\, \varphi(t-s)\, ds\, dt, \quad D = \int_0^\infty r\, dt

with the dose rate r and the share :math:`\varphi` of damage unrepaired a time later. 1 for a flash, 0 when repair
is far faster than the dose. G does not change when r is multiplied by a number, so activity serves for dose rate
where a region irradiates mainly itself and keeps its mass.

References
----------
Lea DE, Catcheside DG. J Genet 44 (1942) 216-245. doi:10.1007/BF02982830
Sachs RK, Hahnfeld P, Brenner DJ. Int J Radiat Biol 72 (1997) 351-374. doi:10.1080/095530097143149
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import exprel

from lutetia.errors import InputError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.response.repair import Repair, repair_of
from lutetia.response.segments import lea_catcheside_numerical
from lutetia.units import S_PER_H

Array = NDArray[np.float64]
Exponentials = Sequence[tuple[float, float]]
"""(amplitude, rate [1/s]) of each term of the dose rate; amplitudes in any unit unless said otherwise."""
ByHalfLife = Callable[[Array], Array]
"""The factor at each of several repair half-lives. [s]"""


def _terms(exponentials: Exponentials) -> tuple[Array, Array, float]:
    """Amplitudes, rates and the integral."""
    table = np.asarray(exponentials, dtype=float).reshape(-1, 2)
    a, k = table[:, 0], table[:, 1]
    if not table.size or not np.all(np.isfinite(table)) or np.any(k <= 0):
        raise InputError(f"Exponentials {list(exponentials)}; expected (amplitude, rate) with positive rates.")
    total = float(np.sum(a / k))
    if not total > 0:
        raise InputError(
            f"The exponentials {list(exponentials)} integrate to {total:.3g}; expected a positive dose."
        )
    return a, k, total


def _factor(exponentials: Exponentials, repair_per_s: Array) -> Array:
    """G for each of several rates of repair."""
    a, k, total = _terms(exponentials)
    # the sum over j does not hold the rate of repair
    row = a * np.sum(a / np.add.outer(k, k), axis=1)
    return np.asarray(2 / total**2 * np.sum(row / np.add.outer(repair_per_s, k), axis=-1))


def lea_catcheside_exponentials(exponentials: Exponentials, repair_half_life_s: float | Repair) -> float:
    r"""Lea-Catcheside factor of a dose rate :math:`\sum_i a_i e^{-\lambda_i t}`, exact.

    .. math:: G = \frac{2}{D^2} \sum_{ij} \frac{a_i a_j}{(\lambda_i+\lambda_j)(\lambda_i+\mu)}, \quad
              D = \sum_i a_i/\lambda_i

    One exponential: ``T_rep / (T_rep + T_eff)``. The sum runs over ordered pairs, so that it is symmetric as a whole.
    Amplitudes may be negative (uptake). Where positive and negative terms nearly cancel, of rates that differ by a share
    d, digits are lost as 1/d^2.

    Parameters
    ----------
    exponentials : (amplitude [any unit], rate [1/s]) of each term
    repair_half_life_s : one half-life, or a ``Repair`` of several components. [s]

    Raises
    ------
    InputError
        No term, a rate that is not positive, a dose that is not positive, or a half-life that is not.
    """
    repair = repair_of(repair_half_life_s)
    return float(sum(w * _factor(exponentials, np.array([mu]))[0] for w, mu in repair.components))


def lea_catcheside_factor(
    fit: CurveFit, repair_half_life_s: float | Repair, *, curve: TimeActivityCurve | None = None
) -> float:
    """Lea-Catcheside factor of a region whose dose rate follows its own activity.

    Closed form where the fit is a sum of exponentials, else by integrating ``fit.activity_at``.

    Parameters
    ----------
    fit : of the region's time-activity curve
    repair_half_life_s : one half-life, or a ``Repair`` of several components. [s]
    curve : the measured points, at which a fit without exponentials may have kinks

    Raises
    ------
    InputError
        A half-life that is not positive, or a curve without activity.
    """
    if fit.exponentials:
        return lea_catcheside_exponentials(fit.exponentials, repair_half_life_s)
    return lea_catcheside_numerical(
        fit.activity_at,
        repair_half_life_s,
        scale_s=fit.effective_half_life_s or S_PER_H,
        breaks_s=() if curve is None else tuple(float(t) for t in curve.time_s),
    )


def factor_by_half_life(fit: CurveFit, *, curve: TimeActivityCurve | None = None) -> ByHalfLife:
    """The Lea-Catcheside factor of a fit as a function of the repair half-life [s], for many at once.

    Exact for exponentials, else through a spline, good to about 1e-6.
    """
    if fit.exponentials:
        return exponentials_by_half_life(fit.exponentials)
    return _by_spline(lambda half_life_s: lea_catcheside_factor(fit, half_life_s, curve=curve))


def _by_spline(factor: Callable[[float], float], n_nodes: int = 33) -> ByHalfLife:
    """A factor computed at nodes over the range that is asked for, in the logarithm of the half-life."""

    def interpolated(half_life_s: Array) -> Array:
        asked = np.log(np.asarray(half_life_s, dtype=float))
        nodes = np.linspace(asked.min() - 1e-3, asked.max() + 1e-3, n_nodes)
        return np.asarray(CubicSpline(nodes, [factor(math.exp(node)) for node in nodes])(asked))

    return interpolated


def exponentials_by_half_life(exponentials: Exponentials) -> ByHalfLife:
    """The factor of ``lea_catcheside_exponentials`` as a function of the repair half-life [s], for many at once."""
    return lambda half_life_s: _factor(exponentials, math.log(2) / np.asarray(half_life_s, dtype=float))


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """Dose rate of one cycle of therapy.

    Attributes
    ----------
    exponentials : (dose rate [Gy/s], rate [1/s]) of each term, from the cycle's administration on
    start_s : when it is given, from any origin. [s]
    """

    exponentials: tuple[tuple[float, float], ...]
    start_s: float = 0.0

    @property
    def absorbed_dose_gy(self) -> float:
        """Absorbed dose of the cycle. [Gy]"""
        return _terms(self.exponentials)[2]


def cycle_of(*, absorbed_dose_gy: float, exponentials: Exponentials, start_s: float = 0.0) -> Cycle:
    """A cycle with the shape of a curve (its exponentials in any unit) and a given absorbed dose. [Gy], [s]"""
    if not (absorbed_dose_gy > 0 and math.isfinite(absorbed_dose_gy)):
        raise InputError(f"An absorbed dose of {absorbed_dose_gy} Gy in a cycle; expected more than 0.")
    scale = absorbed_dose_gy / _terms(exponentials)[2]
    return Cycle(exponentials=tuple((scale * a, k) for a, k in exponentials), start_s=start_s)


def lea_catcheside_course(cycles: Sequence[Cycle], repair_half_life_s: float | Repair) -> float:
    r"""Lea-Catcheside factor of several cycles as one protracted irradiation, exact.

    The dose rate of the course is the sum of the cycles', each from its start on. Pairs of cycles a time
    :math:`\Delta` apart add what the first leaves unrepaired in the second, and what still decays of it:

    .. math:: D^2 G = \sum_c D_c^2 G_c + 2 \sum_{c<d} \iint r_c(u)\, r_d(v)\, e^{-\mu|u-v-\Delta|}\, du\, dv

    which for terms :math:`a e^{-pu}`, :math:`b e^{-qv}` is

    .. math:: \frac{ab}{p+q} \left[ \frac{e^{-p\Delta}}{p+\mu} + \frac{1}{q+\mu} \left( e^{-p\Delta} + (p+q)
              \frac{e^{-p\Delta}-e^{-\mu\Delta}}{\mu-p} \right) \right]

    Far apart (:math:`\Delta` beyond the half-lives of decay and repair) the pairs vanish, and the quadratic effects of
    the cycles add up.

    Raises
    ------
    InputError
        No cycle, or one whose dose rate cannot be.
    """
    if not cycles:
        raise InputError("A course needs at least one cycle; none was given.")
    ordered = sorted(cycles, key=lambda cycle: cycle.start_s)
    total = sum(cycle.absorbed_dose_gy for cycle in ordered)
    return sum(weight * _course(ordered, mu) for weight, mu in repair_of(repair_half_life_s).components) / total**2


def course_by_half_life(cycles: Sequence[Cycle]) -> ByHalfLife:
    """The factor of ``lea_catcheside_course`` as a function of the repair half-life [s], through a spline."""
    return _by_spline(lambda half_life_s: lea_catcheside_course(cycles, half_life_s))


def _course(cycles: Sequence[Cycle], mu: float) -> float:
    """D^2 G for one rate of repair."""
    quadratic = 0.0
    for i, second in enumerate(cycles):
        own = float(_factor(second.exponentials, np.array([mu]))[0])
        quadratic += own * second.absorbed_dose_gy**2
        quadratic += 2 * sum(_pair(first, second, mu) for first in cycles[:i])
    return quadratic


def _pair(first: Cycle, second: Cycle, mu: float) -> float:
    (a, p, _), (b, q, _) = _terms(first.exponentials), _terms(second.exponentials)
    apart = second.start_s - first.start_s
    left = np.exp(-p * apart)
    # (exp(-p x) - exp(-mu x)) / (mu - p), which is finite where the two rates are the same
    crossing = apart * np.exp(-np.minimum(p, mu) * apart) * exprel(-np.abs(p - mu) * apart)
    both = np.add.outer(p, q)
    inner = (left / (p + mu))[:, None] + (left[:, None] + both * crossing[:, None]) / (q + mu)
    return float(a @ (inner / both) @ b)
