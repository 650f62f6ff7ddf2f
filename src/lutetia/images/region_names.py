"""Standard terms for regions, from the names that contours and label maps carry."""

import csv
import re
from functools import cache
from importlib.resources import files
from typing import Final

from lutetia.images.regions import Kind, Region, Side

LESION: Final = re.compile(r"^(?:lesions?|gtv[a-z]*|tumou?rs?|mets?|metastas[ie]s|nodules?)(?P<id>\d*[a-z]?)$")
"""A word that makes a lesion, with what number or letter hangs on it."""

EXCEPT: Final = frozenset(
    {"minus", "without", "wo", "ohne", "sans", "excl", "excluding", "non", "no", "normal", "healthy"}
)
"""Words by which a name that mentions lesions means the tissue around them."""

PLANNING: Final = re.compile(r"^(?:ptv|ctv|itv|prv)")
OUTLINE: Final = re.compile(r"^(body|external|skin|outline|couch|table|support|dose)\w*\b")
VERTEBRA: Final = re.compile(r"^(?:vertebrae?|spine)\s+([ctls]\d{1,2})$")
LEFT: Final = frozenset({"left", "lt", "l", "li", "sin", "links", "linke", "linker", "gauche"})
RIGHT: Final = frozenset({"right", "rt", "r", "re", "dex", "rechts", "rechte", "rechter", "droit", "droite"})


@cache
def _standard_terms() -> dict[str, str]:
    table = files("lutetia.images") / "data" / "region_names" / "names.csv"
    with table.open("r", encoding="utf-8") as file:
        return {row["spelling"]: row["standard"] for row in csv.DictReader(file)}


def _words(name: str) -> list[str]:
    """Words of a name in lower case; "SpinalCord" and "LKidney" are two each."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("_", " "))
    spaced = re.sub(r"\b([LR])(?=[A-Z][a-z])", r"\1 ", spaced)
    return [w for w in re.split(r"[\s\-./,()]+", spaced.lower()) if w]


def _without_side(words: list[str]) -> tuple[list[str], Side]:
    """Words without those of a side, and the side."""
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


def _lesion(words: list[str]) -> str | None:
    """Name of a lesion with what tells it from others ("lesion liver 1"); None when the words name none."""
    found = [LESION.match(word) for word in words]
    first = next((i for i, match in enumerate(found) if match), None)
    if first is None or EXCEPT.intersection(words) or any(PLANNING.match(w) or OUTLINE.match(w) for w in words[:1]):
        return None
    match = found[first]
    told = [w for w in [*words[:first], match["id"] if match else "", *words[first + 1 :]] if w and w != "target"]
    return " ".join(["lesion", *(str(int(w)) if w.isdecimal() else w for w in told)])


def standard_region(original_name: str, source: str) -> Region:
    """Region under its standard term.

    Known organs get their term with the side behind it ("kidney left"); lesion, GTV, tumour and metastasis names become
    lesions ("lesion 1", "lesion liver 2"), unless the name means what is left without them ("liver minus GTV"); planning
    targets and outlines, and what is not known, are of kind "other" under their cleaned name. Standard terms stand for
    themselves.

    Parameters
    ----------
    original_name : as in the file
    source : "RTSTRUCT", "SEG", "label map" or "automatic"
    """
    all_words = _words(original_name)
    words, side = _without_side(all_words)
    bare = " ".join(words) or "unnamed"
    lesion = _lesion(all_words)
    term = _standard_terms().get(bare)
    kind: Kind = "other"
    if any(PLANNING.match(word) for word in words) or OUTLINE.match(bare):
        name, side = " ".join(all_words), ""
    elif lesion is not None:
        name, kind, side = lesion, "lesion", ""
    elif term is not None:
        name, kind = f"{term} {side}".strip(), "remainder" if term == "remainder" else "organ"
    elif found := VERTEBRA.match(bare):
        name, kind = f"vertebra {found[1].upper()}", "organ"
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
