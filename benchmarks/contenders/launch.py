"""Starting contenders in processes of their own, and where that happened."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


def environment(threads: int, own: bool) -> dict[str, str]:
    """Environment of a contender; a peer does not see our packages."""
    told = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        told[name] = str(threads)
    if not own:
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
            told.pop(name, None)
    return told


def last_line(done: "subprocess.CompletedProcess[str]") -> str:
    """What a process that failed said last."""
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"ended with status {done.returncode}"


def machine() -> dict[str, Any]:
    """Where and when."""
    info = Path("/proc/cpuinfo")
    names = []
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": [round(v, 2) for v in os.getloadavg()],
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
