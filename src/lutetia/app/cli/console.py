"""What all commands share: progress, messages, errors and exit codes."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lutetia.errors import LutetiaError, exit_code

Progress = Callable[[str, float], None]


def print_json(document: Mapping[str, Any]) -> None:
    """Write a document to standard output; nothing else of Lutetia goes there under --json."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Progress]:
    """A bar on standard error that follows (text, fraction) reports; silent when quiet."""
    if quiet:
        yield lambda _text, _fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (SpinnerColumn(), TextColumn("{task.description:<44}"), BarColumn(bar_width=28), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda text, fraction: bar.update(task, description=text[:44], completed=fraction)


@contextmanager
def told_errors(*, as_json: bool) -> Iterator[None]:
    """Turn an error raised on purpose into its message and its exit code."""
    import typer

    try:
        yield
    except LutetiaError as error:
        code, kind = exit_code(error), type(error).__name__
        if as_json:
            print_json({"error": {"kind": kind, "message": str(error), "exit_code": code}})
        sys.stderr.write(f"{kind}: {error}\n")
        raise typer.Exit(code) from error
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; nothing was written.\n")
        raise typer.Exit(130) from None
