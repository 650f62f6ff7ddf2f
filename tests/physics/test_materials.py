"""Materials: compositions, and densities and tissues from CT numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import InputError
from lutetia.physics.materials import density_from_hu, hu_materials, material, material_index_from_hu, materials


@pytest.mark.parametrize(
    ("hu", "density_g_per_ml"),  # Schneider 2000
    [
        (-1000, 1.21e-3),
        (-98, 0.93),
        (14, 1.03),
        (23, 1.031),
        (100, 1.1199),
        (101, 1.0762),
        (1600, 1.9642),
        (3000, 2.8),
    ],
)
def test_density_nodes(hu, density_g_per_ml):
    assert density_from_hu(np.array([hu]))[0] == pytest.approx(density_g_per_ml, rel=1e-6)


def test_the_step_of_schneider_goes_down():
    before, after = density_from_hu(np.array([100.0, 101.0]))
    assert before - after == pytest.approx(1.1199 - 1.0762, abs=1e-6)


def test_density_is_clamped_outside_the_nodes():
    ends = density_from_hu(np.array([-5000.0, 30000.0]))
    assert ends == pytest.approx([1.21e-3, 2.8], rel=1e-6)


@given(st.floats(min_value=-1000, max_value=99), st.floats(min_value=0, max_value=1))
def test_density_grows_with_hu_below_and_above_the_step(hu, step):
    low, high = density_from_hu(np.array([hu, min(hu + step, 100.0)]))
    assert low <= high
    low, high = density_from_hu(np.array([hu + 1102.0, hu + 1102.0 + step]))
    assert low <= high


def test_shape_and_type_are_kept():
    hu = np.zeros((2, 3, 4), dtype=np.int16)
    assert density_from_hu(hu).shape == hu.shape
    assert density_from_hu(hu).dtype == np.float32
    assert material_index_from_hu(hu).dtype == np.uint8


@pytest.mark.parametrize(
    ("hu", "name"),  # Schneider 2000, table 2
    [
        (-3000, "air"),
        (-951, "air"),
        (-950, "lung"),
        (-121, "lung"),
        (-100, "adipose/adrenal/intestine 1"),
        (40, "soft tissue"),
        (100, "connective tissue"),
        (120, "marrow and bone 1"),
        (1200, "marrow and bone 12"),
        (4000, "marrow and bone 15"),
    ],
)
def test_material_of_a_ct_number(hu, name):
    index = material_index_from_hu(np.array([float(hu)]))[0]
    assert hu_materials()[index].name == name


def test_bone_bins_gain_calcium():
    calcium = [one.mass_fractions["Ca"] for one in hu_materials() if one.name.startswith("marrow and bone")]
    assert len(calcium) == 15
    assert calcium == sorted(calcium)


def test_mass_fractions_sum_to_one_and_published_sums_are_near():
    for one in (*materials().values(), *hu_materials()):
        assert sum(one.mass_fractions.values()) == pytest.approx(1.0, abs=1e-12)
        assert 0.001 < one.density_g_per_ml < 2.0


def test_water_is_water():
    water = material("water")  # closed form: atomic weights 1.008 and 15.999; NIST rounds H to 0.1119
    assert water.mass_fractions["H"] == pytest.approx(2 * 1.008 / 18.015, rel=2e-4)
    assert water.density_g_per_ml == 1.0


@pytest.mark.parametrize("name", ["kidney", "liver", "spleen", "red marrow", "spongiosa", "cortical bone", "lung"])
def test_organs_are_there(name):
    assert material(name).source


def test_unknown_material_lists_the_known():
    with pytest.raises(InputError, match=r"No material 'unobtainium'.*kidney.*water"):
        material("unobtainium")


@pytest.mark.parametrize("function", [density_from_hu, material_index_from_hu])
def test_ct_numbers_must_be_finite(function):
    with pytest.raises(InputError, match="1 CT numbers are not finite"):
        function(np.array([0.0, np.nan]))
