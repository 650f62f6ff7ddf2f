"""Agents as data: what they are, how they were given, what was seen, and what was published of their doses."""

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from lutetia.errors import ProtocolError
from lutetia.therapy.agents.model import Agent
from lutetia.therapy.agents.pairs import pairs
from lutetia.therapy.agents.reading import agent_of
from lutetia.therapy.documents import read_document

__all__ = ["pairs", "read_agent", "shipped_agent", "shipped_agents"]


@cache
def shipped_agent(name: str) -> Agent:
    """An agent that comes with Lutetia, by its id.

    Raises
    ------
    ProtocolError
        No such agent; or the files of agents borrow from one another in a circle.
    """
    entry = files("lutetia.therapy") / "data" / "agents" / "profiles" / f"{name}.yaml"
    if not name or "/" in name or not entry.is_file():
        raise ProtocolError(f"No agent {name!r}; there are {', '.join(_ids())}, or give the path of a YAML file.")
    with as_file(entry) as path:
        return agent_of(read_document(path), shipped_agent)


def shipped_agents() -> tuple[Agent, ...]:
    """All agents that come with Lutetia, by id."""
    return tuple(map(shipped_agent, _ids()))


@cache
def _ids() -> tuple[str, ...]:
    folder = files("lutetia.therapy") / "data" / "agents" / "profiles"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def read_agent(path_or_name: str | Path) -> Agent:
    """An agent by its id or name, or from a file of one's own.

    Parameters
    ----------
    path_or_name : id, name or other name of an agent that ships (capitals do not matter), or path of a YAML file

    Raises
    ------
    ProtocolError
        No such agent; a file that is not YAML, departs from the schema or says what cannot be, with file, line and
        field.
    """
    path = Path(path_or_name)
    if path.is_file():
        return agent_of(read_document(path), shipped_agent)
    wanted = str(path_or_name).casefold()
    for agent in shipped_agents():
        if wanted in {name.casefold() for name in (agent.id, agent.name, *agent.other_names)}:
            return agent
    raise ProtocolError(f"No agent {path.name!r}; there are {', '.join(_ids())}, or give the path of a YAML file.")
