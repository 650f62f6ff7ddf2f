import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import InputError, OutOfRangeError
from lutetia.images.calibration import Calibration, dead_time_factor, measured_rate
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

GRID = Grid(size=(4, 3, 2), spacing_mm=(4.0, 4.0, 5.0), origin_mm=(0, 0, 0))
RATE = Volume(grid=GRID, values=np.arange(24, dtype=np.float32).reshape(2, 3, 4), unit="counts/s")


@given(rate=st.floats(0, 2e5), dead_time=st.floats(0, 5e-6))
def test_dead_time_and_its_correction_cancel(rate, dead_time):
    measured = float(measured_rate(rate, dead_time))
    assert measured * dead_time_factor(measured_rate_cps=measured, dead_time_s=dead_time) == pytest.approx(rate)


def test_total_activity_is_count_rate_over_sensitivity():
    calibration = Calibration(sensitivity_cps_per_bq=9e-6, relative_uncertainty=0.03)
    image = calibration.activity_concentration(RATE)
    assert image.unit == "Bq/mL"
    total = image.values.sum(dtype=float) * GRID.voxel_ml
    assert total == pytest.approx(RATE.values.sum() / 9e-6, rel=1e-6)  # closed form
    assert calibration.count_rate(image).values == pytest.approx(RATE.values, rel=1e-6)


def test_dead_time_raises_the_activity():
    calibration = Calibration(sensitivity_cps_per_bq=9e-6, relative_uncertainty=None, dead_time_s=1e-6)
    plain, corrected = (calibration.activity_concentration(RATE, measured_rate_cps=m) for m in (None, 1e5))
    assert corrected.values[1, 2, 3] / plain.values[1, 2, 3] == pytest.approx(1 / 0.9)  # closed form: 1/(1 - 0.1)


def test_impossible_calibrations():
    with pytest.raises(InputError, match="expected a positive number"):
        Calibration(sensitivity_cps_per_bq=0, relative_uncertainty=None)
    with pytest.raises(InputError, match="Dead time"):
        Calibration(sensitivity_cps_per_bq=1, relative_uncertainty=None, dead_time_s=-1)
    calibration = Calibration(sensitivity_cps_per_bq=1, relative_uncertainty=None, dead_time_s=1e-5)
    with pytest.raises(OutOfRangeError, match="time is dead"):
        calibration.activity_concentration(RATE, measured_rate_cps=9e4)
    with pytest.raises(InputError, match="turns 'counts/s' into 'Bq/mL'"):
        calibration.activity_concentration(RATE.with_values(RATE.values, "counts"))
    with pytest.raises(InputError, match="expected 'Bq/mL'"):
        calibration.count_rate(RATE)
    with pytest.raises(InputError, match="expected at least 0"):
        dead_time_factor(measured_rate_cps=-1, dead_time_s=0)
