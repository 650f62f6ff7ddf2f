"""Curves of what is not imaged: blood samples, the whole body by a probe or planar counts, urine."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.units import H_PER_S

Array = NDArray[np.float64]

BLOOD: Final = "blood"
WHOLE_BODY: Final = "whole body"
BEYOND_ALL: Final = 1.1
"""Excreted or retained over administered activity above which a measurement is said to be wrong."""
UNBALANCED: Final = 0.15
"""Share of the administered activity that body and urine may lack or exceed where no uncertainty is known."""
COVERAGE: Final = 2.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WholeBodyRetention:
    """Activity of the whole body over time.

    Attributes
    ----------
    curve : with the independent uncertainty of each point
    shared_relative_uncertainty : of the scale, common to all points (that of the administered activity where it was
        given); None when unknown
    warnings : what was assumed
    """

    curve: TimeActivityCurve
    shared_relative_uncertainty: float | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Excretion:
    """Cumulative excreted share of the administered activity, decay-corrected to the administration.

    Attributes
    ----------
    time_s : (n,) end of each collection. [s]
    fraction : (n,) excreted up to then
    standard_uncertainty : (n,) None when unknown
    """

    time_s: Array
    fraction: Array
    standard_uncertainty: Array | None


def blood_curve(
    *, time_s: Array, concentration_bq_per_ml: Array, standard_uncertainty_bq_per_ml: Array | None = None
) -> TimeActivityCurve:
    """Activity of 1 mL of whole blood: samples as counted, decay-corrected to when they were drawn.

    The curve's activities [Bq] are those of 1 mL, so that a fit's time-integrated activity is in Bq s per mL.

    Raises
    ------
    InputError
        Times or values that cannot be; the message lists them.
    """
    return TimeActivityCurve(
        region=BLOOD,
        time_s=time_s,
        activity_bq=concentration_bq_per_ml,
        standard_uncertainty_bq=standard_uncertainty_bq_per_ml,
    )


def geometric_mean_counts(anterior: Array, posterior: Array) -> tuple[Array, Array]:
    """Geometric mean of opposed views, and its relative standard uncertainty by Poisson statistics.

    ``G = sqrt(A P)``, ``u(G)/G = sqrt(1/A + 1/P)/2``. Counts are net of background; where that was large, their variance
    is larger than the counts and the uncertainty too small.

    Raises
    ------
    InputError
        Counts that are not positive, or unequal numbers of views.
    """
    if anterior.shape != posterior.shape or np.any(anterior <= 0) or np.any(posterior <= 0):
        raise InputError(
            f"Anterior {anterior.tolist()} and posterior {posterior.tolist()} counts: expected one positive number of each "
            "per time."
        )
    return np.sqrt(anterior * posterior), 0.5 * np.sqrt(1 / anterior + 1 / posterior)


def whole_body_from_counts(
    *,
    time_s: Array,
    counts: Array,
    relative_uncertainty: Array | None,
    administered_activity_bq: float,
    decay_constant_per_s: float,
    administered_relative_uncertainty: float | None = None,
) -> WholeBodyRetention:
    r"""Whole-body activity by counts at one geometry, on the scale of the first measurement before voiding.

    :math:`A(t_i) = A_0 e^{-\lambda t_1} N_i/N_1`: at the first all that was given is still in the body. Counts are as
    measured (not decay-corrected), net of background, in equal times; of a probe, or the geometric mean of planar views.

    Raises
    ------
    InputError
        Counts that are not positive.
    FitError
        Counts that rise: the body cannot gain activity, so the first was not before voiding or the geometry changed.

    References
    ----------
    Hindorf C, et al. Eur J Nucl Med Mol Imaging 37 (2010) 1238-1250, doi:10.1007/s00259-010-1422-4.
    """
    if counts.shape != time_s.shape or np.any(~(counts > 0)):
        raise InputError(f"Whole-body counts {counts.tolist()}: expected one positive number per time.")
    left = counts / counts[0] * np.exp(decay_constant_per_s * (time_s - time_s[0]))
    spread = np.zeros_like(left) if relative_uncertainty is None else relative_uncertainty
    least = left * (1 - COVERAGE * np.hypot(spread, spread[0]))
    worst = int(np.argmax(least))
    if least[worst] > BEYOND_ALL:
        raise FitError(
            f"Whole-body counts at {time_s[worst] * H_PER_S:.1f} h are {left[worst]:.2f} times those of the first "
            "measurement after correction for decay; the body cannot gain activity. Check the geometry, dead time and "
            "that the first was taken before voiding."
        )
    activity = administered_activity_bq * math.exp(-decay_constant_per_s * float(time_s[0])) * counts / counts[0]
    u = None if relative_uncertainty is None else relative_uncertainty * activity
    shared = None
    if relative_uncertainty is not None:
        shared = math.hypot(float(relative_uncertainty[0]), administered_relative_uncertainty or 0.0)
    curve = TimeActivityCurve(region=WHOLE_BODY, time_s=time_s, activity_bq=activity, standard_uncertainty_bq=u)
    told = [
        f"The whole body was taken to hold all of the administered activity at the first measurement, "
        f"{float(time_s[0]) * H_PER_S:.2f} h."
    ]
    if administered_relative_uncertainty is None and shared is not None:
        told.append(
            "The whole body's uncertainty leaves out that of the administered activity, which was not given."
        )
    return WholeBodyRetention(curve=curve, shared_relative_uncertainty=shared, warnings=tuple(told))


def urinary_excretion(
    *,
    time_s: Array,
    volume_ml: Array,
    concentration_bq_per_ml: Array,
    relative_uncertainty: Array | None,
    administered_activity_bq: float,
    decay_constant_per_s: float,
) -> Excretion:
    r"""Cumulative urinary excretion, :math:`U(t_i) = \sum_{j \le i} V_j c_j e^{\lambda t_j} / A_0`.

    Parameters
    ----------
    time_s : end of each collection, to which its concentration is decay-corrected. [s]
    volume_ml, concentration_bq_per_ml : of each collection
    relative_uncertainty : of each collection's activity (k=1), None when unknown

    Raises
    ------
    InputError
        Times that do not increase, or negative volumes or concentrations.
    FitError
        More than 1.1 times the administered activity.
    """
    if np.any(time_s <= 0) or np.any(np.diff(time_s) <= 0):
        raise InputError(f"Urine: ends of collections must increase from 0 on, got {time_s.tolist()} s.")
    if np.any(~(volume_ml >= 0)) or np.any(~(concentration_bq_per_ml >= 0)):
        raise InputError("Urine: volumes and concentrations must be 0 or more.")
    parts = volume_ml * concentration_bq_per_ml * np.exp(decay_constant_per_s * time_s) / administered_activity_bq
    fraction = np.cumsum(parts)
    if fraction[-1] > BEYOND_ALL:
        raise FitError(
            f"Urine: {fraction[-1]:.2f} of the administered activity were collected up to {time_s[-1] * H_PER_S:.1f} h; at "
            "most 1 can be. Check units, volumes, and that concentrations hold at the end of each collection."
        )
    u = None if relative_uncertainty is None else np.sqrt(np.cumsum((parts * relative_uncertainty) ** 2))
    return Excretion(time_s=time_s, fraction=fraction, standard_uncertainty=u)


def whole_body_from_urine(
    excretion: Excretion, *, administered_activity_bq: float, decay_constant_per_s: float
) -> WholeBodyRetention:
    r"""What urine leaves in the body, :math:`A(t) = A_0 e^{-\lambda t} [1 - U(t)]`.

    An upper estimate: faeces and what was lost are counted as still in the body. Errors of a cumulative sum are shared by
    all later points, so that a fit that takes them as independent is too certain; a warning says so.
    """
    left = np.maximum(1.0 - excretion.fraction, 0.0)
    scale = administered_activity_bq * np.exp(-decay_constant_per_s * excretion.time_s)
    u = None if excretion.standard_uncertainty is None else excretion.standard_uncertainty * scale
    curve = TimeActivityCurve(
        region=WHOLE_BODY, time_s=excretion.time_s, activity_bq=left * scale, standard_uncertainty_bq=u
    )
    told = (
        "The whole body is what urine left of the administered activity; faeces and lost urine are counted as still in it, "
        "and the errors of its points are not independent.",
    )
    return WholeBodyRetention(curve=curve, shared_relative_uncertainty=None, warnings=told)


def unbalanced(
    body: TimeActivityCurve,
    excretion: Excretion,
    *,
    administered_activity_bq: float,
    decay_constant_per_s: float,
) -> tuple[str, ...]:
    """Times at which body and urine together are not the administered activity, in words; empty when they are.

    The body is interpolated between its points (logarithm, decay-corrected). The balance may be off by twice its standard
    uncertainty where known of both, else by 15 %; too little may also have gone by other ways.
    """
    retained = body.activity_bq * np.exp(decay_constant_per_s * body.time_s) / administered_activity_bq
    inside = (excretion.time_s >= body.time_s[0]) & (excretion.time_s <= body.time_s[-1])
    told = []
    for i in np.flatnonzero(inside):
        time_s = float(excretion.time_s[i])
        held = math.exp(float(np.interp(time_s, body.time_s, np.log(np.maximum(retained, 1e-12)))))
        total = held + float(excretion.fraction[i])
        allowed = UNBALANCED
        if excretion.standard_uncertainty is not None and body.standard_uncertainty_bq is not None:
            share = body.standard_uncertainty_bq / np.maximum(body.activity_bq, 1e-300)
            u_body = held * float(np.interp(time_s, body.time_s, share))
            allowed = COVERAGE * math.hypot(u_body, float(excretion.standard_uncertainty[i]))
        if abs(total - 1) > allowed:
            told.append(
                f"At {time_s * H_PER_S:.1f} h body ({held:.2f}) and urine ({excretion.fraction[i]:.2f}) are {total:.2f} of "
                f"the administered activity, corrected for decay; within {allowed:.2f} of 1 was expected."
            )
    return tuple(told)
