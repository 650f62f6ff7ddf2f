"""Reading the published tables that stand beside this package.

Each table is a CSV file in a folder named for its publication, next to a ``SOURCE.toml`` that says title, table,
DOI, licence and whether the numbers were checked against the source (``verified``).
"""

import csv
import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any

from lutetia.errors import MissingDataError


@lru_cache(maxsize=32)
def read_table(publication: str, name: str) -> tuple[dict[str, str], ...]:
    """Rows of a published table as column -> text; lines starting with # are remarks.

    Raises
    ------
    MissingDataError
        When the table is not part of the installation.
    """
    file = resources.files("lutetia.physics").joinpath("data", publication, name)
    if not file.is_file():
        raise MissingDataError(f"No table {publication}/{name} in lutetia.physics; reinstall the package.")
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return tuple(csv.DictReader(lines))


@lru_cache(maxsize=32)
def source_of(publication: str) -> dict[str, Any]:
    """Where the tables of a publication's folder come from (its ``SOURCE.toml``)."""
    file = resources.files("lutetia.physics").joinpath("data", publication, "SOURCE.toml")
    if not file.is_file():
        raise MissingDataError(f"No SOURCE.toml for {publication!r} in lutetia.physics; reinstall the package.")
    return tomllib.loads(file.read_text(encoding="utf-8"))
