"""Figure of docs/methods/small_scale.md: what spheres of 10 um to 10 mm keep of alphas and of electrons.

python tools/docs/alpha_spheres.py docs/images/alpha_spheres.png
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from lutetia.dose.small_scale.cell import chain_members
from lutetia.dose.sphere import concentric_absorbed
from lutetia.physics.emissions import emissions

DIAMETERS_UM = np.geomspace(10.0, 10000.0, 61)
ALPHAS = (("Ac-225", "#0072b2"), ("Fr-221", "#56b4e9"), ("At-217", "#009e73"), ("Po-213", "#cc79a7"))
ELECTRONS = (("Lu-177", "#d55e00"), ("Y-90", "#e69f00"))
MILLIGRAM_UM = 1e4 * (6e-3 / np.pi) ** (1 / 3)


def shares(nuclide: str, kind: str) -> np.ndarray:
    """Absorbed over emitted energy in each sphere."""
    emitted = getattr(emissions(nuclide), f"{kind}_energy_mev")
    found = []
    for diameter in DIAMETERS_UM:
        radius = diameter * 1e-4 / 2
        absorbed = concentric_absorbed(
            nuclide=nuclide, source_inner_cm=0.0, source_outer_cm=radius, target_radius_cm=radius
        )
        found.append((absorbed.alpha if kind == "alpha" else absorbed.electrons) / emitted)
    return np.array(found)


def chain() -> np.ndarray:
    """Share of all alpha energy of the chain of 225Ac."""
    members = {n: k for n, k in chain_members("Ac-225", 8.64e6).items() if emissions(n).alpha_energy_mev > 0}
    energy = {n: k * emissions(n).alpha_energy_mev for n, k in members.items()}
    return sum(energy[n] * shares(n, "alpha") for n in members) / sum(energy.values())


def main() -> None:
    """Compute, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    figure, axes = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
    whole = chain()
    axes.semilogx(DIAMETERS_UM, 100 * whole, "k", lw=2.5, label="alphas of 225Ac and progeny")
    for nuclide, colour in ALPHAS:
        axes.semilogx(
            DIAMETERS_UM, 100 * shares(nuclide, "alpha"), color=colour, lw=1, label=f"alphas of {nuclide}"
        )
    for nuclide, colour in ELECTRONS:
        share = shares(nuclide, "electron")
        axes.semilogx(DIAMETERS_UM, 100 * share, "--", color=colour, lw=2, label=f"electrons of {nuclide}")
        print(nuclide, [f"{100 * np.interp(d, DIAMETERS_UM, share):.1f}" for d in (10, 100, 1000, 10000)])
    print("chain", [f"{100 * np.interp(d, DIAMETERS_UM, whole):.1f}" for d in (10, 100, 1000, 10000)])
    axes.axvline(MILLIGRAM_UM, color="0.6", lw=1)
    axes.text(MILLIGRAM_UM * 1.06, 32, "1 mg", ha="left", color="0.4", fontsize=9)
    axes.set(xlabel="diameter of the sphere / um", ylabel="absorbed share of the emitted energy / %", ylim=(0, 101))
    axes.grid(which="major", color="0.9")
    axes.legend(fontsize=8, loc="upper left")
    figure.savefig(arguments.out, dpi=110)


if __name__ == "__main__":
    main()
