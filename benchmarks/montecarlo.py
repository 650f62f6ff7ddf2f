"""Monte Carlo transport side by side with its peers: same body, same energies, cut-offs as near as they come, one run.

    python benchmarks/montecarlo.py --quick
    python benchmarks/montecarlo.py --ompmc PYTHON --pypenred PYTHON --json FILE

PYTHON is the interpreter of an environment that holds the peer, made outside this repository:

    python3 -m venv ~/peers/ompmc && ~/peers/ompmc/bin/pip install ompmc==0.4.0
    python3 -m venv ~/peers/pypenred && ~/peers/pypenred/bin/pip install pypenred==1.15.2.0

First a body of water, lung and bone in air on 128^3 voxels of 4 mm with an isotropic source in a box: photons whose
electrons stay where they are set free (kerma), photons with their electrons followed, electrons. Photons are absorbed
below 10 keV everywhere, electrons below 10 keV in the peers and below the program's own cut-off in Lutetia. The regions
tell whether the physics is the same: z is the difference over its standard uncertainty. Rates of peers are without
their start, ours are of whole calls; penRed tells seconds of its processors alone, its rates are histories over these
times the threads. Then a trunk with 177Lu and 90Y in kidneys, liver and tumour: seconds until 95 % of
the voxels above 10 % of the greatest activity are known to 2 % (k = 1), from the uncertainty that every program gives its
voxels; times of runs that end elsewhere are scaled with 1/N. On a machine that others use too, compare the processor
seconds.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contenders.launch import machine
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent / "contenders"))

from bodies import Body, box_phantom, patient, write
from contenders.contest import Found, compete

from lutetia.devices import available
from lutetia.physics.emissions import emissions

KERMA_MEV = 3.0
CUT_MEV = 0.01
GOAL, SHARE, BRIGHT = 0.02, 0.95, 0.1
"""Relative uncertainty, share of the voxels that reach it, least activity of these voxels over the greatest."""
TRUSTED = 0.1
"""Relative uncertainties above are too uncertain themselves to be scaled."""
BETA_BINS = 60
MERIT, MERIT_REGION = "cpu s to 1 % in bone", 4
"""Histories of some methods are worth more than those of others; this tells how much."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of particle at one energy, our methods, what the peers absorb on the spot, and histories."""

    title: str
    kind: str
    energy_mev: float
    methods: tuple[str, ...]
    electron_cut_mev: float
    histories: int
    slower: float = 1.0
    """Histories of penRed are fewer by this."""


def cases(quick: bool) -> list[Case]:
    """What is compared on the box phantom."""
    photons = (0.208,) if quick else (0.208, 0.113)
    n = 100_000 if quick else 2_000_000
    found = []
    for energy in photons:
        kerma = ("collision", "track length")
        found.append(
            Case(
                title=f"photons {energy * 1e3:g} keV, kerma", kind="photon", energy_mev=energy, methods=kerma,
                electron_cut_mev=KERMA_MEV, histories=n,
            )
        )  # fmt: skip
        found.append(
            Case(
                title=f"photons {energy * 1e3:g} keV, electrons followed", kind="photon", energy_mev=energy,
                methods=("coupled",), electron_cut_mev=CUT_MEV, histories=n // 4, slower=4.0,
            )
        )  # fmt: skip
    electrons = Case(
        title="electrons 500 keV", kind="electron", energy_mev=0.5, methods=("electrons",), electron_cut_mev=CUT_MEV,
        histories=n // 8, slower=4.0,
    )  # fmt: skip
    return [*found, electrons]


def entries(case: Case, body: Path, options: argparse.Namespace, threads: int) -> list[Found]:
    """All contenders on one case, ours first."""
    common = {
        "threads": threads, "seed": options.seed, "image": False, "photon_cut_mev": CUT_MEV,
        "electron_cut_mev": case.electron_cut_mev, "runs": 5,
        "radiations": {case.kind: [[case.energy_mev, case.energy_mev, 1.0]]},
    }  # fmt: skip
    found = [
        compete(
            f"lutetia {method}", sys.executable, body, {**common, "histories": case.histories, "method": method}
        )
        for method in case.methods
    ]
    if available():
        ours = {**common, "histories": 20 * case.histories, "method": case.methods[-1], "device": "cuda"}
        found.append(compete(f"lutetia {case.methods[-1]}, CUDA", sys.executable, body, ours))
    found.append(compete("ompmc", options.ompmc, body, {**common, "histories": case.histories, "runs": 10}))
    fewer = {**common, "histories": int(case.histories / case.slower), "runs": 1}
    return [*found, compete("pypenred", options.pypenred, body, fewer)]


def case_table(case: Case, body: Body, found: list[Found], other: list[Found], threads: int) -> Table:
    """Rates, times, region energies, z and ratio to our first method."""
    table = Table(title=f"{case.title}; keV per particle (z, ratio to the first)", title_justify="left")
    columns = (
        "",
        "cut-off e-",
        "1/cpu s",
        "1/s",
        f"1/s, {threads} thr",
        MERIT,
        "load",
        "cold s",
        "MiB",
        *body.regions,
    )
    for column in columns:
        table.add_column(column, justify="left" if not column else "right")
    first = next((f for f in found if not f.error), None)
    for one, two in zip(found, other, strict=True):
        if one.error or first is None:
            table.add_row(one.name, one.error)
            continue
        own = one.name.startswith("lutetia")
        cut = "own" if own and case.electron_cut_mev < KERMA_MEV else f"{case.electron_cut_mev * 1e3:g} keV"
        cells = []
        for mean, u, ours, ours_u in zip(one.energy_mev, one.u_mev, first.energy_mev, first.u_mev, strict=True):
            text = f"{mean * 1e3:.4g}"
            if one is not first and ours > 0:
                text += f" ({(mean - ours) / max(np.hypot(u, ours_u), 1e-300):+.1f}, {mean / ours:.3f})"
            cells.append(text)
        table.add_row(
            one.name, cut, _with_ratio(one.histories_per_processor_s, first.histories_per_processor_s),
            f"{one.histories_per_s:.3g}", two.error or f"{two.histories_per_s:.3g}",
            f"{one.processor_s_to(0.01, MERIT_REGION):.3g}",
            f"{one.told['load_average']:.1f}", f"{one.told['cold_s']:.1f}", f"{one.told['peak_mib']:.0f}", *cells,
        )  # fmt: skip
    return table


def _with_ratio(value: float, first: float) -> str:
    return f"{value:.3g} (x{value / first:.3g})"


def rates(options: argparse.Namespace, folder: Path) -> Iterator[tuple[Table, dict[str, Any]]]:
    """Every case as a table and as numbers."""
    body = box_phantom()
    file = folder / "box.npz"
    write(file, body)
    for case in cases(options.quick):
        found = entries(case, file, options, 1)
        several = found if options.threads == 1 or options.quick else entries(case, file, options, options.threads)
        numbers = {"1": [plain(f) for f in found], str(options.threads): [plain(f) for f in several]}
        yield case_table(case, body, found, several, options.threads), {"case": case.title, **numbers}


def plain(found: Found) -> dict[str, Any]:
    """For the JSON file."""
    if found.error:
        return {"name": found.name, "error": found.error}
    regions = {"energy_mev": found.energy_mev.tolist(), "u_mev": found.u_mev.tolist()}
    return {
        "name": found.name, "told": dict(found.told), "histories_per_s": found.histories_per_s,
        "histories_per_processor_s": found.histories_per_processor_s, **regions,
    }  # fmt: skip


def radiations_of(nuclide: str) -> tuple[dict[str, Any], float]:
    """Photons and electrons above the cut-off as every contender gets them, and the energy of all others. [MeV]"""
    found = emissions(nuclide)
    photons = [[e, e, y] for e, y in _listed(found.gamma, found.x_ray, found.annihilation)]
    electrons = [[e, e, y] for e, y in _listed(found.conversion, found.auger)]
    spectrum = found.beta_spectrum
    edges = np.linspace(0.0, spectrum.energy_mev[-1], BETA_BINS + 1)
    fine = np.linspace(0.0, edges[-1], 100 * BETA_BINS + 1)
    density = np.interp(fine, spectrum.energy_mev, spectrum.per_mev_per_decay)
    area = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(fine))])
    number = np.diff(np.interp(edges, fine, area))
    # the first bin begins at the cut-off, below which programs absorb on the spot
    electrons += [[max(low, CUT_MEV), high, y] for low, high, y in zip(edges, edges[1:], number, strict=False)]
    told: dict[str, Any] = {"photon": photons, "electron": electrons}
    followed = sum(0.5 * (low + high) * y for rows in told.values() for low, high, y in rows)
    return told, float(found.electron_energy_mev + found.photon_energy_mev - followed)


def _listed(*kinds: Any) -> Iterator[tuple[float, float]]:
    for lines in kinds:
        above = lines.above(CUT_MEV)
        yield from ((float(e), float(y)) for e, y in zip(above.energy_mev, above.yield_per_decay, strict=True))


def reached(found: Found, bright: np.ndarray) -> dict[str, float | None]:
    """Relative uncertainty that the given share of the bright voxels keeps, and seconds until it is the goal."""
    relative = found.image_u_mev[bright] / np.maximum(found.image_mev[bright], 1e-300)
    level = float(np.quantile(relative, SHARE))
    wall_s, processor_s = found.told["wall_s"][-1], found.told["processor_s"][-1]
    factor = (level / GOAL) ** 2
    trusted = level < TRUSTED
    return {
        "level": level,
        "wall_s": wall_s,
        "to_goal_s": wall_s * factor if trusted else None,
        "to_goal_processor_s": processor_s * factor if trusted else None,
    }


def _seconds(value: float | None) -> str:
    return "too few histories" if value is None else f"{value:.3g}"


def accuracy(options: argparse.Namespace, folder: Path, nuclide: str) -> tuple[Table, list[dict[str, Any]]]:
    """Seconds until the voxels that matter are known."""
    body = patient(64 if options.quick else 128)
    file = folder / "patient.npz"
    write(file, body)
    told, rest_mev = radiations_of(nuclide)
    bright = body.strength >= BRIGHT * body.strength.max()
    common = {
        "threads": options.threads, "seed": options.seed, "image": True, "photon_cut_mev": CUT_MEV,
        "electron_cut_mev": CUT_MEV, "radiations": told, "nuclide": nuclide,
    }  # fmt: skip
    n = 1_000_000 if options.quick else 6_000_000
    # the first run of ours compiles or reads what is compiled
    runs: Mapping[str, tuple[str | None, dict[str, Any]]] = {
        "lutetia dose map": (sys.executable, {"runs": 3, "histories": n, "method": "dose map", "goal": GOAL}),
        "lutetia one by one": (sys.executable, {"runs": 2, "histories": n, "method": "nuclide"}),
        "ompmc": (options.ompmc, {"runs": 1, "histories": n}),
        "pypenred": (options.pypenred, {"runs": 1, "histories": n}),
    }
    what = f"{SHARE:.0%} of {np.count_nonzero(bright)} voxels to {GOAL:.0%}"
    title = f"{nuclide}, {body.strength.shape[0]}^3, {options.threads} threads: {what}"
    table = Table(title=title, title_justify="left")
    for column in ("", "ran s", f"u of {SHARE:.0%}", "s to the goal", "cpu s to the goal", "MiB", *body.regions):
        table.add_column(column, justify="left" if not column else "right")
    rows, first = [], None
    for name, (python, more) in runs.items():
        found = compete(name, python, file, {**common, **more})
        if found.error:
            table.add_row(name, found.error)
            continue
        got = reached(found, bright)
        energy = found.energy_mev + (0.0 if name.startswith("lutetia") else rest_mev * region_share(body))
        first = energy if first is None else first
        table.add_row(
            name, f"{got['wall_s']:.2f}", f"{got['level']:.2%}", _seconds(got["to_goal_s"]),
            _seconds(got["to_goal_processor_s"]), f"{found.told['peak_mib']:.0f}",
            *(f"{e * 1e3:.4g} ({e / f:.3f})" for e, f in zip(energy, first, strict=True)),
        )  # fmt: skip
        rows.append({"nuclide": nuclide, **plain(found), **got})
    table.caption = "regions: keV per decay (ratio to the first)"
    return table, rows


def region_share(body: Body) -> np.ndarray:
    """Share of the decays in every region."""
    inside = body.region >= 0
    counted = np.bincount(body.region[inside], weights=body.strength[inside], minlength=len(body.regions))
    return np.asarray(counted / body.strength.sum(dtype=np.float64))


def growth(options: argparse.Namespace, folder: Path) -> tuple[Table, list[dict[str, Any]]]:
    """How our rate and memory change with voxels and threads; cold is a process from its start to its first result."""
    table = Table(title="Lutetia on the box phantom, every voxel a tally", title_justify="left")
    for column in ("voxels", "threads", "", "1/s first", "1/s", "1/cpu s", "cold s", "MiB", "load"):
        table.add_column(column, justify="right")
    rows = []
    for n in (64, 128, 256):
        file = folder / "box.npz"
        write(file, box_phantom(n))
        for threads in sorted({1, options.threads}):
            for method, kind, energy, histories in (
                ("track length", "photon", 0.208, 1_000_000),
                ("electrons", "electron", 0.5, 200_000),
            ):
                settings = {
                    "threads": threads, "seed": 1, "image": True, "runs": 3, "method": method, "histories": histories,
                    "radiations": {kind: [[energy, energy, 1.0]]},
                }  # fmt: skip
                found = compete("lutetia", sys.executable, file, settings)
                if found.error:
                    table.add_row(f"{n}^3", str(threads), found.error)
                    continue
                told = found.told
                table.add_row(
                    f"{n}^3", str(threads), f"{method} {energy * 1e3:g} keV",
                    f"{told['histories'][0] / told['wall_s'][0]:.3g}", f"{found.histories_per_s:.3g}",
                    f"{found.histories_per_processor_s:.3g}", f"{told['cold_s']:.1f}", f"{told['peak_mib']:.0f}",
                    f"{told['load_average']:.1f}",
                )  # fmt: skip
                rows.append({"voxels": n, "threads": threads, "method": method, **plain(found)})
    return table, rows


def graphics() -> str:
    """What GPU is there."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "GPU: none here"
    done = subprocess.run([tool, "-L"], capture_output=True, text=True)
    names = done.stdout.strip().splitlines()
    return (
        f"GPU: {names[0]}, usable by numba-cuda: {available()}"
        if done.returncode == 0 and names
        else "GPU: none here"
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    for name in ("ompmc", "pypenred"):
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"interpreter of an environment with {name}")
    parser.add_argument("--quick", action="store_true", help="few histories, one thread, 64^3, no growth")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="beside one")
    parser.add_argument(
        "--parts", nargs="+", choices=("rates", "accuracy", "growth"), default=("rates", "accuracy", "growth")
    )
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    return parser.parse_args()


def main() -> int:
    """Let all compete, print the tables."""
    options = arguments()
    console = Console(width=max(200, Console().width))
    here = machine()
    console.print(f"{here['processor']}, {here['cores']} cores, load {here['load_average']}; {graphics()}")
    written: dict[str, Any] = {"machine": here, "rates": [], "accuracy": [], "growth": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if "rates" in options.parts:
            for table, numbers in rates(options, folder):
                console.print(table)
                written["rates"].append(numbers)
        if "accuracy" in options.parts:
            for nuclide in ("Lu-177",) if options.quick else ("Lu-177", "Y-90"):
                table, rows = accuracy(options, folder, nuclide)
                console.print(table)
                written["accuracy"] += rows
        if "growth" in options.parts and not options.quick:
            table, written["growth"] = growth(options, folder)
            console.print(table)
    if options.json:
        Path(options.json).write_text(json.dumps(written, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
