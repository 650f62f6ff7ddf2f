"""What is given to ``plan``: files and options, turned into a course and a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lutetia.app.cli.cycles import calibrations_of, cycle_dose, dose_documents, intervals_of
from lutetia.app.cli.numbers import LARGEST
from lutetia.dose.uncertainty.course import CycleDose
from lutetia.errors import InputError
from lutetia.therapy.activity.bounds import Bounds, bounds_of
from lutetia.therapy.activity.course import Cycles, GivenCycle, RegionDose, Upcoming, is_sided, organ_of, plain
from lutetia.therapy.activity.limits import margins_of
from lutetia.therapy.activity.planning import Plan, plan_activity
from lutetia.therapy.activity.prediction import Prediction, stated_prediction
from lutetia.therapy.activity.strategies import Situation, strategy
from lutetia.therapy.activity.tables import default_limits
from lutetia.therapy.protocols import read_protocol
from lutetia.therapy.protocols.model import Protocol
from lutetia.units import BQ_PER_GBQ, BQ_PER_MBQ, S_PER_H

USUAL_PROBABILITY = 0.05
TYPED = "doses given by option"
"""Name of the error that doses given by option share with each other and with a dose per activity beside them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What was given, the next cycle, and what has to be told of them."""

    cycles: Cycles
    next: Upcoming
    cycle: int
    bounds: Bounds
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The options, as they were given but for per cent."""

    files: tuple[Path, ...]
    strategy: str
    limits: tuple[str, ...]
    protocol: str | None
    probability: float | None
    dose_gy: tuple[str, ...]
    activity_gbq: str | None
    dose_u_percent: float | None
    gy_per_gbq: tuple[str, ...]
    u_percent: float | None
    scans: int
    half_life_h: tuple[str, ...]
    cycle: int | None
    target_gy: float | None
    reduction: float
    clearance_ml_per_min: float | None
    linear: bool
    agent: str | None
    mass_kg: float | None

    def planned(self) -> tuple[Course, Plan]:
        """The course that the options describe, and the plan."""
        propose = strategy(self.strategy)
        course = self._course()
        names = self.limits or default_limits(self.strategy)
        margins, told = margins_of(
            names, course.cycles, lambda region: course.next.prediction(region, course.cycles),
            half_life_s=lambda region: course.next.effective_half_life_s(region, course.cycles),
            agent=course.next.agent,
        )  # fmt: skip
        proposal = propose(self._situation(course))
        found = plan_activity(
            proposal, margins, probability=USUAL_PROBABILITY if self.probability is None else self.probability,
            bounds=course.bounds, demanded=self.probability is not None,
        )  # fmt: skip
        return Course(
            cycles=course.cycles, next=course.next, cycle=course.cycle, bounds=course.bounds,
            warnings=(*course.warnings, *told),
        ), found  # fmt: skip

    def _course(self) -> Course:
        documents = dose_documents(self.files, least=0)
        if len(documents) > 1:
            intervals_of(documents, ())  # refuses files that are not in their order
        calibrations, told = calibrations_of(documents) if len(documents) > 1 else (["of the cycle"], [])
        protocol = None if self.protocol is None else read_protocol(self.protocol)
        last = documents[-1]["administration"] if documents else {}
        agent = self.agent or (protocol.agent if protocol else last.get("agent")) or ""
        nuclide = (protocol.nuclide if protocol else last.get("nuclide")) or ""
        half_life_s = {
            name: value[0] * S_PER_H for name, value in named_numbers(self.half_life_h, "--half-life-h").items()
        }
        read = tuple(
            _given_cycle(document, calibration, agent, half_life_s)
            for document, calibration in zip(documents, calibrations, strict=False)
        )
        typed = self._typed(nuclide if not read else "", agent if not read else "", half_life_s)
        cycles = Cycles(given=(*typed, *read))
        number = self.cycle or len(cycles.given) + 1
        if number <= len(read):
            raise InputError(
                f"--cycle {number}: {len(read)} cycles are given already; expected {len(read) + 1} or more."
            )
        return Course(
            cycles=cycles,
            next=Upcoming(
                nuclide=nuclide, agent=agent, stated=self._stated(), scans=self.scans,
                relative_u=None if self.u_percent is None else self.u_percent / 100,
                clearance_ml_per_min=self.clearance_ml_per_min, linear=self.linear, half_life_s=half_life_s,
            ),
            cycle=number,
            bounds=self._bounds(protocol, number, cycles),
            warnings=(*told, *_of_agents(documents, nuclide, agent)),
        )  # fmt: skip

    def _bounds(self, protocol: Protocol | None, number: int, cycles: Cycles) -> Bounds:
        if protocol is None:
            return Bounds()
        return bounds_of(protocol, cycle=number, given_bq=cycles.activity_bq, mass_kg=self.mass_kg)

    def _typed(self, nuclide: str, agent: str, half_life_s: dict[str, float]) -> tuple[GivenCycle, ...]:
        """Cycles of --dose-Gy; of the agent of the next cycle where no file says otherwise."""
        doses = named_numbers(self.dose_gy, "--dose-Gy")
        n = max((len(values) for values in doses.values()), default=0)
        short = next((name for name, values in doses.items() if len(values) < n), None)
        if short is not None:
            raise InputError(f"--dose-Gy {short}: {len(doses[short])} doses, expected {n}, one for each cycle.")
        activities = _numbers(self.activity_gbq, "--activity-GBq") if self.activity_gbq else ()
        if activities and len(activities) != n:
            raise InputError(
                f"--activity-GBq: {len(activities)} activities; expected {n}, one for each cycle of --dose-Gy."
            )
        relative = None if self.dose_u_percent is None else {TYPED: self.dose_u_percent / 100}
        return tuple(
            GivenCycle(
                activity_bq=activities[i] * BQ_PER_GBQ if activities else None, nuclide=nuclide, agent=agent,
                regions={
                    name: RegionDose(
                        dose=CycleDose(absorbed_dose_gy=values[i], relative=relative, shared=frozenset({TYPED})),
                        effective_half_life_s=half_life_s.get(name) or half_life_s.get(organ_of(name)),
                    )
                    for name, values in doses.items()
                },
            )
            for i in range(n)
        )  # fmt: skip

    def _stated(self) -> dict[str, Prediction]:
        relative = None if self.u_percent is None else self.u_percent / 100
        common = (self.dose_u_percent or 0.0) / 100
        # a dose per activity beside typed doses comes from the same camera
        named = {TYPED: min(common, relative)} if self.dose_gy and common and relative else {}
        return {
            name: stated_prediction(gy_per_gbq=values[0], relative_u=relative, named=named)
            for name, values in named_numbers(self.gy_per_gbq, "--Gy-per-GBq").items()
        }

    def _situation(self, course: Course) -> Situation:
        regions = course.cycles.regions("kidney") or ("kidney",)
        found = {region: course.next.prediction(region, course.cycles) for region in regions}
        known = bool(course.cycles.regions("kidney"))
        so_far = {
            region: sum(each.dose.absorbed_dose_gy for each in course.cycles.of(region))
            for region in regions
            if known
        }
        return Situation(
            cycle=course.cycle,
            kidneys={region: prediction for region, prediction in found.items() if prediction is not None},
            kidney_so_far_gy=so_far,
            usual_bq=course.bounds.usual_bq,
            target_gy=self.target_gy,
            reduction=self.reduction,
        )


def _given_cycle(
    document: dict[str, Any], calibration: str, agent: str, half_life_s: dict[str, float]
) -> GivenCycle:
    given = document["administration"]
    regions = {}
    for region in document["regions"]:
        if region["absorbed_dose_Gy"] is not None and region["kind"] != "lesion":
            own = region.get("effective_half_life_h")
            name = region["region"]
            stated = half_life_s.get(name) or half_life_s.get(organ_of(name))
            regions[name] = RegionDose(
                dose=cycle_dose(region, calibration),
                effective_half_life_s=stated if own is None else own * S_PER_H,
            )
    return GivenCycle(
        activity_bq=given["activity_MBq"] * BQ_PER_MBQ,
        nuclide=given["nuclide"],
        agent=given.get("agent") or agent,
        regions=regions,
    )


def _of_agents(documents: Sequence[dict[str, Any]], nuclide: str, agent: str) -> list[str]:
    told = []
    if any(not document["administration"].get("agent") for document in documents):
        told.append(f"A dose.json names no agent; it was taken to be {agent or 'that of the others'}.")
    names = {document["administration"]["nuclide"] for document in documents} | ({nuclide} - {""})
    if len(names) > 1:
        told.append(
            f"Absorbed doses of {', '.join(sorted(names))} are added as they are, without weights of their radiation."
        )
    others = {plain(document["administration"].get("agent") or agent) for document in documents} - {plain(agent)}
    if others:
        told.append(f"Only cycles of {agent} predict the next dose; the others count as given.")
    return told


def named_numbers(given: Sequence[str], option: str) -> dict[str, tuple[float, ...]]:
    """organ=number,number of an option; organs by the names of the table, sides kept.

    Raises
    ------
    InputError
        Another form, a name twice, or numbers that are not above 0.
    """
    found: dict[str, tuple[float, ...]] = {}
    for text in given:
        name, sign, values = text.partition("=")
        if not (sign and name.strip()):
            raise InputError(f"{option} {text!r}: expected an organ and its value, for example kidney=4.7.")
        organ = name.strip().lower() if is_sided(name) else organ_of(name)
        if organ in found:
            raise InputError(f"{option}: {organ} is given twice; expected once, with one value for each cycle.")
        found[organ] = _numbers(values, f"{option} {organ}")
    return found


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"{option} {text!r}: expected numbers with commas between them.") from error
    if not all(1 / LARGEST <= value <= LARGEST for value in values):
        raise InputError(f"{option} {text!r}: expected numbers above 0.")
    return values
