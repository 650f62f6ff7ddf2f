"""The command ``population advise``: when to scan."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.errors import InputError, MissingDataError
from lutetia.units import H_PER_S, S_PER_H

if TYPE_CHECKING:
    from lutetia.kinetics.curve import TimeActivityCurve
    from lutetia.kinetics.population.model import PopulationModel, RegionKinetics
    from lutetia.physics.nuclides import Nuclide

MOST_TIMES: Final = 500
"""Steps into which the feasible times are divided at most; below that they are an hour."""
SHOWN_H: Final = (4, 24, 48, 72, 96, 120, 144, 168)
"""Times that departments scan at, shown beside the best one."""
NEARLY: Final = 1.1
"""Times are as good as the best where the uncertainty is within this factor of the least."""
ADVICE_NOTE: Final = (
    "Expected relative standard uncertainty (k=1) of the time-integrated activity, without what all scans share "
    "(calibration, mass). What a protocol loses is for a patient of the population. Research use only."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What was asked of ``population advise``, in the units of the command line."""

    region: str
    nuclide: str
    population: Path | None
    agent: str
    scans_h: str
    from_h: float | None
    to_h: float
    scan_uncertainty_percent: float
    curve: Path | None


def advise(
    region: Annotated[str, typer.Option("--region", help="For example kidney; with --curve a region of it.")],
    nuclide: Annotated[str, typer.Option("--nuclide", help="For example Lu-177.")],
    population_file: Annotated[
        Path | None, typer.Option("--population", help="A model made by lutetia population fit.")
    ] = None,
    agent: Annotated[
        str, typer.Option("--agent", help="For example 177Lu-DOTATATE: whose published half-lives to take.")
    ] = "",
    scans_h: Annotated[
        str, typer.Option("--scans-h", help="A protocol, 4,24,72,168: what leaving out each scan loses. [h]")
    ] = "",
    from_h: Annotated[
        float | None, typer.Option("--from-h", help="Earliest next scan; default 1, or after the last. [h]")
    ] = None,
    to_h: Annotated[float, typer.Option("--to-h", help="Latest next scan. [h]")] = 168.0,
    scan_uncertainty_percent: Annotated[
        float, typer.Option("--scan-uncertainty-percent", help="Standard uncertainty (k=1) of one scan's activity.")
    ] = 5.0,
    curve: Annotated[
        Path | None,
        typer.Option("--curve", help="Scans the patient has had: CSV with region, time_h, activity_MBq, u_MBq."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """When to scan next, and what each scan of a protocol is worth, from the kinetics of a population."""
    with told_errors(as_json=json):
        document = advice_document(
            Asked(
                region=region,
                nuclide=nuclide,
                population=population_file,
                agent=agent,
                scans_h=scans_h,
                from_h=from_h,
                to_h=to_h,
                scan_uncertainty_percent=scan_uncertainty_percent,
                curve=curve,
            )
        )
        if json:
            print_json(document)
        else:
            print_advice(document)


def advice_document(asked: Asked) -> dict[str, Any]:
    """Advice on scan times as a JSON document; keys as in docs/reference/json.md."""
    from lutetia.kinetics.population.posterior import population_region
    from lutetia.physics.nuclides import nuclide as nuclide_data

    if not 0 < asked.scan_uncertainty_percent < math.inf:
        raise InputError(f"--scan-uncertainty-percent {asked.scan_uncertainty_percent:g}; expected above 0.")
    protocol_s = _protocol_s(asked.scans_h)
    found = nuclide_data(asked.nuclide)
    given = _population(asked, found)
    scans, told = _scans(asked)
    name = asked.region if scans is None else scans.region
    n_scans = 1 if scans is None else scans.time_s.size + 1
    kinetics, doubts = population_region(name, given, agent=asked.agent, n_scans=n_scans)
    advice = _advice(asked, kinetics, found.decay_constant_per_s, protocol_s, scans)
    times = advice["times"]
    if len(times) > 1 and advice["best_next_time_h"] == times[-1]["time_h"]:
        told.append(f"The best time is the latest allowed, {times[-1]['time_h']:g} h; a later one may be better.")
    return {
        "region": name,
        "agent": given.agent,
        "nuclide": found.name,
        "scan_uncertainty_percent": asked.scan_uncertainty_percent,
        **advice,
        "source": given.source,
        "verified": given.verified,
        "warnings": [*doubts, *kinetics.warnings, *told],
        "note": ADVICE_NOTE,
    }


def _advice(
    asked: Asked,
    kinetics: "RegionKinetics",
    decay_constant_per_s: float,
    protocol_s: Sequence[float],
    scans: "TimeActivityCurve | None",
) -> dict[str, Any]:
    from lutetia.kinetics.population.design import best_next_time, loss_of_dropping

    noise = asked.scan_uncertainty_percent / 100
    lost = loss_of_dropping(
        region=kinetics,
        times_s=protocol_s,
        decay_constant_per_s=decay_constant_per_s,
        relative_uncertainty=noise,
    ) if protocol_s else ()  # fmt: skip
    best = best_next_time(
        region=kinetics,
        times_s=_feasible_s(asked, scans),
        decay_constant_per_s=decay_constant_per_s,
        relative_uncertainty=noise,
        scans=scans,
    )
    return {
        "best_next_time_h": _hours(best.time_s),
        "expected_relative_u": best.relative_sd,
        "expected_relative_u_without": best.without,
        "times": [
            {"time_h": _hours(t), "expected_relative_u": float(u)}
            for t, u in zip(best.times_s, best.relative_sds, strict=True)
        ],
        "loss_of_dropping": [{"time_h": _hours(x.time_s), "ratio": x.ratio} for x in lost],
    }


def _hours(time_s: float) -> float:
    """Without the last digits, which the way through seconds made. [h]"""
    return round(float(time_s) * H_PER_S, 6)


def _protocol_s(text: str) -> list[float]:
    """Times of a protocol in order [s]; none where none was given."""
    hours = []
    for part in text.split(",") if text.strip() else ():
        try:
            hours.append(float(part))
        except ValueError:
            raise InputError(
                f"--scans-h {text!r}: {part.strip()!r} is not a number; expected 4,24,72,168."
            ) from None
        if not 0 < hours[-1] < math.inf:
            raise InputError(f"--scans-h {text!r}: {part.strip()} h; times are after the administration.")
    if len(set(hours)) < len(hours):
        raise InputError(f"--scans-h {text!r}: a time is there twice; give each scan once.")
    return [h * S_PER_H for h in sorted(hours)]


def _population(asked: Asked, nuclide: "Nuclide") -> "PopulationModel":
    """The user's population, else the shipped half-lives of the agent; of the same nuclide."""
    from lutetia.app.cli.fitting import kind_called
    from lutetia.kinetics.population.files import read_population
    from lutetia.kinetics.population.shipped import shipped_population

    if asked.population is not None:
        given: PopulationModel | None = read_population(asked.population)
    else:
        given = shipped_population(asked.agent, asked.region.lower(), kind_called(asked.region))
    if given is None:
        raise MissingDataError(
            f"{asked.region}: no half-lives are known for {asked.agent or 'an unnamed agent'}; give a model made by "
            "lutetia population fit (--population), or an agent and region of the table (177Lu-DOTATATE: kidney, "
            "liver, spleen, lesion)."
        )
    if given.nuclide != nuclide.name:
        raise InputError(
            f"The population is of {given.nuclide}, not of {nuclide.name}; effective half-lives do not carry over."
        )
    return given


def _scans(asked: Asked) -> "tuple[TimeActivityCurve | None, list[str]]":
    """The patient's scans of the region, with an uncertainty in any case, and what was assumed."""
    from lutetia.kinetics.measured.curve_table import read_curves
    from lutetia.kinetics.population.model import kind_of_region

    if asked.curve is None:
        return None, []
    table = read_curves(asked.curve)
    named = [c for c in table.curves if c.region.lower() == asked.region.lower()]
    alike = named or [c for c in table.curves if kind_of_region(c.region) == kind_of_region(asked.region)]
    if not alike:
        there = ", ".join(c.region for c in table.curves)
        raise MissingDataError(f"{asked.curve.name}: no region {asked.region}; there are {there}.")
    if len(alike) > 1:
        raise InputError(
            f"{asked.curve.name}: {asked.region} may be {' or '.join(c.region for c in alike)}; name one with --region."
        )
    scans, told = alike[0], [w for w in table.warnings if w.startswith(f"{alike[0].region}:")]
    if scans.standard_uncertainty_bq is None:
        percent = asked.scan_uncertainty_percent
        scans = replace(scans, standard_uncertainty_bq=percent / 100 * scans.activity_bq)
        told.append(f"{scans.region}: the scans state no uncertainty; {percent:g} % was taken.")
    return scans, told


def _feasible_s(asked: Asked, scans: "TimeActivityCurve | None") -> Sequence[float]:
    """Times at which the next scan may be, by the hour. [s]"""
    last_h = 0.0 if scans is None else float(scans.time_s[-1]) * H_PER_S
    from_h = math.floor(last_h) + 1.0 if asked.from_h is None else asked.from_h
    if not last_h < from_h <= asked.to_h < math.inf:
        last = "the administration" if scans is None else f"the last scan ({last_h:g} h)"
        raise InputError(
            f"Next scan from {from_h:g} to {asked.to_h:g} h; expected --from-h after {last}, and --to-h not before it."
        )
    steps = min(math.ceil(asked.to_h - from_h), MOST_TIMES)
    return [S_PER_H * (from_h + (asked.to_h - from_h) * i / max(steps, 1)) for i in range(steps + 1)]


def print_advice(document: dict[str, Any]) -> None:
    """Show the best time of the next scan, usual times beside it, the worth of each scan, and warnings."""
    from rich.console import Console

    console = Console()
    best_h, least, times = document["best_next_time_h"], document["expected_relative_u"], document["times"]
    first_h, last_h = _about_best(document)
    console.print(
        f"{document['region']}: next scan best at [bold]{best_h:.0f} h[/bold], expected uncertainty of the "
        f"time-integrated activity {100 * least:.1f} % (k=1).\nFrom {first_h:.0f} to {last_h:.0f} h it is at most a "
        "tenth more.",
        highlight=False,
    )
    if document["expected_relative_u_without"] is not None:
        console.print(f"Without it: {100 * document['expected_relative_u_without']:.1f} %.", highlight=False)
    shown = [t for t in times if t["time_h"] in (*SHOWN_H, best_h)]
    rows = [(t["time_h"], f"{100 * t['expected_relative_u']:.1f}") for t in shown]
    _print_times("Next scan at:", ("time\nh", "u\n%"), rows)
    if document["loss_of_dropping"]:
        rows = [(x["time_h"], f"{x['ratio']:.2f}") for x in document["loss_of_dropping"]]
        _print_times("The protocol's uncertainty grows without the scan at:", ("time\nh", "by the\nfactor"), rows)
    console.print(f"Source: {document['source']}", highlight=False)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]", soft_wrap=True)


def _about_best(document: dict[str, Any]) -> tuple[float, float]:
    """First and last of the times about the best one that are nearly as good. [h]"""
    times = document["times"]
    good = [t["expected_relative_u"] <= NEARLY * document["expected_relative_u"] for t in times]
    first = last = next(i for i, t in enumerate(times) if t["time_h"] == document["best_next_time_h"])
    while first > 0 and good[first - 1]:
        first -= 1
    while last < len(times) - 1 and good[last + 1]:
        last += 1
    return times[first]["time_h"], times[last]["time_h"]


def _print_times(title: str, heads: tuple[str, str], rows: Sequence[tuple[float, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for time_h, value in rows:
        table.add_row(f"{time_h:g}", value)
    console = Console()
    console.print(title, highlight=False)
    console.print(table)
