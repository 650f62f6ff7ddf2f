"""Program of test_kill: starts writers, kills each with SIGKILL in its transactions, and looks at what is left.

A program of its own, because it forks: each writer is a fork of it, so that a hundred of them import nothing anew.
"""

import json
import os
import random
import signal
import sys
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from lutetia.app.store.audit import check_chain
from lutetia.app.store.courses import CourseStore
from lutetia.app.store.exchange import check_history
from lutetia.app.store.place import Place
from lutetia.errors import MissingDataError
from lutetia.therapy.course import Lab, Patient

BATCH = 3
BEGUN, KEPT = b"b", b"k"


def labs(batch: int) -> list[Lab]:
    start = datetime(2026, 1, 1) + timedelta(hours=batch * BATCH)
    return [
        Lab(test="serotonin", time=start + timedelta(hours=i), value=100 * batch + i, unit="nmol/L")
        for i in range(BATCH)
    ]


def write_for_ever(where: str, pseudonym: str, pipe: int) -> None:
    """Add batch after batch; say on the pipe how far each has come."""
    event.listen(Session, "after_flush", lambda *_: os.write(pipe, b"f"))
    event.listen(Session, "before_commit", lambda *_: os.write(pipe, b"c"))
    store = CourseStore(Place(where))
    version = store.new(Patient(pseudonym=pseudonym, sex="unknown"), by="writer").version
    os.write(pipe, KEPT)
    batch = 0
    while True:
        os.write(pipe, BEGUN)
        store.add(pseudonym, labs(batch), by="writer", version=version)
        os.write(pipe, KEPT)
        version, batch = version + 1, batch + 1


def trial(where: str, pseudonym: str, wait_for: int) -> tuple[int, bool]:
    """Kill a writer after some of its words; transactions it was told of as kept, and whether one was open."""
    read, write = os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(read)
        write_for_ever(where, pseudonym, write)
    os.close(write)
    said = b""
    while len(said) < wait_for:
        word = os.read(read, 1)
        assert word, "the writer ended by itself"
        said += word
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    while more := os.read(read, 4096):
        said += more
    os.close(read)
    return said.count(KEPT), not said.endswith(KEPT)


def look(where: str, pseudonym: str, kept: int) -> int:
    """Batches in the store: those that the writer was told of, or one more whose commit it did not live to see."""
    place = Place(where)
    try:
        stored = CourseStore(place).load(pseudonym)
    except MissingDataError:
        assert kept == 0, "a course that was kept is lost"
        return -1
    finally:
        place.close()
    found, rest = divmod(len(stored.course.labs), BATCH)
    assert rest == 0, "half a transaction is there"
    assert 1 + found in (kept, kept + 1), f"{1 + found} transactions are there, {kept} were kept"
    assert list(stored.course.labs) == [lab for batch in range(found) for lab in labs(batch)]
    assert stored.version == 1 + found
    check_chain(stored.audit)
    check_history(stored.course, stored.history, stored.audit)
    return found


def main(where: str, trials: int) -> None:
    chance = random.Random(20261121)
    Place(where, create=True).close()
    found, open_ones = {}, 0
    for number in range(trials):
        pseudonym = f"P{number:03d}"
        # a batch says some fifteen words: the kill falls into the first course, batch or the second
        kept, was_open = trial(where, pseudonym, chance.randint(1, 30))
        open_ones += was_open
        found[pseudonym] = look(where, pseudonym, kept)
    assert {name: look(where, name, 1 + batches) for name, batches in found.items()} == found, (
        "a later kill changed it"
    )
    place = Place(where)
    if where.endswith(".sqlite"):
        with place.reading() as session:
            assert session.execute(sa.text("PRAGMA integrity_check")).scalar() == "ok"
    place.close()
    transactions = sum(1 + batches for batches in found.values())
    summary = {"kills": trials, "in_a_transaction": open_ones, "transactions": transactions}
    sys.stdout.write(json.dumps(summary))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
