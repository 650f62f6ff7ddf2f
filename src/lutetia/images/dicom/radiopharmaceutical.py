"""What headers say about the radiopharmaceutical: nuclide, agent, activity and time. Hints, to be confirmed."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lutetia.errors import DicomError, InputError
from lutetia.images.dicom.open import first_item, items, number
from lutetia.images.dicom.terms import ELEMENT_NAMES
from lutetia.images.dicom.times import injection_time
from lutetia.physics.names import nuclide_name
from lutetia.units import BQ_PER_MBQ

MOST_MBQ: Final = 1e5
"""A total dose above this cannot be MBq (100 GBq); one below it cannot be Bq (0.1 MBq)."""

CODED: Final = re.compile(r"\^(\d+)\^?(m?)\^?\s*([A-Za-z]+)")
"""The meaning of a radionuclide code: ^177^Lutetium, ^99m^Technetium."""

SYMBOLS: Final = {name.lower(): symbol for symbol, name in ELEMENT_NAMES.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class AdministrationHints:
    """Nuclide, agent, activity and time of an administration; None or empty where the header says nothing."""

    nuclide: str | None = None
    agent: str = ""
    activity_bq: float | None = None
    time: datetime | None = None
    problems: tuple[str, ...] = ()


def administration_hints(dataset: Any, modality: str, start: datetime | None) -> AdministrationHints:
    """Administration of an NM or PT object.

    Radionuclide Total Dose (0018,1074) is in MBq in NM and in Bq in PT objects; a value that cannot be is read in the
    other unit, and said so. 0 means absent. The start time without a date (0018,1072) is used for PT only, where the
    scan follows within hours; a therapy is imaged days later.
    """
    item = first_item(dataset, "RadiopharmaceuticalInformationSequence")
    problems: list[str] = []
    activity_bq = None
    stated = number(item, "RadionuclideTotalDose") or 0.0
    if stated > 0:
        activity_bq, problem = total_dose_bq(stated, modality)
        problems += [problem] if problem else []
    else:
        problems.append("no administered activity (0018,1074)")
    try:
        zone = dataset.get("TimezoneOffsetFromUTC")
        time = injection_time(item, start if modality == "PT" else None, zone)
    except DicomError as error:
        time = None
        problems.append(str(error))
    return AdministrationHints(
        nuclide=nuclide_of(item),
        agent=str(item.get("Radiopharmaceutical") or ""),
        activity_bq=activity_bq,
        time=time,
        problems=tuple(problems),
    )


def total_dose_bq(stated: float, modality: str) -> tuple[float, str]:
    """Radionuclide Total Dose in Bq, its unit decided by modality and checked by magnitude; what was assumed."""
    if modality == "PT":
        if stated < MOST_MBQ:
            return stated * BQ_PER_MBQ, (
                f"Radionuclide Total Dose {stated:g} (0018,1074) is too small for Bq and was read as MBq"
            )
        return stated, ""
    if stated >= MOST_MBQ:
        return stated, f"Radionuclide Total Dose {stated:g} (0018,1074) is too large for MBq and was read as Bq"
    return stated * BQ_PER_MBQ, ""


def nuclide_of(item: Any) -> str | None:
    """Radionuclide of a radiopharmaceutical item, as "Lu-177"; None when it names none."""
    for code in items(item, "RadionuclideCodeSequence"):
        text = str(code.get("CodeMeaning") or "").strip()
        coded = CODED.match(text)
        if coded and coded[3].lower() in SYMBOLS:
            return f"{SYMBOLS[coded[3].lower()]}-{coded[1]}{coded[2]}"
        try:
            return nuclide_name(text.strip("^").split(" ")[0])
        except InputError:
            continue
    return None
