"""What the rules see of a course that is kept record by record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from lutetia.errors import InputError, LutetiaError, MissingDataError
from lutetia.response.laboratory.catalogue import find_test
from lutetia.response.laboratory.result import LabResult, in_unit
from lutetia.response.renal.equations import Sex, creatinine_clearance_cockcroft1976
from lutetia.therapy.chronicle.findings import Findings, reversed_comparator
from lutetia.therapy.chronicle.model import Chronicle, Given, Measured, Timed, check_chronicle
from lutetia.therapy.course import Course, Event, Lab, Patient, net_administered_activity_bq
from lutetia.therapy.course.findings import result_of, test_key
from lutetia.therapy.facts import Fact, Facts, day, moment
from lutetia.therapy.imaging_scores import krenning_score
from lutetia.therapy.items import in_reference_unit, item_of_words, rounded
from lutetia.units import DAYS_PER_YEAR

OTHER_TOXICITY: Final = "grade_other_non_haematological"
A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A course as the rules see it, and what had to be assumed or could not be used."""

    chronicle: Chronicle
    warnings: tuple[str, ...]


@dataclass(kw_only=True, slots=True)
class _Gathered:
    facts: dict[str, list[Fact]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def note(self, name: str, fact: Fact) -> None:
        self.facts.setdefault(name, []).append(fact)


def view_of(
    course: Course, as_of: date, *, since: date | None = None, nuclide: str | None = None, ctcae_version: str = ""
) -> View:
    """Administrations, laboratory results and dated values by item of a course.

    A medication without an end is taken until ``as_of``; a diagnosis is a histology. Of a birth year the youngest age
    counts, and for a clearance the oldest. Where no creatinine clearance was measured with a creatinine it is that of
    Cockcroft and Gault with the last weight. A result below or above a bound is that range. Each of these is told.

    Parameters
    ----------
    course : of one patient; what is later than ``as_of`` is left out
    as_of : day, or day and local time
    since : earlier administrations are of another treatment, None for all
    nuclide : administrations of others are of another treatment, and told; None for all
    ctcae_version : that grades should be of; others are told. Empty for any

    Raises
    ------
    InputError
        Records that the rules cannot take; with item and date.
    """
    seen = course.as_of(as_of)
    found = _Gathered()
    born = _birth(seen.patient, found)
    if born is not None and day(as_of) < (seen.patient.born or born):
        raise InputError(f"The day that is asked for, {day(as_of)}, is before birth.")
    if seen.patient.sex == "male":
        found.note("pregnant", Fact(value=False, date=day(as_of)))
    _diagnoses(seen, found)
    _medications(seen, day(as_of), found)
    _observations(seen, found)
    _events(seen, day(as_of), found, ctcae_version)
    labs = tuple(_labs(seen, found))
    _clearances(labs, seen.patient, born, found)
    earlier = [one.cycle for one in seen.administrations if since is not None and day(one.start) < since]
    if earlier:
        found.told.append(
            f"Given before the enrolment of {since}, and not counted as of the protocol: cycle "
            f"{', '.join(map(str, earlier))}. Correct the enrolment's date if it is of the protocol."
        )
    given = [one for one in seen.administrations if one.cycle not in earlier]
    others = [one for one in given if nuclide is not None and one.nuclide != nuclide]
    found.told += [f"Cycle {one.cycle} of {one.agent} is not counted as a cycle of the protocol." for one in others]
    chronicle = Chronicle(
        administrations=tuple(
            Given(date=one.start, activity_bq=net_administered_activity_bq(one))
            for one in given
            if one not in others
        ),
        labs=labs,
        facts={name: tuple(_ordered(values)) for name, values in found.facts.items()},
        given=tuple(_day_events(seen)),
    )
    check_chronicle(chronicle)
    return View(chronicle=chronicle, warnings=tuple(dict.fromkeys(found.told)))


def facts_with_grades(findings: Findings) -> Facts:
    """Facts, and as facts the grades that are known exactly; a grade that a person noted stands before a computed one."""
    facts: dict[str, tuple[Fact, ...]] = {name: tuple(values) for name, values in findings.facts.items()}
    for name, grades in findings.grades.items():
        noted = {moment(fact.date) for fact in facts.get(name, ())}
        exact = [one for one in grades if one.at_least == one.at_most and moment(one.date) not in noted]
        computed = {moment(one.date): Fact(value=float(one.at_least), date=one.date) for one in exact}
        if computed:
            facts[name] = (*facts.get(name, ()), *computed.values())
    return facts


def _ordered(values: Sequence[Fact]) -> list[Fact]:
    """In the order of time, each once; of one moment two values stay, so that a contradiction is found."""
    return sorted(dict.fromkeys(values), key=lambda fact: moment(fact.date))


def _birth(patient: Patient, found: _Gathered) -> date | None:
    """Note the birth date, and return the one with which a clearance is computed: of a year the cautious ends."""
    if patient.birth_year is None:
        if patient.birth_date is not None:
            found.note("birth_date", Fact(value=patient.birth_date, date=patient.birth_date))
        return patient.birth_date
    found.note("birth_date", Fact(value=date(patient.birth_year, 12, 31), date=date(patient.birth_year, 12, 31)))
    found.told.append(
        "Only the birth year is known; the youngest age of that year counts, and the oldest for creatinine clearance."
    )
    return date(patient.birth_year, 1, 1)


def _diagnoses(course: Course, found: _Gathered) -> None:
    for one in course.diagnoses:
        found.note("diagnosis", Fact(value=True, date=one.date))
        found.note("histology_confirmed", Fact(value=True, date=one.date))
        if one.grade is not None:
            found.note("grade", Fact(value=one.grade, date=one.date))
        if one.ki67_percent is not None:
            found.note("ki67", Fact(value=one.ki67_percent, unit="%", date=one.date))
        if one.metastatic_since is not None:
            found.note("unresectable_or_metastatic", Fact(value=True, date=one.metastatic_since))
        site = item_of_words("site", one.primary_site)
        if site is not None:
            found.note(site[0], Fact(value=site[1], date=one.date))
        elif one.primary_site:
            found.told.append(f"The primary site of {one.date} is not in the table; note origin as an observation.")
    for read in course.sstr_reads:
        if read.krenning is None and (read.lesion is None or read.liver is None):
            continue
        score = krenning_score(lesion=read.lesion, liver=read.liver, spleen=read.spleen, reader=read.krenning)
        found.note("krenning_score", Fact(value=float(score.score), date=read.date))
        found.told += [f"Receptor imaging of {read.date}: {text}" for text in score.warnings]


def _medications(course: Course, today: date, found: _Gathered) -> None:
    for one in course.medications:
        known = item_of_words("medication", one.drug_class)
        if known is not None:
            found.note(known[0], Fact(value=True, date=one.end or today))
        elif one.drug_class:
            found.told.append(f"No rule knows the class of a drug begun on {one.start}.")


def _observations(course: Course, found: _Gathered) -> None:
    for one in course.observations:
        known = item_of_words("observation", one.name)
        if known is not None:
            found.note(known[0], Fact(value=one.value, unit=one.unit, date=one.time))


def _events(course: Course, today: date, found: _Gathered, version: str) -> None:
    """The worst grade of each item from each day on which an event begins or ends; one of a single day is over the next."""
    by_item: dict[str, list[Event]] = {}
    for event in course.events:
        known = item_of_words("event", event.term)
        name = OTHER_TOXICITY if known is None else known[0]
        if not name:
            told = f"No rule looks at an event of {event.start}, grade {event.grade}: {event.term}"
            found.told.append(f"{told}; rules judge it by laboratory values alone.")
        else:
            by_item.setdefault(name, []).append(event)
        if version and event.ctcae_version != version:
            found.told.append(
                f"An event of {event.start} is graded by CTCAE {event.ctcae_version}, the protocol pins {version}; its "
                "grade is taken as it is."
            )
    for name, events in by_item.items():
        ends = {one.end if one.end > one.start else one.end + A_DAY for one in events if one.end is not None}
        for when in sorted({one.start for one in events} | {end for end in ends if end <= today}):
            lasting = [one.grade for one in events if one.start <= when and (one.end is None or one.end > when)]
            begun = [one.grade for one in events if one.start == when]
            found.note(name, Fact(value=float(max((*lasting, *begun), default=0)), date=when))


def _labs(course: Course, found: _Gathered) -> Iterator[Measured]:
    seen: dict[tuple[str, datetime], Lab] = {}
    for one in course.labs:
        try:
            find_test(one.test)
        except MissingDataError:
            found.told.append(f"No rule knows the laboratory test of {one.time:%Y-%m-%d %H:%M}: {one.test}.")
            continue
        other = seen.setdefault((test_key(one.test), one.time), one)
        if (result_of(other), other.comparator) != (result_of(one), one.comparator):
            raise InputError(
                f"lab.value: {test_key(one.test)} of {one.time:%Y-%m-%d %H:%M} has two values by different methods, and "
                "rules take one; withdraw the other, or correct its time."
            )
        if other is not one:
            continue
        if one.comparator:
            told = f"{one.test} of {one.time:%Y-%m-%d} is given as {one.comparator} {one.value:g} {one.unit}"
            found.told.append(f"{told}; a rule that this does not decide is not known.")
        yield Measured(date=one.time, result=result_of(one), comparator=one.comparator)


def _clearances(labs: Sequence[Measured], patient: Patient, born: date | None, found: _Gathered) -> None:
    """Cockcroft-Gault of each creatinine that has no measured clearance of the same day."""
    measured = {day(one.date) for one in labs if one.result.test == "creatinine clearance"}
    weights = _ordered(found.facts.get("body_mass", ()))
    creatinines = [one for one in labs if one.result.test == "creatinine" and day(one.date) not in measured]
    if not creatinines:
        return
    lacking = [
        what
        for what, missing in (
            ("weight", not weights),
            ("birth date", born is None),
            ("sex", patient.sex not in ("female", "male")),
        )
        if missing
    ]
    if lacking or born is None:
        found.told.append(f"No creatinine clearance is computed without {', '.join(lacking)}.")
        return
    if any(day(weights[0].date) > day(one.date) for one in creatinines):
        found.told.append(f"Creatinines before {day(weights[0].date)}, the first weight, are taken with that one.")
    for one in creatinines:
        weight = _last_weight(weights, one.date)
        try:
            clearance = _cockcroft(one.result, patient.sex, (day(one.date) - born).days / DAYS_PER_YEAR, weight)
        except LutetiaError as error:
            found.told.append(f"No creatinine clearance of {day(one.date)}: {error}")
            continue
        found.note(
            "creatinine_clearance",
            Fact(value=clearance, unit="mL/min", date=one.date, comparator=reversed_comparator(one.comparator)),
        )
    found.told.append("Creatinine clearance is computed by Cockcroft-Gault with the last weight noted.")


def _last_weight(weights: Sequence[Fact], when: date) -> Fact:
    before = [fact for fact in weights if moment(fact.date) <= moment(when) or day(fact.date) <= day(when)]
    return before[-1] if before else weights[0]


def _cockcroft(creatinine: LabResult, sex: str, age_yr: float, weight: Fact) -> float:
    if sex not in ("female", "male"):
        raise InputError(f"sex {sex!r}; expected female or male.")
    known: Sex = "female" if sex == "female" else "male"
    return rounded(
        creatinine_clearance_cockcroft1976(
            creatinine_mg_dl=in_unit(creatinine, "mg/dL").value,
            sex=known,
            age_yr=age_yr,
            weight_kg=in_reference_unit("body_mass", float(weight.value), weight.unit),  # type: ignore[arg-type]
        )
    )


def _day_events(course: Course) -> Iterator[Timed]:
    """The agent itself and the day's other events, by the words that protocols use where they are the same."""
    for one in course.administrations:
        yield Timed(cycle=one.cycle, event="agent", start=one.start, end=one.stop)
        for event in one.events:
            known = item_of_words("day", event.name)
            name = "-".join(event.name.casefold().split()) if known is None else known[0]
            yield Timed(cycle=one.cycle, event=name, start=event.start, end=event.stop)
