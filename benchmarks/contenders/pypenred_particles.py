"""penRed (PENELOPE's physics in C++) in the benchmark.

Every combination of composition, region and strength is a material of its own: that gives the program's own uncertainty
of regions, and sources that start in one of them. ``spheres`` in the settings, (radius [cm], number), asks for shells
around a point in an infinite medium instead; ``profile`` for slices across z. Times are the program's own: following
particles without reading materials and without writing results.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from bodies import ATOMIC_NUMBER, COMPOSITIONS, Body
from particles import KINDS, Followed, Program, run
from pyPenred import simulation

KPAR = {"photon": "gamma", "electron": "electron", "positron": "positron"}
EV = 1e6
LISTED = {"air": 104, "water": 278, "soft tissue": 263, "bone": 120}
"""Number in the program's own list, of the same composition."""
NOMINAL = {"air": 0.00120479, "water": 0.99821, "soft tissue": 1.0, "lung": 0.26, "bone": 1.85}
"""Density of the program's material [g/mL]; a voxel has a factor to it. Its water has the mean excitation energy of ICRU
Report 90 (78 eV; others have 75 eV, ranges are 0.4 % shorter). Lung is not listed: the program adds up its elements and
gets 69.7 instead of 75.3 eV."""
REGION_FILE = "regions-*materialEnergyDeposition.dat"
SOFT_LOSS_MEV = 0.01
"""WCC and WCR: losses above are made one by one."""
DEFLECTION = 0.1
"""C1 and C2, between detailed (0) and the coarsest that the program takes (0.2)."""


def numbered(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Which combination of material, region and strength a voxel is, and these combinations."""
    strength = body.strength if body.strength.size else np.zeros(body.material.shape)
    keys = np.stack([body.material.ravel(), body.region.ravel(), strength.ravel()], axis=1).astype(float)
    combinations, number = np.unique(keys, axis=0, return_inverse=True)
    return number.reshape(body.material.shape), combinations


def material_files(body: Body) -> list[str]:
    """Make what the program reads, in the working folder; with the mean excitation energy of ICRU 37 where listed."""
    names = []
    for name, _ in body.materials:
        file = f"{name.replace(' ', '_')}.mat"
        if not Path(file).exists() and name in LISTED:
            simulation.materials.createListed(LISTED[name], file)
        elif not Path(file).exists():
            parts = [(ATOMIC_NUMBER[symbol], part) for symbol, part in COMPOSITIONS[name].items()]
            simulation.materials.create(name, NOMINAL[name], parts, file)
        names.append(file)
    return names


def material_lines(file: str, number: int, settings: dict[str, Any]) -> Iterator[str]:
    """One material with its cut-offs."""
    electron, photon = settings["electron_cut_mev"] * EV, settings["photon_cut_mev"] * EV
    here = f"materials/m{number}"
    yield f"{here}/number {number}"
    yield f"{here}/eabs/electron {electron:g}"
    yield f"{here}/eabs/positron {electron:g}"
    yield f"{here}/eabs/gamma {photon:g}"
    yield f"{here}/C1 {DEFLECTION}"
    yield f"{here}/C2 {DEFLECTION}"
    yield f"{here}/WCC {min(electron, SOFT_LOSS_MEV * EV):g}"
    yield f"{here}/WCR {min(photon, SOFT_LOSS_MEV * EV):g}"
    yield f'{here}/filename "{file}"'


def places(body: Body) -> list[tuple[float, list[str]]]:
    """Share of the decays and spatial settings of every source."""
    if body.beam.size:
        lines = ['spatial/type "POINT"']
        return [(1.0, lines + [f"spatial/position/{a} {v:.9g}" for a, v in zip("xyz", body.beam, strict=False)])]
    number, combinations = numbered(body)
    found = []
    for index, (_, _, strength) in enumerate(combinations):
        if strength <= 0:
            continue
        corners = [(int(a.min()), int(a.max()) + 1) for a in np.nonzero(number == index)][::-1]
        lines = [f"source-material {index + 1}", 'spatial/type "BOX"']
        for axis, (low, high), d in zip("xyz", corners, body.spacing_cm, strict=True):
            lines += [f"spatial/size/d{axis} {(high - low) * d:.9g}"]
            lines += [f"spatial/position/{axis} {(high + low) * d / 2:.9g}"]
        found.append((float(strength * np.sum(number == index)), lines))
    total = sum(share for share, _ in found)
    return [(share / total, lines) for share, lines in found]


def source_lines(body: Body, settings: dict[str, Any]) -> Iterator[str]:
    """One source for every kind of particle and place."""
    emitted = sum(row[2] for rows in settings["radiations"].values() for row in rows)
    direction = body.beam[3:] if body.beam.size == 6 else (0.0, 0.0, 1.0)
    opening = 0.0 if body.beam.size == 6 else 180.0
    for place, (share, lines) in enumerate(places(body)):
        for kind in KINDS:
            rows = settings["radiations"].get(kind, ())
            if not rows:
                continue
            part = share * sum(row[2] for row in rows) / emitted
            here = f"sources/generic/{kind}{place}"
            yield f"{here}/nhist {max(1, round(part * settings['histories']))}"
            yield f'{here}/kpar "{KPAR[kind]}"'
            yield f'{here}/direction/type "SOLID_ANGLE"'
            yield from (f"{here}/direction/{a} {v:.9g}" for a, v in zip("uvw", direction, strict=True))
            yield f"{here}/direction/theta0 0.0"
            yield f"{here}/direction/theta1 {opening}"
            yield f"{here}/direction/phi0 0.0"
            yield f"{here}/direction/dphi 360.0"
            yield from (f"{here}/{line}" for line in lines)
            if len(rows) == 1 and rows[0][0] == rows[0][1]:
                yield f'{here}/energy/type "MONOENERGETIC"'
                yield f"{here}/energy/energy {rows[0][0] * EV:.9g}"
                continue
            low, high, number = ([row[i] for row in rows] for i in range(3))
            yield f'{here}/energy/type "INTERVALS"'
            yield f"{here}/energy/nintervals {len(rows)}"
            yield f"{here}/energy/lowE [{','.join(f'{v * EV:.9g}' for v in low)}]"
            yield f"{here}/energy/topE [{','.join(f'{v * EV:.9g}' for v in high)}]"
            yield f"{here}/energy/probabilities [{','.join(f'{v:.9g}' for v in number)}]"


def tally_bins(body: Body, settings: dict[str, Any]) -> tuple[int, int, int] | None:
    """Bins of the spatial tally along x, y, z."""
    nz, ny, nx = body.material.shape
    if settings.get("profile"):
        return 1, 1, nz
    return (nx, ny, nz) if settings["image"] else None


def configuration(body: Body, settings: dict[str, Any], files: list[str], run_number: int) -> str:
    """All that the program is told."""
    lines = list(source_lines(body, settings))
    spheres = settings.get("spheres")
    if spheres:
        lines += ['geometry/type "DUMMY"', 'tallies/shells/type "SPHERICAL_DOSE_DISTRIB"']
        radius = spheres[0] * body.materials[-1][1] / NOMINAL[body.materials[-1][0]]
        lines += ["tallies/shells/rmin 0.0", f"tallies/shells/rmax {radius:.9g}", f"tallies/shells/nr {spheres[1]}"]
        lines += ["tallies/shells/print-xyz false", *material_lines(files[-1], 1, settings)]
    else:
        _, combinations = numbered(body)
        lines += ['geometry/type "VOXEL"', 'geometry/filename "voxels.txt"', "geometry/ascii true"]
        lines += ["geometry/enclosure-margin 1.0", f"geometry/enclosure-material {len(combinations) + 1}"]
        if not settings.get("profile"):
            lines += ['tallies/regions/type "EDEP_MAT"', f"tallies/regions/nmat {len(combinations)}"]
        for index, (material, _, _) in enumerate(combinations):
            lines += material_lines(files[int(material)], index + 1, settings)
        lines += material_lines(files[0], len(combinations) + 1, settings)
        bins = tally_bins(body, settings)
        if bins:
            lines += ['tallies/dose/type "SPATIAL_DOSE_DISTRIB"', "tallies/dose/print-xyz false"]
            for axis, count, n, d in zip("xyz", bins, body.material.shape[::-1], body.spacing_cm, strict=True):
                lines += [f"tallies/dose/{axis}min 0.0", f"tallies/dose/{axis}max {n * d:.9g}"]
                lines += [f"tallies/dose/n{axis} {count}"]
    lines += [f"simulation/threads {settings['threads']}", "simulation/seed1 1", "simulation/seed2 1"]
    lines += [f"simulation/seedPair {(settings['seed'] * 37 + run_number) % 1000}"]
    lines += ["simulation/dump-interval 1e32", "simulation/finalDump false", "simulation/verbose 2"]
    return "\n".join(lines) + "\n"


def write_voxels(body: Body) -> None:
    """The geometry: material number and density factor of every voxel, x fastest."""
    number, combinations = numbered(body)
    factors = [density / NOMINAL[name] for name, density in body.materials]
    texts = np.array([f"{i + 1} {factors[int(key[0])]:.9g}" for i, key in enumerate(combinations)])
    size = " ".join(str(n) for n in number.shape[::-1])
    spacing = " ".join(f"{d:.9g}" for d in body.spacing_cm)
    Path("voxels.txt").write_text(f"{size}\n{spacing}\n" + "\n".join(texts[number.ravel()]) + "\n")


def region_energies(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Energy and standard uncertainty of the regions from the tally of materials; the file tells two of them. [MeV]"""
    _, combinations = numbered(body)
    file = next(iter(Path.cwd().glob(REGION_FILE)))
    rows = np.loadtxt(file, ndmin=2)[: len(combinations)]
    energy, variance = np.zeros(len(body.regions)), np.zeros(len(body.regions))
    for (_, region, _), (_, mean, doubled) in zip(combinations, rows, strict=True):
        if region >= 0:
            energy[int(region)] += mean / EV
            variance[int(region)] += (doubled / 2 / EV) ** 2
    return energy, np.sqrt(variance)


def arrays_of(result: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values and standard uncertainties of a tally, wherever the answer holds them."""
    while isinstance(result, (tuple, list)) and not isinstance(result[0], np.ndarray):
        result = result[0]
    if hasattr(result, "data"):
        return arrays_of(result.data())
    return np.asarray(result[0], float).ravel(), np.asarray(result[1], float).ravel()


def build(body: Body, settings: dict[str, Any]) -> Program:
    """Materials and voxels as files beside the result; everything else is told anew for every run."""
    os.chdir(Path(sys.argv[2]).resolve().parent)
    simulation.setConfigurationLog("configuration.log")
    files = material_files(body)
    if settings.get("profile"):
        body = replace(body, region=np.full_like(body.region, -1))
    if not settings.get("spheres"):
        write_voxels(body)
    emitted = sum(row[2] for rows in settings["radiations"].values() for row in rows)

    def follow(number: int) -> Followed:
        log = Path(f"simulation_{number}.log")
        simulation.setSimulationLog(str(log))
        told = Path("configuration.in")
        told.write_text(configuration(body, settings, files, number))
        for left in Path.cwd().glob(REGION_FILE):
            left.unlink()
        simulator = simulation.create()
        simulator.configFromFile(str(told))
        simulator.simulate(False)
        text = log.read_text(errors="replace")
        rate = float(re.findall(r"Histories per second: ([\d.eE+]+)", text)[-1])
        busy = float(re.findall(r"Simulation user time: ([\d.eE+]+)", text)[-1])
        histories = int(float(re.findall(r"Simulated histories: ([\d.eE+]+)", text)[-1]))
        region, u, image, image_u = _energies(body, settings, simulator)
        return Followed(
            region_mev=region * emitted, region_u_mev=u * emitted, wall_s=histories / rate, processor_s=busy,
            histories=histories, image_mev=image * emitted, image_u_mev=image_u * emitted,
        )  # fmt: skip

    notes = f"C1 = C2 = {DEFLECTION}, WCC = WCR = {SOFT_LOSS_MEV * 1e3:g} keV or the cut-off"
    return Program(versions={"pypenred": version("pypenred")}, follow=follow, notes=notes)


def _told_mass(body: Body) -> np.ndarray:
    """Mass that the program divides a voxel's energy by. [g]"""
    return np.asarray(body.density * np.prod(body.spacing_cm))


def _energies(body: Body, settings: dict[str, Any], simulator: Any) -> tuple[np.ndarray, ...]:
    """Regions with uncertainty and the image with uncertainty. [MeV]"""
    none = np.empty(0)
    if settings.get("spheres"):
        radius, count = settings["spheres"]
        name, density = body.materials[-1]
        edges = np.linspace(0.0, radius * density / NOMINAL[name], count + 1)
        mass = 4 / 3 * np.pi * np.diff(edges**3) * NOMINAL[name]
        value, u = arrays_of(simulator.getResults(["shells"])["shells"])
        return value * mass / EV, u * mass / EV, none, none
    if settings.get("profile"):
        value, u = arrays_of(simulator.getResults(["dose"])["dose"])
        mass = _told_mass(body).sum(axis=(1, 2))
        return value * mass / EV, u * mass / EV, none, none
    region, region_u = region_energies(body)
    if not settings["image"]:
        return region, region_u, none, none
    value, u = arrays_of(simulator.getResults(["dose"])["dose"])
    mass = _told_mass(body)
    return region, region_u, value.reshape(mass.shape) * mass / EV, u.reshape(mass.shape) * mass / EV


if __name__ == "__main__":
    run(build)
