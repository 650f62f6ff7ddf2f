"""Photon attenuation: against NIST, against closed forms, and the maps made from CT numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.attenuation import (
    linear_attenuation_from_hu,
    linear_attenuation_per_cm,
    mass_attenuation_cm2_per_g,
    mass_energy_absorption_cm2_per_g,
)
from lutetia.physics.materials import Material, material

energies = st.floats(min_value=0.001, max_value=3.0)


def test_water_attenuation_is_that_of_nist(reference_rows):
    # 0.2 %: radiative corrections of incoherent scattering are in NIST's table and not in ours; 0.05 % its rounding
    rows = reference_rows("water_photon.csv")
    energy = [float(row["energy_mev"]) for row in rows]
    expected = [float(row["mu_cm2_per_g"]) for row in rows]
    assert mass_attenuation_cm2_per_g("water", energy) == pytest.approx(expected, rel=0.0026)


def test_water_energy_absorption_is_that_of_nist(reference_rows):
    # as above, and bremsstrahlung, which NIST subtracts: 0.9 % of the transferred energy at 3 MeV
    rows = [row for row in reference_rows("water_photon.csv")]
    energy = np.array([float(row["energy_mev"]) for row in rows])
    expected = np.array([float(row["mu_en_cm2_per_g"]) for row in rows])
    ratio = mass_energy_absorption_cm2_per_g("water", energy) / expected
    assert ratio[energy <= 1.5] == pytest.approx(1.0, abs=0.003)
    assert ratio == pytest.approx(1.0, abs=0.009)


@pytest.mark.parametrize(
    ("energy_mev", "mu", "mu_en"),  # NIST SRD 126, log-log interpolated; mu_en has a kink-free minimum near 0.1 MeV
    [(0.11295, 0.1644, 0.0261), (0.20837, 0.1350, 0.02989)],
)
def test_water_at_the_gamma_lines_of_lutetium(energy_mev, mu, mu_en):
    assert mass_attenuation_cm2_per_g("water", energy_mev) == pytest.approx(mu, rel=0.003)
    # interpolating NIST's table from 0.10 to 0.15 MeV across the minimum overestimates by 1 %
    assert mass_energy_absorption_cm2_per_g("water", energy_mev) == pytest.approx(mu_en, rel=0.012)


def test_bone_and_iodine_against_another_code():
    # xraylib 4.3.0, CS_Total of the elements mixed by mass; 0.25 %: its radiative corrections and atomic weights
    energy = [0.01, 0.02, 0.06, 0.20837, 0.511]
    bone = mass_attenuation_cm2_per_g("cortical bone", energy)
    assert bone == pytest.approx([28.514442, 4.00096, 0.314826, 0.128729, 0.089385], rel=2.5e-3)
    iodine = Material(name="iodine", density_g_per_ml=4.93, mass_fractions={"I": 1.0}, source="test")
    expected = [162.588587, 25.434187, 7.577, 0.336808, 0.095126]
    assert mass_attenuation_cm2_per_g(iodine, energy) == pytest.approx(expected, rel=2.5e-3)


def test_processes_add_up_to_the_total():
    energy = np.geomspace(0.001, 3.0, 50)
    parts = [
        mass_attenuation_cm2_per_g("kidney", energy, process)
        for process in ("photoelectric", "incoherent", "coherent", "pair")
    ]
    assert sum(parts) == pytest.approx(mass_attenuation_cm2_per_g("kidney", energy), rel=1e-12)


def test_incoherent_scattering_tends_to_klein_nishina():
    # closed form: Klein-Nishina cross section per electron times electrons per gram; binding and radiative
    # corrections are below 0.2 % at 2 MeV
    k = 2.0 / 0.51099895
    radius_cm = 2.8179403262e-13
    bracket = (1 + k) / k**2 * (2 * (1 + k) / (1 + 2 * k) - np.log(1 + 2 * k) / k)
    section = 2 * np.pi * radius_cm**2 * (bracket + np.log(1 + 2 * k) / (2 * k) - (1 + 3 * k) / (1 + 2 * k) ** 2)
    expected = section * 6.02214076e23 * 0.55508  # Z/A of water
    assert mass_attenuation_cm2_per_g("water", 2.0, "incoherent") == pytest.approx(expected, rel=2e-3)


def test_pairs_only_above_twice_the_rest_energy():
    below, above = mass_attenuation_cm2_per_g("water", [1.0219, 2.614], "pair")
    assert below == 0.0
    assert above > 0.0


def test_k_edge_of_iodine():
    iodine = Material(name="iodine", density_g_per_ml=4.93, mass_fractions={"I": 1.0}, source="test")
    below, above = mass_attenuation_cm2_per_g(iodine, [0.0330, 0.0334])
    assert above / below > 4.0  # K jump ratio of iodine is above 5, minus the slope across 0.4 keV


@given(energies)
def test_absorbed_is_less_than_attenuated(energy_mev):
    for name in ("water", "cortical bone", "adipose"):
        absorbed = mass_energy_absorption_cm2_per_g(name, energy_mev)
        assert 0.0 < absorbed < mass_attenuation_cm2_per_g(name, energy_mev)


@given(energies, st.floats(min_value=0.0, max_value=1.0))
def test_mixtures_are_linear_in_mass(energy_mev, fraction):
    water, air = material("water"), material("air")
    parts = {s: fraction * w for s, w in water.mass_fractions.items()}
    for symbol, weight in air.mass_fractions.items():
        parts[symbol] = parts.get(symbol, 0.0) + (1.0 - fraction) * weight
    mixed = Material(name="mixture", density_g_per_ml=1.0, mass_fractions=parts, source="test")
    for function in (mass_attenuation_cm2_per_g, mass_energy_absorption_cm2_per_g):
        expected = fraction * function(water, energy_mev) + (1.0 - fraction) * function(air, energy_mev)
        assert function(mixed, energy_mev) == pytest.approx(expected, rel=1e-9)


def test_shape_follows_the_energies():
    assert mass_attenuation_cm2_per_g("water", np.full((2, 3), 0.1)).shape == (2, 3)
    assert mass_attenuation_cm2_per_g("water", 0.1).shape == ()


@pytest.mark.parametrize("energy_mev", [0.113, 0.1405, 0.2084, 0.3645])
def test_map_at_its_anchors(energy_mev):
    water = float(linear_attenuation_per_cm(material("water"), energy_mev))
    air = float(linear_attenuation_per_cm(material("air"), energy_mev))
    found = linear_attenuation_from_hu(np.array([0.0, -1000.0, -500.0]), energy_mev)
    assert found == pytest.approx([water, air, (water + air) / 2.0], rel=1e-6, abs=2e-7 * water)  # float32


def test_map_of_bone_is_bone():
    # closed form: the CT number that cortical bone has at the effective energy gives cortical bone's attenuation
    bone, water = material("cortical bone"), material("water")
    hu = 1000.0 * (linear_attenuation_per_cm(bone, 0.075) / linear_attenuation_per_cm(water, 0.075) - 1.0)
    found = linear_attenuation_from_hu(np.array([float(hu)]), 0.2084)[0]
    assert found == pytest.approx(float(linear_attenuation_per_cm(bone, 0.2084)), rel=1e-5)


def test_ct_at_the_photon_energy_itself_is_one_line():
    hu = np.array([500.0, 1000.0])
    water = float(linear_attenuation_per_cm(material("water"), 0.1))
    found = linear_attenuation_from_hu(hu, 0.1, effective_ct_energy_mev=0.1)
    assert found == pytest.approx(water * (1.0 + hu / 1000.0), rel=1e-5)


@given(st.floats(min_value=-4000, max_value=4000), st.floats(min_value=0, max_value=500))
def test_map_grows_with_hu_and_is_never_negative(hu, step):
    low, high = linear_attenuation_from_hu(np.array([hu, hu + step]), 0.2084)
    assert 0.0 < low <= high


def test_map_is_float32():
    assert linear_attenuation_from_hu(np.zeros((2, 2, 2), dtype=np.int16), 0.2084).dtype == np.float32


def test_refusals():
    with pytest.raises(OutOfRangeError, match=r"from 0\.0005 to 0\.1 MeV"):
        mass_attenuation_cm2_per_g("water", [0.0005, 0.1])
    with pytest.raises(OutOfRangeError, match="attenuation tables hold"):
        mass_energy_absorption_cm2_per_g("water", 3.1)
    with pytest.raises(InputError, match="No process 'compton'"):
        mass_attenuation_cm2_per_g("water", 0.1, "compton")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="No material 'gold'"):
        mass_attenuation_cm2_per_g("gold", 0.1)
    osmium = Material(name="osmium", density_g_per_ml=22.6, mass_fractions={"Os": 1.0}, source="test")
    with pytest.raises(InputError, match="No photon cross sections for element 'Os'"):
        mass_attenuation_cm2_per_g(osmium, 0.1)
    with pytest.raises(InputError, match="CT numbers are not finite"):
        linear_attenuation_from_hu(np.array([np.inf]), 0.2084)
