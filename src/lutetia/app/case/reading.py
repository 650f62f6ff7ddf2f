"""Reading of case.yaml and of numbers on the command line, each refusal with its key."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from lutetia.app.case.settings import (
    CameraSettings,
    Case,
    ChainSettings,
    DoseMethod,
    DoseSettings,
    KineticsSettings,
    MarrowSettings,
    ReconstructionSettings,
    Scan,
    VoxelKinetics,
)
from lutetia.errors import InputError, MissingDataError
from lutetia.units import BQ_PER_MBQ, S_PER_H


def _number(
    entry: Mapping[str, Any], key: str, where: str, *, factor: float = 1.0, least: float = 0.0
) -> float | None:
    """A number of the case file in internal units, None when the key is absent or empty."""
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= float(value) < float("inf"):
        raise InputError(f"{where}: {key} is {value!r}; expected a number of at least {least:g}.")
    return float(value) * factor


def _section(document: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str) -> Mapping[str, Any]:
    """A sub-table of the case file whose keys are all known."""
    entry = document.get(key) or {}
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: {key} should be a table of {', '.join(allowed)}; found {type(entry).__name__}.")
    _only(entry, allowed, f"{where}: {key}")
    return entry


def _only(entry: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(map(str, entry)) - set(allowed))
    if unknown:
        raise InputError(f"{where}: unknown key {', '.join(unknown)}; the keys here are {', '.join(allowed)}.")


def _time(value: object, where: str) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value.replace(tzinfo=None) if isinstance(value, datetime) else None
    return parse_time(str(value), where)


def parse_time(text: str, where: str) -> datetime:
    """A local date and time as people write it: 2026-03-02 10:15 or 2026-03-02T10:15:00."""
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError as error:
        raise InputError(
            f"{where}: {text!r} is not a date and time; expected for example 2026-03-02T10:15."
        ) from error


def parse_percent(text: str, where: str) -> float:
    """A fraction from per cent as people write them: 1% or 0.5 %."""
    bare = text.strip()
    try:
        if not bare.endswith("%"):
            raise ValueError(bare)
        return float(bare[:-1]) / 100
    except ValueError as error:
        raise InputError(f"{where} {text!r}: expected per cent with their sign, for example 1%.") from error


def _strings(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    items = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str) and item for item in items):
        raise InputError(f"{where}: expected a text or a list of texts, found {value!r}.")
    return tuple(items)


def _choice(value: object, allowed: tuple[str, ...], where: str) -> Any:
    if value not in allowed:
        raise InputError(f"{where}: {value!r}; expected one of {', '.join(allowed)}.")
    return value


def _scan(entry: object, position: int, where: str) -> Scan:
    where = f"{where}: scans[{position}]"
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: expected a table with label, images, ct, time_h; found {entry!r}.")
    _only(entry, ("label", "images", "ct", "time_h", "unit"), where)
    images = _strings(entry.get("images"), f"{where}: images")
    if not images:
        raise MissingDataError(f"{where}: images is missing; name the series instance UIDs or files of this scan.")
    return Scan(
        label=str(entry.get("label") or f"scan {position + 1}"),
        images=images,
        ct=entry.get("ct"),
        time_s=_number(entry, "time_h", where, factor=S_PER_H, least=-1e9),
        unit=entry.get("unit"),
    )


def _camera(entry: Mapping[str, Any], where: str) -> CameraSettings:
    return CameraSettings(
        collimator=entry.get("collimator"),
        record=entry.get("calibration_record"),
        sensitivity_cps_per_bq=_number(entry, "sensitivity_cps_per_MBq", where, factor=1 / BQ_PER_MBQ),
        sensitivity_relative_uncertainty=_number(entry, "sensitivity_uncertainty_percent", where, factor=0.01),
        dead_time_s=_number(entry, "dead_time_us", where, factor=1e-6) or 0.0,
        intrinsic_fwhm_mm=_number(entry, "intrinsic_fwhm_mm", where),
    )


def _reconstruction(entry: Mapping[str, Any], where: str) -> ReconstructionSettings:
    default = ReconstructionSettings()
    scatter = ("auto", "tew", "dew", "model", "none")
    peaks = entry.get("photopeak_keV") or []
    listed = peaks if isinstance(peaks, list) else [peaks]
    energies = [_number({"photopeak_keV": p}, "photopeak_keV", where, factor=1e-3) for p in listed]
    return ReconstructionSettings(
        algorithm=_choice(entry.get("algorithm", "osem"), ("osem", "mlem", "bsrem"), f"{where}: algorithm"),
        iterations=int(_number(entry, "iterations", where, least=1) or default.iterations),
        subsets=int(_number(entry, "subsets", where, least=1) or default.subsets),
        scatter=_choice(entry.get("scatter", "auto"), scatter, f"{where}: scatter"),
        photopeaks_mev=tuple(e for e in energies if e),
        until_change=_number(entry, "until_change_percent", where, factor=0.01),
        penalty=default.penalty if entry.get("penalty") is None else _number(entry, "penalty", where) or 0.0,
        device=_choice(entry.get("device", "cpu"), ("cpu", "cuda"), f"{where}: device"),
    )


def _dose(entry: Mapping[str, Any], where: str) -> DoseSettings:
    default = DoseSettings()
    given, seed, sex = (
        _number(entry, "uncertainty_percent", where, factor=0.01),
        entry.get("seed"),
        entry.get("sex"),
    )
    budget_s, folder = _number(entry, "time_budget_s", where), entry.get("saf_folder")
    if folder is not None and not (isinstance(folder, str) and folder):
        raise InputError(f"{where}: saf_folder is {folder!r}; expected the path of a folder.")
    if sex is not None:
        _choice(sex, ("male", "female"), f"{where}: sex")
    settings = DoseSettings(
        method=_choice(entry.get("method", "auto"), get_args(DoseMethod), f"{where}: method"),
        time_budget_s=default.time_budget_s if budget_s is None else budget_s,
        relative_uncertainty=default.relative_uncertainty if given is None else given,
        seed=default.seed if seed is None else seed,
        saf_folder=folder,
        sex=sex,
    )
    return require_dose_settings(settings, where)


def require_dose_settings(settings: DoseSettings, where: str) -> DoseSettings:
    """The settings, when they can be.

    Raises
    ------
    InputError
        An uncertainty outside 0.01 to 50 %, or a seed that is no whole number of 0 or more.
    """
    if not 1e-4 <= settings.relative_uncertainty <= 0.5:
        raise InputError(
            f"{where}: an uncertainty of {100 * settings.relative_uncertainty:g} %; expected 0.01 to 50 %."
        )
    if isinstance(settings.seed, bool) or not isinstance(settings.seed, int) or not 0 <= settings.seed < 2**63:
        raise InputError(f"{where}: seed is {settings.seed!r}; expected a whole number of 0 or more.")
    return settings


def _marrow(document: Mapping[str, Any], where: str) -> MarrowSettings:
    files = {key: (*_strings(document.get(key), f"{where}: {key}"), None)[0] for key in ("blood", "whole_body")}
    mass_g = _number(document, "body_mass_kg", where, factor=1e3)
    ratio, haematocrit = (_number(document, key, where) for key in ("marrow_to_blood_ratio", "haematocrit"))
    return MarrowSettings(**files, haematocrit=haematocrit, ratio=ratio, body_mass_g=mass_g)


def _chain(document: Mapping[str, Any], where: str) -> ChainSettings:
    rbe = _section(document, "rbe", ("value", "endpoint"), where)
    value = _number(rbe, "value", f"{where}: rbe", least=1.0)
    if rbe and value is None:
        raise MissingDataError(f"{where}: rbe needs its value, for example 5.")
    return ChainSettings(
        redistribution=(*_strings(document.get("redistribution"), f"{where}: redistribution"), None)[0],
        rbe=value,
        rbe_endpoint=str(rbe.get("endpoint") or ChainSettings().rbe_endpoint),
        horizon_s=_number(document, "horizon_h", where, factor=S_PER_H, least=1e-9),
    )


def _kinetics(entry: Mapping[str, Any], where: str) -> KineticsSettings:
    files = {key: (*_strings(entry.get(key), f"{where}: {key}"), None)[0] for key in ("earlier", "population")}
    return KineticsSettings(
        model=str(entry.get("model") or "auto"),
        voxels=_choice(entry.get("voxels", "region"), get_args(VoxelKinetics), f"{where}: voxels"),
        effective_half_life_s=_number(entry, "effective_half_life_h", where, factor=S_PER_H, least=1e-9),
        half_life_relative_sd=_number(entry, "half_life_sd_percent", where, factor=0.01),
        **files,
    )


KINETICS_KEYS = ("model", "voxels", "effective_half_life_h", "half_life_sd_percent", "earlier", "population")
DOSE_KEYS = ("method", "time_budget_s", "uncertainty_percent", "seed", "saf_folder", "sex")
RECONSTRUCTION_KEYS = (
    "algorithm", "iterations", "subsets", "scatter", "photopeak_keV", "until_change_percent", "penalty", "device",
)  # fmt: skip
CAMERA_KEYS = (
    "collimator", "sensitivity_cps_per_MBq", "sensitivity_uncertainty_percent", "dead_time_us", "intrinsic_fwhm_mm",
    "calibration_record",
)  # fmt: skip
TOP_KEYS = (
    "folder", "subject", "administration", "scans", "reference", "camera", "reconstruction", "registration",
    "regions", "segmentation", "kinetics", "dose", "partial_volume_correction", "volume_uncertainty_percent", "blood",
    "whole_body", "haematocrit", "marrow_to_blood_ratio", "body_mass_kg", "redistribution", "rbe", "horizon_h",
)  # fmt: skip


def case_from_document(document: object, *, folder: Path, where: str) -> Case:
    """The case that a parsed YAML document describes.

    Raises
    ------
    InputError
        A key is unknown, or a value is not what its key takes; the message names both.
    """
    if not isinstance(document, Mapping):
        raise InputError(f"{where}: a case file is a table with the keys {', '.join(TOP_KEYS)}.")
    _only(document, TOP_KEYS, where)
    given = _section(document, "administration", ("nuclide", "agent", "activity_MBq", "time"), where)
    scans = document.get("scans") or []
    if not isinstance(scans, list):
        raise InputError(f"{where}: scans should be a list of tables, found {type(scans).__name__}.")
    recon = _section(document, "reconstruction", RECONSTRUCTION_KEYS, where)
    return Case(
        folder=folder / str(document.get("folder") or "."),
        subject=str(document.get("subject") or "patient 1"),
        nuclide=given.get("nuclide"),
        agent=str(given.get("agent") or ""),
        administered_activity_bq=_number(given, "activity_MBq", f"{where}: administration", factor=BQ_PER_MBQ),
        administration_time=_time(given.get("time"), f"{where}: administration: time"),
        scans=tuple(_scan(entry, i, where) for i, entry in enumerate(scans)),
        reference=document.get("reference"),
        camera=_camera(_section(document, "camera", CAMERA_KEYS, where), f"{where}: camera"),
        reconstruction=_reconstruction(recon, f"{where}: reconstruction"),
        registration=_choice(
            document.get("registration", "rigid"), ("rigid", "bspline", "none"), f"{where}: registration"
        ),
        regions=_strings(document.get("regions"), f"{where}: regions"),
        segmentation=_choice(
            document.get("segmentation", "auto"), ("auto", "totalsegmentator", "none"), f"{where}: segmentation"
        ),
        kinetics=_kinetics(_section(document, "kinetics", KINETICS_KEYS, where), f"{where}: kinetics"),
        dose=_dose(_section(document, "dose", DOSE_KEYS, where), f"{where}: dose"),
        partial_volume_correction=bool(document.get("partial_volume_correction", True)),
        volume_relative_uncertainty=_number(document, "volume_uncertainty_percent", where, factor=0.01),
        marrow=_marrow(document, where),
        chain=_chain(document, where),
    )


def read_case(path: Path) -> Case:
    """Read a case file; relative paths in it start at its own folder."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path.name}: not a readable YAML case file ({error}).") from error
    return case_from_document(document, folder=path.parent, where=path.name)
