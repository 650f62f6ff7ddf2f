"""Lutetia in the Monte Carlo benchmark, through the functions that every user calls.

``method`` in the settings: an estimator of photons ("track length", "collision", "analog", "coupled"), "electrons",
"nuclide" with ``nuclide``, four histories of its electrons for each of its photons, or "dose map", the map that a patient
gets, with as many histories as ``goal`` needs. Cut-offs are the program's own.
"""

import time
from importlib.metadata import version
from typing import Any

import numba
import numpy as np
from bodies import COMPOSITIONS, Body
from particles import Followed, Program, region_sums, run

from lutetia.dose.montecarlo.dose_map import Goal, absorbed_dose_by_monte_carlo
from lutetia.dose.montecarlo.follow import follow_electrons, follow_photons
from lutetia.dose.montecarlo.nuclide import local_energy_mev, staying_electron_mev
from lutetia.dose.montecarlo.photons.tables import CUTOFF_MEV
from lutetia.dose.montecarlo.scene import Scene, region_scene, voxel_scene
from lutetia.dose.montecarlo.source import Spectrum, electron_spectrum
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.emissions import Lines, emissions
from lutetia.physics.materials import Material
from lutetia.units import CM_PER_MM, GY_PER_MEV_PER_G

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


def density_of(body: Body) -> Volume:
    """Densities on the program's grid."""
    spacing = tuple(float(d) / CM_PER_MM for d in body.spacing_cm)
    nz, ny, nx = body.material.shape
    grid = Grid(size=(nx, ny, nz), spacing_mm=spacing, origin_mm=(0.0, 0.0, 0.0))
    return Volume(grid=grid, values=body.density.astype(np.float32), unit="g/mL")


def scene_of(body: Body, voxels: bool) -> Scene:
    """Scene whose tallies are voxels or regions."""
    density = density_of(body)
    if voxels:
        return voxel_scene(density, body.material, materials_of(body))
    return region_scene(density, body.material, materials_of(body), body.region, len(body.regions))


def lines_of(rows: list[list[float]]) -> Lines:
    """Lines of the middle energies."""
    low, high, number = np.array(rows, dtype=float).T
    order = np.argsort(low + high)
    return Lines(energy_mev=0.5 * (low + high)[order], yield_per_decay=number[order])


def nuclide_energy(scene: Scene, body: Body, settings: dict[str, Any], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Energy per decay in every slot and its standard uncertainty, all radiation of a nuclide. [MeV]"""
    found = emissions(settings["nuclide"])
    photons = Spectrum.of_lines(found.photons).above(CUTOFF_MEV)
    electrons = electron_spectrum(found).above(staying_electron_mev(scene))
    common = {"scene": scene, "strength": body.strength, "seed": seed}
    n = settings["histories"]
    parts = [follow_electrons(lines=electrons, n_histories=n, **common)]
    if photons.total_yield > 0:
        parts.append(follow_photons(lines=photons, n_histories=n // 4, **common))
    local = local_energy_mev(found, photons, electrons)
    energy = local * body.strength.ravel() / body.strength.sum(dtype=np.float64)
    variance = np.zeros_like(energy)
    for part in parts:
        energy = energy + part.energy_mev
        variance += part.standard_uncertainty_mev**2
    return energy, np.sqrt(variance)


def mapped_energy(body: Body, settings: dict[str, Any], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Energy per decay in every voxel of the dose map that a patient gets, and its standard uncertainty. [MeV]"""
    density = density_of(body)
    decays = 1e9
    share = body.strength / body.strength.sum(dtype=np.float64) * (decays / density.grid.voxel_ml)
    run = absorbed_dose_by_monte_carlo(
        time_integrated_activity={settings["nuclide"]: Volume(grid=density.grid, values=share, unit="Bq s/mL")},
        density=density, material_index=body.material, materials=materials_of(body),
        goal=Goal(voxel_relative_uncertainty=settings["goal"]), seed=seed,
    )  # fmt: skip
    per_decay = density.values * (density.grid.voxel_ml / GY_PER_MEV_PER_G / decays)
    return (run.dose.values * per_decay).ravel(), (run.uncertainty.values * per_decay).ravel()


def energies(scene: Scene, body: Body, settings: dict[str, Any], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What one run yields: energy per decay in every slot and its standard uncertainty. [MeV]"""
    method, radiations, n = settings["method"], settings["radiations"], settings["histories"]
    if method == "dose map":
        return mapped_energy(body, settings, seed)
    if method == "nuclide":
        return nuclide_energy(scene, body, settings, seed)
    common = {"scene": scene, "strength": body.strength, "seed": seed, "n_histories": n}
    common["device"] = settings.get("device", "cpu")
    if method == "electrons":
        found = follow_electrons(lines=lines_of(radiations["electron"]), **common)
    else:
        found = follow_photons(lines=lines_of(radiations["photon"]), estimator=method, **common)
    return found.energy_mev, found.standard_uncertainty_mev


def build(body: Body, settings: dict[str, Any]) -> Program:
    """Load the data; what is compiled is on disk already or is part of the first run."""
    numba.set_num_threads(settings["threads"])
    voxels = bool(settings["image"])
    scene = scene_of(body, voxels)

    def follow(number: int) -> Followed:
        start, busy = time.perf_counter(), time.process_time()
        energy, u = energies(scene, body, settings, settings["seed"] * 1000 + number)
        wall_s, processor_s = time.perf_counter() - start, time.process_time() - busy
        region, region_u, image, image_u = energy, u, np.empty(0), np.empty(0)
        if voxels:
            image, image_u = energy.reshape(body.material.shape), u.reshape(body.material.shape)
            region = region_sums(body, image)
            region_u = np.zeros_like(region)
        return Followed(
            region_mev=region, region_u_mev=region_u, wall_s=wall_s, processor_s=processor_s,
            histories=settings["histories"],
            image_mev=image, image_u_mev=image_u,
        )  # fmt: skip

    told = {name: version(name) for name in ("lutetia", "numba", "numpy")}
    return Program(versions=told, follow=follow, notes=settings["method"])


if __name__ == "__main__":
    run(build)
