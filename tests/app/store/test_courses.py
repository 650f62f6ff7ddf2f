"""Courses in a store, on SQLite and PostgreSQL alike."""

import threading
from datetime import datetime

import pytest
import sqlalchemy as sa

from lutetia.app.store import place as place_module
from lutetia.app.store.audit import check_chain
from lutetia.app.store.exchange import check_history
from lutetia.errors import ConflictError, InputError, MissingDataError, OutputError
from lutetia.therapy.course import Course, Patient


def test_what_is_put_in_comes_out(store, patient, platelets):
    assert store.new(patient, by="nurse").version == 1
    keys = store.add("P-001", [platelets(187), platelets(150, 9)], by="nurse", version=1)
    assert keys == ("lab-1", "lab-2")
    stored = store.load("P-001")
    assert stored.course == Course(patient=patient, labs=(platelets(187), platelets(150, 9)))
    assert (stored.version, store.pseudonyms()) == (2, ("P-001",))
    assert [(said.who, said.action, said.entry) for said in stored.audit] == [
        ("nurse", "new", "patient"),
        ("nurse", "add", "lab-1"),
        ("nurse", "add", "lab-2"),
    ]


def test_correction_keeps_the_old_revision(store, patient, platelets):
    store.new(patient, by="nurse")
    store.add("P-001", [platelets(187)], by="nurse", version=1)
    new = store.correct("P-001", "lab-1", {"value": 178}, by="doctor", reason="digits exchanged", version=2)
    assert (new.revision, new.record) == (2, platelets(178))
    stored = store.load("P-001")
    assert stored.course.labs == (platelets(178),)
    assert [(r.key, r.revision, r.record) for r in stored.history[1:]] == [
        ("lab-1", 1, platelets(187)),
        ("lab-1", 2, platelets(178)),
    ]
    said = stored.audit[-1]
    assert (said.who, said.action, said.reason) == ("doctor", "correct", "digits exchanged")
    assert ('"value":187.0' in said.old, '"value":178.0' in said.new) == (True, True)


def test_withdrawn_record_leaves_its_history_and_its_number(store, patient, platelets):
    store.new(patient, by="nurse")
    store.add("P-001", [platelets(187)], by="nurse", version=1)
    store.withdraw("P-001", "lab-1", by="doctor", reason="of another patient", version=2)
    stored = store.load("P-001")
    assert stored.course.labs == ()
    assert stored.history[-1].record is None
    with pytest.raises(MissingDataError, match="No record 'lab-1'"):
        stored.entry("lab-1")
    assert store.add("P-001", [platelets(90)], by="nurse", version=3) == ("lab-2",)


def test_patient_can_be_corrected_but_not_renamed(store, patient):
    store.new(patient, by="nurse")
    store.correct("P-001", "patient", {"birth_year": 1962}, by="nurse", reason="typing error", version=1)
    assert store.load("P-001").course.patient.birth_year == 1962
    with pytest.raises(InputError, match=r"patient\.pseudonym: cannot be corrected"):
        store.correct("P-001", "patient", {"pseudonym": "P-002"}, by="nurse", reason="x", version=2)
    with pytest.raises(InputError, match="patient: cannot be withdrawn"):
        store.withdraw("P-001", "patient", by="nurse", reason="x", version=2)


def test_refused_change_leaves_no_trace(store, patient, platelets):
    store.new(patient, by="nurse")
    before = store.load("P-001")
    attempts = [
        (lambda: store.add("P-001", [platelets(1), platelets(2)], by="nurse", version=1), InputError, "two values"),
        (lambda: store.add("P-001", [], by="nurse", version=1), InputError, "No records"),
        (lambda: store.add("P-001", [platelets(1)], by=" ", version=1), InputError, "by: missing"),
        (lambda: store.add("P-002", [platelets(1)], by="nurse", version=1), MissingDataError, "No course"),
        (lambda: store.add("P-001", [platelets(1)], by="nurse", version=7), ConflictError, "at version 1"),
        (lambda: store.correct("P-001", "lab-9", {"value": 1}, by="n", reason="x", version=1), MissingDataError, "lab-9"),
        (lambda: store.correct("P-001", "patient", {"sex": "female"}, by="n", reason="x", version=1), InputError, "so"),
        (lambda: store.correct("P-001", "patient", {"sex": "male"}, by="n", reason=" ", version=1), InputError, "reason"),
        (lambda: store.correct("P-001", "patient", {"age": 3}, by="n", reason="x", version=1), InputError, "no such field"),
        (lambda: store.new(patient, by="nurse"), ConflictError, "has a course of this pseudonym"),
    ]  # fmt: skip
    for attempt, kind, match in attempts:
        with pytest.raises(kind, match=match):
            attempt()
    assert store.load("P-001") == before


def test_nothing_of_the_future_is_kept(where, opened, patient, platelets):
    store = opened(where, now=lambda: datetime(2026, 3, 1, 12))
    store.new(patient, by="nurse")
    with pytest.raises(InputError, match=r"lab\.time: 2026-03-02 08:00:00 is in the future"):
        store.add("P-001", [platelets(187)], by="nurse", version=1)


def test_of_two_writers_one_wins_and_the_other_is_told(where, opened, patient, platelets):
    opened(where).new(patient, by="nurse")
    both_have_looked, outcomes = threading.Barrier(2), []

    def write(value):
        store = opened(where, create=False)
        version = store.load("P-001").version
        both_have_looked.wait()
        try:
            outcomes.append(store.add("P-001", [platelets(value)], by=f"writer {value}", version=version))
        except ConflictError as error:
            outcomes.append(str(error))

    writers = [threading.Thread(target=write, args=(value,)) for value in (100, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    won, told = sorted(outcomes, key=lambda outcome: isinstance(outcome, str))
    assert won == ("lab-1",)
    assert "changed by somebody else: it is at version 2, this change builds on version 1" in told
    stored = opened(where, create=False).load("P-001")
    assert len(stored.course.labs) == 1
    check_chain(stored.audit)


def test_two_that_begin_the_same_course(where, opened, patient):
    stores = [opened(where) for _ in range(2)]
    ready, outcomes = threading.Barrier(2), []

    def begin(store):
        ready.wait()
        try:
            outcomes.append(store.new(patient, by="nurse").version)
        except ConflictError:
            outcomes.append("told")

    threads = [threading.Thread(target=begin, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [1, "told"]


def test_busy_store_is_told_of(where, opened, patient, platelets, monkeypatch):
    monkeypatch.setattr(place_module, "WAIT_S", 1.0)
    first, second = opened(where), opened(where)
    first.new(patient, by="nurse")
    with first.place.writing() as session:
        session.execute(sa.text("UPDATE course SET version = version + 1"))
        with pytest.raises(ConflictError, match="busy with another program"):
            second.add("P-001", [platelets(187)], by="nurse", version=1)
        assert second.load("P-001").version == 1


@pytest.mark.parametrize("statement", [
    "UPDATE audit SET who = 'nobody'", "DELETE FROM audit", "UPDATE revision SET content = NULL", "DELETE FROM revision",
])  # fmt: skip
def test_trail_and_revisions_only_grow(store, patient, statement):
    store.new(patient, by="nurse")
    with pytest.raises(OutputError, match="refused the change"), store.place.writing() as session:
        session.execute(sa.text(statement))
    check_chain(store.load("P-001").audit)


def test_a_change_behind_our_back_is_found(where, opened, store, patient, platelets):
    store.new(patient, by="nurse")
    store.add("P-001", [platelets(187)], by="nurse", version=1)
    with store.place.writing() as session:
        if "postgresql" in where:
            session.execute(sa.text("ALTER TABLE revision DISABLE TRIGGER ALL"))
            session.execute(sa.text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        else:
            session.execute(sa.text("DROP TRIGGER revision_no_update"))
            session.execute(sa.text("DROP TRIGGER audit_no_update"))
        session.execute(sa.text("UPDATE revision SET content = replace(content, '187.0', '287.0')"))
    stored = store.load("P-001")
    check_chain(stored.audit)
    with pytest.raises(InputError, match="revision 1 of lab-1 is not what the audit trail says"):
        check_history(stored.course, stored.history, stored.audit)
    with store.place.writing() as session:
        session.execute(sa.text("UPDATE audit SET new = replace(new, '187.0', '287.0')"))
    with pytest.raises(InputError, match="does not hold from entry 2 on"):
        check_chain(store.load("P-001").audit)


def test_errors_name_no_patient(store, platelets):
    secret = "Zyx-4711"
    store.new(Patient(pseudonym=secret, sex="male", birth_year=1950), by="nurse")
    store.add(secret, [platelets(187, method="of Zyx-4711")], by="nurse", version=1)
    attempts = [
        lambda: store.new(Patient(pseudonym=secret, sex="male"), by="nurse"),
        lambda: store.load(secret + "1"),
        lambda: store.add(secret, [platelets(188, method="of Zyx-4711")], by="nurse", version=2),
        lambda: store.add(secret, [platelets(188)], by="nurse", version=1),
        lambda: store.correct(secret, "lab-1", {"unit": secret}, by="nurse", reason=secret, version=2),
        lambda: store.correct(secret, "lab-1", {secret: 1}, by="nurse", reason=secret, version=2),
        lambda: Patient(pseudonym="Zyx-4711 Jane", sex="male"),
    ]
    for attempt in attempts:
        with pytest.raises((InputError, ConflictError, MissingDataError)) as refused:
            attempt()
        assert "Zyx" not in str(refused.value)
        assert refused.value.__cause__ is None
