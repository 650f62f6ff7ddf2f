"""The ``cycles`` command: absorbed doses of several cycles added up, errors that return in each kept as one."""

import json as json_module
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.numbers import LARGEST, number_in, number_or_none_in, regions_in
from lutetia.errors import InputError, MissingDataError
from lutetia.units import S_PER_H

if TYPE_CHECKING:
    from lutetia.dose.uncertainty.course import CycleDose

SCHEMA: Final = "lutetia cycles 1"
DOSE_SCHEMA: Final = "lutetia dose 1"
NOTICE: Final = "Research use only. Not a medical device."
LEFT: Final = 0.01
"""Share of an earlier cycle's activity that is told of when it is still there at the next administration."""
SHARED_BEFORE: Final = ("calibration", "scatter correction", "decay energy", "density")
"""Components that were shared in files which do not say so."""

Files = Annotated[list[Path], typer.Argument(help="dose.json of each cycle, in their order.")]
Intervals = Annotated[
    list[float] | None,
    typer.Option("--interval-h", help="Hours between administrations: one for all, or one between each two."),
]


def cycles(
    files: Files,
    interval_h: Intervals = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Add up the absorbed doses of several cycles of one patient, with their correlated uncertainty."""
    with told_errors(as_json=json):
        document = cycles_document(files, tuple(interval_h or ()))
        if json:
            print_json(document)
        else:
            print_cycles(document)


def cycles_document(files: Sequence[Path], interval_h: Sequence[float] = ()) -> dict[str, Any]:
    """The sum of several dose.json; keys as in docs/reference/json.md.

    Raises
    ------
    InputError
        Fewer than two files, one given twice, different subjects, intervals or numbers in a file that cannot be.
    MissingDataError
        A file that is not there, or not a dose.json.
    """
    documents = dose_documents(files)
    intervals, told = intervals_of(documents, interval_h)
    calibrations, more = calibrations_of(documents)
    regions, warnings = _regions(documents, calibrations, intervals)
    given = [document["administration"] for document in documents]
    return {
        "schema": SCHEMA,
        "notice": NOTICE,
        "subject": documents[0]["subject"],
        "cycles": [
            {"nuclide": g["nuclide"], "activity_MBq": g["activity_MBq"], "time": g.get("time"), "calibration": c}
            for g, c in zip(given, calibrations, strict=True)
        ],
        "interval_h": intervals,
        "activity_MBq": sum(g["activity_MBq"] for g in given),
        "regions": regions,
        "warnings": [*told, *more, *warnings],
    }


def dose_documents(files: Sequence[Path], *, least: int = 2) -> list[dict[str, Any]]:
    """Read the dose.json of several cycles of one patient, each checked; errors as of ``cycles_document``."""
    if len(files) < least:
        raise InputError(f"{len(files)} dose.json given; expected one of each of at least two cycles.")
    if len({path.resolve() for path in files}) < len(files):
        raise InputError("The same dose.json is given twice; expected one of each cycle.")
    documents = [_read(path) for path in files]
    if len({document["subject"] for document in documents}) > 1:
        raise InputError(
            f"The {len(files)} files are of different subjects; expected the same pseudonym in all. Cycles of one patient "
            "need one (subject in the case file)."
        )
    times = [document["administration"].get("time") for document in documents]
    if len({t for t in times if t}) < sum(t is not None for t in times):
        raise InputError("Two files are of the same administration; expected one of each cycle.")
    return documents


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json_module.loads(path.read_text("utf-8"))
    except OSError as error:
        raise MissingDataError(f"{path}: cannot be read ({error.strerror}); expected a dose.json.") from error
    except ValueError as error:
        raise MissingDataError(f"{path}: not JSON; expected a dose.json.") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != DOSE_SCHEMA:
        raise MissingDataError(
            f"{path}: schema {schema!r}; expected {DOSE_SCHEMA!r}, the dose.json of lutetia run. Make it anew with this "
            "version."
        )
    missing = [key for key in ("subject", "administration", "regions") if key not in document]
    if missing:
        raise MissingDataError(f"{path}: {', '.join(missing)} missing; expected the dose.json of lutetia run.")
    require_possible(document, path.name)
    return dict(document)


def require_possible(document: dict[str, Any], file: str) -> None:
    """Raise InputError where something that is read later is not there, or cannot be."""
    given, calibration = document["administration"], document.setdefault("calibration", {}) or {}
    if not isinstance(given, dict) or not isinstance(given.get("nuclide"), str):
        raise InputError(f"{file}: administration has no nuclide; expected the dose.json of lutetia run.")
    number_in(given, "activity_MBq", f"{file}, administration")
    if given.get("time") is not None:
        _clock(given["time"], file)
    if not isinstance(calibration, dict):
        raise InputError(f"{file}: calibration is {calibration!r}; expected an object, or null.")
    document["calibration"] = calibration
    number_or_none_in(
        {"sensitivity_cps_per_MBq": None} | calibration, "sensitivity_cps_per_MBq", f"{file}, calibration"
    )
    for name, region in regions_in(document, file).items():
        _require_possible_region(region, f"{file}, {name}")


def _require_possible_region(region: dict[str, Any], where: str) -> None:
    number_or_none_in(region, "absorbed_dose_Gy", where)
    u = number_or_none_in(region, "u_absorbed_dose_Gy", where)
    number_or_none_in({"effective_half_life_h": None} | region, "effective_half_life_h", where, least=1 / LARGEST)
    budget, shared = region.get("uncertainty_budget"), region.get("uncertainty_shared", [])
    if not isinstance(budget, dict) and not (budget is None and u is None):
        raise InputError(f"{where}: uncertainty_budget is {budget!r}; expected an object of numbers.")
    components = budget or {}
    for component in components:
        number_in(components, component, f"{where}, uncertainty_budget")
    if not isinstance(shared, list) or not all(isinstance(component, str) for component in shared):
        raise InputError(f"{where}: uncertainty_shared is {shared!r}; expected a list of components.")


def _clock(time: Any, file: str) -> datetime:
    try:
        return datetime.fromisoformat(time)
    except (TypeError, ValueError):
        raise InputError(
            f"{file}, administration: time is {time!r}; expected a date and time as 2026-03-02T10:15:00."
        ) from None


def intervals_of(documents: Sequence[dict[str, Any]], given: Sequence[float]) -> tuple[list[float], list[str]]:
    """Hours between administrations (as given, by the clock, or eight weeks), and warnings."""
    n = len(documents) - 1
    if given:
        if len(given) not in (1, n) or not all(0 < hours <= LARGEST for hours in given):
            raise InputError(
                f"--interval-h {', '.join(f'{v:g}' for v in given)}: expected one interval for all, or {n}, each above 0."
            )
        return list(given) if len(given) == n else [given[0]] * n, []
    times = [document["administration"].get("time") for document in documents]
    if any(time is None for time in times):
        from lutetia.kinetics.cycles import USUAL_INTERVAL_S

        usual_h = USUAL_INTERVAL_S / S_PER_H
        return [usual_h] * n, [
            f"The times of administration are not known: {usual_h:.0f} h (eight weeks) were taken between cycles "
            "(--interval-h)."
        ]
    clock = [datetime.fromisoformat(time) for time in times]
    if len({moment.tzinfo is None for moment in clock}) > 1:
        raise InputError("Some times of administration have a time zone and some have none; give --interval-h.")
    found = [(later - earlier).total_seconds() / S_PER_H for earlier, later in pairwise(clock)]
    if min(found) <= 0:
        raise InputError("The files are not in the order of their administrations; give the first cycle first.")
    return found, []


def calibrations_of(documents: Sequence[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Name of each cycle's calibration, and warnings; those of one name are taken to have the same error."""
    found = [document.get("calibration", {}).get("sensitivity_cps_per_MBq") for document in documents]
    nuclides = [document["administration"]["nuclide"] for document in documents]
    told = []
    if any(value is None for value in found):
        told.append(
            "A cycle does not say which sensitivity it used; its calibration was taken to be that of the others."
        )
        return [f"of {nuclide}" for nuclide in nuclides], told
    names = [f"{value:.6g} cps/MBq of {nuclide}" for value, nuclide in zip(found, nuclides, strict=True)]
    if len(set(names)) > 1:
        told.append(
            "The cycles have different calibrations, whose errors were taken as independent; what they share (the activity "
            "meter) is left out."
        )
    return names, told


def _regions(
    documents: Sequence[dict[str, Any]], calibrations: Sequence[str], intervals: Sequence[float]
) -> tuple[list[dict[str, Any]], list[str]]:
    from lutetia.dose.uncertainty.correlated import ErrorSources

    sources, rows, warnings = ErrorSources(), [], []
    if any("uncertainty_shared" not in region for document in documents for region in document["regions"]):
        warnings.append(
            f"A file does not say which errors are shared; {', '.join(SHARED_BEFORE)} were taken to be."
        )
    names = dict.fromkeys(region["region"] for document in documents for region in document["regions"])
    for name in names:
        found = [next((r for r in d["regions"] if r["region"] == name), None) for d in documents]
        rows.append(_row(name, found, calibrations, sources))
        there = [str(n) for n, region in enumerate(found, start=1) if region is not None]
        if len(there) < len(found):
            warnings.append(f"{name}: only in cycle {', '.join(there)}, so no sum is given.")
        warnings += _left(name, found, intervals)
    return rows, warnings


def _row(
    name: str, found: Sequence[dict[str, Any] | None], calibrations: Sequence[str], sources: Any
) -> dict[str, Any]:
    from lutetia.dose.uncertainty.correlated import components
    from lutetia.dose.uncertainty.course import cumulative_dose

    doses = [None if region is None else region["absorbed_dose_Gy"] for region in found]
    known = [dose for dose in doses if dose is not None]
    cycles = [
        cycle_dose(region, calibration)
        for region, calibration in zip(found, calibrations, strict=True)
        if region is not None and region["absorbed_dose_Gy"] is not None
    ]
    complete = len(known) == len(found)
    total = cumulative_dose(name, cycles, sources) if complete else None
    kind = next(region["kind"] for region in found if region is not None)
    return {
        "region": name,
        "kind": kind,
        "cycles": [
            None
            if region is None
            else {"absorbed_dose_Gy": dose, "u_absorbed_dose_Gy": region["u_absorbed_dose_Gy"]}
            for region, dose in zip(found, doses, strict=True)
        ],
        "absorbed_dose_Gy": sum(known) if complete else None,
        "u_absorbed_dose_Gy": None if total is None else total.std_dev,
        "u_by_source_Gy": None if total is None else {key: abs(u) for key, u in components(total).items()},
    }


def cycle_dose(region: dict[str, Any], calibration: str) -> "CycleDose":
    """Dose of a region that a dose.json has, with its errors by name."""
    from lutetia.dose.uncertainty.course import CycleDose

    return CycleDose(
        absorbed_dose_gy=region["absorbed_dose_Gy"],
        relative=None if region["u_absorbed_dose_Gy"] is None else region["uncertainty_budget"],
        shared=frozenset(region.get("uncertainty_shared", SHARED_BEFORE)),
        group={"calibration": calibration},
    )


def _left(name: str, found: Sequence[dict[str, Any] | None], intervals: Sequence[float]) -> list[str]:
    """Warnings about activity that is still there when the next cycle begins."""
    told = []
    for number, (region, interval) in enumerate(zip(found, intervals, strict=False), start=1):
        half_life = None if region is None else region.get("effective_half_life_h")
        share = 0.0 if half_life is None else 2 ** (-interval / half_life)
        if share > LEFT:
            told.append(
                f"{name}: {share:.0%} of cycle {number} is left when cycle {number + 1} begins, {interval:.0f} h later. "
                "Its decays are counted twice unless they were subtracted before the fit (lutetia.kinetics.cycles)."
            )
    return told


def print_cycles(document: dict[str, Any]) -> None:
    """Show the document of ``cycles_document``."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    n = len(document["cycles"])
    table = Table(pad_edge=False, title="Mean absorbed doses / Gy; ± is k=1 of the sum", title_justify="left")
    table.add_column("region", no_wrap=True)
    for head in [*(f"cycle {number}" for number in range(1, n + 1)), "all"]:
        table.add_column(head, justify="right", no_wrap=True)
    for row in document["regions"]:
        table.add_row(row["region"], *(_shown(cycle, u=False) for cycle in row["cycles"]), _shown(row))
    console.print(table)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"{document['activity_MBq']:.0f} MBq in {n} cycles. Research use only.", highlight=False)


def _shown(dose: dict[str, Any] | None, *, u: bool = True) -> str:
    if dose is None or dose["absorbed_dose_Gy"] is None:
        return "-"
    spread = dose["u_absorbed_dose_Gy"] if u else None
    return f"{dose['absorbed_dose_Gy']:.3g}" + ("" if spread is None else f" ± {spread:.2g}")
