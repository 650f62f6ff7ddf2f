"""From images of the imaging nuclide to doses and activity of the therapeutic one, as a list of steps."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from lutetia.app.workflow.prediction.doses import chain_doses
from lutetia.app.workflow.prediction.limits import (
    Answer,
    RegionPrediction,
    Weighting,
    activity_for_limits,
    asked_limits,
)
from lutetia.app.workflow.prediction.source import Beside, ImagingStudy, read_study
from lutetia.dose.chains import USUAL_HALF_LIVES
from lutetia.errors import FitError, InputError, MissingDataError
from lutetia.kinetics.pairs.prediction import PredictedCurve, predict_curve
from lutetia.kinetics.pairs.reweighting import reweighted_population
from lutetia.kinetics.pairs.uptake import Pair, UptakeRatio, pair_of, uptake_ratio
from lutetia.kinetics.population.files import read_population
from lutetia.kinetics.population.model import PopulationModel, kind_of_region
from lutetia.kinetics.population.shipped import shipped_population
from lutetia.kinetics.redistribution import EQUILIBRIUM, Redistribution, published_members
from lutetia.physics.anatomy import Sex
from lutetia.physics.nuclides import decays_of_chain, nuclide
from lutetia.therapy.activity.course import organ_of

Progress = Callable[[str, float], None]

__all__ = ["Prediction", "Wanted", "predict"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes
    ----------
    source : folder of a run, case file, or CSV of curves
    imaging, therapy : nuclides
    beside : what is given beside the images
    ratios : region or organ -> uptake ratio of the user
    limits, kidney_limit_gy : names of limits, and one for the kidneys by its number. [Gy]
    probability : with which a limit may be passed
    weighting : RBE of alphas
    model : of the curves
    prior : whether to take the shipped half-lives of the agent
    population : file of a cohort's kinetics, None for none
    horizon_s : None for twenty half-lives of the therapy. [s]
    sex : of the reference person, None to take the male with a warning
    scenario : what daughters of the therapy do
    """

    source: Path
    imaging: str
    therapy: str
    beside: Beside = field(default_factory=Beside)
    ratios: Mapping[str, UptakeRatio] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    kidney_limit_gy: float | None = None
    probability: float = 0.05
    weighting: Weighting
    model: str = "auto"
    prior: bool = False
    population: Path | None = None
    horizon_s: float | None = None
    sex: Sex | None = None
    scenario: Redistribution = EQUILIBRIUM


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prediction:
    """All that is predicted.

    ``members`` are the decays of each nuclide of the chain per decay of the parent within the horizon.
    """

    pair: Pair
    study: ImagingStudy
    members: Mapping[str, float]
    horizon_s: float
    regions: Mapping[str, RegionPrediction]
    answer: Answer
    warnings: tuple[str, ...]


def predict(wanted: Wanted, *, progress: Progress = lambda _text, _share: None) -> Prediction:
    """Curves and doses of the therapeutic nuclide, and the activity that limits of dose allow.

    Raises
    ------
    LutetiaError
        One of its kinds, with a message that names the file, the region or the option.
    """
    if not 0 < wanted.probability <= 0.5:
        raise InputError(f"A probability of {wanted.probability:g}; expected above 0 and at most 50 %.")
    pair = pair_of(wanted.imaging, wanted.therapy, given=bool(wanted.ratios))
    limits = asked_limits(wanted.limits, wanted.kidney_limit_gy)
    study = read_study(wanted.source, imaging=pair.imaging, beside=wanted.beside, progress=progress)
    therapy = nuclide(pair.therapy)
    horizon_s = USUAL_HALF_LIVES * therapy.half_life_s if wanted.horizon_s is None else wanted.horizon_s
    curves, told = _curves(wanted, pair, study, horizon_s, {rows[0].region for rows in limits})
    doses, more = chain_doses(
        curves, therapy=therapy.name, horizon_s=horizon_s, kinds=study.kinds, masses=study.masses,
        sex=wanted.sex or "male", scenario=wanted.scenario,
    )  # fmt: skip
    told = [*_stay(wanted, therapy.name), *told]
    if wanted.sex is None:
        told.append("The reference person is the male adult (--sex): it decides on photons between organs.")
    regions = {
        name: RegionPrediction(
            curve=curve, kind=study.kinds[name], dose=doses.get(name),
            other_u=study.other_u[name] if name in study.masses else None,
        )
        for name, curve in curves.items()
    }  # fmt: skip
    agent = study.agent
    answer = activity_for_limits(
        limits, regions, weighting=wanted.weighting, probability=wanted.probability, agent=agent
    )
    return Prediction(
        pair=pair, study=study, members=decays_of_chain(therapy.name, horizon_s), horizon_s=horizon_s, regions=regions,
        answer=answer, warnings=tuple(dict.fromkeys((*study.warnings, *told, *more, *answer.warnings))),
    )  # fmt: skip


def _stay(wanted: Wanted, therapy: str) -> list[str]:
    """That daughters are taken to stay where a published fraction of them leaves."""
    known = published_members(therapy)
    if wanted.scenario is not EQUILIBRIUM or not known:
        return []
    return [
        f"Daughters are taken to stay, but of {' and '.join(known)} a fraction may come free (--leaving published): "
        "kidneys may get more, and lesions less, than this says."
    ]


def _curves(
    wanted: Wanted, pair: Pair, study: ImagingStudy, horizon_s: float, needed: Set[str]
) -> tuple[dict[str, PredictedCurve], list[str]]:
    """The predicted curve of every region that has an uptake ratio; what cannot be predicted must not be ``needed``."""
    _require_regions(wanted, study)
    chosen = None if wanted.population is None else read_population(wanted.population)
    imaging, therapy = nuclide(pair.imaging), nuclide(pair.therapy)
    found: dict[str, PredictedCurve] = {}
    told = []
    unfitted: FitError | MissingDataError | None = None
    for curve in study.curves:
        name, kind = curve.region, study.kinds[curve.region]
        ratio = uptake_ratio(pair, name, kind=kind, agent=study.agent, given=wanted.ratios)
        if ratio is None:
            told.append(
                f"{name} was left out: no uptake ratio of {pair.name} is known for it (--uptake-ratio {name}=...)."
            )
            continue
        try:
            population = _population(wanted, chosen, study, name, therapy.decay_constant_per_s)
            found[name] = predict_curve(
                curve, imaging_per_s=imaging.decay_constant_per_s, therapy_per_s=therapy.decay_constant_per_s,
                administered_activity_bq=study.activity_bq, ratio=ratio, model=wanted.model, population=population,
                agent=study.agent, horizon_s=horizon_s,
            )  # fmt: skip
        except (FitError, MissingDataError) as error:
            if organ_of(name) in needed:
                raise
            told.append(f"{name} was left out: {error}")
            unfitted = unfitted or error
    if not found:
        raise unfitted or MissingDataError(
            f"{pair.name}: no region has an uptake ratio; there are {', '.join(study.kinds)} (--uptake-ratio REGION=1.0)."
        )
    return found, told


def _require_regions(wanted: Wanted, study: ImagingStudy) -> None:
    """Raise where a ratio or a mass names no region of the images."""
    regions = {name.lower() for name in study.kinds}
    organs = regions | {kind_of_region(name) for name in study.kinds} | set(study.kinds.values())
    for option, names, known in (
        ("--uptake-ratio", wanted.ratios, organs), ("--mass-g", wanted.beside.masses, regions),
    ):  # fmt: skip
        for name in names:
            if name.strip().lower() not in known:
                raise InputError(
                    f"{option} {name}: no such region in the images; there are {', '.join(study.kinds)}."
                )


def _population(
    wanted: Wanted, chosen: PopulationModel | None, study: ImagingStudy, region: str, therapy_per_s: float
) -> PopulationModel | None:
    """The kinetics of a population with the therapy's decay; None where none was asked for."""
    if chosen is None and not wanted.prior:
        return None
    kind = study.kinds[region]
    found = chosen or shipped_population(agent=study.agent, region=region, kind=kind)
    if found is None:
        raise MissingDataError(
            f"{region}: no population is shipped for {study.agent or 'an unnamed agent'}; name it (--agent), or give "
            "one made by lutetia population fit (--population)."
        )
    own = nuclide(found.nuclide).decay_constant_per_s
    return reweighted_population(found, own_per_s=own, therapy_per_s=therapy_per_s)
