"""What a folder holds: every DICOM series below it, its role, and what is wrong or missing."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import pydicom

from lutetia.errors import DicomError, InputError
from lutetia.images.dicom.open import drop_undecodable, expected_length, first_item, is_plain, numbers
from lutetia.images.dicom.series import EMISSION, Header, SeriesInfo, frame_of, role_of, series_info

__all__ = ["DicomIndex", "SeriesInfo", "index_dicom"]

Progress = Callable[[str, float], None]

PREAMBLE: Final = 128
ELEMENT_HEADER: Final = 12
IMPLICIT_HEADER: Final = 8
"""Bytes of tag, type and length before pixel data, with the type explicit and implicit."""

LEAST_COVERED: Final = 0.6
"""Share of the camera's field along the patient that a CT should cover; fields often reach past the CT on one side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DicomIndex:
    """All series below a folder; ``unreadable`` lists (relative name, reason) of broken DICOM files."""

    series: tuple[SeriesInfo, ...]
    n_files: int
    n_not_dicom: int
    unreadable: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


def index_dicom(path: Path, progress: Progress | None = None) -> DicomIndex:
    """Read the headers of every file below a folder (or of one file).

    Files of one series, patient and role form one entry; exact copies of a file are left out and counted. Nothing is
    written; files that are no DICOM are counted, broken DICOM files are named.

    Raises
    ------
    InputError
        The path does not exist.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.")
    root = path if path.is_dir() else path.parent
    files = sorted(_files(path))
    headers: list[Header] = []
    unreadable: list[tuple[str, str]] = []
    for number, file in enumerate(files):
        if progress is not None and number % 50 == 0:
            progress(f"Reading headers ({number} of {len(files)})", number / len(files))
        try:
            header = _header(file)
        except DicomError as error:
            unreadable.append((file.relative_to(root).as_posix(), str(error)))
            continue
        if header is not None:
            headers.append(header)
    unique = _without_copies(headers)
    series = _all_series(unique)
    return DicomIndex(
        series=tuple(series),
        n_files=len(files),
        n_not_dicom=len(files) - len(headers) - len(unreadable),
        unreadable=tuple(unreadable),
        problems=tuple(_problems(series, unreadable, len(headers) - len(unique))),
    )


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder) / name
            if name != "DICOMDIR" and not name.startswith(".") and (file.is_file() or file.is_symlink()):
                yield file


def _header(file: Path) -> Header | None:
    """Header of a DICOM file; None for another file. DicomError for a broken one."""
    try:
        with file.open("rb") as stream:
            start = stream.read(PREAMBLE + 4)
            size = stream.seek(0, os.SEEK_END)
            if start[PREAMBLE:] != b"DICM":
                if _bare_dicom(start):
                    raise DicomError(
                        "DICOM without its 128-byte preamble; have it written again by a DICOM program"
                    )
                return None
            stream.seek(0)
            dataset = _parsed(stream)
            after_header = size - stream.tell()
    except OSError as error:
        raise DicomError(f"cannot be read ({error.strerror})") from error
    undecodable = drop_undecodable(dataset)
    if not dataset.get("SOPClassUID"):
        raise DicomError("broken DICOM header (no SOP Class UID)")
    expected = expected_length(dataset)
    before_pixels = ELEMENT_HEADER if dataset.original_encoding[0] is False else IMPLICIT_HEADER
    truncated = expected is not None and is_plain(dataset) and after_header < before_pixels + expected
    return Header(path=file, size_bytes=size, dataset=dataset, truncated=truncated, undecodable=undecodable)


def _parsed(stream: BinaryIO) -> Any:
    """Data set up to the pixel data, where the stream is left."""
    try:
        return pydicom.dcmread(stream, stop_before_pixels=True)
    except Exception as error:  # a broken header makes the parser raise whatever it likes
        raise DicomError(f"broken DICOM header ({type(error).__name__})") from error


def _bare_dicom(start: bytes) -> bool:
    """Whether a file starts with an element of group 0002 or 0008, as DICOM data without a preamble do."""
    known_vr = start[4:6] in {b"UL", b"UI", b"CS", b"SH", b"LO", b"DA", b"TM"}
    implicit = len(start) > 8 and int.from_bytes(start[4:8], "little") <= 64
    return start[:2] in {b"\x02\x00", b"\x08\x00"} and start[3:4] == b"\x00" and (known_vr or implicit)


def _without_copies(headers: Sequence[Header]) -> list[Header]:
    """One header of each object; files are copies when instance, position, time and length agree.

    The instance UID alone is not enough: some anonymisers give all slices the same.
    """
    seen: dict[tuple[Any, ...], Header] = {}
    for header in headers:
        d = header.dataset
        position = numbers(d, "ImagePositionPatient") or numbers(
            first_item(d, "DetectorInformationSequence"), "ImagePositionPatient"
        )
        uids = tuple(str(d.get(k) or "") for k in ("SOPInstanceUID", "SeriesInstanceUID", "InstanceNumber"))
        time = tuple(str(d.get(k) or "") for k in ("AcquisitionDate", "AcquisitionTime"))
        # without an instance UID nothing is called a copy
        key = (*uids, *time, position, header.size_bytes) if uids[0] else (header.path,)
        seen.setdefault(key, header)
    return list(seen.values())


def _all_series(headers: Sequence[Header]) -> list[SeriesInfo]:
    """Headers grouped into series, each of one patient and role, in the order of time."""
    patients = _Patients(headers)
    groups: dict[tuple[str, str, str], list[Header]] = {}
    for header in headers:
        uid = str(header.dataset.get("SeriesInstanceUID") or header.path.name)
        groups.setdefault((uid, patients.key(header), role_of(header.dataset)), []).append(header)
    found = [series_info(group, patient) for (_, patient, _), group in groups.items()]
    found.sort(
        key=lambda s: (
            int(s.patient_key.split()[-1]),
            s.start_time is None,
            s.start_time.isoformat() if s.start_time else "",
            s.role,
            s.series_instance_uid,
        )
    )
    return _with_coverage(found)


class _Patients:
    """Numbers for patients by identifier and name; who has neither belongs to the patient of the same study or frame."""

    def __init__(self, headers: Sequence[Header]) -> None:
        self._numbers: dict[tuple[str, str], str] = {}
        self._linked: dict[str, str] = {}
        for header in headers:
            who = self._who(header.dataset)
            if who != ("", ""):
                key = self._number(who)
                for uid in self._links(header.dataset):
                    self._linked.setdefault(uid, key)

    def key(self, header: Header) -> str:
        """The patient's number, as "patient 1"."""
        who = self._who(header.dataset)
        if who == ("", ""):
            for uid in self._links(header.dataset):
                if uid in self._linked:
                    return self._linked[uid]
        return self._number(who)

    def _number(self, who: tuple[str, str]) -> str:
        return self._numbers.setdefault(who, f"patient {len(self._numbers) + 1}")

    @staticmethod
    def _who(dataset: Any) -> tuple[str, str]:
        name = str(dataset.get("PatientName") or "").replace("^", " ")
        return str(dataset.get("PatientID") or "").strip(), " ".join(name.casefold().split())

    @staticmethod
    def _links(dataset: Any) -> list[str]:
        found = (str(dataset.get("StudyInstanceUID") or ""), frame_of(dataset))
        return [uid for uid in found if uid]


def _with_coverage(series: Sequence[SeriesInfo]) -> list[SeriesInfo]:
    """Say of raw and reconstructed SPECT when no CT of their frame of reference covers them along the patient."""
    found = []
    for item in series:
        cts = [s for s in series if s.role == "ct" and s.frame_of_reference_uid == item.frame_of_reference_uid]
        problem = ""
        if item.role == "nm raw" and not cts:
            problem = "no CT in its frame of reference"
        elif item.role in {"nm raw", "nm reconstructed"} and cts:
            problem = _uncovered(item, cts)
        found.append(replace(item, problems=(*item.problems, problem)) if problem else item)
    return found


def _uncovered(item: SeriesInfo, cts: Sequence[SeriesInfo]) -> str:
    """How little of a SPECT its CTs cover along the patient; empty when enough."""
    ranges = [c.z_range_mm for c in cts if c.z_range_mm is not None]
    if item.z_range_mm is None or not ranges:
        return ""
    bottom, top = item.z_range_mm
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    covered = (min(high, top) - max(low, bottom)) / (top - bottom) if top > bottom else 1.0
    return "" if covered >= LEAST_COVERED else f"its CT covers only {max(covered, 0):.0%} of it along z"


def _problems(series: Sequence[SeriesInfo], unreadable: Sequence[Any], n_copies: int) -> Iterator[str]:
    """What is wrong with the folder as a whole."""
    patients = {s.patient_key for s in series}
    if len(patients) > 1:
        yield f"images of {len(patients)} patients"
    frames: dict[str, set[str]] = {}
    for item in series:
        if item.frame_of_reference_uid and (item.role in EMISSION or item.role == "ct"):
            frames.setdefault(item.study_instance_uid, set()).add(item.frame_of_reference_uid)
    several = sum(1 for found in frames.values() if len(found) > 1)
    if several:
        yield f"{several} studies with more than one frame of reference: their images need registration"
    if n_copies:
        yield f"{n_copies} files are copies of others and were left out"
    if unreadable:
        yield f"{len(unreadable)} broken DICOM files"
    if not any(s.role in EMISSION for s in series):
        yield "no SPECT or PET images"
