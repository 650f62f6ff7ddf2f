"""Alpha stopping powers of ICRU Report 49 for lutetia.physics, from the NIST ASTAR tables in a Geant4 source file.

Only the numbers are taken: electronic stopping powers at the 78 energies from 1 keV to 10 MeV, of the materials below.

    python tools/data/icru_49.py G4ASTARStopping.cc

Writes src/lutetia/physics/data/icru_49/alpha_electronic.csv.
"""

import csv
import re
import sys
from pathlib import Path

MATERIALS = {
    "water": "G4_WATER",
    "polyethylene": "G4_POLYETHYLENE",
    "carbon": "G4_C_Graphite",
    "cortical bone": "G4_BONE_CORTICAL_ICRP",
    "compact bone": "G4_BONE_COMPACT_ICRU",
    "skeletal muscle": "G4_MUSCLE_SKELETAL_ICRP",
    "adipose tissue": "G4_ADIPOSE_TISSUE_ICRP",
}
TARGET = Path(__file__).parents[2] / "src/lutetia/physics/data/icru_49/alpha_electronic.csv"


def main(source: Path) -> None:
    """Write the table, one row for each energy."""
    text = source.read_text(encoding="utf-8")
    index = {name: int(i) for i, name in re.findall(r'name\s*\[(\d+)\]\s*=\s*"([^"]+)"', text)}
    arrays = {
        name: [float(value) for value in body.split(",")]
        for name, body in re.findall(r"G4double (\w+)\[78\]\s*=\s*\{([^}]*)\}", text)
    }
    columns = [arrays[f"e{index[name]}"] for name in MATERIALS.values()]
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        file.write("# Electronic mass stopping power of alpha particles [MeV cm2/g]\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["energy_mev", *MATERIALS])
        for row in zip(arrays["T0"], *columns, strict=True):
            writer.writerow([f"{value:g}" for value in row])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
