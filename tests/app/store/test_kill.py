"""A writer that is killed loses nothing that it was told is kept, and leaves nothing half done."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("kill_writers.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the program forks")
def test_killed_writers(where):
    kills = 100 if where.endswith(".sqlite") else 20
    done = subprocess.run([sys.executable, PROGRAM, where, str(kills)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == kills
    # nearly every word of a writer is said inside a transaction
    assert found["in_a_transaction"] > kills / 2
    assert found["transactions"] > 0
