"""Water boxes and reference tables for the dose tests."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "dose"


def box(values: np.ndarray, unit: str, spacing_mm: tuple[float, float, float] = (5.0, 5.0, 5.0)) -> Volume:
    nz, ny, nx = values.shape
    grid = Grid(size=(nx, ny, nz), spacing_mm=spacing_mm, origin_mm=(-10.0, 5.0, 100.0))
    return Volume(grid=grid, values=np.asarray(values, np.float32), unit=unit)


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((FOLDER / name).read_text("utf-8").splitlines()))


@pytest.fixture(scope="session")
def volume() -> Callable[..., Volume]:
    return box


@pytest.fixture(scope="session")
def dose_rows() -> Callable[[str], list[dict[str, str]]]:
    return rows
