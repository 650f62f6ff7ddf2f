"""Photon cross sections per element and process for lutetia.physics, from the NIST XCOM tables.

Total cross sections: the XCOM tables (NIST Standard Reference Database 8) as re-tabulated in the data files
``xcom_photo, xcom_rayleigh, xcom_compton, xcom_pair, xcom_triplet`` of EGSnrc, obtained from the wheel of
ompmc 0.4.0. Only numbers are taken: interpolated log-log on our own grid, with both sides of every edge kept.
Mean energy transfer in incoherent scattering (Klein-Nishina times incoherent scattering function) and K
fluorescence: xraylib 4.3.0 (BSD), of which only the scattering function, edges and yields are used.

    pip install xraylib==4.3.0 numpy; pip download --no-deps ompmc==0.4.0; unzip it
    python tools/data/nist_xcom.py <folder of xcom_*.data> src/lutetia/physics/data/nist_xcom
"""

import csv
import sys
from pathlib import Path

import numpy as np
import xraylib

ELEMENTS = (  # noqa: SIM905
    "H C N O Na Mg Al Si P S Cl Ar K Ca Ti V Cr Mn Fe Co Ni Cu Zn Mo Ag Cd Sn Te I Ba Gd Ta W Pt Au Hg Pb"
).split()
PROCESSES = {
    "photoelectric": "xcom_photo",
    "incoherent": "xcom_compton",
    "coherent": "xcom_rayleigh",
    "pair_nuclear": "xcom_pair",
    "pair_electron": "xcom_triplet",
}
LOWEST_MEV, HIGHEST_MEV, POINTS = 0.001, 3.0, 121
ELECTRON_MASS_KEV = 510.99895
AVOGADRO_PER_BARN = 0.602214076


def read_xcom(path: Path) -> dict[int, np.ndarray]:
    """Z -> (n, 2) of ln(energy/MeV), ln(cross section/barn)."""
    numbers = np.array(path.read_text().split(), dtype=float)
    tables, at = {}, 0
    for z in range(1, 101):
        n = int(numbers[at])
        tables[z] = numbers[at + 1 : at + 1 + 2 * n].reshape(n, 2)
        at += 1 + 2 * n
    return tables


def energies_mev(photo: np.ndarray) -> np.ndarray:
    """A logarithmic grid that has both sides of each absorption edge (equal energies in the table)."""
    edges = np.exp(photo[:-1, 0][np.diff(photo[:, 0]) < 2.0e-5])
    edges = edges[(edges > LOWEST_MEV * 1.001) & (edges < HIGHEST_MEV)]
    grid = np.geomspace(LOWEST_MEV, HIGHEST_MEV, POINTS)
    return np.sort(np.concatenate([grid, edges * (1 - 1e-6), edges * (1 + 1e-6)]))


def cross_section_barn(table: np.ndarray, energy_mev: np.ndarray) -> np.ndarray:
    """Log-log interpolation; zero below a threshold."""
    ln_e = table[:, 0].copy()
    ln_e[1:][np.diff(ln_e) < 2.0e-5] += 1.0e-9
    ln_s = np.interp(np.log(energy_mev), ln_e, table[:, 1])
    return np.where(np.log(energy_mev) < ln_e[0] - 1e-4, 0.0, np.exp(ln_s))


def scattering_function(z: int, momentum_per_angstrom: float) -> float:
    """Incoherent scattering function; all electrons are free beyond the end of its table."""
    try:
        return float(xraylib.SF_Compt(z, momentum_per_angstrom))
    except ValueError:
        return float(z)


def transfer_fraction(z: int, energy_mev: float) -> float:
    """Mean fraction of the photon's energy given to the electron in incoherent scattering."""
    cosine, weight = np.polynomial.legendre.leggauss(128)
    k = energy_mev * 1e3 / ELECTRON_MASS_KEV
    ratio = 1.0 / (1.0 + k * (1.0 - cosine))
    klein_nishina = ratio**2 * (ratio + 1.0 / ratio - 1.0 + cosine**2)
    momentum = energy_mev * 1e3 / 12.39841984 * np.sqrt((1.0 - cosine) / 2.0)
    bound = np.array([scattering_function(z, float(q)) for q in momentum])
    density = weight * klein_nishina * bound
    return float(np.sum(density * (1.0 - ratio)) / np.sum(density))


def fluorescence(z: int) -> tuple[float, float]:
    """K edge [MeV] and mean K x-ray energy emitted per photoelectric event above it [MeV]."""
    edge = xraylib.EdgeEnergy(z, xraylib.K_SHELL)
    try:
        yield_k, jump = xraylib.FluorYield(z, xraylib.K_SHELL), xraylib.JumpFactor(z, xraylib.K_SHELL)
        mean = xraylib.LineEnergy(z, xraylib.KA_LINE)
    except ValueError:
        return edge * 1e-3, 0.0
    return edge * 1e-3, (1.0 - 1.0 / jump) * yield_k * mean * 1e-3


def main(source: Path, target: Path) -> None:
    """Write cross_sections.csv and elements.csv."""
    tables = {process: read_xcom(source / f"{name}.data") for process, name in PROCESSES.items()}
    target.mkdir(parents=True, exist_ok=True)
    with (
        (target / "cross_sections.csv").open("w", newline="") as sections,
        (target / "elements.csv").open("w", newline="") as elements,
    ):
        sections.write(
            "# Mass attenuation per process [cm2/g]; mean energy transfer fraction of incoherent scattering\n"
        )
        out, out_elements = csv.writer(sections, lineterminator="\n"), csv.writer(elements, lineterminator="\n")
        out.writerow(["symbol", "energy_mev", *PROCESSES, "incoherent_transfer_fraction"])
        out_elements.writerow(["symbol", "z", "atomic_weight", "k_edge_mev", "k_fluorescence_mev_per_event"])
        for symbol in ELEMENTS:
            z = xraylib.SymbolToAtomicNumber(symbol)
            weight = 1.008 if z == 1 else xraylib.AtomicWeight(z)
            edge, lost = fluorescence(z)
            out_elements.writerow([symbol, z, f"{weight:.5g}", f"{edge:.6g}", f"{lost:.4g}"])
            energy = energies_mev(tables["photoelectric"][z])
            columns = [
                cross_section_barn(tables[process][z], energy) * AVOGADRO_PER_BARN / weight for process in PROCESSES
            ]
            for i, e in enumerate(energy):
                row = [f"{column[i]:.5g}" for column in columns]
                out.writerow([symbol, f"{e:.8g}", *row, f"{transfer_fraction(z, e):.5g}"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
