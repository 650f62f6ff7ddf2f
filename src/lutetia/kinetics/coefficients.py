"""Time-integrated activity coefficients, their sum, and the contents of a bladder that is emptied."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lutetia.errors import FitError, InputError
from lutetia.kinetics.consistency import TOLERANCE
from lutetia.kinetics.curve import CurveFit
from lutetia.units import H_PER_S

COVERAGE: Final = 2.0
"""Standard uncertainties by which a sum may exceed what is possible before it is told."""
AT_ONCE_PER_S: Final = math.log(2) / 60.0
"""Rate of what left before the first measurement, nobody saw how fast."""
ROUNDING: Final = 1e-9

ExcretedTerm = tuple[float, float]
"""Fraction of the administered activity that leaves, and the biological rate at which it does. [1/s]"""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeIntegratedActivityCoefficient:
    r"""Decays in a region per administered activity, :math:`\tilde a = \tilde A / A_0`.

    Attributes
    ----------
    region : name of the region
    value_s : [s]; the tables of the field give hours
    standard_uncertainty_s : None when unknown, never 0. [s]
    """

    region: str
    value_s: float
    standard_uncertainty_s: float | None = None


def time_integrated_activity_coefficient(
    region: str,
    *,
    time_integrated_activity_bq_s: float,
    administered_activity_bq: float,
    standard_uncertainty_bq_s: float | None = None,
    administered_relative_uncertainty: float = 0.0,
) -> TimeIntegratedActivityCoefficient:
    r"""Coefficient of one region, :math:`\tilde a = \tilde A / A_0`, with the uncertainties of both in quadrature.

    Raises
    ------
    InputError
        No administered activity, or a negative number of decays.

    References
    ----------
    MIRD Pamphlet 21, J Nucl Med 50 (2009) 477-484, doi:10.2967/jnumed.108.056036, equation 5 ("residence time" before).
    """
    if not 0 < administered_activity_bq < math.inf:
        raise InputError(f"Administered activity of {administered_activity_bq} Bq; expected more than 0.")
    if not 0 <= time_integrated_activity_bq_s < math.inf:
        raise InputError(f"{region}: {time_integrated_activity_bq_s} decays; expected 0 or more.")
    value = time_integrated_activity_bq_s / administered_activity_bq
    u = None
    if standard_uncertainty_bq_s is not None:
        u = math.hypot(
            standard_uncertainty_bq_s / administered_activity_bq, administered_relative_uncertainty * value
        )
    return TimeIntegratedActivityCoefficient(region=region, value_s=value, standard_uncertainty_s=u or None)


def largest_coefficient_s(decay_constant_per_s: float) -> float:
    r"""Greatest sum of all coefficients, :math:`1/\lambda = T_{1/2}/\ln 2`: every nucleus decays once. [s]"""
    if not decay_constant_per_s > 0:
        raise InputError(f"Decay constant of {decay_constant_per_s} 1/s; expected more than 0.")
    return 1.0 / decay_constant_per_s


def impossible_sum(
    coefficients: Sequence[TimeIntegratedActivityCoefficient], *, decay_constant_per_s: float
) -> str | None:
    """What is wrong with the sum of coefficients of regions that share no tissue; None when it can be.

    A sum may exceed the decays of the whole administered activity by twice its standard uncertainty (components in
    quadrature) where that is known of every region, and by ``TOLERANCE`` at most.
    """
    if not coefficients:
        return None
    total = sum(c.value_s for c in coefficients)
    greatest = largest_coefficient_s(decay_constant_per_s)
    us = [c.standard_uncertainty_s for c in coefficients]
    allowed = 0.0 if any(u is None for u in us) else COVERAGE * math.sqrt(sum((u or 0.0) ** 2 for u in us))
    if total <= greatest * (1 + ROUNDING) + min(allowed, (TOLERANCE - 1) * greatest):
        return None
    leading = max(coefficients, key=lambda c: c.value_s)
    return (
        f"The time-integrated activity coefficients of {len(coefficients)} region(s) sum to {total * H_PER_S:.1f} h; all "
        f"decays of the administered activity are {greatest * H_PER_S:.1f} h. The largest is {leading.region} with "
        f"{leading.value_s * H_PER_S:.1f} h: check calibration, administered activity, overlapping regions and tails."
    )


def require_possible_sum(
    coefficients: Sequence[TimeIntegratedActivityCoefficient],
    *,
    decay_constant_per_s: float,
    tolerance: float = TOLERANCE,
) -> tuple[str, ...]:
    """The finding of ``impossible_sum`` as a warning, or an error where the sum is too great by more than a factor.

    Raises
    ------
    FitError
        More decays than ``tolerance`` times those of the administered activity.
    """
    told = impossible_sum(coefficients, decay_constant_per_s=decay_constant_per_s)
    if told is None:
        return ()
    if sum(c.value_s for c in coefficients) > tolerance * largest_coefficient_s(decay_constant_per_s):
        raise FitError(told)
    return (told,)


def remainder_of_body(
    whole_body: TimeIntegratedActivityCoefficient, parts: Sequence[TimeIntegratedActivityCoefficient]
) -> TimeIntegratedActivityCoefficient:
    r"""The rest of the body, :math:`\tilde a_{WB} - \sum_h \tilde a_h`, uncertainties in quadrature.

    Raises
    ------
    FitError
        The parts exceed the whole by more than twice the standard uncertainty of the difference. Within it the rest
        is 0.
    """
    rest = whole_body.value_s - sum(part.value_s for part in parts)
    us = [c.standard_uncertainty_s for c in (whole_body, *parts)]
    u = None if any(x is None for x in us) else math.sqrt(sum((x or 0.0) ** 2 for x in us))
    if rest < -COVERAGE * (u or 0.0) - ROUNDING * whole_body.value_s:
        raise FitError(
            f"The organs ({', '.join(part.region for part in parts)}) hold {-rest * H_PER_S:.2f} h more than the whole "
            f"body ({whole_body.value_s * H_PER_S:.2f} h); the two are not on one scale."
        )
    return TimeIntegratedActivityCoefficient(
        region="remainder", value_s=max(0.0, rest), standard_uncertainty_s=u or None
    )


def excreted_terms(
    whole_body: CurveFit, *, administered_activity_bq: float, decay_constant_per_s: float
) -> tuple[ExcretedTerm, ...]:
    r"""What leaves the body, from the phases of its retention.

    A retention :math:`A(t) = A_0 \sum_j f_j e^{-(\lambda + b_j) t}` leaves a decay-corrected
    :math:`\sum_j f_j (1 - e^{-b_j t})` to excretion. A phase at physical decay stays in the body and is no term. What the
    phases do not add up to 1 left before the first measurement, and is taken to have left within minutes; phases that
    add up to more are scaled down to 1.

    Raises
    ------
    InputError
        The curve is not a sum of exponentials.
    """
    if not whole_body.exponentials:
        raise InputError(
            f"{whole_body.region}: a {whole_body.model} is no sum of exponentials, so excretion has no rates; fit another."
        )
    held = sum(amplitude_bq for amplitude_bq, _ in whole_body.exponentials) / administered_activity_bq
    given_bq = administered_activity_bq * max(held, 1.0)
    terms = tuple(
        (amplitude_bq / given_bq, rate - decay_constant_per_s)
        for amplitude_bq, rate in whole_body.exponentials
        if rate > decay_constant_per_s * (1 + ROUNDING)
    )
    return terms if held > 1.0 - ROUNDING else (*terms, (1.0 - held, AT_ONCE_PER_S))


def bladder_coefficient_s(
    terms: Sequence[ExcretedTerm], *, decay_constant_per_s: float, voiding_interval_s: float
) -> float:
    r"""Decays in the contents of a bladder that is emptied wholly at even intervals T from the administration on. [s]

    :math:`\tilde a = \sum_j f_j \frac{(1 - e^{-\lambda T})/\lambda - (1 - e^{-k_j T})/k_j}{1 - e^{-k_j T}}`,
    :math:`k_j = \lambda + b_j`. Without voiding (T to infinity) all that was excreted decays in it. All terms are taken
    to leave by the bladder; the dose rate to a wall that stretches is not part of it.

    Raises
    ------
    InputError
        An interval that is not positive.

    References
    ----------
    Cloutier RJ, Smith SA, Watson EE, Snyder WS, Warner GG. Dose to the fetus from radionuclides in the bladder. Health
    Phys 25 (1973) 147-161, doi:10.1097/00004032-197308000-00009. Thomas SR, et al. MIRD Pamphlet 14 revised, J Nucl Med 40
    (1999) 102S-123S (its bladder has a volume that grows and an initial content; here both are left out).
    """
    if not voiding_interval_s > 0:
        raise InputError(f"Voiding interval of {voiding_interval_s} s; expected more than 0.")
    whole = -math.expm1(-decay_constant_per_s * voiding_interval_s) / decay_constant_per_s
    total = 0.0
    for fraction, rate in terms:
        k = decay_constant_per_s + rate
        filled = -math.expm1(-k * voiding_interval_s)
        total += fraction * (whole - filled / k) / filled
    return total
