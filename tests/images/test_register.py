"""Registration finds known motions, and what follows it lands where it should."""

import numpy as np
import pytest

from lutetia.errors import GridError
from lutetia.images.grid import Grid
from lutetia.images.register import Registration, moved_back, moved_onto, register
from lutetia.images.volume import Volume

GRID = Grid(size=(100, 80, 60), spacing_mm=(4.0, 4.0, 5.0), origin_mm=(-198.0, -158.0, -148.0))


def body(position_mm):
    """HU of a stylised trunk (with lungs, spine and organs that break every symmetry) at LPS positions."""
    x, y, z = np.moveaxis(position_mm, -1, 0)
    hu = np.full(x.shape, -1000.0)
    hu[(x / 160) ** 2 + (y / 100) ** 2 < 1] = 30.0
    for cx in (-70, 70):
        hu[((x - cx) / 50) ** 2 + (y / 60) ** 2 + ((z - 110) / 90) ** 2 < 1] = -700.0
    hu[(x / 18) ** 2 + ((y - 60) / 18) ** 2 < 1] = 250.0
    hu[((x + 70) / 60) ** 2 + ((y + 10) / 50) ** 2 + ((z + 20) / 40) ** 2 < 1] = 90.0
    hu[((x - 60) / 25) ** 2 + ((y - 35) / 20) ** 2 + ((z + 60) / 40) ** 2 < 1] = -60.0
    hu[(np.abs(x) < 180) & (np.abs(y - 120) < 6)] = 100.0  # the couch, which does not move with the patient
    return hu


def positions(grid):
    k, j, i = np.indices(grid.shape)
    return grid.position_mm(np.stack([i, j, k], axis=-1).astype(float))


def rigid(shift_mm, angle_deg):
    a = np.radians(angle_deg)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    matrix[:3, 3] = shift_mm
    return matrix


def moved_body(matrix):
    """The body moved by a matrix (points of the fixed to points of the moving frame)."""
    inverse = np.linalg.inv(matrix)
    points = positions(GRID) @ inverse[:3, :3].T + inverse[:3, 3]
    noise = np.random.default_rng(2).normal(0, 15, GRID.shape)
    return Volume(grid=GRID, values=(body(points) + noise).astype(np.float32), unit="HU")


@pytest.fixture(scope="module")
def fixed():
    return moved_body(np.eye(4))


@pytest.mark.parametrize(("shift", "angle"), [((6, -4, 8), 0.0), ((-5, 7, -6), 3.0)])
def test_known_motion_is_recovered(fixed, shift, angle):
    wanted = rigid(shift, angle)
    found = register(fixed, moved_body(wanted))
    inside = np.array([[x, y, z] for x in (-120, 0, 120) for y in (-60, 60) for z in (-100, 100)])
    error = (inside @ found.matrix[:3, :3].T + found.matrix[:3, 3]) - (inside @ wanted[:3, :3].T + wanted[:3, 3])
    # a quarter of the 4 mm grid on which the registration works
    assert np.linalg.norm(error, axis=1).max() < 1.0
    assert found.residual_mm <= found.before_mm
    assert found.warnings == ()


def test_the_same_input_gives_the_same_result(fixed):
    moving = moved_body(rigid((3, 2, -4), 1.0))
    first, second = register(fixed, moving), register(fixed, moving)
    np.testing.assert_array_equal(first.matrix, second.matrix)


def test_images_follow_and_labels_go_back():
    matrix = rigid((8.0, -4.0, 10.0), 0.0)
    registration = Registration(
        matrix=matrix, displacement=None, residual_mm=0.0, before_mm=0.0, shift_mm=0.0, method="test"
    )
    labels = np.zeros(GRID.shape, np.float32)
    labels[20:30, 30:40, 40:50] = 3
    back = moved_back(Volume(grid=GRID, values=labels, unit="1"), registration, GRID)
    expected = np.zeros(GRID.shape, np.float32)
    expected[22:32, 29:39, 42:52] = 3  # +10 mm = 2 slices, -4 mm = -1 row, +8 mm = 2 columns
    np.testing.assert_array_equal(back.values, expected)
    again = moved_onto(back, registration, GRID, nearest=True)
    np.testing.assert_array_equal(again.values, labels)


def test_a_deformation_is_undone(fixed):
    """The front of the body sinks by up to 10 mm; the spline follows where a rigid motion cannot."""
    points = positions(GRID)
    sunk = points.copy()
    sunk[..., 1] -= 10 * np.clip(-points[..., 1] / 100, 0, 1)
    moving = Volume(grid=GRID, values=body(sunk).astype(np.float32), unit="HU")
    rigid_only, found = register(fixed, moving), register(fixed, moving, deformable=True)

    def difference(registration):
        back = moved_onto(moving, registration, GRID, outside=-1000.0).values
        middle = np.s_[15:45]
        return float(np.mean(np.abs(back[middle] - fixed.values[middle])))

    assert difference(found) < difference(rigid_only)
    labels = np.zeros(GRID.shape, np.float32)
    labels[25:35, 20:30, 40:60] = 1
    there = moved_back(Volume(grid=GRID, values=labels, unit="1"), found, GRID)
    again = moved_onto(there, found, GRID, nearest=True)
    # two nearest-neighbour steps of 4 mm voxels: the surface of the box may move by one voxel
    overlap = 2 * np.sum(again.values * labels) / (again.values.sum() + labels.sum())
    assert overlap > 0.8


def test_scans_of_different_parts_are_refused(fixed):
    away = Grid(size=GRID.size, spacing_mm=GRID.spacing_mm, origin_mm=(-198.0, -158.0, 120.0))
    with pytest.raises(GridError, match="overlap by"):
        register(fixed, Volume(grid=away, values=fixed.values, unit="HU"))
