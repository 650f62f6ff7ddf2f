"""The house rules that a machine can watch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "lutetia"
MODULES = sorted(SOURCE.rglob("*.py"))

LONG_MODULES: dict[str, str] = {}
"""Modules over 400 lines, each with the reason."""

LONG_BODIES: dict[str, str] = {
    "app/workflow/__init__.py::run_case": "the list of the steps, with nothing between them",
}
"""Functions over 40 lines of body, each with the reason."""

CROWDED_FOLDERS: dict[str, str] = {
    "physics": "each property of nature has its module",
    "images/dicom": "one reader and one writer for each kind of DICOM object",
    "images": "the nouns, and what is done to images of every kind",
    "recon": "each effect of the camera has its module",
    "app/cli": "each command has its module",
    "app/report": "each part of the report and each kind of picture has its module",
}
"""Folders of more than nine modules, each with the reason."""


def relative(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]


def test_modules_are_short():
    found = {relative(p) for p in MODULES if len(p.read_text("utf-8").splitlines()) > 400}
    assert found == set(LONG_MODULES)


def test_bodies_are_short():
    found = {
        f"{relative(path)}::{node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and body_lines(node) > 40
    }
    assert found == set(LONG_BODIES)


def test_folders_are_small():
    folders = {p.parent for p in MODULES}
    crowded = {relative(f) for f in folders if sum(1 for p in f.glob("*.py") if p.name != "__init__.py") > 9}
    assert crowded == set(CROWDED_FOLDERS)


@pytest.mark.parametrize("name", ["utils", "core", "common", "helpers", "base", "manager"])
def test_no_module_says_nothing(name):
    assert not [relative(p) for p in MODULES if p.stem == name]


def test_outside_app_nothing_prints_or_reads_the_environment():
    offenders = [
        relative(path)
        for path in MODULES
        if "app" not in path.relative_to(SOURCE).parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")
        or (isinstance(node, ast.Attribute) and node.attr == "environ")
    ]
    assert not offenders


def test_every_data_folder_names_its_source():
    folders = {p.parent for p in SOURCE.rglob("*.csv")} | {p.parent for p in SOURCE.rglob("data/**/*.yaml")}
    assert not [relative(f) for f in sorted(folders) if not (f / "SOURCE.toml").exists()]


HEAVY = ("numpy", "scipy", "numba", "pydicom", "SimpleITK", "pandas", "matplotlib", "highdicom")


def test_command_line_imports_no_heavy_package():
    # the promise is an instant --help; what is imported is measured, not the time it takes
    code = (
        "import sys, lutetia.app.cli as cli; from typer.testing import CliRunner; "
        "CliRunner().invoke(cli.application, ['--help']); "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
