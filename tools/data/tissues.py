"""Tissue compositions for lutetia.physics: NIST compounds through xraylib, organs from ICRP 110, ICRU 46 by hand.

    python tools/data/tissues.py <AM_GateMaterials.db of OpenDose> src/lutetia/physics/data/icrp_110_icru_46

The ICRP 110 media are read from the GATE material file that accompanies the adult male phantom of OpenDose.
"""

import csv
import sys
from pathlib import Path

import xraylib

NIST = {
    "water": "Water, Liquid",
    "air": "Air, Dry (near sea level)",
    "soft tissue": "Tissue, Soft (ICRU four-component)",
    "soft tissue icrp": "Tissue, Soft (ICRP)",
}
ICRP_110 = {
    "adipose": "Adipose_tissue",
    "adrenal": "Adrenals",
    "blood": "Blood",
    "brain": "Brain",
    "breast": "Breast_(mammary_gland)",
    "cartilage": "Cartilage",
    "heart": "Heart",
    "kidney": "Kidneys",
    "large intestine": "Large_intestine",
    "liver": "Liver",
    "lumbar spongiosa": "Lumbar_spine+spongiosa",
    "lung": "Lung_tissue_(compressed_lungs)",
    "mineral bone": "Mineral_bone",
    "muscle": "Muscle_tissue",
    "pancreas": "Pancreas",
    "prostate": "Prostate",
    "skin": "Skin",
    "small intestine": "Small_intestine",
    "spleen": "Spleen",
    "stomach": "Stomach",
    "testis": "Testes",
    "thyroid": "Thyroid",
    "urinary bladder": "Urinary_bladder",
    "urine": "Urine",
    "yellow marrow": "Humeri_and_femora+upper_halves+medullary_cavity",
}
ICRU_46 = {
    "cortical bone": (1.92, "H .034 C .155 N .042 O .435 Na .001 Mg .002 P .103 S .003 Ca .225"),
    "red marrow": (1.03, "H .105 C .414 N .034 O .439 P .001 S .002 Cl .002 K .002 Fe .001"),
    "spongiosa": (1.18, "H .085 C .404 N .028 O .367 Na .001 Mg .001 P .034 S .002 Cl .002 K .001 Ca .074 Fe .001"),
}
SYMBOLS = "H C N O Na Mg Si P S Cl Ar K Ca Fe Zn I".split()  # noqa: SIM905
GATE_NAMES = {
    "Hydrogen": "H", "Carbon": "C", "Nitrogen": "N", "Oxygen": "O", "Sodium": "Na", "Magnesium": "Mg",
    "Phosphor": "P", "Sulfur": "S", "Chlorine": "Cl", "Argon": "Ar", "Potassium": "K", "Calcium": "Ca",
    "Iron": "Fe", "Iodine": "I",
}  # fmt: skip


def gate_materials(path: Path) -> dict[str, tuple[float, dict[str, float]]]:
    """Name -> density and mass fractions of a GATE material file."""
    materials: dict[str, tuple[float, dict[str, float]]] = {}
    fractions: dict[str, float] = {}
    for line in path.read_text().splitlines():
        if line.startswith("+el"):
            element, fraction = line.split("name=")[1].split(";")
            fractions[GATE_NAMES[element.strip()]] = float(fraction.split("=")[1])
        elif " d=" in line:
            name, rest = line.split(":", 1)
            fractions = {}
            materials[name] = (float(rest.split("d=")[1].split()[0]), fractions)
    return materials


def main(gate_file: Path, target: Path) -> None:
    """Write tissues.csv."""
    gate = gate_materials(gate_file)
    rows = []
    for name, compound in NIST.items():
        data = xraylib.GetCompoundDataNISTByName(compound)
        symbols = [xraylib.AtomicNumberToSymbol(z) for z in data["Elements"]]
        rows.append((name, data["density"], dict(zip(symbols, data["massFractions"], strict=True)), "NIST"))
    rows += [(name, *gate[medium], "ICRP 110") for name, medium in ICRP_110.items()]
    for name, (density, text) in ICRU_46.items():
        words = text.split()
        rows.append((name, density, dict(zip(words[::2], map(float, words[1::2]), strict=True)), "ICRU 46"))
    with (target / "tissues.csv").open("w", newline="") as file:
        file.write("# Density [g/mL] and mass fractions of elements as published (sums may be off 1 by rounding)\n")
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["material", "density_g_per_ml", *SYMBOLS, "source"])
        for name, density, fractions, source in rows:
            out.writerow([name, f"{density:g}", *(f"{fractions.get(s, 0.0):g}" for s in SYMBOLS), source])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
