"""Writes form factors, scattering functions and K shells of the elements from xraylib (an environment with it is needed).

pip install xraylib==4.3.0
python tools/data/form_factors.py
"""

import csv
from pathlib import Path

import numpy as np
import xraylib

DATA = Path(__file__).parents[2] / "src/lutetia/physics/data"
BEYOND_PER_ANGSTROM = 60.0
"""Where the tables of the scattering functions end for some elements; all electrons are free beyond."""
SHARES = np.r_[np.arange(128) / 128, np.linspace(127.25, 127.75, 3) / 128]
"""x / (x + 1) at which the scattering functions are given: even, and closer where x is large."""


def elements() -> dict[str, int]:
    """Symbol -> atomic number, those of the cross sections."""
    with (DATA / "nist_xcom" / "elements.csv").open(encoding="utf-8") as file:
        return {row["symbol"]: int(row["z"]) for row in csv.DictReader(file)}


def scattering_function(z: int, x: float) -> float:
    """Electrons that scatter incoherently; from 0 to Z."""
    if x <= 0.0:
        return 0.0
    if x >= BEYOND_PER_ANGSTROM:
        return float(z)
    return min(float(xraylib.SF_Compt(z, x)), float(z))


def form_factors(symbols: dict[str, int]) -> list[str]:
    """Lines of form_factors.csv."""
    lines = [
        "# Atomic form factors of free atoms over x = sin(theta/2)/wavelength [1/angstrom]",
        ",".join(["x_per_angstrom", *symbols]),
    ]
    for x in (0.0, *np.geomspace(0.01, 25, 120)):
        values = (f"{xraylib.FF_Rayl(z, float(x)):.6g}" for z in symbols.values())
        lines.append(",".join([f"{x:.6g}", *values]))
    return lines


def scattering_functions(symbols: dict[str, int]) -> list[str]:
    """Lines of scattering_functions.csv."""
    lines = [
        "# Incoherent scattering functions of free atoms over x = sin(theta/2)/wavelength [1/angstrom]",
        ",".join(["x_per_angstrom", *symbols]),
    ]
    for x in SHARES / (1.0 - SHARES):
        values = (f"{scattering_function(z, float(x)):.6g}" for z in symbols.values())
        lines.append(",".join([f"{x:.8g}", *values]))
    return lines


def k_shells(symbols: dict[str, int]) -> list[str]:
    """Lines of k_shells.csv, for elements whose K lines are above 3 keV."""
    columns = (
        "symbol,k_edge_mev,k_share,fluorescence_yield,k_alpha1_mev,k_alpha2_mev,k_beta_mev,"
        "k_alpha1_share,k_alpha2_share,k_beta_share"
    )
    lines = ["# K shell: edge, its share of photoelectric absorption above it, fluorescence yield, lines", columns]
    alpha1, alpha2, beta = xraylib.KA1_LINE, xraylib.KA2_LINE, xraylib.KB_LINE
    for symbol, z in symbols.items():
        if z < 19:
            continue
        shell = xraylib.K_SHELL
        energies = [xraylib.LineEnergy(z, line) * 1e-3 for line in (alpha1, alpha2, beta)]
        rates = np.array([xraylib.RadRate(z, line) for line in (alpha1, alpha2, beta)])
        values = [
            xraylib.EdgeEnergy(z, shell) * 1e-3,
            1.0 - 1.0 / xraylib.JumpFactor(z, shell),
            xraylib.FluorYield(z, shell),
            *energies,
            *(rates / rates.sum()),
        ]
        lines.append(",".join([symbol, *(f"{v:.6g}" for v in values)]))
    return lines


def main() -> None:
    """Write the three tables."""
    symbols = elements()
    for folder, name, lines in (
        ("epdl97_form_factors", "form_factors.csv", form_factors(symbols)),
        ("epdl97_form_factors", "scattering_functions.csv", scattering_functions(symbols)),
        ("xraylib_k_shells", "k_shells.csv", k_shells(symbols)),
    ):
        (DATA / folder).mkdir(exist_ok=True)
        (DATA / folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
