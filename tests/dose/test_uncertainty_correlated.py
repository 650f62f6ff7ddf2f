"""Errors that organs, scans and cycles share."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.dose.uncertainty.correlated import (
    ErrorSources,
    components,
    correlation,
    covariance,
    standard_uncertainty,
)
from lutetia.dose.uncertainty.course import CycleDose, cumulative_dose
from lutetia.errors import InputError

SIZE = st.floats(0.001, 0.3)
DOSE = st.floats(0.1, 200.0)


@given(DOSE, DOSE, SIZE)
def test_a_calibration_cancels_in_the_ratio_of_two_organs(kidney, tumour, u):
    sources = ErrorSources()
    a, b = (sources.quantity(value, {"calibration": u}) for value in (kidney, tumour))
    assert standard_uncertainty(b / a) == pytest.approx(0.0, abs=1e-12 * tumour / kidney)
    assert correlation(a, b) == pytest.approx(1.0)


@given(DOSE, DOSE, SIZE, SIZE, SIZE)
def test_own_errors_stay_in_the_ratio(kidney, tumour, u, own_a, own_b):
    sources = ErrorSources()
    a = sources.quantity(kidney, {"calibration": u, "kidney: counts": own_a})
    b = sources.quantity(tumour, {"calibration": u, "tumour: counts": own_b})
    ratio = b / a
    assert ratio.std_dev / ratio.nominal_value == pytest.approx(math.hypot(own_a, own_b))  # closed form
    both = covariance((a, b))
    assert both[0, 1] == pytest.approx(u * kidney * u * tumour)
    assert both[0, 0] == pytest.approx((kidney * math.hypot(u, own_a)) ** 2)


def test_a_sum_of_two_kidneys_takes_shared_errors_whole_and_own_ones_by_the_root():
    sources = ErrorSources()
    left = sources.quantity(3.0, {"calibration": 0.05, "left": 0.04})
    right = sources.quantity(4.0, {"calibration": 0.05, "right": 0.04})
    assert (left + right).std_dev == pytest.approx(math.hypot(0.05 * 7, 0.04 * 3, 0.04 * 4))  # closed form
    assert components(left + right) == pytest.approx({"calibration": 0.35, "left": 0.12, "right": 0.16})


def test_signs_say_whether_errors_go_together():
    sources = ErrorSources()
    a, b = sources.quantity(1.0, {"shift": 0.1}), sources.quantity(1.0, {"shift": -0.1})
    assert (a + b).std_dev == pytest.approx(0.0, abs=1e-15)
    assert correlation(a, b) == pytest.approx(-1.0)
    assert correlation(a, sources.quantity(2.0, {})) == 0.0


def test_what_has_no_uncertainty_is_a_number():
    assert standard_uncertainty(3.0) == 0.0
    with pytest.raises(InputError, match="expected finite"):
        ErrorSources().quantity(math.nan, {})


def cycles(n, calibration=0.05, counting=0.04, **more):
    return [
        CycleDose(
            absorbed_dose_gy=4.0,
            relative={"calibration": calibration, "count rate": counting} | more,
            shared=frozenset({"calibration"}),
        )
        for _ in range(n)
    ]


@given(st.integers(1, 8), SIZE, SIZE)
def test_counting_loses_by_the_root_of_the_cycles_and_calibration_does_not(n, calibration, counting):
    total = cumulative_dose("kidney left", cycles(n, calibration, counting), ErrorSources())
    assert total.nominal_value == pytest.approx(4.0 * n)
    assert total.std_dev / total.nominal_value == pytest.approx(math.hypot(calibration, counting / math.sqrt(n)))


def test_the_outlines_rule_returns_in_every_cycle_of_a_region_only():
    sources = ErrorSources()
    left = cumulative_dose("kidney left", cycles(4, 0, 0, volume=0.06), sources)
    right = cumulative_dose("kidney right", cycles(4, 0, 0, volume=0.06), sources)
    assert left.std_dev / left.nominal_value == pytest.approx(0.06)
    assert correlation(left, right) == 0.0


def test_another_calibration_has_another_error():
    def with_group(name):
        return CycleDose(
            absorbed_dose_gy=4.0,
            relative={"calibration": 0.05},
            shared=frozenset({"calibration"}),
            group={"calibration": name},
        )

    same = cumulative_dose("liver", [with_group("a"), with_group("a")], ErrorSources())
    two = cumulative_dose("liver", [with_group("a"), with_group("b")], ErrorSources())
    assert same.std_dev == pytest.approx(0.4)
    assert two.std_dev == pytest.approx(0.4 / math.sqrt(2))


def test_one_unknown_cycle_makes_the_sum_unknown():
    unknown = CycleDose(absorbed_dose_gy=4.0, relative=None)
    assert cumulative_dose("liver", [*cycles(1), unknown], ErrorSources()) is None


def test_tumour_to_kidney_over_the_course_has_no_calibration():
    sources = ErrorSources()
    kidney = cumulative_dose("kidney left", cycles(4), sources)
    tumour = cumulative_dose("lesion 1", cycles(4), sources)
    found = components(tumour / kidney)
    assert abs(found.get("calibration", 0.0)) < 1e-12
    assert np.hypot.reduce(list(found.values())) == pytest.approx(math.sqrt(2) * 0.04 / 2)
