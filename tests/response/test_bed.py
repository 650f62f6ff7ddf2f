"""Biologically effective dose: golden values, courses, RBE, proliferation, uncertainty."""

import math

import numpy as np
import pytest

from lutetia.errors import InputError
from lutetia.response.bed import (
    bed_after_proliferation,
    bed_of,
    bed_with_alpha,
    biologically_effective_dose,
    course_bed,
    dose_with_bed,
    equieffective_dose,
    rbe_weighted_dose,
)
from lutetia.response.protraction import course_by_half_life, cycle_of, exponentials_by_half_life
from lutetia.response.uncertainty import BedInputs, first_order_uncertainty, monte_carlo_uncertainty

H = 3600.0
DAY = 24 * H
KIDNEY = {"alpha_beta_gy": 2.6, "repair_half_life_s": 2.8 * H}


def mono(half_life_h):
    return ((1.0, math.log(2) / (half_life_h * H)),)


def cycles(n, dose, half_life_h, interval_d=56):
    return [
        cycle_of(absorbed_dose_gy=dose, exponentials=mono(half_life_h), start_s=i * interval_d * DAY)
        for i in range(n)
    ]


@pytest.mark.parametrize(
    ("n", "dose", "half_life_h", "repair_h", "ratio", "bed"),
    [
        # D + D^2 T_rep/((T_rep + T_eff) alpha/beta), by hand
        (1, 5.0, 51.6, 2.8, 2.6, 5.4949),
        (4, 5.0, 51.6, 2.8, 2.6, 21.98),
        (1, 5.0, 77, 1.5, 10, 5.0478),
        (4, 5.75, 40, 2.8, 2.6, 26.33),
        (4, 5.75, 50, 2.8, 2.6, 25.70),
        (4, 5.75, 52, 2.8, 2.6, 25.60),
        (4, 5.75, 60, 2.8, 2.6, 25.27),
        (1, 3.478, 50, 2.8, 2.6, 3.7247),  # 7.4 GBq at 0.47 Gy/GBq
        (1, 4.736, 50, 2.8, 2.6, 5.1935),  # 0.64
        (1, 6.66, 50, 2.8, 2.6, 7.5647),  # 0.90
    ],
)
def test_golden_values(n, dose, half_life_h, repair_h, ratio, bed):
    found = course_bed(cycles(n, dose, half_life_h), repair_half_life_s=repair_h * H, alpha_beta_gy=ratio)
    assert found.total.bed_gy == pytest.approx(bed, abs=0.51 * 10.0 ** -len(str(bed).split(".")[1]))
    assert found.total.absorbed_dose_gy == pytest.approx(n * dose)
    assert len(found.per_cycle) == n


def test_cycles_months_apart_are_their_sum_and_close_ones_more():
    far = course_bed(cycles(4, 5.75, 50), **KIDNEY)
    assert far.total.bed_gy == pytest.approx(4 * far.per_cycle[0].bed_gy, rel=1e-7)
    # 8 weeks are 27 effective half-lives: what is left is D^2/ab times about 2^-27
    assert 0 <= far.carry_over_gy < 1e-6
    near = course_bed(cycles(4, 5.75, 50, interval_d=3), **KIDNEY)
    assert near.carry_over_gy > 1
    together = course_bed(cycles(4, 5.75, 50, interval_d=0), **KIDNEY)
    assert together.total.bed_gy == pytest.approx(23 + 2.8 / 52.8 * 23**2 / 2.6)


def test_order_of_cycles_does_not_matter():
    course = [*cycles(1, 5, 50), cycle_of(absorbed_dose_gy=3, exponentials=mono(70), start_s=2 * DAY)]
    forth, back = (course_bed(c, **KIDNEY) for c in (course, course[::-1]))
    assert forth == back
    assert [c.absorbed_dose_gy for c in forth.per_cycle] == pytest.approx([5, 3])


def test_bed_and_back():
    dose = np.array([0.0, 1.0, 23.0, 200.0])
    bed = biologically_effective_dose(dose, g=0.05, alpha_beta_gy=2.6)
    np.testing.assert_allclose(dose_with_bed(bed, g=0.05, alpha_beta_gy=2.6), dose, rtol=1e-13)
    np.testing.assert_allclose(dose_with_bed(bed, g=0.0, alpha_beta_gy=2.6), bed)


def test_equieffective_doses():
    # n fractions of X have BED n X (1 + X/ab), so their EQDX is n X
    for x in (2.0, 3.0):
        assert equieffective_dose(
            10 * x * (1 + x / 2.6), alpha_beta_gy=2.6, dose_per_fraction_gy=x
        ) == pytest.approx(10 * x)
    assert bed_of(absorbed_dose_gy=5, g=2.8 / 54.4, alpha_beta_gy=2.6).eqd2_gy == pytest.approx(3.1058, abs=5e-5)


def test_alpha_particles():
    # RBE 5 of 213Bi-PSMA: weighted dose is linear, and a mixed BED without alphas is that of betas
    assert rbe_weighted_dose(alpha_dose_gy=1.5, beta_gamma_dose_gy=0.6, rbe=5) == pytest.approx(8.1)
    mixed = {"beta_gamma_dose_gy": 5.0, "rbe_max": 5.0, "g": 2.8 / 54.4, "alpha_beta_gy": 2.6}
    assert bed_with_alpha(alpha_dose_gy=0.0, **mixed) == pytest.approx(5.4949, abs=5e-5)
    assert bed_with_alpha(alpha_dose_gy=1.0, **mixed) == pytest.approx(10.4949, abs=5e-5)


def test_proliferation():
    grown = {"potential_doubling_time_s": 10 * DAY, "alpha_per_gy": 0.3}
    # one doubling is ln2/alpha = 2.310 Gy
    assert bed_after_proliferation(20, overall_time_s=30 * DAY, kick_off_s=20 * DAY, **grown) == pytest.approx(
        17.6895, abs=5e-5
    )
    assert bed_after_proliferation(20, overall_time_s=10 * DAY, kick_off_s=20 * DAY, **grown) == 20
    assert bed_after_proliferation(1, overall_time_s=100 * DAY, **grown) == 0


# uncertainty


def inputs(relative, n=1):
    dose, ratio, repair = relative
    return BedInputs(
        absorbed_dose_gy=5.0 * n,
        alpha_beta_gy=2.6,
        repair_half_life_s=2.8 * H,
        factor=exponentials_by_half_life(mono(51.6)) if n == 1 else course_by_half_life(cycles(n, 5.0, 51.6)),
        absorbed_dose_relative=dose,
        alpha_beta_relative=ratio,
        repair_relative=repair,
    )


def test_first_order_is_the_derivative():
    # dBED/dD = 1 + 2 G D/ab = 1.19796 at G 0.051471
    assert first_order_uncertainty(inputs((0.1, None, None))) == pytest.approx(0.5 * 1.197964, rel=1e-5)
    assert bed_of(
        absorbed_dose_gy=5, g=2.8 / 54.4, alpha_beta_gy=2.6, standard_uncertainty_gy=0.5
    ).standard_uncertainty_gy == pytest.approx(0.598982, rel=1e-5)
    # G D^2/ab = 0.49491 goes with 1/ab
    assert first_order_uncertainty(inputs((None, 0.2, None))) == pytest.approx(0.2 * 0.494910, rel=1e-5)
    # dG/dlnT = T_rep T_eff/(T_rep + T_eff)^2 = 0.048821, times D^2/ab
    assert first_order_uncertainty(inputs((None, None, 0.2))) == pytest.approx(0.2 * 0.0488214 * 25 / 2.6, rel=1e-4)
    parts = [first_order_uncertainty(inputs(r)) for r in ((0.1, None, None), (None, 0.2, None), (None, None, 0.2))]
    assert first_order_uncertainty(inputs((0.1, 0.2, 0.2))) == pytest.approx(math.hypot(*parts))


@pytest.mark.parametrize("relative", [(0.05, None, None), (0.05, 0.1, 0.1), (None, 0.1, 0.1)])
@pytest.mark.parametrize("n", [1, 4])
def test_monte_carlo_agrees_where_uncertainties_are_small(relative, n):
    first = first_order_uncertainty(inputs(relative, n))
    drawn = monte_carlo_uncertainty(inputs(relative, n), rng=np.random.default_rng(7), n_samples=40_000)
    # a standard deviation of 40000 draws is known to 0.35 %, the second order adds u^2 of at most 1 %
    assert drawn.standard_uncertainty_gy == pytest.approx(first, rel=0.025)
    low, high = drawn.interval_95_gy
    assert (high - low) / 2 == pytest.approx(1.96 * first, rel=0.04)


def test_monte_carlo_is_skew_where_alpha_beta_is_known_by_a_factor():
    drawn = monte_carlo_uncertainty(inputs((None, 1.0, None)))
    middle = 5.494910
    low, high = drawn.interval_95_gy
    assert high - middle > 1.5 * (middle - low)
    assert low > 5  # never below the absorbed dose


def test_unknown_uncertainty_is_none():
    assert first_order_uncertainty(inputs((None, None, None))) is None
    assert bed_of(absorbed_dose_gy=5, g=0.05, alpha_beta_gy=2.6).standard_uncertainty_gy is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: biologically_effective_dose(np.array([1.0]), g=0.1, alpha_beta_gy=0), "alpha/beta of 0 Gy"),
        (lambda: biologically_effective_dose(np.array([-1.0]), g=0.1, alpha_beta_gy=3), "not negative"),
        (lambda: biologically_effective_dose(np.array([math.nan]), g=0.1, alpha_beta_gy=3), "finite"),
        (lambda: biologically_effective_dose(np.array([1.0]), g=1.1, alpha_beta_gy=3), "expected 0 to 1"),
        (lambda: equieffective_dose(5, alpha_beta_gy=3, dose_per_fraction_gy=0), "dose per fraction"),
        (lambda: rbe_weighted_dose(alpha_dose_gy=1, beta_gamma_dose_gy=1, rbe=0), "RBE of 0; expected"),
        (lambda: rbe_weighted_dose(alpha_dose_gy=-1, beta_gamma_dose_gy=1, rbe=5), "not negative"),
        (
            lambda: bed_after_proliferation(1, overall_time_s=-1, potential_doubling_time_s=1, alpha_per_gy=1),
            "no negative time",
        ),
        (lambda: inputs((-0.1, None, None)), "none below 0"),
        (lambda: monte_carlo_uncertainty(inputs((0.1, None, None)), n_samples=3), "at least 100"),
    ],
)
def test_what_cannot_be(call, said):
    with pytest.raises(InputError, match=said):
        call()
