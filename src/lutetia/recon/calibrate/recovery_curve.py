"""Recovery coefficients of spheres against their volume, and activities corrected by them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError, OutOfRangeError
from lutetia.recon.calibrate.conditions import Conditions
from lutetia.units import ML_PER_MM3

Array = NDArray[np.float64]
RecoveryModel = Literal["logistic", "plateau"]

PARAMETERS: Final = {"logistic": 2, "plateau": 3}
MISFIT_PROBABILITY: Final = 1e-3
"""Residuals that chance makes larger this seldom deny the model."""
LEAST_RECOVERY: Final = 0.2
"""Corrections by more than a factor of five are told of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SphereRecovery:
    """One sphere: its volume, and measured over true concentration with standard uncertainty."""

    volume_ml: float
    recovery: float
    u_recovery: float

    def __post_init__(self) -> None:
        values = (self.volume_ml, self.recovery, self.u_recovery)
        if not all(math.isfinite(v) and v > 0 for v in values):
            raise InputError(
                f"Sphere of {self.volume_ml} mL with recovery {self.recovery} and uncertainty {self.u_recovery}; "
                "expected numbers above 0."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectedActivity:
    """Activity after division by the recovery coefficient.

    Attributes
    ----------
    activity_bq, u_activity_bq : corrected, with standard uncertainty. [Bq]
    recovery, u_recovery : used; the uncertainty includes that of the volume
    """

    activity_bq: float
    u_activity_bq: float
    recovery: float
    u_recovery: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryCurve:
    r"""Recovery of a sphere by its volume: :math:`R(V) = P / (1 + (\alpha/V)^\beta)`; P is 1 or fitted.

    Attributes
    ----------
    conditions : for which it holds (and only for the reconstruction it was measured with)
    model : "logistic" (P = 1) or "plateau"
    alpha_ml : volume that recovers half of the plateau. [mL]
    beta, plateau : [1]
    covariance : of (ln alpha, ln beta, plateau)
    common_relative_uncertainty : of the concentration in all spheres alike, and of the sensitivity
    spheres : as measured, by volume
    sphere_to_background : ratio of concentrations, None without activity around the spheres
    reconstruction : how the images were made, in words
    """

    conditions: Conditions
    model: RecoveryModel
    alpha_ml: float
    beta: float
    plateau: float
    covariance: tuple[tuple[float, ...], ...]
    common_relative_uncertainty: float
    spheres: tuple[SphereRecovery, ...]
    measured_at: datetime
    chi2: float
    degrees_of_freedom: int
    sphere_to_background: float | None = None
    reconstruction: str = ""
    source_sha256: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def smallest_ml(self) -> float:
        """Volume of the smallest sphere, below which the curve is not used. [mL]"""
        return self.spheres[0].volume_ml

    @property
    def largest_ml(self) -> float:
        """Volume of the largest sphere; beyond it the curve goes on to its plateau. [mL]"""
        return self.spheres[-1].volume_ml

    def recovery(self, volume_ml: float) -> tuple[float, float]:
        """Recovery coefficient of a volume, with standard uncertainty of fit and common terms.

        Raises
        ------
        OutOfRangeError
            The volume is smaller than the smallest sphere: the curve falls steeply there, and nothing was measured.
        """
        if not self.smallest_ml * (1 - 1e-9) <= volume_ml < math.inf:
            raise OutOfRangeError(
                f"Volume {volume_ml:g} mL; the recovery curve was measured from {self.smallest_ml:g} to "
                f"{self.largest_ml:g} mL and is not extended below. Report the activity without correction, or measure "
                "a smaller sphere."
            )
        value, gradient = _value_and_gradient(volume_ml, self.alpha_ml, self.beta, self.plateau)
        variance = float(gradient @ np.asarray(self.covariance) @ gradient)
        return value, math.hypot(math.sqrt(max(variance, 0.0)), value * self.common_relative_uncertainty)

    def apply(
        self,
        activity_bq: float,
        volume_ml: float,
        *,
        u_activity_bq: float,
        u_volume_ml: float,
        correlation: float = 0.0,
    ) -> CorrectedActivity:
        r"""Activity divided by the recovery of its volume.

        .. math:: \frac{u^2(A_c)}{A_c^2} = \frac{u^2(A)}{A^2} + \frac{u^2(R)}{R^2} + \left(s\frac{u(V)}{V}\right)^2
            - 2 r s \frac{u(A)}{A}\frac{u(V)}{V}

        with the slope :math:`s = d\ln R/d\ln V = \beta(1-R/P)` and the correlation r of activity and volume.

        Parameters
        ----------
        activity_bq, u_activity_bq : measured in the outline, with standard uncertainty. [Bq]
        volume_ml, u_volume_ml : of the outline. [mL]
        correlation : between the errors of activity and volume; positive when a larger outline holds more counts

        Raises
        ------
        OutOfRangeError
            As :meth:`recovery`.

        References
        ----------
        Gear JI et al. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7
        """
        values = (activity_bq, u_activity_bq, u_volume_ml)
        if not all(math.isfinite(v) and v >= 0 for v in values) or activity_bq == 0 or abs(correlation) > 1:
            raise InputError(
                f"Activity {activity_bq} Bq with uncertainty {u_activity_bq}, volume with uncertainty {u_volume_ml} mL, "
                f"correlation {correlation}; expected an activity above 0 and uncertainties of at least 0."
            )
        value, u_fit = self.recovery(volume_ml)
        slope = self.beta * (1 - value / self.plateau)
        by_volume = slope * u_volume_ml / volume_ml
        own = u_activity_bq / activity_bq
        relative = math.sqrt(own**2 + (u_fit / value) ** 2 + by_volume**2 - 2 * correlation * own * by_volume)
        return CorrectedActivity(
            activity_bq=activity_bq / value,
            u_activity_bq=relative * activity_bq / value,
            recovery=value,
            u_recovery=math.hypot(u_fit, value * by_volume),
            warnings=self._told(volume_ml, value),
        )

    def _told(self, volume_ml: float, value: float) -> tuple[str, ...]:
        found = []
        if volume_ml > self.largest_ml:
            found.append(
                f"{volume_ml:.3g} mL is larger than the largest sphere ({self.largest_ml:.3g} mL); the curve was "
                "followed towards its plateau."
            )
        if value < LEAST_RECOVERY:
            found.append(f"The recovery is {value:.2f}: the activity was multiplied by {1 / value:.1f}.")
        return tuple(found)


def sphere_volume_ml(diameter_mm: float) -> float:
    """Volume of a sphere. [mL]"""
    return math.pi / 6 * diameter_mm**3 * ML_PER_MM3


def fit_recovery(
    spheres: Sequence[SphereRecovery],
    *,
    conditions: Conditions,
    measured_at: datetime,
    model: RecoveryModel = "logistic",
    common_relative_uncertainty: float = 0.0,
    sphere_to_background: float | None = None,
    reconstruction: str = "",
    source_sha256: tuple[str, ...] = (),
) -> RecoveryCurve:
    r"""Fit :math:`R(V) = P/(1+(\alpha/V)^\beta)` to recovery coefficients by weighted least squares.

    The logistic curve in ln V (P = 1) rises from 0 to 1. Resolution recovery may overshoot at edges, or contours
    lose counts at any size; then the plateau P is fitted too. The covariance is multiplied by chi2 over degrees of
    freedom when that exceeds 1.

    Parameters
    ----------
    spheres : at least one more than the model has parameters; their uncertainties are independent of each other
    common_relative_uncertainty : of what all spheres share (stock solution, sensitivity); not part of theirs
    sphere_to_background : concentration in the spheres over that around them, None for cold surroundings
    reconstruction : iterations, corrections, filter: the curve holds for no other

    Raises
    ------
    InputError
        Too few spheres or different volumes, or numbers that cannot be.
    FitError
        The recovery does not rise with volume.

    References
    ----------
    Gear JI et al. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7 (empirical recovery
    curve with two parameters, its covariance, and volume uncertainty).
    Dewaraja YK et al. MIRD Pamphlet No. 23. J Nucl Med 53 (2012) 1310-1325. doi:10.2967/jnumed.111.100123
    Tran-Gia J, Lassmann M. J Nucl Med 59 (2018) 616-624. doi:10.2967/jnumed.117.200170 (shape matters: 32 % between
    a sphere and a renal cortex of the same volume).
    """
    ordered = tuple(sorted(spheres, key=lambda s: s.volume_ml))
    _require_spheres(ordered, model, common_relative_uncertainty, sphere_to_background)
    volume, value, u = (
        np.array([getattr(s, name) for s in ordered]) for name in ("volume_ml", "recovery", "u_recovery")
    )
    parameters, covariance, chi2 = _solve(volume, value, u, PARAMETERS[model])
    free = len(ordered) - PARAMETERS[model]
    alpha, beta, plateau = math.exp(parameters[0]), math.exp(parameters[1]), float(parameters[2])
    if not 0.05 < beta < 20 or not 1e-6 < alpha < 1e6:
        raise FitError(
            f"The recovery ({', '.join(f'{v:.2f}' for v in value)} from {volume[0]:g} to {volume[-1]:g} mL) does not rise "
            "with volume as a curve that could be fitted; check volumes and order."
        )
    return RecoveryCurve(
        conditions=conditions,
        model=model,
        alpha_ml=alpha,
        beta=beta,
        plateau=plateau,
        covariance=tuple(tuple(float(v) for v in row) for row in covariance * max(1.0, chi2 / free)),
        common_relative_uncertainty=common_relative_uncertainty,
        spheres=ordered,
        measured_at=measured_at,
        chi2=chi2,
        degrees_of_freedom=free,
        sphere_to_background=sphere_to_background,
        reconstruction=reconstruction,
        source_sha256=source_sha256,
        warnings=_told_of_fit(chi2, free, model, value, reconstruction),
    )


def _require_spheres(
    spheres: tuple[SphereRecovery, ...], model: str, common: float, sphere_to_background: float | None
) -> None:
    if model not in PARAMETERS:
        raise InputError(f"Recovery model {model!r}; expected one of {', '.join(PARAMETERS)}.")
    needed, different = PARAMETERS[model] + 1, len({s.volume_ml for s in spheres})
    if different < needed:
        raise InputError(
            f"{len(spheres)} spheres of {different} volumes; the {model} curve needs at least {needed} different ones."
        )
    if not 0 <= common < 1 or (sphere_to_background is not None and not sphere_to_background > 1):
        raise InputError(
            f"Common uncertainty {common}, sphere to background {sphere_to_background}; expected a share below 1 and a "
            "ratio above 1."
        )


def _value_and_gradient(volume_ml: float, alpha_ml: float, beta: float, plateau: float) -> tuple[float, Array]:
    """Recovery, and its derivatives by ln alpha, ln beta and plateau."""
    log = math.log(alpha_ml / volume_ml)
    share = 1.0 / (1.0 + math.exp(beta * log))
    slope = plateau * share * (1.0 - share) * beta
    return plateau * share, np.array([-slope, -slope * log, share])


def _solve(volume: Array, value: Array, u: Array, n: int) -> tuple[Array, Array, float]:
    """Parameters (ln alpha, ln beta, plateau), their covariance (zero for a plateau held) and chi2."""
    from scipy.optimize import least_squares

    def model(p: Array) -> Array:
        plateau = p[2] if n == 3 else 1.0
        exponent = np.clip(np.exp(np.clip(p[1], -30, 30)) * (p[0] - np.log(volume)), -700, 700)
        return np.asarray(plateau / (1.0 + np.exp(exponent)))

    top = 1.0 if n == 2 else 1.02 * float(value.max())
    share = np.clip(value / top, 0.02, 0.98)
    slope, offset = np.polyfit(np.log(volume), np.log(share / (1 - share)), 1)
    beta = min(max(float(slope), 0.1), 5.0)
    start = np.array([-float(offset) / beta, math.log(beta), top][:n])

    def residuals(p: Array) -> Array:
        return np.asarray((model(p) - value) / u)

    found = least_squares(residuals, start, method="lm", xtol=1e-12, ftol=1e-12)
    jacobian = np.asarray(found.jac, dtype=float)
    parameters, covariance = np.ones(3), np.zeros((3, 3))
    parameters[:n] = found.x
    covariance[:n, :n] = np.linalg.pinv(jacobian.T @ jacobian)
    return parameters, covariance, float(2 * found.cost)


def _told_of_fit(chi2: float, free: int, model: str, value: Array, reconstruction: str) -> tuple[str, ...]:
    from scipy.special import gammaincc

    found = []
    if float(gammaincc(free / 2, chi2 / 2)) < MISFIT_PROBABILITY:
        other = " A fitted plateau may describe them better." if model == "logistic" else ""
        found.append(
            f"The recoveries deny the curve beyond their uncertainties (chi2 {chi2:.3g} with {free} degrees of freedom); "
            f"its uncertainty was widened accordingly.{other}"
        )
    if float(value.max()) > 1.05:
        found.append(
            f"A recovery of {value.max():.2f} is above 1: counts of the surroundings, overshoot at edges, or a sensitivity "
            "that is too low."
        )
    if not reconstruction:
        found.append(
            "How the images were reconstructed was not told; the curve holds for that reconstruction only."
        )
    return tuple(found)
