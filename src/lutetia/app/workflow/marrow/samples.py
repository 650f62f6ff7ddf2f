"""Samples as people write them: blood, whole-body counts and urine in CSV files, in hours, kBq/mL and MBq."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.measured.curve_table import read_columns
from lutetia.kinetics.measured.excretion import (
    WHOLE_BODY,
    Excretion,
    WholeBodyRetention,
    blood_curve,
    geometric_mean_counts,
    urinary_excretion,
    whole_body_from_counts,
)
from lutetia.units import BQ_PER_MBQ, S_PER_H

Array = NDArray[np.float64]
Columns = Mapping[str, Array]

CONCENTRATIONS: Final = {"Bq_per_mL": 1.0, "kBq_per_mL": 1e3, "MBq_per_L": 1e3, "MBq_per_mL": 1e6}
"""Units of concentration in the names of columns, and their size in Bq/mL."""
SAMPLES: Final = (
    *(f"concentration_{unit}" for unit in CONCENTRATIONS),
    *(f"u_concentration_{unit}" for unit in CONCENTRATIONS),
    "u_percent",
)
"""Columns of samples beside their times."""


def _column(columns: Columns, name: str, path: Path) -> Array:
    if name not in columns:
        raise MissingDataError(f"{path.name}: no column {name}; there are {', '.join(columns)}.")
    return columns[name]


def _concentration(columns: Columns, path: Path) -> tuple[Array, Array | None]:
    """Concentration [Bq/mL], and its standard uncertainty where a column has one."""
    found = [unit for unit in CONCENTRATIONS if f"concentration_{unit}" in columns]
    if len(found) != 1:
        wanted = ", ".join(f"concentration_{unit}" for unit in CONCENTRATIONS)
        raise MissingDataError(
            f"{path.name}: {len(found)} columns of concentration; expected one of {wanted}; there are {', '.join(columns)}."
        )
    unit, factor = found[0], CONCENTRATIONS[found[0]]
    value = columns[f"concentration_{unit}"] * factor
    own = columns.get(f"u_concentration_{unit}")
    relative = _relative(columns, path)
    if own is not None:
        return value, own * factor
    return value, None if relative is None else relative * value


def _relative(columns: Columns, path: Path) -> Array | None:
    percent = columns.get("u_percent")
    if percent is not None and np.any(percent < 0):
        raise InputError(
            f"{path.name}, column u_percent: {percent.min():g}; a standard uncertainty is not negative."
        )
    return None if percent is None else percent / 100


def read_blood(path: Path) -> TimeActivityCurve:
    """Blood samples: time_h, concentration_kBq_per_mL (or another unit), u_concentration_... or u_percent.

    Concentrations are those of whole blood when it was drawn.
    """
    columns = read_columns(path, numbers=("time_h",), whole=SAMPLES)
    value, u = _concentration(columns, path)
    return blood_curve(
        time_s=columns["time_h"] * S_PER_H,
        concentration_bq_per_ml=value,
        standard_uncertainty_bq_per_ml=u,
    )


def read_whole_body(
    path: Path, *, administered_activity_bq: float, decay_constant_per_s: float
) -> WholeBodyRetention:
    """Whole body: time_h and activity_MBq (u_MBq), or counts, or anterior_counts and posterior_counts.

    Counts are net of background and not decay-corrected, the first taken before voiding; u_percent goes before Poisson
    statistics.
    """
    columns = read_columns(
        path,
        numbers=("time_h",),
        whole=("activity_MBq", "u_MBq", "counts", "anterior_counts", "posterior_counts", "u_percent"),
    )
    time_s = columns["time_h"] * S_PER_H
    if "activity_MBq" in columns:
        u = columns.get("u_MBq")
        curve = TimeActivityCurve(
            region=WHOLE_BODY,
            time_s=time_s,
            activity_bq=columns["activity_MBq"] * BQ_PER_MBQ,
            standard_uncertainty_bq=None if u is None else u * BQ_PER_MBQ,
        )
        return WholeBodyRetention(curve=curve, shared_relative_uncertainty=0.0)
    if "anterior_counts" in columns:
        counts, relative = geometric_mean_counts(
            columns["anterior_counts"], _column(columns, "posterior_counts", path)
        )
    else:
        counts = _column(columns, "counts", path)
        relative = 1 / np.sqrt(np.maximum(counts, 1.0))
    given = _relative(columns, path)
    found = whole_body_from_counts(
        time_s=time_s,
        counts=counts,
        relative_uncertainty=relative if given is None else given,
        administered_activity_bq=administered_activity_bq,
        decay_constant_per_s=decay_constant_per_s,
    )
    if given is not None:
        return found
    told = "The whole body's uncertainty is that of counting alone; give u_percent to cover geometry and dead time."
    return replace(found, warnings=(*found.warnings, told))


def read_urine(path: Path, *, administered_activity_bq: float, decay_constant_per_s: float) -> Excretion:
    """Urine: time_h (end of each collection), volume_mL, concentration_kBq_per_mL at that time, u_percent."""
    columns = read_columns(path, numbers=("time_h", "volume_mL"), whole=SAMPLES)
    value, u = _concentration(columns, path)
    return urinary_excretion(
        time_s=columns["time_h"] * S_PER_H,
        volume_ml=columns["volume_mL"],
        concentration_bq_per_ml=value,
        relative_uncertainty=None if u is None else u / np.maximum(value, 1e-300),
        administered_activity_bq=administered_activity_bq,
        decay_constant_per_s=decay_constant_per_s,
    )
