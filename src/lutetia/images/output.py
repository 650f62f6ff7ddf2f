"""Files appear whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

from lutetia.errors import OutputError


def write_whole(path: Path, write: Callable[[Path], None], *, overwrite: bool = False) -> Path:
    """Let ``write`` make a file under a temporary name beside ``path``, then rename it.

    Parameters
    ----------
    path : Path
        The file wanted; its folder is made if need be.
    write : callable
        Called with the temporary path, which keeps the suffixes of ``path``.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError
        When the file exists and may not be replaced, or cannot be written (disk full, no permission); then
        neither a new nor a half-written file is left.
    """
    require_absent([path], overwrite=overwrite)
    part = path.with_name(f".part{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path.name} could not be written into {path.parent}: {error.strerror or error}. "
            "Nothing was left there; check free space and permissions, then repeat."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def require_absent(paths: list[Path], *, overwrite: bool) -> None:
    """Raise OutputError, naming the file, when one of ``paths`` exists and may not be replaced."""
    taken = None if overwrite else next((path for path in paths if path.exists()), None)
    if taken is not None:
        raise OutputError(f"{taken.name} already exists in {taken.parent}; choose another name or overwrite=True.")
