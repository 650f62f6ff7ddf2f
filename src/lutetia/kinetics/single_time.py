"""Time-integrated activity from one scan."""

import csv
import math
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.models import model_of
from lutetia.units import S_PER_H

Array = NDArray[np.float64]

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


def same_agent(one: str, other: str) -> bool:
    """Whether two spellings share their ligand: "177Lu-DOTATATE" and "Lutathera (DOTATATE)"."""

    def words(text: str) -> set[str]:
        return {w for w in re.split(r"[^A-Z0-9]+", text.upper()) if len(w) >= 4 and w[0].isalpha()}

    return bool(words(one) & words(other))


def single_time_gate(*, agent: str, region: str, kind: str) -> str | None:
    """Why a single time point should not be used for a region, None where nothing speaks against it.

    References
    ----------
    Hou X et al. J Nucl Med 62 (2021) 1006-1011. doi:10.2967/jnumed.120.254656 (marrow, tumours with PSMA).
    """
    if "marrow" in region.lower():
        return "One scan does not do for the marrow: its half-lives differ too much between patients (Hou 2021)."
    if "PSMA" in agent.upper() and (kind == "lesion" or region.lower().startswith(("lesion", "tumour", "tumor"))):
        return "One scan does not do for lesions treated with PSMA ligands: their half-lives differ too much (Hou 2021)."
    return None


def lognormal(mean: float, relative_sd: float) -> tuple[float, float]:
    """Median of a lognormal quantity, and the standard deviation of its logarithm."""
    if not mean > 0 or not relative_sd >= 0:
        raise InputError(
            f"Mean {mean:g}, relative standard deviation {relative_sd:g}; expected above 0 and at least 0."
        )
    return mean / math.sqrt(1 + relative_sd**2), math.sqrt(math.log1p(relative_sd**2))


def _factors(log_spread: float) -> tuple[Array, Array]:
    """Even sample of a lognormal factor of median 1, and its weights."""
    z = np.linspace(-4, 4, 801)
    weight = np.exp(-(z**2) / 2)
    return np.exp(log_spread * z), weight / weight.sum()


def _interval(values: Array, weight: Array, relative: float | None) -> tuple[float, float] | None:
    """95 % interval of weighted values, each with a lognormal measurement error; None where that is unknown.

    Solves ``sum_i w_i Phi((ln q - ln v_i)/s) = p`` for p = 0.025 and 0.975.
    """
    if relative is None:
        return None
    from scipy.optimize import brentq
    from scipy.special import ndtr

    log_value = np.log(values[weight > 0])
    share = weight[weight > 0] / weight.sum()
    # a spread far below the steps of the sample makes the solution a quantile of the values alone
    s = max(math.sqrt(math.log1p(relative**2)), 1e-3)
    low, high = float(log_value.min()) - 8 * s, float(log_value.max()) + 8 * s

    def quantile(p: float) -> float:
        return math.exp(brentq(lambda q: float(share @ ndtr((q - log_value) / s)) - p, low, high, xtol=1e-10))

    return quantile(0.025), quantile(0.975)


def _outside(time_s: float, half_life_s: float) -> tuple[str, ...]:
    ratio = time_s / half_life_s
    if VALID_RANGE[0] <= ratio <= VALID_RANGE[1]:
        return ()
    return (f"The scan lies at {ratio:.2f} effective half-lives; 0.75 to 2.5 is where one scan tells most.",)


def _result(
    curve: TimeActivityCurve,
    *,
    model: str,
    relative: float | None,
    exponentials: tuple[tuple[float, float], ...],
    half_life_s: float | None,
    interval: tuple[float, float] | None,
    told: tuple[str, ...],
) -> CurveFit:
    """Result whose curve is the sum of exponentials."""
    time_s, _, _ = _single_point(curve)
    tia = sum(a / k for a, k in exponentials)
    after = sum(a / k * math.exp(-k * time_s) for a, k in exponentials)
    return CurveFit(
        region=curve.region,
        model=model,
        parameters={} if half_life_s is None else {"effective_half_life_s": half_life_s},
        covariance=None,
        aicc=None,
        time_integrated_activity_bq_s=tia,
        standard_uncertainty_bq_s=None if relative is None else relative * tia,
        effective_half_life_s=half_life_s,
        extrapolated_fraction=min(after / tia, 1.0),
        activity_at=lambda t: np.asarray(sum(a * np.exp(-k * np.asarray(t, dtype=float)) for a, k in exponentials)),
        band_at=None,
        warnings=told,
        exponentials=exponentials,
        interval_95_bq_s=interval,
    )


def time_integrated_activity_haenscheid2018(
    curve: TimeActivityCurve,
    *,
    half_life_relative_sd: float = 0.25,
    effective_half_life_s: float | None = None,
    physical_half_life_s: float | None = None,
) -> CurveFit:
    r"""``2 t A(t) / ln 2``: nearly independent of the half-life when t is 0.75 to 2.5 effective half-lives.

    The ratio to the mono-exponential truth is :math:`2 x 2^{-x}` with x = t/T_eff: 1 at x = 1 and 2, 1.061 at most
    between. The rule implies no half-life, so none is given; its curve is ``2 A exp(-ln 2 t'/t)``. The 95 % interval
    supposes lognormal half-lives: the rule errs most where x is far from 1 to 2, and then the truth is larger.

    Parameters
    ----------
    curve : with one point
    half_life_relative_sd : spread of effective half-lives, from which the method's own uncertainty is derived; added in
        quadrature to that of the activity
    effective_half_life_s : their mean, where it is known for the region; else t. [s]
    physical_half_life_s : when given, a warning says if no half-life that physics allows makes the rule hold, and the
        spread is cut there. [s]

    References
    ----------
    Haenscheid H, Lapa C, Buck AK, Lassmann M, Werner RA. J Nucl Med 59 (2018) 75-81.
    doi:10.2967/jnumed.117.193706
    """
    time_s, activity, u = _single_point(curve)
    rate = LN2 / time_s
    centre = time_s if effective_half_life_s is None else effective_half_life_s
    median_s, spread = lognormal(centre, half_life_relative_sd)
    factor, weight = _factors(spread)
    weight = _cut(weight, median_s * factor, physical_half_life_s)
    x = time_s / (median_s * factor)
    ratio = 2 * x * 2.0 ** (-x)
    known = None if u is None else u / activity
    method = math.sqrt(float(weight @ (ratio - 1) ** 2))
    low, high = time_s / VALID_RANGE[1], time_s / VALID_RANGE[0]
    told: tuple[str, ...] = (
        f"Single time point at {time_s / S_PER_H:.1f} h: holds within about 12 % if the effective half-life is between "
        f"{low / S_PER_H:.0f} and {high / S_PER_H:.0f} h, which one scan cannot show.",
    )
    if effective_half_life_s is not None:
        told += _outside(time_s, effective_half_life_s)
    if physical_half_life_s is not None and low > physical_half_life_s:
        told += ("No effective half-life that physics allows makes this rule hold at so late a time.",)
    return _result(
        curve,
        model="single time point (Haenscheid 2018)",
        relative=None if known is None else math.hypot(known, method),
        exponentials=((2 * activity, rate),),
        half_life_s=None,
        interval=_interval(2 * activity / rate / ratio, weight, known),
        told=told,
    )


def _cut(weight: Array, half_life_s: Array, physical_half_life_s: float | None) -> Array:
    """Weights of half-lives that physics allows; as they are where it allows none."""
    if physical_half_life_s is None:
        return weight
    left = np.where(half_life_s <= physical_half_life_s, weight, 0.0)
    return left / left.sum() if left.sum() > 0 else weight


def time_integrated_activity_madsen2018(
    curve: TimeActivityCurve,
    *,
    effective_half_life_s: float,
    relative_sd: float,
    source: str,
    physical_half_life_s: float | None = None,
) -> CurveFit:
    r"""``A(t) exp(k t) / k`` with the effective half-life of a population.

    The relative uncertainty is :math:`|1 - k t|\,u(T)/T` in quadrature with that of the activity: the half-life acts
    least on a scan at 1/k, that is 1.44 effective half-lives. There the integral is least, so that a patient of any
    other half-life has more than the estimate; the 95 % interval, for lognormal half-lives, is not symmetric.

    Parameters
    ----------
    curve : with one point
    effective_half_life_s, relative_sd : mean of the population and its relative standard deviation. [s]
    source : of the half-life, for the warning
    physical_half_life_s : where half-lives are cut in the interval. [s]

    References
    ----------
    Madsen MT, Menda Y, O'Dorisio TM, O'Dorisio MS. Med Phys 45 (2018) 2318-2324. doi:10.1002/mp.12886
    """
    time_s, activity, u = _single_point(curve)
    median_s, spread = lognormal(effective_half_life_s, relative_sd)
    k = LN2 / effective_half_life_s
    # second order in the spread keeps the uncertainty from vanishing at k t = 1
    first, second = abs(1 - k * time_s) * relative_sd, 0.5 * ((k * time_s) ** 2 + 1) * relative_sd**2
    known = None if u is None else u / activity
    factor, weight = _factors(spread)
    weight = _cut(weight, median_s * factor, physical_half_life_s)
    rates = LN2 / (median_s * factor)
    return _result(
        curve,
        model="single time point (known half-life, Madsen 2018)",
        relative=None if known is None else math.hypot(known, first, second),
        exponentials=((activity * math.exp(k * time_s), k),),
        half_life_s=effective_half_life_s,
        interval=_interval(activity * np.exp(rates * time_s) / rates, weight, known),
        told=(
            f"Single time point with an effective half-life of {effective_half_life_s / S_PER_H:.1f} h ({source}).",
            *_outside(time_s, effective_half_life_s),
        ),
    )


def time_integrated_activity_own_kinetics(
    curve: TimeActivityCurve, *, earlier: CurveFit, between_cycles_relative_sd: float
) -> CurveFit:
    r"""The patient's own curve of an earlier cycle, scaled to the one scan of this cycle.

    :math:`\tilde A = A(t)\,\tilde A_1/A_1(t)` with the earlier curve :math:`A_1`. Between cycles its times stretch by a
    lognormal factor s, :math:`\tilde A(s) = s A(t)\,\tilde A_1/A_1(t/s)`; for a mono-exponential this is a spread of
    the effective half-life, which acts by :math:`|1 - kt|`. The uncertainty has three parts: the activity, the stretch
    to second order, and the earlier curve's form with its covariance (its scale cancels).

    Parameters
    ----------
    curve : with one point
    earlier : fit of the same region in an earlier cycle, a sum of exponentials
    between_cycles_relative_sd : of the effective half-life of one patient from cycle to cycle

    Raises
    ------
    FitError
        The earlier fit is no sum of exponentials, or shows no activity at this time.

    References
    ----------
    Willowson KP et al. EJNMMI Phys 5 (2018) 33. doi:10.1186/s40658-018-0232-9 (half-life from the first cycle).
    """
    time_s, activity, u = _single_point(curve)
    told = [f"Single time point with the patient's own curve of an earlier cycle ({earlier.model})."]
    if _other_region(curve.region, earlier.region):
        told.append(f"The earlier curve is that of {earlier.region}, not of this region.")
    factor, weight = _factors(lognormal(1.0, between_cycles_relative_sd)[1])
    there = _earlier_activity(curve.region, earlier, np.append(time_s / factor, time_s))
    total = sum(a / k for a, k in earlier.exponentials)
    scale = activity / float(there[-1])
    known = None if u is None else u / activity
    form = _form_uncertainty(earlier, time_s, told)
    rest = None if known is None or form is None else math.hypot(known, form)
    relative = None
    if rest is not None:
        relative = math.hypot(rest, *_stretch(earlier, time_s, between_cycles_relative_sd))
    if earlier.effective_half_life_s is not None:
        told += _outside(time_s, earlier.effective_half_life_s)
    return _result(
        curve,
        model="single time point (own kinetics)",
        relative=relative,
        exponentials=tuple((scale * a, k) for a, k in earlier.exponentials),
        half_life_s=earlier.effective_half_life_s or LN2 / min(k for _, k in earlier.exponentials),
        interval=_interval(factor * total * activity / there[:-1], weight, rest),
        told=tuple(told),
    )


def _other_region(region: str, other: str) -> bool:
    """Whether two names are not of one region, apart from case and spaces."""
    return region.strip().lower() != other.strip().lower()


def _earlier_activity(region: str, earlier: CurveFit, time_s: Array) -> Array:
    if not earlier.exponentials:
        raise FitError(
            f"{region}: the earlier fit ({earlier.model}) is no sum of exponentials, so its form cannot be scaled; fit "
            "that cycle with exponentials."
        )
    found = np.asarray(sum(a * np.exp(-k * time_s) for a, k in earlier.exponentials))
    if not np.all(found > 0):
        raise FitError(f"{region}: the earlier curve shows no activity at {time_s[-1] / S_PER_H:.1f} h.")
    return found


def _stretch(earlier: CurveFit, time_s: float, relative_sd: float) -> tuple[float, float]:
    """First- and second-order effect of a stretch of the earlier curve's times, by differences in its logarithm."""
    step = 1e-3
    s = np.exp(np.array([-step, 0.0, step]))
    a, b, c = (s / _earlier_activity(earlier.region, earlier, time_s / s)).tolist()
    return abs(c - a) / (2 * step * b) * relative_sd, 0.5 * abs(a - 2 * b + c) / (step**2 * b) * relative_sd**2


def _form_uncertainty(earlier: CurveFit, time_s: float, told: list[str]) -> float | None:
    """Relative uncertainty of integral over activity of the earlier curve; None where it has none."""
    model = model_of(earlier.model)
    covariance = earlier.covariance
    if model is not None and covariance is not None and covariance.shape[0] == len(model.names):
        p = np.array([earlier.parameters[name] for name in model.names])
        gradient = model.integral_gradient(p) / model.integral(p)
        gradient = gradient - model.activity_gradient(p, np.array(time_s)) / model.activity(p, np.array(time_s))
        return math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))
    if earlier.standard_uncertainty_bq_s is None:
        told.append("The earlier curve has no uncertainty, so this one has none.")
        return None
    if earlier.band_at is None:
        told.append(
            "The uncertainty of the earlier curve's integral was taken for that of its form, which is less."
        )
        return earlier.standard_uncertainty_bq_s / earlier.time_integrated_activity_bq_s
    told.append("The uncertainties of the earlier curve's integral and activity were taken as independent.")
    at = np.array([time_s])
    return math.hypot(
        earlier.standard_uncertainty_bq_s / earlier.time_integrated_activity_bq_s,
        float(earlier.band_at(at)[0] / earlier.activity_at(at)[0]),
    )
