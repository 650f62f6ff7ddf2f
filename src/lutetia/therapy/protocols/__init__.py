"""Treatment protocols: files that ship with Lutetia, one for each published protocol, and files of one's own."""

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from lutetia.errors import ProtocolError
from lutetia.therapy.documents import read_document
from lutetia.therapy.protocols.model import Protocol
from lutetia.therapy.protocols.reading import protocol_of


@cache
def shipped_ids() -> tuple[str, ...]:
    """Ids of the protocols that come with Lutetia: their files have these names."""
    folder = files("lutetia.therapy.protocols") / "profiles"
    names = sorted(entry.name for entry in folder.iterdir())
    return tuple(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


@cache
def shipped_protocols() -> tuple[Protocol, ...]:
    """All protocols that come with Lutetia, by id."""
    folder = files("lutetia.therapy.protocols") / "profiles"
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yaml"):
            with as_file(entry) as path:
                found.append(protocol_of(read_document(path)))
    return tuple(found)


def read_protocol(path_or_id: str | Path) -> Protocol:
    """A protocol by its id, or from a file of one's own.

    Parameters
    ----------
    path_or_id : id of a shipped protocol, or path of a YAML file (it has a suffix or a folder, or it exists)

    Raises
    ------
    ProtocolError
        No such protocol; a file that is not YAML, departs from the schema or says what cannot be, with file, line and
        field.
    """
    for protocol in shipped_protocols():
        if protocol.id == path_or_id:
            return protocol
    path = Path(path_or_id)
    if path.is_file():
        return protocol_of(read_document(path))
    known = ", ".join(protocol.id for protocol in shipped_protocols())
    raise ProtocolError(f"No protocol {path.name!r}; there are {known}, or give the path of a YAML file.")
