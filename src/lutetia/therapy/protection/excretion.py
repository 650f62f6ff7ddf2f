"""What leaves the body: urine until a time, activity to the sewer, and statements about elimination."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lutetia.errors import InputError
from lutetia.kinetics.single_time import same_agent
from lutetia.therapy.protection.retention import Retention
from lutetia.therapy.protection.tables import is_verified, rows
from lutetia.units import S_PER_H


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """Where the administered activity is at a time: shares that sum to 1.

    Attributes
    ----------
    time_s : after the administration. [s]
    in_body, excreted, decayed : shares of the administered activity; ``excreted`` is what is left of it outside the body
    excreted_corrected : share that has left the body, decay-corrected to the administration
    """

    time_s: float
    in_body: float
    excreted: float
    decayed: float
    excreted_corrected: float


def balance(retention: Retention, time_s: float) -> Balance:
    """Shares of the administered activity in the body, outside, and decayed."""
    if not time_s >= 0:
        raise InputError(f"Time {time_s:g} s after the administration; expected 0 or later.")
    decay = math.exp(-retention.decay_constant_per_s * time_s)
    out = float(retention.excreted_at(time_s))
    return Balance(
        time_s=time_s,
        in_body=(1 - out) * decay,
        excreted=out * decay,
        decayed=1 - decay,
        excreted_corrected=out,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SewerRelease:
    """Activity that goes to the sewer from a tank, by nuclide. [Bq], [Bq/m3]"""

    activity_bq: Mapping[str, float]
    concentration_bq_per_m3: Mapping[str, float] | None


def sewer_release(
    activity_bq: Mapping[str, float],
    decay_constants_per_s: Mapping[str, float],
    *,
    excreted_fraction: float,
    delay_s: float,
    volume_m3: float | None = None,
) -> SewerRelease:
    r"""Activity :math:`A f e^{-\lambda t}` at the release, and its concentration in the volume of the tank.

    Parameters
    ----------
    activity_bq : administered, by nuclide (with a long-lived impurity as its own nuclide). [Bq]
    decay_constants_per_s : of the same nuclides. [1/s]
    excreted_fraction : share of the administered activity in the tank, decay-corrected to the administration
    delay_s : from the administration to the release. [s]
    volume_m3 : of the tank; None where only activity matters

    Raises
    ------
    InputError
        A fraction outside 0 to 1, a delay below 0 or a volume not above 0.
    """
    if not 0 <= excreted_fraction <= 1 or not delay_s >= 0 or (volume_m3 is not None and not volume_m3 > 0):
        raise InputError(
            f"Excreted fraction {excreted_fraction:g}, delay {delay_s:g} s, volume {volume_m3} m3; expected 0 to 1, "
            "0 or more, and above 0."
        )
    left = {
        name: a * excreted_fraction * math.exp(-decay_constants_per_s[name] * delay_s)
        for name, a in activity_bq.items()
    }
    concentration = None if volume_m3 is None else {name: a / volume_m3 for name, a in left.items()}
    return SewerRelease(activity_bq=left, concentration_bq_per_m3=concentration)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What somebody says was eliminated by a time, beside what a retention says.

    Attributes
    ----------
    statement, source, verified : as in the table
    reading : "biological" (excretion alone) or "total" (with decay)
    time_s : [s]
    stated, expected : shares of the administered activity, the second of the retention
    """

    statement: str
    reading: str
    time_s: float
    stated: float
    expected: float
    source: str
    verified: bool


def elimination_statements(retention: Retention, *, agent: str) -> tuple[Statement, ...]:
    """Published statements about an agent's elimination, each beside what a retention gives at its time."""
    found = []
    for row in rows("retention", "statements.csv"):
        if not same_agent(row["agent"], agent):
            continue
        time_s = float(row["time [h]"]) * S_PER_H
        at = balance(retention, time_s)
        found.append(
            Statement(
                statement=row["statement"],
                reading=row["reading"],
                time_s=time_s,
                stated=float(row["eliminated"]),
                expected=at.excreted_corrected if row["reading"] == "biological" else 1 - at.in_body,
                source=row["source"],
                verified=is_verified(row),
            )
        )
    return tuple(found)
