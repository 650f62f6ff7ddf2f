"""Standard terms for regions, from the names that contours and label maps carry."""

import csv
import re
from functools import cache
from importlib.resources import files
from typing import Final

from lutetia.images.regions import Kind, Region, Side

LESION: Final = re.compile(
    r"^(?:target lesion|lesion|gtv[a-z]?|tumou?rs?|met(?:astas[ie]s|s)?|nodule)\s*(?P<id>\w*)$"
)
PLANNING: Final = re.compile(r"^(ptv|ctv|itv|body|external|skin|outline|couch|table|support|dose)\w*\b")
VERTEBRA: Final = re.compile(r"^(?:vertebrae?|spine)\s+([ctls]\d{1,2})$")
LEFT: Final = frozenset({"left", "lt", "l", "li", "sin", "links", "gauche"})
RIGHT: Final = frozenset({"right", "rt", "r", "re", "dex", "rechts", "droit"})


@cache
def _standard_terms() -> dict[str, str]:
    table = files("lutetia.images") / "data" / "region_names" / "names.csv"
    with table.open("r", encoding="utf-8") as file:
        return {row["spelling"]: row["standard"] for row in csv.DictReader(file)}


def _words(name: str) -> tuple[list[str], Side]:
    """Words of a name without its side, and the side."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = [w for w in re.split(r"[\s_\-./,()]+", spaced.lower()) if w]
    side: Side = ""
    kept = []
    for word in words:
        if word in LEFT and len(words) > 1:
            side = "left"
        elif word in RIGHT and len(words) > 1:
            side = "right"
        else:
            kept.append(word)
    return kept, side


def standard_region(original_name: str, source: str) -> Region:
    """Region under its standard term.

    Known organs get their term with the side behind it ("kidney left"); lesion, GTV, tumour and metastasis names become
    lesions ("lesion 1"); planning targets and outlines, and what is not known, are of kind "other" under their cleaned
    name. Standard terms stand for themselves.

    Parameters
    ----------
    original_name : as in the file
    source : "RTSTRUCT", "SEG", "label map" or "automatic"
    """
    words, side = _words(original_name)
    bare = " ".join(words) or "unnamed"
    lesion = LESION.match(bare)
    kind: Kind = "other"
    if lesion:
        name, kind, side = f"lesion {lesion['id']}".strip(), "lesion", ""
    elif PLANNING.match(bare):
        name, side = bare, ""
    elif bare in _standard_terms():
        term = _standard_terms()[bare]
        name, kind = f"{term} {side}".strip(), "remainder" if term == "remainder" else "organ"
    elif VERTEBRA.match(bare):
        name, kind = f"vertebra {bare.split()[-1].upper()}", "organ"
    else:
        name = f"{bare} {side}".strip()
    return Region(name=name, kind=kind, side=side, source=source, original_name=original_name)


def unique_name(region: Region, taken: set[str]) -> Region:
    """The region, with a number behind its name when the name is taken."""
    if region.name not in taken:
        return region
    number = 2
    while f"{region.name} {number}" in taken:
        number += 1
    return Region(
        name=f"{region.name} {number}",
        kind=region.kind,
        side=region.side,
        source=region.source,
        original_name=region.original_name,
    )
