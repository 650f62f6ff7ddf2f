"""Make the table of photon energy absorbed around a point in water with Lutetia's own transport.

    ./run python tools/data/water_photon_kernel.py [histories]

Writes src/lutetia/dose/data/water_photon_kernel/absorbed_fraction.csv: cumulative fraction of the photon energy
absorbed within a distance, given in mean free paths (without coherent scattering), by energy.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from lutetia.dose.montecarlo.photons.point import absorbed_by_distance
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.physics.materials import material

ENERGIES_MEV = (0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.662,
                0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)  # fmt: skip
PATHS = np.concatenate([[0.0], np.geomspace(0.01, 20.0, 80)])
TARGET = Path(__file__).parents[2] / "src/lutetia/dose/data/water_photon_kernel/absorbed_fraction.csv"
SEED = 20260301


def main() -> None:
    """Run all energies and write the table."""
    histories = int(float(sys.argv[1])) if len(sys.argv) > 1 else 6_000_000
    water = material("water")
    rows = []
    for energy in ENERGIES_MEV:
        mu = float(
            mass_attenuation_cm2_per_g(water, energy)
            - mass_attenuation_cm2_per_g(water, energy, process="coherent")
        )
        fraction, u = absorbed_by_distance(
            material=water, energy_mev=energy, edges_cm=PATHS / mu, n_histories=histories, seed=SEED
        )
        cumulative = np.cumsum(fraction)
        worst = np.max(u[:50] / np.maximum(fraction[:50], 1e-12))
        print(f"{energy:6.3f} MeV  within 20 mfp {cumulative[-1]:.5f}  largest relative u {worst:.4f}")
        rows.append(cumulative)
    with TARGET.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["distance [mean free paths]", *(f"{e} MeV" for e in ENERGIES_MEV)])
        for i, path in enumerate(PATHS[1:]):
            writer.writerow([f"{path:.6g}", *(f"{row[i]:.6g}" for row in rows)])


if __name__ == "__main__":
    main()
