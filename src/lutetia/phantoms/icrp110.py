"""The adult reference voxel phantoms of ICRP Publication 110, from a user's own copy.

ICRP holds the copyright of the phantoms, so none of their voxels is shipped. The importer reads the archive in which the
OpenDose collaboration distributes them as GATE inputs: a raw volume of organ numbers (x fastest), a table that gives each
range of numbers a material, and a GATE material database with densities.
"""

import re
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.s_values.marrow import MarrowSite
from lutetia.errors import InputError, MissingDataError
from lutetia.images.grid import Grid
from lutetia.images.regions import Kind, Region, Regions, Side
from lutetia.images.volume import Volume
from lutetia.phantoms.dosimetric import (
    ActiveMarrow,
    DosimetricPhantom,
    Sex,
    mass_by_label,
    numbers_of,
    phantom_rows,
    present_regions,
)
from lutetia.phantoms.stylised import Rasterised
from lutetia.physics.anatomy import organ_mass_g
from lutetia.physics.materials import Material, density_from_hu

Phantom = Literal["AM", "AF"]
PHANTOM_OF: Final[Mapping[Sex, Phantom]] = {"male": "AM", "female": "AF"}

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
    labels, ranges, database = _read(archive, phantom)
    grid = _grid(phantom)
    density = _density_by_number(ranges, database)[labels].astype(np.float32)
    return Rasterised(
        regions=_regions(grid, labels),
        body=labels > 0,
        density=Volume(grid=grid, values=density, unit="g/mL"),
        hu=Volume(grid=grid, values=_hu(density), unit="HU"),
    )


def icrp110_phantom(archive: Path, sex: Sex) -> DosimetricPhantom:
    """The adult reference phantom with all its organs and media, for transport.

    Axes as ``import_icrp110``. Organ masses are those of the voxels, which are the reference masses without blood. Red
    marrow lies in the spongiosa of thirteen bones, by their shares of the active marrow.

    Parameters
    ----------
    archive : the zip file of GATE inputs
    sex : "male" or "female"

    Raises
    ------
    MissingDataError, InputError
        As ``import_icrp110``; another sex.

    References
    ----------
    ICRP Publication 110, Ann ICRP 39(2) (2009), doi:10.1016/j.icrp.2009.09.001. Active marrow: Hough et al. (2011),
    O'Reilly et al. (2016), scaled to ICRP Publication 89.
    """
    if sex not in PHANTOM_OF:
        raise InputError(f"Sex {sex!r}; the phantoms are 'male' and 'female'.")
    phantom = PHANTOM_OF[sex]
    numbers, ranges, database = _read(archive, phantom)
    labels = numbers.astype(np.uint8)
    media = materials_of(database)
    names = sorted(media)
    medium = np.zeros(256, np.uint8)
    for number, name in _medium_by_number(ranges, set(media)).items():
        medium[number] = names.index(name)
    index = medium[labels]
    densities = np.array([media[name].density_g_per_ml for name in names], np.float32)
    density = Volume(grid=_grid(phantom), values=densities[index], unit="g/mL")
    organs = {int(row["number"]): row["organ"] for row in phantom_rows("icrp_110", "organs.csv")}
    mass = mass_by_label(labels, density)
    return DosimetricPhantom(
        name=f"ICRP 110 adult {sex}",
        sex=sex,
        labels=labels,
        label_mass_g=mass,
        density=density,
        material_index=index,
        materials=tuple(media[name] for name in names),
        organs=organs,
        regions=present_regions(_named_regions(organs), mass),
        marrow=active_marrow(sex),
        mass_convention="blood-free organ masses of ICRP 89/110",
        lacking="",
    )


def materials_of(database: str) -> dict[str, Material]:
    """Media of a GATE material database: name -> composition and density.

    Raises
    ------
    InputError
        An element without a symbol.
    """
    symbols = dict(re.findall(r"^\s*(\w+):\s*S=\s*(\w+)\s*;", database, re.MULTILINE))
    found = {}
    for block in re.split(r"\n\s*\n", database.split("[Materials]")[-1].strip()):
        head, *elements = block.strip().splitlines()
        density = re.match(r"\s*(\S+):\s*d=\s*([\d.eE+-]+)\s*g/cm3", head)
        parts = dict(re.findall(r"name=(\w+)\s*;\s*f=([\d.]+)", "\n".join(elements)))
        if density is None or not parts:
            continue  # a vacuum, in mg/cm3 and by atoms, that no organ uses
        unknown = sorted(set(parts) - set(symbols))
        if unknown:
            raise InputError(f"Material {density[1]!r}: the database has no element {', '.join(unknown)}.")
        total = sum(float(fraction) for fraction in parts.values())
        found[density[1]] = Material(
            name=density[1],
            density_g_per_ml=float(density[2]),
            mass_fractions={symbols[name]: float(fraction) / total for name, fraction in parts.items()},
            source="ICRP 110",
        )
    return found


def _named_regions(organs: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    single = {name: (number,) for number, name in organs.items() if number > 0}
    unions = {row["region"]: numbers_of(row["organs"]) for row in phantom_rows("icrp_110", "regions.csv")}
    return single | {name: numbers for name, numbers in unions.items() if numbers}


def active_marrow(sex: Sex) -> tuple[ActiveMarrow, ...]:
    """Bones with active marrow, by published shares of the mass of ICRP 89, and the organ numbers of their spongiosa."""
    rows = phantom_rows("active_marrow", "sites.csv")
    scale = organ_mass_g("red marrow", sex) / sum(float(row[f"{sex} [g]"]) for row in rows)
    return tuple(
        ActiveMarrow(
            label=int(row["organ"]),
            site=MarrowSite(
                name=row["site"],
                mass_g=float(row[f"{sex} [g]"]) * scale,
                cellularity=float(row[f"{sex} cellularity"]),
            ),
        )
        for row in rows
    )


def _read(archive: Path, phantom: Phantom) -> tuple[NDArray[np.uint16], str, str]:
    """Organ numbers (z, y, x), the table of media, and the media."""
    if not archive.is_file():
        raise MissingDataError(f"{archive}: no such archive; ICRP 110 phantoms are read from a copy of your own.")
    if not zipfile.is_zipfile(archive):
        raise InputError(f"{archive.name}: not a zip archive; expected the GATE inputs of an ICRP 110 phantom.")
    with zipfile.ZipFile(archive) as content:
        raw = _member(content, rf"{phantom}_UINT16.*\.raw$")
        ranges = _member(content, rf"{phantom}.*LabelsToMaterials\.txt$").decode()
        database = _member(content, rf"{phantom}.*GateMaterials\.db$").decode()
    nx, ny, nz = SHAPES[phantom]
    numbers = np.frombuffer(raw, np.uint16)
    if numbers.size != nx * ny * nz:
        raise InputError(f"{archive.name}: {numbers.size} voxels; the phantom {phantom} has {nx} x {ny} x {nz}.")
    return numbers.reshape(nz, ny, nx), ranges, database


def _grid(phantom: Phantom) -> Grid:
    """LPS, the middle at the origin."""
    size, spacing = SHAPES[phantom], SPACING_MM[phantom]
    origin = tuple(-(n - 1) / 2 * s for n, s in zip(size, spacing, strict=True))
    return Grid(size=size, spacing_mm=spacing, origin_mm=(origin[0], origin[1], origin[2]))


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
    for number, name in _medium_by_number(ranges, set(known)).items():
        densities[number] = known[name]
    return densities


def _medium_by_number(ranges: str, known: Collection[str]) -> dict[int, str]:
    """Medium of each organ number, from half-open ranges of numbers."""
    found = {}
    for line in ranges.splitlines():
        parts = line.split()
        if len(parts) >= 3 and parts[0].isdigit():
            first, last, name = int(parts[0]), int(parts[1]), parts[2]
            if name not in known:
                raise MissingDataError(f"The material database has no density of {name!r}.")
            found.update(dict.fromkeys(range(first, max(last, first + 1)), name))
    return found


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
