"""What a calibration holds for (camera, collimator, nuclide, window), and the source it was measured with."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.names import nuclide_name
from lutetia.physics.nuclides import nuclide
from lutetia.units import BQ_PER_MBQ, KEV_PER_MEV

SAME_WINDOW_MEV: Final = 0.0005
"""Limits of an energy window that differ by less are the same; cameras round them."""
CLOCKS_S: Final = 60.0
"""Assumed standard difference between the clocks of activity meter and camera, where none is given."""
LONG_DECAY_HALF_LIVES: Final = 1.0
"""Decay corrections over more than this are told of: the half-life's own uncertainty is not in the budget."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """Camera, collimator, nuclide and energy window of a measurement.

    Attributes
    ----------
    camera, collimator : names as the department uses them; compared without regard to case
    nuclide : "Lu-177"
    window_mev : lower and upper limit of the window. [MeV]

    Raises
    ------
    MissingDataError
        A name is empty.
    InputError
        The nuclide is none, or the window is no window.
    """

    camera: str
    collimator: str
    nuclide: str
    window_mev: tuple[float, float]

    def __post_init__(self) -> None:
        for what, text in (("camera", self.camera), ("collimator", self.collimator), ("nuclide", self.nuclide)):
            if not text.strip():
                raise MissingDataError(
                    f"The {what} of the calibration is not known; it holds for one camera, collimator, nuclide and "
                    f"window only. Give its name (--{what})."
                )
        low, high = self.window_mev
        if not 0 < low < high < 3.0:
            raise InputError(
                f"Energy window {low * KEV_PER_MEV:g} to {high * KEV_PER_MEV:g} keV; expected 0 < lower < upper."
            )
        object.__setattr__(self, "nuclide", nuclide_name(self.nuclide))

    def differences(self, other: "Conditions", *, window: bool = True) -> tuple[str, ...]:
        """Names of what differs from ``other``; the window only if asked."""
        found = [
            name
            for name in ("camera", "collimator", "nuclide")
            if getattr(self, name).strip().lower() != getattr(other, name).strip().lower()
        ]
        apart = max(abs(a - b) for a, b in zip(self.window_mev, other.window_mev, strict=True))
        return tuple([*found, "window"] if window and apart > SAME_WINDOW_MEV else found)

    def describe(self) -> str:
        """In words, for messages."""
        low, high = (limit * KEV_PER_MEV for limit in self.window_mev)
        return f"{self.camera}, {self.collimator}, {self.nuclide}, {low:.1f}-{high:.1f} keV"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Activity of a calibration source as the activity meter measured it.

    Attributes
    ----------
    nuclide : "Lu-177"
    activity_bq : net (what was left in the syringe subtracted), at ``reference_time``. [Bq]
    reference_time : local time
    relative_uncertainty : standard uncertainty of the activity (meter, geometry, weighing), None when unknown
    clock_uncertainty_s : standard difference between the clocks of meter and camera; None for CLOCKS_S, told as
        a warning. [s]
    meter : which activity meter; measurements with the same one share its error
    """

    nuclide: str
    activity_bq: float
    reference_time: datetime
    relative_uncertainty: float | None = None
    clock_uncertainty_s: float | None = None
    meter: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.activity_bq) and self.activity_bq > 0):
            raise InputError(f"Activity of the source {self.activity_bq / BQ_PER_MBQ:g} MBq; expected more than 0.")
        for what, value in (("activity", self.relative_uncertainty), ("clocks", self.clock_uncertainty_s)):
            if value is not None and not 0 <= value < math.inf:
                raise InputError(f"Uncertainty of the source's {what} is {value}; expected 0 or more.")

    @property
    def decay_constant_per_s(self) -> float:
        """Of the nuclide. [1/s]"""
        return nuclide(self.nuclide).decay_constant_per_s

    def activity_at(self, when: datetime) -> float:
        """Activity at a time. [Bq]"""
        return self.activity_bq * math.exp(-self.decay_constant_per_s * self._elapsed_s(when))

    def budget(self) -> dict[str, float | None]:
        """Relative standard uncertainties that the source brings: activity and clocks."""
        clocks = CLOCKS_S if self.clock_uncertainty_s is None else self.clock_uncertainty_s
        return {"activity": self.relative_uncertainty, "clocks": self.decay_constant_per_s * clocks}

    def warnings(self, when: datetime) -> tuple[str, ...]:
        """What was assumed about the source."""
        found = []
        if self.relative_uncertainty is None:
            found.append("Uncertainty of the activity is not known, so neither is that of the sensitivity.")
        if self.clock_uncertainty_s is None:
            found.append(f"Clocks of activity meter and camera were assumed to agree within {CLOCKS_S:g} s (k=1).")
        half_lives = abs(self._elapsed_s(when)) * self.decay_constant_per_s / math.log(2)
        if half_lives > LONG_DECAY_HALF_LIVES:
            found.append(
                f"The activity was measured {half_lives:.1f} half-lives from the acquisition; the uncertainty of the "
                "half-life is not in the budget."
            )
        return tuple(found)

    def _elapsed_s(self, when: datetime) -> float:
        if (when.tzinfo is None) != (self.reference_time.tzinfo is None):
            raise InputError(
                "One of the acquisition's time and the activity's has a time zone and the other has none; give both "
                "in local time."
            )
        return (when - self.reference_time).total_seconds()
