"""What the Monte Carlo contenders are given: bodies of voxels, sources and radiations.

Imported by every contender in its own interpreter, so it needs numpy alone. Lengths are cm, energies MeV, arrays
(z, y, x); the origin is the outer corner of voxel (0, 0, 0). Compositions are those of the PEGS4 files that ompMC
brings (ICRU Report 37, ICRP Publication 23), so that all programs follow particles through the same elements.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

COMPOSITIONS: Mapping[str, Mapping[str, float]] = {
    "air": {"C": 0.000124, "N": 0.7552, "O": 0.2318, "Ar": 0.01283},
    "water": {"H": 0.111894, "O": 0.888106},
    "soft tissue": {"H": 0.101172, "C": 0.111, "N": 0.026, "O": 0.761828},
    "lung": {
        "H": 0.103, "C": 0.105, "N": 0.031, "O": 0.749, "Na": 0.002, "P": 0.002, "S": 0.003, "Cl": 0.003, "K": 0.002,
    },
    "bone": {
        "H": 0.047234, "C": 0.14433, "N": 0.04199, "O": 0.446096, "Mg": 0.0022, "P": 0.10497, "S": 0.00315,
        "Ca": 0.20993, "Zn": 0.0001,
    },
}  # fmt: skip
"""Mass fractions; within 1e-4 of a sum of 1."""
ATOMIC_NUMBER = {
    "H": 1, "C": 6, "N": 7, "O": 8, "Na": 11, "Mg": 12, "P": 15, "S": 16, "Cl": 17, "Ar": 18, "K": 19, "Ca": 20,
    "Zn": 30,
}  # fmt: skip
AIR = ("air", 0.0012048)
FIELD_CM = 51.2
"""Side of the cube of the box phantom, whatever its voxels."""
PATIENT_FIELD_CM = 61.44


@dataclass(frozen=True, kw_only=True)
class Body:
    """Voxels, where energy is counted, and where the particles start.

    Attributes
    ----------
    spacing_cm : (3,) of x, y, z
    material : (z, y, x) index into ``materials``
    materials : (composition, density [g/mL]); the first is air
    region : (z, y, x) index into ``regions``, -1 for none
    strength : (z, y, x) relative number of decays in a voxel; isotropic. Empty for a beam.
    beam : place x, y, z and direction u, v, w of all particles, or place alone (isotropic there); empty for a map
    """

    spacing_cm: np.ndarray
    material: np.ndarray
    materials: Sequence[tuple[str, float]]
    region: np.ndarray
    regions: Sequence[str]
    strength: np.ndarray
    beam: np.ndarray

    @property
    def density(self) -> np.ndarray:
        """(z, y, x) [g/mL]."""
        return np.array([density for _, density in self.materials])[self.material]


def box_phantom(n: int = 128) -> Body:
    """Elliptic body of water with two lungs and a spine in air; the source fills a box of 8 cm in its middle."""
    at = (np.arange(n) + 0.5) * 128 / n
    z, y, x = np.meshgrid(at - 0.5, at - 0.5, at - 0.5, indexing="ij")
    material = np.zeros((n, n, n), np.uint8)
    material[((x - 63.5) / 45) ** 2 + ((y - 63.5) / 30) ** 2 <= 1] = 1
    for middle in (38, 89):
        material[((x - middle) / 14) ** 2 + ((y - 60) / 18) ** 2 + ((z - 95) / 28) ** 2 <= 1] = 2
    material[(x - 63.5) ** 2 + (y - 84) ** 2 <= 25] = 3

    def within(low: int, high: int) -> np.ndarray:
        return (at > low) & (at < high)

    def box(x_range: np.ndarray, y_range: np.ndarray, z_range: np.ndarray) -> np.ndarray:
        return z_range[:, None, None] & y_range[None, :, None] & x_range[None, None, :]

    middle, source = within(54, 74), within(40, 60)
    strength = box(middle, middle, source).astype(np.float32)
    region = np.full(material.shape, -1, np.int16)
    water = material == 1
    region[strength > 0] = 0
    region[box(within(80, 100), middle, source) & water] = 1
    region[box(middle, middle, within(80, 100)) & water] = 2
    region[material == 2] = 3
    region[material == 3] = 4
    return Body(
        spacing_cm=np.full(3, FIELD_CM / n),
        material=material,
        materials=(AIR, ("water", 1.0), ("lung", 0.26), ("bone", 1.85)),
        region=region,
        regions=("source", "beside", "far", "lung", "bone"),
        strength=strength,
        beam=np.empty(0),
    )


def patient(n: int = 128) -> Body:
    """Trunk with lungs, spine, kidneys, liver and a tumour in it; uptake in body, liver, kidneys, tumour 1:6:40:80."""
    at = (np.arange(n) - 0.5 * (n - 1)) * PATIENT_FIELD_CM / n
    z, y, x = np.meshgrid(at, at, at, indexing="ij")
    material = np.zeros((n, n, n), np.uint8)
    body = (x / 18) ** 2 + (y / 12) ** 2 < 1
    material[body] = 1
    for side in (-8, 8):
        material[((x - side) / 5.5) ** 2 + (y / 7) ** 2 + ((z - 16) / 12) ** 2 < 1] = 2
    material[(x / 2) ** 2 + ((y + 8) / 2) ** 2 < 1] = 3
    kidneys = np.zeros_like(body)
    for side in (-7, 7):
        kidneys |= ((x - side) / 2.8) ** 2 + ((y + 5) / 2.2) ** 2 + ((z + 6) / 5) ** 2 < 1
    liver = ((x + 5) / 8) ** 2 + ((y - 1) / 7) ** 2 + ((z - 2) / 6) ** 2 < 1
    tumour = (x + 4) ** 2 + (y - 1) ** 2 + (z - 2) ** 2 < 1.5**2
    strength = np.where(body, 1.0, 0.0).astype(np.float32)
    region = np.full(material.shape, -1, np.int16)
    for index, (where, uptake) in enumerate(((liver, 6.0), (kidneys, 40.0), (tumour, 80.0))):
        strength[where & body] = uptake
        region[where & body] = index
    region[(material == 2) & (region < 0)] = 3
    region[(material == 3) & (region < 0)] = 4
    return Body(
        spacing_cm=np.full(3, PATIENT_FIELD_CM / n),
        material=material,
        materials=(AIR, ("soft tissue", 1.03), ("lung", 0.3), ("bone", 1.5)),
        region=region,
        regions=("liver", "kidneys", "tumour", "lung", "bone"),
        strength=strength,
        beam=np.empty(0),
    )


LATERAL_CM = 5.0
"""Side of a voxel of a slab; three by three are wider than what electrons of 2 MeV reach."""


def slabs(
    layers: Sequence[tuple[tuple[str, float], int]], thickness_cm: float, beam: Sequence[float] | None = None
) -> Body:
    """Slices of one thickness across z; particles enter along z in the middle of the first face, unless told else."""
    materials = (AIR, *dict.fromkeys(layer for layer, _ in layers))
    column = np.concatenate([np.full(count, materials.index(layer), np.uint8) for layer, count in layers])
    shape = (column.size, 3, 3)
    middle = 1.5 * LATERAL_CM
    return Body(
        spacing_cm=np.array([LATERAL_CM, LATERAL_CM, thickness_cm]),
        material=np.broadcast_to(column[:, None, None], shape).copy(),
        materials=materials,
        region=np.broadcast_to(np.arange(column.size, dtype=np.int16)[:, None, None], shape).copy(),
        regions=tuple(str(i) for i in range(column.size)),
        strength=np.empty(0),
        beam=np.array([middle, middle, 1e-6, 0.0, 0.0, 1.0] if beam is None else beam, dtype=float),
    )


def write(path: Path, body: Body) -> None:
    """Put a body into a file that every contender reads."""
    parts = {f.name: getattr(body, f.name) for f in fields(body)}
    for name in ("materials", "regions"):
        parts[name] = np.array(json.dumps(parts[name]))
    np.savez(path, **parts)


def read(path: Path) -> Body:
    """The body in a file."""
    with np.load(path) as stored:
        parts: dict[str, Any] = dict(stored)
    parts["materials"] = tuple((name, density) for name, density in json.loads(str(parts["materials"])))
    parts["regions"] = tuple(json.loads(str(parts["regions"])))
    return Body(**parts)
