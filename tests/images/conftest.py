"""Fixtures for image tests."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def dicom_errors() -> Callable[[Path], list[str]]:
    """Function that lists what dciodvfy (dicom3tools) calls an error in a DICOM file."""
    program = Path(sys.executable).parent / "dciodvfy"
    if not program.exists():
        pytest.skip("dciodvfy of dicom3tools is not installed")

    def errors(path: Path) -> list[str]:
        result = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
        lines = (result.stdout + result.stderr).splitlines()
        assert lines, "dciodvfy said nothing: it did not recognise the object"
        return [line for line in lines if line.startswith("Error") or "Assertion" in line]

    return errors
