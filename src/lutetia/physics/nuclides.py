"""Radionuclides: half-life, energy per decay, photon lines and progeny."""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from lutetia.errors import InputError
from lutetia.physics.emissions import Emissions, emissions
from lutetia.physics.names import nuclide_name, suggestion
from lutetia.physics.tables import read_table

HalfLifeData = Literal["ICRP-107", "newer"]
"""Sets of half-lives: those of ICRP Publication 107, or newer evaluations where the table has one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyPerDecay:
    """Mean energy emitted per decay, by radiation, daughters not included. [MeV]

    Attributes
    ----------
    electron : beta, conversion and Auger electrons
    photon : gamma, X and annihilation radiation
    alpha : alpha particles without recoil
    recoil : daughter nuclei after alpha emission
    """

    electron: float
    photon: float
    alpha: float
    recoil: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotonLine:
    """One photon energy and its yield."""

    energy_mev: float
    yield_per_decay: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Progeny:
    """One daughter and the fraction of decays that lead to it."""

    nuclide: str
    branching: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Nuclide:
    """A radionuclide.

    Attributes
    ----------
    name : "Lu-177"
    half_life_s, decay_constant_per_s : [s], [1/s]
    half_life_source, half_life_verified : data set the half-life is from, and whether it was compared with it
    energy_per_decay_mev : EnergyPerDecay
    photon_lines : by decreasing yield; gamma, X and annihilation radiation
    """

    name: str
    half_life_s: float
    decay_constant_per_s: float
    half_life_source: str
    half_life_verified: bool
    energy_per_decay_mev: EnergyPerDecay
    photon_lines: tuple[PhotonLine, ...]

    @property
    def progeny(self) -> tuple[Progeny, ...]:
        """Radioactive or stable daughters, by decreasing branching; fission is left out."""
        return _progeny(self.name)


@lru_cache(maxsize=256)
def nuclide(name: str, half_life_data: HalfLifeData = "ICRP-107") -> Nuclide:
    """Data of a radionuclide from ICRP Publication 107.

    Parameters
    ----------
    name : "Lu-177"; "Lu177" and "177Lu" are understood.
    half_life_data : "ICRP-107", or "newer" for later evaluations where the package has one (Ac-225, Tb-161, ...);
        the emissions are those of ICRP 107 either way.

    Raises
    ------
    InputError
        Unknown nuclide, or a name that is none; the message names similar ones.

    References
    ----------
    ICRP Publication 107, Ann ICRP 38(3), 2008, doi:10.1016/j.icrp.2008.10.004; chains through radioactivedecay:
    Malins and Lemoine, J Open Source Softw 7, 3318, 2022, doi:10.21105/joss.03318.

    Examples
    --------
    >>> round(nuclide("Lu-177").half_life_s / 86400.0, 3)
    6.647
    """
    emitted = emissions(name)
    half_life_s, source, verified = _half_life(emitted, half_life_data)
    photons = emitted.photons
    lines = [
        PhotonLine(energy_mev=float(energy), yield_per_decay=float(yields))
        for energy, yields in zip(photons.energy_mev, photons.yield_per_decay, strict=True)
    ]
    return Nuclide(
        name=emitted.name,
        half_life_s=half_life_s,
        decay_constant_per_s=float(np.log(2.0)) / half_life_s,
        half_life_source=source,
        half_life_verified=verified,
        energy_per_decay_mev=EnergyPerDecay(
            electron=emitted.electron_energy_mev,
            photon=emitted.photon_energy_mev,
            alpha=emitted.alpha_energy_mev,
            recoil=emitted.recoil_energy_mev,
        ),
        photon_lines=tuple(sorted(lines, key=lambda line: -line.yield_per_decay)),
    )


def detectable_photopeaks(
    name: str, *, lowest_mev: float = 0.050, highest_mev: float = 0.450, least_yield: float = 0.01
) -> tuple[PhotonLine, ...]:
    """Photon lines a gamma camera can be set to, by decreasing yield.

    Lines closer together than 3 % of their energy cannot be told apart by a camera and are returned as one, with
    their summed yield and yield-weighted energy.

    Parameters
    ----------
    name : nuclide
    lowest_mev, highest_mev : range a gamma camera is used in. [MeV]
    least_yield : photons per decay that a (joined) line must have at least
    """
    lines = sorted(nuclide(name).photon_lines, key=lambda line: line.energy_mev)
    groups: list[list[PhotonLine]] = []
    for line in lines:
        if not lowest_mev <= line.energy_mev <= highest_mev:
            continue
        if groups and line.energy_mev < 1.03 * groups[-1][0].energy_mev:
            groups[-1].append(line)
        else:
            groups.append([line])
    joined = [_joined_line(group) for group in groups]
    return tuple(sorted((p for p in joined if p.yield_per_decay >= least_yield), key=lambda p: -p.yield_per_decay))


def decays_of_chain(name: str, duration_s: float, *, activity_bq: float | None = None) -> dict[str, float]:
    """Decays of a nuclide and each of its daughters within a time, from a pure parent at time 0.

    The short way to ``lutetia.physics.chains.chain_decays``, with half-lives of ICRP 107. Without ``activity_bq`` the
    numbers are per decay of the parent *within the same time*; with it they are decays of a source that starts with
    this activity. Daughters are assumed to stay where the parent decays.

    Parameters
    ----------
    name : parent nuclide
    duration_s : [s], infinite for complete decay
    activity_bq : activity of the parent at time 0, None for numbers per decay of the parent. [Bq]

    Returns
    -------
    dict
        Radioactive nuclide -> decays, the parent first.

    Raises
    ------
    InputError
        No time above 0, a negative activity; infinity with a member that lives longer than a year (207Bi).
    """
    # imported late: chains are made of nuclides
    from lutetia.physics.chains import chain, chain_decays

    found = chain_decays(chain(name), horizon_s=duration_s, activity_bq=1.0 if activity_bq is None else activity_bq)
    return found.per_parent_decay if activity_bq is None else dict(found.decays)


def is_stable(name: str) -> bool:
    """Whether a nuclide ends a chain in the decay data; 209Bi (alpha decay in 1.9e19 y) counts as stable.

    Raises
    ------
    InputError
        When the decay data do not hold the nuclide.

    References
    ----------
    de Marcillac et al., Nature 422, 876, 2003, doi:10.1038/nature01541 (209Bi).
    """
    return bool(np.isinf(_known_nuclide(nuclide_name(name)).half_life("s")))


def _joined_line(group: list[PhotonLine]) -> PhotonLine:
    total = sum(line.yield_per_decay for line in group)
    mean = sum(line.energy_mev * line.yield_per_decay for line in group) / total
    return PhotonLine(energy_mev=mean, yield_per_decay=total)


def _half_life(emitted: Emissions, data: HalfLifeData) -> tuple[float, str, bool]:
    if data not in ("ICRP-107", "newer"):
        raise InputError(f"half_life_data is {data!r}; expected 'ICRP-107' or 'newer'.")
    if data == "newer":
        for row in read_table("half_lives", "half_lives.csv"):
            if row["nuclide"] == emitted.name:
                verified = row["verified"] == "true"
                remark = "" if verified else " (not checked against the source)"
                return float(row["half_life_s"]), row["source"] + remark, verified
    return emitted.half_life_s, "ICRP-107", True


@lru_cache(maxsize=256)
def _progeny(name: str) -> tuple[Progeny, ...]:
    parent = _known_nuclide(name)
    pairs = zip(parent.progeny(), parent.branching_fractions(), strict=True)
    found = [Progeny(nuclide=str(child), branching=float(fraction)) for child, fraction in pairs if child != "SF"]
    return tuple(sorted(found, key=lambda child: -child.branching))


def _known_nuclide(name: str) -> Any:
    library = _decay_library()
    try:
        return library.Nuclide(name)
    except ValueError:
        known = [str(other) for other in library.DEFAULTDATA.nuclides]
        raise InputError(f"No nuclide {name!r} in the decay data. {suggestion(name, known)}") from None


def _decay_library() -> Any:
    # Imported late: it drags in matplotlib and networkx, a second that only those who need decay chains should pay.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import radioactivedecay
    return radioactivedecay
