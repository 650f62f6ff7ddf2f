"""Lutetia in the benchmark: its projector and OSEM through the functions that every user calls."""

from importlib.metadata import version

import numba
import numpy as np
from measure import Contender, run

from lutetia.images.volume import Volume
from lutetia.recon.attenuation import activity_support
from lutetia.recon.camera import FWHM_PER_SIGMA, Camera
from lutetia.recon.orbit import Orbit
from lutetia.recon.osem import osem
from lutetia.recon.projector import SpectSystem, spect_system


def system_of(problem: dict) -> SpectSystem:
    """Forward model. The intrinsic width is zero, so that the response is linear in the distance as the peers'."""
    views, rows, columns = problem["shape"]
    orbit = Orbit(
        angle_rad=problem["angle_rad"],
        radius_mm=np.full(views, problem["radius_mm"]),
        frame_duration_s=np.ones(views),
        pixel_mm=(problem["pixel_mm"], problem["pixel_mm"]),
        centre_mm=(0.0, 0.0, 0.0),
        n_rows=rows,
        n_columns=columns,
    )
    camera = Camera(
        name="benchmark",
        intrinsic_fwhm_mm=0.0,
        intercept_mm=problem["sigma_at_face_mm"] * FWHM_PER_SIGMA,
        slope=problem["sigma_slope"] * FWHM_PER_SIGMA,
    )
    grid = orbit.grid()
    mu = Volume(grid=grid, values=problem["mu_per_cm"], unit="1/cm")
    support = None
    if problem["use_support"]:
        support = activity_support(grid, orbit, problem["counts"], mu)
    return spect_system(orbit=orbit, camera=camera, attenuation=mu, support=support)


def build(problem: dict) -> Contender:
    """Load the data; the threads are set by the environment."""
    numba.set_num_threads(problem["threads"])
    system = system_of(problem)
    image = system.to_native(problem["activity"])
    views, counts = np.arange(system.n_views), problem["counts"]
    native = system.to_native_projections(counts)
    return Contender(
        versions={"lutetia": version("lutetia"), "numba": numba.__version__, "numpy": np.__version__},
        forward=lambda: system.project(image, views),
        backward=lambda: system.backproject(native, views),
        osem=lambda: osem(system, counts, iterations=problem["iterations"], subsets=len(problem["groups"])).image,
        image=lambda image: image,
        projections=system.from_native_projections,
        notes="body and silhouette only" if problem["use_support"] else "whole field of view",
    )


if __name__ == "__main__":
    run(build)
