"""Standard codes and colours of organs and lesions in DICOM objects.

Codes are SNOMED CT identifiers as DICOM PS3.16 uses them (CID 7150 to 7166); colours are those of Okabe and Ito,
which colour-blind readers tell apart, then a fixed colour by the name's hash.
"""

import hashlib
from typing import Final

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from lutetia.images.regions import Region

LEFT: Final = Code("7771000", "SCT", "Left")
RIGHT: Final = Code("24028007", "SCT", "Right")
ORGAN_CATEGORY: Final = codes.SCT.AnatomicalStructure
LESION_CATEGORY: Final = codes.SCT.MorphologicallyAbnormalStructure
TISSUE: Final = codes.SCT.Tissue
NEOPLASM: Final = codes.SCT.Neoplasm

_ORGANS: Final = {
    "kidney": codes.SCT.Kidney,
    "liver": codes.SCT.Liver,
    "spleen": codes.SCT.Spleen,
    "bone marrow": codes.SCT.BoneMarrow,
    "red marrow": codes.SCT.BoneMarrow,
    "pancreas": codes.SCT.Pancreas,
    "parotid gland": codes.SCT.ParotidGland,
    "parotid": codes.SCT.ParotidGland,
    "submandibular gland": codes.SCT.SubmandibularGland,
    "lacrimal gland": codes.SCT.LacrimalGland,
    "adrenal gland": codes.SCT.AdrenalGland,
    "urinary bladder": codes.SCT.UrinaryBladderStructure,
    "heart": codes.SCT.Heart,
    "lung": codes.SCT.Lung,
    "stomach": codes.SCT.Stomach,
    "thyroid": codes.SCT.Thyroid,
    "small intestine": codes.SCT.SmallIntestine,
    "large intestine": codes.SCT.LargeIntestine,
    "colon": codes.SCT.Colon,
    "duodenum": codes.SCT.Duodenum,
    "gallbladder": codes.SCT.Gallbladder,
    "brain": codes.SCT.Brain,
    "aorta": codes.SCT.Aorta,
    "prostate": codes.SCT.Prostate,
    "oesophagus": codes.SCT.Esophagus,
    "esophagus": codes.SCT.Esophagus,
    "spinal cord": codes.SCT.SpinalCord,
    "bone": codes.SCT.Bone,
}

_COLOURS: Final = {
    "kidney left": (0, 114, 178),
    "kidney right": (86, 180, 233),
    "liver": (213, 94, 0),
    "spleen": (0, 158, 115),
    "bone marrow": (204, 121, 167),
    "red marrow": (204, 121, 167),
    "parotid gland left": (230, 159, 0),
    "parotid gland right": (240, 228, 66),
    "remainder": (153, 153, 153),
}

ELEMENT_NAMES: Final = {
    "Lu": "Lutetium", "Tc": "Technetium", "I": "Iodine", "In": "Indium", "Y": "Yttrium", "Ho": "Holmium", "Sm": "Samarium",
    "Re": "Rhenium", "Ra": "Radium", "Ga": "Gallium", "F": "Fluorine", "Cu": "Copper", "Ac": "Actinium", "Pb": "Lead",
    "Tb": "Terbium", "Zr": "Zirconium", "Bi": "Bismuth", "At": "Astatine",
}  # fmt: skip
"""Elements as the meanings of radionuclide codes spell them: ^177^Lutetium (CID 18)."""


def _bare_name(region: Region) -> str:
    words = [word for word in region.name.lower().replace("_", " ").split() if word not in ("left", "right")]
    bare = " ".join(words)
    return bare if bare in _ORGANS else bare.removesuffix("s")


def category_and_type(region: Region) -> tuple[Code, Code]:
    """Segmented property category and type of a region; Tissue when it is no organ with a code here."""
    if region.kind == "lesion":
        return LESION_CATEGORY, NEOPLASM
    organ = _ORGANS.get(_bare_name(region))
    return (ORGAN_CATEGORY, organ) if organ else (TISSUE, TISSUE)


def laterality(region: Region) -> Code | None:
    """Code of the side, None when the region has none."""
    return {"left": LEFT, "right": RIGHT}.get(region.side)


def colour_rgb(region: Region) -> tuple[int, int, int]:
    """Colour of a region, 0 to 255, the same in every object and run."""
    if region.name in _COLOURS:
        return _COLOURS[region.name]
    red, green, blue = hashlib.sha256(region.name.encode()).digest()[:3]
    return 64 + red % 192, 64 + green % 192, 64 + blue % 192


def rt_type(region: Region) -> str:
    """RT ROI Interpreted Type of a region."""
    name = region.name.lower()
    if region.kind == "lesion":
        return "GTV"
    if region.kind == "organ":
        return "ORGAN"
    return "EXTERNAL" if name in ("body", "external") else ""
