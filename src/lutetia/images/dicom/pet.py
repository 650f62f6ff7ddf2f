"""PET series to activity concentration and standardised uptake values."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from lutetia.errors import DicomError, InputError, MissingDataError
from lutetia.images.dicom.ct import slice_stack
from lutetia.images.dicom.open import first_item, number, open_dicom, pixels
from lutetia.images.dicom.radiopharmaceutical import nuclide_of, total_dose_bq
from lutetia.images.dicom.suv import Sex, lean_body_mass_james1976_kg, suv_factor_body_weight
from lutetia.images.dicom.times import acquisition_start, injection_time, parse_date_time, parse_datetime
from lutetia.images.volume import Volume
from lutetia.physics.nuclides import nuclide
from lutetia.units import G_PER_KG, S_PER_MS

MOST_KG: Final = 1000.0
"""A weight above this was written in grams."""

HALF_LIFE_TOLERANCE: Final = 0.01
"""Relative difference between the header's half-life and the nuclide's that is worth a warning."""

SEXES: Final[dict[str, Sex]] = {"M": "M", "F": "F", "O": "O"}


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

    Each slice has its own Rescale Slope. Units are Bq/mL, Philips' counts with their private factor, or SUV by body
    weight, which are turned back. DecayCorrection START is kept; ADMIN is brought to the start of the scan;
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
    if not files:
        raise DicomError("A PET series without files.")
    datasets, names = [open_dicom(path) for path in files], [path.name for path in files]
    for dataset, name in zip(datasets, names, strict=True):
        _require_pet(dataset, name)
    grid, order = slice_stack(datasets, names)
    first = datasets[order[0]]
    warnings = list(_uncorrected(first))
    item = first_item(first, "RadiopharmaceuticalInformationSequence")
    half_life = _half_life_s(item, warnings)
    start = _reference_time(datasets, half_life, names[0])
    given = injection_time(item, start, first.get("TimezoneOffsetFromUTC"))
    weight_kg = _weight_kg(first, warnings)
    suv = _suv_factor(item, weight_kg, half_life, start, given, warnings)
    values = np.empty(grid.shape, np.float32)
    for k, i in enumerate(order):
        d, name = datasets[i], names[i]
        scale = number(d, "RescaleSlope") or 1.0
        scale *= _to_bq_per_ml(d, suv, name) * _to_start(d, half_life, start, given, name)
        values[k] = np.asarray(pixels(d, files[i]), dtype=np.float32) * np.float32(scale)
    return PetImage(
        volume=Volume(grid=grid, values=values, unit="Bq/mL"),
        start_time=start,
        suv_bw_g_per_ml=suv,
        suv_lbm_g_per_ml=None if suv is None else _lean(first, weight_kg, suv),
        warnings=tuple(warnings),
    )


def _require_pet(dataset: Any, name: str) -> None:
    """Raise DicomError unless an object is a single PET slice with a slope and no intercept."""
    frames = number(dataset, "NumberOfFrames") or 1.0
    if dataset.get("Modality") != "PT" or frames > 1:
        raise DicomError(
            f"{name}: modality {dataset.get('Modality')} with {frames:g} frames; expected single slices of PT."
        )
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept") or 0.0
    if not slope or intercept != 0:
        raise DicomError(
            f"{name}: Rescale Slope {slope} (0028,1053), Intercept {intercept:g} (0028,1052); expected a slope and no "
            "intercept."
        )


def _uncorrected(dataset: Any) -> Iterator[str]:
    """Warnings about corrections that a quantitative image needs and that this one does not name."""
    stated = dataset.get("CorrectedImage")
    if stated is None:
        return
    for code, what in (("ATTN", "attenuation"), ("SCAT", "scatter")):
        if code not in str(stated):
            yield f"Corrected Image (0028,0051) names no {what} correction."


def _half_life_s(item: Any, warnings: list[str]) -> float:
    """Half-life by the header (0018,1075), else of the nuclide (0054,0300); 0 when neither is there. [s]"""
    stated = number(item, "RadionuclideHalfLife") or 0.0
    name = nuclide_of(item)
    try:
        known = nuclide(name).half_life_s if name is not None else 0.0
    except InputError:
        known = 0.0
    if stated > 0:
        if known > 0 and not math.isclose(stated, known, rel_tol=HALF_LIFE_TOLERANCE):
            warnings.append(
                f"Radionuclide Half Life {stated:g} s (0018,1075) is not that of {name}, {known:g} s; the header's is used."
            )
        return stated
    if known > 0:
        warnings.append(f"Radionuclide Half Life (0018,1075) is missing: {known:g} s of {name} was used.")
    return known


def _weight_kg(dataset: Any, warnings: list[str]) -> float:
    weight = number(dataset, "PatientWeight") or 0.0
    if weight > MOST_KG:
        warnings.append("Patient's Weight (0010,1030) above 1000 was read as grams.")
        return weight / G_PER_KG
    return weight


def _private(dataset: Any, group: int, creator: str, element: int) -> Any:
    """Value of a private element in the block of its creator, wherever that lies; None when absent."""
    try:
        return dataset.private_block(group, creator)[element].value
    except Exception:  # private elements are decoded when they are first touched, and makers write what they like
        return None


def _philips(dataset: Any, element: int) -> float:
    value = _private(dataset, 0x7053, "Philips PET Private Group", element)
    try:
        return float(value or 0.0)
    except (TypeError, ValueError):
        return 0.0


def _to_bq_per_ml(dataset: Any, suv_g_per_bq: float | None, name: str) -> float:
    """Factor from rescaled values to Bq/mL; SUV by body weight are turned back by the factor that made them."""
    units = str(dataset.get("Units") or "")
    if units == "BQML":
        return 1.0
    if units == "CNTS" and _philips(dataset, 0x09) > 0:
        return _philips(dataset, 0x09)
    to_suv = 0.0
    if units == "CNTS":
        to_suv = _philips(dataset, 0x00)
    elif units == "GML" and str(dataset.get("SUVType") or "BW") == "BW":
        to_suv = 1.0
    if to_suv <= 0:
        raise DicomError(
            f"{name}: Units (0054,1001) {units!r} cannot be turned into Bq/mL; expected BQML, GML by body weight, or CNTS "
            "with Philips' factors (7053,1009) or (7053,1000)."
        )
    if suv_g_per_bq is None:
        raise MissingDataError(
            f"{name}: values are SUV (0054,1001) {units!r}; to turn them back into Bq/mL weight (0010,1030), injected "
            "activity (0018,1074) and its time (0018,1078) are needed."
        )
    return to_suv / suv_g_per_bq


def _frame(dataset: Any) -> tuple[datetime | None, float, float]:
    """Acquisition time, duration and Frame Reference Time of a slice. [s]"""
    when = parse_date_time(dataset.get("AcquisitionDate"), dataset.get("AcquisitionTime"))
    duration = (number(dataset, "ActualFrameDuration") or 0.0) * S_PER_MS
    return when, duration, (number(dataset, "FrameReferenceTime") or 0.0) * S_PER_MS


def _reference_time(datasets: Sequence[Any], half_life_s: float, name: str) -> datetime | None:
    """Start of the scan to which START-corrected values refer."""
    first = datasets[0]
    ge = _private(first, 0x0009, "GEMS_PETD_01", 0x0D)
    if ge:
        return parse_datetime(ge.decode("ascii", "replace") if isinstance(ge, bytes) else ge)
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
    item: Any,
    weight_kg: float,
    half_life_s: float,
    start: datetime | None,
    given: datetime | None,
    warnings: list[str],
) -> float | None:
    """Body weight over activity at the start of the scan. [g/Bq]"""
    stated = number(item, "RadionuclideTotalDose") or 0.0
    activity_bq, assumed = total_dose_bq(stated, "PT") if stated > 0 else (0.0, "")
    warnings += [f"{assumed}."] if assumed else []
    if weight_kg <= 0 or activity_bq <= 0 or half_life_s <= 0 or start is None or given is None:
        warnings.append("No SUV: weight, injected activity, half-life or a time is missing.")
        return None
    return suv_factor_body_weight(
        weight_kg=weight_kg,
        activity_bq=activity_bq,
        half_life_s=half_life_s,
        since_injection_s=(start - given).total_seconds(),
    )


def _lean(dataset: Any, weight_kg: float, suv_bw: float) -> float | None:
    """Factor by lean body mass instead of weight; None without height or sex."""
    sex, height_m = SEXES.get(str(dataset.get("PatientSex") or "")), number(dataset, "PatientSize") or 0.0
    if sex is None or height_m <= 0:
        return None
    return suv_bw * lean_body_mass_james1976_kg(weight_kg=weight_kg, height_m=height_m, sex=sex) / weight_kg
