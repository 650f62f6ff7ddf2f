"""First steps: what is missing is asked for at once; images are read; each scan gets its time."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lutetia.app.case.settings import Case, Scan
from lutetia.errors import DicomError, GridError, InputError, MissingDataError
from lutetia.images.acquisition import Administration, Projections
from lutetia.images.dicom.ct import read_ct
from lutetia.images.dicom.index import DicomIndex, SeriesInfo
from lutetia.images.dicom.nm import read_nm_reconstructed, read_projections
from lutetia.images.dicom.pet import read_pet
from lutetia.images.nifti import read_nifti_volume
from lutetia.images.volume import Volume

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LoadedScan:
    """One scan as read: raw beds or an image, its CT, its time after administration, the files it came from."""

    label: str
    time_s: float
    beds: tuple[Projections, ...]
    image: Volume | None
    ct: Volume | None
    emission_files: tuple[Path, ...]
    ct_files: tuple[Path, ...]
    warnings: tuple[str, ...]


def series_by_uid(index: DicomIndex | None) -> dict[str, SeriesInfo]:
    """Series of an index by their instance UID."""
    return {} if index is None else {s.series_instance_uid: s for s in index.series}


def require_times(case: Case, index: DicomIndex | None) -> None:
    """Raise MissingDataError that names all that is missing, when nuclide or times are among it.

    These are needed to judge the images at all; the rest is asked for after the images were looked at.
    """
    known = series_by_uid(index)
    if not case.scans:
        raise MissingDataError(
            "scans: no images are named; run lutetia inspect PATH --case case.yaml for a proposal."
        )
    timed = all(s.time_s is not None or _start(s, known) is not None for s in case.scans)
    clocked = case.administration_time is not None or all(s.time_s is not None for s in case.scans)
    if not (case.nuclide and timed and clocked):
        _raise_missing(case, known)


def require_known(case: Case, index: DicomIndex | None) -> Administration:
    """What was given; raises one MissingDataError that names everything needed which nothing gave.

    The calibration of the camera is asked for only where there are raw projections.
    """
    _raise_missing(case, series_by_uid(index))
    return Administration(
        nuclide=str(case.nuclide),
        activity_bq=float(case.administered_activity_bq or 0.0),
        time=case.administration_time,
        agent=case.agent,
    )


def _raise_missing(case: Case, known: dict[str, SeriesInfo]) -> None:
    raw = any(known[i].role == "nm raw" for scan in case.scans for i in scan.images if i in known)
    timed = all(scan.time_s is not None for scan in case.scans)
    dated = all(_start(scan, known) is not None or scan.time_s is not None for scan in case.scans)
    wanted: list[tuple[object, str]] = [
        (case.nuclide, "the radionuclide (administration: nuclide, or --nuclide Lu-177)"),
        (
            case.administered_activity_bq,
            "the administered activity (administration: activity_MBq, or --activity-MBq)",
        ),
        (timed or case.administration_time, "the administration time (administration: time, or --administered-at)"),
        (dated, _undated(case, known)),
    ]
    if raw:
        sensitivity = (
            "the camera's sensitivity per head (camera: sensitivity_cps_per_MBq, or --sensitivity-cps-per-MBq, or a "
            "--calibration-record)"
        )
        wanted += [
            (case.camera.sensitivity_cps_per_bq or case.camera.record, sensitivity),
            (case.camera.collimator, "the collimator (camera: collimator, or --collimator)"),
        ]
    missing = [text for value, text in wanted if not value]
    if missing:
        raise MissingDataError("Needed and found neither in DICOM nor in the case: " + "; ".join(missing) + ".")


def _undated(case: Case, known: dict[str, SeriesInfo]) -> str:
    names = [s.label for s in case.scans if s.time_s is None and _start(s, known) is None]
    return (
        f"the time of {', '.join(names)}, whose images carry no acquisition date (scans: time_h, or --time-h once per "
        "scan: hours after administration)"
    )


def _start(scan: Scan, known: dict[str, SeriesInfo]) -> datetime | None:
    starts = [known[i].start_time for i in scan.images if i in known]
    dated = [start for start in starts if start is not None]
    return min(dated) if dated and len(dated) == len(starts) else None


def load_scans(case: Case, index: DicomIndex | None, *, progress: Progress) -> tuple[LoadedScan, ...]:
    """Read every scan of the case, in order of time.

    Raises
    ------
    InputError, DicomError, MissingDataError, GridError
        A named series or file is not there, not of the right kind, of another patient or in another frame of
        reference, or a scan lies before the administration.
    """
    known = series_by_uid(index)
    _require_one_patient(case, known)
    loaded = []
    for number, scan in enumerate(case.scans):
        progress(f"Reading {scan.label}", number / len(case.scans))
        loaded.append(_load(case, scan, known))
    loaded.sort(key=lambda scan: scan.time_s)
    for earlier, later in itertools.pairwise(loaded):
        if earlier.time_s == later.time_s:
            raise InputError(
                f"{earlier.label} and {later.label} are both at {later.time_s / 3600:g} h; times must differ."
            )
    return tuple(loaded)


def _require_one_patient(case: Case, known: dict[str, SeriesInfo]) -> None:
    wanted = [i for scan in case.scans for i in (*scan.images, scan.ct or "")]
    patients = sorted({known[i].patient_key for i in wanted if i in known})
    if len(patients) > 1:
        raise DicomError(
            f"The scans belong to {len(patients)} patients ({', '.join(patients)}); a case is one patient."
        )


def _load(case: Case, scan: Scan, known: dict[str, SeriesInfo]) -> LoadedScan:
    infos = [known[i] for i in scan.images if i in known]
    if infos and len(infos) != len(scan.images):
        raise InputError(f"{scan.label}: series {_absent(scan.images, known)} is not in {case.folder}.")
    time_s, warnings = _time_of(case, scan, known)
    beds: tuple[Projections, ...] = ()
    image: Volume | None = None
    if not infos:
        files = tuple(_file(case, name, scan.label) for name in scan.images)
        image = read_nifti_volume(files[0], scan.unit or "counts")
    elif all(info.role == "nm raw" for info in infos):
        files = tuple(file for info in infos for file in info.files)
        beds = tuple(read_projections(file) for file in files)
        warnings += tuple(w for bed in beds for w in bed.warnings)
    else:
        image, files, told = _read_image(scan, infos)
        warnings += told
    ct, ct_files = _read_ct(case, scan, known)
    _require_one_frame(scan, [b.frame_of_reference_uid for b in beds], image, ct)
    return LoadedScan(
        label=scan.label,
        time_s=time_s,
        beds=beds,
        image=image,
        ct=ct,
        emission_files=files,
        ct_files=ct_files,
        warnings=tuple(dict.fromkeys(f"{scan.label}: {w}" for w in warnings)),
    )


def _absent(names: Sequence[str], known: dict[str, SeriesInfo]) -> str:
    return ", ".join(name for name in names if name not in known)


def _file(case: Case, name: str, label: str) -> Path:
    path = case.folder / name
    if not path.is_file():
        raise InputError(f"{label}: {name} is neither a series in {case.folder} nor a file there.")
    return path


def _time_of(case: Case, scan: Scan, known: dict[str, SeriesInfo]) -> tuple[float, tuple[str, ...]]:
    if scan.time_s is not None:
        time_s = scan.time_s
    else:
        start = _start(scan, known)
        if start is None or case.administration_time is None:
            raise MissingDataError(f"{scan.label}: the hours after administration are not known (time_h).")
        time_s = (start - case.administration_time).total_seconds()
    if time_s <= 0:
        raise InputError(
            f"{scan.label}: {time_s / 3600:.2f} h after administration; expected more than 0. Check the administration "
            "time and the clocks of camera and dispensary."
        )
    return time_s, ()


def _read_image(scan: Scan, infos: Sequence[SeriesInfo]) -> tuple[Volume, tuple[Path, ...], tuple[str, ...]]:
    if len(infos) > 1:
        raise InputError(
            f"{scan.label}: {len(infos)} reconstructed series; name one, or the raw projections of the beds to stitch."
        )
    info = infos[0]
    if info.role == "pt":
        pet = read_pet(info.files)
        return pet.volume, tuple(info.files), pet.warnings
    if info.role == "nm reconstructed":
        nm = read_nm_reconstructed(info.files[0])
        return nm.volume, tuple(info.files), nm.warnings
    raise InputError(f"{scan.label}: series of role {info.role!r} is no emission image.")


def _read_ct(case: Case, scan: Scan, known: dict[str, SeriesInfo]) -> tuple[Volume | None, tuple[Path, ...]]:
    if scan.ct is None:
        return None, ()
    if scan.ct not in known:
        raise InputError(f"{scan.label}: CT series {scan.ct} is not in {case.folder}.")
    info = known[scan.ct]
    if info.role != "ct":
        raise InputError(f"{scan.label}: ct names a series of role {info.role!r}, not a CT.")
    return read_ct(info.files), tuple(info.files)


def _require_one_frame(scan: Scan, frames: Sequence[str], image: Volume | None, ct: Volume | None) -> None:
    """Emission and CT of one scan must share a frame of reference where both name one."""
    own = image.grid.frame_of_reference_uid if image is not None else ""
    if not share_a_frame([*frames, own], ct):
        raise GridError(
            f"{scan.label}: emission and CT name different frames of reference (0020,0052), so they were not acquired "
            "together; give the CT of the same session (scans: ct)."
        )


def share_a_frame(frames: Sequence[str], ct: Volume | None) -> bool:
    """Whether all frames of reference that are named, those of the emission and of the CT, are one."""
    named = {frame for frame in frames if frame}
    own = ct.grid.frame_of_reference_uid if ct is not None else ""
    return len(named) <= 1 and not (own and named and own not in named)
