"""What a prediction starts from: curves of the imaging nuclide with masses, from a run, a case or a table."""

import json
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lutetia.app.proposal import Given, make_case
from lutetia.errors import InputError, MissingDataError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.measured.curve_table import read_curves
from lutetia.physics.nuclides import nuclide
from lutetia.units import BQ_PER_MBQ, MBQ_PER_BQ

Progress = Callable[[str, float], None]

DOSE_SCHEMA: Final = "lutetia dose 1"
OF_THE_CURVE: Final = frozenset(
    {
        "count rate", "repeatability", "registration and motion", "extrapolation", "curve model",
        "count rate, fit and extrapolation", "decay energy", "Monte Carlo statistics",
    }
)  # fmt: skip
"""Components of a run's budget that the new fit has itself, or that belong to the imaging nuclide's dose."""
LARGEST: Final = 1e9
LESIONS: Final = ("lesion", "tumour", "tumor", "metastas")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mass:
    """Mass of a region and its relative standard uncertainty, None when unknown. [g]"""

    value_g: float
    relative_u: float | None

    def __post_init__(self) -> None:
        if not 0 < self.value_g <= LARGEST:
            raise InputError(f"A mass of {self.value_g:g} g; expected above 0.")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImagingStudy:
    """Curves of the imaging nuclide and what belongs to them.

    Attributes
    ----------
    origin : run, case or curves
    nuclide, agent, activity_bq : as administered, the agent empty where it is not named. [Bq]
    curves : one per region, as measured
    kinds : region -> organ, lesion, remainder or other
    masses : region -> mass, of those that are known
    other_u : region -> relative standard uncertainty of a dose beside that of the curve (calibration, volume,
        resolution), None when unknown; the mass' own is part of it
    """

    origin: str
    nuclide: str
    agent: str
    activity_bq: float
    curves: tuple[TimeActivityCurve, ...]
    kinds: Mapping[str, str]
    masses: Mapping[str, Mass]
    other_u: Mapping[str, float | None]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What the user gives beside the images.

    Attributes
    ----------
    activity_bq : administered, for a table of curves; a run knows it. [Bq]
    masses : region or organ -> mass, before those of a run
    calibration_u : relative standard uncertainty of the activities that all scans share, None when not said
    agent : before that of a run
    """

    activity_bq: float | None = None
    masses: Mapping[str, Mass] = field(default_factory=dict)
    calibration_u: float | None = None
    agent: str = ""


def read_study(path: Path, *, imaging: str, beside: Beside, progress: Progress) -> ImagingStudy:
    """Curves and masses from an output folder of ``lutetia run``, a case file (which is run), or a CSV of curves.

    Raises
    ------
    InputError
        No such path, another nuclide than the images', numbers that cannot be.
    MissingDataError
        A folder without dose.json and curves.csv, or a table without the administered activity.
    LutetiaError
        What running a case raises.
    """
    name = nuclide(imaging).name
    if path.is_dir():
        return _of_run(path, name, beside, "run")
    if not path.exists():
        raise InputError(f"--from {path}: no such file or folder.")
    if path.suffix.lower() in {".yaml", ".yml"}:
        return _of_case(path, name, beside, progress)
    return _of_table(path, name, beside)


def kind_called(region: str) -> str:
    """Lesions are told by their names where nothing else says what a region is."""
    return "lesion" if any(word in region.lower() for word in LESIONS) else "organ"


def _of_case(path: Path, imaging: str, beside: Beside, progress: Progress) -> ImagingStudy:
    from lutetia.app.workflow import run_case

    case, index = make_case(path, Given(), progress=progress)
    with tempfile.TemporaryDirectory(prefix="lutetia-predict-") as folder:
        out = Path(folder) / "run"
        run_case(case, index, out, progress=progress)
        return _of_run(out, imaging, beside, "case")


def _of_table(path: Path, imaging: str, beside: Beside) -> ImagingStudy:
    if beside.activity_bq is None:
        raise MissingDataError(
            f"{path.name}: the administered activity of {imaging} is not known (--imaging-activity-MBq)."
        )
    table = read_curves(path)
    kinds = {curve.region: kind_called(curve.region) for curve in table.curves}
    masses = {name: mass for name in kinds if (mass := _of_region(name, beside.masses)) is not None}
    told = []
    if beside.calibration_u is None:
        told.append(
            "The error that all scans share (calibration) was not said (--calibration-u-percent) and is in no interval."
        )
    shared = beside.calibration_u or 0.0
    other = {
        name: None if (u := masses[name].relative_u if name in masses else None) is None else math.hypot(u, shared)
        for name in kinds
    }
    return ImagingStudy(
        origin="curves", nuclide=imaging, agent=beside.agent, activity_bq=beside.activity_bq, curves=table.curves,
        kinds=kinds, masses=masses, other_u=other, warnings=(*table.warnings, *told),
    )  # fmt: skip


def _of_region(region: str, masses: Mapping[str, Mass]) -> Mass | None:
    return next((mass for name, mass in masses.items() if name.strip().lower() == region.lower()), None)


def _of_run(folder: Path, imaging: str, beside: Beside, origin: str) -> ImagingStudy:
    document, curves = _dose_document(folder), folder / "curves.csv"
    if not curves.is_file():
        raise MissingDataError(f"{folder.name}: no curves.csv; expected the output folder of lutetia run.")
    given = document["administration"]
    if nuclide(str(given["nuclide"])).name != imaging:
        raise InputError(
            f"{folder.name}/dose.json is of {given['nuclide']}, but --imaging says {imaging}; expected the nuclide of the "
            "images."
        )
    table = read_curves(curves)
    rows = {row["region"]: row for row in document["regions"]}
    lost = [curve.region for curve in table.curves if curve.region not in rows]
    if lost:
        raise InputError(
            f"{folder.name}: curves.csv has {lost[0]}, which dose.json has not; expected one run's files."
        )
    masses, other = {}, {}
    for curve in table.curves:
        name = curve.region
        mass, other[name] = _measured(rows[name], f"{folder.name}/dose.json, {name}")
        stated = _of_region(name, beside.masses)
        masses[name] = stated or mass
        if stated is not None:
            other[name] = None if stated.relative_u is None or other[name] is None else math.hypot(
                stated.relative_u, other[name] or 0.0
            )  # fmt: skip
    activity = _number(given, "activity_MBq", f"{folder.name}/dose.json, administration") * BQ_PER_MBQ
    if beside.activity_bq is not None and not math.isclose(beside.activity_bq, activity, rel_tol=1e-3):
        raise InputError(
            f"{folder.name}/dose.json: {activity * MBQ_PER_BQ:g} MBq were administered, but --imaging-activity-MBq says "
            f"{beside.activity_bq * MBQ_PER_BQ:g}; leave it out."
        )
    return ImagingStudy(
        origin=origin, nuclide=imaging, agent=beside.agent or str(given.get("agent") or ""), activity_bq=activity,
        curves=table.curves, kinds={c.region: str(rows[c.region]["kind"]) for c in table.curves},
        masses=masses, other_u=other, warnings=table.warnings,
    )  # fmt: skip


def _dose_document(folder: Path) -> dict[str, Any]:
    path = folder / "dose.json"
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError:
        raise MissingDataError(f"{folder.name}: no dose.json; expected the output folder of lutetia run.") from None
    except ValueError as error:
        raise InputError(f"{folder.name}/dose.json: not JSON ({error}).") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != DOSE_SCHEMA:
        raise InputError(f"{folder.name}/dose.json: schema {schema!r}; expected {DOSE_SCHEMA!r}, of lutetia run.")
    regions, given = document.get("regions"), document.get("administration")
    complete = isinstance(regions, list) and all(
        isinstance(row, dict) and isinstance(row.get("region"), str) and isinstance(row.get("kind"), str)
        for row in regions
    )
    if not complete or not isinstance(given, dict) or not isinstance(given.get("nuclide"), str):
        raise InputError(f"{folder.name}/dose.json: no administration with a nuclide, or regions without names.")
    return dict(document)


def _measured(row: Mapping[str, Any], where: str) -> tuple[Mass, float | None]:
    """Mass of a region, and what its dose's uncertainty has beside the curve; the mass' own is part of that."""
    budget = row.get("uncertainty_budget")
    mass = Mass(value_g=_number(row, "mass_g", where), relative_u=None)
    if not isinstance(budget, dict) or not budget:
        return mass, None
    parts = [_number(budget, name, f"{where}, uncertainty_budget") for name in budget if name not in OF_THE_CURVE]
    return mass, math.hypot(*parts) if parts else 0.0


def _number(row: Mapping[str, Any], key: str, where: str) -> float:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:
        raise InputError(f"{where}: {key} is {value!r}; expected a number from 0 to {LARGEST:g}.")
    return float(value)
