"""From curves of an alpha emitter to doses by chain member and radiation, as a list of steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from lutetia.app.case.redistribution import read_redistribution
from lutetia.app.workflow.chains.beds import TwoComponentBed, two_component_bed
from lutetia.app.workflow.kinetics.regions import KineticsChoice, fit_region
from lutetia.app.workflow.prediction.source import Mass, kind_called
from lutetia.dose.chains import (
    USUAL_HALF_LIVES,
    Body,
    ChainAbsorbedDose,
    Contribution,
    RbeWeightedDose,
    chain_absorbed_doses,
    contributions,
    rbe_weighted,
)
from lutetia.dose.chains.weighted import DEFAULT_RBE, DETERMINISTIC
from lutetia.dose.small_scale.unseen import unseen
from lutetia.errors import InputError
from lutetia.kinetics.consistency import impossible_totals, require_possible
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.kinetics.measured.curve_table import read_curves
from lutetia.kinetics.redistribution import EQUILIBRIUM, Redistribution, icrp_redistribution, published_releases
from lutetia.physics.anatomy import Sex
from lutetia.physics.chains import Chain, chain
from lutetia.physics.nuclides import HalfLifeData, nuclide

FREE_DAUGHTERS_REACH: Final = ("kidneys", "red marrow", "liver")
"""Organs that have a dose without a curve of their own when daughters come free."""
Released = Literal["published"]

__all__ = [
    "FREE_DAUGHTERS_REACH",
    "AlphaDoses",
    "AlphaRegion",
    "Wanted",
    "alpha_doses",
    "scenario_of",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes
    ----------
    curves : CSV of the parent's activity by region
    nuclide : administered
    activity_bq : administered, None when not known; more than it in the curves is refused. [Bq]
    sex : of the reference person
    masses : region -> the patient's mass
    targets : organs beside those with curves
    horizon_s : None for twenty half-lives of the parent. [s]
    scenario : what daughters do
    rbe, endpoint : of alphas and recoil
    model, agent : of the fits
    calibration_u : relative standard uncertainty that all curves share, None when not said
    voxel_mm : of the images behind the curves. [mm]
    half_life_data : set of half-lives
    """

    curves: Path
    nuclide: str
    activity_bq: float | None = None
    sex: Sex
    masses: Mapping[str, Mass] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    horizon_s: float | None = None
    scenario: Redistribution = EQUILIBRIUM
    rbe: float = DEFAULT_RBE
    endpoint: str = DETERMINISTIC
    model: str = "auto"
    agent: str = ""
    calibration_u: float | None = None
    voxel_mm: float = 4.8
    half_life_data: HalfLifeData = "ICRP-107"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AlphaRegion:
    """Dose of one region; ``fit`` and ``bed`` are None without a curve of its own or parameters of its tissue."""

    kind: str
    dose: ChainAbsorbedDose
    weighted: RbeWeightedDose
    bed: TwoComponentBed | None
    fit: CurveFit | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AlphaDoses:
    """All that is computed; ``parts`` are the decays behind the doses, ``unseen`` what images do not show."""

    chain: Chain
    horizon_s: float
    scenario: Redistribution
    parts: tuple[Contribution, ...]
    regions: tuple[AlphaRegion, ...]
    unseen: tuple[str, ...]
    warnings: tuple[str, ...]


def alpha_doses(wanted: Wanted) -> AlphaDoses:
    """Doses by radiation and chain member from a table of curves of the parent.

    Raises
    ------
    LutetiaError
        One of its kinds, with a message that names the file, the region or the option.
    """
    element = nuclide(wanted.nuclide, wanted.half_life_data)
    family = chain(element.name, wanted.half_life_data)
    table = read_curves(wanted.curves)
    kinds = {curve.region: _kind(curve.region) for curve in table.curves}
    _require_given(table.curves, wanted.activity_bq, element.decay_constant_per_s)
    choice = KineticsChoice(model=wanted.model, agent=wanted.agent, administered_activity_bq=wanted.activity_bq)
    fits = {c.region: fit_region(c, nuclide=element, kind=kinds[c.region], choice=choice) for c in table.curves}
    horizon_s = USUAL_HALF_LIVES * element.half_life_s if wanted.horizon_s is None else wanted.horizon_s
    parts = contributions(
        family, fits.values(), horizon_s=horizon_s, scenario=wanted.scenario, relative_u=relative_u(fits)
    )
    free = wanted.scenario.leaving or wanted.scenario.transfers
    doses, told = chain_absorbed_doses(
        parts, body=Body(sex=wanted.sex, masses=_masses(wanted, kinds), lesions=_lesions(kinds)),
        targets=(*wanted.targets, *(FREE_DAUGHTERS_REACH if free else ())), shared_relative_u=wanted.calibration_u,
    )  # fmt: skip
    _require_used(wanted, tuple(doses))
    regions = tuple(_region(wanted, kinds, fits, dose) for dose in doses.values())
    seen = unseen(wanted.voxel_mm, element.name).sentences if any(m.alpha_mev for m in family.members) else ()
    return AlphaDoses(
        chain=family, horizon_s=horizon_s, scenario=wanted.scenario, parts=parts, regions=regions, unseen=seen,
        warnings=tuple(dict.fromkeys((*table.warnings, *told, *_left_out(wanted)))),
    )  # fmt: skip


def scenario_of(parent: str, *, file: Path | None, released: str | None) -> Redistribution:
    """What daughters do: a file, published fractions that come free with the systemic models of ICRP, or equilibrium.

    Raises
    ------
    InputError
        Both, or a word that is not known.
    MissingDataError
        No published fraction for this parent.
    """
    if file is not None and released is not None:
        raise InputError("--redistribution and --leaving: one of them, please.")
    if file is not None:
        return read_redistribution(file)
    if released is None:
        return EQUILIBRIUM
    name = nuclide(parent).name
    setting = "DOTA" if name == "Pb-212" else "recoil"
    said = f"as published for {setting}" if setting == "DOTA" else "all that recoil can free, an upper limit"
    return icrp_redistribution(
        published_releases(name, setting), name=f"daughters of {name} come free, {said}, then ICRP 137"
    )


def relative_u(fits: Mapping[str, CurveFit]) -> dict[str, float | None]:
    """Relative standard uncertainty of the integral of each curve, None when unknown."""
    return {
        name: None
        if fit.standard_uncertainty_bq_s is None or not fit.time_integrated_activity_bq_s > 0
        else fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s
        for name, fit in fits.items()
    }


def _kind(region: str) -> str:
    return "remainder" if region.lower() == "remainder" else kind_called(region)


def _lesions(kinds: Mapping[str, str]) -> frozenset[str]:
    return frozenset(name for name, kind in kinds.items() if kind == "lesion")


def _masses(wanted: Wanted, kinds: Mapping[str, str]) -> dict[str, Mass]:
    """Masses by the names of the curves and targets, whatever the case they were given in."""
    given = {name.strip().lower(): mass for name, mass in wanted.masses.items()}
    names = (*kinds, *wanted.targets, *FREE_DAUGHTERS_REACH)
    return {name: given[name.lower()] for name in names if name.lower() in given}


def _require_used(wanted: Wanted, regions: tuple[str, ...]) -> None:
    """Raise where a mass is of no region with a dose: it would change nothing, and nobody would see that."""
    known = {name.lower() for name in regions}
    for name in wanted.masses:
        if name.strip().lower() not in known:
            there = ", ".join(regions) or "none"
            raise InputError(f"--mass-g {name}: no such region has a dose; there are {there} (--target for more).")


def _require_given(
    curves: tuple[TimeActivityCurve, ...], given_bq: float | None, decay_constant_per_s: float
) -> None:
    if given_bq is None:
        return
    for curve in curves:
        found = impossible_totals(
            labels=[curve.region] * curve.time_s.size, time_s=curve.time_s.tolist(), total=curve.activity_bq.tolist(),
            decay_constant_per_s=decay_constant_per_s, administered_activity_bq=given_bq, tolerance=float("inf"),
        )  # fmt: skip
        require_possible(found)


def _region(
    wanted: Wanted, kinds: Mapping[str, str], fits: Mapping[str, CurveFit], dose: ChainAbsorbedDose
) -> AlphaRegion:
    kind, fit = kinds.get(dose.target, "organ"), fits.get(dose.target)
    return AlphaRegion(
        kind=kind, dose=dose, weighted=rbe_weighted(dose, rbe=wanted.rbe, endpoint=wanted.endpoint), fit=fit,
        bed=two_component_bed(dose, kind=kind, agent=wanted.agent, rbe_max=wanted.rbe, fit=fit),
    )  # fmt: skip


def _left_out(wanted: Wanted) -> list[str]:
    told = [
        "Uncertainties hold curves and masses; fractions and rates of daughters, S coefficients and the RBE not."
    ]
    if wanted.calibration_u is None:
        told.append(
            "The error that all points share (calibration) was not said (--calibration-u-percent) and is in no uncertainty."
        )
    return told
