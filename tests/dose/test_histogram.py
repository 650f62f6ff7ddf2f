"""Dose-volume histograms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lutetia.dose.histogram import dose_at_volume, dose_volume_histogram
from lutetia.errors import InputError


def test_of_known_doses():
    # closed form: doses 1, 2, 3, 4 Gy of equal volumes
    dose, fraction = dose_volume_histogram(np.array([4.0, 1.0, 3.0, 2.0]), np.ones(4), n_points=9)
    np.testing.assert_allclose(dose, np.arange(9) / 2)
    np.testing.assert_allclose(fraction, [1, 1, 1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25])


def test_of_a_ramp():
    # doses uniform between 0 and 10 Gy: a fraction f of the volume receives at least 10 (1 - f) Gy
    dose, fraction = dose_volume_histogram(np.linspace(0, 10, 100_001), np.ones(100_001), n_points=400)
    for f in (0.98, 0.5, 0.02):
        assert dose_at_volume(dose, fraction, f) == pytest.approx(10 * (1 - f), abs=0.03)


def test_voxels_count_by_their_weight():
    whole = dose_volume_histogram(np.array([1.0, 2.0, 2.0, 5.0]), np.ones(4))
    parts = dose_volume_histogram(np.array([1.0, 2.0, 5.0, 9.0]), np.array([0.5, 1.0, 0.5, 0.0]))
    np.testing.assert_allclose(whole[0], parts[0])
    np.testing.assert_allclose(whole[1], parts[1])


@given(
    hnp.arrays(float, 20, elements=st.floats(0, 100)),
    hnp.arrays(float, 20, elements=st.floats(0.01, 1)),
)
def test_falls_from_one_and_has_the_mean_dose_for_its_area(doses, weights):
    dose, fraction = dose_volume_histogram(doses, weights, n_points=500)
    assert fraction[0] == pytest.approx(1)
    assert np.all(np.diff(fraction) <= 1e-12)
    # the area under the cumulative histogram is the mean dose, to one dose step
    area = float(np.sum((fraction[1:] + fraction[:-1]) / 2 * np.diff(dose)))
    assert area == pytest.approx(float(np.average(doses, weights=weights)), abs=doses.max() / 499 + 1e-9)


def test_refused():
    with pytest.raises(InputError, match="one non-negative weight per dose"):
        dose_volume_histogram(np.ones(3), np.ones(4))
    with pytest.raises(InputError, match="some volume"):
        dose_volume_histogram(np.ones(3), np.zeros(3))
    with pytest.raises(InputError, match="non-negative"):
        dose_volume_histogram(np.ones(3), np.array([1.0, -0.5, 1.0]))
    with pytest.raises(InputError, match="not finite"):
        dose_volume_histogram(np.array([1.0, np.nan]), np.ones(2))
    with pytest.raises(InputError, match="expected more than 0 and at most 1"):
        dose_at_volume(np.ones(2), np.ones(2), 98.0)
