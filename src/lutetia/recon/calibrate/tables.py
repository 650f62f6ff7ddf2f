"""Tables of count rates and of spheres, from CSV files."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError
from lutetia.recon.calibrate.recovery_curve import SphereRecovery, sphere_volume_ml
from lutetia.units import BQ_PER_MBQ, S_PER_H

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RateTable:
    """Count rates with standard uncertainties, over time [s] or over activity [Bq]."""

    over: Literal["time", "activity"]
    abscissa: Array
    rate_cps: Array
    u_rate_cps: Array
    sha256: str


def read_rates(path: Path) -> RateTable:
    """Count rates from CSV: ``time_h`` or ``activity_MBq``, ``rate_cps``, and ``u_rate_cps`` or ``duration_s``.

    With ``duration_s`` the uncertainty is that of the counts, the square root of rate over duration.
    """
    table = _columns(path, ("rate_cps",), ("time_h", "activity_MBq", "u_rate_cps", "duration_s"))
    if ("time_h" in table) == ("activity_MBq" in table) or ("u_rate_cps" in table) == ("duration_s" in table):
        raise MissingDataError(
            f"{path.name}: columns {', '.join(table)}; expected one of time_h and activity_MBq, and one of u_rate_cps and "
            "duration_s."
        )
    rate = table["rate_cps"]
    if "duration_s" in table:
        if np.any(table["duration_s"] <= 0) or np.any(rate <= 0):
            raise InputError(f"{path.name}: expected rates and durations above 0.")
        u = np.sqrt(rate / table["duration_s"])
    else:
        u = table["u_rate_cps"]
    return RateTable(
        over="time" if "time_h" in table else "activity",
        abscissa=table["time_h"] * S_PER_H if "time_h" in table else table["activity_MBq"] * BQ_PER_MBQ,
        rate_cps=rate,
        u_rate_cps=u,
        sha256=sha256_of(path),
    )


def read_spheres(path: Path) -> tuple[tuple[SphereRecovery, ...], str]:
    """Spheres from CSV (``diameter_mm`` or ``volume_mL``, ``measured_over_true``, ``u``), and the file's checksum."""
    table = _columns(path, ("measured_over_true", "u"), ("diameter_mm", "volume_mL"))
    if ("diameter_mm" in table) == ("volume_mL" in table):
        raise MissingDataError(
            f"{path.name}: columns {', '.join(table)}; expected one of diameter_mm and volume_mL (inner size)."
        )
    volumes = table["volume_mL"] if "volume_mL" in table else [sphere_volume_ml(d) for d in table["diameter_mm"]]
    return tuple(
        SphereRecovery(volume_ml=float(v), recovery=float(r), u_recovery=float(u))
        for v, r, u in zip(volumes, table["measured_over_true"], table["u"], strict=True)
    ), sha256_of(path)


def _columns(path: Path, needed: tuple[str, ...], possible: tuple[str, ...]) -> dict[str, Array]:
    """Columns of numbers of a CSV file by their heading."""
    try:
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise MissingDataError(f"{path.name} cannot be read as a text table in {path.parent}.") from error
    rows = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    heads = rows[0] if rows else []
    if set(needed) - set(heads) or set(heads) - {*needed, *possible} or len(set(heads)) < len(heads):
        raise MissingDataError(
            f"{path.name}: columns {', '.join(heads) or 'none'}; expected {', '.join(needed)} and of "
            f"{', '.join(possible)} what applies, separated by commas."
        )
    try:
        values = np.array([[float(cell) for cell in row] for row in rows[1:]], dtype=float)
    except ValueError as error:
        raise InputError(f"{path.name}: not all rows hold {len(heads)} numbers with a decimal point.") from error
    if values.ndim != 2 or values.shape[1] != len(heads) or not np.all(np.isfinite(values)):
        raise InputError(f"{path.name}: not all rows hold {len(heads)} finite numbers.")
    return {name: values[:, position] for position, name in enumerate(heads)}


def sha256_of(*files: Path) -> str:
    """Checksum of files in the order given."""
    sha = hashlib.sha256()
    for file in files:
        sha.update(file.read_bytes())
    return sha.hexdigest()
