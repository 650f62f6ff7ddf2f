"""The commands ``bed`` and ``ntcp``: what an absorbed dose does to tissue."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.numbers import LARGEST
from lutetia.errors import InputError, MissingDataError
from lutetia.units import H_PER_S, S_PER_DAY, S_PER_H

if TYPE_CHECKING:
    from lutetia.response.bed import CourseBed
    from lutetia.response.parameters import TissueParameters
    from lutetia.response.protraction import Cycle

NOTE = "The dose rate is taken to follow one effective half-life. Research use only."
FAR_APART_S = 1e15
"""So far apart that nothing is carried over from cycle to cycle, whatever decays and is repaired."""
MOST_CYCLES = 100
"""Each cycle is paired with every one before it."""
GIVEN = "given on the command line"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What was asked of ``bed``, in the units of the command line."""

    absorbed_dose_gy: float
    effective_half_life_h: float
    repair_half_life_h: float | None
    alpha_beta_gy: float | None
    organ: str | None
    agent: str
    cycles: int
    interval_d: float | None
    u_absorbed_dose_gy: float | None
    u_alpha_beta_gy: float | None
    u_repair_half_life_h: float | None


def bed(
    absorbed_dose_gy: Annotated[float, typer.Option("--absorbed-dose-Gy", help="Of one cycle. [Gy]")],
    effective_half_life_h: Annotated[float, typer.Option("--effective-half-life-h", help="Of the dose rate. [h]")],
    repair_half_life_h: Annotated[
        float | None, typer.Option("--repair-half-life-h", help="Of sublethal damage; default from --organ. [h]")
    ] = None,
    alpha_beta_gy: Annotated[
        float | None, typer.Option("--alpha-beta-Gy", help="Of the tissue; default from --organ. [Gy]")
    ] = None,
    organ: Annotated[
        str | None, typer.Option("--organ", help="Takes what is not given from the table: kidney, lesion, ...")
    ] = None,
    agent: Annotated[
        str, typer.Option("--agent", help="For lesions, whose kind it tells: 177Lu-PSMA-617, ...")
    ] = "",
    cycles: Annotated[int, typer.Option("--cycles", help="How many such cycles.")] = 1,
    interval_d: Annotated[
        float | None, typer.Option("--interval-d", help="Between cycles; without it repair is complete. [d]")
    ] = None,
    u_absorbed_dose_gy: Annotated[
        float | None, typer.Option("--u-absorbed-dose-Gy", help="Standard uncertainty (k=1) of one cycle. [Gy]")
    ] = None,
    u_alpha_beta_gy: Annotated[float | None, typer.Option("--u-alpha-beta-Gy", help="The same. [Gy]")] = None,
    u_repair_half_life_h: Annotated[
        float | None, typer.Option("--u-repair-half-life-h", help="The same. [h]")
    ] = None,
    json: Json = False,
) -> None:
    """Biologically effective dose of one or several cycles, and the dose of equal effect in fractions of 2 Gy."""
    with told_errors(as_json=json):
        document = bed_document(
            Asked(
                absorbed_dose_gy=absorbed_dose_gy,
                effective_half_life_h=effective_half_life_h,
                repair_half_life_h=repair_half_life_h,
                alpha_beta_gy=alpha_beta_gy,
                organ=organ,
                agent=agent,
                cycles=cycles,
                interval_d=interval_d,
                u_absorbed_dose_gy=u_absorbed_dose_gy,
                u_alpha_beta_gy=u_alpha_beta_gy,
                u_repair_half_life_h=u_repair_half_life_h,
            )
        )
        if json:
            print_json(document)
        else:
            print_bed(document)


def bed_document(asked: Asked) -> dict[str, Any]:
    """BED as a JSON document; keys as in docs/reference/json.md."""
    _require_sizes(asked)
    parameters, warnings = _parameters(asked)
    half_life_h, ratio_gy = parameters["repair_half_life_h"]["value"], parameters["alpha_beta_Gy"]["value"]
    cycles, course = _course(asked, half_life_h * S_PER_H, ratio_gy)
    one = course.per_cycle[0]
    if asked.interval_d is None and asked.cycles > 1:
        warnings.append("No interval was given: repair between cycles is taken as complete (--interval-d).")
    return {
        "organ": asked.organ,
        "absorbed_dose_Gy": asked.absorbed_dose_gy,
        "u_absorbed_dose_Gy": asked.u_absorbed_dose_gy,
        "effective_half_life_h": asked.effective_half_life_h,
        "repair_half_life_h": half_life_h,
        "alpha_beta_Gy": ratio_gy,
        "cycles": asked.cycles,
        "interval_d": asked.interval_d,
        "g": one.g,
        "bed_Gy": course.total.bed_gy,
        "eqd2_Gy": course.total.eqd2_gy,
        "total_absorbed_dose_Gy": course.total.absorbed_dose_gy,
        "carry_over_Gy": None if asked.interval_d is None else course.carry_over_gy,
        **_uncertainty(asked, half_life_h, ratio_gy, cycles),
        "per_cycle": [
            {"cycle": i, "absorbed_dose_Gy": c.absorbed_dose_gy, "g": c.g, "bed_Gy": c.bed_gy, "eqd2_Gy": c.eqd2_gy}
            for i, c in enumerate(course.per_cycle, start=1)
        ],
        "parameters": parameters,
        "limits": _limits(asked.organ, course),
        "warnings": warnings,
        "note": NOTE,
    }


def _require_sizes(asked: Asked) -> None:
    """Raise for an option that is too large to be meant; what is not above 0 is told where it is used."""
    for name, value in asdict(asked).items():
        if isinstance(value, int | float) and value > LARGEST:
            option = "--" + name.replace("_gy", "_Gy").replace("_", "-")
            raise InputError(f"{option} {value:g}; expected at most {LARGEST:g}.")
    if asked.cycles > MOST_CYCLES:
        raise InputError(f"--cycles {asked.cycles}; expected at most {MOST_CYCLES}.")


def _parameters(asked: Asked) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Repair half-life and alpha/beta with source and verified, and what to warn of."""
    from lutetia.response.bed import require_positive
    from lutetia.response.parameters import tissue

    require_positive(asked.absorbed_dose_gy, "An absorbed dose", "Gy")
    require_positive(asked.effective_half_life_h, "An effective half-life", "h")
    known: TissueParameters | None = None if asked.organ is None else tissue(asked.organ, agent=asked.agent)
    from_table = {
        "repair_half_life_h": _hours(known.repair_half_life_s) if known else None,
        "alpha_beta_Gy": known.alpha_beta_gy if known else None,
    }
    given = {"repair_half_life_h": asked.repair_half_life_h, "alpha_beta_Gy": asked.alpha_beta_gy}
    options = {"repair_half_life_h": "--repair-half-life-h", "alpha_beta_Gy": "--alpha-beta-Gy"}
    found: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        if value is not None:
            require_positive(value, options[name], name.rsplit("_", 1)[1])
            found[name] = {"value": value, "source": GIVEN, "verified": None}
        elif known is not None and from_table[name] is not None:
            found[name] = {"value": from_table[name], "source": known.source, "verified": known.verified}
        else:
            where = f"the table has none of {asked.organ}" if known else "and no --organ to take it from"
            raise MissingDataError(f"No {options[name]} was given, {where}.")
    unchecked = [name for name, value in found.items() if value["verified"] is False]
    return found, [f"Not compared with a source: {', '.join(unchecked)} of {asked.organ}."] if unchecked else []


def _hours(seconds: float | None) -> float | None:
    # 2.8 h in the table is 2.8 h on the screen
    return None if seconds is None else round(seconds * H_PER_S, 9)


def _course(asked: Asked, repair_half_life_s: float, alpha_beta_gy: float) -> tuple[list["Cycle"], "CourseBed"]:
    """The cycles in time, and their BED."""
    from lutetia.response.bed import course_bed
    from lutetia.response.protraction import cycle_of

    if asked.cycles < 1:
        raise InputError(f"--cycles {asked.cycles}; expected at least 1.")
    if asked.interval_d is not None and not (asked.interval_d > 0 and math.isfinite(asked.interval_d)):
        raise InputError(f"--interval-d {asked.interval_d}; expected days above 0.")
    rate = math.log(2) / (asked.effective_half_life_h * S_PER_H)
    apart_s = FAR_APART_S if asked.interval_d is None else asked.interval_d * S_PER_DAY
    cycles = [
        cycle_of(
            absorbed_dose_gy=asked.absorbed_dose_gy,
            exponentials=((1.0, rate),),
            start_s=number * apart_s,
        )
        for number in range(asked.cycles)
    ]
    return cycles, course_bed(cycles, repair_half_life_s=repair_half_life_s, alpha_beta_gy=alpha_beta_gy)


def _uncertainty(asked: Asked, half_life_h: float, ratio_gy: float, cycles: list["Cycle"]) -> dict[str, Any]:
    """Standard uncertainty to first order, and the interval by Monte Carlo; the cycles share one error of dose."""
    from lutetia.response.protraction import course_by_half_life
    from lutetia.response.uncertainty import BedInputs, first_order_uncertainty, monte_carlo_uncertainty

    spreads = (asked.u_absorbed_dose_gy, asked.u_alpha_beta_gy, asked.u_repair_half_life_h)
    if all(u is None for u in spreads):
        return {"u_bed_Gy": None, "bed_95_Gy": None}
    if any(u is not None and not (u >= 0 and math.isfinite(u)) for u in spreads):
        raise InputError(f"Standard uncertainties {spreads} of dose, alpha/beta and repair; expected none below 0.")
    values = (asked.absorbed_dose_gy, ratio_gy, half_life_h)
    dose, ratio, repair = (None if u is None else u / v for u, v in zip(spreads, values, strict=True))
    inputs = BedInputs(
        absorbed_dose_gy=asked.cycles * asked.absorbed_dose_gy,
        alpha_beta_gy=ratio_gy,
        repair_half_life_s=half_life_h * S_PER_H,
        factor=course_by_half_life(cycles),
        absorbed_dose_relative=dose,
        alpha_beta_relative=ratio,
        repair_relative=repair,
    )
    drawn = monte_carlo_uncertainty(inputs)
    return {"u_bed_Gy": first_order_uncertainty(inputs), "bed_95_Gy": list(drawn.interval_95_gy)}


def _limits(organ: str | None, course: "CourseBed") -> list[dict[str, Any]]:
    """Limits in use for the organ, and which part of each the course is."""
    from lutetia.response.parameters import dose_limits

    reached = {"absorbed dose": course.total.absorbed_dose_gy, "BED": course.total.bed_gy}
    return [
        {
            "quantity": limit.quantity,
            "limit_Gy": limit.limit_gy,
            "fraction": reached[limit.quantity] / limit.limit_gy,
            "condition": limit.condition or None,
            "endpoint": limit.endpoint,
            "source": limit.source,
            "verified": limit.verified,
        }
        for limit in ([] if organ is None else dose_limits(organ))
    ]


def print_bed(document: dict[str, Any]) -> None:
    """Show the document of ``bed_document``."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    times = "" if document["cycles"] == 1 else f"{document['cycles']} cycles of "
    console.print(
        f"{times}{document['absorbed_dose_Gy']:g} Gy, effective half-life {document['effective_half_life_h']:g} h: "
        f"G = {document['g']:.4g}",
        highlight=False,
    )
    u, interval = document["u_bed_Gy"], document["bed_95_Gy"]
    spread = "" if u is None else f" ± {u:.2g} (k=1; 95 %: {interval[0]:.4g} to {interval[1]:.4g})"
    console.print(
        f"BED = [bold]{document['bed_Gy']:.4g} Gy[/bold]{spread}, EQD2 = [bold]{document['eqd2_Gy']:.4g} Gy[/bold]",
        highlight=False,
    )
    for line in _sources(document["parameters"]):
        console.print(line, highlight=False)
    if document["limits"]:
        table = Table("limit in use", "Gy", "reached / %", "for", "source", title_justify="left")
        for limit in document["limits"]:
            checked = "" if limit["verified"] else " (not verified)"
            table.add_row(
                limit["quantity"], f"{limit['limit_Gy']:g}", f"{100 * limit['fraction']:.0f}", limit["condition"] or "all",
                limit["source"] + checked,
            )  # fmt: skip
        console.print(table)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]")


def _sources(parameters: dict[str, dict[str, Any]]) -> list[str]:
    """Parameters in words, those from one source on one line."""
    words = {"alpha_beta_Gy": ("α/β", "Gy"), "repair_half_life_h": ("repair half-life", "h")}
    lines: dict[str, list[str]] = {}
    for name, (label, unit) in words.items():
        value = parameters[name]
        checked = {None: "", True: " (verified)", False: " (not verified)"}[value["verified"]]
        lines.setdefault(f"{value['source']}{checked}", []).append(f"{label} {value['value']:g} {unit}")
    return [f"{', '.join(values)}: {source}" for source, values in lines.items()]


def ntcp(
    organ: Annotated[str | None, typer.Option("--organ", help="With a complication model in the table.")] = None,
    dose_gy: Annotated[
        float | None, typer.Option("--dose-Gy", help="Even dose, in the quantity of the model. [Gy]")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Name of the model; the organ's first by default.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="CSV of your own patients: dose_Gy, patients, events.")
    ] = None,
    curve: Annotated[
        Literal["logistic", "lyman"], typer.Option("--curve", help="Which curve is fitted to --data.")
    ] = "logistic",
    json: Json = False,
) -> None:
    """Probability of a complication by a published model, or a curve fitted to your own patients."""
    with told_errors(as_json=json):
        if (data is None) == (organ is None):
            raise InputError("Give either --organ, for a published model, or --data, for a curve of your own.")
        document = _fitted(data, curve, dose_gy) if data is not None else _published(str(organ), model, dose_gy)
        if json:
            print_json(document)
        else:
            print_ntcp(document)


def _published(organ: str, model: str | None, dose_gy: float | None) -> dict[str, Any]:
    from lutetia.response.parameters import complication_model
    from lutetia.response.probability import complication_probability

    if dose_gy is None:
        raise MissingDataError("No --dose-Gy was given; a published model needs one.")
    found = complication_probability(complication_model(organ, name=model), dose_gy)
    return {
        "organ": organ,
        "dose_Gy": dose_gy,
        "ntcp": found.probability,
        "model": found.model,
        "quantity": found.quantity,
        "endpoint": found.endpoint,
        "source": found.source,
        "verified": found.verified,
        "warnings": list(found.warnings),
        "note": "Research use only.",
    }


def _fitted(path: Path, curve: Literal["logistic", "lyman"], dose_gy: float | None) -> dict[str, Any]:
    from lutetia.response.outcome_fit import fit_outcome, read_outcomes

    data = read_outcomes(path)
    found = fit_outcome(data, model=curve)
    return {
        "dose_Gy": dose_gy,
        "ntcp": None if dose_gy is None else float(found.probability(dose_gy)),
        "model": f"{found.model}, D50 {found.d50_gy:.4g} Gy, gamma50 {found.gamma50:.4g}",
        "patients": float(data.patients.sum()),
        "events": float(data.events.sum()),
        "d50_Gy": found.d50_gy,
        "d50_95_Gy": list(found.d50_interval_95_gy),
        "gamma50": found.gamma50,
        "gamma50_95": list(found.gamma50_interval_95),
        "m": found.m if found.model == "lyman" else None,
        "log_likelihood": found.log_likelihood,
        "deviance": found.deviance,
        "degrees_of_freedom": found.degrees_of_freedom,
        "source": path.name,
        "warnings": list(found.warnings),
        "note": "Maximum likelihood; intervals of 95 % of the profile likelihood, null where open. Research use only.",
    }


def print_ntcp(document: dict[str, Any]) -> None:
    """Show the document of ``ntcp``."""
    from rich.console import Console

    console = Console()
    console.print(f"{document['model']} ({document['source']})", highlight=False)
    for key, label in (("d50_95_Gy", "D50 / Gy"), ("gamma50_95", "gamma50")):
        if key in document:
            low, high = ("open" if end is None else f"{end:.3g}" for end in document[key])
            console.print(f"{label}, 95 %: {low} to {high}", highlight=False)
    if document["ntcp"] is not None:
        console.print(
            f"NTCP({document['dose_Gy']:g} Gy) = [bold]{100 * document['ntcp']:.3g} %[/bold]", highlight=False
        )
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]")
