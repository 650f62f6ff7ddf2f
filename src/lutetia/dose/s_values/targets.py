"""Target regions as weights of the tallies that particles score into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.units import GY_PER_MEV_PER_G


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    r"""A region whose mean absorbed dose is :math:`\sum_s w_s D_s` over tallies s.

    An organ weights its parts by their mass. Red marrow weights its bones by the active marrow they hold, which is not
    in proportion to their spongiosa.

    Attributes
    ----------
    name : in standard terms
    mass_g : of the target itself (of the active marrow, not of the spongiosa). [g]
    share : tally -> weight; the weights sum to 1
    """

    name: str
    mass_g: float
    share: Mapping[int, float]

    def __post_init__(self) -> None:
        total = sum(self.share.values())
        if not self.share or abs(total - 1.0) > 1e-6 or self.mass_g <= 0.0:
            raise InputError(
                f"Target {self.name!r} of {self.mass_g:g} g with weights that sum to {total:g}; "
                "expected a mass above 0 and weights that sum to 1."
            )

    def dose_per_energy(self, slot_mass_g: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean dose of the target by 1 MeV in each tally. (n_slots,) [Gy/MeV]"""
        factors = np.zeros(slot_mass_g.size)
        for slot, weight in self.share.items():
            if slot_mass_g[slot] <= 0.0:
                raise InputError(f"Target {self.name!r} counts tally {slot}, which holds no mass.")
            factors[slot] = weight / slot_mass_g[slot] * GY_PER_MEV_PER_G
        return factors


def organ_target(name: str, slots: Sequence[int], slot_mass_g: NDArray[np.float64]) -> Target:
    """Target made of whole tallies, weighted by mass."""
    mass = {int(slot): float(slot_mass_g[slot]) for slot in slots if slot_mass_g[slot] > 0.0}
    total = sum(mass.values())
    return Target(name=name, mass_g=total, share={slot: m / total for slot, m in mass.items()} if mass else {})
