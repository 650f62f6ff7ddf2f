"""Calendar files (RFC 5545) of a schedule; times are floating: local, without a zone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

FOLD_OCTETS: Final = 75
"""Longest line without its break (RFC 5545, 3.1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An entry of a calendar.

    Attributes
    ----------
    summary, description : texts; they name no patient
    start : day, or day and local time
    end : last day (itself included) or moment; None for one day, or for a moment
    """

    summary: str
    description: str
    start: date
    end: date | None = None


def calendar_text(entries: Sequence[Entry], *, stamp: datetime, key: str, product: str = "lutetia") -> str:
    """A calendar file.

    Parameters
    ----------
    entries : in any order
    stamp : when the file is made, in UTC
    key : tells calendars of two courses apart (a hash of the input); it goes hashed into the identifiers
    product : name and version of the program

    Returns
    -------
    str
        Lines with CR LF, at most 75 octets each. Days as VALUE=DATE with the day after the last as their end; times
        floating, which every reader takes as local.

    References
    ----------
    RFC 5545, sections 3.1 (folding), 3.3.4, 3.3.5 (form 1, local time), 3.3.11 (escaping), 3.6.1.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:-//Lutetia//{_escaped(product)}//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
    ]
    for entry in entries:
        lines += _event(entry, stamp, key)
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _event(entry: Entry, stamp: datetime, key: str) -> list[str]:
    content = "\n".join((key, entry.summary, entry.start.isoformat(), str(entry.end)))
    uid = hashlib.sha256(content.encode()).hexdigest()[:32]
    timed = isinstance(entry.start, datetime)
    lines = [
        "BEGIN:VEVENT",
        f"UID:{uid}@lutetia",
        f"DTSTAMP:{stamp:%Y%m%dT%H%M%SZ}",
        f"DTSTART:{entry.start:%Y%m%dT%H%M%S}" if timed else f"DTSTART;VALUE=DATE:{entry.start:%Y%m%d}",
    ]
    if timed and isinstance(entry.end, datetime):
        lines.append(f"DTEND:{entry.end:%Y%m%dT%H%M%S}")
    elif not timed:
        # the end of days is the day after the last (RFC 5545, 3.6.1)
        lines.append(f"DTEND;VALUE=DATE:{(entry.end or entry.start) + timedelta(days=1):%Y%m%d}")
    lines += [
        f"SUMMARY:{_escaped(entry.summary)}",
        f"DESCRIPTION:{_escaped(entry.description)}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    ]
    return lines


def _escaped(text: str) -> str:
    for bare, safe in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r\n", "\\n"), ("\n", "\\n"), ("\r", "\\n")):
        text = text.replace(bare, safe)
    return text


def _folded(line: str) -> str:
    """Lines of at most 75 octets, never cut within a character."""
    parts: list[str] = []
    part = b""
    for character in line:
        octets = character.encode()
        # lines after the first begin with a blank
        if len(part) + len(octets) > FOLD_OCTETS - (1 if parts else 0):
            parts.append(part.decode())
            part = b""
        part += octets
    return "\r\n ".join([*parts, part.decode()])
