"""Figures of docs/methods/voxel_kinetics.md: time-integrated activity, effective half-life and uncertainty of every voxel.

python tools/docs/voxel_kinetics.py docs/images --real ../shared/data/lu177_fap_4tp
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from lutetia.images.nifti import read_nifti_volume
from lutetia.kinetics.voxels.fit import VoxelRegions, fit_voxels
from lutetia.kinetics.voxels.noise import FWHM_PER_SIGMA, smoothed
from lutetia.kinetics.voxels.result import STATUS_MEANINGS, VoxelFits
from lutetia.phantoms.stylised import body_grid, rasterise
from lutetia.phantoms.virtual_patient import draw_patient
from lutetia.physics.nuclides import nuclide
from lutetia.units import H_PER_S, S_PER_H

Images = NDArray[np.float32]

SPACING_MM = 4.8
RESPONSE_MM = 11.0
NOISE_MM = 8.0
"""Noise of a reconstruction is correlated over about this much."""
TIME_H = (4.0, 24.0, 72.0, 168.0)
REAL_TIME_H = (4.0, 24.0, 48.0, 168.0)
WHOLE_BODY_HALF_LIFE_H = 60.0
"""To which the totals of the real scans, each of its own scale, are set: an assumption."""
DISPLACEMENT_MM = 1.0


def virtual_patient(seed: int) -> tuple[Images, Images, NDArray[np.bool_], NDArray[np.int16], Mapping[int, str]]:
    """Images of four scans, true effective half-life of the washout [h], body, labels and their names."""
    patient = draw_patient(seed, "male")
    body = rasterise(patient.anatomy, body_grid(patient.anatomy, SPACING_MM))
    grid = body.regions.grid
    masks = {r.name: body.regions.mask(r.name) for r in body.regions.table.values() if r.name in patient.kinetics}
    rest = body.body & ~np.any(list(masks.values()), axis=0)
    if "remainder" in patient.kinetics:
        masks["remainder"] = rest
    rng = np.random.default_rng(seed)
    true = np.zeros((len(TIME_H), *grid.shape), np.float32)
    half_life_h = np.full(grid.shape, np.nan, np.float32)
    for name, mask in masks.items():
        kinetics = patient.kinetics[name]
        activity = kinetics.activity_bq(np.array(TIME_H) * S_PER_H)
        true[:, mask] = (activity / (mask.sum() * grid.voxel_ml))[:, None]
        half_life_h[mask] = math.log(2) / min(kinetics.rates_per_s) * H_PER_S
    spacing = grid.spacing_mm[::-1]
    images = smoothed(true, spacing, RESPONSE_MM)
    # as of 4 % in a liver voxel of the first scan after smoothing, falling with the square root of the activity
    scale = 0.04**2 * float(images[0][masks["liver"]].mean())
    white = rng.standard_normal(images.shape).astype(np.float32) * np.sqrt(scale * images)
    gain = math.prod(math.sqrt(2 * math.sqrt(math.pi) * NOISE_MM / FWHM_PER_SIGMA / s) for s in spacing)
    images = np.maximum(images + gain * smoothed(white, spacing, NOISE_MM), 0)
    labels = np.zeros(grid.shape, np.int16)
    names = dict(enumerate(masks, 1))
    for number, mask in enumerate(masks.values(), 1):
        labels[mask] = number
    return images.astype(np.float32), half_life_h, body.body, labels, names


def real_scans(folder: Path) -> tuple[Images, tuple[float, float, float]]:
    """The four scans with their totals set to one curve, and the spacing (z, y, x) [mm]."""
    volumes = [read_nifti_volume(folder / f"SPECT-{int(h):03d}H_reg.nii.gz", "counts") for h in REAL_TIME_H]
    totals = [2 ** (-h / WHOLE_BODY_HALF_LIFE_H) for h in REAL_TIME_H]
    images = [v.values * np.float32(t / v.values.sum(dtype=float)) for v, t in zip(volumes, totals, strict=True)]
    z, y, x = volumes[0].grid.spacing_mm[::-1]
    return np.stack(images) * 1e6, (z, y, x)


def panels(fits: VoxelFits, shown: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.float32], str, float, float]]:
    """Title, map, colours and range of each column."""
    tia = np.where(shown, fits.time_integrated_activity, np.nan)
    half_life_h = np.where(shown & fits.converged, fits.effective_half_life_s * H_PER_S, np.nan)
    relative = np.where(shown, 100 * fits.standard_uncertainty / fits.time_integrated_activity, np.nan)
    physical_h = nuclide("Lu-177").half_life_s * H_PER_S
    top = float(np.nanpercentile(tia, 99.7))
    return [
        ("time-integrated activity", tia / top, "inferno", 0.0, 1.0),
        ("effective half-life / h", half_life_h, "viridis", 0.0, physical_h),
        ("standard uncertainty / %", relative, "magma_r", 0.0, 40.0),
    ]


def draw(
    path: Path,
    fits: VoxelFits,
    shown: NDArray[np.bool_],
    spacing: Sequence[float],
    cut: tuple[int, int],
    truth: NDArray[np.float32] | None = None,
) -> None:
    """A coronal and an axial slice of each map; the true half-life beside it where it is known."""
    columns = panels(fits, shown)
    if truth is not None:
        columns.insert(2, ("true half-life / h", np.where(shown, truth, np.nan), "viridis", *columns[1][3:]))
    z, y = cut
    figure, axes = plt.subplots(
        2, len(columns), figsize=(3.1 * len(columns), 6.4), height_ratios=(2.2, 1), layout="constrained"
    )
    for k, (title, values, colours, low, high) in enumerate(columns):
        views = ((values[::-1, y, :], spacing[0] / spacing[2]), (values[z], spacing[1] / spacing[2]))
        for row, (view, aspect) in enumerate(views):
            axes[row, k].set_facecolor("0.85")
            picture = axes[row, k].imshow(
                view, cmap=colours, vmin=low, vmax=high, aspect=aspect, interpolation="nearest"
            )
            axes[row, k].set(xticks=[], yticks=[])
        axes[0, k].set_title(title, fontsize=9)
        figure.colorbar(picture, ax=axes[:, k], location="bottom", shrink=0.8, pad=0.02).ax.tick_params(labelsize=8)
    for row, name in enumerate(("coronal", "axial")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 85})
    plt.close(figure)


def told(name: str, fits: VoxelFits) -> None:
    """What became of the voxels."""
    spreads = ", ".join(f"{label}: {spread:.2f}" for label, spread in fits.between_voxels.items())
    print(f"{name}: noise factor {fits.noise_factor:.3g}; between voxels {spreads or '-'}")
    for code, n in fits.counts().items():
        print(f"  {n:7d} {STATUS_MEANINGS[code]}")


def main() -> None:
    """Fit and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the pictures")
    parser.add_argument("--real", type=Path, help="folder of the four registered scans; left out without it")
    arguments = parser.parse_args()
    decay = nuclide("Lu-177").decay_constant_per_s
    images, truth, body, labels, names = virtual_patient(seed=3)
    spacing = (SPACING_MM,) * 3
    given = {"decay_constant_per_s": decay, "spacing_mm": spacing, "displacement_mm": DISPLACEMENT_MM, "mask": body}
    times = np.array(TIME_H) * S_PER_H
    kidney = np.argwhere(labels == next(n for n, name in names.items() if name == "kidney left")).mean(axis=0)
    cut = (round(kidney[0]), round(kidney[1]))
    for model, regions in (("auto", None), ("shrunk", VoxelRegions(labels=labels))):
        fits = fit_voxels(images, times, model=model, regions=regions, **given)
        told(f"virtual patient, {model}", fits)
        organs = np.isin(labels, [n for n, name in names.items() if name != "remainder"])
        ratio = np.abs(np.log(fits.effective_half_life_s * H_PER_S / truth))[organs & fits.converged]
        print(f"  median error of the half-life in organs and lesions: {np.median(ratio):.1%}")
        draw(arguments.out / f"voxel_kinetics_virtual_{model}.jpg", fits, body, spacing, cut, truth)
    if arguments.real is not None:
        scans, size = real_scans(arguments.real)
        mask = smoothed(scans.sum(axis=0)[None], size, 20.0)[0]
        inside = mask > 0.02 * mask.max()
        fits = fit_voxels(
            scans, np.array(REAL_TIME_H) * S_PER_H, decay_constant_per_s=decay, spacing_mm=size, mask=inside,
            displacement_mm=2.0,
        )  # fmt: skip
        told("real scans", fits)
        hot = np.unravel_index(int(np.argmax(mask)), mask.shape)
        draw(arguments.out / "voxel_kinetics_real.jpg", fits, inside, size, (int(hot[0]), int(hot[1])))


if __name__ == "__main__":
    main()
