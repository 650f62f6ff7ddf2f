"""One bed of a real patient, from DICOM to image, by PyTomography's way and by ours, side by side.

    python benchmarks/real_patient.py --pytomography PYTHON [--data FOLDER] [--bed 2] [--picture FILE.jpg]

FOLDER holds ``NM/bed1_projections.dcm`` and ``CT/*.dcm`` (the public tutorial patient of PyTomography, GE Discovery
670; bed 1 is head and chest, bed 2 the abdomen). Each program reads the DICOM with its own readers and makes its own
attenuation map from the CT. Scatter (triple window at 208 keV, smoothed alike), collimator (SIMIND's GE MEGP),
intrinsic resolution, iterations and subsets are the same. A second reconstruction of ours takes PyTomography's
attenuation map, so that what remains is the projector's. Regions are found on the mean of both images, so that they
favour none, and only slices that the detector saw are compared and drawn: where it counts nothing PyTomography
reconstructs zeros, and Lutetia, which leaves those rows out, whatever is left over.
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
import numba
import numpy as np
from contenders.launch import FOLDER, environment, last_line, machine
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lutetia.images.dicom.ct import read_ct
from lutetia.images.dicom.nm import read_projections
from lutetia.images.grid import Grid
from lutetia.images.regions import Regions
from lutetia.images.segment import segment_from_spect
from lutetia.images.volume import Volume, require_same_grid
from lutetia.recon.bed import BedReconstruction, ReconSettings, reconstruct_bed_in_detail
from lutetia.recon.camera import read_camera
from lutetia.recon.channels import ordered_subsets
from lutetia.recon.peaks import Peak
from lutetia.recon.reconstruct import EDGE_SLICES
from lutetia.recon.scatter import SMOOTHING_FWHM_PIXELS

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "lu177_patient_spect"
PHOTOPEAK_MEV = 0.208366
ITERATIONS, SUBSETS = 6, 6
COLLIMATOR, ITS_COLLIMATOR = "GE-Discovery-670-MEGP", "GI-MEGP"
INTRINSIC_FWHM_MM = 3.8
WINDOW_LOWER_KEV = (187.2, 166.9, 229.6)
"""Peak, lower and upper scatter window."""
BODY_PER_CM = 0.05
SHOWN_SHARE = (0.5, 0.5)
"""End of the grey scale over the largest value: projections, slice."""


def theirs(python: str, nm: Path, ct: Path, threads: int) -> tuple[Volume, Volume, dict[str, Any]]:
    """PyTomography's image [counts per view] and attenuation map [1/cm] with what it told."""
    settings = {
        "threads": threads,
        "window_lower_kev": WINDOW_LOWER_KEV,
        "collimator": ITS_COLLIMATOR,
        "intrinsic_fwhm_mm": INTRINSIC_FWHM_MM,
        "photopeak_kev": PHOTOPEAK_MEV * 1e3,
        "iterations": ITERATIONS,
        "scatter_fwhm_pixels": SMOOTHING_FWHM_PIXELS,
        "subset_order": [int(g[0]) for g in ordered_subsets(np.arange(SUBSETS) * 2 * np.pi / SUBSETS, SUBSETS)],
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
    peaks = [Peak(energy_mev=PHOTOPEAK_MEV, camera=camera)]
    bed = reconstruct_bed_in_detail(projections, ct, peaks, ReconSettings(iterations=ITERATIONS, subsets=SUBSETS))
    return bed, float(projections.frame_duration_s[0]), time.perf_counter() - start


def seen_slices(bed: BedReconstruction) -> slice:
    """Slices that the detector saw, without those at either end that activity beyond blurs into."""
    lit = np.flatnonzero(bed.system.usable.any(axis=1)[::-1])
    return slice(int(lit[0]) + EDGE_SLICES, int(lit[-1]) + 1 - EDGE_SLICES)


def compare(
    images: Mapping[str, NDArray[np.float32]], mu: NDArray[np.float32], regions: Regions, seen: slice
) -> list[dict[str, Any]]:
    """Mean of every region in every image, and over the body, in the slices seen."""
    rows = []
    masks = {"body": mu > BODY_PER_CM, **{r.name: regions.labels == n for n, r in regions.table.items()}}
    for name, whole in masks.items():
        mask = whole[seen]
        if mask.any():
            means = {key: float(image[seen][mask].mean(dtype=np.float64)) for key, image in images.items()}
            rows.append({"region": name, "volume_mL": float(mask.sum()) * regions.grid.voxel_ml, **means})
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


def picture(path: Path, images: Mapping[str, NDArray[np.float32]], grid: Grid, seen: slice, slice_k: int) -> None:
    """Coronal maximum-intensity projections and one transaxial slice, on the same scale."""
    mpl.use("Agg")
    figure, axes = plt.subplots(2, 2, figsize=(8.6, 8.0), height_ratios=(1.0, 1.0), layout="constrained")
    sx, sy, sz = grid.spacing_mm
    for column, (name, image) in enumerate(images.items()):
        views = (image[seen].max(axis=1)[::-1], sz / sx), (image[slice_k], sy / sx)
        for row, (view, aspect) in enumerate(views):
            peak = SHOWN_SHARE[row] * max(float(other[seen].max()) for other in images.values())
            shown = axes[row, column].imshow(view, cmap="gray_r", vmin=0, vmax=peak, aspect=aspect)
            axes[row, column].set_axis_off()
            if column:
                figure.colorbar(shown, ax=axes[row], shrink=0.8, label="counts per view and voxel")
        axes[0, column].set_title(f"{name}: coronal maximum")
        axes[1, column].set_title(f"{name}: transaxial slice")
    figure.savefig(path, dpi=105, pil_kwargs={"quality": 82})
    plt.close(figure)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pytomography", metavar="PYTHON", help="interpreter of an environment with PyTomography")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="with NM/ and CT/")
    parser.add_argument("--bed", type=int, default=2, choices=(1, 2))
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--picture", type=Path, metavar="FILE.jpg")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> int:
    """Reconstruct, compare, draw."""
    options = arguments()
    nm, ct_folder = options.data / "NM" / f"bed{options.bed}_projections.dcm", options.data / "CT"
    if options.pytomography is None or not nm.exists():
        print("Not run: needs --pytomography PYTHON and the patient's folder, --data FOLDER.", file=sys.stderr)
        return 0
    left: dict[str, Any] = {"machine": machine(), "threads": options.threads, "bed": options.bed}
    image, mu, left["PyTomography"] = theirs(options.pytomography, nm, ct_folder, options.threads)
    ct = read_ct(sorted(ct_folder.glob("*.dcm")))
    numba.set_num_threads(options.threads)
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
    regions, seen = segment_from_spect(both, ct), seen_slices(bed)
    body = bed.attenuation.values > BODY_PER_CM
    left["PyTomography"]["mu_in_body_per_cm"] = float(mu.values[body].mean())
    left["Lutetia"] = {
        "osem_s": seconds,
        "counts": float(bed.counts.sum()),
        "scatter_counts": float(bed.scatter.counts.sum()),
        "mu_in_body_per_cm": float(bed.attenuation.values[body].mean()),
    }
    console = Console(width=max(120, Console().width))
    console.print(left)
    left["regions"] = compare(images, bed.attenuation.values, regions, seen)
    console.print(table_of(left["regions"]))
    if options.picture:
        shown = {key: images[key] for key in ("PyTomography", "Lutetia")}
        picture(options.picture, shown, bed.volume.grid, seen, kidney_slice(regions, seen))
    if options.json:
        options.json.write_text(json.dumps(left, indent=1) + "\n", encoding="utf-8")
    return 0


def kidney_slice(regions: Regions, seen: slice) -> int:
    """Middle slice of the kidneys, or of what is seen where none were found."""
    kidneys = [n for n, r in regions.table.items() if r.name.startswith("kidney")]
    found = np.nonzero(np.isin(regions.labels, kidneys))[0]
    return int(np.median(found)) if found.size else (seen.start + seen.stop) // 2


if __name__ == "__main__":
    sys.exit(main())
