"""Spelling of nuclides: "Lu-177", "Lu-177m"."""

import difflib
import re
from collections.abc import Iterable

from lutetia.errors import InputError

_SYMBOL_FIRST = re.compile(r"\^?([A-Za-z]{1,2})[-_ ]?(\d{1,3})([mnp]?)")
_MASS_FIRST = re.compile(r"\^?(\d{1,3})([mnp]?)[-_ ]?([A-Z][A-Za-z]?|[a-z]{1,2})")


def nuclide_name(text: str) -> str:
    """Spell a nuclide as "Lu-177": symbol, hyphen, mass number, and m or n for an isomer.

    "Lu177", "lu-177", "177Lu", "177-Lu" and "^177Lu" (DICOM) are understood; "99mTc" becomes "Tc-99m". Whether
    there are data for the nuclide is not asked here.

    Raises
    ------
    InputError
        When the text is no nuclide's name at all.
    """
    compact = text.strip()
    if match := _SYMBOL_FIRST.fullmatch(compact):
        symbol, mass, isomer = match.groups()
    elif match := _MASS_FIRST.fullmatch(compact):
        mass, isomer, symbol = match.groups()
    else:
        raise InputError(f"{text!r} is not the name of a nuclide; write it as 'Lu-177' or 'Tc-99m'.")
    return f"{symbol.capitalize()}-{int(mass)}{isomer}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """A sentence with the known names closest to an unknown one, and the spelling expected."""
    known = sorted(known)
    symbol, _, mass = name.partition("-")
    same_mass = [other for other in known if other.partition("-")[2].rstrip("mnp") == mass.rstrip("mnp")]
    same_symbol = [other for other in known if other.partition("-")[0] == symbol]
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    isomers = [other for other in same_mass if other in same_symbol]
    matches = list(dict.fromkeys([*isomers, *close, *same_symbol[:4]]))[:6]
    hint = f"Similar names: {', '.join(matches)}. " if matches else ""
    return f"{hint}Names are spelled 'Lu-177', isomers 'Tc-99m'."
