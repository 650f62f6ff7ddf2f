"""Make the table of electron energy absorbed around a point in water with Lutetia's own transport.

    ./run python tools/data/water_electron_kernel.py [histories]

Writes src/lutetia/dose/data/water_electron_kernel/absorbed_fraction.csv: cumulative fraction of the energy absorbed
within a distance, given in ranges of the electron, by energy.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from lutetia.dose.montecarlo.electrons.point import electron_absorbed_by_distance
from lutetia.physics.materials import material

ENERGIES_MEV = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0)
EDGES = np.linspace(0, 1.2, 121)
TARGET = Path(__file__).parents[2] / "src/lutetia/dose/data/water_electron_kernel/absorbed_fraction.csv"
SEED = 20260302


def main() -> None:
    """Run all energies and write the table."""
    histories = int(float(sys.argv[1])) if len(sys.argv) > 1 else 100_000
    columns = []
    for energy in ENERGIES_MEV:
        fraction, u, radiated = electron_absorbed_by_distance(
            material=material("water"), energy_mev=energy, edges=EDGES, n_histories=histories, seed=SEED
        )
        cumulative = np.cumsum(fraction)
        print(
            f"{energy:5.2f} MeV  in all {cumulative[-1]:.6f}  radiated {radiated:.6f}  "
            f"u of the cumulative {np.sqrt(np.sum(u**2)):.5f}  "
            f"mean distance {float(fraction @ (EDGES[1:] + EDGES[:-1]) / 2):.4f} ranges"
        )
        columns.append(cumulative)
    with TARGET.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["distance [ranges]", *(f"{e} MeV" for e in ENERGIES_MEV)])
        for i, edge in enumerate(EDGES[1:]):
            writer.writerow([f"{edge:.2f}", *(f"{column[i]:.6f}" for column in columns)])


if __name__ == "__main__":
    main()
