"""Whole-body measurements of one patient from a CSV file, as retention and dose rate."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lutetia.errors import InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.measured.curve_table import Row, read_rows
from lutetia.kinetics.measured.excretion import WHOLE_BODY
from lutetia.therapy.protection.dose_rate import ExternalDoseRate
from lutetia.therapy.protection.retention import Retention, retention_from_activity, retention_from_dose_rates
from lutetia.units import BQ_PER_MBQ, S_PER_H, SV_PER_S_PER_USV_PER_H

UNCERTAINTIES = {"activity_MBq": "u_MBq", "dose_rate_uSv_h": "u_uSv_h"}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Measured:
    """Retention fitted to a file, and the dose rate at 1 m where the file holds dose rates."""

    retention: Retention
    dose_rate: ExternalDoseRate | None


def read_measurements(
    path: Path,
    *,
    administered_activity_bq: float,
    decay_constant_per_s: float,
    distance_m: float = 1.0,
    distance_exponent: float = 1.5,
) -> Measured:
    """Fit the whole-body measurements of a file.

    Columns: time_h and either activity_MBq (and u_MBq, if known) of the whole body, or dose_rate_uSv_h (and u_uSv_h) at one
    distance. Not decay-corrected, hours after the administration.

    Raises
    ------
    InputError
        Columns of neither or both kinds, empty fields, two rows of one time, values not above 0; with file and line.
    FitError
        Measurements that no declining sum of exponentials describes.
    """
    rows = read_rows(path, texts=(), numbers=("time_h",), optional=(*UNCERTAINTIES, *UNCERTAINTIES.values()))
    kind = _kind(path, rows)
    rows = tuple(sorted(rows, key=lambda row: row.numbers["time_h"] or 0.0))
    for earlier, later in itertools.pairwise(rows):
        if earlier.numbers["time_h"] == later.numbers["time_h"]:
            raise InputError(
                f"{path.name}, lines {earlier.line} and {later.line}: both at {later.numbers['time_h']:g} h."
            )
    for row in rows:
        if not (row.numbers[kind] or 0) > 0 or not (row.numbers["time_h"] or 0) > 0:
            raise InputError(f"{path.name}, line {row.line}: time_h and {kind} must be above 0.")
    time_s = np.array([row.numbers["time_h"] for row in rows], dtype=float) * S_PER_H
    values = np.array([row.numbers[kind] for row in rows], dtype=float)
    known = [row.numbers[UNCERTAINTIES[kind]] for row in rows]
    u = None if None in known else np.array(known, dtype=float)
    if kind == "activity_MBq":
        curve = TimeActivityCurve(
            region=WHOLE_BODY,
            time_s=time_s,
            activity_bq=values * BQ_PER_MBQ,
            standard_uncertainty_bq=None if u is None else u * BQ_PER_MBQ,
        )
        retention = retention_from_activity(
            curve, administered_activity_bq=administered_activity_bq, decay_constant_per_s=decay_constant_per_s
        )
        return Measured(retention=retention, dose_rate=None)
    to_1_m = SV_PER_S_PER_USV_PER_H * distance_m**distance_exponent
    retention, start = retention_from_dose_rates(
        time_s=time_s,
        dose_rate_sv_per_s=values * to_1_m,
        standard_uncertainty_sv_per_s=None if u is None else u * to_1_m,
        decay_constant_per_s=decay_constant_per_s,
    )
    rate = ExternalDoseRate(
        retention=retention, start_sv_per_s=start, relative_sd=None, source="measured", verified=None
    )
    return Measured(retention=retention, dose_rate=rate)


def _kind(path: Path, rows: Sequence[Row]) -> str:
    kinds = [kind for kind in UNCERTAINTIES if any(row.numbers[kind] is not None for row in rows)]
    if len(kinds) != 1:
        raise InputError(
            f"{path.name}: found {' and '.join(kinds) or 'no measurements'}; expected activity_MBq or dose_rate_uSv_h."
        )
    for row in rows:
        if row.numbers[kinds[0]] is None:
            raise InputError(
                f"{path.name}, line {row.line}, column {kinds[0]}: empty; a value is needed in every row."
            )
    return kinds[0]
