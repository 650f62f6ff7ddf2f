"""Pictures that a command draws into a file of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from lutetia.errors import InputError, OutputError

FORMS: Final = (".png", ".pdf", ".svg")


def require_new(plot: Path) -> None:
    """Refuse a file of another form, or one that exists, before anything is computed."""
    if plot.suffix.lower() not in FORMS:
        raise InputError(f"--plot {plot.name}: expected a file that ends in {', '.join(FORMS)}.")
    if plot.exists():
        raise OutputError(f"--plot {plot.name}: this file exists and is not replaced; name another.")


def draw(plot: Path, figure: Callable[[], Any]) -> None:
    """Draw a figure in the style of all pictures and write it."""
    from matplotlib import rc_context

    from lutetia.app.report.style import STYLE, encoded

    with rc_context(STYLE):
        picture = encoded(figure(), plot.suffix.lower().lstrip("."))
    try:
        plot.write_bytes(picture)
    except OSError as error:
        raise OutputError(f"--plot {plot.name}: could not be written ({error.strerror}).") from error
