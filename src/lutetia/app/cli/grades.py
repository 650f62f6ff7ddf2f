"""The command ``grades``: toxicity grades of laboratory values, and how counts recovered."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.errors import InputError
from lutetia.units import S_PER_DAY

if TYPE_CHECKING:
    from lutetia.response.laboratory.result import LabResult
    from lutetia.response.toxicity.grading import Grade

NOTE: Final = "By the value alone; clinical judgement may give another grade. Research use only."


def grades(
    table: Annotated[Path, typer.Argument(help="CSV: test, date, value, unit, and lower_limit, upper_limit.")],
    ctcae: Annotated[str, typer.Option("--ctcae", help="Version of the criteria: 4.03, 5.0 or 6.0.")] = "5.0",
    names: Annotated[
        list[str] | None, typer.Option("--map", help="The file's name of a test or column: 'their name=platelets'.")
    ] = None,
    baseline_before: Annotated[
        str | None, typer.Option("--baseline-before", help="The last result before this date is the baseline.")
    ] = None,
    born: Annotated[
        str | None, typer.Option("--born", help="Date of birth: earlier results are refused. Not printed.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Toxicity grades (CTCAE) of laboratory values, worst values and recovery."""
    with told_errors(as_json=json):
        document = grades_document(
            table,
            version=ctcae,
            names=_names(names or ()),
            baseline_before=None if baseline_before is None else _date(baseline_before, "--baseline-before"),
            born=None if born is None else _date(born, "--born"),
            now=datetime.now(),
        )
        if json:
            print_json(document)
        else:
            print_grades(document)


def grades_document(
    table: Path,
    *,
    version: str,
    names: dict[str, str],
    baseline_before: date | None,
    born: date | None,
    now: datetime,
) -> dict[str, Any]:
    """Grades as a JSON document; keys as in docs/reference/json.md."""
    from lutetia.response.laboratory.table import read_lab_table
    from lutetia.response.toxicity import criteria

    criteria(version)  # refuses a version that is not here before the table is read
    found = read_lab_table(table, names=names, until=now, born=born)
    start = None if baseline_before is None else datetime(*baseline_before.timetuple()[:3])
    document = _results_document(found.results, version, start)
    without = document.pop("without_baseline")
    told = [f"{test}: no result before {baseline_before}, so no baseline." for test in without]
    return {
        "file": table.name,
        **document,
        "baseline_before": None if baseline_before is None else baseline_before.isoformat(),
        "warnings": [*found.warnings, *told],
    }


def results_document(
    results: Sequence["LabResult"], *, version: str, baseline_until: date | None
) -> dict[str, Any]:
    """Grades of results as ``grades_document`` has them; the last results up to the end of a day are the baseline."""
    start = None if baseline_until is None else datetime.combine(baseline_until + timedelta(days=1), time.min)
    document = _results_document(results, version, start)
    without = document.pop("without_baseline")
    told = [f"{test}: no result up to {baseline_until}, so no baseline." for test in without]
    until = None if baseline_until is None else baseline_until.isoformat()
    return {**document, "baseline_until": until, "warnings": told}


def _results_document(results: Sequence["LabResult"], version: str, start: datetime | None) -> dict[str, Any]:
    from lutetia.response.toxicity import criteria, grade

    terms = criteria(version)
    baselines = _baselines(results, start)
    without = [] if start is None else sorted({r.test for r in results} - set(baselines))
    graded = [
        grade(r, baseline=None if start is None or r.time < start else baselines.get(r.test), version=version)
        for r in results
    ]
    return {
        "version": terms[0].version,
        "source": terms[0].source,
        "baselines": [
            {"test": r.test, "date": _shown_time(r.time), "value": r.value, "unit": r.unit}
            for r in baselines.values()
        ],
        "grades": [_grade(one) for one in graded],
        "nadirs": [] if start is None else _nadirs(results, baselines, start, version),
        "without_baseline": without,
        "note": NOTE,
    }


def _names(given: Sequence[str]) -> dict[str, str]:
    """What the file calls a test or column, to what Lutetia calls it."""
    from lutetia.response.laboratory.catalogue import find_test
    from lutetia.response.laboratory.table import NEEDED, OPTIONAL

    names = {}
    for text in given:
        theirs, sign, ours = (part.strip() for part in text.rpartition("="))
        if not (theirs and sign and ours):
            raise InputError(f"--map {text!r}; expected 'their name=platelets', or a column: 'result=value'.")
        names[theirs] = ours if ours in (*NEEDED, *OPTIONAL) else find_test(ours).name
    return names


def _date(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"{option} {text!r}: not an ISO date; expected for example 2026-03-02.") from None


def _baselines(results: Sequence["LabResult"], start: datetime | None) -> dict[str, "LabResult"]:
    """Last result of each test before the start."""
    before = [] if start is None else sorted((r for r in results if r.time < start), key=lambda r: r.time)
    return {result.test: result for result in before}


def _grade(one: "Grade") -> dict[str, Any]:
    return {
        "test": one.test,
        "term": one.term,
        "date": _shown_time(one.time),
        "value": one.value,
        "unit": one.unit,
        "grade": one.grade,
        "at_least": one.at_least,
        "at_most": one.at_most,
        "version": one.version,
        "reason": one.reason,
        "warnings": list(one.warnings),
        "verified": one.verified,
    }


def _nadirs(
    results: Sequence["LabResult"], baselines: dict[str, "LabResult"], start: datetime, version: str
) -> list[dict[str, Any]]:
    """Worst value of each graded test after the start, and its recovery."""
    from lutetia.response.toxicity import criteria, nadir_and_recovery

    graded = {term.test for term in criteria(version)}
    rows = []
    for test in dict.fromkeys(r.test for r in results if r.time >= start and r.test in graded):
        series = [r for r in results if r.test == test]
        found = nadir_and_recovery(series, baseline=baselines.get(test), start=start, version=version)
        rows.append(
            {
                "test": test,
                "term": found.nadir.term,
                "date": _shown_time(found.nadir.time),
                "value": found.nadir.value,
                "unit": found.nadir.unit,
                "grade": found.nadir.grade,
                "after_d": _days(found.nadir_after_s),
                "recovery": found.state,
                "recovered_to": found.recovered_to,
                "recovery_date": None if found.recovery_time is None else _shown_time(found.recovery_time),
                "recovery_after_nadir_d": _days(found.recovery_after_nadir_s),
                "warnings": list(found.warnings),
            }
        )
    return rows


def _days(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / S_PER_DAY, 6)


def _shown_time(time: datetime) -> str:
    """The date, with the time of day where there is one."""
    return time.isoformat(timespec="minutes") if (time.hour or time.minute) else time.date().isoformat()


def print_grades(document: dict[str, Any]) -> None:
    """Show the document of ``grades_document``."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(pad_edge=False, title=f"Grades by CTCAE {document['version']}", title_justify="left")
    for head in ("test", "date", "value", "grade", "reason"):
        table.add_column(head, no_wrap=head != "reason")
    for row in document["grades"]:
        grade = f"{row['at_least']}-{row['at_most']}?" if row["grade"] is None else str(row["grade"])
        table.add_row(row["test"], row["date"], f"{row['value']:g} {row['unit']}".strip(), grade, row["reason"])
    console.print(table)
    for row in document["nadirs"]:
        back = "" if row["recovery_date"] is None else f" to {row['recovered_to']} on {row['recovery_date']}"
        console.print(
            f"{row['test']} ({row['term']}): worst {row['value']:g} {row['unit']} on {row['date']} "
            f"(day {row['after_d']:.0f}), recovery: {row['recovery']}{back}",
            highlight=False,
        )
    told = [*document["warnings"], *(f"{r['test']}: {text}" for r in document["grades"] for text in r["warnings"])]
    for warning in dict.fromkeys(told):
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    console.print(f"[dim]{document['note']}[/dim]")
