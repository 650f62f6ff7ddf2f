"""The S coefficient of one pair of regions."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class SCoefficient:
    """Mean absorbed dose of a target per decay in a source.

    Attributes
    ----------
    source, target : names of the regions
    charged_gy_per_bq_s : by electrons with their bremsstrahlung, alphas, recoil and photons below 10 keV. [Gy/(Bq s)]
    photon_gy_per_bq_s : by photons. [Gy/(Bq s)]
    target_mass_g : [g]
    u_relative : relative standard uncertainty of the sampling; None where nothing was scored
    """

    source: str
    target: str
    charged_gy_per_bq_s: float
    photon_gy_per_bq_s: float
    target_mass_g: float
    u_relative: float | None = None

    @property
    def total_gy_per_bq_s(self) -> float:
        """Of all radiation. [Gy/(Bq s)]"""
        return self.charged_gy_per_bq_s + self.photon_gy_per_bq_s
