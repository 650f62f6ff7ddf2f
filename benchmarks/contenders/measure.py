"""What every contender does with a problem: times its projector and OSEM, and leaves image, projections and memory.

Runs in the contender's own environment, so it needs numpy alone. A contender gives its operations as closures over
data that lie already in its own layout; how they are turned into Lutetia's conventions is for ``image`` and
``projections``. Called as ``python CONTENDER.py PROBLEM.npz RESULT.npz SETTINGS``, the last as JSON.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A program with its data loaded.

    Attributes
    ----------
    versions : of what decides about speed
    forward, backward, osem : the operations, in the program's own layout
    image : an own image as (z, y, x)
    projections : own projections as (views, rows, columns)
    notes : what differs from the problem as stated
    """

    versions: Mapping[str, str]
    forward: Callable[[], Any]
    backward: Callable[[], Any]
    osem: Callable[[], Any]
    image: Callable[[Any], np.ndarray]
    projections: Callable[[Any], np.ndarray]
    notes: str = ""


PATIENCE_S = 100.0
"""No further run of an operation begins after this; the runs that were timed are told."""


def timed(work: Callable[[], Any], times: int) -> tuple[Any, dict[str, float]]:
    """Last result of several runs; the median wall and processor seconds, and the first run's."""
    wall: list[float] = []
    processor, result = [], None
    while len(wall) < times and sum(wall) < PATIENCE_S:
        start, busy = time.perf_counter(), time.process_time()
        result = work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    return result, {
        "s": float(np.median(wall)),
        "processor_s": float(np.median(processor)),
        "first_s": wall[0],
        "runs": len(wall),
    }


def peak_mib() -> float:
    """Largest resident memory of this process so far. [MiB]"""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def load_problem() -> dict[str, Any]:
    """Arrays and settings of the problem named on the command line (threads, times, osem_times ...)."""
    with np.load(sys.argv[1]) as stored:
        problem = dict(stored)
    settings = json.loads(str(problem.pop("settings")))
    problem["groups"] = [g[g >= 0] for g in problem["groups"]]
    return {**problem, **settings, **json.loads(sys.argv[3])}


def run(build: Callable[[dict[str, Any]], Contender]) -> None:
    """Build the contender, measure it, write the result."""
    start = time.perf_counter()
    problem = load_problem()
    contender = build(problem)
    built_s, loaded_mib = time.perf_counter() - start, peak_mib()
    contender.forward()  # compiles, or fills caches
    projected, forward = timed(contender.forward, problem["times"])
    contender.backward()
    _, backward = timed(contender.backward, problem["times"])
    image, osem = timed(contender.osem, problem["osem_times"])
    told = {
        "versions": dict(contender.versions),
        "notes": contender.notes,
        "threads": problem["threads"],
        "build_s": built_s,
        "forward": forward,
        "backward": backward,
        "osem": osem,
        "loaded_mib": loaded_mib,
        "peak_mib": peak_mib(),
        "load_average": os.getloadavg()[0],
    }
    np.savez(
        Path(sys.argv[2]),
        image=contender.image(image),
        projections=contender.projections(projected),
        told=json.dumps(told),
    )


def peer_osem(
    *,
    start: Any,
    counts: list[Any],
    sensitivity: list[Any],
    iterations: int,
    forward: Callable[[Any, int], Any],
    backward: Callable[[Any, int], Any],
) -> Any:
    """OSEM for peers that have projectors only: ``x <- x / (A' 1) * A' (y / A x)`` per subset."""
    image = start
    for _ in range(iterations):
        for k, measured in enumerate(counts):
            expected = forward(image, k)
            image = image * backward(measured / (expected + 1e-9), k) / (sensitivity[k] + 1e-9)
    return image
