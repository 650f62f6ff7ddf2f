"""Krenning score of a lesion, and NETPET, Karfis and Zidan grades of a patient from reads with two tracers."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from lutetia.errors import InputError, MissingDataError

Scale = Literal["NETPET", "Karfis", "Zidan"]
Avidity = Literal["lower", "equal", "higher"]

SCORES: Final = (0, 1, 2, 3, 4)


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    text = (files("lutetia.therapy") / "data" / "imaging_scores" / name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@dataclass(frozen=True, kw_only=True, slots=True)
class KrenningScore:
    """Krenning score of a lesion.

    Attributes
    ----------
    score, meaning : the reader's where there is one, else the one by ratios
    by_ratio : score by ratios, None without the uptake of lesion and liver
    reader : the reader's score, None where nobody read
    lesion_to_liver, lesion_to_spleen : ratios, None when unknown
    source, verified : of the score by its definition; of a reader's score the reader is the source
    """

    score: int
    meaning: str
    by_ratio: int | None
    reader: int | None
    lesion_to_liver: float | None
    lesion_to_spleen: float | None
    source: str
    verified: bool
    warnings: tuple[str, ...]


def krenning_score(
    *,
    visible: bool = True,
    lesion: float | None = None,
    liver: float | None = None,
    spleen: float | None = None,
    reader: int | None = None,
) -> KrenningScore:
    """Krenning score from uptake ratios, or a reader's.

    Made for planar scintigraphy and read by eye; on PET the ratios are an aid that runs higher (the modified score). A
    score above that of liver needs more than spleen to be 4: without a spleen it stays 3, with a warning.

    Parameters
    ----------
    visible : whether the lesion has any uptake above background
    lesion, liver, spleen : uptake in one unit on one image (SUV maximum or mean of the lesion, means of the organs)
    reader : overrules the ratios, 0 to 4

    Raises
    ------
    InputError
        Uptake that is not positive, or a reader's score that is none.
    MissingDataError
        Neither a reader's score nor lesion and liver.

    References
    ----------
    Krenning et al., Eur J Nucl Med 1993;20:716-731, doi:10.1007/BF00181765.
    """
    for name, value in (("lesion", lesion), ("liver", liver), ("spleen", spleen)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"Uptake of {name} is {value}; expected a number above 0.")
    if reader is not None and (isinstance(reader, bool) or reader not in SCORES):
        raise InputError(f"The reader's Krenning score is {reader!r}; expected 0 to 4.")
    to_liver = None if lesion is None or liver is None else lesion / liver
    to_spleen = None if lesion is None or spleen is None else lesion / spleen
    row = _by_ratio(visible, to_liver, to_spleen)
    if row is None and reader is None:
        raise MissingDataError("No Krenning score: give the uptake of lesion and liver, or the reader's score.")
    by_ratio = None if row is None else int(row["score"])
    chosen = _krenning_row(reader) if reader is not None else row
    assert chosen is not None
    return KrenningScore(
        score=int(chosen["score"]),
        meaning=chosen["meaning"],
        by_ratio=by_ratio,
        reader=reader,
        lesion_to_liver=to_liver,
        lesion_to_spleen=to_spleen,
        source=chosen["source"] if reader is None else "reader",
        verified=chosen["verified"] == "true" if reader is None else True,
        warnings=_krenning_warnings(by_ratio, reader, to_liver, to_spleen),
    )


def _krenning_row(score: int) -> dict[str, str]:
    return next(row for row in _rows("krenning.csv") if int(row["score"]) == score)


def _by_ratio(visible: bool, to_liver: float | None, to_spleen: float | None) -> dict[str, str] | None:
    if not visible:
        return _krenning_row(0)
    if to_liver is None:
        return None
    ratios = {"liver": to_liver, "spleen": to_spleen}
    above_liver = to_liver > float(_krenning_row(3)["ratio_above"])
    for row in _rows("krenning.csv"):
        ratio = ratios.get(row["reference"])
        # above a spleen that takes up less than the liver says nothing
        if ratio is None or (row["reference"] == "spleen" and not above_liver):
            continue
        if ratio > float(row["ratio_above"]):
            return row
    return None


def _krenning_warnings(
    by_ratio: int | None, reader: int | None, to_liver: float | None, to_spleen: float | None
) -> tuple[str, ...]:
    warnings = []
    if by_ratio == 3 and to_spleen is None:
        warnings.append("Without the uptake of the spleen 3 cannot be told from 4.")
    if to_liver is not None and to_spleen is not None and to_spleen > to_liver:
        warnings.append("The spleen takes up less than the liver; the score rests on the liver.")
    if by_ratio is not None and reader is not None and by_ratio != reader:
        warnings.append(f"The reader scored {reader}, the ratios give {by_ratio}.")
    return tuple(warnings)


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionRead:
    """One lesion with two tracers.

    Attributes
    ----------
    lesion : name
    sstr, fdg : modified Krenning score with either tracer, 0 to 4
    fdg_avidity : of FDG against the receptor tracer; needed by NETPET where both are positive
    """

    lesion: str
    sstr: int
    fdg: int
    fdg_avidity: Avidity | None = None

    def __post_init__(self) -> None:
        for name, score in (("sstr", self.sstr), ("fdg", self.fdg)):
            if isinstance(score, bool) or score not in SCORES:
                raise InputError(f"{self.lesion}: {name} is {score!r}; expected a score of 0 to 4.")
        if self.fdg_avidity not in (None, "lower", "equal", "higher"):
            raise InputError(
                f"{self.lesion}: fdg_avidity is {self.fdg_avidity!r}; expected lower, equal or higher."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class DualTracerGrade:
    """Grade of a patient on one scale.

    Attributes
    ----------
    group : "P4b", "C2", "3"; None where no group of the scale fits, which a warning explains
    lesions : that decided
    suitability : for receptor therapy, in the words of the source
    """

    scale: Scale
    group: str | None
    lesions: tuple[str, ...]
    suitability: str | None
    source: str
    verified: bool
    warnings: tuple[str, ...]


def dual_tracer_grade(scale: Scale, reads: Sequence[LesionRead]) -> DualTracerGrade:
    """NETPET, Karfis or Zidan grade from the reads of all lesions.

    NETPET grades the most discordant lesion (P0 to P5) and adds a for one or two lesions of its pattern, b for more.
    Karfis and Zidan look at all lesions together, Zidan with the higher threshold.

    Raises
    ------
    InputError
        An unknown scale, no lesions, or two of one name.
    MissingDataError
        NETPET, both tracers positive, and nobody said which is more avid.

    References
    ----------
    Table 1 of Cancer Imaging 2022, doi:10.1186/s40644-022-00465-3; Chan et al. 2017 (NETPET); Karfis et al. 2020; Zidan
    et al. 2022.
    """
    row = next((row for row in _rows("scales.csv") if row["scale"] == scale), None)
    if row is None:
        raise InputError(f"No scale {scale!r}; there are {', '.join(row['scale'] for row in _rows('scales.csv'))}.")
    if not reads or len({read.lesion for read in reads}) != len(reads):
        raise InputError("Expected the reads of one or more lesions, each with a name of its own.")
    positive_from = int(row["positive_from"])
    group: str | None
    if row["many_from"]:
        group, lesions = _worst_lesion(scale, reads, positive_from, int(row["many_from"]))
    else:
        group, lesions = _group(scale, reads, positive_from)
    none = f"No group of {scale} fits: not all lesions are receptor positive, and none is negative there and FDG positive."
    return DualTracerGrade(
        scale=scale,
        group=group,
        lesions=lesions,
        suitability=_suitability(scale, group),
        source=row["source"],
        verified=row["verified"] == "true",
        warnings=() if group else (none,),
    )


def _worst_lesion(
    scale: Scale, reads: Sequence[LesionRead], positive_from: int, many_from: int
) -> tuple[str, tuple[str, ...]]:
    """Grade of the most discordant lesion with the extent, and the lesions of that grade."""
    grades = {read.lesion: _lesion_grade(scale, read, positive_from) for read in reads}
    order = [row["grade"] for row in _rows("lesion_grades.csv") if row["scale"] == scale]
    worst = max(grades.values(), key=order.index)
    lesions = tuple(lesion for lesion, grade in grades.items() if grade == worst)
    extent = "" if worst == order[0] else "b" if len(lesions) >= many_from else "a"
    return worst + extent, lesions


def _lesion_grade(scale: Scale, read: LesionRead, positive_from: int) -> str:
    sstr, fdg = (_sign(score >= positive_from) for score in (read.sstr, read.fdg))
    fitting = [
        row for row in _rows("lesion_grades.csv") if (row["scale"], row["sstr"], row["fdg"]) == (scale, sstr, fdg)
    ]
    for row in fitting:
        if row["fdg_avidity"] in ("", read.fdg_avidity):
            return row["grade"]
    raise MissingDataError(
        f"{read.lesion} is positive with both tracers; say whether FDG is lower, equal or higher (fdg_avidity)."
    )


def _sign(positive: bool) -> str:
    return "positive" if positive else "negative"


def _group(scale: Scale, reads: Sequence[LesionRead], positive_from: int) -> tuple[str | None, tuple[str, ...]]:
    """Group of all lesions together, and the lesions that decided."""
    sstr = {read.lesion: read.sstr >= positive_from for read in reads}
    fdg = {read.lesion: read.fdg >= positive_from for read in reads}
    discordant = tuple(lesion for lesion in sstr if fdg[lesion] and not sstr[lesion])
    for row in _rows("groups.csv"):
        fits = (
            row["scale"] == scale
            and _fits(row["sstr"], list(sstr.values()))
            and _fits(row["fdg"], list(fdg.values()))
            and (row["discordant"] == "yes") == bool(discordant)
        )
        if fits:
            return row["group"], discordant or tuple(lesion for lesion in fdg if fdg[lesion]) or tuple(sstr)
    return None, ()


def _fits(pattern: str, positive: list[bool]) -> bool:
    return {
        "": True,
        "all positive": all(positive),
        "all negative": not any(positive),
        "any positive": any(positive),
    }[pattern]


def _suitability(scale: Scale, group: str | None) -> str | None:
    for row in _rows("suitability.csv"):
        if row["scale"] == scale and group is not None and row["group"] in (group, group.rstrip("ab")):
            return row["suitability"]
    return None
