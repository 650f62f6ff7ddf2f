"""First order and drawing, on the same model of measurement."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lutetia.dose.uncertainty.chain import MeasuredRegion, doses_model
from lutetia.dose.uncertainty.propagation import first_order, lognormal_factor, monte_carlo
from lutetia.dose.uncertainty.volume import sphere_under_gaussian, volume_sensitivity
from lutetia.errors import InputError
from lutetia.kinetics.curve import CurveFit
from lutetia.kinetics.fit import fit_curve, fit_trapezoid
from lutetia.units import GY_PER_MEV_PER_G

DECAY = math.log(2) / (6.647 * 86400)  # 177Lu
H = 3600.0
ENERGY_MEV = 0.1479  # 177Lu, charged particles per decay (ICRP 107)
DRAWS = 4000
SAME = 0.05  # a standard deviation of 4000 draws is known to 1.1 %; the rest is second order of errors of 5 %


def trapezoid(curve):
    return fit_trapezoid(curve, decay_constant_per_s=DECAY)


def line(curve):
    """A mono-exponential through two points, in closed form, no slower than decay."""
    (t1, t2), (a1, a2) = curve.time_s, np.maximum(curve.activity_bq, 1e-30)
    rate = max(math.log(a1 / a2) / (t2 - t1), DECAY)
    start = a1 * math.exp(rate * t1)
    return CurveFit(
        region=curve.region, model="line", parameters={}, covariance=None, aicc=None, standard_uncertainty_bq_s=None,
        time_integrated_activity_bq_s=start / rate, effective_half_life_s=math.log(2) / rate,
        extrapolated_fraction=math.exp(-rate * t2), activity_at=lambda t: start * np.exp(-rate * t), band_at=None,
    )  # fmt: skip


def self_dose(mass_g):
    return ENERGY_MEV * GY_PER_MEV_PER_G / mass_g


def gaussian_recovery(volume_ml, fwhm_mm=12.0):
    return sphere_under_gaussian(radius_mm=(3e3 * volume_ml / (4 * math.pi)) ** (1 / 3), fwhm_mm=fwhm_mm)[0]


def region(name="kidney left", *, volume_ml=150.0, hours=(4.0, 24.0, 72.0, 168.0), half_life_h=51.0, **changes):
    t = np.array(hours) * H
    recovery = gaussian_recovery(volume_ml)
    given = {
        "count_rate_cps": 1e8 * 9e-6 * recovery * np.exp(-math.log(2) / (half_life_h * H) * t),
        "count_relative": np.full(t.size, 0.03),
        "sensitivity_cps_per_bq": 9e-6,
        "recovery": gaussian_recovery,
        "counts_power": volume_sensitivity(recovery=recovery).counts,
        "s_gy_per_bq_s": self_dose,
        "refit": trapezoid,
    }
    return MeasuredRegion(region=name, time_s=t, volume_ml=volume_ml, **(given | changes))


ALL = {
    "sensitivity_relative": 0.04,
    "boundary_mm": 0.5,
    "recovery_relative": 0.03,
    "density_relative": 0.01,
    "energy_relative": 0.005,
    "scatter_relative": 0.02,
}


def both_ways(*regions, draws=DRAWS, seed=1):
    model, sources = doses_model(regions)
    return first_order(model, sources), monte_carlo(model, sources, draws=draws, rng=np.random.default_rng(seed))


def test_a_linear_model_is_exact_in_both():
    def model(errors):
        x, y = errors.get("x", 0.0), errors.get("y", 0.0)
        return np.array([3 * x + 4 * y, x])

    found = first_order(model, ("x", "y"))
    np.testing.assert_allclose(found.covariance, [[25, 3], [3, 1]], rtol=1e-9)  # closed form
    drawn = monte_carlo(model, ("x", "y"), draws=20000, rng=np.random.default_rng(0))
    np.testing.assert_allclose(drawn.covariance, found.covariance, rtol=0.05)  # 20000 draws: 1 % of a variance
    np.testing.assert_allclose(drawn.interval()[:, 0], [-1.96 * 5, 1.96 * 5], rtol=0.04)
    np.testing.assert_allclose(drawn.mean, 0.0, atol=0.15)


def test_one_factor_has_its_relative_uncertainty():
    z = np.random.default_rng(2).standard_normal(200_000)
    factor = np.array([lognormal_factor(float(v), 0.3) for v in z])
    # 200000 draws: 0.2 % of the standard deviation; a log-normal's tail makes it 1 %
    assert factor.std() / factor.mean() == pytest.approx(0.3, rel=0.01)
    assert np.median(factor) == pytest.approx(1.0, rel=0.003)
    assert lognormal_factor(1.0, 0.3) * lognormal_factor(-1.0, 0.3) == pytest.approx(1.0)


def test_each_source_alone_gives_its_own_size():
    for key, u in {"sensitivity_relative": 0.04, "recovery_relative": 0.03, "density_relative": 0.01}.items():
        one = region(count_relative=np.zeros(4), **{key: u})
        found = first_order(*doses_model([one]))
        relative = float(found.standard_uncertainty[0] / found.value[0])
        assert relative == pytest.approx(math.sqrt(math.log1p(u**2)), rel=1e-5)  # closed form of a log-normal


def test_an_outlines_error_goes_by_volume_recovery_and_mass():
    one = region(volume_ml=20.0, count_relative=np.zeros(4), boundary_mm=0.3)
    found = first_order(*doses_model([one]))
    r = (3e3 * 20.0 / (4 * math.pi)) ** (1 / 3)
    recovery, share = sphere_under_gaussian(radius_mm=r, fwhm_mm=12.0)
    # dln D = (p/R - eta - 1) dln V with dln V = 3 u/r; eta of the Gaussian's own recovery is 2 p/R - 1
    power = volume_sensitivity(recovery=recovery).counts - (2 * share / recovery - 1) - 1
    relative = float(found.sensitivity[0, 0] / found.value[0])
    assert relative == pytest.approx(power * 3 * 0.3 / r, rel=1e-4)
    assert relative < 0


def test_drawing_agrees_with_first_order_where_errors_are_small():
    found, drawn = both_ways(region(**ALL))
    assert float(drawn.standard_uncertainty[0]) == pytest.approx(float(found.standard_uncertainty[0]), rel=SAME)
    assert float(drawn.mean[0]) == pytest.approx(float(found.value[0]), rel=0.01)


def test_two_organs_are_correlated_alike_in_both():
    kidney = region(**ALL)
    tumour = region("lesion 1", volume_ml=20.0, half_life_h=77.0, **ALL)
    found, drawn = both_ways(kidney, tumour)
    np.testing.assert_allclose(
        drawn.covariance, found.covariance, rtol=2.5 * SAME
    )  # variances: twice that, and noise
    assert found.covariance[0, 1] > 0  # calibration and scatter are the same


def test_calibration_alone_leaves_the_ratio_of_two_organs_certain():
    alone = {"sensitivity_relative": 0.2, "count_relative": np.zeros(4)}
    _, drawn = both_ways(region(**alone), region("lesion 1", volume_ml=20.0, **alone), draws=200)
    ratio = drawn.values[:, 1] / drawn.values[:, 0]
    assert ratio.std() / ratio.mean() < 1e-12
    assert drawn.values[:, 0].std() / drawn.values[:, 0].mean() > 0.15


def test_a_fit_of_exponentials_is_refitted_for_every_draw():
    one = region(refit=lambda c: fit_curve(c, decay_constant_per_s=DECAY, model="mono"), sensitivity_relative=0.04)
    found, drawn = both_ways(one, draws=150)
    # 150 draws: 5.8 % of a standard deviation, three times
    assert float(drawn.standard_uncertainty[0]) == pytest.approx(float(found.standard_uncertainty[0]), rel=0.18)


def test_first_order_fails_for_a_small_lesion_with_an_uncertain_outline():
    # radius 4.9 mm, boundary 1 mm: the dose falls with nearly the cube of the radius and is skew
    small = region("lesion 2", volume_ml=0.5, boundary_mm=1.0, count_relative=np.zeros(4))
    found, drawn = both_ways(small)
    first, u = float(found.value[0]), float(found.standard_uncertainty[0])
    low, high = drawn.interval()[:, 0]
    assert high - first > 1.5 * (first - low)
    assert high > first + 1.3 * 1.96 * u  # 1.96 u would promise an upper end that is passed far more often


def test_first_order_fails_where_most_is_extrapolated():
    # scans at 2 and 24 h of a half-life of 100 h: the slope's error moves 1/k, which decay alone bounds
    wide = region(hours=(2.0, 24.0), half_life_h=100.0, count_relative=np.full(2, 0.05), refit=line)
    found, drawn = both_ways(wide)
    first, u = float(found.value[0]), float(found.standard_uncertainty[0])
    low, high = drawn.interval()[:, 0]
    longest = first * 1.75  # T_eff/T_physical is 100 h to 159.5 h, and the start falls as the slope does
    assert first - 1.96 * u < 0.5 * low  # promises doses that the points do not allow
    assert high < longest
    assert first + 1.96 * u > high


def test_the_same_at_later_scans_is_well_behaved():
    good = region(hours=(24.0, 168.0), half_life_h=51.0, count_relative=np.full(2, 0.03), refit=line)
    found, drawn = both_ways(good)
    assert float(drawn.standard_uncertainty[0]) == pytest.approx(float(found.standard_uncertainty[0]), rel=SAME)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="kidney left: times"):
        region(count_relative=np.zeros(3))
    with pytest.raises(InputError, match="volume, a sensitivity"):
        replace(region(), volume_ml=0.0)
    with pytest.raises(InputError, match="named twice: a"):
        first_order(lambda errors: np.zeros(1), ("a", "b", "a"))
    with pytest.raises(InputError, match="1 draws"):
        monte_carlo(lambda errors: np.zeros(1), ("a",), draws=1, rng=np.random.default_rng(0))
    empty = first_order(lambda errors: np.ones(2), ())
    np.testing.assert_array_equal(empty.standard_uncertainty, 0.0)
