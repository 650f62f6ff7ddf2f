"""Electrons in water: stopping power against ESTAR, range against the integral."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from lutetia.errors import OutOfRangeError
from lutetia.physics.stopping import collision_stopping_power_water_mev_cm2_per_g, csda_range_water_g_per_cm2


def test_stopping_power(reference_rows):
    rows = reference_rows("water_electron.csv")
    energy, estar, formula = (np.array([float(r[c]) for r in rows]) for c in ("energy_mev", "estar", "formula"))
    ours = collision_stopping_power_water_mev_cm2_per_g(energy)
    assert ours == pytest.approx(formula, rel=1e-4)  # five digits printed
    assert ours[energy <= 0.5] == pytest.approx(estar[energy <= 0.5], rel=5e-4)  # four digits printed
    assert ours == pytest.approx(estar, rel=6e-3)  # above 0.5 MeV our simpler density effect costs 0.5 %


@given(st.floats(min_value=0.01, max_value=1.0), st.floats(min_value=1.01, max_value=1.5))
def test_slow_electrons_lose_more(energy_mev, factor):
    slow, fast = collision_stopping_power_water_mev_cm2_per_g([energy_mev, min(energy_mev * factor, 1.0)])
    assert slow >= fast


@given(st.floats(min_value=0.002, max_value=9.0))
def test_range_is_the_integral_of_the_inverse_stopping_power(energy_mev):
    step = 1e-2 * energy_mev
    shorter, longer = csda_range_water_g_per_cm2([energy_mev - step, energy_mev + step])
    power = collision_stopping_power_water_mev_cm2_per_g(energy_mev)
    # the second-order error of the difference is below (step / energy)^2; log-log interpolation adds 1e-4
    assert (longer - shorter) / (2.0 * step) == pytest.approx(1.0 / power, rel=1e-3)


@pytest.mark.parametrize("energy_mev", [0.01, 0.1, 0.5, 2.0])
def test_range_against_adaptive_quadrature(energy_mev):
    # closed form: the integral from 1 keV, plus 2/3 T/S for the path below
    def inverse(log_energy):
        energy = np.exp(log_energy)
        return float(energy / collision_stopping_power_water_mev_cm2_per_g(energy))

    below = 0.001 / float(collision_stopping_power_water_mev_cm2_per_g(0.001)) * 2.0 / 3.0
    expected = below + quad(inverse, np.log(0.001), np.log(energy_mev))[0]
    assert csda_range_water_g_per_cm2(energy_mev) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("function", [collision_stopping_power_water_mev_cm2_per_g, csda_range_water_g_per_cm2])
def test_outside_the_range(function):
    with pytest.raises(OutOfRangeError, match=r"known from 0\.001 to 10\.0 MeV"):
        function(0.0005)
    with pytest.raises(OutOfRangeError, match=r"from 0\.1 to 20 MeV"):
        function([0.1, 20.0])
