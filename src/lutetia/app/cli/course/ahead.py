"""What is to come in a course that follows a protocol: the next cycle, laboratory visits, the end of washout."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from lutetia.app.cli.course.asked import Asked, Loaded, asked_of
from lutetia.app.store.courses import StoredCourse
from lutetia.errors import LutetiaError
from lutetia.therapy.course import end_of, moment_of
from lutetia.therapy.facts import day, moment
from lutetia.therapy.modification import modification_state
from lutetia.therapy.schedule import cycle_windows, lab_plan, washout_dates

Row = dict[str, Any]


def to_come(stored: StoredCourse, as_of: date | None, today: date) -> tuple[list[Row], list[str]]:
    """Rows of date, what and source in the order of time, and warnings; none for a day whose future is documented.

    Parameters
    ----------
    stored : the course
    as_of : day that is looked from; today by default
    today : with later records an earlier day has no rows, for they say what came
    """
    when = today if as_of is None else as_of
    course = stored.course.as_of(when)
    passed = end_of(when).date() < today and any(
        moment_of(record) > end_of(when) for _, record in stored.course.records()
    )
    if passed or not course.enrolments:
        return [], []
    try:
        found = asked_of(Loaded(stored=stored, course=course, as_of=when, warnings=()), None)
        state = modification_state(found.protocol, found.chronicle, when, findings=found.findings)
        rows = list(_rows(found, state.state))
    except LutetiaError as error:
        # the records themselves are shown whatever the rules make of them
        return [], [f"What is to come cannot be told: {error}"]
    told = [] if state.state in ("FULL", "REDUCED") else [f"The course is {state.state}: {state.reason}."]
    return sorted(rows, key=lambda row: moment(date.fromisoformat(row["date"][:10]))), told


def _rows(found: Asked, state: str) -> Iterator[Row]:
    if state != "STOPPED" and found.protocol.interval is not None:
        for window in cycle_windows(found.protocol, found.chronicle, found.as_of)[:1]:
            ends = f"{window.earliest or 'not stated'} to {window.latest or 'not stated'}"
            late = ", overdue" if window.due < day(found.as_of) else ""
            held = ", held" if state == "HELD" else ""
            yield _row(window.due, f"cycle {window.cycle} due, window {ends}{late}{held}", window)
    for visit in lab_plan(found.protocol, found.chronicle, found.findings, found.as_of):
        if visit.status in ("planned", "due", "overdue"):
            late = ", overdue" if visit.status == "overdue" else ""
            yield _row(visit.due, f"laboratory {visit.visit}: {', '.join(visit.missing)}{late}", visit)
    for washout in washout_dates(found.protocol, found.chronicle, found.as_of) if state != "STOPPED" else ():
        if washout.earliest is not None and end_of(washout.earliest) > end_of(found.as_of):
            what = f"{washout.item} washed out ({washout.least} since {washout.last})"
            yield _row(washout.earliest, what, washout)


def _row(when: date, what: str, rule: Any) -> Row:
    return {"date": when.isoformat(), "what": what, "source": rule.source, "verified": rule.verified}
