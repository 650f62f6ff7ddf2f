"""Impossible curves are found, possible ones pass; real data that were scaled scan by scan."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import FitError
from lutetia.kinetics.consistency import impossible_totals, require_possible

H = 3600.0
LU = math.log(2) / (6.647 * 86400)
LABELS = ("4 h", "24 h", "48 h", "168 h")
TIMES = tuple(h * H for h in (4, 24, 48, 168))


@given(st.lists(st.floats(0, 5 * LU), min_size=3, max_size=3))
def test_anything_that_clears_is_possible(extra_rates):
    total, totals = 1e9, [1e9]
    for i, rate in enumerate(extra_rates):
        total *= math.exp(-(LU + rate) * (TIMES[i + 1] - TIMES[i]))
        totals.append(total)
    assert impossible_totals(labels=LABELS, time_s=TIMES, total=totals, decay_constant_per_s=LU) == ()


def test_a_rise_is_found_with_its_scans():
    totals = (1.0, 2.0, 3.0, 6.0)
    found = impossible_totals(labels=LABELS, time_s=TIMES, total=totals, decay_constant_per_s=LU)
    assert (found[0].earlier, found[0].later) == ("4 h", "168 h")
    assert found[0].factor == pytest.approx(6 * math.exp(LU * 164 * H), rel=1e-9)  # closed form
    with pytest.raises(FitError, match="from 4 h to 168 h the total activity rises 6-fold"):
        require_possible(found)


def test_more_than_was_given_is_found():
    found = impossible_totals(
        labels=("24 h",), time_s=(24 * H,), total=(2e10,), decay_constant_per_s=LU, administered_activity_bq=7.4e9
    )
    assert "of the administered activity can be left" in found[0].message


def test_scans_scaled_one_by_one_are_refused(shared_data):
    import SimpleITK

    files = sorted((shared_data / "lu177_fap_4tp").glob("*.nii.gz"))
    totals = [float(np.sum(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(f))), dtype=float)) for f in files]
    found = impossible_totals(labels=LABELS, time_s=TIMES, total=totals, decay_constant_per_s=LU)
    assert (found[0].earlier, found[0].later) == ("4 h", "168 h")
    assert totals[-1] / totals[0] == pytest.approx(6, rel=0.2)  # SOURCE.txt: "rises sixfold"
    with pytest.raises(FitError, match="no absorbed dose"):
        require_possible(found)
