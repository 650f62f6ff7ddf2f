"""Curves of several patients, from a table."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.measured.curve_table import Row, read_rows
from lutetia.units import BQ_PER_MBQ, S_PER_H


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

    One row per scan and region, in any order. A column that is there must be filled in every row; other columns are
    ignored. The hash of the file is added to the provenance.

    Raises
    ------
    InputError
        As ``read_rows``, and: a value that cannot be, a scan that appears twice, administered activities that differ
        within a curve; with file, line and column.
    """
    curves: dict[tuple[str, str], list[Row]] = {}
    for row in read_rows(
        path, texts=("patient", "region"), numbers=("time_h", "activity_MBq"), whole=("u_MBq", "administered_MBq")
    ):
        _require_possible(row, f"{path.name}, line {row.line}")
        curves.setdefault((row.texts["patient"], row.texts["region"]), []).append(row)
    return Cohort(
        curves=[_curve(path, names, rows) for names, rows in curves.items()],
        nuclide=nuclide,
        decay_constant_per_s=decay_constant_per_s,
        agent=agent,
        source=f"own cohort of {len({patient for patient, _ in curves})} patients",
        provenance={**(provenance or {}), "cohort_sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
    )


def _require_possible(row: Row, where: str) -> None:
    for column, value in row.numbers.items():
        least_allowed = column in ("activity_MBq", "u_MBq")
        if value is not None and (value < 0 or (value == 0 and not least_allowed)):
            wanted = "0 or more" if least_allowed else "a number above 0"
            raise InputError(f"{where}, column {column}: {value:g}; expected {wanted}.")


def _curve(path: Path, names: tuple[str, str], rows: Sequence[Row]) -> CohortCurve:
    rows = sorted(rows, key=lambda row: row.numbers["time_h"] or 0.0)
    for earlier, later in itertools.pairwise(rows):
        a, b = earlier.numbers, later.numbers
        if a["time_h"] == b["time_h"]:
            raise InputError(
                f"{path.name}, lines {earlier.line} and {later.line}, column time_h: {a['time_h']:g} h twice for the "
                f"same patient and {names[1]}."
            )
        if a["administered_MBq"] != b["administered_MBq"]:
            raise InputError(
                f"{path.name}, line {later.line}, column administered_MBq: {b['administered_MBq']:g}, but "
                f"{a['administered_MBq']:g} in line {earlier.line} of the same patient and region; give each cycle its "
                "own pseudonym."
            )
    if not any(row.numbers["activity_MBq"] for row in rows):
        raise InputError(f"{path.name}, line {rows[0].line}, column activity_MBq: 0 at all times of {names[1]}.")
    given = rows[0].numbers["administered_MBq"]

    def column(name: str) -> NDArray[np.float64]:
        return np.array([row.numbers[name] for row in rows], dtype=np.float64)

    return CohortCurve(
        patient=names[0],
        curve=TimeActivityCurve(
            region=names[1],
            time_s=column("time_h") * S_PER_H,
            activity_bq=column("activity_MBq") * BQ_PER_MBQ,
            standard_uncertainty_bq=None if rows[0].numbers["u_MBq"] is None else column("u_MBq") * BQ_PER_MBQ,
        ),
        administered_activity_bq=None if given is None else given * BQ_PER_MBQ,
    )
