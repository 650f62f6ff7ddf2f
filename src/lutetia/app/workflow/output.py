"""The output folder: it appears when all is done, replaces only what Lutetia made, and never lies in the input."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lutetia.errors import InputError, OutputError

MARK = "provenance.json"
"""The file by which a folder is known as one that Lutetia made."""


def refuse_unsafe_output(out: Path, *, inputs: tuple[Path, ...], force: bool) -> None:
    """Raise before any work is done when the result could not be put into ``out``.

    Raises
    ------
    InputError
        ``out`` lies in an input folder, exists without ``force``, or holds something that Lutetia did not make.
    OutputError
        The parent folder cannot be written to.
    """
    target = out.resolve()
    for given in inputs:
        folder = given.resolve() if given.is_dir() else None
        if folder is not None and (target == folder or folder in target.parents):
            raise InputError(
                f"--out {out}: lies inside the input folder {given}; results never go there. Choose another."
            )
    if out.exists() and not force:
        raise InputError(f"--out {out} exists; choose another folder or give --force to replace it.")
    if out.exists() and not (out.is_dir() and ((out / MARK).exists() or not any(out.iterdir()))):
        raise InputError(
            f"--out {out} exists and was not made by Lutetia (it has no {MARK}); --force will not remove it."
        )
    parent = target.parent
    while not parent.exists():
        parent = parent.parent
    if not os.access(parent, os.W_OK):
        raise OutputError(f"--out {out}: the folder {parent} cannot be written to.")


@contextmanager
def finished_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``out`` to write into; it takes the name when the block ends well.

    Raises
    ------
    OutputError
        Something could not be written (disk full, permission); the temporary folder is removed.
    """
    target = out.resolve()
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    old = target.with_name(f".{target.name}.replaced-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        yield partial
        if target.exists():
            target.rename(old)
        try:
            partial.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"--out {out}: writing failed ({reason}); nothing was left there.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
