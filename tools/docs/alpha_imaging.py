"""Table and figure of docs/methods/alpha_imaging.md: how well few counts of 225Ac and 212Pb give activities.

python tools/docs/alpha_imaging.py docs/images/alpha_imaging.png --draws 20
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import PowerNorm

from lutetia.images.resample import average_onto
from lutetia.images.volume import Volume
from lutetia.phantoms.acquire import SMALL, expected_projections
from lutetia.phantoms.imaging import imaging_of, source_maps, with_nuclide
from lutetia.phantoms.stylised import rasterise
from lutetia.phantoms.virtual_patient import draw_patient
from lutetia.physics.nuclides import nuclide
from lutetia.recon.bed import ReconSettings
from lutetia.recon.bsrem import Penalty
from lutetia.recon.low_counts import counting_intervals
from lutetia.recon.noise import propagated_noise
from lutetia.recon.reconstruct import reconstruct_time_point
from lutetia.recon.recovery import count_uncertainty, recovery_by_reprojection, region_means

SEED = 34
"""Of the virtual patient with a lesion of 37 mL in the liver and two small ones."""
CASES = (("Ac-225", 8e6, 24.0), ("Pb-212", 130e6, 18.0))
REGIONS = ("kidneys", "liver", "lesion 1")
CAMERA = replace(SMALL, n_columns=48, n_rows=40, frame_duration_s=112.5)
"""32 views by two heads in half an hour."""


def scene(name: str, activity_bq: float, hours: float, penetration: float | None) -> dict:
    """Mean counts, the true maps and what else a reconstruction takes."""
    imaging = imaging_of(name)
    if penetration is not None:
        imaging = replace(imaging, penetration_share=penetration)
    settings = replace(CAMERA, imaging=imaging)
    patient = with_nuclide(draw_patient(SEED), name, activity_bq)
    middle = np.eye(4)
    middle[2, 3] = -patient.anatomy.shapes[0].centre_mm[2]
    maps = source_maps(patient, imaging, hours, motion=middle, spacing_mm=settings.fine_mm)
    mean = expected_projections(patient, maps, settings.bed_centres_mm[0], settings, seed=5)
    grid = maps[0][1].grid
    body = rasterise(patient.anatomy, grid, motion=middle)
    masks = {n: body.regions.mask(n) for n in patient.kinetics if n != "remainder"}
    masks["kidneys"] = masks.pop("kidney left") | masks.pop("kidney right")
    masks["remainder"] = body.body & ~np.any(list(masks.values()), axis=0)
    activity = maps[0][1]
    return {
        "name": name,
        "imaging": imaging,
        "mean": mean,
        "ct": body.hu,
        "activity": activity,
        "masks": masks,
        "truth": {n: float(activity.values[m].sum(dtype=float)) * grid.voxel_ml for n, m in masks.items()},
    }


def methods(name: str, imaging, *, scatter: str) -> dict:
    """Photopeaks and settings by name."""
    peaks = imaging.peaks(name)
    plain = ReconSettings(iterations=6, subsets=8, scatter=scatter, histories=100_000)
    smooth = replace(plain, algorithm="bsrem", iterations=12, penalty=Penalty(strength=0.02))
    one = {}
    for peak in peaks:
        alone = replace(imaging, photopeaks_mev=(peak.energy_mev,)).peaks(name)
        one[f"{peak.energy_mev * 1e3:.0f} keV"] = (alone, plain, peak.weight)
    if len(peaks) > 1:
        one["joint"] = (peaks, plain, 1.0)
    last = list(one)[-1]
    one[f"{last}, penalised"] = (one[last][0], smooth, one[last][2])
    return one


def fitted(case: dict, counts: np.ndarray, method, *, uncertain: bool = True) -> dict:
    """Region activities of one set of counts with their intervals."""
    peaks, settings, weight = method
    projections = replace(case["mean"], counts=counts)
    result = reconstruct_time_point(
        [projections], case["ct"], None, peaks[0].energy_mev, settings, peaks=peaks,
        decay_constant_per_s=nuclide(case["name"]).decay_constant_per_s,
    )  # fmt: skip
    bed = result.beds[0]
    share = occupancy(case, result.volume)
    per_bq = case["imaging"].sensitivity_cps_per_mbq * 1e-6 * weight
    sums = {n: float(np.vdot(s, result.volume.values)) / per_bq for n, s in share.items()}
    answer = {"sums": sums, "result": result, "share": share, "per_bq": per_bq}
    if not uncertain:
        return answer
    wanted = {n: share[n] for n in REGIONS}
    if settings.algorithm == "bsrem":
        relative = count_uncertainty(result, share, region_means(result.volume.values, share))
        answer["interval"] = {
            n: (sums[n] * (1 - 2 * relative[n]), sums[n] * (1 + 2 * relative[n])) for n in REGIONS
        }
        answer["u"] = {n: relative[n] * sums[n] for n in REGIONS}
        return answer
    channels = [peak.channel for peak in bed.peaks]
    noise = propagated_noise(
        channels, wanted, iterations=settings.iterations, subsets=settings.subsets,
        scatter_variance=[peak.scatter.variance for peak in bed.peaks],
        scatter_smoothing_pixels=[peak.scatter.smoothing_fwhm_pixels for peak in bed.peaks],
    )  # fmt: skip
    found = counting_intervals(noise, channels)
    unit = {n: sums[n] / found[n].value for n in REGIONS}
    answer["interval"] = {n: (found[n].low * unit[n], found[n].high * unit[n]) for n in REGIONS}
    answer["u"] = {n: found[n].standard_uncertainty * unit[n] for n in REGIONS}
    answer["skewness"] = {n: found[n].skewness for n in REGIONS}
    answer["effective"] = {n: found[n].effective_counts for n in REGIONS}
    answer["kind"] = {n: found[n].method for n in REGIONS}
    return answer


def occupancy(case: dict, volume: Volume) -> dict:
    """Shares of the voxels that each region fills."""
    grid = case["activity"].grid
    return {
        n: average_onto(Volume(grid=grid, values=m.astype(np.float32), unit="1"), volume.grid).values
        for n, m in case["masks"].items()
    }


def study(case: dict, label: str, method, draws: int) -> dict:
    """Bias, spread and coverage over draws of the noise."""
    clean = fitted(case, case["mean"].counts, method, uncertain=False)
    means = region_means(clean["result"].volume.values, clean["share"])
    recovery = recovery_by_reprojection(clean["result"], clean["share"], means, iterations=2).measured_over_true
    drawn = []
    for number in range(draws):
        counts = np.random.default_rng([SEED, number]).poisson(case["mean"].counts).astype(np.float32)
        drawn.append(fitted(case, counts, method))
    rows = {}
    for n in REGIONS:
        sums = np.array([d["sums"][n] for d in drawn])
        own = np.array([d["interval"][n] for d in drawn])
        centre, truth = sums.mean(), case["truth"][n]
        rows[n] = {
            "true_kBq": truth / 1e3,
            "recovery": recovery[n],
            "bias_as_measured": clean["sums"][n] / truth - 1,
            "bias_corrected": clean["sums"][n] / recovery[n] / truth - 1,
            "bias_by_noise": centre / clean["sums"][n] - 1,
            "spread": sums.std(ddof=1) / centre,
            "stated": float(np.mean([d["u"][n] for d in drawn])) / centre,
            "covers_mean": float(np.mean((own[:, 0] <= centre) & (centre <= own[:, 1]))),
            "covers_truth": float(np.mean((own[:, 0] / recovery[n] <= truth) & (truth <= own[:, 1] / recovery[n]))),
            "skewness": float(np.mean([d.get("skewness", {n: np.nan})[n] for d in drawn])),
            "effective_counts": float(np.mean([d.get("effective", {n: np.nan})[n] for d in drawn])),
            "gamma": float(np.mean([d.get("kind", {n: "normal"})[n] == "gamma" for d in drawn])),
        }
        print(case["name"], label, n, {k: round(v, 3) for k, v in rows[n].items()}, flush=True)
    return {
        "rows": rows,
        "image": drawn[0]["result"].volume.values / drawn[0]["per_bq"],
        "volume": clean["result"].volume,
    }


def panel(axes, image: np.ndarray, plane: int, title: str, most: float) -> None:
    """One coronal plane."""
    norm = PowerNorm(0.5, vmin=0, vmax=most, clip=True)
    axes.imshow(image[::-1, plane], cmap="magma", norm=norm, interpolation="nearest", aspect="equal")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def draw(pictures: list, out: Path) -> None:
    """A row of coronal planes for each nuclide."""
    columns = max(len(images) for images, _, _ in pictures)
    figure, axes = plt.subplots(len(pictures), columns, figsize=(2.2 * columns, 4.4), layout="constrained")
    for row, (images, plane, most) in zip(axes, pictures, strict=True):
        for one in row:
            one.set_axis_off()
        for one, (title, image) in zip(row, images.items(), strict=False):
            panel(one, image, plane, title, most)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Compute, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--scatter", default="tew", choices=("tew", "model"))
    parser.add_argument("--penetration", type=float, default=None)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument(
        "--only", nargs="*", default=None, help="methods to study, as '440 keV'; no figure is drawn"
    )
    arguments = parser.parse_args()
    pictures, table = [], {}
    for name, activity_bq, hours in CASES:
        case = scene(name, activity_bq, hours, arguments.penetration)
        counts = [f"{w.name} {c.sum():.0f}" for w, c in zip(case["mean"].windows, case["mean"].counts, strict=True)]
        print(name, "counts:", ", ".join(counts), flush=True)
        done = {
            label: study(case, label, method, arguments.draws)
            for label, method in methods(name, case["imaging"], scatter=arguments.scatter).items()
            if arguments.only is None or label in arguments.only
        }
        table[name] = {label: one["rows"] for label, one in done.items()}
        if arguments.only is not None:
            continue
        volume = next(iter(done.values()))["volume"]
        true = average_onto(case["activity"], volume.grid).values * volume.grid.voxel_ml
        plane = int(np.argmax(occupancy(case, volume)["lesion 1"].sum(axis=(0, 2))))
        images = {f"{name}: true": true, **{f"{name}: {label}": one["image"] for label, one in done.items()}}
        pictures.append((images, plane, 1.2 * true.max()))
    if pictures:
        draw(pictures, arguments.out)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1), "utf-8")


if __name__ == "__main__":
    main()
