"""Compare the CUDA projector with the processor's and print the differences as JSON.

Run by test_cuda in a process of its own, as numba decides between its simulator and a device when it is imported:
``python cuda_checks.py <edge in voxels> <views> [threads in z] [threads in columns]``.
"""

import json
import sys
from dataclasses import replace

import numpy as np

from lutetia.images.volume import Volume
from lutetia.recon.camera import Camera, SeptalTail
from lutetia.recon.cuda import on_device
from lutetia.recon.orbit import Orbit
from lutetia.recon.osem import osem
from lutetia.recon.projector import spect_system

RADIUS_MM = 50.0


def make_system(n, views, *, attenuates, slope, tail=None):
    """Small camera; the slices are fewer than the columns, the views stand at unlike distances."""
    orbit = Orbit(
        angle_rad=np.deg2rad(10 + np.arange(views) * 360 / views),
        radius_mm=np.linspace(2.2, 2.6, views) * RADIUS_MM,
        frame_duration_s=np.linspace(1.0, 2.0, views),
        pixel_mm=(2 * RADIUS_MM / n, 1.6 * RADIUS_MM / n),
        centre_mm=(1.0, -2.0, 0.0),
        n_rows=2 * n // 3,
        n_columns=n,
    )
    grid = orbit.grid()
    y, x = (grid.origin_mm[a] + np.arange(n) * grid.spacing_mm[0] for a in (1, 0))
    body = ((x[None, :] - 1) / 22) ** 2 + ((y[:, None] + 2) / 15) ** 2 <= 1
    usable = np.ones((orbit.n_rows, n), bool)
    usable[0] = False
    camera = None
    if slope is not None:
        camera = Camera(name="t", intrinsic_fwhm_mm=1.0, intercept_mm=0.5, slope=slope, tail=tail)
    return spect_system(
        orbit=orbit,
        camera=camera,
        attenuation=Volume(grid=grid, values=0.15 * np.broadcast_to(body, grid.shape), unit="1/cm")
        if attenuates
        else None,
        support=body,
        usable=usable,
    )


def apart(a, b):
    """Largest difference over the largest value."""
    return float(np.abs(a - b).max() / np.abs(b).max())


def compare(system, gpu):
    """Differences of projections and backprojections, and how far the device's two are from transposes."""
    rng = np.random.default_rng(4)
    nx, ny, nz = system.grid.size
    views = np.arange(system.n_views)[::-1].copy()
    image = rng.random((ny, nx, nz), np.float32) * system.support[:, :, None]
    counts = rng.random((views.size, system.orbit.n_columns, nz), np.float32)
    there, back = gpu.project(image, views), gpu.backproject(counts, views, gpu.scratch())
    left, right = np.vdot(there.astype(float), counts), np.vdot(image.astype(float), back.astype(float))
    return {
        "forward": apart(there, system.project(image, views)),
        "adjoint": apart(back, system.backproject(counts, views)),
        "transpose": float(abs(left / right - 1)),
        "columns": float(np.diff(system.tables[0].spans[:, :2]).min() / system.orbit.n_columns),
        "passes": int(system.tables[0].passes.max()),
        "components": len(gpu.components),
    }


def reconstruct(system, gpu):
    """Difference of two iterations of two subsets on noisy counts with scatter."""
    rng = np.random.default_rng(5)
    truth = 40.0 * rng.random(system.grid.shape)
    expected = system.forward(truth)
    counts = rng.poisson(expected).astype(np.float32) * system.usable
    scatter = 0.1 * expected
    here, there = (osem(s, counts, scatter=scatter, iterations=2, subsets=2).image for s in (system, gpu))
    return apart(there, here)


def main():
    """Compare all, write."""
    sys.setswitchinterval(1e-5)  # the simulator's threads wait for each other at every plane
    n, views, *block = (int(a) for a in sys.argv[1:])
    found = {}
    tail = SeptalTail(share=0.3, intercept_mm=3.0, slope=0.05)
    models = (
        ("plain", False, None, None), ("full", True, 0.02, None), ("wide", True, 0.4, None), ("tail", True, 0.02, tail)
    )  # fmt: skip
    for name, attenuates, slope, septal in models:
        system = make_system(n, views, attenuates=attenuates, slope=slope, tail=septal)
        gpu = on_device(system, "cuda")
        gpu = replace(gpu, block=tuple(block)) if block else gpu
        for plane in gpu.planes:  # what stood there before must not matter
            plane.copy_to_device(np.full(plane.shape, np.nan, np.float32))
        found[name] = compare(system, gpu)
        if name == "full":
            found["osem"] = reconstruct(system, gpu)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
