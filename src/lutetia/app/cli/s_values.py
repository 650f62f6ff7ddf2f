"""The ``svalues`` command: S coefficients of a reference phantom, by Monte Carlo or from the shipped tables."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from lutetia.app.cli.console import print_json, progress_bar, told_errors
from lutetia.errors import InputError
from lutetia.units import MGY_PER_MBQ_S_PER_GY_PER_BQ_S

if TYPE_CHECKING:
    from lutetia.devices import Device
    from lutetia.dose.s_values.coefficients import SCoefficient
    from lutetia.phantoms.dosimetric import DosimetricPhantom

STYLISED: Final = "stylised"
NOTE: Final = (
    "Research use only. Not a medical device. Progeny is not included; absorbed dose, without weighting for RBE."
)
CONVENTION: Final = "blood-free organ masses of ICRP 89/110"
TABLE_METHOD: Final = (
    "Specific absorbed fractions of Lutetia's Monte Carlo (photons by track length, electrons by condensed history) "
    "folded over the emissions of ICRP 107 with the shape of beta spectra; alphas and recoil where emitted"
)
Sex = Literal["male", "female"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the command was asked for."""

    phantom: str | None
    sex: Sex
    source: str
    nuclide: str
    targets: tuple[str, ...]
    relative_uncertainty: float
    seed: int
    histories: int
    device: "Device"


def svalues(
    source: Annotated[str, typer.Option("--source", help="Region of the decays, for example kidneys.")],
    nuclide: Annotated[str, typer.Option("--nuclide", help="For example Lu-177.")],
    phantom: Annotated[
        str | None,
        typer.Option(
            "--phantom", help="An ICRP 110 archive (zip) of your own, or 'stylised'; else the shipped table."
        ),
    ] = None,
    sex: Annotated[Sex, typer.Option("--sex", help="Of the phantom.")] = "male",
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="Region that absorbs, once for each; all usual ones by default."),
    ] = None,
    uncertainty: Annotated[
        str,
        typer.Option("--uncertainty", help="Wanted statistical uncertainty of each target (k=1), for example 1%."),
    ] = "1%",
    histories: Annotated[
        int,
        typer.Option("--histories", min=100_000, help="Particles of each kind at most, wanted uncertainty or not."),
    ] = 4_000_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random numbers.")] = 1,
    device: Annotated[Literal["cpu", "cuda"], typer.Option("--device", help="Where to compute.")] = "cpu",
    table: Annotated[
        bool, typer.Option("--table", help="From the shipped table of specific absorbed fractions.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """S coefficients: mean absorbed dose of target regions per decay in a source region of a reference phantom."""
    with told_errors(as_json=json):
        asked = Asked(
            phantom=phantom,
            sex=sex,
            source=source,
            nuclide=nuclide,
            targets=tuple(target or ()),
            relative_uncertainty=fraction_of(uncertainty),
            seed=seed,
            histories=histories,
            device=device,
        )
        if table or phantom is None:
            document = table_document(asked)
        else:
            with progress_bar(quiet=quiet or json) as progress:
                progress("following particles", 0.0)
                document = monte_carlo_document(asked)
        if json:
            print_json(document)
        else:
            print_s_values(document)


def fraction_of(text: str) -> float:
    """An uncertainty given as "1%" or "0.01".

    Raises
    ------
    InputError
        Not a number from 0.01 % to 50 %.
    """
    found = re.fullmatch(r"\s*([\d.]+(?:[eE][+-]?\d+)?)\s*(%?)\s*", text)
    try:
        value = float(found[1]) / (100.0 if found[2] else 1.0) if found else float("nan")
    except ValueError:
        value = float("nan")
    if not 1e-4 <= value <= 0.5:
        raise InputError(f"--uncertainty {text!r}; expected from 0.01% to 50%, for example 1% or 0.01.")
    return value


def monte_carlo_document(asked: Asked) -> dict[str, Any]:
    """S coefficients by Monte Carlo as a JSON document; keys as in docs/reference/json.md."""
    from lutetia.devices import on_cuda
    from lutetia.phantoms.s_values import MARROW_METHOD, phantom_s_coefficients

    on_cuda(asked.device)  # told before the phantom is read
    body = _phantom(asked)
    found = phantom_s_coefficients(
        body,
        source=asked.source,
        nuclide=asked.nuclide,
        targets=asked.targets,
        relative_uncertainty=asked.relative_uncertainty,
        seed=asked.seed,
        most_histories=asked.histories,
        device=asked.device,
    )
    method = f"{found.method}. {MARROW_METHOD}" if body.marrow else f"{found.method}. {body.lacking}"
    return {
        "rows": [_row(row, found.nuclide) for row in found.rows],
        "method": method,
        "mass_convention": body.mass_convention,
        "phantom": body.name,
        "sex": body.sex,
        "seed": found.seed,
        "histories": found.histories,
        "wanted_u_relative": asked.relative_uncertainty,
        "energy_keV": {
            "emitted": found.emitted_mev * 1e3,
            "absorbed": found.absorbed_mev * 1e3,
            "escaped": found.escaped_mev * 1e3,
        },
        "note": NOTE,
    }


def table_document(asked: Asked) -> dict[str, Any]:
    """S coefficients from the shipped table as a JSON document.

    Raises
    ------
    InputError
        A region that the table does not have.
    """
    from lutetia.dose.s_values.table import shipped_table, table_s_coefficients
    from lutetia.phantoms.dosimetric import known_region
    from lutetia.phantoms.s_values import MARROW_METHOD
    from lutetia.phantoms.stylised_dosimetric import LACKING
    from lutetia.physics.names import nuclide_name

    found = shipped_table(asked.sex, STYLISED if asked.phantom == STYLISED else "icrp110")
    nuclide = nuclide_name(asked.nuclide)
    where = f"The table of {found.name}"
    source = known_region(asked.source, found.sources, f"{where}, as a source,")
    targets = [known_region(name, found.targets, f"{where}, as a target,") for name in asked.targets]
    rows = table_s_coefficients(found, source=source, nuclide=nuclide, targets=targets or found.targets)
    return {
        "rows": [_row(row, nuclide) for row in rows],
        "method": f"{TABLE_METHOD}. {MARROW_METHOD if found.marrow else LACKING}",
        "mass_convention": CONVENTION,
        "phantom": found.name,
        "sex": asked.sex,
        "seed": found.source.get("seed"),
        "histories": found.source.get("histories"),
        "note": NOTE,
    }


def _phantom(asked: Asked) -> "DosimetricPhantom":
    from lutetia.phantoms.icrp110 import icrp110_phantom
    from lutetia.phantoms.stylised_dosimetric import stylised_phantom

    if asked.phantom == STYLISED:
        return stylised_phantom(asked.sex)
    return icrp110_phantom(Path(str(asked.phantom)), asked.sex)


def _row(row: "SCoefficient", nuclide: str) -> dict[str, Any]:
    return {
        "source": row.source,
        "target": row.target,
        "nuclide": nuclide,
        "s_mGy_per_MBq_s": row.total_gy_per_bq_s * MGY_PER_MBQ_S_PER_GY_PER_BQ_S,
        "u_relative": row.u_relative,
        "target_mass_g": row.target_mass_g,
    }


def print_s_values(document: dict[str, Any]) -> None:
    """Show the document as a table, the greatest coefficient first."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    rows = sorted(document["rows"], key=lambda row: -row["s_mGy_per_MBq_s"])
    title = f"S coefficients of {rows[0]['nuclide']} in {rows[0]['source']} ({document['phantom']})"
    shown = Table(title=title, title_justify="left", pad_edge=False)
    for head in ("target", "S\nmGy/(MBq s)", "u (k=1)\n%", "mass\ng"):
        shown.add_column(head, justify="left" if head == "target" else "right", no_wrap=True)
    for row in rows:
        u = "-" if row["u_relative"] is None else f"{100 * row['u_relative']:.2g}"
        shown.add_row(row["target"], f"{row['s_mGy_per_MBq_s']:.3e}", u, f"{row['target_mass_g']:.4g}")
    console.print(shown)
    for text in (document["method"], f"Masses: {document['mass_convention']}.", document["note"]):
        console.print(f"[dim]{text}[/dim]", highlight=False)
