"""Time-integrated activity from one scan."""

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np

from lutetia.errors import FitError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.units import S_PER_H

LN2: Final = math.log(2)
VALID_RANGE: Final = (0.75, 2.5)
"""Times in effective half-lives within which Haenscheid's rule errs by at most about 12 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PopulationHalfLife:
    """Effective half-life of a kind of region in a population: mean and relative standard deviation."""

    agent: str
    region: str
    effective_half_life_s: float
    relative_sd: float
    source: str
    verified: bool


@cache
def population_half_lives() -> tuple[PopulationHalfLife, ...]:
    """The shipped table of effective half-lives."""
    table = files("lutetia.kinetics") / "data" / "effective_half_lives" / "effective_half_lives.csv"
    with table.open("r", encoding="utf-8") as file:
        return tuple(
            PopulationHalfLife(
                agent=row["agent"],
                region=row["region"],
                effective_half_life_s=float(row["effective_half_life [h]"]) * S_PER_H,
                relative_sd=float(row["relative_sd"]),
                source=row["source"],
                verified=row["verified"] == "true",
            )
            for row in csv.DictReader(file)
        )


def population_half_life(*, agent: str, region: str, kind: str) -> PopulationHalfLife | None:
    """Effective half-life of a region for an agent, None when the table has none.

    The agent is matched by its ligand ("DOTATATE", "PSMA" in any spelling), lesions by their kind.
    """
    wanted = agent.upper()
    for row in population_half_lives():
        ligand = row.agent.split("-")[1].upper()
        same_region = region.startswith(row.region) or (kind == "lesion" and row.region == "lesion")
        if ligand in wanted and same_region:
            return row
    return None


def _single_point(curve: TimeActivityCurve) -> tuple[float, float, float | None]:
    """Time, activity and its standard uncertainty of the one point of a curve."""
    if curve.time_s.size != 1:
        raise FitError(
            f"{curve.region}: a single-time method takes one time point, this curve has {curve.time_s.size}; "
            "name the scan to use or fit all of them."
        )
    if not curve.activity_bq[0] > 0:
        raise FitError(f"{curve.region}: no activity at the time point, so there is nothing to integrate.")
    u = curve.standard_uncertainty_bq
    return float(curve.time_s[0]), float(curve.activity_bq[0]), None if u is None else float(u[0])


def _result(
    curve: TimeActivityCurve,
    *,
    model: str,
    tia: float,
    relative: float | None,
    half_life_s: float,
    told: tuple[str, ...],
) -> CurveFit:
    time_s, activity, _ = _single_point(curve)
    rate = LN2 / half_life_s
    return CurveFit(
        region=curve.region,
        model=model,
        parameters={"effective_half_life_s": half_life_s},
        covariance=None,
        aicc=None,
        time_integrated_activity_bq_s=tia,
        standard_uncertainty_bq_s=None if relative is None else relative * tia,
        effective_half_life_s=half_life_s,
        extrapolated_fraction=min(activity / rate / tia, 1.0),
        activity_at=lambda t: activity * np.exp(-rate * (np.asarray(t) - time_s)),
        band_at=None,
        warnings=told,
    )


def time_integrated_activity_haenscheid2018(
    curve: TimeActivityCurve, *, half_life_relative_sd: float = 0.25, physical_half_life_s: float | None = None
) -> CurveFit:
    r"""``2 t A(t) / ln 2``: nearly independent of the half-life when t is 0.75 to 2.5 effective half-lives.

    The ratio to the mono-exponential truth is :math:`2 x 2^{-x}` with x = t/T_eff: 1 at x = 1 and 2, 1.061 at most
    between. The rule implies no half-life; the one shown, t, is where the curve's tangent condition holds.

    Parameters
    ----------
    curve : with one point
    half_life_relative_sd : spread of effective half-lives, from which the method's own uncertainty is derived for
        T_eff = t; added in quadrature to that of the activity
    physical_half_life_s : when given, a warning says if no half-life that physics allows makes the rule hold

    References
    ----------
    Haenscheid H, Lapa C, Buck AK, Lassmann M, Werner RA. J Nucl Med 59 (2018) 75-81.
    doi:10.2967/jnumed.117.193706
    """
    time_s, activity, u = _single_point(curve)
    tia = activity * 2 * time_s / LN2
    method = _haenscheid_spread(half_life_relative_sd)
    relative = None if u is None else math.hypot(u / activity, method)
    low, high = time_s / VALID_RANGE[1], time_s / VALID_RANGE[0]
    told: tuple[str, ...] = (
        f"Single time point at {time_s / S_PER_H:.1f} h: holds within about 12 % if the effective half-life is between "
        f"{low / S_PER_H:.0f} and {high / S_PER_H:.0f} h, which one scan cannot show.",
    )
    if physical_half_life_s is not None and low > physical_half_life_s:
        told += ("No effective half-life that physics allows makes this rule hold at so late a time.",)
    return _result(
        curve,
        model="single time point (Haenscheid 2018)",
        tia=tia,
        relative=relative,
        half_life_s=time_s,
        told=told,
    )


def _haenscheid_spread(half_life_relative_sd: float) -> float:
    """Relative root-mean-square error of the rule for log-normal half-lives around the time of the scan."""
    z = np.linspace(-3, 3, 601)
    weight = np.exp(-(z**2) / 2)
    x = np.exp(-z * half_life_relative_sd)
    error = 2 * x * 2.0 ** (-x) - 1
    return float(np.sqrt(np.sum(weight * error**2) / weight.sum()))


def time_integrated_activity_known_half_life(
    curve: TimeActivityCurve, *, effective_half_life_s: float, relative_sd: float, source: str
) -> CurveFit:
    r"""``A(t) exp(k t) / k`` with a known effective half-life, after Madsen 2018.

    The relative uncertainty is :math:`|1 - k t|\,u(T)/T` in quadrature with that of the activity: the half-life acts
    least on a scan at 1/k, that is 1.44 effective half-lives.

    References
    ----------
    Madsen MT, Menda Y, O'Dorisio TM, O'Dorisio MS. Med Phys 45 (2018) 2318-2324. doi:10.1002/mp.12886
    """
    time_s, activity, u = _single_point(curve)
    k = LN2 / effective_half_life_s
    tia = activity * math.exp(k * time_s) / k
    # second order in the spread keeps the uncertainty from vanishing at k t = 1
    first, second = abs(1 - k * time_s) * relative_sd, 0.5 * ((k * time_s) ** 2 + 1) * relative_sd**2
    method = math.hypot(first, second)
    relative = None if u is None else math.hypot(u / activity, method)
    told: tuple[str, ...] = (
        f"Single time point with an effective half-life of {effective_half_life_s / S_PER_H:.1f} h ({source}).",
    )
    ratio = time_s / effective_half_life_s
    if not VALID_RANGE[0] <= ratio <= VALID_RANGE[1]:
        told += (f"The scan lies at {ratio:.2f} effective half-lives; 0.75 to 2.5 is where one scan tells most.",)
    return _result(
        curve,
        model="single time point (known half-life)",
        tia=tia,
        relative=relative,
        half_life_s=effective_half_life_s,
        told=told,
    )
