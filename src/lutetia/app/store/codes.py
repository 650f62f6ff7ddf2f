"""Codes of what a bundle says: LOINC of tests and observations, NCI Thesaurus of adverse events, SNOMED CT of organs.

A code is given only where name, kind of unit and version fit it; everything keeps its words beside it.
"""

import csv
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, cast

from lutetia.errors import MissingDataError
from lutetia.images.dicom.terms import TISSUE, category_and_type
from lutetia.images.regions import Kind, Region
from lutetia.response.laboratory import find_test

LOINC: Final = "http://loinc.org"
NCIT: Final = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
SNOMED: Final = "http://snomed.info/sct"
GRADES: Final = "http://hl7.org/fhir/us/ctcae/CodeSystem/ctcae-grade-code-system"

Coding = dict[str, str]

KINDS_OF_UNIT: Final = {
    "number": r"(10\*\d+|\{cells\})?/\w+",
    "mass": r"[munp]?g/d?L|[munp]g/mL",
    "moles": r"[munp]?mol/L",
    "ions": r"m?(mol|eq)/L",
    "activity": r"([mk]?U|\[IU\]|[un]?kat)/L",
    "ratio": r"1|\{(INR|ratio)\}",
    "score": r"1|%",
    "percent": r"%",
    "time": r"s",
    "weight": r"k?g",
    "length": r"[cm]?m",
    "pressure": r"mm\[Hg\]",
    "rate": r"/min",
}
"""Kinds of units by their UCUM codes, whole: LOINC has one code of a mass concentration and another of moles."""


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("lutetia.app") / "store" / "data" / "fhir_codes" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def _loinc() -> tuple[dict[str, str], ...]:
    return tuple(_rows("loinc.csv"))


@cache
def _ctcae() -> dict[tuple[str, str, str], dict[str, str]]:
    return {(row["of"], row["name"].casefold(), row["ctcae_version"]): row for row in _rows("ctcae.csv")}


def measured_coding(of: Literal["laboratory", "observation"], name: str, ucum: str) -> Coding | None:
    """LOINC coding of a test or observation in a unit; None without one that was read in a source and fits both."""
    if of == "laboratory":
        try:
            known = find_test(name).name.casefold()
        except MissingDataError:
            return None
    else:
        known = " ".join(name.casefold().split())
    for row in _loinc():
        names = {row["name"].casefold(), *row["synonyms"].casefold().split(";")} - {""}
        fits = row["of"] == of and known in names and re.fullmatch(KINDS_OF_UNIT[row["quantity"]], ucum)
        if fits and row["verified"] == "true":
            return {"system": LOINC, "code": row["code"], "display": row["display"]}
    return None


def term_coding(term: str, ctcae_version: str) -> Coding | None:
    """NCI Thesaurus coding of a CTCAE term of a version; None where that version has none here."""
    row = _ctcae().get(("term", term.strip().casefold(), ctcae_version.strip().removeprefix("v")))
    return None if row is None else {"system": NCIT, "code": row["code"], "display": row["display"]}


def causality_coding(causality: str) -> Coding:
    """NCI Thesaurus coding of a relation to the treatment."""
    row = _ctcae()["causality", causality, ""]
    return {"system": NCIT, "code": row["code"], "display": row["display"]}


def grade_coding(grade: int, ctcae_version: str) -> Coding:
    """Coding of a CTCAE grade, with the version that graded."""
    row = _ctcae()["grade", str(grade), ""]
    return {"system": GRADES, "version": ctcae_version, "code": row["code"], "display": row["display"]}


def body_site(row: dict[str, Any]) -> dict[str, Any]:
    """A region of a dose.json as a concept, with the SNOMED CT code that its DICOM objects have."""
    name = str(row["region"])
    _, organ = category_and_type(Region(name=name, kind=cast(Kind, row["kind"])))
    if row["kind"] != "organ" or organ == TISSUE:
        return {"text": name}
    return {"coding": [{"system": SNOMED, "code": organ.value, "display": organ.meaning}], "text": name}
