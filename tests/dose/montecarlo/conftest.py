"""A small body of water with lung, bone and air in it, and a source on all sides of them."""

from collections.abc import Callable

import numpy as np
import pytest

from lutetia.dose.montecarlo.scene import Scene, region_scene, voxel_scene
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.materials import Material, material

MATERIALS = tuple(material(name) for name in ("water", "lung", "cortical bone", "air"))
SHAPE = (10, 12, 14)


def volume(values: np.ndarray, unit: str, spacing_mm=(4.0, 5.0, 3.0)) -> Volume:
    nz, ny, nx = values.shape
    grid = Grid(size=(nx, ny, nz), spacing_mm=spacing_mm, origin_mm=(-10.0, 5.0, 100.0))
    return Volume(grid=grid, values=np.asarray(values, np.float32), unit=unit)


def layers() -> tuple[np.ndarray, np.ndarray]:
    """Density and material: water, then lung, bone and air in layers of two voxels."""
    density, index = np.ones(SHAPE), np.zeros(SHAPE, np.uint8)
    for first, kind, rho in ((3, 1, 0.26), (5, 2, 1.92), (7, 3, 0.0012)):
        density[:, :, first : first + 2], index[:, :, first : first + 2] = rho, kind
    return density, index


def source() -> np.ndarray:
    values = np.zeros(SHAPE)
    values[2:8, 3:9, 1:12] = 1.0
    values[4, 5, 1] = 6.0
    return values


@pytest.fixture(scope="session")
def make_volume() -> Callable[..., Volume]:
    return volume


@pytest.fixture(scope="session")
def strength() -> np.ndarray:
    return source()


@pytest.fixture(scope="session")
def materials() -> tuple[Material, ...]:
    return MATERIALS


@pytest.fixture(scope="session")
def body() -> Scene:
    """Every voxel a tally."""
    density, index = layers()
    return voxel_scene(volume(density, "g/mL"), index, MATERIALS)


@pytest.fixture(scope="session")
def tissues() -> Scene:
    """One tally for each material but air, which is elsewhere."""
    density, index = layers()
    slot = np.where(index == 3, -1, index.astype(np.int32))
    return region_scene(volume(density, "g/mL"), index, MATERIALS, slot, 3)
