"""The command ``renal``: clearance and filtration rate of one patient by the equations in use."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.errors import InputError

if TYPE_CHECKING:
    from lutetia.response.renal.equations import Sex
    from lutetia.response.renal.function import SurfaceFormula

NOTE: Final = "Estimates from blood, of adults in a steady state. Research use only."
SOURCES: Final = {
    "cockcroft_gault_ml_min": "Cockcroft and Gault 1976, doi:10.1159/000180580, actual body weight",
    "ckd_epi_2021_ml_min_1_73m2": "Inker 2021, doi:10.1056/NEJMoa2102953, creatinine",
    "ckd_epi_2021_cystatin_ml_min_1_73m2": "Inker 2021, doi:10.1056/NEJMoa2102953, creatinine and cystatin C",
    "ckd_epi_2012_cystatin_ml_min_1_73m2": "Inker 2012, doi:10.1056/NEJMoa1114248, cystatin C",
}
LABELS: Final = {
    "cockcroft_gault_ml_min": ("Cockcroft-Gault", None),
    "ckd_epi_2021_ml_min_1_73m2": ("CKD-EPI 2021, creatinine", "ckd_epi_2021_ml_min"),
    "ckd_epi_2021_cystatin_ml_min_1_73m2": (
        "CKD-EPI 2021, creatinine and cystatin C",
        "ckd_epi_2021_cystatin_ml_min",
    ),
    "ckd_epi_2012_cystatin_ml_min_1_73m2": ("CKD-EPI 2012, cystatin C", "ckd_epi_2012_cystatin_ml_min"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What was asked of ``renal``, in the units of the command line."""

    creatinine: float
    unit: str
    sex: str
    age: float
    weight_kg: float | None
    height_cm: float | None
    cystatin_mg_l: float | None
    surface: "SurfaceFormula"


def renal(
    creatinine: Annotated[float, typer.Option("--creatinine", help="In serum, in --unit.")],
    sex: Annotated[str, typer.Option("--sex", help="F or M.")],
    age: Annotated[float, typer.Option("--age", help="At the time of the sample; 18 and more. [years]")],
    unit: Annotated[str, typer.Option("--unit", help="Of creatinine: mg/dL, umol/L (µmol/L), mmol/L.")],
    weight_kg: Annotated[
        float | None, typer.Option("--weight-kg", help="Actual weight, for Cockcroft-Gault. [kg]")
    ] = None,
    height_cm: Annotated[
        float | None, typer.Option("--height-cm", help="With the weight: rates in mL/min of this body. [cm]")
    ] = None,
    cystatin_mg_l: Annotated[
        float | None, typer.Option("--cystatin-mg-L", help="Cystatin C in serum, standardised assay. [mg/L]")
    ] = None,
    surface: Annotated[
        Literal["dubois1916", "mosteller1987"], typer.Option("--body-surface", help="Formula of the body surface.")
    ] = "dubois1916",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Creatinine clearance (Cockcroft-Gault) and filtration rate (CKD-EPI) of an adult."""
    with told_errors(as_json=json):
        document = renal_document(
            Asked(
                creatinine=creatinine,
                unit=unit,
                sex=sex,
                age=age,
                weight_kg=weight_kg,
                height_cm=height_cm,
                cystatin_mg_l=cystatin_mg_l,
                surface=surface,
            )
        )
        if json:
            print_json(document)
        else:
            print_renal(document)


def renal_document(asked: Asked) -> dict[str, Any]:
    """Renal function as a JSON document; keys as in docs/reference/json.md."""
    from lutetia.response.laboratory.catalogue import convert, find_test, find_unit, require_plausible
    from lutetia.response.renal.function import renal_function

    test = find_test("creatinine")
    unit = find_unit(test, asked.unit)
    require_plausible(test, asked.creatinine, unit)
    if asked.cystatin_mg_l is not None:
        require_plausible(find_test("cystatin c"), asked.cystatin_mg_l, "mg/L")
    creatinine_mg_dl = convert(test, asked.creatinine, unit, "mg/dL")
    found = asdict(
        renal_function(
            creatinine_mg_dl=creatinine_mg_dl,
            sex=_sex(asked.sex),
            age_yr=asked.age,
            weight_kg=asked.weight_kg,
            height_cm=asked.height_cm,
            cystatin_mg_l=asked.cystatin_mg_l,
            body_surface_formula=asked.surface,
        )
    )
    warnings = list(found.pop("warnings"))
    if asked.weight_kg is None:
        warnings.append("No --weight-kg was given: no Cockcroft-Gault clearance.")
    return {
        "creatinine_mg_dL": creatinine_mg_dl,
        "cystatin_mg_L": asked.cystatin_mg_l,
        "sex": _sex(asked.sex),
        "age_yr": asked.age,
        "weight_kg": asked.weight_kg,
        "height_cm": asked.height_cm,
        **found,
        "sources": {key: source for key, source in SOURCES.items() if found[key] is not None},
        "verified": True,
        "warnings": warnings,
        "note": NOTE,
    }


def _sex(text: str) -> "Sex":
    names: dict[str, Sex] = {"f": "female", "female": "female", "m": "male", "male": "male"}
    if text.strip().lower() not in names:
        raise InputError(f"--sex {text!r}; expected F or M.")
    return names[text.strip().lower()]


def print_renal(document: dict[str, Any]) -> None:
    """Show the document of ``renal_document``."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(pad_edge=False, title="Renal function", title_justify="left")
    table.add_column("equation", no_wrap=True)
    for head in ("mL/min/1.73 m2", "mL/min"):
        table.add_column(head, justify="right", no_wrap=True)
    for key, (label, absolute) in LABELS.items():
        if document[key] is None:
            continue
        rate = f"{document[key]:.1f}"
        own = None if absolute is None else document[absolute]
        table.add_row(label, *(("", rate) if absolute is None else (rate, "" if own is None else f"{own:.1f}")))
    console.print(table)
    if document["body_surface_m2"] is not None:
        console.print(
            f"body surface {document['body_surface_m2']:.2f} m2 ({document['body_surface_formula']})",
            highlight=False,
        )
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]")
