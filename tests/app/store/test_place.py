"""Where a store is: what makes one, what does not, and what the tables are."""

import sqlite3

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from lutetia.app.store.models import Tables
from lutetia.app.store.place import Place
from lutetia.errors import InputError, MissingDataError


def test_migrations_from_empty_make_the_tables_of_the_models(where, opened):
    store = opened(where)
    with store.place.reading() as session:
        context = MigrationContext.configure(session.connection())
        assert compare_metadata(context, Tables.metadata) == []
        assert context.get_current_revision() == "courses_1"


def test_opening_again_changes_nothing(where, opened, patient):
    opened(where).new(patient, by="nurse")
    assert opened(where).load("P-001").version == 1
    assert opened(where, create=False).load("P-001").version == 1


def test_sqlite_is_set_to_lose_nothing(tmp_path, opened):
    store = opened(str(tmp_path / "courses.sqlite"))
    settings = ("journal_mode", "synchronous", "foreign_keys")
    with store.place.writing() as session:
        found = [session.execute(sa.text(f"PRAGMA {name}")).scalar() for name in settings]
    assert found == ["wal", 2, 1]  # 2 is FULL


def test_reading_makes_no_file(tmp_path):
    with pytest.raises(MissingDataError, match=r"No store courses\.sqlite; lutetia course new makes one"):
        Place(str(tmp_path / "courses.sqlite"))
    assert not list(tmp_path.iterdir())


def test_no_folder(tmp_path):
    with pytest.raises(MissingDataError, match=r"No folder for the store courses\.sqlite"):
        Place(str(tmp_path / "nowhere" / "courses.sqlite"), create=True)


def test_a_file_that_is_no_store(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing of the kind\n" * 200)
    for create in (False, True):
        with pytest.raises(MissingDataError, match=r"notes\.txt cannot be opened as a store"):
            Place(str(path), create=create)
    assert path.read_text().startswith("nothing of the kind")


def test_a_store_without_tables_is_not_filled_by_reading(tmp_path):
    path = tmp_path / "courses.sqlite"
    path.touch()
    with pytest.raises(MissingDataError, match="has no tables of this version"):
        Place(str(path))


def test_a_store_of_a_newer_version(tmp_path):
    path = tmp_path / "courses.sqlite"
    Place(str(path), create=True).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = 'courses_99'")
    connection.commit()
    connection.close()
    for create in (False, True):
        with pytest.raises(MissingDataError, match="written by a newer Lutetia"):
            Place(str(path), create=create)


def test_unknown_kind_of_url():
    with pytest.raises(InputError, match="of no known kind"):
        Place("mysql://user:secret@host/courses")


def test_no_server_and_no_password_in_the_message(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(MissingDataError) as refused:
        Place(f"postgresql://somebody:secret@/courses?host={tmp_path}")
    assert "the PostgreSQL store cannot be opened" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "somebody" not in str(refused.value)
