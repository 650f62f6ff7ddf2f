"""Uncertainty budgets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.dose.absorbed_dose import UncertaintyComponent
from lutetia.dose.uncertainty import combined, dose_budget, surface_area_mm2, volume_relative_uncertainty


@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=6))
def test_independent_components_add_in_quadrature(parts):
    components = [UncertaintyComponent(name=str(i), relative=r) for i, r in enumerate(parts)]
    assert combined(components) == pytest.approx(math.hypot(*parts))
    assert combined(components) >= max(parts) * (1 - 1e-12)


def test_surface_of_a_ball():
    steps = np.arange(-40, 41)
    ball = steps[:, None, None] ** 2 + steps[:, None] ** 2 + steps**2 <= 30**2
    # closed form 4 pi r^2; faces over a surface of random direction are 1.5 times its area, to the size of a voxel
    assert surface_area_mm2(ball, (2.0, 2.0, 2.0)) == pytest.approx(4 * np.pi * 60**2, rel=0.03)


def test_surface_counts_the_edge_of_the_image():
    assert surface_area_mm2(np.ones((2, 3, 4), bool), (1.0, 2.0, 3.0)) == pytest.approx(
        2 * (4 * 6 + 4 * 6 + 6 * 6) / 1.5
    )


def test_a_balls_volume_is_as_uncertain_as_its_radius_cubed():
    r, u = 20.0, 0.5
    relative = volume_relative_uncertainty(
        surface_mm2=4 * np.pi * r**2, volume_mm3=4 / 3 * np.pi * r**3, boundary_mm=u
    )
    assert relative == pytest.approx(3 * u / r)  # closed form


def budget(**changes):
    given = {
        "calibration": 0.03,
        "fit": 0.05,
        "volume": 0.1,
        "recovery_coefficient": 0.7,
        "scatter_to_primary": 0.2,
    }
    return {c.name: c for c in dose_budget(**(given | changes))}


def test_a_better_recovery_leaves_less_of_correction_and_of_volume():
    poor, good = budget(recovery_coefficient=0.4), budget(recovery_coefficient=0.9)
    assert poor["partial-volume correction"].relative > good["partial-volume correction"].relative
    # closed form u / (1 + R): half of the volume's error for a large region, all of it for a vanishing one
    assert poor["volume"].relative == pytest.approx(0.1 / 1.4)
    assert good["volume"].relative == pytest.approx(0.1 / 1.9)
    assert "partial-volume correction" not in budget(recovery_coefficient=None)
    assert budget(recovery_coefficient=None)["volume"].relative == 0.1


def test_what_is_unknown_is_left_out_and_never_zero():
    parts = budget(calibration=None, fit=None, scatter_to_primary=None)
    assert not {"calibration", "counting, fit and extrapolation", "scatter correction"} & set(parts)
    assert all(part.relative > 0 for part in parts.values())


def test_errors_of_the_camera_are_shared_by_all_regions():
    assert {name for name, part in budget().items() if part.shared} == {
        "calibration",
        "scatter correction",
        "decay energy",
        "density",
    }
