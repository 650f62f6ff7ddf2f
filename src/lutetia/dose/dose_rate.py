"""Absorbed dose by integrating dose rates: each scan becomes a dose rate first, and time comes last."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.kernel.convolution import absorbed_dose_map
from lutetia.errors import InputError
from lutetia.images.volume import Volume, require_same_grid
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.units import S_PER_H

Array = NDArray[np.float64]

Fit = Callable[[TimeActivityCurve], CurveFit]

PEAK: Final = 1e6
"""Size to which dose rates are scaled for the fits, which were made for activities."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DoseRateCurve:
    """Absorbed dose rate of one region at successive times after administration.

    Attributes
    ----------
    region : name
    time_s : (n,) increasing, positive. [s]
    dose_rate_gy_per_s : (n,) with the mass and the surroundings of each scan. [Gy/s]
    standard_uncertainty_gy_per_s : (n,) of the independent (per-scan) part, None when unknown. [Gy/s]
    """

    region: str
    time_s: Array
    dose_rate_gy_per_s: Array
    standard_uncertainty_gy_per_s: Array | None = None

    def __post_init__(self) -> None:
        rate, u = self.dose_rate_gy_per_s, self.standard_uncertainty_gy_per_s
        if rate.shape != self.time_s.shape or not np.all(np.isfinite(rate)) or np.any(rate < 0):
            raise InputError(
                f"{self.region}: {self.time_s.size} times and dose rates {rate * S_PER_H} Gy/h; expected one per time, "
                "finite and not negative."
            )
        if not np.any(rate > 0):
            raise InputError(f"{self.region}: no dose rate at any time, so there is nothing to integrate.")
        if u is not None and (u.shape != rate.shape or np.any(u < 0)):
            raise InputError(
                f"{self.region}: one non-negative standard uncertainty per dose rate expected, got {u}."
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class IntegratedDoseRate:
    """Absorbed dose of a region from its dose rates.

    ``dose_rate_at`` gives the fitted dose rate [Gy/s] at times [s]. ``fit`` is that of the rates in a unit of their own:
    its model, half-life, extrapolated fraction and warnings hold, its activities do not.
    """

    region: str
    absorbed_dose_gy: float
    standard_uncertainty_gy: float | None
    dose_rate_at: Callable[[Array], Array]
    fit: CurveFit


def dose_rates(
    curve: TimeActivityCurve, *, s_gy_per_bq_s: Array, s_relative_uncertainty: Array | None = None
) -> DoseRateCurve:
    r"""Self-dose rates :math:`\dot D_i = A_i S_i` with an S coefficient for each scan, by its own mass.

    Parameters
    ----------
    curve : activity of the region
    s_gy_per_bq_s : (n,) S coefficient at each scan. [Gy/(Bq s)]
    s_relative_uncertainty : (n,) of its per-scan part (of an outline drawn anew on each scan), none by default
    """
    if s_gy_per_bq_s.shape != curve.time_s.shape or np.any(s_gy_per_bq_s <= 0):
        raise InputError(f"{curve.region}: one S coefficient above 0 per scan expected, got {s_gy_per_bq_s}.")
    u = curve.standard_uncertainty_bq
    if u is not None and s_relative_uncertainty is not None:
        u = np.hypot(u, curve.activity_bq * s_relative_uncertainty)
    return DoseRateCurve(
        region=curve.region,
        time_s=curve.time_s,
        dose_rate_gy_per_s=curve.activity_bq * s_gy_per_bq_s,
        standard_uncertainty_gy_per_s=None if u is None else u * s_gy_per_bq_s,
    )


def dose_rate_map(
    *,
    activity: Volume,
    density: Volume,
    nuclide: str,
    dose: Callable[..., Volume] = absorbed_dose_map,
) -> Volume:
    """Absorbed dose rate of one scan. [Gy/s]

    A dose method is linear in the decays, so that the dose of one second of decays is the dose rate.

    Parameters
    ----------
    activity : [Bq/mL]
    density : of that scan, on the same grid. [g/mL]
    dose : method that takes ``time_integrated_activity``, ``density`` and ``nuclide``; electrons locally and photons by
        kernel by default
    """
    if activity.unit != "Bq/mL":
        raise InputError(f"Activity in {activity.unit!r}; expected 'Bq/mL'.")
    of_one_second = activity.with_values(activity.values, "Bq s/mL")
    found = dose(time_integrated_activity=of_one_second, density=density, nuclide=nuclide)
    return found.with_values(found.values, "Gy/s")


def mean_dose_rate(*, rate: Volume, density: Volume, occupancy: NDArray[np.float32]) -> float:
    """Mean of a dose rate map over a region by mass. [Gy/s]

    Parameters
    ----------
    rate : [Gy/s]
    density : on the same grid. [g/mL]
    occupancy : (z, y, x) share of each voxel that the region fills at the time of this scan
    """
    require_same_grid(rate.grid, density.grid, "Mean dose rate")
    weights = occupancy * density.values
    mass = float(weights.sum(dtype=np.float64))
    if not mass > 0:
        raise InputError("The region has no mass in this scan; expected an outline within the image.")
    return float(np.vdot(weights, rate.values)) / mass


def integrate_dose_rate(curve: DoseRateCurve, *, fit: Fit) -> IntegratedDoseRate:
    r"""Absorbed dose :math:`D = \int_0^\infty \dot D\,dt` by the fits that activities have.

    With masses and surroundings that stay, this is the dose of the time-integrated activity, for both are linear. Where a
    tumour shrinks between scans it is this order that is right; the other needs one mass for all times. The fits let
    nothing fall more slowly than the nuclide decays, which the dose rate of a region that loses mass may do: then the fit
    says that its rate lies at physical decay, and trapezoids are the safer choice.

    Parameters
    ----------
    curve : dose rates
    fit : of a time-activity curve, for example ``lambda c: fit_curve(c, decay_constant_per_s=k)``
    """
    unit = float(curve.dose_rate_gy_per_s.max()) / PEAK
    u = curve.standard_uncertainty_gy_per_s
    found = fit(
        TimeActivityCurve(
            region=curve.region,
            time_s=curve.time_s,
            activity_bq=curve.dose_rate_gy_per_s / unit,
            standard_uncertainty_bq=None if u is None else u / unit,
        )
    )
    own = found.standard_uncertainty_bq_s
    return IntegratedDoseRate(
        region=curve.region,
        absorbed_dose_gy=unit * found.time_integrated_activity_bq_s,
        standard_uncertainty_gy=None if own is None else unit * own,
        dose_rate_at=lambda t: unit * found.activity_at(t),
        fit=found,
    )
