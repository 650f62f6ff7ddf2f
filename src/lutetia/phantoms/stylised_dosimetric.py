"""The stylised adults as labelled bodies for transport."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from lutetia.errors import InputError
from lutetia.images.volume import Volume
from lutetia.phantoms.dosimetric import DosimetricPhantom, Sex, mass_by_label, present_regions
from lutetia.phantoms.stylised import DENSITY_G_PER_ML, body_grid, rasterise, stylised_anatomy
from lutetia.physics.materials import Material, material

SPACING_MM: Final = 4.0
MEDIUM: Final[Mapping[str, str]] = {
    "soft": "soft tissue icrp", "kidney": "kidney", "liver": "liver", "spleen": "spleen", "marrow": "red marrow",
    "lung": "lung",
}  # fmt: skip
"""Composition of each material of the anatomy; bone is half mineral bone and half red marrow."""
SPINE_MARROW: Final = "marrow of thoracic and lumbar spine"
NAMES: Final[Mapping[str, str]] = {
    "red marrow": SPINE_MARROW,
    "remainder": "soft tissue",
    "bone": "bone without marrow",
}
"""Solids that are something else here than their name says among organs of a patient."""
UNIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "kidneys": ("kidney left", "kidney right"),
    "lungs": ("lung left", "lung right"),
    "adrenals": ("adrenal left", "adrenal right"),
    "skeleton": ("bone without marrow", SPINE_MARROW),
}
SOURCES_APART: Final = ("kidneys", "liver", "spleen", "lungs", "pancreas", SPINE_MARROW)
"""What the remainder is without."""
LACKING: Final = (
    "The stylised body has no salivary glands, thyroid, intestines or their contents, arms, and no wall of stomach, heart "
    "and urinary bladder apart from their contents; its marrow is that of the thoracic and lumbar spine."
)


def stylised_phantom(sex: Sex, spacing_mm: float = SPACING_MM) -> DosimetricPhantom:
    """The stylised adult on cubic voxels.

    Heart, stomach and urinary bladder are solids with their contents. Bone (1.4 g/mL) is half mineral bone, half red
    marrow by mass, which together have 1.34 g/mL and the 10 % of calcium of a homogeneous skeleton. The remainder is the
    body without kidneys, liver, spleen, lungs, pancreas and the marrow of the spine.

    Parameters
    ----------
    sex : "male" or "female"
    spacing_mm : edge of a voxel, 1 to 10 mm

    Raises
    ------
    InputError
        Another sex or spacing.

    References
    ----------
    As ``stylised_anatomy``.
    """
    if not 1.0 <= spacing_mm <= 10.0:
        raise InputError(f"Voxels of {spacing_mm:g} mm; the stylised body is for 1 to 10 mm.")
    anatomy = stylised_anatomy(sex)
    found = rasterise(anatomy, body_grid(anatomy, spacing_mm))
    number_of = {region.name: label for label, region in found.regions.table.items()}
    labels = np.where(found.body, np.maximum(found.regions.labels, 1), 0).astype(np.uint8)
    material_of = {s.region: s.material for s in anatomy.shapes}
    media = [*MEDIUM, "bone", "air"]
    medium = np.full(256, media.index("air"), np.uint8)
    organs = {0: "air outside body", 1: NAMES["remainder"]}
    medium[1] = media.index("soft")
    for name, label in number_of.items():
        medium[label] = media.index(material_of[name])
        organs[label] = NAMES.get(name, name)
    density = Volume(grid=found.density.grid, values=found.density.values, unit="g/mL")
    mass = mass_by_label(labels, density)
    return DosimetricPhantom(
        name=f"stylised adult {sex}",
        sex=sex,
        labels=labels,
        label_mass_g=mass,
        density=density,
        material_index=medium[labels],
        materials=tuple(_media()[name] for name in media),
        organs=organs,
        regions=present_regions(_regions(organs), mass),
        marrow=(),
        mass_convention="blood-free organ masses of ICRP 89/110",
        lacking=LACKING,
    )


def _regions(organs: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    single = {name: (label,) for label, name in organs.items() if label > 0}
    found = single | {
        name: tuple(label for part in parts for label in single[part]) for name, parts in UNIONS.items()
    }
    found["total body"] = tuple(label for label in organs if label > 0)
    apart = {label for name in SOURCES_APART for label in found[name]}
    found["remainder"] = tuple(label for label in found["total body"] if label not in apart)
    return found


def _media() -> dict[str, Material]:
    named = {name: material(medium) for name, medium in MEDIUM.items()}
    mineral, marrow = material("mineral bone").mass_fractions, material("red marrow").mass_fractions
    elements = {*mineral, *marrow}
    bone = Material(
        name="bone with marrow",
        density_g_per_ml=DENSITY_G_PER_ML["bone"],
        mass_fractions={e: 0.5 * (mineral.get(e, 0.0) + marrow.get(e, 0.0)) for e in sorted(elements)},
        source="mineral bone of ICRP 110 and red marrow of ICRU 46, half each",
    )
    return named | {"bone": bone, "air": material("air")}
