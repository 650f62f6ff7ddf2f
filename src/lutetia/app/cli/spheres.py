"""The ``sphere`` command: S coefficient of a uniform sphere to itself."""

from typing import Annotated, Any

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.units import KEV_PER_MEV, MGY_PER_MBQ_S_PER_GY_PER_BQ_S, MM_PER_CM

MEDIA = {"bone": "cortical bone"}
"""Names that people use for those of the table of materials."""

NOTE = "Progeny are not included. Research use only."

Medium = Annotated[str, typer.Option("--medium", help="Name of a material: water, soft tissue, bone, lung, ...")]
Density = Annotated[
    float | None, typer.Option("--density-g-per-ml", help="Of the medium; its nominal density by default.")
]


def sphere(
    nuclide: Annotated[str, typer.Option("--nuclide", help="For example Lu-177.")],
    mass_g: Annotated[float, typer.Option("--mass-g", help="Mass of the sphere. [g]")],
    medium: Medium = "water",
    density_g_per_ml: Density = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """S coefficient of a sphere that is evenly filled with a nuclide: lesions, nodules, clusters of cells."""
    with told_errors(as_json=json):
        document = sphere_document(nuclide, mass_g, MEDIA.get(medium, medium), density_g_per_ml)
        if json:
            print_json(document)
        else:
            print_sphere(document)


def sphere_document(nuclide: str, mass_g: float, medium: str, density_g_per_ml: float | None) -> dict[str, Any]:
    """The sphere as a JSON document; keys as in docs/reference/json.md."""
    from lutetia.dose.sphere import sphere_dose

    found = sphere_dose(nuclide=nuclide, mass_g=mass_g, medium=medium, density_g_per_ml=density_g_per_ml)
    kinds = ("electrons", "photons", "alpha", "recoil")
    return {
        "nuclide": found.nuclide,
        "mass_g": found.mass_g,
        "medium": found.medium,
        "density_g_per_mL": found.density_g_per_ml,
        "diameter_mm": 2 * found.radius_cm * MM_PER_CM,
        "s_mGy_per_MBq_s": found.s_gy_per_bq_s * MGY_PER_MBQ_S_PER_GY_PER_BQ_S,
        "u_relative": found.relative_uncertainty,
        "absorbed_energy_keV": found.absorbed.total * KEV_PER_MEV,
        "absorbed_keV_by_radiation": {kind: getattr(found.absorbed, kind) * KEV_PER_MEV for kind in kinds},
        "emitted_keV_by_radiation": {kind: getattr(found.emitted, kind) * KEV_PER_MEV for kind in kinds},
        "method": found.method,
        "note": NOTE,
    }


def print_sphere(document: dict[str, Any]) -> None:
    """Show the document of ``sphere_document``."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"[bold]{document['nuclide']}[/bold] in a sphere of {document['mass_g']:g} g {document['medium']} "
        f"({document['density_g_per_mL']:g} g/mL, {document['diameter_mm']:.4g} mm across)",
        highlight=False,
    )
    console.print(
        f"S = [bold]{document['s_mGy_per_MBq_s']:.4g} mGy/(MBq s)[/bold]  "
        f"u = {100 * document['u_relative']:.2g} % (k=1)",
        highlight=False,
    )
    table = Table("radiation", "emitted / keV", "absorbed / keV", "share / %", title_justify="left")
    for kind, emitted in document["emitted_keV_by_radiation"].items():
        if emitted > 0:
            absorbed = document["absorbed_keV_by_radiation"][kind]
            table.add_row(kind, f"{emitted:.2f}", f"{absorbed:.2f}", f"{100 * absorbed / emitted:.1f}")
    console.print(table)
    console.print(f"[dim]{document['method']}. {document['note']}[/dim]")
