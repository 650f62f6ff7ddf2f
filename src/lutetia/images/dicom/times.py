"""When an image was acquired: DICOM dates and times, with all the ways in which they are incomplete."""

import re
from datetime import datetime, timedelta
from typing import Any, Final

from lutetia.errors import DicomError

DATE = re.compile(r"^(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})$")
TIME = re.compile(r"^(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?$")
DATETIME = re.compile(r"^(\d{8})(\d{2,6})?(?:\.(\d{1,6}))?([+-]\d{4})?$")
ZONE = re.compile(r"^([+-])(\d{2})(\d{2})$")

FIRST_YEAR: Final = 1900
"""Anonymisers put dates such as 0001-01-01 where they removed one; nothing was imaged before this year."""


def _time_parts(text: str) -> tuple[int, int, int, int] | None:
    match = TIME.match(text)
    if not match:
        return None
    hour, minute, second, fraction = match.groups()
    return int(hour), int(minute or 0), min(int(second or 0), 59), int((fraction or "0").ljust(6, "0"))


def parse_date_time(date: object, time: object) -> datetime | None:
    """Local time of a DA and a TM value; None when either is empty or the date a placeholder (before 1900).

    Minutes, seconds and fractions may be missing; a leap second becomes the second before it.

    Raises
    ------
    DicomError
        The texts are neither empty nor a date and a time.
    """
    day, clock = str(date or "").strip(), str(time or "").strip()
    if not day or not clock:
        return None
    found, parts = DATE.match(day), _time_parts(clock)
    if not found or parts is None:
        raise DicomError(f"Date and time {day!r} {clock!r}; expected YYYYMMDD (DA) and HHMMSS.FFFFFF (TM).")
    if int(found[1]) < FIRST_YEAR:
        return None
    try:
        return datetime(int(found[1]), int(found[2]), int(found[3]), *parts)
    except ValueError as error:
        raise DicomError(f"Date and time {day!r} {clock!r} do not exist.") from error


def parse_datetime(value: object, local_zone: object = None) -> datetime | None:
    """Local time of a DT value; None when empty.

    A zone offset is converted to the object's own, Timezone Offset From UTC (0008,0201), where both are known; else
    it is ignored, and the time is what the hospital's clock showed.
    """
    text = str(value or "").strip()
    if not text:
        return None
    found = DATETIME.match(text)
    if not found:
        raise DicomError(f"Date-time {text!r}; expected YYYYMMDDHHMMSS.FFFFFF&ZZXX (DT).")
    clock = (found[2] or "00").ljust(6, "0") + (f".{found[3]}" if found[3] else "")
    when = parse_date_time(found[1], clock)
    own, local = _offset(found[4]), _offset(local_zone)
    return when if when is None or own is None or local is None else when - own + local


def _offset(zone: object) -> timedelta | None:
    found = ZONE.match(str(zone or "").strip())
    if not found:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -offset if found[1] == "-" else offset


def acquisition_start(dataset: Any) -> datetime | None:
    """Start of the acquisition of one object; never the series time, which is rewritten by later processing.

    Acquisition Date and Time, else Acquisition DateTime, else Content Date and Time of an original image.
    """
    start = parse_date_time(dataset.get("AcquisitionDate"), dataset.get("AcquisitionTime"))
    start = start or parse_datetime(dataset.get("AcquisitionDateTime"), dataset.get("TimezoneOffsetFromUTC"))
    if start is None and "ORIGINAL" in (dataset.get("ImageType") or []):
        start = parse_date_time(dataset.get("ContentDate"), dataset.get("ContentTime"))
    return start


def injection_time(item: Any, start: datetime | None, local_zone: object = None) -> datetime | None:
    """Start of the injection in a radiopharmaceutical item.

    Radiopharmaceutical Start DateTime, else the Start Time on the day of the scan, or on the day before when it would
    lie after the scan.
    """
    when = parse_datetime(item.get("RadiopharmaceuticalStartDateTime"), local_zone)
    if when is not None or start is None:
        return when
    clock = item.get("RadiopharmaceuticalStartTime")
    same_day = parse_date_time(start.strftime("%Y%m%d"), clock)
    if same_day is None:
        return None
    return same_day - timedelta(days=1) if same_day > start else same_day
