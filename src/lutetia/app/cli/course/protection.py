"""The discharge sheet of a cycle, from what the course says was given and measured."""

import math
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lutetia.app.cli import discharge_options as options
from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.course.questions import HERE, AsOf, Json, Pseudonym, Store, with_course
from lutetia.app.cli.discharge import Asked as Question
from lutetia.app.cli.discharge import Circumstances
from lutetia.errors import InputError, MissingDataError
from lutetia.units import BQ_PER_MBQ, H_PER_S, MBQ_PER_BQ, USV_PER_H_PER_SV_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lutetia.app.cli.course.asked import Loaded
    from lutetia.app.report.discharge import Sheet
    from lutetia.therapy.course import Administration, Course
    from lutetia.therapy.course.exposure import DoseRate

A_YEAR = timedelta(days=365)
MEASURED = "measured"
"""In place of a profile: the curve of the dose rates that were noted."""


def discharge(
    pseudonym: Pseudonym,
    cycle: Annotated[int | None, typer.Option("--cycle", help="Number of the cycle; the last.")] = None,
    as_of: AsOf = None,
    retention: Annotated[
        str | None,
        typer.Option(
            "--retention", help="A profile, a CSV, or measured: fit the dose rates; physical decay without."
        ),
    ] = None,
    u_dose_rate_percent: options.UDoseRate = None,
    country: options.Country = None,
    limit_usv_h: options.LimitDoseRate = None,
    discharge_h: options.DischargeH = None,
    treatments_per_year: Annotated[
        int | None,
        typer.Option("--treatments-per-year", help="Share a yearly constraint; those given in the year before."),
    ] = None,
    contacts: options.Contacts = None,
    only: options.Only = None,
    distance_exponent: options.DistanceExponent = 1.5,
    collect_h: options.CollectH = None,
    tank_days: options.TankDays = 0.0,
    tank_m3: options.TankVolume = None,
    impurity_percent: options.Impurity = None,
    residual_mbq: options.Residual = None,
    clearance_kbq: options.Clearance = None,
    residual_impurity_percent: options.ResidualImpurity = None,
    draws: options.Draws = 2000,
    seed: options.Seed = 1,
    plot: options.Plot = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Discharge sheet of the last cycle, or another: by what was given and the dose rates that were noted."""
    with told_errors(as_json=json):
        from lutetia.app.cli.course.asked import loaded

        circumstances = Circumstances(
            retention=retention, u_dose_rate_percent=u_dose_rate_percent, country=country, limit_usv_h=limit_usv_h,
            discharge_h=discharge_h, contacts=contacts, only=tuple(only or ()), distance_exponent=distance_exponent,
            collect_h=collect_h, tank_days=tank_days, tank_m3=tank_m3, impurity_percent=impurity_percent,
            residual_mbq=residual_mbq, clearance_kbq=clearance_kbq,
            residual_impurity_percent=residual_impurity_percent, draws=draws, seed=seed,
        )  # fmt: skip
        found = loaded(store, pseudonym, as_of=as_of)
        _told(found, cycle, circumstances, treatments_per_year, plot, json=json)


def _told(
    found: "Loaded",
    cycle: int | None,
    circumstances: Circumstances,
    treatments_per_year: int | None,
    plot: Path | None,
    *,
    json: bool,
) -> None:
    from lutetia.app.cli.figures import draw, require_new

    if plot is not None:
        require_new(plot)
    sheet, document = _answered(found, cycle, circumstances, treatments_per_year)
    if plot is not None:
        from lutetia.app.report.dose_rates import dose_rate_figure

        draw(plot, lambda: dose_rate_figure(sheet))
        document["plot"] = str(plot)
    (print_json if json else _print)(document)


def discharge_answer(
    found: "Loaded",
    cycle: int | None = None,
    circumstances: Circumstances | None = None,
    treatments_per_year: int | None = None,
) -> dict[str, Any]:
    """Document of ``course discharge``.

    Parameters
    ----------
    found : the course on a day
    cycle : number; the last by default
    circumstances : limits, contacts, retention and the rest that a course does not hold
    treatments_per_year : that share a yearly constraint; those given in the year up to this one by default

    Raises
    ------
    MissingDataError
        No administration, no such cycle, or one whose activity was not measured.
    InputError
        Circumstances that cannot be.
    """
    return _answered(found, cycle, circumstances or Circumstances(), treatments_per_year)[1]


def _answered(
    found: "Loaded", cycle: int | None, circumstances: Circumstances, treatments_per_year: int | None
) -> "tuple[Sheet, dict[str, Any]]":
    from lutetia.app.cli.discharge import make_sheet, require_numbers
    from lutetia.app.report.discharge import discharge_document

    given = _cycle(found.course, cycle, found.as_of)
    activity_bq = _activity_bq(found.course, given)
    told: list[str] = []
    if given.residual_activity_bq is None:
        told.append(f"Cycle {given.cycle}: the residual was not measured; the activity is an upper bound.")
    circumstances = _completed(found.course, given, circumstances, treatments_per_year, told)
    rates = _usable(found.course, given, told)
    question = Question(
        **{item.name: getattr(circumstances, item.name) for item in fields(Circumstances)},
        nuclide=given.nuclide,
        activity_mbq=activity_bq * MBQ_PER_BQ,
        agent=given.agent,
        administered_at_h=given.start.hour + given.start.minute / 60 + given.start.second / 3600,
    )
    require_numbers(question)
    sheet = make_sheet(_with_dose_rates(question, given, rates, told))
    document = discharge_document(sheet)
    document["warnings"] = [*told, *document["warnings"]]
    about = {
        "cycle": given.cycle,
        "administered": given.start.isoformat(),
        "measurements": [_plain(given, rate) for rate in rates],
    }
    return sheet, with_course(found, {**about, **document})


def _cycle(course: "Course", number: int | None, as_of: date) -> "Administration":
    if not course.administrations:
        raise MissingDataError(
            f"administration: none up to {as_of}; a discharge sheet needs what was given (course add NAME administration)."
        )
    if number is None:
        return course.administrations[-1]
    for given in course.administrations:
        if given.cycle == number:
            return given
    known = ", ".join(str(given.cycle) for given in course.administrations)
    raise MissingDataError(f"--cycle {number}: not in the course up to {as_of}; there are {known}.")


def _activity_bq(course: "Course", given: "Administration") -> float:
    net = {one.cycle: one.activity_bq for one in course.net_activities()}[given.cycle]
    if net is None:
        raise MissingDataError(
            f"administration.measured_activity_MBq: not measured in cycle {given.cycle}; what was prescribed is not taken "
            "for what was given."
        )
    if net == 0:
        raise InputError(f"administration.measured_activity_MBq: nothing was given in cycle {given.cycle}.")
    return net


def _completed(
    course: "Course",
    given: "Administration",
    circumstances: Circumstances,
    treatments_per_year: int | None,
    told: list[str],
) -> Circumstances:
    """Circumstances with what the course says of them."""
    if treatments_per_year is None:
        year = [one for one in course.administrations if given.start - A_YEAR < one.start <= given.start]
        treatments_per_year = len(year)
        if treatments_per_year > 1:
            told.append(
                f"{treatments_per_year} cycles were given in the year up to this one and share a yearly constraint "
                "(--treatments-per-year)."
            )
    residual_mbq = circumstances.residual_mbq
    if residual_mbq is None and circumstances.clearance_kbq is not None and given.residual_activity_bq:
        residual_mbq = given.residual_activity_bq / BQ_PER_MBQ
        told.append("The waste is the residual that was measured after the administration.")
    return replace(circumstances, treatments_per_year=treatments_per_year, residual_mbq=residual_mbq)


def _usable(course: "Course", given: "Administration", told: list[str]) -> "list[DoseRate]":
    """Dose rates of a cycle from which something follows, one at a time."""
    from lutetia.therapy.course.exposure import dose_rates_after

    noted = dose_rates_after(course, given)
    done = given.stop or given.start
    during = [rate for rate in noted if rate.time < done]
    nothing = [rate for rate in noted if rate.sv_per_s == 0 and rate.time >= done]
    for left_out, why in ((during, "before the administration ended"), (nothing, "of 0, below what a meter shows")):
        if left_out:
            told.append(f"{len(left_out)} dose rate(s) {why} left out.")
    return [rate for rate in noted if rate not in during and rate not in nothing]


def _with_dose_rates(
    question: Question, given: "Administration", rates: "Sequence[DoseRate]", told: list[str]
) -> Question:
    """The question with one dose rate to pass through, or with a curve of all.

    A curve is only fitted when asked for: dose rates of the first day show the fast phase, and alone would promise that
    what is left goes as fast.
    """
    if question.retention == MEASURED:
        if len(rates) < 2:
            raise MissingDataError(
                f"--retention measured: {len(rates)} dose rate(s) after cycle {given.cycle}; expected two."
            )
        return _with_curve(question, given, rates, told)
    if not rates:
        told.append(
            f"No dose rate was noted after cycle {given.cycle} (observation name='dose rate 1 m' unit=µSv/h)."
        )
        return question
    decides = rates[-1] if question.retention else _highest(question, given, rates)
    if len(rates) > 1:
        which = "last" if question.retention else "one that is highest, decay-corrected,"
        told.append(f"Of {len(rates)} dose rates the {which} decides; --retention measured fits them all.")
    return replace(
        question,
        dose_rate_usv_h=decides.sv_per_s * USV_PER_H_PER_SV_PER_S,
        at_h=(decides.time - given.start).total_seconds() * H_PER_S,
        distance_m=decides.distance_m,
    )


def _highest(question: Question, given: "Administration", rates: "Sequence[DoseRate]") -> "DoseRate":
    """The dose rate above which, with physical decay, none of the others lies."""
    from lutetia.physics.nuclides import nuclide

    decay = nuclide(given.nuclide).decay_constant_per_s

    def logarithm(rate: "DoseRate") -> float:
        since_s = (rate.time - given.start).total_seconds()
        return math.log(rate.sv_per_s) + question.distance_exponent * math.log(rate.distance_m) + decay * since_s

    return max(rates, key=logarithm)


def _with_curve(
    question: Question, given: "Administration", rates: "Sequence[DoseRate]", told: list[str]
) -> Question:
    import numpy as np

    from lutetia.physics.nuclides import nuclide
    from lutetia.therapy.protection.measurements import measured_dose_rates

    times = [rate.time for rate in rates]
    if len(set(times)) < len(times):
        raise InputError("observation.time: two dose rates at one time; withdraw one.")
    distances = np.array([rate.distance_m for rate in rates])
    if np.any(distances != 1.0):
        told.append(f"Dose rates were taken to 1 m by the distance's power {question.distance_exponent:g}.")
    u = question.u_dose_rate_percent
    if u is None:
        told.append("The uncertainty of the dose rates was not given (--u-dose-rate-percent).")
    measured = measured_dose_rates(
        time_s=np.array([(time - given.start).total_seconds() for time in times]),
        at_1_m_sv_per_s=np.array([rate.sv_per_s for rate in rates]) * distances**question.distance_exponent,
        relative_uncertainty=None if u is None else u / 100,
        decay_constant_per_s=nuclide(given.nuclide).decay_constant_per_s,
    )
    return replace(question, measured=measured)


def _plain(given: "Administration", rate: "DoseRate") -> dict[str, Any]:
    return {
        "time": rate.time.isoformat(),
        "time_h": (rate.time - given.start).total_seconds() * H_PER_S,
        "distance_m": rate.distance_m,
        "uSv_h": rate.sv_per_s * USV_PER_H_PER_SV_PER_S,
    }


def _print(document: dict[str, Any]) -> None:
    from lutetia.app.cli.discharge_text import print_discharge

    rates = [
        f"{one['uSv_h']:g} µSv/h at {one['distance_m']:g} m after {one['time_h']:.1f} h"
        for one in document["measurements"]
    ]
    about = (
        f"{document['pseudonym']}: cycle {document['cycle']} of {document['administered'][:16].replace('T', ' ')}; "
        f"measured: {', '.join(rates) or 'no dose rate'}"
    )
    print_discharge(document, about)
