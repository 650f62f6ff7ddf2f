"""ompMC (EGSnrc's physics in C) in the benchmark: the primary particles are read from an IAEA phase space.

EGSnrc counts an electron's rest energy in its cut-off. Regions have the spread of runs as uncertainty, because the
program tells that of voxels only. Its own start (cross sections, phase space) is measured with a run of few histories
and taken off.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import ompmc
from bodies import Body
from particles import Followed, Program, region_sums, run, sampled

REST_MEV = 0.51099895
MEDIA = {
    "air": "AIR521ICRU",
    "water": "H2O521ICRU",
    "soft tissue": "ICRUTISSUE521ICRU",
    "lung": "LUNG521ICRU",
    "bone": "ICRPBONE521ICRU",
}
TYPES = np.array([1, 2, 3])
"""Of photon, electron, positron in a phase space."""
FEW = 20
BATCHES = 20
HEADER = """$IAEA_INDEX:
1000
$TITLE:
benchmark
$FILE_TYPE:
0
$CHECKSUM:
{bytes}
$RECORD_CONTENTS:
    1     // X is stored ?
    1     // Y is stored ?
    1     // Z is stored ?
    1     // U is stored ?
    1     // V is stored ?
    1     // W is stored ?
    1     // Weight is stored ?
    0     // Extra floats stored ?
    0     // Extra longs stored ?
$RECORD_CONSTANT:
$RECORD_LENGTH:
{length}
$BYTE_ORDER:
1234
$ORIG_HISTORIES:
{n}
$PARTICLES:
{n}
$PHOTONS:
{photons}
$ELECTRONS:
{electrons}
$POSITRONS:
{positrons}
$TRANSPORT_PARAMETERS:

$MACHINE_TYPE:

$GLOBAL_PARTICLE_ENERGY_CUTOFF:

$STATISTICAL_INFORMATION_PARTICLES:

$STATISTICAL_INFORMATION_GEOMETRY:

"""


def write_phase_space(base: Path, particles: dict[str, np.ndarray]) -> None:
    """Header and records; a negative energy marks a new history, a negative type a direction with w below zero."""
    n = particles["kind"].size
    record = np.dtype([("type", "i1"), *((name, "<f4") for name in ("e", "x", "y", "z", "u", "v", "weight"))])
    records = np.zeros(n, record)
    types = TYPES[particles["kind"]]
    records["type"] = np.where(particles["direction"][:, 2] < 0, -types, types)
    records["e"] = -particles["energy"]
    for axis, name in enumerate("xyz"):
        records[name] = particles["place"][:, axis]
    records["u"], records["v"] = particles["direction"][:, 0], particles["direction"][:, 1]
    records["weight"] = 1.0
    records.tofile(base.with_suffix(".IAEAphsp"))
    photons, electrons, positrons = (int(np.sum(particles["kind"] == kind)) for kind in range(3))
    header = HEADER.format(
        bytes=n * record.itemsize, length=record.itemsize, n=n,
        photons=photons, electrons=electrons, positrons=positrons,
    )  # fmt: skip
    base.with_suffix(".IAEAheader").write_text(header)


def build(body: Body, settings: dict[str, Any]) -> Program:
    """Geometry, cut-offs and, beside the result, a phase space of all runs."""
    edges = [np.arange(n + 1) * d for n, d in zip(body.material.shape[::-1], body.spacing_cm, strict=True)]
    geometry = ompmc.Geometry(
        *edges,
        [MEDIA[name] for name, _ in body.materials],
        density=np.asfortranarray(body.density.transpose(2, 1, 0)),
        material=np.asfortranarray(body.material.transpose(2, 1, 0).astype(np.int32) + 1),
    )
    n = settings["histories"]
    folder = Path(sys.argv[2]).resolve().parent
    emitted = sum(row[2] for rows in settings["radiations"].values() for row in rows)

    def once(count: int, first: int, seed: int) -> tuple[np.ndarray, np.ndarray, float, float]:
        start, busy = time.perf_counter(), time.process_time()
        physics = ompmc.Physics(
            pegs_file=ompmc.data_path() / "pegs4" / "521icru.pegs4dat",
            global_ecut=settings["electron_cut_mev"] + REST_MEV,
            global_pcut=settings["photon_cut_mev"],
            n_split=1,
            seeds=(97 + 2 * seed, 33 + 4 * seed),
        )
        source = ompmc.PhaseSpaceSource(folder / "particles", first=first)
        energy, relative, _ = ompmc.calc_forward_phsp(
            geometry, source, physics, n_histories=count, n_batches=BATCHES, output_dose=False
        )
        spent = time.perf_counter() - start, time.process_time() - busy
        return energy.transpose(2, 1, 0) * emitted, relative.transpose(2, 1, 0), *spent

    seed = int(settings["seed"])
    write_phase_space(folder / "particles", sampled(body, settings["radiations"], n * settings["runs"], seed))
    _, _, idle_s, idle_processor_s = once(FEW, 0, 0)

    def follow(number: int) -> Followed:
        energy, relative, wall_s, processor_s = once(n, number * n, seed * 1000 + number + 1)
        region = region_sums(body, energy)
        wanted = bool(settings["image"])
        return Followed(
            region_mev=region,
            region_u_mev=np.zeros_like(region),
            wall_s=wall_s - idle_s,
            processor_s=processor_s - idle_processor_s,
            histories=n,
            image_mev=energy if wanted else np.empty(0),
            image_u_mev=energy * relative if wanted else np.empty(0),
        )

    return Program(
        versions={"ompmc": ompmc.__version__, "threads": os.environ.get("OMP_NUM_THREADS", "")},
        follow=follow,
        notes=f"start of every run, taken off: {idle_s:.2f} s",
    )


if __name__ == "__main__":
    run(build)
