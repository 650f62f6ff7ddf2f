"""One bed of a real patient, from DICOM to image, by PyTomography's way and by ours, side by side.

    python benchmarks/real_patient.py --pytomography PYTHON [--data FOLDER] [--picture FILE.jpg] [--json FILE]

FOLDER holds ``NM/bed1_projections.dcm`` and ``CT/*.dcm`` (the public tutorial patient of PyTomography, GE Discovery
670). Each program reads the DICOM with its own readers and makes its own attenuation map from the CT; scatter (triple
window at 208 keV), collimator (SIMIND's GE MEGP), intrinsic resolution, iterations and subsets are the same. A third
reconstruction of ours takes PyTomography's attenuation map, so that what remains is the projector's. Regions are found
on the mean of both images, so that they favour none.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from contenders.launch import FOLDER, environment, last_line, machine
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lutetia.errors import LutetiaError
from lutetia.images.dicom.ct import read_ct
from lutetia.images.dicom.nm import read_projections
from lutetia.images.grid import Grid
from lutetia.images.regions import Regions
from lutetia.images.segment import segment_from_spect
from lutetia.images.volume import Volume, require_same_grid
from lutetia.recon.camera import read_camera
from lutetia.recon.reconstruct import BedReconstruction, ReconSettings, reconstruct_bed_in_detail

DATA = Path(__file__).resolve().parents[1] / "shared" / "data" / "lu177_patient_spect"
PHOTOPEAK_MEV = 0.208366
ITERATIONS, SUBSETS = 6, 6
COLLIMATOR, ITS_COLLIMATOR = "GE-Discovery-670-MEGP", "GI-MEGP"
INTRINSIC_FWHM_MM = 3.8
WINDOW_LOWER_KEV = (187.2, 166.9, 229.6)
"""Peak, lower and upper scatter window."""
BODY_PER_CM = 0.05


def theirs(python: str, nm: Path, ct: Path, threads: int) -> tuple[Volume, Volume, dict[str, Any]]:
    """PyTomography's image [counts per view] and attenuation map [1/cm] with what it told."""
    settings = {
        "threads": threads,
        "window_lower_kev": WINDOW_LOWER_KEV,
        "collimator": ITS_COLLIMATOR,
        "intrinsic_fwhm_mm": INTRINSIC_FWHM_MM,
        "photopeak_kev": PHOTOPEAK_MEV * 1e3,
        "iterations": ITERATIONS,
        "subsets": SUBSETS,
    }
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.npz"
        command = [
            python, "-W", "ignore", str(FOLDER / "pytomography_patient.py"), str(nm), str(ct), str(result),
            json.dumps(settings),
        ]  # fmt: skip
        done = subprocess.run(command, env=environment(threads, own=False), capture_output=True, text=True)
        if not result.exists():
            sys.exit(f"PyTomography did not run: {last_line(done)}")
        with np.load(result) as left:
            affine, told = left["affine"], json.loads(str(left["told"]))
            image, attenuation = left["image"], left["attenuation"]
    grid = Grid(
        size=(image.shape[2], image.shape[1], image.shape[0]),
        spacing_mm=(float(affine[0, 0]), float(affine[1, 1]), float(affine[2, 2])),
        origin_mm=(float(affine[0, 3]), float(affine[1, 3]), float(affine[2, 3])),
    )
    return (
        Volume(grid=grid, values=image, unit="counts"),
        Volume(grid=grid, values=attenuation, unit="1/cm"),
        told,
    )


def ours(nm: Path, ct: Volume) -> tuple[BedReconstruction, float, float]:
    """Our bed with CT in HU (or attenuation in 1/cm), the frame duration and the seconds it took."""
    projections = read_projections(nm)
    camera = read_camera(COLLIMATOR, photopeak_mev=PHOTOPEAK_MEV)
    start = time.perf_counter()
    bed = reconstruct_bed_in_detail(
        projections, ct, camera, PHOTOPEAK_MEV, ReconSettings(iterations=ITERATIONS, subsets=SUBSETS)
    )
    return bed, float(projections.frame_duration_s[0]), time.perf_counter() - start


def compare(
    images: Mapping[str, NDArray[np.float32]], mu: NDArray[np.float32], regions: Regions
) -> list[dict[str, Any]]:
    """Mean of every region in every image, and over the body."""
    rows = []
    masks = {"body": mu > BODY_PER_CM, **{r.name: regions.labels == n for n, r in regions.table.items()}}
    for name, mask in masks.items():
        rows.append(
            {
                "region": name,
                "volume_mL": float(mask.sum()) * regions.grid.voxel_ml,
                **{key: float(image[mask].mean(dtype=np.float64)) for key, image in images.items()},
            }
        )
    return rows


def table_of(rows: list[dict[str, Any]]) -> Table:
    """Counts per view and voxel, and differences from PyTomography."""
    table = Table(title="mean counts per view and voxel (difference from PyTomography)", title_justify="left")
    names = [key for key in rows[0] if key not in {"region", "volume_mL"}]
    for column in ("region", "mL", *names):
        table.add_column(column, justify="left" if column == "region" else "right")
    for row in rows:
        base = row["PyTomography"]
        cells = [f"{row[n]:.4f}" + ("" if n == "PyTomography" else f" ({row[n] / base - 1:+.1%})") for n in names]
        table.add_row(row["region"], f"{row['volume_mL']:.0f}", *cells)
    return table


def picture(path: Path, images: Mapping[str, NDArray[np.float32]], grid: Grid, slice_k: int) -> None:
    """Coronal maximum-intensity projections and one transaxial slice, on the same scale."""
    mpl.use("Agg")
    figure, axes = plt.subplots(2, 2, figsize=(9.0, 7.4), height_ratios=(1.6, 1.0), layout="constrained")
    sx, sy, sz = grid.spacing_mm
    peak = 0.5 * max(float(image.max()) for image in images.values())
    for column, (name, image) in enumerate(images.items()):
        views = (image.max(axis=1)[::-1], sz / sx), (image[slice_k], sy / sx)
        for row, (view, aspect) in enumerate(views):
            shown = axes[row, column].imshow(view, cmap="gray_r", vmin=0, vmax=peak, aspect=aspect)
            axes[row, column].set_axis_off()
        axes[0, column].set_title(name)
    axes[0, 0].text(0.02, 0.97, "coronal maximum", transform=axes[0, 0].transAxes, va="top", fontsize=8)
    axes[1, 0].text(0.02, 0.97, "transaxial slice", transform=axes[1, 0].transAxes, va="top", fontsize=8)
    figure.colorbar(shown, ax=axes, shrink=0.6, label="counts per view and voxel (scale ends at half the maximum)")
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 82})
    plt.close(figure)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pytomography", metavar="PYTHON", help="interpreter of an environment with PyTomography")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="with NM/ and CT/")
    parser.add_argument("--bed", type=int, default=1, choices=(1, 2))
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--picture", type=Path, metavar="FILE.jpg")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> int:
    """Reconstruct three times, compare, draw."""
    options = arguments()
    nm, ct_folder = options.data / "NM" / f"bed{options.bed}_projections.dcm", options.data / "CT"
    if options.pytomography is None or not nm.exists():
        print("Not run: needs --pytomography PYTHON and the patient's folder, --data FOLDER.", file=sys.stderr)
        return 0
    here = machine()
    image, mu, told = theirs(options.pytomography, nm, ct_folder, options.threads)
    ct = read_ct(sorted(ct_folder.glob("*.dcm")))
    ours(nm, ct)  # compiles
    bed, frame_s, seconds = ours(nm, ct)
    swapped, _, _ = ours(nm, mu)
    require_same_grid(bed.volume.grid, image.grid, "our image and PyTomography's")
    images = {
        "PyTomography": image.values,
        "Lutetia": bed.volume.values * np.float32(frame_s),
        "Lutetia, its attenuation": swapped.volume.values * np.float32(frame_s),
    }
    both = bed.volume.with_values((images["PyTomography"] + images["Lutetia"]) / 2)
    try:
        regions = segment_from_spect(both, ct)
    except LutetiaError as error:
        sys.exit(f"No regions: {error}")
    rows = compare(images, bed.attenuation.values, regions)
    body = bed.attenuation.values > BODY_PER_CM
    told["mu_in_body_per_cm"] = float(mu.values[body].mean())
    mine = {
        "osem_s": seconds,
        "counts": float(bed.counts.sum()),
        "scatter_counts": float(bed.scatter.counts.sum()),
        "mu_in_body_per_cm": float(bed.attenuation.values[body].mean()),
    }
    console = Console(width=max(120, Console().width))
    console.print(f"{here['processor']}, {options.threads} threads, load {here['load_average']}")
    console.print({"PyTomography": told, "Lutetia": mine})
    console.print(table_of(rows))
    if options.picture:
        hottest = max((n for n, r in regions.table.items()), key=lambda n: both.values[regions.labels == n].mean())
        slice_k = int(np.median(np.nonzero(regions.labels == hottest)[0]))
        shown = {
            f"PyTomography {told['versions']['pytomography']}": images["PyTomography"],
            "Lutetia": images["Lutetia"],
        }
        picture(options.picture, shown, bed.volume.grid, slice_k)
    if options.json:
        left = {"machine": here, "PyTomography": told, "Lutetia": mine, "regions": rows}
        options.json.write_text(json.dumps(left, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
