"""The adult reference voxel phantoms of ICRP Publication 110, from a user's own copy.

ICRP holds the copyright of the phantoms, so none of their voxels is shipped. The importer reads the archive in which the
OpenDose collaboration distributes them as GATE inputs: a raw volume of organ numbers (x fastest), a table that gives each
range of numbers a material, and a GATE material database with densities.
"""

import re
import zipfile
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError
from lutetia.images.grid import Grid
from lutetia.images.regions import Kind, Region, Regions, Side
from lutetia.images.volume import Volume
from lutetia.phantoms.stylised import Rasterised
from lutetia.physics.materials import density_from_hu

Phantom = Literal["AM", "AF"]

SHAPES: Final[dict[str, tuple[int, int, int]]] = {"AM": (254, 127, 222), "AF": (299, 137, 348)}
SPACING_MM: Final[dict[str, tuple[float, float, float]]] = {"AM": (2.137, 2.137, 8.0), "AF": (1.775, 1.775, 4.84)}

ORGANS: Final[dict[str, tuple[int, ...]]] = {
    "kidney left": (89, 90, 91),
    "kidney right": (92, 93, 94),
    "liver": (95,),
    "spleen": (127,),
    "pancreas": (113,),
    "adrenal left": (1,),
    "adrenal right": (2,),
    "lung left": (96, 97),
    "lung right": (98, 99),
    "heart": (87, 88),
    "brain": (61,),
    "thyroid": (132,),
    "urinary bladder": (137, 138),
    "stomach": (72, 73),
    "gallbladder": (70, 71),
    "bone": tuple(range(13, 57)),
}
"""Organ numbers of ICRP 110, table A.1. Stomach and bladders with their contents; bone is the whole skeleton with its
marrow, which the phantom does not resolve."""


def import_icrp110(archive: Path, phantom: Phantom) -> Rasterised:
    """Regions in standard terms, density and CT numbers of a phantom.

    The grid is LPS: +x to the left, +y to the back, +z to the head, its middle at the origin. CT numbers are those of the
    density by inversion of the Schneider conversion, so that the phantom can be imaged like the stylised one. The archive
    does not state an orientation; that of the organs decides it.

    Parameters
    ----------
    archive : the zip file of GATE inputs
    phantom : AM for the adult male, AF for the adult female

    Raises
    ------
    MissingDataError
        The archive is not there, or lacks a part.
    InputError
        A part has another size than the phantom.

    References
    ----------
    ICRP Publication 110. Adult reference computational phantoms. Ann ICRP 39(2) (2009).
    """
    if not archive.is_file():
        raise MissingDataError(f"{archive}: no such archive; ICRP 110 phantoms are read from a copy of your own.")
    with zipfile.ZipFile(archive) as content:
        raw = _member(content, rf"{phantom}_UINT16.*\.raw$")
        ranges = _member(content, rf"{phantom}.*LabelsToMaterials\.txt$").decode()
        database = _member(content, rf"{phantom}.*GateMaterials\.db$").decode()
    nx, ny, nz = SHAPES[phantom]
    numbers = np.frombuffer(raw, np.uint16)
    if numbers.size != nx * ny * nz:
        raise InputError(f"{archive.name}: {numbers.size} voxels; the phantom {phantom} has {nx} x {ny} x {nz}.")
    labels = numbers.reshape(nz, ny, nx)
    size = SHAPES[phantom]
    spacing = SPACING_MM[phantom]
    origin = tuple(-(n - 1) / 2 * s for n, s in zip(size, spacing, strict=True))
    grid = Grid(size=size, spacing_mm=spacing, origin_mm=(origin[0], origin[1], origin[2]))
    density = _density_by_number(ranges, database)[labels].astype(np.float32)
    return Rasterised(
        regions=_regions(grid, labels),
        body=labels > 0,
        density=Volume(grid=grid, values=density, unit="g/mL"),
        hu=Volume(grid=grid, values=_hu(density), unit="HU"),
    )


def _member(content: zipfile.ZipFile, pattern: str) -> bytes:
    for name in content.namelist():
        if re.search(pattern, name) and "__MACOSX" not in name:
            return content.read(name)
    raise MissingDataError(f"{Path(str(content.filename)).name}: holds no file like {pattern}.")


def _density_by_number(ranges: str, database: str) -> NDArray[np.float64]:
    """Density of each organ number [g/mL], from half-open ranges of numbers to material names."""
    known = {
        m[1]: float(m[2]) for m in re.finditer(r"^\s*(\S+):\s*d=\s*([\d.eE+-]+)\s*g/cm3", database, re.MULTILINE)
    }
    densities = np.full(256, 0.0012)
    for line in ranges.splitlines():
        parts = line.split()
        if len(parts) >= 3 and parts[0].isdigit():
            first, last, name = int(parts[0]), int(parts[1]), parts[2]
            if name not in known:
                raise MissingDataError(f"The material database has no density of {name!r}.")
            densities[first : max(last, first + 1)] = known[name]
    return densities


def _regions(grid: Grid, numbers: NDArray[np.uint16]) -> Regions:
    labels = np.zeros(grid.shape, np.int16)
    table = {}
    for label, (name, members) in enumerate(ORGANS.items(), 1):
        labels[np.isin(numbers, members)] = label
        side: Side = "left" if name.endswith("left") else "right" if name.endswith("right") else ""
        kind: Kind = "organ"
        table[label] = Region(name=name, kind=kind, side=side, source="ICRP 110", original_name=str(members))
    return Regions(grid=grid, labels=labels, table=table)


def _hu(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """CT numbers whose Schneider density is the given one."""
    hu = np.arange(-1000.0, 3000.0, 0.5)
    table = np.maximum.accumulate(density_from_hu(hu))
    values: NDArray[np.float32] = np.interp(density, table, hu).astype(np.float32)
    return values
