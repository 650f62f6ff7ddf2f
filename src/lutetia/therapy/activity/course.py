"""What one patient was given so far: activities and absorbed doses, over agents and years."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

from uncertainties import UFloat

from lutetia.dose.uncertainty.correlated import ErrorSources, components
from lutetia.dose.uncertainty.course import CycleDose, cumulative_dose
from lutetia.errors import MissingDataError
from lutetia.therapy.activity.prediction import Observed, Prediction, predicted_from
from lutetia.therapy.activity.prior import population_dose_sood2026


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionDose:
    """Absorbed dose of a region in one cycle, and the effective half-life there, None where not known. [s]

    ``estimated_from`` says what a dose that nobody measured was estimated from; empty for one that was.
    """

    dose: CycleDose
    effective_half_life_s: float | None = None
    estimated_from: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenCycle:
    """One administration: activity (None where not known), nuclide, agent, and region -> dose. [Bq]

    ``number`` is that of the course, for messages; its place among those given where None.
    """

    number: int | None = None
    activity_bq: float | None
    nuclide: str = ""
    agent: str = ""
    regions: Mapping[str, RegionDose]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycles:
    """All administrations in their order.

    A region "kidney left" finds "kidney" in a cycle that knows no sides.
    """

    given: tuple[GivenCycle, ...] = ()
    sources: ErrorSources = field(default_factory=ErrorSources)

    @property
    def activity_bq(self) -> float | None:
        """Sum of the activities, None where one is not known. [Bq]"""
        known = [cycle.activity_bq for cycle in self.given if cycle.activity_bq is not None]
        return sum(known) if len(known) == len(self.given) else None

    def regions(self, organ: str) -> tuple[str, ...]:
        """Names of the regions of an organ; its sides where any cycle tells them apart."""
        names = dict.fromkeys(n for cycle in self.given for n in cycle.regions if organ_of(n) == organ)
        sided = tuple(name for name in names if is_sided(name))
        return sided or tuple(names)

    def of(self, region: str) -> tuple[RegionDose, ...]:
        """Dose of a region in each cycle.

        Raises
        ------
        MissingDataError
            A cycle has none: what was given is not known then.
        """
        missing = self.without_dose(region)
        if missing:
            raise MissingDataError(
                f"{region}: no absorbed dose in cycle {', '.join(missing)}, so that the sum so far is not known. Give it, "
                "or leave out the limits of this organ."
            )
        found = (_in_cycle(cycle, region) for cycle in self.given)
        return tuple(dose for dose in found if dose is not None)

    def without_dose(self, region: str) -> tuple[str, ...]:
        """Numbers of the cycles in which a region has no dose."""
        return tuple(
            str(cycle.number or place)
            for place, cycle in enumerate(self.given, start=1)
            if _in_cycle(cycle, region) is None
        )

    def at_least_gy(self, region: str) -> float:
        """Sum of the absorbed doses of a region that are known. [Gy]"""
        found = (_in_cycle(cycle, region) for cycle in self.given)
        return math.fsum(each.dose.absorbed_dose_gy for each in found if each is not None)

    def estimated(self, region: str) -> tuple[int, ...]:
        """Numbers of the cycles whose dose of a region nobody measured."""
        found = ((cycle.number or n, _in_cycle(cycle, region)) for n, cycle in enumerate(self.given, start=1))
        return tuple(number for number, dose in found if dose is not None and dose.estimated_from)

    def quantities(self, region: str) -> tuple[float, ...] | tuple[UFloat, ...]:
        """Absorbed dose of each cycle [Gy] with its errors by name; plain numbers where one has none that is known."""
        doses = [each.dose for each in self.of(region)]
        if any(dose.relative is None for dose in doses):
            return tuple(dose.absorbed_dose_gy for dose in doses)
        sums = [cumulative_dose(region, doses[:n], self.sources) for n in range(len(doses) + 1)]
        known = [total for total in sums if total is not None]
        return tuple(later - earlier for earlier, later in pairwise(known))

    def observed(self, region: str, *, nuclide: str, agent: str) -> tuple[Observed, ...]:
        """Cycles of one agent with activity and measured dose, from which the next can be predicted."""
        found = []
        for cycle, quantity in zip(self.given, self.quantities(region), strict=True):
            dose = _in_cycle(cycle, region)
            measured = dose is not None and not dose.estimated_from
            if measured and cycle.activity_bq and (cycle.nuclide, plain(cycle.agent)) == (nuclide, plain(agent)):
                value = float(getattr(quantity, "nominal_value", quantity))
                known = hasattr(quantity, "nominal_value") and value > 0
                named = {name: u / value for name, u in components(quantity).items()} if known else None
                found.append(Observed(dose_gy=value, activity_bq=cycle.activity_bq, named=named))
        return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Upcoming:
    """The next cycle, and what its doses can be predicted from: what is stated, the patient's own, the population's.

    Attributes
    ----------
    nuclide, agent : only cycles of the same predict it
    stated : region or organ -> prediction
    scans : per cycle
    relative_u : of the prediction from the patient's own cycles, None for what is usual
    clearance_ml_per_min : creatinine clearance for the population's dose, None to do without. [mL/min]
    linear : the population's dose in proportion to the activity
    half_life_s : region or organ -> effective half-life, in place of the last cycle's. [s]
    """

    nuclide: str = ""
    agent: str = ""
    stated: Mapping[str, Prediction] = field(default_factory=dict)
    scans: int = 1
    relative_u: float | None = None
    clearance_ml_per_min: float | None = None
    linear: bool = False
    half_life_s: Mapping[str, float] = field(default_factory=dict)

    def prediction(self, region: str, cycles: Cycles) -> Prediction | None:
        """Dose of a region in the next cycle, None where there is nothing to predict from."""
        stated = self.stated.get(region) or self.stated.get(organ_of(region))
        if stated is not None:
            return stated
        if any(_in_cycle(cycle, region) for cycle in cycles.given):
            observed = cycles.observed(region, nuclide=self.nuclide, agent=self.agent)
            if observed:
                return predicted_from(observed, scans=self.scans, relative_u=self.relative_u)
        if self.clearance_ml_per_min is None or not _is_lutetium_dotatate(self.nuclide, self.agent):
            return None
        return population_dose_sood2026(
            organ_of(region), creatinine_clearance_ml_per_min=self.clearance_ml_per_min, linear=self.linear
        )

    def effective_half_life_s(self, region: str, cycles: Cycles) -> float | None:
        """As stated, or of the last measured cycle of the same agent, None where neither is known. [s]"""
        stated = self.half_life_s.get(region) or self.half_life_s.get(organ_of(region))
        if stated is not None:
            return stated
        same = (
            _in_cycle(each, region)
            for each in reversed(cycles.given)
            if (each.nuclide, plain(each.agent)) == (self.nuclide, plain(self.agent))
        )
        last = next((dose for dose in same if dose is None or not dose.estimated_from), None)
        return None if last is None else last.effective_half_life_s


def completed(cycles: Cycles, upcoming: Upcoming, organs: Sequence[str]) -> Cycles:
    """Cycles in which doses that nobody measured are estimated as those of a next cycle of their agent would be.

    A dose per activity that is stated is of the agent of the next cycle. The estimate has the errors of what it is from in
    common with it; where there is nothing to estimate from, or an activity is not known, the dose stays missing.
    """
    given = list(cycles.given)
    for organ in organs:
        for region in cycles.regions(organ) or (organ,):
            measured = _measured_or_zero(cycles, region)
            for place, cycle in enumerate(cycles.given):
                if _in_cycle(cycle, region) is None:
                    found = _estimate(region, cycle, measured, upcoming)
                    if found is not None:
                        given[place] = replace(given[place], regions={**given[place].regions, region: found})
    return replace(cycles, given=tuple(given))


def _measured_or_zero(cycles: Cycles, region: str) -> Cycles:
    """Cycles with a dose of 0 where a region has none, which no prediction is made from; errors keep their cycle."""
    nothing = RegionDose(dose=CycleDose(absorbed_dose_gy=0.0, relative={}), estimated_from="nothing")
    return replace(
        cycles,
        given=tuple(
            cycle if _in_cycle(cycle, region) is not None else replace(cycle, regions={region: nothing})
            for cycle in cycles.given
        ),
    )


def _estimate(region: str, cycle: GivenCycle, measured: Cycles, upcoming: Upcoming) -> RegionDose | None:
    if not cycle.activity_bq:
        return None
    same = (cycle.nuclide, plain(cycle.agent)) == (upcoming.nuclide, plain(upcoming.agent))
    like = replace(
        upcoming, nuclide=cycle.nuclide, agent=cycle.agent, stated=upcoming.stated if same else {},
        half_life_s=upcoming.half_life_s if same else {},
    )  # fmt: skip
    try:
        found = like.prediction(region, measured)
    except MissingDataError:
        return None
    if found is None:
        return None
    relative = None
    if found.relative_u is not None:
        known = math.fsum(u**2 for u in found.named.values())
        relative = {**found.named, "estimate": math.sqrt(max(found.relative_u**2 - known, 0.0))}
    return RegionDose(
        dose=CycleDose(
            absorbed_dose_gy=found.dose_at(cycle.activity_bq), relative=relative, shared=frozenset(found.named)
        ),
        effective_half_life_s=like.effective_half_life_s(region, measured),
        estimated_from=found.source,
    )


def _is_lutetium_dotatate(nuclide: str, agent: str) -> bool:
    """Whether the population's dose may be of this agent; what is not said is taken to be it."""
    return nuclide in ("", "Lu-177") and (not agent or "dotatate" in plain(agent))


def plain(agent: str) -> str:
    """Name of an agent without case, spaces, brackets and hyphens."""
    return "".join(letter for letter in agent.lower() if letter.isalnum())


def spoken(region: str) -> str:
    """Name of a region in a sentence: "kidney right" is the right kidney."""
    organ, _, side = region.rpartition(" ")
    return f"{side} {organ}" if organ and side in ("left", "right") else region


def is_sided(region: str) -> bool:
    """Whether a name says left or right."""
    return bool({"left", "right"} & set(region.lower().split()))


@lru_cache(maxsize=1024)
def organ_of(region: str) -> str:
    """Name of the table of limits for a region, the region's own where there is none."""
    from lutetia.response.parameters import dose_limits

    limits = dose_limits(region)
    return limits[0].region if limits else region.strip().lower()


def _in_cycle(cycle: GivenCycle, region: str) -> RegionDose | None:
    found = cycle.regions.get(region)
    if found is not None:
        return found
    whole = (name for name in cycle.regions if organ_of(name) == organ_of(region) and not is_sided(name))
    return next((cycle.regions[name] for name in whole), None)
