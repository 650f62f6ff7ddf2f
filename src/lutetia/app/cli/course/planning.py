"""The question of the next cycle: give, hold, reduce, omit or stop, how much, and why; kept as a decision on request."""

from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lutetia.app.cli import plan_options as options
from lutetia.app.cli.console import print_json, told_errors
from lutetia.app.cli.course.questions import HERE, AsOf, ByProtocol, Json, Pseudonym, Store
from lutetia.errors import InputError

if TYPE_CHECKING:
    from lutetia.app.cli.course.asked import Asked
    from lutetia.app.cli.plan_course import Answer, Wanted
    from lutetia.therapy.course import Decision


def plan(
    pseudonym: Pseudonym,
    protocol: ByProtocol = None,
    as_of: AsOf = None,
    strategy: Annotated[
        str | None,
        typer.Option("--strategy", help="As of lutetia plan; fixed, or tailored-4th where the protocol tailors."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", help="kidney-23Gy, kidney-BED-28Gy, or your own as kidney-25Gy; again for more."),
    ] = None,
    probability: Annotated[
        str | None, typer.Option("--probability", help="With which a limit may be passed.")
    ] = None,
    gy_per_gbq: options.GyPerGBq = None,
    u_percent: options.UPercent = None,
    scans: options.Scans = 1,
    half_life_h: options.HalfLifeH = None,
    target_gy: options.TargetGy = None,
    reduce_percent: options.ReducePercent = 0.0,
    prior: Annotated[
        str | None, typer.Option("--prior", help="sood2026: the population's dose, by the stored clearance.")
    ] = None,
    clearance: Annotated[
        float | None, typer.Option("--clearance-mL-min", help="In place of the stored clearance.")
    ] = None,
    linear: options.Linear = False,
    mass_kg: Annotated[float | None, typer.Option("--mass-kg", help="In place of the stored weight.")] = None,
    plot: options.Plot = None,
    record: Annotated[bool, typer.Option("--record", help="Keep the answer as a decision.")] = False,
    by: Annotated[str | None, typer.Option("--by", envvar="LUTETIA_BY", help="Who decides, with --record.")] = None,
    question: Annotated[str | None, typer.Option("--question", help="Of the decision, with --record.")] = None,
    if_version: Annotated[
        int | None, typer.Option("--if-version", help="Refuse when the course has changed since this version.")
    ] = None,
    store: Store = HERE,
    json: Json = False,
) -> None:
    """Whether to give the next cycle, and the activity that toxicity, protocol and limits of dose allow."""
    with told_errors(as_json=json):
        from lutetia.app.cli.course.asked import asked
        from lutetia.app.cli.figures import require_new
        from lutetia.app.cli.plan_course import Wanted, plan_answer
        from lutetia.app.cli.plan_text import print_plan

        if plot is not None:
            require_new(plot)
        wanted = Wanted(
            strategy=strategy, limits=tuple(limit or ()), probability=_percent(probability),
            gy_per_gbq=tuple(gy_per_gbq or ()), u_percent=u_percent, scans=scans,
            half_life_h=tuple(half_life_h or ()), target_gy=target_gy, reduction=reduce_percent / 100,
            prior=prior is not None, clearance_ml_per_min=clearance, linear=linear, mass_kg=mass_kg,
        )  # fmt: skip
        _require_possible(wanted, prior, question=question, record=record)
        found = asked(store, pseudonym, protocol=protocol, as_of=as_of)
        answer = plan_answer(found, wanted)
        document = answer.document
        document["plot"] = _drawn(plot, answer)
        document["recorded"] = None
        if record:
            version = found.stored.version if if_version is None else if_version
            document["recorded"] = _record(store, found, document, by=by or "", question=question, version=version)
            document["course_version"] = version + 1
        (print_json if json else print_plan)(document)


def _percent(text: str | None) -> float | None:
    from lutetia.app.case.reading import parse_percent

    return None if text is None else parse_percent(text, "--probability")


def _require_possible(wanted: "Wanted", prior: str | None, *, question: str | None, record: bool) -> None:
    options.require_possible(
        target_gy=wanted.target_gy, mass_kg=wanted.mass_kg, clearance_ml_per_min=wanted.clearance_ml_per_min,
        prior=prior,
    )  # fmt: skip
    if wanted.clearance_ml_per_min is not None and prior is None:
        raise InputError("--clearance-mL-min is for --prior sood2026; give both.")
    if question is not None and not record:
        raise InputError("--question is of a decision; give --record with it.")


def _drawn(plot: Path | None, answer: "Answer") -> str | None:
    if plot is None:
        return None
    if answer.plan is None:
        answer.document["warnings"].append("No picture: no activity could be planned.")
        return None
    from lutetia.app.cli.figures import draw
    from lutetia.app.report.activity_plan import plan_figure

    document, found = answer.document, answer.plan
    title = f"{document['strategy']}, cycle {document['cycle']}"
    draw(plot, lambda: plan_figure(found, title=title, action=document["action"]))
    return str(plot)


def _record(
    place: str, found: "Asked", document: dict[str, Any], *, by: str, question: str | None, version: int
) -> str:
    from lutetia.app.store.courses import CourseStore
    from lutetia.app.store.place import Place

    decision = decision_of(document, who=by, question=question, time=_moment(found.as_of))
    opened = Place(place)
    try:
        (key,) = CourseStore(opened).add(found.pseudonym, [decision], by=by, version=version)
    finally:
        opened.close()
    return key


def _moment(as_of: date) -> datetime:
    """When a decision on a day is taken: now, or at the end of a day that is over."""
    if isinstance(as_of, datetime):
        return as_of
    now = datetime.now()
    return now.replace(microsecond=0) if as_of == now.date() else datetime.combine(as_of, time(23, 59))


def decision_of(document: dict[str, Any], *, who: str, question: str | None, time: datetime) -> "Decision":
    """The answer of ``course plan`` as a decision of the course.

    Raises
    ------
    InputError
        An activity while the course is held or stopped, or outside the protocol's bounds; nobody who decides.
    """
    from lutetia.app.cli.plan_text import said
    from lutetia.therapy.activity.planning import rounded_down
    from lutetia.therapy.course import Decision
    from lutetia.units import BQ_PER_GBQ

    activity, action, bounds = document["activity_GBq"], document["action"], document["bounds"]
    if not who.strip():
        raise InputError("--by: missing; a decision needs who decides.")
    state = document["modification"]["state"]
    gives = action in ("give", "reduce")
    if gives and state in ("HELD", "STOPPED"):
        raise InputError(f"decision.activity_MBq: the course is {state}; no activity is recorded then.")
    if gives and not _within(activity, bounds["lowest_GBq"], bounds["highest_GBq"]):
        raise InputError(f"decision.activity_MBq: {activity} GBq is outside the protocol's bounds.")
    limits = [row for row in document["limits"] if row["decides"]]
    named = [*(f"{row['name']}: {each['source']}" for row in limits for each in row["sources"])]
    rules = [*document["modification"]["held_by"], *(rule["id"] for rule in document["eligibility"]["not_met"])]
    return Decision(
        time=time,
        question=question or f"Cycle {document['cycle']}?",
        answer=said(document),
        who=who,
        source="; ".join(dict.fromkeys((f"{document['protocol']} {document['version']}", *named))),
        rule=", ".join(rules)
        or f"{document['strategy']}, {', '.join(dict.fromkeys(row['name'] for row in limits)) or 'no limit'}",
        reasons=tuple(document["reasons"]),
        action=action,
        cycle=document["cycle"],
        activity_bq=max(rounded_down(activity), bounds["lowest_GBq"] or 0.0) * BQ_PER_GBQ if gives else None,
    )


def _within(activity: float | None, lowest: float | None, highest: float | None) -> bool:
    return activity is not None and (lowest or 0.0) <= activity <= (float("inf") if highest is None else highest)
