"""Curves of several patients, from a table."""

import csv
import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from lutetia.errors import InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.units import BQ_PER_MBQ, S_PER_H

REQUIRED: Final = ("patient", "region", "time_h", "activity_MBq")
OPTIONAL: Final = ("u_MBq", "administered_MBq")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CohortCurve:
    """One region of one patient; ``patient`` is a pseudonym that only tells patients apart."""

    patient: str
    curve: TimeActivityCurve
    administered_activity_bq: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cohort:
    """Curves to fit a population to.

    Attributes
    ----------
    curves : of all patients and regions
    nuclide, decay_constant_per_s : physical decay; nothing leaves a region more slowly
    agent : for example 177Lu-DOTATATE, empty when not said
    source : where the curves come from, in words
    provenance : hashes and versions
    """

    curves: Sequence[CohortCurve]
    nuclide: str
    decay_constant_per_s: float
    agent: str = ""
    source: str = "own cohort"
    provenance: Mapping[str, str] = field(default_factory=dict)


def read_cohort(
    path: Path,
    *,
    nuclide: str,
    decay_constant_per_s: float,
    agent: str = "",
    provenance: Mapping[str, str] | None = None,
) -> Cohort:
    """Read a table with the columns patient, region, time_h, activity_MBq, and u_MBq, administered_MBq if known.

    One row per scan and region, in any order. A column that is there must be filled in every row. The hash of the file
    is added to the provenance.

    Raises
    ------
    InputError
        Missing or unknown columns, a value that cannot be, a scan that appears twice, administered activities that
        differ within a curve; with file, line and column.
    """
    rows = _rows(path)
    curves: dict[tuple[str, str], list[tuple[int, dict[str, float]]]] = {}
    for line, names, numbers in rows:
        curves.setdefault(names, []).append((line, numbers))
    return Cohort(
        curves=[_curve(path, names, points) for names, points in curves.items()],
        nuclide=nuclide,
        decay_constant_per_s=decay_constant_per_s,
        agent=agent,
        source=f"own cohort of {len({patient for patient, _ in curves})} patients",
        provenance={**(provenance or {}), "cohort_sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
    )


def _rows(path: Path) -> list[tuple[int, tuple[str, str], dict[str, float]]]:
    if not path.is_file():
        raise InputError(f"{path.name}: no such file.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: not a text file in UTF-8.") from error
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    head = [name.strip() for name in reader.fieldnames or []]
    missing, unknown = [c for c in REQUIRED if c not in head], [c for c in head if c not in REQUIRED + OPTIONAL]
    if missing or unknown:
        raise InputError(
            f"{path.name}, line 1: "
            + "; ".join([*(f"no column {c}" for c in missing), *(f"unknown column {c!r}" for c in unknown)])
            + f". Expected {', '.join(REQUIRED)} and, where known, {', '.join(OPTIONAL)}, separated by commas."
        )
    reader.fieldnames = head
    rows = []
    for row in reader:
        line = reader.line_num
        if None in row or None in row.values():
            raise InputError(f"{path.name}, line {line}: {len(head)} values expected, as many as columns.")
        names = tuple(row[c].strip() for c in REQUIRED[:2])
        for column, value in zip(REQUIRED[:2], names, strict=True):
            if not value:
                raise InputError(f"{path.name}, line {line}, column {column}: empty.")
        numbers = {c: _number(path, line, c, row[c]) for c in head if c not in REQUIRED[:2]}
        rows.append((line, (names[0], names[1]), numbers))
    if not rows:
        raise InputError(f"{path.name}: no rows below the head.")
    return rows


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    least_allowed = column in ("activity_MBq", "u_MBq")
    if not math.isfinite(value) or value < 0 or (value == 0 and not least_allowed):
        wanted = "a number, 0 or more" if least_allowed else "a number above 0"
        raise InputError(f"{path.name}, line {line}, column {column}: {text.strip()!r}; expected {wanted}.")
    return value


def _curve(path: Path, names: tuple[str, str], points: list[tuple[int, dict[str, float]]]) -> CohortCurve:
    points = sorted(points, key=lambda point: point[1]["time_h"])
    for (earlier, a), (later, b) in itertools.pairwise(points):
        if a["time_h"] == b["time_h"]:
            raise InputError(
                f"{path.name}, lines {earlier} and {later}, column time_h: {a['time_h']:g} h twice for the same patient "
                f"and {names[1]}."
            )
        if a.get("administered_MBq") != b.get("administered_MBq"):
            raise InputError(
                f"{path.name}, line {later}, column administered_MBq: {b['administered_MBq']:g}, but "
                f"{a['administered_MBq']:g} in line {earlier} of the same patient and region; give each cycle its own "
                "pseudonym."
            )
    if not any(p["activity_MBq"] > 0 for _, p in points):
        raise InputError(f"{path.name}, line {points[0][0]}, column activity_MBq: 0 at all times of {names[1]}.")
    known = "u_MBq" in points[0][1]
    given = points[0][1].get("administered_MBq")
    return CohortCurve(
        patient=names[0],
        curve=TimeActivityCurve(
            region=names[1],
            time_s=np.array([p["time_h"] * S_PER_H for _, p in points]),
            activity_bq=np.array([p["activity_MBq"] * BQ_PER_MBQ for _, p in points]),
            standard_uncertainty_bq=np.array([p["u_MBq"] * BQ_PER_MBQ for _, p in points]) if known else None,
        ),
        administered_activity_bq=None if given is None else given * BQ_PER_MBQ,
    )
