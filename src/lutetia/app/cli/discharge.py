"""The ``discharge`` command: when a patient may leave, and who may come near from when."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lutetia.app.cli import discharge_options as options
from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.discharge_text import print_discharge
from lutetia.app.cli.figures import draw, require_new
from lutetia.errors import InputError, MissingDataError
from lutetia.units import BQ_PER_KBQ, BQ_PER_MBQ, S_PER_DAY, S_PER_H, SV_PER_S_PER_USV_PER_H

if TYPE_CHECKING:
    from lutetia.app.report.discharge import Residue, Sheet, Tank
    from lutetia.physics.nuclides import Nuclide
    from lutetia.therapy.protection.contact import ContactPattern
    from lutetia.therapy.protection.dose_rate import ExternalDoseRate
    from lutetia.therapy.protection.measurements import Measured
    from lutetia.therapy.protection.release import Limit
    from lutetia.therapy.protection.waste import Impurity

NOON_H = 12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """What is asked beside the patient, in the units of the command line."""

    retention: str | None = None
    u_dose_rate_percent: float | None = None
    country: str | None = None
    limit_usv_h: float | None = None
    discharge_h: float | None = None
    treatments_per_year: int = 1
    contacts: Path | None = None
    only: tuple[str, ...] = ()
    distance_exponent: float = 1.5
    collect_h: float | None = None
    tank_days: float = 0.0
    tank_m3: float | None = None
    impurity_percent: float | None = None
    residual_mbq: float | None = None
    clearance_kbq: float | None = None
    residual_impurity_percent: float | None = None
    draws: int = 2000
    seed: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked(Circumstances):
    """What was asked, in the units of the command line.

    ``measured`` are dose rates of the patient as a curve; without them one dose rate may be given.
    """

    nuclide: str
    activity_mbq: float
    agent: str
    administered_at_h: float | None
    dose_rate_usv_h: float | None = None
    at_h: float = 0.0
    distance_m: float = 1.0
    measured: "Measured | None" = None


def discharge(
    nuclide: Annotated[str, typer.Option("--nuclide", help="For example Lu-177.")],
    activity_mbq: Annotated[float, typer.Option("--activity-MBq", help="Administered. [MBq]")],
    agent: Annotated[str, typer.Option("--agent", help="For statements about it: 177Lu-DOTATATE, ...")] = "",
    retention: options.Retention = None,
    dose_rate_usv_h: Annotated[
        float | None, typer.Option("--dose-rate-uSv-h", help="Measured on this patient. [uSv/h]")
    ] = None,
    at_h: Annotated[float, typer.Option("--at-h", help="When, after the administration. [h]")] = 0.0,
    distance_m: Annotated[float, typer.Option("--distance-m", help="Of dose rates measured. [m]")] = 1.0,
    u_dose_rate_percent: options.UDoseRate = None,
    country: options.Country = None,
    limit_usv_h: options.LimitDoseRate = None,
    administered_at_h: Annotated[
        float | None, typer.Option("--administered-at-h", help="Hour of the day; noon by default. [h]")
    ] = None,
    discharge_h: options.DischargeH = None,
    treatments_per_year: Annotated[
        int, typer.Option("--treatments-per-year", help="Share a yearly constraint.")
    ] = 1,
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
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Discharge sheet: retained activity and dose rate, limits, who may come near from when, urine and waste."""
    with told_errors(as_json=json):
        if plot is not None:
            require_new(plot)
        from lutetia.app.report.discharge import discharge_document

        asked = Asked(
            nuclide=nuclide, activity_mbq=activity_mbq, agent=agent, retention=retention,
            dose_rate_usv_h=dose_rate_usv_h, at_h=at_h, distance_m=distance_m, u_dose_rate_percent=u_dose_rate_percent,
            country=country, limit_usv_h=limit_usv_h, administered_at_h=administered_at_h, discharge_h=discharge_h,
            treatments_per_year=treatments_per_year, contacts=contacts, only=tuple(only or ()),
            distance_exponent=distance_exponent, collect_h=collect_h, tank_days=tank_days, tank_m3=tank_m3,
            impurity_percent=impurity_percent, residual_mbq=residual_mbq, clearance_kbq=clearance_kbq,
            residual_impurity_percent=residual_impurity_percent, draws=draws, seed=seed,
        )  # fmt: skip
        sheet = make_sheet(asked)
        document = discharge_document(sheet)
        if plot is not None:
            from lutetia.app.report.dose_rates import dose_rate_figure

            draw(plot, lambda: dose_rate_figure(sheet))
            document["plot"] = str(plot)
        if json:
            print_json(document)
        else:
            print_discharge(document)


def make_sheet(asked: Asked) -> "Sheet":
    """Everything the sheet needs, in internal units."""
    from lutetia.app.report.discharge import Sheet
    from lutetia.physics.nuclides import nuclide as nuclide_called

    require_numbers(asked)
    element = nuclide_called(asked.nuclide)
    dose_rate, agent, caution = _dose_rate(asked, element)
    told = []
    if asked.administered_at_h is None:
        told.append("The hour of the administration was not given: noon was taken (--administered-at-h).")
    if asked.retention is None and asked.measured is None:
        told.append(
            "No retention was given: nothing is taken as excreted, which is the most cautious case (--retention)."
        )
    limits, about_limits = _limits(asked, element.name)
    residue, about_residue = _residue(asked, element)
    hour = NOON_H if asked.administered_at_h is None else asked.administered_at_h
    return Sheet(
        nuclide=element.name,
        half_life_s=element.half_life_s,
        agent=agent,
        activity_bq=asked.activity_mbq * BQ_PER_MBQ,
        administered_at_s=hour * S_PER_H,
        dose_rate=dose_rate,
        limits=limits,
        patterns=_patterns(asked),
        treatments_per_year=asked.treatments_per_year,
        distance_exponent=asked.distance_exponent,
        discharge_s=None if asked.discharge_h is None else asked.discharge_h * S_PER_H,
        tank=_tank(asked, element.name),
        residue=residue,
        draws=asked.draws,
        seed=asked.seed,
        told=(*told, *about_limits, *about_residue),
        caution=caution,
    )


def require_numbers(asked: Asked) -> None:
    """Refuse numbers that cannot be, by option."""
    above = {
        "--activity-MBq": asked.activity_mbq, "--dose-rate-uSv-h": asked.dose_rate_usv_h,
        "--distance-m": asked.distance_m, "--limit-uSv-h": asked.limit_usv_h,
        "--distance-exponent": asked.distance_exponent, "--tank-m3": asked.tank_m3,
        "--residual-MBq": asked.residual_mbq, "--clearance-kBq": asked.clearance_kbq,
    }  # fmt: skip
    for name, value in above.items():
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise InputError(f"{name} {value:g}; expected above 0.")
    from_0 = {
        "--at-h": asked.at_h, "--discharge-h": asked.discharge_h, "--collect-h": asked.collect_h,
        "--tank-days": asked.tank_days, "--u-dose-rate-percent": asked.u_dose_rate_percent,
        "--impurity-percent": asked.impurity_percent, "--residual-impurity-percent": asked.residual_impurity_percent,
    }  # fmt: skip
    for name, value in from_0.items():
        if value is not None and not (value >= 0 and math.isfinite(value)):
            raise InputError(f"{name} {value:g}; expected 0 or more.")
    if asked.administered_at_h is not None and not 0 <= asked.administered_at_h < 24:
        raise InputError(f"--administered-at-h {asked.administered_at_h:g}; expected an hour from 0 to 24.")
    if asked.treatments_per_year < 1:
        raise InputError(f"--treatments-per-year {asked.treatments_per_year}; expected at least 1.")


def _dose_rate(asked: Asked, element: "Nuclide") -> "tuple[ExternalDoseRate, str, str]":
    """Dose rate with its retention, the agent it is of, and why measurements were not used as a curve."""
    from lutetia.therapy.protection.dose_rate import dose_rate_from_measurement, dose_rate_of_patients
    from lutetia.therapy.protection.measurements import read_measurements
    from lutetia.therapy.protection.retention import PHYSICAL, profile_agent, retention_profile

    activity_bq, agent, caution = asked.activity_mbq * BQ_PER_MBQ, asked.agent, ""
    given = asked.retention or PHYSICAL
    if asked.measured is not None and asked.measured.dose_rate is not None:
        return asked.measured.dose_rate, agent, asked.measured.caution
    if Path(given).suffix.lower() == ".csv":
        measured = read_measurements(
            Path(given),
            administered_activity_bq=activity_bq,
            decay_constant_per_s=element.decay_constant_per_s,
            distance_m=asked.distance_m,
            distance_exponent=asked.distance_exponent,
        )
        if measured.dose_rate is not None:
            if asked.dose_rate_usv_h is not None:
                raise InputError("--dose-rate-uSv-h and dose rates in the CSV of --retention: one of them, please.")
            return measured.dose_rate, agent, measured.caution
        retention, caution = measured.retention, measured.caution
    else:
        retention = retention_profile(given, decay_constant_per_s=element.decay_constant_per_s)
        agent = agent or profile_agent(given)
    if asked.dose_rate_usv_h is None:
        rate = dose_rate_of_patients(retention, nuclide=element.name, administered_activity_bq=activity_bq)
        return rate, agent, caution
    u = asked.u_dose_rate_percent
    rate = dose_rate_from_measurement(
        retention,
        dose_rate_sv_per_s=asked.dose_rate_usv_h * SV_PER_S_PER_USV_PER_H,
        time_s=asked.at_h * S_PER_H,
        distance_m=asked.distance_m,
        distance_exponent=asked.distance_exponent,
        relative_uncertainty=None if u is None else u / 100,
    )
    return rate, agent, caution


def _limits(asked: Asked, nuclide: str) -> "tuple[tuple[Limit, ...], list[str]]":
    from lutetia.therapy.protection.release import Limit, release_limits

    found: list[Limit] = []
    if asked.limit_usv_h is not None:
        found.append(
            Limit(
                place="given", quantity="dose rate at 1 m", value=asked.limit_usv_h, unit="uSv/h", meaning="your own",
                source="given on the command line", verified=True,
            )
        )  # fmt: skip
    if asked.country is not None:
        found += release_limits(asked.country, nuclide=nuclide)
    if not found:
        return (), ["No limit was given (--country, --limit-uSv-h): nothing is said about release."]
    unknown = [limit for limit in found if limit.value is None]
    return tuple(found), [
        f"{limit.place} has a limit of {limit.quantity} that is not in the table ({limit.source}); give it with "
        "--limit-uSv-h."
        for limit in unknown
    ]


def _patterns(asked: Asked) -> "tuple[ContactPattern, ...]":
    from lutetia.therapy.protection.contact import contact_patterns

    patterns = contact_patterns(asked.contacts)
    if not asked.only:
        return patterns
    found = tuple(p for p in patterns if any(word.lower() in p.name.lower() for word in asked.only))
    if not found:
        raise MissingDataError(
            f"No contact pattern with {' or '.join(asked.only)}; there are {'; '.join(p.name for p in patterns)}."
        )
    return found


def _tank(asked: Asked, nuclide: str) -> "Tank | None":
    from lutetia.app.report.discharge import Tank

    if asked.collect_h is None:
        return None
    collected, released = asked.collect_h * S_PER_H, asked.tank_days * S_PER_DAY
    if asked.tank_days and released < collected:
        raise InputError(
            f"--tank-days {asked.tank_days:g} is before the end of the collection, {asked.collect_h:g} h; both count from "
            "the administration."
        )
    percent = asked.impurity_percent
    readings = _readings(nuclide, percent, "--impurity-percent")
    return Tank(
        collected_until_s=collected,
        released_at_s=max(released, collected),
        volume_m3=asked.tank_m3,
        impurity=None if percent is None else (readings[0], percent / 100),
    )


def _residue(asked: Asked, element: "Nuclide") -> "tuple[Residue | None, list[str]]":
    from lutetia.app.report.discharge import Residue

    if asked.residual_mbq is None:
        return None, []
    if asked.clearance_kbq is None:
        raise MissingDataError(
            "--residual-MBq needs --clearance-kBq: the activity at which the waste may be cleared."
        )
    percent = asked.residual_impurity_percent
    readings = _readings(element.name, percent, "--residual-impurity-percent")
    told = []
    if percent is None and readings:
        told.append(
            f"{readings[0].impurity} in the waste was left out (--residual-impurity-percent); the table has "
            + "; ".join(f"{100 * r.fraction_low:g} to {100 * r.fraction_high:g} % ({r.when})" for r in readings)
            + "."
        )
    residue = Residue(
        activity_bq=asked.residual_mbq * BQ_PER_MBQ,
        limit_bq=asked.clearance_kbq * BQ_PER_KBQ,
        impurity_fraction=None if percent is None else percent / 100,
        readings=readings,
    )
    return residue, told


def _readings(nuclide: str, percent: float | None, option: str) -> "tuple[Impurity, ...]":
    """Impurities of a nuclide; an error where one was given that is not known."""
    from lutetia.therapy.protection.waste import impurities

    found = impurities(nuclide)
    if percent is not None and percent > 100:
        raise InputError(f"{option} {percent:g}; expected at most 100.")
    if percent is not None and not found:
        raise MissingDataError(f"{option}: the table has no long-lived impurity of {nuclide}.")
    return found
