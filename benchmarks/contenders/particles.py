"""What every Monte Carlo contender does with a body: follows particles, leaves region energies, an image and times.

Runs in the contender's own environment, so it needs numpy alone. Called as ``python CONTENDER.py BODY.npz RESULT.npz
SETTINGS``, the last as JSON: threads, histories (of a run), runs, seed, electron_cut_mev, photon_cut_mev (kinetic;
particles below are absorbed on the spot), image (whether wanted), ``radiations``: per kind of particle a list of lower
energy, upper energy and number per decay, and what a contender alone understands.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bodies import Body, read
from measure import peak_mib

KINDS = ("photon", "electron", "positron")


@dataclass(frozen=True, kw_only=True)
class Followed:
    """What one run of a contender found, per decay.

    Attributes
    ----------
    region_mev : (regions,)
    region_u_mev : standard uncertainty as the program has it, or zero when only the spread of runs tells
    image_mev, image_u_mev : (z, y, x), empty when not asked for
    wall_s, processor_s : following particles alone, without reading data as far as a program tells these apart
    histories : primary particles
    """

    region_mev: np.ndarray
    region_u_mev: np.ndarray
    wall_s: float
    processor_s: float
    histories: int
    image_mev: np.ndarray = field(default_factory=lambda: np.empty(0))
    image_u_mev: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program with a body loaded: versions, notes, and one run of it by number."""

    versions: Mapping[str, str]
    follow: Callable[[int], Followed]
    notes: str = ""


def radiation_table(radiations: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Kind (index into KINDS), lower and upper energy and number per decay of every line or bin."""
    rows = [(KINDS.index(kind), *row) for kind, listed in radiations.items() for row in listed]
    kind, low, high, number = np.array(rows, dtype=float).T
    return kind.astype(int), low, high, number


def sampled(body: Body, radiations: Mapping[str, Any], n: int, seed: int) -> dict[str, np.ndarray]:
    """Kind, energy, place and direction of n primary particles, for programs that read them from a file."""
    random = np.random.default_rng(seed)
    kind, low, high, number = radiation_table(radiations)
    row = random.choice(number.size, n, p=number / number.sum())
    energy = low[row] + (high - low)[row] * random.random(n)
    w = 2 * random.random(n) - 1
    angle, across = 2 * np.pi * random.random(n), np.sqrt(1 - w * w)
    direction = np.stack([across * np.cos(angle), across * np.sin(angle), w], axis=1)
    if body.beam.size:
        place = np.broadcast_to(body.beam[:3], (n, 3))
        if body.beam.size == 6:
            direction = np.broadcast_to(body.beam[3:], (n, 3))
    else:
        share = body.strength.ravel().astype(float)
        voxel = random.choice(share.size, n, p=share / share.sum())
        k, j, i = np.unravel_index(voxel, body.strength.shape)
        place = (np.stack([i, j, k], axis=1) + random.random((n, 3))) * body.spacing_cm
    return {"kind": kind[row], "energy": energy, "place": place, "direction": direction}


def region_sums(body: Body, image: np.ndarray) -> np.ndarray:
    """Sum of an image over every region."""
    inside = body.region >= 0
    return np.bincount(body.region[inside], weights=image[inside], minlength=len(body.regions))


def run(build: Callable[[Body, dict[str, Any]], Program]) -> None:
    """Build the program, let it run as often as asked, write what it found."""
    start = time.perf_counter()
    settings = json.loads(sys.argv[3])
    program = build(read(Path(sys.argv[1])), settings)
    built_s = time.perf_counter() - start
    runs = []
    first_s = 0.0
    for number in range(settings["runs"]):
        runs.append(program.follow(number))
        first_s = first_s or time.perf_counter() - start
    told = {
        "versions": dict(program.versions),
        "notes": program.notes,
        "threads": settings["threads"],
        "histories": [r.histories for r in runs],
        "wall_s": [r.wall_s for r in runs],
        "processor_s": [r.processor_s for r in runs],
        "build_s": built_s,
        "cold_s": first_s,
        "peak_mib": peak_mib(),
        "load_average": os.getloadavg()[0],
    }
    np.savez(
        Path(sys.argv[2]),
        told=json.dumps(told),
        region_mev=np.array([r.region_mev for r in runs]),
        region_u_mev=np.array([r.region_u_mev for r in runs]),
        image_mev=runs[-1].image_mev,
        image_u_mev=runs[-1].image_u_mev,
    )
