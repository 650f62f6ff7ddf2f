"""From counts per second to activity: sensitivity and dead time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, OutOfRangeError
from lutetia.images.volume import Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """Calibration of one camera, collimator, nuclide and energy window.

    Attributes
    ----------
    sensitivity_cps_per_bq : count rate of one detector per activity, without attenuation and scatter. [counts/s/Bq]
    relative_uncertainty : relative standard uncertainty of the sensitivity, None when unknown
    dead_time_s : non-paralysable dead time per event in the whole spectrum; 0 for none. [s]
    source : where it came from (phantom, date)
    """

    sensitivity_cps_per_bq: float
    relative_uncertainty: float | None
    dead_time_s: float = 0.0
    source: str = ""

    def __post_init__(self) -> None:
        if not self.sensitivity_cps_per_bq > 0 or not np.isfinite(self.sensitivity_cps_per_bq):
            raise InputError(
                f"Sensitivity of {self.sensitivity_cps_per_bq} counts/s/Bq; expected a positive number "
                "(1 counts/s/MBq is 1e-6 counts/s/Bq)."
            )
        if self.dead_time_s < 0 or (self.relative_uncertainty is not None and self.relative_uncertainty < 0):
            raise InputError(
                f"Dead time {self.dead_time_s} s, relative uncertainty {self.relative_uncertainty}; expected "
                "0 or more."
            )

    def activity_concentration(self, image: Volume, *, measured_rate_cps: float | None = None) -> Volume:
        """Activity concentration of a count-rate image.

        Parameters
        ----------
        image : count rate per voxel. [counts/s]
        measured_rate_cps : count rate of one detector in the whole spectrum, for the dead time; None for none

        Returns
        -------
        Volume [Bq/mL]
        """
        if image.unit != "counts/s":
            raise InputError(f"Image in {image.unit!r}; a calibration turns 'counts/s' into 'Bq/mL'.")
        factor = 1.0
        if measured_rate_cps is not None:
            factor = dead_time_factor(measured_rate_cps=measured_rate_cps, dead_time_s=self.dead_time_s)
        scale = factor / (self.sensitivity_cps_per_bq * image.grid.voxel_ml)
        return image.with_values(image.values * np.float32(scale), "Bq/mL")

    def count_rate(self, image: Volume) -> Volume:
        """Inverse of :meth:`activity_concentration` without dead time. [counts/s per voxel]"""
        if image.unit != "Bq/mL":
            raise InputError(f"Image in {image.unit!r}; expected 'Bq/mL'.")
        scale = self.sensitivity_cps_per_bq * image.grid.voxel_ml
        return image.with_values(image.values * np.float32(scale), "counts/s")


def dead_time_factor(*, measured_rate_cps: float, dead_time_s: float) -> float:
    """True over measured count rate of a non-paralysable detector: ``1 / (1 - m tau)``.

    Raises
    ------
    OutOfRangeError
        The measured rate is 80 % or more of the highest possible, where the formula no longer helps.

    References
    ----------
    Sorenson JA. Deadtime characteristics of Anger cameras. J Nucl Med 16 (1975) 284-288.
    """
    if measured_rate_cps < 0 or dead_time_s < 0:
        raise InputError(
            f"Count rate {measured_rate_cps} per s and dead time {dead_time_s} s; expected at least 0."
        )
    lost = measured_rate_cps * dead_time_s
    if lost >= 0.8:
        raise OutOfRangeError(
            f"{measured_rate_cps:g} counts/s with a dead time of {dead_time_s:g} s: {lost:.0%} of the time is "
            "dead; the non-paralysable model holds below 80 %. Measure later, or check the dead time."
        )
    return 1.0 / (1.0 - lost)


def measured_rate(true_rate_cps: float | NDArray[np.float64], dead_time_s: float) -> NDArray[np.float64]:
    """Measured rate of a non-paralysable detector: ``n / (1 + n tau)``. [counts/s]"""
    rate = np.asarray(true_rate_cps, dtype=float)
    return np.asarray(rate / (1.0 + rate * dead_time_s))


def paralysable_rate(true_rate_cps: float | NDArray[np.float64], dead_time_s: float) -> NDArray[np.float64]:
    """Measured rate of a paralysable detector: ``n exp(-n tau)``; falls again beyond n = 1/tau. [counts/s]

    Two true rates give the same measured one, so it is used to recognise such detectors, not to correct.
    """
    rate = np.asarray(true_rate_cps, dtype=float)
    return np.asarray(rate * np.exp(-rate * dead_time_s))
