"""A small virtual patient on disk, imaged once for all journeys."""

import json
import shutil

import pytest
import yaml
from typer.testing import CliRunner

from lutetia.app.cli import application
from lutetia.phantoms.acquire import SMALL, acquire
from lutetia.phantoms.virtual_patient import draw_patient


@pytest.fixture(scope="session")
def acquired(tmp_path_factory):
    """DICOM of three coarse scans of a virtual patient, the truth beside it."""
    folder = tmp_path_factory.mktemp("patient")
    return acquire(draw_patient(3), folder, time_h=(4.0, 24.0, 120.0), settings=SMALL, n_histories=100_000)


@pytest.fixture
def patient(acquired, tmp_path):
    """A copy of the DICOM folder to do harm to, and what DICOM does not say as options."""
    folder = tmp_path / "dicom"
    shutil.copytree(acquired.folder, folder)
    return folder


@pytest.fixture
def options(acquired):
    camera = acquired.document["camera"]
    return [
        "--sensitivity-cps-per-MBq", str(camera["sensitivity_cps_per_MBq"]),
        "--sensitivity-uncertainty-percent", "2", "--collimator", camera["collimator"],
        "--agent", "177Lu-DOTATATE",
    ]  # fmt: skip


@pytest.fixture
def lutetia():
    """Call the command line with --json: (exit code, document, messages)."""

    def call(*arguments):
        result = CliRunner().invoke(application, [*map(str, arguments), "--json"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, json.loads(result.stdout), result.stderr

    return call


@pytest.fixture
def case_file(acquired, tmp_path):
    """Write a case file with changes to the proposed one."""

    def write(document, name="case.yaml"):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(document), "utf-8")
        return path

    return write
