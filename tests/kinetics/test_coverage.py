"""How often the 95 % interval of the default fit holds the true integral, over virtual patients.

Well-posed designs must hold it in 93 to 97 %. Ill-posed ones must say that they are.
"""

import math
from collections import defaultdict

import numpy as np
import pytest

from lutetia.errors import FitError
from lutetia.kinetics.fit import fit_curve

from .virtual_kinetics import LU, REGIONS, blood_fed_region, virtual_region

WELL_POSED = [(4, 24, 72, 168), (4, 24, 48, 72)]
NOISE = (0.03, 0.05, 0.10)


def coverage(hours, patients, seed, model="auto", drawn=virtual_region):
    """Share of the intervals that hold the truth: in all, per region, per noise, for one and two phases of washout."""
    rng = np.random.default_rng(seed)
    inside = defaultdict(list)
    for number in range(patients):
        true = drawn(rng, number)
        noise = NOISE[(number // 4) % 3]
        fit = fit_curve(true.scanned(rng, hours, noise), decay_constant_per_s=LU, model=model)
        low, high = fit.interval_95_bq_s
        for key in ("all", true.region, f"{noise:.0%}", "two phases" if true.two_phases else "one phase"):
            inside[key].append(low <= true.total <= high)
    return {key: (float(np.mean(values)), len(values)) for key, values in inside.items()}


def assert_covers(found, low=0.93, high=0.97):
    """Within the claim, four binomial deviations of chance allowed either way."""
    for key, (share, n) in found.items():
        chance = 4 * math.sqrt(0.05 * 0.95 / n)
        assert low - chance <= share <= high + chance, f"{key}: {share:.3f} of {n}"


@pytest.mark.parametrize("hours", WELL_POSED, ids=str)
def test_interval_covers_the_truth_in_well_posed_designs(hours):
    assert_covers(coverage(hours, 300, seed=1))


@pytest.mark.parametrize("hours", WELL_POSED, ids=str)
def test_interval_covers_organs_that_no_model_describes(hours):
    """Less is promised where no candidate is the truth: 90 % (with two washouts but one uptake it was 81 to 93 %)."""
    assert_covers(coverage(hours, 240, seed=7, drawn=blood_fed_region), low=0.90, high=0.98)


@pytest.mark.slow
@pytest.mark.parametrize("hours", WELL_POSED, ids=str)
def test_interval_covers_the_truth_of_ten_thousand_patients(hours):
    found = coverage(hours, 10_000, seed=2)
    assert 0.93 <= found["all"][0] <= 0.97
    assert_covers(found)


@pytest.mark.parametrize("model", ["auto", "average"])
def test_integral_lies_in_its_interval(model):
    rng = np.random.default_rng(3)
    for number in range(24):
        fit = fit_curve(
            virtual_region(rng, number).scanned(rng, (4, 24, 72, 168), 0.05), decay_constant_per_s=LU, model=model
        )
        low, high = fit.interval_95_bq_s
        assert low < fit.time_integrated_activity_bq_s < high
        assert fit.standard_uncertainty_bq_s > 0


def test_two_early_points_warn():
    """4 and 24 h lie in the first half of one half-life: the tail is unknown by a factor of two or more."""
    rng = np.random.default_rng(4)
    for number in range(24):
        try:
            fit = fit_curve(virtual_region(rng, number).scanned(rng, (4, 24), 0.05), decay_constant_per_s=LU)
        except FitError as error:
            assert "falls at least as fast as the nuclide decays" in str(error)  # noqa: PT017  rising by chance
            continue
        assert any("leave the time-integrated activity open by a factor" in w for w in fit.warnings)
        assert any("after the last time point" in w for w in fit.warnings)


def test_three_points_of_two_phases_warn():
    rng = np.random.default_rng(5)
    for number in range(24):
        true = virtual_region(rng, number, share_two_phases=1.0)
        fit = fit_curve(true.scanned(rng, (4, 24, 72), 0.05), decay_constant_per_s=LU)
        assert any("cannot tell one phase of washout from two" in w for w in fit.warnings)


def test_every_region_is_covered():
    assert set(coverage((4, 24, 72, 168), 12, seed=6)) > set(REGIONS)
