"""Which calibration holds on a day: the latest measurement and those that agree with it; drift."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from lutetia.errors import MissingDataError
from lutetia.images.calibration import Calibration
from lutetia.recon.calibrate.conditions import Conditions
from lutetia.recon.calibrate.dead_time import DeadTimeMeasurement
from lutetia.recon.calibrate.record import CalibrationRecord
from lutetia.recon.calibrate.recovery_curve import RecoveryCurve
from lutetia.recon.calibrate.sensitivity import SensitivityMeasurement, combined
from lutetia.units import BQ_PER_MBQ

VALID_DAYS: Final = 365.0
"""Age from which a calibration is told to be old, and within which earlier ones are combined with the latest."""
AGREES_Z: Final = 2.0
"""Differences of up to so many standard uncertainties are chance."""
STOPS_Z: Final = 3.0
"""Differences of more are no chance; the camera should not be used for activities before the cause is known."""
LEAST_RELATIVE: Final = 1e-6
"""No measurement weighs as if its own uncertainty were less."""

Numbered = tuple[str, SensitivityMeasurement]


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """A new sensitivity against the one before.

    Attributes
    ----------
    ratio : new over earlier
    z : difference over its standard uncertainty, None when that is not known
    earlier : number of the entry compared with
    """

    ratio: float
    z: float | None
    earlier: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorInForce:
    """The calibration that holds on a day.

    Attributes
    ----------
    calibration : sensitivity with uncertainty, and dead time (0 where the record holds none, told as a warning)
    rule : "latest" or "weighted mean"
    numbers : entries used
    warnings : age, drift, what the measurements assumed
    """

    calibration: Calibration
    rule: str
    numbers: tuple[str, ...]
    warnings: tuple[str, ...]


def factor_in_force(
    record: CalibrationRecord,
    *,
    nuclide: str,
    collimator: str,
    window_mev: tuple[float, float],
    at: date,
    camera: str | None = None,
    valid_days: float = VALID_DAYS,
) -> FactorInForce:
    """Sensitivity of one head that holds on a day, for one camera, collimator, nuclide and window.

    The latest measurement up to that day counts. Earlier ones by the same method, at most ``valid_days`` older, that
    agree with it (|z| up to AGREES_Z) are combined with it by inverse variance; what they share (activity meter,
    scatter correction) does not shrink by this. Where the uncertainty of the latest is not known, it stands alone.

    Parameters
    ----------
    record : see ``read_record``
    nuclide, collimator, window_mev : wanted. [MeV]
    at : day on which the patient was imaged
    camera : may be left out where the record is of one camera
    valid_days : age above which the latest measurement is told to be old

    Raises
    ------
    MissingDataError
        The record holds no such sensitivity, or only later ones; the message names what it holds.
    """
    wanted = Conditions(
        camera=camera or _only_camera(record), collimator=collimator, nuclide=nuclide, window_mev=window_mev
    )
    found = _sensitivities(record, wanted, at)
    if not found:
        raise MissingDataError(_absent("sensitivity", record, wanted, at))
    number, latest = found[-1]
    same = [n for n in found if n[1].method == latest.method]
    used = [n for n in same if n[0] == number or _belongs(n[1], latest, valid_days)]
    value, relative = _mean([m for _, m in used])
    dead_time_s, told = _dead_time(record, wanted, at)
    rule = "latest" if len(used) == 1 else "weighted mean"
    numbers = tuple(n for n, _ in used)
    warnings = [*record.warnings, *_age(latest.measured_at, at, valid_days, number), *told]
    if len(same) > 1:
        warnings += _compared(latest, same[-2]).warnings
    others = [n for n in found if n[1].method != latest.method]
    if others:
        warnings += [f"By another method: {text}" for text in _compared(latest, others[-1]).warnings]
    warnings += [f"Entry {n}: {text}" for n, m in used for text in m.warnings]
    return FactorInForce(
        calibration=Calibration(
            sensitivity_cps_per_bq=value,
            relative_uncertainty=relative,
            dead_time_s=dead_time_s,
            source=f"calibration record, {rule} of entries {', '.join(numbers)} ({latest.measured_at:%Y-%m-%d})",
        ),
        rule=rule,
        numbers=numbers,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def recovery_in_force(
    record: CalibrationRecord,
    *,
    nuclide: str,
    collimator: str,
    window_mev: tuple[float, float],
    at: date,
    camera: str | None = None,
) -> RecoveryCurve:
    """The latest recovery curve up to a day, for one camera, collimator, nuclide and window.

    Raises
    ------
    MissingDataError
        The record holds none; the message names what it holds.
    """
    wanted = Conditions(
        camera=camera or _only_camera(record), collimator=collimator, nuclide=nuclide, window_mev=window_mev
    )
    curves = [
        entry.measurement
        for entry in record.standing()
        if isinstance(entry.measurement, RecoveryCurve)
        and not wanted.differences(entry.measurement.conditions)
        and entry.measurement.measured_at.date() <= at
    ]
    if not curves:
        raise MissingDataError(_absent("recovery", record, wanted, at))
    return max(curves, key=lambda curve: _clock(curve.measured_at))


def drift(record: CalibrationRecord, measurement: SensitivityMeasurement) -> Drift | None:
    """A new measurement against the last one before it of the same conditions and method; None when it is the first."""
    earlier = [
        n
        for n in _sensitivities(record, measurement.conditions, measurement.measured_at.date())
        if n[1].method == measurement.method and _clock(n[1].measured_at) < _clock(measurement.measured_at)
    ]
    return _compared(measurement, earlier[-1]) if earlier else None


def _clock(when: datetime) -> datetime:
    """Local time without its zone, so that all can be put in order."""
    return when.replace(tzinfo=None)


def _sensitivities(record: CalibrationRecord, wanted: Conditions, at: date) -> list[Numbered]:
    """Sensitivities that fit, by time; of one acquisition only the evaluation added last."""
    by_time: dict[tuple[datetime, str], Numbered] = {}
    for entry in record.standing():
        found = entry.measurement
        if (
            isinstance(found, SensitivityMeasurement)
            and not wanted.differences(found.conditions)
            and found.measured_at.date() <= at
        ):
            by_time[_clock(found.measured_at), found.method] = (entry.number, found)
    return [by_time[key] for key in sorted(by_time)]


def _only_camera(record: CalibrationRecord) -> str:
    cameras = sorted({entry.measurement.conditions.camera for entry in record.standing()})
    if len({name.strip().lower() for name in cameras}) != 1:
        raise MissingDataError(
            f"The record holds measurements of {len(cameras)} cameras ({', '.join(cameras) or 'none'}); name one."
        )
    return cameras[0]


def _absent(kind: str, record: CalibrationRecord, wanted: Conditions, at: date) -> str:
    held = [
        f"{e.number} {e.measurement.measured_at:%Y-%m-%d} {e.measurement.conditions.describe()}"
        for e in record.standing()
        if (kind == "sensitivity" and isinstance(e.measurement, SensitivityMeasurement))
        or (kind == "recovery" and isinstance(e.measurement, RecoveryCurve))
    ]
    return (
        f"The calibration record holds no {kind} up to {at:%Y-%m-%d} for {wanted.describe()}; it holds "
        f"{'; '.join(held) or 'none'}. Measure it, or check camera, collimator, nuclide and window."
    )


def _shared_terms(first: SensitivityMeasurement, second: SensitivityMeasurement) -> frozenset[str]:
    """Terms of the budget whose error two measurements have in common, so that it cancels in their difference."""
    shared = {"scatter correction"} if first.method == second.method else set()
    if first.meter and first.meter.strip().lower() == second.meter.strip().lower():
        shared.add("activity")
    return frozenset(shared)


def _own(measurement: SensitivityMeasurement, shared: frozenset[str]) -> float | None:
    """Relative uncertainty without the shared terms; None when one of the others is not known."""
    return combined({name: term for name, term in measurement.budget.items() if name not in shared})


def _z(new: SensitivityMeasurement, old: SensitivityMeasurement) -> float | None:
    """Difference over its uncertainty, without what both share; None when that is not known."""
    shared = _shared_terms(new, old)
    first, second = _own(new, shared), _own(old, shared)
    if first is None or second is None:
        return None
    u = math.hypot(new.value_cps_per_bq * first, old.value_cps_per_bq * second)
    return (new.value_cps_per_bq - old.value_cps_per_bq) / u if u > 0 else None


def _belongs(measurement: SensitivityMeasurement, latest: SensitivityMeasurement, valid_days: float) -> bool:
    """Whether an earlier measurement is combined with the latest."""
    days = (_clock(latest.measured_at) - _clock(measurement.measured_at)).total_seconds() / 86400.0
    z = _z(latest, measurement)
    return (
        days <= valid_days
        and z is not None
        and abs(z) <= AGREES_Z
        and bool(latest.relative_uncertainty and measurement.relative_uncertainty)
    )


def _mean(used: Sequence[SensitivityMeasurement]) -> tuple[float, float | None]:
    """Inverse-variance weighted mean and its relative uncertainty; shared terms are added at the end."""
    if len(used) == 1:
        return used[0].value_cps_per_bq, used[0].relative_uncertainty
    shared = frozenset.intersection(*(_shared_terms(m, used[-1]) for m in used))
    own = [max(_own(m, shared) or 0.0, LEAST_RELATIVE) for m in used]
    weights = [1.0 / u**2 for u in own]
    total = sum(weights)
    mean = sum(w * m.value_cps_per_bq for w, m in zip(weights, used, strict=True)) / total
    chi2 = sum(((m.value_cps_per_bq / mean - 1) / u) ** 2 for m, u in zip(used, own, strict=True))
    relative = math.sqrt(max(1.0, chi2 / (len(used) - 1)) / total)
    common = [
        sum(w * (m.budget.get(name) or 0.0) for w, m in zip(weights, used, strict=True)) / total for name in shared
    ]
    return mean, math.hypot(relative, *common)


def _compared(new: SensitivityMeasurement, earlier: Numbered) -> Drift:
    number, old = earlier
    ratio, z = new.value_cps_per_bq / old.value_cps_per_bq, _z(new, old)
    said = (
        f"Sensitivity {new.value_cps_per_bq * BQ_PER_MBQ:.4g} cps/MBq of {new.measured_at:%Y-%m-%d} is "
        f"{100 * (ratio - 1):+.1f} % from {old.value_cps_per_bq * BQ_PER_MBQ:.4g} of {old.measured_at:%Y-%m-%d} "
        f"(entry {number})"
    )
    warnings: tuple[str, ...] = ()
    if z is None:
        warnings = (f"{said}; whether that is drift cannot be told, as an uncertainty is not known.",)
    elif abs(z) > STOPS_Z:
        warnings = (
            f"{said}, {abs(z):.1f} standard uncertainties: the camera, the window or the activity changed. Do not use "
            "it for activities before the cause is known.",
        )
    elif abs(z) > AGREES_Z:
        warnings = (f"{said}, {abs(z):.1f} standard uncertainties: repeat the measurement.",)
    return Drift(ratio=ratio, z=z, earlier=number, warnings=warnings)


def _age(measured_at: datetime, at: date, valid_days: float, number: str) -> tuple[str, ...]:
    days = (at - measured_at.date()).days
    if days <= valid_days:
        return ()
    return (
        f"The latest sensitivity (entry {number}) is {days} days old, more than {valid_days:g}; measure it again.",
    )


def _dead_time(record: CalibrationRecord, wanted: Conditions, at: date) -> tuple[float, tuple[str, ...]]:
    """Latest dead time of camera, collimator and nuclide; of the whole spectrum, so that the window does not matter."""
    found = [
        (entry.number, entry.measurement)
        for entry in record.standing()
        if isinstance(entry.measurement, DeadTimeMeasurement)
        and not wanted.differences(entry.measurement.conditions, window=False)
        and entry.measurement.measured_at.date() <= at
    ]
    if not found:
        return 0.0, ("The calibration record holds no dead time for this camera; none was corrected.",)
    number, latest = max(found, key=lambda n: _clock(n[1].measured_at))
    return max(latest.dead_time_s, 0.0), tuple(f"Entry {number}: {text}" for text in latest.warnings)
