"""The ``kernel`` command: voxel S coefficients and point kernels of a nuclide in a medium."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.spheres import MEDIA, NOTE, Density, Medium
from lutetia.errors import InputError, OutputError
from lutetia.units import KEV_PER_MEV, MGY_PER_MBQ_S_PER_GY_PER_BQ_S, MM_PER_CM

if TYPE_CHECKING:
    from lutetia.dose.kernel import VoxelKernel


def kernel(
    nuclide: Annotated[str, typer.Argument(help="For example Lu-177.")],
    voxel: Annotated[str, typer.Option("--voxel", help="Voxel in mm: 4.8, or 4.8x4.8x3 as x, y, z.")] = "4.8",
    medium: Medium = "water",
    density_g_per_ml: Density = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Voxels across, odd; by default as far as it matters.")
    ] = None,
    point: Annotated[bool, typer.Option("--point", help="The dose around a point in place of voxels.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the whole kernel: .npz or .csv.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Dose around a voxel (or a point) of activity in an endless medium, with its energy balance."""
    with told_errors(as_json=json):
        medium = MEDIA.get(medium, medium)
        if point:
            if out is not None:
                raise InputError("--out writes voxel kernels; take --point --json for a point.")
            document = point_document(nuclide, medium, density_g_per_ml)
            (print_json if json else print_point)(document)
            return
        if out is not None:
            _require_writable(out, force)
        found = _voxel_kernel(nuclide, _spacing_mm(voxel), medium, density_g_per_ml, size)
        if out is not None:
            write_kernel(found, out)
        document = kernel_document(found)
        if json:
            print_json(document)
        else:
            print_kernel(document, out)


def _spacing_mm(text: str) -> tuple[float, float, float]:
    try:
        parts = [float(part) for part in text.lower().replace("×", "x").split("x")]
    except ValueError:
        parts = []
    if len(parts) not in (1, 3) or not all(0 < part < 1000 for part in parts):
        raise InputError(f"--voxel {text!r}; expected a size in mm such as 4.8, or three such as 4.8x4.8x3.")
    x, y, z = parts if len(parts) == 3 else parts * 3
    return x, y, z


def _voxel_kernel(
    nuclide: str,
    spacing_mm: tuple[float, float, float],
    medium: str,
    density_g_per_ml: float | None,
    size: int | None,
) -> "VoxelKernel":
    from lutetia.dose.kernel import voxel_kernel

    if size is not None and (size < 3 or size % 2 == 0):
        raise InputError(f"--size {size}; expected an odd number from 3 on, with the source in the middle.")
    half = None if size is None else (size // 2,) * 3
    return voxel_kernel(
        nuclide=nuclide, spacing_mm=spacing_mm, medium=medium, density_g_per_ml=density_g_per_ml, half_size=half
    )


def kernel_document(found: "VoxelKernel") -> dict[str, Any]:
    """The kernel as a JSON document; keys as in docs/reference/json.md. The octant of non-negative steps."""
    octant = found.s_gy_per_bq_s * MGY_PER_MBQ_S_PER_GY_PER_BQ_S
    return {
        "nuclide": found.nuclide,
        "voxel_mm": list(found.spacing_mm),
        "medium": found.medium,
        "density_g_per_mL": found.density_g_per_ml,
        "size": [2 * n - 1 for n in octant.shape[::-1]],
        "s_mGy_per_MBq_s": octant.tolist(),
        "energy_keV_absorbed": found.absorbed_mev * KEV_PER_MEV,
        "energy_keV_escaped": found.escaped_mev * KEV_PER_MEV,
        "energy_keV_emitted": found.emitted_mev * KEV_PER_MEV,
        "energy_keV_emitted_local": found.local_mev * KEV_PER_MEV,
        "balance": found.balance,
        "method": found.method,
        "note": f"s[z][y][x] is the octant of non-negative steps from the source voxel. {NOTE}",
    }


def point_document(nuclide: str, medium: str, density_g_per_ml: float | None) -> dict[str, Any]:
    """The dose around a point as a JSON document; keys as in docs/reference/json.md."""
    from lutetia.dose.point_kernel.dose import point_kernel, radius_of_share_cm

    found = point_kernel(nuclide=nuclide, medium=medium, density_g_per_ml=density_g_per_ml)

    def within_mm(share: float) -> float:
        radius = radius_of_share_cm(share, nuclide=nuclide, medium=medium, density_g_per_ml=density_g_per_ml)
        return radius * MM_PER_CM

    return {
        "nuclide": found.nuclide,
        "medium": found.medium,
        "density_g_per_mL": found.density_g_per_ml,
        "charged_keV": found.charged_mev * KEV_PER_MEV,
        "x50_mm": within_mm(0.5),
        "x90_mm": within_mm(0.9),
        "radii_mm": (found.radius_cm * MM_PER_CM).tolist(),
        "absorbed_fraction": found.charged_fraction.tolist(),
        "dose_mGy_per_MBq_s": (found.dose_gy_per_bq_s * MGY_PER_MBQ_S_PER_GY_PER_BQ_S).tolist(),
        "note": "Fractions are of the energy of electrons and alphas, within each radius; doses in the shell up to it. "
        + NOTE,
    }


def _require_writable(out: Path, force: bool) -> None:
    if out.suffix.lower() not in (".npz", ".csv"):
        raise InputError(f"--out {out.name}; expected a name that ends in .npz or .csv.")
    if out.exists() and not force:
        raise OutputError(f"{out} exists; take another name, or --force to replace it.")
    if not out.parent.is_dir():
        raise OutputError(f"There is no folder {out.parent}.")


def write_kernel(found: "VoxelKernel", out: Path) -> None:
    """Write a kernel, all of it at once: .npz the whole array, .csv the octant with its steps."""
    import numpy as np

    octant = found.s_gy_per_bq_s * MGY_PER_MBQ_S_PER_GY_PER_BQ_S
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("wb") as file:
            if out.suffix.lower() == ".npz":
                whole = np.pad(octant, [(n - 1, 0) for n in octant.shape], mode="reflect")
                np.savez_compressed(
                    file, s_mGy_per_MBq_s=whole, voxel_mm=np.array(found.spacing_mm), nuclide=found.nuclide,
                    medium=found.medium, density_g_per_mL=found.density_g_per_ml, method=found.method,
                )  # fmt: skip
            else:
                z, y, x = np.indices(octant.shape)
                head = f"{found.nuclide} in {found.medium}, {found.density_g_per_ml:g} g/mL, steps of {found.spacing_mm} mm"
                np.savetxt(
                    file, np.stack([x.ravel(), y.ravel(), z.ravel(), octant.ravel()], axis=1),
                    fmt=("%d", "%d", "%d", "%.6e"), delimiter=",", header=f"{head}\nx,y,z,s_mGy_per_MBq_s",
                )  # fmt: skip
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{out} could not be written: {error.strerror}.") from error


def print_kernel(document: dict[str, Any], out: Path | None) -> None:
    """Show the middle of a kernel and its energy balance."""
    from rich.console import Console
    from rich.table import Table

    console, octant = Console(), document["s_mGy_per_MBq_s"]
    voxel = " x ".join(f"{v:g}" for v in document["voxel_mm"])
    size = " x ".join(map(str, document["size"]))
    console.print(
        f"[bold]{document['nuclide']}[/bold] in {document['medium']} ({document['density_g_per_mL']:g} g/mL), voxels of "
        f"{voxel} mm, {size}",
        highlight=False,
    )
    table = Table("steps x, y", *(f"z {k}" for k in range(min(4, len(octant)))), title="S / mGy/(MBq s)")
    for x, y in ((0, 0), (1, 0), (1, 1), (2, 0), (2, 2), (3, 0)):
        rows = (f"{octant[z][y][x]:.3e}" for z in range(min(4, len(octant))) if y < len(octant[0]))
        if x < len(octant[0][0]) and y < len(octant[0]):
            table.add_row(f"{x}, {y}", *rows)
    console.print(table)
    console.print(
        f"absorbed {document['energy_keV_absorbed']:.2f} keV + leaves {document['energy_keV_escaped']:.2f} keV = "
        f"{100 * document['balance']:.2f} % of {document['energy_keV_emitted']:.2f} keV emitted per decay",
        highlight=False,
    )
    if out is not None:
        console.print(f"Written: {out}", highlight=False)
    console.print(f"[dim]{document['method']}. {NOTE}[/dim]")


def print_point(document: dict[str, Any]) -> None:
    """Show where the energy around a point goes."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"[bold]{document['nuclide']}[/bold], a point in {document['medium']} ({document['density_g_per_mL']:g} g/mL): "
        f"half of {document['charged_keV']:.1f} keV within {document['x50_mm']:.4g} mm, 90 % within "
        f"{document['x90_mm']:.4g} mm",
        highlight=False,
    )
    table = Table("radius / mm", "within / %", "dose in shell / mGy/(MBq s)")
    columns = ("radii_mm", "absorbed_fraction", "dose_mGy_per_MBq_s")
    for radius, fraction, dose in list(zip(*(document[key] for key in columns), strict=True))[9::10]:
        table.add_row(f"{radius:.4g}", f"{100 * fraction:.2f}", f"{dose:.3e}")
    console.print(table)
    console.print(f"[dim]{document['note']}[/dim]")
