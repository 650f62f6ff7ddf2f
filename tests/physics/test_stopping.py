"""Electrons and positrons: stopping powers and ranges against ESTAR and PENELOPE, and their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from lutetia.errors import OutOfRangeError
from lutetia.physics.electrons.bremsstrahlung import radiative_stopping_power_mev_cm2_per_g
from lutetia.physics.electrons.excitation import electrons_of
from lutetia.physics.materials import Material, material
from lutetia.physics.stopping import (
    collision_stopping_power_mev_cm2_per_g,
    collision_stopping_power_water_mev_cm2_per_g,
    csda_range_g_per_cm2,
    csda_range_water_g_per_cm2,
)


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


@given(st.floats(min_value=0.002, max_value=4.5))
def test_range_is_the_integral_of_the_inverse_stopping_power(energy_mev):
    step = 1e-2 * energy_mev
    shorter, longer = csda_range_water_g_per_cm2([energy_mev - step, energy_mev + step])
    power = collision_stopping_power_water_mev_cm2_per_g(energy_mev)
    power = power + radiative_stopping_power_mev_cm2_per_g(material("water"), energy_mev)
    # the second-order error of the difference is below (step / energy)^2; log-log interpolation adds 1e-4
    assert (longer - shorter) / (2.0 * step) == pytest.approx(1.0 / power, rel=1e-3)


@pytest.mark.parametrize("energy_mev", [0.01, 0.1, 0.5, 2.0])
def test_range_against_adaptive_quadrature(energy_mev):
    # closed form: the integral from 1 keV, plus 2/3 T/S for the path below
    water = material("water")

    def total(energy):
        radiated = radiative_stopping_power_mev_cm2_per_g(water, energy)
        return float(collision_stopping_power_water_mev_cm2_per_g(energy) + radiated)

    below = 0.001 / total(0.001) * 2.0 / 3.0
    path = quad(lambda x: np.exp(x) / total(np.exp(x)), np.log(0.001), np.log(energy_mev), epsrel=1e-6)[0]
    assert csda_range_water_g_per_cm2(energy_mev) == pytest.approx(below + path, rel=1e-4)


@pytest.mark.parametrize(
    ("energy_mev", "range_g_per_cm2"),
    [
        (0.01, 2.515e-4),
        (0.05, 4.320e-3),
        (0.1, 1.431e-2),
        (0.2, 4.488e-2),
        (0.5, 0.1766),
        (1.0, 0.4367),
        (2.0, 0.9785),
    ],
)
def test_range_of_water(energy_mev, range_g_per_cm2):
    # ESTAR; the stopping power at 10 keV and above 0.5 MeV is within 0.5 %, so is the range
    assert csda_range_water_g_per_cm2(energy_mev) == pytest.approx(range_g_per_cm2, rel=6e-3)


@pytest.mark.parametrize(("energy_mev", "estar"), [(1.0, 1.280e-2), (2.0, 2.678e-2)])
def test_radiative_stopping_power_of_water(energy_mev, estar):
    # ESTAR; the spectra are thinned to 14 photon energies, which costs under 0.5 %
    assert radiative_stopping_power_mev_cm2_per_g(material("water"), energy_mev) == pytest.approx(estar, rel=5e-3)


def element(symbol):
    return Material(name=symbol, density_g_per_ml=1.0, mass_fractions={symbol: 1.0}, source="pure")


@pytest.mark.parametrize(
    ("symbol", "energy_mev", "collision", "radiative", "collision_positron", "radiative_positron"),
    [
        ("O", 0.01, 19.3919, 4.25872e-3, 21.3817, 2.12138e-3),
        ("O", 0.1, 3.58677, 4.59295e-3, 3.72951, 3.57236e-3),
        ("O", 1.0, 1.63541, 1.37434e-2, 1.60041, 1.2959e-2),
        ("Ca", 0.01, 16.5452, 9.95013e-3, 18.4622, 3.01988e-3),
        ("Ca", 0.1, 3.22258, 1.23552e-2, 3.36357, 6.86855e-3),
        ("Ca", 1.0, 1.50552, 3.38106e-2, 1.47059, 2.78795e-2),
    ],
)
def test_electrons_and_positrons_in_elements(
    symbol, energy_mev, collision, radiative, collision_positron, radiative_positron
):
    # PENELOPE 2018 material files of the pure elements at 1 g/mL; its density effect comes from its own oscillators,
    # which differs by up to 0.8 % at 1 MeV
    ours = [
        float(function(element(symbol), energy_mev, positron=positron))
        for positron in (False, True)
        for function in (collision_stopping_power_mev_cm2_per_g, radiative_stopping_power_mev_cm2_per_g)
    ]
    assert ours == pytest.approx([collision, radiative, collision_positron, radiative_positron], rel=1e-2)


@pytest.mark.parametrize("positron", [False, True])
def test_a_limit_at_the_greatest_transfer_is_none(positron):
    bone = material("cortical bone")
    energy = np.geomspace(0.01, 4.0, 9)
    whole = collision_stopping_power_mev_cm2_per_g(bone, energy, positron=positron)
    limited = collision_stopping_power_mev_cm2_per_g(bone, energy, below_mev=5.0, positron=positron)
    assert limited == pytest.approx(whole, rel=1e-12)
    assert np.all(collision_stopping_power_mev_cm2_per_g(bone, energy, below_mev=1e-3, positron=positron) < whole)


def test_mean_excitation_by_additivity():
    # ICRU 37: lung 75.3, muscle 75.3, blood 75.2, brain 73.3, adipose 63.2 eV, for slightly other compositions
    published = {"lung": 75.3, "muscle": 75.3, "blood": 75.2, "brain": 73.3, "adipose": 63.2}
    for name, value in published.items():
        assert electrons_of(material(name)).mean_excitation_ev == pytest.approx(value, rel=0.03)


def test_lung_has_the_density_effect_of_its_tissue():
    lung = material("lung")
    thin = Material(name="lung", density_g_per_ml=0.2, mass_fractions=lung.mass_fractions, source=lung.source)
    assert csda_range_g_per_cm2(thin, 1.0) == csda_range_g_per_cm2(lung, 1.0)


@pytest.mark.parametrize("function", [collision_stopping_power_water_mev_cm2_per_g, csda_range_water_g_per_cm2])
def test_outside_the_range(function):
    with pytest.raises(OutOfRangeError, match=r"known from 0\.001 to 5\.0 MeV"):
        function(0.0005)
    with pytest.raises(OutOfRangeError, match=r"from 0\.1 to 20 MeV"):
        function([0.1, 20.0])
