"""Tables of specific absorbed fractions that Lutetia computed on reference phantoms: reading and writing them."""

import csv
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from lutetia.dose.s_values.absorbed_fractions import (
    Radiation,
    SpecificAbsorbedFractions,
    folded_s_coefficient,
)
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.dose.s_values.marrow import MarrowSite
from lutetia.errors import InputError, MissingDataError

Body = Literal["icrp110", "stylised"]
FOLDERS: Final[Mapping[tuple[str, str], str]] = {
    (body, sex): f"specific_absorbed_fractions_{body}_{sex}"
    for body in get_args(Body)
    for sex in ("male", "female")
}
"""Folder under dose/data of each phantom."""
FIXED_COLUMNS: Final = ("source", "target", "target_mass_g", "limit_per_kg", "quantity")
RED_MARROW: Final = "red marrow"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AbsorbedFractionTable:
    """Specific absorbed fractions of one phantom.

    Attributes
    ----------
    name : of the phantom
    photon, electron : (source, target) -> fractions
    marrow : bones with active marrow
    source : what SOURCE.toml says
    """

    name: str
    photon: Mapping[tuple[str, str], SpecificAbsorbedFractions]
    electron: Mapping[tuple[str, str], SpecificAbsorbedFractions]
    marrow: tuple[MarrowSite, ...]
    source: Mapping[str, Any]

    @property
    def sources(self) -> tuple[str, ...]:
        """Source regions, sorted."""
        return tuple(sorted({source for source, _ in self.photon}))

    @property
    def targets(self) -> tuple[str, ...]:
        """Target regions, sorted."""
        return tuple(sorted({target for _, target in self.photon}))


def write_fractions(path: Path, tables: Iterable[SpecificAbsorbedFractions]) -> None:
    """Write fractions of one radiation: per source and target a row of values and one of uncertainties in percent.

    Four significant digits for values, two for uncertainties.
    """
    found = list(tables)
    energies = found[0].energy_mev
    lines = [",".join([*FIXED_COLUMNS, *(f"{energy:g}" for energy in energies)])]
    for table in found:
        if not np.array_equal(table.energy_mev, energies):
            raise InputError(f"{table.target} <- {table.source}: other energies than the rows before.")
        head = f"{table.source},{table.target},{table.target_mass_g:.6g},{table.limit_per_kg:.6g}"
        lines.append(f"{head},1/kg," + ",".join(f"{value:.4g}" for value in table.value_per_kg))
        lines.append(f"{head},u [%]," + ",".join(f"{100 * u:.2g}" for u in table.u_relative))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_fractions(
    path: Path | Traversable, radiation: Radiation
) -> dict[tuple[str, str], SpecificAbsorbedFractions]:
    """Read what ``write_fractions`` wrote: (source, target) -> fractions."""
    with path.open("r", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file))
    if tuple(head[: len(FIXED_COLUMNS)]) != FIXED_COLUMNS or len(rows) % 2:
        raise InputError(f"{path.name}: not a table of specific absorbed fractions.")
    n = len(FIXED_COLUMNS)
    energy = np.array(head[n:], dtype=np.float64)
    energy.flags.writeable = False
    found = {}
    for values, uncertainties in zip(rows[::2], rows[1::2], strict=True):
        source, target, mass, limit, _ = values[:n]
        found[source, target] = SpecificAbsorbedFractions(
            source=source,
            target=target,
            radiation=radiation,
            energy_mev=energy,
            value_per_kg=np.array(values[n:], dtype=np.float64),
            u_relative=np.array(uncertainties[n:], dtype=np.float64) / 100,
            limit_per_kg=float(limit),
            target_mass_g=float(mass),
        )
    return found


def read_marrow(path: Path | Traversable) -> tuple[MarrowSite, ...]:
    """Read the bones with active marrow of a phantom."""
    with path.open("r", encoding="utf-8") as file:
        return tuple(
            MarrowSite(name=row["site"], mass_g=float(row["mass_g"]), cellularity=float(row["cellularity"]))
            for row in csv.DictReader(file)
        )


def write_marrow(path: Path, sites: Sequence[MarrowSite]) -> None:
    """Write the bones with active marrow of a phantom."""
    rows = [f"{site.name},{site.mass_g:.5g},{site.cellularity:g}" for site in sites]
    path.write_text("\n".join(["site,mass_g,cellularity", *rows]) + "\n", encoding="utf-8")


def read_table(folder: Path | Traversable) -> AbsorbedFractionTable:
    """Read the table of a phantom from a folder with photons.csv, electrons.csv, marrow.csv and SOURCE.toml.

    Raises
    ------
    MissingDataError
        The folder lacks a part.
    """
    parts = {name: folder / name for name in ("photons.csv", "electrons.csv", "marrow.csv", "SOURCE.toml")}
    missing = [name for name, path in parts.items() if not path.is_file()]
    if missing:
        raise MissingDataError(f"{folder.name}: no {', '.join(missing)}; there is no table for this phantom.")
    source = tomllib.loads(parts["SOURCE.toml"].read_text(encoding="utf-8"))
    return AbsorbedFractionTable(
        name=str(source.get("phantom", folder.name)),
        photon=read_fractions(parts["photons.csv"], "photon"),
        electron=read_fractions(parts["electrons.csv"], "electron"),
        marrow=read_marrow(parts["marrow.csv"]),
        source=source,
    )


@lru_cache(maxsize=2)
def shipped_table(sex: str, body: str = "icrp110") -> AbsorbedFractionTable:
    """The table that comes with Lutetia for an adult.

    Parameters
    ----------
    sex : "male" or "female"
    body : "icrp110", the phantoms of ICRP Publication 110, or "stylised"

    Raises
    ------
    InputError
        Another sex or body.
    MissingDataError
        This installation has no table.
    """
    if (body, sex) not in FOLDERS:
        raise InputError(
            f"Sex {sex!r} of {body!r}; the tables are for 'male' and 'female' of 'icrp110' and 'stylised'."
        )
    folder = files("lutetia.dose") / "data" / FOLDERS[body, sex]
    if not folder.is_dir():
        raise MissingDataError(
            f"This installation has no table of specific absorbed fractions for the {sex} phantom ({body}); "
            "compute with --phantom ARCHIVE.zip, or --phantom stylised."
        )
    return read_table(folder)


def table_s_coefficients(
    table: AbsorbedFractionTable, *, source: str, nuclide: str, targets: Sequence[str]
) -> tuple[SCoefficient, ...]:
    """S coefficients of a nuclide from one source of a table to targets.

    Raises
    ------
    InputError
        A pair that the table does not have.
    """
    missing = [target for target in targets if (source, target) not in table.photon]
    if missing:
        raise InputError(f"The table of {table.name} has no {', '.join(missing)} <- {source}.")
    return tuple(
        folded_s_coefficient(
            nuclide=nuclide,
            photon=table.photon[source, target],
            electron=table.electron[source, target],
            marrow=table.marrow if source == target == RED_MARROW else (),
        )
        for target in targets
    )
