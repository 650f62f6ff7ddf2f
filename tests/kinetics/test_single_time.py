"""Single-time-point methods against their closed forms and the published ratio table."""

import math

import numpy as np
import pytest

from lutetia.errors import FitError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.single_time import (
    population_half_life,
    time_integrated_activity_haenscheid2018,
    time_integrated_activity_madsen2018,
)

H = 3600.0


def point(hours, activity=1e6, relative=0.05):
    return TimeActivityCurve(
        region="kidney left",
        time_s=np.array([hours * H]),
        activity_bq=np.array([activity]),
        standard_uncertainty_bq=np.array([relative * activity]),
    )


# ratio of the rule to a mono-exponential, 2 x 2^-x (closed form; the same table in Haenscheid 2018, figure 1)
@pytest.mark.parametrize(
    ("x", "ratio"), [(0.5, 0.707), (0.75, 0.892), (1, 1.0), (1.5, 1.061), (2, 1.0), (2.5, 0.884), (3, 0.75)]
)
def test_haenscheid_against_a_mono_exponential(x, ratio):
    half_life_h = 50.0
    activity = 2.0**-x
    truth = half_life_h * H / math.log(2)
    fit = time_integrated_activity_haenscheid2018(point(x * half_life_h, activity))
    assert fit.time_integrated_activity_bq_s / truth == pytest.approx(ratio, abs=5e-4)


def test_known_half_life_is_exact_for_a_mono_exponential():
    k = math.log(2) / (51.6 * H)
    fit = time_integrated_activity_madsen2018(
        point(24, 1e6 * math.exp(-k * 24 * H)), effective_half_life_s=51.6 * H, relative_sd=0.2, source="test"
    )
    assert fit.time_integrated_activity_bq_s == pytest.approx(1e6 / k, rel=1e-12)  # A0/k
    assert any("0.47 effective half-lives" in w for w in fit.warnings)


def test_uncertainty_of_the_half_life_is_propagated():
    # first order |1 - k t| u(T)/T, checked by a finite difference of A exp(kt)/k
    def tia(half_life_h):
        k = math.log(2) / (half_life_h * H)
        return math.exp(k * 150 * H) / k

    step = 0.01
    numeric = abs(tia(50 * (1 + step)) - tia(50 * (1 - step))) / (2 * step) / tia(50) * 0.02
    fit = time_integrated_activity_madsen2018(
        point(150, relative=0.0), effective_half_life_s=50 * H, relative_sd=0.02, source="test"
    )
    u = fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s
    assert u == pytest.approx(numeric, rel=0.02)  # the second-order term adds less than 2 % at a spread of 2 %


def test_population_table_knows_kidneys_and_lesions():
    assert population_half_life(
        agent="177Lu-DOTATATE", region="kidney left", kind="organ"
    ).effective_half_life_s == (pytest.approx(51.6 * H))
    assert population_half_life(agent="Lutathera DOTATATE", region="lesion 3", kind="lesion") is not None
    assert population_half_life(agent="", region="kidney left", kind="organ") is None
    assert population_half_life(agent="177Lu-DOTATATE", region="brain", kind="organ") is None


def test_several_points_are_refused():
    several = TimeActivityCurve(region="liver", time_s=np.array([H, 2 * H]), activity_bq=np.ones(2))
    with pytest.raises(FitError, match="takes one time point, this curve has 2"):
        time_integrated_activity_haenscheid2018(several)
