"""The calibration record of a department: one JSON file that only grows."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from lutetia.errors import InputError, MissingDataError, OutputError
from lutetia.images.output import write_whole
from lutetia.recon.calibrate.documents import Measurement, kind_of, measurement_document, measurement_of

SCHEMA_KEY: Final = "lutetia_calibration_record"
SCHEMA: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One measurement in a record.

    Attributes
    ----------
    number : "0001", "0002", ... in the order in which they were added
    measurement : sensitivity, dead time or recovery curve
    by, added_at : who added it, and when
    supersedes : number of the entry that this one corrects, empty for none
    superseded_by : number of the entry that corrects this one, empty for none
    note : why
    sha256 : of this entry and all before it
    """

    number: str
    measurement: Measurement
    by: str
    added_at: datetime
    supersedes: str
    superseded_by: str
    note: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationRecord:
    """All entries, in the order in which they were added; ``warnings`` tells of those changed afterwards."""

    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()

    def standing(self) -> tuple[Entry, ...]:
        """Entries that no later one corrects."""
        return tuple(entry for entry in self.entries if not entry.superseded_by)


def read_record(path: Path) -> CalibrationRecord:
    """Read a calibration record.

    Raises
    ------
    MissingDataError
        There is no such file.
    InputError
        It is no calibration record, or an entry lacks something; the message names it.
    """
    return _parsed(_bytes_of(path), path.name)


def add_measurement(
    path: Path,
    measurement: Measurement,
    *,
    by: str,
    added_at: datetime,
    supersedes: str = "",
    note: str = "",
) -> Entry:
    """Append a measurement to a record, which is made if it is not there; nothing in it is changed.

    The new file is written beside the old one and renamed, so that a record is whole at any time.

    Parameters
    ----------
    path : the record
    measurement : to add
    by : who adds it, in words
    added_at : when
    supersedes : number of an entry that this one corrects; it stays visible, and is not used any more
    note : why

    Raises
    ------
    MissingDataError
        Nobody is named in ``by``.
    InputError
        The file is no record, the same measurement is in it already, or the entry to correct is not there, of another
        kind, or corrected already.
    OutputError
        It could not be written, or somebody else added to it meanwhile.
    """
    if not by.strip():
        raise MissingDataError("Who adds the measurement is not told; give a name or a role (--by).")
    before = path.read_bytes() if path.exists() else None
    raw = [] if before is None else _entries(before, path.name)
    record = CalibrationRecord(entries=()) if before is None else _parsed(before, path.name)
    _require_new(record, measurement, supersedes, path.name)
    entry: dict[str, Any] = {
        "number": f"{len(raw) + 1:04d}",
        "by": by,
        "added_at": added_at.isoformat(timespec="seconds"),
        "supersedes": supersedes,
        "note": note,
        "measurement": measurement_document(measurement),
    }
    entry["sha256"] = _digest(entry, raw[-1]["sha256"] if raw else "")
    text = json.dumps({SCHEMA_KEY: SCHEMA, "entries": [*raw, entry]}, indent=2, allow_nan=False, ensure_ascii=False)

    def write(part: Path) -> None:
        part.write_text(text + "\n", "utf-8")
        if (path.read_bytes() if path.exists() else None) != before:
            raise OutputError(f"{path.name} was changed by somebody else meanwhile; nothing was added. Repeat.")

    write_whole(path, write, overwrite=True)
    return _entry(entry, {}, path.name)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingDataError(
            f"Calibration record {path.name} cannot be read in {path.parent}: {error.strerror or error}."
        ) from error


def _entries(content: bytes, name: str) -> list[dict[str, Any]]:
    """Entries as they stand in the file."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise InputError(f"{name}: not JSON ({error}); expected a calibration record.") from error
    if not isinstance(document, dict) or document.get(SCHEMA_KEY) != SCHEMA:
        found = document.get(SCHEMA_KEY) if isinstance(document, dict) else None
        raise InputError(f"{name}: {SCHEMA_KEY} is {found!r}; expected {SCHEMA}. It is no calibration record.")
    entries = document.get("entries")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{name}: entries is no list of entries; expected a calibration record.")
    return entries


def _parsed(content: bytes, name: str) -> CalibrationRecord:
    raw = _entries(content, name)
    corrected = {str(e["supersedes"]): str(e.get("number")) for e in raw if e.get("supersedes")}
    entries, warnings, previous = [], [], ""
    for position, document in enumerate(raw):
        entry = _entry(document, corrected, name)
        if entry.number != f"{position + 1:04d}" or entry.sha256 != _digest(document, previous):
            warnings.append(
                f"{name}: entry {entry.number} or one before it was changed or removed after it was added; check it "
                "against the original measurement."
            )
        previous = entry.sha256
        entries.append(entry)
    return CalibrationRecord(entries=tuple(entries), warnings=tuple(warnings))


def _entry(document: Mapping[str, Any], corrected: Mapping[str, str], name: str) -> Entry:
    where = f"{name}, entry {document.get('number')}"
    try:
        return Entry(
            number=str(document["number"]),
            measurement=measurement_of(document["measurement"], where),
            by=str(document["by"]),
            added_at=datetime.fromisoformat(document["added_at"]),
            supersedes=str(document["supersedes"]),
            superseded_by=corrected.get(str(document["number"]), ""),
            note=str(document["note"]),
            sha256=str(document["sha256"]),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{where}: {error} is missing or not what it should be.") from error


def _digest(document: Mapping[str, Any], previous: str) -> str:
    """Checksum of an entry without its own, chained to the one before."""
    own = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(own, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{previous}{text}".encode()).hexdigest()


def _require_new(record: CalibrationRecord, measurement: Measurement, supersedes: str, name: str) -> None:
    for entry in record.standing():
        if entry.measurement == measurement or measurement_document(entry.measurement) == measurement_document(
            measurement
        ):
            raise InputError(f"{name}: the same measurement is there already as entry {entry.number}.")
    if not supersedes:
        return
    wanted = next((entry for entry in record.entries if entry.number == supersedes), None)
    if wanted is None or wanted.superseded_by or kind_of(wanted.measurement) != kind_of(measurement):
        held = ", ".join(f"{e.number} ({kind_of(e.measurement)})" for e in record.standing()) or "none"
        raise InputError(
            f"{name}: entry {supersedes!r} cannot be corrected by a {kind_of(measurement)} measurement; entries that "
            f"stand: {held}."
        )
