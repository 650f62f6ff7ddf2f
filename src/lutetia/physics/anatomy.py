"""Reference masses of organs of adults (ICRP Publication 89)."""

from typing import Literal

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.tables import read_table

Sex = Literal["male", "female"]
_SINGULAR = {
    "adrenal": "adrenals",
    "breast": "breasts",
    "kidney": "kidneys",
    "lung": "lungs",
    "ovary": "ovaries",
    "salivary gland": "salivary glands",
    "testis": "testes",
}
_SYNONYMS = {
    "bone marrow": "red marrow",
    "active marrow": "red marrow",
    "body": "total body",
    "heart": "heart wall",
}


def organ_mass_g(region: str, sex: Sex) -> float:
    """Reference mass of an adult's organ, of ICRP Publication 89 (kidneys, liver and spleen without their blood).

    ICRP 133 counts blood with the organs (kidneys 422 g instead of 310 g); do not mix the two. One side of a paired
    organ ("kidney left") is half the pair.

    Parameters
    ----------
    region : "kidneys", "kidney left", "liver", "red marrow", "total body", ...
    sex : "male" or "female"

    Returns
    -------
    float
        [g]

    Raises
    ------
    InputError
        Unknown region or sex; the message lists the known regions.
    MissingDataError
        An organ this sex does not have.

    References
    ----------
    ICRP Publication 89, Ann ICRP 32(3-4), 2002, table 2.8, doi:10.1016/S0146-6453(03)00002-2.

    Examples
    --------
    >>> organ_mass_g("kidney left", "male")
    155.0
    """
    if sex not in ("male", "female"):
        raise InputError(f"Sex {sex!r}; the reference masses are for 'male' and 'female'.")
    name, side = _without_side(region.strip().lower())
    rows = {row["region"]: row for row in read_table("icrp_89", "masses.csv")}
    row = rows.get(name)
    if row is None or (side and row["paired"] != "true"):
        raise InputError(
            f"No reference mass of {region!r}; there are {', '.join(rows)} (and 'kidney left' and the like)."
        )
    if not row[f"{sex}_g"]:
        raise MissingDataError(f"No reference mass of {region!r} for a {sex}.")
    return float(row[f"{sex}_g"]) * (0.5 if side else 1.0)


def _without_side(name: str) -> tuple[str, str]:
    """Plural name of the table, and the side when one is named."""
    words = name.split()
    side = next((word for word in words if word in ("left", "right")), "")
    bare = " ".join(word for word in words if word != side)
    bare = _SYNONYMS.get(bare, bare)
    return (_SINGULAR.get(bare, bare) if side else bare), side
