"""What a calibration holds for: one camera, collimator, nuclide and energy window."""

from dataclasses import dataclass
from typing import Final

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.names import nuclide_name
from lutetia.units import KEV_PER_MEV

SAME_WINDOW_MEV: Final = 0.0005
"""Limits of an energy window that differ by less are the same; cameras round them."""


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
