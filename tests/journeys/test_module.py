"""The package runs as a module."""

import subprocess
import sys


def test_python_m_lutetia_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "lutetia", "protocols", "us-label"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "us-label" in done.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "lutetia", "protocols", "absent"], capture_output=True, check=False
    )
    assert wrong.returncode != 0
