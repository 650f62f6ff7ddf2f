"""Uniform spheres, and the electron point kernel below them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutetia.dose.montecarlo.electrons.point import electron_absorbed_by_distance
from lutetia.dose.point_kernel import electron_absorbed_fraction_within, nuclide_electron_energy_within
from lutetia.dose.sphere import (
    absorbed_energy_in_sphere_mev,
    least_mass_g,
    pair_distances,
    radius_cm,
    sphere_s_coefficient,
)
from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import material
from lutetia.physics.stopping import collision_stopping_power_mev_cm2_per_g, csda_range_water_g_per_cm2
from lutetia.units import GY_PER_MEV_PER_G


def test_chance_that_two_points_of_a_sphere_are_a_distance_apart():
    r, psi = pair_distances(2.0, n=2001)
    # closed forms: over all directions and distances psi fills the volume; along a ray it is the mean way out, 3 R / 4
    assert np.trapezoid(4 * np.pi * r**2 * psi, r) == pytest.approx(4 / 3 * np.pi * 2.0**3, rel=1e-5)
    assert np.trapezoid(psi, r) == pytest.approx(3 / 4 * 2.0, rel=1e-5)
    assert psi[0] == 1
    assert psi[-1] == pytest.approx(0, abs=1e-12)


def test_radius_of_a_sphere():
    assert radius_cm(mass_g=4 / 3 * np.pi * 1.05, density_g_per_ml=1.05) == pytest.approx(1.0)


@pytest.mark.parametrize("energy_mev", [0.012, 0.147, 0.5, 2.2])
def test_electrons_stay_within_their_range(energy_mev):
    reach = float(csda_range_water_g_per_cm2(energy_mev))
    edges = np.linspace(0, 1.2, 40)
    fraction = electron_absorbed_fraction_within(energy_mev, edges * reach)
    assert np.all(np.diff(fraction) >= 0)
    assert fraction[0] == 0
    # but for what they radiate, at most 0.8 % at 2.2 MeV (ESTAR's radiation yield: 0.79 %)
    assert 1 - 0.009 < fraction[-1] < 1
    # and for straggling, which takes little energy farther than the range of continuous slowing down
    assert np.interp(1.0, edges, fraction) > fraction[-1] - 0.012
    # of a track that was straight, less than half the energy would lie in the nearer half of the range
    straight = np.interp(0.5 * reach, *_straight(energy_mev, reach))
    assert straight < np.interp(0.5, edges, fraction) < 1


def _straight(energy_mev, reach):
    energies = np.geomspace(0.001, energy_mev, 400)
    return reach - csda_range_water_g_per_cm2(energies)[::-1], 1 - energies[::-1] / energy_mev


@pytest.mark.parametrize("energy_mev", [0.2, 1.0])
def test_first_steps_are_those_of_the_stopping_power(energy_mev):
    # before the track bends, dE/dr = S: at 2 % of the range, bent by 7 % more at most; secondary electrons of more than
    # 20 keV (range 9 um) may carry their energy on
    reach = float(csda_range_water_g_per_cm2(energy_mev))
    share = float(electron_absorbed_fraction_within(energy_mev, np.array([0.02 * reach]))[0])
    water = material("water")
    all_of_it = float(collision_stopping_power_mev_cm2_per_g(water, energy_mev)) * 0.02 * reach / energy_mev
    local = float(collision_stopping_power_mev_cm2_per_g(water, energy_mev, below_mev=0.02))
    assert local * 0.02 * reach / energy_mev < share < 1.2 * all_of_it


def test_kernel_is_interpolated_as_transported():
    edges = np.linspace(0, 1.1, 12)
    run = {"material": material("water"), "energy_mev": 0.147, "edges": edges, "n_histories": 10_000, "seed": 3}
    fraction, u, radiated = electron_absorbed_by_distance(**run)
    again, *_ = electron_absorbed_by_distance(**run)
    np.testing.assert_array_equal(fraction, again)
    assert fraction.sum() + radiated == pytest.approx(1, abs=1e-3)  # straggling: 4e-4 beyond 1.1 ranges
    reach = float(csda_range_water_g_per_cm2(0.147))
    expected = np.diff(electron_absorbed_fraction_within(0.147, edges * reach))
    assert np.all(np.abs(fraction - expected) < 5 * u + 0.002)


def test_kernel_of_penelope(dose_rows):
    # 0.002 of statistics on both sides; at 0.1 MeV and 0.8 ranges ours lies 0.006 above, elsewhere 0.004 at most
    for row in dose_rows("electron_kernel_penelope.csv"):
        energy = float(row["energy_mev"])
        reach = float(csda_range_water_g_per_cm2(energy))
        distances = np.array([float(row["distance_in_ranges"]), 1.2]) * reach
        within, whole = electron_absorbed_fraction_within(energy, distances)
        assert within / whole == pytest.approx(float(row["fraction"]), abs=0.008)


@pytest.mark.parametrize("nuclide", ["Lu-177", "Y-90", "I-131", "Tb-161"])
def test_a_nuclides_electrons_carry_their_energy(nuclide):
    _, energy = nuclide_electron_energy_within(nuclide)
    emitted = emissions(nuclide).electron_energy_mev
    assert (1 - 0.006) * emitted < energy[-1] < emitted  # less bremsstrahlung: 0.5 % for 90Y


def test_177lu_spheres_of_olguin(dose_rows):
    # 0.5 % of rounding to three digits, 0.5 % of decay data (electrons 147.1 to 147.9 keV)
    for row in dose_rows("lu177_spheres.csv"):
        ours = sphere_s_coefficient(mass_g=float(row["mass_g"]), density_g_per_ml=1.03, nuclide="Lu-177")
        assert ours == pytest.approx(float(row["s_gy_per_bq_s"]), rel=0.01)


def test_177lu_micro_spheres_of_hindie(dose_rows):
    # another spectrum (absorbed 134.4 keV in 5 mm, where nearly all is), 4 %
    for row in dose_rows("lu177_micro_spheres.csv"):
        radius = float(row["diameter_um"]) * 1e-4 / 2
        mass = 4 / 3 * np.pi * radius**3
        ours = sphere_s_coefficient(mass_g=mass, density_g_per_ml=1.0, nuclide="Lu-177")
        assert ours == pytest.approx(float(row["dose_gy_per_decay"]), rel=0.04)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1e4), st.floats(1.01, 3.0), st.sampled_from(["Lu-177", "Y-90", "I-131"]))
def test_larger_spheres_absorb_more_of_each_decay_and_get_less_dose(mass_g, factor, nuclide):
    small, large = (
        absorbed_energy_in_sphere_mev(mass_g=m, density_g_per_ml=1.0, nuclide=nuclide)
        for m in (mass_g, mass_g * factor)
    )
    found = emissions(nuclide)
    assert small <= large <= found.electron_energy_mev + found.photon_energy_mev
    assert large / factor < small


def test_all_energy_in_the_end():
    found = emissions("Lu-177")
    total = found.electron_energy_mev + found.photon_energy_mev
    # a ball of 3 m: nothing but 30 cm of its surface loses photons
    assert absorbed_energy_in_sphere_mev(mass_g=1e8, density_g_per_ml=1.0, nuclide="Lu-177") == pytest.approx(
        total, rel=0.02
    )


def test_density_scales_lengths():
    # s depends on mass and density by mass thickness R rho only: equal m rho^2 means equal absorbed energy
    one = absorbed_energy_in_sphere_mev(mass_g=1.0, density_g_per_ml=1.0, nuclide="Y-90")
    two = absorbed_energy_in_sphere_mev(mass_g=0.25, density_g_per_ml=2.0, nuclide="Y-90")
    assert one == pytest.approx(two, rel=1e-9)


def test_alpha_energy_with_recoil_is_absorbed():
    # 225Ac, Olguin 2020: 2.209 g 4.28e-10, 34.5156 g 2.74e-11 Gy/(Bq s), three digits, decay data 0.5 %
    for mass, published in ((2.209, 4.28e-10), (34.5156, 2.74e-11)):
        ours = sphere_s_coefficient(mass_g=mass, density_g_per_ml=1.03, nuclide="Ac-225")
        assert ours == pytest.approx(published, rel=0.01)
    local = emissions("Ac-225").alpha_energy_mev + emissions("Ac-225").recoil_energy_mev
    assert sphere_s_coefficient(mass_g=1.0, nuclide="Ac-225") > local * GY_PER_MEV_PER_G


def test_out_of_range():
    with pytest.raises(InputError, match="expected positive values"):
        sphere_s_coefficient(mass_g=0.0, nuclide="Lu-177")
    with pytest.raises(OutOfRangeError, match="holds from 5e-08 g"):
        sphere_s_coefficient(mass_g=1e-9, nuclide="Lu-177")
    with pytest.raises(OutOfRangeError, match="Ac-225 the sphere model holds from"):
        sphere_s_coefficient(mass_g=0.01, nuclide="Ac-225")
    assert least_mass_g("Ac-225") > least_mass_g("Lu-177")
