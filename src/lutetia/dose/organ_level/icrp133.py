"""Specific absorbed fractions of ICRP Publication 133, read from the files of its electronic annex that a user owns.

The files are not part of Lutetia. Layout of one (Fortran): three lines of text; number of targets and of sources
(2I4), 14 blanks and the energies in MeV (F10.5 each); a ruled line; then for every pair target (A10), "<-", source
(A10), one specific absorbed fraction per energy (E10.0 each) in 1/kg, and a cut-off energy and index, which are not
needed. Targets run fastest. The masses stand in an index file: two lines of text, the number of targets, a ruled line,
then name, mass of the male, mass of the female.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.anatomy import Sex
from lutetia.units import G_PER_KG

Radiation = Literal["electron", "photon", "alpha"]

HEADER_LINES: Final = 5
ENERGIES_LINE: Final = 4
NAME: Final = 10
FIRST: Final = 22
"""Characters before the first energy or fraction."""
FIELD: Final = 10
INDEX_HEADER_LINES: Final = 4
CODES: Final = {"male": "am", "female": "af"}
LEAST_BRAIN_KG, GREATEST_BRAIN_KG = 1.0, 2.0
"""An adult's brain: tells masses in kg from masses in g."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpecificAbsorbedFractions:
    """Specific absorbed fractions of one radiation in one reference person.

    Attributes
    ----------
    radiation : what is emitted
    energy_mev : (n,) increasing. [MeV]
    targets, sources : names as in the file
    per_kg : (targets, sources, n). [1/kg]
    file : name of the file
    """

    radiation: Radiation
    energy_mev: NDArray[np.float64]
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    per_kg: NDArray[np.float64]
    file: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReferencePerson:
    """The three tables of one sex and the masses of the targets with their blood. [g]"""

    sex: Sex
    electron: SpecificAbsorbedFractions
    photon: SpecificAbsorbedFractions
    alpha: SpecificAbsorbedFractions
    target_mass_g: dict[str, float]


def read_icrp133(folder: Path, sex: Sex) -> ReferencePerson:
    """The files of one sex in a folder: ``rcp-am_electron_*.SAF``, ``..photon..``, ``..alpha..``, ``torgans_*.NDX``.

    Raises
    ------
    MissingDataError
        A file is not there.
    InputError
        There are two of one kind, or one is not what its name says; the message has file, line, found and expected.

    References
    ----------
    ICRP Publication 133, Ann ICRP 45(2), 2016, doi:10.1177/0146645316661077, electronic annex.
    """
    if sex not in CODES:
        raise InputError(f"Sex {sex!r}; the files of ICRP 133 are for 'male' and 'female'.")
    masses = read_target_masses_g(_only(folder, "torgans_*.NDX"), sex)
    electron, photon, alpha = (
        read_saf(_only(folder, f"rcp-{CODES[sex]}_{radiation}_*.SAF"), radiation)
        for radiation in ("electron", "photon", "alpha")
    )
    for table in (electron, photon, alpha):
        unknown = [name for name in table.targets if name not in masses]
        if unknown:
            raise InputError(
                f"{table.file}: targets {', '.join(unknown[:5])} have no mass in the index of targets."
            )
        if (table.targets, table.sources) != (photon.targets, photon.sources):
            raise InputError(f"{table.file}: other targets or sources than {photon.file}.")
    return ReferencePerson(sex=sex, electron=electron, photon=photon, alpha=alpha, target_mass_g=masses)


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise MissingDataError(
            f"{folder.name}: no {pattern}; it comes with the electronic annex of ICRP Publication 133, which Lutetia does "
            "not hold."
        )
    if len(found) > 1:
        raise InputError(f"{folder.name}: {len(found)} files {pattern}; expected one.")
    return found[0]


def read_saf(path: Path, radiation: Radiation) -> SpecificAbsorbedFractions:
    """One table of specific absorbed fractions.

    Raises
    ------
    InputError
        The file is not of this layout; the message has file, line, found and expected.
    """
    lines = _lines(path)
    if len(lines) < HEADER_LINES:
        raise InputError(
            f"{path.name}: {len(lines)} lines; expected {HEADER_LINES} of header and one for each pair."
        )
    n_targets, n_sources, energy = _heading(lines[ENERGIES_LINE - 1], path)
    rows = lines[HEADER_LINES:]
    if len(rows) != n_targets * n_sources:
        raise InputError(
            f"{path.name}: {len(rows)} lines after the header; line {ENERGIES_LINE} announces {n_targets} targets of "
            f"{n_sources} sources, which is {n_targets * n_sources}."
        )
    parsed = [_pair(row, energy.size, f"{path.name}, line {HEADER_LINES + 1 + i}") for i, row in enumerate(rows)]
    targets = tuple(target for target, _, _ in parsed[:n_targets])
    sources = tuple(source for _, source, _ in parsed[::n_targets])
    for i, (target, source, _) in enumerate(parsed):
        expected = (targets[i % n_targets], sources[i // n_targets])
        if (target, source) != expected:
            raise InputError(
                f"{path.name}, line {HEADER_LINES + 1 + i}: {target} <- {source}; expected {expected[0]} <- {expected[1]}, "
                "as the targets run through the same names for every source."
            )
    values = np.array([fractions for _, _, fractions in parsed]).reshape(n_sources, n_targets, energy.size)
    return SpecificAbsorbedFractions(
        radiation=radiation,
        energy_mev=energy,
        targets=targets,
        sources=sources,
        per_kg=np.ascontiguousarray(values.transpose(1, 0, 2)),
        file=path.name,
    )


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text("latin-1")
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror}).") from error
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _heading(line: str, path: Path) -> tuple[int, int, NDArray[np.float64]]:
    """Number of targets and sources, and the energies. [MeV]"""
    where = f"{path.name}, line {ENERGIES_LINE}"
    expected = "expected the number of targets, the number of sources (4 characters each) and energies in MeV"
    fields = [line[at : at + FIELD] for at in range(FIRST, len(line.rstrip()), FIELD)]
    try:
        n_targets, n_sources = int(line[:4]), int(line[4:8])
        energy = np.array([float(field) for field in fields if _is_number(field)])
    except ValueError as error:
        raise InputError(f"{where}: {line[:40]!r}; {expected}.") from error
    if n_targets < 1 or n_sources < 1 or energy.size < 2 or np.any(np.diff(energy) <= 0) or energy[0] < 0:
        raise InputError(
            f"{where}: {n_targets} targets, {n_sources} sources, {energy.size} energies; {expected}, rising."
        )
    return n_targets, n_sources, energy


def _is_number(field: str) -> bool:
    """Whether a field of the heading is an energy; the names of the last two columns follow the energies."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def _pair(line: str, n: int, where: str) -> tuple[str, str, list[float]]:
    """Target, source and the specific absorbed fractions of one line. [1/kg]"""
    if line[NAME : NAME + 2] != "<-" or len(line) < FIRST + n * FIELD:
        raise InputError(
            f"{where}: {line[:FIRST]!r} and {len(line)} characters; expected a target of {NAME} characters, '<-', a source "
            f"of {NAME}, and {n} numbers of {FIELD}."
        )
    fields = [line[FIRST + i * FIELD : FIRST + (i + 1) * FIELD] for i in range(n)]
    values: list[float] = []
    for i, field in enumerate(fields):
        value = float(field) if _is_number(field) else float("nan")
        if not 0 <= value < float("inf"):
            raise InputError(
                f"{where}: {field!r} for energy {i + 1}; expected a specific absorbed fraction of 0 or more."
            )
        values.append(value)
    return line[:NAME].strip(), line[NAME + 2 : FIRST].strip(), values


def read_target_masses_g(path: Path, sex: Sex) -> dict[str, float]:
    """Masses of the targets of one sex, with blood; 0 of an organ that this sex lacks. [g]

    Raises
    ------
    InputError
        The file is not of this layout, or its unit cannot be told: the brain should weigh 1 to 2 kg.
    """
    lines = _lines(path)
    try:
        count = int(lines[INDEX_HEADER_LINES - 2].split()[0])
    except (IndexError, ValueError) as error:
        raise InputError(f"{path.name}, line {INDEX_HEADER_LINES - 1}: expected the number of targets.") from error
    rows = lines[INDEX_HEADER_LINES : INDEX_HEADER_LINES + count]
    if len(rows) < count:
        raise InputError(f"{path.name}: {len(rows)} targets; line {INDEX_HEADER_LINES - 1} announces {count}.")
    masses = dict(_mass(row, sex, f"{path.name}, line {INDEX_HEADER_LINES + 1 + i}") for i, row in enumerate(rows))
    factor = _grams(masses, path)
    return {name: mass * factor for name, mass in masses.items()}


def _mass(line: str, sex: Sex, where: str) -> tuple[str, float]:
    fields: Sequence[str] = line.split()
    if len(fields) < 3 or not all(_is_number(field) for field in fields[1:3]):
        raise InputError(f"{where}: {line.strip()[:40]!r}; expected a name and the masses of male and female.")
    return fields[0], float(fields[1 if sex == "male" else 2])


def _grams(masses: dict[str, float], path: Path) -> float:
    """Grams per unit of the file."""
    brain = masses.get("Brain", 0.0)
    if LEAST_BRAIN_KG < brain < GREATEST_BRAIN_KG:
        return G_PER_KG
    if LEAST_BRAIN_KG * G_PER_KG < brain < GREATEST_BRAIN_KG * G_PER_KG:
        return 1.0
    raise InputError(
        f"{path.name}: Brain has a mass of {brain:g}; expected 1 to 2 kg, or 1000 to 2000 g, by which the unit is told."
    )
