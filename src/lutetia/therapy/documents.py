"""YAML files that people write, read with the line of every field, so that a refusal can name it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lutetia.errors import LutetiaError, ProtocolError

Place = tuple[str | int, ...]
"""Where something stands in a document: keys of mappings and positions in lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """What stands in a YAML file, and the line of each field.

    Attributes
    ----------
    file : name without folder
    content : mappings, lists and scalars
    lines : of every place, from 1
    error : class of refusals
    """

    file: str
    content: Any
    lines: Mapping[Place, int]
    error: type[LutetiaError]

    def refusal(self, place: Place, message: str) -> LutetiaError:
        """An error that names file, line and field; of a missing field the line of what should hold it."""
        return self.error(self.told(place, message))

    def told(self, place: Place, message: str) -> str:
        """Message with file, line and field."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        return f"{self.file}, line {self.lines.get(known, 1)}, {field_name(place)}: {message}"


def field_name(place: Place) -> str:
    """A place as people write it: eligibility[2].require.item."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.removeprefix(".") or "the whole file"


def read_document(path: Path, *, error: type[LutetiaError] = ProtocolError) -> Document:
    """Read a YAML file with the line of each field.

    Parameters
    ----------
    path : of a file in UTF-8
    error : class to raise

    Raises
    ------
    LutetiaError
        Of the class given: no such file, not YAML, a key twice, a key that is no text; with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as reason:
        raise error(f"{path.name}: cannot be read ({reason.__class__.__name__}); expected a YAML file.") from reason
    lines: dict[Place, int] = {}
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        content = None if node is None else _plain(node, (), lines, loader, path.name, error)
    except yaml.MarkedYAMLError as reason:
        line = reason.problem_mark.line + 1 if reason.problem_mark else 1
        raise error(f"{path.name}, line {line}: not YAML ({reason.problem}).") from reason
    except yaml.YAMLError as reason:
        raise error(f"{path.name}: not YAML ({reason}).") from reason
    return Document(file=path.name, content=content, lines=lines, error=error)


def _plain(
    node: yaml.Node,
    place: Place,
    lines: dict[Place, int],
    loader: yaml.SafeLoader,
    file: str,
    error: type[LutetiaError],
) -> Any:
    """Value of a node; notes the line of each place below it."""
    lines.setdefault(place, node.start_mark.line + 1)
    if len(place) > 30:
        raise error(f"{file}, line {lines[place]}: more than 30 levels deep; is there an alias of itself?")
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*place, i), lines, loader, file, error) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node, place, lines, loader, file, error)
    content: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = loader.construct_object(key_node, deep=True), key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise error(f"{file}, line {line}: the key {key!r} is not a text.")
        if key in content:
            raise error(f"{file}, line {line}, {field_name((*place, key))}: stands there twice.")
        lines[(*place, key)] = line
        content[key] = _plain(value_node, (*place, key), lines, loader, file, error)
    return content


def _scalar(
    node: yaml.Node,
    place: Place,
    lines: dict[Place, int],
    loader: yaml.SafeLoader,
    file: str,
    error: type[LutetiaError],
) -> Any:
    try:
        return loader.construct_object(node)
    except ValueError as reason:
        # 2024-13-45 looks like a date
        raise error(f"{file}, line {lines[place]}, {field_name(place)}: {reason}.") from reason


def at(content: Any, place: Sequence[str | int]) -> Any:
    """What stands at a place; None where nothing does."""
    for key in place:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return None
    return content
