"""Spheres of 10 um to 10 mm with the members of the chain of 225Ac."""

import numpy as np
import pytest

from lutetia.dose.point_kernel import alpha_absorbed_fraction_within, nuclide_alpha_energy_within
from lutetia.dose.sphere import least_mass_g, sphere_dose
from lutetia.physics.emissions import emissions

MEMBERS = ("Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213")
DIAMETERS_UM = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)


def sphere(nuclide, diameter_um):
    # a hair above the least mass, which is that of 10 um
    mass = np.pi / 6 * (diameter_um * 1e-4) ** 3
    return sphere_dose(nuclide=nuclide, mass_g=mass, density_g_per_ml=1.0)


@pytest.mark.parametrize("nuclide", MEMBERS)
def test_alphas_escape_less_from_larger_spheres(nuclide):
    assert least_mass_g(nuclide) <= np.pi / 6 * 1e-9
    found = [sphere(nuclide, d) for d in DIAMETERS_UM]
    share = np.array([one.absorbed.alpha / one.emitted.alpha for one in found])
    assert np.all(np.diff(share) > 0)
    # in 10 um 3 to 10 % stays (3.75 um on average of 40 to 85), in 10 mm all but a skin
    assert 0.025 < share[0] < 0.1
    assert 0.99 < share[-1] < 1
    assert all(one.absorbed.recoil == one.emitted.recoil for one in found)


@pytest.mark.parametrize("nuclide", MEMBERS)
@pytest.mark.parametrize("mass_g", [1e-3, 1e-4, 1e-6])
def test_escape_is_visible_below_a_milligram(nuclide, mass_g):
    # Berger's chance averaged over where the energy is left: 3 <r> / 4 R - <r^3> / 16 R^3, while 2 R exceeds the range
    found = sphere_dose(nuclide=nuclide, mass_g=mass_g, density_g_per_ml=1.0)
    radii, energy = nuclide_alpha_energy_within(nuclide)
    x = (radii[1:] + radii[:-1]) / 2 / found.radius_cm
    lost = float((0.75 * x - x**3 / 16) @ np.diff(energy)) / energy[-1]
    escaped = 1 - found.absorbed.alpha / found.emitted.alpha
    assert escaped == pytest.approx(lost, rel=0.002)
    assert escaped > {1e-3: 0.025, 1e-4: 0.06, 1e-6: 0.28}[mass_g]


def test_of_a_gram_nothing_is_seen_to_escape():
    found = sphere_dose(nuclide="Ac-225", mass_g=1.0)
    assert found.absorbed.alpha > 0.996 * found.emitted.alpha


@pytest.mark.parametrize("nuclide", MEMBERS)
@pytest.mark.parametrize("diameter_um", [10.0, 40.0, 100.0, 1000.0])
def test_tracks_that_are_sampled_leave_as_much(nuclide, diameter_um):
    # straight tracks from even points: the way to the surface, 2e5 of them, five standard errors
    rng = np.random.default_rng(11)
    n, radius = 200_000, diameter_um * 1e-4 / 2
    s = radius * np.cbrt(rng.random(n))
    u = rng.uniform(-1, 1, n)
    way = -s * u + np.sqrt(radius**2 - s**2 * (1 - u**2))
    lines = emissions(nuclide).alpha
    line = rng.choice(lines.energy_mev.size, n, p=lines.yield_per_decay / lines.total_yield)
    left = np.zeros(n)
    for i, energy in enumerate(lines.energy_mev):
        of_line = line == i
        left[of_line] = energy * alpha_absorbed_fraction_within(float(energy), way[of_line])
    expected, error = left.mean() * lines.total_yield, left.std() / np.sqrt(n) * lines.total_yield
    assert sphere(nuclide, diameter_um).absorbed.alpha == pytest.approx(expected, abs=5 * error)


def test_members_of_the_chain_absorb_all_in_grams():
    # 1.5 % is asked; 225Ac alone is within 0.5 % of Olguin et al. (test_sphere), its progeny of the energy they emit
    for nuclide in MEMBERS:
        found = sphere_dose(nuclide=nuclide, mass_g=2.209, density_g_per_ml=1.03)
        charged = found.absorbed.alpha + found.absorbed.recoil
        assert charged == pytest.approx(found.emitted.alpha + found.emitted.recoil, rel=0.006)
