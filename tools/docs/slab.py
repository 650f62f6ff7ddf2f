"""Figure of docs/methods/dose.md: 90Y in a plate between lung, soft tissue and bone, by three methods.

python tools/docs/slab.py docs/images/slab.png
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from lutetia.dose.kernel import dose_by_kernel
from lutetia.dose.montecarlo.dose_map import Goal, absorbed_dose_by_monte_carlo
from lutetia.dose.montecarlo.follow import follow_electrons
from lutetia.dose.montecarlo.scene import region_scene
from lutetia.dose.montecarlo.source import electron_spectrum
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import material
from lutetia.units import GY_PER_MEV_PER_G

NUCLIDE = "Y-90"
SPACING_MM = 2.0
ACROSS = 31
SLABS = (
    ("lung", 0.26, 14),
    ("soft tissue icrp", 1.04, 14),
    ("cortical bone", 1.92, 8),
    ("soft tissue icrp", 1.04, 10),
)
"""Material, density [g/mL], voxels."""
ACTIVE = slice(12, 28)
"""Slices that hold activity: the last two of lung and the soft tissue up to the bone."""


def slabs() -> tuple[Volume, np.ndarray, Volume]:
    """Density, material and a uniform time-integrated activity."""
    rho = np.concatenate([np.full(n, d) for _, d, n in SLABS])
    kind = np.concatenate([np.full(n, k) for k, (_, _, n) in enumerate(SLABS)])
    shape = (rho.size, ACROSS, ACROSS)
    grid = Grid(size=shape[::-1], spacing_mm=(SPACING_MM,) * 3, origin_mm=(0.0, 0.0, 0.0))
    activity = np.zeros(shape, np.float32)
    activity[ACTIVE] = 1e9
    density = Volume(grid=grid, values=np.broadcast_to(rho[:, None, None], shape).astype(np.float32), unit="g/mL")
    index = np.ascontiguousarray(np.broadcast_to(kind[:, None, None], shape))
    return density, index, Volume(grid=grid, values=activity, unit="Bq s/mL")


def middle(values: np.ndarray) -> np.ndarray:
    """Mean over the middle columns, which the edges of the body do not reach."""
    half = ACROSS // 2
    return values[:, half - 6 : half + 7, half - 6 : half + 7].mean(axis=(1, 2))


def analog(density: Volume, index: np.ndarray, activity: Volume, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Every electron followed, no kernel: dose of the middle of each slice and its uncertainty. [Gy]"""
    half, slot = ACROSS // 2, np.full(index.shape, -1)
    slot[:, half - 6 : half + 7, half - 6 : half + 7] = np.arange(index.shape[0])[:, None, None]
    materials = [material(name) for name, _, _ in SLABS]
    scene = region_scene(density, index, materials, slot, index.shape[0])
    found = follow_electrons(
        scene=scene, strength=activity.values, lines=electron_spectrum(emissions(NUCLIDE)), n_histories=n, seed=4
    )
    decays = float(activity.values.sum(dtype=float)) * activity.grid.voxel_ml
    scale = decays * GY_PER_MEV_PER_G / scene.mass_g[:-1]
    return found.energy_mev * scale, found.standard_uncertainty_mev * scale


def main() -> None:
    """Compute and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--histories", type=int, default=2_000_000)
    arguments = parser.parse_args()
    density, index, activity = slabs()
    by_kernel = middle(dose_by_kernel(time_integrated_activity=activity, density=density, nuclide=NUCLIDE).values)
    run = absorbed_dose_by_monte_carlo(
        time_integrated_activity={NUCLIDE: activity}, density=density, material_index=index,
        materials=[material(name) for name, _, _ in SLABS],
        goal=Goal(voxel_relative_uncertainty=0.05, most_histories=1_000_000), seed=3,
    )  # fmt: skip
    by_transport = middle(run.dose.values)
    reference, u = analog(density, index, activity, arguments.histories)
    z = (np.arange(index.shape[0]) + 0.5) * SPACING_MM
    figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(7.5, 6), height_ratios=(3, 2))
    edge = 0.0
    for name, rho, n in SLABS:
        for axes in (top, bottom):
            axes.axvspan(edge, edge + n * SPACING_MM, color=str(1.0 - 0.18 * min(rho, 2.0)), lw=0)
        top.text(edge + n * SPACING_MM / 2, 1.02, f"{name.removesuffix(' icrp')}\n{rho:g} g/mL", ha="center", va="bottom",
                 transform=top.get_xaxis_transform(), fontsize=8)  # fmt: skip
        edge += n * SPACING_MM
    top.errorbar(z, reference, 2 * u, fmt="k.", ms=4, label="every electron followed (k = 2)")
    top.step(z, by_kernel, where="mid", color="#d55e00", label="kernel in water, shared by density")
    top.step(z, by_transport, where="mid", color="#0072b2", label="Monte Carlo with the kernel as control variate")
    top.set_ylabel("absorbed dose / Gy")
    top.legend(fontsize=8, loc="upper right")
    seen = reference > 0.02 * reference.max()
    bottom.axhline(0, color="k", lw=0.8)
    bottom.plot(z[seen], 100 * (by_kernel / reference - 1)[seen], "o-", color="#d55e00", ms=3)
    bottom.plot(z[seen], 100 * (by_transport / reference - 1)[seen], "o-", color="#0072b2", ms=3)
    bottom.fill_between(
        z[seen], -200 * (u / reference)[seen], 200 * (u / reference)[seen], color="k", alpha=0.25, lw=0
    )
    bottom.set(ylabel="difference / %", xlabel="depth / mm", ylim=(-40, 40))
    figure.savefig(arguments.out, dpi=130, bbox_inches="tight")
    inside = seen & (reference > 0.1 * reference.max())
    for name, found in (("kernel", by_kernel), ("Monte Carlo", by_transport)):
        off = 100 * (found / reference - 1)[inside]
        print(f"{name}: {off.min():+.1f} to {off.max():+.1f} % where the dose is over a tenth of the highest")


if __name__ == "__main__":
    main()
