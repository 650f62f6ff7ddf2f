"""Photons of uniform spheres of water: the point kernel against another program and against closed forms."""

import math

import numpy as np
import pytest

from lutetia.dose.montecarlo.photons.point import absorbed_by_distance
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g, mass_energy_absorption_cm2_per_g
from lutetia.physics.materials import material

from . import photon_sphere


def absorbed_fraction(energy_mev, radius_cm, n=200_000):
    """In a sphere within water: shells of the point kernel, each times the mean chance to be inside still."""
    edges = np.linspace(0, 2 * radius_cm, 161)
    fraction, u = absorbed_by_distance(
        material=material("water"), energy_mev=energy_mev, edges_cm=edges, n_histories=n, seed=3
    )
    x = 0.5 * (edges[1:] + edges[:-1]) / radius_cm
    inside = 1 - 0.75 * x + x**3 / 16  # Berger 1970
    return float(fraction @ inside), float(np.sqrt(u**2 @ inside**2))


def test_small_spheres_absorb_by_their_mean_chord():
    # closed form to first order in mu R: a photon travels 3/4 R on average before it leaves; next order under mu R
    for energy_mev in (0.06, 0.208, 0.662, 2.0):
        radius = 0.02
        ours, u = absorbed_fraction(energy_mev, radius, n=2_000_000)
        expected = 0.75 * radius * float(mass_energy_absorption_cm2_per_g("water", energy_mev))
        mu = float(mass_attenuation_cm2_per_g("water", energy_mev))
        assert ours == pytest.approx(expected, abs=4 * u + mu * radius * expected)


def test_first_collisions_alone_absorb_less():
    # closed form: escape probability of a uniform sphere (Case, de Hoffmann, Placzek 1953), without any scatter
    for energy_mev, radius in ((0.02, 0.62), (0.06, 2.879), (0.364, 6.204)):
        mu = float(mass_attenuation_cm2_per_g("water", energy_mev))
        x = mu * radius
        escape = 3 / (8 * x**3) * (2 * x * x - 1 + (1 + 2 * x) * math.exp(-2 * x))
        first = (1 - escape) * float(mass_energy_absorption_cm2_per_g("water", energy_mev)) / mu
        ours, u = absorbed_fraction(energy_mev, radius)
        assert first < ours + 4 * u < 1


@pytest.mark.slow
@pytest.mark.parametrize("energy_mev", [0.02, 0.03, 0.05, 0.1, 0.364, 0.662, 2.0])
@pytest.mark.parametrize("mass_g", [1.0, 20.0, 1000.0])
def test_absorbed_fractions_of_spheres_are_those_of_another_program(energy_mev, mass_g):
    radius = (3 * mass_g / (4 * math.pi)) ** (1 / 3)
    ours, u = absorbed_fraction(energy_mev, radius)
    other, v = photon_sphere.absorbed_fraction(energy_mev, radius, 60_000, 4, surrounded=True)
    # 0.5 %: steps of the tables of angles there, width of the shells here
    assert ours == pytest.approx(other, abs=4 * math.hypot(u, v) + 0.005 * other)
