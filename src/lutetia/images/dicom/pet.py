"""PET series to activity concentration and standardised uptake values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from lutetia.errors import DicomError, MissingDataError
from lutetia.images.dicom.ct import slice_stack
from lutetia.images.dicom.open import open_dicom, pixels
from lutetia.images.dicom.times import acquisition_start, injection_time, parse_date_time, parse_datetime
from lutetia.images.volume import Volume
from lutetia.units import BQ_PER_MBQ, G_PER_KG, S_PER_MS

Seconds = float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PetImage:
    """A PET image.

    Attributes
    ----------
    volume : activity concentration at ``start_time``. [Bq/mL]
    start_time : the time to which the values refer
    suv_bw_g_per_ml, suv_lbm_g_per_ml : factor from Bq/mL to SUV by body weight and by lean body mass (James); None where
        weight, height, sex or the administration is missing
    """

    volume: Volume
    start_time: datetime | None
    suv_bw_g_per_ml: float | None
    suv_lbm_g_per_ml: float | None
    warnings: tuple[str, ...] = ()


def read_pet(files: Sequence[Path]) -> PetImage:
    r"""Activity concentration of a PET series, referred to the start of the scan.

    Each slice has its own Rescale Slope. DecayCorrection START is kept; ADMIN is brought to the start of the scan;
    NONE is corrected slice by slice for its own bed time and for decay during the frame,
    :math:`\lambda T/(1-e^{-\lambda T})`. For START the reference time is GE's scan time (0009,100D) when there, else it
    is computed back from each slice's acquisition time, Frame Reference Time and duration, which survives rewritten
    series times.

    Raises
    ------
    DicomError
        Not a PET series, an intercept, or units that cannot be turned into Bq/mL.
    MissingDataError
        The half-life (0018,1075) is missing where it is needed.

    References
    ----------
    QIBA FDG-PET/CT Profile, SUV computation pseudo-code (2016). IBSI SUV reference manual (2026).
    """
    datasets, names = [open_dicom(path) for path in files], [path.name for path in files]
    for dataset, name in zip(datasets, names, strict=True):
        if dataset.get("Modality") != "PT" or float(dataset.get("RescaleIntercept") or 0) != 0:
            raise DicomError(f"{name}: modality {dataset.get('Modality')}; expected PT with Rescale Intercept 0.")
    grid, order = slice_stack(datasets, names)
    first, warnings = datasets[order[0]], list[str]()
    factor = _to_bq_per_ml(first, names[0])
    item = (first.get("RadiopharmaceuticalInformationSequence") or [{}])[0]
    half_life = float(item.get("RadionuclideHalfLife") or 0.0)
    start = _reference_time(datasets, half_life, names[0])
    given = injection_time(item, start)
    values = np.empty(grid.shape, np.float32)
    for k, i in enumerate(order):
        scale = float(datasets[i].RescaleSlope) * factor * _to_start(datasets[i], half_life, start, given, names[i])
        values[k] = np.asarray(pixels(datasets[i], files[i]), dtype=np.float32) * np.float32(scale)
    weight = _suv_factor(first, item, half_life, start, given, warnings)
    return PetImage(
        volume=Volume(grid=grid, values=values, unit="Bq/mL"),
        start_time=start,
        suv_bw_g_per_ml=weight,
        suv_lbm_g_per_ml=None if weight is None else _lean(first, weight),
        warnings=tuple(warnings),
    )


def _to_bq_per_ml(dataset: Any, name: str) -> float:
    """Factor from rescaled values to Bq/mL."""
    units = str(dataset.get("Units") or "")
    if units == "BQML":
        return 1.0
    if units == "CNTS" and "Philips" in str(dataset.get((0x7053, 0x0010), "")):
        element = dataset.get((0x7053, 0x1009))
        value = float(element.value) if element is not None else 0.0
        if value > 0:
            return value
    raise DicomError(
        f"{name}: Units (0054,1001) {units!r} cannot be turned into Bq/mL; expected BQML, or CNTS with Philips' activity "
        "factor (7053,1009)."
    )


def _frame(dataset: Any) -> tuple[datetime | None, Seconds, Seconds]:
    """Acquisition time, duration and Frame Reference Time of a slice. [s]"""
    when = parse_date_time(dataset.get("AcquisitionDate"), dataset.get("AcquisitionTime"))
    duration = float(dataset.get("ActualFrameDuration") or 0) * S_PER_MS
    return when, duration, float(dataset.get("FrameReferenceTime") or 0) * S_PER_MS


def _reference_time(datasets: Sequence[Any], half_life_s: float, name: str) -> datetime | None:
    """Start of the scan to which START-corrected values refer."""
    from datetime import timedelta

    first = datasets[0]
    ge = first.get((0x0009, 0x100D))
    if ge is not None and "GEMS" in str(first.get((0x0009, 0x0010), "")):
        return parse_datetime(ge.value)
    starts = []
    for dataset in datasets:
        when, duration, reference = _frame(dataset)
        if when is None:
            return acquisition_start(first)
        if dataset.get("DecayCorrection") == "START" and duration > 0 and reference > 0:
            rate = math.log(2) / _required(half_life_s, name)
            average = math.log(rate * duration / -math.expm1(-rate * duration)) / rate
            when += timedelta(seconds=average - reference)
        starts.append(when)
    return min(starts)


def _required(half_life_s: float, name: str) -> float:
    if half_life_s <= 0:
        raise MissingDataError(
            f"{name}: Radionuclide Half Life (0018,1075) is missing; it is needed for decay correction."
        )
    return half_life_s


def _to_start(dataset: Any, half_life_s: float, start: datetime | None, given: datetime | None, name: str) -> float:
    """Factor that refers a slice's values to the start of the scan."""
    correction = str(dataset.get("DecayCorrection") or "")
    if correction == "START":
        return 1.0
    rate = math.log(2) / _required(half_life_s, name)
    if correction == "ADMIN":
        if start is None or given is None:
            raise MissingDataError(
                f"{name}: values are decay-corrected to the injection, whose time is missing (0018,1078)."
            )
        return math.exp(-rate * (start - given).total_seconds())
    if correction != "NONE":
        raise DicomError(f"{name}: Decay Correction (0054,1102) {correction!r}; expected START, ADMIN or NONE.")
    when, duration, _ = _frame(dataset)
    offset = (when - start).total_seconds() if when is not None and start is not None else 0.0
    during = rate * duration / -math.expm1(-rate * duration) if duration > 0 else 1.0
    return during * math.exp(rate * offset)


def _suv_factor(
    dataset: Any, item: Any, half_life_s: float, start: datetime | None, given: datetime | None, warnings: list[str]
) -> float | None:
    """Body weight over activity at the start of the scan. [g/Bq]"""
    weight_kg = float(dataset.get("PatientWeight") or 0.0)
    dose = float(item.get("RadionuclideTotalDose") or 0.0)
    if 0 < dose < 1e5:
        dose *= BQ_PER_MBQ
        warnings.append("Radionuclide Total Dose (0018,1074) is too small for Bq and was read as MBq.")
    if weight_kg > 1000:
        weight_kg /= G_PER_KG
        warnings.append("Patient's Weight (0010,1030) above 1000 was read as grams.")
    if weight_kg <= 0 or dose <= 0 or half_life_s <= 0 or start is None or given is None:
        warnings.append("No SUV: weight, injected activity, half-life or a time is missing.")
        return None
    left = dose * math.exp(-math.log(2) / half_life_s * (start - given).total_seconds())
    return weight_kg * G_PER_KG / left


def _lean(dataset: Any, suv_bw: float) -> float | None:
    """Factor by lean body mass after James 1976: 1.10 W - 128 (W/H)^2, women 1.07 W - 148 (W/H)^2."""
    weight, height_cm = float(dataset.get("PatientWeight") or 0), float(dataset.get("PatientSize") or 0) * 100
    constants = {"M": (1.10, 128.0), "F": (1.07, 148.0)}.get(str(dataset.get("PatientSex") or ""))
    if constants is None or height_cm <= 0 or weight <= 0:
        return None
    lean = constants[0] * weight - constants[1] * (weight / height_cm) ** 2
    return suv_bw * lean / weight
