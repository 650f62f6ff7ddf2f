"""Target regions as weights of the tallies that particles score into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError


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
    kerma : tally -> another one, which gathers the photons' kerma in the target's own tissue in the same voxels; it is
        divided by the mass of the first
    """

    name: str
    mass_g: float
    share: Mapping[int, float]
    kerma: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = sum(self.share.values())
        if not self.share or abs(total - 1.0) > 1e-6 or self.mass_g <= 0.0:
            raise InputError(
                f"Target {self.name!r} of {self.mass_g:g} g with weights that sum to {total:g}; "
                "expected a mass above 0 and weights that sum to 1."
            )

    def per_gram(self, slot_mass_g: NDArray[np.float64], *, photons: bool = False) -> NDArray[np.float64]:
        """Mean energy per mass of the target by 1 MeV in each tally; ``photons`` by kerma where there is one. [1/g]"""
        weights = np.zeros(slot_mass_g.size)
        for slot, weight in self.share.items():
            if slot_mass_g[slot] <= 0.0:
                raise InputError(f"Target {self.name!r} counts tally {slot}, which holds no mass.")
            weights[self.kerma.get(slot, slot) if photons else slot] = weight / slot_mass_g[slot]
        return weights


Second = tuple[NDArray[np.int32], NDArray[np.uint8]]


def kerma_slots(targets: Sequence[Target], n_slots: int, material: int) -> Second | None:
    """For each tally the one that gathers kerma in a tissue, -1 for none, and the tissue's number; None without any.

    Both (n_slots + 1,), as the photon transport takes them.
    """
    where = np.full(n_slots + 1, -1, np.int32)
    for target in targets:
        for slot, own in target.kerma.items():
            where[slot] = own
    return (where, np.full(n_slots + 1, material, np.uint8)) if np.any(where >= 0) else None
