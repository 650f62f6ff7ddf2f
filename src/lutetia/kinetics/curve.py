"""Activity of a region over time, and what a model makes of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TimeActivityCurve:
    """Activity of one source region at successive times after administration (not decay-corrected to 0).

    Attributes
    ----------
    region : name of the region
    time_s : (n,) increasing, positive. [s]
    activity_bq : (n,). [Bq]
    standard_uncertainty_bq : (n,) of the independent (per-scan) part, None when unknown. [Bq]
    """

    region: str
    time_s: NDArray[np.float64]
    activity_bq: NDArray[np.float64]
    standard_uncertainty_bq: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.time_s.ndim != 1 or self.time_s.shape != self.activity_bq.shape or self.time_s.size == 0:
            raise InputError(
                f"{self.region}: {self.time_s.size} times but {self.activity_bq.size} activities; "
                "give one activity per time, and at least one."
            )
        if not np.all(np.isfinite(self.time_s)) or np.any(self.time_s <= 0):
            raise InputError(
                f"{self.region}: times must be finite and after administration, got {self.time_s.tolist()} s."
            )
        if np.any(np.diff(self.time_s) <= 0):
            raise InputError(f"{self.region}: time_s must increase, got {self.time_s.tolist()}.")
        if not np.all(np.isfinite(self.activity_bq)) or np.any(self.activity_bq < 0):
            raise InputError(f"{self.region}: activities must be finite and not negative, got {self.activity_bq}.")
        u = self.standard_uncertainty_bq
        if u is not None and (u.shape != self.time_s.shape or not np.all(np.isfinite(u)) or np.any(u < 0)):
            raise InputError(
                f"{self.region}: one finite, non-negative standard uncertainty per time expected, got {u}; None where "
                "it is not known."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One model that was tried on a curve.

    ``weight`` is its Akaike weight among the candidates that AICc can judge, 0 for the others.
    """

    model: str
    aicc: float | None
    weight: float
    time_integrated_activity_bq_s: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CurveFit:
    """A model of a time-activity curve and its integral from administration to infinity.

    ``activity_at`` gives the modelled activity [Bq] at times [s]; ``band_at`` its standard uncertainty, None
    when it cannot be known. ``standard_uncertainty_bq_s`` is None when unknown, never 0.

    ``exponentials`` are (amplitude [Bq], effective rate [1/s]) of each term of ``A(t) = sum_j a_j exp(-k_j t)``, empty
    where the curve is no such sum. ``interval_95_bq_s`` holds the time-integrated activity with a probability of
    95 %; it need not be symmetric. ``candidates`` are the models that were compared.
    """

    region: str
    model: str
    parameters: dict[str, float]
    covariance: NDArray[np.float64] | None
    aicc: float | None
    time_integrated_activity_bq_s: float
    standard_uncertainty_bq_s: float | None
    effective_half_life_s: float | None
    extrapolated_fraction: float
    activity_at: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    band_at: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None
    warnings: tuple[str, ...] = ()
    exponentials: tuple[tuple[float, float], ...] = ()
    interval_95_bq_s: tuple[float, float] | None = None
    candidates: tuple[Candidate, ...] = ()
