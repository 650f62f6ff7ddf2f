"""Letting one Monte Carlo contender follow particles through a body, and what it found."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from contenders.launch import FOLDER, environment, last_line
from numpy.typing import NDArray

NOTHING: NDArray[np.float64] = np.empty(0)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a contender left, or why it did not; energies per decay."""

    name: str
    told: Mapping[str, Any] = field(default_factory=dict)
    region_mev: NDArray[np.float64] = field(default_factory=lambda: NOTHING)
    region_u_mev: NDArray[np.float64] = field(default_factory=lambda: NOTHING)
    image_mev: NDArray[np.float64] = field(default_factory=lambda: NOTHING)
    image_u_mev: NDArray[np.float64] = field(default_factory=lambda: NOTHING)
    error: str = ""

    @property
    def energy_mev(self) -> NDArray[np.float64]:
        """Mean of all runs, per region."""
        return np.asarray(self.region_mev.mean(axis=0))

    @property
    def u_mev(self) -> NDArray[np.float64]:
        """Standard uncertainty of it: the program's own where there is one, else from the spread of the runs."""
        own = np.sqrt(np.sum(self.region_u_mev**2, axis=0)) / len(self.region_mev)
        if np.any(own > 0) or len(self.region_mev) < 2:
            return np.asarray(own)
        return np.asarray(self.region_mev.std(axis=0, ddof=1) / np.sqrt(len(self.region_mev)))

    @property
    def histories_per_s(self) -> float:
        """Of the median run."""
        return float(np.median(np.array(self.told["histories"]) / np.array(self.told["wall_s"])))

    @property
    def histories_per_processor_s(self) -> float:
        """Of the median run; what to compare on a busy machine."""
        return float(np.median(np.array(self.told["histories"]) / np.array(self.told["processor_s"])))

    def processor_s_to(self, relative: float, region: int) -> float:
        """Processor seconds until a region's energy has this relative standard uncertainty: figures of merit compared."""
        mean, u = float(self.energy_mev[region]), float(self.u_mev[region])
        spent = float(np.sum(self.told["processor_s"]))
        return spent * (u / mean / relative) ** 2 if mean > 0 else float("inf")


def compete(name: str, python: str | None, body: Path, settings: Mapping[str, Any]) -> Found:
    """Run one contender on a body; its script is named after the program."""
    if python is None:
        return Found(name=name, error="not asked for")
    program = name.split()[0]
    print(f"{name} ...", file=sys.stderr, flush=True)
    result = body.with_name("result.npz")
    result.unlink(missing_ok=True)
    script = FOLDER / f"{program}_particles.py"
    command = [python, "-W", "ignore", str(script), str(body), str(result), json.dumps(settings)]
    env = environment(settings["threads"], own=program == "lutetia")
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=body.parent)
    except OSError as error:
        return Found(name=name, error=str(error))
    if done.returncode or not result.exists():
        return Found(name=name, error=last_line(done))
    with np.load(result) as left:
        parts: dict[str, Any] = dict(left)
    return Found(name=name, told=json.loads(str(parts.pop("told"))), **parts)
