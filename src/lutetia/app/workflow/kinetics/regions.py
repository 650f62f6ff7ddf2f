"""Which fit a region gets: the model that was asked for, or a method for few scans."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.case.settings import Case
from lutetia.app.report.fits import for_people
from lutetia.errors import FitError, InputError, MissingDataError
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.models import Model, model_of
from lutetia.kinetics.population.files import read_population
from lutetia.kinetics.population.model import PopulationModel, kind_of_region
from lutetia.kinetics.population.posterior import posterior_fit
from lutetia.kinetics.population.shipped import shipped_population
from lutetia.kinetics.single_time import (
    population_half_life,
    single_time_gate,
    time_integrated_activity_haenscheid2018,
    time_integrated_activity_madsen2018,
    time_integrated_activity_own_kinetics,
)
from lutetia.physics.nuclides import Nuclide
from lutetia.units import BQ_PER_MBQ, H_PER_S, MBQ_H_PER_BQ_S, S_PER_H

FEW_SCANS: Final = ("haenscheid2018", "madsen2018", "known", "population")
"""Methods for one scan; population and known take more."""
MADSEN_RELATIVE_SD: Final = 0.2
"""Spread of a half-life that the user gives without one, for madsen2018: between patients of a population."""
KNOWN_RELATIVE_SD: Final = 0.05
"""The same for the patient's own half-life in an earlier cycle: between cycles."""

HALF_LIFE_ROUNDING: Final = 0.01
"""Share by which a given half-life may exceed the physical one: 6.7 d is said of 177Lu too."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KineticsChoice:
    """How curves are fitted.

    Attributes
    ----------
    model : auto, another model of ``fit_curve``, or one of FEW_SCANS
    agent : whose published half-lives are meant
    effective_half_life_s, half_life_relative_sd : that the user gave, for madsen2018 and known
    earlier : region -> fit of an earlier cycle of the same patient
    population : fitted to a cohort by the user
    administered_activity_bq : None when not known; a population then says nothing of the amplitude
    """

    model: str = "auto"
    agent: str = ""
    effective_half_life_s: float | None = None
    half_life_relative_sd: float | None = None
    earlier: Mapping[str, CurveFit] = field(default_factory=dict)
    population: PopulationModel | None = None
    administered_activity_bq: float | None = None


def kinetics_choice(case: Case) -> KineticsChoice:
    """What the case says of its curves, its files read.

    Raises
    ------
    InputError
        A file of an earlier cycle or of a population that cannot be read.
    """
    said = case.kinetics
    return KineticsChoice(
        model=said.model,
        agent=case.agent,
        effective_half_life_s=said.effective_half_life_s,
        half_life_relative_sd=said.half_life_relative_sd,
        earlier={} if said.earlier is None else read_earlier_fits(case.folder / said.earlier),
        population=None if said.population is None else read_population(case.folder / said.population),
    )


def fit_region(curve: TimeActivityCurve, *, nuclide: Nuclide, kind: str, choice: KineticsChoice) -> CurveFit:
    """The fit that was asked for; of ``auto`` with one scan, the best that is known of the region.

    That is the patient's own kinetics of an earlier cycle, else the user's population, else published half-lives of
    the agent, else Haenscheid's rule.

    Raises
    ------
    FitError
        The method does not suit the points.
    MissingDataError
        The method needs a half-life, an earlier cycle or a population that is not there.
    InputError
        Unknown model.
    """
    name = choice.model
    if name in FEW_SCANS and kind == "remainder":
        # the body less its organs has neither a population nor a curve whose form could be scaled
        name = "auto"
    if name == "auto" and curve.time_s.size == 1:
        name = _best_known(curve, kind, choice)
    if name not in FEW_SCANS:
        return fit_curve(curve, decay_constant_per_s=nuclide.decay_constant_per_s, model=name)
    fit = _of_few_scans(curve, name, nuclide, kind, choice)
    gate = single_time_gate(agent=choice.agent, region=curve.region, kind=kind) if curve.time_s.size == 1 else None
    return replace(fit, warnings=(*fit.warnings, gate)) if gate else fit


def _of_few_scans(
    curve: TimeActivityCurve, name: str, nuclide: Nuclide, kind: str, choice: KineticsChoice
) -> CurveFit:
    if name == "haenscheid2018":
        return time_integrated_activity_haenscheid2018(curve, physical_half_life_s=nuclide.half_life_s)
    if name == "madsen2018":
        return _madsen(curve, nuclide, kind, choice)
    if name == "known":
        return _known(curve, nuclide, choice)
    return posterior_fit(
        curve, population=_population(curve, kind, choice), decay_constant_per_s=nuclide.decay_constant_per_s,
        agent=choice.agent, administered_activity_bq=choice.administered_activity_bq,
    )  # fmt: skip


def _best_known(curve: TimeActivityCurve, kind: str, choice: KineticsChoice) -> str:
    if choice.effective_half_life_s is not None:
        return "madsen2018"
    if curve.region in choice.earlier:
        return "known"
    has = choice.population is not None and kind_of_region(curve.region) in choice.population.regions
    if has or shipped_population(agent=choice.agent, region=curve.region, kind=kind) is not None:
        return "population"
    return "haenscheid2018"


def _madsen(curve: TimeActivityCurve, nuclide: Nuclide, kind: str, choice: KineticsChoice) -> CurveFit:
    if choice.effective_half_life_s is not None:
        return time_integrated_activity_madsen2018(
            curve, effective_half_life_s=_possible_half_life_s(choice.effective_half_life_s, nuclide),
            relative_sd=_given(choice.half_life_relative_sd, MADSEN_RELATIVE_SD), source="given by the user",
            physical_half_life_s=nuclide.half_life_s,
        )  # fmt: skip
    prior = population_half_life(agent=choice.agent, region=curve.region, kind=kind)
    if prior is None:
        raise MissingDataError(
            f"{curve.region}: no effective half-life is known for {choice.agent or 'an unnamed agent'}; give one "
            "(--effective-half-life-h), name the agent, or use haenscheid2018."
        )
    source = prior.source + ("" if prior.verified else "; not verified against the paper")
    return time_integrated_activity_madsen2018(
        curve, effective_half_life_s=prior.effective_half_life_s, relative_sd=prior.relative_sd, source=source,
        physical_half_life_s=nuclide.half_life_s,
    )  # fmt: skip


def _known(curve: TimeActivityCurve, nuclide: Nuclide, choice: KineticsChoice) -> CurveFit:
    between = _given(choice.half_life_relative_sd, KNOWN_RELATIVE_SD)
    earlier = choice.earlier.get(curve.region)
    if earlier is not None:
        return time_integrated_activity_own_kinetics(curve, earlier=earlier, between_cycles_relative_sd=between)
    if choice.effective_half_life_s is not None:
        return time_integrated_activity_madsen2018(
            curve, effective_half_life_s=_possible_half_life_s(choice.effective_half_life_s, nuclide),
            relative_sd=between,
            source="the patient's own, given by the user", physical_half_life_s=nuclide.half_life_s,
        )  # fmt: skip
    there = f"it has {', '.join(choice.earlier)}" if choice.earlier else "none was given"
    raise MissingDataError(
        f"{curve.region}: 'known' needs this region's kinetics in an earlier cycle ({there}): --earlier with the JSON of "
        "fit or the dose.json of run, or --effective-half-life-h."
    )


def _possible_half_life_s(given_s: float, nuclide: Nuclide) -> float:
    """The effective half-life that was given. [s]

    Raises
    ------
    InputError
        It is not above 0, or longer than that of the nuclide.
    """
    if not 0 < given_s <= nuclide.half_life_s * (1 + HALF_LIFE_ROUNDING):
        raise InputError(
            f"An effective half-life of {given_s * H_PER_S:.6g} h was given; expected above 0 and at most the physical one "
            f"of {nuclide.name}, {nuclide.half_life_s * H_PER_S:.6g} h."
        )
    return given_s


def _population(curve: TimeActivityCurve, kind: str, choice: KineticsChoice) -> PopulationModel:
    if choice.population is not None:
        return choice.population
    shipped = shipped_population(agent=choice.agent, region=curve.region, kind=kind)
    if shipped is None:
        raise MissingDataError(
            f"{curve.region}: no population is known for {choice.agent or 'an unnamed agent'}; give one made by "
            "lutetia population fit (--population), name the agent, or use haenscheid2018."
        )
    return shipped


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def one_scan(curve: TimeActivityCurve, time_s: float) -> TimeActivityCurve:
    """The point of a curve at a time, which must be one of its own.

    Raises
    ------
    FitError
        There is none; the message names those there are.
    """
    at = np.flatnonzero(np.isclose(curve.time_s, time_s, rtol=1e-6))
    if at.size != 1:
        hours = ", ".join(f"{t * H_PER_S:g}" for t in curve.time_s)
        raise FitError(f"{curve.region}: no scan at {time_s * H_PER_S:g} h; there are {hours} h.")
    u = curve.standard_uncertainty_bq
    return replace(
        curve, time_s=curve.time_s[at], activity_bq=curve.activity_bq[at],
        standard_uncertainty_bq=None if u is None else u[at],
    )  # fmt: skip


def read_earlier_fits(path: Path) -> dict[str, CurveFit]:
    """Fits of an earlier cycle by region, from the JSON of ``lutetia fit`` or the dose.json of ``lutetia run``.

    Only sums of exponentials can be taken over; other regions (trapezoids) are left out.

    Raises
    ------
    InputError
        Not such a file.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        rows = document["curves"] if "curves" in document else document["regions"]
        return {row["region"]: _earlier(row, path.name) for row in rows if row.get("exponentials")}
    except FileNotFoundError:
        raise InputError(f"{path.name}: no such file.") from None
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path.name}: not the JSON of lutetia fit or a dose.json of lutetia run ({type(error).__name__}: {error})."
        ) from error


def _earlier(row: Mapping[str, Any], file: str) -> CurveFit:
    terms = tuple((t["amplitude_MBq"] * BQ_PER_MBQ, t["rate_per_h"] * H_PER_S) for t in row["exponentials"])
    amplitude, rate = np.array(terms).T
    total = float(row["time_integrated_activity_MBq_h"])
    if not (np.all(np.isfinite(terms)) and np.all(rate > 0) and 0 < total < math.inf):
        raise InputError(
            f"{file}, {row['region']}: exponentials {row['exponentials']} with an integral of {total} MBq h; expected "
            "finite amplitudes, rates above 0 and an integral above 0."
        )
    model = model_of(str(row["model"]))
    u, half_life = row.get("u_time_integrated_activity_MBq_h"), row.get("effective_half_life_h")
    return CurveFit(
        region=str(row["region"]),
        model=str(row["model"]),
        parameters={} if model is None else _parameters(model, row),
        covariance=None if model is None else _covariance(model, row),
        aicc=None,
        time_integrated_activity_bq_s=total / MBQ_H_PER_BQ_S,
        standard_uncertainty_bq_s=None if u is None else float(u) / MBQ_H_PER_BQ_S,
        effective_half_life_s=math.log(2) / rate.min() if half_life is None else float(half_life) * S_PER_H,
        extrapolated_fraction=float(row.get("extrapolated_fraction") or 0.0),
        activity_at=lambda t: np.asarray(np.exp(-np.multiply.outer(np.asarray(t, float), rate)) @ amplitude),
        band_at=None,
        exponentials=terms,
    )


def _parameters(model: Model, row: Mapping[str, Any]) -> dict[str, float]:
    shown = {name: for_people(name) for name in model.names}
    return {name: float(row["parameters"][people]) / factor for name, (people, factor) in shown.items()}


def _covariance(model: Model, row: Mapping[str, Any]) -> NDArray[np.float64] | None:
    if row.get("covariance") is None:
        return None
    factor = np.array([for_people(name)[1] for name in model.names])
    return np.asarray(np.array(row["covariance"], float) / np.outer(factor, factor))
