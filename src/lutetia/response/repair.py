"""Repair of sublethal damage: one or several first-order components."""

import math
from dataclasses import dataclass

from lutetia.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    r"""Share of damage that is still there a time :math:`\tau` later, :math:`\sum_k w_k e^{-\mu_k \tau}`.

    Attributes
    ----------
    half_lives_s : of each component, infinite where nothing is repaired. [s]
    weights : share of each component; they add up to 1
    """

    half_lives_s: tuple[float, ...]
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not self.half_lives_s or len(self.half_lives_s) != len(self.weights):
            raise InputError(
                f"{len(self.half_lives_s)} repair half-lives but {len(self.weights)} weights; expected one each."
            )
        if any(not half_life > 0 for half_life in self.half_lives_s):
            raise InputError(f"Repair half-lives of {self.half_lives_s} s; expected positive values.")
        if any(not weight >= 0 for weight in self.weights) or abs(sum(self.weights) - 1) > 1e-9:
            raise InputError(f"Weights of repair {self.weights}; expected shares that add up to 1.")

    @property
    def components(self) -> tuple[tuple[float, float], ...]:
        """Weight and rate of each component. [1], [1/s]"""
        rates = (math.log(2) / half_life for half_life in self.half_lives_s)
        return tuple(zip(self.weights, rates, strict=True))


def repair_of(given: float | Repair) -> Repair:
    """Repair with one half-life [s], or what is one already."""
    return given if isinstance(given, Repair) else Repair(half_lives_s=(float(given),))
