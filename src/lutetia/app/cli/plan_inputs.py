"""What is given to ``plan``: files and options, turned into a course and a plan."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lutetia.app.cli.cycles import calibrations_of, cycle_dose, dose_documents, intervals_of
from lutetia.app.cli.numbers import LARGEST
from lutetia.dose.uncertainty.course import CycleDose
from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.activity.bounds import Bounds, bounds_of
from lutetia.therapy.activity.course import (
    Cycles,
    GivenCycle,
    RegionDose,
    Upcoming,
    completed,
    is_sided,
    organ_of,
    plain,
    spoken,
)
from lutetia.therapy.activity.limits import find_limits, judged_margins
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
class Stored:
    """What a course that is kept says of earlier cycles, in place of files.

    Attributes
    ----------
    documents : one for each cycle with what was given, ``cycle`` its number, and the regions of its dose.json, none where
        there is no dose.json
    protocol, protocol_cycle, protocol_given_bq : that is followed, number of the next cycle by it, and the activities given
        by it, None where one is not known. [Bq]
    highest_bq, clipped_by : what toxicity allows, and the sentence that says so; None for any
    """

    documents: tuple[dict[str, Any], ...]
    protocol: Protocol
    protocol_cycle: int
    protocol_given_bq: float | None
    highest_bq: float | None = None
    clipped_by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The options, as they were given but for per cent; ``stored`` stands in place of files, protocol and cycle."""

    files: tuple[Path, ...] = ()
    strategy: str
    limits: tuple[str, ...]
    protocol: str | None = None
    probability: float | None
    dose_gy: tuple[str, ...] = ()
    activity_gbq: str | None = None
    dose_u_percent: float | None = None
    gy_per_gbq: tuple[str, ...]
    u_percent: float | None
    scans: int
    half_life_h: tuple[str, ...]
    cycle: int | None = None
    target_gy: float | None
    reduction: float
    clearance_ml_per_min: float | None
    linear: bool
    agent: str | None = None
    mass_kg: float | None
    stored: Stored | None = None

    def planned(self) -> tuple[Course, Plan]:
        """The course that the options describe, and the plan."""
        propose = strategy(self.strategy)
        course = self._course() if self.stored is None else self._of_store(self.stored)
        names = self.limits or default_limits(self.strategy)
        margins, unjudged = judged_margins(
            names, course.cycles, lambda region: course.next.prediction(region, course.cycles),
            half_life_s=lambda region: course.next.effective_half_life_s(region, course.cycles),
            agent=course.next.agent,
        )  # fmt: skip
        missing = next((each for each in unjudged if each.decides), None)
        if self.stored is None and missing is not None:
            raise MissingDataError(missing.why)
        proposal = propose(self._situation(course))
        found = plan_activity(
            proposal, margins, probability=USUAL_PROBABILITY if self.probability is None else self.probability,
            bounds=course.bounds, demanded=self.probability is not None, unjudged=unjudged,
            required=bool(self.limits),
        )  # fmt: skip
        return course, found

    def _course(self) -> Course:
        documents = dose_documents(self.files, least=0)
        if len(documents) > 1:
            intervals_of(documents, ())  # refuses files that are not in their order
        calibrations, told = calibrations_of(documents) if len(documents) > 1 else (["of the cycle"], [])
        protocol = None if self.protocol is None else read_protocol(self.protocol)
        last = documents[-1]["administration"] if documents else {}
        agent = self.agent or (protocol.agent if protocol else last.get("agent")) or ""
        nuclide = (protocol.nuclide if protocol else last.get("nuclide")) or ""
        half_life_s = self._half_lives()
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
            next=self._next(nuclide, agent),
            cycle=number,
            bounds=Bounds() if protocol is None else self._bounds(protocol, number, cycles.activity_bq),
            warnings=(*told, *_of_agents(documents, nuclide, agent)),
        )  # fmt: skip

    def _of_store(self, stored: Stored) -> Course:
        """The course that is kept; doses that nobody measured are estimated, and that is told."""
        documents, protocol = stored.documents, stored.protocol
        measured = [document for document in documents if document["regions"]]
        names, told = calibrations_of(measured) if measured else ([], [])
        calibrations = iter(names)
        upcoming, half_life_s = self._next(protocol.nuclide, protocol.agent), self._half_lives()
        given = Cycles(
            given=tuple(
                _given_cycle(each, next(calibrations) if each["regions"] else "", protocol.agent, half_life_s)
                for each in documents
            )
        )
        organs = dict.fromkeys(find_limits(n)[0].region for n in self.limits or default_limits(self.strategy))
        cycles = completed(given, upcoming, tuple(organs))
        bounds = self._bounds(protocol, stored.protocol_cycle, stored.protocol_given_bq)
        if stored.highest_bq is not None and (bounds.highest_bq is None or stored.highest_bq < bounds.highest_bq):
            bounds = replace(bounds, highest_bq=stored.highest_bq, clipped_by=stored.clipped_by)
        return Course(
            cycles=cycles, next=upcoming, cycle=stored.protocol_cycle, bounds=bounds,
            warnings=(*told, *_of_agents(documents, protocol.nuclide, protocol.agent), *_of_estimates(cycles)),
        )  # fmt: skip

    def _half_lives(self) -> dict[str, float]:
        found = named_numbers(self.half_life_h, "--half-life-h")
        return {name: value[0] * S_PER_H for name, value in found.items()}

    def _next(self, nuclide: str, agent: str) -> Upcoming:
        return Upcoming(
            nuclide=nuclide, agent=agent, stated=self._stated(), scans=self.scans,
            relative_u=None if self.u_percent is None else self.u_percent / 100,
            clearance_ml_per_min=self.clearance_ml_per_min, linear=self.linear, half_life_s=self._half_lives(),
        )  # fmt: skip

    def _bounds(self, protocol: Protocol, number: int, given_bq: float | None) -> Bounds:
        return bounds_of(protocol, cycle=number, given_bq=given_bq, mass_kg=self.mass_kg)

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
            name: stated_prediction(gy_per_gbq=values[0], relative_u=relative, named=named, region=name)
            for name, values in named_numbers(self.gy_per_gbq, "--Gy-per-GBq").items()
        }

    def _situation(self, course: Course) -> Situation:
        regions = course.cycles.regions("kidney") or ("kidney",)
        try:
            found = {region: course.next.prediction(region, course.cycles) for region in regions}
            so_far = {
                region: sum(each.dose.absorbed_dose_gy for each in course.cycles.of(region))
                for region in course.cycles.regions("kidney")
            }
        except MissingDataError:
            if self.stored is None:
                raise
            found, so_far = {}, {}
        return Situation(
            cycle=course.cycle,
            kidneys={region: prediction for region, prediction in found.items() if prediction is not None},
            kidney_so_far_gy=so_far,
            usual_bq=course.bounds.usual_bq,
            usual_source=course.bounds.source or "the protocol's activity",
            unstated=course.bounds.unstated,
            tailored_bq=_tailored(course.bounds),
            target_gy=self.target_gy,
            reduction=self.reduction,
        )


def _tailored(bounds: Bounds) -> tuple[float, float] | None:
    if not bounds.tailored or bounds.lowest_bq is None or bounds.highest_bq is None:
        return None
    return bounds.lowest_bq, bounds.highest_bq


def _of_estimates(cycles: Cycles) -> list[str]:
    return [
        f"Cycle {cycle.number}: no dose of the {spoken(region)} is known; {found.dose.absorbed_dose_gy:.3g} Gy were "
        f"estimated ({found.estimated_from}), so that the sum so far is an estimate."
        for cycle in cycles.given
        for region, found in cycle.regions.items()
        if found.estimated_from
    ]


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
    activity = given["activity_MBq"]
    return GivenCycle(
        number=document.get("cycle"),
        activity_bq=None if activity is None else activity * BQ_PER_MBQ,
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
