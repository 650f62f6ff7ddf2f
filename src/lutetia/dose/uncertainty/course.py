"""Absorbed dose of a region over all cycles, with the errors that return in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from uncertainties import UFloat

from lutetia.dose.uncertainty.budget import KEPT_OVER_CYCLES
from lutetia.dose.uncertainty.correlated import ErrorSources


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleDose:
    """Absorbed dose of one region in one cycle.

    Attributes
    ----------
    absorbed_dose_gy : mean
    relative : component -> relative standard uncertainty, None when that of the dose is unknown
    shared : components whose error is that of all regions and cycles
    group : component -> name of what it was measured with (a calibration); the error is shared only by cycles of one name
    """

    absorbed_dose_gy: float
    relative: Mapping[str, float] | None
    shared: frozenset[str] = frozenset()
    group: Mapping[str, str] = field(default_factory=dict)


def cumulative_dose(region: str, cycles: Sequence[CycleDose], sources: ErrorSources) -> UFloat | None:
    r"""Sum over cycles, correlated by name of the error; None where an uncertainty is unknown. [Gy]

    With shared errors s and own errors e of each dose, :math:`u^2 = (\sum_c s_c D_c)^2 + \sum_c e_c^2 D_c^2`: calibration
    keeps its relative size however many cycles there are, counting loses by their root. Errors of one region that return in
    every cycle (its outline's rule, its curve's model) are taken as one.

    Parameters
    ----------
    region : name; errors of its own carry it
    cycles : in their order
    sources : the errors met so far; regions that share them become correlated
    """
    if any(cycle.relative is None for cycle in cycles):
        return None
    total: UFloat = sources.quantity(0.0, {})
    for number, cycle in enumerate(cycles, start=1):
        named = {_source(region, number, name, cycle): u for name, u in (cycle.relative or {}).items()}
        total = total + sources.quantity(cycle.absorbed_dose_gy, named)
    return total


def _source(region: str, number: int, name: str, cycle: CycleDose) -> str:
    if name in cycle.shared:
        return f"{name} {cycle.group[name]}" if name in cycle.group else name
    if name in KEPT_OVER_CYCLES:
        return f"{region}: {name}"
    return f"{region}, cycle {number}: {name}"
