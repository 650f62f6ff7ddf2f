"""Specific absorbed fractions of the reference adults for lutetia.dose, by Lutetia's own Monte Carlo.

    python tools/data/specific_absorbed_fractions.py ARCHIVE.zip male WORK src/lutetia/dose/data --photons 400000
    python tools/data/specific_absorbed_fractions.py stylised male WORK src/lutetia/dose/data --photons 400000

ARCHIVE holds the ICRP 110 phantom as GATE inputs. One run per source, radiation and energy, each kept in a folder of WORK
as it ends, so that a stopped computation goes on where it was (runs of fewer histories than now asked are done again);
the tables are written when all are there. Processes share the work; each uses one thread.
"""

import argparse
import hashlib
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np

from lutetia.dose.s_values.absorbed_fractions import SpecificAbsorbedFractions, mixed
from lutetia.dose.s_values.table import FOLDERS, write_fractions, write_marrow
from lutetia.phantoms.dosimetric import DosimetricPhantom, Layout, laid_out
from lutetia.phantoms.icrp110 import icrp110_phantom
from lutetia.phantoms.s_values import (
    default_sources,
    default_targets,
    fractions_at,
    fractions_of_source,
    limits_per_kg,
)
from lutetia.phantoms.stylised_dosimetric import SPINE_MARROW, stylised_phantom

PHOTON_MEV = (
    0.01, 0.0125, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 0.4, 0.511, 0.7, 1.0,
    1.5, 2.0, 3.0,
)  # fmt: skip
ELECTRON_MEV = (0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.2, 1.8, 2.6, 3.5)
MIXTURES = {
    "kidneys": ("kidney left", "kidney right"),
    "gastrointestinal contents": ("stomach contents", "small intestine contents", "colon contents"),
}
"""Sources that are made of others, by mass, without a run of their own."""
SEED = 110
STYLISED = "stylised"
STATE: dict[str, object] = {}


def body_of(archive: str, sex: str) -> DosimetricPhantom:
    """The phantom, from an archive or our own."""
    if archive == STYLISED:
        return stylised_phantom(sex)  # type: ignore[arg-type]
    return icrp110_phantom(Path(archive), sex)  # type: ignore[arg-type]


def sources_of(phantom: DosimetricPhantom) -> list[str]:
    """Sources that get runs of their own."""
    own = (SPINE_MARROW, "stomach", "urinary bladder") if not phantom.marrow else ()
    parts = [name for name in default_sources(phantom) if name not in MIXTURES]
    return [*parts, *(name for name in own if name in phantom.region_names and name not in parts)]


def prepare(archive: str, sex: str) -> None:
    """Load the phantom once in each process."""
    phantom = body_of(archive, sex)
    STATE.update(phantom=phantom, layout=laid_out(phantom, default_targets(phantom)), source="", strength=None)


def one(job: tuple[str, str, float, int], folder: Path) -> float:
    """Run one source, radiation and energy, and keep what comes out."""
    source, radiation, energy, n = job
    phantom, layout = STATE["phantom"], STATE["layout"]
    assert isinstance(phantom, DosimetricPhantom)
    assert isinstance(layout, Layout)
    if STATE["source"] != source:
        STATE.update(source=source, strength=phantom.strength(source))
    began = time.perf_counter()
    found = fractions_at(
        layout, strength=STATE["strength"], radiation=radiation, energy_mev=energy, n_histories=n, seed=SEED
    )  # type: ignore[arg-type]
    kept = path_of(folder, job)
    kept.with_suffix(".part").write_text(json.dumps({"n": n, "values": found}), "utf-8")
    kept.with_suffix(".part").rename(kept)
    return time.perf_counter() - began


def path_of(folder: Path, job: tuple[str, str, float, int]) -> Path:
    """File of a job."""
    source, radiation, energy, _ = job
    return folder / f"{source.replace(' ', '_')}-{radiation}-{energy:g}.json"


def is_done(folder: Path, job: tuple[str, str, float, int]) -> bool:
    """Whether a job's result is there, with as many histories."""
    path = path_of(folder, job)
    return path.is_file() and json.loads(path.read_text("utf-8"))["n"] >= job[3]


def run_all(arguments: argparse.Namespace, sources: list[str], folder: Path) -> None:
    """All jobs that are not done yet, told one by one."""
    jobs = [(s, "photon", e, arguments.photons) for s in sources for e in PHOTON_MEV]
    jobs += [(s, "electron", e, arguments.electrons) for s in sources for e in ELECTRON_MEV]
    left = [job for job in jobs if not is_done(folder, job)]
    print(f"{len(jobs)} runs, {len(left)} to do", flush=True)
    began = time.perf_counter()
    start = (arguments.archive, arguments.sex)
    with ProcessPoolExecutor(arguments.processes, initializer=prepare, initargs=start) as pool:
        waiting = {pool.submit(one, job, folder): job for job in left}
        for count, future in enumerate(as_completed(waiting), 1):
            source, radiation, energy, _ = waiting[future]
            remaining = (time.perf_counter() - began) / count * (len(left) - count) / 60
            print(
                f"{count}/{len(left)}  {source}, {radiation} {energy:g} MeV: {future.result():.1f} s; "
                f"about {remaining:.1f} min left",
                flush=True,
            )


def tables(
    phantom: DosimetricPhantom, sources: list[str], radiation: str, folder: Path, energies: tuple[float, ...]
):
    """Tables of all sources, the mixtures after their parts."""
    layout = laid_out(phantom, default_targets(phantom))
    found: dict[str, list[SpecificAbsorbedFractions]] = {}
    for source in sources:
        by_energy = {
            energy: json.loads(path_of(folder, (source, radiation, energy, 0)).read_text("utf-8"))["values"]
            for energy in energies
        }
        limits = limits_per_kg(layout, phantom.strength(source))
        found[source] = fractions_of_source(source, radiation, layout.targets, limits, by_energy)  # type: ignore[arg-type]
    for name, parts in MIXTURES.items():
        if not all(part in found for part in parts):
            continue
        mass = np.array([phantom.share_by_label(part)[0] for part in parts])
        share = mass / mass.sum()
        found[name] = [
            mixed(name, list(zip(share.tolist(), same_target, strict=True)))
            for same_target in zip(*(found[part] for part in parts), strict=True)
        ]
    return [table for name in sorted(found) for table in found[name]]


def write(arguments: argparse.Namespace, phantom: DosimetricPhantom, sources: list[str], folder: Path) -> None:
    """The tables and where they come from."""
    body = STYLISED if arguments.archive == STYLISED else "icrp110"
    out = arguments.out / FOLDERS[body, arguments.sex]
    out.mkdir(parents=True, exist_ok=True)
    write_fractions(out / "photons.csv", tables(phantom, sources, "photon", folder, PHOTON_MEV))
    write_fractions(out / "electrons.csv", tables(phantom, sources, "electron", folder, ELECTRON_MEV))
    write_marrow(out / "marrow.csv", phantom.marrow_sites)
    origin = {
        "source": "Computed by Lutetia's Monte Carlo on its own stylised body (shapes of Cristy and Eckerman 1987)",
        "doi": "10.2172/6233735",
        "licence": "as this project",
    }
    digest = ""
    if body != STYLISED:
        origin = {
            "source": "Computed by Lutetia's Monte Carlo on the ICRP 110 phantoms; ICRP holds the copyright of the "
            "phantoms, whose voxels are not part of this package",
            "doi": "10.1016/j.icrp.2009.09.001",
            "licence": "as this project; cite ICRP Publication 110 for the phantoms",
        }
        digest = hashlib.sha256(Path(arguments.archive).read_bytes()).hexdigest()
    (out / "SOURCE.toml").write_text(
        f'title = "Specific absorbed fractions of photons and electrons in the {phantom.name}"\n'
        f'phantom = "{phantom.name}"\n'
        + "".join(f'{key} = "{text}"\n' for key, text in origin.items())
        + "verified = true\n"
        f'mass_convention = "{phantom.mass_convention}"\n'
        f"seed = {SEED}\n"
        f"histories = {arguments.photons}\n"
        f"histories_of_electrons = {arguments.electrons}\n"
        + (f'sha256_of_archive = "{digest}"\n' if digest else "")
        + 'extractor = "tools/data/specific_absorbed_fractions.py"\n',
        "utf-8",
    )
    print(f"wrote {out}", flush=True)


def main() -> None:
    """Compute, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", help="an ICRP 110 archive, or 'stylised'")
    parser.add_argument("sex", choices=("male", "female"))
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path, help="the folder dose/data of the package")
    parser.add_argument("--photons", type=int, default=400_000, help="histories for each source and energy")
    parser.add_argument("--electrons", type=int, default=40_000, help="histories for each source and energy")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--source", action="append", help="only these sources; nothing is written then")
    arguments = parser.parse_args()
    phantom = body_of(arguments.archive, arguments.sex)
    sources = [phantom.region(name) for name in arguments.source or sources_of(phantom)]
    folder = arguments.work / f"{Path(arguments.archive).stem}-{arguments.sex}"
    folder.mkdir(parents=True, exist_ok=True)
    run_all(arguments, sources, folder)
    if not arguments.source:
        write(arguments, phantom, sources, folder)


if __name__ == "__main__":
    main()
