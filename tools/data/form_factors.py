"""Writes the form factors of hydrogen and oxygen from xraylib (an environment with xraylib is needed)."""

from pathlib import Path

import numpy as np
import xraylib

TARGET = Path(__file__).parents[2] / "src/lutetia/physics/data/epdl97_form_factors/form_factors.csv"

lines = [
    "# Atomic form factors of free atoms over x = sin(theta/2)/wavelength [1/angstrom]",
    "x_per_angstrom,H,O",
]
for x in (0.0, *np.geomspace(0.01, 25, 120)):
    lines.append(f"{x:.6g},{xraylib.FF_Rayl(1, float(x)):.6g},{xraylib.FF_Rayl(8, float(x)):.6g}")
TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
