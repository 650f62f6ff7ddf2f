"""Where a store is, and how a connection to it must behave."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from lutetia.errors import ConflictError, InputError, MissingDataError, OutputError

WAIT_S: Final = 10.0
"""How long a writer waits for another one to finish."""
_POSTGRESQL: Final = ("postgresql://", "postgres://", "postgresql+psycopg://")


def _url(place: str) -> sa.URL:
    """URL of a store: PostgreSQL as given, anything else a file of SQLite."""
    scheme = next((s for s in _POSTGRESQL if place.startswith(s)), None)
    if scheme is not None:
        try:
            return sa.make_url("postgresql+psycopg://" + place.removeprefix(scheme))
        except (ArgumentError, ValueError):
            raise InputError(
                "The URL of the store cannot be read; expected postgresql://USER@HOST/DATABASE."
            ) from None
    if "://" in place:
        raise InputError(
            "The URL of the store is of no known kind; expected postgresql://... or the path of a file."
        )
    return sa.URL.create("sqlite", database=str(Path(place).absolute()))


class Place:
    """A store that is there, or that ``create`` may make.

    Parameters
    ----------
    place : path of a SQLite file, or a PostgreSQL URL
    create : make the file, and the tables, when they are not there

    Raises
    ------
    MissingDataError
        No such file, no such database, tables that are missing or of another version.
    """

    def __init__(self, place: str, *, create: bool = False) -> None:
        url = _url(place)
        self.name = Path(place).name if url.get_backend_name() == "sqlite" else "the PostgreSQL store"
        if url.get_backend_name() == "sqlite":
            self._engine = _sqlite(Path(str(url.database)), create=create)
        else:
            self._engine = _postgresql(url)
        self._prepare(create=create)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the store and changes nothing."""
        with (
            self._told(),
            Session(self._engine.execution_options(lutetia_writes=False)) as session,
            session.begin(),
        ):
            if self._engine.dialect.name == "postgresql":
                session.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are all kept, or none."""
        with self._told(), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the database in our words: theirs quote values and addresses."""
        try:
            yield
        except OperationalError as error:
            if _busy(error):
                raise ConflictError(
                    f"{self.name} has been busy with another program for {WAIT_S:.0f} s; nothing was changed, try again."
                ) from None
            raise OutputError(
                f"{self.name} cannot be used ({_kind(error)}); is the server up, the folder writable, the disk full?"
            ) from None
        except DBAPIError as error:
            raise OutputError(f"{self.name} refused the change ({_kind(error)}); nothing was changed.") from None

    def _prepare(self, *, create: bool) -> None:
        """Bring the tables to this version, or say what is wrong with them."""
        try:
            with self._told(), self._engine.execution_options(lutetia_writes=False).connect() as connection:
                found = MigrationContext.configure(connection).get_current_revision()
        except OutputError as error:
            self.close()
            raise MissingDataError(f"{self.name} cannot be opened as a store of courses: {error}") from None
        scripts = ScriptDirectory.from_config(_configuration())
        newest = scripts.get_current_head()
        if found == newest:
            return
        known = {script.revision for script in scripts.walk_revisions()}
        if found is not None and found not in known:
            self.close()
            raise MissingDataError(f"{self.name} was written by a newer Lutetia; update this one.")
        if not create:
            self.close()
            raise MissingDataError(
                f"{self.name} has no tables of this version of Lutetia; lutetia course new makes or updates them."
            )
        with self._told(), self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                # two programs that make the tables at once: the second waits, then finds them
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7177)"))
            configuration = _configuration()
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", "lutetia.app.store:migrations")
    configuration.set_main_option("path_separator", "os")
    return configuration


def _sqlite(path: Path, *, create: bool) -> sa.Engine:
    if not path.exists() and not create:
        raise MissingDataError(f"No store {path.name}; lutetia course new makes one, --store names another.")
    if not path.parent.is_dir():
        raise MissingDataError(f"No folder for the store {path.name}; make it first.")
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=path.as_posix()), hide_parameters=True, connect_args={"timeout": WAIT_S}
    )

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        # sqlite3 would begin transactions late and by itself; ours begin where they say
        connection.isolation_level = None
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("lutetia_writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(
            url,
            hide_parameters=True,
            connect_args={"connect_timeout": int(WAIT_S), "options": f"-c lock_timeout={int(WAIT_S * 1000)}"},
        )
    except (ImportError, NoSuchModuleError):
        raise MissingDataError("PostgreSQL needs psycopg; install lutetia[postgresql].") from None


def _busy(error: OperationalError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return state in ("55P03", "40001", "40P01") or "locked" in str(error.orig)


def _kind(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or "no answer"
