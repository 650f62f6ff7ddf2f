"""Whole-body measurements of one patient from a CSV file, as retention and dose rate."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.measured.curve_table import Row, read_rows
from lutetia.kinetics.measured.excretion import WHOLE_BODY
from lutetia.therapy.protection.dose_rate import MEASURED, ExternalDoseRate
from lutetia.therapy.protection.retention import (
    BEYOND_ALL,
    Retention,
    retention_from_activity,
    retention_from_dose_rates,
)
from lutetia.therapy.protection.tables import rows as table_rows
from lutetia.units import BQ_PER_MBQ, H_PER_S, S_PER_H, SV_PER_S_PER_USV_PER_H, USV_PER_H_PER_SV_PER_S

Array = NDArray[np.float64]

UNCERTAINTIES = {"activity_MBq": "u_MBq", "dose_rate_uSv_h": "u_uSv_h"}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Measured:
    """Retention fitted to a file, and the dose rate at 1 m where the file holds dose rates.

    ``caution`` says why physical decay from the highest measurement stands in the place of a fit; empty for a good fit.
    """

    retention: Retention
    dose_rate: ExternalDoseRate | None
    caution: str = ""


def read_measurements(
    path: Path,
    *,
    administered_activity_bq: float,
    decay_constant_per_s: float,
    distance_m: float = 1.0,
    distance_exponent: float = 1.5,
) -> Measured:
    """Fit the whole-body measurements of a file.

    Where they rise, or the fit misses them (``data/fit_quality``), nothing is taken as excreted: physical decay from the
    highest decay-corrected measurement, or from all that was given, which is never below a measurement.

    Columns: time_h and either activity_MBq (and u_MBq, if known) of the whole body, or dose_rate_uSv_h (and u_uSv_h) at one
    distance. Not decay-corrected, hours after the administration.

    Raises
    ------
    InputError
        Columns of neither or both kinds, empty fields, two rows of one time, values not above 0; with file and line.
    FitError
        More activity than was given.
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
    points = _Points(time_s=time_s, values=values, u=u, decay_constant_per_s=decay_constant_per_s)
    if kind == "activity_MBq":
        return _of_activities(points, administered_activity_bq, path)
    return _of_dose_rates(points, SV_PER_S_PER_USV_PER_H * distance_m**distance_exponent)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Points:
    """Measurements in the unit of the file, in the order of time."""

    time_s: Array
    values: Array
    u: Array | None
    decay_constant_per_s: float

    @property
    def highest(self) -> float:
        """The highest measurement, decay-corrected to the administration."""
        return float(np.max(self.values * np.exp(self.decay_constant_per_s * self.time_s)))


def _of_activities(points: _Points, administered_bq: float, path: Path) -> Measured:
    curve = TimeActivityCurve(
        region=WHOLE_BODY,
        time_s=points.time_s,
        activity_bq=points.values * BQ_PER_MBQ,
        standard_uncertainty_bq=None if points.u is None else points.u * BQ_PER_MBQ,
    )
    share = points.highest * BQ_PER_MBQ / administered_bq
    if not math.isfinite(share) or share > BEYOND_ALL:
        raise FitError(
            f"{path.name}: decay-corrected, a measurement is {share:.2f} of the administered activity; at most 1 can be. "
            "Check the administered activity and that activities are in MBq and not decay-corrected."
        )
    try:
        found = retention_from_activity(
            curve, administered_activity_bq=administered_bq, decay_constant_per_s=points.decay_constant_per_s
        )
    except FitError:
        why = _poor(points, None, 0)
    else:
        fitted = administered_bq * found.left_at(points.time_s) / BQ_PER_MBQ
        why = _poor(points, fitted, len(found.terms))
        if not why:
            return Measured(retention=found, dose_rate=None)
    kept = _undiminished(max(1.0, share), points.decay_constant_per_s)
    return Measured(retention=kept, dose_rate=None, caution=why)


def _of_dose_rates(points: _Points, to_1_m: float) -> Measured:
    try:
        retention, start = retention_from_dose_rates(
            time_s=points.time_s,
            dose_rate_sv_per_s=points.values * to_1_m,
            standard_uncertainty_sv_per_s=None if points.u is None else points.u * to_1_m,
            decay_constant_per_s=points.decay_constant_per_s,
        )
    except FitError:
        why = _poor(points, None, 0)
    else:
        why = _poor(points, start * retention.left_at(points.time_s) / to_1_m, len(retention.terms))
    if why:
        start = points.highest * to_1_m
        retention = _undiminished(1.0, points.decay_constant_per_s)
        why += (
            f" Before the first measurement at {float(points.time_s[0]) * H_PER_S:.1f} h the dose rate can have been "
            "higher than this sheet says."
        )
    rate = ExternalDoseRate(
        retention=retention, start_sv_per_s=start, relative_sd=None, source=MEASURED, verified=None
    )
    return Measured(retention=retention, dose_rate=rate, caution=why)


def _poor(points: _Points, fitted: Array | None, terms: int) -> str:
    """Why the fit (None where none was found) must not decide; empty where it may."""
    most = {row["criterion"]: float(row["at_most"]) for row in table_rows("fit_quality", "criteria.csv")}
    found = _risen(points, most["rise"], most["standard_deviations"])
    if fitted is None:
        found.append("no sum of exponentials that falls at least as fast as the nuclide decays describes them")
    else:
        found += _missed(points, fitted, most["residual"], most["standard_deviations"])
        free = points.values.size - 2 * terms
        if points.u is not None and free > 0:
            reduced = float(np.sum(((points.values - fitted) / points.u) ** 2)) / free
            if reduced > most["reduced_chi_square"]:
                limit = f"at most {most['reduced_chi_square']:g}"
                found.append(
                    f"the fit's reduced chi-square is {reduced:.3g} with the stated uncertainties ({limit})"
                )
    if not found:
        return ""
    return (
        f"The measurements of this patient are not used as a curve: {'; '.join(found)}. Check time, distance, unit and "
        "background of each and measure again. Instead nothing is taken as excreted: physical decay alone, above every "
        "measurement."
    )


def _risen(points: _Points, most: float, sigmas: float) -> list[str]:
    """The worst rise over an earlier measurement, both decay-corrected, where it is more than scatter."""
    growth = np.exp(points.decay_constant_per_s * points.time_s)
    kept = points.values * growth
    u = np.zeros_like(kept) if points.u is None else points.u * growth
    worst, place = 1.0, 0
    for later in range(1, kept.size):
        earlier = int(np.argmin(kept[:later]))
        certain = kept[later] - kept[earlier] > sigmas * math.hypot(u[later], u[earlier])
        if certain and kept[later] / kept[earlier] > worst:
            worst, place = float(kept[later] / kept[earlier]), later
    if worst <= most:
        return []
    at = f"{points.values[place]:.3g} at {points.time_s[place] * H_PER_S:.1f} h"
    return [f"they rise: {at} is, decay-corrected, {worst:.2f} times an earlier one (at most {most:g})"]


def _missed(points: _Points, fitted: Array, most: float, sigmas: float) -> list[str]:
    """The measurement that lies farthest above the fit, where that is more than scatter."""
    values = points.values
    u = np.zeros_like(values) if points.u is None else points.u
    over = np.where(values - fitted > sigmas * u, values / fitted, 0.0)
    place = int(np.argmax(over))
    if over[place] <= most:
        return []
    at = f"{fitted[place]:.3g} at {points.time_s[place] * H_PER_S:.1f} h where {values[place]:.3g} was measured"
    return [f"the fit has {at} ({over[place]:.2f} times, at most {most:g})"]


def _undiminished(share: float, decay_constant_per_s: float) -> Retention:
    return Retention(
        name="physical decay of the highest measurement",
        terms=((share, decay_constant_per_s),),
        decay_constant_per_s=decay_constant_per_s,
        drawn=None,
        meaning="no excretion, because a fit of this patient's measurements is poor",
        source="measured",
        verified=None,
    )


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


def measured_dose_rates(
    *, time_s: Array, at_1_m_sv_per_s: Array, relative_uncertainty: float | None, decay_constant_per_s: float
) -> Measured:
    """Fit of dose rates of one patient at 1 m, as of a file (``read_measurements``).

    Parameters
    ----------
    time_s : after the administration, rising, above 0. [s]
    at_1_m_sv_per_s : above 0, not decay-corrected. [Sv/s]
    relative_uncertainty : standard uncertainty of each over its value; None when unknown
    decay_constant_per_s : of the nuclide. [1/s]

    Raises
    ------
    InputError
        Fewer than two, times that do not rise, values not above 0.
    """
    if time_s.size < 2 or time_s.shape != at_1_m_sv_per_s.shape:
        raise InputError(
            f"{time_s.size} times and {at_1_m_sv_per_s.size} dose rates; expected two or more of both."
        )
    if not (np.all(np.diff(time_s) > 0) and time_s[0] > 0 and np.all(at_1_m_sv_per_s > 0)):
        raise InputError("Times of dose rates must rise, and both must be above 0.")
    points = _Points(
        time_s=time_s,
        values=at_1_m_sv_per_s * USV_PER_H_PER_SV_PER_S,
        u=None if relative_uncertainty is None else relative_uncertainty * at_1_m_sv_per_s * USV_PER_H_PER_SV_PER_S,
        decay_constant_per_s=decay_constant_per_s,
    )
    return _of_dose_rates(points, SV_PER_S_PER_USV_PER_H)
