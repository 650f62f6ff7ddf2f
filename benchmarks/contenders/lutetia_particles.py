"""Lutetia in the Monte Carlo benchmark, through the functions that every user calls.

``method`` in the settings: an estimator of photons ("track length", "collision", "analog", "coupled"), "electrons", or
"nuclide" with ``nuclide`` and ``relative_uncertainty``. Cut-offs are the program's own.
"""

import time
from importlib.metadata import version
from typing import Any

import numba
import numpy as np
from bodies import COMPOSITIONS, Body
from particles import Followed, Program, region_sums, run

from lutetia.dose.montecarlo.follow import follow_electrons, follow_photons
from lutetia.dose.montecarlo.nuclide import nuclide_deposits
from lutetia.dose.montecarlo.scene import Scene, region_scene, voxel_scene
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.emissions import Lines
from lutetia.physics.materials import Material
from lutetia.units import CM_PER_MM

NAMES = {"bone": "cortical bone"}
"""Where the program has another name for a tissue of the same composition."""


def materials_of(body: Body) -> list[Material]:
    """The compositions that all contenders get; elements renormalised to a sum of one."""
    found = []
    for name, density in body.materials:
        total = sum(COMPOSITIONS[name].values())
        parts = {symbol: part / total for symbol, part in COMPOSITIONS[name].items()}
        found.append(
            Material(
                name=NAMES.get(name, name), density_g_per_ml=density, mass_fractions=parts, source="PEGS4 of EGSnrc"
            )
        )
    return found


def scene_of(body: Body, voxels: bool) -> Scene:
    """Scene whose tallies are voxels or regions."""
    spacing = tuple(float(d) / CM_PER_MM for d in body.spacing_cm)
    nz, ny, nx = body.material.shape
    density = Volume(
        grid=Grid(size=(nx, ny, nz), spacing_mm=spacing, origin_mm=(0.0, 0.0, 0.0)),
        values=body.density.astype(np.float32),
        unit="g/mL",
    )
    if voxels:
        return voxel_scene(density, body.material, materials_of(body))
    return region_scene(density, body.material, materials_of(body), body.region, len(body.regions))


def lines_of(rows: list[list[float]]) -> Lines:
    """Lines of the middle energies."""
    low, high, number = np.array(rows, dtype=float).T
    order = np.argsort(low + high)
    return Lines(energy_mev=0.5 * (low + high)[order], yield_per_decay=number[order])


def deposits(scene: Scene, body: Body, settings: dict[str, Any], seed: int) -> tuple[Any, int]:
    """What one run yields, and how many histories it took."""
    common = {"scene": scene, "strength": body.strength, "seed": seed}
    method, radiations = settings["method"], settings["radiations"]
    if method == "nuclide":
        found = nuclide_deposits(
            nuclide=settings["nuclide"],
            relative_uncertainty=settings["relative_uncertainty"],
            slots=settings.get("slots"),
            **common,
        )
        return found, found.n_histories
    n = settings["histories"]
    if method == "electrons":
        return follow_electrons(lines=lines_of(radiations["electron"]), n_histories=n, **common), n
    found = follow_photons(lines=lines_of(radiations["photon"]), n_histories=n, estimator=method, **common)
    return found, n


def build(body: Body, settings: dict[str, Any]) -> Program:
    """Load the data; what is compiled is on disk already or is part of the first run."""
    numba.set_num_threads(settings["threads"])
    voxels = bool(settings["image"])
    scene = scene_of(body, voxels)

    def follow(number: int) -> Followed:
        start, busy = time.perf_counter(), time.process_time()
        found, n = deposits(scene, body, settings, settings["seed"] * 1000 + number)
        wall_s, processor_s = time.perf_counter() - start, time.process_time() - busy
        energy, u = np.asarray(found.energy_mev), np.asarray(found.standard_uncertainty_mev)
        region, region_u, image, image_u = energy, u, np.empty(0), np.empty(0)
        if voxels:
            image, image_u = energy.reshape(body.material.shape), u.reshape(body.material.shape)
            region = region_sums(body, image)
            region_u = np.zeros_like(region)
        return Followed(
            region_mev=region, region_u_mev=region_u, wall_s=wall_s, processor_s=processor_s, histories=n,
            image_mev=image, image_u_mev=image_u,
        )  # fmt: skip

    told = {name: version(name) for name in ("lutetia", "numba", "numpy")}
    return Program(versions=told, follow=follow, notes=settings["method"])


if __name__ == "__main__":
    run(build)
