"""Fits of voxels side by side with scipy and with PyTIA's way: same voxels, same run.

    python benchmarks/kinetics.py --quick
    python benchmarks/kinetics.py --json FILE

Voxels are drawn at random: mono-exponentials seen at 4, 24, 72, 168 h, bi-exponentials and uptake with washout seen at
1, 4, 24, 48, 96, 168 h, with 5 % noise of known size. Contenders:

- lutetia: ``fit_voxels``, all of the voxels, on ``--threads`` threads; uncertainties and status included;
- scipy: ``scipy.optimize.curve_fit`` voxel by voxel with the same weights and its default tolerances, started as one does
  who knows the voxel's points: a line through the last logarithms, for two exponentials what that leaves (or doubles);
- scipy, true start: the same from the true parameters, the best start there can be and which nobody has;
- scipy, bounded: as the first, with amplitudes of at least 0 and rates between physical decay and our upper limit;
- PyTIA's way (devhliu/PyTIA, commit d90f0d7, MIT), written anew from reading it and not a run of it: mono-exponential by
  an unweighted line through logarithms, all voxels at once in numpy, a triangle before the largest value; uptake by
  bounded ``curve_fit`` in a loop over voxels; trapezoids with physical decay after the last scan. It has no bi-exponential
  washout of four parameters.

scipy runs on one thread, for it knows no other way, on a sample of the voxels. Agreement is with curve_fit from the true
start at its sharpest tolerances. Our first call of a process, which compiles or loads what was compiled, is told as cold.
Times are wall seconds, the median of five; on a machine that others use too, compare the processor seconds.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from contenders.launch import machine
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

Array = NDArray[np.float64]

TIMES = 5
H = 3600.0
DECAY_PER_S = math.log(2) / (6.6443 * 86400)
NOISE = 0.05
SCANS_H = {
    "mono": (4.0, 24.0, 72.0, 168.0),
    "bi": (1.0, 4.0, 24.0, 48.0, 96.0, 168.0),
    "uptake": (1.0, 4.0, 24.0, 48.0, 96.0, 168.0),
}
GOALS = {"mono": 500.0, "bi": 200.0}
"""Times scipy that are asked for, on two cores."""
MODELS: dict[str, Callable[..., Any]] = {
    "mono": lambda t, a, k: a * np.exp(-k * t),
    "bi": lambda t, a, k, b, m: a * np.exp(-k * t) + b * np.exp(-m * t),
    "uptake": lambda t, a, k, m: a * (np.exp(-k * t) - np.exp(-m * t)),
}


def draw(kind: str, n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32], Array]:
    """Values and standard uncertainties (voxels, scans) and true parameters in hours."""
    rng = np.random.default_rng(seed)
    t = np.array(SCANS_H[kind])
    a = rng.uniform(1e3, 1e5, n)
    slow = math.log(2) / rng.uniform(40, 120, n)
    fast = math.log(2) / rng.uniform(2, 9, n)
    columns = {"mono": (a, slow), "bi": (a, slow, a * rng.uniform(0.4, 3, n), fast), "uptake": (a, slow, fast)}[
        kind
    ]
    y = MODELS[kind](t, *(c[:, None] for c in columns))
    y = np.maximum(y * (1 + NOISE * rng.standard_normal(y.shape)), 1e-3 * y.max(axis=1, keepdims=True))
    return y.astype(np.float32), (NOISE * y).astype(np.float32), np.stack(columns, axis=1)


def integral(kind: str, p: Array) -> Array:
    """Time-integrated activity of parameter rows."""
    total = p[:, 0] / p[:, 1]
    if kind == "bi":
        total = total + p[:, 2] / p[:, 3]
    return total if kind != "uptake" else total - p[:, 0] / p[:, 2]


def timed(work: Callable[[], Any], times: int) -> tuple[dict[str, float], Any]:
    """Median wall and processor seconds, the first call apart."""
    wall, processor, result = [], [], None
    for _ in range(times + 1):
        start, spent = time.perf_counter(), time.process_time()
        result = work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - spent)
    told = {"cold_s": wall[0], "s": float(np.median(wall[1:])), "processor_s": float(np.median(processor[1:]))}
    return told, result


def by_lutetia(kind: str, y: NDArray[np.float32], sigma: NDArray[np.float32]) -> Any:
    """Ours, on images (scans, z, y, x)."""
    from lutetia.kinetics.voxels.fit import fit_voxels

    return fit_voxels(y, np.array(SCANS_H[kind]) * H, decay_constant_per_s=DECAY_PER_S, model=kind, sigma=sigma)


def stripped(kind: str, y: NDArray[np.float32]) -> Array:
    """Start values from a voxel's own points: a line through the last logarithms, and what it leaves of the first."""
    t, last = np.array(SCANS_H[kind]), 4 if kind == "mono" else 3
    z = np.log(np.maximum(y[:, -last:].astype(float), 1e-6))
    slope, offset = np.polyfit(t[-last:], z.T, 1)
    slow, a = np.maximum(-slope, DECAY_PER_S * H), np.exp(offset)
    if kind == "mono":
        return np.stack([a, slow], axis=1)
    if kind == "uptake":
        return np.stack([a, slow, np.full(len(y), 10 * DECAY_PER_S * H) + 5 * slow], axis=1)
    rest = np.maximum(y[:, :2] - a[:, None] * np.exp(-slow[:, None] * t[:2]), 0.05 * y[:, :2])
    fast = np.clip(np.log(rest[:, 0] / rest[:, 1]) / (t[1] - t[0]), 2 * slow, 1.0)
    return np.stack([a, slow, rest[:, 0] * np.exp(fast * t[0]), fast], axis=1)


def limits(kind: str) -> tuple[list[float], list[float]]:
    """Bounds of the parameters as ours are, in hours."""
    low, high = DECAY_PER_S * H, math.log(2) * 3 / SCANS_H[kind][0]
    wide = {"mono": ([0.0, low], [np.inf, high]), "bi": ([0.0, low] * 2, [np.inf, high] * 2)}
    return wide.get(kind, ([0.0, low, low], [np.inf, high, np.inf]))


def by_scipy(
    kind: str, y: NDArray[np.float32], sigma: NDArray[np.float32], start: Array, bounded: bool, sharp: bool
) -> tuple[Array, Array]:
    """Parameters and sums of squares, NaN where curve_fit gave up."""
    from scipy.optimize import curve_fit

    f, t = MODELS[kind], np.array(SCANS_H[kind])
    found, chi2 = np.full(start.shape, np.nan), np.full(len(y), np.nan)
    more: dict[str, Any] = {"bounds": limits(kind)} if bounded else {}
    if sharp:
        more |= {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15, "maxfev": 20000}
    for v in range(len(y)):
        p0 = np.clip(start[v], *(np.array(b) for b in more["bounds"])) if bounded else start[v]
        try:
            found[v], _ = curve_fit(f, t, y[v], p0=p0, sigma=sigma[v], absolute_sigma=True, **more)
        except RuntimeError:
            continue
        chi2[v] = float((((f(t, *found[v]) - y[v]) / sigma[v].astype(float)) ** 2).sum())
    return found, chi2


def pytia_mono(t: Array, y: NDArray[np.float32]) -> Array:
    """Line through the logarithms after the largest value, all voxels at once; triangle before it."""
    peak = y.argmax(axis=1)
    tail = (np.arange(t.size) >= peak[:, None]) & (y > 0)
    x, z = np.where(tail, t, 0.0), np.where(tail, np.log(np.maximum(y, 1e-30)), 0.0)
    n, sx, sz = tail.sum(axis=1), x.sum(axis=1), z.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (n * (x * z).sum(axis=1) - sx * sz) / (n * (x * x).sum(axis=1) - sx * sx)
    top = y[np.arange(len(y)), peak].astype(float)
    return np.asarray(0.5 * top * t[peak] + top / np.maximum(-slope, DECAY_PER_S * H))


def pytia_uptake(t: Array, y: NDArray[np.float32]) -> Array:
    """Bounded, unweighted curve_fit of each voxel in the logarithm of the amplitude."""
    from scipy.optimize import curve_fit

    total = np.full(len(y), np.nan)
    for v, values in enumerate(y.astype(float)):
        late = t[values.argmax()]
        try:
            q, _ = curve_fit(
                lambda x, a, k, m: np.exp(a) * (np.exp(-k * x) - np.exp(-m * x)), t, values,
                p0=[math.log(2 * values.max()), 1 / (late + 30), 1 / (0.5 * late + 0.1)],
                bounds=([-14.0, 1e-5, 1e-5], [28.0, 3600.0, 36000.0]), maxfev=5000,
            )  # fmt: skip
        except RuntimeError:
            continue
        total[v] = math.exp(q[0]) * (1 / q[1] - 1 / q[2])
    return total


def trapezoids(t: Array, y: NDArray[np.float32]) -> Array:
    """Triangle before the first scan, trapezoids, physical decay after the last, in numpy."""
    return np.asarray(0.5 * y[:, 0] * t[0] + np.trapezoid(y, t, axis=1) + y[:, -1] / (DECAY_PER_S * H))


def agreement(kind: str, ours: Any, found: Array, chi2: Array) -> dict[str, Any]:
    """Largest relative differences from curve_fit where both lie in the same minimum, and where they do not."""
    from lutetia.kinetics.voxels.result import FITTED

    n = len(found)
    inside = ours.status.ravel()[:n] == FITTED
    own = ours.chi_square.ravel()[:n].astype(float)
    there = np.isfinite(chi2) & inside
    # sums of squares of residuals of float32 values: their rounding is 1e-6 of a standard uncertainty
    same = there & (np.abs(chi2 - own) <= 1e-4 * own + 1e-5)
    if kind == "bi":
        turned = found[:, 1] > found[:, 3]
        found = np.where(turned[:, None], found[:, [2, 3, 0, 1]], found)
    p = ours.parameters.reshape(4, -1)[:, :n].astype(float)
    rows = {"mono": (0, 1), "bi": (0, 1, 2, 3), "uptake": (0, 1, 3)}[kind]
    scale = [H if row % 2 else 1.0 for row in rows]
    tia = ours.time_integrated_activity.ravel()[:n].astype(float) / H
    apart = np.stack([p[row] * s / found[:, c] - 1 for c, (row, s) in enumerate(zip(rows, scale, strict=True))])
    return {
        "voxels": n,
        "interior": int(inside.sum()),
        "same_minimum": int(same.sum()),
        "ours_lower": int((there & (own < chi2) & ~same).sum()),
        "theirs_lower": int((there & (own > chi2) & ~same).sum()),
        "theirs_failed": int((~np.isfinite(chi2)).sum()),
        "tia": float(np.abs(tia / integral(kind, found) - 1)[same].max()),
        "parameters": float(np.abs(apart)[:, same].max()),
    }


def peers(kind: str, y: NDArray[np.float32], sigma: NDArray[np.float32], start: Array, n: int) -> dict[str, Any]:
    """The contenders' seconds per voxel and errors of their integrals from the truth."""
    t, truth = np.array(SCANS_H[kind]), integral(kind, start)
    told: dict[str, Any] = {}

    def fitted(m: int, first: Array, bounded: bool) -> Array:
        return integral(kind, by_scipy(kind, y[:m], sigma[:m], first, bounded, False)[0])

    def contend(name: str, size: int, work: Callable[[], Array]) -> None:
        spent, wall, tia = time.process_time(), time.perf_counter(), work()
        wall, spent = time.perf_counter() - wall, time.process_time() - spent
        error = np.abs(tia / truth[:size] - 1)
        told[name] = {
            "voxels": size, "s_per_voxel": wall / size, "processor_s_per_voxel": spent / size,
            "median_error": float(np.nanmedian(error)), "failed": int(np.isnan(tia).sum()),
        }  # fmt: skip

    few, guess = max(n // 4, 20), stripped(kind, y[:n])
    for name, size, first, bounded in (
        ("scipy", n, guess, False),
        ("scipy, true start", n, start[:n], False),
        ("scipy, bounded", few, guess[:few], True),
    ):
        contend(name, size, lambda m=size, p=first, b=bounded: fitted(m, p, b))
    if kind == "mono":
        contend("PyTIA's way", len(y), lambda: pytia_mono(t, y))
    if kind == "uptake":
        contend("PyTIA's way", few, lambda: pytia_uptake(t, y[:few]))
    contend("trapezoids", len(y), lambda: trapezoids(t, y))
    return told


def compete(kind: str, n: int, sample: int, seed: int) -> dict[str, Any]:
    """All contenders on voxels of one kind."""
    y, sigma, start = draw(kind, n, seed)
    images, errors = (np.ascontiguousarray(a.T).reshape(a.shape[1], -1, 100, 100) for a in (y, sigma))
    seconds, ours = timed(lambda: by_lutetia(kind, images, errors), TIMES)
    few = min(sample, n)
    found, chi2 = by_scipy(kind, y[:few], sigma[:few], start[:few], False, True)
    error = np.abs(ours.time_integrated_activity.ravel() / H / integral(kind, start) - 1)
    return {
        "lutetia": {**seconds, "voxels": n, "median_error": float(np.nanmedian(error)),
                    "not_fitted": int((~ours.converged).sum())},
        "peers": peers(kind, y, sigma, start, few),
        "agreement": agreement(kind, ours, found, chi2),
    }  # fmt: skip


def speed_table(rows: Mapping[str, Any], threads: int) -> Table:
    """Voxels per second and ratios."""
    table = Table(title=f"fits of voxels, ours on {threads} threads, the others on one", title_justify="left")
    for name in (
        "",
        "contender",
        "voxels",
        "cold s",
        "s",
        "voxels/s",
        "ours/theirs",
        "by processor s",
        "error of TIA",
    ):
        table.add_column(name, justify="left" if name in {"", "contender"} else "right")
    for kind, row in rows.items():
        own = row["lutetia"]
        rate, per = own["voxels"] / own["s"], own["processor_s"] / own["voxels"]
        table.add_row(
            kind, "lutetia", f"{own['voxels']}", f"{own['cold_s']:.2f}", f"{own['s']:.3f}", f"{rate:,.0f}", "1", "1",
            f"{own['median_error']:.2%}",
        )  # fmt: skip
        for name, peer in row["peers"].items():
            ratio, processor = rate * peer["s_per_voxel"], peer["processor_s_per_voxel"] / per
            table.add_row(
                "", name, f"{peer['voxels']}", "", f"{peer['s_per_voxel'] * peer['voxels']:.3f}",
                f"{1 / peer['s_per_voxel']:,.0f}", f"{ratio:.3g}", f"{processor:.3g}", f"{peer['median_error']:.2%}",
            )  # fmt: skip
    table.caption = "error: median of the relative difference from the true integral; most of it is the noise's"
    return table


def agreement_table(rows: Mapping[str, Any]) -> Table:
    """Ours against curve_fit at its sharpest."""
    table = Table(title="agreement with curve_fit at tolerances of 1e-15", title_justify="left")
    names = (
        "",
        "voxels",
        "interior",
        "same minimum",
        "ours lower",
        "theirs lower",
        "theirs failed",
        "TIA",
        "parameters",
    )
    for name in names:
        table.add_column(name, justify="right" if name else "left")
    for kind, row in rows.items():
        a = row["agreement"]
        counts = [
            a[k] for k in ("voxels", "interior", "same_minimum", "ours_lower", "theirs_lower", "theirs_failed")
        ]
        table.add_row(kind, *map(str, counts), f"{a['tia']:.1e}", f"{a['parameters']:.1e}")
    table.caption = "largest relative differences in the same minimum; ours are float32, whose rounding is 6e-8"
    return table


def verdict(rows: Mapping[str, Any]) -> Sequence[str]:
    """Whether the goals are met."""
    told = []
    for kind, goal in GOALS.items():
        own = rows[kind]["lutetia"]
        ratio = own["voxels"] / own["s"] * rows[kind]["peers"]["scipy"]["s_per_voxel"]
        told.append(
            f"{kind}: {ratio:.0f} times scipy's curve_fit; goal {goal:.0f}: {'met' if ratio >= goal else 'NOT met'}"
        )
    return told


def main() -> int:
    """Draw the voxels, let all compete, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the voxels; under a minute")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    options = parser.parse_args()
    os.environ["NUMBA_NUM_THREADS"] = str(options.threads)
    console, here, part = Console(width=max(150, Console().width)), machine(), 5 if options.quick else 1
    versions = {name: version(name) for name in ("lutetia", "numba", "numpy", "scipy")}
    console.print(
        f"{here['processor']}, {here['cores']} cores, {options.threads} threads, load {here['load_average']}, "
        + ", ".join(f"{k} {v}" for k, v in versions.items())
    )
    sizes = {"mono": (1_000_000, 4000), "bi": (500_000, 1000), "uptake": (500_000, 1000)}
    rows = {k: compete(k, n // part, sample // part, options.seed) for k, (n, sample) in sizes.items()}
    console.print(speed_table(rows, options.threads))
    console.print(agreement_table(rows))
    for line in verdict(rows):
        console.print(line)
    if options.json:
        told = {"machine": here, "versions": versions, "threads": options.threads, "rows": rows}
        Path(options.json).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
