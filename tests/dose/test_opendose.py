"""Transport in the ICRP 110 adult male against OpenDose: the same voxels and nuclide, another code."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lutetia.dose.energies import decay_energy
from lutetia.dose.montecarlo.voxels import PhotonDose, photon_absorbed_dose
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.materials import Material
from lutetia.units import GY_PER_MEV_PER_G

ARCHIVE = "icrp110/Input_GateLab_AM_2019-04-02.zip"
SHAPE, SPACING_MM = (222, 127, 254), (2.137, 2.137, 8.0)
# organ numbers of ICRP Publication 110, annex A; kidneys are cortex, medulla and pelvis
ORGANS = {
    "liver": (95,),
    "spleen": (127,),
    "kidney left": (89, 90, 91),
    "kidney right": (92, 93, 94),
    "pancreas": (113,),
    "urinary bladder wall": (137,),
}
SYMBOLS = {
    "Argon": "Ar", "Hydrogen": "H", "Carbon": "C", "Nitrogen": "N", "Oxygen": "O", "Sodium": "Na", "Magnesium": "Mg",
    "Phosphor": "P", "Sulfur": "S", "Chlorine": "Cl", "Potassium": "K", "Calcium": "Ca", "Iron": "Fe", "Iodine": "I",
}  # fmt: skip
HISTORIES = 6_000_000

pytestmark = pytest.mark.slow


def materials_of(text: str) -> dict[str, Material]:
    found = {}
    for block in re.split(r"\n\s*\n", text.split("[Materials]")[1].strip()):
        head, *elements = block.strip().splitlines()
        parts = {SYMBOLS[n]: float(f) for n, f in re.findall(r"name=(\w+) ; f=([\d.]+)", "\n".join(elements))}
        total = sum(parts.values())
        name, density = head.split(":")[0], float(re.search(r"d=([\d.]+)", head)[1])
        found[name] = Material(
            name=name, density_g_per_ml=density, mass_fractions={k: v / total for k, v in parts.items()}, source=""
        )
    return found


@pytest.fixture(scope="module")
def phantom(shared_data: Path):
    path = shared_data / ARCHIVE
    if not path.is_file():
        pytest.skip(f"{ARCHIVE} is not in the reference data")
    with zipfile.ZipFile(path) as archive:
        labels = np.frombuffer(archive.read("data/AM_UINT16_254_127_222.raw"), "<u2").reshape(SHAPE)
        media = materials_of(archive.read("data/AM_GateMaterials.db").decode())
        ranges = archive.read("data/AM_LabelsToMaterials.txt").decode().split("\n")
    names = sorted(media)
    medium_of = np.zeros(labels.max() + 1, np.uint8)
    for line in filter(str.strip, ranges):
        first, end, name = line.split()
        medium_of[int(first) : int(end)] = names.index(name)
    index = medium_of[labels]
    density = np.array([media[name].density_g_per_ml for name in names], np.float32)[index]
    grid = Grid(size=SHAPE[::-1], spacing_mm=SPACING_MM, origin_mm=(0.0, 0.0, 0.0))
    return labels, index, Volume(grid=grid, values=density, unit="g/mL"), [media[name] for name in names]


def transported(phantom, source: str) -> PhotonDose:
    labels, index, density, media = phantom
    inside = np.isin(labels, ORGANS[source])
    per_ml = inside / (np.count_nonzero(inside) * density.grid.voxel_ml)  # one decay in all
    return photon_absorbed_dose(
        time_integrated_activity=Volume(grid=density.grid, values=per_ml, unit="Bq s/mL"),
        density=density,
        material_index=index,
        materials=media,
        nuclide="Lu-177",
        n_histories=HISTORIES,
        seed=1,
    )


@pytest.mark.parametrize("source", ["liver", "kidney left"])
def test_s_coefficients(phantom, dose_rows, source):
    labels, _, density, _ = phantom
    found = transported(phantom, source)
    for row in dose_rows("cross_s_lu177.csv"):
        if row["source"] != source:
            continue
        inside = np.isin(labels, ORGANS[row["target"]])
        mass = np.where(inside, density.values, 0)
        s, u = found.region(mass)
        published = float(row["s_mgy_per_mbq_s"]) * 1e-9
        if row["target"] == source:
            s += decay_energy("Lu-177").local_mev / (mass.sum() * density.grid.voxel_ml) * GY_PER_MEV_PER_G
            # OpenDose follows the electrons: those that leave take 0.55 % per 1/cm of surface to volume (from spheres),
            # 0.4 % from the liver and 0.8 % from a kidney; photons per decay differ by 5 % of their 2 to 5 %
            low, high = 0.998 * published, 1.012 * published
        else:
            # measured 0.985 to 1.003 between organs apart, with free electrons (0.4 to 1.3 % lower); liver to
            # right kidney and pancreas, which touch, 0.94 to 0.955, since electrons cross there; statistics
            low, high = 0.93 * published - 4 * u, 1.07 * published + 4 * u
        assert low < s < high, row
