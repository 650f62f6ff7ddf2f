"""The ``agents`` command: the catalogue of agents, one agent, the activity of a cycle, and a preparation."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.errors import InputError

if TYPE_CHECKING:
    from lutetia.therapy.agents.model import Agent
    from lutetia.therapy.agents.prescription import Given

PER_CENT = 100.0


def agents(
    agent: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Id or name of an agent, or a YAML file of your own.")
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Theranostic pairs in place of agents.")] = False,
    doses: Annotated[bool, typer.Option("--doses", help="Published dose coefficients in place of agents.")] = False,
    regimen: Annotated[
        str | None, typer.Option("--regimen", help="Activity of the next cycle by this one.")
    ] = None,
    mass_kg: Annotated[float | None, typer.Option("--mass-kg", help="Body mass. [kg]")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--given", help="Earlier administration, day and MBq: 2026-01-05=7.0 (again for more)."),
    ] = None,
    on: Annotated[str | None, typer.Option("--on", help="Planned day; today by default.")] = None,
    prepared: Annotated[
        str | None, typer.Option("--prepared", help="Time of preparation, for example 2026-03-02T08:00.")
    ] = None,
    administered: Annotated[str | None, typer.Option("--administered", help="Time of administration.")] = None,
    purity_percent: Annotated[
        float | None, typer.Option("--purity-percent", help="Radiochemical purity as measured.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """List the agents, show one as a sheet, or check what is to be given. Research use only."""
    from lutetia.app.cli import agent_documents as documents
    from lutetia.app.cli import agent_sheet as sheet
    from lutetia.therapy.agents import pairs as all_pairs
    from lutetia.therapy.agents import read_agent, shipped_agents
    from lutetia.therapy.agents.doses import published_doses

    with told_errors(as_json=json):
        _check_options(agent, tables=pairs + doses, regimen=regimen, prepared=prepared, administered=administered)
        if pairs:
            document = documents.pairs_document(all_pairs())
            (print_json if json else sheet.print_pairs)(document)
        elif doses:
            document = documents.doses_document(published_doses())
            (print_json if json else sheet.print_doses)(document)
        elif agent is None:
            document = documents.list_document(shipped_agents())
            (print_json if json else sheet.print_list)(document)
        else:
            found = read_agent(agent)
            document = documents.agent_document(found)
            if regimen is not None:
                document["prescription"] = _prescription(found, regimen, mass_kg, given or [], on)
            if prepared is not None and administered is not None:
                document["preparation"] = _preparation(found, prepared, administered, purity_percent)
            (print_json if json else sheet.print_agent)(document)


def _check_options(
    agent: str | None, *, tables: int, regimen: str | None, prepared: str | None, administered: str | None
) -> None:
    if agent is None and (regimen is not None or prepared is not None or administered is not None):
        raise InputError("--regimen, --prepared and --administered are of one agent; give its id.")
    if tables > 1 or (agent is not None and tables):
        raise InputError("--pairs and --doses list all; give one of them, without an id.")
    if (prepared is None) != (administered is None):
        raise InputError("A preparation is checked at a time: give --prepared and --administered.")


def _prescription(
    agent: "Agent", name: str, mass_kg: float | None, given: list[str], on: str | None
) -> dict[str, Any]:
    from lutetia.app.cli.agent_documents import prescription_document
    from lutetia.therapy.agents.prescription import prescribed_activity

    found = next((regimen for regimen in agent.regimens if regimen.id == name), None)
    if found is None:
        known = ", ".join(regimen.id for regimen in agent.regimens) or "none"
        raise InputError(f"--regimen: {agent.name} has no regimen {name!r}; it has {known}.")
    when = date.today() if on is None else _day("--on", on)
    earlier = [_given(text) for text in given]
    return prescription_document(prescribed_activity(agent, found, when=when, mass_kg=mass_kg, given=earlier), when)


def _preparation(agent: "Agent", prepared: str, administered: str, percent: float | None) -> list[dict[str, Any]]:
    from lutetia.app.cli.agent_documents import preparation_document
    from lutetia.therapy.agents.quality import check_preparation

    checks = check_preparation(
        agent,
        prepared=_time("--prepared", prepared),
        administered=_time("--administered", administered),
        purity=None if percent is None else percent / PER_CENT,
    )
    return preparation_document(checks)


def _given(text: str) -> "Given":
    from lutetia.therapy.agents.prescription import Given
    from lutetia.units import BQ_PER_MBQ

    day, _, activity = text.partition("=")
    try:
        return Given(when=_day("--given", day), activity_bq=float(activity) * BQ_PER_MBQ)
    except ValueError as error:
        raise InputError(f"--given: {text!r}; expected a day and MBq, for example 2026-01-05=7.0.") from error


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{option}: {text!r} is not a day; expected for example 2026-03-02.") from error


def _time(option: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{option}: {text!r} is not a time; expected for example 2026-03-02T08:00.") from error
