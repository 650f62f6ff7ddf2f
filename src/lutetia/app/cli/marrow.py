"""The ``marrow`` command: absorbed dose of red marrow by all methods that the measurements allow."""

import json as json_format
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.numbers import number_in, number_or_none_in, regions_in, require_option
from lutetia.errors import InputError, MissingDataError
from lutetia.units import BQ_PER_MBQ, G_PER_KG, MBQ_H_PER_BQ_S, S_PER_H

if TYPE_CHECKING:
    from lutetia.app.workflow.marrow.assess import MarrowMeasurements
    from lutetia.dose.marrow.methods import ImagedMarrow
    from lutetia.dose.marrow.result import Decays
    from lutetia.physics.anatomy import Sex
    from lutetia.physics.nuclides import Nuclide

SEXES: Final[dict[str, "Sex"]] = {"F": "female", "FEMALE": "female", "M": "male", "MALE": "male"}
HEAVIEST_KG: Final = 500.0
"""Grams given for kilograms lie beyond it."""
NOTE: Final = (
    "Research use only. Not a medical device. Progeny is not included; absorbed dose, without weighting for RBE."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the command was asked for."""

    nuclide: str
    activity_mbq: float
    sex: str
    agent: str
    mass_kg: float | None
    haematocrit: float | None
    ratio: float | None
    blood: Path | None
    whole_body: Path | None
    urine: Path | None
    voiding_interval_h: float | None
    dose: Path | None
    image_region: str | None
    whole_l2_l4: bool
    model: str


def marrow(
    nuclide: Annotated[str, typer.Option("--nuclide", help="For example Lu-177.")],
    activity_mbq: Annotated[float, typer.Option("--activity-MBq", help="Administered activity. [MBq]")],
    sex: Annotated[str, typer.Option("--sex", help="F or M: of the reference person.")],
    agent: Annotated[str, typer.Option("--agent", help="For example 177Lu-DOTATATE; for published doses.")] = "",
    mass_kg: Annotated[float | None, typer.Option("--mass-kg", help="Of the patient. [kg]")] = None,
    haematocrit: Annotated[
        float | None, typer.Option("--haematocrit", help="As a fraction, for example 0.38.")
    ] = None,
    ratio: Annotated[
        float | None, typer.Option("--ratio", help="Marrow to blood; default 1, as after 177Lu-DOTATATE.")
    ] = None,
    blood: Annotated[
        Path | None, typer.Option("--blood", help="CSV: time_h, concentration_kBq_per_mL, u_percent.")
    ] = None,
    whole_body: Annotated[
        Path | None,
        typer.Option("--whole-body", help="CSV: time_h, activity_MBq or (anterior_, posterior_)counts."),
    ] = None,
    urine: Annotated[
        Path | None, typer.Option("--urine", help="CSV: time_h, volume_mL, concentration_kBq_per_mL, u_percent.")
    ] = None,
    voiding_interval_h: Annotated[
        float | None, typer.Option("--voiding-interval-h", help="For the bladder's contents. [h]")
    ] = None,
    dose: Annotated[
        Path | None, typer.Option("--dose", help="dose.json of a run: decays in organs, for the cross-dose.")
    ] = None,
    image_region: Annotated[
        str | None,
        typer.Option("--image-region", help="Vertebrae or marrow in dose.json, for image-based methods."),
    ] = None,
    whole_l2_l4: Annotated[
        bool, typer.Option("--whole-l2-l4", help="The image region is all of L2 to L4.")
    ] = False,
    model: Annotated[str, typer.Option("--model", help="Of blood and whole-body curves: auto, mono, bi.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Absorbed dose of red marrow by blood, image and whole body side by side, never one number alone."""
    with told_errors(as_json=json):
        document = marrow_command_document(
            Asked(
                nuclide=nuclide,
                activity_mbq=activity_mbq,
                sex=sex,
                agent=agent,
                mass_kg=mass_kg,
                haematocrit=haematocrit,
                ratio=ratio,
                blood=blood,
                whole_body=whole_body,
                urine=urine,
                voiding_interval_h=voiding_interval_h,
                dose=dose,
                image_region=image_region,
                whole_l2_l4=whole_l2_l4,
                model=model,
            )
        )
        if json:
            print_json(document)
        else:
            print_marrow(document)


def marrow_command_document(asked: Asked) -> dict[str, Any]:
    """Red marrow as a JSON document; keys as in docs/reference/json.md.

    Raises
    ------
    MissingDataError
        No measurement that a method could use.
    """
    from lutetia.app.report.marrow import marrow_document
    from lutetia.app.workflow.marrow.assess import assess_marrow
    from lutetia.dose.organ_level.coefficients import CONVENTIONS, shipped_reference_table
    from lutetia.physics.nuclides import nuclide

    if asked.sex.upper() not in SEXES:
        raise InputError(f"--sex {asked.sex!r}; expected F or M.")
    require_option(asked.activity_mbq, "--activity-MBq", "MBq")
    require_option(asked.mass_kg, "--mass-kg", "kg", most=HEAVIEST_KG)
    element = nuclide(asked.nuclide)
    table = shipped_reference_table(SEXES[asked.sex.upper()], element.name)
    section = assess_marrow(_measurements(asked, element), table, element)
    if not section.doses:
        raise MissingDataError(
            "No marrow dose without a measurement: give --blood, --image-region or --whole-body."
        )
    return {
        "nuclide": element.name,
        "activity_MBq": asked.activity_mbq,
        "sex": SEXES[asked.sex.upper()],
        "mass_kg": asked.mass_kg,
        "phantom": table.phantom,
        "mass_convention": CONVENTIONS[table.convention],
        **marrow_document(section),
        "note": NOTE,
    }


def _measurements(asked: Asked, element: "Nuclide") -> "MarrowMeasurements":
    from lutetia.app.workflow.marrow.assess import MarrowMeasurements
    from lutetia.app.workflow.marrow.samples import read_blood, read_urine, read_whole_body

    given = {
        "administered_activity_bq": asked.activity_mbq * BQ_PER_MBQ,
        "decay_constant_per_s": element.decay_constant_per_s,
    }
    organs, rest, image = _from_run(asked)
    return MarrowMeasurements(
        administered_activity_bq=given["administered_activity_bq"],
        agent=asked.agent,
        blood=None if asked.blood is None else read_blood(asked.blood),
        whole_body=None if asked.whole_body is None else read_whole_body(asked.whole_body, **given),
        excretion=None if asked.urine is None else read_urine(asked.urine, **given),
        organs=organs,
        rest=rest,
        image=image,
        body_mass_g=None if asked.mass_kg is None else asked.mass_kg * G_PER_KG,
        haematocrit=asked.haematocrit,
        ratio=asked.ratio,
        voiding_interval_s=None if asked.voiding_interval_h is None else asked.voiding_interval_h * S_PER_H,
        model=asked.model,
    )


def _from_run(asked: Asked) -> "tuple[dict[str, Decays], Decays | None, ImagedMarrow | None]":
    """Decays in organs, in the remainder, and the imaged marrow, of a dose.json."""
    from lutetia.dose.marrow.cross import RED_MARROW
    from lutetia.dose.marrow.methods import ImagedMarrow

    if asked.dose is None:
        if asked.image_region is not None:
            raise MissingDataError("--image-region needs --dose, the dose.json that has the region.")
        return {}, None, None
    regions = _regions(asked.dose, asked.nuclide)
    own = {asked.image_region, RED_MARROW}
    file = asked.dose.name
    organs = {name: _decays(r, file) for name, r in regions.items() if name not in own and r["kind"] != "remainder"}
    rest = next((_decays(r, file) for r in regions.values() if r["kind"] == "remainder"), None)
    if asked.image_region is None:
        return organs, rest, None
    if asked.image_region not in regions:
        raise InputError(
            f"--image-region {asked.image_region!r} is not in {asked.dose.name}: {', '.join(regions)}."
        )
    found = regions[asked.image_region]
    image = ImagedMarrow(
        region=asked.image_region,
        decays=_decays(found, file),
        volume_ml=number_in(found, "volume_mL", f"{file}, {asked.image_region}"),
        whole_l2_l4=asked.whole_l2_l4,
        corrected=bool(found.get("recovery_coefficients")),
    )
    return organs, rest, image


def _regions(path: Path, wanted: str) -> dict[str, dict[str, Any]]:
    from lutetia.physics.names import nuclide_name

    try:
        document = json_format.loads(path.read_text("utf-8"))
        given = document.get("administration", {}).get("nuclide")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path.name}: not a dose.json of lutetia run ({type(error).__name__}).") from error
    regions = regions_in(document, path.name)
    if given is not None and nuclide_name(given) != nuclide_name(wanted):
        raise InputError(f"{path.name} is of {given}; --nuclide is {wanted}.")
    return regions


def _decays(region: dict[str, Any], file: str) -> "Decays":
    from lutetia.dose.marrow.result import Decays

    where = f"{file}, {region['region']}"
    value = number_in(region, "time_integrated_activity_MBq_h", where)
    u = number_or_none_in(region, "u_time_integrated_activity_MBq_h", where)
    return Decays(
        value_bq_s=value / MBQ_H_PER_BQ_S,
        standard_uncertainty_bq_s=None if u is None else u / MBQ_H_PER_BQ_S,
    )


def _gy(value: float | None, u: float | None = None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if u is None else f"{value:.3g} ± {u:.2g}"


def print_marrow(document: dict[str, Any]) -> None:
    """Show the methods as a table, the coefficients, and what to be careful of."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    shown = Table(title=f"Red marrow, {document['nuclide']}, {document['activity_MBq']:g} MBq; ± is u (k=1)",
                  title_justify="left", pad_edge=False)  # fmt: skip
    for head in ("method", "own\nGy", "cross\nGy", "absorbed dose\nGy", "Gy per\nGBq"):
        shown.add_column(head, justify="left" if head == "method" else "right", no_wrap=head != "method")
    for row in document["methods"]:
        shown.add_row(
            row["description"],
            _gy(row["self_dose_Gy"]),
            _gy(row["cross_dose_Gy"]),
            _gy(row["absorbed_dose_Gy"], row["u_absorbed_dose_Gy"]),
            _gy(row["absorbed_dose_Gy_per_GBq"]),
        )
    console.print(shown)
    for region, c in document["time_integrated_activity_coefficients_h"].items():
        console.print(f"  {region}: {_gy(c['value'], c['u'])} h", highlight=False)
    for row in document["methods"]:
        terms = ", ".join(f"{name} {100 * u:.0f} %" for name, u in row["budget"].items())
        console.print(f"[dim]{row['method']}: {terms}. {row['source']}.[/dim]", highlight=False)
    told = [*document["warnings"], *(f"{r['method']}: {w}" for r in document["methods"] for w in r["warnings"])]
    for warning in dict.fromkeys(told):
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[bold]{document['caution']}[/bold] {document['note']}", highlight=False)
