"""The audit trail of a course: a chain in which each entry holds the hash of the one before."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from lutetia.app.store.documents import canonical
from lutetia.errors import InputError

FIRST = "0" * 64
"""What stands for the hash before the first entry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Who changed what, when, from what to what, and why.

    Attributes
    ----------
    position : from 1
    at : UTC, ISO 8601
    action : new, add, correct, withdraw or import
    entry : key of the record, for example lab-12; empty for the course as a whole
    old, new : the record as canonical JSON, None where there is none
    """

    position: int
    at: str
    who: str
    action: str
    entry: str
    old: str | None
    new: str | None
    reason: str
    hash: str


def chained_hash(before: str, *, position: int, at: str, who: str, action: str, entry: str, old: str | None,
                 new: str | None, reason: str) -> str:  # fmt: skip
    """SHA-256 of an entry and the hash before it."""
    text = canonical([before, position, at, who, action, entry, old, new, reason])
    return hashlib.sha256(text.encode()).hexdigest()


def check_chain(entries: Sequence[AuditEntry]) -> None:
    """Refuse a trail in which an entry was changed, left out or put in.

    Raises
    ------
    InputError
        With the position of the first entry that does not follow from the one before.
    """
    before = FIRST
    for position, entry in enumerate(entries, start=1):
        wanted = chained_hash(
            before,
            position=position,
            at=entry.at,
            who=entry.who,
            action=entry.action,
            entry=entry.entry,
            old=entry.old,
            new=entry.new,
            reason=entry.reason,
        )
        if entry.position != position or entry.hash != wanted:
            raise InputError(
                f"The audit trail does not hold from entry {position} on: it was changed outside Lutetia."
            )
        before = entry.hash
