"""Curves of one substance with another nuclide on it: biology is kept, physical decay exchanged."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lutetia.errors import InputError, OutOfRangeError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.population.model import PopulationModel, RegionKinetics
from lutetia.kinetics.population.shapes import SLOW
from lutetia.units import H_PER_S

Term = tuple[float, float]
"""Amplitude and rate of an exponential. [Bq], [1/s]"""

LARGEST_EXPONENT = 200.0
"""Points that decayed by e^200 hold no signal; their weights would leave the range of numbers."""
LEAST_BIOLOGICAL = 1e-3
"""Share of physical decay below which a population's biological rate is taken as none."""


def reweighted_curve(curve: TimeActivityCurve, *, imaging_per_s: float, therapy_per_s: float) -> TimeActivityCurve:
    r"""The activity that the same substance would have shown with the therapeutic nuclide on it.

    :math:`A_T(t_i) = A_I(t_i)\, e^{(\lambda_I - \lambda_T) t_i}`, uncertainties by the same factor: the relative
    uncertainty of each point stays. The residuals of a curve whose rates are :math:`\lambda + b` over their
    uncertainties stay as well, so that a fit of the new points with the new decay has the same biological rates b.

    Parameters
    ----------
    curve : as measured, not decay-corrected
    imaging_per_s, therapy_per_s : decay constants. [1/s]

    Raises
    ------
    InputError
        A decay constant that is not positive.
    OutOfRangeError
        A point so late that no activity of the imaging nuclide can have been seen.
    """
    if not (imaging_per_s > 0 and therapy_per_s > 0):
        raise InputError(f"Decay constants of {imaging_per_s} and {therapy_per_s} 1/s; expected above 0.")
    exponent = (imaging_per_s - therapy_per_s) * curve.time_s
    if np.any(np.abs(exponent) > LARGEST_EXPONENT):
        late = float(curve.time_s[np.argmax(np.abs(exponent))])
        raise OutOfRangeError(
            f"{curve.region}: the point at {late * H_PER_S:.0f} h lies {abs(imaging_per_s - therapy_per_s) * late:.0f} "
            "e-foldings of decay away; no activity can be carried over so far."
        )
    factor = np.exp(exponent)
    u = curve.standard_uncertainty_bq
    return replace(
        curve, activity_bq=curve.activity_bq * factor,
        standard_uncertainty_bq=None if u is None else u * factor,
    )  # fmt: skip


def reweighted_terms(terms: Sequence[Term], *, imaging_per_s: float, therapy_per_s: float) -> tuple[Term, ...]:
    r"""Terms with their biological rates kept: :math:`k_T = k_I - \lambda_I + \lambda_T`.

    Raises
    ------
    InputError
        A term slower than the physical decay of the imaging nuclide.
    """
    slow = [k for _, k in terms if k < imaging_per_s * (1 - 1e-9)]
    if slow:
        raise InputError(
            f"A term falls with {slow[0]:.3g} 1/s, slower than the nuclide decays ({imaging_per_s:.3g} 1/s)."
        )
    return tuple((a, max(k - imaging_per_s, 0.0) + therapy_per_s) for a, k in terms)


def share_until(terms: Sequence[Term], horizon_s: float) -> float:
    r"""Share of the time-integrated activity that decays within a time, :math:`\sum a/k\,(1-e^{-kH}) / \sum a/k`."""
    if not horizon_s > 0:
        raise InputError(f"A horizon of {horizon_s} s; expected above 0.")
    total = sum(a / k for a, k in terms)
    return sum(a / k * -math.expm1(-k * horizon_s) for a, k in terms) / total


def reweighted_population(
    population: PopulationModel, *, own_per_s: float, therapy_per_s: float
) -> PopulationModel:
    r"""A population's kinetics with another nuclide: its slowest rate moves by the difference of the decays.

    The faster rates are kept as excesses over the slowest and stay. To first order the standard deviation of the
    logarithm becomes :math:`\sigma k/k'`.

    Parameters
    ----------
    population : of the nuclide with ``own_per_s``. [1/s]
    therapy_per_s : decay constant of the nuclide that is wanted. [1/s]
    """
    if own_per_s == therapy_per_s:
        return population
    regions = {
        name: _reweighted_region(region, own_per_s, therapy_per_s) for name, region in population.regions.items()
    }
    return replace(population, regions=regions)


def _reweighted_region(region: RegionKinetics, own_per_s: float, therapy_per_s: float) -> RegionKinetics:
    rate = math.exp(float(region.mean_log[SLOW]))
    biological = max(rate - own_per_s, LEAST_BIOLOGICAL * own_per_s)
    moved = biological + therapy_per_s
    jacobian = np.ones(region.mean_log.size)
    jacobian[SLOW] = rate / moved
    mean = region.mean_log.copy()
    mean[SLOW] = math.log(moved)
    square = np.outer(jacobian, jacobian)
    known = region.mean_covariance
    return replace(
        region, mean_log=mean, omega=region.omega * square,
        mean_covariance=None if known is None else known * square, spread_standard_error=None,
    )  # fmt: skip
