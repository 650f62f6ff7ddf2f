"""Thin the material files of PENELOPE 2018 (pure elements) to the tables of electron scattering and bremsstrahlung.

    ./run python tools/data/penelope_2018.py FOLDER

FOLDER holds one material file Z01.mat, Z06.mat, ... for each element of nist_xcom/elements.csv (made with the
program ``material`` or its equivalent; only the tables of numbers are read). Writes

- physics/data/seltzer_berger_1986/scaled.csv: beta^2/Z^2 k dsigma/dk [mb] at photon energies k/T from 0 to 1
- physics/data/elsepa_2005/transport.csv: first and second transport cross sections [cm2], electrons and positrons
"""

import csv
import re
import sys
from pathlib import Path

DATA = Path(__file__).parents[2] / "src/lutetia/physics/data"
KAPPA = (
    [1e-12, 0.025, 0.05, 0.075, 0.1]
    + [0.05 * n for n in range(3, 19)]
    + [0.925, 0.95, 0.97, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99995, 0.99999, 1.0]
)
KEPT_KAPPA = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
KEPT_KEV = (1, 2, 4, 8, 15, 30, 60, 100, 150, 200, 300, 400, 500, 600, 800, 1000, 1500, 2000, 3000, 4000, 5000)
LOWEST_EV, HIGHEST_EV = 1e3, 5e6


def _numbers(text: str, title: str, lines_per_row: int) -> list[list[float]]:
    """Rows of the table under a title; ``lines_per_row`` lines make one row."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if title in line)
    count = int(lines[start].split("NDATA =")[1])
    block = lines[start + 1 : start + 1 + count * lines_per_row]
    number = re.compile(r"-?\d\.\d+E[+-]\d+")
    return [
        [float(word) for line in block[i : i + lines_per_row] for word in number.findall(line)]
        for i in range(0, len(block), lines_per_row)
    ]


def _write(publication: str, name: str, header: list[str], rows: list[list[str]]) -> None:
    with (DATA / publication / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    """Read all elements and write both tables."""
    with (DATA / "nist_xcom/elements.csv").open() as file:
        elements = [(row["symbol"], int(row["z"])) for row in csv.DictReader(file)]
    columns = [0, *(min(range(32), key=lambda i, k=k: abs(KAPPA[i] - k)) for k in KEPT_KAPPA)]
    scaled, elastic = [], []
    for symbol, z in elements:
        text = (Path(sys.argv[1]) / f"Z{z:02d}.mat").read_text(errors="replace")
        for row in _numbers(text, "Electron scaled bremss x-section", 7):
            assert len(row) == 34, row
            if any(abs(row[0] / 1e3 - kev) < 1e-6 * kev for kev in KEPT_KEV):
                scaled.append([symbol, f"{row[0] * 1e-6:g}", *(f"{row[1 + i]:.4g}" for i in columns)])
        for row in _numbers(text, "Electron and positron elastic cross sections", 1):
            if LOWEST_EV <= row[0] <= HIGHEST_EV:
                elastic.append([symbol, f"{row[0] * 1e-6:g}", *(f"{row[i]:.5g}" for i in (2, 3, 5, 6))])
    _write(
        "seltzer_berger_1986", "scaled.csv", ["symbol", "energy_mev", "0", *(f"{k:g}" for k in KEPT_KAPPA)], scaled
    )
    names = [f"{which}_{particle}_cm2" for particle in ("electron", "positron") for which in ("first", "second")]
    _write("elsepa_2005", "transport.csv", ["symbol", "energy_mev", *names], elastic)


if __name__ == "__main__":
    main()
