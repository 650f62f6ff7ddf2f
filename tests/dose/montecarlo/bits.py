"""Writes a digest of every kind of run on 1, 2 and 8 threads: started in a process that has eight of them."""

import hashlib
import sys
from pathlib import Path

import numba
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from conftest import MATERIALS, layers, source, volume
from lutetia.dose.montecarlo.dose_map import Goal, absorbed_dose_by_monte_carlo
from lutetia.dose.montecarlo.follow import follow_electrons, follow_photons
from lutetia.dose.montecarlo.scene import voxel_scene
from lutetia.physics.emissions import Lines

LINES = Lines(energy_mev=np.array([0.113, 1.5]), yield_per_decay=np.array([0.5, 0.5]))


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:16]


def runs(seed: int) -> dict[str, str]:
    density, index = layers()
    rho = volume(density, "g/mL")
    given = {"scene": voxel_scene(rho, index, MATERIALS), "strength": source(), "lines": LINES, "seed": seed}
    found = {}
    for estimator in ("track length", "collision", "analog", "coupled"):
        run = follow_photons(**given, n_histories=2000, estimator=estimator)
        found[estimator] = digest(run.tallies, run.escaped)
    run = follow_electrons(**given, n_histories=400)
    found["electrons"] = digest(run.tallies, run.escaped)
    run = follow_electrons(**given, n_histories=400, positrons=True)
    found["positrons"] = digest(run.tallies, run.escaped)
    dose = absorbed_dose_by_monte_carlo(
        time_integrated_activity={"Lu-177": volume(source() * 1e9, "Bq s/mL")}, density=rho, material_index=index,
        materials=MATERIALS, goal=Goal(relative_uncertainty=0.5), seed=seed,
    )  # fmt: skip
    found["dose map"] = digest(dose.dose.values, dose.batches)
    return found


if __name__ == "__main__":
    for threads in (1, 2, 8):
        numba.set_num_threads(threads)
        for name, value in runs(3).items():
            sys.stdout.write(f"{threads},3,{name},{value}\n")
    for name, value in runs(4).items():
        sys.stdout.write(f"8,4,{name},{value}\n")
