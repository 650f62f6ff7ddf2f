r"""Published dose coefficients, each with the factor that its value already holds.

Tables print :math:`w = r D_\alpha + D_{\beta\gamma}` with r of 1, of 5, or without saying. A value with r = 5 read as
an absorbed dose is up to five times too high, and one weighted again up to twenty-five times. So a coefficient is of
one of three types, and only an absorbed one can be weighted.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.nuclides import decays_of_chain, nuclide
from lutetia.response.bed import rbe_weighted_dose
from lutetia.therapy.agents.tables import Row, is_verified, number, rows

GY_PER_MBQ = {
    "mGy/MBq": 1e-3,
    "Gy/GBq": 1e-3,
    "Gy/MBq": 1.0,
    "Gy/29.6GBq": 1.0 / 29600.0,
    "mSv/MBq": 1e-3,
    "Sv/GBq": 1e-3,
    "Sv/MBq": 1.0,
}
"""What one printed unit is in Gy/MBq (or, weighted, in Gy times its factor per MBq)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Absorbed:
    """Absorbed dose per administered activity, unweighted. [Gy/MBq]"""

    gy_per_mbq: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighted:
    """Dose per administered activity in which alpha particles count ``rbe`` times. [Gy/MBq, weighted]"""

    weighted_gy_per_mbq: float
    rbe: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Unstated:
    """A value of which nobody says whether alpha particles count more than once in it. [Gy/MBq, weighted or not]"""

    gy_or_weighted_per_mbq: float


Coefficient = Absorbed | Weighted | Unstated


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedDose:
    """A row of the table of published dose coefficients.

    Attributes
    ----------
    agent, nuclide, region : of what; ``member`` is the nuclide of the chain that gives this part of the dose, empty
        for all
    coefficient : its type says whether it is weighted; ``statistic`` is mean, median or model
    spread, low, high : standard deviation and range in the same quantity, None where not stated. [Gy/MBq]
    printed : value and unit as printed
    patients : None where not stated
    """

    agent: str
    nuclide: str
    member: str
    region: str
    coefficient: Coefficient
    statistic: Literal["mean", "median", "model"]
    spread: float | None
    low: float | None
    high: float | None
    printed: str
    patients: int | None
    source: str
    verified: bool
    note: str


@cache
def published_doses() -> tuple[PublishedDose, ...]:
    """All published dose coefficients."""
    return tuple(map(_published, rows("doses.csv")))


def _published(row: Row) -> PublishedDose:
    factor = GY_PER_MBQ[row["unit"]]
    patients, rbe = number(row, "patients"), number(row, "rbe")
    spread, low, high = (
        None if (value := number(row, key)) is None else value * factor for key in ("spread", "low", "high")
    )
    return PublishedDose(
        agent=row["agent"],
        nuclide=row["nuclide"],
        member=row["member"],
        region=row["region"],
        coefficient=coefficient_of(float(row["value"]) * factor, rbe),
        statistic=row["statistic"],  # type: ignore[arg-type]
        spread=spread,
        low=low,
        high=high,
        printed=f"{row['value']} {row['unit']}",
        patients=None if patients is None else int(patients),
        source=row["source"],
        verified=is_verified(row),
        note=row["note"],
    )


def coefficient_of(value: float, rbe: float | None) -> Coefficient:
    """A coefficient of the type that the factor inside says; None where the factor is not stated. [Gy/MBq]"""
    if rbe is None:
        return Unstated(gy_or_weighted_per_mbq=value)
    if rbe < 1.0:
        raise InputError(f"A factor of {rbe} for alpha particles; expected 1 or more.")
    return Absorbed(gy_per_mbq=value) if rbe == 1.0 else Weighted(weighted_gy_per_mbq=value, rbe=rbe)


def absorbed_dose_gy_per_mbq(row: PublishedDose, *, alpha_share: float | None = None) -> float:
    r"""The unweighted dose of a row, where it can be known.

    .. math:: D = \frac{w}{1 + (r - 1) f}

    Parameters
    ----------
    row : absorbed, or weighted with a known factor r
    alpha_share : f, fraction of the absorbed dose that alpha particles and their recoil give; needed for a weighted
        row, not looked at for an absorbed one. ``alpha_share_at_equilibrium`` has it where daughters stay

    Returns
    -------
    float
        [Gy/MBq]

    Raises
    ------
    MissingDataError
        The factor inside is not stated, or the row is weighted and the share of alpha particles is not given.
    InputError
        A share outside 0 to 1.
    """
    found = row.coefficient
    if isinstance(found, Absorbed):
        return found.gy_per_mbq
    where = f"{row.agent}, {row.region}, {row.printed} ({row.source})"
    if isinstance(found, Unstated):
        raise MissingDataError(f"{where}: the source does not say whether a factor for alpha particles is inside.")
    if alpha_share is None:
        low, high = bounds_gy_per_mbq(row)
        raise MissingDataError(
            f"{where} holds a factor of {found.rbe:g} for alpha particles; the absorbed dose is between {low:.4g} and "
            f"{high:.4g} Gy/MBq. Give the share of alpha particles in it."
        )
    return found.weighted_gy_per_mbq / (1.0 + (found.rbe - 1.0) * _share(alpha_share))


def bounds_gy_per_mbq(row: PublishedDose) -> tuple[float, float]:
    """The absorbed dose if alpha particles give all of it, and if none; equal for an absorbed row. [Gy/MBq]

    Raises
    ------
    MissingDataError
        The factor inside is not stated.
    """
    found = row.coefficient
    if isinstance(found, Weighted):
        return found.weighted_gy_per_mbq / found.rbe, found.weighted_gy_per_mbq
    known = absorbed_dose_gy_per_mbq(row)
    return known, known


def weighted(coefficient: Absorbed, *, rbe: float, alpha_share: float) -> Weighted:
    """An absorbed coefficient with alpha particles counted ``rbe`` times.

    Parameters
    ----------
    coefficient : unweighted
    rbe : 1 or more
    alpha_share : fraction of the absorbed dose that alpha particles and their recoil give

    Raises
    ------
    InputError
        A coefficient that is weighted already or may be, a factor below 1, a share outside 0 to 1.
    """
    _require_unweighted(coefficient)
    if rbe < 1.0:
        raise InputError(f"A factor of {rbe} for alpha particles; expected 1 or more.")
    dose, share = coefficient.gy_per_mbq, _share(alpha_share)
    value = rbe_weighted_dose(alpha_dose_gy=dose * share, beta_gamma_dose_gy=dose * (1.0 - share), rbe=rbe)
    return Weighted(weighted_gy_per_mbq=value, rbe=rbe)


def _require_unweighted(coefficient: Coefficient) -> None:
    # the types say so already, but people call from notebooks
    if not isinstance(coefficient, Absorbed):
        inside = (
            f"holds a factor of {coefficient.rbe:g}" if isinstance(coefficient, Weighted) else "may hold a factor"
        )
        raise InputError(f"The coefficient {inside} for alpha particles already; it cannot be weighted again.")


def alpha_share_at_equilibrium(name: str, *, horizon_s: float) -> float:
    """Fraction of the charged-particle energy of a chain that alpha particles and recoil carry.

    For an organ whose dose is its own, with daughters that decay where the parent does and photons that leave.

    Parameters
    ----------
    name : parent nuclide
    horizon_s : time from the pure parent on; finite, for long-lived ends of a chain (207Bi). [s]

    Raises
    ------
    InputError
        An unknown nuclide, or a time that is not finite and positive.
    """
    if not (math.isfinite(horizon_s) and horizon_s > 0.0):
        raise InputError(f"Horizon {horizon_s} s; expected a finite time above 0.")
    alpha, electrons = 0.0, 0.0
    for member, decays in decays_of_chain(name, horizon_s).items():
        energy = nuclide(member).energy_per_decay_mev
        alpha += decays * (energy.alpha + energy.recoil)
        electrons += decays * energy.electron
    return alpha / (alpha + electrons)


def total_gy_per_mbq(found: Iterable[PublishedDose]) -> float:
    """Absorbed dose of one region from all members of a chain, each counted once. [Gy/MBq]

    Raises
    ------
    InputError
        No row; rows of different agents, regions or sources; a member twice; a row for all members beside one of them.
    MissingDataError
        A row that is not an absorbed dose.
    """
    listed = tuple(found)
    if not listed:
        raise InputError("No row to add.")
    if len({(row.agent, row.region, row.source) for row in listed}) != 1:
        raise InputError("Rows of different agents, regions or sources cannot be added.")
    members = [row.member for row in listed]
    twice = sorted({member or "all members" for member in members if members.count(member) > 1})
    if twice or ("" in members and len(members) > 1):
        told = ", ".join(twice) or "a member beside all members"
        raise InputError(f"{listed[0].agent}, {listed[0].region}: {told} would count twice.")
    return sum(absorbed_dose_gy_per_mbq(row) for row in listed)


def _share(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise InputError(f"Share of alpha particles {value}; expected 0 to 1.")
    return value
