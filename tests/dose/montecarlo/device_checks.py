"""Follow histories on a CUDA device and on the processor, or compile the kernels; print what was found as JSON.

Run by test_device in a process of its own, as numba decides between its simulator and a device when it is imported:
``python device_checks.py compare <histories> <threads> <blocks> <histories of a launch>``, or
``python device_checks.py compile <compute capability, for example 75>``, which needs no device.
"""

import json
import sys
import warnings
from types import SimpleNamespace

import numpy as np

from lutetia.dose.montecarlo import follow
from lutetia.dose.montecarlo.device import launch
from lutetia.dose.montecarlo.follow import follow_electrons, follow_photons
from lutetia.dose.montecarlo.scene import region_scene
from lutetia.dose.montecarlo.source import Spectrum
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.emissions import Lines
from lutetia.physics.materials import material

SECOND = (np.array([-1, 0, -1], np.int32), np.array([0, 1, 0], np.uint8))


def two_parts():
    """Water beside bone, two regions and a slice in none."""
    grid = Grid(size=(6, 5, 4), spacing_mm=(10.0, 12.0, 15.0), origin_mm=(0.0, 0.0, 0.0))
    density, index, slot = (
        np.ones(grid.shape, np.float32),
        np.zeros(grid.shape, np.uint8),
        np.zeros(grid.shape, int),
    )
    density[:, :, 3:], index[:, :, 3:] = 1.6, 1
    slot[:, 2:], slot[0] = 1, -1
    media = [material("water"), material("cortical bone")]
    return region_scene(Volume(grid=grid, values=density, unit="g/mL"), index, media, slot, 2)


def lines(energy_mev):
    return Lines(energy_mev=np.array([energy_mev, 2 * energy_mev]), yield_per_decay=np.array([1.0, 0.5]))


def compare(n, threads, blocks, at_once):
    """Greatest differences of tallies, emitted and escaped energy, and the greatest tally."""
    launch.THREADS, launch.BLOCKS, launch.LAUNCH = threads, blocks, at_once
    scene = two_parts()
    common = {"scene": scene, "strength": np.ones(scene.grid.shape), "n_histories": n, "seed": 3}
    photons, electrons = common | {"lines": lines(0.2)}, common | {"lines": lines(0.3)}
    runs = {
        "track length": lambda device: follow_photons(**photons, device=device),
        "track length twice": lambda device: follow_photons(**photons, second=SECOND, device=device),
        "collision": lambda device: follow_photons(**photons, estimator="collision", device=device),
        "analog": lambda device: follow_photons(**photons, estimator="analog", device=device),
        "coupled": lambda device: follow_photons(**common, lines=lines(1.3), estimator="coupled", device=device),
        "electrons": lambda device: follow_electrons(**electrons, device=device),
        "positrons": lambda device: follow_electrons(**electrons, positrons=True, device=device),
    }
    found = {}
    for name, run in runs.items():
        here, there = run("cpu"), run("cuda")
        counts = [(here.tallies, there.tallies), (here.emitted, there.emitted), (here.escaped, there.escaped)]
        found[name] = [int(np.abs(a - b).max()) for a, b in counts] + [int(here.tallies.max())]
    return found


def compiled(capability):
    """Functions that the PTX of each kernel would have to find elsewhere."""
    import numba.cuda.dispatcher
    from numba import cuda, typeof, types

    from lutetia.dose.montecarlo.device import kernels

    # what device functions ask the driver for while they are compiled
    here = SimpleNamespace(compute_capability=capability)
    numba.cuda.dispatcher.get_current_device = lambda: here
    scene = two_parts()
    deposits, source, geometry = follow._prepared(
        scene, np.ones(scene.grid.shape), Spectrum.of_lines(lines(0.2)), 100, 1
    )
    photons = follow.cached_photon_tables(scene.materials, 3.0)
    blocks = follow.block_majorants(geometry, photons)
    third = dict.fromkeys(("coupled", "electrons"), follow.cached_electron_tables(scene.materials))
    numbers = (types.float64, types.int64, types.int64, types.int64, types.int64, types.uint64)
    missing = {}
    for name, kernel in kernels.KERNELS.items():
        tables = (photons.arrays, blocks, SECOND if name.endswith("twice") else third.get(name, ()))
        arrays = (*launch.arguments(np.array, source, geometry, tables), deposits.tallies, deposits.emitted)
        signature = (*numbers, *map(typeof, arrays), typeof(deposits.escaped))
        ptx, _ = cuda.compile(kernel.py_func, signature, cc=capability, device=False, abi="numba")
        missing[name] = [line for line in ptx.splitlines() if ".extern" in line]
    return missing


def main():
    """Do what the arguments say, write."""
    # the simulator computes with numpy's numbers, which tell when a random state wraps around
    warnings.filterwarnings("ignore", "overflow encountered")
    what, *numbers = sys.argv[1:]
    found = compare(*map(int, numbers)) if what == "compare" else compiled(divmod(int(numbers[0]), 10))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
