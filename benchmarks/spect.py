"""SPECT reconstruction side by side with its peers: same projections, same model, one run.

    python benchmarks/spect.py --quick
    python benchmarks/spect.py --pytomography PYTHON --mirtorch PYTHON --omegatomo PYTHON --json FILE

PYTHON is the interpreter of an environment that holds the peer, made outside this repository:

    python3 -m venv ~/peers/pytomography
    ~/peers/pytomography/bin/pip install pytomography==3.4.0

Every contender is a process of its own that reads the problem from a file: a virtual patient (or spheres in water) on
128^3 voxels of 4.8 mm, 120 views, attenuation and a Gaussian response of sigma = 1.5 mm + 0.02 d, OSEM of 4 iterations
and 8 subsets of the same views. Times are wall seconds, the median of five runs of the projector (fewer when they take
longer than 100 s together) and of the OSEM runs told; the projector is called once before, OSEM is not, so its first
run is told as well. On a machine that others use too, compare the processor seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from contenders.launch import FOLDER, environment, last_line, machine
from contenders.problem import Scene, patient, spheres, write_problem
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

TIMES = 5
ORGANS_AGREE = 0.02
"""Organ means on the same projections and the same model agree within this."""
EDGE_SLICES = 4
"""Organs that reach into the outermost slices see the end of the field, which contenders treat differently."""
BODY = "lutetia, body only"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a contender left, or why it did not."""

    name: str
    told: Mapping[str, Any] = field(default_factory=dict)
    image: NDArray[np.float32] | None = None
    projections: NDArray[np.float32] | None = None
    error: str = ""


def compete(name: str, python: str, script: str, problem: Path, **settings: Any) -> Entry:
    """Run one contender on the problem."""
    result = problem.with_name("result.npz")
    result.unlink(missing_ok=True)
    command = [python, "-W", "ignore", str(FOLDER / script), str(problem), str(result), json.dumps(settings)]
    env = environment(settings["threads"], own=script.startswith("lutetia"))
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True)
    except OSError as error:
        return Entry(name=name, error=str(error))
    if done.returncode or not result.exists():
        return Entry(name=name, error=last_line(done))
    with np.load(result) as left:
        told = json.loads(str(left["told"]))
        return Entry(name=name, told=told, image=left["image"], projections=left["projections"])


def nrmse(value: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Root mean square difference over the root mean square of the reference."""
    difference = value.astype(np.float64) - reference
    return float(np.sqrt(np.mean(difference**2) / np.mean(reference.astype(np.float64) ** 2)))


def organ_means(scene: Scene, image: NDArray[np.floating]) -> dict[str, float]:
    """Mean of every organ."""
    return {
        name: float(image[scene.labels == number].mean(dtype=np.float64))
        for number, name in scene.names.items()
        if np.any(scene.labels == number)
    }


def at_the_end(scene: Scene) -> set[str]:
    """Organs that reach into the outermost slices."""
    ends = np.concatenate([scene.labels[:EDGE_SLICES], scene.labels[-EDGE_SLICES:]])
    return {scene.names[int(number)] for number in np.unique(ends) if int(number) in scene.names}


def contest(problem: Path, options: argparse.Namespace) -> list[Entry]:
    """All contenders, ours first."""
    common = {"threads": options.threads, "times": TIMES}
    entries = [
        compete(name, sys.executable, "lutetia_osem.py", problem, osem_times=TIMES, use_support=body, **common)
        for name, body in (("lutetia", False), (BODY, True))
    ]
    for name in ("pytomography", "mirtorch", "omegatomo"):
        python = getattr(options, name)
        if python is None:
            entries.append(Entry(name=name, error=f"not asked for; give --{name} PYTHON"))
            continue
        print(f"{name} ...", file=sys.stderr)
        entries.append(compete(name, python, f"{name}_osem.py", problem, osem_times=options.osem_runs, **common))
    return entries


def speed_table(entries: Sequence[Entry]) -> Table:
    """Seconds, ratios to ours and memory."""
    table = Table(title="wall seconds (x times ours)", title_justify="left")
    columns = ("", "version", "forward", "backward", "OSEM", "runs", "OSEM first", "OSEM cpu", "peak MiB", "load")
    for column in columns:
        table.add_column(column, justify="left" if column in {"", "version"} else "right")
    ours = entries[0].told
    for entry in entries:
        told = entry.told
        if not told:
            table.add_row(entry.name, entry.error)
            continue
        version = ", ".join(
            f"{k} {v}" for k, v in told["versions"].items() if k in {entry.name, "lutetia", "torch"}
        )
        cells = [_with_ratio(told[key]["s"], ours[key]["s"]) for key in ("forward", "backward", "osem")]
        osem, runs = told["osem"], ", ".join(str(told[key]["runs"]) for key in ("forward", "backward", "osem"))
        table.add_row(
            entry.name, version, *cells, runs, f"{osem['first_s']:.2f}",
            _with_ratio(osem["processor_s"], ours["osem"]["processor_s"]),
            f"{told['peak_mib']:.0f}", f"{told['load_average']:.1f}",
        )  # fmt: skip
    return table


def _with_ratio(value: float, ours: float) -> str:
    digits = 3 if value < 10 else 1
    return f"{value:.{digits}f} (x{value / ours:.3g})"


def agreement_table(scene: Scene, expected: NDArray[np.float32], entries: Sequence[Entry]) -> Table:
    """Projections of the true object against the textbook's and ours; images against ours over the body."""
    table = Table(title="agreement (root mean square difference / root mean square)", title_justify="left")
    columns = ("", "projections to textbook", "counts / textbook", "projections to ours", "image in body to ours")
    for column in columns:
        table.add_column(column, justify="left" if not column else "right")
    body, first = scene.labels > 0, entries[0]
    for entry in entries:
        if entry.image is None:
            continue
        p = entry.projections
        table.add_row(
            entry.name,
            f"{nrmse(p, expected):.2%}",
            f"{p.sum(dtype=np.float64) / expected.sum(dtype=np.float64):.4f}",
            f"{nrmse(p, first.projections):.2%}",
            f"{nrmse(entry.image[body], first.image[body]):.2%}",
        )
    return table


def organ_table(scene: Scene, entries: Sequence[Entry]) -> tuple[Table, dict[str, Any]]:
    """Mean of every organ over the truth, and its difference from ours."""
    there = [entry for entry in entries if entry.image is not None]
    table = Table(title="organ means over the truth (difference from ours)", title_justify="left")
    table.add_column("organ")
    table.add_column("mL", justify="right")
    for entry in there:
        table.add_column(entry.name, justify="right")
    truth, ends = organ_means(scene, scene.activity), at_the_end(scene)
    means = {entry.name: organ_means(scene, entry.image) for entry in there}
    ours = means[there[0].name]
    numbers = {name: number for number, name in scene.names.items()}
    rows: dict[str, Any] = {}
    for organ in sorted(truth, key=lambda name: -truth[name]):
        volume = float((scene.labels == numbers[organ]).sum()) * (scene.pixel_mm / 10) ** 3
        cells = [f"{means[e.name][organ] / truth[organ]:.3f}" if truth[organ] else "-" for e in there]
        apart = [means[e.name][organ] / ours[organ] - 1 for e in there]
        told = [c if i == 0 else f"{c} ({d:+.2%})" for i, (c, d) in enumerate(zip(cells, apart, strict=True))]
        table.add_row(organ + (" *" if organ in ends else ""), f"{volume:.0f}", *told)
        rows[organ] = {
            "volume_mL": volume,
            "truth": truth[organ],
            "reaches_end_of_field": organ in ends,
            "means": {e.name: means[e.name][organ] for e in there},
        }
    table.caption = f"* reaches into the {EDGE_SLICES} outermost slices"
    return table, rows


def verdict(rows: Mapping[str, Any], entries: Sequence[Entry]) -> list[str]:
    """Largest difference of an organ with uptake from ours, per contender with the same unknowns."""
    told = []
    for entry in entries[1:]:
        if entry.image is None or entry.name == BODY:
            continue
        apart = {
            organ: row["means"][entry.name] / row["means"]["lutetia"] - 1
            for organ, row in rows.items()
            if row["truth"] > 0
        }
        worst = max(apart, key=lambda organ: abs(apart[organ]))
        word = "within" if abs(apart[worst]) <= ORGANS_AGREE else "NOT within"
        told.append(
            f"{entry.name}: organ means {word} {ORGANS_AGREE:.0%} of ours; largest {worst} {apart[worst]:+.2%}"
        )
    return told


def scaling(folder: Path) -> tuple[Table, list[dict[str, Any]]]:
    """How our time grows with views, matrix and threads (spheres in water, whole field of view)."""
    cases = [(128, views, threads) for views in (30, 60, 120) for threads in (1, 2)]
    cases += [(64, 60, 2), (192, 60, 2)]
    table = Table(title="Lutetia, OSEM 4 x 6 (spheres in water)", title_justify="left")
    for column in ("matrix", "views", "threads", "forward", "backward", "OSEM", "OSEM cpu", "peak MiB", "load"):
        table.add_column(column, justify="right")
    rows = []
    for matrix, views, threads in sorted(cases):
        problem = folder / f"spheres_{matrix}_{views}.npz"
        if not problem.exists():
            write_problem(problem, spheres(matrix, views), views=views, iterations=4, subsets=6, seed=1)
        settings = {"threads": threads, "times": TIMES, "osem_times": TIMES, "use_support": False}
        told = compete("lutetia", sys.executable, "lutetia_osem.py", problem, **settings).told
        seconds = [told[key]["s"] for key in ("forward", "backward", "osem")]
        table.add_row(
            f"{matrix}^3", str(views), str(threads), *(f"{s:.3f}" for s in seconds),
            f"{told['osem']['processor_s']:.3f}", f"{told['peak_mib']:.0f}",
            f"{told['load_average']:.1f}",
        )  # fmt: skip
        rows.append({"matrix": matrix, "views": views, **told})
    return table, rows


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    for name in ("pytomography", "mirtorch", "omegatomo"):
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"interpreter of an environment with {name}")
    parser.add_argument(
        "--quick", action="store_true", help="64^3, 30 views, 6 subsets, no scaling; under a minute"
    )
    parser.add_argument("--phantom", choices=("patient", "spheres"), default="patient")
    parser.add_argument("--seed", type=int, default=1, help="of the virtual patient and of the counts")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument(
        "--osem-runs", type=int, default=1, help="runs of a peer's OSEM; ours is always run five times"
    )
    parser.add_argument("--no-scaling", action="store_true", help="leave out how our time grows")
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    return parser.parse_args()


def main() -> int:
    """Write the problem, let all compete, print the tables."""
    options = arguments()
    matrix, views, subsets = (64, 30, 6) if options.quick else (128, 120, 8)
    console = Console(width=max(160, Console().width))
    here = machine()
    console.print(
        f"{here['processor']}, {here['cores']} cores, {options.threads} threads, load {here['load_average']}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        problem = folder / "problem.npz"
        scene = patient(matrix, views, options.seed) if options.phantom == "patient" else spheres(matrix, views)
        counts = write_problem(problem, scene, views=views, iterations=4, subsets=subsets, seed=options.seed)
        console.print(f"{options.phantom}: {matrix}^3, {views} views, {counts:.3g} counts, OSEM 4 x {subsets}")
        entries = contest(problem, options)
        if entries[0].error:
            sys.exit(f"Lutetia did not run: {entries[0].error}")
        with np.load(problem) as stored:
            expected = stored["expected"]
        organs, rows = organ_table(scene, entries)
        for table in (speed_table(entries), agreement_table(scene, expected, entries), organs):
            console.print(table)
        for line in verdict(rows, entries):
            console.print(line)
        grown: list[dict[str, Any]] = []
        if not (options.quick or options.no_scaling):
            table, grown = scaling(folder)
            console.print(table)
    if options.json:
        _write_json(Path(options.json), here, options, entries, rows, grown)
    return 0


def _write_json(
    path: Path,
    here: Mapping[str, Any],
    options: argparse.Namespace,
    entries: Sequence[Entry],
    organs: Any,
    grown: Any,
) -> None:
    told = {
        "machine": here,
        "phantom": options.phantom,
        "quick": options.quick,
        "contenders": {e.name: {**e.told, "error": e.error} for e in entries},
        "organs": organs,
        "scaling": grown,
    }
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
